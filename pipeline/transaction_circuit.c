/* transaction_circuit.c: what the circuit does differently while a transaction is open, and the commit. Circuit thread,
 * but for what says worker.
 *
 * The net changes are kept per relation and index in a spill (spill.h). Where they hold more than MEM_BYTES the largest
 * is written as a run by a worker of its own, so that no step waits for the disk; if as much again comes before it is
 * done, inputs wait. At the commit the worker merges what there is. When the disk is full it is tried again every
 * RETRY_US: nothing is lost, inputs are held meanwhile, and health says why.
 *
 * A commit: what is buffered when everyone has committed is set aside (hg_txn_request) and stepped; the worker merges;
 * then one step without input hands the result to the outputs. What comes later belongs to no transaction, or to the
 * next one, which may have been asked for meanwhile.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/history.h"
#include "pipeline/transaction_int.h"

#define MEM_BYTES ((size_t)16 << 20)
#define RETRY_US  500000
#define TAKE_ROWS UINT64_MAX
#define TAKE_ROOM 256u

/* --- beginning --- */

static hg_txn_acc_t *find_acc(const hg_txn_t *t, const sink_t *s)
{
    for (uint32_t i = 0; i < t->n_accs; i++) {
        hg_txn_acc_t *a = &t->accs[i];
        if (a->relation == s->relation && a->n_key == s->n_key &&
            (a->n_key == 0 || memcmp(a->key, s->key, a->n_key * sizeof *a->key) == 0))
            return a;
    }
    return NULL;
}

static void make_accs(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    t->accs = HG_NEWN(hg_txn_acc_t, p->n_sinks + p->prog->plan.n_relations + 1);
    for (uint32_t i = 0; i < p->n_sinks; i++) {
        const sink_t *s = &p->sinks[i];
        if (find_acc(t, s)) continue;
        hg_txn_acc_t *a = &t->accs[t->n_accs++];
        *a = (hg_txn_acc_t){ .relation = s->relation, .key = s->key, .n_key = s->n_key };
        a->spill = hg_spill_new(t->dir, &p->prog->plan.relations[s->relation].schema, s->key, s->n_key);
    }
    for (uint32_t r = 0; r < p->prog->plan.n_relations; r++) { /* change streams may ask for them later */
        if (!hg_history_keeps(p->history, r) || find_acc(t, &(sink_t){ .relation = r })) continue;
        hg_txn_acc_t *a = &t->accs[t->n_accs++];
        *a =
            (hg_txn_acc_t){ .relation = r, .spill = hg_spill_new(t->dir, &p->prog->plan.relations[r].schema, NULL, 0) };
    }
}

void hg_txn_begin(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    uint32_t n = p->prog->plan.n_relations;
    hg_snapshots_begin(p); /* what was asked for before shows the state before */
    t->dir = p->durable ? hg_storage_dir(p->durable->storage) : "";
    t->snaps = HG_NEWN(hg_snap_t *, n + 1);
    for (uint32_t i = 0; i < n; i++) t->snaps[i] = hg_circuit_snap(p->circuit, i);
    make_accs(p);
    atomic_store(&t->before_records, atomic_load(&p->processed_records));
    atomic_store(&t->before_bytes, atomic_load(&p->processed_bytes));
    atomic_store(&t->floor, atomic_load(&p->steps));
    t->open = true;
    hg_log(HG_LOG_INFO, "transaction", p->name, "begun", "id=%" PRIu64 " step=%" PRIu64, t->id,
           (uint64_t)atomic_load(&p->steps));
}

/* --- reading --- */

bool hg_txn_open(const hg_pipeline_t *p)
{
    return p->txn->open;
}

hg_snap_t *hg_txn_snap(hg_pipeline_t *p, uint32_t relation)
{
    const hg_txn_t *t = p->txn;
    if (!t->open) return hg_circuit_snap(p->circuit, relation);
    return t->snaps[relation] ? hg_snap_retain(t->snaps[relation]) : NULL;
}

/* --- the worker --- */

static void worked(hg_txn_t *t, const hg_err_t *err)
{
    pthread_mutex_lock(&t->mu);
    t->job_err = *err;
    t->worked = true;
    pthread_mutex_unlock(&t->mu);
    hg_circuit_wake(t->p);
}

static void write_work(void *arg, unsigned worker)
{
    hg_txn_t *t = arg;
    hg_err_t err = HG_ERR_INIT;
    (void)worker;
    hg_spill_write(t->writing->spill, &err);
    worked(t, &err);
}

/* What is finished already stays so when it has to be tried again. */
static void merge_work(void *arg, unsigned worker)
{
    hg_txn_t *t = arg;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    (void)worker;
    atomic_store(&t->watch.total, 0);
    atomic_store(&t->watch.done, 0);
    for (uint32_t i = 0; i < t->n_accs && rc == 0; i++) {
        hg_txn_acc_t *a = &t->accs[i];
        if (a->finished) continue;
        rc = hg_spill_finish(a->spill, &t->watch, &a->delta, &a->group, &err);
        a->finished = rc == 0;
        pthread_mutex_lock(&t->mu);
        t->accs_done += rc == 0;
        pthread_mutex_unlock(&t->mu);
    }
    worked(t, &err);
}

static void submit(hg_txn_t *t, void (*work)(void *arg, unsigned worker))
{
    if (!t->pool) t->pool = hg_pool_new(1);
    pthread_mutex_lock(&t->mu);
    t->working = true;
    t->worked = false;
    t->job_err = HG_ERR_INIT;
    pthread_mutex_unlock(&t->mu);
    hg_pool_submit(t->pool, work, NULL, NULL, t);
}

static void note_trouble(hg_txn_t *t, const hg_err_t *err)
{
    pthread_mutex_lock(&t->mu);
    bool was = t->trouble[0];
    snprintf(t->trouble, sizeof t->trouble, "%s", err ? err->msg : "");
    pthread_mutex_unlock(&t->mu);
    t->retry_us = err ? hg_mono_us() + RETRY_US : 0;
    if (err && !was)
        hg_log(HG_LOG_ERROR, "transaction", t->p->name, "held", "error=\"%s\"", err->msg);
    else if (!err && was)
        hg_log(HG_LOG_INFO, "transaction", t->p->name, "goes_on", "%s", "");
}

/* The system may give tomorrow what it does not today; damage stays, and so does a number that is too large. */
static bool may_pass(const hg_err_t *err)
{
    return err->code != HG_EDAMAGED && err->code != HG_ERANGE && err->code != HG_ETOOBIG;
}

/* Looks whether the worker is done. 1: it is busy, 0: it is not, negative: an error that does not pass. */
static int look_at_worker(hg_txn_t *t, hg_err_t *err)
{
    pthread_mutex_lock(&t->mu);
    bool working = t->working, done = t->worked;
    hg_err_t e = t->job_err;
    if (working && done) t->working = t->worked = false;
    pthread_mutex_unlock(&t->mu);
    if (!working) return 0;
    if (!done) return 1;
    if (e.code == HG_OK) {
        t->writing = NULL;
        note_trouble(t, NULL);
        return 0;
    }
    if (!may_pass(&e)) {
        *err = e;
        hg_err_wrap(err, "a transaction's changes");
        return err->code;
    }
    note_trouble(t, &e);
    return 0;
}

/* Is it too early to try again? */
static bool wait_to_retry(const hg_txn_t *t, uint64_t *wait_us)
{
    int64_t left = t->retry_us ? t->retry_us - hg_mono_us() : 0;
    if (left <= 0) return false;
    *wait_us = (uint64_t)left;
    return true;
}

/* --- collecting --- */

static size_t held(const hg_txn_t *t)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_accs; i++) n += hg_spill_mem(t->accs[i].spill);
    return n;
}

static bool busy(hg_txn_t *t)
{
    pthread_mutex_lock(&t->mu);
    bool busy = t->working;
    pthread_mutex_unlock(&t->mu);
    return busy;
}

/* The largest goes to the disk, unless the worker has something already. */
static void write_largest(hg_txn_t *t)
{
    if (t->writing || t->merging || held(t) <= MEM_BYTES || busy(t)) return;
    hg_txn_acc_t *largest = &t->accs[0];
    for (uint32_t i = 1; i < t->n_accs; i++)
        if (hg_spill_mem(t->accs[i].spill) > hg_spill_mem(largest->spill)) largest = &t->accs[i];
    hg_spill_take(largest->spill);
    t->writing = largest;
    submit(t, write_work);
}

int hg_txn_collect(hg_pipeline_t *p, uint64_t records, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    int rc = 0;
    for (uint32_t i = 0; i < t->n_accs && rc == 0; i++)
        rc = hg_spill_add(t->accs[i].spill, &p->deltas[t->accs[i].relation], err);
    pthread_mutex_lock(&t->mu);
    t->records += records;
    pthread_mutex_unlock(&t->mu);
    if (rc == 0) write_largest(t);
    return rc;
}

bool hg_txn_full(const hg_pipeline_t *p)
{
    const hg_txn_t *t = p->txn;
    return t->open && (t->merging || (t->writing && held(t) > MEM_BYTES));
}

/* --- what chunks say --- */

void hg_txn_before_step(hg_pipeline_t *p, hg_chunk_t *const *chunks, uint32_t n)
{
    hg_txn_t *t = p->txn;
    for (uint32_t i = 0; i < n; i++) {
        if (!chunks[i]->txn_begin) continue;
        bool begin = !t->open;
        if (begin) {
            hg_txn_set_open(t, 0, HG_PART_NONE);
            hg_txn_begin(p);
            hg_txn_journal(p, HG_JMARK_BEGIN, atomic_load(&p->steps));
        }
        hg_txn_set_part(t, chunks[i]->conn, HG_PART_STARTED);
    }
}

void hg_txn_after_step(hg_pipeline_t *p, hg_chunk_t *const *chunks, uint32_t n)
{
    hg_txn_t *t = p->txn;
    bool ended = false;
    for (uint32_t i = 0; i < n; i++)
        if (chunks[i]->txn_end && t->open) ended |= hg_txn_set_part(t, chunks[i]->conn, HG_PART_COMMITTED);
    if (ended && !t->requested && !atomic_load(&p->replaying) && hg_txn_all_committed(t)) hg_txn_request(p);
}

/* --- the commit --- */

/* Taken chunks count as buffered, and their inputs read no further than their budget: this ends. */
static void set_aside(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    for (uint32_t n = 1; n;) {
        if (t->n_chunks + TAKE_ROOM > t->cap_chunks) {
            t->cap_chunks = HG_MAX(t->cap_chunks * 2, 2 * TAKE_ROOM);
            t->chunks = hg_xgrow(t->chunks, t->cap_chunks * sizeof *t->chunks);
        }
        n = hg_host_take(p->host, TAKE_ROWS, t->chunks + t->n_chunks, TAKE_ROOM);
        t->n_chunks += n;
    }
}

void hg_txn_request(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    if (t->requested || !t->open) return;
    t->requested = true;
    hg_txn_set_committing(t);
    if (!atomic_load(&p->replaying)) set_aside(p);
    hg_circuit_wake(p);
}

bool hg_txn_draining(const hg_pipeline_t *p)
{
    return p->txn->at_chunk < p->txn->n_chunks;
}

uint32_t hg_txn_take(hg_pipeline_t *p, uint64_t max_rows, hg_chunk_t **ret, uint32_t room)
{
    hg_txn_t *t = p->txn;
    uint64_t rows = 0;
    uint32_t n = 0;
    while (t->at_chunk < t->n_chunks && n < room && (n == 0 || rows < max_rows)) {
        ret[n] = t->chunks[t->at_chunk++];
        rows += ret[n++]->records;
    }
    if (t->at_chunk == t->n_chunks) t->at_chunk = t->n_chunks = 0;
    return n;
}

static void drop_chunks(hg_txn_t *t)
{
    while (t->at_chunk < t->n_chunks) hg_chunk_done(t->chunks[t->at_chunk++]);
    t->at_chunk = t->n_chunks = 0;
}

static void lost_on_pipeline(void *arg, const hg_err_t *err)
{
    hg_pipeline_fail(arg, err);
}

static void start_merge(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    t->watch.cancel = &t->cancel;
    t->watch.lost = lost_on_pipeline;
    t->watch.arg = p;
    pthread_mutex_lock(&t->mu);
    if (!t->merging) t->accs_done = 0;
    t->accs_total = t->n_accs;
    pthread_mutex_unlock(&t->mu);
    t->merging = true;
    submit(t, merge_work);
}

static int push_to(hg_pipeline_t *p, sink_t *s, uint64_t number, hg_err_t *err)
{
    const hg_txn_acc_t *a = s->late ? NULL : find_acc(p->txn, s);
    uint64_t processed = atomic_load(&p->processed_records);
    hg_delta_t d = { 0 };
    int rc = hg_sink_snapshot_finish(p, s, err);
    if (rc < 0) return rc;
    s->late = false;
    if (a && a->group) {
        hg_output_push_group(s->out, number, a->group, processed);
        return 0;
    }
    if (a) rc = hg_delta_share(&a->delta, &d);
    if (rc < 0) return hg_err_set(err, HG_ENOMEM, "out of memory handing a transaction to its outputs");
    hg_output_push(s->out, number, &d, processed);
    return 0;
}

static void keep_history(hg_pipeline_t *p, uint64_t number)
{
    for (uint32_t i = 0; i < p->txn->n_accs; i++) {
        const hg_txn_acc_t *a = &p->txn->accs[i];
        if (a->n_key) continue;
        if (a->group)
            hg_history_lose(p->history, a->relation, number);
        else
            hg_history_add(p->history, a->relation, number, &a->delta);
    }
}

/* What the transaction held is let go of. */
static void let_go(hg_txn_t *t)
{
    for (uint32_t i = 0; i < t->n_accs; i++) {
        hg_spill_free(t->accs[i].spill);
        hg_delta_release(&t->accs[i].delta);
        hg_group_drop(t->accs[i].group);
    }
    for (uint32_t i = 0; t->snaps && i < t->p->prog->plan.n_relations; i++) hg_snap_drop(t->snaps[i]);
    hg_free(t->accs);
    hg_free(t->snaps);
    t->accs = NULL;
    t->snaps = NULL;
    t->writing = NULL;
    t->n_accs = 0;
}

/* The commit is a step: the journal has it before anyone can know of it. */
static int finish(hg_pipeline_t *p, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    uint64_t number = t->number ? t->number : atomic_load(&p->steps) + 1;
    int rc = 0;
    hg_txn_journal(p, HG_JMARK_COMMIT, number);
    t->open = t->requested = t->merging = false;
    t->number = 0;
    hg_circuit_count_step(p, number);
    for (uint32_t i = 0; i < p->n_sinks && rc == 0; i++) rc = push_to(p, &p->sinks[i], number, err);
    keep_history(p, number);
    let_go(t);
    hg_log(HG_LOG_INFO, "transaction", p->name, "committed", "id=%" PRIu64 " step=%" PRIu64 " records=%" PRIu64, t->id,
           number, t->records);
    uint64_t next = hg_txn_set_done(t, number);
    if (!atomic_load(&t->last)) hg_host_transaction_over(p->host);
    atomic_store(&t->floor, UINT64_MAX);
    if (next && rc == 0) {
        hg_txn_set_open(t, next, HG_PART_STARTED);
        hg_txn_begin(p);
        hg_txn_journal(p, HG_JMARK_BEGIN, number);
    }
    return rc;
}

int hg_txn_turn(hg_pipeline_t *p, uint64_t *wait_us, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    if (!t->open) return HG_TXN_GO;
    if (t->over) return HG_TXN_WAIT;
    int rc = look_at_worker(t, err);
    if (rc < 0) return rc;
    if (!t->requested && !atomic_load(&p->replaying) && hg_txn_all_committed(t)) hg_txn_request(p);
    bool working = rc > 0;
    if (!working && wait_to_retry(t, wait_us)) return t->merging || held(t) > MEM_BYTES ? HG_TXN_WAIT : HG_TXN_GO;
    if (!working && t->writing)
        submit(t, write_work); /* again */
    else if (!working && !t->merging)
        write_largest(t);
    if (!t->requested || hg_txn_draining(p)) return hg_txn_full(p) ? HG_TXN_WAIT : HG_TXN_GO;
    if (busy(t)) return HG_TXN_WAIT;
    bool merged = t->merging;
    for (uint32_t i = 0; i < t->n_accs; i++) merged = merged && t->accs[i].finished;
    if (!merged) {
        start_merge(p);
        return HG_TXN_WAIT;
    }
    if (hg_circuit_outputs_full(p)) return HG_TXN_WAIT;
    rc = finish(p, err);
    return rc < 0 ? rc : HG_TXN_AGAIN;
}

/* --- the end --- */

static void close_on_circuit(hg_pipeline_t *p, void *arg)
{
    (void)arg;
    p->txn->over = true; /* without these it may not commit */
    drop_chunks(p->txn);
}

void hg_txn_close(hg_pipeline_t *p)
{
    pthread_mutex_lock(&p->txn->mu); /* the circuit may be committing it */
    uint64_t id = p->txn->id;
    pthread_mutex_unlock(&p->txn->mu);
    if (id) hg_log(HG_LOG_WARN, "transaction", p->name, "not_committed", "id=%" PRIu64, id);
    atomic_store(&p->txn->cancel, true);
    hg_circuit_post(p, close_on_circuit, NULL);
}

void hg_txn_free(hg_txn_t *t)
{
    if (!t) return;
    atomic_store(&t->cancel, true);
    if (t->pool) hg_pool_free(t->pool);
    drop_chunks(t);
    let_go(t);
    hg_free(t->chunks);
    hg_free(t->parts);
    pthread_mutex_destroy(&t->mu);
    hg_free(t);
}
