/* SELECT: FROM → WHERE → (GROUP BY, HAVING) → select list → DISTINCT → ORDER BY, LIMIT.
 *
 * In a view everything up to the select list runs incrementally; the rest is refused by name. An ad-hoc query reads
 * only the columns it names: the scan's columns are handed out as expressions ask for them.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

/* What a SELECT is made of while it is being bound. */
typedef struct sel {
    hg_cc_t *c;
    const hg_ast_query_t *q;
    hg_scope_t scope;
    hg_aggs_t aggs;
    const hg_node_t *node;
    uint64_t weight;
    const hg_expr_t **items;
    const hg_ast_expr_t **item_ast;
    hg_bcol_t *cols;
    uint32_t n_items, n_visible; /* items behind the visible ones serve ORDER BY */
    const hg_expr_t **keys;
    uint32_t n_keys;
    const hg_expr_t *having;
    hg_sort_key_t *order;
} sel_t;

/* --- select list --- */
static bool has_upper(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z') return true;
    return false;
}

static void add_item(sel_t *s, const hg_expr_t *x, const hg_ast_expr_t *ast, hg_str_t name, hg_pos_t pos)
{
    uint32_t n = s->n_items;
    HG_APUSH(s->c->a, s->item_ast, n, ast);
    n = s->n_items;
    hg_bcol_t col = { .name = name, .case_sensitive = has_upper(name), .type = x->type, .pos = pos };
    HG_APUSH(s->c->a, s->cols, n, col);
    HG_APUSH(s->c->a, s->items, s->n_items, x);
}

static bool star(sel_t *s, const hg_ast_expr_t *e)
{
    uint32_t source = e->n_names ? hg_scope_source(&s->scope, e->names[0].name) : UINT32_MAX;
    if (e->n_names && source == UINT32_MAX) {
        hg_cc_sem(s->c, e->pos, "Table '" HG_SF "' not found", HG_SA(e->names[0].name));
        return false;
    }
    if (s->scope.no_from) {
        hg_cc_sem(s->c, e->pos, "SELECT * requires a FROM clause");
        return false;
    }
    for (uint32_t i = 0; i < s->scope.n_cols; i++) {
        if (source != UINT32_MAX && s->scope.cols[i].source != source) continue;
        if (!hg_cc_spend(s->c, e->pos, 1)) return false;
        add_item(s, hg_bind_scope_col(s->c, &s->scope, i, e->pos), NULL, s->scope.cols[i].name, e->pos);
    }
    return true;
}

static bool select_list(sel_t *s)
{
    const hg_ast_query_t *q = s->q;
    bool ok = true;
    s->scope.aggs = &s->aggs;
    s->scope.aliases = HG_ANEWN(s->c->a, hg_scol_t, q->n_items + 1);
    for (uint32_t i = 0; i < q->n_items; i++) {
        const hg_ast_item_t *it = &q->items[i];
        if (it->expr->kind == HG_E_STAR) {
            ok = star(s, it->expr) && ok;
            continue;
        }
        const hg_expr_t *x = hg_bind_expr(s->c, &s->scope, it->expr);
        if (!x) {
            ok = false;
            continue;
        }
        hg_str_t name = it->alias.name;
        hg_pos_t pos = it->alias.name.n ? it->alias.pos : it->expr->pos;
        if (!name.n && it->expr->kind == HG_E_COLUMN) name = it->expr->names[it->expr->n_names - 1].name;
        if (!name.n) name = hg_strz(hg_arena_printf(s->c->a, "EXPR$%u", i));
        add_item(s, x, it->expr, name, pos);
        if (it->alias.name.n)
            s->scope.aliases[s->scope.n_aliases++] = (hg_scol_t){ .name = name, .type = x->type, .expr = x };
    }
    s->n_visible = s->n_items;
    return ok;
}

/* --- ORDER BY: the column that each key sorts; new hidden items for expressions that are not selected --- */
static bool order_key(sel_t *s, const hg_ast_order_t *o, hg_sort_key_t *key)
{
    bool bad = false;
    key->desc = o->desc;
    key->nulls_last = o->nulls_given ? !o->nulls_first : o->desc; /* NULL is the smallest value (sql §5.5) */
    if (hg_order_ordinal(s->c, o->expr, s->n_visible, &key->col, &bad)) return true;
    if (bad) return false;
    if (o->expr->kind == HG_E_COLUMN && o->expr->n_names == 1)
        for (uint32_t i = 0; i < s->n_visible; i++)
            if (hg_str_eq(s->cols[i].name, o->expr->names[0].name)) {
                key->col = i;
                return true;
            }
    const hg_expr_t *x = hg_bind_expr(s->c, &s->scope, o->expr);
    if (!x) return false;
    for (uint32_t i = 0; i < s->n_items; i++)
        if (hg_expr_equal(s->items[i], x)) {
            key->col = i;
            return true;
        }
    if (s->q->distinct) {
        hg_cc_sem(s->c, o->expr->pos, "Expression '" HG_SF "' is not in the select clause",
                  HG_SA(hg_expr_text(s->c, o->expr)));
        return false;
    }
    key->col = s->n_items;
    add_item(s, x, o->expr, (hg_str_t){ NULL, 0 }, o->expr->pos);
    return true;
}

static bool order_by(sel_t *s)
{
    bool ok = true;
    s->order = HG_ANEWN(s->c->a, hg_sort_key_t, s->q->n_order + 1);
    for (uint32_t i = 0; i < s->q->n_order; i++) ok = order_key(s, &s->q->order[i], &s->order[i]) && ok;
    return ok;
}

/* --- views: what comes after the select list --- */
static bool view_tail(sel_t *s)
{
    const hg_ast_query_t *q = s->q;
    if (q->has_group || q->n_group) {
        hg_cc_nyi(s->c, q->n_group ? q->group[0]->pos : q->pos, "GROUP BY in a view");
        return false;
    }
    if (q->having) {
        hg_cc_nyi(s->c, q->having->pos, "HAVING in a view");
        return false;
    }
    if (q->distinct) {
        hg_cc_nyi(s->c, q->pos, "SELECT DISTINCT in a view");
        return false;
    }
    if (!hg_bind_no_limit(s->c, q)) return false;
    if (q->n_order) {
        if (!order_by(s)) return false;
        s->n_items = s->n_visible;
        hg_cc_warn(s->c, q->order[0].expr->pos, "ORDER BY is ignored",
                   "ORDER BY without LIMIT has no effect in a view");
    }
    return true;
}

/* --- putting it together --- */
static void add_node(sel_t *s, hg_node_t *n)
{
    s->node = n;
    s->weight++;
}

static bool group(sel_t *s)
{
    const hg_ast_query_t *q = s->q;
    if (q->having) {
        s->scope.clause = "HAVING clause";
        s->having = hg_bind_cond(s->c, &s->scope, q->having, "HAVING");
        if (!s->having) return false;
    }
    return hg_bind_group(s->c, &s->scope, q, s->item_ast, s->items, s->cols, s->n_visible, &s->keys, &s->n_keys);
}

static bool rewrite(sel_t *s, const hg_expr_t **x)
{
    *x = hg_agg_rewrite(s->c, &s->scope, *x, s->keys, s->n_keys, &s->aggs);
    return *x != NULL;
}

static bool aggregate(sel_t *s)
{
    hg_node_t *n = hg_node_new(s->c, HG_N_AGG, s->q->pos, s->node);
    const hg_type_t **types = HG_ANEWN(s->c->a, const hg_type_t *, s->n_keys + s->aggs.n + 1);
    for (uint32_t i = 0; i < s->n_keys; i++) types[i] = s->keys[i]->type;
    for (uint32_t i = 0; i < s->aggs.n; i++) types[s->n_keys + i] = s->aggs.v[i].type;
    n->types = types;
    n->n_cols = s->n_keys + s->aggs.n;
    n->exprs = s->keys;
    n->n_exprs = s->n_keys;
    n->aggs = s->aggs.v;
    n->n_aggs = s->aggs.n;
    add_node(s, n);
    bool ok = true;
    for (uint32_t i = 0; i < s->n_items; i++) ok = rewrite(s, &s->items[i]) && ok;
    if (!ok || !s->having) return ok;
    if (!rewrite(s, &s->having)) return false;
    hg_node_t *f = hg_node_new(s->c, HG_N_FILTER, s->q->having->pos, s->node);
    f->pred = s->having;
    add_node(s, f);
    return true;
}

static bool is_identity(const sel_t *s)
{
    if (s->n_items != s->node->n_cols) return false;
    for (uint32_t i = 0; i < s->n_items; i++)
        if (s->items[i]->kind != HG_X_COL || s->items[i]->col != i) return false;
    return true;
}

/* FROM has now been asked for all it will be. Nodes above it that pass its columns on share its types array. */
static void close_from(sel_t *s, hg_node_t *filter)
{
    uint32_t n = hg_bind_from_end(&s->scope);
    if (filter && n) filter->n_cols = n;
}

hg_bq_t *hg_bind_select(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q)
{
    sel_t s = { .c = c, .q = q };
    hg_node_t *filter = NULL;
    if (!hg_bind_from(c, env, q, &s.scope, &s.node, &s.weight)) return NULL;
    bool ok = true;
    if (q->where) {
        s.scope.clause = "WHERE clause";
        const hg_expr_t *pred = hg_bind_cond(c, &s.scope, q->where, "WHERE");
        ok = pred != NULL;
        filter = hg_node_new(c, HG_N_FILTER, q->where->pos, s.node);
        filter->pred = pred;
        add_node(&s, filter);
    }
    s.aggs.grouped = q->n_group > 0;
    s.scope.clause = "SELECT clause";
    if (!select_list(&s) || !ok) return NULL;
    if (!c->adhoc) {
        if (!view_tail(&s)) return NULL;
        close_from(&s, filter);
    } else {
        bool grouped = q->has_group || q->having || s.aggs.n > 0;
        if (!order_by(&s)) return NULL;
        grouped = grouped || s.aggs.n > 0;
        if (grouped && !group(&s)) return NULL;
        close_from(&s, filter);
        if (grouped && !aggregate(&s)) return NULL;
    }
    if (!is_identity(&s)) add_node(&s, hg_node_map(c, q->pos, s.node, s.items, s.n_items));
    if (q->distinct) add_node(&s, hg_node_new(c, HG_N_DISTINCT, q->pos, s.node));
    if (c->adhoc && (q->n_order || q->limit || q->offset)) {
        hg_node_t *sort = hg_node_new(c, HG_N_SORT, q->pos, s.node);
        if (!hg_bind_limit(c, q, &sort->limit, &sort->offset)) return NULL;
        sort->keys = s.order;
        sort->n_keys = q->n_order;
        add_node(&s, sort);
    }
    if (s.n_items > s.n_visible) { /* drop what only ORDER BY needed */
        const hg_expr_t **x = HG_ANEWN(c->a, const hg_expr_t *, s.n_visible + 1);
        for (uint32_t i = 0; i < s.n_visible; i++) x[i] = hg_x_col(c, i, s.items[i]->type, s.cols[i].pos);
        add_node(&s, hg_node_map(c, q->pos, s.node, x, s.n_visible));
    }
    hg_bq_t *b = hg_bq_new(c, s.node, s.n_visible, s.weight + 1);
    for (uint32_t i = 0; i < s.n_visible; i++) {
        b->cols[i] = s.cols[i];
        b->cols[i].type = s.items[i]->type;
    }
    return b;
}
