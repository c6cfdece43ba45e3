/* type.h: SQL types and schemas.
 *
 * Names and JSON shapes are Feldera's (program schema). Physical layout is that of the Arrow C data interface
 * (https://arrow.apache.org/docs/format/CDataInterface.html), except UUID: 16 bytes until export.
 *
 * Types are immutable. They live in an arena (a schema's, a plan's); every column keeps a borrowed pointer, so that
 * arena outlives the columns.
 */
#ifndef HG_DATA_TYPE_H
#define HG_DATA_TYPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* X(kind, JSON name, physical layout) */
#define HG_KINDS(X)                                                                                                    \
    X(NULL, "NULL", HG_PHYS_NULL)                                                                                      \
    X(BOOLEAN, "BOOLEAN", HG_PHYS_BIT)                                                                                 \
    X(TINYINT, "TINYINT", HG_PHYS_I8)                                                                                  \
    X(SMALLINT, "SMALLINT", HG_PHYS_I16)                                                                               \
    X(INTEGER, "INTEGER", HG_PHYS_I32)                                                                                 \
    X(BIGINT, "BIGINT", HG_PHYS_I64)                                                                                   \
    X(UTINYINT, "UTINYINT", HG_PHYS_U8)                                                                                \
    X(USMALLINT, "USMALLINT", HG_PHYS_U16)                                                                             \
    X(UINTEGER, "UINTEGER", HG_PHYS_U32)                                                                               \
    X(UBIGINT, "UBIGINT", HG_PHYS_U64)                                                                                 \
    X(DECIMAL, "DECIMAL", HG_PHYS_I128) /* unscaled, |v| < 10^precision */                                             \
    X(REAL, "REAL", HG_PHYS_F32)                                                                                       \
    X(DOUBLE, "DOUBLE", HG_PHYS_F64)                                                                                   \
    X(CHAR, "CHAR", HG_PHYS_VAR)       /* UTF-8, padded with blanks to precision characters */                         \
    X(VARCHAR, "VARCHAR", HG_PHYS_VAR) /* UTF-8; precision in characters, -1 = unlimited */                            \
    X(BINARY, "BINARY", HG_PHYS_VAR)                                                                                   \
    X(VARBINARY, "VARBINARY", HG_PHYS_VAR)                                                                             \
    X(DATE, "DATE", HG_PHYS_I32)                 /* days since 1970-01-01 */                                           \
    X(TIME, "TIME", HG_PHYS_I64)                 /* nanoseconds since midnight */                                      \
    X(TIMESTAMP, "TIMESTAMP", HG_PHYS_I64)       /* microseconds since 1970-01-01 00:00 */                             \
    X(TIMESTAMP_TZ, "TIMESTAMP_TZ", HG_PHYS_I64) /* microseconds, UTC */                                               \
    X(INTERVAL, "INTERVAL", HG_PHYS_I64)         /* short family: microseconds; .unit names the JSON type */           \
    X(INTERVAL_YM, "INTERVAL", HG_PHYS_I32)      /* long family: months; .unit */                                      \
    X(UUID, "UUID", HG_PHYS_FIX16)               /* network byte order */                                              \
    X(ARRAY, "ARRAY", HG_PHYS_LIST)              /* int32 offsets into child[0] */                                     \
    X(MAP, "MAP", HG_PHYS_MAP)                   /* int32 offsets into child[0] keys, child[1] values */               \
    X(ROW, "STRUCT", HG_PHYS_STRUCT)                                                                                   \
    X(VARIANT, "VARIANT", HG_PHYS_VAR)    /* compact JSON text */                                                      \
    X(GEOMETRY, "GEOMETRY", HG_PHYS_NULL) /* parsed, never stored */

#define X(kind, name, phys) HG_T_##kind,
typedef enum { HG_KINDS(X) HG_T_N } hg_kind_t;
#undef X

typedef enum {
    HG_PHYS_NULL,
    HG_PHYS_BIT,
    HG_PHYS_I8,
    HG_PHYS_I16,
    HG_PHYS_I32,
    HG_PHYS_I64,
    HG_PHYS_U8,
    HG_PHYS_U16,
    HG_PHYS_U32,
    HG_PHYS_U64,
    HG_PHYS_I128,
    HG_PHYS_F32,
    HG_PHYS_F64,
    HG_PHYS_VAR,
    HG_PHYS_FIX16,
    HG_PHYS_LIST,
    HG_PHYS_MAP,
    HG_PHYS_STRUCT
} hg_phys_t;

/* Layouts by what has to be moved when rows move: the fixed ones differ only in width, a MAP is a LIST with two
 * children. */
typedef enum { HG_SHAPE_NULL, HG_SHAPE_BIT, HG_SHAPE_FIXED, HG_SHAPE_VAR, HG_SHAPE_LIST, HG_SHAPE_STRUCT } hg_shape_t;
hg_shape_t hg_phys_shape(hg_phys_t p);

/* JSON names INTERVAL_DAY … INTERVAL_MONTH, in the order of sql §3.1. */
/* clang-format off */
#define HG_INTERVAL_UNITS(X)                                                                                           \
    X(DAY)                                                                                                             \
    X(DAY_HOUR) X(DAY_MINUTE) X(DAY_SECOND) X(HOUR) X(HOUR_MINUTE) X(HOUR_SECOND) X(MINUTE) X(MINUTE_SECOND) X(SECOND) \
        X(YEAR) X(YEAR_MONTH) X(MONTH)
/* clang-format on */
#define X(u) HG_IV_##u,
typedef enum { HG_INTERVAL_UNITS(X) HG_IV_N } hg_interval_unit_t;
#undef X

typedef struct hg_type hg_type_t;
typedef struct hg_field hg_field_t;

struct hg_type {
    hg_kind_t kind;
    bool nullable;
    int32_t precision; /* -1 = unlimited or not applicable */
    int32_t scale;
    hg_interval_unit_t unit;
    const hg_type_t *elem;    /* ARRAY component; MAP value */
    const hg_type_t *key;     /* MAP */
    const hg_field_t *fields; /* ROW */
    uint32_t n_fields;
};

struct hg_field {
    hg_str_t name; /* stored name: folded if it was unquoted */
    bool case_sensitive;
    const hg_type_t *type;
};

hg_phys_t hg_type_phys(const hg_type_t *t);
size_t hg_phys_width(hg_phys_t p);     /* bytes per value of fixed layouts; 0 for BIT, VAR, LIST, … */
const char *hg_kind_name(hg_kind_t k); /* "BIGINT" */
bool hg_kind_is_integer(hg_kind_t k);
bool hg_kind_is_unsigned(hg_kind_t k);
bool hg_kind_is_numeric(hg_kind_t k);
bool hg_kind_is_string(hg_kind_t k); /* CHAR, VARCHAR */
bool hg_kind_is_bytes(hg_kind_t k);  /* BINARY, VARBINARY */

/* Equality of everything but nullability at the top (nested nullability counts). */
bool hg_type_same(const hg_type_t *a, const hg_type_t *b);

/* As SQL text: "DECIMAL(10, 2)", "VARCHAR ARRAY", "INTERVAL DAY TO SECOND". Appends. */
void hg_type_text(hg_buf_t *out, const hg_type_t *t);
/* The same for a message, in out, which it returns; a type whose text is longer may be told by its kind alone. */
const char *hg_type_brief(const hg_type_t *t, char out[64]);

/* The "columntype" object of the program schema: keys in alphabetical order. */
void hg_type_json(hg_jw_t *w, const hg_type_t *t);

/* In the arena. nullable as given. */
const hg_type_t *hg_type_make(hg_arena_t *a, hg_kind_t k, bool nullable, int32_t precision, int32_t scale);
const hg_type_t *hg_type_array(hg_arena_t *a, const hg_type_t *elem, bool nullable);
const hg_type_t *hg_type_with_null(hg_arena_t *a, const hg_type_t *t, bool nullable);

/* A relation's columns. Lives in the arena it was made in; borrowed by batches. */
typedef struct hg_schema {
    hg_str_t name; /* relation */
    bool case_sensitive;
    const hg_field_t *cols;
    uint32_t n_cols;
    const uint32_t *key; /* primary key columns in column order, NULL = none */
    uint32_t n_key;
} hg_schema_t;

/* Column index, or -1. Feldera's rule: exact if either side is case-sensitive, else without case. */
int hg_schema_find(const hg_schema_t *s, hg_str_t name, bool case_sensitive);

#endif
