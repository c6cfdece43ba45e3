/* avro_put.c: one cell → a value as a schema wants it. A function per pair of types, chosen once. Exact: a value that
 * the schema cannot hold is an error, but for what is finer than its unit of time. Pool thread. */
#include "base/hg.h"
#include "data/text.h"
#include "connectors/format/avro_int.h"

/* --- the encoding --- */

static int put_long(hg_buf_t *b, int64_t v)
{
    int rc = hg_buf_reserve(b, 10);
    if (rc < 0) return rc;
    uint64_t u = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    for (; u >= 128; u >>= 7) b->p[b->len++] = (char)(u | 128);
    b->p[b->len++] = (char)u;
    b->p[b->len] = 0;
    return 0;
}

static int put_bytes(hg_buf_t *b, hg_str_t v)
{
    int rc = put_long(b, (int64_t)v.n);
    return rc == 0 ? hg_buf_addstr(b, v) : rc;
}

/* --- scalars --- */

static int put_bool(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    (void)p, (void)err;
    return hg_buf_addc(out, hg_bit_get(c->data, i) ? 1 : 0);
}

static int64_t int_of(const hg_col_t *c, uint32_t i)
{
    switch ((int)hg_type_phys(c->type)) {
    case HG_PHYS_I8:
        return HG_COL(c, int8_t)[i];
    case HG_PHYS_I16:
        return HG_COL(c, int16_t)[i];
    case HG_PHYS_I32:
        return HG_COL(c, int32_t)[i];
    case HG_PHYS_U8:
        return HG_COL(c, uint8_t)[i];
    case HG_PHYS_U16:
        return HG_COL(c, uint16_t)[i];
    case HG_PHYS_U32:
        return HG_COL(c, uint32_t)[i];
    default:
        return HG_COL(c, int64_t)[i];
    }
}

static int put_int(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    (void)p, (void)err;
    return put_long(out, int_of(c, i));
}

static int put_u64(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    uint64_t u = HG_COL(c, uint64_t)[i];
    if (u > INT64_MAX)
        return hg_err_set(err, HG_ERANGE, "field '" HG_SF "': %" PRIu64 " does not fit a long; string would hold it",
                          HG_SA(p->name), u);
    return put_long(out, (int64_t)u);
}

static int put_u64_text(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    char text[24];
    (void)p, (void)err;
    int n = snprintf(text, sizeof text, "%" PRIu64, HG_COL(c, uint64_t)[i]);
    return put_bytes(out, (hg_str_t){ text, (size_t)n });
}

static int put_f64(hg_buf_t *out, double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    u = htole64(u);
    return hg_buf_add(out, &u, 8);
}

static int put_real(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    uint32_t u;
    (void)err;
    if (c->type->kind == HG_T_DOUBLE) return put_f64(out, HG_COL(c, double)[i]);
    if (p->to->kind == HG_AV_DOUBLE) return put_f64(out, (double)HG_COL(c, float)[i]);
    memcpy(&u, &HG_COL(c, float)[i], 4);
    u = htole32(u);
    return hg_buf_add(out, &u, 4);
}

static int put_var(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    hg_str_t v = hg_col_var(c, i);
    if (p->to->kind != HG_AV_FIXED) return put_bytes(out, v);
    if (v.n != p->to->size)
        return hg_err_set(err, HG_ERANGE, "field '" HG_SF "': %zu bytes are no fixed of %u", HG_SA(p->name), v.n,
                          p->to->size);
    return hg_buf_addstr(out, v);
}

static int put_enum(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    hg_str_t v = hg_col_var(c, i);
    for (uint32_t k = 0; k < p->to->n; k++)
        if (hg_str_eq(p->to->symbols[k], v)) return put_long(out, k);
    return hg_err_set(err, HG_ERANGE, "field '" HG_SF "': '%.*s' is no symbol of the enum", HG_SA(p->name),
                      (int)HG_MIN(v.n, (size_t)80), v.p);
}

static int put_uuid(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    char text[40];
    const uint8_t *id = (const uint8_t *)c->data + (size_t)16 * i;
    (void)err;
    if (p->to->kind == HG_AV_FIXED) return hg_buf_add(out, id, 16);
    return put_bytes(out, (hg_str_t){ text, hg_uuid_print(text, id) });
}

/* Big-endian two's complement: as few bytes as keep the sign, or as many as a fixed has. */
static int put_decimal(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    (void)err;
    hg_i128 v = HG_COL(c, hg_i128)[i];
    uint8_t bytes[16];
    size_t at = 0;
    int rc = 0;
    for (unsigned k = 0; k < 16; k++) bytes[k] = (uint8_t)((hg_u128)v >> (120 - 8 * k));
    uint8_t sign = v < 0 ? 255 : 0;
    while (at < 15 && bytes[at] == sign && (bytes[at + 1] & 128) == (sign & 128)) at++;
    if (p->to->kind != HG_AV_FIXED) return put_bytes(out, (hg_str_t){ (char *)bytes + at, 16 - at });
    if (HG_NEVER(p->to->size < 16 - at)) return HG_EBUG; /* its precision would not suit the schema */
    for (size_t k = 16 - at; k < p->to->size && rc == 0; k++) rc = hg_buf_addc(out, (char)sign);
    return rc == 0 ? hg_buf_add(out, bytes + at, 16 - at) : rc;
}

/* Toward the past where the schema's unit is coarser. */
static int put_time(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    int64_t v = HG_COL(c, int64_t)[i];
    (void)err;
    return put_long(out, v / p->div - (v % p->div < 0));
}

/* --- nested --- */

static int put_list(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    int32_t from = c->offs[i], to = c->offs[i + 1];
    int rc = to > from ? put_long(out, to - from) : 0;
    for (int32_t k = from; k < to && rc == 0; k++) {
        if (p->to->kind == HG_AV_MAP) rc = put_bytes(out, hg_col_var(c->child[0], (uint32_t)k));
        if (rc == 0) rc = hg_aput_cell(p->part, out, c->child[p->to->kind == HG_AV_MAP], (uint32_t)k, err);
    }
    return rc == 0 ? put_long(out, 0) : rc;
}

static int put_struct(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    return hg_aput_row(p, out, c->child, i, NULL, err);
}

int hg_aput_row(const hg_aput_t *p, hg_buf_t *out, hg_col_t *const *cols, uint32_t row, const char *word, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < p->n && rc == 0; i++) {
        const hg_aput_t *f = &p->part[i];
        if (f->type)
            rc = hg_aput_cell(f, out, cols[f->col], row, err);
        else
            rc = put_bytes(out, hg_strz(word));
    }
    return rc;
}

int hg_aput_cell(const hg_aput_t *p, hg_buf_t *out, const hg_col_t *c, uint32_t i, hg_err_t *err)
{
    int rc = 0;
    if (hg_col_null(c, i)) {
        if (p->null_at >= 0) return put_long(out, p->null_at);
        if (p->to->kind == HG_AV_NULL) return 0;
        return hg_err_set(err, HG_ERANGE, "field '" HG_SF "': NULL, which the schema does not allow", HG_SA(p->name));
    }
    if (p->value_at >= 0) rc = put_long(out, p->value_at);
    return rc == 0 ? p->put(p, out, c, i, err) : rc;
}

/* --- choosing --- */

/* Of a unit of the column per value of the schema's. */
static int time_div(hg_aput_t *p)
{
    bool time = p->type->kind == HG_T_TIME;
    p->put = put_time;
    switch ((int)p->to->mean) {
    case HG_AM_TIME_MS:
        p->div = 1000000;
        return time ? 0 : HG_EINVALENCODER;
    case HG_AM_TIME_US:
        p->div = 1000;
        return time ? 0 : HG_EINVALENCODER;
    case HG_AM_TS_MS:
        p->div = 1000;
        return time ? HG_EINVALENCODER : 0;
    case HG_AM_TS_US:
        p->div = 1;
        return time ? HG_EINVALENCODER : 0;
    case HG_AM_NONE:
        p->div = 1;
        return time || p->to->kind != HG_AV_LONG ? HG_EINVALENCODER : 0;
    default:
        return HG_EINVALENCODER;
    }
}

static int init_decimal(hg_aput_t *p)
{
    int32_t precision = p->type->precision < 0 ? 38 : p->type->precision;
    p->put = put_decimal;
    if (p->to->mean != HG_AM_DECIMAL || p->to->precision != precision) return HG_EINVALENCODER;
    return p->to->scale == HG_MAX(p->type->scale, 0) ? 0 : HG_EINVALENCODER;
}

static int init_part(hg_aput_t *p, hg_avkind_t kind, hg_err_t *err)
{
    if (p->to->kind != kind) return HG_EINVALENCODER;
    if (kind == HG_AV_MAP && !hg_kind_is_string(p->type->key->kind)) return HG_EINVALENCODER;
    p->put = put_list;
    p->part = HG_NEW(hg_aput_t);
    p->n = 1;
    int rc = hg_aput_init(p->part, p->type->elem, p->to->of[0], err);
    p->part->name = p->name;
    return rc;
}

static int choose(hg_aput_t *p, hg_err_t *err)
{
    hg_avkind_t to = p->to->kind;
    bool plain = p->to->mean == HG_AM_NONE;
    switch (p->type->kind) {
    case HG_T_BOOLEAN:
        p->put = put_bool;
        return to == HG_AV_BOOLEAN ? 0 : HG_EINVALENCODER;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
        p->put = put_int;
        return plain && (to == HG_AV_INT || to == HG_AV_LONG) ? 0 : HG_EINVALENCODER;
    case HG_T_BIGINT:
    case HG_T_UINTEGER:
        p->put = put_int;
        return plain && to == HG_AV_LONG ? 0 : HG_EINVALENCODER;
    case HG_T_UBIGINT:
        p->put = to == HG_AV_STRING ? put_u64_text : put_u64;
        return plain && (to == HG_AV_LONG || to == HG_AV_STRING) ? 0 : HG_EINVALENCODER;
    case HG_T_DECIMAL:
        return init_decimal(p);
    case HG_T_REAL:
    case HG_T_DOUBLE:
        p->put = put_real;
        return to == HG_AV_DOUBLE || (to == HG_AV_FLOAT && p->type->kind == HG_T_REAL) ? 0 : HG_EINVALENCODER;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        p->put = to == HG_AV_ENUM ? put_enum : put_var;
        return to == HG_AV_ENUM || (to == HG_AV_STRING && plain) ? 0 : HG_EINVALENCODER;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        p->put = put_var;
        return plain && (to == HG_AV_BYTES || to == HG_AV_FIXED) ? 0 : HG_EINVALENCODER;
    case HG_T_DATE:
        p->put = put_int;
        return to == HG_AV_INT && (plain || p->to->mean == HG_AM_DATE) ? 0 : HG_EINVALENCODER;
    case HG_T_TIME:
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return time_div(p);
    case HG_T_UUID:
        p->put = put_uuid;
        return to == HG_AV_STRING || p->to->mean == HG_AM_UUID ? 0 : HG_EINVALENCODER;
    case HG_T_VARIANT:
        p->put = put_var;
        return to == HG_AV_STRING && plain ? 0 : HG_EINVALENCODER;
    case HG_T_ARRAY:
        return init_part(p, HG_AV_ARRAY, err);
    case HG_T_MAP:
        return init_part(p, HG_AV_MAP, err);
    case HG_T_ROW:
        p->put = put_struct;
        if (to != HG_AV_RECORD) return HG_EINVALENCODER;
        return hg_aput_record(p, p->type->fields, NULL, p->type->n_fields, NULL, p->to, err);
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return HG_EINVALENCODER;
}

static int cannot(const hg_type_t *type, const hg_avro_t *to, hg_err_t *err)
{
    char name[64];
    hg_buf_t found;
    hg_buf_init(&found, 256);
    hg_avro_text(&found, to);
    hg_err_set(err, HG_EINVALENCODER, "%s cannot be written as Avro type '" HG_SF "'", hg_type_brief(type, name),
               HG_SA(hg_buf_str(&found)));
    hg_buf_release(&found);
    return err->code;
}

static void reset(hg_aput_t *p, const hg_avro_t *to)
{
    for (uint32_t i = 0; i < p->n; i++) hg_aput_release(&p->part[i]);
    hg_free(p->part);
    p->part = NULL;
    p->n = 0;
    p->to = to;
}

/* The first branch that can hold the cells, and the one for null. */
static int choose_branch(hg_aput_t *p, const hg_avro_t *of, hg_err_t *err)
{
    hg_err_t why = HG_ERR_INIT;
    for (uint32_t i = 0; i < of->n; i++) {
        if (of->of[i]->kind == HG_AV_NULL) {
            p->null_at = (int32_t)i;
        } else if (p->value_at < 0) {
            reset(p, of->of[i]);
            why = HG_ERR_INIT;
            if (choose(p, &why) == 0) p->value_at = (int32_t)i;
        }
    }
    if (p->value_at >= 0) return 0;
    if (why.code) *err = why;
    return why.code ? (int)why.code : cannot(p->type, of, err);
}

int hg_aput_init(hg_aput_t *p, const hg_type_t *type, const hg_avro_t *to, hg_err_t *err)
{
    *p = (hg_aput_t){ .type = type, .to = to, .null_at = -1, .value_at = -1 };
    if (to->kind == HG_AV_UNION) return choose_branch(p, to, err);
    int rc = choose(p, err);
    return rc == 0 || err->code ? rc : cannot(type, to, err);
}

void hg_aput_release(hg_aput_t *p)
{
    reset(p, NULL);
}

static bool is_picked(const uint32_t *pick, uint32_t n, uint32_t col)
{
    for (uint32_t i = 0; pick && i < n; i++)
        if (pick[i] == col) return true;
    return !pick && col < n;
}

static int init_field(hg_aput_t *f, const hg_field_t *cols, uint32_t n_cols, const uint32_t *pick, uint32_t n,
                      const hg_avro_field_t *to, hg_err_t *err)
{
    uint32_t col = 0;
    while (col < n_cols && !(is_picked(pick, n, col) && hg_str_ieq(cols[col].name, to->name))) col++;
    if (col == n_cols)
        return hg_err_set(err, HG_EINVALENCODER, "field '" HG_SF "' of the schema is no column of the view",
                          HG_SA(to->name));
    int rc = hg_aput_init(f, cols[col].type, to->type, err);
    f->name = to->name;
    f->col = col;
    return rc < 0 ? hg_err_wrap(err, "column '" HG_SF "'", HG_SA(cols[col].name)) : 0;
}

static int every_column(const hg_aput_t *p, const hg_field_t *cols, uint32_t n_cols, const uint32_t *pick, uint32_t n,
                        hg_err_t *err)
{
    for (uint32_t col = 0; col < n_cols; col++) {
        uint32_t i = 0;
        if (!is_picked(pick, n, col)) continue;
        while (i < p->n && !(p->part[i].type && p->part[i].col == col)) i++;
        if (i == p->n)
            return hg_err_set(err, HG_EINVALENCODER, "column '" HG_SF "' has no field in the schema",
                              HG_SA(cols[col].name));
    }
    return 0;
}

int hg_aput_record(hg_aput_t *p, const hg_field_t *cols, const uint32_t *pick, uint32_t n, const char *word,
                   const hg_avro_t *to, hg_err_t *err)
{
    uint32_t n_cols = n;
    int rc = 0;
    for (uint32_t i = 0; pick && i < n; i++) n_cols = HG_MAX(n_cols, pick[i] + 1);
    if (to->kind != HG_AV_RECORD)
        return hg_err_set(err, HG_EINVALENCODER, "the schema is '%s': expected a record", hg_avro_kind_name(to->kind));
    p->to = to;
    p->part = HG_NEWN(hg_aput_t, HG_MAX(to->n, 1u));
    for (uint32_t i = 0; i < to->n && rc == 0; i++) {
        bool is_word = word && hg_str_ieq(to->fields[i].name, hg_strz(word));
        p->n++;
        if (!is_word) {
            rc = init_field(&p->part[i], cols, n_cols, pick, n, &to->fields[i], err);
        } else if (to->fields[i].type->kind != HG_AV_STRING) {
            rc = hg_err_set(err, HG_EINVALENCODER, "field '%s' of the schema must be a string", word);
        }
    }
    return rc < 0 ? rc : every_column(p, cols, n_cols, pick, n, err);
}
