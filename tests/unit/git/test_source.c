/* Where a program lives, as users write it. */
#include "base/hg.h"
#include "tests/lib/test.h"

#include "git/git.h"

typedef struct row {
    const char *text, *path;
    const char *url, *ref, *in; /* url NULL: refused, and `in` is part of the message */
} row_t;

static const row_t sources[] = {
    { "https://h/x.git", NULL, "https://h/x.git", NULL, "" },
    { "https://h/x.git#main", "a/b/", "https://h/x.git", "main", "a/b" },
    { "https://me@h:8443/x#feature/y", "", "https://me@h:8443/x", "feature/y", "" },
    { "ssh://git@h:22/x#v1.2", NULL, "ssh://git@h:22/x", "v1.2", "" },
    { "git@h:team/x.git#main", "p", "git@h:team/x.git", "main", "p" },
    { "h:x", NULL, "h:x", NULL, "" },
    { "file:///srv/x#a#b", NULL, "file:///srv/x#a", "b", "" },
    { "/tmp/../tmp", NULL, "/tmp", NULL, "" },
    { "", NULL, NULL, NULL, "is missing" },
    { "#main", NULL, NULL, NULL, "is missing" },
    { "-x", NULL, NULL, NULL, "begin with '-'" },
    { "ftp://h/x", NULL, NULL, NULL, "'ftp' is no scheme" },
    { "https:///x", NULL, NULL, NULL, "names no host" },
    { "https://me:pw@h/x", NULL, NULL, NULL, "must not hold a password" },
    { "ext::sh -c x", NULL, NULL, NULL, "a helper of git" },
    { "/nowhere/at/all", NULL, NULL, NULL, "No such file" },
    { "https://h/x#", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/x#a..b", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/x#-a", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/x#a b", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/x#a@{1}", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/\nx", NULL, NULL, NULL, "control character" },
    { "https://h/x", "/a", NULL, NULL, "begins with '/'" },
    { "https://h/x", "a/../b", NULL, NULL, "'..'" },
    { "https://h/x", "a//b", NULL, NULL, "not a path within" },
    { "https://h/x", "a\\b", NULL, NULL, "not a path within" },
};

static const row_t files[] = {
    { "https://h/x.git:p.sql", NULL, "https://h/x.git", NULL, "p.sql" },
    { "https://h:80/x.git@main:a/p.sql", NULL, "https://h:80/x.git", "main", "a/p.sql" },
    { "https://me@h/x:p.sql", NULL, "https://me@h/x", NULL, "p.sql" },
    { "https://me@h/x@feature/y:p.sql", NULL, "https://me@h/x", "feature/y", "p.sql" },
    { "git@h:x.git@v1:p.sql", NULL, "git@h:x.git", "v1", "p.sql" },
    { "git@h:x.git:p.sql", NULL, "git@h:x.git", NULL, "p.sql" },
    { "https://h:80/x", NULL, NULL, NULL, "names no file" },
    { "https://h:80", NULL, NULL, NULL, "names no file" },
    { "https://h/x:", NULL, NULL, NULL, "names no file" },
    { "https://h/x@:p", NULL, NULL, NULL, "not the name of a branch" },
    { "https://h/x:../p", NULL, NULL, NULL, "'..'" },
    { "", NULL, NULL, NULL, "names no file" },
};

static void check(const row_t *r, int rc, const hg_git_source_t *s, const hg_err_t *err)
{
    if (!r->url) {
        assert_int_not_equal(rc, 0);
        if (!strstr(err->msg, r->in)) fail_msg("'%s': %s", r->text, err->msg);
        return;
    }
    if (rc != 0) fail_msg("'%s': %s", r->text, err->msg);
    assert_string_equal(s->url, r->url);
    assert_string_equal(s->path, r->in);
    if (r->ref)
        assert_string_equal(s->ref, r->ref);
    else
        assert_null(s->ref);
}

static void test_sources(void **state)
{
    hg_arena_t *a = hg_arena_new();
    (void)state;
    for (size_t i = 0; i < HG_COUNT(sources); i++) {
        hg_err_t err = HG_ERR_INIT;
        hg_git_source_t s = { NULL, NULL, NULL };
        int rc = hg_git_source_parse(a, sources[i].text, sources[i].path, &s, &err);
        check(&sources[i], rc, &s, &err);
    }
    hg_arena_free(a);
}

static void test_files(void **state)
{
    hg_arena_t *a = hg_arena_new();
    (void)state;
    for (size_t i = 0; i < HG_COUNT(files); i++) {
        hg_err_t err = HG_ERR_INIT;
        hg_git_source_t s = { NULL, NULL, NULL };
        int rc = hg_git_file_parse(a, files[i].text, &s, &err);
        check(&files[i], rc, &s, &err);
    }
    hg_arena_free(a);
}

static void test_too_long(void **state)
{
    static char text[8192];
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    hg_git_source_t s;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(hg_git_source_parse(a, text, NULL, &s, &err), HG_EINVAL);
    assert_int_equal(hg_git_source_parse(a, "https://h/x", text, &s, &err), HG_EINVAL);
    assert_int_equal(hg_git_file_parse(a, text, &s, &err), HG_EINVAL);
    hg_arena_free(a);
}

static void test_intervals(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: refused */
    } rows[] = { { "30s", 30000 }, { "30", 30000 },
                 { "5m", 300000 }, { "1h", 3600000 },
                 { "100ms", 100 }, { "24h", 86400000 },
                 { "99ms", 0 },    { "25h", 0 },
                 { "0", 0 },       { "", 0 },
                 { "s", 0 },       { "-1s", 0 },
                 { "1d", 0 },      { "99999999999999999999s", 0 } };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_err_t err = HG_ERR_INIT;
        uint64_t ms = 0;
        int rc = hg_git_interval_parse(rows[i].text, &ms, &err);
        if (ms != rows[i].ms || (rc == 0) != (rows[i].ms != 0)) fail_msg("'%s': %d", rows[i].text, (int)ms);
    }
}

static void test_local(void **state)
{
    (void)state;
    assert_true(hg_git_is_local("/srv/x") && hg_git_is_local("x") && hg_git_is_local("file:///x"));
    assert_true(hg_git_is_local("a/b:c"));
    assert_false(hg_git_is_local("https://h/x") || hg_git_is_local("git@h:x") || hg_git_is_local("h:x"));
}

static void test_where_a_token_goes(void **state)
{
    static const char *const yes[] = { "https://h/x",      "http://127.0.0.1/x",     "http://127.9.8.7:80/x",
                                       "http://localhost", "http://LOCALHOST:8/x",   "http://[::1]/x",
                                       "http://[::1]:8/x", "http://me@127.0.0.1:8/x" };
    static const char *const no[] = { "http://h/x",
                                      "http://127.example/x",
                                      "http://127.0.0.1.example/x",
                                      "http://localhost.example/x",
                                      "http://localhost@h/x",
                                      "http://127.0.0.1:8@h/x",
                                      "http://[::2]/x",
                                      "http://[::1",
                                      "http://h/@localhost",
                                      "http://",
                                      "ssh://h/x",
                                      "git://localhost/x" };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(yes); i++)
        if (!hg_git_token_may_go(yes[i])) fail_msg("%s", yes[i]);
    for (size_t i = 0; i < HG_COUNT(no); i++)
        if (hg_git_token_may_go(no[i])) fail_msg("%s", no[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),   cmocka_unit_test(test_files), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_intervals), cmocka_unit_test(test_local), cmocka_unit_test(test_where_a_token_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
