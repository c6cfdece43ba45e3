/* events_api.c: the history of a pipeline's states, newest first. */
#include "base/hg.h"

#include "manager/manager_int.h"

static const char *const selectors[] = { "all", "status" };

typedef struct listing {
    hg_jw_t *w;
    bool all;
} listing_t;

static void write_event(void *arg, const hg_event_t *ev)
{
    listing_t *l = arg;
    hg_jw_t *w = l->w;
    hg_jw_obj(w);
    hg_jw_kstr(w, "event_id", ev->id);
    hg_jw_ktime(w, "recorded_at", ev->recorded_us);
    hg_jw_kstr(w, "deployment_resources_status", ev->res);
    if (l->all) hg_jw_kraw(w, "deployment_resources_status_details", ev->res_details);
    hg_jw_kstr(w, "deployment_resources_desired_status", ev->res_desired);
    hg_jw_kstr(w, "deployment_runtime_status", ev->rt);
    if (l->all) hg_jw_kraw(w, "deployment_runtime_status_details", ev->rt_details);
    hg_jw_kstr(w, "deployment_runtime_desired_status", ev->rt_desired);
    hg_jw_kbool(w, "deployment_has_error", ev->error != NULL);
    if (l->all) hg_jw_kraw(w, "deployment_error", ev->error);
    hg_jw_kstr(w, "program_status", ev->prog);
    hg_jw_kstr(w, "storage_status", ev->storage);
    if (l->all) hg_jw_kraw(w, "storage_status_details", ev->storage_details);
    hg_jw_end_obj(w);
}

static bool is_uuid(hg_str_t s)
{
    if (s.n != HG_UUID_CAP - 1) return false;
    for (size_t i = 0; i < s.n; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? s.p[i] != '-' : !memchr("0123456789abcdefABCDEF", s.p[i], 22)) return false;
    }
    return true;
}

int hg_events_json(hg_mg_t *mg, const hg_pl_t *pl, const char *event_id, bool all, hg_jw_t *w, hg_err_t *err)
{
    listing_t l = { w, all };
    return hg_store_events(mg->store, pl->id, event_id, write_event, &l, err);
}

/* The events of the call's pipeline that event_id (NULL = all) names; answers errors itself. */
static void reply_events(hg_call_t *c, const char *event_id)
{
    int sel = hg_call_enum(c, "selector", selectors, HG_COUNT(selectors), 1);
    if (sel < 0) return;
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    if (!event_id) hg_jw_arr(&w);
    int n = hg_events_json(c->mg, c->pl, event_id, sel == 0, &w, &err);
    if (!event_id) hg_jw_end_arr(&w);
    if (n < 0) {
        hg_reply_error(c->r, 500, "StorageError", NULL, "%s", err.msg);
    } else if (event_id && n == 0) {
        char details[96];
        snprintf(details, sizeof details, "{\"event_id\":\"%s\"}", event_id);
        if (!strcmp(event_id, "latest"))
            hg_reply_error(c->r, 404, "NoPipelineMonitorEventsAvailable", NULL, "The pipeline has no events yet");
        else
            hg_reply_error(c->r, 404, "UnknownPipelineMonitorEvent", details, "Unknown event '%s' of the pipeline",
                           event_id);
    } else {
        hg_reply_json(c->r, 200, &b);
    }
    hg_buf_release(&b);
}

static void list(hg_call_t *c)
{
    reply_events(c, NULL);
}

static void one(hg_call_t *c)
{
    hg_str_t id = c->cap[1];
    if (!hg_str_eqz(id, "latest") && !is_uuid(id)) {
        hg_reply_error(c->r, 400, "InvalidUuidParam", NULL, "'" HG_SF "' is neither an event id (UUID) nor 'latest'",
                       HG_SA(id));
        return;
    }
    char *text = hg_arena_strndup(hg_req_arena(c->r), id.p, id.n);
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'F') *p = (char)(*p - 'A' + 'a');
    reply_events(c, text);
}

const hg_route_t hg_event_routes[] = {
    { "GET", "v0/pipelines/{p}/events", HG_R_PIPELINE, list, NULL,
      "What happened to it, newest first; `selector=all|status`" },
    { "GET", "v0/pipelines/{p}/events/{e}", HG_R_PIPELINE, one, NULL, "One event, by its UUID or `latest`" },
    { .method = NULL },
};
