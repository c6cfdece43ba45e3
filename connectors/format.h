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
    /* The same for rows of a delete, where the connector has soft_delete: they are read whole, as those of an insert
     * are; the host turns their operation into one. NULL: deletes are deletes. */
    hg_col_t *const *deleted;
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
    const struct hg_file_index *index; /* of the lane; NULL: it has none */
    uint64_t at;                       /* with an index: where the chunk begins in the file */
} hg_parse_out_t;

/* Where a splitter stands in its lane; zeroed = at the start. Owned by the host, opaque to it. */
typedef struct hg_split_state {
    uint64_t w[6];
    const struct hg_file_index *index; /* of the lane, NULL: it has none */
    uint64_t at;                       /* position of buf's first byte */
} hg_split_state_t;

/* What the end of a file says about the rest of it (Parquet's footer): made before the lane of the file begins, by a
 * transport that can read anywhere; immutable, the lane's from there. The format's file embeds it first. */
typedef struct hg_file_index {
    void (*free)(struct hg_file_index *x);
} hg_file_index_t;

typedef struct hg_file_reader {
    uint64_t size;
    int (*read)(void *arg, uint64_t at, void *to, uint64_t n); /* 0: all n bytes are there */
    void *arg;
} hg_file_reader_t;

typedef struct hg_encode_env {
    const hg_schema_t *schema;
    /* Index (CREATE INDEX) of a keyed output: key columns, or NULL. */
    const uint32_t *key;
    uint32_t n_key;
    bool want_messages; /* the transport sends messages (Kafka): one record (or buffer) per message */
    size_t max_message; /* bytes; soft limit for buffers of several records */
    const char *index;  /* name of that index */
    const char *topic;  /* where the messages go, for formats that name things after it; NULL: it has no name */
    /* The sink stores values by key (Redis): a message per record, its key is the text of the key columns, joined by
     * this; an empty payload removes it. NULL: it does not. */
    const char *key_separator;
} hg_encode_env_t;

/* Bytes: append to *buf and count records. Rows that the format cannot say are left out, counted, the first with its
 * reason. Messages: fill buf (payload) and key, then call message(). */
typedef struct hg_encode_sink {
    hg_buf_t *buf;
    hg_buf_t *key;
    uint64_t records; /* records encoded so far; |weight| counts */
    int (*message)(struct hg_encode_sink *s, uint32_t n_records,
                   hg_err_t *err); /* takes and clears buf and key; NULL for byte transports */
    void *arg;
    const char *op; /* of the next message: a constant word that transports put beside it (Kafka: the header `op`);
                       message() clears it */
    uint64_t left_out;
    hg_err_t why;
} hg_encode_sink_t;

/* A question that a format has to ask over HTTP before it can go on (a schema that it does not know). Formats know no
 * network: the host sends it and hands back the answer (connectors/host/ask.c). */
typedef struct hg_ask {
    const char *what;        /* whom it asks, for messages: "schema registry" */
    const char *const *urls; /* servers that know the same: the next is asked when one does not answer */
    uint32_t n_urls;
    const char *method; /* "GET" */
    const char *path;   /* behind the server's URL: "/schemas/ids/7" */
    hg_str_t body;
    const char *const *headers; /* "Name: value", NULL-ended */
    const char *proxy;          /* or NULL */
    uint64_t timeout_ms;        /* of one attempt */
} hg_ask_t;

typedef struct hg_format_type {
    uint32_t abi; /* HG_FORMAT_ABI */
    const char *name, *summary;
    const hg_opt_t *in_opts, *out_opts; /* NULL: not an input (output) format */
    size_t in_cfg, out_cfg;             /* sizes of the structs the tables fill */
    hg_extra_t extra;                   /* what to do with members that the tables do not name */

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
     * and HG_EBUG make it fail, and HG_EAGAIN: there is a question to ask first; what was reported of this call does
     * not count, the same bytes come again. Pool thread; scratch as made by scratch_new (NULL function: NULL). */
    int (*parse)(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err);
    /* NULL: files are read from their beginning on. Any thread, reads as it likes; *ret NULL: this file has no use for
     * one, it comes as a single chunk. A failure means that the file cannot be read at all. */
    int (*index_new)(const hg_parser_t *p, const hg_file_reader_t *file, hg_file_index_t **ret, hg_err_t *err);
    void *(*scratch_new)(const hg_parser_t *p);
    void (*scratch_free)(void *scratch);

    /* What the format knows of a message for CONNECTOR_METADATA(): a member of a JSON object, appended; or nothing.
     * NULL: it never does. Pool thread. 0 or HG_ENOMEM. */
    int (*metadata)(const hg_parser_t *p, hg_str_t message, hg_buf_t *out);

    /* Output. */
    int (*encoder_new)(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
    void (*encoder_free)(hg_encoder_t *e);
    /* Encode one step's delta: deletes first, then inserts, |weight| times each. Appends to the sink. A failure is an
     * encode error: the rest of this batch is dropped by the host. Pool thread, steps of one output in order. */
    int (*encode)(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);
    /* The step's delta came in pieces, each with a call of encode, and is over: write what was kept for its end. sink
     * NULL: it is given up. NULL function: nothing is kept. */
    int (*encode_end)(hg_encoder_t *e, hg_encode_sink_t *sink, hg_err_t *err);
    bool binary;   /* what encode writes is no text: change streams over HTTP do not carry it */
    bool messages; /* encode puts whole messages (key + payload) rather than a byte stream, if the sink wants them */

    /* Questions: NULL where there are none. Of one loop. An encoder's are answered before its first encode.
     * ask: the next one that is open, false = none is. *ret is borrowed until the answer, which comes before the next
     * ask.
     * answer: 0 = it helped, or it is known now that nothing will; HG_EAGAIN: err says why, ask again in a while; else
     * the connector cannot go on, as err says. */
    bool (*parser_ask)(void *parser, hg_ask_t *ret);
    int (*parser_answer)(void *parser, int status, hg_str_t body, hg_err_t *err);
    bool (*encoder_ask)(void *encoder, hg_ask_t *ret);
    int (*encoder_answer)(void *encoder, int status, hg_str_t body, hg_err_t *err);
} hg_format_type_t;

#define HG_FORMAT_ABI 2

struct hg_parser {
    const hg_format_type_t *type;
};
struct hg_encoder {
    const hg_format_type_t *type;
};

/* The built-in formats (connectors/format/). */
extern const hg_format_type_t hg_format_json, hg_format_csv, hg_format_raw, hg_format_avro, hg_format_parquet;

/* Registry: connectors/registry.c. */
const hg_format_type_t *hg_format_find(hg_str_t name);
const hg_format_type_t *const *hg_formats(uint32_t *ret_n);

#endif
