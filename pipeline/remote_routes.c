/* remote_routes.c: checkpoints in a bucket: sending one, how that went, which are there (rest-api §6.7). */
#include "base/hg.h"
#include "base/hide.h"
#include "pipeline/remote.h"
#include "pipeline/server_int.h"

static void do_sync(call_t *c)
{
    const char *uuid;
    hg_jw_t w;
    if (hg_pipeline_sync(c->s->p, &uuid, &c->err) < 0) return;
    c->status = 202;
    hg_jw_init(&w, &c->body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "checkpoint_uuid", uuid);
    hg_jw_kstr(&w, "incarnation_uuid", hg_pipeline_incarnation(c->s->p));
    hg_jw_end_obj(&w);
}

static void do_sync_status(call_t *c)
{
    hg_jw_t w;
    if (hg_call_incarnation(c) < 0) return;
    hg_jw_init(&w, &c->body);
    hg_pipeline_sync_status(c->s->p, &w);
}

static void listed(void *arg, hg_str_t json, const hg_err_t *err)
{
    call_t *c = arg;
    c->err = hg_hide_err(err);
    if (err->code)
        c->err.code = HG_EREMOTE; /* whatever the reason, clients know it by this name */
    else
        (void)hg_buf_addstr(&c->body, json);
    hg_call_answer(c);
}

static void list_on_control(void *arg)
{
    call_t *c = arg;
    hg_pipeline_remote_list(c->s->p, listed, c);
}

bool hg_serve_remote(hg_pipeline_server_t *s, hg_req_t *r, bool get, hg_str_t what, hg_str_t part)
{
    if (get && hg_str_eqz(what, "checkpoints") && hg_str_eqz(part, "remote"))
        hg_loop_post(s->opts.control, list_on_control, hg_call_new(s, r, NULL));
    else if (get && hg_str_eqz(what, "checkpoint") && hg_str_eqz(part, "sync_status"))
        hg_call_control(s, r, do_sync_status, hg_req_param(r, "incarnation_uuid").p, false, 0);
    else if (!get && hg_str_eqz(what, "checkpoint") && hg_str_eqz(part, "sync"))
        hg_call_control(s, r, do_sync, NULL, false, 0);
    else
        return false;
    return true;
}
