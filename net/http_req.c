/* http_req.c: what a handler can ask about its request, and how it takes the body. */
#include "base/hg.h"
#include "base/mem.h"
#include "net/net_int.h"

hg_str_t hg_req_method(const hg_req_t *r)
{
    return r->msg->method;
}
hg_str_t hg_req_path(const hg_req_t *r)
{
    return r->path;
}
hg_str_t hg_req_query(const hg_req_t *r)
{
    return r->query;
}
hg_str_t hg_req_target(const hg_req_t *r)
{
    return r->msg->target;
}
hg_str_t hg_req_header(const hg_req_t *r, const char *name)
{
    return hg_h1_header(r->msg, name);
}

const hg_header_t *hg_req_headers(const hg_req_t *r, uint32_t *ret_n)
{
    *ret_n = r->msg->n_headers;
    return r->msg->headers;
}

hg_arena_t *hg_req_arena(hg_req_t *r)
{
    return r->msg->arena;
}
hg_loop_t *hg_req_loop(const hg_req_t *r)
{
    return r->conn->hub->loop;
}
bool hg_req_has_body(const hg_req_t *r)
{
    return r->has_body;
}

uint64_t hg_req_content_length(const hg_req_t *r)
{
    if (r->msg->chunked) return UINT64_MAX;
    return r->msg->length == UINT64_MAX ? 0 : r->msg->length;
}

void hg_req_user(hg_req_t *r, void *user)
{
    r->user = user;
}
void *hg_req_get_user(const hg_req_t *r)
{
    return r->user;
}

void hg_req_on_abort(hg_req_t *r, void (*fn)(void *arg), void *arg)
{
    r->abort = fn;
    r->abort_arg = arg;
}

/* --- path and query --- */

/* Percent-decoded copy in the arena. HG_EPARSE for a bad escape, a zero byte or bytes that are no UTF-8. */
static int decode(hg_req_t *r, hg_str_t s, bool plus, hg_str_t *ret)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    int rc = hg_pct_decode(&b, s, plus);
    if (rc == 0 && (memchr(b.p, 0, b.len) || !hg_utf8_valid(b.p, b.len))) rc = HG_EPARSE;
    if (rc == 0) *ret = hg_arena_str(r->msg->arena, hg_buf_str(&b));
    hg_buf_release(&b);
    return rc;
}

int hg_req_segments(hg_req_t *r, const hg_str_t **ret, uint32_t *ret_n, hg_err_t *err)
{
    hg_str_t *v = NULL, path = r->path;
    uint32_t n = 0;
    if (path.n == 0 || path.p[0] != '/') return hg_err_set(err, HG_EPARSE, "the path does not begin with '/'");
    for (size_t at = 1; path.n > 1 && at <= path.n;) {
        const char *slash = at < path.n ? memchr(path.p + at, '/', path.n - at) : NULL;
        size_t end = slash ? (size_t)(slash - path.p) : path.n;
        hg_str_t seg = { path.p + at, end - at };
        hg_str_t out;
        if (decode(r, seg, false, &out) < 0)
            return hg_err_set(err, HG_EPARSE, "path segment '" HG_SF "' cannot be decoded", HG_SA(seg));
        HG_APUSH(r->msg->arena, v, n, out);
        at = end + 1;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

hg_str_t hg_req_param(hg_req_t *r, const char *name)
{
    hg_str_t q = r->query, want = hg_strz(name), found = { NULL, 0 };
    while (q.n) {
        const char *amp = memchr(q.p, '&', q.n);
        hg_str_t pair = { q.p, amp ? (size_t)(amp - q.p) : q.n };
        const char *eq = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        hg_str_t raw_key = { pair.p, eq ? (size_t)(eq - pair.p) : pair.n }, key;
        if (raw_key.n && decode(r, raw_key, true, &key) == 0 && hg_str_eq(key, want)) {
            hg_str_t raw = eq ? (hg_str_t){ eq + 1, (size_t)(pair.p + pair.n - eq - 1) } : HG_S("");
            /* What cannot be decoded is shown as it was sent: the check of the value will name it. */
            if (decode(r, raw, true, &found) < 0) found = raw;
        }
        size_t step = pair.n + (amp ? 1 : 0);
        q.p += step;
        q.n -= step;
    }
    return found;
}

void hg_req_add_query(hg_req_t *r, hg_str_t query)
{
    if (!query.n) return;
    r->query =
        hg_strz(hg_arena_printf(r->msg->arena, HG_SF "%s" HG_SF, HG_SA(r->query), r->query.n ? "&" : "", HG_SA(query)));
}

int hg_req_param_bool(hg_req_t *r, const char *name, bool dflt, bool *ret, hg_err_t *err)
{
    hg_str_t v = hg_req_param(r, name);
    if (!v.p)
        *ret = dflt;
    else if (hg_str_eqz(v, "true"))
        *ret = true;
    else if (hg_str_eqz(v, "false"))
        *ret = false;
    else
        return hg_err_set(err, HG_EINVAL, "query parameter '%s': expected 'true' or 'false', found '" HG_SF "'", name,
                          HG_SA(v));
    return 0;
}

int hg_req_param_u64(hg_req_t *r, const char *name, uint64_t dflt, uint64_t *ret, hg_err_t *err)
{
    hg_str_t v = hg_req_param(r, name);
    uint64_t n = dflt;
    if (v.p && hg_str_u64(v, &n) < 0)
        return hg_err_set(err, HG_EINVAL, "query parameter '%s': expected a whole number, found '" HG_SF "'", name,
                          HG_SA(v));
    *ret = n;
    return 0;
}

/* --- body --- */

static void accept_body(hg_req_t *r, hg_body_mode_t mode)
{
    HG_ASSERT(r->mode == HG_BODY_UNDECIDED && !r->answered);
    r->mode = mode;
    if (r->expect && !r->begun) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)go_on, sizeof go_on - 1);
        hg_sock_write(&r->conn->sock, &b, 1);
    }
    r->expect = 0;
    hg_conn_wake(r->conn);
}

void hg_req_read_all(hg_req_t *r, size_t max, void (*fn)(void *arg, hg_req_t *r, hg_str_t body), void *arg)
{
    uint64_t length = hg_req_content_length(r);
    if (length != UINT64_MAX && length > max) {
        void (*gone)(void *) = r->abort;
        void *gone_arg = r->abort_arg;
        hg_resp_error(r, 413, "PayloadTooLarge", "the request body is larger than this call allows", NULL);
        if (gone) gone(gone_arg);
        return;
    }
    r->all = fn;
    r->all_arg = arg;
    hg_buf_init(&r->buf, max);
    accept_body(r, HG_BODY_ALL);
}

void hg_req_stream(hg_req_t *r, const hg_body_ops_t *ops)
{
    r->body = *ops;
    accept_body(r, HG_BODY_STREAM);
}

void hg_req_resume(hg_req_t *r)
{
    if (!r->body_held) return;
    r->body_held = 0;
    hg_conn_wake(r->conn);
}
