/* What the PostgreSQL transports say to a server: names, literals, casts, ranges; and positions. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "base/mem.h"
#include "connectors/transport/postgres_input_int.h"

/* The host's side, as far as positions need it. */
static pgin_t g_inst;
static pgin_cfg_t g_cfg;
void *hg_in_inst(hg_input_t *in)
{
    (void)in;
    return &g_inst;
}
const void *hg_in_cfg(const hg_input_t *in)
{
    (void)in;
    return &g_cfg;
}

static void test_table_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *schema, *table; /* table NULL: refused */
    } names[] = {
        { "t", "", "t" },
        { "Public.T1$", "public", "t1$" },
        { "\"A b\".\"c\"\"d\"", "A b", "c\"d" },
        { "\"a.b\"", "", "a.b" },
        { "", NULL, NULL },
        { "a.", NULL, NULL },
        { "a.b.c", NULL, NULL },
        { "1a", NULL, NULL },
        { "a b", NULL, NULL },
        { "\"\"", NULL, NULL },
        { "\"a", NULL, NULL },
        { "a;drop", NULL, NULL },
    };
    for (size_t i = 0; i < HG_COUNT(names); i++) {
        hg_buf_t schema, table;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&schema, 100);
        hg_buf_init(&table, 100);
        int rc = hg_pg_table(hg_strz(names[i].text), &schema, &table, &err);
        assert_int_equal(rc == 0, names[i].table != NULL);
        if (rc == 0) assert_true(hg_str_eqz(hg_buf_str(&schema), names[i].schema));
        if (rc == 0) assert_true(hg_str_eqz(hg_buf_str(&table), names[i].table));
        hg_buf_release(&schema);
        hg_buf_release(&table);
    }
}

static void test_quoting(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, 100);
    hg_pg_ident(&b, HG_S("a\"b"));
    hg_pg_literal(&b, HG_S("it's \\ "));
    assert_string_equal(b.p, "\"a\"\"b\"E'it''s \\\\ '");
    hg_buf_release(&b);
}

static void test_casts(void **state)
{
    (void)state;
    static const hg_type_t text = { .kind = HG_T_VARCHAR }, dec = { .kind = HG_T_DECIMAL };
    static const struct {
        hg_kind_t kind;
        const hg_type_t *elem;
        Oid oid;
        const char *cast; /* NULL: does not go */
    } casts[] = {
        { HG_T_BIGINT, NULL, 23, "%s" },
        { HG_T_BIGINT, NULL, 1700, NULL },
        { HG_T_UBIGINT, NULL, 20, "%s::numeric" },
        { HG_T_DECIMAL, NULL, 701, NULL },
        { HG_T_DOUBLE, NULL, 1700, "%s::float8" },
        { HG_T_VARCHAR, NULL, 25, "%s" },
        { HG_T_VARCHAR, NULL, 3802, "%s::text" },
        { HG_T_VARCHAR, NULL, 99999, "%s::text" },
        { HG_T_TIMESTAMP, NULL, 1184, "%s" },
        { HG_T_DATE, NULL, 1114, NULL },
        { HG_T_VARIANT, NULL, 114, "%s" },
        { HG_T_VARIANT, NULL, 3802, "to_json(%s)" },
        { HG_T_ARRAY, &text, 1009, "%s" },
        { HG_T_ARRAY, &text, 1007, "%s::text[]" },
        { HG_T_ARRAY, &dec, 1007, "%s::numeric[]" },
        { HG_T_ARRAY, &dec, 1022, NULL },
        { HG_T_ARRAY, &dec, 25, NULL },
        { HG_T_ARRAY, &text, 3802, "to_json(%s)" },
        { HG_T_MAP, NULL, 3802, "to_json(%s)" },
        { HG_T_ROW, NULL, 25, NULL },
    };
    for (size_t i = 0; i < HG_COUNT(casts); i++) {
        const hg_type_t t = { .kind = casts[i].kind, .elem = casts[i].elem };
        const char *got = hg_pgin_cast(&t, casts[i].oid);
        if (casts[i].cast)
            assert_string_equal(got, casts[i].cast);
        else
            assert_null(got);
    }
}

/* Bounds make ranges one behind the other, the outer two open; where nothing can lie, nothing is asked. */
static void test_ranges_cover_everything_once(void **state)
{
    (void)state;
    static const struct {
        const char *at[3];
        uint32_t n;
        const char *done; /* per range */
    } cases[] = {
        { { "b", "m", "x" }, 3, "...." }, { { "m", "m", "x" }, 3, ".d.." },    { { "b", "x", "x" }, 3, "..d." },
        { { "m", "m", "m" }, 3, ".dd." }, { { NULL, NULL, NULL }, 0, ".ddd" },
    };
    for (size_t c = 0; c < HG_COUNT(cases); c++) {
        range_t ranges[4] = { 0 };
        pgin_t p = { .ranges = ranges, .n_ranges = 4 };
        hg_pgin_split(&p, cases[c].at, cases[c].n);
        assert_true(p.bounded);
        assert_null(ranges[0].from);
        assert_null(ranges[3].to);
        for (uint32_t i = 0; i < 4; i++) {
            bool done = cases[c].done[i] == 'd';
            assert_int_equal(ranges[i].ended, done);
            assert_int_equal(ranges[i].state == RG_DONE, done);
            if (i && cases[c].n) assert_string_equal(ranges[i].from, cases[c].at[i - 1]);
            if (i && cases[c].n) assert_string_equal(ranges[i - 1].to, cases[c].at[i - 1]);
            if (!cases[c].n) assert_true(!ranges[i].from && !ranges[i].to);
        }
        for (int i = 0; i < 4; i++) {
            hg_free(ranges[i].from);
            hg_free(ranges[i].to);
        }
    }
}

static const char *asked(hg_buf_t *b, uint32_t n_ranges, bool bounded, uint64_t estimate)
{
    char key[] = "hg.c2";
    pgin_t p = { .n_ranges = n_ranges, .bounded = bounded, .estimate = estimate, .key_name = key };
    hg_buf_init(&p.select, 100);
    (void)hg_buf_adds(&p.select, "SELECT x FROM q");
    p.from_at = strlen("SELECT x");
    hg_buf_clear(b);
    hg_pgin_ask_key(&p, b);
    hg_buf_release(&p.select);
    return b->p;
}

/* A sample grows much more slowly than what it is of, and where ranges are known only NULLs are looked for. */
static void test_what_is_asked_about_a_key(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_string_equal(asked(&b, 1, false, 5), "SELECT EXISTS (SELECT 1 FROM q WHERE hg.c2 IS NULL), NULL");
    assert_string_equal(asked(&b, 4, true, 5), "SELECT EXISTS (SELECT 1 FROM q WHERE hg.c2 IS NULL), NULL");
    const char *all = asked(&b, 4, false, 32768);
    assert_non_null(strstr(all, "ARRAY[1.0/4,2.0/4,3.0/4]::float8[]"));
    assert_non_null(strstr(all, "(SELECT hg.c2 AS k FROM q) AS s"));
    assert_non_null(strstr(asked(&b, 2, false, 1000000), "WHERE hg.c2 IS NULL OR hashtextextended(hg.c2::text"));
    assert_non_null(strstr(b.p, "& 31 = 0"));
    assert_non_null(strstr(asked(&b, 2, false, UINT64_MAX), "& 1023 = 0"));
    hg_buf_release(&b);
}

/* Keys go in order and out from the front; the last one that was taken stays. */
static void test_keys_that_wait(void **state)
{
    (void)state;
    pgin_keys_t k = { 0 };
    char text[24];
    hg_buf_init(&k.buf, HG_BUF_NOMAX);
    for (uint64_t row = 5; row < 50005; row++) {
        int n = snprintf(text, sizeof text, "%" PRIu64, row * row);
        assert_int_equal(hg_pgin_key_add(&k, row, (hg_str_t){ text, (size_t)n }), 0);
        if (row % 100 == 0) hg_pgin_keys_drop(&k, row - 50);
    }
    assert_int_equal(k.next, 50005);
    assert_int_equal(k.first, 49949);
    assert_true(k.buf.len < 300000);
    hg_pgin_keys_drop(&k, 50005);
    assert_int_equal(k.first, 50004);
    hg_buf_release(&k.buf);
}

static void test_positions(void **state)
{
    (void)state;
    static const struct {
        const char *json, *error; /* error NULL: taken */
        bool keyed;
    } positions[] = {
        { "{}", NULL, false },
        { "{\"ranges\":[{\"rows\":5,\"done\":true}]}", NULL, false },
        { "{\"ranges\":[{\"from\":\"1\",\"to\":\"9\",\"key\":\"4\",\"rows\":3}]}", NULL, true },
        { "{\"ranges\":[{\"key\":\"4\"}]}", "need the option 'key_column'", false },
        { "{\"ranges\":[{\"key\":4}]}", "'key' is a string", true },
        { "{\"ranges\":[]}", "'ranges' is an array of 1 to 64 ranges", true },
        { "{\"ranges\":[{\"rows\":-1}]}", "'rows' is not a whole number", true },
        { "{\"ranges\":[{\"done\":1}]}", "'done' is true or false", true },
        { "{\"ranges\":[{\"kex\":\"1\"}]}", "has no member 'kex'", true },
        { "{\"rows\":1}", "has no member 'rows'", true },
        { "[]", "is a JSON object", true },
    };
    for (size_t i = 0; i < HG_COUNT(positions); i++) {
        hg_arena_t *a = hg_arena_new();
        const pgin_cfg_t cfg = { .key_column = positions[i].keyed ? "id" : NULL };
        hg_json_t *v;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_json_parse(a, hg_strz(positions[i].json), &v, &err), 0);
        int rc = hg_pgin_check_position(&cfg, v, &err);
        assert_int_equal(rc == 0, positions[i].error == NULL);
        if (rc < 0) assert_non_null(strstr(err.msg, positions[i].error));
        hg_arena_free(a);
    }
}

/* A saved position names the key of the last row taken, or where it began; restored, it goes on there. */
static void test_save_and_restore(void **state)
{
    (void)state;
    char key[] = "c1";
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    g_cfg.key_column = "id";
    hg_pgin_ranges_new(NULL, 2);
    g_inst.bounded = true;
    g_inst.key_name = key;
    range_t *r = g_inst.ranges;
    r[0].to = hg_xstrdup("100");
    r[1].from = hg_xstrdup("100");
    r[0].lane_id = 7;
    for (uint64_t row = 0; row < 3; row++) {
        const char text[] = { (char)('a' + row), 0 };
        assert_int_equal(hg_pgin_key_add(&r[0].keys, row, hg_strz(text)), 0);
    }
    r[0].next = 3;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_pgin_save(NULL, &(hg_range_t){ 7, 0, 2 }, 1, &w);
    assert_string_equal(b.p, "{\"ranges\":[{\"to\":\"100\",\"key\":\"b\",\"rows\":2},{\"from\":\"100\",\"rows\":0}]}");
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    assert_int_equal(hg_json_parse(a, hg_buf_str(&b), &v, &err), 0);
    assert_int_equal(hg_pgin_restore((hg_input_t *)(void *)&g_inst, v, &err), 0);
    hg_buf_clear(&b);
    hg_pgin_copy(&g_inst, &g_inst.ranges[0], &b);
    assert_string_equal(b.p, "COPY ( WHERE c1 > E'b' AND c1 < E'100' ORDER BY c1) TO STDOUT (FORMAT binary)");
    hg_buf_clear(&b);
    hg_pgin_copy(&g_inst, &g_inst.ranges[1], &b);
    assert_string_equal(b.p, "COPY ( WHERE c1 >= E'100' ORDER BY c1) TO STDOUT (FORMAT binary)");
    assert_int_equal(g_inst.ranges[0].next, 2);
    /* a row whose key is no longer there: no position rather than a wrong one */
    g_inst.ranges[0].lane_id = 8;
    hg_buf_clear(&b);
    hg_jw_init(&w, &b);
    hg_pgin_save(NULL, &(hg_range_t){ 8, 2, 9 }, 1, &w);
    assert_true(w.rc < 0);
    hg_pgin_ranges_free(&g_inst);
    hg_buf_release(&b);
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_names),    cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_casts),          cmocka_unit_test(test_ranges_cover_everything_once),
        cmocka_unit_test(test_keys_that_wait), cmocka_unit_test(test_save_and_restore),
        cmocka_unit_test(test_positions),      cmocka_unit_test(test_what_is_asked_about_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
