/* process.c: `headgate pipeline DIR`.
 *
 * Order: lock DIR (another process there: refuse, touch nothing) → log → deployment.json → (standby.c, until it is
 * activated) → compile → pipeline → socket → loop. When it ends by itself it writes exit.json (temporary file, fsync,
 * rename) before the lock goes. SIGTERM drains and stops; a second one stops at once.
 */
#include "base/hg.h"
#include "base/access.h"
#include "base/deployment.h"
#include "base/durable.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mem_sample.h"
#include "pipeline/deployment_read.h"
#include "pipeline/process.h"
#include "pipeline/remote.h"
#include "pipeline/secrets.h"
#include "pipeline/server.h"
#include "pipeline/standby.h"
#include "profile/cpu.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *dir;
    hg_arena_t *arena;
    hg_deployment_t d;
    hg_loop_t *loop;
    hg_pipeline_opts_t opts;
    char storage[4096];
    hg_standby_t *standby; /* until the pipeline's server can have the socket */
    hg_pipeline_t *pipeline;
    hg_pipeline_server_t *server;
    uv_signal_t term, intr;
    unsigned signals;
    bool suspended, ended; /* ended: exit.json is written */
    hg_err_t err;          /* why it failed */
} process_t;

int hg_pipeline_lock(const char *dir, hg_err_t *err)
{
    char path[4096], pid[32];
    snprintf(path, sizeof path, "%s/%s", dir, HG_FILE_LOCK);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    /* A manager that adopts pipelines looks at the lock for a moment: try for a second. */
    int locked = flock(fd, LOCK_EX | LOCK_NB);
    for (int i = 0; locked < 0 && i < 100; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        locked = flock(fd, LOCK_EX | LOCK_NB);
    }
    if (locked < 0) {
        close(fd);
        return hg_err_set(err, HG_EBUSY, "another process runs the pipeline in %s", dir);
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return hg_err_errno(err, errno, "cannot write %s", path);
    return 0; /* held until the process ends */
}

int hg_pipeline_open_log(const char *dir, hg_err_t *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, HG_FILE_LOG);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    hg_log_init((hg_log_opts_t){ .fd = fd, .level = HG_LOG_INFO });
    return 0;
}

static int read_deployment(process_t *x)
{
    char path[4096];
    hg_buf_t text;
    snprintf(path, sizeof path, "%s/%s", x->dir, HG_FILE_DEPLOYMENT);
    hg_buf_init(&text, 256u << 20);
    int rc = hg_file_read(path, &text, &x->err);
    if (rc == 0) rc = hg_deployment_read(x->arena, hg_buf_str(&text), &x->d, &x->err);
    hg_buf_release(&text);
    return rc == HG_EPARSE ? hg_err_wrap(&x->err, "%s", path) : rc;
}

/* The program that the manager has compiled before; if it does not compile here, the first error is the reason: most
 * likely a reference to what is not there. */
static int compile(process_t *x, hg_program_t **ret)
{
    const hg_json_t *env = x->d.env;
    hg_program_t *p = hg_compile(x->d.program, &(hg_compile_opts_t){
                                                   .resolve = hg_secret_resolve,
                                                   .resolve_arg = &env,
                                               });
    if (p->ok) {
        *ret = p;
        return 0;
    }
    for (uint32_t i = 0; i < p->n_msgs && x->err.code == HG_OK; i++)
        if (!p->msgs[i].warning)
            hg_err_at(&x->err, p->unresolved ? HG_EREFERENCE : HG_ECOMPILE, p->msgs[i].pos, "%s: %s",
                      p->msgs[i].error_type, p->msgs[i].message);
    hg_program_free(p);
    return x->err.code;
}

/* May the next process not meet this error? A program, a configuration or damaged state is the same then. */
static bool may_pass(const hg_err_t *err)
{
    switch ((int)err->code) {
    case HG_ENOMEM:
    case HG_EIO:
    case HG_ENET:
    case HG_ETIMEOUT:
    case HG_EAGAIN:
    case HG_EBUSY:
        return true;
    default:
        return err->retry;
    }
}

static void put_exit(process_t *x, hg_jw_t *w)
{
    const char *reason = x->err.code ? "failed" : x->suspended ? "suspended" : "stopped";
    hg_jw_obj(w);
    hg_jw_kstr(w, "deployment_id", x->d.deployment_id);
    hg_jw_kstr(w, "reason", reason);
    hg_jw_key(w, "error");
    if (!x->err.code) {
        hg_jw_null(w);
    } else {
        hg_jw_obj(w);
        hg_jw_kstr(w, "message", hg_hide_err(&x->err).msg);
        hg_jw_kstr(w, "error_code", hg_code_name(x->err.code));
        hg_jw_kbool(w, "retry", may_pass(&x->err));
        hg_jw_key(w, "details");
        hg_jw_obj(w);
        if (x->err.pos.line) {
            hg_jw_ku64(w, "line", x->err.pos.line);
            hg_jw_ku64(w, "column", x->err.pos.col);
        }
        hg_jw_end_obj(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

static void write_exit(process_t *x)
{
    char path[4096];
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, 1u << 20);
    hg_jw_init(&w, &b);
    put_exit(x, &w);
    snprintf(path, sizeof path, "%s/%s", x->dir, HG_FILE_EXIT);
    if (hg_file_replace(path, hg_buf_str(&b), "exit", &err) < 0)
        hg_log(HG_LOG_ERROR, "pipeline", x->d.name, "exit_not_written", "error=\"%s\"", err.msg);
    hg_buf_release(&b);
}

/* --- ending --- */

static void free_on_loop(void *arg)
{
    process_t *x = arg;
    hg_pipeline_free(x->pipeline);
    x->pipeline = NULL;
    hg_loop_stop(x->loop);
}

static void server_closed(void *arg)
{
    process_t *x = arg;
    hg_pipeline_server_free(x->server);
    x->server = NULL;
    hg_loop_post(x->loop, free_on_loop, x);
}

/* Before the socket goes: who sees the socket gone finds the reason. */
static void end(process_t *x)
{
    x->ended = true;
    write_exit(x);
    uv_close((uv_handle_t *)&x->term, NULL);
    uv_close((uv_handle_t *)&x->intr, NULL);
}

static void on_stopped(void *arg, const hg_err_t *err)
{
    process_t *x = arg;
    if (err->code) x->err = *err;
    end(x);
    if (x->server)
        hg_pipeline_server_close(x->server, server_closed, x);
    else if (!x->standby) /* else when that is closed, which is under way */
        hg_loop_post(x->loop, free_on_loop, x);
}

static void standby_left(void *arg)
{
    process_t *x = arg;
    hg_standby_free(x->standby);
    x->standby = NULL;
    hg_loop_stop(x->loop);
}

static void leave_standby(process_t *x)
{
    if (x->ended) return;
    end(x);
    hg_standby_close(x->standby, standby_left, x);
}

static void on_stop(void *arg, bool drain)
{
    process_t *x = arg;
    x->suspended = drain;
    if (x->pipeline)
        hg_pipeline_stop(x->pipeline, drain);
    else
        leave_standby(x);
}

static void on_signal(uv_signal_t *h, int signum)
{
    process_t *x = h->data;
    hg_log(HG_LOG_INFO, "pipeline", x->d.name, "signal", "number=%d", signum);
    on_stop(x, x->signals++ == 0);
}

static void watch_signal(process_t *x, uv_signal_t *h, int signum)
{
    uv_signal_init(hg_loop_uv(x->loop), h);
    h->data = x;
    uv_signal_start(h, on_signal, signum);
}

static void watch_signals(process_t *x)
{
    watch_signal(x, &x->term, SIGTERM);
    watch_signal(x, &x->intr, SIGINT);
}

/* --- beginning --- */

/* The state to go on from may be in a bucket. */
static int begin_storage(process_t *x)
{
    const hg_remote_cfg_t **sync = &x->opts.config.sync;
    int rc = 0;
    if (!x->opts.config.storage) return 0;
    if (*sync) rc = hg_remote_config_resolve(*sync, x->d.env, x->arena, sync, &x->err);
    if (rc < 0 || x->d.standby) return rc;
    return hg_remote_pull(&(hg_remote_pull_t){ .cfg = *sync, .name = x->d.name, .dir = x->storage }, &x->err);
}

static int make(process_t *x)
{
    hg_program_t *program = NULL;
    int rc = compile(x, &program);
    if (rc < 0) return rc;
    x->opts.program = program;
    rc = hg_pipeline_new(&x->opts, &x->pipeline, &x->err);
    if (rc < 0) hg_program_free(program);
    return rc;
}

static void serve(process_t *x)
{
    hg_pipeline_server_opts_t so = { x->pipeline, x->loop, x->d.deployment_id, on_stop, x };
    if (hg_pipeline_server_new(&so, x->d.socket, &x->server, &x->err) < 0)
        hg_pipeline_stop(x->pipeline, false); /* the loop runs until it is closed */
}

/* The socket is free for the pipeline's server, unless the pipeline has ended meanwhile. */
static void standby_over(void *arg)
{
    process_t *x = arg;
    hg_standby_free(x->standby);
    x->standby = NULL;
    if (x->ended)
        hg_loop_post(x->loop, free_on_loop, x);
    else
        serve(x);
}

static void on_activate(void *arg, bool running, const hg_err_t *err)
{
    process_t *x = arg;
    if (x->ended) return;
    x->opts.running = running;
    if (err->code) x->err = *err;
    if (x->err.code == HG_OK && make(x) == 0) {
        hg_standby_close(x->standby, standby_over, x);
    } else {
        hg_log(HG_LOG_ERROR, "pipeline", x->d.name, "not_started", "error=\"%s\"", x->err.msg);
        leave_standby(x);
    }
}

static void stand_by(process_t *x)
{
    const hg_standby_opts_t so = { .control = x->loop,
                                   .name = x->d.name,
                                   .deployment_id = x->d.deployment_id,
                                   .storage_dir = x->storage,
                                   .sync = x->opts.config.sync,
                                   .on_activate = on_activate,
                                   .on_stop = on_stop,
                                   .arg = x };
    watch_signals(x);
    if (hg_standby_new(&so, x->d.socket, &x->standby, &x->err) < 0) leave_standby(x);
}

/* Afterwards the loop is to run. */
static int start(process_t *x)
{
    snprintf(x->storage, sizeof x->storage, "%s/%s", x->dir, HG_DIR_STORAGE);
    x->opts = (hg_pipeline_opts_t){ .name = x->d.name,
                                    .id = x->d.id,
                                    .control = x->loop,
                                    .config = x->d.config,
                                    .running = x->d.running,
                                    .bootstrap = x->d.bootstrap,
                                    .storage_dir = x->storage,
                                    .on_stopped = on_stopped,
                                    .arg = x };
    int rc = begin_storage(x);
    if (rc == 0 && x->d.standby) {
        stand_by(x);
        return 0;
    }
    if (rc == 0) rc = make(x);
    if (rc < 0) return rc;
    watch_signals(x);
    serve(x);
    return 0;
}

int hg_pipeline_process(const char *dir)
{
    process_t x = { .dir = dir, .arena = hg_arena_new(), .err = HG_ERR_INIT };
    struct rlimit lim;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    int rc = hg_pipeline_lock(dir, &x.err);
    if (rc == 0) rc = hg_pipeline_open_log(dir, &x.err);
    if (rc < 0) { /* nothing is ours: nothing is written */
        fprintf(stderr, "headgate: %s\n", x.err.msg);
        hg_arena_free(x.arena);
        return 1;
    }
    hg_err_t odd = HG_ERR_INIT;
    if (hg_mem_sample_start_env(&odd) < 0) hg_log(HG_LOG_WARN, "pipeline", "", "heap_sample", "error=\"%s\"", odd.msg);
    rc = read_deployment(&x);
    if (rc == 0) rc = hg_access_enter(x.d.access, &x.err);
    x.loop = hg_loop_new("hg-control");
    if (rc == 0) rc = start(&x);
    if (rc < 0) {
        hg_log(HG_LOG_ERROR, "pipeline", x.d.name, "not_started", "error=\"%s\"", x.err.msg);
        write_exit(&x);
    } else {
        hg_loop_run(x.loop);
    }
    hg_cpu_profile_close();
    hg_loop_free(x.loop);
    if (x.err.code == HG_OK) hg_log(HG_LOG_INFO, "pipeline", x.d.name, "stopped", "%s", "");
    rc = x.err.code ? 1 : 0;
    hg_arena_free(x.arena);
    return rc;
}
