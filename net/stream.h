/* stream.h: one connection to a server by TCP, plain or TLS, or by a unix socket, on the endpoint's loop. For protocols
 * that we speak ourselves.
 *
 * Everything on the loop. Call-backs may close the stream. After `failed` nothing but close. */
#ifndef HG_NET_STREAM_H
#define HG_NET_STREAM_H

#include "base/err.h"
#include "base/loop.h"

typedef struct hg_stream hg_stream_t;

typedef struct hg_stream_opts {
    const char *host; /* name or address; copied */
    uint16_t port;
    const char *unix_socket; /* instead of both: the path of a socket, without TLS; copied */
    uint64_t timeout_ms;     /* until `opened` */
    bool tls;                /* the certificate must be one for host, signed by somebody known */
    bool tls_insecure;       /* it is not looked at */
    bool tls_later;          /* plain until hg_stream_start_tls */
    bool delay;              /* small writes may wait for more (Nagle); otherwise each goes out at once */
    const char *tls_name;    /* whose certificate it must be; NULL: host. Copied */
    const char *ca_file;     /* who signs: a PEM file; NULL: the system's. Copied */
} hg_stream_opts_t;

typedef struct hg_stream_ops {
    void (*opened)(void *arg);
    void (*data)(void *arg, const char *p, size_t n);
    void (*drained)(void *arg); /* everything written has gone to the system */
    void (*failed)(void *arg,
                   const hg_err_t *err); /* retryable, or not: what may not be reached, a wrong certificate */
} hg_stream_ops_t;

hg_stream_t *hg_stream_open(hg_loop_t *loop, const hg_stream_opts_t *opts, const hg_stream_ops_t *ops, void *arg);
/* With tls_later, after opened and what the protocol wants said before: `opened` comes once more. */
void hg_stream_start_tls(hg_stream_t *s);
/* After opened. The bytes are copied. HG_ENOMEM. */
int hg_stream_write(hg_stream_t *s, const char *p, size_t n, hg_err_t *err);
/* The same for parts that belong together: they go to the system in one call when nothing is in flight. */
int hg_stream_writev(hg_stream_t *s, const hg_str_t *parts, size_t n_parts, hg_err_t *err);
/* Bytes written that the system has not taken yet. */
size_t hg_stream_queued(const hg_stream_t *s);
/* What is queued is dropped. closed: last call-back, always later. */
void hg_stream_close(hg_stream_t *s, void (*closed)(void *arg), void *arg);

#endif
