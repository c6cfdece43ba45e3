/* metrics.c: counters under Feldera's metric names, as Prometheus text (exposition format 0.0.4) or as Feldera's JSON
 * list. One table says name, kind and where the value comes from; both forms are written from it. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"

typedef struct {
    const char *name, *type;
    size_t at;    /* offset of a uint64_t in the struct */
    double scale; /* 0 = 1 */
} metric_t;

typedef struct {
    uint64_t records, bytes, buffered, buffered_bytes, errors_transport, errors_parse, running, barrier, end_of_input;
    hg_latency_sum_t processing, completion;
} in_view_t;
typedef struct {
    uint64_t records, bytes, buffered, queued_records, queued_batches, errors_transport, errors_encode,
        buffered_batches;
} out_view_t;
typedef struct {
    hg_pipeline_totals_t t;
    uint64_t late, start_secs, complete, storage, max_rss, memory_pressure, rss, size, cpu_ms, open_fds, max_fds;
} global_view_t;

#define G(n, ty, f)                                                                                                    \
    {                                                                                                                  \
        n, ty, offsetof(global_view_t, f), 0                                                                           \
    }
static const metric_t g_global[] = {
    G("records_input_total", "counter", t.input_records),
    G("records_input_bytes_total", "counter", t.input_bytes),
    G("records_input_buffered", "gauge", t.buffered_records),
    G("records_input_buffered_bytes", "gauge", t.buffered_bytes),
    G("records_processed_total", "counter", t.processed_records),
    G("records_processed_bytes_total", "counter", t.processed_bytes),
    G("records_late_total", "counter", late),
    G("dbsp_steps_total", "counter", t.initiated_steps),
    { "output_stall_seconds", "gauge", offsetof(global_view_t, t.output_stall_msecs), 1e-3 },
    { "output_stall_seconds_total", "counter", offsetof(global_view_t, t.output_stalled_msecs), 1e-3 },
    G("pipeline_complete", "gauge", complete),
    G("pipeline_start_time_seconds", "gauge", start_secs),
    G("storage_usage_bytes", "gauge", storage),
    G("max_rss_bytes", "gauge", max_rss),
    G("memory_pressure", "gauge", memory_pressure),
    G("process_start_time_seconds", "gauge", start_secs),
    G("process_resident_memory_bytes", "gauge", rss),
    G("process_virtual_memory_bytes", "gauge", size),
    G("process_open_fds", "gauge", open_fds),
    G("process_max_fds", "gauge", max_fds),
    { "process_cpu_seconds_total", "counter", offsetof(global_view_t, cpu_ms), 1e-3 },
};
#define I(n, ty, f)                                                                                                    \
    {                                                                                                                  \
        "input_connector_" n, ty, offsetof(in_view_t, f), 0                                                            \
    }
static const metric_t g_in[] = {
    I("records_total", "counter", records),
    I("bytes_total", "counter", bytes),
    I("buffered_records", "gauge", buffered),
    I("buffered_records_bytes", "gauge", buffered_bytes),
    I("errors_transport_total", "counter", errors_transport),
    I("errors_parse_total", "counter", errors_parse),
    I("running", "gauge", running),
    I("barrier", "gauge", barrier),
    I("end_of_input", "gauge", end_of_input),
};
#define O(n, ty, f)                                                                                                    \
    {                                                                                                                  \
        n, ty, offsetof(out_view_t, f), 0                                                                              \
    }
static const metric_t g_out[] = {
    O("output_connector_records_total", "counter", records),
    O("output_connector_bytes_total", "counter", bytes),
    O("output_connector_buffered_records", "gauge", buffered),
    O("output_connector_queued_records", "gauge", queued_records),
    O("output_connector_queued_batches", "gauge", queued_batches),
    O("output_connector_errors_transport_total", "counter", errors_transport),
    O("output_connector_errors_encode_total", "counter", errors_encode),
    O("output_buffered_batches", "gauge", buffered_batches),
};

/* One series: the label "endpoint" (NULL = none) and the struct the table's offsets point into. */
typedef struct {
    const char *endpoint;
    union {
        in_view_t in;
        out_view_t out;
        global_view_t global;
    } v;
} series_t;

static double value_of(const metric_t *m, const series_t *s)
{
    uint64_t v;
    memcpy(&v, (const char *)&s->v + m->at, sizeof v);
    return (double)v * (m->scale != 0 ? m->scale : 1);
}

static void put_label(hg_buf_t *out, const char *key, const char *value, bool first)
{
    hg_buf_addf(out, "%s%s=\"", first ? "" : ",", key);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') hg_buf_addc(out, '\\');
        if (*c == '\n')
            hg_buf_adds(out, "\\n");
        else
            hg_buf_addc(out, *c);
    }
    hg_buf_addc(out, '"');
}

/* name and labels; the brace stays open */
static void put_labels_text(const hg_pipeline_t *p, const char *name, const char *suffix, const series_t *s,
                            hg_buf_t *out)
{
    hg_buf_addf(out, "%s%s{", name, suffix);
    put_label(out, "pipeline", p->name, true);
    put_label(out, "pipeline_name", p->name, false);
    if (s->endpoint) put_label(out, "endpoint", s->endpoint, false);
}

/* the object stays open */
static void put_labels_json(const hg_pipeline_t *p, const series_t *s, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_key(w, "labels");
    hg_jw_obj(w);
    hg_jw_kstr(w, "pipeline", p->name);
    hg_jw_kstr(w, "pipeline_name", p->name);
    if (s->endpoint) hg_jw_kstr(w, "endpoint", s->endpoint);
    hg_jw_end_obj(w);
}

static void put_text(const hg_pipeline_t *p, const metric_t *m, const series_t *s, uint32_t n, hg_buf_t *out)
{
    hg_buf_addf(out, "# TYPE %s %s\n", m->name, m->type);
    for (uint32_t i = 0; i < n; i++) {
        put_labels_text(p, m->name, "", &s[i], out);
        hg_buf_addf(out, "} %.17g\n", value_of(m, &s[i]));
    }
}

static void put_json(const hg_pipeline_t *p, const metric_t *m, const series_t *s, uint32_t n, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "key", m->name);
    hg_jw_kstr(w, "type", m->type);
    hg_jw_key(w, "values");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        put_labels_json(p, &s[i], w);
        hg_jw_key(w, "value");
        hg_jw_f64(w, value_of(m, &s[i]));
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

static const metric_t g_latencies[] = {
    /* at: of an hg_latency_sum_t */
    { "input_connector_processing_latency_seconds", "histogram", offsetof(in_view_t, processing), 0 },
    { "input_connector_completion_latency_seconds", "histogram", offsetof(in_view_t, completion), 0 },
};

/* One histogram of each input, as cumulative buckets. */
static void put_latency(const hg_pipeline_t *p, const metric_t *m, const series_t *s, uint32_t n, bool json,
                        hg_buf_t *out, hg_jw_t *w)
{
    if (json) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "key", m->name);
        hg_jw_kstr(w, "type", m->type);
        hg_jw_key(w, "values");
        hg_jw_arr(w);
    } else {
        hg_buf_addf(out, "# TYPE %s %s\n", m->name, m->type);
    }
    for (uint32_t i = 0; i < n; i++) {
        const hg_latency_sum_t *l = (const void *)((const char *)&s[i].v.in + m->at);
        uint64_t below = 0;
        if (json) {
            put_labels_json(p, &s[i], w);
            hg_jw_key(w, "value");
            hg_jw_obj(w);
            hg_jw_key(w, "buckets");
            hg_jw_arr(w);
        }
        for (uint32_t b = 0; b <= HG_LATENCY_EDGES; b++) {
            below += l->n[b];
            double edge = b < HG_LATENCY_EDGES ? (double)hg_latency_edges[b] / 1e6 : 0;
            if (json && b < HG_LATENCY_EDGES) {
                hg_jw_arr(w);
                hg_jw_f64(w, edge);
                hg_jw_u64(w, below);
                hg_jw_end_arr(w);
            } else if (!json) {
                put_labels_text(p, m->name, "_bucket", &s[i], out);
                if (b < HG_LATENCY_EDGES)
                    hg_buf_addf(out, ",le=\"%.10g\"} %" PRIu64 "\n", edge, below);
                else
                    hg_buf_addf(out, ",le=\"+Inf\"} %" PRIu64 "\n", below);
            }
        }
        if (json) {
            hg_jw_end_arr(w);
            hg_jw_key(w, "sum");
            hg_jw_f64(w, (double)l->us / 1e6);
            hg_jw_ku64(w, "count", below);
            hg_jw_end_obj(w);
            hg_jw_end_obj(w);
        } else {
            put_labels_text(p, m->name, "_sum", &s[i], out);
            hg_buf_addf(out, "} %.17g\n", (double)l->us / 1e6);
            put_labels_text(p, m->name, "_count", &s[i], out);
            hg_buf_addf(out, "} %" PRIu64 "\n", below);
        }
    }
    if (json) {
        hg_jw_end_arr(w);
        hg_jw_end_obj(w);
    }
}

static uint32_t view_inputs(hg_pipeline_t *p, series_t *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        endpoint_t *ep = p->inputs[i];
        hg_input_stats_t st;
        if (!ep->in) continue;
        hg_input_get_stats(ep->in, &st);
        s[n++] =
            (series_t){ ep->name, .v.in = { st.total_records, st.total_bytes, st.buffered_records, st.buffered_bytes,
                                            st.num_transport_errors, st.num_parse_errors, !atomic_load(&ep->paused),
                                            st.barrier, st.end_of_input, .processing = st.latency } };
        if (ep->completion) s[n - 1].v.in.completion = *ep->completion;
    }
    return n;
}

static uint32_t view_outputs(hg_pipeline_t *p, series_t *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        endpoint_t *ep = p->outputs[i];
        hg_output_stats_t st;
        if (!ep->out) continue;
        hg_output_get_stats(ep->out, &st);
        s[n++] = (series_t){ ep->name, .v.out = { st.transmitted_records, st.transmitted_bytes, st.buffered_records,
                                                  st.queued_records, st.queued_batches, st.num_transport_errors,
                                                  st.num_encode_errors, st.buffered_batches } };
    }
    return n;
}

static void put_table(const hg_pipeline_t *p, const metric_t *m, size_t n_m, const series_t *s, uint32_t n, bool json,
                      hg_buf_t *out, hg_jw_t *w)
{
    for (size_t i = 0; i < n_m; i++) {
        if (json)
            put_json(p, &m[i], s, n, w);
        else
            put_text(p, &m[i], s, n, out);
    }
}

void hg_pipeline_metrics(hg_pipeline_t *p, bool json, hg_buf_t *out)
{
    hg_jw_t w;
    series_t global = { 0 };
    hg_pipeline_totals(p, &global.v.global.t);
    global.v.global.late = atomic_load(&p->late_records);
    global.v.global.complete = global.v.global.t.complete;
    global.v.global.start_secs = (uint64_t)(p->start_us / 1000000);
    global.v.global.rss = hg_rss_bytes();
    global.v.global.cpu_ms = hg_cpu_msecs();
    global.v.global.size = hg_virtual_bytes();
    global.v.global.open_fds = hg_open_fds();
    global.v.global.max_fds = hg_max_fds();
    global.v.global.max_rss = p->cfg.max_rss_mb * 1000000;
    pthread_mutex_lock(&p->lock);
    if (p->durable) global.v.global.storage = p->durable->usage.bytes;
    pthread_mutex_unlock(&p->lock);

    hg_jw_init(&w, out);
    if (json) hg_jw_arr(&w);
    put_table(p, g_global, HG_COUNT(g_global), &global, 1, json, out, &w);
    pthread_mutex_lock(&p->lock);
    series_t *s = HG_NEWN(series_t, HG_MAX(p->n_inputs, p->n_outputs) + 1);
    uint32_t n = view_inputs(p, s);
    put_table(p, g_in, HG_COUNT(g_in), s, n, json, out, &w);
    for (size_t i = 0; i < HG_COUNT(g_latencies); i++) put_latency(p, &g_latencies[i], s, n, json, out, &w);
    n = view_outputs(p, s);
    put_table(p, g_out, HG_COUNT(g_out), s, n, json, out, &w);
    pthread_mutex_unlock(&p->lock);
    hg_free(s);
    if (json) hg_jw_end_arr(&w);
}
