/* mock_kafka.h: librdkafka's mock cluster for tests of the host: topics a and b with one partition, three with three;
 * messages into them, inputs on them. */
#ifndef HG_TESTS_CONNECTORS_HOST_MOCK_KAFKA_H
#define HG_TESTS_CONNECTORS_HOST_MOCK_KAFKA_H

#include "tests/unit/connectors_host/kit.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

extern const hg_input_type_t hg_input_kafka;

static rd_kafka_t *host, *producer;
static rd_kafka_mock_cluster_t *cluster;

static inline rd_kafka_t *client(const char *servers)
{
    char err[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", err, sizeof err);
    if (servers) rd_kafka_conf_set(conf, "bootstrap.servers", servers, err, sizeof err);
    rd_kafka_conf_set(conf, "linger.ms", "1", err, sizeof err);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    assert_non_null(rk);
    return rk;
}

static inline int cluster_up(void **st)
{
    (void)st;
    host = client(NULL);
    cluster = rd_kafka_mock_cluster_new(host, 1);
    producer = client(rd_kafka_mock_cluster_bootstraps(cluster));
    rd_kafka_mock_topic_create(cluster, "a", 1, 1);
    rd_kafka_mock_topic_create(cluster, "b", 1, 1);
    rd_kafka_mock_topic_create(cluster, "three", 3, 1);
    return 0;
}

static inline int cluster_down(void **st)
{
    (void)st;
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return 0;
}

static inline void put(const char *topic, int32_t part, int64_t stamp, const char *text, const char *header)
{
    rd_kafka_headers_t *hs = header ? rd_kafka_headers_new(1) : NULL;
    if (hs) rd_kafka_header_add(hs, "h", 1, header, (ssize_t)strlen(header));
    union {
        const char *in;
        void *out;
    } t = { text };
    rd_kafka_vu_t v[] = { { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
                          { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = part },
                          { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = stamp },
                          { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
                          { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { t.out, strlen(text) } },
                          { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = hs } };
    assert_null(rd_kafka_produceva(producer, v, HG_COUNT(v) - (hs ? 0 : 1)));
}

static inline void put_number(const char *topic, int32_t part, int64_t stamp, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    put(topic, part, stamp, text, NULL);
}

static inline void flush(void)
{
    assert_int_equal(rd_kafka_flush(producer, 60000), 0);
}

static inline hg_input_t *make(uint32_t conn, const char *more, ...) HG_PRINTF(2, 3);
static inline hg_input_t *make(uint32_t conn, const char *more, ...)
{
    char options[512];
    hg_diag_t d = { .fn = kit_complain };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    va_list ap;
    va_start(ap, more);
    vsnprintf(options, sizeof options, more, ap);
    va_end(ap);
    char *text = hg_xprintf("{\"bootstrap.servers\":\"%s\",\"reconnect.backoff.ms\":\"10\",%s}",
                            rd_kafka_mock_cluster_bootstraps(cluster), options);
    hg_kvlist_t *cfg = hg_arena_alloc(kit->arena, hg_input_kafka.cfg_size);
    memset(cfg, 0, hg_input_kafka.cfg_size);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(text), &j, &err), 0);
    assert_int_equal(hg_opts_parse(hg_input_kafka.opts, j, j, HG_EXTRA_TAKE, cfg, kit->arena, cfg, &d), 0);
    hg_input_kafka.check(cfg, j, &d);
    hg_free(text);
    hg_conn_spec_t spec = kit_spec(cfg);
    spec.in_type = &hg_input_kafka;
    return kit_input(&spec, conn);
}

static inline hg_input_t *start(hg_input_t *in)
{
    hg_input_open(in);
    hg_input_run(in);
    return in;
}

#endif
