/* circuit_thread.c: the one thread that changes tables and views.
 *
 * It sleeps until something wakes it: input became ready, an output has room again, a command was posted, a step was
 * asked for. A turn runs the commands, waits while an output is full (the slowest sink stalls the pipeline: that is the
 * back-pressure), takes what is ready, steps, hands the deltas to the outputs, and says done to the chunks.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/fill.h"
#include "pipeline/history.h"
#include "pipeline/journal.h"
#include "pipeline/replay.h"
#include "pipeline/transaction.h"
#include <errno.h>

#define STEP_ROWS   65536 /* a step takes at most so many rows, */
#define STEP_US     10000 /* or as many as take about this long at the measured speed */
#define MERGE_US    1000
#define STEP_CHUNKS 256

void hg_circuit_post(hg_pipeline_t *p, void (*fn)(hg_pipeline_t *, void *), void *arg)
{
    circuit_cmd_t *c = HG_NEW(circuit_cmd_t);
    *c = (circuit_cmd_t){ NULL, fn, arg };
    pthread_mutex_lock(&p->cmd_lock);
    if (p->cmd_tail)
        p->cmd_tail->next = c;
    else
        p->cmd_head = c;
    p->cmd_tail = c;
    pthread_cond_signal(&p->cmd_cond);
    pthread_mutex_unlock(&p->cmd_lock);
}

void hg_circuit_wake(void *arg)
{
    hg_pipeline_t *p = arg;
    pthread_mutex_lock(&p->cmd_lock);
    if (!p->woken) {
        p->woken = true;
        pthread_cond_signal(&p->cmd_cond);
    }
    pthread_mutex_unlock(&p->cmd_lock);
}

void hg_circuit_request_step(hg_pipeline_t *p)
{
    pthread_mutex_lock(&p->cmd_lock);
    p->step_wanted = true;
    pthread_cond_signal(&p->cmd_cond);
    pthread_mutex_unlock(&p->cmd_lock);
}

void hg_circuit_attach(hg_pipeline_t *p, uint32_t relation, hg_output_t *out)
{
    if (p->n_sinks == p->cap_sinks) {
        p->cap_sinks = p->cap_sinks ? p->cap_sinks * 2 : 16;
        p->sinks = hg_xgrow(p->sinks, p->cap_sinks * sizeof *p->sinks);
    }
    sink_t *s = &p->sinks[p->n_sinks++];
    *s = (sink_t){ .relation = relation, .out = out, .late = hg_txn_open(p) };
    s->key = hg_output_index(out, &s->n_key);
    p->want[relation] = true;
}

void hg_circuit_detach(hg_pipeline_t *p, hg_output_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_sinks; i++)
        if (p->sinks[i].out != out)
            p->sinks[n++] = p->sinks[i];
        else
            hg_sink_snapshot_drop(&p->sinks[i]);
    p->n_sinks = n;
    hg_circuit_wants(p);
}

void hg_circuit_wants(hg_pipeline_t *p)
{
    for (uint32_t r = 0; r < p->prog->plan.n_relations; r++) p->want[r] = hg_history_keeps(p->history, r);
    for (uint32_t i = 0; i < p->n_sinks; i++) p->want[p->sinks[i].relation] = true;
    hg_fill_wants(p);
}

void hg_sink_replace(hg_pipeline_t *p, const hg_output_t *old, hg_output_t *next)
{
    for (uint32_t i = 0; i < p->n_sinks; i++) {
        if (p->sinks[i].out != old) continue;
        hg_sink_snapshot_drop(&p->sinks[i]);
        p->sinks[i].out = next;
        p->sinks[i].snap_asked = false;
    }
}

static int push_all(hg_pipeline_t *p, uint64_t step, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < p->n_sinks && rc == 0; i++) {
        hg_delta_t d;
        rc = hg_sink_snapshot_finish(p, &p->sinks[i], err);
        if (rc < 0) break;
        rc = hg_delta_share(&p->deltas[p->sinks[i].relation], &d);
        if (rc < 0)
            hg_err_set(err, HG_ENOMEM, "out of memory handing step %" PRIu64 " to its outputs", step);
        else
            hg_output_push(p->sinks[i].out, step, &d, atomic_load(&p->processed_records));
    }
    return rc;
}

static int feed_outputs(hg_pipeline_t *p, uint64_t step, uint64_t records, hg_err_t *err)
{
    bool kept_back = hg_txn_open(p);
    int rc = kept_back ? hg_txn_collect(p, records, err) : push_all(p, step, err);
    for (uint32_t r = 0; r < p->prog->plan.n_relations; r++) {
        if (p->deltas[r].n && !kept_back) hg_history_add(p->history, r, step, &p->deltas[r]);
        hg_delta_release(&p->deltas[r]);
        p->deltas[r] = (hg_delta_t){ 0 };
    }
    if (hg_history_expire(p->history)) hg_circuit_wants(p);
    return rc;
}

/* What the chunks brought is processed: counters and completion marks. Returns the records. */
static uint64_t account(hg_pipeline_t *p, hg_chunk_t *const *chunks, uint32_t n, uint64_t inserted)
{
    uint64_t step = atomic_load(&p->steps), records = inserted, bytes = 0;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < n; i++) {
        endpoint_t *ep = p->inputs[chunks[i]->conn];
        uint64_t count = atomic_load(&ep->processed) + chunks[i]->records;
        atomic_store(&ep->processed, count);
        hg_marks_endpoint(ep, step, count, chunks[i]->ingested_us);
        records += chunks[i]->records;
        bytes += chunks[i]->bytes;
    }
    uint64_t total = atomic_fetch_add(&p->processed_records, records) + records;
    atomic_fetch_add(&p->processed_bytes, bytes);
    hg_marks_step(p, step, total);
    pthread_mutex_unlock(&p->lock);
    return records;
}

struct hg_journal *hg_circuit_journal(const hg_pipeline_t *p)
{
    return p->durable && !p->off_record && !atomic_load(&p->replaying) ? p->durable->journal : NULL;
}

static void count_step(hg_pipeline_t *p, uint64_t number)
{
    atomic_store(&p->steps, number);
    if (p->ungated) hg_host_durable(p->host, number);
}

void hg_circuit_count_step(hg_pipeline_t *p, uint64_t number)
{
    count_step(p, number);
    account(p, NULL, 0, 0);
}

/* What goes into a step beside its number and time: chunks, or the rows of an INSERT. */
typedef struct {
    hg_chunk_t *const *chunks;
    uint32_t n_chunks, relation;
    hg_change_t *insert;
} load_t;

static hg_step_t next_step(const hg_pipeline_t *p)
{
    return (hg_step_t){ .number = atomic_load(&p->steps) + 1, .now_us = hg_now_us(), .mode = HG_MODE_INCREMENTAL };
}

int hg_circuit_stepped(hg_pipeline_t *p, uint64_t number, hg_chunk_t *const *chunks, uint32_t n_chunks,
                       uint64_t inserted, hg_err_t *err)
{
    count_step(p, number);
    return feed_outputs(p, number, account(p, chunks, n_chunks, inserted), err);
}

/* One step. The outputs are told the processed total that includes it. The journal has it before anyone can know that
 * it is done. */
static int do_step(hg_pipeline_t *p, const hg_step_t *step, const load_t *l, hg_err_t *err)
{
    hg_step_input_t in[STEP_CHUNKS];
    uint32_t n_in = 0;
    hg_step_output_t out = { .deltas = p->deltas };
    struct hg_journal *journal = hg_circuit_journal(p);
    if (l->insert) in[n_in++] = (hg_step_input_t){ l->relation, UINT32_MAX, l->insert };
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < l->n_chunks; i++) {
        const hg_chunk_t *c = l->chunks[i];
        if (c->change) in[n_in++] = (hg_step_input_t){ p->inputs[c->conn]->relation, c->conn, c->change };
    }
    pthread_mutex_unlock(&p->lock);
    int64_t t0 = hg_mono_us();
    hg_snapshots_begin(p); /* with the state before this step */
    hg_txn_before_step(p, l->chunks, l->n_chunks);
    int rc = hg_circuit_step(p->circuit, step, in, n_in, p->want, &out, err);
    atomic_fetch_add(&p->circuit_busy_us, (uint64_t)(hg_mono_us() - t0));
    if (rc < 0) return rc;
    atomic_fetch_add(&p->late_records, out.late);
    if (journal) hg_journal_step(journal, step, l->chunks, l->n_chunks, l->relation, l->insert);
    if (p->off_record && p->durable->journal) hg_journal_pass_by(l->chunks, l->n_chunks);
    if (hg_filling(p) && hg_fill_follow(p, err) < 0) return err->code;
    rc = hg_circuit_stepped(p, step->number, l->chunks, l->n_chunks, l->insert ? l->insert->rows->n_rows : 0, err);
    if (rc == 0) hg_txn_after_step(p, l->chunks, l->n_chunks);
    return rc;
}

static int insert_step(hg_pipeline_t *p, const hg_step_t *step, const load_t *l, hg_err_t *err)
{
    uint64_t n = l->insert->rows->n_rows;
    atomic_fetch_add(&p->inserted_records, n); /* before the step: processed never passes input */
    int rc = do_step(p, step, l, err);
    if (rc < 0) atomic_fetch_sub(&p->inserted_records, n);
    return rc;
}

int hg_circuit_insert(hg_pipeline_t *p, uint32_t relation, hg_change_t *change, hg_err_t *err)
{
    const hg_step_t step = next_step(p);
    if (p->broken) return hg_err_set(err, HG_ETERMINATING, "the pipeline has failed");
    if (p->durable && p->durable->journal && hg_batch_mem(change->rows) > HG_FRAME_MAX / 2)
        return hg_err_set(err, HG_ETOOBIG,
                          "rows of %u MiB in one INSERT: with fault tolerance it takes at most %u MiB, in several "
                          "statements any number",
                          (unsigned)(hg_batch_mem(change->rows) >> 20), HG_FRAME_MAX >> 21);
    return insert_step(p, &step, &(load_t){ .relation = relation, .insert = change }, err);
}

int hg_circuit_redo(hg_pipeline_t *p, uint64_t number, int64_t now_us, hg_chunk_t *const *chunks, uint32_t n,
                    uint32_t relation, hg_change_t *change, hg_err_t *err)
{
    const hg_step_t step = { .number = number, .now_us = now_us, .mode = HG_MODE_INCREMENTAL };
    load_t l = { chunks, n, relation, change };
    return change ? insert_step(p, &step, &l, err) : do_step(p, &step, &l, err);
}

static int step_chunks(hg_pipeline_t *p, hg_chunk_t **chunks, uint32_t n, hg_err_t *err)
{
    const hg_step_t step = next_step(p);
    return do_step(p, &step, &(load_t){ .chunks = chunks, .n_chunks = n }, err);
}

/* Rows of the next step: an estimate from the steps before, so that commands and queries wait about STEP_US at most. */
static uint64_t step_rows(const hg_pipeline_t *p)
{
    if (p->row_ns <= 0) return STEP_ROWS / 8;
    double rows = STEP_US * 1000.0 / p->row_ns;
    return rows >= STEP_ROWS ? STEP_ROWS : rows < 1024 ? 1024 : (uint64_t)rows;
}

static void learn_speed(hg_pipeline_t *p, int64_t us, uint64_t rows)
{
    if (rows < 256) return; /* too few to tell */
    double ns = (double)us * 1000.0 / (double)rows;
    p->row_ns = p->row_ns > 0 ? p->row_ns * 0.8 + ns * 0.2 : ns;
}

bool hg_circuit_full(hg_pipeline_t *p)
{
    return hg_circuit_outputs_full(p) || hg_txn_full(p);
}

/* Views that are being filled beside the steps hold up the filling, not the steps, which have nothing for them. */
static bool sinks_full(const hg_pipeline_t *p, bool fill)
{
    bool full = false;
    for (uint32_t i = 0; i < p->n_sinks && !full; i++) {
        const sink_t *s = &p->sinks[i];
        bool fills = hg_filling(p) && hg_fill_feeds(p, s->relation);
        if (fills != fill) continue;
        full = hg_output_full(s->out) || (s->snap && !s->lossy);
    }
    return full;
}

bool hg_circuit_outputs_full(hg_pipeline_t *p)
{
    bool full = p->durable && p->durable->journal && hg_journal_full(p->durable->journal);
    full = full || sinks_full(p, false);
    if (full && atomic_load(&p->stall_since_us) == 0) atomic_store(&p->stall_since_us, (uint64_t)hg_mono_us());
    if (!full) {
        uint64_t since = atomic_exchange(&p->stall_since_us, 0);
        if (since) atomic_fetch_add(&p->stalled_us, (uint64_t)hg_mono_us() - since);
    }
    return full;
}

/* Should buffered records wait for more? Yields how long at most in *ret_us. */
static bool wait_for_batch(hg_pipeline_t *p, int64_t *since_us, uint64_t *ret_us)
{
    if (p->cfg.min_batch_size_records == 0 || p->cfg.max_buffering_delay_usecs == 0) return false;
    if (hg_host_buffered_records(p->host) > p->cfg.min_batch_size_records) return false;
    int64_t now = hg_mono_us();
    if (*since_us == 0) *since_us = now;
    uint64_t waited = (uint64_t)(now - *since_us);
    if (waited >= p->cfg.max_buffering_delay_usecs) return false;
    *ret_us = p->cfg.max_buffering_delay_usecs - waited;
    return true;
}

static void sleep_until_woken(hg_pipeline_t *p, uint64_t max_us)
{
    if (max_us == 0) {
        while (!p->woken && !p->cmd_head && !p->step_wanted && !p->quit) pthread_cond_wait(&p->cmd_cond, &p->cmd_lock);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(max_us / 1000000);
    t.tv_nsec += (long)(max_us % 1000000) * 1000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    while (!p->woken && !p->cmd_head && !p->step_wanted && !p->quit)
        if (pthread_cond_timedwait(&p->cmd_cond, &p->cmd_lock, &t) == ETIMEDOUT) break;
}

void hg_circuit_later(hg_pipeline_t *p, void (*fn)(hg_pipeline_t *, void *), void *arg)
{
    circuit_cmd_t *c = HG_NEW(circuit_cmd_t);
    *c = (circuit_cmd_t){ p->later, fn, arg };
    p->later = c;
}

static void run_commands(hg_pipeline_t *p, circuit_cmd_t *c)
{
    while (c) {
        circuit_cmd_t *next = c->next;
        c->fn(p, c->arg);
        hg_free(c);
        c = next;
    }
}

/* One step of filling, unless an output of its views is full. *ret: something was done. */
static int fill(hg_pipeline_t *p, bool *ret, hg_err_t *err)
{
    bool full = hg_fill_concurrent(p) ? sinks_full(p, true) || hg_txn_full(p) : hg_circuit_full(p);
    if (full) return 0; /* it wakes us */
    int rc = hg_fill_step(p, err);
    *ret = rc > 0;
    if (rc > 0) hg_circuit_merge(p->circuit, MERGE_US);
    return HG_MIN(rc, 0);
}

/* One turn after waking. Returns true if it should look again without sleeping; *wait_us: sleep at most that long (0 =
 * no limit). */
static bool turn(hg_pipeline_t *p, bool *step_wanted, int64_t *since_us, uint64_t *wait_us, hg_err_t *err, int *ret_rc)
{
    hg_chunk_t *chunks[STEP_CHUNKS];
    *wait_us = 0;
    *ret_rc = 0;
    if (p->awaits) return false;
    *ret_rc = hg_snapshots_feed(p, err);
    if (*ret_rc < 0) return false;
    int txn = hg_txn_turn(p, wait_us, err);
    *ret_rc = HG_MIN(txn, 0);
    if (txn != HG_TXN_GO) return txn == HG_TXN_AGAIN;
    bool filled = false;
    if (hg_filling(p)) {
        *ret_rc = fill(p, &filled, err);
        if (*ret_rc < 0 || (hg_filling(p) && !hg_fill_lets_steps(p))) return filled;
    }
    if (hg_circuit_full(p)) return filled; /* the output wakes us */
    if (atomic_load(&p->replaying)) {
        *ret_rc = hg_jreplay_turn(p->durable->replay, err);
        return *ret_rc > 0;
    }
    bool draining = hg_txn_draining(p);
    if (!*step_wanted && !draining && (!hg_host_ready(p->host) || wait_for_batch(p, since_us, wait_us))) {
        if (*wait_us == 0) *since_us = 0;
        return hg_circuit_merge(p->circuit, MERGE_US) || filled;
    }
    *since_us = 0;
    uint32_t n = draining ? hg_txn_take(p, step_rows(p), chunks, STEP_CHUNKS)
                          : hg_host_take(p->host, step_rows(p), chunks, STEP_CHUNKS);
    if (n == 0 && !*step_wanted) return filled;
    *step_wanted = false;
    int64_t t0 = hg_mono_us();
    uint64_t rows = 0;
    for (uint32_t i = 0; i < n; i++) rows += chunks[i]->records;
    int rc = step_chunks(p, chunks, n, err);
    learn_speed(p, hg_mono_us() - t0, rows);
    for (uint32_t i = 0; i < n; i++) hg_chunk_done(chunks[i]);
    if (rc == 0) hg_circuit_merge(p->circuit, MERGE_US);
    *ret_rc = rc;
    return true;
}

static void *circuit_main(void *arg)
{
    hg_pipeline_t *p = arg;
    int64_t since_us = 0;
    uint64_t wait_us = 0;
    bool again = false, step_wanted = false;
    pthread_setname_np(pthread_self(), "hg-circuit");
    for (;;) {
        pthread_mutex_lock(&p->cmd_lock);
        if (!again) sleep_until_woken(p, wait_us);
        circuit_cmd_t *cmds = p->cmd_head;
        bool quit = p->quit;
        step_wanted |= p->step_wanted; /* stays while an output is full */
        p->cmd_head = p->cmd_tail = NULL;
        p->woken = p->step_wanted = false;
        pthread_mutex_unlock(&p->cmd_lock);
        circuit_cmd_t *later = p->later;
        p->later = NULL;
        run_commands(p, later);
        run_commands(p, cmds);
        if (quit && !cmds) break;
        if (p->broken) {
            again = false;
            continue; /* commands are still served: queries and detaching */
        }
        hg_err_t err = HG_ERR_INIT;
        int rc;
        again = turn(p, &step_wanted, &since_us, &wait_us, &err, &rc);
        if (rc < 0) {
            p->broken = true;
            again = false;
            hg_pipeline_fail(p, &err);
        }
    }
    return NULL;
}

void hg_circuit_thread_init(hg_pipeline_t *p)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->cmd_lock, NULL);
    pthread_cond_init(&p->cmd_cond, &attr);
    pthread_condattr_destroy(&attr);
}

int hg_circuit_thread_start(hg_pipeline_t *p, hg_err_t *err)
{
    p->step_wanted = true; /* an empty step, so that snapshots exist before anything reads */
    int rc = pthread_create(&p->thread, NULL, circuit_main, p);
    if (rc != 0) return hg_err_errno(err, rc, "cannot start the circuit thread");
    p->thread_started = true;
    return 0;
}

void hg_circuit_thread_stop(hg_pipeline_t *p)
{
    if (!p->thread_started) return;
    pthread_mutex_lock(&p->cmd_lock);
    p->quit = true;
    pthread_cond_signal(&p->cmd_cond);
    pthread_mutex_unlock(&p->cmd_lock);
    pthread_join(p->thread, NULL);
    p->thread_started = false;
    if (p->durable && p->durable->replay) hg_jreplay_stop(p->durable->replay);
    for (uint32_t i = 0; i < p->n_sinks; i++) hg_sink_snapshot_drop(&p->sinks[i]);
}
