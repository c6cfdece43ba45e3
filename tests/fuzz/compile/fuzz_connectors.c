/* The whole compiler. Input that begins with '[' or '{' is taken as the text of a connectors property, with '!' as a
 * program that has Rust code and is compiled strictly, everything else as a program and as an ad-hoc query. Each result
 * is written in every shape; every error must have a place (or be about no place at all: Rust code). References stand
 * for SECRET, but for ${env:NONE}, and nothing that is written shows it;
 * nor does the text itself once its secrets are left out (redact.h). */
#include "base/hg.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "compile/redact.h"
#include "tests/unit/compile/fake_registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define SECRET "gopher:s3cr3t-v4lue;"

static int resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err)
{
    hg_str_t name, key;
    (void)arg;
    hg_ref_kind_t kind = hg_reference(reference, &name, &key);
    HG_ASSERT(kind == HG_REF_ENV || kind == HG_REF_SECRET);
    if (hg_str_eqz(name, "NONE")) return hg_err_set(err, HG_EREFERENCE, "there is no NONE");
    *ret = hg_arena_str(a, HG_S(SECRET));
    return 0;
}

static void touch(const hg_program_t *p)
{
    static const char *const how[] = { "text", "dot", "mermaid" };
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_messages_json(p, &w);
    hg_program_messages_text(p, "fuzz.sql", false, &b);
    hg_program_schema_json(p, &w);
    hg_program_info_json(p, &w);
    for (size_t i = 0; i < HG_COUNT(how); i++) HG_ASSERT(hg_program_graph(p, how[i], &b, &err) == 0);
    HG_ASSERT(hg_program_graph(p, "svg", &b, &err) == HG_EINVAL && err.msg[0]);
    HG_ASSERT(!memmem(b.p, b.len, SECRET, sizeof SECRET - 1) ||
              memmem(p->text.p, p->text.n, SECRET, sizeof SECRET - 1));
    hg_buf_release(&b);
    for (uint32_t i = 0; i < p->n_msgs; i++)
        HG_ASSERT(p->msgs[i].message[0] &&
                  (p->msgs[i].pos.line || p->msgs[i].warning || strstr(p->msgs[i].message, "Rust")));
    HG_ASSERT(p->ok == (p->n_errors == 0));
    if (!p->ok) return;
    for (uint32_t i = 0; i < p->n_conns; i++) HG_ASSERT(p->conns[i].in_type || p->conns[i].out_type);
    for (uint32_t i = 0; i < p->plan.n_relations; i++)
        HG_ASSERT(p->plan.relations[i].kind == HG_REL_TABLE || p->plan.relations[i].node);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_dataflow_json(p, &w);
    hg_buf_release(&b);
}

/* Without its secrets a text has none, and is no longer than it was where nothing is replaced. */
static void redact(hg_str_t text)
{
    hg_redact_t *r = hg_redact_new();
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_redact_learn(r, text, resolve, NULL);
    hg_redact_learn_value(r, HG_S(SECRET));
    if (hg_redact_copy(r, text, &b) == 0) HG_ASSERT(b.len == text.n && !memcmp(b.p, text.p, text.n));
    HG_ASSERT(!memmem(b.p, b.len, SECRET, sizeof SECRET - 1));
    hg_buf_release(&b);
    hg_redact_free(r);
}

static void compile(hg_str_t text, bool strict)
{
    const hg_compile_opts_t opts = {
        .strict = strict, .udf_rust = strict ? "fn f() {}" : " ", .udf_toml = "\n", .resolve = resolve
    };
    const hg_compile_opts_t both = { .strict = strict, .udf_rust = "", .udf_toml = "[dependencies]" };
    hg_program_t *p = hg_compile(text, &opts);
    touch(p);
    hg_program_free(p);
    if (!strict) return;
    p = hg_compile(text, &both);
    touch(p);
    hg_program_free(p);
}

static void connectors(hg_str_t json)
{
    static const char *const forms[] = {
        "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '%s'); CREATE VIEW v AS SELECT x FROM t;",
        "CREATE TABLE t(x INT); CREATE VIEW v WITH ('connectors' = '%s') AS SELECT x FROM t;"
    };
    for (size_t f = 0; f < HG_COUNT(forms); f++) {
        hg_buf_t b;
        const char *hole = strstr(forms[f], "%s");
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_buf_add(&b, forms[f], (size_t)(hole - forms[f]));
        for (size_t i = 0; i < json.n; i++) {
            if (json.p[i] == '\'') hg_buf_addc(&b, '\'');
            hg_buf_addc(&b, json.p[i]);
        }
        hg_buf_adds(&b, hole + 2);
        compile(hg_buf_str(&b), false);
        hg_buf_release(&b);
    }
}

static void query(hg_str_t sql)
{
    static const char *const prog =
        "CREATE TABLE t(i INT, j BIGINT NOT NULL, s VARCHAR, d DECIMAL(8, 2), ts TIMESTAMP, a INT ARRAY) "
        "WITH ('materialized' = 'true'); CREATE TABLE plain(x INT); CREATE MATERIALIZED VIEW v AS SELECT i FROM t; "
        "CREATE LOCAL VIEW hidden AS SELECT x FROM plain; CREATE VIEW w AS SELECT x FROM hidden;";
    hg_program_t *p = hg_compile(hg_strz(prog), NULL);
    hg_arena_t *a = hg_arena_new();
    hg_query_t *q = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_compile_query(p, a, sql, &q, &err) == 0)
        HG_ASSERT(q->root && q->schema.n_cols == q->root->n_cols);
    else
        HG_ASSERT(err.msg[0]);
    hg_arena_free(a);
    hg_program_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    hg_str_t s = { (const char *)data, n };
    redact(s);
    if (n && (s.p[0] == '[' || s.p[0] == '{'))
        connectors(s);
    else if (n && s.p[0] == '!')
        compile((hg_str_t){ s.p + 1, n - 1 }, true);
    else
        compile(s, false);
    query(s);
    return 0;
}
