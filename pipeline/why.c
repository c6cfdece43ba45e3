/* why.c: why is a connector not running? In words (ux.md) and as JSON. Control loop.
 *
 * Inputs are explained by the orchestrator. Outputs wait for no label: they write, are paused by the user, or failed.
 */
#include "base/hg.h"
#include "base/log.h"
#include "pipeline/move.h"
#include "pipeline/pipeline_int.h"
#include "pipeline/transaction.h"

/* done / total and the time left at the average rate since it began, where the size is known. */
static void put_progress(hg_pipeline_t *p, endpoint_t *ep, hg_jw_t *w)
{
    hg_input_stats_t s;
    if (!ep->in) return;
    hg_input_get_stats(ep->in, &s);
    hg_jw_kstr(w, "transport", ep->spec ? ep->spec->in_type->name : "http_input");
    hg_jw_ku64(w, "records", s.total_records);
    hg_jw_ku64(w, "errors", s.num_parse_errors + s.num_transport_errors);
    if (s.fatal[0]) hg_jw_kstr(w, "error", s.fatal);
    if (s.mark[0]) {
        hg_jw_key(w, "mark");
        hg_jw_raw(w, hg_strz(s.mark));
    }
    if (!s.total) return;
    double fraction = s.done >= s.total ? 1.0 : (double)s.done / (double)s.total;
    hg_jw_key(w, "progress");
    hg_jw_obj(w);
    hg_jw_ku64(w, "done", s.done);
    hg_jw_ku64(w, "total", s.total);
    hg_jw_key(w, "fraction");
    hg_jw_f64(w, fraction);
    int64_t began = hg_orch_since(p->orch, ep->id);
    hg_jw_key(w, "remaining_msecs");
    if (hg_orch_reading(p->orch, ep->id) && fraction > 0 && fraction < 1)
        hg_jw_u64(w, (uint64_t)((double)(hg_now_us() - began) / 1000.0 * (1 - fraction) / fraction));
    else if (fraction >= 1)
        hg_jw_u64(w, 0);
    else
        hg_jw_null(w);
    hg_jw_end_obj(w);
}

static const char *const g_changes[][2] = { { "set", "was set" }, { "reset", "was set back to its configured start" } };

/* What the user did last to its position. */
static void put_change(const endpoint_t *ep, hg_jw_t *w)
{
    hg_jw_key(w, "last_change");
    hg_position_put_change(ep->change, ep->change_us, w);
}

static void say_change(const endpoint_t *ep, hg_buf_t *text)
{
    char at[40];
    if (!ep->change) return;
    hg_time_rfc3339(at, ep->change_us);
    if (strcmp(ep->change, "rerun") == 0) hg_buf_addf(text, "\nThe user had it run again at %s", at);
    for (size_t i = 0; i < HG_COUNT(g_changes); i++)
        if (strcmp(ep->change, g_changes[i][0]) == 0)
            hg_buf_addf(text, "\nIts position %s by the user at %s", g_changes[i][1], at);
}

static void put_extra(void *arg, uint32_t conn, hg_jw_t *w)
{
    hg_pipeline_t *p = arg;
    put_progress(p, p->inputs[conn], w);
    put_change(p->inputs[conn], w);
}

void hg_pipeline_orchestration_json(hg_pipeline_t *p, hg_jw_t *w)
{
    hg_orch_json(p->orch, w, put_extra, p);
}

/* "reading, 78 %" for a connector that another one waits for. */
static void say_state(hg_pipeline_t *p, uint32_t conn, hg_buf_t *out)
{
    endpoint_t *ep = p->inputs[conn];
    hg_input_stats_t s = { 0 };
    if (ep->in) hg_input_get_stats(ep->in, &s);
    if (s.failed || s.fatal[0]) {
        hg_buf_addf(out, "failed: %s", s.fatal);
        return;
    }
    hg_orch_reason_t r = hg_orch_reason(p->orch, conn);
    if (r == HG_REASON_RUNNING)
        hg_buf_adds(out, hg_pipeline_running(p) ? "reading" : "waits for the pipeline to run");
    else if (r == HG_REASON_ENDED_)
        hg_buf_adds(out, s.buffered_records ? "ended, its last records are being processed" : "ended");
    else if (r == HG_REASON_USER)
        hg_buf_adds(out, "paused by user");
    else
        hg_buf_addf(out, "%s", r == HG_REASON_WAITING ? "waiting itself" : "waiting for a hand-off mark");
    if (s.total && r == HG_REASON_RUNNING)
        hg_buf_addf(out, ", %.0f %%", 100.0 * (double)HG_MIN(s.done, s.total) / (double)s.total);
}

typedef struct {
    hg_pipeline_t *p;
    hg_buf_t *text;
    bool marks;  /* tell of those whose marks are waited for; false: of those that must finish */
    bool failed; /* one of them did */
    unsigned n;  /* told so far */
} say_t;

/* Of a connector that others wait for, or its own: how far the mark is. */
static void say_mark(hg_pipeline_t *p, uint32_t conn, hg_buf_t *out)
{
    hg_input_stats_t s = { 0 };
    if (p->inputs[conn]->in) hg_input_get_stats(p->inputs[conn]->in, &s);
    hg_buf_adds(out, "taking its hand-off mark");
    if (s.unhealthy) hg_buf_addf(out, ": %s", s.health);
}

static void say_blocker(void *arg, const hg_orch_blocker_t *b)
{
    say_t *s = arg;
    if (b->mark != s->marks) return;
    hg_buf_addf(s->text, "\n  %s   ", s->p->inputs[b->conn]->name);
    if (b->mark && !b->failed)
        say_mark(s->p, b->conn, s->text);
    else
        say_state(s->p, b->conn, s->text);
    s->failed |= b->failed;
    s->n++;
}

static void say_waiting(hg_pipeline_t *p, endpoint_t *ep, hg_buf_t *text)
{
    hg_buf_t list;
    say_t s = { .p = p, .text = &list };
    hg_buf_init(&list, 1u << 20);
    hg_orch_blockers(p->orch, ep->id, say_blocker, &s);
    if (s.failed)
        hg_buf_addf(text, "%s is paused: blocked, it will not start by itself", ep->name);
    else {
        hg_buf_addf(text, "%s is paused: waiting for label", ep->name);
        for (uint32_t i = 0; i < ep->spec->n_after; i++)
            hg_buf_addf(text, "%s '" HG_SF "'", i ? "," : "", HG_SA(ep->spec->after[i]));
    }
    hg_buf_addstr(text, hg_buf_str(&list));
    hg_buf_release(&list);
    if (hg_orch_marking(p->orch, ep->id) && !hg_orch_failed(p->orch, ep->id)) {
        hg_buf_adds(text, "\nFirst of all it is ");
        say_mark(p, ep->id, text);
    }
}

/* Those whose marks must be taken before this one may read. */
static void say_held(hg_pipeline_t *p, endpoint_t *ep, const char *intro, hg_buf_t *text)
{
    hg_buf_t list;
    say_t s = { .p = p, .text = &list, .marks = true };
    hg_buf_init(&list, 1u << 20);
    hg_orch_blockers(p->orch, ep->id, say_blocker, &s);
    if (s.n) hg_buf_addf(text, "%s" HG_SF, intro, HG_SA(hg_buf_str(&list)));
    hg_buf_release(&list);
}

static void say(hg_pipeline_t *p, endpoint_t *ep, hg_buf_t *text)
{
    char held[640];
    hg_input_stats_t s = { 0 };
    if (ep->in) hg_input_get_stats(ep->in, &s);
    switch (hg_orch_reason(p->orch, ep->id)) {
    case HG_REASON_RUNNING:
        hg_buf_addf(text, "%s is running", ep->name);
        if (!hg_pipeline_running(p))
            hg_buf_adds(text, ", but the pipeline is paused");
        else if (hg_txn_trouble(p, held, sizeof held))
            hg_buf_addf(text, ", but %s", held);
        else if (s.unhealthy)
            hg_buf_addf(text, ": %s", s.health);
        break;
    case HG_REASON_USER:
        hg_buf_addf(text, "%s is paused by user", ep->name);
        break;
    case HG_REASON_WAITING:
        say_waiting(p, ep, text);
        say_held(p, ep, "\nIt also waits until these have taken their hand-off mark", text);
        break;
    case HG_REASON_MARK:
        hg_buf_addf(text, "%s is paused", ep->name);
        say_held(p, ep, ": it waits until these have taken their hand-off mark", text);
        break;
    case HG_REASON_FAILED_:
        hg_buf_addf(text, "%s failed: %s", ep->name, s.fatal);
        break;
    case HG_REASON_ENDED_:
        hg_buf_addf(text, "%s has reached its end of input: %" PRIu64 " records", ep->name, s.total_records);
        break;
    case HG_REASON_N:
    default:
        break;
    }
    if (s.mark[0] && hg_orch_reason(p->orch, ep->id) == HG_REASON_WAITING)
        hg_buf_addf(text, "\nIt will start from its mark: %s", s.mark);
}

static void put_blocker(void *arg, const hg_orch_blocker_t *b)
{
    hg_jw_t *w = ((void **)arg)[0];
    hg_pipeline_t *p = ((void **)arg)[1];
    hg_jw_obj(w);
    hg_jw_key(w, "label");
    hg_jw_str(w, b->label);
    hg_jw_kstr(w, "connector", p->inputs[b->conn]->name);
    hg_jw_kstr(w, "until", hg_orch_until(b->mark));
    hg_jw_kbool(w, "failed", b->failed);
    put_progress(p, p->inputs[b->conn], w);
    hg_jw_end_obj(w);
}

int hg_pipeline_why_json(hg_pipeline_t *p, hg_str_t endpoint, hg_jw_t *w, hg_err_t *err)
{
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, endpoint, true);
    pthread_mutex_unlock(&p->lock);
    if (!ep) return hg_err_set(err, HG_EUNKNOWNINPUT, "unknown input endpoint name '" HG_SF "'", HG_SA(endpoint));
    hg_buf_t text;
    void *arg[2] = { w, p };
    char since[32];
    hg_buf_init(&text, 1u << 20);
    say(p, ep, &text);
    say_change(ep, &text);
    hg_time_rfc3339(since, hg_orch_since(p->orch, ep->id));
    hg_jw_obj(w);
    hg_jw_kstr(w, "endpoint_name", ep->name);
    hg_jw_kstr(w, "reason", hg_orch_reason_name(hg_orch_reason(p->orch, ep->id)));
    hg_jw_kstr(w, "since", since);
    hg_jw_key(w, "text");
    hg_jw_str(w, hg_buf_str(&text));
    hg_jw_key(w, "waiting_for");
    hg_jw_arr(w);
    hg_orch_blockers(p->orch, ep->id, put_blocker, arg);
    hg_jw_end_arr(w);
    put_progress(p, ep, w);
    put_change(ep, w);
    hg_jw_end_obj(w);
    hg_buf_release(&text);
    return 0;
}

/* --- outputs --- */

/* When the newest error came: a failure is the last one. Falls back to `since`. */
static void failed_at(endpoint_t *ep, char since[32])
{
    hg_arena_t *a = hg_arena_new();
    for (int which = 0; which < 2; which++) {
        hg_buf_t list;
        hg_jw_t w;
        hg_json_t *v;
        hg_err_t ignored;
        hg_buf_init(&list, HG_BUF_NOMAX);
        hg_jw_init(&w, &list);
        hg_output_errors_json(ep->out, which, &w);
        if (hg_json_parse(a, hg_buf_str(&list), &v, &ignored) == 0)
            for (const hg_json_t *e = v->child; e; e = e->next) {
                const char *t = hg_json_str(hg_json_get(e, "timestamp"), "");
                if (strcmp(t, since) > 0) snprintf(since, 32, "%s", t); /* of equal form: the order of text is time's */
            }
        hg_buf_release(&list);
    }
    hg_arena_free(a);
}

static void say_output(hg_pipeline_t *p, endpoint_t *ep, const hg_output_stats_t *s, hg_buf_t *text)
{
    if (s->failed) {
        hg_buf_addf(text, "%s failed: %s", ep->name, s->fatal);
        return;
    }
    if (atomic_load(&ep->paused)) {
        hg_buf_addf(text, "%s is paused by user: what changes meanwhile is not sent, and will not be sent later",
                    ep->name);
        return;
    }
    hg_buf_addf(text, "%s is running", ep->name);
    if (s->unhealthy)
        hg_buf_addf(text, ", but cannot write: %s", s->health);
    else if (!hg_pipeline_running(p))
        hg_buf_adds(text, ", but the pipeline is paused");
    hg_buf_addf(text, "\n  %" PRIu64 " records sent, %" PRIu64 " waiting to be sent", s->transmitted_records,
                s->queued_records + s->buffered_records);
}

int hg_pipeline_why_output_json(hg_pipeline_t *p, hg_str_t endpoint, hg_jw_t *w, hg_err_t *err)
{
    hg_output_stats_t s;
    hg_buf_t text;
    char since[32];
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, endpoint, false);
    pthread_mutex_unlock(&p->lock);
    if (!ep || !ep->out)
        return hg_err_set(err, HG_EUNKNOWNOUTPUT, "unknown output endpoint name '" HG_SF "'", HG_SA(endpoint));
    hg_output_get_stats(ep->out, &s);
    hg_buf_init(&text, 65536);
    say_output(p, ep, &s, &text);
    hg_time_rfc3339(since, ep->since_us ? ep->since_us : p->start_us);
    if (s.failed) failed_at(ep, since);
    hg_jw_obj(w);
    hg_jw_kstr(w, "endpoint_name", ep->name);
    hg_jw_kstr(w, "reason", s.failed ? "failed" : atomic_load(&ep->paused) ? "user" : "running");
    hg_jw_kstr(w, "since", since);
    hg_jw_key(w, "text");
    hg_jw_str(w, hg_buf_str(&text));
    hg_jw_key(w, "waiting_for");
    hg_jw_arr(w);
    hg_jw_end_arr(w);
    hg_jw_kstr(w, "transport", ep->spec ? ep->spec->out_type->name : "http_output");
    hg_jw_ku64(w, "records", s.transmitted_records);
    hg_jw_ku64(w, "errors", s.num_encode_errors + s.num_transport_errors);
    if (s.fatal[0]) hg_jw_kstr(w, "error", s.fatal);
    hg_jw_end_obj(w);
    hg_buf_release(&text);
    return 0;
}
