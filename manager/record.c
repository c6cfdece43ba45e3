/* record.c: pipeline records: memory, time stamps, and their JSON per selector. No I/O. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/record_int.h"

hg_pl_t *hg_pl_new(void)
{
    hg_pl_t *pl = HG_NEW(hg_pl_t);
    pl->refs = 1;
    return pl;
}

hg_pl_t *hg_pl_retain(hg_pl_t *pl)
{
    pl->refs++;
    return pl;
}

void hg_pldef_release(hg_pldef_t *def)
{
    char **slots[] = { &def->name,     &def->description, &def->tags,           &def->program_code,
                       &def->udf_rust, &def->udf_toml,    &def->runtime_config, &def->program_config };
    for (size_t i = 0; i < HG_COUNT(slots); i++) hg_take_text(slots[i], NULL);
}

void hg_pl_drop(hg_pl_t *pl)
{
    HG_ASSERT(pl->refs > 0);
    if (--pl->refs) return;
    HG_ASSERT(!pl->run);
    hg_pldef_release(&pl->def);
    char **slots[] = { &pl->platform_version, &pl->program_info, &pl->sql_compilation,
                       &pl->rust_compilation, &pl->system_error, &pl->deployment_error,
                       &pl->storage_details,  &pl->rt_details,   &pl->git };
    for (size_t i = 0; i < HG_COUNT(slots); i++) hg_take_text(slots[i], NULL);
    hg_restarts_clear(&pl->restarts);
    hg_free(pl);
}

void hg_take_text(char **slot, char *text)
{
    hg_free(*slot);
    *slot = text;
}

void hg_set_text(char **slot, const char *text)
{
    hg_take_text(slot, text ? hg_xstrdup(text) : NULL);
}

void hg_pl_set_prog(hg_pl_t *pl, hg_prog_t prog)
{
    pl->lc.prog = prog;
    pl->prog_since = hg_now_us();
    /* Clients use refresh_version to see that something worth a new look has happened; the steps between do not count.
     */
    if (prog != HG_PROG_PENDING && prog != HG_PROG_COMPILING_SQL && prog != HG_PROG_COMPILING_RUST)
        pl->refresh_version++;
}

void hg_pl_set_res(hg_pl_t *pl, hg_res_t res)
{
    pl->lc.res = res;
    pl->res_since = hg_now_us();
    pl->refresh_version++;
}

void hg_pl_set_res_desired(hg_pl_t *pl, hg_res_t res)
{
    if (pl->lc.res_desired == res) return;
    pl->lc.res_desired = res;
    pl->res_desired_since = hg_now_us();
}

void hg_pl_set_rt(hg_pl_t *pl, hg_rt_t rt)
{
    pl->lc.rt = rt;
    pl->rt_since = rt == HG_RT_NONE ? 0 : hg_now_us();
    pl->refresh_version++;
}

void hg_pl_set_rt_desired(hg_pl_t *pl, hg_rt_t rt)
{
    if (pl->lc.rt_desired == rt) return;
    pl->lc.rt_desired = rt;
    pl->rt_desired_since = rt == HG_RT_NONE ? 0 : hg_now_us();
}

void hg_pl_set_error(hg_pl_t *pl, const char *error_json)
{
    hg_set_text(&pl->deployment_error, error_json);
    pl->lc.has_error = error_json != NULL;
}

void hg_pl_forget_deployment(hg_pl_t *pl)
{
    hg_lc_apply_unprovisioned(&pl->lc);
    pl->rt_since = pl->rt_desired_since = 0;
    pl->deployment_id[0] = 0;
    hg_restarts_clear(&pl->restarts);
    pl->has_num_errors = false;
    pl->num_errors = 0;
    hg_set_text(&pl->rt_details, NULL);
}

/* --- JSON --- */

void hg_jw_kraw(hg_jw_t *w, const char *key, const char *json)
{
    hg_jw_key(w, key);
    if (json)
        hg_jw_raw(w, hg_strz(json));
    else
        hg_jw_null(w);
}

void hg_jw_ktime(hg_jw_t *w, const char *key, int64_t us)
{
    if (us == 0) {
        hg_jw_knull(w, key);
        return;
    }
    char text[32];
    hg_time_rfc3339(text, us);
    hg_jw_kstr(w, key, text);
}

static bool tells_errors(const hg_pl_t *pl)
{
    hg_rt_t rt = pl->lc.rt;
    return pl->lc.res == HG_RES_PROVISIONED && pl->has_num_errors &&
           (rt == HG_RT_RUNNING || rt == HG_RT_PAUSED || rt == HG_RT_BOOTSTRAPPING || rt == HG_RT_REPLAYING ||
            rt == HG_RT_CONCURRENT_BOOTSTRAPPING || rt == HG_RT_SYNCHRONIZING);
}

/* The members of an object, inside another one. */
static void told_members(hg_jw_t *w, const char *json)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (!json) return;
    hg_arena_t *a = hg_arena_new();
    if (hg_json_parse(a, hg_strz(json), &v, &err) == 0)
        for (const hg_json_t *m = v->child; m; m = m->next) {
            hg_jw_key(w, m->key.p);
            hg_jw_node(w, m);
        }
    hg_arena_free(a);
}

void hg_pl_runtime_details(hg_jw_t *w, const hg_pl_t *pl)
{
    if (pl->lc.rt == HG_RT_NONE) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    if (tells_errors(pl)) {
        hg_jw_key(w, "connector_stats");
        hg_jw_obj(w);
        hg_jw_ku64(w, "num_errors", pl->num_errors);
        hg_jw_end_obj(w);
    }
    told_members(w, pl->rt_details);
    hg_jw_end_obj(w);
}

/* The configuration was checked when it was written; one of an older version that is refused today has the default. */
void hg_pl_restart_policy(const hg_pl_t *pl, hg_restart_policy_t *ret)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_json_parse(a, hg_strz(pl->def.runtime_config), &v, &err) < 0 || hg_restart_policy(v, ret, &err) < 0)
        hg_restart_policy(NULL, ret, &err);
    hg_arena_free(a);
}

void hg_pl_liveness_policy(const hg_pl_t *pl, hg_liveness_policy_t *ret)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_json_parse(a, hg_strz(pl->def.runtime_config), &v, &err) < 0 || hg_liveness_policy(v, ret, &err) < 0)
        hg_liveness_policy(NULL, ret, &err);
    hg_arena_free(a);
}

void hg_pl_resources_details(hg_jw_t *w, const hg_pl_t *pl)
{
    hg_restart_policy_t policy;
    if (!pl->restarts.died_us && !pl->git) {
        hg_jw_null(w);
        return;
    }
    hg_jw_obj(w);
    if (pl->restarts.died_us) {
        hg_pl_restart_policy(pl, &policy);
        hg_jw_key(w, "restart");
        hg_restarts_details(w, &policy, &pl->restarts);
    }
    if (pl->git) hg_jw_kraw(w, "git", pl->git);
    hg_jw_end_obj(w);
}

static void program_members(hg_jw_t *w, const hg_pl_t *pl, bool all)
{
    hg_jw_kraw(w, "program_config", pl->def.program_config);
    hg_jw_ki64(w, "program_version", pl->program_version);
    hg_jw_kstr(w, "program_status", hg_prog_names[pl->lc.prog]);
    hg_jw_ktime(w, "program_status_since", pl->prog_since);
    if (!all) return;
    hg_jw_key(w, "program_error");
    hg_jw_obj(w);
    hg_jw_kraw(w, "sql_compilation", pl->sql_compilation);
    hg_jw_kraw(w, "rust_compilation", pl->rust_compilation);
    hg_jw_kstr(w, "system_error", pl->system_error);
    hg_jw_end_obj(w);
    hg_jw_kraw(w, "program_info", pl->program_info);
}

static void deployment_members(hg_jw_t *w, const hg_pl_t *pl, bool all)
{
    const hg_lc_t *lc = &pl->lc;
    /* While it is Stopping the id is still needed to read exit.json, but no longer shown. */
    hg_jw_kstr(w, "deployment_id", pl->deployment_id[0] && lc->res != HG_RES_STOPPING ? pl->deployment_id : NULL);
    hg_jw_kstr(w, "deployment_initial", hg_rt_names[lc->initial]);
    hg_jw_kstr(w, "deployment_status", hg_lc_status(lc));
    hg_jw_ktime(w, "deployment_status_since", HG_MAX(pl->res_since, pl->rt_since));
    hg_jw_kstr(w, "deployment_desired_status", hg_lc_desired_status(lc));
    hg_jw_ktime(w, "deployment_desired_status_since", HG_MAX(pl->res_desired_since, pl->rt_desired_since));
    hg_jw_kstr(w, "deployment_resources_status", hg_res_names[lc->res]);
    if (all) {
        hg_jw_key(w, "deployment_resources_status_details");
        hg_pl_resources_details(w, pl);
    }
    hg_jw_ktime(w, "deployment_resources_status_since", pl->res_since);
    hg_jw_kstr(w, "deployment_resources_desired_status", hg_res_names[lc->res_desired]);
    hg_jw_ktime(w, "deployment_resources_desired_status_since", pl->res_desired_since);
    hg_jw_kstr(w, "deployment_runtime_status", hg_rt_names[lc->rt]);
    hg_jw_key(w, "deployment_runtime_status_details");
    hg_pl_runtime_details(w, pl);
    hg_jw_ktime(w, "deployment_runtime_status_since", pl->rt_since);
    hg_jw_kstr(w, "deployment_runtime_desired_status", hg_rt_names[lc->rt_desired]);
    hg_jw_ktime(w, "deployment_runtime_desired_status_since", pl->rt_desired_since);
}

void hg_pl_json(hg_jw_t *w, const hg_pl_t *pl, hg_sel_t sel)
{
    bool all = sel == HG_SEL_ALL || sel == HG_SEL_INFO;
    hg_jw_obj(w);
    hg_jw_kstr(w, "id", pl->id);
    hg_jw_kstr(w, "name", pl->def.name);
    hg_jw_kstr(w, "description", pl->def.description);
    hg_jw_kraw(w, "tags", pl->def.tags);
    hg_jw_ktime(w, "created_at", pl->created_us);
    hg_jw_ki64(w, "version", pl->version);
    hg_jw_kstr(w, "platform_version", pl->platform_version);
    if (all) {
        hg_jw_kraw(w, "runtime_config", pl->def.runtime_config);
        hg_jw_kstr(w, "program_code", pl->def.program_code);
        hg_jw_kstr(w, "udf_rust", pl->def.udf_rust);
        hg_jw_kstr(w, "udf_toml", pl->def.udf_toml);
    }
    program_members(w, pl, all);
    hg_jw_kraw(w, "deployment_error", pl->deployment_error);
    hg_jw_ki64(w, "refresh_version", pl->refresh_version);
    hg_jw_kstr(w, "storage_status", hg_storage_names[pl->lc.storage]);
    hg_jw_kraw(w, "storage_status_details", pl->storage_details);
    deployment_members(w, pl, all);
    if (sel != HG_SEL_INFO) {
        hg_jw_kstr(w, "bootstrap_policy", hg_policy_names[pl->lc.policy]);
        hg_jw_kbool(w, "silent_bootstrap", pl->lc.silent);
        hg_jw_kbool(w, "concurrent_bootstrap", pl->lc.concurrent);
    }
    if (sel == HG_SEL_STATUS_CONNECTORS && tells_errors(pl)) {
        hg_jw_key(w, "connectors");
        hg_jw_obj(w);
        hg_jw_ku64(w, "num_errors", pl->num_errors);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

char *hg_error_json(const char *code, const char *message, const char *details_json)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "message", message);
    hg_jw_kstr(&w, "error_code", code);
    hg_jw_kraw(&w, "details", details_json ? details_json : "{}");
    hg_jw_end_obj(&w);
    return hg_buf_take(&b, NULL);
}
