/* Restart policies: what a configuration may say, and what follows a death. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "manager/restart_int.h"

#define SEC 1000000

static int parse(const char *text, hg_restart_policy_t *ret, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    assert_int_equal(hg_json_parse(a, hg_strz(text), &v, err), 0);
    int rc = hg_restart_policy(v, ret, err);
    hg_arena_free(a);
    return rc;
}

static hg_restart_policy_t good(const char *restart)
{
    hg_restart_policy_t p = { 0 };
    hg_err_t err = HG_ERR_INIT;
    char *text = hg_xprintf("{\"dev_tweaks\":{\"headgate\":{\"restart\":%s}}}", restart);
    int rc = parse(text, &p, &err);
    if (rc < 0) fail_msg("%s: %s", text, err.msg);
    hg_free(text);
    return p;
}

static void refused(const char *restart, const char *words)
{
    hg_restart_policy_t p;
    hg_err_t err = HG_ERR_INIT;
    char *text = hg_xprintf("{\"dev_tweaks\":{\"headgate\":{\"restart\":%s}}}", restart);
    assert_int_equal(parse(text, &p, &err), HG_EINVAL);
    if (!strstr(err.msg, words) || !strstr(err.msg, "dev_tweaks.headgate.restart"))
        fail_msg("%s: '%s' does not say '%s'", restart, err.msg, words);
    hg_free(text);
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        hg_restart_when_t when;
    } t[] = {
        { "{}", HG_RESTART_NEVER },
        { "{\"fault_tolerance\":null}", HG_RESTART_NEVER },
        { "{\"fault_tolerance\":{\"model\":\"none\"}}", HG_RESTART_NEVER },
        { "{\"fault_tolerance\":{\"model\":\"at_least_once\"}}", HG_RESTART_ON_FAILURE },
        { "{\"fault_tolerance\":{\"model\":\"exactly_once\"}}", HG_RESTART_ON_FAILURE },
        { "{\"fault_tolerance\":{}}", HG_RESTART_ON_FAILURE }, /* asks for the most */
        { "{\"dev_tweaks\":{\"headgate\":{\"queue_mib\":1}}}", HG_RESTART_NEVER },
        { "{\"fault_tolerance\":{\"model\":\"at_least_once\"},\"dev_tweaks\":{\"headgate\":{\"restart\":\"never\"}}}",
          HG_RESTART_NEVER },
        { "{\"fault_tolerance\":{\"model\":\"at_least_once\"},\"dev_tweaks\":{\"headgate\":{\"restart\":{\"max_"
          "attempts\":2}}}}",
          HG_RESTART_ON_FAILURE },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_restart_policy_t p;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(parse(t[i].config, &p, &err), 0);
        assert_int_equal(p.when, t[i].when);
    }
    hg_restart_policy_t p;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_restart_policy(NULL, &p, &err), 0);
    assert_int_equal(p.when, HG_RESTART_NEVER);
}

static void test_forms(void **state)
{
    (void)state;
    assert_int_equal(good("\"always\"").when, HG_RESTART_ALWAYS);
    hg_restart_policy_t p = good("{\"policy\":\"on_failure\",\"max_attempts\":3,\"delay_ms\":10,\"max_delay_ms\":40,"
                                 "\"window_secs\":2}");
    assert_int_equal(p.when, HG_RESTART_ON_FAILURE);
    assert_true(p.limited);
    assert_int_equal(p.max_attempts, 3);
    assert_int_equal(p.delay_ms, 10);
    assert_int_equal(p.max_delay_ms, 40);
    assert_int_equal(p.window_ms, 2000);
    assert_false(good("{\"policy\":\"always\",\"max_attempts\":null}").limited);
    assert_int_equal(good("{\"delay_ms\":60000}").max_delay_ms, 60000); /* above the default cap */
}

static void test_refusals(void **state)
{
    (void)state;
    refused("\"sometimes\"", "unknown policy 'sometimes', expected never, on_failure or always");
    refused("7", "expected never, on_failure or always, or an object, found a number");
    refused("null", "found null");
    refused("{\"policy\":3}", ".policy: expected never, on_failure or always, found a number");
    refused("{\"policy\":\"Always\"}", "unknown policy 'Always'");
    refused("{\"retries\":3}", "unknown member 'retries', expected policy, max_attempts");
    refused("{\"max_attempts\":0}", ".max_attempts: expected a whole number from 1 to 1000000, found 0");
    refused("{\"delay_ms\":1.5}", ".delay_ms: expected a whole number from 1 to 86400000, found 1.5");
    refused("{\"max_delay_ms\":-1}", ".max_delay_ms: expected a whole number");
    refused("{\"window_secs\":\"60\"}", ".window_secs: expected a whole number from 1 to 86400, found a string");
    refused("{\"delay_ms\":100,\"max_delay_ms\":99}", ".max_delay_ms: 99 is less than delay_ms (100)");
}

static void test_which_ends(void **state)
{
    (void)state;
    static const hg_restart_verdict_t want[HG_RESTART_N][4] = {
        /* crashed, failed, trouble, left */
        [HG_RESTART_NEVER] = { HG_RESTART_UNWANTED, HG_RESTART_UNWANTED, HG_RESTART_UNWANTED, HG_RESTART_UNWANTED },
        [HG_RESTART_ON_FAILURE] = { HG_RESTART_DO, HG_RESTART_UNWANTED, HG_RESTART_DO, HG_RESTART_UNWANTED },
        [HG_RESTART_ALWAYS] = { HG_RESTART_DO, HG_RESTART_UNWANTED, HG_RESTART_DO, HG_RESTART_DO },
    };
    for (int when = 0; when < HG_RESTART_N; when++) {
        for (int end = HG_END_CRASHED; end <= HG_END_LEFT; end++) {
            hg_restart_policy_t p = good("{}");
            hg_restarts_t r = { .spawned_us = SEC };
            uint64_t ms = 0;
            p.when = (hg_restart_when_t)when;
            assert_int_equal(hg_restart_decide(&p, &r, (hg_end_t)end, 2 * SEC, 7, &ms), want[when][end]);
            assert_int_equal(r.attempts, want[when][end] == HG_RESTART_DO);
            assert_int_equal(r.died_us != 0, want[when][end] == HG_RESTART_DO);
        }
    }
}

static void test_backoff_limit_and_window(void **state)
{
    (void)state;
    hg_restart_policy_t p =
        good("{\"policy\":\"always\",\"max_attempts\":5,\"delay_ms\":100,\"max_delay_ms\":500,\"window_secs\":10}");
    static const uint64_t base[] = { 100, 200, 400, 500, 500 };
    static const uint32_t dice[] = { 0, 1, 12345, UINT32_MAX };
    for (size_t d = 0; d < HG_COUNT(dice); d++) {
        hg_restarts_t r = { 0 };
        int64_t now = 100 * (int64_t)SEC;
        for (size_t i = 0; i < HG_COUNT(base); i++) {
            uint64_t ms = 0;
            r.spawned_us = now;
            now += 9 * SEC; /* less than the window */
            assert_int_equal(hg_restart_decide(&p, &r, HG_END_CRASHED, now, dice[d], &ms), HG_RESTART_DO);
            assert_in_range(ms, base[i] / 2, base[i]);
            assert_int_equal(r.attempts, i + 1);
            assert_true(r.next_us == now + (int64_t)ms * 1000);
        }
        uint64_t ms = 0;
        r.spawned_us = now;
        assert_int_equal(hg_restart_decide(&p, &r, HG_END_CRASHED, now + SEC, dice[d], &ms), HG_RESTART_EXHAUSTED);
        /* Had it lasted, everything would begin anew. */
        assert_int_equal(hg_restart_decide(&p, &r, HG_END_CRASHED, now + 10 * SEC, dice[d], &ms), HG_RESTART_DO);
        assert_in_range(ms, 50, 100);
        assert_int_equal(r.attempts, 1);
    }
    /* A clock that was set back is no success. */
    hg_restarts_t r = { .attempts = 5, .spawned_us = 100 * (int64_t)SEC };
    uint64_t ms;
    assert_int_equal(hg_restart_decide(&p, &r, HG_END_CRASHED, SEC, 0, &ms), HG_RESTART_EXHAUSTED);
    p.limited = false;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(hg_restart_decide(&p, &r, HG_END_CRASHED, SEC, 0, &ms), HG_RESTART_DO);
    assert_int_equal(ms, 250);
}

static void test_stored_and_shown(void **state)
{
    (void)state;
    hg_restart_policy_t p = good("{\"policy\":\"on_failure\"}");
    hg_restarts_t r = { .attempts = 2,
                        .spawned_us = 11,
                        .next_us = 1772600767000000,
                        .died_us = 1772600766000000,
                        .approved = true,
                        .silent = true },
                  s;
    hg_buf_t b;
    hg_jw_t w;
    r.last = hg_xstrdup("{\"message\":\"m\"}");
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_restarts_save(&w, &r);
    hg_restarts_load(b.p, &s);
    assert_int_equal(s.attempts, 2);
    assert_true(s.spawned_us == r.spawned_us && s.next_us == r.next_us && s.died_us == r.died_us);
    assert_true(s.approved && s.silent && !s.concurrent);
    assert_string_equal(s.last, r.last);
    hg_buf_clear(&b);
    hg_jw_init(&w, &b);
    hg_restarts_details(&w, &p, &s);
    assert_string_equal(b.p,
                        "{\"policy\":\"on_failure\",\"attempts\":2,\"max_attempts\":5,"
                        "\"next_at\":\"2026-03-04T05:06:07.000000Z\",\"last_exit_at\":\"2026-03-04T05:06:06.000000Z\","
                        "\"last_exit\":{\"message\":\"m\"}}");
    hg_restarts_clear(&s);
    hg_restarts_clear(&r);
    hg_buf_clear(&b);
    hg_jw_init(&w, &b);
    hg_restarts_details(&w, &p, &r);
    assert_string_equal(b.p, "null");
    hg_buf_clear(&b);
    hg_jw_init(&w, &b);
    hg_restarts_save(&w, &r);
    hg_restarts_load(b.p, &s);
    assert_null(s.last);
    assert_int_equal(s.died_us, 0);
    hg_restarts_load(NULL, &s);
    assert_int_equal(s.attempts, 0);
    hg_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_which_ends),
        cmocka_unit_test(test_backoff_limit_and_window),
        cmocka_unit_test(test_stored_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
