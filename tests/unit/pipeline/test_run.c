/* A pipeline from its first record to its last: completion, files, labels, tokens, failures. test-labels: threads */
#include "tests/unit/pipeline/kit.h"

#define DATAGEN(name, limit, more)                                                                                     \
    "{\"name\":\"" name "\",\"transport\":{\"name\":\"datagen\",\"config\":{\"plan\":[{\"limit\":" #limit              \
    ",\"fields\":{\"id\":{\"strategy\":\"increment\"}}}]}}" more "}"

static void test_datagen_to_file(void **state)
{
    (void)state;
    rig_t r;
    char sql[2048];
    rig_init(&r);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[" DATAGEN("a", 20000, "") "," DATAGEN(
                 "b", 10000,
                 "") "]');"
                     "CREATE VIEW v WITH ('connectors' = "
                     "'[{\"name\":\"f\",\"transport\":{\"name\":\"file_output\",\"config\":"
                     "{\"path\":\"%s/"
                     "out\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"n\",\"transport\":{\"name\":\"null_output\"}}"
                     "]') AS SELECT id + 1 AS x FROM t;",
             r.dir);
    rig_up(&r, sql, true);
    wait_complete(&r);
    hg_pipeline_totals_t t = totals(&r);
    assert_int_equal(t.input_records, 30000);
    assert_int_equal(t.completed_records, 30000);
    /* complete means delivered, so the file is whole before anything is stopped */
    assert_int_equal(count_lines(r.dir, "out"), 30000);
    rig_down(&r, true);
    assert_int_equal(r.ended.code, 0);
}

/* A hundred connectors, each waiting for the one before; the order of what they bring is the order of the chain. */
static void test_chain_of_hundred(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t sql;
    rig_init(&r);
    hg_buf_init(&sql, HG_BUF_NOMAX);
    hg_buf_adds(&sql, "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[");
    for (int i = 0; i < 100; i++) {
        hg_buf_addf(&sql, "%s{\"name\":\"c%d\",\"labels\":[\"l%d\"],", i ? "," : "", i, i);
        if (i) hg_buf_addf(&sql, "\"start_after\":[\"l%d\"],", i - 1);
        hg_buf_addf(&sql,
                    "\"transport\":{\"name\":\"datagen\",\"config\":{\"plan\":[{\"limit\":10,\"fields\":{\"id\":"
                    "{\"strategy\":\"increment\",\"range\":[%d,%d]}}}]}}}",
                    i * 10, i * 10 + 10);
    }
    hg_buf_addf(&sql,
                "]'); CREATE VIEW v WITH ('connectors' = '[{\"name\":\"f\",\"transport\":{\"name\":\"file_output\","
                "\"config\":{\"path\":\"%s/out\"}},\"format\":{\"name\":\"csv\"}}]') AS SELECT id FROM t;",
                r.dir);
    rig_up(&r, sql.p, true);
    hg_buf_release(&sql);
    wait_complete(&r);
    char path[128];
    snprintf(path, sizeof path, "%s/out", r.dir);
    FILE *f = fopen(path, "r");
    long id, n = 0;
    assert_non_null(f);
    while (fscanf(f, "%ld%*[^\n]\n", &id) == 1) assert_int_equal(id, n++);
    fclose(f);
    assert_int_equal(n, 1000);
    rig_down(&r, false);
}

/* start and pause from the API in every state; nothing is lost and the end comes when everybody was started. */
static void test_start_pause_storm(void **state)
{
    (void)state;
    rig_t r;
    uint32_t seed = 7;
    rig_init(&r);
    rig_up(
        &r,
        "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[" DATAGEN(
            "a", 30000,
            ",\"labels\":[\"l\"]") "," DATAGEN("b", 30000,
                                               ",\"start_after\":[\"l\"]") "," DATAGEN("c", 30000,
                                                                                       ",\"paused\":true") "]');"
                                                                                                           "CREATE "
                                                                                                           "VIEW v "
                                                                                                           "WITH "
                                                                                                           "('"
                                                                                                           "connectors'"
                                                                                                           " = "
                                                                                                           "'[{"
                                                                                                           "\"name\":"
                                                                                                           "\"n\","
                                                                                                           "\"transport"
                                                                                                           "\":{"
                                                                                                           "\"name\":"
                                                                                                           "\"null_"
                                                                                                           "output\"}}]"
                                                                                                           "') AS "
                                                                                                           "SELECT id "
                                                                                                           "FROM t;",
        true);
    for (int i = 0; i < 200; i++) {
        static const char *const names[] = { "t.a", "t.b", "t.c" };
        static const char *const acts[] = { "start", "pause" };
        char path[100];
        if (dice(&seed, 8) == 0)
            assert_int_equal(http(&r, "POST", dice(&seed, 2) ? "start" : "pause", NULL, NULL), 200);
        snprintf(path, sizeof path, "input_endpoints/%s/%s", names[dice(&seed, 3)], acts[dice(&seed, 2)]);
        assert_int_equal(http(&r, "POST", path, NULL, NULL), 200);
        totals(&r);
    }
    assert_int_equal(http(&r, "POST", "input_endpoints/t.a/start", NULL, NULL), 200);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.b/start", NULL, NULL), 200);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.c/start", NULL, NULL), 200);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.d/start", NULL, NULL), 404);
    assert_int_equal(http(&r, "POST", "start", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, 90000);
    rig_down(&r, true);
}

/* Once complete a token stays so; complete steps never go back. */
static void test_tokens_monotone(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t tokens[64];
    uint64_t last = 0;
    rig_init(&r);
    rig_up(&r,
           "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[" DATAGEN(
               "a", 200000, "") "]');"
                                "CREATE VIEW v WITH ('connectors' = '[{\"name\":\"n\",\"transport\":{\"name\":"
                                "\"null_output\"}}]') AS SELECT id FROM t;",
           true);
    bool done[64] = { false };
    for (int i = 0; i < 64; i++) {
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&tokens[i], 4096);
        assert_int_equal(hg_pipeline_token(r.p, HG_S("t.a"), &tokens[i], &err), 0);
        for (int k = 0; k <= i; k++) {
            bool now = token_complete(&r, hg_buf_str(&tokens[k]));
            assert_true(now || !done[k]);
            done[k] = now;
        }
        hg_pipeline_totals_t t = totals(&r);
        assert_true(t.completed_steps >= last);
        last = t.completed_steps;
    }
    wait_complete(&r);
    for (int i = 0; i < 64; i++) {
        assert_true(token_complete(&r, hg_buf_str(&tokens[i])));
        hg_buf_release(&tokens[i]);
    }
    rig_down(&r, false);
}

/* An overflow ends the pipeline with its place; nobody hangs, whatever is open. */
static void test_evaluation_error(void **state)
{
    (void)state;
    rig_t r;
    rig_init(&r);
    rig_up(&r,
           "CREATE TABLE t (id INT NOT NULL) WITH ('materialized' = 'true');\n"
           "CREATE MATERIALIZED VIEW v AS\nSELECT id + 2147483647 AS x FROM t;",
           true);
    assert_int_equal(http(&r, "POST", "ingress/t?format=csv", "-5\n", NULL), 200);
    int fd = dial(&r, "POST /egress/v?format=csv&backpressure=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_true(fd >= 0);
    http(&r, "POST", "ingress/t?format=csv", "5\n", NULL); /* 200 or cut, as the race goes */
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    while (hear(fd, &b, "\n\n\n")) {
    }
    close(fd);
    hg_buf_release(&b);
    rig_join(&r);
    assert_int_equal(r.ended.code, HG_EEVAL);
    assert_int_equal(r.ended.pos.line, 3);
}

/* A file that is not there fails its connector only; once it is there, the user's start reads it. */
static void test_failed_then_started(void **state)
{
    (void)state;
    rig_t r;
    char sql[1024], why[1024];
    rig_init(&r);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[{\"name\":\"f\",\"transport\":{\"name\":"
             "\"file_input\",\"config\":{\"path\":\"%s/in\"}},\"format\":{\"name\":\"csv\"}}]');"
             "CREATE VIEW v AS SELECT id FROM t;",
             r.dir);
    rig_up(&r, sql, true);
    while (!hg_pipeline_failed(r.p, why, sizeof why)) nap();
    assert_non_null(strstr(why, "t.f failed"));
    assert_false(totals(&r).complete);
    put_file(r.dir, "in", "1\n2\n3\n");
    assert_int_equal(http(&r, "POST", "input_endpoints/t.f/start", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, 3);
    assert_false(hg_pipeline_failed(r.p, why, sizeof why));
    rig_down(&r, true);
}

/* What cannot be made leaves nothing behind. */
static void test_not_made(void **state)
{
    (void)state;
    rig_t r;
    rig_init(&r);
    rig_up(&r, "CREATE TABLE t (id BIGINT NOT NULL); CREATE VIEW v AS SELECT id FROM t;", true);
    rig_t second;
    rig_init(&second);
    memcpy(second.sock, r.sock, sizeof r.sock); /* taken */
    second.program = hg_compile(HG_S("CREATE TABLE t (id BIGINT NOT NULL);"), &(hg_compile_opts_t){ 0 });
    second.control = hg_loop_new("control");
    hg_loop_start(second.control);
    hg_loop_call(second.control, rig_make, &second);
    assert_int_equal(second.rc, HG_EBUSY);
    second.s = NULL;
    rig_down(&second, false);
    rig_down(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagen_to_file),   cmocka_unit_test(test_chain_of_hundred),
        cmocka_unit_test(test_start_pause_storm), cmocka_unit_test(test_tokens_monotone),
        cmocka_unit_test(test_evaluation_error),  cmocka_unit_test(test_failed_then_started),
        cmocka_unit_test(test_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
