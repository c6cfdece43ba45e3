/* kit.h: parse text with a format, see the result as text; encode rows, see the bytes. */
#ifndef TESTS_FORMAT_KIT_H
#define TESTS_FORMAT_KIT_H

#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "base/mem.h"
#include "connectors/format.h"
#include "connectors/format/json_int.h"

/* One column in a test's schema: "name" is case-insensitive, a leading '=' makes it a quoted one. */
typedef struct col_spec {
    const char *name;
    hg_kind_t kind;
    bool nullable;
    int32_t p, s;
    const hg_type_t *type; /* instead of kind … */
} col_spec_t;

typedef struct kit {
    hg_arena_t *a;
    const hg_format_type_t *f;
    hg_schema_t schema;
    hg_col_t **defaults;
    hg_parser_t *parser;
    void *scratch;
    hg_encoder_t *encoder;
    hg_err_t err;
    hg_parse_out_t out;
    hg_buf_t errors; /* one line each: tag event field|off: description | text */
    unsigned n_errors;
    hg_buf_t bytes, key, messages;
    hg_encode_sink_t sink;
    const char *separator; /* of keys: a sink that stores by key */
} kit_t;

HG_UNUSED static void kit_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    kit_t *k = out->arg;
    k->n_errors++;
    hg_buf_addf(&k->errors, "%s #%" PRIu64 " ", e->tag, e->event);
    if (e->field.p) hg_buf_addf(&k->errors, "[" HG_SF "] ", HG_SA(e->field));
    hg_buf_addf(&k->errors, "%s | ", e->description);
    hg_buf_addstr(&k->errors, e->text);
    if (e->suggestion) hg_buf_addf(&k->errors, " | %s", e->suggestion);
    hg_buf_addc(&k->errors, '\n');
}

HG_UNUSED static int kit_message(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    kit_t *k = s->arg;
    (void)err;
    hg_buf_addf(&k->messages, "%u<", n);
    hg_buf_addstr(&k->messages, hg_buf_str(s->key));
    hg_buf_addc(&k->messages, '|');
    hg_buf_addstr(&k->messages, hg_buf_str(s->buf));
    hg_buf_addc(&k->messages, '>');
    hg_buf_clear(s->key);
    hg_buf_clear(s->buf);
    return 0;
}

HG_UNUSED static void kit_init(kit_t *k, const hg_format_type_t *f, const col_spec_t *cols, uint32_t n,
                               const uint32_t *key, uint32_t n_key)
{
    memset(k, 0, sizeof *k);
    k->a = hg_arena_new();
    k->f = f;
    hg_field_t *fields = HG_ANEWN(k->a, hg_field_t, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = cols[i].name;
        fields[i].case_sensitive = *name == '=';
        fields[i].name = hg_strz(name + (*name == '='));
        fields[i].type =
            cols[i].type ? cols[i].type
                         : hg_type_make(k->a, cols[i].kind, cols[i].nullable, cols[i].p ? cols[i].p : -1, cols[i].s);
    }
    k->schema = (hg_schema_t){ .name = HG_S("t"), .cols = fields, .n_cols = n, .key = key, .n_key = n_key };
    hg_buf_init(&k->errors, HG_BUF_NOMAX);
    hg_buf_init(&k->bytes, HG_BUF_NOMAX);
    hg_buf_init(&k->key, HG_BUF_NOMAX);
    hg_buf_init(&k->messages, HG_BUF_NOMAX);
    hg_changeb_init(&k->out.changes, &k->schema);
    k->out.error = kit_error;
    k->out.arg = k;
}

HG_UNUSED static void kit_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)node, (void)at_key;
    print_message("%s: %s\n", warning ? "warning" : "error", msg);
}

static void *kit_cfg(kit_t *k, const hg_opt_t *opts, size_t size, const char *json)
{
    hg_json_t *node = NULL;
    hg_err_t err;
    hg_diag_t d = { .fn = kit_diag };
    void *cfg = hg_arena_alloc(k->a, size ? size : 1);
    assert_int_equal(hg_json_parse(k->a, hg_strz(json), &node, &err), 0);
    assert_int_equal(hg_opts_parse(opts, node, node, HG_EXTRA_REFUSE, NULL, k->a, cfg, &d), 0);
    return cfg;
}

HG_UNUSED static int kit_parser(kit_t *k, const char *cfg)
{
    hg_parse_env_t env = { .schema = &k->schema, .defaults = k->defaults };
    int rc = k->f->parser_new(kit_cfg(k, k->f->in_opts, k->f->in_cfg, cfg), &env, &k->parser, &k->err);
    if (rc < 0) return rc;
    k->parser->type = k->f;
    if (k->f->scratch_new) k->scratch = k->f->scratch_new(k->parser);
    return 0;
}

HG_UNUSED static int kit_encoder(kit_t *k, const char *cfg, bool messages, size_t max)
{
    hg_encode_env_t env = {
        .schema = &k->schema, .want_messages = messages, .max_message = max, .key_separator = k->separator
    };
    int rc = k->f->encoder_new(kit_cfg(k, k->f->out_opts, k->f->out_cfg, cfg), &env, &k->encoder, &k->err);
    if (rc < 0) return rc;
    k->encoder->type = k->f;
    k->sink =
        (hg_encode_sink_t){ .buf = &k->bytes, .key = &k->key, .message = messages ? kit_message : NULL, .arg = k };
    return 0;
}

HG_UNUSED static void kit_free(kit_t *k)
{
    hg_changeb_release(&k->out.changes);
    if (k->scratch) k->f->scratch_free(k->scratch);
    if (k->parser) k->f->parser_free(k->parser);
    if (k->encoder) k->f->encoder_free(k->encoder);
    hg_buf_release(&k->errors);
    hg_buf_release(&k->bytes);
    hg_buf_release(&k->key);
    hg_buf_release(&k->messages);
    hg_arena_free(k->a);
}

/* Parse n bytes from memory with the padding that the contract asks for. What lies behind is hostile on purpose. */
HG_UNUSED static void kit_parse_n(kit_t *k, const char *text, size_t n, bool first)
{
    char *p = hg_xnew(n + 64);
    memcpy(p, text, n);
    for (size_t i = 0; i < 64; i++) p[n + i] = "0}]\"1"[i % 5];
    assert_int_equal(k->f->parse(k->parser, k->scratch, p, n, first, &k->out, &k->err), 0);
    hg_free(p);
}

HG_UNUSED static void kit_parse(kit_t *k, const char *text)
{
    kit_parse_n(k, text, strlen(text), true);
}

/* The rows so far as text: "+[…]" per row with the cells in the default flavor; absent cells of updates are "-". */
HG_UNUSED static void kit_rows(kit_t *k, hg_buf_t *out)
{
    hg_change_t *c = hg_changeb_seal(&k->out.changes);
    if (!c) return;
    for (uint32_t r = 0; r < c->rows->n_rows; r++) {
        hg_buf_addc(out, "+-^~0"[c->ops ? c->ops[r] : HG_OP_INSERT]);
        hg_buf_addc(out, '[');
        for (uint32_t i = 0; i < c->rows->n_cols; i++) {
            if (i) hg_buf_addc(out, ',');
            bool absent = c->present && c->ops[r] == HG_OP_UPDATE && !hg_bit_get(c->present[i], r);
            if (absent)
                hg_buf_addc(out, '-');
            else
                hg_json_cell_print(out, c->rows->cols[i], r, &hg_json_flavors[HG_JF_DEFAULT]);
        }
        hg_buf_adds(out, "]\n");
    }
    hg_change_drop(c);
}

/* Parse text; rows and errors must be exactly these. errors NULL = there must be none. */
HG_UNUSED static void kit_expect(kit_t *k, const char *text, const char *rows, const char *errors)
{
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_clear(&k->errors);
    hg_buf_adds(&k->errors, "");
    kit_parse(k, text);
    kit_rows(k, &out);
    hg_buf_adds(&out, "");
    assert_string_equal(out.p, rows);
    assert_string_equal(k->errors.p, errors ? errors : "");
    hg_buf_release(&out);
}

/* Encode the rows built so far with these weights (NULL = +1 each). */
HG_UNUSED static int kit_encode(kit_t *k, const int64_t *weights)
{
    hg_change_t *c = hg_changeb_seal(&k->out.changes);
    uint32_t n = c->rows->n_rows;
    int64_t *w = NULL;
    hg_delta_t d = { 0 };
    if (weights) {
        w = hg_xnew(sizeof *w * n);
        memcpy(w, weights, sizeof *w * n);
    }
    assert_int_equal(hg_delta_add(&d, hg_part_new(hg_batch_retain(c->rows), NULL, n, w)), 0);
    hg_change_drop(c);
    int rc = k->f->encode(k->encoder, &d, &k->sink, &k->err);
    hg_delta_release(&d);
    return rc;
}

#endif
