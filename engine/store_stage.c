/* store_stage.c: a step's writes: staged in eval, given room in reserve, made true in apply.
 *
 * reserve lays every put out over the tail and new segments (a run each), and makes sure of slots in the index, dead_at
 * where rows will die, and a manifest that lists the new segments. After it nothing in apply allocates or fails.
 * discard forgets all of it; what reserve may leave behind (a grown index, an empty dead_at) nobody can see. Circuit
 * thread only.
 */
#include "base/hg.h"
#include "engine/store_int.h"

#define LATE_ROWS 16384u /* of a segment made within a step because the pool is late: a merge joins it with others */

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory for a table's rows");
}

static bool grow(void **arr, uint32_t *cap, uint32_t n, size_t size)
{
    if (n <= *cap) return true;
    uint32_t want = HG_MAX(n, HG_MAX(*cap * 2, 16u));
    void *p = hg_trygrow(*arr, size * want);
    if (!p) return false;
    *arr = p;
    *cap = want;
    return true;
}

static void put_release(hg_put_t *p)
{
    hg_batch_drop(p->batch);
    hg_free(p->row);
    hg_free(p->hash);
    hg_free(p->old);
    hg_free(p->weight);
}

int hg_store_put(hg_store_t *st, hg_put_t put, hg_err_t *err)
{
    hg_stage_t *g = &st->stage;
    void *arr = g->puts;
    hg_batch_retain(put.batch);
    if (!grow(&arr, &g->cap_puts, g->n_puts + 1, sizeof put)) {
        put_release(&put);
        return no_mem(err);
    }
    g->puts = arr;
    g->puts[g->n_puts++] = put;
    return 0;
}

int hg_store_kill(hg_store_t *st, hg_ref_t ref, uint64_t hash, hg_err_t *err)
{
    hg_stage_t *g = &st->stage;
    void *arr = g->kills;
    if (!grow(&arr, &g->cap_kills, g->n_kills + 1, sizeof *g->kills)) return no_mem(err);
    g->kills = arr;
    g->kills[g->n_kills++] = (hg_kill_t){ ref, hash };
    return 0;
}

/* --- layout ------------------------------------------------------------------------------------------------------ */

typedef struct {
    hg_store_t *st;
    hg_seg_t *seg;                /* being filled; NULL: none yet */
    uint32_t rows;                /* in it so far, counting runs */
    uint64_t *used, *need, *more; /* per dimension: in it so far; of the run; of one row */
} layout_t;

static void measure(const hg_store_t *st, const hg_put_t *p, uint32_t i, uint64_t *need)
{
    uint32_t d = 0;
    for (uint32_t c = 0; c < st->n_cols; c++)
        d += hg_col_measure(p->batch->cols[c], p->row[i], p->row[i] + 1, need + d);
}

uint32_t hg_seg_rows_for(uint64_t n)
{
    uint32_t p = HG_SEG_ROWS_MIN;
    while (p < n && p < HG_SEG_ROWS) p *= 2;
    return p;
}

void hg_seg_plan_room(const hg_store_t *st, uint64_t *need, uint32_t rows, uint32_t *cap)
{
    uint64_t total = 0;
    for (uint32_t d = 0; d < st->n_dims; d++) {
        /* as many as the rows at hand take, and a little more, for each row that fits */
        need[d] = need[d] * (*cap + *cap / 8) / rows + 64;
        total += need[d];
    }
    for (; total > HG_SEG_BYTES && *cap > HG_SEG_ROWS_MIN; *cap /= 2, total /= 2)
        for (uint32_t d = 0; d < st->n_dims; d++) need[d] /= 2;
    for (uint32_t d = 0; d < st->n_dims; d++) {
        if (total > HG_SEG_BYTES) need[d] = need[d] * HG_SEG_BYTES / total;
        if (need[d] > INT32_MAX) need[d] = INT32_MAX;
    }
}

/* A segment for rows from..n of the put and what may follow. */
static int open_seg(layout_t *l, const hg_put_t *p, uint32_t from)
{
    hg_store_t *st = l->st;
    uint32_t left = p->n - from, cap = hg_seg_rows_for(HG_MAX((uint64_t)left, st->live / 2));
    memset(l->more, 0, sizeof *l->more * st->n_dims);
    if (st->n_dims) measure(st, p, from, l->more); /* one large record must fit, even if it stands alone */

    hg_stage_t *g = &st->stage;
    void *arr = g->segs;
    if (!grow(&arr, &g->cap_segs, g->n_segs + 1, sizeof(hg_seg_t *))) return HG_ENOMEM;
    g->segs = arr;
    hg_seg_t *s = hg_store_take_spare(st, l->more);
    if (!s) {
        if (st->spare) cap = HG_MIN(cap, HG_MAX(hg_seg_rows_for(left), LATE_ROWS));
        memset(l->need, 0, sizeof *l->need * st->n_dims);
        for (uint32_t i = from; st->n_dims && i < p->n; i++) measure(st, p, i, l->need);
        hg_seg_plan_room(st, l->need, left, &cap);
        for (uint32_t d = 0; d < st->n_dims; d++) l->need[d] = HG_MAX(l->need[d], l->more[d]);
        if (hg_seg_new(st->acct, st->types, st->n_cols, st->bag, !st->bag, cap, l->need, &s) < 0) return HG_ENOMEM;
    }
    if (hg_store_add_seg(st, s) < 0) {
        hg_seg_drop(s);
        return HG_ENOMEM;
    }
    g->segs[g->n_segs++] = s;
    l->seg = s;
    l->rows = 0;
    memset(l->used, 0, sizeof *l->used * st->n_dims);
    return 0;
}

/* How many rows from `from` on fit into the open segment; their needs are added to used. */
static uint32_t fit(layout_t *l, const hg_put_t *p, uint32_t from)
{
    hg_store_t *st = l->st;
    uint32_t n = HG_MIN(p->n - from, l->seg->cap - l->rows);
    if (st->n_dims == 0) return n;
    for (uint32_t i = 0; i < n; i++) {
        memset(l->more, 0, sizeof *l->more * st->n_dims);
        measure(st, p, from + i, l->more);
        for (uint32_t d = 0; d < st->n_dims; d++)
            if (l->used[d] + l->more[d] > l->seg->room[d]) return i;
        for (uint32_t d = 0; d < st->n_dims; d++) l->used[d] += l->more[d];
    }
    return n;
}

static int lay_out_put(layout_t *l, uint32_t pi)
{
    hg_stage_t *g = &l->st->stage;
    const hg_put_t *p = &g->puts[pi];
    for (uint32_t from = 0; from < p->n;) {
        uint32_t n = l->seg ? fit(l, p, from) : 0;
        if (n == 0) {
            if (open_seg(l, p, from) < 0) return HG_ENOMEM;
            n = fit(l, p, from);
            if (HG_NEVER(n == 0)) return HG_EBUG;
        }
        void *arr = g->runs;
        if (!grow(&arr, &g->cap_runs, g->n_runs + 1, sizeof *g->runs)) return HG_ENOMEM;
        g->runs = arr;
        if (hg_seg_need_origin(l->seg, p->origin) < 0) return HG_ENOMEM;
        g->runs[g->n_runs++] = (hg_run_t){ .put = pi, .from = from, .n = n, .seg = l->seg };
        l->rows += n;
        from += n;
    }
    return 0;
}

static int lay_out(hg_store_t *st)
{
    uint64_t *dims = hg_tryzero(sizeof *dims * 3 * ((size_t)st->n_dims + 1));
    if (!dims) return HG_ENOMEM;
    layout_t l = { .st = st, .used = dims, .need = dims + st->n_dims, .more = dims + 2 * st->n_dims };
    if (st->tail) {
        l.seg = st->tail;
        l.rows = st->tail->rows;
        hg_seg_used(st->tail, l.used);
    }
    int rc = 0;
    for (uint32_t i = 0; i < st->stage.n_puts && rc == 0; i++) rc = lay_out_put(&l, i);
    hg_free(dims);
    return rc;
}

/* --- reserve ----------------------------------------------------------------------------------------------------- */

static int need_dead(hg_store_t *st, hg_ref_t ref)
{
    hg_seg_t *s = hg_store_seg(st, ref);
    if (hg_seg_need_dead(s) < 0) return HG_ENOMEM;
    return s->fwd_to ? hg_seg_need_dead(s->fwd_to) : 0;
}

static int reserve_kills(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    int rc = 0;
    for (uint32_t i = 0; i < g->n_kills && rc == 0; i++) rc = need_dead(st, g->kills[i].ref);
    for (uint32_t i = 0; i < g->n_puts; i++)
        for (uint32_t k = 0; k < g->puts[i].n && rc == 0; k++)
            if (g->puts[i].old[k]) rc = need_dead(st, g->puts[i].old[k]);
    return rc;
}

static int reserve_index(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_puts; i++)
        for (uint32_t k = 0; k < g->puts[i].n; k++) n += g->puts[i].old[k] == 0;
    if (n == 0) return 0;
    g->new_hash = hg_trynew(sizeof *g->new_hash * n);
    g->next = hg_trynew(sizeof *g->next * n);
    if (!g->new_hash || !g->next) return HG_ENOMEM;
    n = 0;
    for (uint32_t i = 0; i < g->n_puts; i++)
        for (uint32_t k = 0; k < g->puts[i].n; k++)
            if (g->puts[i].old[k] == 0) g->new_hash[n++] = g->puts[i].hash[k];
    if (hg_index_reserve(&st->index, g->new_hash, n, g->next) < 0) return HG_ENOMEM;
    g->n_new = n;
    return 0;
}

static int reserve_manifest(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    if (g->n_segs == 0) return 0;
    g->manifest = hg_manifest_new(st->manifest->n + g->n_segs);
    if (!g->manifest) return HG_ENOMEM;
    for (uint32_t i = 0; i < st->manifest->n + g->n_segs; i++) {
        hg_seg_t *s = i < st->manifest->n ? st->manifest->segs[i] : g->segs[i - st->manifest->n];
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        g->manifest->segs[g->manifest->n++] = s;
    }
    return 0;
}

static int know_origins(hg_store_t *st)
{
    for (uint32_t i = 0; i < st->stage.n_puts; i++) {
        uint32_t o = st->stage.puts[i].origin, k = 0;
        while (k < st->n_origins && st->origins[k] != o) k++;
        if (k < st->n_origins) continue;
        uint32_t *p = hg_trygrow(st->origins, sizeof *p * ((size_t)st->n_origins + 1));
        if (!p) return HG_ENOMEM;
        st->origins = p;
        p[st->n_origins++] = o;
    }
    return 0;
}

int hg_store_reserve(hg_store_t *st, hg_err_t *err)
{
    int rc = lay_out(st);
    if (rc == 0) rc = reserve_kills(st);
    if (rc == 0) rc = reserve_manifest(st);
    if (rc == 0) rc = know_origins(st);
    if (rc == 0) rc = reserve_index(st);
    if (rc < 0) return no_mem(err);
    st->stage.reserved = true;
    return 0;
}

/* --- apply ------------------------------------------------------------------------------------------------------- */

static void mark_dead(hg_store_t *st, hg_seg_t *s, uint32_t row)
{
    hg_dead_t *d = atomic_load_explicit(&s->dead_at, memory_order_relaxed);
    HG_DASSERT(d && atomic_load_explicit(&d[row], memory_order_relaxed) == 0);
    atomic_store_explicit(&d[row], st->epoch, memory_order_relaxed);
    s->dead++;
}

/* A row that a merge has copied dies in both places: snapshots list one of the two, according to their age. */
void hg_seg_kill(hg_store_t *st, hg_seg_t *s, uint32_t row)
{
    mark_dead(st, s, row);
    if (s->fwd_to && s->fwd[row] != HG_NONE) mark_dead(st, s->fwd_to, s->fwd[row]);
    st->live--;
}

static void apply_run(hg_store_t *st, const hg_run_t *run)
{
    const hg_put_t *p = &st->stage.puts[run->put];
    hg_seg_t *s = run->seg;
    uint32_t at = s->rows, from = run->from, n = run->n;
    hg_seg_append(s, p->batch->cols, p->row + from, n);
    memcpy(s->hash + at, p->hash + from, sizeof *s->hash * n);
    if (s->weight)
        for (uint32_t i = 0; i < n; i++) s->weight[at + i] = p->weight ? p->weight[from + i] : 1;
    if (s->origin)
        for (uint32_t i = 0; i < n; i++) s->origin[at + i] = p->origin;
    st->live += n;
    st->total += n;
    const uint32_t ahead = 16;
    for (uint32_t i = 0; i < n; i++) {
        if (i + ahead < n) {
            hg_index_prefetch(&st->index, p->hash[from + i + ahead]);
            hg_ref_t far = p->old[from + i + ahead];
            if (far) {
                hg_dead_t *d = atomic_load_explicit(&hg_store_seg(st, far)->dead_at, memory_order_relaxed);
                __builtin_prefetch(&d[hg_ref_row(far)], 1);
            }
        }
        hg_ref_t old = p->old[from + i], ref = hg_ref(s->id, at + i);
        if (old) {
            bool found = hg_index_replace(&st->index, p->hash[from + i], old, ref);
            HG_ASSERT(found);
            hg_seg_kill(st, hg_store_seg(st, old), hg_ref_row(old));
        } else {
            hg_index_insert(&st->index, p->hash[from + i], ref);
        }
    }
}

static void stage_clear(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    for (uint32_t i = 0; i < g->n_puts; i++) put_release(&g->puts[i]);
    if (g->n_new) hg_index_unreserve(&st->index, g->new_hash, g->n_new);
    hg_free(g->new_hash);
    hg_free(g->next);
    g->new_hash = NULL;
    g->next = NULL;
    g->manifest = NULL;
    g->n_puts = g->n_kills = g->n_runs = g->n_segs = g->n_new = 0;
    g->reserved = false;
}

void hg_store_apply(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    if (g->n_puts + g->n_kills == 0) return;
    HG_ASSERT(g->reserved);
    if (st->snapped) {
        HG_ASSERT(st->epoch < UINT32_MAX);
        st->epoch++;
        st->snapped = false;
    }
    if (g->manifest) {
        hg_manifest_drop(st->manifest);
        st->manifest = g->manifest;
        st->tail = g->segs[g->n_segs - 1];
    }
    for (uint32_t i = 0; i < g->n_kills; i++) {
        hg_index_remove(&st->index, g->kills[i].hash, g->kills[i].ref);
        hg_seg_kill(st, hg_store_seg(st, g->kills[i].ref), hg_ref_row(g->kills[i].ref));
    }
    for (uint32_t i = 0; i < g->n_runs; i++) apply_run(st, &g->runs[i]);
    stage_clear(st);
    hg_store_look_ahead(st);
    hg_store_publish(st);
}

void hg_store_discard(hg_store_t *st)
{
    hg_stage_t *g = &st->stage;
    hg_manifest_drop(g->manifest);
    for (uint32_t i = 0; i < g->n_segs; i++) hg_store_del_seg(st, g->segs[i]);
    stage_clear(st);
}
