/* health.c: what an endpoint says about its retries, and how long its records take.
 *
 * No thread of its own: the endpoint that embeds these guards them with its mutex.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"

void hg_health_bad(hg_health_t *h, const char *msg)
{
    if (!h->unhealthy) {
        h->unhealthy = true;
        h->since_us = hg_now_us();
        h->attempts = 0;
    }
    h->attempts++;
    snprintf(h->msg, sizeof h->msg, "%s", msg);
}

void hg_health_next(hg_health_t *h, uint64_t ms)
{
    h->next_us = hg_mono_us() + (int64_t)HG_MIN(ms, (uint64_t)UINT32_MAX) * 1000;
    h->within_ms = 0;
}

void hg_health_within(hg_health_t *h, uint64_t ms)
{
    h->next_us = 0;
    h->within_ms = ms;
}

void hg_health_good(hg_health_t *h)
{
    if (!h->unhealthy) return;
    h->unhealthy = false;
    h->good_us = hg_now_us();
}

static void put_ms(char *out, size_t cap, const char *words, uint64_t ms)
{
    if (ms >= 1000)
        snprintf(out, cap, "%s %" PRIu64 " s", words, (ms + 500) / 1000);
    else if (ms > 0)
        snprintf(out, cap, "%s %" PRIu64 " ms", words, ms);
}

void hg_health_text(const hg_health_t *h, char *out, size_t cap)
{
    char when[32], next[48] = "";
    int64_t left_ms = h->next_us ? (h->next_us - hg_mono_us()) / 1000 : 0;
    *out = 0;
    if (h->unhealthy) {
        hg_time_rfc3339(when, h->since_us);
        if (h->within_ms)
            put_ms(next, sizeof next, ", next within", h->within_ms);
        else
            put_ms(next, sizeof next, ", next in", (uint64_t)HG_MAX(left_ms, 0));
        /* a client library that tries by itself does not tell of every attempt */
        snprintf(out, cap, "retrying since %s, attempt %s%" PRIu64 "%s: %s", when, h->within_ms ? "at least " : "",
                 h->attempts, next, h->msg);
    } else if (h->good_us) {
        hg_time_rfc3339(when, h->good_us);
        snprintf(out, cap, "works again since %s, after %s%" PRIu64 " attempt%s", when, h->within_ms ? "at least " : "",
                 h->attempts, h->attempts == 1 ? "" : "s");
    }
}

const uint64_t hg_latency_edges[HG_LATENCY_EDGES] = { 1000,   2500,   5000,    10000,   25000,    50000,
                                                      100000, 250000, 1000000, 5000000, 15000000, 60000000 };

void hg_latency_sum_add(hg_latency_sum_t *l, uint64_t us)
{
    unsigned at = 0;
    while (at < HG_LATENCY_EDGES && us > hg_latency_edges[at]) at++;
    l->n[at]++;
    l->us += us;
}

void hg_latency_add(hg_latency_t *l, uint64_t us)
{
    hg_latency_sum_add(&l->ever, us);
    unsigned top = us ? 63u - (unsigned)__builtin_clzll(us) : 0;
    unsigned sub = top >= 2 ? (unsigned)(us >> (top - 2)) & 3u : 0;
    unsigned i = HG_MIN(top * 4 + sub, (unsigned)HG_COUNT(l->n) - 1);
    l->n[i]++;
    l->used = HG_MAX(l->used, i + 1);
    if (++l->total < 8192) return;
    l->total = 0;
    for (unsigned k = 0; k < HG_COUNT(l->n); k++) l->total += l->n[k] /= 2;
}

uint64_t hg_latency_p99(const hg_latency_t *l)
{
    uint32_t above = l->total / 100, seen = 0;
    for (unsigned k = l->used; k-- > 0;) {
        seen += l->n[k];
        if (l->n[k] && seen > above) { /* upper edge of the bucket */
            unsigned top = k / 4, sub = k % 4;
            return top >= 2 ? ((uint64_t)(4 + sub + 1) << (top - 2)) - 1 : ((uint64_t)2 << top) - 1;
        }
    }
    return 0;
}
