/* op_scan.c: rows of a relation, narrowed to the columns read; also VALUES, whose rows the driver feeds whole.
 * Stateless. */
#include "base/hg.h"
#include "engine/plan_int.h"

static int scan_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    const hg_node_t *node = op->node;
    hg_part_t *out = part;
    (void)port;
    (void)step;
    /* a snapshot's reader (mode once) gathers no other columns in the first place */
    if (node->kind == HG_N_VALUES || step->mode == HG_MODE_ONCE || !node->scan_cols) {
        hg_part_retain(part);
    } else {
        int rc = hg_part_project(part, node->scan_cols, node->n_cols, &out, err);
        if (rc < 0) return rc;
    }
    return op->emit(op->emit_arg, out, err);
}

const hg_op_type_t hg_op_scan = { .name = "scan", .push = scan_push };
