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
    const char *if_range;          /* ETag for the range; or NULL */
    uint64_t connect_timeout_ms;   /* 0 = 30 s */
    uint64_t timeout_ms;           /* whole transfer; 0 = none */
    uint64_t low_speed_timeout_ms; /* no byte for this long; 0 = 60 s */
    bool follow_redirects;         /* up to 10 */
    bool decode;                   /* a body that comes compressed although it was not asked for is decoded */
    bool tls_insecure;
    const char *ca_file;
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

int hg_transfer_start(hg_client_t *c, const hg_transfer_opts_t *opts, const hg_transfer_ops_t *ops, hg_transfer_t **ret,
                      hg_err_t *err);
void hg_transfer_resume(hg_transfer_t *t);
void hg_transfer_cancel(hg_transfer_t *t);                       /* no further call-back; t is gone */
hg_str_t hg_transfer_header(hg_transfer_t *t, const char *name); /* of the last response; p NULL = absent */

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
} hg_fetch_t;
int hg_fetch(const hg_fetch_t *f, int *ret_status, hg_buf_t *ret_body, hg_err_t *err);

/* Blocking WebSocket client for `fda query`: sends one text message, then hands every message to fn until the server
 * closes. */
int hg_ws_fetch(const char *url, const char *const *headers, hg_str_t message, const char *ca_file, bool tls_insecure,
                bool (*fn)(void *arg, bool text, hg_str_t data), void *arg, uint16_t *ret_close_code, hg_err_t *err);

#endif
