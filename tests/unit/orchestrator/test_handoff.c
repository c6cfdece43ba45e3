/* Hand-off marks: the order of mark, durable and open, failures of marking, and what the user may override. */
#include "tests/unit/orchestrator/kit.h"

static void orch_mark_is_durable_before_the_backfill_opens(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist back", "live > back mark");
    REASON(&k, "hist", "mark");
    START(&k, "open:live"); /* the backfill is not even opened */
    FEED(&k, "run", "");
    FEED(&k, "opened live", "mark:live");
    FEED(&k, "opened hist", ""); /* nobody asked it */
    FEED(&k, "marked live", "persist:live=1");
    FEED(&k, "marked live;durable 0", "");
    FEED(&k, "durable 1", "open:hist reason:hist=running");
    FEED(&k, "durable 1", "");
    REASON(&k, "live", "waiting");
    FEED(&k, "opened hist", "run:hist");
    FEED(&k, "ended hist", "reason:hist=ended activated:live run:live reason:live=running");
    kit_end(&k);
}

static void orch_every_mark_counts_and_tokens_are_cumulative(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x,y", "a > x mark", "b > y mark", "c > x,y mark", "other z");
    START(&k, "open:a open:b open:c open:other");
    FEED(&k, "opened a;opened b;opened c", "mark:a mark:b mark:c");
    FEED(&k, "marked c;marked a", "persist:c=1 persist:a=2");
    FEED(&k, "durable 2", ""); /* b has not marked: label y is not free */
    REASON(&k, "hist", "mark");
    FEED(&k, "marked b;durable 9", "persist:b=3 open:hist reason:hist=running");
    kit_end(&k);
}

static void orch_marks_along_a_chain(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a x", "b y > x mark", "c > y mark");
    START(&k, "open:c"); /* b is held for c, a for b */
    FEED(&k, "opened c;marked c", "mark:c persist:c=1");
    FEED(&k, "durable 1", "open:b");
    FEED(&k, "opened b;marked b;durable 2", "mark:b persist:b=2 open:a reason:a=running");
    kit_end(&k);
}

static void orch_failed_mark_holds_until_the_host_has_it(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    FEED(&k, "run;opened live;mark_failed live;mark_failed live", "mark:live");
    REASON(&k, "hist", "mark");
    FEED(&k, "marked live;durable 1", "persist:live=1 open:hist reason:hist=running");
    FEED(&k, "mark_failed live;marked live", "");
    kit_end(&k);
}

static void orch_user_start_of_the_carrier_goes_without_marks(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live");
    FEED(&k, "start hist", "open:hist reason:hist=running");
    FEED(&k, "opened hist;ended hist", "run:hist reason:hist=ended activated:live reason:live=mark");
    REASON(&k, "live", "mark"); /* activated, but its own mark is still being taken */
    FEED(&k, "marked live;durable 1", "persist:live=1 run:live reason:live=running");
    kit_end(&k);
}

static void orch_user_pause_of_the_carrier_then_the_marks(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live");
    FEED(&k, "hold hist", "reason:hist=user");
    FEED(&k, "marked live;durable 1", "persist:live=1 open:hist");
    FEED(&k, "opened hist", "");
    FEED(&k, "start hist", "run:hist reason:hist=running");
    kit_end(&k);
}

static void orch_user_start_gives_up_a_failed_mark(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;mark_failed live");
    FEED(&k, "start live", "run:live reason:live=running open:hist reason:hist=running");
    FEED(&k, "marked live;durable 1", ""); /* too late */
    kit_end(&k);
}

static void orch_user_start_before_the_mark_fails(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live");
    FEED(&k, "start live", "reason:live=mark"); /* a mark that is being taken is not skipped */
    FEED(&k, "mark_failed live", "run:live reason:live=running open:hist reason:hist=running");
    kit_end(&k);
}

static void orch_marking_connector_fails_and_marks_again(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live");
    FEED(&k, "failed live", "close:live reason:live=failed");
    FEED(&k, "marked live", ""); /* of the dead instance */
    REASON(&k, "hist", "mark");
    FEED(&k, "start live;opened live", "open:live reason:live=mark mark:live");
    FEED(&k, "marked live;durable 1", "persist:live=1 run:live reason:live=running open:hist reason:hist=running");
    kit_end(&k);
}

static void orch_mark_that_was_taken_survives_a_failure(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;marked live");
    FEED(&k, "failed live", "close:live reason:live=failed");
    FEED(&k, "durable 1", "open:hist reason:hist=running");
    FEED(&k, "start live;opened live", "open:live reason:live=running run:live"); /* no second mark */
    kit_end(&k);
}

static void orch_mark_without_start_after_means_nothing(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "a mark");
    START(&k, "open:a");
    FEED(&k, "opened a;run", "run:a");
    kit_end(&k);
}

static void orch_paused_marking_connector_marks_all_the_same(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    FEED(&k, "hold live", "reason:live=user");
    START(&k, "open:live");
    FEED(&k, "opened live;marked live;durable 1", "mark:live persist:live=1 open:hist reason:hist=running");
    REASON(&k, "live", "user");
    kit_end(&k);
}

static void orch_rerun_takes_no_second_mark(void **state)
{
    (void)state;
    kit_t k;
    KIT_NEW(&k, "hist x", "live > x mark");
    kit_start(&k);
    kit_feed(&k, "run;opened live;marked live;durable 1;opened hist;ended hist");
    FEED(&k, "rerun hist 1", "close:hist hold:live reason:live=waiting open:hist reason:hist=running");
    FEED(&k, "opened hist;ended hist", "run:hist reason:hist=ended activated:live run:live reason:live=running");
    kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orch_mark_is_durable_before_the_backfill_opens),
        cmocka_unit_test(orch_every_mark_counts_and_tokens_are_cumulative),
        cmocka_unit_test(orch_marks_along_a_chain),
        cmocka_unit_test(orch_failed_mark_holds_until_the_host_has_it),
        cmocka_unit_test(orch_user_start_of_the_carrier_goes_without_marks),
        cmocka_unit_test(orch_user_pause_of_the_carrier_then_the_marks),
        cmocka_unit_test(orch_user_start_gives_up_a_failed_mark),
        cmocka_unit_test(orch_user_start_before_the_mark_fails),
        cmocka_unit_test(orch_marking_connector_fails_and_marks_again),
        cmocka_unit_test(orch_mark_that_was_taken_survives_a_failure),
        cmocka_unit_test(orch_mark_without_start_after_means_nothing),
        cmocka_unit_test(orch_paused_marking_connector_marks_all_the_same),
        cmocka_unit_test(orch_rerun_takes_no_second_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
