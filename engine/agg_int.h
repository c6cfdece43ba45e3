/* agg_int.h: aggregate accumulators over columns, one slot per group; engine-internal.
 *
 * The caller (the group-by operator) numbers its groups 0, 1, 2, … and evaluates each call's argument and filter over
 * the same rows; this file only accumulates. Accumulators are exact and independent of the order of rows: 128-bit
 * integers for integer sums, 256-bit for DECIMAL, exact expansions for REAL and DOUBLE, so that a sum may also be taken
 * back. SUM overflow is an error of the result type (sql §5.6), raised when the group is finished, not while it is
 * accumulated.
 *
 * One thread at a time. A group nobody updated finishes as the empty group: COUNT 0, everything else NULL.
 */
#ifndef HG_ENGINE_AGG_INT_H
#define HG_ENGINE_AGG_INT_H

#include "data/hash.h"
#include "engine/plan.h"

typedef struct hg_aggs hg_aggs_t;

/* calls[0..n) are borrowed for the life of a (they live in the plan). HG_ENOMEM. */
int hg_aggs_new(const hg_agg_call_t *calls, uint32_t n, hg_aggs_t **ret, hg_err_t *err);
void hg_aggs_free(hg_aggs_t *a); /* NULL is fine */

/* Add n_rows rows. groups[r] < n_groups is the group of row r (groups NULL = all rows are group 0); n_groups may grow
 * from call to call, never shrink. args[i]: argument of call i over exactly these rows (n_rows long, of type
 * calls[i].arg->type); NULL for COUNT(*). filters[i]: BOOLEAN column over these rows, rows that are not TRUE are
 * skipped; NULL = none. filters itself may be NULL. weights[r]: multiplicity of row r, NULL = all 1. COUNT and SUM take
 * any weight; DISTINCT, MIN and MAX look at rows of weight > 0. HG_ENOMEM: the accumulators are unusable, free them. */
int hg_aggs_update(hg_aggs_t *a, const uint32_t *groups, uint32_t n_groups, uint32_t n_rows, hg_col_t *const *args,
                   hg_col_t *const *filters, const int64_t *weights, hg_err_t *err);

/* Result of call i for groups 0..n_groups: a column of n_groups rows and type calls[i].type. May be called once per i.
 * HG_EEVAL (position: the argument's) when a sum does not fit its type. */
int hg_aggs_finish(hg_aggs_t *a, uint32_t i, uint32_t n_groups, hg_col_t **ret, hg_err_t *err);

/* Bytes held, for the query's memory limit. */
size_t hg_aggs_mem(const hg_aggs_t *a);

#endif
