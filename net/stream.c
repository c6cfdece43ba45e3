/* stream.c: TCP and unix sockets by libuv, TLS by OpenSSL over two memory BIOs.
 *
 *   RESOLVING (a thread of libuv's) ─► CONNECTING (each address in turn) ─► [HANDSHAKE] ─► OPEN
 *        └────────────────────────────────── any ──────────────────────────────────────► BROKEN (failed was told)
 *
 * Bytes to be written collect in `out` while one uv_write is in flight, so many small writes become few system calls.
 * The memory goes when the handles are closed and no thread works for the stream any more. */
#include "base/hg.h"
#include "net/stream.h"
#include "base/access.h"
#include "base/buf.h"
#include "base/mem.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define ADDRESSES 8
#define READ_BUF  ((size_t)64 << 10)

typedef enum { RESOLVING, CONNECTING, HANDSHAKE, OPEN, BROKEN } state_t;

struct hg_stream {
    hg_loop_t *loop;
    hg_stream_ops_t ops;
    void *arg;
    char *host, *ca_file, *tls_name; /* host: of a unix socket its path */
    uint16_t port;
    bool is_unix;
    bool delay;
    bool tls, tls_insecure, tls_later; /* tls: from here on bytes are the session's */
    state_t state;
    uv_work_t work;
    struct sockaddr_storage addrs[ADDRESSES];
    int n_addrs, at_addr; /* negative: resolving failed */
    hg_err_t err;         /* of resolving; of the last address */
    uv_stream_t *conn;    /* uv_tcp_t or uv_pipe_t, heap: its close call-back frees it */
    uv_connect_t *connect;
    uv_timer_t *timer;
    bool closing;
    unsigned busy; /* work, connect and write under way */
    hg_buf_t out;  /* behind what is in flight */
    uv_write_t write;
    hg_buf_t flight; /* len 0: nothing */
    char *rbuf;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *net_in, *net_out; /* owned by ssl */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void next_address(hg_stream_t *s);
static void send_more(hg_stream_t *s);

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

static void drop_conn(hg_stream_t *s)
{
    if (s->conn) uv_close((uv_handle_t *)s->conn, free_handle);
    s->conn = NULL;
}

static void drop_timer(hg_stream_t *s)
{
    if (s->timer) uv_close((uv_handle_t *)s->timer, free_handle);
    s->timer = NULL;
}

static void maybe_free(hg_stream_t *s)
{
    if (!s->closing || s->busy) return;
    if (s->closed) s->closed(s->closed_arg);
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    hg_buf_release(&s->out);
    hg_buf_release(&s->flight);
    hg_free(s->rbuf);
    hg_free(s->host);
    hg_free(s->ca_file);
    hg_free(s->tls_name);
    hg_free(s);
}

static void fail(hg_stream_t *s, const hg_err_t *err)
{
    hg_err_t e = *err;
    if (s->closing || s->state == BROKEN) return;
    s->state = BROKEN;
    drop_timer(s);
    drop_conn(s);
    if (s->is_unix)
        (void)hg_err_wrap(&e, "%s", s->host);
    else
        (void)hg_err_wrap(&e, "%s:%u", s->host, (unsigned)s->port);
    s->ops.failed(s->arg, &e);
}

static void fail_uv(hg_stream_t *s, int rc)
{
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "%s", rc == UV_EOF ? "the server has closed the connection" : uv_strerror(rc));
    fail(s, &err);
}

/* --- TLS --- */

static void fail_tls(hg_stream_t *s)
{
    hg_err_t err = HG_ERR_INIT;
    char text[200] = "the server has ended the session";
    unsigned long e = ERR_peek_last_error();
    long verify = SSL_get_verify_result(s->ssl);
    if (e) ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    if (s->state == HANDSHAKE && verify != X509_V_OK && !s->tls_insecure)
        hg_err_set(&err, HG_ENET, "the certificate of the server is refused: %s",
                   X509_verify_cert_error_string(verify));
    else if (s->state == HANDSHAKE && e && ERR_GET_REASON(e) == SSL_R_WRONG_VERSION_NUMBER)
        hg_err_set(&err, HG_ENET, "the server does not speak TLS on this port");
    else
        hg_err_retry(&err, HG_ENET, "TLS: %s", text);
    fail(s, &err);
}

static int make_tls(hg_stream_t *s, hg_err_t *err)
{
    ERR_clear_error();
    s->ctx = SSL_CTX_new(TLS_client_method());
    HG_ASSERT(s->ctx);
    SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION);
    if (!s->tls_insecure) {
        int ok = s->ca_file ? SSL_CTX_load_verify_locations(s->ctx, s->ca_file, NULL)
                            : SSL_CTX_set_default_verify_paths(s->ctx);
        ERR_clear_error();
        if (ok != 1)
            return hg_err_set(err, HG_EIO, "cannot use the certificates of '%s'",
                              s->ca_file ? s->ca_file : "the system");
    }
    s->ssl = SSL_new(s->ctx);
    s->net_in = BIO_new(BIO_s_mem());
    s->net_out = BIO_new(BIO_s_mem());
    HG_ASSERT(s->ssl && s->net_in && s->net_out);
    SSL_set_bio(s->ssl, s->net_in, s->net_out);
    SSL_set_verify(s->ssl, s->tls_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    char *name = s->tls_name ? s->tls_name : s->host;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name) != 1) {
        SSL_set_tlsext_host_name(s->ssl, name);
        SSL_set1_host(s->ssl, name);
    }
    ERR_clear_error();
    SSL_set_connect_state(s->ssl);
    return 0;
}

static void flush_tls(hg_stream_t *s)
{
    char *p;
    long n = BIO_get_mem_data(s->net_out, &p);
    if (n > 0 && hg_buf_add(&s->out, p, (size_t)n) < 0) {
        fail_uv(s, UV_ENOMEM);
        return;
    }
    (void)BIO_reset(s->net_out);
    send_more(s);
}

static void opened(hg_stream_t *s)
{
    s->state = OPEN;
    if (!s->tls_later || s->tls) drop_timer(s); /* it is for both parts */
    s->ops.opened(s->arg);
}

static void handshake(hg_stream_t *s)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    int why = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, rc);
    if (rc != 1 && why != SSL_ERROR_WANT_READ) {
        fail_tls(s);
        return;
    }
    flush_tls(s);
    if (rc == 1 && s->state == HANDSHAKE) opened(s);
}

/* The stream is kept over the owner's call-backs: they may close it. */
static void decrypt(hg_stream_t *s)
{
    char *plain = s->rbuf + READ_BUF;
    if (s->state == HANDSHAKE) handshake(s);
    while (s->state == OPEN && !s->closing) {
        ERR_clear_error();
        int n = SSL_read(s->ssl, plain, (int)READ_BUF);
        if (n > 0) {
            s->ops.data(s->arg, plain, (size_t)n);
            continue;
        }
        if (SSL_get_error(s->ssl, n) != SSL_ERROR_WANT_READ) {
            fail_tls(s);
            return;
        }
        flush_tls(s); /* answers of the protocol's own */
        return;
    }
}

/* --- reading --- */

static void alloc_cb(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    hg_stream_t *s = h->data;
    (void)suggested;
    *buf = uv_buf_init(s->rbuf, (unsigned)READ_BUF);
}

static void read_cb(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    hg_stream_t *s = h->data;
    if (s->closing || n == 0) return;
    if (n < 0) {
        fail_uv(s, (int)n);
        return;
    }
    s->busy++; /* not freed below us */
    if (s->tls) {
        if (BIO_write(s->net_in, buf->base, (int)n) == n)
            decrypt(s);
        else
            fail_uv(s, UV_ENOMEM);
    } else {
        s->ops.data(s->arg, buf->base, (size_t)n);
    }
    s->busy--;
    maybe_free(s);
}

/* --- writing --- */

static void write_cb(uv_write_t *w, int status)
{
    hg_stream_t *s = w->data;
    s->busy--;
    hg_buf_clear(&s->flight);
    if (s->closing) {
        maybe_free(s);
        return;
    }
    if (status < 0) {
        fail_uv(s, status);
        return;
    }
    send_more(s);
    if (s->state == OPEN && !s->flight.len) s->ops.drained(s->arg);
}

static void send_more(hg_stream_t *s)
{
    if (s->flight.len || !s->out.len || !s->conn || s->state == BROKEN) return;
    hg_buf_t t = s->flight;
    s->flight = s->out;
    s->out = t;
    uv_buf_t b = uv_buf_init(s->flight.p, (unsigned)s->flight.len);
    s->write.data = s;
    int rc = uv_write(&s->write, s->conn, &b, 1, write_cb);
    if (rc == 0) {
        s->busy++;
        return;
    }
    hg_buf_clear(&s->flight);
    fail_uv(s, rc);
}

void hg_stream_start_tls(hg_stream_t *s)
{
    HG_ON_LOOP(s->loop);
    if (s->state != OPEN) return;
    s->tls = true;
    s->state = HANDSHAKE;
    handshake(s);
}

static int write_tls(hg_stream_t *s, hg_str_t part, hg_err_t *err)
{
    ERR_clear_error();
    while (part.n) {
        int k = SSL_write(s->ssl, part.p, (int)HG_MIN(part.n, (size_t)1 << 20)); /* into memory: it takes all */
        if (k <= 0) return hg_err_retry(err, HG_ENET, "TLS: the session cannot be written to");
        part.p += k;
        part.n -= (size_t)k;
    }
    return 0;
}

int hg_stream_writev(hg_stream_t *s, const hg_str_t *parts, size_t n_parts, hg_err_t *err)
{
    HG_ON_LOOP(s->loop);
    if (s->state != OPEN) return 0; /* failed is on its way, or was told */
    for (size_t i = 0; i < n_parts; i++) {
        if (s->tls) {
            int rc = write_tls(s, parts[i], err);
            if (rc < 0) return rc;
        } else if (hg_buf_add(&s->out, parts[i].p, parts[i].n) < 0) {
            return hg_err_set(err, HG_ENOMEM, "out of memory for what is to be sent");
        }
    }
    if (s->tls)
        flush_tls(s);
    else
        send_more(s);
    return 0;
}

int hg_stream_write(hg_stream_t *s, const char *p, size_t n, hg_err_t *err)
{
    return hg_stream_writev(s, &(hg_str_t){ p, n }, 1, err);
}

size_t hg_stream_queued(const hg_stream_t *s)
{
    return s->out.len + s->flight.len;
}

/* --- connecting --- */

static void connect_cb(uv_connect_t *c, int status)
{
    hg_stream_t *s = c->data;
    hg_free(c);
    s->connect = NULL;
    s->busy--;
    if (s->closing || s->state != CONNECTING) {
        maybe_free(s);
        return;
    }
    if (status < 0) {
        hg_err_retry(&s->err, HG_ENET, "cannot connect: %s", uv_strerror(status));
        drop_conn(s);
        next_address(s);
        return;
    }
    if (!s->is_unix) {
        uv_tcp_nodelay((uv_tcp_t *)s->conn, !s->delay);
        uv_tcp_keepalive((uv_tcp_t *)s->conn, 1, 60);
    }
    int rc = uv_read_start(s->conn, alloc_cb, read_cb);
    if (rc < 0) {
        fail_uv(s, rc);
    } else if (s->tls) {
        s->state = HANDSHAKE;
        s->busy++;
        handshake(s);
        s->busy--;
        maybe_free(s);
    } else {
        opened(s);
    }
}

/* What is wrong is told by the call-back. */
static void connect_unix(hg_stream_t *s)
{
    uv_pipe_t *pipe = HG_NEW(uv_pipe_t);
    uv_pipe_init(hg_loop_uv(s->loop), pipe, 0);
    s->conn = (uv_stream_t *)pipe;
    s->conn->data = s;
    s->connect = HG_NEW(uv_connect_t);
    s->connect->data = s;
    s->busy++;
    uv_pipe_connect(s->connect, pipe, s->host, connect_cb);
}

static void next_address(hg_stream_t *s)
{
    if (s->at_addr >= s->n_addrs) {
        hg_err_t err = s->err;
        fail(s, &err);
        return;
    }
    const struct sockaddr *to = (const struct sockaddr *)&s->addrs[s->at_addr++];
    if (s->is_unix) {
        connect_unix(s);
        return;
    }
    uv_tcp_t *tcp = HG_NEW(uv_tcp_t);
    uv_tcp_init(hg_loop_uv(s->loop), tcp);
    s->conn = (uv_stream_t *)tcp;
    s->conn->data = s;
    s->connect = HG_NEW(uv_connect_t);
    s->connect->data = s;
    int rc = uv_tcp_connect(s->connect, tcp, to, connect_cb);
    if (rc == 0) {
        s->busy++;
        return;
    }
    hg_free(s->connect);
    s->connect = NULL;
    hg_err_retry(&s->err, HG_ENET, "cannot connect: %s", uv_strerror(rc));
    drop_conn(s);
    next_address(s);
}

static void resolve(uv_work_t *w)
{
    hg_stream_t *s = w->data;
    if (s->is_unix)
        s->n_addrs = hg_access_socket(s->host, &s->err) < 0 ? -1 : 1;
    else
        s->n_addrs = hg_access_resolve(s->host, s->port, s->addrs, ADDRESSES, &s->err);
}

static void nothing(uv_work_t *w)
{
    (void)w;
}

static void resolved(uv_work_t *w, int status)
{
    hg_stream_t *s = w->data;
    (void)status;
    s->busy--;
    if (s->closing) {
        maybe_free(s);
        return;
    }
    if (s->state != RESOLVING) return; /* too late: the time-out was told */
    if (s->n_addrs <= 0) {
        hg_err_t err = s->err;
        fail(s, &err);
        return;
    }
    s->state = CONNECTING;
    next_address(s);
}

static void on_timeout(uv_timer_t *t)
{
    hg_stream_t *s = t->data;
    hg_err_t err = HG_ERR_INIT;
    hg_err_retry(&err, HG_ENET, "no connection in time");
    fail(s, &err);
}

hg_stream_t *hg_stream_open(hg_loop_t *loop, const hg_stream_opts_t *o, const hg_stream_ops_t *ops, void *arg)
{
    HG_ON_LOOP(loop);
    hg_stream_t *s = HG_NEW(hg_stream_t);
    s->loop = loop;
    s->ops = *ops;
    s->arg = arg;
    s->is_unix = o->unix_socket != NULL;
    s->host = hg_xstrdup(s->is_unix ? o->unix_socket : o->host);
    s->ca_file = o->ca_file ? hg_xstrdup(o->ca_file) : NULL;
    s->tls_name = o->tls_name ? hg_xstrdup(o->tls_name) : NULL;
    s->port = o->port;
    s->delay = o->delay;
    s->tls = o->tls && !o->tls_later;
    s->tls_insecure = o->tls_insecure;
    s->tls_later = o->tls_later;
    s->rbuf = hg_xnew(READ_BUF * (o->tls ? 2 : 1));
    hg_buf_init(&s->out, HG_BUF_NOMAX);
    hg_buf_init(&s->flight, HG_BUF_NOMAX);
    s->timer = HG_NEW(uv_timer_t);
    uv_timer_init(hg_loop_uv(loop), s->timer);
    s->timer->data = s;
    uv_timer_start(s->timer, on_timeout, o->timeout_ms, 0);
    s->work.data = s;
    if (o->tls && make_tls(s, &s->err) < 0) s->n_addrs = -1;
    s->busy++;
    /* errors too are told from there: never before the owner has the stream */
    int rc = s->n_addrs < 0 ? uv_queue_work(hg_loop_uv(loop), &s->work, nothing, resolved)
                            : uv_queue_work(hg_loop_uv(loop), &s->work, resolve, resolved);
    HG_ASSERT(rc == 0);
    return s;
}

static void free_posted(void *arg)
{
    hg_stream_t *s = arg;
    s->busy--;
    maybe_free(s);
}

void hg_stream_close(hg_stream_t *s, void (*closed)(void *arg), void *arg)
{
    HG_ON_LOOP(s->loop);
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    drop_timer(s);
    drop_conn(s);
    s->busy++;
    hg_loop_post(s->loop, free_posted, s);
}
