/* state.c: `bench_state [ROWS] [DIR] [MIB]`: checkpoints of a keyed table of 5 columns. ROWS rows go in; a checkpoint,
 * one more after 1 % of them changed, one with nothing to do, a restore on all cores and on one. Then, for a table of
 * MIB of such rows: upserts of random keys per second for a while, and while a checkpoint of all of it is being written
 * on another thread. DIR (default: a folder in /tmp) takes the files and is removed at the end.
 *
 * Seconds are wall time, cpu_s the CPU time of all threads; bytes_per_row is what the files take, raw_per_row the
 * values alone.
 */
#include "bench/keyed.h"
#include "engine/state.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    keyed_t k;
    const char *dir;
    uint64_t number;
    hg_buf_t text;
    hg_cut_stats_t stats;
    atomic_bool writing;
} bench_t;

static void change(bench_t *b, uint64_t n, bool random)
{
    for (uint64_t at = 0; at < n; at += BATCH) {
        hg_change_t *c = keyed_make(&b->k, at, (uint32_t)HG_MIN(BATCH, n - at), random);
        keyed_step(&b->k, c, false);
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
    if (hg_cut_write(k, b->dir, ++b->number, NULL, &w, &err) < 0) die(&b->k, &err);
    hg_cut_get_stats(k, &b->stats);
}

static void checkpoint(bench_t *b, const char *what)
{
    double t0 = now(CLOCK_MONOTONIC), c0 = now(CLOCK_PROCESS_CPUTIME_ID);
    hg_cut_t *k = hg_circuit_cut(b->k.circuit);
    double cut = now(CLOCK_MONOTONIC) - t0;
    write_cut(b, k);
    hg_cut_done(b->k.circuit, k, true);
    printf("%s s %.3f cpu_s %.3f cut_us %.1f files %" PRIu64 " mib_written %.1f bytes_per_row %.1f raw_per_row %.1f\n",
           what, now(CLOCK_MONOTONIC) - t0, now(CLOCK_PROCESS_CPUTIME_ID) - c0, cut * 1e6, b->stats.files_written,
           (double)b->stats.bytes_written / 1048576.0, (double)b->stats.bytes_total / (double)b->k.rows,
           (double)b->k.raw / (double)b->k.rows);
    fflush(stdout);
}

static void restore(bench_t *b, unsigned threads)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *j;
    keyed_reopen(&b->k);
    if (hg_json_parse(a, hg_buf_str(&b->text), &j, &err) < 0) die(&b->k, &err);
    hg_restore_opts_t o = { .dir = b->dir, .threads = threads };
    double t0 = now(CLOCK_MONOTONIC), c0 = now(CLOCK_PROCESS_CPUTIME_ID);
    if (hg_circuit_restore(b->k.circuit, j, &o, &err) < 0) die(&b->k, &err);
    double s = now(CLOCK_MONOTONIC) - t0, cpu = now(CLOCK_PROCESS_CPUTIME_ID) - c0;
    hg_store_stats_t st;
    hg_circuit_stats(b->k.circuit, 0, &st);
    printf("restore threads %u s %.3f cpu_s %.3f mrows_per_cpu_s %.2f manifest_bytes %zu\n", threads, s, cpu,
           (double)st.rows / cpu / 1e6, b->text.len);
    fflush(stdout);
    hg_arena_free(a);
    if (st.rows != b->k.rows) exit(1);
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
        keyed_step(&b->k, batches[i++ % n], false);
        rows += BATCH;
        t = now(CLOCK_MONOTONIC) - t0;
    } while (t < at_least || atomic_load(&b->writing));
    *ret_cpu = (double)rows / (now(CLOCK_THREAD_CPUTIME_ID) - c0);
    return (double)rows / t;
}

static void while_writing(bench_t *b, uint64_t mib)
{
    hg_store_stats_t s;
    keyed_reopen(&b->k);
    b->k.rows = mib << 20;
    for (uint64_t at = 0;; at += BATCH) {
        hg_change_t *c = keyed_make(&b->k, at, BATCH, false);
        keyed_step(&b->k, c, false);
        hg_change_drop(c);
        hg_circuit_stats(b->k.circuit, 0, &s);
        if (s.bytes < mib << 20) continue;
        b->k.rows = s.rows;
        break;
    }
    hg_change_t *batches[200];
    for (size_t i = 0; i < HG_COUNT(batches); i++) batches[i] = keyed_make(&b->k, 0, BATCH, true);
    double cpu, with_cpu;
    double alone = upserts(b, batches, HG_COUNT(batches), 3, &cpu);
    pthread_t t;
    atomic_store(&b->writing, true);
    job_t job = { b, hg_circuit_cut(b->k.circuit) };
    if (pthread_create(&t, NULL, write_it, &job) != 0) exit(1);
    double t0 = now(CLOCK_MONOTONIC);
    double with = upserts(b, batches, HG_COUNT(batches), 0, &with_cpu);
    double took = now(CLOCK_MONOTONIC) - t0;
    pthread_join(t, NULL);
    hg_cut_done(b->k.circuit, job.k, true);
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
    char dir[] = "/tmp/hg-bench-state-XXXXXX";
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    bench_t b = { 0 };
    b.dir = argc > 2 ? argv[2] : mkdtemp(dir);
    uint64_t mib = argc > 3 ? strtoull(argv[3], NULL, 10) : 2048;
    if (rows == 0 || !b.dir || (mkdir(b.dir, 0700) < 0 && access(b.dir, W_OK) < 0)) {
        fprintf(stderr, "usage: bench_state [ROWS] [DIR] [MIB]\n");
        return 1;
    }
    hg_buf_init(&b.text, HG_BUF_NOMAX);
    keyed_init(&b.k, "bench_state", rows);
    change(&b, rows, false);
    uint64_t raw = b.k.raw;
    checkpoint(&b, "full");
    change(&b, rows / 100, true);
    b.k.raw = raw;
    checkpoint(&b, "one_percent");
    checkpoint(&b, "unchanged");
    restore(&b, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    restore(&b, 1);
    checkpoint(&b, "after_restore");
    sweep(b.dir);
    if (mib) while_writing(&b, mib);
    sweep(b.dir);
    rmdir(b.dir);
    keyed_release(&b.k);
    hg_buf_release(&b.text);
    return 0;
}
