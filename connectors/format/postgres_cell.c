/* postgres_cell.c: one field of a row in PostgreSQL's binary form → one cell. A function per kind of value, chosen from
 * the column's type once.
 *
 * Exact: numeric goes digit by digit into 128 bits, nothing passes through double but REAL and DOUBLE. What the column
 * cannot hold refuses the record: NaN and infinity in DECIMAL, infinite dates, years outside 1 to 9999, intervals that
 * mix months with days. Digits of a fraction beyond the column's scale are cut, as everywhere. */
#include "base/hg.h"
#include "data/text.h"
#include "connectors/format/postgres_int.h"

static int refuse(hg_pgscan_t *s, int code, const char *fmt, ...) HG_PRINTF(3, 4);
static int refuse(hg_pgscan_t *s, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->msg, sizeof s->msg, fmt, ap);
    va_end(ap);
    return code;
}

static int wrong_size(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c)
{
    char name[64];
    return refuse(s, HG_EPARSE, "a field of %zu bytes is no %s", v.n, hg_type_brief(c->type, name));
}

/* --- numbers --- */

static int read_bool(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    if (v.n != 1) return wrong_size(s, v, c);
    return hg_colb_bool(b, v.p[0] != 0);
}

/* The server's int2, int4 or int8: the length tells. */
static int read_int(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    char name[64];
    int64_t i;
    int rc = 0;
    if (v.n == 8)
        i = (int64_t)hg_pg_u64(v.p);
    else if (v.n == 4)
        i = (int32_t)hg_pg_u32(v.p);
    else if (v.n == 2)
        i = (int16_t)hg_pg_u16(v.p);
    else
        return wrong_size(s, v, c);
    if (c->type->kind == HG_T_BIGINT) return hg_colb_i64(b, i);
    uint64_t magnitude = i < 0 ? (uint64_t)0 - (uint64_t)i : (uint64_t)i;
    if (hg_value_put_int(b, i < 0, magnitude, &rc)) return rc;
    return refuse(s, HG_ERANGE, "%" PRId64 " is out of range for type %s", i, hg_type_brief(c->type, name));
}

/* Adds digit (0 to 9999) × 10^e; false: it does not fit. */
static bool add_digit(hg_u128 *sum, unsigned digit, int e)
{
    hg_u128 part;
    if (e <= -4 || digit == 0) return true;
    if (e > 38) return false;
    if (e < 0)
        part = digit / (unsigned)hg_pow10(-e);
    else if (__builtin_mul_overflow((hg_u128)hg_pow10(e), (hg_u128)digit, &part))
        return false;
    return !__builtin_add_overflow(*sum, part, sum);
}

static int too_wide(hg_pgscan_t *s, const hg_pgcell_t *c)
{
    char name[64];
    return refuse(s, HG_ERANGE, "a number of more than 38 digits is outside the value range of %s",
                  hg_type_brief(c->type, name));
}

/* |v| × 10^scale of a numeric; its sign. */
static int numeric(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, int scale, hg_u128 *ret, bool *neg)
{
    char name[64];
    if (v.n < 8) return wrong_size(s, v, c);
    unsigned n = hg_pg_u16(v.p), sign = hg_pg_u16(v.p + 4);
    int weight = (int16_t)hg_pg_u16(v.p + 2);
    if (sign == HG_PG_NAN) return refuse(s, HG_ERANGE, "NaN is no %s", hg_type_brief(c->type, name));
    if (sign == HG_PG_PINF || sign == HG_PG_NINF)
        return refuse(s, HG_ERANGE, "an infinite number is no %s", hg_type_brief(c->type, name));
    if ((sign != HG_PG_POS && sign != HG_PG_NEG) || v.n != 8 + 2 * (size_t)n)
        return refuse(s, HG_EPARSE, "a damaged numeric of %zu bytes", v.n);
    *ret = 0;
    *neg = sign == HG_PG_NEG;
    for (unsigned i = 0; i < n; i++) {
        unsigned digit = hg_pg_u16(v.p + 8 + 2 * i);
        if (digit > 9999) return refuse(s, HG_EPARSE, "a numeric with the digit %u", digit);
        if (!add_digit(ret, digit, 4 * (weight - (int)i) + scale)) return too_wide(s, c);
    }
    return 0;
}

static int read_decimal(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    char name[64], text[HG_DEC_TEXT];
    hg_u128 u;
    bool neg;
    int p = c->type->precision < 0 ? 38 : c->type->precision;
    int rc = numeric(s, v, c, HG_MAX(c->type->scale, 0), &u, &neg);
    if (rc < 0) return rc;
    if (u < (hg_u128)hg_pow10(p)) return hg_colb_i128(b, neg ? -(hg_i128)u : (hg_i128)u);
    if (u >= (hg_u128)hg_pow10(38)) return too_wide(s, c);
    size_t n = hg_dec_print(text, neg ? -(hg_i128)u : (hg_i128)u, HG_MAX(c->type->scale, 0), true);
    return refuse(s, HG_ERANGE, "decimal number %.*s is outside the value range of %s", (int)n, text,
                  hg_type_brief(c->type, name));
}

/* UBIGINT comes as numeric: the server has no such integer. */
static int read_u64(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    char name[64];
    hg_u128 u = 0;
    bool neg = false;
    int rc = numeric(s, v, c, 0, &u, &neg);
    if (rc < 0) return rc;
    if (u > UINT64_MAX || (neg && u))
        return refuse(s, HG_ERANGE, "a number outside the value range of %s", hg_type_brief(c->type, name));
    return hg_colb_u64(b, (uint64_t)u);
}

static int read_real(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    float f;
    double d;
    if (v.n == 4) {
        uint32_t u = hg_pg_u32(v.p);
        memcpy(&f, &u, 4);
        d = (double)f;
    } else if (v.n == 8) {
        uint64_t u = hg_pg_u64(v.p);
        memcpy(&d, &u, 8);
        f = (float)d;
    } else {
        return wrong_size(s, v, c);
    }
    return c->type->kind == HG_T_REAL ? hg_colb_f32(b, f) : hg_colb_f64(b, d);
}

/* --- texts and bytes --- */

static int read_text(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    (void)c;
    if (!hg_utf8_valid(v.p, v.n)) return refuse(s, HG_EPARSE, "a text that is not UTF-8");
    return hg_colb_var(b, v.p, v.n);
}

static int read_bytes(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    (void)s, (void)c;
    return hg_colb_var(b, v.p, v.n);
}

static int read_uuid(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    if (v.n != 16) return wrong_size(s, v, c);
    return hg_colb_fixed(b, v.p);
}

/* --- dates and times --- */

static int bad_date(hg_pgscan_t *s, const hg_pgcell_t *c, bool infinite)
{
    char name[64];
    if (infinite) return refuse(s, HG_ERANGE, "infinity is no %s", hg_type_brief(c->type, name));
    return refuse(s, HG_ERANGE, "a %s outside the years 1 to 9999", hg_type_brief(c->type, name));
}

static int read_date(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    if (v.n != 4) return wrong_size(s, v, c);
    int32_t d = (int32_t)hg_pg_u32(v.p);
    if (d < hg_days_from_civil(1, 1, 1) - HG_PG_EPOCH_DAYS || d > hg_days_from_civil(9999, 12, 31) - HG_PG_EPOCH_DAYS)
        return bad_date(s, c, d == INT32_MAX || d == INT32_MIN);
    return hg_colb_i32(b, d + HG_PG_EPOCH_DAYS);
}

static int read_ts(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    if (v.n != 8) return wrong_size(s, v, c);
    int64_t us = (int64_t)hg_pg_u64(v.p);
    if (us < hg_days_from_civil(1, 1, 1) * HG_PG_DAY_US - HG_PG_EPOCH_US ||
        us >= (hg_days_from_civil(9999, 12, 31) + 1) * HG_PG_DAY_US - HG_PG_EPOCH_US)
        return bad_date(s, c, us == INT64_MAX || us == INT64_MIN);
    return hg_colb_i64(b, us + HG_PG_EPOCH_US);
}

static int read_time(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    if (v.n != 8) return wrong_size(s, v, c);
    uint64_t us = hg_pg_u64(v.p);
    if (us >= (uint64_t)HG_PG_DAY_US) return refuse(s, HG_ERANGE, "24:00:00 is no time of the day");
    return hg_colb_i64(b, (int64_t)us * 1000);
}

static int read_interval(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    char name[64];
    if (v.n != 16) return wrong_size(s, v, c);
    int64_t us = (int64_t)hg_pg_u64(v.p), all;
    int32_t days = (int32_t)hg_pg_u32(v.p + 8), months = (int32_t)hg_pg_u32(v.p + 12);
    if (c->type->kind == HG_T_INTERVAL_YM) {
        if (us || days) return refuse(s, HG_ERANGE, "an interval with days is no %s", hg_type_brief(c->type, name));
        return hg_colb_i32(b, months);
    }
    if (months) return refuse(s, HG_ERANGE, "an interval with months is no %s", hg_type_brief(c->type, name));
    if (__builtin_mul_overflow((int64_t)days, HG_PG_DAY_US, &all) || __builtin_add_overflow(all, us, &all))
        return refuse(s, HG_ERANGE, "an interval too long for %s", hg_type_brief(c->type, name));
    return hg_colb_i64(b, all);
}

/* --- nested --- */

static int read_json(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    hg_jscan_t *j = &s->json;
    j->end = v.p + v.n;
    j->e = HG_JE_NONE;
    const char *p = hg_js_ws(j, v.p);
    if (p >= j->end) return refuse(s, HG_EPARSE, "an empty text is no JSON");
    if (c->type->kind == HG_T_VARIANT)
        p = c->json->read(j, p, c->json, b); /* also a JSON null, which is a value */
    else
        p = hg_jcell_read(j, p, c->json, b);
    if (p) p = hg_js_ws(j, p);
    if (p == j->end) return 0;
    if (p) return refuse(s, HG_EPARSE, "text behind a JSON value");
    if (j->e == HG_JE_FATAL) return j->rc;
    return refuse(s, HG_EPARSE, "%s", j->e_msg);
}

/* Where an array's elements are read from. */
typedef struct {
    const char *p, *end;
    const char *dims; /* int32 size, int32 lower bound, each */
} array_t;

static int one_element(hg_pgscan_t *s, array_t *a, const hg_pgcell_t *c, hg_colb_t *b)
{
    char name[64];
    if (a->end - a->p < 4) return refuse(s, HG_EPARSE, "an array that ends early");
    uint32_t n = hg_pg_u32(a->p);
    a->p += 4;
    if (n == UINT32_MAX) {
        if (c->type->nullable) return hg_colb_null(b);
        return refuse(s, HG_EPARSE, "NULL in an array of %s", hg_type_brief(c->type, name));
    }
    if (n > (size_t)(a->end - a->p)) return refuse(s, HG_EPARSE, "an array whose element ends behind it");
    hg_str_t v = { a->p, n };
    a->p += n;
    return c->read(s, v, c, b);
}

static int one_dimension(hg_pgscan_t *s, array_t *a, const hg_pgcell_t *c, uint32_t depth, hg_colb_t *b)
{
    uint32_t n = hg_pg_u32(a->dims + 8 * (size_t)depth);
    const hg_pgcell_t *e = c->elem;
    int rc = 0;
    if (n == 0 || n > (size_t)(a->end - a->p) / 4) return refuse(s, HG_EPARSE, "an array with a dimension of %u", n);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = e->elem ? one_dimension(s, a, e, depth + 1, &b->child[0]) : one_element(s, a, e, &b->child[0]);
    return rc == 0 ? hg_colb_close_list(b) : rc;
}

static int read_array(hg_pgscan_t *s, hg_str_t v, const hg_pgcell_t *c, hg_colb_t *b)
{
    uint32_t depth = 0;
    if (v.n && v.p[0] != 0 && c->json) return read_json(s, v, c, b); /* no binary array has 2^24 dimensions */
    if (v.n < 12) return wrong_size(s, v, c);
    uint32_t dims = hg_pg_u32(v.p);
    if (dims == 0) return hg_colb_close_list(b);
    for (const hg_pgcell_t *e = c; e->elem; e = e->elem) depth++;
    if (dims != depth) return refuse(s, HG_EPARSE, "an array with %u dimensions in a column with %u", dims, depth);
    if (v.n < 12 + 8 * (size_t)dims) return refuse(s, HG_EPARSE, "an array without its dimensions");
    array_t a = { .dims = v.p + 12, .p = v.p + 12 + 8 * (size_t)dims, .end = v.p + v.n };
    int rc = one_dimension(s, &a, c, 0, b);
    if (rc == 0 && a.p != a.end) return refuse(s, HG_EPARSE, "%zu bytes behind an array", (size_t)(a.end - a.p));
    return rc;
}

/* --- choosing --- */

static int init_json(hg_pgcell_t *c, hg_err_t *err)
{
    c->json = HG_NEW(hg_jcell_t);
    c->read = read_json;
    return hg_jcell_init(c->json, c->type, &hg_json_flavors[HG_JF_POSTGRES], err);
}

int hg_pgcell_init(hg_pgcell_t *c, const hg_type_t *t, hg_err_t *err)
{
    c->type = t;
    switch (t->kind) {
    case HG_T_BOOLEAN:
        c->read = read_bool;
        return 0;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_BIGINT:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
        c->read = read_int;
        return 0;
    case HG_T_UBIGINT:
        c->read = read_u64;
        return 0;
    case HG_T_DECIMAL:
        c->read = read_decimal;
        return 0;
    case HG_T_REAL:
    case HG_T_DOUBLE:
        c->read = read_real;
        return 0;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        c->read = read_text;
        return 0;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        c->read = read_bytes;
        return 0;
    case HG_T_DATE:
        c->read = read_date;
        return 0;
    case HG_T_TIME:
        c->read = read_time;
        return 0;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        c->read = read_ts;
        return 0;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        c->read = read_interval;
        return 0;
    case HG_T_UUID:
        c->read = read_uuid;
        return 0;
    case HG_T_ARRAY:
        if (init_json(c, err) < 0) { /* of intervals: only in binary */
            hg_jcell_release(c->json);
            hg_free(c->json);
            c->json = NULL;
        }
        c->read = read_array;
        c->elem = HG_NEW(hg_pgcell_t);
        return hg_pgcell_init(c->elem, t->elem, err);
    case HG_T_VARIANT:
    case HG_T_MAP:
    case HG_T_ROW:
        return init_json(c, err);
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return hg_err_set(err, HG_EINVALPARSER, "type %s cannot be read from PostgreSQL", hg_kind_name(t->kind));
}

void hg_pgcell_release(hg_pgcell_t *c)
{
    if (c->elem) hg_pgcell_release(c->elem);
    if (c->json) hg_jcell_release(c->json);
    hg_free(c->elem);
    hg_free(c->json);
}
