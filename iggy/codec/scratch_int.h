/* scratch_int.h: what codecs and transforms see of a scratch beside iggy/codec/scratch.h.
 *
 * Two areas: `batch` (hg_scratch_alloc) holds what is handed out until the reset; `work` holds one message's index and
 * the values put into it, and is emptied with the next message, so that it stays in the processor's cache.
 */
#ifndef HG_IGGY_CODEC_SCRATCH_INT_H
#define HG_IGGY_CODEC_SCRATCH_INT_H

#include "data/json_scan.h"
#include "data/variant.h"
#include "iggy/codec/payload.h"

typedef struct hg_bump_block {
    struct hg_bump_block *next;
    size_t cap;
    char data[];
} hg_bump_block_t;

typedef struct hg_bump {
    hg_bump_block_t *first, *now; /* blocks behind `now` are empty */
    char *p, *end;                /* in now */
} hg_bump_t;

struct hg_scratch {
    hg_bump_t batch, work;
    hg_buf_t out;    /* hg_scratch_out() */
    hg_buf_t tmp;    /* of whoever runs just now */
    hg_jscan_t scan; /* its tmp: a decoded string */
    hg_variant_t *variant;
    hg_buf_t canon;    /* a canonical value */
    int64_t fixed_now; /* 0: the clock */
    uint64_t seed;     /* of fixed random bytes */
    uint8_t dice[512];
    uint32_t dice_left;
    uint64_t last_ms; /* of the last uuid_v7, and its counter */
    uint32_t tick;
};

void *hg_bump_slow(hg_bump_t *b, size_t n);
static inline void *hg_bump(hg_bump_t *b, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (HG_UNLIKELY(n > (size_t)(b->end - b->p))) return hg_bump_slow(b, n);
    char *p = b->p;
    b->p += n;
    return p;
}

static inline void *hg_scratch_work(hg_scratch_t *s, size_t n)
{
    return hg_bump(&s->work, n + HG_PAYLOAD_PAD);
}

/* The scanner, ready to read this text. */
hg_jscan_t *hg_scratch_scan(hg_scratch_t *s, hg_str_t text);

#endif
