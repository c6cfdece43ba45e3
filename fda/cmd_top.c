/* cmd_top.c: `fda top P`: the connectors with their states and rates, drawn anew every second on a terminal until
 * Ctrl-C; one picture when the output is no terminal. */
#include "base/hg.h"
#include <signal.h>
#include <unistd.h>
#include "base/mem.h"
#include "fda/fda_int.h"

#define PERIOD_MS 1000
#define BAR_CELLS 8
#define COLUMNS   8

/* What a connector's counter was at the last picture. */
typedef struct sample {
    char *name;
    uint64_t records;
} sample_t;

typedef struct top {
    const char *name;
    sample_t *old, *new;
    uint32_t n_old, n_new;
    uint64_t old_ms, new_ms;
    bool redraw;
} top_t;

typedef struct line {
    const char *text[COLUMNS];
    fda_paint_t paint; /* of the state */
} line_t;

static volatile sig_atomic_t g_interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    g_interrupted = 1;
}

static void forget(sample_t *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) hg_free(s[i].name);
    hg_free(s);
}

/* Notes the counter; its rate since the last picture, "" if there is none. */
static const char *rate(fda_t *f, top_t *t, const char *name, const char *digits)
{
    uint64_t records = 0;
    hg_str_u64(hg_strz(digits), &records);
    t->new[t->n_new++] = (sample_t){ hg_xstrdup(name), records };
    for (uint32_t i = 0; i < t->n_old; i++) {
        if (strcmp(t->old[i].name, name) != 0 || records < t->old[i].records) continue;
        uint64_t ms = HG_MAX(t->new_ms - t->old_ms, (uint64_t)1);
        return fda_thousands(
            f, hg_arena_printf(f->arena, "%" PRIu64, ((records - t->old[i].records) * 1000 + ms / 2) / ms));
    }
    return "";
}

static const char *sum(fda_t *f, const hg_json_t *v, const char *const *members, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const hg_json_t *m = fda_member(v, members[i]);
        uint64_t one = 0;
        if (m && hg_json_u64(m, &one) == 0) total += one;
    }
    return fda_thousands(f, hg_arena_printf(f->arena, "%" PRIu64, total));
}

/* "███▌     44 %, 2 s left" */
static const char *bar(fda_t *f, const hg_json_t *node)
{
    static const char *const eighth[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    const char *words = fda_orch_progress(f, node);
    double part;
    hg_buf_t b;
    if (!*words || hg_json_f64(fda_member(node, "progress.fraction"), &part) < 0) return "";
    unsigned n = (unsigned)(HG_MAX(0.0, HG_MIN(part, 1.0)) * BAR_CELLS * 8), cells = n / 8 + (n % 8 != 0);
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (unsigned i = 0; i < n / 8; i++) hg_buf_adds(&b, "█");
    hg_buf_addf(&b, "%s%*s %s", eighth[n % 8], (int)(BAR_CELLS - cells), "", words);
    const char *s = hg_arena_strndup(f->arena, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

static line_t input_line(fda_t *f, top_t *t, const hg_json_t *s, const hg_json_t *orch)
{
    static const char *const errors[] = { "metrics.num_transport_errors", "metrics.num_parse_errors" };
    const char *name = fda_text(s, "endpoint_name", ""), *records = fda_digits(s, "metrics.total_records", "0");
    const hg_json_t *node = fda_orch_find(orch, name);
    line_t l = { .paint = FDA_PLAIN };
    l.text[0] = name;
    l.text[1] = node ? fda_text(node, "transport", "") : "";
    l.text[2] = node ? fda_orch_state(f, node, &l.paint) : "running";
    l.text[3] = fda_thousands(f, records);
    l.text[4] = rate(f, t, name, records);
    l.text[5] = fda_thousands(f, fda_digits(s, "metrics.buffered_records", "0"));
    l.text[6] = sum(f, s, errors, HG_COUNT(errors));
    l.text[7] = node ? bar(f, node) : "";
    return l;
}

static line_t output_line(fda_t *f, top_t *t, const hg_json_t *s)
{
    static const char *const errors[] = { "metrics.num_transport_errors", "metrics.num_encode_errors" };
    static const char *const waiting[] = { "metrics.queued_records", "metrics.buffered_records" };
    const char *name = fda_text(s, "endpoint_name", ""), *records = fda_digits(s, "metrics.transmitted_records", "0");
    const char *failed = fda_text(s, "fatal_error", NULL);
    bool paused = hg_json_bool(hg_json_get(s, "paused"), false);
    line_t l = { .paint = failed ? FDA_RED : paused ? FDA_YELLOW : FDA_GREEN };
    l.text[0] = name;
    l.text[1] = "output";
    l.text[2] = failed ? "failed" : paused ? "paused by user" : "writing";
    l.text[3] = fda_thousands(f, records);
    l.text[4] = rate(f, t, name, records);
    l.text[5] = sum(f, s, waiting, HG_COUNT(waiting));
    l.text[6] = sum(f, s, errors, HG_COUNT(errors));
    l.text[7] = failed ? failed : "";
    return l;
}

static void put_lines(fda_t *f, const line_t *lines, uint32_t n, hg_buf_t *out)
{
    static const char *const head[COLUMNS] = { "connector", "transport", "state",  "records",
                                               "rate/s",    "queue",     "errors", "done" };
    size_t width[COLUMNS];
    for (unsigned c = 0; c < COLUMNS; c++) {
        width[c] = strlen(head[c]);
        for (uint32_t i = 0; i < n; i++) width[c] = HG_MAX(width[c], fda_width(lines[i].text[c]));
    }
    for (uint32_t i = 0; i <= n; i++) {
        const char *const *text = i ? lines[i - 1].text : head;
        for (unsigned c = 0; c < COLUMNS; c++) {
            bool number = c >= 3 && c <= 6;
            if (number)
                hg_buf_addf(out, "  %*s", (int)(width[c] + strlen(text[c]) - fda_width(text[c])), text[c]);
            else
                hg_buf_addf(out, "%s%s", c ? "  " : "",
                            fda_paint(f,
                                      i == 0   ? FDA_DIM
                                      : c == 2 ? lines[i - 1].paint
                                               : FDA_PLAIN,
                                      text[c], c == COLUMNS - 1 ? 0 : width[c]));
        }
        while (out->len && out->p[out->len - 1] == ' ') out->p[--out->len] = 0;
        hg_buf_addc(out, '\n');
    }
}

static void put_head(fda_t *f, const top_t *t, const hg_json_t *stats, hg_buf_t *out)
{
    uint64_t rss = 0;
    const hg_json_t *m = fda_member(stats, "global_metrics.rss_bytes");
    if (m) hg_json_u64(m, &rss);
    hg_buf_addf(out, "%s · %s · %s in · %s processed · %.1f MiB\n", t->name,
                fda_text(stats, "global_metrics.state", ""),
                fda_thousands(f, fda_digits(stats, "global_metrics.total_input_records", "0")),
                fda_thousands(f, fda_digits(stats, "global_metrics.total_processed_records", "0")),
                (double)rss / (1024 * 1024));
}

static int picture(fda_t *f, void *arg)
{
    top_t *t = arg;
    const hg_json_t *stats, *orch;
    int rc = fda_get(f, "Failed to get pipeline stats", fda_path(f, "/v0/pipelines/%s/stats", t->name), 0, &stats);
    if (rc == 0) rc = fda_orchestration(f, t->name, 0, &orch);
    if (rc) return rc;
    const hg_json_t *in = fda_member(stats, "inputs"), *out = fda_member(stats, "outputs");
    uint32_t room = (in ? in->n : 0) + (out ? out->n : 0), n = 0;
    line_t *lines = HG_ANEWN(f->arena, line_t, room + 1);
    hg_buf_t text;
    forget(t->old, t->n_old);
    t->old = t->new;
    t->n_old = t->n_new;
    t->old_ms = t->new_ms;
    t->new = HG_NEWN(sample_t, room + 1);
    t->n_new = 0;
    t->new_ms = fda_now_ms();
    for (const hg_json_t *s = in ? in->child : NULL; s; s = s->next) lines[n++] = input_line(f, t, s, orch);
    for (const hg_json_t *s = out ? out->child : NULL; s; s = s->next) lines[n++] = output_line(f, t, s);
    hg_buf_init(&text, HG_BUF_NOMAX);
    if (t->redraw) hg_buf_adds(&text, "\033[H\033[J");
    put_head(f, t, stats, &text);
    put_lines(f, lines, n, &text);
    fwrite(text.p, 1, text.len, stdout);
    fflush(stdout);
    hg_buf_release(&text);
    return 0;
}

int fda_cmd_top(fda_t *f, const fda_args_t *a)
{
    top_t t = { .name = fda_arg(a, "NAME"), .redraw = isatty(STDOUT_FILENO) };
    if (f->format != FDA_TEXT) return fda_unsupported(f);
    int rc = 0;
    if (t.redraw) {
        signal(SIGINT, on_interrupt);
        fputs("\033[2J", stdout);
    }
    do {
        rc = fda_once(f, picture, &t);
        if (rc == 0 && t.redraw && !g_interrupted) fda_pause_ms(PERIOD_MS);
    } while (rc == 0 && t.redraw && !g_interrupted);
    forget(t.old, t.n_old);
    forget(t.new, t.n_new);
    return g_interrupted ? 0 : rc;
}
