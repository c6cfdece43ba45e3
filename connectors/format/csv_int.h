/* csv_int.h: the CSV dialect, and the automaton that splitter and parser share. */
#ifndef HG_CONNECTORS_FORMAT_CSV_INT_H
#define HG_CONNECTORS_FORMAT_CSV_INT_H

#include "base/mem.h"
#include "connectors/format.h"

typedef struct hg_csv_dialect {
    char delimiter;
    int quote, escape, comment; /* -1 = none */
    bool double_quote;
} hg_csv_dialect_t;

typedef struct hg_csv_in_cfg {
    bool headers, double_quote, quoting, flexible;
    const char *delimiter, *quote, *escape, *comment;
    int trim;
} hg_csv_in_cfg_t;

typedef struct hg_csv_out_cfg {
    const char *delimiter;
    uint32_t buffer_size_records;
} hg_csv_out_cfg_t;

extern const hg_opt_t hg_csv_in_opts[], hg_csv_out_opts[];

int hg_csv_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
void hg_csv_parser_free(hg_parser_t *p);
size_t hg_csv_split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);
int hg_csv_parse(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                 hg_err_t *err);
void *hg_csv_scratch_new(const hg_parser_t *p);
void hg_csv_scratch_free(void *scratch);
int hg_csv_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
void hg_csv_encoder_free(hg_encoder_t *e);
int hg_csv_encode(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);

/* An option that holds one ASCII character; NULL or "" = none. */
int hg_csv_char(const char *name, const char *value, bool required, int code, int *ret, hg_err_t *err);

#endif
