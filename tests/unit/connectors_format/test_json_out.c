/* JSON output: envelopes, order, arrays, buffers, limits, Debezium messages. */
#include "tests/unit/connectors_format/kit.h"

static const col_spec_t two[] = { { .name = "part", .kind = HG_T_INTEGER },
                                  { .name = "=Name", .kind = HG_T_VARCHAR, .nullable = true } };

static void setup(kit_t *k, const char *cfg, bool messages, size_t max, const char *rows)
{
    kit_init(k, &hg_format_json, two, 2, NULL, 0);
    assert_int_equal(kit_parser(k, "{\"update_format\":\"raw\"}"), 0);
    assert_int_equal(kit_encoder(k, cfg, messages, max), 0);
    kit_parse(k, rows);
    assert_int_equal(k->n_errors, 0);
}

static void json_out_deletes_first_and_repeats_by_weight(void **state)
{
    (void)state;
    kit_t k;
    const int64_t w[] = { 1, -2, 2 };
    setup(&k, "{}", false, 0, "[1,\"a\"][2,null][3,\"\"]");
    assert_int_equal(kit_encode(&k, w), 0);
    assert_string_equal(k.bytes.p,
                        "{\"delete\":{\"part\":2,\"Name\":null}}\n{\"delete\":{\"part\":2,\"Name\":null}}\n{\"insert\":"
                        "{\"part\":1,\"Name\":\"a\"}}\n"
                        "{\"insert\":{\"part\":3,\"Name\":\"\"}}\n{\"insert\":{\"part\":3,\"Name\":\"\"}}\n");
    assert_int_equal(k.sink.records, 5);
    kit_free(&k);
}

static void json_out_arrays_and_buffers(void **state)
{
    (void)state;
    kit_t k;
    setup(&k, "{\"array\":true,\"buffer_size_records\":2}", false, 0, "[1,\"a\"][2,\"b\"][3,\"c\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(k.bytes.p, "[{\"insert\":{\"part\":1,\"Name\":\"a\"}},{\"insert\":{\"part\":2,\"Name\":\"b\"}}]"
                                   "[{\"insert\":{\"part\":3,\"Name\":\"c\"}}]\n");
    kit_free(&k);
    setup(&k, "{\"buffer_size_records\":2}", true, 0, "[1,\"a\"][2,\"b\"][3,\"c\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(k.messages.p, "2<|{\"insert\":{\"part\":1,\"Name\":\"a\"}}\n{\"insert\":{\"part\":2,\"Name\":"
                                      "\"b\"}}\n>1<|{\"insert\":{\"part\":3,\"Name\":\"c\"}}\n>");
    kit_free(&k);
    /* 80 bytes: two records do not fit */
    setup(&k, "{\"array\":true}", true, 60, "[1,\"a\"][2,\"b\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(
        k.messages.p, "1<|[{\"insert\":{\"part\":1,\"Name\":\"a\"}}]>1<|[{\"insert\":{\"part\":2,\"Name\":\"b\"}}]\n>");
    assert_int_equal(k.sink.records, 2);
    kit_free(&k);
}

/* What cannot be written costs its own record, and tells of the first one. */
static void json_out_leaves_out_one_record(void **state)
{
    (void)state;
    kit_t k;
    setup(&k, "{\"array\":true}", true, 60, "[1,\"a\"][2,\"012345678901234567890123456789\"][3,\"b\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(
        k.messages.p, "1<|[{\"insert\":{\"part\":1,\"Name\":\"a\"}}]>1<|[{\"insert\":{\"part\":3,\"Name\":\"b\"}}]\n>");
    assert_int_equal(k.sink.records, 2);
    assert_int_equal(k.sink.left_out, 1);
    kit_free(&k);
    setup(&k, "{\"update_format\":\"debezium\",\"json_flavor\":\"default\",\"key_fields\":[\"part\"]}", true, 80,
          "[1,\"a\"][2,\"012345678901234567890123456789\"][3,\"b\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(
        k.messages.p,
        "1<{\"payload\":{\"part\":1}}|{\"payload\":{\"op\":\"c\",\"after\":{\"part\":1,\"Name\":\"a\"}}}\n>"
        "1<{\"payload\":{\"part\":3}}|{\"payload\":{\"op\":\"c\",\"after\":{\"part\":3,\"Name\":\"b\"}}}\n>");
    assert_int_equal(k.sink.left_out, 1);
    kit_free(&k);
    setup(&k, "{}", true, 40, "[1,\"a\"][2,\"0123456789012345\"][3,\"01234567890123456\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(k.messages.p, "1<|{\"insert\":{\"part\":1,\"Name\":\"a\"}}\n>");
    assert_int_equal(k.sink.left_out, 2);
    assert_string_equal(
        k.sink.why.msg,
        "JSON record exceeds maximum buffer size supported by the output transport: 48 bytes, at most 40");
    kit_free(&k);
}

static void json_out_refuses_absurd_weights(void **state)
{
    (void)state;
    kit_t k;
    const int64_t w[] = { 1000001, 1 };
    setup(&k, "{}", false, 0, "[1,\"a\"][2,\"b\"]");
    assert_int_equal(kit_encode(&k, w), 0);
    assert_string_equal(k.bytes.p, "{\"insert\":{\"part\":2,\"Name\":\"b\"}}\n");
    assert_int_equal(k.sink.left_out, 1);
    assert_non_null(strstr(k.sink.why.msg, "SELECT DISTINCT"));
    kit_free(&k);
}

static void json_out_debezium_messages(void **state)
{
    (void)state;
    kit_t k;
    const int64_t w[] = { 1, -1 };
    setup(&k, "{\"update_format\":\"debezium\",\"json_flavor\":\"default\",\"key_fields\":[\"part\"]}", true, 0,
          "[1,\"a\"][2,null]");
    assert_int_equal(kit_encode(&k, w), 0);
    assert_string_equal(
        k.messages.p,
        "1<{\"payload\":{\"part\":2}}|{\"payload\":{\"op\":\"d\",\"before\":{\"part\":2,\"Name\":null}}}\n>"
        "1<{\"payload\":{\"part\":1}}|{\"payload\":{\"op\":\"c\",\"after\":{\"part\":1,\"Name\":\"a\"}}}\n>");
    kit_free(&k);
    setup(&k, "{\"update_format\":\"debezium\",\"key_fields\":[\"part\"]}", true, 0, "[1,\"a\"]");
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(k.messages.p,
                        "1<{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"part\",\"type\":\"int32\","
                        "\"optional\":false}],\"optional\":false},\"payload\":{\"part\":1}}|"
                        "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"after\",\"type\":\"struct\","
                        "\"fields\":[{\"field\":\"part\",\"type\":\"int32\",\"optional\":false},"
                        "{\"field\":\"Name\",\"type\":\"string\",\"optional\":true}],\"optional\":true},{\"field\":"
                        "\"op\",\"type\":\"string\",\"optional\":false}],\"name\":\"Envelope\"},"
                        "\"payload\":{\"op\":\"c\",\"after\":{\"part\":1,\"Name\":\"a\"}}}\n>");
    kit_free(&k);
}

/* The key: strings as they are, the rest as JSON without quotes; the value: the row; a delete has none. */
static void json_out_by_key(void **state)
{
    static const col_spec_t cols[] = { { .name = "s", .kind = HG_T_VARCHAR, .nullable = true },
                                       { .name = "i", .kind = HG_T_BIGINT, .nullable = true },
                                       { .name = "b", .kind = HG_T_BOOLEAN },
                                       { .name = "d", .kind = HG_T_DATE },
                                       { .name = "t", .kind = HG_T_TIME },
                                       { .name = "ts", .kind = HG_T_TIMESTAMP },
                                       { .name = "tz", .kind = HG_T_TIMESTAMP_TZ },
                                       { .name = "n", .kind = HG_T_DECIMAL, .p = 10, .s = 2 },
                                       { .name = "u", .kind = HG_T_UUID },
                                       { .name = "x", .kind = HG_T_VARBINARY },
                                       { .name = "f", .kind = HG_T_DOUBLE } };
    static const char row[] = "[\"a\\\"b\",-5,true,\"2024-02-29\",\"01:02:03.5\",\"2024-02-29 01:02:03\","
                              "\"2024-02-29T01:02:03Z\",1.50,\"123e4567-e89b-12d3-a456-426614174000\",[1,255],0.1]";
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, cols, HG_COUNT(cols), NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    k.separator = "::";
    assert_int_equal(kit_encoder(&k,
                                 "{\"update_format\":\"debezium\",\"key_fields\":[\"u\",\"s\",\"i\",\"b\",\"d\","
                                 "\"t\",\"ts\",\"tz\",\"n\",\"x\",\"f\"]}",
                                 true, 0),
                     0);
    kit_parse(&k, row);
    assert_int_equal(kit_encode(&k, NULL), 0);
    assert_string_equal(k.messages.p,
                        "1<123e4567-e89b-12d3-a456-426614174000::a\"b::-5::true::2024-02-29::01:02:03.500::2024-02-29 "
                        "01:02:03::2024-02-29 01:02:03+00:00::1.5::[1,255]::0.1|{\"s\":\"a\\\"b\",\"i\":-5,\"b\":true,"
                        "\"d\":\"2024-02-29\",\"t\":\"01:02:03.500\",\"ts\":\"2024-02-29 01:02:03\",\"tz\":"
                        "\"2024-02-29 01:02:03+00:00\",\"n\":1.5,\"u\":\"123e4567-e89b-12d3-a456-426614174000\","
                        "\"x\":[1,255],\"f\":0.1}\n>");
    kit_free(&k);
    const int64_t w[] = { 1, -1 };
    kit_init(&k, &hg_format_json, cols, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    k.separator = ":";
    assert_int_equal(kit_encoder(&k, "{\"key_fields\":[\"s\",\"i\"]}", true, 0), 0);
    kit_parse(&k, "[null,1][\"\",null]");
    assert_int_equal(kit_encode(&k, w), 0);
    assert_string_equal(k.messages.p, "1<:null|>1<null:1|{\"s\":null,\"i\":1}\n>");
    kit_free(&k);
}

static void json_out_snowflake(void **state)
{
    (void)state;
    kit_t k;
    char part[3][128];
    const int64_t w[] = { 1, -1 };
    setup(&k, "{\"update_format\":\"snowflake\"}", true, 0, "[1,\"a\"][2,\"b\"]");
    assert_int_equal(kit_encode(&k, w), 0);
    unsigned long long id[2];
    assert_int_equal(
        sscanf(k.messages.p,
               "1<|{\"part\":2,\"Name\":\"b\",\"__action\":\"delete\",\"__stream_id\":%llu,\"__seq_number\":0}\n>1<|{"
               "\"part\":1,\"Name\":\"a\",\"__action\":\"insert\",\"__stream_id\":%llu,%127s",
               &id[0], &id[1], part[0]),
        3);
    assert_true(id[0] == id[1] && id[0] >> 63 == 0);
    assert_string_equal(part[0], "\"__seq_number\":1}");
    kit_free(&k);
}

static void json_out_checks_its_config(void **state)
{
    (void)state;
    static const struct {
        const char *cfg, *msg;
        bool messages;
    } cases[] = {
        { "{\"update_format\":\"raw\"}", "'raw' update format is not supported for output JSON streams", true },
        { "{\"update_format\":\"weighted\"}", "'weighted' update format is not supported for output JSON streams",
          true },
        { "{\"update_format\":\"redis\"}", "'redis' update format is not supported for output JSON streams", true },
        { "{\"update_format\":\"debezium\"}",
          "this output transport does not support key-value pairs, which the update format 'debezium' needs", false },
        { "{\"key_fields\":[\"part\"]}", "'key_fields' is only for the update formats 'debezium' and 'redis'", true },
        { "{\"update_format\":\"debezium\",\"key_fields\":[\"nope\"]}",
          "'key_fields' names column 'nope', which 't' does not have", true },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        kit_t k;
        kit_init(&k, &hg_format_json, two, 2, NULL, 0);
        assert_int_equal(kit_encoder(&k, cases[i].cfg, cases[i].messages, 0), HG_EINVALENCODER);
        assert_string_equal(k.err.msg, cases[i].msg);
        kit_free(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_out_deletes_first_and_repeats_by_weight),
        cmocka_unit_test(json_out_arrays_and_buffers),
        cmocka_unit_test(json_out_leaves_out_one_record),
        cmocka_unit_test(json_out_refuses_absurd_weights),
        cmocka_unit_test(json_out_debezium_messages),
        cmocka_unit_test(json_out_by_key),
        cmocka_unit_test(json_out_snowflake),
        cmocka_unit_test(json_out_checks_its_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
