/* cpu.h: where this process's time goes: CPU profiles, as Firefox's profiler and samply show them.
 *
 * While one is taken each thread has a timer that counts the time it computes, and interrupts it every 10 ms of that:
 * what waits costs nothing. The handler copies registers and the top of the stack into a ring, and a thread of our own
 * makes call stacks of them, so nothing is walked, and no lock is taken, where the thread was interrupted. One at a
 * time in a process; all functions may be called by any thread. */
#ifndef HG_PROFILE_CPU_H
#define HG_PROFILE_CPU_H

#include "base/buf.h"
#include "base/err.h"

#define HG_CPU_PROFILE_MAX_S 600

/* Begins one that ends by itself. HG_EBUSY: one is being taken; HG_ERANGE: longer than the longest; HG_EAGAIN,
 * HG_EUNSUPPORTED: the system does not let us. */
int hg_cpu_profile_start(uint64_t seconds, hg_err_t *err);

/* Appends the last one that is complete, gzipped JSON. latest: not while another is being taken: then HG_EAGAIN, and
 * *ret_wait_s says when to come again. HG_EINVAL: there is none yet; or why the last one came to nothing. */
int hg_cpu_profile_get(bool latest, hg_buf_t *out, uint64_t *ret_wait_s, hg_err_t *err);

/* Before the process ends: what is being taken is given up, and what was taken is freed. */
void hg_cpu_profile_close(void);

#endif
