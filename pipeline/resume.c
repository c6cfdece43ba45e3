/* resume.c: from a checkpoint and the logs behind it back to a pipeline. See durable_int.h.
 *
 * An endpoint is matched by name. One whose configuration is the same as in the checkpoint goes on where it was; one
 * that changed, and one that is new, starts as configured (`fresh`). A table or view is matched by name and definition:
 * a table that means something else now starts empty, and what is fed into it from its beginning; views that do are
 * computed anew (begin.c), and their sinks write on behind what they have.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/move.h"
#include "pipeline/remote.h"
#include "pipeline/replay.h"
#include "pipeline/transaction.h"
#include <xxhash.h>

/* --- small things --- */

static const char *const g_ft_names[] = { "none", "at_least_once", "exactly_once" };

const char *hg_ft_name(hg_ft_t ft)
{
    return g_ft_names[ft];
}

static int bad(hg_pipeline_t *p, hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EDAMAGED, "checkpoint %" PRIu64 " in %s: %s", p->durable->number,
                      hg_storage_dir(p->durable->storage), what);
}

/* Says which checkpoint it is about. */
static int of_checkpoint(const hg_pipeline_t *p, hg_err_t *err)
{
    return hg_err_wrap(err, "checkpoint %" PRIu64 " in %s", p->durable->number, hg_storage_dir(p->durable->storage));
}

static bool get_u64(const hg_json_t *obj, const char *key, uint64_t *ret)
{
    return hg_json_u64(hg_json_get(obj, key), ret) == 0;
}

/* --- opening --- */

static int take_head(hg_pipeline_t *p, const hg_json_t *m, hg_err_t *err)
{
    uint64_t format, step, records, bytes, inserted, done_step, done_records;
    if (!get_u64(m, "format", &format) || format != HG_STORAGE_FORMAT)
        return bad(p, err, "its format is unknown to this program");
    if (!hg_json_get_hex(m, "hash_key_0", &p->hashkey.k0) || !hg_json_get_hex(m, "hash_key_1", &p->hashkey.k1))
        return bad(p, err, "it has no hash key");
    if (!get_u64(m, "step", &step) || !get_u64(m, "processed_records", &records) ||
        !get_u64(m, "processed_bytes", &bytes) || !get_u64(m, "inserted_records", &inserted) ||
        !get_u64(m, "completed_step", &done_step) || !get_u64(m, "completed_records", &done_records) ||
        hg_json_i64(hg_json_get(m, "initial_start_us"), &p->durable->initial_start_us) < 0)
        return bad(p, err, "its step or its counters are missing");
    p->durable->step = step;
    atomic_store(&p->steps, step);
    atomic_store(&p->processed_records, records);
    atomic_store(&p->processed_bytes, bytes);
    atomic_store(&p->inserted_records, inserted);
    if (inserted > records || done_step > step || done_records > records)
        return bad(p, err, "its counters contradict each other");
    uint64_t transaction = 0; /* earlier versions had none */
    (void)get_u64(m, "transaction", &transaction);
    hg_txn_restore(p->txn, transaction);
    p->completed_step = done_step;
    p->completed_records = done_records;
    if (done_step < step) hg_marks_step(p, step, records); /* once the outputs have what they owe */
    return 0;
}

int hg_durable_check_inputs(const hg_pipeline_t *p, hg_ft_t level, hg_err_t *err)
{
    for (uint32_t i = 0; i < p->prog->n_inputs; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        hg_ft_t has = hg_input_ft(spec->in_type);
        if (has == HG_FT_AT_LEAST_ONCE && spec->journal_payload) has = HG_FT_EXACTLY_ONCE;
        const char *option = level == HG_FT_EXACTLY_ONCE && spec->in_type->no_replay && !spec->journal_payload
                                 ? spec->in_type->no_replay(spec->transport_cfg)
                                 : NULL;
        if (has >= level && option)
            return hg_err_at(err, HG_EINVALTRANSPORT, spec->pos,
                             "pipeline requires exactly_once fault tolerance but endpoint " HG_SF
                             " only supplies at_least_once fault tolerance as its option '%s' stands: the same records "
                             "need not come again in the same order. Change it (headgate connectors %s)%s, or use "
                             "{\"model\": \"at_least_once\"}",
                             HG_SA(spec->endpoint), option, spec->in_type->name,
                             spec->in_type->caps & HG_CAP_BATCHES ? ""
                                                                  : ", add \"journal\": \"payload\" to the connector");
        if (has >= level) continue;
        return hg_err_at(err, HG_EINVALTRANSPORT, spec->pos,
                         "pipeline requires %s fault tolerance but endpoint " HG_SF " only supplies %s fault tolerance",
                         hg_ft_name(level), HG_SA(spec->endpoint), has == HG_FT_NONE ? "no" : hg_ft_name(has));
    }
    return 0;
}

/* What an output has written after the last checkpoint it must be able to write again, once. */
static int check_outputs(const hg_pipeline_t *p, hg_err_t *err)
{
    for (uint32_t i = p->prog->n_inputs; i < p->prog->n_conns; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        if (spec->out_type->caps & HG_OUT_EXACT) continue;
        return hg_err_at(err, HG_EINVALTRANSPORT, spec->pos,
                         "pipeline requires exactly_once fault tolerance but endpoint " HG_SF
                         " only supplies at_least_once fault tolerance",
                         HG_SA(spec->endpoint));
    }
    return 0;
}

/* A replay runs the transforms again: they have to give the same. */
static int check_transforms(const hg_pipeline_t *p, hg_err_t *err)
{
    for (uint32_t i = 0; i < p->prog->n_conns; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        if (!spec->transforms_vary) continue;
        return hg_err_at(err, HG_EINVALTRANSPORT, spec->pos,
                         "pipeline requires exactly_once fault tolerance but the transform %s of endpoint " HG_SF
                         " puts in times or random values, which are others when a step is done again. Compute them in "
                         "SQL, or use {\"model\": \"at_least_once\"}",
                         spec->transforms_vary, HG_SA(spec->endpoint));
    }
    return 0;
}

int hg_durable_check_level(const hg_pipeline_t *p, const char *dir, hg_err_t *err)
{
    if (p->cfg.ft == HG_FT_NONE) return 0;
    if (!dir || !p->cfg.storage)
        return hg_err_set(err, HG_ENOSTORAGE, "fault_tolerance %s needs storage: switch runtime_config.storage on",
                          hg_ft_name(p->cfg.ft));
    if (p->cfg.ft == HG_FT_EXACTLY_ONCE && (check_outputs(p, err) < 0 || check_transforms(p, err) < 0))
        return err->code;
    return hg_durable_check_inputs(p, p->cfg.ft, err);
}

int hg_durable_open(hg_pipeline_t *p, const char *dir, uint64_t below, hg_err_t *err)
{
    hg_durable_t *d = HG_NEW(hg_durable_t);
    p->durable = d;
    d->p = p;
    d->arena = hg_arena_new();
    d->initial_start_us = p->start_us;
    hg_list_init(&d->event_queue);
    d->definitions = HG_NEWN(uint64_t, p->prog->plan.n_relations + 1);
    hg_program_definitions(p->prog, d->definitions);
    d->program_hash = hg_program_hash(p->prog, d->definitions);
    int rc = hg_storage_open(dir, below, &d->storage, err);
    if (rc < 0) return rc;
    d->number = hg_storage_number(d->storage);
    d->next_number = hg_storage_next(d->storage);
    d->log_number = d->next_number - 1;
    const hg_json_t *m = hg_storage_manifest(d->storage);
    uint64_t bytes = 0;
    hg_json_u64(hg_json_get(m, "bytes"), &bytes);
    hg_usage_set(&d->usage, bytes, hg_mono_us());
    snprintf(d->uuid, sizeof d->uuid, "%s", hg_json_str(hg_json_get(m, "uuid"), ""));
    if (m) hg_program_diff(p->prog, d->definitions, m, d->arena, &d->diff);
    return m ? take_head(p, m, err) : 0;
}

/* Only the program that did the steps of the journal can do them again. Those that took nothing only count; those that
 * computed its views are done once more by begin.c. */
static int changed_behind_journal(hg_pipeline_t *p, hg_jreplay_t *r, hg_err_t *err)
{
    if (hg_jreplay_wanted(r))
        return hg_err_set(
            err, HG_ENOBOOTSTRAP,
            "the program has changed, and the journal holds steps of the old one after checkpoint %" PRIu64
            ": start once with the old program and stop it without force, or clear the state (/clear)",
            p->durable->number);
    if (!r->n_fills) atomic_store(&p->steps, r->last);
    r->n_steps = 0;
    r->hole = false; /* a checkpoint comes before anything is read */
    return 0;
}

int hg_durable_open_journal(hg_pipeline_t *p, hg_err_t *err)
{
    hg_durable_t *d = p->durable;
    if (p->cfg.ft == HG_FT_NONE) return 0;
    int rc = hg_jreplay_load(p, &d->replay, err);
    if (rc == 0 && d->replay->has_hash_key && !hg_storage_manifest(d->storage)) p->hashkey = d->replay->hash_key;
    if (rc == 0 && d->diff.any) rc = changed_behind_journal(p, d->replay, err);
    return rc;
}

/* --- tables and views --- */

typedef struct {
    hg_pipeline_t *p;
    const hg_json_t *inputs;
} stores_t;

static bool use_relation(void *arg, uint32_t relation)
{
    return ((stores_t *)arg)->p->durable->diff.unchanged[relation];
}

/* The connector that has the number `old` in the checkpoint, by its name. */
static uint32_t origin_now(void *arg, uint32_t old)
{
    const stores_t *x = arg;
    uint64_t id;
    for (const hg_json_t *m = x->inputs ? x->inputs->child : NULL; m; m = m->next)
        if (get_u64(m, "id", &id) && id == old) {
            const hg_json_t *name = hg_json_get(m, "name");
            uint32_t i = name ? hg_strmap_get(&x->p->input_names, name->str) : HG_STRMAP_NONE;
            return i == HG_STRMAP_NONE ? UINT32_MAX : i;
        }
    return UINT32_MAX;
}

int hg_durable_restore_circuit(hg_pipeline_t *p, hg_err_t *err)
{
    const hg_json_t *m = hg_storage_manifest(p->durable->storage);
    if (!m) return 0;
    stores_t x = { p, hg_json_get(m, "inputs") };
    hg_restore_opts_t o = { hg_storage_dir(p->durable->storage), uv_available_parallelism(), use_relation, origin_now,
                            &x };
    int rc = hg_circuit_restore(p->circuit, hg_json_get(m, "stores"), &o, err);
    return rc < 0 ? of_checkpoint(p, err) : 0;
}

/* --- endpoints --- */

/* The position stays known beside the instance, which may never be opened: what has ended is not. */
static int restore_input(hg_pipeline_t *p, endpoint_t *ep, hg_err_t *err)
{
    hg_buf_t text;
    hg_jw_t w;
    if (!ep->saved_position || ep->saved_position->kind != HG_J_OBJECT) return 0;
    int rc = hg_input_restore(ep->in, ep->saved_position, err);
    if (rc < 0) return hg_err_wrap(err, "checkpoint %" PRIu64 ", connector %s", p->durable->number, ep->name);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_node(&w, ep->saved_position);
    HG_ASSERT(w.rc == 0);
    ep->next_position = hg_buf_take(&text, NULL);
    ep->restored = true;
    return 0;
}

/* Does the connector stand in the checkpoint as it is configured now? */
static const hg_json_t *saved_endpoint(const endpoint_t *ep, const hg_json_t *list)
{
    uint64_t config;
    const hg_json_t *m = hg_json_named(list, hg_strz(ep->name));
    if (!m) return NULL;
    return hg_json_get_hex(m, "config", &config) && config == hg_connector_hash(ep->spec) ? m : NULL;
}

bool hg_durable_is_fresh(void *arg, hg_str_t name)
{
    hg_pipeline_t *p = arg;
    uint32_t id = hg_strmap_get(&p->input_names, name);
    return id == HG_STRMAP_NONE || p->inputs[id]->fresh;
}

static int read_log(void *arg, const char *path, uint64_t number, hg_err_t *err)
{
    (void)number;
    return hg_events_read(arg, path, err);
}

/* Records of inputs that are no more, or start afresh, stay in the totals. */
static void keep_totals(hg_pipeline_t *p)
{
    p->gone_records = atomic_load(&p->processed_records) - atomic_load(&p->inserted_records);
    p->gone_bytes = atomic_load(&p->processed_bytes);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        hg_input_stats_t s;
        hg_input_get_stats(p->inputs[i]->in, &s);
        p->gone_records -= HG_MIN(s.total_records, p->gone_records);
        p->gone_bytes -= HG_MIN(s.total_bytes, p->gone_bytes);
    }
}

static int take_counters(hg_pipeline_t *p, endpoint_t *ep, const hg_json_t *saved, hg_err_t *err)
{
    uint64_t records;
    if (!get_u64(saved, "processed_records", &records)) return bad(p, err, "a connector's counters are missing");
    atomic_store(&ep->processed, records);
    if (!ep->in) return 0; /* only looked at */
    return hg_input_restore_counters(ep->in, hg_json_get(saved, "counters"), err);
}

/* What the host refuses in a manifest is damage. */
static int damaged(hg_pipeline_t *p, const endpoint_t *ep, hg_err_t *err)
{
    if (err->code == HG_EPARSE) err->code = HG_EDAMAGED;
    hg_err_wrap(err, "checkpoint %" PRIu64 ", connector %s", p->durable->number, ep->name);
    return err->code;
}

static int take_inputs(hg_pipeline_t *p, const hg_json_t *m, hg_err_t *err)
{
    for (uint32_t i = 0; m && i < p->n_inputs; i++) {
        endpoint_t *ep = p->inputs[i];
        const hg_json_t *saved = saved_endpoint(ep, hg_json_get(m, "inputs"));
        if (!p->durable->diff.unchanged[ep->relation]) saved = NULL; /* its table begins empty */
        ep->fresh = !saved;
        if (!saved) {
            hg_log(HG_LOG_INFO, "connector", ep->name, "resume", "\"new or changed: it starts as configured\"");
            continue;
        }
        ep->saved_position = hg_json_get(saved, "position");
        ep->change = hg_position_change(hg_json_str(hg_json_get(saved, "change"), ""));
        (void)hg_json_i64(hg_json_get(saved, "change_us"), &ep->change_us);
        ep->change_records = UINT64_MAX;
        if (take_counters(p, ep, saved, err) < 0) return damaged(p, ep, err);
    }
    return 0;
}

/* An output goes on where its sink was, unless it changed, or its first batch (send_snapshot) was not whole at the cut:
 * then it starts afresh, and only its counters go on. */
static int restore_output(hg_pipeline_t *p, endpoint_t *ep, const hg_json_t *list, hg_owed_t *owes, hg_err_t *err)
{
    const hg_json_t *saved = saved_endpoint(ep, list), *named = hg_json_named(list, hg_strz(ep->name));
    const hg_json_t *state = hg_json_get(named, "state"), *owed = hg_json_get(saved, "owed");
    bool has_state = state && state->kind == HG_J_OBJECT;
    ep->fresh = !saved || !has_state || !hg_json_bool(hg_json_get(saved, "snapshot_sent"), false);
    if (!ep->fresh && !hg_json_get_hex(saved, "life", &ep->life)) return bad(p, err, "an output's life is missing");
    if (ep->fresh) {
        hg_log(HG_LOG_INFO, "connector", ep->name, "resume", "\"new or changed: it starts as configured\"");
        return has_state ? hg_output_restore_counters(ep->out, state, err) : 0;
    }
    int rc = hg_output_restore(ep->out, state, err);
    if (!p->durable->diff.unchanged[ep->relation]) owed = NULL; /* rows of the old view: all of the new one follow */
    if (rc == 0 && owed && owed->kind == HG_J_OBJECT)
        rc = hg_owed_read(ep, hg_storage_dir(p->durable->storage), owed, owes, err);
    return rc;
}

/* The same again when this checkpoint is resumed from once more: what was written meanwhile is then known again. The
 * hash key is that of the pipeline's state: another one after a clear, the same for all who go on from the same
 * journal. */
static uint64_t new_life(const hg_pipeline_t *p, const endpoint_t *ep)
{
    uint64_t of[] = { p->hashkey.k0, p->hashkey.k1, p->durable->number, hg_connector_hash(ep->spec) };
    return XXH3_64bits(of, sizeof of);
}

static int restore_outputs(hg_pipeline_t *p, const hg_json_t *m, hg_owed_t *owes, hg_err_t *err)
{
    p->owner = p->opts.id ? XXH3_64bits(p->opts.id, strlen(p->opts.id)) : p->hashkey.k0;
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        endpoint_t *ep = p->outputs[i];
        ep->life = new_life(p, ep);
        if (m && restore_output(p, ep, hg_json_get(m, "outputs"), owes, err) < 0) return damaged(p, ep, err);
        hg_output_life(ep->out, p->owner, ep->life);
        if (m && ep->fresh && ep->spec->send_snapshot) hg_sink_snapshot_ask(p, ep->out);
    }
    return 0;
}

/* The user's word about an output that is still the same. */
static void take_outputs(hg_pipeline_t *p, const hg_json_t *m)
{
    for (uint32_t i = 0; m && i < p->n_outputs; i++) {
        endpoint_t *ep = p->outputs[i];
        const hg_json_t *saved = saved_endpoint(ep, hg_json_get(m, "outputs"));
        if (!saved) continue;
        hg_endpoint_output_paused(ep, hg_json_bool(hg_json_get(saved, "paused"), ep->spec->paused));
        (void)hg_json_i64(hg_json_get(saved, "paused_us"), &ep->since_us);
    }
}

/* The facts of connectors and orchestrator: from the checkpoint, then from the logs behind it. */
static int load_inputs(hg_pipeline_t *p, hg_err_t *err)
{
    hg_durable_t *d = p->durable;
    const hg_json_t *m = hg_storage_manifest(d->storage);
    int rc = take_inputs(p, m, err);
    if (rc == 0 && m && hg_orch_load(p->orch, hg_json_get(m, "orchestrator"), hg_durable_is_fresh, p, err) < 0) {
        err->code = HG_EDAMAGED;
        rc = of_checkpoint(p, err);
    }
    if (rc == 0) take_outputs(p, m);
    if (rc == 0) rc = hg_storage_logs(d->storage, "events", d->number, read_log, p, err);
    return rc;
}

int hg_durable_look(hg_pipeline_t *p, const char *dir, hg_err_t *err)
{
    int rc = hg_durable_open(p, dir, UINT64_MAX, err);
    if (rc == 0 && p->cfg.ft != HG_FT_NONE) rc = hg_jreplay_load(p, &p->durable->replay, err);
    if (rc < 0) return rc;
    if (p->durable->replay)
        atomic_store(&p->steps, p->durable->replay->last); /* what is decided now comes behind them */
    return load_inputs(p, err);
}

static bool has_marks(const hg_jreplay_t *r)
{
    for (uint32_t i = 0; i < r->n_steps; i++)
        if (r->steps[i].is_mark) return true;
    return false;
}

/* at_least_once, nothing of it can be replayed: its steps only count. Not those of a transaction: left out here, it
 * would be closed in this life and open again in the next one, which then nets what this one had sent piece by piece.
 */
static void begin_replay(hg_pipeline_t *p, hg_jreplay_t *r)
{
    hg_host_durable(p->host, r->last);
    if (p->cfg.ft == HG_FT_AT_LEAST_ONCE && !hg_jreplay_wanted(r) && !has_marks(r)) {
        r->n_steps = 0;
        atomic_store(&p->steps, r->last);
    }
    if (r->n_steps) atomic_store(&p->replaying, true);
}

int hg_durable_restore_endpoints(hg_pipeline_t *p, hg_err_t *err)
{
    hg_durable_t *d = p->durable;
    const hg_json_t *m = hg_storage_manifest(d->storage);
    int rc = load_inputs(p, err);
    if (rc == 0 && m) keep_totals(p);
    if (rc == 0 && d->replay) rc = hg_jreplay_resolve(d->replay, err);
    for (uint32_t i = 0; i < p->n_inputs && rc == 0; i++) rc = restore_input(p, p->inputs[i], err);
    hg_owed_t owes = { 0 };
    if (rc == 0) rc = restore_outputs(p, m, &owes, err);
    if (rc == 0) hg_owed_push(&owes);
    hg_owed_release(&owes);
    if (rc == 0 && p->cfg.ft != HG_FT_NONE) d->journal = hg_journal_new(p, d->storage, d->log_number);
    if (rc == 0 && d->replay) begin_replay(p, d->replay);
    if (rc == 0 && m)
        hg_log(HG_LOG_INFO, "storage", p->name, "resumed", "number=%" PRIu64 " step=%" PRIu64, d->number,
               (uint64_t)atomic_load(&p->steps));
    return rc;
}

/* --- life --- */

void hg_durable_start(hg_pipeline_t *p)
{
    hg_durable_t *d = p->durable;
    hg_storage_sweep(d->storage, hg_checkpoint_files, NULL); /* not before what is resumed from is known to be whole */
    hg_checkpoints_list(d->storage);
    d->disk = hg_pool_new(1);
    uv_timer_init(hg_loop_uv(p->control), &d->timer);
    uv_timer_init(hg_loop_uv(p->control), &d->event_timer);
    d->timer.data = d->event_timer.data = d;
    d->handles = 2;
    if (p->cfg.sync) d->remote = hg_remote_new(d, p->cfg.sync);
}

static void handle_closed(uv_handle_t *h)
{
    ((hg_durable_t *)h->data)->handles--;
}

void hg_durable_close(hg_pipeline_t *p)
{
    hg_durable_t *d = p->durable;
    if (!d || d->closing) return;
    d->closing = true;
    hg_checkpoint_cancel(d);
    if (d->journal) hg_journal_close(d->journal);
    if (d->remote) hg_remote_close(d->remote);
    if (d->handles == 0) return;
    uv_close((uv_handle_t *)&d->timer, handle_closed);
    uv_close((uv_handle_t *)&d->event_timer, handle_closed);
}

bool hg_durable_closed(const hg_pipeline_t *p)
{
    const hg_durable_t *d = p->durable;
    if (!d) return true;
    if (!d->closing || d->handles || d->ck || d->event_busy) return false;
    if (d->remote && !hg_remote_closed(d->remote)) return false;
    return !d->journal || hg_journal_closed(d->journal);
}

void hg_durable_free(hg_durable_t *d)
{
    if (!d) return;
    hg_remote_free(d->remote);
    if (d->disk) hg_pool_free(d->disk);
    hg_journal_free(d->journal);
    hg_jreplay_free(d->replay);
    hg_events_release(d);
    hg_storage_close(d->storage);
    hg_arena_free(d->arena);
    hg_free(d->definitions);
    hg_free(d);
}
