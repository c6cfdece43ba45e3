/* program_api.c: questions about programs: validate_program and diff (both compile), dataflow_graph. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/manager_int.h"

typedef struct question {
    hg_req_t *r; /* NULL: the client left */
    hg_job_t *job;
} question_t;

static void on_abort(void *arg)
{
    question_t *q = arg;
    hg_compile_forget(q->job);
    hg_free(q);
}

/* runtime_version is accepted as absent, null, or this version: there is no other compiler here. False after an answer.
 */
static bool runtime_version_ok(hg_call_t *c)
{
    const char *v = hg_json_str(hg_json_get(c->body, "runtime_version"), NULL);
    if (!v || !strcmp(v, HG_FELDERA_VERSION)) return true;
    hg_reply_error(c->r, 400, "InvalidRuntimeVersion", NULL, "Invalid runtime version '%s': only %s is available", v,
                   HG_FELDERA_VERSION);
    return false;
}

/* --- validate_program --------------------------------------------------------------------------------------------- */

static void validated(void *arg, const hg_compiled_t *res)
{
    question_t *q = arg;
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    if (res->system_error) {
        hg_jw_key(&w, "SystemError");
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "error", res->system_error);
        hg_jw_end_obj(&w);
    } else if (!res->ok) {
        hg_jw_key(&w, "SqlError");
        hg_jw_obj(&w);
        hg_jw_kraw(&w, "info", res->messages);
        hg_jw_end_obj(&w);
    } else {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *info = NULL;
        hg_err_t err = HG_ERR_INIT;
        hg_jw_key(&w, "Success");
        hg_jw_obj(&w);
        hg_jw_key(&w, "program_info");
        hg_jw_obj(&w);
        if (hg_json_parse(a, hg_strz(res->program_info), &info, &err) == 0)
            for (const hg_json_t *m = info->child; m; m = m->next) {
                hg_jw_key(&w, m->key.p);
                hg_jw_node(&w, m);
            }
        hg_jw_kraw(&w, "dataflow", res->dataflow);
        hg_jw_end_obj(&w);
        hg_jw_end_obj(&w);
        hg_arena_free(a);
    }
    hg_jw_end_obj(&w);
    hg_reply_json(q->r, 200, &b);
    hg_buf_release(&b);
    hg_free(q);
}

static void validate(hg_call_t *c)
{
    const char *program = hg_json_str(hg_json_get(c->body, "program_code"), NULL);
    if (!program) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "The request body misses the member 'program_code'");
        return;
    }
    if (!runtime_version_ok(c)) return;
    question_t *q = HG_NEW(question_t);
    q->r = c->r;
    hg_req_on_abort(c->r, on_abort, q);
    q->job = hg_json_bool(hg_json_get(c->body, "ir"), false)
                 ? hg_manager_dataflow(c->mg, program, validated, q)
                 : hg_manager_compile(c->mg, program, "", "", NULL, validated, q);
}

/* --- diff: compared by the compiler's process, which knows what programs mean ---------------------------------------
 */

/* The first message that is no warning. */
static const char *first_error(hg_arena_t *a, const char *messages)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_json_parse(a, hg_strz(messages), &v, &err) == 0) {
        const hg_json_t *list = hg_json_get(v, "messages");
        for (const hg_json_t *m = list ? list->child : NULL; m; m = m->next)
            if (!hg_json_bool(hg_json_get(m, "warning"), false)) return hg_json_str(hg_json_get(m, "message"), "");
    }
    return "the program does not compile";
}

static void diffed(void *arg, const hg_compiled_t *res)
{
    question_t *q = arg;
    hg_arena_t *a = hg_arena_new();
    if (res->system_error)
        hg_reply_error(q->r, 500, "NewProgramCompilationFailed", NULL, "The new program cannot be compiled: %s",
                       res->system_error);
    else if (!res->ok)
        hg_reply_error(q->r, 400, "InvalidNewProgramSql", NULL, "The new program has errors: %s",
                       first_error(a, res->messages));
    else if (!res->diff)
        hg_reply_error(q->r, 400, "BootstrapNotAllowed", NULL, "The stored state cannot be compared with a program: %s",
                       res->diff_error ? res->diff_error : "the compiler says nothing about it");
    else
        hg_reply_raw(q->r, 200, "application/json", hg_strz(res->diff));
    hg_arena_free(a);
    hg_free(q);
}

static bool not_compiled(hg_call_t *c)
{
    if (c->pl->program_info) return false;
    hg_reply_error(c->r, 404, "ProgramNotCompiled", NULL, "The program of pipeline '%s' is not compiled (status: '%s')",
                   c->pl->def.name, hg_prog_names[c->pl->lc.prog]);
    return true;
}

static void diff(hg_call_t *c)
{
    const char *program = hg_json_str(hg_json_get(c->body, "program_code"), NULL);
    if (not_compiled(c) || !runtime_version_ok(c)) return;
    question_t *q = HG_NEW(question_t);
    q->r = c->r;
    hg_req_on_abort(c->r, on_abort, q);
    q->job = hg_manager_diff(c->mg, c->pl, program ? program : c->pl->def.program_code, diffed, q);
}

/* --- dataflow_graph: made when it is asked for, which takes milliseconds ------------------------------------------ */

static void drawn(void *arg, const hg_compiled_t *res)
{
    question_t *q = arg;
    if (res->dataflow)
        hg_reply_raw(q->r, 200, "application/json", hg_strz(res->dataflow));
    else
        hg_reply_error(q->r, 404, "ProgramInfoMissesDataflow", NULL, "There is no dataflow graph: %s",
                       res->system_error ? res->system_error : "the program does not compile any more");
    hg_free(q);
}

static void dataflow_graph(hg_call_t *c)
{
    if (not_compiled(c)) return;
    question_t *q = HG_NEW(question_t);
    q->r = c->r;
    hg_req_on_abort(c->r, on_abort, q);
    q->job = hg_manager_dataflow(c->mg, c->pl->def.program_code, drawn, q);
}

const hg_route_t hg_program_routes[] = {
    { "POST", "v0/validate_program", HG_R_BODY, validate, NULL,
      "Compiles a program without keeping it; its messages or its schema and connectors" },
    { "POST", "v0/pipelines/{p}/diff", HG_R_BODY | HG_R_PIPELINE, diff, NULL,
      "What a start with this program would find changed" },
    { "GET", "v0/pipelines/{p}/dataflow_graph", HG_R_PIPELINE, dataflow_graph, NULL,
      "The operators of the compiled program and what feeds them" },
    { .method = NULL },
};
