/* lifecycle_int.h: the states of a pipeline and the rules between them, without any I/O.
 *
 * A pipeline's state is a handful of independent facts; what the API shows (deployment_status, …) is derived. Every
 * call of the API asks a hg_lc_*() rule first, which answers with a verdict; the same rules are what the unit tests run
 * through as tables.
 */
#ifndef HG_MANAGER_LIFECYCLE_INT_H
#define HG_MANAGER_LIFECYCLE_INT_H

#include "base/hg.h"

#define HG_RES_LIST(X)                                                                                                 \
    X(STOPPED, "Stopped") X(PROVISIONING, "Provisioning") X(PROVISIONED, "Provisioned") X(STOPPING, "Stopping")
#define HG_RT_LIST(X)                                                                                                  \
    X(NONE, NULL)                                                                                                      \
    X(UNAVAILABLE, "Unavailable")                                                                                      \
    X(STANDBY, "Standby")                                                                                              \
    X(INITIALIZING, "Initializing")                                                                                    \
    X(AWAITING_APPROVAL, "AwaitingApproval")                                                                           \
    X(BOOTSTRAPPING, "Bootstrapping")                                                                                  \
    X(REPLAYING, "Replaying")                                                                                          \
    X(PAUSED, "Paused")                                                                                                \
    X(RUNNING, "Running")                                                                                              \
    X(SUSPENDED, "Suspended")                                                                                          \
    X(CONCURRENT_BOOTSTRAPPING, "ConcurrentBootstrapping")                                                             \
    X(SYNCHRONIZING, "Synchronizing")
#define HG_STORAGE_LIST(X) X(CLEARED, "Cleared") X(INUSE, "InUse") X(CLEARING, "Clearing")
#define HG_PROG_LIST(X)                                                                                                \
    X(PENDING, "Pending")                                                                                              \
    X(COMPILING_SQL, "CompilingSql")                                                                                   \
    X(SQL_COMPILED, "SqlCompiled")                                                                                     \
    X(COMPILING_RUST, "CompilingRust")                                                                                 \
    X(SUCCESS, "Success")                                                                                              \
    X(SQL_ERROR, "SqlError")                                                                                           \
    X(RUST_ERROR, "RustError")                                                                                         \
    X(SYSTEM_ERROR, "SystemError")
#define HG_POLICY_LIST(X) X(NONE, NULL) X(ALLOW, "allow") X(REJECT, "reject") X(AWAIT_APPROVAL, "await_approval")

#define X(id, text) HG_RES_##id,
typedef enum { HG_RES_LIST(X) HG_RES_N } hg_res_t;
#undef X
#define X(id, text) HG_RT_##id,
typedef enum { HG_RT_LIST(X) HG_RT_N } hg_rt_t;
#undef X
#define X(id, text) HG_STORAGE_##id,
typedef enum { HG_STORAGE_LIST(X) HG_STORAGE_N } hg_storage_t;
#undef X
#define X(id, text) HG_PROG_##id,
typedef enum { HG_PROG_LIST(X) HG_PROG_N } hg_prog_t;
#undef X
#define X(id, text) HG_POLICY_##id,
typedef enum { HG_POLICY_LIST(X) HG_POLICY_N } hg_policy_t;
#undef X

extern const char *const hg_res_names[HG_RES_N];
extern const char *const hg_rt_names[HG_RT_N]; /* [HG_RT_NONE] is NULL */
extern const char *const hg_storage_names[HG_STORAGE_N];
extern const char *const hg_prog_names[HG_PROG_N];
extern const char *const hg_policy_names[HG_POLICY_N]; /* [HG_POLICY_NONE] is NULL */

/* Index of text in names (entries may be NULL), or -1. */
int hg_name_index(const char *const *names, int n, const char *text);

typedef struct hg_lc {
    hg_res_t res, res_desired; /* desired: STOPPED or PROVISIONED */
    hg_rt_t rt, rt_desired;    /* NONE unless provisioned */
    hg_rt_t initial;           /* NONE, RUNNING, PAUSED, STANDBY */
    hg_storage_t storage;
    hg_prog_t prog;
    hg_policy_t policy;
    bool silent, concurrent; /* bootstrap flags of the start */
    bool has_error;          /* deployment_error is set */
} hg_lc_t;

typedef enum {
    HG_DO_IT, /* legal: go on */
    HG_NOOP,  /* legal, nothing to do: answer success */
    HG_REFUSE /* the error stands in the verdict */
} hg_answer_t;

typedef struct hg_verdict {
    hg_answer_t answer;
    int status;       /* HTTP */
    const char *code; /* Feldera's error_code */
    char msg[512];
    char details[512]; /* JSON */
} hg_verdict_t;

typedef struct hg_start_args {
    hg_rt_t initial;
    hg_policy_t policy;
    bool silent, concurrent, dismiss_error;
    bool standby_possible; /* file storage back end with sync */
} hg_start_args_t;

/* A refusal; details are "{}". The message is cut at the room and UTF-8. Any thread. */
hg_verdict_t hg_lc_refuse(int status, const char *code, const char *fmt, ...) HG_PRINTF(3, 4);

/* Any thread: pure functions of their arguments. */
const char *hg_lc_status(const hg_lc_t *lc);         /* CombinedStatus */
const char *hg_lc_desired_status(const hg_lc_t *lc); /* CombinedDesiredStatus */
bool hg_lc_fully_stopped(const hg_lc_t *lc);
bool hg_prog_failed(hg_prog_t p);
bool hg_prog_compiling(hg_prog_t p);

hg_verdict_t hg_lc_start(const hg_lc_t *lc, const hg_start_args_t *a);
hg_verdict_t hg_lc_clear(const hg_lc_t *lc);
hg_verdict_t hg_lc_dismiss(const hg_lc_t *lc);
hg_verdict_t hg_lc_edit(const hg_lc_t *lc); /* a change of name, program or configuration */
hg_verdict_t hg_lc_delete(const hg_lc_t *lc);
hg_verdict_t hg_lc_interact(const hg_lc_t *lc, const char *name);        /* stats, ingress, … */
hg_verdict_t hg_lc_run(const hg_lc_t *lc, const char *name, hg_rt_t to); /* pause (PAUSED) and resume (RUNNING) */
hg_verdict_t hg_lc_approve(const hg_lc_t *lc, const char *name, bool silent, bool concurrent);
hg_verdict_t hg_lc_activate(const hg_lc_t *lc, const char *name, hg_rt_t to); /* to: RUNNING or PAUSED */

typedef enum { HG_STOP_NOTHING, HG_STOP_CANCEL, HG_STOP_SUSPEND, HG_STOP_FORCE } hg_stop_t;
/* What a stop has to do: nothing is up; a start that waits is called off; ask the process to drain; end it now. */
hg_stop_t hg_lc_stop(const hg_lc_t *lc, bool force);

typedef enum { HG_TODO_NOTHING, HG_TODO_PROVISION, HG_TODO_FAIL_START } hg_todo_t;
/* What a pipeline without a process needs next. */
hg_todo_t hg_lc_todo(const hg_lc_t *lc);

/* Applied moves. */
void hg_lc_apply_start(hg_lc_t *lc, const hg_start_args_t *a);
void hg_lc_apply_unprovisioned(hg_lc_t *lc); /* to Stopping or Stopped: what belongs to the deployment is forgotten */

#endif
