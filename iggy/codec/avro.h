/* avro.h: Avro data (a raw datum: no container, no registry's prefix) to JSON text and back, as a schema says. For the
 * codec and for the transform avro_convert.
 */
#ifndef HG_IGGY_CODEC_AVRO_H
#define HG_IGGY_CODEC_AVRO_H

#include "base/arena.h"
#include "iggy/codec/payload.h"

typedef struct hg_avro hg_avro_t; /* connectors/format/avro_schema.h */

/* The schema of a configuration: the text if there is one, else the file. *ret NULL: neither is given. Lives in the
 * arena. Errors name the option that was used. */
int hg_avro_schema_load(hg_arena_t *a, const char *json, const char *json_option, const char *path,
                        const char *path_option, const hg_avro_t **ret, hg_err_t *err);

/* Both append to out. HG_EPARSE (the bytes are not of the schema), HG_EINVAL (JSON that the schema cannot hold);
 * err names the field. */
int hg_avro_to_json(const hg_avro_t *t, hg_str_t datum, hg_buf_t *out, hg_err_t *err);
int hg_avro_from_json(const hg_avro_t *t, hg_scratch_t *s, hg_str_t json, hg_buf_t *out, hg_err_t *err);

#endif
