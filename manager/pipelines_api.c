/* pipelines_api.c: requests to create, read, change and delete pipelines; what they do is in edit.c. */
#include "base/hg.h"

#include "manager/edit_int.h"

static const char *const selectors[] = { "all", "status", "status_with_connectors" };

static void reply_pipeline(hg_req_t *r, int status, const hg_pl_t *pl, hg_sel_t sel)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_pl_json(&w, pl, sel);
    hg_reply_json(r, status, &b);
    hg_buf_release(&b);
}

static void get_all(hg_call_t *c)
{
    int sel = hg_call_enum(c, "selector", selectors, HG_COUNT(selectors), HG_SEL_ALL);
    if (sel < 0) return;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    for (size_t i = 0; i < c->mg->n_pls; i++) hg_pl_json(&w, c->mg->pls[i], (hg_sel_t)sel);
    hg_jw_end_arr(&w);
    hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

static void get_one(hg_call_t *c)
{
    int sel = hg_call_enum(c, "selector", selectors, HG_COUNT(selectors), HG_SEL_ALL);
    if (sel >= 0) reply_pipeline(c->r, 200, c->pl, (hg_sel_t)sel);
}

/* --- definitions -------------------------------------------------------------------------------------------------- */

typedef struct field {
    const char *key;
    hg_jkind_t kind;
    size_t at; /* in hg_pldef_t; text is stored decoded, everything else as JSON */
} field_t;

static const field_t fields[] = {
    { "name", HG_J_STRING, offsetof(hg_pldef_t, name) },
    { "description", HG_J_STRING, offsetof(hg_pldef_t, description) },
    { "program_code", HG_J_STRING, offsetof(hg_pldef_t, program_code) },
    { "udf_rust", HG_J_STRING, offsetof(hg_pldef_t, udf_rust) },
    { "udf_toml", HG_J_STRING, offsetof(hg_pldef_t, udf_toml) },
};

static char **slot(hg_pldef_t *def, const field_t *f)
{
    return (char **)(void *)((char *)def + f->at);
}

static bool given(const hg_json_t *v)
{
    return v && v->kind != HG_J_NULL;
}

static bool bad_type(hg_call_t *c, const char *key, const char *want, const hg_json_t *v)
{
    hg_reply_error(c->r, 400, "InvalidRequest", NULL, "Member '%s' of the request body: expected %s, found %s", key,
                   want, hg_json_kind_name(v->kind));
    return false;
}

static bool refused(hg_call_t *c, hg_verdict_t v)
{
    if (v.answer != HG_REFUSE) return false;
    hg_reply_verdict(c->r, &v);
    return true;
}

static bool bad_config(hg_call_t *c, const char *code, const hg_json_t *v, const hg_err_t *err)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_key(&w, "value");
    hg_jw_node(&w, v);
    hg_jw_kstr(&w, "error", err->msg);
    hg_jw_end_obj(&w);
    hg_reply_error(c->r, 400, code, b.p, "Invalid configuration: %s", err->msg);
    hg_buf_release(&b);
    return false;
}

/* Lays the members of the body over def; those that are absent or null stay. False after an answer. */
static bool overlay(hg_call_t *c, hg_pldef_t *def)
{
    const hg_json_t *body = c->body;
    hg_err_t err = HG_ERR_INIT;
    if (!body || body->kind != HG_J_OBJECT) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "The request body must be a JSON object");
        return false;
    }
    for (size_t i = 0; i < HG_COUNT(fields); i++) {
        const hg_json_t *v = hg_json_get(body, fields[i].key);
        if (!given(v)) continue;
        if (v->kind != fields[i].kind) return bad_type(c, fields[i].key, "a string", v);
        if (memchr(v->str.p, 0, v->str.n)) return bad_type(c, fields[i].key, "text without NUL characters", v);
        hg_set_text(slot(def, &fields[i]), v->str.p);
    }
    const hg_json_t *tags = hg_json_get(body, "tags");
    if (given(tags)) {
        if (tags->kind != HG_J_ARRAY) return bad_type(c, "tags", "an array", tags);
        for (const hg_json_t *t = tags->child; t; t = t->next)
            if (t->kind != HG_J_STRING) return bad_type(c, "tags", "an array of strings", t);
        if (refused(c, hg_check_tags(tags))) return false;
        hg_buf_t b;
        hg_jw_t w;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        hg_jw_node(&w, tags);
        hg_take_text(&def->tags, hg_buf_take(&b, NULL));
    }
    const hg_json_t *rc = hg_json_get(body, "runtime_config"), *pc = hg_json_get(body, "program_config");
    char *json = NULL;
    if (given(rc)) {
        if (hg_runtime_config(rc, &json, &err) < 0) return bad_config(c, "InvalidRuntimeConfig", rc, &err);
        hg_take_text(&def->runtime_config, json);
    }
    if (given(pc)) {
        if (hg_program_config(pc, &json, &err) < 0) return bad_config(c, "InvalidProgramConfig", pc, &err);
        hg_take_text(&def->program_config, json);
    }
    return true;
}

/* --- create ------------------------------------------------------------------------------------------------------- */

/* The body has what a pipeline cannot do without, and what it says is legal. False after an answer. */
static bool check_def(hg_call_t *c, const hg_pldef_t *def, const hg_pl_t *self)
{
    if (def->name && def->program_code) return !refused(c, hg_edit_check(c->mg, def, self));
    hg_reply_error(c->r, 400, "InvalidRequest", NULL, "The request body misses the member '%s'",
                   def->name ? "program_code" : "name");
    return false;
}

static void create(hg_call_t *c, hg_pldef_t *def)
{
    hg_pl_t *pl;
    if (refused(c, hg_edit_create(c->mg, def, NULL, &pl))) return;
    reply_pipeline(c->r, 201, pl, HG_SEL_INFO);
    hg_compile_pipeline(c->mg, pl);
}

static void post(hg_call_t *c)
{
    hg_pldef_t def;
    hg_edit_defaults(&def);
    if (overlay(c, &def) && check_def(c, &def, NULL)) create(c, &def);
    hg_pldef_release(&def);
}

/* --- change ------------------------------------------------------------------------------------------------------- */

/* False after an answer of refusal. */
static bool change(hg_call_t *c, hg_pl_t *pl, hg_pldef_t *def, hg_platform_t platform)
{
    return !refused(c, hg_edit_change(c->mg, pl, def, platform));
}

static void changed(hg_call_t *c, hg_pl_t *pl)
{
    reply_pipeline(c->r, 200, pl, HG_SEL_INFO);
    if (pl->lc.prog == HG_PROG_PENDING) hg_compile_pipeline(c->mg, pl);
}

static void put(hg_call_t *c)
{
    hg_pl_t *pl = hg_mg_find(c->mg, c->cap[0]);
    hg_pldef_t def;
    hg_edit_defaults(&def);
    if (!overlay(c, &def)) goto out;
    if (!pl && def.name && !hg_str_eqz(c->cap[0], def.name)) {
        hg_reply_error(c->r, 400, "CannotRenameNonExistingPipeline", NULL,
                       "Pipeline '" HG_SF "' does not exist, so it cannot be renamed to '%s'", HG_SA(c->cap[0]),
                       def.name);
        goto out;
    }
    if (!check_def(c, &def, pl)) goto out;
    if (!pl)
        create(c, &def);
    else if (change(c, pl, &def, HG_PLATFORM_BUMP))
        changed(c, pl);
out:
    hg_pldef_release(&def);
}

static void patch(hg_call_t *c)
{
    hg_pldef_t def;
    hg_edit_copy(&def, &c->pl->def);
    if (overlay(c, &def) && check_def(c, &def, c->pl) && change(c, c->pl, &def, HG_PLATFORM_WITH_PROGRAM))
        changed(c, c->pl);
    hg_pldef_release(&def);
}

static void update_runtime(hg_call_t *c)
{
    hg_pldef_t def;
    if (refused(c, hg_lc_edit(&c->pl->lc))) return;
    hg_edit_copy(&def, &c->pl->def);
    if (change(c, c->pl, &def, HG_PLATFORM_BUMP)) changed(c, c->pl);
    hg_pldef_release(&def);
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

static void delete (hg_call_t *c)
{
    if (!refused(c, hg_edit_delete(c->mg, c->pl))) hg_reply_empty(c->r, 200);
}

const hg_route_t hg_pipeline_routes[] = {
    { "GET", "v0/pipelines", 0, get_all, NULL,
      "All pipelines. `selector=status`: without program, configuration and schema" },
    { "POST", "v0/pipelines", HG_R_BODY, post, NULL,
      "Creates a pipeline: `name`, `program_code`, `runtime_config`, `program_config`, `description`, `tags`. 201" },
    { "GET", "v0/pipelines/{p}", HG_R_PIPELINE, get_one, NULL, "One pipeline; `selector=status` as above" },
    { "PUT", "v0/pipelines/{p}", HG_R_BODY, put, NULL, "Creates it (201), or replaces its whole definition (200)" },
    { "PATCH", "v0/pipelines/{p}", HG_R_BODY | HG_R_PIPELINE, patch, NULL, "Changes the members that are given" },
    { "DELETE", "v0/pipelines/{p}", HG_R_PIPELINE, delete, NULL,
      "Deletes it; it must be stopped and its storage cleared" },
    { "POST", "v0/pipelines/{p}/update_runtime", HG_R_PIPELINE, update_runtime, NULL,
      "Compiles the program of a stopped pipeline anew" },
    { .method = NULL },
};
