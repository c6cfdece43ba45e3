/* mem.h: allocation, with the out-of-memory policy in two lines, fault injection and counting.
 *
 * Sizes that we chose when we wrote the code abort on failure (hg_x*). Sizes that come from outside (input, config, a
 * peer) return NULL, which is ordinary: the caller answers HG_ENOMEM (hg_try*). All memory is freed by hg_free().
 *
 * HG_FAULT=alloc:N in the environment of any build makes the Nth hg_try* call of the process fail (see fault.h).
 * hg_mem_allocs() counts calls, so that a test can prove that the data path allocates nothing per record.
 */
#ifndef HG_BASE_MEM_H
#define HG_BASE_MEM_H

#include "base/hg.h"

void *hg_xnew(size_t n);           /* never NULL; contents undefined */
void *hg_xzero(size_t n);          /* never NULL; zeroed */
void *hg_xgrow(void *p, size_t n); /* realloc, never NULL */
char *hg_xstrdup(const char *s);   /* never NULL; s must not be NULL */
char *hg_xstrndup(const char *s, size_t n);
char *hg_xprintf(const char *fmt, ...) HG_PRINTF(1, 2);

void *hg_trynew(size_t n);
void *hg_tryzero(size_t n);
void *hg_trygrow(void *p, size_t n); /* on NULL the old block is still valid */

/* 64-byte aligned, with 64 readable bytes after the end (scanners may read past it). NULL when memory is out. */
void *hg_tryalign(size_t n);

void hg_free(void *p);

/* Any thread. Calls of the functions above since the process started. */
uint64_t hg_mem_allocs(void);

#define HG_NEW(type)     ((type *)hg_xzero(sizeof(type)))
#define HG_NEWN(type, n) ((type *)hg_xzero(sizeof(type) * (size_t)(n)))

/* For processes that must be small when they rest. At most n arenas, before threads are started: each keeps memory of
 * its own. Trim: what the allocator holds and nobody uses goes back to the system; some 100 µs, any thread. */
void hg_mem_arenas(unsigned n);
void hg_mem_trim(void);
/* What libraries ran to get ready, and read-only data that they looked at once: their pages go, unless other processes
 * have them, and come again from the file where they are used. Some milliseconds; once, behind the start. */
void hg_mem_page_out(void);

/* Process figures from /proc/self, in bytes and milliseconds. 0 when they cannot be read. */
uint64_t hg_rss_bytes(void);
uint64_t hg_virtual_bytes(void);
uint64_t hg_open_fds(void);
uint64_t hg_max_fds(void);
uint64_t hg_cpu_msecs(void);

#endif
