/* parquet.c: the Parquet format's entry in the registry. */
#include "base/hg.h"
#include "connectors/format/parquet_int.h"

static const hg_opt_t in_opts[] = { { .key = NULL } };

static const hg_opt_t out_opts[] = {
    { .key = "buffer_size_records",
      .type = HG_OPT_U32,
      .at = offsetof(hg_parquet_out_cfg_t, buffer_size_records),
      .def = "100000",
      .min = 1,
      .unit = "records",
      .doc = "Records per message, which is a Parquet file. A step ends a file at the latest. Outputs of bytes (files) "
             "get one file for each step, one behind the other: give them an output buffer or a transaction, so that "
             "everything comes as one." },
    { .key = NULL },
};

const hg_format_type_t hg_format_parquet = {
    .abi = HG_FORMAT_ABI,
    .name = "parquet",
    .summary = "Apache Parquet, by the module headgate-parquet.so. Inserts only, both ways.",
    .in_opts = in_opts,
    .out_opts = out_opts,
    .out_cfg = sizeof(hg_parquet_out_cfg_t),
    .parser_new = hg_parquet_parser_new,
    .parser_free = hg_parquet_parser_free,
    .split = hg_parquet_split,
    .parse = hg_parquet_parse,
    .index_new = hg_parquet_index_new,
    .encoder_new = hg_parquet_encoder_new,
    .encoder_free = hg_parquet_encoder_free,
    .encode = hg_parquet_encode,
    .encode_end = hg_parquet_encode_end,
    .messages = true,
    .binary = true,
};
