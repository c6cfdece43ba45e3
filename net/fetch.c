/* fetch.c: one blocking HTTP call, for command line tools and tests. Any thread; holds no state between calls. */
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

int hg_fetch(const hg_fetch_t *f, int *ret_status, hg_buf_t *ret_body, hg_err_t *err)
{
    hg_net_init();
    int loaded = hg_curl_load(err);
    if (loaded < 0) return loaded;
    CURL *e = curl_easy_init();
    struct curl_slist *headers = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    fetch_t x = { .f = f, .body = ret_body };
    HG_ASSERT(e);
    for (const char *const *h = f->headers; h && *h; h++) headers = curl_slist_append(headers, *h);
    headers = curl_slist_append(headers, "Expect:"); /* our servers answer it, but a tool gains nothing by asking */
    curl_easy_setopt(e, CURLOPT_URL, f->url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &x);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, f->tls_insecure ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, f->tls_insecure ? 0L : 2L);
    if (f->ca_file) curl_easy_setopt(e, CURLOPT_CAINFO, f->ca_file);
    if (f->timeout_ms) curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)HG_MIN(f->timeout_ms, (uint64_t)INT32_MAX));
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

    CURLcode rc = curl_easy_perform(e);
    long status = 0;
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(e);
    curl_slist_free_all(headers);
    if (x.full) return hg_err_set(err, HG_ETOOBIG, "'%s': the answer is larger than %zu bytes", f->url, ret_body->max);
    if (rc != CURLE_OK && !x.stopped) {
        int code = hg_curl_err(err, (int)rc, detail, f->url);
        return code;
    }
    if (ret_status) *ret_status = (int)status;
    return 0;
}
