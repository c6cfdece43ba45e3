/* avro_schema.h: Avro schemas as trees.
 *
 * Our own reader of the JSON text, because what matters most to a table, the annotations (`logicalType` and Debezium's
 * `connect.name`), is what C libraries throw away. A tree is immutable; it lives in the arena that it was parsed into.
 * Named types refer to themselves (a list of lists), so a tree may have cycles: who walks it counts the depth.
 */
#ifndef HG_CONNECTORS_FORMAT_AVRO_SCHEMA_H
#define HG_CONNECTORS_FORMAT_AVRO_SCHEMA_H

#include "base/json.h"

/* X(kind, name in a schema, bytes that a value has at least) */
#define HG_AVRO_KINDS(X)                                                                                               \
    X(NULL, "null", 0)                                                                                                 \
    X(BOOLEAN, "boolean", 1)                                                                                           \
    X(INT, "int", 1)                                                                                                   \
    X(LONG, "long", 1)                                                                                                 \
    X(FLOAT, "float", 4)                                                                                               \
    X(DOUBLE, "double", 8)                                                                                             \
    X(BYTES, "bytes", 1)                                                                                               \
    X(STRING, "string", 1)                                                                                             \
    X(FIXED, "fixed", 0)                                                                                               \
    X(ENUM, "enum", 1)                                                                                                 \
    X(ARRAY, "array", 1)                                                                                               \
    X(MAP, "map", 1)                                                                                                   \
    X(RECORD, "record", 0)                                                                                             \
    X(UNION, "union", 1)

#define X(kind, name, min) HG_AV_##kind,
typedef enum { HG_AVRO_KINDS(X) HG_AV_N } hg_avkind_t;
#undef X

/* What a value means beyond its kind. An annotation that does not suit its type means nothing, as Avro wants it. */
typedef enum {
    HG_AM_NONE,
    HG_AM_DECIMAL, /* bytes or fixed: big-endian two's complement, with precision and scale */
    HG_AM_UUID,    /* string, or fixed(16) */
    HG_AM_DATE,    /* int: days since 1970 */
    HG_AM_TIME_MS, /* since midnight; int */
    HG_AM_TIME_US, /* long */
    HG_AM_TIME_NS,
    HG_AM_TIME_TEXT, /* string with an offset from UTC */
    HG_AM_TS_MS,     /* since 1970; long; local-timestamp-* likewise */
    HG_AM_TS_US,
    HG_AM_TS_NS,
    HG_AM_TS_TEXT,
    HG_AM_DURATION,   /* fixed(12): months, days, milliseconds, each 4 bytes little-endian */
    HG_AM_VAR_DECIMAL /* record {scale int, value bytes} */
} hg_avmean_t;

typedef struct hg_avro hg_avro_t;
typedef struct hg_avro_field {
    hg_str_t name;
    const hg_avro_t *type;
} hg_avro_field_t;

struct hg_avro {
    hg_avkind_t kind;
    hg_avmean_t mean;
    const char *mean_name; /* as the schema spells it: "timestamp-millis"; NULL without a meaning */
    hg_str_t name;         /* of a record, an enum, a fixed: with its namespace */
    int32_t precision, scale;
    uint32_t size; /* fixed */
    uint32_t min;  /* bytes that a value has at least */
    uint32_t n;    /* fields, symbols, branches */
    const hg_avro_field_t *fields;
    const hg_str_t *symbols;
    const hg_avro_t *const *of; /* branches of a union; [0]: items of an array, values of a map */
};

/* Types by name: those of the schemas that were parsed with it so far. */
typedef struct hg_avro_names {
    hg_arena_t *arena;
    const hg_avro_t **v;
    uint32_t n;
} hg_avro_names_t;

/* Any thread. text is JSON, or a bare type name as registries give it ("string" with its quotes). The names that it
 * defines are added to *names; those that are there may be used. HG_EPARSE: what is wrong, and where in the schema. */
int hg_avro_parse(hg_avro_names_t *names, hg_str_t text, const hg_avro_t **ret, hg_err_t *err);

const char *hg_avro_kind_name(hg_avkind_t k);
/* "int", "long (timestamp-millis)", "record a.b.C", "[null, string]": for messages. */
void hg_avro_text(hg_buf_t *out, const hg_avro_t *t);
bool hg_avro_is_name(hg_str_t s); /* a letter or _, then letters, digits and _ */

#define HG_AVRO_MAX_SCHEMA ((size_t)1 << 20) /* bytes of a schema text */

#endif
