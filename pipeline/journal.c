/* journal.c: the writer of the journal; see journal.h.
 *
 * The circuit thread appends frames to `pend`; one thread of the journal's own swaps it for `busy`, hands the frames to
 * the log and syncs once for all of them (the grouped commit), and goes on while there is more. It never waits for a
 * checkpoint that is being written. What could not be written stays in `busy` and in the log's buffer, and is tried
 * again every RETRY_MS: outputs and completion wait meanwhile, steps only once FULL_BYTES have
 * collected.
 *
 * Lock: mu, innermost; taken under p->lock by hg_journal_durable.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/block.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include <pthread.h>

#define RETRY_MS   500
#define FULL_BYTES ((size_t)8 << 20)

typedef struct { /* before each frame in pend and busy; kind 0: a new log with this number */
    uint32_t kind, len;
    uint64_t number;
} head_t;

struct hg_journal {
    hg_pipeline_t *p;
    const hg_storage_t *storage;
    hg_pool_t *pool;

    /* circuit thread */
    uint32_t *endpoint_no, *relation_no; /* numbers in this log; 0: not named in it yet */
    uint32_t n_endpoint_no, named;
    hg_buf_t frame;

    /* journal thread */
    hg_framelog_t *log;
    uint64_t log_number;
    bool added; /* the frame at busy_at is in the log's buffer */

    /* mu */
    pthread_mutex_t mu;
    pthread_cond_t cond; /* something became durable, or it closes */
    hg_buf_t pend, busy;
    size_t busy_at;
    uint64_t pend_first, pend_last, busy_first, busy_last; /* steps in them; 0: none */
    bool working, was_full, closing;
    bool held, dropped; /* pend waits for the release; there will be none */
    unsigned jobs;      /* given to the pool, and journal_done has not run yet */
    char trouble[512];

    /* control loop */
    uv_timer_t retry;
    bool retry_open;
};

hg_journal_t *hg_journal_new(hg_pipeline_t *p, const hg_storage_t *storage, uint64_t number)
{
    hg_journal_t *j = HG_NEW(hg_journal_t);
    j->p = p;
    j->storage = storage;
    j->pool = hg_pool_new(1);
    j->log_number = number;
    j->relation_no = HG_NEWN(uint32_t, p->prog->plan.n_relations + 1);
    hg_buf_init(&j->frame, HG_BUF_NOMAX);
    hg_buf_init(&j->pend, HG_BUF_NOMAX);
    hg_buf_init(&j->busy, HG_BUF_NOMAX);
    pthread_mutex_init(&j->mu, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the wall clock may jump */
    pthread_cond_init(&j->cond, &attr);
    pthread_condattr_destroy(&attr);
    uv_timer_init(hg_loop_uv(p->control), &j->retry);
    j->retry.data = j;
    j->retry_open = true;
    return j;
}

void hg_journal_free(hg_journal_t *j)
{
    if (!j) return;
    hg_pool_free(j->pool);
    hg_framelog_close(j->log);
    hg_buf_release(&j->frame);
    hg_buf_release(&j->pend);
    hg_buf_release(&j->busy);
    hg_free(j->endpoint_no);
    hg_free(j->relation_no);
    pthread_cond_destroy(&j->cond);
    pthread_mutex_destroy(&j->mu);
    hg_free(j);
}

/* --- the journal's thread --- */

static int put_begin(hg_journal_t *j, hg_err_t *err)
{
    const hg_pipeline_t *p = j->p;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, 1 << 16);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "fault_tolerance", hg_ft_name(p->cfg.ft));
    hg_jw_kstr(&w, "incarnation", p->incarnation);
    hg_jw_khex(&w, "program", p->durable->program_hash);
    hg_jw_khex(&w, "hash_key_0", p->hashkey.k0);
    hg_jw_khex(&w, "hash_key_1", p->hashkey.k1);
    hg_jw_end_obj(&w);
    int rc = w.rc < 0 ? hg_err_set(err, w.rc, "out of memory beginning a journal")
                      : hg_framelog_add(j->log, HG_JF_BEGIN, hg_buf_str(&b), err);
    hg_buf_release(&b);
    return rc;
}

static int open_log(hg_journal_t *j, uint64_t number, hg_err_t *err)
{
    char *path = hg_storage_log_path(j->storage, "journal", number);
    hg_framelog_t *l = NULL;
    int rc = j->log ? hg_framelog_sync(j->log, "journal", err) : 0;
    if (rc == 0) rc = hg_framelog_open(path, HG_JOURNAL_MAGIC, true, NULL, NULL, &l, err);
    hg_free(path);
    if (rc < 0) return rc;
    hg_framelog_close(j->log);
    j->log = l;
    j->log_number = number;
    return put_begin(j, err);
}

/* Only this thread touches busy while `working`. */
static int write_busy(hg_journal_t *j, hg_err_t *err)
{
    int rc = j->log ? 0 : open_log(j, j->log_number, err);
    while (rc == 0 && j->busy_at < j->busy.len) {
        head_t h;
        memcpy(&h, j->busy.p + j->busy_at, sizeof h);
        hg_str_t payload = { j->busy.p + j->busy_at + sizeof h, h.len };
        if (h.kind == 0)
            rc = h.number == j->log_number ? 0 : open_log(j, h.number, err);
        else
            rc = hg_framelog_add(j->log, h.kind, payload, err);
        if (rc == 0) j->busy_at += sizeof h + h.len;
    }
    return rc < 0 ? rc : hg_framelog_sync(j->log, "journal", err);
}

/* mu. The next load; false: there is none. */
static bool take_pend(hg_journal_t *j)
{
    if (j->pend.len == 0 || j->held) return false;
    hg_buf_t empty = j->busy;
    j->busy = j->pend;
    j->pend = empty;
    hg_buf_clear(&j->pend);
    j->busy_at = 0;
    j->busy_first = j->pend_first;
    j->busy_last = j->pend_last;
    j->pend_first = j->pend_last = 0;
    return true;
}

static void journal_work(void *arg, unsigned worker)
{
    hg_journal_t *j = arg;
    hg_err_t err = HG_ERR_INIT;
    (void)worker;
    for (;;) {
        pthread_mutex_lock(&j->mu);
        bool more = (j->busy.len || take_pend(j)) && !(j->closing && j->trouble[0]);
        if (!more) j->working = false;
        pthread_mutex_unlock(&j->mu);
        if (!more) return;
        if (write_busy(j, &err) < 0) break;
        if (j->busy_last) hg_host_durable(j->p->host, j->busy_last);
        pthread_mutex_lock(&j->mu);
        bool wake = j->was_full, better = j->trouble[0];
        hg_buf_clear(&j->busy);
        if (j->busy.cap > 2 * FULL_BYTES) hg_buf_release(&j->busy);
        j->busy_first = j->busy_last = 0;
        j->was_full = false;
        j->trouble[0] = 0;
        pthread_cond_broadcast(&j->cond);
        pthread_mutex_unlock(&j->mu);
        if (better) hg_log(HG_LOG_INFO, "storage", j->p->name, "journal", "state=\"works again\"");
        if (wake) hg_circuit_wake(j->p);
    }
    pthread_mutex_lock(&j->mu);
    bool worse = !j->trouble[0];
    snprintf(j->trouble, sizeof j->trouble, "%s", err.msg);
    j->working = false;
    pthread_mutex_unlock(&j->mu);
    if (worse) hg_log(HG_LOG_ERROR, "storage", j->p->name, "journal", "error=\"%s\"", err.msg);
}

/* --- tries: control loop --- */

static void journal_done(void *arg);

/* mu */
static void submit(hg_journal_t *j)
{
    if (j->working || j->held) return;
    j->working = true;
    j->jobs++;
    hg_pool_submit(j->pool, journal_work, journal_done, j->p->control, j);
}

static void retry_due(uv_timer_t *t)
{
    hg_journal_t *j = t->data;
    pthread_mutex_lock(&j->mu);
    if (!j->closing) submit(j);
    pthread_mutex_unlock(&j->mu);
}

static void journal_done(void *arg)
{
    hg_journal_t *j = arg;
    pthread_mutex_lock(&j->mu);
    j->jobs--;
    bool again = j->trouble[0] && !j->closing && !j->working;
    pthread_mutex_unlock(&j->mu);
    if (again) uv_timer_start(&j->retry, retry_due, RETRY_MS, 0);
}

static void retry_closed(uv_handle_t *h)
{
    ((hg_journal_t *)h->data)->retry_open = false;
}

/* mu */
static void drop_held(hg_journal_t *j)
{
    j->held = false;
    j->dropped = true;
    hg_buf_clear(&j->pend);
    j->pend_first = j->pend_last = 0;
}

void hg_journal_close(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    bool first = !j->closing;
    j->closing = true;
    if (j->held) drop_held(j);
    pthread_cond_broadcast(&j->cond);
    pthread_mutex_unlock(&j->mu);
    if (first) uv_close((uv_handle_t *)&j->retry, retry_closed);
}

bool hg_journal_closed(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    bool closed = j->closing && !j->jobs && !j->retry_open && (j->pend.len == 0 || j->trouble[0]);
    pthread_mutex_unlock(&j->mu);
    return closed;
}

/* --- appending: circuit thread --- */

static void append(hg_journal_t *j, uint32_t kind, hg_str_t payload, uint64_t number)
{
    head_t h = { kind, (uint32_t)payload.n, number };
    pthread_mutex_lock(&j->mu);
    if (j->dropped) {
        pthread_mutex_unlock(&j->mu);
        return;
    }
    HG_ASSERT(hg_buf_reserve(&j->pend, sizeof h + payload.n) == 0);
    hg_buf_add(&j->pend, &h, sizeof h);
    hg_buf_addstr(&j->pend, payload);
    if (number && (kind == HG_JF_STEP || kind == HG_JF_MARK)) {
        if (!j->pend_first) j->pend_first = number;
        j->pend_last = number;
    }
    /* In trouble the timer does it. Closing does not matter: outputs that end with all that is theirs wait for it. */
    if (!j->trouble[0]) submit(j);
    pthread_mutex_unlock(&j->mu);
}

/* A name for what the entries that follow in this log mean by `no`. */
static void name_it(hg_journal_t *j, uint32_t no, const endpoint_t *ep, uint32_t relation)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "number", no);
    if (ep) hg_jw_kstr(&w, "name", ep->name);
    hg_jw_key(&w, "relation");
    hg_jw_str(&w, j->p->prog->plan.relations[relation].schema.name);
    if (ep && ep->push) hg_jw_kstr(&w, "format", ep->format_text);
    hg_jw_end_obj(&w);
    HG_ASSERT(w.rc == 0);
    append(j, HG_JF_ENDPOINT, hg_buf_str(&b), no);
    hg_buf_release(&b);
}

static uint32_t endpoint_no(hg_journal_t *j, uint32_t conn)
{
    if (conn >= j->n_endpoint_no) {
        uint32_t n = HG_MAX(2 * j->n_endpoint_no, conn + 16);
        j->endpoint_no = hg_xgrow(j->endpoint_no, n * sizeof *j->endpoint_no);
        memset(j->endpoint_no + j->n_endpoint_no, 0, (n - j->n_endpoint_no) * sizeof *j->endpoint_no);
        j->n_endpoint_no = n;
    }
    if (!j->endpoint_no[conn]) {
        pthread_mutex_lock(&j->p->lock);
        const endpoint_t *ep = j->p->inputs[conn];
        pthread_mutex_unlock(&j->p->lock);
        j->endpoint_no[conn] = ++j->named;
        name_it(j, j->named, ep, ep->relation);
    }
    return j->endpoint_no[conn];
}

/* last: of its connector in this step. */
static int put_chunk(hg_journal_t *j, hg_chunk_t *c, bool last)
{
    hg_jentry_t e = { .endpoint = endpoint_no(j, c->conn), .records = c->records, .hash = c->raw_hash };
    if (c->raw.n) {
        e.kind = c->after.n ? HG_JE_RAW : HG_JE_PAYLOAD;
        e.data = c->raw;
        if (last) e.after = c->after;
    } else {
        e.kind = HG_JE_CUT;
        e.lane_key = c->lane_key;
        e.begin = c->ranges[0].begin;
        e.end = c->ranges[0].end;
        hg_chunk_claim_start(c);
        e.has_start = c->start.n > 0;
        e.data = c->start;
    }
    return hg_jstep_write_entry(&j->frame, &e);
}

void hg_journal_pass_by(hg_chunk_t *const *chunks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (chunks[i]->n_ranges && !chunks[i]->raw.n) hg_chunk_claim_start(chunks[i]);
}

static uint32_t relation_no(hg_journal_t *j, uint32_t relation)
{
    if (!j->relation_no[relation]) {
        j->relation_no[relation] = ++j->named;
        name_it(j, j->named, NULL, relation);
    }
    return j->relation_no[relation];
}

static int put_insert(hg_journal_t *j, uint32_t relation, const hg_change_t *change)
{
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    uint32_t n;
    const hg_type_t **types = hg_relation_types(j->p, relation, &n);
    hg_buf_init(&b, HG_BUF_NOMAX);
    int rc = hg_block_write(&b, change->rows, types, NULL, change->rows->n_rows, NULL, &err);
    hg_jentry_t e = { .kind = HG_JE_INSERT,
                      .endpoint = relation_no(j, relation),
                      .records = change->rows->n_rows,
                      .data = hg_buf_str(&b) };
    if (rc == 0) rc = hg_jstep_write_entry(&j->frame, &e);
    hg_buf_release(&b);
    hg_free(types);
    return rc;
}

static bool is_last(hg_chunk_t *const *chunks, uint32_t i, uint32_t n)
{
    for (uint32_t k = i + 1; chunks[i]->after.n && k < n; k++)
        if (chunks[k]->conn == chunks[i]->conn && chunks[k]->n_ranges) return false;
    return true;
}

void hg_journal_step(hg_journal_t *j, const hg_step_t *s, hg_chunk_t *const *chunks, uint32_t n, uint32_t relation,
                     const hg_change_t *change)
{
    hg_jstep_t head = { .number = s->number, .now_us = s->now_us, .n = change ? 1 : 0 };
    for (uint32_t i = 0; i < n; i++) head.n += chunks[i]->n_ranges > 0; /* flags are not in it */
    hg_buf_clear(&j->frame);
    int rc = hg_jstep_write_head(&j->frame, &head);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if (chunks[i]->n_ranges) rc = put_chunk(j, chunks[i], is_last(chunks, i, n));
    if (change && rc == 0) rc = put_insert(j, relation, change);
    HG_ASSERT(rc == 0); /* memory for a copy of what is in memory already */
    append(j, HG_JF_STEP, hg_buf_str(&j->frame), s->number);
    if (j->frame.cap > FULL_BYTES) hg_buf_release(&j->frame);
}

void hg_journal_fill(hg_journal_t *j, const hg_step_t *s, uint32_t relation, uint32_t rows)
{
    hg_jstep_t head = { .number = s->number, .now_us = s->now_us, .n = 1 };
    hg_jentry_t e = { .kind = HG_JE_FILL, .endpoint = relation_no(j, relation), .records = rows };
    hg_buf_clear(&j->frame);
    HG_ASSERT(hg_jstep_write_head(&j->frame, &head) == 0 && hg_jstep_write_entry(&j->frame, &e) == 0);
    append(j, HG_JF_STEP, hg_buf_str(&j->frame), s->number);
}

void hg_journal_reread(hg_journal_t *j, uint64_t step, uint32_t entry)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "step", step);
    hg_jw_ku64(&w, "entry", entry);
    hg_jw_end_obj(&w);
    HG_ASSERT(w.rc == 0);
    append(j, HG_JF_REREAD, hg_buf_str(&b), step);
    hg_buf_release(&b);
}

void hg_journal_mark(hg_journal_t *j, const hg_jmark_t *m)
{
    hg_buf_clear(&j->frame);
    HG_ASSERT(hg_jmark_write(&j->frame, m) == 0);
    append(j, HG_JF_MARK, hg_buf_str(&j->frame), m->kind == HG_JMARK_COMMIT ? m->step : 0);
}

void hg_journal_rotate(hg_journal_t *j, uint64_t number)
{
    if (j->endpoint_no) memset(j->endpoint_no, 0, j->n_endpoint_no * sizeof *j->endpoint_no);
    memset(j->relation_no, 0, j->p->prog->plan.n_relations * sizeof *j->relation_no);
    j->named = 0;
    append(j, 0, (hg_str_t){ 0 }, number);
}

void hg_journal_hold(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    if (j->closing)
        drop_held(j);
    else
        j->held = true;
    pthread_mutex_unlock(&j->mu);
}

void hg_journal_release(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    j->held = false;
    if (j->pend.len || j->busy.len) submit(j);
    pthread_mutex_unlock(&j->mu);
}

/* --- questions --- */

uint64_t hg_journal_durable(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    uint64_t first = j->busy_first ? j->busy_first : j->pend_first;
    pthread_mutex_unlock(&j->mu);
    return first ? first - 1 : UINT64_MAX;
}

bool hg_journal_full(hg_journal_t *j)
{
    pthread_mutex_lock(&j->mu);
    bool full = j->pend.len > FULL_BYTES && !j->closing;
    if (full) j->was_full = true;
    pthread_mutex_unlock(&j->mu);
    return full;
}

int hg_journal_wait(hg_journal_t *j, uint64_t step, const atomic_bool *cancel, hg_err_t *err)
{
    int rc = 0;
    pthread_mutex_lock(&j->mu);
    for (;;) {
        uint64_t first = j->busy_first ? j->busy_first : j->pend_first;
        if (!first || first > step) break;
        if (j->closing || atomic_load(cancel)) {
            rc =
                hg_err_set(err, HG_ECANCELED, "the rows are inserted, but it is not known whether they are durable: %s",
                           j->trouble[0] ? j->trouble : "the pipeline is stopping");
            break;
        }
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += 100000000; /* the cancel flag has no bell */
        if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
        pthread_cond_timedwait(&j->cond, &j->mu, &t);
    }
    pthread_mutex_unlock(&j->mu);
    return rc;
}

bool hg_journal_trouble(hg_journal_t *j, char *buf, size_t n)
{
    pthread_mutex_lock(&j->mu);
    bool bad = j->trouble[0];
    if (bad) snprintf(buf, n, "%s", j->trouble);
    pthread_mutex_unlock(&j->mu);
    return bad;
}
