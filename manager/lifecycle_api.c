/* lifecycle_api.c: start, stop, pause, resume, activate, approve, clear, dismiss_error. Each asks its rule
 * (lifecycle.c), records the wish, and leaves the work to the runner. Pause and resume answer when the process has done
 * it, so that the first look after the answer shows it. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/edit_int.h"

#define ACTION_TIMEOUT_MS 10000

/* True after an answer: refused, or nothing to do (then with status and text). */
static bool answered(hg_call_t *c, const hg_verdict_t *v, int status, const char *text)
{
    if (v->answer == HG_REFUSE)
        hg_reply_verdict(c->r, v);
    else if (v->answer == HG_NOOP)
        hg_reply_string(c->r, status, text);
    return v->answer != HG_DO_IT;
}

static void start(hg_call_t *c)
{
    static const struct {
        const char *text;
        hg_rt_t rt;
    } initials[] = { { "running", HG_RT_RUNNING }, { "paused", HG_RT_PAUSED }, { "standby", HG_RT_STANDBY } };
    hg_start_args_t a = { .initial = HG_RT_RUNNING };
    hg_pl_t *pl = c->pl;
    hg_str_t initial = hg_req_param(c->r, "initial");
    if (initial.p) {
        a.initial = HG_RT_NONE;
        for (size_t i = 0; i < HG_COUNT(initials); i++)
            if (hg_str_eqz(initial, initials[i].text)) a.initial = initials[i].rt;
        if (a.initial == HG_RT_NONE) {
            hg_reply_error(c->r, 405, "UnsupportedPipelineAction",
                           "{\"action\":\"start\",\"reason\":\"initial must be running, paused or standby\"}",
                           "Cannot start with initial '" HG_SF "': it must be running, paused or standby",
                           HG_SA(initial));
            return;
        }
    }
    int policy = hg_call_enum(c, "bootstrap_policy", hg_policy_names, HG_POLICY_N, HG_POLICY_AWAIT_APPROVAL);
    if (policy < 0) return;
    a.policy = (hg_policy_t)policy;
    if (!hg_call_bool(c, "silent_bootstrap", false, &a.silent) ||
        !hg_call_bool(c, "concurrent_bootstrap", false, &a.concurrent) ||
        !hg_call_bool(c, "dismiss_error", true, &a.dismiss_error))
        return;
    a.standby_possible = hg_runtime_config_standby(pl->def.runtime_config);

    hg_verdict_t v = hg_edit_start(c->mg, pl, &a);
    if (answered(c, &v, 202, "Pipeline is starting")) return;
    hg_reply_string(c->r, 202, "Pipeline is starting");
    hg_runner_kick(c->mg, pl);
}

static void stop(hg_call_t *c)
{
    bool force;
    if (!hg_call_bool(c, "force", false, &force)) return;
    hg_stop_t how = hg_lc_stop(&c->pl->lc, force);
    hg_runner_stop(c->mg, c->pl, how);
    hg_reply_string(c->r, 202, how == HG_STOP_SUSPEND ? "Pipeline is suspending" : "Pipeline is forcefully stopping");
}

static void clear(hg_call_t *c)
{
    hg_verdict_t v = hg_lc_clear(&c->pl->lc);
    if (answered(c, &v, 202, "Pipeline storage is being cleared")) return;
    hg_files_clear(c->mg, c->pl);
    hg_reply_string(c->r, 202, "Pipeline storage is being cleared");
}

static void dismiss_error(hg_call_t *c)
{
    hg_verdict_t v = hg_lc_dismiss(&c->pl->lc);
    if (answered(c, &v, 200, "Pipeline deployment error has been dismissed")) return;
    hg_pl_set_error(c->pl, NULL);
    c->pl->refresh_version++;
    hg_mg_save(c->mg, c->pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    hg_reply_string(c->r, 200, "Pipeline deployment error has been dismissed");
}

/* Feldera's own tests set a pipeline's platform version by it; elsewhere it is switched off there, too. */
static void testing(hg_call_t *c)
{
    hg_reply_error(c->r, 405, "UnsupportedPipelineAction",
                   "{\"action\":\"testing\",\"reason\":\"this daemon is not one for tests\"}",
                   "The action 'testing' is for Feldera's own tests and is not offered here");
}

/* --- pause, resume, activate, approve: ask the process, look at it, answer
 * ------------------------------------------------- */

typedef struct steer {
    hg_mg_t *mg;
    hg_req_t *r; /* NULL: the client left */
    hg_pl_t *pl;
    char *text;
    int status; /* of the answer when all went well */
    bool approves, silent, concurrent;
} steer_t;

static void steer_free(steer_t *s)
{
    hg_pl_drop(s->pl);
    hg_free(s->text);
    hg_free(s);
}

static void steer_aborted(void *arg)
{
    steer_t *s = arg;
    s->r = NULL; /* what was asked of the process goes on */
}

static void steer_seen(void *arg)
{
    steer_t *s = arg;
    if (s->r) hg_reply_string(s->r, s->status, s->text);
    steer_free(s);
}

static void steer_done(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    steer_t *s = arg;
    hg_pl_t *pl = s->pl;
    /* While it comes up it may not take commands yet: the wish stands, and the runner repeats it. */
    bool later = err->code || status == 503;
    if (!later && status >= 300) {
        if (s->r) hg_reply_raw(s->r, status, *content_type ? content_type : "application/json", body);
        steer_free(s);
        return;
    }
    if (later && pl->lc.rt != HG_RT_INITIALIZING && err->code) {
        if (s->r)
            hg_reply_error(s->r, 503, "PipelineInteractionUnreachable", NULL, "Pipeline '%s' cannot be reached: %s",
                           pl->def.name, err->msg);
        steer_free(s);
        return;
    }
    if (s->approves && status == 200) {
        pl->restarts.approved = true;
        pl->restarts.silent = s->silent;
        pl->restarts.concurrent = s->concurrent;
        hg_mg_save(s->mg, pl, HG_SAVE_STATE);
    }
    hg_runner_refresh(s->mg, pl, steer_seen, s);
}

/* Takes the text. */
static steer_t *steer_new(const hg_call_t *c, int status, char *text)
{
    steer_t *s = HG_NEW(steer_t);
    s->mg = c->mg;
    s->r = c->r;
    s->pl = hg_pl_retain(c->pl);
    s->text = text;
    s->status = status;
    return s;
}

/* Takes s. */
static void command(hg_call_t *c, const char *target, steer_t *s)
{
    hg_pl_t *pl = c->pl;
    hg_req_on_abort(c->r, steer_aborted, s);
    const char *socket = hg_runner_socket(pl);
    if (!socket || !hg_ask(c->mg, socket, "POST", target, ACTION_TIMEOUT_MS, steer_done, s)) {
        hg_reply_error(c->r, 503, "PipelineInteractionUnreachable", NULL, "Pipeline '%s' cannot be reached",
                       pl->def.name);
        steer_free(s);
    }
}

static void steer(hg_call_t *c, hg_rt_t to, const char *target)
{
    char *text = hg_xprintf("Pipeline transitioning from %s to %s", hg_lc_status(&c->pl->lc), hg_rt_names[to]);
    hg_pl_set_rt_desired(c->pl, to);
    hg_mg_save(c->mg, c->pl, HG_SAVE_STATE);
    if (hg_runner_waiting(c->pl)) { /* the next process comes up so */
        hg_reply_string(c->r, 202, text);
        hg_free(text);
        return;
    }
    command(c, target, steer_new(c, 202, text));
}

static void pause_pipeline(hg_call_t *c)
{
    hg_verdict_t v = hg_lc_run(&c->pl->lc, c->pl->def.name, HG_RT_PAUSED);
    if (!answered(c, &v, 202, "")) steer(c, HG_RT_PAUSED, "/pause");
}

static void resume(hg_call_t *c)
{
    hg_verdict_t v = hg_lc_run(&c->pl->lc, c->pl->def.name, HG_RT_RUNNING);
    if (!answered(c, &v, 202, "")) steer(c, HG_RT_RUNNING, "/start");
}

static void activate(hg_call_t *c)
{
    hg_str_t initial = hg_req_param(c->r, "initial");
    bool paused = initial.p && hg_str_eqz(initial, "paused");
    if (initial.p && !paused && !hg_str_eqz(initial, "running")) {
        hg_reply_error(c->r, 400, "InvalidActivateStatus", NULL,
                       "Cannot activate with initial '" HG_SF "': it must be running or paused", HG_SA(initial));
        return;
    }
    hg_rt_t to = paused ? HG_RT_PAUSED : HG_RT_RUNNING;
    hg_verdict_t v = hg_lc_activate(&c->pl->lc, c->pl->def.name, to);
    if (!answered(c, &v, 202, "Pipeline has been activated"))
        steer(c, to, paused ? "/activate?initial=paused" : "/activate?initial=running");
}

/* Answers once the process has left AwaitingApproval, and we have seen it. */
static void approve(hg_call_t *c)
{
    bool silent, concurrent;
    if (!hg_call_bool(c, "silent_bootstrap", false, &silent) ||
        !hg_call_bool(c, "concurrent_bootstrap", false, &concurrent))
        return;
    hg_verdict_t v = hg_lc_approve(&c->pl->lc, c->pl->def.name, silent, concurrent);
    if (answered(c, &v, 200, "")) return;
    char *target = hg_xprintf("/approve?silent_bootstrap=%s&concurrent_bootstrap=%s", silent ? "true" : "false",
                              concurrent ? "true" : "false");
    steer_t *s = steer_new(c, 200, hg_xstrdup("Pipeline changes approved"));
    s->approves = true;
    s->silent = silent;
    s->concurrent = concurrent;
    command(c, target, s);
    hg_free(target);
}

const hg_route_t hg_lifecycle_routes[] = {
    { "POST", "v0/pipelines/{p}/start", HG_R_PIPELINE, start, NULL,
      "Starts it. `initial=running|paused|standby`, `bootstrap_policy=await_approval|allow|reject`, "
      "`silent_bootstrap`, `concurrent_bootstrap`, `dismiss_error`. 202" },
    { "POST", "v0/pipelines/{p}/stop", HG_R_PIPELINE, stop, NULL,
      "Stops it: `force=true` at once, `false` after a checkpoint. 202" },
    { "POST", "v0/pipelines/{p}/pause", HG_R_PIPELINE, pause_pipeline, NULL, "No input is read. 202" },
    { "POST", "v0/pipelines/{p}/resume", HG_R_PIPELINE, resume, NULL, "Inputs go on. 202" },
    { "POST", "v0/pipelines/{p}/activate", HG_R_PIPELINE, activate, NULL,
      "A pipeline in standby takes over. `initial=running|paused`. 202" },
    { "POST", "v0/pipelines/{p}/approve", HG_R_PIPELINE | HG_R_LIVE, approve, NULL,
      "Goes on with a changed program that awaits approval. `silent_bootstrap`, `concurrent_bootstrap`" },
    { "POST", "v0/pipelines/{p}/clear", HG_R_PIPELINE, clear, NULL, "Removes the storage of a stopped pipeline. 202" },
    { "POST", "v0/pipelines/{p}/dismiss_error", HG_R_PIPELINE, dismiss_error, NULL,
      "Forgets the error of the last deployment" },
    { "POST", "v0/pipelines/{p}/testing", HG_R_PIPELINE, testing, NULL, "405: a helper of Feldera's own tests" },
    { .method = NULL },
};
