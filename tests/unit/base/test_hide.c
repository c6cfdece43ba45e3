/* What references stand for becomes the reference again (base/hide.h). */
#include "tests/lib/test.h"
#include "base/hide.h"

static void expect(const char *text, bool cut, const char *want)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(hg_hide_copy(hg_strz(text), cut, &b), 0);
    assert_string_equal(b.len ? b.p : "", want);
    hg_buf_release(&b);
}

static void nothing_is_hidden_without_references(void **st)
{
    (void)st;
    assert_false(hg_hide_any());
    hg_hide_learn(HG_S(""), HG_S("${env:EMPTY}"));
    hg_hide_learn(HG_S("abc"), HG_S("${env:SHORT}"));
    assert_false(hg_hide_any());
    expect("abc", true, "abc");
}

static void values_become_references(void **st)
{
    (void)st;
    hg_hide_learn(HG_S("http://u:geheim@h/x"), HG_S("${env:URL}"));
    hg_hide_learn(HG_S("http://u:geheim@h/x"), HG_S("${env:URL}"));
    hg_hide_learn(HG_S("http://u:geheim@h/x?token=t"), HG_S("${env:LONGER}"));
    hg_hide_learn(HG_S("price"), HG_S("${env:TOPIC}"));
    hg_hide_learn(HG_S("s3cret\nkey\n"), HG_S("${secret:kubernetes:n/k}"));
    assert_true(hg_hide_any());
    expect("", true, "");
    expect("'http://u:geheim@h/x': refused", false, "'${env:URL}': refused");
    expect("http://u:geheim@h/x?token=t", false, "${env:LONGER}");
    expect("http://u:geheim@h/xhttp://u:geheim@h/x", false, "${env:URL}${env:URL}");
    expect("price, prices, a_price; (price)", false, "${env:TOPIC}, prices, a_price; (${env:TOPIC})");
    expect("key 's3cret\nkey' of", false, "key '${secret:kubernetes:n/k}' of");
    expect("s3cret\nkey\n", false, "${secret:kubernetes:n/k}");
    expect("ends with http://u:geh", false, "ends with http://u:geh");
    expect("ends with http://u:geh", true, "ends with ${env:LONGER}");
    expect("ends with htt", true, "ends with htt");
}

static void an_error_is_told_without_them(void **st)
{
    (void)st;
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "'http://u:geheim@h/x': refused");
    hg_err_t told = hg_hide_err(&err);
    assert_string_equal(told.msg, "'${env:URL}': refused");
    assert_true(told.retry && told.code == HG_ENET);
    hg_err_set(&err, HG_ENET, "%460s http://u:geheim@h/x", "");
    assert_non_null(strstr(err.msg, "http://u:geheim"));
    assert_null(strstr(hg_hide_err(&err).msg, "http"));
    hg_err_set(&err, HG_ENET, "%s", "");
    assert_string_equal(hg_hide_err(&err).msg, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_hidden_without_references),
        cmocka_unit_test(values_become_references),
        cmocka_unit_test(an_error_is_told_without_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
