/* Inputs over crashes: positions and replay lose nothing, double nothing, and give the same chunks. */
/* test-labels: threads */
#include "tests/unit/connectors_host/subject.h"
#include <unistd.h>

extern const hg_input_type_t hg_input_file, hg_input_datagen, hg_input_skeleton;

static values_t histories(const hg_input_type_t *type, const char *json, uint64_t seed)
{
    uint64_t r = seed;
    subject_t *s = HG_NEW(subject_t);
    s->type = type;
    s->json = json;
    for (bool ended = false; !ended;) {
        kit_up((hg_host_opts_t){ .exactly_once = true, .pool_threads = 1 + (unsigned)(kit_dice(&r) % 4) });
        hg_input_t *in = subject_open(s, 1 + kit_dice(&r) % 3000);
        subject_replay(s, in);
        for (uint64_t n = kit_dice(&r) % 12 + (seed % 3 ? 1 : 60); n > 0 && !ended; n--) {
            ended = subject_step(s);
            if (kit_dice(&r) % 5 == 0) subject_checkpoint(s, in);
        }
        /* the crash: the journal has all steps or fewer */
        if (!ended && s->n_cuts) {
            s->n_cuts -= (uint32_t)(kit_dice(&r) % HG_MIN(s->n_cuts, 4u));
            s->values.n = s->upto[s->n_cuts - 1];
        }
        kit_close(in, 0);
        KIT_WAIT(hg_host_input_bytes(kit->h) == 0); /* a chunk in flight may go a moment after the close */
        kit_down();
    }
    values_t v = s->values;
    s->values = (values_t){ 0 };
    subject_release(s);
    return v;
}

static char file[128];

static void a_file_is_read_once_whatever_crashes(void **st)
{
    (void)st;
    enum { N = 40000 };
    char json[256];
    FILE *f = fopen(file, "w");
    for (int i = 0; i < N; i++) fprintf(f, "%d\n", i * 7);
    fclose(f);
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", file);
    for (uint64_t seed = 0; seed < 15; seed++) {
        values_t v = histories(&hg_input_file, json, seed);
        assert_int_equal(v.n, N);
        for (int i = 0; i < N; i++) assert_int_equal(v.v[i], i * 7);
        hg_free(v.v);
    }
}

static void a_generator_makes_the_same_rows_whatever_crashes(void **st)
{
    (void)st;
    static const char json[] =
        "{\"workers\":3,\"seed\":5,\"plan\":[{\"limit\":3000,\"worker_chunk_size\":70,\"fields\":{\"n\":{\"strategy\":"
        "\"uniform\",\"range\":[0,1000000]}}},{\"limit\":9000,\"rate\":1000000,\"worker_chunk_size\":111}]}";
    values_t want = { 0 };
    for (uint64_t seed = 0; seed < 15; seed++) {
        values_t v = histories(&hg_input_datagen, json, seed);
        assert_int_equal(v.n, 12000);
        if (!want.v) want = v;
        assert_memory_equal(v.v, want.v, sizeof *v.v * v.n);
        if (v.v != want.v) hg_free(v.v);
    }
    hg_free(want.v);
}

static void the_skeleton_counts_on_whatever_crashes(void **st)
{
    (void)st;
    for (uint64_t seed = 0; seed < 10; seed++) {
        values_t v = histories(&hg_input_skeleton, "{\"count\":5000}", seed);
        assert_true(v.n > 2 && v.v[0] == 0); /* its lines are objects, which this format refuses: ranges tell enough */
        for (size_t i = 2; i < v.n; i += 2) assert_int_equal(v.v[i], v.v[i - 1]);
        assert_int_equal(v.v[v.n - 1], 10 * 8 + 90 * 9 + 900 * 10 + 4000 * 11);
        hg_free(v.v);
    }
}

/* --- a source that is not what it was --- */

static void expect_replay_error(subject_t *s, const char *text)
{
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_input_t *in = subject_open(s, 1000000); /* nobody takes: no limit may come before the place */
    KIT_WAIT(kit->c[0].failed);
    if (!strstr(kit->c[0].error, text) || !strstr(kit->c[0].error, "'t.c' cannot be read again as it was: range "))
        fail_msg("%s", kit->c[0].error);
    kit_close(in, 0);
    kit_down();
}

static void a_changed_source_is_told_with_its_range(void **st)
{
    (void)st;
    char json[256];
    subject_t *s = HG_NEW(subject_t);
    s->type = &hg_input_file;
    s->json = json;
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", file);
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 3000; i++) fprintf(f, "%d\n", 1000 + i);
    fclose(f);
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_input_t *in = subject_open(s, 500);
    while (!subject_step(s)) {
    }
    kit_close(in, 0);
    kit_down();
    assert_string_equal(s->position, "{\"offset\":0}");

    s->cuts[0].records++;
    expect_replay_error(s, "records now");
    s->cuts[0].records--;
    s->cuts[0].begin += 5;
    expect_replay_error(s, "the source goes on at 0");
    s->cuts[0].begin -= 5;
    f = fopen(file, "r+");
    fseek(f, 14000, SEEK_SET);
    fputs("9999\n", f);
    fclose(f);
    expect_replay_error(s, "its content has changed");
    assert_int_equal(truncate(file, 14000), 0);
    expect_replay_error(s, "the source ends at 14000 now");
    snprintf(json, sizeof json, "{\"path\":\"%s\",\"follow\":true}", file); /* which would wait for the rest */
    expect_replay_error(s, "the source ends at 14000 now");
    subject_release(s);
}

/* --- messages on several lanes --- */

typedef struct {
    src_t *s;
    hg_lane_t *lane[3];
    uint64_t next[3];
    uint64_t seed, given;
    int rc;
} topics_t;

static void topics_open(void *arg)
{
    topics_t *t = arg;
    for (uint64_t i = 0; i < 3; i++) t->lane[i] = hg_lane_open_key(t->s->in, 7 + i, t->next[i]);
}

/* Messages on lanes in any order; values tell lane and position. Stops when the host wants no more. */
static void topics_give(void *arg)
{
    topics_t *t = arg;
    t->rc = HG_LANE_OK;
    for (unsigned n = 0; n < 50 && t->rc == HG_LANE_OK; n++) {
        char text[32];
        uint64_t k = kit_dice(&t->seed) % 3;
        snprintf(text, sizeof text, "%" PRIu64, k * 1000000 + t->next[k]);
        hg_message_t m = { .payload = hg_strz(text), .pos = t->next[k]++ };
        t->rc = hg_lane_message(t->lane[k], &m);
        t->given++;
        if (t->rc == HG_LANE_OK && kit_dice(&t->seed) % 9 == 0) t->rc = hg_lane_flush(t->lane[k]);
    }
}

static void messages_are_replayed_in_the_order_of_the_journal(void **st)
{
    (void)st;
    enum { CUTS = 60 };
    hg_replay_cut_t cuts[CUTS];
    int64_t first[CUTS];
    hg_err_t err = HG_ERR_INIT;
    for (uint64_t seed = 1; seed < 8; seed++) {
        src_t s = { 0 }, *h = &s;
        topics_t t = { .s = &s, .seed = seed };
        uint64_t took[3] = { 0 };
        kit_up((hg_host_opts_t){ .exactly_once = true });
        hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
        hg_input_run(in);
        KIT_WAIT(s.running);
        hg_loop_call(hg_in_loop(in), topics_open, &t);
        for (unsigned n = 0; n < CUTS;) {
            hg_chunk_t *c = kit_take();
            if (!c) {
                hg_loop_call(hg_in_loop(in), topics_give, &t);
                continue;
            }
            cuts[n] = (hg_replay_cut_t){ c->lane_key, c->ranges[0].begin, c->ranges[0].end, c->records, c->raw_hash };
            took[c->lane_key - 7] = c->ranges[0].end;
            first[n++] = chunk_first(c);
            hg_chunk_done(c);
        }
        kit_close(in, 0);
        kit_down();

        src_t s2 = { 0 }, *h2 = &s2;
        topics_t t2 = { .s = &s2, .seed = seed + 100 }; /* another order between the lanes */
        kit_up((hg_host_opts_t){ .exactly_once = true });
        hg_conn_spec_t spec = kit_spec(NULL);
        spec.in_type = &src_type;
        spec.transport_cfg = &h2;
        spec.max_queued_records = 1 + seed * 3; /* full long before the last cut */
        in = kit_input(&spec, 0);
        assert_int_equal(hg_input_replay(in, cuts, CUTS, &err), 0);
        hg_input_open(in);
        hg_input_run(in);
        KIT_WAIT(s2.running);
        hg_loop_call(hg_in_loop(in), topics_open, &t2);
        for (unsigned n = 0; n < CUTS; n++) {
            hg_chunk_t *c = NULL;
            while (!hg_host_take_exact(kit->h, 0, cuts[n].lane_key, cuts[n].begin, cuts[n].end, &c)) {
                assert_false(KIT_GET(kit->c[0].failed));
                if (KIT_GET(s2.running)) hg_loop_call(hg_in_loop(in), topics_give, &t2);
            }
            assert_int_equal(chunk_first(c), first[n]);
            assert_int_equal(c->raw_hash, cuts[n].raw_hash);
            hg_chunk_done(c);
        }
        hg_input_replay_end(in);
        for (unsigned n = 0; n < 30;) { /* and on behind it, without a gap */
            hg_chunk_t *c = kit_take();
            if (!c) {
                if (KIT_GET(s2.running)) hg_loop_call(hg_in_loop(in), topics_give, &t2);
                continue;
            }
            uint64_t *at = &took[c->lane_key - 7];
            assert_int_equal(c->ranges[0].begin, *at);
            *at = c->ranges[0].end;
            hg_chunk_done(c);
            n++;
        }
        kit_close(in, 0);
        kit_down();
    }
}

/* --- lanes that come and go --- */

static void reopen_on_loop(void *arg)
{
    topics_t *t = arg;
    for (unsigned i = 0; i < 3; i++) {
        if (t->lane[i]) (void)hg_lane_close(t->lane[i], false);
        t->lane[i] = hg_lane_open_key(t->s->in, 7 + i, t->next[i]);
        hg_message_t m = { .payload = HG_S("1"), .pos = t->next[i]++ };
        (void)hg_lane_message(t->lane[i], &m);
    }
}

static uint32_t n_ranges;
static void count_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    (void)in;
    (void)consumed;
    n_ranges = n;
    hg_jw_obj(w);
    hg_jw_end_obj(w);
}

static void ranges_of_lanes_that_went_on_elsewhere_are_forgotten(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    topics_t t = { .s = &s };
    hg_input_type_t type = src_type;
    type.save = count_save;
    kit_up((hg_host_opts_t){ 0 });
    hg_conn_spec_t spec = kit_spec(NULL);
    spec.in_type = &type;
    spec.transport_cfg = &h;
    hg_input_t *in = kit_input(&spec, 0);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(s.running);
    for (int i = 0; i < 2000; i++) {
        hg_loop_call(hg_in_loop(in), reopen_on_loop, &t);
        for (hg_chunk_t *c; (c = kit_take()) != NULL;) hg_chunk_done(c);
    }
    while (in_stats(in).processed_records < 5997)
        hg_chunk_done(kit_take_wait()); /* all but what is in the open lanes */
    subject_t *none = HG_NEW(subject_t);
    subject_checkpoint(none, in);
    subject_release(none);
    assert_true(n_ranges >= 3 && n_ranges <= 6);
    kit_close(in, 0);
    kit_down();
}

/* --- pushed bodies --- */

static void push_nothing(void *arg, uint64_t records, uint64_t n_errors, hg_str_t errors, uint64_t total)
{
    (void)records;
    (void)n_errors;
    (void)errors;
    (void)total;
    pthread_mutex_lock(&kit->mu);
    *(bool *)arg = true;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

typedef struct {
    hg_input_t *in;
    bool done;
} push_t;

static void push_on_loop(void *arg)
{
    push_t *p = arg;
    hg_push_ops_t ops = { .done = push_nothing, .arg = &p->done };
    hg_push_body_t *b = hg_push_begin(p->in, hg_host_io_loop(kit->h, 0), &ops);
    assert_true(hg_push_data(b, "1\n!bad\n2\n", 9) >= 0);
    assert_true(hg_push_data(b, "3\n", 2) >= 0);
    hg_push_end(b, false);
}

static hg_input_t *push_make(void)
{
    hg_input_t *in;
    hg_err_t err = HG_ERR_INIT;
    hg_table_env_t env = { .schema = &kit->schema };
    assert_int_equal(hg_push_new(kit->h, "t.push", 0, &env, &lines_format, NULL, kit->arena, &in, &err), 0);
    hg_input_open(in);
    hg_input_run(in);
    return in;
}

static void a_pushed_payload_is_kept_and_comes_again(void **st)
{
    (void)st;
    hg_buf_t journal[8];
    hg_replay_cut_t cuts[8];
    hg_err_t err = HG_ERR_INIT;
    unsigned n = 0;
    kit_up((hg_host_opts_t){ .exactly_once = true, .keep_payload = true });
    hg_input_t *in = push_make();
    push_t p = { .in = in };
    hg_loop_call(hg_host_io_loop(kit->h, 0), push_on_loop, &p);
    KIT_WAIT(p.done);
    uint64_t errors = in_stats(in).num_parse_errors;
    assert_int_equal(errors, 1);
    for (hg_chunk_t *c; (c = kit_take()) != NULL; n++) {
        assert_true(n < HG_COUNT(cuts) && c->raw.n > 0);
        hg_buf_init(&journal[n], HG_BUF_NOMAX);
        hg_buf_addstr(&journal[n], c->raw);
        cuts[n] = (hg_replay_cut_t){ .records = c->records, .raw_hash = c->raw_hash };
        hg_chunk_done(c);
    }
    kit_close(in, 0);
    KIT_WAIT(hg_host_input_bytes(kit->h) == 0);
    kit_down();

    kit_up((hg_host_opts_t){ .exactly_once = true, .keep_payload = true });
    in = push_make();
    for (unsigned i = 0; i < n; i++) {
        hg_chunk_t *c = NULL;
        assert_int_equal(hg_push_replay(in, hg_buf_str(&journal[i]), &err), 0);
        KIT_WAIT(hg_host_take_exact(kit->h, 0, 0, 0, 0, &c));
        assert_int_equal(c->records, cuts[i].records);
        assert_int_equal(c->raw_hash, cuts[i].raw_hash);
        hg_chunk_done(c);
        hg_buf_release(&journal[i]);
    }
    assert_int_equal(in_stats(in).num_parse_errors, errors);
    assert_int_equal(hg_push_replay(in, HG_S("1\n"), &err), HG_EREPLAY);
    kit_close(in, 0);
    kit_down();
}

static void what_a_connector_can_promise(void **st)
{
    (void)st;
    hg_input_type_t t = src_type;
    assert_int_equal(hg_input_ft(&t), HG_FT_EXACTLY_ONCE);
    t.caps &= ~(unsigned)HG_CAP_REPLAY;
    assert_int_equal(hg_input_ft(&t), HG_FT_AT_LEAST_ONCE);
    t.restore = NULL;
    assert_int_equal(hg_input_ft(&t), HG_FT_NONE);
    assert_int_equal(hg_input_ft(&hg_input_file), HG_FT_EXACTLY_ONCE);
    assert_int_equal(hg_input_ft(&hg_input_datagen), HG_FT_EXACTLY_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_once_whatever_crashes),
        cmocka_unit_test(a_generator_makes_the_same_rows_whatever_crashes),
        cmocka_unit_test(the_skeleton_counts_on_whatever_crashes),
        cmocka_unit_test(a_changed_source_is_told_with_its_range),
        cmocka_unit_test(messages_are_replayed_in_the_order_of_the_journal),
        cmocka_unit_test(ranges_of_lanes_that_went_on_elsewhere_are_forgotten),
        cmocka_unit_test(a_pushed_payload_is_kept_and_comes_again),
        cmocka_unit_test(what_a_connector_can_promise),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    snprintf(file, sizeof file, "/tmp/hg-test-replay-XXXXXX");
    int fd = mkstemp(file);
    if (fd < 0) return 1;
    close(fd);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return rc;
}
