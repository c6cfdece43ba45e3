/* conn_refs.c: `${env:NAME}` and `${secret:kubernetes:name/key}` in connector configurations (orchestration §14).
 *
 * A reference is a whole string, anywhere in a transport's or a format's configuration. Where the program is only
 * checked it stays as it is. Where it runs (hg_compile_opts_t.resolve) the configuration that the connector gets is a
 * copy with the values in place; what is published, compared and stored goes on to be the program's text. A complaint
 * about such a value names the reference, never the value.
 */
#include "base/hg.h"
#include "compile/conn_int.h"

static bool dashed_word(hg_str_t s, size_t max)
{
    if (s.n < 1 || s.n > max || s.p[0] == '-' || s.p[s.n - 1] == '-') return false;
    for (size_t i = 0; i < s.n; i++) {
        bool alnum = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9');
        if (!alnum && (s.p[i] != '-' || s.p[i - 1] == '-')) return false;
    }
    return true;
}

static bool env_name(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '_';
        if (!letter && (i == 0 || ch < '0' || ch > '9')) return false;
    }
    return s.n > 0;
}

hg_ref_kind_t hg_reference(hg_str_t s, hg_str_t *ret_name, hg_str_t *ret_key)
{
    *ret_name = *ret_key = (hg_str_t){ NULL, 0 };
    if (s.n < 2 || s.p[s.n - 1] != '}') return HG_REF_NONE;
    if (hg_str_starts(s, HG_S("${env:"))) {
        *ret_name = (hg_str_t){ s.p + 6, s.n - 7 };
        return env_name(*ret_name) ? HG_REF_ENV : HG_REF_BAD_ENV;
    }
    if (!hg_str_starts(s, HG_S("${secret:"))) return HG_REF_NONE;
    hg_str_t path = { s.p + 9, s.n - 10 };
    if (!hg_str_starts(path, HG_S("kubernetes:"))) return HG_REF_BAD_PROVIDER;
    path = (hg_str_t){ path.p + 11, path.n - 11 };
    const char *slash = path.n ? memchr(path.p, '/', path.n) : NULL;
    *ret_name = (hg_str_t){ path.p, slash ? (size_t)(slash - path.p) : 0 };
    *ret_key = (hg_str_t){ slash ? slash + 1 : NULL, slash ? path.n - ret_name->n - 1 : 0 };
    return dashed_word(*ret_name, 63) && dashed_word(*ret_key, 255) ? HG_REF_SECRET : HG_REF_BAD_SECRET;
}

/* --- one value --- */

static bool is_good(hg_conn_ctx_t *x, const hg_json_t *v, hg_ref_kind_t kind)
{
    switch ((int)kind) {
    case HG_REF_BAD_ENV:
        hg_conn_error(x, v, false, "environment variable reference '" HG_SF "' is not valid: expected ${env:NAME}",
                      HG_SA(v->str));
        return false;
    case HG_REF_BAD_PROVIDER:
        hg_conn_error(x, v, false,
                      "secret reference '" HG_SF "' does not specify a valid provider (for example: 'kubernetes:')",
                      HG_SA(v->str));
        return false;
    case HG_REF_BAD_SECRET:
        hg_conn_error(x, v, false,
                      "secret reference '" HG_SF "' is not valid: expected ${secret:kubernetes:<name>/<key>}",
                      HG_SA(v->str));
        return false;
    default:
        return kind != HG_REF_NONE;
    }
}

static void stand_in(hg_conn_ctx_t *x, const hg_json_t *v, hg_json_t *copy)
{
    hg_err_t err = HG_ERR_INIT;
    if (x->c->resolve(x->c->resolve_arg, v->str, x->c->a, &copy->str, &err) < 0) {
        hg_cc_error(x->c, hg_conn_pos(x, v, false), "Unresolved reference", "%s: %s", hg_conn_subject(x), err.msg);
        x->c->prog->pub.unresolved = true;
        x->ok = false;
        return;
    }
    uint32_t k = x->n_standins;
    HG_APUSH(x->c->a, x->referrers, k, v->str);
    HG_APUSH(x->c->a, x->standins, x->n_standins, (const hg_json_t *)copy);
}

/* --- a configuration --- */

/* How many references there are; complaints about those that are none. */
static uint32_t check(hg_conn_ctx_t *x, const hg_json_t *v)
{
    hg_str_t name, key;
    uint32_t n = 0;
    if (v->kind == HG_J_STRING) n = is_good(x, v, hg_reference(v->str, &name, &key));
    for (const hg_json_t *m = v->child; m; m = m->next) n += check(x, m);
    return n;
}

static hg_json_t *copy(hg_conn_ctx_t *x, const hg_json_t *v, hg_json_t *parent)
{
    hg_str_t name, key;
    hg_json_t *c = HG_ANEW(x->c->a, hg_json_t), **tail = &c->child;
    *c = *v;
    c->parent = parent;
    c->next = NULL;
    if (v->kind == HG_J_STRING && hg_reference(v->str, &name, &key) != HG_REF_NONE) stand_in(x, v, c);
    for (const hg_json_t *m = v->child; m; m = m->next) {
        *tail = copy(x, m, c);
        tail = &(*tail)->next;
    }
    return c;
}

const hg_json_t *hg_conn_references(hg_conn_ctx_t *x, const hg_json_t *v)
{
    bool ok = x->ok;
    if (!v) return v;
    x->ok = true;
    uint32_t n = check(x, v);
    bool good = x->ok;
    x->ok = ok && good;
    return n && good && x->c->resolve ? copy(x, v, v->parent) : v;
}

const hg_str_t *hg_conn_referrer(const hg_conn_ctx_t *x, const hg_json_t *node)
{
    for (uint32_t i = 0; i < x->n_standins; i++)
        if (x->standins[i] == node) return &x->referrers[i];
    return NULL;
}
