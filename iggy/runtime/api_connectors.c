/* api_connectors.c: connectors as they are now, and the commands to them. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/runtime/api_int.h"

static void info_members(const hg_rt_info_t *i, hg_jw_t *w)
{
    const hg_iggy_connector_config_t *c = i->config;
    hg_jw_ku64(w, "id", i->id);
    hg_jw_kstr(w, "key", i->key);
    hg_jw_kstr(w, "name", c->name);
    hg_jw_kstr(w, "path", i->path);
    hg_jw_kbool(w, "enabled", c->enabled);
    hg_jw_kstr(w, "status", hg_rt_status_name(i->status));
    if (i->why) hg_jw_kstr(w, "why", i->why);
    if (i->last_error) {
        hg_jw_key(w, "last_error");
        hg_jw_obj(w);
        hg_jw_kstr(w, "message", i->last_error);
        hg_jw_ki64(w, "timestamp", i->last_error_us);
        hg_jw_end_obj(w);
    }
    if (i->last_batch_us) hg_jw_ki64(w, "last_batch_at", i->last_batch_us);
    if (c->format >= 0) hg_jw_kstr(w, "plugin_config_format", hg_iggy_format_name((hg_iggy_format_t)c->format));
}

void rt_get_all(rt_call_t *c)
{
    rt_json_t j;
    rt_json_init(&j);
    hg_jw_arr(&j.w);
    for (uint32_t i = 0; i < hg_rt_count(c->api->rt); i++) {
        hg_rt_info_t info;
        hg_rt_info(c->api->rt, i, &info);
        if (info.kind != c->kind) continue;
        hg_jw_obj(&j.w);
        info_members(&info, &j.w);
        hg_jw_end_obj(&j.w);
    }
    hg_jw_end_arr(&j.w);
    rt_json_send(&j, c);
}

/* false: there is none, which was answered. */
static bool find(rt_call_t *c, uint32_t *conn, hg_rt_info_t *info)
{
    *conn = hg_rt_find(c->api->rt, c->kind, hg_strz(c->key));
    if (*conn == UINT32_MAX) {
        rt_reply_unknown(c);
        return false;
    }
    hg_rt_info(c->api->rt, *conn, info);
    return true;
}

void rt_get_one(rt_call_t *c)
{
    uint32_t conn;
    hg_rt_info_t info;
    if (!find(c, &conn, &info)) return;
    rt_json_t j;
    rt_json_init(&j);
    hg_jw_obj(&j.w);
    info_members(&info, &j.w);
    hg_iggy_connector_streams(info.config, &j.w);
    hg_jw_end_obj(&j.w);
    rt_json_send(&j, c);
}

void rt_get_transforms(rt_call_t *c)
{
    uint32_t conn;
    hg_rt_info_t info;
    if (!find(c, &conn, &info)) return;
    rt_json_t j;
    rt_json_init(&j);
    hg_iggy_connector_transforms(info.config, &j.w);
    rt_json_send(&j, c);
}

/* --- commands ------------------------------------------------------------------------------------------------------
 */
typedef struct command {
    hg_rt_api_t *api;
    hg_req_t *r; /* NULL: whoever asked is gone */
    hg_iggy_kind_t kind;
} command_t;

static void on_abort(void *arg)
{
    command_t *k = arg;
    k->r = NULL;
}

static void on_done(void *arg, const hg_err_t *err)
{
    command_t *k = arg;
    if (k->r && err)
        rt_reply_err(k->api, k->r, k->kind, err);
    else if (k->r)
        rt_reply_empty(k->api, k->r, 204);
    rt_api_job_done(k->api);
    hg_free(k);
}

void rt_command(rt_call_t *c, hg_rt_command_t cmd)
{
    uint32_t conn;
    hg_rt_info_t info;
    if (!find(c, &conn, &info)) return;
    command_t *k = hg_xzero(sizeof *k);
    *k = (command_t){ .api = c->api, .r = c->r, .kind = c->kind };
    c->api->jobs++;
    hg_req_on_abort(c->r, on_abort, k);
    hg_rt_command(c->api->rt, conn, cmd, on_done, k);
}

void rt_post_restart(rt_call_t *c)
{
    rt_command(c, HG_RT_DO_RESTART);
}
void rt_post_pause(rt_call_t *c)
{
    rt_command(c, HG_RT_DO_PAUSE);
}
void rt_post_start(rt_call_t *c)
{
    rt_command(c, HG_RT_DO_START);
}
void rt_post_stop(rt_call_t *c)
{
    rt_command(c, HG_RT_DO_STOP);
}
