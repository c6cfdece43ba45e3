/* Inputs: order, edges, limits, failures. test-labels: threads */
#include "tests/unit/connectors_host/kit.h"
#include "base/fault.h"

static void chunks_keep_their_order_when_a_later_one_is_parsed_first(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    assert_int_equal(src_give(&s, "gate\n1\n"), HG_LANE_OK); /* the first chunk is held up in the parser */
    KIT_WAIT(kit->at_gate == 1);
    for (int i = 2; i < 6; i++) {
        char line[16];
        snprintf(line, sizeof line, "%d\n", i);
        assert_int_equal(src_give(&s, line), HG_LANE_OK);
    }
    assert_false(hg_host_ready(kit->h));
    kit_open_gate();
    uint64_t end = 0;
    for (int i = 1; i < 6; i++) {
        hg_chunk_t *c = kit_take_wait();
        assert_int_equal(chunk_first(c), i);
        assert_int_equal(c->n_ranges, 1);
        assert_int_equal(c->ranges[0].begin, end); /* positions follow each other without a gap */
        end = c->ranges[0].end;
        hg_chunk_done(c);
    }
    assert_int_equal(end, 7 + 4 * 2);
    KIT_WAIT(!kit->c[0].some);
    hg_input_stats_t x = in_stats(in);
    assert_int_equal(x.total_records, 5);
    assert_int_equal(x.processed_records, 5);
    assert_int_equal(x.buffered_records, 0);
    assert_true(x.p99_micros > 0);
    kit_close(in, 0);
    kit_down();
}

static void a_full_queue_holds_and_a_drained_one_runs_again(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    spec.max_queued_records = 3;
    hg_input_t *in = src_make(&h, spec, 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    assert_int_equal(src_give(&s, "gate\n1\n2\n"), HG_LANE_OK);
    assert_int_equal(src_give(&s, "3\n"), HG_LANE_OK); /* nothing is parsed yet, so nothing is full */
    kit_open_gate();
    KIT_WAIT(in_stats(in).buffered_records == 3);
    assert_int_equal(src_give(&s, "4\n"), HG_LANE_FULL); /* taken nevertheless */
    KIT_WAIT(s.holds == 1);
    KIT_WAIT(in_stats(in).buffered_records == 4);
    hg_chunk_t *c = kit_take_wait();
    assert_int_equal(KIT_GET(s.runs), 1);
    hg_chunk_done(c); /* 2 left: below the limit */
    KIT_WAIT(s.runs == 2);
    for (int i = 0; i < 2; i++) hg_chunk_done(kit_take_wait());
    assert_null(kit_take());
    kit_close(in, 0);
    kit_down();
}

static void a_full_answer_is_followed_by_a_hold_even_if_room_comes_at_once(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    spec.max_queued_records = 1;
    hg_input_t *in = src_make(&h, spec, 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    unsigned full = 0;
    for (int i = 0; i < 300; i++) {
        KIT_WAIT(s.running);
        full += src_give(&s, "5\n") == HG_LANE_FULL;
        hg_chunk_done(kit_take_wait());
        /* whatever the interleaving: the source must run again (src_run asserts that a hold came between) */
        KIT_WAIT(s.running && s.runs == s.holds + 1);
        KIT_WAIT(in_stats(in).buffered_records == 0);
    }
    assert_int_equal(in_stats(in).processed_records, 300);
    (void)full;
    kit_close(in, 0);
    kit_down();
}

static void the_users_hold_stops_reading_but_not_draining(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    assert_int_equal(src_give(&s, "1\n"), HG_LANE_OK);
    hg_input_hold(in);
    KIT_WAIT(!s.running);
    hg_chunk_done(kit_take_wait());
    hg_input_run(in);
    KIT_WAIT(s.running);
    assert_int_equal(s.holds, 1);
    assert_int_equal(s.runs, 2);
    kit_close(in, 0);
    assert_true(KIT_GET(s.closed));
    kit_down();
}

static void the_end_never_overtakes_the_data(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "gate\n1\n");
    KIT_WAIT(kit->at_gate == 1);
    src_give(&s, "2\n3"); /* the last line has no newline: it is cut at the end */
    src_end(&s);
    assert_false(in_stats(in).end_of_input);
    pthread_mutex_lock(&kit->mu);
    assert_false(kit->c[0].ended);
    kit->gate_open = true;
    pthread_cond_broadcast(&kit->cv);
    pthread_mutex_unlock(&kit->mu);
    KIT_WAIT(kit->c[0].ended);
    assert_true(kit->c[0].some);
    assert_false(kit->c[0].ended_before_data);
    uint64_t rows = 0;
    for (bool eoi = false; !eoi;) {
        hg_chunk_t *c = kit_take_wait();
        rows += c->records;
        eoi = c->eoi;
        if (eoi) assert_int_equal(c->records, 0);
        hg_chunk_done(c);
    }
    assert_int_equal(rows, 3);
    KIT_WAIT(!kit->c[0].some);
    assert_int_equal(kit->c[0].edges, 2);
    kit_close(in, 0);
    kit_down();
}

static void a_parser_without_memory_fails_the_input_and_nothing_after_the_gap_passes(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "1\n");
    src_give(&s, "oom\n");
    src_give(&s, "3\n");
    KIT_WAIT(kit->c[0].failed);
    assert_string_equal(kit->c[0].error, "no memory for this line");
    uint64_t rows = 0;
    for (hg_chunk_t *c; (c = kit_take()) != NULL; hg_chunk_done(c)) {
        rows += c->records;
        assert_int_equal(chunk_first(c), 1);
    }
    assert_int_equal(rows, 1); /* what came before the gap is good */
    KIT_WAIT(s.closed);        /* the host closed the instance by itself */
    assert_true(in_stats(in).failed);
    assert_string_equal(in_stats(in).fatal, "no memory for this line");
    kit_close(in, 0);
    assert_int_equal(kit->c[0].n_failed, 1);
    kit_down();
}

static void wait_at_gate(void *what)
{
    (void)what;
    lines_gate();
}

static void nothing(void *arg)
{
    (void)arg;
}

/* The thread that parses has told the owner, and is not done with the input's loop: who closes at once must not hear
 * that it is closed, for then the loop may go. */
static void a_close_waits_for_who_tells_of_the_failure(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    hg_point_arm("input_failed", wait_at_gate);
    src_give(&s, "oom\n");
    KIT_WAIT(kit->c[0].failed && kit->at_gate == 1);
    hg_input_close(in);
    hg_loop_call(hg_in_loop(in), nothing, NULL); /* it has done what it can, and the control loop heard of it */
    hg_loop_call(kit->control, nothing, NULL);
    assert_true(KIT_GET(s.closed));
    assert_false(KIT_GET(kit->c[0].closed));
    kit_open_gate();
    KIT_WAIT(kit->c[0].closed);
    hg_point_arm("input_failed", NULL);
    hg_input_free(in);
    kit_down();
}

static void a_failed_open_is_told_with_its_reason(void **st)
{
    (void)st;
    src_t s = { .open_fails = true }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    KIT_WAIT(kit->c[0].failed);
    assert_string_equal(kit->c[0].error, "cannot open this");
    assert_false(kit->c[0].opened);
    kit_close(in, 0);
    kit_down();
}

static void bad_records_are_numbered_across_chunks_and_cost_no_neighbour(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "1\n!a\n2\n");
    src_give(&s, "3\n4\n!b\n");
    KIT_WAIT(in_stats(in).total_records == 4);
    assert_int_equal(in_stats(in).num_parse_errors, 2);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_input_errors_json(in, 1, &w);
    assert_non_null(strstr(b.p, "Parse error (event #2): not a number\\nInvalid fragment: '!a'"));
    assert_non_null(strstr(b.p, "Parse error (event #6): not a number\\nInvalid fragment: '!b'"));
    assert_non_null(strstr(b.p, "\"index\":2,\"tag\":\"text_event_err\""));
    hg_buf_release(&b);
    kit_close(in, 0);
    kit_down();
}

static void the_error_list_keeps_the_newest_hundred(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (int i = 1; i <= 1000; i++) hg_buf_addf(&text, "!%d\n", i);
    src_give(&s, text.p);
    KIT_WAIT(in_stats(in).num_parse_errors == 1000);
    hg_buf_clear(&text);
    hg_jw_t w;
    hg_jw_init(&w, &text);
    hg_input_errors_json(in, 1, &w);
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(kit->arena, hg_buf_str(&text), &j, &err), 0);
    assert_int_equal(j->n, 100);
    assert_non_null(strstr(hg_json_str(hg_json_get(hg_json_at(j, 99), "message"), ""), "'!1000'"));
    assert_non_null(strstr(hg_json_str(hg_json_get(hg_json_at(j, 0), "message"), ""), "'!901'"));
    hg_buf_release(&text);
    kit_close(in, 0);
    kit_down();
}

static void a_record_larger_than_the_budget_passes_and_one_above_the_limit_is_a_clear_error(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20, .max_record_bytes = 4 << 20 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    char *piece = hg_xnew(65537);
    memset(piece, 'x', 65536);
    piece[65536] = 0;
    for (int i = 0; i < 48; i++) { /* 3 MiB */
        KIT_WAIT(s.running);
        assert_true(src_give(&s, piece) >= 0);
        KIT_WAIT(s.runs == s.holds + 1 || hg_host_ready(kit->h));
    }
    KIT_WAIT(s.running);
    assert_true(src_give(&s, "\n7\n") >= 0);
    hg_chunk_t *c = kit_take_wait();
    assert_int_equal(chunk_first(c), 48 * 65536);
    hg_chunk_done(c);
    if (c && (c = kit_take()) != NULL) hg_chunk_done(c);
    KIT_WAIT(s.running);
    for (int i = 0; i < 80 && !KIT_GET(kit->c[0].failed); i++) {
        if (src_give(&s, piece) < 0) break;
        KIT_WAIT(s.running || kit->c[0].failed);
    }
    KIT_WAIT(kit->c[0].failed);
    assert_non_null(strstr(kit->c[0].error, "is longer than 4194304 bytes"));
    hg_free(piece);
    while ((c = kit_take()) != NULL) hg_chunk_done(c);
    kit_close(in, 0);
    KIT_WAIT(hg_host_input_bytes(kit->h) == 0);
    kit_down();
}

static void inputs_share_the_budget_and_all_get_through(void **st)
{
    (void)st;
    enum { N = 4, ROUNDS = 40 };
    src_t s[N] = { 0 }, *h[N];
    hg_input_t *in[N];
    uint64_t got[N] = { 0 }, peak = 0;
    unsigned given[N] = { 0 };
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    hg_buf_t text; /* 128 KiB of lines */
    hg_buf_init(&text, HG_BUF_NOMAX);
    while (text.len < 128 << 10) hg_buf_adds(&text, "123456789\n");
    for (uint32_t i = 0; i < N; i++) {
        h[i] = &s[i];
        in[i] = src_make(&h[i], kit_spec(NULL), i);
        hg_input_run(in[i]);
    }
    uint64_t rows = text.len / 10;
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < N; i++) {
            pthread_mutex_lock(&kit->mu);
            bool running = s[i].running;
            pthread_mutex_unlock(&kit->mu);
            if (running && given[i] < ROUNDS) {
                assert_true(src_give(&s[i], text.p) >= 0);
                if (++given[i] == ROUNDS) src_flush(&s[i]); /* it has no more data now */
            }
            peak = HG_MAX(peak, hg_host_input_bytes(kit->h));
            more |= given[i] < ROUNDS || got[i] < ROUNDS * rows;
        }
        for (hg_chunk_t *c; (c = kit_take()) != NULL; hg_chunk_done(c)) got[c->conn] += c->records;
    }
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(got[i], ROUNDS * rows);
        kit_close(in[i], i);
    }
    assert_true(peak < 6 << 20); /* half a MiB leased, one chunk and its rows beyond it per input */
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    hg_buf_release(&text);
    kit_down();
}

static void take_goes_round_and_respects_max_batch_size(void **st)
{
    (void)st;
    src_t s[2] = { 0 }, *h[2] = { &s[0], &s[1] };
    hg_input_t *in[2];
    hg_conn_spec_t spec = kit_spec(NULL);
    kit_up((hg_host_opts_t){ 0 });
    in[0] = src_make(&h[0], spec, 0);
    spec.max_batch_size = 2;
    in[1] = src_make(&h[1], spec, 1);
    for (int i = 0; i < 2; i++) {
        hg_input_run(in[i]);
        KIT_WAIT(s[i].running);
        for (int k = 0; k < 3; k++) src_give(&s[i], "1\n2\n");
    }
    KIT_WAIT(hg_host_buffered_records(kit->h) == 12);
    hg_chunk_t *c[8];
    uint32_t n = hg_host_take(kit->h, 5, c, 8);
    assert_int_equal(n, 3); /* one of each in turn, until 5 rows are reached */
    assert_int_equal(c[0]->conn + c[1]->conn, 1);
    for (uint32_t i = 0; i < n; i++) hg_chunk_done(c[i]);
    unsigned of[2] = { 0, 0 };
    n = hg_host_take(kit->h, 100, c, 8);
    for (uint32_t i = 0; i < n; i++) {
        of[c[i]->conn]++;
        hg_chunk_done(c[i]);
    }
    assert_int_equal(of[1], 1); /* max_batch_size 2 */
    assert_true(of[0] >= 1);
    while ((n = hg_host_take(kit->h, 100, c, 8)) > 0)
        for (uint32_t i = 0; i < n; i++) hg_chunk_done(c[i]);
    assert_int_equal(hg_host_buffered_records(kit->h), 0);
    for (uint32_t i = 0; i < 2; i++) kit_close(in[i], i);
    kit_down();
}

static void a_mark_that_fails_is_tried_again(void **st)
{
    (void)st;
    src_t s = { .fail_marks = 1 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    KIT_WAIT(kit->c[0].opened);
    hg_input_mark(in);
    KIT_WAIT(kit->c[0].marked);
    assert_int_equal(kit->c[0].n_mark_failed, 1);
    assert_string_equal(in_stats(in).mark, "{\"at\":7}");
    assert_false(in_stats(in).unhealthy);
    assert_non_null(strstr(in_stats(in).health, "works again"));
    kit_close(in, 0);
    kit_down();
}

static void health_says_since_when_how_often_and_when_next(void **st)
{
    (void)st;
    src_t s = { .fail_marks = INT_MAX }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    KIT_WAIT(kit->c[0].opened);
    hg_input_mark(in);
    KIT_WAIT(strstr(in_stats(in).health, ", attempt 3, next in "));
    hg_input_stats_t got = in_stats(in);
    assert_true(got.unhealthy);
    assert_non_null(strstr(got.health, "retrying since 20"));
    kit_close(in, 0);
    kit_down();
}

static void a_position_covers_what_the_circuit_has_done_and_comes_back(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "1\n2\n");
    src_give(&s, "3\n");
    hg_chunk_t *c = kit_take_wait();
    hg_chunk_done(c);
    const char *saved = kit_save(in);
    assert_string_equal(saved, "{\"at\":4}"); /* the second chunk is only queued */
    hg_input_commit(in, HG_S("{\"at\":4}"));
    KIT_WAIT(s.commits == 1);
    kit_close(in, 0);

    src_t s2 = { 0 }, *h2 = &s2;
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    hg_conn_spec_t spec = kit_spec(NULL);
    spec.in_type = &src_type;
    spec.transport_cfg = &h2;
    in = kit_input(&spec, 1);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(saved), &pos, &err), 0);
    assert_int_equal(hg_input_restore(in, pos, &err), 0);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(s2.running);
    assert_int_equal(s2.restored_at, 4);
    src_give(&s2, "9\n");
    c = kit_take_wait();
    assert_int_equal(c->ranges[0].begin, 4);
    hg_chunk_done(c);
    kit_close(in, 1);
    kit_down();
}

typedef struct {
    src_t *s;
    uint64_t lane, end;
    bool close_lane, save, folded;
    kit_saved_t saved;
} fold_t;

static void fold_on_loop(void *arg)
{
    fold_t *f = arg;
    if (f->close_lane) {
        f->lane = hg_lane_id(f->s->lane);
        assert_int_equal(hg_lane_close(f->s->lane, false), HG_LANE_OK);
        f->s->lane = NULL;
    }
    if (f->save) hg_input_save(f->s->in, kit_on_saved, &f->saved); /* the transport is asked when this turn is over */
    f->folded = hg_in_fold(f->s->in, f->lane, f->end);
}

static bool folds(fold_t *f, uint64_t end)
{
    f->end = end;
    hg_loop_call(hg_in_loop(f->s->in), fold_on_loop, f);
    f->close_lane = false;
    return f->folded;
}

static void a_lane_that_is_taken_folds_unless_a_position_is_being_made(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    fold_t f = { .s = &s, .close_lane = true };
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "1\n2\n");
    src_give(&s, "3\n");
    assert_false(folds(&f, 6)); /* nothing is taken */
    hg_chunk_done(kit_take_wait());
    assert_false(folds(&f, 6)); /* a part is */
    assert_string_equal(kit_save(in), "{\"at\":4}");
    hg_chunk_done(kit_take_wait());
    f.save = true;
    assert_false(folds(&f, 6)); /* a copy of what is taken is on its way to save() */
    f.save = false;
    KIT_WAIT(f.saved.answered);
    assert_string_equal(f.saved.state, "{\"at\":6}");
    hg_free(f.saved.state);
    assert_true(folds(&f, 6));
    assert_false(folds(&f, 6)); /* once */
    assert_string_equal(kit_save(in), "{\"at\":0}");
    kit_close(in, 0);
    kit_down();
}

static void a_close_drops_what_is_queued_and_leaves_what_is_taken_alone(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "1\n");
    src_give(&s, "2\n");
    KIT_WAIT(in_stats(in).buffered_records == 2);
    hg_chunk_t *c = kit_take_wait();
    kit_close(in, 0); /* also frees our reference */
    assert_false(hg_host_ready(kit->h));
    assert_int_equal(chunk_first(c), 1);
    hg_chunk_done(c);
    assert_int_equal(hg_host_buffered_records(kit->h), 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    kit_down();
}

static void messages_on(void *arg)
{
    src_t *s = arg;
    for (uint64_t i = 0; i < 3; i++) {
        char text[8];
        int n = snprintf(text, sizeof text, "%d", (int)i + 40);
        hg_message_t m = { .payload = { text, (size_t)n }, .pos = 100 + i };
        if (i == 1) m.payload = (hg_str_t){ NULL, 0 }; /* tombstone: a position without a record */
        assert_int_equal(hg_lane_message(s->lane, &m), HG_LANE_OK);
    }
    assert_int_equal(hg_lane_flush(s->lane), HG_LANE_OK);
}

static void messages_make_one_chunk_with_their_positions(void **st)
{
    (void)st;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    hg_loop_call(hg_in_loop(in), messages_on, &s);
    hg_chunk_t *c = kit_take_wait();
    assert_int_equal(c->records, 2);
    assert_int_equal(c->ranges[0].begin, 100);
    assert_int_equal(c->ranges[0].end, 103);
    hg_chunk_done(c);
    kit_close(in, 0);
    kit_down();
}

static void keyed_tables_get_key_hashes(void **st)
{
    (void)st;
    static const uint32_t key[] = { 0 };
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    kit->schema.key = key;
    kit->schema.n_key = 1;
    hg_input_t *in = src_make(&h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT(s.running);
    src_give(&s, "5\n6\n5\n");
    hg_chunk_t *c = kit_take_wait();
    assert_non_null(c->change->hash);
    assert_true(c->change->hash[0] == c->change->hash[2]);
    assert_true(c->change->hash[0] != c->change->hash[1]);
    hg_chunk_done(c);
    kit_close(in, 0);
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_keep_their_order_when_a_later_one_is_parsed_first),
        cmocka_unit_test(a_full_queue_holds_and_a_drained_one_runs_again),
        cmocka_unit_test(a_full_answer_is_followed_by_a_hold_even_if_room_comes_at_once),
        cmocka_unit_test(the_users_hold_stops_reading_but_not_draining),
        cmocka_unit_test(the_end_never_overtakes_the_data),
        cmocka_unit_test(a_parser_without_memory_fails_the_input_and_nothing_after_the_gap_passes),
        cmocka_unit_test(a_close_waits_for_who_tells_of_the_failure),
        cmocka_unit_test(a_failed_open_is_told_with_its_reason),
        cmocka_unit_test(bad_records_are_numbered_across_chunks_and_cost_no_neighbour),
        cmocka_unit_test(the_error_list_keeps_the_newest_hundred),
        cmocka_unit_test(a_record_larger_than_the_budget_passes_and_one_above_the_limit_is_a_clear_error),
        cmocka_unit_test(inputs_share_the_budget_and_all_get_through),
        cmocka_unit_test(take_goes_round_and_respects_max_batch_size),
        cmocka_unit_test(a_mark_that_fails_is_tried_again),
        cmocka_unit_test(health_says_since_when_how_often_and_when_next),
        cmocka_unit_test(a_position_covers_what_the_circuit_has_done_and_comes_back),
        cmocka_unit_test(a_lane_that_is_taken_folds_unless_a_position_is_being_made),
        cmocka_unit_test(a_close_drops_what_is_queued_and_leaves_what_is_taken_alone),
        cmocka_unit_test(messages_make_one_chunk_with_their_positions),
        cmocka_unit_test(keyed_tables_get_key_hashes),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
