/* colb.c: column builders.
 *
 * One thread. Invariants:
 *   1. cap rows have room in data, offs (cap + 1 entries) and, if there is one, validity.
 *   2. VAR: n_bytes == offs[len]. Lists: offs[len] elements belong to closed rows; what the children hold beyond that
 *      is the row being built, and hg_colb_truncate(b, b->len) takes it back.
 *   3. A STRUCT's children are exactly len long between appends.
 *   4. A failed append leaves the builder as it was; buffers may have grown. */
#include "base/hg.h"
#include "data/col_int.h"

#define FIRST_ROWS  64u
#define FIRST_BYTES 512u
#define MAX_LEN     ((uint32_t)INT32_MAX)

void hg_colb_init(hg_colb_t *b, const hg_type_t *type)
{
    memset(b, 0, sizeof *b);
    b->type = type;
    b->phys = hg_type_phys(type);
    b->n_child = hg_n_children(type);
    if (b->n_child == 0) return;
    b->child = HG_NEWN(hg_colb_t, b->n_child);
    if (b->phys == HG_PHYS_STRUCT) {
        for (uint32_t i = 0; i < b->n_child; i++) hg_colb_init(&b->child[i], type->fields[i].type);
        return;
    }
    hg_colb_init(&b->child[0], b->phys == HG_PHYS_MAP ? type->key : type->elem);
    if (b->phys == HG_PHYS_MAP) hg_colb_init(&b->child[1], type->elem);
}

/* Forget the buffers, keep type and children. */
static void forget(hg_colb_t *b)
{
    b->validity = NULL;
    b->data = NULL;
    b->offs = NULL;
    b->bytes = NULL;
    b->len = b->cap = b->nulls = b->n_bytes = b->cap_bytes = 0;
}

void hg_colb_release(hg_colb_t *b)
{
    for (uint32_t i = 0; i < b->n_child; i++) hg_colb_release(&b->child[i]);
    hg_mapsort_free(b);
    hg_free(b->child);
    hg_free(b->validity);
    hg_free(b->data);
    hg_free(b->offs);
    hg_free(b->bytes);
    memset(b, 0, sizeof *b);
}

static int resize(void **buf, size_t used, size_t size)
{
    void *p = hg_tryalign(size);
    if (!p) return HG_ENOMEM;
    if (used) memcpy(p, *buf, used);
    memset((char *)p + used, 0, size - used);
    hg_free(*buf);
    *buf = p;
    return 0;
}

static size_t row_bytes(const hg_colb_t *b, uint32_t rows)
{
    return b->phys == HG_PHYS_BIT ? hg_bitmap_bytes(rows) : hg_phys_width(b->phys) * rows;
}

static int grow_rows(hg_colb_t *b, uint32_t rows)
{
    if (rows > MAX_LEN) return HG_ETOOBIG;
    if (b->validity) {
        void *v = b->validity;
        if (resize(&v, hg_bitmap_bytes(b->len), hg_bitmap_bytes(rows)) < 0) return HG_ENOMEM;
        b->validity = v;
    }
    if (row_bytes(b, 1) && resize(&b->data, row_bytes(b, b->len), row_bytes(b, rows)) < 0) return HG_ENOMEM;
    if (hg_phys_has_offs(b->phys)) {
        void *o = b->offs;
        size_t used = o ? sizeof(int32_t) * ((size_t)b->len + 1) : 0;
        if (resize(&o, used, sizeof(int32_t) * ((size_t)rows + 1)) < 0) return HG_ENOMEM;
        b->offs = o; /* offs[0] is 0 from the start: new memory is zeroed */
    }
    b->cap = rows;
    return 0;
}

int hg_colb_grow(hg_colb_t *b)
{
    if (b->cap >= MAX_LEN) return HG_ETOOBIG;
    return grow_rows(b, b->cap ? (b->cap > MAX_LEN / 2 ? MAX_LEN : b->cap * 2) : FIRST_ROWS);
}

int hg_colb_reserve(hg_colb_t *b, uint32_t rows, uint32_t bytes)
{
    if (rows > MAX_LEN - b->len || bytes > MAX_LEN - b->n_bytes) return HG_ETOOBIG;
    if (b->len + rows > b->cap) {
        uint32_t want = HG_MAX(b->len + rows, FIRST_ROWS);
        if (b->cap > 0 && want < b->cap * 2 && b->cap < MAX_LEN / 2) want = b->cap * 2;
        int rc = grow_rows(b, want);
        if (rc < 0) return rc;
    }
    if (b->phys == HG_PHYS_VAR && b->n_bytes + bytes > b->cap_bytes) {
        uint64_t want = HG_MAX((uint64_t)b->n_bytes + bytes, (uint64_t)b->cap_bytes * 2);
        want = HG_MIN(HG_MAX(want, FIRST_BYTES), MAX_LEN);
        void *p = hg_tryalign(want);
        if (!p) return HG_ENOMEM;
        if (b->n_bytes) memcpy(p, b->bytes, b->n_bytes);
        hg_free(b->bytes);
        b->bytes = p;
        b->cap_bytes = (uint32_t)want;
    }
    return 0;
}

static int one_more(hg_colb_t *b)
{
    return HG_UNLIKELY(b->len == b->cap) ? hg_colb_grow(b) : 0;
}

static int need_validity(hg_colb_t *b)
{
    if (b->validity) return 0;
    void *v = NULL;
    if (resize(&v, 0, hg_bitmap_bytes(b->cap)) < 0) return HG_ENOMEM;
    b->validity = v;
    hg_bits_fill(b->validity, 0, b->len);
    return 0;
}

/* Close the row: its validity bit and the length. Room is there. */
static void finish(hg_colb_t *b, bool valid)
{
    if (b->validity) {
        if (valid)
            hg_bit_set(b->validity, b->len);
        else
            hg_bit_clear(b->validity, b->len);
    }
    if (!valid) b->nulls++;
    b->len++;
}

/* The bytes under a null or zero cell: initialised, so that whole-buffer reads are sound. */
static void blank(hg_colb_t *b)
{
    switch (hg_phys_shape(b->phys)) {
    case HG_SHAPE_NULL:
    case HG_SHAPE_STRUCT:
        break;
    case HG_SHAPE_BIT:
        hg_bit_clear(b->data, b->len);
        break;
    case HG_SHAPE_VAR:
        b->offs[b->len + 1] = (int32_t)b->n_bytes;
        break;
    case HG_SHAPE_LIST:
        b->offs[b->len + 1] = b->offs[b->len];
        break;
    case HG_SHAPE_FIXED: {
        size_t w = hg_phys_width(b->phys);
        memset((char *)b->data + w * b->len, 0, w);
        break;
    }
    }
}

static void undo_children(hg_colb_t *b)
{
    if (b->phys == HG_PHYS_STRUCT) {
        for (uint32_t i = 0; i < b->n_child; i++) hg_colb_truncate(&b->child[i], b->len);
    } else if (b->phys == HG_PHYS_LIST || b->phys == HG_PHYS_MAP) {
        uint32_t n = b->offs ? (uint32_t)b->offs[b->len] : 0;
        for (uint32_t i = 0; i < b->n_child; i++) hg_colb_truncate(&b->child[i], n);
    }
}

int hg_colb_null(hg_colb_t *b)
{
    int rc = one_more(b);
    if (rc == 0) rc = need_validity(b);
    if (rc < 0) return rc;
    undo_children(b);
    if (b->phys == HG_PHYS_STRUCT) {
        for (uint32_t i = 0; i < b->n_child && rc == 0; i++) rc = hg_colb_null(&b->child[i]);
        if (rc < 0) {
            undo_children(b);
            return rc;
        }
    }
    blank(b);
    finish(b, false);
    return 0;
}

int hg_colb_zero(hg_colb_t *b)
{
    if (b->phys == HG_PHYS_NULL) return hg_colb_null(b);
    int rc = one_more(b);
    if (rc < 0) return rc;
    undo_children(b);
    if (b->phys == HG_PHYS_STRUCT) {
        for (uint32_t i = 0; i < b->n_child && rc == 0; i++) rc = hg_colb_zero(&b->child[i]);
        if (rc < 0) {
            undo_children(b);
            return rc;
        }
    }
    blank(b);
    finish(b, true);
    return 0;
}

int hg_colb_bool(hg_colb_t *b, bool v)
{
    int rc = one_more(b);
    if (rc < 0) return rc;
    if (v)
        hg_bit_set(b->data, b->len);
    else
        hg_bit_clear(b->data, b->len);
    finish(b, true);
    return 0;
}

int hg_colb_var(hg_colb_t *b, const char *p, size_t n)
{
    if (HG_UNLIKELY(n > MAX_LEN)) return HG_ETOOBIG;
    if (HG_UNLIKELY(b->len == b->cap || n > b->cap_bytes - b->n_bytes || !b->bytes)) {
        int rc = hg_colb_reserve(b, 1, (uint32_t)n);
        if (rc < 0) return rc;
    }
    if (n) memcpy(b->bytes + b->n_bytes, p, n);
    b->n_bytes += (uint32_t)n;
    b->offs[b->len + 1] = (int32_t)b->n_bytes;
    finish(b, true);
    return 0;
}

int hg_colb_var_written(hg_colb_t *b, uint32_t n)
{
    HG_DASSERT(b->len < b->cap && n <= b->cap_bytes - b->n_bytes);
    b->n_bytes += n;
    b->offs[b->len + 1] = (int32_t)b->n_bytes;
    finish(b, true);
    return 0;
}

int hg_colb_fixed(hg_colb_t *b, const void *v)
{
    int rc = one_more(b);
    if (rc < 0) return rc;
    size_t w = hg_phys_width(b->phys);
    memcpy((char *)b->data + w * b->len, v, w);
    finish(b, true);
    return 0;
}

int hg_colb_close_list(hg_colb_t *b)
{
    int rc = one_more(b);
    if (rc < 0) return rc;
    HG_DASSERT(b->phys == HG_PHYS_LIST || (b->phys == HG_PHYS_MAP && b->child[0].len == b->child[1].len));
    b->offs[b->len + 1] = (int32_t)b->child[0].len;
    finish(b, true);
    return 0;
}

int hg_colb_close_struct(hg_colb_t *b)
{
    int rc = one_more(b);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < b->n_child; i++) HG_DASSERT(b->child[i].len == b->len + 1);
    finish(b, true);
    return 0;
}

int hg_colb_close_structs(hg_colb_t *b, uint32_t n, const uint8_t *valid)
{
    int rc = hg_colb_reserve(b, n, 0);
    for (uint32_t i = 0; i < b->n_child; i++) HG_DASSERT(b->child[i].len == b->len + n);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        bool there = !valid || hg_bit_get(valid, i);
        if (!there) rc = need_validity(b);
        if (rc == 0) finish(b, there);
    }
    return rc;
}

static int copy_elements(hg_colb_t *b, const hg_col_t *c, uint32_t row)
{
    undo_children(b);
    for (uint32_t k = 0; k < b->n_child; k++)
        for (int32_t i = c->offs[row]; i < c->offs[row + 1]; i++) {
            int rc = hg_colb_copy(&b->child[k], c->child[k], (uint32_t)i);
            if (rc < 0) return rc;
        }
    return hg_colb_close_list(b);
}

static int copy_fields(hg_colb_t *b, const hg_col_t *c, uint32_t row)
{
    int rc = one_more(b);
    if (rc < 0) return rc;
    undo_children(b);
    for (uint32_t k = 0; k < b->n_child; k++) {
        rc = hg_colb_copy(&b->child[k], c->child[k], row);
        if (rc < 0) return rc;
    }
    finish(b, true);
    return 0;
}

int hg_colb_copy(hg_colb_t *b, const hg_col_t *c, uint32_t row)
{
    if (hg_col_null(c, row)) return hg_colb_null(b);
    int rc = 0;
    switch (hg_phys_shape(b->phys)) {
    case HG_SHAPE_NULL:
        return hg_colb_null(b);
    case HG_SHAPE_BIT:
        return hg_colb_bool(b, hg_bit_get(c->data, row));
    case HG_SHAPE_VAR: {
        hg_str_t s = hg_col_var(c, row);
        return hg_colb_var(b, s.p, s.n);
    }
    case HG_SHAPE_LIST:
        rc = copy_elements(b, c, row);
        break;
    case HG_SHAPE_STRUCT:
        rc = copy_fields(b, c, row);
        break;
    case HG_SHAPE_FIXED:
        return hg_colb_fixed(b, (const char *)c->data + hg_phys_width(b->phys) * row);
    }
    if (rc < 0) undo_children(b);
    return rc;
}

void hg_colb_truncate(hg_colb_t *b, uint32_t len)
{
    HG_DASSERT(len <= b->len);
    if (b->validity && len < b->len) b->nulls -= hg_bits_zeros(b->validity, len, b->len);
    b->len = len;
    if (b->phys == HG_PHYS_VAR) b->n_bytes = b->offs ? (uint32_t)b->offs[len] : 0;
    if (b->n_child) undo_children(b);
}

size_t hg_colb_bytes(const hg_colb_t *b)
{
    size_t n = row_bytes(b, b->cap) + b->cap_bytes;
    if (b->validity) n += hg_bitmap_bytes(b->cap);
    if (b->offs) n += sizeof(int32_t) * ((size_t)b->cap + 1);
    for (uint32_t i = 0; i < b->n_child; i++) n += hg_colb_bytes(&b->child[i]);
    return n;
}

hg_col_t *hg_colb_seal(hg_colb_t *b)
{
    undo_children(b);
    hg_col_t *c = hg_col_bare(b->type, b->len);
    c->mem = hg_colb_bytes(b);
    c->nulls = b->nulls;
    if (b->nulls)
        c->validity = b->validity;
    else
        hg_free(b->validity);
    if (b->data) c->data = b->data;
    if (b->offs) c->offs = b->offs;
    if (b->bytes) c->bytes = b->bytes;
    forget(b);
    for (uint32_t i = 0; i < b->n_child; i++) c->child[i] = hg_colb_seal(&b->child[i]);
    return c;
}

int hg_colb_default(hg_colb_t *b, const hg_col_t *constant)
{
    const hg_coldflt_t *d = b->dflt;
    for (int k = 0; d && k < 2; k++)
        if (d->of[k] == constant) return hg_colb_copy(b, d->to[k], d->row);
    return hg_colb_copy(b, constant, 0);
}
