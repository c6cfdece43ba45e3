/* otlp_queue.c: batches of records between those who log and the exporter.
 *
 * Invariants: a batch in the queue has at least one record; all but the last one are full; `records` and `bytes` count
 * what is in the queue and what has been taken and is not done. Records leave in the order in which they came.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "telemetry/otlp_int.h"

void otlp_queue_init(otlp_queue_t *q, uint32_t max_records, size_t max_bytes)
{
    pthread_condattr_t attr;
    *q = (otlp_queue_t){ .max_records = max_records, .max_bytes = max_bytes, .end_us = INT64_MAX };
    hg_list_init(&q->batches);
    hg_buf_init(&q->scratch, HG_BUF_NOMAX);
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
}

static otlp_batch_t *batch_of(hg_list_t *l)
{
    return HG_ENTRY(l, otlp_batch_t, link);
}

static void batch_free(otlp_batch_t *b)
{
    hg_buf_release(&b->records);
    hg_free(b);
}

void otlp_queue_release(otlp_queue_t *q)
{
    for (hg_list_t *l; (l = hg_list_pop(&q->batches));) batch_free(batch_of(l));
    hg_buf_release(&q->scratch);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
}

static bool is_full(const otlp_batch_t *b)
{
    return b->n >= OTLP_BATCH_RECORDS || b->records.len >= OTLP_BATCH_BYTES;
}

static otlp_batch_t *open_batch(otlp_queue_t *q)
{
    otlp_batch_t *b = hg_list_empty(&q->batches) ? NULL : batch_of(q->batches.prev);
    if (b && !is_full(b)) return b;
    b = HG_NEW(otlp_batch_t);
    hg_list_init(&b->link);
    hg_buf_init(&b->records, HG_BUF_NOMAX);
    b->since_us = hg_mono_us();
    hg_list_add_tail(&q->batches, &b->link);
    return b;
}

static void drop(otlp_queue_t *q)
{
    q->dropped++;
    if (!q->full) pthread_cond_signal(&q->changed); /* the exporter tells */
    q->full = true;
}

/* Under the lock. */
static void put(otlp_queue_t *q, const hg_log_line_t *line)
{
    hg_buf_clear(&q->scratch);
    if (q->records >= q->max_records || otlp_put_record(&q->scratch, line) < 0 ||
        q->scratch.len > q->max_bytes - HG_MIN(q->bytes, q->max_bytes)) {
        drop(q);
        return;
    }
    otlp_batch_t *b = open_batch(q);
    if (hg_buf_addstr(&b->records, hg_buf_str(&q->scratch)) < 0) {
        if (!b->n) hg_list_del(&b->link), batch_free(b);
        drop(q);
        return;
    }
    b->n++;
    q->records++;
    q->bytes += q->scratch.len;
    if (b->n == 1 || is_full(b)) pthread_cond_signal(&q->changed);
}

void otlp_queue_put(otlp_queue_t *q, const hg_log_line_t *line)
{
    pthread_mutex_lock(&q->lock);
    put(q, line);
    pthread_mutex_unlock(&q->lock);
}

void otlp_queue_end(otlp_queue_t *q, int64_t end_us)
{
    pthread_mutex_lock(&q->lock);
    q->end_us = end_us;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static void wait_until(otlp_queue_t *q, int64_t mono_us)
{
    struct timespec t = { .tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000 };
    if (mono_us == INT64_MAX)
        pthread_cond_wait(&q->changed, &q->lock);
    else
        pthread_cond_timedwait(&q->changed, &q->lock, &t);
}

/* When the first batch goes, whether it is full or not. */
static int64_t due(const otlp_queue_t *q)
{
    if (hg_list_empty(&q->batches)) return INT64_MAX;
    const otlp_batch_t *b = batch_of(q->batches.next);
    return is_full(b) || q->end_us != INT64_MAX ? 0 : b->since_us + OTLP_BATCH_WAIT_US;
}

otlp_batch_t *otlp_queue_take(otlp_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    while (hg_mono_us() < due(q) && !(hg_list_empty(&q->batches) && q->end_us != INT64_MAX)) wait_until(q, due(q));
    hg_list_t *l = hg_list_pop(&q->batches);
    pthread_mutex_unlock(&q->lock);
    return l ? batch_of(l) : NULL;
}

void otlp_queue_done(otlp_queue_t *q, otlp_batch_t *b)
{
    pthread_mutex_lock(&q->lock);
    q->records -= b->n;
    q->bytes -= b->records.len;
    q->full = q->full_told = false;
    if (hg_list_empty(&q->batches)) hg_buf_release(&q->scratch), hg_buf_init(&q->scratch, HG_BUF_NOMAX);
    pthread_mutex_unlock(&q->lock);
    batch_free(b);
}

bool otlp_queue_pause(otlp_queue_t *q, int64_t until_us, bool *ends)
{
    pthread_mutex_lock(&q->lock);
    while (hg_mono_us() < HG_MIN(until_us, q->end_us) && (*ends || q->end_us == INT64_MAX) && q->full <= q->full_told)
        wait_until(q, HG_MIN(until_us, q->end_us));
    bool full = q->full && !q->full_told;
    if (full)
        q->full_told = true;
    else
        *ends = q->end_us != INT64_MAX;
    pthread_mutex_unlock(&q->lock);
    return full;
}

void otlp_queue_drop(otlp_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    for (hg_list_t *l; (l = hg_list_pop(&q->batches));) {
        otlp_batch_t *b = batch_of(l);
        q->dropped += b->n;
        q->records -= b->n;
        q->bytes -= b->records.len;
        batch_free(b);
    }
    pthread_mutex_unlock(&q->lock);
}

uint64_t otlp_queue_dropped(otlp_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    uint64_t n = q->dropped;
    pthread_mutex_unlock(&q->lock);
    return n;
}

int64_t otlp_queue_end_us(otlp_queue_t *q)
{
    pthread_mutex_lock(&q->lock);
    int64_t us = q->end_us;
    pthread_mutex_unlock(&q->lock);
    return us;
}
