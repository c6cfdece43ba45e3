/* loop.h: event loop threads, a worker pool, and messages between threads.
 *
 * A loop is a libuv loop with a thread of its own (or the caller's: hg_loop_run). Everything registered on its
 * uv_loop_t belongs to that thread. Other threads talk to it by hg_loop_post() only. Posts from one thread run in
 * order. The pool runs work on N threads; the done function runs on the loop that was named. Neither queue is bounded:
 * their users bound what they put in (the byte budget, one flight per lane).
 */
#ifndef HG_BASE_LOOP_H
#define HG_BASE_LOOP_H

#include "base/hg.h"
#include "base/err.h"
#include <uv.h>

typedef struct hg_loop hg_loop_t;

/* A loop whose thread is started by hg_loop_start (name <= 15 bytes shows in ps), or run by the caller. */
hg_loop_t *hg_loop_new(const char *name);
void hg_loop_start(hg_loop_t *l);
void hg_loop_run(hg_loop_t *l); /* calling thread becomes the loop thread, returns after hg_loop_stop */

/* Any thread. Ends the loop after all posts made so far have run. */
void hg_loop_stop(hg_loop_t *l);

/* Caller's thread, after hg_loop_stop: joins the thread (if it has one), closes what is left, frees. All handles of
 * its users must be closed or closing by then. */
void hg_loop_free(hg_loop_t *l);

uv_loop_t *hg_loop_uv(hg_loop_t *l);
bool hg_on_loop(const hg_loop_t *l); /* is this the loop's thread? */
#define HG_ON_LOOP(l) HG_ASSERT(hg_on_loop(l))

/* Any thread. fn(arg) runs on the loop's thread, soon, in order of posting per thread. Never blocks. */
void hg_loop_post(hg_loop_t *l, void (*fn)(void *), void *arg);

/* Other threads only (not the loop's own): post and wait until fn has run. For set-up, tests and shutdown. */
void hg_loop_call(hg_loop_t *l, void (*fn)(void *), void *arg);

typedef struct hg_pool hg_pool_t;

hg_pool_t *hg_pool_new(unsigned threads);
void hg_pool_free(hg_pool_t *p); /* waits for all submitted work */
unsigned hg_pool_size(const hg_pool_t *p);

/* Any thread. work(arg) runs on a pool thread; `worker` is its index in 0..size-1, for per-thread scratch. Then, if
 * done != NULL, done(arg) runs on `loop`. */
void hg_pool_submit(hg_pool_t *p, void (*work)(void *arg, unsigned worker), void (*done)(void *arg), hg_loop_t *loop,
                    void *arg);
/* The same, before all that waits and is not urgent: answers that somebody waits for while data queues up. */
void hg_pool_submit_urgent(hg_pool_t *p, void (*work)(void *arg, unsigned worker), void (*done)(void *arg),
                           hg_loop_t *loop, void *arg);

#endif
