/* tsan_threads.c: C11 threads for builds under the thread sanitizer. Linked into every program, these functions stand
 * before glibc's for shared libraries too.
 *
 * The sanitizer knows pthread_create, but not glibc's thrd_create: a thread that begins with the latter has no state of
 * its own there, and dies at the first call that the sanitizer watches. librdkafka begins all its threads so. Its locks
 * are seen as well: what one of its threads hands to another, or to us, is then in order for the sanitizer. They are
 * not mapped to mutexes that the sanitizer watches: it would miss the order that librdkafka makes with atomics, and
 * complain about the library's own affairs.
 *
 * glibc's thrd_t is its pthread_t under another name. Only what librdkafka uses is here.
 */
#include "base/hg.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <threads.h>

typedef struct {
    thrd_start_t run;
    void *arg;
} start_t;

static void *begin(void *arg)
{
    start_t s = *(start_t *)arg;
    free(arg);
    return (void *)(intptr_t)s.run(s.arg);
}

int thrd_create(thrd_t *t, thrd_start_t run, void *arg)
{
    start_t *s = malloc(sizeof *s);
    if (!s) return thrd_nomem;
    *s = (start_t){ run, arg };
    if (pthread_create(t, NULL, begin, s) == 0) return thrd_success;
    free(s);
    return thrd_error;
}

int thrd_join(thrd_t t, int *ret)
{
    void *v = NULL;
    if (pthread_join(t, &v) != 0) return thrd_error;
    if (ret) *ret = (int)(intptr_t)v;
    return thrd_success;
}

/* glibc's function of this name. Found once before main(): a lookup takes locks of its own. */
static struct {
    int (*mtx_lock)(mtx_t *), (*mtx_trylock)(mtx_t *), (*mtx_unlock)(mtx_t *);
    int (*cnd_wait)(cnd_t *, mtx_t *), (*cnd_timedwait)(cnd_t *, mtx_t *, const struct timespec *);
} real;

static void *find(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f) abort();
    return f;
}

__attribute__((constructor)) static void find_all(void)
{
    *(void **)&real.mtx_lock = find("mtx_lock");
    *(void **)&real.mtx_trylock = find("mtx_trylock");
    *(void **)&real.mtx_unlock = find("mtx_unlock");
    *(void **)&real.cnd_wait = find("cnd_wait");
    *(void **)&real.cnd_timedwait = find("cnd_timedwait");
}

int mtx_lock(mtx_t *m)
{
    int rc = real.mtx_lock(m);
    __tsan_acquire(m);
    return rc;
}

int mtx_trylock(mtx_t *m)
{
    int rc = real.mtx_trylock(m);
    if (rc == thrd_success) __tsan_acquire(m);
    return rc;
}

int mtx_unlock(mtx_t *m)
{
    __tsan_release(m);
    return real.mtx_unlock(m);
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    __tsan_release(m);
    int rc = real.cnd_wait(c, m);
    __tsan_acquire(m);
    return rc;
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
    __tsan_release(m);
    int rc = real.cnd_timedwait(c, m, until);
    __tsan_acquire(m);
    return rc;
}
