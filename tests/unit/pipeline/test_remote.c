/* Kafka and URL connectors against a mock cluster and a small server in this process, stopped, held and cut at any
 * moment. test-labels: threads */
#include "tests/unit/pipeline/kit.h"
#include "net/http.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

/* --- a cluster --- */

typedef struct cluster {
    rd_kafka_t *host, *producer;
    rd_kafka_mock_cluster_t *mc;
    const char *servers;
} cluster_t;

static void cluster_up(cluster_t *c)
{
    char err[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", err, sizeof err);
    c->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    assert_non_null(c->host);
    c->mc = rd_kafka_mock_cluster_new(c->host, 1);
    c->servers = rd_kafka_mock_cluster_bootstraps(c->mc);
    rd_kafka_mock_topic_create(c->mc, "in", 3, 1);
    rd_kafka_mock_topic_create(c->mc, "out", 2, 1);
    conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", err, sizeof err);
    rd_kafka_conf_set(conf, "bootstrap.servers", c->servers, err, sizeof err);
    rd_kafka_conf_set(conf, "linger.ms", "1", err, sizeof err);
    c->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    assert_non_null(c->producer);
}

static void cluster_down(cluster_t *c)
{
    rd_kafka_destroy(c->producer);
    rd_kafka_mock_cluster_destroy(c->mc);
    rd_kafka_destroy(c->host);
}

static void produce(cluster_t *c, int first, int n)
{
    char text[64];
    for (int i = first; i < first + n; i++) {
        int len = snprintf(text, sizeof text, "{\"id\":%d}", i);
        rd_kafka_resp_err_t e = rd_kafka_producev(c->producer, RD_KAFKA_V_TOPIC("in"), RD_KAFKA_V_PARTITION(i % 3),
                                                  RD_KAFKA_V_VALUE(text, (size_t)len),
                                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        assert_int_equal(e, 0);
    }
    assert_int_equal(rd_kafka_flush(c->producer, 60000), 0);
}

/* Messages of topic `out`, all partitions: their end offsets. */
static int64_t count_out(cluster_t *c)
{
    int64_t low, high, sum = 0;
    for (int p = 0; p < 2; p++) {
        if (rd_kafka_query_watermark_offsets(c->producer, "out", p, &low, &high, 10000)) return -1;
        sum += high;
    }
    return sum;
}

#define KAFKA_IN(name, more)                                                                                           \
    "{\"name\":\"" name "\"" more ",\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"in\","             \
    "\"reconnect.backoff.ms\":\"10\",\"reconnect.backoff.max.ms\":\"50\",\"bootstrap.servers\":\"%s\",\"start_from\":" \
    "\"earliest\",\"enable.partition.eof\":\"true\"}},"                                                                \
    "\"format\":{\"name\":\"json\",\"config\":{\"update_format\":\"raw\"}}}"
#define KAFKA_OUT                                                                                                      \
    "{\"name\":\"o\",\"transport\":{\"name\":\"kafka_output\",\"config\":{\"topic\":\"out\",\"reconnect.backoff.ms\":" \
    "\"10\",\"reconnect.backoff.max.ms\":\"50\",\"bootstrap.servers\":"                                                \
    "\"%s\"}},\"format\":{\"name\":\"json\"}}"

static void copy_program(char *sql, size_t cap, const char *servers)
{
    snprintf(sql, cap,
             "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[" KAFKA_IN(
                 "k", "") "]'); CREATE VIEW v WITH ('connectors' = '[" KAFKA_OUT "]') AS SELECT id FROM t;",
             servers, servers);
}

/* From the first message to the end of every partition, with pauses wherever they fall: each message once. */
static void test_kafka_copy(void **state)
{
    (void)state;
    cluster_t c;
    rig_t r;
    char sql[2048];
    uint32_t seed = 3;
    cluster_up(&c);
    produce(&c, 0, 9000);
    rig_init(&r);
    copy_program(sql, sizeof sql, c.servers);
    rig_up(&r, sql, true);
    for (int i = 0; i < 20; i++) {
        static const char *const acts[] = { "input_endpoints/t.k/pause", "input_endpoints/t.k/start", "pause",
                                            "start" };
        assert_int_equal(http(&r, "POST", acts[dice(&seed, 4)], NULL, NULL), 200);
        totals(&r);
    }
    assert_int_equal(http(&r, "POST", "start", NULL, NULL), 200);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.k/start", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, 9000);
    assert_true(count_out(&c) > 0); /* several records may share a message */
    rig_down(&r, true);
    cluster_down(&c);
}

/* The broker goes while it is read and written, and comes again: nothing is missing. */
static void test_kafka_broker_down_and_up(void **state)
{
    (void)state;
    cluster_t c;
    rig_t r;
    char sql[2048];
    cluster_up(&c);
    produce(&c, 0, 3000);
    rig_init(&r);
    copy_program(sql, sizeof sql, c.servers);
    rd_kafka_mock_broker_set_down(c.mc, 1);
    rig_up(&r, sql, true);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (;;) { /* health says so */
        hg_buf_clear(&b);
        assert_int_equal(http(&r, "GET", "input_endpoints/t.k/stats", NULL, &b), 200);
        if (strstr(b.p, "Unhealthy")) break;
        nap();
    }
    hg_buf_release(&b);
    rd_kafka_mock_broker_set_up(c.mc, 1);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, 3000);
    rig_down(&r, true);
    cluster_down(&c);
}

/* Stops of both kinds at random moments, with the broker there or gone: they end. */
static void test_kafka_random_stops(void **state)
{
    (void)state;
    cluster_t c;
    char sql[2048];
    uint32_t seed = 11;
    cluster_up(&c);
    produce(&c, 0, 3000);
    for (int round = 0; round < 10; round++) {
        rig_t r;
        bool down = round % 3 == 2;
        rig_init(&r);
        copy_program(sql, sizeof sql, c.servers);
        rig_up(&r, sql, true);
        for (uint32_t k = dice(&seed, 100); k; k--) http(&r, "GET", "status", NULL, NULL);
        if (down) rd_kafka_mock_broker_set_down(c.mc, 1);
        if (round % 2) hg_loop_post(r.control, rig_stop_soft, &r);
        if (!(round % 2) || down) hg_loop_post(r.control, rig_stop_hard, &r);
        rig_join(&r);
        assert_int_equal(r.ended.code, 0);
        if (down) rd_kafka_mock_broker_set_up(c.mc, 1);
    }
    cluster_down(&c);
}

/* The mark is taken before the backfill; what was produced after it comes after the backfill, none before the mark. */
static void test_kafka_mark(void **state)
{
    (void)state;
    cluster_t c;
    rig_t r;
    char sql[2048];
    cluster_up(&c);
    produce(&c, 0, 300);
    rig_init(&r);
    put_file(r.dir, "in", "{\"id\":1}\n{\"id\":2}\n");
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY) WITH ('connectors' = '["
             "{\"name\":\"f\",\"labels\":[\"l\"],\"paused\":true,\"transport\":{\"name\":\"file_input\",\"config\":"
             "{\"path\":\"%s/in\"}},\"format\":{\"name\":\"json\",\"config\":{\"update_format\":\"raw\"}}},"
             "{\"name\":\"k\",\"start_after\":[\"l\"],\"handoff\":\"gapless\",\"transport\":{\"name\":\"kafka_input\","
             "\"config\":{\"topic\":\"in\",\"reconnect.backoff.ms\":\"10\",\"reconnect.backoff.max.ms\":\"50\","
             "\"bootstrap.servers\":\"%s\",\"start_from\":\"latest\","
             "\"enable.partition.eof\":\"true\"}},\"format\":{\"name\":\"json\",\"config\":{\"update_format\":"
             "\"raw\"}}}]'); CREATE VIEW v AS SELECT id FROM t;",
             r.dir, c.servers);
    rig_up(&r, sql, true);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (;;) {
        hg_buf_clear(&b);
        assert_int_equal(http(&r, "GET", "orchestration", NULL, &b), 200);
        if (strstr(b.p, "in[0]")) break; /* marked */
        nap();
    }
    hg_buf_release(&b);
    produce(&c, 300, 30);
    assert_int_equal(http(&r, "POST", "input_endpoints/t.f/start", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, 2 + 30);
    rig_down(&r, true);
    cluster_down(&c);
}

/* --- a web server that cuts --- */

#define ROWS 4000

typedef struct web {
    hg_loop_t *loop;
    hg_http_server_t *http;
    unsigned port;
    hg_buf_t body;
    int cuts;    /* so many answers are cut after a piece */
    bool shrunk; /* the second answer is whole and shorter than the first piece */
    unsigned asked;
    hg_err_t err;
} web_t;

static void web_answer(void *arg, hg_req_t *q)
{
    web_t *w = arg;
    char head[128];
    size_t from = 0, n = w->body.len;
    hg_str_t range = hg_req_header(q, "Range");
    w->asked++;
    if (w->shrunk && w->asked > 1) {
        hg_resp_send(q, 200, "text/plain", HG_S("0\n"), NULL);
        return;
    }
    if (range.p) sscanf(range.p, "bytes=%zu-", &from);
    if (from >= n) {
        hg_resp_send(q, 416, NULL, (hg_str_t){ NULL, 0 }, NULL);
        return;
    }
    snprintf(head, sizeof head, "Content-Range: bytes %zu-%zu/%zu\r\n", from, n - 1, n);
    const char *headers = from && !w->shrunk ? head : NULL;
    if (w->cuts-- > 0) {
        hg_resp_begin(q, from ? 206 : 200, "text/plain", headers);
        hg_resp_write(q, w->body.p + from, HG_MIN(n - from, n / 5));
        hg_resp_cut(q);
        return;
    }
    hg_resp_send(q, from ? 206 : 200, "text/plain", (hg_str_t){ w->body.p + from, n - from }, headers);
}

static void web_make(void *arg)
{
    web_t *w = arg;
    hg_http_opts_t o = { .loops = &w->loop, .n_loops = 1, .on_request = web_answer, .arg = w };
    assert_int_equal(hg_http_server_new(&o, &w->http, &w->err), 0);
    assert_int_equal(hg_http_listen_tcp(w->http, "127.0.0.1", 0, &w->port, &w->err), 0);
}

static void web_up(web_t *w)
{
    hg_buf_init(&w->body, HG_BUF_NOMAX);
    for (int i = 0; i < ROWS; i++) hg_buf_addf(&w->body, "%d\n", i);
    w->loop = hg_loop_new("web");
    hg_loop_start(w->loop);
    hg_loop_call(w->loop, web_make, w);
}

static void web_closed(void *arg)
{
    web_t *w = arg;
    hg_http_server_free(w->http);
    hg_loop_stop(w->loop);
}
static void web_close(void *arg)
{
    hg_http_server_close(((web_t *)arg)->http, 0, web_closed, arg);
}

static void web_down(web_t *w)
{
    hg_loop_post(w->loop, web_close, w);
    hg_loop_free(w->loop);
    hg_buf_release(&w->body);
}

static void url_up(rig_t *r, const web_t *w)
{
    char sql[1024];
    rig_init(r);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[{\"name\":\"u\",\"transport\":{\"name\":"
             "\"url_input\",\"config\":{\"path\":\"http://127.0.0.1:%u/x\"}},\"format\":{\"name\":\"csv\"}}]');"
             "CREATE VIEW v AS SELECT id FROM t;",
             w->port);
    rig_up(r, sql, true);
}

/* Cut in the middle of records: each record comes once. */
static void test_url_cut(void **state)
{
    (void)state;
    web_t w = { .cuts = 2 };
    rig_t r;
    web_up(&w);
    url_up(&r, &w);
    for (int i = 0; i < 10; i++)
        assert_int_equal(
            http(&r, "POST", i % 2 ? "input_endpoints/t.u/start" : "input_endpoints/t.u/pause", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, ROWS);
    rig_down(&r, true);
    web_down(&w);
}

/* Sent again from the start, and shorter than what was read: two halves that do not belong together. */
static void test_url_shrunk(void **state)
{
    (void)state;
    web_t w = { .cuts = 1, .shrunk = true };
    rig_t r;
    char why[1024];
    web_up(&w);
    url_up(&r, &w);
    while (!hg_pipeline_failed(r.p, why, sizeof why)) nap();
    assert_non_null(strstr(why, "has changed"));
    assert_false(totals(&r).complete);
    rig_down(&r, true);
    web_down(&w);
}

static void test_url_random_stops(void **state)
{
    (void)state;
    uint32_t seed = 5;
    web_t w = { .cuts = 1000000 };
    web_up(&w);
    for (int round = 0; round < 20; round++) {
        rig_t r;
        url_up(&r, &w);
        for (uint32_t k = dice(&seed, 20); k; k--) http(&r, "GET", "status", NULL, NULL);
        rig_down(&r, round % 2);
    }
    web_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_cut),
        cmocka_unit_test(test_url_shrunk),
        cmocka_unit_test(test_url_random_stops),
        cmocka_unit_test(test_kafka_copy),
        cmocka_unit_test(test_kafka_mark),
        cmocka_unit_test(test_kafka_broker_down_and_up),
        cmocka_unit_test(test_kafka_random_stops),
    };
    cmocka_set_test_filter(getenv("HG_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
