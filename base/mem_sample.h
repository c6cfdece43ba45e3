/* mem_sample.h: what the memory is for: a sample of the blocks in use, each with the stack that asked for it.
 *
 * Of all bytes that mem.h hands out, each is drawn with the same small chance, about one in `mean`; the block it is in
 * is remembered until it is freed. So a block of n bytes is in the sample with a chance of 1 - exp(-n/mean): who counts
 * it divides by that. Between two draws an allocation costs a subtraction, and freeing costs a look at a table.
 * The memory of other libraries is not seen.
 */
#ifndef HG_BASE_MEM_SAMPLE_H
#define HG_BASE_MEM_SAMPLE_H

#include "base/err.h"

#define HG_MEM_SAMPLE_MEAN  (512u << 10)
#define HG_MEM_SAMPLE_DEPTH 48 /* callers that are kept of a stack, the nearest ones */

/* Once, before other threads are started; without it nothing is drawn. mean: bytes; 0: as if it had not been called. */
void hg_mem_sample_start(uint64_t mean);

/* The same with what HEADGATE_HEAP_SAMPLE says, or HG_MEM_SAMPLE_MEAN where it is not set. HG_EINVAL: it is no number
 * of bytes; the mean is the usual one then. */
int hg_mem_sample_start_env(hg_err_t *err);

/* Any thread. 0: it has not been started. */
uint64_t hg_mem_sample_mean(void);

/* Any thread. Memory that somebody maps for himself counts as well: n bytes at p (not NULL), and before they go. */
void hg_mem_sample_mapped(void *p, size_t n);
void hg_mem_sample_unmapped(const void *p);

/* Any thread. Gives each block of the sample that is in use: its size, and the return addresses of the stack, the
 * nearest first. pcs is lent for the call, which may allocate. Blocks that others free or make meanwhile may be among
 * them or not. false: no memory for all of them. */
bool hg_mem_sample_each(void (*block)(void *arg, size_t size, const uintptr_t *pcs, unsigned n), void *arg);

#endif
