/* snapshot.c: the initial content of a change stream or of an output (send_snapshot): the whole relation as it stood
 * between two steps, then the changes of every later step: no gap, no repetition. Circuit thread.
 *
 * The snapshot is read in parts as the subscriber takes them, so memory stays flat. One with back-pressure holds up
 * the steps until it has the whole of it. One without holds up nobody: if a step comes first, the rest of the
 * snapshot is queued before that step's changes.
 *
 * A configured output begins with one if it is fresh in a pipeline that is resumed (one that begins empty has nothing
 * to send). All of it is one batch: the sink has it whole or not at all, and only what it has confirmed counts as sent
 * in a checkpoint.
 */
#include "base/hg.h"
#include "pipeline/transaction.h"

#define LOSSY_PARTS 2 /* parts queued for a subscriber that holds up nobody, while no step comes */

void hg_sink_snapshot_drop(sink_t *s)
{
    hg_snap_drop(s->snap);
    s->snap = NULL;
}

static sink_t *find_sink(const hg_pipeline_t *p, const hg_output_t *out)
{
    for (uint32_t i = 0; i < p->n_sinks; i++)
        if (p->sinks[i].out == out) return &p->sinks[i];
    return NULL;
}

void hg_sink_snapshot_ask(hg_pipeline_t *p, const hg_output_t *out)
{
    sink_t *s = find_sink(p, out);
    s->snap_asked = true;
    s->late |= hg_txn_open(p);
}

bool hg_sink_snapshot_owed(const hg_pipeline_t *p, const hg_output_t *out)
{
    const sink_t *s = find_sink(p, out);
    return (s && (s->snap_asked || s->snap)) || hg_output_snapshot_owed(out);
}

void hg_snapshots_begin(hg_pipeline_t *p)
{
    if (hg_txn_open(p)) return; /* with the state behind it: the changes of later steps join it without a gap */
    for (uint32_t i = 0; i < p->n_sinks; i++) {
        sink_t *s = &p->sinks[i];
        if (!s->snap_asked) continue;
        s->snap_asked = false;
        s->snap = hg_circuit_snap(p->circuit, s->relation);
        s->snap_step = atomic_load(&p->steps);
        s->cursor = 0;
    }
}

void hg_sink_snapshot_begin(hg_pipeline_t *p, hg_output_t *out, bool backpressure)
{
    sink_t *s = &p->sinks[p->n_sinks - 1];
    HG_ASSERT(s->out == out);
    s->snap_asked = true;
    s->lossy = !backpressure;
    s->tap = true;
    hg_snapshots_begin(p);
}

/* The next part goes into the output's queue; behind the last one the snapshot is dropped. */
static int push_part(hg_pipeline_t *p, sink_t *s, hg_err_t *err)
{
    hg_part_t *part = NULL;
    hg_delta_t d = { 0 };
    uint64_t step = s->tap ? s->snap_step : atomic_load(&p->steps); /* an INSERT may have made one more */
    int rc = hg_snap_scan(s->snap, &s->cursor, NULL, 0, &part, err);
    if (rc < 0) return rc;
    if (!part) {
        hg_sink_snapshot_drop(s);
        hg_output_end_snapshot(s->out, step, atomic_load(&p->processed_records));
        return 0;
    }
    rc = hg_delta_add(&d, part); /* takes the part over, also when it fails */
    if (rc < 0) return hg_err_set(err, HG_ENOMEM, "out of memory reading a snapshot");
    hg_output_push_snapshot(s->out, step, &d, atomic_load(&p->processed_records));
    return 0;
}

static bool room(const sink_t *s)
{
    hg_output_stats_t st;
    if (!s->lossy) return !hg_output_full(s->out);
    hg_output_get_stats(s->out, &st);
    return st.queued_batches < LOSSY_PARTS;
}

int hg_snapshots_feed(hg_pipeline_t *p, hg_err_t *err)
{
    int rc = 0;
    hg_snapshots_begin(p);
    for (uint32_t i = 0; i < p->n_sinks && rc == 0; i++)
        while (rc == 0 && p->sinks[i].snap && room(&p->sinks[i])) rc = push_part(p, &p->sinks[i], err);
    return rc;
}

int hg_sink_snapshot_finish(hg_pipeline_t *p, sink_t *s, hg_err_t *err)
{
    int rc = 0;
    while (rc == 0 && s->snap) rc = push_part(p, s, err);
    return rc;
}
