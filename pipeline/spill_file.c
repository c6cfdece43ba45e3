/* spill_file.c: see spill_file.h. */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/fault.h"
#include "base/mem.h"
#include "data/block.h"
#include "pipeline/spill_file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#define FRAME_BYTES_MAX ((uint32_t)1 << 30)

struct hg_spillfile {
    int fd;
    char *label; /* what messages call it */
    uint64_t size;
};

typedef struct {
    uint32_t len, rows;
    uint64_t sum;
} frame_t;

static uint64_t sum_of(const frame_t *h, const char *payload)
{
    return XXH3_64bits_withSeed(payload, h->len, h->rows);
}

hg_spillfile_t *hg_spillfile_of(int fd, const char *label, uint64_t size)
{
    hg_spillfile_t *f = HG_NEW(hg_spillfile_t);
    *f = (hg_spillfile_t){ fd, hg_xstrdup(label), size };
    return f;
}

int hg_spillfile_new(const char *dir, hg_spillfile_t **ret, hg_err_t *err)
{
    const char *temp = getenv("TMPDIR");
    if (!dir || !dir[0]) dir = temp && temp[0] ? temp : "/tmp";
    char *path = hg_xprintf("%s/transaction-XXXXXX", dir);
    errno = EIO;
    int fd = hg_fault(HG_FAULT_OPEN) ? -1 : mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        hg_err_errno(err, errno, "cannot make a file for the changes of a transaction in %s", dir);
    } else {
        unlink(path);
        *ret = hg_spillfile_of(fd, path, 0);
    }
    hg_free(path);
    return fd < 0 ? err->code : 0;
}

void hg_spillfile_free(hg_spillfile_t *f)
{
    if (!f) return;
    close(f->fd);
    hg_free(f->label);
    hg_free(f);
}

uint64_t hg_spillfile_size(const hg_spillfile_t *f)
{
    return f->size;
}

static int write_all(hg_spillfile_t *f, const char *p, size_t n, hg_err_t *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = hg_fault(HG_FAULT_WRITE) ? (errno = ENOSPC, -1)
                                             : pwrite(f->fd, p + done, n - done, (off_t)(f->size + done));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return hg_err_errno(err, k < 0 ? errno : EIO, "cannot write %s", f->label);
        done += (size_t)k;
    }
    return 0;
}

int hg_spillfile_add(hg_spillfile_t *f, const hg_batch_t *b, const hg_type_t *const *types, const uint32_t *sel,
                     uint32_t n, const int64_t *weights, hg_buf_t *scratch, hg_err_t *err)
{
    frame_t h = { 0 };
    hg_buf_clear(scratch);
    int rc = hg_buf_add(scratch, &h, sizeof h);
    if (rc < 0) return hg_err_set(err, (hg_code_t)rc, "no memory to write %s", f->label);
    rc = hg_block_write(scratch, b, types, sel, n, weights, err);
    if (rc < 0) return rc;
    if (scratch->len - sizeof h > FRAME_BYTES_MAX)
        return hg_err_set(err, HG_ETOOBIG, "%zu bytes in one block of a transaction", scratch->len);
    h.len = (uint32_t)(scratch->len - sizeof h);
    h.rows = n;
    h.sum = sum_of(&h, scratch->p + sizeof h);
    memcpy(scratch->p, &h, sizeof h);
    rc = write_all(f, scratch->p, scratch->len, err);
    if (rc == 0) f->size += scratch->len;
    return rc;
}

static int damaged(const hg_spillfile_t *f, uint64_t at, const char *why, hg_err_t *err)
{
    return hg_err_set(err, HG_EDAMAGED, "%s is damaged: %s at byte %" PRIu64, f->label, why, at);
}

static int read_all(const hg_spillfile_t *f, uint64_t at, void *to, size_t n, hg_err_t *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t k =
            hg_fault(HG_FAULT_READ) ? (errno = EIO, -1) : pread(f->fd, (char *)to + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return hg_err_errno(err, errno, "cannot read %s at byte %" PRIu64, f->label, at + done);
        if (k == 0) return damaged(f, at + done, "it ends too early", err);
        done += (size_t)k;
    }
    return 0;
}

int hg_spillfile_read(const hg_spillfile_t *f, uint64_t *at, const hg_type_t *const *types, uint32_t n_cols,
                      hg_part_t **ret, hg_err_t *err)
{
    frame_t h;
    *ret = NULL;
    if (*at == f->size) return 0;
    if (f->size - *at < sizeof h) return damaged(f, *at, "a frame is cut off", err);
    int rc = read_all(f, *at, &h, sizeof h, err);
    if (rc < 0) return rc;
    if (h.len > f->size - *at - sizeof h) return damaged(f, *at, "a frame is longer than the file", err);
    char *p = hg_trynew((size_t)h.len + 1);
    if (!p) return hg_err_set(err, HG_ENOMEM, "no memory for %u bytes of %s", h.len, f->label);
    rc = read_all(f, *at + sizeof h, p, h.len, err);
    hg_part_t *part = NULL;
    hg_str_t in = { p, h.len };
    if (rc == 0 && sum_of(&h, p) != h.sum) rc = damaged(f, *at, "a wrong checksum", err);
    if (rc == 0) {
        rc = hg_block_read(&in, types, n_cols, &part, err);
        if (rc < 0) hg_err_wrap(err, "%s is damaged at byte %" PRIu64, f->label, *at);
    }
    if (rc == 0 && (in.n || part->n != h.rows || part->n == 0)) rc = damaged(f, *at, "a frame of other rows", err);
    hg_free(p);
    if (rc < 0) {
        hg_part_drop(part);
        return rc;
    }
    *at += sizeof h + h.len;
    *ret = part;
    return 0;
}
