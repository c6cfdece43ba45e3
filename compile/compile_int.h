/* compile_int.h: what the files of compile/ share.
 *
 * One hg_cc_t is one compilation: of a program, or of one ad-hoc statement against a finished program (then `adhoc` is
 * set and `prog` is only read, so that several threads may do it at once). Everything is allocated in `a`.
 *
 * A function that binds returns NULL (or false) once it has recorded at least one error; callers pass that on and
 * record nothing more. Warnings never stop anything.
 */
#ifndef HG_COMPILE_COMPILE_INT_H
#define HG_COMPILE_COMPILE_INT_H

#include "base/strmap.h"
#include "compile/compile.h"
#include "sqlddl/ast.h"

/* --- the program while it is being compiled -------------------------------------------------------------------- */
typedef struct hg_cprop {
    const hg_tok_t *key, *value;
} hg_cprop_t;

typedef struct hg_ccol {
    hg_pos_t pos;                       /* of the column's name */
    hg_str_t lateness, watermark, dflt; /* normalised SQL text; n == 0: none */
    bool interned, used;
} hg_ccol_t;

typedef struct hg_cindex {
    hg_str_t name;
    const uint32_t *cols;
    uint32_t n;
} hg_cindex_t;

/* A relation; rel is what the plan gets. */
typedef struct hg_crel {
    hg_relation_t rel;
    const hg_ast_stmt_t *st; /* NULL: a system relation */
    hg_pos_t name_pos;
    hg_ccol_t *cols;
    hg_cprop_t *props;
    uint32_t n_props;
    const hg_ast_fk_t *fks;
    uint32_t n_fks;
    hg_cindex_t *indexes;
    uint32_t n_indexes;
    const hg_tok_t *conns; /* value of the property 'connectors' */
    uint32_t index;        /* in the plan */
    bool broken;           /* had errors: what reads it is not checked further */
    bool dropped;
    bool read; /* some view reads it */
    bool key_lateness;
    bool metadata; /* table: some DEFAULT calls CONNECTOR_METADATA() */
    bool final;    /* view: emit_final; of which column, and the place of the property */
    uint32_t final_col;
    hg_pos_t final_pos;
    hg_line_of_t *lines; /* rel.wait's, while relations may still be renumbered */
} hg_crel_t;

typedef enum { HG_SYM_REL, HG_SYM_TYPE, HG_SYM_INDEX, HG_SYM_DECLARED } hg_symkind_t;
typedef struct hg_sym {
    hg_symkind_t kind;
    hg_str_t name;
    hg_pos_t pos;
    uint32_t rel;          /* REL: into rels; INDEX: the relation it belongs to */
    const hg_type_t *type; /* TYPE; NULL: had errors */
    bool dead;             /* dropped; the name may be declared again */
} hg_sym_t;

typedef struct hg_cfunc {
    const hg_ast_stmt_t *st;
    const hg_type_t *const *params;
    const hg_type_t *result;
} hg_cfunc_t;

typedef struct hg_prog {
    hg_program_t pub; /* first */
    hg_crel_t **rels; /* after compilation: same order as pub.plan.relations */
    uint32_t n_rels;
    hg_strmap_t names; /* → syms */
    hg_sym_t *syms;
    uint32_t n_syms;
    hg_strmap_t func_names; /* → funcs */
    hg_cfunc_t *funcs;
    uint32_t n_funcs;
} hg_prog_t;

typedef struct hg_cc {
    hg_arena_t *a;
    hg_prog_t *prog;
    hg_str_t text; /* of the program, or of the ad-hoc statement */
    const hg_ast_stmt_t *stmts;
    uint32_t n_stmts;
    const char *file;
    bool adhoc, strict;
    hg_resolve_fn resolve; /* NULL: references stay */
    void *resolve_arg;
    hg_msg_t *msgs;
    uint32_t n_msgs, n_errors;
    /* settings */
    bool warnings_are_errors;
    hg_str_t *ignored; /* warning types, lower case, '_' for blanks */
    uint32_t n_ignored;
    /* scans made so far: relations are renumbered after DROP, and a query lists what it reads */
    hg_node_t **scans;
    uint32_t n_scans;
    const hg_expr_t *metadata; /* what CONNECTOR_METADATA() is in the DEFAULT being bound; NULL: not in one */
    bool metadata_read;
    uint32_t depth; /* of expressions and queries being bound */
    uint64_t spent; /* expression nodes, written out; see HG_CC_MAX_EXPRS */
    bool overspent;
    const hg_field_t *const *values_into; /* INSERT … VALUES: the table's column of each; taken by the next VALUES */
} hg_cc_t;

#define HG_CC_MAX_DEPTH  1000
#define HG_CC_MAX_EXPRS  4000000u /* aliases and SQL functions multiply: f(x) = x + x, g(x) = f(f(x)), … */
#define HG_CC_MAX_WEIGHT 65536u   /* operators of one query once shared subqueries are written out */

/* --- messages.c ------------------------------------------------------------------------------------------------ */
void hg_cc_error(hg_cc_t *c, hg_pos_t pos, const char *type, const char *fmt, ...) HG_PRINTF(4, 5);
void hg_cc_warn(hg_cc_t *c, hg_pos_t pos, const char *type, const char *fmt, ...) HG_PRINTF(4, 5);
/* "Compilation error" with Calcite's "At line …: " before the cause. */
void hg_cc_sem(hg_cc_t *c, hg_pos_t pos, const char *fmt, ...) HG_PRINTF(3, 4);
/* What the parser refused: its code decides between "Not yet implemented", "Not supported" and `type`. */
void hg_cc_parse_error(hg_cc_t *c, int rc, const hg_err_t *err, const char *type);
/* "Not yet implemented"; the text names the construct: "LEFT JOIN in a view". */
void hg_cc_nyi(hg_cc_t *c, hg_pos_t pos, const char *fmt, ...) HG_PRINTF(3, 4);
/* A further place for people, added to the message recorded last. */
void hg_cc_note(hg_cc_t *c, const char *fmt, ...) HG_PRINTF(2, 3);
/* "price.sql:6:9", or "line 6, column 9" where the file has no name. */
const char *hg_cc_place(hg_cc_t *c, hg_pos_t pos);
const char *hg_upper(hg_cc_t *c, hg_str_t word); /* a key word or function as messages show it */
/* Settings applied, repeated messages dropped: fills the public fields. */
void hg_cc_messages_finish(hg_cc_t *c);
/* "At line 2, column 8: " / "From line … to line …: "; the room must be 96 bytes. Empty for an unknown position. */
void hg_pos_prefix(hg_pos_t pos, char *out, size_t cap);
void hg_pos_json(hg_jw_t *w, hg_pos_t p); /* {"start_line_number", …} */

/* --- types.c --------------------------------------------------------------------------------------------------- */
/* nullable: what holds where neither NULL nor NOT NULL is written. */
const hg_type_t *hg_bind_type(hg_cc_t *c, const hg_ast_type_t *t, bool nullable);
const char *hg_type_str(hg_cc_t *c, const hg_type_t *t); /* "DECIMAL(10, 2)" in the arena */
bool hg_type_contains(const hg_type_t *t, hg_kind_t k);  /* anywhere inside */
bool hg_type_is_interval(const hg_type_t *t);

/* --- bind_expr.c, bind_call.c, literal.c ------------------------------------------------------------------------- */
#define HG_SLOT_NONE UINT32_MAX
#define HG_AGG_REF   0x80000000u /* HG_X_COL with this bit: aggregate number (col & ~bit) of the select being bound */

typedef struct hg_scol {
    hg_str_t name;
    const hg_type_t *type;
    const hg_expr_t *expr; /* stands for this expression (function parameter, earlier alias) */
    uint32_t slot;         /* column of the input, where the scope has no levels */
    uint32_t source;       /* into the scope's */
} hg_scol_t;

/* A step of FROM: what is read, and each UNNEST above it. A node passes on only what is asked for above it: behind its
 * own columns, those of the scope's columns below it that some expression named. */
typedef struct hg_slevel {
    hg_node_t *node;         /* NULL: its columns are fixed */
    const hg_type_t **types; /* node's */
    uint32_t *from;          /* per column passed on: which of the node below; of a scan: of the relation */
    uint32_t *slot;          /* per column of the scope: of the node's output; HG_SLOT_NONE: not passed on so far */
    uint32_t n_own, n;       /* columns of its own; passed on */
} hg_slevel_t;

typedef struct hg_aggs {
    hg_agg_call_t *v;
    uint32_t n;
    bool grouped;
} hg_aggs_t;

typedef struct hg_scope {
    hg_str_t *sources; /* aliases or table names in FROM; n == 0: it has none */
    uint32_t n_sources;
    hg_scol_t *cols;
    uint32_t n_cols;
    hg_scol_t *aliases; /* select items to the left */
    uint32_t n_aliases;
    hg_slevel_t *levels; /* of FROM; the last one is what expressions are over */
    uint32_t n_levels;
    hg_aggs_t *aggs;    /* where aggregates may stand; NULL: they may not */
    bool in_agg;        /* inside an aggregate's argument */
    const char *clause; /* "WHERE clause", for messages */
    bool deterministic; /* DEFAULT, LATENESS: NOW() and its like are refused */
    bool no_from;       /* SELECT without FROM, DEFAULT, …: there are no columns at all */
} hg_scope_t;

const hg_expr_t *hg_bind_expr(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);
/* Column i of the scope; the nodes of FROM pass it on from now. */
const hg_expr_t *hg_bind_scope_col(hg_cc_t *c, hg_scope_t *s, uint32_t i, hg_pos_t pos);
/* The one that is named; UINT32_MAX: there is none. */
uint32_t hg_scope_source(const hg_scope_t *s, hg_str_t name);
/* A condition: BOOLEAN. what: "WHERE", "HAVING", "FILTER". */
const hg_expr_t *hg_bind_cond(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, const char *what);
/* x as a value of type t (nullability stays x's). No check whether that is allowed. */
bool hg_any_nullable(const hg_expr_t *const *x, uint32_t n);
const hg_expr_t *hg_coerce(hg_cc_t *c, const hg_expr_t *x, const hg_type_t *t);
/* x for a column of type t: INSERT, DEFAULT, a function's argument. false: not allowed (nothing recorded). */
bool hg_assignable(const hg_expr_t *x, const hg_type_t *t);
/* Common type of n expressions, each coerced to it. NULL: there is none (nothing recorded). Nullable if one is. */
const hg_type_t *hg_common_type(hg_cc_t *c, const hg_expr_t **x, uint32_t n);
bool hg_coerce_all(hg_cc_t *c, const hg_expr_t **x, uint32_t n, const hg_type_t *t);
/* Let string literals among x take the common type of those that are no strings. false: an error was recorded. */
bool hg_adopt_literals(hg_cc_t *c, const hg_expr_t **x, uint32_t n);
bool hg_expr_equal(const hg_expr_t *a, const hg_expr_t *b);
bool hg_expr_is_const(const hg_expr_t *e);
bool hg_expr_is_null(const hg_expr_t *e); /* the constant NULL */
hg_expr_t *hg_x_new(hg_cc_t *c, hg_expr_kind_t kind, const hg_type_t *type, hg_pos_t pos, uint32_t n_args);
const hg_expr_t *hg_x_col(hg_cc_t *c, uint32_t col, const hg_type_t *type, hg_pos_t pos);
const hg_expr_t *hg_x_null(hg_cc_t *c, const hg_type_t *type, hg_pos_t pos);
const hg_expr_t *hg_x_const(hg_cc_t *c, hg_pos_t pos, const hg_type_t *type, hg_col_t *col); /* takes the reference */
/* Evaluate now if everything below is constant; x itself if that fails (it will fail again where it runs, with its
 * place). */
const hg_expr_t *hg_x_fold(hg_cc_t *c, hg_expr_t *x);
const hg_expr_t *hg_x_bool(hg_cc_t *c, hg_expr_kind_t kind, hg_pos_t pos, const hg_expr_t *l, const hg_expr_t *r);
/* A call through the engine's function list, for the operator or function `name`. shown: how errors name it. */
const hg_expr_t *hg_x_call(hg_cc_t *c, hg_pos_t pos, hg_str_t name, hg_str_t shown, const hg_expr_t **args, uint32_t n);
const hg_expr_t **hg_bind_args(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e); /* all of them; NULL if one failed */
const hg_expr_t *hg_x_coalesce(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **x, uint32_t n);
const hg_expr_t *hg_x_case(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **x, uint32_t n);
bool hg_cc_spend(hg_cc_t *c, hg_pos_t pos, uint64_t n); /* false: too large, recorded once */
const hg_expr_t *hg_bind_call(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);
const hg_expr_t *hg_bind_unit_call(hg_cc_t *c, hg_scope_t *s,
                                   const hg_ast_expr_t *e); /* EXTRACT, FLOOR TO, (a - b) unit */
/* bind_nested.c: ARRAY[…], x[i] and (x).f; MAP[…]; the constructor of a type; x.name */
const hg_expr_t *hg_bind_nested(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);
const hg_expr_t *hg_bind_map_of(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);
const hg_expr_t *hg_bind_constructor(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, const hg_type_t *t);
const hg_expr_t *hg_bind_part(hg_cc_t *c, hg_pos_t pos, const hg_expr_t *x, const hg_name_t *name);
const hg_expr_t *hg_bind_literal(hg_cc_t *c, const hg_ast_expr_t *e, bool negative);
const char *hg_families(hg_cc_t *c, const hg_expr_t **args, uint32_t n); /* "<NUMERIC>, <CHARACTER>" */

/* --- bind_query.c, bind_select.c, bind_from.c, bind_agg.c
 * ------------------------------------------------------------------------------------ */
typedef struct hg_bcol {
    hg_str_t name;
    bool case_sensitive;
    const hg_type_t *type;
    hg_pos_t pos;
} hg_bcol_t;

typedef struct hg_bq {
    const hg_node_t *node;
    hg_bcol_t *cols;
    uint32_t n;
    uint64_t weight;
} hg_bq_t;

typedef struct hg_env { /* CTEs in scope, innermost first */
    const struct hg_env *up;
    const hg_ast_cte_t *cte;
    const hg_bq_t *q; /* NULL: had errors */
} hg_env_t;

hg_bq_t *hg_bind_query(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q);
hg_node_t *hg_node_new(hg_cc_t *c, hg_node_kind_t kind, hg_pos_t pos, const hg_node_t *in);
/* A MAP over in; its types are those of the expressions. */
hg_node_t *hg_node_map(hg_cc_t *c, hg_pos_t pos, const hg_node_t *in, const hg_expr_t **exprs, uint32_t n);
hg_bq_t *hg_bq_new(hg_cc_t *c, const hg_node_t *node, uint32_t n_cols, uint64_t weight);
/* The query's columns, coerced to types[0..n) where they differ in more than nullability. */
const hg_node_t *hg_bq_as(hg_cc_t *c, const hg_bq_t *q, const hg_type_t *const *types);
hg_bq_t *hg_bind_select(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q);
hg_bq_t *hg_bind_values(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q);
bool hg_bind_from(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q, hg_scope_t *s, const hg_node_t **ret,
                  uint64_t *weight);
/* All expressions over FROM are bound: its nodes get the columns that were asked for. Returns how many the last one
 * has. */
uint32_t hg_bind_from_end(hg_scope_t *s);
/* One row, no columns of meaning: what SELECT without FROM reads. */
const hg_node_t *hg_node_one_row(hg_cc_t *c, hg_pos_t pos);
/* LIMIT and OFFSET: constants. */
bool hg_bind_no_limit(hg_cc_t *c, const hg_ast_query_t *q); /* in a view; false: refused */
bool hg_bind_limit(hg_cc_t *c, const hg_ast_query_t *q, uint64_t *limit, uint64_t *offset);
/* 1-based position written as a number: true and *ret (0-based); *bad: out of range, recorded. */
bool hg_order_ordinal(hg_cc_t *c, const hg_ast_expr_t *e, uint32_t n, uint32_t *ret, bool *bad);

/* Aggregates: rewrite an expression bound over the input into one over the AGG node's output. NULL: an ungrouped
 * column. */
const hg_expr_t *hg_agg_rewrite(hg_cc_t *c, const hg_scope_t *s, const hg_expr_t *e, const hg_expr_t **keys,
                                uint32_t n_keys, const hg_aggs_t *aggs);
bool hg_bind_group(hg_cc_t *c, hg_scope_t *s, const hg_ast_query_t *q, const hg_ast_expr_t **item_ast,
                   const hg_expr_t **items, const hg_bcol_t *cols, uint32_t n_items, const hg_expr_t ***keys,
                   uint32_t *n_keys);
const hg_expr_t *hg_bind_agg(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);
bool hg_is_agg_name(hg_str_t name);

/* --- statements: ddl.c, table.c, view.c, usage.c ------------------------------------------------------------------ */
hg_crel_t *hg_cc_find_rel(hg_cc_t *c, hg_str_t name); /* NULL = none (or another kind of object) */
/* Take a name in the program's name space; false: it was taken (recorded). */
bool hg_cc_declare(hg_cc_t *c, hg_sym_t sym);
hg_crel_t *hg_cc_add_rel(hg_cc_t *c, const hg_ast_stmt_t *st, hg_rel_kind_t kind);
bool hg_cc_props(hg_cc_t *c, hg_crel_t *r, bool view);
void hg_cc_settings(hg_cc_t *c);
void hg_cc_declarations(hg_cc_t *c); /* types, functions, aggregates: pass 2 */
void hg_cc_table(hg_cc_t *c, const hg_ast_stmt_t *st);
void hg_cc_foreign_keys(hg_cc_t *c);
void hg_cc_view(hg_cc_t *c, const hg_ast_stmt_t *st);
void hg_cc_index(hg_cc_t *c, const hg_ast_stmt_t *st);
void hg_cc_drop(hg_cc_t *c, const hg_ast_stmt_t *st);
void hg_cc_error_view(hg_cc_t *c);
void hg_cc_usage(hg_cc_t *c); /* which columns some output needs; warnings */
const hg_sym_t *hg_cc_find(hg_cc_t *c, hg_str_t name);
/* "Not supported" for OR REPLACE and IF NOT EXISTS; false: refused. */
bool hg_cc_plain_create(hg_cc_t *c, const hg_ast_stmt_t *st);
/* A name for a table, view or type; false: reserved (recorded). */
bool hg_cc_name_ok(hg_cc_t *c, const hg_name_t *name, const char *what);
/* LATENESS and WATERMARK: column - e must make sense. */
const hg_expr_t *hg_cc_late(hg_cc_t *c, hg_str_t column, const hg_type_t *t, const hg_ast_expr_t *e, const char *what);
/* Column i of the relation has this LATENESS. false: recorded. */
bool hg_cc_set_late(hg_cc_t *c, hg_crel_t *r, uint32_t i, uint32_t n_cols, const hg_type_t *t, hg_str_t column,
                    const hg_ast_expr_t *e);
/* Is it a function that a user can call, in any letter case? */
bool hg_is_builtin(hg_cc_t *c, hg_str_t name);
void hg_cc_lateness_check(hg_cc_t *c);
void hg_cc_final_check(hg_cc_t *c); /* final.c: which waterline emit_final of each view waits for */
/* An expression without columns, evaluated; NULL: recorded. what: "DEFAULT", "LATENESS". */
const hg_expr_t *hg_cc_constant(hg_cc_t *c, const hg_ast_expr_t *e, const char *what, const char *error_type);
const char *hg_nearest_rel(hg_cc_t *c, hg_str_t name);
void hg_note_nearest_column(hg_cc_t *c, const hg_schema_t *s, hg_str_t name); /* a note, if one is near */
const char *hg_nearest_of(hg_cc_t *c, hg_str_t name, const hg_str_t *names, uint32_t n);

/* --- connectors.c, conn_labels.c --- */
void hg_cc_connectors(hg_cc_t *c); /* all relations; fills conns, orch */
void hg_cc_labels(hg_cc_t *c, hg_conn_spec_t *inputs, uint32_t n, const hg_pos_t *const *after_pos);

/* --- explain.c: q becomes one whose rows are the plan of q. false: recorded --- */
bool hg_explain(hg_cc_t *c, hg_query_t *q);

/* --- sqltext.c --------------------------------------------------------------------------------------------------- */
/* Canonical SQL of an expression: INTERVAL '90' MINUTE. */
hg_str_t hg_expr_text(hg_cc_t *c, const hg_ast_expr_t *e);
/* The identifier as SQL spells it: with quotes when case-sensitive. */
hg_str_t hg_ident_text(hg_arena_t *a, hg_str_t name, bool case_sensitive);

/* --- adhoc_prepare.c: *ret = sql with each EXECUTE replaced by what was PREPAREd for it; in the arena. HG_EADHOC with
 * position. */
int hg_adhoc_prepared(hg_arena_t *a, hg_str_t sql, hg_str_t *ret, hg_err_t *err);

#endif
