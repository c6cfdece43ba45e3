/* http_conn.c: one server connection, from its accept to its end.
 *
 * Input goes through hg_h1 into at most one request at a time; pipelined bytes wait in `tail` until the request before
 * them is answered. The connection keeps reading while a handler thinks or answers: the end of the peer is how an abort
 * is noticed. A peer that closes its side while its answer is outstanding has left.
 *
 *   no request ──head──► request ──answered and body ended──► no request (or the connection ends)
 *                           └──hijack──► raw (WebSocket, proxied upgrade): bytes go to raw->data
 *
 * Invariants
 *   1. The request is freed in conn_request_over or conn_break only.
 *   2. Handlers are called from input, a hub turn or a socket event, never from inside their own calls.
 *   3. `dead` = the socket is closing; nothing is delivered any more.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "net/net_int.h"

static void conn_pump(hg_conn_t *c);

/* --- deadlines --- */

static void conn_wait(hg_conn_t *c, hg_list_t *list, uint64_t ms)
{
    if (hg_list_linked(&c->wait)) hg_list_del(&c->wait);
    c->deadline = uv_now(c->hub->uv) + ms;
    c->mark = hg_sock_queued(&c->sock);
    hg_list_add_tail(list, &c->wait);
}

static void conn_wait_none(hg_conn_t *c)
{
    if (hg_list_linked(&c->wait)) hg_list_del(&c->wait);
}

static void conn_wait_idle(hg_conn_t *c)
{
    conn_wait(c, &c->hub->wait_idle, hg_server_opts(c->srv)->idle_timeout_ms);
}

/* --- ends --- */

static void conn_close(hg_conn_t *c)
{
    if (c->dead) return;
    c->dead = 1;
    conn_wait_none(c);
    hg_loan_close(c);
    hg_sock_close(&c->sock);
}

/* Everything that has to be said is queued: send it, then end. With `linger` the peer may still be sending; a reset
 * would take our answer away from it, so what comes is read and dropped for a while. */
static void conn_finish(hg_conn_t *c, bool linger)
{
    if (c->finishing || c->dead) return;
    c->finishing = 1;
    c->linger = linger;
    hg_loan_close(c);
    conn_wait_idle(c);
    hg_sock_hold(&c->sock, false);
    hg_sock_shut(&c->sock);
}

static void req_free(hg_req_t *r)
{
    hg_buf_release(&r->buf);
    hg_arena_free(r->msg->arena); /* r itself lives there */
}

/* Tell the handler, then forget the request. */
static void conn_break(hg_conn_t *c)
{
    hg_req_t *r = c->req;
    c->req = NULL;
    hg_loan_close(c);
    if (!r) return;
    if (!r->answered) {
        if (r->mode == HG_BODY_STREAM && !r->end_told && r->body.abort) r->body.abort(r->body.arg);
        if (r->abort) r->abort(r->abort_arg);
    }
    req_free(r);
}

static void raw_gone(hg_conn_t *c)
{
    const hg_raw_ops_t *raw = c->raw;
    c->raw = NULL;
    if (raw) raw->gone(c->raw_arg);
}

static void conn_broken(hg_conn_t *c)
{
    if (c->dead) return;
    conn_close(c);
    raw_gone(c);
    conn_break(c);
}

void hg_conn_cut(hg_conn_t *c)
{
    conn_broken(c);
}

void hg_conn_shut(hg_conn_t *c)
{
    if (!c->req && !c->raw) conn_finish(c, false);
}

void hg_conn_expired(hg_conn_t *c, hg_list_t *which)
{
    if (which == &c->hub->wait_idle && hg_sock_queued(&c->sock) > 0 && hg_sock_queued(&c->sock) < c->mark) {
        conn_wait_idle(c); /* slow, but it moves */
        return;
    }
    if (which == &c->hub->wait_head && !c->req) {
        static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)late, sizeof late - 1);
        hg_sock_write(&c->sock, &b, 1);
        conn_finish(c, true);
        return;
    }
    conn_broken(c);
}

/* --- requests --- */

static void split_target(hg_req_t *r)
{
    hg_str_t t = r->msg->target;
    if (t.n && t.p[0] != '/') { /* absolute form: http://host/path?query */
        const char *end = t.p + t.n, *s = memmem(t.p, t.n, "://", 3);
        if (s) {
            for (s += 3; s < end && *s != '/' && *s != '?'; s++) {
            }
            t = (hg_str_t){ s, (size_t)(end - s) };
        }
    }
    const char *q = t.n ? memchr(t.p, '?', t.n) : NULL;
    r->path = q ? (hg_str_t){ t.p, (size_t)(q - t.p) } : t;
    if (q) r->query = (hg_str_t){ q + 1, (size_t)(t.p + t.n - q - 1) };
    if (r->path.n == 0) r->path = HG_S("/");
}

static void on_head(void *arg)
{
    hg_conn_t *c = arg;
    hg_h1_msg_t *m = hg_h1_take(&c->h1);
    hg_req_t *r = HG_ANEW(m->arena, hg_req_t);
    c->h1.hold = true; /* the handler decides before any body byte is looked at */
    conn_wait_none(c);
    r->conn = c;
    r->msg = m;
    r->has_body = m->chunked || (m->length != UINT64_MAX && m->length > 0);
    r->keep = m->keep_alive;
    c->awaits = hg_loan_told(c, m);
    hg_buf_init(&r->buf, HG_BUF_NOMAX);
    split_target(r);
    c->req = r;
    hg_str_t expect = hg_h1_header(m, "expect");
    if (expect.p) {
        r->expect = r->has_body && m->minor >= 1;
        if (!hg_str_ieq(expect, HG_S("100-continue"))) {
            hg_resp_error(r, 417, "InvalidRequest", "the only expectation understood is '100-continue'", NULL);
            return;
        }
    }
    const hg_http_opts_t *o = hg_server_opts(c->srv);
    o->on_request(o->arg, r);
}

static void on_body(void *arg, const char *p, size_t n)
{
    hg_conn_t *c = arg;
    hg_req_t *r = c->req;
    r->expect = 0; /* it is sending: no need to ask it to */
    switch (r->mode) {
    case HG_BODY_STREAM:
        if (!r->body.data(r->body.arg, p, n)) {
            r->body_held = 1;
            c->h1.hold = true;
        }
        break;
    case HG_BODY_ALL:
        if (hg_buf_add(&r->buf, p, n) < 0) {
            r->mode = HG_BODY_UNDECIDED; /* the pump finds the answer and an unread body */
            c->h1.hold = true;
            hg_buf_release(&r->buf);
            void (*gone)(void *) = r->abort;
            void *gone_arg = r->abort_arg;
            hg_resp_error(r, 413, "PayloadTooLarge", "the request body is larger than this call allows", NULL);
            if (gone) gone(gone_arg);
        }
        break;
    case HG_BODY_DROP:
        break;
    case HG_BODY_UNDECIDED:
        break; /* not reached: the pump holds */
    }
}

static void on_end(void *arg)
{
    hg_conn_t *c = arg;
    c->req->body_ended = 1;
}

/* The body is in and somebody wants to know. Apart from on_end, because a handler may ask for an (empty) body after it
 * has ended. */
static void tell_end(hg_req_t *r)
{
    r->end_told = 1;
    if (r->mode == HG_BODY_STREAM) {
        if (r->body.end) r->body.end(r->body.arg);
    } else {
        hg_buf_t body = r->buf;
        hg_buf_init(&r->buf, HG_BUF_NOMAX);
        r->all(r->all_arg, r, hg_buf_str(&body));
        hg_buf_release(&body);
    }
}

static const hg_h1_ops_t H1_OPS = { .head = on_head, .body = on_body, .end = on_end };

bool hg_conn_body_done(const hg_req_t *r)
{
    return r->conn->h1.phase == HG_H1_DONE;
}

/* Answered and read to its end: make room for the next one. */
static void conn_request_over(hg_conn_t *c)
{
    hg_req_t *r = c->req;
    bool keep = r->keep && !c->hub->shutting;
    c->req = NULL;
    c->lent = c->awaits = c->loaned = 0;
    hg_loan_close(c);
    req_free(r);
    hg_h1_next(&c->h1);
    if (keep && !c->eof)
        conn_wait_idle(c);
    else
        conn_finish(c, !c->hub->shutting);
}

/* The answer is out but the body is not in. Small remainders are read and dropped, large ones end the connection. */
static bool conn_body_is_small(const hg_conn_t *c)
{
    return !c->req->expect && hg_h1_body_left(&c->h1) <= HG_NET_DROP_MAX;
}

static void bad_message(hg_conn_t *c, const hg_err_t *err)
{
    hg_req_t *r = c->req;
    bool begun = r && r->begun, answered = r && r->answered;
    conn_break(c);
    if (answered) {
        conn_finish(c, true);
        return;
    }
    if (begun) {
        conn_close(c);
        return;
    }
    hg_buf_t *b = &c->hub->scratch;
    hg_buf_t body;
    unsigned status = c->h1.bad_status;
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_buf_adds(&body, "{\"message\":");
    hg_json_quote(&body, hg_strz(err->msg));
    hg_buf_adds(&body, ",\"error_code\":\"InvalidRequest\",\"details\":{}}");
    hg_buf_clear(b);
    hg_buf_addf(
        b, "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
        status, hg_http_reason((int)status), body.len, body.p);
    hg_buf_release(&body);
    uv_buf_t v = uv_buf_init(b->p, (unsigned)b->len);
    hg_sock_write(&c->sock, &v, 1);
    conn_finish(c, true);
}

/* One step of parsing after another until the input is used up or something has to happen first. */
static size_t conn_take(hg_conn_t *c, const char *p, size_t n)
{
    size_t off = 0;
    for (;;) {
        if (c->dead || c->finishing) return n;
        if (c->raw) {
            if (off == n || c->raw_hold) return off;
            c->raw->data(c->raw_arg, p + off, n - off);
            return n;
        }
        hg_req_t *r = c->req;
        if (r && r->answered) {
            if (c->h1.phase == HG_H1_DONE) {
                conn_request_over(c);
                continue;
            }
            if (r->mode != HG_BODY_DROP) {
                r->mode = HG_BODY_DROP;
                r->body_held = 0;
                if (!conn_body_is_small(c)) {
                    conn_break(c);
                    conn_finish(c, true);
                    continue;
                }
            }
        }
        if (r && r->body_ended && !r->end_told && (r->mode == HG_BODY_ALL || r->mode == HG_BODY_STREAM)) {
            tell_end(r);
            continue;
        }
        if (r && c->h1.phase == HG_H1_DONE) return off; /* the answer is outstanding */
        if (r && r->has_body && r->mode == HG_BODY_UNDECIDED) return off;
        if (r && r->body_held) return off;
        if (off == n && !hg_h1_pending(&c->h1)) return off;
        if (!r && hg_h1_fresh(&c->h1)) conn_wait(c, &c->hub->wait_head, hg_server_opts(c->srv)->head_timeout_ms);
        size_t used;
        hg_err_t err = HG_ERR_INIT;
        c->h1.hold = false;
        int rc = hg_h1_feed(&c->h1, p + off, n - off, &used, &err);
        off += used;
        if (rc < 0) {
            bad_message(c, &err);
            return n;
        }
    }
}

static void update_reading(hg_conn_t *c)
{
    if (c->dead) return;
    bool hold;
    if (c->finishing)
        hold = false;
    else if (c->raw)
        hold = c->raw_hold;
    else if (c->left)
        hold = c->tail.len >= HG_NET_TAIL_MAX;
    else
        hold = !c->awaits && (c->tail.len >= HG_NET_TAIL_HOLD || (c->req && c->req->body_held));
    hg_sock_hold(c->loan ? hg_loan_sock(c->loan) : &c->sock, hold);
}

static void check_eof(hg_conn_t *c);

static void conn_pump(hg_conn_t *c)
{
    if (c->busy || c->dead) return;
    c->busy = 1;
    size_t used = conn_take(c, c->tail.p, c->tail.len);
    c->busy = 0;
    if (c->dead || c->finishing) {
        hg_buf_release(&c->tail);
        if (c->dead) return;
    } else {
        hg_buf_eat(&c->tail, used);
    }
    if (c->tail.len == 0) hg_buf_release(&c->tail);
    update_reading(c);
    if (c->eof) check_eof(c);
}

void hg_conn_wake(hg_conn_t *c)
{
    hg_sock_defer(&c->sock);
}

void hg_conn_answered(hg_req_t *r)
{
    r->answered = 1;
    hg_conn_wake(r->conn);
}

void hg_conn_break(hg_req_t *r)
{
    hg_conn_t *c = r->conn;
    r->answered = 1; /* no further call-back */
    hg_sock_flush(&c->sock);
    hg_sock_fail(&c->sock, UV_ECANCELED);
}

/* --- the end of the peer's side --- */

static void check_eof(hg_conn_t *c)
{
    if (c->dead) return;
    if (c->finishing) {
        if (c->sock.shut_sent && hg_sock_queued(&c->sock) == 0) conn_close(c);
        return;
    }
    if (c->raw) {
        if (c->tail.len == 0) conn_broken(c);
        return;
    }
    if (!c->req) {
        conn_finish(c, false);
        return;
    }
    if (c->req->answered) {
        if (c->h1.phase != HG_H1_DONE && !c->req->body_held) { /* it will never end: send what is queued */
            conn_break(c);
            conn_finish(c, false);
        }
        return;
    }
    if (c->h1.phase == HG_H1_DONE)
        conn_broken(c);
    else if (!hg_h1_would_end(&c->h1, c->tail.p, c->tail.len))
        conn_broken(c);
}

static void conn_input(hg_conn_t *c, const char *p, size_t n)
{
    if (c->finishing || c->dead) return; /* lingering: dropped */
    size_t used = 0;
    if (c->tail.len == 0 && !c->busy) {
        c->busy = 1;
        used = conn_take(c, p, n);
        c->busy = 0;
        if (c->dead || c->finishing) return;
    }
    if (used < n && hg_buf_add(&c->tail, p + used, n - used) < 0) {
        conn_broken(c);
        return;
    }
    conn_pump(c);
}

/* Nothing but the end comes beside a loan: two that write one body would make another request of its rest. */
static void sock_data(void *arg, const char *p, size_t n)
{
    hg_conn_t *c = arg;
    if (c->loan && !c->finishing && !c->dead)
        conn_broken(c);
    else
        conn_input(c, p, n);
}

static void sock_eof(void *arg)
{
    hg_conn_t *c = arg;
    c->eof = 1;
    check_eof(c);
}

static void sock_broken(void *arg, int uv_err)
{
    (void)uv_err;
    conn_broken(arg);
}

static void sock_drain(void *arg)
{
    hg_conn_t *c = arg;
    if (c->raw) {
        if (c->raw->drain) c->raw->drain(c->raw_arg);
    } else if (c->req && c->req->want_drain && !c->req->answered) {
        c->req->want_drain = 0;
        if (c->req->drain) c->req->drain(c->req->drain_arg);
    }
}

static void sock_shut(void *arg)
{
    hg_conn_t *c = arg;
    if (c->linger && !c->eof)
        conn_wait(c, &c->hub->wait_linger, HG_NET_LINGER_MS);
    else
        conn_broken(c); /* raw->gone, if there is one */
}

/* Reading is held and the peer has closed its side. Can the rest of the body still be complete? */
static void sock_left(void *arg)
{
    hg_conn_t *c = arg;
    if (c->raw || c->finishing || !c->req || c->left || c->lent) return;
    if (c->h1.phase == HG_H1_DONE) {
        if (!c->req->answered) conn_broken(c);
        return;
    }
    uint64_t missing = hg_h1_body_left(&c->h1);
    if (missing != UINT64_MAX && !c->sock.tls) {
        const hg_sock_t *from = c->loan ? hg_loan_sock(c->loan) : &c->sock;
        if (missing > c->tail.len + hg_sock_readable(from)) conn_broken(c);
        return;
    }
    c->left = 1; /* only the bytes tell: read on, there cannot be much more */
    update_reading(c);
}

static void sock_ready(void *arg)
{
    conn_pump(arg);
}

static void sock_lent(void *arg, int fd)
{
    hg_loan_take(arg, fd);
}

void hg_conn_body_input(hg_conn_t *c, const char *p, size_t n)
{
    conn_input(c, p, n);
}

void hg_conn_body_eof(hg_conn_t *c)
{
    sock_eof(c);
}

void hg_conn_body_broken(hg_conn_t *c)
{
    conn_broken(c);
}

void hg_conn_body_reading(hg_conn_t *c)
{
    update_reading(c);
}

void hg_conn_body_left(hg_conn_t *c)
{
    sock_left(c);
}

static void sock_closed(void *arg)
{
    hg_conn_t *c = arg;
    raw_gone(c);
    conn_break(c);
    hg_list_del(&c->link);
    hg_h1_release(&c->h1);
    hg_buf_release(&c->tail);
    c->hub->n_conns--;
    hg_server_count(c->srv, -1);
    hg_free(c);
}

static const hg_sock_ops_t SOCK_OPS = {
    .data = sock_data,
    .eof = sock_eof,
    .broken = sock_broken,
    .drain = sock_drain,
    .shut = sock_shut,
    .left = sock_left,
    .ready = sock_ready,
    .closed = sock_closed,
    .lent = sock_lent,
};

void hg_conn_accept(hg_hub_t *hub, int fd, bool is_unix, hg_tls_ctx_t *tls)
{
    hg_conn_t *c = HG_NEW(hg_conn_t);
    c->srv = hub->srv;
    c->hub = hub;
    hg_list_init(&c->link);
    hg_list_init(&c->wait);
    hg_buf_init(&c->tail, HG_NET_TAIL_MAX + HG_NET_READ_BUF);
    hg_h1_init(&c->h1, false, hg_server_opts(hub->srv)->max_head, &H1_OPS, c);
    hg_list_add_tail(&hub->conns, &c->link);
    hub->n_conns++;
    hg_server_count(c->srv, 1);
    if (hg_sock_open(&c->sock, hub, fd, is_unix, tls, &SOCK_OPS, c) < 0) {
        c->dead = 1;
        if (!c->sock.closing) { /* no handle came up, so no close call-back will come */
            hg_list_del(&c->link);
            hg_h1_release(&c->h1);
            hub->n_conns--;
            hg_server_count(c->srv, -1);
            hg_free(c);
        }
        return;
    }
    conn_wait_idle(c);
}

/* --- raw --- */

hg_conn_t *hg_conn_hijack(hg_req_t *r, const hg_raw_ops_t *ops, void *arg)
{
    hg_conn_t *c = r->conn;
    c->raw = ops;
    c->raw_arg = arg;
    c->req = NULL;
    c->h1.hold = true;
    conn_wait_none(c);
    req_free(r);
    hg_conn_wake(c);
    return c;
}

bool hg_conn_raw_write(hg_conn_t *c, const char *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    return hg_sock_write(&c->sock, &b, 1);
}

void hg_conn_raw_hold(hg_conn_t *c, bool hold)
{
    if (c->raw_hold == hold) return;
    c->raw_hold = hold;
    update_reading(c);
    if (!hold) hg_conn_wake(c);
}

void hg_conn_raw_close(hg_conn_t *c)
{
    conn_finish(c, true);
}

void hg_conn_raw_limit(hg_conn_t *c)
{
    if (!c->dead && !c->finishing) conn_wait(c, &c->hub->wait_linger, HG_NET_LINGER_MS);
}
