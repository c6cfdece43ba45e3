/* WebSocket: the server against frames made by hand, and our blocking client against the server. test-labels: threads
 */
#include "tests/unit/net/net_test.h"

static struct {
    sem_t closed;
    atomic_size_t max_queued;
    sem_t blocked;
} P;

static void on_message(void *arg, hg_ws_t *ws, bool text, hg_str_t data)
{
    (void)arg;
    if (hg_str_eqz(data, "bye")) {
        hg_ws_close(ws, 1011, NULL);
        hg_ws_send(ws, true, HG_S("after the end")); /* goes nowhere */
    } else if (hg_str_eqz(data, "pour")) {
        static char block[32768];
        while (hg_ws_send(ws, false, (hg_str_t){ block, sizeof block })) {
        }
        sem_post(&P.blocked);
    } else {
        hg_ws_send(ws, text, data);
    }
}

static void on_drain(void *arg, hg_ws_t *ws)
{
    (void)arg;
    hg_ws_send(ws, true, HG_S("drained"));
}

static void on_closed(void *arg)
{
    (void)arg;
    sem_post(&P.closed);
}

static void on_request(void *arg, hg_req_t *r)
{
    hg_ws_t *ws;
    hg_err_t err = HG_ERR_INIT;
    hg_ws_ops_t ops = { .message = on_message, .drain = on_drain, .closed = on_closed };
    (void)arg;
    if (hg_str_eqz(hg_req_path(r), "/no"))
        hg_resp_error(r, 503, "No", "not now", NULL);
    else if (hg_req_websocket(r, &ops, 1000, &ws, &err) < 0)
        assert_true(err.msg[0] != 0);
}

static server_t S;

static int up(void **state)
{
    (void)state;
    memset(&S, 0, sizeof S);
    sem_init(&P.closed, 0, 0);
    sem_init(&P.blocked, 0, 0);
    server_up(&S, 2, on_request, NULL);
    return 0;
}

static int down(void **state)
{
    (void)state;
    server_down(&S);
    return 0;
}

#define UPGRADE                                                                                                        \
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: "  \
    "13\r\n"                                                                                                           \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int open_ws(void)
{
    int fd = dial(&S);
    say(fd, UPGRADE "Sec-WebSocket-Protocol: a, feldera-ws-v1\r\n\r\n");
    hg_buf_t b = hear_until(fd, "\r\n\r\n");
    assert_memory_equal(b.p, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_non_null(strstr(b.p, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455 §1.3 */
    assert_non_null(strstr(b.p, "\r\nSec-WebSocket-Protocol: feldera-ws-v1\r\n"));
    assert_null(strstr(b.p, "Transfer-Encoding"));
    hg_buf_release(&b);
    return fd;
}

/* A masked frame; first = FIN, RSV and opcode. */
static void frame(int fd, unsigned first, const void *p, size_t n, bool mask)
{
    unsigned char h[14] = { (unsigned char)first };
    size_t m = 2;
    if (n < 126) {
        h[1] = (unsigned char)n;
    } else {
        h[1] = 126;
        h[2] = (unsigned char)(n >> 8);
        h[3] = (unsigned char)n;
        m = 4;
    }
    if (mask) {
        h[1] |= 0x80;
        memset(h + m, 0x5a, 4);
        m += 4;
    }
    char *body = hg_xnew(n + 1);
    for (size_t i = 0; i < n; i++) body[i] = (char)(((const char *)p)[i] ^ (mask ? 0x5a : 0));
    say_n(fd, h, m);
    say_n(fd, body, n);
    hg_free(body);
}

static void expect_bytes(int fd, const void *p, size_t n)
{
    char got[256];
    assert_true(n <= sizeof got);
    for (size_t have = 0; have < n;) {
        ssize_t k = recv(fd, got + have, n - have, 0);
        assert_true(k > 0);
        have += (size_t)k;
    }
    assert_memory_equal(got, p, n);
}

/* The server's close frame with this code, then the end of the stream. */
static void expect_close(int fd, unsigned code)
{
    hg_buf_t b = hear_all(fd);
    assert_true(b.len >= 4);
    assert_int_equal((unsigned char)b.p[0], 0x88);
    assert_int_equal((unsigned char)b.p[2] << 8 | (unsigned char)b.p[3], code);
    hg_buf_release(&b);
    close(fd);
    wait_sem(&P.closed);
}

static void ws_echoes_messages_and_answers_pings(void **state)
{
    (void)state;
    int fd = open_ws();
    frame(fd, 0x81, "hi", 2, true);
    expect_bytes(fd, "\x81\x02hi", 4);
    frame(fd, 0x82, "\0\1", 2, true);
    expect_bytes(fd, "\x82\x02\0\1", 4);
    frame(fd, 0x01, "frag", 4, true); /* three fragments with a ping between them */
    frame(fd, 0x00, "men", 3, true);
    frame(fd, 0x89, "p", 1, true);
    expect_bytes(fd, "\x8a\x01p", 3);
    frame(fd, 0x80, "ted", 3, true);
    expect_bytes(fd,
                 "\x81\x0a"
                 "fragmented",
                 12);
    frame(fd, 0x88, "\x03\xe8", 2, true); /* close 1000 is answered with the same */
    expect_close(fd, 1000);
}

static void ws_closes_from_the_server(void **state)
{
    (void)state;
    int fd = open_ws();
    frame(fd, 0x81, "bye", 3, true);
    expect_bytes(fd, "\x88\x02\x03\xf3", 4);
    frame(fd, 0x88, "\x03\xf3", 2, true);
    hg_buf_t b = hear_all(fd);
    assert_int_equal(b.len, 0);
    hg_buf_release(&b);
    close(fd);
    wait_sem(&P.closed);
    /* a peer that never answers the close is not waited for for ever */
    fd = open_ws();
    frame(fd, 0x81, "bye", 3, true);
    expect_bytes(fd, "\x88\x02\x03\xf3", 4);
    wait_sem(&P.closed);
    close(fd);
}

static void ws_refuses_bad_frames(void **state)
{
    (void)state;
    char big[1001];
    memset(big, 'x', sizeof big);
    int fd = open_ws();
    frame(fd, 0x81, "x", 1, false); /* not masked */
    expect_close(fd, 1002);
    fd = open_ws();
    frame(fd, 0x83, "x", 1, true); /* reserved opcode */
    expect_close(fd, 1002);
    fd = open_ws();
    frame(fd, 0xc1, "x", 1, true); /* reserved bit */
    expect_close(fd, 1002);
    fd = open_ws();
    frame(fd, 0x80, "x", 1, true); /* continuation of nothing */
    expect_close(fd, 1002);
    fd = open_ws();
    frame(fd, 0x81, "\xff", 1, true); /* no UTF-8 */
    expect_close(fd, 1007);
    fd = open_ws();
    frame(fd, 0x82, big, sizeof big, true); /* one byte above the limit */
    expect_close(fd, 1009);
    fd = open_ws();
    frame(fd, 0x02, big, 600, true); /* above it only in sum */
    frame(fd, 0x80, big, 600, true);
    expect_close(fd, 1009);
    fd = open_ws();
    close(fd); /* no close frame at all */
    wait_sem(&P.closed);
}

/* Takes megabytes, of which `mark` is the end. */
static void swallow_until(int fd, const char *mark)
{
    static char room[65536];
    size_t n = strlen(mark), have = 0;
    while (have < n || memcmp(room + have - n, mark, n) != 0) {
        size_t keep = HG_MIN(have, n);
        memmove(room, room + have - keep, keep);
        ssize_t k = recv(fd, room + keep, sizeof room - keep, 0);
        if (k <= 0) fail_msg("the peer ended before '%s'", mark);
        have = keep + (size_t)k;
    }
}

static void ws_stops_and_goes_on_with_a_slow_reader(void **state)
{
    (void)state;
    int fd = open_ws();
    frame(fd, 0x81, "pour", 4, true);
    wait_sem(&P.blocked);
    swallow_until(fd, "drained"); /* came behind all that was queued, once there was room again */
    close(fd);
    wait_sem(&P.closed);
}

static void ws_refuses_bad_upgrades(void **state)
{
    (void)state;
    ask(&S, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ",
        "this is no WebSocket request");
    ask(&S,
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
        "8\r\n\r\n",
        "HTTP/1.1 426 ", "Sec-WebSocket-Version: 13\r\n");
    ask(&S,
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
        "13\r\n"
        "Sec-WebSocket-Key: short\r\n\r\n",
        "HTTP/1.1 400 ", "not 16 bytes in base64");
}

static bool collect(void *arg, bool text, hg_str_t data)
{
    hg_buf_addf(arg, "%s:" HG_SF ";", text ? "text" : "binary", HG_SA(data));
    return !hg_str_eqz(data, "stop here");
}

static void ws_client_talks_to_the_server(void **state)
{
    (void)state;
    char url[64];
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    uint16_t code = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/ws", S.port);
    assert_int_equal(hg_ws_fetch(url, NULL, HG_S("bye"), NULL, false, collect, &b, &code, &err), 0);
    assert_int_equal(code, 1011);
    assert_int_equal(b.len, 0);
    wait_sem(&P.closed);
    assert_int_equal(hg_ws_fetch(url, NULL, HG_S("stop here"), NULL, false, collect, &b, &code, &err), 0);
    assert_string_equal(b.p, "text:stop here;");
    hg_buf_release(&b);
    wait_sem(&P.closed);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/no", S.port);
    assert_int_equal(hg_ws_fetch(url, NULL, HG_S("x"), NULL, false, collect, &b, &code, &err), HG_EPROTO);
    assert_string_equal(err.msg, "unexpected status code: 503 Service Unavailable");
    assert_int_equal(hg_ws_fetch("ws://127.0.0.1:1/", NULL, HG_S("x"), NULL, false, collect, &b, &code, &err), HG_ENET);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ws_echoes_messages_and_answers_pings),    T(ws_closes_from_the_server), T(ws_refuses_bad_frames),
        T(ws_stops_and_goes_on_with_a_slow_reader), T(ws_refuses_bad_upgrades),   T(ws_client_talks_to_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
