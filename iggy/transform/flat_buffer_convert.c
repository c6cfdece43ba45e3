/* flat_buffer_convert.c: FlatBuffers to JSON, text and bytes, and JSON to FlatBuffers. */
#include "base/hg.h"
#include "iggy/codec/flat.h"
#include "iggy/transform/convert_int.h"

extern const hg_transform_type_t hg_transform_flat_buffer_convert;

typedef struct {
    hg_convert_cfg_t c;
    const char *root;
    hg_strlist_t includes;
    bool preserve_unknown_fields;
} cfg_t;

typedef struct {
    hg_convert_t c;
    const hg_flat_t *type;
    const char *root;
} flat_t;

static const hg_opt_t opts[] = {
    HG_CONVERT_OPTS(cfg_t,
                    "The schema: a .bfbs file, or one with the schema's text (.fbs). JSON needs it to become a "
                    "FlatBuffer; without it a FlatBuffer is described, not read.",
                    "An object: `strict_mode` refuses JSON members that the table does not have. `verify_buffers`, "
                    "`pretty_json`, `include_metadata` and `buffer_size_hint` are accepted; what is read is always "
                    "verified."),
    { .key = "root_table_name",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, root),
      .doc = "The table at the root, with its namespace. Without it the schema's root_type." },
    { .key = "include_paths",
      .type = HG_OPT_STRLIST,
      .at = offsetof(cfg_t, includes),
      .doc = "Folders of the files that the schema includes, beside its own." },
    { .key = "preserve_unknown_fields",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, preserve_unknown_fields),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted. Fields that the schema does not have are left out of JSON." },
    { .key = NULL },
};

static bool allowed(const hg_convert_t *c)
{
    if (c->from == c->to) return true;
    if (c->to == HG_PL_FLAT_BUFFER) return c->from == HG_PL_JSON;
    return c->from == HG_PL_FLAT_BUFFER && (c->to == HG_PL_JSON || c->to == HG_PL_TEXT || c->to == HG_PL_RAW);
}

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    const cfg_t *c = cfg;
    const hg_flat_cfg_t schema = { c->c.schema_path, c->root, c->includes };
    flat_t *t = HG_ANEW(m->arena, flat_t);
    hg_err_t err = HG_ERR_INIT;
    t->root = c->root;
    *ret = t;
    int rc =
        hg_convert_make(m, &c->c, "verify_buffers|pretty_json|include_metadata|buffer_size_hint|strict_mode", &t->c);
    if (rc < 0) return rc;
    if (!allowed(&t->c))
        return hg_tr_wrong(m, hg_json_get(m->node, "target_format"),
                           "%s does not become %s here: json becomes flat_buffer, and flat_buffer json, text or raw",
                           hg_plkind_name(t->c.from), hg_plkind_name(t->c.to));
    if (hg_flat_new(m->arena, &schema, &t->type, &err) < 0) return hg_tr_wrong_err(m, &err);
    if (t->c.from == HG_PL_JSON && t->c.to != t->c.from && !t->type)
        return hg_tr_wrong(m, NULL, "JSON becomes a FlatBuffer by a schema: give schema_path");
    return 0;
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const flat_t *t = made;
    hg_str_t bytes;
    if (p->kind == t->c.to && p->kind != t->c.from) return HG_TR_PASS; /* a stream's codec has done it */
    if (p->kind != t->c.from) return hg_convert_misfit(&t->c, p, err);
    int rc = hg_mapping_apply(&t->c.names, false, s, p, err);
    if (rc < 0 || t->c.from == t->c.to) return rc;
    rc = hg_payload_bytes(p, s, &bytes, err);
    if (rc < 0) return rc;
    if (t->c.to == HG_PL_FLAT_BUFFER) {
        rc = hg_flat_encode(t->type, s, bytes, t->c.strict, &bytes, err);
        if (rc == 0) *p = (hg_payload_t){ .kind = HG_PL_FLAT_BUFFER, .bytes = bytes };
        return rc;
    }
    if (t->c.to == HG_PL_JSON) {
        rc = hg_flat_decode(t->type, t->root, s, bytes, p, err);
        return rc < 0 ? rc : hg_mapping_apply(&t->c.names, false, s, p, err);
    }
    if (t->c.to == HG_PL_TEXT) return hg_convert_base64(s, p, bytes, err);
    p->kind = HG_PL_RAW;
    return HG_TR_PASS;
}

static hg_plkind_t kind(const void *made, hg_plkind_t in)
{
    const flat_t *t = made;
    return in == t->c.from ? t->c.to : in;
}

static hg_plkind_t reads(const void *made)
{
    return ((const flat_t *)made)->c.from;
}

const hg_transform_type_t hg_transform_flat_buffer_convert = {
    .name = "flat_buffer_convert",
    .summary = "Converts FlatBuffers to JSON, text and raw bytes, and JSON to FlatBuffers.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
    .kind = kind,
    .reads = reads,
};
