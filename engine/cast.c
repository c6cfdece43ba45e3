/* cast.c: CAST and SAFE_CAST between scalar types (sql §5.8).
 *
 * Which casts exist stands in func.c. Numbers, BOOLEAN, timestamps and intervals as numbers go through blocks of exact
 * 128-bit values with a scale (or doubles), so n source and m target types need n + m loops; text and time conversions
 * go row by row. A value that cannot be converted is an error that shows it, or NULL for SAFE_CAST. */
#include "base/hg.h"
#include <math.h>
#include "engine/cast_int.h"

#define BLOCK 256u

int hg_cast_fail(const hg_cast_t *k, uint32_t row, const char *why)
{
    if (k->safe) {
        hg_bit_clear(k->c->valid, row);
        return 0;
    }
    char shown[80];
    hg_buf_t to;
    hg_buf_init(&to, HG_BUF_NOMAX);
    hg_type_text(&to, k->to);
    hg_cell_show(k->in->col, hg_vec_at(k->in, row), shown, sizeof shown);
    int rc = hg_call_fail(k->c, "cannot cast %s to %s: %s", shown, to.p, why);
    hg_buf_release(&to);
    return rc;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static const char OUT_OF_RANGE[] = "out of range";

/* Microseconds (or months) of one unit of the interval type, for types of a single unit. */
static int64_t unit_size(const hg_type_t *t)
{
    switch ((int)t->unit) {
    case HG_IV_DAY:
        return HG_US_DAY;
    case HG_IV_HOUR:
    case HG_IV_DAY_HOUR:
        return HG_US_HOUR;
    case HG_IV_MINUTE:
    case HG_IV_DAY_MINUTE:
    case HG_IV_HOUR_MINUTE:
        return HG_US_MINUTE;
    case HG_IV_YEAR:
        return 12;
    case HG_IV_MONTH:
    case HG_IV_YEAR_MONTH:
        return 1;
    default:
        return HG_US_SECOND;
    }
}

/* Scale of a source as an exact number: timestamps are milliseconds with three digits, intervals have six. */
static int exact_scale(const hg_type_t *t)
{
    switch ((int)t->kind) {
    case HG_T_DECIMAL:
        return t->scale;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return 3;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return 6;
    default:
        return 0;
    }
}

#define LOAD(T, EXPR)                                                                                                  \
    for (uint32_t j = 0; j < m; j++) {                                                                                 \
        T v = HG_COL(in->col, T)[(at + j) * step];                                                                     \
        buf[j] = (EXPR);                                                                                               \
    }                                                                                                                  \
    break

static void load_exact(const hg_vec_t *in, const hg_type_t *t, uint32_t at, uint32_t m, hg_i128 *buf)
{
    size_t step = hg_vec_step(in);
    int64_t unit = unit_size(t);
    switch ((int)t->kind) {
    case HG_T_BOOLEAN:
        for (uint32_t j = 0; j < m; j++) buf[j] = hg_bit_get(in->col->data, (at + j) * step);
        break;
    case HG_T_TINYINT:
        LOAD(int8_t, v);
    case HG_T_SMALLINT:
        LOAD(int16_t, v);
    case HG_T_INTEGER:
        LOAD(int32_t, v);
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
    case HG_T_BIGINT:
        LOAD(int64_t, v);
    case HG_T_UTINYINT:
        LOAD(uint8_t, v);
    case HG_T_USMALLINT:
        LOAD(uint16_t, v);
    case HG_T_UINTEGER:
        LOAD(uint32_t, v);
    case HG_T_UBIGINT:
        LOAD(uint64_t, v);
    case HG_T_INTERVAL:
        LOAD(int64_t, (hg_i128)v * 1000000 / unit);
    case HG_T_INTERVAL_YM:
        LOAD(int32_t, (hg_i128)v * 1000000 / unit);
    default:
        LOAD(hg_i128, v);
    }
}

#define STORE(T, COND, EXPR)                                                                                           \
    for (uint32_t j = 0; j < m && rc == 0; j++) {                                                                      \
        hg_i128 v = div == 1 ? buf[j] : buf[j] / div;                                                                  \
        HG_COL(out, T)[at + j] = (T)(EXPR);                                                                            \
        if (HG_UNLIKELY(!(COND)) && hg_call_valid(k->c, at + j)) rc = hg_cast_fail(k, at + j, OUT_OF_RANGE);           \
    }                                                                                                                  \
    return rc
#define STORE_INT(T) STORE(T, HG_COL(out, T)[at + j] == v, v)

/* buf holds values of this scale. Integers cut the fraction. */
static int store_exact(const hg_cast_t *k, const hg_i128 *buf, int scale, uint32_t at, uint32_t m, hg_colb_t *out)
{
    int rc = 0;
    hg_i128 div = hg_pow10(scale);
    switch ((int)k->to->kind) {
    case HG_T_BOOLEAN:
        for (uint32_t j = 0; j < m; j++)
            if (buf[j] != 0) hg_bit_set(out->data, at + j);
        return 0;
    case HG_T_TINYINT:
        STORE_INT(int8_t);
    case HG_T_SMALLINT:
        STORE_INT(int16_t);
    case HG_T_INTEGER:
        STORE_INT(int32_t);
    case HG_T_BIGINT:
        STORE_INT(int64_t);
    case HG_T_UTINYINT:
        STORE_INT(uint8_t);
    case HG_T_USMALLINT:
        STORE_INT(uint16_t);
    case HG_T_UINTEGER:
        STORE_INT(uint32_t);
    case HG_T_UBIGINT:
        STORE_INT(uint64_t);
    case HG_T_REAL:
        for (uint32_t j = 0; j < m; j++) HG_COL(out, float)[at + j] = hg_dec_to_f32(buf[j], scale);
        return 0;
    case HG_T_DOUBLE:
        for (uint32_t j = 0; j < m; j++) HG_COL(out, double)[at + j] = hg_dec_to_f64(buf[j], scale);
        return 0;
    case HG_T_DECIMAL:
        for (uint32_t j = 0; j < m && rc == 0; j++) {
            HG_COL(out, hg_i128)[at + j] = 0;
            if (!hg_call_valid(k->c, at + j)) continue;
            if (!hg_dec_rescale(buf[j], scale, k->to->scale, k->to->precision, &HG_COL(out, hg_i128)[at + j]))
                rc = hg_cast_fail(k, at + j, OUT_OF_RANGE);
        }
        return rc;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        for (uint32_t j = 0; j < m && rc == 0; j++) {
            hg_i128 us = 0;
            bool ok = hg_dec_rescale(buf[j], scale, 3, 38, &us) && us >= HG_TS_MIN && us <= HG_TS_MAX;
            HG_COL(out, int64_t)[at + j] = ok ? (int64_t)us : 0;
            if (!ok && hg_call_valid(k->c, at + j)) rc = hg_cast_fail(k, at + j, OUT_OF_RANGE);
        }
        return rc;
    default:
        break;
    }
    /* intervals of one unit */
    int64_t unit = unit_size(k->to);
    bool months = k->to->kind == HG_T_INTERVAL_YM;
    for (uint32_t j = 0; j < m && rc == 0; j++) {
        hg_i128 v = 0;
        bool ok = hg_dec_rescale(buf[j], scale, 6, 26, &v);
        v = v * unit / 1000000;
        ok = ok && (months ? v == (int32_t)v : v == (int64_t)v);
        if (months)
            HG_COL(out, int32_t)[at + j] = ok ? (int32_t)v : 0;
        else
            HG_COL(out, int64_t)[at + j] = ok ? (int64_t)v : 0;
        if (!ok && hg_call_valid(k->c, at + j)) rc = hg_cast_fail(k, at + j, OUT_OF_RANGE);
    }
    return rc;
}

static int cast_exact(const hg_cast_t *k, hg_colb_t *out)
{
    hg_i128 buf[BLOCK];
    int rc = 0, scale = exact_scale(k->from);
    for (uint32_t at = 0; at < k->c->n && rc == 0; at += BLOCK) {
        uint32_t m = HG_MIN(k->c->n - at, BLOCK);
        load_exact(k->in, k->from, at, m, buf);
        rc = store_exact(k, buf, scale, at, m, out);
    }
    return rc;
}

static double float_at(const hg_cast_t *k, uint32_t i)
{
    size_t at = i * hg_vec_step(k->in);
    return k->from->kind == HG_T_REAL ? (double)HG_COL(k->in->col, float)[at] : HG_COL(k->in->col, double)[at];
}

/* The DECIMAL whose digits are the shortest text of the float, cut to the scale. */
static bool float_to_dec(const hg_cast_t *k, double v, hg_i128 *ret)
{
    char text[HG_F64_TEXT];
    size_t n = k->from->kind == HG_T_REAL ? hg_f32_print(text, (float)v) : hg_f64_print(text, v);
    return isfinite(v) && hg_dec_parse((hg_str_t){ text, n }, k->to->precision, k->to->scale, false, ret) == 0;
}

/* A float as an integer of at most 38 digits, cut toward zero. */
static bool float_to_exact(double v, hg_i128 *ret)
{
    if (!(fabs(v) < 1e37)) return false;
    *ret = (hg_i128)v;
    return true;
}

static int cast_float(const hg_cast_t *k, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        double v = float_at(k, i);
        hg_i128 x = 0;
        bool ok = true;
        switch ((int)k->to->kind) {
        case HG_T_REAL:
            HG_COL(out, float)[i] = (float)v;
            continue;
        case HG_T_DOUBLE:
            HG_COL(out, double)[i] = v;
            continue;
        case HG_T_BOOLEAN:
            if (v != 0) hg_bit_set(out->data, i);
            continue;
        default:
            break;
        }
        if (!hg_call_valid(k->c, i)) continue;
        if (k->to->kind == HG_T_DECIMAL) {
            ok = float_to_dec(k, v, &HG_COL(out, hg_i128)[i]);
            if (!ok) rc = hg_cast_fail(k, i, isnan(v) ? "not a number" : OUT_OF_RANGE);
            continue;
        }
        int scale = k->to->kind == HG_T_TIMESTAMP || k->to->kind == HG_T_TIMESTAMP_TZ ? 3 : 0;
        ok = float_to_exact(scale ? v * 1000 : v, &x);
        if (ok)
            rc = store_exact(k, &x, scale, i, 1, out);
        else
            rc = hg_cast_fail(k, i, isnan(v) ? "not a number" : OUT_OF_RANGE);
    }
    return rc;
}

/* --- points in time and intervals among themselves ---------------------------------------------------------------- */

static int cast_time(const hg_cast_t *k, hg_colb_t *out)
{
    size_t step = hg_vec_step(k->in);
    int64_t unit = unit_size(k->to);
    bool from_date = k->from->kind == HG_T_DATE, narrow = k->from->kind == HG_T_INTERVAL_YM || from_date;
    if (k->to->kind == HG_T_INTERVAL && unit == HG_US_SECOND) unit = 1; /* seconds keep their fraction */
    for (uint32_t i = 0; i < k->c->n; i++) {
        int64_t v = narrow ? HG_COL(k->in->col, int32_t)[i * step] : HG_COL(k->in->col, int64_t)[i * step];
        switch ((int)k->to->kind) {
        case HG_T_DATE:
            HG_COL(out, int32_t)[i] = (int32_t)(from_date ? v : hg_floor_div(v, HG_US_DAY));
            break;
        case HG_T_TIME:
            if (k->from->kind != HG_T_TIME) v = (v - hg_floor_div(v, HG_US_DAY) * HG_US_DAY) * 1000;
            HG_COL(out, int64_t)[i] = v;
            break;
        case HG_T_INTERVAL_YM:
            HG_COL(out, int32_t)[i] = (int32_t)(v - v % unit);
            break;
        case HG_T_INTERVAL:
            HG_COL(out, int64_t)[i] = v - v % unit;
            break;
        default:
            HG_COL(out, int64_t)[i] = from_date ? v * HG_US_DAY : v;
            break;
        }
    }
    return 0;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static hg_str_t source_text(const hg_cast_t *k, uint32_t i)
{
    hg_str_t s = hg_vec_str(k->in, i);
    while (k->from->kind == HG_T_CHAR && s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

static int parse_int(hg_str_t s, hg_i128 *ret)
{
    bool neg = s.n && s.p[0] == '-';
    size_t i = neg || (s.n && s.p[0] == '+');
    if (i == s.n) return HG_EPARSE;
    hg_i128 v = 0;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return HG_EPARSE;
        if (v < hg_pow10(30)) v = v * 10 + (s.p[i] - '0');
    }
    *ret = neg ? -v : v;
    return 0;
}

static const char *parse_bool(hg_str_t s, hg_colb_t *out, uint32_t i)
{
    if (hg_str_ieq(s, HG_S("true")))
        hg_bit_set(out->data, i);
    else if (!hg_str_ieq(s, HG_S("false")))
        return "not 'true' or 'false'";
    return NULL;
}

static const char *parse_interval(const hg_cast_t *k, hg_str_t s, hg_colb_t *out, uint32_t i)
{
    int64_t v = 0;
    if (hg_interval_parse(s, k->to->unit, &v) < 0) return "not such an interval";
    if (k->to->kind == HG_T_INTERVAL)
        HG_COL(out, int64_t)[i] = v;
    else if (v != (int32_t)v)
        return OUT_OF_RANGE;
    else
        HG_COL(out, int32_t)[i] = (int32_t)v;
    return NULL;
}

/* One text to one fixed value; NULL or why not. */
static const char *parse_fixed(const hg_cast_t *k, hg_str_t s, hg_colb_t *out, uint32_t i)
{
    static const char NOT_NUMBER[] = "not a number";
    int rc = 0;
    bool zone = false;
    switch ((int)k->to->kind) {
    case HG_T_BOOLEAN:
        return parse_bool(s, out, i);
    case HG_T_DECIMAL:
        rc = hg_dec_parse(s, k->to->precision, k->to->scale, true, &HG_COL(out, hg_i128)[i]);
        break;
    case HG_T_REAL:
        rc = hg_f32_parse(s, &HG_COL(out, float)[i]);
        break;
    case HG_T_DOUBLE:
        rc = hg_f64_parse(s, &HG_COL(out, double)[i]);
        break;
    case HG_T_DATE:
        return !hg_time_is_sql(k->to->kind, s) || hg_date_parse(s, &HG_COL(out, int32_t)[i]) < 0 ? "not a date" : NULL;
    case HG_T_TIME:
        return !hg_time_is_sql(k->to->kind, s) || hg_time_parse(s, &HG_COL(out, int64_t)[i]) < 0 ? "not a time" : NULL;
    case HG_T_TIMESTAMP:
        if (!hg_time_is_sql(k->to->kind, s) || hg_ts_parse(s, true, &HG_COL(out, int64_t)[i], &zone) < 0)
            return "not a timestamp";
        return zone ? "a timestamp without zone has no offset" : NULL;
    case HG_T_TIMESTAMP_TZ:
        return !hg_time_is_sql(k->to->kind, s) || hg_ts_parse(s, true, &HG_COL(out, int64_t)[i], &zone) < 0
                   ? "not a timestamp"
                   : NULL;
    case HG_T_UUID:
        return hg_uuid_parse(s, (uint8_t *)out->data + (size_t)16 * i) < 0 ? "not a UUID" : NULL;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return parse_interval(k, s, out, i);
    default:
        break;
    }
    return rc == HG_ERANGE ? OUT_OF_RANGE : rc < 0 ? NOT_NUMBER : NULL;
}

static int cast_text(const hg_cast_t *k, hg_colb_t *out)
{
    int rc = 0;
    bool integer = hg_kind_is_integer(k->to->kind);
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) continue;
        hg_str_t s = source_text(k, i);
        if (integer) {
            hg_i128 v;
            rc = parse_int(s, &v) < 0 ? hg_cast_fail(k, i, "not a whole number") : store_exact(k, &v, 0, i, 1, out);
            continue;
        }
        const char *why = parse_fixed(k, s, out, i);
        if (why) rc = hg_cast_fail(k, i, why);
    }
    return rc;
}

static int cast_bytes_uuid(const hg_cast_t *k, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) continue;
        hg_str_t s = hg_vec_str(k->in, i);
        if (s.n == 16)
            memcpy((char *)out->data + (size_t)16 * i, s.p, 16);
        else
            rc = hg_cast_fail(k, i, "a UUID has 16 bytes");
    }
    return rc;
}

/* --- choosing ------------------------------------------------------------------------------------------------------
 */

static bool is_time(hg_kind_t k)
{
    return k == HG_T_DATE || k == HG_T_TIME || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ;
}
static bool is_interval(hg_kind_t k)
{
    return k == HG_T_INTERVAL || k == HG_T_INTERVAL_YM;
}

int hg_cast_vec(hg_call_t *c, const hg_vec_t *in, bool safe, hg_colb_t *out)
{
    hg_cast_t k = { .c = c, .in = in, .from = c->types[0], .to = c->type, .safe = safe };
    hg_kind_t f = k.from->kind, t = k.to->kind;
    if (t == HG_T_VARIANT) return hg_cast_to_variant(&k, out);
    if (f == HG_T_VARIANT) return hg_cast_from_variant(&k, out);
    if (t == HG_T_ARRAY || t == HG_T_MAP) return hg_cast_list(&k, out);
    if (t == HG_T_ROW) return hg_cast_row(&k, out);
    if (hg_kind_is_string(t)) return hg_cast_to_text(&k, out);
    if (hg_kind_is_bytes(t)) return hg_cast_to_bytes(&k, out);
    if (hg_kind_is_string(f)) return cast_text(&k, out);
    if (hg_kind_is_bytes(f)) return cast_bytes_uuid(&k, out);
    if ((is_time(f) && is_time(t)) || (is_interval(f) && is_interval(t))) return cast_time(&k, out);
    if (f == HG_T_REAL || f == HG_T_DOUBLE) return cast_float(&k, out);
    return cast_exact(&k, out);
}
