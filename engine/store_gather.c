/* store_gather.c: new columns out of rows of several others, and equality of cells.
 *
 * Any thread. Sources may be columns of a segment that the circuit is still appending to: the rows asked for are
 * complete, but a byte of a bitmap may be shared with a row that is being written. Bits are therefore read with relaxed
 * atomics; all else is plain.
 */
#include "base/hg.h"
#include "engine/store_int.h"

static inline bool bit_at(const uint8_t *bits, uint32_t i)
{
    return (__atomic_load_n(&bits[i >> 3], __ATOMIC_RELAXED) >> (i & 7)) & 1;
}

static void *buf_new(hg_col_t *c, size_t n)
{
    void *p = hg_tryalign(n);
    if (p) c->mem += n;
    return p;
}

static int gather_bits(const hg_col_t *const *srcs, bool validity, const uint32_t *src, const uint32_t *row, uint32_t n,
                       hg_col_t *c, uint8_t **ret, uint32_t *ret_zeros)
{
    size_t size = ((size_t)n + 63) / 64 * 8;
    uint8_t *out = buf_new(c, size);
    if (!out) return HG_ENOMEM;
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < n; i += 8) {
        uint8_t byte = 0;
        uint32_t m = HG_MIN(n - i, 8u);
        for (uint32_t k = 0; k < m; k++) {
            const hg_col_t *s = srcs[src ? src[i + k] : 0];
            const uint8_t *bits = validity ? s->validity : s->data;
            bool on = !bits || bit_at(bits, row[i + k]);
            byte = (uint8_t)(byte | (unsigned)on << k);
            zeros += !on;
        }
        out[i >> 3] = byte;
    }
    memset(out + ((size_t)n + 7) / 8, 0, size - ((size_t)n + 7) / 8);
    *ret = out;
    *ret_zeros = zeros;
    return 0;
}

#define GATHER(T)                                                                                                      \
    do {                                                                                                               \
        T *out = c->data;                                                                                              \
        if (src)                                                                                                       \
            for (uint32_t i = 0; i < n; i++) out[i] = ((const T *)srcs[src[i]]->data)[row[i]];                         \
        else                                                                                                           \
            for (uint32_t i = 0; i < n; i++) out[i] = ((const T *)srcs[0]->data)[row[i]];                              \
    } while (0)

static int gather_fixed(const hg_col_t *const *srcs, size_t width, const uint32_t *src, const uint32_t *row, uint32_t n,
                        hg_col_t *c)
{
    c->data = buf_new(c, width * n);
    if (!c->data) return HG_ENOMEM;
    switch (width) {
    case 1:
        GATHER(uint8_t);
        break;
    case 2:
        GATHER(uint16_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    case 8:
        GATHER(uint64_t);
        break;
    default: {
        char *out = c->data;
        for (uint32_t i = 0; i < n; i++)
            memcpy(out + width * i, (const char *)srcs[src ? src[i] : 0]->data + width * row[i], width);
    }
    }
    return 0;
}

static int gather_offs(const hg_col_t *const *srcs, const uint32_t *src, const uint32_t *row, uint32_t n, hg_col_t *c,
                       uint32_t *ret)
{
    c->offs = buf_new(c, sizeof(int32_t) * ((size_t)n + 1));
    if (!c->offs) return HG_ENOMEM;
    int64_t at = 0;
    c->offs[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const hg_col_t *s = srcs[src ? src[i] : 0];
        const int32_t *o = s->offs + row[i];
        if (s->bytes) __builtin_prefetch(s->bytes + o[0]); /* texts are copied when all lengths are known */
        at += o[1] - o[0];
        if (at > INT32_MAX) return HG_ETOOBIG;
        c->offs[i + 1] = (int32_t)at;
    }
    *ret = (uint32_t)at;
    return 0;
}

static int gather_var(const hg_col_t *const *srcs, const uint32_t *src, const uint32_t *row, uint32_t n, hg_col_t *c)
{
    uint32_t total = 0;
    int rc = gather_offs(srcs, src, row, n, c, &total);
    if (rc < 0) return rc;
    c->bytes = buf_new(c, total);
    if (!c->bytes) return HG_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        hg_str_t s = hg_col_var(srcs[src ? src[i] : 0], row[i]);
        if (s.n) memcpy(c->bytes + c->offs[i], s.p, s.n);
    }
    return 0;
}

static int gather_child(const hg_type_t *type, const hg_col_t *const *srcs, uint32_t n_srcs, uint32_t k,
                        const uint32_t *src, const uint32_t *row, uint32_t n, hg_col_t *c, hg_err_t *err)
{
    const hg_col_t **inner = hg_trynew(sizeof *inner * n_srcs);
    if (!inner) return HG_ENOMEM;
    for (uint32_t i = 0; i < n_srcs; i++) inner[i] = srcs[i] ? srcs[i]->child[k] : NULL;
    int rc = hg_gather(type, inner, n_srcs, src, row, n, &c->child[k], err);
    if (rc == 0) c->mem += c->child[k]->mem;
    hg_free(inner);
    return rc;
}

static int gather_list(const hg_type_t *type, const hg_col_t *const *srcs, uint32_t n_srcs, const uint32_t *src,
                       const uint32_t *row, uint32_t n, hg_col_t *c, hg_err_t *err)
{
    uint32_t total = 0;
    int rc = gather_offs(srcs, src, row, n, c, &total);
    if (rc < 0) return rc;
    uint32_t *esrc = hg_trynew(sizeof *esrc * (size_t)total), *erow = hg_trynew(sizeof *erow * (size_t)total);
    uint32_t k = 0;
    if (!esrc || !erow) {
        rc = HG_ENOMEM;
        goto done;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t s = src ? src[i] : 0;
        const int32_t *o = srcs[s]->offs + row[i];
        for (int32_t j = o[0]; j < o[1]; j++) {
            esrc[k] = s;
            erow[k++] = (uint32_t)j;
        }
    }
    if (type->kind == HG_T_MAP) {
        rc = gather_child(type->key, srcs, n_srcs, 0, esrc, erow, total, c, err);
        if (rc == 0) rc = gather_child(type->elem, srcs, n_srcs, 1, esrc, erow, total, c, err);
    } else {
        rc = gather_child(type->elem, srcs, n_srcs, 0, esrc, erow, total, c, err);
    }
done:
    hg_free(esrc);
    hg_free(erow);
    return rc;
}

static int gather_layout(const hg_type_t *type, const hg_col_t *const *srcs, uint32_t n_srcs, const uint32_t *src,
                         const uint32_t *row, uint32_t n, hg_col_t *c, hg_err_t *err)
{
    hg_phys_t phys = hg_type_phys(type);
    switch (phys) {
    case HG_PHYS_NULL:
        c->nulls = n;
        return 0;
    case HG_PHYS_BIT: {
        uint32_t zeros;
        uint8_t *bits = NULL;
        int rc = gather_bits(srcs, false, src, row, n, c, &bits, &zeros);
        c->data = bits;
        return rc;
    }
    case HG_PHYS_VAR:
        return gather_var(srcs, src, row, n, c);
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
        return gather_list(type, srcs, n_srcs, src, row, n, c, err);
    case HG_PHYS_STRUCT:
        for (uint32_t k = 0; k < type->n_fields; k++) {
            int rc = gather_child(type->fields[k].type, srcs, n_srcs, k, src, row, n, c, err);
            if (rc < 0) return rc;
        }
        return 0;
    case HG_PHYS_I8:
    case HG_PHYS_I16:
    case HG_PHYS_I32:
    case HG_PHYS_I64:
    case HG_PHYS_U8:
    case HG_PHYS_U16:
    case HG_PHYS_U32:
    case HG_PHYS_U64:
    case HG_PHYS_I128:
    case HG_PHYS_F32:
    case HG_PHYS_F64:
    case HG_PHYS_FIX16:
        return gather_fixed(srcs, hg_phys_width(phys), src, row, n, c);
    }
    return HG_EBUG;
}

static uint32_t n_children(const hg_type_t *t)
{
    hg_phys_t p = hg_type_phys(t);
    return p == HG_PHYS_LIST ? 1 : p == HG_PHYS_MAP ? 2 : p == HG_PHYS_STRUCT ? t->n_fields : 0;
}

int hg_gather(const hg_type_t *type, const hg_col_t *const *srcs, uint32_t n_srcs, const uint32_t *src,
              const uint32_t *row, uint32_t n, hg_col_t **ret, hg_err_t *err)
{
    hg_col_t *c = HG_NEW(hg_col_t);
    atomic_init(&c->refs, 1);
    c->type = type;
    c->len = n;
    c->n_child = n_children(type);
    if (c->n_child) c->child = HG_NEWN(hg_col_t *, c->n_child);

    int rc = 0;
    bool nullable = false;
    for (uint32_t i = 0; i < n_srcs && !nullable; i++) nullable = srcs[i] && hg_col_may_null(srcs[i]);
    if (nullable && n) {
        rc = gather_bits(srcs, true, src, row, n, c, &c->validity, &c->nulls);
        if (rc == 0 && c->nulls == 0) {
            hg_free(c->validity);
            c->validity = NULL;
        }
    }
    if (rc == 0) rc = gather_layout(type, srcs, n_srcs, src, row, n, c, err);
    if (rc == 0) {
        *ret = c;
        return 0;
    }
    hg_col_drop(c);
    if (rc == HG_ETOOBIG) return hg_err_set(err, rc, "a column of %u rows would hold more than 2^31-1 bytes", n);
    return hg_err_set(err, HG_ENOMEM, "out of memory while reading %u rows", n);
}

bool hg_cell_eq(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j)
{
    bool an = hg_col_null(a, i), bn = hg_col_null(b, j);
    if (an || bn) return an && bn;
    hg_phys_t phys = hg_type_phys(a->type);
    switch (phys) {
    case HG_PHYS_NULL:
        return true;
    case HG_PHYS_BIT:
        return hg_bit_get(a->data, i) == hg_bit_get(b->data, j);
    case HG_PHYS_I8:
    case HG_PHYS_U8:
        return HG_COL(a, uint8_t)[i] == HG_COL(b, uint8_t)[j];
    case HG_PHYS_I16:
    case HG_PHYS_U16:
        return HG_COL(a, uint16_t)[i] == HG_COL(b, uint16_t)[j];
    case HG_PHYS_I32:
    case HG_PHYS_U32:
        return HG_COL(a, uint32_t)[i] == HG_COL(b, uint32_t)[j];
    case HG_PHYS_I64:
    case HG_PHYS_U64:
        return HG_COL(a, uint64_t)[i] == HG_COL(b, uint64_t)[j];
    case HG_PHYS_I128:
    case HG_PHYS_FIX16:
        return memcmp(HG_COL(a, char) + (size_t)16 * i, HG_COL(b, char) + (size_t)16 * j, 16) == 0;
    case HG_PHYS_VAR:
        if (a->type->kind != HG_T_CHAR) {
            hg_str_t x = hg_col_var(a, i), y = hg_col_var(b, j);
            return x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0);
        }
        break;
    case HG_PHYS_F32:
    case HG_PHYS_F64:
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
    case HG_PHYS_STRUCT:
        break;
    }
    return hg_cell_cmp(a, i, b, j) == 0;
}
