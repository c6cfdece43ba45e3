/* delete_fields.c: fields that go. */
#include "base/hg.h"
#include "iggy/transform/transform_int.h"

extern const hg_transform_type_t hg_transform_delete_fields;

static const hg_opt_t opts[] = {
    { .key = "fields",
      .type = HG_OPT_STRLIST,
      .doc = "Names of the fields that are taken out. None: nothing is done." },
    { .key = NULL },
};

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    (void)m;
    *ret = cfg;
    return 0;
}

static int keep(void *arg, const hg_jfield_t *f)
{
    const hg_strlist_t *names = arg;
    for (uint32_t i = 0; i < names->n; i++)
        if (hg_str_eqz(f->key, names->v[i])) return 0;
    return 1;
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_strlist_t names = *(const hg_strlist_t *)made;
    hg_jobj_t *o;
    if (names.n == 0) return HG_TR_PASS;
    int rc = hg_payload_object(p, s, &o, err);
    return rc <= 0 ? rc : hg_jobj_filter(o, keep, &names);
}

const hg_transform_type_t hg_transform_delete_fields = {
    .name = "delete_fields",
    .summary = "Takes fields out of JSON objects.",
    .opts = opts,
    .cfg_size = sizeof(hg_strlist_t),
    .make = make,
    .apply = apply,
};
