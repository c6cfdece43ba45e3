/* datagen_gen.c: makes cells. Any thread; nothing is shared but the immutable plan.
 *
 * Every function returns the length of the cell's JSON text, which is how datagen's bytes are counted, or a negative
 * code.
 */
#include "base/hg.h"
#include "connectors/transport/datagen_int.h"
#include "data/text.h"
#include <math.h>

/* Rejection-inversion: constant time for any n. Source: Hörmann & Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions" (1996). */
static double zipf_h(double x, double e)
{
    return e == 1 ? log(x) : (pow(x, 1 - e) - 1) / (1 - e);
}
static double zipf_inverse(double y, double e)
{
    return e == 1 ? exp(y) : pow(1 + y * (1 - e), 1 / (1 - e));
}

uint64_t dg_zipf(dg_rng_t *r, uint64_t n, int64_t exponent)
{
    if (n <= 1) return 1;
    if (exponent <= 0) return 1 + dg_below(r, n);
    double e = (double)exponent, top = (double)n;
    double h_first = zipf_h(1.5, e) - 1, h_last = zipf_h(top + 0.5, e);
    double s = 2 - zipf_inverse(zipf_h(2.5, e) - pow(2, -e), e);
    for (;;) {
        double u = h_last + dg_unit(r) * (h_first - h_last);
        double x = zipf_inverse(u, e);
        double k = floor(x + 0.5);
        if (!(k >= 1)) k = 1;
        if (k > top) k = top;
        if (k - x <= s || u >= zipf_h(k + 0.5, e) - pow(k, -e))
            return k >= 18446744073709551615.0 ? n : HG_MIN((uint64_t)k, n);
    }
}

static int digits(hg_i128 v)
{
    int n = v < 0 ? 2 : 1;
    hg_u128 u = v < 0 ? -(hg_u128)v : (hg_u128)v;
    while (u >= 10) {
        u /= 10;
        n++;
    }
    return n;
}

static hg_u128 wide_below(dg_rng_t *r, hg_u128 n)
{
    if (n == 0) return ((hg_u128)dg_next(r) << 64) | dg_next(r); /* 0 stands for 2^128 */
    if (n <= UINT64_MAX) return dg_below(r, (uint64_t)n);
    return (((hg_u128)dg_next(r) << 64) | dg_next(r)) % n;
}

static hg_i128 modulo(hg_i128 v, hg_u128 m)
{
    hg_u128 u = v < 0 ? -(hg_u128)v : (hg_u128)v;
    hg_u128 rest = m ? u % m : u;
    return (hg_i128)(v < 0 && rest ? m - rest : rest);
}

static uint64_t zipf_span(hg_u128 span)
{
    return span > UINT64_MAX ? UINT64_MAX : (uint64_t)span;
}

/* The whole-number strategies shared by integers, temporals and lengths: lo + something below span. */
static hg_i128 whole(const dg_field_t *f, dg_rng_t *r, uint64_t i, int64_t scale)
{
    switch ((int)f->strategy) {
    case DG_UNIFORM:
        return (f->lo + (hg_i128)wide_below(r, f->span)) * scale;
    case DG_ZIPF:
        return f->lo + (hg_i128)dg_zipf(r, zipf_span(f->span), f->e) - 1;
    default:
        return f->lo + modulo((hg_i128)i * scale, f->span);
    }
}

static hg_i128 integer(const dg_field_t *f, dg_rng_t *r, uint64_t i)
{
    if (f->has_range || f->strategy == DG_UNIFORM) return whole(f, r, i, f->scale);
    if (f->strategy == DG_ZIPF) return (hg_i128)dg_zipf(r, (uint64_t)f->hi, f->e) - 1;
    return modulo((hg_i128)i * f->scale, (hg_u128)f->hi);
}

static uint32_t length(const dg_field_t *f, dg_rng_t *r, uint64_t i)
{
    hg_i128 n = f->strategy == DG_ZIPF ? (hg_i128)dg_zipf(r, (uint64_t)f->hi, f->e) - 1 : whole(f, r, i, f->scale);
    return n < 0 ? 0 : n > 1 << 24 ? 1u << 24 : (uint32_t)n;
}

static double floating(const dg_field_t *f, dg_rng_t *r, uint64_t i)
{
    double at = (double)((hg_i128)i * f->scale), u;
    switch ((int)f->strategy) {
    case DG_UNIFORM:
        u = dg_unit(r);
        return (f->dlo * (1 - u) + f->dhi * u) * (double)f->scale;
    case DG_ZIPF:
        u = f->has_range ? f->dhi - f->dlo : f->dhi;
        return (f->has_range ? f->dlo : 0) + (double)dg_zipf(r, u >= 0x1p64 ? UINT64_MAX : (uint64_t)u, f->e) - 1;
    default:
        u = f->has_range ? f->dhi - f->dlo : f->dhi;
        at = fmod(at, u);
        return (f->has_range ? f->dlo : 0) + (at < 0 ? at + u : at);
    }
}

/* (a + b) mod m for a, b < m, where the sum may not fit. */
static hg_u128 add_mod(hg_u128 a, hg_u128 b, hg_u128 m)
{
    return a >= m - b ? a - (m - b) : a + b;
}

/* v * 10^n mod m without leaving 128 bits. */
static hg_u128 mul10_mod(hg_u128 v, int n, hg_u128 m)
{
    for (v %= m; n > 0; n--) {
        hg_u128 two = add_mod(v, v, m), four = add_mod(two, two, m);
        v = add_mod(add_mod(four, four, m), two, m);
    }
    return v;
}

static hg_i128 decimal(const dg_field_t *f, dg_rng_t *r, uint64_t i)
{
    hg_i128 lo = f->has_range ? f->lo : 0, max = hg_pow10(f->type->precision) - 1;
    hg_u128 span = f->has_range ? f->span : (hg_u128)f->hi;
    hg_i128 at = (hg_i128)i * f->scale, z;
    switch ((int)f->strategy) {
    case DG_UNIFORM:
        z = (hg_i128)((hg_u128)f->lo + wide_below(r, f->span)); /* the span of 38 digits is wider than the sum */
        if (f->scale != 1 && __builtin_mul_overflow(z, (hg_i128)f->scale, &z)) z = f->scale < 0 ? -max : max;
        return HG_MAX(HG_MIN(z, max), -max);
    case DG_ZIPF:
        z = (hg_i128)dg_zipf(r, zipf_span(HG_MAX(span / (hg_u128)hg_pow10(f->type->scale), (hg_u128)1)), f->e) - 1;
        return (hg_i128)((hg_u128)lo + mul10_mod((hg_u128)z, f->type->scale, span ? span : 1));
    default:
        if (!span) return lo;
        at = modulo(at, span);
        return (hg_i128)((hg_u128)lo + mul10_mod((hg_u128)at, f->type->scale, span));
    }
}

static int put_integer(hg_colb_t *b, hg_kind_t k, hg_i128 v)
{
    int rc;
    switch ((int)k) {
    case HG_T_TINYINT:
        rc = hg_colb_i8(b, (int8_t)v);
        break;
    case HG_T_SMALLINT:
        rc = hg_colb_i16(b, (int16_t)v);
        break;
    case HG_T_INTEGER:
        rc = hg_colb_i32(b, (int32_t)v);
        break;
    case HG_T_UTINYINT:
        rc = hg_colb_u8(b, (uint8_t)v);
        break;
    case HG_T_USMALLINT:
        rc = hg_colb_u16(b, (uint16_t)v);
        break;
    case HG_T_UINTEGER:
        rc = hg_colb_u32(b, (uint32_t)v);
        break;
    case HG_T_UBIGINT:
        rc = hg_colb_u64(b, (uint64_t)v);
        break;
    default:
        rc = hg_colb_i64(b, (int64_t)v);
        break;
    }
    return rc < 0 ? rc : digits(v);
}

static int put_float(hg_colb_t *b, hg_kind_t k, double v)
{
    char text[HG_F64_TEXT];
    int rc = k == HG_T_REAL ? hg_colb_f32(b, (float)v) : hg_colb_f64(b, v);
    return rc < 0 ? rc : (int)(k == HG_T_REAL ? hg_f32_print(text, (float)v) : hg_f64_print(text, v));
}

static int put_decimal(hg_colb_t *b, const hg_type_t *t, hg_i128 v)
{
    char text[HG_DEC_TEXT];
    int rc = hg_colb_i128(b, v);
    return rc < 0 ? rc : (int)hg_dec_print(text, v, t->scale, true) + 2;
}

static int put_temporal(hg_colb_t *b, hg_kind_t k, hg_i128 v)
{
    char text[HG_TIME_TEXT];
    int rc = k == HG_T_DATE ? hg_colb_i32(b, (int32_t)v) : hg_colb_i64(b, (int64_t)v);
    if (rc < 0) return rc;
    if (k == HG_T_DATE) return (int)hg_date_print(text, (int32_t)v) + 2;
    if (k == HG_T_TIME) return (int)hg_time_print(text, (int64_t)v) + 2;
    return (int)hg_ts_print(text, (int64_t)v, 'T', "Z") + 2;
}

/* Cut to the type's characters; CHAR is padded. Our words are ASCII, a user's values may be longer in bytes. */
static int put_text(hg_colb_t *b, const hg_type_t *t, hg_str_t s)
{
    size_t chars = hg_utf8_chars(s.p, s.n), limit = t->precision < 0 ? SIZE_MAX : (size_t)t->precision;
    while (chars > limit) {
        do s.n--;
        while (s.n && ((unsigned char)s.p[s.n] & 0xC0) == 0x80);
        chars--;
    }
    int rc;
    if (t->kind == HG_T_CHAR && limit != SIZE_MAX && chars < limit) {
        hg_buf_t pad;
        hg_buf_init(&pad, HG_BUF_NOMAX);
        rc = hg_buf_addstr(&pad, s);
        for (; rc == 0 && chars < limit; chars++) rc = hg_buf_addc(&pad, ' ');
        if (rc == 0) rc = hg_colb_var(b, pad.p, pad.len);
        hg_buf_release(&pad);
    } else {
        rc = hg_colb_var(b, s.p, s.n);
    }
    if (rc < 0) return rc;
    int n = (int)s.n + 2;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '\n' ? 1 : (unsigned char)s.p[i] < 0x20 ? 5 : 0;
    return n;
}

static int put_uuid(hg_colb_t *b, hg_u128 v)
{
    uint8_t bytes[16];
    for (int i = 15; i >= 0; i--, v >>= 8) bytes[i] = (uint8_t)v;
    int rc = hg_colb_fixed(b, bytes);
    return rc < 0 ? rc : 38;
}

static int put_null(hg_colb_t *b)
{
    int rc = hg_colb_null(b);
    return rc < 0 ? rc : 4;
}

static int cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp);

static int fixed_bytes(const dg_value_t *v, hg_colb_t *b, hg_buf_t *tmp)
{
    int n = 1 + (v->n == 0);
    hg_buf_clear(tmp);
    for (uint32_t i = 0; i < v->n; i++) {
        int rc = hg_buf_addc(tmp, (char)(uint8_t)v->list[i].i);
        if (rc < 0) return rc;
        n += digits(v->list[i].i) + 1;
    }
    int rc = hg_colb_var(b, tmp->p, tmp->len);
    return rc < 0 ? rc : n;
}

static int fixed(const dg_field_t *f, const dg_value_t *v, hg_colb_t *b, hg_buf_t *tmp)
{
    hg_kind_t k = f->type->kind;
    if (v->null) return put_null(b);
    if (hg_kind_is_integer(k)) return put_integer(b, k, v->i);
    if (hg_kind_is_string(k)) return put_text(b, f->type, v->s);
    if (hg_kind_is_bytes(k)) return fixed_bytes(v, b, tmp);
    switch ((int)k) {
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return put_float(b, k, v->d);
    case HG_T_DECIMAL:
        return put_decimal(b, f->type, v->i);
    case HG_T_UUID:
        return put_uuid(b, (hg_u128)v->i);
    case HG_T_BOOLEAN: {
        int rc = hg_colb_bool(b, v->i != 0);
        return rc < 0 ? rc : v->i ? 4 : 5;
    }
    case HG_T_ARRAY: {
        int n = 1 + (v->n == 0);
        for (uint32_t i = 0; i < v->n; i++) {
            int rc = fixed(&f->sub[0], &v->list[i], &b->child[0], tmp);
            if (rc < 0) return rc;
            n += rc + 1;
        }
        int rc = hg_colb_close_list(b);
        return rc < 0 ? rc : n;
    }
    default:
        return put_temporal(b, k, v->i);
    }
}

static int pick(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    if (!f->n_values) return put_null(b);
    uint64_t at = f->strategy == DG_UNIFORM ? dg_below(r, f->n_values)
                  : f->strategy == DG_ZIPF  ? dg_zipf(r, f->n_values, f->e) - 1
                                            : i % f->n_values;
    return fixed(f, &f->values[at], b, tmp);
}

static int text_cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char num[48];
    if (f->strategy == DG_INCREMENT) {
        size_t n = hg_dec_print(num, (hg_i128)i * f->scale, 0, false);
        return put_text(b, f->type, (hg_str_t){ num, n });
    }
    hg_buf_clear(tmp);
    if (f->strategy == DG_UNIFORM || f->strategy == DG_ZIPF) {
        for (uint32_t n = f->strategy == DG_UNIFORM ? (uint32_t)(f->lo + (hg_i128)wide_below(r, f->span))
                                                    : length(f, r, i);
             n > 0; n--) {
            int rc = hg_buf_addc(tmp, alnum[dg_below(r, sizeof alnum - 1)]);
            if (rc < 0) return rc;
        }
    } else {
        dg_text(r, f->strategy, (uint64_t)f->lo, (uint64_t)f->hi, tmp);
    }
    return put_text(b, f->type, hg_buf_str(tmp));
}

static int bytes_cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    uint32_t n = length(f, r, i);
    int len = 1 + (n == 0);
    hg_buf_clear(tmp);
    for (uint32_t k = 0; k < n; k++) {
        const dg_field_t *e = &f->sub[0];
        hg_i128 v;
        if (e->has_values && e->n_values)
            v = e->values[e->strategy == DG_UNIFORM ? dg_below(r, e->n_values) : k % e->n_values].i;
        else
            v = e->has_range || e->strategy != DG_INCREMENT ? integer(e, r, k) : (hg_i128)(k % 256);
        int rc = hg_buf_addc(tmp, (char)(uint8_t)v);
        if (rc < 0) return rc;
        len += digits(v) + 1;
    }
    int rc = hg_colb_var(b, tmp->p, tmp->len);
    return rc < 0 ? rc : len;
}

/* Elements count from 0, so the default array is 0, 1, 2, … */
static int list_cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    uint32_t n = length(f, r, i);
    int len = 1 + (n == 0);
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t s = 0; s < f->n_sub; s++) {
            int rc = cell(&f->sub[s], r, k, &b->child[s], tmp);
            if (rc < 0) return rc;
            len += rc + 1;
        }
    int rc = f->n_sub == 2 ? hg_colb_close_map(b) : hg_colb_close_list(b);
    return rc < 0 ? rc : len;
}

static int row_cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    int len = 1 + (f->n_sub == 0);
    for (uint32_t s = 0; s < f->n_sub; s++) {
        int rc = cell(&f->sub[s], r, i, &b->child[s], tmp);
        if (rc < 0) return rc;
        len += rc + 4 + (int)f->type->fields[s].name.n;
    }
    int rc = hg_colb_close_struct(b);
    return rc < 0 ? rc : len;
}

static int cell(const dg_field_t *f, dg_rng_t *r, uint64_t i, hg_colb_t *b, hg_buf_t *tmp)
{
    hg_kind_t k = f->type->kind;
    hg_u128 u;
    bool on;
    int rc;
    if (f->always_null) return put_null(b);
    if (f->null_percentage && 1 + dg_below(r, 100) <= f->null_percentage) return put_null(b);
    if (f->has_values) return pick(f, r, i, b, tmp);
    if (hg_kind_is_integer(k)) return put_integer(b, k, integer(f, r, i));
    if (hg_kind_is_string(k)) return text_cell(f, r, i, b, tmp);
    if (hg_kind_is_bytes(k)) return bytes_cell(f, r, i, b, tmp);
    switch ((int)k) {
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return put_float(b, k, floating(f, r, i));
    case HG_T_DECIMAL:
        return put_decimal(b, f->type, decimal(f, r, i));
    case HG_T_BOOLEAN:
        on = f->strategy == DG_UNIFORM ? dg_next(r) >> 63
             : f->strategy == DG_ZIPF  ? dg_zipf(r, 2, f->e) == 1
                                       : i % 2 == 1;
        rc = hg_colb_bool(b, on);
        return rc < 0 ? rc : on ? 4 : 5;
    case HG_T_DATE:
        return put_temporal(b, k, whole(f, r, i, f->strategy == DG_UNIFORM && f->scale < 0 ? -f->scale : f->scale));
    case HG_T_TIME:
        return put_temporal(b, k, modulo(whole(f, r, i, f->scale), 86400000) * 1000000);
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return put_temporal(b, k, whole(f, r, i, f->scale) * 1000);
    case HG_T_UUID:
        if (f->strategy == DG_UNIFORM)
            u = ((hg_u128)f->lo + wide_below(r, f->span)) * (hg_u128)(hg_i128)f->scale;
        else
            u = (hg_u128)f->lo +
                (f->has_range ? (hg_u128)modulo((hg_i128)i * f->scale, f->span) : (hg_u128)((hg_i128)i * f->scale));
        return put_uuid(b, u);
    case HG_T_ROW:
        return row_cell(f, r, i, b, tmp);
    default:
        return list_cell(f, r, i, b, tmp);
    }
}

int dg_rows(const dg_plan_t *p, uint64_t seed, uint64_t first, uint32_t n, hg_changeb_t *b, uint64_t *bytes,
            hg_err_t *err)
{
    hg_buf_t tmp;
    int rc = 0;
    hg_buf_init(&tmp, HG_BUF_NOMAX);
    for (uint32_t c = 0; rc == 0 && c < b->schema->n_cols; c++) rc = hg_colb_reserve(&b->cols[c], n, 0);
    for (uint64_t i = first; rc >= 0 && i < first + n; i++) {
        dg_rng_t r = { seed + i };
        uint64_t len = p->overhead;
        for (uint32_t c = 0; rc >= 0 && c < b->schema->n_cols; c++) {
            rc = cell(&p->fields[c], &r, i, &b->cols[c], &tmp);
            len += rc > 0 ? (uint64_t)rc : 0;
        }
        if (rc >= 0) rc = hg_changeb_row(b, HG_OP_INSERT, NULL);
        *bytes += len;
    }
    hg_buf_release(&tmp);
    return rc < 0 ? hg_err_set(err, (hg_code_t)rc, "no memory for %u generated rows", n) : 0;
}
