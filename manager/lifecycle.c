/* lifecycle.c: rules of the pipeline lifecycle as pure functions (see lifecycle_int.h).
 *
 *            start                process answers            stop / failure          process gone
 *   Stopped ───────► Provisioning ───────────────► Provisioned ─────────► Stopping ─────────────► Stopped
 *      ▲  (waits for the program if it                  │ runtime status: Initializing → (AwaitingApproval →
 * Bootstrapping →) Paused ⇄ Running │   is still compiling)                          │ └── clear: InUse → Clearing →
 * Cleared            └ graceful stop: Suspended, then Stopping
 */
#include "base/hg.h"

#include "base/buf.h"
#include "manager/lifecycle_int.h"

#define X(id, text) text,
const char *const hg_res_names[HG_RES_N] = { HG_RES_LIST(X) };
const char *const hg_rt_names[HG_RT_N] = { HG_RT_LIST(X) };
const char *const hg_storage_names[HG_STORAGE_N] = { HG_STORAGE_LIST(X) };
const char *const hg_prog_names[HG_PROG_N] = { HG_PROG_LIST(X) };
const char *const hg_policy_names[HG_POLICY_N] = { HG_POLICY_LIST(X) };
#undef X

int hg_name_index(const char *const *names, int n, const char *text)
{
    if (!text) return -1;
    for (int i = 0; i < n; i++)
        if (names[i] && !strcmp(names[i], text)) return i;
    return -1;
}

bool hg_prog_failed(hg_prog_t p)
{
    return p == HG_PROG_SQL_ERROR || p == HG_PROG_RUST_ERROR || p == HG_PROG_SYSTEM_ERROR;
}

bool hg_prog_compiling(hg_prog_t p)
{
    return p != HG_PROG_SUCCESS && !hg_prog_failed(p);
}

bool hg_lc_fully_stopped(const hg_lc_t *lc)
{
    return lc->res == HG_RES_STOPPED && lc->res_desired == HG_RES_STOPPED;
}

const char *hg_lc_status(const hg_lc_t *lc)
{
    if (lc->res != HG_RES_PROVISIONED) return hg_res_names[lc->res];
    return hg_rt_names[lc->rt == HG_RT_NONE ? HG_RT_UNAVAILABLE : lc->rt];
}

const char *hg_lc_desired_status(const hg_lc_t *lc)
{
    if (lc->res_desired == HG_RES_STOPPED) return "Stopped";
    if (lc->rt_desired != HG_RT_NONE) return hg_rt_names[lc->rt_desired];
    if (lc->initial != HG_RT_NONE) return hg_rt_names[lc->initial];
    return "Unavailable";
}

static hg_verdict_t legal(hg_answer_t answer)
{
    return (hg_verdict_t){ .answer = answer, .status = 200 };
}

hg_verdict_t hg_lc_refuse(int status, const char *code, const char *fmt, ...)
{
    hg_verdict_t v = { .answer = HG_REFUSE, .status = status, .code = code, .details = "{}" };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v.msg, sizeof v.msg, fmt, ap);
    va_end(ap);
    hg_utf8_mend(v.msg);
    return v;
}

HG_PRINTF(2, 3) static void set_details(hg_verdict_t *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->details, sizeof v->details, fmt, ap);
    va_end(ap);
}

static hg_verdict_t silent_and_concurrent(void)
{
    hg_verdict_t v =
        hg_lc_refuse(400, "InvalidBootstrapConfig",
                     "Invalid bootstrap configuration: silent_bootstrap and concurrent_bootstrap exclude each other");
    set_details(&v, "{\"reason\":\"silent_bootstrap and concurrent_bootstrap exclude each other\"}");
    return v;
}

hg_verdict_t hg_lc_start(const hg_lc_t *lc, const hg_start_args_t *a)
{
    if (a->silent && a->concurrent) return silent_and_concurrent();
    if (lc->res_desired == HG_RES_STOPPED && lc->res != HG_RES_STOPPED) {
        const char *hint = "Wait until the pipeline is stopped, then start it.";
        hg_verdict_t v =
            hg_lc_refuse(400, "IllegalPipelineAction",
                         "Cannot start the pipeline while it is stopping (status: '%s', desired status: 'Stopped'). %s",
                         hg_res_names[lc->res], hint);
        set_details(&v,
                    "{\"status\":\"%s\",\"current_desired_status\":\"Stopped\",\"new_desired_status\":\"Provisioned\","
                    "\"hint\":\"%s\"}",
                    hg_res_names[lc->res], hint);
        return v;
    }
    if (lc->res_desired == HG_RES_PROVISIONED) {
        if (lc->initial != a->initial)
            return hg_lc_refuse(
                400, "InitialImmutableUnlessStopped",
                "The pipeline was started with initial '%s'; another one can be chosen only once it is stopped",
                lc->initial == HG_RT_NONE ? "none" : hg_rt_names[lc->initial]);
        if (lc->policy != a->policy || lc->silent != a->silent || lc->concurrent != a->concurrent)
            return hg_lc_refuse(400, "BootstrapPolicyImmutableUnlessStopped",
                                "The bootstrap policy and flags can be changed only once the pipeline is stopped");
        return legal(HG_NOOP);
    }
    if (lc->has_error && !a->dismiss_error)
        return hg_lc_refuse(400, "CannotStartWithUndismissedError",
                            "The pipeline still has a deployment error: dismiss it, or start with dismiss_error=true");
    if (lc->storage == HG_STORAGE_CLEARING)
        return hg_lc_refuse(400, "CannotStartWhileClearingStorage",
                            "The storage of the pipeline is being cleared: start it when that is done");
    if (hg_prog_failed(lc->prog))
        return hg_lc_refuse(400, "CannotStartWithCompilationError",
                            "The program of the pipeline does not compile (program status: '%s')",
                            hg_prog_names[lc->prog]);
    if (a->initial == HG_RT_STANDBY && !a->standby_possible)
        return hg_lc_refuse(400, "InitialStandbyNotAllowed",
                            "initial=standby needs a 'file' storage backend with 'sync' in the runtime configuration");
    return legal(HG_DO_IT);
}

hg_stop_t hg_lc_stop(const hg_lc_t *lc, bool force)
{
    if (lc->res == HG_RES_STOPPED) return lc->res_desired == HG_RES_PROVISIONED ? HG_STOP_CANCEL : HG_STOP_NOTHING;
    if (lc->res == HG_RES_STOPPING) return force ? HG_STOP_FORCE : HG_STOP_NOTHING;
    if (force || lc->res != HG_RES_PROVISIONED) return HG_STOP_FORCE;
    return lc->res_desired == HG_RES_STOPPED || lc->rt_desired == HG_RT_SUSPENDED ? HG_STOP_NOTHING : HG_STOP_SUSPEND;
}

hg_verdict_t hg_lc_clear(const hg_lc_t *lc)
{
    if (lc->storage == HG_STORAGE_CLEARED && hg_lc_fully_stopped(lc)) return legal(HG_NOOP);
    if (!hg_lc_fully_stopped(lc)) {
        /* A running pipeline always has its storage in use; one that waits for its program may still be Cleared, and
         * what it is about to use must not be declared empty behind its back. */
        hg_verdict_t v = hg_lc_refuse(
            400, "StorageStatusImmutableUnlessStopped",
            "The storage can be cleared only while the pipeline is stopped (status: '%s', desired: '%s'); stop it "
            "first",
            hg_res_names[lc->res], hg_res_names[lc->res_desired]);
        set_details(&v,
                    "{\"resources_status\":\"%s\",\"resources_desired_status\":\"%s\",\"current_status\":\"%s\","
                    "\"new_status\":\"Clearing\"}",
                    hg_res_names[lc->res], hg_res_names[lc->res_desired], hg_storage_names[lc->storage]);
        return v;
    }
    return legal(lc->storage == HG_STORAGE_CLEARING ? HG_NOOP : HG_DO_IT);
}

hg_verdict_t hg_lc_dismiss(const hg_lc_t *lc)
{
    if (!lc->has_error) return legal(HG_NOOP);
    if (!hg_lc_fully_stopped(lc))
        return hg_lc_refuse(400, "DismissErrorRestrictedToFullyStopped",
                            "The deployment error can be dismissed only once the pipeline is stopped");
    return legal(HG_DO_IT);
}

hg_verdict_t hg_lc_edit(const hg_lc_t *lc)
{
    if (!hg_lc_fully_stopped(lc))
        return hg_lc_refuse(
            400, "UpdateRestrictedToStopped",
            "The pipeline can be changed only while it is stopped (status: '%s', desired: '%s'); stop it first",
            hg_lc_status(lc), hg_lc_desired_status(lc));
    return legal(HG_DO_IT);
}

hg_verdict_t hg_lc_delete(const hg_lc_t *lc)
{
    if (!hg_lc_fully_stopped(lc))
        return hg_lc_refuse(400, "DeleteRestrictedToFullyStopped",
                            "The pipeline can be deleted only once it is stopped; stop it first");
    if (lc->storage != HG_STORAGE_CLEARED)
        return hg_lc_refuse(400, "DeleteRestrictedToClearedStorage",
                            "The pipeline can be deleted only once its storage is cleared (storage status: '%s')",
                            hg_storage_names[lc->storage]);
    return legal(HG_DO_IT);
}

hg_verdict_t hg_lc_interact(const hg_lc_t *lc, const char *name)
{
    if (lc->res == HG_RES_PROVISIONED) return legal(HG_DO_IT);
    hg_verdict_t v = hg_lc_refuse(503, "PipelineInteractionNotDeployed",
                                  "Pipeline '%s' is not deployed (status: '%s', desired: '%s'): start it first", name,
                                  hg_lc_status(lc), hg_lc_desired_status(lc));
    set_details(&v, "{\"pipeline_name\":\"%s\",\"status\":\"%s\",\"desired_status\":\"%s\"}", name,
                hg_res_names[lc->res], hg_res_names[lc->res_desired]);
    return v;
}

hg_verdict_t hg_lc_run(const hg_lc_t *lc, const char *name, hg_rt_t to)
{
    hg_verdict_t v = hg_lc_interact(lc, name);
    if (v.answer == HG_REFUSE) return v;
    if (lc->rt == HG_RT_SUSPENDED || lc->rt == HG_RT_STANDBY || lc->rt_desired == HG_RT_SUSPENDED ||
        lc->rt_desired == HG_RT_STANDBY) {
        hg_rt_t from = lc->rt_desired == HG_RT_NONE ? lc->rt : lc->rt_desired;
        return hg_lc_refuse(400, "InvalidTransition", "The pipeline cannot go from '%s' to '%s'", hg_rt_names[from],
                            hg_rt_names[to]);
    }
    return legal(HG_DO_IT);
}

hg_verdict_t hg_lc_approve(const hg_lc_t *lc, const char *name, bool silent, bool concurrent)
{
    hg_verdict_t v = hg_lc_interact(lc, name);
    if (v.answer == HG_REFUSE) return v;
    if (silent && concurrent) return silent_and_concurrent();
    if (lc->rt != HG_RT_AWAITING_APPROVAL)
        return hg_lc_refuse(400, "InvalidTransition", "Pipeline '%s' does not wait for an approval (it is '%s')", name,
                            hg_lc_status(lc));
    return legal(HG_DO_IT);
}

hg_verdict_t hg_lc_activate(const hg_lc_t *lc, const char *name, hg_rt_t to)
{
    hg_verdict_t v = hg_lc_interact(lc, name);
    if (v.answer == HG_REFUSE) return v;
    if (lc->initial == HG_RT_STANDBY && lc->rt_desired == to) return legal(HG_NOOP); /* it was activated before */
    if (lc->rt != HG_RT_STANDBY && lc->rt_desired != HG_RT_STANDBY)
        return hg_lc_refuse(400, "InvalidTransition", "Only a pipeline in Standby can be activated (it is '%s')",
                            hg_lc_status(lc));
    return legal(HG_DO_IT);
}

hg_todo_t hg_lc_todo(const hg_lc_t *lc)
{
    if (lc->res != HG_RES_STOPPED || lc->res_desired != HG_RES_PROVISIONED) return HG_TODO_NOTHING;
    if (hg_prog_failed(lc->prog)) return HG_TODO_FAIL_START;
    return lc->prog == HG_PROG_SUCCESS ? HG_TODO_PROVISION : HG_TODO_NOTHING;
}

void hg_lc_apply_start(hg_lc_t *lc, const hg_start_args_t *a)
{
    lc->res_desired = HG_RES_PROVISIONED;
    lc->initial = a->initial;
    lc->policy = a->policy;
    lc->silent = a->silent;
    lc->concurrent = a->concurrent;
    lc->has_error = false;
}

void hg_lc_apply_unprovisioned(hg_lc_t *lc)
{
    lc->rt = lc->rt_desired = lc->initial = HG_RT_NONE;
    lc->policy = HG_POLICY_NONE;
    lc->silent = lc->concurrent = false;
}
