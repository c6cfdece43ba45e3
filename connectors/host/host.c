/* host.c: the host itself: loops, pool, chunk buffers, the ready queue and its taker.
 *
 * The ready queue is a list of inputs that have released chunks, each with its own list in release order. Taking goes
 * round the inputs one chunk at a time and starts where the last take stopped, so no input can starve another; it never
 * scans inputs that have nothing. All of it is guarded by host->mu, held for a few pointer moves per chunk of about 256
 * KiB.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"
#include "base/mem.h"

#define HG_BUDGET ((uint64_t)8 << 20)

static unsigned cores(void)
{
    unsigned n = uv_available_parallelism();
    return n ? n : 1;
}

hg_host_t *hg_host_new(const hg_host_opts_t *opts, const hg_host_events_t *events)
{
    hg_host_t *h = HG_NEW(hg_host_t);
    h->txn_no = 1;
    uint64_t budget = opts->budget_bytes ? opts->budget_bytes : HG_BUDGET;
    h->ev = *events;
    h->control = opts->control;
    h->in_limit = h->out_limit = HG_MAX(budget / 2, (uint64_t)1);
    h->durable_name = hg_xstrdup(opts->durable_name ? opts->durable_name : "pipeline");
    h->exactly_once = opts->exactly_once;
    h->journal = opts->journal || opts->exactly_once;
    h->keep_payload = opts->keep_payload;
    h->keep_owed = opts->keep_owed || opts->exactly_once;
    h->max_record = opts->max_record_bytes ? opts->max_record_bytes : HG_MAX_RECORD;
    h->n_io = opts->io_loops ? opts->io_loops : cores();
    h->io = HG_NEWN(hg_loop_t *, h->n_io);
    pthread_mutex_init(&h->mu, NULL);
    hg_list_init(&h->ready);
    hg_list_init(&h->waiters);
    hg_list_init(&h->outputs);
    h->pool = hg_pool_new(opts->pool_threads ? opts->pool_threads : cores());
    for (unsigned i = 0; i < h->n_io; i++) {
        char name[16];
        snprintf(name, sizeof name, "hg-io-%u", i % 1000u);
        h->io[i] = hg_loop_new(name);
        hg_loop_start(h->io[i]);
    }
    return h;
}

void hg_host_free(hg_host_t *h)
{
    if (!h) return;
    hg_budget_close(h);
    for (unsigned i = 0; i < h->n_io; i++) hg_loop_stop(h->io[i]);
    for (unsigned i = 0; i < h->n_io; i++) hg_loop_free(h->io[i]);
    hg_pool_free(h->pool);
    HG_ASSERT(atomic_load(&h->endpoints) == 0);
    for (unsigned i = 0; i < h->n_spare; i++) hg_free(h->spare[i]);
    pthread_mutex_destroy(&h->mu);
    hg_free(h->inputs);
    hg_free(h->io);
    hg_free(h->durable_name);
    hg_free(h);
}

hg_loop_t *hg_host_io_loop(hg_host_t *h, unsigned i)
{
    return h->io[i % h->n_io];
}
unsigned hg_host_io_loops(const hg_host_t *h)
{
    return h->n_io;
}
hg_pool_t *hg_host_pool(hg_host_t *h)
{
    return h->pool;
}

void hg_host_wake(hg_host_t *h)
{
    if (h->ev.wake) h->ev.wake(h->ev.arg);
}

void *hg_host_buf_get(hg_host_t *h, size_t cap)
{
    void *p = NULL;
    if (cap == HG_CHUNK_BYTES) {
        pthread_mutex_lock(&h->mu);
        if (h->n_spare) p = h->spare[--h->n_spare];
        pthread_mutex_unlock(&h->mu);
    }
    if (!p) p = hg_tryalign(cap);
    if (p) hg_budget_charge(h, cap);
    return p;
}

void hg_host_buf_put(hg_host_t *h, void *p, size_t cap)
{
    if (!p) return;
    if (cap == HG_CHUNK_BYTES) {
        pthread_mutex_lock(&h->mu);
        if (h->n_spare < HG_SPARE_CHUNKS) {
            h->spare[h->n_spare++] = p;
            p = NULL;
        }
        pthread_mutex_unlock(&h->mu);
    }
    hg_free(p);
    hg_budget_refund(h, cap);
}

/* [m] of in */
void hg_input_ready_push(hg_input_t *in, hg_job_t *j)
{
    hg_host_t *h = in->host;
    pthread_mutex_lock(&h->mu);
    hg_list_add_tail(&in->ready, &j->link);
    if (!hg_list_linked(&in->ready_link)) {
        hg_list_add_tail(&h->ready, &in->ready_link);
        atomic_fetch_add(&h->n_ready, 1);
    }
    pthread_mutex_unlock(&h->mu);
}

/* [h] It has committed its part of a transaction, or would begin one behind the last. */
static bool gives_no_more(const hg_host_t *h, const hg_input_t *in)
{
    const hg_job_t *j = HG_ENTRY(in->ready.next, hg_job_t, link);
    return in->txn_over == h->txn_no || (h->txn_last && j->pub.txn_begin && !in->txn_part);
}

uint32_t hg_host_take(hg_host_t *h, uint64_t max_rows, hg_chunk_t **ret, uint32_t room)
{
    hg_list_t satisfied; /* inputs that reached their max_batch_size in this take */
    uint32_t n = 0;
    uint64_t rows = 0, bytes = 0;
    hg_list_init(&satisfied);
    pthread_mutex_lock(&h->mu);
    h->take_no++;
    while (n < room && (n == 0 || (rows < max_rows && bytes < HG_TAKE_BYTES)) && !hg_list_empty(&h->ready)) {
        hg_input_t *in = HG_ENTRY(hg_list_pop(&h->ready), hg_input_t, ready_link);
        hg_job_t *j = HG_ENTRY(in->ready.next, hg_job_t, link);
        if (in->take_no != h->take_no) {
            in->take_no = h->take_no;
            in->taken_rows = 0;
        }
        bool enough = in->taken_rows > 0 && in->max_batch > 0 && in->taken_rows + j->pub.records > in->max_batch;
        if (enough || gives_no_more(h, in)) {
            hg_list_add_tail(&satisfied, &in->ready_link);
            continue;
        }
        hg_list_del(&j->link);
        in->taken_rows += j->pub.records;
        rows += j->pub.records;
        bytes += j->charge;
        ret[n++] = &j->pub;
        if (j->pub.txn_end) in->txn_over = h->txn_no;
        in->txn_part = (in->txn_part || j->pub.txn_begin) && !j->pub.txn_end;
        h->txn_begun |= j->pub.txn_begin;
        if (hg_list_empty(&in->ready))
            atomic_fetch_sub(&h->n_ready, 1);
        else
            hg_list_add_tail(&h->ready, &in->ready_link);
    }
    for (hg_list_t *it; (it = hg_list_pop(&satisfied)) != NULL;) hg_list_add_tail(&h->ready, it);
    pthread_mutex_unlock(&h->mu);
    return n;
}

void hg_host_transaction_over(hg_host_t *h)
{
    pthread_mutex_lock(&h->mu);
    h->txn_no++;
    pthread_mutex_unlock(&h->mu);
}

uint64_t hg_host_transaction(hg_host_t *h)
{
    pthread_mutex_lock(&h->mu);
    uint64_t no = h->txn_no;
    pthread_mutex_unlock(&h->mu);
    return no;
}

void hg_input_part(hg_input_t *in, uint64_t transaction, bool over)
{
    pthread_mutex_lock(&in->host->mu);
    if (over)
        in->txn_over = transaction;
    else
        in->txn_part = true;
    pthread_mutex_unlock(&in->host->mu);
}

bool hg_host_last_transactions(hg_host_t *h)
{
    pthread_mutex_lock(&h->mu);
    h->txn_last = true;
    bool begun = h->txn_begun;
    pthread_mutex_unlock(&h->mu);
    return begun;
}

void hg_host_drop_held(hg_host_t *h)
{
    for (hg_input_t *in = NULL;; hg_input_drop(in)) {
        in = NULL;
        pthread_mutex_lock(&h->mu);
        HG_LIST_EACH(it, &h->ready)
        {
            hg_input_t *held = HG_ENTRY(it, hg_input_t, ready_link);
            if (in || !gives_no_more(h, held)) continue;
            in = hg_input_retain(held);
            in->txn_over = h->txn_no; /* also for what is still being parsed */
        }
        pthread_mutex_unlock(&h->mu);
        if (!in) return;
        hg_input_drop_ready(in);
    }
}

bool hg_host_ready(const hg_host_t *h)
{
    return atomic_load(&h->n_ready) > 0;
}
uint64_t hg_host_buffered_records(const hg_host_t *h)
{
    return atomic_load(&h->buffered_records);
}
uint64_t hg_host_input_bytes(const hg_host_t *h)
{
    return atomic_load(&h->in_bytes);
}
uint64_t hg_host_output_bytes(const hg_host_t *h)
{
    return atomic_load(&h->out_bytes);
}

uint64_t hg_backoff_ms(unsigned attempt, uint64_t base_ms, uint64_t cap_ms)
{
    uint64_t ms = base_ms ? base_ms : 1;
    for (unsigned i = 0; i < attempt && ms < cap_ms; i++) ms *= 2;
    ms = HG_MIN(ms, cap_ms);
    uint32_t dice;
    hg_random(&dice, sizeof dice);
    return HG_MIN(cap_ms, ms - ms / 4 + dice % (ms / 2 + 1)); /* a quarter less to a quarter more */
}
