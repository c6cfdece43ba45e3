/* flat.h: FlatBuffers of a schema that is known at run time. For the codec and the transform flat_buffer_convert. */
#ifndef HG_IGGY_CODEC_FLAT_H
#define HG_IGGY_CODEC_FLAT_H

#include "base/opts.h"
#include "iggy/codec/payload.h"

typedef struct hg_flat hg_flat_t;

typedef struct hg_flat_cfg {
    const char *schema_path, *root_table_name;
    hg_strlist_t include_paths;
} hg_flat_cfg_t;

/* *ret NULL: no schema is given. Lives in the arena. HG_EINVAL, HG_EIO, HG_EUNSUPPORTED; err->path is the option. */
int hg_flat_new(hg_arena_t *a, const hg_flat_cfg_t *cfg, const hg_flat_t **ret, hg_err_t *err);

/* The buffer is verified first. HG_EPARSE. t NULL: a description of the buffer, {"buffer_size": n, "has_root_table":
 * true, "raw_data_base64": …}, with root_table_type if root is not NULL. */
int hg_flat_decode(const hg_flat_t *t, const char *root, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret,
                   hg_err_t *err);
/* HG_EPARSE: it is no buffer of the schema (t NULL: too short to be any). */
int hg_flat_verify(const hg_flat_t *t, hg_str_t bytes, hg_err_t *err);
/* HG_EINVAL: the schema cannot hold it; t NULL: none is known. */
int hg_flat_encode(const hg_flat_t *t, hg_scratch_t *s, hg_str_t json, bool strict, hg_str_t *ret, hg_err_t *err);

#endif
