/* durable.c: files written once, and files replaced whole (durable.h). */
#include "base/hg.h"
#include "base/durable.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUF_BYTES ((size_t)256 << 10)

struct hg_dfile {
    int fd;
    char *path;
    char *buf;
    size_t len;
    uint64_t size; /* with what is in buf */
};

/* kill point "<point>.<at>" */
static void kill_at(const char *point, const char *at)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", point, at);
    hg_kill_point(name);
}

static int open_fd(const char *path, int flags, mode_t mode)
{
    if (hg_fault(HG_FAULT_OPEN)) {
        errno = EMFILE;
        return -1;
    }
    return open(path, flags | O_CLOEXEC, mode);
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        if (hg_fault(HG_FAULT_WRITE)) {
            errno = ENOSPC;
            return -1;
        }
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static int sync_fd(int fd)
{
    if (hg_fault(HG_FAULT_FSYNC)) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

/* --- a file written once --- */

int hg_dfile_new(const char *path, hg_dfile_t **ret, hg_err_t *err)
{
    int fd = open_fd(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 && errno == EEXIST) return hg_err_set(err, HG_EEXIST, "%s is already there", path);
    if (fd < 0) return hg_err_errno(err, errno, "cannot create %s", path);
    hg_dfile_t *f = HG_NEW(hg_dfile_t);
    *f = (hg_dfile_t){ .fd = fd, .path = hg_xstrdup(path), .buf = hg_xnew(BUF_BYTES) };
    *ret = f;
    return 0;
}

static int flush(hg_dfile_t *f, hg_err_t *err)
{
    if (write_all(f->fd, f->buf, f->len) < 0) return hg_err_errno(err, errno, "cannot write %s", f->path);
    f->len = 0;
    return 0;
}

int hg_dfile_write(hg_dfile_t *f, const void *p, size_t n, hg_err_t *err)
{
    if (f->len + n > BUF_BYTES) {
        int rc = flush(f, err);
        if (rc < 0) return rc;
    }
    f->size += n;
    if (n >= BUF_BYTES) {
        if (write_all(f->fd, p, n) < 0) return hg_err_errno(err, errno, "cannot write %s", f->path);
        return 0;
    }
    if (n) memcpy(f->buf + f->len, p, n);
    f->len += n;
    return 0;
}

uint64_t hg_dfile_size(const hg_dfile_t *f)
{
    return f->size;
}

static void dfile_free(hg_dfile_t *f)
{
    hg_free(f->path);
    hg_free(f->buf);
    hg_free(f);
}

int hg_dfile_finish(hg_dfile_t *f, const char *point, hg_err_t *err)
{
    int rc = flush(f, err);
    if (rc == 0) {
        kill_at(point, "written");
        if (sync_fd(f->fd) < 0) rc = hg_err_errno(err, errno, "cannot sync %s", f->path);
    }
    if (rc < 0) {
        hg_dfile_abort(f);
        return rc;
    }
    kill_at(point, "synced");
    close(f->fd);
    dfile_free(f);
    return 0;
}

void hg_dfile_abort(hg_dfile_t *f)
{
    if (!f) return;
    close(f->fd);
    unlink(f->path);
    dfile_free(f);
}

/* --- a file replaced whole --- */

int hg_dir_sync(const char *dir, hg_err_t *err)
{
    int fd = open_fd(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open folder %s", dir);
    int rc = sync_fd(fd) < 0 ? hg_err_errno(err, errno, "cannot sync folder %s", dir) : 0;
    close(fd);
    return rc;
}

static int sync_parent(const char *path, hg_err_t *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == path ? hg_xstrdup("/")
                : slash       ? hg_xprintf("%.*s", (int)(slash - path), path)
                              : hg_xstrdup(".");
    int rc = hg_dir_sync(dir, err);
    hg_free(dir);
    return rc;
}

static int write_temp(const char *temp, hg_str_t content, const char *point, hg_err_t *err)
{
    int rc = 0, fd = open_fd(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) return hg_err_errno(err, errno, "cannot create %s", temp);
    if (write_all(fd, content.p, content.n) < 0) rc = hg_err_errno(err, errno, "cannot write %s", temp);
    if (rc == 0) {
        kill_at(point, "written");
        if (sync_fd(fd) < 0) rc = hg_err_errno(err, errno, "cannot sync %s", temp);
    }
    close(fd);
    if (rc < 0) unlink(temp);
    return rc;
}

int hg_file_replace(const char *path, hg_str_t content, const char *point, hg_err_t *err)
{
    char *temp = hg_xprintf("%s.tmp", path);
    int rc = write_temp(temp, content, point, err);
    if (rc == 0) {
        kill_at(point, "synced");
        if (hg_fault(HG_FAULT_RENAME) ? (errno = EIO, -1) : rename(temp, path)) {
            rc = hg_err_errno(err, errno, "cannot rename %s to %s", temp, path);
            unlink(temp);
        }
    }
    if (rc == 0) {
        kill_at(point, "renamed");
        rc = sync_parent(path, err);
    }
    if (rc == 0) kill_at(point, "done");
    hg_free(temp);
    return rc;
}

int hg_file_read(const char *path, hg_buf_t *out, hg_err_t *err)
{
    char piece[65536];
    int rc = 0, fd = open_fd(path, O_RDONLY, 0);
    if (fd < 0 && errno == ENOENT) return hg_err_set(err, HG_ENOTFOUND, "%s is not there", path);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    while (rc == 0) {
        ssize_t n = hg_fault(HG_FAULT_READ) ? (errno = EIO, -1) : read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = hg_err_errno(err, errno, "cannot read %s", path);
        if (n <= 0) break;
        rc = hg_buf_add(out, piece, (size_t)n);
        if (rc == HG_ETOOBIG) hg_err_set(err, rc, "%s is larger than the limit of %zu bytes", path, out->max);
        if (rc == HG_ENOMEM) hg_err_set(err, rc, "out of memory reading %s", path);
    }
    close(fd);
    return rc;
}
