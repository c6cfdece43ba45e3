/* Waiting, the user's word, failures and reruns: each rule as a small history with the exact commands. */
#include "tests/unit/orchestrator/kit.h"

static void orch_backfill_then_stream(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist back", "live > back");
    REASON(&k, "live", "waiting");
    START(&k, "open:hist open:live");
    FEED(&k, "opened hist;opened live", "");
    FEED(&k, "run", "run:hist");
    FEED(&k, "buffered hist 1", "");
    FEED(&k, "ended hist", "reason:hist=ended"); /* not drained: the stream still waits */
    REASON(&k, "live", "waiting");
    assert_false(hg_orch_finished(k.o, 0));
    FEED(&k, "buffered hist 0", "activated:live run:live reason:live=running");
    assert_true(hg_orch_finished(k.o, 0) && hg_orch_ended(k.o, 0) && kit_reading(&k, "live"));
    kit_end(&k);
}

static void orch_end_without_backlog_tells_the_end_first(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist back", "live > back");
    kit_start(&k);
    kit_feed(&k, "run;opened hist;opened live");
    FEED(&k, "ended hist", "reason:hist=ended activated:live run:live reason:live=running");
    FEED(&k, "ended hist;buffered hist 0", "");
    kit_end(&k);
}

static void orch_waits_for_every_carrier_of_every_label(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b x,y", "c y,z", "d > x,z");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;opened c;opened d");
    FEED(&k, "ended c", "reason:c=ended");
    FEED(&k, "ended a", "reason:a=ended");
    FEED(&k, "ended b", "reason:b=ended activated:d run:d reason:d=running");
    kit_end(&k);
}

static void orch_duplicates_of_labels_are_harmless(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x,x,''", "b > x,x,'',x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "ended a", "reason:a=ended activated:b run:b reason:b=running");
    kit_end(&k);
}

static void orch_chain_goes_link_by_link(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b y > x", "c > y");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;opened c");
    FEED(&k, "ended a", "reason:a=ended activated:b run:b reason:b=running");
    REASON(&k, "c", "waiting");
    FEED(&k, "ended b", "reason:b=ended activated:c run:c reason:c=running");
    kit_end(&k);
}

static void orch_end_of_a_waiting_connector_counts(void **state)
{
    (void)state;
    kit_t k; /* a source that is empty says so at once, while it still waits */
    KIT_NEW(&k, "a x", "b y > x", "c > y");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;opened c");
    FEED(&k, "ended b", "reason:b=ended activated:c run:c reason:c=running");
    FEED(&k, "ended a", "reason:a=ended activated:b");
    REASON(&k, "b", "ended");
    kit_end(&k);
}

static void orch_label_of_nobody_is_satisfied_at_once(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a", "b > nobody", "c x", "d > nobody,x");
    REASON(&k, "b", "waiting");
    START(&k, "open:a activated:b open:b reason:b=running open:c open:d");
    REASON(&k, "d", "waiting");
    kit_end(&k);
}

static void orch_runs_only_while_the_pipeline_runs(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    FEED(&k, "opened a;opened b", ""); /* a pipeline started paused opens, and reads nothing */
    REASON(&k, "a", "running");
    assert_false(kit_reading(&k, "a"));
    FEED(&k, "run", "run:a");
    FEED(&k, "run", "");
    FEED(&k, "buffered a 1;pause", "hold:a");
    FEED(&k, "ended a", "reason:a=ended");
    FEED(&k, "buffered a 0", "activated:b reason:b=running"); /* drained while paused: activated, not reading */
    FEED(&k, "run", "run:b");
    kit_end(&k);
}

static void orch_run_waits_for_opened(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a");
    FEED(&k, "run", "");
    START(&k, "open:a");
    FEED(&k, "ended a;buffered a 1", ""); /* not open yet: not its words */
    FEED(&k, "opened a", "run:a");
    FEED(&k, "opened a", "");
    kit_end(&k);
}

/* --- the user's word (orchestration.md §2.5 with design.md §6.2) --- */

static void orch_user_start_ends_waiting_for_good(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "start b", "run:b reason:b=running"); /* not DO_ACTIVATED: no label did it */
    FEED(&k, "start b", "");
    FEED(&k, "hold b", "hold:b reason:b=user");
    FEED(&k, "ended a", "reason:a=ended");
    REASON(&k, "b", "user");
    FEED(&k, "start b", "run:b reason:b=running");
    kit_end(&k);
}

static void orch_user_pause_while_waiting_outlives_the_labels(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "hold b", "reason:b=user");
    FEED(&k, "ended a", "reason:a=ended activated:b");
    REASON(&k, "b", "user");
    assert_true(hg_orch_paused(k.o, 1));
    FEED(&k, "start b", "run:b reason:b=running");
    kit_end(&k);
}

static void orch_user_pause_after_activation_holds(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "a2 x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened a2;opened b;ended a;ended a2");
    FEED(&k, "hold b", "hold:b reason:b=user");
    FEED(&k, "buffered a 1;buffered a 0;pause;run", "");
    FEED(&k, "start b", "run:b reason:b=running");
    kit_end(&k);
}

static void orch_paused_in_config(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x paused", "b > x paused");
    REASON(&k, "a", "user");
    REASON(&k, "b", "waiting"); /* beside start_after it adds nothing */
    START(&k, "open:a open:b");
    FEED(&k, "run;opened a;opened b", "");
    FEED(&k, "start a", "run:a reason:a=running");
    FEED(&k, "ended a", "reason:a=ended activated:b run:b reason:b=running");
    kit_end(&k);
}

static void orch_paused_carrier_blocks_until_started(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "hold a", "hold:a reason:a=user");
    REASON(&k, "b", "waiting");
    FEED(&k, "start a;ended a", "run:a reason:a=running reason:a=ended activated:b run:b reason:b=running");
    kit_end(&k);
}

/* --- failures --- */

static void orch_failed_carrier_is_unfinished_and_a_start_tries_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "a2 x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened a2;opened b");
    FEED(&k, "buffered a 1;failed a", "close:a reason:a=failed");
    FEED(&k, "ended a2", "reason:a2=ended");
    REASON(&k, "b", "waiting");
    FEED(&k, "ended a;buffered a 1;failed a;opened a", ""); /* late words of the dead instance */
    FEED(&k, "start a", "open:a reason:a=running");
    FEED(&k, "opened a", "run:a");
    FEED(&k, "ended a", "reason:a=ended activated:b run:b reason:b=running"); /* nothing is buffered: all was dropped */
    kit_end(&k);
}

static void orch_failure_before_opened(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x");
    kit_start(&k);
    FEED(&k, "failed a", "close:a reason:a=failed");
    FEED(&k, "run", "");
    FEED(&k, "hold a", ""); /* failed goes before user */
    REASON(&k, "a", "failed");
    FEED(&k, "start a;opened a", "open:a reason:a=running run:a");
    kit_end(&k);
}

static void orch_failure_after_the_end_counts_until_it_is_drained(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;buffered a 1;ended a");
    FEED(&k, "failed a", "close:a reason:a=failed");
    FEED(&k, "buffered a 0", "");
    REASON(&k, "b", "waiting");
    assert_false(hg_orch_ended(k.o, 0));
    FEED(&k, "start a;opened a;ended a",
         "open:a reason:a=running run:a reason:a=ended activated:b run:b reason:b=running");
    FEED(&k, "failed a", ""); /* finished: nothing can be lost any more */
    REASON(&k, "a", "ended");
    kit_end(&k);
}

static void orch_failed_dependent_can_be_tried_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "failed b", "close:b reason:b=failed");
    FEED(&k, "ended a", "reason:a=ended activated:b"); /* activated, but it failed */
    REASON(&k, "b", "failed");
    FEED(&k, "start b;opened b", "open:b reason:b=running run:b");
    kit_end(&k);
}

/* --- reruns --- */

static void orch_rerun_without_wait_leaves_dependents_alone(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    FEED(&k, "rerun a", ""); /* not finished */
    kit_feed(&k, "ended a");
    FEED(&k, "rerun a", "close:a open:a reason:a=running");
    assert_false(hg_orch_finished(k.o, 0));
    assert_true(kit_reading(&k, "b"));
    FEED(&k, "opened a;ended a", "run:a reason:a=ended");
    kit_end(&k);
}

static void orch_rerun_with_wait_holds_dependents_first(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x,y", "b > x,y", "c > y", "d > z", "e z");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;opened c;opened d;opened e;ended a;ended e;hold c");
    FEED(&k, "rerun a 1", "close:a hold:b reason:b=waiting open:a reason:a=running");
    REASON(&k, "c", "user");
    REASON(&k, "d", "running");
    FEED(&k, "start c", "run:c reason:c=running");
    FEED(&k, "opened a;ended a", "run:a reason:a=ended activated:b run:b reason:b=running");
    FEED(&k, "rerun a 1", /* the user's start of c was before this word */
         "close:a hold:b reason:b=waiting hold:c reason:c=waiting open:a reason:a=running");
    kit_end(&k);
}

static void orch_rerun_of_an_undrained_connector_is_ignored(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;buffered a 1;ended a");
    FEED(&k, "rerun a 1", "");
    FEED(&k, "buffered a 0", "activated:b run:b reason:b=running");
    kit_end(&k);
}

/* --- positions set by hand --- */

static void orch_moved_connector_reads_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;ended a;hold a");
    FEED(&k, "moving a 1", "close:a"); /* what has ended stays so until it is moved */
    assert_true(hg_orch_finished(k.o, 0));
    FEED(&k, "moved a", "open:a reason:a=user");
    assert_false(hg_orch_finished(k.o, 0));
    assert_true(kit_reading(&k, "b")); /* dependents stay as they are */
    FEED(&k, "opened a;start a;ended a", "run:a reason:a=running reason:a=ended");
    kit_end(&k);
}

static void orch_nothing_opens_what_is_being_moved(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a paused");
    kit_start(&k);
    kit_feed(&k, "run;opened a");
    FEED(&k, "moving a 1;moving a 1;opened a", "close:a");
    FEED(&k, "start a;pause;run", "reason:a=running");
    assert_false(kit_reading(&k, "a"));
    FEED(&k, "failed a;buffered a 1;ended a", ""); /* late words of the instance that is gone */
    FEED(&k, "moving a 0;opened a", "open:a run:a");
    kit_end(&k);
}

static void orch_moving_forgets_what_was_not_drained(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;buffered a 1;ended a;hold a");
    FEED(&k, "moving a 1", "close:a reason:a=user");
    FEED(&k, "moving a 0;start a;opened a", "open:a reason:a=running run:a");
    FEED(&k, "ended a", "reason:a=ended activated:b run:b reason:b=running");
    kit_end(&k);
}

static void orch_moved_failed_connector_waits_for_the_user(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a");
    kit_start(&k);
    kit_feed(&k, "run;opened a;failed a");
    FEED(&k, "moving a 1;moved a", "");
    REASON(&k, "a", "failed");
    FEED(&k, "start a;opened a", "open:a reason:a=running run:a");
    kit_end(&k);
}

static void orch_rerun_ends_moving(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b;ended a");
    FEED(&k, "moving a 1;rerun a 1", "close:a hold:b reason:b=waiting open:a reason:a=running");
    kit_end(&k);
}

/* --- endpoints that come while running --- */

static void orch_added_endpoints_run_at_once(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    kit_feed(&k, "run;opened a;opened b");
    kit_conn(&k, "push");
    uint32_t id = hg_orch_add(k.o, hg_strz("push"), ++k.now);
    assert_int_equal(id, 2);
    assert_int_equal(hg_orch_find(k.o, hg_strz("push")), 2);
    assert_int_equal(hg_orch_count(k.o), 3);
    assert_int_equal(hg_orch_since(k.o, 2), k.now);
    FEED(&k, "opened push", "open:push run:push"); /* the first was waiting in the queue */
    FEED(&k, "hold push;pause;start push;run", "hold:push reason:push=user hold:a reason:push=running run:a run:push");
    FEED(&k, "failed push;start push;opened push",
         "close:push reason:push=failed open:push reason:push=running run:push");
    kit_end(&k);
}

static void orch_since_is_the_time_of_the_event(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b > x");
    kit_start(&k);
    assert_int_equal(hg_orch_since(k.o, 1), 1);
    kit_feed(&k, "run;opened a;opened b");
    assert_int_equal(hg_orch_since(k.o, 0), 1); /* to be running and to read are two things */
    kit_feed(&k, "ended a");
    assert_int_equal(hg_orch_since(k.o, 0), 5);
    assert_int_equal(hg_orch_since(k.o, 1), 5);
    kit_end(&k);
}

static void orch_events_of_unknown_connectors_are_ignored(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x");
    kit_start(&k);
    for (int kind = 0; kind < HG_ORCH_EV_N; kind++)
        if (kind != HG_ORCH_RUN && kind != HG_ORCH_PAUSE)
            hg_orch_feed(k.o, (hg_orch_ev_t){ (hg_orch_ev_kind_t)kind, 99, 1, 7 });
    FEED(&k, "opened a", "");
    kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orch_backfill_then_stream),
        cmocka_unit_test(orch_end_without_backlog_tells_the_end_first),
        cmocka_unit_test(orch_waits_for_every_carrier_of_every_label),
        cmocka_unit_test(orch_duplicates_of_labels_are_harmless),
        cmocka_unit_test(orch_chain_goes_link_by_link),
        cmocka_unit_test(orch_end_of_a_waiting_connector_counts),
        cmocka_unit_test(orch_label_of_nobody_is_satisfied_at_once),
        cmocka_unit_test(orch_runs_only_while_the_pipeline_runs),
        cmocka_unit_test(orch_run_waits_for_opened),
        cmocka_unit_test(orch_user_start_ends_waiting_for_good),
        cmocka_unit_test(orch_user_pause_while_waiting_outlives_the_labels),
        cmocka_unit_test(orch_user_pause_after_activation_holds),
        cmocka_unit_test(orch_paused_in_config),
        cmocka_unit_test(orch_paused_carrier_blocks_until_started),
        cmocka_unit_test(orch_failed_carrier_is_unfinished_and_a_start_tries_again),
        cmocka_unit_test(orch_failure_before_opened),
        cmocka_unit_test(orch_failure_after_the_end_counts_until_it_is_drained),
        cmocka_unit_test(orch_failed_dependent_can_be_tried_again),
        cmocka_unit_test(orch_rerun_without_wait_leaves_dependents_alone),
        cmocka_unit_test(orch_rerun_with_wait_holds_dependents_first),
        cmocka_unit_test(orch_rerun_of_an_undrained_connector_is_ignored),
        cmocka_unit_test(orch_moved_connector_reads_again),
        cmocka_unit_test(orch_nothing_opens_what_is_being_moved),
        cmocka_unit_test(orch_moving_forgets_what_was_not_drained),
        cmocka_unit_test(orch_moved_failed_connector_waits_for_the_user),
        cmocka_unit_test(orch_rerun_ends_moving),
        cmocka_unit_test(orch_added_endpoints_run_at_once),
        cmocka_unit_test(orch_since_is_the_time_of_the_event),
        cmocka_unit_test(orch_events_of_unknown_connectors_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
