/* snap.c: a store as it was at one moment, for readers on any thread.
 *
 * Taking one is O(1): a reference to the manifest, the number of rows in the tail, and the epoch; rows that die later
 * carry a later epoch. A reader copies what it needs out of the segments, part by part, and touches nothing that the
 * circuit thread changes but dead_at and bytes of bitmaps, both with relaxed atomics (store_int.h, invariants 1 and 2).
 */
#include "base/hg.h"
#include "engine/store_int.h"

struct hg_snap {
    atomic_uint refs;
    hg_manifest_t *manifest;
    const hg_seg_t *tail;
    uint32_t tail_rows, epoch;
    uint64_t rows;
    hg_acct_t *acct; /* holds types */
    const hg_type_t *const *types;
    uint32_t n_cols;
    bool bag;
};

hg_snap_t *hg_store_snap(hg_store_t *st)
{
    hg_snap_t *s = HG_NEW(hg_snap_t);
    atomic_init(&s->refs, 1);
    s->manifest = st->manifest;
    atomic_fetch_add_explicit(&s->manifest->refs, 1, memory_order_relaxed);
    s->tail = st->tail;
    s->tail_rows = st->tail ? st->tail->rows : 0;
    s->epoch = st->epoch;
    s->rows = st->live;
    s->acct = st->acct;
    atomic_fetch_add_explicit(&s->acct->refs, 1, memory_order_relaxed);
    s->types = st->types;
    s->n_cols = st->n_cols;
    s->bag = st->bag;
    st->snapped = true;
    return s;
}

hg_snap_t *hg_snap_retain(hg_snap_t *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void hg_snap_drop(hg_snap_t *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    hg_manifest_drop(s->manifest);
    hg_acct_drop(s->acct);
    hg_free(s);
}

uint64_t hg_snap_rows(const hg_snap_t *s)
{
    return s->rows;
}
bool hg_snap_is_bag(const hg_snap_t *s)
{
    return s->bag;
}

/* --- scan -------------------------------------------------------------------------------------------------------- */

static uint32_t col_of(const uint32_t *cols, uint32_t i)
{
    return cols ? cols[i] : i;
}

static uint64_t window_bytes(const hg_snap_t *s, const hg_seg_t *g, const uint32_t *cols, uint32_t n, uint32_t a,
                             uint32_t b)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const hg_type_t *t = s->types[col_of(cols, i)];
        uint64_t dims[16] = { 0 };
        total += (uint64_t)(b - a) * (hg_phys_width(hg_type_phys(t)) + 4);
        if (hg_type_dims(t) > HG_COUNT(dims)) continue; /* deeply nested: rows alone bound the part */
        hg_col_measure(g->cols[col_of(cols, i)], a, b, dims);
        for (uint32_t d = 0; d < HG_COUNT(dims); d++) total += dims[d];
    }
    return total;
}

static int gather_part(const hg_snap_t *s, const hg_seg_t *g, const uint32_t *cols, uint32_t n_cols,
                       const uint32_t *rows, uint32_t n, hg_part_t **ret, hg_err_t *err)
{
    hg_batch_t *b = hg_batch_new(n, n_cols);
    int64_t *w = NULL;
    for (uint32_t i = 0; i < n_cols; i++) {
        uint32_t c = col_of(cols, i);
        const hg_col_t *src = g->cols[c];
        int rc = hg_gather(s->types[c], &src, 1, NULL, rows, n, &b->cols[i], err);
        if (rc < 0) {
            hg_batch_drop(b);
            return rc;
        }
    }
    bool plain = true;
    for (uint32_t i = 0; s->bag && plain && i < n; i++) plain = g->weight[rows[i]] == 1;
    if (!plain) {
        w = hg_trynew(sizeof *w * n);
        if (!w) {
            hg_batch_drop(b);
            return hg_err_set(err, HG_ENOMEM, "out of memory while reading %u rows", n);
        }
        for (uint32_t i = 0; i < n; i++) w[i] = g->weight[rows[i]];
    }
    *ret = hg_part_new(b, NULL, n, w);
    return 0;
}

int hg_snap_scan(hg_snap_t *s, uint64_t *cursor, const uint32_t *cols, uint32_t n, hg_part_t **ret, hg_err_t *err)
{
    uint32_t *rows = NULL;
    uint32_t n_cols = cols ? n : s->n_cols;
    for (;;) {
        uint64_t si = *cursor >> 32;
        uint32_t a = (uint32_t)*cursor;
        if (si >= s->manifest->n) {
            hg_free(rows);
            *ret = NULL;
            return 0;
        }
        const hg_seg_t *g = s->manifest->segs[si];
        uint32_t end = g == s->tail ? s->tail_rows : g->rows;
        if (a >= end) {
            *cursor = (si + 1) << 32;
            continue;
        }
        uint32_t b = HG_MIN(end, a + HG_PART_ROWS);
        while (b - a > 1 && window_bytes(s, g, cols, n_cols, a, b) > HG_PART_BYTES) b = a + (b - a) / 2;
        hg_free(rows);
        rows = hg_trynew(sizeof *rows * (b - a));
        if (!rows) return hg_err_set(err, HG_ENOMEM, "out of memory while reading rows");
        uint32_t k = 0;
        for (uint32_t r = a; r < b; r++) {
            uint32_t dead = hg_seg_dead_at(g, r);
            if (dead == 0 || dead > s->epoch) rows[k++] = r;
        }
        if (k > 0) {
            int rc = gather_part(s, g, cols, n_cols, rows, k, ret, err);
            if (rc == 0) *cursor = si << 32 | b;
            hg_free(rows);
            return rc;
        }
        *cursor = si << 32 | b;
    }
}
