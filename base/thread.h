/* thread.h: a thread, or an honest answer that the system has none: who asks for one while others work may not end them
 * all because of it. */
#ifndef HG_BASE_THREAD_H
#define HG_BASE_THREAD_H

#include "base/err.h"
#include <pthread.h>

/* Any thread. what: for whom, for the message. An error is marked retryable. The thread is the caller's to join or to
 * detach. */
int hg_thread_start(pthread_t *ret, void *(*main)(void *), void *arg, const char *what, hg_err_t *err);

#endif
