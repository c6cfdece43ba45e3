/* avro_cell.c: one value as its writer's schema says → one cell. A function per pair of types, chosen once per schema.
 *
 * Exact: nothing passes through double but REAL and DOUBLE; what the column cannot hold refuses the record. Accepted
 * are Feldera's pairs and, beyond them, Avro's own promotions (int to long, float or double; float to double; bytes to
 * string and back). Pool thread; nothing is allocated per value. */
#include "base/hg.h"
#include "data/text.h"
#include "data/variant.h"
#include "connectors/format/avro_int.h"

#define DAY_US INT64_C(86400000000)

static int out_of_range(hg_ascan_t *s, const hg_acell_t *c, int64_t v)
{
    char name[64];
    return hg_as_refuse(s, HG_ERANGE, "%" PRId64 " is outside the value range of %s", v, hg_type_brief(c->type, name));
}

/* --- null and unions --- */

static int read_null(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    char name[64];
    if (HG_LIKELY(c->type->nullable)) return hg_colb_null(b);
    return hg_as_refuse(s, HG_EPARSE, "null in a column of type %s NOT NULL", hg_type_brief(c->type, name));
}

static int read_union(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    uint32_t at;
    int rc = hg_as_branch(s, c->n, &at);
    return rc < 0 ? rc : c->part[at].read(s, &c->part[at], b);
}

/* --- scalars --- */

static int read_bool(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    (void)c;
    int rc = hg_as_take(s, 1, &v);
    if (rc < 0) return rc;
    if ((uint8_t)v.p[0] > 1) return hg_as_refuse(s, HG_EPARSE, "a boolean of value %u", (uint8_t)v.p[0]);
    return hg_colb_bool(b, v.p[0]);
}

static int read_i32(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int32_t v;
    (void)c;
    int rc = hg_as_int(s, &v);
    return rc < 0 ? rc : hg_colb_i32(b, v);
}

static int read_i64(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int64_t v;
    (void)c;
    int rc = hg_as_long(s, &v);
    return rc < 0 ? rc : hg_colb_i64(b, v);
}

/* The other integers: from an int, or a long. */
static int read_int(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int64_t v;
    int32_t i = 0;
    int put = 0, rc = c->from->kind == HG_AV_INT ? hg_as_int(s, &i) : hg_as_long(s, &v);
    if (rc < 0) return rc;
    if (c->from->kind == HG_AV_INT) v = i;
    uint64_t magnitude = v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v;
    return hg_value_put_int(b, v < 0, magnitude, &put) ? put : out_of_range(s, c, v);
}

static int read_u64_text(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    uint64_t u;
    (void)c;
    int rc = hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    if (hg_str_u64(v, &u) < 0)
        return hg_as_refuse(s, HG_EPARSE, "'%.*s' is no BIGINT UNSIGNED", (int)HG_MIN(v.n, (size_t)60), v.p);
    return hg_colb_u64(b, u);
}

static int real(hg_ascan_t *s, const hg_acell_t *c, double *d, float *f)
{
    hg_str_t v = { 0 };
    int64_t i = 0;
    uint32_t u4;
    uint64_t u8;
    int rc;
    if (c->from->kind == HG_AV_FLOAT) {
        rc = hg_as_take(s, 4, &v);
        if (rc < 0) return rc;
        memcpy(&u4, v.p, 4);
        u4 = le32toh(u4);
        memcpy(f, &u4, 4);
        *d = (double)*f;
    } else if (c->from->kind == HG_AV_DOUBLE) {
        rc = hg_as_take(s, 8, &v);
        if (rc < 0) return rc;
        memcpy(&u8, v.p, 8);
        u8 = le64toh(u8);
        memcpy(d, &u8, 8);
        *f = (float)*d;
    } else {
        rc = hg_as_long(s, &i);
        if (rc < 0) return rc;
        *d = (double)i;
        *f = (float)i;
    }
    return 0;
}

static int read_real(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    double d;
    float f;
    int rc = real(s, c, &d, &f);
    if (rc < 0) return rc;
    return c->type->kind == HG_T_REAL ? hg_colb_f32(b, f) : hg_colb_f64(b, d);
}

/* --- texts and bytes --- */

static int read_bytes(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    int rc = c->from->kind == HG_AV_FIXED ? hg_as_take(s, c->from->size, &v) : hg_as_bytes(s, &v);
    return rc < 0 ? rc : hg_colb_var(b, v.p, v.n);
}

static int read_text(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    (void)c;
    int rc = hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    if (HG_UNLIKELY(!hg_utf8_valid(v.p, v.n))) return hg_as_refuse(s, HG_EPARSE, "a string that is not UTF-8");
    return hg_colb_var(b, v.p, v.n);
}

static int read_enum(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int32_t at;
    int rc = hg_as_int(s, &at);
    if (rc < 0) return rc;
    if (at < 0 || (uint32_t)at >= c->from->n)
        return hg_as_refuse(s, HG_EPARSE, "symbol %d of an enum of %u", at, c->from->n);
    return hg_colb_var(b, c->from->symbols[at].p, c->from->symbols[at].n);
}

static int read_uuid(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    uint8_t id[16];
    int rc = c->from->kind == HG_AV_FIXED ? hg_as_take(s, 16, &v) : hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    if (c->from->kind == HG_AV_FIXED) return hg_colb_fixed(b, v.p);
    if (hg_uuid_parse(v, id) < 0)
        return hg_as_refuse(s, HG_EPARSE, "'%.*s' is no UUID", (int)HG_MIN(v.n, (size_t)60), v.p);
    return hg_colb_fixed(b, id);
}

static int read_variant(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    (void)c;
    int rc = hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    if (!s->variant) s->variant = hg_variant_new();
    hg_buf_clear(&s->tmp);
    rc = hg_variant_parse(s->variant, v, &s->tmp);
    if (rc == HG_EPARSE || rc == HG_ERANGE)
        return hg_as_refuse(s, rc, "'%.*s' is no JSON", (int)HG_MIN(v.n, (size_t)80), v.p);
    return rc < 0 ? rc : hg_colb_var(b, s->tmp.p, s->tmp.len);
}

/* --- decimals --- */

/* Big-endian two's complement; false: more than 128 bits. */
static bool twos_complement(hg_str_t v, hg_i128 *ret)
{
    const uint8_t *p = (const uint8_t *)v.p;
    size_t n = v.n;
    hg_u128 u = n && p[0] & 128 ? ~(hg_u128)0 : 0;
    while (n > 16) { /* what only repeats the sign */
        if (*p != (uint8_t)u || (p[1] & 128) != (*p & 128)) return false;
        p++;
        n--;
    }
    while (n-- > 0) u = u << 8 | *p++;
    *ret = (hg_i128)u;
    return true;
}

static int put_decimal(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b, hg_str_t v, hg_i128 i, bool fits)
{
    char name[64];
    int p = c->type->precision < 0 ? 38 : c->type->precision;
    hg_i128 limit = hg_pow10(p);
    if (HG_LIKELY(fits && i < limit && i > -limit)) return hg_colb_i128(b, i);
    return hg_as_refuse(s, HG_ERANGE, "a decimal of %zu bytes is outside the value range of %s", v.n,
                        hg_type_brief(c->type, name));
}

static int read_decimal(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    hg_str_t v;
    hg_i128 i = 0;
    int rc = c->from->kind == HG_AV_FIXED ? hg_as_take(s, c->from->size, &v) : hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    bool fits = twos_complement(v, &i);
    return put_decimal(s, c, b, v, i, fits);
}

/* Debezium: each value has a scale of its own. Digits beyond the column's are cut, as everywhere. */
static int read_var_decimal(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int32_t scale;
    hg_str_t v;
    hg_i128 i = 0;
    int rc = hg_as_int(s, &scale);
    if (rc == 0) rc = hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    bool fits = twos_complement(v, &i);
    int64_t more = (int64_t)HG_MAX(c->type->scale, 0) - scale;
    if (more < -38)
        i = 0;
    else if (more < 0)
        i /= hg_pow10((int)-more);
    else if (i && fits)
        fits = more <= 38 && !__builtin_mul_overflow(i, hg_pow10((int)more), &i);
    return put_decimal(s, c, b, v, i, fits);
}

/* --- dates and times --- */

static int read_date(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int32_t v;
    int rc = hg_as_int(s, &v);
    if (rc < 0) return rc;
    return v < c->low || v > c->high ? out_of_range(s, c, v) : hg_colb_i32(b, v);
}

/* mul > 0: times mul; < 0: a finer unit than the column's, whose rest is cut toward the past. */
static int read_time(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    int64_t v, u = 0;
    int32_t i = 0;
    int rc = c->from->kind == HG_AV_INT ? hg_as_int(s, &i) : hg_as_long(s, &v);
    if (rc < 0) return rc;
    if (c->from->kind == HG_AV_INT) v = i;
    bool over = false;
    if (c->mul > 0)
        over = __builtin_mul_overflow(v, c->mul, &u);
    else
        u = v / -c->mul - (v % -c->mul < 0);
    return over || u < c->low || u > c->high ? out_of_range(s, c, v) : hg_colb_i64(b, u);
}

/* Debezium's times with an offset: as UTC. */
static int read_time_text(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    char name[64], text[64];
    hg_str_t v;
    int64_t us;
    bool zone;
    int rc = hg_as_bytes(s, &v);
    if (rc < 0) return rc;
    if (c->from->mean == HG_AM_TS_TEXT) {
        rc = hg_ts_parse(v, false, &us, &zone);
    } else { /* the same with a day in front: its time of the day in UTC */
        int n = v.n < 40 ? snprintf(text, sizeof text, "2000-01-01T%.*s", (int)v.n, v.p) : 0;
        rc = n ? hg_ts_parse((hg_str_t){ text, (size_t)n }, false, &us, &zone) : HG_EPARSE;
        if (rc == 0) us = (us % DAY_US + DAY_US) % DAY_US * 1000;
    }
    if (rc < 0)
        return hg_as_refuse(s, HG_EPARSE, "'%.*s' is no %s", (int)HG_MIN(v.n, (size_t)60), v.p,
                            hg_type_brief(c->type, name));
    return hg_colb_i64(b, us);
}

static int read_duration(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    char name[64];
    hg_str_t v;
    uint32_t part[3];
    int rc = hg_as_take(s, 12, &v);
    if (rc < 0) return rc;
    memcpy(part, v.p, 12);
    uint32_t months = le32toh(part[0]), days = le32toh(part[1]), ms = le32toh(part[2]);
    if (c->type->kind == HG_T_INTERVAL_YM) {
        if (days || ms || months > INT32_MAX)
            return hg_as_refuse(s, HG_ERANGE, "a duration with days is no %s", hg_type_brief(c->type, name));
        return hg_colb_i32(b, (int32_t)months);
    }
    int64_t us;
    if (months) return hg_as_refuse(s, HG_ERANGE, "a duration with months is no %s", hg_type_brief(c->type, name));
    if (__builtin_mul_overflow((int64_t)days, DAY_US, &us) || __builtin_add_overflow(us, (int64_t)ms * 1000, &us))
        return hg_as_refuse(s, HG_ERANGE, "a duration too long for %s", hg_type_brief(c->type, name));
    return hg_colb_i64(b, us);
}

/* --- nested --- */

static int read_array(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    const hg_acell_t *e = c->part;
    uint64_t n, bytes;
    for (;;) {
        int rc = hg_as_block(s, c->from->of[0]->min, &n, &bytes);
        if (rc < 0) return rc;
        if (n == 0) return hg_colb_close_list(b);
        for (; n > 0 && rc == 0; n--) rc = e->read(s, e, &b->child[0]);
        if (rc < 0) return rc;
    }
}

static int read_map(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    const hg_acell_t *e = c->part;
    uint64_t n, bytes;
    for (;;) {
        int rc = hg_as_block(s, c->from->of[0]->min + 1, &n, &bytes);
        if (rc < 0) return rc;
        if (n == 0) return hg_colb_close_map(b);
        for (; n > 0 && rc == 0; n--) {
            rc = read_text(s, c, &b->child[0]);
            if (rc == 0) rc = e->read(s, e, &b->child[1]);
        }
        if (rc < 0) return rc;
    }
}

static int read_row(hg_ascan_t *s, const hg_acell_t *c, hg_colb_t *b)
{
    char inner[sizeof s->msg];
    int rc = hg_arow_read(s, c->row, b->child);
    if (rc == 0) return hg_colb_close_struct(b);
    if (rc != HG_EPARSE && rc != HG_ERANGE) return rc;
    snprintf(inner, sizeof inner, "%s", s->msg);
    return hg_as_refuse(s, rc, "field '%.*s': %.200s", (int)HG_MIN(s->field.n, (size_t)80), s->field.p, inner);
}

/* --- choosing --- */

static int times(hg_acell_t *c, int64_t mul, int64_t low, int64_t high)
{
    c->mul = mul;
    c->low = low;
    c->high = high;
    c->read = read_time;
    return 0;
}

static int init_time(hg_acell_t *c)
{
    const int64_t last = DAY_US * 1000 - 1;
    switch ((int)c->from->mean) {
    case HG_AM_TIME_MS:
        return times(c, 1000000, 0, last);
    case HG_AM_TIME_US:
        return times(c, 1000, 0, last);
    case HG_AM_TIME_NS:
        return times(c, 1, 0, last);
    case HG_AM_TIME_TEXT:
        c->read = read_time_text;
        return 0;
    default:
        return HG_EINVALPARSER;
    }
}

static int init_ts(hg_acell_t *c)
{
    const int64_t low = hg_days_from_civil(1, 1, 1) * DAY_US;
    const int64_t high = (hg_days_from_civil(9999, 12, 31) + 1) * DAY_US - 1;
    if (c->from->mean == HG_AM_TS_MS) return times(c, 1000, low, high);
    if (c->from->mean == HG_AM_TS_NS) return times(c, -1000, low, high);
    if (c->from->mean == HG_AM_TS_US || (c->from->kind == HG_AV_LONG && c->from->mean == HG_AM_NONE))
        return times(c, 1, low, high);
    if (c->from->mean != HG_AM_TS_TEXT) return HG_EINVALPARSER;
    c->read = read_time_text;
    return 0;
}

static int init_date(hg_acell_t *c)
{
    if (c->from->kind != HG_AV_INT || (c->from->mean != HG_AM_DATE && c->from->mean != HG_AM_NONE))
        return HG_EINVALPARSER;
    c->low = hg_days_from_civil(1, 1, 1);
    c->high = hg_days_from_civil(9999, 12, 31);
    c->read = read_date;
    return 0;
}

static int init_decimal(hg_acell_t *c)
{
    c->read = c->from->mean == HG_AM_VAR_DECIMAL ? read_var_decimal : read_decimal;
    if (c->from->mean == HG_AM_VAR_DECIMAL) return 0;
    int32_t p = c->type->precision < 0 ? 38 : c->type->precision;
    bool same = c->from->precision == p && c->from->scale == HG_MAX(c->type->scale, 0);
    return c->from->mean == HG_AM_DECIMAL && same ? 0 : HG_EINVALPARSER;
}

/* As wide as the column, or narrower. */
static int init_int(hg_acell_t *c)
{
    hg_avkind_t k = c->from->kind;
    bool wide = c->type->kind == HG_T_BIGINT || c->type->kind == HG_T_UINTEGER || c->type->kind == HG_T_UBIGINT;
    if (c->type->kind == HG_T_UBIGINT && k == HG_AV_STRING) {
        c->read = read_u64_text;
        return 0;
    }
    if (k != HG_AV_INT && (k != HG_AV_LONG || !wide)) return HG_EINVALPARSER;
    c->read = read_int;
    if (c->type->kind == HG_T_BIGINT && k == HG_AV_LONG) c->read = read_i64;
    if (c->type->kind == HG_T_INTEGER) c->read = read_i32;
    return 0;
}

static int init_real(hg_acell_t *c)
{
    hg_avkind_t k = c->from->kind;
    c->read = read_real;
    if (k == HG_AV_DOUBLE) return c->type->kind == HG_T_DOUBLE ? 0 : HG_EINVALPARSER;
    return k == HG_AV_FLOAT || k == HG_AV_INT || k == HG_AV_LONG ? 0 : HG_EINVALPARSER;
}

static int init_text(hg_acell_t *c)
{
    hg_avkind_t k = c->from->kind;
    c->read = k == HG_AV_ENUM ? read_enum : read_text;
    return k == HG_AV_STRING || k == HG_AV_ENUM || (k == HG_AV_BYTES && !c->from->mean) ? 0 : HG_EINVALPARSER;
}

static int init_bytes(hg_acell_t *c)
{
    hg_avkind_t k = c->from->kind;
    c->read = read_bytes;
    return k == HG_AV_BYTES || k == HG_AV_FIXED || k == HG_AV_STRING ? 0 : HG_EINVALPARSER;
}

static int init_uuid(hg_acell_t *c)
{
    c->read = read_uuid;
    return c->from->kind == HG_AV_STRING || c->from->mean == HG_AM_UUID ? 0 : HG_EINVALPARSER;
}

static int init_variant(hg_acell_t *c)
{
    c->read = read_variant;
    return c->from->kind == HG_AV_STRING ? 0 : HG_EINVALPARSER;
}

static int init_part(hg_acell_t *c, hg_avkind_t kind, hg_err_t *err)
{
    if (c->from->kind != kind) return HG_EINVALPARSER;
    if (kind == HG_AV_MAP && !hg_kind_is_string(c->type->key->kind)) return HG_EINVALPARSER;
    if (kind == HG_AV_ARRAY && c->from->of[0]->min == 0) /* a byte could make billions of them */
        return hg_err_set(err, HG_EINVALPARSER, "an array of elements without any bytes cannot be read");
    c->read = kind == HG_AV_MAP ? read_map : read_array;
    c->part = HG_NEW(hg_acell_t);
    c->n = 1;
    return hg_acell_init(c->part, c->from->of[0], c->type->elem, err);
}

static int init_row(hg_acell_t *c, hg_err_t *err)
{
    if (c->from->kind != HG_AV_RECORD) return HG_EINVALPARSER;
    c->read = read_row;
    c->row = HG_NEW(hg_arow_t);
    c->row->cols = c->type->fields;
    c->row->n_cols = c->type->n_fields;
    return hg_arow_init(c->row, c->from, err);
}

static int init_union(hg_acell_t *c, hg_err_t *err)
{
    int rc = 0;
    c->n = c->from->n;
    c->part = HG_NEWN(hg_acell_t, c->n);
    c->read = read_union;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) rc = hg_acell_init(&c->part[i], c->from->of[i], c->type, err);
    return rc;
}

/* For people: what a column of this type is read from. */
static const char *expected(const hg_type_t *t)
{
    switch (t->kind) {
    case HG_T_BOOLEAN:
        return "boolean";
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
        return "int";
    case HG_T_BIGINT:
    case HG_T_UINTEGER:
        return "long or int";
    case HG_T_UBIGINT:
        return "long, int or string";
    case HG_T_REAL:
        return "float, int or long";
    case HG_T_DOUBLE:
        return "double, float, int or long";
    case HG_T_DECIMAL:
        return "bytes or fixed with the logical type decimal, of the column's precision and scale";
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return "string, enum or bytes";
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return "bytes, fixed or string";
    case HG_T_DATE:
        return "int or date";
    case HG_T_TIME:
        return "time-millis or time-micros";
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return "timestamp-millis, timestamp-micros, timestamp-nanos or long (microseconds)";
    case HG_T_UUID:
        return "string, or fixed(16) with the logical type uuid";
    case HG_T_VARIANT:
        return "string (JSON)";
    case HG_T_ARRAY:
        return "array";
    case HG_T_MAP:
        return "map, into a MAP with keys of type VARCHAR";
    case HG_T_ROW:
        return "record";
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return "fixed(12) with the logical type duration";
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return "nothing: the type is not supported in Avro input";
}

static int init_value(hg_acell_t *c, hg_err_t *err)
{
    switch (c->type->kind) {
    case HG_T_BOOLEAN:
        c->read = read_bool;
        return c->from->kind == HG_AV_BOOLEAN ? 0 : HG_EINVALPARSER;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_BIGINT:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
    case HG_T_UBIGINT:
        return init_int(c);
    case HG_T_DECIMAL:
        return init_decimal(c);
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return init_real(c);
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return init_text(c);
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return init_bytes(c);
    case HG_T_DATE:
        return init_date(c);
    case HG_T_TIME:
        return init_time(c);
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return init_ts(c);
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        c->read = read_duration;
        return c->from->mean == HG_AM_DURATION ? 0 : HG_EINVALPARSER;
    case HG_T_UUID:
        return init_uuid(c);
    case HG_T_VARIANT:
        return init_variant(c);
    case HG_T_ARRAY:
        return init_part(c, HG_AV_ARRAY, err);
    case HG_T_MAP:
        return init_part(c, HG_AV_MAP, err);
    case HG_T_ROW:
        return init_row(c, err);
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return HG_EINVALPARSER;
}

int hg_acell_init(hg_acell_t *c, const hg_avro_t *from, const hg_type_t *to, hg_err_t *err)
{
    char name[64];
    *c = (hg_acell_t){ .type = to, .from = from };
    if (from->kind == HG_AV_UNION) return init_union(c, err);
    if (from->kind == HG_AV_NULL) { /* of a union; or all there is: the record says whether the column may be so */
        c->read = read_null;
        return 0;
    }
    int rc = init_value(c, err);
    if (rc == 0 || err->code) return rc;
    hg_buf_t found;
    hg_buf_init(&found, 256);
    hg_avro_text(&found, from);
    hg_err_set(err, HG_EINVALPARSER, "Avro type '" HG_SF "' cannot be read into %s: expected %s",
               HG_SA(hg_buf_str(&found)), hg_type_brief(to, name), expected(to));
    hg_buf_release(&found);
    return err->code;
}

void hg_acell_release(hg_acell_t *c)
{
    for (uint32_t i = 0; i < c->n; i++) hg_acell_release(&c->part[i]);
    if (c->row) hg_arow_release(c->row);
    hg_free(c->part);
    hg_free(c->row);
    *c = (hg_acell_t){ 0 };
}
