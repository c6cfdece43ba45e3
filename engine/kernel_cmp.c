/* kernel_cmp.c: comparison of all types, GREATEST, LEAST and NULLIF.
 *
 * Two loops per type, equal and less; the other four operators are those with the sides swapped or the bits turned.
 * That is sound because every type is totally ordered here: NaN equals NaN and is greatest, −0 equals 0. */
#include "base/hg.h"
#include <math.h>
#include "engine/eval_int.h"

#define INLINE static inline __attribute__((always_inline))

#define EQ_PLAIN(x, y) ((x) == (y))
#define LT_PLAIN(x, y) ((x) < (y))
#define EQ_FLOAT(x, y) ((x) == (y) || (isnan(x) && isnan(y)))
#define LT_FLOAT(x, y) ((x) < (y) || (isnan(y) && !isnan(x)))

#define CMP_KERNEL(name, T, EQ, LT)                                                                                    \
    INLINE void name##_loop(bool less, const T *a, size_t sa, const T *b, size_t sb, uint64_t *out, uint32_t n)        \
    {                                                                                                                  \
        for (uint32_t at = 0; at < n; at += 64) {                                                                      \
            uint32_t m = HG_MIN(n - at, 64);                                                                           \
            uint64_t bits = 0;                                                                                         \
            for (uint32_t j = 0; j < m; j++) {                                                                         \
                T x = a[(at + j) * sa], y = b[(at + j) * sb];                                                          \
                bits |= (uint64_t)(less ? LT(x, y) : EQ(x, y)) << j;                                                   \
            }                                                                                                          \
            out[at / 64] = bits;                                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    INLINE void name##_strides(bool less, const hg_vec_t *l, const hg_vec_t *r, uint64_t *out, uint32_t n)             \
    {                                                                                                                  \
        const T *a = l->col->data, *b = r->col->data;                                                                  \
        if (l->konst)                                                                                                  \
            name##_loop(less, a, 0, b, r->konst ? 0 : 1, out, n);                                                      \
        else if (r->konst)                                                                                             \
            name##_loop(less, a, 1, b, 0, out, n);                                                                     \
        else                                                                                                           \
            name##_loop(less, a, 1, b, 1, out, n);                                                                     \
    }                                                                                                                  \
    static void name##_run(bool less, const hg_vec_t *l, const hg_vec_t *r, uint64_t *out, uint32_t n)                 \
    {                                                                                                                  \
        if (less)                                                                                                      \
            name##_strides(true, l, r, out, n);                                                                        \
        else                                                                                                           \
            name##_strides(false, l, r, out, n);                                                                       \
    }

CMP_KERNEL(i8, int8_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(i16, int16_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(i32, int32_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(i64, int64_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(u8, uint8_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(u16, uint16_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(u32, uint32_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(u64, uint64_t, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(i128, hg_i128, EQ_PLAIN, LT_PLAIN)
CMP_KERNEL(f32, float, EQ_FLOAT, LT_FLOAT)
CMP_KERNEL(f64, double, EQ_FLOAT, LT_FLOAT)

static int cmp_bytes(hg_str_t x, hg_str_t y)
{
    int c = memcmp(x.p, y.p, HG_MIN(x.n, y.n));
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

static bool is_text(const hg_type_t *t)
{
    return t->kind == HG_T_VARCHAR || hg_kind_is_bytes(t->kind);
}

int hg_vec_cmp(const hg_vec_t *a, uint32_t i, const hg_vec_t *b, uint32_t j)
{
    uint32_t x = hg_vec_at(a, i), y = hg_vec_at(b, j);
    const hg_type_t *ta = a->col->type, *tb = b->col->type;
    if (ta->kind == HG_T_DECIMAL && ta->scale != tb->scale)
        return hg_dec_cmp(HG_COL(a->col, hg_i128)[x], ta->scale, HG_COL(b->col, hg_i128)[y], tb->scale);
    return hg_cell_cmp(a->col, x, b->col, y);
}

static void cmp_text(bool less, const hg_vec_t *l, const hg_vec_t *r, const hg_call_t *c, uint64_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        hg_str_t x = hg_vec_str(l, i), y = hg_vec_str(r, i);
        if (less ? cmp_bytes(x, y) < 0 : hg_str_eq(x, y)) out[i / 64] |= UINT64_C(1) << (i & 63);
    }
}

static void cmp_any(bool less, const hg_vec_t *l, const hg_vec_t *r, const hg_call_t *c, uint64_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (!hg_call_valid(c, i)) continue;
        int o = hg_vec_cmp(l, i, r, i);
        if (less ? o < 0 : o == 0) out[i / 64] |= UINT64_C(1) << (i & 63);
    }
}

/* out: zeroed words. */
static void compare(bool less, const hg_vec_t *l, const hg_vec_t *r, const hg_call_t *c, uint64_t *out)
{
    const hg_type_t *x = l->col->type, *y = r->col->type;
    if (is_text(x) && is_text(y)) {
        cmp_text(less, l, r, c, out);
        return;
    }
    if (x->kind == HG_T_DECIMAL && x->scale != y->scale) {
        cmp_any(less, l, r, c, out);
        return;
    }
    switch ((int)hg_type_phys(x)) {
    case HG_PHYS_I8:
        i8_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_I16:
        i16_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_I32:
        i32_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_I64:
        i64_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_U8:
        u8_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_U16:
        u16_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_U32:
        u32_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_U64:
        u64_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_I128:
        i128_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_F32:
        f32_run(less, l, r, out, c->n);
        return;
    case HG_PHYS_F64:
        f64_run(less, l, r, out, c->n);
        return;
    default:
        cmp_any(less, l, r, c, out);
        return; /* BOOLEAN, UUID, CHAR, nested */
    }
}

int hg_k_cmp(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_cmp_t op = (hg_cmp_t)c->fn->aux;
    uint64_t *bits = out->data;
    /* l <= r is not r < l, and so on */
    bool less = op != HG_CMP_EQ && op != HG_CMP_NE;
    bool swap = op == HG_CMP_GT || op == HG_CMP_LE;
    bool turn = op == HG_CMP_NE || op == HG_CMP_LE || op == HG_CMP_GE;
    compare(less, &args[swap], &args[!swap], c, bits);
    for (uint32_t w = 0; turn && w < (c->n + 63) / 64; w++) bits[w] = ~bits[w];
    return 0;
}

int hg_k_distinct(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    bool differ = c->fn->aux == HG_CMP_DIFFER;
    for (uint32_t i = 0; i < c->n; i++) {
        bool nx = hg_vec_null(&args[0], i), ny = hg_vec_null(&args[1], i);
        bool same = nx || ny ? nx && ny : hg_vec_cmp(&args[0], i, &args[1], i) == 0;
        if (same != differ) hg_bit_set(out->data, i);
    }
    return 0;
}

/* Row i of the result is row i of v (NULL v: NULL). */
static int put(hg_call_t *c, hg_colb_t *out, uint32_t i, const hg_vec_t *v)
{
    size_t w = hg_phys_width(out->phys);
    if (w == 0 && out->phys != HG_PHYS_BIT) return v ? hg_colb_copy(out, v->col, hg_vec_at(v, i)) : hg_colb_null(out);
    if (!v) {
        if (c->valid) hg_bit_clear(c->valid, i);
    } else if (w) {
        memcpy((char *)out->data + w * i, (const char *)v->col->data + w * hg_vec_at(v, i), w);
    } else if (hg_bit_get(v->col->data, hg_vec_at(v, i))) {
        hg_bit_set(out->data, i);
    }
    return 0;
}

int hg_k_greatest(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    bool lenient = c->fn->flags & HG_F_LENIENT, greatest = c->fn->aux;
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        const hg_vec_t *best = NULL;
        for (uint32_t k = 0; k < c->n_args && (lenient || hg_call_valid(c, i)); k++) {
            if (hg_vec_null(&args[k], i)) continue;
            int o = best ? hg_vec_cmp(&args[k], i, best, i) : 0;
            if (!best || (greatest ? o > 0 : o < 0)) best = &args[k];
        }
        rc = put(c, out, i, best);
    }
    return rc;
}

/* --- NULLIF: the first argument keeps its type, so numbers and texts of different types meet uncast --- */

#define EXACT(T) return HG_COL(v->col, T)[i]

/* An integer or DECIMAL cell without its scale. */
static hg_i128 exact_at(const hg_vec_t *v, uint32_t r)
{
    uint32_t i = hg_vec_at(v, r);
    switch ((int)v->col->type->kind) {
    case HG_T_TINYINT:
        EXACT(int8_t);
    case HG_T_SMALLINT:
        EXACT(int16_t);
    case HG_T_INTEGER:
        EXACT(int32_t);
    case HG_T_BIGINT:
        EXACT(int64_t);
    case HG_T_UTINYINT:
        EXACT(uint8_t);
    case HG_T_USMALLINT:
        EXACT(uint16_t);
    case HG_T_UINTEGER:
        EXACT(uint32_t);
    case HG_T_UBIGINT:
        EXACT(uint64_t);
    default:
        EXACT(hg_i128);
    }
}

static double double_at(const hg_vec_t *v, uint32_t r)
{
    const hg_type_t *t = v->col->type;
    if (t->kind == HG_T_REAL) return (double)HG_COL(v->col, float)[hg_vec_at(v, r)];
    if (t->kind == HG_T_DOUBLE) return HG_COL(v->col, double)[hg_vec_at(v, r)];
    return hg_dec_to_f64(exact_at(v, r), t->kind == HG_T_DECIMAL ? t->scale : 0);
}

static bool equal_uncast(const hg_vec_t *a, const hg_vec_t *b, uint32_t r)
{
    const hg_type_t *x = a->col->type, *y = b->col->type;
    bool floats = x->kind == HG_T_REAL || x->kind == HG_T_DOUBLE || y->kind == HG_T_REAL || y->kind == HG_T_DOUBLE;
    if (x->kind == y->kind || !hg_kind_is_numeric(x->kind)) return hg_vec_cmp(a, r, b, r) == 0;
    if (floats) return EQ_FLOAT(double_at(a, r), double_at(b, r));
    int sx = x->kind == HG_T_DECIMAL ? x->scale : 0, sy = y->kind == HG_T_DECIMAL ? y->scale : 0;
    return hg_dec_cmp(exact_at(a, r), sx, exact_at(b, r), sy) == 0;
}

int hg_k_nullif(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        bool null = hg_vec_null(&args[0], i);
        if (!null && !hg_vec_null(&args[1], i)) null = equal_uncast(&args[0], &args[1], i);
        rc = put(c, out, i, null ? NULL : &args[0]);
    }
    return rc;
}
