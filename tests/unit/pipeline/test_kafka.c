/* Kafka connectors against a mock cluster in this process, stopped, held and left alone at any moment.
 * test-labels: threads */
#include "tests/unit/pipeline/kit.h"
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
        /* not rd_kafka_producev: its macros are GNU statement expressions */
        const rd_kafka_vu_t v[] = {
            { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "in" },
            { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = i % 3 },
            { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { text, (size_t)len } },
            { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        };
        rd_kafka_error_t *e = rd_kafka_produceva(c->producer, v, HG_COUNT(v));
        assert_null(e);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_copy),
        cmocka_unit_test(test_kafka_mark),
        cmocka_unit_test(test_kafka_broker_down_and_up),
        cmocka_unit_test(test_kafka_random_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
