/* stats.c: Feldera's ControllerStatus from counter snapshots. Any thread; the lock is held while the endpoint arrays
 * are walked. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/transaction.h"

/* Completed is what every output has delivered; a record that no step took yet is neither. */
void hg_pipeline_totals(hg_pipeline_t *p, hg_pipeline_totals_t *ret)
{
    hg_pipeline_totals_t t = { 0 };
    bool all_ended = true;
    pthread_mutex_lock(&p->lock);
    hg_marks_settle(p);
    t.completed_records = p->completed_records;
    t.completed_steps = p->completed_step;
    t.initiated_steps = atomic_load(&p->steps);
    t.processed_records = atomic_load(&p->processed_records);
    t.processed_bytes = atomic_load(&p->processed_bytes);
    (void)hg_txn_before(p, &t.processed_records, &t.processed_bytes);
    uint64_t inserted = atomic_load(&p->inserted_records);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        hg_input_stats_t s;
        if (!p->inputs[i]->in) continue;
        hg_input_get_counts(p->inputs[i]->in, &s);
        t.input_records += s.total_records;
        t.input_bytes += s.total_bytes;
        t.buffered_records += s.buffered_records;
        t.buffered_bytes += s.buffered_bytes;
        t.errors += s.num_parse_errors + s.num_transport_errors;
        if (!p->inputs[i]->push && !s.end_of_input) all_ended = false;
    }
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        hg_output_stats_t s;
        if (!p->outputs[i]->out) continue;
        hg_output_get_stats(p->outputs[i]->out, &s);
        t.errors += s.num_encode_errors + s.num_transport_errors;
        if (!p->outputs[i]->tap) t.output_records += s.transmitted_records;
    }
    pthread_mutex_unlock(&p->lock);
    t.input_records += inserted + p->gone_records;
    t.input_bytes += p->gone_bytes;
    /* The counters of different threads are read one after the other: keep completed <= processed <= input. */
    if (t.input_records < t.processed_records) t.input_records = t.processed_records;
    uint64_t since = atomic_load(&p->stall_since_us);
    t.output_stall_msecs = since ? ((uint64_t)hg_mono_us() - since) / 1000 : 0;
    t.output_stalled_msecs = atomic_load(&p->stalled_us) / 1000 + t.output_stall_msecs;
    t.complete = all_ended && t.completed_records == t.input_records && t.buffered_records == 0;
    *ret = t;
}

bool hg_pipeline_failed(hg_pipeline_t *p, char *why, size_t cap)
{
    bool failed = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->n_inputs && !failed; i++) {
        hg_input_stats_t s;
        if (!p->inputs[i]->in || !p->inputs[i]->spec) continue;
        hg_input_get_counts(p->inputs[i]->in, &s);
        failed = s.failed;
        if (failed) hg_input_get_stats(p->inputs[i]->in, &s);
        if (failed) snprintf(why, cap, "%s failed: %s", p->inputs[i]->name, s.fatal);
    }
    for (uint32_t i = 0; i < p->n_outputs && !failed; i++) {
        hg_output_stats_t s;
        if (!p->outputs[i]->out || !p->outputs[i]->spec) continue;
        hg_output_get_stats(p->outputs[i]->out, &s);
        failed = s.failed;
        if (failed) snprintf(why, cap, "%s failed: %s", p->outputs[i]->name, s.fatal);
    }
    pthread_mutex_unlock(&p->lock);
    return failed;
}

static void put_globals(hg_pipeline_t *p, hg_jw_t *w)
{
    hg_pipeline_totals_t t;
    hg_usage_t u = { 0 };
    hg_pipeline_totals(p, &t);
    pthread_mutex_lock(&p->lock);
    if (p->durable) u = p->durable->usage;
    pthread_mutex_unlock(&p->lock);
    int64_t now = hg_now_us();
    hg_jw_obj(w);
    hg_jw_kstr(w, "state", hg_pipeline_running(p) ? "Running" : "Paused");
    hg_jw_kbool(w, "bootstrap_in_progress", atomic_load(&p->phase) >= HG_PHASE_BOOTSTRAPPING);
    hg_txn_stats(p, w);
    hg_pipeline_bootstrap_json(p, w);
    hg_jw_ku64(w, "rss_bytes", hg_rss_bytes());
    hg_jw_kstr(w, "memory_pressure", "low");
    hg_jw_ku64(w, "memory_pressure_epoch", 0);
    hg_jw_ku64(w, "cpu_msecs", hg_cpu_msecs());
    hg_jw_ki64(w, "uptime_msecs", HG_MAX((now - p->start_us) / 1000, 1));
    hg_jw_ki64(w, "start_time", p->start_us / 1000000);
    hg_jw_kstr(w, "incarnation_uuid", p->incarnation);
    hg_jw_ki64(w, "initial_start_time", (p->durable ? p->durable->initial_start_us : p->start_us) / 1000000);
    hg_jw_ku64(w, "storage_bytes", u.bytes);
    hg_jw_ku64(w, "storage_mb_secs", hg_usage_mb_secs(&u, hg_mono_us()));
    hg_jw_ku64(w, "runtime_elapsed_msecs", atomic_load(&p->circuit_busy_us) / 1000);
    hg_jw_ku64(w, "buffered_input_records", t.buffered_records);
    hg_jw_ku64(w, "buffered_input_bytes", t.buffered_bytes);
    hg_jw_ku64(w, "total_input_records", t.input_records);
    hg_jw_ku64(w, "total_input_bytes", t.input_bytes);
    hg_jw_ku64(w, "total_processed_records", t.processed_records);
    hg_jw_ku64(w, "total_processed_bytes", t.processed_bytes);
    hg_jw_ku64(w, "total_completed_records", t.completed_records);
    hg_jw_ku64(w, "output_stall_msecs", t.output_stall_msecs);
    hg_jw_ku64(w, "total_initiated_steps", t.initiated_steps);
    hg_jw_ku64(w, "total_completed_steps", t.completed_steps);
    hg_jw_kbool(w, "pipeline_complete", t.complete);
    hg_jw_end_obj(w);
}

static void put_head(const endpoint_t *ep, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "endpoint_name", ep->name);
    hg_jw_key(w, "config");
    hg_jw_obj(w);
    hg_jw_kstr(w, "stream", ep->stream);
    hg_jw_end_obj(w);
}

static void put_health(hg_jw_t *w, bool unhealthy, const char *health, const char *fatal)
{
    char text[640];
    hg_jw_key(w, "health");
    if (fatal[0]) {
        snprintf(text, sizeof text, "failed: %s; start the connector to try again", fatal);
        unhealthy = true;
        health = text;
    }
    if (!unhealthy && !health[0]) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    hg_jw_kstr(w, "status", unhealthy ? "Unhealthy" : "Healthy");
    hg_jw_kstr(w, "description", health[0] ? health : NULL);
    hg_jw_end_obj(w);
}

static void put_input(endpoint_t *ep, bool errors, hg_jw_t *w)
{
    hg_input_stats_t s;
    hg_input_get_stats(ep->in, &s);
    put_head(ep, w);
    hg_jw_key(w, "metrics");
    hg_jw_obj(w);
    hg_jw_ku64(w, "total_bytes", s.total_bytes);
    hg_jw_ku64(w, "total_records", s.total_records);
    hg_jw_ku64(w, "buffered_records", s.buffered_records);
    hg_jw_ku64(w, "buffered_bytes", s.buffered_bytes);
    hg_jw_ku64(w, "num_transport_errors", s.num_transport_errors);
    hg_jw_ku64(w, "num_parse_errors", s.num_parse_errors);
    hg_jw_kbool(w, "end_of_input", s.end_of_input);
    if (s.p99_micros) hg_jw_ku64(w, "processing_latency_p99_micros", s.p99_micros);
    hg_jw_end_obj(w);
    hg_jw_kstr(w, "fatal_error", s.fatal[0] ? s.fatal : NULL);
    if (errors) {
        hg_jw_key(w, "parse_errors");
        hg_input_errors_json(ep->in, 1, w);
        hg_jw_key(w, "transport_errors");
        hg_input_errors_json(ep->in, 0, w);
    }
    char held[640];
    if (hg_txn_trouble(ep->p, held, sizeof held))
        put_health(w, true, held, s.fatal);
    else
        put_health(w, s.unhealthy, s.health, s.fatal);
    hg_jw_kbool(w, "paused", atomic_load(&ep->paused));
    hg_jw_kbool(w, "barrier", s.barrier);
    hg_jw_knull(w, "completed_frontier");
    if (s.mark[0]) { /* ours; Feldera has none */
        hg_jw_key(w, "mark");
        hg_jw_raw(w, hg_strz(s.mark));
    }
    hg_jw_end_obj(w);
}

static void put_output(endpoint_t *ep, bool errors, hg_jw_t *w)
{
    hg_output_stats_t s;
    hg_output_get_stats(ep->out, &s);
    put_head(ep, w);
    hg_jw_key(w, "metrics");
    hg_jw_obj(w);
    hg_jw_ku64(w, "transmitted_records", s.transmitted_records);
    hg_jw_ku64(w, "transmitted_bytes", s.transmitted_bytes);
    hg_jw_ku64(w, "queued_records", s.queued_records);
    hg_jw_ku64(w, "queued_batches", s.queued_batches);
    hg_jw_ku64(w, "buffered_records", s.buffered_records);
    hg_jw_ku64(w, "buffered_batches", s.buffered_batches);
    hg_jw_ku64(w, "num_encode_errors", s.num_encode_errors);
    hg_jw_ku64(w, "num_transport_errors", s.num_transport_errors);
    hg_jw_ku64(w, "total_processed_input_records", s.total_processed_input_records);
    hg_jw_ku64(w, "total_processed_steps", s.total_processed_steps);
    hg_jw_ku64(w, "memory", s.memory);
    hg_jw_end_obj(w);
    hg_jw_kstr(w, "fatal_error", s.fatal[0] ? s.fatal : NULL);
    if (errors) {
        hg_jw_key(w, "encode_errors");
        hg_output_errors_json(ep->out, 1, w);
        hg_jw_key(w, "transport_errors");
        hg_output_errors_json(ep->out, 0, w);
    }
    put_health(w, s.unhealthy, s.health, s.fatal);
    hg_jw_kbool(w, "paused", atomic_load(&ep->paused));
    hg_jw_end_obj(w);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(endpoint_t *const *)a)->name, (*(endpoint_t *const *)b)->name);
}

/* The endpoints that exist now, by name. Under lock; caller frees. */
static endpoint_t **sorted(endpoint_t **eps, uint32_t n, uint32_t *ret_n)
{
    endpoint_t **s = HG_NEWN(endpoint_t *, n + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (eps[i]->in || eps[i]->out) s[k++] = eps[i];
    qsort(s, k, sizeof *s, by_name);
    *ret_n = k;
    return s;
}

static void put_endpoints(hg_pipeline_t *p, bool input, bool errors, hg_jw_t *w)
{
    uint32_t n;
    hg_jw_arr(w);
    pthread_mutex_lock(&p->lock);
    endpoint_t **s = sorted(input ? p->inputs : p->outputs, input ? p->n_inputs : p->n_outputs, &n);
    for (uint32_t i = 0; i < n; i++) (input ? put_input : put_output)(s[i], errors, w);
    pthread_mutex_unlock(&p->lock);
    hg_free(s);
    hg_jw_end_arr(w);
}

void hg_pipeline_stats_json(hg_pipeline_t *p, bool errors, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_key(w, "global_metrics");
    put_globals(p, w);
    hg_suspend_stats(p, w);
    hg_jw_key(w, "inputs");
    put_endpoints(p, true, errors, w);
    hg_jw_key(w, "outputs");
    put_endpoints(p, false, errors, w);
    hg_jw_end_obj(w);
}

int hg_pipeline_endpoint_json(hg_pipeline_t *p, hg_str_t endpoint, bool input, hg_jw_t *w, hg_err_t *err)
{
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, endpoint, input);
    bool found = ep && (ep->in || ep->out);
    if (found) (input ? put_input : put_output)(ep, true, w);
    pthread_mutex_unlock(&p->lock);
    if (found) return 0;
    return hg_err_set(err, input ? HG_EUNKNOWNINPUT : HG_EUNKNOWNOUTPUT, "unknown %s endpoint name '" HG_SF "'",
                      input ? "input" : "output", HG_SA(endpoint));
}
