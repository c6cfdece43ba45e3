/* runtime.h: the connectors runtime as its HTTP API and its command line see it.
 *
 *   provider ─► registry (one entry per connector) ─► orchestrator: who runs now ─► a run: plugin, loop, state
 *
 * Threads. The control loop (hg_rt_loop) owns registry, orchestrator and HTTP; everything below is its thread's unless
 * said otherwise, and nothing of it blocks. A running connector has threads of its own (iggy/runtime/source.c, sink.c),
 * connections to Iggy live on one I/O loop, what blocks otherwise (providers, state files) runs on the pool.
 *
 * Facts about a connector are kept apart: what was asked for (enabled, paused, started: the orchestrator), what its run
 * does (starting, running, stopping, none), and its last failure. The status that people see is derived from them.
 */
#ifndef HG_IGGY_RUNTIME_RUNTIME_H
#define HG_IGGY_RUNTIME_RUNTIME_H

#include "base/json.h"
#include "base/loop.h"
#include "iggy/config/config.h"

typedef struct hg_rt hg_rt_t;

/* --- life ------------------------------------------------------------------------------------------------------ */
typedef struct hg_rt_opts {
    const hg_iggy_runtime_config_t *config; /* borrowed, outlives the runtime */
    hg_iggy_notes_t notes;
    const char *program; /* of plugin host processes; NULL: this one's executable */
    /* The process is about to end, without freeing what a connector that hangs still uses; or NULL */
    void (*leaves)(void *arg);
    void *leaves_arg;
} hg_rt_opts_t;

/* The calling thread becomes the control loop's. Starts the API first, then connectors as orchestration allows; returns
 * once it was told to stop (hg_rt_stop, SIGINT, SIGTERM) and everything has ended. 0, or what kept it from starting. */
int hg_rt_run(const hg_rt_opts_t *opts, hg_err_t *err);
/* The same for a process that is nothing else: reads the file, logs to standard error. Exit code: 0 it was told to
 * stop, 1 it could not start. */
int hg_rt_process(const char *config);
/* Any thread: stop sources, then sinks, each after its batch in flight; hg_rt_run returns. Repeats are harmless. */
void hg_rt_stop(hg_rt_t *rt);

/* --- for the API ------------------------------------------------------------------------------------------------ */
hg_loop_t *hg_rt_loop(const hg_rt_t *rt);
hg_pool_t *hg_rt_pool(const hg_rt_t *rt); /* for calls that block: the provider's */
const hg_iggy_runtime_config_t *hg_rt_config(const hg_rt_t *rt);
hg_iggy_provider_t *hg_rt_provider(const hg_rt_t *rt);
int64_t hg_rt_started_us(const hg_rt_t *rt); /* wall clock */
/* The processes that plugins are in, beside this one. */
void hg_rt_plugin_memory(const hg_rt_t *rt, unsigned *ret_n, uint64_t *ret_bytes);

#define HG_RT_STATUSES(X)                                                                                              \
    X(STARTING, "starting")                                                                                            \
    X(RUNNING, "running")                                                                                              \
    X(STOPPING, "stopping")                                                                                            \
    X(STOPPED, "stopped")                                                                                              \
    X(ERROR, "error")
#define X(s, name) HG_RT_##s,
typedef enum { HG_RT_STATUSES(X) HG_RT_STATUS_N } hg_rt_status_t;
#undef X
const char *hg_rt_status_name(hg_rt_status_t s);

/* Counters of one connector, over all its runs. One writer each, any reader. */
#define HG_RT_COUNTERS(X)                                                                                              \
    X(TAKEN)     /* source: messages_produced; sink: messages_consumed */                                              \
    X(DELIVERED) /* source: messages_sent, with the server; sink: messages_processed, the plugin said yes */           \
    X(FILTERED)  /* by a transform, on purpose */                                                                      \
    X(ERRORS)                                                                                                          \
    X(DEAD_LETTERS) /* with the dead letter topic */                                                                   \
    X(SKIPPED)      /* left out by policy */                                                                           \
    X(RETRIES)      /* batches given again */                                                                          \
    X(RESTARTS)     /* after a failure, without being asked */
#define X(c) HG_RT_##c,
typedef enum { HG_RT_COUNTERS(X) HG_RT_COUNTER_N } hg_rt_counter_t;
#undef X

/* Stages of a batch, timed. PREPARE: a source's transforms and encoding; a sink's all but decoding and plugin. */
#define HG_RT_STAGES(X)                                                                                                \
    X(DECODE, "decode")                                                                                                \
    X(PREPARE, "prepare")                                                                                              \
    X(TOTAL, "total")                                                                                                  \
    X(FFI, "ffi")               /* sinks */                                                                            \
    X(IGGY_SEND, "iggy_send")   /* sources */                                                                          \
    X(STATE_SAVE, "state_save") /* sources */
#define X(s, name) HG_RT_STAGE_##s,
typedef enum { HG_RT_STAGES(X) HG_RT_STAGE_N } hg_rt_stage_t;
#undef X
const char *hg_rt_stage_name(hg_rt_stage_t s);
bool hg_rt_stage_applies(hg_rt_stage_t s, hg_iggy_kind_t kind);

/* Upper bounds in microseconds; the last bucket has none. */
#define HG_RT_BUCKETS 14
extern const uint32_t hg_rt_bucket_us[HG_RT_BUCKETS - 1]; /* 50 … 5000000 */
typedef struct hg_rt_histogram {
    uint64_t n[HG_RT_BUCKETS]; /* not cumulated */
    uint64_t count, sum_ns;
} hg_rt_histogram_t;

/* A connector as it is now. Borrowed until the control loop's next turn. */
typedef struct hg_rt_info {
    uint32_t id; /* of the plugin's instance: another one with every start; 0: it has not been opened yet */
    hg_iggy_kind_t kind;
    const char *key;
    const char *path;    /* resolved, else as configured */
    const char *version; /* the plugin's; NULL: not loaded yet */
    hg_rt_status_t status;
    const char *why;        /* why it is not running: "user", "waiting", "ended", "failed", "disabled"; NULL: it is */
    const char *last_error; /* NULL: none */
    int64_t last_error_us;
    int64_t last_batch_us;                    /* when a batch last went through; 0: none yet */
    const hg_iggy_connector_config_t *config; /* it runs with, or would. Its reference is the runtime's */
} hg_rt_info_t;

/* Sources first, then sinks, each in order of key; disabled ones too (config->enabled). An index stays what it is. */
uint32_t hg_rt_count(const hg_rt_t *rt);
uint32_t hg_rt_find(const hg_rt_t *rt, hg_iggy_kind_t kind, hg_str_t key); /* UINT32_MAX: none */
void hg_rt_info(const hg_rt_t *rt, uint32_t conn, hg_rt_info_t *ret);
uint64_t hg_rt_counter(const hg_rt_t *rt, uint32_t conn, hg_rt_counter_t c);
void hg_rt_histogram(const hg_rt_t *rt, uint32_t conn, hg_rt_stage_t s, hg_rt_histogram_t *ret);

/* START: run, whatever labels say; RESTART of a failed or ended one starts it (again). PAUSE: stop after the batch in
 * flight, until START; remembered over restarts of the process. STOP: the same, not remembered. RESTART: stop, ask the
 * provider for the active version, start with it (disabled by it: HG_EINVAL). */
typedef enum { HG_RT_DO_START, HG_RT_DO_PAUSE, HG_RT_DO_STOP, HG_RT_DO_RESTART } hg_rt_command_t;
/* done: once, on the control loop, never from within; err NULL: it is so (START, RESTART: the plugin is open and its
 * loop runs; or it now waits for what it has to). Of commands that overlap the last one wins, all are answered. */
void hg_rt_command(hg_rt_t *rt, uint32_t conn, hg_rt_command_t cmd, void (*done)(void *arg, const hg_err_t *err),
                   void *arg);

/* What waits for what: orchestrator/orch.h's JSON, a connector's name being "source/<key>" or "sink/<key>". */
void hg_rt_orchestration(const hg_rt_t *rt, hg_jw_t *w);

/* --- the API, as the runtime sees it (api.c) -------------------------------------------------------------------- */
typedef struct hg_rt_api hg_rt_api_t;
/* Binds and serves (nothing if it is switched off: *ret is NULL then). After a failure, too, what *ret has is to be
 * closed. */
int hg_rt_api_open(hg_rt_t *rt, hg_rt_api_t **ret, hg_err_t *err);
/* Answers what is in flight, then closes; closed comes later, the last call. */
void hg_rt_api_close(hg_rt_api_t *api, void (*closed)(void *arg), void *arg);

#endif
