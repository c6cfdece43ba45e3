/* orch.h: who may read, and when. Pure logic: events in, commands out. No I/O, no clock, no thread; the same trace of
 * events gives the same commands. One owner at a time (in a pipeline: the control loop's thread).
 *
 * Facts kept apart per input connector (style: separate facts, derived state):
 *   user       what the user said last: nothing | start | pause (config "paused": true counts as pause where there is
 *              no start_after; beside start_after it adds nothing)
 *   activated  nothing to wait for, or its labels were all finished once since it began to wait, or the user said start
 *   mark       none | wanted | asked | failed | persisting | done     (hand-off position; settled: none or done)
 *   source     new | opening | open, ended, failed, buffered yes or no
 *
 * Derived:
 *   reason     why a connector is Paused. The first that holds: ended | failed | user (the last word is pause) |
 *              waiting (not activated) | mark (its own mark is not settled, or it is held for marks); else running
 *   held       for marks: a connector that waits for one of its labels has a mark that is not settled, and the user's
 *              last word about this one is not start
 *   reading    reason is running, and the pipeline runs, and the source is open
 *
 * Labels. Finished = ended and nothing buffered. A label is unfinished while one connector carrying it is not finished;
 * a failed carrier is unfinished, so its dependents wait and say so. A waiting connector is activated when all its
 * labels are finished; a label that nobody carries is finished from the start. Later changes of the labels do not undo
 * it, except RERUN with n = 1.
 *
 * The user. start ends the waiting of a connector, tries a failed one again, and gives up a mark that failed; it does
 * not skip a mark that is being taken. pause, before or after activation, holds until start.
 *
 * Marks. A connector that must mark is opened and marks at the start, whether or not the user or its labels hold it;
 * the connectors it waits for are held, which means they are not even opened, until that mark is durable. If marking
 * fails they stay held; the host tries again. A user's start ends such a wait: of a held connector, it is opened
 * without the marks; of a marking connector whose mark failed (before or after the word), it runs from its configured
 * position and those it waits for are held no more. Later, a mark stays done: a rerun does not take it again, and a
 * DO_OPEN after a failure does not either, so the host keeps the position for the new instance.
 *
 * Moving. While the host sets the position of a connector (MOVING) it is closed, and not opened, whatever user and
 * labels say. MOVED opens it again, at the new position: what had ended has not. Its mark stays taken: a position that
 * was set by hand takes its place.
 *
 * Cost. Per label a count of unfinished carriers and of unsettled dependents; per connector a count of unfinished
 * labels it waits for and of labels it is held for: an event costs O(its labels), and O(dependents) or O(carriers) of a
 * label only when that label turns finished, unfinished or settled. RUN and PAUSE touch every connector.
 *
 * Legal events: everything in any order. `opened` answers DO_OPEN, `marked` and `mark_failed` answer DO_MARK, `durable`
 * answers DO_PERSIST. What does not apply is ignored, never an error: buffered, ended of a connector that is not open
 * (a late word of a closed instance), a failure of one that is finished or not opened, a second answer. Before
 * hg_orch_start only the user's words and RUN/PAUSE apply.
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
 * Complaints in connector order (within one: in the order of its start_after), then the first cycle. A warning that a
 * label is carried by connectors that never end comes once per place in start_after. */
typedef struct hg_orch_issue {
    bool warning;
    hg_code_t code; /* HG_ECYCLE, HG_EEMPTYAFTER, HG_EUNKNOWNLABEL (error or warning); 0: never ends (warning) */
    uint32_t conn;  /* index into conns */
    hg_pos_t pos;
    const char *msg;        /* in the arena; one line, for a cycle in Feldera's words */
    const char *suggestion; /* the nearest label, or NULL (only looked for in the first HG_ORCH_SUGGESTIONS cases) */
    /* cycle: n_loop pairs (connector index, label it carries), starting at `conn` */
    const uint32_t *loop_conn;
    const hg_str_t *loop_label;
    uint32_t n_loop;
} hg_orch_issue_t;

#define HG_ORCH_SUGGESTIONS 64

/* Returns the number of issues (errors and warnings). unknown_label_warns: SET HEADGATE_UNKNOWN_LABEL = 'warn'. */
uint32_t hg_orch_check_config(hg_arena_t *a, const hg_orch_conn_t *conns, uint32_t n, bool unknown_label_warns,
                              const hg_orch_issue_t **ret);

/* --- running --- */

/* Events in. */
#define HG_ORCH_EVENTS(X)                                                                                              \
    X(OPENED)   /* the host answers `open`: configuration accepted, nothing held */                                    \
    X(ENDED)    /* end_of_input; everything read was reported as buffered before */                                    \
    X(BUFFERED) /* n: 1 = something is buffered now, 0 = nothing is */                                                 \
    X(FAILED)   /* fatal error: it stops for good, until USER_START tries again; what it had buffered is forgotten */  \
    X(USER_START)                                                                                                      \
    X(USER_PAUSE)                                                                                                      \
    X(RUN)         /* pipeline Running (conn is ignored) */                                                            \
    X(PAUSE)       /* pipeline Paused (conn is ignored) */                                                             \
    X(MARKED)      /* the transport has its mark */                                                                    \
    X(MARK_FAILED) /* it could not mark; the host retries and reports MARKED later */                                  \
    X(DURABLE)     /* n: token of the `persist` command that is durable now, and all before it (conn is ignored) */    \
    X(RERUN)  /* a finished connector runs again. n = 1: those that wait for it wait again, also where the user */     \
              /* had started them: this word came later. Ends its moving */                                            \
    X(MOVING) /* n = 1: its position is being set: close it; what it had buffered is forgotten. n = 0: given up */     \
    X(MOVED)  /* its position was set: it reads (again) from there. Also before hg_orch_start, from a log */
#define X(e) HG_ORCH_##e,
typedef enum { HG_ORCH_EVENTS(X) HG_ORCH_EV_N } hg_orch_ev_kind_t;
#undef X

typedef struct hg_orch_ev {
    hg_orch_ev_kind_t kind;
    uint32_t conn;
    uint64_t n;
    int64_t at_us; /* when, for "since": passed through, never compared with a clock */
} hg_orch_ev_t;

/* Commands out, in the order in which they must be carried out. For one connector: DO_OPEN comes first; DO_RUN and
 * DO_HOLD alternate, DO_RUN first, both only between OPENED and the end, failure or rerun; DO_MARK at most once per
 * DO_OPEN and never after the mark is taken; DO_CLOSE after a failure, at a rerun and when it is moved, if it was
 * opened; a later DO_OPEN makes it anew. One event's commands: those of its connector first, then those of its
 * dependents or carriers (a rerun holds the dependents before it opens). */
#define HG_ORCH_CMDS(X)                                                                                                \
    X(DO_OPEN)    /* open it (check configuration, hold nothing) */                                                    \
    X(DO_MARK)    /* take the hand-off position now */                                                                 \
    X(DO_PERSIST) /* n = token: make the orchestrator's state (with the marks) durable, then answer DURABLE(token) */  \
    X(DO_RUN)     /* read (the host still holds it while its queue is full) */                                         \
    X(DO_HOLD)    /* stop reading */                                                                                   \
    X(DO_CLOSE)   /* failed, moved, or about to run again: release it */                                               \
    X(DO_REASON)  /* state or reason changed: n = hg_orch_reason_t; for stats, logs and the progress table */          \
    X(DO_ACTIVATED) /* its labels are finished (not: the user started it): logged as Feldera does */
#define X(c) HG_ORCH_##c,
typedef enum { HG_ORCH_CMDS(X) HG_ORCH_CMD_N } hg_orch_cmd_kind_t;
#undef X

typedef struct hg_orch_cmd {
    hg_orch_cmd_kind_t kind;
    uint32_t conn;
    uint64_t n;
} hg_orch_cmd_t;

/* Why a connector is Paused; RUNNING = it is not. (FAILED_ and ENDED_ keep clear of the events' names.) */
/* clang-format off */
#define HG_ORCH_REASONS(X)                                                                                             \
    X(RUNNING, "running")                                                                                              \
    X(USER, "user")                                                                                                    \
    X(WAITING, "waiting")                                                                                              \
    X(MARK, "mark")                                                                                                    \
    X(FAILED_, "failed")                                                                                               \
    X(ENDED_, "ended")
/* clang-format on */
#define X(r, s) HG_REASON_##r,
typedef enum { HG_ORCH_REASONS(X) HG_REASON_N } hg_orch_reason_t;
#undef X
const char *hg_orch_reason_name(hg_orch_reason_t r);

/* conns must have passed hg_orch_check_config without errors. Ids are 0..n-1 in this order. Does nothing yet. */
hg_orch_t *hg_orch_new(const hg_orch_conn_t *conns, uint32_t n);
void hg_orch_free(hg_orch_t *o);

/* Begin: emits DO_OPEN for everything that may be opened (DO_MARK follows OPENED) and DO_ACTIVATED where no label is
 * unfinished. Reasons as of now are not told as commands: ask hg_orch_reason. Call once, after new (or after load). */
void hg_orch_start(hg_orch_t *o, int64_t now_us);

/* Feed one event. Commands queue up inside; fetch them with hg_orch_next until it returns false. */
void hg_orch_feed(hg_orch_t *o, hg_orch_ev_t ev);
bool hg_orch_next(hg_orch_t *o, hg_orch_cmd_t *ret);

/* HTTP push, INSERT and clock endpoints come while running: no labels, no waiting. name must be new; ids are never
 * reused, so an endpoint that comes and goes keeps its id under its name. Returns the id. Before hg_orch_load, a saved
 * state of that name is restored too. */
uint32_t hg_orch_add(hg_orch_t *o, hg_str_t name, int64_t now_us);

uint32_t hg_orch_count(const hg_orch_t *o);
uint32_t hg_orch_find(const hg_orch_t *o, hg_str_t name); /* UINT32_MAX = none; O(1) */
hg_orch_reason_t hg_orch_reason(const hg_orch_t *o, uint32_t conn);
bool hg_orch_paused(const hg_orch_t *o, uint32_t conn);  /* Feldera's `paused` bit: user, labels or a mark */
bool hg_orch_reading(const hg_orch_t *o, uint32_t conn); /* DO_RUN was last: pipeline and connector Running */
bool hg_orch_finished(const hg_orch_t *o, uint32_t conn);
bool hg_orch_ended(const hg_orch_t *o, uint32_t conn);
bool hg_orch_failed(const hg_orch_t *o, uint32_t conn);
bool hg_orch_marking(const hg_orch_t *o, uint32_t conn); /* its mark is not settled */
bool hg_orch_user_paused(const hg_orch_t *o,
                         uint32_t conn);                  /* the user's last word is pause, whatever the reason shown */
int64_t hg_orch_since(const hg_orch_t *o, uint32_t conn); /* at_us of the event that led to the present reason */

typedef struct hg_orch_blocker {
    hg_str_t label;
    uint32_t conn;
    bool mark;   /* waited for until its mark is taken; false: until it is finished */
    bool failed; /* it will not get there by itself (an attempt to mark that failed is repeated: that is not it) */
} hg_orch_blocker_t;

/* What a connector still waits for: fn per (label, unfinished carrier) while it is not activated, then, while it is
 * held for marks, per (label, dependent whose mark is not settled). Nothing for a connector that has ended. O(carriers
 * and dependents of its labels): for one connector, not for all. */
void hg_orch_blockers(const hg_orch_t *o, uint32_t conn, void (*fn)(void *arg, const hg_orch_blocker_t *b), void *arg);
const char *hg_orch_until(bool mark); /* "marked" or "finished" */

/* Nodes, edges and blockers as JSON:
 * {"connectors":[{"name","state":"Running"|"Paused","reason","reading","finished","since","labels":[…],"start_after":[…],
 *   "waiting_for":[{"label","connector","until":"finished"|"marked","reason","failed"}],"waiting_for_more":n,
 *   "handoff":<mark>}],
 *  "edges":[{"from","to","label"}],"edges_more":n}.
 * extra writes further members into node i (progress, transport), may be NULL. The size stays linear in the number of
 * connectors: per label at most HG_ORCH_JSON_BLOCKERS blockers, in all at most HG_ORCH_JSON_EDGES edges are written and
 * the rest is counted in …_more (edges follow from labels and start_after anyway). */
#define HG_ORCH_JSON_BLOCKERS 16
#define HG_ORCH_JSON_EDGES    10000
void hg_orch_json(const hg_orch_t *o, hg_jw_t *w, void (*extra)(void *arg, uint32_t conn, hg_jw_t *w), void *arg);

/* State by endpoint name, as JSON with a format number: users' words, activated, ended, marks. Positions are the
 * host's, and failures are not saved: a restart tries again. A mark that is being persisted is saved as done (it counts
 * once this very save is durable); a connector that had ended but not drained is saved as not ended, since what was
 * buffered must be read again.
 * load: names that are gone are ignored, connectors that are new start fresh (a fresh gapless connector behind a
 * finished backfill marks too late to be gapless: whoever approves the new program must know); call before
 * hg_orch_start. `changed(name)` tells that a connector's configuration differs from the saved one: it starts fresh.
 * HG_EPARSE on damage: nothing is changed. */
void hg_orch_save(const hg_orch_t *o, hg_jw_t *w);
/* The same for one connector alone, as a record between two saves: loaded after the whole, it replaces what that said
 * about it. That it has ended, or was activated by labels, follows from data that has been read; it is read again from
 * where the whole save was, so this is not part of the record (that it has *not* ended is: it is made to run again). */
void hg_orch_save_one(const hg_orch_t *o, uint32_t conn, hg_jw_t *w);
int hg_orch_load(hg_orch_t *o, const hg_json_t *saved, bool (*changed)(void *arg, hg_str_t name), void *arg,
                 hg_err_t *err);

/* Tests and benchmarks: how many connectors all events so far have looked at (the work, without a clock). */
uint64_t hg_orch_visits(const hg_orch_t *o);

/* Debug and tests: recomputes every counter and derived state from the facts; aborts on a difference. */
void hg_orch_check(const hg_orch_t *o);

#endif
