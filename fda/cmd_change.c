/* cmd_change.c: `validate-program`: is it one; `diff` and `approve`: what a changed program means for the state that is
 * stored. */
#include "base/hg.h"
#include "fda/fda_int.h"

/* Sends the program that the command line names, and prints what is said about it. */
static int ask_about(fda_t *f, const fda_args_t *a, const char *what, const char *path, bool needs_program)
{
    hg_buf_t program, body;
    bool given;
    fda_answer_t ans;
    hg_jw_t w;
    const char *version = fda_option(a, "runtime-version");
    int rc = fda_read_program(a, &program, &given);
    if (rc == 0 && needs_program && !given)
        rc = fda_error("No SQL program provided: pass a program file path or --stdin.");
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    if (given) {
        hg_jw_key(&w, "program_code");
        hg_jw_str(&w, hg_buf_str(&program));
    }
    if (version) hg_jw_kstr(&w, "runtime_version", version);
    if (needs_program) hg_jw_kbool(&w, "ir", fda_flag(a, "ir"));
    hg_jw_end_obj(&w);
    if (rc == 0) rc = fda_call(f, what, "POST", path, hg_buf_str(&body), 0, &ans);
    if (rc == 0 && ans.json)
        fda_print_json(ans.json, false);
    else if (rc == 0)
        rc = fda_error("%s: the answer is no JSON", what);
    hg_buf_release(&body);
    hg_buf_release(&program);
    return rc;
}

int fda_cmd_diff(fda_t *f, const fda_args_t *a)
{
    return ask_about(f, a, "Failed to compare the program", fda_path(f, "/v0/pipelines/%s/diff", fda_arg(a, "NAME")),
                     false);
}

int fda_cmd_validate(fda_t *f, const fda_args_t *a)
{
    return ask_about(f, a, "Failed to validate program", "/v0/validate_program", true);
}

int fda_cmd_approve(fda_t *f, const fda_args_t *a)
{
    int rc = fda_post(f, "Failed to approve the changes of the pipeline",
                      fda_path(f, "/v0/pipelines/%s/approve?concurrent_bootstrap=%s&silent_bootstrap=%s",
                               fda_arg(a, "NAME"), fda_flag(a, "concurrent-bootstrap") ? "true" : "false",
                               fda_flag(a, "silent-bootstrap") ? "true" : "false"));
    if (rc == 0) puts("Pipeline changes approved successfully.");
    return rc;
}

int fda_tell_approval(fda_t *f, const hg_json_t *pipeline)
{
    const hg_json_t *diff = fda_member(pipeline, "deployment_runtime_status_details.approval_diff");
    puts("The program has changed since the last checkpoint, and the pipeline waits for your word: `fda approve` goes "
         "on with it, `fda stop` leaves the state as it is. The changes:");
    return diff ? fda_print_value(f, diff, FDA_SPREAD, true) : 0;
}
