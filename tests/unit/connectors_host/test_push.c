/* HTTP push: bodies are lanes of their own. test-labels: threads */
#include "tests/unit/connectors_host/kit.h"

typedef struct {
    hg_push_body_t *b;
    hg_input_t *in;
    hg_loop_t *loop;
    bool done, force, abort;
    unsigned rooms;
    uint64_t records, n_errors, total;
    char errors[4096];
    const char *text;
    size_t n;
    int rc;
} body_t;

static void on_room(void *arg)
{
    body_t *b = arg;
    pthread_mutex_lock(&kit->mu);
    b->rooms++;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

static void on_done(void *arg, uint64_t records, uint64_t n_errors, hg_str_t errors, uint64_t total)
{
    body_t *b = arg;
    pthread_mutex_lock(&kit->mu);
    b->done = true;
    b->records = records;
    b->n_errors = n_errors;
    b->total = total;
    snprintf(b->errors, sizeof b->errors, HG_SF, HG_SA(errors));
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}

static void begin_on(void *arg)
{
    body_t *b = arg;
    hg_push_ops_t ops = { .room = on_room, .done = on_done, .arg = b, .force = b->force };
    b->b = hg_push_begin(b->in, b->loop, &ops);
}
static void data_on(void *arg)
{
    body_t *b = arg;
    b->rc = hg_push_data(b->b, b->text, b->n);
}
static void end_on(void *arg)
{
    body_t *b = arg;
    hg_push_end(b->b, b->abort);
}
static void begin(body_t *b, hg_input_t *in, unsigned loop)
{
    b->in = in;
    b->loop = hg_host_io_loop(kit->h, loop);
    hg_loop_call(b->loop, begin_on, b);
}
static int give(body_t *b, const char *text)
{
    b->text = text;
    b->n = strlen(text);
    hg_loop_call(b->loop, data_on, b);
    return b->rc;
}
static void end(body_t *b, bool abort)
{
    b->abort = abort;
    hg_loop_call(b->loop, end_on, b);
}

static hg_input_t *push_make(void)
{
    hg_input_t *in;
    hg_err_t err = HG_ERR_INIT;
    hg_table_env_t env = kit_env();
    assert_int_equal(hg_push_new(kit->h, "t.api-ingress-0", 0, &env, &lines_format, NULL, NULL, &in, &err), 0);
    hg_input_open(in);
    KIT_WAIT(kit->c[0].opened);
    return in;
}

static uint64_t drain(void)
{
    uint64_t rows = 0;
    for (hg_chunk_t *c; (c = kit_take()) != NULL; hg_chunk_done(c)) rows += c->records;
    return rows;
}

static void a_body_is_queued_and_answered(void **st)
{
    (void)st;
    body_t b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    begin(&b, in, 1);
    assert_int_equal(give(&b, "1\n2\n3"), HG_LANE_OK);
    assert_int_equal(give(&b, "4\n5\n"), HG_LANE_OK); /* "3" and "4" are one record: 34 */
    end(&b, false);
    KIT_WAIT(b.done);
    assert_int_equal(b.records, 4);
    assert_int_equal(b.n_errors, 0);
    assert_string_equal(b.errors, "[]");
    assert_int_equal(b.total, 4);
    assert_int_equal(drain(), 4);
    kit_close(in, 0);
    kit_down();
}

static void a_streamed_record_arrives_before_the_body_ends(void **st)
{
    (void)st;
    body_t b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    begin(&b, in, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(give(&b, "7\n"), HG_LANE_OK);
        hg_chunk_t *c = kit_take_wait(); /* no timer, no further bytes needed */
        hg_chunk_done(c);
    }
    /* while a chunk is in the parser, bytes collect; they are cut when it is done */
    give(&b, "gate\n8\n");
    KIT_WAIT(kit->at_gate == 1);
    give(&b, "9\n");
    give(&b, "10\n");
    kit_open_gate();
    KIT_WAIT(in_stats(in).total_records == 8);
    assert_int_equal(drain(), 3);
    end(&b, false);
    KIT_WAIT(b.done);
    kit_close(in, 0);
    kit_down();
}

/* What collects stands in a small buffer, and then in that of a whole chunk: it is not copied from one to the next. */
static void a_body_that_collects_takes_one_chunk_buffer(void **st)
{
    (void)st;
    body_t b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    while (text.len < 40 << 10) hg_buf_adds(&text, "123456789\n");
    begin(&b, in, 0);
    give(&b, "gate\n"); /* in the parser until the gate opens */
    KIT_WAIT(kit->at_gate == 1);
    uint64_t held = hg_host_input_bytes(kit->h);
    give(&b, "1\n");
    assert_int_equal(hg_host_input_bytes(kit->h) - held, 4 << 10);
    for (int i = 0; i < 4; i++) {
        give(&b, text.p);
        assert_int_equal(hg_host_input_bytes(kit->h) - held, 256 << 10);
    }
    kit_open_gate();
    end(&b, false);
    KIT_WAIT(b.done);
    assert_int_equal(b.records, 1 + 4 * (text.len / 10));
    assert_int_equal(drain(), b.records);
    hg_buf_release(&text);
    kit_close(in, 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    kit_down();
}

static void each_sender_gets_its_own_errors(void **st)
{
    (void)st;
    body_t a = { 0 }, b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    begin(&a, in, 0);
    begin(&b, in, 1);
    give(&a, "1\n!x\n");
    give(&b, "2\n3\n");
    give(&a, "4\n!y\n");
    end(&a, false);
    end(&b, false);
    KIT_WAIT(a.done && b.done);
    assert_int_equal(a.records, 2);
    assert_int_equal(a.n_errors, 2);
    assert_string_equal(a.errors,
                        "[{\"description\":\"not a number\",\"event_number\":2,\"field\":null,\"invalid_bytes\":null,"
                        "\"invalid_text\":\"!x\",\"suggestion\":null,\"tag\":\"text_event_err\"},"
                        "{\"description\":\"not a number\",\"event_number\":4,\"field\":null,\"invalid_bytes\":null,"
                        "\"invalid_text\":\"!y\",\"suggestion\":null,\"tag\":\"text_event_err\"}]");
    assert_int_equal(b.n_errors, 0);
    assert_int_equal(in_stats(in).num_parse_errors, 2);
    assert_int_equal(drain(), 4);
    kit_close(in, 0);
    kit_down();
}

static void an_aborted_body_keeps_its_whole_records_only(void **st)
{
    (void)st;
    body_t b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    begin(&b, in, 0);
    give(&b, "1\n2\n33");
    end(&b, true);
    KIT_WAIT(b.done);
    assert_int_equal(b.records, 2);
    assert_int_equal(drain(), 2);
    kit_close(in, 0);
    kit_down();
}

static void a_full_endpoint_stops_bodies_and_room_wakes_them(void **st)
{
    (void)st;
    body_t b = { 0 };
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    hg_input_t *in = push_make();
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    while (text.len < 64 << 10) hg_buf_adds(&text, "123456789\n");
    begin(&b, in, 0);
    uint64_t given = 0, got = 0, peak = 0;
    for (int i = 0; i < 200; i++) { /* 12.5 MiB through half a MiB */
        unsigned rooms = KIT_GET(b.rooms);
        int rc = give(&b, text.p);
        given += text.len / 10;
        assert_true(rc >= 0);
        peak = HG_MAX(peak, hg_host_input_bytes(kit->h));
        while (rc == HG_LANE_FULL) { /* no more until there is room */
            got += drain();
            if (KIT_GET(b.rooms) > rooms) break;
        }
    }
    end(&b, false);
    while (!KIT_GET(b.done) || got < given) got += drain();
    assert_int_equal(got, given);
    assert_int_equal(b.records, given);
    assert_true(KIT_GET(b.rooms) > 0);
    assert_true(peak < 3 << 20);
    hg_buf_release(&text);
    kit_close(in, 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    kit_down();
}

static void a_held_endpoint_stops_all_but_forced_bodies(void **st)
{
    (void)st;
    body_t a = { 0 }, b = { .force = true };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    hg_input_hold(in);
    begin(&a, in, 0);
    begin(&b, in, 1);
    assert_int_equal(give(&a, "1\n"), HG_LANE_FULL);
    assert_int_equal(give(&b, "2\n"), HG_LANE_OK);
    assert_int_equal(KIT_GET(a.rooms), 0);
    hg_input_run(in);
    KIT_WAIT(a.rooms == 1);
    assert_int_equal(give(&a, "3\n"), HG_LANE_OK);
    end(&a, false);
    end(&b, false);
    KIT_WAIT(a.done && b.done);
    assert_int_equal(drain(), 3);
    kit_close(in, 0);
    kit_down();
}

static void a_parser_without_memory_fails_one_body_not_the_endpoint(void **st)
{
    (void)st;
    body_t a = { 0 }, b = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    begin(&a, in, 0);
    give(&a, "oom\n");
    end(&a, false);
    KIT_WAIT(a.done);
    assert_int_equal(a.n_errors, 1);
    assert_non_null(strstr(a.errors, "no memory for this line"));
    assert_false(kit->c[0].failed);
    begin(&b, in, 0);
    give(&b, "1\n");
    end(&b, false);
    KIT_WAIT(b.done);
    assert_int_equal(b.records, 1);
    assert_int_equal(drain(), 1);
    kit_close(in, 0);
    kit_down();
}

static void a_closed_endpoint_wakes_and_refuses_its_bodies(void **st)
{
    (void)st;
    body_t a = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = push_make();
    hg_input_hold(in);
    begin(&a, in, 0);
    assert_int_equal(give(&a, "1\n"), HG_LANE_FULL);
    hg_input_close(in);
    KIT_WAIT(kit->c[0].closed && a.rooms == 1);
    assert_true(give(&a, "2\n") < 0);
    end(&a, true);
    KIT_WAIT(a.done);
    hg_input_free(in);
    kit_down();
}

static void many_bodies_at_once(void **st)
{
    (void)st;
    enum { N = 200 };
    body_t *b = HG_NEWN(body_t, N);
    kit_up((hg_host_opts_t){ .budget_bytes = 2 << 20 });
    hg_input_t *in = push_make();
    for (unsigned i = 0; i < N; i++) begin(&b[i], in, i);
    uint64_t got = 0;
    for (unsigned k = 0; k < 5; k++)
        for (unsigned i = 0; i < N; i++) {
            assert_true(give(&b[i], "1\n2\n3\n") >= 0);
            got += drain();
        }
    for (unsigned i = 0; i < N; i++) end(&b[i], i % 2);
    for (unsigned i = 0; i < N; i++) KIT_WAIT(b[i].done);
    got += drain();
    assert_int_equal(got, N * 15);
    assert_int_equal(in_stats(in).total_records, N * 15);
    kit_close(in, 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    hg_free(b);
    kit_down();
}

static void a_sender_that_goes_silent_in_a_record_stops_nobody_else(void **st)
{
    (void)st;
    enum { LONG = 600000 };
    static char text[LONG + 1];
    body_t a = { 0 }, b = { 0 };
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    hg_input_t *in = push_make();
    memset(text, 'x', LONG);
    begin(&a, in, 0);
    begin(&b, in, 1);
    assert_int_equal(give(&a, text), HG_LANE_OK); /* above the budget, by the overdraft; nothing more comes */
    assert_int_equal(give(&b, "12"), HG_LANE_FULL);
    KIT_WAIT(b.rooms > 0);
    assert_true(give(&b, "3\n") >= 0);
    end(&b, false);
    KIT_WAIT(b.done);
    assert_int_equal(b.records, 1);
    assert_true(give(&a, text) >= 0); /* it speaks again, and gets through */
    end(&a, false);
    KIT_WAIT(a.done);
    assert_int_equal(a.records, 1);
    assert_int_equal(drain(), 2);
    kit_close(in, 0);
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_queued_and_answered),
        cmocka_unit_test(a_streamed_record_arrives_before_the_body_ends),
        cmocka_unit_test(a_body_that_collects_takes_one_chunk_buffer),
        cmocka_unit_test(each_sender_gets_its_own_errors),
        cmocka_unit_test(an_aborted_body_keeps_its_whole_records_only),
        cmocka_unit_test(a_full_endpoint_stops_bodies_and_room_wakes_them),
        cmocka_unit_test(a_held_endpoint_stops_all_but_forced_bodies),
        cmocka_unit_test(a_parser_without_memory_fails_one_body_not_the_endpoint),
        cmocka_unit_test(a_closed_endpoint_wakes_and_refuses_its_bodies),
        cmocka_unit_test(many_bodies_at_once),
        cmocka_unit_test(a_sender_that_goes_silent_in_a_record_stops_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
