/* codec.h: a stream's schema at work: bytes of Iggy messages to payloads, and back.
 *
 * One codec per [[streams]] entry, made once from its schema name and its options, immutable, shared by threads. What
 * is written back is what its schema allows: see docs/transforms.md.
 */
#ifndef HG_IGGY_CODEC_CODEC_H
#define HG_IGGY_CODEC_CODEC_H

#include "base/opts.h"
#include "iggy/codec/payload.h"

typedef struct hg_codec hg_codec_t;

/* options: the entry's table, or NULL. Of it only the codec's own members are looked at (avro_schema_json,
 * avro_schema_path; for proto and flat_buffer schema_path, message_type, …): whoever reads the configuration judges
 * unknown ones with hg_codec_knows(). Files are read here, relative to the working directory.
 * HG_EINVAL, HG_EUNSUPPORTED (a module that is not installed), HG_EIO: err->path names the option. */
int hg_codec_new(hg_str_t schema, const hg_json_t *options, hg_codec_t **ret, hg_err_t *err);
void hg_codec_free(hg_codec_t *c);
hg_plkind_t hg_codec_kind(const hg_codec_t *c);
bool hg_codec_knows(hg_str_t option); /* of any schema */

/* Options of one schema, for the documentation; NULL: it has none. */
const hg_opt_t *hg_codec_options(hg_plkind_t k);

/* Any thread with a scratch of its own. *ret lives as long as bytes and the scratch's batch. HG_EPARSE: the message is
 * not what the schema says; HG_ENOMEM. */
int hg_codec_decode(const hg_codec_t *c, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err);

/* The bytes of a message for the stream. HG_EINVAL: this schema cannot say it; also an empty one and one above
 * HG_PAYLOAD_MAX, which Iggy refuses. HG_ENOMEM. */
int hg_codec_encode(const hg_codec_t *c, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err);

#endif
