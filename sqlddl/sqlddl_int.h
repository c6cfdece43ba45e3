/* sqlddl_int.h: what the files of this folder share: the state of one parse, and the ways to complain.
 *
 * The flow: lex.c makes tokens. stmt.c (and types.c) read statements from them by recursive descent. Where a statement
 * holds a query or an expression, body.c writes those tokens down again in a form that PostgreSQL's grammar takes, runs
 * libpg_query over it, and walk_*.c turn the answer into our tree.
 *
 * The trick that keeps every position: nothing of the user's text reaches libpg_query. A name becomes the quoted
 * identifier "17", where 17 is its token; a literal becomes the parameter $18; a type becomes the type name "t19". So
 * whatever comes back names its token, whatever its length, script or spelling, and a cut at 63 bytes or a folding rule
 * can do no harm.
 */
#ifndef HG_SQLDDL_INT_H
#define HG_SQLDDL_INT_H

#include "sqlddl/ast.h"
#include "sqlddl/kw_int.h"

#define HG_NO_TOK UINT32_MAX

/* Bound on the height of a tree: parentheses, CASE, operators in a row, set operations, joins. All recursion here, in
 * libpg_query and in whoever walks the tree is bounded by it; a program that needs more gets an error. */
#define HG_SQL_MAX_NEST 400

/* What a token stands for in a rewritten body beyond its spelling. */
typedef enum {
    HG_MARK_NONE,
    HG_MARK_EXTRACT,  /* on the name: aux = unit token */
    HG_MARK_ROUND_TO, /* on the name FLOOR/CEIL: aux = unit token */
    HG_MARK_TRIM_BOTH,
    HG_MARK_TRIM_LEADING,
    HG_MARK_TRIM_TRAILING, /* on the name: two arguments, characters first */
    HG_MARK_DIFF,          /* on the opening parenthesis: obj = interval type, aux = last token */
    HG_MARK_WRAPPED,       /* on a closing bracket: one more was put behind it */
    HG_MARK_DROPPED,       /* on a closing bracket: it and its partner were left out */
    HG_MARK_SAFE,          /* on SAFE_CAST */
} hg_mark_t;

typedef struct hg_note {
    const void *obj; /* literal: hg_xexpr_t; type: hg_ast_type_t */
    uint32_t aux;
    uint8_t mark;
} hg_note_t;

typedef struct hg_sql {
    hg_arena_t *a;
    hg_str_t text;
    const hg_tok_t *tok;   /* n tokens, the last is END */
    const uint8_t *kw;     /* hg_kw_t of each */
    const uint32_t *match; /* partner of each bracket, HG_NO_TOK */
    hg_note_t *note;
    uint32_t n, i;  /* i: the statement parser's place */
    uint32_t depth; /* nesting of types */
    hg_err_t *err;
} hg_sql_t;

/* An expression with its tokens (inclusive), so that a parent can compute its own extent. */
typedef struct hg_xexpr {
    hg_ast_expr_t e; /* first member: a hg_ast_expr_t of ours is always one of these */
    uint32_t t0, t1;
} hg_xexpr_t;

/* lex.c */
hg_kw_t hg_sql_kw(hg_str_t folded);
bool hg_kw_reserved(hg_kw_t k);
hg_str_t hg_sql_fold(hg_arena_t *a, hg_str_t s); /* to lower case, beyond ASCII too */

/* Complaints (stmt.c). All return the code they set. `want` may be NULL: a short list of what would have been right. */
int hg_sql_encountered(hg_sql_t *p, uint32_t tok, const char *want);
int hg_sql_unsupported(hg_sql_t *p, uint32_t t0, uint32_t t1, const char *fmt, ...) HG_PRINTF(4, 5);
int hg_sql_bad(hg_sql_t *p, uint32_t t0, uint32_t t1, const char *fmt, ...) HG_PRINTF(4, 5);
#if defined(__clang_analyzer__) && !defined(HG_SQL_COMPLAINS) /* as in base/err.h */
#define hg_sql_encountered(...) (hg_sql_encountered(__VA_ARGS__), HG_EPARSE)
#define hg_sql_unsupported(...) (hg_sql_unsupported(__VA_ARGS__), HG_EUNSUPPORTED)
#define hg_sql_bad(...)         (hg_sql_bad(__VA_ARGS__), HG_EPARSE)
#endif

/* Looking at tokens */
static inline bool hg_is_op(const hg_sql_t *p, uint32_t i, const char *op)
{
    return i < p->n && p->tok[i].kind == HG_TOK_OP && hg_str_eqz(p->tok[i].text, op);
}
static inline hg_kw_t hg_kw_at(const hg_sql_t *p, uint32_t i)
{
    return i < p->n ? (hg_kw_t)p->kw[i] : HG_KW_NONE;
}

hg_pos_t hg_sql_span(const hg_sql_t *p, uint32_t t0, uint32_t t1);   /* from the start of t0 to the end of t1 */
hg_str_t hg_sql_source(const hg_sql_t *p, uint32_t t0, uint32_t t1); /* as written, without the white space around it */
hg_name_t hg_sql_name(const hg_sql_t *p, uint32_t i);

/* types.c: a type at token *i; *i moves behind it. */
int hg_sql_type(hg_sql_t *p, uint32_t *i, hg_ast_type_t **ret);
int hg_sql_type_use(hg_sql_t *p, uint32_t *i, hg_ast_type_t **ret); /* and [NOT] NULL */

/* DAY, DAYS, DAY TO SECOND, WEEK … at token *i, with (precision) skipped. scale: the unit is this many of *ret's. */
int hg_sql_interval_unit(hg_sql_t *p, uint32_t *i, hg_interval_unit_t *ret, uint32_t *ret_scale);
bool hg_sql_is_unit(const hg_sql_t *p, uint32_t i);
const char *hg_sql_unit_text(hg_interval_unit_t u);       /* "DAY TO SECOND" */
hg_kind_t hg_sql_unit_kind(hg_interval_unit_t u);         /* INTERVAL or INTERVAL_YM */
hg_str_t hg_sql_time_unit(const hg_sql_t *p, uint32_t i); /* EXTRACT's and FLOOR's: "ISODOW", upper case, singular */

/* body.c: the tokens [from, to) as a query or an expression; `to` is what ends it. */
int hg_sql_query(hg_sql_t *p, uint32_t from, uint32_t to, const hg_ast_query_t **ret);
int hg_sql_expr(hg_sql_t *p, uint32_t from, uint32_t to, const hg_ast_expr_t **ret);

#endif
