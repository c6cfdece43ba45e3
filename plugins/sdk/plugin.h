/* plugin.h: what every plugin here is built from: options, log, instances, patience.
 *
 * A plugin is one table (hgp_sink_t or hgp_source_t) and HGP_SINK(table) or HGP_SOURCE(table), which expand to the
 * functions of include/headgate/iggy_plugin.h. Everything that a host may do in a wrong order, twice or at once is
 * taken care of here: a plugin's own functions are called for an instance that is open.
 */
#ifndef HEADGATE_PLUGINS_SDK_PLUGIN_H
#define HEADGATE_PLUGINS_SDK_PLUGIN_H

#include "base/list.h"
#include "base/opts.h"
#include "headgate/iggy_plugin.h"
#include "plugins/sdk/batch.h"
#include <pthread.h>

#define HGP_VERSION HG_VERSION

/* --- log: any thread ---------------------------------------------------------------------------------------------- */

/* The host's function (that of the first instance, for the whole library) and the plugin's name. Lines below the level
 * of RUST_LOG (a bare word in it; "info" without) are dropped. */
void hgp_log_to(iggy_log_fn fn, const char *name);
void hgp_log(int level, const char *fmt, ...) HG_PRINTF(2, 3); /* IGGY_LOG_… */

/* The table of options as Markdown, for the pages of the documentation; made once. */
const char *hgp_options_page(const hg_opt_t *options);
#define HGP_OPTIONS(table)                                                                                             \
    const char *iggy_plugin_options(void);                                                                             \
    const char *iggy_plugin_options(void)                                                                              \
    {                                                                                                                  \
        return hgp_options_page((table).options);                                                                      \
    }

/* --- instances ---------------------------------------------------------------------------------------------------- */

typedef struct hgp_instance {
    hg_list_t link;
    uint32_t id;
    bool ready; /* opened; one that failed keeps its id until it is closed */
    unsigned users;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    atomic_bool closing;
    _Atomic int64_t closing_since; /* hg_mono_us(); 0 = it is not */
    hg_arena_t *arena;             /* options */
    void *cfg;                     /* the plugin's struct of options */
    void *state;                   /* the plugin's own */
    void *side;                    /* sink.c's or source.c's */
} hgp_instance_t;

typedef struct hgp_instances {
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    hg_list_t all;
} hgp_instances_t;
#define HGP_INSTANCES(name)                                                                                            \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,                                                           \
        {                                                                                                              \
            &(name).all, &(name).all                                                                                   \
        }                                                                                                              \
    }

/* A new one with its options read, or NULL: the id is taken, or the configuration does not fit (logged; then the id is
 * occupied until hgp_instance_close). */
hgp_instance_t *hgp_instance_new(hgp_instances_t *is, uint32_t id, hg_str_t config, const hg_opt_t *options,
                                 size_t cfg_size);
/* What open has come to. A failed one keeps its id until it is closed. */
void hgp_instance_opened(hgp_instances_t *is, hgp_instance_t *i, bool ready);
/* One that is ready, held; NULL: there is none. */
hgp_instance_t *hgp_instance_get(hgp_instances_t *is, uint32_t id);
void hgp_instance_put(hgp_instances_t *is, hgp_instance_t *i);
/* No more gets; waits until nobody holds it. NULL: no such instance. The caller frees it. */
hgp_instance_t *hgp_instance_close(hgp_instances_t *is, uint32_t id);
void hgp_instance_free(hgp_instance_t *i);

/* Waits so long, or until the instance is being closed: false. */
bool hgp_sleep(hgp_instance_t *i, uint64_t ms);
/* True when a call under way should be given up: the instance has been closing for five seconds. arg: the instance. */
bool hgp_cancelled(void *arg);

/* --- patience: attempts with growing pauses ----------------------------------------------------------------------- */

typedef struct hgp_patience {
    uint32_t max_attempts; /* in all, at least 1 */
    uint64_t delay_ms, max_delay_ms;
    double multiplier; /* of the pause from one attempt to the next */
} hgp_patience_t;
/* After attempt number `attempt` (from 1) failed with err: pauses (± 20 %, or what the server asked for, at most
 * max_delay_ms) and says whether to try again. False: enough, not retryable, or closing. */
bool hgp_try_again(hgp_instance_t *i, const hgp_patience_t *p, uint32_t attempt, uint64_t asked_ms,
                   const hg_err_t *err);

/* So many attempts, the pauses between them doubling up to a minute, or to the first one where that is longer. */
hgp_patience_t hgp_doubling(uint32_t max_attempts, uint64_t delay_ms);

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Which of the names (n of them) an option says, whatever its case; the first one, and a warning, if it is none. */
unsigned hgp_choice(const char *option, const char *said, const char *const *names, unsigned n);

/* Microseconds since 1970 as RFC 3339 with what of the fraction there is. */
int hgp_time(hg_buf_t *out, uint64_t us);

#endif
