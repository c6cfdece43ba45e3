/* control.c: who runs, and what becomes of those that do. Control loop.
 *
 * The orchestrator says who is wanted (it knows the user's word, labels, ends and failures; orchestrator/orch.h); here
 * a connector is brought to what is wanted, by a run (run.c):
 *
 *   none ─► starting ─► running ─► stopping ─► none
 *     ▲ retry timer ◄── failed ◄─┘ (any phase)
 *
 * To hold a connector is to end its run: a paused one has no thread and no connection. A run that failed is started
 * again with backoff, for ever or as often as restart.* says; the orchestrator hears of a failure only when that is
 * over. Commands are answered when their connector has come to what they asked for.
 */
#include "base/hg.h"

#include "base/durable.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"

#define NOT_THERE UINT32_MAX

static void start(hg_conn_t *c);

/* --- errors and answers --- */
static void forget_error(hg_conn_t *c)
{
    hg_free(c->last_error);
    c->last_error = NULL;
    c->troubled = false;
}

void hg_conn_fail(hg_conn_t *c, const hg_err_t *err)
{
    bool news = !c->last_error || strcmp(c->last_error, err->msg) != 0;
    if (news) {
        hg_free(c->last_error);
        c->last_error = hg_xstrdup(err->msg);
        hg_log(HG_LOG_ERROR, "iggy", c->name, "error", "reason=\"%s\"", err->msg);
    }
    c->last_error_us = hg_now_us();
}

static void answer(void *arg)
{
    hg_waiter_t *w = arg;
    w->done(w->arg, w->failed ? &w->err : NULL);
    hg_free(w);
}

/* Has the connector come to what w asked for? */
static bool settled(const hg_conn_t *c, const hg_waiter_t *w, bool *failed)
{
    *failed = c->hangs;
    if (c->hangs) return true;
    if (c->restarting) return false;
    bool rests = c->phase == HG_PHASE_NONE;
    if (!w->run) return rests || (c->wanted && c->phase == HG_PHASE_RUNNING);
    if (c->phase == HG_PHASE_RUNNING && !c->troubled) return true;
    *failed = c->last_error && (rests || c->troubled);
    return *failed || (rests && !c->wanted);
}

static void settle(hg_conn_t *c)
{
    for (hg_waiter_t **at = &c->waiters; *at;) {
        hg_waiter_t *w = *at;
        bool failed;
        if (!settled(c, w, &failed)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->failed = failed;
        if (failed) hg_err_set(&w->err, HG_EIO, "%s", c->last_error);
        hg_loop_post(c->rt->loop, answer, w);
    }
}

static void wait_for(hg_conn_t *c, bool run, void (*done)(void *, const hg_err_t *), void *arg)
{
    hg_waiter_t *w = HG_NEW(hg_waiter_t);
    w->next = c->waiters;
    w->run = run;
    w->done = done;
    w->arg = arg;
    c->waiters = w;
    settle(c);
}

static void answer_now(hg_rt_t *rt, void (*done)(void *, const hg_err_t *), void *arg, const hg_err_t *err)
{
    hg_waiter_t *w = HG_NEW(hg_waiter_t);
    *w = (hg_waiter_t){ .done = done, .arg = arg, .failed = err != NULL, .err = err ? *err : HG_ERR_INIT };
    hg_loop_post(rt->loop, answer, w);
}

/* --- runs --- */
typedef struct told {
    hg_conn_t *c;
    hg_run_event_t e;
} told_t;

static void stop(hg_conn_t *c);

/* At rest: with the configuration that a restart brought. */
static void adopt(hg_conn_t *c)
{
    if (c->next_config) {
        hg_iggy_connector_unref(c->config);
        c->config = c->next_config;
        c->next_config = NULL;
    }
    c->restarting = false;
}

/* What was wanted may have changed while it came to rest. */
static void again(hg_conn_t *c)
{
    adopt(c);
    if (c->wanted && !c->stopped && !c->rt->stops && !c->retry_armed && !c->failed) start(c);
    settle(c);
    hg_rt_rested(c->rt);
}

static void on_retry(uv_timer_t *t)
{
    hg_conn_t *c = HG_ENTRY(t, hg_conn_t, retry);
    c->retry_armed = false;
    hg_rt_count_add(&c->stats, HG_RT_RESTARTS, 1);
    if (c->phase == HG_PHASE_NONE) again(c);
}

static void feed(hg_conn_t *c, hg_orch_ev_kind_t kind, uint64_t n)
{
    if (c->orch == NOT_THERE) return;
    hg_orch_feed(c->rt->orch, (hg_orch_ev_t){ .kind = kind, .conn = c->orch, .n = n, .at_us = hg_now_us() });
}

static void give_up(hg_conn_t *c)
{
    c->failed = true;
    feed(c, HG_ORCH_FAILED, 0);
}

static void failed(hg_conn_t *c, const hg_run_event_t *e)
{
    const hg_iggy_restart_config_t *policy = &c->config->restart;
    if (atomic_load(&c->stats.last_batch_us) > c->run_began_us) c->attempts = 0;
    hg_conn_fail(c, &e->err);
    if (c->restarting || !c->wanted || c->stopped || c->rt->stops) return;
    if (e->how == HG_RUN_FATAL || c->attempts >= policy->max_attempts) {
        give_up(c);
        return;
    }
    uint64_t us = policy->backoff_us;
    for (uint32_t i = 0; i < c->attempts && us < policy->max_backoff_us; i++) us *= 2;
    us = HG_MIN(us, policy->max_backoff_us);
    c->attempts++;
    c->retry_armed = true;
    uv_timer_start(&c->retry, on_retry, us / 1000, 0);
}

static void exited(hg_conn_t *c, const hg_run_event_t *e)
{
    hg_run_free(c->run);
    c->run = NULL;
    c->phase = HG_PHASE_NONE;
    c->troubled = c->hangs = false;
    uv_timer_stop(&c->deadline);
    if (e->how == HG_RUN_FAILED || e->how == HG_RUN_FATAL)
        failed(c, e);
    else
        forget_error(c);
    if (e->how == HG_RUN_ENDED) {
        c->wanted = false;
        feed(c, HG_ORCH_ENDED, 0);
        hg_rt_save_plan(c->rt);
    }
    hg_log(HG_LOG_INFO, "iggy", c->name, e->how == HG_RUN_ENDED ? "ended" : "stopped", "id=%u", c->id);
    hg_rt_obey(c->rt);
    if (c->phase == HG_PHASE_NONE) again(c);
}

static void on_told(void *arg)
{
    told_t *t = arg;
    hg_conn_t *c = t->c;
    switch (t->e.kind) {
    case HG_RUN_OPENED:
        memcpy(c->version, t->e.version, sizeof c->version);
        break;
    case HG_RUN_READY:
        if (c->phase != HG_PHASE_STARTING) break;
        c->phase = HG_PHASE_RUNNING;
        forget_error(c);
        hg_log(HG_LOG_INFO, "iggy", c->name, "running", "id=%u version=%s", c->id, c->version);
        break;
    case HG_RUN_TROUBLE:
        c->troubled = true;
        hg_conn_fail(c, &t->e.err);
        break;
    case HG_RUN_WELL:
        forget_error(c);
        break;
    case HG_RUN_EXITED:
        exited(c, &t->e);
        break;
    }
    settle(c);
    hg_free(t);
}

/* A thread of the run. */
static void on_event(void *arg, hg_run_event_t *e)
{
    hg_conn_t *c = arg;
    told_t *t = HG_NEW(told_t);
    t->c = c;
    t->e = *e;
    hg_loop_post(c->rt->loop, on_told, t);
}

static int resolve(hg_conn_t *c, hg_err_t *err)
{
    hg_buf_t path;
    hg_buf_init(&path, PATH_MAX);
    int rc = hg_plugin_resolve(c->config->path, &path, err);
    if (rc == 0) {
        hg_free(c->path);
        c->path = hg_xstrdup(path.p);
    }
    hg_buf_release(&path);
    return rc;
}

static void start(hg_conn_t *c)
{
    hg_rt_t *rt = c->rt;
    hg_err_t err = HG_ERR_INIT;
    adopt(c);
    if (resolve(c, &err) < 0) {
        hg_err_wrap(&err, "Failed to resolve plugin path");
        hg_conn_fail(c, &err);
        give_up(c);
        return;
    }
    c->phase = HG_PHASE_STARTING;
    c->troubled = false;
    c->id = ++rt->next_id;
    c->run_began_us = hg_now_us();
    c->run = hg_run_start(&(hg_run_spec_t){ .io = rt->io,
                                            .plugins = rt->plugins,
                                            .runtime = rt->config,
                                            .config = c->config,
                                            .stats = &c->stats,
                                            .path = c->path,
                                            .identity = rt->identity,
                                            .id = c->id,
                                            .event = on_event,
                                            .arg = c });
}

static void on_deadline(uv_timer_t *t)
{
    hg_conn_t *c = HG_ENTRY(t, hg_conn_t, deadline);
    if (!c->run) return;
    hg_err_t err;
    hg_err_set(&err, HG_ETIMEOUT, "it did not stop within %" PRIu64 " ms", c->rt->config->own.stop_timeout_ms);
    if (c->config->isolation == HG_IGGY_ISOLATION_THREAD) {
        hg_err_wrap(&err, "the plugin hangs in the runtime's process");
        hg_conn_fail(c, &err);
        c->hangs = true;
        settle(c);
        hg_rt_rested(c->rt);
        return;
    }
    hg_log(HG_LOG_ERROR, "iggy", c->name, "hangs", "reason=\"%s\"", err.msg);
    hg_run_kill(c->run);
    if (c->rt->stops) hg_plugins_kill(c->rt->plugins); /* one that hangs in open, too */
}

static void stop(hg_conn_t *c)
{
    uv_timer_stop(&c->retry);
    if (c->retry_armed) forget_error(c); /* of what is not tried again now */
    c->retry_armed = false;
    if (c->phase == HG_PHASE_NONE || c->phase == HG_PHASE_STOPPING) return;
    c->phase = HG_PHASE_STOPPING;
    hg_run_stop(c->run);
    uv_timer_start(&c->deadline, on_deadline, c->rt->config->own.stop_timeout_ms, 0);
}

/* --- orchestration --- */
void hg_rt_obey(hg_rt_t *rt)
{
    hg_orch_cmd_t cmd;
    while (hg_orch_next(rt->orch, &cmd)) {
        if (cmd.kind == HG_ORCH_DO_PERSIST) continue; /* without marks it does not come */
        hg_conn_t *c = &rt->conns[rt->orch_conn[cmd.conn]];
        switch (cmd.kind) {
        case HG_ORCH_DO_OPEN:
            feed(c, HG_ORCH_OPENED, 0);
            break;
        case HG_ORCH_DO_RUN:
            c->wanted = true;
            c->failed = false;
            if (c->phase == HG_PHASE_NONE && !c->stopped && !rt->stops && !c->retry_armed) start(c);
            break;
        case HG_ORCH_DO_HOLD:
        case HG_ORCH_DO_CLOSE:
            c->wanted = false;
            stop(c);
            break;
        case HG_ORCH_DO_ACTIVATED:
            hg_log(HG_LOG_INFO, "iggy", c->name, "activated", "id=%u", c->id);
            break;
        case HG_ORCH_DO_REASON:
            if (cmd.n != HG_REASON_RUNNING)
                hg_log(HG_LOG_INFO, "iggy", c->name, "waits", "reason=%s",
                       hg_orch_reason_name((hg_orch_reason_t)cmd.n));
            break;
        case HG_ORCH_DO_MARK:
        case HG_ORCH_DO_PERSIST:
        case HG_ORCH_CMD_N:
            break;
        }
        settle(c);
    }
}

typedef struct save {
    hg_rt_t *rt;
    hg_buf_t text;
    char *path;
} save_t;

static void write_plan(void *arg, unsigned worker)
{
    save_t *s = arg;
    hg_err_t err = HG_ERR_INIT;
    (void)worker;
    if (hg_file_replace(s->path, hg_buf_str(&s->text), "iggy_plan", &err) < 0)
        hg_log(HG_LOG_ERROR, "iggy", NULL, "plan_not_saved", "reason=\"%s\"", err.msg);
}

static void plan_written(void *arg)
{
    save_t *s = arg;
    hg_rt_t *rt = s->rt;
    hg_buf_release(&s->text);
    hg_free(s->path);
    hg_free(s);
    rt->pool_calls--;
    rt->saving = false;
    if (rt->save_again) hg_rt_save_plan(rt);
    hg_rt_rested(rt);
}

static char *plan_path(const hg_rt_t *rt)
{
    return hg_xprintf("%s/orchestration.json", rt->config->state_path);
}

/* One at a time; what changes meanwhile is in the next one. */
void hg_rt_save_plan(hg_rt_t *rt)
{
    hg_jw_t w;
    rt->save_again = rt->saving;
    if (rt->saving) return;
    rt->saving = true;
    save_t *s = HG_NEW(save_t);
    s->rt = rt;
    s->path = plan_path(rt);
    hg_buf_init(&s->text, HG_BUF_NOMAX);
    hg_jw_init(&w, &s->text);
    hg_orch_save(rt->orch, &w);
    rt->pool_calls++;
    hg_pool_submit(rt->pool, write_plan, plan_written, rt->loop, s);
}

static void load_plan(hg_rt_t *rt)
{
    hg_buf_t text;
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *saved = NULL;
    char *path = plan_path(rt);
    hg_buf_init(&text, (size_t)64 << 20);
    int rc = hg_file_read(path, &text, &err);
    if (rc == 0) rc = hg_json_parse(rt->arena, hg_buf_str(&text), &saved, &err);
    if (rc == 0) rc = hg_orch_load(rt->orch, saved, NULL, NULL, &err);
    if (rc < 0 && rc != HG_ENOTFOUND)
        hg_log(HG_LOG_WARN, "iggy", NULL, "plan_not_read", "file=%s reason=\"%s\"", path, err.msg);
    hg_buf_release(&text);
    hg_free(path);
}

static hg_str_t *strings(hg_rt_t *rt, const hg_strlist_t *l)
{
    hg_str_t *v = HG_ANEWN(rt->arena, hg_str_t, l->n + 1);
    for (uint32_t i = 0; i < l->n; i++) v[i] = hg_strz(l->v[i]);
    return v;
}

/* Those that can take part, with rt->orch_conn set; returns how many. */
static uint32_t members(hg_rt_t *rt, hg_orch_conn_t *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rt->n_conns; i++) {
        hg_conn_t *c = &rt->conns[i];
        const hg_iggy_connector_config_t *cfg = c->config;
        if (!cfg->enabled || c->failed) continue;
        rt->orch_conn[n] = i;
        v[n++] = (hg_orch_conn_t){
            .name = hg_strz(c->name),
            .labels = strings(rt, &cfg->labels),
            .n_labels = cfg->labels.n,
            .after = strings(rt, &cfg->start_after),
            .n_after = cfg->start_after.n,
            .has_after = cfg->has_start_after,
            .paused = cfg->paused,
            .finite = cfg->kind == HG_IGGY_SOURCE,
        };
    }
    return n;
}

/* A connector whose place in the order is wrong is shown as failed, and the rest is looked at again. */
void hg_rt_plan(hg_rt_t *rt)
{
    hg_orch_conn_t *v = HG_ANEWN(rt->arena, hg_orch_conn_t, rt->n_conns + 1);
    for (bool wrong = true; wrong;) {
        const hg_orch_issue_t *issues;
        rt->n_orch = members(rt, v);
        uint32_t n = hg_orch_check_config(rt->arena, v, rt->n_orch, false, &issues);
        wrong = false;
        for (uint32_t i = 0; i < n; i++) {
            hg_conn_t *c = &rt->conns[rt->orch_conn[issues[i].conn]];
            hg_err_t e;
            hg_err_set(&e, issues[i].code, "%s", issues[i].msg);
            if (issues[i].warning) {
                hg_log(HG_LOG_WARN, "iggy", c->name, "order", "reason=\"%s\"", e.msg);
                continue;
            }
            wrong = c->failed = true;
            hg_conn_fail(c, &e);
        }
    }
    rt->orch = hg_orch_new(v, rt->n_orch);
    for (uint32_t i = 0; i < rt->n_orch; i++) rt->conns[rt->orch_conn[i]].orch = i;
    load_plan(rt);
}

void hg_rt_begin(hg_rt_t *rt)
{
    hg_orch_start(rt->orch, hg_now_us());
    hg_orch_feed(rt->orch, (hg_orch_ev_t){ .kind = HG_ORCH_RUN, .at_us = hg_now_us() });
    hg_rt_obey(rt);
}

/* --- commands --- */
/* Takes part from now on: it was disabled, or could not be used. */
static void join(hg_conn_t *c)
{
    hg_rt_t *rt = c->rt;
    if (c->orch != NOT_THERE) return;
    c->orch = hg_orch_add(rt->orch, hg_strz(c->name), hg_now_us());
    rt->orch_conn = hg_xgrow(rt->orch_conn, (c->orch + 1) * sizeof *rt->orch_conn);
    rt->orch_conn[c->orch] = c->index;
    rt->n_orch = c->orch + 1;
    hg_rt_obey(rt);
}

/* The user wants it to run, from whatever it is in. */
static void want(hg_conn_t *c)
{
    c->stopped = false;
    c->attempts = 0;
    uv_timer_stop(&c->retry);
    c->retry_armed = false;
    join(c);
    if (hg_orch_ended(c->rt->orch, c->orch)) feed(c, HG_ORCH_RERUN, 0);
    feed(c, HG_ORCH_USER_START, 0);
    hg_rt_obey(c->rt);
    if (c->phase == HG_PHASE_NONE) again(c);
}

typedef struct asked {
    hg_conn_t *c;
    hg_iggy_connector_config_t *config;
    int rc;
    hg_err_t err;
    void (*done)(void *arg, const hg_err_t *err);
    void *arg;
} asked_t;

static void ask_provider(void *arg, unsigned worker)
{
    asked_t *a = arg;
    (void)worker;
    a->rc = hg_iggy_provider_active_one(a->c->rt->provider, a->c->config->kind, a->c->config->key, &a->config, &a->err);
}

static void restart(void *arg)
{
    asked_t *a = arg;
    hg_conn_t *c = a->c;
    hg_rt_t *rt = c->rt;
    if (a->rc == 0 && a->config->error) a->rc = hg_err_set(&a->err, HG_EINVAL, "%s", a->config->error);
    if (a->rc == 0 && !a->config->enabled)
        a->rc = hg_err_set(&a->err, HG_EINVAL, "version %" PRIu64 " of it is disabled", a->config->version);
    if (a->rc == 0 && rt->stops) a->rc = hg_err_set(&a->err, HG_ECLOSED, "the runtime is stopping");
    rt->pool_calls--;
    if (a->rc < 0) {
        hg_iggy_connector_unref(a->config);
        answer_now(rt, a->done, a->arg, &a->err);
    } else {
        hg_iggy_connector_unref(c->next_config);
        c->next_config = a->config;
        c->restarting = true;
        c->failed = false;
        forget_error(c);
        bool waits = c->orch != NOT_THERE && hg_orch_reason(rt->orch, c->orch) == HG_REASON_WAITING;
        stop(c);
        if (waits)
            again(c); /* with the new configuration, when its turn comes */
        else
            want(c);
        wait_for(c, true, a->done, a->arg);
    }
    hg_free(a);
    hg_rt_rested(rt);
}

void hg_rt_command(hg_rt_t *rt, uint32_t conn, hg_rt_command_t cmd, void (*done)(void *arg, const hg_err_t *err),
                   void *arg)
{
    hg_conn_t *c = &rt->conns[conn];
    hg_err_t err;
    if (rt->stops) {
        hg_err_set(&err, HG_ECLOSED, "the runtime is stopping");
        answer_now(rt, done, arg, &err);
        return;
    }
    switch (cmd) {
    case HG_RT_DO_RESTART: {
        asked_t *a = HG_NEW(asked_t);
        *a = (asked_t){ .c = c, .err = HG_ERR_INIT, .done = done, .arg = arg };
        rt->pool_calls++;
        hg_pool_submit(rt->pool, ask_provider, restart, rt->loop, a);
        return;
    }
    case HG_RT_DO_START:
        if (c->config->error) {
            hg_err_set(&err, HG_EINVAL, "%s", c->config->error);
            answer_now(rt, done, arg, &err);
            return;
        }
        c->failed = false;
        if (c->phase == HG_PHASE_NONE) forget_error(c);
        want(c);
        hg_rt_save_plan(rt);
        wait_for(c, true, done, arg);
        return;
    case HG_RT_DO_PAUSE:
        feed(c, HG_ORCH_USER_PAUSE, 0);
        hg_rt_obey(rt);
        stop(c);
        hg_rt_save_plan(rt);
        wait_for(c, false, done, arg);
        return;
    case HG_RT_DO_STOP:
        c->stopped = true;
        stop(c);
        wait_for(c, false, done, arg);
        return;
    }
}

/* --- life of an entry --- */
void hg_conn_init(hg_rt_t *rt, hg_conn_t *c, uint32_t index, hg_iggy_connector_config_t *config)
{
    c->rt = rt;
    c->index = index;
    c->orch = NOT_THERE;
    c->config = hg_iggy_connector_ref(config);
    c->name = hg_xprintf("%s/%s", hg_iggy_kind_name(config->kind), config->key);
    uv_timer_init(hg_loop_uv(rt->loop), &c->retry);
    uv_timer_init(hg_loop_uv(rt->loop), &c->deadline);
    c->handles = 2;
    if (config->error) {
        hg_err_t err;
        hg_err_set(&err, HG_EINVAL, "%s", config->error);
        c->failed = true;
        hg_conn_fail(c, &err);
    }
}

static void on_timer_closed(uv_handle_t *h)
{
    hg_conn_t *c = h->data;
    c->handles--;
    hg_rt_rested(c->rt);
}

void hg_conn_end(hg_conn_t *c)
{
    c->retry.data = c->deadline.data = c;
    if (!uv_is_closing((uv_handle_t *)&c->retry)) {
        uv_close((uv_handle_t *)&c->retry, on_timer_closed);
        uv_close((uv_handle_t *)&c->deadline, on_timer_closed);
    }
}

void hg_conn_release(hg_conn_t *c)
{
    hg_iggy_connector_unref(c->config);
    hg_iggy_connector_unref(c->next_config);
    hg_free(c->name);
    hg_free(c->path);
    hg_free(c->last_error);
}

void hg_conn_stop(hg_conn_t *c)
{
    c->wanted = false;
    stop(c);
}
