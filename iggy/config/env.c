/* env.c: environment variables over a tree.
 *
 * Iggy's runtime types a value by its look and replaces whole arrays; here a value has the type its option declares,
 * and entries of arrays are merged by index. Only the free members of plugin_config, which no table declares, go by
 * look.
 */
#include "base/hg.h"
#include <unistd.h>
#include "base/durable.h"
#include "iggy/config/config_int.h"

#define MAX_INDEX 255

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

static const char *value_of(const char *var, size_t *ret_name)
{
    const char *eq = strchr(var, '=');
    *ret_name = eq ? (size_t)(eq - var) : strlen(var);
    return eq ? eq + 1 : "";
}

const char *igc_env_get(hg_iggy_env_t env, const char *name)
{
    size_t n;
    for (uint32_t i = 0; env && env[i]; i++) {
        const char *v = value_of(env[i], &n);
        if (hg_str_eqz((hg_str_t){ env[i], n }, name)) return v;
    }
    return NULL;
}

void igc_env_init(igc_env_t *e, hg_arena_t *a, hg_iggy_env_t env)
{
    *e = (igc_env_t){ .env = env };
    while (env && env[e->n]) e->n++;
    e->used = hg_arena_alloc(a, e->n + 1);
}

/* --- one value -----------------------------------------------------------------------------------------------------
 */
/* Elements of [a, "b, c"]: split at commas outside of quotes, blanks and quotes taken off. false: no more. */
static bool element(hg_str_t *left, hg_str_t *ret)
{
    bool in_quotes = false;
    size_t i = 0;
    *left = hg_str_trim(*left);
    if (!left->n) return false;
    for (; i < left->n && (in_quotes || left->p[i] != ','); i++)
        if (left->p[i] == '"') in_quotes = !in_quotes;
    *ret = hg_str_trim((hg_str_t){ left->p, i });
    while (ret->n && ret->p[0] == '"') ret->p++, ret->n--;
    while (ret->n && ret->p[ret->n - 1] == '"') ret->n--;
    i += i < left->n;
    *left = (hg_str_t){ left->p + i, left->n - i };
    return true;
}

static bool listed(hg_str_t s, hg_str_t *inner)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']') return false;
    *inner = (hg_str_t){ s.p + 1, s.n - 2 };
    return true;
}

static hg_json_t *number(hg_arena_t *a, const char *digits)
{
    hg_json_t *v = igc_node(a, HG_J_NUMBER);
    v->str = hg_arena_str(a, hg_strz(digits));
    return v;
}

static hg_json_t *boolean(hg_arena_t *a, hg_str_t s)
{
    bool yes = hg_str_ieq(s, HG_S("true"));
    return yes || hg_str_ieq(s, HG_S("false")) ? igc_node(a, yes ? HG_J_TRUE : HG_J_FALSE) : NULL;
}

static hg_json_t *numeric(hg_arena_t *a, hg_str_t s)
{
    char text[64], out[32];
    uint64_t u;
    int64_t i;
    if (hg_str_u64(s, &u) == 0) {
        snprintf(out, sizeof out, "%" PRIu64, u);
        return number(a, out);
    }
    if (hg_str_i64(s, &i) == 0) {
        snprintf(out, sizeof out, "%" PRId64, i);
        return number(a, out);
    }
    if (!s.n || s.n >= sizeof text) return NULL;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    char *end;
    double f = strspn(text, "0123456789+-.eE") == s.n ? strtod(text, &end) : (end = text, 0);
    if (end == text || *end || f - f != 0) return NULL; /* 1e999 is no number either */
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, 64);
    hg_jw_init(&w, &b);
    hg_jw_f64(&w, f);
    if (!strpbrk(b.p, ".eE")) hg_buf_adds(&b, ".0"); /* it stays a fraction */
    hg_json_t *v = number(a, b.p);
    hg_buf_release(&b);
    return v;
}

static hg_json_t *by_look(hg_arena_t *a, hg_str_t s)
{
    hg_str_t left, one;
    if (listed(s, &left)) {
        hg_json_t *v = igc_node(a, HG_J_ARRAY);
        while (element(&left, &one)) {
            hg_json_t *c = boolean(a, one);
            if (!c) c = numeric(a, one);
            igc_append(v, c ? c : igc_string(a, one));
        }
        return v;
    }
    hg_json_t *v = boolean(a, s);
    if (!v) v = numeric(a, s);
    return v ? v : igc_string(a, s);
}

/* What does not fit becomes a string, which the option's own check then refuses at this variable. */
static hg_json_t *by_type(hg_arena_t *a, const hg_opt_t *o, hg_str_t s)
{
    hg_json_t *v = NULL;
    hg_str_t left, one;
    switch (o->type) {
    case HG_OPT_BOOL:
        v = boolean(a, s);
        break;
    case HG_OPT_U32:
    case HG_OPT_U64:
    case HG_OPT_I64:
    case HG_OPT_F64:
        v = numeric(a, s);
        break;
    case HG_OPT_STRLIST:
        v = igc_node(a, HG_J_ARRAY);
        if (!listed(s, &left)) left = s;
        while (element(&left, &one)) igc_append(v, igc_string(a, one));
        break;
    case HG_OPT_STR:
    case HG_OPT_ENUM:
    case HG_OPT_DURATION:
    case HG_OPT_JSON:
        break;
    default:
        hg_panic(__FILE__, __LINE__, "option type");
    }
    return v ? v : igc_string(a, s);
}

/* --- into the tree -------------------------------------------------------------------------------------------------
 */
static void put(igc_tree_t *t, hg_json_t *obj, const char *key, hg_json_t *v, const char *var, size_t var_len)
{
    igc_origin_t o = { .node = v, .var = hg_arena_strndup(t->a, var, var_len) };
    igc_set(t->a, obj, key, v);
    HG_APUSH(t->a, t->origins, t->n_origins, o);
}

/* NULL: something on the way is no table, which the check of the tables says. */
static hg_json_t *descend(igc_tree_t *t, hg_json_t *obj, const char *path)
{
    while (obj && *path) {
        size_t n = strcspn(path, ".");
        obj = igc_object(t->a, obj, hg_arena_strndup(t->a, path, n));
        path += n + (path[n] == '.');
    }
    return obj;
}

static const hg_opt_t *option(const hg_opt_t *table, hg_str_t field)
{
    for (const hg_opt_t *o = table; o->key; o++) {
        size_t n = strlen(o->key), i = 0;
        if (n != field.n || o->type == HG_OPT_JSON) continue;
        while (i < n && (upper(o->key[i]) == field.p[i])) i++;
        if (i == n) return o;
    }
    return NULL;
}

/* The next variable that begins so and has a value; *field: what follows. */
static bool next_var(igc_env_t *e, uint32_t *i, const char *prefix, bool any_case, hg_str_t *field, hg_str_t *value)
{
    size_t p = strlen(prefix), n;
    for (; *i < e->n; ++*i) {
        const char *v = value_of(e->env[*i], &n);
        if (n <= p) continue;
        hg_str_t head = { e->env[*i], p };
        if (any_case ? !hg_str_ieq(head, hg_strz(prefix)) : !hg_str_eqz(head, prefix)) continue;
        *field = (hg_str_t){ e->env[*i] + p, n - p };
        *value = hg_strz(v);
        return true;
    }
    return false;
}

void igc_env_apply(igc_env_t *e, igc_tree_t *t, const char *prefix, const hg_opt_t *table, hg_json_t *obj,
                   const char *path, igc_diag_t *d)
{
    hg_str_t field, value;
    for (uint32_t i = 0; next_var(e, &i, prefix, false, &field, &value); i++) {
        const hg_opt_t *o = option(table, field);
        if (!o) continue;
        e->used[i] = 1;
        if (!value.n) continue;
        hg_json_t *to = descend(t, obj, path);
        size_t whole = strlen(prefix) + field.n;
        if (to)
            put(t, to, o->key, by_type(t->a, o, value), e->env[i], whole);
        else
            hg_diag(&d->d, false, obj, false, "%.*s cannot be set: '%s' is no table", (int)whole, e->env[i], path);
    }
}

static hg_json_t *entry(igc_tree_t *t, hg_json_t *obj, const char *member, uint64_t index)
{
    hg_json_t *arr = igc_member(obj, member);
    if (!arr || arr->kind == HG_J_NULL) {
        arr = igc_node(t->a, HG_J_ARRAY);
        igc_set(t->a, obj, member, arr);
    }
    if (arr->kind != HG_J_ARRAY) return NULL;
    while (arr->n <= index) igc_append(arr, igc_node(t->a, HG_J_OBJECT));
    hg_json_t *one = arr->child;
    while (index--) one = one->next;
    return one->kind == HG_J_OBJECT ? one : NULL;
}

void igc_env_apply_array(igc_env_t *e, igc_tree_t *t, const char *prefix, const hg_opt_t *table, hg_json_t *obj,
                         const char *member, igc_diag_t *d)
{
    hg_str_t field, value;
    for (uint32_t i = 0; next_var(e, &i, prefix, false, &field, &value); i++) {
        const char *bar = memchr(field.p, '_', field.n);
        uint64_t index;
        size_t digits = bar ? (size_t)(bar - field.p) : 0, whole = strlen(prefix) + field.n;
        if (!digits || hg_str_u64((hg_str_t){ field.p, digits }, &index) < 0 || index > MAX_INDEX) continue;
        const hg_opt_t *o = option(table, (hg_str_t){ bar + 1, field.n - digits - 1 });
        if (!o) continue;
        e->used[i] = 1;
        hg_json_t *to = value.n ? entry(t, obj, member, index) : NULL;
        if (to)
            put(t, to, o->key, by_type(t->a, o, value), e->env[i], whole);
        else if (value.n)
            hg_diag(&d->d, false, obj, false, "%.*s cannot be set: '%s' is no array of tables", (int)whole, e->env[i],
                    member);
    }
}

void igc_env_apply_free(igc_env_t *e, igc_tree_t *t, const char *prefix, hg_json_t *obj, const char *member,
                        const char *skip)
{
    hg_str_t field, value;
    for (uint32_t i = 0; next_var(e, &i, prefix, true, &field, &value); i++) {
        bool skipped = skip && hg_str_ieq(field, hg_strz(skip));
        hg_json_t *to = skipped ? NULL : igc_object(t->a, obj, member);
        if (!to) continue;
        char *key = hg_arena_strndup(t->a, field.p, field.n);
        for (char *c = key; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        e->used[i] = 1;
        put(t, to, key, by_look(t->a, value), e->env[i], strlen(prefix) + field.n);
    }
}

bool igc_env_apply_one(igc_env_t *e, igc_tree_t *t, const char *name, hg_json_t *obj, const char *member)
{
    size_t n;
    for (uint32_t i = 0; i < e->n; i++) {
        const char *v = value_of(e->env[i], &n);
        if (!*v || !hg_str_eqz((hg_str_t){ e->env[i], n }, name)) continue;
        e->used[i] = 1;
        put(t, obj, member, igc_string(t->a, hg_strz(v)), e->env[i], n);
        return true;
    }
    return false;
}

/* --- the env file --------------------------------------------------------------------------------------------------
 */
/* NAME=value, export NAME=value; # comments; values in '…' as they are, in "…" with \n \t \" \\ \$. */
static bool env_line(hg_str_t line, hg_buf_t *name, hg_buf_t *value)
{
    if (hg_str_starts(line, HG_S("export "))) line = hg_str_trim((hg_str_t){ line.p + 7, line.n - 7 });
    const char *eq = memchr(line.p, '=', line.n);
    if (!eq || eq == line.p) return false;
    hg_str_t key = hg_str_trim((hg_str_t){ line.p, (size_t)(eq - line.p) });
    hg_str_t v = hg_str_trim((hg_str_t){ eq + 1, line.n - (size_t)(eq - line.p) - 1 });
    for (size_t i = 0; i < key.n; i++)
        if (!memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-0123456789", key.p[i], 65)) return false;
    hg_buf_clear(name), hg_buf_clear(value);
    hg_buf_addstr(name, key);
    char q = v.n && (v.p[0] == '"' || v.p[0] == '\'') ? v.p[0] : 0;
    for (size_t i = q != 0; i < v.n; i++) {
        if (q && v.p[i] == q) return true;
        if (!q && v.p[i] == '#' && i && (v.p[i - 1] == ' ' || v.p[i - 1] == '\t')) break;
        if (q == '"' && v.p[i] == '\\' && i + 1 < v.n) {
            char c = v.p[++i];
            hg_buf_addc(value, (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c));
        } else {
            hg_buf_addc(value, v.p[i]);
        }
    }
    if (q) return false;
    while (value->len && (value->p[value->len - 1] == ' ' || value->p[value->len - 1] == '\t'))
        value->p[--value->len] = 0;
    return true;
}

static void read_env_file(const char *path, const hg_buf_t *text, hg_iggy_notes_t notes)
{
    hg_buf_t name, value;
    hg_pos_t pos = { .file = path, .col = 1 };
    hg_buf_init(&name, HG_BUF_NOMAX);
    hg_buf_init(&value, HG_BUF_NOMAX);
    for (hg_str_t left = hg_buf_str(text); left.n;) {
        const char *nl = memchr(left.p, '\n', left.n);
        size_t n = nl ? (size_t)(nl - left.p) : left.n;
        hg_str_t line = hg_str_trim((hg_str_t){ left.p, n });
        pos.line++;
        if (line.n && line.p[0] != '#') {
            if (env_line(line, &name, &value))
                setenv(name.p, value.p, 0);
            else
                igc_note(notes, true, pos, "expected NAME=value; the line is ignored");
        }
        n += nl != NULL;
        left = (hg_str_t){ left.p + n, left.n - n };
    }
    hg_buf_release(&name);
    hg_buf_release(&value);
}

void hg_iggy_env_file(hg_iggy_notes_t notes)
{
    const char *named = getenv("IGGY_CONNECTORS_ENV_PATH");
    char dir[4096], path[4200];
    hg_buf_t text;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&text, IGC_MAX_FILE);
    if (named && *named) {
        if (hg_file_read(named, &text, &err) == 0)
            read_env_file(named, &text, notes);
        else
            igc_note(notes, true, (hg_pos_t){ .file = "IGGY_CONNECTORS_ENV_PATH" }, "%s", err.msg);
    } else if (getcwd(dir, sizeof dir)) {
        for (;;) {
            snprintf(path, sizeof path, "%s/.env", dir);
            int rc = hg_file_read(path, &text, &err);
            if (rc == 0) read_env_file(path, &text, notes);
            char *slash = strrchr(dir, '/');
            if (rc == 0 || !slash || !dir[0]) break;
            *slash = 0;
        }
    }
    hg_buf_release(&text);
}
