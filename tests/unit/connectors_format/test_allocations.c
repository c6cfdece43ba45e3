/* Nothing is allocated per record: every format, update format and flavor parses and encodes rows of all scalar types,
 * a VARIANT and a MAP whose members are out of order; what is allocated may only grow as buffers double. */
#include "tests/unit/connectors_format/kit.h"

#define ROWS 100000
#define LIMIT                                                                                                          \
    400 /* the buffers of 16 columns and their children double from nothing, two or three of them per column */

static const hg_type_t t_text = { .kind = HG_T_VARCHAR, .precision = -1 };
static const hg_type_t variant = { .kind = HG_T_VARIANT, .nullable = true, .precision = -1 };
static const hg_type_t map = { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &t_text, .elem = &variant };

static const col_spec_t cols[] = {
    { .name = "id", .kind = HG_T_UBIGINT },
    { .name = "i", .kind = HG_T_INTEGER, .nullable = true },
    { .name = "d", .kind = HG_T_DECIMAL, .p = 38, .s = 10, .nullable = true },
    { .name = "f", .kind = HG_T_DOUBLE, .nullable = true },
    { .name = "r", .kind = HG_T_REAL, .nullable = true },
    { .name = "b", .kind = HG_T_BOOLEAN, .nullable = true },
    { .name = "s", .kind = HG_T_VARCHAR, .nullable = true },
    { .name = "c", .kind = HG_T_CHAR, .p = 5, .nullable = true },
    { .name = "bin", .kind = HG_T_VARBINARY, .nullable = true },
    { .name = "dt", .kind = HG_T_DATE, .nullable = true },
    { .name = "tm", .kind = HG_T_TIME, .nullable = true },
    { .name = "ts", .kind = HG_T_TIMESTAMP, .nullable = true },
    { .name = "tz", .kind = HG_T_TIMESTAMP_TZ, .nullable = true },
    { .name = "u", .kind = HG_T_UUID, .nullable = true },
    { .name = "v", .kind = HG_T_VARIANT, .nullable = true },
    { .name = "m", .type = &map, .nullable = true },
};

/* A record is one of these around its number. */
#define JSON_TAIL                                                                                                      \
    ",\"i\":-7,\"d\":\"12345678901234567890.0123456789\",\"f\":1.5e3,\"r\":0.1,\"b\":true,\"s\":\"x\\u00e9 "           \
    "\\\"q\\\"\",\"c\":\"abc\",\"bin\":[1,255],\"dt\":\"2024-02-29\",\"tm\":\"23:59:59.999999999\",\"ts\":\""          \
    "2024-02-29 "                                                                                                      \
    "01:02:03.5\",\"tz\":\"2024-02-29T01:02:03+02:00\",\"u\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\",\"v\":{\"y\":["  \
    "2.0],\"x\":\"\\u00e9\"},\"m\":{\"b\":{\"z\":1.50,"                                                                \
    "\"a\":1},\"a\":null,\"b\":[true]}}"
#define CSV_TAIL                                                                                                       \
    ",-7,12345678901234567890.0123456789,1.5e3,0.1,true,\"x \"\"q\"\"\",abc,\"[1,255]\",2024-02-29,23:59:59.5,"        \
    "2024-02-29 "                                                                                                      \
    "01:02:03,2024-02-29T01:02:03Z,67e55044-10b1-426f-9247-bb680e5fe0c8,\"{\"\"y\"\":[2.0],\"\"x\"\":1}\",\"{"         \
    "\"\"b\"\":1.50,\"\"a\"\":{}}\"\n"

static const struct {
    const hg_format_type_t *format;
    const char *cfg, *head, *tail;
} inputs[] = {
    { &hg_format_json, "{}", "{\"insert\":{\"id\":", JSON_TAIL "}\n" },
    { &hg_format_json, "{\"lines\":\"single\"}", "{\"delete\":{\"id\":", JSON_TAIL "}\n" },
    { &hg_format_json, "{\"update_format\":\"raw\"}", "{\"id\":", JSON_TAIL "\n" },
    { &hg_format_json, "{\"update_format\":\"raw\",\"array\":true}", "[{\"id\":", JSON_TAIL "]\n" },
    { &hg_format_json, "{\"update_format\":\"debezium\"}",
      "{\"payload\":{\"op\":\"c\",\"before\":null,\"after\":{\"id\":", JSON_TAIL "}}\n" },
    { &hg_format_csv, "{}", "", CSV_TAIL },
    { &hg_format_csv, "{\"trim\":\"all\",\"comment\":\"#\"}", " ", CSV_TAIL },
};

static const struct {
    const hg_format_type_t *format;
    const char *cfg;
    bool messages;
} outputs[] = {
    { &hg_format_json, "{}", false },
    { &hg_format_json, "{\"array\":true}", false },
    { &hg_format_json, "{\"json_flavor\":\"blockchain\"}", false },
    { &hg_format_json, "{\"json_flavor\":\"c_hex\"}", false },
    { &hg_format_json, "{\"json_flavor\":\"debezium_mysql\"}", false },
    { &hg_format_json, "{\"json_flavor\":\"debezium_postgres\"}", false },
    { &hg_format_json, "{\"json_flavor\":\"pandas\"}", false },
    { &hg_format_json, "{\"update_format\":\"snowflake\"}", false },
    { &hg_format_json, "{\"update_format\":\"debezium\",\"key_fields\":[\"id\",\"s\"]}", true },
    { &hg_format_csv, "{}", false },
};

static int drop_message(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    (void)n, (void)err;
    hg_buf_clear(s->key);
    hg_buf_clear(s->buf);
    return 0;
}

/* Leaves the rows in the kit. */
static uint64_t parse_rows(kit_t *k, const char *head, const char *tail)
{
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (int i = 0; i < ROWS; i++) hg_buf_addf(&text, "%s%d%s", head, i, tail);
    hg_buf_reserve(&text, 64);
    uint64_t before = hg_mem_allocs();
    assert_int_equal(k->f->parse(k->parser, k->scratch, text.p, text.len, true, &k->out, &k->err), 0);
    uint64_t used = hg_mem_allocs() - before;
    assert_string_equal(k->n_errors ? k->errors.p : "", "");
    assert_int_equal(k->out.changes.len, ROWS);
    hg_buf_release(&text);
    return used;
}

static void nothing_is_allocated_per_record_that_is_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(inputs); i++) {
        kit_t k;
        kit_init(&k, inputs[i].format, cols, HG_COUNT(cols), NULL, 0);
        assert_int_equal(kit_parser(&k, inputs[i].cfg), 0);
        uint64_t used = parse_rows(&k, inputs[i].head, inputs[i].tail);
        print_message("%s %s: %" PRIu64 " allocations for %d records\n", inputs[i].format->name, inputs[i].cfg, used,
                      ROWS);
        assert_true(used < LIMIT);
        kit_free(&k);
    }
}

static void nothing_is_allocated_per_record_that_is_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(outputs); i++) {
        kit_t k;
        kit_init(&k, outputs[i].format, cols, HG_COUNT(cols), NULL, 0);
        assert_int_equal(kit_parser(&k, "{}"), 0);
        assert_int_equal(kit_encoder(&k, outputs[i].cfg, outputs[i].messages, 1 << 20), 0);
        if (outputs[i].messages) k.sink.message = drop_message;
        parse_rows(&k, inputs[outputs[i].format == &hg_format_csv ? 5 : 0].head,
                   inputs[outputs[i].format == &hg_format_csv ? 5 : 0].tail);
        uint64_t before = hg_mem_allocs();
        assert_int_equal(kit_encode(&k, NULL), 0);
        uint64_t used = hg_mem_allocs() - before;
        assert_int_equal(k.sink.records, ROWS);
        print_message("%s %s: %" PRIu64 " allocations for %d records\n", outputs[i].format->name, outputs[i].cfg, used,
                      ROWS);
        assert_true(used < LIMIT);
        kit_free(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_allocated_per_record_that_is_parsed),
        cmocka_unit_test(nothing_is_allocated_per_record_that_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
