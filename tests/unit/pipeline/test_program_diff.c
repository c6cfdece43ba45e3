/* What a changed program means for the state of the old one: pairs of programs, the difference in words, and which
 * views are computed from what. */
#include "base/hg.h"
#include "pipeline/program_diff.h"
#include "tests/unit/pipeline/kit.h"

#define FILE_IN(more)                                                                                                  \
    "[{\"name\": \"c\"" more ", \"transport\": {\"name\": \"file_input\", \"config\": {\"path\": \"/x\"}}, "           \
    "\"format\": {\"name\": \"json\"}}]"
#define T(cols, props) "CREATE TABLE t (" cols ") WITH (" props ");\n"
#define MAT            "'materialized' = 'true'"
#define BASE           T("a INT NOT NULL, b VARCHAR", MAT)
#define V              "CREATE VIEW v AS SELECT a FROM t;\n"
#define W              "CREATE MATERIALIZED VIEW w AS SELECT a FROM v;\n"

typedef struct {
    const char *old, *new, *text; /* text: hg_program_diff_text */
    const char *computed;         /* "v w < t": views that are evaluated < what is read */
    const char *refusal;          /* NULL: none; else a part of it */
} pair_t;

static const pair_t g_pairs[] = {
    { BASE V W, BASE V W, "", "", NULL },
    { BASE V,
      "-- remark\ncreate table T (A int not null, /* x */ B varchar)\n with (" MAT
      ");\nCreate View V as\nselect a from T;",
      "", "", NULL },
    { BASE V, BASE V W, "added views: w", "v w < t", NULL },
    { BASE V W, BASE V, "removed views: w", "", NULL },
    { BASE V W, BASE "CREATE VIEW v AS SELECT a + 1 AS a FROM t;\n" W, "modified views: v, w", "v w < t", NULL },
    { BASE "CREATE MATERIALIZED VIEW v AS SELECT a FROM t;\n",
      BASE "CREATE MATERIALIZED VIEW v AS SELECT a FROM t;\n" W, "added views: w", "w < v", NULL },
    { BASE V W, BASE "CREATE MATERIALIZED VIEW v AS SELECT a FROM t;\n" W, "modified views: v, w", "v w < t", NULL },
    { BASE V, T("a INT NOT NULL, b VARCHAR, x INT", MAT) V, "modified tables: t; modified views: v", "v <", NULL },
    { BASE V, T("b VARCHAR, a INT NOT NULL", MAT) V, "modified tables: t; modified views: v", "v <", NULL },
    { BASE, T("a INT NOT NULL PRIMARY KEY, b VARCHAR", MAT), "modified tables: t", "", NULL },
    { BASE, T("a INT NOT NULL, b VARCHAR", "'materialized' = 'false'"), "modified tables: t", "", NULL },
    { BASE, T("a INT NOT NULL, b VARCHAR", MAT ", 'append_only' = 'true'"), "modified tables: t", "", NULL },
    { BASE, T("a INT NOT NULL, b VARCHAR", MAT ", 'skip_unused_columns' = 'true'"), "modified tables: t", "", NULL },
    { BASE, T("a INT NOT NULL, b VARCHAR DEFAULT 'x'", MAT), "modified tables: t", "", NULL },
    { BASE, "CREATE TABLE t2 (a INT NOT NULL, b VARCHAR) WITH (" MAT ");", "added tables: t2; removed tables: t", "",
      NULL },
    { BASE, "CREATE TABLE \"T\" (a INT NOT NULL, b VARCHAR) WITH (" MAT ");", "added tables: T; removed tables: t", "",
      NULL },
    { BASE "CREATE TABLE x (a INT);", BASE "CREATE VIEW x AS SELECT a FROM t;", "removed tables: x; added views: x",
      "x < t", NULL },
    /* local views are part of what reads them */
    { BASE "CREATE LOCAL VIEW l AS SELECT a FROM t;\nCREATE VIEW v AS SELECT a FROM l;",
      BASE "CREATE LOCAL VIEW l AS SELECT a FROM t WHERE a > 1;\nCREATE VIEW v AS SELECT a FROM l;",
      "modified views: v", "l v < t", NULL },
    { BASE, BASE "CREATE LOCAL VIEW l AS SELECT a FROM t;", "", "", NULL },
    /* connectors */
    { T("a INT", "'connectors' = '" FILE_IN("") "'"),
      T("a INT", "'connectors' = '" FILE_IN(", \"labels\": [\"x\"]") "'"), "modified input connectors: t.c", "", NULL },
    { T("a INT", "'connectors' = '" FILE_IN("") "'"),
      T("a INT", "'connectors' = '" FILE_IN(", \"paused\": true, \"max_queued_records\": 7, \"max_batch_size\": 3, "
                                            "\"max_worker_batch_size\": 2, \"max_queued_bytes\": 9") "'"),
      "", "", NULL },
    { T("a INT", "'connectors' = '" FILE_IN("") "'"),
      T("a INT", "'connectors' = '[{\"format\": {\"name\": \"json\"}, \"transport\": {\"config\": {\"path\": \"/x\"}, "
                 "\"name\": \"file_input\"}, \"name\": \"c\"}]'"),
      "", "", NULL },
    { T("a INT", "'connectors' = '" FILE_IN("") "'"), T("a INT", "'materialized' = 'false'"),
      "removed input connectors: t.c", "", NULL },
    { BASE V,
      BASE "CREATE VIEW v WITH ('connectors' = '[{\"name\": \"o\", \"transport\": {\"name\": \"null_output\"}}]') AS "
           "SELECT a FROM t;",
      "added output connectors: v.o", "", NULL },
    /* refused */
    { T("a INT", "'materialized' = 'false'"), T("a INT", "'materialized' = 'false'") V, "added views: v", "v <",
      "view 'v' is computed from table 't', whose rows are not kept (not materialized" },
    { T("a INT", "'materialized' = 'false'"), "CREATE TABLE t (a BIGINT);\n" V, "modified tables: t; added views: v",
      "v <", NULL }, /* it is emptied: there is nothing to read */
    { T("a INT NOT NULL LATENESS 1", MAT), T("a INT NOT NULL LATENESS 1", MAT) V, "added views: v", "v < t",
      "relations with lateness ('t')" },
    { T("a INT NOT NULL LATENESS 1", MAT), T("a INT NOT NULL", MAT), "modified tables: t", "",
      "relations with lateness ('t')" },
    { T("a INT NOT NULL WATERMARK 1", MAT), T("a INT NOT NULL WATERMARK 2", MAT), "modified tables: t", "",
      "relations with lateness ('t')" },
    { T("a TIMESTAMP", MAT) "CREATE VIEW v AS SELECT TIMESTAMP_TRUNC(a, DAY) AS a FROM t;",
      T("a TIMESTAMP", MAT) "CREATE VIEW v AS SELECT TIMESTAMP_TRUNC(a, HOUR) AS a FROM t;", "modified views: v",
      "v < t", NULL },
    { T("a INT NOT NULL LATENESS 1", MAT ", 'connectors' = '" FILE_IN("") "'"), T("a INT NOT NULL LATENESS 1", MAT),
      "removed input connectors: t.c", "", NULL },
};

static hg_program_t *compiled(const char *sql)
{
    hg_program_t *p = hg_compile(hg_strz(sql), &(hg_compile_opts_t){ 0 });
    for (uint32_t i = 0; i < p->n_msgs; i++)
        if (!p->msgs[i].warning) fail_msg("%s\n%s", p->msgs[i].message, sql);
    return p;
}

static const hg_json_t *shape(hg_arena_t *a, const char *sql, uint64_t *ret_hash)
{
    hg_program_t *p = compiled(sql);
    uint64_t *definitions = HG_ANEWN(a, uint64_t, p->plan.n_relations + 1);
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_definitions(p, definitions);
    hg_jw_obj(&w);
    hg_program_shape_json(p, definitions, &w);
    hg_jw_end_obj(&w);
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    *ret_hash = hg_program_hash(p, definitions);
    hg_buf_release(&b);
    hg_program_free(p);
    return v;
}

static void put_names(const hg_program_t *p, const bool *which, const char *before, hg_buf_t *out)
{
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        if (!which[i]) continue;
        if (out->len) hg_buf_addc(out, ' ');
        hg_buf_adds(out, before);
        before = "";
        hg_buf_addstr(out, p->plan.relations[i].schema.name);
    }
}

static bool is_new(const hg_program_diff_t *d, uint32_t i)
{
    return d->compute[i] && !d->unchanged[i];
}

/* What a view that is computed reads is followed, down to what is stored or empty; and one that is not computed reads
 * nothing that is. */
static void check_node(const hg_program_t *p, const hg_program_diff_t *d, uint32_t view, const hg_node_t *n)
{
    if (n->kind == HG_N_SCAN && d->compute[view])
        assert_true(d->follow[n->relation] || d->compute[n->relation] || d->refusal);
    if (n->kind == HG_N_SCAN && !is_new(d, view)) assert_false(is_new(d, n->relation));
    for (uint32_t i = 0; i < n->n_in; i++) check_node(p, d, view, n->in[i]);
}

static void check_views(const hg_program_t *p, const hg_program_diff_t *d)
{
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        assert_true(!d->source[i] || d->follow[i]);
        if (r->kind == HG_REL_VIEW && r->node) check_node(p, d, i, r->node);
    }
}

static void pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(g_pairs); i++) {
        const pair_t *x = &g_pairs[i];
        hg_arena_t *a = hg_arena_new();
        uint64_t before;
        const hg_json_t *old = shape(a, x->old, &before);
        hg_program_t *p = compiled(x->new);
        uint64_t *definitions = HG_ANEWN(a, uint64_t, p->plan.n_relations + 1);
        hg_program_diff_t d;
        hg_program_definitions(p, definitions);
        hg_program_diff(p, definitions, old, a, &d);
        hg_buf_t text, computed;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_buf_init(&computed, HG_BUF_NOMAX);
        hg_buf_adds(&text, "");
        hg_program_diff_text(&d, &text);
        if (strncmp(text.p, x->text, text.len) != 0 || text.len != strlen(x->text))
            fail_msg("pair %zu: '%s' instead of '%s'", i, text.p, x->text);
        assert_int_equal(d.any, x->text[0] != 0);
        put_names(p, d.compute, "", &computed);
        if (computed.len) hg_buf_adds(&computed, " <");
        put_names(p, d.source, "", &computed);
        if (computed.len != strlen(x->computed) || (computed.len && memcmp(computed.p, x->computed, computed.len) != 0))
            fail_msg("pair %zu: computed '%.*s' instead of '%s'", i, (int)computed.len, computed.len ? computed.p : "",
                     x->computed);
        check_views(p, &d);
        if (!x->refusal != !d.refusal || (d.refusal && !strstr(d.refusal, x->refusal)))
            fail_msg("pair %zu: refused with '%s'", i, d.refusal ? d.refusal : "nothing");
        if (d.refusal) {
            assert_non_null(strstr(d.refusal, "clear the state"));
            assert_non_null(strstr(d.refusal, x->text));
        }
        if (!d.any && !strstr(x->new, "LOCAL")) assert_int_equal(hg_program_hash(p, definitions), before);
        if (d.any) assert_true(hg_program_hash(p, definitions) != before);
        hg_buf_release(&text);
        hg_buf_release(&computed);
        hg_program_free(p);
        hg_arena_free(a);
    }
}

/* The members that Feldera's clients want, in their order. */
static void as_json(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    uint64_t hash, *definitions;
    hg_program_diff_t d;
    hg_buf_t b;
    hg_jw_t w;
    const hg_json_t *old = shape(a, BASE, &hash);
    hg_program_t *p = compiled(BASE "CREATE VIEW hot2 AS SELECT a FROM t;");
    definitions = HG_ANEWN(a, uint64_t, p->plan.n_relations + 1);
    hg_program_definitions(p, definitions);
    hg_program_diff(p, definitions, old, a, &d);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_diff_json(&d, &w);
    assert_string_equal(
        b.p, "{\"added_input_connectors\":[],\"added_output_connectors\":[],\"modified_input_connectors\":[],"
             "\"modified_output_connectors\":[],\"program_diff\":{\"added_tables\":[],\"added_views\":[\"hot2\"],"
             "\"modified_tables\":[],\"modified_views\":[],\"removed_tables\":[],\"removed_views\":[]},"
             "\"program_diff_error\":null,\"removed_input_connectors\":[],\"removed_output_connectors\":[]}");
    hg_buf_release(&b);
    hg_program_free(p);
    hg_arena_free(a);
}

/* A description that does not fit, member by member, is a difference and nothing worse. */
static void odd_descriptions(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"relations\":null,\"inputs\":5,\"outputs\":\"x\"}",
        "{\"relations\":[1,{},{\"name\":7},{\"name\":\"t\"},{\"name\":\"t\",\"kind\":\"table\",\"definition\":3}]}",
        ("{\"relations\":[{\"name\":\"t\",\"kind\":\"table\",\"definition\":\"00000000000000zz\"}],\"inputs\":[{"
         "\"name\":1}]}"),
    };
    hg_program_t *p = compiled(BASE V);
    for (size_t i = 0; i < HG_COUNT(texts); i++) {
        hg_arena_t *a = hg_arena_new();
        uint64_t *definitions = HG_ANEWN(a, uint64_t, p->plan.n_relations + 1);
        hg_json_t *v;
        hg_err_t err = HG_ERR_INIT;
        hg_program_diff_t d;
        assert_int_equal(hg_json_parse(a, hg_strz(texts[i]), &v, &err), 0);
        hg_program_definitions(p, definitions);
        hg_program_diff(p, definitions, v, a, &d);
        assert_true(d.any);
        for (uint32_t k = 0; k < p->plan.n_relations; k++) assert_false(d.unchanged[k]);
        hg_arena_free(a);
    }
    hg_program_free(p);
}

typedef struct {
    rig_t *r;
    hg_err_t err;
    int rc;
} approval_t;

static void approve(void *arg)
{
    approval_t *x = arg;
    x->rc = hg_pipeline_approve(x->r->p, false, false, &x->err);
}

/* Nothing has changed: there is nothing to approve. */
static void nothing_to_approve(void **state)
{
    (void)state;
    rig_t r;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    rig_init(&r);
    rig_up(&r, BASE V, true);
    approval_t x = { .r = &r, .err = HG_ERR_INIT };
    hg_loop_call(r.control, approve, &x);
    assert_int_equal(x.rc, HG_ETRANSITION);
    assert_string_equal(hg_pipeline_status(r.p), "Running");
    assert_int_equal(hg_pipeline_ready(r.p, &err), 0);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_pipeline_details_json(r.p, &w);
    assert_string_equal(b.p, "{}");
    hg_buf_release(&b);
    rig_down(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pairs), cmocka_unit_test(as_json),
                                        cmocka_unit_test(odd_descriptions), cmocka_unit_test(nothing_to_approve) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
