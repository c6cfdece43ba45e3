/* kernel_dec.c: exact DECIMAL arithmetic; intermediates of up to 256 bits where 128 do not do.
 *
 * Values are unscaled 128-bit integers with |v| < 10^38. Division is schoolbook (Knuth, "The Art of Computer
 * Programming" vol. 2, 4.3.1 algorithm D) on 32-bit digits; it is reached only when the 128-bit paths do not suffice.
 */
#include "base/hg.h"
#include <math.h>
#include "engine/eval_int.h"

/* --- 256 bits ----------------------------------------------------------------------------------------------------- */

static hg_u128 magnitude(hg_i128 v)
{
    return v < 0 ? (hg_u128)0 - (hg_u128)v : (hg_u128)v;
}

hg_i256_t hg_i256_of(hg_i128 v)
{
    return (hg_i256_t){ .lo = (hg_u128)v, .hi = v < 0 ? -1 : 0 };
}

hg_i256_t hg_i256_neg(hg_i256_t a)
{
    hg_u128 lo = (hg_u128)0 - a.lo;
    return (hg_i256_t){ .lo = lo, .hi = (hg_i128)(~(hg_u128)a.hi + (lo == 0)) };
}

hg_i256_t hg_i256_add(hg_i256_t a, hg_i256_t b)
{
    hg_u128 lo = a.lo + b.lo;
    return (hg_i256_t){ .lo = lo, .hi = (hg_i128)((hg_u128)a.hi + (hg_u128)b.hi + (lo < a.lo)) };
}

int hg_i256_cmp(hg_i256_t a, hg_i256_t b)
{
    if (a.hi != b.hi) return a.hi < b.hi ? -1 : 1;
    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

static hg_i256_t umul(hg_u128 a, hg_u128 b)
{
    hg_u128 al = (uint64_t)a, ah = a >> 64, bl = (uint64_t)b, bh = b >> 64;
    hg_u128 ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
    hg_u128 mid = (ll >> 64) + (uint64_t)lh + (uint64_t)hl;
    return (hg_i256_t){ .lo = (mid << 64) | (uint64_t)ll, .hi = (hg_i128)(hh + (lh >> 64) + (hl >> 64) + (mid >> 64)) };
}

hg_i256_t hg_i256_mul(hg_i128 a, hg_i128 b)
{
    hg_i256_t r = umul(magnitude(a), magnitude(b));
    return (a < 0) != (b < 0) ? hg_i256_neg(r) : r;
}

bool hg_i256_fits(hg_i256_t a, hg_i128 *ret)
{
    hg_i128 v = (hg_i128)a.lo;
    if (a.hi != (v < 0 ? -1 : 0)) return false;
    *ret = v;
    return true;
}

static int digits32(uint32_t *out, hg_u128 lo, hg_u128 hi)
{
    int n = 0;
    for (int i = 0; i < 8; i++) {
        hg_u128 w = i < 4 ? lo : hi;
        out[i] = (uint32_t)(w >> (32 * (i & 3)));
        if (out[i]) n = i + 1;
    }
    return n;
}

/* u[0..un] / v[0..vn) → q, remainder left in u; vn >= 2, v normalised (top bit set), u has one digit of room on top. */
static void divide_digits(uint32_t *u, int un, const uint32_t *v, int vn, uint32_t *q)
{
    for (int j = un - vn; j >= 0; j--) {
        uint64_t top = ((uint64_t)u[j + vn] << 32) | u[j + vn - 1];
        uint64_t guess = top / v[vn - 1], rest = top % v[vn - 1];
        while (guess > UINT32_MAX || guess * v[vn - 2] > ((rest << 32) | u[j + vn - 2])) {
            guess--;
            rest += v[vn - 1];
            if (rest > UINT32_MAX) break;
        }
        int64_t borrow = 0;
        uint64_t carry = 0;
        for (int i = 0; i < vn; i++) {
            uint64_t p = guess * v[i] + carry;
            carry = p >> 32;
            int64_t t = (int64_t)u[i + j] - borrow - (int64_t)(uint32_t)p;
            u[i + j] = (uint32_t)t;
            borrow = t < 0;
        }
        int64_t t = (int64_t)u[j + vn] - borrow - (int64_t)carry;
        u[j + vn] = (uint32_t)t;
        if (t < 0) { /* the guess was one too many: add back */
            guess--;
            uint64_t c = 0;
            for (int i = 0; i < vn; i++) {
                c += (uint64_t)u[i + j] + v[i];
                u[i + j] = (uint32_t)c;
                c >>= 32;
            }
            u[j + vn] = (uint32_t)(u[j + vn] + c);
        }
        q[j] = (uint32_t)guess;
    }
}

static hg_i256_t udiv(hg_i256_t a, hg_u128 b, hg_u128 *rem)
{
    if (a.hi == 0) {
        *rem = a.lo % b;
        return (hg_i256_t){ .lo = a.lo / b, .hi = 0 };
    }
    uint32_t u[9] = { 0 }, v[8], q[8] = { 0 };
    int un = digits32(u, a.lo, (hg_u128)a.hi), vn = digits32(v, b, 0);
    if (vn == 1) {
        uint64_t r = 0;
        for (int i = un - 1; i >= 0; i--) {
            uint64_t t = (r << 32) | u[i];
            q[i] = (uint32_t)(t / v[0]);
            r = t % v[0];
        }
        *rem = r;
    } else {
        int shift = __builtin_clz(v[vn - 1]);
        for (int i = 8; i > 0 && shift; i--) u[i] = (u[i] << shift) | (u[i - 1] >> (32 - shift));
        u[0] <<= shift;
        for (int i = vn - 1; i > 0 && shift; i--) v[i] = (v[i] << shift) | (v[i - 1] >> (32 - shift));
        v[0] <<= shift;
        divide_digits(u, un, v, vn, q);
        hg_u128 r = 0;
        for (int i = vn - 1; i >= 0; i--) r = (r << 32) | u[i];
        *rem = r >> shift;
    }
    hg_i256_t ret = { 0 };
    hg_u128 hi = 0;
    for (int i = 3; i >= 0; i--) {
        ret.lo = (ret.lo << 32) | q[i];
        hi = (hi << 32) | q[i + 4];
    }
    ret.hi = (hg_i128)hi;
    return ret;
}

hg_i256_t hg_i256_div(hg_i256_t a, hg_i128 b, hg_i128 *rem)
{
    bool neg = a.hi < 0;
    hg_u128 r;
    hg_i256_t q = udiv(neg ? hg_i256_neg(a) : a, magnitude(b), &r);
    if (rem) *rem = neg ? -(hg_i128)r : (hg_i128)r;
    return neg != (b < 0) ? hg_i256_neg(q) : q;
}

/* --- digits ------------------------------------------------------------------------------------------------------- */

static bool within(hg_i128 v, hg_i128 limit)
{
    return v < limit && v > -limit;
}

bool hg_dec_rescale(hg_i128 v, int from, int to, int precision, hg_i128 *ret)
{
    hg_i128 limit = hg_pow10(precision);
    if (to < from) {
        v /= hg_pow10(from - to);
    } else if (to > from) {
        hg_i128 f = hg_pow10(to - from);
        if (!within(v, limit / f + 1)) return false;
        v *= f;
    }
    if (!within(v, limit)) return false;
    *ret = v;
    return true;
}

int hg_dec_cmp(hg_i128 a, int sa, hg_i128 b, int sb)
{
    if (sa == sb) return (a > b) - (a < b);
    hg_i256_t x = sa < sb ? hg_i256_mul(a, hg_pow10(sb - sa)) : hg_i256_of(a);
    hg_i256_t y = sb < sa ? hg_i256_mul(b, hg_pow10(sa - sb)) : hg_i256_of(b);
    return hg_i256_cmp(x, y);
}

int32_t hg_int_digits(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_TINYINT:
    case HG_T_UTINYINT:
        return 3;
    case HG_T_SMALLINT:
    case HG_T_USMALLINT:
        return 5;
    case HG_T_INTEGER:
    case HG_T_UINTEGER:
        return 10;
    case HG_T_BIGINT:
        return 19;
    default:
        return 20;
    }
}

void hg_exact_digits(const hg_type_t *t, int32_t *p, int32_t *s)
{
    bool dec = t->kind == HG_T_DECIMAL;
    *p = dec ? t->precision : hg_int_digits(t->kind);
    *s = dec ? t->scale : 0;
}

double hg_dec_to_f64(hg_i128 v, int scale)
{
    static const double pow10[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    hg_i128 exact = (hg_i128)1 << 53;
    if (scale == 0) return (double)v;
    if (within(v, exact) && scale <= 22) return (double)v / pow10[scale]; /* both exact: one rounding */
    char text[HG_DEC_TEXT];
    double d = 0;
    size_t n = hg_dec_print(text, v, scale, false);
    HG_ASSERT(hg_f64_parse((hg_str_t){ text, n }, &d) == 0);
    return d;
}

float hg_dec_to_f32(hg_i128 v, int scale)
{
    static const float pow10[] = { 1e0F, 1e1F, 1e2F, 1e3F, 1e4F, 1e5F, 1e6F, 1e7F, 1e8F, 1e9F, 1e10F };
    hg_i128 exact = (hg_i128)1 << 24;
    if (scale == 0) return (float)v;
    if (within(v, exact) && scale <= 10) return (float)v / pow10[scale];
    char text[HG_DEC_TEXT];
    float f = 0;
    size_t n = hg_dec_print(text, v, scale, false);
    HG_ASSERT(hg_f32_parse((hg_str_t){ text, n }, &f) == 0);
    return f;
}

/* --- the kernel --------------------------------------------------------------------------------------------------- */

typedef struct {
    int s1, s2, s;        /* scales of the arguments and the result */
    hg_i128 limit;        /* 10^precision of the result */
    hg_i128 f1, f2;       /* factors that bring the arguments to the greater scale */
    hg_i128 safe1, safe2; /* arguments below these do not overflow 128 bits when multiplied */
} dec_t;

static bool add(const dec_t *d, hg_i128 a, hg_i128 b, hg_i128 *r)
{
    if (HG_LIKELY(within(a, d->safe1) && within(b, d->safe2))) {
        *r = a * d->f1 + b * d->f2;
        return within(*r, d->limit);
    }
    return hg_i256_fits(hg_i256_add(hg_i256_mul(a, d->f1), hg_i256_mul(b, d->f2)), r) && within(*r, d->limit);
}

static bool mul(const dec_t *d, hg_i128 a, hg_i128 b, hg_i128 *r)
{
    hg_i128 small = (hg_i128)1 << 63;
    int drop = d->s1 + d->s2 - d->s;
    if (HG_LIKELY(within(a, small) && within(b, small))) {
        *r = a * b;
        if (drop) *r /= hg_pow10(drop);
        return within(*r, d->limit);
    }
    hg_i256_t p = hg_i256_mul(a, b);
    if (drop) p = hg_i256_div(p, hg_pow10(drop), NULL);
    return hg_i256_fits(p, r) && within(*r, d->limit);
}

/* a / 10^s1 / (b / 10^s2) at scale s: a * 10^(s - s1 + s2) / b. */
static bool divide(const dec_t *d, hg_i128 a, hg_i128 b, hg_i128 *r)
{
    int k = d->s - d->s1 + d->s2;
    if (k < 0) {
        *r = a / b / hg_pow10(-k); /* cutting twice is cutting once */
        return within(*r, d->limit);
    }
    int first = HG_MIN(k, 38);
    hg_i256_t q = hg_i256_div(hg_i256_mul(a, hg_pow10(first)), b, NULL);
    if (k > first) return false; /* cannot be: the binding rule keeps k within 38 */
    return hg_i256_fits(q, r) && within(*r, d->limit);
}

static bool modulo(const dec_t *d, hg_i128 a, hg_i128 b, hg_i128 *r)
{
    hg_i128 divisor;
    if (!hg_i256_fits(hg_i256_mul(b, d->f2), &divisor)) {
        *r = a; /* then f1 is 1, and the divisor is greater than any dividend */
        return within(a, d->limit);
    }
    hg_i256_div(hg_i256_mul(a, d->f1), divisor, r);
    return within(*r, d->limit);
}

int hg_k_arith_dec(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    dec_t d = {
        .s1 = c->types[0]->scale, .s2 = c->types[1]->scale, .s = c->type->scale, .limit = hg_pow10(c->type->precision)
    };
    int top = HG_MAX(d.s1, d.s2);
    d.f1 = hg_pow10(top - d.s1);
    d.f2 = hg_pow10(top - d.s2);
    d.safe1 = ((hg_i128)1 << 125) / d.f1;
    d.safe2 = ((hg_i128)1 << 125) / d.f2;
    const hg_i128 *a = args[0].col->data, *b = args[1].col->data;
    size_t sa = hg_vec_step(&args[0]), sb = hg_vec_step(&args[1]);
    hg_i128 *r = out->data;
    hg_arith_t op = (hg_arith_t)c->fn->aux;
    for (uint32_t i = 0; i < c->n; i++) {
        hg_i128 x = a[i * sa], y = b[i * sb];
        bool ok = true;
        r[i] = 0;
        if (!hg_call_valid(c, i)) continue;
        if (op >= HG_ARITH_DIV && y == 0) {
            if (!(c->fn->flags & HG_F_NULLS)) return hg_call_fail_row(c, args, i, "fails with division by zero");
            hg_bit_clear(c->valid, i);
            continue;
        }
        switch (op) {
        case HG_ARITH_ADD:
            ok = add(&d, x, y, &r[i]);
            break;
        case HG_ARITH_SUB:
            ok = add(&d, x, -y, &r[i]);
            break;
        case HG_ARITH_MUL:
            ok = mul(&d, x, y, &r[i]);
            break;
        case HG_ARITH_DIV:
            ok = divide(&d, x, y, &r[i]);
            break;
        case HG_ARITH_MOD:
            ok = modulo(&d, x, y, &r[i]);
            break;
        }
        if (HG_LIKELY(ok)) continue;
        char what[48];
        snprintf(what, sizeof what, "overflows DECIMAL(%d, %d)", c->type->precision, c->type->scale);
        return hg_call_fail_row(c, args, i, what);
    }
    return 0;
}
