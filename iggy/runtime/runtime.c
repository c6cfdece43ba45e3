/* runtime.c: the runtime's life: what is made in which order, the views of it, and the way down.
 *
 * Up: state folder, provider, registry, signals, API, then connectors as orchestration says; nothing of that waits for
 * the Iggy server. Down, by a signal or hg_rt_stop: sources (each after its batch in flight), then sinks, then the API,
 * the I/O loop, the control loop. A second signal kills plugin processes that have not ended. A plugin that hangs in
 * this process (isolation = "thread") is not waited for beyond its time: the process ends around it, nothing being
 * lost, as what is not stored comes again.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "headgate/iggy_plugin.h"
#include "iggy/runtime/runtime_int.h"
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- views --- */
hg_loop_t *hg_rt_loop(const hg_rt_t *rt)
{
    return rt->loop;
}

hg_pool_t *hg_rt_pool(const hg_rt_t *rt)
{
    return rt->pool;
}

const hg_iggy_runtime_config_t *hg_rt_config(const hg_rt_t *rt)
{
    return rt->config;
}

hg_iggy_provider_t *hg_rt_provider(const hg_rt_t *rt)
{
    return rt->provider;
}

int64_t hg_rt_started_us(const hg_rt_t *rt)
{
    return rt->started_us;
}

void hg_rt_plugin_memory(const hg_rt_t *rt, unsigned *ret_n, uint64_t *ret_bytes)
{
    hg_plugins_memory(rt->plugins, ret_n, ret_bytes);
}

uint32_t hg_rt_count(const hg_rt_t *rt)
{
    return rt->n_conns;
}

uint32_t hg_rt_find(const hg_rt_t *rt, hg_iggy_kind_t kind, hg_str_t key)
{
    for (uint32_t i = 0; i < rt->n_conns; i++)
        if (rt->conns[i].config->kind == kind && hg_str_eqz(key, rt->conns[i].config->key)) return i;
    return UINT32_MAX;
}

static hg_rt_status_t status_of(const hg_conn_t *c)
{
    if (c->phase == HG_PHASE_STOPPING) return HG_RT_STOPPING;
    if (c->phase == HG_PHASE_NONE) return c->last_error ? HG_RT_ERROR : HG_RT_STOPPED;
    if (c->troubled) return HG_RT_ERROR;
    return c->phase == HG_PHASE_RUNNING ? HG_RT_RUNNING : HG_RT_STARTING;
}

static const char *why_of(const hg_conn_t *c)
{
    if (c->phase == HG_PHASE_STARTING || c->phase == HG_PHASE_RUNNING) return NULL;
    if (!c->config->enabled && c->orch == UINT32_MAX) return "disabled";
    if (c->failed) return "failed";
    if (c->stopped) return "user";
    if (c->orch == UINT32_MAX) return "failed";
    hg_orch_reason_t r = hg_orch_reason(c->rt->orch, c->orch);
    return r == HG_REASON_RUNNING ? NULL : hg_orch_reason_name(r);
}

void hg_rt_info(const hg_rt_t *rt, uint32_t conn, hg_rt_info_t *ret)
{
    const hg_conn_t *c = &rt->conns[conn];
    *ret = (hg_rt_info_t){
        .id = c->id,
        .kind = c->config->kind,
        .key = c->config->key,
        .path = c->path ? c->path : c->config->path,
        .version = c->version[0] ? c->version : NULL,
        .status = status_of(c),
        .why = why_of(c),
        .last_error = c->last_error,
        .last_error_us = c->last_error_us,
        .last_batch_us = atomic_load(&c->stats.last_batch_us),
        .config = c->config,
    };
}

static void extra(void *arg, uint32_t orch, hg_jw_t *w)
{
    const hg_rt_t *rt = arg;
    const hg_conn_t *c = &rt->conns[rt->orch_conn[orch]];
    hg_jw_kstr(w, "status", hg_rt_status_name(status_of(c)));
    if (c->last_error) hg_jw_kstr(w, "last_error", c->last_error);
}

void hg_rt_orchestration(const hg_rt_t *rt, hg_jw_t *w)
{
    hg_rt_t *self = rt->conns ? rt->conns[0].rt : NULL; /* the call-back's argument is not const */
    hg_orch_json(rt->orch, w, extra, self);
}

/* --- logs of plugins --- */
static void on_plugin_log(void *arg, const char *path, unsigned level, hg_str_t target, hg_str_t text)
{
    (void)arg;
    static const hg_log_level_t levels[] = {
        [IGGY_LOG_TRACE] = HG_LOG_DEBUG, [IGGY_LOG_DEBUG] = HG_LOG_DEBUG, [IGGY_LOG_INFO] = HG_LOG_INFO,
        [IGGY_LOG_WARN] = HG_LOG_WARN,   [IGGY_LOG_ERROR] = HG_LOG_ERROR,
    };
    const char *slash = path ? strrchr(path, '/') : NULL;
    char name[128];
    snprintf(name, sizeof name, HG_SF, HG_SA(target));
    hg_buf_t line;
    hg_buf_init(&line, HG_BUF_NOMAX);
    (void)hg_buf_adds(&line, "message=");
    (void)hg_json_quote(&line, text);
    hg_log_each(levels[HG_MIN(level, (unsigned)IGGY_LOG_ERROR)], "connector", slash ? slash + 1 : path, name,
                hg_buf_str(&line));
    hg_buf_release(&line);
}

/* --- the way down (control loop) --- */
static void on_signal_closed(uv_handle_t *h)
{
    hg_rt_t *rt = h->data;
    rt->signals--;
    hg_rt_rested(rt);
}

static void on_api_closed(void *arg)
{
    hg_rt_t *rt = arg;
    rt->api = NULL;
    hg_rt_rested(rt);
}

static bool rest(hg_rt_t *rt, hg_iggy_kind_t kind)
{
    for (uint32_t i = 0; i < rt->n_conns; i++)
        if (rt->conns[i].config->kind == kind && rt->conns[i].phase != HG_PHASE_NONE && !rt->conns[i].hangs)
            return false;
    return true;
}

static void stop_all(hg_rt_t *rt, hg_iggy_kind_t kind)
{
    for (uint32_t i = 0; i < rt->n_conns; i++)
        if (rt->conns[i].config->kind == kind) hg_conn_stop(&rt->conns[i]);
}

void hg_rt_rested(hg_rt_t *rt)
{
    if (!rt->stops || rt->closed || !rest(rt, HG_IGGY_SOURCE)) return;
    if (!rt->draining_sinks) {
        rt->draining_sinks = true;
        stop_all(rt, HG_IGGY_SINK);
    }
    if (!rest(rt, HG_IGGY_SINK)) return;
    if (!rt->closing) {
        rt->closing = true;
        hg_iggy_provider_cancel(rt->provider);
        if (rt->api) hg_rt_api_close(rt->api, on_api_closed, rt);
        for (uint32_t i = 0; i < rt->n_conns; i++) hg_conn_end(&rt->conns[i]);
        uv_close((uv_handle_t *)&rt->sigint, on_signal_closed);
        uv_close((uv_handle_t *)&rt->sigterm, on_signal_closed);
    }
    bool open = rt->api || rt->signals || rt->pool_calls;
    for (uint32_t i = 0; i < rt->n_conns; i++) open = open || rt->conns[i].handles;
    if (open) return;
    rt->closed = true;
    hg_loop_stop(rt->loop);
}

static void stop_now(void *arg)
{
    hg_rt_t *rt = arg;
    if (rt->stops++) {
        hg_plugins_kill(rt->plugins);
        return;
    }
    hg_log(HG_LOG_INFO, "iggy", NULL, "stopping", "connectors=%u", rt->n_conns);
    stop_all(rt, HG_IGGY_SOURCE);
    hg_rt_rested(rt);
}

void hg_rt_stop(hg_rt_t *rt)
{
    hg_loop_post(rt->loop, stop_now, rt);
}

static void on_signal(uv_signal_t *s, int number)
{
    (void)number;
    stop_now(s->data);
}

/* --- the way up --- */
static int by_kind_and_key(const void *a, const void *b)
{
    const hg_iggy_connector_config_t *const *x = a, *const *y = b;
    if ((*x)->kind != (*y)->kind) return (*x)->kind == HG_IGGY_SOURCE ? -1 : 1;
    return strcmp((*x)->key, (*y)->key);
}

static void fill_registry(hg_rt_t *rt, hg_iggy_configs_t *l)
{
    qsort(l->v, l->n, sizeof *l->v, by_kind_and_key);
    rt->n_conns = l->n;
    rt->conns = HG_NEWN(hg_conn_t, l->n + 1);
    rt->orch_conn = HG_NEWN(uint32_t, l->n + 1);
    for (uint32_t i = 0; i < l->n; i++) hg_conn_init(rt, &rt->conns[i], i, l->v[i]);
}

/* IGGY_DISPLAY_CONFIG: what was understood, as --check shows it. */
static void display(const hg_rt_t *rt, const hg_iggy_configs_t *l)
{
    const char *asked = getenv("IGGY_DISPLAY_CONFIG");
    if (!asked || (strcmp(asked, "1") != 0 && !hg_str_ieq(hg_strz(asked), HG_S("true")))) return;
    for (uint32_t i = 0; i <= l->n; i++) { /* the last one is the runtime */
        hg_buf_t json, line;
        hg_jw_t w;
        hg_buf_init(&json, HG_BUF_NOMAX), hg_buf_init(&line, HG_BUF_NOMAX);
        hg_jw_init(&w, &json);
        if (i < l->n) {
            hg_jw_obj(&w);
            hg_iggy_connector_members(l->v[i], &w);
            hg_jw_end_obj(&w);
        } else {
            hg_iggy_runtime_config_json(rt->config, &w);
        }
        (void)hg_buf_adds(&line, "json=");
        (void)hg_json_quote(&line, hg_buf_str(&json));
        hg_log_each(HG_LOG_INFO, "iggy", i < l->n ? l->v[i]->key : "runtime", "config", hg_buf_str(&line));
        hg_buf_release(&json), hg_buf_release(&line);
    }
}

static int make_folder(const char *path, hg_err_t *err)
{
    char *p = hg_xstrdup(path);
    int rc = 0;
    for (char *at = p + 1; rc == 0; at++) {
        char was = *at;
        if (was != '/' && was) continue;
        *at = 0;
        if (mkdir(p, 0755) < 0 && errno != EEXIST) rc = hg_err_errno(err, errno, "the state folder '%s'", path);
        *at = was;
        if (!was) break;
    }
    hg_free(p);
    return rc;
}

/* Without it everything works, but for what a server keeps for us after both were killed. */
static void know_oneself(hg_rt_t *rt)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_rt_identity(rt->config->state_path, rt->identity, &err) < 0)
        hg_log(HG_LOG_WARN, "iggy", NULL, "identity_not_kept", "reason=\"%s\"", err.msg);
}

static void watch_signal(hg_rt_t *rt, uv_signal_t *s, int number)
{
    uv_signal_init(hg_loop_uv(rt->loop), s);
    s->data = rt;
    rt->signals++;
    uv_signal_start(s, on_signal, number);
}

static void leave_behind(const hg_rt_t *rt)
{
    bool any = false;
    for (uint32_t i = 0; i < rt->n_conns; i++) {
        if (!rt->conns[i].run) continue;
        any = true;
        hg_log(HG_LOG_ERROR, "iggy", rt->conns[i].name, "left_behind", "reason=\"%s\"", rt->conns[i].last_error);
    }
    if (!any) return;
    if (rt->opts->leaves) rt->opts->leaves(rt->opts->leaves_arg);
    _exit(1); /* its threads still use what would be freed */
}

/* Control loop's thread, first thing. */
static void begin(void *arg)
{
    hg_rt_t *rt = arg;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_rt_api_open(rt, &rt->api, &err);
    if (rc < 0) {
        *rt->err = err;
        rt->rc = rc;
        stop_now(rt);
        return;
    }
    hg_rt_begin(rt);
}

int hg_rt_run(const hg_rt_opts_t *opts, hg_err_t *err)
{
    hg_iggy_configs_t active = { .n = 0 };
    hg_rt_t *rt = HG_NEW(hg_rt_t);
    rt->opts = opts;
    rt->config = opts->config;
    rt->err = err;
    rt->started_us = hg_now_us();
    rt->arena = hg_arena_new();
    rt->rc = make_folder(rt->config->state_path, err);
    if (rt->rc == 0) know_oneself(rt);
    if (rt->rc == 0) rt->rc = hg_iggy_provider_new(rt->config, opts->notes, &rt->provider, err);
    if (rt->rc == 0) rt->rc = hg_iggy_provider_active(rt->provider, &active, err);
    if (rt->rc == 0) {
        rt->loop = hg_loop_new("hg-control");
        rt->io = hg_loop_new("hg-iggy");
        hg_loop_start(rt->io);
        rt->pool = hg_pool_new(2);
        rt->plugins = hg_plugins_new(opts->program, on_plugin_log, rt);
        display(rt, &active);
        fill_registry(rt, &active);
        hg_rt_plan(rt);
        watch_signal(rt, &rt->sigint, SIGINT);
        watch_signal(rt, &rt->sigterm, SIGTERM);
        hg_loop_post(rt->loop, begin, rt);
        hg_loop_run(rt->loop);
        leave_behind(rt);
        hg_pool_free(rt->pool);
        hg_loop_stop(rt->io);
        hg_loop_free(rt->io);
        hg_loop_free(rt->loop);
        hg_plugins_free(rt->plugins);
        hg_orch_free(rt->orch);
        for (uint32_t i = 0; i < rt->n_conns; i++) hg_conn_release(&rt->conns[i]);
        hg_free(rt->conns);
        hg_free(rt->orch_conn);
    }
    int rc = rt->rc;
    hg_iggy_configs_release(&active);
    if (rt->provider) hg_iggy_provider_free(rt->provider);
    hg_arena_free(rt->arena);
    hg_free(rt);
    return rc;
}
