/* json_flavor.c: the table of JSON flavors. */
#include "base/hg.h"
#include "connectors/format/json_flavor_int.h"

const hg_json_flavor_t hg_json_flavors[11] = {
    { .name = "default", .time = HG_JT_TEXT, .ts = HG_JTS_SQL, .bin = HG_JB_ARRAY },
    { .name = "debezium_mysql",
      .time = HG_JT_US,
      .date_days = true,
      .ts = HG_JTS_Z,
      .decimal_text = true,
      .variant_text = true },
    { .name = "debezium_postgres",
      .time = HG_JT_US,
      .date_days = true,
      .ts = HG_JTS_MS,
      .decimal_text = true,
      .variant_text = true },
    { .name = "snowflake", .time = HG_JT_TEXT, .ts = HG_JTS_OFFSET, .decimal_text = true, .variant_text = true },
    { .name = "kafka_connect_json_converter",
      .time = HG_JT_MS,
      .date_days = true,
      .ts = HG_JTS_MS,
      .decimal_text = true,
      .variant_text = true,
      .connect_schema = true },
    { .name = "pandas", .time = HG_JT_TEXT, .ts = HG_JTS_MS, .decimal_text = true, .variant_text = true },
    { .name = "blockchain", .time = HG_JT_TEXT, .ts = HG_JTS_SQL, .variant_text = true, .bin = HG_JB_BASE58 },
    { .name = "c_hex", .time = HG_JT_TEXT, .ts = HG_JTS_SQL, .variant_text = true, .bin = HG_JB_0X },
    { .name = "ClockInput", .time = HG_JT_TEXT, .ts = HG_JTS_MS, .variant_text = true },
    { .name = "datagen", .time = HG_JT_TEXT, .ts = HG_JTS_OFFSET },
    { .name = "postgres", .time = HG_JT_TEXT, .ts = HG_JTS_SQL, .decimal_text = true, .bin = HG_JB_BACKSLASH_X },
};
