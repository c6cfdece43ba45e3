/* state.c: `bench_state [ROWS] [DIR] [MIB]`: checkpoints of a keyed table of 5 columns. ROWS rows go in; a checkpoint,
 * one more after 1 % of them changed, one with nothing to do, a restore on all cores and on one. Then, for a table of
 * MIB of such rows: upserts of random keys per second for a while, and while a checkpoint of all of it is being written
 * on another thread. DIR (default: a folder in /tmp) takes the files and is removed at the end.
 *
 * Seconds are wall time, cpu_s the CPU time of all threads; bytes_per_row is what the files take, raw_per_row the
 * values alone.
 */
#include "base/hg.h"
#include "base/loop.h"
#include "base/mem.h"
#include "engine/state.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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
    hg_pool_t *pool;
    hg_circuit_opts_t opts;
    const char *dir;
    uint64_t rows, seed, steps, number, raw;
    hg_buf_t text;
    hg_cut_stats_t stats;
    atomic_bool writing;
} bench_t;

static void die(const hg_err_t *err)
{
    fprintf(stderr, "bench_state: %s\n", err->msg);
    exit(1);
}

static void ignore(void *arg)
{
    (void)arg; /* the next step comes at once */
}

static void open_circuit(bench_t *b)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_circuit_new(b->plan, &b->opts, &b->circuit, &err) < 0) die(&err);
    hg_circuit_pool(b->circuit, b->pool, ignore, NULL);
}

static hg_change_t *make(bench_t *b, uint64_t from, uint32_t n, bool random)
{
    hg_changeb_t cb;
    hg_changeb_init(&cb, &b->plan->relations[0].schema);
    for (uint64_t i = from; i < from + n && i < b->rows; i++) {
        uint64_t r = rnd(&b->seed);
        char name[32];
        int len = snprintf(name, sizeof name, "part %06u", (unsigned)(r >> 40) % 1000000);
        if (hg_colb_i64(&cb.cols[0], (int64_t)(random ? r % b->rows : i)) < 0 ||
            hg_colb_var(&cb.cols[1], name, (size_t)len) < 0 || hg_colb_f64(&cb.cols[2], (double)(r & 0xffff)) < 0 ||
            hg_colb_i64(&cb.cols[3], (int64_t)r) < 0 || hg_colb_bool(&cb.cols[4], r & 1) < 0 ||
            hg_changeb_row(&cb, HG_OP_UPSERT, NULL) < 0)
            exit(1);
        b->raw += 8 + (uint64_t)len + 8 + 8 + 1;
    }
    hg_change_t *c = hg_changeb_seal(&cb);
    hg_changeb_release(&cb);
    c->hash = hg_trynew(sizeof *c->hash * c->rows->n_rows);
    if (!c->hash) exit(1);
    hg_hash_rows(b->opts.hashkey, c->rows->cols, 1, NULL, c->rows->n_rows, c->hash);
    return c;
}

static void step(bench_t *b, hg_change_t *c)
{
    hg_delta_t delta = { 0 };
    hg_step_input_t in = { .relation = 0, .change = c };
    hg_step_t s = { .number = ++b->steps, .now_us = (int64_t)b->steps, .mode = HG_MODE_INCREMENTAL };
    hg_step_output_t out = { .deltas = &delta };
    hg_err_t err = HG_ERR_INIT;
    if (hg_circuit_step(b->circuit, &s, &in, 1, NULL, &out, &err) < 0) die(&err);
    hg_circuit_merge(b->circuit, MERGE_US);
    hg_delta_release(&delta);
}

static void change(bench_t *b, uint64_t n, bool random)
{
    for (uint64_t at = 0; at < n; at += BATCH) {
        hg_change_t *c = make(b, at, (uint32_t)HG_MIN(BATCH, n - at), random);
        step(b, c);
        hg_change_drop(c);
    }
}

/* --- checkpoints --- */

static void write_cut(bench_t *b, hg_cut_t *k)
{
    hg_err_t err = HG_ERR_INIT;
    hg_jw_t w;
    hg_buf_clear(&b->text);
    hg_jw_init(&w, &b->text);
    if (hg_cut_write(k, b->dir, ++b->number, NULL, &w, &err) < 0) die(&err);
    hg_cut_get_stats(k, &b->stats);
}

static void checkpoint(bench_t *b, const char *what)
{
    double t0 = now(CLOCK_MONOTONIC), c0 = now(CLOCK_PROCESS_CPUTIME_ID);
    hg_cut_t *k = hg_circuit_cut(b->circuit);
    double cut = now(CLOCK_MONOTONIC) - t0;
    write_cut(b, k);
    hg_cut_done(b->circuit, k, true);
    printf("%s s %.3f cpu_s %.3f cut_us %.1f files %" PRIu64 " mib_written %.1f bytes_per_row %.1f raw_per_row %.1f\n",
           what, now(CLOCK_MONOTONIC) - t0, now(CLOCK_PROCESS_CPUTIME_ID) - c0, cut * 1e6, b->stats.files_written,
           (double)b->stats.bytes_written / 1048576.0, (double)b->stats.bytes_total / (double)b->rows,
           (double)b->raw / (double)b->rows);
    fflush(stdout);
}

static void restore(bench_t *b, unsigned threads)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *j;
    hg_circuit_free(b->circuit);
    open_circuit(b);
    if (hg_json_parse(a, hg_buf_str(&b->text), &j, &err) < 0) die(&err);
    hg_restore_opts_t o = { .dir = b->dir, .threads = threads };
    double t0 = now(CLOCK_MONOTONIC), c0 = now(CLOCK_PROCESS_CPUTIME_ID);
    if (hg_circuit_restore(b->circuit, j, &o, &err) < 0) die(&err);
    double s = now(CLOCK_MONOTONIC) - t0, cpu = now(CLOCK_PROCESS_CPUTIME_ID) - c0;
    hg_store_stats_t st;
    hg_circuit_stats(b->circuit, 0, &st);
    printf("restore threads %u s %.3f cpu_s %.3f mrows_per_cpu_s %.2f manifest_bytes %zu\n", threads, s, cpu,
           (double)st.rows / cpu / 1e6, b->text.len);
    fflush(stdout);
    hg_arena_free(a);
    if (st.rows != b->rows) exit(1);
}

/* --- steps while a checkpoint is being written --- */

typedef struct {
    bench_t *b;
    hg_cut_t *k;
} job_t;

static void *write_it(void *arg)
{
    job_t *j = arg;
    write_cut(j->b, j->k);
    atomic_store(&j->b->writing, false);
    return NULL;
}

/* Upserts per second of wall time and of this thread's CPU time; the batches are made before. */
static double upserts(bench_t *b, hg_change_t **batches, uint32_t n, double at_least, double *ret_cpu)
{
    double t0 = now(CLOCK_MONOTONIC), c0 = now(CLOCK_THREAD_CPUTIME_ID), t;
    uint64_t rows = 0;
    uint32_t i = 0;
    do {
        step(b, batches[i++ % n]);
        rows += BATCH;
        t = now(CLOCK_MONOTONIC) - t0;
    } while (t < at_least || atomic_load(&b->writing));
    *ret_cpu = (double)rows / (now(CLOCK_THREAD_CPUTIME_ID) - c0);
    return (double)rows / t;
}

static void while_writing(bench_t *b, uint64_t mib)
{
    hg_store_stats_t s;
    hg_circuit_free(b->circuit);
    open_circuit(b);
    b->rows = mib << 20;
    for (uint64_t at = 0;; at += BATCH) {
        hg_change_t *c = make(b, at, BATCH, false);
        step(b, c);
        hg_change_drop(c);
        hg_circuit_stats(b->circuit, 0, &s);
        if (s.bytes < mib << 20) continue;
        b->rows = s.rows;
        break;
    }
    hg_change_t *batches[200];
    for (size_t i = 0; i < HG_COUNT(batches); i++) batches[i] = make(b, 0, BATCH, true);
    double cpu, with_cpu;
    double alone = upserts(b, batches, HG_COUNT(batches), 3, &cpu);
    pthread_t t;
    atomic_store(&b->writing, true);
    job_t job = { b, hg_circuit_cut(b->circuit) };
    if (pthread_create(&t, NULL, write_it, &job) != 0) exit(1);
    double t0 = now(CLOCK_MONOTONIC);
    double with = upserts(b, batches, HG_COUNT(batches), 0, &with_cpu);
    double took = now(CLOCK_MONOTONIC) - t0;
    pthread_join(t, NULL);
    hg_cut_done(b->circuit, job.k, true);
    double again_cpu, again = upserts(b, batches, HG_COUNT(batches), 3, &again_cpu);
    printf("while_writing store_mib %.0f checkpoint_s %.2f mib_written %.0f mups %.2f while %.2f after %.2f ratio %.2f "
           "per_cpu_s %.2f while %.2f after %.2f ratio %.2f\n",
           (double)s.bytes / 1048576.0, took, (double)b->stats.bytes_written / 1048576.0, alone / 1e6, with / 1e6,
           again / 1e6, with * 2 / (alone + again), cpu / 1e6, with_cpu / 1e6, again_cpu / 1e6,
           with_cpu * 2 / (cpu + again_cpu));
    for (size_t i = 0; i < HG_COUNT(batches); i++) hg_change_drop(batches[i]);
}

static void sweep(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
}

int main(int argc, char **argv)
{
    hg_arena_t *a = hg_arena_new();
    const uint32_t key[] = { 0 };
    hg_field_t cols[] = {
        { .name = HG_S("id"), .type = hg_type_make(a, HG_T_BIGINT, false, -1, 0) },
        { .name = HG_S("name"), .type = hg_type_make(a, HG_T_VARCHAR, true, -1, 0) },
        { .name = HG_S("price"), .type = hg_type_make(a, HG_T_DOUBLE, true, -1, 0) },
        { .name = HG_S("ts"), .type = hg_type_make(a, HG_T_TIMESTAMP, true, -1, 0) },
        { .name = HG_S("ok"), .type = hg_type_make(a, HG_T_BOOLEAN, true, -1, 0) },
    };
    hg_relation_t rel = {
        .kind = HG_REL_TABLE,
        .schema = { .name = HG_S("t"), .cols = cols, .n_cols = HG_COUNT(cols), .key = key, .n_key = 1 },
        .materialized = true,
        .stored = true
    };
    hg_plan_t plan = { &rel, 1 };
    char dir[] = "/tmp/hg-bench-state-XXXXXX";
    bench_t b = { .plan = &plan, .opts.hashkey = { 1, 2 }, .seed = 1 };
    b.rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    b.dir = argc > 2 ? argv[2] : mkdtemp(dir);
    uint64_t mib = argc > 3 ? strtoull(argv[3], NULL, 10) : 2048;
    if (b.rows == 0 || !b.dir || (mkdir(b.dir, 0700) < 0 && access(b.dir, W_OK) < 0)) {
        fprintf(stderr, "usage: bench_state [ROWS] [DIR] [MIB]\n");
        return 1;
    }
    hg_buf_init(&b.text, HG_BUF_NOMAX);
    b.pool = hg_pool_new(1);
    open_circuit(&b);
    change(&b, b.rows, false);
    uint64_t raw = b.raw;
    checkpoint(&b, "full");
    change(&b, b.rows / 100, true);
    b.raw = raw;
    checkpoint(&b, "one_percent");
    checkpoint(&b, "unchanged");
    restore(&b, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    restore(&b, 1);
    checkpoint(&b, "after_restore");
    sweep(b.dir);
    if (mib) while_writing(&b, mib);
    sweep(b.dir);
    rmdir(b.dir);
    hg_circuit_free(b.circuit);
    hg_pool_free(b.pool);
    hg_buf_release(&b.text);
    hg_arena_free(a);
    return 0;
}
