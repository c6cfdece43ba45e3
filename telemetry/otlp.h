/* otlp.h: log lines go to an OpenTelemetry collector.
 *
 * Sources: OTLP specification 1.x (requests, answers, what may be tried again), opentelemetry-proto
 * (collector/logs/v1/logs_service.proto, logs/v1/logs.proto), the SDK's specification of batches (512 records, or what
 * came within a second), gRPC over HTTP/2.
 *
 *   line ─► record ─► queue of batches ─► hg-otlp: a request at a time ─► collector
 *
 * Threads: an exporter has one of its own, which sleeps until there are records and alone does I/O. A line costs its
 * encoding and a lock. What the collector does not take for now waits, in bounds: 8192 records, 8 MiB. Beyond these
 * what comes is left out and counted. What the exporter itself has to say (subsystem "telemetry") is in the local log
 * alone.
 */
#ifndef HG_TELEMETRY_OTLP_H
#define HG_TELEMETRY_OTLP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

typedef struct hg_otlp hg_otlp_t;

typedef enum { HG_OTLP_GRPC, HG_OTLP_HTTP } hg_otlp_transport_t;

typedef struct hg_otlp_opts {
    hg_otlp_transport_t transport;
    const char *endpoint; /* as it was configured; "": the transport's default */
    const char *service_name, *service_version;
    const char *const *environ; /* its OTEL_… variables count (otlp_env.c); NULL: none */
} hg_otlp_opts_t;

/* Any thread. Appends the URL that requests go to: HTTP takes the endpoint as it is, gRPC its scheme and host.
 * HG_EINVAL says what is wrong with the endpoint; its secrets are not in the message. */
int hg_otlp_url(hg_otlp_transport_t transport, const char *endpoint, hg_buf_t *out, hg_err_t *err);

/* Copies the options; loads libcurl. HG_EINVAL (endpoint, variables), HG_EIO (libcurl), or there is no thread. */
int hg_otlp_start(const hg_otlp_opts_t *opts, hg_otlp_t **ret, hg_err_t *err);

/* A taker for hg_log_also: any thread, never blocks on the collector. arg: the exporter. */
void hg_otlp_take(void *arg, const hg_log_line_t *line);

typedef struct hg_otlp_counts {
    uint64_t sent;    /* the collector took them */
    uint64_t refused; /* it did not want them */
    uint64_t dropped; /* the queue was full, or time was up */
} hg_otlp_counts_t;

/* Sends what is left, for so long at most; then frees. Nobody takes lines for it any more. ret_counts may be NULL. */
void hg_otlp_end(hg_otlp_t *o, uint64_t limit_ms, hg_otlp_counts_t *ret_counts);

#endif
