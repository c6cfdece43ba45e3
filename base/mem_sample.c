/* mem_sample.c: see mem_sample.h. It stands below mem.h, so it asks the C library for its own memory.
 *
 * A block that is drawn has a record in the bucket of its address. Buckets are changed under the lock of their stripe
 * and read without one (mem_sample_int.h).
 */
#include "base/hg.h"

#include <math.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/mem_sample_int.h"
#include "base/unwind.h"

#define STRIPES 16

_Static_assert(HG_MEM_SAMPLE_BUCKETS == 1 << (64 - 49), "the hash yields as many bits");

struct hg_mem_drawn {
    hg_mem_drawn_t *next;
    const void *block;
    size_t size;
    unsigned n;
    uintptr_t pcs[];
};

typedef struct stripe {
    pthread_mutex_t lock;
    size_t room; /* what copies of its records take */
} stripe_t;

_Thread_local int64_t hg_mem_sample_left;
_Atomic(hg_mem_drawn_t *) hg_mem_sample_bucket[HG_MEM_SAMPLE_BUCKETS];

static stripe_t g_stripes[STRIPES];
static uint64_t g_mean; /* written before there are threads */
static _Thread_local uint64_t t_random;
static _Thread_local bool t_begun; /* the thread's count leads to a draw */

uint64_t hg_mem_sample_mean(void)
{
    return g_mean;
}

/* splitmix64; each thread has its own sequence. */
static uint64_t draw_bits(void)
{
    if (!t_random) t_random = (uint64_t)(uintptr_t)&t_random ^ (uint64_t)time(NULL) << 32;
    uint64_t x = t_random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The way to the next draw is exponentially distributed: whatever lies behind does not matter. */
static int64_t draw_gap(void)
{
    double u = ((double)(draw_bits() >> 11) + 1) / 9007199254740993.0; /* in (0, 1] */
    return (int64_t)(-log(u) * (double)g_mean);
}

void hg_mem_sample_start(uint64_t mean)
{
    if (!mean) return;
    for (unsigned i = 0; i < STRIPES; i++) pthread_mutex_init(&g_stripes[i].lock, NULL);
    g_mean = HG_MIN(mean, (uint64_t)INT64_MAX >> 8);
    hg_mem_sample_left = draw_gap();
    t_begun = true;
}

int hg_mem_sample_start_env(hg_err_t *err)
{
    const char *set = getenv("HEADGATE_HEAP_SAMPLE");
    uint64_t mean = HG_MEM_SAMPLE_MEAN;
    int rc = 0;
    if (set && hg_str_u64(hg_strz(set), &mean) < 0) {
        rc =
            hg_err_set(err, HG_EINVAL,
                       "HEADGATE_HEAP_SAMPLE is '%.40s'; it must be a number of bytes, or 0 for no heap profiles", set);
        mean = HG_MEM_SAMPLE_MEAN;
    }
    hg_mem_sample_start(mean);
    return rc;
}

/* --- the table --- */

static stripe_t *lock_stripe(size_t bucket)
{
    stripe_t *s = &g_stripes[bucket % STRIPES];
    pthread_mutex_lock(&s->lock);
    return s;
}

static size_t copy_size(const hg_mem_drawn_t *d)
{
    return sizeof *d + d->n * sizeof d->pcs[0];
}

void hg_mem_sample_back(hg_mem_drawn_t *d)
{
    size_t b = hg_mem_sample_hash(d->block);
    stripe_t *s = lock_stripe(b);
    d->next = atomic_load_explicit(&hg_mem_sample_bucket[b], memory_order_relaxed);
    atomic_store_explicit(&hg_mem_sample_bucket[b], d, memory_order_relaxed);
    s->room += copy_size(d);
    pthread_mutex_unlock(&s->lock);
}

hg_mem_drawn_t *hg_mem_sample_out(const void *p)
{
    size_t b = hg_mem_sample_hash(p);
    stripe_t *s = lock_stripe(b);
    hg_mem_drawn_t *d = atomic_load_explicit(&hg_mem_sample_bucket[b], memory_order_relaxed), *before = NULL;
    while (d && d->block != p) {
        before = d;
        d = d->next;
    }
    if (d && before) before->next = d->next;
    if (d && !before) atomic_store_explicit(&hg_mem_sample_bucket[b], d->next, memory_order_relaxed);
    if (d) s->room -= copy_size(d);
    pthread_mutex_unlock(&s->lock);
    return d;
}

void hg_mem_sample_forget(hg_mem_drawn_t *d)
{
    free(d);
}

/* --- drawing --- */

static void keep_block(const void *p, size_t n)
{
    uintptr_t pcs[HG_MEM_SAMPLE_DEPTH];
    unsigned depth = hg_unwind_here(pcs, HG_MEM_SAMPLE_DEPTH);
    hg_mem_drawn_t *d = malloc(sizeof *d + depth * sizeof *pcs);
    if (!d) return;
    d->block = p;
    d->size = n;
    d->n = depth;
    memcpy(d->pcs, pcs, depth * sizeof *pcs);
    hg_mem_sample_back(d);
}

void hg_mem_sample_draw(void *p, size_t n)
{
    if (!g_mean) {
        hg_mem_sample_left = INT64_MAX;
        return;
    }
    if (!t_begun) { /* a thread's first: its count was 0 */
        t_begun = true;
        hg_mem_sample_left += draw_gap();
        if (hg_mem_sample_left >= 0) return;
    }
    hg_mem_sample_left = draw_gap();
    if (p) keep_block(p, n);
}

void hg_mem_sample_mapped(void *p, size_t n)
{
    hg_mem_sample_new(p, n);
}

void hg_mem_sample_unmapped(const void *p)
{
    hg_mem_drawn_t *d = hg_mem_sample_gone(p);
    if (d) hg_mem_sample_forget(d);
}

/* --- reading --- */

/* Copies of a stripe's records, one behind the other: *ret is the caller's to free(), *ret_end their end. */
static bool copy_stripe(unsigned i, char **ret, char **ret_end)
{
    stripe_t *s = lock_stripe(i);
    char *copy = malloc(s->room + 1), *to = copy;
    for (size_t b = i; copy && b < HG_MEM_SAMPLE_BUCKETS; b += STRIPES)
        for (hg_mem_drawn_t *d = atomic_load_explicit(&hg_mem_sample_bucket[b], memory_order_relaxed); d; d = d->next) {
            memcpy(to, d, copy_size(d));
            to += copy_size(d);
        }
    pthread_mutex_unlock(&s->lock);
    *ret = copy;
    *ret_end = to;
    return copy != NULL;
}

bool hg_mem_sample_each(void (*block)(void *arg, size_t size, const uintptr_t *pcs, unsigned n), void *arg)
{
    for (unsigned i = 0; g_mean && i < STRIPES; i++) {
        char *copy, *end;
        if (!copy_stripe(i, &copy, &end)) return false;
        for (char *p = copy; p < end;) {
            const hg_mem_drawn_t *d = (const hg_mem_drawn_t *)(const void *)p;
            block(arg, d->size, d->pcs, d->n);
            p += copy_size(d);
        }
        free(copy);
    }
    return true;
}
