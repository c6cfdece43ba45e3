/* ws_fetch.c: a blocking WebSocket client. libcurl opens the connection (name, TLS, certificates) and moves the bytes;
 * the upgrade is spoken here, its answer read by hg_h1, the frames by hg_wsp. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/client.h"
#include "net/net_int.h"
#include <curl/curl.h>
#include <openssl/evp.h>
#include <errno.h>
#include <poll.h>

#define MAX_MESSAGE  ((size_t)64 * 1024 * 1024)
#define HANDSHAKE_MS 30000

typedef struct wsc {
    CURL *easy;
    hg_err_t *err;
    const char *url;
    hg_h1_t h1;
    int status;
    bool good; /* 101 with the right key */
    char accept[29];
    hg_wsp_t *proto;
    bool (*fn)(void *arg, bool text, hg_str_t data);
    void *arg;
    bool stopped;
} wsc_t;

static int wait_for(wsc_t *w, short events, int timeout_ms)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(w->easy, CURLINFO_ACTIVESOCKET, &fd);
    struct pollfd pf = { .fd = fd, .events = events };
    int rc;
    do rc = poll(&pf, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    if (rc == 0) return hg_err_retry(w->err, HG_ETIMEOUT, "'%s': no answer within %d s", w->url, timeout_ms / 1000);
    return rc < 0 ? hg_err_errno(w->err, errno, "'%s'", w->url) : 0;
}

static int send_all(wsc_t *w, const char *p, size_t n)
{
    while (n > 0) {
        size_t done = 0;
        CURLcode rc = curl_easy_send(w->easy, p, n, &done);
        if (rc == CURLE_AGAIN) {
            int bad = wait_for(w, POLLOUT, -1);
            if (bad < 0) return bad;
        } else if (rc != CURLE_OK) {
            return hg_curl_err(w->err, (int)rc, NULL, w->url);
        }
        p += done;
        n -= done;
    }
    return 0;
}

/* Bytes into buf; *ret_n 0 = end of stream. */
static int receive(wsc_t *w, char *buf, size_t room, int timeout_ms, size_t *ret_n)
{
    for (;;) {
        CURLcode rc = curl_easy_recv(w->easy, buf, room, ret_n);
        if (rc == CURLE_OK) return 0;
        if (rc != CURLE_AGAIN) return hg_curl_err(w->err, (int)rc, NULL, w->url);
        int bad = wait_for(w, POLLIN, timeout_ms);
        if (bad < 0) return bad;
    }
}

static void on_head(void *arg)
{
    wsc_t *w = arg;
    const hg_h1_msg_t *m = w->h1.msg;
    w->status = m->status;
    w->good = m->status == 101 && hg_str_eqz(hg_h1_header(m, "sec-websocket-accept"), w->accept);
    w->h1.hold = true;
}

static void on_ignored(void *arg)
{
    (void)arg;
}
static void on_ignored_body(void *arg, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    (void)n;
}
static const hg_h1_ops_t H1_OPS = { .head = on_head, .body = on_ignored_body, .end = on_ignored };

static bool on_write(void *arg, const char *p, size_t n)
{
    return send_all(arg, p, n) == 0;
}

static void on_message(void *arg, bool text, hg_str_t data)
{
    wsc_t *w = arg;
    if (!w->stopped && !w->fn(w->arg, text, data)) w->stopped = true;
}

static int upgrade(wsc_t *w, CURLU *u, const char *const *headers)
{
    unsigned char nonce[16];
    char key[32], *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    hg_buf_t h;
    hg_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    hg_ws_accept_key(hg_strz(key), w->accept);
    curl_url_get(u, CURLUPART_HOST, &host, 0);
    curl_url_get(u, CURLUPART_PORT, &port, 0);
    curl_url_get(u, CURLUPART_PATH, &path, 0);
    curl_url_get(u, CURLUPART_QUERY, &query, 0);
    hg_buf_init(&h, HG_BUF_NOMAX);
    hg_buf_addf(&h, "GET %s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n", path ? path : "/", query ? "?" : "", query ? query : "",
                host, port ? ":" : "", port ? port : "");
    hg_buf_addf(
        &h, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", key);
    for (const char *const *x = headers; x && *x; x++) hg_buf_addf(&h, "%s\r\n", *x);
    hg_buf_adds(&h, "\r\n");
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    int rc = send_all(w, h.p, h.len);
    hg_buf_release(&h);
    return rc;
}

/* Reads the answer's head; what follows it in buf is *ret_rest bytes from *ret_at. */
static int read_answer(wsc_t *w, char *buf, size_t room, size_t *ret_at, size_t *ret_rest)
{
    size_t n, used;
    hg_h1_init(&w->h1, true, 0, &H1_OPS, w);
    int rc = 0;
    while (rc == 0 && w->status == 0) {
        rc = receive(w, buf, room, HANDSHAKE_MS, &n);
        if (rc == 0 && n == 0) rc = hg_err_retry(w->err, HG_ENET, "'%s': the server closed the connection", w->url);
        if (rc == 0 && hg_h1_feed(&w->h1, buf, n, &used, w->err) < 0) rc = hg_err_wrap(w->err, "'%s'", w->url);
        if (rc == 0) {
            *ret_at = used;
            *ret_rest = n - used;
        }
    }
    hg_h1_release(&w->h1);
    if (rc == 0 && !w->good) {
        if (w->status == 101)
            rc = hg_err_set(w->err, HG_EPROTO, "'%s': the server's Sec-WebSocket-Accept is wrong", w->url);
        else
            rc = hg_err_set(w->err, HG_EPROTO, "unexpected status code: %d %s", w->status, hg_http_reason(w->status));
    }
    return rc;
}

static int converse(wsc_t *w, hg_str_t message, char *buf, size_t room, size_t at, size_t rest, uint16_t *ret_code)
{
    const hg_wsp_ops_t ops = { .message = on_message, .write = on_write, .arg = w };
    w->proto = hg_wsp_new(true, &ops, MAX_MESSAGE);
    int rc = hg_wsp_send(w->proto, true, message);
    while (rc == 0 && !w->stopped && !hg_wsp_over(w->proto)) {
        if (rest == 0) {
            at = 0;
            rc = receive(w, buf, room, -1, &rest);
            if (rc == 0 && rest == 0) break;
        }
        if (rc == 0 && hg_wsp_input(w->proto, buf + at, rest) < 0 && !hg_wsp_close_received(w->proto))
            rc = w->err->code ? w->err->code
                              : hg_err_set(w->err, HG_EPROTO, "'%s': the server broke the WebSocket protocol", w->url);
        rest = 0;
    }
    if (rc < 0 && w->err->code == HG_OK) hg_err_set(w->err, (hg_code_t)rc, "'%s': cannot send the message", w->url);
    if (w->stopped) hg_wsp_close(w->proto, 1000, NULL);
    if (rc == 0 && !w->stopped && !hg_wsp_close_received(w->proto))
        rc = hg_err_retry(w->err, HG_ECLOSED, "'%s': the connection ended without a close frame", w->url);
    if (rc == 0 && ret_code) *ret_code = w->stopped ? 1000 : hg_wsp_code(w->proto);
    hg_wsp_free(w->proto);
    return rc;
}

int hg_ws_fetch(const char *url, const char *const *headers, hg_str_t message, const char *ca_file, bool tls_insecure,
                bool (*fn)(void *arg, bool text, hg_str_t data), void *arg, uint16_t *ret_close_code, hg_err_t *err)
{
    hg_net_init();
    int loaded = hg_curl_load(err);
    if (loaded < 0) return loaded;
    char detail[CURL_ERROR_SIZE] = "";
    char *http_url = hg_xstrdup(url), *full = NULL;
    if (strncmp(url, "ws://", 5) == 0 || strncmp(url, "wss://", 6) == 0) {
        hg_free(http_url);
        http_url = hg_xprintf("http%s", url + 2);
    }
    CURLU *u = curl_url();
    HG_ASSERT(u);
    CURLUcode bad = curl_url_set(u, CURLUPART_URL, http_url, 0);
    hg_free(http_url);
    if (bad != CURLUE_OK) {
        curl_url_cleanup(u);
        return hg_err_set(err, HG_EINVAL, "'%s' is no URL: %s", url, curl_url_strerror(bad));
    }
    wsc_t w = { .easy = curl_easy_init(), .err = err, .url = url, .fn = fn, .arg = arg };
    HG_ASSERT(w.easy);
    curl_url_get(u, CURLUPART_URL, &full, 0);
    curl_easy_setopt(w.easy, CURLOPT_URL, full);
    curl_easy_setopt(w.easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(w.easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(w.easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(w.easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(w.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(w.easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(w.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HANDSHAKE_MS);
    curl_easy_setopt(w.easy, CURLOPT_SSL_VERIFYPEER, tls_insecure ? 0L : 1L);
    curl_easy_setopt(w.easy, CURLOPT_SSL_VERIFYHOST, tls_insecure ? 0L : 2L);
    if (ca_file) curl_easy_setopt(w.easy, CURLOPT_CAINFO, ca_file);

    size_t at = 0, rest = 0;
    char *buf = hg_xnew(HG_NET_READ_BUF);
    CURLcode cc = curl_easy_perform(w.easy);
    int rc = cc == CURLE_OK ? 0 : hg_curl_err(err, (int)cc, detail, url);
    if (rc == 0) rc = upgrade(&w, u, headers);
    if (rc == 0) rc = read_answer(&w, buf, HG_NET_READ_BUF, &at, &rest);
    if (rc == 0) rc = converse(&w, message, buf, HG_NET_READ_BUF, at, rest, ret_close_code);
    hg_free(buf);
    curl_free(full);
    curl_url_cleanup(u);
    curl_easy_cleanup(w.easy);
    return rc;
}
