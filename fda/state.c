/* state.c: the states of connectors in words, from GET /v0/pipelines/P/orchestration. Shared by graph, wait and top. */
#include "base/hg.h"
#include <math.h>
#include "fda/fda_int.h"

int fda_orchestration(fda_t *f, const char *pipeline, unsigned flags, const hg_json_t **ret)
{
    return fda_get(f, "Failed to get the connector graph", fda_path(f, "/v0/pipelines/%s/orchestration", pipeline),
                   flags, ret);
}

const hg_json_t *fda_orch_find(const hg_json_t *orch, const char *connector)
{
    const hg_json_t *list = fda_member(orch, "connectors");
    for (const hg_json_t *n = list ? list->child : NULL; n; n = n->next)
        if (strcmp(fda_text(n, "name", ""), connector) == 0) return n;
    return NULL;
}

/* "a, b" of the connectors that a node waits for, until they are "finished" or "marked"; only the failed ones if
 * `failed`. */
static const char *blockers(fda_t *f, const hg_json_t *node, const char *until, bool failed)
{
    const hg_json_t *list = fda_member(node, "waiting_for");
    const char *text = "";
    for (const hg_json_t *b = list ? list->child : NULL; b; b = b->next) {
        const char *name = fda_text(b, "connector", "");
        if (strcmp(fda_text(b, "until", "finished"), until) != 0) continue;
        const hg_json_t *same = list->child; /* one that carries two of the labels is there twice */
        while (same != b && strcmp(fda_text(same, "connector", ""), name) != 0) same = same->next;
        if (same != b || (failed && !hg_json_bool(hg_json_get(b, "failed"), false))) continue;
        text = *text ? hg_arena_printf(f->arena, "%s, %s", text, name) : name;
    }
    return text;
}

const char *fda_orch_state(fda_t *f, const hg_json_t *node, fda_paint_t *ret_paint)
{
    const char *reason = fda_text(node, "reason", "");
    *ret_paint = FDA_PLAIN;
    if (strcmp(reason, "running") == 0) {
        *ret_paint = FDA_GREEN;
        return fda_member(node, "mark") ? "running from mark" : "running";
    }
    if (strcmp(reason, "failed") == 0) {
        *ret_paint = FDA_RED;
        return "failed";
    }
    if (strcmp(reason, "ended") == 0) {
        *ret_paint = FDA_DIM;
        return "ended";
    }
    *ret_paint = FDA_YELLOW;
    if (strcmp(reason, "user") == 0) return "paused by user";
    if (strcmp(reason, "mark") == 0)
        return hg_arena_printf(f->arena, "waiting for the mark of %s", blockers(f, node, "marked", false));
    if (strcmp(reason, "waiting") == 0) {
        const char *failed = blockers(f, node, "finished", true), *all = blockers(f, node, "finished", false);
        if (*failed) {
            *ret_paint = FDA_RED;
            return hg_arena_printf(f->arena, "blocked by %s (failed)", failed);
        }
        return hg_arena_printf(f->arena, *all ? "waiting for %s" : "waiting%s", all);
    }
    return reason;
}

const char *fda_orch_progress(fda_t *f, const hg_json_t *node)
{
    const hg_json_t *fraction = fda_member(node, "progress.fraction"),
                    *left = fda_member(node, "progress.remaining_msecs");
    double part;
    uint64_t msecs;
    if (!fraction || hg_json_f64(fraction, &part) < 0) return "";
    const char *text = hg_arena_printf(f->arena, "%.0f %%", trunc(100 * HG_MIN(HG_MAX(part, 0.0), 1.0)));
    if (part >= 1 || !left || hg_json_u64(left, &msecs) < 0) return text;
    return hg_arena_printf(f->arena, "%s, %s left", text, fda_duration(f, msecs));
}

const char *fda_clock(fda_t *f, const char *rfc3339)
{
    struct tm utc = { 0 }, local, today;
    time_t now = time(NULL);
    char text[40];
    if (!strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc)) return rfc3339;
    time_t t = timegm(&utc);
    localtime_r(&t, &local);
    localtime_r(&now, &today);
    bool same = local.tm_yday == today.tm_yday && local.tm_year == today.tm_year;
    if (strftime(text, sizeof text, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local) == 0) return rfc3339;
    return hg_arena_strndup(f->arena, text, strlen(text));
}
