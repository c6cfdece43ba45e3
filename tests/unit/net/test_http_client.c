/* The asynchronous client on a loop of its own against our server and against a thread that breaks things.
 * test-labels: threads */
#include "tests/unit/net/net_test.h"

static server_t S;
static hg_loop_t *L;
static hg_client_t *C;
static const char BODY[] = "0123456789abcdefghij";

static void pour(void *arg)
{
    static char block[32768];
    while (hg_resp_write(arg, block, sizeof block)) {
    }
}

static void echo(void *arg, hg_req_t *r, hg_str_t body)
{
    (void)arg;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addf(&b, HG_SF " " HG_SF " " HG_SF, HG_SA(hg_req_method(r)), HG_SA(hg_req_header(r, "x-a")), HG_SA(body));
    hg_resp_send(r, 200, "text/plain", hg_buf_str(&b), NULL);
    hg_buf_release(&b);
}

static void on_request(void *arg, hg_req_t *r)
{
    (void)arg;
    hg_str_t p = hg_req_path(r);
    if (hg_str_eqz(p, "/redirect"))
        hg_resp_send(r, 302, NULL, HG_S("ignored"), "Location: /file\r\nX-Which: first\r\n");
    else if (hg_str_eqz(p, "/loop"))
        hg_resp_send(r, 302, NULL, HG_S(""), "Location: /loop\r\n");
    else if (hg_str_eqz(p, "/file")) {
        hg_str_t range = hg_req_header(r, "range");
        if (hg_str_eqz(range, "bytes=5-") && hg_str_eqz(hg_req_header(r, "if-range"), "\"tag\""))
            hg_resp_send(r, 206, "text/plain", hg_strz(BODY + 5), "ETag: \"tag\"\r\nContent-Range: bytes 5-19/20\r\n");
        else
            hg_resp_send(r, 200, "text/plain", hg_strz(BODY), "ETag: \"tag\"\r\nX-Which: second\r\n");
    } else if (hg_str_eqz(p, "/echo"))
        hg_req_read_all(r, 1000000, echo, NULL);
    else if (hg_str_eqz(p, "/chunks")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_write(r, "a", 1);
        hg_resp_end(r);
    } else if (hg_str_eqz(p, "/cut")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_write(r, "half", 4);
        hg_resp_cut(r);
    } else if (hg_str_eqz(p, "/pour")) {
        hg_resp_begin(r, 200, "text/plain", NULL);
        hg_resp_on_drain(r, pour, r);
        pour(r);
    } else if (hg_str_eqz(p, "/hold")) {
        /* never answered */
    } else
        hg_resp_send(r, 404, "text/plain", HG_S("nothing here"), NULL);
}

typedef struct job {
    hg_transfer_opts_t opts;
    char url[96];
    hg_transfer_t *t;
    sem_t done, event;
    int status, rc;
    uint64_t length;
    char which[32];
    hg_buf_t body;
    size_t bytes, hold_at, cancel_at, calls_while_held;
    bool held;
    unsigned heads, dones;
    hg_err_t err;
} job_t;

static void on_head(void *arg, int status, uint64_t length)
{
    job_t *j = arg;
    j->heads++;
    j->status = status;
    j->length = length;
    hg_str_t w = hg_transfer_header(j->t, "x-which");
    snprintf(j->which, sizeof j->which, HG_SF, HG_SA(w));
}

static bool on_data(void *arg, const char *p, size_t n)
{
    job_t *j = arg;
    if (j->held) j->calls_while_held++;
    j->bytes += n;
    if (j->bytes < 1000000) hg_buf_add(&j->body, p, n);
    if (j->cancel_at && j->bytes >= j->cancel_at) {
        hg_transfer_cancel(j->t);
        sem_post(&j->done);
        return true;
    }
    if (j->hold_at && j->bytes >= j->hold_at) {
        j->hold_at += 1000000;
        j->held = true;
        sem_post(&j->event);
        return false;
    }
    return true;
}

static void on_done(void *arg, const hg_err_t *err)
{
    job_t *j = arg;
    j->dones++;
    j->err = *err;
    sem_post(&j->done);
}

static void start(void *arg)
{
    job_t *j = arg;
    hg_transfer_ops_t ops = { .head = on_head, .data = on_data, .done = on_done, .arg = j };
    j->rc = hg_transfer_start(C, &j->opts, &ops, &j->t, &j->err);
}

static void job_init(job_t *j, const char *path)
{
    memset(j, 0, sizeof *j);
    snprintf(j->url, sizeof j->url, "http://127.0.0.1:%u%s", S.port, path);
    j->opts.url = j->url;
    sem_init(&j->done, 0, 0);
    sem_init(&j->event, 0, 0);
    hg_buf_init(&j->body, HG_BUF_NOMAX);
}

static void run(job_t *j)
{
    hg_loop_call(L, start, j);
    assert_int_equal(j->rc, 0);
    wait_sem(&j->done);
}

static void client_up(void *arg)
{
    (void)arg;
    C = hg_client_new(L);
}
static void client_down(void *arg)
{
    (void)arg;
    hg_client_free(C);
}

static int up(void **state)
{
    (void)state;
    memset(&S, 0, sizeof S);
    server_up(&S, 1, on_request, NULL);
    L = hg_loop_new("client");
    hg_loop_start(L);
    hg_loop_call(L, client_up, NULL);
    return 0;
}

static int down(void **state)
{
    (void)state;
    hg_loop_call(L, client_down, NULL);
    hg_loop_stop(L);
    hg_loop_free(L);
    server_down(&S);
    return 0;
}

static void client_gets_and_posts(void **state)
{
    (void)state;
    job_t j;
    job_init(&j, "/file");
    run(&j);
    assert_int_equal(j.err.code, 0);
    assert_int_equal(j.status, 200);
    assert_int_equal(j.length, 20);
    assert_string_equal(j.body.p, BODY);
    hg_buf_release(&j.body);

    static const char *const headers[] = { "X-A: yes", NULL };
    job_init(&j, "/echo");
    j.opts.method = "PUT";
    j.opts.headers = headers;
    j.opts.body = HG_S("payload");
    run(&j);
    assert_string_equal(j.body.p, "PUT yes payload");
    hg_buf_release(&j.body);

    job_init(&j, "/x");
    run(&j);
    assert_int_equal(j.err.code, 0); /* a status is no error */
    assert_int_equal(j.status, 404);
    assert_string_equal(j.body.p, "nothing here");
    hg_buf_release(&j.body);

    job_init(&j, "/chunks");
    run(&j);
    assert_true(j.length == UINT64_MAX);
    assert_string_equal(j.body.p, "a");
    hg_buf_release(&j.body);

    job_init(&j, "/file");
    j.opts.method = "HEAD";
    run(&j);
    assert_int_equal(j.heads, 1);
    assert_int_equal(j.length, 20);
    assert_int_equal(j.bytes, 0);
}

static void client_follows_redirects_and_tells_the_last_head(void **state)
{
    (void)state;
    job_t j;
    job_init(&j, "/redirect");
    j.opts.follow_redirects = true;
    run(&j);
    assert_int_equal(j.heads, 1);
    assert_int_equal(j.status, 200);
    assert_string_equal(j.which, "second");
    assert_string_equal(j.body.p, BODY);
    hg_buf_release(&j.body);
    job_init(&j, "/redirect");
    run(&j);
    assert_int_equal(j.status, 302);
    assert_string_equal(j.which, "first");
    hg_buf_release(&j.body);
    job_init(&j, "/loop");
    j.opts.follow_redirects = true;
    run(&j);
    assert_int_equal(j.err.code, HG_EPROTO);
    assert_false(j.err.retry);
}

static void client_asks_for_ranges(void **state)
{
    (void)state;
    job_t j;
    job_init(&j, "/file");
    j.opts.range_from = 5;
    j.opts.if_range = "\"tag\"";
    run(&j);
    assert_int_equal(j.status, 206);
    assert_string_equal(j.body.p, BODY + 5);
    hg_buf_release(&j.body);
    job_init(&j, "/file");
    j.opts.range_from = 5;
    j.opts.if_range = "\"older\"";
    run(&j);
    assert_int_equal(j.status, 200); /* it changed: all of it, not an error */
    assert_string_equal(j.body.p, BODY);
    hg_buf_release(&j.body);
}

static void client_reports_what_broke(void **state)
{
    (void)state;
    job_t j;
    job_init(&j, "/cut");
    run(&j);
    assert_int_equal(j.err.code, HG_ENET);
    assert_true(j.err.retry);
    assert_string_equal(j.body.p, "half");
    hg_buf_release(&j.body);
    job_init(&j, "/");
    snprintf(j.url, sizeof j.url, "http://127.0.0.1:1/");
    run(&j);
    assert_int_equal(j.err.code, HG_ENET);
    assert_true(j.err.retry);
    job_init(&j, "/hold");
    j.opts.timeout_ms = 50;
    run(&j);
    assert_int_equal(j.err.code, HG_ETIMEOUT);
    static const char *const wrong[] = { "file:///etc/passwd", "ftp://x/", "http://", "no url" };
    for (size_t i = 0; i < HG_COUNT(wrong); i++) {
        job_init(&j, "/");
        snprintf(j.url, sizeof j.url, "%s", wrong[i]);
        hg_loop_call(L, start, &j);
        assert_int_equal(j.rc, HG_EINVAL);
    }
}

static void resume(void *arg)
{
    job_t *j = arg;
    j->held = false;
    hg_transfer_resume(j->t);
}
static void cancel(void *arg)
{
    hg_transfer_cancel(((job_t *)arg)->t);
}
static void nothing(void *arg)
{
    (void)arg;
}

static void client_pauses_resumes_and_cancels(void **state)
{
    (void)state;
    job_t j;
    job_init(&j, "/pour");
    j.hold_at = 1000000;
    hg_loop_call(L, start, &j);
    for (int i = 0; i < 8; i++) {
        wait_sem(&j.event);
        for (int turn = 0; turn < 50; turn++)
            hg_loop_call(L, nothing, NULL); /* the loop goes on, nothing is delivered */
        hg_loop_call(L, resume, &j);
    }
    wait_sem(&j.event);
    assert_int_equal(j.calls_while_held, 0);
    assert_true(j.bytes < 10000000);
    hg_loop_call(L, cancel, &j); /* while paused */
    for (int turn = 0; turn < 50; turn++) hg_loop_call(L, nothing, NULL);
    assert_int_equal(j.dones, 0);
    hg_buf_release(&j.body);

    job_init(&j, "/pour"); /* from inside a call-back */
    j.cancel_at = 100000;
    run(&j);
    for (int turn = 0; turn < 50; turn++) hg_loop_call(L, nothing, NULL);
    assert_int_equal(j.dones, 0);
    hg_buf_release(&j.body);

    job_init(&j, "/hold"); /* before anything came */
    hg_loop_call(L, start, &j);
    hg_loop_call(L, cancel, &j);
}

static bool stop_sink(void *arg, const char *p, size_t n)
{
    (void)p;
    *(size_t *)arg += n;
    return *(size_t *)arg < 200000;
}

static void fetch_streams_stops_and_limits(void **state)
{
    (void)state;
    char url[64];
    size_t n = 0;
    int status = 0;
    hg_err_t err = HG_ERR_INIT;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/pour", S.port);
    hg_fetch_t f = { .url = url, .sink = stop_sink, .arg = &n };
    assert_int_equal(hg_fetch(&f, &status, NULL, &err), 0);
    assert_int_equal(status, 200);
    assert_true(n >= 200000);
    hg_buf_t small;
    hg_buf_init(&small, 1000);
    f = (hg_fetch_t){ .url = url };
    assert_int_equal(hg_fetch(&f, &status, &small, &err), HG_ETOOBIG);
    hg_buf_release(&small);
    f = (hg_fetch_t){ .url = "http://127.0.0.1:1/" };
    assert_int_equal(hg_fetch(&f, &status, NULL, &err), HG_ENET);
    assert_non_null(strstr(err.msg, "http://127.0.0.1:1/"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(client_gets_and_posts),
        T(client_follows_redirects_and_tells_the_last_head),
        T(client_asks_for_ranges),
        T(client_reports_what_broke),
        T(client_pauses_resumes_and_cancels),
        T(fetch_streams_stops_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
