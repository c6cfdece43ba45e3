/* table_bag.c: a multiset with weights: a table without a key whose rows are kept, or a stored view.
 *
 * A row's entry belongs to the origin that wrote it, so that TRUNCATE removes the rows of one connector. A delete takes
 * the copy of its own origin first, then one of any other; what is left goes below zero and comes back with the next
 * insert. A weight never changes in place (snapshots): the entry dies and a new one is written. Circuit thread only.
 */
#include "base/hg.h"
#include "engine/table_int.h"

typedef struct {
    hg_net_t *net;
    hg_store_t *st;
    const hg_table_in_t *in;
    hg_err_t *err;
    uint32_t *place; /* per event: the group that is written from this row, or HG_NONE */
} bag_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while netting a step's changes");
}

static int weight_of(const bag_t *t, const hg_src_t *s, uint32_t i, int64_t *ret)
{
    switch (hg_src_op(s, i)) {
    case HG_OP_INSERT:
    case HG_OP_UPSERT:
        *ret = s->weights ? s->weights[i] : 1;
        return 0;
    case HG_OP_DELETE:
        *ret = -1;
        return 0;
    case HG_OP_TRUNCATE:
    case HG_OP_UPDATE:
        break;
    }
    return hg_err_set(t->err, HG_EINVAL, "table '%s' has no PRIMARY KEY: its rows cannot be updated", t->in->name);
}

typedef struct {
    bag_t *t;
    uint32_t origin;
} truncate_t;

static int truncate_ref(void *arg, hg_ref_t ref, hg_err_t *err)
{
    truncate_t *tr = arg;
    hg_group_t *g;
    bool fresh;
    int rc = hg_net_ref(tr->t->net, ref, tr->origin, &g, &fresh, err);
    if (rc == 0) g->w = -g->oldw;
    return rc;
}

static int truncate_origin(bag_t *t, uint32_t origin)
{
    for (uint32_t i = 0; i < t->net->n; i++)
        if (t->net->groups[i].origin == origin) t->net->groups[i].w = -t->net->groups[i].oldw;
    truncate_t tr = { t, origin };
    return hg_store_each(t->st, origin, truncate_ref, &tr, t->err);
}

static int group(bag_t *t)
{
    for (uint32_t k = 0; k < t->in->n; k++) {
        const hg_src_t *s = &t->in->srcs[k];
        for (uint32_t a = 0; a < s->n;) {
            uint32_t b = hg_src_run(s, a);
            int rc = b == a ? truncate_origin(t, s->origin) : hg_net_run(t->net, k, a, b, NULL, t->err);
            if (rc < 0) return rc;
            for (uint32_t i = a; i < b; i++) {
                hg_group_t *g = &t->net->groups[t->net->grp[i - a]];
                int64_t w = 0;
                rc = weight_of(t, s, i, &w);
                if (rc < 0) return rc;
                if (__builtin_add_overflow(g->w, w, &g->w))
                    return hg_err_set(t->err, HG_EEVAL, "'%s': a row has more than 2^63 copies", t->in->name);
                g->last = s->base + i;
                g->src = k;
                g->row = hg_src_row(s, i);
            }
            a = b > a ? b : a + 1;
        }
    }
    return 0;
}

/* A delete beyond its own origin's copies takes those of others. */
static int borrow(bag_t *t, uint32_t gi, uint32_t origin)
{
    hg_net_t *net = t->net;
    hg_group_t *g = &net->groups[gi], *o;
    if (g->origin == origin || g->src == HG_NONE || g->oldw + g->w >= 0) return 0;
    uint32_t src = g->src, row = g->row;
    int rc = hg_net_other(net, src, row, origin, &o, t->err);
    if (rc < 0) return rc;
    g = &net->groups[gi]; /* the array may have moved */
    int64_t have = o->oldw + o->w, lack = -(g->oldw + g->w), take = HG_MIN(have, lack);
    if (take <= 0) return 0;
    o->w -= take;
    g->w += take;
    if (o->last == HG_NONE) {
        o->last = g->last;
        o->src = src;
        o->row = row;
    }
    return 0;
}

static int borrow_all(bag_t *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < t->st->n_origins; k++) {
            int rc = borrow(t, i, t->st->origins[k]);
            if (rc < 0) return rc;
        }
        for (uint32_t k = 0; k < t->in->n; k++) {
            int rc = borrow(t, i, t->in->srcs[k].origin);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static bool many_origins(const bag_t *t)
{
    uint32_t first = t->st->n_origins ? t->st->origins[0] : t->in->srcs[0].origin;
    if (t->st->n_origins > 1) return true;
    for (uint32_t k = 0; k < t->in->n; k++)
        if (t->in->srcs[k].origin != first) return true;
    return false;
}

static void count_missing(const bag_t *t)
{
    if (!t->in->missing) return;
    for (uint32_t i = 0; i < t->net->n; i++) {
        const hg_group_t *g = &t->net->groups[i];
        int64_t now = g->oldw + g->w, before = HG_MIN(g->oldw, 0);
        if (now < before) *t->in->missing += (uint64_t)(before - now);
    }
}

/* --- emit -------------------------------------------------------------------------------------------------------- */

/* Groups grp[0..n) are written with rows row[] of batch: stage what they become, and add what they gained to the delta.
 */
static int emit_rows(bag_t *t, hg_batch_t *batch, uint32_t origin, const uint32_t *row, const uint32_t *grp, uint32_t n)
{
    hg_put_t put = { .batch = batch, .origin = origin };
    int64_t *gain = hg_trynew(sizeof *gain * n);
    put.row = hg_trynew(sizeof *put.row * n);
    put.hash = hg_trynew(sizeof *put.hash * n);
    put.old = hg_trynew(sizeof *put.old * n);
    put.weight = hg_trynew(sizeof *put.weight * n);
    int rc = gain && put.row && put.hash && put.old && put.weight ? 0 : no_mem(t->err);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const hg_group_t *g = &t->net->groups[grp[i]];
        gain[i] = g->w;
        if (g->oldw + g->w == 0) {
            if (g->ref) rc = hg_store_kill(t->st, g->ref, g->hash, t->err);
            continue;
        }
        put.row[put.n] = row[i];
        put.hash[put.n] = g->hash;
        put.old[put.n] = g->ref;
        put.weight[put.n++] = g->oldw + g->w;
    }
    if (rc == 0 && t->in->delta)
        rc = hg_delta_rows_add(t->in->delta, batch, n == batch->n_rows ? NULL : row, n, gain, t->err);
    hg_free(gain);
    if (rc == 0 && put.n > 0) return hg_store_put(t->st, put, t->err);
    hg_free(put.row);
    hg_free(put.hash);
    hg_free(put.old);
    hg_free(put.weight);
    return rc;
}

/* Rows that only the store has: removed by TRUNCATE. */
static int emit_refs(bag_t *t, uint32_t *grp, uint32_t *row)
{
    hg_net_t *net = t->net;
    hg_ref_t *refs = hg_trynew(sizeof *refs * HG_PART_ROWS);
    int rc = refs ? 0 : no_mem(t->err);
    for (uint32_t i = 0; i < net->n && rc == 0;) {
        uint32_t n = 0;
        hg_batch_t *b;
        for (; i < net->n && n < HG_PART_ROWS; i++) {
            if (net->groups[i].src != HG_NONE || net->groups[i].w == 0) continue;
            refs[n] = net->groups[i].ref;
            row[n] = n;
            grp[n++] = i;
        }
        if (n == 0) break;
        rc = hg_store_gather(t->st, refs, n, &b, t->err);
        if (rc < 0) break;
        rc = emit_rows(t, b, net->groups[grp[0]].origin, row, grp, n);
        hg_batch_drop(b);
    }
    hg_free(refs);
    return rc;
}

/* Groups [from, to), which have an event each and no two the same. */
static int emit(bag_t *t, uint32_t from, uint32_t to, uint32_t *grp, uint32_t *row)
{
    hg_net_t *net = t->net;
    bool any_ref = false;
    memset(t->place, 0xff, sizeof *t->place * (t->in->srcs[t->in->n - 1].base + t->in->srcs[t->in->n - 1].n));
    for (uint32_t i = from; i < to; i++) {
        const hg_group_t *g = &net->groups[i];
        if (g->w == 0) continue;
        if (g->src == HG_NONE)
            any_ref = true;
        else
            t->place[g->last] = i;
    }
    for (uint32_t k = 0; k < t->in->n; k++) {
        const hg_src_t *s = &t->in->srcs[k];
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            if (t->place[s->base + i] == HG_NONE) continue;
            row[n] = hg_src_row(s, i);
            grp[n++] = t->place[s->base + i];
        }
        int rc = n ? emit_rows(t, s->batch, s->origin, row, grp, n) : 0;
        if (rc < 0) return rc;
    }
    return any_ref ? emit_refs(t, grp, row) : 0;
}

/* Groups that borrow() made or touched share an event with another group: one at a time. */
static int emit_borrowed(bag_t *t, uint32_t from)
{
    for (uint32_t i = from; i < t->net->n; i++) {
        const hg_group_t *g = &t->net->groups[i];
        if (g->w == 0) continue;
        int rc = emit_rows(t, t->in->srcs[g->src].batch, g->origin, &g->row, &i, 1);
        if (rc < 0) return rc;
    }
    return 0;
}

int hg_table_bag(hg_net_t *net, hg_store_t *st, const hg_table_in_t *in, hg_err_t *err)
{
    bag_t t = { .net = net, .st = st, .in = in, .err = err };
    int rc = hg_net_begin(net, st, in->srcs, in->n, err);
    if (rc == 0) rc = group(&t);
    uint32_t n = net->n, most = HG_PART_ROWS, events = in->srcs[in->n - 1].base + in->srcs[in->n - 1].n;
    uint32_t *grp = NULL, *row = NULL;
    if (rc == 0 && many_origins(&t)) rc = borrow_all(&t, n);
    if (rc == 0) count_missing(&t);
    for (uint32_t k = 0; k < in->n; k++) most = HG_MAX(most, in->srcs[k].n);
    if (rc == 0) {
        most = HG_MIN(most, net->n);
        grp = hg_trynew(sizeof *grp * most);
        row = hg_trynew(sizeof *row * most);
        t.place = hg_trynew(sizeof *t.place * events);
        if (!grp || !row || !t.place) rc = no_mem(err);
    }
    if (rc == 0) rc = emit(&t, 0, n, grp, row);
    if (rc == 0) rc = emit_borrowed(&t, n);
    hg_free(grp);
    hg_free(row);
    hg_free(t.place);
    return rc;
}
