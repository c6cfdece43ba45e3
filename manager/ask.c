/* ask.c: short questions to a pipeline process over its unix socket. The answer is collected (up to a ceiling) and
 * handed over once. Streams and bodies of users do not come this way: they are proxied. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/manager_int.h"

#define ASK_ANSWER_MAX ((size_t)64 << 20)

struct hg_ask {
    hg_list_t link; /* mg->asks */
    hg_transfer_t *t;
    hg_buf_t body;
    char content_type[96];
    int status;
    bool too_big;
    hg_ask_fn fn;
    void *arg;
};

static void ask_free(hg_ask_t *ask)
{
    hg_list_del(&ask->link);
    hg_buf_release(&ask->body);
    hg_free(ask);
}

static void on_head(void *arg, int status, uint64_t length)
{
    hg_ask_t *ask = arg;
    (void)length;
    ask->status = status;
    hg_str_t type = ask->t ? hg_transfer_header(ask->t, "Content-Type") : (hg_str_t){ NULL, 0 };
    snprintf(ask->content_type, sizeof ask->content_type, HG_SF, HG_SA(type));
}

static bool on_data(void *arg, const char *p, size_t n)
{
    hg_ask_t *ask = arg;
    if (hg_buf_add(&ask->body, p, n) < 0) ask->too_big = true;
    return true;
}

static void on_done(void *arg, const hg_err_t *err)
{
    hg_ask_t *ask = arg;
    hg_err_t local = *err;
    if (!local.code && ask->too_big) hg_err_set(&local, HG_ETOOBIG, "the answer of the pipeline is too large");
    ask->t = NULL;
    ask->fn(ask->arg, ask->status, ask->content_type, hg_buf_str(&ask->body), &local);
    ask_free(ask);
}

hg_ask_t *hg_ask(hg_mg_t *mg, const char *socket, const char *method, const char *target, uint64_t timeout_ms,
                 hg_ask_fn fn, void *arg)
{
    hg_ask_t *ask = HG_NEW(hg_ask_t);
    char *url = hg_xprintf("http://pipeline%s", target);
    hg_err_t err = HG_ERR_INIT;
    hg_list_init(&ask->link);
    hg_buf_init(&ask->body, ASK_ANSWER_MAX);
    ask->fn = fn;
    ask->arg = arg;
    hg_transfer_opts_t opts = {
        .method = method, .url = url, .unix_socket = socket, .connect_timeout_ms = timeout_ms, .timeout_ms = timeout_ms
    };
    hg_transfer_ops_t ops = { .head = on_head, .data = on_data, .done = on_done, .arg = ask };
    int rc = hg_transfer_start(mg->client, &opts, &ops, &ask->t, &err);
    hg_free(url);
    if (rc < 0) {
        ask_free(ask);
        return NULL;
    }
    hg_list_add_tail(&mg->asks, &ask->link);
    return ask;
}

void hg_ask_cancel(hg_ask_t *ask)
{
    if (ask->t) hg_transfer_cancel(ask->t);
    ask_free(ask);
}

void hg_ask_cancel_all(hg_mg_t *mg)
{
    HG_LIST_EACH(it, &mg->asks) hg_ask_cancel(HG_ENTRY(it, hg_ask_t, link));
}
