/* Counters and recent errors over a restart: those of the cut, nothing lost and nothing counted twice; the first
 * content of an output as one batch. test-labels: threads */
#include "tests/unit/connectors_host/sink.h"

static char *counters_of(hg_input_t *in)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_input_counters_t *c = hg_input_counters(in);
    hg_input_counters_json(c, &w);
    hg_input_counters_free(c);
    assert_int_equal(w.rc, 0);
    return hg_buf_take(&b, NULL);
}

static int restore_counters(hg_input_t *in, const char *text, hg_err_t *err)
{
    hg_json_t *v;
    *err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(text), &v, err), 0);
    return hg_input_restore_counters(in, v, err);
}

/* tag 0 transport, 1 parse, without the times. */
static char *errors_of(hg_input_t *in, int which)
{
    hg_buf_t b, out;
    hg_jw_t w;
    hg_json_t *list;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_input_errors_json(in, which, &w);
    assert_int_equal(hg_json_parse(kit->arena, hg_buf_str(&b), &list, &err), 0);
    for (const hg_json_t *e = list->child; e; e = e->next) {
        uint64_t index;
        assert_int_equal(hg_json_u64(hg_json_get(e, "index"), &index), 0);
        hg_buf_addf(&out, "%" PRIu64 " %s\n", index, hg_json_str(hg_json_get(e, "message"), ""));
    }
    hg_buf_release(&b);
    hg_buf_addc(&out, 0);
    return hg_buf_take(&out, NULL);
}

static void assert_errors(hg_input_t *in, int which, const char *want)
{
    char *got = errors_of(in, which);
    assert_string_equal(got, want);
    hg_free(got);
}

static hg_input_t *source(src_t **h)
{
    hg_input_t *in = src_make(h, kit_spec(NULL), 0);
    hg_input_run(in);
    KIT_WAIT((*h)->running);
    return in;
}

#define ERR(i, n, text) #i " Parse error (event #" #n "): not a number\nInvalid fragment: '" text "'\n"

static void counters_are_those_of_what_was_consumed(void **st)
{
    (void)st;
    hg_err_t err;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = source(&h);
    src_give(&s, "1\n!a\n2\n");
    hg_chunk_done(kit_take_wait());
    src_give(&s, "!b\n!c\n3\n");
    hg_chunk_t *held = kit_take_wait(); /* a step that is under way, or none yet */
    assert_errors(in, 1, ERR(1, 2, "!a") ERR(2, 4, "!b") ERR(3, 5, "!c"));
    char *saved = counters_of(in);
    hg_chunk_done(held);
    kit_close(in, 0);
    kit_down();

    src_t s2 = { 0 }, *h2 = &s2;
    kit_up((hg_host_opts_t){ 0 });
    hg_conn_spec_t spec = kit_spec(&h2);
    spec.in_type = &src_type;
    in = kit_input(&spec, 0);
    assert_int_equal(restore_counters(in, saved, &err), 0);
    hg_input_stats_t x = in_stats(in);
    assert_int_equal(x.total_records, 2);
    assert_int_equal(x.processed_records, 2);
    assert_int_equal(x.total_bytes, 4);
    assert_int_equal(x.num_parse_errors, 1);
    assert_errors(in, 1, ERR(1, 2, "!a"));
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(s2.running);
    src_give(&s2, "!b\n!c\n3\n"); /* again */
    hg_chunk_done(kit_take_wait());
    assert_errors(in, 1, ERR(1, 2, "!a") ERR(2, 4, "!b") ERR(3, 5, "!c"));
    assert_int_equal(in_stats(in).total_records, 3);
    assert_int_equal(in_stats(in).num_parse_errors, 3);
    hg_free(saved);
    kit_close(in, 0);
    kit_down();
}

static void report_on_loop(void *arg)
{
    src_t *s = arg;
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "nobody \"there\"");
    hg_in_error(s->in, "open", &err);
}

static void transport_errors_and_the_end_are_kept(void **st)
{
    (void)st;
    hg_err_t err;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = source(&h);
    hg_loop_call(hg_in_loop(in), report_on_loop, &s);
    src_give(&s, "1\n");
    src_end(&s);
    KIT_WAIT(kit->c[0].ended);
    char *early = counters_of(in); /* ended, but not drained */
    for (hg_chunk_t *c; (c = kit_take()) != NULL;) hg_chunk_done(c);
    char *late = counters_of(in);
    kit_close(in, 0);

    src_t s2 = { 0 }, *h2 = &s2;
    hg_conn_spec_t spec = kit_spec(&h2);
    spec.in_type = &src_type;
    in = kit_input(&spec, 1);
    assert_int_equal(restore_counters(in, early, &err), 0);
    assert_false(in_stats(in).end_of_input);
    assert_int_equal(in_stats(in).total_records, 0);
    assert_int_equal(restore_counters(in, late, &err), 0);
    assert_true(in_stats(in).end_of_input);
    assert_int_equal(in_stats(in).total_records, 1);
    assert_int_equal(in_stats(in).num_transport_errors, 1);
    assert_errors(in, 0, "1 nobody \"there\"\n");
    hg_input_open(in); /* made to run again: it says its end itself */
    assert_false(in_stats(in).end_of_input);
    hg_input_run(in);
    KIT_WAIT(s2.running);
    src_end(&s2);
    KIT_WAIT(kit->c[1].ended);
    for (hg_chunk_t *c; (c = kit_take()) != NULL;) hg_chunk_done(c);
    hg_free(early);
    hg_free(late);
    kit_close(in, 1);
    kit_down();
}

/* The newest errors that fit; the numbers tell how many there were. */
static void a_long_list_is_saved_in_part(void **st)
{
    (void)st;
    hg_err_t err;
    src_t s = { 0 }, *h = &s;
    hg_buf_t text;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = source(&h);
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (int i = 1; i <= 300; i++) hg_buf_addf(&text, "!%0500d\n", i);
    for (size_t at = 0; at < text.len;) { /* as much as one reserve gives */
        size_t n = HG_MIN(text.len - at, (size_t)(50 * 502));
        char *part = hg_xstrndup(text.p + at, n);
        src_give(&s, part);
        hg_free(part);
        at += n;
    }
    while (in_stats(in).num_parse_errors < 300 || hg_host_ready(kit->h)) {
        hg_chunk_t *c = kit_take();
        if (c) hg_chunk_done(c);
    }
    hg_buf_clear(&text);
    char *saved = counters_of(in);
    assert_true(strlen(saved) < 40000);
    kit_close(in, 0);
    hg_conn_spec_t spec = kit_spec(&h);
    spec.in_type = &src_type;
    in = kit_input(&spec, 1);
    assert_int_equal(restore_counters(in, saved, &err), 0);
    assert_int_equal(in_stats(in).num_parse_errors, 300);
    char *list = errors_of(in, 1);
    assert_int_equal(strncmp(list, "301", 3) < 0, 1);
    assert_non_null(strstr(list, "\n300 Parse error (event #300)"));
    assert_null(strstr(list, "\n250 Parse error"));
    char *again = counters_of(in);
    assert_string_equal(again, saved);
    hg_free(again);
    hg_free(list);
    hg_free(saved);
    hg_buf_release(&text);
    hg_input_close(in);
    KIT_WAIT(kit->c[1].closed);
    hg_input_free(in);
    kit_down();
}

#define NO_ERRORS "{\"count\":0,\"recent\":[]}"
#define COUNTERS(parse, transport)                                                                                     \
    "{\"records\":1,\"bytes\":2,\"events\":3,\"end_of_input\":true,\"parse_errors\":" parse                            \
    ",\"transport_errors\":" transport "}"
#define ONE(index, at, tag, message) "{\"index\":" index ",\"at_us\":" at ",\"tag\":" tag ",\"message\":" message "}"

static void damaged_counters_are_refused_without_change(void **st)
{
    (void)st;
    static const char *const bad[] = {
        "{}",
        "[]",
        "7",
        "{\"records\":-1,\"bytes\":2,\"events\":3,\"end_of_input\":true}",
        "{\"records\":1,\"bytes\":2,\"events\":3,\"end_of_input\":1}",
        "{\"records\":1,\"bytes\":2,\"events\":3,\"end_of_input\":true}",
        COUNTERS("{\"count\":1}", NO_ERRORS),
        COUNTERS("{\"recent\":[]}", NO_ERRORS),
        COUNTERS("{\"count\":1,\"recent\":{}}", NO_ERRORS),
        COUNTERS(NO_ERRORS, "null"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[7]}"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[" ONE("0", "5", "\"t\"", "\"m\"") "]}"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[" ONE("2", "5", "\"t\"", "\"m\"") "]}"),
        COUNTERS(NO_ERRORS,
                 "{\"count\":3,\"recent\":[" ONE("2", "5", "\"t\"", "\"m\"") "," ONE("2", "5", "\"t\"", "\"m\"") "]}"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[" ONE("1", "\"x\"", "\"t\"", "\"m\"") "]}"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[" ONE("1", "5", "8", "\"m\"") "]}"),
        COUNTERS(NO_ERRORS, "{\"count\":1,\"recent\":[" ONE("1", "5", "\"t\"", "null") "]}"),
    };
    hg_err_t err;
    src_t s = { 0 }, *h = &s;
    kit_up((hg_host_opts_t){ 0 });
    hg_conn_spec_t spec = kit_spec(&h);
    spec.in_type = &src_type;
    hg_input_t *in = kit_input(&spec, 0);
    char *before = counters_of(in);
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        assert_int_equal(restore_counters(in, bad[i], &err), HG_EPARSE);
        assert_non_null(strstr(err.msg, "the saved counters of 't.c'"));
        char *now = counters_of(in);
        assert_string_equal(now, before);
        hg_free(now);
    }
    const char *good = COUNTERS("{\"count\":9,\"recent\":[" ONE("4", "5", "\"t\"", "\"m\"") "]}", NO_ERRORS);
    assert_int_equal(restore_counters(in, good, &err), 0);
    char *now = counters_of(in);
    assert_string_equal(now, good);
    hg_free(now);
    hg_free(before);
    kit_close(in, 0);
    kit_down();
}

/* --- outputs --- */

static void encode_errors_belong_to_their_step(void **st)
{
    (void)st;
    sink_t s = { 0 }, *h = &s;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    step_of(out, 1, 1, 1);
    step_of(out, 2, 13, 1); /* cannot be encoded */
    char *at2 = kit_save_output(out, 2);
    step_of(out, 3, 2, 1);
    step_of(out, 4, 13, 1);
    step_of(out, 5, 3, 1);
    hg_free(kit_save_output(out, 5));
    assert_int_equal(out_stats(out).num_encode_errors, 2);
    char *at3 = kit_save_output(out, 3); /* asked late: the errors of then */
    out_down(out, &s, false);

    kit_up(durable());
    sink_t s2 = { .restored_at = UINT64_MAX }, *h2 = &s2;
    out = sink_make(&h2, kit_spec(NULL));
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(at3), &v, &err), 0);
    assert_int_equal(hg_output_restore_counters(out, v, &err), 0);
    hg_output_stats_t x = out_stats(out);
    assert_int_equal(x.num_encode_errors, 1);
    assert_int_equal(x.transmitted_records, 2);
    assert_int_equal(x.total_processed_steps, 3);
    assert_int_equal(x.total_processed_input_records, 30);
    assert_int_equal(hg_output_delivered_step(out), 0);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(at2), &v, &err), 0);
    assert_int_equal(hg_output_restore_counters(out, v, &err), 0);
    assert_int_equal(out_stats(out).num_encode_errors, 1);
    assert_int_equal(out_stats(out).total_processed_steps, 2);
    hg_output_start(out);
    step_of(out, 3, 2, 2);
    KIT_WAIT(s2.ends == 1);
    assert_int_equal(s2.restored_at, UINT64_MAX); /* the sink starts afresh */
    KIT_WAIT(hg_output_delivered_step(out) == 3);
    assert_int_equal(out_stats(out).transmitted_records, 3);
    hg_free(at2);
    hg_free(at3);
    out_down(out, &s2, false);
}

static void part_of(hg_output_t *out, uint64_t step, int64_t first, uint32_t n)
{
    hg_delta_t d = delta(first, n, 1);
    hg_output_push_snapshot(out, step, &d, 70);
}

static int none_owed(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    (void)arg, (void)step, (void)d, (void)err;
    fail_msg("a first content is not owed");
    return 0;
}

static void a_first_content_is_one_batch(void **st)
{
    (void)st;
    sink_t s = { .hold_acks = true }, *h = &s;
    hg_err_t err = HG_ERR_INIT;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    assert_false(hg_output_snapshot_owed(out));
    part_of(out, 7, 1, 2);
    part_of(out, 7, 3, 2);
    KIT_WAIT(s.got.len == 8); /* both parts are written, and the batch goes on */
    assert_true(hg_output_snapshot_owed(out));
    assert_int_equal(KIT_GET(s.ends), 0);
    part_of(out, 7, 5, 1);
    hg_output_end_snapshot(out, 7, 70);
    KIT_WAIT(s.ends == 1);
    assert_int_equal(s.last_end, 7);
    assert_true(hg_output_snapshot_owed(out)); /* written, not confirmed */
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    assert_int_equal(hg_output_owed(out, 7, none_owed, NULL, &w, &err), 0);
    hg_buf_release(&b);
    hg_loop_call(hg_out_loop(out), sink_ack, &s);
    KIT_WAIT(!hg_output_snapshot_owed(out));
    assert_int_equal(hg_output_delivered_step(out), 7);
    step_of(out, 8, 6, 1);
    KIT_WAIT(s.ends == 2);
    hg_loop_call(hg_out_loop(out), sink_ack, &s);
    KIT_WAIT(hg_output_delivered_step(out) == 8);
    assert_memory_equal(s.got.p, "1\n2\n3\n4\n5\n6\n", 12);
    out_down(out, &s, false);
}

/* A content without rows, and one that a pause cuts off, hold up nobody. */
static void a_first_content_may_be_empty_or_cut_off(void **st)
{
    (void)st;
    sink_t s = { .block = true }, *h = &s;
    kit_up(durable());
    hg_output_t *out = sink_make(&h, kit_spec(NULL));
    hg_output_start(out);
    hg_output_end_snapshot(out, 7, 70);
    KIT_WAIT(hg_output_delivered_step(out) == 7 && !hg_output_snapshot_owed(out));
    part_of(out, 7, 1, 2);
    KIT_WAIT(s.blocked);
    for (int i = 0; i < 50; i++) part_of(out, 7, 100, 10);
    hg_output_pause(out, true);
    pthread_mutex_lock(&kit->mu);
    s.block = false;
    pthread_mutex_unlock(&kit->mu);
    hg_loop_call(hg_out_loop(out), sink_drained, &s);
    part_of(out, 7, 5, 1);
    hg_output_end_snapshot(out, 7, 70);
    step_of(out, 8, 9, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 8);
    KIT_WAIT(!hg_output_snapshot_owed(out));
    hg_output_pause(out, false);
    step_of(out, 9, 6, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 9);
    assert_memory_equal(s.got.p + s.got.len - 2, "6\n", 2);
    assert_int_equal(s.ended_len, s.got.len);
    out_down(out, &s, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_those_of_what_was_consumed),
        cmocka_unit_test(transport_errors_and_the_end_are_kept),
        cmocka_unit_test(a_long_list_is_saved_in_part),
        cmocka_unit_test(damaged_counters_are_refused_without_change),
        cmocka_unit_test(encode_errors_belong_to_their_step),
        cmocka_unit_test(a_first_content_is_one_batch),
        cmocka_unit_test(a_first_content_may_be_empty_or_cut_off),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
