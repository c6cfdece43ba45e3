/* walk_query.c: libpg_query's queries → ours. SELECT, VALUES and FROM items carry no places of their own there, so
 * their extent is that of what they hold, widened to the words around it.
 */
#include "base/hg.h"
#include "sqlddl/body_int.h"

/* A FROM item with its tokens. */
typedef struct {
    hg_ast_from_t f; /* first member */
    uint32_t t0, t1;
} xfrom_t;

static const hg_xexpr_t *xe(const hg_ast_expr_t *e)
{
    return (const hg_xexpr_t *)(const void *)e;
}
static const xfrom_t *xf(const hg_ast_from_t *f)
{
    return (const xfrom_t *)(const void *)f;
}

/* ------------------------------------------------------------------------------------------------ extents */

typedef struct {
    uint32_t t0, t1;
} range_t;

static void cover(range_t *r, uint32_t t0, uint32_t t1)
{
    r->t0 = HG_MIN(r->t0, t0);
    r->t1 = HG_MAX(r->t1, t1);
}

static void cover_expr(range_t *r, const hg_ast_expr_t *e)
{
    if (e) cover(r, xe(e)->t0, xe(e)->t1);
}

/* Brackets that were opened inside the range and close behind it. */
static void close_brackets(const hg_body_t *b, range_t *r)
{
    const hg_sql_t *p = b->p;
    while (r->t1 + 1 < b->to && (hg_is_op(p, r->t1 + 1, ")") || hg_is_op(p, r->t1 + 1, "]")) &&
           p->match[r->t1 + 1] != HG_NO_TOK && p->match[r->t1 + 1] >= r->t0)
        r->t1++;
}

/* Back to the word that opens it. */
static uint32_t back_to(const hg_body_t *b, uint32_t i, hg_kw_t word)
{
    while (i > b->from && hg_kw_at(b->p, i) != word) i--;
    return i;
}

static void place(const hg_body_t *b, hg_xquery_t *q, range_t r)
{
    q->t0 = r.t0;
    q->t1 = r.t1;
    q->q.pos = hg_sql_span(b->p, r.t0, r.t1);
}

/* ------------------------------------------------------------------------------------------------ FROM */

static const hg_ast_from_t *from_item(hg_body_t *b, hg_pb_t node);

/* Alias{name, columns}: also sets the end of the item. */
static bool alias(hg_body_t *b, hg_pb_t m, uint32_t near, xfrom_t *x)
{
    hg_pbf_t f;
    hg_name_t *cols = NULL, one;
    uint32_t last = near;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1 && f.sub.p < f.sub.end && *f.sub.p != 'g') { /* "g…" is one that we made up */
            if (!hg_walk_name(b, f.sub, near, &x->f.alias, &last)) return false;
            x->t1 = HG_MAX(x->t1, last);
        }
        if (f.num == 2) {
            if (!hg_walk_name_node(b, f.sub, near, &one, &last)) return false;
            HG_APUSH(b->p->a, cols, x->f.n_cols, one);
            x->t1 = HG_MAX(x->t1, last + 1);
        }
    }
    x->f.cols = cols;
    return true;
}

static const hg_ast_from_t *finish(hg_body_t *b, xfrom_t *x)
{
    x->f.pos = hg_sql_span(b->p, x->t0, x->t1);
    return &x->f;
}

static const hg_ast_from_t *table(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    xfrom_t *x = HG_ANEW(b->p->a, xfrom_t);
    bool dotted = false;
    hg_pb_t as = { 0 }, name = { 0 };
    x->f.kind = HG_F_TABLE;
    x->t0 = b->from;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1 || f.num == 2)
            dotted = true;
        else if (f.num == 3)
            name = f.sub;
        else if (f.num == 6)
            as = f.sub;
        else if (f.num == 7)
            x->t0 = hg_body_tok(b, (uint32_t)hg_pb_i32(&f));
    }
    x->t1 = x->t0;
    if (!hg_walk_name(b, name, x->t0, &x->f.table, &x->t1)) return NULL;
    if (dotted) {
        hg_sql_unsupported(b->p, x->t0, x->t1, "A name with a dot");
        return NULL;
    }
    return as.p && !alias(b, as, x->t1, x) ? NULL : finish(b, x);
}

static const hg_ast_from_t *subquery(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f;
    xfrom_t *x = HG_ANEW(b->p->a, xfrom_t);
    hg_xquery_t *q = NULL;
    hg_pb_t as = { 0 };
    x->f.kind = HG_F_SUBQUERY;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 2) {
            q = hg_walk_query(b, f.sub);
            if (!q) return NULL;
        } else if (f.num == 3) {
            as = f.sub;
        }
    }
    if (HG_NEVER(!q)) {
        hg_sql_encountered(b->p, b->from, "a query");
        return NULL;
    }
    x->f.query = &q->q;
    x->t0 = q->t0;
    x->t1 = q->t1;
    hg_walk_wrap(b->p, &x->t0, &x->t1);
    return as.p && !alias(b, as, x->t1, x) ? NULL : finish(b, x);
}

/* UNNEST(a) [WITH ORDINALITY] AS t (x): the call stands in `on`. */
static const hg_ast_from_t *function(hg_body_t *b, hg_pb_t m)
{
    hg_pbf_t f, g;
    xfrom_t *x = HG_ANEW(b->p->a, xfrom_t);
    hg_xexpr_t *call = NULL;
    hg_pb_t as = { 0 }, list;
    x->f.kind = HG_F_FUNCTION;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 4 && hg_pg_node(f.sub, &list) == PG_LIST) {
            hg_pb_t unused;
            while (hg_pb_next(&list, &g))
                if (!call && hg_pg_node(g.sub, &unused) != PG_NIL) {
                    call = hg_walk_expr(b, g.sub);
                    if (!call) return NULL;
                }
        } else if (f.num == 2 && f.v) {
            x->f.ordinality = true;
        } else if (f.num == 5) {
            as = f.sub;
        }
    }
    if (!call || call->e.kind != HG_E_CALL || call->e.n_names != 1) {
        uint32_t t0 = call ? call->t0 : b->from, t1 = call ? call->t1 : b->from;
        hg_sql_unsupported(b->p, t0, t1, "This function in FROM");
        return NULL;
    }
    x->f.table = call->e.names[0];
    x->f.on = &call->e;
    x->t0 = call->t0;
    x->t1 = call->t1 + (x->f.ordinality ? 2 : 0);
    return as.p && !alias(b, as, x->t1, x) ? NULL : finish(b, x);
}

static const hg_ast_from_t *join(hg_body_t *b, hg_pb_t m)
{
    static const char *const types[] = { "inner", "inner", "left", "full", "right" };
    hg_pbf_t f;
    xfrom_t *x = HG_ANEW(b->p->a, xfrom_t);
    hg_name_t *cols = NULL, one;
    uint32_t type = 0, tok = b->from;
    bool aliased = false;
    range_t r = { UINT32_MAX, 0 };
    x->f.kind = HG_F_JOIN;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1) {
            type = HG_MIN((uint32_t)f.v, 4);
        } else if (f.num == 3 || f.num == 4) {
            const hg_ast_from_t *side = from_item(b, f.sub);
            if (!side) return NULL;
            *(f.num == 3 ? &x->f.left : &x->f.right) = side;
            uint32_t t0 = xf(side)->t0, t1 = xf(side)->t1;
            hg_walk_wrap(b->p, &t0, &t1);
            cover(&r, t0, t1);
        } else if (f.num == 5) {
            if (!hg_walk_name_node(b, f.sub, r.t1, &one, &tok)) return NULL;
            HG_APUSH(b->p->a, cols, x->f.n_using, one);
            cover(&r, tok, tok + 1);
        } else if (f.num == 7) {
            hg_xexpr_t *on = hg_walk_expr(b, f.sub);
            if (!on) return NULL;
            uint32_t t0 = on->t0, t1 = on->t1;
            hg_walk_wrap(b->p, &t0, &t1);
            cover(&r, t0, t1);
            x->f.on = &on->e;
        } else if (f.num == 6 || f.num == 8) {
            aliased = true;
        }
    }
    x->f.using_cols = cols;
    x->t0 = r.t0;
    x->t1 = r.t1;
    if (aliased) {
        hg_sql_unsupported(b->p, x->t0, HG_MIN(x->t1 + 2, b->to - 1), "An alias for a join");
        return NULL;
    }
    x->f.join = type == 1 && !x->f.on && !cols ? HG_S("cross") : hg_strz(types[type]);
    return finish(b, x);
}

static const hg_ast_from_t *from_item(hg_body_t *b, hg_pb_t node)
{
    hg_pb_t m = { 0 };
    switch (hg_pg_node(node, &m)) {
    case PG_RANGE_VAR:
        return table(b, m);
    case PG_RANGE_SUBSELECT:
        return subquery(b, m);
    case PG_RANGE_FUNCTION:
        return function(b, m);
    case PG_JOIN_EXPR:
        return join(b, m);
    default:
        hg_sql_unsupported(b->p, b->from, b->to - 1, "Something in FROM");
        return NULL;
    }
}

/* ------------------------------------------------------------------------------------------------ the parts of SELECT
 */

typedef struct {
    hg_xquery_t *x;
    range_t r;
    bool any; /* r covers something */
} query_t;

static bool item(hg_body_t *b, hg_pb_t node, query_t *q, hg_ast_item_t **items)
{
    hg_pb_t m = { 0 }, name = { 0 };
    hg_pbf_t f;
    hg_xexpr_t *e = NULL;
    hg_ast_item_t one = { 0 };
    uint32_t tok;
    if (hg_pg_node(node, &m) != PG_RES_TARGET) return false;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1) name = f.sub;
        if (f.num == 3) {
            e = hg_walk_expr(b, f.sub);
            if (!e) return false;
        }
    }
    if (HG_NEVER(!e)) return false;
    one.expr = &e->e;
    cover(&q->r, e->t0, e->t1);
    if (name.p) {
        if (!hg_walk_name(b, name, e->t1, &one.alias, &tok)) return false;
        cover(&q->r, tok, tok);
    }
    HG_APUSH(b->p->a, *items, q->x->q.n_items, one);
    return true;
}

/* GROUP BY (a, b) is two keys. */
static bool group_key(hg_body_t *b, hg_pb_t node, query_t *q)
{
    hg_pb_t m;
    if (hg_pg_node(node, &m) == PG_GROUPING_SET) {
        hg_sql_unsupported(b->p, q->r.t1, HG_MIN(q->r.t1 + 2, b->to - 1), "GROUP BY ()");
        return false;
    }
    hg_xexpr_t *e = hg_walk_expr(b, node);
    if (!e) return false;
    cover(&q->r, e->t0, e->t1);
    bool tuple = e->e.kind == HG_E_CALL && e->e.n_names == 0 && hg_is_op(b->p, e->t0, "(");
    for (uint32_t i = 0; i < (tuple ? e->e.n_args : 1); i++) {
        const hg_ast_expr_t *key = tuple ? e->e.args[i] : &e->e;
        HG_APUSH(b->p->a, q->x->q.group, q->x->q.n_group, key);
    }
    return true;
}

static bool order_key(hg_body_t *b, hg_pb_t node, query_t *q, hg_ast_order_t **order)
{
    hg_pb_t m = { 0 };
    hg_pbf_t f;
    hg_ast_order_t one = { 0 };
    uint32_t end = q->r.t1;
    if (hg_pg_node(node, &m) != PG_SORT_BY) return false;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1) {
            hg_xexpr_t *e = hg_walk_expr(b, f.sub);
            if (!e) return false;
            one.expr = &e->e;
            cover(&q->r, e->t0, e->t1);
            range_t r = { e->t0, e->t1 };
            hg_walk_wrap(b->p, &r.t0, &r.t1);
            end = r.t1;
        } else if (f.num == 2) {
            one.desc = f.v == 3;
            if (f.v == 2 || f.v == 3) end++;
        } else if (f.num == 3 && f.v > 1) {
            one.nulls_given = true;
            one.nulls_first = f.v == 2;
            end += 2;
        }
    }
    cover(&q->r, end, end);
    HG_APUSH(b->p->a, *order, q->x->q.n_order, one);
    return true;
}

static bool cte(hg_body_t *b, hg_pb_t node, query_t *q, hg_ast_cte_t **ctes)
{
    hg_pb_t m = { 0 };
    hg_pbf_t f;
    hg_ast_cte_t one = { 0 };
    hg_name_t *cols = NULL, col;
    uint32_t tok = b->from;
    if (hg_pg_node(node, &m) != PG_CTE) return false;
    while (hg_pb_next(&m, &f)) {
        if (f.num == 1) {
            if (!hg_walk_name(b, f.sub, b->from, &one.name, &tok)) return false;
            if (!*ctes) cover(&q->r, back_to(b, tok, HG_KW_WITH), tok);
        } else if (f.num == 2) {
            if (!hg_walk_name_node(b, f.sub, tok, &col, NULL)) return false;
            HG_APUSH(b->p->a, cols, one.n_cols, col);
        } else if (f.num == 4) {
            hg_xquery_t *sub = hg_walk_query(b, f.sub);
            if (!sub) return false;
            one.query = &sub->q;
        }
    }
    if (HG_NEVER(!one.query)) return false;
    one.cols = cols;
    HG_APUSH(b->p->a, *ctes, q->x->q.n_ctes, one);
    return true;
}

static bool values_row(hg_body_t *b, hg_pb_t node, query_t *q, const hg_ast_expr_t ****rows)
{
    hg_pb_t list;
    hg_pbf_t f;
    const hg_ast_expr_t **row = NULL;
    uint32_t n = 0;
    if (hg_pg_node(node, &list) != PG_LIST) return false;
    while (hg_pb_next(&list, &f)) {
        hg_xexpr_t *e = hg_walk_expr(b, f.sub);
        if (!e) return false;
        if (q->x->q.n_rows == 0 && n == 0) cover(&q->r, back_to(b, e->t0, HG_KW_VALUES), e->t1);
        cover(&q->r, e->t0, e->t1);
        HG_APUSH(b->p->a, row, n, &e->e);
    }
    hg_ast_query_t *v = &q->x->q;
    if (v->n_rows && n != v->n_row_cols) {
        hg_sql_bad(b->p, xe(row[0])->t0, xe(row[n - 1])->t1, "A row of VALUES has %u values, the first one has %u", n,
                   v->n_row_cols);
        return false;
    }
    v->kind = HG_Q_VALUES;
    v->n_row_cols = n;
    HG_APUSH(b->p->a, *rows, v->n_rows, row);
    return true;
}

/* LIMIT and OFFSET. LIMIT ALL says nothing. */
static bool bound(hg_body_t *b, hg_pb_t node, query_t *q, const hg_ast_expr_t **ret)
{
    hg_pb_t unused;
    if (hg_pg_node(node, &unused) == PG_A_CONST) {
        cover(&q->r, q->r.t1 + 2, q->r.t1 + 2);
        return true;
    }
    hg_xexpr_t *e = hg_walk_expr(b, node);
    if (!e) return false;
    cover(&q->r, e->t0, e->t1);
    *ret = &e->e;
    return true;
}

static bool condition(hg_body_t *b, hg_pb_t node, query_t *q, const hg_ast_expr_t **ret)
{
    hg_xexpr_t *e = hg_walk_expr(b, node);
    if (!e) return false;
    *ret = &e->e;
    cover_expr(&q->r, *ret);
    return true;
}

static bool side(hg_body_t *b, hg_pb_t m, query_t *q, const hg_ast_query_t **ret)
{
    hg_xquery_t *s = hg_walk_select(b, m);
    if (!s) return false;
    uint32_t t0 = s->t0, t1 = s->t1;
    hg_walk_wrap(b->p, &t0, &t1);
    cover(&q->r, t0, t1);
    *ret = &s->q;
    return true;
}

static hg_str_t set_name(uint32_t op, bool all)
{
    switch (op) {
    case 2:
        return all ? HG_S("union all") : HG_S("union");
    case 3:
        return all ? HG_S("intersect all") : HG_S("intersect");
    default:
        return all ? HG_S("except all") : HG_S("except");
    }
}

hg_xquery_t *hg_walk_select(hg_body_t *b, hg_pb_t m)
{
    query_t q = { .x = HG_ANEW(b->p->a, hg_xquery_t), .r = { UINT32_MAX, 0 } };
    hg_ast_query_t *v = &q.x->q;
    hg_ast_item_t *items = NULL;
    hg_ast_cte_t *ctes = NULL;
    hg_ast_order_t *order = NULL;
    const hg_ast_expr_t ***rows = NULL;
    uint32_t op = 0, first_item = HG_NO_TOK;
    bool ok = true, all = false;
    hg_pbf_t f;
    /* Fields come in the order of their numbers: the sides of a set operation and WITH behind ORDER BY and LIMIT, which
     * is all right as only extents are collected. */
    while (ok && hg_pb_next(&m, &f)) {
        switch (f.num) {
        case 1:
            v->distinct = true;
            break;
        case 3:
            ok = item(b, f.sub, &q, &items);
            if (ok && first_item == HG_NO_TOK) first_item = xe(items[0].expr)->t0;
            break;
        case 4: {
            const hg_ast_from_t *from = from_item(b, f.sub);
            ok = from != NULL;
            if (!ok) break;
            cover(&q.r, xf(from)->t0, xf(from)->t1);
            HG_APUSH(b->p->a, v->from, v->n_from, from);
            break;
        }
        case 5:
            ok = condition(b, f.sub, &q, &v->where);
            break;
        case 6:
            v->has_group = true;
            ok = group_key(b, f.sub, &q);
            break;
        case 8:
            ok = condition(b, f.sub, &q, &v->having);
            break;
        case 10:
            ok = values_row(b, f.sub, &q, &rows);
            break;
        case 11:
            ok = order_key(b, f.sub, &q, &order);
            break;
        case 12:
            ok = bound(b, f.sub, &q, &v->offset);
            break;
        case 13:
            ok = bound(b, f.sub, &q, &v->limit);
            break;
        case 16: {
            hg_pbf_t g;
            while (ok && hg_pb_next(&f.sub, &g))
                if (g.num == 1) ok = cte(b, g.sub, &q, &ctes);
            break;
        }
        case 17:
            op = (uint32_t)f.v;
            break;
        case 18:
            all = f.v != 0;
            break;
        case 19:
            ok = side(b, f.sub, &q, &v->left);
            break;
        case 20:
            ok = side(b, f.sub, &q, &v->right);
            break;
        case 2:
        case 9:
        case 15:
            ok = false;
            hg_sql_unsupported(b->p, b->from, b->to - 1, "A clause of this query");
            break;
        default:
            break; /* group_distinct, limit_option: refused before, or said otherwise */
        }
    }
    if (!ok) return NULL;
    v->items = items;
    v->ctes = ctes;
    v->order = order;
    v->rows = rows;
    if (v->left) {
        v->kind = HG_Q_UNION;
        v->setop = set_name(op, all);
    }
    if (first_item != HG_NO_TOK) cover(&q.r, back_to(b, first_item, HG_KW_SELECT), first_item);
    if (q.r.t0 == UINT32_MAX) q.r = (range_t){ b->from, b->from };
    close_brackets(b, &q.r);
    place(b, q.x, q.r);
    return q.x;
}

hg_xquery_t *hg_walk_query(hg_body_t *b, hg_pb_t node)
{
    hg_pb_t m = { 0 };
    if (hg_pg_node(node, &m) != PG_SELECT_STMT) {
        hg_sql_unsupported(b->p, b->from, b->to - 1, "A statement inside a query");
        return NULL;
    }
    return hg_walk_select(b, m);
}
