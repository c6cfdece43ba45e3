/* cmd_data.c: what a running pipeline tells: statistics, metrics, logs, completion tokens. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define LOG_FIRST_MS 5000 /* how long `logs` waits for its first line, and then for each next one */
#define LOG_IDLE_MS  250

int fda_cmd_stats(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc =
        fda_get(f, "Failed to get pipeline stats", fda_path(f, "/v0/pipelines/%s/stats", fda_arg(a, "NAME")), 0, &v);
    return rc ? rc : fda_print_value(f, v, FDA_SPREAD, false);
}

int fda_cmd_metrics(fda_t *f, const fda_args_t *a)
{
    fda_answer_t ans;
    if (f->format != FDA_JSON && f->format != FDA_PROMETHEUS)
        return fda_error("`%s` is not supported as a metrics format (use `--format json` or `--format prometheus`)",
                         fda_format_name(f->format));
    int rc = fda_call(f, "Failed to get pipeline metrics", "GET",
                      fda_path(f, "/v0/pipelines/%s/metrics?format=%s", fda_arg(a, "NAME"), fda_format_name(f->format)),
                      (hg_str_t){ 0 }, 0, &ans);
    if (rc == 0) fwrite(ans.text.p, 1, ans.text.n, stdout);
    return rc;
}

int fda_cmd_logs(fda_t *f, const fda_args_t *a)
{
    bool watch = fda_flag(a, "watch");
    return fda_stream(f, "Failed to get pipeline logs", fda_path(f, "/v0/pipelines/%s/logs", fda_arg(a, "NAME")),
                      watch ? 0 : LOG_FIRST_MS, watch ? 0 : LOG_IDLE_MS);
}

/* --- completion tokens --- */

static int print_member(fda_t *f, const hg_json_t *v, const char *member)
{
    if (f->format != FDA_TEXT) return fda_print_value(f, v, FDA_ALIGNED, false);
    puts(fda_text(v, member, ""));
    return 0;
}

int fda_cmd_token(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(f, "Failed to get completion token",
                     fda_path(f, "/v0/pipelines/%s/tables/%s/connectors/%s/completion_token", fda_arg(a, "NAME"),
                              fda_arg(a, "TABLE"), fda_arg(a, "CONNECTOR")),
                     0, &v);
    return rc ? rc : print_member(f, v, "token");
}

int fda_cmd_token_status(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(
        f, "Failed to get completion status",
        fda_path(f, "/v0/pipelines/%s/completion_status?token=%s", fda_arg(a, "NAME"), fda_arg(a, "TOKEN")), 0, &v);
    return rc ? rc : print_member(f, v, "status");
}
