/* kernel_math.c: rounding, ABS, SIGN, and the functions of DOUBLE. */
#include "base/hg.h"
#include <math.h>
#include "engine/eval_int.h"

/* v rounded to a multiple of unit, a power of ten. |v| < 10^38 and unit <= 10^38, so nothing leaves 128 bits. */
static hg_i128 round_to(hg_i128 v, hg_i128 unit, hg_round_t how)
{
    hg_i128 rest = v % unit, down = v - rest; /* down: toward zero */
    hg_i128 away = v < 0 ? -unit : unit, part = rest < 0 ? -rest : rest, other = unit - part;
    if (rest == 0) return v;
    switch (how) {
    case HG_ROUND_HALF_UP:
        return part >= other ? down + away : down;
    case HG_ROUND_HALF_EVEN:
        if (part != other) return part > other ? down + away : down;
        return (down / unit) & 1 ? down + away : down;
    case HG_ROUND_CUT:
        return down;
    case HG_ROUND_FLOOR:
        return v < 0 ? down - unit : down;
    case HG_ROUND_CEIL:
        return v < 0 ? down : down + unit;
    }
    return v;
}

/* Round to `digits` fraction digits a value of this scale; more digits than 38 above the point leave nothing. */
static hg_i128 round_digits(hg_i128 v, int scale, int64_t digits, hg_round_t how)
{
    if (digits >= scale) return v;
    if (digits < scale - 38) return 0;
    return round_to(v, hg_pow10((int)(scale - digits)), how);
}

static double round_double(double v, int64_t digits, hg_round_t how)
{
    if (!isfinite(v) || digits > 330) return v;
    if (digits < -330) return 0;
    double f = pow(10, (double)(digits < 0 ? -digits : digits));
    double x = digits < 0 ? v / f : v * f;
    if (!isfinite(x)) return digits > 0 ? v : 0;
    switch (how) {
    case HG_ROUND_HALF_UP:
        x = round(x);
        break;
    case HG_ROUND_HALF_EVEN:
        x = rint(x);
        break;
    case HG_ROUND_CUT:
        x = trunc(x);
        break;
    case HG_ROUND_FLOOR:
        x = floor(x);
        break;
    case HG_ROUND_CEIL:
        x = ceil(x);
        break;
    }
    return digits < 0 ? x * f : x / f;
}

static int64_t digits_at(const hg_call_t *c, const hg_vec_t *args, uint32_t i)
{
    return c->n_args > 1 ? hg_vec_i64(&args[1], i) : 0;
}

#define ROUND_INT(T)                                                                                                   \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) {                                                                          \
            T v = a[i * step];                                                                                         \
            int64_t d = digits_at(c, args, i);                                                                         \
            hg_i128 x = d >= 0 ? v : round_digits(v, 0, d, how);                                                       \
            r[i] = (T)x;                                                                                               \
            if (HG_UNLIKELY(r[i] != x) && hg_call_valid(c, i)) return hg_call_fail_row(c, args, i, "overflows");       \
        }                                                                                                              \
        return 0;                                                                                                      \
    } while (0)
#define ROUND_FLOAT(T)                                                                                                 \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) r[i] = (T)round_double((double)a[i * step], digits_at(c, args, i), how);   \
        return 0;                                                                                                      \
    } while (0)

static int round_dec(hg_call_t *c, const hg_vec_t *args, hg_round_t how, hg_colb_t *out)
{
    const hg_i128 *a = args[0].col->data;
    size_t step = hg_vec_step(&args[0]);
    int from = c->types[0]->scale, to = c->type->scale;
    for (uint32_t i = 0; i < c->n; i++) {
        hg_i128 v = round_digits(a[i * step], from, digits_at(c, args, i), how), *r = &HG_COL(out, hg_i128)[i];
        *r = 0;
        if (hg_call_valid(c, i) && !hg_dec_rescale(v, from, to, c->type->precision, r)) {
            char what[48];
            snprintf(what, sizeof what, "overflows DECIMAL(%d, %d)", c->type->precision, c->type->scale);
            return hg_call_fail_row(c, args, i, what);
        }
    }
    return 0;
}

int hg_k_round(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_round_t how = (hg_round_t)c->fn->aux;
    size_t step = hg_vec_step(&args[0]);
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        ROUND_INT(int8_t);
    case HG_PHYS_I16:
        ROUND_INT(int16_t);
    case HG_PHYS_I32:
        ROUND_INT(int32_t);
    case HG_PHYS_I64:
        ROUND_INT(int64_t);
    case HG_PHYS_U8:
        ROUND_INT(uint8_t);
    case HG_PHYS_U16:
        ROUND_INT(uint16_t);
    case HG_PHYS_U32:
        ROUND_INT(uint32_t);
    case HG_PHYS_U64:
        ROUND_INT(uint64_t);
    case HG_PHYS_I128:
        return round_dec(c, args, how, out);
    case HG_PHYS_F32:
        ROUND_FLOAT(float);
    case HG_PHYS_F64:
        ROUND_FLOAT(double);
    default:
        return hg_call_fail(c, "%s on %s", c->fn->name, hg_kind_name(c->type->kind));
    }
}

/* --- ABS and SIGN ------------------------------------------------------------------------------------------------- */

#define EACH(T, EXPR)                                                                                                  \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) {                                                                          \
            T v = a[i * step];                                                                                         \
            r[i] = (T)(EXPR);                                                                                          \
        }                                                                                                              \
        return 0;                                                                                                      \
    } while (0)
#define ABS_INT(T, MIN)                                                                                                \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) {                                                                          \
            T v = a[i * step];                                                                                         \
            if (HG_UNLIKELY(v == MIN) && hg_call_valid(c, i)) return hg_call_fail_row(c, args, i, "overflows");        \
            r[i] = v < 0 && v != MIN ? (T)-v : v;                                                                      \
        }                                                                                                              \
        return 0;                                                                                                      \
    } while (0)

int hg_k_abs(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    size_t step = hg_vec_step(&args[0]);
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        ABS_INT(int8_t, INT8_MIN);
    case HG_PHYS_I16:
        ABS_INT(int16_t, INT16_MIN);
    case HG_PHYS_I32:
        ABS_INT(int32_t, INT32_MIN);
    case HG_PHYS_I64:
        ABS_INT(int64_t, INT64_MIN);
    case HG_PHYS_U8:
        EACH(uint8_t, v);
    case HG_PHYS_U16:
        EACH(uint16_t, v);
    case HG_PHYS_U32:
        EACH(uint32_t, v);
    case HG_PHYS_U64:
        EACH(uint64_t, v);
    case HG_PHYS_I128:
        EACH(hg_i128, v < 0 ? -v : v);
    case HG_PHYS_F32:
        EACH(float, fabsf(v));
    case HG_PHYS_F64:
        EACH(double, fabs(v));
    default:
        return hg_call_fail(c, "ABS on %s", hg_kind_name(c->type->kind));
    }
}

#define SIGN(v)       (((v) > 0) - ((v) < 0))
#define SIGN_FLOAT(v) (isnan(v) ? (v) : (v) > 0 ? 1 : (v) < 0 ? -1 : (v))

int hg_k_sign(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    size_t step = hg_vec_step(&args[0]);
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        EACH(int8_t, SIGN(v));
    case HG_PHYS_I16:
        EACH(int16_t, SIGN(v));
    case HG_PHYS_I32:
        EACH(int32_t, SIGN(v));
    case HG_PHYS_I64:
        EACH(int64_t, SIGN(v));
    case HG_PHYS_U8:
        EACH(uint8_t, v > 0);
    case HG_PHYS_U16:
        EACH(uint16_t, v > 0);
    case HG_PHYS_U32:
        EACH(uint32_t, v > 0);
    case HG_PHYS_U64:
        EACH(uint64_t, v > 0);
    case HG_PHYS_F32:
        EACH(float, SIGN_FLOAT(v));
    case HG_PHYS_F64:
        EACH(double, SIGN_FLOAT(v));
    case HG_PHYS_I128: {
        const hg_i128 *a = args[0].col->data;
        for (uint32_t i = 0; i < c->n; i++) {
            hg_i128 *r = &HG_COL(out, hg_i128)[i];
            *r = 0;
            if (hg_call_valid(c, i) && !hg_dec_rescale(SIGN(a[i * step]), 0, c->type->scale, c->type->precision, r))
                return hg_call_fail_row(c, args, i, "does not fit its own type");
        }
        return 0;
    }
    default:
        return hg_call_fail(c, "SIGN on %s", hg_kind_name(c->type->kind));
    }
}

/* --- DOUBLE ------------------------------------------------------------------------------------------------------- */

static double math1(hg_math_t f, double x)
{
    static const double pi = 3.14159265358979323846;
    switch ((int)f) {
    case HG_MATH_LN:
        return log(x);
    case HG_MATH_LOG10:
        return log10(x);
    case HG_MATH_EXP:
        return exp(x);
    case HG_MATH_SQRT:
        return sqrt(x);
    case HG_MATH_CBRT:
        return cbrt(x);
    case HG_MATH_SIN:
        return sin(x);
    case HG_MATH_COS:
        return cos(x);
    case HG_MATH_TAN:
        return tan(x);
    case HG_MATH_ASIN:
        return asin(x);
    case HG_MATH_ACOS:
        return acos(x);
    case HG_MATH_ATAN:
        return atan(x);
    case HG_MATH_SINH:
        return sinh(x);
    case HG_MATH_COSH:
        return cosh(x);
    case HG_MATH_TANH:
        return tanh(x);
    case HG_MATH_DEGREES:
        return x * (180 / pi);
    case HG_MATH_RADIANS:
        return x * (pi / 180);
    default:
        return pi;
    }
}

static double math2(hg_math_t f, double x, double y)
{
    if (f == HG_MATH_POWER) return pow(x, y);
    if (f == HG_MATH_ATAN2) return atan2(x, y);
    return log(x) / log(y);
}

int hg_k_math(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_math_t f = (hg_math_t)c->fn->aux;
    if (f == HG_MATH_ISNAN || f == HG_MATH_ISINF) {
        size_t step = hg_vec_step(&args[0]);
        bool single = hg_type_phys(args[0].col->type) == HG_PHYS_F32;
        for (uint32_t i = 0; i < c->n; i++) {
            double v = single ? (double)HG_COL(args[0].col, float)[i * step] : HG_COL(args[0].col, double)[i * step];
            if (f == HG_MATH_ISNAN ? isnan(v) : isinf(v)) hg_bit_set(out->data, i);
        }
        return 0;
    }
    double *r = out->data;
    for (uint32_t i = 0; i < c->n; i++) {
        double x = c->n_args > 0 ? HG_COL(args[0].col, double)[i * hg_vec_step(&args[0])] : 0;
        r[i] = c->n_args > 1 ? math2(f, x, HG_COL(args[1].col, double)[i * hg_vec_step(&args[1])]) : math1(f, x);
    }
    return 0;
}
