/* cmd_compile.c: `headgate compile`, the manager's compiler process. One JSON document in on standard input, one out:
 *   in   {"program": "…", "udf_rust": "…", "udf_toml": "…"}, and to ask for a difference
 *        "access": what programs may reach (base/access.h)
 *        "storage": folder of the pipeline's state, "baseline": the program to compare with if there is no state
 *        "dataflow": true for the graph as well
 *   out  {"ok": bool, "messages": {"exit_code", "messages"}, "program_info": {…} | null, "diff": {…}, "diff_error":
 * "…"} Exit code 0 = an answer was printed (whether the program compiles or not). */
#include "base/hg.h"
#include "base/access.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "headgate/cmd.h"
#include "pipeline/program_diff.h"
#include <unistd.h>

static void put_diff(const hg_program_t *p, const char *storage, hg_str_t baseline, hg_jw_t *w)
{
    hg_buf_t b;
    hg_jw_t d;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&d, &b);
    if (hg_program_diff_ask(p, storage, baseline, &d, &err) < 0) {
        hg_jw_kstr(w, "diff_error", err.msg);
    } else {
        hg_jw_key(w, "diff");
        hg_jw_raw(w, hg_buf_str(&b));
    }
    hg_buf_release(&b);
}

static void put_answer(const hg_program_t *p, const hg_json_t *request, hg_buf_t *out)
{
    const hg_json_t *baseline = hg_json_get(request, "baseline");
    hg_jw_t w;
    hg_jw_init(&w, out);
    hg_jw_obj(&w);
    hg_jw_kbool(&w, "ok", p->ok);
    hg_jw_key(&w, "messages");
    hg_program_messages_json(p, &w);
    hg_jw_key(&w, "program_info");
    if (p->ok)
        hg_program_info_json(p, &w);
    else
        hg_jw_null(&w);
    if (p->ok && baseline && baseline->kind == HG_J_STRING)
        put_diff(p, hg_json_str(hg_json_get(request, "storage"), ""), baseline->str, &w);
    if (p->ok && hg_json_bool(hg_json_get(request, "dataflow"), false)) {
        hg_jw_key(&w, "dataflow");
        hg_program_dataflow_json(p, &w);
    }
    hg_jw_end_obj(&w);
}

bool hg_cmd_read_stdin(hg_buf_t *in)
{
    char buf[65536];
    ssize_t n;
    while ((n = read(0, buf, sizeof buf)) > 0)
        if (hg_buf_add(in, buf, (size_t)n) < 0) return false;
    return n == 0;
}

int hg_cmd_compile(int argc, char **argv)
{
    hg_buf_t in, out;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    (void)argv;
    if (argc != 1) {
        fprintf(stderr, "usage: headgate compile < request.json\n");
        return 2;
    }
    hg_buf_init(&in, 256u << 20);
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = 1;
    if (!hg_cmd_read_stdin(&in) || hg_json_parse(a, hg_buf_str(&in), &v, &err) < 0) {
        fprintf(stderr, "headgate compile: standard input: %s\n", err.code ? err.msg : "cannot be read");
    } else if (hg_access_enter(hg_json_get(v, "access"), &err) < 0) {
        fprintf(stderr, "headgate compile: %s\n", err.msg);
    } else {
        hg_compile_opts_t o = { .udf_rust = hg_json_str(hg_json_get(v, "udf_rust"), ""),
                                .udf_toml = hg_json_str(hg_json_get(v, "udf_toml"), "") };
        const hg_json_t *text = hg_json_get(v, "program");
        hg_program_t *p = hg_compile(text && text->kind == HG_J_STRING ? text->str : HG_S(""), &o);
        put_answer(p, v, &out);
        rc = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
        hg_program_free(p);
    }
    hg_buf_release(&in);
    hg_buf_release(&out);
    hg_arena_free(a);
    return rc;
}
