/* body_int.h: between body.c (which runs libpg_query), rewrite.c (which writes what it reads) and the walkers (which
 * read what it answers). */
#ifndef HG_SQLDDL_BODY_INT_H
#define HG_SQLDDL_BODY_INT_H

#include "sqlddl/sqlddl_int.h"

/* Where a piece of the rewritten text came from. Offsets rise. */
typedef struct hg_piece {
    uint32_t off, tok;
} hg_piece_t;

typedef struct hg_body {
    hg_sql_t *p;
    uint32_t from, to;  /* tokens of the body; `to` ends it */
    hg_buf_t out;       /* what libpg_query gets: ASCII only */
    hg_piece_t *pieces; /* in the arena */
    uint32_t n_pieces;
} hg_body_t;

/* rewrite.c: fill out and pieces. is_expr: wrap into SELECT ( … ). */
int hg_body_rewrite(hg_body_t *b, bool is_expr);

/* body.c: the token behind a byte of the rewritten text. */
uint32_t hg_body_tok(const hg_body_t *b, uint32_t off);

/* --- the answer: protobuf wire format, read in place ------------------------------------------------------------ */
typedef struct hg_pb {
    const uint8_t *p, *end;
} hg_pb_t;

typedef struct hg_pbf { /* one field */
    uint32_t num;
    uint64_t v;  /* varint */
    hg_pb_t sub; /* bytes, text or message */
} hg_pbf_t;

bool hg_pb_next(hg_pb_t *m, hg_pbf_t *f); /* false at the end */
static inline int32_t hg_pb_i32(const hg_pbf_t *f)
{
    return (int32_t)(uint32_t)f->v;
}

/* A Node is a message with exactly one field whose number is the node's type. PG_NIL: an empty one. */
enum {
    PG_NIL = 0,
    PG_RANGE_VAR = 2,
    PG_BOOL_EXPR = 16,
    PG_SUB_LINK = 17,
    PG_CASE_EXPR = 27,
    PG_CASE_WHEN = 28,
    PG_ROW_EXPR = 31,
    PG_NULL_TEST = 37,
    PG_BOOLEAN_TEST = 38,
    PG_SET_TO_DEFAULT = 41,
    PG_JOIN_EXPR = 47,
    PG_SELECT_STMT = 58,
    PG_A_EXPR = 171,
    PG_COLUMN_REF = 172,
    PG_PARAM_REF = 173,
    PG_FUNC_CALL = 174,
    PG_A_STAR = 175,
    PG_A_INDICES = 176,
    PG_A_INDIRECTION = 177,
    PG_A_ARRAY_EXPR = 178,
    PG_RES_TARGET = 179,
    PG_TYPE_CAST = 181,
    PG_SORT_BY = 183,
    PG_RANGE_SUBSELECT = 185,
    PG_RANGE_FUNCTION = 186,
    PG_GROUPING_SET = 201,
    PG_CTE = 216,
    PG_STRING = 233,
    PG_LIST = 235,
    PG_A_CONST = 238
};
uint32_t hg_pg_node(hg_pb_t m, hg_pb_t *ret); /* type and contents */

/* --- walking ------------------------------------------------------------------------------------------------------ */
typedef struct hg_xquery {
    hg_ast_query_t q; /* first member */
    uint32_t t0, t1;
} hg_xquery_t;

/* All of these return NULL after an error was set. */
hg_xexpr_t *hg_walk_expr(hg_body_t *b, hg_pb_t node);
hg_xquery_t *hg_walk_query(hg_body_t *b, hg_pb_t node); /* a Node */
hg_xquery_t *hg_walk_select(hg_body_t *b, hg_pb_t select_stmt);

hg_xexpr_t *hg_xexpr_new(hg_sql_t *p, hg_ast_ekind_t kind, uint32_t t0, uint32_t t1);

/* The name behind a placeholder. False: it is none, since a keyword stood where the grammar also takes a name; `near`
 * is a token before it. Sets the error. */
bool hg_walk_name(hg_body_t *b, hg_pb_t text, uint32_t near, hg_name_t *ret, uint32_t *ret_tok);
/* The name in a Node that holds a String. */
bool hg_walk_name_node(hg_body_t *b, hg_pb_t node, uint32_t near, hg_name_t *ret, uint32_t *ret_tok);

/* Grow a range over the parentheses that hold exactly it. */
void hg_walk_wrap(const hg_sql_t *p, uint32_t *t0, uint32_t *t1);

#endif
