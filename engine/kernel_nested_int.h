/* kernel_nested_int.h: between the kernels of values with parts (kernel_nested.c, kernel_array.c). */
#ifndef HG_ENGINE_KERNEL_NESTED_INT_H
#define HG_ENGINE_KERNEL_NESTED_INT_H

#include "engine/eval_int.h"

/* Row i of the result is cell `at` of col; there false: NULL. */
int hg_nested_put(hg_call_t *c, uint32_t i, const hg_col_t *col, uint32_t at, bool there, hg_colb_t *out);
/* The value of row i, to the end of a builder of its type. */
int hg_nested_append(const hg_vec_t *v, uint32_t i, hg_colb_t *out);

#endif
