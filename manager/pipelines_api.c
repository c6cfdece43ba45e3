/* pipelines_api.c: create, read, change and delete pipelines.
 *
 * A change is built as a complete new definition beside the old one, checked, compared, written, and only then takes
 * the old one's place: a request that fails at any point leaves everything as it was.
 */
#include "base/hg.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

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

static void defaults(hg_pldef_t *def)
{
    hg_err_t err = HG_ERR_INIT;
    *def = (hg_pldef_t){ 0 };
    hg_set_text(&def->description, "");
    hg_set_text(&def->tags, "[]");
    hg_set_text(&def->udf_rust, "");
    hg_set_text(&def->udf_toml, "");
    HG_ASSERT(hg_runtime_config(NULL, &def->runtime_config, &err) == 0);
    HG_ASSERT(hg_program_config(NULL, &def->program_config, &err) == 0);
}

static void copy_def(hg_pldef_t *to, const hg_pldef_t *from)
{
    *to = (hg_pldef_t){ 0 };
    hg_set_text(&to->name, from->name);
    hg_set_text(&to->description, from->description);
    hg_set_text(&to->tags, from->tags);
    hg_set_text(&to->program_code, from->program_code);
    hg_set_text(&to->udf_rust, from->udf_rust);
    hg_set_text(&to->udf_toml, from->udf_toml);
    hg_set_text(&to->runtime_config, from->runtime_config);
    hg_set_text(&to->program_config, from->program_config);
}

/* Name and program are there, the name and description are legal and not somebody else's. False after an answer. */
static bool check_def(hg_call_t *c, const hg_pldef_t *def, const hg_pl_t *self)
{
    if (!def->name || !def->program_code) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "The request body misses the member '%s'",
                       def->name ? "program_code" : "name");
        return false;
    }
    bool renamed = !self || strcmp(def->name, self->def.name) != 0;
    if (renamed && refused(c, hg_check_name(hg_strz(def->name)))) return false;
    if ((!self || strcmp(def->description, self->def.description) != 0) &&
        refused(c, hg_check_description(hg_strz(def->description))))
        return false;
    if (renamed && hg_mg_find(c->mg, hg_strz(def->name))) {
        hg_reply_error(c->r, 409, "DuplicateName", NULL, "A pipeline named '%s' already exists", def->name);
        return false;
    }
    return true;
}

static bool same(const char *a, const char *b)
{
    return !strcmp(a, b);
}

/* --- create ------------------------------------------------------------------------------------------------------- */

static void create(hg_call_t *c, hg_pldef_t *def)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pl_t *pl = hg_pl_new();
    hg_uuid_v7(pl->id);
    pl->def = *def;
    *def = (hg_pldef_t){ 0 };
    hg_set_text(&pl->platform_version, HG_FELDERA_VERSION);
    pl->created_us = pl->prog_since = pl->res_since = pl->res_desired_since = hg_now_us();
    pl->version = pl->program_version = pl->refresh_version = 1;
    char *dir = hg_deploy_dir(c->mg, pl);
    if (hg_deploy_mkdir(dir, &err) < 0 || hg_store_insert(c->mg->store, pl, &err) < 0) {
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "create_failed", "error=\"%s\"", err.msg);
        hg_reply_error(c->r, 500, "StorageError", NULL, "The pipeline cannot be stored: %s", err.msg);
        rmdir(dir); /* fails if it never was */
        hg_pl_drop(pl);
    } else {
        hg_mg_add(c->mg, pl);
        hg_deploy_log(c->mg, pl, "created");
        reply_pipeline(c->r, 201, pl, HG_SEL_INFO);
        hg_compile_pipeline(c->mg, pl);
    }
    hg_free(dir);
}

static void post(hg_call_t *c)
{
    hg_pldef_t def;
    defaults(&def);
    if (overlay(c, &def) && check_def(c, &def, NULL)) create(c, &def);
    hg_pldef_release(&def);
}

/* --- change ------------------------------------------------------------------------------------------------------- */

/* False after an answer: something changes that may not while storage holds data. */
static bool storage_allows(hg_call_t *c, const hg_pl_t *pl, const hg_pldef_t *def)
{
    if (pl->lc.storage == HG_STORAGE_CLEARED) return true;
    hg_buf_t b;
    hg_jw_t w;
    unsigned n = 0;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_key(&w, "not_allowed");
    hg_jw_arr(&w);
    size_t list = b.len;
    if (!same(pl->def.name, def->name)) {
        hg_jw_strz(&w, "`name`");
        n++;
    }
    n += hg_runtime_config_restricted(pl->def.runtime_config, def->runtime_config, &w);
    char *names = hg_arena_strndup(hg_req_arena(c->r), b.p + list, b.len - list);
    hg_jw_end_arr(&w);
    hg_jw_end_obj(&w);
    if (n)
        hg_reply_error(c->r, 400, "EditRestrictedToClearedStorage", b.p,
                       "While the storage of the pipeline is not cleared, these cannot be changed: %s; clear it first",
                       names);
    hg_buf_release(&b);
    return n == 0;
}

typedef enum { PLATFORM_KEEP, PLATFORM_WITH_PROGRAM, PLATFORM_BUMP } platform_t;

/* Puts def (taken over) in the place of pl's definition if it is legal. False after an answer of refusal. */
static bool change(hg_call_t *c, hg_pl_t *pl, hg_pldef_t *def, platform_t platform)
{
    hg_mg_t *mg = c->mg;
    hg_err_t err = HG_ERR_INIT;
    bool program = !same(pl->def.program_code, def->program_code) || !same(pl->def.udf_rust, def->udf_rust) ||
                   !same(pl->def.udf_toml, def->udf_toml) || !same(pl->def.program_config, def->program_config);
    bool old = !same(pl->platform_version, HG_FELDERA_VERSION);
    bool bump = old && (platform == PLATFORM_BUMP || (platform == PLATFORM_WITH_PROGRAM && program));
    bool core = program || bump || !same(pl->def.name, def->name) || !same(pl->def.runtime_config, def->runtime_config);
    bool meta = !same(pl->def.description, def->description) || !same(pl->def.tags, def->tags);
    if (!core && !meta) return true;
    if (core) {
        if (refused(c, hg_lc_edit(&pl->lc)) || !storage_allows(c, pl, def)) return false;
    }

    /* Swap, write, and swap back if the store refuses. */
    hg_pldef_t before = pl->def;
    int64_t version = pl->version, program_version = pl->program_version, refresh = pl->refresh_version;
    char *platform_before = hg_xstrdup(pl->platform_version);
    pl->def = *def;
    if (core) {
        pl->version++;
        pl->refresh_version++;
    }
    if (bump) hg_set_text(&pl->platform_version, HG_FELDERA_VERSION);
    if (program || bump) pl->program_version++;
    int rc = hg_store_save(mg->store, pl, HG_SAVE_DEF | HG_SAVE_STATE, &err);
    if (rc < 0) {
        pl->def = before;
        pl->version = version;
        pl->program_version = program_version;
        pl->refresh_version = refresh;
        hg_take_text(&pl->platform_version, platform_before);
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "change_failed", "error=\"%s\"", err.msg);
        hg_reply_error(c->r, 500, "StorageError", NULL, "The change cannot be stored: %s", err.msg);
        return false;
    }
    *def = before; /* released by the caller */
    hg_free(platform_before);
    unsigned what = HG_SAVE_STATE | HG_SAVE_EVENT;
    if (program || bump) {
        hg_pl_set_prog(pl, HG_PROG_PENDING);
        hg_set_text(&pl->program_info, NULL);
        hg_set_text(&pl->sql_compilation, NULL);
        hg_set_text(&pl->rust_compilation, NULL);
        hg_set_text(&pl->system_error, NULL);
        what |= HG_SAVE_PROGRAM;
    }
    hg_mg_save(mg, pl, what);
    return true;
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
    defaults(&def);
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
    else if (change(c, pl, &def, PLATFORM_BUMP))
        changed(c, pl);
out:
    hg_pldef_release(&def);
}

static void patch(hg_call_t *c)
{
    hg_pldef_t def;
    copy_def(&def, &c->pl->def);
    if (overlay(c, &def) && check_def(c, &def, c->pl) && change(c, c->pl, &def, PLATFORM_WITH_PROGRAM))
        changed(c, c->pl);
    hg_pldef_release(&def);
}

static void update_runtime(hg_call_t *c)
{
    hg_pldef_t def;
    if (refused(c, hg_lc_edit(&c->pl->lc))) return;
    copy_def(&def, &c->pl->def);
    if (change(c, c->pl, &def, PLATFORM_BUMP)) changed(c, c->pl);
    hg_pldef_release(&def);
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

static void delete (hg_call_t *c)
{
    hg_pl_t *pl = c->pl;
    hg_err_t err = HG_ERR_INIT;
    if (refused(c, hg_lc_delete(&pl->lc))) return;
    if (hg_store_delete(c->mg->store, pl->id, &err) < 0) {
        hg_reply_error(c->r, 500, "StorageError", NULL, "The pipeline cannot be deleted: %s", err.msg);
        return;
    }
    hg_log(HG_LOG_INFO, "manager", pl->def.name, "pipeline_deleted", "id=%s", pl->id);
    hg_files_remove(c->mg, pl);
    hg_mg_remove(c->mg, pl);
    hg_reply_empty(c->r, 200);
}

const hg_route_t hg_pipeline_routes[] = {
    { "GET", "v0/pipelines", 0, get_all, NULL },
    { "POST", "v0/pipelines", HG_R_BODY, post, NULL },
    { "GET", "v0/pipelines/{p}", HG_R_PIPELINE, get_one, NULL },
    { "PUT", "v0/pipelines/{p}", HG_R_BODY, put, NULL },
    { "PATCH", "v0/pipelines/{p}", HG_R_BODY | HG_R_PIPELINE, patch, NULL },
    { "DELETE", "v0/pipelines/{p}", HG_R_PIPELINE, delete, NULL },
    { "POST", "v0/pipelines/{p}/update_runtime", HG_R_PIPELINE, update_runtime, NULL },
    { .method = NULL },
};
