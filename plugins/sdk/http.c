/* http.c: see http.h. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/http.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define QUOTED     200

void hgp_http_init(hgp_http_t *h)
{
    memset(h, 0, sizeof *h);
    hg_buf_init(&h->answer, ANSWER_MAX);
}

void hgp_http_release(hgp_http_t *h)
{
    hg_session_free(h->session);
    hg_buf_release(&h->answer);
}

bool hgp_http_transient(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

int hgp_http_call(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, hg_err_t *err)
{
    if (!h->session) {
        int rc = hg_session_new(&h->session, err);
        if (rc < 0) return rc;
    }
    f->cancelled = hgp_cancelled;
    f->cancel_arg = i;
    hg_buf_clear(&h->answer);
    h->asked_ms = 0;
    h->status = 0; /* that of a request before says nothing of this one */
    int rc = h->batch ? hgp_gate(h->batch, err) : 0;
    if (rc < 0) return rc;
    return hg_session_fetch(h->session, f, &h->status, &h->asked_ms, &h->answer, err);
}

int hgp_http_refused(const hgp_http_t *h, const hg_fetch_t *f, hg_err_t *err)
{
    char text[QUOTED + 1];
    size_t n = HG_MIN(h->answer.len, (size_t)QUOTED);
    for (size_t k = 0; k < n; k++) text[k] = (unsigned char)h->answer.p[k] < ' ' ? ' ' : h->answer.p[k];
    while (n && !hg_utf8_valid(text, n)) n--;
    text[n] = 0;
    hg_err_set(err, HG_ENET, "%s %s: status %d%s%s", f->method ? f->method : "GET", f->url, h->status, n ? ": " : "",
               text);
    err->retry = hgp_http_transient(h->status);
    return err->code;
}

static bool accepted(int status, const int *fine, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (fine[k] == status) return true;
    return status >= 200 && status < 300;
}

int hgp_http_try(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, const hgp_patience_t *p, const int *fine, unsigned n,
                 hg_err_t *err)
{
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        int rc = hgp_http_call(i, h, f, err);
        if (rc == 0 && accepted(h->status, fine, n)) return 0;
        if (rc == 0) rc = hgp_http_refused(h, f, err);
        if (!hgp_try_again(i, p, attempt, h->asked_ms, err)) return rc;
    }
}

int hgp_http_basic(hg_buf_t *out, const char *user, const char *password)
{
    hg_buf_t pair;
    if (!user) return 0;
    hg_buf_init(&pair, HG_BUF_NOMAX);
    int rc = hg_buf_addf(&pair, "%s:%s", user, password ? password : "");
    if (rc == 0) rc = hg_buf_adds(out, "Authorization: Basic ");
    if (rc == 0) rc = hg_base64(out, hg_buf_str(&pair));
    hg_buf_release(&pair);
    return rc;
}

hgp_patience_t hgp_http_patience(const hgp_http_cfg_t *c)
{
    return (hgp_patience_t){ c->max_retries + 1, c->retry_delay, c->max_retry_delay, HG_MAX(c->multiplier, 1.0) };
}

int hgp_http_base(hgp_instance_t *i, const char *url, const char **ret, hg_err_t *err)
{
    hg_str_t s = hg_strz(url);
    while (s.n && s.p[s.n - 1] == '/') s.n--;
    *ret = hg_arena_strndup(i->arena, s.p, s.n);
    if (hg_str_starts(s, HG_S("http://")) || hg_str_starts(s, HG_S("https://"))) return 0;
    return hg_err_set(err, HG_EINVAL, "option 'url': expected a URL that begins with http:// or https://");
}

void *hgp_http_worker_new(hgp_instance_t *i)
{
    hgp_http_worker_t *w = HG_NEW(hgp_http_worker_t);
    (void)i;
    hgp_http_init(&w->http);
    hg_buf_init(&w->body, UINT32_MAX); /* pieces are counted in 32 bits */
    hg_buf_init(&w->scratch, HG_BUF_NOMAX);
    return w;
}

void hgp_http_worker_free(hgp_instance_t *i, void *worker)
{
    hgp_http_worker_t *w = worker;
    (void)i;
    hgp_http_release(&w->http);
    hg_buf_release(&w->body);
    hg_buf_release(&w->scratch);
    hg_free(w->ends);
    hg_free(w->whose);
    hg_free(w);
}
