/* liveness.c: when a silent process counts as hung. See liveness_int.h. */
#include "base/hg.h"

#include "manager/config_int.h"
#include "manager/liveness_int.h"

#define PATH        "dev_tweaks.headgate.liveness"
#define DEF_TIMEOUT 5000
#define DEF_MISSES  12
#define SILENT      3u /* probes: a single one may meet a machine that is busy */

static int parse_member(const hg_json_t *m, hg_liveness_policy_t *p, hg_err_t *err)
{
    uint64_t n = 0;
    if (hg_str_eqz(m->key, "timeout_ms")) return hg_config_number(PATH, m, 100, 3600000, &p->timeout_ms, err);
    if (!hg_str_eqz(m->key, "misses"))
        return hg_err_set(err, HG_EINVAL, PATH ": unknown member '%.40s', expected timeout_ms or misses", m->key.p);
    p->limited = m->kind != HG_J_NULL;
    int rc = p->limited ? hg_config_number(PATH, m, 1, 1000000, &n, err) : 0;
    p->misses = (uint32_t)n;
    return rc;
}

int hg_liveness_policy(const hg_json_t *config, hg_liveness_policy_t *ret, hg_err_t *err)
{
    hg_liveness_policy_t p = { .timeout_ms = DEF_TIMEOUT, .limited = true, .misses = DEF_MISSES };
    const hg_json_t *v = hg_json_get(hg_json_get(hg_json_get(config, "dev_tweaks"), "headgate"), "liveness");
    int rc = 0;
    if (v && v->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EINVAL, PATH ": expected an object with timeout_ms and misses, found %s",
                          hg_json_kind_name(v->kind));
    for (const hg_json_t *m = v ? v->child : NULL; m && rc == 0; m = m->next) rc = parse_member(m, &p, err);
    if (rc == 0) *ret = p;
    return rc;
}

/* Between two probes time does not count: nobody waits. */
void hg_liveness_asked(hg_liveness_t *l, int64_t mono_us, int64_t now_us)
{
    l->asked = true;
    l->mark_us = mono_us;
    if (!l->since_us) l->since_us = now_us;
}

void hg_liveness_answered(hg_liveness_t *l)
{
    *l = (hg_liveness_t){ 0 };
}

static void account(const hg_liveness_policy_t *p, hg_liveness_t *l, int64_t mono_us)
{
    uint64_t waited = mono_us > l->mark_us ? (uint64_t)(mono_us - l->mark_us) : 0;
    if (l->asked) l->spent_us += HG_MIN(waited, p->timeout_ms * 1000);
    l->asked = false;
}

void hg_liveness_missed(const hg_liveness_policy_t *p, hg_liveness_t *l, int64_t mono_us)
{
    account(p, l, mono_us);
    l->failed++;
}

void hg_liveness_withdrawn(const hg_liveness_policy_t *p, hg_liveness_t *l, int64_t mono_us)
{
    account(p, l, mono_us);
}

/* Where a connection is refused at once, probes fail quickly; where they are given up for others, none ever fails. */
bool hg_liveness_silent(const hg_liveness_policy_t *p, const hg_liveness_t *l)
{
    unsigned n = p->limited ? HG_MIN(SILENT, p->misses) : SILENT;
    return l->failed >= n || l->spent_us >= n * p->timeout_ms * 1000;
}

bool hg_liveness_hung(const hg_liveness_policy_t *p, const hg_liveness_t *l)
{
    return p->limited && l->spent_us >= p->misses * p->timeout_ms * 1000;
}
