/* probe.c: asking a pipeline process how it is, steering it, and noticing that it does not answer.
 *
 * A probe is GET /status with a deadline: often while the process comes up or goes down, twice a second while it runs.
 * Its answer goes through the control loop and the pool of the process, so a process of which one of these is stuck is
 * as silent as one that is stopped. What it says and what the user wants are compared with every answer, and the
 * difference is sent as one action at a time, so that a lost request is simply sent again.
 *
 * One that is there and silent becomes Unavailable, with the reason and an event; when it has been silent for as long
 * as liveness.c allows and the restart policy would start another one, it is killed, and its death judged as any other.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/runner_int.h"

#define ACTION_TIMEOUT_MS 5000
#define ERRORS_PERIOD_US  ((int64_t)5 * 1000000) /* num_errors alone moves refresh_version no faster */
#define ADOPT_GRACE_US    HG_RUN_ADOPT_GRACE_US

/* --- steering ----------------------------------------------------------------------------------------------------- */

static void on_action(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    hg_run_t *run = arg;
    (void)content_type;
    run->action = NULL;
    if (err->code || status >= 300)
        hg_log(HG_LOG_DEBUG, "manager", run->pl->def.name, "action_failed", "status=%d error=\"%s\" body=\"%.200s\"",
               status, err->msg, body.n ? body.p : "");
    else
        hg_run_schedule(run, 1); /* see its effect at once */
}

void hg_run_act(hg_run_t *run, const char *target)
{
    if (!run->action) run->action = hg_ask(run->mg, run->socket, "POST", target, ACTION_TIMEOUT_MS, on_action, run);
}

void hg_run_reconcile(hg_run_t *run)
{
    const hg_lc_t *lc = &run->pl->lc;
    if (lc->res != HG_RES_PROVISIONED || run->action) return;
    if (lc->rt_desired == HG_RT_SUSPENDED && !run->suspend_sent) {
        run->suspend_sent = true;
        hg_run_act(run, "/stop?force=false");
    } else if (lc->rt == HG_RT_STANDBY && (lc->rt_desired == HG_RT_RUNNING || lc->rt_desired == HG_RT_PAUSED)) {
        hg_run_act(run, lc->rt_desired == HG_RT_RUNNING ? "/activate?initial=running" : "/activate?initial=paused");
    } else if (lc->rt_desired == HG_RT_PAUSED && lc->rt == HG_RT_RUNNING) {
        hg_run_act(run, "/pause");
    } else if (lc->rt_desired == HG_RT_RUNNING && lc->rt == HG_RT_PAUSED) {
        hg_run_act(run, "/start");
    }
}

/* --- what the process says ---------------------------------------------------------------------------------------- */

static void take_runtime_status(hg_run_t *run, hg_rt_t rt)
{
    hg_mg_t *mg = run->mg;
    hg_pl_t *pl = run->pl;
    if (pl->lc.res == HG_RES_PROVISIONING) {
        /* Seen in this order by every client of the events, however quick the process was. */
        pl->lc.res = HG_RES_PROVISIONED;
        pl->res_since = hg_now_us();
        hg_pl_set_rt_desired(pl, pl->lc.initial);
        hg_pl_set_rt(pl, HG_RT_INITIALIZING);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    }
    if (pl->lc.rt != rt) {
        hg_pl_set_rt(pl, rt);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    }
}

/* Before the status that they belong to, so that its event has them. */
static void take_details(hg_run_t *run, const hg_json_t *details, hg_str_t body)
{
    bool some = details && details->kind == HG_J_OBJECT && details->child;
    if (!some && !run->pl->rt_details) return;
    hg_take_text(&run->pl->rt_details, some ? hg_xstrndup(body.p + details->off, details->len) : NULL);
}

static void take_num_errors(hg_run_t *run, uint64_t n)
{
    hg_pl_t *pl = run->pl;
    int64_t now = hg_mono_us();
    bool changed = !pl->has_num_errors || pl->num_errors != n;
    pl->has_num_errors = true;
    pl->num_errors = n;
    if (!changed || (run->errors_us && now - run->errors_us < ERRORS_PERIOD_US)) return;
    run->errors_us = now;
    pl->refresh_version++;
    hg_mg_save(run->mg, pl, HG_SAVE_STATE);
}

/* What the pipeline has in store is on disk, also when no process is left to be asked. */
void hg_runner_look_at_storage(hg_mg_t *mg, hg_pl_t *pl)
{
    if (pl->lc.storage != HG_STORAGE_INUSE) return;
    char *list = hg_deploy_checkpoints(mg, pl);
    if (list && (!pl->storage_details || strcmp(list, pl->storage_details) != 0)) {
        hg_set_text(&pl->storage_details, list);
        pl->refresh_version++;
        hg_mg_save(mg, pl, HG_SAVE_STATE);
    }
    hg_free(list);
}

/* False if this is not our deployment's process. */
static bool take_status(hg_run_t *run, hg_str_t body)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    bool ours = false;
    if (hg_json_parse(a, body, &v, &err) == 0 &&
        !strcmp(hg_json_str(hg_json_get(v, "deployment_id"), ""), run->pl->deployment_id)) {
        int rt = hg_name_index(hg_rt_names, HG_RT_N, hg_json_str(hg_json_get(v, "status"), NULL));
        uint64_t errors = 0, checkpoint = 0;
        ours = true;
        run->answered = true;
        run->pl->restarts.next_us = 0;
        if (run->pl->lc.res != HG_RES_STOPPING) {
            take_details(run, hg_json_get(v, "details"), body);
            take_runtime_status(run, rt > 0 ? (hg_rt_t)rt : HG_RT_UNAVAILABLE);
            if (hg_json_u64(hg_json_get(v, "num_errors"), &errors) == 0) take_num_errors(run, errors);
            if (hg_json_u64(hg_json_get(v, "checkpoint"), &checkpoint) == 0 && checkpoint != run->checkpoint) {
                run->checkpoint = checkpoint;
                hg_runner_look_at_storage(run->mg, run->pl);
            }
        }
        const hg_json_t *e = hg_json_get(v, "error");
        if (e && e->kind == HG_J_OBJECT && run->pl->lc.res_desired != HG_RES_STOPPED) {
            /* It has failed and will not recover: its error is kept, and it is made to leave if it does not by itself.
             */
            const hg_json_t *d = hg_json_get(e, "details");
            char *details = d && d->kind != HG_J_NULL ? hg_xstrndup(body.p + d->off, d->len) : NULL;
            char *json = hg_error_json(hg_json_str(hg_json_get(e, "error_code"), "RuntimeError"),
                                       hg_json_str(hg_json_get(e, "message"), "the pipeline failed"), details);
            hg_pl_set_error(run->pl, json);
            hg_free(details);
            hg_free(json);
            hg_pl_set_res_desired(run->pl, HG_RES_STOPPED);
            hg_run_begin_stopping(run);
            run->kill_us = hg_mono_us() + HG_RUN_STOP_GRACE_US;
            hg_run_act(run, "/stop?force=true");
        }
    }
    hg_arena_free(a);
    return ours;
}

/* --- silence ------------------------------------------------------------------------------------------------------ */

/* Its state is not known any more: everyone is told so, and what will come of it. */
static void tell_silence(hg_run_t *run, bool restarts)
{
    hg_pl_t *pl = run->pl;
    const hg_liveness_policy_t *p = &run->liveness_policy;
    char since[32], reason[240];
    hg_buf_t b;
    hg_jw_t w;
    hg_time_rfc3339(since, run->liveness.since_us);
    if (restarts && p->limited)
        snprintf(reason, sizeof reason,
                 "the process has not answered since %s; after %" PRIu32 " probes of %" PRIu64
                 " ms without an answer it is killed and started again",
                 since, p->misses, p->timeout_ms);
    else
        snprintf(reason, sizeof reason, "the process has not answered since %s; stop the pipeline with force to end it",
                 since);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "reason", reason);
    hg_jw_end_obj(&w);
    hg_set_text(&pl->rt_details, b.p);
    hg_buf_release(&b);
    hg_pl_set_rt(pl, HG_RT_UNAVAILABLE);
    hg_mg_save(run->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    hg_log(HG_LOG_WARN, "manager", pl->def.name, "pipeline_silent", "since=%s", since);
    hg_deploy_log(run->mg, pl, "%s", reason);
}

/* It is there, and does not answer. */
static void silent(hg_run_t *run)
{
    hg_pl_t *pl = run->pl;
    hg_restart_policy_t restart;
    if (pl->lc.res != HG_RES_PROVISIONED || !hg_liveness_silent(&run->liveness_policy, &run->liveness)) return;
    hg_pl_restart_policy(pl, &restart);
    bool restarts = restart.when != HG_RESTART_NEVER;
    if (pl->lc.rt != HG_RT_UNAVAILABLE) tell_silence(run, restarts);
    if (run->hung || !restarts || !hg_liveness_hung(&run->liveness_policy, &run->liveness)) return;
    run->hung = true;
    run->kill_us = hg_mono_us();
    hg_log(HG_LOG_ERROR, "manager", pl->def.name, "pipeline_hangs", "waited_ms=%" PRIu64 " pid=%ld",
           run->liveness.spent_us / 1000, run->pid);
}

/* No answer. True if that was the end of the run. */
static bool missed(hg_run_t *run)
{
    hg_pl_t *pl = run->pl;
    hg_liveness_missed(&run->liveness_policy, &run->liveness, hg_mono_us());
    if (!run->proc && hg_deploy_lock_holder(run->mg, pl) == 0) {
        bool starting =
            pl->lc.res == HG_RES_PROVISIONING && !run->answered && hg_mono_us() - run->begun_us < ADOPT_GRACE_US;
        if (starting) return false;
        hg_exit_t ex;
        hg_deploy_read_exit(run->mg, pl, &ex);
        hg_free(ex.error);
        if (!ex.found && pl->lc.res == HG_RES_PROVISIONING && !run->answered &&
            pl->lc.res_desired == HG_RES_PROVISIONED) {
            /* The manager before us fell between writing its intention and the spawn. */
            hg_err_t err = HG_ERR_INIT;
            if (hg_run_make_process(run, &err) == 0) return false;
            hg_run_over(run, err.msg, "");
            return true;
        }
        hg_run_over(run,
                    run->hung ? "was ended by signal 9" /* ours; an earlier manager had started it */
                              : "is gone; an earlier manager had started it, so how it ended is not known",
                    "");
        return true;
    }
    silent(run);
    return false;
}

static void on_status(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    hg_run_t *run = arg;
    (void)content_type;
    run->poll = NULL;
    bool answered = !err->code && status == 200 && take_status(run, body);
    if (answered) {
        hg_liveness_answered(&run->liveness);
        hg_run_reconcile(run);
    } else if (missed(run)) {
        return;
    }
    hg_run_schedule(run, hg_run_poll_period_ms(run));
    hg_run_wake_waiters(run);
}

static void ask(hg_run_t *run)
{
    hg_liveness_asked(&run->liveness, hg_mono_us(), hg_now_us());
    run->poll = hg_ask(run->mg, run->socket, "GET", "/status", run->liveness_policy.timeout_ms, on_status, run);
}

void hg_run_probe(hg_run_t *run)
{
    ask(run);
    if (!run->poll && !missed(run)) hg_run_schedule(run, hg_run_poll_period_ms(run));
}

void hg_runner_refresh(hg_mg_t *mg, hg_pl_t *pl, void (*fn)(void *arg), void *arg)
{
    hg_run_t *run = pl->run;
    (void)mg;
    if (!run || run->restart_us) {
        if (fn) fn(arg);
        return;
    }
    if (fn) {
        run->waiters = hg_xgrow(run->waiters, (run->n_waiters + 1) * sizeof *run->waiters);
        run->waiters[run->n_waiters++] = (hg_waiter_t){ fn, arg };
    }
    if (run->poll) { /* asked before the event that the caller wants to see: ask anew */
        hg_ask_cancel(run->poll);
        run->poll = NULL;
        hg_liveness_withdrawn(&run->liveness_policy, &run->liveness, hg_mono_us());
    }
    ask(run);
    if (!run->poll) {
        hg_run_schedule(run, hg_run_poll_period_ms(run));
        hg_run_wake_waiters(run);
    }
}

const char *hg_runner_silence(const hg_pl_t *pl)
{
    const hg_run_t *run = pl->run;
    bool silent = run && !run->restart_us && pl->lc.rt == HG_RT_UNAVAILABLE &&
                  hg_liveness_silent(&run->liveness_policy, &run->liveness);
    return silent ? "it has not answered for a while" : NULL;
}
