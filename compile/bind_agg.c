/* Aggregates and GROUP BY of ad-hoc queries.
 *
 * Select items, HAVING and ORDER BY are bound over the input, with a place-holder column for each aggregate. Then each
 * is rewritten over the AGG node's output: what equals a group key becomes that key, a place-holder becomes its
 * aggregate, and a column that is left over was not grouped.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

static const char *const names[] = { "count", "sum", "min", "max", "avg" };

bool hg_is_agg_name(hg_str_t name)
{
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_eqz(name, names[i])) return true;
    return false;
}

static bool same_call(const hg_agg_call_t *a, const hg_agg_call_t *b)
{
    if (a->fn != b->fn || a->distinct != b->distinct || !a->arg != !b->arg || !a->filter != !b->filter) return false;
    return (!a->arg || hg_expr_equal(a->arg, b->arg)) && (!a->filter || hg_expr_equal(a->filter, b->filter));
}

const hg_expr_t *hg_bind_agg(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const char *upper = hg_upper(c, e->text);
    if (s->in_agg) {
        hg_cc_sem(c, e->pos, "Aggregate expressions cannot be nested");
        return NULL;
    }
    if (!s->aggs) {
        hg_cc_sem(c, e->pos, "Aggregate expression is illegal in %s", s->clause);
        return NULL;
    }
    if (!c->adhoc) {
        hg_cc_nyi(c, e->pos, "%s in a view", upper);
        return NULL;
    }
    if (!e->star && e->n_args != 1) {
        if (e->n_args > 1 && hg_str_eqz(e->text, "count"))
            hg_cc_nyi(c, e->pos, "COUNT of several columns");
        else
            hg_cc_sem(c, e->pos, "Invalid number of arguments to function '%s'. Was expecting 1 arguments", upper);
        return NULL;
    }
    hg_agg_call_t call = { .distinct = e->distinct };
    s->in_agg = true;
    if (!e->star) call.arg = hg_bind_expr(c, s, e->args[0]);
    if (e->filter) call.filter = hg_bind_cond(c, s, e->filter, "FILTER");
    s->in_agg = false;
    if ((!e->star && !call.arg) || (e->filter && !call.filter)) return NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_agg_resolve(c->a, e->text, call.arg ? call.arg->type : NULL, s->aggs->grouped, &call.fn, &call.type, &err) <
        0) {
        hg_cc_sem(c, e->pos, "%s", err.msg);
        return NULL;
    }
    /* a filter may leave a group empty */
    if (call.filter && call.fn != HG_AGG_COUNT && call.fn != HG_AGG_COUNT_STAR)
        call.type = hg_type_with_null(c->a, call.type, true);
    uint32_t j = 0;
    while (j < s->aggs->n && !same_call(&s->aggs->v[j], &call)) j++;
    if (j == s->aggs->n) HG_APUSH(c->a, s->aggs->v, s->aggs->n, call);
    return hg_x_col(c, HG_AGG_REF | j, s->aggs->v[j].type, e->pos);
}

static hg_str_t column_name(const hg_scope_t *s, uint32_t slot)
{
    for (uint32_t i = 0; i < s->n_cols && s->n_levels; i++)
        if (s->levels[s->n_levels - 1].slot[i] == slot) return s->cols[i].name;
    return HG_S("?");
}

const hg_expr_t *hg_agg_rewrite(hg_cc_t *c, const hg_scope_t *s, const hg_expr_t *e, const hg_expr_t **keys,
                                uint32_t n_keys, const hg_aggs_t *aggs)
{
    if (e->kind == HG_X_CONST) return e;
    if (e->kind == HG_X_COL && (e->col & HG_AGG_REF))
        return hg_x_col(c, n_keys + (e->col & ~HG_AGG_REF), e->type, e->pos);
    for (uint32_t k = 0; k < n_keys; k++)
        if (hg_expr_equal(e, keys[k])) return hg_x_col(c, k, keys[k]->type, e->pos);
    if (e->kind == HG_X_COL) {
        hg_str_t name = column_name(s, e->col);
        hg_cc_sem(c, e->pos, "Expression '" HG_SF "' is not being grouped", HG_SA(name));
        return NULL;
    }
    hg_expr_t *r = HG_ANEW(c->a, hg_expr_t);
    *r = *e;
    if (e->n_args) r->args = HG_ANEWN(c->a, const hg_expr_t *, e->n_args);
    for (uint32_t i = 0; i < e->n_args; i++) {
        r->args[i] = hg_agg_rewrite(c, s, e->args[i], keys, n_keys, aggs);
        if (!r->args[i]) return NULL;
    }
    return r;
}

static bool has_aggregate(const hg_expr_t *x)
{
    if (x->kind == HG_X_COL && (x->col & HG_AGG_REF)) return true;
    for (uint32_t i = 0; i < x->n_args; i++)
        if (has_aggregate(x->args[i])) return true;
    return false;
}

static bool is_bare_name(const hg_ast_expr_t *e, hg_str_t *ret)
{
    if (e->kind != HG_E_COLUMN || e->n_names != 1) return false;
    *ret = e->names[0].name;
    return true;
}

bool hg_bind_group(hg_cc_t *c, hg_scope_t *s, const hg_ast_query_t *q, const hg_ast_expr_t **item_ast,
                   const hg_expr_t **items, const hg_bcol_t *cols, uint32_t n_items, const hg_expr_t ***keys,
                   uint32_t *n_keys)
{
    hg_aggs_t *aggs = s->aggs;
    const char *clause = s->clause;
    bool ok = true;
    s->aggs = NULL;
    s->clause = "GROUP BY clause";
    for (uint32_t i = 0; i < q->n_group; i++) {
        const hg_ast_expr_t *g = q->group[i];
        const hg_expr_t *x = NULL;
        uint32_t ord = 0, hits = 0, hit = 0;
        bool bad = false;
        hg_str_t name;
        if (hg_order_ordinal(c, g, n_items, &ord, &bad)) {
            x = items[ord];
        } else if (!bad && is_bare_name(g, &name)) {
            /* an alias of the select list wins over a column (sql §5.4) */
            for (uint32_t k = 0; k < n_items; k++)
                if (item_ast[k] && hg_str_eq(cols[k].name, name)) {
                    hit = k;
                    hits++;
                }
            x = hits == 1 ? items[hit] : hg_bind_expr(c, s, g);
        } else if (!bad) {
            x = hg_bind_expr(c, s, g);
        }
        if (!x) {
            ok = false;
            continue;
        }
        if (has_aggregate(x)) {
            hg_cc_sem(c, g->pos, "Aggregate expression is illegal in GROUP BY clause");
            ok = false;
            continue;
        }
        HG_APUSH(c->a, *keys, *n_keys, x);
    }
    s->aggs = aggs;
    s->clause = clause;
    return ok;
}
