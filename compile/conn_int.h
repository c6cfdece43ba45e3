/* conn_int.h: what the files that check connectors share. */
#ifndef HG_COMPILE_CONN_INT_H
#define HG_COMPILE_CONN_INT_H

#include "compile/compile_int.h"

/* A place inside the literal: decoded byte `i` stands at program byte `off`. */
typedef struct hg_conn_cursor {
    uint32_t i, off, line, col;
} hg_conn_cursor_t;

/* The connector being checked. */
typedef struct hg_conn_ctx {
    hg_cc_t *c;
    hg_crel_t *rel;
    const hg_tok_t *tok;   /* the string literal that holds the JSON */
    const hg_json_t *node; /* the connector */
    hg_str_t shown;        /* its name, or "<unnamed>" */
    bool is_input, ok;
    hg_pos_t *after_label_pos;  /* one per start_after label */
    bool simple;                /* the literal is one '…' without escapes other than '' */
    hg_conn_cursor_t base;      /* where the connector begins: places are counted from here */
    const hg_json_t **standins; /* values that references stand for; referrers[i]: what the program says instead */
    hg_str_t *referrers;
    uint32_t n_standins;
} hg_conn_ctx_t;

/* conn_pos.c */
void hg_conn_pos_init(hg_conn_ctx_t *x);
void hg_conn_pos_base(hg_conn_ctx_t *x, uint32_t off); /* the next connector begins at decoded byte off; ascending */
hg_pos_t hg_conn_pos(const hg_conn_ctx_t *x, const hg_json_t *node, bool at_key);
const char *hg_conn_subject(const hg_conn_ctx_t *x); /* "relation 'price': connector 'live'" */
void hg_conn_error(hg_conn_ctx_t *x, const hg_json_t *node, bool at_key, const char *fmt, ...) HG_PRINTF(4, 5);
/* An error in strict mode. */
void hg_conn_warn(hg_conn_ctx_t *x, const hg_json_t *node, bool at_key, const char *fmt, ...) HG_PRINTF(4, 5);
void hg_conn_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg); /* a hg_diag_t's fn */

/* conn_refs.c: the configuration to use: v itself, or a copy with values where references stood. Errors are recorded.
 */
const hg_json_t *hg_conn_references(hg_conn_ctx_t *x, const hg_json_t *v);
const hg_str_t *hg_conn_referrer(const hg_conn_ctx_t *x, const hg_json_t *node); /* NULL: it is what the program says */

/* Fill the spec's types and configs; errors are recorded. */
void hg_conn_transport(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s);
void hg_conn_format(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s);
/* conn_transforms.c; after transport and format */
void hg_conn_transforms(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s);
void hg_conn_handoff(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s);

/* Is the name one of Feldera's that may be published as it is (rest-api §2.6)? is_input: it is an input transport. */
bool hg_feldera_transport(hg_str_t name, bool *is_input);

#endif
