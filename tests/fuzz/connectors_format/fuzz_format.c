/* A format with any configuration on any table: the first line is JSON
 *
 *   {"format": "json", "in": {…}, "out": {…}, "columns": [["x", "INT", "NOT NULL"], …], "index": true,
 *    "messages": true, "keys": true, "max_message": 100, "copies": 5}
 *
 * (all of it may be missing), what follows are the bytes to parse. Columns: a name, a type (INT, TEXT, BYTES, UUID,
 * VARIANT, INTERVAL, MAP by bytes, COUNTS by INT, LIST of intervals, ROW of one nullable INT) and NOT NULL or QUOTED. A
 * configuration is refused with a sentence; with a good one the bytes are parsed whole and in pieces, and each row is
 * written. */
#include "tests/fuzz/connectors_format/format_fuzz.h"
#include "base/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const hg_type_t t_bytes = { .kind = HG_T_VARBINARY, .precision = -1 };
static const hg_type_t t_interval = { .kind = HG_T_INTERVAL, .nullable = true, .precision = -1 };
static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_field_t row_fields[] = { { .name = { "f", 1 }, .type = &t_int } };
static const struct {
    const char *name;
    hg_type_t type;
} types[] = {
    { "INT", { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 } },
    { "TEXT", { .kind = HG_T_VARCHAR, .nullable = true, .precision = -1 } },
    { "BYTES", { .kind = HG_T_VARBINARY, .nullable = true, .precision = -1 } },
    { "UUID", { .kind = HG_T_UUID, .nullable = true, .precision = -1 } },
    { "VARIANT", { .kind = HG_T_VARIANT, .nullable = true, .precision = -1 } },
    { "INTERVAL", { .kind = HG_T_INTERVAL, .nullable = true, .precision = -1 } },
    { "MAP", { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &t_bytes, .elem = &t_int } },
    { "COUNTS", { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &t_int, .elem = &t_int } },
    { "LIST", { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_interval } },
    { "ROW", { .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = row_fields, .n_fields = 1 } },
};

typedef struct run {
    hg_arena_t *a;
    const hg_format_type_t *f;
    hg_field_t cols[8];
    hg_schema_t schema;
    size_t messages;
} run_t;

static void complaint(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)warning, (void)node, (void)at_key;
    HG_ASSERT(msg[0]);
}

static bool columns(run_t *r, const hg_json_t *list)
{
    r->schema = (hg_schema_t){ .name = HG_S("t"), .cols = r->cols };
    for (const hg_json_t *c = list && list->kind == HG_J_ARRAY ? list->child : NULL; c; c = c->next) {
        const hg_json_t *type = c->kind == HG_J_ARRAY && c->child ? c->child->next : NULL;
        if (!type || c->child->kind != HG_J_STRING || r->schema.n_cols == HG_COUNT(r->cols)) return false;
        hg_field_t *f = &r->cols[r->schema.n_cols++];
        hg_type_t *t = HG_ANEW(r->a, hg_type_t);
        f->name = c->child->str;
        f->type = t;
        for (size_t i = 0; i < HG_COUNT(types); i++)
            if (type->kind == HG_J_STRING && hg_str_eqz(type->str, types[i].name)) *t = types[i].type;
        if (t->kind == HG_T_NULL) return false;
        for (const hg_json_t *w = type->next; w; w = w->next) {
            if (w->kind == HG_J_STRING && hg_str_eqz(w->str, "NOT NULL")) t->nullable = false;
            if (w->kind == HG_J_STRING && hg_str_eqz(w->str, "QUOTED")) f->case_sensitive = true;
        }
    }
    return r->schema.n_cols > 0;
}

static void *options(run_t *r, const hg_opt_t *table, size_t size, const hg_json_t *obj)
{
    hg_diag_t d = { .fn = complaint };
    void *cfg = hg_arena_alloc(r->a, size + 1);
    memset(cfg, 0, size + 1);
    return table && hg_opts_parse(table, obj, obj, HG_EXTRA_WARN, NULL, r->a, cfg, &d) == 0 ? cfg : NULL;
}

static int message(hg_encode_sink_t *s, uint32_t n_records, hg_err_t *err)
{
    run_t *r = s->arg;
    (void)err;
    HG_ASSERT(n_records > 0);
    r->messages++;
    hg_buf_clear(s->buf);
    hg_buf_clear(s->key);
    return 0;
}

static bool flag(const hg_json_t *doc, const char *name)
{
    const hg_json_t *v = hg_json_get(doc, name);
    return v && v->kind == HG_J_TRUE;
}

static uint64_t number(const hg_json_t *doc, const char *name, uint64_t dflt)
{
    const hg_json_t *v = hg_json_get(doc, name);
    uint64_t u;
    return v && v->kind == HG_J_NUMBER && hg_json_u64(v, &u) == 0 ? u : dflt;
}

static void encode(run_t *r, const hg_json_t *doc, const hg_change_t *change)
{
    static const uint32_t key[] = { 0 };
    const void *cfg = options(r, r->f->out_opts, r->f->out_cfg, hg_json_get(doc, "out"));
    hg_encode_env_t env = { .schema = &r->schema,
                            .want_messages = flag(doc, "messages"),
                            .max_message = (size_t)number(doc, "max_message", 1000) };
    hg_encoder_t *enc = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (flag(doc, "index")) {
        env.key = key;
        env.n_key = 1;
    }
    if (flag(doc, "keys")) { /* as a transport that stores values by key */
        env.key_separator = ":";
        env.want_messages = true;
    }
    if (!cfg) return;
    if (r->f->encoder_new(cfg, &env, &enc, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return;
    }
    if (change) {
        hg_buf_t buf, keys;
        hg_delta_t d = { 0 };
        hg_encode_sink_t sink = { .buf = &buf, .key = &keys, .message = env.want_messages ? message : NULL, .arg = r };
        uint32_t n = change->rows->n_rows;
        uint64_t copies = number(doc, "copies", 1);
        int64_t *w = hg_trynew(sizeof *w * n);
        HG_ASSERT(w);
        if (copies > 100 && copies <= 1000000) copies = 100; /* allowed, but slow */
        for (uint32_t i = 0; i < n; i++) w[i] = (i & 1 ? -1 : 1) * (int64_t)(HG_MIN(copies, UINT64_C(1) << 40) | 1);
        hg_buf_init(&buf, HG_BUF_NOMAX);
        hg_buf_init(&keys, HG_BUF_NOMAX);
        HG_ASSERT(hg_delta_add(&d, hg_part_new(hg_batch_retain(change->rows), NULL, n, w)) == 0);
        if (r->f->encode(enc, &d, &sink, &err) < 0) HG_ASSERT(err.msg[0]);
        hg_delta_release(&d);
        hg_buf_release(&buf);
        hg_buf_release(&keys);
    }
    r->f->encoder_free(enc);
}

static void run(run_t *r, const hg_json_t *doc, const char *p, size_t n)
{
    static const hg_format_type_t *const formats[] = { &hg_format_json, &hg_format_csv, &hg_format_raw };
    const hg_json_t *name = hg_json_get(doc, "format");
    for (size_t i = 0; i < HG_COUNT(formats); i++)
        if (name && name->kind == HG_J_STRING && hg_str_eqz(name->str, formats[i]->name)) r->f = formats[i];
    if (!r->f || !columns(r, hg_json_get(doc, "columns"))) return;
    const void *cfg = options(r, r->f->in_opts, r->f->in_cfg, hg_json_get(doc, "in"));
    hg_parse_env_t env = { .schema = &r->schema };
    hg_parser_t *par = NULL;
    hg_err_t err = HG_ERR_INIT;
    ff_result_t whole, cut;
    if (!cfg || r->f->parser_new(cfg, &env, &par, &err) < 0) {
        HG_ASSERT(!cfg || err.msg[0]);
        encode(r, doc, NULL);
        return;
    }
    ff_run(r->f, par, &r->schema, p, n, 0, &whole);
    if (r->f != &hg_format_raw) { /* a blob of raw bytes is what one chunk holds */
        ff_run(r->f, par, &r->schema, p, n, 7, &cut);
        ff_same(&whole, &cut);
        ff_release(&cut);
    }
    r->f->parser_free(par);
    encode(r, doc, whole.change);
    ff_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    run_t r = { .a = hg_arena_new() };
    const uint8_t *nl = n ? memchr(p, '\n', n) : NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *doc = NULL;
    if (nl && hg_json_parse(r.a, (hg_str_t){ (const char *)p, (size_t)(nl - p) }, &doc, &err) == 0)
        run(&r, doc, (const char *)nl + 1, n - (size_t)(nl + 1 - p));
    hg_arena_free(r.a);
    return 0;
}
