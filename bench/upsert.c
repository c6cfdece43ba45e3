/* upsert.c: `bench_upsert [ROWS]`: a keyed, stored table is filled with ROWS rows in key order, then ROWS upserts of
 * random keys change them; the circuit only, no parsing. Prints rows per second of CPU time (of the circuit and of the
 * pool thread that makes its segments) for both, the memory per row, and what one step of BATCH rows and one turn of
 * merging took of the circuit thread: median, 99th percentile, longest, in ms of CPU, because wall time is mostly the
 * machine's other work.
 */
#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include "engine/circuit.h"
#include <time.h>

#define BATCH    10000u
#define MERGE_US 1000

static double now(clockid_t c)
{
    struct timespec t;
    clock_gettime(c, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t rnd(uint64_t *s)
{
    uint64_t z = *s += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

typedef struct {
    const hg_plan_t *plan;
    hg_circuit_t *circuit;
    hg_hashkey_t key;
    uint64_t rows, seed, steps, deltas;
    double *step, *merge; /* CPU of each step, of the merging after it */
    uint32_t n;
} bench_t;

static void die(const hg_err_t *err)
{
    fprintf(stderr, "bench_upsert: %s\n", err->msg);
    exit(1);
}

static hg_change_t *make(bench_t *b, uint64_t from, bool random)
{
    hg_changeb_t cb;
    hg_changeb_init(&cb, &b->plan->relations[0].schema);
    for (uint64_t i = from; i < from + BATCH && i < b->rows; i++) {
        uint64_t r = rnd(&b->seed);
        char name[32];
        int n = snprintf(name, sizeof name, "part %06u", (unsigned)(r >> 40) % 1000000);
        if (hg_colb_i64(&cb.cols[0], (int64_t)(random ? r % b->rows : i)) < 0 ||
            hg_colb_var(&cb.cols[1], name, (size_t)n) < 0 || hg_colb_f64(&cb.cols[2], (double)(r & 0xffff)) < 0 ||
            hg_changeb_row(&cb, HG_OP_UPSERT, NULL) < 0)
            exit(1);
    }
    hg_change_t *c = hg_changeb_seal(&cb);
    hg_changeb_release(&cb);
    c->hash = hg_trynew(sizeof *c->hash * c->rows->n_rows);
    if (!c->hash) exit(1);
    hg_hash_rows(b->key, c->rows->cols, 1, NULL, c->rows->n_rows, c->hash);
    return c;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void distribution(const char *what, double *v, uint32_t n)
{
    qsort(v, n, sizeof *v, ascending);
    printf(" %s_ms %.1f/%.1f/%.1f", what, v[n / 2] * 1e3, v[n - 1 - n / 100] * 1e3, v[n - 1] * 1e3);
}

static void pass(bench_t *b, const char *what, bool random)
{
    double making = 0, cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    b->n = 0;
    for (uint64_t at = 0; at < b->rows; at += BATCH) {
        double t0 = now(CLOCK_THREAD_CPUTIME_ID);
        hg_change_t *c = make(b, at, random);
        hg_delta_t delta = { 0 };
        hg_step_input_t in = { .relation = 0, .change = c };
        hg_step_t step = { .number = ++b->steps, .now_us = (int64_t)b->steps, .mode = HG_MODE_INCREMENTAL };
        hg_step_output_t out = { .deltas = &delta };
        hg_err_t err = HG_ERR_INIT;
        bool want = true;
        double t1 = now(CLOCK_THREAD_CPUTIME_ID);
        if (hg_circuit_step(b->circuit, &step, &in, 1, &want, &out, &err) < 0) die(&err);
        double t2 = now(CLOCK_THREAD_CPUTIME_ID);
        hg_circuit_merge(b->circuit, MERGE_US);
        double t3 = now(CLOCK_THREAD_CPUTIME_ID);
        hg_delta_release(&delta);
        hg_change_drop(c);
        making += t1 - t0;
        b->step[b->n] = t2 - t1;
        b->merge[b->n++] = t3 - t2;
    }
    while (hg_circuit_merge(b->circuit, MERGE_US)) continue;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu - making;
    hg_store_stats_t s;
    hg_circuit_stats(b->circuit, 0, &s);
    printf("%s rows %" PRIu64 " cpu_s %.3f mrec_per_cpu_s %.2f rss_mib %.0f store_bytes_per_row %.0f", what, b->rows,
           cpu, (double)b->rows / cpu / 1e6, (double)hg_rss_bytes() / 1048576.0,
           (double)(s.bytes + s.index_bytes) / (double)(s.rows ? s.rows : 1));
    distribution("step", b->step, b->n);
    distribution("merge", b->merge, b->n);
    printf("\n");
    fflush(stdout);
    if (s.rows != b->rows) {
        fprintf(stderr, "bench_upsert: %" PRIu64 " rows in the table\n", s.rows);
        exit(1);
    }
}

static void ignore(void *arg)
{
    (void)arg; /* the next step comes at once */
}

int main(int argc, char **argv)
{
    hg_arena_t *a = hg_arena_new();
    const uint32_t key[] = { 0 };
    hg_field_t cols[] = {
        { .name = HG_S("id"), .type = hg_type_make(a, HG_T_BIGINT, false, -1, 0) },
        { .name = HG_S("name"), .type = hg_type_make(a, HG_T_VARCHAR, true, -1, 0) },
        { .name = HG_S("price"), .type = hg_type_make(a, HG_T_DOUBLE, true, -1, 0) },
    };
    hg_relation_t rel = {
        .kind = HG_REL_TABLE,
        .schema = { .name = HG_S("t"), .cols = cols, .n_cols = HG_COUNT(cols), .key = key, .n_key = 1 },
        .materialized = true,
        .stored = true
    };
    hg_plan_t plan = { &rel, 1 };
    bench_t b = {
        .plan = &plan, .key = { 1, 2 }, .rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000, .seed = 1
    };
    hg_circuit_opts_t o = { .hashkey = b.key };
    hg_err_t err = HG_ERR_INIT;
    if (b.rows == 0 || hg_circuit_new(&plan, &o, &b.circuit, &err) < 0) die(&err);
    hg_pool_t *pool = hg_pool_new(1);
    hg_circuit_pool(b.circuit, pool, ignore, NULL);
    b.step = HG_NEWN(double, b.rows / BATCH + 1);
    b.merge = HG_NEWN(double, b.rows / BATCH + 1);
    pass(&b, "fill", false);
    pass(&b, "upsert", true);
    hg_pool_free(pool);
    hg_circuit_free(b.circuit);
    hg_free(b.step);
    hg_free(b.merge);
    hg_arena_free(a);
    return 0;
}
