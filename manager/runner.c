/* runner.c: supervision of pipeline processes.
 *
 * One hg_run_t per process that is, or may be, alive. A timer drives it: restarts that are due, kills that are due,
 * and a probe (probe.c).
 *
 * Processes are children of whichever manager started them, but in a session of their own, and survive it. A manager
 * that finds one running (lock held, same deployment id on its socket) supervises it by polling alone.
 *
 * How a process ended is read from exit.json; without one it crashed. Invariant: pl->run != NULL exactly while
 * resources status is Provisioning, Provisioned or Stopping.
 */
#include "base/hg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/deployment.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/runner_int.h"

#define PROVISION_DEF_US ((int64_t)600 * 1000000)   /* without provisioning_timeout_secs, as in Feldera */
#define RESTART_LEFT_US  ((int64_t)86400 * 1000000) /* the clock may have been set meanwhile */

static void on_tick(uv_timer_t *t);

/* --- life of a hg_run_t ------------------------------------------------------------------------------------------ */

static hg_run_t *run_new(hg_mg_t *mg, hg_pl_t *pl)
{
    hg_run_t *run = HG_NEW(hg_run_t);
    HG_ASSERT(!pl->run);
    run->mg = mg;
    run->pl = hg_pl_retain(pl);
    run->begun_us = hg_mono_us();
    hg_deploy_socket(mg, pl->deployment_id, run->socket);
    hg_pl_liveness_policy(pl, &run->liveness_policy);
    uv_timer_init(mg->uv, &run->timer);
    run->timer.data = run;
    hg_list_init(&run->link);
    hg_list_add_tail(&mg->runs, &run->link);
    pl->run = run;
    return run;
}

void hg_run_wake_waiters(hg_run_t *run)
{
    hg_waiter_t *w = run->waiters;
    size_t n = run->n_waiters;
    run->waiters = NULL;
    run->n_waiters = 0;
    for (size_t i = 0; i < n; i++) w[i].fn(w[i].arg);
    hg_free(w);
}

static void on_timer_closed(uv_handle_t *h)
{
    hg_run_t *run = h->data;
    hg_pl_drop(run->pl);
    hg_free(run);
}

static void on_process_closed(uv_handle_t *h)
{
    hg_free(h);
}

/* Nothing of the process is left to talk to. */
static void let_go(hg_run_t *run)
{
    if (run->poll) hg_ask_cancel(run->poll);
    if (run->action) hg_ask_cancel(run->action);
    run->poll = run->action = NULL;
    if (run->proc) {
        run->proc->data = NULL; /* its exit, if it is still to come, concerns nobody */
        uv_close((uv_handle_t *)run->proc, on_process_closed);
        run->proc = NULL;
    }
    run->pid = 0;
}

/* The process is out of our hands (ended, or the manager leaves). */
static void run_free(hg_run_t *run)
{
    run->over = true;
    let_go(run);
    run->pl->run = NULL;
    hg_list_del(&run->link);
    hg_run_wake_waiters(run);
    uv_close((uv_handle_t *)&run->timer, on_timer_closed);
}

uint64_t hg_run_poll_period_ms(const hg_run_t *run)
{
    int64_t age = hg_mono_us() - run->begun_us;
    if (run->pl->lc.res == HG_RES_PROVISIONED && run->liveness.failed == 0) {
        hg_rt_t rt = run->pl->lc.rt;
        if (rt == run->pl->lc.rt_desired || rt == HG_RT_AWAITING_APPROVAL) return 500;
        return age < 2000000 ? 10 : 100;
    }
    return age < 500000 ? 4 : 50;
}

void hg_run_schedule(hg_run_t *run, uint64_t ms)
{
    if (!run->over) uv_timer_start(&run->timer, on_tick, ms, 0);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static uint64_t provisioning_timeout_us(const hg_pl_t *pl)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    uint64_t secs = 0;
    if (hg_json_parse(a, hg_strz(pl->def.runtime_config), &v, &err) < 0 ||
        hg_json_u64(hg_json_get(v, "provisioning_timeout_secs"), &secs) < 0)
        secs = 0;
    hg_arena_free(a);
    return secs && secs < UINT32_MAX ? secs * 1000000 : (uint64_t)PROVISION_DEF_US;
}

static void on_child_exit(uv_process_t *p, int64_t status, int sig)
{
    hg_run_t *run = p->data;
    if (!run) return;
    char how[160], details[96];
    if (sig)
        snprintf(how, sizeof how, "was ended by signal %d (%s)", sig, strsignal(sig));
    else
        snprintf(how, sizeof how, "ended with exit code %" PRId64, status);
    snprintf(details, sizeof details, "\"exit_code\":%" PRId64 ",\"signal\":%d", status, sig);
    /* A second process for the same deployment (the manager was killed between spawn and lock) finds the lock taken and
     * leaves; the first one is then ours to adopt. */
    hg_exit_t ex;
    hg_deploy_read_exit(run->mg, run->pl, &ex);
    hg_free(ex.error);
    long holder = ex.found ? 0 : hg_deploy_lock_holder(run->mg, run->pl);
    if (holder && holder != run->pid) {
        run->proc = NULL;
        p->data = NULL;
        uv_close((uv_handle_t *)p, on_process_closed);
        run->pid = holder > 0 ? holder : 0;
        hg_run_schedule(run, 0);
        return;
    }
    hg_run_over(run, how, details);
}

/* Deployment failed before or while it ran, or ended by itself: Stopping, then Stopped, with the error if there is one.
 */
static void to_stopped(hg_mg_t *mg, hg_pl_t *pl, const char *error_json)
{
    if (pl->gone) return;
    if (pl->lc.res != HG_RES_STOPPING) {
        hg_pl_forget_deployment(pl);
        if (error_json) hg_pl_set_error(pl, error_json);
        hg_pl_set_res_desired(pl, HG_RES_STOPPED);
        hg_pl_set_res(pl, HG_RES_STOPPING);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    } else if (error_json) {
        hg_pl_set_error(pl, error_json);
    }
    hg_pl_set_res_desired(pl, HG_RES_STOPPED);
    hg_pl_forget_deployment(pl);
    hg_pl_set_res(pl, HG_RES_STOPPED);
    hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
}

static void provision(hg_mg_t *mg, hg_pl_t *pl)
{
    hg_err_t err = HG_ERR_INIT;
    hg_uuid_v7(pl->deployment_id);
    pl->lc.storage = HG_STORAGE_INUSE;
    if (!pl->storage_details) hg_set_text(&pl->storage_details, "{\"checkpoints\":[]}");
    pl->refresh_version++;
    hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    hg_pl_set_res(pl, HG_RES_PROVISIONING);
    hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);

    hg_run_t *run = run_new(mg, pl);
    run->provision_us = run->begun_us + (int64_t)provisioning_timeout_us(pl);
    hg_restarts_clear(&pl->restarts);
    pl->restarts.spawned_us = hg_now_us();
    hg_mg_save(mg, pl, HG_SAVE_STATE);
    int rc = hg_deploy_write(mg, pl, &err);
    if (rc == 0) {
        hg_deploy_log(mg, pl, "starting deployment %s", pl->deployment_id);
        hg_kill_point("manager.before_spawn");
        rc = hg_run_spawn(run, on_child_exit, &err);
        hg_kill_point("manager.after_spawn");
    }
    if (rc == 0) {
        hg_log(HG_LOG_INFO, "manager", pl->def.name, "pipeline_started", "pid=%ld deployment=%s", run->pid,
               pl->deployment_id);
        hg_run_schedule(run, 1);
        return;
    }
    hg_log(HG_LOG_ERROR, "manager", pl->def.name, "pipeline_start_failed", "error=\"%s\"", err.msg);
    char *json = hg_error_json("PipelineStartFailed", err.msg, NULL);
    run_free(run);
    to_stopped(mg, pl, json);
    hg_free(json);
}

static void fail_start(hg_mg_t *mg, hg_pl_t *pl)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_key(&w, "compiler_error");
    if (pl->system_error)
        hg_jw_strz(&w, pl->system_error);
    else
        hg_jw_strz(&w, pl->sql_compilation ? pl->sql_compilation : "");
    hg_jw_end_obj(&w);
    char *json = hg_error_json("StartFailedDueToFailedCompilation",
                               "The pipeline was not started because its program does not compile", b.p);
    hg_buf_release(&b);
    hg_pl_set_error(pl, json);
    hg_free(json);
    hg_pl_set_res_desired(pl, HG_RES_STOPPED);
    hg_pl_forget_deployment(pl);
    pl->refresh_version++;
    hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
}

void hg_runner_kick(hg_mg_t *mg, hg_pl_t *pl)
{
    if (mg->closing || pl->gone || pl->run || pl->asked) return;
    switch (hg_lc_todo(&pl->lc)) {
    case HG_TODO_NOTHING:
        return;
    case HG_TODO_PROVISION:
        provision(mg, pl);
        return;
    case HG_TODO_FAIL_START:
        fail_start(mg, pl);
        return;
    }
}

/* --- the end of a process ----------------------------------------------------------------------------------------- */

/* The next process is started after delay_ms; until then the pipeline is as before, but Unavailable. */
static void restart_later(hg_run_t *run, const char *how, uint64_t delay_ms)
{
    hg_pl_t *pl = run->pl;
    const hg_restarts_t *r = &pl->restarts;
    let_go(run);
    run->answered = run->suspend_sent = false;
    run->hung = false;
    hg_liveness_answered(&run->liveness);
    hg_set_text(&pl->rt_details, NULL);
    run->kill_us = 0;
    run->restart_us = hg_mono_us() + (int64_t)delay_ms * 1000;
    pl->has_num_errors = false;
    if (pl->lc.res == HG_RES_PROVISIONED)
        hg_pl_set_rt(pl, HG_RT_UNAVAILABLE);
    else
        pl->refresh_version++;
    hg_mg_save(run->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    hg_log(HG_LOG_WARN, "manager", pl->def.name, "pipeline_restarts", "how=\"%s\" attempt=%u delay_ms=%" PRIu64, how,
           r->attempts, delay_ms);
    hg_deploy_log(run->mg, pl, "the process %s; it is started again in %" PRIu64 " ms (attempt %u)", how, delay_ms,
                  r->attempts);
    hg_run_schedule(run, delay_ms);
    hg_run_wake_waiters(run);
}

/* The process is gone. how: what the kernel said, for a crash; details: members of a JSON object. */
void hg_run_over(hg_run_t *run, const char *how, const char *details)
{
    hg_mg_t *mg = run->mg;
    hg_pl_t *pl = hg_pl_retain(run->pl);
    bool wanted = pl->lc.res_desired == HG_RES_STOPPED;
    char *error = NULL;
    uint64_t delay_ms = 0;
    hg_restart_verdict_t verdict = HG_RESTART_UNWANTED;
    hg_exit_t ex;
    hg_deploy_read_exit(mg, pl, &ex);
    if (ex.found && !ex.error && !strcmp(ex.reason, "failed"))
        ex.error = hg_error_json("RuntimeError", "the pipeline failed without saying why; see its log", NULL);
    char hung[320];
    if (run->hung) how = hg_death_of_hung(run, how, hung, sizeof hung);
    hg_death_t death = { how, details, &ex, run->hung };
    unlink(run->socket);
    hg_runner_look_at_storage(mg, pl);
    if (!wanted && pl->lc.rt_desired != HG_RT_SUSPENDED) verdict = hg_death_judge(run, &death, &delay_ms);
    if (verdict == HG_RESTART_DO) {
        restart_later(run, how, delay_ms);
        goto out;
    }
    if (ex.error || (!ex.found && !wanted))
        error = hg_death_error(run, &death, verdict == HG_RESTART_EXHAUSTED ? pl->restarts.attempts : 0);
    hg_log(error ? HG_LOG_ERROR : HG_LOG_INFO, "manager", pl->def.name, "pipeline_ended", "reason=%s how=\"%s\"",
           ex.found ? ex.reason
           : wanted ? "killed"
                    : "crashed",
           how);
    hg_deploy_log(mg, pl, "deployment %s is over: the process %s", pl->deployment_id, how);
    if (ex.found && !error && pl->lc.rt_desired == HG_RT_SUSPENDED && !wanted) {
        hg_pl_set_rt(pl, HG_RT_SUSPENDED);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    }
    run_free(run);
    to_stopped(mg, pl, error);
    hg_free(error);
    hg_runner_kick(mg, pl);
out:
    hg_free(ex.error);
    hg_pl_drop(pl);
}

int hg_run_make_process(hg_run_t *run, hg_err_t *err)
{
    int rc = hg_deploy_write(run->mg, run->pl, err);
    return rc == 0 ? hg_run_spawn(run, on_child_exit, err) : rc;
}

/* The delay is over. */
static void restart_now(hg_run_t *run)
{
    hg_pl_t *pl = run->pl;
    hg_err_t err = HG_ERR_INIT;
    run->restart_us = 0;
    run->begun_us = hg_mono_us();
    run->provision_us = run->begun_us + (int64_t)provisioning_timeout_us(pl);
    pl->restarts.spawned_us = hg_now_us();
    if (pl->lc.res == HG_RES_PROVISIONED)
        hg_pl_set_rt(pl, HG_RT_INITIALIZING);
    else
        pl->refresh_version++;
    hg_mg_save(run->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    int rc = hg_deploy_write(run->mg, pl, &err);
    if (rc == 0) {
        hg_deploy_log(run->mg, pl, "starting deployment %s again", pl->deployment_id);
        hg_kill_point("manager.before_respawn");
        rc = hg_run_spawn(run, on_child_exit, &err);
        hg_kill_point("manager.after_respawn");
    }
    if (rc < 0) {
        char how[560];
        snprintf(how, sizeof how, "could not be started: %s", err.msg);
        hg_run_over(run, how, "");
        return;
    }
    hg_log(HG_LOG_INFO, "manager", pl->def.name, "pipeline_restarted", "pid=%ld deployment=%s attempt=%u", run->pid,
           pl->deployment_id, pl->restarts.attempts);
    hg_run_schedule(run, 1);
}

static void kill_process(hg_run_t *run)
{
    if (run->proc) {
        uv_process_kill(run->proc, SIGKILL);
        return;
    }
    long holder = hg_deploy_lock_holder(run->mg, run->pl); /* whoever holds the lock of this directory is the process */
    if (holder > 1) kill((pid_t)holder, SIGKILL);
}

/* --- stopping ---------------------------------------------------------------------------------------------------- */

void hg_run_begin_stopping(hg_run_t *run)
{
    hg_pl_t *pl = run->pl;
    char id[HG_UUID_CAP];
    memcpy(id, pl->deployment_id, sizeof id);
    hg_pl_forget_deployment(pl);
    memcpy(pl->deployment_id, id, sizeof id); /* until the process is gone: exit.json is matched by it */
    hg_pl_set_res(pl, HG_RES_STOPPING);
    hg_mg_save(run->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
}

void hg_runner_stop(hg_mg_t *mg, hg_pl_t *pl, hg_stop_t how)
{
    hg_run_t *run = pl->run;
    if (run && run->restart_us && how != HG_STOP_NOTHING) { /* nobody is there to be asked, or to be waited for */
        hg_deploy_log(mg, pl, "stopped while it waited to be started again");
        hg_pl_set_res_desired(pl, HG_RES_STOPPED);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
        run_free(run);
        to_stopped(mg, pl, NULL);
        return;
    }
    switch (how) {
    case HG_STOP_NOTHING:
        return;
    case HG_STOP_CANCEL:
        hg_pl_set_res_desired(pl, HG_RES_STOPPED);
        hg_pl_forget_deployment(pl);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
        return;
    case HG_STOP_SUSPEND:
        hg_pl_set_rt_desired(pl, HG_RT_SUSPENDED);
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
        if (run) hg_run_reconcile(run);
        return;
    case HG_STOP_FORCE:
        if (pl->lc.res_desired != HG_RES_STOPPED) {
            hg_pl_set_res_desired(pl, HG_RES_STOPPED);
            hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
        }
        if (!run) { /* cannot be by the invariant; a store edited by hand could make it so */
            to_stopped(mg, pl, NULL);
            return;
        }
        if (pl->lc.res != HG_RES_STOPPING) hg_run_begin_stopping(run);
        if (!run->kill_us) run->kill_us = hg_mono_us() + (run->answered ? HG_RUN_STOP_GRACE_US : 0);
        if (run->action) hg_ask_cancel(run->action);
        run->action = NULL;
        run->begun_us = hg_mono_us(); /* polls are quick again */
        if (run->answered) hg_run_act(run, "/stop?force=true");
        hg_run_schedule(run, 1);
        return;
    }
}

/* --- the clock --------------------------------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *t)
{
    hg_run_t *run = t->data;
    int64_t now = hg_mono_us();
    if (run->kill_us && now >= run->kill_us) {
        kill_process(run);
        run->kill_us = now + HG_RUN_STOP_GRACE_US;
    }
    if (run->restart_us) {
        if (now < run->restart_us)
            hg_run_schedule(run, (uint64_t)(run->restart_us - now) / 1000 + 1);
        else
            restart_now(run);
        return;
    }
    bool coming_up = run->pl->lc.res == HG_RES_PROVISIONING || run->pl->lc.rt == HG_RT_INITIALIZING;
    if (coming_up && !run->answered && run->provision_us && now >= run->provision_us) {
        char *json = hg_error_json("PipelineProvisioningTimeout",
                                   "The pipeline process did not answer within its provisioning timeout", NULL);
        hg_pl_set_error(run->pl, json);
        hg_free(json);
        hg_runner_stop(run->mg, run->pl, HG_STOP_FORCE);
        return;
    }
    if (run->poll) return;
    /* Before its socket exists there is no use in asking. */
    if (run->proc && !run->answered && access(run->socket, F_OK) < 0) {
        hg_run_schedule(run, hg_run_poll_period_ms(run));
        return;
    }
    hg_run_probe(run);
}

bool hg_runner_waiting(const hg_pl_t *pl)
{
    return pl->run && pl->run->restart_us;
}

const char *hg_runner_socket(const hg_pl_t *pl)
{
    return pl->run ? pl->run->socket : NULL;
}

/* --- restart of the manager --------------------------------------------------------------------------------------- */

void hg_runner_adopt(hg_mg_t *mg, hg_pl_t *pl)
{
    if (pl->lc.storage == HG_STORAGE_CLEARING) hg_files_clear(mg, pl);
    hg_runner_look_at_storage(mg, pl);
    if (pl->lc.res == HG_RES_STOPPED) {
        hg_runner_kick(mg, pl);
        return;
    }
    hg_run_t *run = run_new(mg, pl);
    run->provision_us = run->begun_us + (int64_t)provisioning_timeout_us(pl);
    if (pl->lc.res_desired == HG_RES_STOPPED) {
        run->answered = true; /* it may be there: ask before killing */
        hg_runner_stop(mg, pl, HG_STOP_FORCE);
        return;
    }
    /* A restart that was due, or begun: if its process is not there, the rest of the delay is waited for. */
    if (pl->restarts.next_us && hg_deploy_lock_holder(mg, pl) == 0) {
        int64_t left = pl->restarts.next_us - hg_now_us();
        run->restart_us = run->begun_us + HG_MIN(HG_MAX(left, HG_RUN_ADOPT_GRACE_US / 4), RESTART_LEFT_US);
    }
    hg_run_schedule(run, 0);
}

void hg_runner_close(hg_mg_t *mg)
{
    HG_LIST_EACH(it, &mg->runs) run_free(HG_ENTRY(it, hg_run_t, link));
}
