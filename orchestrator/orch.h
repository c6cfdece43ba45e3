/* orch.h: who may read, and when. Pure logic: events in, commands out. No I/O, no clock, no thread; the same trace of
 * events gives the same commands. One owner at a time (in a pipeline: the control loop's thread).
 *
 * Facts kept apart per input connector (style: separate facts, derived state):
 *   user      what the user said last: nothing | start | pause (config "paused": true counts as pause where there is no
 *             start_after; beside start_after it adds nothing)
 *   labels    how many of the labels it waits for are unfinished; activated once they are, for good
 *   mark      none | wanted | asked | persisting | done | failed     (hand-off position)
 *   source    open | ended | failed;  buffered 0 or more
 * Derived:
 *   Running   iff the user's last word is not pause, and it is activated (nothing to wait for, labels finished, or the
 * user said start), and its mark and the marks its dependents take before it are done, and it has not ended and not
 * failed. reason    why it is not: ended | failed | user | waiting | mark, in this order of precedence.
 *
 * Marks. A connector that must mark does so at the start; the connectors it waits for are not opened (reason `mark`)
 * until that mark is durable. If marking fails they wait and say so; the host tries again. A user's start ends such a
 * wait: of a carrier, it is opened without waiting for the marks; of a marking connector whose mark failed, it runs
 * from its configured position.
 *
 * Finished = ended and nothing buffered. A label is unfinished while one connector carrying it is not finished; a
 * failed carrier stays unfinished. A connector that is waiting is activated when all its labels are finished. Per label
 * a counter of unfinished carriers, per dependent a counter of unfinished labels: an event costs O(its dependents).
 *
 * Legal events: after ADD_DONE everything; `opened` answers `open`, `marked`/`mark_failed` answer `mark`, `durable`
 * answers `persist`. Others are ignored when they do not apply (a late `buffered` of a closed connector), never an
 * error.
 *
 * Source of the rules: Feldera's connector orchestration (start_after, labels), with the differences in
 * docs/DECISIONS.md.
 */
#ifndef HG_ORCHESTRATOR_ORCH_H
#define HG_ORCHESTRATOR_ORCH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

typedef struct hg_orch hg_orch_t;

typedef enum { HG_HANDOFF_NONE, HG_HANDOFF_GAPLESS, HG_HANDOFF_OVERLAP } hg_handoff_t;

/* One input connector, as configured. Strings are copied. */
typedef struct hg_orch_conn {
    hg_str_t name;          /* endpoint name, unique: "price.hist" */
    const hg_str_t *labels; /* duplicates are harmless */
    uint32_t n_labels;
    const hg_str_t *after; /* start_after; has_after with n_after == 0 is the EmptyStartAfter error */
    uint32_t n_after;
    bool has_after;
    bool paused;        /* "paused": true */
    bool wants_mark;    /* handoff given, or start_from latest on a waiting connector */
    bool finite;        /* false: can never end; only for the warning */
    hg_pos_t pos;       /* of the connector in the program */
    hg_pos_t after_pos; /* of its start_after value */
} hg_orch_conn_t;

/* --- checking, at compile time and at start (the same code) ---
 * Complaints, all of them, in connector order. related/related_n: the loop of a cycle. */
typedef struct hg_orch_issue {
    bool warning;
    hg_code_t code; /* HG_ECYCLE, HG_EEMPTYAFTER, HG_EUNKNOWNLABEL; 0 for warnings without a code */
    uint32_t conn;  /* index into conns */
    hg_pos_t pos;
    const char *msg;        /* in the arena; for a cycle with one line per connector of the loop */
    const char *suggestion; /* the nearest label, or NULL */
    /* cycle: n_loop pairs (connector index, label it carries), starting at `conn` */
    const uint32_t *loop_conn;
    const hg_str_t *loop_label;
    uint32_t n_loop;
} hg_orch_issue_t;

/* Returns the number of issues (errors and warnings). unknown_label_warns: SET HEADGATE_UNKNOWN_LABEL = 'warn'. */
uint32_t hg_orch_check_config(hg_arena_t *a, const hg_orch_conn_t *conns, uint32_t n, bool unknown_label_warns,
                              const hg_orch_issue_t **ret);

/* --- running --- */

/* Events in. */
#define HG_ORCH_EVENTS(X)                                                                                              \
    X(OPENED)   /* the host answers `open`: configuration accepted, nothing held */                                    \
    X(ENDED)    /* end_of_input; everything read was reported as buffered before */                                    \
    X(BUFFERED) /* n: 1 = something is buffered now, 0 = nothing is */                                                 \
    X(FAILED)   /* fatal error: it stops for good, until USER_START tries again */                                     \
    X(USER_START)                                                                                                      \
    X(USER_PAUSE)                                                                                                      \
    X(RUN)         /* pipeline Running (conn is ignored) */                                                            \
    X(PAUSE)       /* pipeline Paused (conn is ignored) */                                                             \
    X(MARKED)      /* the transport has its mark */                                                                    \
    X(MARK_FAILED) /* it could not mark; the host retries and reports MARKED later */                                  \
    X(DURABLE)     /* n: token of the `persist` command that is durable now (conn is ignored) */                       \
    X(RERUN)       /* a finished connector runs again; n = 1: its dependents wait again */
#define X(e) HG_ORCH_##e,
typedef enum { HG_ORCH_EVENTS(X) HG_ORCH_EV_N } hg_orch_ev_kind_t;
#undef X

typedef struct hg_orch_ev {
    hg_orch_ev_kind_t kind;
    uint32_t conn;
    uint64_t n;
    int64_t at_us; /* when, for "since": passed through, never compared with a clock */
} hg_orch_ev_t;

/* Commands out. For one connector DO_OPEN comes first; DO_RUN and DO_HOLD alternate, DO_RUN first; neither comes after
 * it ended or failed. DO_CLOSE follows a failure (and a rerun); a later DO_OPEN makes it anew. */
#define HG_ORCH_CMDS(X)                                                                                                \
    X(DO_OPEN)    /* open it (check configuration, hold nothing) */                                                    \
    X(DO_MARK)    /* take the hand-off position now */                                                                 \
    X(DO_PERSIST) /* n = token: make the orchestrator's state (with the marks) durable, then answer DURABLE(token) */  \
    X(DO_RUN)     /* read (the host still holds it while its queue is full) */                                         \
    X(DO_HOLD)    /* stop reading */                                                                                   \
    X(DO_CLOSE)   /* failed, or about to run again: release it */                                                      \
    X(DO_REASON)  /* state or reason changed: n = hg_orch_reason_t; for stats, logs and the progress table */          \
    X(DO_ACTIVATED) /* labels finished: logged as Feldera does */
#define X(c) HG_ORCH_##c,
typedef enum { HG_ORCH_CMDS(X) HG_ORCH_CMD_N } hg_orch_cmd_kind_t;
#undef X

typedef struct hg_orch_cmd {
    hg_orch_cmd_kind_t kind;
    uint32_t conn;
    uint64_t n;
} hg_orch_cmd_t;

/* Why a connector is Paused; RUNNING = it is not. */
#define HG_ORCH_REASONS(X)                                                                                             \
    X(RUNNING, "running") X(USER, "user") X(WAITING, "waiting") X(MARK, "mark") X(FAILED_, "failed") X(ENDED_, "ende"  \
                                                                                                               "d")
#define X(r, s) HG_REASON_##r,
typedef enum { HG_ORCH_REASONS(X) HG_REASON_N } hg_orch_reason_t;
#undef X
const char *hg_orch_reason_name(hg_orch_reason_t r);

/* conns must have passed hg_orch_check_config without errors. Ids are 0..n-1 in this order. Does nothing yet. */
hg_orch_t *hg_orch_new(const hg_orch_conn_t *conns, uint32_t n);
void hg_orch_free(hg_orch_t *o);

/* Begin: emits DO_MARK / DO_OPEN for everything that may be opened. Call once, after new (or after load). */
void hg_orch_start(hg_orch_t *o, int64_t now_us);

/* Feed one event. Commands queue up inside; fetch them with hg_orch_next until it returns false. */
void hg_orch_feed(hg_orch_t *o, hg_orch_ev_t ev);
bool hg_orch_next(hg_orch_t *o, hg_orch_cmd_t *ret);

/* HTTP push, INSERT and clock endpoints come and go while running: no labels, no waiting. Returns the id. */
uint32_t hg_orch_add(hg_orch_t *o, hg_str_t name, int64_t now_us);

uint32_t hg_orch_count(const hg_orch_t *o);
uint32_t hg_orch_find(const hg_orch_t *o, hg_str_t name); /* UINT32_MAX = none; O(1) */
hg_orch_reason_t hg_orch_reason(const hg_orch_t *o, uint32_t conn);
bool hg_orch_paused(const hg_orch_t *o, uint32_t conn); /* Feldera's `paused` bit: held by the user, labels or a mark */
bool hg_orch_reading(const hg_orch_t *o, uint32_t conn); /* DO_RUN was last: pipeline and connector Running */
bool hg_orch_finished(const hg_orch_t *o, uint32_t conn);
bool hg_orch_ended(const hg_orch_t *o, uint32_t conn);
int64_t hg_orch_since(const hg_orch_t *o, uint32_t conn); /* at_us of the event that led to the present reason */

/* What a waiting connector still waits for. Calls fn per (label, unfinished carrier); `failed` marks a carrier that
 * will not finish by itself. */
void hg_orch_blockers(const hg_orch_t *o, uint32_t conn,
                      void (*fn)(void *arg, hg_str_t label, uint32_t carrier, bool failed), void *arg);

/* Nodes, edges and blockers as JSON:
 * {"connectors":[{"name","state","reason","since","labels","start_after","waiting_for":
 * [{"label","connectors":[…]}],"mark"}],"edges":[{"from","to","label"}]}. extra writes further members into node i
 * (progress, transport), may be NULL. */
void hg_orch_json(const hg_orch_t *o, hg_jw_t *w, void (*extra)(void *arg, uint32_t conn, hg_jw_t *w), void *arg);

/* State by endpoint name, as JSON with a format number: users' words, activated, ended, marks. Positions are the
 * host's. load: names that are gone are ignored, connectors that are new start fresh; call before hg_orch_start.
 * `changed(name)` tells that a connector's configuration differs from the saved one: it starts fresh. HG_EPARSE on
 * damage: nothing is changed. */
void hg_orch_save(const hg_orch_t *o, hg_jw_t *w);
int hg_orch_load(hg_orch_t *o, const hg_json_t *saved, bool (*changed)(void *arg, hg_str_t name), void *arg,
                 hg_err_t *err);

/* Debug and tests: recomputes every counter and derived state from the facts; aborts on a difference. */
void hg_orch_check(const hg_orch_t *o);

#endif
