/* begin.c: from made to running. Control loop, except what says otherwise.
 *
 *   a program like the one in the checkpoint, or no checkpoint:   outputs start → the journal is replayed → inputs open
 *   a changed one:
 *     awaiting approval     nothing has started; the socket answers
 *     bootstrapping         outputs start; the circuit thread sends the rows that were taken over through the views
 *                           that are new or changed, one part per step; then a checkpoint
 *     running               inputs open
 *     or, concurrent        outputs start, inputs open; the views are computed beside the steps (fill.h); then a
 *                           checkpoint, and everything as in any running pipeline
 *
 * Until that checkpoint is durable the folder holds the state of the old program, and no input has read anything that
 * is recorded: a crash before it leaves the old state, one after it the new one. A stop gives up what was computed: no
 * checkpoint is taken of half of it. Concurrent, a graceful one ends the computing.
 *
 * After a crash the same program computes the same again: what is stored has not changed, and is read in the same
 * parts, because all of it is pinned before the first of them, and nothing was merged until then. So the steps get the
 * numbers and moments that they have in the journal, and sinks that have had some of them leave those out, or are cut
 * back. Concurrent, there is no such order of steps, and none is in the journal: what goes on behind the checkpoint of
 * the old program is done again from there, and sinks may have it twice. The journal begins again at the cut of the
 * checkpoint, in memory, and goes to disk when that is durable: nobody ever reads steps without those before them.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/fill.h"
#include "pipeline/journal.h"
#include "pipeline/replay.h"

static const hg_program_diff_t *diff_of(const hg_pipeline_t *p)
{
    return p->durable ? &p->durable->diff : NULL;
}

static void set_life(hg_pipeline_t *p, life_state_t life)
{
    p->life = life;
    atomic_store(&p->phase, life == ST_AWAITING        ? HG_PHASE_AWAITING
                            : life == ST_BOOTSTRAPPING ? HG_PHASE_BOOTSTRAPPING
                                                       : HG_PHASE_LIVE);
}

/* --- starting --- */

static void start_outputs(hg_pipeline_t *p)
{
    for (uint32_t i = 0; i < p->n_outputs; i++) hg_output_start(p->outputs[i]->out);
}

static void forget_replay(hg_pipeline_t *p, void *arg)
{
    (void)arg;
    hg_jreplay_free(p->durable->replay);
    p->durable->replay = NULL;
}

void hg_pipeline_replayed(hg_pipeline_t *p)
{
    const hg_jreplay_t *r = p->durable ? p->durable->replay : NULL;
    if (r && r->hole) hg_journal_reread(p->durable->journal, r->hole_step, r->hole_entry);
    bool was = atomic_exchange(&p->replaying, false);
    for (uint32_t i = 0; i < p->n_outputs; i++)
        if (p->outputs[i]->out && !p->outputs[i]->tap) hg_output_heed(p->outputs[i]->out);
    hg_orch_start(p->orch, hg_now_us());
    hg_pipeline_obey(p);
    if (atomic_load(&p->running)) {
        hg_log(HG_LOG_INFO, "pipeline", p->name, "running", "%s", "");
        hg_pipeline_feed(p, HG_ORCH_RUN, 0, 0);
    }
    if (!was) return;
    hg_log(HG_LOG_INFO, "storage", p->name, "replayed", "step=%" PRIu64, (uint64_t)atomic_load(&p->steps));
    hg_circuit_request_step(p);
    hg_circuit_post(p, forget_replay, NULL);
    if (p->on_replayed) p->on_replayed(p->on_replayed_arg);
}

static void run_inputs(hg_pipeline_t *p)
{
    atomic_store(&p->running, p->opts.running);
    if (atomic_load(&p->replaying))
        hg_jreplay_start(p->durable->replay);
    else
        hg_pipeline_replayed(p);
}

static void start_inputs(hg_pipeline_t *p)
{
    set_life(p, ST_RUNNING);
    run_inputs(p);
    if (p->durable) hg_checkpoint_interval(p->durable);
}

/* --- bootstrapping --- */

static void on_record(hg_pipeline_t *p, void *arg)
{
    (void)arg;
    p->off_record = p->ungated = false;
    if (p->durable->journal) hg_journal_release(p->durable->journal);
}

/* The state of the new program is on disk, or could not be written. */
static void saved(hg_pipeline_t *p, const hg_err_t *err)
{
    bool concurrent = hg_pipeline_concurrent(p);
    bool goes_on = concurrent ? p->life == ST_RUNNING || p->life == ST_DRAINING : p->life == ST_BOOTSTRAPPING;
    if (!goes_on) return;
    if (err->code && p->cfg.ft != HG_FT_NONE) {
        hg_err_t e = *err;
        hg_err_wrap(&e, "the state of the changed program could not be saved; that of the old program is kept");
        hg_pipeline_fail(p, &e);
        return;
    }
    hg_fill_progress_t done;
    hg_fill_progress(p->filling, &done);
    hg_log(HG_LOG_INFO, "storage", p->name, "bootstrapped", "step=%" PRIu64 " rows=%" PRIu64,
           (uint64_t)atomic_load(&p->steps), done.rows);
    if (!concurrent) {
        start_inputs(p);
        return;
    }
    atomic_store(&p->phase, HG_PHASE_LIVE);
    hg_circuit_post(p, on_record, NULL);
    hg_checkpoint_interval(p->durable);
}

void hg_pipeline_filled(hg_pipeline_t *p)
{
    hg_err_t err = HG_ERR_INIT;
    bool concurrent = hg_pipeline_concurrent(p);
    if (concurrent) atomic_store(&p->phase, HG_PHASE_FINALIZING);
    if (p->life != (concurrent ? ST_RUNNING : ST_BOOTSTRAPPING)) return; /* a stop takes a checkpoint of its own */
    if (hg_durable_check_inputs(p, HG_FT_AT_LEAST_ONCE, &err) < 0) { /* only without fault tolerance: nobody keeps it */
        saved(p, &err);
        return;
    }
    p->durable->on_suspended = saved;
    hg_checkpoint_ask(p->durable);
}

static void bootstrap(hg_pipeline_t *p, bool silent, bool concurrent)
{
    p->filling = hg_filling_new(p, silent, concurrent);
    set_life(p, ST_BOOTSTRAPPING);
    hg_log(HG_LOG_INFO, "storage", p->name, "bootstrapping", "%s",
           silent       ? "silent=true"
           : concurrent ? "concurrent=true"
                        : "");
    start_outputs(p);
    hg_fill_start(p);
    if (!concurrent) return;
    set_life(p, ST_RUNNING);
    atomic_store(&p->phase, HG_PHASE_CONCURRENT);
    run_inputs(p);
}

/* What was read since the last checkpoint is read again after a crash, and may be sent again. */
static int check_concurrent(const hg_pipeline_t *p, hg_err_t *err)
{
    if (p->cfg.ft != HG_FT_EXACTLY_ONCE) return 0;
    return hg_err_set(err, HG_ENOBOOTSTRAP,
                      "concurrent_bootstrap does not go with fault_tolerance exactly_once: until the changed views are "
                      "computed nothing is journaled; start or approve without it");
}

int hg_bootstrap_check(const hg_pipeline_t *p, const hg_pipeline_opts_t *o, hg_err_t *err)
{
    const hg_program_diff_t *d = &p->durable->diff;
    uint64_t number = p->durable->number;
    if (!d->any) return 0;
    if (d->refusal) return hg_err_set(err, HG_ENOBOOTSTRAP, "checkpoint %" PRIu64 ": %s", number, d->refusal);
    if (o->bootstrap.policy == HG_BOOTSTRAP_REJECT) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_program_diff_text(d, &b);
        hg_err_set(err, HG_EREJECTED,
                   "the program differs from that of checkpoint %" PRIu64 ", and bootstrap_policy=reject forbids to go "
                   "on with its state: %.*s",
                   number, (int)b.len, b.p);
        hg_buf_release(&b);
        return HG_EREJECTED;
    }
    return o->bootstrap.policy == HG_BOOTSTRAP_ALLOW && o->bootstrap.concurrent ? check_concurrent(p, err) : 0;
}

void hg_pipeline_begin(hg_pipeline_t *p)
{
    const hg_program_diff_t *d = diff_of(p);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        atomic_store(&p->inputs[i]->paused, hg_orch_paused(p->orch, i));
        atomic_store(&p->inputs[i]->reason, (int)hg_orch_reason(p->orch, i));
    }
    if (!d || !d->any) {
        start_outputs(p);
        start_inputs(p);
    } else if (p->opts.bootstrap.policy == HG_BOOTSTRAP_ALLOW) {
        bootstrap(p, p->opts.bootstrap.silent, p->opts.bootstrap.concurrent);
    } else {
        set_life(p, ST_AWAITING);
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_program_diff_text(d, &b);
        hg_log(HG_LOG_INFO, "storage", p->name, "awaiting_approval", "changes=\"%.*s\"", (int)HG_MIN(b.len, 2000u),
               b.p);
        hg_buf_release(&b);
    }
}

int hg_pipeline_approve(hg_pipeline_t *p, bool silent, bool concurrent, hg_err_t *err)
{
    if (p->life != ST_AWAITING)
        return hg_err_set(err, HG_ETRANSITION, "the pipeline does not wait for an approval (it is '%s')",
                          hg_pipeline_status(p));
    if (concurrent && check_concurrent(p, err) < 0) return err->code;
    bootstrap(p, silent, concurrent);
    return 0;
}

/* --- any thread --- */

void hg_pipeline_bootstrap_json(const hg_pipeline_t *p, hg_jw_t *w)
{
    int phase = atomic_load(&p->phase);
    bool concurrent = phase == HG_PHASE_CONCURRENT || phase == HG_PHASE_CUTOVER;
    hg_jw_kstr(w, "concurrent_bootstrap_phase", concurrent ? hg_pipeline_status(p) : "Inactive");
    hg_jw_key(w, "concurrent_bootstrap_progress");
    if (!concurrent) {
        hg_jw_null(w);
        return;
    }
    hg_fill_progress_t f;
    hg_fill_progress(p->filling, &f);
    hg_jw_obj(w);
    hg_jw_ku64(w, "completed", f.read);
    hg_jw_ku64(w, "in_progress", f.open);
    hg_jw_ku64(w, "remaining", f.relations - f.read - f.open);
    hg_jw_ku64(w, "in_progress_processed_records", f.rows);
    hg_jw_ku64(w, "in_progress_total_records", f.total);
    hg_jw_end_obj(w);
}

const char *hg_pipeline_status(const hg_pipeline_t *p)
{
    switch (atomic_load(&p->phase)) {
    case HG_PHASE_AWAITING:
        return "AwaitingApproval";
    case HG_PHASE_BOOTSTRAPPING:
        return "Bootstrapping";
    case HG_PHASE_CONCURRENT:
        return "ConcurrentBootstrapping";
    case HG_PHASE_CUTOVER:
        return "Synchronizing";
    default:
        if (atomic_load(&p->replaying)) return "Replaying";
        return hg_pipeline_running(p) ? "Running" : "Paused";
    }
}

bool hg_pipeline_concurrent(const hg_pipeline_t *p)
{
    return atomic_load(&p->phase) >= HG_PHASE_CONCURRENT;
}

int hg_pipeline_flows(const hg_pipeline_t *p, hg_err_t *err)
{
    switch (atomic_load(&p->phase)) {
    case HG_PHASE_AWAITING:
        return hg_err_set(err, HG_EAPPROVAL,
                          "the program differs from the one whose state is stored: the pipeline waits for an approval "
                          "(POST …/approve, `fda approve`)");
    case HG_PHASE_BOOTSTRAPPING:
        return hg_err_set(err, HG_EBOOTSTRAP, "the pipeline is bootstrapping: changed views are being computed");
    default:
        return 0;
    }
}

int hg_pipeline_ready(const hg_pipeline_t *p, hg_err_t *err)
{
    if (!hg_pipeline_concurrent(p)) return hg_pipeline_flows(p, err);
    return hg_err_set(err, HG_EBOOTSTRAP,
                      "the pipeline is bootstrapping while its inputs run: this is possible again when the state of "
                      "the changed program is stored");
}

int hg_pipeline_takes(const hg_pipeline_t *p, hg_err_t *err)
{
    if (!hg_pipeline_concurrent(p) || p->cfg.ft == HG_FT_NONE) return hg_pipeline_flows(p, err);
    return hg_err_set(
        err, HG_EBOOTSTRAP,
        "the pipeline is bootstrapping while its inputs run: with fault tolerance nothing can be pushed or "
        "inserted until the state of the changed program is stored; try again then");
}

int hg_pipeline_readable(const hg_pipeline_t *p, uint32_t relation, hg_err_t *err)
{
    const hg_schema_t *s = &p->prog->plan.relations[relation].schema;
    if (!hg_fill_computes(p, relation)) return 0;
    return hg_err_set(err, HG_EBOOTSTRAP, "view '" HG_SF "' is being computed: its rows are not complete yet",
                      HG_SA(s->name));
}

void hg_pipeline_details_json(const hg_pipeline_t *p, hg_jw_t *w)
{
    int phase = atomic_load(&p->phase);
    hg_jw_obj(w);
    if (phase == HG_PHASE_AWAITING) {
        hg_jw_key(w, "approval_diff");
        hg_program_diff_json(diff_of(p), w);
    } else if (phase == HG_PHASE_FINALIZING) {
        hg_jw_kstr(w, "reason", "storing the state of the changed program");
    } else if (phase != HG_PHASE_LIVE) {
        char text[128];
        hg_fill_progress_t f;
        hg_fill_progress(p->filling, &f);
        snprintf(text, sizeof text, "computing changed views: %" PRIu64 " of %" PRIu64 " rows read", f.rows, f.total);
        hg_jw_kstr(w, "reason", text);
    }
    hg_jw_end_obj(w);
}
