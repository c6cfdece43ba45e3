/* What leaves the house has no secrets in it: every form a value may take, and what stays readable. (Options that are
 * declared secret: tests/e2e/test_support_bundle.py.) */
#include "base/hg.h"
#include "tests/lib/test.h"

#include "base/mem.h"
#include "compile/redact.h"
#include "tests/unit/compile/fake_registry.h"

static char *copied(hg_redact_t *r, const char *text)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_redact_copy(r, hg_strz(text), &b);
    hg_buf_addc(&b, 0);
    return hg_buf_take(&b, NULL);
}

#define BECOMES(r, text, want)                                                                                         \
    do {                                                                                                               \
        char *got_ = copied(r, text);                                                                                  \
        assert_string_equal(got_, want);                                                                               \
        hg_free(got_);                                                                                                 \
    } while (0)

static int resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err)
{
    (void)arg, (void)a;
    if (!strncmp(reference.p, "${env:NONE}", reference.n)) return hg_err_set(err, HG_EREFERENCE, "not set");
    *ret = reference.p[2] == 'e' ? HG_S("of-the-environment") : HG_S("of-a-file\n");
    return 0;
}

static void test_forms(void **state)
{
    hg_redact_t *r = hg_redact_new();
    (void)state;
    hg_redact_learn_value(r, HG_S("a\"b'c d"));
    BECOMES(r, "<a\"b'c d>", "<***>");
    BECOMES(r, "<a\\\"b'c d>", "<***>");
    BECOMES(r, "<a\"b''c d>", "<***>");
    BECOMES(r, "<a\\\"b''c d>", "<***>");
    BECOMES(r, "<a\\\\\\\"b''c d>", "<***>");
    BECOMES(r, "<a%22b%27c%20d>", "<***>");
    BECOMES(r, "<a\"b'c e>", "<a\"b'c e>");
    hg_redact_free(r);
}

static void test_words(void **state)
{
    hg_redact_t *r = hg_redact_new();
    (void)state;
    hg_redact_learn_value(r, HG_S("postgres"));
    hg_redact_learn_value(r, HG_S("postgres-long-one"));
    hg_redact_learn_value(r, HG_S("abc"));
    hg_redact_learn_value(r, HG_S("true"));
    BECOMES(r, "postgres_input as postgres: abc, true", "postgres_input as ***: abc, true");
    BECOMES(r, "postgres-long-one", "***");
    hg_redact_free(r);
}

static void test_members(void **state)
{
    hg_redact_t *r = hg_redact_new();
    (void)state;
    hg_redact_learn(
        r,
        HG_S("-- {\"password\" : \"ab\", \"credentials\": {\"a\": [\"inner-one\", \"inner-two\"], \"b\": 1}, "
             "\"token\": 123456, \"plain\": \"visible\", \"x\": \"${env:X}\", \"secret\": "
             "\"${secret:kubernetes:a/b}\", \"y\": \"${env:NONE}\", \"password\": \"without end"),
        resolve, NULL);
    BECOMES(r, "{\"password\": \"ab\", \"password\":\"ab\"} ab", "{\"password\": \"***\", \"password\":\"***\"} ab");
    BECOMES(r, "inner-one inner-two 123456 visible 1", "*** *** *** visible 1");
    BECOMES(r, "of-the-environment of-a-file", "*** ***");
    BECOMES(r, "${secret:kubernetes:a/b} ${env:X}", "${secret:kubernetes:a/b} ${env:X}");
    hg_redact_free(r);
}

static void test_headers_in_a_list(void **state)
{
    hg_redact_t *r = hg_redact_new();
    (void)state;
    hg_redact_learn(r,
                    HG_S("[{\"key\": \"Authorization\", \"value\": \"Bearer first\"},{\"value\" :\"second-one\" , "
                         "\"name\":\"x-api-key\"}, {\"key\": \"accept\", \"value\": \"text/html\"}, "
                         "{\"key\": \"cookie\", \"value\": [1]}, {\"key\": \"token\", \"value\": \"no end"),
                    NULL, NULL);
    BECOMES(r, "Bearer first, second-one, text/html", "***, ***, text/html");
    hg_redact_free(r);
}

static void test_urls(void **state)
{
    hg_redact_t *r = hg_redact_new();
    (void)state;
    hg_redact_learn(r, HG_S("postgresql://me:pa%20ss@h/db"), NULL, NULL);
    BECOMES(r, "failed for 'pa ss'", "failed for '***'");
    BECOMES(r, "x://u:other@h:80/p?token=t&a=1&Sig=s;v#f", "x://u:***@h:80/p?token=***&a=1&Sig=***#f");
    BECOMES(r, "http://h:80/@a?b=c ssh://u@h ://", "http://h:80/@a?b=c ssh://u@h ://");
    BECOMES(r, "https://a-token@h/x http://me:un quoted@h 'http://me:in quotes@h'",
            "https://***@h/x http://me:un quoted@h 'http://me:***@h'");
    BECOMES(r, "'http://me:it's@h': no", "'http://me:***@h': no");
    hg_redact_free(r);
}

static void test_names(void **state)
{
    hg_arena_t *a = hg_arena_new();
    hg_redact_t *r = hg_redact_new();
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_json_parse(a, HG_S("{\"A\": \"1\", \"B\": \"long-value\"}"), &v, &err), 0);
    hg_redact_learn_members(r, v);
    BECOMES(r, "{\"A\":\"1\",\"B\":\"long-value\"} 1", "{\"A\":\"***\",\"B\":\"***\"} 1");
    hg_redact_free(r);
    hg_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_members), cmocka_unit_test(test_headers_in_a_list),
        cmocka_unit_test(test_urls),    cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
