/* json.c: the JSON format's entry in the registry. */
#include "base/hg.h"
#include "connectors/format/json_int.h"

const hg_format_type_t hg_format_json = {
    .abi = HG_FORMAT_ABI,
    .name = "json",
    .summary = "JSON records: plain rows, insert/delete envelopes or Debezium change events.",
    .in_cfg = sizeof(hg_json_in_cfg_t),
    .out_cfg = sizeof(hg_json_out_cfg_t),
    .in_opts = hg_json_in_opts,
    .out_opts = hg_json_out_opts,
    .parser_new = hg_json_parser_new,
    .parser_free = hg_json_parser_free,
    .split = hg_json_split,
    .parse = hg_json_parse_chunk,
    .scratch_new = hg_json_scratch_new,
    .scratch_free = hg_json_scratch_free,
    .encoder_new = hg_json_encoder_new,
    .encoder_free = hg_json_encoder_free,
    .encode = hg_json_encode,
    .messages = true,
};
