/* JSON input: update formats, column matching, bad records, cuts, allocations. */
#include "tests/unit/connectors_format/kit.h"

static const col_spec_t three[] = { { .name = "b", .kind = HG_T_BOOLEAN, .nullable = true },
                                    { .name = "s", .kind = HG_T_VARCHAR, .nullable = true },
                                    { .name = "n", .kind = HG_T_INTEGER } };
static const uint32_t key_n[] = { 2 };

static void json_raw_members_in_any_order(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    kit_expect(&k,
               "{\"b\":true,\"s\":\"x\",\"n\":1}\n"
               " { \"n\" : 2 , \"x\" : {\"y\":[1,{\"z\":\"}\"}]} , \"B\" : false, \"s\":null }{\"n\":3}\r\n\n"
               "{\"n\":4,\"n\":5,\"s\":\"a\",\"S\":\"b\"}[true,\"pos\",6][null,null,7,\"extra\"]\f",
               "+[true,\"x\",1]\n+[false,null,2]\n+[null,null,3]\n+[null,\"b\",5]\n+[true,\"pos\",6]\n+[null,null,7]\n",
               NULL);
    assert_int_equal(k.out.events, 6);
    kit_free(&k);
}

static void json_escapes_and_unicode(void **state)
{
    (void)state;
    kit_t k;
    const col_spec_t c[] = { { .name = "s", .kind = HG_T_VARCHAR } };
    kit_init(&k, &hg_format_json, c, 1, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    kit_expect(&k,
               "{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}{\"\\u0073\":\"\\u00e9\\u20AC\\ud83d\\ude00 "
               "é\"}{\"s\":\"0123456789abcdef0123456789ABCDEF\\u0041\"}",
               "+[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]\n+[\"é€😀 é\"]\n+[\"0123456789abcdef0123456789ABCDEFA\"]\n", NULL);
    kit_expect(&k,
               "{\"s\":\"\\ud800\"}{\"s\":\"\\ude00\"}{\"s\":\"\\ud800\\u0041\"}{\"s\":\"\\u12g4\"}{\"s\":\"\\x\"}{"
               "\"s\":\"a\tb\"}{\"s\":\"\xff\"}{\"s\":\"ok\"}",
               "+[\"ok\"]\n",
               "text_envelope_err #0 failed to parse string as a JSON document: lone leading surrogate in \\u escape "
               "at line 1 column 8 | {\"s\":\"\\ud800\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: lone trailing surrogate in \\u escape "
               "at line 1 column 8 | {\"s\":\"\\ude00\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: lone leading surrogate in \\u escape "
               "at line 1 column 8 | {\"s\":\"\\ud800\\u0041\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: invalid \\u escape: four hexadecimal "
               "digits expected at line 1 column 8 | {\"s\":\"\\u12g4\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: invalid escape in a string at line 1 "
               "column 8 | {\"s\":\"\\x\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: control character (\\u0009) found "
               "inside a string at line 1 column 8 | {\"s\":\"a\tb\"}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: invalid UTF-8 in a string at line 1 "
               "column 7 | {\"s\":\"\xff\"}\n");
    kit_free(&k);
}

static void json_bad_record_costs_no_neighbour(void **state)
{
    (void)state;
    for (int single = 0; single < 2; single++) {
        kit_t k;
        kit_init(&k, &hg_format_json, three, 3, NULL, 0);
        assert_int_equal(
            kit_parser(&k, single ? "{\"update_format\":\"raw\",\"lines\":\"single\"}" : "{\"update_format\":\"raw\"}"),
            0);
        kit_expect(&k,
                   "{\"n\":1}\n{\"b\":10,\"n\":2}\n{\"n\":3}\n{\"n\":}\n{\"n\":4}\n{\"n\":2147483648}\n5\n{}\n{\"n\":"
                   "null}\n[true]\n{\"n\":1.5}\n{\"n\":6}\n",
                   "+[null,null,1]\n+[null,null,3]\n+[null,null,4]\n+[null,null,6]\n",
                   "text_event_err #2 [b] failed to deserialize JSON record: error parsing field 'b': invalid type: "
                   "integer `10`, expected a boolean at line 1 column 6 | {\"b\":10,\"n\":2}\n"
                   "text_envelope_err #0 failed to parse string as a JSON document: expected a value, found '}' at "
                   "line 1 column 6 | {\"n\":}\n"
                   "text_event_err #5 [n] failed to deserialize JSON record: error parsing field 'n': invalid value: "
                   "integer `2147483648`, expected INTEGER at line 1 column 6 | {\"n\":2147483648}\n"
                   "text_event_err #6 failed to deserialize JSON record: invalid type: integer `5`, expected a map or "
                   "an array at line 1 column 1 | 5\n"
                   "text_event_err #7 failed to deserialize JSON record: missing field `n` at line 1 column 1 | {}\n"
                   "text_event_err #8 [n] failed to deserialize JSON record: error parsing field 'n': invalid type: "
                   "null, expected INTEGER at line 1 column 6 | {\"n\":null}\n"
                   "text_event_err #9 failed to deserialize JSON record: invalid length 1, expected 3 columns at line "
                   "1 column 1 | [true]\n"
                   "text_event_err #10 [n] failed to deserialize JSON record: error parsing field 'n': invalid type: "
                   "floating point `1.5`, expected INTEGER at line 1 column 6 | {\"n\":1.5}\n");
        kit_free(&k);
    }
}

static void json_single_lines_resync_at_the_newline(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\",\"lines\":\"single\"}"), 0);
    kit_expect(
        &k, "{\"n\":1\n{\"n\":2}\n{\"s\":\"open\n{\"n\":3}{\"n\":4}\n}}}\n{\"n\":5}",
        "+[null,null,2]\n+[null,null,3]\n+[null,null,4]\n+[null,null,5]\n",
        "text_envelope_err #0 failed to parse string as a JSON document: unexpected end of input at line 1 column 7 | "
        "{\"n\":1\n"
        "text_envelope_err #0 failed to parse string as a JSON document: unexpected end of input inside a string at "
        "line 1 "
        "column 11 | {\"s\":\"open\n"
        "text_envelope_err #0 failed to parse string as a JSON document: expected a value, found '}' at line 1 column "
        "1 | "
        "}}}\n");
    kit_free(&k);
}

static void json_truncated_and_deep(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    /* every prefix of a record is one error and no row */
    const char *rec = "{\"b\":true,\"s\":\"a\\u0041b\",\"n\":12,\"x\":[1,{\"y\":null}]}";
    for (size_t n = 1; n < strlen(rec); n++) {
        k.n_errors = 0;
        kit_parse_n(&k, rec, n, true);
        assert_int_equal(k.n_errors, 1);
        assert_int_equal(k.out.changes.len, 0);
    }
    kit_expect(&k, rec, "+[true,\"aAb\",12]\n", NULL);
    char deep[2048];
    for (unsigned d = 100; d <= 300; d += 100) {
        memset(deep, 0, sizeof deep);
        strncat(deep, "{\"n\":1,\"x\":", 100);
        for (unsigned i = 0; i < d; i++) strncat(deep, "[", 2);
        for (unsigned i = 0; i < d; i++) strncat(deep, "]", 2);
        strncat(deep, "}{\"n\":2}", 100);
        k.n_errors = 0;
        kit_parse(&k, deep);
        assert_int_equal(k.n_errors, d > 127);
        assert_int_equal(k.out.changes.len, d > 127 ? 1 : 2);
        hg_changeb_truncate(&k.out.changes, 0);
    }
    kit_free(&k);
}

static void json_quoted_columns_want_their_spelling(void **state)
{
    (void)state;
    kit_t k;
    const col_spec_t c[] = { { .name = "=fIeLd1", .kind = HG_T_BOOLEAN, .nullable = true },
                             { .name = "two", .kind = HG_T_INTEGER, .nullable = true } };
    kit_init(&k, &hg_format_json, c, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"raw\"}"), 0);
    kit_expect(&k, "{\"fIeLd1\":true,\"TWO\":2}{\"field1\":true}{\"\\u0066IeLd1\":false}{\"fIeLd1\": 10}",
               "+[true,2]\n+[false,null]\n",
               "text_event_err #2 [field1] failed to deserialize JSON record: error parsing field 'field1': incorrect "
               "case-sensitive field name: expected: fIeLd1, found: field1 at line 1 "
               "column 2 | {\"field1\":true}\n"
               "text_event_err #4 [fIeLd1] failed to deserialize JSON record: error parsing field 'fIeLd1': invalid "
               "type: integer `10`, expected a boolean at line 1 column 12 | {\"fIeLd1\": "
               "10}\n");
    kit_free(&k);
    const col_spec_t twins[] = { { .name = "=Id", .kind = HG_T_INTEGER }, { .name = "id", .kind = HG_T_INTEGER } };
    kit_init(&k, &hg_format_json, twins, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), HG_EINVALPARSER);
    assert_string_equal(k.err.msg, "columns 'Id' and 'id' differ only in case: JSON members cannot tell them apart");
    kit_free(&k);
}

static void json_defaults_fill_missing_members_only(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    hg_colb_t b;
    hg_colb_init(&b, k.schema.cols[1].type);
    hg_colb_var(&b, "dflt", 4);
    hg_col_t *d[3] = { NULL, hg_colb_seal(&b), NULL };
    hg_colb_release(&b);
    k.defaults = d;
    assert_int_equal(kit_parser(&k, "{}"), 0);
    kit_expect(&k, "{\"insert\":{\"n\":1}}{\"insert\":{\"n\":2,\"s\":null}}", "+[null,\"dflt\",1]\n+[null,null,2]\n",
               NULL);
    kit_free(&k);
    hg_col_drop(d[1]);
}

static void json_insert_delete_order_and_shape(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    kit_expect(&k,
               "{\"insert\":{\"n\":1}}{ \"delete\" : {\"n\":2} "
               "}{\"insert\":{\"n\":4},\"delete\":{\"n\":3},\"table\":\"t\"}{}{\"insert\":null}"
               "{\"insert\":[null,null,5]}",
               "+[null,null,1]\n-[null,null,2]\n-[null,null,3]\n+[null,null,4]\n+[null,null,5]\n", NULL);
    assert_int_equal(k.out.events, 6);
    assert_int_equal(k.out.bytes, 7 + 7 + 7 + 7 + 13);
    kit_expect(
        &k,
        "{\"upsert\":{}}7{\"update\":{\"n\":1}}{\"insert\":{\"n\":\"x\"},\"delete\":{\"n\":9}}{\"insert\":{\"n\":8}}",
        "-[null,null,9]\n+[null,null,8]\n",
        "text_event_err #7 error deserializing JSON string as a single-row update: unknown field `upsert`, expected "
        "one of `table`, `insert`, `delete`, `update` at line 1 column 11 | "
        "{\"upsert\":{}} | Example valid JSON: '{\"insert\": {...} }'\n"
        "text_event_err #8 error deserializing JSON string as a single-row update: invalid type: integer `7`, expected "
        "a map at line 1 column 1 | 7 | Example valid JSON: '{\"insert\": "
        "{...} }'\n"
        "text_event_err #9 failed to deserialize JSON record: update operation is not supported on this stream at line "
        "1 column 1 | {\"n\":1}\n"
        "text_event_err #10 [n] failed to deserialize JSON record: error parsing field 'n': invalid type: string "
        "\"x\", expected INTEGER at line 1 column 6 | {\"n\":\"x\"}\n");
    kit_free(&k);
}

static void json_keyed_table_deletes_by_key_and_updates_parts(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, key_n, 1);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    kit_expect(&k,
               "{\"insert\":{\"n\":1}}{\"delete\":{\"n\":2,\"b\":\"not "
               "read\"}}{\"update\":{\"n\":3,\"s\":null}}{\"update\":{\"s\":\"x\",\"n\":4}}",
               "+[null,null,1]\n-[false,\"\",2]\n~[-,null,3]\n~[-,\"x\",4]\n", NULL);
    kit_expect(
        &k, "{\"delete\":{\"s\":\"x\"}}{\"update\":{\"s\":\"x\"}}", "",
        "text_event_err #5 failed to deserialize JSON record: missing field `n` at line 1 column 1 | {\"s\":\"x\"}\n"
        "text_event_err #6 failed to deserialize JSON record: missing field `n` at line 1 column 1 | {\"s\":\"x\"}\n");
    kit_free(&k);
}

static void json_debezium_events(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"update_format\":\"debezium\"}"), 0);
    kit_expect(&k,
               "{\"schema\":{\"x\":[]},\"payload\":{\"op\":\"c\",\"before\":null,\"after\":{\"n\":1},\"ts_ms\":5}}\n"
               "{\"payload\":{\"after\":{\"n\":3},\"before\":{\"n\":2},\"op\":\"u\"}}\n"
               "{\"payload\":{\"op\":\"d\",\"before\":{\"n\":3},\"after\":null}}",
               "+[null,null,1]\n-[null,null,2]\n+[null,null,3]\n-[null,null,3]\n", NULL);
    kit_expect(&k, "{\"op\":\"c\"}{\"payload\":{\"after\":{}}}{\"payload\":{\"op\":\"x\"}}{\"payload\":3}", "",
               "text_event_err #4 error deserializing JSON string as a Debezium CDC event: missing field `payload` at "
               "line 1 column 1 | {\"op\":\"c\"} | Example valid JSON: '{\"payload\": "
               "{\"op\": \"u\", \"before\": {...}, \"after\": {...}}}'\n"
               "text_event_err #5 error deserializing JSON string as a Debezium CDC event: missing field `op` at line "
               "1 column 12 | {\"payload\":{\"after\":{}}} | Example valid JSON: "
               "'{\"payload\": {\"op\": \"u\", \"before\": {...}, \"after\": {...}}}'\n"
               "text_event_err #6 error deserializing JSON string as a Debezium CDC event: invalid `op`: string \"x\", "
               "expected one of \"c\", \"d\", \"u\", \"r\" at line 1 column 18 | "
               "{\"payload\":{\"op\":\"x\"}} | Example valid JSON: '{\"payload\": {\"op\": \"u\", \"before\": {...}, "
               "\"after\": {...}}}'\n"
               "text_event_err #7 error deserializing JSON string as a Debezium CDC event: invalid type: integer `3`, "
               "expected a map at line 1 column 12 | {\"payload\":3} | Example valid "
               "JSON: '{\"payload\": {\"op\": \"u\", \"before\": {...}, \"after\": {...}}}'\n");
    kit_free(&k);
}

static void json_array_is_taken_whole_or_not(void **state)
{
    (void)state;
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"array\":true}"), 0);
    kit_expect(&k,
               "[]\n[{\"insert\":{\"n\":1}},{\"delete\":{\"n\":2}}] "
               "[{\"insert\":{\"n\":3}},{\"insert\":{\"n\":\"x\"}},{\"insert\":{}}]"
               "[{\"insert\":{\"n\":4}},7]{\"insert\":{\"n\":5}}[{\"insert\":{\"n\":6}},][{\"insert\":{\"n\":7}}]",
               "+[null,null,1]\n-[null,null,2]\n+[null,null,7]\n",
               "text_event_err #4 [n] failed to deserialize JSON record: error parsing field 'n': invalid type: string "
               "\"x\", expected INTEGER at line 1 column 6 | {\"n\":\"x\"}\n"
               "text_event_err #5 failed to deserialize JSON record: missing field `n` at line 1 column 1 | {}\n"
               "text_envelope_err #0 error deserializing string as a JSON array of updates: invalid type: integer `7`, "
               "expected a map at line 1 column 21 | [{\"insert\":{\"n\":4}},7]\n"
               "text_envelope_err #0 error deserializing string as a JSON array of updates: invalid type: map, "
               "expected an array of updates at line 1 column 1 | {\"insert\":{\"n\":5}}\n"
               "text_envelope_err #0 failed to parse string as a JSON document: expected a value, found ']' at line 1 "
               "column 21 | [{\"insert\":{\"n\":6}},]\n");
    kit_free(&k);
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"array\":true,\"update_format\":\"raw\"}"), 0);
    kit_expect(&k, "[{\"n\":1},[true,\"x\",2]]", "+[null,null,1]\n+[true,\"x\",2]\n", NULL);
    kit_free(&k);
}

static void json_refuses_output_only_update_formats(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"update_format\":\"snowflake\"}", "Snowflake is not supported for JSON input streams" },
        { "{\"update_format\":\"weighted\"}", "Weighted is not supported for JSON input streams" },
        { "{\"update_format\":\"redis\"}", "Redis is not supported for JSON input streams" }
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        kit_t k;
        kit_init(&k, &hg_format_json, three, 3, NULL, 0);
        assert_int_equal(kit_parser(&k, cases[i][0]), HG_EINVALPARSER);
        assert_string_equal(k.err.msg, cases[i][1]);
        kit_free(&k);
    }
}

/* Feed the stream with reads that end at `at` and at the end; what the splitter cuts must parse to the same rows. */
static void json_result_does_not_depend_on_cuts(void **state)
{
    (void)state;
    static const char text[] =
        "{\"n\":1,\"s\":\"a}\\\"]{\"}\n {\"n\":2}{\"n\":3} \n12 "
        "[true,\"x\",4]\n{\"n\":\"bad\"}}\n{\"n\":5,\"s\":\"\\\\\"}\n"
        "\"str\"{\"n\":6,\"s\":\"0123456789012345678901234567890123456789\\\\\\\"\"}\n{\"n\":}\n{\"n\":7}\n";
    for (int single = 0; single < 2; single++) {
        const char *cfg = single ? "{\"update_format\":\"raw\",\"lines\":\"single\"}" : "{\"update_format\":\"raw\"}";
        hg_buf_t want, got;
        hg_buf_init(&want, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        for (size_t cut = 0, n = sizeof text - 1; cut <= n; cut++) {
            kit_t k;
            hg_split_state_t st = { 0 };
            kit_init(&k, &hg_format_json, three, 3, NULL, 0);
            assert_int_equal(kit_parser(&k, cfg), 0);
            if (cut == 0) {
                kit_parse_n(&k, text, n, true);
            } else {
                size_t b = k.f->split(k.parser, &st, text, 0, cut, false);
                assert_true(b <= cut);
                if (b) kit_parse_n(&k, text, b, true);
                size_t e = k.f->split(k.parser, &st, text + b, cut - b, n - b, false);
                if (e) kit_parse_n(&k, text + b, e, false);
                assert_int_equal(k.f->split(k.parser, &st, text + b + e, n - b - e, n - b - e, true), n - b - e);
                if (n > b + e) kit_parse_n(&k, text + b + e, n - b - e, false);
            }
            hg_buf_t *out = cut ? &got : &want;
            hg_buf_clear(out);
            kit_rows(&k, out);
            hg_buf_addstr(out, hg_buf_str(&k.errors));
            if (cut) assert_string_equal(got.p, want.p);
            kit_free(&k);
        }
        assert_non_null(strstr(want.p, "+[null,null,7]"));
        hg_buf_release(&want);
        hg_buf_release(&got);
    }
}

/* Byte by byte: the state carries everything. */
static void json_split_one_byte_at_a_time(void **state)
{
    (void)state;
    static const char text[] = " {\"a\":\"}\\\"\"}[1]2 \"x\\\\\" ]tail";
    kit_t k;
    kit_init(&k, &hg_format_json, three, 3, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    hg_split_state_t st = { 0 };
    size_t begin = 0, cuts[16], n_cuts = 0;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        size_t b = k.f->split(k.parser, &st, text + begin, i - begin, i + 1 - begin, false);
        if (b) {
            begin += b;
            cuts[n_cuts++] = begin;
        }
    }
    const size_t want[] = { 12, 15, 16, 22, 24 };
    assert_int_equal(n_cuts, HG_COUNT(want));
    assert_memory_equal(cuts, want, sizeof want);
    kit_free(&k);
}

static void json_allocates_nothing_per_record(void **state)
{
    (void)state;
    kit_t k;
    hg_buf_t text;
    hg_arena_t *a = hg_arena_new();
    const col_spec_t c[] = { { .name = "id", .kind = HG_T_BIGINT },
                             { .name = "name", .kind = HG_T_VARCHAR },
                             { .name = "price", .kind = HG_T_DECIMAL, .p = 12, .s = 3 },
                             { .name = "ts", .kind = HG_T_TIMESTAMP },
                             { .name = "tags",
                               .type = hg_type_array(a, hg_type_make(a, HG_T_VARCHAR, true, -1, 0), true) } };
    kit_init(&k, &hg_format_json, c, 5, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (int i = 0; i < 100000; i++)
        hg_buf_addf(&text,
                    "{\"insert\":{\"id\":%d,\"name\":\"n\\u00e9%d\",\"price\":%d.25,\"ts\":\"2024-01-02 "
                    "03:04:05\",\"tags\":[\"a\",\"b%d\"]}}\n",
                    i, i, i, i);
    hg_buf_reserve(&text, 64);
    uint64_t before = hg_mem_allocs();
    assert_int_equal(k.f->parse(k.parser, k.scratch, text.p, text.len, true, &k.out, &k.err), 0);
    uint64_t used = hg_mem_allocs() - before;
    assert_int_equal(k.out.changes.len, 100000);
    assert_true(used < 200);
    hg_buf_release(&text);
    kit_free(&k);
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_raw_members_in_any_order),
        cmocka_unit_test(json_escapes_and_unicode),
        cmocka_unit_test(json_bad_record_costs_no_neighbour),
        cmocka_unit_test(json_single_lines_resync_at_the_newline),
        cmocka_unit_test(json_truncated_and_deep),
        cmocka_unit_test(json_quoted_columns_want_their_spelling),
        cmocka_unit_test(json_defaults_fill_missing_members_only),
        cmocka_unit_test(json_insert_delete_order_and_shape),
        cmocka_unit_test(json_keyed_table_deletes_by_key_and_updates_parts),
        cmocka_unit_test(json_debezium_events),
        cmocka_unit_test(json_array_is_taken_whole_or_not),
        cmocka_unit_test(json_refuses_output_only_update_formats),
        cmocka_unit_test(json_result_does_not_depend_on_cuts),
        cmocka_unit_test(json_split_one_byte_at_a_time),
        cmocka_unit_test(json_allocates_nothing_per_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
