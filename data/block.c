/* block.c: a batch of columns as bytes, and back.
 *
 * The layout is described in docs/storage-format.md. Writing copies the buffers of the chosen rows; offsets are
 * rebased, so that a block stands alone. Reading believes nothing: a length is compared with what is left before
 * anything is allocated for it, offsets must rise and end where the bytes do, and padding must be zero, so that equal
 * rows are equal bytes. Recursion follows the expected types, never the input. Checksums are the business of whoever
 * stores a block.
 */
#include "base/hg.h"
#include "data/block.h"
#include "data/col_int.h"

#define MAGIC    UINT32_C(0x314B4248) /* "HBK1" */
#define WEIGHTS  1u
#define VALIDITY 1u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are little endian; so are the machines we build for");

typedef struct {
    uint32_t magic, flags;
    uint32_t n_rows, n_cols;
    uint64_t length; /* of the whole block */
} head_t;

typedef struct {
    uint8_t phys, flags;
    uint16_t n_child;
    uint32_t n;      /* rows of this column; elements, in a child */
    uint64_t inside; /* VAR: bytes. LIST, MAP: elements */
} col_head_t;

static const hg_type_t *child_type(const hg_type_t *t, uint32_t i)
{
    hg_phys_t p = hg_type_phys(t);
    return p == HG_PHYS_STRUCT ? t->fields[i].type : p == HG_PHYS_MAP && i == 0 ? t->key : t->elem;
}

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Rows to write: row[0..n), or from..from + n. */
typedef struct {
    const uint32_t *row;
    uint32_t from, n;
} rows_t;

static inline uint32_t row_at(const rows_t *r, uint32_t i)
{
    return r->row ? r->row[i] : r->from + i;
}

/* Room for n bytes and their padding, which is zeroed. *ret is where they go. */
static int room(hg_buf_t *out, size_t n, char **ret)
{
    size_t all = padded(n);
    int rc = hg_buf_reserve(out, all);
    if (rc < 0) return rc;
    *ret = out->p + out->len;
    if (all > n) memset(*ret + n, 0, all - n);
    out->len += all;
    out->p[out->len] = 0;
    return 0;
}

static int write_bits(hg_buf_t *out, const uint8_t *bits, const rows_t *r)
{
    char *p;
    size_t n = hg_bitmap_bytes(r->n);
    int rc = room(out, n, &p);
    if (rc < 0 || n == 0) return rc;
    if (!r->row && (r->from & 7) == 0) {
        memcpy(p, bits + r->from / 8, n);
        if (r->n & 7) p[n - 1] = (char)((uint8_t)p[n - 1] & ((1u << (r->n & 7)) - 1));
        return 0;
    }
    memset(p, 0, n);
    for (uint32_t i = 0; i < r->n; i++)
        if (hg_bit_get(bits, row_at(r, i))) hg_bit_set((uint8_t *)p, i);
    return 0;
}

static bool has_nulls(const hg_col_t *c, const rows_t *r)
{
    if (!c->validity) return false;
    if (!r->row) return hg_bits_zeros(c->validity, r->from, (size_t)r->from + r->n) > 0;
    for (uint32_t i = 0; i < r->n; i++)
        if (!hg_bit_get(c->validity, r->row[i])) return true;
    return false;
}

#define COPY(T)                                                                                                        \
    do {                                                                                                               \
        T *to = (T *)(void *)p;                                                                                        \
        const T *from = c->data;                                                                                       \
        for (uint32_t i = 0; i < r->n; i++) to[i] = from[r->row[i]];                                                   \
    } while (0)

static int write_fixed(hg_buf_t *out, const hg_col_t *c, size_t w, const rows_t *r)
{
    char *p;
    int rc = room(out, w * r->n, &p);
    if (rc < 0 || r->n == 0) return rc;
    if (!r->row) {
        memcpy(p, (const char *)c->data + w * r->from, w * r->n);
        return 0;
    }
    if (w == 8 && ((uintptr_t)p & 7) == 0)
        COPY(uint64_t);
    else if (w == 4 && ((uintptr_t)p & 3) == 0)
        COPY(uint32_t);
    else
        for (uint32_t i = 0; i < r->n; i++) memcpy(p + w * i, (const char *)c->data + w * r->row[i], w);
    return 0;
}

/* Offsets from 0 on; *ret: where they end. */
static int write_offs(hg_buf_t *out, const hg_col_t *c, const rows_t *r, uint32_t *ret)
{
    char *p;
    int rc = room(out, sizeof(int32_t) * ((size_t)r->n + 1), &p);
    if (rc < 0) return rc;
    int64_t at = 0;
    memset(p, 0, sizeof(int32_t));
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t k = row_at(r, i);
        at += c->offs[k + 1] - c->offs[k];
        if (at > INT32_MAX) return HG_ETOOBIG;
        int32_t end = (int32_t)at;
        memcpy(p + sizeof end * ((size_t)i + 1), &end, sizeof end);
    }
    *ret = (uint32_t)at;
    return 0;
}

static int write_bytes(hg_buf_t *out, const hg_col_t *c, const rows_t *r, uint32_t total)
{
    char *p;
    int rc = room(out, total, &p);
    if (rc < 0 || total == 0) return rc;
    if (!r->row) {
        memcpy(p, c->bytes + c->offs[r->from], total);
        return 0;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        hg_str_t s = hg_col_var(c, r->row[i]);
        if (s.n) memcpy(p, s.p, s.n);
        p += s.n;
    }
    return 0;
}

static int write_col(hg_buf_t *out, const hg_col_t *c, const hg_type_t *t, const rows_t *r);

static int write_elements(hg_buf_t *out, const hg_col_t *c, const hg_type_t *t, const rows_t *r, uint32_t total)
{
    rows_t in = { .n = total };
    uint32_t *inner = NULL, k = 0;
    int rc = 0;
    if (!r->row) {
        in.from = total ? (uint32_t)c->offs[r->from] : 0;
    } else {
        inner = hg_trynew(sizeof *inner * ((size_t)total + 1));
        if (!inner) return HG_ENOMEM;
        for (uint32_t i = 0; i < r->n; i++)
            for (int32_t j = c->offs[r->row[i]]; j < c->offs[r->row[i] + 1]; j++) inner[k++] = (uint32_t)j;
        in.row = inner;
    }
    for (uint32_t i = 0; i < hg_n_children(t) && rc == 0; i++) rc = write_col(out, c->child[i], child_type(t, i), &in);
    hg_free(inner);
    return rc;
}

static int write_values(hg_buf_t *out, const hg_col_t *c, const hg_type_t *t, const rows_t *r, uint64_t *inside)
{
    hg_phys_t p = hg_type_phys(t);
    uint32_t total = 0;
    int rc = 0;
    switch (hg_phys_shape(p)) {
    case HG_SHAPE_NULL:
        return 0;
    case HG_SHAPE_BIT:
        return write_bits(out, c->data, r);
    case HG_SHAPE_FIXED:
        return write_fixed(out, c, hg_phys_width(p), r);
    case HG_SHAPE_VAR:
        rc = write_offs(out, c, r, &total);
        *inside = total;
        return rc < 0 ? rc : write_bytes(out, c, r, total);
    case HG_SHAPE_LIST:
        rc = write_offs(out, c, r, &total);
        *inside = total;
        return rc < 0 ? rc : write_elements(out, c, t, r, total);
    case HG_SHAPE_STRUCT:
        for (uint32_t i = 0; i < t->n_fields && rc == 0; i++) rc = write_col(out, c->child[i], t->fields[i].type, r);
        return rc;
    }
    return HG_EBUG;
}

static int write_col(hg_buf_t *out, const hg_col_t *c, const hg_type_t *t, const rows_t *r)
{
    bool nulls = has_nulls(c, r);
    col_head_t h = { .phys = (uint8_t)hg_type_phys(t),
                     .flags = nulls ? VALIDITY : 0,
                     .n_child = (uint16_t)hg_n_children(t),
                     .n = r->n };
    size_t at = out->len;
    char *p;
    int rc = room(out, sizeof h, &p);
    if (rc == 0 && nulls) rc = write_bits(out, c->validity, r);
    if (rc == 0) rc = write_values(out, c, t, r, &h.inside);
    if (rc == 0) memcpy(out->p + at, &h, sizeof h);
    return rc;
}

int hg_block_write(hg_buf_t *out, const hg_batch_t *b, const hg_type_t *const *types, const uint32_t *sel, uint32_t n,
                   const int64_t *weights, hg_err_t *err)
{
    size_t at = out->len;
    head_t h = { .magic = MAGIC, .flags = weights ? WEIGHTS : 0, .n_rows = n, .n_cols = b->n_cols };
    rows_t r = { .row = sel, .n = n };
    char *p;
    int rc = room(out, sizeof h, &p);
    if (rc == 0 && weights) {
        rc = room(out, sizeof *weights * n, &p);
        if (rc == 0 && n) memcpy(p, weights, sizeof *weights * n);
    }
    for (uint32_t i = 0; i < b->n_cols && rc == 0; i++) rc = write_col(out, b->cols[i], types[i], &r);
    if (rc == 0) {
        h.length = out->len - at;
        memcpy(out->p + at, &h, sizeof h);
        return 0;
    }
    out->len = at;
    if (out->cap) out->p[at] = 0;
    if (rc == HG_ETOOBIG) return hg_err_set(err, rc, "a block of %u rows would be too large", n);
    return hg_err_set(err, HG_ENOMEM, "out of memory for a block of %u rows", n);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *p, *start;
    size_t left;
    uint32_t col; /* for messages */
    hg_err_t *err;
} in_t;

static int bad(const in_t *in, const char *what)
{
    return hg_err_set(in->err, HG_EDAMAGED, "column %u of a block, byte %zu: %s", in->col, (size_t)(in->p - in->start),
                      what);
}

static int no_mem(const in_t *in)
{
    return hg_err_set(in->err, HG_ENOMEM, "out of memory reading a block");
}

/* n bytes and their padding off the front. */
static int take(in_t *in, uint64_t n, const char **ret)
{
    if (n > in->left || padded((size_t)n) > in->left) return bad(in, "it ends too early");
    size_t all = padded((size_t)n);
    for (size_t i = (size_t)n; i < all; i++)
        if (in->p[i]) return bad(in, "its padding is not zero");
    *ret = in->p;
    in->p += all;
    in->left -= all;
    return 0;
}

/* A copy with room behind it; for no bytes the shared zeros stay. */
static int take_copy(in_t *in, uint64_t n, hg_col_t *c, void **ret)
{
    const char *p = NULL;
    int rc = take(in, n, &p);
    if (rc < 0 || n == 0) return rc;
    void *q = hg_tryalign((size_t)n);
    if (!q) return no_mem(in);
    memcpy(q, p, (size_t)n);
    c->mem += (size_t)n;
    *ret = q;
    return 0;
}

static int take_bits(in_t *in, hg_col_t *c, void **ret)
{
    int rc = take_copy(in, hg_bitmap_bytes(c->len), c, ret);
    if (rc == 0 && (c->len & 7) && ((uint8_t *)*ret)[c->len / 8] >> (c->len & 7))
        rc = bad(in, "bits behind its last row are set");
    return rc;
}

static int take_validity(in_t *in, hg_col_t *c)
{
    void *v = NULL;
    if (c->len == 0) return bad(in, "it has a bitmap of no rows");
    int rc = take_bits(in, c, &v);
    c->validity = v;
    if (rc < 0) return rc;
    c->nulls = hg_bits_zeros(c->validity, 0, c->len);
    if (c->nulls == 0) return bad(in, "it has a bitmap but no NULL");
    return 0;
}

static int take_offs(in_t *in, hg_col_t *c, uint64_t inside)
{
    void *v = NULL;
    if (inside > INT32_MAX) return bad(in, "it has more than 2^31-1 bytes or elements");
    int rc = take_copy(in, sizeof(int32_t) * ((uint64_t)c->len + 1), c, &v);
    if (rc < 0) return rc;
    c->offs = v;
    bool rising = c->offs[0] == 0;
    for (uint32_t i = 0; i < c->len && rising; i++) rising = c->offs[i] <= c->offs[i + 1];
    if (!rising || (uint64_t)c->offs[c->len] != inside) return bad(in, "its offsets are wrong");
    return 0;
}

static int take_col(in_t *in, const hg_type_t *t, uint64_t n, hg_col_t **ret);

static int take_children(in_t *in, hg_col_t *c, uint64_t n)
{
    for (uint32_t i = 0; i < c->n_child; i++) {
        int rc = take_col(in, child_type(c->type, i), n, &c->child[i]);
        if (rc < 0) return rc;
        c->mem += c->child[i]->mem;
    }
    return 0;
}

static int take_values(in_t *in, hg_col_t *c, uint64_t inside)
{
    hg_phys_t p = hg_type_phys(c->type);
    hg_shape_t shape = hg_phys_shape(p);
    void *v = c->data;
    int rc = 0;
    if (inside && shape != HG_SHAPE_VAR && shape != HG_SHAPE_LIST) return bad(in, "it has bytes that its type has not");
    switch (shape) {
    case HG_SHAPE_NULL:
        return 0;
    case HG_SHAPE_BIT:
        rc = take_bits(in, c, &v);
        c->data = v;
        return rc;
    case HG_SHAPE_FIXED:
        rc = take_copy(in, hg_phys_width(p) * (uint64_t)c->len, c, &v);
        c->data = v;
        return rc;
    case HG_SHAPE_VAR:
        rc = take_offs(in, c, inside);
        v = c->bytes;
        if (rc == 0) rc = take_copy(in, inside, c, &v);
        c->bytes = v;
        return rc;
    case HG_SHAPE_LIST:
        rc = take_offs(in, c, inside);
        return rc < 0 ? rc : take_children(in, c, inside);
    case HG_SHAPE_STRUCT:
        return take_children(in, c, c->len);
    }
    return HG_EBUG;
}

static int take_col(in_t *in, const hg_type_t *t, uint64_t n, hg_col_t **ret)
{
    const char *p = NULL;
    col_head_t h;
    int rc = take(in, sizeof h, &p);
    if (rc < 0) return rc;
    memcpy(&h, p, sizeof h);
    if (h.phys != (uint8_t)hg_type_phys(t) || h.n_child != (uint16_t)hg_n_children(t))
        return bad(in, "it has another type than is expected here");
    if (h.flags & ~VALIDITY) return bad(in, "it has unknown flags");
    if (h.n != n) return bad(in, "it has another number of rows than the block");
    hg_col_t *c = hg_col_bare(t, h.n);
    if (h.flags & VALIDITY) rc = take_validity(in, c);
    if (rc == 0) rc = take_values(in, c, h.inside);
    if (rc < 0)
        hg_col_drop(c);
    else
        *ret = c;
    return rc;
}

static int take_weights(in_t *in, uint32_t n, int64_t **ret)
{
    const char *p = NULL;
    int rc = take(in, sizeof(int64_t) * (uint64_t)n, &p);
    if (rc < 0) return rc;
    int64_t *w = hg_trynew(sizeof *w * ((size_t)n + 1));
    if (!w) return no_mem(in);
    *ret = w;
    if (n) memcpy(w, p, sizeof *w * n);
    for (uint32_t i = 0; i < n; i++)
        if (w[i] == 0) return hg_err_set(in->err, HG_EDAMAGED, "row %u of a block has the weight 0", i);
    return 0;
}

int hg_block_read(hg_str_t *in, const hg_type_t *const *types, uint32_t n_cols, hg_part_t **ret, hg_err_t *err)
{
    head_t h;
    if (in->n < sizeof h) return hg_err_set(err, HG_EDAMAGED, "a block ends inside its head");
    memcpy(&h, in->p, sizeof h);
    if (h.magic != MAGIC || h.flags & ~WEIGHTS) return hg_err_set(err, HG_EDAMAGED, "no block begins here");
    if (h.length < sizeof h || h.length > in->n)
        return hg_err_set(err, HG_EDAMAGED, "a block says that it is %" PRIu64 " bytes long; %zu are left", h.length,
                          in->n);
    if (h.n_cols != n_cols)
        return hg_err_set(err, HG_EDAMAGED, "a block has %u columns instead of %u", h.n_cols, n_cols);
    in_t x = { in->p + sizeof h, in->p, (size_t)h.length - sizeof h, 0, err };
    int64_t *w = NULL;
    int rc = h.flags & WEIGHTS ? take_weights(&x, h.n_rows, &w) : 0;
    hg_batch_t *b = rc == 0 ? hg_batch_new(h.n_rows, n_cols) : NULL;
    for (; rc == 0 && x.col < n_cols; x.col++) rc = take_col(&x, types[x.col], h.n_rows, &b->cols[x.col]);
    if (rc == 0 && x.left) rc = hg_err_set(err, HG_EDAMAGED, "%zu bytes follow the last column of a block", x.left);
    if (rc < 0) {
        hg_batch_drop(b);
        hg_free(w);
        return rc;
    }
    in->p += h.length;
    in->n -= (size_t)h.length;
    *ret = hg_part_new(b, NULL, h.n_rows, w);
    return 0;
}
