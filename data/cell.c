/* cell.c: the total order of cells, the one that sorting, consolidation and comparison of nested values share.
 *
 * NULL is smallest, NaN greatest and equal to itself, −0 equals 0; text goes by code point, which is the order of its
 * UTF-8 bytes; CHAR without its padding; lists element by element, then by length. */
#include "base/hg.h"
#include <math.h>
#include "data/col.h"

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))
#define CMP_AS(T) CMP(HG_COL(a, T)[i], HG_COL(b, T)[j])

static int cmp_f64(double x, double y)
{
    bool nx = isnan(x), ny = isnan(y);
    return nx || ny ? nx - ny : CMP(x, y);
}

static hg_str_t text_of(const hg_col_t *c, uint32_t i)
{
    hg_str_t s = hg_col_var(c, i);
    if (c->type->kind == HG_T_CHAR)
        while (s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

static int cmp_text(hg_str_t x, hg_str_t y)
{
    int c = memcmp(x.p, y.p, HG_MIN(x.n, y.n));
    return c ? CMP(c, 0) : CMP(x.n, y.n);
}

static int cmp_list(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j)
{
    int32_t na = a->offs[i + 1] - a->offs[i], nb = b->offs[j + 1] - b->offs[j];
    for (int32_t k = 0; k < HG_MIN(na, nb); k++)
        for (uint32_t ch = 0; ch < a->n_child; ch++) {
            int c = hg_cell_cmp(a->child[ch], (uint32_t)(a->offs[i] + k), b->child[ch], (uint32_t)(b->offs[j] + k));
            if (c) return c;
        }
    return CMP(na, nb);
}

int hg_cell_cmp(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j)
{
    bool na = hg_col_null(a, i), nb = hg_col_null(b, j);
    if (na || nb) return nb - na;
    switch (hg_type_phys(a->type)) {
    case HG_PHYS_NULL:
        return 0;
    case HG_PHYS_BIT:
        return hg_bit_get(a->data, i) - hg_bit_get(b->data, j);
    case HG_PHYS_I8:
        return CMP_AS(int8_t);
    case HG_PHYS_I16:
        return CMP_AS(int16_t);
    case HG_PHYS_I32:
        return CMP_AS(int32_t);
    case HG_PHYS_I64:
        return CMP_AS(int64_t);
    case HG_PHYS_U8:
        return CMP_AS(uint8_t);
    case HG_PHYS_U16:
        return CMP_AS(uint16_t);
    case HG_PHYS_U32:
        return CMP_AS(uint32_t);
    case HG_PHYS_U64:
        return CMP_AS(uint64_t);
    case HG_PHYS_I128:
        return CMP_AS(hg_i128);
    case HG_PHYS_F32:
        return cmp_f64((double)HG_COL(a, float)[i], (double)HG_COL(b, float)[j]);
    case HG_PHYS_F64:
        return cmp_f64(HG_COL(a, double)[i], HG_COL(b, double)[j]);
    case HG_PHYS_VAR:
        return cmp_text(text_of(a, i), text_of(b, j));
    case HG_PHYS_FIX16: {
        int c = memcmp((const char *)a->data + (size_t)16 * i, (const char *)b->data + (size_t)16 * j, 16);
        return CMP(c, 0);
    }
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
        return cmp_list(a, i, b, j);
    case HG_PHYS_STRUCT:
        for (uint32_t k = 0; k < a->n_child; k++) {
            int c = hg_cell_cmp(a->child[k], i, b->child[k], j);
            if (c) return c;
        }
        return 0;
    }
    return 0;
}
