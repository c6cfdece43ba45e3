/* restart.c: the restart policy of a pipeline and what it says after a death. See restart_int.h. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/config_int.h"
#include "manager/restart_int.h"

#define PATH         "dev_tweaks.headgate.restart"
#define MAX_SHIFT    32
#define DEF_ATTEMPTS 5
#define DEF_DELAY    500
#define DEF_CAP      30000
#define DEF_WINDOW   ((uint64_t)60000)

static const char *const g_when[HG_RESTART_N] = { "never", "on_failure", "always" };

static int parse_when(const hg_json_t *v, const char *path, hg_restart_when_t *ret, hg_err_t *err)
{
    if (v->kind != HG_J_STRING)
        return hg_err_set(err, HG_EINVAL, "%s: expected never, on_failure or always%s, found %s", path,
                          strcmp(path, PATH) == 0 ? ", or an object" : "", hg_json_kind_name(v->kind));
    for (int i = 0; i < HG_RESTART_N; i++) {
        if (!hg_str_eqz(v->str, g_when[i])) continue;
        *ret = (hg_restart_when_t)i;
        return 0;
    }
    return hg_err_set(err, HG_EINVAL, "%s: unknown policy '%.40s', expected never, on_failure or always", path,
                      v->str.p);
}

static int parse_member(const hg_json_t *m, hg_restart_policy_t *p, hg_err_t *err)
{
    uint64_t n = 0;
    int rc;
    if (hg_str_eqz(m->key, "policy")) return parse_when(m, PATH ".policy", &p->when, err);
    if (hg_str_eqz(m->key, "max_attempts")) {
        p->limited = m->kind != HG_J_NULL;
        rc = p->limited ? hg_config_number(PATH, m, 1, 1000000, &n, err) : 0;
        p->max_attempts = (uint32_t)n;
        return rc;
    }
    if (hg_str_eqz(m->key, "delay_ms")) return hg_config_number(PATH, m, 1, 86400000, &p->delay_ms, err);
    if (hg_str_eqz(m->key, "max_delay_ms")) return hg_config_number(PATH, m, 1, 86400000, &p->max_delay_ms, err);
    if (hg_str_eqz(m->key, "window_secs")) {
        rc = hg_config_number(PATH, m, 1, 86400, &n, err);
        if (rc == 0) p->window_ms = n * 1000;
        return rc;
    }
    return hg_err_set(err, HG_EINVAL,
                      PATH ": unknown member '%.40s', expected policy, max_attempts, delay_ms, max_delay_ms or "
                           "window_secs",
                      m->key.p);
}

static bool fault_tolerant(const hg_json_t *config)
{
    const hg_json_t *ft = hg_json_get(config, "fault_tolerance");
    if (!ft || ft->kind == HG_J_NULL) return false;
    return strcmp(hg_json_str(hg_json_get(ft, "model"), "exactly_once"), "none") != 0;
}

int hg_restart_policy(const hg_json_t *config, hg_restart_policy_t *ret, hg_err_t *err)
{
    hg_restart_policy_t p = { .when = fault_tolerant(config) ? HG_RESTART_ON_FAILURE : HG_RESTART_NEVER,
                              .limited = true,
                              .max_attempts = DEF_ATTEMPTS,
                              .delay_ms = DEF_DELAY,
                              .max_delay_ms = DEF_CAP,
                              .window_ms = DEF_WINDOW };
    const hg_json_t *v = hg_json_get(hg_json_get(hg_json_get(config, "dev_tweaks"), "headgate"), "restart");
    int rc = 0;
    if (v && v->kind == HG_J_OBJECT) {
        for (const hg_json_t *m = v->child; m && rc == 0; m = m->next) rc = parse_member(m, &p, err);
        if (rc == 0 && p.max_delay_ms < p.delay_ms) {
            if (hg_json_get(v, "max_delay_ms"))
                rc = hg_err_set(err, HG_EINVAL, PATH ".max_delay_ms: %" PRIu64 " is less than delay_ms (%" PRIu64 ")",
                                p.max_delay_ms, p.delay_ms);
            p.max_delay_ms = p.delay_ms;
        }
    } else if (v) {
        rc = parse_when(v, PATH, &p.when, err);
    }
    if (rc == 0) *ret = p;
    return rc;
}

/* Half of it is fixed, half is drawn: pipelines that died together do not come back together. */
static uint64_t delay(const hg_restart_policy_t *p, uint32_t attempt, uint32_t random)
{
    uint64_t d = p->delay_ms;
    for (uint32_t i = 0; i < HG_MIN(attempt, (uint32_t)MAX_SHIFT) && d < p->max_delay_ms; i++) d *= 2;
    d = HG_MIN(d, p->max_delay_ms);
    return d - d / 2 + (uint64_t)random % (d / 2 + 1);
}

hg_restart_verdict_t hg_restart_decide(const hg_restart_policy_t *p, hg_restarts_t *r, hg_end_t end, int64_t now_us,
                                       uint32_t random, uint64_t *ret_delay_ms)
{
    if (end == HG_END_FAILED || p->when == HG_RESTART_NEVER) return HG_RESTART_UNWANTED;
    if (end == HG_END_LEFT && p->when != HG_RESTART_ALWAYS) return HG_RESTART_UNWANTED;
    int64_t ran_us = r->spawned_us ? now_us - r->spawned_us : 0;
    if (ran_us >= (int64_t)(p->window_ms * 1000)) r->attempts = 0;
    if (p->limited && r->attempts >= p->max_attempts) return HG_RESTART_EXHAUSTED;
    *ret_delay_ms = delay(p, r->attempts, random);
    r->attempts++;
    r->died_us = now_us;
    r->next_us = now_us + (int64_t)*ret_delay_ms * 1000;
    return HG_RESTART_DO;
}

static void put_time(hg_jw_t *w, const char *key, int64_t us)
{
    char text[32];
    hg_time_rfc3339(text, us);
    hg_jw_kstr(w, key, us ? text : NULL);
}

static void put_last(hg_jw_t *w, const char *key, const hg_restarts_t *r)
{
    hg_jw_key(w, key);
    if (r->last)
        hg_jw_raw(w, hg_strz(r->last));
    else
        hg_jw_null(w);
}

void hg_restarts_details(hg_jw_t *w, const hg_restart_policy_t *p, const hg_restarts_t *r)
{
    if (r->died_us == 0) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    hg_jw_kstr(w, "policy", g_when[p->when]);
    hg_jw_ku64(w, "attempts", r->attempts);
    if (p->limited)
        hg_jw_ku64(w, "max_attempts", p->max_attempts);
    else
        hg_jw_knull(w, "max_attempts");
    put_time(w, "next_at", r->next_us);
    put_time(w, "last_exit_at", r->died_us);
    put_last(w, "last_exit", r);
    hg_jw_end_obj(w);
}

void hg_restarts_save(hg_jw_t *w, const hg_restarts_t *r)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "attempts", r->attempts);
    hg_jw_ki64(w, "spawned_us", r->spawned_us);
    hg_jw_ki64(w, "next_us", r->next_us);
    hg_jw_ki64(w, "died_us", r->died_us);
    hg_jw_kbool(w, "approved", r->approved);
    hg_jw_kbool(w, "silent", r->silent);
    hg_jw_kbool(w, "concurrent", r->concurrent);
    put_last(w, "last", r);
    hg_jw_end_obj(w);
}

void hg_restarts_load(const char *text, hg_restarts_t *r)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    uint64_t n = 0;
    *r = (hg_restarts_t){ 0 };
    if (text && hg_json_parse(a, hg_strz(text), &v, &err) == 0) {
        if (hg_json_u64(hg_json_get(v, "attempts"), &n) == 0) r->attempts = (uint32_t)HG_MIN(n, (uint64_t)UINT32_MAX);
        hg_json_i64(hg_json_get(v, "spawned_us"), &r->spawned_us);
        hg_json_i64(hg_json_get(v, "next_us"), &r->next_us);
        hg_json_i64(hg_json_get(v, "died_us"), &r->died_us);
        r->approved = hg_json_bool(hg_json_get(v, "approved"), false);
        r->silent = hg_json_bool(hg_json_get(v, "silent"), false);
        r->concurrent = hg_json_bool(hg_json_get(v, "concurrent"), false);
        const hg_json_t *last = hg_json_get(v, "last");
        if (last && last->kind == HG_J_OBJECT) r->last = hg_xstrndup(text + last->off, last->len);
    }
    hg_arena_free(a);
}

void hg_restarts_clear(hg_restarts_t *r)
{
    hg_free(r->last);
    *r = (hg_restarts_t){ 0 };
}
