/* transaction.c: who has a transaction open, and what people are told of it. See transaction.h.
 *
 * Everything here is under mu, so that a request, the circuit and stats agree: an id is in stats from the moment it was
 * answered on, also while the circuit has not begun the transaction yet.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/journal.h"
#include "pipeline/transaction_int.h"

hg_txn_t *hg_txn_new(hg_pipeline_t *p)
{
    hg_txn_t *t = HG_NEW(hg_txn_t);
    t->p = p;
    t->dir = "";
    atomic_init(&t->floor, UINT64_MAX);
    pthread_mutex_init(&t->mu, NULL);
    return t;
}

void hg_txn_restore(hg_txn_t *t, uint64_t last_id)
{
    t->last_id = last_id;
}

void hg_txn_set_open(hg_txn_t *t, uint64_t id, hg_txn_part_t api)
{
    pthread_mutex_lock(&t->mu);
    t->state = HG_TXNS_OPEN;
    t->id = id ? id : t->last_id + 1;
    t->last_id = HG_MAX(t->last_id, t->id);
    t->api = api;
    t->since_us = hg_mono_us();
    t->records = 0;
    pthread_mutex_unlock(&t->mu);
}

bool hg_txn_set_part(hg_txn_t *t, uint32_t conn, hg_txn_part_t part)
{
    uint32_t i = 0;
    pthread_mutex_lock(&t->mu);
    while (i < t->n_parts && t->parts[i].conn != conn) i++;
    if (i == t->n_parts) {
        t->parts = hg_xgrow(t->parts, (t->n_parts + 1) * sizeof *t->parts);
        t->parts[i].conn = conn;
        t->parts[t->n_parts++].part = HG_PART_NONE;
    }
    bool news = t->parts[i].part != part;
    t->parts[i].part = part;
    pthread_mutex_unlock(&t->mu);
    return news;
}

void hg_txn_set_api(hg_txn_t *t, hg_txn_part_t part)
{
    pthread_mutex_lock(&t->mu);
    t->api = part;
    pthread_mutex_unlock(&t->mu);
}

bool hg_txn_all_committed(hg_txn_t *t)
{
    pthread_mutex_lock(&t->mu);
    bool all = t->state == HG_TXNS_OPEN && t->api != HG_PART_STARTED;
    for (uint32_t i = 0; i < t->n_parts; i++) all = all && t->parts[i].part == HG_PART_COMMITTED;
    pthread_mutex_unlock(&t->mu);
    return all;
}

void hg_txn_set_committing(hg_txn_t *t)
{
    pthread_mutex_lock(&t->mu);
    t->state = HG_TXNS_COMMITTING;
    t->since_us = hg_mono_us();
    pthread_mutex_unlock(&t->mu);
}

uint64_t hg_txn_set_done(hg_txn_t *t, uint64_t step)
{
    pthread_mutex_lock(&t->mu);
    uint64_t next = t->next_id;
    t->state = HG_TXNS_NONE;
    t->done_id = t->id;
    t->done_step = step;
    t->id = t->next_id = 0;
    t->api = HG_PART_NONE;
    t->n_parts = 0;
    pthread_mutex_unlock(&t->mu);
    return next;
}

/* --- requests: control loop --- */

static void begin_on_circuit(hg_pipeline_t *p, void *arg)
{
    (void)arg;
    if (!p->txn->open) hg_txn_begin(p);
    hg_txn_journal(p, HG_JMARK_BEGIN, atomic_load(&p->steps));
}

static int may_change(const hg_pipeline_t *p, hg_err_t *err)
{
    int rc = hg_pipeline_ready(p, err);
    if (rc == 0 && atomic_load(&p->replaying))
        rc = hg_err_set(err, HG_ERESTORING, "the journal is being replayed: ask again when the pipeline runs");
    return rc;
}

int hg_txn_start(hg_pipeline_t *p, uint64_t *ret_id, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    int rc = may_change(p, err);
    if (rc < 0) return rc;
    if (p->life != ST_RUNNING) return hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    pthread_mutex_lock(&t->mu);
    bool begin = false;
    if (t->next_id || (t->state == HG_TXNS_OPEN && t->api != HG_PART_NONE)) {
        rc = hg_err_set(err, HG_ETXNOPEN, "transaction %" PRIu64 " is in progress: commit it first",
                        t->next_id ? t->next_id : t->id);
    } else if (t->state == HG_TXNS_COMMITTING) {
        *ret_id = t->next_id = ++t->last_id;
    } else {
        begin = true;
        if (t->state == HG_TXNS_NONE) {
            t->id = ++t->last_id;
            t->since_us = hg_mono_us();
            t->records = 0;
        }
        t->state = HG_TXNS_OPEN;
        t->api = HG_PART_STARTED;
        *ret_id = t->id;
    }
    pthread_mutex_unlock(&t->mu);
    if (begin) hg_circuit_post(p, begin_on_circuit, NULL);
    return rc;
}

typedef struct {
    void (*said)(void *arg);
    void *arg;
} leave_t;

static void leave_on_circuit(hg_pipeline_t *p, void *arg)
{
    leave_t *x = arg;
    hg_txn_journal(p, HG_JMARK_LEAVE, atomic_load(&p->steps));
    if (hg_txn_all_committed(p->txn)) hg_txn_request(p);
    hg_loop_post(p->control, x->said, x->arg);
    hg_free(x);
}

int hg_txn_commit(hg_pipeline_t *p, void (*said)(void *arg), void *arg, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    int rc = may_change(p, err);
    if (rc < 0) return rc;
    if (p->life != ST_RUNNING && p->life != ST_DRAINING)
        return hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    pthread_mutex_lock(&t->mu);
    if (t->state == HG_TXNS_OPEN && t->api == HG_PART_STARTED)
        t->api = HG_PART_COMMITTED;
    else if (t->next_id)
        rc = hg_err_set(err, HG_ETXNOPEN,
                        "transaction %" PRIu64 " begins when the commit of %" PRIu64 " is done: ask again then",
                        t->next_id, t->id);
    else if (t->api == HG_PART_COMMITTED)
        rc = hg_err_set(err, HG_ETXNOPEN, "the commit of transaction %" PRIu64 " is under way", t->id);
    else
        rc = hg_err_set(err, HG_ENOTXN, "there is no transaction to commit: start one first");
    pthread_mutex_unlock(&t->mu);
    if (rc < 0) return rc;
    leave_t *x = HG_NEW(leave_t);
    *x = (leave_t){ said, arg };
    hg_circuit_post(p, leave_on_circuit, x);
    return 0;
}

static void fence(hg_pipeline_t *p, void *arg)
{
    (void)arg;
    atomic_store(&p->txn->fenced, true); /* what was taken before is stepped: its parts are known */
}

bool hg_txn_last(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    atomic_store(&t->last, true);
    bool begun = hg_host_last_transactions(p->host);
    pthread_mutex_lock(&t->mu);
    begun |= t->n_parts > 0; /* in the life before this one */
    pthread_mutex_unlock(&t->mu);
    if (begun) hg_circuit_post(p, fence, NULL);
    return begun;
}

bool hg_txn_parts_over(hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    bool over = atomic_load(&t->fenced);
    pthread_mutex_lock(&t->mu);
    for (uint32_t i = 0; i < t->n_parts; i++) over = over && t->parts[i].part == HG_PART_COMMITTED;
    pthread_mutex_unlock(&t->mu);
    return over;
}

bool hg_txn_stuck(hg_pipeline_t *p, uint32_t *ret_conn)
{
    hg_txn_t *t = p->txn;
    bool stuck = false;
    if (!atomic_load(&t->fenced)) return false;
    pthread_mutex_lock(&t->mu);
    for (uint32_t i = 0; i < t->n_parts && !stuck; i++) {
        *ret_conn = t->parts[i].conn;
        stuck = t->parts[i].part == HG_PART_STARTED && !hg_orch_reading(p->orch, *ret_conn);
    }
    pthread_mutex_unlock(&t->mu);
    return stuck;
}

/* --- any thread --- */

bool hg_txn_active(const hg_pipeline_t *p)
{
    pthread_mutex_lock(&p->txn->mu);
    bool active = p->txn->state != HG_TXNS_NONE;
    pthread_mutex_unlock(&p->txn->mu);
    return active;
}

bool hg_txn_committing(const hg_pipeline_t *p)
{
    hg_txn_t *t = p->txn;
    pthread_mutex_lock(&t->mu);
    bool committing = t->state == HG_TXNS_COMMITTING;
    pthread_mutex_unlock(&t->mu);
    return committing || hg_txn_all_committed(t);
}

uint64_t hg_txn_last_id(const hg_pipeline_t *p)
{
    pthread_mutex_lock(&p->txn->mu);
    uint64_t id = p->txn->last_id;
    pthread_mutex_unlock(&p->txn->mu);
    return id;
}

uint64_t hg_txn_floor(const hg_pipeline_t *p)
{
    return atomic_load(&p->txn->floor);
}

bool hg_txn_before(const hg_pipeline_t *p, uint64_t *records, uint64_t *bytes)
{
    if (atomic_load(&p->txn->floor) == UINT64_MAX) return false;
    *records = atomic_load(&p->txn->before_records);
    *bytes = atomic_load(&p->txn->before_bytes);
    return true;
}

bool hg_txn_trouble(const hg_pipeline_t *p, char *buf, size_t n)
{
    pthread_mutex_lock(&p->txn->mu);
    bool bad = p->txn->trouble[0];
    if (bad) snprintf(buf, n, "inputs are held until a transaction's changes can be kept: %s", p->txn->trouble);
    pthread_mutex_unlock(&p->txn->mu);
    return bad;
}

void hg_txn_renewed(hg_pipeline_t *p, uint32_t conn, hg_input_t *in)
{
    uint64_t no = hg_host_transaction(p->host); /* before the look: parts go before the number does */
    hg_txn_part_t part = HG_PART_NONE;
    pthread_mutex_lock(&p->txn->mu);
    for (uint32_t i = 0; i < p->txn->n_parts; i++)
        if (p->txn->parts[i].conn == conn) part = p->txn->parts[i].part;
    pthread_mutex_unlock(&p->txn->mu);
    if (part != HG_PART_NONE) hg_input_part(in, no, part == HG_PART_COMMITTED);
}

static const char *part_name(hg_txn_part_t part)
{
    return part == HG_PART_STARTED ? "Started" : part == HG_PART_COMMITTED ? "Committed" : NULL;
}

/* mu */
static void put_initiators(const hg_txn_t *t, uint64_t id, char *const *names, hg_jw_t *w)
{
    hg_jw_key(w, "transaction_initiators");
    hg_jw_obj(w);
    hg_jw_key(w, "transaction_id");
    if (id)
        hg_jw_u64(w, id);
    else
        hg_jw_null(w);
    hg_jw_kstr(w, "initiated_by_api", part_name(t->api));
    hg_jw_key(w, "initiated_by_connectors");
    hg_jw_obj(w);
    for (uint32_t i = 0; i < t->n_parts && names; i++) {
        hg_jw_key(w, names[i]);
        hg_jw_obj(w);
        hg_jw_kstr(w, "phase", part_name(t->parts[i].part));
        hg_jw_knull(w, "label");
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

/* mu */
static void put_progress(const hg_txn_t *t, hg_jw_t *w)
{
    uint64_t total = atomic_load(&t->watch.total), done = atomic_load(&t->watch.done);
    hg_jw_key(w, "commit_progress");
    if (t->state != HG_TXNS_COMMITTING) {
        hg_jw_null(w);
        return;
    }
    uint32_t under_way = t->accs_done < t->accs_total;
    hg_jw_obj(w);
    hg_jw_ku64(w, "completed", t->accs_done);
    hg_jw_ku64(w, "in_progress", under_way);
    hg_jw_ku64(w, "remaining", t->accs_total - t->accs_done - under_way);
    hg_jw_ku64(w, "in_progress_processed_records", HG_MIN(done, total));
    hg_jw_ku64(w, "in_progress_total_records", total);
    hg_jw_end_obj(w);
}

/* A commit is done for its client only when no crash can undo it. */
static bool durable(const hg_pipeline_t *p, uint64_t step)
{
    struct hg_journal *j = p->durable ? p->durable->journal : NULL;
    return !step || !j || hg_journal_durable(j) >= step;
}

static char **names_of(hg_pipeline_t *p, uint32_t *ret_n)
{
    hg_txn_t *t = p->txn;
    char **names = NULL;
    uint32_t n = 0;
    pthread_mutex_lock(&p->lock); /* before mu */
    pthread_mutex_lock(&t->mu);
    if (t->n_parts) names = HG_NEWN(char *, t->n_parts);
    for (; n < t->n_parts; n++) names[n] = hg_xstrdup(p->inputs[t->parts[n].conn]->name);
    pthread_mutex_unlock(&t->mu);
    pthread_mutex_unlock(&p->lock);
    *ret_n = n;
    return names;
}

void hg_txn_stats(hg_pipeline_t *p, hg_jw_t *w)
{
    static const char *const states[] = { "NoTransaction", "TransactionInProgress", "CommitInProgress" };
    hg_txn_t *t = p->txn;
    uint32_t n;
    char **names = names_of(p, &n);
    pthread_mutex_lock(&t->mu);
    uint64_t id = t->id, done_step = t->done_step;
    hg_txn_state_t state = t->state;
    if (state == HG_TXNS_NONE && !durable(p, done_step)) {
        id = t->done_id;
        state = HG_TXNS_COMMITTING;
    }
    hg_jw_kstr(w, "transaction_status", states[state]);
    hg_jw_ku64(w, "transaction_id", id);
    hg_jw_key(w, "transaction_msecs");
    if (t->state == HG_TXNS_NONE)
        hg_jw_null(w);
    else
        hg_jw_u64(w, (uint64_t)HG_MAX(hg_mono_us() - t->since_us, 0) / 1000);
    hg_jw_key(w, "transaction_records");
    if (t->state == HG_TXNS_NONE)
        hg_jw_null(w);
    else
        hg_jw_u64(w, t->records);
    put_progress(t, w);
    put_initiators(t, t->next_id ? t->next_id : t->id, n == t->n_parts ? names : NULL, w);
    pthread_mutex_unlock(&t->mu);
    for (uint32_t i = 0; i < n; i++) hg_free(names[i]);
    hg_free(names);
}
