/* http.h: HTTP/1.1 server on libuv: TCP, TLS and unix sockets; streamed bodies both ways with back-pressure; WebSocket
 * upgrade.
 *
 * Heads are parsed by http_parser behind this header; the wrapper refuses what it lets through: white space before the
 * colon, bare LF, folded values, a second Host, a head above 32 KiB (RFC 9112). A connection lives on the loop that
 * accepted it. Everything about one request happens on that loop's thread, except hg_resp_* calls marked "any thread".
 * A server may listen on several loops (SO_REUSEPORT-free: one listener hands accepted sockets to the loops in turn).
 *
 * A request's life: route → on_request (head complete) → the handler answers at once, or asks for the body:
 *   hg_req_read_all(req, max, fn)   whole body in memory, or 413
 *   hg_req_stream(req, ops)         pieces as they come; data returning false holds, hg_req_resume goes on
 * then answers with hg_resp_send (one piece), or hg_resp_begin, hg_resp_write…, hg_resp_end (chunked), or
 * hg_req_upgrade. The request object lives until it is answered and its body has ended, or the connection broke
 * (on_abort, last call).
 */
#ifndef HG_NET_HTTP_H
#define HG_NET_HTTP_H

#include "base/buf.h"
#include "base/arena.h"
#include "base/loop.h"

typedef struct hg_http_server hg_http_server_t;
typedef struct hg_req hg_req_t;

typedef struct hg_http_opts {
    hg_loop_t **loops; /* connections are spread over them; [0] accepts */
    unsigned n_loops;
    size_t max_head;                              /* 0 = 32 KiB */
    uint64_t idle_timeout_ms;                     /* keep-alive connections without a request; 0 = 120 s */
    uint64_t head_timeout_ms;                     /* from the first byte to the end of the head; 0 = 30 s */
    void (*on_request)(void *arg, hg_req_t *req); /* on the connection's loop */
    void *arg;
    const char *server_name; /* Server: header */
} hg_http_opts_t;

/* Control thread = thread of loops[0]. */
int hg_http_server_new(const hg_http_opts_t *opts, hg_http_server_t **ret, hg_err_t *err);
int hg_http_listen_tcp(hg_http_server_t *s, const char *host, unsigned port, unsigned *ret_port, hg_err_t *err);
int hg_http_listen_unix(hg_http_server_t *s, const char *path,
                        hg_err_t *err); /* refuses a live socket, replaces a dead one; mode 0600 */
/* Before listen_tcp: what listens on TCP from then on speaks TLS. Once more at any time (control thread): new
 * connections use these files, open ones go on; on an error (HG_EINVAL, names the file) nothing has changed. */
int hg_http_use_tls(hg_http_server_t *s, const char *cert_pem_file, const char *key_pem_file, hg_err_t *err);
/* Stop accepting, close idle connections, let answers in flight finish for grace_ms, then cut. done on loops[0]. */
void hg_http_server_close(hg_http_server_t *s, uint64_t grace_ms, void (*done)(void *arg), void *arg);
void hg_http_server_free(hg_http_server_t *s);           /* after done */
unsigned hg_http_connections(const hg_http_server_t *s); /* any thread */

/* --- request --- */
typedef struct hg_header {
    hg_str_t name, value;
} hg_header_t;

hg_str_t hg_req_method(const hg_req_t *r); /* "GET" */
hg_str_t hg_req_path(const hg_req_t *r);   /* as sent, before '?' */
hg_str_t hg_req_query(const hg_req_t *r);  /* as sent, behind '?' */
hg_str_t hg_req_target(const hg_req_t *r);
hg_str_t hg_req_header(const hg_req_t *r, const char *name); /* first one, without case; p NULL = absent */
const hg_header_t *hg_req_headers(const hg_req_t *r, uint32_t *ret_n);
hg_arena_t *hg_req_arena(hg_req_t *r); /* dies with the request */
hg_loop_t *hg_req_loop(const hg_req_t *r);
bool hg_req_has_body(const hg_req_t *r);
uint64_t hg_req_content_length(const hg_req_t *r); /* UINT64_MAX = chunked */
void hg_req_user(hg_req_t *r, void *user);
void *hg_req_get_user(const hg_req_t *r);

/* Path segments, split at '/', then percent-decoded, in the request's arena; n of them. "/a/b%2Fc" → ["a", "b/c"],
 * "/a/" → ["a", ""], "/" → none. HG_EPARSE: bad escape, zero byte, no UTF-8. */
int hg_req_segments(hg_req_t *r, const hg_str_t **ret, uint32_t *ret_n, hg_err_t *err);
/* Decoded query parameter in the arena, the last one given; p NULL = absent. */
hg_str_t hg_req_param(hg_req_t *r, const char *name);
/* More parameters, percent-encoded ("a=1&b=2"; copied): as if they had been sent behind the others. */
void hg_req_add_query(hg_req_t *r, hg_str_t query);
/* "true" / "false"; absent = dflt; else HG_EINVAL with Feldera's message. */
int hg_req_param_bool(hg_req_t *r, const char *name, bool dflt, bool *ret, hg_err_t *err);
int hg_req_param_u64(hg_req_t *r, const char *name, uint64_t dflt, uint64_t *ret, hg_err_t *err);

/* fn is called once: body complete (borrowed for the call). Never if the connection broke or the body was over max (413
 * sent): then on_abort is called, so that what belongs to the request can be freed. */
void hg_req_read_all(hg_req_t *r, size_t max, void (*fn)(void *arg, hg_req_t *r, hg_str_t body), void *arg);

typedef struct hg_body_ops {
    bool (*data)(void *arg, const char *p, size_t n); /* false: no more until hg_req_resume; n bytes were taken */
    void (*end)(void *arg);
    void (*abort)(void *arg); /* connection broke before end; last call about the body */
    void *arg;
} hg_body_ops_t;
/* From here the head counts as accepted: 100-continue goes out if it was asked for. */
void hg_req_stream(hg_req_t *r, const hg_body_ops_t *ops);
void hg_req_resume(hg_req_t *r);

/* The peer left, or the connection broke, before the answer was complete. Called at most once, never from inside a call
 * of the handler (but for the 413 of hg_req_read_all); the request is gone after it. A handler that does not answer at
 * once needs it. */
void hg_req_on_abort(hg_req_t *r, void (*fn)(void *arg), void *arg);

/* --- response (loop thread) --- */
/* One answer with Content-Length. headers: extra "Name: value\r\n" lines or NULL. Body is copied. A body that was not
 * read is drained (or the connection closed when it is large). */
void hg_resp_send(hg_req_t *r, int status, const char *content_type, hg_str_t body, const char *headers);
void hg_resp_json(hg_req_t *r, int status, const hg_buf_t *json);
/* {"message": …, "error_code": …, "details": …}: details is JSON text, NULL = {}. */
void hg_resp_error(hg_req_t *r, int status, const char *error_code, const char *message, const char *details_json);
/* The same with extra header lines, as hg_resp_send. */
void hg_resp_error_with(hg_req_t *r, int status, const char *error_code, const char *message, const char *details_json,
                        const char *headers);
void hg_resp_err(hg_req_t *r, const hg_err_t *err); /* code and status from the error's code */

/* Chunked. write returns false above the high mark (256 KiB queued): wait for drain. */
void hg_resp_begin(hg_req_t *r, int status, const char *content_type, const char *headers);
bool hg_resp_write(hg_req_t *r, const char *p, size_t n);
void hg_resp_on_drain(hg_req_t *r, void (*fn)(void *arg), void *arg); /* queue is below 64 KiB again */
void hg_resp_end(hg_req_t *r);                                        /* r is gone */
void hg_resp_cut(hg_req_t *r); /* break the connection: the answer is incomplete and the peer can see it; r is gone */
size_t hg_resp_queued(const hg_req_t *r);

/* --- upgrade: WebSocket (RFC 6455), frames by wslay --- */
typedef struct hg_ws hg_ws_t;
typedef struct hg_ws_ops {
    void (*message)(void *arg, hg_ws_t *ws, bool text, hg_str_t data);
    void (*drain)(void *arg, hg_ws_t *ws);
    void (*closed)(void *arg); /* last call */
    void *arg;
} hg_ws_ops_t;
bool hg_req_is_websocket(const hg_req_t *r);
/* Answers 101 (or 400); r is gone. max_message: larger ones close with 1009. */
int hg_req_websocket(hg_req_t *r, const hg_ws_ops_t *ops, size_t max_message, hg_ws_t **ret, hg_err_t *err);
bool hg_ws_send(hg_ws_t *ws, bool text, hg_str_t data); /* false: above the high mark, wait for drain */
void hg_ws_close(hg_ws_t *ws, uint16_t code, const char *reason);

/* --- proxy: pass a request through to a unix socket, bodies streamed with back-pressure on both legs --- */
typedef struct hg_proxy_opts {
    const char *socket_path;
    const char *target;  /* path and query to send instead */
    const char *headers; /* added to whatever is answered: "Name: value\r\n" lines, or NULL. Copied */
    uint64_t timeout_ms; /* from the end of the request's body to the answer's head; 0 = none (streams) */
    /* Before a body byte went over: cannot connect. The handler answers (503 …), its on_abort has to be set again. May
     * come from inside hg_proxy. Afterwards the proxy answers 500 PipelineInteractionFailed itself, or cuts an answer
     * that has begun. */
    void (*unreachable)(void *arg, hg_req_t *r, const hg_err_t *err);
    void *arg;
} hg_proxy_opts_t;
/* Head, body and (after 101) raw bytes. r is the proxy's from here. */
void hg_proxy(hg_req_t *r, const hg_proxy_opts_t *opts);

#endif
