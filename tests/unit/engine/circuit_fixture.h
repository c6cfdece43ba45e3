/* circuit_fixture.h: what tests of circuits share: a relation of mixed types, rows as text, a Z-set model of text rows.
 *
 * The model shares nothing with the engine: a row is printed cell by cell, a state is a sorted list of (text, weight).
 */
#ifndef HG_TEST_CIRCUIT_FIXTURE_H
#define HG_TEST_CIRCUIT_FIXTURE_H

#include <setjmp.h>
#include <cmocka.h>
#include "base/fault.h"
#include "base/mem.h"
#include "engine/circuit.h"

/* --- random numbers that repeat --- */
typedef struct {
    uint64_t s;
} rnd_t;
static inline uint64_t rnd(rnd_t *r)
{
    r->s += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = r->s;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
static inline uint32_t rnd_below(rnd_t *r, uint32_t n)
{
    return (uint32_t)(rnd(r) % n);
}

/* --- Z-set of text rows --- */
typedef struct {
    char *row;
    int64_t w;
} zrow_t;
typedef struct {
    zrow_t *v;
    size_t n, cap;
} zset_t;

static inline void zset_add(zset_t *z, const char *row, int64_t w)
{
    size_t lo = 0, hi = z->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (strcmp(z->v[mid].row, row) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < z->n && strcmp(z->v[lo].row, row) == 0) {
        z->v[lo].w += w;
        if (z->v[lo].w == 0) {
            hg_free(z->v[lo].row);
            memmove(z->v + lo, z->v + lo + 1, sizeof *z->v * (z->n - lo - 1));
            z->n--;
        }
        return;
    }
    if (w == 0) return;
    if (z->n == z->cap) {
        z->cap = z->cap ? z->cap * 2 : 64;
        z->v = hg_xgrow(z->v, sizeof *z->v * z->cap);
    }
    memmove(z->v + lo + 1, z->v + lo, sizeof *z->v * (z->n - lo));
    z->v[lo] = (zrow_t){ hg_xstrdup(row), w };
    z->n++;
}
static inline void zset_release(zset_t *z)
{
    for (size_t i = 0; i < z->n; i++) hg_free(z->v[i].row);
    hg_free(z->v);
    *z = (zset_t){ 0 };
}
static inline zset_t zset_copy(const zset_t *z)
{
    zset_t c = { 0 };
    for (size_t i = 0; i < z->n; i++) zset_add(&c, z->v[i].row, z->v[i].w);
    return c;
}
static inline void zset_check(const zset_t *want, const zset_t *got)
{
    for (size_t i = 0; i < want->n && i < got->n; i++) {
        assert_string_equal(got->v[i].row, want->v[i].row);
        assert_int_equal(got->v[i].w, want->v[i].w);
    }
    assert_int_equal(got->n, want->n);
}

/* --- rows as text --- */
static inline void cell_text(const hg_col_t *c, uint32_t r, char *out, size_t room)
{
    if (hg_col_null(c, r)) {
        snprintf(out, room, "NULL");
        return;
    }
    switch ((int)hg_type_phys(c->type)) {
    case HG_PHYS_BIT:
        snprintf(out, room, "%d", hg_bit_get(c->data, r));
        return;
    case HG_PHYS_I32:
        snprintf(out, room, "%" PRId32, HG_COL(c, int32_t)[r]);
        return;
    case HG_PHYS_I64:
        snprintf(out, room, "%" PRId64, HG_COL(c, int64_t)[r]);
        return;
    case HG_PHYS_U64:
        snprintf(out, room, "%" PRIu64, HG_COL(c, uint64_t)[r]);
        return;
    case HG_PHYS_F64:
        snprintf(out, room, "%.17g", HG_COL(c, double)[r] + 0.0);
        return;
    case HG_PHYS_I128:
        snprintf(out, room, "%" PRId64 ":%" PRIu64, (int64_t)(HG_COL(c, hg_i128)[r] >> 64),
                 (uint64_t)HG_COL(c, hg_i128)[r]);
        return;
    case HG_PHYS_VAR: {
        hg_str_t s = hg_col_var(c, r);
        snprintf(out, room, "'%.*s'", (int)s.n, s.p);
        return;
    }
    case HG_PHYS_LIST: {
        size_t at = (size_t)snprintf(out, room, "[");
        for (int32_t i = c->offs[r]; i < c->offs[r + 1] && at < room - 32; i++) {
            cell_text(c->child[0], (uint32_t)i, out + at, room - at);
            at += strlen(out + at);
            at += (size_t)snprintf(out + at, room - at, ";");
        }
        snprintf(out + at, room - at, "]");
        return;
    }
    default:
        fail_msg("cell_text: layout of %s", hg_kind_name(c->type->kind));
    }
}
static inline void row_text(const hg_batch_t *b, uint32_t r, char *out, size_t room)
{
    size_t at = 0;
    out[0] = 0;
    for (uint32_t c = 0; c < b->n_cols; c++) {
        cell_text(b->cols[c], r, out + at, room - at);
        at += strlen(out + at);
        if (c + 1 < b->n_cols) at += (size_t)snprintf(out + at, room - at, "|");
    }
}

static inline void zset_add_part(zset_t *z, const hg_part_t *p)
{
    char text[512];
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->sel && i > 0) assert_true(p->sel[i - 1] < p->sel[i]);
        if (p->weights) assert_int_not_equal(p->weights[i], 0);
        row_text(p->batch, p->sel ? p->sel[i] : i, text, sizeof text);
        zset_add(z, text, p->weights ? p->weights[i] : 1);
    }
}
static inline void zset_add_delta(zset_t *z, const hg_delta_t *d)
{
    for (uint32_t i = 0; i < d->n; i++) zset_add_part(z, d->parts[i]);
}
static inline zset_t snap_zset(hg_snap_t *s)
{
    zset_t z = { 0 };
    uint64_t cursor = 0;
    hg_part_t *p;
    hg_err_t err = HG_ERR_INIT;
    for (;;) {
        assert_int_equal(hg_snap_scan(s, &cursor, NULL, 0, &p, &err), 0);
        if (!p) return z;
        assert_true(p->n > 0);
        zset_add_part(&z, p);
        hg_part_drop(p);
    }
}

/* --- a program of relations over one column list --- */
enum { COL_K, COL_S, COL_D, COL_N, COL_L, N_COLS };

typedef struct {
    hg_arena_t *a;
    hg_relation_t *rels;
    hg_plan_t plan;
    hg_field_t *fields;
} prog_t;

static inline void field(prog_t *p, uint32_t i, const char *name, const hg_type_t *t)
{
    p->fields[i] = (hg_field_t){ .name = hg_strz(name), .type = t };
}
static inline void prog_init(prog_t *p, uint32_t n_relations)
{
    p->a = hg_arena_new();
    p->fields = HG_ANEWN(p->a, hg_field_t, N_COLS);
    field(p, COL_K, "k", hg_type_make(p->a, HG_T_BIGINT, false, -1, 0));
    field(p, COL_S, "s", hg_type_make(p->a, HG_T_VARCHAR, true, -1, 0));
    field(p, COL_D, "d", hg_type_make(p->a, HG_T_DECIMAL, true, 38, 2));
    field(p, COL_N, "n", hg_type_make(p->a, HG_T_BOOLEAN, true, -1, 0));
    field(p, COL_L, "l", hg_type_array(p->a, hg_type_make(p->a, HG_T_VARCHAR, true, -1, 0), true));
    p->rels = HG_ANEWN(p->a, hg_relation_t, n_relations);
    p->plan = (hg_plan_t){ p->rels, n_relations };
}
static inline void prog_release(prog_t *p)
{
    hg_arena_free(p->a);
}

/* key: columns of the key as a string of digits, "" = none */
static inline void prog_table(prog_t *p, uint32_t i, const char *name, const char *key, bool stored)
{
    uint32_t *k = HG_ANEWN(p->a, uint32_t, N_COLS), n = 0;
    for (; key[n]; n++) k[n] = (uint32_t)(key[n] - '0');
    p->rels[i] = (hg_relation_t){
        .kind = HG_REL_TABLE,
        .schema = { .name = hg_strz(name), .cols = p->fields, .n_cols = N_COLS, .key = n ? k : NULL, .n_key = n },
        .stored = stored,
        .materialized = stored
    };
}
static inline const hg_type_t **prog_types(prog_t *p)
{
    const hg_type_t **t = HG_ANEWN(p->a, const hg_type_t *, N_COLS);
    for (uint32_t i = 0; i < N_COLS; i++) t[i] = p->fields[i].type;
    return t;
}
static inline hg_node_t *prog_scan(prog_t *p, uint32_t relation)
{
    hg_node_t *n = HG_ANEW(p->a, hg_node_t);
    *n = (hg_node_t){ .kind = HG_N_SCAN, .types = prog_types(p), .n_cols = N_COLS, .relation = relation };
    return n;
}
static inline void prog_view(prog_t *p, uint32_t i, const char *name, const hg_node_t *node, bool stored)
{
    p->rels[i] = (hg_relation_t){ .kind = HG_REL_VIEW,
                                  .schema = { .name = hg_strz(name), .cols = p->fields, .n_cols = N_COLS },
                                  .stored = stored,
                                  .materialized = stored,
                                  .node = node };
}
static inline hg_node_t *prog_union(prog_t *p, const hg_node_t *x, const hg_node_t *y)
{
    hg_node_t *n = HG_ANEW(p->a, hg_node_t);
    n->kind = HG_N_UNION;
    n->types = prog_types(p);
    n->n_cols = N_COLS;
    n->in = HG_ANEWN(p->a, const hg_node_t *, 2);
    n->in[0] = x;
    n->in[1] = y;
    n->n_in = 2;
    return n;
}
static inline hg_circuit_t *prog_circuit(prog_t *p)
{
    hg_circuit_t *c;
    hg_err_t err = HG_ERR_INIT;
    hg_circuit_opts_t o = { .hashkey = { 1, 2 } };
    assert_int_equal(hg_circuit_new(&p->plan, &o, &c, &err), 0);
    return c;
}

/* --- rows --- */
typedef struct {
    int64_t k;
    int s, d, n, l; /* small numbers that name a value; negative = NULL */
} row_t;

static inline void put_row(hg_changeb_t *b, const row_t *r)
{
    char text[64];
    assert_int_equal(hg_colb_i64(&b->cols[COL_K], r->k), 0);
    if (r->s < 0)
        hg_colb_null(&b->cols[COL_S]);
    else {
        int n = snprintf(text, sizeof text, "%.*s%d", r->s % 5 * 4, "abcdefghijklmnopqrst", r->s);
        hg_colb_var(&b->cols[COL_S], text, (size_t)n);
    }
    if (r->d < 0)
        hg_colb_null(&b->cols[COL_D]);
    else
        hg_colb_i128(&b->cols[COL_D], r->d * ((hg_i128)1 << 70) - r->d);
    if (r->n < 0)
        hg_colb_null(&b->cols[COL_N]);
    else
        hg_colb_bool(&b->cols[COL_N], r->n & 1);
    if (r->l < 0)
        hg_colb_null(&b->cols[COL_L]);
    else {
        for (int i = 0; i < r->l % 4; i++) {
            int n = snprintf(text, sizeof text, "e%d", r->l + i);
            if (i == 1)
                hg_colb_null(&b->cols[COL_L].child[0]);
            else
                hg_colb_var(&b->cols[COL_L].child[0], text, (size_t)n);
        }
        hg_colb_close_list(&b->cols[COL_L]);
    }
}
/* The text that row_text() gives for r. */
static inline void row_want(const row_t *r, char *out, size_t room)
{
    size_t at = (size_t)snprintf(out, room, "%" PRId64 "|", r->k);
    if (r->s < 0)
        at += (size_t)snprintf(out + at, room - at, "NULL|");
    else
        at += (size_t)snprintf(out + at, room - at, "'%.*s%d'|", r->s % 5 * 4, "abcdefghijklmnopqrst", r->s);
    hg_i128 d = r->d * ((hg_i128)1 << 70) - r->d;
    if (r->d < 0)
        at += (size_t)snprintf(out + at, room - at, "NULL|");
    else
        at += (size_t)snprintf(out + at, room - at, "%" PRId64 ":%" PRIu64 "|", (int64_t)(d >> 64), (uint64_t)d);
    if (r->n < 0)
        at += (size_t)snprintf(out + at, room - at, "NULL|");
    else
        at += (size_t)snprintf(out + at, room - at, "%d|", r->n & 1);
    if (r->l < 0) {
        snprintf(out + at, room - at, "NULL");
        return;
    }
    at += (size_t)snprintf(out + at, room - at, "[");
    for (int i = 0; i < r->l % 4; i++) {
        if (i == 1)
            at += (size_t)snprintf(out + at, room - at, "NULL;");
        else
            at += (size_t)snprintf(out + at, room - at, "'e%d';", r->l + i);
    }
    snprintf(out + at, room - at, "]");
}
static inline row_t rnd_row(rnd_t *r, uint32_t keys, uint32_t values)
{
    return (row_t){ .k = (int64_t)rnd_below(r, keys) - 3,
                    .s = (int)rnd_below(r, values + 1) - 1,
                    .d = (int)rnd_below(r, 3) - 1,
                    .n = (int)rnd_below(r, 3) - 1,
                    .l = (int)rnd_below(r, 5) - 1 };
}

/* One step with these inputs; deltas: n_relations, released by the caller. */
static inline int step_now(hg_circuit_t *c, const prog_t *p, const hg_step_input_t *in, uint32_t n,
                           hg_step_output_t *out, hg_err_t *err)
{
    static int64_t now;
    bool want[64];
    memset(want, 1, sizeof want);
    now++;
    hg_step_t step = { .number = (uint64_t)now, .now_us = now, .mode = HG_MODE_INCREMENTAL };
    for (uint32_t i = 0; i < p->plan.n_relations; i++) out->deltas[i] = (hg_delta_t){ 0 };
    return hg_circuit_step(c, &step, in, n, want, out, err);
}

#endif
