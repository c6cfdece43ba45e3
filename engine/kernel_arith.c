/* kernel_arith.c: + - * / % and minus on integers and floats.
 *
 * The fast pass runs over all rows, NULL ones included, and only notes that something went wrong; a second pass then
 * looks for the first row with a value that really failed. That keeps the loop free of branches on validity. */
#include "base/hg.h"
#include <math.h>
#include "engine/eval_int.h"

#define INLINE static inline __attribute__((always_inline))

#define OVERFLOWS "overflows"
#define BY_ZERO   "fails with division by zero"

/* name##_run: the whole kernel for one width. DIV and MOD answer 0 where they fail. */
#define INT_KERNEL(name, T, SIGNED, MIN)                                                                               \
    INLINE bool name##_do(hg_arith_t op, T a, T b, T *r)                                                               \
    {                                                                                                                  \
        *r = 0;                                                                                                        \
        switch (op) {                                                                                                  \
        case HG_ARITH_ADD:                                                                                             \
            return __builtin_add_overflow(a, b, r);                                                                    \
        case HG_ARITH_SUB:                                                                                             \
            return __builtin_sub_overflow(a, b, r);                                                                    \
        case HG_ARITH_MUL:                                                                                             \
            return __builtin_mul_overflow(a, b, r);                                                                    \
        case HG_ARITH_DIV:                                                                                             \
            if (b == 0 || (SIGNED && b == (T)-1 && a == MIN)) return true;                                             \
            *r = (T)(a / b);                                                                                           \
            return false;                                                                                              \
        case HG_ARITH_MOD:                                                                                             \
            if (b == 0) return true;                                                                                   \
            if (!(SIGNED && b == (T)-1)) *r = (T)(a % b);                                                              \
            return false;                                                                                              \
        }                                                                                                              \
        return true;                                                                                                   \
    }                                                                                                                  \
    INLINE bool name##_loop(hg_arith_t op, const T *a, size_t sa, const T *b, size_t sb, T *out, uint32_t n)           \
    {                                                                                                                  \
        bool bad = false;                                                                                              \
        for (uint32_t i = 0; i < n; i++) bad |= name##_do(op, a[i * sa], b[i * sb], &out[i]);                          \
        return bad;                                                                                                    \
    }                                                                                                                  \
    INLINE bool name##_op(hg_arith_t op, const hg_vec_t *v, T *out, uint32_t n)                                        \
    {                                                                                                                  \
        const T *a = v[0].col->data, *b = v[1].col->data;                                                              \
        if (v[0].konst) return name##_loop(op, a, 0, b, v[1].konst ? 0 : 1, out, n);                                   \
        return v[1].konst ? name##_loop(op, a, 1, b, 0, out, n) : name##_loop(op, a, 1, b, 1, out, n);                 \
    }                                                                                                                  \
    static int name##_failed(hg_call_t *c, const hg_vec_t *v, bool null_on_zero)                                       \
    {                                                                                                                  \
        hg_arith_t op = (hg_arith_t)c->fn->aux;                                                                        \
        const T *a = v[0].col->data, *b = v[1].col->data;                                                              \
        for (uint32_t i = 0; i < c->n; i++) {                                                                          \
            T x = a[i * hg_vec_step(&v[0])], y = b[i * hg_vec_step(&v[1])], r;                                         \
            if (!hg_call_valid(c, i) || !name##_do(op, x, y, &r)) continue;                                            \
            bool zero = op >= HG_ARITH_DIV && y == 0;                                                                  \
            if (!zero) return hg_call_fail_row(c, v, i, OVERFLOWS);                                                    \
            if (!null_on_zero) return hg_call_fail_row(c, v, i, BY_ZERO);                                              \
            hg_bit_clear(c->valid, i);                                                                                 \
        }                                                                                                              \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static int name##_run(hg_call_t *c, const hg_vec_t *v, T *out)                                                     \
    {                                                                                                                  \
        bool bad = true;                                                                                               \
        switch ((hg_arith_t)c->fn->aux) {                                                                              \
        case HG_ARITH_ADD:                                                                                             \
            bad = name##_op(HG_ARITH_ADD, v, out, c->n);                                                               \
            break;                                                                                                     \
        case HG_ARITH_SUB:                                                                                             \
            bad = name##_op(HG_ARITH_SUB, v, out, c->n);                                                               \
            break;                                                                                                     \
        case HG_ARITH_MUL:                                                                                             \
            bad = name##_op(HG_ARITH_MUL, v, out, c->n);                                                               \
            break;                                                                                                     \
        case HG_ARITH_DIV:                                                                                             \
            bad = name##_op(HG_ARITH_DIV, v, out, c->n);                                                               \
            break;                                                                                                     \
        case HG_ARITH_MOD:                                                                                             \
            bad = name##_op(HG_ARITH_MOD, v, out, c->n);                                                               \
            break;                                                                                                     \
        }                                                                                                              \
        return bad ? name##_failed(c, v, c->fn->flags & HG_F_NULLS) : 0;                                               \
    }

INT_KERNEL(i8, int8_t, 1, INT8_MIN)
INT_KERNEL(i16, int16_t, 1, INT16_MIN)
INT_KERNEL(i32, int32_t, 1, INT32_MIN)
INT_KERNEL(i64, int64_t, 1, INT64_MIN)
INT_KERNEL(u8, uint8_t, 0, 0)
INT_KERNEL(u16, uint16_t, 0, 0)
INT_KERNEL(u32, uint32_t, 0, 0)
INT_KERNEL(u64, uint64_t, 0, 0)

int hg_k_arith_int(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        return i8_run(c, args, out->data);
    case HG_PHYS_I16:
        return i16_run(c, args, out->data);
    case HG_PHYS_I32:
        return i32_run(c, args, out->data);
    case HG_PHYS_I64:
        return i64_run(c, args, out->data);
    case HG_PHYS_U8:
        return u8_run(c, args, out->data);
    case HG_PHYS_U16:
        return u16_run(c, args, out->data);
    case HG_PHYS_U32:
        return u32_run(c, args, out->data);
    case HG_PHYS_U64:
        return u64_run(c, args, out->data);
    default:
        return hg_call_fail(c, "%s on %s", c->fn->name, hg_kind_name(c->type->kind));
    }
}

/* --- floats: IEEE, nothing fails ---------------------------------------------------------------------------------- */

#define FLOAT_KERNEL(name, T, FMOD)                                                                                    \
    INLINE void name##_loop(hg_arith_t op, const T *a, size_t sa, const T *b, size_t sb, T *out, uint32_t n)           \
    {                                                                                                                  \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            T x = a[i * sa], y = b[i * sb];                                                                            \
            switch (op) {                                                                                              \
            case HG_ARITH_ADD:                                                                                         \
                out[i] = x + y;                                                                                        \
                break;                                                                                                 \
            case HG_ARITH_SUB:                                                                                         \
                out[i] = x - y;                                                                                        \
                break;                                                                                                 \
            case HG_ARITH_MUL:                                                                                         \
                out[i] = x * y;                                                                                        \
                break;                                                                                                 \
            case HG_ARITH_DIV:                                                                                         \
                out[i] = x / y;                                                                                        \
                break;                                                                                                 \
            case HG_ARITH_MOD:                                                                                         \
                out[i] = FMOD(x, y);                                                                                   \
                break;                                                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void name##_run(hg_call_t *c, const hg_vec_t *v, T *out)                                                    \
    {                                                                                                                  \
        const T *a = v[0].col->data, *b = v[1].col->data;                                                              \
        size_t sa = hg_vec_step(&v[0]), sb = hg_vec_step(&v[1]);                                                       \
        switch ((hg_arith_t)c->fn->aux) {                                                                              \
        case HG_ARITH_ADD:                                                                                             \
            name##_loop(HG_ARITH_ADD, a, sa, b, sb, out, c->n);                                                        \
            break;                                                                                                     \
        case HG_ARITH_SUB:                                                                                             \
            name##_loop(HG_ARITH_SUB, a, sa, b, sb, out, c->n);                                                        \
            break;                                                                                                     \
        case HG_ARITH_MUL:                                                                                             \
            name##_loop(HG_ARITH_MUL, a, sa, b, sb, out, c->n);                                                        \
            break;                                                                                                     \
        case HG_ARITH_DIV:                                                                                             \
            name##_loop(HG_ARITH_DIV, a, sa, b, sb, out, c->n);                                                        \
            break;                                                                                                     \
        case HG_ARITH_MOD:                                                                                             \
            name##_loop(HG_ARITH_MOD, a, sa, b, sb, out, c->n);                                                        \
            break;                                                                                                     \
        }                                                                                                              \
        if (c->fn->flags & HG_F_NULLS) {                                                                               \
            for (uint32_t i = 0; i < c->n; i++)                                                                        \
                if (b[i * sb] == 0) hg_bit_clear(c->valid, i);                                                         \
        }                                                                                                              \
    }

FLOAT_KERNEL(f32, float, fmodf)
FLOAT_KERNEL(f64, double, fmod)

int hg_k_arith_float(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    if (out->phys == HG_PHYS_F32)
        f32_run(c, args, out->data);
    else
        f64_run(c, args, out->data);
    return 0;
}

/* --- minus -------------------------------------------------------------------------------------------------------- */

#define NEG_INT(T, MIN)                                                                                                \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) {                                                                          \
            T v = a[i * step];                                                                                         \
            if (HG_UNLIKELY(v == MIN) && hg_call_valid(c, i)) return hg_call_fail_row(c, args, i, OVERFLOWS);          \
            r[i] = v == MIN ? v : (T)-v;                                                                               \
        }                                                                                                              \
        return 0;                                                                                                      \
    } while (0)
#define NEG_ANY(T)                                                                                                     \
    do {                                                                                                               \
        const T *a = args[0].col->data;                                                                                \
        T *r = out->data;                                                                                              \
        for (uint32_t i = 0; i < c->n; i++) r[i] = -a[i * step];                                                       \
        return 0;                                                                                                      \
    } while (0)

int hg_k_neg(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    size_t step = hg_vec_step(&args[0]);
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        NEG_INT(int8_t, INT8_MIN);
    case HG_PHYS_I16:
        NEG_INT(int16_t, INT16_MIN);
    case HG_PHYS_I32:
        NEG_INT(int32_t, INT32_MIN);
    case HG_PHYS_I64:
        NEG_INT(int64_t, INT64_MIN);
    case HG_PHYS_I128:
        NEG_ANY(hg_i128); /* |v| < 10^38 */
    case HG_PHYS_F32:
        NEG_ANY(float);
    case HG_PHYS_F64:
        NEG_ANY(double);
    default:
        return hg_call_fail(c, "- on %s", hg_kind_name(c->type->kind));
    }
}
