/* Regular expressions: what would take all memory or the stack is refused before the C library sees it. */
#include "tests/lib/test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/posix_regex.h"

static char why[HG_REGEX_WHY];

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    why[0] = 0;
    int rc = hg_regex_compile(pattern, REG_NOSUB, &re, why);
    if (rc < 0) fail_msg("%s: %s", pattern, why);
    bool yes = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return yes;
}

/* Why not. */
static const char *refused(const char *pattern)
{
    regex_t re;
    why[0] = 0;
    if (hg_regex_compile(pattern, 0, &re, why) == 0) fail_msg("%.60s was taken", pattern);
    return why;
}

/* `unit` n times, between `before` and `behind` n times each. */
static char *times(const char *before, const char *unit, const char *behind, uint32_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < n; i++) hg_buf_adds(&b, before);
    hg_buf_adds(&b, unit);
    for (uint32_t i = 0; i < n; i++) hg_buf_adds(&b, behind);
    return b.p; /* hg_free()d */
}

static void assert_refused(char *pattern, const char *reason)
{
    assert_string_equal(refused(pattern), reason);
    hg_free(pattern);
}

static void usual_patterns_are_compiled(void **st)
{
    (void)st;
    assert_true(matches("", "x"));
    assert_true(matches("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "01234567-89ab-cdef-0123-456789abcdef"));
    assert_true(matches("^(a|b)?c{2,}[]x]+[^]y]*[[:digit:][=a=]]$", "acccx]zz7"));
    assert_true(matches("^\\(\\+\\{[)]$", "(+{)"));
    assert_true(matches("^[a-z]{1,255}$", "name"));
    assert_true(matches("^a{0,1000}b{300,}$", "aabb") == false);
    assert_true(matches("^(a|b|cd){999}$", "ab") == false);
    assert_true(matches("^((a|b)c(d|)){3}$", "acdbcacd"));
    assert_string_equal(refused("("), "Unmatched ( or \\(");
    assert_string_equal(refused("a{2,1}"), "Invalid content of \\{\\}");
    assert_non_null(strstr(refused("[[:alpha"), "Unmatched ["));
    assert_non_null(strstr(refused("[a"), "Unmatched ["));
    assert_non_null(strstr(refused("x\\"), "Trailing backslash"));
    assert_true(refused("a{3")[0]);
}

static void what_would_take_all_memory_is_refused(void **st)
{
    (void)st;
    static const char many[] = "with its repetitions written out it is too long";
    static const char forks[] = "it has too many alternatives and repetitions";
    assert_refused(times("", "a", "+", 30), forks);
    assert_refused(times("(", "a", "){9}", 5), many);
    assert_refused(times("", "a", "{99999999999999999999}", 1), many);
    assert_refused(times("x", "x", "", HG_REGEX_PLACES), many);
    assert_refused(times("(", "a", "+)+", 11), forks);
    assert_refused(times("x|", "x", "", HG_REGEX_FORKS + 1), forks);
    assert_refused(times("", "(a?)", "{2500}", 1), forks);
    assert_refused(times("", "a", "{0,2500}", 1), forks);
    assert_refused(times("(", "a{00}", "){99}", 2), forks); /* what may match nothing is passed at once */
    assert_refused(times("(", "", "){60}", 2), forks);
    assert_refused(times("(", "|a", "){40}", 2), forks);
    assert_refused(times("(", "^", "){45}", 2), forks);
    assert_refused(times("(", "b*\\>", "){36}", 2), forks);
}

static void deep_groups_are_refused(void **st)
{
    (void)st;
    char *fits = times("(", "a", ")", HG_REGEX_DEPTH);
    assert_true(matches(fits, "a"));
    hg_free(fits);
    assert_refused(times("(", "a", ")", HG_REGEX_DEPTH + 1), "its groups are nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_patterns_are_compiled),
        cmocka_unit_test(what_would_take_all_memory_is_refused),
        cmocka_unit_test(deep_groups_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
