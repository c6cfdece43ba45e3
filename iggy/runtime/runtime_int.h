/* runtime_int.h: what the files of this folder share: registry entries, runs, and the small tools of their threads. */
#ifndef HG_IGGY_RUNTIME_INT_H
#define HG_IGGY_RUNTIME_INT_H

#include "iggy/client/consumer.h"
#include "iggy/client/producer.h"
#include "iggy/plugin/plugin.h"
#include "iggy/plugin/postcard.h"
#include "iggy/runtime/runtime.h"
#include "iggy/transform/transform.h"
#include "orchestrator/orch.h"
#include <pthread.h>

#define HG_RT_REST_US 1000000 /* without a batch: a run gives back what the last ones took */

/* --- counters (stats.c): written by a run's threads, read by any --- */
typedef struct hg_rt_stats {
    _Atomic uint64_t counter[HG_RT_COUNTER_N];
    struct {
        _Atomic uint64_t n[HG_RT_BUCKETS], sum_ns;
    } stage[HG_RT_STAGE_N];
    _Atomic int64_t last_batch_us;
} hg_rt_stats_t;

void hg_rt_count_add(hg_rt_stats_t *s, hg_rt_counter_t c, uint64_t n);
void hg_rt_observe(hg_rt_stats_t *s, hg_rt_stage_t stage, int64_t ns);
int64_t hg_rt_clock_ns(void); /* monotonic */

/* --- a run: one connector from open to close, on threads of its own (run.c) --- */
typedef struct hg_run hg_run_t;

typedef enum {
    HG_RUN_OPENED,  /* the plugin is open: id, version */
    HG_RUN_READY,   /* its loop runs, connected; may come again */
    HG_RUN_TROUBLE, /* err: something does not work for now, it goes on trying */
    HG_RUN_WELL,    /* a batch went through after trouble */
    HG_RUN_EXITED,  /* how; the last one */
} hg_run_event_kind_t;

typedef enum {
    HG_RUN_STOPPED, /* as told */
    HG_RUN_ENDED,   /* the source has nothing more */
    HG_RUN_FAILED,  /* err; trying again may help */
    HG_RUN_FATAL,   /* err; it will not */
} hg_run_how_t;

typedef struct hg_run_event {
    hg_run_event_kind_t kind;
    hg_run_how_t how;
    hg_err_t err;
    char version[64];
} hg_run_event_t;

typedef struct hg_run_spec {
    hg_loop_t *io; /* of connections to Iggy */
    hg_plugins_t *plugins;
    const hg_iggy_runtime_config_t *runtime; /* outlives it */
    hg_iggy_connector_config_t *config;      /* shares: a reference is taken */
    hg_rt_stats_t *stats;                    /* outlives it */
    const char *path;                        /* resolved; copied */
    const char *identity;                    /* outlives it; NULL or "": servers know no lane again */
    uint32_t id;
    /* A thread of the run's; that it has none, EXITED, is told within hg_run_start. */
    void (*event)(void *arg, hg_run_event_t *e);
    void *arg;
} hg_run_spec_t;

hg_run_t *hg_run_start(const hg_run_spec_t *spec);
void hg_run_stop(hg_run_t *r); /* any thread, any number of times; EXITED follows */
void hg_run_kill(hg_run_t *r); /* the plugin's process, if it has one: what hangs in it ends with an error */
void hg_run_free(hg_run_t *r); /* after EXITED; joins its thread */

/* --- inside of a run --- */
/* What a run's threads wait on: whoever changes something they look at rings it. */
typedef struct hg_bell {
    pthread_mutex_t lock;
    pthread_cond_t rung; /* monotonic clock */
    bool stop;           /* told to */
    int64_t stop_us;     /* monotonic, when */
} hg_bell_t;

void hg_bell_init(hg_bell_t *b);
void hg_bell_release(hg_bell_t *b);
bool hg_bell_wait_until(hg_bell_t *b, int64_t mono_us); /* under lock; false: the time has come */
bool hg_bell_pause(hg_bell_t *b, uint64_t us);          /* takes the lock; false: told to stop meanwhile */
bool hg_bell_stopped(hg_bell_t *b);                     /* takes the lock */

struct hg_run {
    hg_run_spec_t spec;
    const hg_iggy_connector_config_t *config;
    char *path;
    hg_iggy_opts_t conn;
    pthread_t thread;
    bool has_thread;
    hg_bell_t bell;
    hg_plugin_t *plugin; /* under bell.lock, for kill */
    bool died;           /* under bell.lock: the plugin's process */
    char died_how[96];
    bool ended; /* under bell.lock: the source said so */
    hg_chain_t *chain;
    hg_codec_t **codecs;     /* one per stream */
    struct hg_rt_out **dead; /* dead letters: one per entry of [[streams]], each opened with its first */
    pthread_mutex_t dead_lock;
    _Atomic bool troubled;
    struct hg_source *source; /* under bell.lock: while it runs */
};

/* Told to the control loop. */
void hg_run_tell(hg_run_t *r, hg_run_event_kind_t kind, const hg_err_t *err);
void hg_run_well(hg_run_t *r);

/* The loop of a source, of a sink: on the run's thread, with plugin, codecs and chain open. */
hg_run_how_t hg_source_loop(hg_run_t *r, hg_err_t *err);
hg_run_how_t hg_sink_loop(hg_run_t *r, hg_err_t *err);
/* A batch from the plugin; any thread, within its event. */
int hg_source_batch(hg_run_t *r, uint64_t batch_id, hg_str_t bytes);

/* --- messages to a topic, from a thread that waits for them (out.c) --- */
typedef struct hg_rt_out hg_rt_out_t;
/* Missing streams and topics are made. Nothing is waited for; trouble is told as the run's. */
hg_rt_out_t *hg_rt_out_open(hg_run_t *r, const char *stream, const char *topic, uint32_t batch_length);
/* Until the server has confirmed all of them, in order. HG_ECANCELED: the run was told to stop and the server does not
 * answer; others: the server does not take them, some may be there. */
int hg_rt_out_send(hg_rt_out_t *o, const hg_iggy_message_t *m, uint32_t n, hg_err_t *err);
bool hg_rt_out_is_dead(hg_rt_out_t *o); /* nothing will be sent any more: the connection is refused for good */
void hg_rt_out_close(hg_rt_out_t *o);   /* waits */

/* --- dead letters (dead.c): what could not be delivered, with the reason in its headers --- */
typedef struct hg_dead {
    const char *stage; /* "decode", "transform", "encode", "consume", "send" */
    const char *reason;
    const char *stream, *topic; /* where it came from; NULL: a plugin */
    uint32_t entry;             /* of [[streams]]: where it came from, or could not go */
    uint32_t partition;
    uint64_t offset;
    uint32_t attempts;
    hg_iggy_message_t message; /* payload and headers as they came */
} hg_dead_t;
/* Run's threads. Sends n of them, each to dead_letter_topic of the configured stream or else of its entry's, and waits.
 */
int hg_rt_dead_send(hg_run_t *r, const hg_dead_t *d, uint32_t n, hg_err_t *err);
void hg_rt_dead_close(hg_run_t *r); /* waits */

/* --- headers: Iggy's wire and postcard (headers.c) --- */
/* Appends those of a message to *arr; which may grow. Kinds that postcard does not know are left out. */
typedef struct hg_rt_headers {
    hg_pc_header_t *v;
    uint32_t n, cap;
} hg_rt_headers_t;
int hg_rt_headers_from_wire(hg_rt_headers_t *to, hg_str_t wire, uint32_t *ret_n, hg_err_t *err);
/* Appends a message's headers as the wire has them. scratch: for base64. */
int hg_rt_headers_to_wire(hg_str_t raw, uint32_t n, hg_buf_t *scratch, hg_buf_t *out, hg_err_t *err);

/* --- state files (state.c) --- */
int hg_rt_state_read(const char *dir, const char *key, hg_buf_t *out, hg_err_t *err);
int hg_rt_state_write(const char *dir, const char *key, hg_str_t state, hg_err_t *err);
#define HG_RT_IDENTITY 36 /* characters */
/* What this runtime is to servers, made with the first call and the same ever after. */
int hg_rt_identity(const char *dir, char ret[HG_RT_IDENTITY + 1], hg_err_t *err);

/* --- what a sink's groups have stored, remembered beside the server (places.c) --- */
typedef struct hg_place { /* the last message that is done */
    uint64_t offset, timestamp;
    hg_u128 id;
} hg_place_t;
typedef struct hg_places hg_places_t;
/* Never NULL: what cannot be kept is logged, and nothing is remembered. One thread puts, any one gets. */
hg_places_t *hg_places_open(const char *dir, const char *key, const char *stream, const char *topic, const char *group);
void hg_places_close(hg_places_t *p); /* NULL is fine */
void hg_places_put(hg_places_t *p, uint32_t partition, const hg_place_t *place);
bool hg_places_get(const hg_places_t *p, uint32_t partition, hg_place_t *ret); /* false: nothing that can be read */

/* --- the registry (control loop) --- */
typedef struct hg_waiter {
    struct hg_waiter *next;
    bool run; /* waits until it runs; else until it does not */
    void (*done)(void *arg, const hg_err_t *err);
    void *arg;
    bool failed;
    hg_err_t err;
} hg_waiter_t;

typedef enum { HG_PHASE_NONE, HG_PHASE_STARTING, HG_PHASE_RUNNING, HG_PHASE_STOPPING } hg_phase_t;

typedef struct hg_conn {
    hg_rt_t *rt;
    uint32_t index;
    uint32_t orch; /* its number there; UINT32_MAX: it takes no part (disabled, or cannot be used) */
    char *name;    /* "source/<key>" */
    hg_iggy_connector_config_t *config, *next_config; /* next: to start with, once the run has ended */
    hg_rt_stats_t stats;

    bool wanted;   /* orchestration says run */
    bool stopped;  /* STOP, until START or RESTART */
    bool troubled; /* starting or running, but something does not work now */
    bool hangs;    /* told to stop, does not, and cannot be made to: until its run has ended after all */
    bool restarting;
    hg_phase_t phase;
    hg_run_t *run;
    uint32_t id; /* of the plugin's instance, the last one opened */
    char version[64];
    char *path; /* resolved */
    char *last_error;
    int64_t last_error_us;
    bool failed;       /* not tried again by itself */
    uint32_t attempts; /* failed in a row */
    int64_t run_began_us;
    uv_timer_t retry, deadline;
    bool retry_armed;
    unsigned handles; /* of the two, not closed yet */
    hg_waiter_t *waiters;
} hg_conn_t;

struct hg_rt {
    const hg_rt_opts_t *opts;
    const hg_iggy_runtime_config_t *config;
    hg_loop_t *loop, *io;
    hg_pool_t *pool;
    hg_iggy_provider_t *provider;
    hg_plugins_t *plugins;
    hg_orch_t *orch;
    hg_arena_t *arena;   /* of the orchestration's configuration */
    uint32_t *orch_conn; /* orchestration's number to ours */
    uint32_t n_orch;
    hg_conn_t *conns;
    uint32_t n_conns;
    uint32_t next_id;
    char identity[HG_RT_IDENTITY + 1]; /* "": it could not be kept */
    int64_t started_us;
    hg_rt_api_t *api;
    uv_signal_t sigint, sigterm;
    unsigned stops;          /* how often we were told to */
    bool saving, save_again; /* what orchestration remembers */
    bool draining_sinks, closing, closed;
    unsigned pool_calls, signals; /* that are open */
    hg_err_t *err;
    int rc;
};

/* control.c */
void hg_rt_plan(hg_rt_t *rt); /* orchestration over the registry */
void hg_rt_begin(hg_rt_t *rt);
void hg_rt_obey(hg_rt_t *rt); /* carries out what the orchestrator says */
void hg_rt_save_plan(hg_rt_t *rt);
void hg_conn_init(hg_rt_t *rt, hg_conn_t *c, uint32_t index, hg_iggy_connector_config_t *config);
void hg_conn_release(hg_conn_t *c);
void hg_conn_fail(hg_conn_t *c, const hg_err_t *err);
void hg_conn_stop(hg_conn_t *c); /* until somebody wants it again */
void hg_conn_end(hg_conn_t *c);  /* for good, its run is over: closes its timers */
/* runtime.c: a connector has come to rest; when all have, the runtime ends. */
void hg_rt_rested(hg_rt_t *rt);

#endif
