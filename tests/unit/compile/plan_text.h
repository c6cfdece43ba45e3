/* Plans as text, for comparing shapes: one operator per line, inputs indented. */
#ifndef TESTS_UNIT_COMPILE_PLAN_TEXT_H
#define TESTS_UNIT_COMPILE_PLAN_TEXT_H

#include "base/hg.h"
#include "data/text.h"
#include "compile/compile.h"

static void plan_const(hg_buf_t *b, const hg_col_t *c, uint32_t row)
{
    char t[64];
    size_t n = 0;
    if (c->type->kind == HG_T_NULL || hg_col_null(c, row)) {
        hg_buf_adds(b, "NULL");
        return;
    }
    switch ((int)hg_type_phys(c->type)) {
    case HG_PHYS_BIT:
        hg_buf_adds(b, hg_bit_get(c->data, row) ? "true" : "false");
        return;
    case HG_PHYS_I32:
        if (c->type->kind == HG_T_DATE) {
            n = hg_date_print(t, HG_COL(c, int32_t)[row]);
            hg_buf_add(b, t, n);
        } else {
            hg_buf_addi64(b, HG_COL(c, int32_t)[row]);
        }
        return;
    case HG_PHYS_I64:
        if (c->type->kind == HG_T_TIMESTAMP) {
            n = hg_ts_print(t, HG_COL(c, int64_t)[row], ' ', "");
            hg_buf_add(b, t, n);
        } else {
            hg_buf_addi64(b, HG_COL(c, int64_t)[row]);
        }
        return;
    case HG_PHYS_I128:
        n = hg_dec_print(t, HG_COL(c, hg_i128)[row], c->type->scale, false);
        hg_buf_add(b, t, n);
        return;
    case HG_PHYS_F64:
        n = hg_f64_print(t, HG_COL(c, double)[row]);
        hg_buf_add(b, t, n);
        return;
    case HG_PHYS_VAR:
        hg_buf_addf(b, "'" HG_SF "'", HG_SA(hg_col_var(c, row)));
        return;
    default:
        hg_buf_addf(b, "<%s>", hg_kind_name(c->type->kind));
        return;
    }
}

static void plan_type(hg_buf_t *b, const hg_type_t *t)
{
    hg_type_text(b, t);
    if (t->nullable) hg_buf_addc(b, '?');
}

static void plan_expr(hg_buf_t *b, const hg_expr_t *e)
{
    static const char *const names[] = { "col",  "const",    "call",   "cast",   "and", "or",   "not",
                                         "case", "coalesce", "isnull", "istrue", "in",  "array" };
    if (e->kind == HG_X_COL) {
        hg_buf_addf(b, "$%u", e->col);
        return;
    }
    if (e->kind == HG_X_CONST) {
        plan_const(b, e->lit, 0);
        return;
    }
    hg_buf_addf(b, "%s%s", e->negated ? "!" : "", e->kind == HG_X_CALL ? hg_func_name(e->fn) : names[e->kind]);
    if (e->kind == HG_X_IS_TRUE) hg_buf_adds(b, e->truth ? ":true" : ":false");
    if (e->kind == HG_X_CAST) {
        hg_buf_adds(b, e->safe ? "?:" : ":");
        hg_type_text(b, e->type);
    }
    hg_buf_addc(b, '(');
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (i) hg_buf_adds(b, ", ");
        plan_expr(b, e->args[i]);
    }
    hg_buf_addc(b, ')');
}

static void plan_node(const hg_program_t *p, const hg_node_t *n, unsigned depth, hg_buf_t *b)
{
    static const char *const names[] = {
        "scan", "filter", "map", "union", "values", "agg", "sort", "distinct", "unnest"
    };
    static const char *const aggs[] = { "count*", "count", "sum", "min", "max", "avg" };
    for (unsigned i = 0; i < depth; i++) hg_buf_adds(b, "  ");
    hg_buf_adds(b, names[n->kind]);
    if (n->kind == HG_N_SCAN) hg_buf_addf(b, " " HG_SF, HG_SA(p->plan.relations[n->relation].schema.name));
    for (uint32_t i = 0; n->scan_cols && i < n->n_cols; i++) hg_buf_addf(b, "%s%u", i ? "," : " #", n->scan_cols[i]);
    if (n->pred) {
        hg_buf_addc(b, ' ');
        plan_expr(b, n->pred);
    }
    for (uint32_t i = 0; i < n->n_exprs; i++) {
        hg_buf_adds(b, i ? ", " : " ");
        plan_expr(b, n->exprs[i]);
    }
    if (n->ordinality) hg_buf_adds(b, " ordinality");
    for (uint32_t i = 0; i < n->n_carry; i++) hg_buf_addf(b, "%s%u", i ? "," : " #", n->carry[i]);
    for (uint32_t i = 0; i < n->n_aggs; i++) {
        hg_buf_addf(b, " | %s%s", n->aggs[i].distinct ? "distinct " : "", aggs[n->aggs[i].fn]);
        if (n->aggs[i].arg) {
            hg_buf_addc(b, ' ');
            plan_expr(b, n->aggs[i].arg);
        }
        if (n->aggs[i].filter) {
            hg_buf_adds(b, " where ");
            plan_expr(b, n->aggs[i].filter);
        }
    }
    for (uint32_t i = 0; i < n->n_keys; i++)
        hg_buf_addf(b, " $%u%s%s", n->keys[i].col, n->keys[i].desc ? " desc" : "",
                    n->keys[i].nulls_last ? " nulls last" : " nulls first");
    if (n->kind == HG_N_SORT && n->limit != UINT64_MAX) hg_buf_addf(b, " limit %" PRIu64, n->limit);
    if (n->offset) hg_buf_addf(b, " offset %" PRIu64, n->offset);
    for (uint32_t i = 0; n->values && i < n->values->n_rows; i++) {
        hg_buf_adds(b, i ? " (" : " (");
        for (uint32_t k = 0; k < n->values->n_cols; k++) {
            if (k) hg_buf_adds(b, ", ");
            plan_const(b, n->values->cols[k], i);
        }
        hg_buf_addc(b, ')');
    }
    hg_buf_adds(b, " : ");
    for (uint32_t i = 0; i < n->n_cols; i++) {
        if (i) hg_buf_adds(b, ", ");
        plan_type(b, n->types[i]);
    }
    hg_buf_addc(b, '\n');
    for (uint32_t i = 0; i < n->n_in; i++) plan_node(p, n->in[i], depth + 1, b);
}

static void HG_UNUSED plan_program(const hg_program_t *p, hg_buf_t *b)
{
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        if (r->system) continue;
        hg_buf_addf(b, "%s " HG_SF "%s%s%s%s(", r->kind == HG_REL_TABLE ? "table" : "view", HG_SA(r->schema.name),
                    r->local ? " local" : "", r->stored ? " stored" : "", r->queryable ? " queryable" : "",
                    r->append_only ? " append_only" : "");
        for (uint32_t k = 0; k < r->schema.n_cols; k++) {
            hg_buf_addf(b, "%s" HG_SF " ", k ? ", " : "", HG_SA(r->schema.cols[k].name));
            plan_type(b, r->schema.cols[k].type);
            if (r->defaults && r->defaults[k]) {
                hg_buf_adds(b, " = ");
                plan_const(b, r->defaults[k], 0);
            }
        }
        hg_buf_adds(b, ")\n");
        if (r->node) plan_node(p, r->node, 1, b);
    }
}

static void HG_UNUSED plan_query(const hg_program_t *p, const hg_query_t *q, hg_buf_t *b)
{
    hg_buf_adds(b, q->kind == HG_QUERY_SELECT ? "select" : "insert");
    if (q->kind == HG_QUERY_INSERT) hg_buf_addf(b, " into " HG_SF, HG_SA(p->plan.relations[q->table].schema.name));
    for (uint32_t i = 0; i < q->schema.n_cols; i++)
        hg_buf_addf(b, "%s" HG_SF, i ? ", " : " ", HG_SA(q->schema.cols[i].name));
    hg_buf_adds(b, " reads");
    for (uint32_t i = 0; i < q->n_relations; i++)
        hg_buf_addf(b, " " HG_SF, HG_SA(p->plan.relations[q->relations[i]].schema.name));
    hg_buf_addc(b, '\n');
    plan_node(p, q->root, 1, b);
}

#endif
