/* Queries: CTEs, set operations, VALUES, and the tail (ORDER BY, LIMIT) of what is no SELECT. bind_select.c has SELECT
 * itself.
 *
 * A CTE or a subquery is bound once and its plan shared by all who name it; `weight` counts the operators as if it were
 * written out, because that is what runs, and keeps chains of self-unions from exploding.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

hg_node_t *hg_node_new(hg_cc_t *c, hg_node_kind_t kind, hg_pos_t pos, const hg_node_t *in)
{
    hg_node_t *n = HG_ANEW(c->a, hg_node_t);
    n->kind = kind;
    n->pos = pos;
    n->limit = UINT64_MAX;
    if (in) {
        n->in = HG_ANEWN(c->a, const hg_node_t *, 1);
        n->in[0] = in;
        n->n_in = 1;
        n->types = in->types;
        n->n_cols = in->n_cols;
    }
    return n;
}

hg_node_t *hg_node_map(hg_cc_t *c, hg_pos_t pos, const hg_node_t *in, const hg_expr_t **exprs, uint32_t n)
{
    hg_node_t *m = hg_node_new(c, HG_N_MAP, pos, in);
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, n + 1);
    for (uint32_t i = 0; i < n; i++) types[i] = exprs[i]->type;
    m->types = types;
    m->n_cols = n;
    m->exprs = exprs;
    m->n_exprs = n;
    return m;
}

hg_bq_t *hg_bq_new(hg_cc_t *c, const hg_node_t *node, uint32_t n_cols, uint64_t weight)
{
    hg_bq_t *q = HG_ANEW(c->a, hg_bq_t);
    q->node = node;
    q->n = n_cols;
    q->cols = HG_ANEWN(c->a, hg_bcol_t, n_cols + 1);
    q->weight = weight;
    return q;
}

const hg_node_t *hg_bq_as(hg_cc_t *c, const hg_bq_t *q, const hg_type_t *const *types)
{
    bool same = true;
    for (uint32_t i = 0; i < q->n; i++) same = same && hg_type_same(q->cols[i].type, types[i]);
    if (same) return q->node;
    const hg_expr_t **x = HG_ANEWN(c->a, const hg_expr_t *, q->n);
    for (uint32_t i = 0; i < q->n; i++) x[i] = hg_coerce(c, hg_x_col(c, i, q->cols[i].type, q->cols[i].pos), types[i]);
    return hg_node_map(c, q->node->pos, q->node, x, q->n);
}

/* --- LIMIT, ORDER BY of a finished result --- */
static bool count_of(hg_cc_t *c, const hg_ast_expr_t *e, const char *what, uint64_t *ret)
{
    uint64_t v = 0;
    if (e->kind != HG_E_INT || hg_str_u64(e->text, &v) < 0) {
        hg_cc_error(c, e->pos, "Not supported", "%s must be a constant whole number", what);
        return false;
    }
    *ret = v;
    return true;
}

bool hg_bind_limit(hg_cc_t *c, const hg_ast_query_t *q, uint64_t *limit, uint64_t *offset)
{
    *limit = UINT64_MAX;
    *offset = 0;
    return (!q->limit || q->limit->kind == HG_E_NULL || count_of(c, q->limit, "LIMIT", limit)) &&
           (!q->offset || count_of(c, q->offset, "OFFSET", offset));
}

bool hg_order_ordinal(hg_cc_t *c, const hg_ast_expr_t *e, uint32_t n, uint32_t *ret, bool *bad)
{
    uint64_t v = 0;
    if (e->kind != HG_E_INT || hg_str_u64(e->text, &v) < 0) return false;
    if (v < 1 || v > n) {
        hg_cc_sem(c, e->pos, "Ordinal out of range");
        *bad = true;
        return false;
    }
    *ret = (uint32_t)v - 1;
    return true;
}

static bool order_by_name(hg_cc_t *c, const hg_ast_expr_t *e, const hg_bq_t *b, uint32_t *ret)
{
    bool bad = false;
    if (hg_order_ordinal(c, e, b->n, ret, &bad)) return true;
    if (bad) return false;
    if (e->kind == HG_E_COLUMN && e->n_names == 1) {
        for (uint32_t i = 0; i < b->n; i++)
            if (hg_str_eq(b->cols[i].name, e->names[0].name)) {
                *ret = i;
                return true;
            }
        hg_cc_sem(c, e->pos, "Column '" HG_SF "' not found in any table", HG_SA(e->names[0].name));
        return false;
    }
    hg_cc_nyi(c, e->pos, "An expression in the ORDER BY of a set operation or of VALUES");
    return false;
}

bool hg_bind_no_limit(hg_cc_t *c, const hg_ast_query_t *q)
{
    if (q->limit)
        hg_cc_nyi(c, q->limit->pos, q->n_order ? "ORDER BY with LIMIT in a view" : "LIMIT in a view");
    else if (q->offset)
        hg_cc_nyi(c, q->offset->pos, q->n_order ? "ORDER BY with OFFSET in a view" : "OFFSET in a view");
    return !q->limit && !q->offset;
}

/* ORDER BY and LIMIT behind a set operation or VALUES. */
static hg_bq_t *tail(hg_cc_t *c, const hg_ast_query_t *q, hg_bq_t *b)
{
    if (!b || (!q->n_order && !q->limit && !q->offset)) return b;
    hg_sort_key_t *keys = HG_ANEWN(c->a, hg_sort_key_t, q->n_order + 1);
    for (uint32_t i = 0; i < q->n_order; i++) {
        const hg_ast_order_t *o = &q->order[i];
        if (!order_by_name(c, o->expr, b, &keys[i].col)) return NULL;
        keys[i].desc = o->desc;
        keys[i].nulls_last = o->nulls_given ? !o->nulls_first : o->desc;
    }
    if (!c->adhoc) {
        if (!hg_bind_no_limit(c, q)) return NULL;
        hg_cc_warn(c, q->order[0].expr->pos, "ORDER BY is ignored", "ORDER BY without LIMIT has no effect in a view");
        return b;
    }
    hg_node_t *sort = hg_node_new(c, HG_N_SORT, q->pos, b->node);
    if (!hg_bind_limit(c, q, &sort->limit, &sort->offset)) return NULL;
    sort->keys = keys;
    sort->n_keys = q->n_order;
    b->node = sort;
    b->weight++;
    return b;
}

/* --- set operations --- */
static bool has_tail(const hg_ast_query_t *q)
{
    return q->n_order || q->limit || q->offset || q->n_ctes;
}

/* The branches of a left-deep chain of one operation, in order. */
static const hg_ast_query_t **branches(hg_cc_t *c, const hg_ast_query_t *q, uint32_t *ret_n)
{
    uint32_t n = 2;
    for (const hg_ast_query_t *l = q->left; l->kind == HG_Q_UNION && hg_str_eq(l->setop, q->setop) && !has_tail(l);
         l = l->left)
        n++;
    const hg_ast_query_t **out = HG_ANEWN(c->a, const hg_ast_query_t *, n);
    const hg_ast_query_t *at = q;
    for (uint32_t i = n - 1; i > 0; i--) {
        out[i] = at->right;
        at = at->left;
    }
    out[0] = at;
    *ret_n = n;
    return out;
}

static void warn_reordered(hg_cc_t *c, hg_pos_t pos, const hg_bq_t *a, const hg_bq_t *b)
{
    bool moved = false;
    for (uint32_t i = 0; i < a->n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < b->n && !found; k++) found = hg_str_eq(a->cols[i].name, b->cols[k].name);
        if (!found) return;
        moved = moved || !hg_str_eq(a->cols[i].name, b->cols[i].name);
    }
    if (moved)
        hg_cc_warn(c, pos, "Fields reordered",
                   "The columns have the same names in another order; they are matched by position");
}

static hg_bq_t *bind_union(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q)
{
    bool all = hg_str_ieq(q->setop, HG_S("union all"));
    const char *op = hg_upper(c, q->setop);
    if (!all && !(c->adhoc && hg_str_ieq(q->setop, HG_S("union")))) {
        hg_cc_nyi(c, q->pos, c->adhoc ? "%s" : "%s in a view", op);
        return NULL;
    }
    uint32_t n = 0;
    const hg_ast_query_t **ast = branches(c, q, &n);
    hg_bq_t **b = HG_ANEWN(c->a, hg_bq_t *, n);
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        b[i] = hg_bind_query(c, env, ast[i]);
        ok = ok && b[i];
    }
    if (!ok) return NULL;
    for (uint32_t i = 1; i < n; i++) {
        if (b[i]->n != b[0]->n) {
            hg_cc_sem(c, ast[i]->pos, "Column count mismatch in %s", op);
            return NULL;
        }
        warn_reordered(c, ast[i]->pos, b[0], b[i]);
    }
    hg_bq_t *r = hg_bq_new(c, NULL, b[0]->n, 1);
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, r->n + 1);
    for (uint32_t k = 0; k < r->n; k++) {
        const hg_expr_t **x = HG_ANEWN(c->a, const hg_expr_t *, n);
        for (uint32_t i = 0; i < n; i++) x[i] = hg_x_col(c, k, b[i]->cols[k].type, b[i]->cols[k].pos);
        types[k] = hg_common_type(c, x, n);
        if (!types[k]) {
            hg_cc_sem(c, q->pos, "Type mismatch in column %u of %s", k + 1, op);
            return NULL;
        }
        r->cols[k] = b[0]->cols[k];
        r->cols[k].type = types[k];
    }
    hg_node_t *u = hg_node_new(c, HG_N_UNION, q->pos, NULL);
    u->types = types;
    u->n_cols = r->n;
    u->in = HG_ANEWN(c->a, const hg_node_t *, n);
    u->n_in = n;
    for (uint32_t i = 0; i < n; i++) {
        u->in[i] = hg_bq_as(c, b[i], types);
        r->weight += b[i]->weight + 1;
    }
    r->node = all ? u : hg_node_new(c, HG_N_DISTINCT, q->pos, u);
    return r;
}

/* --- VALUES --- */
const hg_node_t *hg_node_one_row(hg_cc_t *c, hg_pos_t pos)
{
    hg_node_t *v = hg_node_new(c, HG_N_VALUES, pos, NULL);
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, 1);
    types[0] = hg_type_make(c->a, HG_T_BOOLEAN, false, -1, 0);
    hg_colb_t b;
    hg_colb_init(&b, types[0]);
    HG_ASSERT(hg_colb_bool(&b, true) == 0);
    v->types = types;
    v->n_cols = 1;
    v->values = hg_batch_new(1, 1);
    v->values->cols[0] = hg_colb_seal(&b);
    hg_colb_release(&b);
    hg_arena_cleanup(c->a, (void (*)(void *))hg_batch_drop, v->values);
    return v;
}

/* All cells are constants of their column's type. */
static hg_node_t *constant_rows(hg_cc_t *c, hg_pos_t pos, const hg_expr_t ***rows, uint32_t n_rows, uint32_t n_cols,
                                const hg_type_t **types)
{
    hg_node_t *v = hg_node_new(c, HG_N_VALUES, pos, NULL);
    v->types = types;
    v->n_cols = n_cols;
    v->values = hg_batch_new(n_rows, n_cols);
    hg_arena_cleanup(c->a, (void (*)(void *))hg_batch_drop, v->values);
    for (uint32_t k = 0; k < n_cols; k++) {
        hg_colb_t b;
        hg_colb_init(&b, types[k]);
        int rc = 0;
        for (uint32_t i = 0; i < n_rows && rc == 0; i++)
            rc = hg_expr_is_null(rows[i][k]) ? hg_colb_null(&b) : hg_colb_copy(&b, rows[i][k]->lit, 0);
        if (rc < 0) {
            hg_colb_release(&b);
            hg_cc_error(c, pos, "Not supported", "VALUES is too large");
            return NULL;
        }
        v->values->cols[k] = hg_colb_seal(&b);
        hg_colb_release(&b);
    }
    return v;
}

/* Cells that go into a table's column are converted one by one, so that each keeps its digits and its place. */
static bool column_for_table(hg_cc_t *c, const hg_field_t *f, const hg_expr_t **x, uint32_t n, const hg_type_t **ret)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!hg_assignable(x[i], f->type)) {
            hg_cc_error(c, x[i]->pos, "SQL error",
                        "Cannot insert a value of type %s into column '" HG_SF "' of type %s",
                        hg_type_str(c, x[i]->type), HG_SA(f->name), hg_type_str(c, f->type));
            return false;
        }
        if (hg_expr_is_null(x[i]) && !f->type->nullable) {
            hg_cc_error(c, x[i]->pos, "SQL error", "Cannot insert NULL into column '" HG_SF "', which is NOT NULL",
                        HG_SA(f->name));
            return false;
        }
        const hg_expr_t *v = hg_coerce(c, x[i], f->type);
        if (hg_expr_is_const(x[i]) && !hg_expr_is_const(v)) {
            hg_col_t *none = NULL;
            hg_err_t err = HG_ERR_INIT;
            hg_expr_const(v, &none, &err);
            hg_cc_error(c, x[i]->pos, "SQL error", "Column '" HG_SF "': %s", HG_SA(f->name), err.msg);
            return false;
        }
        x[i] = v;
        nullable = nullable || v->type->nullable;
    }
    *ret = hg_type_with_null(c->a, f->type, nullable);
    return true;
}

static bool column_of_values(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **x, uint32_t n, const hg_type_t **ret)
{
    *ret = hg_adopt_literals(c, x, n) ? hg_common_type(c, x, n) : NULL;
    if (*ret && hg_coerce_all(c, x, n, *ret)) return true;
    if (!c->n_errors) hg_cc_sem(c, pos, "Values passed to VALUES operator must have compatible types");
    return false;
}

hg_bq_t *hg_bind_values(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q)
{
    const hg_field_t *const *into = c->values_into;
    c->values_into = NULL;
    (void)env; /* a subquery in an expression could see it */
    if (!c->adhoc) {
        hg_cc_nyi(c, q->pos, "VALUES in a view");
        return NULL;
    }
    hg_scope_t none = { .clause = "VALUES", .no_from = true };
    hg_bq_t *r = hg_bq_new(c, NULL, q->n_row_cols, 1);
    const hg_expr_t ***rows = HG_ANEWN(c->a, const hg_expr_t **, q->n_rows + 1);
    const hg_expr_t **column = HG_ANEWN(c->a, const hg_expr_t *, q->n_rows + 1);
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, r->n + 1);
    bool ok = true, constant = true;
    for (uint32_t i = 0; i < q->n_rows; i++) {
        rows[i] = HG_ANEWN(c->a, const hg_expr_t *, r->n + 1);
        for (uint32_t k = 0; k < r->n; k++) {
            rows[i][k] = hg_bind_expr(c, &none, q->rows[i][k]);
            ok = ok && rows[i][k];
        }
    }
    if (!ok) return NULL;
    for (uint32_t k = 0; k < r->n; k++) {
        for (uint32_t i = 0; i < q->n_rows; i++) column[i] = rows[i][k];
        bool done = into ? column_for_table(c, into[k], column, q->n_rows, &types[k])
                         : column_of_values(c, q->pos, column, q->n_rows, &types[k]);
        if (!done) return NULL;
        for (uint32_t i = 0; i < q->n_rows; i++) {
            rows[i][k] = column[i];
            constant = constant && hg_expr_is_const(column[i]);
        }
        r->cols[k] = (hg_bcol_t){ .name = hg_strz(hg_arena_printf(c->a, "EXPR$%u", k)),
                                  .case_sensitive = true,
                                  .type = types[k],
                                  .pos = q->pos };
    }
    if (constant) {
        r->node = constant_rows(c, q->pos, rows, q->n_rows, r->n, types);
        return r->node ? r : NULL;
    }
    const hg_node_t *one = hg_node_one_row(c, q->pos);
    hg_node_t *u = hg_node_new(c, HG_N_UNION, q->pos, NULL);
    u->types = types;
    u->n_cols = r->n;
    u->in = HG_ANEWN(c->a, const hg_node_t *, q->n_rows);
    u->n_in = q->n_rows;
    for (uint32_t i = 0; i < q->n_rows; i++) u->in[i] = hg_node_map(c, q->pos, one, rows[i], r->n);
    r->node = u;
    r->weight = 1 + 2 * (uint64_t)q->n_rows;
    return r;
}

/* --- queries --- */
static const hg_env_t *bind_ctes(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q)
{
    for (uint32_t i = 0; i < q->n_ctes; i++) {
        const hg_ast_cte_t *cte = &q->ctes[i];
        hg_env_t *e = HG_ANEW(c->a, hg_env_t);
        hg_bq_t *b = hg_bind_query(c, env, cte->query);
        if (b && cte->n_cols) {
            if (cte->n_cols != b->n) {
                hg_cc_sem(c, cte->name.pos, "Number of columns must match number of query columns");
                b = NULL;
            } else {
                hg_bq_t *named = hg_bq_new(c, b->node, b->n, b->weight);
                for (uint32_t k = 0; k < b->n; k++) {
                    named->cols[k] = b->cols[k];
                    named->cols[k].name = cte->cols[k].name;
                    named->cols[k].case_sensitive = cte->cols[k].quoted;
                }
                b = named;
            }
        }
        *e = (hg_env_t){ .up = env, .cte = cte, .q = b };
        env = e;
    }
    return env;
}

hg_bq_t *hg_bind_query(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q)
{
    if (c->depth >= HG_CC_MAX_DEPTH) {
        hg_cc_error(c, q->pos, "Not supported", "The query is nested more than %d deep", HG_CC_MAX_DEPTH);
        return NULL;
    }
    c->depth++;
    const hg_env_t *inner = bind_ctes(c, env, q);
    hg_bq_t *b = NULL;
    switch (q->kind) {
    case HG_Q_SELECT:
        b = hg_bind_select(c, inner, q);
        break;
    case HG_Q_UNION:
        b = tail(c, q, bind_union(c, inner, q));
        break;
    case HG_Q_VALUES:
        b = tail(c, q, hg_bind_values(c, inner, q));
        break;
    }
    c->depth--;
    if (b && b->weight > HG_CC_MAX_WEIGHT) {
        hg_cc_error(c, q->pos, "Not supported",
                    "The query has more than %u operators once shared subqueries are written out", HG_CC_MAX_WEIGHT);
        return NULL;
    }
    return b;
}
