/* standby.h: a pipeline that waits to take over (initial=standby). It has no circuit and no connectors: it follows the
 * checkpoints that another pipeline sends to the bucket, so that the newest one is here when it is activated.
 *
 *   follows, every pull_interval ──activate──► pulls once more ──► on_activate: the pipeline is made ──► closed
 *
 * Its socket answers GET /status, POST /activate, POST /stop and /suspend; everything else is refused. All functions
 * are for the control loop, where the callbacks come, too. */
#ifndef HG_PIPELINE_STANDBY_H
#define HG_PIPELINE_STANDBY_H

#include "base/loop.h"
#include "pipeline/remote.h"

typedef struct hg_standby hg_standby_t;

typedef struct hg_standby_opts {
    hg_loop_t *control;
    const char *name, *deployment_id; /* all of these have to stay */
    const char *storage_dir;
    const hg_remote_cfg_t *sync; /* resolved */
    /* Once. The newest checkpoint is here, or err says why it cannot take over. Until it is closed it says that it is
     * initializing. */
    void (*on_activate)(void *arg, bool running, const hg_err_t *err);
    void (*on_stop)(void *arg, bool drain);
    void *arg;
} hg_standby_opts_t;

/* Listens on the unix socket path, and begins to pull. */
int hg_standby_new(const hg_standby_opts_t *opts, const char *path, hg_standby_t **ret, hg_err_t *err);
/* Gives up a pull, frees the socket; done when nothing is left of it. Then free. */
void hg_standby_close(hg_standby_t *s, void (*done)(void *arg), void *arg);
void hg_standby_free(hg_standby_t *s);

#endif
