/* pipeline_int.h: the inside of a pipeline, shared by the files of this folder.
 *
 * Who may touch what:
 *   control loop    orch, state, endpoints' making and closing
 *   circuit thread  circuit, sinks
 *   any thread, under `lock`: the endpoint arrays (growing), `in`/`out` pointers, completion marks, the first error
 *   any thread, atomics: paused, reason, running, counters
 */
#ifndef HG_PIPELINE_PIPELINE_INT_H
#define HG_PIPELINE_PIPELINE_INT_H

#include "base/list.h"
#include "base/strmap.h"
#include "engine/circuit.h"
#include "orchestrator/orch.h"
#include "pipeline/pipeline.h"
#include <pthread.h>

/* One input or output, configured or made by an HTTP request. */
typedef struct endpoint {
    hg_pipeline_t *p;
    bool input;
    uint32_t id; /* index in p->inputs or p->outputs */
    uint32_t relation;
    const hg_conn_spec_t *spec; /* NULL: made by a request */
    char *name, *stream;
    hg_input_t *in;
    hg_output_t *out;
    hg_arena_t *arena;       /* format configuration of endpoints made by a request */
    const char *format_text; /* push: format and its configuration, as in its name's hash; in arena */
    bool push, tap, backpressure, resumable;
    uint64_t life;                   /* output: hg_output_life */
    bool fresh;                      /* not as in the checkpoint: it starts as configured */
    const hg_json_t *saved_position; /* input: where it goes on after a restart, or NULL; until the first checkpoint */
    bool closed;                     /* host said closed */
    bool closing;                    /* it was told to close */
    bool reopen;                     /* DO_OPEN came while closing */
    bool retiring;                   /* its next instance is being made */
    /* Input, control loop; changes under lock. Where the instance begins that will be opened next, JSON, "" = as
     * configured; NULL: where this one is. restored: this one has been given it and was not opened yet. */
    char *next_position;
    bool restored;
    /* After a restart: saved_position was set by the user, behind the checkpoint and this step; base_position is that
     * of the checkpoint. */
    bool by_user;
    uint64_t word_step;
    const hg_json_t *base_position;
    struct move *move;  /* its position is being set: move.c */
    const char *change; /* what the user did last to its position: "set", "reset", "rerun", or NULL; under lock */
    int64_t change_us;
    uint64_t change_records; /* `processed` then; control loop */
    bool gone;               /* a tap that has been freed: the slot is free */
    hg_output_t *retired;    /* failed, replaced by `out`, not closed yet: reopen_output.c */
    bool again;              /* started again, as soon as it can be replaced; control loop */
    unsigned renewals;       /* of this output without being asked, since it last got on; control loop */
    uint64_t renewed_at;     /* what it had delivered then */
    bool attached;           /* a tap that the circuit feeds: the steps after since_step */
    uint64_t since_step;
    atomic_bool paused;         /* Feldera's bit */
    int64_t since_us;           /* outputs: the user's last word, 0 = none yet; control loop */
    _Atomic int reason;         /* hg_orch_reason_t */
    _Atomic uint64_t processed; /* records in finished steps: circuit thread writes */
    /* Completion: after step marks[i].step, marks[i].count records of this endpoint were processed. Not yet completed
     * steps only. */
    struct mark *marks;
    uint32_t n_marks, cap_marks;
    uint64_t done_count, done_step; /* the newest mark whose step is completed */
    hg_latency_sum_t *completion;   /* from read to completed, one sample per step; NULL: none yet */
} endpoint_t;

typedef struct mark {
    uint64_t step, count;
    int64_t at_us; /* of an endpoint: when the first of the step's records was read; of a step: when it was over, or,
                      once it is settled, completed */
} mark_t;

/* A command for the circuit thread: fn runs between steps. */
typedef struct circuit_cmd {
    struct circuit_cmd *next;
    void (*fn)(hg_pipeline_t *p, void *arg);
    void *arg;
} circuit_cmd_t;

/* Where the deltas of a relation go. Circuit thread. */
typedef struct sink {
    uint32_t relation;
    hg_output_t *out;
    hg_snap_t *snap; /* initial content that is still to be pushed, or NULL */
    bool snap_asked; /* to begin before the next step */
    uint64_t cursor;
    bool lossy;          /* the subscriber holds up nobody */
    bool late;           /* it came, or begins afresh, inside the transaction that is open: it gets nothing of that */
    const uint32_t *key; /* columns of the output's index, or none */
    uint32_t n_key;
    bool tap;           /* snap goes to a change stream */
    uint64_t snap_step; /* it is as of this step */
} sink_t;

typedef enum { ST_AWAITING, ST_BOOTSTRAPPING, ST_RUNNING, ST_DRAINING, ST_CLOSING, ST_STOPPED } life_state_t;
/* Bootstrapping beside the steps (fill.h) has three of its own; inputs run in all of them, in CUTOVER they are held up.
 * FINALIZING: until the state of the new program is durable. */
enum {
    HG_PHASE_LIVE,
    HG_PHASE_AWAITING,
    HG_PHASE_BOOTSTRAPPING,
    HG_PHASE_CONCURRENT,
    HG_PHASE_CUTOVER,
    HG_PHASE_FINALIZING
};

struct hg_pipeline {
    char *name;
    struct hg_durable *durable; /* durable_int.h; NULL: nothing is kept */
    struct hg_txn *txn;         /* transaction.h */
    hg_program_t *prog;
    hg_runtime_config_t cfg;
    hg_loop_t *control;
    hg_host_t *host;
    hg_orch_t *orch;
    hg_pipeline_opts_t opts;
    hg_hashkey_t hashkey;
    uint64_t owner; /* of what outputs leave in their sinks: which pipeline of this name it is */
    char incarnation[37];
    int64_t start_us;
    atomic_bool running;
    atomic_bool replaying;          /* replay.h; the orchestrator has not begun. Control loop writes */
    void (*on_replayed)(void *arg); /* control loop; or NULL */
    void *on_replayed_arg;
    life_state_t life;
    _Atomic int phase;          /* for any thread: HG_PHASE_… */
    struct hg_filling *filling; /* fill.h; from bootstrapping on */
    hg_err_t failure;           /* code 0 = none */
    uv_timer_t timer;           /* draining and closing */
    bool timer_open;
    bool drain_outputs, outputs_stopped, taps_cut; /* closing: control loop */
    int64_t stop_us;                               /* when it began: hg_mono_us */
    atomic_bool closing;                           /* set before the queues are looked at for the last time */

    pthread_mutex_t lock;
    endpoint_t **inputs, **outputs;
    uint32_t n_inputs, n_outputs;
    hg_strmap_t input_names, output_names; /* endpoint name → index */
    uint32_t swapping;                     /* failed outputs being replaced: control loop */
    uint32_t retiring;                     /* inputs being made anew: control loop */
    uint32_t moves;                        /* inputs whose position is being set: control loop */
    uint32_t open_inputs, open_outputs;    /* host objects not yet closed: control loop */
    mark_t *marks;                         /* step → processed records, not yet completed steps */
    uint32_t n_marks, cap_marks;
    uint64_t completed_step, completed_records;
    uint64_t gone_records, gone_bytes; /* of inputs of earlier runs that are no more; constant */

    /* circuit thread */
    bool broken;     /* a step failed: there are no more */
    bool fills;      /* fill.h: views are being filled */
    bool awaits;     /* begin.c: they will be: no step before that */
    bool off_record; /* begin.c: steps are not journaled; */
    bool ungated;    /* outputs do not wait until they are durable */
    hg_circuit_t *circuit;
    pthread_t thread;
    bool thread_started;
    pthread_mutex_t cmd_lock; /* guards the fields down to `quit` */
    pthread_cond_t cmd_cond;
    circuit_cmd_t *cmd_head, *cmd_tail;
    circuit_cmd_t *later; /* circuit thread */
    bool woken, step_wanted, quit;
    sink_t *sinks;
    uint32_t n_sinks, cap_sinks;
    bool *want;
    hg_delta_t *deltas;
    struct hg_history *history; /* history.h */
    double row_ns;              /* measured time of a row in a step, smoothed */
    _Atomic uint64_t steps, processed_records, processed_bytes, inserted_records, stall_since_us,
        stalled_us /* before */, circuit_busy_us;
    _Atomic uint64_t late_records; /* dropped because of LATENESS, since the start: circuit thread writes */
    _Atomic uint32_t queries;      /* ad-hoc queries that may need the circuit; grows under lock, while !no_queries */
    atomic_bool no_queries;        /* stopping; set under lock */
    hg_list_t query_list;          /* under lock */
};

/* circuit_thread.c */
void hg_circuit_thread_init(hg_pipeline_t *p); /* first of all: pool threads wake the circuit while state is restored */
int hg_circuit_thread_start(hg_pipeline_t *p, hg_err_t *err);
void hg_circuit_thread_stop(hg_pipeline_t *p);                                          /* joins */
void hg_circuit_post(hg_pipeline_t *p, void (*fn)(hg_pipeline_t *, void *), void *arg); /* any thread */
void hg_circuit_wake(void *p);                                                          /* any thread */
void hg_circuit_request_step(hg_pipeline_t *p);                                         /* any thread */
void hg_circuit_attach(hg_pipeline_t *p, uint32_t relation, hg_output_t *out);          /* circuit thread */
void hg_circuit_detach(hg_pipeline_t *p, hg_output_t *out);                             /* circuit thread */
void hg_circuit_wants(hg_pipeline_t *p); /* circuit thread, or before it runs: who takes changes may have changed */
/* Circuit thread: one step with rows of an ad-hoc INSERT (borrowed). */
int hg_circuit_insert(hg_pipeline_t *p, uint32_t relation, hg_change_t *change, hg_err_t *err);
/* Circuit thread, replay: a step that the journal has; change: rows of an INSERT, or NULL. */
int hg_circuit_redo(hg_pipeline_t *p, uint64_t number, int64_t now_us, hg_chunk_t *const *chunks, uint32_t n,
                    uint32_t relation, hg_change_t *change, hg_err_t *err);
/* Rows of an INSERT as a change: takes the reference; with key hashes. NULL: out of memory. Any thread. */
hg_change_t *hg_insert_change(const hg_pipeline_t *p, const hg_schema_t *s, hg_batch_t *rows, hg_err_t *err);

/* Circuit thread: does an output, or a snapshot on its way to one, hold up the steps? It wakes the circuit when not. */
bool hg_circuit_full(hg_pipeline_t *p);
bool hg_circuit_outputs_full(hg_pipeline_t *p); /* the same without what a transaction has to say */
/* Circuit thread, inside a command: run fn when the circuit is woken next. */
void hg_circuit_later(hg_pipeline_t *p, void (*fn)(hg_pipeline_t *, void *), void *arg);

/* Circuit thread: the sink of old is next's. */
void hg_sink_replace(hg_pipeline_t *p, const hg_output_t *old, hg_output_t *next);

/* reopen_output.c: control loop. Nothing happens unless the output has failed. */
int hg_endpoint_output_again(endpoint_t *ep, hg_err_t *err);
void hg_endpoint_output_paused(endpoint_t *ep, bool paused); /* before it is started */
bool hg_endpoint_output_closed(endpoint_t *ep);              /* true: it was the replaced one */
void hg_endpoint_output_failed(endpoint_t *ep, const hg_err_t *cause);
void hg_outputs_again(hg_pipeline_t *p); /* those that had to wait */

/* Circuit thread: a step is applied: it is counted, and p->deltas go to the outputs. */
int hg_circuit_stepped(hg_pipeline_t *p, uint64_t number, hg_chunk_t *const *chunks, uint32_t n_chunks,
                       uint64_t inserted, hg_err_t *err);

/* Circuit thread: a step that took nothing and whose changes are handed out otherwise is counted. */
void hg_circuit_count_step(hg_pipeline_t *p, uint64_t number);

/* Circuit thread: where steps are recorded; NULL: they are not, or not now. */
struct hg_journal *hg_circuit_journal(const hg_pipeline_t *p);

/* begin.c */
void hg_pipeline_begin(hg_pipeline_t *p); /* control loop: everything is made */
/* Any thread. Are views computed while inputs run, or their state not durable yet? */
bool hg_pipeline_concurrent(const hg_pipeline_t *p);

/* snapshot.c: circuit thread */
/* Behind hg_circuit_attach of the same output: it gets the relation's content first. */
void hg_sink_snapshot_begin(hg_pipeline_t *p, hg_output_t *out, bool backpressure);
/* Before the circuit's thread runs: a configured output begins with the relation's content. */
void hg_sink_snapshot_ask(hg_pipeline_t *p, const hg_output_t *out);
void hg_snapshots_begin(hg_pipeline_t *p); /* those that were asked for, with the state as it is now */
/* Is there a first content that the output's sink has not confirmed as a whole? */
bool hg_sink_snapshot_owed(const hg_pipeline_t *p, const hg_output_t *out);
void hg_sink_snapshot_drop(sink_t *s);
int hg_snapshots_feed(hg_pipeline_t *p, hg_err_t *err); /* as far as the outputs have room */
int hg_sink_snapshot_finish(hg_pipeline_t *p, sink_t *s, hg_err_t *err);

/* pipeline.c */
endpoint_t *hg_pipeline_find(hg_pipeline_t *p, hg_str_t name, bool input);                  /* under lock */
void hg_pipeline_feed(hg_pipeline_t *p, hg_orch_ev_kind_t kind, uint32_t conn, uint64_t n); /* control loop */
void hg_pipeline_obey(hg_pipeline_t *p); /* control loop: what the orchestrator wants done */
endpoint_t *hg_pipeline_add_endpoint(hg_pipeline_t *p, bool input, const char *name,
                                     uint32_t relation); /* control loop */
/* A change stream of a request: it gets the slot of one that is gone, if there is one. */
uint32_t hg_pipeline_tap_slot(const hg_pipeline_t *p);                                  /* control loop */
endpoint_t *hg_pipeline_add_tap(hg_pipeline_t *p, const char *name, uint32_t relation); /* control loop */
void hg_pipeline_fail(hg_pipeline_t *p, const hg_err_t *err); /* any thread: evaluation error */
void hg_pipeline_replayed(hg_pipeline_t *p);                  /* control loop: now as after any start */
/* Control loop. The endpoint's old instance is closed and nobody holds a chunk of it: a new one at that position
 * (empty: as configured), not opened yet. */
int hg_endpoint_renew(endpoint_t *ep, hg_str_t position, hg_err_t *err);
/* Before it is opened: position is JSON. */
int hg_endpoint_restore(endpoint_t *ep, hg_str_t position, hg_err_t *err);
/* push_endpoint.c, control loop. The lasting endpoint of that name for HTTP pushes, made and open; format: "name
 * {options}". */
int hg_push_endpoint(hg_pipeline_t *p, const char *name, uint32_t relation, hg_str_t format, endpoint_t **ret,
                     hg_err_t *err);
int hg_pipeline_relation(const hg_pipeline_t *p, hg_str_t sql_name); /* SQL identifier → index, or -1; any thread */
void hg_pipeline_table_env(const hg_pipeline_t *p, uint32_t relation, hg_table_env_t *ret);

void hg_pipeline_input_failed(hg_pipeline_t *p, uint32_t conn, const hg_err_t *err); /* control loop */
void hg_pipeline_maybe_stopped(hg_pipeline_t *p); /* control loop: something has ended that the end waits for */

/* reopen.c: instances of inputs come and go; control loop */
void hg_endpoint_open(endpoint_t *ep);
void hg_endpoint_close(endpoint_t *ep);
void hg_endpoint_closed(endpoint_t *ep); /* the host said so */

/* query.c; any thread: end what runs, refuse what comes. */
void hg_queries_cancel(hg_pipeline_t *p);

/* tokens.c: under p->lock */
void hg_marks_step(hg_pipeline_t *p, uint64_t step, uint64_t processed_total);
void hg_marks_endpoint(endpoint_t *ep, uint64_t step, uint64_t count, int64_t read_us);
void hg_marks_settle(hg_pipeline_t *p); /* recompute completed_step and drop marks behind it */

#endif
