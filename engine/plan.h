/* plan.h: what the compiler hands to the engine: typed expressions, relations, and a graph of operators.
 * Everything lives in one arena (the program's or the query's) and is immutable once handed over.
 */
#ifndef HG_ENGINE_PLAN_H
#define HG_ENGINE_PLAN_H

#include "engine/func.h"

typedef struct hg_expr hg_expr_t;

typedef enum {
    HG_X_COL,   /* column `col` of the input */
    HG_X_CONST, /* `lit`: a column of one row */
    HG_X_CALL,  /* fn(args); types are exactly the match's */
    HG_X_CAST,  /* args[0] to type; safe: NULL instead of an error */
    HG_X_AND,   /* n args, three-valued; args[i] is evaluated only where the ones before left it open */
    HG_X_OR,
    HG_X_NOT,
    HG_X_CASE,     /* args = when1, then1, when2, then2, …[, else] (odd n = with else); lazily by row */
    HG_X_COALESCE, /* lazily */
    HG_X_IS_NULL,  /* args[0]; negated: IS NOT NULL */
    HG_X_IS_TRUE,  /* IS [NOT] TRUE / FALSE: `truth` is what is asked for */
    HG_X_IN,       /* args[0] IN (args[1..]): three-valued; negated */
    HG_X_ARRAY,    /* ARRAY[args] */
} hg_expr_kind_t;

struct hg_expr {
    hg_expr_kind_t kind;
    const hg_type_t *type;
    hg_pos_t pos; /* in the program, for run-time errors */
    uint32_t col;
    hg_col_t *lit; /* retained by the arena's clean-up */
    const hg_func_t *fn;
    const hg_expr_t **args;
    uint32_t n_args;
    bool negated, safe, truth;
};

/* A constant folded at compile time. HG_EEVAL with the position when it fails. ret has one row. */
int hg_expr_const(const hg_expr_t *e, hg_col_t **ret, hg_err_t *err);

/* --- operators --------------------------------------------------------------------------------------------------- */
typedef enum {
    HG_N_SCAN,     /* rows of relation `relation`: its deltas (incremental) or its snapshot (once) */
    HG_N_FILTER,   /* predicate over the input's columns */
    HG_N_MAP,      /* n_exprs columns; a bare HG_X_COL shares the column */
    HG_N_UNION,    /* UNION ALL of n_in inputs with equal column types */
    HG_N_VALUES,   /* constant rows; once only */
    HG_N_AGG,      /* group by exprs[0..n_group), aggregates; once only until views have them */
    HG_N_SORT,     /* keys, then LIMIT/OFFSET; once only */
    HG_N_DISTINCT, /* once only */
    HG_N_UNNEST,   /* a row per element of the ARRAY or MAP exprs[0]: its columns, then those of the input in carry */
} hg_node_kind_t;

/* How an edge may be partitioned between shards. First release: always SINGLE or ANY on one circuit thread. */
typedef enum { HG_PART_ANY, HG_PART_HASH, HG_PART_SINGLE } hg_partitioning_t;

typedef struct hg_agg_call {
    hg_agg_t fn;
    const hg_expr_t *arg;    /* NULL = COUNT(*) */
    const hg_expr_t *filter; /* FILTER (WHERE …) or NULL */
    bool distinct;
    const hg_type_t *type;
} hg_agg_call_t;

typedef struct hg_sort_key {
    uint32_t col;
    bool desc, nulls_last;
} hg_sort_key_t;

typedef struct hg_node hg_node_t;
struct hg_node {
    hg_node_kind_t kind;
    const hg_type_t *const *types; /* output columns */
    uint32_t n_cols;
    const hg_node_t **in;
    uint32_t n_in;
    hg_partitioning_t part;
    hg_pos_t pos;
    uint32_t relation;         /* SCAN */
    const uint32_t *scan_cols; /* SCAN: columns read, in output order; NULL = all */
    const hg_expr_t *pred;     /* FILTER */
    const hg_expr_t **exprs;   /* MAP; AGG: group keys; UNNEST: one */
    uint32_t n_exprs;
    const hg_agg_call_t *aggs; /* AGG: output = group keys, then aggregates */
    uint32_t n_aggs;
    const hg_sort_key_t *keys; /* SORT */
    uint32_t n_keys;
    uint64_t limit, offset; /* SORT; limit UINT64_MAX = none */
    hg_batch_t *values;     /* VALUES */
    const uint32_t *carry;  /* UNNEST: input columns that are passed on, in output order */
    uint32_t n_carry;
    bool ordinality; /* UNNEST: the element's number, from 1, stands behind its columns */
};

/* --- relations --- */
/* Rows that wait for a waterline (sql §2.3 WATERMARK, §2.5 emit_final). */
typedef struct hg_line_of { /* a waterline of LATENESS, and what it means for the view's column */
    uint32_t relation, col;
    const hg_expr_t *expr; /* never falls; over a batch of the column alone */
} hg_line_of_t;

typedef struct hg_wait {
    uint32_t col;
    const hg_expr_t *watermark; /* a table's: `column - WATERMARK`, where column 0 is the column. NULL: emit_final */
    const hg_line_of_t *lines;  /* emit_final: the lowest of these, once all are there */
    uint32_t n_lines;
} hg_wait_t;

typedef enum { HG_REL_TABLE, HG_REL_VIEW } hg_rel_kind_t;

typedef struct hg_relation {
    hg_rel_kind_t kind;
    hg_schema_t schema;
    hg_pos_t pos;
    bool materialized; /* the explicit property or keyword */
    bool stored;       /* contents are kept: materialized, keyed, or needed by a stateful operator */
    bool queryable;    /* an ad-hoc query may read it */
    bool local;        /* LOCAL view: no output, not queryable */
    bool append_only;
    bool skip_unused;       /* the property skip_unused_columns */
    bool lateness;          /* some column of it has LATENESS or WATERMARK */
    const hg_expr_t **late; /* per column `column - lateness`, where column 0 is the column; or NULL. NULL: no such */
    const hg_wait_t *wait;  /* NULL: no row waits */
    bool system;            /* error_view */
    hg_col_t *const *defaults;       /* table: per column a one-row constant or NULL; NULL = none at all */
    const hg_expr_t **from_metadata; /* table: per column its DEFAULT over a batch of CONNECTOR_METADATA() alone, where
                                        it reads that; or NULL. NULL: none does */
    hg_col_t *const *deleted; /* table: the same where CONNECTOR_METADATA() says is_delete; NULL: no DEFAULT asks */
    const hg_node_t *node;    /* view: how it is computed */
} hg_relation_t;

/* Relations in declaration order: a view reads only relations before it. */
typedef struct hg_plan {
    const hg_relation_t *relations;
    uint32_t n_relations;
} hg_plan_t;

#endif
