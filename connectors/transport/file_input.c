/* file_input.c: reads a file, or follows one that grows.
 *
 *   closed ──run──► opening ──► reading ⇄ idle (held, or at the end of a followed file) ──► ended | closed
 *
 * The descriptor is opened and read on the pool, one job at a time (busy), straight into the lane's chunk buffer;
 * everything else happens on the loop. `off` is where the next read starts; a read that comes back while the input is
 * held is thrown away and repeated later, so nothing is delivered after a hold (except from a pipe, which cannot be
 * read twice).
 *
 * A followed file is looked at every 200 ms. A file that has become shorter than what was read is a clear error: it was
 * truncated or replaced, and what is in it now has no known relation to what was read.
 */
#include "base/hg.h"
#include "connectors/transport/file_path.h"
#include "connectors/connector.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern const hg_input_type_t hg_input_file;

#define POLL_MS  200
#define PIPE_MS  20
#define TAIL     65536 /* how far back from the end a mark looks for the end of a line */
#define MIN_READ 8192u

typedef struct {
    const char *path;
    uint64_t buffer_size;
    bool follow;
} file_cfg_t;

static const hg_opt_t file_opts[] = {
    { .key = "path",
      .type = HG_OPT_STR,
      .at = offsetof(file_cfg_t, path),
      .flags = HG_OPT_REQUIRED,
      .doc = "File to read: a path (a relative one counts from the pipeline's working directory) or an absolute "
             "file:// URL." },
    { .key = "buffer_size_bytes",
      .type = HG_OPT_U64,
      .at = offsetof(file_cfg_t, buffer_size),
      .def = "8192",
      .max = 64 << 20,
      .unit = "bytes",
      .doc = "Read at least so much at a time; reads are as large as the chunk buffer has room for. 0 means 8192." },
    { .key = "follow",
      .type = HG_OPT_BOOL,
      .at = offsetof(file_cfg_t, follow),
      .def = "false",
      .doc = "Go on waiting for data at the end of the file, as tail -f does. Such an input never ends." },
    { .key = NULL },
};

typedef enum { WORK_OPEN, WORK_READ, WORK_MARK } work_kind_t;

typedef struct {
    char *path;
    int fd;
    bool regular, running, busy, closing, restored, marked, ended, saw_data, begun;
    uint64_t start, off, size, mark;
    hg_lane_t *lane;
    uv_timer_t *timer;
    /* the job under way: written before it starts, read after it ended */
    work_kind_t kind;
    char *to;
    size_t room;
    ssize_t got;
    int sys; /* errno */
} file_t;

static void next_step(hg_input_t *in);

static bool file_is_finite(const void *cfg)
{
    return !((const file_cfg_t *)cfg)->follow;
}

static int file_open(hg_input_t *in, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    hg_buf_t path;
    f->fd = -1;
    hg_buf_init(&path, 1 << 16);
    int rc = hg_file_path(((const file_cfg_t *)hg_in_cfg(in))->path, &path, err);
    if (rc == 0) f->path = hg_buf_take(&path, NULL);
    hg_buf_release(&path);
    return rc;
}

static int fatal_errno(hg_err_t *err, int sys, const char *what, const char *path)
{
    hg_err_errno(err, sys, "%s '%s'", what, path);
    err->fatal = 1;
    return err->code;
}

/* --- pool --- */

static int open_fd(const char *path)
{
    if (hg_fault(HG_FAULT_OPEN)) {
        errno = EACCES;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void work_open(file_t *f)
{
    struct stat st;
    f->fd = open_fd(f->path);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        f->sys = errno;
    } else if (S_ISDIR(st.st_mode)) {
        f->sys = EISDIR;
    } else {
        f->regular = S_ISREG(st.st_mode);
        f->size = f->regular ? (uint64_t)st.st_size : 0;
    }
}

static void work_read(file_t *f)
{
    struct stat st;
    do {
        f->got = f->regular ? pread(f->fd, f->to, f->room, (off_t)f->off) : read(f->fd, f->to, f->room);
    } while (f->got < 0 && errno == EINTR);
    if (f->got < 0) f->sys = errno;
    if (f->regular && fstat(f->fd, &st) == 0) f->size = (uint64_t)st.st_size;
}

/* The mark is the end of the last whole line: what is being written now belongs to the time after the mark. */
static void work_mark(file_t *f)
{
    struct stat st;
    char *tail = NULL;
    int fd = open_fd(f->path);
    if (fd < 0 || fstat(fd, &st) < 0) {
        f->sys = errno;
        goto out;
    }
    uint64_t size = (uint64_t)st.st_size, from = size > TAIL ? size - TAIL : 0;
    tail = hg_xnew(TAIL);
    ssize_t n = pread(fd, tail, (size_t)(size - from), (off_t)from);
    if (n < 0) {
        f->sys = errno;
        goto out;
    }
    const char *nl = memrchr(tail, '\n', (size_t)n);
    if (nl)
        f->mark = from + (uint64_t)(nl - tail) + 1;
    else
        f->mark = from ? size : 0;
out:
    hg_free(tail);
    if (fd >= 0) close(fd);
}

static void work(void *arg, unsigned worker)
{
    file_t *f = hg_in_inst(arg);
    (void)worker;
    f->sys = 0;
    switch (f->kind) {
    case WORK_OPEN:
        work_open(f);
        break;
    case WORK_READ:
        work_read(f);
        break;
    case WORK_MARK:
        work_mark(f);
        break;
    }
}

/* --- loop --- */

static void finish_close(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
    hg_free(f->path);
    f->path = NULL;
    hg_in_closed(in);
}

static void on_timer(uv_timer_t *t)
{
    next_step(t->data);
}

static void wait_ms(hg_input_t *in, uint64_t ms)
{
    file_t *f = hg_in_inst(in);
    if (!f->timer) {
        f->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), f->timer);
        f->timer->data = in;
    }
    uv_timer_start(f->timer, on_timer, ms, 0);
}

static void fail(hg_input_t *in, const char *tag, const char *what)
{
    file_t *f = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    f->running = false;
    fatal_errno(&err, f->sys, what, f->path);
    hg_in_error(in, tag, &err);
}

static void opened(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    if (f->sys) {
        fail(in, "open", "Failed to open input file");
        return;
    }
    f->off = f->start = f->restored ? f->off : f->marked ? f->mark : 0;
    f->begun = true;
    f->lane = hg_lane_open(in, f->off);
    next_step(in);
}

static void at_end(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    const file_cfg_t *cfg = hg_in_cfg(in);
    if (f->regular && f->size < f->off) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_EIO,
                   "file '%s' has %" PRIu64 " bytes now, fewer than the %" PRIu64
                   " that were read: it was truncated or replaced",
                   f->path, f->size, f->off);
        err.fatal = 1;
        f->running = false;
        hg_in_error(in, "truncated", &err);
        return;
    }
    if (cfg->follow || (!f->regular && !f->saw_data)) {
        int rc = hg_lane_flush(f->lane);
        if (rc == HG_LANE_OK)
            wait_ms(in, f->regular ? POLL_MS : PIPE_MS);
        else
            f->running = false;
        return;
    }
    f->ended = true;
    f->running = false;
    hg_lane_t *l = f->lane;
    f->lane = NULL;
    (void)hg_lane_close(l, false);
    hg_in_eoi(in);
}

static void got_data(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    const file_cfg_t *cfg = hg_in_cfg(in);
    f->saw_data = true;
    f->off += (uint64_t)f->got;
    hg_in_progress(in, f->off, cfg->follow || !f->regular ? 0 : HG_MAX(f->size, f->off));
    if (hg_lane_fill(f->lane, (size_t)f->got) != HG_LANE_OK)
        f->running = false; /* full: a run will come; failed: a close */
    else if (f->running)
        next_step(in);
}

static void work_done(void *arg)
{
    hg_input_t *in = arg;
    file_t *f = hg_in_inst(in);
    f->busy = false;
    if (f->closing) {
        finish_close(in);
    } else if (f->kind == WORK_MARK) {
        hg_err_t err = HG_ERR_INIT;
        char json[64];
        f->marked = f->sys == 0;
        snprintf(json, sizeof json, "{\"offset\":%" PRIu64 "}", f->mark);
        if (f->marked) {
            hg_in_marked(in, json);
        } else {
            hg_err_errno(&err, f->sys, "Failed to open input file '%s'", f->path);
            err.retry = 1;
            hg_in_mark_failed(in, &err);
        }
        if (f->running) next_step(in);
    } else if (f->kind == WORK_OPEN) {
        opened(in);
    } else if (f->got < 0 && f->sys == EAGAIN) {
        if (!f->running) return;
        if (hg_lane_flush(f->lane) == HG_LANE_OK)
            wait_ms(in, PIPE_MS);
        else
            f->running = false;
    } else if (f->got < 0) {
        fail(in, "read", "Failed to read input file");
    } else if (!f->running && f->regular) {
        return; /* held meanwhile: these bytes are read again */
    } else if (f->got > 0) {
        got_data(in);
    } else if (f->running) {
        at_end(in);
    }
}

static void start_work(hg_input_t *in, work_kind_t kind)
{
    file_t *f = hg_in_inst(in);
    f->busy = true;
    f->kind = kind;
    hg_in_work(in, work, work_done, in);
}

static void next_step(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    const file_cfg_t *cfg = hg_in_cfg(in);
    if (!f->running || f->busy || f->closing || f->ended) return;
    if (f->fd < 0) {
        start_work(in, WORK_OPEN);
        return;
    }
    f->to = hg_lane_reserve(f->lane, HG_MAX((size_t)cfg->buffer_size, MIN_READ), &f->room);
    if (f->to)
        start_work(in, WORK_READ);
    else
        f->running = false; /* memory is out: the host has been told and closes */
}

static int file_run(hg_input_t *in, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    (void)err;
    f->running = true;
    next_step(in);
    return 0;
}

static int file_hold(hg_input_t *in, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    (void)err;
    f->running = false;
    if (f->timer) uv_timer_stop(f->timer);
    if (f->lane && !f->busy) (void)hg_lane_flush(f->lane); /* whole records that were read are delivered */
    return 0;
}

static int file_mark(hg_input_t *in, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    if (f->busy) return hg_err_retry(err, HG_EBUSY, "file '%s' is being read", f->path);
    start_work(in, WORK_MARK);
    return 0;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void file_close(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    f->closing = true;
    f->running = false;
    if (f->timer) {
        uv_close((uv_handle_t *)f->timer, free_timer);
        f->timer = NULL;
    }
    if (!f->busy) finish_close(in);
}

/* {"offsets":{"start":s,"end":e}}: bytes of the last stretch that was consumed; reading goes on at e. */
static void file_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const file_t *f = hg_in_inst(in);
    bool told = n > 0;
    uint64_t from = told ? consumed[0].begin : f->begun ? f->start : f->restored ? f->off : f->marked ? f->mark : 0;
    uint64_t to = told ? consumed[0].end : f->begun ? f->start : from;
    hg_jw_obj(w);
    hg_jw_key(w, "offsets");
    hg_jw_obj(w);
    hg_jw_ku64(w, "start", told ? from : to);
    hg_jw_ku64(w, "end", to);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

static int file_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    if (hg_json_u64(hg_json_get(hg_json_get(position, "offsets"), "end"), &f->off) < 0)
        return hg_err_set(err, HG_EPARSE, "a file position needs 'offsets' with a number 'end'");
    f->restored = true;
    return 0;
}

const hg_input_type_t hg_input_file = {
    .abi = HG_CONNECTOR_ABI,
    .name = "file_input",
    .summary = "reads a file of the machine that runs the pipeline",
    .opts = file_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(file_cfg_t),
    .inst_size = sizeof(file_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_MARK | HG_CAP_RESUME,
    .is_finite = file_is_finite,
    .open = file_open,
    .mark = file_mark,
    .run = file_run,
    .hold = file_hold,
    .close = file_close,
    .save = file_save,
    .restore = file_restore,
};
