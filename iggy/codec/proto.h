/* proto.h: Protobuf messages of a schema that is known at run time. For the codec and the transform proto_convert.
 */
#ifndef HG_IGGY_CODEC_PROTO_H
#define HG_IGGY_CODEC_PROTO_H

#include "base/opts.h"
#include "iggy/codec/payload.h"

typedef struct hg_proto hg_proto_t;

/* What both have in their tables. */
typedef struct hg_proto_cfg {
    const char *schema_path, *message_type;
    const hg_json_t *descriptor_set; /* array of byte numbers */
    hg_strlist_t include_paths;
} hg_proto_cfg_t;

/* *ret NULL: neither a path nor a descriptor set is given. Lives in the arena. HG_EINVAL, HG_EIO, HG_EUNSUPPORTED;
 * err->path is the option. */
int hg_proto_new(hg_arena_t *a, const hg_proto_cfg_t *cfg, const hg_proto_t **ret, hg_err_t *err);

/* A message as JSON: of the schema's type, by itself or in an Any that says so. HG_EPARSE. */
int hg_proto_decode(const hg_proto_t *t, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err);
/* HG_EINVAL: the schema cannot hold it. strict: members that it does not have are an error. */
int hg_proto_encode(const hg_proto_t *t, hg_scratch_t *s, hg_str_t json, bool strict, hg_str_t *ret, hg_err_t *err);
const char *hg_proto_type_name(const hg_proto_t *t);

#endif
