/* ws.c: a server connection after its upgrade to WebSocket.
 *
 * Back-pressure: hg_ws_send says when the queue is above its high mark; while it is, nothing is read either, so a peer
 * that sends pings but reads no pongs cannot make the queue grow.
 * The end: after our close frame the peer has HG_NET_LINGER_MS to send its own; `closed` comes once, when the socket is
 * gone.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "net/net_int.h"

struct hg_ws {
    hg_conn_t *conn;
    hg_wsp_t *proto;
    hg_ws_ops_t ops;
    bool ended; /* the connection is on its way out */
};

static void end_if_over(hg_ws_t *ws, int rc)
{
    if (ws->ended) return;
    if (rc < 0 || hg_wsp_over(ws->proto)) {
        ws->ended = true;
        hg_conn_raw_close(ws->conn);
    } else if (hg_wsp_closing(ws->proto)) {
        hg_conn_raw_limit(ws->conn);
    }
}

static bool on_write(void *arg, const char *p, size_t n)
{
    hg_ws_t *ws = arg;
    hg_conn_raw_write(ws->conn, p, n);
    return true; /* a broken socket reports itself */
}

static void on_message(void *arg, bool text, hg_str_t data)
{
    hg_ws_t *ws = arg;
    if (!ws->ended && !hg_wsp_closing(ws->proto)) ws->ops.message(ws->ops.arg, ws, text, data);
}

static void throttle(hg_ws_t *ws)
{
    hg_conn_raw_hold(ws->conn, hg_sock_queued(&ws->conn->sock) > HG_NET_HIGH);
}

static void raw_data(void *arg, const char *p, size_t n)
{
    hg_ws_t *ws = arg;
    if (ws->ended) return;
    int rc = hg_wsp_input(ws->proto, p, n);
    end_if_over(ws, rc);
    if (!ws->ended) throttle(ws);
}

static void raw_drain(void *arg)
{
    hg_ws_t *ws = arg;
    throttle(ws);
    if (!ws->ended && ws->ops.drain) ws->ops.drain(ws->ops.arg, ws);
}

static void raw_gone(void *arg)
{
    hg_ws_t *ws = arg;
    void (*closed)(void *) = ws->ops.closed;
    void *closed_arg = ws->ops.arg;
    hg_wsp_free(ws->proto);
    hg_free(ws);
    if (closed) closed(closed_arg);
}

static const hg_raw_ops_t RAW_OPS = { .data = raw_data, .drain = raw_drain, .gone = raw_gone };

bool hg_req_is_websocket(const hg_req_t *r)
{
    return r->msg->upgrade && hg_h1_token(hg_req_header(r, "upgrade"), "websocket");
}

int hg_req_websocket(hg_req_t *r, const hg_ws_ops_t *ops, size_t max_message, hg_ws_t **ret, hg_err_t *err)
{
    const char *wrong = NULL;
    int status = 400;
    hg_str_t key = hg_req_header(r, "sec-websocket-key");
    if (!hg_req_is_websocket(r) || !hg_str_eqz(r->msg->method, "GET") || r->has_body || r->msg->minor < 1)
        wrong = "this is no WebSocket request";
    else if (!hg_str_eqz(hg_req_header(r, "sec-websocket-version"), "13")) {
        wrong = "only WebSocket version 13 is understood";
        status = 426;
    } else if (key.n != 24)
        wrong = "the Sec-WebSocket-Key header is not 16 bytes in base64";
    if (wrong) {
        hg_buf_t body;
        hg_buf_init(&body, HG_BUF_NOMAX);
        hg_buf_addf(&body, "{\"message\":\"%s\",\"error_code\":\"InvalidRequest\",\"details\":{}}", wrong);
        hg_resp_send(r, status, "application/json", hg_buf_str(&body),
                     status == 426 ? "Sec-WebSocket-Version: 13\r\n" : NULL);
        hg_buf_release(&body);
        return hg_err_set(err, HG_EPROTO, "%s", wrong);
    }
    char accept[29];
    hg_ws_accept_key(key, accept);
    hg_buf_t head;
    hg_buf_init(&head, HG_BUF_NOMAX);
    hg_buf_addf(&head, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept);
    if (hg_h1_token(hg_req_header(r, "sec-websocket-protocol"), "feldera-ws-v1"))
        hg_buf_adds(&head, "Sec-WebSocket-Protocol: feldera-ws-v1\r\n");
    hg_resp_head(r, 101, NULL, head.p, UINT64_MAX);
    hg_buf_release(&head);

    hg_ws_t *ws = HG_NEW(hg_ws_t);
    ws->ops = *ops;
    hg_wsp_ops_t wo = { .message = on_message, .write = on_write, .arg = ws };
    ws->proto = hg_wsp_new(false, &wo, max_message);
    ws->conn = hg_conn_hijack(r, &RAW_OPS, ws);
    *ret = ws;
    return 0;
}

bool hg_ws_send(hg_ws_t *ws, bool text, hg_str_t data)
{
    if (ws->ended) return false;
    int rc = hg_wsp_send(ws->proto, text, data);
    if (rc < 0 && rc != HG_ECLOSED) end_if_over(ws, rc);
    return hg_sock_queued(&ws->conn->sock) <= HG_NET_HIGH;
}

void hg_ws_close(hg_ws_t *ws, uint16_t code, const char *reason)
{
    if (ws->ended) return;
    hg_wsp_close(ws->proto, code, reason);
    end_if_over(ws, 0);
}
