/* postcard.h: the batches that cross between host and plugin, in postcard 1.x (docs/iggy-plugins.md).
 *
 * Encoders append to a hg_pc_out_t, which writes into memory that the caller sized with hg_pc_*_bound: no allocation,
 * no check per byte. Decoders walk a batch message by message and hand out views into it: nothing is copied, and
 * nothing is trusted; who decodes what another process may still change copies it first.
 *
 * Any thread; no state beyond the arguments. Decoders answer HG_EPROTO with pos.off at the byte that is wrong.
 */
#ifndef HG_IGGY_PLUGIN_POSTCARD_H
#define HG_IGGY_PLUGIN_POSTCARD_H

#include "base/buf.h"
#include "base/err.h"

/* What the payloads of a batch are. The numbers are postcard's. */
typedef enum {
    HG_PC_JSON,
    HG_PC_RAW,
    HG_PC_TEXT,
    HG_PC_PROTO,
    HG_PC_FLATBUFFER,
    HG_PC_AVRO,
    HG_PC_SCHEMA_N,
} hg_pc_schema_t;

/* Kinds of header fields in postcard; on Iggy's wire each is one higher. */
#define HG_PC_HEADER_KINDS 15

/* A key or a value of a message's headers: its bytes as they are (not base64). */
typedef struct hg_pc_field {
    uint8_t kind; /* < HG_PC_HEADER_KINDS */
    hg_str_t bytes;
} hg_pc_field_t;

typedef struct hg_pc_header {
    hg_pc_field_t key, value;
} hg_pc_header_t;

/* --- writing --------------------------------------------------------------------------------------------------- */
/* Room must be there (HG_DASSERTed): ask the bound before. */
typedef struct hg_pc_out {
    uint8_t *p, *end;
} hg_pc_out_t;

#define HG_PC_MESSAGE_MAX 96u /* what a message takes beside its headers and its payload, at most */
#define HG_PC_BATCH_MAX   32u /* and a batch beside its messages and its state */

void hg_pc_put_varint(hg_pc_out_t *o, uint64_t v);
void hg_pc_put_u128(hg_pc_out_t *o, hg_u128 v);
void hg_pc_put_bytes(hg_pc_out_t *o, hg_str_t s); /* byte vectors and strings alike */

/* Both as configured: names or numbers. */
void hg_pc_put_topic(hg_pc_out_t *o, hg_str_t stream, hg_str_t topic);
static inline size_t hg_pc_topic_bound(hg_str_t stream, hg_str_t topic)
{
    return stream.n + topic.n + 20;
}

typedef struct hg_pc_meta {
    uint32_t partition_id;
    uint64_t current_offset;
    hg_pc_schema_t schema;
} hg_pc_meta_t;
void hg_pc_put_meta(hg_pc_out_t *o, const hg_pc_meta_t *m);

/* Headers in the order given; Rust writes them in ascending order of key. */
size_t hg_pc_headers_bound(const hg_pc_header_t *h, uint32_t n);
size_t hg_pc_headers_size(const hg_pc_header_t *h, uint32_t n); /* exact */
void hg_pc_put_headers(hg_pc_out_t *o, const hg_pc_header_t *h, uint32_t n);

/* RawMessages: begin, then n times message. */
typedef struct hg_pc_raw {
    hg_u128 id;
    uint64_t offset, checksum, timestamp, origin_timestamp; /* timestamps: microseconds since 1970 */
    const hg_pc_header_t *headers;
    uint32_t n_headers;
    hg_str_t payload;
} hg_pc_raw_t;
void hg_pc_put_raw_begin(hg_pc_out_t *o, hg_pc_schema_t schema, uint64_t n);
void hg_pc_put_raw(hg_pc_out_t *o, const hg_pc_raw_t *m);
static inline size_t hg_pc_raw_bound(const hg_pc_raw_t *m)
{
    return HG_PC_MESSAGE_MAX + m->payload.n + (m->n_headers ? hg_pc_headers_bound(m->headers, m->n_headers) : 0);
}

/* ProducedMessages: begin, n times message, then end with the state. */
typedef struct hg_pc_produced {
    bool has_id, has_checksum, has_timestamp, has_origin;
    hg_u128 id;
    uint64_t checksum, timestamp, origin_timestamp;
    bool has_headers;
    uint32_t n_headers;
    const hg_pc_header_t *headers; /* encoding only */
    hg_str_t raw_headers;          /* decoding only: n_headers of them, for hg_pc_next_header */
    hg_str_t payload;
} hg_pc_produced_t;
void hg_pc_put_produced_begin(hg_pc_out_t *o, hg_pc_schema_t schema, uint64_t n);
void hg_pc_put_produced(hg_pc_out_t *o, const hg_pc_produced_t *m);
void hg_pc_put_produced_end(hg_pc_out_t *o, const hg_str_t *state); /* NULL: none */

/* --- reading --------------------------------------------------------------------------------------------------- */
typedef struct hg_pc_in {
    const uint8_t *at, *end, *begin;
} hg_pc_in_t;

static inline hg_pc_in_t hg_pc_in(const void *p, size_t n)
{
    const uint8_t *b = (const uint8_t *)p;
    return (hg_pc_in_t){ b, b ? b + n : b, b };
}

int hg_pc_get_varint(hg_pc_in_t *in, unsigned bits, uint64_t *ret, hg_err_t *err); /* bits: 16, 32 or 64 */
int hg_pc_get_u128(hg_pc_in_t *in, hg_u128 *ret, hg_err_t *err);
int hg_pc_get_bytes(hg_pc_in_t *in, hg_str_t *ret, hg_err_t *err);
int hg_pc_get_topic(hg_pc_in_t *in, hg_str_t *ret_stream, hg_str_t *ret_topic, hg_err_t *err);
int hg_pc_get_meta(hg_pc_in_t *in, hg_pc_meta_t *ret, hg_err_t *err);

/* RawMessages: `n` messages follow, hg_pc_get_raw each. headers: n_headers of them in raw_headers. */
typedef struct hg_pc_raw_view {
    hg_pc_raw_t m; /* without .headers */
    hg_str_t raw_headers;
} hg_pc_raw_view_t;
int hg_pc_get_raw_begin(hg_pc_in_t *in, hg_pc_schema_t *ret_schema, uint64_t *ret_n, hg_err_t *err);
int hg_pc_get_raw(hg_pc_in_t *in, hg_pc_raw_view_t *ret, hg_err_t *err);

/* ProducedMessages: `n` messages follow, then the state. */
int hg_pc_get_produced_begin(hg_pc_in_t *in, hg_pc_schema_t *ret_schema, uint64_t *ret_n, hg_err_t *err);
int hg_pc_get_produced(hg_pc_in_t *in, hg_pc_produced_t *ret, hg_err_t *err);
int hg_pc_get_produced_end(hg_pc_in_t *in, bool *ret_has_state, hg_str_t *ret_state, hg_err_t *err);

/* The next of a message's headers: its bytes are appended to `scratch` decoded, and the views point into it; so it must
 * have room for in's bytes before the first (hg_buf_reserve), or the views of earlier ones move. */
int hg_pc_get_header(hg_pc_in_t *in, hg_buf_t *scratch, hg_pc_header_t *ret, hg_err_t *err);

/* The whole batch, and what is in it: from then on no call about it fails. */
typedef struct hg_pc_batch {
    hg_pc_schema_t schema;
    uint64_t n;
    bool has_state;
    hg_str_t state;
    hg_pc_in_t messages; /* for hg_pc_get_produced */
    size_t payload_bytes, header_bytes;
} hg_pc_batch_t;
int hg_pc_read_produced(const void *p, size_t n, hg_pc_batch_t *ret, hg_err_t *err);

#endif
