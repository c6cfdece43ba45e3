/* hold.c: see hold_int.h. */
#include "base/hg.h"
#include "engine/hold_int.h"

#define BLOCK 256u

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory for rows that wait for a waterline");
}

/* --- life -------------------------------------------------------------------------------------------------------- */

int hg_hold_new(const hg_relation_t *rel, const hg_type_t *const *types, hg_hashkey_t hashkey, hg_hold_t **ret,
                hg_err_t *err)
{
    *ret = NULL;
    if (!rel->wait) return 0;
    hg_hold_t *h = HG_NEW(hg_hold_t);
    h->rel = rel;
    h->col = rel->wait->col;
    h->final = rel->wait->watermark == NULL;
    if (!h->final) h->mark = hg_late_of(rel, h->col, rel->wait->watermark);
    int rc = hg_store_new(types, rel->schema.n_cols, NULL, 0, hashkey, &h->store, err);
    if (rc < 0)
        hg_hold_free(h);
    else
        *ret = h;
    return rc;
}

static void forget(hg_hold_seg_t *s)
{
    hg_seg_drop(s->seg);
    hg_free(s->least);
    *s = (hg_hold_seg_t){ 0 };
}

static void forget_all(hg_hold_t *h)
{
    for (uint32_t i = 0; i < h->n_segs; i++) forget(&h->segs[i]);
    hg_free(h->segs);
    h->segs = NULL;
    h->n_segs = 0;
}

void hg_hold_free(hg_hold_t *h)
{
    if (!h) return;
    forget_all(h);
    hg_late_free(h->mark);
    hg_store_free(h->store);
    hg_col_drop(h->line);
    hg_col_drop(h->next);
    hg_free(h);
}

void hg_hold_end(hg_hold_t *h, bool applied)
{
    if (h->mark) hg_late_end(h->mark, applied);
    if (applied && h->next) {
        hg_col_drop(h->line);
        h->line = hg_col_retain(h->next);
    }
    hg_col_drop(h->next);
    h->next = NULL;
    if (h->staged && applied) {
        hg_store_apply(h->store);
    } else if (h->staged) {
        hg_store_discard(h->store);
        forget_all(h); /* blocks forgot rows that did not leave */
    }
    h->staged = false;
}

/* --- the line ---------------------------------------------------------------------------------------------------- */

static const hg_late_col_t *late_col(hg_circuit_t *c, const hg_line_of_t *of)
{
    const hg_late_t *l = hg_circuit_late(c, of->relation);
    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->cols[i].col == of->col) return &l->cols[i];
    return NULL;
}

/* The waterline of a source, as one of the view's column. NULL: none yet, or the value is not to be computed (an
 * overflow), which moves nothing. */
static int line_from(hg_circuit_t *c, const hg_line_of_t *of, hg_col_t **ret, hg_err_t *err)
{
    const hg_late_col_t *lc = late_col(c, of);
    hg_col_t *at = lc && lc->next ? lc->next : lc ? lc->line : NULL;
    hg_err_t failed = HG_ERR_INIT;
    *ret = NULL;
    if (!at) return 0;
    hg_batch_t *b = hg_batch_new(1, 1);
    b->cols[0] = hg_col_retain(at);
    int rc = hg_eval(of->expr, b, NULL, 1, 0, ret, &failed);
    hg_batch_drop(b);
    if (rc == HG_ENOMEM) return no_mem(err);
    if (rc == 0 && !hg_col_null(*ret, 0)) return 0;
    hg_col_drop(*ret);
    *ret = NULL;
    return 0;
}

static int lowest_line(hg_hold_t *h, hg_circuit_t *c, hg_col_t **ret, hg_err_t *err)
{
    const hg_wait_t *w = h->rel->wait;
    hg_col_t *least = NULL;
    for (uint32_t i = 0; i < w->n_lines; i++) {
        hg_col_t *one;
        int rc = line_from(c, &w->lines[i], &one, err);
        if (rc < 0 || !one) {
            hg_col_drop(least);
            return rc;
        }
        if (!least || hg_cell_cmp(one, 0, least, 0) < 0) {
            hg_col_drop(least);
            least = one;
        } else {
            hg_col_drop(one);
        }
    }
    *ret = least;
    return 0;
}

/* Inserts of the part raise the watermark. */
static int raise(hg_hold_t *h, const hg_part_t *p, hg_err_t *err)
{
    if (!p->weights) return hg_late_rise(h->mark, p->batch, p->sel, p->n, err);
    uint32_t *sel = hg_trynew(sizeof *sel * p->n), n = 0;
    if (!sel) return no_mem(err);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->weights[i] > 0) sel[n++] = p->sel ? p->sel[i] : i;
    int rc = hg_late_rise(h->mark, p->batch, sel, n, err);
    hg_free(sel);
    return rc;
}

static int find_line(hg_hold_t *h, hg_circuit_t *c, const hg_delta_t *in, hg_err_t *err)
{
    hg_col_t *now = NULL;
    int rc = 0;
    if (h->mark) {
        for (uint32_t i = 0; i < in->n && rc == 0; i++) rc = raise(h, in->parts[i], err);
        const hg_late_col_t *m = &h->mark->cols[0];
        if (rc == 0) now = hg_col_retain(m->next ? m->next : m->line);
    } else {
        rc = lowest_line(h, c, &now, err);
    }
    if (now && (!h->line || hg_cell_cmp(now, 0, h->line, 0) > 0))
        h->next = now;
    else
        hg_col_drop(now);
    return rc;
}

static const hg_col_t *line_now(const hg_hold_t *h)
{
    return h->next ? h->next : h->line;
}

static bool waits(const hg_hold_t *h, const hg_col_t *c, uint32_t row)
{
    const hg_col_t *line = line_now(h);
    if (hg_col_null(c, row)) return false;
    return !line || hg_line_cmp(c, row, line) > (h->final ? -1 : 0);
}

/* --- rows that come ---------------------------------------------------------------------------------------------- */

/* The rows of p that wait (or do not) as a part of their own; *ret NULL: there are none. */
static int select_rows(hg_part_t *p, const bool *wait, bool which, uint32_t n, hg_part_t **ret)
{
    *ret = NULL;
    if (n == 0) return 0;
    if (n == p->n) {
        *ret = hg_part_retain(p);
        return 0;
    }
    uint32_t *sel = hg_trynew(sizeof *sel * n), k = 0;
    int64_t *w = p->weights ? hg_trynew(sizeof *w * n) : NULL;
    if (!sel || (p->weights && !w)) {
        hg_free(sel);
        hg_free(w);
        return HG_ENOMEM;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (wait[i] != which) continue;
        if (w) w[k] = p->weights[i];
        sel[k++] = p->sel ? p->sel[i] : i;
    }
    *ret = hg_part_new(hg_batch_retain(p->batch), sel, n, w);
    return 0;
}

static int split(const hg_hold_t *h, hg_part_t *p, hg_delta_t *stay, hg_delta_t *out)
{
    const hg_col_t *c = p->batch->cols[h->col];
    bool *wait = hg_trynew(p->n);
    uint32_t n = 0;
    hg_part_t *a = NULL, *b = NULL;
    if (!wait) return HG_ENOMEM;
    for (uint32_t i = 0; i < p->n; i++) n += wait[i] = waits(h, c, p->sel ? p->sel[i] : i);
    int rc = select_rows(p, wait, true, n, &a);
    if (rc == 0 && a) rc = hg_delta_add(stay, a);
    if (rc == 0) rc = select_rows(p, wait, false, p->n - n, &b);
    if (rc == 0 && b) rc = hg_delta_add(out, b);
    hg_free(wait);
    return rc;
}

static int take_in(hg_hold_t *h, hg_net_t *net, const hg_delta_t *stay, hg_err_t *err)
{
    if (stay->n == 0) return 0;
    hg_src_t *srcs = hg_trynew(sizeof *srcs * stay->n);
    if (!srcs) return no_mem(err);
    for (uint32_t k = 0; k < stay->n; k++) {
        const hg_part_t *p = stay->parts[k];
        srcs[k] = (hg_src_t){ .batch = p->batch, .sel = p->sel, .n = p->n, .weights = p->weights };
    }
    hg_table_in_t t = { .name = "", .srcs = srcs, .n = stay->n };
    h->staged = true;
    int rc = hg_table_bag(net, h->store, &t, err);
    hg_free(srcs);
    return rc;
}

/* --- rows that leave --------------------------------------------------------------------------------------------- */

typedef struct {
    hg_hold_t *h;
    hg_delta_t *out;
    hg_ref_t *refs; /* room for HG_PART_ROWS */
    uint32_t n;
    hg_err_t *err;
} leaving_t;

static int send(leaving_t *l)
{
    hg_store_t *st = l->h->store;
    hg_batch_t *b = NULL;
    bool once = true;
    if (l->n == 0) return 0;
    int64_t *w = hg_trynew(sizeof *w * l->n);
    if (!w) return no_mem(l->err);
    int rc = hg_store_gather(st, l->refs, l->n, &b, l->err);
    l->h->staged = true;
    for (uint32_t i = 0; i < l->n && rc == 0; i++) {
        w[i] = hg_store_seg(st, l->refs[i])->weight[hg_ref_row(l->refs[i])];
        once &= w[i] == 1;
        rc = hg_store_kill(st, l->refs[i], hg_store_ref_hash(st, l->refs[i]), l->err);
    }
    if (rc == 0) rc = hg_delta_rows_add(l->out, b, NULL, l->n, once ? NULL : w, l->err);
    hg_batch_drop(b);
    hg_free(w);
    l->n = 0;
    return rc;
}

/* Rows [a, b) of one block: those that need not wait any longer leave; the least of the others is remembered. */
static int look_at_block(leaving_t *l, hg_hold_seg_t *hs, uint32_t block, uint32_t a, uint32_t b)
{
    const hg_store_t *st = l->h->store;
    hg_seg_t *s = hs->seg;
    const hg_col_t *c = s->cols[l->h->col];
    uint32_t least = hs->least[block];
    for (uint32_t r = a; r < b; r++) {
        if (hg_seg_dead_at(s, r)) continue;
        if (waits(l->h, c, r)) {
            if (least == HG_NONE || hg_cell_cmp(c, r, c, least) < 0) least = r;
            continue;
        }
        hg_ref_t ref = hg_ref(s->id, r);
        l->refs[l->n++] = s == st->moving ? hg_index_canon(&st->index, s->hash[r], ref) : ref;
        int rc = l->n == HG_PART_ROWS ? send(l) : 0;
        if (rc < 0) return rc;
    }
    hs->least[block] = least;
    return 0;
}

static int look_at(leaving_t *l, hg_hold_seg_t *hs)
{
    uint32_t blocks = (hs->seg->rows + BLOCK - 1) / BLOCK, old = (hs->rows + BLOCK - 1) / BLOCK;
    int rc = 0;
    if (blocks > hs->cap) {
        uint32_t *p = hg_trygrow(hs->least, sizeof *p * HG_MAX(blocks, hs->cap * 2));
        if (!p) return no_mem(l->err);
        hs->least = p;
        hs->cap = HG_MAX(blocks, hs->cap * 2);
    }
    for (uint32_t i = 0; i < old && rc == 0; i++) {
        uint32_t least = hs->least[i];
        if (least == HG_NONE || waits(l->h, hs->seg->cols[l->h->col], least)) continue;
        hs->least[i] = HG_NONE;
        rc = look_at_block(l, hs, i, i * BLOCK, HG_MIN((i + 1) * BLOCK, hs->rows));
    }
    for (uint32_t i = old; i < blocks; i++) hs->least[i] = HG_NONE;
    for (uint32_t r = hs->rows; r < hs->seg->rows && rc == 0;) {
        uint32_t end = HG_MIN((r / BLOCK + 1) * BLOCK, hs->seg->rows);
        rc = look_at_block(l, hs, r / BLOCK, r, end);
        r = end;
    }
    hs->rows = hs->seg->rows;
    return rc;
}

/* One entry per segment of the manifest, in its order; what is known of a segment stays. */
static int follow(hg_hold_t *h, hg_err_t *err)
{
    const hg_manifest_t *m = h->store->manifest;
    hg_hold_seg_t *v = hg_tryzero(sizeof *v * ((size_t)m->n + 1));
    if (!v) return no_mem(err);
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t k = 0;
        while (k < h->n_segs && h->segs[k].seg != m->segs[i]) k++;
        if (k < h->n_segs) {
            v[i] = h->segs[k];
            h->segs[k] = (hg_hold_seg_t){ 0 };
        } else {
            v[i].seg = m->segs[i];
            atomic_fetch_add_explicit(&v[i].seg->refs, 1, memory_order_relaxed);
        }
    }
    for (uint32_t k = 0; k < h->n_segs; k++)
        if (h->segs[k].seg) forget(&h->segs[k]);
    hg_free(h->segs);
    h->segs = v;
    h->n_segs = m->n;
    return 0;
}

static int let_go(hg_hold_t *h, hg_delta_t *out, hg_err_t *err)
{
    leaving_t l = { .h = h, .out = out, .err = err };
    int rc = follow(h, err);
    if (rc < 0) return rc;
    l.refs = hg_trynew(sizeof *l.refs * HG_PART_ROWS);
    if (!l.refs) return no_mem(err);
    for (uint32_t i = 0; i < h->n_segs && rc == 0; i++) rc = look_at(&l, &h->segs[i]);
    if (rc == 0) rc = send(&l);
    hg_free(l.refs);
    return rc;
}

int hg_hold_step(hg_hold_t *h, hg_circuit_t *c, hg_net_t *net, const hg_delta_t *in, hg_delta_t *out, hg_err_t *err)
{
    hg_delta_t stay = { 0 };
    int rc = find_line(h, c, in, err);
    for (uint32_t i = 0; i < in->n && rc == 0; i++)
        if (split(h, in->parts[i], &stay, out) < 0) rc = no_mem(err);
    if (rc == 0) rc = take_in(h, net, &stay, err);
    if (rc == 0 && h->next && h->store->live > 0) rc = let_go(h, out, err);
    hg_delta_release(&stay);
    return rc;
}
