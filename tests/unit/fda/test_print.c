/* Nested tables and JSON look as the real fda prints them: the expected pictures are its own for the same documents. */
#include "base/hg.h"
#include <setjmp.h>
#include <unistd.h>
#include <cmocka.h>
#include "fda/fda_int.h"

typedef struct {
    hg_arena_t *arena;
    hg_json_t *v;
    fda_table_t kind;
    bool json, verbatim;
} job_t;

static void print(const job_t *j)
{
    if (j->json)
        fda_print_json(j->v, j->verbatim);
    else
        fda_print_nested(j->v, j->kind);
}

/* What print() writes to stdout. */
static char *capture(job_t *j, const char *text)
{
    hg_err_t err;
    static char out[16384];
    FILE *tmp = tmpfile();
    j->arena = hg_arena_new();
    assert_non_null(tmp);
    assert_int_equal(hg_json_parse(j->arena, hg_strz(text), &j->v, &err), 0);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(tmp), STDOUT_FILENO) >= 0);
    print(j);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    rewind(tmp);
    out[fread(out, 1, sizeof out - 1, tmp)] = 0;
    fclose(tmp);
    hg_arena_free(j->arena);
    return out;
}

static void aligned_keys_share_a_column(void **state)
{
    (void)state;
    job_t j = { .kind = FDA_ALIGNED };
    const char *text =
        "{\"deployment_status_since\": \"2026-11-21T02:44:30.671040Z\", \"deployment_desired_status\": null,"
        " \"deployment_error\": {\"message\": \"it broke: \xc3\xbcn\xc3\xaf\\nsecond line\", \"details\": {"
        "\"l\": [{\"a\": 1, \"b\": [true, null]}, {\"a\": 2.5}], \"e\": [], \"o\": {}, \"t\": \"q\\\"z\"}}}";
    assert_string_equal(capture(&j, text), "+---------------------------+-----------------------------+\n"
                                           "| deployment_desired_status |                             |\n"
                                           "+---------------------------+---------+---+---------------+\n"
                                           "| deployment_error          | details | e |               |\n"
                                           "|                           |         +---+---+-----------+\n"
                                           "|                           |         | l | a | 1         |\n"
                                           "|                           |         |   +---+-----------+\n"
                                           "|                           |         |   | b | true      |\n"
                                           "|                           |         |   |   +-----------+\n"
                                           "|                           |         |   |   |           |\n"
                                           "|                           |         |   +---+-----------+\n"
                                           "|                           |         |   | a | 2.5       |\n"
                                           "|                           |         +---+---+-----------+\n"
                                           "|                           |         | o |               |\n"
                                           "|                           |         +---+---------------+\n"
                                           "|                           |         | t | q\"z           |\n"
                                           "|                           +---------+---+---------------+\n"
                                           "|                           | message | it broke: \xc3\xbcn\xc3\xaf     |\n"
                                           "|                           |         | second line       |\n"
                                           "+---------------------------+---------+-------------------+\n"
                                           "| deployment_status_since   | 2026-11-21T02:44:30.671040Z |\n"
                                           "+---------------------------+-----------------------------+\n");
}

static void spread_rows_fill_the_width(void **state)
{
    (void)state;
    job_t j = { .kind = FDA_SPREAD };
    const char *text = "{\"barrier\": false, \"config\": {\"stream\": \"price\"}, \"gone\": null, \"parse_errors\": [],"
                       " \"endpoint_name\": \"price.hist\", \"metrics\": {\"total_bytes\": 200,"
                       " \"processing_latency_p99_micros\": 95}, \"paused\": false}";
    assert_string_equal(capture(&j, text), "+------------------------+---------------------+\n"
                                           "| barrier                | false               |\n"
                                           "+------------------+-----+-------+-------------+\n"
                                           "| config           | stream      | \"price\"     |\n"
                                           "+------------------+----+--------+-------------+\n"
                                           "| endpoint_name         | \"price.hist\"         |\n"
                                           "+---------+-------------+-----------------+----+\n"
                                           "| metrics | processing_latency_p99_micros | 95 |\n"
                                           "|         +----------------------+--------+----+\n"
                                           "|         | total_bytes          | 200         |\n"
                                           "+---------+-------------------+--+-------------+\n"
                                           "| parse_errors                |                |\n"
                                           "+-----------------------+-----+----------------+\n"
                                           "| paused                | false                |\n"
                                           "+-----------------------+----------------------+\n");
}

static void json_is_sorted_without_nulls(void **state)
{
    (void)state;
    job_t j = { .json = true };
    const char *text =
        "{\"b\": 18446744073709551615, \"a\": null, \"tags\": [], \"runtime_config\": {\"z\": null, \"a\": {}},"
        " \"l\": [1, null, \"x\\ny\"]}";
    assert_string_equal(capture(&j, text), "{\n"
                                           "  \"b\": 18446744073709551615,\n"
                                           "  \"l\": [\n"
                                           "    1,\n"
                                           "    null,\n"
                                           "    \"x\\ny\"\n"
                                           "  ],\n"
                                           "  \"runtime_config\": {\n"
                                           "    \"z\": null,\n"
                                           "    \"a\": {}\n"
                                           "  }\n"
                                           "}\n");
    j.verbatim = true;
    assert_string_equal(capture(&j, "{\"b\": [], \"a\": null}"), "{\n  \"b\": [],\n  \"a\": null\n}\n");
}

static void numbers_and_times_for_people(void **state)
{
    fda_t f = { .arena = hg_arena_new() };
    (void)state;
    assert_string_equal(fda_thousands(&f, "7"), "7");
    assert_string_equal(fda_thousands(&f, "123456"), "123,456");
    assert_string_equal(fda_thousands(&f, "18446744073709551615"), "18,446,744,073,709,551,615");
    assert_string_equal(fda_duration(&f, 1600), "2 s");
    assert_string_equal(fda_duration(&f, 600000), "10 min");
    assert_string_equal(fda_duration(&f, 3 * 3600000 + 240000), "3 h 4 min");
    assert_string_equal(fda_path(&f, "/v0/pipelines/%s/query?sql=%s", "a b", "x&y/\"z\""),
                        "/v0/pipelines/a%20b/query?sql=x%26y%2F%22z%22");
    hg_arena_free(f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_keys_share_a_column),
        cmocka_unit_test(spread_rows_fill_the_width),
        cmocka_unit_test(json_is_sorted_without_nulls),
        cmocka_unit_test(numbers_and_times_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
