/* usage.c: see usage.h. */
#include "base/hg.h"
#include "pipeline/usage.h"

#define SEC UINT64_C(1000000)

static uint64_t kb_secs(const hg_usage_t *u, int64_t mono_us)
{
    uint64_t us = u->since_us && mono_us > u->since_us ? (uint64_t)(mono_us - u->since_us) : 0;
    uint64_t kb = (u->bytes + 500) / 1000;
    return u->kb_secs + kb * (us / SEC) + kb * (us % SEC) / SEC;
}

void hg_usage_set(hg_usage_t *u, uint64_t bytes, int64_t mono_us)
{
    *u = (hg_usage_t){ .bytes = bytes, .since_us = mono_us, .kb_secs = kb_secs(u, mono_us) };
}

uint64_t hg_usage_mb_secs(const hg_usage_t *u, int64_t mono_us)
{
    return kb_secs(u, mono_us) / 1000;
}
