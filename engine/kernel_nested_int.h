/* kernel_nested_int.h: between the kernels of values with parts (kernel_nested.c, kernel_array.c). */
#ifndef HG_ENGINE_KERNEL_NESTED_INT_H
#define HG_ENGINE_KERNEL_NESTED_INT_H

#include "engine/eval_int.h"

/* Row i of the result is cell `at` of col; there false: NULL. */
int hg_nested_put(hg_call_t *c, uint32_t i, const hg_col_t *col, uint32_t at, bool there, hg_colb_t *out);
/* The value of row i, to the end of a builder of its type. */
int hg_nested_append(const hg_vec_t *v, uint32_t i, hg_colb_t *out);

/* Appends the elements of row i's array to out->child[0]. */
typedef int (*hg_elements_fn)(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out);

#define HG_STRICT 0u

/* An array per row. needs: of which arguments none may be NULL (bits), so that the array is not; HG_STRICT: of none.
 * Inline, so that the function of elements is, too. */
static inline int hg_nested_arrays(hg_call_t *c, const hg_vec_t *args, unsigned needs, hg_elements_fn elements,
                                   hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        bool there = needs != HG_STRICT || hg_call_valid(c, i);
        for (unsigned k = 0; needs >> k; k++) there &= !(needs >> k & 1) || !hg_vec_null(&args[k], i);
        rc = there ? elements(c, args, i, out) : hg_colb_null(out);
        if (rc == 0 && there) rc = hg_colb_close_list(out);
    }
    return rc;
}

#endif
