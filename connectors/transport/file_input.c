/* file_input.c: reads a file, or follows one that grows.
 *
 *   closed ──run──► opening ──► reading ⇄ idle (held, or at the end of a followed file) ──► ended | closed
 *
 * The descriptor is opened and read on the pool, one job at a time (busy), straight into the lane's chunk buffer;
 * everything else happens on the loop. `off` is where the next read starts; a read that comes back while the input is
 * held is thrown away and repeated later, so nothing is delivered after a hold (except from a pipe, which cannot be
 * read twice).
 *
 * A followed file is looked at when it changes, and every 200 ms where changes are not told (network file systems). One
 * that has become shorter than what was read, or whose path names another file by now, is a clear error: what is in it
 * has no known relation to what was read. After a restart the same is told by the first bytes of the file, whose hash
 * is part of the position.
 *
 * A compressed file is decompressed by the job that reads it, straight into the chunk buffer: `off` and positions count
 * uncompressed bytes, `packed_off` is where the next read starts. What one job has decompressed cannot be made again at
 * little cost, so it is delivered although the input was held meanwhile.
 */
#include "base/hg.h"
#include "connectors/transport/file_path.h"
#include "connectors/connector.h"
#include "connectors/format.h"
#include "connectors/transport/decompress.h"
#include "connectors/transport/position.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

extern const hg_input_type_t hg_input_file;

#define POLL_MS    200
#define PIPE_MS    20
#define GRACE      5     /* polls that a replaced file is still read: its writer may not know yet */
#define TAIL       65536 /* how far back from the end a mark looks for the end of a line */
#define MIN_READ   8192u
#define PACKED     65536u    /* compressed bytes that are read at a time */
#define PACKED_JOB (1 << 20) /* and by one job, when they give nothing: it began before the position */
#define HEAD       512u      /* first bytes of a file, by which it is known again */

typedef struct {
    const char *path;
    uint64_t buffer_size;
    bool follow;
    int compression; /* hg_compression_t */
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
    { .key = "compression",
      .type = HG_OPT_ENUM,
      .at = offsetof(file_cfg_t, compression),
      .names = HG_COMPRESSION_NAMES,
      .def = "auto",
      .doc = "What the file is compressed with; `auto` goes by its name: .gz or .gzip, .zst or .zstd. Several members "
             "one behind the other are one stream. A compressed file cannot be followed. A resume reads it again from "
             "the start, or from the last member (of 256 KiB or more) that began before; positions count uncompressed "
             "bytes." },
    { .key = NULL },
};

typedef enum { WORK_OPEN, WORK_READ, WORK_MARK } work_kind_t;

typedef struct {
    char *path;
    int fd;
    bool regular, other, running, busy, closing, restored, marked, ended, saw_data, begun;
    uint64_t start, off, size, mark;
    unsigned n_other; /* polls in a row at which the path named another file */
    hg_lane_t *lane;
    uv_timer_t *timer;
    uv_fs_event_t *watch; /* follow; NULL where that does not work */
    char head[HEAD];      /* the first head_len bytes do not change any more: the job only adds behind them */
    uint32_t head_len;
    uint64_t want_hash; /* restored: of the first want_len bytes; 0 = not known */
    uint32_t want_len;
    /* compressed; the job's while busy, but for members and from */
    hg_decompress_t *unpack;
    uint64_t packed_off;
    char *packed; /* PACKED bytes: [packed_at, packed_len) were read and not taken yet */
    size_t packed_at, packed_len;
    bool more; /* the decompressor may have more to give without new bytes */
    hg_members_t members;
    hg_member_t from; /* restored */
    /* the job under way: written before it starts, read after it ended */
    work_kind_t kind;
    char *to;
    size_t room;
    ssize_t got;
    uint32_t head_got;
    bool at_end;  /* compressed: got is 0 because the file has no more */
    int sys;      /* errno */
    hg_err_t bad; /* compressed: what is wrong with it */
    hg_err_t index_err;
    hg_file_index_t *index; /* of the file, until the lane takes it */
} file_t;

static void next_step(hg_input_t *in);

static bool file_is_finite(const void *cfg)
{
    return !((const file_cfg_t *)cfg)->follow;
}

static hg_compression_t compression(const file_cfg_t *c)
{
    return hg_compression_of((hg_compression_t)c->compression, hg_strz(c->path));
}

static bool is_packed(const file_cfg_t *c)
{
    return compression(c) != HG_COMPRESSION_NONE;
}

static void file_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const file_cfg_t *c = cfg;
    hg_file_path_check(c->path, obj, d);
    if (c->follow && is_packed(c))
        hg_diag(d, false, hg_json_get(obj, "follow"), false,
                "option 'follow': a compressed file (%s%s) cannot be followed; write plain text, or set 'compression' "
                "to 'none' if it is not compressed",
                hg_compression_name(compression(c)), c->compression == HG_COMPRESSION_AUTO ? ", by its name" : "");
}

/* The mark is a place in the uncompressed bytes, which nobody knows before all were read. */
static const char *file_no_mark(const void *cfg)
{
    return is_packed(cfg) ? "compression" : NULL;
}

static int file_open(hg_input_t *in, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    hg_buf_t path;
    const file_cfg_t *cfg = hg_in_cfg(in);
    f->fd = -1;
    if (cfg->follow && hg_in_wants_index(in))
        return hg_err_option(err, HG_EINVALTRANSPORT, "follow",
                             "a file of this format cannot be followed: its end says what is in it");
    hg_buf_init(&path, 1 << 16);
    int rc = hg_file_path(cfg->path, &path, err);
    if (rc == 0) f->path = hg_buf_take(&path, NULL);
    hg_buf_release(&path);
    if (rc == 0 && cfg->follow && is_packed(cfg)) /* its path was a reference when it was checked */
        return hg_err_option(err, HG_EINVALTRANSPORT, "follow", "a compressed file ('%s') cannot be followed",
                             cfg->path);
    if (is_packed(cfg)) f->unpack = hg_decompress_new(compression(cfg));
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
    return hg_access_open(path, O_RDONLY | O_NONBLOCK, 0);
}

static void read_head(file_t *f)
{
    f->head_got = f->head_len;
    if (!f->regular || f->head_len == HEAD) return;
    ssize_t n = pread(f->fd, f->head + f->head_len, HEAD - f->head_len, f->head_len);
    if (n > 0) f->head_got = f->head_len + (uint32_t)n;
}

static int read_for_index(void *arg, uint64_t at, void *to, uint64_t n)
{
    const file_t *f = arg;
    for (uint64_t got = 0; got < n;) {
        ssize_t k = pread(f->fd, (char *)to + got, (size_t)(n - got), (off_t)(at + got));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return -1;
        got += (uint64_t)k;
    }
    return 0;
}

static void make_index(hg_input_t *in, file_t *f)
{
    const hg_file_reader_t file = { .size = f->size, .read = read_for_index, .arg = f };
    if (f->regular && !f->unpack && hg_in_wants_index(in)) (void)hg_in_index(in, &file, &f->index, &f->index_err);
}

static void work_open(hg_input_t *in, file_t *f)
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
        read_head(f);
        make_index(in, f);
    }
}

static ssize_t read_at(file_t *f, char *to, size_t n, uint64_t off)
{
    ssize_t got;
    do {
        got = f->regular ? pread(f->fd, to, n, (off_t)off) : read(f->fd, to, n);
    } while (got < 0 && errno == EINTR);
    if (got < 0) f->sys = errno;
    return got;
}

/* Bytes of a compressed file until some come out of it, its end, or enough for one job. */
static void work_unpack(file_t *f)
{
    uint64_t begun_at = f->packed_off;
    f->got = 0;
    f->at_end = false;
    while (f->got == 0 && f->packed_off - begun_at < PACKED_JOB) {
        if (!f->more && f->packed_at == f->packed_len) {
            ssize_t n = read_at(f, f->packed, PACKED, f->packed_off);
            if (n <= 0) {
                f->got = n;
                f->at_end = n == 0;
                if (n == 0 && (f->saw_data || f->regular)) (void)hg_decompress_end(f->unpack, &f->bad);
                return;
            }
            f->saw_data = true;
            f->packed_off += (uint64_t)n;
            f->packed_at = 0;
            f->packed_len = (size_t)n;
        }
        size_t used, made;
        if (hg_decompress(f->unpack, f->packed + f->packed_at, f->packed_len - f->packed_at, &used, f->to, f->room,
                          &made, &f->bad) < 0)
            return;
        f->packed_at += used;
        f->more = made == f->room;
        f->got = (ssize_t)made;
    }
}

static void work_read(file_t *f)
{
    struct stat st, named;
    if (f->unpack)
        work_unpack(f);
    else
        f->got = read_at(f, f->to, f->room, f->off);
    read_head(f);
    if (!f->regular) return;
    bool there = f->got == 0 && stat(f->path, &named) == 0;
    if (fstat(f->fd, &st) < 0) return;
    f->size = (uint64_t)st.st_size;
    if (f->unpack) return; /* it is not followed */
    f->other = there && f->off == f->size && (named.st_ino != st.st_ino || named.st_dev != st.st_dev);
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
        work_open(arg, f);
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
    if (f->index) f->index->free(f->index);
    f->index = NULL;
    hg_free(f->path);
    f->path = NULL;
    hg_decompress_free(f->unpack);
    f->unpack = NULL;
    hg_free(f->packed);
    f->packed = NULL;
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

static void on_change(uv_fs_event_t *w, const char *name, int events, int status)
{
    hg_input_t *in = w->data;
    file_t *f = hg_in_inst(in);
    (void)name;
    (void)events;
    if (status < 0 || !f->running || f->busy || !f->timer) return; /* whoever is busy looks again by itself */
    uv_timer_stop(f->timer);
    next_step(in);
}

static void free_watch(uv_handle_t *w)
{
    hg_free(w);
}

static void stop_watch(file_t *f)
{
    if (f->watch) uv_close((uv_handle_t *)f->watch, free_watch);
    f->watch = NULL;
}

static void start_watch(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    f->watch = HG_NEW(uv_fs_event_t);
    f->watch->data = in;
    if (uv_fs_event_init(hg_loop_uv(hg_in_loop(in)), f->watch) < 0) {
        hg_free(f->watch);
        f->watch = NULL;
    } else if (uv_fs_event_start(f->watch, on_change, f->path, 0) < 0) {
        stop_watch(f); /* looking now and then is enough */
    }
}

static void fail(hg_input_t *in, const char *tag, const char *what)
{
    file_t *f = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    f->running = false;
    fatal_errno(&err, f->sys, what, f->path);
    hg_in_error(in, tag, &err);
}

static void fail_unpack(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    f->running = false;
    hg_err_wrap(&f->bad, "file '%s'", f->path);
    f->bad.fatal = 1;
    hg_in_error(in, "decompress", &f->bad);
}

/* A restored position belongs to one file. */
static bool is_same_file(hg_input_t *in)
{
    const file_t *f = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    uint64_t least = f->unpack ? f->from.packed : f->off;
    if (!f->restored || !f->regular) return true;
    if (f->size < least)
        hg_err_set(&err, HG_EIO,
                   "file '%s' has %" PRIu64 " bytes, fewer than the %" PRIu64
                   " that were read before the restart: it was truncated or replaced",
                   f->path, f->size, least);
    else if (f->want_len && (f->head_len < f->want_len || XXH3_64bits(f->head, f->want_len) != f->want_hash))
        hg_err_set(&err, HG_EIO,
                   "file '%s' is not the one that was read before the restart: its first %u bytes are others", f->path,
                   f->want_len);
    if (!err.code) return true;
    err.fatal = 1;
    hg_in_error(in, "replaced", &err);
    return false;
}

static void opened(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    if (f->sys) {
        fail(in, "open", "Failed to open input file");
        return;
    }
    if (!is_same_file(in)) {
        f->running = false;
        return;
    }
    if (f->index_err.code) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, f->index_err.code, "file '%s': %s", f->path, f->index_err.msg);
        err.fatal = 1;
        f->running = false;
        hg_in_error(in, "open", &err);
        return;
    }
    f->off = f->start = f->restored ? f->off : f->marked ? f->mark : 0;
    f->begun = true;
    if (f->unpack) {
        f->packed = hg_xnew(PACKED);
        f->packed_off = f->from.packed;
        hg_decompress_from(f->unpack, f->from, f->off);
        hg_members_note(&f->members, f->from);
    } else if (!hg_in_replay_reaches(in, 0, f->size)) { /* shorter than it was, or a pipe */
        f->running = false;
        return;
    }
    if (f->regular && ((const file_cfg_t *)hg_in_cfg(in))->follow) start_watch(in);
    f->lane = hg_lane_open(in, f->off);
    if (f->index) hg_lane_index(f->lane, f->index);
    f->index = NULL;
    next_step(in);
}

static void at_end(hg_input_t *in)
{
    file_t *f = hg_in_inst(in);
    const file_cfg_t *cfg = hg_in_cfg(in);
    if (f->regular && !f->unpack && f->size < f->off) {
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
    f->n_other = f->other ? f->n_other + 1 : 0;
    if (cfg->follow && f->n_other > GRACE) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_EIO,
                   "file '%s' was replaced by another one while it was followed; all %" PRIu64
                   " bytes of the old one were read. Reset the connector's position to read the new one",
                   f->path, f->off);
        err.fatal = 1;
        f->running = false;
        hg_in_error(in, "replaced", &err);
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
    if (f->unpack && !hg_in_replay_reaches(in, 0, f->off)) {
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
    uint64_t read = f->unpack ? hg_decompress_in(f->unpack) : f->off;
    hg_in_progress(in, read, cfg->follow || !f->regular ? 0 : HG_MAX(f->size, read));
    if (f->unpack) hg_members_note(&f->members, hg_decompress_member(f->unpack));
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
    if (f->kind != WORK_MARK && f->head_got > f->head_len) f->head_len = f->head_got;
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
    } else if (f->bad.code) {
        fail_unpack(in);
    } else if (!f->running && f->regular && !f->unpack) {
        return; /* held meanwhile: these bytes are read again */
    } else if (f->got > 0) {
        got_data(in);
    } else if (f->running && f->unpack && !f->at_end) {
        next_step(in);
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
    if (f->unpack || hg_in_wants_index(in)) { /* compressed: its path was a reference when the program was checked */
        hg_err_set(err, HG_ENOMARK, "a %s file ('%s') has no position that could be marked",
                   f->unpack ? "compressed" : "Parquet", f->path);
        err->fatal = 1;
        return err->code;
    }
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
    stop_watch(f);
    if (f->timer) {
        uv_close((uv_handle_t *)f->timer, free_timer);
        f->timer = NULL;
    }
    if (!f->busy) finish_close(in);
}

/* The ranges tell what was taken; f->off is what was read and says nothing about that. */
static void file_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    file_t *f = hg_in_inst(in);
    uint64_t at = n ? consumed[0].end : f->begun ? f->start : f->restored ? f->off : f->marked ? f->mark : 0;
    bool packed = is_packed(hg_in_cfg(in));
    uint32_t len = packed && at ? f->head_len : (uint32_t)HG_MIN(at, (uint64_t)f->head_len);
    char hash[20];
    hg_jw_obj(w);
    hg_jw_ku64(w, "offset", at);
    if (packed) hg_member_save(f->begun ? hg_members_at(&f->members, at) : f->from, w);
    if (len || f->want_len) {
        snprintf(hash, sizeof hash, "%016" PRIx64, len ? XXH3_64bits(f->head, len) : f->want_hash);
        hg_jw_ku64(w, "head_bytes", len ? len : f->want_len);
        hg_jw_kstr(w, "head_hash", hash);
    }
    hg_jw_end_obj(w);
}

static int read_position(const file_cfg_t *cfg, const hg_json_t *v, uint64_t *offset, hg_member_t *from,
                         uint64_t *head_len, uint64_t *head_hash, hg_err_t *err)
{
    static const char *const plain[] = { "offset", "head_bytes", "head_hash", NULL };
    static const char *const packed[] = { "offset", "head_bytes", "head_hash", HG_MEMBER_NAMES, NULL };
    const char *const *names = is_packed(cfg) ? packed : plain;
    static const char what[] = "a position of file_input";
    int rc = hg_position_members(v, what, names, err);
    *head_len = *head_hash = 0;
    if (rc == 0) rc = hg_position_u64(v, what, "offset", true, offset, err);
    if (rc == 0) rc = hg_position_u64(v, what, "head_bytes", false, head_len, err);
    if (rc == 0) rc = hg_member_read(v, what, *offset, from, err);
    if (rc < 0) return rc;
    const char *hash = hg_json_str(hg_json_get(v, "head_hash"), "");
    char *end;
    *head_hash = strtoull(hash, &end, 16);
    if (*head_len > HEAD || (*head_len > *offset && !is_packed(cfg)) || (*head_len > 0) != (strlen(hash) == 16) || *end)
        return hg_err_set(err, HG_EPARSE,
                          "%s: 'head_bytes' (at most %u, not more than 'offset') and 'head_hash' (16 hex "
                          "digits) belong together; leave both out to skip the check",
                          what, HEAD);
    return 0;
}

static int file_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    uint64_t offset, len, hash;
    hg_member_t from;
    struct stat st;
    hg_buf_t path;
    hg_buf_init(&path, HG_BUF_NOMAX);
    int rc = read_position(cfg, position, &offset, &from, &len, &hash, err);
    if (rc == 0) rc = hg_file_path(((const file_cfg_t *)cfg)->path, &path, err);
    if (rc == 0 && is_packed(cfg)) offset = from.packed;
    if (rc == 0 && stat(path.p, &st) == 0 && S_ISREG(st.st_mode) && offset > (uint64_t)st.st_size)
        rc = hg_err_set(err, HG_ERANGE, "offset %" PRIu64 " is behind the end of '%s', which has %" PRIu64 " bytes",
                        offset, path.p, (uint64_t)st.st_size);
    hg_buf_release(&path);
    return rc;
}

static int file_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    file_t *f = hg_in_inst(in);
    uint64_t len;
    int rc = read_position(hg_in_cfg(in), position, &f->off, &f->from, &len, &f->want_hash, err);
    if (rc < 0) return rc;
    f->want_len = (uint32_t)len;
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
    .check = file_check,
    .open = file_open,
    .mark = file_mark,
    .run = file_run,
    .hold = file_hold,
    .close = file_close,
    .save = file_save,
    .restore = file_restore,
    .check_position = file_check_position,
    .no_mark = file_no_mark,
    .position_doc =
        "`{\"offset\": n}`: the next byte to read. Saved ones also have `head_bytes` and `head_hash`, by which a file "
        "that was replaced is noticed. Of a compressed file `offset` counts uncompressed bytes; `member_at` and "
        "`member_offset` tell where reading begins (compressed and uncompressed), so that it need not be the start.",
};
