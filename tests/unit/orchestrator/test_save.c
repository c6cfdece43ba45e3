/* Saving, restoring and explaining. */
#include "tests/unit/orchestrator/kit.h"

static const char *saved_text(kit_t *k)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_orch_save(k->o, &w);
    assert_int_equal(w.rc, 0);
    const char *text = hg_arena_strndup(k->arena, b.p, b.len);
    hg_buf_release(&b);
    return text;
}

static bool changed_live(void *arg, hg_str_t name)
{
    (void)arg;
    return hg_str_eqz(name, "live");
}

static int load(kit_t *k, const char *text, bool (*changed)(void *, hg_str_t), hg_err_t *err)
{
    hg_json_t *j;
    *err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(k->arena, hg_strz(text), &j, err), 0);
    return hg_orch_load(k->o, j, changed, NULL, err);
}

/* The same connectors in a new orchestrator with the state of the old one. */
static void restart(kit_t *k, bool (*changed)(void *, hg_str_t))
{
    hg_err_t err;
    const char *text = saved_text(k);
    hg_orch_free(k->o);
    k->o = hg_orch_new(k->conns, k->n);
    assert_int_equal(load(k, text, changed, &err), 0);
    if (!changed) assert_string_equal(saved_text(k), text); /* nothing is lost on the way */
    hg_orch_check(k->o);
}

static void orch_saved_text(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark", "p paused");
    kit_start(&k);
    kit_feed(&k, "run;opened live;marked live");
    assert_string_equal(saved_text(&k),
                        "{\"format\":1,\"connectors\":{"
                        "\"hist\":{\"user\":\"none\",\"activated\":true,\"ended\":false,\"mark\":\"none\"},"
                        "\"live\":{\"user\":\"none\",\"activated\":false,\"ended\":false,\"mark\":\"done\"},"
                        "\"p\":{\"user\":\"pause\",\"activated\":true,\"ended\":false,\"mark\":\"none\"}}}");
    kit_end(&k);
}

static void orch_restart_never_reads_a_finished_backfill_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark", "other > x");
    kit_start(&k);
    kit_feed(&k, "run;opened live;opened other;marked live;durable 1;opened hist;ended hist;hold other");
    restart(&k, NULL);
    REASON(&k, "hist", "ended");
    REASON(&k, "live", "running");
    REASON(&k, "other", "user");
    START(&k, "open:live open:other");
    FEED(&k, "run;opened live;opened other", "run:live");
    FEED(&k, "rerun hist", "open:hist reason:hist=running"); /* never opened in this life: nothing to close */
    kit_end(&k);
}

/* A log of words that came after the checkpoint is played before the start. */
static void orch_words_of_a_log_come_before_the_start(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x", "other");
    kit_start(&k);
    kit_feed(&k, "run;opened live;opened other;opened hist;ended hist;ended other");
    restart(&k, NULL);
    kit_feed(&k, "rerun hist 1;moved other");
    REASON(&k, "hist", "running");
    REASON(&k, "live", "waiting");
    REASON(&k, "other", "running");
    START(&k, "open:hist open:live open:other");
    kit_end(&k);
}

static void orch_restart_while_undrained_reads_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x");
    kit_start(&k);
    kit_feed(&k, "run;opened hist;opened live;buffered hist 1;ended hist");
    restart(&k, NULL);
    REASON(&k, "hist", "running");
    REASON(&k, "live", "waiting");
    START(&k, "open:hist open:live");
    kit_end(&k);
}

static void orch_restart_around_a_mark(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live");
    restart(&k, NULL); /* asked, not answered: asked again */
    START(&k, "open:live");
    FEED(&k, "opened live", "mark:live");
    kit_feed(&k, "marked live");
    restart(&k, NULL); /* the save carries the mark: once it is read back it was durable */
    START(&k, "open:hist open:live");
    FEED(&k, "durable 1;opened live;opened hist;run", "run:hist");
    kit_end(&k);
}

static void orch_restart_keeps_what_the_user_gave_up(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;mark_failed live;start live");
    restart(&k, NULL);
    REASON(&k, "hist", "running");
    START(&k, "open:hist open:live");
    FEED(&k, "opened live;run", "run:live"); /* no new mark, which would skip what is not read yet */
    kit_end(&k);
}

static void orch_restart_tries_a_failed_one_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;failed a");
    restart(&k, NULL);
    START(&k, "open:a open:b");
    REASON(&k, "a", "running");
    kit_end(&k);
}

static void orch_restart_keeps_the_users_start(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;start hist;start b");
    restart(&k, NULL);
    REASON(&k, "hist", "running"); /* not held for the mark */
    REASON(&k, "b", "running");
    REASON(&k, "live", "waiting");
    kit_end(&k);
}

/* A record of one connector, written after the whole: it tells what was decided, not what was read meanwhile. */
static void record_of(kit_t *k, const char *name, hg_buf_t *ret)
{
    hg_jw_t w;
    hg_buf_init(ret, HG_BUF_NOMAX);
    hg_jw_init(&w, ret);
    hg_orch_save_one(k->o, hg_orch_find(k->o, hg_strz(name)), &w);
    assert_int_equal(w.rc, 0);
}

static void orch_a_record_does_not_end_what_is_read_again(void **state)
{
    (void)state;
    kit_t k;
    hg_buf_t hist, live;
    hg_err_t err;
    KIT_NEW(&k, "hist x", "live > x");
    kit_start(&k);
    kit_feed(&k, "run;opened hist;opened live");
    const char *whole = saved_text(&k);
    kit_feed(&k, "ended hist;hold hist;hold live");
    record_of(&k, "hist", &hist);
    record_of(&k, "live", &live);
    hg_orch_free(k.o);
    k.o = hg_orch_new(k.conns, k.n);
    assert_int_equal(load(&k, whole, NULL, &err), 0);
    assert_int_equal(load(&k, hist.p, NULL, &err), 0);
    assert_int_equal(load(&k, live.p, NULL, &err), 0);
    REASON(&k, "hist", "user"); /* and not ended: the whole has it at an earlier place */
    REASON(&k, "live", "user");
    kit_feed(&k, "run");
    START(&k, "open:hist open:live");
    kit_feed(&k, "opened hist;opened live;start hist;ended hist");
    REASON(&k, "hist", "ended");
    hg_buf_release(&hist);
    hg_buf_release(&live);

    /* the same when the whole has it as ended, and it is made to run again */
    whole = saved_text(&k);
    kit_feed(&k, "rerun hist");
    record_of(&k, "hist", &hist);
    hg_orch_free(k.o);
    k.o = hg_orch_new(k.conns, k.n);
    assert_int_equal(load(&k, whole, NULL, &err), 0);
    REASON(&k, "hist", "ended");
    assert_int_equal(load(&k, hist.p, NULL, &err), 0);
    REASON(&k, "hist", "running");
    hg_buf_release(&hist);
    kit_end(&k);
}

static void orch_changed_connectors_start_fresh(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;marked live;durable 1;hold live;opened hist");
    restart(&k, changed_live);
    REASON(&k, "live", "waiting");
    REASON(&k, "hist", "mark");
    START(&k, "open:live");
    kit_end(&k);
}

static void orch_names_gone_and_new(void **state)
{
    (void)state;
    kit_t k;
    hg_err_t err;
    KIT_NEW(&k, "a x", "b > x", "new > x");
    const char *text = "{\"format\":1,\"connectors\":{"
                       "\"gone\":{\"user\":\"pause\",\"activated\":true,\"ended\":true,\"mark\":\"none\"},"
                       "\"a\":{\"user\":\"none\",\"activated\":true,\"ended\":true,\"mark\":\"none\"},"
                       "\"b\":{\"user\":\"pause\",\"activated\":true,\"ended\":false,\"mark\":\"none\"}}}";
    assert_int_equal(load(&k, text, NULL, &err), 0);
    REASON(&k, "a", "ended");
    REASON(&k, "b", "user");
    REASON(&k, "new", "waiting");
    START(&k, "open:b activated:new open:new reason:new=running");
    kit_end(&k);
}

static void orch_state_of_another_config_is_harmless(void **state)
{
    (void)state;
    kit_t k; /* saved as waiting and marked; now it waits for nothing and marks nothing */
    hg_err_t err;
    KIT_NEW(&k, "a");
    assert_int_equal(load(&k,
                          "{\"format\":1,\"connectors\":{\"a\":{\"user\":\"none\",\"activated\":false,\"ended\":false,"
                          "\"mark\":\"wanted\"}}}",
                          NULL, &err),
                     0);
    REASON(&k, "a", "running");
    START(&k, "open:a");
    kit_end(&k);
}

static void orch_added_before_load_is_restored(void **state)
{
    (void)state;
    kit_t k;
    hg_err_t err;
    KIT_NEW(&k, "a");
    kit_conn(&k, "push");
    hg_orch_add(k.o, hg_strz("push"), 0);
    kit_feed(&k, "hold push");
    const char *text = saved_text(&k);
    hg_orch_free(k.o);
    k.o = hg_orch_new(k.conns, 1);
    hg_orch_add(k.o, hg_strz("push"), 0);
    assert_int_equal(load(&k, text, NULL, &err), 0);
    REASON(&k, "push", "user");
    kit_end(&k);
}

static void orch_damage_is_refused_without_change(void **state)
{
    (void)state;
#define A(members)                                                                                                     \
    "{\"format\":1,\"connectors\":{\"b\":{\"user\":\"pause\",\"activated\":true,\"ended\":true,\"mark\":\"none\"},"    \
    "\"a\":{" members "}}}"
    static const struct {
        const char *text, *msg;
    } cases[] = {
        { "[]", "orchestrator state: no format number" },
        { "{}", "orchestrator state: no format number" },
        { "{\"format\":\"1\",\"connectors\":{}}", "orchestrator state: no format number" },
        { "{\"format\":1.5,\"connectors\":{}}", "orchestrator state: no format number" },
        { "{\"format\":2,\"connectors\":{}}", "orchestrator state: format 2 is not 1" },
        { "{\"format\":1}", "orchestrator state: no connectors" },
        { "{\"format\":1,\"connectors\":[]}", "orchestrator state: no connectors" },
        { "{\"format\":1,\"connectors\":{\"a\":7}}", "orchestrator state of 'a' is damaged" },
        { A(""), "orchestrator state of 'a' is damaged" },
        { A("\"user\":\"stop\",\"activated\":true,\"ended\":false,\"mark\":\"none\""),
          "orchestrator state of 'a' is damaged" },
        { A("\"user\":\"none\",\"activated\":1,\"ended\":false,\"mark\":\"none\""),
          "orchestrator state of 'a' is damaged" },
        { A("\"user\":\"none\",\"activated\":true,\"mark\":\"none\""), "orchestrator state of 'a' is damaged" },
        { A("\"user\":\"none\",\"activated\":true,\"ended\":false,\"mark\":\"asked\""),
          "orchestrator state of 'a' is damaged" },
        { A("\"user\":\"none\",\"activated\":true,\"ended\":false"), "orchestrator state of 'a' is damaged" },
    };
#undef A
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        kit_t k;
        hg_err_t err;
        KIT_NEW(&k, "b", "a x", "c > x mark");
        const char *before = saved_text(&k);
        assert_int_equal(load(&k, cases[i].text, NULL, &err), HG_EPARSE);
        assert_string_equal(err.msg, cases[i].msg);
        assert_string_equal(saved_text(&k), before);
        START(&k, "open:b open:c");
        kit_end(&k);
    }
}

/* --- explaining --- */

static const char *explained(kit_t *k, void (*extra)(void *, uint32_t, hg_jw_t *))
{
    hg_jw_t w;
    hg_buf_clear(&k->out);
    hg_jw_init(&w, &k->out);
    hg_orch_json(k->o, &w, extra, k);
    assert_int_equal(w.rc, 0);
    return k->out.p;
}

static void put_extra(void *arg, uint32_t conn, hg_jw_t *w)
{
    hg_jw_kstr(w, "transport", conn == 1 ? "kafka" : ((kit_t *)arg)->n == 2 ? "url" : "?");
}

static void orch_explains(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live y > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;mark_failed live");
    assert_string_equal(
        explained(&k, put_extra),
        "{\"connectors\":["
        "{\"name\":\"hist\",\"state\":\"Paused\",\"reason\":\"mark\",\"reading\":false,\"finished\":false,"
        "\"since\":\"1970-01-01T00:00:00.000001Z\",\"labels\":[\"x\"],\"start_after\":[],"
        "\"waiting_for\":[{\"label\":\"x\",\"connector\":\"live\",\"until\":\"marked\",\"reason\":\"waiting\","
        "\"failed\":false}],"
        "\"waiting_for_more\":0,\"handoff\":\"none\",\"transport\":\"url\"},"
        "{\"name\":\"live\",\"state\":\"Paused\",\"reason\":\"waiting\",\"reading\":false,\"finished\":false,"
        "\"since\":\"1970-01-01T00:00:00.000001Z\",\"labels\":[\"y\"],\"start_after\":[\"x\"],"
        "\"waiting_for\":[{\"label\":\"x\",\"connector\":\"hist\",\"until\":\"finished\",\"reason\":\"mark\","
        "\"failed\":false}],"
        "\"waiting_for_more\":0,\"handoff\":\"failed\",\"transport\":\"kafka\"}],"
        "\"edges\":[{\"from\":\"hist\",\"to\":\"live\",\"label\":\"x\"}],\"edges_more\":0}");
    kit_end(&k);
}

static void orch_explains_a_failed_carrier_and_then_nothing(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "a2 x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened a2;opened b;failed a;ended a2");
    assert_non_null(strstr(explained(&k, NULL),
                           "\"waiting_for\":[{\"label\":\"x\",\"connector\":\"a\",\"until\":\"finished\",\"reason\":"
                           "\"failed\",\"failed\":true}],\"waiting_for_more\":0"));
    kit_feed(&k, "start a;opened a;ended a");
    assert_null(strstr(explained(&k, NULL), "\"waiting_for\":[{"));
    kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orch_saved_text),
        cmocka_unit_test(orch_restart_never_reads_a_finished_backfill_again),
        cmocka_unit_test(orch_words_of_a_log_come_before_the_start),
        cmocka_unit_test(orch_restart_while_undrained_reads_again),
        cmocka_unit_test(orch_restart_around_a_mark),
        cmocka_unit_test(orch_restart_keeps_what_the_user_gave_up),
        cmocka_unit_test(orch_restart_tries_a_failed_one_again),
        cmocka_unit_test(orch_restart_keeps_the_users_start),
        cmocka_unit_test(orch_a_record_does_not_end_what_is_read_again),
        cmocka_unit_test(orch_changed_connectors_start_fresh),
        cmocka_unit_test(orch_names_gone_and_new),
        cmocka_unit_test(orch_state_of_another_config_is_harmless),
        cmocka_unit_test(orch_added_before_load_is_restored),
        cmocka_unit_test(orch_damage_is_refused_without_change),
        cmocka_unit_test(orch_explains),
        cmocka_unit_test(orch_explains_a_failed_carrier_and_then_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
