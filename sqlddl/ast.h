/* ast.h: programs as syntax trees, every node with its position. DDL comes from our own parser; query bodies from
 * PostgreSQL's grammar (libpg_query) after the token rewrites of docs/DECISIONS.md, brought into the small tree below.
 * What the grammar takes and this tree cannot say is a positioned "Not yet implemented" error that names the construct.
 *
 * Everything lives in the arena of the parse. Identifiers: `name` is folded unless it was quoted; `quoted` tells.
 */
#ifndef HG_SQLDDL_AST_H
#define HG_SQLDDL_AST_H

#include "data/type.h"
#include "sqlddl/lex.h"

typedef struct hg_name {
    hg_str_t name;
    bool quoted;
    hg_pos_t pos;
} hg_name_t;

/* --- types as written; the binder resolves user types --- */
typedef struct hg_ast_type hg_ast_type_t;
typedef struct hg_ast_field {
    hg_name_t name;
    const hg_ast_type_t *type;
} hg_ast_field_t;
struct hg_ast_type {
    hg_kind_t kind; /* HG_T_N: a user type called `user` */
    hg_name_t user;
    bool not_null, null_given;
    int32_t precision, scale; /* -1 = not written */
    bool bare_float;          /* FLOAT: refused by the binder */
    hg_interval_unit_t unit;
    const hg_ast_type_t *elem, *key;
    const hg_ast_field_t *fields;
    uint32_t n_fields;
    hg_pos_t pos;
};

/* --- expressions --- */
typedef struct hg_ast_expr hg_ast_expr_t;
typedef struct hg_ast_query hg_ast_query_t;

typedef enum {
    HG_E_COLUMN, /* names[0..n_names): c, t.c */
    HG_E_STAR,   /* *, t.* */
    HG_E_NULL,
    HG_E_BOOL,
    HG_E_INT,
    HG_E_DECIMAL,
    HG_E_FLOAT,
    HG_E_STRING,
    HG_E_BYTES, /* literals: text (digits as written) */
    HG_E_TYPED, /* DATE '…', TIMESTAMP '…', TIME, UUID, INTERVAL '…' UNIT: type + text. INTERVAL: a sign before the
                   literal is part of text; WEEK has become DAY and QUARTER MONTH, with text multiplied */
    HG_E_OP, /* op text, 1 or 2 args: "+" "-" "*" "/" "%" "||" "=" "<>" "<" "<=" ">" ">=" "neg" "<=>" "is distinct from"
                "is not distinct from" "like" "not like" "ilike" "not ilike" "rlike" …; LIKE … ESCAPE has 3 args */
    HG_E_AND,
    HG_E_OR,
    HG_E_NOT,
    HG_E_IS_NULL,  /* negated */
    HG_E_IS_BOOL,  /* IS [NOT] TRUE / FALSE / UNKNOWN: text says which; negated */
    HG_E_IN,       /* args[0] IN (args[1..]); negated */
    HG_E_BETWEEN,  /* args[0] BETWEEN args[1] AND args[2]; negated; symmetric in text */
    HG_E_CASE,     /* args: [operand if has_operand,] when, then, …[, else if has_else] */
    HG_E_CAST,     /* args[0] to type; safe */
    HG_E_CALL,     /* name (text, folded) and args; star for COUNT(*); distinct; filter. names[0]: as written, for user
                      functions.     Words between arguments are gone: SUBSTRING(s, from[, for]), POSITION(what, s),
                      OVERLAY(s,     with, from[, for]); TRIM has     become trim, ltrim or rtrim (s[, chars]). Without a
                      name     of the user's:     "row" (n_names 0) for (a, b) and     ROW(a, b); "map" for MAP[k, v, …].
                      Units     as     arguments     (TIMESTAMPDIFF(HOUR, …)) are HG_E_COLUMN */
    HG_E_EXTRACT,  /* EXTRACT(text FROM args[0]); text is upper case, singular: "DAY", "ISODOW" */
    HG_E_FLOOR_TO, /* FLOOR/CEIL(args[0] TO text): name in names[0], text as for EXTRACT */
    HG_E_DIFF,     /* (args[0] - args[1]) text; type is the interval type, text "DAY" or "DAY TO SECOND" */
    HG_E_ARRAY,
    HG_E_SUBSCRIPT,
    HG_E_FIELD,    /* (args[0]).names[0]; what is written without parentheses is HG_E_COLUMN */
    HG_E_SUBQUERY, /* scalar; EXISTS and IN (subquery) too: text says which ("scalar", "exists", "in", "any",
                      "all"; args[0] is the left side). NOT IN is NOT around it. The binder says "Not yet implemented"
                    */
    HG_E_PARAM
} hg_ast_ekind_t;

struct hg_ast_expr {
    hg_ast_ekind_t kind;
    hg_pos_t pos;
    hg_str_t text;
    const hg_name_t *names;
    uint32_t n_names;
    const hg_ast_expr_t **args;
    uint32_t n_args;
    const hg_ast_type_t *type;
    const hg_ast_query_t *query;
    const hg_ast_expr_t *filter;
    bool negated, safe, star, distinct, has_operand, has_else, bool_value;
};

/* --- queries --- */
typedef enum { HG_Q_SELECT, HG_Q_UNION, HG_Q_VALUES } hg_ast_qkind_t;
typedef enum { HG_F_TABLE, HG_F_SUBQUERY, HG_F_JOIN, HG_F_FUNCTION } hg_ast_fkind_t;

typedef struct hg_ast_from hg_ast_from_t;
struct hg_ast_from {
    hg_ast_fkind_t kind;
    hg_pos_t pos;
    hg_name_t table;
    hg_name_t alias;       /* name.n == 0: none (or generated) */
    const hg_name_t *cols; /* alias column list */
    uint32_t n_cols;
    const hg_ast_query_t *query;
    /* JOIN: parsed so that the binder can name it in "Not yet implemented"; joins arrive with the engine's joins */
    hg_str_t join; /* "inner", "left", "right", "full", "cross", "asof" */
    const hg_ast_from_t *left, *right;
    const hg_ast_expr_t *on;
    const hg_name_t *using_cols;
    uint32_t n_using;
    /* FUNCTION: table = the function's name, on = the call (UNNEST(…)) */
    bool ordinality;
};

typedef struct hg_ast_item {
    const hg_ast_expr_t *expr;
    hg_name_t alias; /* name.n == 0: none */
} hg_ast_item_t;

typedef struct hg_ast_order {
    const hg_ast_expr_t *expr;
    bool desc, nulls_given, nulls_first;
} hg_ast_order_t;

typedef struct hg_ast_cte {
    hg_name_t name;
    const hg_name_t *cols;
    uint32_t n_cols;
    const hg_ast_query_t *query;
} hg_ast_cte_t;

struct hg_ast_query {
    hg_ast_qkind_t kind;
    hg_pos_t pos;
    const hg_ast_cte_t *ctes;
    uint32_t n_ctes;
    /* SELECT */
    bool distinct;
    const hg_ast_item_t *items;
    uint32_t n_items;
    const hg_ast_from_t **from; /* comma list */
    uint32_t n_from;
    const hg_ast_expr_t *where, *having;
    const hg_ast_expr_t **group;
    uint32_t n_group;
    bool has_group; /* GROUP BY was written */
    /* UNION: set operation name in `setop` ("union", "union all", "except", "except all", "intersect", "intersect all")
     */
    hg_str_t setop;
    const hg_ast_query_t *left, *right;
    /* VALUES */
    const hg_ast_expr_t ***rows;
    uint32_t n_rows, n_row_cols;
    /* of the whole query */
    const hg_ast_order_t *order;
    uint32_t n_order;
    const hg_ast_expr_t *limit, *offset;
};

/* --- statements --- */
typedef struct hg_ast_prop {
    const hg_tok_t *key, *value;
} hg_ast_prop_t;

typedef struct hg_ast_column {
    hg_name_t name;
    const hg_ast_type_t *type;
    bool primary_key, interned;
    hg_pos_t pk_pos;
    const hg_ast_expr_t *lateness, *watermark, *dflt;
    hg_str_t lateness_text, dflt_text; /* as written */
    bool has_fk;
    hg_name_t fk_table, fk_column;
    hg_pos_t pos;
} hg_ast_column_t;

typedef struct hg_ast_fk {
    const hg_name_t *cols, *ref_cols;
    uint32_t n_cols, n_ref;
    hg_name_t table;
    hg_pos_t pos;
} hg_ast_fk_t;

typedef enum {
    HG_ST_TABLE,
    HG_ST_VIEW,
    HG_ST_DECLARE_VIEW,
    HG_ST_TYPE,
    HG_ST_FUNCTION,
    HG_ST_AGGREGATE,
    HG_ST_INDEX,
    HG_ST_LATENESS,
    HG_ST_SET,
    HG_ST_DROP,
    HG_ST_INSERT,
    HG_ST_REMOVE,
    HG_ST_SELECT
} hg_ast_skind_t;

typedef struct hg_ast_stmt {
    hg_ast_skind_t kind;
    hg_pos_t pos; /* whole statement */
    hg_name_t name;
    bool or_replace, if_not_exists, if_exists; /* parsed, then refused by the binder */
    bool explain;                              /* SELECT, INSERT: EXPLAIN stands before it */
    const hg_ast_column_t *cols;               /* TABLE, DECLARE_VIEW, TYPE fields, FUNCTION and AGGREGATE parameters */
    uint32_t n_cols;
    const hg_name_t *pk; /* table-level PRIMARY KEY */
    uint32_t n_pk;
    hg_pos_t pk_pos;
    uint32_t n_pk_clauses;
    const hg_ast_fk_t *fks;
    uint32_t n_fks;
    const hg_ast_prop_t *props;
    uint32_t n_props;
    bool local, materialized, linear, drop_view;
    const hg_name_t *view_cols; /* VIEW column list; INDEX columns; INSERT/REMOVE columns */
    uint32_t n_view_cols;
    const hg_ast_query_t *query; /* VIEW, INSERT, REMOVE, SELECT */
    const hg_ast_type_t *type;   /* TYPE alias; FUNCTION/AGGREGATE result */
    const hg_ast_expr_t *expr;   /* FUNCTION body; LATENESS value */
    hg_name_t object, column;    /* INDEX: ON object; LATENESS view.column; */
    hg_str_t set_value;          /* SET name = value: text ("on", "off", or the literal's) */
    hg_pos_t value_pos;
} hg_ast_stmt_t;

/* Parse a program. On success the statements in order. On failure one error ("Error parsing SQL" family: HG_EPARSE;
 * "Not yet implemented": HG_EUNSUPPORTED, the message begins with the construct) with start and end position; nothing
 * is returned. Any thread; libpg_query is initialised per thread by itself. */
int hg_sql_parse(hg_arena_t *a, hg_str_t text, const hg_ast_stmt_t **ret, uint32_t *ret_n, hg_err_t *err);

/* Touch every node (fuzzing, tests): returns how many there are. */
size_t hg_ast_visit(const hg_ast_stmt_t *stmts, uint32_t n);

#endif
