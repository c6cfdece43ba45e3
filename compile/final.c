/* emit_final: from which waterlines of LATENESS that of a view's column follows.
 *
 * A column is followed down through the view's query, and through the queries of the views that it reads, as long as
 * what is computed on the way never falls when the column rises. Where a column with LATENESS is reached, that
 * expression says what its waterline means for the view's column. A union has the lowest of its inputs' lines.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

#define LINES_MAX 4096u /* UNION ALL of a view with itself, again and again */

typedef struct {
    hg_cc_t *c;
    hg_line_of_t *v;
    uint32_t n, cap;
} lines_t;

/* --- what never falls -------------------------------------------------------------------------------------------- */

static bool is_time_of_day(const hg_type_t *t)
{
    return t->kind == HG_T_TIME;
}

/* Values of one line: numbers, or dates and timestamps. */
static bool same_order(const hg_type_t *a, const hg_type_t *b)
{
    if (hg_kind_is_numeric(a->kind) && hg_kind_is_numeric(b->kind)) return true;
    bool x = a->kind == HG_T_DATE || a->kind == HG_T_TIMESTAMP || a->kind == HG_T_TIMESTAMP_TZ;
    bool y = b->kind == HG_T_DATE || b->kind == HG_T_TIMESTAMP || b->kind == HG_T_TIMESTAMP_TZ;
    return (x && y) || a->kind == b->kind;
}

static bool rounds(hg_str_t name)
{
    static const char *const names[] = { "timestamp_trunc", "date_trunc", "time_trunc", "floor", "ceil",
                                         "ceiling",         "trunc",      "truncate",   "round", "year" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_eqz(name, names[i])) return true;
    return false;
}

/* The operand of a step of e that never falls when the operand rises; NULL: e is no such step. */
static const hg_expr_t *operand(const hg_expr_t *e)
{
    if (e->kind == HG_X_CAST) return same_order(e->args[0]->type, e->type) ? e->args[0] : NULL;
    if (e->kind != HG_X_CALL || e->n_args == 0) return NULL;
    hg_str_t name = hg_strz(hg_func_name(e->fn));
    bool first = true, second = e->n_args == 2 && hg_expr_is_const(e->args[0]);
    for (uint32_t i = 1; i < e->n_args; i++) first &= hg_expr_is_const(e->args[i]);
    if (rounds(name)) return first ? e->args[0] : NULL;
    if (is_time_of_day(e->type)) return NULL; /* past midnight it begins anew */
    if (hg_str_eqz(name, "+")) return first ? e->args[0] : second ? e->args[1] : NULL;
    return hg_str_eqz(name, "-") && e->n_args == 2 && first ? e->args[0] : NULL;
}

/* e with `inner` in place of its one column, which is bare or below steps that never fall. NULL: it is not so. */
static const hg_expr_t *put_in(hg_cc_t *c, const hg_expr_t *e, const hg_expr_t *inner)
{
    if (e->kind == HG_X_COL) return inner;
    const hg_expr_t *arg = operand(e), *below = arg ? put_in(c, arg, inner) : NULL;
    if (!below) return NULL;
    hg_expr_t *x = HG_ANEW(c->a, hg_expr_t);
    *x = *e;
    const hg_expr_t **args = HG_ANEWN(c->a, const hg_expr_t *, e->n_args + 1);
    for (uint32_t i = 0; i < e->n_args; i++) args[i] = e->args[i] == arg ? below : e->args[i];
    x->args = args;
    return x;
}

static uint32_t column_of(const hg_expr_t *e)
{
    while (e->kind != HG_X_COL) e = operand(e);
    return e->col;
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

static bool add_line(lines_t *l, uint32_t relation, uint32_t col, const hg_expr_t *over)
{
    if (l->n == LINES_MAX) return false;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        hg_line_of_t *v = HG_ANEWN(l->c->a, hg_line_of_t, cap);
        if (l->n) memcpy(v, l->v, sizeof *v * l->n);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = (hg_line_of_t){ relation, col, over };
    return true;
}

/* over: the view's column, from column `col` of n as its column 0. */
static bool lines_of(lines_t *l, const hg_node_t *n, uint32_t col, const hg_expr_t *over)
{
    switch ((int)n->kind) {
    case HG_N_SCAN: {
        const hg_crel_t *r = l->c->prog->rels[n->relation];
        uint32_t at = n->scan_cols ? n->scan_cols[col] : col;
        if (r->rel.late && r->rel.late[at]) return add_line(l, n->relation, at, over);
        return r->rel.kind == HG_REL_VIEW && r->rel.node && lines_of(l, r->rel.node, at, over);
    }
    case HG_N_FILTER:
        return lines_of(l, n->in[0], col, over);
    case HG_N_MAP: {
        const hg_expr_t *e = n->exprs[col];
        const hg_expr_t *first = put_in(l->c, e, hg_x_col(l->c, 0, e->type, e->pos));
        if (!first) return false;
        uint32_t below = column_of(e);
        first = put_in(l->c, e, hg_x_col(l->c, 0, n->in[0]->types[below], e->pos));
        return lines_of(l, n->in[0], below, put_in(l->c, over, first));
    }
    case HG_N_UNNEST: { /* an element comes as late as its row, whatever it says */
        uint32_t n_own = n->n_cols - n->n_carry;
        return col >= n_own && lines_of(l, n->in[0], n->carry[col - n_own], over);
    }
    case HG_N_UNION:
        for (uint32_t i = 0; i < n->n_in; i++)
            if (!lines_of(l, n->in[i], col, over)) return false;
        return n->n_in > 0;
    default:
        return false;
    }
}

static void infer(hg_cc_t *c, hg_crel_t *r)
{
    const hg_field_t *f = &r->rel.schema.cols[r->final_col];
    lines_t l = { .c = c };
    const hg_expr_t *itself = hg_x_col(c, 0, f->type, r->final_pos);
    bool ok = r->rel.late && r->rel.late[r->final_col] ? add_line(&l, r->index, r->final_col, itself)
                                                       : lines_of(&l, r->rel.node, r->final_col, itself);
    if (!ok) {
        hg_cc_error(c, r->final_pos, "Compilation error",
                    "'emit_final' needs a waterline for column '" HG_SF "' of view '" HG_SF
                    "', and none follows from LATENESS",
                    HG_SA(f->name), HG_SA(r->rel.schema.name));
        hg_cc_note(c,
                   "a column with LATENESS may pass filters, UNION ALL, casts, + and - of a constant, and rounding to "
                   "a unit, as in TIMESTAMP_TRUNC");
        return;
    }
    hg_wait_t *w = HG_ANEW(c->a, hg_wait_t);
    *w = (hg_wait_t){ .col = r->final_col, .lines = l.v, .n_lines = l.n };
    r->lines = l.v;
    r->rel.wait = w;
    r->rel.lateness = true;
}

void hg_cc_final_check(hg_cc_t *c)
{
    for (uint32_t i = 0; i < c->prog->n_rels; i++) {
        hg_crel_t *r = c->prog->rels[i];
        if (r->final && !r->broken && !r->dropped && r->rel.node) infer(c, r);
    }
}
