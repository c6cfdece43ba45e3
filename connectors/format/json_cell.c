/* json_cell.c: one JSON value into one column. A function per kind of value, chosen by hg_jcell_init from type and
 * flavor, so that the loop over a record asks nothing twice.
 *
 * Numbers never pass through double unless the column is REAL or DOUBLE: integers are summed in 64 bits with an
 * overflow check, DECIMAL gets the token's text. */
#include "base/hg.h"
#include <math.h>
#include "data/text.h"
#include "data/variant.h"
#include "connectors/format/json_int.h"

static const char *mismatch(hg_jscan_t *s, const char *p, const char *expected)
{
    char what[64];
    return hg_js_fail(s, HG_JE_DATA, p, "invalid type: %s, expected %s", hg_js_what(s, p, what), expected);
}

/* The result of an append: p goes on, or memory is out. */
static inline const char *done(hg_jscan_t *s, const char *p, int rc)
{
    return HG_LIKELY(rc == 0) ? p : hg_js_memory(s, rc);
}

const char *hg_jcell_null(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    char name[64];
    if (s->end - p < 4 || memcmp(p, "null", 4) != 0) return hg_js_skip(s, p); /* which says what is wrong */
    if (!c->type->nullable)
        return hg_js_fail(s, HG_JE_DATA, p, "invalid type: null, expected %s", hg_type_brief(c->type, name));
    return done(s, p + 4, hg_colb_null(b));
}

static const char *read_bool(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    (void)c;
    if (s->end - p >= 4 && memcmp(p, "true", 4) == 0) return done(s, p + 4, hg_colb_bool(b, true));
    if (s->end - p >= 5 && memcmp(p, "false", 5) == 0) return done(s, p + 5, hg_colb_bool(b, false));
    return mismatch(s, p, "a boolean");
}

/* --- integers --- */

/* A whole number at p as sign and magnitude. Fractions, exponents and 65-bit values fail. */
static inline const char *whole(hg_jscan_t *s, const char *p, const hg_jcell_t *c, bool *neg, uint64_t *ret)
{
    char name[64];
    const char *q = p;
    uint64_t v = 0;
    *neg = *q == '-';
    q += *neg;
    const char *first = q;
    for (; q < s->end; q++) {
        unsigned d = (unsigned)(*q - '0');
        if (d > 9) break;
        if (HG_UNLIKELY(v > (UINT64_MAX - 9) / 10) &&
            (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, d, &v))) {
            while (q < s->end && (unsigned)(*q - '0') < 10) q++;
            return hg_js_fail(s, HG_JE_DATA, p, "invalid value: integer `%.*s` is out of range for type %s",
                              (int)HG_MIN(q - p, 60), p, hg_type_brief(c->type, name));
        }
        if (HG_LIKELY(v <= (UINT64_MAX - 9) / 10)) v = v * 10 + d;
    }
    if (HG_UNLIKELY(q == first || (*first == '0' && q - first > 1))) {
        if (q == first && *p != '-') return mismatch(s, p, hg_type_brief(c->type, name));
        return hg_js_skip(s, p) ? mismatch(s, p, hg_type_brief(c->type, name)) : NULL;
    }
    if (HG_UNLIKELY(q < s->end && (*q == '.' || *q == 'e' || *q == 'E')))
        return mismatch(s, p, hg_type_brief(c->type, name));
    *ret = v;
    return q;
}

static const char *read_int(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    bool neg;
    uint64_t m;
    int rc = 0;
    char name[64];
    const char *q = whole(s, p, c, &neg, &m);
    if (!q) return NULL;
    if (!hg_value_put_int(b, neg, m, &rc))
        return hg_js_fail(s, HG_JE_DATA, p, "invalid value: integer `%.*s`, expected %s", (int)HG_MIN(q - p, 60), p,
                          hg_type_brief(c->type, name));
    return done(s, q, rc);
}

static const char *read_i64(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    bool neg;
    uint64_t m;
    char name[64];
    const char *q = whole(s, p, c, &neg, &m);
    if (!q) return NULL;
    if (HG_UNLIKELY(m > (uint64_t)INT64_MAX + neg))
        return hg_js_fail(s, HG_JE_DATA, p, "invalid value: integer `%.*s`, expected %s", (int)HG_MIN(q - p, 60), p,
                          hg_type_brief(c->type, name));
    return done(s, q, hg_colb_i64(b, (int64_t)(neg ? -m : m)));
}

/* --- text that has a meaning: the token of a number or the contents of a string --- */

static const char *number_or_text(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_str_t *ret)
{
    char name[64];
    bool integer;
    if (*p == '"') return hg_js_string(s, p + 1, &s->tmp, ret);
    if (*p != '-' && (unsigned)(*p - '0') > 9) return mismatch(s, p, hg_type_brief(c->type, name));
    const char *q = hg_js_number(s, p, &integer);
    if (q) *ret = (hg_str_t){ p, (size_t)(q - p) };
    return q;
}

static const char *text_only(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_str_t *ret)
{
    char name[64];
    if (HG_UNLIKELY(*p != '"')) return mismatch(s, p, hg_type_brief(c->type, name));
    return hg_js_string(s, p + 1, &s->tmp, ret);
}

static const char *bad_text(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_str_t text, int rc)
{
    char name[64];
    if (rc != HG_EPARSE && rc != HG_ERANGE) return hg_js_memory(s, rc);
    return hg_js_fail(s, HG_JE_DATA, p, "invalid value: '%.*s' is %s %s", (int)HG_MIN(text.n, (size_t)80), text.p,
                      rc == HG_ERANGE ? "outside the range of type" : "not a value of type",
                      hg_type_brief(c->type, name));
}

/* Connect's converter has BIGINT UNSIGNED as a string, because its own integers are too narrow. */
static const char *read_u64(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    uint64_t v;
    if (*p != '"') return read_int(s, p, c, b);
    const char *q = hg_js_string(s, p + 1, &s->tmp, &text);
    if (!q) return NULL;
    return hg_str_u64(text, &v) < 0 ? bad_text(s, p, c, text, HG_EPARSE) : done(s, q, hg_colb_u64(b, v));
}

static const char *read_dec(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    hg_i128 v;
    const char *q = number_or_text(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_dec_parse(text, c->type->precision, c->type->scale, false, &v);
    if (rc == HG_ERANGE) {
        char name[64];
        return hg_js_fail(s, HG_JE_DATA, p, "decimal number %.*s is outside the value range of type %s",
                          (int)HG_MIN(text.n, (size_t)80), text.p, hg_type_brief(c->type, name));
    }
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_i128(b, v));
}

/* Up to 18 digits with a point among them: exact as mantissa / 10^k, the shape that nearly every value has. */
static inline const char *short_decimal(const hg_jscan_t *s, const char *p, double *ret)
{
    static const double p10[20] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19 };
    bool neg = *p == '-';
    const char *q = p + neg, *first = q, *dot = NULL;
    uint64_t m = 0;
    for (; q < s->end && (unsigned)(*q - '0') < 10; q++) m = m * 10 + (unsigned)(*q - '0');
    if (q == first || (*first == '0' && q - first > 1)) return NULL;
    if (q < s->end && *q == '.') {
        dot = q++;
        for (; q < s->end && (unsigned)(*q - '0') < 10; q++) m = m * 10 + (unsigned)(*q - '0');
        if (q - dot < 2) return NULL;
    }
    if (q - first > 19 || m > UINT64_C(1) << 53) return NULL;
    if (q < s->end && (*q == 'e' || *q == 'E')) return NULL;
    double v = dot ? (double)m / p10[q - dot - 1] : (double)m;
    *ret = neg ? -v : v;
    return q;
}

static const char *read_f64(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    double v;
    const char *q = short_decimal(s, p, &v);
    if (HG_LIKELY(q != NULL)) return done(s, q, hg_colb_f64(b, v));
    q = number_or_text(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_f64_parse(text, &v);
    if (rc == 0 && !isfinite(v)) rc = HG_ERANGE;
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_f64(b, v));
}

static const char *read_f32(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    float v;
    const char *q = number_or_text(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_f32_parse(text, &v);
    if (rc == 0 && !isfinite(v)) rc = HG_ERANGE;
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_f32(b, v));
}

static const char *read_text(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    const char *q = text_only(s, p, c, &text);
    return q ? done(s, q, hg_colb_var(b, text.p, text.n)) : NULL;
}

/* --- dates and times --- */

static const char *read_date(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    int32_t v;
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_date_parse(text, &v);
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_i32(b, v));
}

static const char *read_time(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    int64_t v;
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_time_parse(text, &v);
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_i64(b, v));
}

static const char *read_ts(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    int64_t v;
    bool zone;
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_ts_parse(text, false, &v, &zone);
    if (rc == 0 && !zone && c->type->kind == HG_T_TIMESTAMP_TZ && c->flavor->ts == HG_JTS_SQL)
        return hg_js_fail(s, HG_JE_DATA, p, "invalid value: '%.*s' lacks the offset from UTC",
                          (int)HG_MIN(text.n, (size_t)80), text.p);
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_i64(b, v));
}

/* An integer in a foreign unit: × mul, then within [low, high]. */
static const char *scaled(hg_jscan_t *s, const char *p, const hg_jcell_t *c, int64_t mul, int64_t low, int64_t high,
                          int64_t *ret)
{
    bool neg;
    uint64_t m;
    const char *q = whole(s, p, c, &neg, &m);
    if (!q) return NULL;
    int64_t v = 0;
    bool over = m > INT64_MAX || __builtin_mul_overflow((int64_t)m, mul, &v);
    if (neg) v = -v;
    if (over || v < low || v > high) return bad_text(s, p, c, (hg_str_t){ p, (size_t)(q - p) }, HG_ERANGE);
    *ret = v;
    return q;
}

static const char *read_date_days(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    int64_t v;
    const char *q = scaled(s, p, c, 1, hg_days_from_civil(1, 1, 1), hg_days_from_civil(9999, 12, 31), &v);
    return q ? done(s, q, hg_colb_i32(b, (int32_t)v)) : NULL;
}

static const char *read_time_int(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    int64_t v, mul = c->flavor->time == HG_JT_US ? 1000 : 1000000;
    const char *q = scaled(s, p, c, mul, 0, INT64_C(86400000000000) - 1, &v);
    return q ? done(s, q, hg_colb_i64(b, v)) : NULL;
}

static const char *read_ts_ms(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    const int64_t day = INT64_C(86400000000);
    int64_t v;
    const char *q =
        scaled(s, p, c, 1000, hg_days_from_civil(1, 1, 1) * day, (hg_days_from_civil(9999, 12, 31) + 1) * day - 1, &v);
    return q ? done(s, q, hg_colb_i64(b, v)) : NULL;
}

/* --- bytes --- */

/* An array of 0..255 into s->tmp. */
static const char *byte_array(hg_jscan_t *s, const char *p, const hg_jcell_t *c)
{
    bool neg;
    uint64_t v;
    hg_buf_clear(&s->tmp);
    p = hg_js_ws(s, p + 1);
    if (p < s->end && *p == ']') return p + 1;
    for (;;) {
        if (p >= s->end) return hg_js_trunc(s, p);
        const char *q = whole(s, p, c, &neg, &v);
        if (!q) return NULL;
        if (v > 255 || (neg && v))
            return hg_js_fail(s, HG_JE_DATA, p, "invalid value: `%.*s`, expected a byte (0 to 255)",
                              (int)HG_MIN(q - p, 60), p);
        if (hg_buf_addc(&s->tmp, (char)v) < 0) return hg_js_memory(s, HG_ENOMEM);
        p = hg_js_ws(s, q);
        if (p >= s->end) return hg_js_trunc(s, p);
        if (*p == ']') return p + 1;
        if (*p != ',') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or ']'");
        p = hg_js_ws(s, p + 1);
    }
}

static const char *read_bytes(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    if (*p != '[') return mismatch(s, p, "an array of bytes");
    p = byte_array(s, p, c);
    return p ? done(s, p, hg_colb_var(b, s->tmp.p, s->tmp.len)) : NULL;
}

static const char *read_letters(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    int rc;
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    hg_buf_clear(&s->aux);
    if (c->flavor->bin == HG_JB_BASE58) {
        rc = hg_base58_read(&s->aux, text);
    } else {
        hg_str_t hex = text, prefix = c->flavor->bin == HG_JB_0X ? HG_S("0x") : HG_S("\\x");
        if (hg_str_starts(hex, prefix)) hex = (hg_str_t){ hex.p + 2, hex.n - 2 };
        rc = hg_hex_read(&s->aux, hex);
    }
    if (rc < 0) return bad_text(s, p, c, text, rc);
    return done(s, q, hg_colb_var(b, s->aux.p, s->aux.len));
}

static const char *read_uuid(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_str_t text;
    uint8_t v[16];
    if (*p == '[') {
        const char *e = byte_array(s, p, c);
        if (!e) return NULL;
        if (s->tmp.len != 16)
            return hg_js_fail(s, HG_JE_DATA, p, "invalid length %zu, expected 16 bytes of a UUID", s->tmp.len);
        return done(s, e, hg_colb_fixed(b, s->tmp.p));
    }
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    int rc = hg_uuid_parse(hg_str_trim(text), v);
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_fixed(b, v));
}

/* --- nested --- */

static const char *read_array(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    if (*p != '[') return mismatch(s, p, "an array");
    p = hg_js_ws(s, p + 1);
    if (*p != ']' || p >= s->end) {
        for (;;) {
            if (HG_UNLIKELY(p >= s->end)) return hg_js_trunc(s, p);
            p = hg_jcell_read(s, p, c->elem, &b->child[0]);
            if (!p) return NULL;
            p = hg_js_ws(s, p);
            if (HG_UNLIKELY(p >= s->end)) return hg_js_trunc(s, p);
            if (*p == ']') break;
            if (*p != ',') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or ']'");
            p = hg_js_ws(s, p + 1);
        }
    }
    return done(s, p + 1, hg_colb_close_list(b));
}

static const char *map_key(hg_jscan_t *s, const char *p, hg_colb_t *b)
{
    hg_str_t name;
    hg_err_t err;
    if (p >= s->end || *p != '"') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected a member name");
    const char *q = hg_js_string(s, p + 1, &s->tmp, &name);
    if (!q) return NULL;
    int rc;
    if (b->type->kind == HG_T_VARIANT) {
        hg_buf_clear(&s->aux);
        rc = hg_json_quote(&s->aux, name);
        if (rc == 0) rc = hg_colb_var(b, s->aux.p, s->aux.len);
    } else {
        rc = hg_value_read(b, name, &err);
    }
    if (rc == HG_ENOMEM || rc == HG_ETOOBIG) return hg_js_memory(s, rc);
    if (rc < 0) return hg_js_fail(s, HG_JE_DATA, p, "invalid map key: %s", err.msg);
    q = hg_js_ws(s, q);
    if (q >= s->end || *q != ':') return hg_js_fail(s, HG_JE_SYNTAX, q, "expected ':'");
    return hg_js_ws(s, q + 1);
}

static const char *read_map(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    if (*p != '{') return mismatch(s, p, "a map");
    p = hg_js_ws(s, p + 1);
    if (*p != '}' || p >= s->end) {
        for (;;) {
            p = map_key(s, p, &b->child[0]);
            if (!p) return NULL;
            if (p >= s->end) return hg_js_trunc(s, p);
            p = hg_jcell_read(s, p, c->elem, &b->child[1]);
            if (!p) return NULL;
            p = hg_js_ws(s, p);
            if (p >= s->end) return hg_js_trunc(s, p);
            if (*p == '}') break;
            if (*p != ',') return hg_js_fail(s, HG_JE_SYNTAX, p, "expected ',' or '}'");
            p = hg_js_ws(s, p + 1);
        }
    }
    return done(s, p + 1, hg_colb_close_map(b));
}

static const char *read_struct(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    if (*p != '{' && *p != '[') return mismatch(s, p, "a map or an array");
    p = hg_jrow_read(s, p, c->row, HG_JROW_FULL, b->child, b->len, NULL);
    return p ? done(s, p, hg_colb_close_struct(b)) : NULL;
}

/* In some flavors a VARIANT comes as a string that holds JSON. */
static const char *read_variant(hg_jscan_t *s, const char *p, const hg_jcell_t *c, hg_colb_t *b)
{
    hg_buf_clear(&s->aux);
    if (!c->flavor->variant_text) {
        const char *q = hg_js_variant(s, p, &s->aux);
        return q ? done(s, q, hg_colb_var(b, s->aux.p, s->aux.len)) : NULL;
    }
    hg_str_t text;
    const char *q = text_only(s, p, c, &text);
    if (!q) return NULL;
    if (!s->variant) s->variant = hg_variant_new();
    int rc = hg_variant_parse(s->variant, text, &s->aux);
    return rc < 0 ? bad_text(s, p, c, text, rc) : done(s, q, hg_colb_var(b, s->aux.p, s->aux.len));
}

/* --- choosing --- */

int hg_jcell_init(hg_jcell_t *c, const hg_type_t *t, const hg_json_flavor_t *f, hg_err_t *err)
{
    c->type = t;
    c->flavor = f;
    switch (t->kind) {
    case HG_T_BOOLEAN:
        c->read = read_bool;
        return 0;
    case HG_T_BIGINT:
        c->read = read_i64;
        return 0;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
    case HG_T_UINTEGER:
        c->read = read_int;
        return 0;
    case HG_T_UBIGINT:
        c->read = f->connect_schema ? read_u64 : read_int;
        return 0;
    case HG_T_DECIMAL:
        c->read = read_dec;
        return 0;
    case HG_T_REAL:
        c->read = read_f32;
        return 0;
    case HG_T_DOUBLE:
        c->read = read_f64;
        return 0;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        c->read = read_text;
        return 0;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        c->read = f->bin == HG_JB_ARRAY ? read_bytes : read_letters;
        return 0;
    case HG_T_DATE:
        c->read = f->date_days ? read_date_days : read_date;
        return 0;
    case HG_T_TIME:
        c->read = f->time == HG_JT_TEXT ? read_time : read_time_int;
        return 0;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        c->read = f->ts == HG_JTS_MS ? read_ts_ms : read_ts;
        return 0;
    case HG_T_UUID:
        c->read = read_uuid;
        return 0;
    case HG_T_VARIANT:
        c->read = read_variant;
        return 0;
    case HG_T_ARRAY:
    case HG_T_MAP:
        if (t->kind == HG_T_MAP && !hg_json_names(t->key))
            return hg_err_set(err, HG_EINVALPARSER,
                              "a MAP with keys of type %s cannot be read from JSON: an object's members have texts for "
                              "names",
                              hg_type_brief(t->key, (char[64]){ 0 }));
        c->read = t->kind == HG_T_MAP ? read_map : read_array;
        c->elem = HG_NEW(hg_jcell_t);
        return hg_jcell_init(c->elem, t->elem, f, err);
    case HG_T_ROW:
        c->read = read_struct;
        c->row = HG_NEW(hg_jrow_t);
        return hg_jrow_init(c->row, t->fields, t->n_fields, f, err);
    case HG_T_NULL:
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return hg_err_set(err, HG_EINVALPARSER, "type %s is not supported in JSON input", hg_kind_name(t->kind));
}

void hg_jcell_release(hg_jcell_t *c)
{
    if (c->elem) hg_jcell_release(c->elem);
    if (c->row) hg_jrow_release(c->row);
    hg_free(c->elem);
    hg_free(c->row);
}
