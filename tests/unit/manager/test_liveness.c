/* When a process that does not answer counts as hung. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "manager/liveness_int.h"

#define MS  INT64_C(1000)
#define SEC INT64_C(1000000)

static const hg_liveness_policy_t g_policy = { .timeout_ms = 5000, .limited = true, .misses = 12 };

static int parse(const char *liveness, hg_liveness_policy_t *ret, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    char *text = hg_xprintf("{\"dev_tweaks\":{\"headgate\":{\"liveness\":%s}}}", liveness);
    assert_int_equal(hg_json_parse(a, hg_strz(text), &v, err), 0);
    int rc = hg_liveness_policy(v, ret, err);
    hg_free(text);
    hg_arena_free(a);
    return rc;
}

static void test_forms(void **state)
{
    (void)state;
    hg_liveness_policy_t p;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_liveness_policy(NULL, &p, &err), 0);
    assert_true(p.timeout_ms == 5000 && p.limited && p.misses == 12);
    assert_int_equal(parse("{}", &p, &err), 0);
    assert_true(p.timeout_ms == 5000 && p.limited && p.misses == 12);
    assert_int_equal(parse("{\"timeout_ms\":250,\"misses\":2}", &p, &err), 0);
    assert_true(p.timeout_ms == 250 && p.limited && p.misses == 2);
    assert_int_equal(parse("{\"misses\":null}", &p, &err), 0);
    assert_true(!p.limited);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } t[] = {
        { "false", "liveness: expected an object with timeout_ms and misses, found a boolean" },
        { "{\"timeout_ms\":99}", "liveness.timeout_ms: expected a whole number from 100 to 3600000, found 99" },
        { "{\"misses\":0}", "liveness.misses: expected a whole number from 1 to 1000000, found 0" },
        { "{\"misses\":\"x\"}", "liveness.misses: expected a whole number" },
        { "{\"period\":1}", "liveness: unknown member 'period'" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_liveness_policy_t p;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(parse(t[i].text, &p, &err), HG_EINVAL);
        if (!strstr(err.msg, t[i].words)) fail_msg("%s: '%s' does not say '%s'", t[i].text, err.msg, t[i].words);
    }
}

/* One probe that has no answer for so long. */
static void miss(hg_liveness_t *l, int64_t *now, int64_t us)
{
    hg_liveness_asked(l, *now, *now);
    *now += us;
    hg_liveness_missed(&g_policy, l, *now);
}

static void test_a_process_that_is_silent(void **state)
{
    (void)state;
    hg_liveness_t l = { 0 };
    int64_t now = 100 * SEC, begun = now;
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(hg_liveness_silent(&g_policy, &l), i >= 3);
        assert_false(hg_liveness_hung(&g_policy, &l));
        miss(&l, &now, 5 * SEC);
        now += 50 * MS;
    }
    assert_true(hg_liveness_hung(&g_policy, &l));
    assert_true(l.since_us == begun);
    hg_liveness_answered(&l);
    assert_false(hg_liveness_silent(&g_policy, &l) || hg_liveness_hung(&g_policy, &l));
}

static void test_one_answer_is_enough(void **state)
{
    (void)state;
    hg_liveness_t l = { 0 };
    int64_t now = SEC;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 11; i++) miss(&l, &now, 5 * SEC);
        assert_false(hg_liveness_hung(&g_policy, &l));
        hg_liveness_asked(&l, now, now);
        hg_liveness_answered(&l);
    }
}

/* The machine slept, or the manager was stopped in a debugger, while a probe was under way. */
static void test_a_jump_of_the_clock_costs_one_probe(void **state)
{
    (void)state;
    hg_liveness_t l = { 0 };
    int64_t now = SEC;
    miss(&l, &now, 86400 * SEC);
    assert_false(hg_liveness_silent(&g_policy, &l) || hg_liveness_hung(&g_policy, &l));
    assert_true(l.spent_us == 5000000);
    now += 86400 * SEC; /* nor does time between probes count */
    hg_liveness_asked(&l, now, now);
    hg_liveness_missed(&g_policy, &l, now - 5 * SEC); /* nor time that goes backwards */
    assert_true(l.spent_us == 5000000);
}

/* Who refuses connections is shown as silent soon, but does not hang. */
static void test_quick_failures(void **state)
{
    (void)state;
    hg_liveness_t l = { 0 };
    int64_t now = SEC;
    for (unsigned i = 0; i < 1000; i++) {
        miss(&l, &now, 1 * MS);
        now += 50 * MS;
    }
    assert_true(hg_liveness_silent(&g_policy, &l));
    assert_false(hg_liveness_hung(&g_policy, &l));
}

static void test_probes_that_are_given_up_count_as_waiting(void **state)
{
    (void)state;
    hg_liveness_t l = { 0 };
    int64_t now = SEC;
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(hg_liveness_silent(&g_policy, &l), i >= 15);
        assert_false(hg_liveness_hung(&g_policy, &l));
        hg_liveness_asked(&l, now, now);
        now += SEC;
        hg_liveness_withdrawn(&g_policy, &l, now);
    }
    assert_true(hg_liveness_hung(&g_policy, &l));
    assert_int_equal(l.failed, 0);
}

static void test_without_a_limit(void **state)
{
    (void)state;
    hg_liveness_policy_t p = g_policy;
    hg_liveness_t l = { 0 };
    int64_t now = SEC;
    p.limited = false;
    p.misses = 0;
    for (unsigned i = 0; i < 1000; i++) miss(&l, &now, 5 * SEC);
    assert_true(hg_liveness_silent(&p, &l));
    assert_false(hg_liveness_hung(&p, &l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_process_that_is_silent),
        cmocka_unit_test(test_one_answer_is_enough),
        cmocka_unit_test(test_a_jump_of_the_clock_costs_one_probe),
        cmocka_unit_test(test_quick_failures),
        cmocka_unit_test(test_probes_that_are_given_up_count_as_waiting),
        cmocka_unit_test(test_without_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
