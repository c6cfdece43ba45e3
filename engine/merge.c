/* merge.c: log-structured garbage collection of one store (after Rosenblum & Ousterhout, "The Design and Implementation
 * of a Log-Structured File System", 1992), in slices between steps. Circuit thread only.
 *
 *   pick     the deadest segments while more than a third of all rows are dead, or many small ones
 *   make     a pool thread makes the new segment (store_make.c)
 *   copy     live rows go to one new segment; fwd[] remembers where. A row that dies after it was copied dies in both
 * (hg_seg_kill) swap     one moment: the manifest lists the new segment instead of the old ones; older snapshots keep
 * the old manifest repoint  index entries move over, one by one; until then a ref into an old segment is as good as the
 * new one retire   the old segments go, one per slice; a snapshot may keep their memory
 *
 * Nothing waits for it: a step between any two slices sees a complete store. Memory that runs out only ends this
 * attempt.
 */
#include "base/hg.h"
#include "base/log.h"
#include "engine/store_int.h"

#define SLICE_ROWS  256u
#define SMALL_ROWS  (HG_SEG_ROWS / 4)
#define SMALL_BYTES (HG_SEG_BYTES / 4)
#define SMALL_MANY  8u

typedef enum { MERGE_MAKE, MERGE_COPY, MERGE_SWAP, MERGE_REPOINT, MERGE_RETIRE } phase_t;

struct hg_merge {
    phase_t phase;
    hg_seg_t **victims;
    uint32_t n, at, row; /* victim and row that are next */
    hg_make_t *make;     /* while it is being made */
    hg_made_t made;      /* forwarding tables of the first victims, taken one by one; seg has become out */
    hg_seg_t *out;       /* NULL: all rows are dead */
};

static void unforward(hg_seg_t *s)
{
    hg_block_free(s->fwd, sizeof *s->fwd * s->cap);
    s->fwd = NULL;
    s->fwd_to = NULL;
}

void hg_merge_free(hg_merge_t *m)
{
    if (!m) return;
    hg_make_drop(m->make);
    hg_made_release(&m->made);
    hg_free(m->victims);
    hg_free(m);
}

/* --- pick -------------------------------------------------------------------------------------------------------- */

static int deadest_first(const void *a, const void *b)
{
    const hg_seg_t *x = *(hg_seg_t *const *)a, *y = *(hg_seg_t *const *)b;
    uint64_t l = (uint64_t)x->dead * y->rows, r = (uint64_t)y->dead * x->rows;
    return l > r ? -1 : l < r ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

static bool is_small(const hg_seg_t *s)
{
    return s->rows - s->dead < SMALL_ROWS && s->bytes < SMALL_BYTES;
}

/* Room for everything the victims use now; false when one more would make the new segment too large (the first one may
 * be). */
static bool add_room(const hg_store_t *st, const hg_seg_t *s, bool first, uint64_t *room, uint64_t *used)
{
    uint64_t total = 0;
    hg_seg_used(s, used);
    for (uint32_t d = 0; d < st->n_dims; d++) total += room[d] + used[d];
    if (total > HG_SEG_BYTES && !first) return false;
    for (uint32_t d = 0; d < st->n_dims; d++) room[d] += used[d];
    return true;
}

static hg_merge_t *pick(hg_store_t *st)
{
    uint32_t small = 0, gone = 0;
    for (uint32_t i = 0; i < st->manifest->n; i++) {
        const hg_seg_t *s = st->manifest->segs[i];
        if (s == st->tail) continue;
        small += is_small(s);
        gone += s->dead == s->rows;
    }
    bool many_dead = st->total - st->live > st->total / 3, many_small = small > SMALL_MANY;
    if (!many_dead && !many_small && gone == 0) return NULL;

    hg_merge_t *m = HG_NEW(hg_merge_t);
    uint64_t *room = hg_tryzero(sizeof *room * 2 * ((size_t)st->n_dims + 1)), live = 0;
    m->victims = hg_trynew(sizeof(hg_seg_t *) * st->manifest->n);
    if (!room || !m->victims) goto none;
    for (uint32_t i = 0; i < st->manifest->n; i++) {
        hg_seg_t *s = st->manifest->segs[i];
        if (s == st->tail) continue;
        bool want = s->dead == s->rows || (many_small && is_small(s)) || (many_dead && s->dead > s->rows / 8);
        if (want) m->victims[m->n++] = s;
    }
    if (m->n == 0) goto none; /* the garbage is in the tail */
    qsort(m->victims, m->n, sizeof(hg_seg_t *), deadest_first);
    uint32_t keep = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        hg_seg_t *s = m->victims[i];
        uint32_t l = s->rows - s->dead;
        if (l > 0 && (live + l > HG_SEG_ROWS || !add_room(st, s, live == 0, room, room + st->n_dims))) continue;
        live += l;
        m->victims[keep++] = s;
    }
    m->n = keep;
    if (m->n == 0 || (gone == 0 && m->n == 1 && m->victims[0]->dead == 0)) goto none;
    if (live > 0) {
        m->make = hg_make_start(st, (uint32_t)live, room, m->victims, m->n);
        if (!m->make) goto none;
    }
    hg_free(room);
    return m;
none:
    hg_free(room);
    hg_merge_free(m);
    return NULL;
}

/* --- slices ------------------------------------------------------------------------------------------------------ */

static int take_made(hg_store_t *st, hg_merge_t *m)
{
    m->phase = MERGE_COPY;
    if (!m->make) return 0; /* all rows are dead */
    m->made = hg_make_take(m->make);
    m->make = NULL;
    if (!m->made.seg || hg_store_add_seg(st, m->made.seg) < 0) return HG_ENOMEM;
    m->out = m->made.seg;
    m->made.seg = NULL;
    return 0;
}

static int copy_slice(hg_merge_t *m)
{
    if (m->at == m->n) {
        m->phase = MERGE_SWAP;
        return 0;
    }
    hg_seg_t *s = m->victims[m->at];
    if (!s->fwd_to && s->dead < s->rows) {
        s->fwd = m->made.fwd[m->at];
        m->made.fwd[m->at] = NULL;
        s->fwd_to = m->out;
    }
    uint32_t rows[SLICE_ROWS], n = 0, end = HG_MIN(s->rows, m->row + SLICE_ROWS);
    for (uint32_t r = m->row; r < end; r++)
        if (!hg_seg_dead_at(s, r)) rows[n++] = r;
    if (n > 0) {
        hg_seg_t *o = m->out;
        uint32_t at = o->rows;
        for (uint32_t i = 0; i < n; i++)
            if (hg_seg_need_origin(o, hg_seg_origin(s, rows[i])) < 0) return HG_ENOMEM;
        hg_seg_append(o, s->cols, rows, n);
        for (uint32_t i = 0; i < n; i++) {
            o->hash[at + i] = s->hash[rows[i]];
            if (o->weight) o->weight[at + i] = s->weight[rows[i]];
            if (o->origin) o->origin[at + i] = hg_seg_origin(s, rows[i]);
            s->fwd[rows[i]] = at + i;
        }
    }
    m->row = end;
    if (end == s->rows) {
        m->at++;
        m->row = 0;
    }
    return 0;
}

static bool is_victim(const hg_merge_t *m, const hg_seg_t *s)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (m->victims[i] == s) return true;
    return false;
}

static int swap_manifest(hg_store_t *st, hg_merge_t *m)
{
    hg_manifest_t *old = st->manifest, *now = hg_manifest_new(old->n + 1);
    if (!now) return HG_ENOMEM;
    for (uint32_t i = 0; i < old->n; i++)
        if (!is_victim(m, old->segs[i])) now->segs[now->n++] = old->segs[i];
    if (m->out) now->segs[now->n++] = m->out;
    for (uint32_t i = 0; i < now->n; i++) atomic_fetch_add_explicit(&now->segs[i]->refs, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < m->n; i++) st->total -= m->victims[i]->rows;
    if (m->out) st->total += m->out->rows;
    st->manifest = now;
    st->moving = m->out;
    hg_manifest_drop(old);
    m->phase = MERGE_REPOINT;
    m->at = m->row = 0;
    return 0;
}

static void repoint_slice(hg_store_t *st, hg_merge_t *m)
{
    if (m->at == m->n) {
        m->phase = MERGE_RETIRE;
        st->moving = NULL;
        m->at = 0;
        return;
    }
    hg_seg_t *s = m->victims[m->at];
    uint32_t end = s->fwd ? HG_MIN(s->rows, m->row + SLICE_ROWS) : s->rows;
    for (uint32_t r = m->row; s->fwd && r < end; r++) {
        if (r + 16 < end) hg_index_prefetch(&st->index, s->hash[r + 16]);
        uint32_t to = s->fwd[r];
        if (to == HG_NONE || hg_seg_dead_at(m->out, to)) continue;
        bool found = hg_index_replace(&st->index, s->hash[r], hg_ref(s->id, r), hg_ref(m->out->id, to));
        HG_ASSERT(found);
    }
    m->row = end;
    if (end == s->rows) {
        m->at++;
        m->row = 0;
    }
}

/* Undo a merge that has not swapped: nobody but fwd knows of it. */
static void give_up(hg_store_t *st, hg_merge_t *m)
{
    for (uint32_t i = 0; i < m->n; i++) unforward(m->victims[i]);
    if (m->out) hg_store_del_seg(st, m->out);
}

/* 1: go on; 0: this merge is over. */
static bool slice(hg_store_t *st, hg_merge_t *m)
{
    int rc = 0;
    switch (m->phase) {
    case MERGE_MAKE:
        rc = take_made(st, m);
        break;
    case MERGE_COPY:
        rc = copy_slice(m);
        break;
    case MERGE_SWAP:
        rc = swap_manifest(st, m);
        break;
    case MERGE_REPOINT:
        repoint_slice(st, m);
        break;
    case MERGE_RETIRE:
        if (m->at == m->n) return false;
        hg_store_retire_seg(st, m->victims[m->at++]);
        break;
    }
    if (rc < 0) give_up(st, m);
    return rc == 0;
}

/* Nothing to do, or nothing before the pool is done. */
static bool at_rest(const hg_store_t *st)
{
    return !st->merge || (st->merge->make && !hg_make_ready(st->merge->make));
}

bool hg_store_merge(hg_store_t *st, uint64_t budget_us)
{
    int64_t until = hg_mono_us() + (int64_t)budget_us;
    for (;;) {
        if (!st->merge) st->merge = pick(st);
        if (at_rest(st)) break;
        do {
            if (slice(st, st->merge)) continue;
            hg_merge_free(st->merge);
            st->merge = NULL;
        } while (st->merge && hg_mono_us() < until);
        if (hg_mono_us() >= until) break;
    }
    hg_store_publish(st);
    return !at_rest(st);
}
