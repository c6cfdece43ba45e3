/* store_block.c: memory of segments and indexes.
 *
 * Large blocks come straight from the kernel, aligned to huge pages and advised to use them: random probes over
 * gigabytes of state are bound by address translation otherwise. Untouched pages of a block cost nothing. Small blocks
 * are ordinary memory. Any thread.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem_sample.h"
#include "engine/store_int.h"
#include <sys/mman.h>

#define HUGE  ((size_t)2 << 20)
#define LARGE ((size_t)1 << 20)

static size_t mapped_size(size_t n)
{
    return (n + 4095) & ~(size_t)4095;
}

void *hg_block_new(size_t n)
{
    n += 64; /* columns have 64 readable bytes after their end */
    if (n < LARGE) return hg_tryzero(n);
    if (hg_fault(HG_FAULT_ALLOC)) return NULL;
    size_t len = mapped_size(n), slack = len >= HUGE ? HUGE : 0;
    char *p = mmap(NULL, len + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (slack == 0) {
        hg_mem_sample_mapped(p, n);
        return p;
    }
    char *at = (char *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
    if (at > p) munmap(p, (size_t)(at - p));
    if (at + len < p + len + slack) munmap(at + len, (size_t)(p + len + slack - (at + len)));
    madvise(at, len, MADV_HUGEPAGE); /* a wish; a kernel without them serves small pages */
    hg_mem_sample_mapped(at, n);
    return at;
}

void hg_block_touch(void *p, size_t n)
{
    /* Whole pages inside the block; a kernel that cannot do it serves them at their first use, as ever. Piece by piece:
     * the address space is locked for readers meanwhile. */
    uintptr_t a = ((uintptr_t)p + 4095) & ~(uintptr_t)4095, end = ((uintptr_t)p + n) & ~(uintptr_t)4095;
    while (a < end) {
        size_t len = HG_MIN((size_t)(end - a), HUGE - (a & (HUGE - 1)));
        if (madvise((void *)a, len, MADV_POPULATE_WRITE) < 0) return;
        a += len;
    }
}

void hg_block_free(void *p, size_t n)
{
    if (!p) return;
    n += 64;
    if (n < LARGE) {
        hg_free(p);
        return;
    }
    hg_mem_sample_unmapped(p);
    munmap(p, mapped_size(n));
}

void hg_acct_drop(hg_acct_t *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return;
    hg_free((void *)(uintptr_t)a->types);
    hg_free(a);
}
