/* Aggregates: exact sums, overflow only of the result, groups, filters, weights, DISTINCT. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"
#include "engine/agg_int.h"

/* A column from a list of values "a,b,NULL". */
static hg_col_t *col_of(const char *type, const char *list)
{
    hg_colb_t b;
    char spec[128];
    hg_colb_init(&b, type_of(type));
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        snprintf(spec, sizeof spec, "%s|%.*s", type, (int)n, p);
        assert_int_equal(hg_colb_copy(&b, value(spec), 0), 0);
        p += n + (p[n] != 0);
    }
    hg_col_t *c = hg_colb_seal(&b);
    hg_colb_release(&b);
    return keep(c);
}

static hg_agg_call_t call_of(const char *fn, const hg_type_t *arg)
{
    hg_agg_call_t c = { 0 };
    hg_err_t err = HG_ERR_INIT;
    if (hg_agg_resolve(arena, hg_strz(fn), arg, false, &c.fn, &c.type, &err) < 0) fail_msg("%s: %s", fn, err.msg);
    c.arg = arg ? column(0, arg) : NULL;
    return c;
}

/* Finish call 0 of a over n groups: "a,b,NULL" or "!message". */
static void expect(hg_aggs_t *a, uint32_t n, const char *what, const char *want)
{
    char text[512] = "", cell[128];
    size_t at = 0;
    hg_err_t err = HG_ERR_INIT;
    hg_col_t *col = NULL;
    int rc = hg_aggs_finish(a, 0, n, &col, &err);
    if (rc < 0) {
        assert_int_equal(rc, HG_EEVAL);
        assert_int_equal(err.pos.line, 7);
        snprintf(text, sizeof text, "!%s", err.msg);
    }
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        show(col, i, cell, sizeof cell);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "," : "", cell);
    }
    hg_col_drop(col);
    if (strcmp(text, want) != 0) fail_msg("%s: '%s', expected '%s'", what, text, want);
}

static void one_group(void **state)
{
    static const struct {
        const char *fn, *type, *values, *want;
        bool distinct;
    } cases[] = {
        { "count", "INTEGER", "1,NULL,3", "2", false },
        { "count", "VARCHAR", "a,b,a,NULL,A", "3", true },
        { "count", "DOUBLE", "0,-0,NaN,NaN", "2", true },
        { "sum", "INTEGER", "1,NULL,3", "4", false },
        { "sum", "INTEGER", "3,3,3", "3", true },
        { "sum", "INTEGER", "2147483647,1", "!SUM(INTEGER) overflows INTEGER", false },
        { "sum", "INTEGER", "2147483647,1,-1", "2147483647", false },
        { "sum", "TINYINT UNSIGNED", "200,55", "255", false },
        { "sum", "TINYINT UNSIGNED", "200,56", "!SUM(TINYINT UNSIGNED) overflows TINYINT UNSIGNED", false },
        { "sum", "BIGINT", "9223372036854775807,9223372036854775807,-9223372036854775807", "9223372036854775807",
          false },
        { "sum", "BIGINT UNSIGNED", "18446744073709551615,1", "!SUM(BIGINT UNSIGNED) overflows BIGINT UNSIGNED",
          false },
        { "sum", "DECIMAL(5, 2)", "999.99,0.01,NULL", "1000.00", false },
        { "sum", "DECIMAL(38, 0)", "99999999999999999999999999999999999999,1",
          "!SUM(DECIMAL(38, 0)) overflows DECIMAL(38, 0)", false },
        { "sum", "DECIMAL(38, 0)",
          "99999999999999999999999999999999999999,99999999999999999999999999999999999999,-"
          "99999999999999999999999999999999999999",
          "99999999999999999999999999999999999999", false },
        { "sum", "DOUBLE", "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9", "4.5", false },
        { "sum", "DOUBLE", "1e100,1,-1e100", "1.0", false },
        { "sum", "DOUBLE", "Infinity,-Infinity", "NaN", false },
        { "sum", "REAL", "0.5,0.25", "0.75", false },
        { "avg", "INTEGER", "1,2,2", "1", false },
        { "avg", "INTEGER", "-1,-2,-2", "-1", false },
        { "avg", "INTEGER", "2147483647,2147483647", "2147483647", false },
        { "avg", "DECIMAL(5, 2)", "1.00,2.00,2.00", "1.66", false },
        { "avg", "DOUBLE", "1,2", "1.5", false },
        { "min", "INTEGER", "3,NULL,-1,2", "-1", false },
        { "max", "INTEGER", "3,NULL,-1,2", "3", false },
        { "max", "DOUBLE", "1,NaN,Infinity", "NaN", false },
        { "min", "VARCHAR", "b,ab,abc,NULL", "ab", false },
        { "max", "VARCHAR", "b,ab,bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,abc", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          false },
        { "min", "BOOLEAN", "true,false,true", "FALSE", false },
        { "max", "DATE", "2024-02-29,2023-01-01", "2024-02-29", false },
        { "min", "DECIMAL(5, 2)", "1.50,-1.50", "-1.50", false },
        { "max", "UUID", "00112233-4455-6677-8899-aabbccddeeff,f0112233-4455-6677-8899-aabbccddeeff",
          "f0112233-4455-6677-8899-aabbccddeeff", false },
        { "max", "INTERVAL HOUR", "1,5", "+5", false },
        { "sum", "INTEGER", "NULL,NULL", "NULL", false },
        { "max", "VARCHAR", "NULL", "NULL", false },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_col_t *col = col_of(cases[i].type, cases[i].values);
        hg_agg_call_t c = call_of(cases[i].fn, col->type);
        hg_aggs_t *a = NULL;
        hg_err_t err = HG_ERR_INIT;
        char what[200];
        snprintf(what, sizeof what, "%s %s %s", cases[i].fn, cases[i].type, cases[i].values);
        c.distinct = cases[i].distinct;
        assert_int_equal(hg_aggs_new(&c, 1, &a, &err), 0);
        assert_int_equal(hg_aggs_update(a, NULL, 1, col->len, &col, NULL, NULL, &err), 0);
        expect(a, 1, what, cases[i].want);
        assert_true(hg_aggs_mem(a) > 0);
        hg_aggs_free(a);
    }
}

static void groups_filters_and_weights(void **state)
{
    static const struct {
        const char *fn, *want;
        bool distinct, filtered, weighted;
    } cases[] = {
        { "count", "2,2,0,1", false, false, false },    { "count", "2,1,0,1", true, false, false },
        { "count", "1,2,0,0", false, true, false },     { "count", "5,1,0,-1", false, false, true },
        { "sum", "3,10,NULL,7", false, false, false },  { "sum", "3,5,NULL,7", true, false, false },
        { "sum", "8,5,NULL,-7", false, false, true },   { "min", "1,5,NULL,7", false, false, false },
        { "max", "2,5,NULL,NULL", false, false, true }, { "avg", "1,5,NULL,7", false, false, false },
    };
    /* group 0: 1 and 2, group 1: 5 and 5, group 2: NULL, group 3: 7 */
    static const uint32_t groups[] = { 0, 1, 0, 2, 1, 3 };
    static const int64_t weights[] = { 2, -1, 3, 1, 2, -1 };
    hg_col_t *col = col_of("INTEGER", "1,5,2,NULL,5,7"), *filter = col_of("BOOLEAN", "true,true,false,true,true,NULL");
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_agg_call_t c = call_of(cases[i].fn, col->type);
        hg_aggs_t *a = NULL;
        hg_err_t err = HG_ERR_INIT;
        char what[64];
        snprintf(what, sizeof what, "case %zu", i);
        c.distinct = cases[i].distinct;
        assert_int_equal(hg_aggs_new(&c, 1, &a, &err), 0);
        assert_int_equal(hg_aggs_update(a, groups, 4, 6, &col, cases[i].filtered ? &filter : NULL,
                                        cases[i].weighted ? weights : NULL, &err),
                         0);
        expect(a, 4, what, cases[i].want);
        hg_aggs_free(a);
    }
}

static void count_star_and_nothing_at_all(void **state)
{
    hg_agg_call_t c = call_of("count", NULL), sum = call_of("sum", type_of("DECIMAL(5, 2)"));
    hg_aggs_t *a = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_col_t *none[1] = { NULL };
    (void)state;
    assert_int_equal(hg_aggs_new(&c, 1, &a, &err), 0);
    expect(a, 1, "empty", "0");
    assert_int_equal(hg_aggs_update(a, NULL, 1, 1000, none, NULL, NULL, &err), 0);
    expect(a, 1, "count(*)", "1000");
    hg_aggs_free(a);
    assert_int_equal(hg_aggs_new(&sum, 1, &a, &err), 0);
    expect(a, 1, "empty sum", "NULL");
    hg_aggs_free(a);
}

/* A float sum does not depend on the order of rows, and taking rows back leaves nothing behind. */
static void float_sums_are_exact(void **state)
{
    enum { N = 2000 };
    hg_colb_t up, down;
    hg_agg_call_t c = call_of("sum", type_of("DOUBLE"));
    int64_t minus[N], thirds[N];
    uint64_t seed = 7;
    double v[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        v[i] = ((double)(int64_t)seed / 3e18) * (i % 7 ? 1e-9 : 1e15);
        minus[i] = -1;
        thirds[i] = 3;
    }
    hg_colb_init(&up, type_of("DOUBLE"));
    hg_colb_init(&down, type_of("DOUBLE"));
    for (int i = 0; i < N; i++) {
        assert_int_equal(hg_colb_f64(&up, v[i]), 0);
        assert_int_equal(hg_colb_f64(&down, v[N - 1 - i]), 0);
    }
    hg_col_t *cols[2] = { keep(hg_colb_seal(&up)), keep(hg_colb_seal(&down)) }, *sums[2];
    hg_aggs_t *a = NULL;
    hg_err_t err = HG_ERR_INIT;
    for (int k = 0; k < 2; k++) {
        assert_int_equal(hg_aggs_new(&c, 1, &a, &err), 0);
        assert_int_equal(hg_aggs_update(a, NULL, 1, N, &cols[k], NULL, NULL, &err), 0);
        assert_int_equal(hg_aggs_finish(a, 0, 1, &sums[k], &err), 0);
        if (k == 0) hg_aggs_free(a);
    }
    assert_memory_equal(sums[0]->data, sums[1]->data, sizeof(double));
    hg_col_drop(sums[0]);
    hg_col_drop(sums[1]);
    /* three times more, then four times less: what is left is exactly nothing */
    assert_int_equal(hg_aggs_update(a, NULL, 1, N, &cols[0], NULL, thirds, &err), 0);
    for (int k = 0; k < 4; k++) assert_int_equal(hg_aggs_update(a, NULL, 1, N, &cols[1], NULL, minus, &err), 0);
    hg_col_t *one = col_of("DOUBLE", "0.125");
    assert_int_equal(hg_aggs_update(a, NULL, 1, 1, &one, NULL, NULL, &err), 0);
    expect(a, 1, "what is left", "0.125");
    hg_aggs_free(a);
    hg_colb_release(&up);
    hg_colb_release(&down);
}

/* DISTINCT against a model: values modulo a number, over many groups and updates. */
static void distinct_over_many_groups(void **state)
{
    enum { ROUNDS = 20, N = 1000, GROUPS = 50, VALUES = 37 };
    static bool seen[GROUPS][VALUES];
    static uint32_t groups[N];
    int64_t want[GROUPS] = { 0 };
    hg_agg_call_t c = call_of("count", type_of("VARCHAR"));
    hg_aggs_t *a = NULL;
    hg_err_t err = HG_ERR_INIT;
    uint64_t seed = 3;
    (void)state;
    c.distinct = true;
    assert_int_equal(hg_aggs_new(&c, 1, &a, &err), 0);
    for (int r = 0; r < ROUNDS; r++) {
        hg_colb_t b;
        hg_colb_init(&b, type_of("VARCHAR"));
        for (int i = 0; i < N; i++) {
            char text[32];
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t g = (uint32_t)(seed >> 40) % GROUPS, v = (uint32_t)(seed >> 20) % VALUES;
            groups[i] = g;
            want[g] += !seen[g][v];
            seen[g][v] = true;
            assert_int_equal(hg_colb_var(&b, text, (size_t)snprintf(text, sizeof text, "value %u", v)), 0);
        }
        hg_col_t *col = hg_colb_seal(&b);
        hg_colb_release(&b);
        assert_int_equal(hg_aggs_update(a, groups, GROUPS, N, &col, NULL, NULL, &err), 0);
        hg_col_drop(col);
    }
    hg_col_t *col = NULL;
    assert_int_equal(hg_aggs_finish(a, 0, GROUPS, &col, &err), 0);
    assert_memory_equal(col->data, want, sizeof want);
    hg_col_drop(col);
    hg_aggs_free(a);
}

static void result_types(void **state)
{
    static const struct {
        const char *fn, *arg, *want;
        bool nullable_if_grouped;
    } cases[] = {
        { "count", "VARCHAR", "BIGINT", false },
        { "sum", "INTEGER", "INTEGER", true },
        { "sum", "DECIMAL(5, 2)", "DECIMAL(38, 2)", true },
        { "avg", "DECIMAL(5, 2)", "DECIMAL(5, 2)", true },
        { "avg", "INTEGER", "INTEGER", true },
        { "min", "VARCHAR(5)", "VARCHAR(5)", true },
        { "sum", "VARCHAR", "!Cannot apply 'SUM' to arguments of type 'SUM(<VARCHAR>)'", false },
        { "max", "INTEGER ARRAY", "!Cannot apply 'MAX' to arguments of type 'MAX(<INTEGER ARRAY>)'", false },
        { "median", "INTEGER", "!no aggregate 'median'", false },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_agg_t fn;
        const hg_type_t *t = NULL, *arg = type_of(cases[i].arg);
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_agg_resolve(arena, hg_strz(cases[i].fn), arg, true, &fn, &t, &err);
        if (cases[i].want[0] == '!') {
            assert_true(rc < 0);
            assert_string_equal(err.msg, cases[i].want + 1);
            continue;
        }
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        hg_type_text(&text, t);
        assert_string_equal(text.p, cases[i].want);
        hg_buf_release(&text);
        assert_int_equal(t->nullable, cases[i].nullable_if_grouped);
        arg = hg_type_with_null(arena, arg, false);
        assert_int_equal(hg_agg_resolve(arena, hg_strz(cases[i].fn), arg, true, &fn, &t, &err), 0);
        assert_false(t->nullable);
        assert_int_equal(hg_agg_resolve(arena, hg_strz(cases[i].fn), arg, false, &fn, &t, &err), 0);
        assert_int_equal(t->nullable, cases[i].nullable_if_grouped);
    }
    hg_agg_t fn;
    const hg_type_t *t;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_agg_resolve(arena, HG_S("sum"), NULL, true, &fn, &t, &err), HG_ETYPE);
    assert_string_equal(err.msg, "Cannot apply 'SUM' to arguments of type 'SUM(*)'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_group, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_filters_and_weights, setup, teardown),
        cmocka_unit_test_setup_teardown(count_star_and_nothing_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(float_sums_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(distinct_over_many_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(result_types, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
