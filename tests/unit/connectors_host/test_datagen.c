/* The datagen transport through the host: order, rate, several plans, restore. test-labels: threads */
#include "tests/unit/connectors_host/kit.h"

extern const hg_input_type_t hg_input_datagen;

static void complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)warning;
    (void)node;
    (void)at_key;
    snprintf(arg, 256, "%s", msg);
}

static char *check(const char *json, void **ret_cfg)
{
    static char msg[256];
    hg_diag_t d = { .fn = complain, .arg = msg };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    void *cfg = hg_arena_alloc(kit->arena, hg_input_datagen.cfg_size);
    msg[0] = 0;
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(json), &j, &err), 0);
    (void)hg_opts_parse(hg_input_datagen.opts, j, j, hg_input_datagen.extra, NULL, kit->arena, cfg, &d);
    hg_input_datagen.check(cfg, j, &d);
    if (ret_cfg) *ret_cfg = cfg;
    return msg;
}

static hg_input_t *make(const char *json, uint32_t conn, uint64_t max_queued)
{
    void *cfg;
    assert_string_equal(check(json, &cfg), "");
    hg_conn_spec_t spec = kit_spec(cfg);
    spec.in_type = &hg_input_datagen;
    spec.format = NULL;
    spec.max_queued_records = max_queued;
    return kit_input(&spec, conn);
}

/* All values in order of arrival, until the end. */
static uint32_t collect(int64_t *v, uint32_t cap)
{
    uint32_t n = 0;
    for (bool eoi = false; !eoi;) {
        hg_chunk_t *c = kit_take_wait();
        for (uint64_t i = 0; i < c->records && n < cap; i++) v[n++] = HG_COL(c->change->rows->cols[0], int64_t)[i];
        eoi = c->eoi;
        hg_chunk_done(c);
    }
    return n;
}

static void rows_and_their_order_do_not_depend_on_workers(void **st)
{
    (void)st;
    enum { N = 50000 };
    static int64_t a[N + 1], b[N + 1];
    kit_up((hg_host_opts_t){ 0 });
    for (uint32_t i = 0; i < 2; i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"seed\":11,\"workers\":%u,\"plan\":[{\"limit\":%d,\"worker_chunk_size\":%u,\"fields\":{\"n\":{"
                 "\"strategy\":\"uniform\","
                 "\"range\":[0,1000000000]}}}]}",
                 i ? 5u : 1u, N, i ? 700u : 5000u);
        hg_input_t *in = make(json, i, 0);
        hg_input_open(in);
        hg_input_run(in);
        assert_int_equal(collect(i ? b : a, N + 1), N);
        KIT_WAIT(kit->c[i].ended && !kit->c[i].some);
        assert_int_equal(in_stats(in).done, N);
        assert_int_equal(in_stats(in).total, N);
        kit_close(in, i);
    }
    assert_memory_equal(a, b, sizeof a[0] * N);
    kit_down();
}

static void bytes_are_those_of_the_json_rows(void **st)
{
    (void)st;
    int64_t v[8];
    kit_up((hg_host_opts_t){ 0 });
    hg_field_t *col = HG_ANEW(kit->arena, hg_field_t);
    *col = kit->schema.cols[0];
    col->name = HG_S("c1");
    kit->schema.cols = col;
    hg_input_t *in = make("{\"plan\":[{\"limit\":5}]}", 0, 0);
    hg_input_open(in);
    hg_input_run(in);
    assert_int_equal(collect(v, 8), 5);
    for (int i = 0; i < 5; i++) assert_int_equal(v[i], i);
    assert_int_equal(in_stats(in).total_bytes, 40);
    kit_close(in, 0);
    kit_down();
}

static void plans_run_one_after_the_other_and_restart_counting(void **st)
{
    (void)st;
    int64_t v[16];
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make(
        "{\"workers\":3,\"plan\":[{\"limit\":3,\"fields\":{\"n\":{\"range\":[10,20]}}},{\"limit\":0},{\"limit\":2}]}",
        0, 0);
    hg_input_open(in);
    hg_input_run(in);
    assert_int_equal(collect(v, 16), 5);
    const int64_t want[] = { 10, 11, 12, 0, 1 };
    assert_memory_equal(v, want, sizeof want);
    kit_close(in, 0);
    kit_down();
}

static void a_full_queue_stops_it_and_nothing_is_lost(void **st)
{
    (void)st;
    enum { N = 60000 };
    static int64_t v[N + 1];
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make("{\"workers\":4,\"plan\":[{\"limit\":60000,\"worker_chunk_size\":1000}]}", 0, 2000);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(in_stats(in).buffered_records >= 2000);
    assert_true(in_stats(in).buffered_records < 20000);
    hg_input_hold(in);
    hg_input_run(in);
    assert_int_equal(collect(v, N + 1), N);
    for (int i = 0; i < N; i++) assert_int_equal(v[i], i);
    kit_close(in, 0);
    kit_down();
}

/* Not how fast it is, but that it does not run ahead: the rows of a second cannot all come at once. */
static void a_rate_spreads_the_rows(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make("{\"plan\":[{\"limit\":40,\"rate\":200}]}", 0, 0);
    int64_t start = hg_mono_us();
    hg_input_open(in);
    hg_input_run(in);
    int64_t v[64];
    uint32_t n = collect(v, 64);
    assert_int_equal(n, 40);
    assert_true(hg_mono_us() - start >= 39 * 5000); /* row 40 is due 195 ms after the first */
    kit_close(in, 0);
    kit_down();
}

static void a_restored_generator_goes_on_with_the_same_rows(void **st)
{
    (void)st;
    enum { N = 5000 };
    static int64_t whole[N + 1], rest[N + 1];
    static const char plan[] = "{\"plan\":[{\"limit\":5000,\"worker_chunk_size\":100,\"fields\":{\"n\":{\"strategy\":"
                               "\"uniform\",\"range\":[0,1000000]}}}]";
    char json[512];
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    kit_up((hg_host_opts_t){ 0 });
    snprintf(json, sizeof json, "%s}", plan); /* a seed of its own, kept in the position */
    hg_input_t *in = make(json, 0, 200);
    hg_input_open(in);
    hg_input_run(in);
    uint32_t n = 0;
    for (int k = 0; k < 3; k++) {
        hg_chunk_t *c = kit_take_wait();
        for (uint64_t i = 0; i < c->records; i++) whole[n++] = HG_COL(c->change->rows->cols[0], int64_t)[i];
        hg_chunk_done(c);
    }
    const char *saved = kit_save(in);
    assert_non_null(strstr(saved, "{\"rows\":300,\"seed\":"));
    uint32_t more = collect(whole + n, N);
    assert_int_equal(n + more, N);
    kit_close(in, 0);
    in = make(json, 1, 0);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(saved), &pos, &err), 0);
    assert_int_equal(hg_input_restore(in, pos, &err), 0);
    hg_input_open(in);
    hg_input_run(in);
    assert_int_equal(collect(rest, N + 1), N - 300);
    assert_memory_equal(rest, whole + 300, sizeof rest[0] * (N - 300));
    kit_close(in, 1);
    kit_down();
}

static void a_close_in_full_flight_is_clean(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make("{\"workers\":8}", 0, 0); /* no limit */
    hg_input_open(in);
    hg_input_run(in);
    hg_chunk_done(kit_take_wait());
    kit_close(in, 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    kit_down();
}

static void mistakes_in_the_plan_are_found_before_the_start(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    static const struct {
        const char *json, *want;
    } cases[] = {
        { "{\"plan\":{}}", "'plan' must be an array, not an object" },
        { "{\"plan\":[{\"limits\":3}]}", "unknown member 'limits' in a datagen plan; did you mean 'limit'?" },
        { "{\"plan\":[{\"limit\":-3}]}", "'limit' must be a whole number that is not negative" },
        { "{\"plan\":[{\"rate\":99999999999}]}", "'rate' must be at most 4294967295" },
        { "{\"plan\":[{\"fields\":{\"n\":{\"strategy\":\"unifrom\"}}}]}",
          "unknown strategy 'unifrom'; did you mean 'uniform'?" },
        { "{\"plan\":[{\"fields\":{\"n\":{\"range\":[1]}}}]}", "'range' must have two bounds, [from, to)" },
        { "{\"plan\":[{\"fields\":{\"n\":{\"null_percentage\":101}}}]}", "'null_percentage' must be at most 100" },
        { "{\"plan\":[{\"fields\":{\"n\":{\"scales\":1}}}]}",
          "unknown member 'scales' in a datagen field; did you mean 'scale'?" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) assert_string_equal(check(cases[i].json, NULL), cases[i].want);
    assert_true(strstr(check("{\"sead\":1}", NULL), "seed") != NULL);
    kit_down();
}

static void is_finite_tells_whether_it_can_end(void **st)
{
    (void)st;
    void *cfg;
    kit_up((hg_host_opts_t){ 0 });
    check("{\"plan\":[{\"limit\":1},{\"limit\":2}]}", &cfg);
    assert_true(hg_input_datagen.is_finite(cfg));
    check("{\"plan\":[{\"limit\":1},{}]}", &cfg);
    assert_false(hg_input_datagen.is_finite(cfg));
    check("{}", &cfg);
    assert_false(hg_input_datagen.is_finite(cfg));
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_their_order_do_not_depend_on_workers),
        cmocka_unit_test(bytes_are_those_of_the_json_rows),
        cmocka_unit_test(plans_run_one_after_the_other_and_restart_counting),
        cmocka_unit_test(a_full_queue_stops_it_and_nothing_is_lost),
        cmocka_unit_test(a_rate_spreads_the_rows),
        cmocka_unit_test(a_restored_generator_goes_on_with_the_same_rows),
        cmocka_unit_test(a_close_in_full_flight_is_clean),
        cmocka_unit_test(mistakes_in_the_plan_are_found_before_the_start),
        cmocka_unit_test(is_finite_tells_whether_it_can_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
