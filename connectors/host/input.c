/* input.c: the life of an input endpoint.
 *
 *   new ─► open ─► (mark) ─► run ⇄ hold ─► close ─► free        failed: the instance is closed by itself, then close,
 * free
 *
 * Commands come from the control loop and are posted to the endpoint's I/O loop, which alone calls the transport. What
 * the owner wants (want_run) and what the queues say (waiter) are separate facts; hg_input_evaluate derives from them
 * whether the transport should read, and sends run and hold strictly in turn. A transport that got HG_LANE_FULL has
 * stopped by itself, so it always gets its hold before the next run, however short the wait was.
 *
 * Events go to the control loop. `buffered` and `ended` are states, not a log: at most one notice is under way per
 * endpoint, and it delivers what is true when it arrives, in the order "something is buffered", "ended", "nothing is
 * buffered". So the owner never sees an end before the data, nor a backlog of edges.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/fault.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/mem.h"

#define HG_INFLIGHT_PER_WORKER 2
#define HG_RETRY_BASE_MS       500
#define HG_RETRY_CAP_MS        30000

hg_input_t *hg_input_retain(hg_input_t *in)
{
    atomic_fetch_add(&in->refs, 1);
    return in;
}

void hg_input_drop(hg_input_t *in)
{
    if (atomic_fetch_sub(&in->refs, 1) != 1) return;
    hg_host_t *h = in->host;
    pthread_mutex_lock(&h->mu);
    if (h->inputs[in->conn] == in) h->inputs[in->conn] = NULL;
    pthread_mutex_unlock(&h->mu);
    for (unsigned i = 0; i < hg_pool_size(h->pool); i++)
        if (in->scratch[i] && in->format->scratch_free) in->format->scratch_free(in->scratch[i]);
    hg_free(in->scratch);
    for (unsigned i = 0; in->shapers && i < hg_pool_size(h->pool); i++) hg_shaper_free(in->shapers[i]);
    hg_free(in->shapers);
    if (in->parser) in->format->parser_free(in->parser);
    hg_errlist_release(&in->transport_errors);
    hg_errlist_release(&in->parse_errors);
    hg_errlist_release(&in->consumed_errors);
    pthread_mutex_destroy(&in->mu);
    hg_ranges_release(&in->consumed);
    hg_ranges_release(&in->cut);
    hg_replay_release(in);
    hg_free(in->restore);
    hg_free((void *)(uintptr_t)in->start.p);
    if (in->inst && in->type && in->type->fini) in->type->fini(in->inst);
    hg_free(in->inst);
    hg_free(in->name);
    hg_free(in);
    atomic_fetch_sub(&h->endpoints, 1);
}

static void no_wake(hg_waiter_t *w)
{
    hg_input_evaluate_post(HG_ENTRY(w, hg_input_t, waiter));
}

static void put_instance(hg_input_t *in)
{
    hg_host_t *h = in->host;
    pthread_mutex_lock(&h->mu);
    if (in->conn >= h->n_inputs) {
        uint32_t n = HG_MAX(2 * h->n_inputs, in->conn + 16);
        h->inputs = hg_xgrow(h->inputs, n * sizeof(hg_input_t *));
        memset(h->inputs + h->n_inputs, 0, (n - h->n_inputs) * sizeof(hg_input_t *));
        h->n_inputs = n;
    }
    h->inputs[in->conn] = in;
    pthread_mutex_unlock(&h->mu);
}

int hg_input_make(hg_host_t *h, const char *endpoint, uint32_t conn, const hg_table_env_t *env,
                  const hg_format_type_t *format, const void *format_cfg, hg_input_t **ret, hg_err_t *err)
{
    hg_parser_t *parser = NULL;
    if (format) {
        hg_parse_env_t penv = { .schema = env->schema, .defaults = env->defaults, .deleted = env->deleted };
        int rc = format->parser_new(format_cfg, &penv, &parser, err);
        if (rc < 0) return rc;
    }
    hg_input_t *in = HG_NEW(hg_input_t);
    atomic_fetch_add(&h->endpoints, 1);
    in->host = h;
    in->loop = hg_host_io_loop(h, atomic_fetch_add(&h->next_loop, 1));
    in->name = hg_xstrdup(endpoint);
    in->conn = conn;
    in->table = *env;
    in->format = format;
    in->parser = parser;
    in->max_queued_records = 1000000;
    in->max_queued_bytes = 1000 * in->max_queued_records;
    in->max_inflight = hg_pool_size(h->pool) * HG_INFLIGHT_PER_WORKER + 2;
    in->scratch = HG_NEWN(void *, hg_pool_size(h->pool));
    in->waiter.wake = no_wake;
    atomic_store(&in->refs, 1);
    pthread_mutex_init(&in->mu, NULL);
    hg_list_init(&in->waiter.link);
    hg_list_init(&in->lanes);
    hg_list_init(&in->fifo);
    hg_list_init(&in->waiters);
    hg_list_init(&in->parked);
    hg_list_init(&in->ready);
    hg_list_init(&in->ready_link);
    put_instance(in);
    *ret = in;
    return 0;
}

int hg_input_new(hg_host_t *h, const hg_conn_spec_t *spec, uint32_t conn, const hg_table_env_t *env, hg_input_t **ret,
                 hg_err_t *err)
{
    char name[512];
    hg_input_t *in;
    if (spec->in_type->abi != HG_CONNECTOR_ABI)
        return hg_err_set(err, HG_EUNSUPPORTED, "connector '%s' was built for another version of the contract",
                          spec->in_type->name);
    if (!spec->format && !(spec->in_type->caps & HG_CAP_BATCHES))
        return hg_err_set(err, HG_EINVAL, "connector '%s' needs a format", spec->in_type->name);
    snprintf(name, sizeof name, HG_SF, HG_SA(spec->endpoint));
    hg_table_env_t table = *env;
    if (!spec->soft_delete) table.deleted = NULL;
    int rc = hg_input_make(h, name, conn, &table, spec->format, spec->format_cfg, &in, err);
    if (rc < 0) return rc;
    in->soft_delete = spec->soft_delete;
    in->transforms = spec->transforms;
    in->transforms_by_line = spec->transforms_by_line;
    if (in->transforms) in->shapers = HG_NEWN(hg_shaper_t *, hg_pool_size(h->pool));
    in->type = spec->in_type;
    in->cfg = spec->transport_cfg;
    in->max_batch = spec->max_batch_size;
    in->keep_raw = h->keep_payload && spec->journal_payload;
    if (spec->max_queued_records) in->max_queued_records = spec->max_queued_records;
    in->max_queued_bytes = spec->max_queued_bytes ? spec->max_queued_bytes : 1000 * in->max_queued_records;
    in->inst = hg_xzero(in->type->inst_size);
    *ret = in;
    return 0;
}

/* --- events to the control loop --- */

typedef enum { EV_OPENED, EV_FAILED, EV_MARKED, EV_MARK_FAILED, EV_CLOSED } ev_kind_t;
typedef struct {
    ev_kind_t kind;
    hg_input_t *in;
    hg_err_t err;
    char mark[256];
} ev_t;

static void run_event(void *arg)
{
    ev_t *e = arg;
    hg_input_t *in = e->in;
    const hg_host_events_t *ev = &in->host->ev;
    switch (e->kind) {
    case EV_OPENED:
        if (ev->opened) ev->opened(ev->arg, in->conn);
        break;
    case EV_FAILED:
        if (ev->failed) ev->failed(ev->arg, in->conn, &e->err);
        break;
    case EV_MARKED:
        if (ev->marked) ev->marked(ev->arg, in->conn, e->mark);
        break;
    case EV_MARK_FAILED:
        if (ev->mark_failed) ev->mark_failed(ev->arg, in->conn, &e->err);
        break;
    case EV_CLOSED:
        hg_free(e);
        hg_input_drop(in); /* first: the owner frees its reference in the call-back, and then perhaps the host */
        if (ev->closed) ev->closed(ev->arg, in->conn);
        return;
    }
    hg_free(e);
    hg_input_drop(in);
}

static void post_event(hg_input_t *in, ev_kind_t kind, const hg_err_t *err, const char *mark)
{
    ev_t *e = HG_NEW(ev_t);
    e->kind = kind;
    e->in = hg_input_retain(in);
    if (err) e->err = *err;
    if (mark) snprintf(e->mark, sizeof e->mark, "%s", mark);
    hg_loop_post(in->host->control, run_event, e);
}

static void run_notice(void *arg)
{
    hg_input_t *in = arg;
    const hg_host_events_t *ev = &in->host->ev;
    pthread_mutex_lock(&in->mu);
    in->ev_posted = false;
    bool some = in->n_buffered > 0, ended = in->end_of_input, late = in->closed_sent;
    pthread_mutex_unlock(&in->mu);
    bool was_some = in->ev_some, was_ended = in->ev_ended;
    in->ev_some = some;
    in->ev_ended = ended;
    if (!late) {
        if (some && !was_some && ev->buffered) ev->buffered(ev->arg, in->conn, true);
        if (ended && !was_ended && ev->ended) ev->ended(ev->arg, in->conn);
        if (!some && was_some && ev->buffered) ev->buffered(ev->arg, in->conn, false);
    }
    hg_input_drop(in);
}

void hg_input_notify(hg_input_t *in)
{
    if (in->ev_posted || in->closed_sent) return;
    in->ev_posted = true;
    hg_loop_post(in->host->control, run_notice, hg_input_retain(in));
}

/* --- the I/O loop's side --- */

static void do_hold(hg_input_t *in)
{
    hg_err_t err = HG_ERR_INIT;
    in->running = false;
    if (in->type->hold(in, &err) < 0) hg_input_fail(in, "hold", &err);
}

static void evaluate(hg_input_t *in)
{
    if (!in->opened || in->closing || in->inst_closing || in->eoi_called) return;
    if (in->full_seen) {
        in->full_seen = false;
        if (in->running) do_hold(in);
    }
    bool blocked = atomic_load(&in->waiter.where) != HG_WAIT_NONE;
    bool should = in->want_run && !blocked && !hg_replay_stopped(in) && !atomic_load(&in->dead);
    if (should && !in->running) {
        hg_err_t err = HG_ERR_INIT;
        in->running = true;
        if (in->type->run(in, &err) < 0) hg_input_fail(in, "run", &err);
    } else if (!should && in->running) {
        do_hold(in);
    }
}

static void run_evaluate(void *arg)
{
    hg_input_t *in = arg;
    evaluate(in);
    hg_input_drop(in);
}

void hg_input_evaluate_post(hg_input_t *in)
{
    hg_loop_post(in->loop, run_evaluate, hg_input_retain(in));
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

static void close_instance(hg_input_t *in)
{
    if (in->inst_closing) return;
    in->inst_closing = true;
    hg_input_unpark(in);
    if (in->running && !in->eoi_called) do_hold(in);
    hg_waiter_cancel(in, &in->waiter);
    if (in->timer) {
        uv_close((uv_handle_t *)in->timer, free_timer);
        in->timer = NULL;
    }
    if (in->open_called)
        in->type->close(in);
    else
        hg_in_closed(in);
}

void hg_in_closed(hg_input_t *in)
{
    HG_ON_LOOP(in->loop);
    if (HG_NEVER(in->inst_closed)) return;
    in->inst_closed = true;
    while (!hg_list_empty(&in->lanes)) hg_lane_abandon(HG_ENTRY(in->lanes.next, hg_lane_t, link));
    pthread_mutex_lock(&in->mu);
    in->inst_gone = true;
    pthread_mutex_unlock(&in->mu);
    hg_input_settle(in);
}

void hg_input_drop_ready(hg_input_t *in)
{
    hg_host_t *h = in->host;
    hg_list_t jobs;
    uint64_t records = 0, bytes = 0;
    uint32_t n = 0;
    hg_list_init(&jobs);
    pthread_mutex_lock(&h->mu);
    for (hg_list_t *it; (it = hg_list_pop(&in->ready)) != NULL;) hg_list_add_tail(&jobs, it);
    if (hg_list_linked(&in->ready_link)) {
        hg_list_del(&in->ready_link);
        atomic_fetch_sub(&h->n_ready, 1);
    }
    pthread_mutex_unlock(&h->mu);
    for (hg_list_t *it; (it = hg_list_pop(&jobs)) != NULL;) {
        hg_job_t *j = HG_ENTRY(it, hg_job_t, link);
        records += j->pub.records;
        bytes += j->pub.bytes;
        n++;
        hg_job_drop(j);
    }
    pthread_mutex_lock(&in->mu);
    in->n_buffered -= n;
    in->buffered_records -= records;
    in->buffered_bytes -= bytes;
    pthread_mutex_unlock(&in->mu);
    atomic_fetch_sub(&h->buffered_records, records);
}

/* Two things wait for the last chunk in flight: the end of input, and the last event. */
void hg_input_settle(hg_input_t *in)
{
    hg_job_t *eoi = NULL;
    bool closed = false;
    pthread_mutex_lock(&in->mu);
    if (in->inflight == 0 && in->eoi_wanted && !in->end_of_input && !atomic_load(&in->dead)) {
        eoi = hg_job_new(in, NULL);
        eoi->pub.eoi = true;
        eoi->pub.ingested_us = hg_now_us();
        in->end_of_input = true;
        in->n_buffered++;
        hg_input_notify(in);
        pthread_mutex_lock(&in->host->mu);
        in->host->jobs++;
        pthread_mutex_unlock(&in->host->mu);
        hg_input_ready_push(in, eoi);
    }
    if (in->inflight == 0 && in->inst_gone && in->close_wanted && !in->closed_sent) closed = in->closed_sent = true;
    pthread_mutex_unlock(&in->mu);
    if (eoi) hg_host_wake(in->host);
    if (!closed) return;
    hg_input_drop_ready(in);
    post_event(in, EV_CLOSED, NULL, NULL);
}

static void fail_on_loop(void *arg)
{
    hg_input_t *in = arg;
    close_instance(in);
    hg_input_drop(in);
}

void hg_input_fail(hg_input_t *in, const char *tag, const hg_err_t *whole)
{
    const hg_err_t told = hg_hide_err(whole), *err = &told;
    pthread_mutex_lock(&in->mu);
    bool first = !in->failed;
    in->failed = true;
    in->n_transport_errors++;
    hg_errlist_add(&in->transport_errors, tag, hg_strz(err->msg));
    if (first) snprintf(in->fatal, sizeof in->fatal, "%s", err->msg);
    atomic_store(&in->dead, true);
    pthread_mutex_unlock(&in->mu);
    hg_log(HG_LOG_ERROR, "input", in->name, "failed", "tag=%s message=\"%s\"", tag, err->msg);
    if (!first) return;
    post_event(in, EV_FAILED, err, NULL);
    hg_point("input_failed", in);
    hg_loop_post(in->loop, fail_on_loop, hg_input_retain(in));
}

static void restore(hg_input_t *in)
{
    if (!in->restore) return;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_json_parse(a, hg_strz(in->restore), &pos, &err);
    if (rc == 0 && in->type->restore) rc = in->type->restore(in, pos, &err);
    hg_arena_free(a);
    if (rc >= 0) return;
    hg_err_wrap(&err, "cannot go on from the saved position");
    hg_input_fail(in, "restore", &err);
}

static void cmd_open(void *arg)
{
    hg_input_t *in = arg;
    hg_err_t err = HG_ERR_INIT;
    if (!in->open_called && !in->closing) {
        in->open_called = true;
        int rc = in->type ? in->type->open(in, &err) : 0;
        if (rc < 0) {
            hg_input_fail(in, "open", &err);
        } else {
            in->opened = true;
            restore(in);
            if (!atomic_load(&in->dead)) {
                post_event(in, EV_OPENED, NULL, NULL);
                evaluate(in);
            }
        }
    }
    hg_input_drop(in);
}

static void cmd_run(void *arg)
{
    hg_input_t *in = arg;
    in->want_run = true;
    evaluate(in);
    hg_input_drop(in);
}

static void cmd_hold(void *arg)
{
    hg_input_t *in = arg;
    in->want_run = false;
    evaluate(in);
    if (in->opened) hg_waiter_cancel(in, &in->waiter); /* who does not want to read keeps no place in a queue */
    hg_input_drop(in);
}

static void try_mark(hg_input_t *in)
{
    hg_err_t err = HG_ERR_INIT;
    if (!in->type || !in->opened || in->inst_closing || in->marking) return;
    in->marking = true;
    if (!in->type->mark) {
        hg_err_set(&err, HG_ENOMARK, "connector '%s' cannot mark a hand-off position", in->type->name);
        err.fatal = 1;
        hg_in_mark_failed(in, &err);
    } else if (in->type->mark(in, &err) < 0) {
        hg_in_mark_failed(in, &err);
    }
}

static void on_retry(uv_timer_t *t)
{
    try_mark(t->data);
}

static void cmd_mark(void *arg)
{
    hg_input_t *in = arg;
    try_mark(in);
    hg_input_drop(in);
}

static void cmd_unpark(void *arg)
{
    hg_input_t *in = arg;
    hg_input_unpark(in);
    hg_input_drop(in);
}

static void cmd_close(void *arg)
{
    hg_input_t *in = arg;
    in->closing = true;
    hg_input_unpark(in);
    close_instance(in);
    hg_input_settle(in);
    hg_input_drop(in);
}

/* --- commands: control loop --- */

void hg_input_open(hg_input_t *in)
{
    pthread_mutex_lock(&in->mu);
    in->end_of_input = false; /* that of an earlier run: this one says it again */
    pthread_mutex_unlock(&in->mu);
    hg_loop_post(in->loop, cmd_open, hg_input_retain(in));
}
void hg_input_mark(hg_input_t *in)
{
    hg_loop_post(in->loop, cmd_mark, hg_input_retain(in));
}

static void push_held(hg_input_t *in, bool held)
{
    pthread_mutex_lock(&in->mu);
    in->push_held = held;
    hg_queue_release(in);
    pthread_mutex_unlock(&in->mu);
}

void hg_input_run(hg_input_t *in)
{
    if (in->type)
        hg_loop_post(in->loop, cmd_run, hg_input_retain(in));
    else
        push_held(in, false);
}

void hg_input_hold(hg_input_t *in)
{
    if (in->type)
        hg_loop_post(in->loop, cmd_hold, hg_input_retain(in));
    else
        push_held(in, true);
}

void hg_input_close(hg_input_t *in)
{
    pthread_mutex_lock(&in->mu);
    in->close_wanted = true;
    atomic_store(&in->dead, true);
    if (!in->type) {
        in->inst_gone = true;
        hg_push_wake_all(in);
    }
    pthread_mutex_unlock(&in->mu);
    if (in->type) {
        hg_loop_post(in->loop, cmd_close, hg_input_retain(in));
        return;
    }
    if (in->format && in->format->parser_ask) hg_loop_post(in->loop, cmd_unpark, hg_input_retain(in));
    hg_input_settle(in);
}

void hg_input_free(hg_input_t *in)
{
    if (in) hg_input_drop(in);
}

/* --- services to the transport: the endpoint's loop --- */

bool hg_in_wants_metadata(const hg_input_t *in)
{
    return in->table.from_metadata != NULL;
}

const void *hg_in_cfg(const hg_input_t *in)
{
    return in->cfg;
}
void *hg_in_inst(hg_input_t *in)
{
    return in->inst;
}
hg_loop_t *hg_in_loop(const hg_input_t *in)
{
    return in->loop;
}
const char *hg_in_name(const hg_input_t *in)
{
    return in->name;
}
const hg_schema_t *hg_in_schema(const hg_input_t *in)
{
    return in->table.schema;
}
uint64_t hg_in_max_batch(const hg_input_t *in)
{
    return in->max_batch ? in->max_batch : UINT64_MAX;
}

void hg_in_eoi(hg_input_t *in)
{
    HG_ON_LOOP(in->loop);
    if (in->eoi_called || atomic_load(&in->dead) || hg_replay_eoi(in) < 0) return;
    in->eoi_called = true;
    in->running = false;
    hg_waiter_cancel(in, &in->waiter);
    pthread_mutex_lock(&in->mu);
    in->eoi_wanted = true;
    pthread_mutex_unlock(&in->mu);
    hg_input_settle(in);
}

void hg_in_error(hg_input_t *in, const char *tag, const hg_err_t *whole)
{
    const hg_err_t told = hg_hide_err(whole), *err = &told;
    HG_ON_LOOP(in->loop);
    if (err->fatal) {
        hg_input_fail(in, tag, err);
        return;
    }
    pthread_mutex_lock(&in->mu);
    in->n_transport_errors++;
    hg_errlist_add(&in->transport_errors, tag, hg_strz(err->msg));
    if (err->retry) hg_health_bad(&in->health, err->msg);
    pthread_mutex_unlock(&in->mu);
    hg_log(HG_LOG_WARN, "input", in->name, tag, "message=\"%s\"", err->msg);
}

void hg_in_retries_in(hg_input_t *in, uint64_t ms)
{
    pthread_mutex_lock(&in->mu);
    hg_health_next(&in->health, ms);
    pthread_mutex_unlock(&in->mu);
}

void hg_in_retries_within(hg_input_t *in, uint64_t ms)
{
    pthread_mutex_lock(&in->mu);
    hg_health_within(&in->health, ms);
    pthread_mutex_unlock(&in->mu);
}

void hg_in_healthy(hg_input_t *in)
{
    pthread_mutex_lock(&in->mu);
    hg_health_good(&in->health);
    pthread_mutex_unlock(&in->mu);
}

void hg_in_marked(hg_input_t *in, const char *mark_json)
{
    HG_ON_LOOP(in->loop);
    in->marking = false;
    in->mark_attempts = 0;
    pthread_mutex_lock(&in->mu);
    snprintf(in->mark, sizeof in->mark, "%s", mark_json);
    hg_health_good(&in->health);
    pthread_mutex_unlock(&in->mu);
    post_event(in, EV_MARKED, NULL, mark_json);
}

void hg_in_mark_failed(hg_input_t *in, const hg_err_t *err)
{
    HG_ON_LOOP(in->loop);
    in->marking = false;
    post_event(in, EV_MARK_FAILED, err, NULL);
    if (err->fatal) {
        hg_input_fail(in, "mark", err);
        return;
    }
    hg_err_t again = *err;
    again.retry = 1;
    hg_in_error(in, "mark", &again);
    if (in->inst_closing) return;
    if (!in->timer) {
        in->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(in->loop), in->timer);
        in->timer->data = in;
    }
    uint64_t ms = hg_backoff_ms(in->mark_attempts++, HG_RETRY_BASE_MS, HG_RETRY_CAP_MS);
    hg_in_retries_in(in, ms);
    uv_timer_start(in->timer, on_retry, ms, 0);
}

void hg_in_progress(hg_input_t *in, uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&in->mu);
    in->done = done;
    in->total = total;
    pthread_mutex_unlock(&in->mu);
}

void hg_in_work(hg_input_t *in, void (*work)(void *arg, unsigned worker), void (*done)(void *arg), void *arg)
{
    hg_pool_submit(in->host->pool, work, done, in->loop, arg);
}

hg_ft_t hg_input_ft(const hg_input_type_t *type)
{
    if (!type || !type->save || !type->restore) return HG_FT_NONE;
    return type->caps & HG_CAP_REPLAY ? HG_FT_EXACTLY_ONCE : HG_FT_AT_LEAST_ONCE;
}
