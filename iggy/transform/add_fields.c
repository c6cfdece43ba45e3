/* add_fields.c: fields that are put in, whatever was there. */
#include "base/hg.h"
#include "iggy/transform/fields_int.h"

extern const hg_transform_type_t hg_transform_add_fields;

typedef struct {
    const hg_json_t *fields;
} cfg_t;

static const hg_opt_t opts[] = {
    { .key = "fields",
      .type = HG_OPT_JSON,
      .at = offsetof(cfg_t, fields),
      .doc =
          "What is put in, in this order: an array of {\"key\": name, \"value\": {\"static\": any} or {\"computed\": "
          "kind}}. A field that is there gets the value. Kinds: date_time, timestamp_nanos, timestamp_micros, "
          "timestamp_millis, timestamp_seconds, uuid_v4, uuid_v7." },
    { .key = NULL },
};

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    hg_put_fields_t *f = HG_ANEW(m->arena, hg_put_fields_t);
    *ret = f;
    return hg_put_fields_make(m, ((const cfg_t *)cfg)->fields, false, f);
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    return hg_put_fields_apply(made, s, p, err);
}

static bool varies(const void *made)
{
    return hg_put_fields_vary(made);
}

const hg_transform_type_t hg_transform_add_fields = {
    .name = "add_fields",
    .summary = "Puts fields into JSON objects.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
    .varies = varies,
};
