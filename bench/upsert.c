/* upsert.c: `bench_upsert [ROWS]`: a keyed, stored table (keyed.h) is filled with ROWS rows in key order, then ROWS
 * upserts of random keys change them; the circuit only, no parsing. Prints rows per second of CPU time (of the circuit
 * and of the pool thread that makes its segments) for both, the memory per row, and what one step of BATCH rows and one
 * turn of merging took of the circuit thread: median, 99th percentile, longest, in ms of CPU, because wall time is
 * mostly the machine's other work. A pause is what a step took beyond the median.
 */
#include "bench/keyed.h"
#include <sys/resource.h>

typedef struct {
    keyed_t k;
    double *step, *merge;
    uint32_t n;
} bench_t;

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
    keyed_t *k = &b->k;
    double making = 0, cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    b->n = 0;
    for (uint64_t at = 0; at < k->rows; at += BATCH) {
        double t0 = now(CLOCK_THREAD_CPUTIME_ID);
        hg_change_t *c = keyed_make(k, at, BATCH, random);
        making += now(CLOCK_THREAD_CPUTIME_ID) - t0;
        keyed_cost_t cost = keyed_step(k, c, true);
        hg_change_drop(c);
        b->step[b->n] = cost.step;
        b->merge[b->n++] = cost.merge;
    }
    while (hg_circuit_merge(k->circuit, MERGE_US)) continue;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu - making;
    hg_store_stats_t s;
    hg_circuit_stats(k->circuit, 0, &s);
    printf("%s rows %" PRIu64 " cpu_s %.3f mrec_per_cpu_s %.2f rss_mib %.0f store_bytes_per_row %.0f", what, k->rows,
           cpu, (double)k->rows / cpu / 1e6, (double)hg_rss_bytes() / 1048576.0,
           (double)(s.bytes + s.index_bytes) / (double)(s.rows ? s.rows : 1));
    distribution("step", b->step, b->n);
    distribution("merge", b->merge, b->n);
    printf(" pause_ms %.1f\n", (b->step[b->n - 1] - b->step[b->n / 2]) * 1e3);
    fflush(stdout);
    if (s.rows != k->rows) {
        fprintf(stderr, "bench_upsert: %" PRIu64 " rows in the table\n", s.rows);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    bench_t b = { 0 };
    if (rows == 0) {
        fprintf(stderr, "usage: bench_upsert [ROWS]\n");
        return 1;
    }
    keyed_init(&b.k, "bench_upsert", rows);
    b.step = HG_NEWN(double, rows / BATCH + 1);
    b.merge = HG_NEWN(double, rows / BATCH + 1);
    pass(&b, "fill", false);
    pass(&b, "upsert", true);
    keyed_release(&b.k);
    hg_free(b.step);
    hg_free(b.merge);
    return 0;
}
