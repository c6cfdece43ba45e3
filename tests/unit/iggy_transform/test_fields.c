/* The transforms of JSON objects: what they do, in which order, and what they refuse. */
#include "tests/unit/iggy_transform/kit.h"
#include "iggy/transform/number_int.h"
#include "iggy/transform/transform_int.h"

extern const hg_transform_type_t hg_transform_skeleton;

static void adds_fields(void **state)
{
    (void)state;
    const char *add = "{\"add_fields\":{\"enabled\":true,\"fields\":["
                      "{\"key\":\"b\",\"value\":{\"static\":[1,{\"x\":18446744073709551616.10}]}},"
                      "{\"key\":\"q\\\"\",\"value\":{\"static\":\"t\"}}]}}";
    becomes(add, "{\"a\":1}", "{\"a\":1,\"b\":[1,{\"x\":18446744073709551616.10}],\"q\\\"\":\"t\"}");
    becomes(add, "{}", "{\"b\":[1,{\"x\":18446744073709551616.10}],\"q\\\"\":\"t\"}");
    becomes(add, "{\"b\":0,\"a\":1.50}", "{\"b\":[1,{\"x\":18446744073709551616.10}],\"a\":1.50,\"q\\\"\":\"t\"}");
    becomes(add, " { \"a\" : [ 1 , 2 ] ,\n\"s\":\"x y\" } ",
            "{\"a\":[1,2],\"s\":\"x y\",\"b\":[1,{\"x\":18446744073709551616.10}],\"q\\\"\":\"t\"}");
    /* no objects: unchanged */
    becomes(add, "[ 1, 2 ]", "[1,2]");
    becomes(add, "9223372036854775808", "9223372036854775808");
    result_t r = through(add, HG_PL_TEXT, "{\"a\":1}", 7);
    assert_string_equal(r.text, "{\"a\":1}");
    assert_int_equal(r.kind, HG_PL_TEXT);
    becomes("{\"add_fields\":{\"enabled\":true}}", "{\"a\":1}", "{\"a\":1}");
}

static void of_equal_keys_the_last_counts(void **state)
{
    (void)state;
    becomes("{}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
    becomes("{}", "{\"a\":1,\"\\u0061\":3}", "{\"a\":3}");
    becomes("{\"delete_fields\":{\"enabled\":true,\"fields\":[\"a\"]}}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2}");
}

static void many_fields_keep_their_order(void **state)
{
    (void)state;
    hg_buf_t in, want;
    hg_buf_init(&in, HG_BUF_NOMAX);
    hg_buf_init(&want, HG_BUF_NOMAX);
    hg_buf_adds(&in, "{");
    hg_buf_adds(&want, "{");
    for (int i = 0; i < 300; i++) {
        hg_buf_addf(&in, "%s\"f%d\":%d", i ? "," : "", i, i);
        if (i != 150) hg_buf_addf(&want, "%s\"f%d\":%d", i ? "," : "", i, i == 299 ? -1 : i);
    }
    hg_buf_adds(&in, "}");
    hg_buf_adds(&want, ",\"new\":null}");
    becomes("[{\"type\":\"delete_fields\",\"fields\":[\"f150\",\"nope\"]},"
            "{\"type\":\"add_fields\",\"fields\":[{\"key\":\"f299\",\"value\":{\"static\":-1}},"
            "{\"key\":\"new\",\"value\":{\"static\":null}}]}]",
            in.p, want.p);
    hg_buf_release(&in);
    hg_buf_release(&want);
}

static void computes_values(void **state)
{
    (void)state;
    becomes("{\"add_fields\":{\"enabled\":true,\"fields\":["
            "{\"key\":\"d\",\"value\":{\"computed\":\"date_time\"}},"
            "{\"key\":\"n\",\"value\":{\"computed\":\"timestamp_nanos\"}},"
            "{\"key\":\"u\",\"value\":{\"computed\":\"timestamp_micros\"}},"
            "{\"key\":\"m\",\"value\":{\"computed\":\"timestamp_millis\"}},"
            "{\"key\":\"s\",\"value\":{\"computed\":\"timestamp_seconds\"}}]}}",
            "{}",
            "{\"d\":\"2026-11-21T00:10:18.570293123+00:00\",\"n\":1795219818570293123,\"u\":1795219818570293,"
            "\"m\":1795219818570,\"s\":1795219818}");
    result_t r = through("{\"add_fields\":{\"enabled\":true,\"fields\":["
                         "{\"key\":\"a\",\"value\":{\"computed\":\"uuid_v4\"}},"
                         "{\"key\":\"b\",\"value\":{\"computed\":\"uuid_v7\"}},"
                         "{\"key\":\"c\",\"value\":{\"computed\":\"uuid_v7\"}}]}}",
                         HG_PL_JSON, "{}", 2);
    const char *a = r.text + 6, *b = a + 43, *c = b + 43;
    assert_int_equal(r.n, 2 + 3 * (4 + 38) + 2);
    assert_int_equal(a[14], '4');
    assert_non_null(memchr("89ab", a[19], 4));
    assert_int_equal(b[14], '7');
    assert_non_null(memchr("89ab", b[19], 4));
    assert_true(memcmp(b, c, 36) < 0);
}

static void fractions_are_as_long_as_needed(void **state)
{
    (void)state;
    static const struct {
        int64_t now;
        const char *want;
    } rows[] = {
        { INT64_C(1795219818000000000), "{\"d\":\"2026-11-21T00:10:18+00:00\"}" },
        { INT64_C(1795219818120000000), "{\"d\":\"2026-11-21T00:10:18.120+00:00\"}" },
        { INT64_C(1795219818120034000), "{\"d\":\"2026-11-21T00:10:18.120034+00:00\"}" },
        { -1, "{\"d\":\"1969-12-31T23:59:59.999999999+00:00\"}" },
    };
    hg_chain_t *c = chain_of("{\"add_fields\":{\"enabled\":true,\"fields\":[{\"key\":\"d\",\"value\":"
                             "{\"computed\":\"date_time\"}}]}}");
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_payload_t p;
        hg_str_t out;
        hg_scratch_reset(s);
        hg_scratch_fix(s, rows[i].now, 1);
        assert_int_equal(hg_payload_from(HG_PL_JSON, hg_scratch_copy(s, HG_S("{}")), s, &p, &err), 0);
        assert_int_equal(hg_chain_apply(c, s, &p, &err), HG_TR_PASS);
        assert_int_equal(hg_payload_bytes(&p, s, &out, &err), 0);
        assert_true(hg_str_eqz(out, rows[i].want));
    }
    hg_scratch_free(s);
    hg_chain_free(c);
}

static void updates_under_conditions(void **state)
{
    (void)state;
    const char *t = "{\"update_fields\":{\"enabled\":true,\"fields\":["
                    "{\"key\":\"a\",\"value\":{\"static\":1},\"condition\":\"key_exists\"},"
                    "{\"key\":\"b\",\"value\":{\"static\":2},\"condition\":\"key_not_exists\"},"
                    "{\"key\":\"b\",\"value\":{\"static\":3},\"condition\":\"key_exists\"},"
                    "{\"key\":\"c\",\"value\":{\"static\":4}},"
                    "{\"key\":\"d\",\"value\":{\"static\":5},\"condition\":\"always\"}]}}";
    becomes(t, "{\"a\":0}", "{\"a\":1,\"b\":3,\"c\":4,\"d\":5}");
    becomes(t, "{\"c\":0}", "{\"c\":4,\"b\":3,\"d\":5}");
}

static void deletes_and_unwraps(void **state)
{
    (void)state;
    becomes("{\"delete_fields\":{\"enabled\":true,\"fields\":[\"b\",\"x\"]}}", "{\"a\":1,\"b\":2,\"c\":3}",
            "{\"a\":1,\"c\":3}");
    becomes("{\"delete_fields\":{\"enabled\":true}}", "{\"a\":1}", "{\"a\":1}");
    becomes("{\"delete_fields\":{\"enabled\":true,\"fields\":[\"a\"]}}", "{\"a\":1}", "{}");
    const char *unwrap = "{\"unwrap_envelope\":{\"enabled\":true,\"field\":\"p\"}}";
    becomes(unwrap, "{\"x\":1,\"p\":{\"a\": [ ]}}", "{\"a\":[]}");
    becomes(unwrap, "{\"p\":\"s\"}", "\"s\"");
    becomes(unwrap, "{\"x\":1}", "{\"x\":1}");
    becomes(unwrap, "[1]", "[1]");
    becomes("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"p\",\"value\":{\"static\":{\"k\":\"v\"}}}]},"
            "{\"type\":\"unwrap_envelope\",\"field\":\"p\"},"
            "{\"type\":\"add_fields\",\"fields\":[{\"key\":\"z\",\"value\":{\"static\":0}}]}]",
            "{}", "{\"k\":\"v\",\"z\":0}");
}

static void filters_by_name_and_pattern(void **state)
{
    (void)state;
#define FILTER(rest) "{\"filter_fields\":{\"enabled\":true," rest "}}"
    const char *in = "{\"id\":5,\"name\":\"An\\u006e\",\"n\":5.0,\"big\":9223372036854775808,\"f\":true,\"z\":null,"
                     "\"o\":{},\"l\":[1]}";
    static const struct {
        const char *pattern, *out;
    } rows[] = {
        { "{\"key_pattern\":{\"exact\":\"id\"}}", "{\"id\":5}" },
        { "{\"key_pattern\":{\"starts_with\":\"n\"}}", "{\"name\":\"An\\u006e\",\"n\":5.0}" },
        { "{\"key_pattern\":{\"ends_with\":\"g\"}}", "{\"big\":9223372036854775808}" },
        { "{\"key_pattern\":{\"contains\":\"am\"}}", "{\"name\":\"An\\u006e\"}" },
        { "{\"value_pattern\":{\"contains\":\"nn\"}}", "{\"name\":\"An\\u006e\"}" },
        { "{\"value_pattern\":{\"equals\":5}}", "{\"id\":5,\"n\":5.0}" },
        { "{\"value_pattern\":{\"equals\":\"Ann\"}}", "{\"name\":\"An\\u006e\"}" },
        { "{\"value_pattern\":{\"equals\":[1.0]}}", "{\"l\":[1]}" },
        { "{\"value_pattern\":{\"greater_than\":1}}", "{\"id\":5,\"n\":5.0,\"big\":9223372036854775808}" },
        { "{\"value_pattern\":{\"greater_than\":9223372036854775807}}", "{\"big\":9223372036854775808}" },
        { "{\"value_pattern\":{\"less_than\":5.01}}", "{\"id\":5,\"n\":5.0}" },
        { "{\"value_pattern\":{\"between\":[5,5]}}", "{\"id\":5,\"n\":5.0}" },
        { "{\"value_pattern\":\"is_null\"}", "{\"z\":null}" },
        { "{\"value_pattern\":\"is_string\"}", "{\"name\":\"An\\u006e\"}" },
        { "{\"value_pattern\":\"is_number\"}", "{\"id\":5,\"n\":5.0,\"big\":9223372036854775808}" },
        { "{\"value_pattern\":\"is_boolean\"}", "{\"f\":true}" },
        { "{\"value_pattern\":\"is_object\"}", "{\"o\":{}}" },
        { "{\"value_pattern\":\"is_array\"}", "{\"l\":[1]}" },
        { "{\"key_pattern\":{\"exact\":\"n\"},\"value_pattern\":\"is_string\"}", "{}" },
        { "{}", "" }, /* matches everything */
    };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_buf_t t;
        hg_buf_init(&t, 4096);
        hg_buf_addf(&t, FILTER("\"patterns\":[%s]"), rows[i].pattern);
        becomes(t.p, in, rows[i].out[0] ? rows[i].out : in);
        hg_buf_release(&t);
    }
    becomes(FILTER("\"patterns\":[{\"value_pattern\":\"is_not_null\"}],\"include_matching\":false"), in,
            "{\"z\":null}");
    becomes(FILTER("\"keep_fields\":[\"id\",\"f\"]"), in, "{\"id\":5,\"f\":true}");
    becomes(FILTER("\"keep_fields\":[\"id\"],\"include_matching\":false"), in, in);
    becomes(FILTER("\"keep_fields\":[\"id\"],\"patterns\":[{\"key_pattern\":{\"starts_with\":\"i\"}}],\"include_"
                   "matching\":false"),
            "{\"id\":1,\"ix\":2,\"y\":3}", "{\"id\":1,\"y\":3}");
    becomes(FILTER("\"keep_fields\":[]"), in, in);
}

static void regexes_search_anywhere(void **state)
{
    (void)state;
    if (!module_here("headgate-regex.so")) skip();
    const char *in = "{\"user_id\":\"x-12\",\"name\":\"y\",\"n\":12}";
    becomes(FILTER("\"patterns\":[{\"key_pattern\":{\"regex\":\"_id$\"}}]"), in, "{\"user_id\":\"x-12\"}");
    becomes(FILTER("\"patterns\":[{\"value_pattern\":{\"regex\":\"[0-9]{2}\"}}]"), in, "{\"user_id\":\"x-12\"}");
    refused(FILTER("\"patterns\":[{\"key_pattern\":{\"regex\":\"(a\"}}]"),
            "transforms.filter_fields.patterns[0].key_pattern.regex", "missing )");
    refused(FILTER("\"patterns\":[{\"key_pattern\":{\"regex\":\"(?=a)\"}}]"),
            "transforms.filter_fields.patterns[0].key_pattern.regex", "regular expression");
}

static void numbers_are_compared_by_digits(void **state)
{
    (void)state;
    static const char *const rising[] = { "-1e1000000000",
                                          "-9223372036854775809",
                                          "-9223372036854775808",
                                          "-1.5",
                                          "-0.1",
                                          "0",
                                          "1e-400",
                                          "0.1",
                                          "0.10000000000000000000001",
                                          "5",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "1e19",
                                          "123456789012345678901234567890",
                                          "1e400" };
    static const char *const equal[][2] = { { "5", "5.0" },      { "50", "5e1" },   { "0.05", "5E-2" },
                                            { "-0", "0.00e7" },  { "1.50", "1.5" }, { "100", "1.00e+2" },
                                            { "1000000", "1e6" } };
    for (size_t i = 0; i < HG_COUNT(rising); i++)
        for (size_t j = 0; j < HG_COUNT(rising); j++) {
            int c = hg_number_cmp(hg_strz(rising[i]), hg_strz(rising[j]));
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    for (size_t i = 0; i < HG_COUNT(equal); i++)
        assert_int_equal(hg_number_cmp(hg_strz(equal[i][0]), hg_strz(equal[i][1])), 0);
}

static void runs_in_the_order_of_the_file(void **state)
{
    (void)state;
    becomes("{\"delete_fields\":{\"enabled\":true,\"fields\":[\"x\"]},"
            "\"add_fields\":{\"enabled\":true,\"fields\":[{\"key\":\"x\",\"value\":{\"static\":1}}]}}",
            "{\"x\":0}", "{\"x\":1}");
    becomes("{\"add_fields\":{\"enabled\":true,\"fields\":[{\"key\":\"x\",\"value\":{\"static\":1}}]},"
            "\"delete_fields\":{\"enabled\":true,\"fields\":[\"x\"]}}",
            "{\"x\":0}", "{}");
    becomes("{\"delete_fields\":{\"enabled\":false,\"fields\":7},\"unwrap_envelope\":null}", "{\"x\":0}", "{\"x\":0}");
}

static void says_what_is_wrong_and_where(void **state)
{
    (void)state;
    refused("{\"add_feilds\":{\"enabled\":true}}", "transforms.add_feilds", "did you mean 'add_fields'");
    refused("{\"sql\":{\"enabled\":true}}", "transforms.sql", "there are add_fields, delete_fields");
    refused("{\"add_fields\":{}}", "transforms.add_fields", "missing field `enabled`");
    refused("{\"add_fields\":{\"enabled\":1}}", "transforms.add_fields.enabled", "true or false");
    refused("{\"add_fields\":7}", "transforms.add_fields", "expected an object");
    refused("7", "transforms", "an object or an array");
    refused("[{\"fields\":[]}]", "transforms[0]", "`type`");
    refused("[{\"type\":\"add_fields\",\"fields\":{}}]", "transforms[0].fields", "an array of fields");
    refused("[{\"type\":\"add_fields\",\"fields\":[7]}]", "transforms[0].fields[0]", "`key` and `value`");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"value\":{\"static\":1}}]}]", "transforms[0].fields[0]", "`key`");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"key\":1,\"value\":{\"static\":1}}]}]",
            "transforms[0].fields[0].key", "name of a field");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"a\"}]}]", "transforms[0].fields[0]", "`value`");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"a\",\"value\":1}]}]", "transforms[0].fields[0].value",
            "either");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"a\",\"value\":{\"computed\":\"uuid_v9\"}}]}]",
            "transforms[0].fields[0].value.computed", "did you mean 'uuid_v");
    refused("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"a\",\"value\":{\"computed\":7}}]}]",
            "transforms[0].fields[0].value.computed", "expected a kind");
    refused("[{\"type\":\"update_fields\",\"fields\":[{\"key\":\"a\",\"value\":{\"static\":1},\"condition\":\"x\"}]}]",
            "transforms[0].fields[0].condition", "there are: always|key_exists|key_not_exists");
    refused("[{\"type\":\"unwrap_envelope\",\"field\":\"\"}]", "transforms[0].field", "empty");
    refused("[{\"type\":\"unwrap_envelope\"}]", "transforms[0]", "missing field `field`");
    refused("[{\"type\":\"filter_fields\",\"patterns\":7}]", "transforms[0].patterns", "an array of patterns");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[7]}]", "transforms[0].patterns[0]", "key_pattern");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"key_pattern\":\"x\"}]}]",
            "transforms[0].patterns[0].key_pattern", "a key pattern is");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"key_pattern\":{\"exakt\":\"x\"}}]}]",
            "transforms[0].patterns[0].key_pattern.exakt", "did you mean 'exact'");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"key_pattern\":{\"exact\":7}}]}]",
            "transforms[0].patterns[0].key_pattern.exact", "a string");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":\"is_nul\"}]}]",
            "transforms[0].patterns[0].value_pattern", "did you mean 'is_null'");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":{\"over\":7}}]}]",
            "transforms[0].patterns[0].value_pattern.over", "there are equals");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":7}]}]",
            "transforms[0].patterns[0].value_pattern", "a value pattern is");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":{\"less_than\":\"7\"}}]}]",
            "transforms[0].patterns[0].value_pattern.less_than", "a number");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":{\"between\":[1]}}]}]",
            "transforms[0].patterns[0].value_pattern.between", "two numbers");
    refused("[{\"type\":\"filter_fields\",\"patterns\":[{\"value_pattern\":{\"contains\":1}}]}]",
            "transforms[0].patterns[0].value_pattern.contains", "a string");
}

static void knows_what_varies(void **state)
{
    (void)state;
    hg_chain_t *c =
        chain_of("[{\"type\":\"delete_fields\"},{\"type\":\"update_fields\",\"fields\":[{\"key\":\"a\",\"value\":"
                 "{\"computed\":\"uuid_v4\"}}]}]");
    assert_string_equal(hg_chain_varies(c), "update_fields");
    assert_int_equal(hg_chain_len(c), 2);
    assert_string_equal(hg_chain_name(c, 0), "delete_fields");
    hg_chain_free(c);
    c = chain_of("[{\"type\":\"add_fields\",\"fields\":[{\"key\":\"a\",\"value\":{\"static\":1}}]}]");
    assert_null(hg_chain_varies(c));
    hg_chain_free(c);
}

static void the_skeleton_drops_what_lacks_a_field(void **state)
{
    (void)state;
    const hg_transform_type_t *t = &hg_transform_skeleton;
    struct {
        const char *field;
    } cfg = { "a" };
    hg_scratch_t *s = hg_scratch_new();
    hg_err_t err = HG_ERR_INIT;
    hg_tr_make_t m = { 0 };
    hg_payload_t p;
    const void *made;
    assert_int_equal(t->make(&m, &cfg, &made), 0);
    assert_int_equal(hg_payload_from(HG_PL_JSON, hg_scratch_copy(s, HG_S("{\"a\":1}")), s, &p, &err), 0);
    assert_int_equal(t->apply(made, s, &p, &err), HG_TR_PASS);
    assert_int_equal(hg_payload_from(HG_PL_JSON, hg_scratch_copy(s, HG_S("{\"b\":1}")), s, &p, &err), 0);
    assert_int_equal(t->apply(made, s, &p, &err), HG_TR_DROP);
    hg_scratch_free(s);
}

/* After the first batches no message costs a call of the allocator. */
static void messages_allocate_nothing(void **state)
{
    (void)state;
    hg_chain_t *chain =
        chain_of("{\"add_fields\":{\"enabled\":true,\"fields\":["
                 "{\"key\":\"at\",\"value\":{\"computed\":\"timestamp_millis\"}},"
                 "{\"key\":\"id\",\"value\":{\"computed\":\"uuid_v7\"}}]},"
                 "\"filter_fields\":{\"enabled\":true,\"patterns\":[{\"value_pattern\":{\"equals\":[1]}}],"
                 "\"include_matching\":false}}");
    hg_codec_t *codec;
    hg_err_t err = HG_ERR_INIT;
    hg_scratch_t *s = hg_scratch_new();
    assert_int_equal(hg_codec_new(HG_S("json"), NULL, &codec, &err), 0);
    static const char text[1024] = "{\"name\":\"a\\u00e9 b\", \"v\":[1, 2], \"w\":{\"x\": \"y z\"}}";
    uint64_t before = 0;
    for (int batch = 0; batch < 6; batch++) {
        hg_scratch_reset(s);
        if (batch == 3) before = hg_mem_allocs();
        for (int i = 0; i < 1000; i++) {
            hg_payload_t p;
            hg_str_t out;
            assert_int_equal(hg_convert_sink(codec, chain, s, hg_strz(text), &p, &out, &err), HG_TR_PASS);
            assert_true(out.n > 100);
        }
    }
    assert_int_equal(hg_mem_allocs(), before);
    assert_true(hg_scratch_bytes(s) < 1024 * 1024);
    hg_scratch_free(s);
    hg_codec_free(codec);
    hg_chain_free(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_fields),
        cmocka_unit_test(of_equal_keys_the_last_counts),
        cmocka_unit_test(many_fields_keep_their_order),
        cmocka_unit_test(computes_values),
        cmocka_unit_test(fractions_are_as_long_as_needed),
        cmocka_unit_test(updates_under_conditions),
        cmocka_unit_test(deletes_and_unwraps),
        cmocka_unit_test(filters_by_name_and_pattern),
        cmocka_unit_test(regexes_search_anywhere),
        cmocka_unit_test(numbers_are_compared_by_digits),
        cmocka_unit_test(runs_in_the_order_of_the_file),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(knows_what_varies),
        cmocka_unit_test(the_skeleton_drops_what_lacks_a_field),
        cmocka_unit_test(messages_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
