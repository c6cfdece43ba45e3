/* postgres.c: PostgreSQL's rows as a format; connectors/postgres.h says what they look like. */
#include "base/hg.h"
#include "connectors/format/postgres_int.h"

const hg_format_type_t hg_format_postgres = {
    .abi = HG_FORMAT_ABI,
    .name = "postgres",
    .summary = "rows of PostgreSQL's binary COPY",
    .parser_new = hg_pg_parser_new,
    .parser_free = hg_pg_parser_free,
    .split = hg_pg_split,
    .parse = hg_pg_parse,
    .scratch_new = hg_pg_scratch_new,
    .scratch_free = hg_pg_scratch_free,
    .encoder_new = hg_pg_encoder_new,
    .encoder_free = hg_pg_encoder_free,
    .encode = hg_pg_encode,
    .messages = true,
};
