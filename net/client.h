/* client.h: HTTP client. Asynchronous transfers by libcurl multi on a loop; small calls over a unix socket or TCP for
 * the manager's own questions; and a blocking variant for command line tools.
 */
#ifndef HG_NET_CLIENT_H
#define HG_NET_CLIENT_H

#include "base/buf.h"
#include "base/loop.h"

typedef struct hg_client hg_client_t; /* one curl multi per loop */
typedef struct hg_transfer hg_transfer_t;

hg_client_t *hg_client_new(hg_loop_t *loop); /* loop thread */
void hg_client_free(hg_client_t *c);         /* no transfers left */

typedef struct hg_transfer_opts {
    const char *method; /* NULL = GET */
    const char *url;
    const char *unix_socket;       /* or NULL */
    const char *const *headers;    /* "Name: value", NULL-ended; or NULL */
    hg_str_t body;                 /* copied */
    uint64_t range_from;           /* > 0: Range: bytes=N- */
    uint64_t range_last;           /* > 0, without range_from: Range: bytes=-N, the last N bytes */
    const char *if_range;          /* ETag for the range; or NULL */
    uint64_t connect_timeout_ms;   /* 0 = 30 s */
    uint64_t timeout_ms;           /* whole transfer; 0 = none */
    uint64_t low_speed_timeout_ms; /* no byte for this long; 0 = 60 s */
    bool follow_redirects;         /* up to 10 */
    bool decode;                   /* a body that comes compressed although it was not asked for is decoded */
    bool raw_path;                 /* "/../" and "/./" in the path stay: keys of objects, not folders */
    bool tls_insecure;
    const char *ca_file;
    const char *proxy; /* URL of an HTTP proxy; NULL: as the environment says */
} hg_transfer_opts_t;

typedef struct hg_transfer_ops {
    /* After the last redirect. length UINT64_MAX = unknown. headers can be asked for with hg_transfer_header. */
    void (*head)(void *arg, int status, uint64_t length);
    bool (*data)(void *arg, const char *p,
                 size_t n); /* false: pause until hg_transfer_resume; the n bytes were taken */
    void (*done)(void *arg,
                 const hg_err_t *err); /* err->code 0 = complete (whatever the status). Last call; transfer is gone */
    void *arg;
} hg_transfer_ops_t;

/* Refuses what programs may not reach (base/access.h), unless it goes to a unix socket: HG_EPERM here, or in done. */
int hg_transfer_start(hg_client_t *c, const hg_transfer_opts_t *opts, const hg_transfer_ops_t *ops, hg_transfer_t **ret,
                      hg_err_t *err);
void hg_transfer_resume(hg_transfer_t *t);
void hg_transfer_cancel(hg_transfer_t *t);                       /* no further call-back; t is gone */
hg_str_t hg_transfer_header(hg_transfer_t *t, const char *name); /* of the last response; p NULL = absent */

/* Any thread. May programs fetch this URL (base/access.h)? For the place in a program: hg_transfer_start asks by
 * itself, and again for each connection that it opens, so also behind redirects. Where hosts are limited it loads
 * libcurl. */
int hg_url_access(const char *url, hg_err_t *err);

/* Blocking, for tools and tests. body/ret_body as stated; HG_ENET when there was no answer. */
typedef struct hg_fetch {
    const char *method, *url, *unix_socket;
    const char *const *headers;
    hg_str_t body;
    uint64_t timeout_ms;
    const char *ca_file;
    bool tls_insecure;
    bool (*sink)(void *arg, const char *p, size_t n); /* streamed answer; false = stop. NULL: collected into ret_body */
    void *arg;
    const char *want_header; /* of the answer: its value goes to ret_header, emptied before; or NULL */
    hg_buf_t *ret_header;    /* the caller's */
    /* Each header line of the answer, and behind the body its trailers. Views, for the call. NULL: not asked for */
    void (*on_header)(void *arg, hg_str_t name, hg_str_t value);
    void *header_arg;
    bool http2;                   /* and nothing else: without TLS the server is known to speak it */
    bool raw_path;                /* as in hg_transfer_opts_t */
    bool judged;                  /* only where programs may reach, as hg_transfer_start does: HG_EPERM */
    bool no_proxy;                /* straight to the host, whatever the environment says */
    bool (*cancelled)(void *arg); /* asked about once a second: true gives up, HG_ECANCELED (retryable). NULL: never */
    void *cancel_arg;
} hg_fetch_t;
int hg_fetch(const hg_fetch_t *f, int *ret_status, hg_buf_t *ret_body, hg_err_t *err);

/* The same on connections that are kept from call to call. One thread at a time. Signals and limits of the process are
 * left as they are: sessions are for libraries inside of other programs. ret_retry_after_ms may be NULL; 0 = the answer
 * had no Retry-After. */
typedef struct hg_session hg_session_t;
int hg_session_new(hg_session_t **ret, hg_err_t *err);
void hg_session_free(hg_session_t *s); /* NULL: nothing */
int hg_session_fetch(hg_session_t *s, const hg_fetch_t *f, int *ret_status, uint64_t *ret_retry_after_ms,
                     hg_buf_t *ret_body, hg_err_t *err);

/* Any thread. A status that the same request may not meet again. */
bool hg_http_is_transient(int status);
const char *hg_http_status_text(int status); /* "Not Found"; "" when it is not known */

/* Blocking WebSocket client for `fda query`: sends one text message, then hands every message to fn until the server
 * closes. */
int hg_ws_fetch(const char *url, const char *const *headers, hg_str_t message, const char *ca_file, bool tls_insecure,
                bool (*fn)(void *arg, bool text, hg_str_t data), void *arg, uint16_t *ret_close_code, hg_err_t *err);

#endif
