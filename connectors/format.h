/* format.h: the contract of data formats. A format cuts byte streams at record boundaries, parses chunks into change
 * batches, and encodes deltas.
 *
 *   transport bytes ──split──► chunk ──parse──► change batch        (per lane: split in order; parse in parallel)
 *   delta ──encode──► bytes or messages ──► transport
 *
 * A parser (encoder) object is made once per connector, is immutable afterwards and shared by pool threads. What a
 * thread needs beside it lives in a scratch object, one per (parser, worker), made on first use.
 */
#ifndef HG_CONNECTORS_FORMAT_H
#define HG_CONNECTORS_FORMAT_H

#include "base/opts.h"
#include "data/col.h"

typedef struct hg_parser hg_parser_t; /* body: the format's file embeds it first */
typedef struct hg_encoder hg_encoder_t;

/* What a parser is told about its table. Borrowed for the parser's life. */
typedef struct hg_parse_env {
    const hg_schema_t *schema;
    /* Per column: a constant DEFAULT as a one-row column, or NULL (missing → NULL or error). May be NULL as a whole. */
    hg_col_t *const *defaults;
} hg_parse_env_t;

/* A record that was refused. Strings are borrowed for the call. */
typedef struct hg_parse_error {
    const char *tag; /* "text_event_err", "text_envelope_err", "bin_event_err", "bin_envelope_err" */
    uint64_t event;  /* 1-based within the chunk; 0 = envelope error */
    hg_str_t field;  /* as found in the input; p NULL = none */
    hg_str_t text;   /* the offending record (cut at 4 KiB); p NULL = none */
    uint64_t off;    /* byte offset in the chunk */
    const char *description;
    const char *suggestion; /* or NULL */
} hg_parse_error_t;

/* Where parse puts its result. One per call, on the calling thread. */
typedef struct hg_parse_out {
    hg_changeb_t changes; /* initialised by the caller with env.schema; parse appends rows */
    uint64_t events;      /* events seen, good and bad: the next chunk's numbers go on from here */
    uint64_t bytes;       /* text length of the accepted rows (connectors A3) */
    void (*error)(struct hg_parse_out *out, const hg_parse_error_t *e);
    void *arg;
} hg_parse_out_t;

/* Where a splitter stands in its lane; zeroed = at the start. Owned by the host, opaque to it. */
typedef struct hg_split_state {
    uint64_t w[6];
} hg_split_state_t;

typedef struct hg_encode_env {
    const hg_schema_t *schema;
    /* Index (CREATE INDEX) of a keyed output: key columns, or NULL. */
    const uint32_t *key;
    uint32_t n_key;
    bool want_messages; /* the transport sends messages (Kafka): one record (or buffer) per message */
    size_t max_message; /* bytes; soft limit for buffers of several records */
} hg_encode_env_t;

/* Bytes: append to *buf and count records. Messages: fill buf (payload) and key, then call message(). */
typedef struct hg_encode_sink {
    hg_buf_t *buf;
    hg_buf_t *key;
    uint64_t records; /* records encoded so far; |weight| counts */
    int (*message)(struct hg_encode_sink *s, uint32_t n_records,
                   hg_err_t *err); /* takes and clears buf and key; NULL for byte transports */
    void *arg;
} hg_encode_sink_t;

typedef struct hg_format_type {
    uint32_t abi; /* HG_FORMAT_ABI */
    const char *name, *summary;
    const hg_opt_t *in_opts, *out_opts; /* NULL: not an input (output) format */
    size_t in_cfg, out_cfg;             /* sizes of the structs the tables fill */

    /* Input. parser_new: cfg is filled from in_opts and lives as long as the parser. */
    int (*parser_new)(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
    void (*parser_free)(hg_parser_t *p);

    /* buf holds n bytes, of which the first `from` were seen by earlier calls with the same state. Returns the offset
     * in buf behind the last record boundary among the new ones, 0 = none yet. eof: the stream ends after n: returns n.
     * Lane order, any thread. A state is reset (zeroed) by the host when the lane starts; after a cut the host passes
     * the rest again with from = what was seen of it. */
    size_t (*split)(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);

    /* Parse bytes: a chunk that ends at a record boundary. buf has 64 readable bytes after n. `first` tells that the
     * chunk begins the lane (CSV headers). Bad records are reported and skipped and cost no good neighbour. Only memory
     * and HG_EBUG make it fail. Pool thread; scratch as made by scratch_new (NULL function: NULL). */
    int (*parse)(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err);
    void *(*scratch_new)(const hg_parser_t *p);
    void (*scratch_free)(void *scratch);

    /* Output. */
    int (*encoder_new)(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
    void (*encoder_free)(hg_encoder_t *e);
    /* Encode one step's delta: deletes first, then inserts, |weight| times each. Appends to the sink. A failure is an
     * encode error: the rest of this batch is dropped by the host. Pool thread, steps of one output in order. */
    int (*encode)(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);
    bool messages; /* encode puts whole messages (key + payload) rather than a byte stream, if the sink wants them */
} hg_format_type_t;

#define HG_FORMAT_ABI 1

struct hg_parser {
    const hg_format_type_t *type;
};
struct hg_encoder {
    const hg_format_type_t *type;
};

/* The built-in formats (connectors/format/). */
extern const hg_format_type_t hg_format_json, hg_format_csv, hg_format_raw;

/* Registry: connectors/registry.c. */
const hg_format_type_t *hg_format_find(hg_str_t name);
const hg_format_type_t *const *hg_formats(uint32_t *ret_n);

#endif
