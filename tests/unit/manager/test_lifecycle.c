/* The rules of the pipeline lifecycle as tables: every state against every call. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "manager/lifecycle_int.h"

#define ST HG_RES_STOPPED
#define PI HG_RES_PROVISIONING
#define PD HG_RES_PROVISIONED
#define SG HG_RES_STOPPING

static const hg_start_args_t plain = { .initial = HG_RT_RUNNING,
                                       .policy = HG_POLICY_AWAIT_APPROVAL,
                                       .dismiss_error = true };

static hg_lc_t stopped(void)
{
    return (hg_lc_t){ .prog = HG_PROG_SUCCESS };
}

static hg_lc_t running(void)
{
    hg_lc_t lc = stopped();
    hg_lc_apply_start(&lc, &plain);
    lc.res = PD;
    lc.rt = lc.rt_desired = HG_RT_RUNNING;
    lc.storage = HG_STORAGE_INUSE;
    return lc;
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(hg_name_index(hg_res_names, HG_RES_N, "Provisioned"), HG_RES_PROVISIONED);
    assert_int_equal(hg_name_index(hg_rt_names, HG_RT_N, "ConcurrentBootstrapping"), HG_RT_CONCURRENT_BOOTSTRAPPING);
    assert_int_equal(hg_name_index(hg_rt_names, HG_RT_N, "Coordination"), -1); /* the SDK does not know it */
    assert_int_equal(hg_name_index(hg_rt_names, HG_RT_N, NULL), -1);
    assert_int_equal(hg_name_index(hg_prog_names, HG_PROG_N, "success"), -1);
}

static void test_combined(void **state)
{
    (void)state;
    static const struct {
        hg_res_t res, desired;
        hg_rt_t rt, rt_desired, initial;
        const char *status, *want;
    } t[] = {
        { ST, ST, 0, 0, 0, "Stopped", "Stopped" },
        { ST, PD, 0, 0, HG_RT_PAUSED, "Stopped", "Paused" },
        { PI, PD, 0, 0, HG_RT_RUNNING, "Provisioning", "Running" },
        { PD, PD, 0, 0, HG_RT_RUNNING, "Unavailable", "Running" },
        { PD, PD, HG_RT_INITIALIZING, HG_RT_RUNNING, HG_RT_RUNNING, "Initializing", "Running" },
        { PD, PD, HG_RT_RUNNING, HG_RT_PAUSED, HG_RT_RUNNING, "Running", "Paused" },
        { PD, PD, HG_RT_RUNNING, HG_RT_SUSPENDED, HG_RT_RUNNING, "Running", "Suspended" },
        { PD, ST, HG_RT_RUNNING, HG_RT_RUNNING, HG_RT_RUNNING, "Running", "Stopped" },
        { SG, ST, 0, 0, 0, "Stopping", "Stopped" },
        { PD, PD, HG_RT_STANDBY, 0, 0, "Standby", "Unavailable" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_lc_t lc = { .res = t[i].res,
                       .res_desired = t[i].desired,
                       .rt = t[i].rt,
                       .rt_desired = t[i].rt_desired,
                       .initial = t[i].initial };
        assert_string_equal(hg_lc_status(&lc), t[i].status);
        assert_string_equal(hg_lc_desired_status(&lc), t[i].want);
    }
}

static void expect_start(const hg_lc_t *lc, const hg_start_args_t *a, int status, const char *code)
{
    hg_verdict_t v = hg_lc_start(lc, a);
    if (!code) {
        assert_int_not_equal(v.answer, HG_REFUSE);
        return;
    }
    assert_int_equal(v.answer, HG_REFUSE);
    assert_int_equal(v.status, status);
    assert_string_equal(v.code, code);
    assert_true(v.msg[0] != 0);
    assert_true(v.details[0] == '{');
}

static void test_start(void **state)
{
    (void)state;
    hg_lc_t lc = stopped();
    assert_int_equal(hg_lc_start(&lc, &plain).answer, HG_DO_IT);
    for (hg_prog_t p = 0; p < HG_PROG_N; p++) {
        lc = stopped();
        lc.prog = p;
        expect_start(&lc, &plain, 400, hg_prog_failed(p) ? "CannotStartWithCompilationError" : NULL);
        assert_true(hg_prog_compiling(p) == (p < HG_PROG_SUCCESS));
    }
    lc = stopped();
    lc.storage = HG_STORAGE_CLEARING;
    expect_start(&lc, &plain, 400, "CannotStartWhileClearingStorage");
    lc = stopped();
    lc.has_error = true;
    expect_start(&lc, &plain, 400, NULL);
    hg_start_args_t a = plain;
    a.dismiss_error = false;
    expect_start(&lc, &a, 400, "CannotStartWithUndismissedError");
    lc = running();
    lc.res_desired = ST;
    expect_start(&lc, &plain, 400, "IllegalPipelineAction");
    lc.res = SG;
    expect_start(&lc, &plain, 400, "IllegalPipelineAction");

    /* A second start: the same is fine, anything else is not. */
    lc = running();
    assert_int_equal(hg_lc_start(&lc, &plain).answer, HG_NOOP);
    a = plain;
    a.initial = HG_RT_PAUSED;
    expect_start(&lc, &a, 400, "InitialImmutableUnlessStopped");
    a = plain;
    a.policy = HG_POLICY_ALLOW;
    expect_start(&lc, &a, 400, "BootstrapPolicyImmutableUnlessStopped");
    a = plain;
    a.silent = true;
    expect_start(&lc, &a, 400, "BootstrapPolicyImmutableUnlessStopped");
    a.concurrent = true;
    expect_start(&lc, &a, 400, "InvalidBootstrapConfig");

    lc = stopped();
    a = plain;
    a.initial = HG_RT_STANDBY;
    expect_start(&lc, &a, 400, "InitialStandbyNotAllowed");
    a.standby_possible = true;
    expect_start(&lc, &a, 400, NULL);
}

static void test_stop(void **state)
{
    (void)state;
    static const struct {
        hg_res_t res, desired;
        hg_rt_t rt_desired;
        hg_stop_t graceful, forced;
    } t[] = {
        { ST, ST, 0, HG_STOP_NOTHING, HG_STOP_NOTHING },
        { ST, PD, 0, HG_STOP_CANCEL, HG_STOP_CANCEL },
        { PI, PD, 0, HG_STOP_FORCE, HG_STOP_FORCE },
        { PD, PD, HG_RT_RUNNING, HG_STOP_SUSPEND, HG_STOP_FORCE },
        { PD, PD, HG_RT_SUSPENDED, HG_STOP_NOTHING, HG_STOP_FORCE },
        { PD, ST, HG_RT_RUNNING, HG_STOP_NOTHING, HG_STOP_FORCE },
        { SG, ST, 0, HG_STOP_NOTHING, HG_STOP_FORCE },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_lc_t lc = { .res = t[i].res, .res_desired = t[i].desired, .rt_desired = t[i].rt_desired };
        assert_int_equal(hg_lc_stop(&lc, false), t[i].graceful);
        assert_int_equal(hg_lc_stop(&lc, true), t[i].forced);
    }
}

static void test_clear_dismiss_edit_delete(void **state)
{
    (void)state;
    static const struct {
        hg_res_t res, desired;
        hg_storage_t storage;
        bool error;
        hg_answer_t clear, dismiss;
        bool edit, delete;
        const char *clear_code, *delete_code;
    } t[] = {
        { ST, ST, HG_STORAGE_CLEARED, false, HG_NOOP, HG_NOOP, true, true, NULL, NULL },
        { ST, ST, HG_STORAGE_CLEARED, true, HG_NOOP, HG_DO_IT, true, true, NULL, NULL },
        { ST, ST, HG_STORAGE_INUSE, false, HG_DO_IT, HG_NOOP, true, false, NULL, "DeleteRestrictedToClearedStorage" },
        { ST, ST, HG_STORAGE_CLEARING, false, HG_NOOP, HG_NOOP, true, false, NULL, "DeleteRestrictedToClearedStorage" },
        { ST, PD, HG_STORAGE_CLEARED, false, HG_REFUSE, HG_NOOP, false, false, "StorageStatusImmutableUnlessStopped",
          "DeleteRestrictedToFullyStopped" },
        { PD, PD, HG_STORAGE_INUSE, false, HG_REFUSE, HG_NOOP, false, false, "StorageStatusImmutableUnlessStopped",
          "DeleteRestrictedToFullyStopped" },
        { SG, ST, HG_STORAGE_INUSE, true, HG_REFUSE, HG_REFUSE, false, false, "StorageStatusImmutableUnlessStopped",
          "DeleteRestrictedToFullyStopped" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_lc_t lc = { .res = t[i].res, .res_desired = t[i].desired, .storage = t[i].storage, .has_error = t[i].error };
        hg_verdict_t v = hg_lc_clear(&lc);
        assert_int_equal(v.answer, t[i].clear);
        if (t[i].clear_code) assert_string_equal(v.code, t[i].clear_code);
        v = hg_lc_dismiss(&lc);
        assert_int_equal(v.answer, t[i].dismiss);
        if (v.answer == HG_REFUSE) assert_string_equal(v.code, "DismissErrorRestrictedToFullyStopped");
        v = hg_lc_edit(&lc);
        assert_int_equal(v.answer, t[i].edit ? HG_DO_IT : HG_REFUSE);
        if (v.answer == HG_REFUSE) assert_string_equal(v.code, "UpdateRestrictedToStopped");
        v = hg_lc_delete(&lc);
        assert_int_equal(v.answer, t[i].delete ? HG_DO_IT : HG_REFUSE);
        if (t[i].delete_code) assert_string_equal(v.code, t[i].delete_code);
    }
}

static void test_interaction(void **state)
{
    (void)state;
    for (hg_res_t res = 0; res < HG_RES_N; res++) {
        hg_lc_t lc = running();
        lc.res = res;
        hg_verdict_t v = hg_lc_interact(&lc, "p");
        assert_int_equal(v.answer, res == PD ? HG_DO_IT : HG_REFUSE);
        if (res == PD) continue;
        assert_int_equal(v.status, 503);
        assert_string_equal(v.code, "PipelineInteractionNotDeployed");
        assert_non_null(strstr(v.details, "\"pipeline_name\":\"p\""));
    }
    static const struct {
        hg_rt_t rt, desired;
        bool ok;
    } t[] = { { HG_RT_RUNNING, HG_RT_RUNNING, true },      { HG_RT_PAUSED, HG_RT_PAUSED, true },
              { HG_RT_INITIALIZING, HG_RT_RUNNING, true }, { HG_RT_STANDBY, HG_RT_STANDBY, false },
              { HG_RT_RUNNING, HG_RT_SUSPENDED, false },   { HG_RT_SUSPENDED, HG_RT_RUNNING, false } };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_lc_t lc = running();
        lc.rt = t[i].rt;
        lc.rt_desired = t[i].desired;
        hg_verdict_t v = hg_lc_run(&lc, "p", HG_RT_PAUSED);
        assert_int_equal(v.answer, t[i].ok ? HG_DO_IT : HG_REFUSE);
        if (!t[i].ok) assert_string_equal(v.code, "InvalidTransition");
        v = hg_lc_activate(&lc, "p", HG_RT_RUNNING);
        assert_int_equal(v.answer, t[i].rt == HG_RT_STANDBY ? HG_DO_IT : HG_REFUSE);
    }
}

static void test_activate(void **state)
{
    (void)state;
    static const struct {
        hg_rt_t rt, desired;
        hg_answer_t running, paused;
    } t[] = { { HG_RT_STANDBY, HG_RT_STANDBY, HG_DO_IT, HG_DO_IT },
              { HG_RT_UNAVAILABLE, HG_RT_STANDBY, HG_DO_IT, HG_DO_IT }, /* it is started again after a crash */
              { HG_RT_STANDBY, HG_RT_RUNNING, HG_NOOP, HG_DO_IT },
              { HG_RT_INITIALIZING, HG_RT_RUNNING, HG_NOOP, HG_REFUSE },
              { HG_RT_RUNNING, HG_RT_RUNNING, HG_NOOP, HG_REFUSE },
              { HG_RT_PAUSED, HG_RT_PAUSED, HG_REFUSE, HG_NOOP } };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_lc_t lc = running();
        lc.initial = HG_RT_STANDBY;
        lc.rt = t[i].rt;
        lc.rt_desired = t[i].desired;
        assert_int_equal(hg_lc_activate(&lc, "p", HG_RT_RUNNING).answer, t[i].running);
        assert_int_equal(hg_lc_activate(&lc, "p", HG_RT_PAUSED).answer, t[i].paused);
    }
}

static void test_approve(void **state)
{
    (void)state;
    for (hg_rt_t rt = 0; rt < HG_RT_N; rt++) {
        hg_lc_t lc = running();
        lc.rt = rt;
        hg_verdict_t v = hg_lc_approve(&lc, "p", rt & 1, false);
        assert_int_equal(v.answer, rt == HG_RT_AWAITING_APPROVAL ? HG_DO_IT : HG_REFUSE);
        if (v.answer == HG_REFUSE) assert_string_equal(v.code, "InvalidTransition");
        v = hg_lc_approve(&lc, "p", true, true);
        assert_string_equal(v.code, "InvalidBootstrapConfig");
        lc.res = HG_RES_STOPPED;
        v = hg_lc_approve(&lc, "p", false, false);
        assert_string_equal(v.code, "PipelineInteractionNotDeployed");
    }
}

static void test_todo(void **state)
{
    (void)state;
    for (hg_prog_t p = 0; p < HG_PROG_N; p++)
        for (hg_res_t res = 0; res < HG_RES_N; res++)
            for (int want = 0; want < 2; want++) {
                hg_lc_t lc = { .prog = p, .res = res, .res_desired = want ? PD : ST };
                hg_todo_t todo = HG_TODO_NOTHING;
                if (res == ST && want && p == HG_PROG_SUCCESS) todo = HG_TODO_PROVISION;
                if (res == ST && want && p > HG_PROG_SUCCESS) todo = HG_TODO_FAIL_START;
                assert_int_equal(hg_lc_todo(&lc), todo);
            }
}

static void test_forgets_the_deployment(void **state)
{
    (void)state;
    hg_lc_t lc = running();
    lc.silent = true;
    hg_lc_apply_unprovisioned(&lc);
    assert_int_equal(lc.rt, HG_RT_NONE);
    assert_int_equal(lc.rt_desired, HG_RT_NONE);
    assert_int_equal(lc.initial, HG_RT_NONE);
    assert_int_equal(lc.policy, HG_POLICY_NONE);
    assert_false(lc.silent);
    assert_int_equal(lc.storage, HG_STORAGE_INUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_combined),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_clear_dismiss_edit_delete),
        cmocka_unit_test(test_interaction),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_approve),
        cmocka_unit_test(test_todo),
        cmocka_unit_test(test_forgets_the_deployment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
