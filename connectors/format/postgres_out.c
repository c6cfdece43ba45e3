/* postgres_out.c: one step's delta → operations by key, as rows of PostgreSQL's binary COPY.
 * What a key's rows come to is decided in keyed.c. One encoder serves one output, whose steps come in order. */
#include "base/hg.h"
#include "data/text.h"
#include "connectors/format/keyed_int.h"
#include "connectors/format/postgres_int.h"

typedef struct {
    hg_encoder_t base;
    const hg_schema_t *schema;
    hg_keyed_t keyed;
    hg_buf_t tmp; /* a nested value as JSON */
} pg_encoder_t;

typedef struct {
    const char *name, *array;
    uint32_t oid; /* the server's pg_type.dat; an array's elements name it */
} pgtype_t;

static const pgtype_t g_bool = { "bool", "bool[]", 16 }, g_int2 = { "int2", "int2[]", 21 },
                      g_int4 = { "int4", "int4[]", 23 }, g_int8 = { "int8", "int8[]", 20 },
                      g_numeric = { "numeric", "numeric[]", 1700 }, g_float4 = { "float4", "float4[]", 700 },
                      g_float8 = { "float8", "float8[]", 701 }, g_text = { "text", "text[]", 25 },
                      g_bytea = { "bytea", "bytea[]", 17 }, g_date = { "date", "date[]", 1082 },
                      g_time = { "time", "time[]", 1083 }, g_ts = { "timestamp", "timestamp[]", 1114 },
                      g_tz = { "timestamptz", "timestamptz[]", 1184 }, g_interval = { "interval", "interval[]", 1186 },
                      g_uuid = { "uuid", "uuid[]", 2950 };

/* NULL: no scalar. */
static const pgtype_t *scalar(hg_kind_t k)
{
    switch (k) {
    case HG_T_BOOLEAN:
        return &g_bool;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_UTINYINT:
        return &g_int2;
    case HG_T_USMALLINT:
    case HG_T_INTEGER:
        return &g_int4;
    case HG_T_UINTEGER:
    case HG_T_BIGINT:
        return &g_int8;
    case HG_T_UBIGINT:
    case HG_T_DECIMAL:
        return &g_numeric;
    case HG_T_REAL:
        return &g_float4;
    case HG_T_DOUBLE:
        return &g_float8;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return &g_text;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return &g_bytea;
    case HG_T_DATE:
        return &g_date;
    case HG_T_TIME:
        return &g_time;
    case HG_T_TIMESTAMP:
        return &g_ts;
    case HG_T_TIMESTAMP_TZ:
        return &g_tz;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return &g_interval;
    case HG_T_UUID:
        return &g_uuid;
    case HG_T_ARRAY:
    case HG_T_MAP:
    case HG_T_ROW:
    case HG_T_VARIANT:
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return NULL;
}

const char *hg_pg_type(const hg_type_t *t)
{
    if (scalar(t->kind)) return scalar(t->kind)->name;
    if (t->kind == HG_T_ARRAY && scalar(t->elem->kind)) return scalar(t->elem->kind)->array;
    return t->kind == HG_T_ARRAY || t->kind == HG_T_MAP || t->kind == HG_T_ROW || t->kind == HG_T_VARIANT ? "json"
                                                                                                          : NULL;
}

void hg_pg_encoder_free(hg_encoder_t *base)
{
    pg_encoder_t *e = (pg_encoder_t *)(void *)base;
    hg_keyed_release(&e->keyed);
    hg_buf_release(&e->tmp);
    hg_free(e);
}

int hg_pg_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    (void)cfg;
    if (!env->n_key)
        return hg_err_set(err, HG_EINVALENCODER,
                          "Postgres output connector requires the view to have a unique key. Please specify the "
                          "'index' property: \"index\": \"i\" beside CREATE INDEX i ON " HG_SF "(…)",
                          HG_SA(env->schema->name));
    for (uint32_t i = 0; i < env->schema->n_cols; i++)
        if (!hg_pg_type(env->schema->cols[i].type))
            return hg_err_set(err, HG_EINVALENCODER, "column '" HG_SF "' has type %s, which PostgreSQL does not take",
                              HG_SA(env->schema->cols[i].name), hg_kind_name(env->schema->cols[i].type->kind));
    int rc = hg_json_writable(env->schema, "JSON", err);
    if (rc < 0) return rc;
    pg_encoder_t *e = HG_NEW(pg_encoder_t);
    e->schema = env->schema;
    hg_buf_init(&e->tmp, HG_BUF_NOMAX);
    hg_keyed_init(&e->keyed, env);
    *ret = &e->base;
    return 0;
}

/* --- fields --- */

static int put_u16(hg_buf_t *b, uint16_t v)
{
    uint16_t be = htobe16(v);
    return hg_buf_add(b, &be, 2);
}

static int put_u32(hg_buf_t *b, uint32_t v)
{
    uint32_t be = htobe32(v);
    return hg_buf_add(b, &be, 4);
}

static int put_u64(hg_buf_t *b, uint64_t v)
{
    uint64_t be = htobe64(v);
    return hg_buf_add(b, &be, 8);
}

static int put_bytes(hg_buf_t *b, const char *p, size_t n)
{
    int rc = put_u32(b, (uint32_t)n);
    return rc == 0 ? hg_buf_add(b, p, n) : rc;
}

static int put_16(hg_buf_t *b, int16_t v)
{
    int rc = put_u32(b, 2);
    return rc == 0 ? put_u16(b, (uint16_t)v) : rc;
}

static int put_32(hg_buf_t *b, int32_t v)
{
    int rc = put_u32(b, 4);
    return rc == 0 ? put_u32(b, (uint32_t)v) : rc;
}

static int put_64(hg_buf_t *b, int64_t v)
{
    int rc = put_u32(b, 8);
    return rc == 0 ? put_u64(b, (uint64_t)v) : rc;
}

/* v / 10^scale. The server wants groups of four digits that meet at the decimal point. */
static int put_numeric(hg_buf_t *b, hg_i128 v, int scale)
{
    char text[HG_DEC_TEXT + 8];
    uint16_t group[16], n = 0;
    size_t len = hg_dec_print(text, v, scale, false), at = text[0] == '-';
    const char *dot = memchr(text, '.', len);
    size_t whole = (dot ? (size_t)(dot - text) : len) - at;
    int weight = (int)((whole + 3) / 4) - 1;
    unsigned digit = 0;
    size_t want = (whole - 1) % 4 + 1; /* digits of the first group */
    for (; at < len; at++) {
        if (text[at] == '.') continue;
        digit = digit * 10 + (unsigned)(text[at] - '0');
        if (--want) continue;
        group[n++] = (uint16_t)digit;
        digit = 0;
        want = 4;
    }
    if (want < 4) {
        while (want--) digit *= 10;
        group[n++] = (uint16_t)digit;
    }
    int rc = put_u32(b, 8u + 2u * n);
    if (rc == 0) rc = put_u16(b, n);
    if (rc == 0) rc = put_u16(b, (uint16_t)weight);
    if (rc == 0) rc = put_u16(b, v < 0 ? HG_PG_NEG : HG_PG_POS);
    if (rc == 0) rc = put_u16(b, (uint16_t)scale);
    for (uint16_t i = 0; i < n && rc == 0; i++) rc = put_u16(b, group[i]);
    return rc;
}

static int put_interval(hg_buf_t *b, int64_t us, int32_t months)
{
    int rc = put_u32(b, 16);
    if (rc == 0) rc = put_u64(b, (uint64_t)(us % HG_PG_DAY_US));
    if (rc == 0) rc = put_u32(b, (uint32_t)(int32_t)(us / HG_PG_DAY_US));
    return rc == 0 ? put_u32(b, (uint32_t)months) : rc;
}

static int put_json(pg_encoder_t *e, hg_buf_t *b, const hg_col_t *c, uint32_t i)
{
    hg_buf_clear(&e->tmp);
    int rc = hg_json_cell_print(&e->tmp, c, i, &hg_json_flavors[HG_JF_POSTGRES]);
    return rc == 0 ? put_bytes(b, e->tmp.p, e->tmp.len) : rc;
}

static int put_real(hg_buf_t *b, const hg_col_t *c, uint32_t i)
{
    uint32_t f;
    uint64_t d;
    if (c->type->kind == HG_T_REAL) {
        memcpy(&f, &HG_COL(c, float)[i], 4);
        return put_32(b, (int32_t)f);
    }
    memcpy(&d, &HG_COL(c, double)[i], 8);
    return put_64(b, (int64_t)d);
}

static int put_cell(pg_encoder_t *e, hg_buf_t *b, const hg_col_t *c, uint32_t i);

/* Of scalars: in the server's form. Others go as JSON. */
static int put_array(pg_encoder_t *e, hg_buf_t *b, const hg_col_t *c, uint32_t i)
{
    const pgtype_t *t = scalar(c->type->elem->kind);
    int32_t from = c->offs[i], to = c->offs[i + 1];
    size_t at = b->len;
    if (!t) return put_json(e, b, c, i);
    int rc = put_u32(b, 0);
    if (rc == 0) rc = put_u32(b, to > from);
    if (rc == 0) rc = put_u32(b, c->child[0]->nulls > 0);
    if (rc == 0) rc = put_u32(b, t->oid);
    if (rc == 0 && to > from) rc = put_u32(b, (uint32_t)(to - from));
    if (rc == 0 && to > from) rc = put_u32(b, 1);
    for (int32_t k = from; k < to && rc == 0; k++) rc = put_cell(e, b, c->child[0], (uint32_t)k);
    uint32_t len = htobe32((uint32_t)(b->len - at - 4));
    if (rc == 0) memcpy(b->p + at, &len, 4);
    return rc;
}

static int put_cell(pg_encoder_t *e, hg_buf_t *b, const hg_col_t *c, uint32_t i)
{
    if (hg_col_null(c, i)) return put_u32(b, UINT32_MAX);
    switch ((int)c->type->kind) {
    case HG_T_BOOLEAN:
        return put_bytes(b, hg_bit_get(c->data, i) ? "\1" : "\0", 1);
    case HG_T_TINYINT:
        return put_16(b, HG_COL(c, int8_t)[i]);
    case HG_T_UTINYINT:
        return put_16(b, HG_COL(c, uint8_t)[i]);
    case HG_T_SMALLINT:
        return put_16(b, HG_COL(c, int16_t)[i]);
    case HG_T_USMALLINT:
        return put_32(b, HG_COL(c, uint16_t)[i]);
    case HG_T_INTEGER:
        return put_32(b, HG_COL(c, int32_t)[i]);
    case HG_T_UINTEGER:
        return put_64(b, HG_COL(c, uint32_t)[i]);
    case HG_T_BIGINT:
        return put_64(b, HG_COL(c, int64_t)[i]);
    case HG_T_UBIGINT:
        return put_numeric(b, (hg_i128)HG_COL(c, uint64_t)[i], 0);
    case HG_T_DECIMAL:
        return put_numeric(b, HG_COL(c, hg_i128)[i], HG_MAX(c->type->scale, 0));
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return put_real(b, c, i);
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return put_bytes(b, hg_col_var(c, i).p, hg_col_var(c, i).n);
    case HG_T_DATE:
        return put_32(b, HG_COL(c, int32_t)[i] - HG_PG_EPOCH_DAYS);
    case HG_T_TIME:
        return put_64(b, HG_COL(c, int64_t)[i] / 1000);
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return put_64(b, HG_COL(c, int64_t)[i] - HG_PG_EPOCH_US);
    case HG_T_INTERVAL:
        return put_interval(b, HG_COL(c, int64_t)[i], 0);
    case HG_T_INTERVAL_YM:
        return put_interval(b, 0, HG_COL(c, int32_t)[i]);
    case HG_T_UUID:
        return put_bytes(b, (const char *)c->data + (size_t)16 * i, 16);
    case HG_T_ARRAY:
        return put_array(e, b, c, i);
    default:
        return put_json(e, b, c, i);
    }
}

static int put_row(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, char op, hg_err_t *err)
{
    pg_encoder_t *e = arg;
    int rc = put_u16(s->buf, (uint16_t)(e->schema->n_cols + 1));
    if (rc == 0) rc = put_bytes(s->buf, &op, 1);
    for (uint32_t i = 0; i < e->schema->n_cols && rc == 0; i++) rc = put_cell(e, s->buf, b->cols[i], row);
    if (rc < 0) return hg_err_set(err, (hg_code_t)rc, "out of memory while encoding rows for PostgreSQL");
    s->records++;
    return s->message(s, 1, err);
}

int hg_pg_encode(hg_encoder_t *base, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err)
{
    pg_encoder_t *e = (pg_encoder_t *)(void *)base;
    return hg_keyed_each(&e->keyed, delta, put_row, e, sink, err);
}
