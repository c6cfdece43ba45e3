/* cmd_bench.c: `bench`: stop, start anew, look at the statistics every second until the input is at its end or the time
 * is over, stop. The calls, their order and the figures are those of the real fda. */
#include "base/hg.h"
#include "base/mem.h"
#include "fda/fda_int.h"

#define LOOK_MS 1000

typedef struct {
    int64_t rss, uptime, storage, buffered, processed, input_bytes;
} sample_t;

typedef struct {
    fda_t *f;
    const char *name;
    sample_t *v;
    size_t n;
    char *incarnation; /* of the first sample */
    bool complete, errors, restarted;
} bench_t;

static int64_t number(const hg_json_t *v, const char *path)
{
    int64_t n = 0;
    const hg_json_t *m = fda_member(v, path);
    return m && hg_json_i64(m, &n) == 0 ? n : 0;
}

/* --- sampling --- */

static int look(fda_t *f, void *arg)
{
    bench_t *b = arg;
    const hg_json_t *v;
    int rc = fda_get(f, "Failed to collect metrics", fda_path(f, "/v0/pipelines/%s/stats", b->name), 0, &v);
    if (rc) return rc;
    const hg_json_t *g = fda_member(v, "global_metrics"), *inputs = fda_member(v, "inputs");
    sample_t s = { .rss = number(g, "rss_bytes"),
                   .uptime = number(g, "uptime_msecs"),
                   .storage = number(g, "storage_bytes"),
                   .buffered = number(g, "buffered_input_records"),
                   .processed = number(g, "total_processed_records") };
    for (const hg_json_t *i = inputs ? inputs->child : NULL; i; i = i->next) {
        s.input_bytes += number(i, "metrics.total_bytes");
        b->errors |= fda_member(i, "fatal_error") || number(i, "metrics.num_parse_errors") ||
                     number(i, "metrics.num_transport_errors");
    }
    const char *incarnation = fda_text(g, "incarnation_uuid", "");
    if (!b->incarnation) b->incarnation = hg_xstrdup(incarnation);
    b->restarted |= strcmp(b->incarnation, incarnation) != 0;
    b->complete = hg_json_bool(fda_member(g, "pipeline_complete"), false);
    b->v = hg_xgrow(b->v, (b->n + 1) * sizeof *b->v);
    b->v[b->n++] = s;
    return 0;
}

static int sample(bench_t *b, uint64_t duration_s)
{
    uint64_t begun = fda_now_ms();
    for (;;) {
        int rc = fda_once(b->f, look, b);
        if (rc) return rc;
        if (b->complete) {
            puts("Pipeline completed, stopping benchmark");
            return 0;
        }
        if (b->errors) return 0; /* there will be no result, and an input that failed never comes to its end */
        if (duration_s && fda_now_ms() - begun >= duration_s * 1000) {
            printf("Reached duration limit of %" PRIu64 "s\n", duration_s);
            return 0;
        }
        fda_pause_ms(LOOK_MS);
    }
}

/* --- figures --- */

typedef struct {
    int64_t throughput, memory, memory_min, storage, storage_min, uptime, buffered, buffered_min, buffered_max;
    double amplification; /* < 0: there is none */
} figures_t;

static figures_t figures(const bench_t *b)
{
    const sample_t *last = &b->v[b->n - 1], *v = b->v;
    figures_t r = { .memory_min = v->rss,
                    .storage_min = v->storage,
                    .buffered_min = v->buffered,
                    .buffered_max = v->buffered,
                    .uptime = last->uptime,
                    .amplification = -1 };
    for (size_t i = 0; i < b->n; i++) {
        r.memory = HG_MAX(r.memory, v[i].rss);
        r.memory_min = HG_MIN(r.memory_min, v[i].rss);
        r.storage = HG_MAX(r.storage, v[i].storage);
        r.storage_min = HG_MIN(r.storage_min, v[i].storage);
        r.buffered += v[i].buffered;
        r.buffered_min = HG_MIN(r.buffered_min, v[i].buffered);
        r.buffered_max = HG_MAX(r.buffered_max, v[i].buffered);
    }
    r.buffered /= (int64_t)b->n;
    if (last->uptime) r.throughput = (int64_t)((double)last->processed / ((double)last->uptime / 1000.0));
    if (last->input_bytes > 0) r.amplification = (double)r.storage / (double)last->input_bytes;
    return r;
}

static void warn_unbuffered(const bench_t *b)
{
    size_t empty = 0;
    for (size_t i = 0; i < b->n; i++) empty += b->v[i].buffered == 0;
    if (empty)
        fda_error("warning: nothing was buffered in %zu of %zu samples: the pipeline may have waited for its inputs",
                  empty, b->n);
}

static const char *bytes(fda_t *f, int64_t n)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t u = 0;
    double x = (double)n;
    for (; x >= 1024 && u + 1 < HG_COUNT(units); u++) x /= 1024;
    char text[48];
    snprintf(text, sizeof text, "%.2f", x);
    size_t len = strlen(text);
    while (text[len - 1] == '0') len--;
    if (text[len - 1] == '.') len--;
    return hg_arena_printf(f->arena, "%.*s %s", (int)len, text, units[u]);
}

static void print_text(fda_t *f, const figures_t *r)
{
    const char *rows[6 * 4] = { "Metric", "Value", "Lower", "Upper" };
    size_t n = 4;
#define ROW(metric, value, lower) (rows[n++] = (metric), rows[n++] = (value), rows[n++] = (lower), rows[n++] = "-")
    ROW("Throughput (records/s)", hg_arena_printf(f->arena, "%" PRId64, r->throughput), "-");
    ROW("Memory", bytes(f, r->memory), bytes(f, r->memory_min));
    ROW("Storage", bytes(f, r->storage), bytes(f, r->storage_min));
    ROW("Uptime [ms]", hg_arena_printf(f->arena, "%" PRId64, r->uptime), "-");
    if (r->amplification >= 0) ROW("State Amplification", hg_arena_printf(f->arena, "%.2f", r->amplification), "-");
#undef ROW
    puts("Benchmark Results:");
    fda_print_box(rows, n / 4, 4);
}

static void put_metric(hg_jw_t *w, const char *name, int64_t value, const int64_t *lower, const int64_t *upper)
{
    hg_jw_key(w, name);
    hg_jw_obj(w);
    if (lower) hg_jw_ki64(w, "lower_value", *lower);
    if (upper) hg_jw_ki64(w, "upper_value", *upper);
    hg_jw_ki64(w, "value", value);
    hg_jw_end_obj(w);
}

/* Bencher's metric format. */
static int print_json(fda_t *f, const char *name, const figures_t *r)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_json_t *v;
    hg_err_t err;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_key(&w, name);
    hg_jw_obj(&w);
    put_metric(&w, "throughput", r->throughput, NULL, NULL);
    put_metric(&w, "memory", r->memory, &r->memory_min, NULL);
    put_metric(&w, "storage", r->storage, &r->storage_min, NULL);
    put_metric(&w, "uptime", r->uptime, NULL, NULL);
    put_metric(&w, "buffered-input-records", r->buffered, &r->buffered_min, &r->buffered_max);
    if (r->amplification >= 0) {
        hg_jw_key(&w, "state-amplification");
        hg_jw_obj(&w);
        hg_jw_key(&w, "value");
        hg_jw_f64(&w, r->amplification);
        hg_jw_end_obj(&w);
    }
    hg_jw_end_obj(&w);
    hg_jw_end_obj(&w);
    int rc = hg_json_parse(f->arena, hg_buf_str(&b), &v, &err);
    if (rc == 0) fda_print_json(v, false);
    hg_buf_release(&b);
    return rc < 0 ? 1 : 0;
}

/* --- the command --- */

static int run(fda_t *f, const char *a0, const char *a1, const char *a2, const char *a3, const char *a4)
{
    const char *const words[] = { "fda", a0, a1, a2, a3, a4 };
    char *argv[HG_COUNT(words) + 1];
    const fda_args_t *a = NULL;
    int argc = 0, rc = 0;
    for (size_t i = 0; i < HG_COUNT(words); i++)
        if (words[i]) argv[argc++] = hg_arena_strndup(f->arena, words[i], strlen(words[i]));
    argv[argc] = NULL;
    fda_format_t format = f->format;
    f->format = FDA_TEXT;
    if (fda_args_parse(f->arena, &fda_root, argc, argv, &a, &rc) == 0) rc = fda_args_cmd(a)->run(f, a);
    f->format = format;
    return rc;
}

static bool begin_transaction(fda_t *f, const char *name)
{
    fda_answer_t ans;
    if (fda_call(f, "Failed to start a transaction", "POST", fda_path(f, "/v0/pipelines/%s/start_transaction", name),
                 (hg_str_t){ 0 }, FDA_ONCE | FDA_QUIET, &ans) == 0)
        return true;
    fda_error("warning: measured without a transaction: %s", ans.message ? ans.message : "no answer");
    return false;
}

static int tell(bench_t *b)
{
    fda_t *f = b->f;
    if (b->restarted) return fda_error("The pipeline was started again while it was measured");
    if (b->errors) {
        run(f, "logs", b->name, NULL, NULL, NULL);
        return fda_error("Inputs had errors: see the log above; there is no result");
    }
    figures_t r = figures(b);
    warn_unbuffered(b);
    if (f->format == FDA_JSON) return print_json(f, b->name, &r);
    if (f->format != FDA_TEXT)
        fda_error("warning: results come as text or json, not as %s", fda_format_name(f->format));
    print_text(f, &r);
    return 0;
}

int fda_cmd_bench(fda_t *f, const fda_args_t *a)
{
    bench_t b = { .f = f, .name = fda_arg(a, "NAME") };
    const char *duration = fda_option(a, "duration");
    const hg_json_t *p;
    uint64_t seconds = 0;
    if (duration && (hg_str_u64(hg_strz(duration), &seconds) < 0 || seconds > INT32_MAX))
        return fda_usage(a, "invalid value '%s' for '--duration <DURATION>': expected a number of seconds", duration);
    printf("Benchmarking %s\n", b.name);
    int rc = fda_pipeline(f, "Failed to get pipeline status", b.name, true, &p);
    if (rc == 0 && !fda_member(p, "runtime_config.storage"))
        fda_error("warning: the pipeline has no storage, which it would be slower with");
    if (rc == 0) rc = run(f, "stop", b.name, NULL, NULL, NULL);
    if (rc == 0) rc = run(f, "start", b.name, "-b", "allow", fda_flag(a, "no-recompile") ? NULL : "-r");
    if (rc) return rc;
    bool transaction = !fda_flag(a, "no-transaction") && begin_transaction(f, b.name);
    puts("Collecting metrics...");
    fflush(stdout);
    rc = sample(&b, seconds);
    if (rc == 0 && transaction)
        rc = fda_call(f, "Failed to commit transaction", "POST",
                      fda_path(f, "/v0/pipelines/%s/commit_transaction", b.name), (hg_str_t){ 0 }, FDA_ONCE, NULL);
    if (rc == 0) rc = run(f, "stop", b.name, "-n", NULL, NULL);
    if (rc == 0) rc = tell(&b);
    hg_free(b.incarnation);
    hg_free(b.v);
    return rc;
}
