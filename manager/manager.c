/* manager.c: start and end of the daemon, and its list of pipelines.
 *
 * One thread: a loop that serves HTTP, writes the store, and watches processes. The start touches nothing until it is
 * sure to succeed as far as can be known: directory, lock, address, then the store.
 */
#include "base/hg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/access_int.h"
#include "manager/git_int.h"
#include "manager/manager.h"

#define LOCK_MS    10
#define LOCK_TRIES 500

/* --- the list ----------------------------------------------------------------------------------------------------- */

hg_pl_t *hg_mg_find(hg_mg_t *mg, hg_str_t name)
{
    for (size_t i = 0; i < mg->n_pls; i++)
        if (hg_str_eqz(name, mg->pls[i]->def.name)) return mg->pls[i];
    return NULL;
}

void hg_mg_add(hg_mg_t *mg, hg_pl_t *pl)
{
    mg->pls = hg_xgrow(mg->pls, (mg->n_pls + 1) * sizeof *mg->pls);
    mg->pls[mg->n_pls++] = pl; /* UUIDv7 grow with time, and the store loads them in order */
}

void hg_mg_remove(hg_mg_t *mg, hg_pl_t *pl)
{
    for (size_t i = 0; i < mg->n_pls; i++) {
        if (mg->pls[i] != pl) continue;
        memmove(mg->pls + i, mg->pls + i + 1, (mg->n_pls - i - 1) * sizeof *mg->pls);
        mg->n_pls--;
        pl->gone = true;
        hg_pl_drop(pl);
        return;
    }
}

void hg_mg_save(hg_mg_t *mg, hg_pl_t *pl, unsigned what)
{
    hg_err_t err = HG_ERR_INIT;
    if (pl->gone) return;
    if (hg_store_save(mg->store, pl, what, &err) < 0)
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "store_write_failed", "error=\"%s\"", err.msg);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

/* The lock, or false. A manager that was killed while it started a process leaves the lock to that for a moment, until
 * it is another program: waited for if the process that the lock names is gone. text: what it names. */
static bool lock_file(int fd, char *text, size_t cap)
{
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        ssize_t n = pread(fd, text, cap - 1, 0);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        long pid = strtol(text, NULL, 10);
        bool gone = pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
        if (!gone || i == LOCK_TRIES) return false;
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_MS * 1000000L }, NULL);
    }
    return true;
}

/* Locks the data directory for this process's life. ret_fd: the lock; *ret_made: it was created here. */
static int lock_dir(const char *dir, int *ret_fd, bool *ret_made, hg_err_t *err)
{
    *ret_made = mkdir(dir, 0700) == 0;
    if (!*ret_made && errno != EEXIST) return hg_err_errno(err, errno, "cannot create the data directory '%s'", dir);
    char *path = hg_xprintf("%s/lock", dir), text[32];
    int rc = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = hg_err_errno(err, errno, "cannot use the data directory '%s'", dir);
    } else if (!lock_file(fd, text, sizeof text)) {
        rc = hg_err_set(err, HG_EBUSY, "the data directory '%s' is in use by another headgate%s%s", dir,
                        *text ? ", pid " : "", text);
        close(fd);
        fd = -1;
    } else {
        char pid[32];
        int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
            rc = hg_err_errno(err, errno, "cannot write to the data directory '%s'", dir);
            close(fd);
            fd = -1;
        }
    }
    hg_free(path);
    if (rc == 0) *ret_fd = fd;
    return rc;
}

static int absolute(const char *dir, char **ret, hg_err_t *err)
{
    char *path = realpath(dir, NULL);
    if (!path) return hg_err_errno(err, errno, "cannot use the data directory '%s'", dir);
    hg_set_text(ret, path);
    free(path); /* of the C library */
    return 0;
}

static void take_pipeline(void *arg, hg_pl_t *pl)
{
    hg_mg_add(arg, pl);
}

static int open_store(hg_mg_t *mg, hg_err_t *err)
{
    char *path = hg_xprintf("%s/control.db", mg->dir);
    char *pipelines = hg_xprintf("%s/pipelines", mg->dir);
    int rc = hg_store_open(path, &mg->store, err);
    if (rc == 0) rc = hg_deploy_mkdir(pipelines, err);
    if (rc == 0) rc = hg_deploy_socket_dir(mg->dir, &mg->socket_dir, err);
    if (rc == 0) rc = hg_store_load(mg->store, take_pipeline, mg, err);
    hg_free(pipelines);
    hg_free(path);
    return rc;
}

static void resume_pipelines(hg_mg_t *mg)
{
    for (size_t i = 0; i < mg->n_pls; i++) {
        hg_pl_t *pl = mg->pls[i];
        if (hg_prog_compiling(pl->lc.prog)) {
            if (pl->lc.prog != HG_PROG_PENDING) {
                hg_pl_set_prog(pl, HG_PROG_PENDING);
                hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
            }
            hg_compile_pipeline(mg, pl);
        }
        hg_runner_adopt(mg, pl);
    }
}

/* Directories of pipelines that were deleted while nobody was left to remove their files. Only names that look like
 * ours. */
static void remove_orphans(hg_mg_t *mg)
{
    char *path = hg_xprintf("%s/pipelines", mg->dir);
    uv_fs_t req;
    uv_dirent_t e;
    if (uv_fs_scandir(mg->uv, &req, path, 0, NULL) >= 0) {
        while (uv_fs_scandir_next(&req, &e) == 0) {
            if (strlen(e.name) != HG_UUID_CAP - 1 || strspn(e.name, "0123456789abcdef-") != HG_UUID_CAP - 1) continue;
            bool known = false;
            for (size_t i = 0; i < mg->n_pls && !known; i++) known = !strcmp(mg->pls[i]->id, e.name);
            if (known) continue;
            hg_pl_t *ghost = hg_pl_new();
            memcpy(ghost->id, e.name, HG_UUID_CAP);
            hg_set_text(&ghost->def.name, e.name);
            ghost->gone = true;
            hg_files_remove(mg, ghost);
            hg_pl_drop(ghost);
        }
    }
    uv_fs_req_cleanup(&req);
    hg_free(path);
}

/* --- end ---------------------------------------------------------------------------------------------------------- */

typedef struct signals {
    hg_mg_t *mg;
    uv_signal_t term, intr, hup;
} signals_t;

void hg_mg_part_closed(hg_mg_t *mg)
{
    if (mg->closing && mg->http_closed && hg_list_empty(&mg->jobs)) hg_loop_stop(mg->loop);
}

static void on_server_closed(void *arg)
{
    hg_mg_t *mg = arg;
    mg->http_closed = true;
    hg_mg_part_closed(mg);
}

static void close_server(hg_mg_t *mg)
{
    mg->closing = true;
    hg_http_server_close(mg->http, 500, on_server_closed, mg);
}

static void on_signal(uv_signal_t *s, int signum)
{
    signals_t *sg = s->data;
    hg_mg_t *mg = sg->mg;
    if (mg->closing) return;
    hg_log(HG_LOG_INFO, "manager", NULL, "stopping", "signal=%d", signum);
    uv_close((uv_handle_t *)&sg->term, NULL);
    uv_close((uv_handle_t *)&sg->intr, NULL);
    if (mg->tls_cert) uv_close((uv_handle_t *)&sg->hup, NULL);
    mg->closing = true;
    hg_git_sync_close(mg);
    hg_logs_close(mg);
    hg_child_close(mg);
    hg_runner_close(mg);
    close_server(mg);
}

/* A renewed certificate: connections that are open keep the old one. */
static void on_hup(uv_signal_t *s, int signum)
{
    signals_t *sg = s->data;
    hg_mg_t *mg = sg->mg;
    hg_err_t err = HG_ERR_INIT;
    (void)signum;
    if (hg_http_use_tls(mg->http, mg->tls_cert, mg->tls_key, &err) < 0)
        hg_log(HG_LOG_ERROR, "manager", NULL, "certificate_not_reloaded", "error=\"%s\" goes_on_with=\"the old one\"",
               err.msg);
    else
        hg_log(HG_LOG_WARN, "manager", NULL, "certificate_reloaded", "file=\"%s\"", mg->tls_cert);
}

static void watch_signals(hg_mg_t *mg, signals_t *sg)
{
    sg->mg = mg;
    uv_signal_init(mg->uv, &sg->term);
    uv_signal_init(mg->uv, &sg->intr);
    sg->term.data = sg->intr.data = sg;
    uv_signal_start(&sg->term, on_signal, SIGTERM);
    uv_signal_start(&sg->intr, on_signal, SIGINT);
    if (!mg->tls_cert) return; /* a terminal that closes ends the daemon, as it ends any program */
    uv_signal_init(mg->uv, &sg->hup);
    sg->hup.data = sg;
    uv_signal_start(&sg->hup, on_hup, SIGHUP);
}

static int listen_on(hg_mg_t *mg, const char *bind, unsigned port, unsigned *ret_port, hg_err_t *err)
{
    hg_http_opts_t http = { .loops = &mg->loop,
                            .n_loops = 1,
                            .on_request = hg_routes_on_request,
                            .arg = mg,
                            .server_name = "headgate/" HG_VERSION };
    int rc = hg_http_server_new(&http, &mg->http, err);
    if (rc == 0 && mg->tls_cert) rc = hg_http_use_tls(mg->http, mg->tls_cert, mg->tls_key, err);
    return rc < 0 ? rc : hg_http_listen_tcp(mg->http, bind, port, ret_port, err);
}

static void release(hg_mg_t *mg)
{
    hg_ask_cancel_all(mg);
    if (mg->http) hg_http_server_free(mg->http);
    if (mg->client) hg_client_free(mg->client);
    hg_loop_free(mg->loop); /* workers and closing handles come to their end in here */
    hg_git_sync_free(mg);
    for (size_t i = 0; i < mg->n_pls; i++) hg_pl_drop(mg->pls[i]);
    hg_free(mg->pls);
    hg_store_close(mg->store);
    hg_free(mg->dir);
    hg_free(mg->socket_dir);
    hg_free(mg->exe);
}

int hg_manager_run(const hg_manager_opts_t *opts)
{
    hg_mg_t mg = { .started_us = hg_now_us(),
                   .access = opts->access,
                   .auth = opts->auth,
                   .tls_cert = opts->tls_cert,
                   .tls_key = opts->tls_key };
    signals_t sg;
    hg_err_t err = HG_ERR_INIT;
    int lock = -1;
    bool made = false;
    unsigned port = 0;
    const char *bind = opts->bind ? opts->bind : "127.0.0.1";

    signal(SIGPIPE, SIG_IGN);
    hg_list_init(&mg.asks);
    hg_list_init(&mg.runs);
    hg_list_init(&mg.follows);
    hg_list_init(&mg.jobs);
    hg_uuid_v7(mg.cluster_event_id);
    mg.exe = hg_xstrdup(opts->exe ? opts->exe : "/proc/self/exe");
    mg.loop = hg_loop_new("manager");
    mg.uv = hg_loop_uv(mg.loop);

    int rc = lock_dir(opts->data_dir, &lock, &made, &err);
    if (rc == 0) rc = absolute(opts->data_dir, &mg.dir, &err);
    if (rc == 0 && hg_access_limits(opts->access)) rc = hg_access_deny_path(opts->access, mg.dir, &err);
    if (rc == 0) rc = listen_on(&mg, bind, opts->port, &port, &err);
    if (rc == 0) rc = open_store(&mg, &err);
    if (rc == 0 && mg.auth) rc = hg_auth_open(&mg, &err);
    if (rc == 0 && opts->git) rc = hg_git_sync_start(&mg, opts->git, &err);
    if (rc == 0) {
        mg.client = hg_client_new(mg.loop);
        watch_signals(&mg, &sg);
        remove_orphans(&mg);
        resume_pipelines(&mg);
        const char *open = strchr(bind, ':') ? "[" : "", *close_ = strchr(bind, ':') ? "]" : "";
        printf("headgate %s listening on http%s://%s%s%s:%u, data in %s, %zu pipeline%s\n", HG_VERSION,
               mg.tls_cert ? "s" : "", open, bind, close_, port, opts->data_dir, mg.n_pls, mg.n_pls == 1 ? "" : "s");
        fflush(stdout);
        hg_loop_run(mg.loop);
    } else {
        fprintf(stderr, "headgate: %s\n", err.msg);
        if (mg.http) {
            close_server(&mg);
            hg_loop_run(mg.loop);
        }
    }
    release(&mg);
    if (rc < 0 && made) {
        /* Nothing of a start that failed stays behind; what is not empty is not removed. */
        char *path = hg_xprintf("%s/lock", opts->data_dir);
        unlink(path);
        rmdir(opts->data_dir);
        hg_free(path);
    }
    if (lock >= 0) close(lock);
    return rc < 0 ? 1 : 0;
}
