/* proto_convert.c: Protobuf to JSON, text and bytes, and back. Without a schema an Any is the most that is understood
 * of a binary message, and a payload of kind proto holds text, as in Iggy.
 */
#include "base/hg.h"
#include "iggy/codec/any.h"
#include "iggy/codec/proto.h"
#include "iggy/transform/convert_int.h"

extern const hg_transform_type_t hg_transform_proto_convert;

typedef struct {
    hg_convert_cfg_t c;
    const char *message_type, *schema_registry_url;
    const hg_json_t *descriptor_set;
    hg_strlist_t includes;
    bool preserve_unknown_fields;
} cfg_t;

typedef struct {
    hg_convert_t c;
    const hg_proto_t *type; /* NULL: no schema */
    const char *message_type;
} proto_t;

static const hg_opt_t opts[] = {
    HG_CONVERT_OPTS(
        cfg_t, "The .proto file that describes the messages.",
        "An object: `pretty_json` writes JSON that becomes text or bytes in lines; `include_metadata` wraps "
        "what becomes JSON as {\"data\": …, \"metadata\": …}; `validate_messages` and `strict_mode` refuse "
        "JSON members that the message does not have, which are otherwise left out. `type_url_prefix` is "
        "accepted."),
    { .key = "message_type",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, message_type),
      .doc = "Full name of the message type. May be left out if the file has only one." },
    { .key = "descriptor_set",
      .type = HG_OPT_JSON,
      .at = offsetof(cfg_t, descriptor_set),
      .doc = "Instead of a file: a serialised FileDescriptorSet, as an array of byte numbers." },
    { .key = "include_paths",
      .type = HG_OPT_STRLIST,
      .at = offsetof(cfg_t, includes),
      .doc = "Folders in which the file's imports are looked for, beside its own." },
    { .key = "schema_registry_url",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, schema_registry_url),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted; no registry is asked, as in Iggy." },
    { .key = "preserve_unknown_fields",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, preserve_unknown_fields),
      .flags = HG_OPT_IGNORED,
      .doc = "Accepted. Fields that the schema does not have are left out of JSON." },
    { .key = NULL },
};

static bool allowed(const hg_convert_t *c)
{
    if (c->from == c->to || c->from == HG_PL_PROTO || c->to == HG_PL_PROTO) return true;
    if (c->from == HG_PL_JSON) return c->to == HG_PL_TEXT || c->to == HG_PL_RAW;
    return c->to == HG_PL_JSON && (c->from == HG_PL_TEXT || c->from == HG_PL_RAW);
}

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    const cfg_t *c = cfg;
    const hg_proto_cfg_t schema = { c->c.schema_path, c->message_type, c->descriptor_set, c->includes };
    proto_t *t = HG_ANEW(m->arena, proto_t);
    hg_err_t err = HG_ERR_INIT;
    t->message_type = c->message_type;
    *ret = t;
    int rc =
        hg_convert_make(m, &c->c, "validate_messages|pretty_json|include_metadata|type_url_prefix|strict_mode", &t->c);
    if (rc < 0) return rc;
    if (!allowed(&t->c))
        return hg_tr_wrong(
            m, hg_json_get(m->node, "target_format"),
            "%s does not become %s here: anything becomes proto and proto anything; json becomes text or "
            "raw, and those json",
            hg_plkind_name(t->c.from), hg_plkind_name(t->c.to));
    if (hg_proto_new(m->arena, &schema, &t->type, &err) < 0) return hg_tr_wrong_err(m, &err);
    if (t->type && !t->message_type) t->message_type = hg_proto_type_name(t->type);
    return 0;
}

static int kept(hg_scratch_t *s, hg_payload_t *p, hg_plkind_t kind, int rc, hg_err_t *err)
{
    *p = (hg_payload_t){ .kind = kind };
    return rc < 0 || hg_scratch_keep(s, &p->bytes) < 0 ? hg_convert_nomem(err) : HG_TR_PASS;
}

/* {"data": …, "metadata": {…}} around JSON. */
static int envelope(const proto_t *t, const char *from, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_str_t data;
    hg_jw_t w;
    int rc = hg_payload_bytes(p, s, &data, err);
    if (rc < 0) return rc;
    hg_jw_init(&w, hg_scratch_out(s));
    hg_jw_obj(&w);
    hg_jw_key(&w, "data");
    hg_jw_raw(&w, data);
    hg_jw_key(&w, "metadata");
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "converted_from", from);
    hg_jw_ki64(&w, "timestamp", hg_scratch_now(s) / 1000000);
    if (t->message_type) hg_jw_kstr(&w, "message_type", t->message_type);
    hg_jw_end_obj(&w);
    hg_jw_end_obj(&w);
    return kept(s, p, HG_PL_JSON, w.rc, err);
}

/* {"binary_data": base64, "format": "raw_binary"} or {"proto_text": …, "format": "text"} */
static int described(hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_buf_t *out = hg_scratch_out(s);
    int rc;
    if (p->kind == HG_PL_PROTO) {
        rc = hg_buf_adds(out, "{\"proto_text\":");
        if (rc == 0) rc = hg_json_quote(out, p->bytes);
        if (rc == 0) rc = hg_buf_adds(out, ",\"format\":\"text\"}");
    } else {
        rc = hg_buf_adds(out, "{\"binary_data\":\"");
        if (rc == 0) rc = hg_base64(out, p->bytes);
        if (rc == 0) rc = hg_buf_adds(out, "\",\"format\":\"raw_binary\"}");
    }
    return kept(s, p, HG_PL_JSON, rc, err);
}

static int to_json(const proto_t *t, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const char *from = "protobuf";
    hg_payload_t json;
    hg_any_t any;
    hg_err_t no;
    int rc;
    if (p->kind == HG_PL_PROTO) {
        bool is = hg_payload_json(p->bytes, s, &json, &no) == 0;
        if (!is) return described(s, p, err);
        rc = 0;
    } else if (t->type) {
        rc = hg_proto_decode(t->type, s, p->bytes, &json, err);
    } else if (hg_any_read(p->bytes, &any)) {
        from = "protobuf_any";
        rc = hg_any_json(&any, s, &json, err);
    } else {
        return described(s, p, err);
    }
    if (rc == 0) rc = hg_mapping_apply(&t->c.names, false, s, &json, err);
    if (rc < 0) return rc;
    *p = json;
    return t->c.metadata ? envelope(t, from, s, p, err) : HG_TR_PASS;
}

static int to_text(hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_any_t any;
    hg_buf_t *out = hg_scratch_out(s);
    int rc;
    if (p->kind == HG_PL_PROTO) {
        p->kind = HG_PL_TEXT;
        return HG_TR_PASS;
    }
    bool is_any = hg_any_read(p->bytes, &any);
    if (is_any) {
        rc = hg_buf_adds(out, "# google.protobuf.Any\ntype_url: ");
        if (rc == 0) rc = hg_json_quote(out, any.type_url);
        if (rc == 0) rc = hg_buf_adds(out, "\nvalue: \"");
    } else {
        rc = hg_buf_adds(out, "# Protobuf\nbinary_data: \"");
    }
    if (rc == 0) rc = hg_base64(out, is_any ? any.value : p->bytes);
    if (rc == 0) rc = hg_buf_addc(out, '"');
    return kept(s, p, HG_PL_TEXT, rc, err);
}

static int from_proto(const proto_t *t, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    if (p->kind != HG_PL_PROTO && p->kind != HG_PL_RAW) return hg_convert_misfit(&t->c, p, err);
    if (t->c.to == HG_PL_JSON) return to_json(t, s, p, err);
    if (t->c.to == HG_PL_TEXT) return to_text(s, p, err);
    p->kind = t->c.to;
    return HG_TR_PASS;
}

/* JSON text, as a message if the type is known, else as the text of one. */
static int message(const proto_t *t, hg_scratch_t *s, hg_payload_t *json, hg_payload_t *p, hg_err_t *err)
{
    hg_str_t text;
    int rc = t->type ? hg_payload_bytes(json, s, &text, err) : hg_convert_json_text(&t->c, s, json, &text, err);
    if (rc == 0 && t->type) rc = hg_proto_encode(t->type, s, text, t->c.strict, &text, err);
    if (rc == 0) *p = (hg_payload_t){ .kind = t->type ? HG_PL_RAW : HG_PL_PROTO, .bytes = text };
    return rc;
}

static int to_proto(const proto_t *t, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_payload_t json;
    hg_err_t no;
    if (t->c.from == HG_PL_JSON) return message(t, s, p, p, err);
    if (t->c.from == HG_PL_TEXT && hg_payload_json(p->bytes, s, &json, &no) == 0) {
        int rc = hg_mapping_apply(&t->c.names, false, s, &json, err);
        return rc < 0 ? rc : message(t, s, &json, p, err);
    }
    if (t->c.from == HG_PL_TEXT && t->type)
        return hg_err_set(err, HG_EINVAL, "the text is no JSON, so it becomes no message of type %s", t->message_type);
    p->kind = HG_PL_PROTO;
    if (hg_utf8_valid(p->bytes.p, p->bytes.n)) return HG_TR_PASS;
    hg_buf_t *out = hg_scratch_out(s);
    int rc = hg_buf_adds(out, "binary_data: \"");
    if (rc == 0) rc = hg_base64(out, p->bytes);
    if (rc == 0) rc = hg_buf_addc(out, '"');
    return kept(s, p, HG_PL_PROTO, rc, err);
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const proto_t *t = made;
    hg_str_t text;
    int rc = hg_mapping_apply(&t->c.names, false, s, p, err);
    if (rc < 0 || t->c.from == t->c.to) return rc;
    if (t->c.from == HG_PL_PROTO && p->kind == HG_PL_JSON && t->c.to == HG_PL_JSON)
        return HG_TR_PASS; /* the stream's codec has done it */
    if (t->c.from == HG_PL_PROTO) return from_proto(t, s, p, err);
    if (p->kind != t->c.from) return hg_convert_misfit(&t->c, p, err);
    if (t->c.to == HG_PL_PROTO) return to_proto(t, s, p, err);
    if (t->c.to == HG_PL_JSON) return hg_payload_json(p->bytes, s, p, err);
    rc = hg_convert_json_text(&t->c, s, p, &text, err);
    if (rc == 0) *p = (hg_payload_t){ .kind = t->c.to, .bytes = text };
    return rc;
}

static hg_plkind_t kind(const void *made, hg_plkind_t in)
{
    const proto_t *t = made;
    if (t->c.to == HG_PL_PROTO && t->type && (in == HG_PL_JSON || in == HG_PL_TEXT)) return HG_PL_RAW;
    return in == t->c.from || (in == HG_PL_RAW && t->c.from == HG_PL_PROTO) ? t->c.to : in;
}

static bool varies(const void *made)
{
    const proto_t *t = made;
    return t->c.metadata && t->c.from == HG_PL_PROTO && t->c.to == HG_PL_JSON;
}

static hg_plkind_t reads(const void *made)
{
    return ((const proto_t *)made)->c.from;
}

const hg_transform_type_t hg_transform_proto_convert = {
    .name = "proto_convert",
    .summary = "Converts between Protobuf, JSON, text and raw bytes.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
    .varies = varies,
    .kind = kind,
    .reads = reads,
};
