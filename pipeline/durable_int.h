/* durable_int.h: what makes a pipeline survive: checkpoints, the log of events, resuming; pipeline-internal.
 *
 *   events.c      what users and the orchestrator decide between two checkpoints, synced one by one
 *   checkpoint.c  the consistent cut, gathering what belongs to it, the manifest
 *   suspend.c     what stands in the way of one, and the list of them, for people
 *   resume.c      from a manifest and the logs back to a pipeline
 *   journal.h     what the circuit did since the checkpoint; replay.h: the same again after a restart
 *
 * Threads: everything here runs on the control loop, except what says otherwise. Disk work runs on one thread of its
 * own
 * (`disk`), in the order in which it was asked for.
 *
 * Why a cut is consistent. The orchestrator's state is saved first (control loop), then the circuit cuts between two
 * steps and notes what each input has consumed. What happens between the two moments is only ever *further* in
 * positions and tables than in the orchestrator's state: a backfill that ended meanwhile is opened again at its end and
 * ends at once; a connector that was activated meanwhile waits again for that, and goes on behind what it has read.
 * Nothing is lost or read twice. A connector made to run again, or a position set by hand, between the two moments
 * would not fit: no checkpoint begins while one of them is on its way to the log (move.h).
 */
#ifndef HG_PIPELINE_DURABLE_INT_H
#define HG_PIPELINE_DURABLE_INT_H

#include "engine/state.h"
#include "pipeline/pipeline_int.h"
#include "pipeline/program_diff.h"
#include "pipeline/storage.h"
#include "pipeline/usage.h"

typedef struct ckpt ckpt_t; /* one checkpoint on its way: checkpoint.c */
struct hg_journal;
struct hg_jreplay;

typedef struct hg_durable {
    hg_pipeline_t *p;
    hg_storage_t *storage; /* disk thread, once the pipeline runs */
    hg_pool_t *disk;
    _Atomic uint64_t number;       /* of the newest checkpoint; written on the control loop */
    char uuid[37];                 /* and its uuid, "" = there is none */
    struct hg_remote *remote;      /* remote.h; NULL: checkpoints go nowhere */
    hg_usage_t usage;              /* the newest checkpoint's bytes; p->lock */
    _Atomic int64_t busy_since_us; /* one is being taken: µs since 1970, 0 = none; written on the control loop */
    uint64_t step;                 /* of the checkpoint that was resumed from */
    uint64_t log_number;           /* of the logs that were written last when the folder was opened */

    /* events.c */
    hg_framelog_t *events; /* disk thread */
    hg_list_t event_queue; /* waiting for the disk thread, in order */
    bool event_busy;
    char event_error[512]; /* why the last try failed; "" = all is well */
    uv_timer_t event_timer;

    /* checkpoint.c */
    uv_timer_t timer; /* interval, and the patience with outputs */
    unsigned handles; /* timers that are not closed yet */
    ckpt_t *ck;
    bool wanted;          /* one more as soon as this one is done */
    unsigned held;        /* positions on their way to the log, outputs being replaced: none begins */
    uint64_t asked, done; /* sequence numbers within this incarnation: of the last request, of the last success */
    uint64_t failed;      /* sequence number of the last failure, 0 = none */
    int64_t failed_us;
    char failure[512];
    int64_t started_us;
    bool closing;
    void (*on_suspended)(hg_pipeline_t *p, const hg_err_t *err); /* once: somebody waits for this checkpoint */
    uint64_t program_hash;
    uint64_t *definitions;  /* per relation */
    hg_program_diff_t diff; /* from the checkpoint to the program; without a checkpoint all of it is NULL */
    uint64_t next_number;
    int64_t initial_start_us;

    struct hg_journal *journal; /* with fault tolerance */
    struct hg_jreplay *replay;  /* what a start found in the journal; NULL: nothing */

    /* resume.c */
    hg_arena_t *arena; /* of what the logs say */
} hg_durable_t;

/* resume.c. Can every configured input keep this promise? Names one that cannot. */
int hg_durable_check_inputs(const hg_pipeline_t *p, hg_ft_t level, hg_err_t *err);
/* Can what runtime_config asks for be had at all? */
int hg_durable_check_level(const hg_pipeline_t *p, const char *dir, hg_err_t *err);
/* Before the circuit is made: opens the folder; gives p its hash key, step number and counters. */
int hg_durable_open(hg_pipeline_t *p, const char *dir, uint64_t below, hg_err_t *err);
/* Behind it, with fault tolerance: what the journal has beyond the checkpoint; its hash key, if there is no checkpoint.
 */
int hg_durable_open_journal(hg_pipeline_t *p, hg_err_t *err);
/* After the circuit was made, before its thread runs. */
int hg_durable_restore_circuit(hg_pipeline_t *p, hg_err_t *err);
/* After endpoints were made, before they are opened: positions, the orchestrator's facts, outputs' progress. */
int hg_durable_restore_endpoints(hg_pipeline_t *p, hg_err_t *err);
/* Instead of the three: what the next start would go on from, with p->orch and p->inputs, which have no instances. */
int hg_durable_look(hg_pipeline_t *p, const char *dir, hg_err_t *err);
/* Makes it possible to write: the log of events, checkpoints. */
void hg_durable_start(hg_pipeline_t *p);
/* All timers closed → hg_durable_closed(p) is true; then free. */
void hg_durable_close(hg_pipeline_t *p);
bool hg_durable_closed(const hg_pipeline_t *p);
void hg_durable_free(hg_durable_t *d);
const char *hg_ft_name(hg_ft_t ft);
/* Types of a relation's columns, for blocks; hg_free. */
const hg_type_t **hg_relation_types(const hg_pipeline_t *p, uint32_t relation, uint32_t *ret_n);
/* begin.c, after hg_durable_open. May a start go on with a program that differs so from the checkpoint's?
 * HG_ENOBOOTSTRAP: it is not possible; HG_EREJECTED: the policy forbids it. */
int hg_bootstrap_check(const hg_pipeline_t *p, const hg_pipeline_opts_t *o, hg_err_t *err);

/* events.c. The connector's facts, and its position if `position` is not empty ("null": back to the beginning), go to
 * the log; then(p, conn, n) follows on the control loop once they are durable. Tried again until it works. then NULL:
 * nobody waits. With no storage or no fault tolerance `then` is called at once. */
void hg_event_log(hg_pipeline_t *p, uint32_t conn, hg_str_t position,
                  void (*then)(hg_pipeline_t *p, uint32_t conn, uint64_t n), uint64_t n);
/* The connector's facts go to the log; said(arg, NULL) follows once, when they are durable, or with what keeps them
 * from that for now (it is tried again all the same). */
void hg_event_facts(hg_pipeline_t *p, uint32_t conn, void (*said)(void *arg, const hg_err_t *err), void *arg);
/* The same for what the user has said about an output: it counts from behind step. */
void hg_event_output(hg_pipeline_t *p, uint32_t out, uint64_t step, void (*said)(void *arg, const hg_err_t *err),
                     void *arg);
/* The same for what a user did to a position: "set", "reset" or "rerun" (wait: its dependents wait again). position
 * empty: as configured. It counts for a connector that is configured as it is now, on a table that means what it means
 * now. Only with fault tolerance. */
void hg_event_word(hg_pipeline_t *p, uint32_t conn, const char *change, hg_str_t position, bool wait,
                   void (*then)(hg_pipeline_t *p, uint32_t conn, uint64_t n)); /* n is 0 */
/* Its text; and a record of this text in the log, while no pipeline runs on the folder (p is one to look at): any
 * thread, blocks. p is then as after reading the log. */
void hg_event_word_text(hg_pipeline_t *p, uint32_t conn, const char *change, hg_str_t position, bool wait, hg_jw_t *w);
int hg_event_append(hg_pipeline_t *p, hg_str_t text, hg_err_t *err);
/* Begins events-<number>.log behind everything logged so far. Submitted to the disk thread. */
void hg_events_rotate(hg_durable_t *d, uint64_t number);
/* Does a connector of that name start as configured (arg: the pipeline)? For hg_orch_load. */
bool hg_durable_is_fresh(void *arg, hg_str_t name);
/* Reads one log: facts into p->orch, positions into endpoints. */
int hg_events_read(hg_pipeline_t *p, const char *path, hg_err_t *err);
void hg_events_release(hg_durable_t *d);

/* owed.c. Disk thread: what ep owes of the steps up to `step` becomes a file of checkpoint `number`; its description
 * goes to w (nothing if nothing is owed), what hg_output_restore takes to state. */
int hg_owed_write(endpoint_t *ep, const char *dir, uint64_t number, uint64_t step, hg_jw_t *state, hg_jw_t *w,
                  hg_err_t *err);
/* What all outputs owe, read from disk. Only when nothing can be refused any more it goes into their queues: from then
 * on other threads work on it. */
typedef struct {
    struct hg_owed_step *v;
    uint32_t n, cap;
} hg_owed_t;
int hg_owed_read(endpoint_t *ep, const char *dir, const hg_json_t *owed, hg_owed_t *list, hg_err_t *err);
/* Before the circuit's thread runs, after hg_output_restore: into the outputs' queues again. Empties the list. */
void hg_owed_push(hg_owed_t *list);
void hg_owed_release(hg_owed_t *list);

/* suspend.c */
/* Any thread: the members suspend_error, checkpoint_activity and permanent_checkpoint_errors of the stats. */
void hg_suspend_stats(hg_pipeline_t *p, hg_jw_t *w);
/* Disk thread, or before it runs: writes the list of checkpoints. A failure is logged. */
void hg_checkpoints_list(const hg_storage_t *s);

/* checkpoint.c. Returns the request's sequence number. */
uint64_t hg_checkpoint_ask(hg_durable_t *d);
/* None begins until as many releases; what was asked for meanwhile follows then. */
void hg_checkpoint_hold(hg_durable_t *d);
void hg_checkpoint_release(hg_durable_t *d);
void hg_checkpoint_interval(hg_durable_t *d); /* (re)start the clock */
/* Give up the one that is being taken, as soon as that is possible. */
void hg_checkpoint_cancel(hg_durable_t *d);
int hg_checkpoint_files(void *arg, const hg_json_t *manifest, void (*keep)(void *, hg_str_t), void *keep_arg,
                        hg_err_t *err);

#endif
