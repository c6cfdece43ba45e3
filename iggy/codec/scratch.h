/* scratch.h: memory and working state of one thread that runs codecs and transforms over batches.
 *
 * Everything that a batch's messages are made into lives in its scratch until hg_scratch_reset(), which frees nothing
 * but what an unusually large batch took: after the first batches, a message costs no call of the allocator. Codecs and
 * chains themselves are immutable and shared; a scratch belongs to one thread at a time.
 */
#ifndef HG_IGGY_CODEC_SCRATCH_H
#define HG_IGGY_CODEC_SCRATCH_H

#include "base/buf.h"
#include "base/err.h"

typedef struct hg_scratch hg_scratch_t;

hg_scratch_t *hg_scratch_new(void); /* small: grows with what passes through it */
void hg_scratch_free(hg_scratch_t *s);
/* Between batches: all that was handed out since the last reset is gone. */
void hg_scratch_reset(hg_scratch_t *s);

/* 16-byte aligned, not zeroed, with HG_PAYLOAD_PAD readable bytes behind. NULL when memory is out: sizes come from
 * messages. */
void *hg_scratch_alloc(hg_scratch_t *s, size_t n);
/* A copy with the readable bytes behind; .p NULL when memory is out. */
hg_str_t hg_scratch_copy(hg_scratch_t *s, hg_str_t bytes);

/* The same for what one message needs while it is worked on: gone with hg_scratch_next(), which hg_convert_*() call at
 * the beginning, and with the reset. */
void *hg_scratch_value(hg_scratch_t *s, size_t n);
void hg_scratch_next(hg_scratch_t *s);

/* A buffer for what is written once and then kept: hg_scratch_out() empties it, hg_scratch_keep() makes what was
 * written part of the scratch. One at a time. HG_ENOMEM. */
hg_buf_t *hg_scratch_out(hg_scratch_t *s);
int hg_scratch_keep(hg_scratch_t *s, hg_str_t *ret);

/* The time that computed values see, in nanoseconds since 1970: the clock's, unless it was fixed. */
int64_t hg_scratch_now(hg_scratch_t *s);
/* 0: the clock again. For tests, and for whoever must give the same values twice; random bytes then come from the
 * seed. */
void hg_scratch_fix(hg_scratch_t *s, int64_t now_ns, uint64_t seed);
/* Milliseconds since 1970 and a tick of 12 bits that rise together with each call (they run ahead of the clock rather
 * than repeat): the beginning of a UUID of version 7. */
uint64_t hg_scratch_rising(hg_scratch_t *s, uint32_t *ret_tick);
void hg_scratch_random(hg_scratch_t *s, void *to, size_t n);

/* Bytes held. */
size_t hg_scratch_bytes(const hg_scratch_t *s);

#endif
