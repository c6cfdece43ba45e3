/* client_multi.c: HTTP transfers by libcurl's multi interface on a loop.
 *
 * curl says which sockets to watch (uv_poll) and when to wake it (uv_timer). It must not be entered from its own
 * call-backs, while our users may start, resume and cancel from anywhere on the loop, also from inside a data
 * call-back: those wishes are flags on the transfer, put on `wishes`, and carried out by an idle handle outside of
 * curl.
 *
 * Pausing: the call-back that says "no more" has taken its bytes; the next delivery is refused, which makes curl keep
 * that one buffer and stop reading the socket.
 */
#include "base/hg.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/net_int.h"
#include <curl/curl.h>

#define HEADERS_MAX ((size_t)256 * 1024)

struct hg_client {
    hg_loop_t *loop;
    CURLM *multi; /* made for the first transfer */
    uv_timer_t timer;
    uv_idle_t idle;
    hg_list_t wishes; /* transfers with something to do outside of curl */
    hg_list_t transfers;
    unsigned open_handles;
};

struct hg_transfer {
    hg_client_t *client;
    hg_list_t link; /* client->transfers */
    hg_list_t wish; /* client->wishes */
    hg_transfer_ops_t ops;
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    hg_reach_t reach;
    hg_buf_t answer; /* header lines of the last response */
    char detail[CURL_ERROR_SIZE];
    bool added, follow, head_told, canceled, want_pause, paused, want_resume;
};

typedef struct watch {
    uv_poll_t poll;
    hg_client_t *client;
    curl_socket_t fd;
} watch_t;

/* --- curl and the loop --- */

static void transfer_free(hg_transfer_t *t)
{
    if (t->added) curl_multi_remove_handle(t->client->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    if (hg_list_linked(&t->wish)) hg_list_del(&t->wish);
    hg_list_del(&t->link);
    hg_buf_release(&t->answer);
    hg_free(t->url);
    hg_free(t);
}

static void tell_head(hg_transfer_t *t);

static void finish(hg_transfer_t *t, CURLcode rc)
{
    hg_err_t err = HG_ERR_INIT;
    if (!t->canceled) {
        if (rc == CURLE_OK)
            tell_head(t);
        else if (t->reach.err.code)
            err = t->reach.err;
        else
            hg_curl_err(&err, (int)rc, t->detail, t->url);
    }
    if (t->added) curl_multi_remove_handle(t->client->multi, t->easy);
    t->added = false;
    if (!t->canceled) t->ops.done(t->ops.arg, &err);
    transfer_free(t);
}

static void reap(hg_client_t *c)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode rc = m->data.result;
        hg_transfer_t *t = NULL;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&t);
        finish(t, rc);
    }
}

static void act(hg_client_t *c, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(c->multi, fd, what, &running);
    reap(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    watch_t *w = poll->data;
    hg_client_t *c = w->client;
    int what = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE) what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE) what |= CURL_CSELECT_OUT;
    act(c, w->fd, what);
}

static void watch_closed(uv_handle_t *h)
{
    hg_free(h->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    hg_client_t *c = arg;
    watch_t *w = sock_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(c->multi, fd, NULL);
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, watch_closed);
        }
        return 0;
    }
    if (!w) {
        w = HG_NEW(watch_t);
        w->client = c;
        w->fd = fd;
        if (uv_poll_init_socket(hg_loop_uv(c->loop), &w->poll, fd) < 0) {
            hg_free(w);
            return -1;
        }
        w->poll.data = w;
        curl_multi_assign(c->multi, fd, w);
    }
    int events = what == CURL_POLL_IN ? UV_READABLE : what == CURL_POLL_OUT ? UV_WRITABLE : UV_READABLE | UV_WRITABLE;
    uv_poll_start(&w->poll, events, on_poll);
    return 0;
}

static void on_timer(uv_timer_t *t)
{
    act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    hg_client_t *c = arg;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, (uint64_t)(ms ? ms : 1), 0); /* never from inside curl */
    return 0;
}

static void on_idle(uv_idle_t *idle)
{
    hg_client_t *c = idle->data;
    hg_list_t now;
    hg_list_init(&now);
    while (!hg_list_empty(&c->wishes)) hg_list_add_tail(&now, hg_list_pop(&c->wishes));
    for (hg_list_t *it; (it = hg_list_pop(&now)) != NULL;) {
        hg_transfer_t *t = HG_ENTRY(it, hg_transfer_t, wish);
        if (t->canceled) {
            transfer_free(t);
            continue;
        }
        if (!t->added) {
            t->added = true;
            CURLMcode rc = curl_multi_add_handle(c->multi, t->easy);
            if (rc != CURLM_OK) {
                t->added = false;
                finish(t, CURLE_FAILED_INIT);
                continue;
            }
        }
        if (t->want_resume) {
            t->want_resume = false;
            t->want_pause = false;
            if (t->paused) {
                t->paused = false;
                curl_easy_pause(t->easy, CURLPAUSE_CONT); /* may deliver, may end the transfer: reap below */
            }
        }
    }
    reap(c);
    if (hg_list_empty(&c->wishes)) uv_idle_stop(idle);
}

static void wish(hg_transfer_t *t)
{
    hg_client_t *c = t->client;
    if (hg_list_linked(&t->wish)) return;
    if (hg_list_empty(&c->wishes)) uv_idle_start(&c->idle, on_idle);
    hg_list_add_tail(&c->wishes, &t->wish);
}

/* --- what curl hands over --- */

static long status_of(const hg_transfer_t *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

hg_str_t hg_transfer_header(hg_transfer_t *t, const char *name)
{
    hg_str_t rest = hg_buf_str(&t->answer), want = hg_strz(name);
    while (rest.n) {
        const char *nl = memchr(rest.p, '\n', rest.n);
        hg_str_t line = { rest.p, nl ? (size_t)(nl - rest.p) : rest.n };
        const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        if (colon && hg_str_ieq((hg_str_t){ line.p, (size_t)(colon - line.p) }, want))
            return hg_str_trim((hg_str_t){ colon + 1, (size_t)(line.p + line.n - colon - 1) });
        size_t step = line.n + (nl ? 1 : 0);
        rest.p += step;
        rest.n -= step;
    }
    return (hg_str_t){ NULL, 0 };
}

static void tell_head(hg_transfer_t *t)
{
    uint64_t length;
    if (t->head_told || t->canceled) return;
    t->head_told = true;
    hg_str_t v = hg_transfer_header(t, "content-length");
    if (!v.p || hg_str_u64(v, &length) < 0) length = UINT64_MAX;
    if (t->ops.head) t->ops.head(t->ops.arg, (int)status_of(t), length);
}

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    hg_transfer_t *t = arg;
    (void)one;
    if (t->canceled) return 0;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0 && !t->head_told) hg_buf_clear(&t->answer);
    if (n > 2) return hg_buf_add(&t->answer, p, n) < 0 ? 0 : n; /* also trailers: they stand behind the head */
    long status = status_of(t);
    if (status < 200) return n;
    if (t->follow && status >= 300 && status < 400 && hg_transfer_header(t, "location").p) return n;
    tell_head(t);
    return t->canceled ? 0 : n;
}

static size_t on_write(char *p, size_t one, size_t n, void *arg)
{
    hg_transfer_t *t = arg;
    (void)one;
    if (t->canceled) return 0;
    if (t->want_pause) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (n == 0) return 0;
    tell_head(t);
    if (!t->canceled && !t->ops.data(t->ops.arg, p, n)) t->want_pause = true;
    return t->canceled ? 0 : n;
}

/* --- the user's side --- */

hg_client_t *hg_client_new(hg_loop_t *loop)
{
    HG_ON_LOOP(loop);
    hg_net_init();
    hg_client_t *c = HG_NEW(hg_client_t);
    c->loop = loop;
    hg_list_init(&c->wishes);
    hg_list_init(&c->transfers);
    uv_timer_init(hg_loop_uv(loop), &c->timer);
    uv_idle_init(hg_loop_uv(loop), &c->idle);
    c->timer.data = c->idle.data = c;
    c->open_handles = 2;
    return c;
}

static int need_multi(hg_client_t *c, hg_err_t *err)
{
    if (c->multi) return 0;
    int rc = hg_curl_load(err);
    if (rc < 0) return rc;
    c->multi = curl_multi_init();
    HG_ASSERT(c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    return 0;
}

static void handle_closed(uv_handle_t *h)
{
    hg_client_t *c = h->data;
    if (--c->open_handles == 0) hg_free(c);
}

void hg_client_free(hg_client_t *c)
{
    if (!c) return;
    HG_ON_LOOP(c->loop);
    HG_LIST_EACH(it, &c->transfers)
    {
        hg_transfer_t *t = HG_ENTRY(it, hg_transfer_t, link);
        HG_ASSERT(t->canceled); /* canceled ones may still wait for their turn */
        transfer_free(t);
    }
    if (c->multi) curl_multi_cleanup(c->multi); /* closes kept connections, and with them our watches */
    uv_close((uv_handle_t *)&c->timer, handle_closed);
    uv_close((uv_handle_t *)&c->idle, handle_closed);
}

static long clamp_ms(uint64_t ms)
{
    return (long)HG_MIN(ms, (uint64_t)INT32_MAX);
}

int hg_transfer_start(hg_client_t *c, const hg_transfer_opts_t *o, const hg_transfer_ops_t *ops, hg_transfer_t **ret,
                      hg_err_t *err)
{
    HG_ON_LOOP(c->loop);
    int rc = need_multi(c, err);
    if (rc < 0) return rc;
    CURLU *u = curl_url();
    HG_ASSERT(u);
    CURLUcode bad = curl_url_set(u, CURLUPART_URL, o->url, o->raw_path ? CURLU_PATH_AS_IS : 0);
    char *scheme = NULL;
    bool http = bad == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(u);
    if (bad != CURLUE_OK) return hg_err_set(err, HG_EINVAL, "'%s' is no URL: %s", o->url, curl_url_strerror(bad));
    if (!http) return hg_err_set(err, HG_EINVAL, "'%s': only http and https URLs can be fetched", o->url);

    rc = o->unix_socket ? 0 : hg_url_access(o->url, err);
    if (rc < 0) return rc;

    hg_transfer_t *t = HG_NEW(hg_transfer_t);
    t->client = c;
    t->ops = *ops;
    t->url = hg_xstrdup(o->url);
    t->follow = o->follow_redirects;
    hg_list_init(&t->link);
    hg_list_init(&t->wish);
    hg_buf_init(&t->answer, HEADERS_MAX);
    t->easy = curl_easy_init();
    HG_ASSERT(t->easy);
    CURL *e = t->easy;
    char text[256];
    for (const char *const *h = o->headers; h && *h; h++) t->headers = curl_slist_append(t->headers, *h);
    if (o->if_range && (o->range_from || o->range_last)) {
        snprintf(text, sizeof text, "If-Range: %s", o->if_range);
        t->headers = curl_slist_append(t->headers, text);
    }
    curl_easy_setopt(e, CURLOPT_PRIVATE, (char *)t);
    curl_easy_setopt(e, CURLOPT_URL, o->url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, clamp_ms(o->connect_timeout_ms ? o->connect_timeout_ms : 30000));
    if (o->timeout_ms) curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, clamp_ms(o->timeout_ms));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                     clamp_ms(o->low_speed_timeout_ms ? o->low_speed_timeout_ms + 999 : 60000) / 1000);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, o->follow_redirects ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, o->tls_insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, o->tls_insecure ? 0L : 2L);
    if (o->ca_file) curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
    if (o->proxy) curl_easy_setopt(e, CURLOPT_PROXY, o->proxy);
    if (o->unix_socket) {
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
        curl_easy_setopt(e, CURLOPT_PROXY, "");
    } else {
        hg_reach_guard(&t->reach, e);
    }
    if (o->body.n || (o->method && (strcmp(o->method, "POST") == 0 || strcmp(o->method, "PUT") == 0 ||
                                    strcmp(o->method, "PATCH") == 0))) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.n);
        curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, o->body.n ? o->body.p : "");
    }
    if (o->method && strcmp(o->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (o->method)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, o->method);
    if (o->range_from || o->range_last) {
        snprintf(text, sizeof text, o->range_from ? "%" PRIu64 "-" : "-%" PRIu64,
                 o->range_from ? o->range_from : o->range_last);
        curl_easy_setopt(e, CURLOPT_RANGE, text);
    }
    if (o->raw_path) curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    if (o->decode) curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "identity"); /* decodes whatever comes */
    if (t->headers) curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    hg_list_add_tail(&c->transfers, &t->link);
    wish(t);
    *ret = t;
    return 0;
}

void hg_transfer_resume(hg_transfer_t *t)
{
    HG_ON_LOOP(t->client->loop);
    if (!t->want_pause) return;
    t->want_resume = true;
    wish(t);
}

void hg_transfer_cancel(hg_transfer_t *t)
{
    HG_ON_LOOP(t->client->loop);
    t->canceled = true;
    wish(t);
}
