/* flat.c: the schema flat_buffer. Without a schema of its own a buffer is described, not read, as in Iggy. */
#include "base/hg.h"
#include "iggy/codec/codec_int.h"
#include "iggy/codec/flat.h"
#include "iggy/codec/mapping.h"

typedef struct {
    hg_flat_cfg_t schema;
    bool extract_as_json, verify_buffers, preserve_unknown_fields, strict_mode;
    uint32_t table_size_hint;
    const hg_json_t *field_mappings;
} flat_cfg_t;

typedef struct {
    const hg_flat_t *type; /* NULL: none is known */
    const char *root;
    hg_mapping_t names;
    bool json, verify, strict;
} flat_t;

static const hg_opt_t flat_opts[] = {
    { .key = "schema_path",
      .type = HG_OPT_STR,
      .at = offsetof(flat_cfg_t, schema.schema_path),
      .doc = "The schema: a .bfbs file, or one with the schema's text (.fbs). Without one buffers are described, not "
             "read." },
    { .key = "root_table_name",
      .type = HG_OPT_STR,
      .at = offsetof(flat_cfg_t, schema.root_table_name),
      .doc = "The table at the root, with its namespace. Without it the schema's root_type." },
    { .key = "include_paths",
      .type = HG_OPT_STRLIST,
      .at = offsetof(flat_cfg_t, schema.include_paths),
      .doc = "Folders of the files that the schema includes, beside its own." },
    { .key = "field_mappings",
      .type = HG_OPT_JSON,
      .at = offsetof(flat_cfg_t, field_mappings),
      .doc = "Other names for top-level fields, {\"of the table\": \"in JSON\"}." },
    { .key = "extract_as_json",
      .type = HG_OPT_BOOL,
      .at = offsetof(flat_cfg_t, extract_as_json),
      .def = "true",
      .doc = "Buffers that are read become JSON; false: they stay buffers." },
    { .key = "verify_buffers",
      .type = HG_OPT_BOOL,
      .at = offsetof(flat_cfg_t, verify_buffers),
      .def = "true",
      .doc = "Verify buffers that stay buffers, if the schema is known. What becomes JSON is always verified." },
    { .key = "strict_mode",
      .type = HG_OPT_BOOL,
      .at = offsetof(flat_cfg_t, strict_mode),
      .doc = "Refuse JSON members that the table does not have; otherwise they are left out." },
    { .key = "preserve_unknown_fields",
      .type = HG_OPT_BOOL,
      .at = offsetof(flat_cfg_t, preserve_unknown_fields),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted. Fields that the schema does not have are left out of JSON." },
    { .key = "table_size_hint",
      .type = HG_OPT_U32,
      .at = offsetof(flat_cfg_t, table_size_hint),
      .flags = HG_OPT_IGNORED,
      .def = "1024",
      .doc = "Accepted; buffers grow as they need." },
    { .key = NULL },
};

static int make(hg_arena_t *a, const void *cfg, void **ret, hg_err_t *err)
{
    const flat_cfg_t *c = cfg;
    flat_t *t = HG_ANEW(a, flat_t);
    t->root = c->schema.root_table_name;
    t->json = c->extract_as_json;
    t->verify = c->verify_buffers;
    t->strict = c->strict_mode;
    int rc = hg_mapping_init(&t->names, a, "field_mappings", c->field_mappings, err);
    if (rc == 0) rc = hg_flat_new(a, &c->schema, &t->type, err);
    if (rc == 0) *ret = t;
    return rc;
}

static int decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    const flat_t *t = made;
    int rc;
    if (t->json) {
        rc = hg_flat_decode(t->type, t->root, s, bytes, ret, err);
        return rc < 0 ? rc : hg_mapping_apply(&t->names, false, s, ret, err);
    }
    rc = hg_flat_verify(t->verify ? t->type : NULL, bytes, err);
    if (rc == 0) *ret = (hg_payload_t){ .kind = HG_PL_FLAT_BUFFER, .bytes = bytes };
    return rc;
}

static int encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    const flat_t *t = made;
    hg_payload_t json = { 0 };
    hg_str_t bytes;
    int rc = p->kind == HG_PL_JSON ? hg_mapping_apply(&t->names, true, s, p, err) : 0;
    if (rc == 0) rc = hg_payload_bytes(p, s, &bytes, err);
    if (rc < 0) return rc;
    switch (p->kind) {
    case HG_PL_FLAT_BUFFER:
        *ret = bytes;
        return 0;
    case HG_PL_RAW: /* bytes that are a buffer already */
        rc = t->type ? hg_flat_verify(t->type, bytes, err)
                     : hg_codec_refuse(HG_PL_FLAT_BUFFER, "flat_buffer (and with a schema_path json, text and raw)", p,
                                       err);
        if (rc == 0) *ret = bytes;
        return rc;
    case HG_PL_JSON:
        return hg_flat_encode(t->type, s, bytes, t->strict, ret, err);
    case HG_PL_TEXT:
        rc = hg_payload_json(bytes, s, &json, err);
        if (rc == 0) rc = hg_payload_bytes(&json, s, &bytes, err);
        return rc < 0 ? rc : hg_flat_encode(t->type, s, bytes, t->strict, ret, err);
    case HG_PL_PROTO:
    case HG_PL_AVRO:
    case HG_PL_N:
    default:
        return hg_codec_refuse(HG_PL_FLAT_BUFFER, "flat_buffer, json, text and raw", p, err);
    }
}

const hg_codec_type_t hg_codec_flat_buffer = { .kind = HG_PL_FLAT_BUFFER,
                                               .opts = flat_opts,
                                               .cfg_size = sizeof(flat_cfg_t),
                                               .make = make,
                                               .decode = decode,
                                               .encode = encode };
