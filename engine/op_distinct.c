/* op_distinct.c: each row once. Once only: groups by all columns. One thread at a time. */
#include "base/hg.h"
#include "engine/plan_int.h"

static int distinct_open(hg_op_inst_t *op, hg_err_t *err)
{
    hg_groups_t *g;
    int rc = hg_groups_new(op->node->types, op->node->n_cols, &g, err);
    if (rc == 0) op->state = g;
    return rc;
}

static void distinct_close(hg_op_inst_t *op)
{
    hg_groups_free(op->state);
}

static int distinct_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    hg_batch_t *b;
    (void)port;
    (void)step;
    uint32_t *ids = hg_trynew(sizeof *ids * part->n);
    if (!ids) return hg_err_set(err, HG_ENOMEM, "out of memory while grouping rows");
    int rc = hg_part_flatten(part, &b, err);
    if (rc == 0) {
        rc = hg_groups_add(op->state, b, ids, err);
        hg_batch_drop(b);
    }
    hg_free(ids);
    return rc < 0 ? rc : hg_over_limit(op, hg_groups_mem(op->state), "DISTINCT", err);
}

static int distinct_flush(hg_op_inst_t *op, const hg_step_t *step, hg_err_t *err)
{
    uint32_t n = hg_groups_count(op->state);
    (void)step;
    if (n == 0) return 0;
    hg_batch_t *b = hg_batch_new(n, op->node->n_cols);
    for (uint32_t i = 0; i < op->node->n_cols; i++) {
        int rc = hg_groups_col(op->state, i, &b->cols[i], err);
        if (rc < 0) {
            hg_batch_drop(b);
            return rc;
        }
    }
    return hg_emit_batch(op, b, err);
}

const hg_op_type_t hg_op_distinct = {
    .name = "distinct", .open = distinct_open, .push = distinct_push, .flush = distinct_flush, .close = distinct_close
};
