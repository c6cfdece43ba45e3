/* Durable progress of outputs: save, owed, restore, resume, and nothing final before the journal. test-labels: threads
 */
#include "tests/unit/connectors_host/sink.h"

/* splitmix64: the same histories everywhere */
/* --- what a checkpoint keeps of one output --- */

static uint64_t member(const char *state, const char *name)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    uint64_t n = UINT64_MAX;
    assert_non_null(state);
    assert_int_equal(hg_json_parse(a, hg_strz(state), &v, &err), 0);
    (void)hg_json_u64(hg_json_get(v, name), &n);
    hg_arena_free(a);
    return n;
}

#define OWED_MAX 512
typedef struct {
    uint64_t step[OWED_MAX];
    int64_t first[OWED_MAX];
    uint32_t rows[OWED_MAX], n;
    int fail_at;
} owed_list_t;

static int on_owed(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    owed_list_t *l = arg;
    if (l->fail_at && l->n + 1 == (uint32_t)l->fail_at) return hg_err_set(err, HG_EIO, "no room for it");
    assert_true(l->n < OWED_MAX);
    l->step[l->n] = step;
    l->first[l->n] = HG_COL(d->parts[0]->batch->cols[0], int64_t)[0];
    l->rows[l->n++] = (uint32_t)hg_delta_rows(d);
    return 0;
}

static char *owed_of(hg_output_t *out, uint64_t step, owed_list_t *l)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    assert_int_equal(hg_output_owed(out, step, on_owed, l, &w, &err), 0);
    return hg_buf_take(&b, NULL);
}

static void restore_of(hg_output_t *out, const char *state)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(a, hg_strz(state), &v, &err), 0);
    assert_int_equal(hg_output_restore(out, v, &err), 0);
    hg_arena_free(a);
}

/* --- save --- */

static void a_position_is_that_of_its_step_although_later_ones_are_written(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 2); /* 4 bytes */
    step_of(out, 2, 0, 0);
    step_of(out, 3, 5, 1); /* 2 bytes */
    step_of(out, 4, 6, 3); /* 6 bytes */
    KIT_WAIT(s.ends == 3);
    kit_saved_t at2 = { 0 };
    hg_output_save(out, 2, kit_on_saved, &at2);
    assert_false(KIT_GET(at2.answered));
    hg_loop_call(hg_out_loop(out), sink_ack, &s); /* one confirmation for all of them */
    KIT_WAIT(at2.answered);
    assert_int_equal(member(at2.state, "step"), 2);
    assert_int_equal(member(at2.state, "position"), 4);
    assert_int_equal(member(at2.state, "transmitted_records"), 2);
    assert_int_equal(member(at2.state, "through"), UINT64_MAX);
    static const uint64_t want[] = { 0, 4, 4, 6, 12 };
    for (uint64_t i = 0; i < HG_COUNT(want); i++) { /* and when asked long after */
        char *state = kit_save_output(out, i);
        assert_int_equal(member(state, "position"), want[i]);
        hg_free(state);
    }
    hg_free(at2.state);
    out_down(out, &s, false);
}

static void a_later_question_replaces_the_earlier_one_and_an_end_answers_empty(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    kit_saved_t a = { 0 }, b = { 0 };
    hg_output_save(out, 1, kit_on_saved, &a);
    hg_output_save(out, 1, kit_on_saved, &b);
    KIT_WAIT(a.answered);
    assert_null(a.state);
    assert_false(KIT_GET(b.answered));
    hg_output_stop(out, true);
    KIT_WAIT(b.answered && kit->c[0].out_closed);
    assert_null(b.state);
    assert_null(kit_save_output(out, 1));
    hg_output_free(out);
    hg_buf_release(&s.got);
    kit_down();
}

static void a_failed_output_holds_no_checkpoint(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(s.ends == 1);
    hg_loop_call(hg_out_loop(out), sink_ack, &s);
    s.fail_write = true;
    kit_saved_t a = { 0 };
    hg_output_save(out, 2, kit_on_saved, &a);
    step_of(out, 2, 2, 1);
    KIT_WAIT(a.answered);
    assert_null(a.state);
    owed_list_t l = { 0 };
    char *state = owed_of(out, 2, &l); /* it owes the step that failed */
    assert_int_equal(l.n, 1);
    assert_int_equal(l.step[0], 2);
    assert_int_equal(member(state, "step"), 1);
    assert_int_equal(member(state, "position"), 2);
    hg_free(state);
    out_down(out, &s, false);
}

/* --- a failed output and the one that takes its place --- */

/* Steps 1 (confirmed), 2 (fails) and, when it has failed, 3 to 5; 4 has no rows. */
static hg_output_t *fail_at_step_2(sink_t *s, sink_t **h)
{
    hg_output_t *out = sink_make(h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    s->fail_write = true;
    step_of(out, 2, 2, 1);
    KIT_WAIT(out_stats(out).failed);
    step_of(out, 3, 3, 2);
    step_of(out, 4, 0, 0);
    step_of(out, 5, 5, 1);
    return out;
}

static hg_output_t *take_over_from(hg_output_t *old, sink_t **h, bool afresh)
{
    hg_err_t err = HG_ERR_INIT;
    hg_output_t *next = sink_make(h, kit_spec(NULL));
    uint64_t delivered = hg_output_delivered_step(old);
    assert_int_equal(hg_output_hand_over(old, next, afresh, 5, 50, &err), 0);
    assert_int_equal(hg_output_delivered_step(old), delivered); /* nothing is complete by it: it may still be asked */
    hg_output_stop(old, true);
    KIT_WAIT(kit->c[0].out_closed);
    kit->c[0].out_closed = false;
    hg_output_free(old);
    return next;
}

static void what_a_failed_output_owes_goes_to_the_next_one(void **st)
{
    (void)st;
    sink_t s = { 0 }, t = { .restored_at = UINT64_MAX }, *h = &s, *k = &t;
    kit_up(durable());
    hg_output_t *out = fail_at_step_2(&s, &h);
    assert_int_equal(hg_output_delivered_step(out), 1); /* who waits for step 2 goes on waiting */
    assert_int_equal(out_stats(out).queued_records, 4);
    assert_int_equal(out_stats(out).queued_batches, 3);
    assert_false(hg_output_full(out));
    hg_output_t *next = take_over_from(out, &k, false);
    hg_buf_adds(&t.got, "1\n"); /* what is confirmed is there */
    step_of(next, 6, 6, 1);
    hg_output_start(next);
    KIT_WAIT(hg_output_delivered_step(next) == 6);
    assert_int_equal(t.restored_at, 2);
    assert_int_equal(t.ends, 4); /* steps 2, 3, 5, 6 */
    hg_output_stats_t stats = out_stats(next);
    assert_int_equal(stats.transmitted_records, 6);
    assert_int_equal(stats.num_transport_errors, 1); /* counters go on */
    assert_false(stats.failed);
    assert_memory_equal(t.got.p, "1\n2\n3\n4\n5\n6\n", 12);
    hg_buf_release(&s.got);
    out_down(next, &t, false);
}

static void a_failed_output_that_keeps_nothing_goes_on_from_now(void **st)
{
    (void)st;
    sink_t s = { 0 }, t = { .restored_at = UINT64_MAX }, *h = &s, *k = &t;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = fail_at_step_2(&s, &h);
    assert_int_equal(hg_output_delivered_step(out), UINT64_MAX - 1);
    hg_output_t *next = take_over_from(out, &k, true);
    assert_int_equal(hg_output_delivered_step(next), 5); /* progress never goes back */
    hg_output_start(next);
    step_of(next, 6, 6, 1);
    KIT_WAIT(hg_output_delivered_step(next) == 6);
    assert_int_equal(t.restored_at, UINT64_MAX); /* afresh */
    assert_int_equal(t.ends, 1);
    hg_buf_release(&s.got);
    out_down(next, &t, false);
}

static void a_user_who_pauses_a_failed_output_wants_nothing_of_it(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up(durable());
    hg_output_t *out = fail_at_step_2(&s, &h);
    hg_output_pause(out, true);
    assert_int_equal(hg_output_delivered_step(out), UINT64_MAX - 1);
    assert_int_equal(out_stats(out).queued_records, 0);
    owed_list_t l = { 0 };
    hg_free(owed_of(out, 5, &l));
    assert_int_equal(l.n, 0);
    KIT_WAIT(hg_host_output_bytes(kit->h) == 0);
    out_down(out, &s, false);
}

/* --- owed --- */

static void what_is_not_confirmed_is_owed(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 10, 1);
    KIT_WAIT(s.ends == 1);
    hg_loop_call(hg_out_loop(out), sink_ack, &s);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    s.block = true;
    for (uint64_t i = 2; i <= 6; i++) step_of(out, i, (int64_t)i * 10, 2);
    KIT_WAIT(s.writes == 2); /* step 2 is being written, the others wait */
    owed_list_t l = { 0 };
    char *state = owed_of(out, 5, &l);
    assert_int_equal(l.n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(l.step[i], 2 + i);
        assert_int_equal(l.first[i], 20 + 10 * (int)i);
        assert_int_equal(l.rows[i], 2);
    }
    assert_int_equal(member(state, "step"), 1);
    assert_int_equal(member(state, "position"), 3);
    hg_free(state);
    l = (owed_list_t){ .fail_at = 2 };
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    assert_int_equal(hg_output_owed(out, 5, on_owed, &l, &w, &err), HG_EIO);
    hg_buf_release(&b);
    hg_output_pause(out, true); /* the user throws away what was not sent */
    l = (owed_list_t){ 0 };
    hg_free(owed_of(out, 6, &l));
    assert_true(l.n <= 5);
    out_down(out, &s, true);
}

static void a_host_that_is_not_durable_keeps_nothing(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 100, 1000);
    KIT_WAIT(s.ends == 1);
    KIT_WAIT(hg_host_output_bytes(kit->h) == 0); /* and costs nothing */
    owed_list_t l = { 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    assert_int_equal(hg_output_owed(out, 1, on_owed, &l, &w, &err), HG_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "has not delivered step 1"));
    hg_loop_call(hg_out_loop(out), sink_ack, &s);
    hg_buf_clear(&b);
    hg_jw_init(&w, &b);
    assert_int_equal(hg_output_owed(out, 1, on_owed, &l, &w, &err), 0);
    hg_buf_release(&b);
    assert_int_equal(l.n, 0);
    out_down(out, &s, true);
}

static void an_output_buffer_ends_where_a_checkpoint_asks(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up(durable());
    hg_conn_spec_t spec = kit_spec(NULL);
    spec.enable_output_buffer = true;
    hg_output_t *out = sink_make(&h, spec);
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    step_of(out, 2, 2, 1);
    KIT_WAIT(out_stats(out).buffered_records == 2);
    owed_list_t l = { 0 };
    char *state = owed_of(out, 2, &l);
    assert_int_equal(l.n, 2); /* step by step, although they are merged */
    assert_int_equal(member(state, "step"), 0);
    hg_free(state);
    state = kit_save_output(out, 2);
    assert_int_equal(member(state, "position"), 4);
    hg_free(state);
    step_of(out, 3, 3, 1); /* collects again */
    KIT_WAIT(out_stats(out).buffered_records == 1);
    assert_int_equal(KIT_GET(s.ends), 1);
    out_down(out, &s, false);
}

static void a_bad_state_is_refused(void **st)
{
    (void)st;
    static const char *const bad[] = { "{}", "{\"step\":1}", "{\"step\":-1,\"position\":0}", "[]",
                                       ("{\"step\":1,\"position\":2,\"transmitted_records\":0,\"transmitted_bytes\":0,"
                                        "\"processed_records\":0,\"processed_steps\":0,\"through\":\"x\"}") };
    sink_t s = { 0 }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_json_parse(a, hg_strz(bad[i]), &v, &err), 0);
        assert_int_equal(hg_output_restore(out, v, &err), HG_EPARSE);
        assert_non_null(strstr(err.msg, "saved state of output"));
        hg_arena_free(a);
    }
    out_down(out, &s, true);
}

/* --- exactly once --- */

static void nothing_is_final_before_the_journal_has_it(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    assert_true(hg_out_exactly_once(out));
    assert_string_equal(hg_out_durable_id(out), "headgate.pipeline.t.c");
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    step_of(out, 2, 2, 1);
    KIT_WAIT(s.writes == 1); /* written, but not ended */
    assert_int_equal(KIT_GET(s.ends), 0);
    hg_host_durable(kit->h, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    assert_int_equal(KIT_GET(s.ends), 1);
    hg_host_durable(kit->h, 2);
    hg_host_durable(kit->h, 1); /* does not go back */
    KIT_WAIT(hg_output_delivered_step(out) == 2);
    step_of(out, 3, 0, 0); /* nothing to make final */
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    out_down(out, &s, false);
}

static void steps_that_the_sink_has_are_not_written_again(void **st)
{
    (void)st;
    sink_t s = { .stores_step = true, .resume = 3, .no_ready = true }, *h = &s;
    kit_up((hg_host_opts_t){ .exactly_once = true });
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_host_durable(kit->h, 100);
    for (uint64_t i = 1; i <= 5; i++) step_of(out, i, (int64_t)i, 1);
    hg_output_start(out);
    KIT_WAIT(s.started);
    hg_loop_call(hg_out_loop(out), sink_ready, &s);
    KIT_WAIT(hg_output_delivered_step(out) == 5);
    assert_string_equal(s.got.p, "4\n5\n");
    out_down(out, &s, false);
}

/* --- any history of steps, confirmations, checkpoints and crashes --- */

typedef struct {
    uint64_t step; /* 0: none yet */
    char *state;
    owed_list_t owed;
} checkpoint_t;

static uint32_t rows_of(uint64_t step)
{
    return (uint32_t)(step * 2654435761u >> 7) % 4; /* often none */
}

static void push_step(hg_output_t *out, uint64_t step)
{
    step_of(out, step, (int64_t)step * 100, rows_of(step));
}

static void expect(const sink_t *s, uint64_t last)
{
    hg_buf_t want;
    hg_buf_init(&want, HG_BUF_NOMAX);
    for (uint64_t i = 1; i <= last; i++)
        for (uint32_t k = 0; k < rows_of(i); k++) hg_buf_addf(&want, "%" PRIu64 "\n", i * 100 + k);
    assert_int_equal(want.len, s->got.len);
    if (want.len) assert_memory_equal(want.p, s->got.p, want.len);
    hg_buf_release(&want);
}

/* exactly: the journal, too, decides what a crash leaves; buffered: batches of several steps. */
static void histories(uint64_t seed, bool exactly, bool buffered)
{
    uint64_t r = seed;
    sink_t s = { .hold_acks = true }, *h = &s;
    checkpoint_t cp = { 0 };
    uint64_t step = 0, journal = 0;
    hg_buf_t disk; /* what the sink has on disk, over all crashes */
    hg_buf_init(&disk, HG_BUF_NOMAX);
    for (unsigned life = 0; life < 6; life++) {
        kit_up((hg_host_opts_t){ .keep_owed = true, .exactly_once = exactly });
        hg_conn_spec_t spec = kit_spec(NULL);
        spec.enable_output_buffer = buffered;
        spec.max_output_buffer_size_records = 5;
        hg_output_t *out = sink_make(&h, spec);
        hg_buf_release(&s.got);
        s.got = disk;
        s.ends = 0;
        s.restored_at = UINT64_MAX;
        if (cp.step) restore_of(out, cp.state);
        if (cp.step == 0) s.got.len = 0; /* a fresh start empties the sink */
        s.ended_len = s.got.len;
        if (cp.step) s.ended_len = member(cp.state, "position");
        hg_host_durable(kit->h, journal);
        hg_output_start(out);
        for (uint32_t i = 0; i < cp.owed.n; i++) step_of(out, cp.owed.step[i], cp.owed.first[i], cp.owed.rows[i]);
        for (step = cp.step; step < journal;) push_step(out, ++step); /* replay */
        bool last = life == 5;
        for (unsigned i = 0; i < 60; i++) {
            switch (kit_dice(&r) % 6) {
            case 0:
            case 1:
            case 2:
                push_step(out, ++step);
                break;
            case 3:
                hg_loop_call(hg_out_loop(out), sink_ack, &s);
                break;
            case 4: /* the journal is synced */
                journal = step;
                if (exactly) hg_host_durable(kit->h, step);
                break;
            case 5: /* a checkpoint that does not wait */
                hg_free(cp.state);
                cp.owed.n = 0;
                cp.state = owed_of(out, step, &cp.owed);
                cp.step = step;
                if (!exactly && member(cp.state, "through") != UINT64_MAX) fail_msg("ahead of its checkpoint");
                journal = HG_MAX(journal, step);
                hg_host_durable(kit->h, step);
                break;
            }
        }
        if (last) {
            hg_host_durable(kit->h, UINT64_MAX);
            pthread_mutex_lock(&kit->mu);
            s.hold_acks = false;
            pthread_mutex_unlock(&kit->mu);
            hg_output_stop(out, false);
            while (!KIT_GET(kit->c[0].out_closed)) { /* confirms what was ended before */
                hg_loop_call(hg_out_loop(out), sink_ack, &s);
                sched_yield();
            }
        } else {
            hg_output_stop(out, true);
            KIT_WAIT(kit->c[0].out_closed);
            if (!exactly) journal = cp.step; /* no journal: it begins again at the checkpoint */
        }
        hg_output_free(out);
        KIT_WAIT(hg_host_output_bytes(kit->h) == 0); /* a post under way may hold the last reference */
        kit_down();
        disk = s.got;
        hg_buf_init(&s.got, HG_BUF_NOMAX);
    }
    s.got = disk;
    expect(&s, step);
    hg_buf_release(&s.got);
    hg_free(cp.state);
}

static void no_history_loses_or_doubles_a_row(void **st)
{
    (void)st;
    for (uint64_t i = 0; i < 60; i++) {
        histories(i, false, false);
        histories(i, true, false);
        histories(i, true, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_is_that_of_its_step_although_later_ones_are_written),
        cmocka_unit_test(a_later_question_replaces_the_earlier_one_and_an_end_answers_empty),
        cmocka_unit_test(a_failed_output_holds_no_checkpoint),
        cmocka_unit_test(what_a_failed_output_owes_goes_to_the_next_one),
        cmocka_unit_test(a_failed_output_that_keeps_nothing_goes_on_from_now),
        cmocka_unit_test(a_user_who_pauses_a_failed_output_wants_nothing_of_it),
        cmocka_unit_test(what_is_not_confirmed_is_owed),
        cmocka_unit_test(a_host_that_is_not_durable_keeps_nothing),
        cmocka_unit_test(an_output_buffer_ends_where_a_checkpoint_asks),
        cmocka_unit_test(a_bad_state_is_refused),
        cmocka_unit_test(nothing_is_final_before_the_journal_has_it),
        cmocka_unit_test(steps_that_the_sink_has_are_not_written_again),
        cmocka_unit_test(no_history_loses_or_doubles_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
