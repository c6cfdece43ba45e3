/* subject.h: one connector over crashes: what is durable of it, steps of one chunk each, checkpoints, replay. */
#ifndef HG_TESTS_CONNECTORS_HOST_SUBJECT_H
#define HG_TESTS_CONNECTORS_HOST_SUBJECT_H

#include "tests/unit/connectors_host/kit.h"

/* splitmix64: the same histories everywhere */
typedef struct {
    int64_t *v;
    size_t n, cap;
} values_t;

static inline void add_value(values_t *l, int64_t v)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 1024;
        l->v = hg_xgrow(l->v, sizeof *l->v * l->cap);
    }
    l->v[l->n++] = v;
}

/* The rows of a chunk; of one without rows (nothing in it is a number) its range. */
static inline void add_values(values_t *l, const hg_chunk_t *c)
{
    for (uint64_t i = 0; i < c->records; i++) add_value(l, HG_COL(c->change->rows->cols[0], int64_t)[i]);
    if (c->records) return;
    add_value(l, (int64_t)c->ranges[0].begin);
    add_value(l, (int64_t)c->ranges[0].end);
}

/* --- one connector and what is durable of it --- */

#define CUTS_MAX 20000
typedef struct {
    const hg_input_type_t *type;
    const char *json;               /* options */
    char *position;                 /* of the last checkpoint; before one: of the beginning, as the instance told */
    hg_replay_cut_t cuts[CUTS_MAX]; /* the journal after the checkpoint */
    size_t upto[CUTS_MAX];          /* values that were there after each cut */
    uint32_t n_cuts;
    values_t values; /* what the tables have */
    bool begun;      /* the instance has told where it began */
} subject_t;

static inline hg_input_t *subject_open(subject_t *s, uint64_t max_queued)
{
    hg_diag_t d = { .fn = kit_complain };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    void *cfg = hg_arena_alloc(kit->arena, s->type->cfg_size);
    memset(cfg, 0, s->type->cfg_size);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(s->json), &j, &err), 0);
    assert_int_equal(hg_opts_parse(s->type->opts, j, j, s->type->extra, s->type->extra == HG_EXTRA_TAKE ? cfg : NULL,
                                   kit->arena, cfg, &d),
                     0);
    hg_conn_spec_t spec = kit_spec(cfg);
    spec.in_type = s->type;
    spec.max_queued_records = max_queued;
    if (s->type->caps & HG_CAP_BATCHES) spec.format = NULL;
    hg_input_t *in = kit_input(&spec, 0);
    if (s->position) {
        hg_json_t *pos;
        assert_int_equal(hg_json_parse(kit->arena, hg_strz(s->position), &pos, &err), 0);
        if (s->type->check_position) assert_int_equal(s->type->check_position(cfg, pos, &err), 0);
        assert_int_equal(hg_input_restore(in, pos, &err), 0);
    }
    if (s->n_cuts) assert_int_equal(hg_input_replay(in, s->cuts, s->n_cuts, &err), 0);
    s->begun = false;
    hg_input_open(in);
    hg_input_run(in);
    return in;
}

/* The same chunks, in the journal's order. */
static inline void subject_replay(subject_t *s, hg_input_t *in)
{
    values_t again = { 0 };
    size_t from = s->values.n;
    if (!s->n_cuts) return;
    for (uint32_t i = 0; i < s->n_cuts; i++) {
        const hg_replay_cut_t *cut = &s->cuts[i];
        hg_chunk_t *c = NULL;
        KIT_WAIT(hg_host_take_exact(kit->h, 0, cut->lane_key, cut->begin, cut->end, &c) || kit->c[0].failed);
        if (!c) fail_msg("%s", kit->c[0].error);
        assert_int_equal(c->records, cut->records);
        assert_int_equal(c->raw_hash, cut->raw_hash);
        add_values(&again, c);
        hg_chunk_done(c);
    }
    from -= again.n;
    if (again.n) assert_memory_equal(again.v, s->values.v + from, sizeof *again.v * again.n);
    hg_free(again.v);
    hg_input_replay_end(in);
}

static inline void subject_checkpoint(subject_t *s, hg_input_t *in)
{
    const char *saved = kit_save(in);
    assert_int_equal(saved[0], '{');
    hg_free(s->position);
    s->position = hg_xstrdup(saved);
    s->n_cuts = 0;
}

/* Steps of one chunk each. Returns true at the end of input. */
static inline bool subject_step(subject_t *s)
{
    hg_chunk_t *c = kit_take_wait();
    bool eoi = c->eoi;
    if (!eoi) {
        assert_int_equal(c->n_ranges, 1);
        assert_true(s->n_cuts < CUTS_MAX);
        hg_chunk_claim_start(c);
        assert_int_equal(c->start.n > 0, !s->begun); /* whichever lane it is from */
        s->begun = true;
        if (c->start.n && !s->position) s->position = hg_xstrndup(c->start.p, c->start.n);
        add_values(&s->values, c);
        s->upto[s->n_cuts] = s->values.n;
        s->cuts[s->n_cuts++] =
            (hg_replay_cut_t){ c->lane_key, c->ranges[0].begin, c->ranges[0].end, c->records, c->raw_hash };
    }
    hg_chunk_done(c);
    return eoi;
}

static inline void subject_release(subject_t *s)
{
    hg_free(s->position);
    hg_free(s->values.v);
    hg_free(s);
}

#endif
