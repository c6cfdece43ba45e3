/* batch.h: batches from a plugin's side, over iggy/plugin/postcard.h: what a sink is given, as an array; what a source
 * sends, as one growing buffer; and the pieces of text and state that plugins need with them.
 *
 * What is read points into the host's buffers and is valid during consume. No allocation per message. One thread at a
 * time per object.
 */
#ifndef HEADGATE_PLUGINS_SDK_BATCH_H
#define HEADGATE_PLUGINS_SDK_BATCH_H

#include "base/json.h"
#include "iggy/plugin/postcard.h"

typedef struct hgp_gate {
    int32_t (*ask)(uint32_t plugin_id);
    bool passed, refused;
} hgp_gate_t;

typedef struct hgp_batch {
    hg_str_t stream, topic;
    uint32_t partition;
    uint64_t current_offset;
    hg_pc_schema_t schema; /* of the metadata; the one beside the messages is not looked at */
    uint32_t n, cap;
    hg_pc_raw_view_t *v; /* kept from batch to batch */
    /* Whom hgp_reject tells (sdk/sink.c); NULL: nobody listens. */
    void (*reject)(uint32_t plugin_id, uint32_t at, const uint8_t *reason, size_t reason_len);
    uint32_t plugin_id;
    hgp_gate_t *gate; /* hgp_gate's; NULL: there is none */
} hgp_batch_t;

/* 0, HG_EPROTO (bytes that are no such batch), HG_ENOMEM. b was zeroed before its first use. */
int hgp_batch_read(hgp_batch_t *b, hg_str_t topic, hg_str_t meta, hg_str_t messages, hg_err_t *err);
void hgp_batch_release(hgp_batch_t *b);

const char *hgp_schema_name(hg_pc_schema_t s); /* "json" */

/* The message's headers as a JSON object: values as text, raw ones as {"data": base64, "iggy_header_encoding":
 * "base64"}. scratch is the caller's, overwritten. */
int hgp_headers_json(hg_buf_t *out, const hg_pc_raw_view_t *m, hg_buf_t *scratch);
/* The same with values as JSON has them: numbers (128 bits and what is not finite as text), true and false, text; raw
 * ones as base64. */
int hgp_headers_typed(hg_buf_t *out, const hg_pc_raw_view_t *m, hg_buf_t *scratch);
/* A header's value as text: numbers in decimal, true and false, strings as they are, raw bytes in base64. */
int hgp_header_text(const hg_pc_field_t *f, hg_buf_t *out);
/* Its 128 bits as 32 hexadecimal digits; in decimal. */
int hgp_id_hex(hg_buf_t *out, hg_u128 id);
int hgp_id_decimal(hg_buf_t *out, hg_u128 id);

/* Appends the payload as one line of JSON without a newline, if it is JSON. HG_EPARSE: it is not; out is as before. */
int hgp_json_line(hg_buf_t *out, hg_str_t payload);

/* --- what a source sends ------------------------------------------------------------------------------------------ */

typedef struct hgp_out {
    hg_buf_t b; /* room for what stands before the messages, and the messages */
    uint32_t n;
    hg_pc_schema_t schema;
} hgp_out_t;

void hgp_out_init(hgp_out_t *o, hg_pc_schema_t schema);
void hgp_out_release(hgp_out_t *o);
void hgp_out_clear(hgp_out_t *o);
/* id 0: the server makes one. HG_EINVAL: an empty payload, which Iggy refuses; HG_ENOMEM. */
int hgp_out_message(hgp_out_t *o, hg_u128 id, const hg_pc_header_t *headers, uint32_t n_headers, hg_str_t payload);
/* The whole batch, valid until o changes. state NULL: none. */
int hgp_out_finish(hgp_out_t *o, const hg_str_t *state, hg_str_t *ret);

/* --- MessagePack of a source's state: values in an array, as the Rust plugins write them ----------------------------
 */
int hgp_mp_array(hg_buf_t *out, uint32_t n);
int hgp_mp_map(hg_buf_t *out, uint32_t n);
int hgp_mp_u64(hg_buf_t *out, uint64_t v);
int hgp_mp_str(hg_buf_t *out, hg_str_t s);
int hgp_mp_nil(hg_buf_t *out);

typedef enum {
    HGP_MP_NIL,
    HGP_MP_BOOL,
    HGP_MP_UINT,
    HGP_MP_INT,
    HGP_MP_FLOAT,
    HGP_MP_STR,
    HGP_MP_BIN,
    HGP_MP_ARRAY,
    HGP_MP_MAP
} hgp_mp_t;
typedef struct hgp_mp_value {
    hgp_mp_t kind;
    uint64_t u; /* UINT, BOOL; the bits of an INT or FLOAT; children of an ARRAY; pairs of a MAP */
    hg_str_t s;
} hgp_mp_value_t;
/* Takes one value off the front of *in (of an array or a map: its head). HG_EPARSE. */
int hgp_mp_next(hg_str_t *in, hgp_mp_value_t *ret);
/* The same, which has to be of that kind; HGP_MP_STR: NIL passes too, as an empty text. */
int hgp_mp_take(hg_str_t *in, hgp_mp_t kind, hgp_mp_value_t *ret);

#endif
