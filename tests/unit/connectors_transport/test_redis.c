/* Redis: connection strings; replies in pieces of every size; what errors mean. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/redis_int.h"
#include <setjmp.h>
#include <cmocka.h>

static void connection_strings(void **st)
{
    static const struct {
        const char *text, *user, *password, *host; /* host NULL: refused with the message in user */
        unsigned port, db;
        bool tls, insecure, resp3;
    } rows[] = {
        { "redis://h", "", "", "h", 6379, 0, false, false, false },
        { "redis://h/", "", "", "h", 6379, 0, false, false, false },
        { "redis://h:1/15", "", "", "h", 1, 15, false, false, false },
        { "redis://:p@h", "", "p", "h", 6379, 0, false, false, false },
        { "redis://u:p%40%3A%2F@h:7", "u", "p@:/", "h", 7, 0, false, false, false },
        { "redis://u:p@q@h", "u", "p@q", "h", 6379, 0, false, false, false },
        { "rediss://[::1]:7/2?protocol=resp3", "", "", "::1", 7, 2, true, false, true },
        { "rediss://[::1]#insecure", "", "", "::1", 6379, 0, true, true, false },
        { "redis://h?protocol=resp2", "", "", "h", 6379, 0, false, false, false },
        { "unix:///run/redis.sock", "", "", "/run/redis.sock", 0, 0, false, false, false },
        { "redis+unix:///s%20q?db=3&user=u%26&pass=p%3D&protocol=resp3", "u&", "p=", "/s q", 0, 3, false, false, true },
        { "unix:///s?db=1&db=2&pass=a&pass=b", "", "b", "/s", 0, 2, false, false, false },
        { "unix://", "no absolute path", NULL, NULL, 0, 0, false, false, false },
        { "unix://s", "no absolute path", NULL, NULL, 0, 0, false, false, false },
        { "unix:///%00", "no absolute path", NULL, NULL, 0, 0, false, false, false },
        { "unix:///%zz", "path has a bad", NULL, NULL, 0, 0, false, false, false },
        { "unix:///"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
          "", "",
          "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
          0, 0, false, false, false },
        { "unix:///"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345x",
          "more than 107 bytes", NULL, NULL, 0, 0, false, false, false },
        { "unix:///s?db=x", "'db' is not the number", NULL, NULL, 0, 0, false, false, false },
        { "unix:///s?protocol=3", "neither 'resp2' nor 'resp3'", NULL, NULL, 0, 0, false, false, false },
        { "unix:///s?database=1", "only 'db', 'user'", NULL, NULL, 0, 0, false, false, false },
        { "unix:///s?user=%4", "user has a bad", NULL, NULL, 0, 0, false, false, false },
        { "", "redis:// or rediss://", NULL, NULL, 0, 0, false, false, false },
        { "redis+unix:/x", "redis:// or rediss://", NULL, NULL, 0, 0, false, false, false },
        { "rediss+sentinel://h/m", "Redis Sentinel is not supported", NULL, NULL, 0, 0, false, false, false },
        { "redis://", "no host", NULL, NULL, 0, 0, false, false, false },
        { "redis://:p@:7", "no host", NULL, NULL, 0, 0, false, false, false },
        { "redis://h:0", "port", NULL, NULL, 0, 0, false, false, false },
        { "redis://h:65536", "port", NULL, NULL, 0, 0, false, false, false },
        { "redis://[::1]x", "comes no port", NULL, NULL, 0, 0, false, false, false },
        { "redis://h/one", "database", NULL, NULL, 0, 0, false, false, false },
        { "redis://h#insecure", "insecure", NULL, NULL, 0, 0, false, false, false },
        { "redis://h?db=1", "protocol=resp3", NULL, NULL, 0, 0, false, false, false },
        { "redis://u%4:p@h", "user has a bad", NULL, NULL, 0, 0, false, false, false },
        { "redis://u:%x@h", "password has a bad", NULL, NULL, 0, 0, false, false, false },
    };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_redis_url_t u;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_redis_url_parse(hg_strz(rows[i].text), &u, &err);
        if (!rows[i].host) {
            assert_int_equal(rc, HG_EINVALTRANSPORT);
            if (!strstr(err.msg, rows[i].user)) fail_msg("%s: %s", rows[i].text, err.msg);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(u.user.p, rows[i].user);
        assert_string_equal(u.password.p, rows[i].password);
        assert_string_equal(u.host.p, rows[i].host);
        assert_int_equal(u.port, rows[i].port);
        assert_int_equal(u.db, rows[i].db);
        assert_true(u.tls == rows[i].tls && u.insecure == rows[i].insecure && u.resp3 == rows[i].resp3);
        assert_true(u.is_unix == (rows[i].port == 0));
        hg_redis_url_release(&u);
    }
}

static bool tell(void *arg, const hg_resp_reply_t *r)
{
    hg_buf_t *out = arg;
    hg_buf_addf(out, "%c%s" HG_SF "%s%s|", r->type, r->null ? "null" : "", HG_SA(r->text), r->error ? "!" : "",
                r->error ? r->error : "");
    return hg_str_eqz(r->text, "stop") ? false : true;
}

static void replies_in_pieces(void **st)
{
    static const struct {
        const char *in, *out; /* out NULL: not RESP */
    } rows[] = {
        { "+OK\r\n:12\r\n-ERR no\r\n", "+OK|:12|-ERR no|" },
        { "$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n_\r\n", "$a\r\nbc|$|$null|_null|" },
        { "*3\r\n+OK\r\n$2\r\nhi\r\n:1\r\n+x\r\n", "*|+x|" },
        { "*0\r\n*-1\r\n", "*|*null|" },
        { "*2\r\n*2\r\n+a\r\n-ERR 1\r\n-ERR 2\r\n*1\r\n+a\r\n", "*!ERR 1|*|" },
        { "%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n#t\r\n,1.5\r\n(12345\r\n=7\r\ntxt:abc\r\n", "%|#t|,1.5|(12345|=txt:abc|" },
        { ">2\r\n+message\r\n-ERR pushed\r\n*1\r\n+b\r\n", "*|" },
        { "!6\r\nERR no\r\n", "!ERR no|" },
        { "+stop\r\n+more\r\n", "+stop|" },
        { "HTTP/1.1 400\r\n", NULL },
        { "\r\n", NULL },
        { "+OK\n", NULL },
        { "$x\r\n", NULL },
        { "$600000000\r\n", NULL },
        { "*3000000000\r\n", NULL },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n", NULL },
    };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++)
        for (size_t step = 1; step < 40; step++) {
            hg_resp_t r;
            hg_buf_t out;
            hg_err_t err = HG_ERR_INIT;
            size_t n = strlen(rows[i].in);
            int rc = 0;
            hg_buf_init(&out, HG_BUF_NOMAX);
            hg_resp_init(&r, tell, &out);
            for (size_t at = 0; at < n && rc == 0 && !strstr(out.p, "stop"); at += step)
                rc = hg_resp_feed(&r, rows[i].in + at, HG_MIN(step, n - at), &err);
            assert_int_equal(rc, rows[i].out ? 0 : HG_EPROTO);
            if (rows[i].out) assert_string_equal(out.p, rows[i].out);
            hg_resp_release(&r);
            hg_buf_release(&out);
        }
}

static void a_line_has_an_end(void **st)
{
    (void)st;
    hg_resp_t r;
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    char x[1000];
    int rc = 0;
    memset(x, 'x', sizeof x);
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_resp_init(&r, tell, &out);
    for (int i = 0; i < 100 && rc == 0; i++) rc = hg_resp_feed(&r, x, sizeof x, &err);
    assert_int_equal(rc, HG_EPROTO);
    assert_non_null(strstr(err.msg, "too long"));
    hg_resp_release(&r);
    hg_buf_release(&out);
}

static void commands(void **st)
{
    (void)st;
    hg_buf_t out;
    hg_str_t set[] = { HG_S("SET"), HG_S("k\r\n"), { "a\0b", 3 } };
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(hg_resp_command(&out, set, 3), 0);
    assert_int_equal(out.len, 31);
    assert_memory_equal(out.p, "*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$3\r\na\0b\r\n", 31);
    hg_buf_release(&out);
}

static void errors_that_pass(void **st)
{
    static const struct {
        const char *text;
        hg_code_t code;
        bool retry;
    } rows[] = { { "LOADING Redis is loading", HG_ENET, true }, { "OOM command not allowed", HG_ENET, true },
                 { "READONLY You can't write", HG_ENET, true }, { "LOADINGS", HG_ENET, false },
                 { "WRONGPASS invalid", HG_ENET, false },       { "ERR unknown", HG_ENET, false },
                 { "MOVED 1 h:1", HG_EUNSUPPORTED, false } };
    (void)st;
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_redis_error(rows[i].text, "Redis", &err), rows[i].code);
        assert_int_equal(err.retry, rows[i].retry);
        assert_non_null(strstr(err.msg, rows[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_strings), cmocka_unit_test(replies_in_pieces), cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(commands),           cmocka_unit_test(errors_that_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
