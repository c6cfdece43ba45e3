/* json_int.h: the JSON parser's parts: compiled columns (cells), rows, the parser object. */
#ifndef HG_CONNECTORS_FORMAT_JSON_INT_H
#define HG_CONNECTORS_FORMAT_JSON_INT_H

#include "base/mem.h"
#include "connectors/format.h"
#include "connectors/format/json_flavor_int.h"
#include "data/json_scan.h"
#include "connectors/format/value_int.h"

/* A column's decoder, chosen once from type and flavor. */
typedef struct hg_jcell hg_jcell_t;
typedef struct hg_jrow hg_jrow_t;
struct hg_jcell {
    /* p at the first byte of a value that is not null. Appends one row to b, or fails. */
    const char *(*read)(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b);
    const hg_type_t *type;
    const hg_json_flavor_t *flavor;
    hg_jcell_t *elem; /* ARRAY, MAP value */
    hg_jrow_t *row;   /* ROW */
};

/* What a record must give for each column. */
typedef enum {
    HG_JROW_FULL, /* missing: default, NULL or error */
    HG_JROW_KEY,  /* only key columns are read, the others get place-holders */
    HG_JROW_PART, /* key columns required; others present or not */
} hg_jrow_mode_t;

/* Members of an object → columns. */
struct hg_jrow {
    const hg_field_t *fields;
    uint32_t n;
    hg_jcell_t *cells;
    hg_str_t *quoted; /* "\"name\"": what a member looks like when names need no escapes */
    uint32_t *slots;  /* hash of lower-cased name → column + 1 */
    uint32_t mask;
    uint64_t *key_bits;        /* columns of the primary key; NULL = none */
    hg_col_t *const *defaults; /* or NULL */
};

int hg_jcell_init(hg_jcell_t *c, const hg_type_t *type, const hg_json_flavor_t *flavor, hg_err_t *err);
void hg_jcell_release(hg_jcell_t *c);
int hg_jrow_init(hg_jrow_t *r, const hg_field_t *fields, uint32_t n, const hg_json_flavor_t *flavor, hg_err_t *err);
void hg_jrow_release(hg_jrow_t *r);

/* Object or array at p → one cell in each of r->n builders, all of which hold `at` rows. present: bits of the columns
 * found, only for HG_JROW_PART, else NULL. On failure the builders may hold cells of the unfinished row. */
const char *hg_jrow_read(hg_jscan_t *s, const char *p, const hg_jrow_t *r, hg_jrow_mode_t mode, hg_colb_t *cols,
                         uint32_t at, uint64_t *present);

/* One value, null included. */
const char *hg_jcell_null(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b);
static inline const char *hg_jcell_read(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    return HG_UNLIKELY(*p == 'n') ? hg_jcell_null(s, p, c, b) : c->read(s, p, c, b);
}

typedef enum {
    HG_JU_INSERT_DELETE,
    HG_JU_RAW,
    HG_JU_DEBEZIUM,
    HG_JU_SNOWFLAKE,
    HG_JU_WEIGHTED,
    HG_JU_REDIS
} hg_jupdate_t;
#define HG_JSON_UPDATE_NAMES "insert_delete|raw|debezium|snowflake|weighted|redis"

typedef struct hg_json_parser {
    hg_parser_t base;
    const hg_schema_t *schema;
    hg_jupdate_t update;
    bool array, single;
    hg_jrow_t row;
    hg_jrow_t deleted; /* row with the defaults of deletes (soft_delete); its parts are those of row */
    bool soft;
} hg_json_parser_t;

size_t hg_json_split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);

/* json_in.c */
typedef struct hg_json_in_cfg {
    int update, flavor, lines;
    bool array;
} hg_json_in_cfg_t;
extern const hg_opt_t hg_json_in_opts[];
int hg_json_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
void hg_json_parser_free(hg_parser_t *p);
void *hg_json_scratch_new(const hg_parser_t *p);
void hg_json_scratch_free(void *scratch);
int hg_json_parse_chunk(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                        hg_err_t *err);

/* json_out.c */
typedef struct hg_json_out_cfg {
    int update, flavor;
    bool flavor_set, array;
    uint32_t buffer_size_records;
    hg_strlist_t key_fields;
} hg_json_out_cfg_t;
extern const hg_opt_t hg_json_out_opts[];
int hg_json_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
void hg_json_encoder_free(hg_encoder_t *e);
int hg_json_encode(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);

/* json_value_out.c: one cell as JSON, null included. */
int hg_json_cell_print(hg_buf_t *out, const hg_col_t *c, uint32_t i, const hg_json_flavor_t *flavor);

/* Can the keys of a MAP be the names of an object's members? They need a plain text: bytes and what is nested have
 * none. */
bool hg_json_names(const hg_type_t *key);
/* HG_EINVALENCODER where a column cannot be written as JSON, saying which and why. `format` is named in the words. */
int hg_json_writable(const hg_schema_t *schema, const char *format, hg_err_t *err);

/* json_connect.c: the Kafka Connect schema of a column, of a struct of columns; and of the Debezium envelope. */
int hg_connect_struct(hg_jw_t *w, const hg_field_t *fields, const uint32_t *cols, uint32_t n, const char *field,
                      bool optional);
int hg_connect_envelope(hg_jw_t *w, const hg_field_t *fields, uint32_t n);

#endif
