/* json_flavor_int.h: how each JSON flavor spells the types that JSON lacks. One table for input and output. */
#ifndef HG_CONNECTORS_FORMAT_JSON_FLAVOR_INT_H
#define HG_CONNECTORS_FORMAT_JSON_FLAVOR_INT_H

#include "base/hg.h"

typedef enum { HG_JT_TEXT, HG_JT_US, HG_JT_MS } hg_jtime_t; /* "H:M:S", integer µs, integer ms */
typedef enum {
    HG_JTS_SQL,    /* "Y-m-d H:M:S"; with time zone "+00:00" behind it, and required on input */
    HG_JTS_Z,      /* "Y-m-dTH:M:SZ" */
    HG_JTS_OFFSET, /* "Y-m-dTH:M:S+00:00" */
    HG_JTS_MS,     /* integer milliseconds since 1970 */
} hg_jts_t;
typedef enum { HG_JB_ARRAY, HG_JB_BASE58, HG_JB_0X, HG_JB_BACKSLASH_X } hg_jbin_t;

typedef struct hg_json_flavor {
    const char *name;
    hg_jtime_t time;
    bool date_days; /* DATE as days since 1970, else "Y-m-d" */
    hg_jts_t ts;
    bool decimal_text;
    bool variant_text; /* VARIANT as a string that holds JSON */
    hg_jbin_t bin;
    bool connect_schema; /* Debezium messages carry the Kafka Connect schema */
} hg_json_flavor_t;

enum { HG_JF_DEFAULT = 0, HG_JF_SNOWFLAKE = 3, HG_JF_CONNECT = 4, HG_JF_POSTGRES = 10 };

#define HG_JSON_FLAVOR_NAMES                                                                                           \
    "default|debezium_mysql|debezium_postgres|snowflake|kafka_connect_json_converter|pandas|blockchain|c_hex|"         \
    "ClockInput|datagen|postgres"

/* In the order of HG_JSON_FLAVOR_NAMES. */
extern const hg_json_flavor_t hg_json_flavors[11];

#endif
