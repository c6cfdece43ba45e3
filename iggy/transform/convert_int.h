/* convert_int.h: what the three format conversions have in common. */
#ifndef HG_IGGY_TRANSFORM_CONVERT_INT_H
#define HG_IGGY_TRANSFORM_CONVERT_INT_H

#include "iggy/transform/transform_int.h"

/* Rows of an option table for a struct T that begins its members with these. */
typedef struct hg_convert_cfg {
    const char *source, *target, *schema_path;
    const hg_json_t *field_mappings, *options;
} hg_convert_cfg_t;

#define HG_CONVERT_OPTS(T, schema_doc, options_doc)                                                                    \
    { .key = "source_format",                                                                                          \
      .type = HG_OPT_STR,                                                                                              \
      .at = offsetof(T, c.source),                                                                                     \
      .flags = HG_OPT_REQUIRED,                                                                                        \
      .doc = "What comes in: json, raw, text, proto, flat_buffer or avro." },                                          \
        { .key = "target_format",                                                                                      \
          .type = HG_OPT_STR,                                                                                          \
          .at = offsetof(T, c.target),                                                                                 \
          .flags = HG_OPT_REQUIRED,                                                                                    \
          .doc = "What goes out, by the same names." },                                                                \
        { .key = "schema_path", .type = HG_OPT_STR, .at = offsetof(T, c.schema_path), .doc = schema_doc },             \
        { .key = "field_mappings",                                                                                     \
          .type = HG_OPT_JSON,                                                                                         \
          .at = offsetof(T, c.field_mappings),                                                                         \
          .doc = "Top-level fields of JSON objects that get another name, {\"old\": \"new\"}." },                      \
    {                                                                                                                  \
        .key = "conversion_options", .type = HG_OPT_JSON, .at = offsetof(T, c.options), .doc = options_doc             \
    }

typedef struct hg_convert {
    hg_plkind_t from, to;
    hg_mapping_t names;
    bool pretty, metadata, strict;
} hg_convert_t;

/* Formats, mappings and the members of conversion_options (`known`: those that there are, for warnings). */
int hg_convert_make(hg_tr_make_t *m, const hg_convert_cfg_t *cfg, const char *known, hg_convert_t *ret);
/* HG_EINVAL: "it converts proto messages, this one is text" */
int hg_convert_misfit(const hg_convert_t *c, const hg_payload_t *p, hg_err_t *err);
int hg_convert_nomem(hg_err_t *err);

/* JSON as text, in lines if pretty. Borrowed, or in the scratch. */
int hg_convert_json_text(const hg_convert_t *c, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err);
/* base64 of the payload becomes a text. */
int hg_convert_base64(hg_scratch_t *s, hg_payload_t *p, hg_str_t bytes, hg_err_t *err);

#endif
