/* op_union.c: UNION ALL: weights add up, so parts of all inputs simply go on. Stateless. */
#include "base/hg.h"
#include "engine/plan_int.h"

static int union_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    (void)port;
    (void)step;
    return op->emit(op->emit_arg, hg_part_retain(part), err);
}

const hg_op_type_t hg_op_union = { .name = "union", .push = union_push };
