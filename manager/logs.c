/* logs.c: GET …/logs: what is in DIR/log, then every line that is added, until the pipeline is deleted or the client
 * leaves.
 *
 * It works without a process. One reader per client: an asynchronous read at a time, whole lines to the client, a look
 * at the end of the file five times a second. When a new deployment has begun a new file, the reader goes on there.
 */
#include "base/hg.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

#define LOG_REPLAY ((int64_t)1 << 20) /* older lines are left out, with a notice */
#define LOG_LINE   ((size_t)64 << 10) /* a longer line goes out in pieces */
#define LOG_LOOK   200                /* ms */

typedef struct hg_follow {
    hg_list_t link; /* mg->follows */
    hg_mg_t *mg;
    hg_req_t *r; /* NULL: over */
    hg_pl_t *pl;
    char *path;
    int fd; /* -1: not there yet */
    int64_t off;
    bool skip_line; /* began in the middle of a line */
    hg_buf_t held;  /* the beginning of a line */
    uv_timer_t timer;
    uv_fs_t read;
    bool reading, timer_closed;
    char chunk[32768];
} hg_follow_t;

static void look(hg_follow_t *f);

static void try_free(hg_follow_t *f)
{
    if (f->r || f->reading || !f->timer_closed) return;
    if (f->fd >= 0) close(f->fd);
    hg_buf_release(&f->held);
    hg_pl_drop(f->pl);
    hg_free(f->path);
    hg_free(f);
}

static void on_timer_closed(uv_handle_t *h)
{
    hg_follow_t *f = h->data;
    f->timer_closed = true;
    try_free(f);
}

/* The request is answered or gone: f frees itself when the last call-back is through. */
static void follow_over(hg_follow_t *f)
{
    f->r = NULL;
    hg_list_del(&f->link);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

static void on_abort(void *arg)
{
    follow_over(arg);
}

static void finish(hg_follow_t *f)
{
    hg_req_t *r = f->r;
    if (f->held.len) {
        hg_buf_addc(&f->held, '\n');
        hg_resp_write(r, f->held.p, f->held.len);
    }
    hg_resp_write(r, "Logs have ended\n", 16);
    hg_req_on_abort(r, NULL, NULL);
    hg_resp_end(r);
    follow_over(f);
}

static void on_look(uv_timer_t *t)
{
    look(t->data);
}

static void on_drain(void *arg)
{
    hg_follow_t *f = arg;
    if (f->r) look(f);
}

/* Hands whole lines on. False: wait for on_drain. */
static bool pass_on(hg_follow_t *f, const char *p, size_t n)
{
    if (f->skip_line) {
        const char *nl = memchr(p, '\n', n);
        if (!nl) return true;
        f->skip_line = false;
        n -= (size_t)(nl + 1 - p);
        p = nl + 1;
    }
    const char *last = memrchr(p, '\n', n);
    if (!last) {
        hg_buf_add(&f->held, p, n);
        if (f->held.len < LOG_LINE) return true;
        hg_buf_addc(&f->held, '\n');
    } else {
        hg_buf_add(&f->held, p, (size_t)(last + 1 - p));
    }
    bool go_on = hg_resp_write(f->r, f->held.p, f->held.len);
    hg_buf_clear(&f->held);
    if (last) hg_buf_add(&f->held, last + 1, (size_t)(p + n - last - 1));
    return go_on;
}

/* At the end of the file: has a new one taken its place? */
static void follow_rotation(hg_follow_t *f)
{
    struct stat now, mine;
    if (stat(f->path, &now) < 0 || fstat(f->fd, &mine) < 0 || now.st_ino == mine.st_ino) return;
    close(f->fd);
    f->fd = -1;
    f->off = 0;
}

static void on_read(uv_fs_t *req)
{
    hg_follow_t *f = req->data;
    ssize_t n = req->result;
    uv_fs_req_cleanup(req);
    f->reading = false;
    if (!f->r) {
        try_free(f);
        return;
    }
    if (n > 0) {
        f->off += n;
        if (pass_on(f, f->chunk, (size_t)n))
            look(f);
        else
            hg_resp_on_drain(f->r, on_drain, f);
        return;
    }
    if (f->pl->gone) {
        finish(f);
        return;
    }
    follow_rotation(f);
    uv_timer_start(&f->timer, on_look, LOG_LOOK, 0);
}

static void open_log(hg_follow_t *f)
{
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || f->off > 0) return;
    if (fstat(f->fd, &st) == 0 && st.st_size > LOG_REPLAY) {
        static const char notice[] = "[manager] older lines are left out\n";
        f->off = st.st_size - LOG_REPLAY;
        f->skip_line = true;
        hg_resp_write(f->r, notice, sizeof notice - 1);
    }
}

static void look(hg_follow_t *f)
{
    if (f->fd < 0) open_log(f);
    if (f->fd < 0) {
        if (f->pl->gone)
            finish(f);
        else
            uv_timer_start(&f->timer, on_look, LOG_LOOK, 0);
        return;
    }
    uv_buf_t buf = uv_buf_init(f->chunk, sizeof f->chunk);
    f->reading = true;
    f->read.data = f;
    if (uv_fs_read(f->mg->uv, &f->read, f->fd, &buf, 1, f->off, on_read) < 0) {
        f->reading = false;
        uv_timer_start(&f->timer, on_look, LOG_LOOK, 0);
    }
}

void hg_logs_handler(hg_call_t *c)
{
    hg_follow_t *f = HG_NEW(hg_follow_t);
    f->mg = c->mg;
    f->r = c->r;
    f->pl = hg_pl_retain(c->pl);
    f->path = hg_deploy_file(c->mg, c->pl, HG_FILE_LOG);
    f->fd = -1;
    hg_buf_init(&f->held, 2 * LOG_LINE);
    uv_timer_init(c->mg->uv, &f->timer);
    f->timer.data = f;
    hg_list_init(&f->link);
    hg_list_add_tail(&c->mg->follows, &f->link);
    hg_req_on_abort(c->r, on_abort, f);
    hg_resp_begin(c->r, 200, "text/plain; charset=utf-8", hg_reply_cors(c->r, "X-Content-Type-Options: nosniff\r\n"));
    look(f);
}

void hg_logs_close(hg_mg_t *mg)
{
    HG_LIST_EACH(it, &mg->follows)
    {
        hg_follow_t *f = HG_ENTRY(it, hg_follow_t, link);
        if (f->reading) {
            hg_req_t *r = f->r;
            hg_req_on_abort(r, NULL, NULL);
            hg_resp_cut(r);
            follow_over(f);
        } else {
            finish(f);
        }
    }
}
