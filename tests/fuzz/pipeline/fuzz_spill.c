/* A file of spilled blocks from bytes: whatever they are, reading ends with the end or with damage at a byte, and what
 * was read is written as a file that reads the same. */
#include "base/hg.h"
#include "base/arena.h"
#include "pipeline/spill_file.h"
#include <sys/mman.h>
#include <unistd.h>

static const hg_type_t *const *types(void)
{
    static const hg_type_t *t[2];
    static hg_arena_t *a; /* of the process */
    if (a) return t;
    a = hg_arena_new();
    t[0] = hg_type_make(a, HG_T_BIGINT, false, -1, 0);
    t[1] = hg_type_make(a, HG_T_VARCHAR, true, -1, 0);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    int fd = memfd_create("in", MFD_CLOEXEC);
    HG_ASSERT(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    /* byte 0 of the last two: the file may be shorter than it was when it was written */
    uint64_t size = n + (n && p[n - 1] == 0xff ? 7 : 0);
    hg_spillfile_t *f = hg_spillfile_of(fd, "in", size), *again;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t scratch;
    hg_part_t *part;
    HG_ASSERT(hg_spillfile_new("", &again, &err) == 0);
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    for (uint64_t at = 0, back = 0;;) {
        uint64_t was = at;
        int rc = hg_spillfile_read(f, &at, types(), 2, &part, &err);
        HG_ASSERT(rc == 0 || (rc == HG_EDAMAGED && strstr(err.msg, "at byte ") && at == was));
        if (rc < 0 || !part) break;
        HG_ASSERT(hg_spillfile_add(again, part->batch, types(), NULL, part->n, part->weights, &scratch, &err) == 0);
        uint32_t rows = part->n;
        hg_part_drop(part);
        HG_ASSERT(hg_spillfile_read(again, &back, types(), 2, &part, &err) == 0 && part->n == rows);
        hg_part_drop(part);
    }
    hg_buf_release(&scratch);
    hg_spillfile_free(again);
    hg_spillfile_free(f);
    return 0;
}
