/* op_unnest.c: a row per element of each row's ARRAY or MAP, with the weight of that row. Linear, stateless: a delta's
 * rows are taken apart one by one, and a deleted row takes back what its insertion gave.
 *
 * Output: the element's columns (of a ROW its fields, of a MAP key and value), its number, then the carried columns of
 * the row. A NULL or empty list gives no row. Carried columns are repeated for each element, so a part ends where they
 * would take more than a part's bytes; the elements themselves are never more than the input held. */
#include "base/hg.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"

typedef struct {
    hg_op_inst_t *op;
    hg_part_t *part;
    hg_col_t *list;          /* of the part's rows */
    uint32_t *row, *element; /* per output row: of the part's batch; of the list's children */
    int32_t *number;         /* NULL: not wanted */
    int64_t *weight;         /* NULL: all +1 */
    uint32_t n, cap;
    uint64_t bytes;
} work_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory for the elements of an array");
}

static int begin(work_t *w, hg_err_t *err)
{
    const hg_col_t *l = w->list;
    w->cap = HG_MIN((uint32_t)(l->offs[l->len] - l->offs[0]), HG_PART_ROWS);
    if (w->cap == 0) return 0;
    w->row = hg_trynew(sizeof *w->row * w->cap);
    w->element = hg_trynew(sizeof *w->element * w->cap);
    if (w->op->node->ordinality) w->number = hg_trynew(sizeof *w->number * w->cap);
    if (w->part->weights) w->weight = hg_trynew(sizeof *w->weight * w->cap);
    bool ok = w->row && w->element && (w->number || !w->op->node->ordinality) && (w->weight || !w->part->weights);
    return ok ? 0 : no_mem(err);
}

static void end(work_t *w)
{
    hg_free(w->row);
    hg_free(w->element);
    hg_free(w->number);
    hg_free(w->weight);
    hg_col_drop(w->list);
}

/* --- columns ----------------------------------------------------------------------------------------------------- */

/* The cells from[at[i]] as a column of the type; those whose row of `under` is NULL are NULL, too. */
static int take(hg_col_t *from, const hg_col_t *under, const uint32_t *at, uint32_t n, const hg_type_t *type,
                hg_col_t **ret, hg_err_t *err)
{
    if (!under || under->nulls == 0) {
        hg_col_t *c;
        int rc = hg_col_gather(from, at, n, &c, err);
        if (rc < 0) return rc;
        *ret = hg_col_retype(c, type);
        hg_col_drop(c);
        return 0;
    }
    hg_colb_t b;
    int rc = 0;
    hg_colb_init(&b, type);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = hg_col_null(under, at[i]) || hg_col_null(from, at[i]) ? hg_colb_null(&b) : hg_colb_copy(&b, from, at[i]);
    if (rc == 0) *ret = hg_colb_seal(&b);
    hg_colb_release(&b);
    return rc == 0 ? 0 : no_mem(err);
}

/* The element's own columns; *ret_n: how many there are. */
static int element_columns(const work_t *w, hg_batch_t *b, uint32_t *ret_n, hg_err_t *err)
{
    const hg_node_t *node = w->op->node;
    hg_col_t *const *child = w->list->child, *elems = child[0];
    bool rows = node->exprs[0]->type->kind == HG_T_ARRAY && elems->type->kind == HG_T_ROW;
    uint32_t n = rows ? elems->n_child : w->list->n_child;
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = take(rows ? elems->child[i] : child[i], rows ? elems : NULL, w->element, w->n, node->types[i], &b->cols[i],
                  err);
    *ret_n = n;
    return rc;
}

static int numbers(const work_t *w, const hg_type_t *type, hg_col_t **ret, hg_err_t *err)
{
    hg_colb_t b;
    hg_colb_init(&b, type);
    int rc = hg_colb_reserve(&b, w->n, 0);
    for (uint32_t i = 0; i < w->n && rc == 0; i++) rc = hg_colb_i32(&b, w->number[i]);
    if (rc == 0) *ret = hg_colb_seal(&b);
    hg_colb_release(&b);
    return rc == 0 ? 0 : no_mem(err);
}

static int columns(const work_t *w, hg_batch_t *b, hg_err_t *err)
{
    const hg_node_t *node = w->op->node;
    uint32_t at = 0;
    int rc = element_columns(w, b, &at, err);
    if (rc == 0 && node->ordinality) {
        rc = numbers(w, node->types[at], &b->cols[at], err);
        at++;
    }
    for (uint32_t i = 0; i < node->n_carry && rc == 0; i++)
        rc = hg_col_gather(w->part->batch->cols[node->carry[i]], w->row, w->n, &b->cols[at + i], err);
    return rc;
}

/* What there is so far goes out. 1: no more is wanted. */
static int send(work_t *w, hg_err_t *err)
{
    if (w->n == 0) return 0;
    hg_batch_t *b = hg_batch_new(w->n, w->op->node->n_cols);
    int64_t *weights = NULL;
    int rc = columns(w, b, err);
    if (rc == 0 && w->weight) {
        weights = hg_trynew(sizeof *weights * w->n);
        if (weights)
            memcpy(weights, w->weight, sizeof *weights * w->n);
        else
            rc = no_mem(err);
    }
    if (rc < 0) {
        hg_batch_drop(b);
        return rc;
    }
    hg_part_t *out = hg_part_new(b, NULL, w->n, weights);
    w->n = 0;
    w->bytes = 0;
    return w->op->emit(w->op->emit_arg, out, err);
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* What the carried columns of one row take. */
static uint64_t row_bytes(const work_t *w, uint32_t row)
{
    const hg_node_t *node = w->op->node;
    uint64_t total = 0;
    for (uint32_t i = 0; i < node->n_carry; i++) {
        const hg_col_t *c = w->part->batch->cols[node->carry[i]];
        uint64_t dims[16] = { 0 };
        uint32_t n = hg_type_dims(c->type);
        total += hg_phys_width(hg_type_phys(c->type));
        if (n == 0 || n > HG_COUNT(dims)) continue; /* deeply nested: rows alone bound the part */
        hg_col_measure(c, row, row + 1, dims);
        for (uint32_t d = 0; d < n; d++) total += dims[d];
    }
    return total;
}

/* Row i of the part. */
static int take_apart(work_t *w, uint32_t i, hg_err_t *err)
{
    const hg_col_t *l = w->list;
    uint32_t row = w->part->sel ? w->part->sel[i] : i;
    int32_t from = l->offs[i], to = l->offs[i + 1];
    if (from == to || hg_col_null(l, i)) return 0;
    uint64_t bytes = row_bytes(w, row);
    for (int32_t k = from; k < to; k++) {
        int rc = w->n == w->cap || (w->n && w->bytes + bytes > HG_PART_BYTES) ? send(w, err) : 0;
        if (rc != 0) return rc;
        w->row[w->n] = row;
        w->element[w->n] = (uint32_t)k;
        if (w->number) w->number[w->n] = k - from + 1;
        if (w->weight) w->weight[w->n] = w->part->weights[i];
        w->bytes += bytes;
        w->n++;
    }
    return 0;
}

static int unnest_push(hg_op_inst_t *op, uint32_t port, hg_part_t *part, const hg_step_t *step, hg_err_t *err)
{
    work_t w = { .op = op, .part = part };
    (void)port;
    int rc = hg_eval(op->node->exprs[0], part->batch, part->sel, part->n, step->now_us, &w.list, err);
    if (rc < 0) {
        hg_err_wrap(err, "in UNNEST");
        return rc;
    }
    rc = begin(&w, err);
    for (uint32_t i = 0; i < part->n && rc == 0; i++) rc = take_apart(&w, i, err);
    if (rc == 0) rc = send(&w, err);
    end(&w);
    return rc;
}

const hg_op_type_t hg_op_unnest = { .name = "unnest", .push = unnest_push };
