/* stop.c: the end of a pipeline, by the user, by a failure, or because it is complete. Control loop.
 *
 *   DRAINING  a graceful stop: inputs are held, the circuit empties the queues (and ends what it computes beside the
 *             steps), a checkpoint is taken
 *   CLOSING   endpoints close, first inputs, then outputs: with all that is theirs (after draining) or at once
 *   STOPPED   nobody of ours is left; opts.on_stopped has been told why
 *
 * A harder stop overtakes a softer one. Whoever gives up its last piece of work asks hg_pipeline_maybe_stopped.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/move.h"
#include "pipeline/transaction.h"

#define DRAIN_TICK_MS 5
#define TAP_GRACE_MS  2000

static void timer_closed(uv_handle_t *h)
{
    hg_pipeline_t *p = h->data;
    p->timer_open = false;
    p->opts.on_stopped(p->opts.arg, &p->failure);
}

void hg_pipeline_maybe_stopped(hg_pipeline_t *p)
{
    if (p->life != ST_CLOSING || p->open_inputs || p->open_outputs || p->retiring || p->moves ||
        atomic_load(&p->queries))
        return;
    if (!hg_durable_closed(p)) return;
    hg_circuit_thread_stop(p);
    if (!hg_durable_closed(p)) return; /* its last step went into the journal meanwhile: the tick asks again */
    p->life = ST_STOPPED;
    uv_close((uv_handle_t *)&p->timer, timer_closed);
}

static void stop_outputs(hg_pipeline_t *p, bool taps_only, bool now)
{
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        endpoint_t *ep = p->outputs[i];
        if (ep->out && !ep->closed && (ep->tap || !taps_only)) hg_output_stop(ep->out, now);
    }
}

/* A subscriber that reads slowly or not at all holds nobody up for longer than this. */
static void cut_slow_taps(hg_pipeline_t *p)
{
    if (p->taps_cut || hg_mono_us() - p->stop_us < TAP_GRACE_MS * 1000) return;
    p->taps_cut = true;
    stop_outputs(p, true, true);
}

/* Outputs are stopped when nothing can push to them any more: neither chunks nor queries are under way. */
static void closing_step(hg_pipeline_t *p)
{
    if (!p->outputs_stopped && !p->swapping &&
        (!p->drain_outputs || (p->open_inputs == 0 && atomic_load(&p->queries) == 0))) {
        p->outputs_stopped = true;
        stop_outputs(p, false, !p->drain_outputs);
    }
    if (p->drain_outputs) cut_slow_taps(p);
    hg_pipeline_maybe_stopped(p);
}

/* Endpoints say when they are closed; queries end on threads of their own. */
static void closing_tick(uv_timer_t *t)
{
    closing_step(t->data);
}

static void close_all(hg_pipeline_t *p, bool drain_outputs)
{
    p->life = ST_CLOSING;
    p->drain_outputs = drain_outputs;
    atomic_store(&p->closing, true);
    hg_queries_cancel(p);
    hg_txn_close(p);
    hg_moves_stop(p);
    hg_durable_close(p);
    uv_timer_start(&p->timer, closing_tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
    for (uint32_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i]->in && !p->inputs[i]->closed) hg_input_close(p->inputs[i]->in);
    closing_step(p);
}

/* The checkpoint of a graceful stop is taken, or could not be. */
static void suspended(hg_pipeline_t *p, const hg_err_t *err)
{
    if (p->life != ST_DRAINING) return; /* a harder stop came meanwhile */
    if (err->code && p->failure.code == HG_OK) {
        hg_err_set(&p->failure, HG_ESUSPEND, "the pipeline was stopped without a checkpoint: %s", err->msg);
        p->failure.pos = (hg_pos_t){ 0 };
    }
    /* What is not in the journal may not be delivered; the next start does it again. */
    close_all(p, !err->code || p->cfg.ft == HG_FT_NONE);
}

/* Without fault tolerance too, where it can be had: who stops gracefully wants to go on later. */
static bool checkpoint_at_stop(const hg_pipeline_t *p)
{
    hg_err_t err = HG_ERR_INIT;
    if (!p->durable || !p->cfg.checkpoint_during_suspend) return false;
    if (p->cfg.ft != HG_FT_NONE || hg_durable_check_inputs(p, HG_FT_AT_LEAST_ONCE, &err) == 0) return true;
    hg_log(HG_LOG_WARN, "storage", p->name, "no_checkpoint", "reason=\"%s\"", err.msg);
    return false;
}

/* Everything that was read is stepped. */
static void drained(hg_pipeline_t *p)
{
    uv_timer_stop(&p->timer);
    if (!checkpoint_at_stop(p)) {
        close_all(p, true);
        return;
    }
    hg_queries_cancel(p); /* no INSERT comes behind the checkpoint */
    p->durable->on_suspended = suspended;
    hg_checkpoint_ask(p->durable);
}

static bool queues_empty(hg_pipeline_t *p)
{
    int phase = atomic_load(&p->phase);
    bool fills = phase == HG_PHASE_CONCURRENT || phase == HG_PHASE_CUTOVER;
    return !fills && hg_host_buffered_records(p->host) == 0 && !hg_host_ready(p->host) && !hg_txn_committing(p);
}

/* Draining is over when no view is being computed, nothing is buffered and the circuit is done with what it took (its
 * counters have caught up). Whoever acknowledges data looks at `closing` after queueing it, and we at the queues after
 * setting it. */
static void drain_tick(uv_timer_t *t)
{
    hg_pipeline_t *p = t->data;
    cut_slow_taps(p);
    hg_host_drop_held(p->host);
    if (queues_empty(p)) {
        atomic_store(&p->closing, true);
        if (queues_empty(p)) {
            drained(p);
            return;
        }
        atomic_store(&p->closing, false);
    }
    if (hg_host_ready(p->host)) hg_circuit_request_step(p); /* min_batch_size_records must not hold it up */
}

static void hold_and_drain(hg_pipeline_t *p)
{
    hg_orch_feed(p->orch, (hg_orch_ev_t){ HG_ORCH_PAUSE, 0, 0, hg_now_us() });
    hg_pipeline_obey(p);
    uv_timer_start(&p->timer, drain_tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
}

/* Inputs go on until each has ended the transaction that it has begun: half of one can be neither kept nor shown. */
static void parts_tick(uv_timer_t *t)
{
    hg_pipeline_t *p = t->data;
    uint32_t stuck;
    cut_slow_taps(p);
    if (hg_txn_parts_over(p) || (!p->durable && hg_txn_stuck(p, &stuck))) {
        hold_and_drain(p);
    } else if (hg_txn_stuck(p, &stuck)) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ETXNOPEN, "%s is in the middle of a transaction and does not run", p->inputs[stuck]->name);
        suspended(p, &err);
    }
}

/* A second, harder stop overtakes a first one that waits for an output. */
void hg_pipeline_stop(hg_pipeline_t *p, bool drain)
{
    bool begun = p->life != ST_AWAITING && p->life != ST_BOOTSTRAPPING;
    if (!begun) drain = false; /* no input has run, and the folder holds the state of the old program */
    if (p->life == ST_STOPPED || (begun && p->life != ST_RUNNING && drain)) return;
    if (!begun || p->life == ST_RUNNING) p->stop_us = hg_mono_us();
    atomic_store(&p->running, false);
    if (p->life == ST_CLOSING) {
        if (!p->drain_outputs) return;
        p->drain_outputs = p->outputs_stopped = false;
        closing_step(p);
    } else if (!drain || atomic_load(&p->replaying)) { /* a replay begins anew: the journal stays as it is */
        close_all(p, false);
    } else {
        p->life = ST_DRAINING;
        if (hg_txn_last(p))
            uv_timer_start(&p->timer, parts_tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
        else
            hold_and_drain(p);
    }
}

typedef struct {
    hg_pipeline_t *p;
    hg_err_t err;
} fail_t;

static void fail_on_control(void *arg)
{
    fail_t *f = arg;
    hg_pipeline_t *p = f->p;
    if (p->life != ST_STOPPED && p->failure.code == HG_OK) {
        p->failure = f->err;
        hg_log(HG_LOG_ERROR, "pipeline", p->name, "failed", "error=\"%s\" line=%u column=%u", f->err.msg,
               f->err.pos.line, f->err.pos.col);
        hg_pipeline_stop(p, false);
    }
    hg_free(f);
}

void hg_pipeline_fail(hg_pipeline_t *p, const hg_err_t *err)
{
    fail_t *f = HG_NEW(fail_t);
    *f = (fail_t){ p, *err };
    hg_loop_post(p->control, fail_on_control, f);
}
