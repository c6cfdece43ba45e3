/* cmd_pipeline.c: pipelines and their life: list, create, copy, start, pause, resume, stop, restart, clear, delete,
 * status. The calls and their order are those of the real fda. */
#include "base/hg.h"
#include "base/mem.h"
#include "fda/fda_int.h"

#define POLL_FIRST_MS 10
#define POLL_LAST_MS  500

/* Text: the sentence. JSON: the descriptor that the server answered. */
static int tell(fda_t *f, const hg_json_t *v, const char *sentence)
{
    if (f->format == FDA_JSON && v)
        fda_print_json(v, false);
    else
        puts(sentence);
    return 0;
}

int fda_cmd_pipelines(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *list;
    (void)a;
    int rc = fda_get(f, "Failed to list pipelines",
                     f->format == FDA_JSON ? "/v0/pipelines" : "/v0/pipelines?selector=status", 0, &list);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, list, FDA_ALIGNED, false);
    const char **text = HG_ANEWN(f->arena, const char *, 2 * (list->n + 1));
    size_t n = 0;
    text[n++] = "name";
    text[n++] = "status";
    for (const hg_json_t *p = list->child; p; p = p->next) {
        text[n++] = fda_text(p, "name", "");
        text[n++] = fda_text(p, "deployment_status", "");
    }
    fda_print_box(text, n / 2, 2);
    return 0;
}

/* --- create and copy --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_tags(hg_jw_t *w, const fda_args_t *a)
{
    const char *tags[64];
    uint32_t n = fda_options(a, "tag", tags, HG_COUNT(tags));
    if (n == 0) return;
    qsort(tags, n, sizeof *tags, by_text);
    hg_jw_key(w, "tags");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || strcmp(tags[i], tags[i - 1]) != 0) hg_jw_strz(w, tags[i]);
    hg_jw_end_arr(w);
}

int fda_cmd_create(fda_t *f, const fda_args_t *a)
{
    hg_buf_t program, body;
    bool given;
    fda_answer_t ans;
    hg_jw_t w;
    const char *profile = fda_arg(a, "PROFILE");
    int rc = fda_read_program(a, &program, &given);
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "name", fda_arg(a, "NAME"));
    hg_jw_key(&w, "program_code");
    hg_jw_str(&w, hg_buf_str(&program));
    hg_jw_key(&w, "program_config");
    hg_jw_obj(&w);
    hg_jw_kbool(&w, "cache", true);
    hg_jw_kstr(&w, "profile", profile ? profile : "optimized");
    if (fda_option(a, "runtime-version")) hg_jw_kstr(&w, "runtime_version", fda_option(a, "runtime-version"));
    hg_jw_kbool(&w, "use_platform_compiler", fda_flag(a, "use-platform-compiler"));
    hg_jw_end_obj(&w);
    put_tags(&w, a);
    if (rc == 0) rc = fda_put_file(&w, "udf_rust", fda_option(a, "udf-rs"));
    if (rc == 0) rc = fda_put_file(&w, "udf_toml", fda_option(a, "udf-toml"));
    hg_jw_end_obj(&w);
    if (rc == 0)
        rc = fda_call(f, "Failed to create pipeline", "POST", "/v0/pipelines", hg_buf_str(&body), FDA_ONCE, &ans);
    if (rc == 0) rc = tell(f, ans.json, "Pipeline created successfully.");
    hg_buf_release(&body);
    hg_buf_release(&program);
    return rc;
}

int fda_cmd_copy(fda_t *f, const fda_args_t *a)
{
    static const char *const members[] = { "description",    "tags",     "program_code", "runtime_config",
                                           "program_config", "udf_rust", "udf_toml" };
    const hg_json_t *p;
    fda_answer_t ans;
    hg_buf_t body;
    hg_jw_t w;
    int rc = fda_pipeline(f, "Failed to get source pipeline", fda_arg(a, "SOURCE"), true, &p);
    if (rc) return rc;
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "name", fda_arg(a, "DESTINATION"));
    for (size_t i = 0; i < HG_COUNT(members); i++) {
        const hg_json_t *m = fda_member(p, members[i]);
        if (!m) continue;
        hg_jw_key(&w, members[i]);
        hg_jw_node(&w, m);
    }
    hg_jw_end_obj(&w);
    rc = fda_call(f, "Failed to copy pipeline", "POST", "/v0/pipelines", hg_buf_str(&body), FDA_ONCE, &ans);
    if (rc == 0) rc = tell(f, ans.json, "Pipeline copied successfully.");
    hg_buf_release(&body);
    return rc;
}

/* --- waiting for a status --- */

static int tell_deployment_error(const hg_json_t *p)
{
    const char *compiler = fda_text(p, "deployment_error.details.compiler_error", NULL);
    if (compiler && strcmp(fda_text(p, "deployment_error.error_code", ""), "StartFailedDueToFailedCompilation") == 0)
        return fda_error("Pipeline failed to start due to the following compilation error:\n\n%s", compiler);
    return fda_error("%s", fda_text(p, "deployment_error.message", "The pipeline failed"));
}

typedef struct {
    const char *what, *name, *member, *wanted;
} goal_t;

/* What one look at the pipeline says: 0 not yet, 1 reached, -1 refused (said why). */
static int judge(const goal_t *g, const hg_json_t *p)
{
    const char *status = fda_text(p, "deployment_status", "");
    if (strcmp(fda_text(p, g->member, ""), g->wanted) == 0) return 1;
    if (fda_member(p, "deployment_error")) {
        tell_deployment_error(p);
        return -1;
    }
    if (strcmp(status, "AwaitingApproval") == 0) {
        fda_error("The program of pipeline '%s' has changed since it last ran; its changes await approval", g->name);
        return -1;
    }
    if (strcmp(g->member, "deployment_status") == 0 && strcmp(status, "Stopped") == 0 &&
        strcmp(fda_text(p, "deployment_desired_status", ""), "Stopped") == 0) {
        fda_error("%s: pipeline '%s' was stopped", g->what, g->name);
        return -1;
    }
    return 0;
}

static int look_status(fda_t *f, void *arg)
{
    const goal_t *g = arg;
    const hg_json_t *p;
    if (fda_pipeline(f, g->what, g->name, false, &p)) return -1;
    return judge(g, p);
}

/* For a start: waiting for an approval is an end of it, too. One look decides: a second one may see what the first did
 * not yet. */
static int look_started(fda_t *f, void *arg)
{
    const goal_t *g = arg;
    const hg_json_t *p;
    if (fda_pipeline(f, g->what, g->name, false, &p)) return -1;
    if (strcmp(fda_text(p, "deployment_status", ""), "AwaitingApproval") != 0) return judge(g, p);
    return fda_tell_approval(f, p) ? -1 : 2;
}

static int look_compiled(fda_t *f, void *arg)
{
    const goal_t *g = arg;
    const hg_json_t *p;
    if (fda_pipeline(f, g->what, g->name, false, &p)) return -1;
    const char *s = fda_text(p, "program_status", "");
    return strcmp(s, "Pending") != 0 && strcmp(s, "CompilingSql") != 0 && strcmp(s, "SqlCompiled") != 0 &&
           strcmp(s, "CompilingRust") != 0;
}

/* Until look answers something; that goes to *ret_found (or NULL). */
static int await(fda_t *f, int (*look)(fda_t *f, void *arg), goal_t g, int *ret_found)
{
    for (uint64_t ms = POLL_FIRST_MS;; ms = HG_MIN(ms * 2, (uint64_t)POLL_LAST_MS)) {
        int found = fda_once(f, look, &g);
        if (ret_found) *ret_found = found;
        if (found) return found > 0 ? 0 : 1;
        fda_pause_ms(ms);
    }
}

/* Until `member` has the value `wanted`. */
static int await_status(fda_t *f, const char *what, const char *name, const char *member, const char *wanted)
{
    return await(f, look_status, (goal_t){ what, name, member, wanted }, NULL);
}

/* --- start --- */

static int patch(fda_t *f, const char *what, const char *name, const hg_buf_t *body)
{
    return fda_call(f, what, "PATCH", fda_path(f, "/v0/pipelines/%s", name), hg_buf_str(body), 0, NULL);
}

static void put_program_config(hg_jw_t *w, const hg_json_t *p, bool cache)
{
    const hg_json_t *old = fda_member(p, "program_config");
    hg_jw_obj(w);
    hg_jw_key(w, "program_config");
    hg_jw_obj(w);
    for (const hg_json_t *m = old ? old->child : NULL; m; m = m->next) {
        if (hg_str_eqz(m->key, "cache")) continue;
        hg_jw_key(w, m->key.p);
        hg_jw_node(w, m);
    }
    hg_jw_kbool(w, "cache", cache);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

/* Compiles anew: without the cache, and with a blank more or less at the end of the program. */
static int recompile(fda_t *f, const char *name, const hg_json_t *p)
{
    static const char what[] = "Failed to recompile pipeline";
    const hg_json_t *code = fda_member(p, "program_code");
    int rc = 0;
    for (int step = 0; step < 3 && rc == 0; step++) {
        hg_buf_t body;
        hg_jw_t w;
        hg_buf_init(&body, HG_BUF_NOMAX);
        hg_jw_init(&w, &body);
        if (step != 1) {
            put_program_config(&w, p, step == 2);
        } else {
            hg_str_t text = code ? code->str : HG_S("");
            bool blank = text.n && text.p[text.n - 1] == ' ';
            hg_jw_obj(&w);
            hg_jw_kstr(&w, "program_code",
                       hg_arena_printf(f->arena, "%.*s%s", (int)(text.n - blank), text.p, blank ? "" : " "));
            hg_jw_end_obj(&w);
        }
        rc = patch(f, what, name, &body);
        hg_buf_release(&body);
    }
    return rc;
}

static int start(fda_t *f, const fda_args_t *a, const char *name)
{
    static const char what[] = "Failed to start pipeline";
    const char *initial = fda_option(a, "initial"), *policy = fda_option(a, "bootstrap-policy");
    const hg_json_t *p;
    initial = initial ? initial : "running";
    const char *wanted = strcmp(initial, "running") == 0   ? "Running"
                         : strcmp(initial, "paused") == 0  ? "Paused"
                         : strcmp(initial, "standby") == 0 ? "Standby"
                                                           : NULL;
    if (!wanted) return fda_error("Unsupported `--initial`: %s (one of running, paused, standby)", initial);
    int rc = fda_pipeline(f, what, name, true, &p);
    if (rc == 0 && fda_flag(a, "recompile")) rc = recompile(f, name, p);
    if (rc == 0) rc = await(f, look_compiled, (goal_t){ what, name, NULL, NULL }, NULL);
    if (rc == 0 && !fda_flag(a, "no-dismiss-error"))
        rc = fda_post(f, "Failed to dismiss pipeline deployment error",
                      fda_path(f, "/v0/pipelines/%s/dismiss_error", name));
    if (rc == 0)
        rc = fda_post(f, what,
                      fda_path(f,
                               "/v0/pipelines/%s/start?bootstrap_policy=%s&concurrent_bootstrap=%s"
                               "&dismiss_error=false&initial=%s&silent_bootstrap=%s",
                               name, policy ? policy : "await_approval",
                               fda_flag(a, "concurrent-bootstrap") ? "true" : "false", initial,
                               fda_flag(a, "silent-bootstrap") ? "true" : "false"));
    if (rc || fda_flag(a, "no-wait")) return rc;
    int found;
    rc = await(f, look_started, (goal_t){ what, name, "deployment_status", wanted }, &found);
    if (rc == 0 && found == 1) puts("Pipeline started successfully.");
    return rc;
}

int fda_cmd_start(fda_t *f, const fda_args_t *a)
{
    return start(f, a, fda_arg(a, "NAME"));
}

int fda_cmd_activate(fda_t *f, const fda_args_t *a)
{
    static const char what[] = "Failed to activate pipeline";
    const char *initial = fda_option(a, "initial"), *name = fda_arg(a, "NAME");
    bool paused = initial && strcmp(initial, "paused") == 0;
    int found;
    if (initial && !paused && strcmp(initial, "running") != 0)
        return fda_error("Unsupported `--initial`: %s (one of running, paused)", initial);
    int rc =
        fda_post(f, what, fda_path(f, "/v0/pipelines/%s/activate?initial=%s", name, paused ? "paused" : "running"));
    if (rc || fda_flag(a, "no-wait")) return rc;
    rc = await(f, look_started, (goal_t){ what, name, "deployment_status", paused ? "Paused" : "Running" }, &found);
    if (rc == 0 && found == 1) puts("Pipeline activated successfully.");
    return rc;
}

/* --- the rest of its life --- */

/* POST, then wait until `member` has the value, then the sentence (NULL: none). */
static int change(fda_t *f, const fda_args_t *a, const char *what, const char *path, const char *member,
                  const char *wanted, const char *sentence)
{
    int rc = fda_post(f, what, path);
    if (rc || fda_flag(a, "no-wait")) return rc;
    rc = await_status(f, what, fda_arg(a, "NAME"), member, wanted);
    if (rc == 0 && sentence) puts(sentence);
    return rc;
}

int fda_cmd_pause(fda_t *f, const fda_args_t *a)
{
    return change(f, a, "Failed to pause pipeline", fda_path(f, "/v0/pipelines/%s/pause", fda_arg(a, "NAME")),
                  "deployment_status", "Paused", "Pipeline paused successfully.");
}

int fda_cmd_resume(fda_t *f, const fda_args_t *a)
{
    return change(f, a, "Failed to resume pipeline", fda_path(f, "/v0/pipelines/%s/resume", fda_arg(a, "NAME")),
                  "deployment_status", "Running", "Pipeline resumed successfully.");
}

static const char *stop_path(fda_t *f, const fda_args_t *a)
{
    return fda_path(f, "/v0/pipelines/%s/stop?force=%s", fda_arg(a, "NAME"),
                    fda_flag(a, "checkpoint") ? "false" : "true");
}

int fda_cmd_stop(fda_t *f, const fda_args_t *a)
{
    return change(f, a, "Failed to stop pipeline", stop_path(f, a), "deployment_status", "Stopped",
                  "Pipeline stopped successfully.");
}

int fda_cmd_restart(fda_t *f, const fda_args_t *a)
{
    static const char what[] = "Failed to stop pipeline";
    const char *name = fda_arg(a, "NAME");
    const hg_json_t *p;
    int rc = fda_pipeline(f, what, name, false, &p);
    if (rc == 0 && strcmp(fda_text(p, "deployment_status", ""), "Stopped") != 0) {
        rc = fda_post(f, what, stop_path(f, a));
        if (rc == 0) rc = await_status(f, what, name, "deployment_status", "Stopped");
        if (rc == 0) puts("Pipeline stop successful.");
    }
    return rc ? rc : start(f, a, name);
}

int fda_clear_pipeline(fda_t *f, const char *name)
{
    static const char what[] = "Failed to clear pipeline";
    int rc = fda_post(f, what, fda_path(f, "/v0/pipelines/%s/clear", name));
    if (rc == 0) rc = await_status(f, what, name, "storage_status", "Cleared");
    if (rc == 0) puts("Pipeline cleared successfully.");
    return rc;
}

int fda_cmd_clear(fda_t *f, const fda_args_t *a)
{
    return change(f, a, "Failed to clear pipeline", fda_path(f, "/v0/pipelines/%s/clear", fda_arg(a, "NAME")),
                  "storage_status", "Cleared", "Pipeline cleared successfully.");
}

int fda_cmd_delete(fda_t *f, const fda_args_t *a)
{
    int rc = fda_flag(a, "force") ? fda_cmd_clear(f, a) : 0;
    if (rc == 0)
        rc = fda_call(f, "Failed to delete the pipeline", "DELETE", fda_path(f, "/v0/pipelines/%s", fda_arg(a, "NAME")),
                      (hg_str_t){ 0 }, 0, NULL);
    if (rc == 0) puts("Pipeline deleted successfully.");
    return rc;
}

int fda_cmd_dismiss(fda_t *f, const fda_args_t *a)
{
    int rc = fda_post(f, "Failed to dismiss pipeline deployment error",
                      fda_path(f, "/v0/pipelines/%s/dismiss_error", fda_arg(a, "NAME")));
    if (rc == 0) puts("Pipeline deployment error dismissed successfully.");
    return rc;
}

int fda_cmd_status(fda_t *f, const fda_args_t *a)
{
    static const char *const shown[] = { "deployment_desired_status", "deployment_error", "deployment_status",
                                         "deployment_status_since",   "program_status",   "program_status_since" };
    const hg_json_t *p;
    hg_buf_t text;
    hg_jw_t w;
    hg_json_t *six;
    hg_err_t err;
    int rc = fda_pipeline(f, "Failed to get pipeline status", fda_arg(a, "NAME"), false, &p);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, p, FDA_ALIGNED, false);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_obj(&w);
    for (size_t i = 0; i < HG_COUNT(shown); i++) {
        const hg_json_t *m = hg_json_get(p, shown[i]);
        hg_jw_key(&w, shown[i]);
        if (m)
            hg_jw_node(&w, m);
        else
            hg_jw_null(&w);
    }
    hg_jw_end_obj(&w);
    if (hg_json_parse(f->arena, hg_buf_str(&text), &six, &err) == 0) fda_print_nested(six, FDA_ALIGNED);
    hg_buf_release(&text);
    return 0;
}
