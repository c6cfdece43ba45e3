/* op_sort.c: ORDER BY, LIMIT and OFFSET, once.
 *
 *   no keys         rows stream through; after the limit the inputs are told that it is enough
 *   keys            batches are kept, references to their rows are sorted: eight order-preserving bytes of the first
 * key decide most comparisons without touching a column. Equal rows keep the order they came in keys and limit whatever
 * cannot be among the first limit + offset rows is dropped on the way, so memory stays at a multiple of that
 *
 * A row of weight w counts as w rows. One thread at a time.
 */
#include "base/hg.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"

#define TOPK_MAX   65536u  /* a larger limit sorts everything */
#define TOPK_SLACK 131072u /* rows beyond it that may wait to be dropped */

typedef struct {
    uint64_t prefix;
    uint32_t batch, row;
} entry_t;

typedef struct {
    const hg_node_t *node;
    hg_batch_t **batches;
    int64_t **weights; /* per batch; NULL = all 1 */
    uint32_t n_batches, cap_batches;
    entry_t *rows;
    uint32_t n, cap;
    size_t mem;
    uint64_t skip, left; /* no keys: of offset and limit */
} sort_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while sorting");
}

static int sort_open(hg_op_inst_t *op, hg_err_t *err)
{
    sort_t *s = HG_NEW(sort_t);
    (void)err;
    s->node = op->node;
    s->skip = op->node->offset;
    s->left = op->node->limit;
    op->state = s;
    return 0;
}

static void drop_rows(sort_t *s)
{
    for (uint32_t i = 0; i < s->n_batches; i++) {
        hg_batch_drop(s->batches[i]);
        hg_free(s->weights[i]);
    }
    s->n_batches = 0;
    s->n = 0;
    s->mem = 0;
}

static void sort_close(hg_op_inst_t *op)
{
    sort_t *s = op->state;
    drop_rows(s);
    hg_free(s->batches);
    hg_free(s->weights);
    hg_free(s->rows);
    hg_free(s);
}

/* --- order ------------------------------------------------------------------------------------------------------- */

static uint64_t prefix_f64(double v)
{
    if (v != v) return UINT64_MAX - 1;
    if (v == 0) v = 0; /* −0 */
    uint64_t b;
    memcpy(&b, &v, 8);
    return b >> 63 ? ~b : b | UINT64_C(1) << 63;
}

/* Never says the wrong order: it may only fail to tell two values apart. */
static uint64_t prefix_value(const hg_col_t *c, uint32_t r)
{
    const uint64_t top = UINT64_C(1) << 63;
    switch (hg_type_phys(c->type)) {
    case HG_PHYS_BIT:
        return hg_bit_get(c->data, r);
    case HG_PHYS_I8:
        return (uint64_t)(int64_t)HG_COL(c, int8_t)[r] ^ top;
    case HG_PHYS_I16:
        return (uint64_t)(int64_t)HG_COL(c, int16_t)[r] ^ top;
    case HG_PHYS_I32:
        return (uint64_t)(int64_t)HG_COL(c, int32_t)[r] ^ top;
    case HG_PHYS_I64:
        return (uint64_t)HG_COL(c, int64_t)[r] ^ top;
    case HG_PHYS_U8:
        return HG_COL(c, uint8_t)[r];
    case HG_PHYS_U16:
        return HG_COL(c, uint16_t)[r];
    case HG_PHYS_U32:
        return HG_COL(c, uint32_t)[r];
    case HG_PHYS_U64:
        return HG_COL(c, uint64_t)[r];
    case HG_PHYS_F32:
        return prefix_f64((double)HG_COL(c, float)[r]);
    case HG_PHYS_F64:
        return prefix_f64(HG_COL(c, double)[r]);
    case HG_PHYS_VAR: {
        if (c->type->kind != HG_T_VARCHAR) return 0;
        hg_str_t s = hg_col_var(c, r);
        uint64_t v = 0;
        for (size_t i = 0; i < 8; i++) v = v << 8 | (i < s.n ? (unsigned char)s.p[i] : 0);
        return v;
    }
    case HG_PHYS_NULL:
    case HG_PHYS_I128:
    case HG_PHYS_FIX16:
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
    case HG_PHYS_STRUCT:
        break;
    }
    return 0;
}

static uint64_t prefix_of(const hg_sort_key_t *k, const hg_col_t *c, uint32_t r)
{
    if (hg_col_null(c, r)) return k->nulls_last ? UINT64_MAX : 0;
    uint64_t v = prefix_value(c, r);
    return k->desc ? ~v : v;
}

static int by_keys(const void *pa, const void *pb, void *arg)
{
    const entry_t *a = pa, *b = pb;
    const sort_t *s = arg;
    if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
    for (uint32_t i = 0; i < s->node->n_keys; i++) {
        const hg_sort_key_t *k = &s->node->keys[i];
        const hg_col_t *x = s->batches[a->batch]->cols[k->col], *y = s->batches[b->batch]->cols[k->col];
        bool xn = hg_col_null(x, a->row), yn = hg_col_null(y, b->row);
        if (xn || yn) {
            if (xn && yn) continue;
            return xn == k->nulls_last ? 1 : -1;
        }
        int c = hg_cell_cmp(x, a->row, y, b->row);
        if (c) return k->desc ? -c : c;
    }
    if (a->batch != b->batch) return a->batch < b->batch ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* --- keeping rows ------------------------------------------------------------------------------------------------ */

/* Takes the batch and the weights. */
static int keep(sort_t *s, hg_batch_t *b, int64_t *w, hg_err_t *err)
{
    if (s->n_batches == s->cap_batches) {
        uint32_t cap = s->cap_batches ? s->cap_batches * 2 : 16;
        hg_batch_t **p = hg_trygrow(s->batches, sizeof(hg_batch_t *) * cap);
        if (p) s->batches = p;
        int64_t **q = p ? hg_trygrow(s->weights, sizeof *q * cap) : NULL;
        if (!q) goto fail;
        s->weights = q;
        s->cap_batches = cap;
    }
    if ((uint64_t)s->n + b->n_rows > s->cap) {
        uint64_t cap = HG_MAX((uint64_t)s->n + b->n_rows, (uint64_t)s->cap * 2);
        if (cap > UINT32_MAX) cap = UINT32_MAX;
        entry_t *p = (uint64_t)s->n + b->n_rows <= cap ? hg_trygrow(s->rows, sizeof *p * cap) : NULL;
        if (!p) goto fail;
        s->rows = p;
        s->cap = (uint32_t)cap;
    }
    const hg_sort_key_t *k = &s->node->keys[0];
    for (uint32_t r = 0; r < b->n_rows; r++)
        s->rows[s->n++] = (entry_t){ .prefix = prefix_of(k, b->cols[k->col], r), .batch = s->n_batches, .row = r };
    s->batches[s->n_batches] = b;
    s->weights[s->n_batches++] = w;
    s->mem += hg_batch_mem(b) + (w ? sizeof *w * b->n_rows : 0);
    return 0;
fail:
    hg_batch_drop(b);
    hg_free(w);
    return no_mem(err);
}

/* Rows rows[from..from + n) in their order as a batch, and their weights. */
static int gather(const sort_t *s, uint32_t from, uint32_t n, hg_batch_t **ret, int64_t **ret_w, hg_err_t *err)
{
    const hg_node_t *node = s->node;
    const hg_col_t **srcs = hg_trynew(sizeof *srcs * ((size_t)s->n_batches + 1));
    uint32_t *src = hg_trynew(sizeof *src * n), *row = hg_trynew(sizeof *row * n);
    int64_t *w = NULL;
    hg_batch_t *b = NULL;
    int rc = srcs && src && row ? 0 : no_mem(err);
    bool weighted = false;
    for (uint32_t i = 0; i < s->n_batches; i++) weighted = weighted || s->weights[i];
    if (rc == 0 && weighted) {
        w = hg_trynew(sizeof *w * n);
        if (!w) rc = no_mem(err);
    }
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const entry_t *e = &s->rows[from + i];
        src[i] = e->batch;
        row[i] = e->row;
        if (w) w[i] = s->weights[e->batch] ? s->weights[e->batch][e->row] : 1;
    }
    if (rc == 0) b = hg_batch_new(n, node->n_cols);
    for (uint32_t c = 0; c < node->n_cols && rc == 0; c++) {
        for (uint32_t i = 0; i < s->n_batches; i++) srcs[i] = s->batches[i]->cols[c];
        rc = hg_gather(node->types[c], srcs, s->n_batches, src, row, n, &b->cols[c], err);
    }
    hg_free(srcs);
    hg_free(src);
    hg_free(row);
    if (rc < 0) {
        hg_batch_drop(b);
        hg_free(w);
        return rc;
    }
    *ret = b;
    *ret_w = w;
    return 0;
}

static uint64_t wanted(const hg_node_t *node)
{
    return node->limit > UINT64_MAX - node->offset ? UINT64_MAX : node->limit + node->offset;
}

/* Only the first rows that limit and offset reach stay. */
static int cut(sort_t *s, hg_err_t *err)
{
    uint64_t k = wanted(s->node);
    hg_batch_t *b;
    int64_t *w;
    qsort_r(s->rows, s->n, sizeof *s->rows, by_keys, s);
    int rc = gather(s, 0, (uint32_t)HG_MIN((uint64_t)s->n, k), &b, &w, err);
    if (rc < 0) return rc;
    drop_rows(s);
    return keep(s, b, w, err);
}

/* --- limit without order ----------------------------------------------------------------------------------------- */

/* What limit and offset leave of the rows of p, which come in order. */
static int pass(hg_op_inst_t *op, hg_part_t *p, hg_err_t *err)
{
    sort_t *s = op->state;
    uint32_t *sel = hg_trynew(sizeof *sel * p->n), n = 0;
    int64_t *w = hg_trynew(sizeof *w * p->n);
    if (!sel || !w) {
        hg_free(sel);
        hg_free(w);
        return no_mem(err);
    }
    for (uint32_t i = 0; i < p->n && s->left > 0; i++) {
        uint64_t have = p->weights ? (uint64_t)p->weights[i] : 1, gone = HG_MIN(have, s->skip);
        s->skip -= gone;
        have = HG_MIN(have - gone, s->left);
        if (have == 0) continue;
        if (s->left != UINT64_MAX) s->left -= have;
        sel[n] = p->sel ? p->sel[i] : i;
        w[n++] = (int64_t)have;
    }
    int rc = op->emit(op->emit_arg, hg_part_new(hg_batch_retain(p->batch), sel, n, w), err);
    return rc == 0 && s->left == 0 ? HG_ENOUGH : rc;
}

static int sort_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    sort_t *s = op->state;
    hg_batch_t *b;
    int64_t *w = NULL;
    (void)port;
    (void)step;
    if (op->node->limit == 0) return HG_ENOUGH;
    if (op->node->n_keys == 0) return s->left ? pass(op, part, err) : HG_ENOUGH;
    if (part->weights) {
        w = hg_trynew(sizeof *w * part->n);
        if (!w) return no_mem(err);
        memcpy(w, part->weights, sizeof *w * part->n);
    }
    int rc = hg_part_flatten(part, &b, err);
    if (rc < 0) {
        hg_free(w);
        return rc;
    }
    rc = keep(s, b, w, err);
    if (rc == 0 && wanted(op->node) <= TOPK_MAX && s->n > 2 * wanted(op->node) + TOPK_SLACK) rc = cut(s, err);
    return rc < 0 ? rc : hg_over_limit(op, s->mem + sizeof *s->rows * s->cap, "ORDER BY", err);
}

static int sort_flush(hg_op_inst_t *op, const hg_step_t *step, hg_err_t *err)
{
    sort_t *s = op->state;
    int rc = 0;
    (void)step;
    if (op->node->n_keys == 0 || s->n == 0) return 0;
    qsort_r(s->rows, s->n, sizeof *s->rows, by_keys, s);
    for (uint32_t from = 0; from < s->n && s->left > 0 && rc == 0;) {
        uint32_t n = HG_MIN(s->n - from, HG_PART_ROWS);
        hg_batch_t *b;
        int64_t *w;
        rc = gather(s, from, n, &b, &w, err);
        if (rc < 0) return rc;
        hg_part_t *p = hg_part_new(b, NULL, n, w);
        rc = pass(op, p, err);
        hg_part_drop(p);
        from += n;
    }
    return rc;
}

const hg_op_type_t hg_op_sort = {
    .name = "sort", .open = sort_open, .push = sort_push, .flush = sort_flush, .close = sort_close
};
