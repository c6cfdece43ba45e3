/* cmd_cluster.c: `events` and `event` of a pipeline; `cluster …`: the daemon itself. */
#include "base/hg.h"
#include "fda/fda_int.h"

/* --- events --- */

/* What the selector leaves out stands in columns that only `all` has. */
static const fda_col_t status_cols[] = {
    { "event_id", "event_id", 0 },
    { "recorded_at", "recorded_at", FDA_COL_TIME },
    { "deployment_resources_status", "deployment_resources_status", 0 },
    { "deployment_resources_desired_status", "deployment_resources_desired_status", 0 },
    { "deployment_runtime_status", "deployment_runtime_status", FDA_COL_OPTIONAL },
    { "deployment_runtime_desired_status", "deployment_runtime_desired_status", FDA_COL_OPTIONAL },
    { "deployment_has_error", "deployment_has_error", 0 },
    { "program_status", "program_status", 0 },
    { "storage_status", "storage_status", 0 },
    { 0 }
};
static const fda_col_t all_cols[] = {
    { "event_id", "event_id", 0 },
    { "recorded_at", "recorded_at", FDA_COL_TIME },
    { "deployment_resources_status", "deployment_resources_status", 0 },
    { "deployment_resources_status_details", "deployment_resources_status_details", FDA_COL_OPTIONAL },
    { "deployment_resources_desired_status", "deployment_resources_desired_status", 0 },
    { "deployment_runtime_status", "deployment_runtime_status", FDA_COL_OPTIONAL },
    { "deployment_runtime_status_details", "deployment_runtime_status_details", FDA_COL_OPTIONAL },
    { "deployment_runtime_desired_status", "deployment_runtime_desired_status", FDA_COL_OPTIONAL },
    { "deployment_has_error", "deployment_has_error", 0 },
    { "deployment_error", "deployment_error", FDA_COL_OPTIONAL },
    { "program_status", "program_status", 0 },
    { "storage_status", "storage_status", 0 },
    { "storage_status_details", "storage_status_details", FDA_COL_OPTIONAL },
    { 0 }
};
static const fda_col_t cluster_cols[] = {
    { "id", "id", 0 },
    { "recorded_at", "recorded_at", FDA_COL_TIME },
    { "all_healthy", "all_healthy", 0 },
    { "api_status", "api_status", 0 },
    { "compiler_status", "compiler_status", 0 },
    { "runner_status", "runner_status", 0 },
    { 0 },
};
static const fda_col_t cluster_all_cols[] = {
    { "id", "id", 0 },
    { "recorded_at", "recorded_at", FDA_COL_TIME },
    { "all_healthy", "all_healthy", 0 },
    { "api_status", "api_status", 0 },
    { "api_self_info", "api_self_info", 0 },
    { "api_resources_info", "api_resources_info", 0 },
    { "compiler_status", "compiler_status", 0 },
    { "compiler_self_info", "compiler_self_info", 0 },
    { "compiler_resources_info", "compiler_resources_info", 0 },
    { "runner_status", "runner_status", 0 },
    { "runner_self_info", "runner_self_info", 0 },
    { "runner_resources_info", "runner_resources_info", 0 },
    { 0 },
};

static const char *selector(const fda_args_t *a)
{
    const char *s = fda_arg(a, "SELECTOR");
    return s ? s : "status";
}

static bool wants_all(const fda_args_t *a)
{
    return !strcmp(selector(a), "all");
}

int fda_cmd_events(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(f, "Unable to retrieve pipeline events",
                     fda_path(f, "/v0/pipelines/%s/events?selector=%s", fda_arg(a, "NAME"), selector(a)), 0, &v);
    return rc ? rc : fda_print_list(f, v, wants_all(a) ? all_cols : status_cols);
}

int fda_cmd_event(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(
        f, "Unable to retrieve pipeline event",
        fda_path(f, "/v0/pipelines/%s/events/%s?selector=%s", fda_arg(a, "NAME"), fda_arg(a, "EVENT_ID"), selector(a)),
        0, &v);
    return rc ? rc : fda_print_fields(f, v, wants_all(a) ? all_cols : status_cols);
}

int fda_cmd_cluster_events(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    (void)a;
    int rc = fda_get(f, "Unable to retrieve cluster events", "/v0/cluster/events", 0, &v);
    return rc ? rc : fda_print_list(f, v, cluster_cols);
}

int fda_cmd_cluster_event(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(f, "Unable to retrieve cluster event",
                     fda_path(f, "/v0/cluster/events/%s?selector=%s", fda_arg(a, "EVENT_ID"), selector(a)), 0, &v);
    return rc ? rc : fda_print_fields(f, v, wants_all(a) ? cluster_all_cols : cluster_cols);
}

/* --- health and configuration --- */

static const hg_json_t *parsed(fda_t *f, const char *text)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_json_parse(f->arena, hg_strz(text), &v, &err) == 0); /* we wrote it */
    return v;
}

/* 1: the health could not be asked for; 2: something is not well. */
int fda_cmd_cluster_health(fda_t *f, const fda_args_t *a)
{
    static const char *const services[] = { "api", "compiler", "runner" };
    static const fda_col_t cols[] = { { "service", "service", 0 },
                                      { "healthy", "status.healthy", 0 },
                                      { "unchanged_since", "status.unchanged_since", FDA_COL_TIME },
                                      { "checked_at", "status.checked_at", FDA_COL_TIME },
                                      { "message", "status.message", 0 },
                                      { 0 } };
    fda_answer_t ans;
    (void)a;
    int rc = fda_call(f, "Unable to retrieve cluster health", "GET", "/v0/cluster_healthz", (hg_str_t){ 0 },
                      FDA_QUIET | FDA_NO_RETRY, &ans);
    const hg_json_t *healthy = fda_member(ans.json, "all_healthy");
    if (!healthy) return rc ? fda_error("Unable to retrieve cluster health: %s", ans.message) : 1;
    if (f->format == FDA_TEXT) {
        hg_buf_t b;
        hg_jw_t w;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        hg_jw_arr(&w);
        for (size_t i = 0; i < HG_COUNT(services); i++) {
            hg_jw_obj(&w);
            hg_jw_kstr(&w, "service", services[i]);
            hg_jw_key(&w, "status");
            hg_jw_node(&w, hg_json_get(ans.json, services[i]));
            hg_jw_end_obj(&w);
        }
        hg_jw_end_arr(&w);
        const hg_json_t *rows = parsed(f, hg_arena_strndup(f->arena, b.p, b.len));
        hg_buf_release(&b);
        rc = fda_print_list(f, rows, cols);
    } else {
        rc = fda_print_value(f, ans.json, FDA_ALIGNED, false);
    }
    return rc ? rc : healthy->kind == HG_J_TRUE ? 0 : 2;
}

int fda_cmd_cluster_config(fda_t *f, const fda_args_t *a)
{
    static const char *const shown[] = { "build_source",
                                         "build_info.build_timestamp",
                                         "build_info.cargo_target_triple",
                                         "changelog_url",
                                         "edition",
                                         "license_validity",
                                         "revision",
                                         "runtime_revision",
                                         "build_info.rustc_version",
                                         "unstable_features",
                                         "update_info",
                                         "version" };
    const hg_json_t *v;
    hg_buf_t b;
    hg_jw_t w;
    (void)a;
    int rc = fda_get(f, "Unable to retrieve platform configuration", "/v0/config", 0, &v);
    if (rc || f->format != FDA_TEXT) return rc ? rc : fda_print_value(f, v, FDA_ALIGNED, false);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    for (size_t i = 0; i < HG_COUNT(shown); i++) {
        const char *dot = strchr(shown[i], '.');
        const hg_json_t *m = fda_member(v, shown[i]);
        hg_jw_key(&w, dot ? dot + 1 : shown[i]);
        if (m)
            hg_jw_node(&w, m);
        else
            hg_jw_str(&w, HG_S(""));
    }
    hg_jw_end_obj(&w);
    fda_print_nested(parsed(f, hg_arena_strndup(f->arena, b.p, b.len)), FDA_ALIGNED);
    hg_buf_release(&b);
    return 0;
}
