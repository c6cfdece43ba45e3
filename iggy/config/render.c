/* render.c: trees as TOML and YAML documents, and without their secrets. */
#include "base/hg.h"
#include <math.h>
#include "iggy/config/config_int.h"

/* --- secrets ----------------------------------------------------------------------------------------------------- */
/* postgres://user:password@host: what stands between the second colon and the @. */
static bool url_password(hg_str_t s, size_t *from, size_t *to)
{
    const char *scheme = memmem(s.p, s.n, "://", 3);
    if (!scheme) return false;
    size_t i = (size_t)(scheme - s.p) + 3, colon = 0;
    for (; i < s.n && !memchr("/?# \n", s.p[i], 5); i++) {
        if (s.p[i] == ':' && !colon) colon = i;
        if (s.p[i] == '@' && colon) *from = colon + 1, *to = i;
    }
    return *to > *from;
}

static hg_json_t *redact(hg_arena_t *a, const hg_json_t *v, bool secret)
{
    size_t from = 0, to = 0;
    hg_json_t *c = igc_node(a, v->kind);
    c->str = v->str;
    c->key = v->key;
    if (v->kind == HG_J_STRING && v->str.n && secret)
        c->str = HG_S("***");
    else if (v->kind == HG_J_STRING && url_password(v->str, &from, &to))
        c->str = hg_strz(hg_arena_printf(a, HG_SF "***" HG_SF, HG_SA(((hg_str_t){ v->str.p, from })),
                                         HG_SA(((hg_str_t){ v->str.p + to, v->str.n - to }))));
    hg_json_t **at = &c->child;
    for (const hg_json_t *m = v->child; m; m = m->next, at = &(*at)->next, c->n++) {
        *at = redact(a, m, secret || (v->kind == HG_J_OBJECT && hg_secret_name(m->key)));
        (*at)->parent = c;
    }
    return c;
}

hg_json_t *igc_redact(hg_arena_t *a, const hg_json_t *v)
{
    return redact(a, v, false);
}

/* --- strings that both formats read --------------------------------------------------------------------------------
 */
static void quoted(hg_buf_t *b, hg_str_t s)
{
    hg_buf_addc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            hg_buf_addf(b, "\\%c", c);
        else if (c == '\n')
            hg_buf_adds(b, "\\n");
        else if (c == '\t')
            hg_buf_adds(b, "\\t");
        else if (c < 0x20 || c == 0x7F)
            hg_buf_addf(b, "\\u%04X", c);
        else
            hg_buf_addc(b, (char)c);
    }
    hg_buf_addc(b, '"');
}

static bool bare(hg_str_t s, bool yaml)
{
    static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off", "y", "n" };
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (!i || c != '-') && (c < '0' || c > '9' || (yaml && !i))) return false;
    }
    for (size_t i = 0; yaml && i < HG_COUNT(words); i++)
        if (hg_str_ieq(s, hg_strz(words[i]))) return false;
    return s.n > 0;
}

static void name(hg_buf_t *b, hg_str_t s, bool yaml)
{
    if (bare(s, yaml))
        hg_buf_addstr(b, s);
    else
        quoted(b, s);
}

/* --- TOML ----------------------------------------------------------------------------------------------------------
 */
static int no_form(const hg_json_t *v, hg_err_t *err, const char *why)
{
    char path[96];
    hg_json_path(v, NULL, path, sizeof path);
    return hg_err_set(err, HG_EUNSUPPORTED, "'%s' cannot be written as TOML: %s", path, why);
}

static int toml_value(const hg_json_t *v, hg_buf_t *b, hg_err_t *err)
{
    int rc = 0;
    int64_t i;
    double d;
    switch (v->kind) {
    case HG_J_NULL:
        return no_form(v, err, "it is null");
    case HG_J_NUMBER:
        if (!strpbrk(v->str.p, ".eE") && hg_json_i64(v, &i) < 0) return no_form(v, err, "it has more than 63 bits");
        if (hg_json_f64(v, &d) < 0 || isinf(d)) return no_form(v, err, "it is too large");
        hg_buf_addstr(b, v->str);
        break;
    case HG_J_STRING:
        quoted(b, v->str);
        break;
    case HG_J_TRUE:
    case HG_J_FALSE:
        hg_buf_adds(b, v->kind == HG_J_TRUE ? "true" : "false");
        break;
    case HG_J_ARRAY:
    case HG_J_OBJECT: {
        bool object = v->kind == HG_J_OBJECT;
        hg_buf_adds(b, !object ? "[" : v->n ? "{ " : "{");
        for (const hg_json_t *c = v->child; c && rc == 0; c = c->next) {
            if (object) name(b, c->key, false), hg_buf_adds(b, " = ");
            rc = toml_value(c, b, err);
            if (c->next) hg_buf_adds(b, ", ");
        }
        hg_buf_adds(b, !object ? "]" : v->n ? " }" : "}");
        break;
    }
    default:
        hg_panic(__FILE__, __LINE__, "kind");
    }
    return rc;
}

static bool is_tables(const hg_json_t *v)
{
    bool all = v->kind == HG_J_ARRAY && v->n;
    for (const hg_json_t *c = v->child; c && all; c = c->next) all = c->kind == HG_J_OBJECT;
    return all;
}

/* path: the table's name with a final dot, "" for the document. */
static int toml_table(const hg_json_t *t, const char *path, hg_buf_t *b, hg_err_t *err)
{
    int rc = 0;
    for (const hg_json_t *m = t->child; m && rc == 0; m = m->next) {
        if (m->kind == HG_J_OBJECT || is_tables(m)) continue;
        name(b, m->key, false);
        hg_buf_adds(b, " = ");
        rc = toml_value(m, b, err);
        hg_buf_addc(b, '\n');
    }
    for (const hg_json_t *m = t->child; m && rc == 0; m = m->next) {
        if (m->kind != HG_J_OBJECT && !is_tables(m)) continue;
        hg_buf_t full;
        hg_buf_init(&full, HG_BUF_NOMAX);
        hg_buf_adds(&full, path);
        name(&full, m->key, false);
        bool many = m->kind == HG_J_ARRAY;
        size_t end = full.len;
        hg_buf_addc(&full, '.');
        for (const hg_json_t *one = many ? m->child : m; one && rc == 0; one = many ? one->next : NULL) {
            if (b->len) hg_buf_addc(b, '\n');
            hg_buf_addf(b, many ? "[[%.*s]]\n" : "[%.*s]\n", (int)end, full.p);
            rc = toml_table(one, full.p, b, err);
        }
        hg_buf_release(&full);
    }
    return rc;
}

int igc_toml_write(const hg_json_t *doc, hg_buf_t *out, hg_err_t *err)
{
    if (doc->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EUNSUPPORTED, "a TOML document is a table, not %s", hg_json_kind_name(doc->kind));
    return toml_table(doc, "", out, err);
}

/* --- YAML ----------------------------------------------------------------------------------------------------------
 */
static void yaml_value(const hg_json_t *v, unsigned indent, bool in_list, hg_buf_t *b)
{
    bool object = v->kind == HG_J_OBJECT;
    if ((object || v->kind == HG_J_ARRAY) && v->n) {
        /* The first member of an object in a list stands behind its dash. */
        for (const hg_json_t *c = v->child; c; c = c->next) {
            if (!(in_list && object && c == v->child)) hg_buf_addf(b, "\n%*s", (int)indent, "");
            if (object)
                name(b, c->key, true), hg_buf_addc(b, ':');
            else
                hg_buf_addc(b, '-');
            bool nested = (c->kind == HG_J_OBJECT || c->kind == HG_J_ARRAY) && c->n;
            if (!nested || (!object && c->kind == HG_J_OBJECT)) hg_buf_addc(b, ' ');
            yaml_value(c, indent + 2, !object, b);
        }
        return;
    }
    if (v->kind == HG_J_STRING) {
        name(b, v->str, true);
        return;
    }
    hg_jw_t w;
    hg_jw_init(&w, b);
    hg_jw_node(&w, v);
}

void igc_yaml_write(const hg_json_t *doc, hg_buf_t *out)
{
    size_t at = out->len;
    yaml_value(doc, 0, false, out);
    if (out->len > at && out->p[at] == '\n') {
        memmove(out->p + at, out->p + at + 1, out->len - at); /* the final 0 too */
        out->len--;
    }
    hg_buf_addc(out, '\n');
}
