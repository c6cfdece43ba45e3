/* platform_api.c: what the installation says about itself: health, configuration, cluster events, metrics of
 * everything. */
#include "base/hg.h"

#include <sys/utsname.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/access_int.h"

#define METRICS_TIMEOUT_MS 5000

typedef void (*writer_t)(hg_mg_t *mg, hg_jw_t *w);

static void reply_written(hg_call_t *c, writer_t fn)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    fn(c->mg, &w);
    hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

static void fixed(hg_call_t *c)
{
    hg_reply_raw(c->r, 200, "application/json", hg_strz(c->arg));
}

/* --- config --------------------------------------------------------------------------------------------------------
 */

void hg_config_json(hg_jw_t *w)
{
    struct utsname un;
    char target[160] = "unknown";
    if (uname(&un) == 0) snprintf(target, sizeof target, "%.60s-unknown-%.60s", un.machine, un.sysname);
    hg_jw_obj(w);
    hg_jw_kstr(w, "edition",
               "Enterprise"); /* one of two words that the SDK accepts; it changes nothing in the clients */
    hg_jw_kstr(w, "version", HG_FELDERA_VERSION);
    hg_jw_kstr(w, "revision", "headgate-" HG_VERSION);
    hg_jw_kstr(w, "runtime_revision", "headgate-" HG_VERSION);
    hg_jw_kstr(w, "build_source", "source");
    hg_jw_kstr(w, "posthog", "");
    hg_jw_kstr(w, "conceptualhq", "");
    hg_jw_kstr(w, "product_fruits", "");
    hg_jw_kstr(w, "changelog_url", "");
    hg_jw_knull(w, "unstable_features");
    hg_jw_knull(w, "license_validity");
    hg_jw_knull(w, "update_info");
    hg_jw_key(w, "build_info");
    hg_jw_obj(w);
    hg_jw_kstr(w, "build_timestamp", "");
    hg_jw_kstr(w, "build_cpu", target[0] == 'u' ? "unknown" : un.machine);
    hg_jw_kstr(w, "build_os", target[0] == 'u' ? "unknown" : un.sysname);
    hg_jw_kstr(w, "cargo_dependencies", "");
    hg_jw_kstr(w, "cargo_features", "");
    hg_jw_kstr(w, "cargo_debug", "");
    hg_jw_kstr(w, "cargo_opt_level", "");
    hg_jw_kstr(w, "cargo_target_triple", target);
    hg_jw_kstr(w, "rustc_version", "");
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

static void write_config(hg_mg_t *mg, hg_jw_t *w)
{
    (void)mg;
    hg_config_json(w);
}

static void config(hg_call_t *c)
{
    reply_written(c, write_config);
}

static void session(hg_call_t *c)
{
    char *text = hg_arena_printf(hg_req_arena(c->r),
                                 "{\"tenant_id\":\"" HG_TENANT_ID "\",\"tenant_name\":\"" HG_TENANT_NAME
                                 "\",\"role\":\"%s\",\"memberships\":[]}",
                                 hg_role_name(c->role));
    hg_reply_raw(c->r, 200, "application/json", hg_strz(text));
}

/* --- health --------------------------------------------------------------------------------------------------------
 */

/* This process answers, so all of it is alive: API, compiler client and runner are one thread. */
static void write_health(hg_mg_t *mg, hg_jw_t *w)
{
    static const char *const parts[] = { "api", "compiler", "runner" };
    int64_t now = hg_now_us();
    hg_jw_obj(w);
    hg_jw_kbool(w, "all_healthy", true);
    for (size_t i = 0; i < HG_COUNT(parts); i++) {
        hg_jw_key(w, parts[i]);
        hg_jw_obj(w);
        hg_jw_kbool(w, "healthy", true);
        hg_jw_kstr(w, "message", "");
        hg_jw_ktime(w, "unchanged_since", mg->started_us);
        hg_jw_ktime(w, "checked_at", now);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

static void cluster_healthz(hg_call_t *c)
{
    reply_written(c, write_health);
}

/* The one event there is: the daemon came up healthy. */
static void write_cluster_event(hg_mg_t *mg, hg_jw_t *w, bool all)
{
    static const char *const parts[] = { "api", "compiler", "runner" };
    hg_jw_obj(w);
    hg_jw_kstr(w, "id", mg->cluster_event_id);
    hg_jw_ktime(w, "recorded_at", mg->started_us);
    hg_jw_kbool(w, "all_healthy", true);
    for (size_t i = 0; i < HG_COUNT(parts); i++) {
        char key[40];
        snprintf(key, sizeof key, "%s_status", parts[i]);
        hg_jw_kstr(w, key, "Healthy");
        if (!all) continue;
        snprintf(key, sizeof key, "%s_self_info", parts[i]);
        hg_jw_kstr(w, key, "");
        snprintf(key, sizeof key, "%s_resources_info", parts[i]);
        hg_jw_kstr(w, key, "");
    }
    hg_jw_end_obj(w);
}

static void cluster_events(hg_call_t *c)
{
    static const char *const selectors[] = { "all", "status" };
    bool one = c->cap[0].p != NULL;
    int sel = hg_call_enum(c, "selector", selectors, HG_COUNT(selectors), 1);
    if (sel < 0) return;
    if (one && !hg_str_eqz(c->cap[0], "latest") && !hg_str_eqz(c->cap[0], c->mg->cluster_event_id)) {
        hg_reply_error(c->r, 404, "UnknownClusterMonitorEvent", NULL, "Unknown cluster event '" HG_SF "'",
                       HG_SA(c->cap[0]));
        return;
    }
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    if (!one) hg_jw_arr(&w);
    write_cluster_event(c->mg, &w, sel == 0);
    if (!one) hg_jw_end_arr(&w);
    hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

/* --- metrics of all pipelines ---------------------------------------------------------------------------------------
 */

typedef struct scrape {
    hg_req_t *r; /* NULL: the client left */
    hg_buf_t text;
    unsigned open; /* answers that are still to come, and one for the loop that asks */
} scrape_t;

static void scrape_less(scrape_t *s)
{
    if (--s->open) return;
    if (s->r) hg_reply_raw(s->r, 200, "text/plain", hg_buf_str(&s->text));
    hg_buf_release(&s->text);
    hg_free(s);
}

static void scrape_abort(void *arg)
{
    scrape_t *s = arg;
    s->r = NULL;
}

static void scraped(void *arg, int status, const char *content_type, hg_str_t body, const hg_err_t *err)
{
    scrape_t *s = arg;
    (void)content_type;
    if (!err->code && status == 200) {
        hg_buf_addstr(&s->text, body);
        if (body.n && body.p[body.n - 1] != '\n') hg_buf_addc(&s->text, '\n');
    }
    scrape_less(s);
}

static void write_own_metrics(hg_mg_t *mg, hg_buf_t *b)
{
    size_t deployed = 0;
    for (size_t i = 0; i < mg->n_pls; i++) deployed += mg->pls[i]->lc.res == HG_RES_PROVISIONED;
    hg_buf_addf(b,
                "# TYPE headgate_manager_pipelines gauge\nheadgate_manager_pipelines %zu\n"
                "# TYPE headgate_manager_pipelines_deployed gauge\nheadgate_manager_pipelines_deployed %zu\n"
                "# TYPE headgate_manager_compilations_running gauge\nheadgate_manager_compilations_running %u\n"
                "# TYPE headgate_manager_http_connections gauge\nheadgate_manager_http_connections %u\n"
                "# TYPE headgate_manager_rss_bytes gauge\nheadgate_manager_rss_bytes %" PRIu64 "\n"
                "# TYPE headgate_manager_cpu_msecs counter\nheadgate_manager_cpu_msecs %" PRIu64 "\n",
                mg->n_pls, deployed, mg->jobs_running, hg_http_connections(mg->http), hg_rss_bytes(), hg_cpu_msecs());
}

static void metrics(hg_call_t *c)
{
    hg_mg_t *mg = c->mg;
    scrape_t *s = HG_NEW(scrape_t);
    s->r = c->r;
    s->open = 1;
    hg_buf_init(&s->text, (size_t)256 << 20);
    write_own_metrics(mg, &s->text);
    hg_req_on_abort(c->r, scrape_abort, s);
    for (size_t i = 0; i < mg->n_pls; i++) {
        const hg_pl_t *pl = mg->pls[i];
        const char *socket = hg_runner_socket(pl);
        if (!socket || (pl->lc.rt != HG_RT_RUNNING && pl->lc.rt != HG_RT_PAUSED)) continue;
        if (hg_ask(mg, socket, "GET", "/metrics?format=prometheus", METRICS_TIMEOUT_MS, scraped, s)) s->open++;
    }
    scrape_less(s);
}

const hg_route_t hg_platform_routes[] = {
    { "GET", "healthz", HG_R_OPEN, fixed, "{\"status\":\"healthy\"}", "Is the daemon up?" },
    { "GET", "config/authentication", HG_R_OPEN, fixed, "{}", "How to sign in: `{}`, there is no provider" },
    { "GET", "v0/config", 0, config, NULL, "Edition, version and build" },
    { "GET", "v0/config/demos", 0, fixed, "[]", "`[]`" },
    { "GET", "v0/config/session", 0, session, NULL, "Tenant and role of whoever asks" },
    { "GET", "v0/config/owners", 0, fixed, "{\"owners\":[],\"owner_trusts\":[]}", "Owners of the installation: none" },
    { "GET", "v0/metrics", 0, metrics, NULL, "The daemon and all pipelines, for Prometheus" },
    { "GET", "v0/cluster_healthz", 0, cluster_healthz, NULL, "Health of compiler and runner" },
    { "GET", "v0/cluster/events", 0, cluster_events, NULL, "What happened to the daemon" },
    { "GET", "v0/cluster/events/{e}", 0, cluster_events, NULL, "One of them, by its UUID or `latest`" },
    { .method = NULL },
};
