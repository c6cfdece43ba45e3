/* framelog.c: the log of frames of durable.h.
 *
 * Opening reads the whole file in pieces, hands the frames out, and decides what a bad one means. A crash can leave the
 * last write partly done, so a bad frame is a torn tail if the file holds no sound frame behind it: then it is cut off.
 * A sound frame behind a bad one can only come from damage. To find one, the rest is searched byte by byte: a frame's
 * checksum covers its offset, so an old payload that looks like a frame does not count.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/durable.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define HEAD_BYTES  16u
#define FRAME_BYTES 16u
#define VERSION     1u

struct hg_framelog {
    int fd;
    char *path;
    uint64_t size; /* synced */
    hg_buf_t add;  /* frames for [size, size + add.len) */
};

static void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}
static void put_u64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (unsigned char)(v >> (8 * i));
}
static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint64_t get_u64(const unsigned char *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static uint64_t checksum(uint32_t kind, uint64_t offset, const void *p, size_t n)
{
    return XXH3_64bits_withSeed(p, n, offset ^ ((uint64_t)kind << 32 | n) * UINT64_C(0x9E3779B97F4A7C15));
}

/* --- reading --- */

/* Length of the sound frame at off with its header, or 0. */
static uint64_t sound_frame(const unsigned char *p, uint64_t size, uint64_t off)
{
    if (size - off < FRAME_BYTES) return 0;
    uint32_t len = get_u32(p + off), kind = get_u32(p + off + 4);
    if (len > HG_FRAME_MAX || len > size - off - FRAME_BYTES) return 0;
    if (get_u64(p + off + 8) != checksum(kind, off, p + off + FRAME_BYTES, len)) return 0;
    return FRAME_BYTES + (uint64_t)len;
}

static int read_frames(hg_framelog_t *l, const unsigned char *p, uint64_t size, hg_frame_fn fn, void *arg,
                       hg_err_t *err)
{
    uint64_t off = HEAD_BYTES;
    while (off < size) {
        uint64_t n = sound_frame(p, size, off);
        if (n == 0) break;
        hg_str_t payload = { (const char *)p + off + FRAME_BYTES, (size_t)n - FRAME_BYTES };
        int rc = fn ? fn(arg, get_u32(p + off + 4), payload, off, err) : 0;
        if (rc < 0) return rc;
        off += n;
    }
    for (uint64_t at = off + 1; off < size && at + FRAME_BYTES <= size; at++)
        if (sound_frame(p, size, at))
            return hg_err_set(err, HG_EDAMAGED,
                              "%s is damaged: the frame at byte %" PRIu64
                              " is wrong, but there is a sound one at byte %" PRIu64,
                              l->path, off, at);
    l->size = off;
    return 0;
}

static int read_existing(hg_framelog_t *l, const char magic[8], hg_frame_fn fn, void *arg, hg_err_t *err)
{
    struct stat st;
    if (fstat(l->fd, &st) < 0) return hg_err_errno(err, errno, "cannot look at %s", l->path);
    uint64_t size = (uint64_t)st.st_size;
    if (size < HEAD_BYTES) return 0; /* a crash while it was made: begin again */
    void *map =
        hg_fault(HG_FAULT_READ) ? (errno = EIO, MAP_FAILED) : mmap(NULL, size, PROT_READ, MAP_PRIVATE, l->fd, 0);
    if (map == MAP_FAILED) return hg_err_errno(err, errno, "cannot read %s", l->path);
    const unsigned char *p = map;
    int rc;
    if (memcmp(p, magic, 8) != 0)
        rc = hg_err_set(err, HG_EDAMAGED, "%s does not begin with \"%.8s\": it is no such log", l->path, magic);
    else if (get_u32(p + 8) != VERSION)
        rc = hg_err_set(err, HG_EDAMAGED, "%s has format version %u, this program reads version %u", l->path,
                        get_u32(p + 8), VERSION);
    else
        rc = read_frames(l, p, size, fn, arg, err);
    munmap(map, size);
    if (rc == 0 && l->size < size && ftruncate(l->fd, (off_t)l->size) < 0)
        rc = hg_err_errno(err, errno, "cannot cut the torn end of %s", l->path);
    return rc;
}

static int sync_fd(int fd)
{
    if (hg_fault(HG_FAULT_FSYNC)) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static int write_at(hg_framelog_t *l, const char *p, size_t n, uint64_t off)
{
    while (n) {
        if (hg_fault(HG_FAULT_WRITE)) {
            errno = ENOSPC;
            return -1;
        }
        ssize_t w = pwrite(l->fd, p, n, (off_t)off);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return -1;
        p += w;
        off += (uint64_t)w;
        n -= (size_t)w;
    }
    return 0;
}

/* A new log, or one that a crash left without a whole head. */
static int begin(hg_framelog_t *l, const char magic[8], hg_err_t *err)
{
    unsigned char head[HEAD_BYTES] = { 0 };
    memcpy(head, magic, 8);
    put_u32(head + 8, VERSION);
    if (ftruncate(l->fd, 0) < 0 || write_at(l, (const char *)head, sizeof head, 0) < 0 || sync_fd(l->fd) < 0)
        return hg_err_errno(err, errno, "cannot write %s", l->path);
    l->size = HEAD_BYTES;
    const char *slash = strrchr(l->path, '/');
    char *dir = slash ? hg_xstrndup(l->path, (size_t)(slash - l->path)) : hg_xstrdup(".");
    int rc = hg_dir_sync(*dir ? dir : "/", err);
    hg_free(dir);
    return rc;
}

int hg_framelog_open(const char *path, const char magic[8], bool create, hg_frame_fn fn, void *arg, hg_framelog_t **ret,
                     hg_err_t *err)
{
    int fd =
        hg_fault(HG_FAULT_OPEN) ? (errno = EMFILE, -1) : open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0 && errno == ENOENT) return hg_err_set(err, HG_ENOTFOUND, "%s is not there", path);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    hg_framelog_t *l = HG_NEW(hg_framelog_t);
    *l = (hg_framelog_t){ .fd = fd, .path = hg_xstrdup(path) };
    hg_buf_init(&l->add, HG_BUF_NOMAX);
    int rc = read_existing(l, magic, fn, arg, err);
    if (rc == 0 && l->size == 0) rc = begin(l, magic, err);
    if (rc < 0) {
        hg_framelog_close(l);
        return rc;
    }
    *ret = l;
    return 0;
}

/* --- writing --- */

int hg_framelog_add(hg_framelog_t *l, uint32_t kind, hg_str_t payload, hg_err_t *err)
{
    unsigned char head[FRAME_BYTES];
    if (payload.n > HG_FRAME_MAX)
        return hg_err_set(err, HG_ETOOBIG, "%s: a frame of %zu bytes is too large (limit %u)", l->path, payload.n,
                          HG_FRAME_MAX);
    if (hg_buf_reserve(&l->add, payload.n + FRAME_BYTES) < 0)
        return hg_err_set(err, HG_ENOMEM, "%s: out of memory for a frame of %zu bytes", l->path, payload.n);
    put_u32(head, (uint32_t)payload.n);
    put_u32(head + 4, kind);
    put_u64(head + 8, checksum(kind, l->size + l->add.len, payload.p, payload.n));
    hg_buf_add(&l->add, head, sizeof head);
    hg_buf_addstr(&l->add, payload);
    return 0;
}

int hg_framelog_sync(hg_framelog_t *l, const char *point, hg_err_t *err)
{
    char name[96];
    if (l->add.len == 0) return 0;
    if (write_at(l, l->add.p, l->add.len, l->size) < 0 ||
        (snprintf(name, sizeof name, "%s.written", point), hg_kill_point(name), sync_fd(l->fd)) < 0) {
        int rc = hg_err_errno(err, errno, "cannot write %s", l->path);
        if (ftruncate(l->fd, (off_t)l->size) < 0) { /* what is there too much is a torn tail for the next reader */
        }
        return rc;
    }
    l->size += l->add.len;
    hg_buf_clear(&l->add);
    snprintf(name, sizeof name, "%s.synced", point);
    hg_kill_point(name);
    return 0;
}

uint64_t hg_framelog_size(const hg_framelog_t *l)
{
    return l->size;
}
uint64_t hg_framelog_pending(const hg_framelog_t *l)
{
    return l->add.len;
}

void hg_framelog_close(hg_framelog_t *l)
{
    if (!l) return;
    close(l->fd);
    hg_buf_release(&l->add);
    hg_free(l->path);
    hg_free(l);
}
