/* child.c: short-lived children of our own executable: JSON in, JSON out (`headgate compile`, `headgate position`).
 *
 * At most CHILD_PARALLEL run, the rest waits in order. A job ends when the child is gone and both its pipes are closed;
 * whatever went wrong on the way (no such program, killed, too slow) is one sentence.
 */
#include "base/hg.h"

#include <signal.h>

#include "base/mem.h"
#include "manager/manager_int.h"

#define CHILD_PARALLEL   2
#define CHILD_TIMEOUT_MS 120000
#define ASIDE_TIMEOUT_MS 600000
#define CHILD_ANSWER_MAX ((size_t)256 << 20)
#define CHILD_STDERR_MAX 2048

struct hg_job {
    hg_list_t link; /* mg->jobs */
    hg_mg_t *mg;
    const char *what; /* it is: "the compiler" */
    char *command, *dir;
    char *input;
    size_t input_len;
    void (*begun)(void *arg);
    hg_child_fn done; /* NULL: forgotten */
    void *arg;
    bool running, aside;

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
    hg_free(job->command);
    hg_free(job->dir);
    hg_free(job->input);
    hg_free(job);
}

static void fail(hg_job_t *job, const char *why)
{
    if (job->done) job->done(job->arg, (hg_str_t){ 0 }, why);
}

static int timeout_ms(const hg_job_t *job)
{
    return job->aside ? ASIDE_TIMEOUT_MS : CHILD_TIMEOUT_MS;
}

static void deliver(hg_job_t *job)
{
    char why[CHILD_STDERR_MAX + 256];
    const char *colon = job->complaint.len ? ": " : "", *complaint = job->complaint.len ? job->complaint.p : "";
    if (job->timed_out)
        snprintf(why, sizeof why, "%s did not answer within %d s", job->what, timeout_ms(job) / 1000);
    else if (job->term_signal)
        snprintf(why, sizeof why, "%s was ended by signal %d%s%s", job->what, job->term_signal, colon, complaint);
    else if (job->exit_status)
        snprintf(why, sizeof why, "%s ended with exit code %d%s%s", job->what, (int)job->exit_status, colon, complaint);
    else {
        if (job->done) job->done(job->arg, hg_buf_str(&job->answer), NULL);
        return;
    }
    fail(job, why);
}

static void on_closed(uv_handle_t *h)
{
    hg_job_t *job = h->data;
    if (--job->handles) return;
    hg_mg_t *mg = job->mg;
    bool aside = job->aside;
    deliver(job);
    job_free(job);
    if (!aside) mg->jobs_running--;
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
        hg_buf_add(&job->complaint, buf->base, HG_MIN((size_t)n, CHILD_STDERR_MAX - job->complaint.len));
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
    if (!job->aside) mg->jobs_running++;
    uv_pipe_init(mg->uv, &job->in, 0);
    uv_pipe_init(mg->uv, &job->out, 0);
    uv_pipe_init(mg->uv, &job->err, 0);
    uv_timer_init(mg->uv, &job->timer);
    job->process.data = job->in.data = job->out.data = job->err.data = job->timer.data = job->write.data = job;
    job->handles = 5;
    if (job->begun) job->begun(job->arg);

    char arg0[] = "headgate";
    char *args[] = { arg0, job->command, job->dir, NULL };
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
    uv_timer_start(&job->timer, on_timeout, timeout_ms(job), 0);
    uv_buf_t buf = uv_buf_init(job->input, (unsigned)job->input_len);
    if (uv_write(&job->write, (uv_stream_t *)&job->in, &buf, 1, on_written) < 0)
        uv_close((uv_handle_t *)&job->in, on_closed);
}

static void pump(hg_mg_t *mg)
{
    HG_LIST_EACH(it, &mg->jobs)
    {
        if (mg->jobs_running >= CHILD_PARALLEL || mg->closing) return;
        hg_job_t *job = HG_ENTRY(it, hg_job_t, link);
        if (!job->running) job_begin(job);
    }
}

static hg_job_t *job_new(hg_mg_t *mg, const char *what, const char *command, const char *dir, hg_buf_t *input,
                         void (*begun)(void *arg), hg_child_fn done, void *arg)
{
    hg_job_t *job = HG_NEW(hg_job_t);
    job->mg = mg;
    job->what = what;
    job->command = hg_xstrdup(command);
    if (dir) job->dir = hg_xstrdup(dir);
    job->input = hg_buf_take(input, &job->input_len);
    job->begun = begun;
    job->done = done;
    job->arg = arg;
    hg_buf_init(&job->answer, CHILD_ANSWER_MAX);
    hg_buf_init(&job->complaint, CHILD_STDERR_MAX);
    hg_list_init(&job->link);
    hg_list_add_tail(&mg->jobs, &job->link);
    return job;
}

hg_job_t *hg_child_run(hg_mg_t *mg, const char *what, const char *command, const char *dir, hg_buf_t *input,
                       void (*begun)(void *arg), hg_child_fn done, void *arg)
{
    hg_job_t *job = job_new(mg, what, command, dir, input, begun, done, arg);
    pump(mg);
    return job;
}

hg_job_t *hg_child_run_aside(hg_mg_t *mg, const char *what, const char *command, hg_buf_t *input, hg_child_fn done,
                             void *arg)
{
    hg_job_t *job = job_new(mg, what, command, NULL, input, NULL, done, arg);
    job->aside = true;
    job_begin(job);
    return job;
}

void *hg_child_forget(hg_job_t *job)
{
    void *arg = job->arg;
    job->done = NULL;
    job->begun = NULL;
    if (!job->running)
        job_free(job);
    else if (!uv_is_closing((uv_handle_t *)&job->process))
        uv_process_kill(&job->process, SIGKILL);
    return arg;
}

void hg_child_close(hg_mg_t *mg)
{
    mg->closing = true;
    HG_LIST_EACH(it, &mg->jobs)
    {
        hg_job_t *job = HG_ENTRY(it, hg_job_t, link);
        fail(job, "the manager is stopping");
        hg_child_forget(job);
    }
}
