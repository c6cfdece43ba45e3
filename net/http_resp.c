/* http_resp.c: answers. Heads are built in the hub's scratch buffer and leave with the first body bytes.
 *
 * Framing: Content-Length where the length is known; else chunked, one HTTP chunk per write (line streams depend on
 * it); else, for HTTP/1.0, the end of the connection.
 */
#include "base/hg.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/net_int.h"

const char *hg_http_reason(int status)
{
    switch (status) {
#define XX(num, name, string)                                                                                          \
    case num:                                                                                                          \
        return #string;
        HTTP_STATUS_MAP(XX)
#undef XX
    default:
        return "Unknown";
    }
}

static bool status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* May the connection live on? An unread body that will not be drained says no before the head goes out. */
static bool resp_keep(const hg_req_t *r)
{
    if (!r->keep || r->conn->hub->shutting) return false;
    if (r->conn->lent && hg_h1_body_left(&r->conn->h1) > 0) return false;
    if (!r->has_body || r->body_ended || r->mode == HG_BODY_STREAM) return true;
    if (r->expect) return false;
    if (r->mode == HG_BODY_ALL && !r->body_ended) return false;
    return !r->msg->chunked && r->msg->length <= HG_NET_DROP_MAX;
}

void hg_resp_head(hg_req_t *r, int status, const char *content_type, const char *headers, uint64_t length)
{
    HG_ASSERT(!r->begun && !r->answered);
    hg_hub_t *hub = r->conn->hub;
    hg_buf_t *b = &hub->scratch;
    const char *name = hg_server_opts(r->conn->srv)->server_name;
    bool http10 = r->msg->minor == 0;
    r->begun = 1;
    r->bodyless = status_has_no_body(status) || hg_str_eqz(r->msg->method, "HEAD");
    r->chunked = length == UINT64_MAX && !http10;
    r->out_left = length;
    r->keep = resp_keep(r) && !(length == UINT64_MAX && http10);

    hg_buf_clear(b);
    hg_buf_addf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, hg_http_reason(status), hg_hub_date(hub));
    if (name) hg_buf_addf(b, "Server: %s\r\n", name);
    if (content_type) hg_buf_addf(b, "Content-Type: %s\r\n", content_type);
    if (headers) hg_buf_adds(b, headers);
    if (r->conn->loaned && hg_conn_body_done(r)) hg_buf_adds(b, HG_LEND_FIELD ": read\r\n");
    if (!status_has_no_body(status)) {
        if (r->chunked)
            hg_buf_adds(b, "Transfer-Encoding: chunked\r\n");
        else if (length != UINT64_MAX)
            hg_buf_addf(b, "Content-Length: %" PRIu64 "\r\n", length);
    }
    if (status == 101) {
    } else if (!r->keep)
        hg_buf_adds(b, "Connection: close\r\n");
    else if (http10)
        hg_buf_adds(b, "Connection: keep-alive\r\n");
    hg_buf_adds(b, "\r\n");
    hg_sock_cork(&r->conn->sock, b->p, b->len);
}

void hg_resp_begin(hg_req_t *r, int status, const char *content_type, const char *headers)
{
    hg_resp_head(r, status, content_type, headers, UINT64_MAX);
}

bool hg_resp_write(hg_req_t *r, const char *p, size_t n)
{
    HG_ASSERT(r->begun && !r->answered);
    if (n == 0 || r->bodyless) return true;
    uv_buf_t v[3];
    char size[24];
    unsigned m = 0;
    if (r->chunked) v[m++] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", n));
    if (!r->chunked && r->out_left != UINT64_MAX) {
        n = (size_t)HG_MIN((uint64_t)n, r->out_left); /* never more than was promised */
        r->out_left -= n;
    }
    v[m++] = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (r->chunked) v[m++] = uv_buf_init((char *)(uintptr_t) "\r\n", 2);
    bool room = hg_sock_write(&r->conn->sock, v, m);
    if (!room) r->want_drain = 1;
    return room;
}

void hg_resp_on_drain(hg_req_t *r, void (*fn)(void *arg), void *arg)
{
    r->drain = fn;
    r->drain_arg = arg;
}

size_t hg_resp_queued(const hg_req_t *r)
{
    return hg_sock_queued(&r->conn->sock);
}

void hg_resp_end(hg_req_t *r)
{
    HG_ASSERT(r->begun && !r->answered);
    if (r->chunked && !r->bodyless) {
        uv_buf_t v = uv_buf_init((char *)(uintptr_t) "0\r\n\r\n", 5);
        hg_sock_write(&r->conn->sock, &v, 1);
    } else if (!r->bodyless && r->out_left != UINT64_MAX && r->out_left > 0) {
        hg_resp_cut(r); /* fewer bytes than promised */
        return;
    } else {
        hg_sock_write(&r->conn->sock, NULL, 0);
    }
    hg_conn_answered(r);
}

void hg_resp_cut(hg_req_t *r)
{
    hg_conn_break(r);
}

void hg_resp_send(hg_req_t *r, int status, const char *content_type, hg_str_t body, const char *headers)
{
    hg_resp_head(r, status, content_type, headers, body.n);
    hg_resp_write(r, body.p, body.n);
    hg_resp_end(r);
}

void hg_resp_json(hg_req_t *r, int status, const hg_buf_t *json)
{
    hg_resp_send(r, status, "application/json", hg_buf_str(json), NULL);
}

void hg_resp_error_with(hg_req_t *r, int status, const char *error_code, const char *message, const char *details_json,
                        const char *headers)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "{\"message\":");
    hg_json_quote(&b, hg_strz(message));
    hg_buf_adds(&b, ",\"error_code\":");
    hg_json_quote(&b, hg_strz(error_code));
    hg_buf_addf(&b, ",\"details\":%s}", details_json ? details_json : "{}");
    hg_resp_send(r, status, "application/json", hg_buf_str(&b), headers);
    hg_buf_release(&b);
}

void hg_resp_error(hg_req_t *r, int status, const char *error_code, const char *message, const char *details_json)
{
    hg_resp_error_with(r, status, error_code, message, details_json, NULL);
}

void hg_resp_err(hg_req_t *r, const hg_err_t *err)
{
    hg_resp_error(r, hg_code_http(err->code), hg_code_name(err->code), err->msg, NULL);
}
