/* manager.h: the daemon. REST /v0, the control store, compilation and supervision of pipeline processes.
 *
 * The manager never parses a data record and never links the engine: it talks to its own executable in two other roles
 * (`compile`, `pipeline`, see base/deployment.h).
 */
#ifndef HG_MANAGER_MANAGER_H
#define HG_MANAGER_MANAGER_H

#include "base/buf.h"

typedef struct hg_manager_opts {
    const char *data_dir; /* created when absent */
    const char *bind;     /* NULL = 127.0.0.1 */
    unsigned port;        /* 0 = any free port; the ready line names it */
    bool auth;            /* requests need an API key */
    const char *tls_cert; /* PEM files, both or none: HTTPS. SIGHUP reads them again */
    const char *tls_key;
    struct hg_access
        *access; /* what programs may reach (base/access.h); NULL: everything. The data directory is denied */
    const struct hg_git_follow *git; /* a repository to keep pipelines equal to (git/git.h); NULL: none */
    const char *exe;                 /* program with the sub-commands; NULL = this executable */
} hg_manager_opts_t;

/* Runs the daemon in the calling thread until SIGINT or SIGTERM. Prints one ready line on stdout; when it cannot start,
 * one sentence on stderr. Pipelines go on running after it returns: the next manager on the directory adopts them.
 * Returns the exit code of the process: 0 or 1. */
int hg_manager_run(const hg_manager_opts_t *opts);

/* Any thread. The REST API as a page of Markdown, from the tables of routes. */
void hg_manager_api_page(hg_buf_t *out);

#endif
