/* api_configs.c: versions of configurations. What the connectors run with is answered at once; what the provider keeps
 * is asked on the pool, as it reads files or speaks HTTP. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/runtime/api_int.h"

#define MAX_BODY ((size_t)2 << 20)

/* One question to the provider: a copy of what it needs, as the request may be gone before the answer comes. */
typedef struct job job_t;
struct job {
    hg_rt_api_t *api;
    hg_req_t *r; /* NULL: whoever asked is gone */
    hg_iggy_provider_t *provider;
    hg_iggy_kind_t kind;
    char *key;
    uint64_t version;
    bool has_version;
    hg_buf_t body;
    int (*ask)(job_t *j, hg_err_t *err);    /* pool */
    void (*answer)(job_t *j, rt_call_t *c); /* loop; the call succeeded and somebody waits */
    int rc;
    hg_err_t err;
    hg_iggy_connector_config_t *one;
    hg_iggy_configs_t many;
};

static void free_job(job_t *j)
{
    hg_rt_api_t *api = j->api;
    hg_iggy_connector_unref(j->one);
    hg_iggy_configs_release(&j->many);
    hg_buf_release(&j->body);
    hg_free(j->key);
    hg_free(j);
    rt_api_job_done(api);
}

static void work(void *arg, unsigned worker)
{
    job_t *j = arg;
    (void)worker;
    j->rc = j->ask(j, &j->err);
}

static void done(void *arg)
{
    job_t *j = arg;
    rt_call_t c = { .api = j->api, .r = j->r, .kind = j->kind, .key = j->key };
    if (j->r && j->rc < 0)
        rt_reply_err(j->api, j->r, j->kind, &j->err);
    else if (j->r)
        j->answer(j, &c);
    free_job(j);
}

static void on_abort(void *arg)
{
    job_t *j = arg;
    j->r = NULL;
}

static job_t *new_job(rt_call_t *c, int (*ask)(job_t *, hg_err_t *), void (*answer)(job_t *, rt_call_t *))
{
    job_t *j = hg_xzero(sizeof *j);
    *j = (job_t){ .api = c->api,
                  .r = c->r,
                  .provider = hg_rt_provider(c->api->rt),
                  .kind = c->kind,
                  .key = hg_xstrdup(c->key),
                  .ask = ask,
                  .answer = answer };
    hg_buf_init(&j->body, MAX_BODY);
    c->api->jobs++;
    hg_req_on_abort(c->r, on_abort, j);
    return j;
}

static void submit(job_t *j)
{
    hg_pool_submit(hg_rt_pool(j->api->rt), work, done, hg_rt_loop(j->api->rt), j);
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */
/* NULL: no such connector runs or could. Borrowed. */
static const hg_iggy_connector_config_t *running(rt_call_t *c)
{
    hg_rt_info_t info;
    uint32_t i = hg_rt_find(c->api->rt, c->kind, hg_strz(c->key));
    if (i == UINT32_MAX) return NULL;
    hg_rt_info(c->api->rt, i, &info);
    return info.config;
}

static void config_json(const hg_iggy_connector_config_t *cfg, bool active, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_iggy_connector_members(cfg, w);
    if (cfg->error) hg_jw_kstr(w, "error", cfg->error);
    hg_jw_kbool(w, "active", active);
    hg_jw_end_obj(w);
}

static void answer_one(job_t *j, rt_call_t *c)
{
    const hg_iggy_connector_config_t *now = running(c);
    rt_json_t out;
    rt_json_init(&out);
    config_json(j->one, now && now->version == j->one->version, &out.w);
    rt_json_send(&out, c);
}

static void answer_created(job_t *j, rt_call_t *c)
{
    rt_json_t out;
    rt_json_init(&out);
    config_json(j->one, false, &out.w);
    rt_json_send(&out, c);
}

static void answer_many(job_t *j, rt_call_t *c)
{
    const hg_iggy_connector_config_t *now = running(c);
    rt_json_t out;
    rt_json_init(&out);
    hg_jw_arr(&out.w);
    for (uint32_t i = 0; i < j->many.n; i++)
        config_json(j->many.v[i], now && now->version == j->many.v[i]->version, &out.w);
    hg_jw_end_arr(&out.w);
    rt_json_send(&out, c);
}

static void answer_nothing(job_t *j, rt_call_t *c)
{
    (void)j;
    rt_reply_empty(c->api, c->r, 204);
}

/* [headgate] apply_on_activation: the answer waits for the restart, and says if it failed. */
static void answer_activated(job_t *j, rt_call_t *c)
{
    const hg_iggy_connector_config_t *now = running(c);
    bool apply = hg_rt_config(c->api->rt)->own.apply_on_activation && now && now->version != j->version;
    if (apply)
        rt_command(c, HG_RT_DO_RESTART);
    else
        rt_reply_empty(c->api, c->r, 204);
}

/* --- questions -----------------------------------------------------------------------------------------------------
 */
static int ask_versions(job_t *j, hg_err_t *err)
{
    return hg_iggy_provider_versions(j->provider, j->kind, j->key, &j->many, err);
}

static int ask_version(job_t *j, hg_err_t *err)
{
    return hg_iggy_provider_get(j->provider, j->kind, j->key, j->version, &j->one, err);
}

static int ask_create(job_t *j, hg_err_t *err)
{
    return hg_iggy_provider_create(j->provider, j->kind, j->key, hg_buf_str(&j->body), &j->one, err);
}

static int ask_delete(job_t *j, hg_err_t *err)
{
    return hg_iggy_provider_delete(j->provider, j->kind, j->key, j->has_version ? &j->version : NULL, err);
}

static int ask_activate(job_t *j, hg_err_t *err)
{
    return hg_iggy_provider_activate(j->provider, j->kind, j->key, j->version, err);
}

/* --- handlers ------------------------------------------------------------------------------------------------------
 */
void rt_get_configs(rt_call_t *c)
{
    if (running(c))
        submit(new_job(c, ask_versions, answer_many));
    else
        rt_reply_unknown(c);
}

void rt_get_config(rt_call_t *c)
{
    uint64_t version;
    if (hg_str_u64(c->last, &version) < 0) {
        rt_reply_text(c->api, c->r, 400, "'" HG_SF "' is no version's number", HG_SA(c->last));
        return;
    }
    if (!running(c)) {
        rt_reply_unknown(c);
        return;
    }
    job_t *j = new_job(c, ask_version, answer_one);
    j->version = version;
    submit(j);
}

void rt_get_active(rt_call_t *c)
{
    const hg_iggy_connector_config_t *now = running(c);
    rt_json_t out;
    if (!now) {
        rt_reply_unknown(c);
        return;
    }
    rt_json_init(&out);
    config_json(now, true, &out.w);
    rt_json_send(&out, c);
}

void rt_get_plugin(rt_call_t *c)
{
    static const char *const types[] = { [HG_IGGY_FMT_JSON] = "application/json",
                                         [HG_IGGY_FMT_YAML] = "application/yaml",
                                         [HG_IGGY_FMT_TOML] = "application/toml",
                                         [HG_IGGY_FMT_TEXT] = "text/plain" };
    const hg_iggy_connector_config_t *now = running(c);
    hg_str_t asked = hg_req_param(c->r, "format");
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t b;
    if (!now) {
        rt_reply_unknown(c);
        return;
    }
    hg_iggy_format_t f = now->format < 0 ? HG_IGGY_FMT_TOML : (hg_iggy_format_t)now->format;
    if (asked.p && !hg_iggy_format_find(asked, &f)) {
        rt_reply_text(c->api, c->r, 400, "format is json, yaml, toml or text, not '" HG_SF "'", HG_SA(asked));
        return;
    }
    hg_buf_init(&b, HG_BUF_NOMAX);
    int rc = hg_iggy_plugin_config_render(now, f, &b, &err);
    if (rc == 0)
        rt_reply(c->api, c->r, 200, types[f], hg_buf_str(&b));
    else if (rc == HG_ENOTFOUND)
        rt_reply_empty(c->api, c->r, 404);
    else
        rt_reply_error(c->api, c->r, 400, "error", err.msg);
    hg_buf_release(&b);
}

void rt_delete_config(rt_call_t *c)
{
    hg_str_t asked = hg_req_param(c->r, "version");
    uint64_t version = 0;
    if (asked.p && hg_str_u64(asked, &version) < 0) {
        rt_reply_text(c->api, c->r, 400, "version: '" HG_SF "' is no number", HG_SA(asked));
        return;
    }
    job_t *j = new_job(c, ask_delete, answer_nothing);
    j->has_version = asked.p != NULL;
    j->version = version;
    submit(j);
}

/* --- with a body ---------------------------------------------------------------------------------------------------
 */
/* application/json, or any …+json; false: answered. */
static bool json_body(rt_call_t *c)
{
    hg_str_t type = hg_req_header(c->r, "content-type");
    const char *end = type.p ? memchr(type.p, ';', type.n) : NULL;
    if (end) type.n = (size_t)(end - type.p);
    type = hg_str_trim(type);
    bool plus = type.n > 17 && memcmp(type.p + type.n - 5, "+json", 5) == 0;
    if (hg_str_ieq(type, HG_S("application/json")) || (plus && hg_str_starts(type, HG_S("application/")))) return true;
    rt_reply_text(c->api, c->r, 415, "the header content-type: application/json is missing");
    return false;
}

static void on_create_body(void *arg, hg_req_t *r, hg_str_t body)
{
    job_t *j = arg;
    hg_req_on_abort(r, on_abort, j);
    hg_buf_addstr(&j->body, body);
    submit(j);
}

static void on_active_body(void *arg, hg_req_t *r, hg_str_t body)
{
    job_t *j = arg;
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    hg_req_on_abort(r, on_abort, j);
    int rc = hg_json_parse(hg_req_arena(r), body, &v, &err);
    if (rc == 0 && hg_json_u64(hg_json_get(v, "version"), &j->version) < 0)
        rc = hg_err_set(&err, HG_ETYPE, "expected {\"version\": NUMBER}");
    if (rc == 0) {
        submit(j);
        return;
    }
    if (rc == HG_ETYPE)
        rt_reply_text(j->api, r, 422, "%s", err.msg);
    else
        rt_reply_err(j->api, r, j->kind, &err);
    free_job(j);
}

/* The connection broke before the body was there, or the body is too large: nobody else frees the job. */
static void on_body_abort(void *arg)
{
    free_job(arg);
}

static void read_body(rt_call_t *c, job_t *j, void (*fn)(void *, hg_req_t *, hg_str_t))
{
    hg_req_on_abort(c->r, on_body_abort, j);
    hg_req_read_all(c->r, MAX_BODY, fn, j);
}

void rt_post_config(rt_call_t *c)
{
    if (json_body(c)) read_body(c, new_job(c, ask_create, answer_created), on_create_body);
}

void rt_put_active(rt_call_t *c)
{
    if (json_body(c)) read_body(c, new_job(c, ask_activate, answer_activated), on_active_body);
}
