/* filter_fields.c: fields that stay, by name or by pattern. */
#include "base/hg.h"
#include "iggy/transform/pattern_int.h"

extern const hg_transform_type_t hg_transform_filter_fields;

typedef struct {
    hg_strlist_t keep;
    const hg_json_t *patterns;
    bool include;
} cfg_t;

typedef struct {
    const cfg_t *cfg;
    hg_pattern_t *v;
    uint32_t n;
} filter_t;

static const hg_opt_t opts[] = {
    { .key = "keep_fields",
      .type = HG_OPT_STRLIST,
      .at = offsetof(cfg_t, keep),
      .doc = "Names of fields that stay, whatever the patterns say." },
    { .key = "patterns",
      .type = HG_OPT_JSON,
      .at = offsetof(cfg_t, patterns),
      .doc = "An array of {\"key_pattern\": …, \"value_pattern\": …}; where both are given, both must match. A key "
             "pattern "
             "is one of {\"exact\": s}, {\"starts_with\": s}, {\"ends_with\": s}, {\"contains\": s}, {\"regex\": r}; a "
             "value "
             "pattern one of {\"equals\": v}, {\"contains\": s}, {\"regex\": r}, {\"greater_than\": n}, "
             "{\"less_than\": n}, "
             "{\"between\": [a, b]}, \"is_null\", \"is_not_null\", \"is_string\", \"is_number\", \"is_boolean\", "
             "\"is_object\", \"is_array\"." },
    { .key = "include_matching",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, include),
      .def = "true",
      .doc = "What a pattern matches stays; false: it goes, and the rest stays." },
    { .key = NULL },
};

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    filter_t *f = HG_ANEW(m->arena, filter_t);
    int rc = 0;
    f->cfg = cfg;
    *ret = f;
    const hg_json_t *list = f->cfg->patterns;
    if (!list || list->kind == HG_J_NULL) return 0;
    if (list->kind != HG_J_ARRAY)
        return hg_tr_wrong(m, list, "expected an array of patterns, found %s", hg_json_kind_name(list->kind));
    for (const hg_json_t *e = list->child; e; e = e->next) {
        hg_pattern_t p;
        if (hg_pattern_make(m, e, &p) < 0)
            rc = HG_EINVAL;
        else
            HG_APUSH(m->arena, f->v, f->n, p);
    }
    return rc;
}

typedef struct {
    const filter_t *f;
    hg_scratch_t *s;
} look_t;

static int keep(void *arg, const hg_jfield_t *field)
{
    const look_t *l = arg;
    const cfg_t *cfg = l->f->cfg;
    for (uint32_t i = 0; i < cfg->keep.n; i++)
        if (hg_str_eqz(field->key, cfg->keep.v[i])) return 1;
    for (uint32_t i = 0; i < l->f->n; i++) {
        int rc = hg_pattern_matches(&l->f->v[i], l->s, field);
        if (rc < 0) return rc;
        if (rc) return cfg->include;
    }
    return !cfg->include;
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const filter_t *f = made;
    look_t l = { f, s };
    hg_jobj_t *o;
    if (f->n == 0 && f->cfg->keep.n == 0) return HG_TR_PASS;
    int rc = hg_payload_object(p, s, &o, err);
    if (rc <= 0) return rc;
    if (hg_jobj_filter(o, keep, &l) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory while filtering fields");
    return HG_TR_PASS;
}

const hg_transform_type_t hg_transform_filter_fields = {
    .name = "filter_fields",
    .summary = "Keeps, or takes out, the fields of JSON objects that patterns match.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
};
