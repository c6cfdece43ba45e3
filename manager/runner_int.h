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
    unsigned misses;      /* polls without an answer, in a row */
    bool answered;        /* at least once */
    bool suspend_sent;
    bool over;            /* the process is gone: only handles remain to be closed */
    hg_waiter_t *waiters; /* want to know when the next poll is through */
    size_t n_waiters;
};

#endif
