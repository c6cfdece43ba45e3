/* nats_proto.c: the text protocol of NATS, as a client reads it. */
#include "base/hg.h"
#include "connectors/transport/nats_int.h"

#define LINE_MAX_BYTES ((size_t)64 << 10) /* INFO of a large cluster has some KiB */

void hg_nats_proto_init(hg_nats_proto_t *p, bool (*frame)(void *arg, const hg_nats_frame_t *f), void *arg, size_t max)
{
    memset(p, 0, sizeof *p);
    p->frame = frame;
    p->arg = arg;
    p->max = max;
    hg_buf_init(&p->buf, HG_BUF_NOMAX);
}

void hg_nats_proto_reset(hg_nats_proto_t *p)
{
    hg_buf_clear(&p->buf);
}

void hg_nats_proto_release(hg_nats_proto_t *p)
{
    hg_buf_release(&p->buf);
}

static int not_nats(hg_err_t *err, const char *why)
{
    return hg_err_set(err, HG_EPROTO, "the server does not answer as NATS does: %s", why);
}

static hg_str_t word(hg_str_t *s)
{
    while (s->n && (*s->p == ' ' || *s->p == '\t')) *s = (hg_str_t){ s->p + 1, s->n - 1 };
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t') n++;
    hg_str_t w = { s->p, n };
    *s = (hg_str_t){ s->p + n, s->n - n };
    return w;
}

/* MSG subject sid [reply] n; HMSG subject sid [reply] headers n. *ret_n: bytes behind the line. */
static int message_line(hg_str_t args, bool headers, hg_nats_frame_t *f, size_t *ret_head, size_t *ret_n, size_t max,
                        hg_err_t *err)
{
    hg_str_t w[6];
    unsigned n = 0, want = headers ? 4 : 3;
    uint64_t head = 0, all = 0;
    while (n < HG_COUNT(w)) {
        w[n] = word(&args);
        if (!w[n].n) break;
        n++;
    }
    if (n != want && n != want + 1) return not_nats(err, "a message of another form");
    if (n > want) f->reply = w[2];
    f->subject = w[0];
    if (hg_str_u64(w[1], &f->sid) < 0 || hg_str_u64(w[n - 1], &all) < 0 ||
        (headers && hg_str_u64(w[n - 2], &head) < 0) || head > all)
        return not_nats(err, "a message whose length is not a number");
    if (all > max) return not_nats(err, "a message that is larger than the server says it would be");
    *ret_head = (size_t)head;
    *ret_n = (size_t)all;
    return 0;
}

/* One frame at p. *ret: its bytes, 0 = it is not whole. */
static int one(hg_nats_proto_t *proto, const char *p, size_t n, size_t *ret, hg_nats_frame_t *f, hg_err_t *err)
{
    const char *nl = memchr(p, '\n', HG_MIN(n, LINE_MAX_BYTES));
    *ret = 0;
    if (!nl) return n >= LINE_MAX_BYTES ? not_nats(err, "a line is too long") : 0;
    size_t line_n = (size_t)(nl - p) + 1, head = 0, body = 0;
    hg_str_t line = hg_str_trim((hg_str_t){ p, line_n }), args = line;
    hg_str_t op = word(&args);
    memset(f, 0, sizeof *f);
    *ret = line_n;
    if (hg_str_ieq(op, HG_S("MSG")) || hg_str_ieq(op, HG_S("HMSG"))) {
        f->op = HG_NATS_MSG;
        int rc = message_line(args, op.n == 4, f, &head, &body, proto->max, err);
        if (rc < 0) return rc;
        if (n < line_n + body + 2) {
            *ret = 0;
            return 0;
        }
        f->headers = (hg_str_t){ p + line_n, head };
        f->payload = (hg_str_t){ p + line_n + head, body - head };
        *ret = line_n + body + 2;
        return memcmp(p + line_n + body, "\r\n", 2) == 0 ? 0 : not_nats(err, "a message longer than it says");
    }
    f->text = hg_str_trim(args);
    if (hg_str_ieq(op, HG_S("PING")))
        f->op = HG_NATS_PING;
    else if (hg_str_ieq(op, HG_S("PONG")))
        f->op = HG_NATS_PONG;
    else if (hg_str_ieq(op, HG_S("+OK")))
        f->op = HG_NATS_OK;
    else if (hg_str_ieq(op, HG_S("-ERR")))
        f->op = HG_NATS_ERR;
    else if (hg_str_ieq(op, HG_S("INFO")))
        f->op = HG_NATS_INFO;
    else
        return not_nats(err, "an operation that is not known");
    return 0;
}

int hg_nats_feed(hg_nats_proto_t *proto, const char *in, size_t n, hg_err_t *err)
{
    bool kept = proto->buf.len > 0;
    size_t at = 0;
    if (kept) {
        if (hg_buf_add(&proto->buf, in, n) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for a message");
        in = proto->buf.p;
        n = proto->buf.len;
    }
    while (at < n) {
        hg_nats_frame_t f;
        size_t k;
        int rc = one(proto, in + at, n - at, &k, &f, err);
        if (rc < 0) return rc;
        if (!k) break;
        at += k;
        if (!proto->frame(proto->arg, &f)) return 0;
    }
    if (kept) {
        memmove(proto->buf.p, proto->buf.p + at, n - at);
        proto->buf.len = n - at;
        proto->buf.p[proto->buf.len] = 0;
        return 0;
    }
    return at < n && hg_buf_add(&proto->buf, in + at, n - at) < 0
               ? hg_err_set(err, HG_ENOMEM, "out of memory for a message")
               : 0;
}

unsigned hg_nats_status(hg_str_t headers, hg_str_t *text)
{
    static const char version[] = "NATS/1.0";
    hg_str_t line = headers;
    uint64_t status = 0;
    const char *nl = headers.n ? memchr(headers.p, '\n', headers.n) : NULL;
    *text = (hg_str_t){ 0 };
    if (!nl || !hg_str_starts(headers, HG_S(version))) return 0;
    line = hg_str_trim((hg_str_t){ headers.p + sizeof version - 1, (size_t)(nl - headers.p) - (sizeof version - 1) });
    hg_str_t number = word(&line);
    *text = hg_str_trim(line);
    return hg_str_u64(number, &status) == 0 && status < 1000 ? (unsigned)status : 0;
}

/* $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with domain and account
 * before the stream, and then perhaps a token behind. */
bool hg_nats_sequences(hg_str_t reply, uint64_t *ret_stream, uint64_t *ret_consumer, int64_t *ret_ns)
{
    hg_str_t part[12];
    unsigned n = 0;
    while (n < HG_COUNT(part)) {
        const char *dot = reply.n ? memchr(reply.p, '.', reply.n) : NULL;
        size_t k = dot ? (size_t)(dot - reply.p) : reply.n;
        part[n++] = (hg_str_t){ reply.p, k };
        if (!dot) break;
        reply = (hg_str_t){ dot + 1, reply.n - k - 1 };
    }
    if ((n != 9 && n < 11) || !hg_str_eqz(part[0], "$JS") || !hg_str_eqz(part[1], "ACK")) return false;
    unsigned at = n == 9 ? 5 : 7;
    return hg_str_u64(part[at], ret_stream) == 0 && hg_str_u64(part[at + 1], ret_consumer) == 0 &&
           hg_str_i64(part[at + 2], ret_ns) == 0;
}
