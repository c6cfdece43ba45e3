/* stats.c: counters and stage times of a connector, and the names of things. */
#include "base/hg.h"

#include "base/log.h"
#include "iggy/runtime/runtime_int.h"

const uint32_t hg_rt_bucket_us[HG_RT_BUCKETS - 1] = {
    50, 100, 250, 500, 1000, 5000, 10000, 50000, 100000, 250000, 500000, 1000000, 5000000,
};

const char *hg_rt_status_name(hg_rt_status_t s)
{
#define X(status, name) name,
    static const char *const names[] = { HG_RT_STATUSES(X) };
#undef X
    return names[s];
}

const char *hg_rt_stage_name(hg_rt_stage_t s)
{
#define X(stage, name) name,
    static const char *const names[] = { HG_RT_STAGES(X) };
#undef X
    return names[s];
}

bool hg_rt_stage_applies(hg_rt_stage_t s, hg_iggy_kind_t kind)
{
    if (s == HG_RT_STAGE_FFI) return kind == HG_IGGY_SINK;
    return (s != HG_RT_STAGE_IGGY_SEND && s != HG_RT_STAGE_STATE_SAVE) || kind == HG_IGGY_SOURCE;
}

void hg_rt_count_add(hg_rt_stats_t *s, hg_rt_counter_t c, uint64_t n)
{
    atomic_fetch_add_explicit(&s->counter[c], n, memory_order_relaxed);
}

void hg_rt_observe(hg_rt_stats_t *s, hg_rt_stage_t stage, int64_t ns)
{
    unsigned b = 0;
    while (b < HG_RT_BUCKETS - 1 && ns > (int64_t)hg_rt_bucket_us[b] * 1000) b++;
    atomic_fetch_add_explicit(&s->stage[stage].n[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->stage[stage].sum_ns, (uint64_t)ns, memory_order_relaxed);
}

int64_t hg_rt_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t hg_rt_counter(const hg_rt_t *rt, uint32_t conn, hg_rt_counter_t c)
{
    return atomic_load_explicit(&rt->conns[conn].stats.counter[c], memory_order_relaxed);
}

void hg_rt_histogram(const hg_rt_t *rt, uint32_t conn, hg_rt_stage_t s, hg_rt_histogram_t *ret)
{
    const hg_rt_stats_t *st = &rt->conns[conn].stats;
    *ret = (hg_rt_histogram_t){ .sum_ns = atomic_load_explicit(&st->stage[s].sum_ns, memory_order_relaxed) };
    for (unsigned i = 0; i < HG_RT_BUCKETS; i++) {
        ret->n[i] = atomic_load_explicit(&st->stage[s].n[i], memory_order_relaxed);
        ret->count += ret->n[i];
    }
}
