/* postgres_int.h: the two halves of the row format of connectors/postgres.h. */
#ifndef HG_CONNECTORS_FORMAT_POSTGRES_INT_H
#define HG_CONNECTORS_FORMAT_POSTGRES_INT_H

#include "connectors/format/json_int.h"
#include "connectors/postgres.h"

#define HG_PG_EPOCH_DAYS 10957 /* 2000-01-01, from which the server counts */
#define HG_PG_EPOCH_US   INT64_C(946684800000000)
#define HG_PG_DAY_US     INT64_C(86400000000)

/* Signs of a numeric. */
enum { HG_PG_POS = 0x0000, HG_PG_NEG = 0x4000, HG_PG_NAN = 0xC000, HG_PG_PINF = 0xD000, HG_PG_NINF = 0xF000 };

/* postgres_in.c */
int hg_pg_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
void hg_pg_parser_free(hg_parser_t *p);
size_t hg_pg_split(const hg_parser_t *p, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof);
int hg_pg_parse(const hg_parser_t *p, void *scratch, const char *buf, size_t n, bool first, hg_parse_out_t *out,
                hg_err_t *err);
void *hg_pg_scratch_new(const hg_parser_t *p);
void hg_pg_scratch_free(void *scratch);

/* postgres_cell.c: one field, which is not NULL, into one column. */
typedef struct hg_pgscan {
    hg_jscan_t json;
    char msg[320]; /* why the value was refused */
} hg_pgscan_t;
typedef struct hg_pgcell hg_pgcell_t;
struct hg_pgcell {
    /* 0, or a negative code: HG_EPARSE and HG_ERANGE refuse the value (s->msg), others are memory. */
    int (*read)(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b);
    const hg_type_t *type;
    hg_pgcell_t *elem; /* ARRAY of what the server sends in binary */
    hg_jcell_t *json;  /* nested types and VARIANT */
};
int hg_pgcell_init(hg_pgcell_t *c, const hg_type_t *type, hg_err_t *err);
void hg_pgcell_release(hg_pgcell_t *c);

/* postgres_out.c */
int hg_pg_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err);
void hg_pg_encoder_free(hg_encoder_t *e);
int hg_pg_encode(hg_encoder_t *e, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err);

static inline uint16_t hg_pg_u16(const char *p)
{
    return (uint16_t)((uint16_t)(uint8_t)p[0] << 8 | (uint8_t)p[1]);
}
static inline uint32_t hg_pg_u32(const char *p)
{
    return (uint32_t)hg_pg_u16(p) << 16 | hg_pg_u16(p + 2);
}
static inline uint64_t hg_pg_u64(const char *p)
{
    return (uint64_t)hg_pg_u32(p) << 32 | hg_pg_u32(p + 4);
}

#endif
