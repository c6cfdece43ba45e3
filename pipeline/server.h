/* server.h: the pipeline's HTTP endpoints (routes in base/deployment.h). Connections live on the host's I/O loops; what
 * must be asked on the control loop goes there and back; rendering happens on the pool. */
#ifndef HG_PIPELINE_SERVER_H
#define HG_PIPELINE_SERVER_H

#include "net/http.h"
#include "pipeline/pipeline.h"

typedef struct hg_pipeline_server hg_pipeline_server_t;

typedef struct hg_pipeline_server_opts {
    hg_pipeline_t *pipeline;
    hg_loop_t *control;
    const char *deployment_id;
    void (*on_stop)(void *arg, bool drain); /* control loop: POST /stop */
    void *arg;
} hg_pipeline_server_opts_t;

/* Control loop. Listens on the unix socket `path`. */
int hg_pipeline_server_new(const hg_pipeline_server_opts_t *opts, const char *path, hg_pipeline_server_t **ret,
                           hg_err_t *err);
/* Control loop; stops accepting, ends streams; done on the control loop. Then free. Before hg_pipeline_free. */
void hg_pipeline_server_close(hg_pipeline_server_t *s, void (*done)(void *arg), void *arg);
void hg_pipeline_server_free(hg_pipeline_server_t *s);

#endif
