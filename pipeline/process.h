/* process.h: the pipeline as a process of its own, and in the foreground. */
#ifndef HG_PIPELINE_PROCESS_H
#define HG_PIPELINE_PROCESS_H

#include <stdbool.h>

/* `headgate pipeline DIR`: run DIR/deployment.json until it is stopped (base/deployment.h). Exit code 0 = stopped, 1 =
 * failed. */
int hg_pipeline_process(const char *dir);

typedef struct hg_run_opts {
    const char *program; /* file */
    const char *name;    /* NULL: the file's name without .sql */
    bool until_complete;
    bool plain;         /* no live table even on a terminal */
    bool paused;        /* start paused */
    const char *config; /* runtime_config as JSON text, or NULL */
    const char *listen; /* unix socket for the HTTP endpoints, or NULL */
} hg_run_opts_t;

/* `headgate run`: exit code 0 = complete or stopped by the user, 1 = failed, 2 = the program does not compile. */
int hg_run(const hg_run_opts_t *opts);

#endif
