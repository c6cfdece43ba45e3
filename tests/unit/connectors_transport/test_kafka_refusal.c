/* What is made of a message that a Kafka broker refuses for good. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>

#include "connectors/transport/kafka_output_int.h"

static const hg_str_t g_none = { NULL, 0 };

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        const char *words;
    } t[] = {
        { RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "refuses a message of 5000 bytes" },
        { RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, "Raise max.message.bytes of the topic" },
        { RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "is not there" },
        { RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "Create it" },
        { RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed" },
        { RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "refuses a message: " },
        { RD_KAFKA_RESP_ERR_UNKNOWN, "refuses a message: " },
        { RD_KAFKA_RESP_ERR_INVALID_RECORD, "A compacted topic needs keys" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++)
        for (int may_skip = 0; may_skip < 2; may_skip++) {
            hg_err_t err = HG_ERR_INIT;
            hg_kout_refusal(t[i].code, "orders", g_none, 5000, may_skip, &err);
            assert_true(err.code != HG_OK && err.fatal && !err.retry);
            if (!strstr(err.msg, t[i].words) || !strstr(err.msg, "topic 'orders'"))
                fail_msg("'%s' does not say '%s'", err.msg, t[i].words);
        }
}

static void test_one_record(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    hg_kout_refusal(RD_KAFKA_RESP_ERR_INVALID_RECORD, "orders", HG_S("a\nb"), 10, true, &err);
    assert_true(err.code != HG_OK && !err.fatal && !err.retry);
    assert_non_null(strstr(err.msg, "the message with key 'a?b'"));
    assert_non_null(strstr(err.msg, "it is left out"));
    err = HG_ERR_INIT; /* a transaction is whole or not at all */
    hg_kout_refusal(RD_KAFKA_RESP_ERR_INVALID_RECORD, "orders", HG_S("k"), 10, false, &err);
    assert_true(err.fatal);
    assert_null(strstr(err.msg, "left out"));
}

static void test_a_long_key_shows_its_end(void **state)
{
    (void)state;
    char key[300];
    hg_err_t err = HG_ERR_INIT;
    memset(key, 'x', sizeof key);
    memcpy(key + sizeof key - 9, "{\"id\":7}", 8);
    key[sizeof key - 1] = '!';
    hg_kout_refusal(RD_KAFKA_RESP_ERR_INVALID_RECORD, "orders", (hg_str_t){ key, sizeof key }, 10, true, &err);
    assert_non_null(strstr(err.msg, "key '...xxx"));
    assert_non_null(strstr(err.msg, "xx{\"id\":7}!'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_one_record),
        cmocka_unit_test(test_a_long_key_shows_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
