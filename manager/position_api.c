/* position_api.c: positions of connectors (docs/positions.md). While a pipeline runs, its process answers. While it is
 * stopped, a child of ours that holds the lock of its folder does (`headgate position DIR`); the pipeline is not
 * started and its storage is not cleared before that child has ended.
 */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/manager_int.h"

#define POSITION_MAX ((size_t)1 << 16)

typedef struct ask {
    hg_mg_t *mg;
    hg_pl_t *pl; /* retained */
    hg_req_t *r; /* NULL: the client has left */
} ask_t;

static void on_abort(void *arg)
{
    ((ask_t *)arg)->r = NULL;
}

static void reply(hg_req_t *r, hg_str_t text)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    uint64_t status;
    if (hg_json_parse(hg_req_arena(r), text, &v, &err) < 0 || hg_json_u64(hg_json_get(v, "status"), &status) < 0 ||
        !hg_json_get(v, "body")) {
        hg_reply_error(r, 500, "InternalError", NULL, "headgate position gave no answer that can be read");
        return;
    }
    const hg_json_t *body = hg_json_get(v, "body");
    hg_reply_raw(r, (int)status, "application/json", (hg_str_t){ text.p + body->off, body->len });
}

static void answered(void *arg, hg_str_t answer, const char *why)
{
    ask_t *a = arg;
    if (a->r && why)
        hg_reply_error(a->r, 500, "InternalError", NULL, "%s", why);
    else if (a->r)
        reply(a->r, answer);
    if (--a->pl->asked == 0 && !a->mg->closing) {
        hg_files_unblocked(a->mg, a->pl);
        hg_runner_kick(a->mg, a->pl);
    }
    hg_pl_drop(a->pl);
    hg_free(a);
}

/* change: NULL = only ask. position: JSON text or empty. */
static void ask_child(hg_call_t *c, const char *change, hg_str_t position, bool wait)
{
    hg_pl_t *pl = c->pl;
    ask_t *a = HG_NEW(ask_t);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "name", pl->def.name);
    hg_jw_kstr(&w, "program", pl->def.program_code);
    hg_jw_kraw(&w, "runtime_config", pl->def.runtime_config);
    hg_jw_key(&w, "access");
    hg_access_write(c->mg->access, &w);
    hg_jw_kstr(&w, "endpoint", hg_proxy_endpoint(c));
    hg_jw_kstr(&w, "change", change);
    if (position.n) {
        hg_jw_key(&w, "position");
        hg_jw_raw(&w, position);
    }
    hg_jw_kbool(&w, "wait", wait);
    hg_jw_end_obj(&w);
    *a = (ask_t){ c->mg, hg_pl_retain(pl), c->r };
    pl->asked++;
    hg_req_on_abort(c->r, on_abort, a);
    char *dir = hg_deploy_dir(c->mg, pl);
    hg_child_run(c->mg, "headgate position", "position", dir, &b, NULL, answered, a);
    hg_free(dir);
}

/* True: nobody runs it, and nobody clears its storage. Else the process was asked, or a refusal is sent. */
static bool stopped(hg_call_t *c)
{
    hg_pl_t *pl = c->pl;
    if (!hg_lc_fully_stopped(&pl->lc) || pl->run) {
        hg_verdict_t v = hg_lc_interact(&pl->lc, pl->def.name);
        if (v.answer == HG_REFUSE)
            hg_reply_verdict(c->r, &v);
        else
            hg_proxy_forward(c);
        return false;
    }
    if (pl->lc.storage != HG_STORAGE_CLEARING) return true;
    hg_reply_error(c->r, 409, "Busy", NULL, "The storage of pipeline '%s' is being cleared", pl->def.name);
    return false;
}

static void get(hg_call_t *c)
{
    if (stopped(c)) ask_child(c, NULL, (hg_str_t){ 0 }, false);
}

static void reset(hg_call_t *c)
{
    if (stopped(c)) ask_child(c, "reset", (hg_str_t){ 0 }, false);
}

static void rerun(hg_call_t *c)
{
    bool wait;
    if (hg_call_bool(c, "wait", false, &wait) && stopped(c)) ask_child(c, "rerun", (hg_str_t){ 0 }, wait);
}

/* The body has come; meanwhile the pipeline may have gone or started. */
static void on_position(void *arg, hg_req_t *r, hg_str_t body)
{
    hg_call_t *c = arg;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    c->pl = hg_mg_find(c->mg, c->cap[0]);
    if (!c->pl || !hg_lc_fully_stopped(&c->pl->lc) || c->pl->run || c->pl->lc.storage == HG_STORAGE_CLEARING)
        hg_reply_error(r, 409, "Busy", NULL, "The pipeline is not stopped any more: ask again");
    else if (hg_str_trim(body).n == 0)
        hg_reply_error(
            r, 400, "InvalidParam", NULL,
            "the body is the position, a JSON object; DELETE sets the connector back to its configured start");
    else if (hg_json_parse(hg_req_arena(r), body, &v, &err) < 0)
        hg_reply_error(r, 400, "ParseError", NULL, "The position is not valid JSON: %s", err.msg);
    else
        ask_child(c, "set", body, false);
}

static void set(hg_call_t *c)
{
    if (!stopped(c)) return;
    hg_call_t *kept = HG_ANEW(hg_req_arena(c->r), hg_call_t);
    *kept = *c;
    hg_req_read_all(c->r, POSITION_MAX, on_position, kept);
}

static void no_input(hg_call_t *c)
{
    hg_reply_error(c->r, 400, "InvalidConnectorAction", NULL,
                   "Connector '%s' is an output: only inputs have a position and run again", hg_proxy_endpoint(c));
}

#define T "v0/pipelines/{p}/tables/{t}/connectors/{c}/"
#define V "v0/pipelines/{p}/views/{v}/connectors/{c}/"

const hg_route_t hg_position_routes[] = {
    { "GET", T "position", HG_R_PIPELINE, get, "/input_endpoints/{e}/position",
      "Where it goes on; [positions.md](positions.md)" },
    { "PUT", T "position", HG_R_PIPELINE, set, "/input_endpoints/{e}/position", "Sets that" },
    { "DELETE", T "position", HG_R_PIPELINE, reset, "/input_endpoints/{e}/position", "Back to the configured start" },
    { "POST", T "rerun", HG_R_PIPELINE, rerun, "/input_endpoints/{e}/rerun",
      "A finished input reads again from its start; `wait=true`" },
    { "GET", V "position", HG_R_PIPELINE, no_input, NULL, "400: an output has none" },
    { "PUT", V "position", HG_R_PIPELINE, no_input, NULL, "400" },
    { "DELETE", V "position", HG_R_PIPELINE, no_input, NULL, "400" },
    { "POST", V "rerun", HG_R_PIPELINE, no_input, NULL, "400" },
    { .method = NULL },
};
