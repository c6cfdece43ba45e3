/* HTTP messages. The first byte chooses request or response; the rest is read whole, then byte by byte, then in pieces
 * with a hold after every event: all three must see the same message and give the same verdict. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/mem.h"
#include "net/net_int.h"

typedef struct seen {
    hg_h1_t h;
    hg_buf_t log;
    bool hold;
} seen_t;

/* What handlers ask of a path and a query. */
static void read_target(const hg_h1_msg_t *m)
{
    const char *q = m->target.n ? memchr(m->target.p, '?', m->target.n) : NULL;
    size_t path = q ? (size_t)(q - m->target.p) : m->target.n;
    hg_h1_msg_t msg = { .arena = hg_arena_new() };
    hg_req_t r = { .msg = &msg, .path = { m->target.p, path } };
    const hg_str_t *segments = NULL;
    uint32_t n = 0;
    bool flag = true;
    uint64_t number = 7;
    hg_err_t err = HG_ERR_INIT;
    if (q) r.query = (hg_str_t){ q + 1, m->target.n - path - 1 };
    if (hg_req_segments(&r, &segments, &n, &err) < 0) HG_ASSERT(err.msg[0]);
    for (uint32_t i = 0; i < n; i++) HG_ASSERT(hg_utf8_valid(segments[i].p, segments[i].n));
    if (hg_req_param_bool(&r, "flag", true, &flag, &err) < 0) HG_ASSERT(flag && err.msg[0]);
    if (hg_req_param_u64(&r, "n", 7, &number, &err) < 0) HG_ASSERT(number == 7 && err.msg[0]);
    hg_arena_free(msg.arena);
}

static void on_head(void *arg)
{
    seen_t *s = arg;
    const hg_h1_msg_t *m = s->h.msg;
    hg_buf_addf(&s->log, "H%d %u %d%d%d " HG_SF " " HG_SF, m->status, m->minor, m->chunked, m->keep_alive, m->upgrade,
                HG_SA(m->method), HG_SA(m->target));
    for (uint32_t i = 0; i < m->n_headers; i++) {
        hg_buf_addf(&s->log, "|" HG_SF "=" HG_SF, HG_SA(m->headers[i].name), HG_SA(m->headers[i].value));
        HG_ASSERT(m->headers[i].name.n > 0);
        HG_ASSERT(!memchr(m->headers[i].name.p, ' ', m->headers[i].name.n));
        HG_ASSERT(!memmem(m->headers[i].value.p, m->headers[i].value.n, "\n", 1));
        hg_h1_hop_by_hop(m, m->headers[i].name);
    }
    if (!s->h.response) read_target(m);
    s->h.hold = s->hold;
}

static void on_body(void *arg, const char *p, size_t n)
{
    seen_t *s = arg;
    HG_ASSERT(n > 0);
    hg_buf_add(&s->log, p, n);
    s->h.hold = s->hold;
}

static void on_end(void *arg)
{
    seen_t *s = arg;
    hg_buf_adds(&s->log, "$");
    s->h.hold = s->hold;
}

static const hg_h1_ops_t OPS = { .head = on_head, .body = on_body, .end = on_end };

static void read_as(const char *p, size_t n, size_t step, bool hold, bool response, hg_buf_t *out)
{
    seen_t s = { .hold = hold };
    hg_err_t err = HG_ERR_INIT;
    size_t used;
    int rc = 0;
    hg_buf_init(&s.log, HG_BUF_NOMAX);
    hg_h1_init(&s.h, response, 4096, &OPS, &s);
    for (size_t off = 0; rc == 0 && (off < n || hg_h1_pending(&s.h) || s.h.hold);) {
        size_t k = HG_MIN(step, n - off);
        bool in_body = s.h.phase == HG_H1_BODY || s.h.phase == HG_H1_BEGIN;
        bool could_end = n > 600 || hg_h1_would_end(&s.h, p + off, n - off); /* quadratic */
        s.h.hold = false;
        rc = hg_h1_feed(&s.h, p + off, k, &used, &err);
        HG_ASSERT(used <= k);
        off += used;
        if (s.h.phase == HG_H1_DONE) {
            HG_ASSERT(could_end || !in_body); /* reading ahead tells the truth */
            hg_h1_next(&s.h);
        }
    }
    if (rc < 0) {
        HG_ASSERT(err.code == HG_EPROTO && err.msg[0] && s.h.bad_status >= 400);
        hg_buf_addf(&s.log, "!%u %s", s.h.bad_status, err.msg);
        HG_ASSERT(hg_h1_feed(&s.h, "x", 1, &used, &err) < 0 && used == 0);
    } else {
        hg_buf_addf(&s.log, "E%d", hg_h1_eof(&s.h, &err));
    }
    hg_h1_release(&s.h);
    *out = s.log;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_buf_t a, b;
    if (n == 0) return 0;
    bool response = p[0] == '<';
    const char *text = (const char *)p + 1;
    n--;
    read_as(text, n, n ? n : 1, false, response, &a);
    for (int i = 0; i < 3; i++) {
        read_as(text, n, i == 2 ? 7 : 1, i > 0, response, &b);
        HG_ASSERT(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
        hg_buf_release(&b);
    }
    hg_buf_release(&a);
    return 0;
}
