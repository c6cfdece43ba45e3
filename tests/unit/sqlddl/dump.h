/* dump.h: a tree as text, so that a test can say what it expects in one line. Brackets show the grouping; with
 * positions each expression is followed by @line:col-end_line:end_col. */
#ifndef HG_TEST_SQLDDL_DUMP_H
#define HG_TEST_SQLDDL_DUMP_H

#include "sqlddl/ast.h"

static void dump_query(hg_buf_t *o, const hg_ast_query_t *q);

static inline void dump_name(hg_buf_t *o, const hg_name_t *n)
{
    hg_buf_addf(o, n->quoted ? "\"" HG_SF "\"" : HG_SF, HG_SA(n->name));
}

static inline void dump_names(hg_buf_t *o, const hg_name_t *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i) hg_buf_addc(o, ' ');
        dump_name(o, &v[i]);
    }
}

static inline void dump_type(hg_buf_t *o, const hg_ast_type_t *t)
{
    static const char *const kinds[] = {
#define X(k, name, phys) #k,
        HG_KINDS(X)
#undef X
    };
    static const char *const units[] = {
#define X(u) #u,
        HG_INTERVAL_UNITS(X)
#undef X
    };
    if (t->kind == HG_T_N) {
        hg_buf_adds(o, "USER ");
        dump_name(o, &t->user);
    } else {
        hg_buf_adds(o, kinds[t->kind]);
    }
    if (t->bare_float) hg_buf_adds(o, " FLOAT");
    if (t->kind == HG_T_INTERVAL || t->kind == HG_T_INTERVAL_YM) hg_buf_addf(o, " %s", units[t->unit]);
    if (t->precision >= 0) hg_buf_addf(o, "(%d", t->precision);
    if (t->scale >= 0) hg_buf_addf(o, ",%d", t->scale);
    if (t->precision >= 0) hg_buf_addc(o, ')');
    if (t->key) {
        hg_buf_adds(o, "<");
        dump_type(o, t->key);
        hg_buf_adds(o, ",");
    }
    if (t->elem) {
        if (!t->key) hg_buf_adds(o, "<");
        dump_type(o, t->elem);
        hg_buf_adds(o, ">");
    }
    for (uint32_t i = 0; i < t->n_fields; i++) {
        hg_buf_adds(o, i ? ", " : "{");
        dump_name(o, &t->fields[i].name);
        hg_buf_addc(o, ' ');
        dump_type(o, t->fields[i].type);
    }
    if (t->n_fields) hg_buf_addc(o, '}');
    if (t->not_null) hg_buf_adds(o, " NOT NULL");
    if (t->null_given) hg_buf_adds(o, " NULL");
}

static bool dump_positions;

static inline void dump_expr(hg_buf_t *o, const hg_ast_expr_t *e)
{
    static const char *const kinds[] = { "col",   "star",    "null",  "bool",  "int",  "dec",     "float",    "str",
                                         "bytes", "typed",   "op",    "and",   "or",   "not",     "isnull",   "is",
                                         "in",    "between", "case",  "cast",  "call", "extract", "floor_to", "diff",
                                         "array", "sub",     "field", "query", "param" };
    if (e->kind == HG_E_COLUMN && !dump_positions) {
        for (uint32_t i = 0; i < e->n_names; i++) {
            if (i) hg_buf_addc(o, '.');
            dump_name(o, &e->names[i]);
        }
        return;
    }
    if (e->kind == HG_E_INT && !dump_positions) {
        hg_buf_addstr(o, e->text);
        return;
    }
    hg_buf_addf(o, "(%s", kinds[e->kind]);
    if (e->negated) hg_buf_adds(o, " NOT");
    if (e->safe) hg_buf_adds(o, " SAFE");
    if (e->distinct) hg_buf_adds(o, " DISTINCT");
    if (e->star) hg_buf_adds(o, " *");
    if (e->has_operand) hg_buf_adds(o, " OPERAND");
    if (e->has_else) hg_buf_adds(o, " ELSE");
    if (e->kind == HG_E_BOOL) hg_buf_adds(o, e->bool_value ? " true" : " false");
    if (e->text.n) hg_buf_addf(o, " '" HG_SF "'", HG_SA(e->text));
    if (e->kind == HG_E_COLUMN || e->kind == HG_E_STAR || e->kind == HG_E_FIELD) {
        for (uint32_t i = 0; i < e->n_names; i++) {
            hg_buf_addc(o, i ? '.' : ' ');
            dump_name(o, &e->names[i]);
        }
    }
    if (e->type) {
        hg_buf_adds(o, " :");
        dump_type(o, e->type);
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        hg_buf_addc(o, ' ');
        dump_expr(o, e->args[i]);
    }
    if (e->query) {
        hg_buf_addc(o, ' ');
        dump_query(o, e->query);
    }
    if (e->filter) {
        hg_buf_adds(o, " FILTER ");
        dump_expr(o, e->filter);
    }
    hg_buf_addc(o, ')');
    if (dump_positions) hg_buf_addf(o, "@%u:%u-%u:%u", e->pos.line, e->pos.col, e->pos.end_line, e->pos.end_col);
}

static inline void dump_from(hg_buf_t *o, const hg_ast_from_t *f)
{
    hg_buf_addc(o, '[');
    if (f->kind == HG_F_TABLE) dump_name(o, &f->table);
    if (f->kind == HG_F_SUBQUERY) dump_query(o, f->query);
    if (f->kind == HG_F_FUNCTION) {
        hg_buf_adds(o, f->ordinality ? "function ORDINALITY " : "function ");
        dump_expr(o, f->on);
    }
    if (f->kind == HG_F_JOIN) {
        hg_buf_addf(o, HG_SF " ", HG_SA(f->join));
        dump_from(o, f->left);
        hg_buf_addc(o, ' ');
        dump_from(o, f->right);
        if (f->on) {
            hg_buf_adds(o, " ON ");
            dump_expr(o, f->on);
        }
        if (f->n_using) {
            hg_buf_adds(o, " USING ");
            dump_names(o, f->using_cols, f->n_using);
        }
    }
    if (f->alias.name.n) {
        hg_buf_adds(o, " AS ");
        dump_name(o, &f->alias);
    }
    if (f->n_cols) {
        hg_buf_addc(o, '(');
        dump_names(o, f->cols, f->n_cols);
        hg_buf_addc(o, ')');
    }
    hg_buf_addc(o, ']');
    if (dump_positions) hg_buf_addf(o, "@%u:%u-%u:%u", f->pos.line, f->pos.col, f->pos.end_line, f->pos.end_col);
}

static void dump_query(hg_buf_t *o, const hg_ast_query_t *q)
{
    hg_buf_addc(o, '{');
    for (uint32_t i = 0; i < q->n_ctes; i++) {
        hg_buf_adds(o, "WITH ");
        dump_name(o, &q->ctes[i].name);
        hg_buf_addc(o, '(');
        dump_names(o, q->ctes[i].cols, q->ctes[i].n_cols);
        hg_buf_adds(o, ") ");
        dump_query(o, q->ctes[i].query);
        hg_buf_addc(o, ' ');
    }
    if (q->kind == HG_Q_UNION) {
        dump_query(o, q->left);
        hg_buf_addf(o, " " HG_SF " ", HG_SA(q->setop));
        dump_query(o, q->right);
    } else if (q->kind == HG_Q_VALUES) {
        hg_buf_adds(o, "VALUES");
        for (uint32_t i = 0; i < q->n_rows; i++) {
            hg_buf_adds(o, " [");
            for (uint32_t k = 0; k < q->n_row_cols; k++) {
                if (k) hg_buf_addc(o, ' ');
                dump_expr(o, q->rows[i][k]);
            }
            hg_buf_addc(o, ']');
        }
    } else {
        hg_buf_adds(o, q->distinct ? "SELECT DISTINCT" : "SELECT");
        for (uint32_t i = 0; i < q->n_items; i++) {
            hg_buf_addc(o, ' ');
            dump_expr(o, q->items[i].expr);
            if (q->items[i].alias.name.n) {
                hg_buf_adds(o, " AS ");
                dump_name(o, &q->items[i].alias);
            }
        }
    }
    for (uint32_t i = 0; i < q->n_from; i++) {
        hg_buf_adds(o, i ? " " : " FROM ");
        dump_from(o, q->from[i]);
    }
    if (q->where) {
        hg_buf_adds(o, " WHERE ");
        dump_expr(o, q->where);
    }
    for (uint32_t i = 0; i < q->n_group; i++) {
        hg_buf_adds(o, i ? " " : " GROUP ");
        dump_expr(o, q->group[i]);
    }
    if (q->having) {
        hg_buf_adds(o, " HAVING ");
        dump_expr(o, q->having);
    }
    for (uint32_t i = 0; i < q->n_order; i++) {
        hg_buf_adds(o, i ? " " : " ORDER ");
        dump_expr(o, q->order[i].expr);
        if (q->order[i].desc) hg_buf_adds(o, " DESC");
        if (q->order[i].nulls_given) hg_buf_adds(o, q->order[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    if (q->limit) {
        hg_buf_adds(o, " LIMIT ");
        dump_expr(o, q->limit);
    }
    if (q->offset) {
        hg_buf_adds(o, " OFFSET ");
        dump_expr(o, q->offset);
    }
    hg_buf_addc(o, '}');
    if (dump_positions) hg_buf_addf(o, "@%u:%u-%u:%u", q->pos.line, q->pos.col, q->pos.end_line, q->pos.end_col);
}

#endif
