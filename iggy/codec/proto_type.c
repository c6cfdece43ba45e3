/* proto_type.c: see proto.h. Opens the module headgate-protobuf.so with the first schema. */
#include "base/hg.h"
#include "base/access.h"
#include "iggy/codec/module_int.h"
#include "iggy/codec/codec_int.h"
#include "iggy/codec/proto.h"
#include "iggy/codec/protobuf_module.h"

static hg_codec_module_t module =
    HG_CODEC_MODULE("Protobuf with a schema", "headgate-protobuf.so", "hg_protobuf_module", HG_PROTOBUF_ABI);

struct hg_proto {
    const hg_protobuf_api_t *api;
    hg_protobuf_type_t *type;
};

static void release(void *arg)
{
    hg_proto_t *t = arg;
    if (t->type) t->api->type_free(t->type);
}

static int bytes_of(hg_arena_t *a, const hg_json_t *list, hg_str_t *ret, hg_err_t *err)
{
    uint64_t v;
    char *p = hg_arena_alloc(a, (size_t)list->n + 1);
    if (list->kind != HG_J_ARRAY)
        return hg_err_option(err, HG_EINVAL, "descriptor_set", "expected an array of bytes, found %s",
                             hg_json_kind_name(list->kind));
    *ret = (hg_str_t){ p, 0 };
    for (const hg_json_t *e = list->child; e; e = e->next) {
        if (hg_json_u64(e, &v) < 0 || v > 255)
            return hg_err_option(err, HG_EINVAL, "descriptor_set", "element %zu is no number from 0 to 255", ret->n);
        p[ret->n++] = (char)v;
    }
    return 0;
}

/* The library opens files by itself: all that can be done is to judge them before. */
static int may_read(const hg_proto_cfg_t *cfg, hg_err_t *err)
{
    if (cfg->schema_path && hg_access_path(cfg->schema_path, err) < 0) return hg_codec_option(err, "schema_path");
    for (uint32_t i = 0; i < cfg->include_paths.n; i++)
        if (hg_access_path(cfg->include_paths.v[i], err) < 0) return hg_codec_option(err, "include_paths");
    return 0;
}

int hg_proto_new(hg_arena_t *a, const hg_proto_cfg_t *cfg, const hg_proto_t **ret, hg_err_t *err)
{
    hg_str_t set = { NULL, 0 };
    const void *api = NULL;
    char why[HG_PROTOBUF_WHY];
    int rc = 0;
    *ret = NULL;
    bool has_set = cfg->descriptor_set && cfg->descriptor_set->kind != HG_J_NULL;
    if (!has_set && !cfg->schema_path) return 0;
    rc = may_read(cfg, err);
    if (rc == 0 && has_set) rc = bytes_of(a, cfg->descriptor_set, &set, err);
    if (rc == 0) rc = hg_codec_module_load(&module, &api, err);
    if (rc < 0) return rc;
    hg_proto_t *t = HG_ANEW(a, hg_proto_t);
    t->api = api;
    hg_arena_cleanup(a, release, t);
    const hg_protobuf_source_t src = { .set = has_set ? set.p : NULL,
                                       .set_n = set.n,
                                       .path = cfg->schema_path,
                                       .includes = cfg->include_paths.v,
                                       .n_includes = cfg->include_paths.n,
                                       .message = cfg->message_type };
    if (t->api->type_new(&src, &t->type, why) < 0)
        return hg_err_option(err, HG_EINVAL, has_set ? "descriptor_set" : "schema_path", "%s", why);
    *ret = t;
    return 0;
}

const char *hg_proto_type_name(const hg_proto_t *t)
{
    return t->api->type_name(t->type);
}

static int put(void *arg, const char *p, size_t n)
{
    return hg_buf_add(arg, p, n);
}

int hg_proto_decode(const hg_proto_t *t, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    hg_any_t any;
    hg_str_t json;
    char why[HG_PROTOBUF_WHY];
    hg_buf_t *out = hg_scratch_out(s);
    if (hg_any_read(bytes, &any)) {
        const char *slash = memrchr(any.type_url.p, '/', any.type_url.n);
        hg_str_t name = { slash + 1, slash ? (size_t)(any.type_url.p + any.type_url.n - slash - 1) : 0 };
        if (slash && hg_str_eqz(name, hg_proto_type_name(t))) bytes = any.value;
    }
    if (t->api->to_json(t->type, bytes.p, bytes.n, put, out, why) < 0)
        return hg_err_set(err, HG_EPARSE, "no message of type %s: %s", hg_proto_type_name(t), why);
    if (hg_scratch_keep(s, &json) < 0) return hg_codec_nomem(err);
    return hg_payload_json(json, s, ret, err);
}

int hg_proto_encode(const hg_proto_t *t, hg_scratch_t *s, hg_str_t json, bool strict, hg_str_t *ret, hg_err_t *err)
{
    char why[HG_PROTOBUF_WHY];
    hg_buf_t *out = hg_scratch_out(s);
    if (t->api->from_json(t->type, json.p, json.n, strict, put, out, why) < 0)
        return hg_err_set(err, HG_EINVAL, "type %s cannot hold it: %s", hg_proto_type_name(t), why);
    return hg_scratch_keep(s, ret) < 0 ? hg_codec_nomem(err) : 0;
}
