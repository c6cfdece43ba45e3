/* proto.c: the schema proto. Without a schema of its own a message is a google.protobuf.Any, as in Iggy. */
#include "base/hg.h"
#include "iggy/codec/codec_int.h"
#include "iggy/codec/mapping.h"
#include "iggy/codec/proto.h"

typedef struct {
    hg_proto_cfg_t schema;
    bool use_any_wrapper, preserve_unknown_fields;
    const hg_json_t *field_mappings, *format_options;
    const char *schema_registry_url;
} proto_cfg_t;

typedef struct {
    const hg_proto_t *type; /* NULL: none is known */
    hg_mapping_t names;
    bool any, strict;
    hg_str_t prefix;
} proto_t;

static const hg_opt_t proto_opts[] = {
    { .key = "schema_path",
      .type = HG_OPT_STR,
      .at = offsetof(proto_cfg_t, schema.schema_path),
      .doc = "The .proto file that describes the messages. Without one they are google.protobuf.Any." },
    { .key = "message_type",
      .type = HG_OPT_STR,
      .at = offsetof(proto_cfg_t, schema.message_type),
      .doc = "Full name of the message type. May be left out if the file has only one." },
    { .key = "descriptor_set",
      .type = HG_OPT_JSON,
      .at = offsetof(proto_cfg_t, schema.descriptor_set),
      .doc = "Instead of a file: a serialised FileDescriptorSet, as an array of byte numbers." },
    { .key = "include_paths",
      .type = HG_OPT_STRLIST,
      .at = offsetof(proto_cfg_t, schema.include_paths),
      .doc = "Folders in which the file's imports are looked for, beside its own." },
    { .key = "field_mappings",
      .type = HG_OPT_JSON,
      .at = offsetof(proto_cfg_t, field_mappings),
      .doc = "Other names for top-level fields, {\"of the message\": \"in JSON\"}." },
    { .key = "use_any_wrapper",
      .type = HG_OPT_BOOL,
      .at = offsetof(proto_cfg_t, use_any_wrapper),
      .def = "true",
      .doc = "Without a schema: messages are google.protobuf.Any; false: they are bytes." },
    { .key = "format_options",
      .type = HG_OPT_JSON,
      .at = offsetof(proto_cfg_t, format_options),
      .doc = "An object: `type_url_prefix` (\"type.googleapis.com\") of the Any that is written without a schema; "
             "`validate_message` refuses members that the message does not have, which are otherwise left out. "
             "`compact_encoding` and `deterministic_encoding` change nothing: messages are always both." },
    { .key = "preserve_unknown_fields",
      .type = HG_OPT_BOOL,
      .at = offsetof(proto_cfg_t, preserve_unknown_fields),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted. Fields that the schema does not have are left out of JSON." },
    { .key = "schema_registry_url",
      .type = HG_OPT_STR,
      .at = offsetof(proto_cfg_t, schema_registry_url),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted; no registry is asked, as in Iggy." },
    { .key = NULL },
};

static int make(hg_arena_t *a, const void *cfg, void **ret, hg_err_t *err)
{
    const proto_cfg_t *c = cfg;
    proto_t *t = HG_ANEW(a, proto_t);
    t->any = c->use_any_wrapper;
    const char *prefix = hg_json_str(hg_json_get(c->format_options, "type_url_prefix"), "type.googleapis.com");
    t->prefix = hg_arena_str(a, hg_strz(prefix));
    t->strict = hg_json_bool(hg_json_get(c->format_options, "validate_message"), false);
    int rc = hg_mapping_init(&t->names, a, "field_mappings", c->field_mappings, err);
    if (rc == 0) rc = hg_proto_new(a, &c->schema, &t->type, err);
    if (rc == 0) *ret = t;
    return rc;
}

static int decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    const proto_t *t = made;
    hg_any_t any;
    int rc;
    if (bytes.n == 0) return hg_err_set(err, HG_EPARSE, "an empty message is no Protobuf message");
    if (t->type) {
        rc = hg_proto_decode(t->type, s, bytes, ret, err);
    } else if (!t->any) {
        *ret = (hg_payload_t){ .kind = HG_PL_RAW, .bytes = bytes };
        return 0;
    } else if (hg_any_read(bytes, &any)) {
        rc = hg_any_json(&any, s, ret, err);
    } else {
        return hg_err_set(err, HG_EPARSE, "not a google.protobuf.Any, and no schema is known: give schema_path");
    }
    return rc < 0 ? rc : hg_mapping_apply(&t->names, false, s, ret, err);
}

/* {"text": …, "timestamp": ms, "encoding": "utf-8"}, as Iggy says text in an Any. */
static int text_note(hg_scratch_t *s, hg_str_t text, hg_str_t *ret)
{
    hg_jw_t w;
    hg_buf_t *out = hg_scratch_out(s);
    hg_jw_init(&w, out);
    hg_jw_obj(&w);
    hg_jw_key(&w, "text");
    hg_jw_str(&w, text);
    hg_jw_ki64(&w, "timestamp", hg_scratch_now(s) / 1000000);
    hg_jw_kstr(&w, "encoding", "utf-8");
    hg_jw_end_obj(&w);
    return w.rc < 0 ? w.rc : hg_scratch_keep(s, ret);
}

static int wrap(const proto_t *t, hg_scratch_t *s, const hg_payload_t *p, hg_str_t value, hg_str_t *ret, hg_err_t *err)
{
    bool bytes = p->kind == HG_PL_RAW || p->kind == HG_PL_FLAT_BUFFER || p->kind == HG_PL_AVRO;
    if (p->kind == HG_PL_TEXT && text_note(s, value, &value) < 0) return hg_codec_nomem(err);
    hg_buf_clear(&s->tmp);
    if (hg_buf_addstr(&s->tmp, t->prefix) < 0 ||
        hg_buf_adds(&s->tmp, bytes ? "/google.protobuf.BytesValue" : "/google.protobuf.StringValue") < 0)
        return hg_codec_nomem(err);
    const hg_any_t any = { hg_buf_str(&s->tmp), value };
    if (hg_any_write(hg_scratch_out(s), &any) < 0 || hg_scratch_keep(s, ret) < 0) return hg_codec_nomem(err);
    return 0;
}

static int encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    const proto_t *t = made;
    hg_payload_t json;
    hg_str_t bytes;
    int rc = p->kind == HG_PL_JSON ? hg_mapping_apply(&t->names, true, s, p, err) : 0;
    if (rc == 0) rc = hg_payload_bytes(p, s, &bytes, err);
    if (rc < 0) return rc;
    if (t->type && p->kind != HG_PL_RAW) {
        if (p->kind != HG_PL_JSON && p->kind != HG_PL_TEXT && p->kind != HG_PL_PROTO)
            return hg_codec_refuse(HG_PL_PROTO, "json, text, proto and raw", p, err);
        rc = hg_payload_json(bytes, s, &json, err);
        if (rc == 0) rc = hg_payload_bytes(&json, s, &bytes, err);
        return rc < 0 ? rc : hg_proto_encode(t->type, s, bytes, t->strict, ret, err);
    }
    if (t->any && !t->type) return wrap(t, s, p, bytes, ret, err);
    *ret = bytes;
    return 0;
}

const hg_codec_type_t hg_codec_proto = { .kind = HG_PL_PROTO,
                                         .opts = proto_opts,
                                         .cfg_size = sizeof(proto_cfg_t),
                                         .make = make,
                                         .decode = decode,
                                         .encode = encode };
