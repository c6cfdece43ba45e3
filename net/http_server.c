/* http_server.c: listeners, accepting, spreading connections over loops, shutdown.
 *
 * Threads: everything here runs on loops[0], except the few functions named hub_* that are posted to the other loops.
 * Accepting is ours (uv_poll and accept4) so that a descriptor can be handed to any loop before libuv knows it, and so
 * that running out of descriptors is survived: one is kept in reserve, given up to accept the waiting peer and close
 * it.
 *
 * Shutdown is a conversation: listeners close, every hub ends its idle connections and refuses keep-alive, after the
 * grace time what is left is cut; a hub whose last socket is gone closes its handles and reports; then `done`.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPT_BATCH 64
#define BACKLOG      4096

typedef struct listener {
    hg_list_t link;
    hg_http_server_t *srv;
    uv_poll_t poll;
    uv_timer_t retry; /* no descriptor, not even the reserve: look again later */
    int fd;
    bool is_unix, tls;
    char *path; /* unix: removed at the end */
    dev_t dev;
    ino_t ino;
    unsigned open_handles;
} listener_t;

struct hg_http_server {
    hg_http_opts_t opts;
    char *name;
    hg_hub_t *hubs;
    unsigned next_hub;
    hg_list_t listeners;
    hg_tls_ctx_t *tls;
    int reserve_fd;
    atomic_uint conns;
    uv_timer_t grace;
    bool closing;
    unsigned hubs_up; /* have not reported their end */
    unsigned open;    /* listeners, and one for the hubs: none left = done */
    unsigned pings;
    void (*done)(void *arg);
    void *done_arg;
};

const hg_http_opts_t *hg_server_opts(const hg_http_server_t *s)
{
    return &s->opts;
}
unsigned hg_http_connections(const hg_http_server_t *s)
{
    return atomic_load(&s->conns);
}

void hg_server_count(hg_http_server_t *s, int delta)
{
    if (delta > 0)
        atomic_fetch_add(&s->conns, 1);
    else
        atomic_fetch_sub(&s->conns, 1);
}

static void hub_up(void *arg)
{
    hg_hub_up(arg);
}

/* Runs fn on the hub's loop; at once if that is loops[0], whose thread this is. */
static void to_hub(hg_http_server_t *s, hg_hub_t *hub, void (*fn)(void *), void *arg)
{
    if (hub->loop == s->opts.loops[0])
        fn(arg);
    else
        hg_loop_post(hub->loop, fn, arg);
}

int hg_http_server_new(const hg_http_opts_t *opts, hg_http_server_t **ret, hg_err_t *err)
{
    hg_net_init();
    if (opts->n_loops == 0 || !opts->on_request)
        return hg_err_set(err, HG_EINVAL, "a server needs a loop and a handler");
    hg_http_server_t *s = HG_NEW(hg_http_server_t);
    s->opts = *opts;
    s->opts.loops = HG_NEWN(hg_loop_t *, opts->n_loops);
    memcpy(s->opts.loops, opts->loops, sizeof(hg_loop_t *) * opts->n_loops);
    s->name = opts->server_name ? hg_xstrdup(opts->server_name) : NULL;
    s->opts.server_name = s->name;
    if (!s->opts.idle_timeout_ms) s->opts.idle_timeout_ms = 120 * 1000;
    if (!s->opts.head_timeout_ms) s->opts.head_timeout_ms = 30 * 1000;
    hg_list_init(&s->listeners);
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->hubs = HG_NEWN(hg_hub_t, opts->n_loops);
    uv_timer_init(hg_loop_uv(opts->loops[0]), &s->grace);
    s->grace.data = s;
    s->hubs_up = opts->n_loops;
    s->open = 1;
    for (unsigned i = 0; i < opts->n_loops; i++) {
        hg_hub_init(&s->hubs[i], s, s->opts.loops[i]);
        to_hub(s, &s->hubs[i], hub_up, &s->hubs[i]);
    }
    *ret = s;
    return 0;
}

/* --- accepting --- */

typedef struct handover {
    hg_hub_t *hub;
    int fd;
    bool is_unix;
    hg_tls_ctx_t *tls;
} handover_t;

static void hub_take(void *arg)
{
    handover_t *h = arg;
    if (h->hub->shutting)
        close(h->fd);
    else
        hg_conn_accept(h->hub, h->fd, h->is_unix, h->tls);
    hg_tls_ctx_unref(h->tls);
    hg_free(h);
}

static void hand_over(listener_t *l, int fd)
{
    hg_http_server_t *s = l->srv;
    hg_hub_t *hub = &s->hubs[s->next_hub];
    s->next_hub = (s->next_hub + 1) % s->opts.n_loops;
    handover_t *h = HG_NEW(handover_t);
    *h = (handover_t){ .hub = hub, .fd = fd, .is_unix = l->is_unix, .tls = l->tls ? hg_tls_ctx_ref(s->tls) : NULL };
    to_hub(s, hub, hub_take, h);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *t)
{
    listener_t *l = t->data;
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

/* Descriptors are out. Turn the peer away rather than leave it in the queue, where it would wake us for ever. */
static void turn_away(listener_t *l)
{
    hg_http_server_t *s = l->srv;
    hg_log(HG_LOG_WARN, "http", NULL, "no_descriptors", "connections=%u", hg_http_connections(s));
    if (s->reserve_fd >= 0) {
        close(s->reserve_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) close(fd);
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } else {
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        uv_poll_stop(&l->poll);
        uv_timer_start(&l->retry, on_retry, 100, 0);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    listener_t *l = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd =
            hg_fault(HG_FAULT_OPEN) ? (errno = EMFILE, -1) : accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(l, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            turn_away(l);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return; /* EAGAIN: the queue is empty */
        }
    }
}

static int listen_on(hg_http_server_t *s, int fd, bool is_unix, const char *path, hg_err_t *err)
{
    listener_t *l = HG_NEW(listener_t);
    hg_list_init(&l->link);
    l->srv = s;
    l->fd = fd;
    l->is_unix = is_unix;
    l->tls = !is_unix && s->tls;
    uv_loop_t *uv = hg_loop_uv(s->opts.loops[0]);
    int rc = uv_poll_init(uv, &l->poll, fd);
    if (rc < 0) {
        hg_free(l);
        return hg_err_set(err, HG_EIO, "cannot watch the listening socket: %s", uv_strerror(rc));
    }
    uv_timer_init(uv, &l->retry);
    l->poll.data = l->retry.data = l;
    l->open_handles = 2;
    if (path) {
        struct stat st;
        l->path = hg_xstrdup(path);
        if (lstat(path, &st) == 0) {
            l->dev = st.st_dev;
            l->ino = st.st_ino;
        }
    }
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    hg_list_add_tail(&s->listeners, &l->link);
    s->open++;
    return 0;
}

int hg_http_listen_tcp(hg_http_server_t *s, const char *host, unsigned port, unsigned *ret_port, hg_err_t *err)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *list;
    char service[16];
    HG_ON_LOOP(s->opts.loops[0]);
    if (port > 65535) return hg_err_set(err, HG_EINVAL, "port %u is above 65535", port);
    snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0) return hg_err_set(err, HG_ENET, "cannot resolve '%s': %s", host, gai_strerror(rc));
    int fd = -1, saved = EADDRNOTAVAIL, on = 1;
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            saved = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
            saved = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) return hg_err_errno(err, saved, "cannot listen on %s:%u", host, port);

    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sa = { 0 };
    socklen_t len = sizeof sa;
    if (getsockname(fd, &sa.any, &len) == 0)
        port = ntohs(sa.any.sa_family == AF_INET6 ? sa.v6.sin6_port : sa.v4.sin_port);
    rc = listen_on(s, fd, false, NULL, err);
    if (rc < 0)
        close(fd);
    else if (ret_port)
        *ret_port = port;
    return rc;
}

int hg_http_listen_unix(hg_http_server_t *s, const char *path, hg_err_t *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    HG_ON_LOOP(s->opts.loops[0]);
    if (strlen(path) >= sizeof sa.sun_path)
        return hg_err_set(err, HG_EINVAL, "the socket path '%s' is longer than %zu bytes", path,
                          sizeof sa.sun_path - 1);
    memcpy(sa.sun_path, path, strlen(path));
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return hg_err_set(err, HG_EEXIST, "'%s' exists and is not a socket", path);
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (probe < 0) return hg_err_errno(err, errno, "cannot make a socket");
        int live = connect(probe, (struct sockaddr *)&sa, sizeof sa) == 0 || errno == EAGAIN;
        close(probe);
        if (live) return hg_err_set(err, HG_EBUSY, "another process serves the socket '%s'", path);
        if (unlink(path) < 0 && errno != ENOENT)
            return hg_err_errno(err, errno, "cannot replace the dead socket '%s'", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return hg_err_errno(err, errno, "cannot make a socket");
    /* Nobody can connect between bind and listen, so the mode is right before the first peer. */
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;
        close(fd);
        return hg_err_errno(err, saved, "cannot listen on '%s'", path);
    }
    int rc = listen_on(s, fd, true, path, err);
    if (rc < 0) close(fd);
    return rc;
}

int hg_http_use_tls(hg_http_server_t *s, const char *cert_pem_file, const char *key_pem_file, hg_err_t *err)
{
    hg_tls_ctx_t *ctx;
    int rc = hg_tls_ctx_new(cert_pem_file, key_pem_file, &ctx, err);
    if (rc < 0) return rc;
    hg_tls_ctx_unref(s->tls);
    s->tls = ctx;
    return 0;
}

/* --- shutdown --- */

static void one_ended(hg_http_server_t *s)
{
    if (--s->open == 0) s->done(s->done_arg);
}

static void listener_closed(uv_handle_t *h)
{
    listener_t *l = h->data;
    if (--l->open_handles > 0) return;
    hg_http_server_t *s = l->srv;
    hg_list_del(&l->link);
    close(l->fd);
    hg_free(l->path);
    hg_free(l);
    one_ended(s);
}

static void close_listener(listener_t *l)
{
    struct stat st;
    /* Only the socket that is ours: a successor may have replaced it. */
    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino) unlink(l->path);
    uv_close((uv_handle_t *)&l->poll, listener_closed);
    uv_close((uv_handle_t *)&l->retry, listener_closed);
}

static void hub_shut(void *arg)
{
    hg_hub_shut(arg);
}
static void hub_cut(void *arg)
{
    hg_hub_cut(arg);
}

static void on_grace(uv_timer_t *t)
{
    hg_http_server_t *s = t->data;
    for (unsigned i = 0; i < s->opts.n_loops; i++) to_hub(s, &s->hubs[i], hub_cut, &s->hubs[i]);
}

static void ping_back(void *arg)
{
    hg_http_server_t *s = arg;
    if (--s->pings == 0) one_ended(s);
}

static void hub_ping(void *arg)
{
    hg_hub_t *h = arg;
    hg_loop_post(hg_server_opts(h->srv)->loops[0], ping_back, h->srv);
}

/* A cut that was posted while a hub ended by itself may still be under way to it: one round trip behind it. */
static void grace_closed(uv_handle_t *handle)
{
    hg_http_server_t *s = handle->data;
    s->pings = s->opts.n_loops;
    for (unsigned i = 0; i < s->opts.n_loops; i++) hg_loop_post(s->hubs[i].loop, hub_ping, &s->hubs[i]);
}

static void hub_ended(void *arg)
{
    hg_http_server_t *s = arg;
    if (--s->hubs_up == 0) uv_close((uv_handle_t *)&s->grace, grace_closed);
}

void hg_server_hub_closed(hg_http_server_t *s)
{
    hg_loop_post(s->opts.loops[0], hub_ended, s);
}

void hg_http_server_close(hg_http_server_t *s, uint64_t grace_ms, void (*done)(void *arg), void *arg)
{
    HG_ON_LOOP(s->opts.loops[0]);
    HG_ASSERT(!s->closing);
    s->closing = true;
    s->done = done;
    s->done_arg = arg;
    HG_LIST_EACH(it, &s->listeners) close_listener(HG_ENTRY(it, listener_t, link));
    for (unsigned i = 0; i < s->opts.n_loops; i++) to_hub(s, &s->hubs[i], hub_shut, &s->hubs[i]);
    uv_timer_start(&s->grace, on_grace, grace_ms, 0);
}

void hg_http_server_free(hg_http_server_t *s)
{
    if (!s) return;
    HG_ASSERT(s->closing && s->open == 0);
    for (unsigned i = 0; i < s->opts.n_loops; i++) hg_hub_release(&s->hubs[i]);
    hg_tls_ctx_unref(s->tls);
    if (s->reserve_fd >= 0) close(s->reserve_fd);
    hg_free(s->hubs);
    hg_free(s->opts.loops);
    hg_free(s->name);
    hg_free(s);
}
