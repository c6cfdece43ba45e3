/* h1.c: HTTP/1.1 messages out of bytes, for requests and responses. No I/O, so it can be fuzzed without a socket.
 *
 * A head is collected until its empty line, then given to http_parser in one piece: every slice of the result points
 * into one block of the message's arena, and how the bytes were cut into packets cannot change what comes out.
 * Distributions build http_parser in its lenient mode, so the strictness is ours (RFC 9112): a scanner looks at each
 * byte of the head once and refuses white space before the colon, LF without CR, folded values, control characters and
 * heads above the limit; the first line and the framing fields are checked after it; and the body is counted here,
 * length or chunks, because the lenient parser accepts any two bytes where a chunk's CR LF must stand.
 * http_parser can be swapped in this file only.
 *
 * Invariants
 *   1. In phase HEAD nothing of the message has been told; in BEGIN its head has, and nothing of its body.
 *   2. phase BAD is final.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "net/net_int.h"

#define MAX_HEAD_DEFAULT ((size_t)32 * 1024)
#define MAX_HEAD_CEILING ((size_t)64 * 1024) /* http_parser's own limit is 80 KiB */

/* Where the scanner stands. */
enum { S_START, S_START_CR, S_LINE, S_FIELD, S_NAME, S_VALUE, S_CR, S_END_CR };

static int bad(hg_h1_t *h, unsigned status, hg_err_t *err, const char *msg)
{
    h->phase = HG_H1_BAD;
    h->bad_status = (uint16_t)status;
    hg_err_set(err, HG_EPROTO, "%s", msg);
    err->pos.off = h->off;
    return HG_EPROTO;
}

void hg_h1_init(hg_h1_t *h, bool response, size_t max_head, const hg_h1_ops_t *ops, void *arg)
{
    memset(h, 0, sizeof *h);
    h->ops = ops;
    h->arg = arg;
    h->response = response;
    h->max_head = max_head ? HG_MIN(max_head, MAX_HEAD_CEILING) : MAX_HEAD_DEFAULT;
    hg_buf_init(&h->raw, h->max_head);
    hg_h1_next(h);
}

void hg_h1_release(hg_h1_t *h)
{
    hg_buf_release(&h->raw);
    if (h->msg) hg_arena_free(h->msg->arena);
    h->msg = NULL;
}

void hg_h1_next(hg_h1_t *h)
{
    hg_h1_release(h);
    http_parser_init(&h->parser, h->response ? HTTP_RESPONSE : HTTP_REQUEST);
    h->parser.data = h;
    h->phase = HG_H1_HEAD;
    h->scan = S_START;
    h->seen = 0;
    h->hold = false;
    h->no_body = false;
}

bool hg_h1_fresh(const hg_h1_t *h)
{
    return h->phase == HG_H1_HEAD && h->seen == 0;
}

hg_h1_msg_t *hg_h1_take(hg_h1_t *h)
{
    hg_h1_msg_t *m = h->msg;
    h->msg = NULL;
    return m;
}

hg_str_t hg_h1_header(const hg_h1_msg_t *m, const char *name)
{
    hg_str_t want = hg_strz(name);
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (hg_str_ieq(m->headers[i].name, want)) return m->headers[i].value;
    }
    return (hg_str_t){ NULL, 0 };
}

bool hg_h1_token(hg_str_t list, const char *token)
{
    hg_str_t want = hg_strz(token);
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t len = comma ? (size_t)(comma - list.p) : list.n;
        if (hg_str_ieq(hg_str_trim((hg_str_t){ list.p, len }), want)) return true;
        if (!comma) break;
        list.p += len + 1;
        list.n -= len + 1;
    }
    return false;
}

bool hg_h1_hop_by_hop(const hg_h1_msg_t *m, hg_str_t name)
{
    static const char *const hop[] = { "connection",
                                       "keep-alive",
                                       "proxy-authenticate",
                                       "proxy-authorization",
                                       "proxy-connection",
                                       "te",
                                       "trailer",
                                       "transfer-encoding",
                                       "upgrade",
                                       "expect",
                                       "content-length" };
    for (size_t i = 0; i < HG_COUNT(hop); i++) {
        if (hg_str_ieq(name, hg_strz(hop[i]))) return true;
    }
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (!hg_str_ieq(m->headers[i].name, HG_S("connection"))) continue;
        char buf[64];
        if (name.n >= sizeof buf) continue;
        memcpy(buf, name.p, name.n);
        buf[name.n] = 0;
        if (hg_h1_token(m->headers[i].value, buf)) return true;
    }
    return false;
}

/* --- the scanner --- */

static bool is_ctl(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* 1: the head ends with the *ret_used-th byte. 0: all bytes belong to the head, more to come. */
static int scan_head(hg_h1_t *h, const char *p, size_t n, size_t *ret_skip, size_t *ret_used, hg_err_t *err)
{
    uint8_t st = h->scan;
    size_t i = 0;
    *ret_skip = 0;
    for (; i < n; i++, h->off++) {
        unsigned char c = (unsigned char)p[i];
        if (++h->seen > h->max_head) return bad(h, 431, err, "the request head is too large");
        if (c == '\n' && st != S_CR && st != S_END_CR && st != S_START_CR)
            return bad(h, 400, err, "line feed without carriage return in the head");
        switch (st) {
        case S_START: /* empty lines before a request are allowed */
            if (c == '\r' && !h->response) {
                st = S_START_CR;
                *ret_skip = i + 1;
                break;
            }
            if (h->response ? c != 'H' : c < 'A' || c > 'Z') return bad(h, 400, err, "this is not an HTTP message");
            st = S_LINE;
            break;
        case S_START_CR:
            if (c != '\n') return bad(h, 400, err, "carriage return without line feed in the head");
            st = S_START;
            *ret_skip = i + 1;
            break;
        case S_FIELD:
            if (c == '\r') {
                st = S_END_CR;
                break;
            }
            if (c == ' ' || c == '\t') return bad(h, 400, err, "folded header line");
            if (c == ':') return bad(h, 400, err, "header line without a name");
            st = S_NAME;
            if (is_ctl(c)) return bad(h, 400, err, "control character in the head");
            break;
        case S_NAME:
            if (c == ':') {
                st = S_VALUE;
                break;
            }
            if (c == ' ' || c == '\t') return bad(h, 400, err, "white space in or behind a header name");
            if (c == '\r') return bad(h, 400, err, "header line without a colon");
            if (is_ctl(c)) return bad(h, 400, err, "control character in the head");
            break;
        case S_LINE:
        case S_VALUE:
            if (c == '\r')
                st = S_CR;
            else if (is_ctl(c))
                return bad(h, 400, err, "control character in the head");
            break;
        case S_CR:
            if (c != '\n') return bad(h, 400, err, "carriage return without line feed in the head");
            st = S_FIELD;
            break;
        case S_END_CR:
            if (c != '\n') return bad(h, 400, err, "carriage return without line feed in the head");
            h->off++;
            *ret_used = i + 1;
            h->scan = S_START;
            return 1;
        default:
            return bad(h, 400, err, "the head cannot be read");
        }
    }
    h->scan = st;
    *ret_used = n;
    return 0;
}

/* --- http_parser's call-backs --- */

static int on_url(http_parser *p, const char *at, size_t n)
{
    hg_h1_t *h = p->data;
    h->msg->target = (hg_str_t){ at, n };
    return 0;
}

static int on_status(http_parser *p, const char *at, size_t n)
{
    hg_h1_t *h = p->data;
    h->msg->reason = (hg_str_t){ at, n };
    return 0;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    hg_h1_t *h = p->data;
    hg_h1_msg_t *m = h->msg;
    hg_header_t f = { .name = { at, n }, .value = { at + n, 0 } };
    HG_APUSH(m->arena, m->headers, m->n_headers, f);
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    hg_h1_t *h = p->data;
    if (h->msg->n_headers) h->msg->headers[h->msg->n_headers - 1].value = hg_str_trim((hg_str_t){ at, n });
    return 0;
}

/* The head is all it gets. */
static int on_headers_complete(http_parser *p)
{
    http_parser_pause(p, 1);
    return 0;
}

static const http_parser_settings SETTINGS = {
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

static int parser_error(hg_h1_t *h, hg_err_t *err)
{
    enum http_errno e = HTTP_PARSER_ERRNO(&h->parser);
    unsigned status = e == HPE_INVALID_METHOD ? 501 : e == HPE_HEADER_OVERFLOW ? 431 : 400;
    return bad(h, status, err, http_errno_description(e));
}

/* --- checks on the whole head --- */

/* Debian builds http_parser in its lenient mode: "HTTX/1.1" passes there. */
static bool is_version(const char *p, const char *end)
{
    return end - p >= 8 && memcmp(p, "HTTP/", 5) == 0 && p[5] >= '0' && p[5] <= '9' && p[6] == '.' && p[7] >= '0' &&
           p[7] <= '9';
}

static int check_first_line(hg_h1_t *h, hg_str_t head, hg_err_t *err)
{
    const char *eol = memchr(head.p, '\r', head.n), *last = NULL;
    unsigned blanks = 0;
    if (h->response) {
        if (!is_version(head.p, eol)) return bad(h, 400, err, "the status line is not 'HTTP/1.1 code reason'");
        return 0;
    }
    for (const char *q = head.p; q < eol; q++) {
        if (*q == ' ') {
            blanks++;
            last = q + 1;
        } else if ((unsigned char)*q <= 0x20 || (unsigned char)*q >= 0x7f) {
            return bad(h, 400, err, "character outside ASCII in the request line");
        }
    }
    if (blanks != 2 || eol - last != 8 || !is_version(last, eol))
        return bad(h, 400, err, "the request line is not 'METHOD target HTTP/1.1'");
    return 0;
}

static int check_fields(hg_h1_t *h, hg_err_t *err)
{
    hg_h1_msg_t *m = h->msg;
    unsigned hosts = 0, te = 0;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        hg_str_t name = m->headers[i].name, value = m->headers[i].value;
        if (hg_str_ieq(name, HG_S("host")))
            hosts++;
        else if (hg_str_ieq(name, HG_S("content-length"))) {
            if (hg_str_u64(value, &m->length) < 0) return bad(h, 400, err, "Content-Length is not a number");
        } else if (hg_str_ieq(name, HG_S("transfer-encoding"))) {
            if (++te > 1 || !hg_str_ieq(value, HG_S("chunked")))
                return bad(h, 501, err, "the only transfer encoding understood is 'chunked'");
        }
    }
    if (!h->response && hosts > 1) return bad(h, 400, err, "more than one Host header");
    if (!h->response && hosts == 0 && m->minor >= 1) return bad(h, 400, err, "the Host header is missing");
    if (te && m->length != UINT64_MAX) return bad(h, 400, err, "both Content-Length and Transfer-Encoding are given");
    if (te && m->minor == 0) return bad(h, 400, err, "Transfer-Encoding in an HTTP/1.0 message");
    m->chunked = te > 0;
    return 0;
}

static int parse_head(hg_h1_t *h, hg_str_t bytes, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_h1_msg_t *m = HG_ANEW(a, hg_h1_msg_t);
    hg_str_t head = hg_arena_str(a, bytes);
    m->arena = a;
    m->length = UINT64_MAX;
    h->msg = m;
    int rc = check_first_line(h, head, err);
    if (rc < 0) return rc;
    size_t used = http_parser_execute(&h->parser, &SETTINGS, head.p, head.n);
    if (HTTP_PARSER_ERRNO(&h->parser) != HPE_PAUSED) {
        if (HTTP_PARSER_ERRNO(&h->parser) == HPE_OK) return bad(h, 400, err, "the head cannot be read");
        return parser_error(h, err);
    }
    if (used != head.n - 1) return bad(h, 400, err, "the head ends early");
    if (h->parser.http_major != 1) return bad(h, 505, err, "only HTTP/1.1 and HTTP/1.0 are understood");
    m->minor = h->parser.http_minor;
    if (h->response) {
        m->status = (int)h->parser.status_code;
    } else {
        m->method = hg_strz(http_method_str((enum http_method)h->parser.method));
        if (h->parser.method == HTTP_CONNECT) return bad(h, 405, err, "CONNECT is not served here");
    }
    m->keep_alive = http_should_keep_alive(&h->parser) != 0;
    m->upgrade = h->parser.upgrade != 0;
    return check_fields(h, err);
}

static void body_init(hg_h1_t *h);

static int take_head(hg_h1_t *h, const char *p, size_t n, size_t *ret_used, hg_err_t *err)
{
    size_t skip;
    *ret_used = n;
    int rc = scan_head(h, p, n, &skip, ret_used, err);
    if (rc < 0) return rc;
    hg_str_t part = { p + skip, *ret_used - skip };
    if (rc == 0) {
        if (hg_buf_addstr(&h->raw, part) < 0) return bad(h, 431, err, "the request head is too large");
        return 0;
    }
    if (h->raw.len) {
        if (hg_buf_addstr(&h->raw, part) < 0) return bad(h, 431, err, "the request head is too large");
        part = hg_buf_str(&h->raw);
    }
    rc = parse_head(h, part, err);
    hg_buf_release(&h->raw);
    if (rc < 0) return rc;
    body_init(h);
    h->phase = HG_H1_BEGIN;
    h->ops->head(h->arg);
    return 0;
}

/* --- the body --- */

enum {
    C_SIZE,
    C_SIZE_MORE,
    C_EXT,
    C_SIZE_LF,
    C_DATA,
    C_DATA_CR,
    C_DATA_LF,
    C_LINE,
    C_TRAILER,
    C_TRAILER_LF,
    C_LAST_LF,
    C_OVER
};

static void body_init(hg_h1_t *h)
{
    const hg_h1_msg_t *m = h->msg;
    unsigned status = h->response ? h->parser.status_code : 0;
    bool none = h->no_body || (h->response && (status < 200 || status == 204 || status == 304));
    memset(&h->body, 0, sizeof h->body);
    if (none) return;
    h->body.chunked = m->chunked;
    h->body.until_end = h->response && !m->chunked && m->length == UINT64_MAX;
    h->body.left = m->chunked || m->length == UINT64_MAX ? 0 : m->length;
}

static bool body_over(const hg_h1_body_t *b)
{
    return b->chunked ? b->state == C_OVER : !b->until_end && b->left == 0;
}

static int hex(unsigned char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of chunk framing. NULL, or what is wrong with it. */
static const char *chunk_byte(hg_h1_body_t *b, unsigned char c)
{
    switch (b->state) {
    case C_SIZE:
    case C_SIZE_MORE:
        if (hex(c) >= 0) {
            if (b->left >> 60) return "chunk size out of range";
            b->left = b->left << 4 | (uint64_t)hex(c);
            b->state = C_SIZE_MORE;
            return NULL;
        }
        if (b->state == C_SIZE) return "invalid character in a chunk size";
        if (c == '\r')
            b->state = C_SIZE_LF;
        else if (c == ';' || c == ' ' || c == '\t')
            b->state = C_EXT;
        else
            return "invalid character in a chunk size";
        return NULL;
    case C_EXT:
        if (c == '\r')
            b->state = C_SIZE_LF;
        else if (is_ctl(c))
            return "control character in a chunk extension";
        break;
    case C_SIZE_LF:
        if (c != '\n') return "chunk size without line end";
        b->state = b->left ? C_DATA : C_LINE;
        return NULL;
    case C_DATA_CR:
        if (c != '\r') return "chunk data longer than its size";
        b->state = C_DATA_LF;
        return NULL;
    case C_DATA_LF:
        if (c != '\n') return "chunk data longer than its size";
        b->state = C_SIZE;
        return NULL;
    case C_LINE:
        if (c == '\r')
            b->state = C_LAST_LF;
        else if (is_ctl(c) || c == ' ' || c == '\t' || c == ':')
            return "invalid trailer";
        else
            b->state = C_TRAILER;
        break;
    case C_TRAILER:
        if (c == '\r')
            b->state = C_TRAILER_LF;
        else if (is_ctl(c))
            return "invalid trailer";
        break;
    case C_TRAILER_LF:
        if (c != '\n') return "invalid trailer";
        b->state = C_LINE;
        break;
    case C_LAST_LF:
        if (c != '\n') return "invalid trailer";
        b->state = C_OVER;
        return NULL;
    default:
        return "the body cannot be read";
    }
    return ++b->overhead > MAX_HEAD_DEFAULT ? "chunk extensions and trailers are too large" : NULL;
}

/* Takes framing and at most one piece of data. NULL, or what is wrong; *ret_used bytes were looked at. */
static const char *body_step(hg_h1_body_t *b, const char *p, size_t n, size_t *ret_used, hg_str_t *ret_piece)
{
    size_t i = 0;
    *ret_piece = (hg_str_t){ NULL, 0 };
    if (b->chunked) {
        for (; i < n && b->state != C_DATA && b->state != C_OVER; i++) {
            const char *wrong = chunk_byte(b, (unsigned char)p[i]);
            if (wrong) {
                *ret_used = i;
                return wrong;
            }
        }
        if (b->state != C_DATA) {
            *ret_used = i;
            return NULL;
        }
    }
    size_t k = b->until_end ? n - i : (size_t)HG_MIN((uint64_t)(n - i), b->left);
    *ret_piece = (hg_str_t){ p + i, k };
    *ret_used = i + k;
    if (!b->until_end) b->left -= k;
    if (b->chunked && b->left == 0) b->state = C_DATA_CR;
    return NULL;
}

bool hg_h1_pending(const hg_h1_t *h)
{
    return h->phase == HG_H1_BEGIN || (h->phase == HG_H1_BODY && body_over(&h->body));
}

static int feed_body(hg_h1_t *h, const char *p, size_t n, size_t *ret_used, hg_err_t *err)
{
    hg_str_t piece;
    *ret_used = 0;
    if (body_over(&h->body)) {
        h->phase = HG_H1_DONE;
        h->ops->end(h->arg);
        return 0;
    }
    const char *wrong = body_step(&h->body, p, n, ret_used, &piece);
    h->off += *ret_used;
    if (wrong) return bad(h, 400, err, wrong);
    if (piece.n) h->ops->body(h->arg, piece.p, piece.n);
    return 0;
}

int hg_h1_feed(hg_h1_t *h, const char *p, size_t n, size_t *ret_used, hg_err_t *err)
{
    size_t off = 0, used = 0;
    int rc = 0;
    if (h->phase == HG_H1_BAD) rc = bad(h, h->bad_status, err, "bytes after a refused message");
    while (rc == 0 && !h->hold && (off < n || hg_h1_pending(h)) && h->phase != HG_H1_DONE) {
        if (h->phase == HG_H1_HEAD) {
            rc = take_head(h, p + off, n - off, &used, err);
        } else {
            h->phase = HG_H1_BODY;
            rc = feed_body(h, p + off, n - off, &used, err);
        }
        off += used;
    }
    *ret_used = off;
    return rc;
}

int hg_h1_eof(hg_h1_t *h, hg_err_t *err)
{
    if (hg_h1_fresh(h) || h->phase == HG_H1_DONE) return 0;
    if (h->phase == HG_H1_BODY && (h->body.until_end || body_over(&h->body))) {
        h->phase = HG_H1_DONE;
        h->ops->end(h->arg);
        return 0;
    }
    h->phase = HG_H1_BAD;
    h->bad_status = 400;
    return hg_err_retry(err, HG_ECLOSED, "the connection ended in the middle of a message");
}

bool hg_h1_would_end(const hg_h1_t *h, const char *p, size_t n)
{
    if (h->phase == HG_H1_DONE) return true;
    if (h->phase != HG_H1_BODY && h->phase != HG_H1_BEGIN) return false;
    hg_h1_body_t copy = h->body;
    hg_str_t piece;
    for (size_t off = 0, used; off < n && !body_over(&copy); off += used) {
        if (body_step(&copy, p + off, n - off, &used, &piece)) return false;
    }
    return body_over(&copy);
}

uint64_t hg_h1_body_left(const hg_h1_t *h)
{
    if (h->phase == HG_H1_DONE) return 0;
    return h->body.chunked || h->body.until_end ? UINT64_MAX : h->body.left;
}
