/* deployment_read.h: what the manager tells a pipeline's process (deployment.json, base/deployment.h).
 */
#ifndef HG_PIPELINE_DEPLOYMENT_READ_H
#define HG_PIPELINE_DEPLOYMENT_READ_H

#include "pipeline/pipeline.h"

typedef struct hg_deployment {
    const char *name, *id, *deployment_id, *socket; /* NULL: not there, which is an error */
    hg_str_t program;
    const hg_json_t *env;    /* of the runtime_config; what references are looked up in. May be NULL */
    const hg_json_t *access; /* limits, for hg_access_enter(); may be NULL */
    bool running;            /* what it begins as; else paused */
    bool standby;            /* until it is told: standby.h */
    hg_runtime_config_t config;
    hg_bootstrap_opts_t bootstrap;
} hg_deployment_t;

/* Any thread. ret has what was read before an error, too: who it is about. All of it lives in a.
 * HG_EPARSE: no deployment; HG_EINVAL: a configuration that cannot be. */
int hg_deployment_read(hg_arena_t *a, hg_str_t text, hg_deployment_t *ret, hg_err_t *err);

#endif
