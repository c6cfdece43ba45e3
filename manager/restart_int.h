/* restart_int.h: whether and when a pipeline process that died is started again: the rules, as pure functions.
 *
 * `runtime_config.dev_tweaks.headgate.restart` is a policy by name, or an object with any of
 *   policy        never | on_failure | always     default: on_failure with fault tolerance, else never
 *   max_attempts  starts in a row before the deployment is given up; null = no limit
 *   delay_ms      before the first; doubled by each further one up to
 *   max_delay_ms
 *   window_secs   a process that ran for so long is a success: attempts and delay begin anew
 * The names and the meaning of `window` are those of a Compose file's restart_policy. Any thread.
 */
#ifndef HG_MANAGER_RESTART_INT_H
#define HG_MANAGER_RESTART_INT_H

#include "base/err.h"
#include "base/json.h"

typedef enum { HG_RESTART_NEVER, HG_RESTART_ON_FAILURE, HG_RESTART_ALWAYS, HG_RESTART_N } hg_restart_when_t;

typedef struct hg_restart_policy {
    hg_restart_when_t when;
    bool limited; /* max_attempts counts */
    uint32_t max_attempts;
    uint64_t delay_ms, max_delay_ms, window_ms;
} hg_restart_policy_t;

/* What has happened to the processes of one deployment. All zero: nothing yet. Times: µs since 1970. */
typedef struct hg_restarts {
    uint32_t attempts;                 /* starts in a row that followed a death */
    int64_t spawned_us;                /* of the newest process */
    int64_t next_us;                   /* one is due then, or was begun and has not answered yet; 0 = none */
    int64_t died_us;                   /* the last death; 0 = none */
    bool approved, silent, concurrent; /* the user has approved the changed program, and how: asked once */
    char *last;                        /* JSON error of the last death, or NULL; owned */
} hg_restarts_t;

typedef enum {
    HG_END_CRASHED, /* without a word */
    HG_END_FAILED,  /* it said why: never the same again */
    HG_END_TROUBLE, /* it said why, and a new start may find it gone */
    HG_END_LEFT,    /* without an error, and not because the user wanted it */
} hg_end_t;

typedef enum {
    HG_RESTART_DO,        /* after *ret_delay_ms */
    HG_RESTART_UNWANTED,  /* the policy does not cover this end */
    HG_RESTART_EXHAUSTED, /* it would, but there were too many */
} hg_restart_verdict_t;

/* The policy of a pipeline by its runtime_config, NULL = {}. HG_EINVAL: the message names the member, below
 * "dev_tweaks.headgate". */
int hg_restart_policy(const hg_json_t *runtime_config, hg_restart_policy_t *ret, hg_err_t *err);

/* The process ended at now_us. Counts an attempt if it is to be started again; random: any number, spreads the delay
 * over its upper half. */
hg_restart_verdict_t hg_restart_decide(const hg_restart_policy_t *p, hg_restarts_t *r, hg_end_t end, int64_t now_us,
                                       uint32_t random, uint64_t *ret_delay_ms);

/* For people (member "restart" of deployment_resources_status_details): null before the first death. */
void hg_restarts_details(hg_jw_t *w, const hg_restart_policy_t *p, const hg_restarts_t *r);

/* For the store. hg_restarts_load: text NULL or unknown leaves *r all zero. */
void hg_restarts_save(hg_jw_t *w, const hg_restarts_t *r);
void hg_restarts_load(const char *text, hg_restarts_t *r);
void hg_restarts_clear(hg_restarts_t *r);

#endif
