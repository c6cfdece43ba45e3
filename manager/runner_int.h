/* runner_int.h: the process of one deployment, as runner.c sees it. */
#ifndef HG_MANAGER_RUNNER_INT_H
#define HG_MANAGER_RUNNER_INT_H

#include "manager/manager_int.h"

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
    unsigned misses;      /* polls without an answer, in a row */
    bool answered;        /* at least once */
    bool suspend_sent;
    bool over;            /* the process is gone: only handles remain to be closed */
    hg_waiter_t *waiters; /* want to know when the next poll is through */
    size_t n_waiters;
};

/* spawn.c: starts `headgate pipeline DIR`; run->proc is ours then, with run as its data. After a failure run->proc is
 * still to be closed if it is set. */
int hg_run_spawn(hg_run_t *run, uv_exit_cb on_exit, hg_err_t *err);

/* death.c. What is known of the end of a process that nobody asked to end. */
typedef struct hg_death {
    const char *how;     /* "was ended by signal 9 (Killed)" */
    const char *details; /* members of a JSON object: "\"exit_code\":0,\"signal\":9", or "" */
    const hg_exit_t *ex;
} hg_death_t;

/* The error to keep of it: what the process said of itself, else how it ended and the last lines of its log.
 * attempts: > 0: it was started again so often in vain. Caller frees. */
char *hg_death_error(const hg_run_t *run, const hg_death_t *d, uint32_t attempts);
/* Is it to be started again? Then the record says so, and when. */
hg_restart_verdict_t hg_death_judge(hg_run_t *run, const hg_death_t *d, uint64_t *ret_delay_ms);

#endif
