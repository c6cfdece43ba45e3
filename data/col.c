/* col.c: sealed columns and batches: counting references, gathering rows, views of the same buffers.
 *
 * Any thread: a sealed column is never written again. Memory belongs either to the column itself (base == NULL) or
 * wholly to `base`, which the column retains; child columns follow the same rule as the buffers. */
#include "base/hg.h"
#include "data/col_int.h"

int64_t hg_col_zeros[16];

void hg_bits_fill(uint8_t *bits, size_t from, size_t to)
{
    while (from < to && (from & 7)) hg_bit_set(bits, from++);
    if (to > from && to / 8 > from / 8) {
        memset(bits + from / 8, 0xff, to / 8 - from / 8);
        from = to & ~(size_t)7;
    }
    while (from < to) hg_bit_set(bits, from++);
}

uint32_t hg_bits_zeros(const uint8_t *bits, size_t from, size_t to)
{
    uint32_t n = 0;
    while (from < to && (from & 7)) n += !hg_bit_get(bits, from++);
    for (; from + 64 <= to; from += 64) {
        uint64_t w;
        memcpy(&w, bits + from / 8, 8);
        n += (uint32_t)__builtin_popcountll(~w);
    }
    while (from < to) n += !hg_bit_get(bits, from++);
    return n;
}

uint32_t hg_n_children(const hg_type_t *t)
{
    switch ((int)hg_type_phys(t)) {
    case HG_PHYS_LIST:
        return 1;
    case HG_PHYS_MAP:
        return 2;
    case HG_PHYS_STRUCT:
        return t->n_fields;
    default:
        return 0;
    }
}

hg_col_t *hg_col_bare(const hg_type_t *type, uint32_t len)
{
    hg_col_t *c = HG_NEW(hg_col_t);
    atomic_init(&c->refs, 1);
    c->type = type;
    c->len = len;
    c->data = hg_col_zeros;
    c->offs = (int32_t *)(void *)hg_col_zeros;
    c->bytes = (char *)hg_col_zeros;
    c->n_child = hg_n_children(type);
    if (c->n_child) c->child = HG_NEWN(hg_col_t *, c->n_child);
    return c;
}

hg_col_t *hg_col_retain(hg_col_t *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void hg_col_drop(hg_col_t *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    if (c->base) {
        hg_col_drop(c->base);
    } else {
        hg_free(c->validity);
        hg_colbuf_free(c->data);
        hg_colbuf_free(c->offs);
        hg_colbuf_free(c->bytes);
        for (uint32_t i = 0; i < c->n_child; i++) hg_col_drop(c->child[i]);
        hg_free(c->child);
    }
    hg_free(c);
}

hg_col_t *hg_col_retype(hg_col_t *c, const hg_type_t *type)
{
    if (c->type == type) return hg_col_retain(c);
    HG_ASSERT(hg_type_phys(c->type) == hg_type_phys(type) && hg_n_children(c->type) == hg_n_children(type));
    hg_col_t *r = HG_NEW(hg_col_t);
    atomic_init(&r->refs, 1);
    r->type = type;
    r->len = c->len;
    r->nulls = c->nulls;
    r->validity = c->validity;
    r->data = c->data;
    r->offs = c->offs;
    r->bytes = c->bytes;
    r->child = c->child;
    r->n_child = c->n_child;
    r->mem = c->mem; /* shared buffers count in each (hg_batch_mem) */
    r->base = hg_col_retain(c->base ? c->base : c);
    return r;
}

/* --- gather --- */

static void *gather_buf(hg_col_t *r, size_t n)
{
    void *p = hg_tryalign(n);
    if (p) r->mem += n;
    return p;
}

static int gather_validity(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r)
{
    if (c->nulls == 0) return 0;
    uint8_t *v = gather_buf(r, hg_bitmap_bytes(n) + 8);
    if (!v) return HG_ENOMEM;
    memset(v, 0, hg_bitmap_bytes(n) + 8);
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (hg_bit_get(c->validity, sel[i]))
            hg_bit_set(v, i);
        else
            nulls++;
    }
    if (nulls == 0) {
        hg_free(v);
        r->mem -= hg_bitmap_bytes(n) + 8;
        return 0;
    }
    r->validity = v;
    r->nulls = nulls;
    return 0;
}

#define GATHER(T)                                                                                                      \
    do {                                                                                                               \
        T *out = r->data;                                                                                              \
        const T *in = c->data;                                                                                         \
        for (uint32_t i = 0; i < n; i++) out[i] = in[sel[i]];                                                          \
    } while (0)

static int gather_fixed(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r)
{
    size_t w = hg_phys_width(hg_type_phys(c->type));
    r->data = gather_buf(r, w * n);
    if (!r->data) return HG_ENOMEM;
    switch (w) {
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
    default:
        GATHER(hg_u128);
        break;
    }
    return 0;
}

static int gather_bits(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r)
{
    r->data = gather_buf(r, hg_bitmap_bytes(n) + 8);
    if (!r->data) return HG_ENOMEM;
    memset(r->data, 0, hg_bitmap_bytes(n) + 8);
    for (uint32_t i = 0; i < n; i++)
        if (hg_bit_get(c->data, sel[i])) hg_bit_set(r->data, i);
    return 0;
}

/* Offsets of the result, and the number of bytes or elements that it will hold. */
static int gather_offs(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r, uint32_t *ret_total)
{
    r->offs = gather_buf(r, sizeof(int32_t) * ((size_t)n + 1));
    if (!r->offs) return HG_ENOMEM;
    int64_t at = 0;
    r->offs[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        at += c->offs[sel[i] + 1] - c->offs[sel[i]];
        if (at > INT32_MAX) return HG_ETOOBIG;
        r->offs[i + 1] = (int32_t)at;
    }
    *ret_total = (uint32_t)at;
    return 0;
}

static int gather_var(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r)
{
    uint32_t total;
    int rc = gather_offs(c, sel, n, r, &total);
    if (rc < 0) return rc;
    r->bytes = gather_buf(r, total);
    if (!r->bytes) return HG_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        hg_str_t s = hg_col_var(c, sel[i]);
        memcpy(r->bytes + r->offs[i], s.p, s.n);
    }
    return 0;
}

static int gather_list(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r, hg_err_t *err)
{
    uint32_t total;
    int rc = gather_offs(c, sel, n, r, &total);
    if (rc < 0) return rc;
    uint32_t *inner = hg_trynew(sizeof *inner * ((size_t)total + 1));
    if (!inner) return HG_ENOMEM;
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        for (int32_t j = c->offs[sel[i]]; j < c->offs[sel[i] + 1]; j++) inner[k++] = (uint32_t)j;
    for (uint32_t i = 0; i < c->n_child && rc == 0; i++) {
        rc = hg_col_gather(c->child[i], inner, total, &r->child[i], err);
        if (rc == 0) r->mem += r->child[i]->mem;
    }
    hg_free(inner);
    return rc;
}

static int gather_struct(const hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t *r, hg_err_t *err)
{
    for (uint32_t i = 0; i < c->n_child; i++) {
        int rc = hg_col_gather(c->child[i], sel, n, &r->child[i], err);
        if (rc < 0) return rc;
        r->mem += r->child[i]->mem;
    }
    return 0;
}

int hg_col_gather(hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t **ret, hg_err_t *err)
{
    hg_col_t *r = hg_col_bare(c->type, n);
    int rc = gather_validity(c, sel, n, r);
    if (rc == 0) {
        switch (hg_phys_shape(hg_type_phys(c->type))) {
        case HG_SHAPE_NULL:
            break; /* the validity bitmap is all there is */
        case HG_SHAPE_BIT:
            rc = gather_bits(c, sel, n, r);
            break;
        case HG_SHAPE_VAR:
            rc = gather_var(c, sel, n, r);
            break;
        case HG_SHAPE_LIST:
            rc = gather_list(c, sel, n, r, err);
            break;
        case HG_SHAPE_STRUCT:
            rc = gather_struct(c, sel, n, r, err);
            break;
        case HG_SHAPE_FIXED:
            rc = gather_fixed(c, sel, n, r);
            break;
        }
    }
    if (rc == 0) {
        *ret = r;
        return 0;
    }
    hg_col_drop(r);
    if (rc == HG_ETOOBIG) return hg_err_set(err, rc, "a column would hold more than 2^31-1 bytes or elements");
    return hg_err_set(err, HG_ENOMEM, "out of memory while gathering %u rows", n);
}

/* --- batches --- */

hg_batch_t *hg_batch_new(uint32_t n_rows, uint32_t n_cols)
{
    hg_batch_t *b = hg_xzero(sizeof *b + sizeof(hg_col_t *) * n_cols);
    atomic_init(&b->refs, 1);
    b->n_rows = n_rows;
    b->n_cols = n_cols;
    return b;
}

hg_batch_t *hg_batch_retain(hg_batch_t *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void hg_batch_drop(hg_batch_t *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < b->n_cols; i++) hg_col_drop(b->cols[i]);
    hg_free(b);
}

size_t hg_batch_mem(const hg_batch_t *b)
{
    size_t n = 0;
    for (uint32_t i = 0; i < b->n_cols; i++)
        if (b->cols[i]) n += b->cols[i]->mem;
    return n;
}

int hg_batch_gather(hg_batch_t *b, const uint32_t *sel, uint32_t n, hg_batch_t **ret, hg_err_t *err)
{
    hg_batch_t *r = hg_batch_new(n, b->n_cols);
    for (uint32_t i = 0; i < b->n_cols; i++) {
        int rc = hg_col_gather(b->cols[i], sel, n, &r->cols[i], err);
        if (rc < 0) {
            hg_batch_drop(r);
            return rc;
        }
    }
    *ret = r;
    return 0;
}
