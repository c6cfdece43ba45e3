/* A log of frames from bytes: refused naming file and offset, or read to its sound end, and what is added then is read
 * again.
 *
 * First byte 0: the rest is the file. Else: the rest are the payloads of sound frames, one per line; the first byte's
 * other bits say which byte of the file is turned over afterwards (1: none). */
#include "base/hg.h"
#include "base/durable.h"
#include "base/mem.h"
#include "tests/fuzz/folder.h"
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MAGIC "hgfuzzed"

static char g_path[128];

static void folder(void)
{
    snprintf(g_path, sizeof g_path, "%s/log", fuzz_folder("log"));
}

static void write_file(const void *p, size_t n)
{
    FILE *f = fopen(g_path, "wb");
    HG_ASSERT(f && (n == 0 || fwrite(p, 1, n, f) == n));
    fclose(f);
}

static void write_frames(const char *p, size_t n)
{
    hg_framelog_t *l;
    hg_err_t err = HG_ERR_INIT;
    unlink(g_path);
    HG_ASSERT(hg_framelog_open(g_path, MAGIC, true, NULL, NULL, &l, &err) == 0);
    for (const char *end = p + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
        HG_ASSERT(hg_framelog_add(l, (uint32_t)len % 3, (hg_str_t){ p, len }, &err) == 0);
        p += len + 1;
    }
    HG_ASSERT(hg_framelog_sync(l, "fuzz", &err) == 0);
    hg_framelog_close(l);
}

static void turn_over(uint8_t which)
{
    int fd = open(g_path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END), at = size * which / 256;
    char c;
    HG_ASSERT(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c ^= 0x41;
    HG_ASSERT(pwrite(fd, &c, 1, at) == 1);
    close(fd);
}

typedef struct {
    uint64_t frames, bytes, last;
} seen_t;

static int count(void *arg, uint32_t kind, hg_str_t payload, uint64_t offset, hg_err_t *err)
{
    seen_t *s = arg;
    (void)kind, (void)err;
    HG_ASSERT(offset > s->last);
    s->last = offset;
    s->frames++;
    for (size_t i = 0; i < payload.n; i++) s->bytes += (uint8_t)payload.p[i]; /* every byte may be touched */
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_framelog_t *l;
    hg_err_t err = HG_ERR_INIT;
    seen_t seen = { 0 }, again = { 0 };
    if (n == 0) return 0;
    folder();
    if (p[0] == 0) {
        write_file(p + 1, n - 1);
    } else {
        write_frames((const char *)p + 1, n - 1);
        if (p[0] > 1) turn_over(p[0]);
    }
    int rc = hg_framelog_open(g_path, MAGIC, false, count, &seen, &l, &err);
    if (rc < 0) {
        HG_ASSERT(rc == HG_EDAMAGED && strstr(err.msg, g_path));
        return 0;
    }
    HG_ASSERT(hg_framelog_add(l, 9, HG_S("more"), &err) == 0 && hg_framelog_sync(l, "fuzz", &err) == 0);
    hg_framelog_close(l);
    HG_ASSERT(hg_framelog_open(g_path, MAGIC, false, count, &again, &l, &err) == 0);
    HG_ASSERT(again.frames == seen.frames + 1);
    hg_framelog_close(l);
    return 0;
}
