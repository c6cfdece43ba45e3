/* table_keyed.c: a table with a PRIMARY KEY: at most one − and one + per key and step, nothing where old and new are
 * equal.
 *
 *   group   rows of the step by key, in order; each group knows the event that made its present state
 *   old     rows that the store has under the keys touched, gathered once: they are the − side, what UPDATE merges
 * into, and what the new rows are compared with emit    − part, + parts (selections of the change batches; merged rows
 * of updates), staged writes
 *
 * INSERT and UPSERT replace the row, DELETE reads the key alone, UPDATE of a key that is not there does nothing.
 * TRUNCATE removes what its connector wrote last, in the store and earlier in the step. Circuit thread only.
 */
#include "base/hg.h"
#include "engine/table_int.h"

typedef struct {
    hg_net_t *net;
    hg_store_t *st;
    const hg_table_in_t *in;
    hg_err_t *err;
    uint32_t *prev; /* per event: the one it updates; NULL: no UPDATE in this step */
    uint32_t *win;  /* per event: the group whose new row it is, or HG_NONE */
    hg_ref_t *refs; /* of old rows */
    uint32_t n_old;
    hg_batch_t **old; /* their contents, HG_PART_ROWS each; NULL: nobody needs them */
    uint32_t n_old_batches;
    bool *keep;                   /* per old row: it stays as it is */
    uint32_t *updated, n_updated; /* groups whose new row is merged; HG_NONE: it stays as it was */
    hg_batch_t *merged;
} keyed_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while netting a step's changes");
}

static uint32_t n_events(const keyed_t *t)
{
    const hg_src_t *last = &t->in->srcs[t->in->n - 1];
    return last->base + last->n;
}

static bool has_updates(const hg_table_in_t *in)
{
    for (uint32_t k = 0; k < in->n; k++) {
        const hg_change_t *c = in->srcs[k].change;
        if (c->ops && memchr(c->ops, HG_OP_UPDATE, in->srcs[k].n)) return true;
    }
    return false;
}

/* --- group ------------------------------------------------------------------------------------------------------- */

static void apply_op(keyed_t *t, hg_group_t *g, hg_op_t op, uint32_t event)
{
    switch (op) {
    case HG_OP_INSERT:
    case HG_OP_UPSERT:
        g->present = true;
        g->last = event;
        break;
    case HG_OP_DELETE:
        if (!g->present && t->in->missing) ++*t->in->missing;
        g->present = false;
        g->last = HG_NONE;
        break;
    case HG_OP_UPDATE:
        if (!g->present) break;
        t->prev[event] = g->last;
        g->last = event;
        break;
    case HG_OP_TRUNCATE:
        break; /* not in a run */
    }
}

static int truncate_ref(void *arg, hg_ref_t ref, hg_err_t *err)
{
    keyed_t *t = arg;
    hg_group_t *g;
    bool fresh;
    int rc = hg_net_ref(t->net, ref, 0, &g, &fresh, err);
    if (rc < 0) return rc;
    if (g->last == HG_NONE) g->present = false; /* else the step has replaced it already: see below */
    return 0;
}

static int truncate_origin(keyed_t *t, uint32_t origin)
{
    for (uint32_t i = 0; i < t->net->n; i++) {
        hg_group_t *g = &t->net->groups[i];
        if (!g->present || g->last == HG_NONE || t->in->srcs[hg_net_src_of(t->net, g->last)].origin != origin) continue;
        g->present = false;
        g->last = HG_NONE;
    }
    return hg_store_each(t->st, origin, truncate_ref, t, t->err);
}

static int group(keyed_t *t)
{
    for (uint32_t k = 0; k < t->in->n; k++) {
        const hg_src_t *s = &t->in->srcs[k];
        for (uint32_t a = 0; a < s->n;) {
            uint32_t b = hg_src_run(s, a);
            if (b == a) {
                int rc = truncate_origin(t, s->origin);
                if (rc < 0) return rc;
                a++;
                continue;
            }
            int rc = hg_net_run(t->net, k, a, b, s->change->hash, t->err);
            if (rc < 0) return rc;
            for (uint32_t i = a; i < b; i++)
                apply_op(t, &t->net->groups[t->net->grp[i - a]], hg_src_op(s, i), s->base + i);
            a = b;
        }
    }
    return 0;
}

static bool touched(const hg_group_t *g)
{
    return !g->present || g->last != HG_NONE;
}

/* --- old rows ---------------------------------------------------------------------------------------------------- */

static int gather_old(keyed_t *t)
{
    hg_net_t *net = t->net;
    t->refs = hg_trynew(sizeof *t->refs * net->n);
    t->keep = hg_tryzero(sizeof *t->keep * net->n);
    if (!t->refs || !t->keep) return no_mem(t->err);
    for (uint32_t i = 0; i < net->n; i++) {
        hg_group_t *g = &net->groups[i];
        if (g->ref == 0 || !touched(g)) continue;
        g->at = t->n_old;
        t->refs[t->n_old++] = g->ref;
    }
    if (t->n_old == 0 || (!t->in->delta && !t->prev && !t->in->late)) return 0;
    t->old = hg_tryzero(sizeof(hg_batch_t *) * (t->n_old / HG_PART_ROWS + 1));
    if (!t->old) return no_mem(t->err);
    for (uint32_t from = 0; from < t->n_old; from += HG_PART_ROWS) {
        int rc = hg_store_gather(t->st, t->refs + from, HG_MIN(t->n_old - from, HG_PART_ROWS),
                                 &t->old[t->n_old_batches], t->err);
        if (rc < 0) return rc;
        t->n_old_batches++;
    }
    return 0;
}

/* What would replace or remove a late row is dropped as a whole: the group is as if nothing had come. */
static int keep_late(keyed_t *t)
{
    for (uint32_t i = 0; t->in->late && t->n_old && i < t->net->n; i++) {
        hg_group_t *g = &t->net->groups[i];
        bool late;
        if (g->ref == 0 || !touched(g)) continue;
        if (hg_late_old(t->in->late, t->in->reports, t->old[g->at / HG_PART_ROWS], g->at % HG_PART_ROWS, &late) < 0)
            return no_mem(t->err);
        if (!late) continue;
        t->keep[g->at] = true;
        g->present = true;
        g->last = HG_NONE;
    }
    return 0;
}

static bool same_as_old(const keyed_t *t, const hg_group_t *g, const hg_batch_t *b, uint32_t row)
{
    const hg_batch_t *old = t->old[g->at / HG_PART_ROWS];
    for (uint32_t c = 0; c < t->st->n_cols; c++)
        if (!hg_cell_eq(old->cols[c], g->at % HG_PART_ROWS, b->cols[c], row)) return false;
    return true;
}

/* An equal row is no change to anybody; it is written all the same when another connector wrote it before, for
 * TRUNCATE's sake. */
static bool stays(keyed_t *t, const hg_group_t *g, const hg_batch_t *b, uint32_t row, uint32_t origin)
{
    if (!t->old || g->ref == 0 || !same_as_old(t, g, b, row)) return false;
    t->keep[g->at] = true;
    return hg_seg_origin(hg_store_seg(t->st, g->ref), hg_ref_row(g->ref)) == origin;
}

/* --- new rows ---------------------------------------------------------------------------------------------------- */

/* Where the cell of column c comes from that group g ends with: source number and row. Old rows follow the change
 * batches. */
static void cell_source(const keyed_t *t, const hg_group_t *g, uint32_t c, uint32_t *ret_src, uint32_t *ret_row)
{
    for (uint32_t e = g->last; e != HG_NONE; e = t->prev[e]) {
        uint32_t k = hg_net_src_of(t->net, e), row;
        const hg_src_t *s = &t->in->srcs[k];
        row = e - s->base;
        const uint8_t *bits = s->change->present ? s->change->present[c] : NULL;
        if (hg_src_op(s, row) == HG_OP_UPDATE && bits && !hg_bit_get(bits, row)) continue;
        *ret_src = k;
        *ret_row = row;
        return;
    }
    *ret_src = t->in->n + g->at / HG_PART_ROWS;
    *ret_row = g->at % HG_PART_ROWS;
}

static int merge_updates(keyed_t *t)
{
    uint32_t n = t->n_updated, n_srcs = t->in->n + t->n_old_batches;
    const hg_col_t **cols = hg_trynew(sizeof *cols * n_srcs);
    uint32_t *src = hg_trynew(sizeof *src * n), *row = hg_trynew(sizeof *row * n);
    int rc = cols && src && row ? 0 : no_mem(t->err);
    if (rc == 0) t->merged = hg_batch_new(n, t->st->n_cols);
    for (uint32_t c = 0; c < t->st->n_cols && rc == 0; c++) {
        for (uint32_t k = 0; k < n_srcs; k++)
            cols[k] = (k < t->in->n ? t->in->srcs[k].batch : t->old[k - t->in->n])->cols[c];
        for (uint32_t i = 0; i < n; i++) cell_source(t, &t->net->groups[t->updated[i]], c, &src[i], &row[i]);
        rc = hg_gather(t->st->types[c], cols, n_srcs, src, row, n, &t->merged->cols[c], t->err);
    }
    hg_free(cols);
    hg_free(src);
    hg_free(row);
    return rc;
}

static int choose(keyed_t *t)
{
    hg_net_t *net = t->net;
    uint32_t n = n_events(t);
    t->win = hg_trynew(sizeof *t->win * n);
    if (t->prev) t->updated = hg_trynew(sizeof *t->updated * net->n);
    if (!t->win || (t->prev && !t->updated)) return no_mem(t->err);
    memset(t->win, 0xff, sizeof *t->win * n);
    for (uint32_t i = 0; i < net->n; i++) {
        hg_group_t *g = &net->groups[i];
        if (!g->present || g->last == HG_NONE) continue;
        const hg_src_t *s = &t->in->srcs[hg_net_src_of(net, g->last)];
        uint32_t row = g->last - s->base;
        if (hg_src_op(s, row) == HG_OP_UPDATE)
            t->updated[t->n_updated++] = i;
        else if (!stays(t, g, s->batch, row, s->origin))
            t->win[g->last] = i;
    }
    return t->n_updated ? merge_updates(t) : 0;
}

/* --- emit -------------------------------------------------------------------------------------------------------- */

/* Stage rows of one batch and add those that changed to the delta. row and grp have n entries and are used up. */
static int emit_rows(keyed_t *t, hg_batch_t *batch, uint32_t origin, uint32_t *row, const uint32_t *grp, uint32_t n)
{
    if (n == 0) return 0;
    if (t->in->late && hg_late_rise(t->in->late, batch, row, n, t->err) < 0) return t->err->code;
    hg_put_t put = { .batch = batch, .n = n, .origin = origin };
    uint32_t changed = 0;
    put.row = hg_trynew(sizeof *put.row * n);
    put.hash = hg_trynew(sizeof *put.hash * n);
    put.old = hg_trynew(sizeof *put.old * n);
    if (!put.row || !put.hash || !put.old) {
        hg_free(put.row);
        hg_free(put.hash);
        hg_free(put.old);
        return no_mem(t->err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const hg_group_t *g = &t->net->groups[grp[i]];
        put.row[i] = row[i];
        put.hash[i] = g->hash;
        put.old[i] = g->ref;
        if (!g->ref || !t->keep[g->at]) row[changed++] = row[i];
    }
    int rc = hg_store_put(t->st, put, t->err);
    if (rc == 0 && t->in->delta)
        rc = hg_delta_rows_add(t->in->delta, batch, changed == batch->n_rows ? NULL : row, changed, NULL, t->err);
    return rc;
}

static int emit_removed(keyed_t *t)
{
    for (uint32_t i = 0; i < t->net->n; i++) {
        const hg_group_t *g = &t->net->groups[i];
        if (g->present || g->ref == 0) continue;
        int rc = hg_store_kill(t->st, g->ref, g->hash, t->err);
        if (rc < 0) return rc;
    }
    if (!t->in->delta || t->n_old == 0) return 0;
    uint32_t *sel = hg_trynew(sizeof *sel * HG_PART_ROWS);
    int64_t *w = hg_trynew(sizeof *w * HG_PART_ROWS);
    int rc = sel && w ? 0 : no_mem(t->err);
    for (uint32_t b = 0; b < t->n_old_batches && rc == 0; b++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < t->old[b]->n_rows; i++) {
            if (t->keep[b * HG_PART_ROWS + i]) continue;
            w[n] = -1;
            sel[n++] = i;
        }
        rc = hg_delta_rows_add(t->in->delta, t->old[b], n == t->old[b]->n_rows ? NULL : sel, n, w, t->err);
    }
    hg_free(sel);
    hg_free(w);
    return rc;
}

static int emit_new(keyed_t *t)
{
    uint32_t most = t->n_updated;
    for (uint32_t k = 0; k < t->in->n; k++) most = HG_MAX(most, t->in->srcs[k].n);
    uint32_t *row = hg_trynew(sizeof *row * most), *grp = hg_trynew(sizeof *grp * most);
    int rc = row && grp ? 0 : no_mem(t->err);
    for (uint32_t k = 0; k < t->in->n && rc == 0; k++) {
        const hg_src_t *s = &t->in->srcs[k];
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            if (t->win[s->base + i] == HG_NONE) continue;
            row[n] = i;
            grp[n++] = t->win[s->base + i];
        }
        rc = emit_rows(t, s->batch, s->origin, row, grp, n);
    }
    /* updated rows by origin of their last update, so that each put has one */
    for (uint32_t k = 0; t->n_updated && k < t->in->n && rc == 0; k++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < t->n_updated; i++) {
            if (t->updated[i] == HG_NONE) continue;
            const hg_group_t *g = &t->net->groups[t->updated[i]];
            if (hg_net_src_of(t->net, g->last) != k) continue;
            row[n] = i;
            grp[n++] = t->updated[i];
        }
        rc = emit_rows(t, t->merged, t->in->srcs[k].origin, row, grp, n);
    }
    hg_free(row);
    hg_free(grp);
    return rc;
}

int hg_table_keyed(hg_net_t *net, hg_store_t *st, const hg_table_in_t *in, hg_err_t *err)
{
    keyed_t t = { .net = net, .st = st, .in = in, .err = err };
    int rc = hg_net_begin(net, st, in->srcs, in->n, err);
    if (rc == 0 && has_updates(in)) {
        t.prev = hg_trynew(sizeof *t.prev * n_events(&t));
        if (!t.prev) rc = no_mem(err);
    }
    if (rc == 0) rc = group(&t);
    if (rc == 0) rc = gather_old(&t);
    if (rc == 0) rc = keep_late(&t);
    if (rc == 0) rc = choose(&t);
    for (uint32_t i = 0; i < t.n_updated && rc == 0; i++) {
        const hg_group_t *g = &net->groups[t.updated[i]];
        if (stays(&t, g, t.merged, i, in->srcs[hg_net_src_of(net, g->last)].origin)) t.updated[i] = HG_NONE;
    }
    if (rc == 0) rc = emit_removed(&t);
    if (rc == 0) rc = emit_new(&t);
    hg_free(t.prev);
    hg_free(t.win);
    hg_free(t.refs);
    for (uint32_t i = 0; i < t.n_old_batches; i++) hg_batch_drop(t.old[i]);
    hg_free(t.old);
    hg_free(t.keep);
    hg_free(t.updated);
    hg_batch_drop(t.merged);
    return rc;
}
