/* delta.c: parts, deltas, and consolidation.
 *
 * Consolidation sorts references to rows, not rows: an entry is a part, a row number, the weight and the first eight
 * order-preserving bytes of the first column, which decide most comparisons without touching the columns. Memory is a
 * handful of arrays per call, never per row. Any thread: inputs are only read. */
#include "base/hg.h"
#include <math.h>
#include "data/col_int.h"

#define PART_ROWS 65536u

hg_part_t *hg_part_new(hg_batch_t *batch, uint32_t *sel, uint32_t n, int64_t *weights)
{
    HG_DASSERT(sel || n == batch->n_rows);
    hg_part_t *p = HG_NEW(hg_part_t);
    atomic_init(&p->refs, 1);
    p->batch = batch;
    p->sel = sel;
    p->n = n;
    p->weights = weights;
    return p;
}

hg_part_t *hg_part_retain(hg_part_t *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void hg_part_drop(hg_part_t *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
    hg_batch_drop(p->batch);
    hg_free(p->sel);
    hg_free(p->weights);
    hg_free(p);
}

int hg_part_flatten(hg_part_t *p, hg_batch_t **ret, hg_err_t *err)
{
    if (p->sel) return hg_batch_gather(p->batch, p->sel, p->n, ret, err);
    *ret = hg_batch_retain(p->batch);
    return 0;
}

int hg_delta_add(hg_delta_t *d, hg_part_t *p)
{
    if (d->n == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 4;
        hg_part_t **parts = hg_trygrow(d->parts, sizeof(hg_part_t *) * cap);
        if (!parts) {
            hg_part_drop(p);
            return HG_ENOMEM;
        }
        d->parts = parts;
        d->cap = cap;
    }
    d->parts[d->n++] = p;
    return 0;
}

int hg_delta_share(const hg_delta_t *d, hg_delta_t *ret)
{
    *ret = (hg_delta_t){ 0 };
    for (uint32_t i = 0; i < d->n; i++) {
        int rc = hg_delta_add(ret, hg_part_retain(d->parts[i]));
        if (rc < 0) {
            hg_delta_release(ret);
            return rc;
        }
    }
    return 0;
}

void hg_delta_release(hg_delta_t *d)
{
    for (uint32_t i = 0; i < d->n; i++) hg_part_drop(d->parts[i]);
    hg_free(d->parts);
    memset(d, 0, sizeof *d);
}

uint64_t hg_delta_rows(const hg_delta_t *d)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < d->n; i++) n += d->parts[i]->n;
    return n;
}

uint64_t hg_delta_mem(const hg_delta_t *d)
{
    uint64_t mem = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        mem += hg_batch_mem(d->parts[i]->batch);
        if (d->parts[i]->sel) mem += sizeof(uint32_t) * d->parts[i]->n;
        if (d->parts[i]->weights) mem += sizeof(int64_t) * d->parts[i]->n;
    }
    return mem;
}

/* The rows of one sign that are left of a part behind *n records. */
static int skip_part(const hg_part_t *p, bool negative, uint64_t *n, bool copies, hg_delta_t *ret)
{
    uint32_t m = 0;
    uint32_t *sel = hg_trynew(sizeof *sel * HG_MAX(p->n, 1u));
    int64_t *weights = hg_trynew(sizeof *weights * HG_MAX(p->n, 1u));
    if (!sel || !weights) {
        hg_free(sel);
        hg_free(weights);
        return HG_ENOMEM;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        int64_t w = p->weights ? p->weights[i] : 1;
        if ((w < 0) != negative) continue;
        uint64_t count = copies ? (uint64_t)(w < 0 ? -w : w) : 1;
        if (*n >= count) {
            *n -= count;
            continue;
        }
        if (copies) w += w < 0 ? (int64_t)*n : -(int64_t)*n;
        *n = 0;
        sel[m] = p->sel ? p->sel[i] : i;
        weights[m++] = w;
    }
    if (m) return hg_delta_add(ret, hg_part_new(hg_batch_retain(p->batch), sel, m, weights));
    hg_free(sel);
    hg_free(weights);
    return 0;
}

int hg_delta_skip(const hg_delta_t *d, uint64_t n, bool copies, hg_delta_t *ret)
{
    *ret = (hg_delta_t){ 0 };
    for (int negative = 1; negative >= 0; negative--)
        for (uint32_t i = 0; i < d->n; i++) {
            if (negative && !d->parts[i]->weights) continue;
            if (skip_part(d->parts[i], negative, &n, copies, ret) < 0) {
                hg_delta_release(ret);
                return HG_ENOMEM;
            }
        }
    return 0;
}

/* --- consolidation --- */

typedef struct entry {
    uint64_t prefix;
    uint32_t part, row;
    int64_t weight;
} entry_t;

typedef struct sorter {
    const hg_delta_t *in;
    uint32_t n_cols;
} sorter_t;

static uint64_t flip_f64(double v)
{
    uint64_t b;
    if (isnan(v)) return UINT64_MAX;
    if (v == 0) v = 0;
    memcpy(&b, &v, 8);
    return b >> 63 ? ~b : b | UINT64_C(1) << 63;
}

static uint64_t prefix_var(const hg_col_t *c, uint32_t i)
{
    hg_str_t s = hg_col_var(c, i);
    uint64_t v = 0;
    if (c->type->kind == HG_T_CHAR) return 0; /* padding must not decide */
    for (size_t k = 0; k < 8; k++) v = v << 8 | (k < s.n ? (unsigned char)s.p[k] : 0);
    return v;
}

/* Order-preserving: prefix(x) < prefix(y) implies x < y. Equal prefixes say nothing. */
static uint64_t prefix_of(const hg_col_t *c, uint32_t i)
{
    const uint64_t top = UINT64_C(1) << 63;
    if (hg_col_null(c, i)) return 0;
    switch (hg_type_phys(c->type)) {
    case HG_PHYS_BIT:
        return hg_bit_get(c->data, i);
    case HG_PHYS_I8:
        return (uint64_t)(int64_t)HG_COL(c, int8_t)[i] ^ top;
    case HG_PHYS_I16:
        return (uint64_t)(int64_t)HG_COL(c, int16_t)[i] ^ top;
    case HG_PHYS_I32:
        return (uint64_t)(int64_t)HG_COL(c, int32_t)[i] ^ top;
    case HG_PHYS_I64:
        return (uint64_t)HG_COL(c, int64_t)[i] ^ top;
    case HG_PHYS_U8:
        return HG_COL(c, uint8_t)[i];
    case HG_PHYS_U16:
        return HG_COL(c, uint16_t)[i];
    case HG_PHYS_U32:
        return HG_COL(c, uint32_t)[i];
    case HG_PHYS_U64:
        return HG_COL(c, uint64_t)[i];
    case HG_PHYS_I128:
        return (uint64_t)(HG_COL(c, hg_i128)[i] >> 64) ^ top;
    case HG_PHYS_F32:
        return flip_f64((double)HG_COL(c, float)[i]);
    case HG_PHYS_F64:
        return flip_f64(HG_COL(c, double)[i]);
    case HG_PHYS_VAR:
        return prefix_var(c, i);
    case HG_PHYS_FIX16: {
        uint64_t v;
        memcpy(&v, (const char *)c->data + (size_t)16 * i, 8);
        return __builtin_bswap64(v);
    }
    case HG_PHYS_NULL:
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
    case HG_PHYS_STRUCT:
        return 0;
    }
    return 0;
}

static int cmp_rows(const sorter_t *s, const entry_t *x, const entry_t *y)
{
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    hg_col_t *const *a = s->in->parts[x->part]->batch->cols;
    hg_col_t *const *b = s->in->parts[y->part]->batch->cols;
    for (uint32_t k = 0; k < s->n_cols; k++) {
        int c = hg_cell_cmp(a[k], x->row, b[k], y->row);
        if (c) return c;
    }
    return 0;
}

/* Bottom-up merge sort between e and tmp; returns the array that holds the result. Sorted runs cost one comparison. */
static entry_t *sort_entries(const sorter_t *s, entry_t *e, entry_t *tmp, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = HG_MIN(lo + width, n), hi = HG_MIN(lo + 2 * width, n);
            if (mid == hi || cmp_rows(s, &e[mid - 1], &e[mid]) <= 0) {
                memcpy(tmp + lo, e + lo, sizeof *e * (hi - lo));
                continue;
            }
            size_t i = lo, j = mid, o = lo;
            while (i < mid && j < hi) tmp[o++] = cmp_rows(s, &e[i], &e[j]) <= 0 ? e[i++] : e[j++];
            while (i < mid) tmp[o++] = e[i++];
            while (j < hi) tmp[o++] = e[j++];
        }
        entry_t *swap = e;
        e = tmp;
        tmp = swap;
    }
    return e;
}

static void fill_entries(const sorter_t *s, entry_t *e)
{
    size_t o = 0;
    for (uint32_t p = 0; p < s->in->n; p++) {
        const hg_part_t *part = s->in->parts[p];
        for (uint32_t i = 0; i < part->n; i++, o++) {
            uint32_t row = part->sel ? part->sel[i] : i;
            e[o].part = p;
            e[o].row = row;
            e[o].weight = part->weights ? part->weights[i] : 1;
            e[o].prefix = s->n_cols ? prefix_of(part->batch->cols[0], row) : 0;
        }
    }
}

/* Sum equal neighbours, drop zeros. */
static int net_entries(const sorter_t *s, entry_t *e, size_t n, size_t *ret_n)
{
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        entry_t head = e[i++];
        while (i < n && cmp_rows(s, &head, &e[i]) == 0)
            if (__builtin_add_overflow(head.weight, e[i++].weight, &head.weight)) return HG_ERANGE;
        if (head.weight != 0) e[o++] = head;
    }
    *ret_n = o;
    return 0;
}

static int build_part(const sorter_t *s, const hg_type_t *const *types, const entry_t *e, uint32_t n, hg_delta_t *ret,
                      hg_err_t *err)
{
    hg_batch_t *b = hg_batch_new(n, s->n_cols);
    int64_t *w = hg_trynew(sizeof *w * n);
    int rc = w ? 0 : HG_ENOMEM;
    for (uint32_t k = 0; k < s->n_cols && rc == 0; k++) {
        hg_colb_t cb;
        hg_colb_init(&cb, types[k]);
        rc = hg_colb_reserve(&cb, n, 0);
        for (uint32_t i = 0; i < n && rc == 0; i++)
            rc = hg_colb_copy(&cb, s->in->parts[e[i].part]->batch->cols[k], e[i].row);
        if (rc == 0) b->cols[k] = hg_colb_seal(&cb);
        hg_colb_release(&cb);
    }
    if (rc < 0) {
        hg_batch_drop(b);
        hg_free(w);
        return hg_err_set(err, rc, "no memory to consolidate %u rows", n);
    }
    for (uint32_t i = 0; i < n; i++) w[i] = e[i].weight;
    if (hg_delta_add(ret, hg_part_new(b, NULL, n, w)) < 0)
        return hg_err_set(err, HG_ENOMEM, "no memory to consolidate %u rows", n);
    return 0;
}

int hg_delta_consolidate(const hg_delta_t *in, const hg_type_t *const *types, uint32_t n_cols, hg_delta_t *ret,
                         hg_err_t *err)
{
    sorter_t s = { in, n_cols };
    size_t n = (size_t)hg_delta_rows(in);
    hg_delta_t out = { 0 };
    if (n == 0) {
        *ret = out;
        return 0;
    }
    entry_t *e = hg_trynew(sizeof *e * n * 2);
    if (!e) return hg_err_set(err, HG_ENOMEM, "no memory to consolidate %zu rows", n);
    fill_entries(&s, e);
    entry_t *sorted = sort_entries(&s, e, e + n, n);
    int rc = net_entries(&s, sorted, n, &n);
    if (rc < 0) hg_err_set(err, rc, "the weight of a row does not fit into 64 bits");
    for (size_t at = 0; at < n && rc == 0; at += PART_ROWS)
        rc = build_part(&s, types, sorted + at, (uint32_t)HG_MIN(n - at, PART_ROWS), &out, err);
    hg_free(e);
    if (rc < 0) {
        hg_delta_release(&out);
        return rc;
    }
    *ret = out;
    return 0;
}
