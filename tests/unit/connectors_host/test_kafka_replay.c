/* The Kafka input over crashes, against librdkafka's mock cluster: positions at cuts, the same chunks again, and clear
 * errors where the topic does not have them any more. test-labels: threads */
#include "tests/unit/connectors_host/mock_kafka.h"
#include "tests/unit/connectors_host/subject.h"

#define PARTS 3

static subject_t *reader(const char *topic, const char *more)
{
    subject_t *s = HG_NEW(subject_t);
    s->type = &hg_input_kafka;
    s->json =
        hg_xprintf("{\"bootstrap.servers\":\"%s\",\"reconnect.backoff.ms\":\"10\",\"topic\":\"%s\",\"start_from\":"
                   "\"earliest\"%s}",
                   rd_kafka_mock_cluster_bootstraps(cluster), topic, more);
    return s;
}

static void reader_release(subject_t *s)
{
    hg_free((void *)(uintptr_t)s->json);
    subject_release(s);
}

static hg_input_t *up(subject_t *s, uint64_t max_queued)
{
    kit_up((hg_host_opts_t){ .exactly_once = true });
    return subject_open(s, max_queued);
}

static void down(hg_input_t *in)
{
    kit_close(in, 0);
    KIT_WAIT(hg_host_input_bytes(kit->h) == 0);
    kit_down();
}

/* The last steps may be missing in the journal. */
static void crash(subject_t *s, uint64_t *r)
{
    if (!s->n_cuts) return;
    s->n_cuts -= (uint32_t)(kit_dice(r) % HG_MIN(s->n_cuts, 4u));
    s->values.n = s->upto[s->n_cuts - 1];
}

static void a_topic_is_read_once_whatever_crashes(void **st)
{
    (void)st;
    enum { N = 6000 };
    for (uint64_t seed = 1; seed <= 8; seed++) {
        cluster_up(NULL);
        uint64_t r = seed, n[PARTS] = { 0 }, put_all = 0;
        subject_t *s = reader(
            "three", seed % 2 ? "" : ",\"header_filter\":{\"not\":{\"header\":{\"name\":\"h\",\"pattern\":\"x\"}}}");
        while (s->values.n < N) {
            for (uint64_t more = kit_dice(&r) % 1500; more > 0 && put_all < N; more--) {
                int32_t part = (int32_t)(kit_dice(&r) % PARTS);
                put_number("three", part, 1, part * 1000000 + (int64_t)n[part]++);
                if (!(seed % 2) && kit_dice(&r) % 4 == 0)
                    put("three", part, 1, "999", "x"); /* an offset without a record */
                put_all++;
            }
            flush();
            hg_input_t *in = up(s, 1 + kit_dice(&r) % 900);
            subject_replay(s, in);
            for (uint64_t steps = kit_dice(&r) % 40; steps > 0 && s->values.n < put_all; steps--) {
                assert_false(subject_step(s));
                if (kit_dice(&r) % 5 == 0) subject_checkpoint(s, in);
            }
            if (s->values.n < N) crash(s, &r);
            down(in);
        }
        int64_t next[PARTS] = { 0 };
        for (size_t i = 0; i < s->values.n; i++) {
            int64_t part = s->values.v[i] / 1000000;
            assert_int_equal(s->values.v[i], part * 1000000 + next[part]++);
        }
        for (size_t i = 0; i < PARTS; i++) assert_int_equal(next[i], n[i]);
        reader_release(s);
        cluster_down(NULL);
    }
}

/* Two partitions in the position and the journal, three now: the third is read from its beginning, after the replay. */
static void a_partition_that_was_added_comes_after_the_replay(void **st)
{
    (void)st;
    subject_t *s = reader("three", "");
    for (int i = 0; i < 20; i++) put_number("three", i % 2, 1, i);
    flush();
    hg_input_t *in = up(s, 1000);
    while (s->values.n < 20) subject_step(s);
    down(in);
    assert_string_equal(s->position,
                        "{\"offsets\":[{\"start\":0,\"end\":0},{\"start\":0,\"end\":0},{\"start\":0,\"end\":0}]}");
    hg_free(s->position);
    s->position = hg_xstrdup("{\"offsets\":[{\"start\":0,\"end\":0},{\"start\":0,\"end\":0}]}");
    for (int i = 0; i < 5; i++) put_number("three", 2, 1, 100 + i);
    flush();
    uint32_t replayed = s->n_cuts;
    in = up(s, 1000);
    subject_replay(s, in);
    while (s->values.n < 25) subject_step(s);
    for (uint32_t i = replayed; i < s->n_cuts; i++) assert_int_equal(s->cuts[i].lane_key, 2);
    for (int i = 0; i < 5; i++) assert_int_equal(s->values.v[20 + i], 100 + i);
    down(in);
    reader_release(s);
}

static void expect(subject_t *s, const char *text)
{
    hg_input_t *in = up(s, 1000000);
    KIT_WAIT(kit->c[0].failed);
    if (!strstr(kit->c[0].error, text)) fail_msg("%s", kit->c[0].error);
    down(in);
}

static void what_is_not_as_it_was_is_told_with_its_range(void **st)
{
    (void)st;
    subject_t *s = reader("a", "");
    for (int i = 0; i < 10; i++) put_number("a", 0, 1, i);
    flush();
    hg_input_t *in = up(s, 1000);
    while (s->values.n < 10) subject_step(s);
    down(in);
    s->n_cuts = 1;
    s->cuts[0] = (hg_replay_cut_t){ .lane_key = 0, .begin = 0, .end = 10, .records = 10, .raw_hash = 1 };
    expect(s, "'t.c' cannot be read again as it was: range 0 to 10 (lane 0, 10 records): its content has changed");
    s->cuts[0].records = 12; /* two have been compacted away */
    expect(s, "range 0 to 10 (lane 0, 12 records): it has 10 records now");
    s->cuts[0].end = 11; /* the topic was made again, or has lost its end */
    expect(s, "range 0 to 11 (lane 0, 12 records): the source ends at 10 now");
    reader_release(s);
}

/* The broker has forgotten what the journal has. */
static void ranges_that_are_gone_are_an_error(void **st)
{
    (void)st;
    enum { N = 80, SIZE = 100000 };
    char *big = hg_xzero(SIZE + 1);
    memset(big, '7', SIZE);
    for (int i = 0; i < N; i++) {
        put("a", 0, 1, big, NULL);
        flush(); /* batches of one, and the mock broker keeps 5 MiB of them */
    }
    hg_free(big);
    for (int earliest = 0; earliest < 2; earliest++) {
        subject_t *s = reader("a", earliest ? ",\"resume_earliest_if_data_expires\":true" : "");
        s->position = hg_xstrdup("{\"offsets\":[{\"start\":0,\"end\":2}]}");
        s->n_cuts = 1;
        s->cuts[0] = (hg_replay_cut_t){ .lane_key = 0, .begin = 2, .end = 4, .records = 2 };
        /* what is oldest now may be read, but never instead of what the journal has */
        expect(s, earliest
                      ? "'t.c' cannot be read again as it was: range 2 to 4 (lane 0, 2 records): the source goes on at"
                      : "position 2 of a[0] is gone, oldest is ");
        reader_release(s);
    }
}

static void what_cannot_come_again_is_said(void **st)
{
    (void)st;
    static const struct {
        const char *more, *option;
    } cases[] = { { "", NULL },
                  { ",\"synchronize_partitions\":true", "synchronize_partitions" },
                  { ",\"enable.partition.eof\":\"true\"", "enable.partition.eof" },
                  { ",\"enable.partition.eof\":\"false\"", NULL } };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_diag_t d = { .fn = kit_complain };
        hg_json_t *j;
        hg_err_t err = HG_ERR_INIT;
        char *text = hg_xprintf("{\"topic\":\"t\"%s}", cases[i].more);
        hg_kvlist_t *cfg = hg_arena_alloc(a, hg_input_kafka.cfg_size);
        memset(cfg, 0, hg_input_kafka.cfg_size);
        assert_int_equal(hg_json_parse(a, hg_strz(text), &j, &err), 0);
        assert_int_equal(hg_opts_parse(hg_input_kafka.opts, j, j, HG_EXTRA_TAKE, cfg, a, cfg, &d), 0);
        const char *option = hg_input_kafka.no_replay(cfg);
        if (cases[i].option)
            assert_string_equal(option, cases[i].option);
        else
            assert_null(option);
        hg_free(text);
        hg_arena_free(a);
    }
}

/* --- the output's options for exactly once --- */

extern const hg_output_type_t hg_output_kafka;

static char complaint[512];
static void note(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)node, (void)at_key;
    snprintf(complaint, sizeof complaint, "%s: %s", warning ? "warning" : "error", msg);
}

static const void *out_options(const char *ft)
{
    hg_diag_t d = { .fn = note };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    char *text = hg_xprintf("{\"bootstrap.servers\":\"%s\",\"topic\":\"a\",\"fault_tolerance\":%s}",
                            rd_kafka_mock_cluster_bootstraps(cluster), ft);
    hg_kvlist_t *cfg = hg_arena_alloc(kit->arena, hg_output_kafka.cfg_size);
    memset(cfg, 0, hg_output_kafka.cfg_size);
    complaint[0] = 0;
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(text), &j, &err), 0);
    assert_int_equal(hg_opts_parse(hg_output_kafka.opts, j, j, HG_EXTRA_TAKE, cfg, kit->arena, cfg, &d), 0);
    hg_output_kafka.check(cfg, j, &d);
    hg_free(text);
    return cfg;
}

static void fault_tolerance_options_are_checked(void **st)
{
    (void)st;
    static const char *const cases[][2] = {
        { "null", "" },
        { "{}", "" },
        { "{\"producer_options\":{\"transaction.timeout.ms\":5000,\"enable.idempotence\":true}}", "" },
        { "7", "error: option 'fault_tolerance': expected an object, found a number" },
        { "{\"producer\":{}}",
          "error: unknown field \"producer\" in 'fault_tolerance'; it has producer_options and consumer_options" },
        { "{\"producer_options\":[]}",
          "error: option 'fault_tolerance.producer_options': expected an object of librdkafka's options" },
        { "{\"producer_options\":{\"acks\":{}}}", "error: option 'acks': expected a string, found an object" },
        { "{\"producer_options\":{\"akcs\":\"1\"}}",
          "error: Invalid Kafka output connector configuration key \"akcs\": neither an option of the connector nor "
          "one of librdkafka" },
        { "{\"consumer_options\":{\"fetch.min.bytes\":\"1\"}}",
          "warning: option 'fault_tolerance.consumer_options' has no effect: the last step is read with the producer's "
          "client" },
    };
    kit_up((hg_host_opts_t){ 0 });
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        (void)out_options(cases[i][0]);
        assert_string_equal(complaint, cases[i][1]);
    }
    kit_down();
}

/* An option that a transactional producer refuses shows where it applies. */
static void fault_tolerance_options_apply_with_exactly_once(void **st)
{
    (void)st;
    for (int once = 0; once < 2; once++) {
        hg_output_t *out;
        hg_err_t err = HG_ERR_INIT;
        hg_output_stats_t x;
        kit_up((hg_host_opts_t){ .exactly_once = once, .durable_name = "shop" });
        hg_conn_spec_t spec = kit_spec(out_options("{\"producer_options\":{\"enable.idempotence\":\"false\"}}"));
        spec.is_input = false;
        spec.out_type = &hg_output_kafka;
        assert_int_equal(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err), 0);
        hg_output_start(out);
        hg_output_push(out, 1, NULL, 0);
        KIT_WAIT(hg_output_delivered_step(out) >= 1 || (hg_output_get_stats(out, &x), x.failed));
        hg_output_get_stats(out, &x);
        assert_int_equal(x.failed, once);
        if (once) assert_non_null(strstr(x.fatal, "enable.idempotence"));
        hg_output_stop(out, false);
        KIT_WAIT(kit->c[0].out_closed);
        hg_output_free(out);
        kit_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_read_once_whatever_crashes),
        cmocka_unit_test_setup_teardown(a_partition_that_was_added_comes_after_the_replay, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(what_is_not_as_it_was_is_told_with_its_range, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(ranges_that_are_gone_are_an_error, cluster_up, cluster_down),
        cmocka_unit_test(what_cannot_come_again_is_said),
        cmocka_unit_test_setup_teardown(fault_tolerance_options_are_checked, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(fault_tolerance_options_apply_with_exactly_once, cluster_up, cluster_down),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
