/* eval.c: typed expressions over the selected rows of a batch.
 *
 * ev() walks the tree and returns a vector (eval_int.h) of n values for the rows sel[0..n). Only the rows asked for are
 * evaluated: AND, OR, CASE, COALESCE and IN narrow the selection as they go, so `CASE WHEN x <> 0 THEN 1 / x END` never
 * divides by zero. Scratch memory is per node and batch, never per row. Any thread: an expression is immutable,
 * everything else is on this call.
 *
 * ev() is never called for no rows. */
#include "base/hg.h"
#include "engine/circuit.h"
#include "engine/eval_int.h"

typedef struct {
    const hg_batch_t *batch;
    int64_t now_us;
    hg_err_t *err;
} ev_t;

static int ev(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret);

static int no_memory(ev_t *x)
{
    return hg_err_set(x->err, HG_ENOMEM, "out of memory while evaluating an expression");
}

static int sealed(ev_t *x, hg_colb_t *b, int rc, bool konst, hg_vec_t *ret)
{
    if (rc == 0) {
        *ret = (hg_vec_t){ .col = hg_colb_seal(b), .konst = konst };
    }
    hg_colb_release(b);
    if (rc == HG_ETOOBIG) return hg_err_set(x->err, rc, "a column would hold more than 2^31-1 bytes or elements");
    return rc < 0 ? no_memory(x) : 0;
}

static int const_null(ev_t *x, const hg_type_t *type, hg_vec_t *ret)
{
    hg_colb_t b;
    hg_colb_init(&b, type);
    return sealed(x, &b, hg_colb_null(&b), true, ret);
}

/* A vector of truth values: 0 false, 1 true, 2 NULL. */
static int truth(const hg_vec_t *v, uint32_t r)
{
    uint32_t i = hg_vec_at(v, r);
    if (hg_vec_null(v, r)) return 2;
    return hg_bit_get(v->col->data, i);
}

/* The batch rows behind positions pos[0..n) of sel. */
static uint32_t *rows_of(const uint32_t *sel, const uint32_t *pos, uint32_t n)
{
    uint32_t *rows = hg_trynew(sizeof *rows * n);
    if (rows)
        for (uint32_t i = 0; i < n; i++) rows[i] = sel ? sel[pos[i]] : pos[i];
    return rows;
}

/* --- output columns ---------------------------------------------------------------------------------------------- */

static size_t words(uint32_t n)
{
    return ((size_t)n + 63) / 64;
}

static bool appended(hg_phys_t p)
{
    return p == HG_PHYS_NULL || p == HG_PHYS_VAR || p == HG_PHYS_LIST || p == HG_PHYS_MAP || p == HG_PHYS_STRUCT;
}

int hg_out_begin(hg_colb_t *out, const hg_type_t *type, uint32_t n, hg_err_t *err)
{
    hg_colb_init(out, type);
    uint32_t rows = (n + 63) & ~(uint32_t)63; /* bitmaps are written in whole words */
    if (hg_colb_reserve(out, rows, 0) == 0) return 0;
    hg_colb_release(out);
    return hg_err_set(err, HG_ENOMEM, "out of memory for %u values", n);
}

int hg_out_end(hg_colb_t *out, uint32_t n, const uint8_t *valid, hg_col_t **ret, hg_err_t *err)
{
    if (!appended(out->phys)) {
        uint32_t nulls = 0;
        for (uint32_t i = 0; valid && i < n; i++) nulls += !hg_bit_get(valid, i);
        if (nulls) {
            out->validity = hg_tryalign(words(out->cap) * 8);
            if (!out->validity) {
                hg_colb_release(out);
                return hg_err_set(err, HG_ENOMEM, "out of memory for %u values", n);
            }
            memset(out->validity, 0, words(out->cap) * 8);
            memcpy(out->validity, valid, words(n) * 8);
        }
        out->nulls = nulls;
        out->len = n;
    } else if (HG_NEVER(out->len != n)) {
        hg_colb_release(out);
        return hg_err_set(err, HG_EBUG, "a function answered the wrong number of rows");
    }
    *ret = hg_colb_seal(out);
    hg_colb_release(out);
    return 0;
}

/* --- columns and calls ------------------------------------------------------------------------------------------- */

static int ev_col(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    if (!x->batch || e->col >= x->batch->n_cols)
        return hg_err_at(x->err, HG_EINVAL, e->pos, "a column is not allowed in a constant expression");
    hg_col_t *c = x->batch->cols[e->col];
    if (!sel || appended(hg_type_phys(c->type))) {
        *ret = (hg_vec_t){ .col = hg_col_retain(c), .idx = sel };
        return 0;
    }
    *ret = (hg_vec_t){ .col = NULL };
    return hg_col_gather(c, sel, n, &ret->col, x->err);
}

/* Clear the bits of rows where v is NULL. */
static void clear_nulls(uint8_t *valid, const hg_vec_t *v, uint32_t n)
{
    if (v->col->nulls == 0 || v->konst) return;
    if (!v->idx) {
        for (size_t i = 0; i < ((size_t)n + 7) / 8; i++) valid[i] &= v->col->validity[i];
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (hg_col_null(v->col, v->idx[i])) hg_bit_clear(valid, i);
}

static uint8_t *all_valid(uint32_t n)
{
    uint8_t *v = hg_trynew(words(n) * 8);
    if (v) memset(v, 0xff, words(n) * 8);
    return v;
}

/* Run a kernel (or, with fn NULL, a cast) over evaluated arguments. */
static int run(ev_t *x, const hg_expr_t *e, hg_vec_t *args, uint32_t n, hg_vec_t *ret)
{
    bool konst = !(e->fn && e->fn->flags & HG_F_VARIES), nulls = false;
    bool lenient = e->fn && e->fn->flags & HG_F_LENIENT;
    uint32_t n_args = e->n_args;
    for (uint32_t i = 0; i < n_args; i++) {
        konst = konst && args[i].konst;
        nulls = nulls || args[i].col->nulls > 0;
        if (!lenient && args[i].konst && hg_vec_null(&args[i], 0)) return const_null(x, e->type, ret);
    }
    if (konst) n = 1;
    const hg_type_t *few[8];
    const hg_type_t **types = n_args <= HG_COUNT(few) ? few : hg_trynew(sizeof *types * n_args);
    if (!types) return no_memory(x);
    for (uint32_t i = 0; i < n_args; i++) types[i] = e->args[i]->type;
    hg_call_t c = { .fn = e->fn,
                    .type = e->type,
                    .types = types,
                    .n_args = n_args,
                    .n = n,
                    .pos = e->pos,
                    .now_us = x->now_us,
                    .err = x->err };
    hg_colb_t out;
    int rc = hg_out_begin(&out, e->type, n, x->err);
    if (rc == 0) {
        bool makes_nulls = e->fn ? e->fn->flags & HG_F_NULLS : e->safe || types[0]->kind == HG_T_VARIANT;
        if ((nulls && !lenient) || makes_nulls) {
            c.valid = all_valid(n);
            if (!c.valid) rc = no_memory(x);
            for (uint32_t i = 0; i < n_args && rc == 0 && !lenient; i++) clear_nulls(c.valid, &args[i], n);
        } else if (lenient) {
            c.valid = all_valid(n);
            if (!c.valid) rc = no_memory(x);
        }
        if (rc == 0) rc = e->fn ? e->fn->kernel(&c, args, &out) : hg_cast_vec(&c, &args[0], e->safe, &out);
        if (rc == HG_ENOMEM || rc == HG_ETOOBIG) rc = hg_call_mem(&c, rc);
        *ret = (hg_vec_t){ .konst = konst };
        if (rc == 0)
            rc = hg_out_end(&out, n, c.valid, &ret->col, x->err);
        else
            hg_colb_release(&out);
    }
    hg_free(c.valid);
    if (types != few) hg_free(types);
    return rc;
}

static int ev_args(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *args)
{
    for (uint32_t i = 0; i < e->n_args; i++) {
        int rc = ev(x, e->args[i], sel, n, &args[i]);
        if (rc == 0) continue;
        while (i-- > 0) hg_vec_drop(&args[i]);
        return rc;
    }
    return 0;
}

static int ev_call(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    hg_vec_t few[8];
    hg_vec_t *args = e->n_args <= HG_COUNT(few) ? few : hg_trynew(sizeof *args * e->n_args);
    if (!args) return no_memory(x);
    int rc = ev_args(x, e, sel, n, args);
    if (rc == 0) {
        rc = run(x, e, args, n, ret);
        for (uint32_t i = 0; i < e->n_args; i++) hg_vec_drop(&args[i]);
    }
    if (args != few) hg_free(args);
    return rc;
}

static int ev_cast(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    const hg_type_t *from = e->args[0]->type;
    hg_vec_t v;
    HG_DASSERT(e->n_args == 1);
    int rc = ev(x, e->args[0], sel, n, &v);
    if (rc < 0) return rc;
    if (hg_type_same(from, e->type)) {
        *ret = v;
        return 0;
    }
    rc = from->kind == HG_T_NULL ? const_null(x, e->type, ret) : run(x, e, &v, n, ret);
    hg_vec_drop(&v);
    return rc;
}

/* --- truth ------------------------------------------------------------------------------------------------------- */

/* A result and its validity, all set. */
static int begin(ev_t *x, const hg_type_t *type, uint32_t n, hg_colb_t *out, uint8_t **valid)
{
    int rc = hg_out_begin(out, type, n, x->err);
    if (rc < 0) return rc;
    *valid = all_valid(n);
    if (*valid) return 0;
    hg_colb_release(out);
    return no_memory(x);
}

/* states[i]: 0 false, 1 true, 2 NULL. */
static int from_states(ev_t *x, const hg_type_t *type, const uint8_t *states, uint32_t n, hg_vec_t *ret)
{
    hg_colb_t out;
    uint8_t *valid;
    int rc = begin(x, type, n, &out, &valid);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < n; i++) {
        if (states[i] == 1) hg_bit_set(out.data, i);
        if (states[i] == 2) hg_bit_clear(valid, i);
    }
    *ret = (hg_vec_t){ .col = NULL };
    rc = hg_out_end(&out, n, valid, &ret->col, x->err);
    hg_free(valid);
    return rc;
}

/* AND and OR: `decides` is the value (0 or 1) that ends the matter for a row; the next argument is asked only where it
 * is open. */
static int ev_logic(ev_t *x, const hg_expr_t *e, int decides, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    uint8_t *state = hg_trynew(n);
    uint32_t *open = hg_trynew(sizeof *open * n);
    int rc = state && open ? 0 : no_memory(x);
    uint32_t m = n;
    if (rc == 0) {
        memset(state, !decides, n);
        for (uint32_t i = 0; i < n; i++) open[i] = i;
    }
    for (uint32_t k = 0; k < e->n_args && m && rc == 0; k++) {
        uint32_t *rows = m < n ? rows_of(sel, open, m) : NULL;
        hg_vec_t v = { 0 };
        if (m < n && !rows)
            rc = no_memory(x);
        else
            rc = ev(x, e->args[k], m < n ? rows : sel, m, &v);
        uint32_t left = 0;
        for (uint32_t j = 0; j < m && rc == 0; j++) {
            int t = truth(&v, j);
            if (t != !decides) state[open[j]] = (uint8_t)t;
            if (t != decides) open[left++] = open[j];
        }
        m = left;
        hg_vec_drop(&v);
        hg_free(rows);
    }
    if (rc == 0) rc = from_states(x, e->type, state, n, ret);
    hg_free(state);
    hg_free(open);
    return rc;
}

/* NOT, IS NULL, IS TRUE: one argument, one state. */
static uint8_t unary_state(const hg_expr_t *e, const hg_vec_t *v, uint32_t r)
{
    if (e->kind == HG_X_IS_NULL) return hg_vec_null(v, r) != e->negated;
    int t = truth(v, r);
    if (e->kind == HG_X_NOT) return t == 2 ? 2 : (uint8_t)!t;
    return (t == (e->truth ? 1 : 0)) != e->negated;
}

static int ev_unary(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    hg_vec_t v;
    int rc = ev(x, e->args[0], sel, n, &v);
    if (rc < 0) return rc;
    uint32_t m = v.konst ? 1 : n;
    uint8_t *state = hg_trynew(m);
    if (!state) rc = no_memory(x);
    for (uint32_t i = 0; i < m && rc == 0; i++) state[i] = unary_state(e, &v, i);
    if (rc == 0) rc = from_states(x, e->type, state, m, ret);
    if (rc == 0) ret->konst = v.konst;
    hg_free(state);
    hg_vec_drop(&v);
    return rc;
}

/* --- CASE and COALESCE ------------------------------------------------------------------------------------------- */

#define NOBODY UINT32_MAX

/* Results come from several vectors: row i is row at[i] of part owner[i] (NOBODY: NULL). */
typedef struct {
    uint32_t *owner, *at;
    uint32_t *open; /* positions still without a value */
    uint32_t n_open;
    hg_vec_t *parts;
    uint32_t **rows; /* selections the parts look through */
    uint32_t n_parts;
} mix_t;

static void mix_release(mix_t *m)
{
    for (uint32_t i = 0; i < m->n_parts; i++) {
        hg_vec_drop(&m->parts[i]);
        hg_free(m->rows[i]);
    }
    hg_free(m->owner);
    hg_free(m->at);
    hg_free(m->open);
    hg_free(m->parts);
    hg_free(m->rows);
}

static int mix_init(ev_t *x, mix_t *m, uint32_t n, uint32_t max_parts)
{
    *m = (mix_t){ .owner = hg_trynew(sizeof(uint32_t) * n),
                  .at = hg_trynew(sizeof(uint32_t) * n),
                  .open = hg_trynew(sizeof(uint32_t) * n),
                  .parts = hg_tryzero(sizeof(hg_vec_t) * max_parts),
                  .rows = hg_tryzero(sizeof(uint32_t *) * max_parts),
                  .n_open = n };
    if (!m->owner || !m->at || !m->open || !m->parts || !m->rows) return no_memory(x);
    for (uint32_t i = 0; i < n; i++) {
        m->open[i] = i;
        m->owner[i] = NOBODY;
    }
    return 0;
}

static const hg_vec_t *mix_at(const mix_t *m, uint32_t i, uint32_t *ret_row)
{
    if (m->owner[i] == NOBODY) return NULL;
    const hg_vec_t *v = &m->parts[m->owner[i]];
    if (hg_vec_null(v, m->at[i])) return NULL;
    *ret_row = hg_vec_at(v, m->at[i]);
    return v;
}

#define MIX(T)                                                                                                         \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        const hg_vec_t *v = mix_at(m, i, &row);                                                                        \
        if (v)                                                                                                         \
            HG_COL(&out, T)[i] = HG_COL(v->col, T)[row];                                                               \
        else                                                                                                           \
            hg_bit_clear(valid, i);                                                                                    \
    }

static int mix_append(const mix_t *m, uint32_t n, hg_colb_t *out)
{
    int rc = 0;
    uint32_t row = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const hg_vec_t *v = mix_at(m, i, &row);
        rc = v ? hg_colb_copy(out, v->col, row) : hg_colb_null(out);
    }
    return rc;
}

static int mix_seal(ev_t *x, const mix_t *m, const hg_type_t *type, uint32_t n, hg_vec_t *ret)
{
    hg_colb_t out;
    uint8_t *valid;
    int rc = begin(x, type, n, &out, &valid);
    if (rc < 0) return rc;
    uint32_t row = 0;
    if (appended(out.phys)) {
        rc = mix_append(m, n, &out);
        if (rc < 0) rc = no_memory(x);
    } else if (out.phys == HG_PHYS_BIT) {
        for (uint32_t i = 0; i < n; i++) {
            const hg_vec_t *v = mix_at(m, i, &row);
            if (!v)
                hg_bit_clear(valid, i);
            else if (hg_bit_get(v->col->data, row))
                hg_bit_set(out.data, i);
        }
    } else {
        switch (hg_phys_width(out.phys)) {
        case 1:
            MIX(uint8_t);
            break;
        case 2:
            MIX(uint16_t);
            break;
        case 4:
            MIX(uint32_t);
            break;
        case 8:
            MIX(uint64_t);
            break;
        default:
            MIX(hg_u128);
            break;
        }
    }
    *ret = (hg_vec_t){ .col = NULL };
    if (rc == 0)
        rc = hg_out_end(&out, n, valid, &ret->col, x->err);
    else
        hg_colb_release(&out);
    hg_free(valid);
    return rc;
}

/* Positions take[0..k) get the values of e. */
static int mix_take(ev_t *x, mix_t *m, const hg_expr_t *e, const uint32_t *sel, const uint32_t *take, uint32_t k)
{
    uint32_t p = m->n_parts;
    uint32_t *rows = rows_of(sel, take, k);
    if (!rows) return no_memory(x);
    int rc = ev(x, e, rows, k, &m->parts[p]);
    if (rc < 0) {
        hg_free(rows);
        return rc;
    }
    m->rows[p] = rows;
    m->n_parts++;
    for (uint32_t j = 0; j < k; j++) {
        m->owner[take[j]] = p;
        m->at[take[j]] = j;
    }
    return 0;
}

/* One WHEN: evaluate the condition where no branch was taken yet, and its THEN where it is true. */
static int case_branch(ev_t *x, mix_t *m, const hg_expr_t *when, const hg_expr_t *then, const uint32_t *sel)
{
    uint32_t *rows = rows_of(sel, m->open, m->n_open), *take = hg_trynew(sizeof *take * m->n_open);
    hg_vec_t v = { 0 };
    uint32_t taken = 0, left = 0;
    int rc = rows && take ? ev(x, when, rows, m->n_open, &v) : no_memory(x);
    for (uint32_t j = 0; j < m->n_open && rc == 0; j++) {
        if (truth(&v, j) == 1)
            take[taken++] = m->open[j];
        else
            m->open[left++] = m->open[j];
    }
    if (rc == 0) m->n_open = left;
    hg_vec_drop(&v);
    hg_free(rows);
    if (rc == 0 && taken) rc = mix_take(x, m, then, sel, take, taken);
    hg_free(take);
    return rc;
}

static int ev_case(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    mix_t m;
    int rc = mix_init(x, &m, n, e->n_args / 2 + 1);
    for (uint32_t k = 0; k + 1 < e->n_args && m.n_open && rc == 0; k += 2)
        rc = case_branch(x, &m, e->args[k], e->args[k + 1], sel);
    if (rc == 0 && e->n_args % 2 && m.n_open) rc = mix_take(x, &m, e->args[e->n_args - 1], sel, m.open, m.n_open);
    if (rc == 0) rc = mix_seal(x, &m, e->type, n, ret);
    mix_release(&m);
    return rc;
}

static int ev_coalesce(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    mix_t m;
    int rc = mix_init(x, &m, n, e->n_args);
    for (uint32_t k = 0; k < e->n_args && m.n_open && rc == 0; k++) {
        uint32_t asked = m.n_open, left = 0;
        rc = mix_take(x, &m, e->args[k], sel, m.open, asked);
        for (uint32_t j = 0; j < asked && rc == 0; j++)
            if (hg_vec_null(&m.parts[m.n_parts - 1], j)) m.open[left++] = m.open[j];
        m.n_open = left;
    }
    if (rc == 0) rc = mix_seal(x, &m, e->type, n, ret);
    mix_release(&m);
    return rc;
}

/* --- IN ---------------------------------------------------------------------------------------------------------- */

static bool all_const(const hg_expr_t *e)
{
    for (uint32_t i = 1; i < e->n_args; i++)
        if (e->args[i]->kind != HG_X_CONST) return false;
    return true;
}

static int cmp_rows(const void *a, const void *b, void *col)
{
    return hg_cell_cmp(col, *(const uint32_t *)a, col, *(const uint32_t *)b);
}

static bool found(const hg_vec_t *v, uint32_t r, const hg_col_t *list, const uint32_t *order, uint32_t m)
{
    uint32_t lo = 0, row = hg_vec_at(v, r);
    while (lo < m) {
        uint32_t mid = lo + (m - lo) / 2;
        int c = hg_cell_cmp(v->col, row, list, order[mid]);
        if (c == 0) return true;
        if (c > 0)
            lo = mid + 1;
        else
            m = mid;
    }
    return false;
}

/* A list of constants: sorted once per batch, searched per row. */
static int in_constants(ev_t *x, const hg_expr_t *e, const hg_vec_t *v, uint32_t n, uint8_t *state)
{
    hg_colb_t b;
    hg_colb_init(&b, e->args[0]->type);
    bool has_null = false;
    int rc = 0;
    for (uint32_t k = 1; k < e->n_args && rc == 0; k++) {
        const hg_col_t *lit = e->args[k]->lit;
        if (lit->type->kind == HG_T_NULL || hg_col_null(lit, 0))
            has_null = true;
        else
            rc = hg_colb_copy(&b, lit, 0);
    }
    hg_vec_t list = { 0 };
    rc = sealed(x, &b, rc, true, &list);
    if (rc < 0) return rc;
    uint32_t m = list.col->len;
    uint32_t *order = hg_trynew(sizeof *order * ((size_t)m + 1));
    if (!order)
        rc = no_memory(x);
    else {
        for (uint32_t i = 0; i < m; i++) order[i] = i;
        qsort_r(order, m, sizeof *order, cmp_rows, list.col);
        for (uint32_t i = 0; i < n; i++) {
            if (hg_vec_null(v, i))
                state[i] = 2;
            else
                state[i] = found(v, i, list.col, order, m) ? 1 : has_null ? 2 : 0;
        }
    }
    hg_free(order);
    hg_vec_drop(&list);
    return rc;
}

/* Items with columns: each is evaluated only where no earlier one matched. */
static int in_items(ev_t *x, const hg_expr_t *e, const hg_vec_t *v, const uint32_t *sel, uint32_t n, uint8_t *state)
{
    uint32_t *open = hg_trynew(sizeof *open * n);
    uint32_t m = 0;
    int rc = open ? 0 : no_memory(x);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        state[i] = hg_vec_null(v, i) ? 2 : 0;
        if (!state[i]) open[m++] = i;
    }
    for (uint32_t k = 1; k < e->n_args && m && rc == 0; k++) {
        uint32_t *rows = rows_of(sel, open, m), left = 0;
        hg_vec_t item = { 0 };
        rc = rows ? ev(x, e->args[k], rows, m, &item) : no_memory(x);
        for (uint32_t j = 0; j < m && rc == 0; j++) {
            uint32_t i = open[j];
            if (hg_vec_null(&item, j))
                state[i] = 2;
            else if (hg_vec_cmp(v, i, &item, j) == 0)
                state[i] = 1;
            if (state[i] != 1) open[left++] = i;
        }
        m = left;
        hg_vec_drop(&item);
        hg_free(rows);
    }
    hg_free(open);
    return rc;
}

static int ev_in(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    hg_vec_t v;
    int rc = ev(x, e->args[0], sel, n, &v);
    if (rc < 0) return rc;
    uint8_t *state = hg_trynew(n);
    if (!state)
        rc = no_memory(x);
    else
        rc = all_const(e) ? in_constants(x, e, &v, n, state) : in_items(x, e, &v, sel, n, state);
    for (uint32_t i = 0; i < n && rc == 0 && e->negated; i++)
        if (state[i] != 2) state[i] = !state[i];
    if (rc == 0) rc = from_states(x, e->type, state, n, ret);
    hg_free(state);
    hg_vec_drop(&v);
    return rc;
}

/* --- ARRAY ------------------------------------------------------------------------------------------------------- */

static int ev_array(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    hg_vec_t *args = hg_trynew(sizeof *args * ((size_t)e->n_args + 1));
    if (!args) return no_memory(x);
    int rc = ev_args(x, e, sel, n, args);
    if (rc == 0) {
        hg_colb_t b;
        hg_colb_init(&b, e->type);
        for (uint32_t i = 0; i < n && rc == 0; i++) {
            for (uint32_t k = 0; k < e->n_args && rc == 0; k++)
                rc = hg_vec_null(&args[k], i) ? hg_colb_null(&b.child[0])
                                              : hg_colb_copy(&b.child[0], args[k].col, hg_vec_at(&args[k], i));
            if (rc == 0) rc = hg_colb_close_list(&b);
        }
        rc = sealed(x, &b, rc, false, ret);
        for (uint32_t i = 0; i < e->n_args; i++) hg_vec_drop(&args[i]);
    }
    hg_free(args);
    return rc;
}

/* --- the walk ---------------------------------------------------------------------------------------------------- */

static int ev(ev_t *x, const hg_expr_t *e, const uint32_t *sel, uint32_t n, hg_vec_t *ret)
{
    *ret = (hg_vec_t){ 0 };
    switch (e->kind) {
    case HG_X_COL:
        return ev_col(x, e, sel, n, ret);
    case HG_X_CONST:
        *ret = (hg_vec_t){ .col = hg_col_retain(e->lit), .konst = true };
        return 0;
    case HG_X_CALL:
        return ev_call(x, e, sel, n, ret);
    case HG_X_CAST:
        return ev_cast(x, e, sel, n, ret);
    case HG_X_AND:
        return ev_logic(x, e, 0, sel, n, ret);
    case HG_X_OR:
        return ev_logic(x, e, 1, sel, n, ret);
    case HG_X_NOT:
    case HG_X_IS_NULL:
    case HG_X_IS_TRUE:
        return ev_unary(x, e, sel, n, ret);
    case HG_X_CASE:
        return ev_case(x, e, sel, n, ret);
    case HG_X_COALESCE:
        return ev_coalesce(x, e, sel, n, ret);
    case HG_X_IN:
        return ev_in(x, e, sel, n, ret);
    case HG_X_ARRAY:
        return ev_array(x, e, sel, n, ret);
    }
    return hg_err_set(x->err, HG_EBUG, "an expression of unknown kind %d", (int)e->kind);
}

/* The vector as a column of n rows of e's type. Takes the vector. */
static int as_column(ev_t *x, const hg_expr_t *e, hg_vec_t v, uint32_t n, hg_col_t **ret)
{
    hg_col_t *c = v.col;
    if (v.konst || v.idx || c->len != n) {
        uint32_t *zeros = v.idx ? NULL : hg_tryzero(sizeof *zeros * n);
        int rc = !v.idx && !zeros ? no_memory(x) : 0;
        if (zeros && !v.konst)
            for (uint32_t i = 0; i < n; i++) zeros[i] = i;
        if (rc == 0) rc = hg_col_gather(v.col, v.idx ? v.idx : zeros, n, &c, x->err);
        hg_free(zeros);
        hg_col_drop(v.col);
        if (rc < 0) return rc;
    }
    if (c->type == e->type || hg_type_phys(c->type) != hg_type_phys(e->type)) {
        *ret = c;
        return 0;
    }
    *ret = hg_col_retype(c, e->type);
    hg_col_drop(c);
    return 0;
}

int hg_eval(const hg_expr_t *e, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, int64_t now_us,
            hg_col_t **ret, hg_err_t *err)
{
    ev_t x = { .batch = batch, .now_us = now_us, .err = err };
    hg_vec_t v = { 0 };
    if (n == 0) {
        hg_colb_t b;
        hg_colb_init(&b, e->type);
        *ret = hg_colb_seal(&b);
        hg_colb_release(&b);
        return 0;
    }
    int rc = ev(&x, e, sel, n, &v);
    return rc < 0 ? rc : as_column(&x, e, v, n, ret);
}

/* Keep those of rows[0..n) where e is true, in place; rows NULL: of 0..n, written to out. */
static int keep_true(ev_t *x, const hg_expr_t *e, const uint32_t *rows, uint32_t n, uint32_t *out, uint32_t *ret_n)
{
    hg_vec_t v;
    int rc = ev(x, e, rows, n, &v);
    if (rc < 0) return rc;
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (truth(&v, i) == 1) out[k++] = rows ? rows[i] : i;
    hg_vec_drop(&v);
    *ret_n = k;
    return 0;
}

int hg_eval_filter(const hg_expr_t *e, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, int64_t now_us,
                   uint32_t *out_sel, uint32_t *ret_n, hg_err_t *err)
{
    ev_t x = { .batch = batch, .now_us = now_us, .err = err };
    int rc = 0;
    *ret_n = 0;
    if (n == 0) return 0;
    if (e->kind != HG_X_AND) return keep_true(&x, e, sel, n, out_sel, ret_n);
    /* A row must pass every term: each term sees only what the ones before it let through. */
    for (uint32_t k = 0; k < e->n_args && n && rc == 0; k++) {
        rc = keep_true(&x, e->args[k], k ? out_sel : sel, n, out_sel, &n);
    }
    if (rc == 0) *ret_n = n;
    return rc;
}

int hg_expr_const(const hg_expr_t *e, hg_col_t **ret, hg_err_t *err)
{
    return hg_eval(e, NULL, NULL, 1, 0, ret, err);
}
