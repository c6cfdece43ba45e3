/* avro_convert.c: Avro data to JSON and back, and the labels between. */
#include "base/hg.h"
#include "iggy/codec/any.h"
#include "iggy/codec/avro.h"
#include "iggy/transform/convert_int.h"

extern const hg_transform_type_t hg_transform_avro_convert;

typedef struct {
    hg_convert_cfg_t c;
    const char *schema_json;
} cfg_t;

typedef struct {
    hg_convert_t c;
    const hg_avro_t *schema;
} avro_t;

static const hg_opt_t opts[] = {
    HG_CONVERT_OPTS(cfg_t, "File with the Avro schema.",
                    "Accepted: `pretty_json`, `include_metadata` and `strict_mode` change nothing, as in Iggy."),
    { .key = "schema_json",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, schema_json),
      .doc = "The Avro schema as JSON text. Wins over the path." },
    { .key = NULL },
};

static bool encodes(const hg_convert_t *c)
{
    return c->to == HG_PL_AVRO && (c->from == HG_PL_JSON || c->from == HG_PL_TEXT);
}

static bool decodes(const hg_convert_t *c)
{
    return c->from == HG_PL_AVRO && c->to == HG_PL_JSON;
}

static int make(hg_tr_make_t *m, const void *cfg, const void **ret)
{
    const cfg_t *c = cfg;
    avro_t *t = HG_ANEW(m->arena, avro_t);
    hg_err_t err = HG_ERR_INIT;
    *ret = t;
    int rc = hg_convert_make(m, &c->c, "pretty_json|include_metadata|strict_mode", &t->c);
    if (hg_avro_schema_load(m->arena, c->schema_json, "schema_json", c->c.schema_path, "schema_path", &t->schema,
                            &err) < 0)
        return hg_tr_wrong_err(m, &err);
    if (rc == 0 && !t->schema && (encodes(&t->c) || decodes(&t->c)))
        return hg_tr_wrong(m, NULL, "an Avro schema is needed: schema_json or schema_path");
    return rc;
}

static int encode(const avro_t *t, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_payload_t json = *p;
    hg_str_t text;
    int rc = 0;
    if (p->kind == HG_PL_TEXT) {
        rc = hg_payload_json(p->bytes, s, &json, err);
        if (rc == 0) rc = hg_mapping_apply(&t->c.names, false, s, &json, err);
    }
    if (rc == 0) rc = hg_payload_bytes(&json, s, &text, err);
    if (rc == 0) rc = hg_avro_from_json(t->schema, s, text, hg_scratch_out(s), err);
    if (rc < 0) return rc;
    *p = (hg_payload_t){ .kind = HG_PL_AVRO };
    return hg_scratch_keep(s, &p->bytes) < 0 ? hg_convert_nomem(err) : 0;
}

static int decode(const avro_t *t, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    hg_str_t json;
    if (p->bytes.n == 0) return hg_err_set(err, HG_EPARSE, "an empty message is no Avro datum");
    int rc = hg_avro_to_json(t->schema, p->bytes, hg_scratch_out(s), err);
    if (rc < 0) return rc;
    if (hg_scratch_keep(s, &json) < 0) return hg_convert_nomem(err);
    *p = (hg_payload_t){ .kind = HG_PL_JSON, .bytes = json };
    return hg_mapping_apply(&t->c.names, false, s, p, err);
}

/* What the pair does; kinds that are not named stay as they are. */
static hg_plkind_t kind(const void *made, hg_plkind_t in)
{
    const hg_convert_t *c = &((const avro_t *)made)->c;
    if (in != c->from || in == c->to) return in;
    if (c->from == HG_PL_AVRO && (c->to == HG_PL_JSON || c->to == HG_PL_TEXT || c->to == HG_PL_RAW)) return c->to;
    if (c->to == HG_PL_AVRO && c->from != HG_PL_PROTO && c->from != HG_PL_FLAT_BUFFER) return c->to;
    return in;
}

static int apply(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    const avro_t *t = made;
    hg_plkind_t to = kind(t, t->c.from);
    int rc = p->kind == HG_PL_JSON ? hg_mapping_apply(&t->c.names, false, s, p, err) : 0;
    if (rc < 0 || to == t->c.from) return rc; /* a pair that changes nothing */
    if (p->kind == to) return HG_TR_PASS;     /* a stream's codec has done it */
    if (p->kind != t->c.from) return hg_convert_misfit(&t->c, p, err);
    if (encodes(&t->c)) return encode(t, s, p, err);
    if (decodes(&t->c)) return decode(t, s, p, err);
    if (to == HG_PL_TEXT) return hg_convert_base64(s, p, p->bytes, err);
    p->kind = to;
    return HG_TR_PASS;
}

static hg_plkind_t reads(const void *made)
{
    return ((const avro_t *)made)->c.from;
}

const hg_transform_type_t hg_transform_avro_convert = {
    .name = "avro_convert",
    .summary = "Converts between Avro, JSON, text and raw bytes.",
    .opts = opts,
    .cfg_size = sizeof(cfg_t),
    .make = make,
    .apply = apply,
    .kind = kind,
    .reads = reads,
};
