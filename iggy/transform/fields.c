/* fields.c: see fields_int.h. */
#include "base/hg.h"
#include "iggy/transform/fields_int.h"

#define X(kind, name)  name "|"
#define NAMES_OF(list) list(X)
static const char computed_names[] = NAMES_OF(HG_COMPUTED);
static const char condition_names[] = NAMES_OF(HG_CONDITIONS);
#undef X

#define X(kind, name) name,
static const char *const computed[] = { HG_COMPUTED(X) NULL };
static const char *const conditions_of[] = { HG_CONDITIONS(X) NULL };
#undef X

/* Which of the words; -1: none, and m knows. */
static int word(hg_tr_make_t *m, const hg_json_t *v, const char *what, const char *const *words, const char *all)
{
    if (v->kind != HG_J_STRING) {
        hg_tr_wrong(m, v, "expected a %s, found %s", what, hg_json_kind_name(v->kind));
        return -1;
    }
    for (int i = 0; words[i]; i++)
        if (hg_str_eqz(v->str, words[i])) return i;
    const char *near = hg_nearest(v->str, words);
    if (near)
        hg_tr_wrong(m, v, "unknown %s '%s'; did you mean '%s'?", what, v->str.p, near);
    else
        hg_tr_wrong(m, v, "unknown %s '%s'; there are: %.*s", what, v->str.p, (int)strlen(all) - 1, all);
    return -1;
}

static int make_value(hg_tr_make_t *m, const hg_json_t *entry, hg_put_field_t *f)
{
    const hg_json_t *v = hg_json_get(entry, "value");
    if (!v) return hg_tr_wrong(m, entry, "missing field `value`: {\"static\": …} or {\"computed\": \"…\"}");
    const hg_json_t *constant = hg_json_get(v, "static"), *made = hg_json_get(v, "computed");
    if (v->kind != HG_J_OBJECT || !constant == !made)
        return hg_tr_wrong(m, v, "a value is either {\"static\": …} or {\"computed\": \"…\"}");
    hg_tr_known(m, v, "static|computed");
    if (constant) {
        f->value = hg_tr_json(m->arena, constant);
        return 0;
    }
    int kind = word(m, made, "kind of computed value", computed, computed_names);
    if (kind < 0) return HG_EINVAL;
    f->computed = (hg_computed_t)(kind + 1);
    return 0;
}

static int make_entry(hg_tr_make_t *m, const hg_json_t *entry, bool conditions, hg_put_field_t *f)
{
    const hg_json_t *key = hg_json_get(entry, "key"), *when = hg_json_get(entry, "condition");
    if (entry->kind != HG_J_OBJECT)
        return hg_tr_wrong(m, entry, "expected an object with `key` and `value`, found %s",
                           hg_json_kind_name(entry->kind));
    hg_tr_known(m, entry, conditions ? "key|value|condition" : "key|value");
    if (!key) return hg_tr_wrong(m, entry, "missing field `key`: the name of the field");
    if (key->kind != HG_J_STRING)
        return hg_tr_wrong(m, key, "expected the name of a field, found %s", hg_json_kind_name(key->kind));
    f->key = hg_arena_str(m->arena, key->str);
    f->name = hg_tr_quote(m->arena, key->str);
    if (conditions && when && when->kind != HG_J_NULL) {
        int at = word(m, when, "condition", conditions_of, condition_names);
        if (at < 0) return HG_EINVAL;
        f->when = (hg_condition_t)at;
    }
    return make_value(m, entry, f);
}

int hg_put_fields_make(hg_tr_make_t *m, const hg_json_t *list, bool conditions, hg_put_fields_t *ret)
{
    int rc = 0;
    *ret = (hg_put_fields_t){ 0 };
    if (!list || list->kind == HG_J_NULL) return 0;
    if (list->kind != HG_J_ARRAY)
        return hg_tr_wrong(m, list, "expected an array of fields, found %s", hg_json_kind_name(list->kind));
    for (const hg_json_t *e = list->child; e; e = e->next) {
        hg_put_field_t f = { 0 };
        if (make_entry(m, e, conditions, &f) < 0)
            rc = HG_EINVAL;
        else
            HG_APUSH(m->arena, ret->v, ret->n, f);
    }
    return rc;
}

static bool wanted(const hg_put_field_t *f, const hg_jobj_t *o)
{
    return f->when == HG_CD_ALWAYS || (hg_jobj_find(o, f->key) != NULL) == (f->when == HG_CD_EXISTS);
}

int hg_put_fields_apply(const hg_put_fields_t *f, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_jobj_t *o;
    if (f->n == 0) return HG_TR_PASS;
    int rc = hg_payload_object(p, s, &o, err);
    if (rc <= 0) return rc;
    for (uint32_t i = 0; i < f->n; i++) {
        const hg_put_field_t *e = &f->v[i];
        if (!wanted(e, o)) continue;
        hg_str_t v = e->computed ? hg_computed_text(e->computed, s) : e->value;
        if (!v.p || hg_jobj_set(o, s, e->key, e->name, v) < 0)
            return hg_err_set(err, HG_ENOMEM, "out of memory while adding a field");
    }
    return HG_TR_PASS;
}

bool hg_put_fields_vary(const hg_put_fields_t *f)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->v[i].computed) return true;
    return false;
}
