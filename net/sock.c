/* sock.c: one connected byte stream, TCP or unix, plain or TLS.
 *
 * Reading: into the hub's buffer; `hold` stops it (back-pressure) and puts the socket on the hub's list, where a tick
 * asks the kernel whether the peer has closed meanwhile: a socket that does not read would not hear of it. Writing: at
 * once if nothing is queued; what the kernel does not take is copied. At most one uv_write is in flight, what comes
 * meanwhile is collected behind it, so many small writes become few system calls.
 *
 * Invariants
 *   1. flight == NULL means that out holds only corked bytes, or nothing.
 *   2. ops->broken is called at most once, never from inside a write; after it nothing but closed.
 *   3. The memory belongs to the owner again in ops->closed.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void on_write(uv_write_t *req, int status);

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    hg_sock_t *s = handle->data;
    (void)suggested;
    *buf = uv_buf_init(s->hub->rbuf, (unsigned)(s->limit ? HG_MIN(s->limit, HG_NET_READ_BUF) : HG_NET_READ_BUF));
}

static void stop_reading(hg_sock_t *s)
{
    if (s->reading) uv_read_stop(&s->u.stream);
    s->reading = 0;
}

void hg_sock_got(hg_sock_t *s, const char *p, size_t n)
{
    if (!s->closing && !s->told) s->ops->data(s->arg, p, n);
}

void hg_sock_got_eof(hg_sock_t *s)
{
    if (s->eof || s->closing || s->told) return;
    s->eof = 1;
    stop_reading(s);
    s->ops->eof(s->arg);
}

static void tell_broken(hg_sock_t *s)
{
    if (s->told || s->closing) return;
    s->told = 1;
    stop_reading(s);
    s->ops->broken(s->arg, s->err);
}

static void free_handle(uv_handle_t *h)
{
    hg_free(h);
}

/* The descriptor that came with the bytes just read, or -1. libuv gives it as a handle: only its number is wanted. */
static int take_lent(hg_sock_t *s)
{
    int fd = -1;
    while (s->ops->lent && s->u.handle.type == UV_NAMED_PIPE && uv_pipe_pending_count(&s->u.pipe) > 0) {
        uv_tcp_t *t = HG_NEW(uv_tcp_t);
        uv_os_fd_t got;
        uv_tcp_init(s->hub->uv, t);
        if (uv_accept(&s->u.stream, (uv_stream_t *)t) == 0 && fd < 0 && uv_fileno((uv_handle_t *)t, &got) == 0)
            fd = fcntl(got, F_DUPFD_CLOEXEC, 0);
        uv_close((uv_handle_t *)t, free_handle);
    }
    return fd;
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    hg_sock_t *s = stream->data;
    if (n == 0) return;
    if (n > 0) {
        int fd = take_lent(s); /* before the data: what they do may stop the reading */
        if (s->tls)
            hg_tls_input(s->tls, buf->base, (size_t)n);
        else
            hg_sock_got(s, buf->base, (size_t)n);
        if (fd >= 0 && (s->closing || s->told))
            close(fd);
        else if (fd >= 0)
            s->ops->lent(s->arg, fd);
    } else if (n == UV_EOF) {
        hg_sock_got_eof(s);
    } else {
        s->err = (int)n;
        tell_broken(s);
    }
}

static void start_reading(hg_sock_t *s)
{
    if (s->reading || s->hold || s->eof || s->closing || s->told) return;
    s->reading = 1;
    int rc = uv_read_start(&s->u.stream, alloc_cb, read_cb);
    if (rc < 0) hg_sock_fail(s, rc);
}

int hg_sock_open(hg_sock_t *s, hg_hub_t *hub, int fd, bool is_unix, hg_tls_ctx_t *tls, const hg_sock_ops_t *ops,
                 void *arg)
{
    memset(s, 0, sizeof *s);
    s->hub = hub;
    s->ops = ops;
    s->arg = arg;
    s->high = HG_NET_HIGH;
    s->low = HG_NET_LOW;
    hg_list_init(&s->ready);
    hg_list_init(&s->held);
    hg_buf_init(&s->out, HG_NET_OUT_MAX);
    int rc = is_unix ? uv_pipe_init(hub->uv, &s->u.pipe, ops->lent != NULL) : uv_tcp_init(hub->uv, &s->u.tcp);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    s->u.handle.data = s;
    hg_hub_sock_added(hub);
    rc = is_unix ? uv_pipe_open(&s->u.pipe, fd) : uv_tcp_open(&s->u.tcp, fd);
    if (rc < 0) {
        close(fd);
        hg_sock_close(s); /* ops->closed frees it */
        return rc;
    }
    if (!is_unix) {
        uv_tcp_nodelay(&s->u.tcp, 1);
        uv_tcp_keepalive(&s->u.tcp, 1, 60);
    }
    if (tls) s->tls = hg_tls_new(tls, s);
    start_reading(s);
    return 0;
}

void hg_sock_hold(hg_sock_t *s, bool hold)
{
    if (s->hold == hold || s->closing) return;
    s->hold = hold;
    if (hold) {
        stop_reading(s);
        hg_list_add_tail(&s->hub->held, &s->held);
    } else {
        if (hg_list_linked(&s->held)) hg_list_del(&s->held);
        if (s->tls) hg_sock_defer(s); /* decrypted first: what is left over from the last read */
        start_reading(s);
    }
}

size_t hg_sock_readable(const hg_sock_t *s)
{
    uv_os_fd_t fd;
    int n = 0;
    if (uv_fileno(&s->u.handle, &fd) < 0 || ioctl(fd, FIONREAD, &n) < 0) return 0;
    return n > 0 ? (size_t)n : 0;
}

void hg_sock_poll_left(hg_sock_t *s)
{
    uv_os_fd_t fd;
    if (s->closing || s->told || !s->ops->left || uv_fileno(&s->u.handle, &fd) < 0) return;
    struct pollfd pf = { .fd = fd, .events = POLLRDHUP };
    if (poll(&pf, 1, 0) > 0 && (pf.revents & (POLLRDHUP | POLLHUP | POLLERR))) s->ops->left(s->arg);
}

/* --- writing --- */

size_t hg_sock_queued(const hg_sock_t *s)
{
    return s->out.len + (s->flight ? uv_stream_get_write_queue_size(&s->u.stream) : 0);
}

void hg_sock_fail(hg_sock_t *s, int uv_err)
{
    if (s->err == 0) s->err = uv_err;
    hg_sock_defer(s);
}

static void write_failed(hg_sock_t *s, int uv_err)
{
    s->write_dead = 1;
    hg_buf_release(&s->out);
    if (s->read_on && !s->eof)
        hg_sock_defer(s); /* the answer may stand in the input */
    else
        hg_sock_fail(s, uv_err);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    hg_sock_t *s = req->data;
    if (s->closing) return;
    (void)status; /* not connected any more: just as well */
    s->ops->shut(s->arg);
}

static void shut_now(hg_sock_t *s)
{
    if (s->shut_sent || s->flight || s->out.len || s->closing) return;
    s->shut_sent = 1;
    s->shut_req.data = s;
    if (uv_shutdown(&s->shut_req, &s->u.stream, on_shutdown) < 0) hg_sock_fail(s, UV_ENOTCONN);
}

/* Put what stands in out behind `off` under a uv_write. */
static void launch(hg_sock_t *s, size_t off)
{
    size_t n;
    s->flight = hg_buf_take(&s->out, &n);
    uv_buf_t b = uv_buf_init(s->flight + off, (unsigned)(n - off));
    s->write_req.data = s;
    int rc = uv_write(&s->write_req, &s->u.stream, &b, 1, on_write);
    if (rc < 0) {
        hg_free(s->flight);
        s->flight = NULL;
        write_failed(s, rc);
    }
}

static void note_above(hg_sock_t *s)
{
    if (hg_sock_queued(s) > s->high) s->above = 1;
}

void hg_sock_flush(hg_sock_t *s)
{
    if (s->flight || s->out.len == 0 || s->closing || s->write_dead) return;
    uv_buf_t b = uv_buf_init(s->out.p, (unsigned)s->out.len);
    int k = hg_fault(HG_FAULT_WRITE) ? UV_EPIPE : uv_try_write(&s->u.stream, &b, 1);
    if (k < 0 && k != UV_EAGAIN) {
        write_failed(s, k);
        return;
    }
    size_t done = k > 0 ? (size_t)k : 0;
    if (done < s->out.len)
        launch(s, done);
    else if (s->out.cap > HG_NET_LOW)
        hg_buf_release(&s->out);
    else
        hg_buf_clear(&s->out);
}

static void on_write(uv_write_t *req, int status)
{
    hg_sock_t *s = req->data;
    hg_free(s->flight);
    s->flight = NULL;
    if (s->closing) return;
    if (status < 0) {
        write_failed(s, status);
        return;
    }
    hg_sock_flush(s);
    if (s->write_dead || s->closing) return;
    if (s->flight == NULL) hg_buf_release(&s->out); /* nothing queued: hold no memory */
    if (s->above && hg_sock_queued(s) <= s->low) {
        s->above = 0;
        s->ops->drain(s->arg);
    }
    if (s->want_shut && !s->closing) shut_now(s);
}

static bool collect(hg_sock_t *s, const char *p, size_t n)
{
    int rc = s->tls ? hg_tls_output(s->tls, p, n) : hg_buf_add(&s->out, p, n);
    if (rc < 0) write_failed(s, rc == HG_ENOMEM ? UV_ENOMEM : UV_ENOBUFS);
    return rc == 0;
}

bool hg_sock_cork(hg_sock_t *s, const char *p, size_t n)
{
    if (s->closing || s->write_dead || s->told) return false;
    if (!collect(s, p, n)) return false;
    hg_sock_defer(s);
    return true;
}

bool hg_sock_write(hg_sock_t *s, const uv_buf_t *v, unsigned n)
{
    if (s->closing || s->write_dead || s->told) return false;
    if (s->tls || s->flight || n > 6) {
        for (unsigned i = 0; i < n; i++) {
            if (v[i].len && !collect(s, v[i].base, v[i].len)) return false;
        }
        hg_sock_flush(s);
    } else {
        uv_buf_t all[8];
        unsigned m = 0;
        if (s->out.len) all[m++] = uv_buf_init(s->out.p, (unsigned)s->out.len);
        for (unsigned i = 0; i < n; i++) {
            if (v[i].len) all[m++] = v[i];
        }
        if (m == 0) return true;
        int k = hg_fault(HG_FAULT_WRITE) ? UV_EPIPE : uv_try_write(&s->u.stream, all, m);
        if (k < 0 && k != UV_EAGAIN) {
            write_failed(s, k);
            return false;
        }
        size_t done = k > 0 ? (size_t)k : 0;
        size_t corked = HG_MIN(done, s->out.len);
        hg_buf_eat(&s->out, corked);
        done -= corked;
        for (unsigned i = 0; i < n; i++) {
            size_t skip = HG_MIN(done, v[i].len);
            done -= skip;
            if (skip < v[i].len && !collect(s, v[i].base + skip, v[i].len - skip)) return false;
        }
        if (s->out.len) launch(s, 0);
    }
    note_above(s);
    return hg_sock_queued(s) <= s->high;
}

void hg_sock_shut(hg_sock_t *s)
{
    if (s->want_shut || s->closing) return;
    s->want_shut = 1;
    if (s->tls && !s->write_dead) hg_tls_bye(s->tls);
    hg_sock_flush(s);
    shut_now(s);
}

/* --- turns and the end --- */

void hg_sock_turn(hg_sock_t *s)
{
    s->deferred = 0;
    if (s->closing) return;
    if (s->err) {
        tell_broken(s);
        return;
    }
    hg_sock_flush(s);
    if (s->tls && !s->hold) hg_tls_more(s->tls);
    if (s->closing) return;
    s->ops->ready(s->arg);
    if (s->want_shut && !s->closing) shut_now(s);
}

static void on_closed(uv_handle_t *handle)
{
    hg_sock_t *s = handle->data;
    hg_hub_t *hub = s->hub;
    hg_tls_free(s->tls);
    hg_free(s->flight);
    hg_buf_release(&s->out);
    s->ops->closed(s->arg);
    hg_hub_sock_gone(hub);
}

void hg_sock_close(hg_sock_t *s)
{
    if (s->closing) return;
    stop_reading(s);
    s->closing = 1;
    if (hg_list_linked(&s->ready)) hg_list_del(&s->ready);
    if (hg_list_linked(&s->held)) hg_list_del(&s->held);
    uv_close(&s->u.handle, on_closed);
}
