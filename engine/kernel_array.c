/* kernel_array.c: CARDINALITY and element access of arrays. */
#include "base/hg.h"
#include "engine/eval_int.h"

int hg_k_cardinality(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const int32_t *offs = &args[0].col->offs[hg_vec_at(&args[0], i)];
        HG_COL(out, int32_t)[i] = offs[1] - offs[0];
    }
    return 0;
}

/* array[i], from 1; outside and NULL elements: NULL. */
int hg_k_subscript(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    size_t w = hg_phys_width(out->phys);
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        uint32_t row = hg_vec_at(&args[0], i);
        int64_t n = list->offs[row + 1] - list->offs[row], k = hg_vec_i64(&args[1], i);
        bool there = hg_call_valid(c, i) && k >= 1 && k <= n && elems->type->kind != HG_T_NULL;
        uint32_t at = there ? (uint32_t)(list->offs[row] + k - 1) : 0;
        there = there && !hg_col_null(elems, at);
        if (!there) hg_bit_clear(c->valid, i);
        if (out->phys == HG_PHYS_BIT) {
            if (there && hg_bit_get(elems->data, at)) hg_bit_set(out->data, i);
        } else if (w) {
            if (there) memcpy((char *)out->data + w * i, (const char *)elems->data + w * at, w);
        } else {
            rc = there ? hg_colb_copy(out, elems, at) : hg_colb_null(out);
        }
    }
    return rc;
}
