/* WebSocket frames. The first byte chooses the role; the rest is read whole and byte by byte: both must see the same
 * messages, under the limit and, where text, well formed. What is answered may differ: a close frame in the same packet
 * makes the pong before it needless, and wslay looks at a close reason only in one piece. */
#include "base/hg.h"
#include "base/buf.h"
#include "net/net_int.h"

#define LIMIT 300

typedef struct seen {
    hg_buf_t in, out;
    hg_wsp_t *w;
} seen_t;

static void on_message(void *arg, bool text, hg_str_t data)
{
    seen_t *s = arg;
    HG_ASSERT(data.n <= LIMIT);
    HG_ASSERT(!text || hg_utf8_valid(data.p, data.n));
    hg_buf_addc(&s->in, text ? 't' : 'b');
    hg_buf_addstr(&s->in, data);
    if (hg_str_eqz(data, "close"))
        hg_wsp_close(s->w, 1000, "asked");
    else
        hg_wsp_send(s->w, text, data);
}

static bool on_write(void *arg, const char *p, size_t n)
{
    seen_t *s = arg;
    hg_buf_add(&s->out, p, n);
    return true;
}

/* Why the server closed, as its last frame says; each answer must be one that a client may see. */
static const char *verdict(const hg_buf_t *out)
{
    const uint8_t *p = (const uint8_t *)out->p, *end = p + out->len;
    int code = -1;
    while (end - p >= 2) {
        size_t len = p[1] & 127, head = len == 126 ? 4 : 2;
        HG_ASSERT(len < 127 && !(p[1] & 128)); /* answers are short and not masked */
        if (len == 126) len = (size_t)p[2] << 8 | p[3];
        HG_ASSERT((size_t)(end - p) >= head + len);
        if ((p[0] & 15) == 8) code = len >= 2 ? p[head] << 8 | p[head + 1] : 0;
        p += head + len;
    }
    switch (code) {
    case -1:
        return NULL;
    case 0:
        return "closed without a code";
    case 1002:
        return "protocol error: a frame that RFC 6455 forbids";
    case 1007:
        return "text that is not UTF-8";
    case 1009:
        return "a message above the limit";
    default:
        HG_ASSERT(code >= 1000 && code < 5000);
        return "closed by the peer: its code comes back";
    }
}

static void read_as(const char *p, size_t n, size_t step, bool client, seen_t *s)
{
    hg_wsp_ops_t ops = { .message = on_message, .write = on_write, .arg = s };
    int rc = 0;
    hg_buf_init(&s->in, HG_BUF_NOMAX);
    hg_buf_init(&s->out, HG_BUF_NOMAX);
    s->w = hg_wsp_new(client, &ops, LIMIT);
    for (size_t off = 0; off < n && rc == 0 && !hg_wsp_over(s->w); off += step)
        rc = hg_wsp_input(s->w, p + off, HG_MIN(step, n - off));
    HG_ASSERT(hg_wsp_code(s->w) >= 1000);
    HG_ASSERT(client || (rc == 0 && !hg_wsp_over(s->w)) || verdict(&s->out));
    hg_wsp_free(s->w);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    seen_t a, b;
    if (n == 0) return 0;
    bool client = p[0] == '<';
    const char *text = (const char *)p + 1;
    n--;
    read_as(text, n, n ? n : 1, client, &a);
    read_as(text, n, 1, client, &b);
    HG_ASSERT(a.in.len == b.in.len && memcmp(a.in.p, b.in.p, a.in.len) == 0);
    hg_buf_release(&a.in);
    hg_buf_release(&a.out);
    hg_buf_release(&b.in);
    hg_buf_release(&b.out);
    return 0;
}
