/* header_filter of the Kafka input: what is refused, and the truth of each form. */
#include "tests/lib/test.h"
#include "base/buf.h"
#include "connectors/transport/kafka_filter.h"

static char complaint[400];
static void complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)warning, (void)node, (void)at_key;
    snprintf(complaint, sizeof complaint, "%s", msg);
}

/* The complaint, or "". */
static const char *check(const char *json)
{
    hg_diag_t d = { .fn = complain };
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *j;
    hg_arena_t *a = hg_arena_new();
    complaint[0] = 0;
    assert_int_equal(hg_json_parse(a, hg_strz(json), &j, &err), 0);
    hg_kfilter_check(j, &d);
    assert_int_equal(d.errors, complaint[0] != 0);
    hg_arena_free(a);
    return complaint;
}

static bool match(const char *json, const rd_kafka_headers_t *hs)
{
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *j;
    hg_arena_t *a = hg_arena_new();
    assert_string_equal(check(json), "");
    assert_int_equal(hg_json_parse(a, hg_strz(json), &j, &err), 0);
    hg_kfilter_t *f = hg_kfilter_new(j);
    hg_arena_free(a); /* a filter needs its text no more */
    bool yes = hg_kfilter_match(f, hs);
    hg_kfilter_free(f);
    return yes;
}

#define H(name, pattern) "{\"header\":{\"name\":\"" name "\",\"pattern\":\"" pattern "\"}}"

static void bad_filters_are_refused(void **st)
{
    (void)st;
    static const char *const shapes[] = { "{}", "[]", "3", "{\"header\":{},\"not\":{}}", "{\"xor\":[]}" };
    for (size_t i = 0; i < HG_COUNT(shapes); i++) assert_non_null(strstr(check(shapes[i]), "expected one of"));
    assert_non_null(strstr(check("{\"and\":[]}"), "at least one"));
    assert_non_null(strstr(check("{\"or\":{}}"), "at least one"));
    assert_non_null(strstr(check("{\"not\":3}"), "expected one of"));
    assert_non_null(strstr(check("{\"header\":{\"name\":\"x\"}}"), "\"pattern\": regular expression"));
    assert_non_null(strstr(check("{\"header\":{\"name\":3,\"pattern\":\"x\"}}"), "\"name\": text"));
    assert_non_null(strstr(check(H("x", "a\\u0000b")), "NUL"));
    assert_non_null(strstr(check(H("x", "(")), "bad regular expression"));
    assert_non_null(strstr(check(H("x", "a)|(b")), "bad regular expression"));
    assert_non_null(strstr(check(H("x", "\\\\d+")), "'\\d'"));
    hg_buf_t deep;
    hg_buf_init(&deep, 4096);
    for (int i = 0; i < 64; i++) hg_buf_adds(&deep, "{\"not\":");
    hg_buf_adds(&deep, H("x", "y"));
    for (int i = 0; i < 64; i++) hg_buf_addc(&deep, '}');
    assert_non_null(strstr(check(deep.p), "deeper than 64"));
    hg_buf_release(&deep);
}

static void each_form_has_its_truth(void **st)
{
    (void)st;
    rd_kafka_headers_t *hs = rd_kafka_headers_new(4);
    rd_kafka_header_add(hs, "a", 1, "one", 3);
    rd_kafka_header_add(hs, "a", 1, "two", 3);
    rd_kafka_header_add(hs, "n", 1, NULL, -1);
    rd_kafka_header_add(hs, "z", 1, "x\0y", 3);
    assert_true(match(H("a", "one"), hs));
    assert_true(match(H("a", "two"), hs)); /* any of several */
    assert_true(match(H("a", "three|t.o"), hs));
    assert_false(match(H("a", "on"), hs));
    assert_false(match(H("a", "ne|w"), hs)); /* alternatives are anchored as a whole */
    assert_true(match(H("n", ""), hs));      /* null is empty */
    assert_false(match(H("n", ".+"), hs));
    assert_false(match(H("none", ".*"), hs)); /* absent matches nothing */
    assert_true(match(H("z", "x[^a]y"), hs)); /* bytes, also NUL, */
    assert_false(match(H("z", "x.y"), hs));   /* which a dot is not */
    assert_false(match(H("z", "x"), hs));
    assert_true(match("{\"and\":[" H("a", "one") "," H("a", "two") "]}", hs));
    assert_false(match("{\"and\":[" H("a", "one") "," H("a", "six") "]}", hs));
    assert_true(match("{\"or\":[" H("a", "six") "," H("a", "two") "]}", hs));
    assert_false(match("{\"or\":[" H("a", "six") "," H("q", "two") "]}", hs));
    assert_true(match("{\"not\":" H("a", "six") "}", hs));
    assert_false(match("{\"not\":{\"not\":" H("a", "six") "}}", hs));
    assert_false(match(H("a", ".*"), NULL));
    rd_kafka_headers_destroy(hs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_filters_are_refused),
        cmocka_unit_test(each_form_has_its_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
