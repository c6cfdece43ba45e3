/* fake.h: a peer that says what the test tells it to, on the same thread as the client: each step of the loop is the
 * test's own, so nothing depends on time.
 *
 * The test's `script` sees every frame that a client sends and answers it, or not. fake_usual() answers ping, login
 * and cluster as a lone server would. */
#ifndef HG_TEST_IGGY_FAKE_H
#define HG_TEST_IGGY_FAKE_H

#include "base/hg.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "iggy/client/client.h"
#include "iggy/client/wire_int.h"
#include <setjmp.h>
#include <cmocka.h>

#define WAIT_US INT64_C(150000000) /* decides nothing: what does not come hangs */

typedef struct fake fake_t;

typedef struct {
    uv_tcp_t tcp;
    fake_t *f;
    unsigned number; /* from 1 */
    hg_buf_t in;
    bool open;
} fake_conn_t;

typedef struct {
    fake_conn_t *conn;
    uint8_t operation; /* VSR; of classic 0 */
    uint32_t code;     /* of classic, and of VSR's operation 2 */
    uint64_t request, session;
    const uint8_t *id; /* of the client */
    const uint8_t *frame, *body;
    size_t n; /* of the body */
} fake_req_t;

struct fake {
    hg_loop_t *loop;
    uv_tcp_t listen;
    uv_timer_t tick; /* so that a wait in vain ends */
    uint16_t port;
    bool classic;
    unsigned n_conns, n_frames;
    fake_conn_t *conns[64];
    void (*script)(fake_t *f, const fake_req_t *r);
    void (*accepted)(fake_t *f, fake_conn_t *c);
    void *arg;
};

static inline void fake_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    (void)h;
    *b = uv_buf_init(hg_xnew(n), (unsigned)n);
}

static inline void fake_written(uv_write_t *w, int status)
{
    (void)status;
    hg_free(w->data);
    hg_free(w);
}

static inline void fake_bytes(fake_conn_t *c, const void *p, size_t n)
{
    if (!c->open) return;
    uv_write_t *w = HG_NEW(uv_write_t);
    w->data = hg_xnew(n + 1);
    memcpy(w->data, p, n);
    uv_buf_t b = uv_buf_init(w->data, (unsigned)n);
    if (uv_write(w, (uv_stream_t *)&c->tcp, &b, 1, fake_written) < 0) fake_written(w, -1);
}

static inline void fake_hang_up(fake_conn_t *c)
{
    if (!c->open) return;
    c->open = false;
    uv_close((uv_handle_t *)&c->tcp, NULL);
}

/* An answer with this payload; of VSR behind its header. */
static inline void fake_answer(const fake_req_t *r, uint32_t status, const void *body, size_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    uint8_t head[256] = { 0 };
    if (r->conn->f->classic) {
        iggy_put32(head, status);
        iggy_put32(head + 4, (uint32_t)n);
        hg_buf_add(&b, head, 8);
    } else {
        iggy_put32(head + 48, (uint32_t)(256 + n));
        head[60] = 8;
        memcpy(head + 160, r->id, 16);
        iggy_put64(head + 200, r->request);
        head[208] = r->operation;
        iggy_put32(head + 216, status);
        hg_buf_add(&b, head, 256);
    }
    hg_buf_add(&b, body, n);
    fake_bytes(r->conn, b.p, b.len);
    hg_buf_release(&b);
}

/* With a result section before it where VSR has one. */
static inline void fake_result(const fake_req_t *r, const void *body, size_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (!r->conn->f->classic) hg_buf_add(&b, "\0\0\0\0", 4);
    hg_buf_add(&b, body, n);
    fake_answer(r, 0, b.p, b.len);
    hg_buf_release(&b);
}

static inline void fake_evict(fake_conn_t *c, uint8_t reason, uint32_t newest, uint32_t oldest)
{
    uint8_t head[256] = { 0 };
    iggy_put32(head + 48, 256);
    head[60] = 13;
    iggy_put32(head + 144, newest);
    iggy_put32(head + 148, oldest);
    head[255] = reason;
    fake_bytes(c, head, sizeof head);
}

/* true: it was one of those. */
static inline bool fake_usual(const fake_req_t *r)
{
    static const uint8_t login[] = "\0\0\0\0\x18\0\0\0\0\0\0\0\0\x2c\0\0\x05"
                                   "0.9.0";
    if (r->conn->f->classic) {
        if (r->code == 12)
            fake_answer(r, 5, "", 0);
        else if (r->code == 38)
            fake_answer(r, 0, "\0\0\0\0", 4);
        else if (r->code == 1)
            fake_answer(r, 0, "", 0);
        else
            return false;
        return true;
    }
    if (r->operation == 1)
        fake_result(r, login, sizeof login - 1);
    else if (r->operation == 2 && (r->code == 1 || r->code == 12))
        fake_answer(r, 0, "", 0);
    else
        return false;
    return true;
}

static inline void fake_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    fake_conn_t *c = s->data;
    fake_t *f = c->f;
    if (n > 0) hg_buf_add(&c->in, b->base, (size_t)n);
    hg_free(b->base);
    if (n < 0) fake_hang_up(c);
    while (c->open) {
        const uint8_t *p = (const uint8_t *)c->in.p;
        size_t head = f->classic ? 8 : 256, size;
        if (c->in.len < head) return;
        size = f->classic ? iggy_get32(p) + 4 : iggy_get32(p + 48);
        if (c->in.len < size) return;
        fake_req_t r = { .conn = c, .frame = p, .body = p + head, .n = size - head };
        if (f->classic) {
            r.code = iggy_get32(p + 4);
        } else {
            assert_int_equal(p[60], 5);
            r.operation = p[176];
            r.code = iggy_get32(p + 196);
            r.request = iggy_get64(p + 168);
            r.session = iggy_get64(p + 184);
            r.id = p + 128;
        }
        f->n_frames++;
        f->script(f, &r);
        if (c->in.len) hg_buf_eat(&c->in, size);
    }
}

static inline void fake_accept(uv_stream_t *s, int status)
{
    fake_t *f = s->data;
    assert_int_equal(status, 0);
    assert_true(f->n_conns < HG_COUNT(f->conns));
    fake_conn_t *c = HG_NEW(fake_conn_t);
    uv_tcp_init(hg_loop_uv(f->loop), &c->tcp);
    c->tcp.data = c;
    c->f = f;
    c->open = true;
    hg_buf_init(&c->in, HG_BUF_NOMAX);
    assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
    f->conns[f->n_conns++] = c;
    c->number = f->n_conns;
    if (f->accepted) f->accepted(f, c);
    if (c->open) uv_read_start((uv_stream_t *)&c->tcp, fake_alloc, fake_read);
}

static inline void fake_tick(uv_timer_t *t)
{
    (void)t;
}

/* On a loop that is there. */
static inline void fake_up_on(fake_t *f, hg_loop_t *loop, void (*script)(fake_t *f, const fake_req_t *r))
{
    struct sockaddr_in a;
    int n = sizeof a;
    *f = (fake_t){ .loop = loop, .script = script };
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_init(hg_loop_uv(f->loop), &f->listen);
    f->listen.data = f;
    assert_int_equal(uv_tcp_bind(&f->listen, (struct sockaddr *)&a, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&f->listen, 64, fake_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&f->listen, (struct sockaddr *)&a, &n), 0);
    f->port = ntohs(a.sin_port);
    uv_timer_init(hg_loop_uv(f->loop), &f->tick);
    uv_timer_start(&f->tick, fake_tick, 100, 100);
}

static inline void fake_up(fake_t *f, void (*script)(fake_t *f, const fake_req_t *r))
{
    fake_up_on(f, hg_loop_new("fake"), script);
}

/* Steps until cond; the call-backs that make it true run in between. */
#define UNTIL(f, cond)                                                                                                 \
    do {                                                                                                               \
        int64_t till_ = hg_mono_us() + WAIT_US;                                                                        \
        while (!(cond)) {                                                                                              \
            uv_run(hg_loop_uv((f)->loop), UV_RUN_ONCE);                                                                \
            if (hg_mono_us() > till_) fail_msg("in vain: %s", #cond);                                                  \
        }                                                                                                              \
    } while (0)

/* All but the loop. */
static inline void fake_off(fake_t *f)
{
    for (unsigned i = 0; i < f->n_conns; i++) fake_hang_up(f->conns[i]);
    uv_close((uv_handle_t *)&f->listen, NULL);
    uv_close((uv_handle_t *)&f->tick, NULL);
    uv_run(hg_loop_uv(f->loop), UV_RUN_NOWAIT);
    uv_run(hg_loop_uv(f->loop), UV_RUN_NOWAIT);
    for (unsigned i = 0; i < f->n_conns; i++) {
        hg_buf_release(&f->conns[i]->in);
        hg_free(f->conns[i]);
    }
}

static inline void fake_down(fake_t *f)
{
    fake_off(f);
    hg_loop_free(f->loop);
}

static inline void fake_opts(const fake_t *f, hg_iggy_opts_t *o)
{
    hg_iggy_opts_init(o);
    o->port = f->port;
    o->user = hg_xstrdup("iggy");
    o->password = hg_xstrdup("iggy");
    o->protocol = f->classic ? HG_IGGY_CLASSIC : HG_IGGY_VSR;
    o->retry_ms = 1;
    o->reestablish_ms = 0;
    o->heartbeat_ms = 0;
}

/* Owners note that they were told, and go. */
static inline void fake_note(void *arg)
{
    *(bool *)arg = true;
}

#endif
