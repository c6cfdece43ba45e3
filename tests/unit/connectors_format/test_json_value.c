/* JSON values: every type in every flavor, in and out, byte by byte. */
#include "tests/unit/connectors_format/kit.h"

typedef struct value_case {
    const char *flavor, *in; /* the value as the flavor spells it */
    const char *out;         /* the same in the flavor's output; NULL = as in */
} value_case_t;

/* One column v; the value goes in as {"v":<in>} and must come out as {"insert":{"v":<out>}}. */
static void round_trip(const col_spec_t *col, const value_case_t *c)
{
    kit_t k;
    char cfg[128], text[2048], want[2048];
    kit_init(&k, &hg_format_json, col, 1, NULL, 0);
    snprintf(cfg, sizeof cfg, "{\"update_format\":\"raw\",\"json_flavor\":\"%s\"}", c->flavor);
    assert_int_equal(kit_parser(&k, cfg), 0);
    snprintf(cfg, sizeof cfg, "{\"json_flavor\":\"%s\"}", c->flavor);
    assert_int_equal(kit_encoder(&k, cfg, false, 0), 0);
    snprintf(text, sizeof text, "{\"v\":%s}", c->in);
    kit_parse(&k, text);
    hg_buf_adds(&k.errors, "");
    assert_string_equal(k.errors.p, "");
    assert_int_equal(kit_encode(&k, NULL), 0);
    snprintf(want, sizeof want, "{\"insert\":{\"v\":%s}}\n", c->out ? c->out : c->in);
    assert_string_equal(k.bytes.p, want);
    kit_free(&k);
}

static void refused(const col_spec_t *col, const char *flavor, const char *in, const char *part)
{
    kit_t k;
    char cfg[128], text[512];
    kit_init(&k, &hg_format_json, col, 1, NULL, 0);
    snprintf(cfg, sizeof cfg, "{\"update_format\":\"raw\",\"json_flavor\":\"%s\"}", flavor);
    assert_int_equal(kit_parser(&k, cfg), 0);
    snprintf(text, sizeof text, "{\"v\":%s}", in);
    kit_parse(&k, text);
    if (k.n_errors != 1 || !strstr(k.errors.p, part))
        fail_msg("%s: wanted an error with '%s', have '%s'", text, part, k.errors.len ? k.errors.p : "none");
    assert_int_equal(k.out.changes.len, 0);
    kit_free(&k);
}

#define ROUND(k, pr, sc, ...)                                                                                          \
    do {                                                                                                               \
        const col_spec_t col = { .name = "v", .kind = k, .nullable = true, .p = pr, .s = sc };                         \
        const value_case_t cases[] = { __VA_ARGS__ };                                                                  \
        for (size_t i = 0; i < HG_COUNT(cases); i++) round_trip(&col, &cases[i]);                                      \
        const value_case_t null = { "default", "null", NULL };                                                         \
        round_trip(&col, &null);                                                                                       \
    } while (0)

#define D "default"

static void json_integers_keep_every_digit(void **state)
{
    (void)state;
    ROUND(HG_T_TINYINT, 0, 0, { D, "-128", NULL }, { D, "127", NULL });
    ROUND(HG_T_SMALLINT, 0, 0, { D, "-32768", NULL }, { D, "32767", NULL });
    ROUND(HG_T_INTEGER, 0, 0, { D, "-2147483648", NULL }, { D, "2147483647", NULL });
    ROUND(HG_T_BIGINT, 0, 0, { D, "-9223372036854775808", NULL }, { D, "9223372036854775807", NULL }, { D, "-0", "0" });
    ROUND(HG_T_UTINYINT, 0, 0, { D, "0", NULL }, { D, "255", NULL });
    ROUND(HG_T_USMALLINT, 0, 0, { D, "65535", NULL });
    ROUND(HG_T_UINTEGER, 0, 0, { D, "4294967295", NULL });
    ROUND(HG_T_UBIGINT, 0, 0, { D, "9223372036854775808", NULL }, { D, "18446744073709551615", NULL },
          { "kafka_connect_json_converter", "\"18446744073709551615\"", NULL },
          { "kafka_connect_json_converter", "5", "\"5\"" });
    const col_spec_t u8 = { .name = "v", .kind = HG_T_UBIGINT };
    refused(&u8, "kafka_connect_json_converter", "\"18446744073709551616\"", "not a value of type BIGINT UNSIGNED");
    refused(&u8, "kafka_connect_json_converter", "\"-1\"", "not a value of type BIGINT UNSIGNED");
    static const struct {
        hg_kind_t kind;
        const char *in;
    } bad[] = { { HG_T_TINYINT, "128" },
                { HG_T_TINYINT, "-129" },
                { HG_T_SMALLINT, "32768" },
                { HG_T_INTEGER, "-2147483649" },
                { HG_T_BIGINT, "9223372036854775808" },
                { HG_T_BIGINT, "-9223372036854775809" },
                { HG_T_UBIGINT, "18446744073709551616" },
                { HG_T_UBIGINT, "-1" },
                { HG_T_UTINYINT, "256" },
                { HG_T_BIGINT, "184467440737095516150" },
                { HG_T_BIGINT, "1.0" },
                { HG_T_BIGINT, "1e3" },
                { HG_T_BIGINT, "\"1\"" },
                { HG_T_BIGINT, "true" },
                { HG_T_BIGINT, "[1]" } };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        const col_spec_t col = { .name = "v", .kind = bad[i].kind };
        refused(&col, D, bad[i].in, "invalid ");
    }
    const col_spec_t col = { .name = "v", .kind = HG_T_BIGINT };
    refused(&col, D, "01", "must not begin with 0");
    refused(&col, D, "-", "expected a digit");
    refused(&col, D, "+1", "expected a value");
}

static void json_decimals_keep_every_digit(void **state)
{
    (void)state;
    ROUND(HG_T_DECIMAL, 38, 0, { D, "99999999999999999999999999999999999999", NULL },
          { D, "-12345678901234567890123456789012345678", NULL },
          { "snowflake", "99999999999999999999999999999999999999", "\"99999999999999999999999999999999999999\"" });
    ROUND(HG_T_DECIMAL, 38, 10, { D, "1234567890123456789012345678.0123456789", NULL }, { D, "\"1.50\"", "1.5" },
          { D, "2.00", "2" }, { D, "1e3", "1000" }, { D, "-1.25E-2", "-0.0125" },
          { D, "0.00000000019", "0.0000000001" }, { D, "-0.00000000019", "-0.0000000001" });
    ROUND(HG_T_DECIMAL, 10, 2, { "debezium_mysql", "\"12.30\"", "\"12.3\"" }, { "debezium_postgres", "1.5", "\"1.5\"" },
          { "kafka_connect_json_converter", "1.5", "\"1.5\"" }, { "pandas", "1.5", "\"1.5\"" },
          { "postgres", "1.5", "\"1.5\"" }, { "blockchain", "1.5", NULL }, { "c_hex", "1.5", NULL },
          { "ClockInput", "1.5", NULL }, { "datagen", "1.5", NULL });
    const col_spec_t col = { .name = "v", .kind = HG_T_DECIMAL, .p = 5, .s = 2 };
    refused(&col, D, "1000", "decimal number 1000 is outside the value range");
    refused(&col, D, "1e99999999999999999999", "outside the value range");
    refused(&col, D, "\"12x\"", "not a value of type DECIMAL(5, 2)");
    refused(&col, D, "\"\"", "not a value");
    refused(&col, D, "true", "invalid type: boolean `true`");
}

static void json_floats_read_back_the_same(void **state)
{
    (void)state;
    ROUND(HG_T_DOUBLE, 0, 0, { D, "0.1", NULL }, { D, "12.34", NULL }, { D, "1", "1.0" }, { D, "\"2.5\"", "2.5" },
          { D, "1e16", "1e16" }, { D, "123456789012345680000", "1.2345678901234568e20" }, { D, "5e-324", NULL },
          { D, "1.7976931348623157e308", NULL }, { D, "-0.0", NULL }, { D, "0.30000000000000004", NULL },
          { D, "9007199254740993", "9007199254740992.0" }, { D, "1e-400", "0.0" });
    ROUND(HG_T_REAL, 0, 0, { D, "0.1", NULL }, { D, "16777217", "16777216.0" }, { D, "3.4028235e38", NULL },
          { D, "\"1.5\"", "1.5" }, { D, "1e-45", NULL });
    const col_spec_t d = { .name = "v", .kind = HG_T_DOUBLE }, r = { .name = "v", .kind = HG_T_REAL };
    refused(&d, D, "1e400", "outside the range");
    refused(&d, D, "\"NaN\"", "outside the range");
    refused(&d, D, "\"x\"", "not a value");
    refused(&d, D, "NaN", "expected a value");
    refused(&d, D, "1.", "expected a digit after");
    refused(&d, D, "1e", "expected a digit in the exponent");
    refused(&r, D, "1e39", "outside the range");
    refused(&r, D, "null", "invalid type: null");
}

static void json_times_in_every_flavor(void **state)
{
    (void)state;
    ROUND(HG_T_TIME, 9, 0, { D, "\"23:59:59.999999999\"", NULL }, { D, "\" 1:2:3.5 \"", "\"01:02:03.500\"" },
          { D, "\"00:00:00\"", NULL }, { "debezium_mysql", "86399999999", NULL }, { "debezium_postgres", "1", NULL },
          { "kafka_connect_json_converter", "86399999", NULL }, { "snowflake", "\"01:02:03.000001\"", NULL },
          { "pandas", "\"01:02:03\"", NULL });
    ROUND(HG_T_DATE, 0, 0, { D, "\"2024-02-29\"", NULL }, { D, "\" 1-2-3\"", "\"0001-02-03\"" },
          { "debezium_mysql", "-719162", NULL }, { "debezium_postgres", "2932896", NULL },
          { "kafka_connect_json_converter", "0", NULL }, { "snowflake", "\"1969-12-31\"", NULL },
          { "pandas", "\"9999-12-31\"", NULL });
    ROUND(HG_T_TIMESTAMP, 6, 0, { D, "\"2024-01-02 03:04:05.123456\"", NULL },
          { D, "\"2024-01-02T03:04:05.1234569Z\"", "\"2024-01-02 03:04:05.123456\"" },
          { D, "\"2024-01-02t03:04:05+01:30\"", "\"2024-01-02 01:34:05\"" },
          { D, "\"1969-12-31 23:59:59.5\"", "\"1969-12-31 23:59:59.500\"" },
          { "debezium_mysql", "\"2024-01-02T03:04:05Z\"", NULL }, { "debezium_postgres", "1704164645123", NULL },
          { "snowflake", "\"2024-01-02T03:04:05.120+00:00\"", NULL }, { "kafka_connect_json_converter", "-1", NULL },
          { "pandas", "1704164645123", NULL }, { "ClockInput", "1704164645000", NULL },
          { "datagen", "\"2024-01-02T03:04:05+00:00\"", NULL }, { "postgres", "\"2024-01-02 03:04:05\"", NULL },
          { "blockchain", "\"2024-01-02 03:04:05\"", NULL }, { "c_hex", "\"2024-01-02 03:04:05\"", NULL });
    ROUND(HG_T_TIMESTAMP_TZ, 6, 0, { D, "\"2024-01-02 03:04:05+02:00\"", "\"2024-01-02 01:04:05+00:00\"" },
          { "debezium_postgres", "5", NULL });
    const col_spec_t time = { .name = "v", .kind = HG_T_TIME }, date = { .name = "v", .kind = HG_T_DATE },
                     ts = { .name = "v", .kind = HG_T_TIMESTAMP }, tz = { .name = "v", .kind = HG_T_TIMESTAMP_TZ };
    refused(&time, D, "\"24:00:00\"", "outside the range");
    refused(&time, D, "\"1:2\"", "not a value");
    refused(&time, D, "5", "invalid type");
    refused(&time, "debezium_mysql", "86400000000", "outside the range");
    refused(&time, "kafka_connect_json_converter", "-1", "outside the range");
    refused(&date, D, "\"2023-02-29\"", "outside the range");
    refused(&date, "debezium_mysql", "2932897", "outside the range");
    refused(&date, "debezium_mysql", "\"2023-01-01\"", "invalid type");
    refused(&ts, D, "\"2024-1-02 03:04:05\"", "not a value");
    refused(&ts, D, "\"2024-01-02/03:04:05\"", "not a value");
    refused(&ts, D, "\"2024-01-02 03:04:05 x\"", "not a value");
    refused(&ts, D, "\"2024-01-02\"", "not a value");
    refused(&ts, "pandas", "9223372036854775807", "outside the range");
    refused(&tz, D, "\"2024-01-02 03:04:05\"", "lacks the offset");
}

static void json_bytes_uuid_text_and_booleans(void **state)
{
    (void)state;
    ROUND(HG_T_VARBINARY, -1, 0, { D, "[0,255, 16]", "[0,255,16]" }, { D, "[]", NULL }, { "snowflake", "[1]", NULL },
          { "blockchain", "\"StV1DL6CwTryKyV\"", NULL }, { "blockchain", "\"11\"", NULL },
          { "blockchain", "\"\"", NULL }, { "c_hex", "\"0x00ffA0\"", "\"0x00ffa0\"" },
          { "c_hex", "\"beef\"", "\"0xbeef\"" }, { "postgres", "\"\\\\x0aff\"", NULL });
    ROUND(HG_T_UUID, 0, 0, { D, "\"67e55044-10b1-426f-9247-bb680e5fe0c8\"", NULL },
          { D, "\"{67E5504410B1426F9247BB680E5FE0C8}\"", "\"67e55044-10b1-426f-9247-bb680e5fe0c8\"" },
          { D, "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]", "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"" });
    ROUND(HG_T_VARCHAR, -1, 0, { D, "\"\"", NULL }, { D, "\"a\\u0000b\"", NULL },
          { D, "\"q\\\"\\\\\\n\\u001f\"", NULL }, { D, "\"é€😀\"", NULL });
    ROUND(HG_T_CHAR, 3, 0, { D, "\"ab \"", NULL });
    ROUND(HG_T_BOOLEAN, 0, 0, { D, "true", NULL }, { D, "false", NULL });
    const col_spec_t bin = { .name = "v", .kind = HG_T_VARBINARY }, uuid = { .name = "v", .kind = HG_T_UUID },
                     text = { .name = "v", .kind = HG_T_VARCHAR }, b = { .name = "v", .kind = HG_T_BOOLEAN };
    refused(&bin, D, "[256]", "expected a byte");
    refused(&bin, D, "[-1]", "expected a byte");
    refused(&bin, D, "\"00\"", "an array of bytes");
    refused(&bin, D, "[1 2]", "expected ',' or ']'");
    refused(&bin, "c_hex", "\"0x0\"", "not a value");
    refused(&bin, "c_hex", "\"0xzz\"", "not a value");
    refused(&bin, "blockchain", "\"0OIl\"", "not a value");
    refused(&uuid, D, "\"67e55044-10b1-426f-9247-bb680e5fe0c\"", "not a value");
    refused(&uuid, D, "[1]", "expected 16 bytes");
    refused(&text, D, "1", "invalid type: integer `1`, expected VARCHAR");
    refused(&text, D, "{}", "invalid type: map");
    refused(&b, D, "\"true\"", "invalid type: string \"true\", expected a boolean");
    refused(&b, D, "tru", "expected a value");
}

static void json_nested_values(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    const hg_type_t *i = hg_type_make(a, HG_T_INTEGER, true, -1, 0), *s = hg_type_make(a, HG_T_VARCHAR, false, -1, 0);
    hg_type_t *map = HG_ANEW(a, hg_type_t), *row = HG_ANEW(a, hg_type_t);
    const hg_field_t f[] = { { .name = HG_S("x"), .type = i }, { .name = HG_S("y"), .type = s } };
    *map = (hg_type_t){ .kind = HG_T_MAP,
                        .nullable = true,
                        .precision = -1,
                        .key = hg_type_make(a, HG_T_BIGINT, false, -1, 0),
                        .elem = i };
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 2 };
    const col_spec_t arr = { .name = "v", .type = hg_type_array(a, i, true) },
                     deep = { .name = "v", .type = hg_type_array(a, hg_type_array(a, row, true), true) };
    const col_spec_t mc = { .name = "v", .type = map }, rc = { .name = "v", .type = row },
                     vc = { .name = "v", .kind = HG_T_VARIANT, .nullable = true };
    const value_case_t ac[] = { { D, "[1,null,-3]", NULL }, { D, "[ ]", "[]" }, { D, "null", NULL } };
    for (size_t k = 0; k < HG_COUNT(ac); k++) round_trip(&arr, &ac[k]);
    const value_case_t dc = { D, "[[{\"y\":\"a\"},null],null,[]]", "[[{\"x\":null,\"y\":\"a\"},null],null,[]]" };
    round_trip(&deep, &dc);
    const value_case_t mcs = { D, "{\"1\" : 2, \"-3\":null,\"1\":3}", "{\"-3\":null,\"1\":3}" };
    round_trip(&mc, &mcs);
    const value_case_t rcs[] = { { D, "{\"Y\":\"b\",\"x\":1}", "{\"x\":1,\"y\":\"b\"}" },
                                 { D, "[5,\"c\"]", "{\"x\":5,\"y\":\"c\"}" },
                                 { D, "null", NULL } };
    for (size_t k = 0; k < HG_COUNT(rcs); k++) round_trip(&rc, &rcs[k]);
    const value_case_t vcs[] = { { D, "{\"a\" : [1, 18446744073709551616 ,\"x\\u0041\"], \"b\":{}}",
                                   "{\"a\":[1,18446744073709551616,\"xA\"],\"b\":{}}" },
                                 { "snowflake", "\"{\\\"a\\\": 1}\"", "\"{\\\"a\\\":1}\"" },
                                 { D, "\"s\"", NULL },
                                 { D, "[]", NULL } };
    for (size_t k = 0; k < HG_COUNT(vcs); k++) round_trip(&vc, &vcs[k]);
    refused(&arr, D, "[1,\"x\"]", "invalid type: string \"x\", expected INTEGER");
    refused(&arr, D, "{}", "expected an array");
    refused(&arr, D, "[1}", "expected ',' or ']'");
    refused(&mc, D, "{\"x\":1}", "invalid map key: 'x' is not a value of type BIGINT");
    refused(&mc, D, "[]", "expected a map");
    refused(&rc, D, "{\"x\":1}", "missing field `y`");
    refused(&rc, D, "[1]", "invalid length 1, expected 2 columns");
    refused(&rc, D, "3", "expected a map or an array");
    refused(&vc, "snowflake", "\"{\"", "not a value of type VARIANT");
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_integers_keep_every_digit),    cmocka_unit_test(json_decimals_keep_every_digit),
        cmocka_unit_test(json_floats_read_back_the_same),    cmocka_unit_test(json_times_in_every_flavor),
        cmocka_unit_test(json_bytes_uuid_text_and_booleans), cmocka_unit_test(json_nested_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
