/* hash.c: the keyed row hash, a column at a time.
 *
 * A cell's hash is a keyed folded multiply for up to 16 fixed bytes, and SipHash-1-3 for text and nested values. Cells
 * are chained into the row's hash with another keyed multiply, so the column's place counts. Values are made canonical
 * first: integers are sign-extended to 64 bits, REAL is widened, −0 becomes 0 and every NaN the same NaN, DECIMAL loses
 * trailing zeros, CHAR its padding. */
#include "base/hg.h"
#include <math.h>
#include "data/hash.h"

/* Odd constants from the digits of the golden ratio and of the square roots of 2 and 3. */
#define C_FIX  UINT64_C(0x9e3779b97f4a7c15)
#define C_ROW  UINT64_C(0x6a09e667f3bcc909)
#define C_NULL UINT64_C(0xbb67ae8584caa73b)

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    hg_u128 m = (hg_u128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash16(hg_hashkey_t k, uint64_t lo, uint64_t hi)
{
    uint64_t h = fold(lo ^ k.k0, hi ^ k.k1 ^ C_FIX);
    return fold(h ^ k.k1, k.k0 ^ C_ROW);
}

static inline uint64_t chain(hg_hashkey_t k, uint64_t row, uint64_t cell)
{
    return fold(row ^ k.k0 ^ C_ROW, (cell ^ k.k1) | 1) + cell;
}

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

#define SIPROUND                                                                                                       \
    do {                                                                                                               \
        v0 += v1;                                                                                                      \
        v1 = rotl(v1, 13) ^ v0;                                                                                        \
        v0 = rotl(v0, 32);                                                                                             \
        v2 += v3;                                                                                                      \
        v3 = rotl(v3, 16) ^ v2;                                                                                        \
        v0 += v3;                                                                                                      \
        v3 = rotl(v3, 21) ^ v0;                                                                                        \
        v2 += v1;                                                                                                      \
        v1 = rotl(v1, 17) ^ v2;                                                                                        \
        v2 = rotl(v2, 32);                                                                                             \
    } while (0)

/* SipHash with one round per word and three at the end; words are read as little-endian. */
uint64_t hg_hash_bytes(hg_hashkey_t key, const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t v0 = key.k0 ^ UINT64_C(0x736f6d6570736575), v1 = key.k1 ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = key.k0 ^ UINT64_C(0x6c7967656e657261), v3 = key.k1 ^ UINT64_C(0x7465646279746573);
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t m;
        memcpy(&m, s, 8);
        v3 ^= m;
        SIPROUND;
        v0 ^= m;
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)s[i] << (8 * i);
    v3 ^= last;
    SIPROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

static inline uint64_t hash_f64(hg_hashkey_t key, double v)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000);
    if (v == 0)
        bits = 0;
    else if (!isnan(v))
        memcpy(&bits, &v, 8);
    return hash16(key, bits, 1);
}

static uint64_t hash_dec(hg_hashkey_t key, hg_i128 v, int32_t scale)
{
    while (scale > 0 && v != 0) {
        if (v >= INT64_MIN && v <= INT64_MAX) { /* 128-bit division is slow; most values are short */
            int64_t w = (int64_t)v;
            for (; scale > 0 && w % 10 == 0; scale--) w /= 10;
            v = w;
            break;
        }
        if (v % 10 != 0) break;
        v /= 10;
        scale--;
    }
    if (v == 0) scale = 0;
    uint64_t h = hash16(key, (uint64_t)v, (uint64_t)(v >> 64));
    return scale ? chain(key, h, (uint64_t)scale) : h;
}

static hg_str_t unpad(hg_str_t s)
{
    while (s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

static uint64_t hash_cell(hg_hashkey_t key, const hg_col_t *c, uint32_t i);

static uint64_t hash_list(hg_hashkey_t key, const hg_col_t *c, uint32_t i)
{
    uint64_t h = hash16(key, (uint64_t)(c->offs[i + 1] - c->offs[i]), 2);
    for (int32_t j = c->offs[i]; j < c->offs[i + 1]; j++)
        for (uint32_t k = 0; k < c->n_child; k++) h = chain(key, h, hash_cell(key, c->child[k], (uint32_t)j));
    return h;
}

static uint64_t hash_valid(hg_hashkey_t key, const hg_col_t *c, uint32_t i)
{
    switch (hg_type_phys(c->type)) {
    case HG_PHYS_NULL:
        return C_NULL;
    case HG_PHYS_BIT:
        return hash16(key, hg_bit_get(c->data, i), 3);
    case HG_PHYS_I8:
        return hash16(key, (uint64_t)(int64_t)HG_COL(c, int8_t)[i], 0);
    case HG_PHYS_I16:
        return hash16(key, (uint64_t)(int64_t)HG_COL(c, int16_t)[i], 0);
    case HG_PHYS_I32:
        return hash16(key, (uint64_t)(int64_t)HG_COL(c, int32_t)[i], 0);
    case HG_PHYS_I64:
        return hash16(key, (uint64_t)HG_COL(c, int64_t)[i], 0);
    case HG_PHYS_U8:
        return hash16(key, HG_COL(c, uint8_t)[i], 0);
    case HG_PHYS_U16:
        return hash16(key, HG_COL(c, uint16_t)[i], 0);
    case HG_PHYS_U32:
        return hash16(key, HG_COL(c, uint32_t)[i], 0);
    case HG_PHYS_U64:
        return hash16(key, HG_COL(c, uint64_t)[i], 0);
    case HG_PHYS_I128:
        return hash_dec(key, HG_COL(c, hg_i128)[i], c->type->scale);
    case HG_PHYS_F32:
        return hash_f64(key, (double)HG_COL(c, float)[i]);
    case HG_PHYS_F64:
        return hash_f64(key, HG_COL(c, double)[i]);
    case HG_PHYS_FIX16: {
        uint64_t w[2];
        memcpy(w, (const char *)c->data + (size_t)16 * i, 16);
        return hash16(key, w[0], w[1]);
    }
    case HG_PHYS_VAR: {
        hg_str_t s = hg_col_var(c, i);
        if (c->type->kind == HG_T_CHAR) s = unpad(s);
        return hg_hash_bytes(key, s.p, s.n);
    }
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
        return hash_list(key, c, i);
    case HG_PHYS_STRUCT: {
        uint64_t h = hash16(key, c->n_child, 4);
        for (uint32_t k = 0; k < c->n_child; k++) h = chain(key, h, hash_cell(key, c->child[k], i));
        return h;
    }
    }
    return 0;
}

static uint64_t hash_cell(hg_hashkey_t key, const hg_col_t *c, uint32_t i)
{
    return hg_col_null(c, i) ? hash16(key, C_NULL, C_NULL) : hash_valid(key, c, i);
}

/* The layout is asked once per column, not once per cell. */
#define EACH(expr)                                                                                                     \
    for (uint32_t r = 0; r < n; r++) {                                                                                 \
        uint32_t i = sel ? sel[r] : r;                                                                                 \
        out[r] = chain(key, out[r], (expr));                                                                           \
    }                                                                                                                  \
    break

static void hash_column(hg_hashkey_t key, const hg_col_t *c, const uint32_t *sel, uint32_t n, uint64_t *out)
{
    hg_phys_t p = c->nulls ? HG_PHYS_NULL : hg_type_phys(c->type);
    switch ((int)p) {
    case HG_PHYS_I32:
        EACH(hash16(key, (uint64_t)(int64_t)HG_COL(c, int32_t)[i], 0));
    case HG_PHYS_I64:
        EACH(hash16(key, (uint64_t)HG_COL(c, int64_t)[i], 0));
    case HG_PHYS_U64:
        EACH(hash16(key, HG_COL(c, uint64_t)[i], 0));
    default:
        EACH(hash_cell(key, c, i));
    }
}

void hg_hash_rows(hg_hashkey_t key, hg_col_t *const *cols, uint32_t n_cols, const uint32_t *sel, uint32_t n,
                  uint64_t *out)
{
    for (uint32_t r = 0; r < n; r++) out[r] = key.k1;
    for (uint32_t k = 0; k < n_cols; k++) hash_column(key, cols[k], sel, n, out);
}
