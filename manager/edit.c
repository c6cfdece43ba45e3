/* edit.c: see edit_int.h. A change is a complete new definition beside the old one. */
#include "base/hg.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/edit_int.h"

static const hg_verdict_t fine = { .answer = HG_DO_IT };

static bool same(const char *a, const char *b)
{
    return !strcmp(a, b);
}

void hg_edit_defaults(hg_pldef_t *def)
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

void hg_edit_copy(hg_pldef_t *to, const hg_pldef_t *from)
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

hg_verdict_t hg_edit_check(hg_mg_t *mg, const hg_pldef_t *def, const hg_pl_t *self)
{
    bool renamed = !self || !same(def->name, self->def.name);
    hg_verdict_t v = renamed ? hg_check_name(hg_strz(def->name)) : fine;
    if (v.answer != HG_REFUSE && (!self || !same(def->description, self->def.description)))
        v = hg_check_description(hg_strz(def->description));
    if (v.answer != HG_REFUSE && renamed && hg_mg_find(mg, hg_strz(def->name)))
        v = hg_lc_refuse(409, "DuplicateName", "A pipeline named '%s' already exists", def->name);
    return v;
}

hg_verdict_t hg_edit_create(hg_mg_t *mg, hg_pldef_t *def, char *git, hg_pl_t **ret)
{
    hg_err_t err = HG_ERR_INIT;
    hg_verdict_t v = fine;
    hg_pl_t *pl = hg_pl_new();
    hg_uuid_v7(pl->id);
    pl->def = *def;
    pl->git = git;
    *def = (hg_pldef_t){ 0 };
    hg_set_text(&pl->platform_version, HG_FELDERA_VERSION);
    pl->created_us = pl->prog_since = pl->res_since = pl->res_desired_since = hg_now_us();
    pl->version = pl->program_version = pl->refresh_version = 1;
    char *dir = hg_deploy_dir(mg, pl);
    if (hg_deploy_mkdir(dir, &err) < 0 || hg_store_insert(mg->store, pl, &err) < 0) {
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "create_failed", "error=\"%s\"", err.msg);
        v = hg_lc_refuse(500, "StorageError", "The pipeline cannot be stored: %s", err.msg);
        rmdir(dir); /* fails if it never was */
        hg_pl_drop(pl);
    } else {
        hg_mg_add(mg, pl);
        hg_deploy_log(mg, pl, "created");
        *ret = pl;
    }
    hg_free(dir);
    return v;
}

/* --- change ------------------------------------------------------------------------------------------------------- */

hg_verdict_t hg_edit_storage_allows(const hg_pl_t *pl, const hg_pldef_t *def)
{
    if (pl->lc.storage == HG_STORAGE_CLEARED) return fine;
    hg_verdict_t v = fine;
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
    size_t list_end = b.len;
    hg_jw_end_arr(&w);
    hg_jw_end_obj(&w);
    if (n) {
        v = hg_lc_refuse(
            400, "EditRestrictedToClearedStorage",
            "While the storage of the pipeline is not cleared, these cannot be changed: %.*s; clear it first",
            (int)(list_end - list), b.p + list);
        snprintf(v.details, sizeof v.details, "%s", b.p);
    }
    hg_buf_release(&b);
    return v;
}

hg_verdict_t hg_edit_change(hg_mg_t *mg, hg_pl_t *pl, hg_pldef_t *def, hg_platform_t platform)
{
    hg_err_t err = HG_ERR_INIT;
    bool program = !same(pl->def.program_code, def->program_code) || !same(pl->def.udf_rust, def->udf_rust) ||
                   !same(pl->def.udf_toml, def->udf_toml) || !same(pl->def.program_config, def->program_config);
    bool old = !same(pl->platform_version, HG_FELDERA_VERSION);
    bool bump = old && (platform == HG_PLATFORM_BUMP || (platform == HG_PLATFORM_WITH_PROGRAM && program));
    bool core = program || bump || !same(pl->def.name, def->name) || !same(pl->def.runtime_config, def->runtime_config);
    bool meta = !same(pl->def.description, def->description) || !same(pl->def.tags, def->tags);
    if (!core && !meta) return (hg_verdict_t){ .answer = HG_NOOP };
    if (core) {
        hg_verdict_t v = hg_lc_edit(&pl->lc);
        if (v.answer != HG_REFUSE) v = hg_edit_storage_allows(pl, def);
        if (v.answer == HG_REFUSE) return v;
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
        return hg_lc_refuse(500, "StorageError", "The change cannot be stored: %s", err.msg);
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
    return fine;
}

/* --- start, delete ------------------------------------------------------------------------------------------------ */

hg_verdict_t hg_edit_start(hg_mg_t *mg, hg_pl_t *pl, const hg_start_args_t *a)
{
    hg_verdict_t v = hg_lc_start(&pl->lc, a);
    if (v.answer != HG_DO_IT) return v;
    hg_pl_set_error(pl, NULL);
    hg_pl_set_res_desired(pl, HG_RES_PROVISIONED);
    hg_lc_apply_start(&pl->lc, a);
    hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    return v;
}

hg_verdict_t hg_edit_delete(hg_mg_t *mg, hg_pl_t *pl)
{
    hg_err_t err = HG_ERR_INIT;
    hg_verdict_t v = hg_lc_delete(&pl->lc);
    if (v.answer == HG_REFUSE) return v;
    if (hg_store_delete(mg->store, pl->id, &err) < 0)
        return hg_lc_refuse(500, "StorageError", "The pipeline cannot be deleted: %s", err.msg);
    hg_log(HG_LOG_INFO, "manager", pl->def.name, "pipeline_deleted", "id=%s", pl->id);
    hg_files_remove(mg, pl);
    hg_mg_remove(mg, pl);
    return fine;
}
