/* What options of plugins say: a word of several, and patience. */
#include "tests/lib/test.h"

#include "plugins/sdk/plugin.h"

static char said[400];

static void hear(uint8_t level, const uint8_t *target, size_t target_len, const uint8_t *message, size_t n)
{
    (void)target, (void)target_len;
    assert_int_equal(level, IGGY_LOG_WARN);
    snprintf(said, sizeof said, "%.*s", (int)n, (const char *)message);
}

static void a_word_that_is_none_of_them_is_the_first(void **st)
{
    (void)st;
    static const char *const names[] = { "bytea", "json", "text" };
    hgp_log_to(hear, "test");
    assert_int_equal(hgp_choice("payload_format", "bytea", names, HG_COUNT(names)), 0);
    assert_int_equal(hgp_choice("payload_format", "TEXT", names, HG_COUNT(names)), 2);
    assert_string_equal(said, "");
    assert_int_equal(hgp_choice("payload_format", "xml", names, HG_COUNT(names)), 0);
    assert_non_null(strstr(said, "option 'payload_format': 'xml' is none of bytea, json, text: bytea is taken"));
}

static void pauses_double_up_to_a_minute(void **st)
{
    (void)st;
    hgp_patience_t p = hgp_doubling(5, 1000);
    assert_int_equal(p.max_attempts, 5);
    assert_int_equal(p.delay_ms, 1000);
    assert_int_equal(p.max_delay_ms, 60000);
    assert_int_equal(hgp_doubling(1, 90000).max_delay_ms, 90000);
}

int main(void)
{
    unsetenv("RUST_LOG");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_that_is_none_of_them_is_the_first),
        cmocka_unit_test(pauses_double_up_to_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
