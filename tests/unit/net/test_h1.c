/* Messages out of bytes: the strictness table, and that cutting the input anywhere changes nothing. */
#include "tests/unit/net/net_test.h"

typedef struct seen {
    hg_h1_t h;
    hg_buf_t log;
} seen_t;

static void on_head(void *arg)
{
    seen_t *s = arg;
    const hg_h1_msg_t *m = s->h.msg;
    hg_buf_addf(&s->log, "[" HG_SF " " HG_SF " %d 1.%u", HG_SA(m->method), HG_SA(m->target), m->status, m->minor);
    for (uint32_t i = 0; i < m->n_headers; i++)
        hg_buf_addf(&s->log, "|" HG_SF "=" HG_SF, HG_SA(m->headers[i].name), HG_SA(m->headers[i].value));
    hg_buf_addf(&s->log, "%s%s]", m->chunked ? " chunked" : "", m->keep_alive ? "" : " close");
}
static void on_body(void *arg, const char *p, size_t n)
{
    hg_buf_add(&((seen_t *)arg)->log, p, n);
}
static void on_end(void *arg)
{
    hg_buf_adds(&((seen_t *)arg)->log, "$");
}
static const hg_h1_ops_t OPS = { .head = on_head, .body = on_body, .end = on_end };

/* What a message says when it comes in pieces of `step` bytes; "!status message" where it is refused. */
static char *read_as(const char *bytes, size_t n, size_t step, bool response)
{
    seen_t s;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&s.log, HG_BUF_NOMAX);
    hg_h1_init(&s.h, response, 0, &OPS, &s);
    int rc = 0;
    for (size_t off = 0, used; off < n && rc == 0;) {
        size_t k = HG_MIN(step, n - off);
        rc = hg_h1_feed(&s.h, bytes + off, k, &used, &err);
        off += used;
        if (s.h.phase == HG_H1_DONE) hg_h1_next(&s.h);
    }
    if (rc < 0) hg_buf_addf(&s.log, "!%u %s", s.h.bad_status, err.msg);
    hg_h1_release(&s.h);
    return hg_buf_take(&s.log, NULL);
}

static void same_in_pieces(const char *bytes, bool response, const char *expect)
{
    for (size_t step = 1; step <= 8; step++) {
        char *got = read_as(bytes, strlen(bytes), step < 8 ? step : strlen(bytes), response);
        assert_string_equal(got, expect);
        hg_free(got);
    }
}

static void h1_reads_messages_however_they_are_cut(void **state)
{
    (void)state;
    same_in_pieces("GET /a?b=1 HTTP/1.1\r\nHost: x\r\nEmpty:\r\nAccept:  */*  \r\n\r\n", false,
                   "[GET /a?b=1 0 1.1|Host=x|Empty=|Accept=*/*]$");
    same_in_pieces("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n", false,
                   "[POST / 0 1.1|host=x|content-length=5]hello$[GET / 0 1.0 close]$");
    same_in_pieces("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", false, "[GET / 0 1.1|Host=x]$");
    same_in_pieces("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2 "
                   "\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
                   false, "[POST / 0 1.1|Host=x|Transfer-Encoding=chunked chunked]abcde$");
    same_in_pieces("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true,
                   "[  100 1.1]$[  200 1.1|Content-Length=2]ok$");
}

static void h1_refuses_what_is_no_http(void **state)
{
    (void)state;
#define HEAD "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
    static const struct {
        const char *bytes, *expect;
    } rows[] = {
        { HEAD "Content-Length : 5\r\n\r\n", "!400 white space in or behind a header name" },
        { HEAD "A\t: 5\r\n\r\n", "!400 white space in or behind a header name" },
        { "GET / HTTP/1.1\nHost: x\n\n", "!400 line feed without carriage return in the head" },
        { HEAD "A: 1\nB: 2\r\n\r\n", "!400 line feed without carriage return in the head" },
        { HEAD "A: 1\r\n\n", "!400 line feed without carriage return in the head" },
        { "\nGET / HTTP/1.1\r\n", "!400 line feed without carriage return in the head" },
        { "\rGET / HTTP/1.1\r\n", "!400 carriage return without line feed in the head" },
        { HEAD "A: 1\rB: 2\r\n\r\n", "!400 carriage return without line feed in the head" },
        { HEAD "\rA: 1\r\n\r\n", "!400 carriage return without line feed in the head" },
        { HEAD "A: 1\r\n 2\r\n\r\n", "!400 folded header line" },
        { HEAD "A: 1\r\n\t2\r\n\r\n", "!400 folded header line" },
        { HEAD ": 1\r\n\r\n", "!400 header line without a name" },
        { HEAD "abc\r\n\r\n", "!400 header line without a colon" },
        { HEAD "A: 1\x01\r\n\r\n", "!400 control character in the head" },
        { HEAD "A\x7f: 1\r\n\r\n", "!400 control character in the head" },
        { HEAD "\x02: 1\r\n\r\n", "!400 control character in the head" },
        { HEAD "A(b): 1\r\n\r\n", "!400 invalid character in header" },
        { HEAD "Host: y\r\n\r\n", "!400 more than one Host header" },
        { "GET / HTTP/1.1\r\n\r\n", "!400 the Host header is missing" },
        { "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "!400 the request line is not 'METHOD target HTTP/1.1'" },
        { "GET /\r\nHost: x\r\n\r\n", "!400 the request line is not 'METHOD target HTTP/1.1'" },
        { "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "!400 character outside ASCII in the request line" },
        { "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "!505 only HTTP/1.1 and HTTP/1.0 are understood" },
        { "GET / HTTX/1.1\r\nHost: x\r\n\r\n", "!400 the request line is not 'METHOD target HTTP/1.1'" },
        { "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", "!501 invalid HTTP method" },
        { "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "!405 CONNECT is not served here" },
        { "\x16\x03\x01", "!400 this is not an HTTP message" },
        { POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "!400 unexpected content-length header" },
        { POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "!400 unexpected content-length header" },
        { POST "Content-Length: -1\r\n\r\n", "!400 invalid character in content-length header" },
        { POST "Content-Length: 99999999999999999999\r\n\r\n", "!400 invalid character in content-length header" },
        { POST "Transfer-Encoding: xchunked\r\n\r\n", "!501 the only transfer encoding understood is 'chunked'" },
        { POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!501 the only transfer encoding understood is 'chunked'" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400 Transfer-Encoding in an HTTP/1.0 message" },
        { POST "Content-Length:\r\n\r\n", "!400 invalid character in content-length header" },
    };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        size_t n = strlen(rows[i].bytes);
        for (size_t step = 1; step <= n; step += step < 4 ? 1 : n) {
            char *got = read_as(rows[i].bytes, n, step, false);
            if (strcmp(got, rows[i].expect) != 0)
                fail_msg("row %zu (%s) in pieces of %zu: expected '%s', got '%s'", i, rows[i].bytes, step,
                         rows[i].expect, got);
            hg_free(got);
        }
    }
    static const struct {
        const char *body, *expect;
    } chunks[] = {
        { "zz\r\n", "!400 invalid character in a chunk size" },
        { "3x\r\nabc\r\n", "!400 invalid character in a chunk size" },
        { "\r\n", "!400 invalid character in a chunk size" },
        { "-1\r\n", "!400 invalid character in a chunk size" },
        { "11111111111111111\r\n", "!400 chunk size out of range" },
        { "3\nabc\n", "!400 invalid character in a chunk size" },
        { "3\rXabc\r\n", "!400 chunk size without line end" },
        { "3;a\x01\r\n", "!400 control character in a chunk extension" },
        { "3\r\nabcX\r\n", "!400 chunk data longer than its size" },
        { "3\r\nabc\rX", "!400 chunk data longer than its size" },
        { "0\r\n folded\r\n\r\n", "!400 invalid trailer" },
        { "0\r\nA: 1\n\r\n", "!400 invalid trailer" },
        { "0\r\nA: 1\rX", "!400 invalid trailer" },
        { "0\r\n\rX", "!400 invalid trailer" },
    };
    for (size_t i = 0; i < HG_COUNT(chunks); i++) {
        char *text = hg_xprintf(POST "Transfer-Encoding: chunked\r\n\r\n%s", chunks[i].body);
        for (size_t step = 1; step < 5; step++) {
            char *got = read_as(text, strlen(text), step < 4 ? step : strlen(text), false);
            const char *bang = strchr(got, '!');
            if (!bang || strcmp(bang, chunks[i].expect) != 0)
                fail_msg("chunks %zu: expected '%s', got '%s'", i, chunks[i].expect, got);
            hg_free(got);
        }
        hg_free(text);
    }
    hg_buf_t wide;
    hg_buf_init(&wide, HG_BUF_NOMAX);
    hg_buf_adds(&wide, POST "Transfer-Encoding: chunked\r\n\r\n3;");
    while (wide.len < 40000) hg_buf_addc(&wide, 'x');
    char *got = read_as(wide.p, wide.len, 999, false);
    assert_non_null(strstr(got, "!400 chunk extensions and trailers are too large"));
    hg_free(got);
    hg_buf_release(&wide);
    got = read_as("HTTQ/1.1 200 OK\r\n\r\n", 19, 19, true);
    assert_string_equal(got, "!400 the status line is not 'HTTP/1.1 code reason'");
    hg_free(got);
    got = read_as("HTTP/1.1 2x0 OK\r\n\r\n", 19, 19, true);
    assert_non_null(strstr(got, "!400 invalid HTTP status code"));
    hg_free(got);
}

static void h1_limits_the_head(void **state)
{
    (void)state;
    hg_buf_t b;
    for (int extra = 0; extra < 2; extra++) {
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_buf_adds(&b, HEAD "A: ");
        while (b.len < 32 * 1024 - 4 + (size_t)extra) hg_buf_addc(&b, 'x');
        hg_buf_adds(&b, "\r\n\r\n");
        char *got = read_as(b.p, b.len, 1000, false);
        if (extra)
            assert_string_equal(got, "!431 the request head is too large");
        else
            assert_non_null(strstr(got, "x]$"));
        hg_free(got);
        hg_buf_release(&b);
    }
}

static void h1_eof_tells_a_cut_from_an_end(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool ok;
    } rows[] = {
        { "", true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true },
        { "HTTP/1.1 200 OK\r\n\r\nuntil the end", true },
        { "HTTP/1.1 200 OK\r\n", false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", false },
    };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        seen_t s;
        size_t used;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&s.log, HG_BUF_NOMAX);
        hg_h1_init(&s.h, true, 0, &OPS, &s);
        assert_int_equal(hg_h1_feed(&s.h, rows[i].bytes, strlen(rows[i].bytes), &used, &err), 0);
        assert_int_equal(hg_h1_eof(&s.h, &err), rows[i].ok ? 0 : HG_ECLOSED);
        hg_h1_release(&s.h);
        hg_buf_release(&s.log);
    }
}

static void h1_knows_whether_bytes_would_end_the_body(void **state)
{
    (void)state;
    seen_t s;
    size_t used;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&s.log, HG_BUF_NOMAX);
    hg_h1_init(&s.h, false, 0, &OPS, &s);
    const char *head = POST "Transfer-Encoding: chunked\r\n\r\n5\r\nab";
    assert_int_equal(hg_h1_feed(&s.h, head, strlen(head), &used, &err), 0);
    assert_false(hg_h1_would_end(&s.h, "cde\r\n0\r\n", 8));
    assert_true(hg_h1_would_end(&s.h, "cde\r\n0\r\n\r\n", 10));
    assert_int_equal(hg_h1_feed(&s.h, "cde\r\n0\r\n\r\n", 10, &used, &err), 0); /* asking changed nothing */
    assert_int_equal(s.h.phase, HG_H1_DONE);
    hg_h1_release(&s.h);
    hg_buf_release(&s.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h1_reads_messages_however_they_are_cut),
        cmocka_unit_test(h1_refuses_what_is_no_http),
        cmocka_unit_test(h1_limits_the_head),
        cmocka_unit_test(h1_eof_tells_a_cut_from_an_end),
        cmocka_unit_test(h1_knows_whether_bytes_would_end_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
