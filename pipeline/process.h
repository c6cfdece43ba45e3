/* process.h: the pipeline as a process of its own, and in the foreground. */
#ifndef HG_PIPELINE_PROCESS_H
#define HG_PIPELINE_PROCESS_H

#include "base/buf.h"
#include "base/err.h"

/* `headgate pipeline DIR`: run DIR/deployment.json until it is stopped (base/deployment.h). Exit code 0 = stopped, 1 =
 * failed. */
int hg_pipeline_process(const char *dir);

/* Takes DIR/lock, for as long as the process lives; waits a second for it. HG_EBUSY. */
int hg_pipeline_lock(const char *dir, hg_err_t *err);
/* From here on the process logs to DIR/log. */
int hg_pipeline_open_log(const char *dir, hg_err_t *err);

/* `headgate position DIR`: where a connector of a stopped pipeline will go on; set there, or set back, or a finished
 * one made to run again. Holds DIR's lock meanwhile. question: JSON {"name", "program", "runtime_config", "endpoint",
 * "change": null | "set" | "reset" | "rerun", "position": {…} for set, "wait": for rerun}; *answer: {"status": HTTP,
 * "body": …}. Returns the exit code. */
int hg_position_process(const char *dir, hg_str_t question, hg_buf_t *answer);

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
