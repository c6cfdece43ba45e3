/* fault.h: faults on purpose, so that a failure found by a loop is repeated by hand in one command.
 *
 * HG_FAULT is a comma separated list of kind:N (fail the Nth call), kind:N-M (fail calls N to M), kind:N+ (fail from
 * the Nth on), kill:NAME or kill:NAME:N (raise SIGKILL at the kill point NAME, the Nth time it is passed) and
 * hang:NAME or hang:NAME:N (the thread that passes the hang point NAME stays there). Kinds: alloc, read, write, fsync,
 * rename, open, connect, thread. disorder:SEED is no failure: what may happen in any order does, whatever the machine's
 * load.
 */
#ifndef HG_BASE_FAULT_H
#define HG_BASE_FAULT_H

#include "base/hg.h"

typedef enum {
    HG_FAULT_ALLOC,
    HG_FAULT_READ,
    HG_FAULT_WRITE,
    HG_FAULT_FSYNC,
    HG_FAULT_RENAME,
    HG_FAULT_OPEN,
    HG_FAULT_CONNECT,
    HG_FAULT_THREAD,
    HG_FAULT_N
} hg_fault_t;

/* Any thread. True if this call of the kind must fail. Costs one relaxed load when nothing is armed. */
bool hg_fault(hg_fault_t kind);

/* Test thread. Arm kind so that its nth call from now on fails once; n = 0 disarms. Then ask whether it fired. */
void hg_fault_arm(hg_fault_t kind, uint64_t n);
bool hg_fault_fired(void);

/* Any thread. With HG_FAULT=disorder: a random number below n, n > 0; else 0. What is drawn by one thread repeats with
 * the seed, the order in which threads draw does not. */
uint64_t hg_fault_disorder(uint64_t n);

/* Any thread. Dies by SIGKILL here, or never returns, if HG_FAULT names this point (kill:NAME, hang:NAME). */
void hg_kill_point(const char *name);
/* Any thread. Never returns if HG_FAULT names this point. */
void hg_hang_point(const char *name);
/* Test thread: as HG_FAULT=kill:NAME. */
void hg_kill_arm(const char *name);

/* Any thread, at a place whose order with other threads a test wants to say; what: whatever is there. */
void hg_point(const char *name, void *what);
/* Test thread, while nobody passes it: fn is called there. NULL: no more. */
void hg_point_arm(const char *name, void (*fn)(void *what));

#endif
