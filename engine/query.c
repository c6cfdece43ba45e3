/* query.c: an ad-hoc query: a plan run once over snapshots, on the caller's thread, with the operators of views.
 *
 * Scans are read part by part and pushed; a plan that says it has enough (LIMIT) ends its scans early. Negative and
 * zero weights, which only a bag with deletes of absent rows has, count as absent. What comes out of the root is
 * expanded by weight for the sink.
 */
#include "base/hg.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"

typedef struct {
    hg_query_sink sink;
    void *arg;
} out_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory for the rows of a query");
}

static int give(const out_t *o, hg_batch_t *b, hg_err_t *err)
{
    int rc = o->sink(o->arg, b, err);
    return rc < 0 ? rc : 0;
}

/* A row of weight w is w rows, in batches of at most HG_PART_ROWS. */
static int give_weighted(const out_t *o, const hg_part_t *p, hg_err_t *err)
{
    uint32_t *sel = hg_trynew(sizeof *sel * HG_PART_ROWS), n = 0;
    int rc = sel ? 0 : no_mem(err);
    for (uint32_t i = 0; i < p->n && rc == 0; i++) {
        for (int64_t k = 0; k < p->weights[i] && rc == 0; k++) {
            sel[n++] = p->sel ? p->sel[i] : i;
            if (n < HG_PART_ROWS) continue;
            hg_batch_t *b;
            rc = hg_batch_gather(p->batch, sel, n, &b, err);
            if (rc < 0) break;
            rc = give(o, b, err);
            hg_batch_drop(b);
            n = 0;
        }
    }
    if (rc == 0 && n > 0) {
        hg_batch_t *b;
        rc = hg_batch_gather(p->batch, sel, n, &b, err);
        if (rc == 0) {
            rc = give(o, b, err);
            hg_batch_drop(b);
        }
    }
    hg_free(sel);
    return rc;
}

static int to_sink(void *arg, hg_part_t *part, hg_err_t *err)
{
    int rc;
    bool plain = true;
    for (uint32_t i = 0; part->weights && plain && i < part->n; i++) plain = part->weights[i] == 1;
    if (plain) {
        hg_batch_t *b;
        rc = hg_part_flatten(part, &b, err);
        if (rc == 0) {
            rc = give(arg, b, err);
            hg_batch_drop(b);
        }
    } else {
        rc = give_weighted(arg, part, err);
    }
    hg_part_drop(part);
    return rc;
}

/* Rows of weight <= 0 are absent. Takes the part. */
static int positive(hg_part_t *p, hg_part_t **ret, hg_err_t *err)
{
    uint32_t n = 0;
    for (uint32_t i = 0; p->weights && i < p->n; i++) n += p->weights[i] > 0;
    if (!p->weights || n == p->n) {
        *ret = p;
        return 0;
    }
    uint32_t *sel = hg_trynew(sizeof *sel * n), k = 0;
    int64_t *w = hg_trynew(sizeof *w * n);
    if (!sel || !w) {
        hg_free(sel);
        hg_free(w);
        hg_part_drop(p);
        return no_mem(err);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->weights[i] <= 0) continue;
        sel[k] = p->sel ? p->sel[i] : i;
        w[k++] = p->weights[i];
    }
    *ret = hg_part_new(hg_batch_retain(p->batch), sel, n, w);
    hg_part_drop(p);
    return 0;
}

static int canceled(const atomic_bool *cancel, hg_err_t *err)
{
    if (!cancel || !atomic_load_explicit(cancel, memory_order_relaxed)) return 0;
    return hg_err_set(err, HG_ECANCELED, "the query was canceled");
}

static int run_scan(hg_graph_t *g, uint32_t i, hg_snap_t *snap, hg_err_t *err)
{
    const hg_node_t *node = g->ops[i].node;
    uint64_t cursor = 0;
    if (!snap) return hg_err_set(err, HG_EINVAL, "relation %u keeps no contents to read", node->relation);
    for (;;) {
        hg_part_t *p;
        int rc = canceled(g->step->cancel, err);
        if (rc == 0) rc = hg_snap_scan(snap, &cursor, node->scan_cols, node->n_cols, &p, err);
        if (rc < 0 || !p) return rc;
        rc = positive(p, &p, err);
        if (rc == 0) rc = hg_graph_feed(g, i, p, err);
        if (rc != 0) return rc < 0 ? rc : 0;
    }
}

int hg_query_run(const hg_node_t *root, hg_snap_t *(*snap)(void *arg, uint32_t relation), void *snap_arg,
                 hg_query_sink sink, void *sink_arg, const atomic_bool *cancel, size_t mem_limit, int64_t now_us,
                 hg_err_t *err)
{
    out_t out = { sink, sink_arg };
    hg_step_t step = { .now_us = now_us, .mode = HG_MODE_ONCE, .cancel = cancel };
    hg_graph_t g;
    int rc = hg_graph_open(&g, root, to_sink, &out, mem_limit, err);
    if (rc < 0) return rc;
    g.step = &step;
    for (uint32_t i = 0; i < g.n && rc >= 0; i++) {
        const hg_node_t *node = g.ops[i].node;
        rc = canceled(cancel, err);
        if (rc < 0) break;
        if (node->kind == HG_N_SCAN)
            rc = run_scan(&g, i, snap(snap_arg, node->relation), err);
        else if (node->kind == HG_N_VALUES && node->values)
            rc =
                hg_graph_feed(&g, i, hg_part_new(hg_batch_retain(node->values), NULL, node->values->n_rows, NULL), err);
        if (rc >= 0) rc = hg_graph_flush(&g, i, err);
    }
    hg_graph_close(&g);
    return rc < 0 ? rc : 0;
}
