/* late_int.h: LATENESS: rows below the waterline of a column are dropped; engine-internal, circuit thread.
 *
 * The waterline of a column is the largest value of all steps before this one, less the column's lateness. It moves
 * when the step is applied, so a row that is late only to the rows of its own step is taken. NULL is never late, and
 * moves nothing.
 */
#ifndef HG_ENGINE_LATE_INT_H
#define HG_ENGINE_LATE_INT_H

#include "data/variant.h"
#include "engine/circuit.h"

/* Rows for error_view, one per row dropped in this step; only counted while nobody reads them. */
typedef struct hg_reports {
    bool read;
    uint64_t late;
    hg_colb_t col[3];
    hg_buf_t text;
    hg_variant_t *variant;
} hg_reports_t;
void hg_reports_init(hg_reports_t *r, const hg_type_t *text);
void hg_reports_release(hg_reports_t *r);
void hg_reports_clear(hg_reports_t *r);
/* The rows so far as a part of error_view's delta; nothing if there are none. HG_ENOMEM. */
int hg_reports_take(hg_reports_t *r, hg_delta_t *to, hg_err_t *err);

typedef struct hg_late_col {
    uint32_t col;
    const hg_expr_t *less; /* over a batch of this column alone: the value less the lateness */
    hg_col_t *line, *next; /* one row; NULL: none so far. next: after this step, NULL: as before */
} hg_late_col_t;

typedef struct hg_late {
    const hg_relation_t *rel;
    hg_late_col_t *cols;
    uint32_t n;
    bool has_line;
} hg_late_t;

hg_late_t *hg_late_new(const hg_relation_t *rel); /* NULL: the relation has no LATENESS */
/* One waterline of a column, apart from those of LATENESS. */
hg_late_t *hg_late_of(const hg_relation_t *rel, uint32_t col, const hg_expr_t *less);
void hg_late_free(hg_late_t *l);
/* The change without its late rows: itself (retained), or a copy; NULL: they were all late. Without a PRIMARY KEY its
 * rows are taken now and move the waterlines; with one, netting says which are (hg_late_rise). HG_ENOMEM, HG_ETOOBIG.
 */
int hg_late_change(hg_late_t *l, hg_reports_t *rep, hg_change_t *in, hg_change_t **ret, hg_err_t *err);
/* These rows (sel NULL: 0..n) are taken. */
int hg_late_rise(hg_late_t *l, hg_batch_t *rows, const uint32_t *sel, uint32_t n, hg_err_t *err);
/* The same as hg_late_change for the delta of a view, in place; rows are dropped whatever their weight. */
int hg_late_delta(hg_late_t *l, hg_reports_t *rep, hg_delta_t *d, hg_err_t *err);
/* Is this row of the relation below a waterline? If so it is reported as what an update would have replaced. */
int hg_late_old(const hg_late_t *l, hg_reports_t *rep, const hg_batch_t *rows, uint32_t row, bool *ret);
/* The step was applied, or not. */
void hg_late_end(hg_late_t *l, bool applied);
/* Row `row` of c, not NULL, against a waterline: < 0, 0, > 0. */
static inline int hg_line_cmp(const hg_col_t *c, uint32_t row, const hg_col_t *line)
{
    if (hg_type_phys(c->type) != HG_PHYS_I64) return hg_cell_cmp(c, row, line, 0);
    int64_t a = HG_COL(c, int64_t)[row], b = HG_COL(line, int64_t)[0];
    return (a > b) - (a < b);
}

#endif
