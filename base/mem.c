/* mem.c: see mem.h. The only file, with the sampler below it, that calls the C library's allocator. */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/mem_sample_int.h"
#include <dirent.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static _Atomic uint64_t g_allocs;

static void *die(void)
{
    static const char msg[] = "headgate: out of memory\n";
    (void)!write(2, msg, sizeof msg - 1);
    abort();
}

static void count(void)
{
    atomic_fetch_add_explicit(&g_allocs, 1, memory_order_relaxed);
}

uint64_t hg_mem_allocs(void)
{
    return atomic_load_explicit(&g_allocs, memory_order_relaxed);
}

void *hg_xnew(size_t n)
{
    count();
    void *p = hg_mem_sample_new(malloc(n ? n : 1), n);
    return p ? p : die();
}

void *hg_xzero(size_t n)
{
    count();
    void *p = hg_mem_sample_new(calloc(1, n ? n : 1), n);
    return p ? p : die();
}

/* A block that moves leaves the sample before its address can be another's. */
static void *regrow(void *p, size_t n)
{
    hg_mem_drawn_t *drawn = hg_mem_sample_gone(p);
    void *q = realloc(p, n ? n : 1);
    if (HG_UNLIKELY(drawn != NULL)) (q ? hg_mem_sample_forget : hg_mem_sample_back)(drawn);
    return hg_mem_sample_new(q, n);
}

void *hg_xgrow(void *p, size_t n)
{
    count();
    void *q = regrow(p, n);
    return q ? q : die();
}

char *hg_xstrndup(const char *s, size_t n)
{
    char *p = hg_xnew(n + 1);
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *hg_xstrdup(const char *s)
{
    return hg_xstrndup(s, strlen(s));
}

char *hg_xprintf(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    HG_ASSERT(n >= 0);
    char *p = hg_xnew((size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void *hg_trynew(size_t n)
{
    count();
    return hg_fault(HG_FAULT_ALLOC) ? NULL : hg_mem_sample_new(malloc(n ? n : 1), n);
}

void *hg_tryzero(size_t n)
{
    count();
    return hg_fault(HG_FAULT_ALLOC) ? NULL : hg_mem_sample_new(calloc(1, n ? n : 1), n);
}

void *hg_trygrow(void *p, size_t n)
{
    count();
    return hg_fault(HG_FAULT_ALLOC) ? NULL : regrow(p, n);
}

void *hg_tryalign(size_t n)
{
    count();
    if (hg_fault(HG_FAULT_ALLOC) || n > SIZE_MAX - 192) return NULL;
    void *p = NULL;
    if (posix_memalign(&p, 64, (n + 64 + 63) & ~(size_t)63) != 0) return NULL;
    memset((char *)p + n, 0, 64);
    return hg_mem_sample_new(p, n);
}

void hg_free(void *p)
{
    hg_mem_drawn_t *drawn = hg_mem_sample_gone(p);
    free(p);
    if (HG_UNLIKELY(drawn != NULL)) hg_mem_sample_forget(drawn);
}

void hg_mem_arenas(unsigned n)
{
    (void)mallopt(M_ARENA_MAX, (int)n);
}

void hg_mem_trim(void)
{
    (void)malloc_trim(0);
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* Linux 5.4; before: EINVAL, and they stay */
#endif

static int page_out(struct dl_phdr_info *library, size_t size, void *arg)
{
    (void)size, (void)arg;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_W)) continue;
        uintptr_t at = library->dlpi_addr + part->p_vaddr, from = at & ~(page - 1);
        (void)madvise((void *)from, at + part->p_memsz - from, MADV_PAGEOUT);
    }
    return 0;
}

void hg_mem_page_out(void)
{
    (void)dl_iterate_phdr(page_out, NULL);
}

static uint64_t statm_bytes(int which)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    unsigned long long pages[2] = { 0 }; /* size, resident */
    int n = fscanf(f, "%llu %llu", &pages[0], &pages[1]);
    fclose(f);
    return n == 2 ? (uint64_t)pages[which] * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t hg_rss_bytes(void)
{
    return statm_bytes(1);
}

uint64_t hg_virtual_bytes(void)
{
    return statm_bytes(0);
}

uint64_t hg_open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    uint64_t n = 0;
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* the folder itself */
}

uint64_t hg_max_fds(void)
{
    struct rlimit l;
    return getrlimit(RLIMIT_NOFILE, &l) < 0 ? 0 : (uint64_t)l.rlim_cur;
}

uint64_t hg_cpu_msecs(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) < 0) return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}
