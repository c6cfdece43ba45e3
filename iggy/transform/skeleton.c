/* skeleton.c: the transform to copy. It drops the messages that lack a field.
 *
 * To make one of your own: copy this file, rename `skeleton`, describe the settings in the table, fill in the
 * functions, and add one line to iggy/transform/list.h. This one is built, and tested, but has no line there.
 */
#include "base/hg.h"
#include "iggy/transform/transform_int.h"

extern const hg_transform_type_t hg_transform_skeleton;

/* 1. What users may write. The chain parses and checks it, and fills this struct. */
typedef struct {
    const char *field;
} skeleton_cfg_t;

static const hg_opt_t skeleton_opts[] = {
    { .key = "field",
      .type = HG_OPT_STR,
      .at = offsetof(skeleton_cfg_t, field),
      .flags = HG_OPT_REQUIRED,
      .doc = "The field that a message must have." },
    { .key = NULL },
};

/* 2. What is decided once, before the first message. */
static int skeleton_make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    const skeleton_cfg_t *c = cfg;
    if (c->field[0] == 0) return hg_tr_wrong(m, hg_json_get(m->node, "field"), "an empty name");
    *ret = c;
    return 0;
}

/* 3. One message. What is no JSON object passes. */
static int skeleton_apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const skeleton_cfg_t *c = made;
    hg_jobj_t *o;
    int rc = hg_payload_object(p, s, &o, err);
    if (rc <= 0) return rc;
    return hg_jobj_find(o, hg_strz(c->field)) ? HG_TR_PASS : HG_TR_DROP;
}

const hg_transform_type_t hg_transform_skeleton = {
    .name = "skeleton",
    .summary = "Drops the messages that lack a field.",
    .opts = skeleton_opts,
    .cfg_size = sizeof(skeleton_cfg_t),
    .make = skeleton_make,
    .apply = skeleton_apply,
};
