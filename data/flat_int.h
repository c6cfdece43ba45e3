/* flat_int.h: just enough of FlatBuffers (https://flatbuffers.dev/internals/) to write Arrow's metadata.
 *
 * Written from front to back: a table first, what it refers to behind it, and then the reference is patched in. Places
 * are offsets in the buffer, so that they survive its growth; alignment counts from the first byte of the message. The
 * first failure sticks, later calls do nothing. One thread.
 */
#ifndef HG_DATA_FLAT_INT_H
#define HG_DATA_FLAT_INT_H

#include "base/buf.h"

typedef struct {
    hg_buf_t *b;
    size_t base; /* of the message in b */
    int rc;
} hg_flat_t;

/* A root offset; what it refers to is linked to `ret`. */
size_t hg_flat_root(hg_flat_t *f);
/* A table with n fields (at most 8) of widths[i] bytes (0: absent, else 1, 2, 4 or 8), all zero. at[i] is where field i
 * is. Returns the table's place. */
size_t hg_flat_table(hg_flat_t *f, const uint8_t *widths, unsigned n, size_t *at);
/* n elements of `width` bytes, all zero; a multiple of 8 is aligned to 8. *first is the place of the first. */
size_t hg_flat_vector(hg_flat_t *f, uint32_t n, unsigned width, size_t *first);
size_t hg_flat_string(hg_flat_t *f, hg_str_t s);

void hg_flat_link(hg_flat_t *f, size_t at, size_t to); /* the reference at `at` is to `to`, which is behind it */
void hg_flat_u8(hg_flat_t *f, size_t at, uint8_t v);
void hg_flat_u16(hg_flat_t *f, size_t at, uint16_t v);
void hg_flat_u32(hg_flat_t *f, size_t at, uint32_t v);
void hg_flat_u64(hg_flat_t *f, size_t at, uint64_t v);

/* n zero bytes at the end; zeros up to a multiple of `align` (a power of two). */
void hg_flat_zeros(hg_flat_t *f, size_t n);
void hg_flat_align(hg_flat_t *f, size_t align);

#endif
