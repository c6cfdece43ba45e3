/* tls.c: TLS on top of a socket, server side.
 *
 * OpenSSL reads from the slice that libuv has just filled and writes into the socket's queue through a BIO of our own,
 * so an idle connection holds no buffer but OpenSSL's state (SSL_MODE_RELEASE_BUFFERS). Bytes that cannot be decrypted
 * yet because the owner holds reading are kept in `rest` (at most one read buffer).
 */
#include "base/hg.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define PLAIN_BUF ((size_t)32 * 1024)

struct hg_tls_ctx {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    _Atomic unsigned
        refs; /* the server's, one of each socket accepted with it: certificates are replaced while it runs */
};

struct hg_tls {
    SSL *ssl;
    hg_tls_ctx_t *ctx;
    hg_sock_t *sock;
    hg_str_t in;   /* cipher text at hand */
    hg_buf_t rest; /* kept over a hold */
    bool dead;
};

static int bio_read(BIO *b, char *out, int n)
{
    hg_tls_t *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (t->in.n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t k = HG_MIN((size_t)n, t->in.n);
    memcpy(out, t->in.p, k);
    t->in.p += k;
    t->in.n -= k;
    return (int)k;
}

static int bio_write(BIO *b, const char *p, int n)
{
    hg_tls_t *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    return hg_buf_add(&t->sock->out, p, (size_t)n) < 0 ? -1 : n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static int ssl_error(hg_err_t *err, const char *what, const char *file)
{
    char text[160] = "unknown error";
    unsigned long e = ERR_peek_last_error();
    if (e) ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return hg_err_set(err, HG_EINVAL, "cannot use the TLS %s '%s': %s", what, file, text);
}

int hg_tls_ctx_new(const char *cert_pem_file, const char *key_pem_file, hg_tls_ctx_t **ret, hg_err_t *err)
{
    int rc = 0;
    hg_tls_ctx_t *c = HG_NEW(hg_tls_ctx_t);
    atomic_init(&c->refs, 1);
    ERR_clear_error();
    c->ssl = SSL_CTX_new(TLS_server_method());
    c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "headgate");
    HG_ASSERT(c->ssl && c->bio);
    BIO_meth_set_read(c->bio, bio_read);
    BIO_meth_set_write(c->bio, bio_write);
    BIO_meth_set_ctrl(c->bio, bio_ctrl);
    SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ssl,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(c->ssl, cert_pem_file) != 1)
        rc = ssl_error(err, "certificate", cert_pem_file);
    else if (SSL_CTX_use_PrivateKey_file(c->ssl, key_pem_file, SSL_FILETYPE_PEM) != 1)
        rc = ssl_error(err, "key", key_pem_file);
    else if (SSL_CTX_check_private_key(c->ssl) != 1)
        rc = ssl_error(err, "key", key_pem_file);
    if (rc < 0) {
        hg_tls_ctx_unref(c);
        return rc;
    }
    *ret = c;
    return 0;
}

hg_tls_ctx_t *hg_tls_ctx_ref(hg_tls_ctx_t *c)
{
    if (c) atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void hg_tls_ctx_unref(hg_tls_ctx_t *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    hg_free(c);
}

hg_tls_t *hg_tls_new(hg_tls_ctx_t *c, hg_sock_t *s)
{
    hg_tls_t *t = HG_NEW(hg_tls_t);
    if (!s->hub->tbuf) s->hub->tbuf = hg_xnew(PLAIN_BUF);
    hg_buf_init(&t->rest, HG_BUF_NOMAX);
    t->sock = s;
    t->ctx = hg_tls_ctx_ref(c);
    t->ssl = SSL_new(c->ssl);
    BIO *b = BIO_new(c->bio);
    HG_ASSERT(t->ssl && b);
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_accept_state(t->ssl);
    return t;
}

void hg_tls_free(hg_tls_t *t)
{
    if (!t) return;
    SSL_free(t->ssl); /* and its BIO, whose methods are the context's */
    hg_tls_ctx_unref(t->ctx);
    hg_buf_release(&t->rest);
    hg_free(t);
}

static void decrypt(hg_tls_t *t)
{
    hg_sock_t *s = t->sock;
    while (!s->hold && !s->closing && !s->told && !t->dead) {
        ERR_clear_error();
        int k = SSL_read(t->ssl, s->hub->tbuf, (int)PLAIN_BUF);
        int why = k > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, k);
        hg_sock_flush(s); /* handshake answers and alerts */
        if (k > 0) {
            hg_sock_got(s, s->hub->tbuf, (size_t)k);
        } else if (why == SSL_ERROR_WANT_READ) {
            return;
        } else if (why == SSL_ERROR_ZERO_RETURN) {
            t->in.n = 0;
            hg_sock_got_eof(s);
            return;
        } else {
            t->dead = true;
            t->in.n = 0;
            hg_sock_fail(s, UV_EPROTO);
        }
    }
}

void hg_tls_input(hg_tls_t *t, const char *p, size_t n)
{
    if (t->rest.len) { /* only if a hold ended and its turn has not come: keep the order */
        if (hg_buf_add(&t->rest, p, n) < 0) hg_sock_fail(t->sock, UV_ENOMEM);
        return;
    }
    t->in = (hg_str_t){ p, n };
    decrypt(t);
    if (t->in.n && !t->dead && hg_buf_addstr(&t->rest, t->in) < 0) hg_sock_fail(t->sock, UV_ENOMEM);
    t->in = (hg_str_t){ NULL, 0 };
}

void hg_tls_more(hg_tls_t *t)
{
    size_t n;
    char *p = hg_buf_take(&t->rest, &n);
    hg_tls_input(t, p, n); /* also with nothing at hand: OpenSSL may hold a decrypted record */
    hg_free(p);
}

int hg_tls_output(hg_tls_t *t, const char *p, size_t n)
{
    while (n > 0) {
        ERR_clear_error();
        size_t done = 0;
        if (t->dead || SSL_write_ex(t->ssl, p, n, &done) != 1) {
            t->dead = true;
            return HG_ENET;
        }
        p += done;
        n -= done;
    }
    return 0;
}

void hg_tls_bye(hg_tls_t *t)
{
    ERR_clear_error();
    if (!t->dead && SSL_is_init_finished(t->ssl)) SSL_shutdown(t->ssl);
}
