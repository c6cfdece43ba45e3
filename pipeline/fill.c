/* fill.c: stored rows through new and changed views. See fill.h; all of it is the circuit thread's, except what says
 * otherwise. */
#include "pipeline/fill.h"
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/replay.h"
#include "pipeline/transaction.h"

#define STEP_ROWS    65536u
#define MOST_BEHIND  ((uint64_t)256 << 20) /* bytes of changes that may wait; more than that holds steps up */
#define LEAST_BEHIND ((uint64_t)64 << 20)  /* however small max_rss_mb is */

typedef enum { FILL_CONTENTS, FILL_CHANGES, FILL_CUTOVER, FILL_DONE } stage_t;

/* Changes of one relation, in their order: v[at..n), owned. */
typedef struct {
    hg_part_t **v;
    uint32_t at, n, cap;
} behind_t;

struct hg_filling {
    const bool *compute, *source, *follow; /* per relation: program_diff.h */
    bool *muted;                           /* those of compute that no step may change */
    bool *want;                            /* scratch: what goes to outputs */
    bool silent;
    uint32_t n; /* relations */
    bool concurrent;
    hg_snap_t **snaps; /* per relation; NULL: not read, or read */
    uint32_t relation; /* that is being read */
    uint32_t step;     /* from 0 */
    uint64_t cursor;

    behind_t *behind; /* per relation */
    uint64_t behind_rows, behind_bytes, most_bytes;
    uint64_t pass_rows, pass_left; /* of behind when this pass over it began; what is left of those */

    _Atomic int stage; /* stage_t */
    _Atomic uint64_t rows, total;
    _Atomic uint32_t read;
    uint32_t n_sources;
};

/* --- any thread --- */

void hg_fill_progress(const hg_filling_t *f, hg_fill_progress_t *ret)
{
    uint32_t read = atomic_load(&f->read);
    *ret = (hg_fill_progress_t){ .rows = atomic_load(&f->rows),
                                 .total = atomic_load(&f->total),
                                 .relations = f->n_sources,
                                 .read = read,
                                 .open = read < f->n_sources };
}

bool hg_fill_computes(const hg_pipeline_t *p, uint32_t relation)
{
    int phase = atomic_load(&p->phase); /* set behind p->filling */
    return (phase == HG_PHASE_CONCURRENT || phase == HG_PHASE_CUTOVER) && p->filling->muted[relation] &&
           atomic_load(&p->filling->stage) < FILL_DONE;
}

/* --- control loop --- */

hg_filling_t *hg_filling_new(const hg_pipeline_t *p, bool silent, bool concurrent)
{
    const hg_program_diff_t *d = &p->durable->diff;
    uint32_t n = p->prog->plan.n_relations;
    hg_filling_t *f = HG_NEW(hg_filling_t);
    f->compute = d->compute;
    f->source = d->source;
    f->follow = d->follow;
    f->muted = HG_NEWN(bool, n + 1);
    f->want = HG_NEWN(bool, n + 1);
    f->snaps = HG_NEWN(hg_snap_t *, n + 1);
    f->behind = HG_NEWN(behind_t, n + 1);
    f->n = n;
    f->silent = silent;
    f->concurrent = concurrent;
    f->most_bytes = p->cfg.max_rss_mb ? HG_MAX(LEAST_BEHIND, (p->cfg.max_rss_mb << 20) / 4) : MOST_BEHIND;
    for (uint32_t i = 0; i < n; i++) {
        f->muted[i] = d->compute[i] && !d->unchanged[i];
        f->n_sources += f->source[i];
    }
    return f;
}

void hg_filling_free(hg_filling_t *f)
{
    if (!f) return;
    for (uint32_t i = 0; i < f->n; i++) {
        behind_t *b = &f->behind[i];
        hg_snap_drop(f->snaps[i]);
        while (b->at < b->n) hg_part_drop(b->v[b->at++]);
        hg_free(b->v);
    }
    hg_free(f->snaps);
    hg_free(f->behind);
    hg_free(f->muted);
    hg_free(f->want);
    hg_free(f);
}

static void start_on_circuit(hg_pipeline_t *p, void *arg)
{
    hg_filling_t *f = arg;
    uint64_t total = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        hg_store_stats_t s;
        if (!f->source[i]) continue;
        hg_circuit_stats(p->circuit, i, &s);
        f->snaps[i] = hg_circuit_snap(p->circuit, i);
        total += s.rows;
    }
    atomic_store(&f->total, total);
    p->fills = true;
    p->awaits = false;
    if (!f->concurrent) return;
    p->off_record = p->ungated = true;
    hg_circuit_mute(p->circuit, f->muted);
    hg_circuit_wants(p);
}

void hg_fill_start(hg_pipeline_t *p)
{
    hg_circuit_post(p, start_on_circuit, p->filling);
}

static void filled(void *arg)
{
    hg_pipeline_filled(arg);
}

/* --- contents --- */

bool hg_filling(const hg_pipeline_t *p)
{
    return p->fills;
}

/* The next part of what is stored, or NULL behind the last one. */
static int next_part(hg_filling_t *f, hg_part_t **ret, hg_err_t *err)
{
    *ret = NULL;
    for (; f->relation < f->n; f->relation++) {
        if (!f->snaps[f->relation]) continue;
        int rc = hg_snap_scan(f->snaps[f->relation], &f->cursor, NULL, 0, ret, err);
        if (rc < 0 || *ret) return rc;
        hg_snap_drop(f->snaps[f->relation]);
        f->snaps[f->relation] = NULL;
        f->cursor = 0;
        atomic_fetch_add(&f->read, 1);
    }
    return 0;
}

/* The step of this part, if it was done before a crash. */
static const hg_rfill_t *done_before(const hg_pipeline_t *p)
{
    const hg_jreplay_t *r = p->durable->replay;
    return r && !p->filling->concurrent && p->filling->step < r->n_fills ? &r->fills[p->filling->step] : NULL;
}

static uint64_t fill_number(const hg_pipeline_t *p)
{
    const hg_jreplay_t *r = p->durable->replay;
    return HG_MAX(atomic_load(&p->steps), r ? r->last : 0) + 1;
}

/* One step with these rows (taken over), which may be none. */
static int send_rows(hg_pipeline_t *p, uint32_t relation, hg_delta_t *rows, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    const hg_rfill_t *before = done_before(p);
    hg_step_output_t out = { .deltas = p->deltas };
    uint64_t n = hg_delta_rows(rows);
    hg_step_t step = { .mode = HG_MODE_INCREMENTAL };
    step.number = before ? before->number : fill_number(p);
    step.now_us = before ? before->now_us : hg_now_us();
    if (before && before->rows != n) {
        hg_delta_release(rows);
        return hg_err_set(err, HG_EREPLAY,
                          "views of the changed program cannot be computed again as they were: step %" PRIu64
                          " had %" PRIu64 " rows, and has %" PRIu64 " now",
                          step.number, before->rows, n);
    }
    for (uint32_t i = 0; i < f->n; i++) f->want[i] = !f->silent && p->want[i] && f->muted[i];
    int64_t t0 = hg_mono_us();
    int rc = rows->n ? hg_circuit_fill(p->circuit, &step, relation, rows, f->compute, f->want, &out, err) : 0;
    atomic_fetch_add(&p->circuit_busy_us, (uint64_t)(hg_mono_us() - t0));
    struct hg_journal *journal = before ? NULL : hg_circuit_journal(p);
    if (rc == 0 && journal) hg_journal_fill(journal, &step, relation, (uint32_t)n);
    f->step++;
    if (rc == 0) rc = hg_circuit_stepped(p, step.number, NULL, 0, 0, err);
    atomic_fetch_add(&f->rows, n);
    return rc < 0 ? rc : 1;
}

/* --- what steps have changed meanwhile --- */

bool hg_fill_lets_steps(const hg_pipeline_t *p)
{
    const hg_filling_t *f = p->filling;
    return f->concurrent && atomic_load(&f->stage) < FILL_CUTOVER && f->behind_bytes < f->most_bytes;
}

bool hg_fill_feeds(const hg_pipeline_t *p, uint32_t relation)
{
    const hg_filling_t *f = p->filling;
    return f->concurrent && f->muted[relation];
}

bool hg_fill_concurrent(const hg_pipeline_t *p)
{
    return p->filling->concurrent;
}

void hg_fill_wants(const hg_pipeline_t *p)
{
    const hg_filling_t *f = p->filling;
    for (uint32_t i = 0; p->fills && f->concurrent && i < f->n; i++) p->want[i] |= f->follow[i];
}

static int room_behind(behind_t *b)
{
    if (b->n < b->cap) return 0;
    if (b->at >= b->cap / 2 && b->at > 0) {
        memmove(b->v, b->v + b->at, (b->n - b->at) * sizeof *b->v);
        b->n -= b->at;
        b->at = 0;
        return 0;
    }
    uint32_t cap = b->cap ? b->cap * 2 : 64;
    hg_part_t **v = hg_trygrow(b->v, cap * sizeof *v);
    if (!v) return HG_ENOMEM;
    b->v = v;
    b->cap = cap;
    return 0;
}

int hg_fill_follow(hg_pipeline_t *p, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    for (uint32_t r = 0; r < f->n; r++) {
        const hg_delta_t *d = &p->deltas[r];
        behind_t *b = &f->behind[r];
        for (uint32_t k = 0; f->follow[r] && k < d->n; k++) {
            if (room_behind(b) < 0)
                return hg_err_set(err, HG_ENOMEM, "out of memory for rows that wait until changed views are computed");
            b->v[b->n++] = hg_part_retain(d->parts[k]);
            f->behind_rows += d->parts[k]->n;
            f->behind_bytes += hg_batch_mem(d->parts[k]->batch);
            atomic_fetch_add(&f->total, d->parts[k]->n);
        }
    }
    return 0;
}

/* About one step's rows of the first relation that has some. */
static int take_behind(hg_filling_t *f, uint32_t *ret_relation, hg_delta_t *ret, hg_err_t *err)
{
    uint32_t r = 0;
    while (f->behind[r].at == f->behind[r].n) r++;
    behind_t *b = &f->behind[r];
    *ret_relation = r;
    *ret = (hg_delta_t){ 0 };
    for (uint64_t rows = 0; b->at < b->n && rows < STEP_ROWS;) {
        hg_part_t *part = b->v[b->at++];
        rows += part->n;
        f->behind_rows -= part->n;
        f->behind_bytes -= HG_MIN(f->behind_bytes, hg_batch_mem(part->batch));
        if (hg_delta_add(ret, part) == 0) continue; /* takes it over, also when it fails */
        hg_delta_release(ret);
        return hg_err_set(err, HG_ENOMEM, "out of memory for rows that have waited");
    }
    if (b->at == b->n) b->at = b->n = 0;
    if (f->behind_rows == 0) f->behind_bytes = 0;
    return 0;
}

/* At the end of a pass over what was behind: is it worth while to let steps go on, because less came meanwhile? */
static stage_t after_pass(const hg_pipeline_t *p)
{
    const hg_filling_t *f = p->filling;
    bool converges = f->behind_rows > STEP_ROWS && f->behind_rows <= f->pass_rows / 2;
    return converges || hg_txn_open(p) ? FILL_CHANGES : FILL_CUTOVER; /* half a transaction cannot be shown */
}

static int step_changes(hg_pipeline_t *p, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    uint32_t relation;
    hg_delta_t rows;
    if (f->pass_left == 0 && atomic_load(&f->stage) == FILL_CHANGES) {
        atomic_store(&f->stage, after_pass(p));
        f->pass_rows = f->pass_left = f->behind_rows;
        if (atomic_load(&f->stage) == FILL_CUTOVER) {
            atomic_store(&p->phase, HG_PHASE_CUTOVER);
            return 1;
        }
    }
    if (f->behind_rows == 0) return 0; /* a transaction is open: its end wakes us */
    int rc = take_behind(f, &relation, &rows, err);
    if (rc < 0) return rc;
    f->pass_left -= HG_MIN(f->pass_left, hg_delta_rows(&rows));
    return send_rows(p, relation, &rows, err);
}

/* --- steps --- */

/* The last step of it is empty: every output has had one then. */
static int finish(hg_pipeline_t *p, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    hg_delta_t none = { 0 };
    int rc = send_rows(p, 0, &none, err);
    if (rc < 0) return rc;
    atomic_store(&p->steps, fill_number(p) - 1); /* steps without rows that came behind them before a crash */
    p->fills = false;
    if (f->concurrent) {
        hg_circuit_mute(p->circuit, NULL);
        hg_circuit_wants(p);
    }
    atomic_store(&f->stage, FILL_DONE);
    hg_loop_post(p->control, filled, p);
    return 1;
}

static int step_contents(hg_pipeline_t *p, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    hg_delta_t rows = { 0 };
    hg_part_t *part;
    int rc = next_part(f, &part, err);
    if (rc < 0) return rc;
    if (!part && f->concurrent) {
        f->pass_rows = f->pass_left = f->behind_rows;
        atomic_store(&f->stage, FILL_CHANGES);
        return 1;
    }
    if (!part) return finish(p, err);
    if (hg_delta_add(&rows, part) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory reading what is stored");
    return send_rows(p, f->relation, &rows, err);
}

int hg_fill_step(hg_pipeline_t *p, hg_err_t *err)
{
    hg_filling_t *f = p->filling;
    if (atomic_load(&f->stage) == FILL_CONTENTS) return step_contents(p, err);
    bool over = atomic_load(&f->stage) == FILL_CUTOVER && f->behind_rows == 0;
    return over ? finish(p, err) : step_changes(p, err);
}
