/* late.c: see late_int.h. What is usual, nothing late, is one pass over each column that has LATENESS. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/value.h"
#include "engine/late_int.h"

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while looking for late rows");
}

/* --- reports -------------------------------------------------------------------------------------------------------
 */

void hg_reports_init(hg_reports_t *r, const hg_type_t *text)
{
    *r = (hg_reports_t){ 0 };
    for (int i = 0; i < 3; i++) hg_colb_init(&r->col[i], text);
    hg_buf_init(&r->text, HG_BUF_NOMAX);
    r->variant = hg_variant_new();
}

void hg_reports_release(hg_reports_t *r)
{
    for (int i = 0; i < 3; i++) hg_colb_release(&r->col[i]);
    hg_buf_release(&r->text);
    hg_variant_free(r->variant);
}

void hg_reports_clear(hg_reports_t *r)
{
    r->late = 0;
    for (int i = 0; i < 3; i++)
        if (r->col[i].len) hg_colb_truncate(&r->col[i], 0);
}

int hg_reports_take(hg_reports_t *r, hg_delta_t *to, hg_err_t *err)
{
    uint32_t n = r->col[0].len;
    if (n == 0) return 0;
    hg_batch_t *b = hg_batch_new(n, 3);
    for (int i = 0; i < 3; i++) b->cols[i] = hg_colb_seal(&r->col[i]);
    return hg_delta_add(to, hg_part_new(b, NULL, n, NULL)) < 0 ? no_mem(err) : 0;
}

/* A table's name, what happened, and the row as JSON. */
static int report(hg_reports_t *r, const hg_late_t *l, const hg_late_col_t *lc, const hg_batch_t *b, uint32_t row)
{
    r->late++;
    if (!r->read) return 0;
    const hg_schema_t *s = &l->rel->schema;
    uint32_t n = r->col[0].len;
    int rc = hg_colb_var(&r->col[0], s->name.p, s->name.n);
    hg_buf_clear(&r->text);
    if (rc == 0) rc = hg_buf_addstr(&r->text, s->cols[lc->col].name);
    if (rc == 0) rc = hg_buf_addc(&r->text, ' ');
    if (rc == 0) rc = hg_value_print(&r->text, b->cols[lc->col], row);
    if (rc == 0) rc = hg_buf_adds(&r->text, " is below the waterline ");
    if (rc == 0) rc = hg_value_print(&r->text, lc->line, 0);
    if (rc == 0) rc = hg_buf_adds(&r->text, ": the row was dropped");
    if (rc == 0) rc = hg_colb_var(&r->col[1], r->text.p, r->text.len);
    hg_buf_clear(&r->text);
    for (uint32_t c = 0; c < s->n_cols && rc == 0; c++) {
        rc = hg_buf_addc(&r->text, c ? ',' : '{');
        if (rc == 0) rc = hg_json_quote(&r->text, s->cols[c].name);
        if (rc == 0) rc = hg_buf_addc(&r->text, ':');
        if (rc == 0) rc = hg_variant_print(r->variant, b->cols[c], row, &r->text);
    }
    if (rc == 0) rc = hg_buf_addc(&r->text, '}');
    if (rc == 0) rc = hg_colb_var(&r->col[2], r->text.p, r->text.len);
    for (int i = 0; i < 3 && rc < 0; i++)
        if (r->col[i].len > n) hg_colb_truncate(&r->col[i], n);
    return rc;
}

/* --- waterlines ----------------------------------------------------------------------------------------------------
 */

hg_late_t *hg_late_new(const hg_relation_t *rel)
{
    if (!rel->late) return NULL;
    hg_late_t *l = HG_NEW(hg_late_t);
    l->rel = rel;
    l->cols = HG_NEWN(hg_late_col_t, rel->schema.n_cols + 1);
    for (uint32_t i = 0; i < rel->schema.n_cols; i++)
        if (rel->late[i]) l->cols[l->n++] = (hg_late_col_t){ .col = i, .less = rel->late[i] };
    return l;
}

hg_late_t *hg_late_of(const hg_relation_t *rel, uint32_t col, const hg_expr_t *less)
{
    hg_late_t *l = HG_NEW(hg_late_t);
    l->rel = rel;
    l->cols = HG_NEWN(hg_late_col_t, 1);
    l->cols[l->n++] = (hg_late_col_t){ .col = col, .less = less };
    return l;
}

void hg_late_free(hg_late_t *l)
{
    if (!l) return;
    for (uint32_t i = 0; i < l->n; i++) {
        hg_col_drop(l->cols[i].line);
        hg_col_drop(l->cols[i].next);
    }
    hg_free(l->cols);
    hg_free(l);
}

void hg_late_end(hg_late_t *l, bool applied)
{
    for (uint32_t i = 0; i < l->n; i++) {
        hg_late_col_t *lc = &l->cols[i];
        if (applied && lc->next) {
            hg_col_drop(lc->line);
            lc->line = hg_col_retain(lc->next);
            l->has_line = true;
        }
        hg_col_drop(lc->next);
        lc->next = NULL;
    }
}

static bool below(const hg_late_col_t *lc, const hg_col_t *c, uint32_t row)
{
    return !hg_col_null(c, row) && hg_line_cmp(c, row, lc->line) < 0;
}

static const hg_late_col_t *late_by(const hg_late_t *l, const hg_batch_t *b, uint32_t row)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->cols[i].line && below(&l->cols[i], b->cols[l->cols[i].col], row)) return &l->cols[i];
    return NULL;
}

int hg_late_old(const hg_late_t *l, hg_reports_t *rep, const hg_batch_t *rows, uint32_t row, bool *ret)
{
    const hg_late_col_t *lc = l->has_line ? late_by(l, rows, row) : NULL;
    *ret = lc != NULL;
    return lc ? report(rep, l, lc, rows, row) : 0;
}

/* The value in this row may move the column's waterline. One that cannot be computed (an overflow) moves nothing. */
static int rise(hg_late_col_t *lc, hg_batch_t *b, uint32_t row, hg_err_t *err)
{
    hg_col_t *one = NULL, *line = NULL;
    int rc = hg_col_gather(b->cols[lc->col], &row, 1, &one, err);
    if (rc < 0) return rc;
    hg_batch_t *alone = hg_batch_new(1, 1);
    alone->cols[0] = one;
    hg_err_t failed = HG_ERR_INIT;
    rc = hg_eval(lc->less, alone, NULL, 1, 0, &line, &failed);
    hg_batch_drop(alone);
    if (rc == HG_ENOMEM) return no_mem(err);
    const hg_col_t *now = lc->next ? lc->next : lc->line;
    if (rc < 0 || hg_col_null(line, 0) || (now && hg_cell_cmp(line, 0, now, 0) <= 0)) {
        hg_col_drop(line);
        return 0;
    }
    hg_col_drop(lc->next);
    lc->next = line;
    return 0;
}

/* By the largest value of each column among these rows; what is deleted (ops) moves nothing. */
static int rise_over(hg_late_t *l, const uint8_t *ops, hg_batch_t *b, const uint32_t *sel, uint32_t n, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < l->n && rc == 0; i++) {
        uint32_t col = l->cols[i].col, most = UINT32_MAX;
        const hg_col_t *c = b->cols[col];
        bool wide = hg_type_phys(c->type) == HG_PHYS_I64;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t row = sel ? sel[k] : k;
            if (hg_col_null(c, row) || (ops && ops[row] != HG_OP_INSERT && ops[row] != HG_OP_UPSERT)) continue;
            if (most == UINT32_MAX ||
                (wide ? HG_COL(c, int64_t)[row] > HG_COL(c, int64_t)[most] : hg_cell_cmp(c, row, c, most) > 0))
                most = row;
        }
        if (most != UINT32_MAX) rc = rise(&l->cols[i], b, most, err);
    }
    return rc;
}

int hg_late_rise(hg_late_t *l, hg_batch_t *rows, const uint32_t *sel, uint32_t n, hg_err_t *err)
{
    return rise_over(l, NULL, rows, sel, n, err);
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static bool is_key(const hg_schema_t *s, uint32_t col)
{
    for (uint32_t i = 0; i < s->n_key; i++)
        if (s->key[i] == col) return true;
    return false;
}

/* Has the row a value of its own in the column? A delete by key and an update have only some. */
static bool says(const hg_late_t *l, const hg_change_t *c, uint32_t row, uint32_t col)
{
    hg_op_t op = c->ops ? (hg_op_t)c->ops[row] : HG_OP_INSERT;
    if (op == HG_OP_TRUNCATE) return false;
    if (op == HG_OP_DELETE && l->rel->schema.n_key) return is_key(&l->rel->schema, col);
    return op != HG_OP_UPDATE || !c->present || !c->present[col] || hg_bit_get(c->present[col], row);
}

static const hg_late_col_t *late_change_by(const hg_late_t *l, const hg_change_t *c, uint32_t row)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const hg_late_col_t *lc = &l->cols[i];
        if (lc->line && below(lc, c->rows->cols[lc->col], row) && says(l, c, row, lc->col)) return lc;
    }
    return NULL;
}

static int copy_change(const hg_change_t *c, const uint32_t *sel, uint32_t n, hg_change_t **ret, hg_err_t *err)
{
    hg_batch_t *rows;
    int rc = hg_batch_gather(c->rows, sel, n, &rows, err);
    if (rc < 0) return rc;
    hg_change_t *r = hg_change_new(rows);
    size_t bits = ((size_t)n + 7) / 8;
    if (c->ops && !(r->ops = hg_trynew(n))) goto fail;
    if (c->hash && !(r->hash = hg_trynew(sizeof *r->hash * n))) goto fail;
    if (c->present && !(r->present = hg_tryzero(sizeof *r->present * rows->n_cols))) goto fail;
    for (uint32_t i = 0; i < n; i++) {
        if (c->ops) r->ops[i] = c->ops[sel[i]];
        if (c->hash) r->hash[i] = c->hash[sel[i]];
    }
    for (uint32_t k = 0; c->present && k < rows->n_cols; k++) {
        if (!c->present[k]) continue;
        if (!(r->present[k] = hg_tryzero(bits))) goto fail;
        for (uint32_t i = 0; i < n; i++)
            if (hg_bit_get(c->present[k], sel[i])) hg_bit_set(r->present[k], i);
    }
    *ret = r;
    return 0;
fail:
    hg_change_drop(r);
    return no_mem(err);
}

int hg_late_change(hg_late_t *l, hg_reports_t *rep, hg_change_t *in, hg_change_t **ret, hg_err_t *err)
{
    uint32_t n = in->rows->n_rows, k = 0;
    uint32_t *sel = NULL;
    int rc = 0;
    *ret = NULL;
    for (uint32_t i = 0; l->has_line && i < n && rc == 0; i++) {
        const hg_late_col_t *lc = late_change_by(l, in, i);
        if (lc && !sel) {
            sel = hg_trynew(sizeof *sel * n);
            if (!sel) return no_mem(err);
            for (; k < i; k++) sel[k] = k;
        }
        if (lc)
            rc = report(rep, l, lc, in->rows, i);
        else if (sel)
            sel[k++] = i;
    }
    if (rc < 0) no_mem(err);
    if (rc == 0 && !sel)
        *ret = hg_change_retain(in);
    else if (rc == 0 && k)
        rc = copy_change(in, sel, k, ret, err);
    hg_free(sel);
    if (rc == 0 && *ret && !l->rel->schema.n_key)
        rc = rise_over(l, (*ret)->ops, (*ret)->rows, NULL, (*ret)->rows->n_rows, err);
    if (rc < 0) {
        hg_change_drop(*ret);
        *ret = NULL;
    }
    return rc;
}

/* --- views ---------------------------------------------------------------------------------------------------------
 */

/* The part without its late rows; NULL: they were all late. */
static int filter_part(hg_late_t *l, hg_reports_t *rep, hg_part_t *p, hg_part_t **ret, hg_err_t *err)
{
    uint32_t *sel = hg_trynew(sizeof *sel * (p->n + 1)), k = 0;
    int64_t *w = p->weights ? hg_trynew(sizeof *w * (p->n + 1)) : NULL;
    int rc = sel && (w || !p->weights) ? 0 : no_mem(err);
    *ret = NULL;
    for (uint32_t i = 0; i < p->n && rc == 0; i++) {
        uint32_t row = p->sel ? p->sel[i] : i;
        const hg_late_col_t *lc = l->has_line ? late_by(l, p->batch, row) : NULL;
        if (lc) {
            rc = report(rep, l, lc, p->batch, row);
            if (rc < 0) no_mem(err);
            continue;
        }
        if (w) w[k] = p->weights[i];
        sel[k++] = row;
    }
    if (rc == 0 && k == p->n) {
        *ret = hg_part_retain(p);
    } else if (rc == 0 && k) {
        *ret = hg_part_new(hg_batch_retain(p->batch), sel, k, w);
        return rise_over(l, NULL, p->batch, (*ret)->sel, k, err);
    }
    if (rc == 0 && *ret) rc = rise_over(l, NULL, p->batch, sel, k, err);
    hg_free(sel);
    hg_free(w);
    return rc;
}

int hg_late_delta(hg_late_t *l, hg_reports_t *rep, hg_delta_t *d, hg_err_t *err)
{
    hg_delta_t kept = { 0 };
    int rc = 0;
    for (uint32_t i = 0; i < d->n && rc == 0; i++) {
        hg_part_t *p;
        rc = filter_part(l, rep, d->parts[i], &p, err);
        if (rc < 0)
            hg_part_drop(p);
        else if (p && hg_delta_add(&kept, p) < 0)
            rc = no_mem(err);
    }
    hg_delta_release(d);
    *d = kept;
    return rc;
}
