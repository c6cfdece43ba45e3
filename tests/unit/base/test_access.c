/* test_access.c: limits on files and hosts: what is inside, what is outside, and what gets round them. */
#include "base/hg.h"
#include "base/access.h"
#include "base/buf.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static char g_dir[] = "/tmp/hg-access-XXXXXX";

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", g_dir, name);
    return p;
}

/* Through the text that children get: what is made is what is in force. */
static void enter(hg_access_t *a)
{
    hg_arena_t *arena = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_access_write(a, &w);
    assert_int_equal(hg_json_parse(arena, hg_buf_str(&b), &v, &err), 0);
    assert_int_equal(hg_access_enter(v, &err), 0);
    assert_int_equal(hg_access_limited(), hg_access_limits(a));
    hg_buf_release(&b);
    hg_arena_free(arena);
    hg_access_free(a);
}

static hg_access_t *hosts(bool deny_private, const char *const *patterns)
{
    hg_access_t *a = hg_access_new();
    hg_err_t err = HG_ERR_INIT;
    for (; patterns && *patterns; patterns++) assert_int_equal(hg_access_add_host(a, *patterns, &err), 0);
    if (deny_private) hg_access_deny_private(a);
    return a;
}

static int leave(void **state)
{
    (void)state;
    hg_access_leave();
    return 0;
}

static bool may_ask(const char *server)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_access_server(hg_strz(server), &err);
    assert_true(rc == 0 || (rc == HG_EPERM && err.msg[0] && !err.retry));
    return rc == 0;
}

static bool may_connect(const char *ip, unsigned port, const char *name)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    hg_err_t err = HG_ERR_INIT;
    bool v4 = inet_pton(AF_INET, ip, &in.sin_addr) == 1;
    if (!v4) assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
    return hg_access_addr(v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6, name, &err) == 0;
}

static void test_no_limits(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    enter(hg_access_new());
    assert_false(hg_access_limited());
    assert_true(may_ask("anything:1"));
    assert_true(may_connect("10.0.0.1", 1, NULL));
    assert_int_equal(hg_access_path("/etc/passwd", &err), 0);
    assert_int_equal(hg_access_socket("/tmp/x", &err), 0);
}

static void test_patterns(void **state)
{
    static const char *const good[] = { "a.example",  "a.example:9092", "*.example.com", "*",
                                        "10.0.0.0/8", "10.1.2.3",       "10.1.2.3:5432", "[::1]",
                                        "[::1]:80",   "fd00::/8",       "::1",           "h_1-x" };
    static const char *const bad[] = { "",        "a b",      ":80",   "a:",          "a:x",       "a:0",
                                       "a:65536", "*.",       "a.*.b", "10.0.0.0/33", "::/129",    "[::1",
                                       "[::1]x",  "http://a", "a/b",   ".a",          "10.0.0.0/x" };
    hg_err_t err = HG_ERR_INIT;
    hg_access_t *a = hg_access_new();
    (void)state;
    for (size_t i = 0; i < HG_COUNT(good); i++)
        if (hg_access_add_host(a, good[i], &err) < 0) fail_msg("%s: %s", good[i], err.msg);
    for (size_t i = 0; i < HG_COUNT(bad); i++)
        if (hg_access_add_host(a, bad[i], &err) == 0) fail_msg("%s was taken", bad[i]);
    hg_access_free(a);
}

static void test_names(void **state)
{
    static const char *const list[] = { "db.example", "kafka.example:9092", "*.cdn.example", NULL };
    (void)state;
    enter(hosts(false, list));
    assert_true(may_ask("db.example"));
    assert_true(may_ask("DB.Example.:5432"));
    assert_true(may_ask("kafka.example:9092"));
    assert_false(may_ask("kafka.example:9093"));
    assert_true(may_ask("a.b.cdn.example:80"));
    assert_false(may_ask("cdn.example"));
    assert_false(may_ask("xcdn.example"));
    assert_false(may_ask("db.example.evil"));
    assert_false(may_ask("10.0.0.1"));
    /* by the name that was asked for; an address without a name is nobody's */
    assert_true(may_connect("10.0.0.1", 5432, "db.example"));
    assert_false(may_connect("10.0.0.1", 5432, NULL));
    assert_false(may_connect("10.0.0.1", 5432, "other.example"));
}

static void test_networks(void **state)
{
    static const char *const list[] = { "10.1.0.0/16", "192.168.7.7:443", "fd00:1::/32", NULL };
    (void)state;
    enter(hosts(false, list));
    assert_true(may_ask("any.name")); /* its address will tell */
    assert_true(may_ask("10.1.255.1"));
    assert_false(may_ask("10.2.0.1"));
    assert_true(may_ask("[fd00:1::5]:80"));
    assert_false(may_ask("[fd00:2::5]:80"));
    assert_true(may_connect("10.1.2.3", 1, "any.name"));
    assert_true(may_connect("::ffff:10.1.2.3", 1, NULL));
    assert_false(may_connect("11.1.2.3", 1, "any.name"));
    assert_true(may_connect("192.168.7.7", 443, NULL));
    assert_false(may_connect("192.168.7.7", 80, NULL));
}

static void test_private(void **state)
{
    static const char *const private[] = { "127.0.0.1",
                                           "127.9.9.9",
                                           "10.0.0.1",
                                           "172.16.0.1",
                                           "172.31.255.255",
                                           "192.168.1.1",
                                           "169.254.169.254",
                                           "100.64.0.1",
                                           "0.0.0.0",
                                           "224.0.0.1",
                                           "255.255.255.255",
                                           "::",
                                           "::1",
                                           "fe80::1",
                                           "fd12::1",
                                           "ff02::1",
                                           "::ffff:10.0.0.1",
                                           "64:ff9b::10.0.0.1",
                                           "2002:a00:1::1",
                                           "::10.0.0.1" };
    static const char *const public[] = { "8.8.8.8",         "172.32.0.1", "100.128.0.1",      "192.167.0.1",
                                          "2606:4700::1111", "1.1.1.1",    "64:ff9b::8.8.8.8", "::ffff:8.8.8.8" };
    (void)state;
    enter(hosts(true, NULL));
    for (size_t i = 0; i < HG_COUNT(private); i++) {
        if (may_connect(private[i], 80, NULL) || may_connect(private[i], 80, "a.name")) fail_msg("%s", private[i]);
        char *server = hg_xprintf("[%s]:80", private[i]);
        if (may_ask(server)) fail_msg("%s", server);
        hg_free(server);
    }
    for (size_t i = 0; i < HG_COUNT(public); i++)
        if (!may_connect(public[i], 80, NULL)) fail_msg("%s", public[i]);
    assert_true(may_ask("any.name:80"));
    assert_false(may_ask("localhost:80"));
    assert_false(may_ask("LOCALHOST.:80"));
}

static void test_private_but(void **state)
{
    static const char *const list[] = { "*", "10.5.0.0/16", "127.0.0.1:9000", NULL };
    (void)state;
    enter(hosts(true, list));
    assert_true(may_connect("8.8.8.8", 80, "a.name"));
    assert_true(may_connect("10.5.1.1", 80, "a.name"));
    assert_false(may_connect("10.6.1.1", 80, "a.name")); /* * is no number */
    assert_true(may_ask("localhost:9000"));
    assert_false(may_ask("localhost:9001"));
}

static void test_resolve(void **state)
{
    struct sockaddr_storage all[4];
    static const char *const list[] = { "*", NULL };
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    enter(hosts(false, list));
    int n = hg_access_resolve("127.0.0.1", 81, all, 4, &err);
    assert_int_equal(n, 1);
    assert_int_equal(ntohs(((struct sockaddr_in *)&all[0])->sin_port), 81);
    assert_int_equal(hg_access_resolve("no-such-host.invalid", 81, all, 4, &err), HG_ENET);
    assert_true(err.retry);
    hg_access_leave();
    enter(hosts(true, NULL));
    err = HG_ERR_INIT;
    assert_int_equal(hg_access_resolve("127.0.0.1", 81, all, 4, &err), HG_EPERM);
    assert_false(err.retry);
}

/* --- files --- */

static void put(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void enter_paths(void)
{
    hg_access_t *a = hg_access_new();
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_access_add_path(a, at("in"), &err), 0);
    assert_int_equal(hg_access_add_path(a, at("one.txt"), &err), 0);
    assert_int_equal(hg_access_deny_path(a, at("in/data"), &err), 0);
    enter(a);
}

static bool inside(const char *path)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_access_path(path, &err);
    assert_true(rc == 0 || err.msg[0]);
    return rc == 0;
}

static int opens(const char *path, int flags)
{
    int fd = hg_access_open(path, flags, 0600), sys = errno;
    if (fd < 0) return sys;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    return 0;
}

static void test_paths(void **state)
{
    (void)state;
    enter_paths();
    assert_true(inside(at("in/a.txt")));
    assert_true(inside(at("in/new/deep/b.txt"))); /* not there yet */
    assert_true(inside(at("one.txt")));
    assert_true(inside(at("in/sub/../a.txt")));
    assert_true(inside(at("to-in/a.txt"))); /* a link that leads inside */
    assert_false(inside(at("one.txt.bak")));
    assert_false(inside(at("inside.txt")));
    assert_false(inside(at("in/../out/x")));
    assert_false(inside(at("in/nothing/../../out/x")));
    assert_false(inside(at("in/link-out/x")));
    assert_false(inside(at("in/link-file")));
    assert_false(inside(at("in/data/control.db")));
    assert_false(inside("/etc/passwd"));
    assert_false(inside("../../../../../../etc/passwd"));
    assert_int_equal(opens(at("in/a.txt"), O_RDONLY), 0);
    assert_int_equal(opens(at("to-in/a.txt"), O_RDONLY), 0);
    assert_int_equal(opens(at("one.txt"), O_RDONLY), 0);
    assert_int_equal(opens(at("in/made"), O_WRONLY | O_CREAT | O_TRUNC), 0);
    assert_int_equal(opens(at("in/none"), O_RDONLY), ENOENT);
    assert_int_equal(opens(at("in/link-file"), O_RDONLY), EACCES);
    assert_int_equal(opens(at("in/dangling"), O_WRONLY | O_CREAT), EACCES);
    assert_int_equal(access(at("out/made"), F_OK), -1);
    assert_int_equal(opens(at("in/data/control.db"), O_RDONLY), EACCES);
    assert_int_equal(opens("/etc/passwd", O_RDONLY), EACCES);
    char far[600];
    snprintf(far, sizeof far, "%s/in/%0300d", g_dir, 0);
    assert_int_equal(opens(far, O_RDONLY), ENAMETOOLONG);
}

static void test_relative(void **state)
{
    char old[4096];
    (void)state;
    enter_paths();
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(at("in/sub")), 0);
    assert_true(inside("../a.txt"));
    assert_int_equal(opens("../a.txt", O_RDONLY), 0);
    assert_false(inside("../../out/x"));
    assert_int_equal(chdir(old), 0);
}

static void test_sockets(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    enter_paths();
    assert_int_equal(hg_access_socket(at("in/s"), &err), 0);
    assert_int_equal(hg_access_socket(at("out/s"), &err), HG_EPERM);
    hg_access_leave();
    enter(hosts(true, NULL));
    assert_int_equal(hg_access_socket(at("in/s"), &err), HG_EPERM);
}

static void test_bad_text(void **state)
{
    static const char *const texts[] = { "{}", "{\"paths\": 1, \"denied\": [], \"hosts\": []}",
                                         "{\"paths\": [1], \"denied\": [], \"hosts\": []}",
                                         "{\"paths\": [], \"denied\": [], \"hosts\": [\"a b\"]}" };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(texts); i++) {
        hg_arena_t *arena = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_json_parse(arena, hg_strz(texts[i]), &v, &err), 0);
        assert_true(hg_access_enter(v, &err) < 0);
        assert_false(hg_access_limited());
        hg_arena_free(arena);
    }
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(g_dir)) return -1;
    const char *const dirs[] = { "in", "in/sub", "in/data", "out" };
    for (size_t i = 0; i < HG_COUNT(dirs); i++)
        if (mkdir(at(dirs[i]), 0700) < 0) return -1;
    const char *const files[] = { "in/a.txt", "in/data/control.db", "out/x", "one.txt", "one.txt.bak", "inside.txt" };
    for (size_t i = 0; i < HG_COUNT(files); i++) put(at(files[i]));
    return symlink(at("out"), at("in/link-out")) || symlink(at("out/x"), at("in/link-file")) ||
           symlink(at("out/made"), at("in/dangling")) || symlink("in", at("to-in"));
}

static int remove_files(void **state)
{
    (void)state;
    char *command = hg_xprintf("rm -rf %s", g_dir);
    int rc = system(command);
    hg_free(command);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_limits, leave), cmocka_unit_test(test_patterns),
        cmocka_unit_test_teardown(test_names, leave),     cmocka_unit_test_teardown(test_networks, leave),
        cmocka_unit_test_teardown(test_private, leave),   cmocka_unit_test_teardown(test_private_but, leave),
        cmocka_unit_test_teardown(test_resolve, leave),   cmocka_unit_test_teardown(test_paths, leave),
        cmocka_unit_test_teardown(test_relative, leave),  cmocka_unit_test_teardown(test_sockets, leave),
        cmocka_unit_test_teardown(test_bad_text, leave),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
