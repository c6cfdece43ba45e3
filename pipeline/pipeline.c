/* pipeline.c: the life of a pipeline: making it, driving the orchestrator. Control loop.
 *
 * Events of the host become events of the orchestrator; its commands become calls of the host (hg_pipeline_obey).
 * It begins in begin.c and ends in stop.c.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/fill.h"
#include "pipeline/history.h"
#include "pipeline/replay.h"
#include "pipeline/transaction.h"

/* --- endpoints --- */

/* Change streams come and go: they are looked for, the others have their place in a map. */
endpoint_t *hg_pipeline_find(hg_pipeline_t *p, hg_str_t name, bool input)
{
    uint32_t id = hg_strmap_get(input ? &p->input_names : &p->output_names, name);
    if (id != HG_STRMAP_NONE) return input ? p->inputs[id] : p->outputs[id];
    for (uint32_t i = 0; !input && i < p->n_outputs; i++) {
        endpoint_t *ep = p->outputs[i];
        if (ep->tap && !ep->gone && hg_str_eq(hg_strz(ep->name), name)) return ep;
    }
    return NULL;
}

static endpoint_t *endpoint_make(hg_pipeline_t *p, bool input, const char *name, uint32_t relation)
{
    endpoint_t *ep = HG_NEW(endpoint_t);
    const hg_schema_t *s = &p->prog->plan.relations[relation].schema;
    ep->p = p;
    ep->input = input;
    ep->name = hg_xstrdup(name);
    ep->stream = hg_xprintf(s->case_sensitive ? "\"" HG_SF "\"" : HG_SF, HG_SA(s->name));
    ep->relation = relation;
    return ep;
}

/* Under lock. */
static void append_endpoint(hg_pipeline_t *p, endpoint_t *ep)
{
    endpoint_t ***eps = ep->input ? &p->inputs : &p->outputs;
    uint32_t *n = ep->input ? &p->n_inputs : &p->n_outputs;
    ep->id = *n;
    *eps = hg_xgrow(*eps, (*n + 1) * sizeof **eps);
    (*eps)[(*n)++] = ep;
}

static endpoint_t *new_endpoint(hg_pipeline_t *p, bool input, const char *name, uint32_t relation)
{
    endpoint_t *ep = endpoint_make(p, input, name, relation);
    pthread_mutex_lock(&p->lock);
    append_endpoint(p, ep);
    hg_strmap_put(input ? &p->input_names : &p->output_names, hg_strz(ep->name), ep->id);
    pthread_mutex_unlock(&p->lock);
    return ep;
}

static void free_endpoint(endpoint_t *ep)
{
    if (ep->in) hg_input_free(ep->in);
    if (ep->out) hg_output_free(ep->out);
    if (ep->retired) hg_output_free(ep->retired);
    hg_arena_free(ep->arena);
    hg_free(ep->marks);
    hg_free(ep->completion);
    hg_free(ep->next_position);
    hg_free(ep->name);
    hg_free(ep->stream);
    hg_free(ep);
}

endpoint_t *hg_pipeline_add_endpoint(hg_pipeline_t *p, bool input, const char *name, uint32_t relation)
{
    endpoint_t *ep = new_endpoint(p, input, name, relation);
    if (input) {
        uint32_t id = hg_orch_add(p->orch, hg_strz(name), hg_now_us());
        HG_ASSERT(id == ep->id);
    }
    return ep;
}

uint32_t hg_pipeline_tap_slot(const hg_pipeline_t *p)
{
    for (uint32_t i = 0; i < p->n_outputs; i++)
        if (p->outputs[i]->gone) return i;
    return p->n_outputs;
}

endpoint_t *hg_pipeline_add_tap(hg_pipeline_t *p, const char *name, uint32_t relation)
{
    uint32_t slot = hg_pipeline_tap_slot(p);
    endpoint_t *old = NULL, *ep = endpoint_make(p, false, name, relation);
    ep->tap = true;
    pthread_mutex_lock(&p->lock);
    if (slot == p->n_outputs) {
        append_endpoint(p, ep);
    } else {
        old = p->outputs[slot];
        ep->id = slot;
        p->outputs[slot] = ep;
    }
    pthread_mutex_unlock(&p->lock);
    if (old) free_endpoint(old);
    return ep;
}

/* Pool thread. */
static int from_metadata(void *arg, hg_col_t *meta, hg_col_t **cols, hg_err_t *err)
{
    const hg_relation_t *r = arg;
    hg_batch_t *b = hg_batch_new(meta->len, 1);
    b->cols[0] = hg_col_retain(meta);
    int rc = 0;
    for (uint32_t i = 0; i < r->schema.n_cols && rc == 0; i++) {
        if (!r->from_metadata[i]) continue;
        rc = hg_eval(r->from_metadata[i], b, NULL, meta->len, 0, &cols[i], err);
        if (rc < 0)
            hg_err_wrap(err, "DEFAULT of column '" HG_SF "' of table '" HG_SF "'", HG_SA(r->schema.cols[i].name),
                        HG_SA(r->schema.name));
    }
    hg_batch_drop(b);
    return rc;
}

void hg_pipeline_table_env(const hg_pipeline_t *p, uint32_t relation, hg_table_env_t *ret)
{
    const hg_relation_t *r = &p->prog->plan.relations[relation];
    *ret = (hg_table_env_t){ &r->schema, r->defaults, p->hashkey, r->deleted, NULL, NULL };
    if (!r->from_metadata) return;
    ret->from_metadata = from_metadata;
    ret->arg = (void *)(uintptr_t)r;
}

/* --- orchestrator --- */

static void tell_change(hg_pipeline_t *p, endpoint_t *ep)
{
    hg_orch_reason_t r = hg_orch_reason(p->orch, ep->id);
    atomic_store(&ep->paused, hg_orch_paused(p->orch, ep->id));
    atomic_store(&ep->reason, (int)r);
    if (r != HG_REASON_FAILED_) /* the host has logged why */
        hg_log(HG_LOG_INFO, "connector", ep->name, "state", "reason=%s", hg_orch_reason_name(r));
    if (p->opts.on_change) p->opts.on_change(p->opts.arg, ep->id, r);
}

/* A mark counts once it is durable: then the connectors that it is taken for may be opened. */
static void mark_durable(hg_pipeline_t *p, uint32_t conn, uint64_t token)
{
    hg_pipeline_feed(p, HG_ORCH_DURABLE, conn, token);
}

typedef struct {
    endpoint_t *ep;
    uint64_t token;
} persist_t;

static void log_mark(void *arg, hg_str_t position)
{
    persist_t *x = arg;
    if (hg_position_lost(position)) { /* without it the mark would be worth nothing: until there is memory again */
        hg_input_save(x->ep->in, log_mark, x);
        return;
    }
    hg_event_log(x->ep->p, x->ep->id, position, mark_durable, x->token);
    hg_free(x);
}

static void persist(hg_pipeline_t *p, endpoint_t *ep, uint64_t token)
{
    if (!p->durable || p->cfg.ft == HG_FT_NONE) { /* state lives as long as the process */
        mark_durable(p, ep->id, token);
        return;
    }
    persist_t *x = HG_NEW(persist_t);
    *x = (persist_t){ ep, token };
    hg_input_save(ep->in, log_mark, x);
}

static void obey(hg_pipeline_t *p, hg_orch_cmd_t cmd)
{
    endpoint_t *ep = p->inputs[cmd.conn];
    switch (cmd.kind) {
    case HG_ORCH_DO_OPEN:
        hg_endpoint_open(ep);
        break;
    case HG_ORCH_DO_MARK:
        hg_input_mark(ep->in);
        break;
    case HG_ORCH_DO_PERSIST:
        persist(p, ep, cmd.n);
        break;
    case HG_ORCH_DO_RUN:
        hg_input_run(ep->in);
        break;
    case HG_ORCH_DO_HOLD:
        hg_input_hold(ep->in);
        break;
    case HG_ORCH_DO_CLOSE:
        hg_endpoint_close(ep);
        break;
    case HG_ORCH_DO_REASON:
        tell_change(p, ep);
        break;
    case HG_ORCH_DO_ACTIVATED:
        if (ep->spec && ep->spec->has_after)
            hg_log(HG_LOG_INFO, "orchestrator", ep->name, "activated",
                   "\"starting endpoint %s, whose 'start_after' dependencies have been satisfied\"", ep->name);
        break;
    case HG_ORCH_CMD_N:
    default:
        (void)HG_NEVER(true);
    }
}

void hg_pipeline_obey(hg_pipeline_t *p)
{
    hg_orch_cmd_t cmd;
    while (hg_orch_next(p->orch, &cmd)) obey(p, cmd);
}

void hg_pipeline_feed(hg_pipeline_t *p, hg_orch_ev_kind_t kind, uint32_t conn, uint64_t n)
{
    if (p->life != ST_RUNNING || atomic_load(&p->replaying)) return;
    hg_orch_feed(p->orch, (hg_orch_ev_t){ kind, conn, n, hg_now_us() });
    hg_pipeline_obey(p);
}

static void on_opened(void *arg, uint32_t conn)
{
    hg_pipeline_t *p = arg;
    if (atomic_load(&p->replaying))
        hg_jreplay_opened(p->durable->replay, conn);
    else
        hg_pipeline_feed(p, HG_ORCH_OPENED, conn, 0);
}
static void on_ended(void *arg, uint32_t conn)
{
    hg_pipeline_feed(arg, HG_ORCH_ENDED, conn, 0);
}
static void on_buffered(void *arg, uint32_t conn, bool some)
{
    hg_pipeline_feed(arg, HG_ORCH_BUFFERED, conn, some);
}
static void on_marked(void *arg, uint32_t conn, const char *mark)
{
    hg_pipeline_t *p = arg;
    hg_log(HG_LOG_INFO, "connector", p->inputs[conn]->name, "marked", "mark=%s", mark);
    hg_pipeline_feed(p, HG_ORCH_MARKED, conn, 0);
}
/* The host has logged these two. */
static void on_mark_failed(void *arg, uint32_t conn, const hg_err_t *err)
{
    (void)err;
    hg_pipeline_feed(arg, HG_ORCH_MARK_FAILED, conn, 0);
}
static void on_failed(void *arg, uint32_t conn, const hg_err_t *err)
{
    hg_pipeline_t *p = arg;
    if (atomic_load(&p->replaying))
        hg_jreplay_failed(p->durable->replay, conn, err);
    else
        hg_pipeline_feed(p, HG_ORCH_FAILED, conn, 0);
}

void hg_pipeline_input_failed(hg_pipeline_t *p, uint32_t conn, const hg_err_t *err)
{
    hg_log(HG_LOG_ERROR, "connector", p->inputs[conn]->name, "not_started", "error=\"%s\"", err->msg);
    hg_pipeline_feed(p, HG_ORCH_FAILED, conn, 0);
}

static void on_closed(void *arg, uint32_t conn)
{
    hg_pipeline_t *p = arg;
    p->open_inputs--;
    if (atomic_load(&p->replaying))
        hg_jreplay_closed(p->durable->replay, conn);
    else
        hg_endpoint_closed(p->inputs[conn]);
    hg_pipeline_maybe_stopped(p);
}

/* A tap's output goes away with its request; configured outputs stay for the stats. */
static void free_tap_on_control(void *arg)
{
    endpoint_t *ep = arg;
    hg_pipeline_t *p = ep->p;
    pthread_mutex_lock(&p->lock);
    hg_output_t *out = ep->out;
    ep->out = NULL;
    ep->gone = true;
    pthread_mutex_unlock(&p->lock);
    hg_output_free(out);
    p->open_outputs--;
    hg_pipeline_maybe_stopped(p);
}

static void detach_tap(hg_pipeline_t *p, void *arg)
{
    endpoint_t *ep = arg;
    if (ep->resumable) hg_history_leave(p->history, ep->relation);
    hg_circuit_detach(p, ep->out);
    hg_loop_post(p->control, free_tap_on_control, ep);
}

static void on_output_failed(void *arg, uint32_t out, const hg_err_t *err)
{
    hg_pipeline_t *p = arg;
    if (!p->outputs[out]->tap) hg_endpoint_output_failed(p->outputs[out], err);
}

static void on_output_closed(void *arg, uint32_t out)
{
    hg_pipeline_t *p = arg;
    endpoint_t *ep = p->outputs[out];
    if (hg_endpoint_output_closed(ep)) {
        p->open_outputs--;
        hg_pipeline_maybe_stopped(p);
        return;
    }
    ep->closed = true;
    if (ep->tap) {
        hg_circuit_post(p, detach_tap, ep);
        return;
    }
    p->open_outputs--;
    hg_pipeline_maybe_stopped(p);
}

/* --- making --- */

static int make_inputs(hg_pipeline_t *p, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < p->prog->n_inputs && rc == 0; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        hg_table_env_t env;
        endpoint_t *ep = new_endpoint(p, true, spec->endpoint.p, spec->relation);
        ep->spec = spec;
        hg_pipeline_table_env(p, spec->relation, &env);
        rc = hg_input_new(p->host, spec, i, &env, &ep->in, err);
        if (rc == 0) p->open_inputs++;
    }
    return rc;
}

void hg_endpoint_output_paused(endpoint_t *ep, bool paused)
{
    hg_output_pause(ep->out, paused);
    atomic_store(&ep->paused, paused);
}

static int make_outputs(hg_pipeline_t *p, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = p->prog->n_inputs; i < p->prog->n_conns && rc == 0; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        endpoint_t *ep = new_endpoint(p, false, spec->endpoint.p, spec->relation);
        ep->spec = spec;
        rc = hg_output_new(p->host, spec, ep->id, &p->prog->plan.relations[spec->relation].schema, &ep->out, err);
        if (rc < 0) break;
        p->open_outputs++;
        hg_endpoint_output_paused(ep, spec->paused);
        hg_circuit_attach(p, spec->relation, ep->out); /* the circuit thread does not run yet */
    }
    return rc;
}

/* The labels again: the same check as at compile time, for programs that come from elsewhere. */
static int check_labels(hg_pipeline_t *p, hg_err_t *err)
{
    const hg_orch_issue_t *issues;
    hg_arena_t *a = hg_arena_new();
    int rc = 0;
    uint32_t n = hg_orch_check_config(a, p->prog->orch, p->prog->n_inputs, p->prog->unknown_label_warns, &issues);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if (!issues[i].warning)
            rc = hg_err_at(err, issues[i].code, issues[i].pos, "invalid controller configuration: %s", issues[i].msg);
    hg_arena_free(a);
    return rc;
}

static void release(hg_pipeline_t *p)
{
    for (uint32_t i = 0; i < p->n_inputs; i++) free_endpoint(p->inputs[i]);
    for (uint32_t i = 0; i < p->n_outputs; i++) free_endpoint(p->outputs[i]);
    hg_txn_free(p->txn);
    hg_durable_free(p->durable); /* its threads speak to the host */
    if (p->host) hg_host_free(p->host);
    hg_filling_free(p->filling);
    hg_history_free(p->history);
    hg_circuit_free(p->circuit);
    hg_orch_free(p->orch);
    hg_program_free(p->prog);
    hg_free(p->inputs);
    hg_free(p->outputs);
    hg_strmap_release(&p->input_names);
    hg_strmap_release(&p->output_names);
    hg_free(p->sinks);
    hg_free(p->want);
    hg_free(p->deltas);
    hg_free(p->marks);
    hg_free(p->name);
    pthread_mutex_destroy(&p->lock);
    hg_free(p);
}

static hg_pipeline_t *pipeline_alloc(const hg_pipeline_opts_t *opts)
{
    hg_pipeline_t *p = HG_NEW(hg_pipeline_t);
    p->opts = *opts;
    p->name = hg_xstrdup(opts->name);
    p->prog = opts->program;
    p->cfg = opts->config;
    p->control = opts->control;
    p->start_us = hg_now_us();
    hg_uuid_v7(p->incarnation);
    hg_random(&p->hashkey, sizeof p->hashkey);
    pthread_mutex_init(&p->lock, NULL);
    p->txn = hg_txn_new(p);
    hg_circuit_thread_init(p);
    hg_list_init(&p->query_list);
    return p;
}

int hg_pipeline_look(const hg_pipeline_opts_t *opts, hg_pipeline_t **ret, hg_err_t *err)
{
    hg_pipeline_t *p = pipeline_alloc(opts);
    int rc = check_labels(p, err);
    if (rc == 0) {
        p->orch = hg_orch_new(p->prog->orch, p->prog->n_inputs);
        for (uint32_t i = 0; i < p->prog->n_inputs; i++) {
            const hg_conn_spec_t *spec = &p->prog->conns[i];
            new_endpoint(p, true, spec->endpoint.p, spec->relation)->spec = spec;
        }
        if (opts->storage_dir && p->cfg.storage) rc = hg_durable_look(p, opts->storage_dir, err);
    }
    if (rc < 0) {
        p->prog = NULL; /* stays the caller's */
        release(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void hg_pipeline_look_free(hg_pipeline_t *p)
{
    if (p) release(p);
}

/* Its number if the damage is of this checkpoint alone, and there is one before it; else 0. */
static uint64_t damaged_with_older(const hg_pipeline_t *p, int rc, bool of_checkpoint)
{
    const hg_storage_t *s = p->durable ? p->durable->storage : NULL;
    return rc == HG_EDAMAGED && of_checkpoint && s && hg_storage_kept(s, 1) ? hg_storage_number(s) : 0;
}

/* Resumes from the newest checkpoint below that number. */
static int make(const hg_pipeline_opts_t *opts, uint64_t below, uint64_t *ret_damaged, hg_pipeline_t **ret,
                hg_err_t *err)
{
    bool of_checkpoint = false;
    hg_pipeline_t *p = pipeline_alloc(opts);
    p->want = HG_NEWN(bool, p->prog->plan.n_relations + 1);
    p->deltas = HG_NEWN(hg_delta_t, p->prog->plan.n_relations + 1);
    p->history = hg_history_new(p);

    unsigned cores = uv_available_parallelism();
    hg_host_opts_t ho = { .io_loops = p->cfg.io_loops,
                          .pool_threads = HG_MIN(p->cfg.workers ? p->cfg.workers : 8, cores),
                          .budget_bytes = p->cfg.queue_mib << 20,
                          .control = p->control,
                          .durable_name = p->name,
                          .exactly_once = p->cfg.ft == HG_FT_EXACTLY_ONCE,
                          .journal = p->cfg.ft != HG_FT_NONE,
                          .keep_payload = p->cfg.ft != HG_FT_NONE,
                          .keep_owed = p->cfg.ft != HG_FT_NONE };
    hg_host_events_t ev = { on_opened, on_ended,         on_buffered,      on_failed,       on_marked, on_mark_failed,
                            on_closed, on_output_closed, on_output_failed, hg_circuit_wake, p };

    int rc = check_labels(p, err);
    if (rc == 0) rc = hg_durable_check_level(p, opts->storage_dir, err);
    if (rc == 0 && opts->storage_dir && p->cfg.storage) rc = hg_durable_open(p, opts->storage_dir, below, err);
    if (rc == 0 && p->durable) rc = hg_durable_open_journal(p, err);
    if (rc == 0 && p->durable) rc = hg_bootstrap_check(p, opts, err);
    if (rc == 0) rc = hg_circuit_new(&p->prog->plan, &(hg_circuit_opts_t){ p->hashkey }, &p->circuit, err);
    if (rc < 0) goto undo;
    p->orch = hg_orch_new(p->prog->orch, p->prog->n_inputs);
    p->host = hg_host_new(&ho, &ev);
    hg_circuit_pool(p->circuit, hg_host_pool(p->host), hg_circuit_wake, p);
    rc = make_inputs(p, err);
    if (rc == 0) rc = make_outputs(p, err);
    if (rc == 0 && p->durable) {
        rc = hg_durable_restore_circuit(p, err);
        of_checkpoint = rc < 0;
    }
    if (rc == 0 && p->durable) rc = hg_durable_restore_endpoints(p, err);
    p->awaits = p->durable && p->durable->diff.any;
    if (rc == 0 && p->durable) hg_history_resume(p);
    if (rc == 0) rc = hg_circuit_thread_start(p, err);
    if (rc < 0) goto undo;
    if (p->durable) hg_durable_start(p);
    uv_timer_init(hg_loop_uv(p->control), &p->timer);
    p->timer_open = true;
    p->timer.data = p;
    hg_pipeline_begin(p);
    *ret = p;
    return 0;
undo:
    *ret_damaged = damaged_with_older(p, rc, of_checkpoint);
    p->prog = NULL; /* stays the caller's */
    release(p);
    return rc;
}

/* A checkpoint whose rows are damaged is named, and the one before it is used: the logs behind that are kept as long as
 * it is. */
int hg_pipeline_new(const hg_pipeline_opts_t *opts, hg_pipeline_t **ret, hg_err_t *err)
{
    uint64_t damaged = 0;
    hg_err_t older = HG_ERR_INIT;
    int rc = make(opts, UINT64_MAX, &damaged, ret, err);
    if (!damaged) return rc;
    hg_log(HG_LOG_ERROR, "storage", opts->name, "checkpoint_damaged", "number=%" PRIu64 " error=\"%s\"", damaged,
           err->msg);
    if (make(opts, damaged, &damaged, ret, &older) < 0) return rc; /* what is wrong with the newest is what counts */
    *err = HG_ERR_INIT;
    return 0;
}

/* --- steering --- */

bool hg_pipeline_running(const hg_pipeline_t *p)
{
    return atomic_load(&p->running);
}

void hg_pipeline_run(hg_pipeline_t *p, bool running)
{
    if (p->life == ST_AWAITING || p->life == ST_BOOTSTRAPPING) p->opts.running = running; /* as which it comes up */
    if (p->life != ST_RUNNING || atomic_load(&p->running) == running) return;
    atomic_store(&p->running, running);
    hg_log(HG_LOG_INFO, "pipeline", p->name, running ? "running" : "paused", "%s", "");
    hg_pipeline_feed(p, running ? HG_ORCH_RUN : HG_ORCH_PAUSE, 0, 0);
}

int hg_pipeline_connector(hg_pipeline_t *p, hg_str_t endpoint, bool input, bool start,
                          void (*said)(void *arg, const hg_err_t *err), void *arg, hg_err_t *err)
{
    int rc = hg_pipeline_flows(p, err);
    if (rc < 0) return rc;
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, endpoint, input);
    pthread_mutex_unlock(&p->lock);
    if (!ep)
        return hg_err_set(err, input ? HG_EUNKNOWNINPUT : HG_EUNKNOWNOUTPUT, "unknown %s endpoint name '" HG_SF "'",
                          input ? "input" : "output", HG_SA(endpoint));
    if (input && atomic_load(&p->replaying))
        return hg_err_set(err, HG_EREPLAY, "the journal is being replayed: ask again when the pipeline runs");
    if (input) {
        hg_pipeline_feed(p, start ? HG_ORCH_USER_START : HG_ORCH_USER_PAUSE, ep->id, 0);
        atomic_store(&ep->paused, hg_orch_paused(p->orch, ep->id));
        if (ep->spec)
            hg_event_facts(p, ep->id, said, arg);
        else
            said(arg, NULL);
        return 0;
    }
    uint64_t step = 0; /* from where on it counts, where these steps are done again */
    if (ep->out) {
        rc = start ? hg_endpoint_output_again(ep, err) : 0;
        if (rc < 0) return rc;
        step = hg_output_pause(ep->out, !start);
        if (atomic_load(&ep->paused) == start) ep->since_us = hg_now_us();
        atomic_store(&ep->paused, !start);
    }
    if (ep->spec)
        hg_event_output(p, ep->id, step, said, arg);
    else
        said(arg, NULL);
    return 0;
}

void hg_pipeline_free(hg_pipeline_t *p)
{
    if (!p) return;
    HG_ASSERT(p->life == ST_STOPPED && !p->timer_open);
    release(p);
}

/* --- small questions --- */

const hg_program_t *hg_pipeline_program(const hg_pipeline_t *p)
{
    return p->prog;
}
hg_host_t *hg_pipeline_host(hg_pipeline_t *p)
{
    return p->host;
}
const char *hg_pipeline_incarnation(const hg_pipeline_t *p)
{
    return p->incarnation;
}

int hg_pipeline_relation(const hg_pipeline_t *p, hg_str_t name)
{
    bool quoted = name.n >= 2 && name.p[0] == '"' && name.p[name.n - 1] == '"';
    if (quoted) name = (hg_str_t){ name.p + 1, name.n - 2 };
    for (uint32_t i = 0; i < p->prog->plan.n_relations; i++) {
        const hg_relation_t *r = &p->prog->plan.relations[i];
        if (r->local) continue;
        /* an unquoted name is folded, stored names of unquoted relations are folded already */
        bool same = quoted ? hg_str_eq(r->schema.name, name) : hg_str_ieq(r->schema.name, name);
        if (same && (quoted || !r->schema.case_sensitive || hg_str_eq(r->schema.name, name))) return (int)i;
    }
    return -1;
}
