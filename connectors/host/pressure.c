/* pressure.c: who has to wait, and who is woken when there is room. Any thread.
 *
 * Two limits. The endpoint's: records and bytes buffered (Feldera's max_queued_*) and chunks in flight between its loop
 * and the pool. The host's: bytes that inputs hold (chunk buffers and parsed rows), at most half of the byte budget.
 *
 * Both are soft: data that is already there is taken, then the producer waits. What keeps the budget free of deadlock:
 *  1. a producer cuts what it has in whole records before it waits, so all it holds is one unfinished record;
 *  2. as long as one cut chunk is not done, its memory will come back and wake the first in the queue;
 *  3. when no chunk is left and memory is still short (unfinished records hold it all), the first in the queue that
 *     holds an unfinished record gets the overdraft: it alone may grow beyond the budget, until its record is complete.
 *     So oversize records go one at a time. Producers that hold nothing are woken without it: one of them may have no
 *     more data, and would keep the overdraft for ever;
 *  4. a holder whose record has not grown for STALL_MS loses the overdraft to the next in the queue, and queues when it
 *     sends again: a sender that goes silent in the middle of a record stops nobody else.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"
#include "base/mem.h"

#define STALL_MS 1000

static void waiter_wake(hg_waiter_t *w)
{
    hg_list_del(&w->link);
    atomic_store(&w->where, HG_WAIT_NONE);
    w->wake(w);
}

/* host->mu */
static void token_give(hg_host_t *h, hg_waiter_t *w)
{
    h->token = w;
    h->token_us = hg_mono_us();
    w->token = true;
}

static void arm_stall(void *arg);

/* host->mu. Wake as many as have room for a chunk each; if nothing else can free memory, those of rule 3. */
static void budget_serve(hg_host_t *h)
{
    uint64_t held = atomic_load(&h->in_bytes);
    uint64_t room = held < h->in_limit ? h->in_limit - held : 0;
    for (uint64_t n = room ? 1 + room / HG_CHUNK_BYTES : 0; n > 0 && !hg_list_empty(&h->waiters); n--)
        waiter_wake(HG_ENTRY(h->waiters.next, hg_waiter_t, link));
    if (h->jobs > 0) return;
    HG_LIST_EACH(it, &h->waiters)
    {
        hg_waiter_t *w = HG_ENTRY(it, hg_waiter_t, link);
        if (w->unfinished && h->token) continue;
        if (w->unfinished) token_give(h, w);
        waiter_wake(w);
    }
    if (h->token && !hg_list_empty(&h->waiters) && !h->stall_armed) {
        h->stall_armed = true;
        hg_loop_post(h->io[0], arm_stall, h);
    }
}

static void on_stall(uv_timer_t *t)
{
    hg_host_t *h = t->data;
    pthread_mutex_lock(&h->mu);
    h->stall_armed = false;
    if (h->token && h->jobs == 0 && hg_mono_us() - h->token_us >= STALL_MS * 1000) {
        h->token->token = false;
        h->token = NULL;
    }
    budget_serve(h); /* arms again while somebody waits for a holder */
    pthread_mutex_unlock(&h->mu);
}

static void arm_stall(void *arg)
{
    hg_host_t *h = arg;
    if (!h->stall) {
        h->stall = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(h->io[0]), h->stall);
        h->stall->data = h;
    }
    uv_timer_start(h->stall, on_stall, STALL_MS, 0);
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void close_stall(void *arg)
{
    hg_host_t *h = arg;
    if (h->stall) uv_close((uv_handle_t *)h->stall, free_timer);
    h->stall = NULL;
}

void hg_budget_close(hg_host_t *h)
{
    hg_loop_call(h->io[0], close_stall, h);
}

void hg_budget_charge(hg_host_t *h, uint64_t n)
{
    atomic_fetch_add(&h->in_bytes, n);
}

void hg_budget_refund(hg_host_t *h, uint64_t n)
{
    atomic_fetch_sub(&h->in_bytes, n);
    pthread_mutex_lock(&h->mu);
    budget_serve(h);
    pthread_mutex_unlock(&h->mu);
}

bool hg_budget_wait(hg_host_t *h, hg_waiter_t *w, bool unfinished)
{
    if (atomic_load(&h->in_bytes) < h->in_limit) return false;
    pthread_mutex_lock(&h->mu);
    if (w->token) h->token_us = hg_mono_us();
    bool wait = !w->token && atomic_load(&h->in_bytes) >= h->in_limit;
    if (wait && h->jobs == 0 && !unfinished) wait = false;
    if (wait && h->jobs == 0 && !h->token && hg_list_empty(&h->waiters)) {
        token_give(h, w);
        wait = false;
    }
    w->unfinished = unfinished;
    if (wait) {
        atomic_store(&w->where, HG_WAIT_BUDGET);
        hg_list_add_tail(&h->waiters, &w->link);
        budget_serve(h); /* the overdraft may be free while others queue */
    }
    pthread_mutex_unlock(&h->mu);
    return wait;
}

/* host->mu */
static void token_return(hg_host_t *h, hg_waiter_t *w)
{
    if (!w->token) return;
    w->token = false;
    h->token = NULL;
}

void hg_budget_cut(hg_host_t *h, hg_waiter_t *w)
{
    pthread_mutex_lock(&h->mu);
    h->jobs++;
    token_return(h, w);
    pthread_mutex_unlock(&h->mu);
}

void hg_budget_job_done(hg_host_t *h, uint64_t refund)
{
    atomic_fetch_sub(&h->in_bytes, refund);
    pthread_mutex_lock(&h->mu);
    h->jobs--;
    budget_serve(h);
    pthread_mutex_unlock(&h->mu);
}

void hg_waiter_cancel(hg_input_t *in, hg_waiter_t *w)
{
    hg_host_t *h = in->host;
    pthread_mutex_lock(&in->mu);
    if (atomic_load(&w->where) == HG_WAIT_QUEUE) {
        hg_list_del(&w->link);
        atomic_store(&w->where, HG_WAIT_NONE);
    }
    pthread_mutex_unlock(&in->mu);
    pthread_mutex_lock(&h->mu);
    if (atomic_load(&w->where) == HG_WAIT_BUDGET) {
        hg_list_del(&w->link);
        atomic_store(&w->where, HG_WAIT_NONE);
    }
    token_return(h, w);
    budget_serve(h);
    pthread_mutex_unlock(&h->mu);
}

static bool queue_full(const hg_input_t *in)
{
    return in->inflight >= in->max_inflight || in->buffered_records >= in->max_queued_records ||
           in->buffered_bytes + in->inflight_bytes >= in->max_queued_bytes;
}

bool hg_queue_wait(hg_input_t *in, hg_waiter_t *w)
{
    pthread_mutex_lock(&in->mu);
    bool full = (queue_full(in) || (in->push_held && !w->exempt)) && !atomic_load(&in->dead);
    if (full && atomic_load(&w->where) == HG_WAIT_NONE) {
        atomic_store(&w->where, HG_WAIT_QUEUE);
        hg_list_add_tail(&in->waiters, &w->link);
    }
    pthread_mutex_unlock(&in->mu);
    return full;
}

void hg_queue_release(hg_input_t *in)
{
    if (hg_list_empty(&in->waiters) || queue_full(in) || in->inflight > in->max_inflight / 2) return;
    /* one producer per free place in flight; everyone once nothing is in flight, for a producer may have nothing to
     * give */
    uint32_t n = in->inflight ? in->max_inflight - in->inflight : UINT32_MAX;
    HG_LIST_EACH(it, &in->waiters)
    {
        hg_waiter_t *w = HG_ENTRY(it, hg_waiter_t, link);
        if (in->push_held && !w->exempt) continue;
        waiter_wake(w);
        if (--n == 0) break;
    }
}

void hg_push_wake_all(hg_input_t *in)
{
    while (!hg_list_empty(&in->waiters)) waiter_wake(HG_ENTRY(in->waiters.next, hg_waiter_t, link));
}
