/* Avro: schemas, registry and records. The first line is JSON
 *
 *   {"name": "t", "in": {…}, "out": {…}, "columns": [["x", "DECIMAL", 10, 2, "NOT NULL"], …], "key": true, "index":
 * true, "topic": "x", "no_messages": true, "max_message": 100, "answers": [[200, "…"], …], "registered": [[200, "…"],
 * …]}
 *
 * (all of it may be missing), what follows are records, each behind its length in one byte. A configuration is refused
 * with a sentence; what the parser asks gets the answers in their order. Rows that were accepted are written, and what
 * was written with a schema made from the table reads as the same again. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "base/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t t_text = { .kind = HG_T_VARCHAR, .precision = -1 };
static const hg_type_t t_texts = { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_text };
static const hg_field_t row_fields[] = { { .name = { "a", 1 }, .type = &t_int },
                                         { .name = { "b", 1 }, .type = &t_text } };
static const struct {
    const char *name;
    hg_type_t type;
} nested[] = {
    { "INTS", { .kind = HG_T_ARRAY, .precision = -1, .elem = &t_int } },
    { "LISTS", { .kind = HG_T_ARRAY, .precision = -1, .elem = &t_texts } },
    { "MAP", { .kind = HG_T_MAP, .precision = -1, .key = &t_text, .elem = &t_int } },
    { "INT_MAP", { .kind = HG_T_MAP, .precision = -1, .key = &t_int, .elem = &t_int } },
    { "ROW", { .kind = HG_T_ROW, .precision = -1, .fields = row_fields, .n_fields = 2 } },
    { "MONTHS", { .kind = HG_T_INTERVAL_YM, .precision = -1, .unit = HG_IV_MONTH } },
};

typedef struct run {
    hg_arena_t *a;
    hg_field_t cols[8];
    hg_schema_t schema;
    hg_str_t made; /* schema that was registered last */
    hg_buf_t written;
} run_t;

static void complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)warning, (void)node, (void)at_key;
    HG_ASSERT(msg[0]);
}

static bool find_type(const char *name, hg_type_t *ret)
{
    for (size_t i = 0; i < HG_COUNT(nested); i++)
        if (strcmp(name, nested[i].name) == 0) {
            *ret = nested[i].type;
            return true;
        }
    for (int k = 0; k < HG_T_N; k++)
        if (strcmp(name, hg_kind_name((hg_kind_t)k)) == 0 && k != HG_T_ARRAY && k != HG_T_MAP && k != HG_T_ROW) {
            *ret = (hg_type_t){ .kind = (hg_kind_t)k, .precision = -1 };
            return true;
        }
    return false;
}

static bool columns(run_t *r, const hg_json_t *list)
{
    static const uint32_t first[] = { 0 };
    r->schema = (hg_schema_t){ .name = HG_S("t"), .cols = r->cols, .key = first };
    for (const hg_json_t *c = list && list->kind == HG_J_ARRAY ? list->child : NULL; c; c = c->next) {
        const hg_json_t *name = c->kind == HG_J_ARRAY ? c->child : NULL, *type = name ? name->next : NULL;
        int64_t number[2] = { -1, 0 };
        uint32_t n = 0;
        if (!type || name->kind != HG_J_STRING || r->schema.n_cols == HG_COUNT(r->cols)) return false;
        hg_field_t *f = &r->cols[r->schema.n_cols];
        hg_type_t *t = HG_ANEW(r->a, hg_type_t);
        if (!find_type(hg_json_str(type, ""), t)) return false;
        t->nullable = true;
        f->case_sensitive = false;
        for (const hg_json_t *w = type->next; w; w = w->next) {
            if (w->kind == HG_J_NUMBER && n < 2 && hg_json_i64(w, &number[n]) == 0) n++;
            if (w->kind == HG_J_STRING && hg_str_eqz(w->str, "NOT NULL")) t->nullable = false;
            if (w->kind == HG_J_STRING && hg_str_eqz(w->str, "QUOTED")) f->case_sensitive = true;
        }
        if (t->kind == HG_T_DECIMAL) { /* as the compiler lets them through */
            t->precision = (int32_t)HG_MAX(HG_MIN(number[0], (int64_t)38), (int64_t)1);
            t->scale = (int32_t)HG_MAX(HG_MIN(number[1], (int64_t)t->precision), (int64_t)0);
        }
        f->name = name->str;
        f->type = t;
        r->schema.n_cols++;
    }
    return r->schema.n_cols > 0;
}

static void *options(run_t *r, const hg_opt_t *table, size_t size, const hg_json_t *obj)
{
    hg_diag_t d = { .fn = complaint };
    void *cfg = hg_arena_alloc(r->a, size);
    return hg_opts_parse(table, obj, obj, HG_EXTRA_REFUSE, NULL, r->a, cfg, &d) == 0 ? cfg : NULL;
}

static bool flag(const hg_json_t *doc, const char *name)
{
    return hg_json_bool(hg_json_get(doc, name), false);
}

/* [status, body] */
static bool next_answer(const hg_json_t **at, int *status, hg_str_t *body)
{
    const hg_json_t *a = *at;
    uint64_t u = 0;
    if (!a) return false;
    *at = a->next;
    const hg_json_t *code = a->kind == HG_J_ARRAY ? a->child : NULL, *text = code ? code->next : NULL;
    if (!text || text->kind != HG_J_STRING || hg_json_u64(code, &u) < 0) return false;
    *status = (int)(u % 1000);
    *body = text->str;
    return true;
}

static const hg_json_t *first_of(const hg_json_t *doc, const char *name)
{
    const hg_json_t *v = hg_json_get(doc, name);
    return v && v->kind == HG_J_ARRAY ? v->child : NULL;
}

/* False: it cannot go on. */
static bool answer(void *obj, const hg_json_t **at, bool (*ask)(void *, hg_ask_t *),
                   int (*take)(void *, int, hg_str_t, hg_err_t *), hg_ask_t *q)
{
    hg_err_t err = HG_ERR_INIT;
    hg_str_t body;
    int status;
    HG_ASSERT(ask(obj, q) && q->method && q->path[0] == '/' && q->n_urls);
    if (!next_answer(at, &status, &body)) return false;
    int rc = take(obj, status, body, &err);
    HG_ASSERT(rc == 0 || err.msg[0]);
    return rc == 0 || rc == HG_EAGAIN;
}

static void parse(run_t *r, hg_parser_t *par, const hg_json_t *doc, const char *p, size_t n, ff_result_t *ret)
{
    hg_parse_out_t out = { .error = ff_error, .arg = ret };
    const hg_json_t *answers = first_of(doc, "answers");
    void *w = hg_format_avro.scratch_new(par);
    hg_buf_init(&ret->errors, HG_BUF_NOMAX);
    hg_changeb_init(&out.changes, &r->schema);
    for (size_t at = 0; at < n;) {
        size_t len = HG_MIN((size_t)(uint8_t)p[at], n - at - 1);
        hg_err_t err = HG_ERR_INIT;
        hg_ask_t q;
        char *copy = hg_xnew(len + 64);
        memcpy(copy, p + at + 1, len);
        memset(copy + len, 0x22, 64);
        int rc;
        while ((rc = hg_format_avro.parse(par, w, copy, len, true, &out, &err)) == HG_EAGAIN)
            if (!answer(par, &answers, hg_format_avro.parser_ask, hg_format_avro.parser_answer, &q)) break;
        HG_ASSERT(rc == 0 || rc == HG_EAGAIN);
        hg_free(copy);
        at += 1 + len;
    }
    ret->change = hg_changeb_seal(&out.changes);
    hg_changeb_release(&out.changes);
    hg_format_avro.scratch_free(w);
}

/* --- out --- */

static int message(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    run_t *r = s->arg;
    (void)n, (void)err;
    if (s->buf->len > 5 && s->buf->len < 256 + 5) { /* as parse() takes them */
        hg_buf_addc(&r->written, (char)(s->buf->len - 5));
        hg_buf_add(&r->written, s->buf->p + 5, s->buf->len - 5);
    }
    hg_buf_clear(s->buf);
    hg_buf_clear(s->key);
    s->op = NULL;
    return 0;
}

static void compare(run_t *r, const hg_change_t *in)
{
    hg_parse_env_t env = { .schema = &r->schema };
    hg_buf_t text;
    hg_json_t *cfg = NULL;
    hg_parser_t *par = NULL;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t again = { 0 };
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_buf_adds(&text, "{\"skip_schema_id\":true,\"schema\":");
    hg_json_quote(&text, r->made);
    hg_buf_addc(&text, '}');
    HG_ASSERT(hg_json_parse(r->a, hg_buf_str(&text), &cfg, &err) == 0);
    hg_buf_release(&text);
    HG_ASSERT(hg_format_avro.parser_new(options(r, hg_format_avro.in_opts, hg_format_avro.in_cfg, cfg), &env, &par,
                                        &err) == 0);
    parse(r, par, cfg, r->written.p, r->written.len, &again);
    HG_ASSERT(again.errors.len == 0);
    uint32_t n = again.change ? again.change->rows->n_rows : 0;
    for (uint32_t i = 0; i < n && n == in->rows->n_rows; i++)
        for (uint32_t c = 0; c < r->schema.n_cols; c++) {
            bool time = r->cols[c].type->kind == HG_T_TIME; /* written in microseconds */
            HG_ASSERT(time || hg_cell_cmp(in->rows->cols[c], i, again.change->rows->cols[c], i) == 0);
        }
    ff_release(&again);
    hg_format_avro.parser_free(par);
}

static void encode(run_t *r, const hg_json_t *doc, const hg_change_t *change)
{
    static const uint32_t key[] = { 0 };
    const hg_json_t *out = hg_json_get(doc, "out"), *answers = first_of(doc, "registered");
    const void *cfg = options(r, hg_format_avro.out_opts, hg_format_avro.out_cfg, out);
    uint64_t most = 100000;
    if (hg_json_get(doc, "max_message")) (void)hg_json_u64(hg_json_get(doc, "max_message"), &most);
    hg_encode_env_t env = { .schema = &r->schema,
                            .key = flag(doc, "index") ? key : NULL,
                            .n_key = flag(doc, "index"),
                            .index = "ix",
                            .topic = hg_json_str(hg_json_get(doc, "topic"), NULL),
                            .want_messages = !flag(doc, "no_messages"),
                            .max_message = (size_t)most };
    hg_encoder_t *enc = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_ask_t q;
    if (!cfg) return;
    if (hg_format_avro.encoder_new(cfg, &env, &enc, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    bool ready = true;
    while (ready && hg_format_avro.encoder_ask(enc, &q)) {
        hg_json_t *body = NULL;
        HG_ASSERT(hg_json_parse(r->a, q.body, &body, &err) == 0);
        r->made = hg_json_get(body, "schema")->str;
        ready = answer(enc, &answers, hg_format_avro.encoder_ask, hg_format_avro.encoder_answer, &q);
    }
    if (change && ready) {
        hg_buf_t buf, keys;
        hg_delta_t d = { 0 };
        hg_encode_sink_t sink = { .buf = &buf, .key = &keys, .message = message, .arg = r };
        hg_buf_init(&buf, HG_BUF_NOMAX);
        hg_buf_init(&keys, HG_BUF_NOMAX);
        HG_ASSERT(hg_delta_add(&d, hg_part_new(hg_batch_retain(change->rows), NULL, change->rows->n_rows, NULL)) == 0);
        int rc = hg_format_avro.encode(enc, &d, &sink, &err);
        HG_ASSERT(rc == 0 || err.msg[0]);
        bool plain = out && out->n == 1 && !env.n_key; /* a registry and nothing else: a schema that was made */
        if (rc == 0 && plain && r->made.n) compare(r, change);
        hg_delta_release(&d);
        hg_buf_release(&buf);
        hg_buf_release(&keys);
    }
    hg_format_avro.encoder_free(enc);
}

static void run(run_t *r, const hg_json_t *doc, const char *p, size_t n)
{
    if (!columns(r, hg_json_get(doc, "columns"))) return;
    const hg_json_t *name = hg_json_get(doc, "name");
    if (name && name->kind == HG_J_STRING) r->schema.name = name->str;
    r->schema.n_key = flag(doc, "key");
    const void *cfg = options(r, hg_format_avro.in_opts, hg_format_avro.in_cfg, hg_json_get(doc, "in"));
    hg_parse_env_t env = { .schema = &r->schema };
    hg_parser_t *par = NULL;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t res = { 0 };
    if (cfg && hg_format_avro.parser_new(cfg, &env, &par, &err) < 0) HG_ASSERT(err.msg[0]);
    if (par) parse(r, par, doc, p, n, &res);
    encode(r, doc, res.change);
    if (par) {
        ff_release(&res);
        hg_format_avro.parser_free(par);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    run_t r = { .a = hg_arena_new() };
    const uint8_t *nl = n ? memchr(p, '\n', n) : NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *doc = NULL;
    hg_buf_init(&r.written, HG_BUF_NOMAX);
    if (nl && hg_json_parse(r.a, (hg_str_t){ (const char *)p, (size_t)(nl - p) }, &doc, &err) == 0)
        run(&r, doc, (const char *)nl + 1, n - (size_t)(nl + 1 - p));
    hg_buf_release(&r.written);
    hg_arena_free(r.a);
    return 0;
}
