/* lend.c: a large body, read by the process that wants it.
 *
 * What a proxy passes on is copied twice more than what comes straight from the client. So once a body of known length
 * has begun, the proxy lends its client's connection: the descriptor goes over with the last byte that it has read, and
 * the server behind reads the rest of the body from there, and not a byte more. The head, the answer and all that
 * follows stay with the proxy, which keeps its own descriptor and does not touch it meanwhile. The head announces the
 * loan: until it is there the server takes what comes, even if nobody wants it yet; from then on it is the one to
 * notice that the client has left.
 *
 *   proxy: passes on ──hg_lend──► waits ──the answer──► reads the next request, or ends the connection
 *   server:                       loan: reads the rest ──its end──► gives it back (closes)
 *
 * The answer says in HG_LEND_FIELD that the body was read to its end, so that the next request follows. Without that
 * (it answered early, it died) nobody knows where the next request begins, and the connection ends after the answer.
 * TLS, chunked bodies (their end shows only when it has been read) and small ones are passed on.
 *
 * Invariant: a loan is closed before the request whose body it is has gone; its memory goes in its socket's `closed`.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the proxy --------------------------------------------------------------------------------------------------- */

bool hg_lend_can(const hg_req_t *r)
{
    const hg_conn_t *c = r->conn;
    uint64_t left = hg_h1_body_left(&c->h1);
    return left != UINT64_MAX && left >= HG_LEND_MIN && !c->sock.tls && c->sock.u.handle.type == UV_TCP;
}

bool hg_lend(hg_req_t *r, hg_sock_t *to, char last)
{
    hg_conn_t *c = r->conn;
    uv_os_fd_t from, over;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec v = { &last, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    if (hg_sock_queued(to) > 0 || hg_fault(HG_FAULT_WRITE)) return false;
    if (uv_fileno(&c->sock.u.handle, &from) < 0 || uv_fileno(&to->u.handle, &over) < 0) return false;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &from, sizeof(int));
    ssize_t n;
    do {
        n = sendmsg(over, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n != 1) return false; /* full or broken: the next piece finds out */
    c->lent = 1;
    c->h1.body.left = UINT64_MAX - 1; /* not known any more, and certainly too much to be read and dropped */
    return true;
}

void hg_lend_over(hg_req_t *r, bool read)
{
    if (read) r->conn->h1.body.left = 0;
}

/* --- the server behind it ---------------------------------------------------------------------------------------- */

struct hg_loan {
    hg_sock_t sock;
    hg_conn_t *conn; /* NULL: closed */
};

hg_sock_t *hg_loan_sock(hg_loan_t *l)
{
    return &l->sock;
}

void hg_loan_close(hg_conn_t *c)
{
    hg_loan_t *l = c->loan;
    if (!l) return;
    c->loan = NULL;
    l->conn = NULL;
    hg_sock_close(&l->sock);
}

/* What of the body has not been read from anywhere. */
static uint64_t missing(const hg_conn_t *c)
{
    uint64_t left = hg_h1_body_left(&c->h1);
    return left == UINT64_MAX || left < c->tail.len ? 0 : left - c->tail.len;
}

static void loan_data(void *arg, const char *p, size_t n)
{
    hg_loan_t *l = arg;
    if (!l->conn) return;
    hg_conn_body_input(l->conn, p, n);
    if (!l->conn) return;
    l->sock.limit = (size_t)missing(l->conn);
    if (l->sock.limit == 0) hg_loan_close(l->conn);
}

static void loan_eof(void *arg)
{
    hg_loan_t *l = arg;
    if (l->conn) hg_conn_body_eof(l->conn);
}

static void loan_broken(void *arg, int uv_err)
{
    hg_loan_t *l = arg;
    (void)uv_err;
    if (l->conn) hg_conn_body_broken(l->conn);
}

static void loan_left(void *arg)
{
    hg_loan_t *l = arg;
    if (l->conn) hg_conn_body_left(l->conn);
}

static void loan_none(void *arg)
{
    (void)arg; /* nothing is written */
}

static void loan_closed(void *arg)
{
    hg_free(arg);
}

static const hg_sock_ops_t LOAN_OPS = {
    .data = loan_data,
    .eof = loan_eof,
    .broken = loan_broken,
    .drain = loan_none,
    .shut = loan_none,
    .left = loan_left,
    .ready = loan_none,
    .closed = loan_closed,
};

/* Whoever may connect to the socket may send descriptors: only a stream can be read here. */
static bool is_stream(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

bool hg_loan_told(const hg_conn_t *c, const hg_h1_msg_t *m)
{
    return c->sock.u.handle.type == UV_NAMED_PIPE && hg_h1_header(m, HG_LEND_FIELD).p;
}

void hg_loan_take(hg_conn_t *c, int fd)
{
    c->awaits = 0;
    if (c->dead || c->finishing || c->raw || c->loan || !c->req || missing(c) == 0 || !is_stream(fd)) {
        close(fd);
        if (!c->dead) hg_conn_body_reading(c);
        return;
    }
    hg_loan_t *l = HG_NEW(hg_loan_t);
    int rc = hg_sock_open(&l->sock, c->hub, fd, false, NULL, &LOAN_OPS, l);
    if (rc < 0) {
        if (!l->sock.closing) hg_free(l); /* no handle came up */
        hg_conn_body_broken(c);
        return;
    }
    l->conn = c;
    l->sock.limit = (size_t)missing(c);
    c->loan = l;
    c->loaned = 1;
    hg_sock_hold(&c->sock, false); /* nothing comes there but the proxy's end */
    hg_conn_body_reading(c);
}
