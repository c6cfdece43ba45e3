/* runner_int.h: the process of one deployment, shared by runner.c (its life), probe.c (what it says), death.c (why it
 * ended) and spawn.c. The manager's loop only. */
#ifndef HG_MANAGER_RUNNER_INT_H
#define HG_MANAGER_RUNNER_INT_H

#include "manager/liveness_int.h"
#include "manager/manager_int.h"

#define HG_RUN_STOP_GRACE_US  ((int64_t)5 * 1000000) /* a forced stop becomes SIGKILL after this */
#define HG_RUN_ADOPT_GRACE_US ((int64_t)2 * 1000000) /* a process that was just spawned may not hold its lock yet */

typedef struct hg_waiter {
    void (*fn)(void *arg);
    void *arg;
} hg_waiter_t;

struct hg_run {
    hg_list_t link; /* mg->runs */
    hg_mg_t *mg;
    hg_pl_t *pl;        /* retained */
    uv_process_t *proc; /* our child; NULL when adopted */
    long pid;           /* of the child, or what the lock says; 0 = unknown */
    uv_timer_t timer;
    hg_ask_t *poll;   /* status question under way */
    hg_ask_t *action; /* pause, start or stop under way */
    char socket[HG_SOCKET_PATH_MAX + 1];
    int64_t begun_us;     /* monotonic */
    int64_t kill_us;      /* monotonic: end it by signal then; 0 = not planned */
    int64_t provision_us; /* monotonic: it must have answered by then */
    int64_t errors_us;    /* monotonic: num_errors was last written to the store */
    int64_t restart_us;   /* monotonic: there is no process, the next is started then; 0 = there is, or may be, one */
    uint64_t checkpoint;  /* the newest that it has told of */
    hg_liveness_t liveness;
    hg_liveness_policy_t liveness_policy;
    bool answered; /* at least once */
    bool hung;     /* silent for too long: it is being killed */
    bool suspend_sent;
    bool over;            /* the process is gone: only handles remain to be closed */
    hg_waiter_t *waiters; /* want to know when the next poll is through */
    size_t n_waiters;
};

/* --- runner.c */
void hg_run_schedule(hg_run_t *run, uint64_t ms); /* the next tick */
uint64_t hg_run_poll_period_ms(const hg_run_t *run);
void hg_run_wake_waiters(hg_run_t *run);
void hg_run_begin_stopping(hg_run_t *run);
int hg_run_make_process(hg_run_t *run, hg_err_t *err); /* deployment.json, then hg_run_spawn */
/* The process is gone. how: what the kernel said, for a crash; details: members of a JSON object. run may be freed. */
void hg_run_over(hg_run_t *run, const char *how, const char *details);

/* --- probe.c */
void hg_run_probe(hg_run_t *run);                   /* asks for its status; none may be under way */
void hg_run_act(hg_run_t *run, const char *target); /* POST, unless another one is under way */
void hg_run_reconcile(hg_run_t *run);

/* spawn.c: starts `headgate pipeline DIR`; run->proc is ours then, with run as its data. After a failure run->proc is
 * still to be closed if it is set. */
int hg_run_spawn(hg_run_t *run, uv_exit_cb on_exit, hg_err_t *err);

/* death.c. What is known of the end of a process that nobody asked to end. */
typedef struct hg_death {
    const char *how;     /* "was ended by signal 9 (Killed)" */
    const char *details; /* members of a JSON object: "\"exit_code\":0,\"signal\":9", or "" */
    const hg_exit_t *ex;
    bool hung; /* we have killed it, since it did not answer */
} hg_death_t;

/* how with the silence before it, in out. */
const char *hg_death_of_hung(const hg_run_t *run, const char *how, char *out, size_t cap);

/* The error to keep of it: what the process said of itself, else how it ended and the last lines of its log.
 * attempts: > 0: it was started again so often in vain. Caller frees. */
char *hg_death_error(const hg_run_t *run, const hg_death_t *d, uint32_t attempts);
/* Is it to be started again? Then the record says so, and when. */
hg_restart_verdict_t hg_death_judge(hg_run_t *run, const hg_death_t *d, uint64_t *ret_delay_ms);

#endif
