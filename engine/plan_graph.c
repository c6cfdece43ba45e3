/* plan_graph.c: builds and drives the operators of one view or query. See plan_int.h. One thread at a time. */
#include "base/hg.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"
#include "engine/table_int.h"

static const hg_op_type_t *op_type(hg_node_kind_t k)
{
    switch (k) {
    case HG_N_SCAN:
    case HG_N_VALUES:
        return &hg_op_scan;
    case HG_N_FILTER:
        return &hg_op_filter;
    case HG_N_MAP:
        return &hg_op_map;
    case HG_N_UNION:
        return &hg_op_union;
    case HG_N_AGG:
        return &hg_op_agg;
    case HG_N_SORT:
        return &hg_op_sort;
    case HG_N_DISTINCT:
        return &hg_op_distinct;
    case HG_N_UNNEST:
        return &hg_op_unnest;
    }
    return NULL;
}

static uint32_t count(const hg_node_t *node)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < node->n_in; i++) n += count(node->in[i]);
    return n;
}

static int emit(void *arg, hg_part_t *part, hg_err_t *err)
{
    const hg_edge_t *e = arg;
    hg_graph_t *g = e->graph;
    if (part->n == 0) {
        hg_part_drop(part);
        return 0;
    }
    if (e->to == HG_GRAPH_SINK) return g->sink(g->sink_arg, part, err);
    hg_op_inst_t *to = &g->ops[e->to];
    int rc = to->type->push(to, e->port, part, g->step, err);
    hg_part_drop(part);
    return rc;
}

/* Places node's operators behind those there are; the number of its own is returned. */
static uint32_t place(hg_graph_t *g, const hg_node_t *node, uint32_t *n, size_t mem_limit)
{
    uint32_t *kids = HG_NEWN(uint32_t, node->n_in + 1);
    for (uint32_t i = 0; i < node->n_in; i++) kids[i] = place(g, node->in[i], n, mem_limit);
    uint32_t child = (*n)++;
    for (uint32_t i = 0; i < node->n_in; i++) {
        g->edges[kids[i]].to = child;
        g->edges[kids[i]].port = i;
    }
    hg_free(kids);
    g->edges[child] = (hg_edge_t){ .graph = g, .to = HG_GRAPH_SINK };
    g->ops[child] = (hg_op_inst_t){
        .type = op_type(node->kind), .node = node, .emit = emit, .emit_arg = &g->edges[child], .mem_limit = mem_limit
    };
    return child;
}

int hg_graph_open(hg_graph_t *g, const hg_node_t *root, hg_emit_fn sink, void *sink_arg, size_t mem_limit,
                  hg_err_t *err)
{
    *g = (hg_graph_t){ .sink = sink, .sink_arg = sink_arg };
    uint32_t n = count(root);
    g->ops = HG_NEWN(hg_op_inst_t, n);
    g->edges = HG_NEWN(hg_edge_t, n);
    place(g, root, &g->n, mem_limit);
    for (; g->n_open < g->n; g->n_open++) {
        hg_op_inst_t *op = &g->ops[g->n_open];
        int rc = op->type->open ? op->type->open(op, err) : 0;
        if (rc < 0) {
            hg_graph_close(g);
            return rc;
        }
    }
    return 0;
}

void hg_graph_close(hg_graph_t *g)
{
    for (uint32_t i = 0; i < g->n_open; i++)
        if (g->ops[i].type->close) g->ops[i].type->close(&g->ops[i]);
    hg_free(g->ops);
    hg_free(g->edges);
    *g = (hg_graph_t){ 0 };
}

int hg_graph_feed(hg_graph_t *g, uint32_t i, hg_part_t *part, hg_err_t *err)
{
    int rc = part->n ? g->ops[i].type->push(&g->ops[i], 0, part, g->step, err) : 0;
    hg_part_drop(part);
    return rc;
}

int hg_graph_flush(hg_graph_t *g, uint32_t i, hg_err_t *err)
{
    return g->ops[i].type->flush ? g->ops[i].type->flush(&g->ops[i], g->step, err) : 0;
}

void hg_graph_apply(hg_graph_t *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (g->ops[i].type->apply) g->ops[i].type->apply(&g->ops[i]);
}

void hg_graph_discard(hg_graph_t *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (g->ops[i].type->discard) g->ops[i].type->discard(&g->ops[i]);
}

/* --- parts ------------------------------------------------------------------------------------------------------- */

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory for a step's rows");
}

static int copy_into(void **ret, const void *p, size_t n)
{
    *ret = NULL;
    if (!p) return 0;
    *ret = hg_trynew(n);
    if (!*ret) return HG_ENOMEM;
    memcpy(*ret, p, n);
    return 0;
}

int hg_part_project(const hg_part_t *p, const uint32_t *cols, uint32_t n, hg_part_t **ret, hg_err_t *err)
{
    void *sel, *w;
    if (copy_into(&sel, p->sel, sizeof *p->sel * p->n) < 0) return no_mem(err);
    if (copy_into(&w, p->weights, sizeof *p->weights * p->n) < 0) {
        hg_free(sel);
        return no_mem(err);
    }
    hg_batch_t *b = hg_batch_new(p->batch->n_rows, n);
    for (uint32_t i = 0; i < n; i++) b->cols[i] = hg_col_retain(p->batch->cols[cols[i]]);
    *ret = hg_part_new(b, sel, p->n, w);
    return 0;
}

int hg_part_over(const hg_part_t *p, hg_batch_t *batch, hg_part_t **ret, hg_err_t *err)
{
    void *w;
    if (copy_into(&w, p->weights, sizeof *p->weights * p->n) < 0) {
        hg_batch_drop(batch);
        return no_mem(err);
    }
    *ret = hg_part_new(batch, NULL, p->n, w);
    return 0;
}

int hg_emit_batch(hg_op_inst_t *op, hg_batch_t *batch, hg_err_t *err)
{
    hg_delta_t d = { 0 };
    int rc = hg_delta_rows_add(&d, batch, NULL, batch->n_rows, NULL, err);
    for (uint32_t i = 0; i < d.n && rc == 0; i++) rc = op->emit(op->emit_arg, hg_part_retain(d.parts[i]), err);
    hg_delta_release(&d);
    hg_batch_drop(batch);
    return rc;
}

int hg_over_limit(const hg_op_inst_t *op, size_t used, const char *what, hg_err_t *err)
{
    if (op->mem_limit == 0 || used <= op->mem_limit) return 0;
    return hg_err_set(err, HG_ENOMEM, "%s needs more than the %zu bytes a query may use", what, op->mem_limit);
}
