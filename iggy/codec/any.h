/* any.h: google.protobuf.Any, the envelope that Iggy's Protobuf messages come in when no schema is known.
 *
 * An Any is two fields, type_url (1) and value (2): read and written here, without a Protobuf library.
 */
#ifndef HG_IGGY_CODEC_ANY_H
#define HG_IGGY_CODEC_ANY_H

#include "iggy/codec/payload.h"

typedef struct hg_any {
    hg_str_t type_url; /* UTF-8 */
    hg_str_t value;
} hg_any_t;

/* Do the bytes parse as one? Fields that it does not have are passed over, as Protobuf wants it; no bytes are none. */
bool hg_any_read(hg_str_t bytes, hg_any_t *ret);
int hg_any_write(hg_buf_t *out, const hg_any_t *any); /* appends */
/* {"type_url": s, "value": base64}. HG_ENOMEM. */
int hg_any_json(const hg_any_t *any, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err);

/* Payloads that codecs and transforms make. HG_EPARSE, HG_ENOMEM. */
int hg_payload_json(hg_str_t bytes, hg_scratch_t *s, hg_payload_t *ret, hg_err_t *err);
int hg_payload_text(hg_str_t bytes, hg_payload_t *ret, hg_err_t *err);

#endif
