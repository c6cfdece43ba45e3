/* Outputs: order, progress, flat memory, pause, buffer, errors, taps. test-labels: threads */
#include "tests/unit/connectors_host/sink.h"
#include "connectors/host/output_int.h"

static void steps_arrive_in_order_and_empty_ones_count(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    step_of(out, 1, 1, 2); /* before the start: waits */
    hg_output_start(out);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    step_of(out, 2, 0, 0);
    step_of(out, 3, 0, 0);
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    step_of(out, 4, 7, 1);
    step_of(out, 5, 8, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 5);
    assert_string_equal(s.got.p, "1\n2\n7\n8\n");
    hg_output_stats_t x = out_stats(out);
    assert_int_equal(x.transmitted_records, 4);
    assert_int_equal(x.transmitted_bytes, 8);
    assert_int_equal(x.total_processed_steps, 5);
    assert_int_equal(x.total_processed_input_records, 50);
    assert_int_equal(x.queued_records, 0);
    out_down(out, &s, false);
}

static void deletes_of_a_step_come_before_its_inserts_however_it_is_cut(void **st)
{
    (void)st;
    enum { N = 30000 };
    sink_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    hg_delta_t d = delta(100000, N, 1), minus = delta(200000, N, -1);
    assert_int_equal(hg_delta_add(&d, hg_part_retain(minus.parts[0])), 0);
    hg_delta_release(&minus);
    hg_output_push(out, 1, &d, 0);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    hg_buf_t want;
    hg_buf_init(&want, HG_BUF_NOMAX);
    for (int i = 0; i < N; i++) hg_buf_addf(&want, "-%d\n", 200000 + i);
    for (int i = 0; i < N; i++) hg_buf_addf(&want, "%d\n", 100000 + i);
    assert_int_equal(want.len, s.got.len);
    assert_memory_equal(want.p, s.got.p, want.len);
    assert_true(s.writes > 4); /* in pieces */
    hg_buf_release(&want);
    out_down(out, &s, false);
}

static void progress_does_not_pass_an_unconfirmed_step(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(s.ends == 1);
    step_of(out, 2, 0, 0);
    step_of(out, 3, 3, 1);
    step_of(out, 4, 0, 0);
    KIT_WAIT(s.ends == 2);
    assert_int_equal(hg_output_delivered_step(out), 0);
    hg_loop_call(hg_out_loop(out), sink_ack, &s); /* confirms step 3 */
    KIT_WAIT(hg_output_delivered_step(out) == 4);
    assert_int_equal(out_stats(out).total_processed_steps, 4);
    pthread_mutex_lock(&kit->mu);
    s.hold_acks = false;
    pthread_mutex_unlock(&kit->mu);
    out_down(out, &s, false);
}

static void a_slow_sink_fills_the_queue_and_no_more(void **st)
{
    (void)st;
    sink_t s = { .block = true }, *h = &s;
    kit_up((hg_host_opts_t){ .budget_bytes = 4 << 20 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    uint64_t steps = 0, peak = 0;
    for (; !hg_output_full(out) && steps < 1000; steps++) step_of(out, steps + 1, 1000000, 20000);
    assert_true(steps < 100); /* the circuit stops here */
    KIT_WAIT(s.blocked);
    peak = hg_host_output_bytes(kit->h);
    assert_true(peak < 8 << 20);
    /* one write per answer: everything arrives, memory stays where it was */
    for (uint64_t more = 0; hg_output_delivered_step(out) < steps;) {
        pthread_mutex_lock(&kit->mu);
        bool again = s.blocked;
        s.blocked = false;
        pthread_mutex_unlock(&kit->mu);
        if (again) hg_loop_call(hg_out_loop(out), sink_drained, &s);
        if (more < 200 && !hg_output_full(out)) step_of(out, ++steps, 1000000, 20000), more++;
        peak = HG_MAX(peak, hg_host_output_bytes(kit->h));
    }
    assert_true(peak < 8 << 20);
    assert_int_equal(s.got.len, steps * 20000 * 8);
    pthread_mutex_lock(&kit->mu);
    s.block = false;
    pthread_mutex_unlock(&kit->mu);
    out_down(out, &s, true);
}

static void a_paused_output_throws_away_and_counts_as_delivered(void **st)
{
    (void)st;
    sink_t s = { .block = true }, *h = &s;
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    spec.max_queued_records = 2;
    hg_output_t *out = sink_make(&h, spec);
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(s.blocked);
    hg_output_pause(out, true);
    assert_true(hg_output_paused(out));
    for (uint64_t i = 2; i < 50; i++) step_of(out, i, 5, 3);
    assert_false(hg_output_full(out));
    assert_int_equal(out_stats(out).queued_records, 0);
    pthread_mutex_lock(&kit->mu);
    s.block = false;
    pthread_mutex_unlock(&kit->mu);
    hg_loop_call(hg_out_loop(out), sink_drained, &s);
    KIT_WAIT(hg_output_delivered_step(out) == 49);
    hg_output_pause(out, false);
    step_of(out, 50, 9, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 50);
    assert_string_equal(s.got.p, "1\n9\n"); /* no replay */
    out_down(out, &s, false);
}

/* Steps that are done again: what was said in between counts where it was said, and what is queued by then goes out. */
static void words_of_the_user_count_from_their_steps_on(void **st)
{
    (void)st;
    sink_t s = { .block = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_pause_after(out, 2, true);
    hg_output_pause_after(out, 4, false);
    hg_output_pause_after(out, 6, true);
    hg_output_pause_after(out, 6, false);
    hg_output_pause_after(out, 7, true);
    assert_true(hg_output_paused(out)); /* by the newest */
    hg_output_start(out);
    for (uint64_t i = 1; i <= 9; i++) step_of(out, i, (int64_t)i, 1);
    pthread_mutex_lock(&kit->mu);
    s.block = false;
    pthread_mutex_unlock(&kit->mu);
    hg_loop_call(hg_out_loop(out), sink_drained, &s);
    KIT_WAIT(hg_output_delivered_step(out) == 9);
    assert_string_equal(s.got.p, "1\n2\n5\n6\n7\n");
    hg_output_heed(out);
    assert_true(hg_output_paused(out));
    assert_int_equal(hg_output_pause(out, false), 9); /* a new word, and the step that it stands behind */
    step_of(out, 10, 10, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 10);
    assert_string_equal(s.got.p, "1\n2\n5\n6\n7\n10\n");
    out_down(out, &s, false);
}

static void a_new_word_revokes_what_is_still_to_come(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_pause_after(out, 1, true);
    hg_output_pause(out, false);
    assert_false(hg_output_paused(out));
    hg_output_start(out);
    for (uint64_t i = 1; i <= 3; i++) step_of(out, i, (int64_t)i, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    assert_string_equal(s.got.p, "1\n2\n3\n");
    out_down(out, &s, false);
}

/* An output that is made anew while its words are still to come. */
static void who_stands_in_is_paused_as_the_other_would_be(void **st)
{
    (void)st;
    sink_t a = { 0 }, b = { 0 }, *ha = &a, *hb = &b;
    kit_up(durable());
    hg_output_t *old = sink_make(&ha, kit_spec(NULL)), *next = sink_make(&hb, kit_spec(NULL));
    hg_output_pause_after(old, 2, true);
    hg_output_pause_as(next, old);
    assert_true(hg_output_paused(next));
    hg_output_start(next);
    for (uint64_t i = 1; i <= 4; i++) step_of(next, i, (int64_t)i, 1);
    KIT_WAIT(hg_output_delivered_step(next) == 4);
    assert_string_equal(b.got.p, "1\n2\n");
    hg_output_free(old);
    hg_buf_release(&a.got);
    out_down(next, &b, false);
}

static void the_output_buffer_nets_and_flushes_by_size(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    spec.enable_output_buffer = true;
    spec.max_output_buffer_time_millis = UINT64_MAX;
    spec.max_output_buffer_size_records = 4;
    hg_output_t *out = sink_make(&h, spec);
    hg_output_start(out);
    step_of(out, 1, 1, 2); /* 1 2 */
    hg_delta_t d = delta(1, 1, -1);
    hg_output_push(out, 2, &d, 0); /* -1 */
    KIT_WAIT(out_stats(out).buffered_records == 3);
    assert_int_equal(hg_output_delivered_step(out), 0);
    step_of(out, 3, 5, 3); /* 6 rows, net 4: 2 5 6 7 */
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    assert_string_equal(s.got.p, "2\n5\n6\n7\n");
    assert_int_equal(out_stats(out).buffered_records, 0);
    step_of(out, 4, 1, 1);
    step_of(out, 5, 0, 0);
    KIT_WAIT(out_stats(out).buffered_records == 1);
    assert_int_equal(hg_output_delivered_step(out), 3);
    hg_output_stop(out, false); /* a stop flushes */
    KIT_WAIT(kit->c[0].out_closed);
    assert_int_equal(hg_output_delivered_step(out), 5);
    assert_string_equal(s.got.p, "2\n5\n6\n7\n1\n");
    hg_output_free(out);
    hg_buf_release(&s.got);
    kit_down();
}

static void the_output_buffer_flushes_by_time_and_reports_what_cancels_out(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    spec.enable_output_buffer = true;
    spec.max_output_buffer_time_millis = 1;
    hg_output_t *out = sink_make(&h, spec);
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    assert_string_equal(s.got.p, "1\n");
    hg_delta_t d = delta(3, 1, 1), minus = delta(3, 1, -1);
    assert_int_equal(hg_delta_add(&d, hg_part_retain(minus.parts[0])), 0);
    hg_delta_release(&minus);
    hg_output_push(out, 2, &d, 0);
    KIT_WAIT(hg_output_delivered_step(out) == 2);
    assert_string_equal(s.got.p, "1\n");
    out_down(out, &s, false);
}

static void an_encode_error_costs_this_batch_only(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    step_of(out, 2, 12, 3); /* holds 13 */
    step_of(out, 3, 20, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    assert_string_equal(s.got.p, "1\n20\n");
    assert_int_equal(out_stats(out).num_encode_errors, 1);
    assert_false(out_stats(out).failed);
    out_down(out, &s, false);
}

static void without_memory_the_output_fails_before_the_batch_ends(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    step_of(out, 2, -666, 1);
    KIT_WAIT(out_stats(out).failed);
    assert_int_equal(out_stats(out).num_encode_errors, 0);
    assert_int_equal(out_stats(out).num_transport_errors, 1);
    assert_string_equal(s.got.p, "1\n");
    out_down(out, &s, false);
}

static void a_failed_sink_holds_nobody_up(void **st)
{
    (void)st;
    sink_t s = { .fail_write = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    for (uint64_t i = 1; i < 20; i++) step_of(out, i, 1, 1);
    KIT_WAIT(hg_output_delivered_step(out) == UINT64_MAX - 1);
    assert_false(hg_output_full(out));
    assert_string_equal(out_stats(out).fatal, "the sink is gone");
    step_of(out, 20, 1, 1);
    out_down(out, &s, false);
}

static void a_sink_that_does_not_start_fails(void **st)
{
    (void)st;
    sink_t s = { .start_fails = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    KIT_WAIT(out_stats(out).failed);
    assert_string_equal(out_stats(out).fatal, "no such sink");
    out_down(out, &s, false);
}

static void a_stop_now_drops_what_is_queued(void **st)
{
    (void)st;
    sink_t s = { .block = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    for (uint64_t i = 1; i < 20; i++) step_of(out, i, 1, 1);
    KIT_WAIT(s.blocked);
    out_down(out, &s, true);
}

static void held_up(void *arg, unsigned worker)
{
    (void)worker;
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
}

/* The circuit's first step, which brings nothing, may come as late as this: the output has said that it is closed, and
 * its loop may be gone by the time that a worker would be done. */
static void a_step_behind_the_end_is_left_alone(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    kit_up((hg_host_opts_t){ .pool_threads = 1 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    pthread_mutex_lock(&gate);
    hg_pool_submit(hg_host_pool(kit->h), held_up, NULL, NULL, &gate);
    step_of(out, 1, 0, 0);
    pthread_mutex_lock(&out->mu);
    bool taken = out->encoding;
    pthread_mutex_unlock(&out->mu);
    pthread_mutex_unlock(&gate);
    assert_false(taken);
    hg_output_free(out);
    hg_buf_release(&s.got);
    kit_down();
}

/* --- taps --- */

typedef struct {
    hg_output_t *out;
    hg_buf_t got;
    unsigned chunks, snapshots;
    uint64_t dropped;
    bool stuck, closed;
} tap_t;

static bool tap_chunk(void *arg, uint64_t step, hg_str_t bytes, uint64_t records, bool snapshot)
{
    tap_t *t = arg;
    (void)step;
    assert_true(records > 0);
    pthread_mutex_lock(&kit->mu);
    hg_buf_addstr(&t->got, bytes);
    t->chunks++;
    t->snapshots += snapshot;
    t->dropped = hg_tap_dropped(t->out);
    bool more = !t->stuck;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    return more;
}
static void tap_closed(void *arg)
{
    pthread_mutex_lock(&kit->mu);
    ((tap_t *)arg)->closed = true;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
}
static void tap_more(void *arg)
{
    hg_tap_more(((tap_t *)arg)->out);
}

static void tap_make(tap_t *t, bool backpressure)
{
    hg_err_t err = HG_ERR_INIT;
    hg_tap_ops_t ops = { .chunk = tap_chunk, .closed = tap_closed, .arg = t };
    hg_buf_init(&t->got, HG_BUF_NOMAX);
    assert_int_equal(hg_tap_new(kit->h, "v.api-1", 0, &kit->schema, &lines_format, NULL, NULL, backpressure,
                                hg_host_io_loop(kit->h, 1), &ops, &t->out, &err),
                     0);
    hg_output_start(t->out);
}

static void a_tap_with_backpressure_stops_the_circuit(void **st)
{
    (void)st;
    tap_t t = { .stuck = true };
    kit_up((hg_host_opts_t){ 0 });
    tap_make(&t, true);
    hg_delta_t snap = delta(5, 1, 1);
    hg_output_push_snapshot(t.out, 1, &snap, 0);
    uint64_t step = 1;
    while (!hg_output_full(t.out) && step < 1000) step_of(t.out, ++step, 1000, 10000);
    assert_true(step < 100);
    KIT_WAIT(t.chunks == 1);
    pthread_mutex_lock(&kit->mu);
    t.stuck = false;
    pthread_mutex_unlock(&kit->mu);
    hg_loop_call(hg_host_io_loop(kit->h, 1), tap_more, &t);
    KIT_WAIT(hg_output_delivered_step(t.out) == step);
    assert_int_equal(t.snapshots, 1);
    assert_int_equal(t.dropped, 0);
    hg_output_stop(t.out, true);
    KIT_WAIT(kit->c[0].out_closed);
    assert_true(t.closed);
    hg_output_free(t.out);
    hg_buf_release(&t.got);
    kit_down();
}

static void a_tap_without_backpressure_loses_batches_and_says_so(void **st)
{
    (void)st;
    tap_t t = { .stuck = true };
    kit_up((hg_host_opts_t){ 0 });
    tap_make(&t, false);
    for (uint64_t i = 1; i <= 3000; i++) {
        step_of(t.out, i, 1000, 1000);
        assert_false(hg_output_full(t.out));
        assert_int_equal(hg_output_delivered_step(t.out), i);
    }
    KIT_WAIT(t.chunks == 1);
    pthread_mutex_lock(&kit->mu);
    t.stuck = false;
    pthread_mutex_unlock(&kit->mu);
    hg_loop_call(hg_host_io_loop(kit->h, 1), tap_more, &t);
    KIT_WAIT(out_stats(t.out).queued_batches == 0 && out_stats(t.out).memory == 0);
    step_of(t.out, 3001, 9, 1);
    KIT_WAIT(t.chunks + t.dropped == 3001); /* every batch was one chunk or is counted */
    assert_true(t.dropped > 0);
    hg_output_stop(t.out, true);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(t.out);
    hg_buf_release(&t.got);
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_arrive_in_order_and_empty_ones_count),
        cmocka_unit_test(deletes_of_a_step_come_before_its_inserts_however_it_is_cut),
        cmocka_unit_test(progress_does_not_pass_an_unconfirmed_step),
        cmocka_unit_test(a_slow_sink_fills_the_queue_and_no_more),
        cmocka_unit_test(a_paused_output_throws_away_and_counts_as_delivered),
        cmocka_unit_test(words_of_the_user_count_from_their_steps_on),
        cmocka_unit_test(a_new_word_revokes_what_is_still_to_come),
        cmocka_unit_test(who_stands_in_is_paused_as_the_other_would_be),
        cmocka_unit_test(the_output_buffer_nets_and_flushes_by_size),
        cmocka_unit_test(the_output_buffer_flushes_by_time_and_reports_what_cancels_out),
        cmocka_unit_test(an_encode_error_costs_this_batch_only),
        cmocka_unit_test(without_memory_the_output_fails_before_the_batch_ends),
        cmocka_unit_test(a_failed_sink_holds_nobody_up),
        cmocka_unit_test(a_sink_that_does_not_start_fails),
        cmocka_unit_test(a_stop_now_drops_what_is_queued),
        cmocka_unit_test(a_step_behind_the_end_is_left_alone),
        cmocka_unit_test(a_tap_with_backpressure_stops_the_circuit),
        cmocka_unit_test(a_tap_without_backpressure_loses_batches_and_says_so),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
