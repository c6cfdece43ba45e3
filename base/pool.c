/* pool.c: worker threads that take work in order of submission, what is urgent first (loop.h).
 *
 * Every worker sleeps on a condition of its own, the one that fell asleep last is woken first. Not one condition for
 * all: in glibc before 2.41 a signal may get lost when several threads wait on the same condition (bug 25847), and a
 * lost signal here is a job that nobody starts until the next one comes.
 *
 * Nobody may rely on the order: it is for fairness. HG_FAULT=disorder shows who does.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/loop.h"
#include "base/mem.h"
#include <pthread.h>
#include <unistd.h>

#define DISORDER 8 /* HG_FAULT=disorder: one of so many jobs is the next */

typedef struct job {
    struct job *next;
    void (*work)(void *, unsigned);
    void (*done)(void *);
    hg_loop_t *loop;
    void *arg;
} job_t;

typedef struct worker {
    struct worker *next; /* on pool->idle */
    hg_pool_t *pool;
    unsigned index;
    bool woken;
    pthread_cond_t wake;
    pthread_t thread;
} worker_t;

typedef struct queue {
    job_t *head, *tail;
} queue_t;

struct hg_pool {
    pthread_mutex_t lock; /* guards all below, and of each worker: next, woken */
    queue_t urgent, rest;
    worker_t *idle; /* asleep, and not woken yet */
    bool closing;
    unsigned n;
    worker_t *workers;
};

/* Under lock. A worker that is awake looks at the queue before it sleeps, so without an idle one nothing is to do. */
static void wake_one(hg_pool_t *p)
{
    worker_t *w = p->idle;
    if (!w) return;
    p->idle = w->next;
    w->woken = true;
    pthread_cond_signal(&w->wake);
}

static void sleep_until_woken(hg_pool_t *p, worker_t *w)
{
    w->woken = false;
    w->next = p->idle;
    p->idle = w;
    while (!w->woken) pthread_cond_wait(&w->wake, &p->lock);
}

/* Under lock. The next job, or NULL. */
static job_t *take(hg_pool_t *p)
{
    queue_t *q = p->urgent.head ? &p->urgent : &p->rest;
    job_t **at = &q->head, *before = NULL;
    for (uint64_t skip = hg_fault_disorder(DISORDER); skip && *at && (*at)->next; skip--) {
        before = *at;
        at = &before->next;
    }
    job_t *j = *at;
    if (!j) return NULL;
    *at = j->next;
    if (q->tail == j) q->tail = before;
    return j;
}

/* A thread that is held up: what was submitted later overtakes. */
static void dawdle(void)
{
    if (hg_fault_disorder(4) == 1) usleep((useconds_t)hg_fault_disorder(3000));
}

static void *worker_main(void *arg)
{
    worker_t *w = arg;
    hg_pool_t *p = w->pool;
    char name[16];
    snprintf(name, sizeof name, "hg-pool-%u", w->index % 1000u);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        job_t *j = take(p);
        if (!j && p->closing) break;
        if (!j) {
            sleep_until_woken(p, w);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        dawdle();
        j->work(j->arg, w->index);
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
    p->n = threads ? threads : 1;
    p->workers = HG_NEWN(worker_t, p->n);
    for (unsigned i = 0; i < p->n; i++) {
        worker_t *w = &p->workers[i];
        w->pool = p;
        w->index = i;
        pthread_cond_init(&w->wake, NULL);
        HG_ASSERT(pthread_create(&w->thread, NULL, worker_main, w) == 0);
    }
    return p;
}

void hg_pool_free(hg_pool_t *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    while (p->idle) wake_one(p);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++) {
        pthread_join(p->workers[i].thread, NULL);
        pthread_cond_destroy(&p->workers[i].wake);
    }
    pthread_mutex_destroy(&p->lock);
    hg_free(p->workers);
    hg_free(p);
}

unsigned hg_pool_size(const hg_pool_t *p)
{
    return p->n;
}

static void submit(hg_pool_t *p, queue_t *q, const job_t *job)
{
    job_t *j = hg_xnew(sizeof *j);
    *j = *job;
    pthread_mutex_lock(&p->lock);
    if (q->tail)
        q->tail->next = j;
    else
        q->head = j;
    q->tail = j;
    wake_one(p);
    pthread_mutex_unlock(&p->lock);
}

void hg_pool_submit(hg_pool_t *p, void (*work)(void *, unsigned), void (*done)(void *), hg_loop_t *loop, void *arg)
{
    submit(p, &p->rest, &(job_t){ NULL, work, done, loop, arg });
}

void hg_pool_submit_urgent(hg_pool_t *p, void (*work)(void *, unsigned), void (*done)(void *), hg_loop_t *loop,
                           void *arg)
{
    submit(p, &p->urgent, &(job_t){ NULL, work, done, loop, arg });
}
