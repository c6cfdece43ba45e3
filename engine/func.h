/* func.h: the list of scalar functions and operators: the binder resolves names against it, the evaluator runs it.
 * One list: what is not in it does not exist, in views and in ad-hoc queries alike.
 */
#ifndef HG_ENGINE_FUNC_H
#define HG_ENGINE_FUNC_H

#include "data/col.h"

typedef struct hg_func hg_func_t;

/* What the binder learns when a call resolves. The binder inserts casts of argument i to arg_types[i] where it differs
 * from the argument's type in more than nullability. Types are made in the arena given. */
typedef struct hg_func_match {
    const hg_func_t *fn;
    const hg_type_t *const *arg_types;
    const hg_type_t *result;
} hg_func_match_t;

/* Name as in SQL, lower case; operators under their symbol ("+", "=", "like", "||", "is not distinct from", "neg" …);
 * EXTRACT and friends take their unit in the name: "extract:year", "timestamp_trunc:day", "timestampdiff:hour". types:
 * of the arguments. lits: constant arguments' one-row columns or NULL each (for ROUND's digits and the like).
 * HG_ENOTFOUND: no such function at all (or not yet). HG_ETYPE: exists, but not for these types; err->msg is Calcite's
 * sentence ("Cannot apply '+' to arguments of type '<VARCHAR> + <INTEGER>'", "No match found for function signature
 * …"). */
int hg_func_resolve(hg_arena_t *a, hg_str_t name, const hg_type_t *const *types, hg_col_t *const *lits, uint32_t n,
                    hg_func_match_t *ret, hg_err_t *err);
bool hg_func_exists(hg_str_t name);
const char *hg_func_name(const hg_func_t *f);
const char *hg_func_unit(const hg_func_t *f); /* the unit after the colon; NULL: there is none */
/* Names and one-line signatures of everything, for docs/sql.md. */
void hg_func_list(void (*fn)(void *arg, const char *name, const char *signature, const char *doc), void *arg);

/* May a value of `from` be cast to `to` explicitly (CAST) / implicitly (binder widening, string literal to date …)? */
bool hg_cast_explicit(const hg_type_t *from, const hg_type_t *to);
bool hg_cast_implicit(const hg_type_t *from, const hg_type_t *to);
/* Least common type for CASE, COALESCE, UNION, IN, comparison. NULL if there is none. */
const hg_type_t *hg_type_common(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y);

/* Aggregates of ad-hoc queries now, of views later: count, sum, min, max, avg (sql §5.6 for result types). */
typedef enum { HG_AGG_COUNT_STAR, HG_AGG_COUNT, HG_AGG_SUM, HG_AGG_MIN, HG_AGG_MAX, HG_AGG_AVG } hg_agg_t;
int hg_agg_resolve(hg_arena_t *a, hg_str_t name, const hg_type_t *arg /* NULL = (*) */, bool grouped, hg_agg_t *ret,
                   const hg_type_t **ret_type, hg_err_t *err);

#endif
