/* cast_text.c: casts to text and to bytes: printing, cutting to the declared length, padding. */
#include "base/hg.h"
#include "engine/cast_int.h"

/* Append s as the target type wants it: cut to n characters, padded with blanks if CHAR. */
static int put_text(const hg_type_t *to, hg_str_t s, hg_colb_t *out)
{
    if (to->precision < 0) return hg_colb_var(out, s.p, s.n);
    size_t keep = hg_utf8_skip(s, to->precision);
    if (to->kind != HG_T_CHAR) return hg_colb_var(out, s.p, keep);
    size_t chars = hg_utf8_chars(s.p, keep), pad = (size_t)to->precision - chars;
    int rc;
    char *p = hg_out_room(out, keep + pad, &rc);
    if (!p) return rc;
    if (keep) memcpy(p, s.p, keep);
    memset(p + keep, ' ', pad);
    hg_out_close(out, keep + pad);
    return 0;
}

static size_t print_u64(char *out, uint64_t v, bool neg)
{
    char digits[24];
    size_t n = 0, k = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    if (neg) out[k++] = '-';
    while (n) out[k++] = digits[--n];
    return k;
}

static size_t print_i64(char *out, int64_t v)
{
    return print_u64(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

/* A fixed-width value as text. */
static size_t print_fixed(const hg_cast_t *k, uint32_t row, char *out)
{
    const hg_col_t *c = k->in->col;
    uint32_t i = hg_vec_at(k->in, row);
    switch ((int)k->from->kind) {
    case HG_T_TINYINT:
        return print_i64(out, HG_COL(c, int8_t)[i]);
    case HG_T_SMALLINT:
        return print_i64(out, HG_COL(c, int16_t)[i]);
    case HG_T_INTEGER:
        return print_i64(out, HG_COL(c, int32_t)[i]);
    case HG_T_BIGINT:
        return print_i64(out, HG_COL(c, int64_t)[i]);
    case HG_T_UTINYINT:
        return print_u64(out, HG_COL(c, uint8_t)[i], false);
    case HG_T_USMALLINT:
        return print_u64(out, HG_COL(c, uint16_t)[i], false);
    case HG_T_UINTEGER:
        return print_u64(out, HG_COL(c, uint32_t)[i], false);
    case HG_T_UBIGINT:
        return print_u64(out, HG_COL(c, uint64_t)[i], false);
    case HG_T_DECIMAL:
        return hg_dec_print(out, HG_COL(c, hg_i128)[i], k->from->scale, false);
    case HG_T_REAL:
        return hg_f32_print(out, HG_COL(c, float)[i]);
    case HG_T_DOUBLE:
        return hg_f64_print(out, HG_COL(c, double)[i]);
    case HG_T_DATE:
        return hg_date_print(out, HG_COL(c, int32_t)[i]);
    case HG_T_TIME:
        return hg_time_print(out, HG_COL(c, int64_t)[i]);
    case HG_T_TIMESTAMP:
        return hg_ts_print(out, HG_COL(c, int64_t)[i], ' ', "");
    case HG_T_TIMESTAMP_TZ:
        return hg_ts_print(out, HG_COL(c, int64_t)[i], ' ', "+00:00");
    case HG_T_INTERVAL:
        return hg_interval_print(out, HG_COL(c, int64_t)[i], k->from->unit);
    case HG_T_INTERVAL_YM:
        return hg_interval_print(out, HG_COL(c, int32_t)[i], k->from->unit);
    case HG_T_UUID:
        return hg_uuid_print(out, (const uint8_t *)c->data + (size_t)16 * i);
    default: { /* BOOLEAN */
        bool v = hg_bit_get(c->data, i);
        memcpy(out, v ? "true" : "false", 5);
        return v ? 4 : 5;
    }
    }
}

int hg_cast_to_text(const hg_cast_t *k, hg_colb_t *out)
{
    char text[HG_DEC_TEXT + HG_TIME_TEXT];
    bool from_text = hg_kind_is_string(k->from->kind), from_bytes = hg_kind_is_bytes(k->from->kind);
    int rc = 0;
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        hg_str_t s;
        if (from_text || from_bytes) {
            s = hg_vec_str(k->in, i);
            while (k->from->kind == HG_T_CHAR && s.n && s.p[s.n - 1] == ' ') s.n--;
            if (from_bytes && !hg_utf8_valid(s.p, s.n)) {
                rc = hg_cast_fail(k, i, "the bytes are not UTF-8 text");
                if (rc == 0) rc = hg_colb_null(out);
                continue;
            }
        } else {
            s = (hg_str_t){ text, print_fixed(k, i, text) };
        }
        rc = put_text(k->to, s, out);
    }
    return rc;
}

/* Integers big-endian; the low bytes are kept when the target is shorter. */
static size_t int_bytes(const hg_cast_t *k, uint32_t row, char *out)
{
    size_t w = hg_phys_width(hg_type_phys(k->from));
    const uint8_t *p = (const uint8_t *)k->in->col->data + w * hg_vec_at(k->in, row);
    for (size_t j = 0; j < w; j++) out[j] = (char)p[w - 1 - j]; /* the machine is little-endian, as all we build for */
    return w;
}

int hg_cast_to_bytes(const hg_cast_t *k, hg_colb_t *out)
{
    bool integer = hg_kind_is_integer(k->from->kind), uuid = k->from->kind == HG_T_UUID;
    bool fixed = k->to->kind == HG_T_BINARY && k->to->precision >= 0;
    int rc = 0;
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        char number[16];
        hg_str_t s = integer ? (hg_str_t){ number, int_bytes(k, i, number) }
                     : uuid  ? (hg_str_t){ (const char *)k->in->col->data + (size_t)16 * hg_vec_at(k->in, i), 16 }
                             : hg_vec_str(k->in, i);
        size_t room = k->to->precision < 0 ? s.n : (size_t)k->to->precision;
        size_t keep = HG_MIN(s.n, room), total = fixed ? room : keep, pad = total - keep;
        char *p = hg_out_room(out, total, &rc);
        if (!p) break;
        /* integers are cut and padded on the left, everything else on the right */
        memset(integer ? p : p + keep, 0, pad);
        if (keep) memcpy(integer ? p + pad : p, integer ? s.p + (s.n - keep) : s.p, keep);
        hg_out_close(out, total);
    }
    return rc;
}
