/* change.c: change batches and their builder.
 *
 * The builder is one thread's. `plain` stays true as long as every row is an INSERT; `present` stays NULL until a row
 * lacks a column: both are the common case and cost nothing. A sealed change batch is immutable. */
#include "base/hg.h"
#include "data/col_int.h"

hg_change_t *hg_change_new(hg_batch_t *rows)
{
    hg_change_t *c = HG_NEW(hg_change_t);
    atomic_init(&c->refs, 1);
    c->rows = rows;
    return c;
}

hg_change_t *hg_change_retain(hg_change_t *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void free_present(uint8_t **present, uint32_t n_cols)
{
    for (uint32_t i = 0; present && i < n_cols; i++) hg_free(present[i]);
    hg_free(present);
}

void hg_change_drop(hg_change_t *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    free_present(c->present, c->rows->n_cols);
    hg_batch_drop(c->rows);
    hg_free(c->ops);
    hg_free(c->hash);
    hg_free(c);
}

void hg_changeb_init(hg_changeb_t *b, const hg_schema_t *schema)
{
    memset(b, 0, sizeof *b);
    b->schema = schema;
    b->plain = true;
    b->cols = HG_NEWN(hg_colb_t, schema->n_cols ? schema->n_cols : 1);
    for (uint32_t i = 0; i < schema->n_cols; i++) hg_colb_init(&b->cols[i], schema->cols[i].type);
}

void hg_changeb_release(hg_changeb_t *b)
{
    if (!b->schema) return;
    for (uint32_t i = 0; i < b->schema->n_cols; i++) hg_colb_release(&b->cols[i]);
    free_present(b->present, b->schema->n_cols);
    hg_free(b->cols);
    hg_free(b->ops);
    memset(b, 0, sizeof *b);
}

static int grow_bitmap(uint8_t **bits, uint32_t old, uint32_t cap)
{
    uint8_t *p = hg_trygrow(*bits, hg_bitmap_bytes(cap));
    if (!p) return HG_ENOMEM;
    memset(p + hg_bitmap_bytes(old), 0, hg_bitmap_bytes(cap) - hg_bitmap_bytes(old));
    *bits = p;
    return 0;
}

static int grow(hg_changeb_t *b)
{
    if (b->cap > UINT32_MAX / 4) return HG_ETOOBIG;
    uint32_t cap = b->cap ? b->cap * 2 : 256;
    uint8_t *ops = hg_trygrow(b->ops, cap);
    if (!ops) return HG_ENOMEM;
    b->ops = ops;
    for (uint32_t i = 0; b->present && i < b->schema->n_cols; i++)
        if (grow_bitmap(&b->present[i], b->cap, cap) < 0) return HG_ENOMEM;
    b->cap = cap;
    return 0;
}

/* The first row with an absent column: from here every column has a bitmap, all rows before are whole. */
static int need_present(hg_changeb_t *b)
{
    if (b->present) return 0;
    uint8_t **p = hg_tryzero(sizeof *p * HG_MAX(b->schema->n_cols, 1u));
    if (!p) return HG_ENOMEM;
    for (uint32_t i = 0; i < b->schema->n_cols; i++) {
        if (grow_bitmap(&p[i], 0, b->cap) < 0) {
            free_present(p, b->schema->n_cols);
            return HG_ENOMEM;
        }
        hg_bits_fill(p[i], 0, b->len);
    }
    b->present = p;
    return 0;
}

int hg_changeb_row(hg_changeb_t *b, hg_op_t op, const uint64_t *present)
{
    if (HG_UNLIKELY(b->len == b->cap)) {
        int rc = grow(b);
        if (rc < 0) return rc;
    }
    if (HG_UNLIKELY(present != NULL)) {
        int rc = need_present(b);
        if (rc < 0) return rc;
    }
    if (b->present)
        for (uint32_t i = 0; i < b->schema->n_cols; i++) {
            if (!present || ((present[i >> 6] >> (i & 63)) & 1))
                hg_bit_set(b->present[i], b->len);
            else
                hg_bit_clear(b->present[i], b->len);
        }
    for (uint32_t i = 0; i < b->schema->n_cols; i++) HG_DASSERT(b->cols[i].len == b->len + 1);
    b->ops[b->len++] = (uint8_t)op;
    if (op != HG_OP_INSERT) b->plain = false;
    return 0;
}

int hg_changeb_inserts(hg_changeb_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < b->schema->n_cols; i++) HG_DASSERT(b->cols[i].len == b->len + n);
    while (b->cap - b->len < n) {
        int rc = grow(b);
        if (rc < 0) return rc;
    }
    for (uint32_t i = 0; b->present && i < b->schema->n_cols; i++)
        hg_bits_fill(b->present[i], b->len, (size_t)b->len + n);
    memset(b->ops + b->len, HG_OP_INSERT, n);
    b->len += n;
    return 0;
}

void hg_changeb_truncate(hg_changeb_t *b, uint32_t len)
{
    HG_DASSERT(len <= b->len);
    b->len = len;
    for (uint32_t i = 0; i < b->schema->n_cols; i++) hg_colb_truncate(&b->cols[i], HG_MIN(len, b->cols[i].len));
}

void hg_changeb_undo(hg_changeb_t *b)
{
    hg_changeb_truncate(b, b->len);
}

size_t hg_changeb_bytes(const hg_changeb_t *b)
{
    size_t n = b->cap;
    for (uint32_t i = 0; i < b->schema->n_cols; i++) {
        n += hg_colb_bytes(&b->cols[i]);
        if (b->present) n += hg_bitmap_bytes(b->cap);
    }
    return n;
}

hg_change_t *hg_changeb_seal(hg_changeb_t *b)
{
    hg_changeb_undo(b);
    if (b->len == 0) return NULL;
    hg_batch_t *rows = hg_batch_new(b->len, b->schema->n_cols);
    for (uint32_t i = 0; i < rows->n_cols; i++) rows->cols[i] = hg_colb_seal(&b->cols[i]);
    hg_change_t *c = hg_change_new(rows);
    c->present = b->present;
    if (b->plain)
        hg_free(b->ops);
    else
        c->ops = b->ops;
    b->ops = NULL;
    b->present = NULL;
    b->len = b->cap = 0;
    b->plain = true;
    return c;
}
