/* avro_int.h: the parts of the Avro format.
 *
 *   avro_schema.c    text of a schema → tree
 *   avro_book.c      schemas by id: what is known, what is to be asked of the registry
 *   avro_cell.c      one value of a writer's type → one cell;  avro_row.c  a record → a row;  avro_scan.c  varints,
 * skipping avro_in.c        messages → change batches avro_made.c      a relation → a schema;  avro_put.c  one cell → a
 * value;  avro_out.c  deltas → messages avro_config.c    what both directions are told about the registry
 *
 * A record is decoded as its writer's schema says, straight into the columns of the table: which field goes where is
 * decided once per schema (hg_arow_init), so that a record asks nothing twice and builds nothing in between.
 */
#ifndef HG_CONNECTORS_FORMAT_AVRO_INT_H
#define HG_CONNECTORS_FORMAT_AVRO_INT_H

#include "connectors/format/avro_scan.h"
#include "base/mem.h"
#include "connectors/format.h"
#include "connectors/format/value_int.h"
#include <pthread.h>

/* --- avro_config.c --- */
typedef struct hg_avro_registry {
    hg_strlist_t urls;
    const hg_json_t *headers;
    const char *proxy, *username, *password, *token;
    uint32_t timeout_secs;
} hg_avro_registry_t;

/* Rows of an option table for a struct `T` with a member `registry`. */
#define HG_AVRO_REGISTRY_OPTS(T)                                                                                       \
    { .key = "registry_urls",                                                                                          \
      .type = HG_OPT_STRLIST,                                                                                          \
      .at = offsetof(T, registry.urls),                                                                                \
      .flags = HG_OPT_PROGRAM_ONLY,                                                                                    \
      .doc = "Addresses of the schema registry (Confluent's API). Several are servers of one registry: when one does " \
             "not answer, the next is asked." },                                                                       \
        { .key = "registry_headers",                                                                                   \
          .type = HG_OPT_JSON,                                                                                         \
          .at = offsetof(T, registry.headers),                                                                         \
          .flags = HG_OPT_SECRET | HG_OPT_PROGRAM_ONLY,                                                                \
          .doc = "HTTP headers for each request to the registry: an object of strings." },                             \
        { .key = "registry_proxy",                                                                                     \
          .type = HG_OPT_STR,                                                                                          \
          .at = offsetof(T, registry.proxy),                                                                           \
          .flags = HG_OPT_PROGRAM_ONLY,                                                                                \
          .doc = "URL of the HTTP proxy in front of the registry." },                                                  \
        { .key = "registry_timeout_secs",                                                                              \
          .type = HG_OPT_U32,                                                                                          \
          .at = offsetof(T, registry.timeout_secs),                                                                    \
          .flags = HG_OPT_PROGRAM_ONLY,                                                                                \
          .def = "30",                                                                                                 \
          .min = 1,                                                                                                    \
          .max = 3600,                                                                                                 \
          .unit = "s",                                                                                                 \
          .doc = "How long one request to the registry may take." },                                                   \
        { .key = "registry_username",                                                                                  \
          .type = HG_OPT_STR,                                                                                          \
          .at = offsetof(T, registry.username),                                                                        \
          .flags = HG_OPT_PROGRAM_ONLY,                                                                                \
          .doc = "User name for basic authentication." },                                                              \
        { .key = "registry_password",                                                                                  \
          .type = HG_OPT_STR,                                                                                          \
          .at = offsetof(T, registry.password),                                                                        \
          .flags = HG_OPT_SECRET | HG_OPT_PROGRAM_ONLY,                                                                \
          .doc = "Password for basic authentication." },                                                               \
    {                                                                                                                  \
        .key = "registry_authorization_token", .type = HG_OPT_STR, .at = offsetof(T, registry.token),                  \
        .flags = HG_OPT_SECRET | HG_OPT_PROGRAM_ONLY, .doc = "Bearer token, instead of a user name."                   \
    }

int hg_avro_registry_check(const hg_avro_registry_t *r, hg_code_t code, hg_err_t *err);

/* What every question to the registry has in common: made once. */
typedef struct hg_avro_link {
    const hg_avro_registry_t *cfg;
    hg_arena_t *arena;
    const char **headers; /* NULL-ended */
} hg_avro_link_t;
void hg_avro_link_init(hg_avro_link_t *l, const hg_avro_registry_t *cfg, hg_arena_t *arena);
/* Everything of *ret but method, path and body. */
void hg_avro_link_ask(const hg_avro_link_t *l, hg_ask_t *ret);
/* What a status other than 200 means: HG_EAGAIN, HG_EPERM (the connector cannot go on), else HG_ENOTFOUND: it is as it
 * is. *err has the registry's own words. what: "schema 7". */
int hg_avro_refusal(int status, hg_str_t body, const char *what, hg_err_t *err);
/* The answer as JSON, an object; HG_EAGAIN if it is none: a proxy's page, a server that is starting. */
int hg_avro_answer(hg_arena_t *a, hg_str_t body, const char *what, const hg_json_t **ret, hg_err_t *err);

/* --- avro_cell.c --- */
typedef struct hg_acell hg_acell_t;
typedef struct hg_arow hg_arow_t;
struct hg_acell {
    int (*read)(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b);
    const hg_type_t *type;
    const hg_avro_t *from;
    hg_acell_t *part; /* a union's branches, an array's element, a map's value; n of them */
    uint32_t n;
    int64_t mul, low, high; /* of times: the unit in the column's, and what is allowed */
    hg_arow_t *row;
};
/* May a value of writer's type `from` become a cell of type `to`? HG_EINVALPARSER: no, err says what would do. */
int hg_acell_init(hg_acell_t *c, const hg_avro_t *from, const hg_type_t *to, hg_err_t *err);
void hg_acell_release(hg_acell_t *c);

/* --- avro_row.c --- */
typedef struct hg_astep {
    const hg_avro_field_t *field;
    int32_t col; /* -1: skipped */
    hg_acell_t cell;
} hg_astep_t;

struct hg_arow {
    const hg_field_t *cols;
    uint32_t n_cols;
    hg_astep_t *steps; /* in the writer's order */
    uint32_t n_steps;
    uint32_t *absent; /* columns that the writer does not have */
    uint32_t n_absent;
    hg_col_t *const *defaults; /* per column, or NULL */
    const uint32_t *only;      /* deletes by key: n_only columns are read, the others are place-holders. NULL: all */
    uint32_t n_only;
};
int hg_arow_init(hg_arow_t *r, const hg_avro_t *from, hg_err_t *err); /* the other members are set */
void hg_arow_release(hg_arow_t *r);
/* One cell to every column. */
int hg_arow_read(hg_ascan_t *s, const hg_arow_t *r, hg_colb_t *cols);

/* --- avro_book.c --- */
typedef struct hg_abook hg_abook_t;
/* Makes what the owner needs of a schema (once per id, under the book's lock); free it. */
typedef struct hg_abook_ops {
    int (*make)(void *arg, const hg_avro_t *t, void **ret, hg_err_t *err);
    void (*free)(void *made);
    void *arg;
} hg_abook_ops_t;
hg_abook_t *hg_abook_new(const hg_avro_registry_t *cfg, const hg_abook_ops_t *ops);
void hg_abook_free(hg_abook_t *b);
/* Any thread. What was made of the schema with this id, for as long as the book. HG_EAGAIN: it has to be asked for.
 * Else HG_EPARSE: there is none that can be used, and err says why. */
int hg_abook_get(hg_abook_t *b, uint32_t id, const void **ret, hg_err_t *err);
bool hg_abook_ask(hg_abook_t *b, hg_ask_t *ret);
int hg_abook_answer(hg_abook_t *b, int status, hg_str_t body, hg_err_t *err);

/* --- avro_in.c --- */
typedef struct hg_avro_in_cfg {
    int update;
    const char *schema;
    bool skip_schema_id;
    hg_avro_registry_t registry;
} hg_avro_in_cfg_t;
extern const hg_opt_t hg_avro_in_opts[];
int hg_avro_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
void hg_avro_parser_free(hg_parser_t *p);
size_t hg_avro_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);
int hg_avro_read(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err);
void *hg_avro_scratch_new(const hg_parser_t *p);
void hg_avro_scratch_free(void *scratch);
int hg_avro_metadata(const hg_parser_t *base, hg_str_t message, hg_buf_t *out);
bool hg_avro_parser_ask(void *parser, hg_ask_t *ret);
int hg_avro_parser_answer(void *parser, int status, hg_str_t body, hg_err_t *err);

/* --- avro_made.c: the schema of a relation, where none is given --- */
typedef struct hg_avro_made {
    hg_str_t name;     /* of the record; dots divide it into namespace and name */
    const char *space; /* namespace, or NULL */
    const hg_field_t *cols;
    const uint32_t *pick; /* n columns, in this order */
    uint32_t n;
    const uint32_t *keep; /* columns that keep their nullability, the others are nullable; NULL: all keep theirs */
    uint32_t n_keep;
    const char *cdc_field; /* a string behind the columns, or NULL */
} hg_avro_made_t;
/* Appends it as JSON text. HG_EINVALENCODER: a name or a type that Avro does not have. */
int hg_avro_make(const hg_avro_made_t *m, hg_buf_t *out, hg_err_t *err);

/* --- avro_put.c: a cell → a value of a schema's type --- */
typedef struct hg_aput hg_aput_t;
struct hg_aput {
    /* The cell is not null. 0, memory, or HG_ERANGE with err. */
    int (*put)(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err);
    const hg_type_t *type; /* NULL: a word that is not the relation's (cdc_field) */
    const hg_avro_t *to;
    hg_str_t name;             /* the field's, for messages */
    int32_t null_at, value_at; /* branches of a union; -1: there is none */
    uint32_t col;              /* of a record: which column (field of a ROW) */
    int64_t div;               /* times: the column's unit in the schema's */
    hg_aput_t *part;           /* elements of an array, values of a map, fields of a record: n of them */
    uint32_t n;
};
/* May cells of this type be written as `to`? HG_EINVALENCODER: no, err says what would do. */
int hg_aput_init(hg_aput_t *p, const hg_type_t *type, const hg_avro_t *to, hg_err_t *err);
/* A record of n of these columns (pick, or the first n); word: a string field that is no column (NULL: none). */
int hg_aput_record(hg_aput_t *p, const hg_field_t *cols, const uint32_t *pick, uint32_t n, const char *word,
                   const hg_avro_t *to, hg_err_t *err);
void hg_aput_release(hg_aput_t *p);
int hg_aput_cell(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err);
/* word: what the field that is no column says. */
int hg_aput_row(const hg_aput_t *p, hg_buf_t *out, hg_col_t *const *cols, uint32_t row, const char *word,
                hg_err_t *err);

/* --- avro_out.c --- */
typedef struct hg_avro_out_cfg {
    int update, key_mode, subject;
    bool key_mode_set, subject_set, skip_schema_id;
    const char *schema, *cdc_field, *space;
    uint32_t threads;
    hg_avro_registry_t registry;
} hg_avro_out_cfg_t;
extern const hg_opt_t hg_avro_out_opts[];
int hg_avro_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
void hg_avro_encoder_free(hg_encoder_t *e);
int hg_avro_encode(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);
bool hg_avro_encoder_ask(void *encoder, hg_ask_t *ret);
int hg_avro_encoder_answer(void *encoder, int status, hg_str_t body, hg_err_t *err);

#endif
