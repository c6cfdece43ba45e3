/* circuit.c: the step: tables net their changes, views follow in order of declaration, stores reserve, and then all of
 * it is applied, or none.
 *
 *   eval     per relation a delta: tables, then views in order of declaration, last error_view and what reads it; late
 *            rows are dropped; rows that have to wait do so between a table and the views, a view and the outputs
 *            (hold_int.h); tables and stored views stage their writes; nothing that anyone can see changes
 *   output   wanted deltas are made ready to leave: consolidated if a weight is negative, dense if a selection is thin
 *   reserve  every store with staged writes
 *   apply    cannot fail
 *
 * Circuit thread only, but for hg_circuit_stats. What a relation costs when nothing reaches it is a look at its flag.
 */
#include "base/hg.h"
#include "base/log.h"
#include "engine/hold_int.h"
#include "engine/plan_int.h"
#include "engine/table_int.h"

typedef struct {
    const hg_relation_t *rel;
    const hg_type_t *const *types;
    hg_store_t *store; /* NULL: contents are not kept */
    hg_graph_t graph;  /* view */
    bool is_view;
    bool read;         /* some view reads it */
    bool after_errors; /* error_view, and views that read it, directly or not */
    hg_late_t *late;   /* NULL: no LATENESS */
    hg_delta_t delta;  /* of this step, as views read it */
    hg_hold_t *hold;   /* NULL: no row waits */
    hg_delta_t out;    /* where rows wait: as outputs and the store take it (out_of) */
    bool staged, busy; /* busy: something reached it in this step */
    char *name;
    _Atomic uint64_t steps, rows, usecs; /* in which something reached it; that it passed on; that it took */
} rel_t;

struct hg_circuit {
    const hg_plan_t *plan;
    hg_hashkey_t hashkey;
    rel_t *rels;
    uint32_t n;
    uint32_t next_merge;
    hg_net_t net;
    hg_src_t *srcs; /* scratch: sources of one relation */
    uint32_t cap_srcs;
    hg_reports_t reports; /* rows of this step for error_view */
    uint32_t error_view;  /* HG_NONE: there is none */
    const bool *muted;    /* per relation, or NULL */
    hg_change_t **kept;   /* changes of this step without their late rows */
    uint32_t n_kept, cap_kept;
    uint32_t *first, *order; /* scratch: inputs by relation; first has n + 1 entries */
    uint32_t cap_order;
};

/* --- life -------------------------------------------------------------------------------------------------------- */

static int to_delta(void *arg, hg_part_t *part, hg_err_t *err)
{
    rel_t *r = arg;
    if (hg_delta_add(&r->delta, part) == 0) return 0;
    return hg_err_set(err, HG_ENOMEM, "out of memory for the rows of view '%s'", r->name);
}

static int rel_open(hg_circuit_t *c, uint32_t i, hg_err_t *err)
{
    const hg_relation_t *rel = &c->plan->relations[i];
    rel_t *r = &c->rels[i];
    r->rel = rel;
    r->is_view = rel->kind == HG_REL_VIEW;
    r->late = hg_late_new(rel);
    if (rel->system) {
        c->error_view = i;
        r->after_errors = true;
    }
    r->name = hg_xstrndup(rel->schema.name.p, rel->schema.name.n);
    const hg_type_t **types = HG_NEWN(const hg_type_t *, rel->schema.n_cols + 1);
    for (uint32_t k = 0; k < rel->schema.n_cols; k++) types[k] = rel->schema.cols[k].type;
    r->types = types;
    bool keyed = !r->is_view && rel->schema.n_key > 0;
    int rc = hg_hold_new(rel, types, c->hashkey, &r->hold, err);
    if (rc < 0) return rc;
    if (rel->stored || keyed) {
        rc = hg_store_new(r->types, rel->schema.n_cols, keyed ? rel->schema.key : NULL, rel->schema.n_key, c->hashkey,
                          &r->store, err);
        if (rc < 0) return rc;
    }
    if (!r->is_view) return 0;
    rc = hg_graph_open(&r->graph, rel->node, to_delta, r, 0, err);
    for (uint32_t k = 0; k < r->graph.n && rc == 0; k++) {
        const hg_node_t *node = r->graph.ops[k].node;
        if (node->kind == HG_N_SCAN) {
            if (node->relation >= i)
                return hg_err_at(err, HG_EBUG, node->pos, "view '%s' reads a relation declared after it", r->name);
            c->rels[node->relation].read = true;
            r->after_errors |= c->rels[node->relation].after_errors;
        } else if (node->kind != HG_N_FILTER && node->kind != HG_N_MAP && node->kind != HG_N_UNION &&
                   node->kind != HG_N_UNNEST) {
            return hg_err_at(err, HG_EUNSUPPORTED, node->pos,
                             "view '%s' uses an operation that views do not have yet (%s)", r->name,
                             r->graph.ops[k].type->name);
        }
    }
    return rc;
}

static const hg_type_t text_type = { .kind = HG_T_VARCHAR, .precision = -1 };

int hg_circuit_new(const hg_plan_t *plan, const hg_circuit_opts_t *opts, hg_circuit_t **ret, hg_err_t *err)
{
    hg_circuit_t *c = HG_NEW(hg_circuit_t);
    c->plan = plan;
    c->hashkey = opts->hashkey;
    c->n = plan->n_relations;
    c->rels = HG_NEWN(rel_t, c->n + 1);
    c->first = HG_NEWN(uint32_t, c->n + 2);
    c->error_view = HG_NONE;
    hg_reports_init(&c->reports, &text_type);
    for (uint32_t i = 0; i < c->n; i++) {
        int rc = rel_open(c, i, err);
        if (rc < 0) {
            hg_circuit_free(c);
            return rc;
        }
    }
    *ret = c;
    return 0;
}

void hg_circuit_free(hg_circuit_t *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->n; i++) {
        rel_t *r = &c->rels[i];
        hg_graph_close(&r->graph);
        hg_store_free(r->store);
        hg_delta_release(&r->delta);
        hg_delta_release(&r->out);
        hg_late_free(r->late);
        hg_hold_free(r->hold);
        hg_free((void *)(uintptr_t)r->types);
        hg_free(r->name);
    }
    hg_net_release(&c->net);
    hg_reports_release(&c->reports);
    hg_free(c->kept);
    hg_free(c->srcs);
    hg_free(c->first);
    hg_free(c->order);
    hg_free(c->rels);
    hg_free(c);
}

/* All stores, some NULL: of relation i the store is 2 * i, its rows that wait are 2 * i + 1. */
static hg_store_t *store_at(const hg_circuit_t *c, uint32_t i)
{
    const rel_t *r = &c->rels[i / 2];
    if (i % 2 == 0) return r->store;
    return r->hold ? r->hold->store : NULL;
}

void hg_circuit_pool(hg_circuit_t *c, hg_pool_t *pool, void (*wake)(void *arg), void *arg)
{
    for (uint32_t i = 0; i < 2 * c->n; i++) {
        hg_store_t *st = store_at(c, i);
        if (!st) continue;
        st->pool = pool;
        st->wake = wake;
        st->wake_arg = arg;
    }
}

/* --- eval -------------------------------------------------------------------------------------------------------- */

static int room_for_srcs(hg_circuit_t *c, uint32_t n, hg_err_t *err)
{
    if (n <= c->cap_srcs) return 0;
    hg_src_t *p = hg_trygrow(c->srcs, sizeof *p * n);
    if (!p) return hg_err_set(err, HG_ENOMEM, "out of memory for a step's inputs");
    c->srcs = p;
    c->cap_srcs = n;
    return 0;
}

/* Inputs sorted by relation, in their order: those of r are order[first[r]..first[r + 1]). */
static int sort_inputs(hg_circuit_t *c, const hg_step_input_t *in, uint32_t n, uint64_t *rows, hg_err_t *err)
{
    if (n > c->cap_order) {
        uint32_t *p = hg_trygrow(c->order, sizeof *p * n);
        if (!p) return hg_err_set(err, HG_ENOMEM, "out of memory for a step's inputs");
        c->order = p;
        c->cap_order = n;
    }
    memset(c->first, 0, sizeof *c->first * (c->n + 2));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = in[i].relation;
        if (r >= c->n || c->rels[r].is_view)
            return hg_err_set(err, HG_EBUG, "a step's input goes to relation %u, which is no table", r);
        if (in[i].change->rows->n_cols != c->rels[r].rel->schema.n_cols)
            return hg_err_set(err, HG_EBUG, "table '%s' got rows of %u columns instead of %u", c->rels[r].name,
                              in[i].change->rows->n_cols, c->rels[r].rel->schema.n_cols);
        *rows += in[i].change->rows->n_rows;
        c->first[r + 2]++;
    }
    for (uint32_t r = 2; r < c->n + 2; r++) c->first[r] += c->first[r - 1];
    for (uint32_t i = 0; i < n; i++) c->order[c->first[in[i].relation + 1]++] = i;
    return 0;
}

/* The input's change without late rows, held until the step's end; *ret NULL: nothing is left of it. */
static int without_late(hg_circuit_t *c, rel_t *r, hg_change_t *in, hg_change_t **ret, hg_err_t *err)
{
    *ret = in;
    if (!r->late) return 0;
    if (c->n_kept == c->cap_kept) {
        uint32_t cap = c->cap_kept ? c->cap_kept * 2 : 16;
        hg_change_t **p = hg_trygrow(c->kept, sizeof *p * cap);
        if (!p) return hg_err_set(err, HG_ENOMEM, "out of memory for a step's inputs");
        c->kept = p;
        c->cap_kept = cap;
    }
    int rc = hg_late_change(r->late, &c->reports, in, ret, err);
    if (rc == 0 && *ret) c->kept[c->n_kept++] = *ret;
    return rc;
}

static int eval_table(hg_circuit_t *c, uint32_t ri, const hg_step_input_t *in, bool want, uint64_t *missing,
                      hg_err_t *err)
{
    rel_t *r = &c->rels[ri];
    uint32_t n = c->first[ri + 1] - c->first[ri];
    if (n == 0) return 0;
    r->busy = true;
    int rc = room_for_srcs(c, n, err);
    if (rc < 0) return rc;
    uint32_t left = 0;
    for (uint32_t k = 0; k < n; k++) {
        const hg_step_input_t *i = &in[c->order[c->first[ri] + k]];
        hg_change_t *change;
        rc = without_late(c, r, i->change, &change, err);
        if (rc < 0) return rc;
        if (!change) continue;
        c->srcs[left++] =
            (hg_src_t){ .batch = change->rows, .n = change->rows->n_rows, .change = change, .origin = i->origin };
    }
    if (left == 0) return 0;
    hg_table_in_t t = { .name = r->name,
                        .srcs = c->srcs,
                        .n = left,
                        .delta = !want && !r->read ? NULL
                                 : r->hold         ? &r->out
                                                   : &r->delta,
                        .missing = missing,
                        .late = r->late,
                        .reports = &c->reports };
    r->staged = r->store != NULL;
    rc = !r->store       ? hg_table_through(&t, err)
         : r->store->bag ? hg_table_bag(&c->net, r->store, &t, err)
                         : hg_table_keyed(&c->net, r->store, &t, err);
    if (rc == 0 && r->hold && r->read) rc = hg_hold_step(r->hold, c, &c->net, &r->out, &r->delta, err);
    if (rc < 0) hg_err_wrap(err, "table '%s'", r->name);
    return rc;
}

/* What outputs and the store get. */
static const hg_delta_t *out_of(const rel_t *r)
{
    return r->hold ? &r->out : &r->delta;
}

static int stage_view(hg_circuit_t *c, rel_t *r, hg_err_t *err)
{
    const hg_delta_t *d = out_of(r);
    int rc = room_for_srcs(c, d->n, err);
    if (rc < 0) return rc;
    for (uint32_t k = 0; k < d->n; k++) {
        const hg_part_t *p = d->parts[k];
        c->srcs[k] = (hg_src_t){ .batch = p->batch, .sel = p->sel, .n = p->n, .weights = p->weights };
    }
    hg_table_in_t t = { .name = r->name, .srcs = c->srcs, .n = d->n };
    r->staged = true;
    return hg_table_bag(&c->net, r->store, &t, err);
}

static int eval_view(hg_circuit_t *c, uint32_t ri, const hg_step_t *step, bool want, hg_err_t *err)
{
    rel_t *r = &c->rels[ri];
    hg_graph_t *g = &r->graph;
    int rc = 0;
    if (r->rel->local && !want && !r->read && !r->store) return 0; /* nobody could ever see it */
    g->step = step;
    for (uint32_t i = 0; i < g->n && rc >= 0; i++) {
        const hg_node_t *node = g->ops[i].node;
        if (node->kind == HG_N_SCAN) {
            const hg_delta_t *d = &c->rels[node->relation].delta;
            r->busy |= d->n > 0;
            for (uint32_t k = 0; k < d->n && rc >= 0; k++) rc = hg_graph_feed(g, i, hg_part_retain(d->parts[k]), err);
        }
        if (rc >= 0) rc = hg_graph_flush(g, i, err);
    }
    g->step = NULL;
    if (rc >= 0 && r->late) rc = hg_late_delta(r->late, &c->reports, &r->delta, err);
    if (rc >= 0 && r->hold) rc = hg_hold_step(r->hold, c, &c->net, &r->delta, &r->out, err);
    if (rc >= 0 && r->store && out_of(r)->n > 0) rc = stage_view(c, r, err);
    if (rc < 0) hg_err_wrap(err, "view '%s'", r->name);
    return rc < 0 ? rc : 0;
}

/* --- output ------------------------------------------------------------------------------------------------------ */

static bool has_negative(const hg_delta_t *d)
{
    for (uint32_t k = 0; k < d->n; k++)
        for (uint32_t i = 0; d->parts[k]->weights && i < d->parts[k]->n; i++)
            if (d->parts[k]->weights[i] < 0) return true;
    return false;
}

/* The delta as it leaves: a keyed table's is netted by key already, any other with a negative weight is consolidated; a
 * part that selects less than a quarter of its batch is copied, so that a queue does not hold what nobody reads. */
static int finish_output(const rel_t *r, hg_delta_t *out, hg_err_t *err)
{
    const hg_delta_t *d = out_of(r);
    if ((!r->store || r->store->bag) && has_negative(d))
        return hg_delta_consolidate(d, r->types, r->rel->schema.n_cols, out, err);
    for (uint32_t k = 0; k < d->n; k++) {
        hg_part_t *p = d->parts[k], *q = p;
        int rc = 0;
        if (p->sel && p->n < p->batch->n_rows / 4) {
            hg_batch_t *b;
            rc = hg_part_flatten(p, &b, err);
            if (rc == 0) rc = hg_part_over(p, b, &q, err);
            if (rc < 0) return rc;
        } else {
            hg_part_retain(p);
        }
        if (hg_delta_add(out, q) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for the rows of '%s'", r->name);
    }
    return 0;
}

/* --- step -------------------------------------------------------------------------------------------------------- */

/* Everything is evaluated: what leaves, and room for what is staged. */
static int prepare(hg_circuit_t *c, const bool *want, hg_step_output_t *out, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t r = 0; r < c->n && rc == 0; r++)
        if (want && want[r] && out_of(&c->rels[r])->n > 0) rc = finish_output(&c->rels[r], &out->deltas[r], err);
    for (uint32_t r = 0; r < c->n && rc == 0; r++) {
        if (c->rels[r].staged) rc = hg_store_reserve(c->rels[r].store, err);
        if (rc == 0 && c->rels[r].hold && c->rels[r].hold->staged) rc = hg_store_reserve(c->rels[r].hold->store, err);
        if (rc < 0) hg_err_wrap(err, "'%s'", c->rels[r].name);
    }
    return rc;
}

static void add_to(_Atomic uint64_t *counter, uint64_t n) /* only the circuit thread writes */
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

/* The relation has done its part of the step since *since. */
static void account(rel_t *r, int64_t *since)
{
    int64_t now = hg_mono_us();
    uint64_t rows = 0;
    for (uint32_t k = 0; k < out_of(r)->n; k++) rows += out_of(r)->parts[k]->n;
    add_to(&r->steps, 1);
    add_to(&r->rows, rows);
    add_to(&r->usecs, (uint64_t)(now - *since));
    *since = now;
    r->busy = false;
}

/* What is dropped in tables and views is told by error_view, so it comes behind them. */
enum { TABLES, VIEWS, ERRORS };

static int stage_of(const rel_t *r)
{
    return !r->is_view ? TABLES : r->after_errors ? ERRORS : VIEWS;
}

static int eval_all(hg_circuit_t *c, const hg_step_t *step, const hg_step_input_t *in, uint32_t n_in, const bool *want,
                    hg_step_output_t *out, hg_err_t *err)
{
    uint64_t rows = 0, missing = 0;
    int rc = sort_inputs(c, in, n_in, &rows, err);
    int64_t since = hg_mono_us();
    uint32_t e = c->error_view;
    c->reports.read = e != HG_NONE && (c->rels[e].read || c->rels[e].store || (want && want[e]));
    for (int stage = TABLES; stage <= ERRORS && rc == 0; stage++) {
        if (stage == ERRORS && c->reports.read) rc = hg_reports_take(&c->reports, &c->rels[e].delta, err);
        for (uint32_t r = 0; r < c->n && rc == 0; r++) {
            if (stage_of(&c->rels[r]) != stage || (c->muted && c->muted[r])) continue;
            if (step->cancel && atomic_load_explicit(step->cancel, memory_order_relaxed))
                return hg_err_set(err, HG_ECANCELED, "the step was canceled");
            rc = c->rels[r].is_view ? eval_view(c, r, step, want && want[r], err)
                                    : eval_table(c, r, in, want && want[r], &missing, err);
            if (c->rels[r].busy) account(&c->rels[r], &since);
        }
    }
    if (rc == 0) rc = prepare(c, want, out, err);
    out->rows_in = rows;
    out->deletes_missing = missing;
    return rc;
}

/* The end of a step, good (rc 0) or not. */
static void conclude(hg_circuit_t *c, int rc, const bool *want, hg_step_output_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        rel_t *r = &c->rels[i];
        if (rc == 0)
            hg_graph_apply(&r->graph);
        else
            hg_graph_discard(&r->graph);
        if (r->staged && rc == 0)
            hg_store_apply(r->store);
        else if (r->staged)
            hg_store_discard(r->store);
        r->staged = false;
        if (r->late) hg_late_end(r->late, rc == 0);
        if (r->hold) hg_hold_end(r->hold, rc == 0);
        hg_delta_release(&r->delta);
        hg_delta_release(&r->out);
        r->delta = r->out = (hg_delta_t){ 0 };
        if (rc == 0 || !want || !want[i]) continue;
        hg_delta_release(&out->deltas[i]);
        out->deltas[i] = (hg_delta_t){ 0 };
    }
    out->late = rc < 0 ? 0 : c->reports.late;
    hg_reports_clear(&c->reports);
    while (c->n_kept) hg_change_drop(c->kept[--c->n_kept]);
    if (c->net.cap > 4 * HG_PART_ROWS) hg_net_release(&c->net); /* one huge step does not hold its scratch for ever */
    if (rc < 0) out->rows_in = out->deletes_missing = 0;
}

int hg_circuit_step(hg_circuit_t *c, const hg_step_t *step, const hg_step_input_t *in, uint32_t n_in, const bool *want,
                    hg_step_output_t *out, hg_err_t *err)
{
    int rc = eval_all(c, step, in, n_in, want, out, err);
    conclude(c, rc, want, out);
    return rc;
}

int hg_circuit_fill(hg_circuit_t *c, const hg_step_t *step, uint32_t relation, hg_delta_t *rows, const bool *views,
                    const bool *want, hg_step_output_t *out, hg_err_t *err)
{
    int rc = 0;
    c->rels[relation].delta = *rows;
    *rows = (hg_delta_t){ 0 };
    for (uint32_t r = 0; r < c->n && rc == 0; r++)
        if (c->rels[r].is_view && views[r]) rc = eval_view(c, r, step, want && want[r], err);
    if (rc == 0) rc = prepare(c, want, out, err);
    out->rows_in = out->deletes_missing = 0;
    conclude(c, rc, want, out);
    return rc;
}

void hg_circuit_mute(hg_circuit_t *c, const bool *views)
{
    c->muted = views;
}

/* --- between steps ----------------------------------------------------------------------------------------------- */

bool hg_circuit_merge(hg_circuit_t *c, uint64_t budget_us)
{
    int64_t until = hg_mono_us() + (int64_t)budget_us;
    for (uint32_t k = 0; k < 2 * c->n; k++) {
        hg_store_t *st = store_at(c, c->next_merge);
        int64_t left = until - hg_mono_us();
        if (left <= 0 && k > 0) return true;
        if (st && hg_store_merge(st, left > 0 ? (uint64_t)left : 0)) return true; /* this one goes on next time */
        c->next_merge = (c->next_merge + 1) % (2 * c->n);
    }
    return false;
}

hg_snap_t *hg_circuit_snap(hg_circuit_t *c, uint32_t relation)
{
    return relation < c->n && c->rels[relation].store ? hg_store_snap(c->rels[relation].store) : NULL;
}

const hg_plan_t *hg_circuit_plan(const hg_circuit_t *c)
{
    return c->plan;
}

hg_late_t *hg_circuit_late(hg_circuit_t *c, uint32_t relation)
{
    return c->rels[relation].late;
}

hg_hold_t *hg_circuit_hold(hg_circuit_t *c, uint32_t relation)
{
    return c->rels[relation].hold;
}

hg_store_t *hg_circuit_store(hg_circuit_t *c, uint32_t relation)
{
    return c->rels[relation].store;
}

void hg_circuit_stats(const hg_circuit_t *c, uint32_t relation, hg_store_stats_t *ret)
{
    *ret = (hg_store_stats_t){ 0 };
    for (uint32_t i = 2 * relation; relation < c->n && i < 2 * relation + 2; i++) {
        const hg_store_t *st = store_at(c, i);
        if (!st) continue;
        uint64_t rows = atomic_load_explicit(&st->stat_rows, memory_order_relaxed);
        uint64_t index = atomic_load_explicit(&st->stat_index, memory_order_relaxed);
        *(i % 2 ? &ret->waiting : &ret->rows) = rows;
        ret->dead_rows += atomic_load_explicit(&st->stat_dead, memory_order_relaxed);
        ret->segments += atomic_load_explicit(&st->stat_segs, memory_order_relaxed);
        ret->index_bytes += index;
        ret->bytes += atomic_load_explicit(&st->acct->bytes, memory_order_relaxed) + index;
    }
}

void hg_circuit_profile(const hg_circuit_t *c, uint32_t relation, hg_rel_profile_t *ret)
{
    const rel_t *r = &c->rels[relation];
    ret->steps = atomic_load_explicit(&r->steps, memory_order_relaxed);
    ret->rows = atomic_load_explicit(&r->rows, memory_order_relaxed);
    ret->usecs = atomic_load_explicit(&r->usecs, memory_order_relaxed);
}
