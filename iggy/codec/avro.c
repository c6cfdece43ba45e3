/* avro.c: the schema avro, and where its schema text comes from. */
#include "base/hg.h"
#include "connectors/format/avro_schema.h"
#include "iggy/codec/avro.h"
#include "iggy/codec/codec_int.h"

typedef struct {
    const char *json, *path;
} avro_cfg_t;

static const hg_opt_t avro_opts[] = {
    { .key = "avro_schema_json",
      .type = HG_OPT_STR,
      .at = offsetof(avro_cfg_t, json),
      .doc = "The Avro schema as JSON text. Wins over the path." },
    { .key = "avro_schema_path",
      .type = HG_OPT_STR,
      .at = offsetof(avro_cfg_t, path),
      .doc = "File with the Avro schema." },
    { .key = NULL },
};

int hg_avro_schema_load(hg_arena_t *a, const char *json, const char *json_option, const char *path,
                        const char *path_option, const hg_avro_t **ret, hg_err_t *err)
{
    hg_avro_names_t names = { .arena = a };
    hg_str_t text = hg_strz(json);
    *ret = NULL;
    if (!json && !path) return 0;
    if (!json) {
        int rc = hg_codec_file(a, path_option, path, HG_AVRO_MAX_SCHEMA, &text, err);
        if (rc < 0) return rc;
    }
    if (hg_avro_parse(&names, text, ret, err) == 0) return 0;
    hg_err_wrap(err, "the Avro schema");
    snprintf(err->path, sizeof err->path, "%s", json ? json_option : path_option);
    return err->code = HG_EINVAL;
}

static int make(hg_arena_t *a, const void *cfg, void **ret, hg_err_t *err)
{
    const avro_cfg_t *c = cfg;
    const hg_avro_t *t;
    int rc = hg_avro_schema_load(a, c->json, "avro_schema_json", c->path, "avro_schema_path", &t, err);
    if (rc == 0) memcpy(ret, &t, sizeof t);
    return rc;
}

static int no_schema(hg_err_t *err)
{
    return hg_err_set(err, HG_EINVAL, "no Avro schema is known: give avro_schema_json or avro_schema_path");
}

static int decode(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    hg_str_t json;
    if (!made) return no_schema(err);
    if (bytes.n == 0) return hg_err_set(err, HG_EPARSE, "an empty message is no Avro datum");
    int rc = hg_avro_to_json(made, bytes, hg_scratch_out(s), err);
    if (rc < 0) return rc;
    if (hg_scratch_keep(s, &json) < 0) return hg_codec_nomem(err);
    *ret = (hg_payload_t){ .kind = HG_PL_JSON, .bytes = json };
    return 0;
}

static int encode(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    hg_payload_t json;
    hg_str_t text;
    int rc;
    switch (p->kind) {
    case HG_PL_RAW:
    case HG_PL_FLAT_BUFFER:
    case HG_PL_AVRO:
        return hg_payload_bytes(p, s, ret, err);
    case HG_PL_TEXT: /* it has to be JSON */
        rc = hg_payload_json(p->bytes, s, &json, err);
        if (rc < 0) return rc;
        p = &json;
        break;
    case HG_PL_JSON:
        break;
    case HG_PL_PROTO:
    case HG_PL_N:
    default:
        return hg_codec_refuse(HG_PL_AVRO, "json, text, raw, flat_buffer and avro", p, err);
    }
    if (!made) return no_schema(err);
    rc = hg_payload_bytes(p, s, &text, err);
    if (rc == 0) rc = hg_avro_from_json(made, s, text, hg_scratch_out(s), err);
    if (rc < 0) return rc;
    return hg_scratch_keep(s, ret) < 0 ? hg_codec_nomem(err) : 0;
}

const hg_codec_type_t hg_codec_avro = { .kind = HG_PL_AVRO,
                                        .opts = avro_opts,
                                        .cfg_size = sizeof(avro_cfg_t),
                                        .make = make,
                                        .decode = decode,
                                        .encode = encode };
