/* op_map.c: projection. Bare columns are shared, with the part's selection; as soon as one item is computed, all become
 * dense. Stateless. */
#include "base/hg.h"
#include "engine/plan_int.h"

static int map_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    const hg_node_t *node = op->node;
    hg_part_t *out;
    bool bare = true;
    (void)port;
    for (uint32_t i = 0; i < node->n_exprs && bare; i++) bare = node->exprs[i]->kind == HG_X_COL;

    hg_batch_t *b = hg_batch_new(bare ? part->batch->n_rows : part->n, node->n_exprs);
    for (uint32_t i = 0; i < node->n_exprs; i++) {
        const hg_expr_t *e = node->exprs[i];
        if (e->kind == HG_X_COL && (bare || !part->sel)) {
            b->cols[i] = hg_col_retain(part->batch->cols[e->col]);
            continue;
        }
        int rc = hg_eval(e, part->batch, part->sel, part->n, step->now_us, &b->cols[i], err);
        if (rc < 0) {
            hg_batch_drop(b);
            hg_err_wrap(err, "in item %u of the SELECT list", i + 1);
            return rc;
        }
    }
    int rc;
    if (bare && part->sel) {
        uint32_t *sel = hg_trynew(sizeof *sel * part->n);
        if (!sel) {
            hg_batch_drop(b);
            return hg_err_set(err, HG_ENOMEM, "out of memory for a step's rows");
        }
        memcpy(sel, part->sel, sizeof *sel * part->n);
        rc = hg_part_over(part, b, &out, err);
        if (rc < 0)
            hg_free(sel);
        else
            out->sel = sel;
    } else {
        rc = hg_part_over(part, b, &out, err);
    }
    return rc < 0 ? rc : op->emit(op->emit_arg, out, err);
}

const hg_op_type_t hg_op_map = { .name = "map", .push = map_push };
