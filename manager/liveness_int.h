/* liveness_int.h: when a pipeline process that is there, but does not answer, counts as hung: the rules, as pure
 * functions.
 *
 * `runtime_config.dev_tweaks.headgate.liveness` is an object with any of
 *   timeout_ms  how long one probe waits for its answer
 *   misses      so many probes in a row without an answer: the process hangs; null = never
 * What is counted is time spent waiting for answers, and of one wait never more than timeout_ms: when the machine
 * sleeps, or the manager itself is stopped, that costs one probe and no more. Any thread.
 */
#ifndef HG_MANAGER_LIVENESS_INT_H
#define HG_MANAGER_LIVENESS_INT_H

#include "base/err.h"
#include "base/json.h"

typedef struct hg_liveness_policy {
    uint64_t timeout_ms;
    bool limited; /* misses counts */
    uint32_t misses;
} hg_liveness_policy_t;

/* All zero: it answers. */
typedef struct hg_liveness {
    bool asked;       /* a probe is under way */
    int64_t mark_us;  /* monotonic: waiting is accounted for until here */
    int64_t since_us; /* µs since 1970: the first probe that has no answer; 0 = none */
    uint64_t spent_us;
    unsigned failed; /* probes that ended without an answer, in a row */
} hg_liveness_t;

/* The policy of a pipeline by its runtime_config, NULL = {}. HG_EINVAL: the message names the member, below
 * "dev_tweaks.headgate". */
int hg_liveness_policy(const hg_json_t *runtime_config, hg_liveness_policy_t *ret, hg_err_t *err);

/* mono_us, now_us: the moment, on the monotonic clock and since 1970. */
void hg_liveness_asked(hg_liveness_t *l, int64_t mono_us, int64_t now_us);
void hg_liveness_answered(hg_liveness_t *l);
/* The probe ended without an answer. */
void hg_liveness_missed(const hg_liveness_policy_t *p, hg_liveness_t *l, int64_t mono_us);
/* The probe is given up for another one: says nothing, but the waiting counts. */
void hg_liveness_withdrawn(const hg_liveness_policy_t *p, hg_liveness_t *l, int64_t mono_us);

/* For people: its state is not known any more. */
bool hg_liveness_silent(const hg_liveness_policy_t *p, const hg_liveness_t *l);
/* Nothing is to be hoped for. */
bool hg_liveness_hung(const hg_liveness_policy_t *p, const hg_liveness_t *l);

#endif
