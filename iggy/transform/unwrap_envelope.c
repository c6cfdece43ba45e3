/* unwrap_envelope.c: one field's value becomes the message. */
#include "base/hg.h"
#include "iggy/transform/transform_int.h"

extern const hg_transform_type_t hg_transform_unwrap_envelope;

typedef struct {
    const char *field;
} cfg_t;

static const hg_opt_t opts[] = {
    { .key = "field",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, field),
      .flags = HG_OPT_REQUIRED,
      .doc = "The field whose value becomes the whole message, whatever it is. Messages without it pass as they are." },
    { .key = NULL },
};

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    const cfg_t *c = cfg;
    if (c->field[0] == 0) return hg_tr_wrong(m, hg_json_get(m->node, "field"), "the field's name is empty");
    *ret = c;
    return 0;
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const cfg_t *c = made;
    hg_jobj_t *o;
    int rc = hg_payload_object(p, s, &o, err);
    if (rc <= 0) return rc;
    const hg_jfield_t *f = hg_jobj_find(o, hg_strz(c->field));
    if (!f) return HG_TR_PASS;
    hg_str_t value = f->value;
    if (value.p < o->text.p || value.p >= o->text.p + o->text.n) { /* it was put in: the index is gone before it is */
        value = hg_scratch_copy(s, value);
        if (!value.p) return hg_err_set(err, HG_ENOMEM, "out of memory while unwrapping a message");
    }
    *p = (hg_payload_t){ .kind = HG_PL_JSON, .bytes = value };
    return HG_TR_PASS;
}

const hg_transform_type_t hg_transform_unwrap_envelope = {
    .name = "unwrap_envelope",
    .summary = "Makes the value of one field the whole message.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
};
