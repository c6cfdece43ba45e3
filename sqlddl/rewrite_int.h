/* rewrite_int.h: between rewrite.c (writing, brackets, operators) and rewrite_word.c (keywords, literals). */
#ifndef HG_SQLDDL_REWRITE_INT_H
#define HG_SQLDDL_REWRITE_INT_H

#include "sqlddl/body_int.h"

typedef enum { CLAUSE_OTHER, CLAUSE_SELECT, CLAUSE_FROM, CLAUSE_ON, CLAUSE_ORDER } clause_t;
typedef enum {
    CALL_NONE,
    CALL_CAST,
    CALL_SUBSTRING,
    CALL_POSITION,
    CALL_OVERLAY,
    CALL_TRIM,
    CALL_ROUND,
    CALL_MAP,
    CALL_DIFF
} call_t;

enum { COMMA_STAGE = 9 };

typedef struct {
    uint32_t open; /* its token */
    bool is_case;  /* CASE … END, else a bracket */
    call_t call;
    clause_t clause;
    bool alias;     /* a subquery of FROM that has no alias of its own */
    uint32_t chain; /* operators since the last thing that starts afresh */
    uint32_t joins, sets;
    unsigned stage; /* of the words inside SUBSTRING( … ) and its like: how many went by; a comma ends that form */
} hg_rw_group_t;

typedef struct {
    hg_body_t *b;
    hg_sql_t *p;
    uint32_t i; /* token in hand */
    hg_rw_group_t stack[HG_SQL_MAX_NEST + 1];
    uint32_t depth;  /* stack[depth] is the innermost */
    uint32_t height; /* bound on the height of the tree so far */
    int rc;          /* of the buffer */
} hg_rw_t;

/* --- looking around: false or NONE outside the body ------------------------------------------------------------- */
static inline hg_rw_group_t *top(hg_rw_t *r)
{
    return &r->stack[r->depth];
}
static inline hg_kw_t kw(const hg_rw_t *r, uint32_t i)
{
    return i < r->b->to ? hg_kw_at(r->p, i) : HG_KW_NONE;
}
static inline bool op(const hg_rw_t *r, uint32_t i, const char *s)
{
    return i < r->b->to && hg_is_op(r->p, i, s);
}
static inline hg_kw_t prev_kw(const hg_rw_t *r)
{
    return r->i > r->b->from ? kw(r, r->i - 1) : HG_KW_NONE;
}
static inline hg_kw_t next_kw(const hg_rw_t *r)
{
    return kw(r, r->i + 1);
}
static inline bool prev_op(const hg_rw_t *r, const char *s)
{
    return r->i > r->b->from && op(r, r->i - 1, s);
}
static inline bool next_op(const hg_rw_t *r, const char *s)
{
    return op(r, r->i + 1, s);
}

static inline hg_tok_kind_t kind(const hg_rw_t *r, uint32_t i)
{
    return i < r->b->to ? r->p->tok[i].kind : HG_TOK_END;
}

static inline bool is_literal(const hg_rw_t *r, uint32_t i)
{
    hg_tok_kind_t k = kind(r, i);
    return k == HG_TOK_STRING || k == HG_TOK_BYTES || k == HG_TOK_INT || k == HG_TOK_DECIMAL || k == HG_TOK_FLOAT;
}

/* Could token i be a name, as far as i itself tells? */
static inline bool nameish(const hg_rw_t *r, uint32_t i)
{
    return kind(r, i) == HG_TOK_QIDENT || (kind(r, i) == HG_TOK_IDENT && !hg_kw_reserved(kw(r, i)));
}

static inline bool starts_query(hg_kw_t k)
{
    return k == HG_KW_SELECT || k == HG_KW_WITH || k == HG_KW_VALUES;
}

/* rewrite.c */
void hg_rw_put(hg_rw_t *r, uint32_t tok, const char *text);
void hg_rw_name(hg_rw_t *r, uint32_t tok);                 /* an identifier */
void hg_rw_node(hg_rw_t *r, hg_xexpr_t *e);                /* a node that is ready made */
void hg_rw_special(hg_rw_t *r, char letter, uint32_t tok); /* a name that is not the user's */
int hg_rw_type(hg_rw_t *r, uint32_t i);                    /* the type at token i; r->i moves to its last token */
int hg_rw_push(hg_rw_t *r, bool is_case, call_t call);
void hg_rw_pop(hg_rw_t *r);
bool hg_rw_holds_query(const hg_rw_t *r, uint32_t i);             /* the bracket at i: not a join, not an expression */
int hg_rw_unsupported(hg_rw_t *r, uint32_t t1, const char *what); /* from the token in hand to t1 */
int hg_rw_encountered(hg_rw_t *r, uint32_t tok, const char *want);
int hg_rw_higher(hg_rw_t *r, uint32_t *counter); /* the tree may get one level higher */
void hg_rw_fresh_chain(hg_rw_t *r);              /* what follows does not stand on what came before */

/* rewrite_word.c */
int hg_rw_keyword(hg_rw_t *r);
hg_xexpr_t *hg_rw_literal(hg_rw_t *r, hg_ast_ekind_t ekind, uint32_t t0, uint32_t t1, hg_str_t text);
void hg_rw_plain_literal(hg_rw_t *r);

#endif
