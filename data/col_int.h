/* col_int.h: what the files of data/ share about column buffers. */
#ifndef HG_DATA_COL_INT_H
#define HG_DATA_COL_INT_H

#include "base/mem.h"
#include "data/col.h"

/* Zeros that stand for every empty buffer, so that no pointer of a sealed column is NULL. Never written, never freed.
 */
extern int64_t hg_col_zeros[16];

static inline size_t hg_bitmap_bytes(size_t bits)
{
    return (bits + 7) / 8;
}

static inline void hg_colbuf_free(void *p)
{
    if (p != (void *)hg_col_zeros) hg_free(p);
}

/* Set bits [from, to). */
void hg_bits_fill(uint8_t *bits, size_t from, size_t to);
/* Number of 0 bits in [from, to). */
uint32_t hg_bits_zeros(const uint8_t *bits, size_t from, size_t to);

uint32_t hg_n_children(const hg_type_t *t);
/* A column of the type without buffers, one reference. Aborts when memory is out. */
hg_col_t *hg_col_bare(const hg_type_t *type, uint32_t len);

/* colb_map.c: the scratch of a MAP's builder; no other builder has one. */
void hg_mapsort_free(hg_colb_t *b);

static inline bool hg_phys_has_offs(hg_phys_t p)
{
    return p == HG_PHYS_VAR || p == HG_PHYS_LIST || p == HG_PHYS_MAP;
}

#endif
