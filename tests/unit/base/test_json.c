/* Control-plane JSON: exact numbers, positions, refusals, writing. */
#include "tests/lib/test.h"
#include "base/json.h"
#include "base/mem.h"

static void numbers_keep_their_digits(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    uint64_t u;
    int64_t i;
    assert_int_equal(hg_json_parse(a,
                                   HG_S("{\"u\": 18446744073709551615, \"i\": -9223372036854775808, \"over\": "
                                        "18446744073709551616, \"f\": 1.5}"),
                                   &v, &err),
                     0);
    assert_int_equal(hg_json_u64(hg_json_get(v, "u"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(hg_json_i64(hg_json_get(v, "i"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(hg_json_u64(hg_json_get(v, "over"), &u), HG_ERANGE);
    assert_int_equal(hg_json_u64(hg_json_get(v, "f"), &u), HG_ERANGE);
    assert_int_equal(hg_json_u64(hg_json_get(v, "none"), &u), HG_ETYPE);
    hg_arena_free(a);
}

static void nodes_know_their_place(void **state)
{
    (void)state;
    static const char text[] = "[\n  {\"a\": \"x\",\n   \"b\" : [1, true]}]";
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    char path[64];
    uint32_t line, col;
    assert_int_equal(hg_json_parse(a, HG_S(text), &v, &err), 0);
    const hg_json_t *b = hg_json_get(hg_json_at(v, 0), "b");
    assert_memory_equal(text + b->off, "[1, true]", b->len);
    assert_memory_equal(text + b->key_off, "\"b\"", b->key_len);
    hg_text_pos(HG_S(text), b->off, &line, &col);
    assert_int_equal(line, 3);
    assert_int_equal(col, 10);
    hg_json_path(hg_json_at(b, 1), v, path, sizeof path);
    assert_string_equal(path, "[0].b[1]");
    hg_arena_free(a);
}

static void strings_are_decoded(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    assert_int_equal(hg_json_parse(a, HG_S("\"a\\n\\u00e9\\ud83d\\ude00\\/\""), &v, &err), 0);
    assert_string_equal(v->str.p, "a\n\xC3\xA9\xF0\x9F\x98\x80/");
    hg_arena_free(a);
}

static void bad_text_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
        uint32_t line, col;
    } cases[] = {
        { "", "expected a JSON value, found the end", 1, 1 },
        { "{\"a\":1,}", "expected a member name in quotes", 1, 8 },
        { "{\"a\" 1}", "expected ':' after the member name", 1, 6 },
        { "[1 2]", "expected ',' or ']'", 1, 4 },
        { "{\"a\":1 \"b\":2}", "expected ',' or '}'", 1, 8 },
        { "[1]x", "unexpected text after the JSON value", 1, 4 },
        { "\n\"ab", "the string is not closed", 2, 1 },
        { "\"\\x\"", "unknown escape in a string", 1, 2 },
        { "\"\\u12G4\"", "expected a hex digit", 1, 6 },
        { "\"\\u12", "expected 4 hex digits after \\u", 1, 4 },
        { "\"\\udc00\"", "lone low surrogate in a string", 1, 2 },
        { "\"\\ud800x\"", "lone high surrogate in a string", 1, 2 },
        { "\"\\", "the string ends inside an escape", 1, 2 },
        { "\"a\tb\"", "control character in a string", 1, 3 },
        { "\"\xff\"", "the string is not valid UTF-8", 1, 2 },
        { "01", "a number must not begin with 0", 1, 2 },
        { "-", "expected a digit", 1, 2 },
        { "1.", "expected a digit after '.'", 1, 3 },
        { "1e", "expected a digit in the exponent", 1, 3 },
        { "nul", "expected a JSON value", 1, 1 },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err;
        assert_int_equal(hg_json_parse(a, hg_strz(cases[i].text), &v, &err), HG_EPARSE);
        if (!strstr(err.msg, cases[i].msg) || err.pos.line != cases[i].line || err.pos.col != cases[i].col)
            fail_msg("%s: %s at %u:%u", cases[i].text, err.msg, err.pos.line, err.pos.col);
        assert_null(v);
        hg_arena_free(a);
    }
}

static void deep_nesting_is_an_error(void **state)
{
    (void)state;
    char text[1000];
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    memset(text, '[', sizeof text);
    assert_int_equal(hg_json_parse(a, (hg_str_t){ text, sizeof text }, &v, &err), HG_EPARSE);
    assert_non_null(strstr(err.msg, "nested too deeply"));
    hg_arena_free(a);
}

static void writing_and_reading_agree(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, 4096);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "u", UINT64_MAX);
    hg_jw_ki64(&w, "i", INT64_MIN);
    hg_jw_key(&w, "s");
    hg_jw_str(&w, HG_S("q\"\\\n\x01\xff\xC3\xA9"));
    hg_jw_key(&w, "a");
    hg_jw_arr(&w);
    hg_jw_f64(&w, 0.1);
    hg_jw_f64(&w, 1e300 * 1e300);
    hg_jw_obj(&w);
    hg_jw_end_obj(&w);
    hg_jw_end_arr(&w);
    hg_jw_end_obj(&w);
    assert_int_equal(w.rc, 0);
    assert_string_equal(b.p, "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"s\":"
                             "\"q\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA9\",\"a\":[0.1,null,{}]}");
    hg_buf_release(&b);
}

static void a_full_buffer_is_remembered(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, 8);
    hg_jw_init(&w, &b);
    hg_jw_strz(&w, "0123456789");
    assert_int_equal(w.rc, HG_ETOOBIG);
    assert_int_equal(b.len, 0);
    hg_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_their_digits),   cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(strings_are_decoded),         cmocka_unit_test(bad_text_is_refused_with_its_place),
        cmocka_unit_test(deep_nesting_is_an_error),    cmocka_unit_test(writing_and_reading_agree),
        cmocka_unit_test(a_full_buffer_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
