/* op_filter.c: WHERE: selects rows, copies none. Stateless. */
#include "base/hg.h"
#include "engine/plan_int.h"

static int filter_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    uint32_t n = 0, *sel = hg_trynew(sizeof *sel * part->n);
    int64_t *w = NULL;
    (void)port;
    if (!sel) return hg_err_set(err, HG_ENOMEM, "out of memory while filtering %u rows", part->n);
    int rc = hg_eval_filter(op->node->pred, part->batch, part->sel, part->n, step->now_us, sel, &n, err);
    if (rc < 0) {
        hg_err_wrap(err, "in the WHERE condition");
        goto fail;
    }
    if (n == 0 || n == part->n) {
        hg_free(sel);
        return n ? op->emit(op->emit_arg, hg_part_retain(part), err) : 0;
    }
    if (part->weights) {
        w = hg_trynew(sizeof *w * n);
        if (!w) {
            rc = hg_err_set(err, HG_ENOMEM, "out of memory while filtering %u rows", part->n);
            goto fail;
        }
        for (uint32_t i = 0, k = 0; k < n; i++)
            if ((part->sel ? part->sel[i] : i) == sel[k]) w[k++] = part->weights[i];
    }
    return op->emit(op->emit_arg, hg_part_new(hg_batch_retain(part->batch), sel, n, w), err);
fail:
    hg_free(sel);
    return rc;
}

const hg_op_type_t hg_op_filter = { .name = "filter", .push = filter_push };
