/* op_map.c: projection. Bare columns are shared, with the part's selection; as soon as one item is computed, all become
 * dense. Stateless. */
#include "base/hg.h"
#include "base/mem.h"
#include "engine/plan_int.h"

static bool all_bare(const hg_node_t *node)
{
    for (uint32_t i = 0; i < node->n_exprs; i++)
        if (node->exprs[i]->kind != HG_X_COL) return false;
    return true;
}

static int share_columns(const hg_node_t *node, const hg_part_t *part, hg_part_t **ret, hg_err_t *err)
{
    uint32_t *cols = hg_xnew(sizeof *cols * node->n_exprs);
    for (uint32_t i = 0; i < node->n_exprs; i++) cols[i] = node->exprs[i]->col;
    int rc = hg_part_project(part, cols, node->n_exprs, ret, err);
    hg_free(cols);
    return rc;
}

static int compute_columns(const hg_node_t *node, const hg_part_t *part, int64_t now_us, hg_part_t **ret, hg_err_t *err)
{
    hg_batch_t *b = hg_batch_new(part->n, node->n_exprs);
    for (uint32_t i = 0; i < node->n_exprs; i++) {
        const hg_expr_t *e = node->exprs[i];
        if (e->kind == HG_X_COL && !part->sel) {
            b->cols[i] = hg_col_retain(part->batch->cols[e->col]);
            continue;
        }
        int rc = hg_eval(e, part->batch, part->sel, part->n, now_us, &b->cols[i], err);
        if (rc < 0) {
            hg_batch_drop(b);
            hg_err_wrap(err, "in item %u of the SELECT list", i + 1);
            return rc;
        }
    }
    return hg_part_over(part, b, ret, err);
}

static int map_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    hg_part_t *out;
    (void)port;
    int rc = all_bare(op->node) ? share_columns(op->node, part, &out, err)
                                : compute_columns(op->node, part, step->now_us, &out, err);
    return rc < 0 ? rc : op->emit(op->emit_arg, out, err);
}

const hg_op_type_t hg_op_map = { .name = "map", .push = map_push };
