/* file_output.c: writes a byte stream to a file.
 *
 * The loop collects what it is given in one buffer while the pool writes the other; a full buffer answers HG_EAGAIN. A
 * step is delivered once its bytes are written and synced: under load one sync serves all steps of 20 ms, an idle file
 * is synced at once. A full disk is not the end: the data stays, health says why, and the write is tried again with
 * backoff. Any other failure of the file is fatal.
 *
 * The file is emptied at the start. After a restore it is cut back to the position instead: what stands behind it was
 * written after the checkpoint and comes again.
 */
#include "base/hg.h"
#include "connectors/transport/file_path.h"
#include "connectors/connector.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern const hg_output_type_t hg_output_file;

#define ENOUGH  ((size_t)1 << 20) /* collected while a write is under way; then the host waits */
#define SYNC_US 20000

typedef struct {
    const char *path;
} file_cfg_t;

static const hg_opt_t file_opts[] = {
    { .key = "path",
      .type = HG_OPT_STR,
      .at = offsetof(file_cfg_t, path),
      .flags = HG_OPT_REQUIRED,
      .doc =
          "File to write: created, or emptied when the pipeline starts anew. A pipeline that resumes from a checkpoint "
          "cuts it back to what it held then and writes on; a file that is shorter than that is an error." },
    { .key = NULL },
};

typedef struct {
    char *path;
    int fd;
    bool busy, told_full, closing, stopping, stopped, opening, restored, shorter;
    unsigned attempts;
    hg_buf_t collect, writing; /* writing belongs to the job while busy */
    uint64_t ended, delivered; /* last step that ended; last one that is synced */
    uint64_t job_ended;        /* steps up to this one are whole once `writing` is written */
    bool job_sync, synced;
    int64_t last_sync_us;
    uint64_t given;  /* bytes of the file once all that was taken is written */
    uint64_t length; /* shorter: what a restored file has instead of `given` */
    size_t at;       /* bytes of writing that are in the file */
    int sys;
    uv_timer_t *timer;
} file_t;

static void next_step(hg_output_t *out);

static void file_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    hg_file_path_check(((const file_cfg_t *)cfg)->path, obj, d);
}

static int file_open(hg_output_t *out, hg_err_t *err)
{
    file_t *f = hg_out_inst(out);
    hg_buf_t path;
    f->fd = -1;
    hg_buf_init(&f->collect, HG_BUF_NOMAX);
    hg_buf_init(&f->writing, HG_BUF_NOMAX);
    hg_buf_init(&path, 1 << 16);
    int rc = hg_file_path(((const file_cfg_t *)hg_out_cfg(out))->path, &path, err);
    if (rc == 0) f->path = hg_buf_take(&path, NULL);
    hg_buf_release(&path);
    return rc;
}

/* --- pool --- */

static int write_all(file_t *f)
{
    while (f->at < f->writing.len) {
        ssize_t n = -1;
        if (hg_fault(HG_FAULT_WRITE))
            errno = ENOSPC;
        else
            n = write(f->fd, f->writing.p + f->at, f->writing.len - f->at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        f->at += (size_t)n;
    }
    return 0;
}

static int sync_fd(const file_t *f)
{
    if (hg_fault(HG_FAULT_FSYNC)) return EIO;
    if (fdatasync(f->fd) == 0) return 0;
    return errno == EINVAL || errno == EROFS ? 0 : errno; /* pipes and devices have nothing to sync */
}

static int open_fd(file_t *f, int flags)
{
    errno = EACCES;
    f->fd = hg_fault(HG_FAULT_OPEN) ? -1 : hg_access_open(f->path, O_WRONLY | flags, 0666);
    return f->fd < 0 ? errno : 0;
}

/* Cuts the file back to the restored position and goes there. */
static int open_again(file_t *f)
{
    struct stat st;
    int sys = open_fd(f, f->given ? 0 : O_CREAT);
    if (sys) return sys;
    if (fstat(f->fd, &st) < 0) return errno;
    if (!S_ISREG(st.st_mode)) return 0; /* a pipe or a device has no position */
    f->length = (uint64_t)st.st_size;
    f->shorter = f->length < f->given;
    if (f->shorter) return EIO;
    if (hg_fault(HG_FAULT_WRITE)) return EIO;
    if (ftruncate(f->fd, (off_t)f->given) < 0 || lseek(f->fd, (off_t)f->given, SEEK_SET) < 0) return errno;
    return sync_fd(f);
}

static void work(void *arg, unsigned worker)
{
    file_t *f = hg_out_inst(arg);
    (void)worker;
    f->sys = 0;
    f->synced = false;
    if (f->fd < 0) {
        f->sys = f->restored ? open_again(f) : open_fd(f, O_CREAT | O_TRUNC);
        return;
    }
    f->sys = write_all(f);
    if (f->sys == 0 && f->job_sync) {
        f->sys = sync_fd(f);
        f->synced = f->sys == 0;
    }
}

/* --- loop --- */

static void finish_close(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
    hg_free(f->path);
    f->path = NULL;
    hg_buf_release(&f->collect);
    hg_buf_release(&f->writing);
    hg_out_closed(out);
}

static void stopped(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    if (f->stopped) return;
    f->stopped = true;
    hg_out_stopped(out);
}

static void on_timer(uv_timer_t *t)
{
    next_step(t->data);
}

static bool is_transient(int sys)
{
    return sys == ENOSPC || sys == EDQUOT || sys == EAGAIN || sys == ENOMEM;
}

static void failed(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    hg_err_t err = HG_ERR_INIT;
    if (f->shorter)
        hg_err_set(&err, HG_EIO,
                   "output file '%s' has %" PRIu64 " bytes, fewer than the %" PRIu64
                   " that it had at the checkpoint: it was truncated or replaced",
                   f->path, f->length, f->given);
    else
        hg_err_errno(&err, f->sys, "Failed to %s output file '%s'",
                     !f->opening   ? "write"
                     : f->restored ? "go on with"
                                   : "create",
                     f->path);
    bool again = !f->opening && is_transient(f->sys);
    err.retry = again;
    err.fatal = !again;
    hg_out_error(out, f->opening ? "open" : "write", &err);
    if (!again) return;
    if (f->stopping) {
        stopped(out);
        return;
    }
    if (!f->timer) {
        f->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_out_loop(out)), f->timer);
        f->timer->data = out;
    }
    uint64_t ms = hg_backoff_ms(f->attempts++, 50, 5000);
    hg_out_retries_in(out, ms);
    uv_timer_start(f->timer, on_timer, ms, 0);
}

static void work_done(void *arg)
{
    hg_output_t *out = arg;
    file_t *f = hg_out_inst(out);
    f->busy = false;
    if (f->closing) {
        finish_close(out);
        return;
    }
    if (f->sys) {
        failed(out);
        return;
    }
    if (f->opening) {
        f->opening = false;
        hg_out_ready(out);
        if (f->stopping) stopped(out);
        return;
    }
    if (f->attempts) {
        f->attempts = 0;
        hg_out_healthy(out);
    }
    hg_buf_clear(&f->writing);
    f->at = 0;
    if (f->synced) {
        f->last_sync_us = hg_mono_us();
        f->delivered = f->job_ended;
    }
    if (f->told_full) {
        f->told_full = false;
        hg_out_drained(out);
    }
    if (f->synced) hg_out_delivered(out, f->job_ended);
    next_step(out);
}

static void next_step(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    if (f->busy || f->closing || f->fd < 0) return;
    if (f->writing.len == 0) {
        if (f->collect.len == 0 && f->ended == f->delivered) {
            if (f->stopping) stopped(out);
            return;
        }
        hg_buf_t swap = f->writing;
        f->writing = f->collect;
        f->collect = swap;
        f->at = 0;
        f->job_ended = f->ended;
        /* nothing collected behind it is impossible to know here: sync if the last sync is long ago or a lull begins */
        f->job_sync =
            f->ended != f->delivered && (f->writing.len < ENOUGH || hg_mono_us() - f->last_sync_us >= SYNC_US);
    }
    f->busy = true;
    hg_out_work(out, work, work_done, out);
}

static int file_start(hg_output_t *out, hg_err_t *err)
{
    file_t *f = hg_out_inst(out);
    (void)err;
    f->busy = f->opening = true;
    hg_out_work(out, work, work_done, out);
    return 0;
}

static int file_write(hg_output_t *out, uint64_t step, hg_str_t key, hg_str_t payload, uint32_t n_records,
                      hg_err_t *err)
{
    file_t *f = hg_out_inst(out);
    (void)step;
    (void)n_records;
    if (key.p)
        return hg_err_set(
            err, HG_EUNSUPPORTED,
            "File output transport does not support key-value pairs. This output needs a format without keys");
    int rc = hg_buf_addstr(&f->collect, payload);
    if (rc < 0) {
        hg_err_set(err, (hg_code_t)rc, "no memory for %zu bytes to write", payload.n);
        err->fatal = 1; /* a batch without them must not count as delivered */
        return rc;
    }
    f->given += payload.n;
    if (f->collect.len >= ENOUGH) next_step(out);
    if (f->collect.len < ENOUGH) return 0;
    f->told_full = true;
    return HG_EAGAIN;
}

static int file_end_batch(hg_output_t *out, uint64_t step, hg_err_t *err)
{
    file_t *f = hg_out_inst(out);
    (void)err;
    f->ended = step;
    next_step(out);
    return 0;
}

static uint64_t file_position(hg_output_t *out)
{
    return ((const file_t *)hg_out_inst(out))->given;
}

/* The file is opened and cut by the start. */
static int file_restore(hg_output_t *out, uint64_t position, hg_err_t *err)
{
    file_t *f = hg_out_inst(out);
    (void)err;
    f->restored = true;
    f->given = position;
    return 0;
}

static void file_stop(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    f->stopping = true;
    if (f->busy) return; /* its end looks */
    if (f->attempts)
        stopped(out); /* waiting for a disk that is full: this stop does not wait for it */
    else
        next_step(out);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void file_close(hg_output_t *out)
{
    file_t *f = hg_out_inst(out);
    f->closing = true;
    if (f->timer) {
        uv_close((uv_handle_t *)f->timer, free_timer);
        f->timer = NULL;
    }
    if (!f->busy) finish_close(out);
}

const hg_output_type_t hg_output_file = {
    .abi = HG_CONNECTOR_ABI,
    .name = "file_output",
    .summary = "writes a file on the machine that runs the pipeline",
    .opts = file_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(file_cfg_t),
    .inst_size = sizeof(file_t),
    .check = file_check,
    .open = file_open,
    .start = file_start,
    .write = file_write,
    .end_batch = file_end_batch,
    .stop = file_stop,
    .close = file_close,
    .position = file_position,
    .restore = file_restore,
    .caps = HG_OUT_EXACT,
};
