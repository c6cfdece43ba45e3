/* otlp_int.h: what the files of telemetry/ share.
 *
 *   otlp_encode.c  a line as a record, records as a request: bytes, no I/O
 *   otlp_queue.c   batches between those who log and the exporter
 *   otlp_answer.c  what a collector's answer means: bytes, no I/O
 *   otlp_url.c     endpoints
 *   otlp_env.c     OTEL_… variables
 *   otlp_export.c  the exporter's thread
 */
#ifndef HG_TELEMETRY_OTLP_INT_H
#define HG_TELEMETRY_OTLP_INT_H

#include "base/arena.h"
#include "base/list.h"
#include "telemetry/otlp.h"
#include <pthread.h>

/* --- otlp_encode.c: 0, HG_ENOMEM, HG_ETOOBIG; any thread ---------------------------------------------------------- */
#define OTLP_BODY_MAX ((size_t)256 * 1024) /* of a record; what is longer is cut, and says so */

typedef struct otlp_pair {
    hg_str_t key, value;
} otlp_pair_t;

/* Appends the line as a field of ScopeLogs. */
int otlp_put_record(hg_buf_t *out, const hg_log_line_t *line);
/* Appends what all requests begin with: resource and scope, as the fields of ResourceLogs and ScopeLogs. */
int otlp_put_resource(hg_buf_t *out, const otlp_pair_t *attrs, uint32_t n);
int otlp_put_scope(hg_buf_t *out, hg_str_t name, hg_str_t version);
/* Appends an ExportLogsServiceRequest of them; with gRPC's five bytes before it. */
int otlp_put_request(hg_buf_t *out, bool grpc, hg_str_t resource, hg_str_t scope, hg_str_t records);

/* --- otlp_queue.c ------------------------------------------------------------------------------------------------- */
#define OTLP_BATCH_RECORDS 512u
#define OTLP_BATCH_BYTES   ((size_t)1 << 20) /* with one more record still below the 4 MiB that gRPC servers take */
#define OTLP_BATCH_WAIT_US 1000000
#define OTLP_QUEUE_RECORDS 8192u
#define OTLP_QUEUE_BYTES   ((size_t)8 << 20)

typedef struct otlp_batch {
    hg_list_t link;   /* in the queue, until it is taken */
    hg_buf_t records; /* encoded */
    uint32_t n;
    int64_t since_us; /* monotonic: its first record */
} otlp_batch_t;

typedef struct otlp_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for the exporter: a batch is begun or full, the first record is dropped, the end */
    hg_list_t batches;      /* the last one is open */
    hg_buf_t scratch;
    size_t bytes;     /* with what is being sent */
    uint32_t records; /* the same */
    uint32_t max_records;
    size_t max_bytes;
    uint64_t dropped;
    bool full, full_told; /* since a batch was done last: something was dropped, and the exporter knows */
    int64_t end_us;       /* monotonic; INT64_MAX: not told to end */
} otlp_queue_t;

void otlp_queue_init(otlp_queue_t *q, uint32_t max_records, size_t max_bytes);
void otlp_queue_release(otlp_queue_t *q);
void otlp_queue_put(otlp_queue_t *q, const hg_log_line_t *line); /* any thread */
void otlp_queue_end(otlp_queue_t *q, int64_t end_us);            /* any thread: everything is due now */
/* The exporter: waits for a batch that is full or old enough; NULL: the queue has ended and is empty. It is
 * otlp_queue_done's; until then its room is taken. */
otlp_batch_t *otlp_queue_take(otlp_queue_t *q);
void otlp_queue_done(otlp_queue_t *q, otlp_batch_t *b);
/* The exporter: waits until then, and no longer than the end. True: before that, because records are dropped now, which
 * is to be told. *ends: the end is known, and is nothing to be woken for; set here. */
bool otlp_queue_pause(otlp_queue_t *q, int64_t until_us, bool *ends);
/* The exporter: what is left is dropped. */
void otlp_queue_drop(otlp_queue_t *q);
uint64_t otlp_queue_dropped(otlp_queue_t *q); /* any thread */
int64_t otlp_queue_end_us(otlp_queue_t *q);   /* any thread */

/* --- otlp_answer.c: any thread ------------------------------------------------------------------------------------ */
typedef struct otlp_reply {
    int status; /* HTTP's */
    hg_str_t content_type, body;
    hg_str_t grpc_status, grpc_message, grpc_details; /* headers or trailers; p NULL: absent */
    uint64_t retry_after_ms;                          /* 0: not told */
} otlp_reply_t;

typedef enum { OTLP_TAKEN, OTLP_AGAIN, OTLP_REFUSED } otlp_verdict_t;

typedef struct otlp_answer {
    otlp_verdict_t verdict;
    uint64_t rejected; /* TAKEN: records that were left out */
    uint64_t wait_ms;  /* AGAIN: not before; 0: not told */
    hg_err_t why;      /* code 0: nothing to be told */
} otlp_answer_t;

void otlp_judge(hg_otlp_transport_t transport, const otlp_reply_t *reply, otlp_answer_t *ret);

/* --- otlp_env.c --------------------------------------------------------------------------------------------------- */
typedef struct otlp_env {
    const char **headers; /* "name: value", NULL-ended */
    otlp_pair_t *resource;
    uint32_t n_resource;
    uint64_t timeout_ms; /* of a request */
    const char *ca_file; /* NULL: the system's */
} otlp_env_t;

/* Any thread. What the variables say, and defaults for the rest; lives in the arena. HG_EINVAL names the variable, and
 * no value: these are credentials. */
int otlp_env_read(const char *const *env, hg_arena_t *a, otlp_env_t *ret, hg_err_t *err);

#endif
