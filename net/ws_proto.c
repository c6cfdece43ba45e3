/* ws_proto.c: WebSocket messages (RFC 6455) over wslay, both roles, without I/O: bytes come in by hg_wsp_input and go
 * out by ops->write. wslay puts fragments together, checks masks, reserved bits, UTF-8 and close codes, answers pings,
 * and closes with 1009 above the message limit.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/net_int.h"
#include <openssl/evp.h>
#include <wslay/wslay.h>

struct hg_wsp {
    wslay_event_context_ptr ctx;
    hg_wsp_ops_t ops;
    hg_str_t in;
    bool broken; /* ops->write failed */
};

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
    hg_wsp_t *w = arg;
    (void)flags;
    if (w->in.n == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = HG_MIN(len, w->in.n);
    memcpy(buf, w->in.p, n);
    w->in.p += n;
    w->in.n -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags, void *arg)
{
    hg_wsp_t *w = arg;
    (void)flags;
    if (w->broken || !w->ops.write(w->ops.arg, (const char *)p, n)) {
        w->broken = true;
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)n;
}

static int on_genmask(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, void *arg)
{
    (void)ctx;
    (void)arg;
    hg_random(buf, n);
    return 0;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
    hg_wsp_t *w = arg;
    (void)ctx;
    if (m->opcode != WSLAY_TEXT_FRAME && m->opcode != WSLAY_BINARY_FRAME) return; /* wslay answers control frames */
    w->ops.message(w->ops.arg, m->opcode == WSLAY_TEXT_FRAME,
                   (hg_str_t){ m->msg ? (const char *)m->msg : "", m->msg_length });
}

hg_wsp_t *hg_wsp_new(bool client, const hg_wsp_ops_t *ops, size_t max_message)
{
    const struct wslay_event_callbacks cb = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .genmask_callback = on_genmask,
        .on_msg_recv_callback = on_message,
    };
    hg_wsp_t *w = HG_NEW(hg_wsp_t);
    w->ops = *ops;
    int rc =
        client ? wslay_event_context_client_init(&w->ctx, &cb, w) : wslay_event_context_server_init(&w->ctx, &cb, w);
    HG_ASSERT(rc == 0);
    wslay_event_config_set_max_recv_msg_length(w->ctx, max_message);
    return w;
}

void hg_wsp_free(hg_wsp_t *w)
{
    if (!w) return;
    wslay_event_context_free(w->ctx);
    hg_free(w);
}

static int flush(hg_wsp_t *w)
{
    if (wslay_event_want_write(w->ctx) && wslay_event_send(w->ctx) != 0) return HG_ENET;
    return w->broken ? HG_ENET : 0;
}

int hg_wsp_input(hg_wsp_t *w, const char *p, size_t n)
{
    w->in = (hg_str_t){ p, n };
    int rc = wslay_event_recv(w->ctx);
    w->in = (hg_str_t){ NULL, 0 };
    int sent = flush(w); /* pongs and close frames */
    return rc != 0 ? HG_EPROTO : sent;
}

int hg_wsp_send(hg_wsp_t *w, bool text, hg_str_t data)
{
    struct wslay_event_msg m = { .opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                 .msg = (const uint8_t *)data.p,
                                 .msg_length = data.n };
    int rc = wslay_event_queue_msg(w->ctx, &m);
    if (rc != 0) return rc == WSLAY_ERR_NOMEM ? HG_ENOMEM : HG_ECLOSED;
    return flush(w);
}

int hg_wsp_close(hg_wsp_t *w, uint16_t code, const char *reason)
{
    size_t n = reason ? HG_MIN(strlen(reason), (size_t)123) : 0;
    if (wslay_event_queue_close(w->ctx, code, (const uint8_t *)reason, n) != 0) return HG_ECLOSED;
    return flush(w);
}

bool hg_wsp_closing(const hg_wsp_t *w)
{
    return wslay_event_get_close_sent(w->ctx);
}
bool hg_wsp_close_received(const hg_wsp_t *w)
{
    return wslay_event_get_close_received(w->ctx);
}

bool hg_wsp_over(const hg_wsp_t *w)
{
    return !wslay_event_want_read(w->ctx) && !wslay_event_want_write(w->ctx);
}

uint16_t hg_wsp_code(const hg_wsp_t *w)
{
    return wslay_event_get_status_code_received(w->ctx);
}

void hg_ws_accept_key(hg_str_t key, char out[29])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char sha[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    HG_ASSERT(md && EVP_DigestInit_ex(md, EVP_sha1(), NULL) && EVP_DigestUpdate(md, key.p, key.n) &&
              EVP_DigestUpdate(md, guid, sizeof guid - 1) && EVP_DigestFinal_ex(md, sha, &n));
    EVP_MD_CTX_free(md);
    EVP_EncodeBlock((unsigned char *)out, sha, (int)n);
}
