/* compile_client.c: programs are compiled by a child, `headgate compile` (child.c). A pipeline's job is remembered by
 * its program_version: an answer about an older text is dropped. */
#include "base/hg.h"

#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

typedef struct compilation {
    hg_compiled_fn done;
    void (*begun)(void *arg);
    void *arg;
} compilation_t;

/* The text of one member of the answer, in the arena; NULL for null and absent. */
static const char *member_text(hg_arena_t *a, const hg_json_t *obj, const char *key, hg_str_t text)
{
    const hg_json_t *v = hg_json_get(obj, key);
    if (!v || v->kind == HG_J_NULL) return NULL;
    return hg_arena_strndup(a, text.p + v->off, v->len);
}

static void begun(void *arg)
{
    compilation_t *c = arg;
    if (c->begun) c->begun(c->arg);
}

static void answered(void *arg, hg_str_t text, const char *why)
{
    compilation_t *c = arg;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_compiled_t res = { .system_error = why };
    if (!why && hg_json_parse(a, text, &v, &err) < 0)
        res.system_error = hg_arena_printf(a, "the compiler's answer cannot be read: %.400s", err.msg);
    if (v) {
        res = (hg_compiled_t){ .ok = hg_json_bool(hg_json_get(v, "ok"), false),
                               .messages = member_text(a, v, "messages", text),
                               .program_info = member_text(a, v, "program_info", text),
                               .dataflow = member_text(a, v, "dataflow", text),
                               .diff = member_text(a, v, "diff", text),
                               .diff_error = hg_json_str(hg_json_get(v, "diff_error"), NULL) };
        if (!res.messages || (res.ok && !res.program_info))
            res = (hg_compiled_t){ .system_error = "the compiler's answer is incomplete" };
    }
    c->done(c->arg, &res);
    hg_arena_free(a);
    hg_free(c);
}

static hg_job_t *job_new(hg_mg_t *mg, const char *program, const char *udf_rust, const char *udf_toml,
                         const char *storage, const char *baseline, bool dataflow, void (*begun_fn)(void *arg),
                         hg_compiled_fn done, void *arg)
{
    compilation_t *c = HG_NEW(compilation_t);
    hg_buf_t b;
    hg_jw_t w;
    *c = (compilation_t){ done, begun_fn, arg };
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "program", program);
    hg_jw_kstr(&w, "udf_rust", udf_rust);
    hg_jw_kstr(&w, "udf_toml", udf_toml);
    hg_jw_key(&w, "access");
    hg_access_write(mg->access, &w);
    if (baseline) {
        hg_jw_kstr(&w, "storage", storage);
        hg_jw_kstr(&w, "baseline", baseline);
    }
    if (dataflow) hg_jw_kbool(&w, "dataflow", true);
    hg_jw_end_obj(&w);
    return hg_child_run(mg, "the compiler", "compile", NULL, &b, begun, answered, c);
}

hg_job_t *hg_manager_compile(hg_mg_t *mg, const char *program, const char *udf_rust, const char *udf_toml,
                             void (*begun_fn)(void *arg), hg_compiled_fn done, void *arg)
{
    return job_new(mg, program, udf_rust, udf_toml, NULL, NULL, false, begun_fn, done, arg);
}

hg_job_t *hg_manager_dataflow(hg_mg_t *mg, const char *program, hg_compiled_fn done, void *arg)
{
    return job_new(mg, program, "", "", NULL, NULL, true, NULL, done, arg);
}

hg_job_t *hg_manager_diff(hg_mg_t *mg, const hg_pl_t *pl, const char *program, hg_compiled_fn done, void *arg)
{
    char *storage = hg_deploy_file(mg, pl, HG_DIR_STORAGE);
    hg_job_t *job =
        job_new(mg, program, pl->def.udf_rust, pl->def.udf_toml, storage, pl->def.program_code, false, NULL, done, arg);
    hg_free(storage);
    return job;
}

void hg_compile_forget(hg_job_t *job)
{
    hg_free(hg_child_forget(job));
}

/* --- a pipeline's program ---------------------------------------------------------------------------------------- */

typedef struct pl_job {
    hg_mg_t *mg;
    hg_pl_t *pl; /* retained */
    int64_t program_version;
} pl_job_t;

static bool current(const pl_job_t *j)
{
    return !j->pl->gone && j->pl->program_version == j->program_version;
}

static void step(hg_mg_t *mg, hg_pl_t *pl, hg_prog_t prog, unsigned what)
{
    hg_pl_set_prog(pl, prog);
    hg_mg_save(mg, pl, what | HG_SAVE_STATE | HG_SAVE_EVENT);
}

static void pl_begun(void *arg)
{
    pl_job_t *j = arg;
    if (current(j)) step(j->mg, j->pl, HG_PROG_COMPILING_SQL, 0);
}

static void pl_compiled(void *arg, const hg_compiled_t *res)
{
    pl_job_t *j = arg;
    hg_mg_t *mg = j->mg;
    hg_pl_t *pl = j->pl;
    bool mine = current(j);
    pl->compiling = false;
    hg_free(j);
    if (mg->closing || pl->gone) {
        hg_pl_drop(pl);
        return;
    }
    if (!mine) {
        hg_compile_pipeline(mg, pl); /* the text changed meanwhile */
        hg_pl_drop(pl);
        return;
    }
    hg_set_text(&pl->sql_compilation, res->messages);
    hg_set_text(&pl->system_error, res->system_error);
    if (res->system_error) {
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "compile_failed", "error=\"%.300s\"", res->system_error);
        step(mg, pl, HG_PROG_SYSTEM_ERROR, HG_SAVE_PROGRAM);
    } else if (!res->ok) {
        step(mg, pl, HG_PROG_SQL_ERROR, HG_SAVE_PROGRAM);
    } else {
        hg_set_text(&pl->program_info, res->program_info);
        step(mg, pl, HG_PROG_SQL_COMPILED, HG_SAVE_PROGRAM);
        step(mg, pl, HG_PROG_COMPILING_RUST, 0);
        hg_set_text(&pl->rust_compilation, "{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}");
        step(mg, pl, HG_PROG_SUCCESS, HG_SAVE_PROGRAM);
    }
    hg_deploy_log(mg, pl, "program version %" PRId64 " compiled: %s", pl->program_version, hg_prog_names[pl->lc.prog]);
    hg_runner_kick(mg, pl);
    hg_pl_drop(pl);
}

void hg_compile_pipeline(hg_mg_t *mg, hg_pl_t *pl)
{
    if (pl->compiling || pl->gone || mg->closing) return; /* the answer that is under way will see that it is stale */
    pl_job_t *j = HG_NEW(pl_job_t);
    j->mg = mg;
    j->pl = hg_pl_retain(pl);
    j->program_version = pl->program_version;
    pl->compiling = true;
    hg_manager_compile(mg, pl->def.program_code, pl->def.udf_rust, pl->def.udf_toml, pl_begun, pl_compiled, j);
}
