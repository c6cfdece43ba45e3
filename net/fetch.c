/* fetch.c: blocking HTTP calls: single ones for command line tools and tests, and sessions, which keep their
 * connections, for plugins. Any thread, a session one at a time; no state beyond it. */
#include "base/hg.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/net_int.h"
#include <curl/curl.h>

typedef struct fetch {
    const hg_fetch_t *f;
    hg_buf_t *body;
    bool stopped, full;
} fetch_t;

static size_t on_write(char *p, size_t one, size_t n, void *arg)
{
    fetch_t *x = arg;
    (void)one;
    if (x->f->sink) {
        if (x->f->sink(x->f->arg, p, n)) return n;
        x->stopped = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (!x->body || hg_buf_add(x->body, p, n) == 0) return n;
    x->full = true;
    return CURL_WRITEFUNC_ERROR;
}

/* One line, with its name; of the wanted one, what a redirect or "100 Continue" had is replaced by what follows. */
static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    const hg_fetch_t *f = arg;
    const char *colon = memchr(p, ':', n);
    (void)one;
    if (!colon || colon == p) return n; /* the status, the end, a pseudo-header */
    hg_str_t name = { p, (size_t)(colon - p) }, value = hg_str_trim((hg_str_t){ colon + 1, n - name.n - 1 });
    if (f->on_header) f->on_header(f->header_arg, name, value);
    if (!f->want_header || !hg_str_ieq(name, hg_strz(f->want_header))) return n;
    hg_buf_clear(f->ret_header);
    return hg_buf_addstr(f->ret_header, value) == 0 ? n : 0;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const hg_fetch_t *f = arg;
    (void)a, (void)b, (void)c, (void)d;
    return f->cancelled(f->cancel_arg);
}

static void set_http2(CURL *e, const char *url)
{
    bool tls = strncmp(url, "https:", 6) == 0;
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    /* libcurl 7.88 cannot use such a connection again (curl/curl#10643). */
    if (!tls) curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
}

static void set_request(CURL *e, const hg_fetch_t *f)
{
    curl_easy_setopt(e, CURLOPT_URL, f->url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, f->tls_insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, f->tls_insecure ? 0L : 2L);
    if (f->ca_file) curl_easy_setopt(e, CURLOPT_CAINFO, f->ca_file);
    if (f->timeout_ms) curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)HG_MIN(f->timeout_ms, (uint64_t)INT32_MAX));
    if (f->raw_path) curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    if (f->no_proxy) curl_easy_setopt(e, CURLOPT_PROXY, "");
    if (f->http2) set_http2(e, f->url);
    if (f->want_header) hg_buf_clear(f->ret_header);
    if (f->want_header || f->on_header) {
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
    }
    if (f->cancelled) {
        curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(e, CURLOPT_XFERINFODATA, f);
    }
    if (f->unix_socket) {
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, f->unix_socket);
        curl_easy_setopt(e, CURLOPT_PROXY, "");
    }
    bool wants_body = f->method && (strcmp(f->method, "POST") == 0 || strcmp(f->method, "PUT") == 0 ||
                                    strcmp(f->method, "PATCH") == 0);
    if (f->body.n || wants_body) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.n);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, f->body.n ? f->body.p : "");
    }
    if (f->method && strcmp(f->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (f->method)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, f->method);
}

/* One request on a handle that is fresh, or reset. */
static int perform(CURL *e, const hg_fetch_t *f, int *ret_status, hg_buf_t *ret_body, hg_err_t *err)
{
    struct curl_slist *headers = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    fetch_t x = { .f = f, .body = ret_body };
    hg_reach_t reach = { .err = HG_ERR_INIT };
    if (f->judged && hg_url_access(f->url, err) < 0) return err->code;
    for (const char *const *h = f->headers; h && *h; h++) headers = curl_slist_append(headers, *h);
    headers = curl_slist_append(headers, "Expect:"); /* most servers answer it late, and nothing is gained by asking */
    set_request(e, f);
    if (f->judged) hg_reach_guard(&reach, e);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &x);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);

    CURLcode rc = curl_easy_perform(e);
    long status = 0;
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (reach.err.code) {
        *err = reach.err;
        return err->code;
    }
    if (x.full) return hg_err_set(err, HG_ETOOBIG, "'%s': the answer is larger than %zu bytes", f->url, ret_body->max);
    if (rc == CURLE_ABORTED_BY_CALLBACK) return hg_err_retry(err, HG_ECANCELED, "'%s': given up", f->url);
    if (rc != CURLE_OK && !x.stopped) return hg_curl_err(err, (int)rc, detail, f->url);
    if (ret_status) *ret_status = (int)status;
    return 0;
}

int hg_fetch(const hg_fetch_t *f, int *ret_status, hg_buf_t *ret_body, hg_err_t *err)
{
    hg_net_init();
    int rc = hg_curl_load(err);
    if (rc < 0) return rc;
    CURL *e = curl_easy_init();
    HG_ASSERT(e);
    rc = perform(e, f, ret_status, ret_body, err);
    curl_easy_cleanup(e);
    return rc;
}

/* --- a session: the same, with connections that are kept ---------------------------------------------------------- */

struct hg_session {
    CURL *e;
};

int hg_session_new(hg_session_t **ret, hg_err_t *err)
{
    int rc = hg_curl_load(err);
    if (rc < 0) return rc;
    hg_session_t *s = HG_NEW(hg_session_t);
    s->e = curl_easy_init();
    HG_ASSERT(s->e);
    *ret = s;
    return 0;
}

void hg_session_free(hg_session_t *s)
{
    if (!s) return;
    curl_easy_cleanup(s->e);
    hg_free(s);
}

int hg_session_fetch(hg_session_t *s, const hg_fetch_t *f, int *ret_status, uint64_t *ret_retry_after_ms,
                     hg_buf_t *ret_body, hg_err_t *err)
{
    curl_off_t after = 0;
    curl_easy_reset(s->e); /* options; connections stay */
    int rc = perform(s->e, f, ret_status, ret_body, err);
    if (rc == 0 && ret_retry_after_ms) {
        curl_easy_getinfo(s->e, CURLINFO_RETRY_AFTER, &after);
        *ret_retry_after_ms = after > 0 ? (uint64_t)after * 1000 : 0;
    }
    return rc;
}
