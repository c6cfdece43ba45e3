/* net_test.h: what the tests of net/ share: a server on loop threads of its own, and blocking sockets that say and hear
 * raw bytes. Every wait ends after 20 s, so a lost event fails a test instead of hanging it; no test's outcome depends
 * on how long something takes. */
#ifndef HG_TEST_NET_H
#define HG_TEST_NET_H

#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/net_int.h"
#include "net/client.h"
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S 150 /* decides nothing: what does not come hangs */

static inline void wait_sem(sem_t *s)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += WAIT_S;
    int rc;
    while ((rc = sem_timedwait(s, &ts)) < 0 && errno == EINTR) {
    }
    assert_int_equal(rc, 0);
}

typedef struct server {
    hg_loop_t *loops[4];
    unsigned n_loops;
    hg_http_server_t *http;
    hg_http_opts_t opts;
    unsigned port;
    const char *unix_path, *cert, *key;
    int rc;
    hg_err_t err;
    sem_t done;
} server_t;

static inline void server_up_on_loop(void *arg)
{
    server_t *s = arg;
    s->rc = hg_http_server_new(&s->opts, &s->http, &s->err);
    if (s->rc == 0 && s->cert) s->rc = hg_http_use_tls(s->http, s->cert, s->key, &s->err);
    if (s->rc == 0) s->rc = hg_http_listen_tcp(s->http, "127.0.0.1", 0, &s->port, &s->err);
    if (s->rc == 0 && s->unix_path) s->rc = hg_http_listen_unix(s->http, s->unix_path, &s->err);
}

/* s->opts, unix_path, cert, key may be set before. */
static inline void server_up(server_t *s, unsigned n_loops, void (*on_request)(void *, hg_req_t *), void *arg)
{
    s->n_loops = n_loops;
    for (unsigned i = 0; i < n_loops; i++) {
        s->loops[i] = hg_loop_new("test-io");
        hg_loop_start(s->loops[i]);
    }
    s->opts.loops = s->loops;
    s->opts.n_loops = n_loops;
    s->opts.on_request = on_request;
    s->opts.arg = arg;
    s->opts.server_name = "test";
    sem_init(&s->done, 0, 0);
    hg_loop_call(s->loops[0], server_up_on_loop, s);
    if (s->rc != 0) fail_msg("%s", s->err.msg);
}

static inline void server_closed(void *arg)
{
    sem_post(&((server_t *)arg)->done);
}
static inline void server_close_on_loop(void *arg)
{
    server_t *s = arg;
    hg_http_server_close(s->http, 0, server_closed, s);
}

static inline void server_down(server_t *s)
{
    hg_loop_post(s->loops[0], server_close_on_loop, s);
    wait_sem(&s->done);
    assert_int_equal(hg_http_connections(s->http), 0);
    for (unsigned i = 0; i < s->n_loops; i++) hg_loop_stop(s->loops[i]);
    for (unsigned i = 0; i < s->n_loops; i++) hg_loop_free(s->loops[i]);
    hg_http_server_free(s->http);
    sem_destroy(&s->done);
}

static inline int dial_at(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval tv = { .tv_sec = WAIT_S };
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    return fd;
}

static inline int dial(server_t *s)
{
    return dial_at(s->port);
}

static inline void say_n(int fd, const void *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) fail_msg("send: %s", strerror(errno));
        p = (const char *)p + k;
        n -= (size_t)k;
    }
}

static inline void say(int fd, const char *text)
{
    say_n(fd, text, strlen(text));
}

/* All bytes until the peer ends, NUL-ended. A reset counts as the end. */
static inline hg_buf_t hear_all(int fd)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (;;) {
        assert_int_equal(hg_buf_reserve(&b, 65536), 0);
        ssize_t k = recv(fd, b.p + b.len, 65536, 0);
        if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            fail_msg("nothing heard for %d s after: %s", WAIT_S, b.p);
        if (k <= 0) break;
        b.len += (size_t)k;
        b.p[b.len] = 0;
    }
    return b;
}

/* Exactly as much as it takes to have `mark` at the end. */
static inline hg_buf_t hear_until(int fd, const char *mark)
{
    hg_buf_t b;
    size_t n = strlen(mark);
    hg_buf_init(&b, HG_BUF_NOMAX);
    while (b.len < n || memcmp(b.p + b.len - n, mark, n) != 0) {
        char c;
        if (recv(fd, &c, 1, 0) != 1) fail_msg("the peer ended; heard only: %s", b.p);
        hg_buf_addc(&b, c);
    }
    return b;
}

static inline void expect_until(int fd, const char *mark)
{
    hg_buf_t b = hear_until(fd, mark);
    hg_buf_release(&b);
}

/* Ask, and take everything until the server closes; the answer must begin with `begin` and contain `inside`. */
static inline void ask(server_t *s, const char *bytes, const char *begin, const char *inside)
{
    int fd = dial(s);
    say(fd, bytes);
    hg_buf_t b = hear_all(fd);
    if (strncmp(b.p, begin, strlen(begin)) != 0) fail_msg("asked:\n%s\nexpected '%s', heard:\n%s", bytes, begin, b.p);
    if (inside && !strstr(b.p, inside)) fail_msg("asked:\n%s\nexpected '%s' in:\n%s", bytes, inside, b.p);
    hg_buf_release(&b);
    close(fd);
}

#endif
