/* text_num.c: numbers to and from text.
 *
 * DECIMAL is handled digit by digit in 128 bits: a 38-digit value is never anything but an integer and a scale. Binary
 * floats are read with one exact multiplication or division where mantissa and power of ten are both exact (Clinger
 * 1990), else by the C library from digits and exponent alone, so the locale's decimal point plays no part. They are
 * printed with the fewest digits that read back the same. */
#include "base/hg.h"
#include <math.h>
#include "data/text.h"

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- DECIMAL --- */

hg_i128 hg_pow10(int n)
{
    static const uint64_t small[20] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    HG_DASSERT(n >= 0 && n <= 38);
    return n < 20 ? (hg_i128)small[n] : (hg_i128)((hg_u128)small[19] * small[n - 19]);
}

/* A number's text taken apart: the digits (with one '.' somewhere, to be skipped), where they end, the exponent. */
typedef struct scan {
    bool neg;
    const char *first, *end; /* from the first significant digit to the end of the digits */
    int64_t n;               /* digits in [first, end) */
    int64_t exp;             /* value = digits as an integer × 10^exp */
} scan_t;

static int scan_exponent(const char **pp, const char *end, int64_t *ret)
{
    const char *p = *pp;
    bool neg = false;
    int64_t v = 0;
    if (p < end && (*p == '+' || *p == '-')) neg = *p++ == '-';
    if (p == end || !is_digit(*p)) return HG_EPARSE;
    for (; p < end && is_digit(*p); p++)
        if (v < 1000000000) v = v * 10 + (*p - '0');
    *ret = neg ? -v : v;
    *pp = p;
    return 0;
}

static int scan_number(hg_str_t s, scan_t *r)
{
    const char *p = s.p, *end = s.p + s.n;
    int64_t digits = 0, frac = 0;
    *r = (scan_t){ 0 };
    if (p < end && (*p == '+' || *p == '-')) r->neg = *p++ == '-';
    for (bool dot = false; p < end; p++) {
        if (*p == '.' && !dot) {
            dot = true;
            continue;
        }
        if (!is_digit(*p)) break;
        digits++;
        frac += dot;
        if (!r->first && *p != '0') r->first = p;
        if (r->first) r->n++;
    }
    if (digits == 0) return HG_EPARSE;
    r->end = p;
    if (!r->first) r->first = p;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        int rc = scan_exponent(&p, end, &r->exp);
        if (rc < 0) return rc;
    }
    if (p != end) return HG_EPARSE;
    r->exp -= frac;
    return 0;
}

/* The first `keep` digits as an integer; *rest = first digit not taken. keep <= 38. */
static hg_u128 take_digits(const scan_t *r, int64_t keep, const char **rest)
{
    hg_u128 v = 0;
    const char *p = r->first;
    for (; keep > 0; p++) {
        if (*p == '.') continue;
        v = v * 10 + (unsigned)(*p - '0');
        keep--;
    }
    *rest = p;
    return v;
}

/* Should the kept part go up by one? p points behind the kept digits. Half goes to even. */
static bool round_up(const scan_t *r, const char *p, hg_u128 kept)
{
    while (p < r->end && *p == '.') p++;
    if (p == r->end || *p < '5') return false;
    if (*p > '5') return true;
    for (p++; p < r->end; p++)
        if (*p != '.' && *p != '0') return true;
    return kept & 1;
}

int hg_dec_parse(hg_str_t s, int32_t precision, int32_t scale, bool round_half_even, hg_i128 *ret)
{
    scan_t r;
    int rc = scan_number(s, &r);
    if (rc < 0) return rc;
    int64_t shift = r.exp + scale; /* digits × 10^shift is the unscaled value */
    if (r.n == 0) shift = 0;
    int64_t width = r.n + shift; /* digits of the unscaled value before rounding */
    if (width > 38) return HG_ERANGE;
    hg_u128 v;
    const char *rest = r.end;
    if (shift >= 0) {
        v = take_digits(&r, r.n, &rest) * (hg_u128)hg_pow10((int)shift);
    } else if (width >= 0) {
        v = take_digits(&r, width, &rest);
        if (round_half_even && round_up(&r, rest, v)) v++;
    } else {
        v = 0; /* below a tenth of the last place */
    }
    if (v >= (hg_u128)hg_pow10(precision)) return HG_ERANGE;
    *ret = r.neg ? -(hg_i128)v : (hg_i128)v;
    return 0;
}

size_t hg_dec_print(char *out, hg_i128 v, int32_t scale, bool trim)
{
    char digits[44];
    int n = 0;
    hg_u128 u = v < 0 ? -(hg_u128)v : (hg_u128)v;
    if (trim)
        for (; scale > 0 && u % 10 == 0; scale--) u /= 10;
    while (u > UINT64_MAX) {
        digits[n++] = (char)('0' + (int)(u % 10));
        u /= 10;
    }
    for (uint64_t w = (uint64_t)u; w; w /= 10) digits[n++] = (char)('0' + (int)(w % 10));
    while (n <= scale) digits[n++] = '0';
    char *o = out;
    if (v < 0) *o++ = '-';
    while (n > 0) {
        *o++ = digits[--n];
        if (n == scale && n > 0) *o++ = '.';
    }
    return (size_t)(o - out);
}

/* --- REAL, DOUBLE: reading --- */

static const double p10d[23] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
static const float p10f[11] = { 1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f };

/* Digits past which no further digit but "not zero" matters to a double (767 are ever needed). */
#define MAX_DIGITS 780

/* "<digits>e<exp>" for the C library, exact however long the text is. */
static void normal_text(const scan_t *r, char *out, size_t cap)
{
    size_t n = 0;
    int64_t exp = r->exp;
    if (r->neg) out[n++] = '-';
    const char *p = r->first;
    for (; p < r->end && n < MAX_DIGITS; p++)
        if (*p != '.') out[n++] = *p;
    int64_t left = 0;
    bool sticky = false;
    for (; p < r->end; p++)
        if (*p != '.') {
            left++;
            sticky |= *p != '0';
        }
    if (sticky) {
        out[n++] = '1';
        left--;
    }
    if (r->n == 0) out[n++] = '0';
    exp += left;
    exp = HG_MIN(HG_MAX(exp, -99999), 99999);
    snprintf(out + n, cap - n, "e%d", (int)exp);
}

static int special(hg_str_t s, double *ret)
{
    bool neg = s.n && *s.p == '-';
    if (s.n && (*s.p == '-' || *s.p == '+')) s = (hg_str_t){ s.p + 1, s.n - 1 };
    double v;
    if (hg_str_ieq(s, HG_S("inf")) || hg_str_ieq(s, HG_S("infinity")))
        v = (double)INFINITY;
    else if (hg_str_ieq(s, HG_S("nan")))
        v = (double)NAN;
    else
        return HG_EPARSE;
    *ret = neg ? -v : v;
    return 0;
}

static bool exact_mantissa(const scan_t *r, uint64_t limit, int64_t max_exp, uint64_t *ret)
{
    if (r->n > 17 || r->exp < -max_exp || r->exp > max_exp) return false;
    const char *rest;
    *ret = (uint64_t)take_digits(r, r->n, &rest);
    return *ret <= limit;
}

int hg_f64_parse(hg_str_t s, double *ret)
{
    scan_t r;
    uint64_t m;
    double v;
    if (scan_number(s, &r) < 0) return special(s, ret);
    if (exact_mantissa(&r, UINT64_C(1) << 53, 22, &m)) {
        v = r.exp < 0 ? (double)m / p10d[-r.exp] : (double)m * p10d[r.exp];
        *ret = r.neg ? -v : v;
        return 0;
    }
    char text[MAX_DIGITS + 16];
    normal_text(&r, text, sizeof text);
    v = strtod(text, NULL);
    if (isinf(v)) return HG_ERANGE;
    *ret = v;
    return 0;
}

int hg_f32_parse(hg_str_t s, float *ret)
{
    scan_t r;
    uint64_t m;
    double sp;
    if (scan_number(s, &r) < 0) {
        int rc = special(s, &sp);
        if (rc == 0) *ret = (float)sp;
        return rc;
    }
    float v;
    if (exact_mantissa(&r, UINT64_C(1) << 24, 10, &m)) {
        v = r.exp < 0 ? (float)m / p10f[-r.exp] : (float)m * p10f[r.exp];
        *ret = r.neg ? -v : v;
        return 0;
    }
    char text[MAX_DIGITS + 16];
    normal_text(&r, text, sizeof text);
    v = strtof(text, NULL);
    if (isinf(v)) return HG_ERANGE;
    *ret = v;
    return 0;
}

/* --- REAL, DOUBLE: printing --- */

/* v = 0.d1d2…dn × 10^point, no zero at either end. */
typedef struct short_dec {
    char digits[24];
    int n, point;
} short_dec_t;

static void from_integer(uint64_t m, int scale, short_dec_t *r)
{
    char rev[24];
    int n = 0;
    for (; m; m /= 10) rev[n++] = (char)('0' + (int)(m % 10));
    r->point = n - scale;
    r->n = n;
    for (int i = 0; i < n; i++) r->digits[i] = rev[n - 1 - i];
    while (r->n > 1 && r->digits[r->n - 1] == '0') r->n--;
}

/* From "d.ddde±xx". */
static void from_scientific(const char *text, short_dec_t *r)
{
    r->n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (is_digit(*p)) r->digits[r->n++] = *p;
    long e = *p ? strtol(p + 1, NULL, 10) : 0;
    r->point = (int)e + 1;
    while (r->n > 1 && r->digits[r->n - 1] == '0') r->n--;
}

/* Most values that people store are short decimals: m / 10^k with exact m and 10^k. The first k that gives v back is
 * the shortest form. */
static bool short_f64(double v, int max_k, short_dec_t *r)
{
    for (int k = 0; k <= max_k; k++) {
        double scaled = v * p10d[k];
        if (scaled >= 9007199254740992.0) return false;
        uint64_t m = (uint64_t)(scaled + 0.5);
        if ((double)m / p10d[k] == v) {
            from_integer(m, k, r);
            return true;
        }
    }
    return false;
}

static bool short_f32(float v, short_dec_t *r)
{
    for (int k = 0; k <= 10; k++) {
        float scaled = v * p10f[k];
        if (scaled >= 16777216.0f) return false;
        uint64_t m = (uint64_t)((double)scaled + 0.5);
        if ((float)m / p10f[k] == v) {
            from_integer(m, k, r);
            return true;
        }
    }
    return false;
}

static size_t put_exponent(char *o, int e)
{
    size_t n = 0;
    o[n++] = 'e';
    if (e < 0) {
        o[n++] = '-';
        e = -e;
    }
    if (e >= 100) o[n++] = (char)('0' + e / 100);
    if (e >= 10) o[n++] = (char)('0' + e / 10 % 10);
    o[n++] = (char)('0' + e % 10);
    return n;
}

/* Plain notation while the point is within reach, else scientific; always recognisable as a float (1.0, 1e16). */
static size_t layout(char *out, bool neg, const short_dec_t *d, int low, int high)
{
    char *o = out;
    if (neg) *o++ = '-';
    if (d->point > high || d->point <= low) {
        *o++ = d->digits[0];
        if (d->n > 1) {
            *o++ = '.';
            memcpy(o, d->digits + 1, (size_t)d->n - 1);
            o += d->n - 1;
        }
        o += put_exponent(o, d->point - 1);
        return (size_t)(o - out);
    }
    if (d->point <= 0) {
        *o++ = '0';
        *o++ = '.';
        for (int i = d->point; i < 0; i++) *o++ = '0';
        memcpy(o, d->digits, (size_t)d->n);
        return (size_t)(o + d->n - out);
    }
    for (int i = 0; i < d->point; i++) *o++ = i < d->n ? d->digits[i] : '0';
    *o++ = '.';
    if (d->n <= d->point) {
        *o++ = '0';
    } else {
        memcpy(o, d->digits + d->point, (size_t)(d->n - d->point));
        o += d->n - d->point;
    }
    return (size_t)(o - out);
}

static size_t put(char *out, const char *s)
{
    size_t n = strlen(s);
    memcpy(out, s, n);
    return n;
}

static size_t print_special(char *out, double v)
{
    if (isnan(v)) return put(out, "NaN");
    if (isinf(v)) return put(out, v < 0 ? "-Infinity" : "Infinity");
    return put(out, signbit(v) ? "-0.0" : "0.0");
}

/* The fewest digits of 15 to 17, exactly: v = m·2^-s, so v·10^k is m·10^k / 2^s, which fits 128 bits for k up to 22.
 * The rounded quotient reads back as v when it is nearer than half a unit of m, 10^k / 2. */
static bool exact_f64(double v, short_dec_t *r)
{
    if (!(v >= 1e-5 && v < 9007199254740992.0)) return false;
    int e, point = 0;
    uint64_t m = (uint64_t)ldexp(frexp(v, &e), 53);
    if (e >= 53 || m == UINT64_C(1) << 52) return false; /* below a power of two the neighbours are nearer */
    unsigned s = (unsigned)(53 - e);
    while (v >= p10d[point]) point++;
    while (point <= 0 && v * p10d[1 - point] < 1) point--;
    for (int n = HG_MAX(15, point); n <= 17; n++) {
        hg_u128 p = (hg_u128)hg_pow10(n - point), x = m * p, one = (hg_u128)1 << s;
        hg_u128 q = x >> s, rest = x & (one - 1);
        bool up = rest > one / 2 || (rest == one / 2 && (q & 1));
        if (2 * (up ? one - rest : rest) < p) {
            from_integer((uint64_t)q + up, n - point, r);
            return true;
        }
    }
    return false;
}

size_t hg_f64_print(char *out, double v)
{
    short_dec_t d = { 0 };
    double a = fabs(v);
    if (!isfinite(v) || v == 0) return print_special(out, v);
    if (!short_f64(a, 8, &d) && !exact_f64(a, &d) && !short_f64(a, 17, &d)) {
        char text[40];
        /* up to 15 digits survive the way to double and back, except among the subnormals */
        for (int prec = a < 2.3e-308 ? 1 : 15; prec <= 17; prec++) {
            snprintf(text, sizeof text, "%.*e", prec - 1, a);
            if (prec == 17 || strtod(text, NULL) == a) break;
        }
        from_scientific(text, &d);
    }
    return layout(out, v < 0, &d, -5, 16);
}

size_t hg_f32_print(char *out, float v)
{
    short_dec_t d = { 0 };
    float a = fabsf(v);
    if (!isfinite(v) || v == 0) return print_special(out, (double)v);
    if (!short_f32(a, &d)) {
        char text[40];
        for (int prec = a < 1.2e-38f ? 1 : 6; prec <= 9; prec++) {
            snprintf(text, sizeof text, "%.*e", prec - 1, (double)a);
            if (prec == 9 || strtof(text, NULL) == a) break;
        }
        from_scientific(text, &d);
    }
    return layout(out, v < 0, &d, -6, 13);
}
