/* store_make.c: large segments are made ahead of their use, on a pool thread.
 *
 * A segment's buffers are tens of MiB that the kernel zeroes page by page as they are touched: 20 to 40 ms, which would
 * all fall into the step that opens the segment. So a pool thread makes the store's next tail (the spare) while the one
 * in use fills, what a merge copies into, and memory for the index's next sub-tables. A store without a pool (tests,
 * ad-hoc state) makes them on the spot.
 *
 *   circuit: hg_make_start ─► pool: make ─► wake ─► circuit: hg_make_ready, hg_make_take
 *
 * Nothing depends on when it is done: a step that finds no spare makes a small segment itself. A request is the pool's
 * until `done` is set; taking or dropping it waits for that. It counts memory through the store's account, and reads
 * the plan's types, so a store drops its requests before it goes. Start, ready, take, drop: circuit thread.
 *
 * Segments that a merge has emptied are given back there too: that waits until nobody populates pages.
 */
#include "base/hg.h"
#include "base/loop.h"
#include "engine/store_int.h"
#include <pthread.h>

#define SPARE_BYTES ((size_t)1 << 20) /* smaller segments are made on the spot */

struct hg_make {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    atomic_bool done; /* set under lock */
    hg_acct_t *acct;
    const hg_type_t *const *types;
    uint32_t n_cols, cap;
    bool weighted, dead;
    uint64_t *room;
    size_t block_bytes;        /* a block alone */
    uint32_t *fwd_caps, n_fwd; /* entries of each forwarding table wanted */
    void (*wake)(void *arg);
    void *wake_arg;
    hg_made_t made; /* seg NULL: memory was out, or there is nothing to make */
};

void hg_made_release(hg_made_t *m)
{
    for (uint32_t i = 0; m->fwd && i < m->n_fwd; i++) hg_block_free(m->fwd[i], sizeof **m->fwd * m->fwd_caps[i]);
    hg_free(m->fwd);
    hg_free(m->fwd_caps);
    hg_seg_drop(m->seg);
    hg_block_free(m->block, m->block_bytes);
    *m = (hg_made_t){ 0 };
}

static int make_fwd(hg_make_t *k)
{
    if (k->n_fwd == 0) return 0;
    k->made.fwd = hg_tryzero(sizeof *k->made.fwd * k->n_fwd);
    if (!k->made.fwd) return HG_ENOMEM;
    k->made.fwd_caps = k->fwd_caps;
    k->made.n_fwd = k->n_fwd;
    k->fwd_caps = NULL;
    for (uint32_t i = 0; i < k->n_fwd; i++) {
        size_t n = sizeof **k->made.fwd * k->made.fwd_caps[i];
        k->made.fwd[i] = hg_block_new(n);
        if (!k->made.fwd[i]) return HG_ENOMEM;
        memset(k->made.fwd[i], 0xff, n);
    }
    return 0;
}

static void make(hg_make_t *k)
{
    if (k->block_bytes) {
        k->made.block = hg_block_new(k->block_bytes);
        k->made.block_bytes = k->block_bytes;
        return;
    }
    int rc = hg_seg_new(k->acct, k->types, k->n_cols, k->weighted, k->dead, k->cap, k->room, &k->made.seg);
    if (rc == 0) rc = make_fwd(k);
    if (rc < 0) hg_made_release(&k->made);
}

static void make_job(void *arg, unsigned worker)
{
    hg_make_t *k = arg;
    void (*wake)(void *) = k->wake;
    void *wake_arg = k->wake_arg;
    (void)worker;
    make(k);
    if (k->made.seg) hg_seg_touch(k->made.seg);
    if (k->made.block) hg_block_touch(k->made.block, k->made.block_bytes);
    pthread_mutex_lock(&k->lock);
    atomic_store_explicit(&k->done, true, memory_order_release);
    pthread_cond_signal(&k->cond);
    pthread_mutex_unlock(&k->lock); /* from here on k may be gone */
    if (wake) wake(wake_arg);
}

static void start(hg_make_t *k, const hg_store_t *st)
{
    k->wake = st->wake;
    k->wake_arg = st->wake_arg;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->cond, NULL);
    if (st->pool) {
        hg_pool_submit(st->pool, make_job, NULL, NULL, k);
    } else {
        make(k);
        atomic_store_explicit(&k->done, true, memory_order_relaxed);
    }
}

hg_make_t *hg_make_start(hg_store_t *st, uint32_t cap, const uint64_t *room, hg_seg_t *const *forwarded, uint32_t n)
{
    hg_make_t *k = hg_tryzero(sizeof *k);
    if (!k) return NULL;
    k->room = hg_trynew(sizeof *k->room * ((size_t)st->n_dims + 1));
    k->fwd_caps = hg_trynew(sizeof *k->fwd_caps * ((size_t)n + 1));
    if (!k->room || !k->fwd_caps) {
        hg_free(k->room);
        hg_free(k->fwd_caps);
        hg_free(k);
        return NULL;
    }
    if (st->n_dims) memcpy(k->room, room, sizeof *room * st->n_dims);
    for (uint32_t i = 0; i < n; i++) k->fwd_caps[i] = forwarded[i]->dead < forwarded[i]->rows ? forwarded[i]->cap : 0;
    k->n_fwd = n;
    k->acct = st->acct;
    k->types = st->types;
    k->n_cols = st->n_cols;
    k->cap = cap;
    k->weighted = st->bag;
    k->dead = !st->bag || st->live < st->total; /* rows of a table with a key are expected to change */
    start(k, st);
    return k;
}

hg_make_t *hg_make_block(const hg_store_t *st, size_t bytes)
{
    hg_make_t *k = hg_tryzero(sizeof *k);
    if (!k) return NULL;
    k->block_bytes = bytes;
    start(k, st);
    return k;
}

bool hg_make_ready(const hg_make_t *k)
{
    return atomic_load_explicit(&k->done, memory_order_acquire);
}

hg_made_t hg_make_take(hg_make_t *k)
{
    pthread_mutex_lock(&k->lock);
    while (!atomic_load_explicit(&k->done, memory_order_relaxed)) pthread_cond_wait(&k->cond, &k->lock);
    pthread_mutex_unlock(&k->lock);
    hg_made_t made = k->made;
    pthread_cond_destroy(&k->cond);
    pthread_mutex_destroy(&k->lock);
    hg_free(k->room);
    hg_free(k->fwd_caps);
    hg_free(k);
    return made;
}

void hg_make_drop(hg_make_t *k)
{
    if (!k) return;
    hg_made_t made = hg_make_take(k);
    hg_made_release(&made);
}

/* --- giving back -------------------------------------------------------------------------------------------------- */

static void forget(hg_seg_t *s)
{
    hg_block_free(s->fwd, sizeof *s->fwd * s->cap);
    s->fwd = NULL;
    hg_seg_drop(s);
}

static void forget_job(void *arg, unsigned worker)
{
    (void)worker;
    forget(arg);
}

void hg_store_retire_seg(hg_store_t *st, hg_seg_t *s)
{
    hg_store_unlist_seg(st, s);
    s->fwd_to = NULL;
    if (st->pool)
        hg_pool_submit(st->pool, forget_job, NULL, NULL, s);
    else
        forget(s);
}

/* --- the spare --------------------------------------------------------------------------------------------------- */

static bool quarter_full(const hg_seg_t *s, const uint64_t *used, uint32_t n_dims)
{
    bool full = s->rows >= s->cap / 4;
    for (uint32_t d = 0; d < n_dims; d++) full = full || used[d] >= s->room[d] / 4;
    return full;
}

void hg_store_look_ahead(hg_store_t *st)
{
    const hg_seg_t *t = st->tail;
    if (!st->pool || st->spare || !t || t->rows == 0) return;
    uint32_t cap = hg_seg_rows_for(st->live / 2);
    if (t->bytes / t->cap * cap < SPARE_BYTES) return;
    uint64_t *used = hg_tryzero(sizeof *used * ((size_t)st->n_dims + 1));
    if (!used) return;
    hg_seg_used(t, used);
    if (quarter_full(t, used, st->n_dims)) {
        hg_seg_plan_room(st, used, t->rows, &cap);
        st->spare = hg_make_start(st, cap, used, NULL, 0);
    }
    hg_free(used);
}

hg_seg_t *hg_store_take_spare(hg_store_t *st, const uint64_t *first)
{
    if (!st->spare || !hg_make_ready(st->spare)) return NULL;
    hg_made_t made = hg_make_take(st->spare);
    st->spare = NULL;
    for (uint32_t d = 0; made.seg && d < st->n_dims; d++)
        if (made.seg->room[d] < first[d]) hg_made_release(&made); /* one huge record: a segment of its own */
    return made.seg;
}
