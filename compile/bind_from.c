/* FROM: one table, view, CTE or subquery, and UNNEST of arrays and maps that stand before it.
 *
 * FROM becomes levels: what is read, and one for each UNNEST above it. A level passes on only the columns of those
 * below it that some expression asks for (hg_bind_scope_col), so that an ad-hoc query reads no column that it does not
 * name, and the row of an array is repeated for its elements only where something of it is wanted. UNNEST's own columns
 * come first in its output: which are passed on behind them is known only at the end.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

#define UNNEST_MAX 64u /* in one FROM */

typedef struct {
    hg_cc_t *c;
    const hg_env_t *env;
    hg_scope_t *s;
    const hg_node_t *node; /* of the last level; NULL: nothing is read yet */
    uint64_t weight;
} from_t;

/* --- levels ------------------------------------------------------------------------------------------------------ */

/* A new source of n columns in the scope, above what there is: a level of its own, of which they are the first columns.
 * The caller names them. */
static hg_scol_t *add_level(from_t *f, hg_node_t *node, uint32_t n)
{
    hg_cc_t *c = f->c;
    hg_scope_t *s = f->s;
    uint32_t below = s->n_cols;
    hg_slevel_t l = { .node = node, .n_own = n };
    hg_scol_t *cols = HG_ANEWN(c->a, hg_scol_t, below + n + 1);
    l.slot = HG_ANEWN(c->a, uint32_t, below + n + 1);
    if (node) {
        l.types = HG_ANEWN(c->a, const hg_type_t *, below + n + 1);
        l.from = HG_ANEWN(c->a, uint32_t, below + n + 1);
        node->types = l.types;
    }
    for (uint32_t i = 0; i < below; i++) {
        cols[i] = s->cols[i];
        l.slot[i] = HG_SLOT_NONE;
    }
    for (uint32_t i = 0; i < n; i++) {
        cols[below + i] = (hg_scol_t){ .source = s->n_sources - 1 };
        l.slot[below + i] = i;
    }
    s->cols = cols;
    s->n_cols = below + n;
    HG_APUSH(c->a, s->levels, s->n_levels, l);
    return cols + below;
}

static bool add_source(from_t *f, hg_str_t name, hg_pos_t pos)
{
    if (hg_scope_source(f->s, name) != UINT32_MAX) {
        hg_cc_sem(f->c, pos, "Duplicate relation name '" HG_SF "' in FROM clause", HG_SA(name));
        return false;
    }
    HG_APUSH(f->c->a, f->s->sources, f->s->n_sources, name);
    return true;
}

/* The column names that stand behind an alias. */
static bool rename_columns(from_t *f, const hg_ast_from_t *item, hg_scol_t *cols, uint32_t n)
{
    if (item->n_cols && item->n_cols != n) {
        hg_cc_sem(f->c, item->pos,
                  "List of column aliases must have same degree as table; table has %u columns, whereas alias list "
                  "has %u columns",
                  n, item->n_cols);
        return false;
    }
    for (uint32_t i = 0; i < item->n_cols; i++) cols[i].name = item->cols[i].name;
    return true;
}

uint32_t hg_bind_from_end(hg_scope_t *s)
{
    for (uint32_t i = 0; i < s->n_levels; i++) {
        hg_slevel_t *l = &s->levels[i];
        hg_node_t *n = l->node;
        if (!n) continue;
        if (l->n_own + l->n == 0) { /* COUNT(*): rows without columns are no batch; the first column will do */
            l->from[0] = 0;
            l->types[0] = s->cols[0].type;
            l->n = 1;
        }
        n->n_cols = l->n_own + l->n;
        if (n->kind == HG_N_SCAN) {
            n->scan_cols = l->from;
        } else {
            n->carry = l->from;
            n->n_carry = l->n;
        }
    }
    return s->n_levels ? s->levels[s->n_levels - 1].n_own + s->levels[s->n_levels - 1].n : 0;
}

/* --- what is read ------------------------------------------------------------------------------------------------ */

static hg_scol_t *scope_of_query(from_t *f, const hg_bq_t *b)
{
    hg_scol_t *cols = add_level(f, NULL, b->n);
    for (uint32_t i = 0; i < b->n; i++) {
        cols[i].name = b->cols[i].name;
        cols[i].type = b->cols[i].type;
    }
    f->node = b->node;
    f->weight += b->weight;
    return cols;
}

static hg_scol_t *scan(from_t *f, const hg_crel_t *r, hg_pos_t pos)
{
    hg_cc_t *c = f->c;
    const hg_schema_t *sch = &r->rel.schema;
    hg_node_t *n = hg_node_new(c, HG_N_SCAN, pos, NULL);
    hg_scol_t *cols = add_level(f, NULL, sch->n_cols);
    hg_slevel_t *l = &f->s->levels[f->s->n_levels - 1];
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, sch->n_cols + 1);
    n->relation = r->index;
    n->types = types;
    n->n_cols = sch->n_cols;
    for (uint32_t i = 0; i < sch->n_cols; i++) {
        types[i] = sch->cols[i].type;
        cols[i].name = sch->cols[i].name;
        cols[i].type = sch->cols[i].type;
    }
    if (c->adhoc) { /* it reads what is asked for */
        l->node = n;
        l->n_own = 0;
        l->types = types;
        l->from = HG_ANEWN(c->a, uint32_t, sch->n_cols + 1);
        for (uint32_t i = 0; i < sch->n_cols; i++) l->slot[i] = HG_SLOT_NONE;
    }
    HG_APUSH(c->a, c->scans, c->n_scans, n);
    f->node = n;
    f->weight++;
    return cols;
}

/* The program declares it, but not before the view that reads it. */
static bool note_declared_later(hg_cc_t *c, hg_str_t name)
{
    for (uint32_t i = 0; i < c->n_stmts && !c->adhoc; i++) {
        const hg_ast_stmt_t *st = &c->stmts[i];
        if ((st->kind != HG_ST_TABLE && st->kind != HG_ST_VIEW) || !hg_str_eq(st->name.name, name)) continue;
        hg_cc_note(c, "it is declared at %s; a view reads what is declared before it (DECLARE RECURSIVE VIEW apart)",
                   hg_cc_place(c, st->name.pos));
        return true;
    }
    return false;
}

static hg_scol_t *relation(from_t *f, const hg_ast_from_t *item)
{
    hg_cc_t *c = f->c;
    hg_crel_t *r = hg_cc_find_rel(c, item->table.name);
    if (!r || (c->adhoc && r->rel.local)) {
        if (c->adhoc)
            hg_cc_error(c, item->table.pos, "SQL error", "table '" HG_SF "' not found", HG_SA(item->table.name));
        else
            hg_cc_sem(c, item->table.pos, "Object '" HG_SF "' not found", HG_SA(item->table.name));
        if (!note_declared_later(c, item->table.name)) {
            const char *near = hg_nearest_rel(c, item->table.name);
            if (near) hg_cc_note(c, "did you mean '%s'?", near);
        }
        return NULL;
    }
    if (r->broken) return NULL; /* its own errors have been told */
    if (c->adhoc && !r->rel.queryable) {
        hg_cc_error(c, item->table.pos, "Execution error",
                    "Tried to SELECT from a non-materialized source. Make sure `" HG_SF
                    "` is configured as materialized: use `with ('materialized' = 'true')` for tables, or `create "
                    "materialized view` for views",
                    HG_SA(item->table.name));
        return NULL;
    }
    if (!c->adhoc) r->read = true;
    return scan(f, r, item->pos);
}

static bool base(from_t *f, const hg_ast_from_t *item)
{
    const hg_env_t *env = f->env;
    hg_scol_t *cols = NULL;
    uint32_t first = f->s->n_cols;
    bool table = item->kind == HG_F_TABLE;
    while (table && env && !hg_str_eq(env->cte->name.name, item->table.name)) env = env->up;
    const hg_bq_t *b = table ? (env ? env->q : NULL) : hg_bind_query(f->c, f->env, item->query);
    if ((!table || env) && !b) return false;
    if (!add_source(f, table && !item->alias.name.n ? item->table.name : item->alias.name, item->pos)) return false;
    cols = b ? scope_of_query(f, b) : relation(f, item);
    return cols && rename_columns(f, item, cols, f->s->n_cols - first);
}

/* --- UNNEST ------------------------------------------------------------------------------------------------------ */

/* How many columns one element is: the fields of a ROW; key and value of a MAP. */
static uint32_t element_columns(const hg_type_t *t)
{
    return t->kind == HG_T_MAP ? 2 : t->elem->kind == HG_T_ROW ? t->elem->n_fields : 1;
}

static void element_column(hg_cc_t *c, const hg_type_t *t, uint32_t i, hg_scol_t *col)
{
    if (t->kind == HG_T_MAP) {
        col->name = i ? HG_S("VALUE") : HG_S("KEY");
        col->type = i ? t->elem : t->key;
    } else if (t->elem->kind == HG_T_ROW) { /* an element that is NULL has fields that are */
        const hg_field_t *f = &t->elem->fields[i];
        col->name = f->name;
        col->type = hg_type_with_null(c->a, f->type, f->type->nullable || t->elem->nullable);
    } else {
        col->name = HG_S("EXPR$0");
        col->type = t->elem;
    }
}

static const hg_expr_t *list_of(from_t *f, const hg_ast_from_t *item)
{
    hg_cc_t *c = f->c;
    const hg_ast_expr_t *call = item->on;
    if (call->n_args != 1 || call->star || call->distinct || call->filter) {
        hg_cc_sem(c, call->pos, "UNNEST takes one argument, an ARRAY or a MAP");
        return NULL;
    }
    f->s->clause = "FROM clause";
    const hg_expr_t *x = hg_bind_expr(c, f->s, call->args[0]);
    if (!x || x->type->kind == HG_T_ARRAY || x->type->kind == HG_T_MAP) return x;
    hg_cc_sem(c, call->pos,
              "Cannot apply 'UNNEST' to arguments of type 'UNNEST(<%s>)'. Supported form(s): 'UNNEST(<ARRAY>)', "
              "'UNNEST(<MAP>)'",
              hg_type_str(c, x->type));
    if (x->type->kind == HG_T_VARIANT)
        hg_cc_note(c, "say what the VARIANT holds: UNNEST(CAST(" HG_SF " AS VARIANT ARRAY))",
                   HG_SA(hg_expr_text(c, call->args[0])));
    return NULL;
}

static bool unnest(from_t *f, const hg_ast_from_t *item)
{
    hg_cc_t *c = f->c;
    hg_scope_t *s = f->s;
    if (!f->node && !c->adhoc) {
        hg_cc_nyi(c, item->pos, "UNNEST in a view without a table before it");
        return false;
    }
    if (s->n_levels > UNNEST_MAX) {
        hg_cc_error(c, item->pos, "Not supported", "A FROM clause has more than %u UNNEST", UNNEST_MAX);
        return false;
    }
    const hg_expr_t *x = list_of(f, item);
    if (!x || !add_source(f, item->alias.name, item->pos)) return false;
    hg_node_t *n = hg_node_new(c, HG_N_UNNEST, item->pos, f->node ? f->node : hg_node_one_row(c, item->pos));
    uint32_t n_elem = element_columns(x->type), n_own = n_elem + item->ordinality;
    hg_scol_t *cols = add_level(f, n, n_own);
    for (uint32_t i = 0; i < n_elem; i++) element_column(c, x->type, i, &cols[i]);
    if (item->ordinality) {
        cols[n_elem].name = HG_S("ORDINALITY");
        cols[n_elem].type = hg_type_make(c->a, HG_T_INTEGER, false, -1, 0);
    } else if (n_elem == 1 && item->alias.name.n && !item->n_cols) {
        cols[0].name = item->alias.name; /* UNNEST(t.a) AS x: a single column is called x, too */
    }
    if (!rename_columns(f, item, cols, n_own)) return false;
    for (uint32_t i = 0; i < n_own; i++) s->levels[s->n_levels - 1].types[i] = cols[i].type;
    n->exprs = HG_ANEWN(c->a, const hg_expr_t *, 1);
    n->exprs[0] = x;
    n->n_exprs = 1;
    n->ordinality = item->ordinality;
    f->node = n;
    f->weight++;
    return true;
}

/* --- FROM -------------------------------------------------------------------------------------------------------- */

static bool is_unnest(const hg_ast_from_t *item)
{
    return item->kind == HG_F_FUNCTION && hg_str_ieq(item->table.name, HG_S("unnest"));
}

static bool from_item(from_t *f, const hg_ast_from_t *item);

static bool join(from_t *f, const hg_ast_from_t *item)
{
    hg_cc_t *c = f->c;
    const char *what = hg_upper(c, item->join);
    if (!is_unnest(item->right)) {
        hg_cc_nyi(c, item->pos, "%s JOIN", what);
        return false;
    }
    if (!hg_str_eqz(item->join, "cross")) {
        hg_cc_error(c, item->right->pos, "Not supported", "%s JOIN UNNEST is not supported", what);
        hg_cc_note(c, "write CROSS JOIN UNNEST(...), or a comma, and the condition in WHERE; rows whose array is NULL "
                      "or empty give no row");
        return false;
    }
    return from_item(f, item->left) && from_item(f, item->right);
}

static bool from_item(from_t *f, const hg_ast_from_t *item)
{
    if (item->kind == HG_F_JOIN) return join(f, item);
    if (is_unnest(item)) return unnest(f, item);
    if (item->kind == HG_F_FUNCTION)
        hg_cc_nyi(f->c, item->pos, "The table function %s", hg_upper(f->c, item->table.name));
    else if (f->s->n_levels)
        hg_cc_nyi(f->c, item->pos, "A join of several tables in FROM");
    else
        return base(f, item);
    return false;
}

bool hg_bind_from(hg_cc_t *c, const hg_env_t *env, const hg_ast_query_t *q, hg_scope_t *s, const hg_node_t **ret,
                  uint64_t *weight)
{
    from_t f = { .c = c, .env = env, .s = s };
    if (q->n_from == 0) {
        if (!c->adhoc) {
            hg_cc_nyi(c, q->pos, "SELECT without FROM in a view");
            return false;
        }
        s->no_from = true;
        *ret = hg_node_one_row(c, q->pos);
        return true;
    }
    for (uint32_t i = 0; i < q->n_from; i++)
        if (!from_item(&f, q->from[i])) return false;
    *ret = f.node;
    *weight += f.weight;
    return true;
}
