/* mem_sample_int.h: what mem.c tells the sampler. Any thread. */
#ifndef HG_BASE_MEM_SAMPLE_INT_H
#define HG_BASE_MEM_SAMPLE_INT_H

#include "base/mem_sample.h"

#define HG_MEM_SAMPLE_BUCKETS 32768

typedef struct hg_mem_drawn hg_mem_drawn_t;

/* Bytes until this thread's next draw. */
extern _Thread_local int64_t hg_mem_sample_left;

/* The sample, by address. That a bucket is empty is seen without a lock: whoever frees a block has got it from the
 * thread that put it there, and it stays until then. */
extern _Atomic(hg_mem_drawn_t *) hg_mem_sample_bucket[HG_MEM_SAMPLE_BUCKETS];

static inline size_t hg_mem_sample_hash(const void *p)
{
    return (size_t)(((uint64_t)(uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 49);
}

/* The thread's count is below 0: is it this block that is drawn? */
void hg_mem_sample_draw(void *p, size_t n);
/* Takes a block out of the sample; NULL: it was not in it. */
hg_mem_drawn_t *hg_mem_sample_out(const void *p);
/* Back into it; for a realloc() that failed. */
void hg_mem_sample_back(hg_mem_drawn_t *d);
void hg_mem_sample_forget(hg_mem_drawn_t *d);

/* p: NULL or new. Returns p. */
static inline void *hg_mem_sample_new(void *p, size_t n)
{
    hg_mem_sample_left -= (int64_t)n;
    if (HG_UNLIKELY(hg_mem_sample_left < 0)) hg_mem_sample_draw(p, n);
    return p;
}

/* Before p is given back. */
static inline hg_mem_drawn_t *hg_mem_sample_gone(const void *p)
{
    if (HG_LIKELY(!atomic_load_explicit(&hg_mem_sample_bucket[hg_mem_sample_hash(p)], memory_order_relaxed)))
        return NULL;
    return hg_mem_sample_out(p);
}

#endif
