/* ask.c: questions that a format asks over HTTP (hg_ask_t in connectors/format.h), for inputs and outputs alike.
 *
 *   pump ─► ask ─► transfer ─► answer ─► ask … ─► nothing is open ─► quiet
 *
 * One question at a time. A server that does not answer, or says "later", is left for the next one of its list; when
 * all were tried, the owner is told and the round begins again after a backoff. Everything here is on the loop, nothing
 * blocks; the client is made with the first question, so who asks nothing costs nothing. */
#include "base/hg.h"
#include "connectors/host/ask.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/connector.h"
#include "net/client.h"

#define RETRY_BASE_MS 250
#define RETRY_CAP_MS  30000
#define ANSWER_MAX    ((size_t)4 << 20)

struct hg_asker {
    hg_loop_t *loop;
    hg_asker_ops_t ops;
    hg_ask_t q;
    hg_client_t *client;
    hg_transfer_t *transfer;
    uv_timer_t *timer; /* heap: freed by its close call-back */
    hg_buf_t url, body;
    int status;
    uint32_t at, tried; /* which of the servers; how many in this round */
    unsigned attempts;
    bool busy, too_long;
};

static void ask_next(hg_asker_t *a);
static void send_question(hg_asker_t *a);

hg_asker_t *hg_asker_new(hg_loop_t *loop, const hg_asker_ops_t *ops)
{
    hg_asker_t *a = HG_NEW(hg_asker_t);
    a->loop = loop;
    a->ops = *ops;
    hg_buf_init(&a->url, 1 << 16);
    hg_buf_init(&a->body, ANSWER_MAX);
    return a;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

void hg_asker_free(hg_asker_t *a)
{
    if (!a) return;
    HG_ON_LOOP(a->loop);
    if (a->transfer) hg_transfer_cancel(a->transfer);
    if (a->client) hg_client_free(a->client);
    if (a->timer) uv_close((uv_handle_t *)a->timer, free_timer);
    hg_buf_release(&a->url);
    hg_buf_release(&a->body);
    hg_free(a);
}

/* --- one attempt --- */

static void on_timer(uv_timer_t *t)
{
    hg_asker_t *a = t->data;
    a->tried = 0;
    send_question(a);
}

/* This server does not help now: the next one, or a pause. One that may not be reached is a mistake of the program. */
static void go_on(hg_asker_t *a, const hg_err_t *why)
{
    if (why->code == HG_EPERM) {
        hg_err_t err = *why;
        a->busy = false;
        err.fatal = 1;
        a->ops.failed(a->ops.arg, &err);
        return;
    }
    a->at = (a->at + 1) % a->q.n_urls;
    if (++a->tried < a->q.n_urls) {
        send_question(a);
        return;
    }
    if (!a->timer) {
        a->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(a->loop), a->timer);
        a->timer->data = a;
    }
    uint64_t ms = hg_backoff_ms(a->attempts++, RETRY_BASE_MS, RETRY_CAP_MS);
    uv_timer_start(a->timer, on_timer, ms, 0);
    hg_err_t err = *why;
    err.retry = 1;
    err.fatal = 0;
    a->ops.trouble(a->ops.arg, &err, ms);
}

static void on_head(void *arg, int status, uint64_t length)
{
    (void)length;
    ((hg_asker_t *)arg)->status = status;
}

static bool on_data(void *arg, const char *p, size_t n)
{
    hg_asker_t *a = arg;
    if (hg_buf_add(&a->body, p, n) < 0) a->too_long = true;
    return true;
}

static void on_done(void *arg, const hg_err_t *failed)
{
    hg_asker_t *a = arg;
    hg_err_t err = *failed;
    a->transfer = NULL;
    if (!err.code && a->too_long)
        hg_err_set(&err, HG_ETOOBIG, "'%s': the answer is longer than %zu bytes", a->url.p, ANSWER_MAX);
    if (err.code) {
        hg_err_wrap(&err, "%s", a->q.what);
        go_on(a, &err);
        return;
    }
    int rc = a->ops.answer(a->ops.obj, a->status, hg_buf_str(&a->body), &err);
    if (rc == HG_EAGAIN) {
        go_on(a, &err);
        return;
    }
    a->busy = false;
    if (rc < 0) {
        err.fatal = 1;
        a->ops.failed(a->ops.arg, &err);
        return;
    }
    if (a->attempts) a->ops.healthy(a->ops.arg);
    a->attempts = 0;
    ask_next(a);
}

static void send_question(hg_asker_t *a)
{
    hg_err_t err = HG_ERR_INIT;
    const char *server = a->q.urls[a->at];
    size_t n = strlen(server);
    while (n && server[n - 1] == '/') n--;
    hg_buf_clear(&a->url);
    hg_buf_clear(&a->body);
    (void)hg_buf_add(&a->url, server, n);
    (void)hg_buf_adds(&a->url, a->q.path);
    hg_transfer_opts_t o = { .method = a->q.method,
                             .url = a->url.p,
                             .headers = a->q.headers,
                             .body = a->q.body,
                             .connect_timeout_ms = HG_MIN(a->q.timeout_ms, (uint64_t)10000),
                             .timeout_ms = a->q.timeout_ms,
                             .proxy = a->q.proxy };
    hg_transfer_ops_t ops = { on_head, on_data, on_done, a };
    a->status = 0;
    a->too_long = false;
    if (!a->client) a->client = hg_client_new(a->loop);
    if (hg_transfer_start(a->client, &o, &ops, &a->transfer, &err) == 0) return;
    a->transfer = NULL;
    go_on(a, &err);
}

static void ask_next(hg_asker_t *a)
{
    if (a->busy) return;
    if (!a->ops.ask(a->ops.obj, &a->q)) {
        a->ops.quiet(a->ops.arg);
        return;
    }
    a->busy = true;
    a->tried = 0;
    if (a->at >= a->q.n_urls) a->at = 0;
    send_question(a);
}

void hg_asker_pump(hg_asker_t *a)
{
    HG_ON_LOOP(a->loop);
    ask_next(a);
}
