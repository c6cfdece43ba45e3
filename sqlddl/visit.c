/* visit.c: a walk over everything that a parse returned. It reads each member once, so that a sanitizer sees a pointer
 * that should not be there, and counts the nodes. */
#include "base/hg.h"
#include "sqlddl/ast.h"

static size_t visit_expr(const hg_ast_expr_t *e);
static size_t visit_query(const hg_ast_query_t *q);

static size_t visit_name(const hg_name_t *n)
{
    size_t k = 0;
    for (size_t i = 0; i < n->name.n; i++) k += n->name.p[i] == 0; /* names never hold a 0 */
    HG_ASSERT(k == 0);
    return n->name.n ? 1 : 0;
}

static size_t visit_names(const hg_name_t *n, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += visit_name(&n[i]);
    return sum;
}

static size_t visit_type(const hg_ast_type_t *t)
{
    if (!t) return 0;
    HG_ASSERT(t->pos.line > 0);
    size_t sum = 1 + visit_type(t->elem) + visit_type(t->key);
    if (t->kind == HG_T_N) sum += visit_name(&t->user);
    for (uint32_t i = 0; i < t->n_fields; i++) sum += visit_name(&t->fields[i].name) + visit_type(t->fields[i].type);
    return sum;
}

static size_t visit_expr(const hg_ast_expr_t *e)
{
    if (!e) return 0;
    HG_ASSERT(e->pos.line > 0 && e->pos.end_line >= e->pos.line);
    HG_ASSERT(e->pos.end_line > e->pos.line || e->pos.end_col >= e->pos.col);
    size_t sum =
        1 + visit_names(e->names, e->n_names) + visit_type(e->type) + visit_query(e->query) + visit_expr(e->filter);
    for (uint32_t i = 0; i < e->n_args; i++) sum += visit_expr(e->args[i]);
    return sum;
}

static size_t visit_from(const hg_ast_from_t *f)
{
    if (!f) return 0;
    HG_ASSERT(f->pos.line > 0);
    return 1 + visit_name(&f->table) + visit_name(&f->alias) + visit_names(f->cols, f->n_cols) + visit_query(f->query) +
           visit_from(f->left) + visit_from(f->right) + visit_expr(f->on) + visit_names(f->using_cols, f->n_using);
}

static size_t visit_query(const hg_ast_query_t *q)
{
    if (!q) return 0;
    HG_ASSERT(q->pos.line > 0);
    size_t sum = 1 + visit_expr(q->where) + visit_expr(q->having) + visit_expr(q->limit) + visit_expr(q->offset) +
                 visit_query(q->left) + visit_query(q->right);
    for (uint32_t i = 0; i < q->n_ctes; i++)
        sum += visit_name(&q->ctes[i].name) + visit_names(q->ctes[i].cols, q->ctes[i].n_cols) +
               visit_query(q->ctes[i].query);
    for (uint32_t i = 0; i < q->n_items; i++) sum += visit_expr(q->items[i].expr) + visit_name(&q->items[i].alias);
    for (uint32_t i = 0; i < q->n_from; i++) sum += visit_from(q->from[i]);
    for (uint32_t i = 0; i < q->n_group; i++) sum += visit_expr(q->group[i]);
    for (uint32_t i = 0; i < q->n_order; i++) sum += visit_expr(q->order[i].expr);
    for (uint32_t i = 0; i < q->n_rows; i++)
        for (uint32_t k = 0; k < q->n_row_cols; k++) sum += visit_expr(q->rows[i][k]);
    return sum;
}

static size_t visit_column(const hg_ast_column_t *c)
{
    return 1 + visit_name(&c->name) + visit_type(c->type) + visit_expr(c->lateness) + visit_expr(c->watermark) +
           visit_expr(c->dflt) + visit_name(&c->fk_table) + visit_name(&c->fk_column);
}

size_t hg_ast_visit(const hg_ast_stmt_t *stmts, uint32_t n)
{
    size_t sum = 0;
    for (uint32_t k = 0; k < n; k++) {
        const hg_ast_stmt_t *s = &stmts[k];
        HG_ASSERT(s->pos.line > 0);
        sum += 1 + visit_name(&s->name) + visit_names(s->pk, s->n_pk) + visit_names(s->view_cols, s->n_view_cols) +
               visit_query(s->query) + visit_type(s->type) + visit_expr(s->expr) + visit_name(&s->object) +
               visit_name(&s->column);
        for (uint32_t i = 0; i < s->n_cols; i++) sum += visit_column(&s->cols[i]);
        for (uint32_t i = 0; i < s->n_fks; i++)
            sum += 1 + visit_names(s->fks[i].cols, s->fks[i].n_cols) + visit_name(&s->fks[i].table) +
                   visit_names(s->fks[i].ref_cols, s->fks[i].n_ref);
        for (uint32_t i = 0; i < s->n_props; i++) sum += s->props[i].key->text.n + s->props[i].value->text.n > 0;
    }
    return sum;
}
