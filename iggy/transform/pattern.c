/* pattern.c: see pattern_int.h. Texts are compared decoded, values by their canonical form, numbers by their digits. */
#include "base/hg.h"
#include "iggy/transform/number_int.h"
#include "iggy/transform/pattern_int.h"

/* --- making --- */

static void drop_regex(void *arg)
{
    hg_regex_free(arg);
}

static int make_regex(hg_tr_make_t *m, const hg_json_t *v, hg_regex_t **ret)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_regex_new(v->str, ret, &err) < 0) return hg_tr_wrong(m, v, "%s", err.msg);
    hg_arena_cleanup(m->arena, drop_regex, *ret);
    return 0;
}

/* The only member of an object; NULL: it has none, or several. */
static const hg_json_t *only(const hg_json_t *v)
{
    return v->kind == HG_J_OBJECT && v->n == 1 ? v->child : NULL;
}

static int which(const char *const *names, hg_str_t name)
{
    for (int i = 0; names[i]; i++)
        if (hg_str_eqz(name, names[i])) return i;
    return -1;
}

static int unknown(hg_tr_make_t *m, const hg_json_t *v, const char *what, hg_str_t name, const char *const *names,
                   const char *all)
{
    const char *near = hg_nearest(name, names);
    if (near) return hg_tr_wrong(m, v, "unknown %s '" HG_SF "'; did you mean '%s'?", what, HG_SA(name), near);
    return hg_tr_wrong(m, v, "unknown %s '" HG_SF "'; there are %s", what, HG_SA(name), all);
}

static int make_key(hg_tr_make_t *m, const hg_json_t *v, hg_pattern_t *p)
{
    static const char *const names[] = { "exact", "starts_with", "ends_with", "contains", "regex", NULL };
    const hg_json_t *c = only(v);
    if (!c)
        return hg_tr_wrong(m, v,
                           "a key pattern is an object with one of exact, starts_with, ends_with, contains, regex");
    int at = which(names, c->key);
    if (at < 0) return unknown(m, c, "key pattern", c->key, names, "exact, starts_with, ends_with, contains and regex");
    if (c->kind != HG_J_STRING) return hg_tr_wrong(m, c, "expected a string, found %s", hg_json_kind_name(c->kind));
    p->key = (hg_key_pattern_t)(at + 1);
    p->key_text = hg_arena_str(m->arena, c->str);
    return p->key == HG_KP_REGEX ? make_regex(m, c, &p->key_regex) : 0;
}

static int make_number(hg_tr_make_t *m, const hg_json_t *v, hg_str_t *ret)
{
    if (!v || v->kind != HG_J_NUMBER)
        return hg_tr_wrong(m, v, "expected a number, found %s", v ? hg_json_kind_name(v->kind) : "nothing");
    *ret = hg_arena_str(m->arena, v->str);
    return 0;
}

static int make_equals(hg_tr_make_t *m, const hg_json_t *v, hg_pattern_t *p)
{
    hg_str_t json = hg_tr_json(m->arena, v), canonical;
    hg_scratch_t *s = hg_scratch_new();
    hg_str_t padded = hg_scratch_copy(s, json);
    int rc = padded.p ? hg_json_canonical(s, padded, &canonical) : HG_ENOMEM;
    if (rc == 0) p->value_text = hg_arena_str(m->arena, canonical);
    hg_scratch_free(s);
    return rc < 0 ? hg_tr_wrong(m, v, "a value that cannot be compared") : 0;
}

static int make_operand(hg_tr_make_t *m, const hg_json_t *c, hg_pattern_t *p)
{
    switch (p->value) {
    case HG_VP_EQUALS:
        return make_equals(m, c, p);
    case HG_VP_CONTAINS:
    case HG_VP_REGEX:
        if (c->kind != HG_J_STRING) return hg_tr_wrong(m, c, "expected a string, found %s", hg_json_kind_name(c->kind));
        p->value_text = hg_arena_str(m->arena, c->str);
        return p->value == HG_VP_REGEX ? make_regex(m, c, &p->value_regex) : 0;
    case HG_VP_BETWEEN:
        if (c->kind != HG_J_ARRAY || c->n != 2) return hg_tr_wrong(m, c, "expected two numbers, [lowest, highest]");
        if (make_number(m, c->child, &p->value_text) < 0) return HG_EINVAL;
        return make_number(m, c->child->next, &p->value_high);
    case HG_VP_GREATER:
    case HG_VP_LESS:
    case HG_VP_ANY:
    case HG_VP_IS_NULL:
    case HG_VP_IS_NOT_NULL:
    case HG_VP_IS_STRING:
    case HG_VP_IS_NUMBER:
    case HG_VP_IS_BOOLEAN:
    case HG_VP_IS_OBJECT:
    case HG_VP_IS_ARRAY:
    case HG_VP_N:
    default:
        return make_number(m, c, &p->value_text);
    }
}

static int make_value(hg_tr_make_t *m, const hg_json_t *v, hg_pattern_t *p)
{
    static const char *const names[] = { "equals", "contains", "regex", "greater_than", "less_than", "between", NULL };
#define X(kind, word) word,
    static const char *const words[] = { HG_VALUE_WORDS(X) NULL };
#undef X
    if (v->kind == HG_J_STRING) {
        int at = which(words, v->str);
        if (at < 0)
            return unknown(m, v, "value pattern", v->str, words,
                           "is_null, is_not_null, is_string, is_number, is_boolean, is_object and is_array");
        p->value = (hg_value_pattern_t)(HG_VP_IS_NULL + at);
        return 0;
    }
    const hg_json_t *c = only(v);
    if (!c)
        return hg_tr_wrong(m, v,
                           "a value pattern is a word like \"is_null\", or an object with one of equals, contains, "
                           "regex, greater_than, less_than, between");
    int at = which(names, c->key);
    if (at < 0)
        return unknown(m, c, "value pattern", c->key, names,
                       "equals, contains, regex, greater_than, less_than and between");
    p->value = (hg_value_pattern_t)(HG_VP_EQUALS + at);
    return make_operand(m, c, p);
}

int hg_pattern_make(hg_tr_make_t *m, const hg_json_t *node, hg_pattern_t *ret)
{
    *ret = (hg_pattern_t){ 0 };
    if (node->kind != HG_J_OBJECT)
        return hg_tr_wrong(m, node, "expected an object with `key_pattern` and `value_pattern`, found %s",
                           hg_json_kind_name(node->kind));
    hg_tr_known(m, node, "key_pattern|value_pattern");
    const hg_json_t *key = hg_json_get(node, "key_pattern"), *value = hg_json_get(node, "value_pattern");
    int rc = key && key->kind != HG_J_NULL ? make_key(m, key, ret) : 0;
    if (value && value->kind != HG_J_NULL && make_value(m, value, ret) < 0) rc = HG_EINVAL;
    return rc;
}

/* --- matching --- */

static bool contains(hg_str_t s, hg_str_t part)
{
    return part.n == 0 || (s.n >= part.n && memmem(s.p, s.n, part.p, part.n));
}

static bool key_matches(const hg_pattern_t *p, hg_str_t key)
{
    switch (p->key) {
    case HG_KP_EXACT:
        return hg_str_eq(key, p->key_text);
    case HG_KP_STARTS:
        return hg_str_starts(key, p->key_text);
    case HG_KP_ENDS:
        return key.n >= p->key_text.n &&
               hg_str_eq((hg_str_t){ key.p + key.n - p->key_text.n, p->key_text.n }, p->key_text);
    case HG_KP_CONTAINS:
        return contains(key, p->key_text);
    case HG_KP_REGEX:
        return hg_regex_search(p->key_regex, key);
    case HG_KP_ANY:
    default:
        return true;
    }
}

static int value_matches(const hg_pattern_t *p, hg_scratch_t *s, hg_str_t v)
{
    hg_str_t text;
    char c = v.n ? v.p[0] : 0;
    switch (p->value) {
    case HG_VP_EQUALS:
        return hg_json_same(s, v, p->value_text);
    case HG_VP_CONTAINS:
        return hg_json_string(s, v, &text) && contains(text, p->value_text);
    case HG_VP_REGEX:
        return hg_json_string(s, v, &text) && hg_regex_search(p->value_regex, text);
    case HG_VP_GREATER:
        return hg_is_number(v) && hg_number_cmp(v, p->value_text) > 0;
    case HG_VP_LESS:
        return hg_is_number(v) && hg_number_cmp(v, p->value_text) < 0;
    case HG_VP_BETWEEN:
        return hg_is_number(v) && hg_number_cmp(v, p->value_text) >= 0 && hg_number_cmp(v, p->value_high) <= 0;
    case HG_VP_IS_NULL:
        return c == 'n';
    case HG_VP_IS_NOT_NULL:
        return c != 'n';
    case HG_VP_IS_STRING:
        return c == '"';
    case HG_VP_IS_NUMBER:
        return hg_is_number(v);
    case HG_VP_IS_BOOLEAN:
        return c == 't' || c == 'f';
    case HG_VP_IS_OBJECT:
        return c == '{';
    case HG_VP_IS_ARRAY:
        return c == '[';
    case HG_VP_ANY:
    case HG_VP_N:
    default:
        return 1;
    }
}

int hg_pattern_matches(const hg_pattern_t *p, hg_scratch_t *s, const hg_jfield_t *f)
{
    return key_matches(p, f->key) ? value_matches(p, s, f->value) : 0;
}
