/* state_par.c: a loop over tasks on several threads.
 *
 * Threads live for one loop: restoring happens once, before the circuit's first step. One that cannot be made is done
 * without.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "engine/state_int.h"
#include <pthread.h>

typedef struct {
    hg_par_fn fn;
    void *arg;
    uint32_t n;
    _Atomic uint32_t next;
    atomic_bool failed;
    pthread_mutex_t lock; /* of the two below */
    uint32_t bad;
    hg_err_t *err;
} par_t;

static void *work(void *arg)
{
    par_t *p = arg;
    while (!atomic_load_explicit(&p->failed, memory_order_relaxed)) {
        uint32_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n) break;
        hg_err_t err = HG_ERR_INIT;
        if (p->fn(p->arg, i, &err) >= 0) continue;
        pthread_mutex_lock(&p->lock);
        if (i < p->bad) {
            p->bad = i;
            *p->err = err;
        }
        pthread_mutex_unlock(&p->lock);
        atomic_store_explicit(&p->failed, true, memory_order_relaxed);
    }
    return NULL;
}

int hg_par_run(unsigned threads, uint32_t n, hg_par_fn fn, void *arg, hg_err_t *err)
{
    par_t p = { .fn = fn, .arg = arg, .n = n, .bad = UINT32_MAX, .err = err };
    unsigned more = threads > 1 && n > 1 ? HG_MIN(threads, n) - 1 : 0, made = 0;
    pthread_t *t = HG_NEWN(pthread_t, more + 1);
    pthread_mutex_init(&p.lock, NULL);
    while (made < more && pthread_create(&t[made], NULL, work, &p) == 0) made++;
    work(&p);
    for (unsigned i = 0; i < made; i++) pthread_join(t[i], NULL);
    pthread_mutex_destroy(&p.lock);
    hg_free(t);
    return p.bad == UINT32_MAX ? 0 : (int)err->code;
}
