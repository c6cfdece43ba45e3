/* payload.h: what a message of a connector is between the wire and a plugin: a kind, and bytes.
 *
 * Bytes are borrowed: from the batch they came in, or from the scratch. Scanners read up to HG_PAYLOAD_PAD bytes past
 * the end of a message, so whoever holds a batch gives its buffer that much room behind the last one (what is there
 * does not matter).
 *
 * JSON stays text. The first transform that needs its fields makes an index of the top-level ones (iggy/codec/jobj.h);
 * edits are made in the index, and the text is written once, when it is asked for. Numbers pass as they were written.
 */
#ifndef HG_IGGY_CODEC_PAYLOAD_H
#define HG_IGGY_CODEC_PAYLOAD_H

#include "iggy/codec/scratch.h"

#define HG_PAYLOAD_PAD 64
#define HG_PAYLOAD_MAX 64000000u /* bytes of a message that Iggy takes */

/* X(KIND, name in configurations, name in logs): in the order of Iggy's Schema on the wire to plugins. */
#define HG_PAYLOAD_KINDS(X)                                                                                            \
    X(JSON, "json", "json")                                                                                            \
    X(RAW, "raw", "raw")                                                                                               \
    X(TEXT, "text", "text")                                                                                            \
    X(PROTO, "proto", "proto")                                                                                         \
    X(FLAT_BUFFER, "flat_buffer", "flatbuffer")                                                                        \
    X(AVRO, "avro", "avro")

#define X(kind, name, log) HG_PL_##kind,
typedef enum { HG_PAYLOAD_KINDS(X) HG_PL_N } hg_plkind_t;
#undef X

const char *hg_plkind_name(hg_plkind_t k); /* "flat_buffer" */
/* Either spelling of the name. HG_EINVAL: the message names those that there are and the nearest. */
int hg_plkind_find(hg_str_t name, hg_plkind_t *ret, hg_err_t *err);

typedef struct hg_jobj hg_jobj_t;

typedef struct hg_payload {
    hg_plkind_t kind;
    hg_str_t bytes; /* JSON: valid and compact text (unless obj says otherwise); TEXT, PROTO: UTF-8 */
    hg_jobj_t *obj; /* JSON objects whose fields were looked at; NULL: not yet */
} hg_payload_t;

/* What a plugin gave, by the tag of its batch (JSON must be JSON, text UTF-8, a Protobuf Any becomes JSON, all else
 * passes). HG_EPARSE: it is not what the tag says, with the place in err. */
int hg_payload_from(hg_plkind_t tag, hg_str_t bytes, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err);

/* What goes to a plugin: the bytes, with edits written. p->kind is the tag that they have. HG_ENOMEM. */
int hg_payload_bytes(hg_payload_t *p, hg_scratch_t *s, hg_str_t *ret, hg_err_t *err);

#endif
