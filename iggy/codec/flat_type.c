/* flat_type.c: see flat.h. Opens the module headgate-flatbuffers.so with the first schema. */
#include "base/hg.h"
#include "base/access.h"
#include "iggy/codec/module_int.h"
#include "iggy/codec/codec_int.h"
#include "iggy/codec/flat.h"
#include "iggy/codec/flatbuffers_module.h"

#define MAX_SCHEMA ((size_t)16 << 20)

static hg_codec_module_t module = HG_CODEC_MODULE("FlatBuffers with a schema", "headgate-flatbuffers.so",
                                                  "hg_flatbuffers_module", HG_FLATBUFFERS_ABI);

struct hg_flat {
    const hg_flatbuffers_api_t *api;
    hg_flatbuffers_type_t *type;
};

static void release(void *arg)
{
    hg_flat_t *t = arg;
    if (t->type) t->api->type_free(t->type);
}

static bool may_read(const char *path)
{
    hg_err_t err;
    return hg_access_path(path, &err) == 0;
}

int hg_flat_new(hg_arena_t *a, const hg_flat_cfg_t *cfg, const hg_flat_t **ret, hg_err_t *err)
{
    hg_str_t file;
    const void *api = NULL;
    char why[HG_FLATBUFFERS_WHY];
    *ret = NULL;
    if (!cfg->schema_path) return 0;
    int rc = hg_codec_file(a, "schema_path", cfg->schema_path, MAX_SCHEMA, &file, err);
    if (rc == 0) rc = hg_codec_module_load(&module, &api, err);
    if (rc < 0) return rc;
    hg_flat_t *t = HG_ANEW(a, hg_flat_t);
    t->api = api;
    hg_arena_cleanup(a, release, t);
    const hg_flatbuffers_source_t src = { .path = cfg->schema_path,
                                          .bytes = file.p,
                                          .n = file.n,
                                          .includes = cfg->include_paths.v,
                                          .n_includes = cfg->include_paths.n,
                                          .may = may_read,
                                          .root = cfg->root_table_name };
    if (t->api->type_new(&src, &t->type, why) < 0) return hg_err_option(err, HG_EINVAL, "schema_path", "%s", why);
    *ret = t;
    return 0;
}

static int put(void *arg, const char *p, size_t n)
{
    return hg_buf_add(arg, p, n);
}

static int describe(const char *root, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    hg_str_t json;
    hg_jw_t w;
    hg_buf_t *out = hg_scratch_out(s);
    hg_jw_init(&w, out);
    hg_jw_obj(&w);
    hg_jw_ku64(&w, "buffer_size", bytes.n);
    hg_jw_kbool(&w, "has_root_table", true);
    if (root) hg_jw_kstr(&w, "root_table_type", root);
    hg_jw_key(&w, "raw_data_base64");
    if (w.rc < 0 || hg_buf_addc(out, '"') < 0 || hg_base64(out, bytes) < 0 || hg_buf_adds(out, "\"}") < 0 ||
        hg_scratch_keep(s, &json) < 0)
        return hg_codec_nomem(err);
    *ret = (hg_payload_t){ .kind = HG_PL_JSON, .bytes = json };
    return 0;
}

int hg_flat_verify(const hg_flat_t *t, hg_str_t bytes, hg_err_t *err)
{
    char why[HG_FLATBUFFERS_WHY];
    if (bytes.n < 4) return hg_err_set(err, HG_EPARSE, "%zu bytes are too few for a FlatBuffer", bytes.n);
    if (!t || t->api->verify(t->type, bytes.p, bytes.n, why) == 0) return 0;
    return hg_err_set(err, HG_EPARSE, "no FlatBuffer of table %s: %s", t->api->type_name(t->type), why);
}

int hg_flat_decode(const hg_flat_t *t, const char *root, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret,
                   hg_err_t *err)
{
    hg_str_t json;
    char why[HG_FLATBUFFERS_WHY];
    int rc = hg_flat_verify(NULL, bytes, err);
    if (rc < 0) return rc;
    if (!t) return describe(root, s, bytes, ret, err);
    if (t->api->to_json(t->type, bytes.p, bytes.n, false, put, hg_scratch_out(s), why) < 0)
        return hg_err_set(err, HG_EPARSE, "no FlatBuffer of table %s: %s", t->api->type_name(t->type), why);
    if (hg_scratch_keep(s, &json) < 0) return hg_codec_nomem(err);
    return hg_payload_json(json, s, ret, err);
}

int hg_flat_encode(const hg_flat_t *t, hg_scratch_t *s, hg_str_t json, bool strict, hg_str_t *ret, hg_err_t *err)
{
    char why[HG_FLATBUFFERS_WHY];
    if (!t) return hg_err_set(err, HG_EINVAL, "no FlatBuffers schema is known: give schema_path");
    if (t->api->from_json(t->type, json.p, json.n, strict, put, hg_scratch_out(s), why) < 0)
        return hg_err_set(err, HG_EINVAL, "table %s cannot hold it: %s", t->api->type_name(t->type), why);
    return hg_scratch_keep(s, ret) < 0 ? hg_codec_nomem(err) : 0;
}
