/* Buffers, slices, arenas, option tables, errors, string maps. */
#include "tests/lib/test.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/opts.h"
#include "base/strmap.h"

static void buffer_keeps_its_ceiling_and_its_end(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, 10);
    assert_string_equal(b.p, "");
    assert_int_equal(hg_buf_adds(&b, "0123456789"), 0);
    assert_int_equal(hg_buf_addc(&b, 'x'), HG_ETOOBIG);
    assert_string_equal(b.p, "0123456789");
    hg_buf_eat(&b, 4);
    assert_string_equal(b.p, "456789");
    hg_buf_release(&b);
}

static void failed_allocation_leaves_a_buffer_as_it_was(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(hg_buf_adds(&b, "abc"), 0);
    hg_fault_arm(HG_FAULT_ALLOC, 1);
    assert_int_equal(hg_buf_reserve(&b, 1 << 20), HG_ENOMEM);
    assert_true(hg_fault_fired());
    hg_fault_arm(HG_FAULT_ALLOC, 0);
    assert_string_equal(b.p, "abc");
    hg_buf_release(&b);
}

static void numbers_of_slices_are_exact(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_int_equal(hg_str_u64(HG_S("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(hg_str_u64(HG_S("18446744073709551616"), &u), HG_ERANGE);
    assert_int_equal(hg_str_u64(HG_S(""), &u), HG_EPARSE);
    assert_int_equal(hg_str_i64(HG_S("-9223372036854775808"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(hg_str_i64(HG_S("-9223372036854775809"), &i), HG_ERANGE);
    assert_int_equal(hg_str_i64(HG_S("9223372036854775808"), &i), HG_ERANGE);
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF" };
    static const char *const bad[] = { "\x80", "\xC0\xAF", "\xE0\x80\xAF",        "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                       "\xC3", "\xE2\x82", "\xF8\x88\x80\x80\x80" };
    for (size_t i = 0; i < HG_COUNT(good); i++) assert_true(hg_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < HG_COUNT(bad); i++) assert_false(hg_utf8_valid(bad[i], strlen(bad[i])));
    for (size_t i = 0; i < HG_COUNT(good); i++) {
        char s[8];
        snprintf(s, sizeof s, "%s", good[i]);
        hg_utf8_mend(s);
        assert_string_equal(s, good[i]);
    }
    static const struct {
        const char *broken, *mended;
    } t[] = {
        { "\xC3", "?" },
        { "a\xE2\x82", "a?\?" },
        { "\xC3\xA9\xF0\x9F\x98' is", "\xC3\xA9?\?\?' is" },
        { "\x80\xF0\x9F\x98\x80\xFF\xE2\x82\xAC", "?\xF0\x9F\x98\x80?\xE2\x82\xAC" },
        { "\xED\xA0\x80z", "?\?\?z" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        char s[16];
        snprintf(s, sizeof s, "%s", t[i].broken);
        hg_utf8_mend(s);
        assert_string_equal(s, t[i].mended);
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_EINVAL, "%s", t[i].broken);
        assert_string_equal(err.msg, t[i].mended);
    }
}

static void percent_codes(void **state)
{
    (void)state;
    hg_buf_t b;
    hg_buf_init(&b, 100);
    assert_int_equal(hg_pct_decode(&b, HG_S("a%2Fb+c%22"), true), 0);
    assert_string_equal(b.p, "a/b c\"");
    hg_buf_clear(&b);
    assert_int_equal(hg_pct_decode(&b, HG_S("ok%2"), false), HG_EPARSE);
    assert_int_equal(b.len, 0);
    assert_int_equal(hg_pct_encode(&b, HG_S("a b/\xC3\xA9~")), 0);
    assert_string_equal(b.p, "a%20b%2F%C3%A9~");
    hg_buf_release(&b);
}

static void the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = { "topic", "bootstrap.servers", "start_from", NULL };
    assert_string_equal(hg_nearest(HG_S("topci"), names), "topic");
    assert_string_equal(hg_nearest(HG_S("Start_form"), names), "start_from");
    assert_null(hg_nearest(HG_S("zzz"), names));
}

typedef struct {
    const char *s;
    uint32_t n;
    bool b, n_set;
    int e;
    hg_strlist_t l;
    uint64_t d;
    uint32_t old;
    hg_strlist_t olds;
} cfg_t;

static const hg_opt_t g_table[] = {
    { .key = "s", .type = HG_OPT_STR, .at = offsetof(cfg_t, s), .flags = HG_OPT_REQUIRED, .doc = "A text." },
    { .key = "number",
      .type = HG_OPT_U32,
      .at = offsetof(cfg_t, n),
      .set_at = offsetof(cfg_t, n_set),
      .def = "3",
      .min = 1,
      .max = 64 },
    { .key = "b", .type = HG_OPT_BOOL, .at = offsetof(cfg_t, b), .def = "true" },
    { .key = "e", .type = HG_OPT_ENUM, .at = offsetof(cfg_t, e), .names = "earliest|latest", .def = "latest" },
    { .key = "l", .type = HG_OPT_STRLIST, .at = offsetof(cfg_t, l), .flags = HG_OPT_ONE_OR_MANY },
    { .key = "d", .type = HG_OPT_DURATION, .at = offsetof(cfg_t, d), .def = "30s" },
    { .key = "password", .type = HG_OPT_STR, .at = offsetof(cfg_t, s), .flags = HG_OPT_SECRET },
    { .key = "old",
      .type = HG_OPT_U32,
      .at = offsetof(cfg_t, old),
      .def = "3",
      .flags = HG_OPT_IGNORED,
      .doc = "Why." },
    { .key = "olds", .type = HG_OPT_STRLIST, .at = offsetof(cfg_t, olds), .flags = HG_OPT_IGNORED, .doc = "Why." },
    { .key = NULL },
};

static void collect(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)at_key;
    assert_non_null(node);
    hg_buf_addf(arg, "%s %s\n", warning ? "W" : "E", msg);
}

static void try_options(const char *json, hg_extra_t extra, cfg_t *cfg, const char *expected)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    hg_buf_t out;
    hg_kvlist_t more = { 0 };
    hg_buf_init(&out, 10000);
    hg_diag_t d = { .fn = collect, .arg = &out };
    memset(cfg, 0, sizeof *cfg);
    assert_int_equal(hg_json_parse(a, hg_strz(json), &v, &err), 0);
    int rc = hg_opts_parse(g_table, v, v, extra, &more, a, cfg, &d);
    assert_string_equal(out.p, expected);
    assert_int_equal(rc, d.errors ? HG_EINVAL : 0);
    hg_buf_release(&out);
    hg_arena_free(a);
}

static void options_are_checked(void **state)
{
    (void)state;
    cfg_t c;
    try_options("{\"s\": \"x\"}", HG_EXTRA_REFUSE, &c, "");
    assert_int_equal(c.n, 3);
    assert_false(c.n_set);
    assert_true(c.b);
    assert_int_equal(c.e, 1);
    assert_int_equal(c.d, 30000);
    try_options("{\"s\": \"x\", \"number\": 64, \"e\": \"earliest\", \"l\": \"one\", \"b\": null}", HG_EXTRA_REFUSE, &c,
                "");
    assert_true(c.n_set && c.n == 64 && c.e == 0 && c.l.n == 1 && c.b);
    try_options("{}", HG_EXTRA_REFUSE, &c, "E missing field `s`: A text.\n");
    try_options("{\"s\": 5}", HG_EXTRA_REFUSE, &c, "E option 's': expected a string, found a number\n");
    try_options("{\"s\": \"\", \"number\": 65}", HG_EXTRA_REFUSE, &c,
                "E option 'number': 65 is not a whole number from 1 to 64\n");
    try_options("{\"s\": \"\", \"number\": 1.5}", HG_EXTRA_REFUSE, &c,
                "E option 'number': 1.5 is not a whole number from 1 to 64\n");
    try_options("{\"s\": \"\", \"e\": \"x\"}", HG_EXTRA_REFUSE, &c,
                "E option 'e': invalid value 'x'; valid values are: earliest|latest\n");
    try_options("{\"s\": \"\", \"numbr\": 1}", HG_EXTRA_REFUSE, &c,
                "E unknown field \"numbr\"; did you mean \"number\"?\n");
    try_options("{\"s\": \"\", \"numbr\": 1}", HG_EXTRA_WARN, &c,
                "W unknown field \"numbr\"; did you mean \"number\"?\n");
    try_options("{\"s\": \"\", \"other.option\": {}}", HG_EXTRA_TAKE, &c,
                "E option 'other.option': expected a string, found an object\n");
    static const struct {
        const char *json;
        uint64_t ms;
    } durations[] = { { "250", 250 },          { "\"250\"", 250 },         { "\"0\"", 0 },
                      { "\"1m 30s\"", 90000 }, { "\"2 Hours\"", 7200000 }, { "\"1500us\"", 1 },
                      { "\"1day\"", 86400000 } };
    for (size_t i = 0; i < HG_COUNT(durations); i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"s\": \"\", \"d\": %s}", durations[i].json);
        try_options(json, HG_EXTRA_REFUSE, &c, "");
        assert_int_equal(c.d, durations[i].ms);
    }
    try_options("{\"s\": \"\", \"d\": \"5 fortnights\"}", HG_EXTRA_REFUSE, &c,
                "E option 'd': '5 fortnights' is not a duration; write milliseconds or a text like \"500ms\", \"30s\", "
                "\"5m\"\n");
}

/* Feldera's programs may say what it is anyway. */
static void what_is_without_effect_is_told(void **state)
{
    (void)state;
    cfg_t c;
    try_options("{\"s\": \"\", \"old\": 3, \"olds\": []}", HG_EXTRA_REFUSE, &c, "");
    try_options("{\"s\": \"\", \"old\": null, \"olds\": null}", HG_EXTRA_REFUSE, &c, "");
    try_options("{\"s\": \"\", \"old\": 4, \"olds\": [\"a\"]}", HG_EXTRA_REFUSE, &c,
                "W option 'old' is without effect: Why.\nW option 'olds' is without effect: Why.\n");
}

static void secrets_are_not_printed(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v;
    hg_err_t err;
    hg_buf_t out;
    hg_buf_init(&out, 1000);
    assert_int_equal(
        hg_json_parse(a,
                      HG_S("{\"password\":\"p\",\"sasl.password\":\"q\",\"s\":\"x\",\"deep\":{\"api_token\":\"t\"}}"),
                      &v, &err),
        0);
    hg_opts_redact(g_table, v, &out);
    assert_string_equal(
        out.p, "{\"password\":\"***\",\"sasl.password\":\"***\",\"s\":\"x\",\"deep\":{\"api_token\":\"***\"}}");
    hg_buf_release(&out);
    hg_arena_free(a);
}

static void string_map_finds_what_was_put(void **state)
{
    (void)state;
    hg_strmap_t m;
    char keys[500][8];
    hg_strmap_init(&m);
    assert_int_equal(hg_strmap_get(&m, HG_S("x")), HG_STRMAP_NONE);
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        assert_int_equal(hg_strmap_put(&m, hg_strz(keys[i]), i), i);
    }
    for (uint32_t i = 0; i < 500; i++) assert_int_equal(hg_strmap_get(&m, hg_strz(keys[i])), i);
    assert_int_equal(hg_strmap_put(&m, HG_S("k7"), 9), 7);
    hg_strmap_release(&m);
}

static void arena_arrays_grow(void **state)
{
    (void)state;
    hg_arena_t *a = hg_arena_new();
    uint32_t *v = NULL, n = 0;
    for (uint32_t i = 0; i < 1000; i++) HG_APUSH(a, v, n, i);
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(v[i], i);
    hg_arena_free(a);
}

static void codes_have_names_and_statuses(void **state)
{
    (void)state;
    assert_string_equal(hg_code_name(HG_EUNKNOWNINPUT), "UnknownInputEndpoint");
    assert_int_equal(hg_code_http(HG_EUNKNOWNINPUT), 404);
    assert_string_equal(hg_code_name(-12345), "InternalError");
    hg_err_t err;
    hg_err_set(&err, HG_EIO, "inner");
    assert_int_equal(hg_err_wrap(&err, "outer %d", 1), HG_EIO);
    assert_string_equal(err.msg, "outer 1: inner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_its_ceiling_and_its_end),
        cmocka_unit_test(failed_allocation_leaves_a_buffer_as_it_was),
        cmocka_unit_test(numbers_of_slices_are_exact),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(percent_codes),
        cmocka_unit_test(the_nearest_name),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(what_is_without_effect_is_told),
        cmocka_unit_test(secrets_are_not_printed),
        cmocka_unit_test(string_map_finds_what_was_put),
        cmocka_unit_test(arena_arrays_grow),
        cmocka_unit_test(codes_have_names_and_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
