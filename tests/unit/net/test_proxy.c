/* The proxy between a front server on TCP and a back server on a unix socket, both with real clients. The back server
 * can also be a plain thread that breaks the protocol at a chosen place. test-labels: threads */
#include "tests/unit/net/net_test.h"
#include <poll.h>

static char path[64];
static server_t Front, Back;

static struct {
    sem_t event, abort;
    atomic_size_t bytes;
    hg_req_t *held;
    atomic_bool loaned; /* the last body that ended was read from its client */
} P;

/* --- behind --- */

static bool count_data(void *arg, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    atomic_fetch_add(&P.bytes, n);
    return true;
}

static void count_end(void *arg)
{
    char text[32];
    atomic_store(&P.loaned, ((hg_req_t *)arg)->conn->loaned);
    snprintf(text, sizeof text, "%zu", atomic_load(&P.bytes));
    hg_resp_send(arg, 200, "text/plain", hg_strz(text), "X-Back: 1\r\n");
}

static void on_abort(void *arg)
{
    (void)arg;
    sem_post(&P.abort);
}

/* Answers in the middle of the body. */
static bool refuse_data(void *arg, const char *p, size_t n)
{
    hg_req_t *r = arg;
    (void)p;
    if (atomic_fetch_add(&P.bytes, n) + n < 1 << 20 || r->answered) return true;
    atomic_store(&P.loaned, r->conn->loaned);
    hg_resp_error(r, 413, "PayloadTooLarge", "enough", NULL);
    return true;
}

static bool hold_data(void *arg, const char *p, size_t n)
{
    P.held = arg;
    (void)p;
    atomic_fetch_add(&P.bytes, n);
    sem_post(&P.event);
    return false;
}

static void pour(void *arg)
{
    static char block[32768];
    while (hg_resp_write(arg, block, sizeof block)) atomic_fetch_add(&P.bytes, sizeof block);
    atomic_fetch_add(&P.bytes, sizeof block);
    sem_post(&P.event);
}

static void ws_echo(void *arg, hg_ws_t *ws, bool text, hg_str_t data)
{
    (void)arg;
    hg_ws_send(ws, text, data);
    hg_ws_close(ws, 1000, NULL);
}

static void show(hg_req_t *r)
{
    hg_buf_t b;
    uint32_t n;
    hg_buf_init(&b, HG_BUF_NOMAX);
    const hg_header_t *h = hg_req_headers(r, &n);
    hg_buf_addf(&b, HG_SF " " HG_SF "\n", HG_SA(hg_req_method(r)), HG_SA(hg_req_target(r)));
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(&b, HG_SF "=" HG_SF "\n", HG_SA(h[i].name), HG_SA(h[i].value));
    hg_resp_send(r, 203, "text/x", hg_buf_str(&b), "X-Back: 1\r\nConnection: x-hop\r\nX-Hop: secret\r\n");
    hg_buf_release(&b);
}

static void on_back(void *arg, hg_req_t *r)
{
    (void)arg;
    hg_str_t p = hg_req_path(r);
    hg_req_on_abort(r, on_abort, NULL);
    if (hg_str_eqz(p, "/show")) {
        show(r);
    } else if (hg_str_eqz(p, "/count") || hg_str_eqz(p, "/stall")) {
        hg_body_ops_t ops = { .data = hg_str_eqz(p, "/count") ? count_data : hold_data, .end = count_end, .arg = r };
        hg_req_stream(r, &ops);
    } else if (hg_str_eqz(p, "/refuse")) {
        hg_req_stream(r, &(hg_body_ops_t){ .data = refuse_data, .arg = r });
    } else if (hg_str_eqz(p, "/chunks")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_write(r, "a\n", 2);
        hg_resp_end(r);
    } else if (hg_str_eqz(p, "/pour")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_on_drain(r, pour, r);
        pour(r);
    } else if (hg_str_eqz(p, "/ws")) {
        hg_ws_t *ws;
        hg_err_t err = HG_ERR_INIT;
        hg_ws_ops_t ops = { .message = ws_echo };
        hg_req_websocket(r, &ops, 1000, &ws, &err);
    } else if (hg_str_eqz(p, "/silent")) {
        sem_post(&P.event);
    } else {
        hg_resp_error(r, 404, "UnknownInputStream", "no such table", NULL);
    }
}

/* --- in front --- */

static void unreachable(void *arg, hg_req_t *r, const hg_err_t *err)
{
    (void)arg;
    hg_resp_error(r, 503, "PipelineInteractionUnreachable", err->msg, NULL);
}

static void on_front(void *arg, hg_req_t *r)
{
    (void)arg;
    const char *target = hg_arena_printf(hg_req_arena(r), HG_SF, HG_SA(hg_req_target(r)));
    hg_proxy(r, &(hg_proxy_opts_t){ .socket_path = path,
                                    .target = target,
                                    .headers = "X-Front: 1\r\n",
                                    .timeout_ms = hg_str_eqz(hg_req_path(r), "/silent") ? 50 : 0,
                                    .unreachable = unreachable });
}

static int up_front(void **state)
{
    (void)state;
    memset(&Front, 0, sizeof Front);
    memset(&Back, 0, sizeof Back);
    sem_init(&P.event, 0, 0);
    sem_init(&P.abort, 0, 0);
    atomic_store(&P.bytes, 0);
    snprintf(path, sizeof path, "/tmp/hg-proxy-%d.sock", (int)getpid());
    server_up(&Front, 2, on_front, NULL);
    return 0;
}

static int up(void **state)
{
    up_front(state);
    Back.unix_path = path;
    server_up(&Back, 1, on_back, NULL);
    return 0;
}

static int down_front(void **state)
{
    (void)state;
    server_down(&Front);
    return 0;
}

static int down(void **state)
{
    down_front(state);
    server_down(&Back);
    return 0;
}

#define CLOSE "Host: h\r\nConnection: close\r\n"

static void proxy_writes_both_heads_anew(void **state)
{
    (void)state;
    int fd = dial(&Front);
    say(fd, "GET /show?a=%20b HTTP/1.1\r\nHost: h\r\nX-Mine: 1\r\nConnection: close, X-Private\r\nX-Private: p\r\nTE: "
            "trailers\r\n\r\n");
    hg_buf_t b = hear_all(fd);
    assert_memory_equal(b.p, "HTTP/1.1 203 ", 13);
    assert_non_null(strstr(b.p, "GET /show?a=%20b\n"));
    assert_non_null(strstr(b.p, "Host=h\n"));
    assert_non_null(strstr(b.p, "X-Mine=1\n"));
    assert_null(strstr(b.p, "X-Private"));
    assert_null(strstr(b.p, "TE="));
    assert_non_null(strstr(b.p, "X-Back: 1\r\n"));
    assert_non_null(strstr(b.p, "X-Front: 1\r\n"));
    assert_non_null(strstr(b.p, "Content-Type: text/x\r\n"));
    assert_null(strstr(b.p, "X-Hop"));
    hg_buf_release(&b);
    close(fd);
    ask(&Front, "GET /chunks HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 OK",
        "X-Front: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\na\n\r\n0\r\n\r\n");
    ask(&Front, "HEAD /show HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 203 ", "Content-Length: ");
    ask(&Front, "GET /nothing HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 404 ", "UnknownInputStream");
}

static void proxy_keeps_the_clients_connection(void **state)
{
    (void)state;
    int fd = dial(&Front);
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_until(fd, "\r\n0\r\n\r\n");
    }
    close(fd);
}

static void proxy_streams_uploads(void **state)
{
    (void)state;
    char *block = calloc(1, 1 << 20);
    int fd = dial(&Front);
    say(fd, "POST /count HTTP/1.1\r\n" CLOSE "Content-Length: 16777216\r\nExpect: 100-continue\r\n\r\n");
    expect_until(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    for (int i = 0; i < 16; i++) say_n(fd, block, 1 << 20);
    hg_buf_t b = hear_all(fd);
    assert_string_equal(b.p + b.len - 8, "16777216");
    hg_buf_release(&b);
    close(fd);
    atomic_store(&P.bytes, 0);
    ask(&Front, "POST /count HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK", "\r\n\r\n5");
    free(block);
}

/* A large body: the back reads it from the client, up to its last byte; what follows is the front's. */
static void proxy_lends_the_client_for_a_large_body(void **state)
{
    (void)state;
    char *block = calloc(1, 4 << 20);
    int fd = dial(&Front);
    for (int i = 0; i < 3; i++) {
        atomic_store(&P.bytes, 0);
        atomic_store(&P.loaned, false);
        say(fd, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n");
        say_n(fd, block, 4 << 20);
        say(fd, "GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n");
        hg_buf_t b = hear_until(fd, "\r\n0\r\n\r\n");
        assert_memory_equal(b.p, "HTTP/1.1 200 OK", 15);
        assert_non_null(strstr(b.p, "\r\n\r\n4194304HTTP/1.1 200 OK\r\n"));
        assert_null(strstr(b.p, HG_LEND_FIELD));
        assert_null(strstr(b.p, "Connection: close"));
        assert_true(atomic_load(&P.loaned));
        hg_buf_release(&b);
    }
    /* one byte less than is worth it */
    atomic_store(&P.bytes, 0);
    say(fd, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 524287\r\n\r\n");
    say_n(fd, block, (512 << 10) - 1);
    expect_until(fd, "\r\n\r\n524287");
    assert_false(atomic_load(&P.loaned));
    close(fd);
    free(block);
}

/* Nobody knows where the next request begins: the connection ends with the answer. */
static void an_early_answer_ends_a_lent_connection(void **state)
{
    (void)state;
    char *block = calloc(1, 1 << 20);
    int fd = dial(&Front);
    say(fd, "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n");
    say_n(fd, block, 1 << 20);
    hg_buf_t b = hear_all(fd);
    assert_memory_equal(b.p, "HTTP/1.1 413 ", 13);
    assert_non_null(strstr(b.p, "Connection: close\r\n"));
    assert_non_null(strstr(b.p, "enough"));
    assert_true(atomic_load(&P.loaned));
    hg_buf_release(&b);
    close(fd);
    free(block);
}

static void a_client_that_leaves_a_loan_reaches_the_back(void **state)
{
    (void)state;
    char *block = calloc(1, 1 << 20);
    int fd = dial(&Front);
    say(fd, "POST /count HTTP/1.1\r\n" CLOSE "Content-Length: 8388608\r\n\r\n");
    say_n(fd, block, 1 << 20);
    close(fd);
    wait_sem(&P.abort);
    assert_int_equal(atomic_load(&P.bytes), 1 << 20);
    free(block);
}

/* To the back as a proxy does: text, with a descriptor behind it. */
static int say_with(const char *text, int with)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    struct iovec v = { (char *)(uintptr_t)text, strlen(text) };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    *CMSG_FIRSTHDR(&m) =
        (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &with, sizeof(int));
    assert_int_equal(sendmsg(fd, &m, 0), (ssize_t)strlen(text));
    return fd;
}

/* A descriptor that nobody asked for, and one that is no stream. */
static void descriptors_out_of_place_are_closed(void **state)
{
    (void)state;
    static const char *const with[] = { "GET /chunks HTTP/1.1\r\n" CLOSE "\r\n",
                                        "POST /count HTTP/1.1\r\n" CLOSE "Content-Length: 4\r\n\r\nab" };
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        int fd = say_with(with[i], ends[0]);
        close(ends[0]);
        if (i == 1) say(fd, "cd");
        hg_buf_t b = hear_all(fd);
        assert_memory_equal(b.p, "HTTP/1.1 200 OK", 15);
        assert_true(i == 0 || strstr(b.p, "\r\n\r\n4"));
        hg_buf_release(&b);
        close(fd);
        struct pollfd gone = { .fd = ends[1] };
        assert_int_equal(poll(&gone, 1, WAIT_S * 1000), 1); /* its last reader */
        close(ends[1]);
    }
}

/* Not two may write one body: what is left of it would be read as another request. */
static void bytes_beside_a_loan_end_the_connection(void **state)
{
    (void)state;
    int lent[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, lent), 0);
    int fd = say_with("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab", lent[0]);
    close(lent[0]);
    say(lent[1], "cd");
    say(fd, "EF");
    hg_buf_t b = hear_all(fd);
    assert_int_equal(b.len, 0);
    wait_sem(&P.abort);
    hg_buf_release(&b);
    close(fd);
    close(lent[1]);
}

/* The back holds; what the client can push into the proxy is bounded by marks and kernel buffers. */
static void proxy_holds_the_client_while_the_back_holds(void **state)
{
    (void)state;
    int fd = dial(&Front), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    say(fd, "POST /stall HTTP/1.1\r\n" CLOSE "Content-Length: 1000000000\r\n\r\n");
    char *block = calloc(1, 1 << 20);
    size_t sent = 0;
    struct timeval tv = { .tv_usec = 500000 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    for (ssize_t k; (k = send(fd, block, 1 << 20, MSG_NOSIGNAL)) > 0;) {
        sent += (size_t)k;
        assert_true(sent < 64u << 20); /* an endless sink would get here */
    }
    free(block);
    wait_sem(&P.event);
    struct linger reset = { .l_onoff = 1 }; /* its kernel still has bytes to send: only a reset gets past them */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    wait_sem(&P.abort); /* the end of the client reaches the back */
}

static void proxy_holds_the_back_while_the_client_holds(void **state)
{
    (void)state;
    int fd = dial(&Front);
    say(fd, "GET /pour HTTP/1.1\r\n" CLOSE "\r\n");
    wait_sem(&P.event);
    char buf[65536];
    size_t got = 0;
    while (got < 16u << 20) {
        ssize_t k = recv(fd, buf, sizeof buf, 0);
        assert_true(k > 0);
        got += (size_t)k;
    }
    close(fd);
    wait_sem(&P.abort);
    /* written but never read: marks of both legs and the kernels' buffers, not the whole stream */
    assert_true(atomic_load(&P.bytes) < got + (64u << 20));
}

static void proxy_passes_upgrades(void **state)
{
    (void)state;
    int fd = dial(&Front);
    say(fd, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    hg_buf_t b = hear_until(fd, "\r\n\r\n");
    assert_memory_equal(b.p, "HTTP/1.1 101 ", 13);
    assert_non_null(strstr(b.p, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(b.p, "Upgrade: websocket\r\n"));
    hg_buf_release(&b);
    say_n(fd, "\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8", 16);
    b = hear_all(fd);
    assert_int_equal(b.len, 8); /* the message is not overtaken by the close frame */
    assert_memory_equal(b.p, "\x81\x02hi\x88\x02\x03\xe8", 8);
    hg_buf_release(&b);
    close(fd);
}

static void proxy_gives_up_on_a_silent_back(void **state)
{
    (void)state;
    /* of one whose time is over before it is connected the back hears nothing, so there may be more asked than told */
    for (unsigned aborts = 0; aborts < 2; aborts += sem_trywait(&P.abort) == 0) {
        ask(&Front, "GET /silent HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 500 ",
            "did not answer within 50 ms\",\"error_code\":\"PipelineInteractionFailed\"");
        ask(&Front, "GET /silent HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 500 ", "X-Front: 1\r\n");
    }
}

static void proxy_without_a_back_is_unreachable(void **state)
{
    (void)state;
    ask(&Front, "GET /show HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 503 ", "PipelineInteractionUnreachable");
    /* no body byte was taken, so the handler may still say what it likes */
    ask(&Front, "POST /count HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 503 ", "cannot connect to");
}

/* --- a back that breaks --- */

typedef struct breaker {
    int listen_fd;
    const char *wait_for, *say;
} breaker_t;

static void *break_thread(void *arg)
{
    breaker_t *k = arg;
    int fd = accept(k->listen_fd, NULL, NULL);
    struct timeval tv = { .tv_sec = WAIT_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    char c;
    while (!strstr(b.p, k->wait_for) && recv(fd, &c, 1, 0) == 1) hg_buf_addc(&b, c);
    hg_buf_release(&b);
    if (k->say) send(fd, k->say, strlen(k->say), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void broken_back(const char *wait_for, const char *back_says, const char *request, const char *begin,
                        const char *inside, const char *never)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    breaker_t k = { .listen_fd = socket(AF_UNIX, SOCK_STREAM, 0), .wait_for = wait_for, .say = back_says };
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    unlink(path);
    assert_int_equal(bind(k.listen_fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(k.listen_fd, 5), 0);
    pthread_t t;
    pthread_create(&t, NULL, break_thread, &k);
    int fd = dial(&Front);
    say(fd, request);
    hg_buf_t b = hear_all(fd);
    if (strncmp(b.p, begin, strlen(begin)) != 0 || (inside && !strstr(b.p, inside)) || (never && strstr(b.p, never)))
        fail_msg("back says '%s', expected '%s' and '%s', heard:\n%s", back_says ? back_says : "", begin, inside, b.p);
    hg_buf_release(&b);
    close(fd);
    pthread_join(t, NULL);
    close(k.listen_fd);
    unlink(path);
}

static void proxy_reports_a_broken_leg(void **state)
{
    (void)state;
    const char *get = "GET / HTTP/1.1\r\n" CLOSE "\r\n";
    const char *post = "POST / HTTP/1.1\r\n" CLOSE "Content-Length: 8\r\n\r\nabcdefgh";
    char *large = malloc(64 << 10);
    int n = snprintf(large, 64 << 10, "POST / HTTP/1.1\r\n" CLOSE "Content-Length: %d\r\n\r\n", 2 << 20);
    memset(large + n, 'a', (64 << 10) - 1 - (size_t)n);
    large[(64 << 10) - 1] = 0;
    broken_back("aaaaaaaa", NULL, large, "HTTP/1.1 500 ", "PipelineInteractionFailed", NULL); /* with the client lent */
    free(large);
    broken_back("\r\n\r\n", NULL, get, "HTTP/1.1 500 ", "PipelineInteractionFailed", NULL);
    broken_back("abcdefgh", NULL, post, "HTTP/1.1 500 ", "PipelineInteractionFailed", NULL);
    broken_back("\r\n\r\n", "HTTP/1.1 200", get, "HTTP/1.1 500 ", "PipelineInteractionFailed", NULL);
    broken_back("\r\n\r\n", "garbage\r\n\r\n", get, "HTTP/1.1 500 ", "is not HTTP", NULL);
    /* the head was out: the client sees an answer that is incomplete */
    broken_back("\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", get, "HTTP/1.1 200 OK",
                "3\r\nabc\r\n", "\r\n0\r\n");
    broken_back("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", get, "HTTP/1.1 200 OK", "\r\n\r\nabc",
                "500");
    /* an early answer counts, though the body could not be delivered */
    broken_back("\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", post, "HTTP/1.1 404 ",
                "\r\n\r\nno", NULL);
    /* interim answers are for the leg; a body may end with the stream */
    broken_back("\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall", get, "HTTP/1.1 200 OK",
                "3\r\nall\r\n0\r\n\r\n", "100 Continue");
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
#define F(f) cmocka_unit_test_setup_teardown(f, up_front, down_front)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(proxy_writes_both_heads_anew),
        T(proxy_keeps_the_clients_connection),
        T(proxy_streams_uploads),
        T(proxy_lends_the_client_for_a_large_body),
        T(an_early_answer_ends_a_lent_connection),
        T(a_client_that_leaves_a_loan_reaches_the_back),
        T(descriptors_out_of_place_are_closed),
        T(bytes_beside_a_loan_end_the_connection),
        T(proxy_holds_the_client_while_the_back_holds),
        T(proxy_holds_the_back_while_the_client_holds),
        T(proxy_passes_upgrades),
        T(proxy_gives_up_on_a_silent_back),
        F(proxy_without_a_back_is_unreachable),
        F(proxy_reports_a_broken_leg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
