/* Bodies that are lent to a server (net/lend.c), by a proxy that keeps no rule.
 *
 * Byte 0 is the request's Content-Length, byte 1 what it is like: bit 0, the loan is announced; bits 1 and 2, the
 * handler streams, streams and holds now and then, takes the body as a whole, answers early. Then steps, each a letter,
 * a length and so many bytes:
 *
 *   c  bytes on the connection          l  bytes for whoever reads the lent one
 *   0…7  bytes on the connection with a descriptor behind them: a client's, two of them, a pipe, datagrams, a listener,
 *        one that is not connected, a file, a client that has left
 *   w  the server reads what there is   x  the lent client ends                           (these without bytes)
 *
 * A body that the handler has as a whole is the connection's up to the descriptor and the lent client's behind it; the
 * connection ends, and no descriptor stays. */
#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/net_int.h"
#include "tests/fuzz/folder.h"
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef enum { STREAM, HOLD, WHOLE, EARLY } manner_t;
enum { LENT, TWO, PIPE, DATAGRAMS, LISTENER, LOOSE, A_FILE, LEFT, KINDS };

/* --- the server: its loop ----------------------------------------------------------------------------------------- */

static hg_loop_t *g_loop;
static char g_path[108]; /* as long as the address of a socket may be */

/* The first request of the connection. */
static struct {
    manner_t manner;
    unsigned requests;
    bool over;      /* its body is here as a whole */
    hg_req_t *held; /* whose body waits, of any request */
    hg_buf_t body;
} g_seen;

typedef struct {
    hg_req_t *req;
    bool first;
} ask_t;

static void resume(void *arg)
{
    hg_req_t *r = g_seen.held;
    (void)arg;
    g_seen.held = NULL;
    if (r) hg_req_resume(r);
}

static void answer(hg_req_t *r)
{
    hg_buf_t b;
    hg_buf_init(&b, 64);
    hg_buf_adds(&b, "{}");
    hg_resp_json(r, 200, &b);
    hg_buf_release(&b);
}

static bool on_data(void *arg, const char *p, size_t n)
{
    ask_t *k = arg;
    if (k->first) hg_buf_add(&g_seen.body, p, n);
    if (g_seen.manner != HOLD) return true;
    g_seen.held = k->req;
    hg_loop_post(g_loop, resume, NULL);
    return false;
}

static void on_gone(void *arg)
{
    (void)arg;
    g_seen.held = NULL;
}

static void on_end(void *arg)
{
    ask_t *k = arg;
    if (k->first) g_seen.over = true;
    answer(k->req);
}

static void on_all(void *arg, hg_req_t *r, hg_str_t body)
{
    ask_t *k = arg;
    if (k->first) hg_buf_addstr(&g_seen.body, body);
    if (k->first) g_seen.over = true;
    answer(r);
}

static void on_request(void *arg, hg_req_t *r)
{
    (void)arg;
    ask_t *k = HG_ANEW(hg_req_arena(r), ask_t);
    *k = (ask_t){ .req = r, .first = g_seen.requests++ == 0 };
    if (g_seen.manner == EARLY)
        answer(r);
    else if (g_seen.manner == WHOLE)
        hg_req_read_all(r, 1 << 20, on_all, k);
    else
        hg_req_stream(r, &(hg_body_ops_t){ .data = on_data, .end = on_end, .abort = on_gone, .arg = k });
}

static void up(void *arg)
{
    static hg_http_server_t *server;
    hg_http_opts_t o = { .loops = &g_loop, .n_loops = 1, .on_request = on_request, .server_name = "fuzz" };
    hg_err_t err = HG_ERR_INIT;
    (void)arg;
    HG_ASSERT(hg_http_server_new(&o, &server, &err) == 0 && hg_http_listen_unix(server, g_path, &err) == 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void turn(void)
{
    hg_loop_call(g_loop, nothing, NULL);
}

/* --- the proxy ---------------------------------------------------------------------------------------------------- */

typedef struct {
    int conn, client, lent; /* the lent connection: the client's end, and ours; -1: none, or closed */
    bool broken, taken;
    size_t sent, at;     /* bytes of the body and what follows it, on the connection; up to the loan */
    hg_buf_t said, from; /* on the connection, behind the head; by the client */
} proxy_t;

static void need_client(proxy_t *x)
{
    int two[2];
    if (x->client >= 0 || x->lent >= 0) return;
    HG_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, two) == 0);
    x->client = two[0];
    x->lent = two[1];
}

/* A descriptor to be closed, and one that its other side has, or -1. */
static void make(proxy_t *x, int kind, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (kind == LENT || kind == TWO) {
        need_client(x);
        fds[0] = dup(x->lent);
        if (kind == TWO) fds[1] = dup(x->lent);
    } else if (kind == PIPE) {
        HG_ASSERT(pipe(fds) == 0);
    } else if (kind == LEFT) {
        HG_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
        close(fds[1]);
        fds[1] = -1;
    } else if (kind == A_FILE) {
        fds[0] = dup(fileno(stderr));
    } else {
        fds[0] = socket(AF_INET, kind == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM, 0);
        if (kind == LISTENER) HG_ASSERT(listen(fds[0], 1) == 0);
    }
    HG_ASSERT(fds[0] >= 0);
}

/* kind -1: bytes alone. */
static void say(proxy_t *x, int kind, const char *p, size_t n, bool head)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = { 0 };
    struct iovec v = { (char *)(uintptr_t)p, n };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    int fds[2] = { -1, -1 };
    if (x->broken || n == 0) return;
    if (kind >= 0) {
        make(x, kind, fds);
        size_t room = (kind == TWO ? 2 : 1) * sizeof(int);
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(room);
        *CMSG_FIRSTHDR(&m) =
            (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(room) };
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, room);
    }
    x->broken = sendmsg(x->conn, &m, MSG_NOSIGNAL) != (ssize_t)n;
    if (fds[0] >= 0) close(fds[0]);
    if (fds[1] >= 0) close(fds[1]);
    if (!head) hg_buf_add(&x->said, p, n);
}

static void step(proxy_t *x, size_t length, char letter, const char *p, size_t n)
{
    int kind = letter >= '0' && letter < '0' + KINDS ? letter - '0' : -1;
    if (letter == 'c' || kind >= 0) {
        say(x, kind, p, n, false);
        if (n && !x->taken && x->said.len < length && kind >= 0 && kind != PIPE && kind != DATAGRAMS &&
            kind != A_FILE) {
            x->taken = true;
            x->at = x->said.len;
            if (kind != LENT && kind != TWO) x->broken = true; /* nothing comes from there */
        }
    } else if (letter == 'l' && n) {
        need_client(x);
        if (x->client >= 0 && send(x->client, p, n, MSG_NOSIGNAL) == (ssize_t)n) hg_buf_add(&x->from, p, n);
    } else if (letter == 'x' && x->client >= 0) {
        close(x->client);
        x->client = -1;
    } else if (letter == 'w') {
        turn();
    }
}

/* A body of the first request as the handler must have it. */
static void check(const proxy_t *x, size_t length)
{
    size_t here = HG_MIN(x->taken ? x->at : x->said.len, length);
    if (!g_seen.over) return;
    HG_ASSERT(g_seen.body.len == length && here + (x->taken ? x->from.len : 0) >= length);
    HG_ASSERT(here == 0 || memcmp(g_seen.body.p, x->said.p, here) == 0);
    HG_ASSERT(here == length || memcmp(g_seen.body.p + here, x->from.p, length - here) == 0);
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (; d && readdir(d); n++) {
    }
    if (d) closedir(d);
    return n;
}

static void begin(proxy_t *x)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", g_path);
    *x = (proxy_t){ .client = -1, .lent = -1, .conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    hg_buf_init(&x->said, HG_BUF_NOMAX);
    hg_buf_init(&x->from, HG_BUF_NOMAX);
    HG_ASSERT(x->conn >= 0 && connect(x->conn, (struct sockaddr *)&sa, sizeof sa) == 0);
}

/* Everything has been said. */
static void end(proxy_t *x)
{
    char heard[4096];
    struct timeval patience = { .tv_sec = 120 };
    if (x->client >= 0) close(x->client);
    if (x->lent >= 0) close(x->lent);
    shutdown(x->conn, SHUT_WR);
    setsockopt(x->conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t k;
    do {
        k = recv(x->conn, heard, sizeof heard, 0);
        HG_ASSERT(k >= 0 || errno != EAGAIN); /* the connection does not end */
    } while (k > 0 || (k < 0 && errno == EINTR));
    close(x->conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char head[200];
    proxy_t x;
    if (n < 2) return 0;
    if (!g_loop) {
        hg_net_init();
        snprintf(g_path, sizeof g_path, "%s/sock", fuzz_folder("lend"));
        g_loop = hg_loop_new("fuzz-io");
        hg_loop_start(g_loop);
        hg_loop_call(g_loop, up, NULL);
        begin(&x);
        end(&x); /* what stays from the first connection on */
        turn();
    }
    size_t length = p[0];
    unsigned before = descriptors();
    g_seen.manner = (manner_t)(p[1] >> 1 & 3);
    g_seen.requests = 0;
    g_seen.over = false;
    hg_buf_init(&g_seen.body, HG_BUF_NOMAX);
    begin(&x);
    int k = snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n",
                     p[1] & 1 ? HG_LEND_FIELD ": lent\r\n" : "", length);
    say(&x, -1, head, (size_t)k, true);
    for (size_t at = 2; at < n;) {
        char letter = (char)p[at++];
        size_t len = letter == 'w' || letter == 'x' ? 0 : at < n ? p[at++] : 0;
        len = HG_MIN(len, n - at);
        step(&x, length, letter, (const char *)p + at, len);
        at += len;
    }
    end(&x);
    turn(); /* closes what it has been told about */
    for (unsigned turns = 0; descriptors() != before; turns++) {
        HG_ASSERT(turns < 100000);
        turn();
    }
    check(&x, length);
    hg_buf_release(&x.said);
    hg_buf_release(&x.from);
    hg_buf_release(&g_seen.body);
    return 0;
}
