/* table.c: grouping a step's rows by identity, and tables that store nothing.
 *
 * What keyed tables (table_keyed.c) and bags (table_bag.c) share. Circuit thread only.
 */
#include "base/hg.h"
#include "engine/table_int.h"

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while netting a step's changes");
}

void hg_net_release(hg_net_t *net)
{
    hg_free(net->groups);
    hg_free(net->slots);
    hg_free(net->rows);
    hg_free(net->grp);
    hg_free(net->hash);
    hg_free(net->refs);
    *net = (hg_net_t){ 0 };
}

uint32_t hg_src_run(const hg_src_t *s, uint32_t a)
{
    if (!s->change || !s->change->ops) return s->n;
    const uint8_t *p = memchr(s->change->ops + a, HG_OP_TRUNCATE, s->n - a);
    return p ? (uint32_t)(p - s->change->ops) : s->n;
}

uint32_t hg_net_src_of(const hg_net_t *net, uint32_t event)
{
    uint32_t lo = 0, hi = net->n_srcs;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (net->srcs[mid].base <= event)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* --- groups ------------------------------------------------------------------------------------------------------ */

static void slots_add(hg_net_t *net, uint32_t g)
{
    uint32_t i = (uint32_t)net->groups[g].hash & net->mask;
    while (net->slots[i]) i = (i + 1) & net->mask;
    net->slots[i] = g + 1;
}

/* Room for so many more groups; the table stays at most half full. */
static int room(hg_net_t *net, uint32_t more)
{
    uint64_t want = (uint64_t)net->n + more;
    if (want > UINT32_MAX / 4) return HG_ENOMEM;
    if (want > net->cap) {
        uint32_t cap = (uint32_t)HG_MAX(want, (uint64_t)net->cap * 2);
        hg_group_t *p = hg_trygrow(net->groups, sizeof *p * cap);
        if (!p) return HG_ENOMEM;
        net->groups = p;
        net->cap = cap;
    }
    if (net->slots && want * 2 <= (uint64_t)net->mask + 1) return 0;
    uint32_t n = 64;
    while (n < want * 2) n *= 2;
    if (n > net->cap_slots) {
        uint32_t *p = hg_trynew(sizeof *p * n);
        if (!p) return HG_ENOMEM;
        hg_free(net->slots);
        net->slots = p;
        net->cap_slots = n;
    }
    net->mask = n - 1;
    memset(net->slots, 0, sizeof *net->slots * n);
    for (uint32_t g = 0; g < net->n; g++) slots_add(net, g);
    return 0;
}

int hg_net_begin(hg_net_t *net, hg_store_t *st, hg_src_t *srcs, uint32_t n_srcs, hg_err_t *err)
{
    uint64_t base = 0;
    uint32_t most = 0;
    for (uint32_t k = 0; k < n_srcs; k++) {
        srcs[k].base = (uint32_t)base;
        base += srcs[k].n;
        most = HG_MAX(most, srcs[k].n);
    }
    if (base > UINT32_MAX / 4) return hg_err_set(err, HG_ETOOBIG, "a step of more than 2^30 rows");
    net->st = st;
    net->srcs = srcs;
    net->n_srcs = n_srcs;
    net->n = 0;
    net->mask = 0;
    if (most > net->cap_run) {
        hg_free(net->rows);
        hg_free(net->grp);
        hg_free(net->hash);
        hg_free(net->refs);
        net->cap_run = 0;
        net->rows = hg_trynew(sizeof *net->rows * most);
        net->grp = hg_trynew(sizeof *net->grp * most);
        net->hash = hg_trynew(sizeof *net->hash * most);
        net->refs = hg_trynew(sizeof *net->refs * most);
        if (!net->rows || !net->grp || !net->hash || !net->refs) return no_mem(err);
        net->cap_run = most;
    }
    /* forget the slots of the last step: room() makes a table of this step's size */
    uint32_t n = 64;
    while (n < most * 2) n *= 2;
    if (net->slots && n <= net->cap_slots) {
        net->mask = n - 1;
        memset(net->slots, 0, sizeof *net->slots * n);
    }
    return 0;
}

static bool same(const hg_net_t *net, const hg_group_t *g, const hg_batch_t *batch, uint32_t row, uint32_t origin)
{
    const hg_store_t *st = net->st;
    if (g->src == HG_NONE) {
        hg_ident_t id = { batch, row, origin };
        return hg_store_same(st, g->ref, &id);
    }
    if (st->bag && g->origin != origin) return false;
    const hg_batch_t *b = net->srcs[g->src].batch;
    for (uint32_t i = 0; i < st->n_ident; i++)
        if (!hg_cell_eq(b->cols[st->ident[i]], g->row, batch->cols[st->ident[i]], row)) return false;
    return true;
}

/* There is room for one more. */
static uint32_t find_or_add(hg_net_t *net, uint64_t hash, uint32_t src, uint32_t row, uint32_t origin)
{
    uint32_t i = (uint32_t)hash & net->mask;
    for (; net->slots[i]; i = (i + 1) & net->mask) {
        const hg_group_t *g = &net->groups[net->slots[i] - 1];
        if (g->hash == hash && same(net, g, net->srcs[src].batch, row, origin)) return net->slots[i] - 1;
    }
    net->slots[i] = net->n + 1;
    net->groups[net->n] =
        (hg_group_t){ .hash = hash, .src = src, .row = row, .last = HG_NONE, .origin = origin, .at = HG_NONE };
    return net->n++;
}

static void found(hg_net_t *net, hg_group_t *g, hg_ref_t ref)
{
    g->ref = ref;
    g->present = ref != 0;
    if (ref && net->st->bag) g->oldw = hg_store_seg(net->st, ref)->weight[hg_ref_row(ref)];
}

int hg_net_run(hg_net_t *net, uint32_t k, uint32_t a, uint32_t b, const uint64_t *hash, hg_err_t *err)
{
    const hg_src_t *s = &net->srcs[k];
    uint32_t n = b - a, before = net->n;
    if (room(net, n) < 0) return no_mem(err);
    for (uint32_t i = 0; i < n; i++) net->rows[i] = hg_src_row(s, a + i);
    if (hash) {
        hash += a; /* change batches have no selection */
    } else {
        hg_store_hash(net->st, s->batch, net->rows, n, s->origin, net->hash);
        hash = net->hash;
    }
    for (uint32_t i = 0; i < n; i++) net->grp[i] = find_or_add(net, hash[i], k, net->rows[i], s->origin);

    uint32_t fresh = net->n - before;
    for (uint32_t i = 0; i < fresh; i++) {
        net->rows[i] = net->groups[before + i].row;
        net->hash[i] = net->groups[before + i].hash;
    }
    hg_index_probe(&net->st->index, s->batch, net->rows, s->origin, net->hash, fresh, net->refs);
    for (uint32_t i = 0; i < fresh; i++) found(net, &net->groups[before + i], net->refs[i]);
    return 0;
}

int hg_net_other(hg_net_t *net, uint32_t src, uint32_t row, uint32_t origin, hg_group_t **ret, hg_err_t *err)
{
    uint64_t hash;
    hg_ref_t ref;
    if (room(net, 1) < 0) return no_mem(err);
    hg_store_hash(net->st, net->srcs[src].batch, &row, 1, origin, &hash);
    uint32_t n = net->n, g = find_or_add(net, hash, src, row, origin);
    if (net->n > n) {
        hg_index_probe(&net->st->index, net->srcs[src].batch, &row, origin, &hash, 1, &ref);
        found(net, &net->groups[g], ref);
    }
    *ret = &net->groups[g];
    return 0;
}

int hg_net_ref(hg_net_t *net, hg_ref_t ref, uint32_t origin, hg_group_t **ret, bool *ret_new, hg_err_t *err)
{
    if (room(net, 1) < 0) return no_mem(err);
    uint64_t hash = hg_store_ref_hash(net->st, ref);
    uint32_t i = (uint32_t)hash & net->mask;
    for (; net->slots[i]; i = (i + 1) & net->mask) {
        hg_group_t *g = &net->groups[net->slots[i] - 1];
        if (g->ref != ref) continue;
        *ret = g;
        *ret_new = false;
        return 0;
    }
    net->slots[i] = net->n + 1;
    hg_group_t *g = &net->groups[net->n++];
    *g = (hg_group_t){ .hash = hash, .src = HG_NONE, .last = HG_NONE, .origin = origin, .at = HG_NONE };
    found(net, g, ref);
    *ret = g;
    *ret_new = true;
    return 0;
}

/* --- parts ------------------------------------------------------------------------------------------------------- */

static void *copy_of(const void *p, size_t n)
{
    void *q = hg_trynew(n);
    if (q) memcpy(q, p, n);
    return q;
}

int hg_delta_rows_add(hg_delta_t *d, hg_batch_t *batch, const uint32_t *sel, uint32_t n, const int64_t *weights,
                      hg_err_t *err)
{
    for (uint32_t from = 0; from < n;) {
        uint32_t m = HG_MIN(n - from, HG_PART_ROWS);
        uint32_t *s = NULL;
        int64_t *w = NULL;
        bool plain = true;
        for (uint32_t i = 0; weights && plain && i < m; i++) plain = weights[from + i] == 1;
        if (!plain) w = copy_of(weights + from, sizeof *w * m);
        if (sel) {
            s = copy_of(sel + from, sizeof *s * m);
        } else if (m < batch->n_rows) {
            s = hg_trynew(sizeof *s * m);
            for (uint32_t i = 0; s && i < m; i++) s[i] = from + i;
        }
        bool want_sel = sel || m < batch->n_rows;
        if ((!plain && !w) || (want_sel && !s)) {
            hg_free(w);
            hg_free(s);
            return no_mem(err);
        }
        if (hg_delta_add(d, hg_part_new(hg_batch_retain(batch), s, m, w)) < 0) return no_mem(err);
        from += m;
    }
    return 0;
}

/* --- tables without a store -------------------------------------------------------------------------------------- */

/* Weight per row, NULL if all are inserts. */
static int weights_of_ops(const hg_table_in_t *in, const hg_src_t *s, int64_t **ret, hg_err_t *err)
{
    bool deletes = false;
    *ret = NULL;
    for (uint32_t i = 0; s->change->ops && i < s->n; i++) {
        hg_op_t op = hg_src_op(s, i);
        if (op == HG_OP_UPDATE)
            return hg_err_set(err, HG_EINVAL, "table '%s' has no PRIMARY KEY: its rows cannot be updated", in->name);
        if (op == HG_OP_TRUNCATE)
            return hg_err_set(err, HG_EINVAL,
                              "table '%s' keeps no rows, so none can be removed by TRUNCATE: make it materialized",
                              in->name);
        deletes = deletes || op == HG_OP_DELETE;
    }
    if (!deletes) return 0;
    int64_t *w = hg_trynew(sizeof *w * s->n);
    if (!w) return no_mem(err);
    for (uint32_t i = 0; i < s->n; i++) w[i] = hg_src_op(s, i) == HG_OP_DELETE ? -1 : 1;
    *ret = w;
    return 0;
}

int hg_table_through(const hg_table_in_t *in, hg_err_t *err)
{
    for (uint32_t k = 0; k < in->n; k++) {
        const hg_src_t *s = &in->srcs[k];
        int64_t *w;
        int rc = weights_of_ops(in, s, &w, err);
        if (rc == 0 && in->delta) rc = hg_delta_rows_add(in->delta, s->batch, NULL, s->n, w, err);
        hg_free(w);
        if (rc < 0) return rc;
    }
    return 0;
}
