/* compile_client.c: programs are compiled by a short-lived child, `headgate compile`: JSON in, JSON out.
 *
 * At most COMPILE_PARALLEL children run, the rest waits in order. A job ends when the child is gone and both its pipes
 * are closed; whatever went wrong on the way (no such program, killed, no JSON) is one sentence in system_error. A
 * pipeline's job is remembered by its program_version: an answer about an older text is dropped.
 */
#include "base/hg.h"

#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

#define COMPILE_PARALLEL   2
#define COMPILE_TIMEOUT_MS 120000
#define COMPILE_ANSWER_MAX ((size_t)256 << 20)
#define COMPILE_STDERR_MAX 2048

struct hg_job {
    hg_list_t link; /* mg->jobs */
    hg_mg_t *mg;
    char *input;
    size_t input_len;
    void (*begun)(void *arg);
    hg_compiled_fn done; /* NULL: forgotten */
    void *arg;
    bool running;

    uv_process_t process;
    uv_pipe_t in, out, err; /* our ends of the child's 0, 1, 2 */
    uv_timer_t timer;
    uv_write_t write;
    unsigned handles; /* that are not closed yet */
    unsigned waits;   /* exit, end of out, end of err */
    bool timed_out;
    int64_t exit_status;
    int term_signal;
    hg_buf_t answer, complaint;
    char chunk[16384];
};

static void pump(hg_mg_t *mg);

static void job_free(hg_job_t *job)
{
    hg_list_del(&job->link);
    hg_buf_release(&job->answer);
    hg_buf_release(&job->complaint);
    hg_free(job->input);
    hg_free(job);
}

static void fail(hg_job_t *job, const char *why)
{
    hg_compiled_t res = { .system_error = why };
    if (job->done) job->done(job->arg, &res);
}

/* The text of one member of the answer, in the arena; NULL for null and absent. */
static const char *member_text(hg_arena_t *a, const hg_json_t *obj, const char *key, hg_str_t text)
{
    const hg_json_t *v = hg_json_get(obj, key);
    if (!v || v->kind == HG_J_NULL) return NULL;
    return hg_arena_strndup(a, text.p + v->off, v->len);
}

static void deliver(hg_job_t *job)
{
    char why[COMPILE_STDERR_MAX + 256];
    if (job->timed_out) {
        snprintf(why, sizeof why, "the compiler did not answer within %d s", COMPILE_TIMEOUT_MS / 1000);
        fail(job, why);
        return;
    }
    if (job->term_signal || job->exit_status) {
        if (job->term_signal)
            snprintf(why, sizeof why, "the compiler was ended by signal %d%s%s", job->term_signal,
                     job->complaint.len ? ": " : "", job->complaint.p);
        else
            snprintf(why, sizeof why, "the compiler ended with exit code %d%s%s", (int)job->exit_status,
                     job->complaint.len ? ": " : "", job->complaint.p);
        fail(job, why);
        return;
    }
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_str_t text = hg_buf_str(&job->answer);
    if (hg_json_parse(a, text, &v, &err) < 0) {
        snprintf(why, sizeof why, "the compiler's answer cannot be read: %.400s", err.msg);
        fail(job, why);
    } else {
        hg_compiled_t res = { .ok = hg_json_bool(hg_json_get(v, "ok"), false),
                              .messages = member_text(a, v, "messages", text),
                              .program_info = member_text(a, v, "program_info", text) };
        if (!res.messages || (res.ok && !res.program_info))
            fail(job, "the compiler's answer is incomplete");
        else if (job->done)
            job->done(job->arg, &res);
    }
    hg_arena_free(a);
}

static void on_closed(uv_handle_t *h)
{
    hg_job_t *job = h->data;
    if (--job->handles) return;
    hg_mg_t *mg = job->mg;
    deliver(job);
    job_free(job);
    mg->jobs_running--;
    if (mg->closing)
        hg_mg_part_closed(mg);
    else
        pump(mg);
}

static void close_all(hg_job_t *job)
{
    uv_handle_t *all[] = { (uv_handle_t *)&job->process, (uv_handle_t *)&job->in, (uv_handle_t *)&job->out,
                           (uv_handle_t *)&job->err, (uv_handle_t *)&job->timer };
    for (size_t i = 0; i < HG_COUNT(all); i++)
        if (!uv_is_closing(all[i])) uv_close(all[i], on_closed);
}

static void wait_over(hg_job_t *job)
{
    if (--job->waits == 0) close_all(job);
}

static void on_exit_child(uv_process_t *p, int64_t status, int sig)
{
    hg_job_t *job = p->data;
    job->exit_status = status;
    job->term_signal = sig;
    wait_over(job);
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
    hg_job_t *job = h->data;
    (void)want;
    *buf = uv_buf_init(job->chunk, sizeof job->chunk);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    hg_job_t *job = s->data;
    if (n < 0) {
        uv_read_stop(s);
        wait_over(job);
    } else if (s == (uv_stream_t *)&job->err) {
        hg_buf_add(&job->complaint, buf->base, HG_MIN((size_t)n, COMPILE_STDERR_MAX - job->complaint.len));
    } else if (hg_buf_add(&job->answer, buf->base, (size_t)n) < 0) {
        uv_process_kill(&job->process, SIGKILL);
    }
}

static void on_written(uv_write_t *req, int status)
{
    hg_job_t *job = req->data;
    (void)status; /* a child that does not read tells why by its exit */
    if (!uv_is_closing((uv_handle_t *)&job->in)) uv_close((uv_handle_t *)&job->in, on_closed);
}

static void on_timeout(uv_timer_t *t)
{
    hg_job_t *job = t->data;
    job->timed_out = true;
    uv_process_kill(&job->process, SIGKILL);
}

static void job_begin(hg_job_t *job)
{
    hg_mg_t *mg = job->mg;
    job->running = true;
    mg->jobs_running++;
    uv_pipe_init(mg->uv, &job->in, 0);
    uv_pipe_init(mg->uv, &job->out, 0);
    uv_pipe_init(mg->uv, &job->err, 0);
    uv_timer_init(mg->uv, &job->timer);
    job->process.data = job->in.data = job->out.data = job->err.data = job->timer.data = job->write.data = job;
    job->handles = 5;
    if (job->begun) job->begun(job->arg);

    char arg0[] = "headgate", arg1[] = "compile";
    char *args[] = { arg0, arg1, NULL };
    uv_stdio_container_t stdio[3] = {
        { .flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data = { .stream = (uv_stream_t *)&job->in } },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data = { .stream = (uv_stream_t *)&job->out } },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data = { .stream = (uv_stream_t *)&job->err } },
    };
    uv_process_options_t po = {
        .exit_cb = on_exit_child, .file = mg->exe, .args = args, .stdio = stdio, .stdio_count = 3
    };
    int rc = uv_spawn(mg->uv, &job->process, &po);
    if (rc < 0) {
        /* The handle is initialised even then, and has to be closed. */
        job->exit_status = 127;
        hg_buf_addf(&job->complaint, "%s: %s", mg->exe, uv_strerror(rc));
        close_all(job);
        return;
    }
    job->waits = 3;
    uv_read_start((uv_stream_t *)&job->out, on_alloc, on_read);
    uv_read_start((uv_stream_t *)&job->err, on_alloc, on_read);
    uv_timer_start(&job->timer, on_timeout, COMPILE_TIMEOUT_MS, 0);
    uv_buf_t buf = uv_buf_init(job->input, (unsigned)job->input_len);
    if (uv_write(&job->write, (uv_stream_t *)&job->in, &buf, 1, on_written) < 0)
        uv_close((uv_handle_t *)&job->in, on_closed);
}

static void pump(hg_mg_t *mg)
{
    HG_LIST_EACH(it, &mg->jobs)
    {
        if (mg->jobs_running >= COMPILE_PARALLEL || mg->closing) return;
        hg_job_t *job = HG_ENTRY(it, hg_job_t, link);
        if (!job->running) job_begin(job);
    }
}

hg_job_t *hg_manager_compile(hg_mg_t *mg, const char *program, const char *udf_rust, const char *udf_toml,
                     void (*begun)(void *arg), hg_compiled_fn done, void *arg)
{
    hg_job_t *job = HG_NEW(hg_job_t);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "program", program);
    hg_jw_kstr(&w, "udf_rust", udf_rust);
    hg_jw_kstr(&w, "udf_toml", udf_toml);
    hg_jw_end_obj(&w);
    job->mg = mg;
    job->input = hg_buf_take(&b, &job->input_len);
    job->begun = begun;
    job->done = done;
    job->arg = arg;
    hg_buf_init(&job->answer, COMPILE_ANSWER_MAX);
    hg_buf_init(&job->complaint, COMPILE_STDERR_MAX);
    hg_list_init(&job->link);
    hg_list_add_tail(&mg->jobs, &job->link);
    pump(mg);
    return job;
}

void hg_compile_forget(hg_job_t *job)
{
    job->done = NULL;
    job->begun = NULL;
    if (!job->running)
        job_free(job);
    else if (!uv_is_closing((uv_handle_t *)&job->process))
        uv_process_kill(&job->process, SIGKILL);
}

void hg_compile_close(hg_mg_t *mg)
{
    mg->closing = true;
    HG_LIST_EACH(it, &mg->jobs)
    {
        hg_job_t *job = HG_ENTRY(it, hg_job_t, link);
        fail(job, "the manager is stopping");
        hg_compile_forget(job);
    }
}

/* --- a pipeline's program ---------------------------------------------------------------------------------------- */

typedef struct pl_job {
    hg_mg_t *mg;
    hg_pl_t *pl; /* retained */
    int64_t program_version;
} pl_job_t;

static bool current(const pl_job_t *j)
{
    return !j->pl->gone && j->pl->program_version == j->program_version;
}

static void step(hg_mg_t *mg, hg_pl_t *pl, hg_prog_t prog, unsigned what)
{
    hg_pl_set_prog(pl, prog);
    hg_mg_save(mg, pl, what | HG_SAVE_STATE | HG_SAVE_EVENT);
}

static void pl_begun(void *arg)
{
    pl_job_t *j = arg;
    if (current(j)) step(j->mg, j->pl, HG_PROG_COMPILING_SQL, 0);
}

static void pl_compiled(void *arg, const hg_compiled_t *res)
{
    pl_job_t *j = arg;
    hg_mg_t *mg = j->mg;
    hg_pl_t *pl = j->pl;
    bool mine = current(j);
    pl->compiling = false;
    hg_free(j);
    if (mg->closing || pl->gone) {
        hg_pl_drop(pl);
        return;
    }
    if (!mine) {
        hg_compile_pipeline(mg, pl); /* the text changed meanwhile */
        hg_pl_drop(pl);
        return;
    }
    hg_set_text(&pl->sql_compilation, res->messages);
    hg_set_text(&pl->system_error, res->system_error);
    if (res->system_error) {
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "compile_failed", "error=\"%.300s\"", res->system_error);
        step(mg, pl, HG_PROG_SYSTEM_ERROR, HG_SAVE_PROGRAM);
    } else if (!res->ok) {
        step(mg, pl, HG_PROG_SQL_ERROR, HG_SAVE_PROGRAM);
    } else {
        hg_set_text(&pl->program_info, res->program_info);
        step(mg, pl, HG_PROG_SQL_COMPILED, HG_SAVE_PROGRAM);
        step(mg, pl, HG_PROG_COMPILING_RUST, 0);
        hg_set_text(&pl->rust_compilation, "{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}");
        step(mg, pl, HG_PROG_SUCCESS, HG_SAVE_PROGRAM);
    }
    hg_deploy_log(mg, pl, "program version %" PRId64 " compiled: %s", pl->program_version, hg_prog_names[pl->lc.prog]);
    hg_runner_kick(mg, pl);
    hg_pl_drop(pl);
}

void hg_compile_pipeline(hg_mg_t *mg, hg_pl_t *pl)
{
    if (pl->compiling || pl->gone || mg->closing) return; /* the answer that is under way will see that it is stale */
    pl_job_t *j = HG_NEW(pl_job_t);
    j->mg = mg;
    j->pl = hg_pl_retain(pl);
    j->program_version = pl->program_version;
    pl->compiling = true;
    hg_manager_compile(mg, pl->def.program_code, pl->def.udf_rust, pl->def.udf_toml, pl_begun, pl_compiled, j);
}
