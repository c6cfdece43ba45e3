/* lex.h: the token stream of Feldera's SQL, with positions as editors count them (line, UTF-16 column, both from 1).
 * Comments (--, // to the end of line, block comments) are dropped here. */
#ifndef HG_SQLDDL_LEX_H
#define HG_SQLDDL_LEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/buf.h"

typedef enum {
    HG_TOK_END,
    HG_TOK_IDENT /* unquoted, folded */,
    HG_TOK_QIDENT /* "…", U&"…" */,
    HG_TOK_STRING /* '…', U&'…', adjacent ones joined */,
    HG_TOK_BYTES /* x'..' */,
    HG_TOK_INT,
    HG_TOK_DECIMAL,
    HG_TOK_FLOAT,
    HG_TOK_OP /* operator or punctuation */
} hg_tok_kind_t;

typedef struct hg_tok {
    hg_tok_kind_t kind;
    hg_str_t
        text; /* IDENT: folded; QIDENT, STRING: decoded; BYTES: hex digits; else as written. In the arena, NUL-ended */
    uint32_t off, len; /* bytes in the program */
    hg_pos_t pos;      /* start and inclusive end */
} hg_tok_t;

/* All tokens of text, ended by HG_TOK_END. HG_EPARSE with position on a bad byte, an open string or comment, "$$". */
int hg_lex(hg_arena_t *a, hg_str_t text, hg_tok_t **ret, uint32_t *ret_n, hg_err_t *err);

/* Position of the byte `i` of a string literal's decoded value inside the program (doubled quotes and joined literals
 * are accounted for): how an error in the connectors JSON finds its line and column. */
hg_pos_t hg_tok_string_pos(hg_str_t program, const hg_tok_t *tok, uint32_t i, uint32_t len);

#endif
