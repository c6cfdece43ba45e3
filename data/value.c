/* value.c: scalars and plain text. See value.h. Any thread, no state. */
#include "base/hg.h"
#include <math.h>
#include "data/text.h"
#include "data/value.h"

bool hg_value_put_int(hg_colb_t *b, bool neg, uint64_t m, int *rc)
{
    if (neg && m == 0) neg = false;
    uint64_t limit;
    switch ((int)b->phys) {
    case HG_PHYS_I8:
        limit = INT8_MAX;
        break;
    case HG_PHYS_I16:
        limit = INT16_MAX;
        break;
    case HG_PHYS_I32:
        limit = INT32_MAX;
        break;
    case HG_PHYS_I64:
        limit = INT64_MAX;
        break;
    case HG_PHYS_U8:
        limit = UINT8_MAX;
        break;
    case HG_PHYS_U16:
        limit = UINT16_MAX;
        break;
    case HG_PHYS_U32:
        limit = UINT32_MAX;
        break;
    default:
        limit = UINT64_MAX;
        break;
    }
    bool is_unsigned = hg_kind_is_unsigned(b->type->kind);
    if (neg ? is_unsigned || m > limit + 1 : m > limit) return false;
    uint64_t v = neg ? -m : m;
    switch ((int)b->phys) {
    case HG_PHYS_I8:
        *rc = hg_colb_i8(b, (int8_t)v);
        break;
    case HG_PHYS_I16:
        *rc = hg_colb_i16(b, (int16_t)v);
        break;
    case HG_PHYS_I32:
        *rc = hg_colb_i32(b, (int32_t)v);
        break;
    case HG_PHYS_I64:
        *rc = hg_colb_i64(b, (int64_t)v);
        break;
    case HG_PHYS_U8:
        *rc = hg_colb_u8(b, (uint8_t)v);
        break;
    case HG_PHYS_U16:
        *rc = hg_colb_u16(b, (uint16_t)v);
        break;
    case HG_PHYS_U32:
        *rc = hg_colb_u32(b, (uint32_t)v);
        break;
    default:
        *rc = hg_colb_u64(b, v);
        break;
    }
    return true;
}

static int bad(hg_err_t *err, int rc, hg_str_t text, const hg_type_t *type)
{
    char room[64];
    hg_buf_t name;
    hg_buf_init(&name, sizeof room);
    hg_type_text(&name, type);
    int n = (int)HG_MIN(text.n, (size_t)80);
    hg_err_set(err, rc, "'%.*s%s' is %s %s", n, text.p, text.n > 80 ? "…" : "",
               rc == HG_ERANGE ? "out of range for type" : "not a value of type",
               name.len ? name.p : hg_kind_name(type->kind));
    hg_buf_release(&name);
    return rc;
}

static int read_int(hg_colb_t *b, hg_str_t text, hg_err_t *err)
{
    hg_str_t digits = text;
    bool neg = digits.n && *digits.p == '-';
    if (digits.n && (*digits.p == '-' || *digits.p == '+')) digits = (hg_str_t){ digits.p + 1, digits.n - 1 };
    uint64_t m;
    int rc = hg_str_u64(digits, &m);
    if (rc < 0) return bad(err, rc, text, b->type);
    if (!hg_value_put_int(b, neg, m, &rc)) return bad(err, HG_ERANGE, text, b->type);
    return rc;
}

static int read_f32(hg_colb_t *b, hg_str_t text)
{
    float v;
    int rc = hg_f32_parse(text, &v);
    return rc < 0 ? rc : hg_colb_f32(b, v);
}

static int read_f64(hg_colb_t *b, hg_str_t text)
{
    double v;
    int rc = hg_f64_parse(text, &v);
    return rc < 0 ? rc : hg_colb_f64(b, v);
}

static int read_dec(hg_colb_t *b, hg_str_t text)
{
    hg_i128 v;
    int rc = hg_dec_parse(text, b->type->precision, b->type->scale, false, &v);
    return rc < 0 ? rc : hg_colb_i128(b, v);
}

static int read_temporal(hg_colb_t *b, hg_str_t text)
{
    int32_t d;
    int64_t v;
    int rc;
    switch ((int)b->type->kind) {
    case HG_T_DATE:
        rc = hg_date_parse(text, &d);
        return rc < 0 ? rc : hg_colb_i32(b, d);
    case HG_T_TIME:
        rc = hg_time_parse(text, &v);
        break;
    default:
        rc = hg_ts_parse(text, false, &v, NULL);
        break;
    }
    return rc < 0 ? rc : hg_colb_i64(b, v);
}

static int read_uuid(hg_colb_t *b, hg_str_t text)
{
    uint8_t v[16];
    int rc = hg_uuid_parse(hg_str_trim(text), v);
    return rc < 0 ? rc : hg_colb_fixed(b, v);
}

int hg_value_read(hg_colb_t *b, hg_str_t text, hg_err_t *err)
{
    int rc;
    switch ((int)b->type->kind) {
    case HG_T_BOOLEAN:
        if (!hg_str_eqz(text, "true") && !hg_str_eqz(text, "false")) return bad(err, HG_EPARSE, text, b->type);
        return hg_colb_bool(b, *text.p == 't');
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_BIGINT:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
    case HG_T_UBIGINT:
        return read_int(b, text, err);
    case HG_T_DECIMAL:
        rc = read_dec(b, text);
        break;
    case HG_T_REAL:
        rc = read_f32(b, text);
        break;
    case HG_T_DOUBLE:
        rc = read_f64(b, text);
        break;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return hg_colb_var(b, text.p, text.n);
    case HG_T_DATE:
    case HG_T_TIME:
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        rc = read_temporal(b, text);
        break;
    case HG_T_UUID:
        rc = read_uuid(b, text);
        break;
    default:
        return hg_err_set(err, HG_EUNSUPPORTED, "type %s has no plain text form", hg_kind_name(b->type->kind));
    }
    return rc == HG_EPARSE || rc == HG_ERANGE ? bad(err, rc, text, b->type) : rc;
}

/* --- printing --- */

static int put_u64(hg_buf_t *out, bool neg, uint64_t m)
{
    char text[24], *end = text + sizeof text, *o = end;
    do *--o = (char)('0' + m % 10);
    while (m /= 10);
    if (neg) *--o = '-';
    return hg_buf_add(out, o, (size_t)(end - o));
}

static int put_i64(hg_buf_t *out, int64_t v)
{
    return put_u64(out, v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

int hg_value_print(hg_buf_t *out, const hg_col_t *c, uint32_t i)
{
    char text[64];
    size_t n;
    switch ((int)c->type->kind) {
    case HG_T_BOOLEAN:
        return hg_bit_get(c->data, i) ? hg_buf_add(out, "true", 4) : hg_buf_add(out, "false", 5);
    case HG_T_TINYINT:
        return put_i64(out, HG_COL(c, int8_t)[i]);
    case HG_T_SMALLINT:
        return put_i64(out, HG_COL(c, int16_t)[i]);
    case HG_T_INTEGER:
        return put_i64(out, HG_COL(c, int32_t)[i]);
    case HG_T_BIGINT:
        return put_i64(out, HG_COL(c, int64_t)[i]);
    case HG_T_UTINYINT:
        return put_u64(out, false, HG_COL(c, uint8_t)[i]);
    case HG_T_USMALLINT:
        return put_u64(out, false, HG_COL(c, uint16_t)[i]);
    case HG_T_UINTEGER:
        return put_u64(out, false, HG_COL(c, uint32_t)[i]);
    case HG_T_UBIGINT:
        return put_u64(out, false, HG_COL(c, uint64_t)[i]);
    case HG_T_DECIMAL:
        n = hg_dec_print(text, HG_COL(c, hg_i128)[i], c->type->scale, true);
        break;
    case HG_T_REAL:
        n = hg_f32_print(text, HG_COL(c, float)[i]);
        break;
    case HG_T_DOUBLE:
        n = hg_f64_print(text, HG_COL(c, double)[i]);
        break;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return hg_buf_addstr(out, hg_col_var(c, i));
    case HG_T_DATE:
        n = hg_date_print(text, HG_COL(c, int32_t)[i]);
        break;
    case HG_T_TIME:
        n = hg_time_print(text, HG_COL(c, int64_t)[i]);
        break;
    case HG_T_TIMESTAMP:
        n = hg_ts_print(text, HG_COL(c, int64_t)[i], ' ', "");
        break;
    case HG_T_TIMESTAMP_TZ:
        n = hg_ts_print(text, HG_COL(c, int64_t)[i], ' ', "+00:00");
        break;
    case HG_T_INTERVAL:
        n = hg_interval_print(text, HG_COL(c, int64_t)[i], c->type->unit);
        break;
    case HG_T_INTERVAL_YM:
        n = hg_interval_print(text, HG_COL(c, int32_t)[i], c->type->unit);
        break;
    case HG_T_UUID:
        n = hg_uuid_print(text, (const uint8_t *)c->data + (size_t)16 * i);
        break;
    default:
        return HG_EUNSUPPORTED;
    }
    return hg_buf_add(out, text, n);
}
