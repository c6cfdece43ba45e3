/* run.c: `headgate run program.sql`: the pipeline in the foreground. Control loop = the calling thread. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mem_sample.h"
#include "pipeline/process.h"
#include "pipeline/progress.h"
#include "pipeline/secrets.h"
#include "pipeline/server.h"
#include "profile/cpu.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS      10
#define REDRAW_TICKS 20

typedef struct {
    hg_run_opts_t o;
    char name[128];
    hg_arena_t *arena;
    hg_loop_t *loop;
    hg_pipeline_t *p;
    hg_pipeline_server_t *server;
    hg_progress_t *progress;
    uv_timer_t tick;
    uv_signal_t intr, term;
    unsigned ticks, signals;
    bool complete, stopping;
    hg_err_t err;
} run_t;

static bool read_program(const char *path, hg_buf_t *out)
{
    char buf[65536];
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(stderr, "headgate: cannot open %s: %s\n", path, strerror(errno));
        return false;
    }
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;) hg_buf_add(out, buf, n);
    bool ok = !ferror(f);
    if (!ok) fprintf(stderr, "headgate: cannot read %s: %s\n", path, strerror(errno));
    fclose(f);
    return ok;
}

static void set_name(run_t *r)
{
    const char *base = strrchr(r->o.program, '/');
    snprintf(r->name, sizeof r->name, "%s", r->o.name ? r->o.name : base ? base + 1 : r->o.program);
    size_t n = strlen(r->name);
    if (!r->o.name && n > 4 && strcmp(r->name + n - 4, ".sql") == 0) r->name[n - 4] = 0;
}

/* Compile; errors and warnings go to stderr. */
static hg_program_t *compile(run_t *r)
{
    hg_buf_t text, msgs;
    const hg_json_t *no_env = NULL;
    hg_buf_init(&text, 256u << 20);
    hg_buf_init(&msgs, HG_BUF_NOMAX);
    if (!read_program(r->o.program, &text)) {
        hg_buf_release(&text);
        return NULL;
    }
    hg_program_t *p =
        hg_compile(hg_buf_str(&text),
                   &(hg_compile_opts_t){ .file = r->o.program, .resolve = hg_secret_resolve, .resolve_arg = &no_env });
    bool color = isatty(2) && !getenv("NO_COLOR");
    hg_program_messages_text(p, r->o.program, color, &msgs);
    fwrite(msgs.p, 1, msgs.len, stderr);
    hg_buf_release(&text);
    hg_buf_release(&msgs);
    if (p->ok) return p;
    hg_program_free(p);
    return NULL;
}

static void on_change(void *arg, uint32_t input, hg_orch_reason_t reason)
{
    run_t *r = arg;
    if (r->progress) hg_progress_changed(r->progress, input, reason);
}

/* --- ending: pipeline stopped → server closed → pipeline freed → loop stopped --- */

static void free_on_loop(void *arg)
{
    run_t *r = arg;
    if (r->progress) {
        hg_progress_end(r->progress, r->err.code ? "failed" : r->complete ? "complete" : "stopped");
        hg_progress_free(r->progress);
    }
    if (r->server) hg_pipeline_server_free(r->server);
    hg_pipeline_free(r->p);
    hg_loop_stop(r->loop);
}

static void on_stopped(void *arg, const hg_err_t *err)
{
    run_t *r = arg;
    if (err->code) r->err = *err;
    uv_close((uv_handle_t *)&r->tick, NULL);
    uv_close((uv_handle_t *)&r->intr, NULL);
    uv_close((uv_handle_t *)&r->term, NULL);
    if (r->server)
        hg_pipeline_server_close(r->server, free_on_loop, r);
    else
        hg_loop_post(r->loop, free_on_loop, r);
}

static void stop(void *arg, bool drain)
{
    run_t *r = arg;
    r->stopping = true;
    hg_pipeline_stop(r->p, drain);
}

static void on_signal(uv_signal_t *h, int signum)
{
    run_t *r = h->data;
    (void)signum;
    stop(r, r->signals++ == 0);
}

static void on_tick(uv_timer_t *t)
{
    run_t *r = t->data;
    hg_pipeline_totals_t totals;
    if (r->ticks++ % REDRAW_TICKS == 0) hg_progress_tick(r->progress);
    if (!r->o.until_complete || r->stopping) return;
    hg_pipeline_totals(r->p, &totals);
    /* Nobody is here to repair a failed connector: complete will not come true, or would be a lie. */
    char why[1024];
    if (hg_pipeline_failed(r->p, why, sizeof why)) {
        hg_err_set(&r->err, HG_EIO, "%s", why);
        stop(r, true);
        return;
    }
    if (!totals.complete) return;
    r->complete = true;
    hg_progress_tick(r->progress);
    stop(r, true);
}

static void watch_signal(run_t *r, uv_signal_t *h, int signum)
{
    uv_signal_init(hg_loop_uv(r->loop), h);
    h->data = r;
    uv_signal_start(h, on_signal, signum);
}

static int parse_config(run_t *r, hg_runtime_config_t *ret)
{
    hg_json_t *v = NULL;
    int rc = r->o.config ? hg_json_parse(r->arena, hg_strz(r->o.config), &v, &r->err) : 0;
    if (rc == 0) rc = hg_runtime_config_parse(v, r->arena, ret, &r->err);
    return rc < 0 ? hg_err_wrap(&r->err, "--config") : 0;
}

static int start(run_t *r, hg_program_t *prog)
{
    /* Paused at first: the progress display must exist before the first change of state. */
    hg_pipeline_opts_t o = {
        .name = r->name, .program = prog, .control = r->loop, .on_change = on_change, .on_stopped = on_stopped, .arg = r
    };
    int rc = parse_config(r, &o.config);
    if (rc == 0) rc = hg_pipeline_new(&o, &r->p, &r->err);
    if (rc < 0) {
        hg_program_free(prog);
        return rc;
    }
    r->progress = hg_progress_new(r->p, r->name, isatty(1) && !r->o.plain, r->o.until_complete);
    watch_signal(r, &r->intr, SIGINT);
    watch_signal(r, &r->term, SIGTERM);
    uv_timer_init(hg_loop_uv(r->loop), &r->tick);
    r->tick.data = r;
    uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
    if (r->o.listen) {
        hg_pipeline_server_opts_t so = { r->p, r->loop, "run", stop, r };
        if (hg_pipeline_server_new(&so, r->o.listen, &r->server, &r->err) < 0) stop(r, false);
    }
    if (!r->o.paused && !r->stopping) hg_pipeline_run(r->p, true);
    return 0;
}

int hg_run(const hg_run_opts_t *opts)
{
    run_t r = { .o = *opts, .arena = hg_arena_new(), .err = HG_ERR_INIT };
    struct rlimit lim;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    /* A failure is told by the progress display, or as the reason why this command ends: not by the log as well. */
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_WARN, .mute = "failed" });
    hg_err_t odd = HG_ERR_INIT;
    if (hg_mem_sample_start_env(&odd) < 0) fprintf(stderr, "headgate: %s\n", odd.msg);
    set_name(&r);
    hg_program_t *prog = compile(&r);
    if (!prog) {
        hg_arena_free(r.arena);
        return 2;
    }
    r.loop = hg_loop_new("hg-control");
    if (start(&r, prog) == 0) hg_loop_run(r.loop);
    hg_cpu_profile_close();
    hg_loop_free(r.loop);
    if (r.err.code && r.err.pos.line)
        fprintf(stderr, "%s:%u:%u: error: %s\n", r.o.program, r.err.pos.line, r.err.pos.col, r.err.msg);
    else if (r.err.code)
        fprintf(stderr, "headgate: %s\n", r.err.msg);
    hg_arena_free(r.arena);
    return r.err.code ? 1 : 0;
}
