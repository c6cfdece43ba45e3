/* thread.c: see thread.h. */
#include "base/hg.h"

#include "base/fault.h"
#include "base/thread.h"
#include <errno.h>

int hg_thread_start(pthread_t *ret, void *(*main)(void *), void *arg, const char *what, hg_err_t *err)
{
    int rc = hg_fault(HG_FAULT_THREAD) ? EAGAIN : pthread_create(ret, NULL, main, arg);
    if (rc == 0) return 0;
    hg_err_errno(err, rc, "no thread for %s", what);
    err->retry = 1;
    return err->code;
}
