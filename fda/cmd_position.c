/* cmd_position.c: where an input connector goes on: shown, set, set back; and a finished one run again. */
#include "base/hg.h"
#include "fda/fda_int.h"

static int input_path(fda_t *f, const fda_args_t *a, const char *action, const char **ret)
{
    bool input;
    int rc = fda_find_connector(f, a, &input);
    if (rc) return rc;
    if (!input)
        return fda_error("%s.%s is an output: only inputs have a position and run again", fda_arg(a, "RELATION_NAME"),
                         fda_arg(a, "CONNECTOR_NAME"));
    *ret = fda_connector_path(f, a, true, action);
    return 0;
}

/* The member as compact JSON; NULL if it is null. */
static const char *compact(fda_t *f, const hg_json_t *v, const char *key)
{
    const hg_json_t *m = fda_member(v, key);
    hg_buf_t b;
    hg_jw_t w;
    if (!m) return NULL;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, m);
    const char *text = hg_arena_strndup(f->arena, b.p, b.len);
    hg_buf_release(&b);
    return text;
}

static const char *without_quotes(fda_t *f, const char *doc)
{
    char *s = hg_arena_strndup(f->arena, doc, strlen(doc)), *to = s;
    for (const char *p = s; *p; p++)
        if (*p != '`') *to++ = *p;
    *to = 0;
    return s;
}

static void say_fate(const hg_json_t *v)
{
    if (!hg_json_bool(hg_json_get(v, "durable"), false)) puts("A crash forgets it: fault_tolerance is none.");
}

static int show(fda_t *f, const fda_args_t *a, const hg_json_t *v)
{
    const char *name = fda_text(v, "endpoint_name", ""), *position = compact(f, v, "position"),
               *origin = fda_text(v, "origin", ""), *change = fda_text(v, "last_change.change", NULL),
               *obstacle = fda_text(v, "obstacle", NULL), *members = fda_text(v, "members", NULL);
    if (position)
        printf("%s goes on from %s%s\n", name, position,
               strcmp(origin, "user") == 0         ? ", as the user has set"
               : strcmp(origin, "checkpoint") == 0 ? ", as the newest checkpoint has it"
                                                   : "");
    else
        printf("%s begins as configured\n", name);
    if (change) printf("  last change: %s, %s\n", change, fda_clock(f, fda_text(v, "last_change.at", "")));
    if (obstacle)
        printf("It cannot be set now: %s\n", obstacle);
    else
        printf("Set it with: fda connector %s %s %s position set JSON%s%s\n", fda_arg(a, "NAME"),
               fda_arg(a, "RELATION_NAME"), fda_arg(a, "CONNECTOR_NAME"), members ? "\n  " : "",
               members ? without_quotes(f, members) : "");
    return 0;
}

static int read_position(const fda_args_t *a, hg_buf_t *text)
{
    const char *word = fda_arg(a, "POSITION");
    hg_arena_t *arena = hg_arena_new();
    hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    if (!word)
        rc = fda_usage(a, "the position is missing: a JSON object, or - to read it from stdin");
    else if (strcmp(word, "-") == 0)
        rc = fda_read_file(word, text);
    else
        hg_buf_adds(text, word);
    if (rc == 0 && hg_json_parse(arena, hg_buf_str(text), &v, &err) < 0)
        rc = fda_usage(a, "the position is not valid JSON: %s", err.msg);
    hg_arena_free(arena);
    return rc;
}

static int set(fda_t *f, const fda_args_t *a, const char *path, fda_answer_t *ans)
{
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    int rc = read_position(a, &text);
    if (rc == 0) rc = fda_call(f, "Failed to set the position", "PUT", path, hg_buf_str(&text), 0, ans);
    hg_buf_release(&text);
    return rc;
}

int fda_cmd_connector_position(fda_t *f, const fda_args_t *a)
{
    const char *action = fda_arg(a, "ACTION"), *path = NULL;
    fda_answer_t ans = { 0 };
    bool sets = action && strcmp(action, "set") == 0, resets = action && strcmp(action, "reset") == 0;
    if (!sets && fda_arg(a, "POSITION"))
        return fda_usage(a, "'%s' takes no position; to set one: position set JSON", action);
    int rc = input_path(f, a, "position", &path);
    if (rc) return rc;
    if (sets)
        rc = set(f, a, path, &ans);
    else if (resets)
        rc = fda_call(f, "Failed to reset the position", "DELETE", path, (hg_str_t){ 0 }, 0, &ans);
    else
        rc = fda_get(f, "Failed to get the position", path, 0, &ans.json);
    if (rc) return rc;
    if (!ans.json) return fda_error("The answer about the position is no JSON");
    if (f->format != FDA_TEXT) return fda_print_value(f, ans.json, FDA_ALIGNED, true);
    if (!sets && !resets) return show(f, a, ans.json);
    const char *position = compact(f, ans.json, "position");
    if (position)
        printf("Position of %s set to %s.\n", fda_text(ans.json, "endpoint_name", ""), position);
    else
        printf("Position of %s reset: it begins as configured.\n", fda_text(ans.json, "endpoint_name", ""));
    say_fate(ans.json);
    return 0;
}

int fda_cmd_connector_rerun(fda_t *f, const fda_args_t *a)
{
    const char *path = NULL;
    fda_answer_t ans = { 0 };
    bool wait = fda_flag(a, "wait");
    int rc = input_path(f, a, "rerun", &path);
    if (rc) return rc;
    if (wait) path = hg_arena_printf(f->arena, "%s?wait=true", path);
    rc = fda_call(f, "Failed to run the connector again", "POST", path, (hg_str_t){ 0 }, FDA_ONCE, &ans);
    if (rc) return rc;
    if (f->format != FDA_TEXT && ans.json) return fda_print_value(f, ans.json, FDA_ALIGNED, true);
    printf("Table %s connector %s runs again from its start%s.\n", fda_arg(a, "RELATION_NAME"),
           fda_arg(a, "CONNECTOR_NAME"), wait ? "; the connectors that wait for it wait until it has ended" : "");
    return 0;
}
