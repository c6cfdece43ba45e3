/* checkpoint.c: one consistent state of the whole pipeline on disk. See durable_int.h for why the cut is consistent.
 *
 *   ask ─► save the orchestrator, begin a new log of events       control loop
 *       ─► cut the stores, note what each input has consumed       circuit thread, between two steps
 *       ─► positions from the transports; outputs deliver the step   I/O loops, answers on the control loop
 *       ─► rows, manifest, what is not needed any more              disk thread
 *       ─► tell circuit and transports                             control loop
 *
 * A checkpoint of step s counts only if every output has delivered all steps <= s. One that cannot (its sink is away)
 * has PATIENCE_MS; then the batches that it owes are stored in the checkpoint (owed.c) and go out first after a
 * restart.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/history.h"
#include "pipeline/journal.h"
#include "pipeline/move.h"
#include "pipeline/transaction.h"
#include <unistd.h>

#define PATIENCE_MS 2000
#define STATE_MAX   ((size_t)1 << 30)

typedef struct slot { /* one endpoint */
    ckpt_t *k;
    endpoint_t *ep;
    uint64_t processed;
    const char *change; /* input: what the user did last to its position */
    int64_t change_us;
    hg_input_counters_t *counters; /* input */
    bool paused;                   /* output: by the user */
    int64_t paused_us;
    bool snapshot_owed; /* output: its first content was not with the sink when the cut was taken */
    bool waiting;       /* for the answer */
    bool unanswered;    /* the host still holds a pointer to this */
    bool owes;          /* output: it took too long, its batches go into the checkpoint */
    hg_buf_t owed;      /* description of their file */
    hg_buf_t state;     /* JSON: input: position; output: what hg_output_restore takes. Empty: none */
} slot_t;

struct ckpt {
    hg_durable_t *d;
    uint64_t number, seq, step;
    uint64_t transaction; /* id given last */
    int64_t now_us;
    hg_cut_t *cut;
    hg_buf_t orch, streams;
    slot_t *ins, *outs;
    uint32_t n_ins, n_outs;
    uint32_t waiting; /* answers that are still to come: control loop */
    uint32_t unanswered;
    bool writing, over;
    uint64_t processed_records, processed_bytes, inserted_records;
    uint64_t completed_step, completed_records; /* what every output has had when all had answered */
    atomic_bool cancel;
    hg_cut_stats_t stats;
    hg_buf_t stores, manifest;
    char uuid[37];
    hg_err_t err;
};

static void begin(hg_durable_t *d);
static void maybe_write(ckpt_t *k);

/* An output whose sink is away answers much later, or when it closes: so long its slot stays. */
static void ckpt_maybe_free(ckpt_t *k)
{
    if (!k->over || k->unanswered) return;
    for (uint32_t i = 0; i < k->n_ins; i++)
        hg_buf_release(&k->ins[i].state), hg_input_counters_free(k->ins[i].counters);
    for (uint32_t i = 0; i < k->n_outs; i++) hg_buf_release(&k->outs[i].state), hg_buf_release(&k->outs[i].owed);
    hg_free(k->ins);
    hg_free(k->outs);
    hg_buf_release(&k->orch);
    hg_buf_release(&k->streams);
    hg_buf_release(&k->stores);
    hg_buf_release(&k->manifest);
    hg_free(k);
}

/* --- the manifest: disk thread --- */

static void put_state(hg_jw_t *w, const char *key, const hg_buf_t *b)
{
    hg_jw_key(w, key);
    if (b->len)
        hg_jw_raw(w, hg_buf_str(b));
    else
        hg_jw_null(w);
}

static void put_endpoint(hg_jw_t *w, const slot_t *s)
{
    const endpoint_t *ep = s->ep;
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", ep->name);
    hg_jw_ku64(w, "id", ep->id);
    hg_jw_khex(w, "config", hg_connector_hash(ep->spec));
    if (ep->input) {
        hg_jw_ku64(w, "processed_records", s->processed);
        if (s->change) {
            hg_jw_kstr(w, "change", s->change);
            hg_jw_ki64(w, "change_us", s->change_us);
        }
        put_state(w, "position", &s->state);
        hg_jw_key(w, "counters");
        hg_input_counters_json(s->counters, w);
    } else {
        hg_jw_khex(w, "life", ep->life);
        hg_jw_kbool(w, "paused", s->paused);
        hg_jw_ki64(w, "paused_us", s->paused_us);
        hg_jw_kbool(w, "snapshot_sent", !s->snapshot_owed || !s->owes);
        put_state(w, "state", &s->state);
        put_state(w, "owed", &s->owed);
    }
    hg_jw_end_obj(w);
}

static void put_manifest(ckpt_t *k, hg_jw_t *w)
{
    const hg_durable_t *d = k->d;
    const hg_pipeline_t *p = d->p;
    hg_jw_obj(w);
    hg_jw_ku64(w, "format", HG_STORAGE_FORMAT);
    hg_jw_ku64(w, "number", k->number);
    hg_jw_kstr(w, "uuid", k->uuid);
    hg_jw_ku64(w, "step", k->step);
    hg_jw_ku64(w, "transaction", k->transaction);
    hg_jw_ki64(w, "taken_us", k->now_us);
    hg_jw_ki64(w, "initial_start_us", d->initial_start_us);
    hg_jw_kstr(w, "incarnation", p->incarnation);
    hg_jw_kstr(w, "fault_tolerance", hg_ft_name(p->cfg.ft));
    hg_jw_khex(w, "program", d->program_hash);
    hg_jw_khex(w, "hash_key_0", p->hashkey.k0);
    hg_jw_khex(w, "hash_key_1", p->hashkey.k1);
    hg_jw_ku64(w, "processed_records", k->processed_records);
    hg_jw_ku64(w, "processed_bytes", k->processed_bytes);
    hg_jw_ku64(w, "inserted_records", k->inserted_records);
    hg_jw_ku64(w, "completed_step", k->completed_step);
    hg_jw_ku64(w, "completed_records", k->completed_records);
    hg_program_relations_json(p->prog, d->definitions, w);
    put_state(w, "orchestrator", &k->orch);
    hg_jw_key(w, "inputs");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < k->n_ins; i++)
        if (k->ins[i].ep->spec) put_endpoint(w, &k->ins[i]);
    hg_jw_end_arr(w);
    hg_jw_key(w, "outputs");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < k->n_outs; i++) put_endpoint(w, &k->outs[i]);
    hg_jw_end_arr(w);
    put_state(w, "change_streams", &k->streams);
    put_state(w, "stores", &k->stores);
    hg_jw_ku64(w, "bytes", k->stats.bytes_total);
    hg_jw_end_obj(w);
}

int hg_checkpoint_files(void *arg, const hg_json_t *manifest, void (*keep)(void *, hg_str_t), void *keep_arg,
                        hg_err_t *err)
{
    (void)arg;
    const hg_json_t *outputs = hg_json_get(manifest, "outputs");
    for (const hg_json_t *m = outputs ? outputs->child : NULL; m; m = m->next) {
        const hg_json_t *file = hg_json_get(hg_json_get(m, "owed"), "file");
        if (file && file->kind == HG_J_STRING) keep(keep_arg, file->str);
    }
    const hg_json_t *stores = hg_json_get(manifest, "stores");
    return stores && stores->kind == HG_J_OBJECT ? hg_state_files(stores, keep, keep_arg, err) : 0;
}

static int forget(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    (void)arg, (void)step, (void)d, (void)err;
    return 0;
}

static int write_owed(ckpt_t *k)
{
    int rc = 0;
    hg_jw_t state, w;
    for (uint32_t i = 0; i < k->n_outs && rc == 0; i++) {
        slot_t *s = &k->outs[i];
        if (!s->owes) continue;
        hg_jw_init(&state, &s->state);
        hg_jw_init(&w, &s->owed);
        if (s->snapshot_owed) /* it will start afresh: only its counters are wanted */
            rc = hg_output_owed(s->ep->out, k->step, forget, NULL, &state, &k->err);
        else
            rc = hg_owed_write(s->ep, hg_storage_dir(k->d->storage), k->number, k->step, &state, &w, &k->err);
        if (rc < 0) hg_err_wrap(&k->err, "connector %s", s->ep->name);
    }
    return rc;
}

static void write_work(void *arg, unsigned worker)
{
    ckpt_t *k = arg;
    hg_storage_t *s = k->d->storage;
    hg_jw_t w;
    (void)worker;
    if (k->err.code) return; /* something that belongs to it could not be had */
    hg_jw_init(&w, &k->stores);
    int rc = write_owed(k);
    if (rc == 0) rc = hg_cut_write(k->cut, hg_storage_dir(s), k->number, &k->cancel, &w, &k->err);
    if (rc == 0 && w.rc < 0) rc = hg_err_set(&k->err, w.rc, "the description of the stores is too large");
    hg_cut_get_stats(k->cut, &k->stats);
    if (rc == 0) {
        hg_jw_init(&w, &k->manifest);
        put_manifest(k, &w);
        if (w.rc < 0) rc = hg_err_set(&k->err, w.rc, "the manifest is too large");
    }
    if (rc == 0) rc = hg_dir_sync(hg_storage_dir(s), &k->err); /* the names of the files that the manifest refers to */
    if (rc == 0) rc = hg_storage_commit(s, k->number, hg_buf_str(&k->manifest), hg_checkpoint_files, NULL, &k->err);
    if (rc == 0) hg_checkpoints_list(s);
}

/* --- the end: control loop --- */

typedef struct {
    hg_cut_t *cut;
    bool durable;
} release_t;

static void release_on_circuit(hg_pipeline_t *p, void *arg)
{
    release_t *r = arg;
    hg_cut_done(p->circuit, r->cut, r->durable);
    hg_free(r);
}

static void commit_positions(ckpt_t *k)
{
    for (uint32_t i = 0; i < k->n_ins; i++) {
        const slot_t *s = &k->ins[i];
        if (s->ep->spec && s->ep->in && s->state.len) hg_input_commit(s->ep->in, hg_buf_str(&s->state));
    }
}

static void finish(ckpt_t *k)
{
    hg_durable_t *d = k->d;
    hg_pipeline_t *p = d->p;
    hg_err_t err = k->err;
    uint64_t us = (uint64_t)(hg_mono_us() - d->started_us);
    if (k->cut) {
        release_t *r = HG_NEW(release_t);
        *r = (release_t){ k->cut, err.code == HG_OK };
        hg_circuit_post(p, release_on_circuit, r);
    }
    if (err.code == HG_OK) {
        commit_positions(k);
        d->number = k->number;
        memcpy(d->uuid, k->uuid, sizeof d->uuid);
        pthread_mutex_lock(&p->lock);
        hg_usage_set(&d->usage, k->stats.bytes_total, hg_mono_us());
        pthread_mutex_unlock(&p->lock);
        d->done = k->seq;
        hg_log(HG_LOG_INFO, "storage", p->name, "checkpoint",
               "number=%" PRIu64 " step=%" PRIu64 " written_bytes=%" PRIu64 " total_bytes=%" PRIu64 " took_ms=%" PRIu64,
               k->number, k->step, k->stats.bytes_written, k->stats.bytes_total, us / 1000);
    } else {
        d->failed = k->seq;
        d->failed_us = hg_now_us();
        snprintf(d->failure, sizeof d->failure, "%s", err.msg);
        hg_log(HG_LOG_ERROR, "storage", p->name, "checkpoint_failed", "number=%" PRIu64 " error=\"%s\"", k->number,
               err.msg);
    }
    d->ck = NULL;
    atomic_store(&d->busy_since_us, 0);
    hg_moves_checkpoint(p, k->seq, &err);
    k->over = true;
    ckpt_maybe_free(k);
    hg_outputs_again(p);
    if (d->on_suspended && !d->wanted) { /* else the one that the stop asked for is still to come */
        void (*fn)(hg_pipeline_t *, const hg_err_t *) = d->on_suspended;
        d->on_suspended = NULL;
        fn(p, &err);
    } else if (d->wanted && !d->closing) {
        if (!d->held) begin(d);
    } else if (!d->closing) {
        hg_checkpoint_interval(d);
    }
}

static void write_done(void *arg)
{
    finish(arg);
}

/* --- gathering: control loop --- */

/* An output that owes something has not completed the step of the cut. */
static void note_completed(ckpt_t *k)
{
    hg_pipeline_t *p = k->d->p;
    pthread_mutex_lock(&p->lock);
    hg_marks_settle(p);
    bool all = p->completed_step >= k->step;
    k->completed_step = all ? k->step : p->completed_step;
    k->completed_records = all ? k->processed_records : p->completed_records;
    pthread_mutex_unlock(&p->lock);
}

static void maybe_write(ckpt_t *k)
{
    if (k->waiting || k->writing) return;
    k->writing = true;
    note_completed(k);
    uv_timer_stop(&k->d->timer);
    hg_pool_submit(k->d->disk, write_work, write_done, k->d->p->control, k);
}

static void slot_answer(void *arg, hg_str_t state)
{
    slot_t *s = arg;
    s->unanswered = false;
    s->k->unanswered--;
    if (!s->waiting) {
        ckpt_maybe_free(s->k);
        return;
    }
    s->waiting = false;
    if (!s->ep->input && state.n == 0) s->owes = true; /* it has failed: write_owed() asks where */
    if (hg_position_lost(state) || hg_buf_addstr(&s->state, state) < 0) {
        hg_buf_clear(&s->state);
        if (s->k->err.code == HG_OK)
            hg_err_set(&s->k->err, HG_ETOOBIG, "the position of %s is too large, or there is no memory for it",
                       s->ep->name);
    }
    s->k->waiting--;
    maybe_write(s->k);
}

/* Outputs that have not delivered by now owe what they have; inputs always answer. With exactly_once a first content
 * that the sink may or may not have got cannot be sent again, so that is waited for. Without fault tolerance outputs
 * keep no copies: a graceful stop waits for them, as long as the user does. */
static void patience_over(uv_timer_t *t)
{
    const hg_pipeline_t *p = ((hg_durable_t *)t->data)->p;
    ckpt_t *k = p->durable->ck;
    if (!k || k->writing || (p->cfg.ft == HG_FT_NONE && p->life == ST_DRAINING)) return;
    for (uint32_t i = 0; i < k->n_outs; i++) {
        bool must = k->outs[i].snapshot_owed && k->d->p->cfg.ft == HG_FT_EXACTLY_ONCE;
        if (!k->outs[i].waiting || must) continue;
        k->outs[i].waiting = false;
        k->outs[i].owes = true;
        k->waiting--;
    }
    maybe_write(k);
}

static void cut_taken(void *arg)
{
    ckpt_t *k = arg;
    uv_timer_start(&k->d->timer, patience_over, PATIENCE_MS, 0);
    for (uint32_t i = 0; i < k->n_outs; i++) k->outs[i].paused_us = k->outs[i].ep->since_us;
    k->waiting--; /* the one that stood for the cut itself */
    maybe_write(k);
}

static void slot_init(ckpt_t *k, slot_t *s, endpoint_t *ep)
{
    *s = (slot_t){ .k = k, .ep = ep, .waiting = true, .unanswered = true };
    hg_buf_init(&s->owed, 4096);
    hg_buf_init(&s->state, STATE_MAX);
}

/* Under lock. Where the next instance begins is known already, or the one that is there tells. */
static void ask_input(slot_t *s)
{
    const char *next = s->ep->next_position;
    if (!next) {
        hg_input_save(s->ep->in, slot_answer, s);
        return;
    }
    s->waiting = s->unanswered = false;
    s->k->waiting--;
    s->k->unanswered--;
    if (hg_buf_adds(&s->state, next) < 0) hg_err_set(&s->k->err, HG_ENOMEM, "out of memory for a position");
}

/* Circuit thread: between two steps everything holds still that matters here. */
static void cut_on_circuit(hg_pipeline_t *p, void *arg)
{
    ckpt_t *k = arg;
    if (hg_txn_open(p) && !atomic_load(&k->cancel)) {
        hg_circuit_later(p, cut_on_circuit, k); /* behind the transaction */
        return;
    }
    k->step = atomic_load(&p->steps);
    k->transaction = hg_txn_last_id(p);
    k->now_us = hg_now_us();
    k->cut = hg_circuit_cut(p->circuit);
    hg_jw_t w;
    hg_jw_init(&w, &k->streams);
    hg_history_save(p->history, &w);
    if (p->off_record && k->d->journal) hg_journal_hold(k->d->journal); /* what follows needs this checkpoint */
    p->off_record = false;
    if (k->d->journal) hg_journal_rotate(k->d->journal, k->number);
    pthread_mutex_lock(&p->lock);
    k->ins = HG_NEWN(slot_t, p->n_inputs + 1);
    k->outs = HG_NEWN(slot_t, p->n_outputs + 1);
    k->processed_records = atomic_load(&p->processed_records);
    k->processed_bytes = atomic_load(&p->processed_bytes);
    k->inserted_records = atomic_load(&p->inserted_records);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        if (!p->inputs[i]->in) continue;
        slot_t *s = &k->ins[k->n_ins++];
        slot_init(k, s, p->inputs[i]);
        s->processed = atomic_load(&s->ep->processed);
        if (s->ep->spec) s->counters = hg_input_counters(s->ep->in);
        s->change = s->ep->change;
        s->change_us = s->ep->change_us;
    }
    for (uint32_t i = 0; i < p->n_outputs; i++)
        if (p->outputs[i]->out && !p->outputs[i]->tap) {
            slot_t *s = &k->outs[k->n_outs++];
            slot_init(k, s, p->outputs[i]);
            s->paused = hg_output_paused(s->ep->out);
            s->snapshot_owed = hg_sink_snapshot_owed(p, s->ep->out);
        }
    /* Answers come on the control loop; until cut_taken has run there, one more is counted as missing. */
    k->waiting += k->n_ins + k->n_outs;
    k->unanswered = k->n_ins + k->n_outs;
    for (uint32_t i = 0; i < k->n_ins; i++) ask_input(&k->ins[i]);
    for (uint32_t i = 0; i < k->n_outs; i++) hg_output_save(k->outs[i].ep->out, k->step, slot_answer, &k->outs[i]);
    pthread_mutex_unlock(&p->lock);
    hg_loop_post(p->control, cut_taken, k);
}

static void begin(hg_durable_t *d)
{
    hg_pipeline_t *p = d->p;
    ckpt_t *k = HG_NEW(ckpt_t);
    hg_jw_t w;
    d->wanted = false;
    d->ck = k;
    d->started_us = hg_mono_us();
    atomic_store(&d->busy_since_us, hg_now_us());
    k->d = d;
    k->seq = d->asked;
    k->number = d->next_number++;
    k->waiting = 1;
    hg_uuid_v7(k->uuid);
    hg_buf_init(&k->orch, STATE_MAX);
    hg_buf_init(&k->streams, STATE_MAX);
    hg_buf_init(&k->stores, STATE_MAX);
    hg_buf_init(&k->manifest, STATE_MAX);
    hg_jw_init(&w, &k->orch);
    hg_orch_save(p->orch, &w);
    if (w.rc < 0) hg_err_set(&k->err, w.rc, "the orchestrator's state is too large");
    hg_events_rotate(d, k->number);
    hg_circuit_post(p, cut_on_circuit, k);
}

uint64_t hg_checkpoint_ask(hg_durable_t *d)
{
    d->asked++;
    if (d->ck || d->held)
        d->wanted = true;
    else
        begin(d);
    return d->asked;
}

void hg_checkpoint_hold(hg_durable_t *d)
{
    d->held++;
}

void hg_checkpoint_release(hg_durable_t *d)
{
    if (--d->held == 0 && d->wanted && !d->ck && !d->closing) begin(d);
}

static void interval_due(uv_timer_t *t)
{
    hg_durable_t *d = t->data;
    if (d->ck || d->closing) return;
    if (atomic_load(&d->p->replaying))
        hg_checkpoint_interval(d);
    else
        hg_checkpoint_ask(d);
}

void hg_checkpoint_interval(hg_durable_t *d)
{
    const hg_runtime_config_t *c = &d->p->cfg;
    if (c->ft == HG_FT_NONE || c->checkpoint_interval_secs == 0) return;
    uv_timer_start(&d->timer, interval_due, c->checkpoint_interval_secs * 1000, 0);
}

/* Nobody will answer any more, or it would take too long: outputs that were asked are passed over, writing stops early.
 */
void hg_checkpoint_cancel(hg_durable_t *d)
{
    ckpt_t *k = d->ck;
    d->wanted = false;
    uv_timer_stop(&d->timer);
    if (!k) return;
    atomic_store(&k->cancel, true);
    hg_circuit_wake(d->p); /* its cut may wait for a transaction */
    if (!k->writing && k->err.code == HG_OK) hg_err_set(&k->err, HG_ECANCELED, "the pipeline stops");
}

/* --- asked by people: control loop --- */

int hg_pipeline_can_checkpoint(const hg_pipeline_t *p, hg_err_t *err)
{
    int rc = hg_pipeline_ready(p, err);
    if (rc < 0) return rc;
    if (p->life != ST_RUNNING) return hg_err_set(err, HG_ETERMINATING, "the pipeline is stopping");
    if (!p->durable) return hg_err_set(err, HG_ENOSTORAGE, "a checkpoint needs storage: runtime_config.storage is off");
    if (atomic_load(&p->replaying))
        return hg_err_set(err, HG_EREPLAY, "the journal is being replayed: ask again when the pipeline runs");
    return hg_durable_check_inputs(p, HG_FT_AT_LEAST_ONCE, err);
}

int hg_pipeline_can_suspend(const hg_pipeline_t *p, hg_err_t *err)
{
    /* the stop ends what is computed beside the steps, and takes its checkpoint then */
    return hg_pipeline_concurrent(p) ? hg_durable_check_inputs(p, HG_FT_AT_LEAST_ONCE, err)
                                     : hg_pipeline_can_checkpoint(p, err);
}

uint64_t hg_pipeline_checkpoint_number(const hg_pipeline_t *p)
{
    return p->durable ? atomic_load(&p->durable->number) : 0;
}

int hg_pipeline_checkpoint(hg_pipeline_t *p, uint64_t *ret_number, hg_err_t *err)
{
    int rc = hg_pipeline_can_checkpoint(p, err);
    if (rc == 0) *ret_number = hg_checkpoint_ask(p->durable);
    return rc;
}

void hg_pipeline_checkpoint_status(hg_pipeline_t *p, hg_jw_t *w)
{
    const hg_durable_t *d = p->durable;
    char at[40];
    hg_jw_obj(w);
    hg_jw_key(w, "success");
    if (d && d->done)
        hg_jw_u64(w, d->done);
    else
        hg_jw_null(w);
    hg_jw_key(w, "failure");
    if (d && d->failed) {
        hg_time_rfc3339(at, d->failed_us);
        hg_jw_obj(w);
        hg_jw_ku64(w, "sequence_number", d->failed);
        hg_jw_kstr(w, "error", d->failure);
        hg_jw_kstr(w, "failed_at", at);
        hg_jw_end_obj(w);
    } else {
        hg_jw_null(w);
    }
    hg_jw_end_obj(w);
}
