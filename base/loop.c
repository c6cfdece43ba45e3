/* loop.c: see loop.h. A post is a node on a lock-protected list plus a uv_async_send; the list is taken as a whole.
 *
 * Posts run for a slice of time, then sockets have their turn: thousands of connectors that start at once make a list
 * of tens of milliseconds, and requests on the same loop would wait for all of it.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include <pthread.h>

#define SLICE_US 1000

typedef struct post {
    struct post *next;
    void (*fn)(void *);
    void *arg;
} post_t;

struct hg_loop {
    uv_loop_t uv;
    uv_async_t async;
    pthread_mutex_t lock; /* guards head, tail */
    post_t *head, *tail;
    post_t *taken; /* loop's thread: what has left the list and not run yet */
    pthread_t thread;
    bool has_thread;
    _Atomic uint64_t self; /* pthread_t of the running thread, 0 = not running */
    bool stopping;
    char name[16];
};

/* Loop's thread: posts made so far, in order, but none begins after `until`. */
static void run_posts(hg_loop_t *l, int64_t until)
{
    bool all = false;
    for (uint32_t n = 1;; n++) {
        if (!l->taken) {
            if (all) return;
            pthread_mutex_lock(&l->lock);
            l->taken = l->head;
            l->head = l->tail = NULL;
            pthread_mutex_unlock(&l->lock);
            if (!l->taken) return;
            all = true;
        }
        if (n % 8 == 0 && hg_mono_us() > until) {
            uv_async_send(&l->async);
            return;
        }
        post_t *p = l->taken;
        l->taken = p->next;
        p->fn(p->arg);
        hg_free(p);
    }
}

static void on_async(uv_async_t *async)
{
    hg_loop_t *l = HG_ENTRY(async, hg_loop_t, async);
    run_posts(l, hg_mono_us() + SLICE_US);
    if (l->stopping) uv_stop(&l->uv);
}

hg_loop_t *hg_loop_new(const char *name)
{
    hg_loop_t *l = HG_NEW(hg_loop_t);
    HG_ASSERT(uv_loop_init(&l->uv) == 0);
    HG_ASSERT(uv_async_init(&l->uv, &l->async, on_async) == 0);
    pthread_mutex_init(&l->lock, NULL);
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

static void *thread_main(void *arg)
{
    hg_loop_t *l = arg;
    pthread_setname_np(pthread_self(), l->name);
    hg_loop_run(l);
    return NULL;
}

void hg_loop_start(hg_loop_t *l)
{
    HG_ASSERT(!l->has_thread);
    l->has_thread = true;
    HG_ASSERT(pthread_create(&l->thread, NULL, thread_main, l) == 0);
}

void hg_loop_run(hg_loop_t *l)
{
    atomic_store(&l->self, (uint64_t)pthread_self());
    while (!l->stopping) uv_run(&l->uv, UV_RUN_DEFAULT);
    run_posts(l, INT64_MAX); /* what was posted while stopping */
    atomic_store(&l->self, 0);
}

static void stop_on_loop(void *arg)
{
    hg_loop_t *l = arg;
    l->stopping = true;
}

void hg_loop_stop(hg_loop_t *l)
{
    hg_loop_post(l, stop_on_loop, l);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

void hg_loop_free(hg_loop_t *l)
{
    if (!l) return;
    if (l->has_thread) pthread_join(l->thread, NULL);
    run_posts(l, INT64_MAX);
    uv_walk(&l->uv, close_handle, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) {
    }
    HG_ASSERT(uv_loop_close(&l->uv) == 0);
    pthread_mutex_destroy(&l->lock);
    hg_free(l);
}

uv_loop_t *hg_loop_uv(hg_loop_t *l)
{
    return &l->uv;
}

/* Before a loop runs, its maker may set things up on it: nobody else is there. */
bool hg_on_loop(const hg_loop_t *l)
{
    uint64_t self = atomic_load(&l->self);
    return self == 0 || self == (uint64_t)pthread_self();
}

void hg_loop_post(hg_loop_t *l, void (*fn)(void *), void *arg)
{
    post_t *p = hg_xnew(sizeof *p);
    *p = (post_t){ NULL, fn, arg };
    pthread_mutex_lock(&l->lock);
    if (l->tail)
        l->tail->next = p;
    else
        l->head = p;
    l->tail = p;
    uv_async_send(&l->async); /* under the lock: the loop cannot be freed between the link and the wake-up */
    pthread_mutex_unlock(&l->lock);
}

typedef struct {
    void (*fn)(void *);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
} call_t;

static void run_call(void *arg)
{
    call_t *c = arg;
    c->fn(c->arg);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->lock);
}

void hg_loop_call(hg_loop_t *l, void (*fn)(void *), void *arg)
{
    call_t c = { .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    HG_ASSERT(atomic_load(&l->self) != (uint64_t)pthread_self());
    hg_loop_post(l, run_call, &c);
    pthread_mutex_lock(&c.lock);
    while (!c.done) pthread_cond_wait(&c.cond, &c.lock);
    pthread_mutex_unlock(&c.lock);
    pthread_mutex_destroy(&c.lock);
    pthread_cond_destroy(&c.cond);
}
