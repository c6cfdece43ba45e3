/* pipeline.h: one running pipeline: connectors → circuit → outputs, steered by the orchestrator.
 *
 * Threads (docs/ARCHITECTURE.md has the table): the control loop owns this object's life, the orchestrator and all
 * commands to endpoints; the circuit thread steps; I/O loops and the pool belong to the host. Functions here run on the
 * control loop unless they say "any thread".
 */
#ifndef HG_PIPELINE_PIPELINE_H
#define HG_PIPELINE_PIPELINE_H

#include "compile/compile.h"
#include "connectors/host/host.h"

typedef struct hg_pipeline hg_pipeline_t;

/* What runtime_config says (rest-api §2.7), as far as it has an effect here. */
typedef struct hg_runtime_config {
    uint32_t workers;
    uint64_t min_batch_size_records, max_buffering_delay_usecs;
    uint64_t max_rss_mb; /* 0 = no limit; told in the metrics, bounds fill.c, else not enforced */
    uint64_t queue_mib;  /* dev_tweaks.headgate.queue_mib */
    uint32_t io_loops;   /* dev_tweaks.headgate.io_loops */
    uint64_t query_mem_mib;
    uint64_t change_stream_mib, change_stream_secs; /* dev_tweaks.headgate: history.h */
    const hg_json_t *restart;                       /* dev_tweaks.headgate.restart: the manager's */
    const hg_json_t *liveness;                      /* dev_tweaks.headgate.liveness: the manager's */
    bool storage;                                   /* state may be kept on disk */
    hg_ft_t ft;                                     /* fault_tolerance.model */
    uint64_t checkpoint_interval_secs;              /* 0 = only when asked */
    bool checkpoint_during_suspend;
    const struct hg_remote_cfg *sync; /* storage.backend.config.sync (remote.h); NULL: none */
} hg_runtime_config_t;

/* Any thread. obj may be NULL (all defaults). Unknown members are ignored with a log line; a wrong type is HG_EINVAL.
 */
int hg_runtime_config_parse(const hg_json_t *obj, hg_arena_t *a, hg_runtime_config_t *ret, hg_err_t *err);

/* What happens if the program is not the one whose state the checkpoint holds (sql §8). */
typedef enum { HG_BOOTSTRAP_AWAIT, HG_BOOTSTRAP_ALLOW, HG_BOOTSTRAP_REJECT } hg_bootstrap_policy_t;

typedef struct hg_bootstrap_opts {
    hg_bootstrap_policy_t policy;
    bool silent; /* outputs get nothing of what is computed anew */
    bool concurrent;
} hg_bootstrap_opts_t;

typedef struct hg_pipeline_opts {
    const char *name;
    const char *id;        /* of the pipeline, the same after a clear; NULL: its state stands for it */
    hg_program_t *program; /* ok; the pipeline takes it over */
    hg_runtime_config_t config;
    hg_loop_t *control;
    bool running;            /* initial state */
    const char *storage_dir; /* checkpoints; NULL = nothing is kept */
    hg_bootstrap_opts_t bootstrap;
    /* Control loop. A connector's state or reason changed; activated: because its labels finished. May be NULL. */
    void (*on_change)(void *arg, uint32_t input, hg_orch_reason_t reason);
    /* Control loop, once: an evaluation error ended the pipeline (err), or hg_pipeline_stop is done (err->code 0).
     * Every output is closed by then; hg_pipeline_free may be called from here by hg_loop_post. */
    void (*on_stopped)(void *arg, const hg_err_t *err);
    void *arg;
} hg_pipeline_opts_t;

/* Makes everything, starts the circuit thread and the outputs, opens inputs. Configuration mistakes that only show now
 * are refused here; nothing is left behind then. */
int hg_pipeline_new(const hg_pipeline_opts_t *opts, hg_pipeline_t **ret, hg_err_t *err);
void hg_pipeline_free(hg_pipeline_t *p); /* after on_stopped */

/* Any thread, no loop: a pipeline that never runs, to look at what the next start would go on from. It has inputs
 * without instances and no circuit; opts: name, program, config and storage_dir (NULL: nothing is kept). */
int hg_pipeline_look(const hg_pipeline_opts_t *opts, hg_pipeline_t **ret, hg_err_t *err);
void hg_pipeline_look_free(hg_pipeline_t *p); /* the program too */

void hg_pipeline_run(hg_pipeline_t *p, bool running); /* Running or Paused */
bool hg_pipeline_running(const hg_pipeline_t *p);     /* any thread */
/* drain: hold the inputs, step what is buffered, deliver every output, take a checkpoint where state is kept, then end.
 * Else at once. */
void hg_pipeline_stop(hg_pipeline_t *p, bool drain);

/* Go on with the changed program. HG_ETRANSITION: it does not wait for that. */
int hg_pipeline_approve(hg_pipeline_t *p, bool silent, bool concurrent, hg_err_t *err);

/* The user's start / pause of a connector by endpoint name. HG_EUNKNOWNINPUT, HG_EUNKNOWNOUTPUT; else said(arg, NULL)
 * follows once, maybe before this returns: when a restart would know of it, or said(arg, why it would not yet). */
int hg_pipeline_connector(hg_pipeline_t *p, hg_str_t endpoint, bool input, bool start,
                          void (*said)(void *arg, const hg_err_t *err), void *arg, hg_err_t *err);

/* Where an input connector goes on: asked for, set, and a finished one run again (move.h tells how). done comes on the
 * control loop, maybe before the call returns. position: JSON that hg_position_check has seen; empty = as configured.
 * wait: those that wait for the connector wait again. HG_EUNKNOWNINPUT, HG_EUNSUPPORTED, HG_EBUSY: it runs, or has not
 * finished. The answer of _get is an object (docs/positions.md), empty with an error. */
typedef void (*hg_moved_fn)(void *arg, const hg_err_t *err);
void hg_pipeline_position_get(hg_pipeline_t *p, hg_str_t endpoint,
                              void (*done)(void *arg, hg_str_t json, const hg_err_t *err), void *arg);
void hg_pipeline_position_set(hg_pipeline_t *p, hg_str_t endpoint, hg_str_t position, hg_moved_fn done, void *arg);
void hg_pipeline_rerun(hg_pipeline_t *p, hg_str_t endpoint, bool wait, hg_moved_fn done, void *arg);

/* --- any thread --- */
/* Feldera's runtime status: AwaitingApproval, Bootstrapping, ConcurrentBootstrapping, Synchronizing, Replaying, Running
 * or Paused. */
const char *hg_pipeline_status(const hg_pipeline_t *p);
/* 0 when everything is served; HG_EAPPROVAL, HG_EBOOTSTRAP. */
int hg_pipeline_ready(const hg_pipeline_t *p, hg_err_t *err);
/* The same for what is possible while views are computed beside the steps: inputs and outputs run, changes are
 * followed, queries answered; */
int hg_pipeline_flows(const hg_pipeline_t *p, hg_err_t *err);
/* rows that are pushed and inserted are taken; */
int hg_pipeline_takes(const hg_pipeline_t *p, hg_err_t *err);
/* the relation's contents are complete. */
int hg_pipeline_readable(const hg_pipeline_t *p, uint32_t relation, hg_err_t *err);
/* The members of the stats that tell how far it is with that. */
void hg_pipeline_bootstrap_json(const hg_pipeline_t *p, hg_jw_t *w);
/* {"approval_diff": …} or {"reason": …} while there is something to say. */
void hg_pipeline_details_json(const hg_pipeline_t *p, hg_jw_t *w);
const hg_program_t *hg_pipeline_program(const hg_pipeline_t *p);
hg_host_t *hg_pipeline_host(hg_pipeline_t *p);
const char *hg_pipeline_incarnation(const hg_pipeline_t *p);

typedef struct hg_pipeline_totals {
    uint64_t input_records, input_bytes, buffered_records, buffered_bytes, processed_records, processed_bytes,
        completed_records;
    uint64_t initiated_steps, completed_steps, errors, output_stall_msecs /* now */, output_stalled_msecs /* ever */,
        output_records;
    bool complete;
} hg_pipeline_totals_t;
void hg_pipeline_totals(hg_pipeline_t *p, hg_pipeline_totals_t *ret);
/* Has a configured connector failed for good? Then the first one's name and reason go to `why`. */
bool hg_pipeline_failed(hg_pipeline_t *p, char *why, size_t cap);

/* ControllerStatus (rest-api §5). errors: with the error lists. */
void hg_pipeline_stats_json(hg_pipeline_t *p, bool errors, hg_jw_t *w);
/* One endpoint with its error lists. HG_EUNKNOWNINPUT, HG_EUNKNOWNOUTPUT. */
int hg_pipeline_endpoint_json(hg_pipeline_t *p, hg_str_t endpoint, bool input, hg_jw_t *w, hg_err_t *err);
void hg_pipeline_metrics(hg_pipeline_t *p, bool json, hg_buf_t *out); /* Prometheus text, or Feldera's JSON */

/* Any thread: time, rows and memory of each table and view. */
void hg_pipeline_profile_json(hg_pipeline_t *p, hg_jw_t *w);

/* Checkpoints (rest-api §6.7). Control loop. HG_ENOSTORAGE, or HG_ESUSPEND with what stands in the way. */
int hg_pipeline_checkpoint(hg_pipeline_t *p, uint64_t *ret_number, hg_err_t *err);
void hg_pipeline_checkpoint_status(hg_pipeline_t *p, hg_jw_t *w); /* {"success", "failure"} */
/* Any thread: {"suspendable", "reasons"}. */
void hg_pipeline_suspendable_json(const hg_pipeline_t *p, hg_jw_t *w);
/* Any thread: number of the newest checkpoint, 0 = none. */
uint64_t hg_pipeline_checkpoint_number(const hg_pipeline_t *p);
/* Is state kept, and can every input go on where it was? suspend: at a graceful stop, which may have to wait. */
int hg_pipeline_can_checkpoint(const hg_pipeline_t *p, hg_err_t *err);
int hg_pipeline_can_suspend(const hg_pipeline_t *p, hg_err_t *err);

/* Completion tokens (rest-api §6.5). */
int hg_pipeline_token(hg_pipeline_t *p, hg_str_t endpoint, hg_buf_t *out, hg_err_t *err);
int hg_pipeline_token_status(hg_pipeline_t *p, hg_str_t token, bool *ret_complete, uint64_t *ret_step, hg_err_t *err);

/* --- control loop --- */
void hg_pipeline_orchestration_json(hg_pipeline_t *p, hg_jw_t *w);
/* {"text": "price.live is paused: waiting for …", "state", "reason", "blockers": […], …} as ux.md words it. */
int hg_pipeline_why_json(hg_pipeline_t *p, hg_str_t endpoint, hg_jw_t *w, hg_err_t *err);
/* The same for an output: its reason is running, user or failed. */
int hg_pipeline_why_output_json(hg_pipeline_t *p, hg_str_t endpoint, hg_jw_t *w, hg_err_t *err);

#endif
