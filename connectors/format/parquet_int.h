/* parquet_int.h: shared by the files of the Parquet format. */
#ifndef HG_CONNECTORS_FORMAT_PARQUET_INT_H
#define HG_CONNECTORS_FORMAT_PARQUET_INT_H

#include "connectors/format.h"

typedef struct hg_parquet_out_cfg {
    uint32_t buffer_size_records;
} hg_parquet_out_cfg_t;

int hg_parquet_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
void hg_parquet_parser_free(hg_parser_t *p);
size_t hg_parquet_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);
int hg_parquet_parse(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                     hg_err_t *err);
int hg_parquet_index_new(const hg_parser_t *p, const hg_file_reader_t *file, hg_file_index_t **ret, hg_err_t *err);

int hg_parquet_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
void hg_parquet_encoder_free(hg_encoder_t *e);
int hg_parquet_encode(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);

int hg_parquet_encode_end(hg_encoder_t *e, hg_encode_sink_t *sink, hg_err_t *err);

#endif
