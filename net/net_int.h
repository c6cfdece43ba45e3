/* net_int.h: what the files of net/ share.
 *
 *   init.c         what the process sets once
 *   h1.c           bytes → head, body pieces, end of message (requests and responses); no I/O
 *   tls.c          OpenSSL behind a BIO that reads from a slice and writes into the socket's queue
 *   sock.c         one connected stream: reading with hold, queued writing with marks, orderly end
 *   hub.c          what all connections of one server on one loop share: read buffer, deadlines, deferred work
 *   http_server.c  listeners, accepting, spreading over loops, shutdown
 *   http_conn.c    one server connection: from bytes to requests and back to the next request
 *   http_req.c     the handler's view of a request
 *   http_resp.c    answers
 *   ws_proto.c     WebSocket messages over wslay, both roles; no I/O
 *   ws.c           a server connection after its upgrade
 *   proxy.c        the leg to a unix socket
 *   lend.c         a large body that the server behind the leg reads itself
 *
 * All of it is one loop's business: no function here may be called from another thread unless it says so.
 * Call-backs into a handler never happen inside a call of the handler (hg_resp_write that meets a broken pipe does not
 * call on_abort): they are put off to the hub's next turn.
 */
#ifndef HG_NET_NET_INT_H
#define HG_NET_NET_INT_H

#include "base/buf.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/json.h"
#include "base/loop.h"
#include "net/http.h"
#include <http_parser.h>

#define HG_NET_READ_BUF  ((size_t)128 * 1024)
#define HG_NET_HIGH      ((size_t)256 * 1024) /* stop producing above */
#define HG_NET_LOW       ((size_t)64 * 1024)  /* go on below */
#define HG_NET_OUT_MAX   ((size_t)1 << 30)    /* a handler that ignores the mark meets this */
#define HG_NET_TAIL_HOLD ((size_t)16 * 1024)  /* unparsed input of a busy connection before reading stops */
#define HG_NET_TAIL_MAX  ((size_t)1024 * 1024)
#define HG_NET_DROP_MAX  ((uint64_t)64 * 1024) /* an unread body up to this is drained, above it the connection ends */
#define HG_NET_LINGER_MS 2000u                 /* from our last byte until we no longer wait for the peer's end */

/* Once per process, any thread: SIGPIPE off, the file limit. */
void hg_net_init(void);

/* --- h1.c ------------------------------------------------------------------------------------------------------- */
typedef struct hg_h1 hg_h1_t;

/* A parsed head. Lives in its arena, slices point into it. */
typedef struct hg_h1_msg {
    hg_arena_t *arena;
    hg_str_t method, target; /* requests */
    int status;              /* responses */
    hg_str_t reason;
    hg_header_t *headers;
    uint32_t n_headers;
    unsigned minor;  /* HTTP/1.minor */
    uint64_t length; /* Content-Length; UINT64_MAX = not given */
    bool chunked;
    bool keep_alive;
    bool upgrade; /* Connection: upgrade and an Upgrade field (a response: with 101) */
} hg_h1_msg_t;

typedef struct hg_h1_ops {
    void (*head)(void *arg); /* h->msg is set; take it or leave it */
    void (*body)(void *arg, const char *p, size_t n);
    void (*end)(void *arg);
} hg_h1_ops_t;

/* Where the body stands. A plain value: a copy of it may read ahead. */
typedef struct hg_h1_body {
    uint64_t left;     /* of the body, or of the current chunk */
    uint32_t overhead; /* bytes of chunk extensions and trailers so far */
    uint8_t state;
    bool chunked, until_end;
} hg_h1_body_t;

typedef enum { HG_H1_HEAD, HG_H1_BEGIN, HG_H1_BODY, HG_H1_DONE, HG_H1_BAD } hg_h1_phase_t;

struct hg_h1 {
    const hg_h1_ops_t *ops;
    void *arg;
    http_parser parser;
    hg_h1_body_t body;
    hg_h1_phase_t phase;
    uint8_t scan; /* head scanner's state */
    bool response;
    bool no_body;        /* response to HEAD */
    bool hold;           /* set by anyone: hg_h1_feed stops after the current event */
    uint16_t bad_status; /* what to answer to a refused head */
    size_t max_head, seen;
    uint64_t off; /* bytes taken since init, for error positions */
    hg_buf_t raw; /* head under way */
    hg_h1_msg_t *msg;
};

void hg_h1_init(hg_h1_t *h, bool response, size_t max_head, const hg_h1_ops_t *ops, void *arg);
void hg_h1_release(hg_h1_t *h);
void hg_h1_next(hg_h1_t *h); /* after DONE: ready for the next message */
/* Takes bytes until the input is used up, the message is DONE, or hold is set. *ret_used is set in any case.
 * HG_EPROTO with err->pos.off and bad_status; nothing may follow. */
int hg_h1_feed(hg_h1_t *h, const char *p, size_t n, size_t *ret_used, hg_err_t *err);
/* The stream ended. 0: between messages, or the end closed a body without length (end was called). HG_ECLOSED: cut. */
int hg_h1_eof(hg_h1_t *h, hg_err_t *err);
bool hg_h1_pending(const hg_h1_t *h);                            /* would feeding nothing get further? */
bool hg_h1_fresh(const hg_h1_t *h);                              /* no byte of a message seen yet */
bool hg_h1_would_end(const hg_h1_t *h, const char *p, size_t n); /* would these bytes complete the message? */
uint64_t hg_h1_body_left(const hg_h1_t *h);                      /* UINT64_MAX = unknown */
hg_h1_msg_t *hg_h1_take(hg_h1_t *h);                             /* caller frees msg->arena */
hg_str_t hg_h1_header(const hg_h1_msg_t *m, const char *name);   /* first; p NULL = absent */
bool hg_h1_token(hg_str_t list, const char *token);              /* comma separated, without case */
bool hg_h1_hop_by_hop(const hg_h1_msg_t *m, hg_str_t name);      /* must not be passed on */

/* --- hub.c ------------------------------------------------------------------------------------------------------ */
typedef struct hg_hub {
    hg_http_server_t *srv;
    hg_loop_t *loop;
    uv_loop_t *uv;
    char *rbuf;       /* all reads of this loop land here and are used up before the next one */
    char *tbuf;       /* plain text of TLS reads */
    hg_buf_t scratch; /* heads under construction */
    uv_timer_t tick;
    uv_idle_t idle;
    hg_list_t ready;                             /* sockets with deferred work */
    hg_list_t held;                              /* sockets that do not read */
    hg_list_t conns;                             /* all connections */
    hg_list_t wait_idle, wait_head, wait_linger; /* connections by deadline, oldest first */
    uint64_t tick_ms;
    unsigned n_conns;
    unsigned n_socks; /* connections and proxy legs */
    unsigned open_handles;
    bool up, shutting, cutting, closing_handles;
    int64_t date_sec;
    char date[40];
} hg_hub_t;

void hg_hub_init(hg_hub_t *h, hg_http_server_t *srv, hg_loop_t *loop); /* any thread, before hg_hub_up */
void hg_hub_up(hg_hub_t *h);
void hg_hub_shut(hg_hub_t *h); /* no new requests; idle connections end */
void hg_hub_cut(hg_hub_t *h);  /* every connection ends now */
void hg_hub_sock_added(hg_hub_t *h);
void hg_hub_sock_gone(hg_hub_t *h);
void hg_hub_release(hg_hub_t *h);
const char *hg_hub_date(hg_hub_t *h);

/* --- sock.c ----------------------------------------------------------------------------------------------------- */
typedef struct hg_sock hg_sock_t;
typedef struct hg_tls hg_tls_t;
typedef struct hg_tls_ctx hg_tls_ctx_t;

typedef struct hg_sock_ops {
    void (*data)(void *arg, const char *p, size_t n);
    void (*eof)(void *arg);
    void (*broken)(void *arg, int uv_err); /* at most once */
    void (*drain)(void *arg);              /* the queue was above the high mark and is below the low one */
    void (*shut)(void *arg);               /* after hg_sock_shut: our last byte is out */
    void (*left)(void *arg);               /* reading is held and the peer has closed its side */
    void (*ready)(void *arg);              /* after hg_sock_defer */
    void (*closed)(void *arg);             /* last call: the memory may go */
    void (*lent)(void *arg, int fd);       /* behind the data that a descriptor came with, the callee's; NULL: none */
} hg_sock_ops_t;

struct hg_sock {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    hg_hub_t *hub;
    const hg_sock_ops_t *ops;
    void *arg;
    hg_tls_t *tls;
    hg_list_t ready; /* hub->ready */
    hg_list_t held;  /* hub->held */
    uv_write_t write_req;
    uv_shutdown_t shut_req;
    char *flight; /* bytes under uv_write */
    hg_buf_t out; /* bytes behind them */
    size_t limit; /* the most that the next read may take; 0: a whole buffer */
    size_t high;  /* queued bytes above which writers are told to wait, until low again: HG_NET_HIGH, HG_NET_LOW */
    size_t low;
    int err; /* broken: reported by the next turn */
    unsigned reading : 1, hold : 1, eof : 1, above : 1, want_shut : 1, shut_sent : 1, closing : 1,
        told : 1,       /* broken was called */
        write_dead : 1, /* writes fail; with read_on the rest of the input still counts */
        read_on : 1, deferred : 1;
};

/* Takes the fd over (closed on failure). */
int hg_sock_open(hg_sock_t *s, hg_hub_t *hub, int fd, bool is_unix, hg_tls_ctx_t *tls, const hg_sock_ops_t *ops,
                 void *arg);
void hg_sock_hold(hg_sock_t *s, bool hold);
bool hg_sock_write(hg_sock_t *s, const uv_buf_t *v,
                   unsigned n);                           /* copies what does not go at once; below the high mark? */
bool hg_sock_cork(hg_sock_t *s, const char *p, size_t n); /* goes with the next write, or at the next turn */
size_t hg_sock_queued(const hg_sock_t *s);
void hg_sock_shut(hg_sock_t *s);  /* send what is queued, then our end of stream */
void hg_sock_defer(hg_sock_t *s); /* ops->ready at the hub's next turn */
void hg_sock_close(hg_sock_t *s);
void hg_sock_flush(hg_sock_t *s);
void hg_sock_fail(hg_sock_t *s, int uv_err);
void hg_sock_got(hg_sock_t *s, const char *p, size_t n); /* plain bytes, for tls.c */
void hg_sock_got_eof(hg_sock_t *s);
void hg_sock_poll_left(hg_sock_t *s);        /* tick */
void hg_sock_turn(hg_sock_t *s);             /* deferred work, called by the hub */
size_t hg_sock_readable(const hg_sock_t *s); /* bytes that wait in the kernel */

/* --- tls.c ------------------------------------------------------------------------------------------------------ */
int hg_tls_ctx_new(const char *cert_pem_file, const char *key_pem_file, hg_tls_ctx_t **ret, hg_err_t *err);
hg_tls_ctx_t *hg_tls_ctx_ref(hg_tls_ctx_t *c); /* any thread; NULL stays NULL */
void hg_tls_ctx_unref(hg_tls_ctx_t *c);        /* any thread; NULL: nothing */
hg_tls_t *hg_tls_new(hg_tls_ctx_t *c, hg_sock_t *s);
void hg_tls_free(hg_tls_t *t);
void hg_tls_input(hg_tls_t *t, const char *p, size_t n);
void hg_tls_more(hg_tls_t *t);                           /* after a hold: what was left over */
int hg_tls_output(hg_tls_t *t, const char *p, size_t n); /* into the socket's queue */
void hg_tls_bye(hg_tls_t *t);

/* --- http_conn.c ------------------------------------------------------------------------------------------------ */
typedef struct hg_conn hg_conn_t;
typedef struct hg_loan hg_loan_t;

typedef struct hg_raw_ops {
    void (*data)(void *arg, const char *p, size_t n);
    void (*drain)(void *arg);
    void (*gone)(void *arg); /* exactly once, last call */
} hg_raw_ops_t;

typedef enum { HG_BODY_UNDECIDED, HG_BODY_ALL, HG_BODY_STREAM, HG_BODY_DROP } hg_body_mode_t;

struct hg_req {
    hg_conn_t *conn;
    hg_h1_msg_t *msg;
    hg_str_t path, query;
    void *user;
    hg_body_mode_t mode;
    hg_body_ops_t body;
    void (*all)(void *arg, hg_req_t *r, hg_str_t body);
    void *all_arg;
    hg_buf_t buf;
    void (*abort)(void *arg);
    void *abort_arg;
    void (*drain)(void *arg);
    void *drain_arg;
    uint64_t out_left; /* bytes that the promised Content-Length still lacks; UINT64_MAX = chunked or until close */
    unsigned has_body : 1, expect : 1, body_held : 1, body_ended : 1, end_told : 1, begun : 1, answered : 1,
        chunked : 1, bodyless : 1, keep : 1, want_drain : 1;
};

struct hg_conn {
    hg_sock_t sock;
    hg_loan_t *loan; /* where the rest of the body comes from */
    hg_http_server_t *srv;
    hg_hub_t *hub;
    hg_list_t link; /* hub->conns */
    hg_list_t wait; /* one of hub->wait_idle, wait_head, wait_linger */
    uint64_t deadline;
    size_t mark; /* bytes queued when the deadline was set: shrinking is progress */
    hg_h1_t h1;
    hg_buf_t tail; /* input that cannot be parsed yet */
    hg_req_t *req;
    const hg_raw_ops_t *raw;
    void *raw_arg;
    unsigned busy : 1, eof : 1, finishing : 1, linger : 1, dead : 1, raw_hold : 1, left : 1,
        lent : 1,   /* somebody else reads the body: hands off until its answer */
        awaits : 1, /* a loan was announced: what comes before it must not be held up, or it would be behind that */
        loaned : 1; /* we are that somebody: of this request's body */
};

void hg_conn_accept(hg_hub_t *hub, int fd, bool is_unix, hg_tls_ctx_t *tls);
void hg_conn_expired(hg_conn_t *c, hg_list_t *which);
void hg_conn_cut(hg_conn_t *c);     /* hub shutdown */
void hg_conn_shut(hg_conn_t *c);    /* hub shutdown: end it if it is idle */
void hg_conn_wake(hg_conn_t *c);    /* look again at the next turn */
void hg_conn_answered(hg_req_t *r); /* by http_resp.c: the last byte is queued */
void hg_conn_break(hg_req_t *r);    /* by http_resp.c: cut */
bool hg_conn_body_done(const hg_req_t *r);
/* The connection stops being HTTP; r is gone. */
hg_conn_t *hg_conn_hijack(hg_req_t *r, const hg_raw_ops_t *ops, void *arg);
bool hg_conn_raw_write(hg_conn_t *c, const char *p, size_t n);
void hg_conn_raw_hold(hg_conn_t *c, bool hold);
void hg_conn_raw_close(hg_conn_t *c); /* flush, then end */
void hg_conn_raw_limit(hg_conn_t *c); /* the peer has the linger time left to end it */
/* For lend.c: bytes, or the end, of the rest of a body. */
void hg_conn_body_input(hg_conn_t *c, const char *p, size_t n);
void hg_conn_body_eof(hg_conn_t *c);
void hg_conn_body_broken(hg_conn_t *c);
void hg_conn_body_reading(hg_conn_t *c); /* there is another place to read from */
void hg_conn_body_left(hg_conn_t *c);    /* it is held, and the peer has closed its side */

/* --- lend.c ------------------------------------------------------------------------------------------------------ */
#define HG_LEND_MIN   ((uint64_t)512 * 1024) /* smaller bodies are passed on */
#define HG_LEND_FIELD "X-Headgate-Body"      /* of a request: it will be lent; of an answer: it was read to its end */

/* The proxy, before the body: is it worth lending, and ours to lend? */
bool hg_lend_can(const hg_req_t *r);
/* In the body's first data call-back or later: with the last byte of what came, all before it has left. false: nothing
 * went, try again later. */
bool hg_lend(hg_req_t *r, hg_sock_t *to, char last);
/* Before the answer's head: was the body read to its end? Otherwise the connection ends with the answer. */
void hg_lend_over(hg_req_t *r, bool read);

/* The server behind it: will the body of this request be lent? */
bool hg_loan_told(const hg_conn_t *c, const hg_h1_msg_t *m);
/* From here the body of c's request comes from fd, which is closed in any case. */
void hg_loan_take(hg_conn_t *c, int fd);
void hg_loan_close(hg_conn_t *c); /* no loan: nothing */
hg_sock_t *hg_loan_sock(hg_loan_t *l);

/* --- http_server.c ---------------------------------------------------------------------------------------------- */
const hg_http_opts_t *hg_server_opts(const hg_http_server_t *s);
void hg_server_count(hg_http_server_t *s, int delta);
void hg_server_hub_closed(hg_http_server_t *s); /* hub's thread */

/* --- http_resp.c ------------------------------------------------------------------------------------------------ */
/* length UINT64_MAX: chunked (HTTP/1.0: until close). Queues the head; it goes with the first body bytes. */
void hg_resp_head(hg_req_t *r, int status, const char *content_type, const char *headers, uint64_t length);
const char *hg_http_reason(int status);

/* --- ws_proto.c ------------------------------------------------------------------------------------------------- */
typedef struct hg_wsp hg_wsp_t;
typedef struct hg_wsp_ops {
    void (*message)(void *arg, bool text, hg_str_t data);
    bool (*write)(void *arg, const char *p, size_t n); /* takes all; false = the stream is broken */
    void *arg;
} hg_wsp_ops_t;

hg_wsp_t *hg_wsp_new(bool client, const hg_wsp_ops_t *ops, size_t max_message);
void hg_wsp_free(hg_wsp_t *w);
int hg_wsp_input(hg_wsp_t *w, const char *p, size_t n); /* HG_EPROTO etc.: drop the stream */
int hg_wsp_send(hg_wsp_t *w, bool text, hg_str_t data);
int hg_wsp_close(hg_wsp_t *w, uint16_t code, const char *reason);
bool hg_wsp_closing(const hg_wsp_t *w); /* we have sent a close frame */
bool hg_wsp_over(const hg_wsp_t *w);    /* closed both ways, or by an error of the peer */
bool hg_wsp_close_received(const hg_wsp_t *w);
uint16_t hg_wsp_code(const hg_wsp_t *w); /* peer's close code, 1005 = none given */
void hg_ws_accept_key(hg_str_t key, char out[29]);

/* --- curl_lib.c --------------------------------------------------------------------------------------------------
 * Any thread, before the first call of libcurl. It blocks for some milliseconds, once. HG_EIO when there is none. */
int hg_curl_load(hg_err_t *err);

/* --- client_access.c ---------------------------------------------------------------------------------------------- */
typedef struct hg_reach {
    void *easy;   /* the CURL */
    hg_err_t err; /* a connection was refused */
} hg_reach_t;
/* The transfer's thread. Its connections go only to what programs may reach; r lives as long as the transfer. */
void hg_reach_guard(hg_reach_t *r, void *easy);

/* --- curl_util.c ------------------------------------------------------------------------------------------------ */
int hg_curl_err(hg_err_t *err, int curl_code, const char *detail, const char *url);

#endif
