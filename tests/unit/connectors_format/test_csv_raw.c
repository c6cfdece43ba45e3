/* CSV in and out, raw in. */
#include "tests/unit/connectors_format/kit.h"

static const col_spec_t cols[] = { { .name = "id", .kind = HG_T_BIGINT },
                                   { .name = "name", .kind = HG_T_VARCHAR, .nullable = true },
                                   { .name = "x", .kind = HG_T_DOUBLE, .nullable = true } };

static void csv(kit_t *k, const char *cfg)
{
    kit_init(k, &hg_format_csv, cols, 3, NULL, 0);
    assert_int_equal(kit_parser(k, cfg), 0);
}

static void csv_quotes_nulls_and_line_ends(void **state)
{
    (void)state;
    kit_t k;
    csv(&k, "{}");
    kit_expect(&k,
               "1,a,1.5\r\n2,\"q\"\"x\ny,z\",\n\n3,,NULL,surplus\r\n4,null,nan\n5,\"\",\"7\"\n6,a\"b,inf\n7,\"a\"b,-"
               "0\n8,end,1",
               "+[1,\"a\",1.5]\n+[2,\"q\\\"x\\ny,z\",null]\n+[3,null,null]\n+[4,\"null\",null]\n+[5,null,7.0]\n+[6,"
               "\"a\\\"b\",null]\n+[7,\"ab\",-0.0]\n+[8,\"end\",1.0]\n",
               NULL);
    assert_int_equal(k.out.events, 8);
    kit_free(&k);
}

static void csv_bad_records(void **state)
{
    (void)state;
    kit_t k;
    csv(&k, "{\"headers\":true}");
    kit_expect(&k,
               "id,name,x\n1,a,1\nx,b,2\n3,c\n4,d,zz\n99999999999999999999,e,1\n,f,1\n5,\xff,1\n6,g,6\n7,\"open,1\n",
               "+[1,\"a\",1.0]\n+[6,\"g\",6.0]\n",
               "text_event_err #3 [id] failed to deserialize CSV record: error parsing field 'id': 'x' is not a value "
               "of type BIGINT | x,b,2\n"
               "text_event_err #4 failed to deserialize CSV record: invalid length 2, expected 3 columns | 3,c\n"
               "text_event_err #5 [x] failed to deserialize CSV record: error parsing field 'x': 'zz' is not a value "
               "of type DOUBLE | 4,d,zz\n"
               "text_event_err #6 [id] failed to deserialize CSV record: error parsing field 'id': "
               "'99999999999999999999' is out of range for type BIGINT | 99999999999999999999,e,1\n"
               "text_event_err #7 [id] failed to deserialize CSV record: error parsing field 'id': empty field for a "
               "column of type BIGINT that is NOT NULL | ,f,1\n"
               "text_event_err #8 [name] failed to deserialize CSV record: error parsing field 'name': invalid UTF-8 | "
               "5,\xff,1\n"
               "text_event_err #10 failed to deserialize CSV record: a quoted field is not closed | 7,\"open,1\n");
    kit_free(&k);
    csv(&k, "{\"flexible\":false}");
    kit_expect(&k, "1,a,1,2\n2,b,2\n", "+[2,\"b\",2.0]\n",
               "text_event_err #1 failed to deserialize CSV record: invalid length 4, expected 3 columns | 1,a,1,2\n");
    kit_free(&k);
}

static void csv_dialects(void **state)
{
    (void)state;
    kit_t k;
    csv(&k, "{\"delimiter\":\";\",\"quote\":\"'\",\"escape\":\"\\\\\",\"comment\":\"#\",\"trim\":\"all\"}");
    kit_expect(&k, "# it's a comment\n 1 ; 'no quote' ; 2 \n2;'a\\'b\nc';3\n",
               "+[1,\"'no quote'\",2.0]\n+[2,\"a'b\\nc\",3.0]\n", NULL);
    kit_free(&k);
    csv(&k, "{\"quoting\":false}");
    kit_expect(&k, "1,\"a,2\n", "+[1,\"\\\"a\",2.0]\n", NULL);
    kit_free(&k);
    csv(&k, "{\"double_quote\":false}");
    kit_expect(&k, "1,\"a\"\"b\",2\n", "+[1,\"a\\\"b\\\"\",2.0]\n", NULL);
    kit_free(&k);
    static const char *const bad[][2] = {
        { "{\"delimiter\":\"\"}", "'delimiter' must be one ASCII character" },
        { "{\"delimiter\":\"é\"}", "'delimiter' must be one ASCII character, not 'é'" },
        { "{\"delimiter\":\"\\\"\"}", "'delimiter' must differ from 'quote', 'escape' and 'comment'" },
        { "{\"escape\":\"ab\"}", "'escape' must be one ASCII character, not 'ab'" }
    };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        kit_init(&k, &hg_format_csv, cols, 3, NULL, 0);
        assert_int_equal(kit_parser(&k, bad[i][0]), HG_EINVALPARSER);
        assert_string_equal(k.err.msg, bad[i][1]);
        kit_free(&k);
    }
}

/* Rows and errors of the text, the same wherever it is cut once. */
static void cut_anywhere(const char *cfg, const char *text, size_t n, hg_buf_t *want)
{
    hg_buf_t got;
    hg_buf_init(&got, HG_BUF_NOMAX);
    for (size_t cut = 0; cut <= n; cut++) {
        kit_t k;
        hg_split_state_t st = { 0 };
        csv(&k, cfg);
        size_t b = cut ? k.f->split(k.parser, &st, text, 0, cut, false) : 0;
        if (b) kit_parse_n(&k, text, b, true);
        st.at = b;
        size_t e = cut ? k.f->split(k.parser, &st, text + b, cut - b, n - b, false) : 0;
        if (e) kit_parse_n(&k, text + b, e, b == 0);
        if (n > b + e) kit_parse_n(&k, text + b + e, n - b - e, b + e == 0);
        hg_buf_t *out = cut ? &got : want;
        hg_buf_clear(out);
        kit_rows(&k, out);
        hg_buf_addstr(out, hg_buf_str(&k.errors));
        if (cut) assert_string_equal(got.p, want->p);
        kit_free(&k);
    }
    hg_buf_release(&got);
}

static void csv_result_does_not_depend_on_cuts(void **state)
{
    (void)state;
    static const char text[] =
        "\n#c\"\nid,name,x\n1,\"a\nb\"\"\n\",1\n#\"\n2,a\"b,2\n3,\"q\"\"\",3\r\n\r\n4,\"e\\\"\n\",4\nx,y,z\n5,\"\",5\n";
    static const char *const cfgs[] = { "{\"headers\":true,\"comment\":\"#\"}",
                                        "{\"headers\":true,\"comment\":\"#\",\"escape\":\"\\\\\"}",
                                        "{\"quoting\":false}" };
    for (size_t c = 0; c < HG_COUNT(cfgs); c++) {
        hg_buf_t want;
        hg_buf_init(&want, HG_BUF_NOMAX);
        cut_anywhere(cfgs[c], text, sizeof text - 1, &want);
        if (c < 2) assert_non_null(strstr(want.p, c ? "+[4,\"e\\\"\\n\",4.0]" : "+[1,\"a\\nb\\\"\\n\",1.0]"));
        hg_buf_release(&want);
    }
}

/* Spreadsheets write a byte order mark in front: it is no part of the first field, which may be quoted, nor anywhere
 * else a mark. */
static void csv_may_begin_with_a_mark(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf\"1\",\"a\nb\",1\n2,\xef\xbb\xbf,2\n";
    hg_buf_t want;
    hg_buf_init(&want, HG_BUF_NOMAX);
    cut_anywhere("{}", text, sizeof text - 1, &want);
    assert_string_equal(want.p, "+[1,\"a\\nb\",1.0]\n+[2,\"\xef\xbb\xbf\",2.0]\n");
    cut_anywhere("{\"comment\":\"#\"}", "\xef\xbb\xbf#\"\n1,a,1\n", 12, &want);
    assert_string_equal(want.p, "+[1,\"a\",1.0]\n");
    hg_buf_release(&want);
}

static void csv_out_has_the_weight_last(void **state)
{
    (void)state;
    kit_t k;
    const int64_t w[] = { 3, -1, 1 };
    csv(&k, "{}");
    assert_int_equal(kit_encoder(&k, "{}", false, 0), 0);
    kit_parse(&k, "1,foo,1\n2,\"a,\"\"b\",\n3,,2.5\n");
    assert_int_equal(kit_encode(&k, w), 0);
    assert_string_equal(k.bytes.p, "2,\"a,\"\"b\",,-1\n1,foo,1.0,3\n3,,2.5,1\n");
    assert_int_equal(k.sink.records, 3);
    kit_free(&k);
    csv(&k, "{}");
    assert_int_equal(kit_encoder(&k, "{\"delimiter\":\"é\"}", false, 0), HG_EINVALENCODER);
    kit_free(&k);
}

/* Every scalar type through a field and back. */
static void csv_types_round_trip(void **state)
{
    (void)state;
    static const struct {
        hg_kind_t kind;
        int32_t p, s;
        const char *text;
    } cases[] = {
        { HG_T_BOOLEAN, 0, 0, "true" },
        { HG_T_TINYINT, 0, 0, "-128" },
        { HG_T_BIGINT, 0, 0, "-9223372036854775808" },
        { HG_T_UBIGINT, 0, 0, "18446744073709551615" },
        { HG_T_UBIGINT, 0, 0, "9223372036854775808" },
        { HG_T_DECIMAL, 38, 0, "-99999999999999999999999999999999999999" },
        { HG_T_DECIMAL, 38, 37, "1.2345678901234567890123456789012345678" },
        { HG_T_REAL, 0, 0, "0.1" },
        { HG_T_DOUBLE, 0, 0, "NaN" },
        { HG_T_DOUBLE, 0, 0, "-Infinity" },
        { HG_T_DATE, 0, 0, "0001-01-01" },
        { HG_T_TIME, 0, 0, "23:59:59.999999999" },
        { HG_T_TIMESTAMP, 0, 0, "9999-12-31 23:59:59.999999" },
        { HG_T_TIMESTAMP_TZ, 0, 0, "1970-01-01 00:00:00+00:00" },
        { HG_T_UUID, 0, 0, "67e55044-10b1-426f-9247-bb680e5fe0c8" },
        { HG_T_VARBINARY, 0, 0, "\"[1,255]\"" },
        { HG_T_VARIANT, 0, 0, "\"{\"\"a\"\":[1]}\"" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        kit_t k;
        char text[256];
        const col_spec_t col = { .name = "v", .kind = cases[i].kind, .p = cases[i].p, .s = cases[i].s };
        kit_init(&k, &hg_format_csv, &col, 1, NULL, 0);
        assert_int_equal(kit_parser(&k, "{}"), 0);
        assert_int_equal(kit_encoder(&k, "{}", false, 0), 0);
        snprintf(text, sizeof text, "%s\n", cases[i].text);
        kit_parse(&k, text);
        assert_int_equal(k.n_errors, 0);
        assert_int_equal(kit_encode(&k, NULL), 0);
        snprintf(text, sizeof text, "%s,1\n", cases[i].text);
        assert_string_equal(k.bytes.p, text);
        kit_free(&k);
    }
    const col_spec_t col = { .name = "v", .kind = HG_T_VARBINARY };
    kit_t k;
    kit_init(&k, &hg_format_csv, &col, 1, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    kit_expect(&k, "[1]x\n[300]\n", "",
               "text_event_err #1 [v] failed to deserialize CSV record: error parsing field 'v': trailing characters "
               "after the JSON value | [1]x\n"
               "text_event_err #2 [v] failed to deserialize CSV record: error parsing field 'v': invalid value: `300`, "
               "expected a byte (0 to 255) | [300]\n");
    kit_free(&k);
}

static void raw_lines_and_blobs(void **state)
{
    (void)state;
    kit_t k;
    const col_spec_t c[] = { { .name = "line", .kind = HG_T_VARCHAR },
                             { .name = "more", .kind = HG_T_INTEGER, .nullable = true } };
    kit_init(&k, &hg_format_raw, c, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"mode\":\"lines\",\"column_name\":\"LINE\"}"), 0);
    kit_expect(&k, "a\r\n\nb\xff\nlast", "+[\"a\\r\",null]\n+[\"last\",null]\n",
               "bin_event_err #2 unable to convert buffer to UTF-8 string (consider changing column type to "
               "'VARBINARY') | b\xff\n");
    hg_split_state_t st = { 0 };
    assert_int_equal(k.f->split(k.parser, &st, "a\nb\nc", 0, 5, false), 4);
    assert_int_equal(k.f->split(k.parser, &st, "c", 1, 1, true), 1);
    kit_free(&k);
    kit_init(&k, &hg_format_raw, c, 1, NULL, 0);
    assert_int_equal(kit_parser(&k, "{}"), 0);
    kit_expect(&k, "a\nb\n", "+[\"a\\nb\\n\"]\n", NULL);
    kit_expect(&k, "", "+[\"\"]\n", NULL);
    assert_int_equal(k.f->split(k.parser, &st, "a\nb\nc", 0, 5, false), 0);
    kit_free(&k);
    static const struct {
        const char *cfg, *msg;
        uint32_t n;
    } bad[] = {
        { "{}",
          "The 'raw' input format is used with table 't', which has 2 columns. Use the 'column_name' configuration "
          "option to say which column takes the data",
          2 },
        { "{\"column_name\":\"z\"}", "column 'z' not found in table 't'", 2 },
        { "{\"column_name\":\"more\"}",
          "'raw' input format can only be used with a column of type 'VARCHAR' or 'VARBINARY', but column more has "
          "type INTEGER",
          2 },
    };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        kit_init(&k, &hg_format_raw, c, bad[i].n, NULL, 0);
        assert_int_equal(kit_parser(&k, bad[i].cfg), HG_EINVALPARSER);
        assert_string_equal(k.err.msg, bad[i].msg);
        kit_free(&k);
    }
    const col_spec_t need[] = { { .name = "line", .kind = HG_T_VARBINARY }, { .name = "more", .kind = HG_T_INTEGER } };
    kit_init(&k, &hg_format_raw, need, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"column_name\":\"line\"}"), 0);
    kit_expect(&k, "x", "", "bin_event_err #1 missing field `more` | x\n");
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_nulls_and_line_ends),
        cmocka_unit_test(csv_bad_records),
        cmocka_unit_test(csv_dialects),
        cmocka_unit_test(csv_result_does_not_depend_on_cuts),
        cmocka_unit_test(csv_may_begin_with_a_mark),
        cmocka_unit_test(csv_out_has_the_weight_last),
        cmocka_unit_test(csv_types_round_trip),
        cmocka_unit_test(raw_lines_and_blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
