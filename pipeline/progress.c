/* progress.c: see progress.h. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/pipeline_int.h"
#include "pipeline/progress.h"

typedef struct {
    uint64_t records; /* at the last tick */
    int64_t at_us;
    double rate;
    int64_t began_us;
    uint64_t parse_errors; /* reported so far */
    bool failed;           /* an output's failure is reported */
} track_t;

struct hg_progress {
    hg_pipeline_t *p;
    const char *name;
    bool live, fatal;
    unsigned drawn; /* lines of the table on the screen */
    int64_t start_us;
    track_t *tracks; /* inputs, then outputs */
    uint32_t n_in, n_out;
    hg_buf_t out;
};

hg_progress_t *hg_progress_new(hg_pipeline_t *p, const char *name, bool live, bool fatal)
{
    hg_progress_t *g = HG_NEW(hg_progress_t);
    *g = (hg_progress_t){ .p = p,
                          .name = name,
                          .live = live,
                          .fatal = fatal,
                          .start_us = hg_mono_us(),
                          .n_in = p->prog->n_inputs,
                          .n_out = p->prog->n_conns - p->prog->n_inputs };
    g->tracks = HG_NEWN(track_t, g->n_in + g->n_out + 1);
    hg_buf_init(&g->out, 16u << 20);
    for (uint32_t i = 0; i < g->n_in; i++) /* no change will tell about these */
        if (hg_orch_reason(p->orch, i) == HG_REASON_WAITING) hg_progress_changed(g, i, HG_REASON_WAITING);
    return g;
}

void hg_progress_free(hg_progress_t *g)
{
    hg_buf_release(&g->out);
    hg_free(g->tracks);
    hg_free(g);
}

/* 1234567 → "1,234,567" */
static const char *thousands(uint64_t v, char *t, size_t cap)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v), o = 0;
    for (int i = 0; i < n && (size_t)o + 2 < cap; i++) {
        if (i && (n - i) % 3 == 0) t[o++] = ',';
        t[o++] = digits[i];
    }
    t[o] = 0;
    return t;
}

static void put_clock(hg_buf_t *b)
{
    time_t now = time(NULL);
    struct tm tm;
    char t[16];
    localtime_r(&now, &tm);
    strftime(t, sizeof t, "%H:%M:%S", &tm);
    hg_buf_adds(b, t);
}

static void flush(hg_progress_t *g)
{
    fwrite(g->out.p, 1, g->out.len, stdout);
    fflush(stdout);
    hg_buf_clear(&g->out);
}

/* Lines above the live table: erase it first, it is drawn again by the next tick. */
static void begin_line(hg_progress_t *g)
{
    if (g->live && g->drawn) hg_buf_addf(&g->out, "\033[%uA\033[J", g->drawn);
    g->drawn = 0;
    if (!g->live) {
        put_clock(&g->out);
        hg_buf_addc(&g->out, ' ');
    }
}

static void say_started(hg_progress_t *g, endpoint_t *ep)
{
    int64_t now = hg_mono_us();
    g->tracks[ep->id].began_us = now;
    hg_buf_addf(&g->out, "%-18s started", ep->name);
    if (!ep->spec->has_after) return;
    hg_buf_adds(&g->out, "    after");
    for (uint32_t i = 0; i < ep->spec->n_after; i++)
        hg_buf_addf(&g->out, "%s " HG_SF, i ? "," : "", HG_SA(ep->spec->after[i]));
}

static void say_ended(hg_progress_t *g, endpoint_t *ep)
{
    hg_input_stats_t s;
    char n[32];
    int64_t now = hg_mono_us();
    hg_input_get_stats(ep->in, &s);
    hg_buf_addf(&g->out, "%-18s ended      %s records, %.1f MB, %" PRIu64 " errors   %.1f s", ep->name,
                thousands(s.total_records, n, sizeof n), (double)s.total_bytes / 1e6,
                s.num_parse_errors + s.num_transport_errors,
                (double)(now - (g->tracks[ep->id].began_us ? g->tracks[ep->id].began_us : g->start_us)) / 1e6);
}

static void say_waiting(hg_progress_t *g, endpoint_t *ep)
{
    hg_buf_addf(&g->out, "%-18s waiting for", ep->name);
    for (uint32_t i = 0; i < ep->spec->n_after; i++)
        hg_buf_addf(&g->out, "%s " HG_SF, i ? "," : "", HG_SA(ep->spec->after[i]));
}

static void put_failed(hg_progress_t *g, const endpoint_t *ep, const char *why)
{
    hg_buf_addf(&g->out, "%-18s failed", ep->name);
    if (!g->fatal) hg_buf_addf(&g->out, "     %s", why);
}

/* Outputs have no orchestrator that tells of changes. */
static void look_at_output(hg_progress_t *g, endpoint_t *ep, track_t *t)
{
    hg_output_stats_t s;
    hg_output_get_stats(ep->out, &s);
    if (s.failed == t->failed) return;
    t->failed = s.failed;
    begin_line(g);
    put_failed(g, ep, s.fatal);
    hg_buf_addc(&g->out, '\n');
    flush(g);
}

void hg_progress_changed(hg_progress_t *g, uint32_t input, hg_orch_reason_t reason)
{
    endpoint_t *ep = g->p->inputs[input];
    hg_input_stats_t s = { 0 };
    if (!ep->spec) return;
    begin_line(g);
    if (ep->in) hg_input_get_stats(ep->in, &s);
    switch (reason) {
    case HG_REASON_RUNNING:
        say_started(g, ep);
        break;
    case HG_REASON_ENDED_:
        say_ended(g, ep);
        break;
    case HG_REASON_WAITING:
        say_waiting(g, ep);
        break;
    case HG_REASON_USER:
        hg_buf_addf(&g->out, "%-18s paused by user", ep->name);
        break;
    case HG_REASON_MARK:
        hg_buf_addf(&g->out, "%-18s waits for a hand-off mark", ep->name);
        break;
    case HG_REASON_FAILED_:
        put_failed(g, ep, s.fatal);
        break;
    case HG_REASON_N:
    default:
        break;
    }
    hg_buf_addc(&g->out, '\n');
    flush(g);
}

/* The first bad records in words, later ones as a count when the pipeline ends. */
static void say_bad_records(hg_progress_t *g, endpoint_t *ep, const hg_input_stats_t *s)
{
    track_t *t = &g->tracks[ep->id];
    if (s->num_parse_errors == t->parse_errors) return;
    bool first = t->parse_errors == 0;
    t->parse_errors = s->num_parse_errors;
    if (!first) return;
    hg_buf_t json;
    hg_jw_t w;
    hg_json_t *v;
    hg_err_t ignored;
    hg_arena_t *a = hg_arena_new();
    hg_buf_init(&json, 16u << 20);
    hg_jw_init(&w, &json);
    hg_input_errors_json(ep->in, 1, &w);
    if (hg_json_parse(a, hg_buf_str(&json), &v, &ignored) == 0 && v->n) {
        begin_line(g);
        hg_buf_addf(&g->out, "%-18s bad record skipped: %s\n", ep->name,
                    hg_json_str(hg_json_get(v->child, "message"), ""));
        flush(g);
    }
    hg_buf_release(&json);
    hg_arena_free(a);
}

static const char *state_word(hg_progress_t *g, endpoint_t *ep, const hg_input_stats_t *s)
{
    switch ((hg_orch_reason_t)atomic_load(&ep->reason)) {
    case HG_REASON_RUNNING:
        return s->unhealthy ? "retrying" : hg_pipeline_running(g->p) ? "reading" : "pipeline paused";
    case HG_REASON_USER:
        return "paused by user";
    case HG_REASON_WAITING:
        return "waiting";
    case HG_REASON_MARK:
        return "waiting for a mark";
    case HG_REASON_FAILED_:
        return "failed";
    case HG_REASON_ENDED_:
        return "ended";
    case HG_REASON_N:
    default:
        return "?";
    }
}

static void put_bar(hg_buf_t *b, uint64_t done, uint64_t total)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    double f = done >= total ? 1.0 : (double)done / (double)total;
    int e = (int)(f * 64);
    for (int i = 0; i < e / 8; i++) hg_buf_adds(b, "█");
    hg_buf_adds(b, eighths[e % 8]);
    for (int i = e / 8 + (e % 8 != 0); i < 8; i++) hg_buf_addc(b, ' ');
    hg_buf_addf(b, " %3.0f %%", f * 100);
}

static double rate_of(track_t *t, uint64_t records)
{
    int64_t now = hg_mono_us();
    if (t->at_us && now > t->at_us) {
        double r = (double)(records - HG_MIN(t->records, records)) * 1e6 / (double)(now - t->at_us);
        t->rate = t->rate > 0 ? t->rate * 0.6 + r * 0.4 : r;
    }
    t->records = records;
    t->at_us = now;
    return t->rate;
}

static void draw_input(hg_progress_t *g, endpoint_t *ep, const hg_input_stats_t *s, double rate)
{
    char n[32], r[32];
    hg_buf_addf(&g->out, " %-18s %-14s %-20s %13s %10s   ", ep->name, ep->spec->in_type->name, state_word(g, ep, s),
                thousands(s->total_records, n, sizeof n), thousands((uint64_t)rate, r, sizeof r));
    if (s->total) put_bar(&g->out, s->done, s->total);
    hg_buf_adds(&g->out, "\033[K\n");
}

static void draw_output(hg_progress_t *g, endpoint_t *ep, const hg_output_stats_t *s, double rate)
{
    char n[32], r[32];
    const char *state = s->failed                  ? "failed"
                        : s->unhealthy             ? "retrying"
                        : atomic_load(&ep->paused) ? "paused by user"
                                                   : "writing";
    hg_buf_addf(&g->out, " %-18s %-14s %-20s %13s %10s   queue %" PRIu64 "\033[K\n", ep->name, ep->spec->out_type->name,
                state, thousands(s->transmitted_records, n, sizeof n), thousands((uint64_t)rate, r, sizeof r),
                s->queued_records);
}

static void draw_head(hg_progress_t *g, const hg_pipeline_totals_t *t)
{
    char in[32], out[32];
    int64_t secs = (hg_mono_us() - g->start_us) / 1000000;
    hg_buf_addf(&g->out, "%s · %s · %02d:%02d:%02d · %s in · %s out · %.1f MiB\033[K\n", g->name,
                hg_pipeline_running(g->p) ? "running" : "paused", (int)(secs / 3600), (int)(secs / 60 % 60),
                (int)(secs % 60), thousands(t->processed_records, in, sizeof in),
                thousands(t->output_records, out, sizeof out), (double)hg_rss_bytes() / 1048576.0);
    hg_buf_addf(&g->out, " %-18s %-14s %-20s %13s %10s   done\033[K\n", "table.connector", "transport", "state",
                "records", "rate/s");
}

void hg_progress_tick(hg_progress_t *g)
{
    hg_pipeline_totals_t t;
    for (uint32_t i = 0; i < g->n_in; i++) {
        hg_input_stats_t s;
        hg_input_get_stats(g->p->inputs[i]->in, &s);
        say_bad_records(g, g->p->inputs[i], &s);
    }
    for (uint32_t i = 0; i < g->n_out; i++) look_at_output(g, g->p->outputs[i], &g->tracks[g->n_in + i]);
    if (!g->live) return;
    hg_pipeline_totals(g->p, &t);
    if (g->drawn) hg_buf_addf(&g->out, "\033[%uA", g->drawn);
    draw_head(g, &t);
    for (uint32_t i = 0; i < g->n_in; i++) {
        hg_input_stats_t s;
        hg_input_get_stats(g->p->inputs[i]->in, &s);
        draw_input(g, g->p->inputs[i], &s, rate_of(&g->tracks[i], s.total_records));
    }
    for (uint32_t i = 0; i < g->n_out; i++) {
        hg_output_stats_t s;
        hg_output_get_stats(g->p->outputs[i]->out, &s);
        draw_output(g, g->p->outputs[i], &s, rate_of(&g->tracks[g->n_in + i], s.transmitted_records));
    }
    g->drawn = 2 + g->n_in + g->n_out;
    flush(g);
}

void hg_progress_end(hg_progress_t *g, const char *how)
{
    hg_pipeline_totals_t t;
    char a[32], b[32];
    hg_pipeline_totals(g->p, &t);
    for (uint32_t i = 0; i < g->n_out; i++) look_at_output(g, g->p->outputs[i], &g->tracks[g->n_in + i]);
    for (uint32_t i = 0; i < g->n_in; i++) {
        hg_input_stats_t s;
        hg_input_get_stats(g->p->inputs[i]->in, &s);
        say_bad_records(g, g->p->inputs[i], &s); /* of the last moment */
        if (s.num_parse_errors < 2) continue;
        begin_line(g);
        hg_buf_addf(&g->out, "%-18s %s bad records skipped\n", g->p->inputs[i]->name,
                    thousands(s.num_parse_errors, a, sizeof a));
    }
    begin_line(g);
    hg_buf_addf(&g->out, "%s: %s records in, %s rows out   %.1f s\n", how, thousands(t.processed_records, a, sizeof a),
                thousands(t.output_records, b, sizeof b), (double)(hg_mono_us() - g->start_us) / 1e6);
    flush(g);
}
