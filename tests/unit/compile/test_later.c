/* Refusals. What Feldera has and headgate does not yet is named with its place: never as if it did not exist, never run
 * half-understood. What is wrong is told with what would be right. */
#include "base/hg.h"
#include "base/mem.h"
#include "engine/func.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"

static const char *const table = "CREATE TABLE t(x INT, s VARCHAR, ts TIMESTAMP, a INT ARRAY, m MAP<VARCHAR, INT>, v "
                                 "VARIANT, r ROW(p INT, q VARCHAR));\n"
                                 "SET FELDERA_IGNORE_WARNING_UNUSED_COLUMN = 1;\n";

/* The query of a view over t, and what is refused: place, construct. */
static const struct {
    const char *query, *place, *what;
} refused[] = {
    { "SELECT md5(s) FROM t", "25-30", "The function MD5" },
    { "SELECT \"Md5\"(s) FROM t", "25-32", "The function MD5" },
    { "SELECT x FROM t WHERE ts > parse_timestamp('%Y', s)", "45-68", "The function PARSE_TIMESTAMP" },
    { "SELECT tumble_start(ts, INTERVAL 1 HOUR) FROM t GROUP BY tumble(ts, INTERVAL 1 HOUR)", "25-57",
      "The function TUMBLE_START" },
    { "SELECT stddev(x) FROM t", "25-33", "The aggregate function STDDEV" },
    { "SELECT x, e FROM t, TUMBLE(a) AS u(e)", "38-54", "The table function TUMBLE" },
    { "SELECT e FROM UNNEST(ARRAY[1]) AS u(e)", "32-55", "UNNEST in a view without a table before it" },
    { "SELECT CURRENT_DATE FROM t", "25-36", "CURRENT_DATE in a view" },
    { "SELECT NOW() FROM t", "25-29", "NOW in a view" },
    { "SELECT x FROM t INTERSECT SELECT x FROM t", "18-58", "INTERSECT in a view" },
    { "SELECT lag(x) OVER (ORDER BY ts) FROM t", "25-35", "Window function 'lag' (OVER)" },
};

static void later_constructs_are_named_with_their_place(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < HG_COUNT(refused); i++) {
        hg_buf_t sql, want, got;
        hg_buf_init(&sql, HG_BUF_NOMAX);
        hg_buf_init(&want, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        hg_buf_addf(&sql, "%sCREATE VIEW w AS %s;", table, refused[i].query);
        hg_buf_addf(&want,
                    "E 3:%s Not yet implemented: %s is not yet implemented; please file an issue if you need it\n",
                    refused[i].place, refused[i].what);
        hg_program_t *p = hg_compile(hg_buf_str(&sql), NULL);
        kit_messages(p, &got);
        bad += !kit_same("message", refused[i].query, want.p, &got) || p->ok;
        hg_program_free(p);
        hg_buf_release(&sql);
        hg_buf_release(&want);
        hg_buf_release(&got);
    }
    assert_int_equal(bad, 0);
}

/* A function that headgate has must not stand among those that it lacks. */
static void one_function(void *arg, const char *name, const char *signature, const char *doc)
{
    size_t *wrong = arg;
    char *sql = NULL;
    (void)signature;
    (void)doc;
    if (!(name[0] >= 'a' && name[0] <= 'z') || strchr(name, ' ')) return; /* an operator */
    hg_arena_t *a = hg_arena_new();
    sql = hg_arena_printf(a, "CREATE FUNCTION f(x INT) RETURNS INT AS \"%s\"(x, x, x, x, x, x, x);", name);
    hg_program_t *p = hg_compile(hg_strz(sql), NULL);
    for (uint32_t i = 0; i < p->n_msgs; i++)
        if (strcmp(p->msgs[i].error_type, "Not yet implemented") == 0 && strstr(p->msgs[i].message, "The function")) {
            printf("%s: %s\n", name, p->msgs[i].message);
            ++*wrong;
        }
    hg_program_free(p);
    hg_arena_free(a);
}

static void no_function_that_exists_is_refused(void **state)
{
    (void)state;
    size_t wrong = 0;
    hg_func_list(one_function, &wrong);
    assert_int_equal(wrong, 0);
}

static const kit_case_t near[] = {
    { "CREATE FUNCTION celsius(f INT) RETURNS INT AS (f - 32) * 5 / 9;\n"
      "CREATE FUNCTION g(f INT) RETURNS INT AS celsus(f);",
      "E 2:41-49 Compilation error: From line 2, column 41 to line 2, column 49: No match found for function signature "
      "celsus(<NUMERIC>)\n"
      "  note did you mean 'celsius'?\n" },
    { "CREATE FUNCTION g(f INT) RETURNS INT AS h(f);\n"
      "CREATE FUNCTION h(f INT) RETURNS INT AS f;",
      "E 1:41-44 Compilation error: From line 1, column 41 to line 1, column 44: Function 'h' is declared after the "
      "function that calls it\n" },
    /* refused once, where it is declared; two letters are near to nothing */
    { "CREATE FUNCTION h(f INT) RETURNS INT;\n"
      "CREATE FUNCTION g(f INT) RETURNS INT AS h(f);",
      "E 1:17-17 Not supported: Function 'h' has no SQL body: Rust user-defined functions are not available in "
      "headgate\n" },
    { "CREATE FUNCTION g(f INT) RETURNS INT AS h(f);",
      "E 1:41-44 Compilation error: From line 1, column 41 to line 1, column 44: No match found for function signature "
      "h(<NUMERIC>)\n"
      "  note there is no function of this name\n" },
};

/* Errors that say what would be right. */
static const kit_case_t hints[] = {
    { "CREATE TABLE t(a INTT, b VARCHR);",
      "E 1:18-21 Compilation error: From line 1, column 18 to line 1, column 21: Unknown identifier 'intt'\n"
      "  note did you mean the type INT?\n"
      "E 1:26-31 Compilation error: From line 1, column 26 to line 1, column 31: Unknown identifier 'varchr'\n"
      "  note did you mean the type VARCHAR?\n" },
    { "CREATE TABLE t(b VARCHR(10));", "E 1:18-23 Error parsing SQL: Encountered \"VARCHR\" at line 1, column 18. Was "
                                       "expecting a type that takes digits, "
                                       "such as VARCHAR(10).\n" },
    { "CREATE TABLE t(order INT);", "E 1:16-20 Error parsing SQL: Encountered \"order\" at line 1, column 16. Was "
                                    "expecting a column name, PRIMARY KEY "
                                    "or FOREIGN KEY; \"order\" in double quotes would be one.\n" },
    { "CREATE TABLE t(value INT NOT NULL, PRIMARY KEY (valeu));",
      "E 1:49-53 No such column: PRIMARY KEY names column 'valeu', which table 't' does not have\n"
      "  note did you mean 'value'?\n" },
    { "CREATE VIEW v AS SELECT x FROM t;\n"
      "CREATE TABLE t(x INT);",
      "E 1:32-32 Compilation error: At line 1, column 32: Object 't' not found\n"
      "  note it is declared at line 2, column 14; a view reads what is declared before it (DECLARE RECURSIVE VIEW "
      "apart)\n" },
    { "CREATE FUNCTION f(d DATE, e DATE) RETURNS INT AS d - e;",
      "E 1:50-54 Compilation error: From line 1, column 50 to line 1, column 54: Cannot apply '-' to arguments of type "
      "'<DATE> - <DATE>'\n"
      "  note the difference of two points in time needs a unit: (x - y) DAYS\n" },
    { "CREATE FUNCTION f(d DATE) RETURNS DATE AS d + 1;",
      "E 1:43-47 Compilation error: From line 1, column 43 to line 1, column 47: Cannot apply '+' to arguments of type "
      "'<DATE> + <INTEGER>'\n"
      "  note a number of days is an interval: INTERVAL 1 DAY, or INTERVAL 1 DAY * n\n" },
    { "CREATE FUNCTION f(s VARCHAR) RETURNS VARCHAR AS +s;",
      "E 1:49-50 Compilation error: From line 1, column 49 to line 1, column 50: Cannot apply '+' to arguments of type "
      "'+<VARCHAR>'\n" },
    { "CREATE FUNCTION f(i INT, s VARCHAR) RETURNS VARCHAR AS s || i;",
      "E 1:56-61 Compilation error: From line 1, column 56 to line 1, column 61: Cannot apply '||' to arguments of "
      "type "
      "'<VARCHAR> || <INTEGER>'\n"
      "  note nothing is converted silently here; write CAST(... AS VARCHAR)\n" },
    { "CREATE FUNCTION f(s VARCHAR) RETURNS BOOLEAN AS s = \"abc\";",
      "E 1:53-57 Compilation error: From line 1, column 53 to line 1, column 57: Column 'abc' not found in any table\n"
      "  note \"...\" is a name; a string is written 'abc'\n" },
};

static void errors_say_what_would_be_right(void **state)
{
    (void)state;
    kit_check_messages(hints, HG_COUNT(hints), NULL);
}

static void unknown_functions_name_the_nearest(void **state)
{
    (void)state;
    kit_check_messages(near, HG_COUNT(near), NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_constructs_are_named_with_their_place),
        cmocka_unit_test(no_function_that_exists_is_refused),
        cmocka_unit_test(unknown_functions_name_the_nearest),
        cmocka_unit_test(errors_say_what_would_be_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
