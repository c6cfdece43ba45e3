/* Storage integrated over time. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "pipeline/usage.h"

#define MB  UINT64_C(1000000)
#define SEC INT64_C(1000000)

static void test_sum_of_what_was_there(void **state)
{
    (void)state;
    hg_usage_t u = { 0 };
    assert_int_equal(hg_usage_mb_secs(&u, 100 * SEC), 0);
    hg_usage_set(&u, 10 * MB, 100 * SEC);
    assert_int_equal(hg_usage_mb_secs(&u, 100 * SEC), 0);
    assert_int_equal(hg_usage_mb_secs(&u, 103 * SEC), 30);
    hg_usage_set(&u, 4 * MB, 105 * SEC); /* 50 until here */
    assert_int_equal(u.bytes, 4 * MB);
    assert_int_equal(hg_usage_mb_secs(&u, 110 * SEC), 70);
    hg_usage_set(&u, 0, 110 * SEC);
    assert_int_equal(hg_usage_mb_secs(&u, 1000 * SEC), 70);
}

static void test_small_and_large(void **state)
{
    (void)state;
    hg_usage_t u = { 0 };
    hg_usage_set(&u, 2000, 1); /* 2 kB: every half second counts */
    for (int64_t i = 1; i <= 1000; i++) hg_usage_set(&u, 2000, 1 + i * SEC / 2);
    assert_int_equal(hg_usage_mb_secs(&u, 1 + 500 * SEC), 1);
    u = (hg_usage_t){ 0 };
    hg_usage_set(&u, 100 * 1000000 * MB, 1); /* 100 TB for a year */
    assert_true(hg_usage_mb_secs(&u, 1 + 365 * 86400 * SEC) == UINT64_C(100000000) * 365 * 86400);
}

static void test_a_clock_that_stands(void **state)
{
    (void)state;
    hg_usage_t u = { 0 };
    hg_usage_set(&u, MB, 100 * SEC);
    assert_int_equal(hg_usage_mb_secs(&u, 99 * SEC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_of_what_was_there),
        cmocka_unit_test(test_small_and_large),
        cmocka_unit_test(test_a_clock_that_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
