/* Stops at random moments of everything at once: whatever is under way ends, nothing leaks (the sanitizers tell),
 * nothing hangs. test-labels: threads */
#include "tests/unit/pipeline/kit.h"

static const char PROGRAM[] =
    "CREATE TABLE a (id BIGINT NOT NULL, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '["
    "{\"name\":\"g\",\"labels\":[\"l\"],\"transport\":{\"name\":\"datagen\",\"config\":{\"plan\":[{\"limit\":20000,"
    "\"fields\":{\"id\":{\"strategy\":\"increment\"}}}]}}},"
    "{\"name\":\"h\",\"start_after\":[\"l\"],\"transport\":{\"name\":\"datagen\",\"config\":{\"transaction_size\":5000,"
    "\"plan\":[{}]}}},"
    "{\"name\":\"gone\",\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"/nonexistent/in\"}},"
    "\"format\":{\"name\":\"csv\"}}]');"
    "CREATE MATERIALIZED VIEW v WITH ('connectors' = '["
    "{\"name\":\"n\",\"transport\":{\"name\":\"null_output\"}},"
    "{\"name\":\"bad\",\"transport\":{\"name\":\"file_output\",\"config\":{\"path\":\"/nonexistent/out\"}},"
    "\"format\":{\"name\":\"csv\"}}]') AS SELECT id, s FROM a WHERE id % 7 = 0;";

typedef struct hammer {
    rig_t *r;
    uint32_t seed;
    pthread_t thread;
} hammer_t;

/* Requests of every kind until nobody listens any more. */
static void *hammer(void *arg)
{
    hammer_t *h = arg;
    static const char *const gets[] = { "stats?include_connector_errors=true",
                                        "metrics",
                                        "metrics?format=json",
                                        "status",
                                        "orchestration",
                                        "input_endpoints/a.h/why",
                                        "input_endpoints/a.gone/why",
                                        "input_endpoints/a.g/stats",
                                        "input_endpoints/a.g/completion_token",
                                        "completion_status?token=x",
                                        "output_endpoints/v.bad/stats",
                                        "query?sql=SELECT%20COUNT(*)%20FROM%20v&format=json",
                                        "nothing" };
    static const char *const posts[] = { "start",
                                         "pause",
                                         "input_endpoints/a.g/pause",
                                         "input_endpoints/a.g/start",
                                         "input_endpoints/a.h/start",
                                         "input_endpoints/a.gone/start",
                                         "output_endpoints/v.n/pause",
                                         "output_endpoints/v.n/start",
                                         "start_transaction",
                                         "commit_transaction",
                                         "ingress/a?format=csv&force=true",
                                         "egress/v?format=csv&backpressure=true" };
    static const char *const positions[] = {
        ("PUT /input_endpoints/a.h/position HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
         "Content-Length: 10\r\n\r\n{\"rows\":5}"),
        "DELETE /input_endpoints/a.g/position HTTP/1.1\r\nHost: x\r\n\r\n",
        "DELETE /input_endpoints/a.gone/position HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /input_endpoints/a.g/rerun?wait=true HTTP/1.1\r\nHost: x\r\n\r\n"
    };
    for (;;) {
        hg_buf_t b;
        bool get = dice(&h->seed, 3) > 0;
        const char *what = get ? gets[dice(&h->seed, HG_COUNT(gets))] : posts[dice(&h->seed, HG_COUNT(posts))];
        int fd = dice(&h->seed, 6) == 0 ? dial(h->r, "%s", positions[dice(&h->seed, HG_COUNT(positions))])
                 : get
                     ? dial(h->r, "GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", what)
                     : dial(h->r, "POST /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n1,x\n",
                            what);
        if (fd < 0) return NULL;
        hg_buf_init(&b, HG_BUF_NOMAX);
        if (dice(&h->seed, 4)) hear(fd, &b, "\r\n\r\n");
        hg_buf_release(&b);
        close(fd);
    }
}

static void test_random_stops(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 50; round++) {
        rig_t r;
        hammer_t h[3];
        rig_init(&r);
        rig_up(&r, PROGRAM, dice(&seed, 4) > 0);
        for (unsigned i = 0; i < 3; i++) {
            h[i] = (hammer_t){ .r = &r, .seed = dice(&seed, 1u << 20) };
            assert_int_equal(pthread_create(&h[i].thread, NULL, hammer, &h[i]), 0);
        }
        for (uint32_t k = dice(&seed, 60); k; k--) http(&r, "GET", "status", NULL, NULL); /* some way into it */
        if (dice(&seed, 2)) http(&r, "GET", "orchestration", NULL, NULL);
        uint32_t how = dice(&seed, 3);
        if (how) hg_loop_post(r.control, rig_stop_soft, &r);
        if (how == 1) hg_loop_post(r.control, rig_stop_hard, &r); /* overtakes it */
        if (!how) hg_loop_post(r.control, rig_stop_hard, &r);
        pthread_mutex_lock(&r.lock);
        while (!r.over) pthread_cond_wait(&r.cond, &r.lock);
        pthread_mutex_unlock(&r.lock);
        for (unsigned i = 0; i < 3; i++) pthread_join(h[i].thread, NULL);
        assert_int_equal(r.ended.code, 0);
        rig_join(&r);
    }
}

/* Stopped before the control loop has done anything else. */
static void test_stop_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        rig_t r;
        rig_init(&r);
        rig_up(&r, PROGRAM, round % 2);
        rig_down(&r, round % 4 < 2);
    }
}

/* POST /stop ends it as the manager does it. */
static void test_stop_by_request(void **state)
{
    (void)state;
    rig_t r;
    rig_init(&r);
    rig_up(&r, PROGRAM, true);
    assert_int_equal(http(&r, "POST", "stop?force=perhaps", NULL, NULL), 400);
    http(&r, "POST", "stop", NULL, NULL);
    rig_join(&r);
    assert_int_equal(r.ended.code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_at_once),
        cmocka_unit_test(test_stop_by_request),
        cmocka_unit_test(test_random_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
