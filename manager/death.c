/* death.c: what to make of a process that ended without being asked to: start it again, or an error that says how it
 * ended and what it logged last. The rules are in restart.c; this file fills them with facts. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/runner_int.h"

#define LOG_LINES 10

static void put_lines(hg_jw_t *w, const char *text)
{
    hg_jw_key(w, "log");
    hg_jw_arr(w);
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        hg_jw_str(w, (hg_str_t){ p, n });
        p += n + (p[n] != 0);
    }
    hg_jw_end_arr(w);
}

char *hg_death_error(const hg_run_t *run, const hg_death_t *d, uint32_t attempts)
{
    if (d->ex->error && !attempts) return hg_xstrdup(d->ex->error);
    char *log = hg_deploy_log_tail(run->mg, run->pl, LOG_LINES);
    hg_buf_t msg, details;
    hg_jw_t w;
    hg_buf_init(&msg, HG_BUF_NOMAX);
    hg_buf_init(&details, HG_BUF_NOMAX);
    if (d->ex->error)
        hg_buf_addf(&msg, "The pipeline failed: %s", d->ex->message);
    else
        hg_buf_addf(&msg, "The pipeline process %s", d->how);
    if (attempts)
        hg_buf_addf(&msg, ". It was started again %u time%s in a row and did not last, so it stays down", attempts,
                    attempts == 1 ? "" : "s");
    if (*log) hg_buf_addf(&msg, ". The last lines of its log:\n%.*s", (int)strlen(log) - 1, log);
    hg_buf_addc(&details, '{');
    hg_buf_adds(&details, d->details);
    hg_buf_adds(&details, *d->details ? "," : "");
    hg_buf_addf(&details, "\"restarts\":%u,", attempts);
    hg_buf_t lines;
    hg_buf_init(&lines, HG_BUF_NOMAX);
    hg_jw_init(&w, &lines);
    put_lines(&w, log);
    hg_buf_addstr(&details, hg_buf_str(&lines));
    hg_buf_addc(&details, '}');
    char *json = hg_error_json(attempts  ? "PipelineCrashLoop"
                               : d->hung ? "PipelineProcessHung"
                                         : "PipelineProcessCrashed",
                               msg.p, details.p);
    hg_buf_release(&lines);
    hg_buf_release(&msg);
    hg_buf_release(&details);
    hg_free(log);
    return json;
}

static const char *code_of(const hg_death_t *d)
{
    if (d->hung) return "PipelineProcessHung";
    return d->ex->found ? "PipelineProcessEnded" : "PipelineProcessCrashed";
}

const char *hg_death_of_hung(const hg_run_t *run, const char *how, char *out, size_t cap)
{
    char since[32];
    hg_time_rfc3339(since, run->liveness.since_us);
    snprintf(out, cap, "had not answered since %s, so that it %s", since, how);
    return out;
}

static hg_end_t kind_of(const hg_exit_t *ex)
{
    if (!ex->found) return HG_END_CRASHED;
    if (!ex->error && strcmp(ex->reason, "failed") != 0) return HG_END_LEFT;
    return ex->retry ? HG_END_TROUBLE : HG_END_FAILED;
}

hg_restart_verdict_t hg_death_judge(hg_run_t *run, const hg_death_t *d, uint64_t *ret_delay_ms)
{
    hg_restarts_t *r = &run->pl->restarts;
    hg_restart_policy_t policy;
    uint32_t dice;
    hg_pl_restart_policy(run->pl, &policy);
    hg_random(&dice, sizeof dice);
    hg_restart_verdict_t v = hg_restart_decide(&policy, r, kind_of(d->ex), hg_now_us(), dice, ret_delay_ms);
    if (v != HG_RESTART_DO) return v;
    char *json;
    if (d->ex->error) {
        json = hg_xstrdup(d->ex->error);
    } else {
        char msg[400], details[128];
        snprintf(msg, sizeof msg, "The pipeline process %s", d->how);
        snprintf(details, sizeof details, "{%s}", d->details);
        json = hg_error_json(code_of(d), msg, details);
    }
    hg_take_text(&r->last, json);
    return v;
}
