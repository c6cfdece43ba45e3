/* cmd_wait.c: `fda wait P [T C] --for running|end_of_input|complete`.
 *
 * Asks until it is so and exits 0, or until it is clear that it cannot become so by itself (the pipeline was stopped or
 * never compiled, a connector failed or waits for one that failed): one sentence and exit 1. What a user paused may be
 * resumed by a user: that is waited for. --timeout is the limit of the whole wait. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define POLL_FIRST_MS 20
#define POLL_LAST_MS  500
#define GRACE_MS      10000 /* how long a daemon that does not answer is asked again */

typedef enum { FOR_RUNNING, FOR_END_OF_INPUT, FOR_COMPLETE } goal_kind_t;

typedef struct wait {
    goal_kind_t goal;
    const char *name;
    const char *connector; /* "relation.connector" as the pipeline names it; NULL = the whole pipeline */
    bool deployed;         /* seen in a status in which it can be asked */
    uint64_t silent_since; /* no answer since; 0 = there was one */
} wait_t;

enum { NOT_YET = 0, REACHED = 1, NEVER = -1 };

static int never(const char *text)
{
    fda_error("%s", text);
    return NEVER;
}

/* What the descriptor says about it: may the pipeline be asked? REACHED = yes. */
static int look_pipeline(fda_t *f, const wait_t *w, const hg_json_t *p)
{
    const char *status = fda_text(p, "deployment_status", ""), *program = fda_text(p, "program_status", "");
    const char *error = fda_text(p, "deployment_error.message", NULL);
    if (error) return never(hg_arena_printf(f->arena, "Pipeline '%s' failed: %s", w->name, error));
    if (strcmp(program, "SqlError") == 0 || strcmp(program, "RustError") == 0 || strcmp(program, "SystemError") == 0)
        return never(hg_arena_printf(f->arena,
                                     "The program of pipeline '%s' does not compile (program status: '%s'): "
                                     "`fda program errors %s` tells more",
                                     w->name, program, w->name));
    if (strcmp(status, "Running") == 0 || strcmp(status, "Paused") == 0) return REACHED;
    if (strcmp(status, "Stopping") == 0 ||
        (strcmp(status, "Stopped") == 0 && strcmp(fda_text(p, "deployment_desired_status", ""), "Stopped") == 0))
        return never(
            hg_arena_printf(f->arena, "Pipeline '%s' is stopped%s", w->name,
                            w->deployed ? "" : hg_arena_printf(f->arena, ": start it with `fda start %s`", w->name)));
    return NOT_YET;
}

/* Every input, or the one: failed ones end the wait. */
static int look_failures(fda_t *f, const wait_t *w, const hg_json_t *orch)
{
    const hg_json_t *list = fda_member(orch, "connectors");
    for (const hg_json_t *n = list ? list->child : NULL; n; n = n->next) {
        const char *name = fda_text(n, "name", ""), *reason = fda_text(n, "reason", "");
        if (w->connector && strcmp(name, w->connector) != 0) continue;
        if (strcmp(reason, "failed") == 0)
            return never(hg_arena_printf(f->arena, "Connector %s failed: %s", name,
                                         fda_text(n, "error", "no reason was given")));
        const hg_json_t *blockers = fda_member(n, "waiting_for");
        for (const hg_json_t *b = blockers ? blockers->child : NULL; b; b = b->next)
            if (hg_json_bool(hg_json_get(b, "failed"), false))
                return never(hg_arena_printf(f->arena,
                                             "Connector %s will not start by itself: it waits for %s, which failed",
                                             name, fda_text(b, "connector", "")));
    }
    return NOT_YET;
}

static bool is(const hg_json_t *v, const char *path)
{
    return hg_json_bool(fda_member(v, path), false);
}

static int look_connector(fda_t *f, const wait_t *w, const hg_json_t *orch, const hg_json_t *stats)
{
    const hg_json_t *n = fda_orch_find(orch, w->connector), *list = fda_member(stats, "inputs"), *s;
    for (s = list ? list->child : NULL; s && strcmp(fda_text(s, "endpoint_name", ""), w->connector) != 0;) s = s->next;
    if (!n || !s)
        return never(hg_arena_printf(f->arena, "Pipeline '%s' has no input connector %s", w->name, w->connector));
    const char *reason = fda_text(n, "reason", "");
    bool ended = is(s, "metrics.end_of_input");
    if (w->goal == FOR_RUNNING) return strcmp(reason, "running") == 0 || strcmp(reason, "ended") == 0;
    if (w->goal == FOR_END_OF_INPUT) return ended;
    return ended && strcmp(fda_digits(s, "metrics.buffered_records", ""), "0") == 0 && is(n, "finished");
}

static int look_all(const wait_t *w, const hg_json_t *stats)
{
    const hg_json_t *list = fda_member(stats, "inputs");
    if (w->goal == FOR_COMPLETE) return is(stats, "global_metrics.pipeline_complete");
    for (const hg_json_t *s = list ? list->child : NULL; s; s = s->next)
        if (!is(s, "metrics.end_of_input")) return NOT_YET;
    return REACHED;
}

static int ask(fda_t *f, wait_t *w, const char *what, const char *path, const hg_json_t **ret)
{
    fda_answer_t ans;
    if (fda_call(f, what, "GET", path, (hg_str_t){ 0 }, FDA_NO_RETRY | FDA_QUIET, &ans) == 0 && ans.json) {
        *ret = ans.json;
        w->silent_since = 0;
        return REACHED;
    }
    bool gone = ans.status == 0 || ans.status >= 500;
    if (gone && !w->silent_since) w->silent_since = fda_now_ms();
    if (gone && fda_now_ms() - w->silent_since < GRACE_MS) return NOT_YET; /* it may be coming or going: look again */
    return ans.message ? never(ans.message) : NEVER;
}

static int look(fda_t *f, void *arg)
{
    wait_t *w = arg;
    const hg_json_t *p, *orch, *stats;
    int rc = ask(f, w, "Failed to get pipeline status", fda_path(f, "/v0/pipelines/%s?selector=status", w->name), &p);
    if (rc == REACHED) rc = look_pipeline(f, w, p);
    if (rc != REACHED) return rc;
    w->deployed = true;
    if (w->goal == FOR_RUNNING && !w->connector) return strcmp(fda_text(p, "deployment_status", ""), "Running") == 0;
    rc = ask(f, w, "Failed to get the connector graph", fda_path(f, "/v0/pipelines/%s/orchestration", w->name), &orch);
    if (rc == REACHED)
        rc = ask(f, w, "Failed to get pipeline stats", fda_path(f, "/v0/pipelines/%s/stats", w->name), &stats);
    if (rc != REACHED) return rc;
    rc = w->connector ? look_connector(f, w, orch, stats) : look_all(w, stats);
    return rc == NOT_YET ? look_failures(f, w, orch) : rc;
}

int fda_cmd_wait(fda_t *f, const fda_args_t *a)
{
    const char *relation = fda_arg(a, "RELATION"), *connector = fda_arg(a, "CONNECTOR"), *goal = fda_option(a, "for");
    wait_t w = { .name = fda_arg(a, "NAME"),
                 .goal = strcmp(goal, "running") == 0    ? FOR_RUNNING
                         : strcmp(goal, "complete") == 0 ? FOR_COMPLETE
                                                         : FOR_END_OF_INPUT };
    uint64_t began = fda_now_ms(), limit = f->timeout_ms;
    if (relation && !connector)
        return fda_usage(a, "the following required arguments were not provided:\n  <CONNECTOR>");
    if (connector) w.connector = hg_arena_printf(f->arena, "%s.%s", fda_relation(f, relation), connector);
    for (uint64_t ms = POLL_FIRST_MS;; ms = HG_MIN(ms * 2, (uint64_t)POLL_LAST_MS)) {
        int rc = fda_once(f, look, &w);
        if (rc != NOT_YET) return rc == REACHED ? 0 : 1;
        uint64_t passed = fda_now_ms() - began;
        if (limit && passed >= limit)
            return fda_error("%s did not come to '%s' within %s", w.connector ? w.connector : w.name, goal,
                             fda_duration(f, limit));
        fda_pause_ms(limit ? HG_MIN(ms, limit - passed) : ms);
    }
}
