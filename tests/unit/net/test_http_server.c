/* The server over real sockets on two loops: requests, answers, back-pressure, ends. test-labels: threads */
#include "tests/unit/net/net_test.h"
#include "base/fault.h"

typedef struct probe {
    sem_t event; /* something the test waits for */
    sem_t abort;
    atomic_uint aborts, ends;
    atomic_size_t bytes, max_tail, max_queued;
    hg_req_t *held;
    hg_loop_t *held_loop;
} probe_t;

static probe_t P;

static void on_abort(void *arg)
{
    (void)arg;
    atomic_fetch_add(&P.aborts, 1);
    sem_post(&P.abort);
}

static void echo(void *arg, hg_req_t *r, hg_str_t body)
{
    (void)arg;
    hg_resp_send(r, 200, "text/plain", body, NULL);
}

static void note_max(atomic_size_t *a, size_t v)
{
    if (v > atomic_load(a)) atomic_store(a, v);
}

/* /gate holds after every piece and is opened from outside; /count takes all. */
static bool gate_data(void *arg, const char *p, size_t n)
{
    hg_req_t *r = arg;
    (void)p;
    atomic_fetch_add(&P.bytes, n);
    note_max(&P.max_tail, r->conn->tail.len);
    P.held = r;
    P.held_loop = hg_req_loop(r);
    sem_post(&P.event);
    return false;
}
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
    atomic_fetch_add(&P.ends, 1);
    snprintf(text, sizeof text, "%zu", atomic_load(&P.bytes));
    hg_resp_send(arg, 200, "text/plain", hg_strz(text), NULL);
    sem_post(&P.event);
}
static void body_abort(void *arg)
{
    (void)arg;
}

static void pour(void *arg)
{
    static char block[32768];
    hg_req_t *r = arg;
    while (hg_resp_write(r, block, sizeof block)) {
    }
    note_max(&P.max_queued, hg_resp_queued(r));
    sem_post(&P.event);
}

static void answer_held(void *arg)
{
    hg_resp_send(arg, 200, "text/plain", HG_S("late"), NULL);
}
static void resume_held(void *arg)
{
    hg_req_resume(arg);
}

static void params(hg_req_t *r)
{
    hg_err_t err = HG_ERR_INIT;
    bool flag = false;
    uint64_t num = 0;
    const hg_str_t *seg;
    uint32_t n;
    if (hg_req_segments(r, &seg, &n, &err) < 0 || hg_req_param_bool(r, "flag", true, &flag, &err) < 0 ||
        hg_req_param_u64(r, "n", 7, &num, &err) < 0) {
        hg_resp_err(r, &err);
        return;
    }
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(&b, "<" HG_SF ">", HG_SA(seg[i]));
    hg_buf_addf(&b, " %d %" PRIu64 " q=" HG_SF, flag, num, HG_SA(hg_req_param(r, "q")));
    hg_resp_send(r, 200, "text/plain", hg_buf_str(&b), "X-Extra: 1\r\n");
    hg_buf_release(&b);
}

static void on_request(void *arg, hg_req_t *r)
{
    (void)arg;
    hg_str_t path = hg_req_path(r);
    hg_req_on_abort(r, on_abort, NULL);
    if (hg_str_eqz(path, "/hello")) {
        hg_resp_send(r, 200, "text/plain", HG_S("hello"), NULL);
    } else if (hg_str_eqz(path, "/echo")) {
        hg_req_read_all(r, 100000, echo, NULL);
    } else if (hg_str_eqz(path, "/count") || hg_str_eqz(path, "/gate")) {
        hg_body_ops_t ops = {
            .data = hg_str_eqz(path, "/gate") ? gate_data : count_data, .end = count_end, .abort = body_abort, .arg = r
        };
        hg_req_stream(r, &ops);
    } else if (hg_str_eqz(path, "/pour")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_on_drain(r, pour, r);
        pour(r);
    } else if (hg_str_eqz(path, "/chunks")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_write(r, "one\n", 4);
        hg_resp_write(r, "two\n", 4);
        hg_resp_end(r);
    } else if (hg_str_eqz(path, "/cut")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_write(r, "half", 4);
        hg_resp_cut(r);
    } else if (hg_str_eqz(path, "/hold")) {
        P.held = r;
        P.held_loop = hg_req_loop(r);
        sem_post(&P.event);
    } else if (hg_str_starts(path, HG_S("/p/")) || hg_str_eqz(path, "/")) {
        params(r);
    } else if (hg_str_eqz(path, "/none")) {
        hg_resp_send(r, 204, NULL, HG_S(""), NULL);
    } else {
        hg_resp_error(r, 404, "NotFound", "no \"such\" route", NULL);
    }
}

static server_t S;

static int up(void **state)
{
    (void)state;
    memset(&S, 0, sizeof S);
    memset(&P, 0, sizeof P);
    sem_init(&P.event, 0, 0);
    sem_init(&P.abort, 0, 0);
    server_up(&S, 2, on_request, NULL);
    return 0;
}

static int down(void **state)
{
    (void)state;
    server_down(&S);
    return 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void http_answers(void **state)
{
    (void)state;
    ask(&S, GET("/hello"), "HTTP/1.1 200 OK\r\n",
        "\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    ask(&S, GET("/chunks"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n");
    ask(&S, GET("/x"), "HTTP/1.1 404 Not Found\r\n",
        "{\"message\":\"no \\\"such\\\" route\",\"error_code\":\"NotFound\",\"details\":{}}");
    ask(&S, GET("/p/a%2Fb/c%22?flag=false&n=18446744073709551615&q=a+b%21&q=last+%26"), "HTTP/1.1 200 OK\r\n",
        "<p><a/b><c\"> 0 18446744073709551615 q=last &");
    ask(&S, GET("/p//"), "HTTP/1.1 200 OK\r\n", "<p><><> 1 7 q=");
    ask(&S, GET("/"), "HTTP/1.1 200 OK\r\n", "X-Extra: 1\r\n");
    ask(&S, GET("http://host:1/p/a"), "HTTP/1.1 200 OK\r\n", "<p><a>");
    ask(&S, GET("/p/a?flag=True"), "HTTP/1.1 400 Bad Request\r\n", "'flag': expected 'true' or 'false', found 'True'");
    ask(&S, GET("/p/a?n=-1"), "HTTP/1.1 400 Bad Request\r\n", "'n': expected a whole number");
    ask(&S, GET("/p/%zz"), "HTTP/1.1 400 Bad Request\r\n", "path segment '%zz' cannot be decoded");
    ask(&S, GET("/p/%ff"), "HTTP/1.1 400 Bad Request\r\n", "cannot be decoded");
}

static void http_head_and_204_have_no_body(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nHEAD /chunks HTTP/1.1\r\nHost: x\r\n\r\n" GET("/none"));
    hg_buf_t b = hear_all(fd);
    assert_non_null(strstr(b.p, "Content-Length: 5\r\n\r\nHTTP/1.1 200 OK"));
    assert_non_null(strstr(b.p, "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_string_equal(b.p + b.len - 4, "\r\n\r\n");
    hg_buf_release(&b);
    close(fd);
}

static void http_10_closes_unless_asked_to_keep(void **state)
{
    (void)state;
    ask(&S, "GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "Connection: close\r\n\r\nhello");
    ask(&S, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\r\n",
        "Connection: close\r\n\r\none\ntwo\n");
    int fd = dial(&S);
    say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hg_buf_t b = hear_until(fd, "hello");
    assert_non_null(strstr(b.p, "Connection: keep-alive\r\n"));
    hg_buf_release(&b);
    say(fd, "GET /hello HTTP/1.0\r\n\r\n");
    expect_until(fd, "hello");
    close(fd);
}

static void http_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" GET(
                "/hello"));
    wait_sem(&P.event);
    hg_loop_post(P.held_loop, answer_held, P.held);
    hg_buf_t b = hear_all(fd);
    const char *late = strstr(b.p, "late"), *abc = strstr(b.p, "abc"), *hello = strstr(b.p, "hello");
    assert_true(late && abc && hello && late < abc && abc < hello);
    hg_buf_release(&b);
    close(fd);
}

static void http_takes_one_byte_per_packet(void **state)
{
    (void)state;
    const char *text = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
                       "close\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n";
    int fd = dial(&S), one = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    for (const char *p = text; *p; p++) say_n(fd, p, 1);
    hg_buf_t b = hear_all(fd);
    assert_non_null(strstr(b.p, "Content-Length: 4\r\n"));
    assert_string_equal(b.p + b.len - 4, "abcd");
    hg_buf_release(&b);
    close(fd);
}

static void http_refuses_bad_requests_and_closes(void **state)
{
    (void)state;
    ask(&S, "GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 Bad Request\r\n", "line feed without carriage return");
    ask(&S, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
        "\"error_code\":\"InvalidRequest\"");
    ask(&S, "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n", "Connection: close\r\n");
    ask(&S, "GET / HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ", NULL);
    ask(&S, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 417 ", NULL);
    /* refused in the middle of the body: the handler hears of it, the client gets a reason */
    ask(&S, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
        "HTTP/1.1 400 Bad Request\r\n", NULL);
    wait_sem(&P.abort);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "GET / HTTP/1.1\r\nHost: x\r\nBig: ");
    while (b.len < 40000) hg_buf_addc(&b, 'x');
    ask(&S, b.p, "HTTP/1.1 431 ", "too large");
    hg_buf_release(&b);
}

static void http_bodies_above_the_limit_are_413(void **state)
{
    (void)state;
    ask(&S, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n", "HTTP/1.1 413 ", "PayloadTooLarge");
    wait_sem(&P.abort);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n");
    for (int i = 0; i < 200000; i++) hg_buf_addc(&b, 'x');
    ask(&S, b.p, "HTTP/1.1 413 ", "PayloadTooLarge");
    wait_sem(&P.abort);
    hg_buf_release(&b);
}

static void http_continue_comes_only_for_an_accepted_head(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
    expect_until(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "ok");
    hg_buf_t b = hear_all(fd);
    assert_memory_equal(b.p, "HTTP/1.1 200 OK", 15);
    hg_buf_release(&b);
    close(fd);
    ask(&S, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 404 ",
        "Connection: close\r\n");
}

static void http_unread_body_is_drained_or_ends_the_connection(void **state)
{
    (void)state;
    ask(&S, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345" GET("/none"), "HTTP/1.1 200 OK",
        "HTTP/1.1 204");
    int fd = dial(&S);
    hg_buf_t big;
    hg_buf_init(&big, HG_BUF_NOMAX);
    hg_buf_adds(&big, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    while (big.len < 300000) hg_buf_addc(&big, 'x');
    say_n(fd, big.p, big.len); /* less than promised; still the whole answer arrives */
    hg_buf_t b = hear_all(fd);
    assert_non_null(strstr(b.p, "Connection: close\r\n\r\nhello"));
    hg_buf_release(&b);
    hg_buf_release(&big);
    close(fd);
}

static void http_asking_late_for_an_empty_body_works(void **state)
{
    (void)state;
    ask(&S, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "Content-Length: 0\r\n");
    ask(&S, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK",
        "\r\n\r\n0");
}

static void http_cut_is_visible(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, GET("/cut"));
    hg_buf_t b = hear_all(fd);
    assert_non_null(strstr(b.p, "4\r\nhalf\r\n"));
    assert_null(strstr(b.p, "\r\n0\r\n"));
    hg_buf_release(&b);
    close(fd);
}

static void http_slow_reader_stops_the_writer(void **state)
{
    (void)state;
    int fd = dial(&S);
    say(fd, GET("/pour"));
    wait_sem(&P.event); /* the queue is full */
    char buf[65536];
    size_t got = 0;
    while (got < 32u * 1024 * 1024) {
        ssize_t k = recv(fd, buf, sizeof buf, 0);
        assert_true(k > 0);
        got += (size_t)k;
    }
    wait_sem(&P.event); /* it went on, and was stopped again */
    assert_true(atomic_load(&P.max_queued) <= HG_NET_HIGH + 2 * 32768);
    assert_int_equal(atomic_load(&P.aborts), 0);
    close(fd);
    wait_sem(&P.abort); /* and the end of the reader ends it */
}

/* An event is a piece that holds, or the end. */
static void open_gate_until_end(unsigned ends)
{
    for (wait_sem(&P.event); atomic_load(&P.ends) < ends; wait_sem(&P.event))
        hg_loop_post(P.held_loop, resume_held, P.held);
}

static void *upload(void *arg)
{
    int fd = *(int *)arg;
    char *block = calloc(1, 1 << 20);
    say(fd, "POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 16; i++) say_n(fd, block, 1 << 20);
    free(block);
    return NULL;
}

static void http_held_upload_is_bounded_and_complete(void **state)
{
    (void)state;
    int fd = dial(&S);
    pthread_t t;
    pthread_create(&t, NULL, upload, &fd);
    open_gate_until_end(1);
    hg_buf_t b = hear_all(fd);
    assert_string_equal(b.p + b.len - 8, "16777216");
    assert_true(atomic_load(&P.max_tail) <= HG_NET_TAIL_HOLD + HG_NET_READ_BUF);
    hg_buf_release(&b);
    pthread_join(t, NULL);
    close(fd);
}

static void http_notices_who_leaves_while_held(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
        "POST /gate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n7\r\nxy",
        "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
    };
    for (size_t i = 0; i < HG_COUNT(heads); i++) {
        int fd = dial(&S);
        say(fd, heads[i]);
        if (i < 3) wait_sem(&P.event);
        close(fd);
        wait_sem(&P.abort);
        assert_int_equal(atomic_load(&P.aborts), i + 1);
        assert_int_equal(atomic_load(&P.ends), 0);
    }
}

/* A client that has sent everything and closed its sending side is not gone: what it sent is delivered. */
static void http_half_closed_upload_is_not_lost(void **state)
{
    (void)state;
    static const char *const asks[] = {
        "POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabcdef",
        "POST /gate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
        "close\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < HG_COUNT(asks); i++) {
        int fd = dial(&S);
        atomic_store(&P.bytes, 0);
        say(fd, asks[i]);
        shutdown(fd, SHUT_WR);
        open_gate_until_end((unsigned)i + 1);
        hg_buf_t b = hear_all(fd);
        assert_string_equal(b.p + b.len - 1, "6");
        hg_buf_release(&b);
        close(fd);
    }
    assert_int_equal(atomic_load(&P.aborts), 0);
}

static void http_serves_a_thousand_connections(void **state)
{
    (void)state;
    enum { N = 1000 };
    static int fds[N];
    uint64_t before = hg_rss_bytes();
    for (int i = 0; i < N; i++) {
        fds[i] = dial(&S);
        say(fds[i], "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping");
    }
    for (int i = 0; i < N; i++) expect_until(fds[i], "ping");
    assert_int_equal(hg_http_connections(S.http), N);
    uint64_t used = hg_rss_bytes() - before;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)used;
#else
    assert_true(used < 12u * 1024 * 1024);
#endif
    for (int i = 0; i < N; i++) say(fds[i], GET("/hello"));
    for (int i = 0; i < N; i++) {
        hg_buf_t b = hear_all(fds[i]);
        assert_non_null(strstr(b.p, "hello"));
        hg_buf_release(&b);
        close(fds[i]);
    }
}

static void arm(void *arg)
{
    (void)arg;
    hg_fault_arm(HG_FAULT_OPEN, 1);
}

static void http_survives_running_out_of_descriptors(void **state)
{
    (void)state;
    hg_loop_call(S.loops[0], arm, NULL); /* the next accept finds no descriptor */
    int fd = dial(&S);
    hg_buf_t b = hear_all(fd); /* turned away */
    assert_int_equal(b.len, 0);
    hg_buf_release(&b);
    close(fd);
    assert_true(hg_fault_fired());
    ask(&S, GET("/hello"), "HTTP/1.1 200 OK", NULL);
}

/* What a server with short times answers; said again where it has closed before it was said. */
static hg_buf_t in_time(server_t *t, const char *bytes)
{
    for (;;) {
        int fd = dial(t);
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        if (send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) == (ssize_t)strlen(bytes)) {
            hg_buf_release(&b);
            b = hear_all(fd);
        }
        close(fd);
        if (b.len > 0) return b;
        hg_buf_release(&b);
    }
}

static void http_timeouts(void **state)
{
    (void)state;
    server_t t = { .opts = { .idle_timeout_ms = 100, .head_timeout_ms = 100 } };
    server_up(&t, 1, on_request, NULL);
    int fd = dial(&t);
    hg_buf_t b = hear_all(fd); /* never said a word */
    assert_int_equal(b.len, 0);
    hg_buf_release(&b);
    close(fd);
    b = in_time(&t, "GET / HT");
    assert_ptr_equal(strstr(b.p, "HTTP/1.1 408 Request Timeout\r\n"), b.p);
    hg_buf_release(&b);
    b = in_time(&t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* kept alive, idle, closed */
    assert_non_null(strstr(b.p, "hello"));
    hg_buf_release(&b);
    server_down(&t);
}

static void http_close_cuts_what_does_not_end(void **state)
{
    (void)state;
    server_t t = { .n_loops = 0 };
    server_up(&t, 2, on_request, NULL);
    int idle = dial(&t), held = dial(&t), pouring = dial(&t);
    say(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_until(idle, "hello");
    say(held, GET("/hold"));
    wait_sem(&P.event);
    say(pouring, GET("/pour"));
    wait_sem(&P.event);
    server_down(&t);
    wait_sem(&P.abort);
    wait_sem(&P.abort);
    close(idle);
    close(held);
    close(pouring);
}

static void http_unix_socket_is_private_and_exclusive(void **state)
{
    (void)state;
    char path[64];
    server_t a = { .unix_path = path }, b = { .unix_path = path };
    snprintf(path, sizeof path, "/tmp/hg-net-%d.sock", (int)getpid());
    server_up(&a, 1, on_request, NULL);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    hg_fetch_t f = { .url = "http://localhost/hello", .unix_socket = path };
    hg_buf_t body;
    hg_err_t err = HG_ERR_INIT;
    int status = 0;
    hg_buf_init(&body, HG_BUF_NOMAX);
    assert_int_equal(hg_fetch(&f, &status, &body, &err), 0);
    assert_int_equal(status, 200);
    assert_string_equal(body.p, "hello");
    hg_buf_release(&body);

    b.loops[0] = hg_loop_new("second");
    b.opts = (hg_http_opts_t){ .loops = b.loops, .n_loops = 1, .on_request = on_request };
    b.n_loops = 1;
    sem_init(&b.done, 0, 0);
    hg_loop_start(b.loops[0]);
    hg_loop_call(b.loops[0], server_up_on_loop, &b);
    assert_int_equal(b.rc, HG_EBUSY);
    assert_non_null(strstr(b.err.msg, "another process serves"));
    server_down(&b);
    server_down(&a);
    assert_int_equal(stat(path, &st), -1); /* gone with its server */

    /* a dead one is replaced */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    close(fd);
    server_t c = { .unix_path = path };
    server_up(&c, 1, on_request, NULL);
    server_down(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(http_answers),
        T(http_head_and_204_have_no_body),
        T(http_10_closes_unless_asked_to_keep),
        T(http_pipelined_requests_are_answered_in_order),
        T(http_takes_one_byte_per_packet),
        T(http_refuses_bad_requests_and_closes),
        T(http_bodies_above_the_limit_are_413),
        T(http_continue_comes_only_for_an_accepted_head),
        T(http_unread_body_is_drained_or_ends_the_connection),
        T(http_asking_late_for_an_empty_body_works),
        T(http_cut_is_visible),
        T(http_slow_reader_stops_the_writer),
        T(http_held_upload_is_bounded_and_complete),
        T(http_notices_who_leaves_while_held),
        T(http_half_closed_upload_is_not_lost),
        T(http_serves_a_thousand_connections),
        T(http_survives_running_out_of_descriptors),
        T(http_timeouts),
        T(http_close_cuts_what_does_not_end),
        T(http_unix_socket_is_private_and_exclusive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
