/* kafka_output through the host, against librdkafka's mock cluster: with fault tolerance the last word about a key
 * stays the last, whatever the broker refuses for a while. Not run under the thread sanitizer: see test_kafka.c. */
#include "tests/unit/connectors_host/mock_kafka.h"
#include "tests/unit/connectors_host/sink.h"

extern const hg_output_type_t hg_output_kafka;

enum { STEPS = 60, FIRST = 100, API_PRODUCE = 0 };

static const void *options(const char *more)
{
    hg_diag_t d = { .fn = kit_complain };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    char *text =
        hg_xprintf("{\"bootstrap.servers\":\"%s\",\"topic\":\"a\",\"linger.ms\":\"0\",\"batch.num.messages\":\"1\"%s}",
                   rd_kafka_mock_cluster_bootstraps(cluster), more);
    hg_kvlist_t *cfg = hg_arena_alloc(kit->arena, hg_output_kafka.cfg_size);
    memset(cfg, 0, hg_output_kafka.cfg_size);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(text), &j, &err), 0);
    assert_int_equal(hg_opts_parse(hg_output_kafka.opts, j, j, HG_EXTRA_TAKE, cfg, kit->arena, cfg, &d), 0);
    hg_output_kafka.check(cfg, j, &d);
    hg_free(text);
    return cfg;
}

/* Where each number stands last in the topic, counted from 1. */
static void last_places(uint64_t *place, size_t n)
{
    char err[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), err, sizeof err);
    rd_kafka_conf_set(conf, "group.id", "reader", err, sizeof err);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", err, sizeof err);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, "a", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, l), 0);
    memset(place, 0, n * sizeof *place);
    for (uint64_t at = 1;; at++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 60000);
        assert_non_null(m);
        bool end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!end) {
            char text[32];
            assert_int_equal(m->err, 0);
            snprintf(text, sizeof text, "%.*s", (int)m->len, (const char *)m->payload);
            uint64_t v = strtoull(text, NULL, 10);
            assert_true(v < n && v >= FIRST);
            place[v] = at;
        }
        rd_kafka_message_destroy(m);
        if (end) break;
    }
    rd_kafka_topic_partition_list_destroy(l);
    rd_kafka_destroy(rk);
}

/* (The mock takes messages in any order; what a real broker makes of an idempotent producer's retries is for
 * tests/chaos.) */
static void what_is_refused_for_a_while_keeps_its_place(void **st)
{
    (void)st;
    const rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
    uint64_t place[FIRST + STEPS];
    hg_output_t *out;
    hg_err_t err = HG_ERR_INIT;
    hg_output_stats_t x;
    kit_up((hg_host_opts_t){ .keep_owed = true });
    hg_conn_spec_t spec = kit_spec(options(""));
    spec.is_input = false;
    spec.out_type = &hg_output_kafka;
    assert_int_equal(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err), 0);
    hg_output_start(out);
    for (uint64_t s = 1; s <= STEPS; s++) {
        if (s % 20 == 10) rd_kafka_mock_push_request_errors(cluster, API_PRODUCE, 2, e, e);
        step_of(out, s, FIRST + (int64_t)s - 1, 1);
        if (s % 10 == 0) KIT_WAIT(hg_output_delivered_step(out) >= s - 9);
    }
    KIT_WAIT(hg_output_delivered_step(out) >= STEPS || (hg_output_get_stats(out, &x), x.failed));
    hg_output_get_stats(out, &x);
    assert_false(x.failed);
    last_places(place, HG_COUNT(place));
    for (uint64_t v = FIRST; v < FIRST + STEPS; v++) assert_true(place[v] > place[v - 1]);
    out_down(out, NULL, false);
}

/* The user's own word about acknowledgements is no error beside what fault tolerance wants by default. */
static void options_of_the_user_are_kept(void **st)
{
    (void)st;
    static const char *const more[] = { ",\"acks\":\"1\"", ",\"max.in.flight\":\"100\"", ",\"retries\":\"0\"",
                                        ",\"enable.idempotence\":\"false\"" };
    for (size_t i = 0; i < HG_COUNT(more); i++) {
        hg_output_t *out;
        hg_err_t err = HG_ERR_INIT;
        hg_output_stats_t x;
        kit_up((hg_host_opts_t){ .keep_owed = true });
        hg_conn_spec_t spec = kit_spec(options(more[i]));
        spec.is_input = false;
        spec.out_type = &hg_output_kafka;
        assert_int_equal(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err), 0);
        hg_output_start(out);
        step_of(out, 1, 1, 1);
        KIT_WAIT(hg_output_delivered_step(out) >= 1 || (hg_output_get_stats(out, &x), x.failed));
        hg_output_get_stats(out, &x);
        assert_false(x.failed);
        out_down(out, NULL, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_refused_for_a_while_keeps_its_place, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(options_of_the_user_are_kept, cluster_up, cluster_down),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
