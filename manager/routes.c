/* routes.c: finds the handler of a request: tables of method, pattern, flags, function. What every route would have to
 * do itself is done here by its flags: read and parse the body, find the pipeline, refuse when it is not deployed. */
#include "base/hg.h"

#include "manager/access_int.h"

const hg_route_t *const hg_route_tables[] = { hg_pipeline_routes,
                                              hg_lifecycle_routes,
                                              hg_event_routes,
                                              hg_position_routes,
                                              hg_bundle_routes,
                                              hg_proxy_routes,
                                              hg_program_routes,
                                              hg_platform_routes,
                                              hg_access_routes,
                                              hg_git_routes,
                                              NULL };

#define MAX_SEGMENTS 16

/* Does the path fit? Captures go to cap. */
static bool fits(const char *pattern, const hg_str_t *segs, uint32_t n, hg_str_t *cap)
{
    uint32_t i = 0, c = 0;
    memset(cap, 0, HG_CAPTURES * sizeof *cap);
    for (const char *p = pattern; *p;) {
        size_t len = strcspn(p, "/");
        if (i == n) return false;
        if (*p == '{') {
            if (segs[i].n == 0 || c == HG_CAPTURES) return false;
            cap[c++] = segs[i];
        } else if (!hg_str_eq((hg_str_t){ p, len }, segs[i])) {
            return false;
        }
        i++;
        p += len;
        if (*p == '/') p++;
    }
    return i == n;
}

static void unknown_pipeline(hg_req_t *r, hg_str_t name)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_key(&w, "pipeline_name");
    hg_jw_str(&w, name);
    hg_jw_end_obj(&w);
    hg_reply_error(r, 404, "UnknownPipelineName", b.p, "Unknown pipeline name '" HG_SF "'", HG_SA(name));
    hg_buf_release(&b);
}

/* What the route asks for by its flags; false after an answer. */
static bool may(const hg_route_t *route, hg_call_t *c)
{
    return hg_auth_allow(c, route->flags & HG_R_ADMIN       ? HG_ROLE_ADMIN
                            : !strcmp(route->method, "GET") ? HG_ROLE_READ
                                                            : HG_ROLE_WRITE);
}

static void dispatch(const hg_route_t *route, hg_call_t *c)
{
    if (route->flags & HG_R_PIPELINE) {
        c->pl = hg_mg_find(c->mg, c->cap[0]);
        if (!c->pl) {
            unknown_pipeline(c->r, c->cap[0]);
            return;
        }
    }
    if (route->flags & HG_R_LIVE) {
        hg_verdict_t v = hg_lc_interact(&c->pl->lc, c->pl->def.name);
        if (v.answer == HG_REFUSE) {
            hg_reply_verdict(c->r, &v);
            return;
        }
    }
    route->fn(c);
}

typedef struct pending {
    hg_call_t call;
    const hg_route_t *route;
} pending_t;

static void on_body(void *arg, hg_req_t *r, hg_str_t body)
{
    pending_t *p = arg;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_str_trim(body).n && hg_json_parse(hg_req_arena(r), body, &v, &err) < 0) {
        hg_reply_error(r, 400, "InvalidRequest", NULL, "The request body is not valid JSON: %s", err.msg);
        return;
    }
    p->call.body = v;
    dispatch(p->route, &p->call);
}

void hg_routes_on_request(void *arg, hg_req_t *r)
{
    hg_mg_t *mg = arg;
    hg_err_t err = HG_ERR_INIT;
    const hg_str_t *segs;
    uint32_t n;
    hg_str_t method = hg_req_method(r);
    hg_arena_t *a = hg_req_arena(r);
    pending_t *p = HG_ANEW(a, pending_t);
    bool known = false;

    if (hg_req_segments(r, &segs, &n, &err) < 0) {
        hg_reply_error(r, 400, "InvalidRequest", NULL, "%s", err.msg);
        return;
    }
    if (hg_str_eq(method, HG_S("OPTIONS"))) {
        hg_reply_preflight(r);
        return;
    }
    for (size_t t = 0; n <= MAX_SEGMENTS && hg_route_tables[t]; t++) {
        for (const hg_route_t *route = hg_route_tables[t]; route->method; route++) {
            if (!fits(route->pattern, segs, n, p->call.cap)) continue;
            known = true;
            if (!hg_str_eqz(method, route->method)) continue;
            for (int i = 0; i < HG_CAPTURES; i++)
                if (p->call.cap[i].p) p->call.cap[i] = hg_arena_str(a, p->call.cap[i]);
            p->call.mg = mg;
            p->call.r = r;
            p->call.arg = route->arg;
            p->route = route;
            if (!(route->flags & HG_R_OPEN) && (!hg_auth_check(mg, r, &p->call.role) || !may(route, &p->call))) return;
            if (route->flags & HG_R_BODY)
                hg_req_read_all(r, HG_BODY_MAX, on_body, p);
            else
                dispatch(route, &p->call);
            return;
        }
    }
    if (!hg_auth_check(mg, r, &p->call.role)) return; /* what there is, is not for everybody to find out */
    if (known)
        hg_reply_error(r, 405, "MethodNotAllowed", NULL, HG_SF " is not a method of " HG_SF, HG_SA(method),
                       HG_SA(hg_req_path(r)));
    else
        hg_reply_error(r, 404, "NotFound", NULL, "There is nothing at " HG_SF, HG_SA(hg_req_path(r)));
}

int hg_call_enum(hg_call_t *c, const char *name, const char *const *names, int n, int dflt)
{
    hg_str_t v = hg_req_param(c->r, name);
    if (!v.p) return dflt;
    char list[256] = "";
    unsigned used = 0;
    for (int i = 0; i < n; i++) {
        if (!names[i]) continue;
        if (hg_str_eqz(v, names[i])) return i;
        if (used < sizeof list)
            used += (unsigned)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", names[i]);
    }
    hg_reply_error(c->r, 400, "InvalidRequest", NULL,
                   "Query parameter '%s': unknown value '" HG_SF "', expected one of %s", name, HG_SA(v), list);
    return -1;
}

bool hg_call_bool(hg_call_t *c, const char *name, bool dflt, bool *ret)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_req_param_bool(c->r, name, dflt, ret, &err) == 0) return true;
    hg_reply_error(c->r, 400, "InvalidRequest", NULL, "%s", err.msg);
    return false;
}
