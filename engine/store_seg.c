/* store_seg.c: one segment: buffers sized once, rows appended behind each other, buffers never moved.
 *
 * Only the circuit thread appends. Bytes of bitmaps are stored with relaxed atomics, because a snapshot's reader may
 * look at earlier bits of the same byte (store_gather.c is the other end). The last reference may go on any thread.
 */
#include "base/hg.h"
#include "engine/store_int.h"

uint32_t hg_type_dims(const hg_type_t *t)
{
    switch ((int)hg_type_phys(t)) {
    case HG_PHYS_VAR:
        return 1;
    case HG_PHYS_LIST:
        return 1 + hg_type_dims(t->elem);
    case HG_PHYS_MAP:
        return 1 + hg_type_dims(t->key) + hg_type_dims(t->elem);
    case HG_PHYS_STRUCT: {
        uint32_t n = 0;
        for (uint32_t i = 0; i < t->n_fields; i++) n += hg_type_dims(t->fields[i].type);
        return n;
    }
    default:
        return 0;
    }
}

uint32_t hg_col_measure(const hg_col_t *c, uint32_t a, uint32_t b, uint64_t *need)
{
    uint32_t d = 0;
    switch ((int)hg_type_phys(c->type)) {
    case HG_PHYS_VAR:
        need[0] += (uint64_t)(c->offs[b] - c->offs[a]);
        return 1;
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
        need[d++] += (uint64_t)(c->offs[b] - c->offs[a]);
        for (uint32_t k = 0; k < c->n_child; k++)
            d += hg_col_measure(c->child[k], (uint32_t)c->offs[a], (uint32_t)c->offs[b], need + d);
        return d;
    case HG_PHYS_STRUCT:
        for (uint32_t k = 0; k < c->n_child; k++) d += hg_col_measure(c->child[k], a, b, need + d);
        return d;
    default:
        return 0;
    }
}

/* --- making ------------------------------------------------------------------------------------------------------ */

static size_t bitmap_size(uint64_t cap)
{
    return (size_t)(cap + 63) / 64 * 8;
}

/* Size of each buffer of a column with `cap` rows; room points at its dimensions. */
static size_t data_size(const hg_type_t *t, uint64_t cap)
{
    hg_phys_t p = hg_type_phys(t);
    return p == HG_PHYS_BIT ? bitmap_size(cap) : hg_phys_width(p) * (size_t)cap;
}

/* Buffers of a segment, cut out of its one block: each on a cache line, with 64 readable bytes behind it. base NULL:
 * only counted. */
typedef struct {
    char *base;
    size_t used, bytes; /* bytes: without what lies between the buffers */
} cut_t;

static void *cut(cut_t *k, size_t n)
{
    char *p = k->base ? k->base + k->used : NULL;
    k->used += (n + 64 + 63) & ~(size_t)63;
    k->bytes += n;
    return p;
}

static void segcol_free(hg_col_t *c)
{
    if (!c) return;
    for (uint32_t k = 0; k < c->n_child; k++) segcol_free(c->child[k]);
    hg_free(c->child);
    hg_free(c);
}

static hg_col_t *segcol_new(const hg_type_t *t)
{
    hg_phys_t p = hg_type_phys(t);
    hg_col_t *c = HG_NEW(hg_col_t);
    c->type = t;
    c->n_child = p == HG_PHYS_LIST ? 1 : p == HG_PHYS_MAP ? 2 : p == HG_PHYS_STRUCT ? t->n_fields : 0;
    if (c->n_child) c->child = HG_NEWN(hg_col_t *, c->n_child);
    for (uint32_t k = 0; k < c->n_child; k++)
        c->child[k] = segcol_new(p == HG_PHYS_STRUCT          ? t->fields[k].type
                                 : p == HG_PHYS_MAP && k == 0 ? t->key
                                                              : t->elem);
    return c;
}

/* Gives a column with `cap` rows its buffers; room points at its dimensions. */
static void segcol_lay(hg_col_t *c, uint64_t cap, const uint64_t **room, cut_t *k)
{
    hg_phys_t p = hg_type_phys(c->type);
    uint64_t inner = cap;
    if (c->type->nullable && p != HG_PHYS_NULL) c->validity = cut(k, bitmap_size(cap));
    if (data_size(c->type, cap)) c->data = cut(k, data_size(c->type, cap));
    if (p == HG_PHYS_VAR || p == HG_PHYS_LIST || p == HG_PHYS_MAP) {
        inner = *(*room)++;
        c->offs = cut(k, sizeof(int32_t) * (size_t)(cap + 1));
    }
    if (p == HG_PHYS_VAR) c->bytes = cut(k, (size_t)inner);
    for (uint32_t i = 0; i < c->n_child; i++) segcol_lay(c->child[i], inner, room, k);
}

static void seg_lay(hg_seg_t *s, bool weighted, bool dead, cut_t *k)
{
    const uint64_t *room = s->room;
    for (uint32_t i = 0; i < s->n_cols; i++) segcol_lay(s->cols[i], s->cap, &room, k);
    s->hash = cut(k, sizeof *s->hash * s->cap);
    if (weighted) s->weight = cut(k, sizeof *s->weight * s->cap);
    if (dead) atomic_store_explicit(&s->dead_at, cut(k, sizeof(hg_dead_t) * s->cap), memory_order_relaxed);
}

void hg_seg_touch(hg_seg_t *s)
{
    hg_block_touch(s->block, s->block_size);
}

static void seg_free(hg_seg_t *s)
{
    hg_dead_t *dead = atomic_load_explicit(&s->dead_at, memory_order_relaxed);
    for (uint32_t i = 0; i < s->n_cols; i++) segcol_free(s->cols[i]);
    if (s->late_dead) hg_block_free((void *)(uintptr_t)dead, sizeof *dead * s->cap);
    hg_block_free(s->block, s->block_size);
    hg_block_free(s->origin, sizeof *s->origin * s->cap);
    hg_block_free(s->fwd, sizeof *s->fwd * s->cap);
    hg_free(s->room);
    hg_saved_free(s->saved);
    if (s->acct) {
        atomic_fetch_sub_explicit(&s->acct->bytes, s->bytes, memory_order_relaxed);
        hg_acct_drop(s->acct);
    }
    hg_free(s);
}

int hg_seg_new(hg_acct_t *acct, const hg_type_t *const *types, uint32_t n_cols, bool weighted, bool dead, uint32_t cap,
               const uint64_t *room, hg_seg_t **ret)
{
    uint32_t dims = 0;
    for (uint32_t i = 0; i < n_cols; i++) dims += hg_type_dims(types[i]);
    hg_seg_t *s = hg_xzero(sizeof *s + sizeof(hg_col_t *) * n_cols);
    atomic_init(&s->refs, 1);
    s->cap = cap;
    s->n_cols = n_cols;
    s->room = HG_NEWN(uint64_t, dims + 1);
    memcpy(s->room, room, sizeof *room * dims);
    for (uint32_t i = 0; i < n_cols; i++) s->cols[i] = segcol_new(types[i]);

    cut_t k = { 0 };
    seg_lay(s, weighted, dead, &k);
    s->block_size = k.used;
    s->block = hg_block_new(s->block_size);
    if (!s->block) {
        seg_free(s);
        return HG_ENOMEM;
    }
    k = (cut_t){ .base = s->block };
    seg_lay(s, weighted, dead, &k);
    s->bytes = k.bytes;
    s->acct = acct;
    atomic_fetch_add_explicit(&acct->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&acct->bytes, s->bytes, memory_order_relaxed);
    *ret = s;
    return 0;
}

void hg_seg_drop(hg_seg_t *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) seg_free(s);
}

static void charge(hg_seg_t *s, size_t n)
{
    s->bytes += n;
    atomic_fetch_add_explicit(&s->acct->bytes, n, memory_order_relaxed);
}

int hg_seg_need_dead(hg_seg_t *s)
{
    if (atomic_load_explicit(&s->dead_at, memory_order_relaxed)) return 0;
    hg_dead_t *d = hg_block_new(sizeof *d * s->cap);
    if (!d) return HG_ENOMEM;
    charge(s, sizeof *d * s->cap);
    s->late_dead = true;
    atomic_store_explicit(&s->dead_at, d, memory_order_release);
    return 0;
}

int hg_seg_need_origin(hg_seg_t *s, uint32_t origin)
{
    if (s->origin) return 0;
    if (!s->has_origin) s->origin0 = origin;
    s->has_origin = true;
    if (s->origin0 == origin) return 0;
    uint32_t *o = hg_block_new(sizeof *o * s->cap);
    if (!o) return HG_ENOMEM;
    charge(s, sizeof *o * s->cap);
    for (uint32_t i = 0; i < s->cap; i++) o[i] = s->origin0;
    s->origin = o;
    return 0;
}

/* --- appending --------------------------------------------------------------------------------------------------- */

/* Bits of rows (row[i], or from + i) of src (NULL: all 1) behind the first `at` bits of dst, which are followed by
 * zeros. */
static void append_bits(uint8_t *dst, uint32_t at, const uint8_t *src, const uint32_t *row, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n;) {
        uint8_t *p = &dst[(at + i) >> 3];
        unsigned byte = __atomic_load_n(p, __ATOMIC_RELAXED);
        for (uint32_t k = (at + i) & 7; k < 8 && i < n; k++, i++)
            byte |= (unsigned)(!src || hg_bit_get(src, row ? row[i] : from + i)) << k;
        __atomic_store_n(p, (uint8_t)byte, __ATOMIC_RELAXED);
    }
}

#define APPEND(T)                                                                                                      \
    do {                                                                                                               \
        T *out = (T *)dst->data + at;                                                                                  \
        const T *in = src->data;                                                                                       \
        for (uint32_t i = 0; i < n; i++) out[i] = in[row[i]];                                                          \
    } while (0)

static void append_fixed(hg_col_t *dst, uint32_t at, const hg_col_t *src, size_t w, const uint32_t *row, uint32_t from,
                         uint32_t n)
{
    if (!row) {
        memcpy((char *)dst->data + w * at, (const char *)src->data + w * from, w * n);
        return;
    }
    switch (w) {
    case 1:
        APPEND(uint8_t);
        break;
    case 2:
        APPEND(uint16_t);
        break;
    case 4:
        APPEND(uint32_t);
        break;
    case 8:
        APPEND(uint64_t);
        break;
    default:
        for (uint32_t i = 0; i < n; i++)
            memcpy((char *)dst->data + w * (at + i), (const char *)src->data + w * row[i], w);
    }
}

static void append_col(hg_col_t *dst, uint32_t at, const hg_col_t *src, const uint32_t *row, uint32_t from, uint32_t n)
{
    if (n == 0) return;
    if (dst->validity) append_bits(dst->validity, at, src->validity, row, from, n);
    if (hg_col_may_null(src)) __atomic_store_n(&dst->nulls, 1, __ATOMIC_RELAXED);
    hg_phys_t p = hg_type_phys(dst->type);
    switch ((int)p) {
    case HG_PHYS_NULL:
        return;
    case HG_PHYS_BIT:
        append_bits(dst->data, at, src->data, row, from, n);
        return;
    case HG_PHYS_STRUCT:
        for (uint32_t k = 0; k < dst->n_child; k++) append_col(dst->child[k], at, src->child[k], row, from, n);
        return;
    case HG_PHYS_VAR:
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
        break;
    default:
        append_fixed(dst, at, src, hg_phys_width(p), row, from, n);
        return;
    }
    int32_t end = dst->offs[at];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = row ? row[i] : from + i;
        int32_t a = src->offs[r], len = src->offs[r + 1] - a;
        if (p == HG_PHYS_VAR) {
            if (len) memcpy(dst->bytes + end, src->bytes + a, (size_t)len);
        } else {
            for (uint32_t k = 0; k < dst->n_child; k++)
                append_col(dst->child[k], (uint32_t)end, src->child[k], NULL, (uint32_t)a, (uint32_t)len);
        }
        end += len;
        dst->offs[at + i + 1] = end;
    }
}

void hg_seg_append(hg_seg_t *s, hg_col_t *const *cols, const uint32_t *row, uint32_t n)
{
    HG_DASSERT(s->rows + n <= s->cap);
    for (uint32_t i = 0; i < s->n_cols; i++) append_col(s->cols[i], s->rows, cols[i], row, 0, n);
    s->rows += n;
}

void hg_seg_used(const hg_seg_t *s, uint64_t *used)
{
    for (uint32_t i = 0; i < s->n_cols; i++) {
        uint32_t d = hg_type_dims(s->cols[i]->type);
        for (uint32_t k = 0; k < d; k++) used[k] = 0;
        used += hg_col_measure(s->cols[i], 0, s->rows, used);
    }
}
