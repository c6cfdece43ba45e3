/* mapping.h: `field_mappings` of codecs and conversions: other names for top-level fields of JSON objects. */
#ifndef HG_IGGY_CODEC_MAPPING_H
#define HG_IGGY_CODEC_MAPPING_H

#include "base/json.h"
#include "iggy/codec/payload.h"

typedef struct hg_mapping {
    struct hg_mapping_row {
        hg_str_t from, to;           /* keys */
        hg_str_t from_name, to_name; /* as JSON strings */
    } * v;
    uint32_t n;
} hg_mapping_t;

/* An object of strings, {"old": "new"}; NULL: none. HG_EINVAL names `option`. Lives in the arena. */
int hg_mapping_init(hg_mapping_t *m, hg_arena_t *a, const char *option, const hg_json_t *node, hg_err_t *err);
/* Renames the fields of a JSON object, in the order of the mappings; other payloads pass. back: new to old, the last
 * mapping first. Errors as of hg_payload_object(). */
int hg_mapping_apply(const hg_mapping_t *m, bool back, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err);

#endif
