/* func_int.h: between the list of functions (func_list.c), the binding rules (func_bind.c) and name resolution
 * (func.c). */
#ifndef HG_ENGINE_FUNC_INT_H
#define HG_ENGINE_FUNC_INT_H

#include "engine/eval_int.h"

extern const hg_func_t hg_funcs[];
extern const uint32_t hg_n_funcs;

/* A type without digits: precision -1, scale 0, not nullable. */
const hg_type_t *hg_plain_type(hg_arena_t *a, hg_kind_t k);
const hg_type_t *hg_decimal_type(hg_arena_t *a, int32_t precision, int32_t scale);
const hg_type_t *hg_interval_type(hg_arena_t *a, hg_interval_unit_t unit);

/* Of a NULL that is written. */
static inline bool hg_type_is_null(const hg_type_t *t)
{
    return t->kind == HG_T_NULL;
}

/* NULL if one of the two is. */
const hg_type_t *hg_map_type(hg_arena_t *a, const hg_type_t *key, const hg_type_t *elem);

/* Wider of two integer types; equal widths give unsigned (sql §5.6). */
hg_kind_t hg_int_wider(hg_kind_t x, hg_kind_t y);
/* Least common type of two numeric types. */
const hg_type_t *hg_numeric_common(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y);

/* Binding rules: argument and result types from what the call has. */
bool hg_bind_arith_int(hg_bind_t *b);
bool hg_bind_arith_dec(hg_bind_t *b);
bool hg_bind_arith_float(hg_bind_t *b);
bool hg_bind_neg(hg_bind_t *b);
bool hg_bind_cmp(hg_bind_t *b);
bool hg_bind_distinct(hg_bind_t *b);
bool hg_bind_common(hg_bind_t *b);
bool hg_bind_nullif(hg_bind_t *b);
bool hg_bind_round(hg_bind_t *b);
bool hg_bind_floor(hg_bind_t *b);
bool hg_bind_concat(hg_bind_t *b);
bool hg_bind_varying(hg_bind_t *b);
bool hg_bind_interval_scale(hg_bind_t *b);
bool hg_bind_interval_sum(hg_bind_t *b);
bool hg_bind_time_diff_interval(hg_bind_t *b);
bool hg_bind_trunc_unit(hg_bind_t *b);
bool hg_bind_extract(hg_bind_t *b);
bool hg_bind_diff(hg_bind_t *b);
bool hg_bind_add_unit(hg_bind_t *b);
bool hg_bind_subscript(hg_bind_t *b);
bool hg_bind_map(hg_bind_t *b);
bool hg_bind_lookup(hg_bind_t *b);
bool hg_bind_array_elem(hg_bind_t *b);
bool hg_bind_array_insert(hg_bind_t *b);
bool hg_bind_arrays(hg_bind_t *b);
bool hg_bind_array_repeat(hg_bind_t *b);
bool hg_bind_sequence(hg_bind_t *b);
bool hg_bind_array_sort(hg_bind_t *b);
bool hg_bind_array_to_string(hg_bind_t *b);
bool hg_bind_map_concat(hg_bind_t *b);
bool hg_bind_array_same(hg_bind_t *b);
bool hg_bind_array_best(hg_bind_t *b);
bool hg_bind_map_part(hg_bind_t *b);
bool hg_bind_row(hg_bind_t *b);
bool hg_bind_field(hg_bind_t *b);
bool hg_bind_variant_part(hg_bind_t *b);

#endif
