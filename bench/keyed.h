/* keyed.h: what the benchmarks of a keyed, stored table share: a table of five columns (a number as key, a text of 11
 * bytes, a double, a timestamp, a boolean), batches of upserts made from a seed, and steps of the circuit alone.
 */
#ifndef HG_BENCH_KEYED_H
#define HG_BENCH_KEYED_H

#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include "engine/circuit.h"

#define BATCH    10000u
#define MERGE_US 1000 /* between two steps */

typedef struct {
    const char *program; /* for messages */
    hg_arena_t *arena;
    hg_field_t cols[5];
    hg_relation_t rel;
    hg_plan_t plan;
    hg_circuit_opts_t opts;
    hg_circuit_t *circuit;
    hg_pool_t *pool;
    uint64_t rows;             /* keys are 0..rows */
    uint64_t seed, steps, raw; /* raw: bytes of the values made */
} keyed_t;

typedef struct {
    double step, merge; /* CPU seconds of the circuit thread */
} keyed_cost_t;

static inline double now(clockid_t c)
{
    struct timespec t;
    clock_gettime(c, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline uint64_t rnd(uint64_t *s) /* splitmix64 */
{
    uint64_t z = *s += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline void die(const keyed_t *k, const hg_err_t *err)
{
    fprintf(stderr, "%s: %s\n", k->program, err->msg);
    exit(1);
}

static inline void keyed_wake(void *arg)
{
    (void)arg; /* the next step comes at once */
}

static inline void keyed_open(keyed_t *k)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_circuit_new(&k->plan, &k->opts, &k->circuit, &err) < 0) die(k, &err);
    hg_circuit_pool(k->circuit, k->pool, keyed_wake, NULL);
}

/* An empty table. *k stays where it is: the plan points into it. */
static inline void keyed_init(keyed_t *k, const char *program, uint64_t rows)
{
    static const uint32_t key[] = { 0 };
    hg_arena_t *a = hg_arena_new();
    *k = (keyed_t){
        .program = program,
        .arena = a,
        .cols = { { .name = HG_S("id"), .type = hg_type_make(a, HG_T_BIGINT, false, -1, 0) },
                  { .name = HG_S("name"), .type = hg_type_make(a, HG_T_VARCHAR, true, -1, 0) },
                  { .name = HG_S("price"), .type = hg_type_make(a, HG_T_DOUBLE, true, -1, 0) },
                  { .name = HG_S("ts"), .type = hg_type_make(a, HG_T_TIMESTAMP, true, -1, 0) },
                  { .name = HG_S("ok"), .type = hg_type_make(a, HG_T_BOOLEAN, true, -1, 0) } },
        .opts.hashkey = { 1, 2 },
        .pool = hg_pool_new(1),
        .rows = rows,
        .seed = 1,
    };
    k->rel = (hg_relation_t){
        .kind = HG_REL_TABLE,
        .schema = { .name = HG_S("t"), .cols = k->cols, .n_cols = HG_COUNT(k->cols), .key = key, .n_key = 1 },
        .materialized = true,
        .stored = true
    };
    k->plan = (hg_plan_t){ &k->rel, 1 };
    keyed_open(k);
}

/* The same table, empty again. */
static inline void keyed_reopen(keyed_t *k)
{
    hg_circuit_free(k->circuit);
    keyed_open(k);
}

static inline void keyed_release(keyed_t *k)
{
    hg_circuit_free(k->circuit);
    hg_pool_free(k->pool);
    hg_arena_free(k->arena);
}

/* Up to n upserts: of the keys from `from` on, or of random ones. The caller's. */
static inline hg_change_t *keyed_make(keyed_t *k, uint64_t from, uint32_t n, bool random)
{
    hg_changeb_t cb;
    hg_changeb_init(&cb, &k->rel.schema);
    for (uint64_t i = from; i < from + n && i < k->rows; i++) {
        uint64_t r = rnd(&k->seed);
        char name[32];
        int len = snprintf(name, sizeof name, "part %06u", (unsigned)(r >> 40) % 1000000);
        if (hg_colb_i64(&cb.cols[0], (int64_t)(random ? r % k->rows : i)) < 0 ||
            hg_colb_var(&cb.cols[1], name, (size_t)len) < 0 || hg_colb_f64(&cb.cols[2], (double)(r & 0xffff)) < 0 ||
            hg_colb_i64(&cb.cols[3], (int64_t)r) < 0 || hg_colb_bool(&cb.cols[4], r & 1) < 0 ||
            hg_changeb_row(&cb, HG_OP_UPSERT, NULL) < 0)
            exit(1);
        k->raw += 8 + (uint64_t)len + 8 + 8 + 1;
    }
    hg_change_t *c = hg_changeb_seal(&cb);
    hg_changeb_release(&cb);
    c->hash = hg_trynew(sizeof *c->hash * c->rows->n_rows);
    if (!c->hash) exit(1);
    hg_hash_rows(k->opts.hashkey, c->rows->cols, 1, NULL, c->rows->n_rows, c->hash);
    return c;
}

/* One step, its delta wanted (or not), and a slice of merging after it. */
static inline keyed_cost_t keyed_step(keyed_t *k, hg_change_t *c, bool want)
{
    hg_delta_t delta = { 0 };
    hg_step_input_t in = { .relation = 0, .change = c };
    hg_step_t s = { .number = ++k->steps, .now_us = (int64_t)k->steps, .mode = HG_MODE_INCREMENTAL };
    hg_step_output_t out = { .deltas = &delta };
    hg_err_t err = HG_ERR_INIT;
    double t0 = now(CLOCK_THREAD_CPUTIME_ID);
    if (hg_circuit_step(k->circuit, &s, &in, 1, &want, &out, &err) < 0) die(k, &err);
    double t1 = now(CLOCK_THREAD_CPUTIME_ID);
    hg_circuit_merge(k->circuit, MERGE_US);
    double t2 = now(CLOCK_THREAD_CPUTIME_ID);
    hg_delta_release(&delta);
    return (keyed_cost_t){ t1 - t0, t2 - t1 };
}

#endif
