/* Name resolution: types of results, nullability, common types, and the sentences when nothing fits. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"
#include "engine/func_int.h"

static int resolve(const char *fn, const char *const *specs, bool nullable, hg_func_match_t *m, hg_err_t *err)
{
    const hg_type_t *types[MAX_ARGS];
    uint32_t n = 0;
    for (; n < MAX_ARGS && specs[n]; n++) types[n] = hg_type_with_null(arena, type_of(specs[n]), nullable);
    return hg_func_resolve(arena, hg_strz(fn), types, NULL, n, m, err);
}

static void what_does_not_fit_says_so(void **state)
{
    static const struct {
        const char *fn, *args[4], *msg;
        int code;
    } cases[] = {
        { "+", { "VARCHAR", "INTEGER" }, "Cannot apply '+' to arguments of type '<VARCHAR> + <INTEGER>'", HG_ETYPE },
        { "=", { "DATE", "INTEGER" }, "Cannot apply '=' to arguments of type '<DATE> = <INTEGER>'", HG_ETYPE },
        { "+",
          { "INTERVAL DAY", "INTERVAL MONTH" },
          "Cannot apply '+' to arguments of type '<INTERVAL DAY> + <INTERVAL MONTH>'",
          HG_ETYPE },
        { "neg", { "INTEGER UNSIGNED" }, "Cannot apply '-' to arguments of type '-<INTEGER UNSIGNED>'", HG_ETYPE },
        { "upper", { "INTEGER" }, "Cannot apply 'UPPER' to arguments of type 'UPPER(<INTEGER>)'", HG_ETYPE },
        { "upper",
          { "VARCHAR", "VARCHAR" },
          "Invalid number of arguments to function 'UPPER'. Was expecting 1 arguments",
          HG_ETYPE },
        { "substring",
          { "VARCHAR" },
          "Invalid number of arguments to function 'SUBSTRING'. Was expecting 2 to 3 arguments",
          HG_ETYPE },
        { "concat",
          { NULL },
          "Invalid number of arguments to function 'CONCAT'. Was expecting 1 or more arguments",
          HG_ETYPE },
        { "frobnicate",
          { "VARCHAR", "DECIMAL(4, 2)" },
          "No match found for function signature FROBNICATE(<VARCHAR>, <DECIMAL(4, 2)>)",
          HG_ENOTFOUND },
        { "extract:fortnight", { "DATE" }, "'fortnight' is not a valid time unit", HG_ETYPE },
        { "extract:hour",
          { "INTERVAL MONTH" },
          "Cannot apply 'EXTRACT' to arguments of type 'EXTRACT(<INTERVAL MONTH>)'",
          HG_ETYPE },
        { "upper:day", { "VARCHAR" }, "No match found for function signature UPPER(<VARCHAR>)", HG_ENOTFOUND },
        { "nullif",
          { "INTEGER", "DATE" },
          "Cannot apply 'NULLIF' to arguments of type 'NULLIF(<INTEGER>, <DATE>)'",
          HG_ETYPE },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_func_match_t m;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(resolve(cases[i].fn, cases[i].args, true, &m, &err), cases[i].code);
        assert_string_equal(err.msg, cases[i].msg);
    }
    assert_true(hg_func_exists(HG_S("substring")));
    assert_true(hg_func_exists(HG_S("extract:year")));
    assert_false(hg_func_exists(HG_S("frobnicate")));
}

static void results_are_nullable_only_if_they_can_be(void **state)
{
    static const struct {
        const char *fn, *args[3];
        bool of_not_null, of_nullable;
    } cases[] = {
        { "+", { "INTEGER", "INTEGER" }, false, true },
        { "/", { "INTEGER", "INTEGER" }, false, true },
        { "=", { "VARCHAR", "VARCHAR" }, false, true },
        { "is distinct from", { "VARCHAR", "VARCHAR" }, false, false },
        { "div_null", { "INTEGER", "INTEGER" }, true, true },
        { "nullif", { "INTEGER", "INTEGER" }, true, true },
        { "[]", { "INTEGER ARRAY", "INTEGER" }, true, true },
        { "make_date", { "INTEGER", "INTEGER", "INTEGER" }, true, true },
        { "greatest", { "INTEGER", "INTEGER" }, false, true },
        { "greatest_ignore_nulls", { "INTEGER", "INTEGER" }, false, true },
        { "extract:year", { "DATE" }, false, true },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_func_match_t m;
        hg_err_t err = HG_ERR_INIT;
        const char *args[MAX_ARGS] = { cases[i].args[0], cases[i].args[1], cases[i].args[2] };
        for (int nullable = 0; nullable < 2; nullable++) {
            assert_int_equal(resolve(cases[i].fn, args, nullable, &m, &err), 0);
            if (m.result->nullable != (nullable ? cases[i].of_nullable : cases[i].of_not_null))
                fail_msg("%s of %s", cases[i].fn, nullable ? "nullable" : "NOT NULL");
        }
    }
}

static void common_types(void **state)
{
    static const char *const cases[][3] = {
        { "INTEGER", "BIGINT", "BIGINT" },
        { "TINYINT", "TINYINT UNSIGNED", "TINYINT UNSIGNED" },
        { "BIGINT", "INTEGER UNSIGNED", "BIGINT" },
        { "INTEGER", "DECIMAL(5, 2)", "DECIMAL(12, 2)" },
        { "DECIMAL(38, 0)", "DECIMAL(38, 38)", "DECIMAL(38, 38)" },
        { "DECIMAL(5, 2)", "REAL", "DOUBLE" },
        { "INTEGER", "REAL", "REAL" },
        { "CHAR(3)", "CHAR(3)", "CHAR(3)" },
        { "CHAR(3)", "CHAR(5)", "VARCHAR(5)" },
        { "CHAR(3)", "VARCHAR", "VARCHAR" },
        { "BINARY(2)", "VARBINARY(7)", "VARBINARY(7)" },
        { "DATE", "TIMESTAMP", "TIMESTAMP" },
        { "NULL", "UUID", "UUID" },
        { "INTERVAL DAY", "INTERVAL HOUR", "INTERVAL DAY TO SECOND" },
        { "INTERVAL YEAR", "INTERVAL MONTH", "INTERVAL YEAR TO MONTH" },
        { "INTEGER ARRAY", "BIGINT ARRAY", "BIGINT ARRAY" },
        { "INTEGER", "VARCHAR", NULL },
        { "DATE", "TIME", NULL },
        { "INTERVAL DAY", "INTERVAL MONTH", NULL },
        { "INTEGER ARRAY", "INTEGER", NULL },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        for (int swap = 0; swap < 2; swap++) {
            const hg_type_t *t = hg_type_common(arena, type_of(cases[i][swap]), type_of(cases[i][!swap]));
            if (!cases[i][2]) {
                if (t) fail_msg("%s, %s", cases[i][0], cases[i][1]);
                continue;
            }
            hg_buf_t text;
            hg_buf_init(&text, HG_BUF_NOMAX);
            if (t) hg_type_text(&text, t);
            if (!t || strcmp(text.p, cases[i][2]) != 0) fail_msg("%s, %s: %s", cases[i][0], cases[i][1], text.p);
            hg_buf_release(&text);
        }
    }
}

static void string_literals_keep_their_digits(void **state)
{
    hg_col_t *lits[2] = { NULL, value("VARCHAR|1.55") };
    const hg_type_t *types[2] = { type_of("DECIMAL(10, 1)"), type_of("VARCHAR") };
    hg_func_match_t m;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_func_resolve(arena, HG_S("="), types, lits, 2, &m, &err), 0);
    assert_int_equal(m.arg_types[1]->kind, HG_T_DECIMAL);
    assert_int_equal(m.arg_types[1]->scale, 2);
    lits[1] = NULL; /* a column of text is not a number */
    assert_int_equal(hg_func_resolve(arena, HG_S("="), types, lits, 2, &m, &err), HG_ETYPE);
}

static void check_row(void *arg, const char *name, const char *signature, const char *doc)
{
    uint32_t *n = arg;
    if (!name[0] || !signature[0] || !doc) fail_msg("a row without name or signature: '%s'", name);
    (*n)++;
}

static void the_list_is_whole(void **state)
{
    uint32_t n = 0;
    (void)state;
    hg_func_list(check_row, &n);
    assert_int_equal(n, hg_n_funcs);
    for (uint32_t i = 0; i < hg_n_funcs; i++) {
        const hg_func_t *f = &hg_funcs[i];
        if (!f->kernel || !f->args || (!f->bind && !strchr(f->args, '>')))
            fail_msg("row of '%s' is not complete", f->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_does_not_fit_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_nullable_only_if_they_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(common_types, setup, teardown),
        cmocka_unit_test_setup_teardown(string_literals_keep_their_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(the_list_is_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
