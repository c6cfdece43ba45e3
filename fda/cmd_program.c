/* cmd_program.c: the program of a pipeline and the two configurations. */
#include "base/hg.h"
#include "fda/fda_int.h"

int fda_cmd_program_get(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    bool rs = fda_flag(a, "udf-rs"), toml = fda_flag(a, "udf-toml");
    int rc = fda_pipeline(f, "Failed to get program", fda_arg(a, "NAME"), true, &p);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, p, FDA_ALIGNED, false);
    if (!rs && !toml) puts(fda_text(p, "program_code", ""));
    if (rs) puts(fda_text(p, "udf_rust", ""));
    if (toml) puts(fda_text(p, "udf_toml", ""));
    return 0;
}

/* PATCH; *ret = the new descriptor. */
static int patch(fda_t *f, const char *what, const char *name, hg_str_t body, const hg_json_t **ret)
{
    fda_answer_t ans;
    int rc = fda_call(f, what, "PATCH", fda_path(f, "/v0/pipelines/%s", name), body, 0, &ans);
    if (rc) return rc;
    if (!ans.json) return fda_error("%s: the answer is no JSON", what);
    *ret = ans.json;
    return 0;
}

int fda_cmd_program_set(fda_t *f, const fda_args_t *a)
{
    hg_buf_t program, body;
    hg_jw_t w;
    bool given;
    const hg_json_t *p = NULL;
    int rc = fda_read_program(a, &program, &given);
    if (rc == 0 && given && fda_option(a, "git"))
        rc = fda_usage(a, "the argument '--git' cannot be used with '[PROGRAM_PATH]' or '--stdin'");
    if (rc == 0 && fda_option(a, "git")) {
        rc = fda_read_git(f, a, &program);
        given = true;
    }
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    if (given) {
        hg_jw_key(&w, "program_code");
        hg_jw_str(&w, hg_buf_str(&program));
    }
    if (rc == 0) rc = fda_put_file(&w, "udf_rust", fda_option(a, "udf-rs"));
    if (rc == 0) rc = fda_put_file(&w, "udf_toml", fda_option(a, "udf-toml"));
    hg_jw_end_obj(&w);
    if (rc == 0) rc = patch(f, "Failed to set program code", fda_arg(a, "NAME"), hg_buf_str(&body), &p);
    hg_buf_release(&body);
    hg_buf_release(&program);
    if (rc) return rc;
    if (f->format == FDA_JSON)
        fda_print_json(p, false);
    else
        puts("Program updated successfully.");
    return 0;
}

/* The members of the object that are not null; the real one shows no others. */
static int print_config(fda_t *f, const hg_json_t *p, const char *member)
{
    const hg_json_t *v = fda_member(p, member);
    hg_buf_t text;
    hg_jw_t w;
    hg_json_t *shown;
    hg_err_t err;
    if (!v) return fda_error("The pipeline has no %s", member);
    if (f->format != FDA_TEXT) return fda_print_value(f, v, FDA_ALIGNED, false);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_obj(&w);
    for (const hg_json_t *m = v->child; m; m = m->next) {
        if (m->kind == HG_J_NULL) continue;
        hg_jw_key(&w, m->key.p);
        hg_jw_node(&w, m);
    }
    hg_jw_end_obj(&w);
    if (hg_json_parse(f->arena, hg_buf_str(&text), &shown, &err) == 0) fda_print_nested(shown, FDA_ALIGNED);
    hg_buf_release(&text);
    return 0;
}

int fda_cmd_program_config(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get program config", fda_arg(a, "NAME"), false, &p);
    return rc ? rc : print_config(f, p, "program_config");
}

int fda_cmd_program_set_config(fda_t *f, const fda_args_t *a)
{
    hg_buf_t body;
    hg_jw_t w;
    const hg_json_t *p = NULL;
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_key(&w, "program_config");
    hg_jw_obj(&w);
    hg_jw_kbool(&w, "cache", true);
    if (fda_option(a, "profile")) hg_jw_kstr(&w, "profile", fda_option(a, "profile"));
    if (fda_option(a, "runtime-version")) hg_jw_kstr(&w, "runtime_version", fda_option(a, "runtime-version"));
    hg_jw_kbool(&w, "use_platform_compiler", fda_flag(a, "use-platform-compiler"));
    hg_jw_end_obj(&w);
    hg_jw_end_obj(&w);
    int rc = patch(f, "Failed to set program config", fda_arg(a, "NAME"), hg_buf_str(&body), &p);
    hg_buf_release(&body);
    if (rc) return rc;
    if (f->format == FDA_TEXT) puts("Program config updated successfully.");
    return print_config(f, p, "program_config");
}

/* "2026-11-21 02:44:30.690906 UTC" */
static const char *readable(fda_t *f, const char *rfc3339)
{
    char *s = hg_arena_strndup(f->arena, rfc3339, strlen(rfc3339));
    char *t = strchr(s, 'T');
    size_t n = strlen(s);
    if (!t || s[n - 1] != 'Z') return s;
    *t = ' ';
    s[n - 1] = 0;
    return hg_arena_printf(f->arena, "%s UTC", s);
}

int fda_cmd_program_status(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get program status", fda_arg(a, "NAME"), false, &p);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, p, FDA_ALIGNED, false);
    printf("%s (version %s, last updated %s)\n", fda_text(p, "program_status", ""),
           fda_digits(p, "program_version", ""), readable(f, fda_text(p, "program_status_since", "")));
    return 0;
}

/* A text and, if it does not end in one, a line end. */
static void put_block(const char *head, const char *text)
{
    size_t n = strlen(text);
    if (n) printf("%s%s%s", head, text, text[n - 1] == '\n' ? "" : "\n");
}

static void print_sql_errors(const hg_json_t *sql)
{
    const hg_json_t *messages = fda_member(sql, "messages");
    printf("SQL compiler exit code: %s\n", fda_digits(sql, "exit_code", ""));
    if (!messages || messages->n == 0) puts("No SQL compiler messages.");
    for (const hg_json_t *m = messages ? messages->child : NULL; m; m = m->next) {
        printf("%s: %s: %s (line %s, column %s)\n",
               hg_json_bool(hg_json_get(m, "warning"), false) ? "warning" : "error", fda_text(m, "error_type", ""),
               fda_text(m, "message", ""), fda_digits(m, "start_line_number", "?"), fda_digits(m, "start_column", "?"));
        put_block("", fda_text(m, "snippet", ""));
    }
}

static void print_rust_errors(const hg_json_t *rust)
{
    const char *out = fda_text(rust, "stdout", ""), *text = fda_text(rust, "stderr", "");
    printf("\nRust compiler exit code: %s\n", fda_digits(rust, "exit_code", ""));
    if (!*out && !*text) puts("No Rust compiler stdout or stderr.");
    put_block("\nstdout:\n", out);
    put_block("\nstderr:\n", text);
}

int fda_cmd_program_errors(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get program compilation errors", fda_arg(a, "NAME"), true, &p);
    if (rc) return rc;
    const hg_json_t *e = fda_member(p, "program_error");
    if (!e) return fda_error("The pipeline has no program_error");
    if (f->format != FDA_TEXT) return fda_print_value(f, e, FDA_ALIGNED, false);
    if (fda_member(e, "sql_compilation")) print_sql_errors(fda_member(e, "sql_compilation"));
    if (fda_member(e, "rust_compilation")) print_rust_errors(fda_member(e, "rust_compilation"));
    put_block("\nSystem error:\n", fda_text(e, "system_error", ""));
    return 0;
}

int fda_cmd_program_info(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get program", fda_arg(a, "NAME"), true, &p);
    if (rc) return rc;
    const hg_json_t *info = fda_member(p, "program_info");
    if (!info)
        return fda_error("The program of pipeline '%s' is not compiled (program status: '%s')", fda_arg(a, "NAME"),
                         fda_text(p, "program_status", ""));
    return fda_print_value(f, info, FDA_ALIGNED, true);
}

/* --- runtime configuration --- */

int fda_cmd_config(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *p;
    int rc = fda_pipeline(f, "Failed to get pipeline config", fda_arg(a, "NAME"), true, &p);
    if (rc) return rc;
    const hg_json_t *c = fda_member(p, "runtime_config");
    return c ? fda_print_value(f, c, FDA_ALIGNED, true) : fda_error("The pipeline has no runtime_config");
}

typedef enum { KEY_U64, KEY_ZERO_IS_NULL, KEY_F64, KEY_BOOL, KEY_STR, KEY_MODEL, KEY_STORAGE, KEY_OBJECT } key_type_t;

/* The name of a key for set-config, where it stands in runtime_config, and how the real one calls it in complaints. */
typedef struct {
    const char *name, *section, *member, *title;
    key_type_t type;
} config_key_t;

static const config_key_t g_keys[] = {
    { "workers", NULL, "workers", "Workers", KEY_U64 },
    { "storage", NULL, "storage", "Storage", KEY_STORAGE },
    { "fault_tolerance", "fault_tolerance", "model", "FaultTolerance", KEY_MODEL },
    { "checkpoint_interval", "fault_tolerance", "checkpoint_interval_secs", "CheckpointInterval", KEY_ZERO_IS_NULL },
    { "cpu_profiler", NULL, "cpu_profiler", "CpuProfiler", KEY_BOOL },
    { "tracing", NULL, "tracing", "Tracing", KEY_BOOL },
    { "tracing_endpoint_jaeger", NULL, "tracing_endpoint_jaeger", "TracingEndpointJaeger", KEY_STR },
    { "min_batch_size_records", NULL, "min_batch_size_records", "MinBatchSizeRecords", KEY_U64 },
    { "max_buffering_delay_usecs", NULL, "max_buffering_delay_usecs", "MaxBufferingDelayUsecs", KEY_U64 },
    { "cpu_cores_min", "resources", "cpu_cores_min", "CpuCoresMin", KEY_F64 },
    { "cpu_cores_max", "resources", "cpu_cores_max", "CpuCoresMax", KEY_F64 },
    { "memory_mb_min", "resources", "memory_mb_min", "MemoryMbMin", KEY_U64 },
    { "memory_mb_max", "resources", "memory_mb_max", "MemoryMbMax", KEY_U64 },
    { "storage_mb_max", "resources", "storage_mb_max", "StorageMbMax", KEY_U64 },
    { "storage_class", "resources", "storage_class", "StorageClass", KEY_STR },
    { "min_storage_bytes", "storage", "min_storage_bytes", "MinStorageBytes", KEY_U64 },
    { "clock_resolution_usecs", NULL, "clock_resolution_usecs", "ClockResolutionUsecs", KEY_U64 },
    { "logging", NULL, "logging", "Logging", KEY_STR },
    { "http_workers", NULL, "http_workers", "HttpWorkers", KEY_U64 },
    { "io_workers", NULL, "io_workers", "IoWorkers", KEY_U64 },
    { "dev_tweaks", NULL, "dev_tweaks", "DevTweaks", KEY_OBJECT },
};

/* The value as JSON text appended to out, or -1. */
static int parse_value(hg_arena_t *arena, key_type_t type, hg_str_t s, hg_buf_t *out)
{
    hg_json_t *v = NULL;
    hg_err_t err;
    double d;
    uint64_t u;
    bool json = hg_json_parse(arena, s, &v, &err) == 0;
    switch (type) {
    case KEY_U64:
    case KEY_ZERO_IS_NULL:
        if (hg_str_u64(s, &u) < 0) return -1;
        if (u == 0 && type == KEY_ZERO_IS_NULL) return hg_buf_adds(out, "null");
        return hg_buf_addu64(out, u);
    case KEY_F64: /* as a number with a point, which is what Feldera's daemon makes of it */
        if (!json || hg_json_f64(v, &d) < 0) return -1;
        return hg_buf_addf(out, "%.*s%s", (int)v->str.n, v->str.p, hg_str_u64(v->str, &u) == 0 ? ".0" : "");
    case KEY_BOOL:
        return hg_str_eqz(s, "true") || hg_str_eqz(s, "false") ? hg_buf_addstr(out, s) : -1;
    case KEY_STORAGE: /* on with defaults, or off */
        if (hg_str_eqz(s, "true")) return hg_buf_adds(out, "{}");
        return hg_str_eqz(s, "false") ? hg_buf_adds(out, "null") : -1;
    case KEY_MODEL:
        if (hg_str_eqz(s, "true")) return hg_buf_adds(out, "\"exactly_once\"");
        if (hg_str_eqz(s, "false")) return hg_buf_adds(out, "\"none\"");
        if (!hg_str_eqz(s, "none") && !hg_str_eqz(s, "at_least_once") && !hg_str_eqz(s, "exactly_once")) return -1;
        return hg_json_quote(out, s);
    case KEY_STR:
        return hg_json_quote(out, s);
    case KEY_OBJECT:
    default:
        return json && v->kind == HG_J_OBJECT ? hg_buf_addstr(out, s) : -1;
    }
}

static const char *expected(key_type_t type)
{
    switch (type) {
    case KEY_U64:
    case KEY_ZERO_IS_NULL:
        return "a whole number";
    case KEY_F64:
        return "a number";
    case KEY_BOOL:
    case KEY_STORAGE:
        return "true or false";
    case KEY_MODEL:
        return "none, at_least_once or exactly_once (false is none, true is exactly_once)";
    case KEY_STR:
        return "a text";
    case KEY_OBJECT:
    default:
        return "a JSON object";
    }
}

/* obj (may be NULL) with one member set to the given JSON. */
static void put_with(hg_jw_t *w, const hg_json_t *obj, const char *member, hg_str_t json)
{
    bool found = false;
    hg_jw_obj(w);
    for (const hg_json_t *m = obj ? obj->child : NULL; m; m = m->next) {
        bool hit = hg_str_eqz(m->key, member);
        hg_jw_key(w, m->key.p);
        if (hit)
            hg_jw_raw(w, json);
        else
            hg_jw_node(w, m);
        found |= hit;
    }
    if (!found) {
        hg_jw_key(w, member);
        hg_jw_raw(w, json);
    }
    hg_jw_end_obj(w);
}

static void put_changed(hg_jw_t *w, const hg_json_t *config, const config_key_t *k, hg_str_t json)
{
    hg_buf_t section;
    hg_jw_t sw;
    hg_jw_obj(w);
    hg_jw_key(w, "runtime_config");
    if (k->section) {
        hg_buf_init(&section, HG_BUF_NOMAX);
        hg_jw_init(&sw, &section);
        put_with(&sw, fda_member(config, k->section), k->member, json);
        put_with(w, config, k->section, hg_buf_str(&section));
        hg_buf_release(&section);
    } else {
        put_with(w, config, k->member, json);
    }
    hg_jw_end_obj(w);
}

/* Storage that is switched on keeps what it is configured to when it is switched on again, and one that is off has
 * nothing to configure. */
static int mind_storage(const hg_json_t *config, const config_key_t *k, const char *pipeline, hg_buf_t *json)
{
    const hg_json_t *storage = fda_member(config, "storage");
    hg_jw_t w;
    if (k->section && strcmp(k->section, "storage") == 0 && !storage)
        return fda_error(
            "Pipeline '%s' has no storage, so there is no %s: `fda set-config %s storage true` comes first", pipeline,
            k->name, pipeline);
    if (k->type == KEY_STORAGE && storage && hg_str_eqz(hg_buf_str(json), "{}")) {
        hg_buf_clear(json);
        hg_jw_init(&w, json);
        hg_jw_node(&w, storage);
    }
    return 0;
}

int fda_cmd_set_config(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME"), *value = fda_arg(a, "VALUE");
    const config_key_t *k = g_keys;
    const hg_json_t *p;
    hg_buf_t json, body;
    hg_jw_t w;
    while (strcmp(k->name, fda_arg(a, "KEY")) != 0) k++; /* the parser took no other */
    hg_buf_init(&json, HG_BUF_NOMAX);
    hg_buf_init(&body, HG_BUF_NOMAX);
    int rc = fda_pipeline(f, "Failed to get pipeline config", name, true, &p);
    if (rc == 0 && parse_value(f->arena, k->type, hg_strz(value), &json) < 0)
        rc = fda_error("Failed to parse value '%s' for updating key %s: expected %s", value, k->title,
                       expected(k->type));
    if (rc == 0) rc = mind_storage(fda_member(p, "runtime_config"), k, name, &json);
    if (rc == 0) {
        hg_jw_init(&w, &body);
        put_changed(&w, fda_member(p, "runtime_config"), k, hg_buf_str(&json));
        rc = patch(f, "Failed to set runtime config", name, hg_buf_str(&body), &p);
    }
    hg_buf_release(&json);
    hg_buf_release(&body);
    if (rc) return rc;
    if (f->format == FDA_TEXT) puts("Runtime config updated successfully.");
    const hg_json_t *c = fda_member(p, "runtime_config");
    return c ? fda_print_value(f, c, FDA_ALIGNED, true) : 0;
}
