/* The URL connector against a small server in this process that cuts its answers. test-labels: threads */
#include "tests/unit/pipeline/kit.h"
#include "net/http.h"

/* --- a web server that cuts --- */

#define ROWS 4000

typedef struct web {
    hg_loop_t *loop;
    hg_http_server_t *http;
    unsigned port;
    hg_buf_t body;
    int cuts;    /* so many answers are cut after a piece */
    bool shrunk; /* the second answer is whole and shorter than the first piece */
    unsigned asked;
    hg_err_t err;
} web_t;

static void web_answer(void *arg, hg_req_t *q)
{
    web_t *w = arg;
    char head[128];
    size_t from = 0, n = w->body.len;
    hg_str_t range = hg_req_header(q, "Range");
    w->asked++;
    if (w->shrunk && w->asked > 1) {
        hg_resp_send(q, 200, "text/plain", HG_S("0\n"), NULL);
        return;
    }
    if (range.p) sscanf(range.p, "bytes=%zu-", &from);
    if (from >= n) {
        hg_resp_send(q, 416, NULL, (hg_str_t){ NULL, 0 }, NULL);
        return;
    }
    snprintf(head, sizeof head, "Content-Range: bytes %zu-%zu/%zu\r\n", from, n - 1, n);
    const char *headers = from && !w->shrunk ? head : NULL;
    if (w->cuts-- > 0) {
        hg_resp_begin(q, from ? 206 : 200, "text/plain", headers);
        hg_resp_write(q, w->body.p + from, HG_MIN(n - from, n / 5));
        hg_resp_cut(q);
        return;
    }
    hg_resp_send(q, from ? 206 : 200, "text/plain", (hg_str_t){ w->body.p + from, n - from }, headers);
}

static void web_make(void *arg)
{
    web_t *w = arg;
    hg_http_opts_t o = { .loops = &w->loop, .n_loops = 1, .on_request = web_answer, .arg = w };
    assert_int_equal(hg_http_server_new(&o, &w->http, &w->err), 0);
    assert_int_equal(hg_http_listen_tcp(w->http, "127.0.0.1", 0, &w->port, &w->err), 0);
}

static void web_up(web_t *w)
{
    hg_buf_init(&w->body, HG_BUF_NOMAX);
    for (int i = 0; i < ROWS; i++) hg_buf_addf(&w->body, "%d\n", i);
    w->loop = hg_loop_new("web");
    hg_loop_start(w->loop);
    hg_loop_call(w->loop, web_make, w);
}

static void web_closed(void *arg)
{
    web_t *w = arg;
    hg_http_server_free(w->http);
    hg_loop_stop(w->loop);
}
static void web_close(void *arg)
{
    hg_http_server_close(((web_t *)arg)->http, 0, web_closed, arg);
}

static void web_down(web_t *w)
{
    hg_loop_post(w->loop, web_close, w);
    hg_loop_free(w->loop);
    hg_buf_release(&w->body);
}

static void url_up(rig_t *r, const web_t *w)
{
    char sql[1024];
    rig_init(r);
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '[{\"name\":\"u\",\"transport\":{\"name\":"
             "\"url_input\",\"config\":{\"path\":\"http://127.0.0.1:%u/x\"}},\"format\":{\"name\":\"csv\"}}]');"
             "CREATE VIEW v AS SELECT id FROM t;",
             w->port);
    rig_up(r, sql, true);
}

/* Cut in the middle of records: each record comes once. */
static void test_url_cut(void **state)
{
    (void)state;
    web_t w = { .cuts = 2 };
    rig_t r;
    web_up(&w);
    url_up(&r, &w);
    for (int i = 0; i < 10; i++)
        assert_int_equal(
            http(&r, "POST", i % 2 ? "input_endpoints/t.u/start" : "input_endpoints/t.u/pause", NULL, NULL), 200);
    wait_complete(&r);
    assert_int_equal(totals(&r).completed_records, ROWS);
    rig_down(&r, true);
    web_down(&w);
}

/* Sent again from the start, and shorter than what was read: two halves that do not belong together. */
static void test_url_shrunk(void **state)
{
    (void)state;
    web_t w = { .cuts = 1, .shrunk = true };
    rig_t r;
    char why[1024];
    web_up(&w);
    url_up(&r, &w);
    while (!hg_pipeline_failed(r.p, why, sizeof why)) nap();
    assert_non_null(strstr(why, "has changed"));
    assert_false(totals(&r).complete);
    rig_down(&r, true);
    web_down(&w);
}

static void test_url_random_stops(void **state)
{
    (void)state;
    uint32_t seed = 5;
    web_t w = { .cuts = 1000000 };
    web_up(&w);
    for (int round = 0; round < 20; round++) {
        rig_t r;
        url_up(&r, &w);
        for (uint32_t k = dice(&seed, 20); k; k--) http(&r, "GET", "status", NULL, NULL);
        rig_down(&r, round % 2);
    }
    web_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_cut),
        cmocka_unit_test(test_url_shrunk),
        cmocka_unit_test(test_url_random_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
