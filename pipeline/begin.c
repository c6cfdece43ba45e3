/* begin.c: from made to running. Control loop, except what says otherwise.
 *
 *   a program like the one in the checkpoint, or no checkpoint:   outputs start → the journal is replayed → inputs open
 *   a changed one:
 *     awaiting approval     nothing has started; the socket answers
 *     bootstrapping         outputs start; the circuit thread sends the rows that were taken over through the views
 * that are new or changed, one part per step; then a checkpoint running               inputs open
 *
 * Until that checkpoint is durable the folder holds the state of the old program, and no input has read anything: a
 * crash before it leaves the old state, one after it the new one. A stop gives up what was computed: no checkpoint is
 * taken of half of it.
 *
 * After a crash the same program computes the same again: what is stored has not changed, and is read in the same
 * parts, because all of it is pinned before the first of them, and nothing was merged until then. So the steps get the
 * numbers and moments that they have in the journal, and sinks that have had some of them leave those out, or are cut
 * back.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/replay.h"

/* What the circuit thread needs while it fills views. The last step of it is empty: every output has had one then. */
struct hg_filling {
    const bool *compute, *source; /* per relation: program_diff.h */
    bool *want;                   /* what goes to outputs */
    uint32_t n;                   /* relations */
    hg_snap_t **snaps;            /* per relation; NULL: not read, or read */
    uint32_t relation;            /* that is being read */
    uint32_t step;                /* from 0 */
    uint64_t cursor;
    _Atomic uint64_t rows, total; /* read; to read */
};

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

/* --- circuit thread --- */

static void filled(void *arg);

static void fill_on_circuit(hg_pipeline_t *p, void *arg)
{
    struct hg_filling *f = arg;
    uint64_t total = 0;
    for (uint32_t i = 0; i < p->prog->plan.n_relations; i++) {
        hg_store_stats_t s;
        if (!f->source[i]) continue;
        hg_circuit_stats(p->circuit, i, &s);
        f->snaps[i] = hg_circuit_snap(p->circuit, i);
        total += s.rows;
    }
    atomic_store(&f->total, total);
    p->fills = true;
    p->awaits = false;
}

bool hg_filling(const hg_pipeline_t *p)
{
    return p->fills;
}

/* The next part of what is stored, or NULL behind the last one. */
static int next_part(hg_pipeline_t *p, hg_part_t **ret, hg_err_t *err)
{
    struct hg_filling *f = p->filling;
    *ret = NULL;
    for (; f->relation < p->prog->plan.n_relations; f->relation++) {
        if (!f->snaps[f->relation]) continue;
        int rc = hg_snap_scan(f->snaps[f->relation], &f->cursor, NULL, 0, ret, err);
        if (rc < 0 || *ret) return rc;
        hg_snap_drop(f->snaps[f->relation]);
        f->snaps[f->relation] = NULL;
        f->cursor = 0;
    }
    return 0;
}

/* The step of this part, if it was done before a crash. */
static const hg_rfill_t *done_before(const hg_pipeline_t *p)
{
    const hg_jreplay_t *r = p->durable->replay;
    return r && p->filling->step < r->n_fills ? &r->fills[p->filling->step] : NULL;
}

static uint64_t fill_number(const hg_pipeline_t *p)
{
    const hg_jreplay_t *r = p->durable->replay;
    return HG_MAX(atomic_load(&p->steps), r ? r->last : 0) + 1;
}

int hg_fill_step(hg_pipeline_t *p, hg_err_t *err)
{
    struct hg_filling *f = p->filling;
    const hg_rfill_t *before = done_before(p);
    hg_step_output_t out = { .deltas = p->deltas };
    hg_part_t *part;
    int rc = next_part(p, &part, err);
    if (rc < 0) return rc;
    uint32_t n = part ? part->n : 0, relation = part ? f->relation : 0;
    bool last = !part;
    hg_step_t step = { .mode = HG_MODE_INCREMENTAL };
    step.number = before ? before->number : fill_number(p);
    step.now_us = before ? before->now_us : hg_now_us();
    if (before && before->rows != n) {
        hg_part_drop(part);
        return hg_err_set(err, HG_EREPLAY,
                          "views of the changed program cannot be computed again as they were: step %" PRIu64
                          " had %" PRIu64 " rows, and has %u now",
                          step.number, before->rows, n);
    }
    int64_t t0 = hg_mono_us();
    if (part) rc = hg_circuit_fill(p->circuit, &step, f->relation, part, f->compute, f->want, &out, err);
    atomic_fetch_add(&p->circuit_busy_us, (uint64_t)(hg_mono_us() - t0));
    if (rc == 0 && !before && p->durable->journal) hg_journal_fill(p->durable->journal, &step, relation, n);
    f->step++;
    if (rc == 0) rc = hg_circuit_stepped(p, step.number, NULL, 0, 0, err);
    atomic_fetch_add(&f->rows, n);
    if (rc == 0 && last) {
        atomic_store(&p->steps, fill_number(p) - 1); /* steps without rows that came behind them before a crash */
        p->fills = false;
        hg_loop_post(p->control, filled, p);
    }
    return rc;
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

static void start_inputs(hg_pipeline_t *p)
{
    set_life(p, ST_RUNNING);
    atomic_store(&p->running, p->opts.running);
    if (atomic_load(&p->replaying))
        hg_jreplay_start(p->durable->replay);
    else
        hg_pipeline_replayed(p);
    if (p->durable) hg_checkpoint_interval(p->durable);
}

/* The state of the new program is on disk, or could not be written. */
static void saved(hg_pipeline_t *p, const hg_err_t *err)
{
    if (p->life != ST_BOOTSTRAPPING) return;
    if (err->code && p->cfg.ft != HG_FT_NONE) {
        hg_err_t e = *err;
        hg_err_wrap(&e, "the state of the changed program could not be saved; that of the old program is kept");
        hg_pipeline_fail(p, &e);
        return;
    }
    hg_log(HG_LOG_INFO, "storage", p->name, "bootstrapped", "step=%" PRIu64 " rows=%" PRIu64,
           (uint64_t)atomic_load(&p->steps), (uint64_t)atomic_load(&p->filling->rows));
    start_inputs(p);
}

static void filled(void *arg)
{
    hg_pipeline_t *p = arg;
    hg_err_t err = HG_ERR_INIT;
    if (p->life != ST_BOOTSTRAPPING) return;
    if (hg_durable_check_inputs(p, HG_FT_AT_LEAST_ONCE, &err) < 0) { /* only without fault tolerance: nobody keeps it */
        saved(p, &err);
        return;
    }
    p->durable->on_suspended = saved;
    hg_checkpoint_ask(p->durable);
}

static void bootstrap(hg_pipeline_t *p, bool silent)
{
    const hg_program_diff_t *d = diff_of(p);
    uint32_t n = p->prog->plan.n_relations;
    struct hg_filling *f = HG_NEW(struct hg_filling);
    f->compute = d->compute;
    f->source = d->source;
    f->want = HG_NEWN(bool, n + 1);
    f->snaps = HG_NEWN(hg_snap_t *, n + 1);
    f->n = n;
    for (uint32_t i = 0; i < n && !silent; i++) f->want[i] = p->want[i] && d->compute[i] && !d->unchanged[i];
    p->filling = f;
    set_life(p, ST_BOOTSTRAPPING);
    hg_log(HG_LOG_INFO, "storage", p->name, "bootstrapping", "%s", silent ? "silent=true" : "");
    start_outputs(p);
    hg_circuit_post(p, fill_on_circuit, f);
}

void hg_filling_free(struct hg_filling *f)
{
    if (!f) return;
    for (uint32_t i = 0; i < f->n; i++) hg_snap_drop(f->snaps[i]);
    hg_free(f->snaps);
    hg_free(f->want);
    hg_free(f);
}

static int no_concurrent(hg_err_t *err)
{
    return hg_err_set(err, HG_EUNSUPPORTED,
                      "concurrent_bootstrap is not offered by this version of headgate: inputs wait until the changed "
                      "views are computed; start or approve without it");
}

int hg_bootstrap_check(const hg_pipeline_opts_t *o, const hg_program_diff_t *d, uint64_t number, hg_err_t *err)
{
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
    return o->bootstrap.policy == HG_BOOTSTRAP_ALLOW && o->bootstrap.concurrent ? no_concurrent(err) : 0;
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
        bootstrap(p, p->opts.bootstrap.silent);
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
    if (concurrent) return no_concurrent(err);
    bootstrap(p, silent);
    return 0;
}

/* --- any thread --- */

const char *hg_pipeline_status(const hg_pipeline_t *p)
{
    switch (atomic_load(&p->phase)) {
    case HG_PHASE_AWAITING:
        return "AwaitingApproval";
    case HG_PHASE_BOOTSTRAPPING:
        return "Bootstrapping";
    default:
        if (atomic_load(&p->replaying)) return "Replaying";
        return hg_pipeline_running(p) ? "Running" : "Paused";
    }
}

int hg_pipeline_ready(const hg_pipeline_t *p, hg_err_t *err)
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

void hg_pipeline_details_json(const hg_pipeline_t *p, hg_jw_t *w)
{
    int phase = atomic_load(&p->phase);
    hg_jw_obj(w);
    if (phase == HG_PHASE_AWAITING) {
        hg_jw_key(w, "approval_diff");
        hg_program_diff_json(diff_of(p), w);
    } else if (phase == HG_PHASE_BOOTSTRAPPING) {
        char text[128];
        snprintf(text, sizeof text, "computing changed views: %" PRIu64 " of %" PRIu64 " rows read",
                 (uint64_t)atomic_load(&p->filling->rows), (uint64_t)atomic_load(&p->filling->total));
        hg_jw_kstr(w, "reason", text);
    }
    hg_jw_end_obj(w);
}
