/* Histories of one table from bytes, against a model: keyed (with honest or colliding hashes), bag, or a table that
 * stores nothing.
 *
 * byte 0 picks the table; then each byte triple is (what, key, value): insert, delete, upsert, update, truncate, end of
 * the change batch, end of the step, merge. After every step the snapshot and the sum of all deltas must equal the
 * model. */
#include "base/hg.h"
#include "base/mem.h"
#include "engine/circuit.h"

enum { KEYS = 16, VALUES = 8, KEYED = 0, COLLIDING, BAG, THROUGH, N_MODES };
enum { DO_INSERT, DO_DELETE, DO_UPSERT, DO_UPDATE, DO_TRUNCATE, DO_BATCH, DO_STEP, DO_MERGE };
enum { MAX_BATCHES = 8 };

typedef struct {
    int64_t n[KEYS][VALUES]; /* copies of (key, value) */
} state_t;

typedef struct {
    int mode;
    hg_arena_t *arena;
    hg_relation_t rel;
    hg_plan_t plan;
    hg_circuit_t *c;
    hg_changeb_t b;
    hg_step_input_t in[MAX_BATCHES];
    uint32_t n_in, steps;
    bool bad; /* the step holds what this table refuses */
    state_t want, before, sum;
    uint8_t origin[KEYS]; /* keyed: who wrote it */
    uint8_t now_origin, before_origin[KEYS];
} run_t;

static void count_part(const hg_part_t *p, state_t *s)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t r = p->sel ? p->sel[i] : i;
        int64_t k = HG_COL(p->batch->cols[0], int64_t)[r];
        hg_str_t v = hg_col_var(p->batch->cols[1], r);
        HG_ASSERT(k >= 0 && k < KEYS && v.n < VALUES);
        for (size_t j = 0; j < v.n; j++) HG_ASSERT(v.p[j] == 'a' + (char)k);
        s->n[k][v.n] += p->weights ? p->weights[i] : 1;
    }
}

static void check(run_t *r)
{
    HG_ASSERT(memcmp(&r->sum, &r->want, sizeof r->sum) == 0);
    hg_snap_t *s = hg_circuit_snap(r->c, 0);
    HG_ASSERT((s == NULL) == (r->mode == THROUGH));
    if (!s) return;
    state_t got = { 0 };
    uint64_t cursor = 0;
    hg_part_t *p;
    hg_err_t err = HG_ERR_INIT;
    while (hg_snap_scan(s, &cursor, NULL, 0, &p, &err) == 0 && p) {
        count_part(p, &got);
        hg_part_drop(p);
    }
    HG_ASSERT(err.code == 0 && memcmp(&got, &r->want, sizeof got) == 0);
    hg_snap_drop(s);
}

static void end_batch(run_t *r)
{
    hg_change_t *c = hg_changeb_seal(&r->b);
    if (!c) return;
    if (r->mode == COLLIDING) {
        c->hash = hg_trynew(sizeof *c->hash * c->rows->n_rows);
        HG_ASSERT(c->hash);
        for (uint32_t i = 0; i < c->rows->n_rows; i++) c->hash[i] = (uint64_t)HG_COL(c->rows->cols[0], int64_t)[i] % 2;
    }
    r->in[r->n_in++] = (hg_step_input_t){ .change = c, .origin = r->now_origin };
}

static void end_step(run_t *r)
{
    end_batch(r);
    bool want = true;
    hg_delta_t delta = { 0 };
    hg_step_output_t out = { .deltas = &delta };
    hg_step_t step = { .number = ++r->steps, .now_us = r->steps };
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_circuit_step(r->c, &step, r->in, r->n_in, &want, &out, &err);
    HG_ASSERT((rc < 0) == r->bad && (rc == 0 || (rc == HG_EINVAL && strstr(err.msg, "'t'"))));
    if (r->bad) {
        r->want = r->before;
        memcpy(r->origin, r->before_origin, sizeof r->origin);
    }
    for (uint32_t i = 0; i < delta.n; i++) count_part(delta.parts[i], &r->sum);
    hg_delta_release(&delta);
    for (uint32_t i = 0; i < r->n_in; i++) hg_change_drop(r->in[i].change);
    r->n_in = 0;
    r->bad = false;
    r->before = r->want;
    memcpy(r->before_origin, r->origin, sizeof r->origin);
    check(r);
}

static bool has(const run_t *r, int k)
{
    for (int v = 0; v < VALUES; v++)
        if (r->want.n[k][v]) return true;
    return false;
}

static void model(run_t *r, hg_op_t op, int k, int v)
{
    bool keyed = r->mode == KEYED || r->mode == COLLIDING;
    if (op == HG_OP_TRUNCATE) {
        if (r->mode == THROUGH) r->bad = true;
        for (int i = 0; i < KEYS; i++)
            if (!keyed || r->origin[i] == r->now_origin) memset(r->want.n[i], 0, sizeof r->want.n[i]);
        return;
    }
    if (!keyed) {
        if (op == HG_OP_UPDATE) r->bad = true;
        r->want.n[k][v] += op == HG_OP_DELETE ? -1 : 1;
        return;
    }
    if (op == HG_OP_UPDATE && !has(r, k)) return;
    memset(r->want.n[k], 0, sizeof r->want.n[k]);
    if (op == HG_OP_DELETE) return;
    r->want.n[k][v] = 1;
    r->origin[k] = r->now_origin;
}

static void row(run_t *r, hg_op_t op, int k, int v)
{
    char text[VALUES];
    memset(text, 'a' + k, sizeof text);
    HG_ASSERT(hg_colb_i64(&r->b.cols[0], k) == 0 && hg_colb_var(&r->b.cols[1], text, (size_t)v) == 0);
    HG_ASSERT(hg_changeb_row(&r->b, op, NULL) == 0);
    model(r, op, k, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint32_t key[] = { 0 };
    run_t r = { .mode = n ? p[0] % N_MODES : 0, .arena = hg_arena_new() };
    hg_field_t f[] = { { .name = HG_S("k"), .type = hg_type_make(r.arena, HG_T_BIGINT, false, -1, 0) },
                       { .name = HG_S("v"), .type = hg_type_make(r.arena, HG_T_VARCHAR, true, -1, 0) } };
    bool keyed = r.mode == KEYED || r.mode == COLLIDING;
    r.rel = (hg_relation_t){ .kind = HG_REL_TABLE,
                             .stored = r.mode != THROUGH,
                             .schema = { .name = HG_S("t"), .cols = f, .n_cols = 2 } };
    if (keyed) {
        r.rel.schema.key = key;
        r.rel.schema.n_key = 1;
    }
    r.plan = (hg_plan_t){ &r.rel, 1 };
    hg_circuit_opts_t o = { .hashkey = { 3, 4 } };
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_circuit_new(&r.plan, &o, &r.c, &err) == 0);
    hg_changeb_init(&r.b, &r.rel.schema);
    for (size_t i = 1; i + 2 < n; i += 3) {
        int k = p[i + 1] % KEYS, v = p[i + 2] % VALUES;
        switch (p[i] % 8) {
        case DO_INSERT:
            row(&r, HG_OP_INSERT, k, v);
            break;
        case DO_DELETE:
            row(&r, HG_OP_DELETE, k, v);
            break;
        case DO_UPSERT:
            row(&r, HG_OP_UPSERT, k, v);
            break;
        case DO_UPDATE:
            row(&r, HG_OP_UPDATE, k, v);
            break;
        case DO_TRUNCATE:
            row(&r, HG_OP_TRUNCATE, k, v);
            break;
        case DO_BATCH:
            if (r.n_in == MAX_BATCHES - 1) break;
            end_batch(&r);
            if (keyed) r.now_origin = (uint8_t)(k % 3);
            break;
        case DO_STEP:
            end_step(&r);
            break;
        case DO_MERGE:
            if (r.n_in == 0 && r.b.len == 0) hg_circuit_merge(r.c, 0);
            break;
        default:
            break;
        }
    }
    end_step(&r);
    hg_changeb_release(&r.b);
    hg_circuit_free(r.c);
    hg_arena_free(r.arena);
    return 0;
}
