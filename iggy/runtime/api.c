/* api.c: the runtime's HTTP server: who may ask, CORS, routes, and the shape of errors. Paths, members and codes are
 * those of Apache Iggy's connectors runtime; what is beside them (pause, start, stop, orchestration) is headgate's.
 *
 * Everything happens on the control loop. What blocks (the provider) runs on the pool and comes back; the server is not
 * gone before all of that has.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/api_int.h"

#define GRACE_MS 5000

/* --- CORS ----------------------------------------------------------------------------------------------------------
 */
static bool any_origin(const hg_iggy_http_config_t *h)
{
    return h->cors_origins.n && strcmp(h->cors_origins.v[0], "*") == 0;
}

static void put_list(hg_buf_t *b, const char *name, const hg_strlist_t *l)
{
    if (!l->n) return;
    hg_buf_addf(b, "%s: ", name);
    for (uint32_t i = 0; i < l->n; i++) hg_buf_addf(b, "%s%s", i ? "," : "", l->v[i]);
    hg_buf_adds(b, "\r\n");
}

static void put_origin(hg_buf_t *b, const hg_iggy_http_config_t *h, hg_req_t *r)
{
    hg_str_t origin = hg_req_header(r, "origin");
    bool allowed = false;
    for (uint32_t i = 0; i < h->cors_origins.n && origin.p; i++)
        allowed = allowed || hg_str_eqz(origin, h->cors_origins.v[i]);
    if (any_origin(h))
        hg_buf_adds(b, "Access-Control-Allow-Origin: *\r\n");
    else if (allowed)
        hg_buf_addf(b, "Access-Control-Allow-Origin: " HG_SF "\r\n", HG_SA(origin));
    if (h->cors_credentials) hg_buf_adds(b, "Access-Control-Allow-Credentials: true\r\n");
    if (!any_origin(h)) hg_buf_adds(b, "Vary: Origin\r\n"); /* what else is in these headers is the same for all */
}

/* NULL: CORS is off. In the request's arena. */
static const char *cors_headers(const hg_rt_api_t *api, hg_req_t *r, bool preflight)
{
    const hg_iggy_http_config_t *h = api->cfg;
    hg_buf_t b;
    if (!h->cors) return NULL;
    hg_buf_init(&b, HG_BUF_NOMAX);
    put_origin(&b, h, r);
    if (preflight) {
        put_list(&b, "Access-Control-Allow-Methods", &h->cors_methods);
        put_list(&b, "Access-Control-Allow-Headers", &h->cors_headers);
        if (h->cors_private_network && hg_str_eqz(hg_req_header(r, "access-control-request-private-network"), "true"))
            hg_buf_adds(&b, "Access-Control-Allow-Private-Network: true\r\n");
    } else {
        put_list(&b, "Access-Control-Expose-Headers", &h->cors_exposed);
    }
    const char *text = hg_arena_strndup(hg_req_arena(r), b.p, b.len);
    hg_buf_release(&b);
    return text;
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */
void rt_reply(hg_rt_api_t *api, hg_req_t *r, int status, const char *content_type, hg_str_t body)
{
    hg_resp_send(r, status, content_type, body, cors_headers(api, r, false));
}

void rt_reply_empty(hg_rt_api_t *api, hg_req_t *r, int status)
{
    rt_reply(api, r, status, NULL, (hg_str_t){ 0 });
}

void rt_reply_text(hg_rt_api_t *api, hg_req_t *r, int status, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rt_reply(api, r, status, "text/plain; charset=utf-8", hg_strz(text));
}

void rt_json_init(rt_json_t *j)
{
    hg_buf_init(&j->b, HG_BUF_NOMAX);
    hg_jw_init(&j->w, &j->b);
}

static void json_send(rt_json_t *j, hg_rt_api_t *api, hg_req_t *r, int status)
{
    rt_reply(api, r, status, "application/json", hg_buf_str(&j->b));
    hg_buf_release(&j->b);
}

void rt_json_send(rt_json_t *j, rt_call_t *c)
{
    json_send(j, c->api, c->r, 200);
}

void rt_reply_error(hg_rt_api_t *api, hg_req_t *r, int status, const char *code, const char *reason)
{
    rt_json_t j;
    rt_json_init(&j);
    hg_jw_obj(&j.w);
    hg_jw_kstr(&j.w, "code", code);
    hg_jw_kstr(&j.w, "reason", reason);
    hg_jw_end_obj(&j.w);
    json_send(&j, api, r, status);
}

void rt_reply_err(hg_rt_api_t *api, hg_req_t *r, hg_iggy_kind_t kind, const hg_err_t *err)
{
    char reason[560];
    switch ((int)err->code) {
    case HG_EPARSE:
        rt_reply_text(api, r, 400, "the body is no JSON: %s", err->msg);
        return;
    case HG_ETYPE:
        rt_reply_text(api, r, 422, "the body is no configuration: %s", err->msg);
        return;
    case HG_ENOTFOUND:
        rt_reply_error(api, r, 404, kind == HG_IGGY_SINK ? "sink_config_not_found" : "source_config_not_found",
                       err->msg);
        return;
    case HG_ENET:
    case HG_ETIMEOUT:
    case HG_EPROTO:
        rt_reply_error(api, r, 500, "http_request_failed", err->msg);
        return;
    case HG_EINVAL:
    case HG_EUNSUPPORTED:
        snprintf(reason, sizeof reason, "Invalid configuration: %s", err->msg);
        rt_reply_error(api, r, 400, "invalid_configuration", reason);
        return;
    default:
        rt_reply_error(api, r, 500, "error", err->msg);
    }
}

void rt_reply_unknown(rt_call_t *c)
{
    char reason[300];
    bool sink = c->kind == HG_IGGY_SINK;
    snprintf(reason, sizeof reason, "%s not found with key: %s", sink ? "Sink" : "Source", c->key);
    rt_reply_error(c->api, c->r, 404, sink ? "sink_not_found" : "source_not_found", reason);
}

/* --- routes --------------------------------------------------------------------------------------------------------
 */
static void get_root(rt_call_t *c)
{
    rt_reply_text(c->api, c->r, 200, "Connector Runtime API");
}

static void get_health(rt_call_t *c)
{
    rt_reply(c->api, c->r, 200, "application/json", HG_S("{\"status\":\"healthy\"}"));
}

static void get_orchestration(rt_call_t *c)
{
    rt_json_t j;
    rt_json_init(&j);
    hg_rt_orchestration(c->api->rt, &j.w);
    rt_json_send(&j, c);
}

static void get_metrics(rt_call_t *c)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    rt_metrics_text(c->api->rt, &b);
    rt_reply(c->api, c->r, 200, "text/plain; charset=utf-8", hg_buf_str(&b));
    hg_buf_release(&b);
}

/* KIND is sinks or sources, * any one segment. What is spelled out stands before what is not. */
static const struct {
    const char *path;
    struct {
        const char *method;
        rt_handler_t fn;
    } on[3];
} routes[] = {
    { "", { { "GET", get_root } } },
    { "health", { { "GET", get_health } } },
    { "stats", { { "GET", rt_get_stats } } },
    { "orchestration", { { "GET", get_orchestration } } },
    { "KIND", { { "GET", rt_get_all } } },
    { "KIND/*", { { "GET", rt_get_one } } },
    { "KIND/*/transforms", { { "GET", rt_get_transforms } } },
    { "KIND/*/restart", { { "POST", rt_post_restart } } },
    { "KIND/*/pause", { { "POST", rt_post_pause } } },
    { "KIND/*/start", { { "POST", rt_post_start } } },
    { "KIND/*/stop", { { "POST", rt_post_stop } } },
    { "KIND/*/configs", { { "GET", rt_get_configs }, { "POST", rt_post_config }, { "DELETE", rt_delete_config } } },
    { "KIND/*/configs/plugin", { { "GET", rt_get_plugin } } },
    { "KIND/*/configs/active", { { "GET", rt_get_active }, { "PUT", rt_put_active } } },
    { "KIND/*/configs/*", { { "GET", rt_get_config } } },
};

/* Fills kind, key and last where it matches. */
static bool match(const char *path, const hg_str_t *seg, uint32_t n, rt_call_t *c)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t len = strcspn(path, "/");
        hg_str_t part = { path, len };
        if (hg_str_eqz(part, "KIND")) {
            bool sinks = hg_str_eqz(seg[i], "sinks");
            if (!sinks && !hg_str_eqz(seg[i], "sources")) return false;
            c->kind = sinks ? HG_IGGY_SINK : HG_IGGY_SOURCE;
        } else if (hg_str_eqz(part, "*")) {
            if (!seg[i].n) return false;
            if (i == 1) c->key = hg_arena_strndup(hg_req_arena(c->r), seg[i].p, seg[i].n);
            c->last = seg[i];
        } else if (!hg_str_eq(part, seg[i])) {
            return false;
        }
        path += len;
        if (*path == '/')
            path++;
        else
            return i + 1 == n;
    }
    return !*path;
}

static void wrong_method(rt_call_t *c, size_t route)
{
    hg_arena_t *a = hg_req_arena(c->r);
    const char *allowed = NULL, *cors = cors_headers(c->api, c->r, false);
    for (size_t m = 0; m < HG_COUNT(routes[route].on) && routes[route].on[m].fn; m++) {
        const char *name = routes[route].on[m].method;
        allowed = hg_arena_printf(a, "%s%s%s%s", allowed ? allowed : "", allowed ? "," : "", name,
                                  strcmp(name, "GET") == 0 ? ",HEAD" : "");
    }
    hg_resp_send(c->r, 405, NULL, (hg_str_t){ 0 }, hg_arena_printf(a, "Allow: %s\r\n%s", allowed, cors ? cors : ""));
}

static void dispatch(rt_call_t *c)
{
    const hg_str_t *seg;
    uint32_t n;
    hg_err_t err = HG_ERR_INIT;
    hg_str_t method = hg_req_method(c->r);
    if (hg_str_eqz(method, "HEAD")) method = HG_S("GET");
    if (hg_req_segments(c->r, &seg, &n, &err) < 0) {
        rt_reply_text(c->api, c->r, 400, "%s", err.msg);
        return;
    }
    if (c->api->cfg->metrics && hg_str_eqz(hg_req_path(c->r), c->api->cfg->metrics_endpoint)) {
        if (hg_str_eqz(method, "GET"))
            get_metrics(c);
        else
            hg_resp_send(c->r, 405, NULL, (hg_str_t){ 0 }, "Allow: GET,HEAD\r\n");
        return;
    }
    for (size_t i = 0; i < HG_COUNT(routes); i++) {
        if (!match(routes[i].path, seg, n, c)) continue;
        for (size_t m = 0; m < HG_COUNT(routes[i].on) && routes[i].on[m].fn; m++)
            if (hg_str_eqz(method, routes[i].on[m].method)) {
                routes[i].on[m].fn(c);
                return;
            }
        wrong_method(c, i);
        return;
    }
    rt_reply_empty(c->api, c->r, 404);
}

/* In constant time: how much of a wrong key is right cannot be measured. */
static bool key_equals(hg_str_t given, const char *want)
{
    size_t n = strlen(want);
    unsigned diff = given.n != n;
    for (size_t i = 0; i < given.n; i++) diff |= (unsigned char)given.p[i] ^ (unsigned char)want[n ? i % n : 0];
    return diff == 0;
}

static bool may_ask(const hg_rt_api_t *api, hg_req_t *r)
{
    hg_str_t path = hg_req_path(r);
    if (!api->cfg->api_key[0] || hg_str_eqz(path, "/") || hg_str_eqz(path, "/health")) return true;
    hg_str_t given = hg_req_header(r, "api-key");
    return given.p && key_equals(given, api->cfg->api_key);
}

static void on_request(void *arg, hg_req_t *r)
{
    hg_rt_api_t *api = arg;
    if (api->cfg->cors && hg_str_eqz(hg_req_method(r), "OPTIONS")) {
        hg_resp_send(r, 200, NULL, (hg_str_t){ 0 }, cors_headers(api, r, true));
        return;
    }
    if (!may_ask(api, r)) {
        rt_reply_empty(api, r, 401);
        return;
    }
    rt_call_t *c = HG_ANEW(hg_req_arena(r), rt_call_t);
    c->api = api;
    c->r = r;
    dispatch(c);
}

/* --- life ----------------------------------------------------------------------------------------------------------
 */
int hg_rt_api_open(hg_rt_t *rt, hg_rt_api_t **ret, hg_err_t *err)
{
    const hg_iggy_http_config_t *cfg = &hg_rt_config(rt)->http;
    hg_loop_t *loop = hg_rt_loop(rt);
    *ret = NULL;
    if (!cfg->enabled) return 0;
    hg_rt_api_t *api = hg_xzero(sizeof *api);
    api->rt = rt;
    api->cfg = cfg;
    hg_http_opts_t opts = {
        .loops = &loop, .n_loops = 1, .on_request = on_request, .arg = api, .server_name = "headgate"
    };
    int rc = hg_http_server_new(&opts, &api->server, err);
    if (rc == 0 && cfg->tls) rc = hg_http_use_tls(api->server, cfg->tls_cert_file, cfg->tls_key_file, err);
    if (rc == 0) rc = hg_http_listen_tcp(api->server, cfg->host, cfg->port, &api->port, err);
    if (!api->server) {
        hg_free(api);
        return rc;
    }
    *ret = api; /* also without a listener: a server is closed by its loop */
    if (rc < 0) return hg_err_wrap(err, "HTTP API at %s", cfg->address);
    hg_log(HG_LOG_INFO, "iggy", "api", "listening", "url=\"%s://%s:%u\"", cfg->tls ? "https" : "http", cfg->host,
           api->port);
    return 0;
}

static void free_api(void *arg)
{
    hg_rt_api_t *api = arg;
    void (*closed)(void *) = api->closed;
    void *closed_arg = api->closed_arg;
    hg_http_server_free(api->server);
    hg_free(api);
    closed(closed_arg);
}

static void check_closed(hg_rt_api_t *api)
{
    if (api->server_closed && api->jobs == 0) hg_loop_post(hg_rt_loop(api->rt), free_api, api);
}

void rt_api_job_done(hg_rt_api_t *api)
{
    api->jobs--;
    check_closed(api);
}

static void on_server_closed(void *arg)
{
    hg_rt_api_t *api = arg;
    api->server_closed = true;
    check_closed(api);
}

void hg_rt_api_close(hg_rt_api_t *api, void (*closed)(void *arg), void *arg)
{
    api->closed = closed;
    api->closed_arg = arg;
    hg_http_server_close(api->server, GRACE_MS, on_server_closed, api);
}
