/* csv.c: the CSV format's entry in the registry. */
#include "base/hg.h"
#include "connectors/format/csv_int.h"

const hg_format_type_t hg_format_csv = {
    .abi = HG_FORMAT_ABI,
    .name = "csv",
    .summary = "Comma-separated values, one record per row; on output with the weight as last column.",
    .in_opts = hg_csv_in_opts,
    .out_opts = hg_csv_out_opts,
    .in_cfg = sizeof(hg_csv_in_cfg_t),
    .out_cfg = sizeof(hg_csv_out_cfg_t),
    .parser_new = hg_csv_parser_new,
    .parser_free = hg_csv_parser_free,
    .split = hg_csv_split,
    .parse = hg_csv_parse,
    .scratch_new = hg_csv_scratch_new,
    .scratch_free = hg_csv_scratch_free,
    .encoder_new = hg_csv_encoder_new,
    .encoder_free = hg_csv_encoder_free,
    .encode = hg_csv_encode,
};
