/* avro.c: the Avro format's entry. */
#include "base/hg.h"
#include "connectors/format/avro_int.h"

const hg_format_type_t hg_format_avro = {
    .abi = HG_FORMAT_ABI,
    .name = "avro",
    .summary = "Avro records, with a schema registry or a given schema.",
    .in_opts = hg_avro_in_opts,
    .out_opts = hg_avro_out_opts,
    .in_cfg = sizeof(hg_avro_in_cfg_t),
    .out_cfg = sizeof(hg_avro_out_cfg_t),
    .extra = HG_EXTRA_REFUSE,
    .parser_new = hg_avro_parser_new,
    .parser_free = hg_avro_parser_free,
    .split = hg_avro_split,
    .parse = hg_avro_read,
    .scratch_new = hg_avro_scratch_new,
    .scratch_free = hg_avro_scratch_free,
    .metadata = hg_avro_metadata,
    .parser_ask = hg_avro_parser_ask,
    .parser_answer = hg_avro_parser_answer,
    .encoder_new = hg_avro_encoder_new,
    .encoder_free = hg_avro_encoder_free,
    .encode = hg_avro_encode,
    .binary = true,
    .messages = true,
    .encoder_ask = hg_avro_encoder_ask,
    .encoder_answer = hg_avro_encoder_answer,
};
