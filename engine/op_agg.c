/* op_agg.c: GROUP BY with aggregates, and the global aggregate, which has one row even of nothing. Once only: state is
 * the groups' keys (op_group.c) and accumulators (agg_int.h), held against the query's memory limit. One thread at a
 * time. */
#include "base/hg.h"
#include "engine/agg_int.h"
#include "engine/plan_int.h"

typedef struct {
    hg_groups_t *groups; /* NULL: global */
    const hg_type_t **types;
    hg_aggs_t *aggs;
} agg_t;

static int agg_open(hg_op_inst_t *op, hg_err_t *err)
{
    const hg_node_t *node = op->node;
    agg_t *a = HG_NEW(agg_t);
    int rc = hg_aggs_new(node->aggs, node->n_aggs, &a->aggs, err);
    if (rc == 0 && node->n_exprs) {
        a->types = HG_NEWN(const hg_type_t *, node->n_exprs);
        for (uint32_t i = 0; i < node->n_exprs; i++) a->types[i] = node->exprs[i]->type;
        rc = hg_groups_new(a->types, node->n_exprs, &a->groups, err);
    }
    if (rc < 0) {
        hg_aggs_free(a->aggs);
        hg_free(a->types);
        hg_free(a);
        return rc;
    }
    op->state = a;
    return 0;
}

static void agg_close(hg_op_inst_t *op)
{
    agg_t *a = op->state;
    hg_groups_free(a->groups);
    hg_aggs_free(a->aggs);
    hg_free(a->types);
    hg_free(a);
}

static int eval_all(const hg_expr_t *const *exprs, uint32_t n, const hg_part_t *p, const hg_step_t *step,
                    hg_col_t **ret, hg_err_t *err)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!exprs[i]) continue;
        int rc = hg_eval(exprs[i], p->batch, p->sel, p->n, step->now_us, &ret[i], err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int agg_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    const hg_node_t *node = op->node;
    agg_t *a = op->state;
    hg_batch_t *keys = hg_batch_new(part->n, node->n_exprs);
    hg_col_t **args = HG_NEWN(hg_col_t *, 2 * node->n_aggs + 1), **filters = args + node->n_aggs;
    const hg_expr_t **exprs = HG_NEWN(const hg_expr_t *, 2 * node->n_aggs + 1);
    uint32_t *ids = NULL;
    (void)port;
    for (uint32_t i = 0; i < node->n_aggs; i++) {
        exprs[i] = node->aggs[i].arg;
        exprs[node->n_aggs + i] = node->aggs[i].filter;
    }
    int rc = eval_all(node->exprs, node->n_exprs, part, step, keys->cols, err);
    if (rc < 0) hg_err_wrap(err, "in GROUP BY");
    if (rc == 0) {
        rc = eval_all(exprs, 2 * node->n_aggs, part, step, args, err);
        if (rc < 0) hg_err_wrap(err, "in an aggregate's argument");
    }
    if (rc == 0 && a->groups) {
        ids = hg_trynew(sizeof *ids * part->n);
        rc = ids ? hg_groups_add(a->groups, keys, ids, err)
                 : hg_err_set(err, HG_ENOMEM, "out of memory while grouping rows");
    }
    if (rc == 0)
        rc = hg_aggs_update(a->aggs, ids, a->groups ? hg_groups_count(a->groups) : 1, part->n, args, filters,
                            part->weights, err);
    if (rc == 0)
        rc = hg_over_limit(op, (a->groups ? hg_groups_mem(a->groups) : 0) + hg_aggs_mem(a->aggs), "GROUP BY", err);
    for (uint32_t i = 0; i < 2 * node->n_aggs; i++) hg_col_drop(args[i]);
    hg_free(args);
    hg_free(exprs);
    hg_free(ids);
    hg_batch_drop(keys);
    return rc;
}

static int agg_flush(hg_op_inst_t *op, const hg_step_t *step, hg_err_t *err)
{
    const hg_node_t *node = op->node;
    agg_t *a = op->state;
    uint32_t n = a->groups ? hg_groups_count(a->groups) : 1;
    (void)step;
    if (n == 0) return 0;
    hg_batch_t *b = hg_batch_new(n, node->n_exprs + node->n_aggs);
    int rc = 0;
    for (uint32_t i = 0; i < node->n_exprs && rc == 0; i++) rc = hg_groups_col(a->groups, i, &b->cols[i], err);
    for (uint32_t i = 0; i < node->n_aggs && rc == 0; i++)
        rc = hg_aggs_finish(a->aggs, i, n, &b->cols[node->n_exprs + i], err);
    if (rc == 0) return hg_emit_batch(op, b, err);
    hg_batch_drop(b);
    return rc;
}

const hg_op_type_t hg_op_agg = {
    .name = "aggregate", .open = agg_open, .push = agg_push, .flush = agg_flush, .close = agg_close
};
