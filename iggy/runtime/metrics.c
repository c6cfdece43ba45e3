/* metrics.c: OpenMetrics text. Names, labels, their order, buckets and help texts of iggy_* are those of Apache Iggy's
 * connectors runtime; headgate_* are ours. Every connector has its samples from the beginning; a stage that has not
 * been timed yet has none. */
#include "base/hg.h"
#include "iggy/runtime/api_int.h"

void rt_totals(const hg_rt_t *rt, rt_totals_t *ret)
{
    *ret = (rt_totals_t){ 0 };
    for (uint32_t i = 0; i < hg_rt_count(rt); i++) {
        hg_rt_info_t info;
        hg_rt_info(rt, i, &info);
        ret->total[info.kind]++;
        ret->running[info.kind] += info.status == HG_RT_RUNNING;
    }
}

static void head(hg_buf_t *out, const char *name, const char *type, const char *help)
{
    hg_buf_addf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(hg_buf_t *out, const char *name, const char *help, uint32_t v)
{
    head(out, name, "gauge", help);
    hg_buf_addf(out, "%s %u\n", name, v);
}

/* connector_key="k",connector_type="sink" */
static void labels(hg_buf_t *out, const hg_rt_info_t *info)
{
    hg_buf_adds(out, "connector_key=\"");
    for (const char *p = info->key; *p; p++) {
        if (*p == '"' || *p == '\\') hg_buf_addc(out, '\\');
        hg_buf_addc(out, *p);
    }
    hg_buf_addf(out, "\",connector_type=\"%s\"", hg_iggy_kind_name(info->kind));
}

#define SOURCES (1u << HG_IGGY_SOURCE)
#define SINKS   (1u << HG_IGGY_SINK)

static const struct {
    const char *name, *help;
    hg_rt_counter_t counter;
    unsigned kinds;
} counters[] = {
    { "iggy_connector_messages_produced", "Messages received from source plugin poll", HG_RT_TAKEN, SOURCES },
    { "iggy_connector_messages_sent", "Messages sent to Iggy (source)", HG_RT_DELIVERED, SOURCES },
    { "iggy_connector_messages_consumed", "Messages consumed from Iggy (sink)", HG_RT_TAKEN, SINKS },
    { "iggy_connector_messages_processed", "Messages processed and sent to sink plugin", HG_RT_DELIVERED, SINKS },
    { "iggy_connector_messages_filtered", "Messages intentionally dropped by transforms returning Ok(None)",
      HG_RT_FILTERED, SOURCES | SINKS },
    { "iggy_connector_errors", "Errors encountered", HG_RT_ERRORS, SOURCES | SINKS },
    { "headgate_connector_dead_letters", "Messages sent to the dead letter topic", HG_RT_DEAD_LETTERS,
      SOURCES | SINKS },
    { "headgate_connector_messages_skipped", "Messages left out by policy", HG_RT_SKIPPED, SOURCES | SINKS },
    { "headgate_connector_retries", "Batches given again after a failure", HG_RT_RETRIES, SOURCES | SINKS },
    { "headgate_connector_restarts", "Restarts after a failure", HG_RT_RESTARTS, SOURCES | SINKS },
};

static void counter(const hg_rt_t *rt, size_t k, hg_buf_t *out)
{
    head(out, counters[k].name, "counter", counters[k].help);
    for (uint32_t i = 0; i < hg_rt_count(rt); i++) {
        hg_rt_info_t info;
        hg_rt_info(rt, i, &info);
        if (!(counters[k].kinds & 1u << info.kind)) continue;
        hg_buf_addf(out, "%s_total{", counters[k].name);
        labels(out, &info);
        hg_buf_addf(out, "} %" PRIu64 "\n", hg_rt_counter(rt, i, counters[k].counter));
    }
}

/* v * 10^-digits with a fraction of at least one digit: "0.00005", "1.0". */
static void decimal(hg_buf_t *out, uint64_t v, unsigned digits)
{
    char text[32];
    uint64_t scale = 1;
    for (unsigned i = 0; i < digits; i++) scale *= 10;
    int n = snprintf(text, sizeof text, "%" PRIu64 ".%0*" PRIu64, v / scale, (int)digits, v % scale);
    while (text[n - 1] == '0' && text[n - 2] != '.') n--;
    hg_buf_add(out, text, (size_t)n);
}

static void histogram(hg_buf_t *out, const hg_rt_info_t *info, hg_rt_stage_t stage, const hg_rt_histogram_t *h)
{
    static const char name[] = "iggy_connector_stage_duration_seconds";
    hg_buf_t set;
    uint64_t sum = 0;
    hg_buf_init(&set, HG_BUF_NOMAX);
    labels(&set, info);
    hg_buf_addf(&set, ",stage=\"%s\"", hg_rt_stage_name(stage));
    hg_buf_addf(out, "%s_sum{%s} ", name, set.p);
    decimal(out, h->sum_ns, 9);
    hg_buf_addf(out, "\n%s_count{%s} %" PRIu64 "\n", name, set.p, h->count);
    for (unsigned i = 0; i < HG_RT_BUCKETS; i++) {
        sum += h->n[i];
        hg_buf_addf(out, "%s_bucket{le=\"", name);
        if (i + 1 < HG_RT_BUCKETS)
            decimal(out, hg_rt_bucket_us[i], 6);
        else
            hg_buf_adds(out, "+Inf");
        hg_buf_addf(out, "\",%s} %" PRIu64 "\n", set.p, sum);
    }
    hg_buf_release(&set);
}

void rt_metrics_text(const hg_rt_t *rt, hg_buf_t *out)
{
    rt_totals_t t;
    rt_totals(rt, &t);
    gauge(out, "iggy_connectors_sources_total", "Total configured source connectors", t.total[HG_IGGY_SOURCE]);
    gauge(out, "iggy_connectors_sources_running", "Sources in Running status", t.running[HG_IGGY_SOURCE]);
    gauge(out, "iggy_connectors_sinks_total", "Total configured sink connectors", t.total[HG_IGGY_SINK]);
    gauge(out, "iggy_connectors_sinks_running", "Sinks in Running status", t.running[HG_IGGY_SINK]);
    for (size_t k = 0; k < HG_COUNT(counters); k++) counter(rt, k, out);
    head(out, "iggy_connector_stage_duration_seconds", "histogram", "Per-batch processing stage duration in seconds");
    for (uint32_t i = 0; i < hg_rt_count(rt); i++) {
        hg_rt_info_t info;
        hg_rt_info(rt, i, &info);
        for (int s = 0; s < HG_RT_STAGE_N; s++) {
            hg_rt_histogram_t h;
            if (!hg_rt_stage_applies((hg_rt_stage_t)s, info.kind)) continue;
            hg_rt_histogram(rt, i, (hg_rt_stage_t)s, &h);
            if (h.count) histogram(out, &info, (hg_rt_stage_t)s, &h);
        }
    }
    hg_buf_adds(out, "# EOF\n");
}
