/* proxy.c: one request passed through to a server on a unix socket, one connection to it per request.
 *
 * The head is written anew (never the client's raw bytes), hop-by-hop fields and body framing belong to each leg.
 * Bodies are streamed with the marks of sock.c on both legs; of a large one the server behind reads the rest itself
 * (lend.c). After 101 both connections are raw and bytes are pumped.
 *
 *   connect ──fails──► unreachable (nothing was sent, the handler answers)
 *      └─► head out ─► body out / answer in ──complete──► end
 *                          └──leg breaks──► before the answer's head: 500 PipelineInteractionFailed; after it: cut
 *
 * A write that fails does not yet mean a broken leg: a server may answer (404, 413) and close before it has read the
 * body, and its answer stands in our input.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MS  5u /* the server's accept queue is full */
#define RETRY_MAX 400u
#define SEND_BUF  (512 * 1024) /* of the kernel, as far as it allows: fewer turns between two processes */

typedef struct leg {
    hg_sock_t sock;
    hg_h1_t h1;       /* its answer */
    hg_req_t *req;    /* NULL: answered, aborted or raw */
    hg_conn_t *outer; /* after 101 */
    uv_timer_t timer;
    hg_hub_t *hub;
    char *path, *target, *headers;
    uint64_t timeout_ms;
    void (*unreachable)(void *arg, hg_req_t *r, const hg_err_t *err);
    void *arg;
    unsigned retries;
    unsigned handles; /* timer and socket; freed with the last one */
    bool sock_up, closing, body_out, began;
    bool lends, lent; /* the server behind has been told that it shall read the body; all but `last` is on its way */
    char last;        /* goes with the client's descriptor */
} leg_t;

static void try_connect(leg_t *l);

static void leg_free_one(leg_t *l)
{
    if (--l->handles > 0) return;
    hg_h1_release(&l->h1);
    hg_free(l->path);
    hg_free(l->target);
    hg_free(l->headers);
    hg_free(l);
}

static void timer_closed(uv_handle_t *h)
{
    leg_free_one(h->data);
}

static void leg_close(leg_t *l)
{
    if (l->closing) return;
    l->closing = true;
    uv_close((uv_handle_t *)&l->timer, timer_closed);
    if (l->sock_up) hg_sock_close(&l->sock);
}

/* The leg is lost. */
static void leg_fail(leg_t *l, const char *why)
{
    hg_req_t *r = l->req;
    l->req = NULL;
    if (r) {
        if (l->began)
            hg_resp_cut(r);
        else
            hg_resp_error_with(r, 500, "PipelineInteractionFailed", why, NULL, l->headers);
    }
    if (l->outer) hg_conn_raw_close(l->outer);
    leg_close(l);
}

/* --- the client's side --- */

static void req_abort(void *arg)
{
    leg_t *l = arg;
    l->req = NULL;
    leg_close(l);
}

static void lend(leg_t *l);

static void on_lend_again(uv_timer_t *t)
{
    lend(t->data);
}

/* Once all before it has left. Whatever is in the way passes, or the leg ends. */
static void lend(leg_t *l)
{
    if (l->closing || l->sock.write_dead || !l->req || l->req->conn->lent || hg_sock_queued(&l->sock) > 0) return;
    if (!hg_lend(l->req, &l->sock, l->last)) uv_timer_start(&l->timer, on_lend_again, RETRY_MS, 0);
}

static bool body_data(void *arg, const char *p, size_t n)
{
    leg_t *l = arg;
    if (l->closing || l->sock.write_dead) return true; /* the answer is on its way, or the end */
    if (l->lends && hg_h1_body_left(&l->req->conn->h1) > 0) {
        uv_buf_t most = uv_buf_init((char *)(uintptr_t)p, (unsigned)n - 1);
        l->lent = true;
        l->last = p[n - 1];
        hg_sock_write(&l->sock, &most, 1);
        lend(l);
        return false; /* until its answer */
    }
    uv_buf_t v[3];
    char size[24];
    unsigned m = 0;
    bool chunked = l->req->msg->chunked;
    if (chunked) v[m++] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", n));
    v[m++] = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (chunked) v[m++] = uv_buf_init((char *)(uintptr_t) "\r\n", 2);
    return hg_sock_write(&l->sock, v, m) || l->sock.write_dead;
}

static void on_timeout(uv_timer_t *t)
{
    char msg[96];
    leg_t *l = t->data;
    snprintf(msg, sizeof msg, "the pipeline did not answer within %" PRIu64 " ms", l->timeout_ms);
    leg_fail(l, msg);
}

static void body_end(void *arg)
{
    leg_t *l = arg;
    if (l->closing) return;
    if (l->req->msg->chunked) {
        uv_buf_t v = uv_buf_init((char *)(uintptr_t) "0\r\n\r\n", 5);
        hg_sock_write(&l->sock, &v, 1);
    }
    l->body_out = true;
    if (l->timeout_ms && !l->began) uv_timer_start(&l->timer, on_timeout, l->timeout_ms, 0);
}

static void resp_drain(void *arg)
{
    leg_t *l = arg;
    if (!l->closing) hg_sock_hold(&l->sock, false);
}

/* --- raw, after 101 --- */

static void raw_data(void *arg, const char *p, size_t n)
{
    leg_t *l = arg;
    uv_buf_t v = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (l->closing) return;
    if (!hg_sock_write(&l->sock, &v, 1)) hg_conn_raw_hold(l->outer, true);
}

static void raw_drain(void *arg)
{
    resp_drain(arg);
}

static void raw_gone(void *arg)
{
    leg_t *l = arg;
    l->outer = NULL;
    leg_close(l);
}

static const hg_raw_ops_t RAW_OPS = { .data = raw_data, .drain = raw_drain, .gone = raw_gone };

/* --- the answer --- */

static void copy_headers(const hg_h1_msg_t *m, hg_buf_t *out, bool response)
{
    for (uint32_t i = 0; i < m->n_headers; i++) {
        hg_str_t name = m->headers[i].name;
        if (hg_h1_hop_by_hop(m, name)) continue;
        if (response && (hg_str_ieq(name, HG_S("date")) || hg_str_ieq(name, HG_S("server")))) continue;
        if (hg_str_ieq(name, HG_S(HG_LEND_FIELD))) continue;
        hg_buf_addf(out, HG_SF ": " HG_SF "\r\n", HG_SA(name), HG_SA(m->headers[i].value));
    }
}

static void answer_head(void *arg)
{
    leg_t *l = arg;
    hg_h1_msg_t *m = l->h1.msg;
    hg_req_t *r = l->req;
    hg_buf_t h;
    if (m->status < 200 && m->status != 101) return; /* an interim answer is for this leg */
    uv_timer_stop(&l->timer);
    l->began = true;
    if (r->conn->lent) hg_lend_over(r, hg_h1_header(m, HG_LEND_FIELD).p != NULL);
    hg_buf_init(&h, HG_BUF_NOMAX);
    copy_headers(m, &h, true);
    if (l->headers) hg_buf_adds(&h, l->headers);
    if (m->status == 101) {
        hg_str_t up = hg_h1_header(m, "upgrade");
        hg_buf_addf(&h, "Connection: Upgrade\r\nUpgrade: " HG_SF "\r\n", HG_SA(up));
    }
    hg_resp_head(r, m->status, NULL, h.p, m->length);
    hg_buf_release(&h);
}

static void answer_body(void *arg, const char *p, size_t n)
{
    leg_t *l = arg;
    if (!l->req) return;
    if (!hg_resp_write(l->req, p, n) && !l->closing) hg_sock_hold(&l->sock, true);
}

static void answer_end(void *arg)
{
    leg_t *l = arg;
    hg_req_t *r = l->req;
    if (!l->began || !r) return; /* an interim answer: leg_data goes on with the next one */
    l->req = NULL;
    if (l->h1.parser.status_code == 101) {
        l->outer = hg_conn_hijack(r, &RAW_OPS, l);
    } else {
        hg_resp_end(r);
        leg_close(l);
    }
}

static const hg_h1_ops_t H1_OPS = { .head = answer_head, .body = answer_body, .end = answer_end };

static void leg_data(void *arg, const char *p, size_t n)
{
    leg_t *l = arg;
    size_t used = 0;
    while (n > 0 && !l->closing) {
        if (l->outer) {
            if (!hg_conn_raw_write(l->outer, p, n)) hg_sock_hold(&l->sock, true);
            return;
        }
        hg_err_t err = HG_ERR_INIT;
        if (hg_h1_feed(&l->h1, p, n, &used, &err) < 0) {
            leg_fail(l, "the pipeline's answer is not HTTP");
            return;
        }
        p += used;
        n -= used;
        if (l->h1.phase == HG_H1_DONE && !l->began) { /* 1xx */
            hg_h1_next(&l->h1);
            l->h1.no_body = l->req && hg_str_eqz(l->req->msg->method, "HEAD");
        }
    }
}

static void leg_eof(void *arg)
{
    leg_t *l = arg;
    hg_err_t err = HG_ERR_INIT;
    if (l->closing) return;
    if (l->outer) {
        hg_conn_raw_close(l->outer);
        return; /* raw_gone closes the leg */
    }
    if (l->began && hg_h1_eof(&l->h1, &err) == 0) return; /* the end of the stream was the end of the body */
    if (!l->closing) leg_fail(l, l->began ? "" : "the pipeline closed the connection without an answer");
}

static void leg_broken(void *arg, int uv_err)
{
    char msg[160];
    leg_t *l = arg;
    snprintf(msg, sizeof msg, "the connection to the pipeline broke: %s", uv_strerror(uv_err));
    leg_fail(l, msg);
}

static void leg_drain(void *arg)
{
    leg_t *l = arg;
    if (l->outer)
        hg_conn_raw_hold(l->outer, false);
    else if (l->lent)
        lend(l);
    else if (l->req)
        hg_req_resume(l->req);
}

static void leg_shut(void *arg)
{
    (void)arg;
}

/* Also comes when writing has failed: whoever waits for room must not wait for ever. */
static void leg_ready(void *arg)
{
    leg_t *l = arg;
    if (l->closing || !l->sock.write_dead) return;
    if (l->outer)
        hg_conn_raw_close(l->outer);
    else if (l->req && !l->lent)
        hg_req_resume(l->req);
}

static void leg_closed(void *arg)
{
    leg_free_one(arg);
}

static const hg_sock_ops_t SOCK_OPS = {
    .data = leg_data,
    .eof = leg_eof,
    .broken = leg_broken,
    .drain = leg_drain,
    .shut = leg_shut,
    .ready = leg_ready,
    .closed = leg_closed,
};

/* --- the way there --- */

static void send_head(leg_t *l)
{
    hg_req_t *r = l->req;
    hg_h1_msg_t *m = r->msg;
    hg_buf_t h;
    hg_buf_init(&h, HG_BUF_NOMAX);
    hg_buf_addf(&h, HG_SF " %s HTTP/1.1\r\n", HG_SA(m->method), l->target);
    if (!hg_h1_header(m, "host").p) hg_buf_adds(&h, "Host: pipeline\r\n");
    copy_headers(m, &h, false);
    l->lends = !l->timeout_ms && hg_lend_can(r);
    if (l->lends) hg_buf_adds(&h, HG_LEND_FIELD ": lent\r\n");
    if (m->chunked)
        hg_buf_adds(&h, "Transfer-Encoding: chunked\r\n");
    else if (m->length != UINT64_MAX)
        hg_buf_addf(&h, "Content-Length: %" PRIu64 "\r\n", m->length);
    if (m->upgrade && !r->has_body) {
        hg_str_t up = hg_h1_header(m, "upgrade");
        hg_buf_addf(&h, "Connection: Upgrade\r\nUpgrade: " HG_SF "\r\n\r\n", HG_SA(up));
    } else {
        hg_buf_adds(&h, "Connection: close\r\n\r\n");
    }
    hg_sock_cork(&l->sock, h.p, h.len);
    hg_buf_release(&h);
}

static void connected(leg_t *l, int fd)
{
    hg_req_t *r = l->req;
    int rc = hg_sock_open(&l->sock, l->hub, fd, true, NULL, &SOCK_OPS, l);
    if (rc < 0 && !l->sock.closing) { /* no handle came up */
        leg_fail(l, uv_strerror(rc));
        return;
    }
    l->handles++;
    l->sock_up = true;
    if (rc < 0) {
        leg_fail(l, uv_strerror(rc));
        return;
    }
    l->sock.read_on = 1;
    l->sock.high = l->sock.low = 0; /* what the kernel does not take is copied: read no more until it has taken it */
    l->h1.no_body = hg_str_eqz(r->msg->method, "HEAD");
    send_head(l);
    hg_resp_on_drain(r, resp_drain, l);
    hg_body_ops_t ops = { .data = body_data, .end = body_end, .arg = l };
    hg_req_stream(r, &ops);
}

static void not_connected(leg_t *l, int err_no)
{
    hg_req_t *r = l->req;
    hg_err_t err = HG_ERR_INIT;
    l->req = NULL;
    hg_err_errno(&err, err_no, "cannot connect to '%s'", l->path);
    hg_req_on_abort(r, NULL, NULL);
    void (*unreachable)(void *, hg_req_t *, const hg_err_t *) = l->unreachable;
    void *arg = l->arg;
    leg_close(l);
    unreachable(arg, r, &err);
}

static void on_retry(uv_timer_t *t)
{
    try_connect(t->data);
}

static void try_connect(leg_t *l)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    if (strlen(l->path) >= sizeof sa.sun_path) {
        not_connected(l, ENAMETOOLONG);
        return;
    }
    memcpy(sa.sun_path, l->path, strlen(l->path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        not_connected(l, errno);
        return;
    }
    int size = SEND_BUF;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    /* A unix socket connects at once or not at all; EAGAIN is a full accept queue. */
    if (!hg_fault(HG_FAULT_CONNECT) && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) {
        connected(l, fd);
        return;
    }
    int saved = errno;
    close(fd);
    if (saved == EAGAIN && ++l->retries <= RETRY_MAX)
        uv_timer_start(&l->timer, on_retry, RETRY_MS, 0);
    else
        not_connected(l, saved);
}

void hg_proxy(hg_req_t *r, const hg_proxy_opts_t *opts)
{
    leg_t *l = HG_NEW(leg_t);
    l->req = r;
    l->hub = r->conn->hub;
    l->path = hg_xstrdup(opts->socket_path);
    l->target = hg_xstrdup(opts->target);
    if (opts->headers) l->headers = hg_xstrdup(opts->headers);
    l->timeout_ms = opts->timeout_ms;
    l->unreachable = opts->unreachable;
    l->arg = opts->arg;
    l->handles = 1;
    uv_timer_init(l->hub->uv, &l->timer);
    l->timer.data = l;
    hg_h1_init(&l->h1, true, 0, &H1_OPS, l);
    hg_req_on_abort(r, req_abort, l);
    try_connect(l);
}
