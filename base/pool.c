/* pool.c: worker threads that take work in order of submission (loop.h). */
#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include <pthread.h>

typedef struct job {
    struct job *next;
    void (*work)(void *, unsigned);
    void (*done)(void *);
    hg_loop_t *loop;
    void *arg;
} job_t;

struct hg_pool {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;
    job_t *head, *tail;
    bool closing;
    unsigned n;
    pthread_t *threads;
};

typedef struct {
    hg_pool_t *pool;
    unsigned index;
} start_t;

static void *worker(void *arg)
{
    start_t s = *(start_t *)arg;
    hg_pool_t *p = s.pool;
    char name[16];
    hg_free(arg);
    snprintf(name, sizeof name, "hg-pool-%u", s.index % 1000u);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->head && !p->closing) pthread_cond_wait(&p->more, &p->lock);
        job_t *j = p->head;
        if (!j) break;
        p->head = j->next;
        if (!p->head) p->tail = NULL;
        pthread_mutex_unlock(&p->lock);
        j->work(j->arg, s.index);
        if (j->done) hg_loop_post(j->loop, j->done, j->arg);
        hg_free(j);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

hg_pool_t *hg_pool_new(unsigned threads)
{
    hg_pool_t *p = HG_NEW(hg_pool_t);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->n = threads ? threads : 1;
    p->threads = HG_NEWN(pthread_t, p->n);
    for (unsigned i = 0; i < p->n; i++) {
        start_t *s = HG_NEW(start_t);
        *s = (start_t){ p, i };
        HG_ASSERT(pthread_create(&p->threads[i], NULL, worker, s) == 0);
    }
    return p;
}

void hg_pool_free(hg_pool_t *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++) pthread_join(p->threads[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
    hg_free(p->threads);
    hg_free(p);
}

unsigned hg_pool_size(const hg_pool_t *p)
{
    return p->n;
}

void hg_pool_submit(hg_pool_t *p, void (*work)(void *, unsigned), void (*done)(void *), hg_loop_t *loop, void *arg)
{
    job_t *j = hg_xnew(sizeof *j);
    *j = (job_t){ NULL, work, done, loop, arg };
    pthread_mutex_lock(&p->lock);
    if (p->tail)
        p->tail->next = j;
    else
        p->head = j;
    p->tail = j;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}
