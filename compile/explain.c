/* EXPLAIN of an ad-hoc statement: its plan as rows of text, one per operator, an input below what reads it and further
 * in.
 *
 * The operators are those that run, under the names that Feldera's ad-hoc engine gives them. A column is called what
 * the operator below makes of it: t.price of a scan, the expression of a projection; where that gets too long, by its
 * number.
 */
#include "base/hg.h"
#include "compile/compile_int.h"
#include "data/value.h"

#define NAME_MAX_LEN 120u
#define ROWS_SHOWN   8u

typedef struct {
    hg_cc_t *c;
    hg_colb_t type, line; /* the result */
    uint32_t n;
    bool failed;
    hg_buf_t b; /* the line that is being written */
} explain_t;

typedef const hg_str_t *names_t;

/* --- expressions ------------------------------------------------------------------------------------------------- */

static void put_cell(hg_buf_t *b, const hg_col_t *col, uint32_t row)
{
    hg_kind_t k = col->type->kind;
    bool quoted = !hg_kind_is_numeric(k) && k != HG_T_BOOLEAN;
    size_t at = b->len;
    if (hg_col_null(col, row)) {
        hg_buf_adds(b, "NULL");
        return;
    }
    if (hg_kind_is_string(k)) {
        hg_str_t s = hg_col_var(col, row);
        hg_buf_addc(b, '\'');
        for (size_t i = 0; i < s.n; i++) {
            if (s.p[i] == '\'') hg_buf_addc(b, '\'');
            hg_buf_addc(b, s.p[i]);
        }
        hg_buf_addc(b, '\'');
        return;
    }
    if (quoted) hg_buf_addf(b, "%s '", hg_kind_name(k));
    if (hg_value_print(b, col, row) < 0) {
        b->len = at;
        hg_type_text(b, col->type); /* a constant array, map or row */
        return;
    }
    if (quoted) hg_buf_addc(b, '\'');
}

static void put_expr(explain_t *x, const hg_expr_t *e, names_t in, bool inner);

static void put_list(explain_t *x, const hg_expr_t *e, uint32_t from, const char *sep, names_t in, bool inner)
{
    for (uint32_t i = from; i < e->n_args; i++) {
        if (i > from) hg_buf_adds(&x->b, sep);
        put_expr(x, e->args[i], in, inner);
    }
}

static bool is_word(const char *name)
{
    return (name[0] >= 'a' && name[0] <= 'z') && !strchr(name, ' ') && strcmp(name, "like") != 0;
}

static void put_call(explain_t *x, const hg_expr_t *e, names_t in, bool inner)
{
    const char *name = hg_func_name(e->fn), *unit = hg_func_unit(e->fn);
    bool offset = strcmp(name, "[safe_offset]") == 0;
    if ((offset || strcmp(name, "[]") == 0) && e->n_args == 2) {
        put_expr(x, e->args[0], in, true);
        hg_buf_adds(&x->b, offset ? "[SAFE_OFFSET(" : "[");
        put_expr(x, e->args[1], in, false);
        hg_buf_adds(&x->b, offset ? ")]" : "]");
        return;
    }
    if (!is_word(name) && e->n_args == 2) {
        if (inner) hg_buf_addc(&x->b, '(');
        put_expr(x, e->args[0], in, true);
        hg_buf_addf(&x->b, " %s ", hg_upper(x->c, hg_strz(name)));
        put_expr(x, e->args[1], in, true);
        if (inner) hg_buf_addc(&x->b, ')');
        return;
    }
    hg_buf_addf(&x->b, "%s(", name);
    put_list(x, e, 0, ", ", in, false);
    if (unit) hg_buf_addf(&x->b, "%s%s", e->n_args ? ", " : "", hg_upper(x->c, hg_strz(unit)));
    hg_buf_addc(&x->b, ')');
}

static void put_case(explain_t *x, const hg_expr_t *e, names_t in)
{
    hg_buf_adds(&x->b, "CASE");
    for (uint32_t i = 0; i < e->n_args; i++) {
        bool otherwise = i + 1 == e->n_args && e->n_args % 2;
        hg_buf_adds(&x->b, otherwise ? " ELSE " : i % 2 ? " THEN " : " WHEN ");
        put_expr(x, e->args[i], in, false);
    }
    hg_buf_adds(&x->b, " END");
}

static void put_test(explain_t *x, const hg_expr_t *e, names_t in)
{
    put_expr(x, e->args[0], in, true);
    hg_buf_adds(&x->b, e->kind == HG_X_IN ? "" : " IS");
    if (e->negated) hg_buf_adds(&x->b, " NOT");
    if (e->kind == HG_X_IS_NULL) hg_buf_adds(&x->b, " NULL");
    if (e->kind == HG_X_IS_TRUE) hg_buf_adds(&x->b, e->truth ? " TRUE" : " FALSE");
    if (e->kind != HG_X_IN) return;
    hg_buf_adds(&x->b, " IN (");
    put_list(x, e, 1, ", ", in, false);
    hg_buf_addc(&x->b, ')');
}

static void put_expr(explain_t *x, const hg_expr_t *e, names_t in, bool inner)
{
    hg_buf_t *b = &x->b;
    switch (e->kind) {
    case HG_X_COL:
        hg_buf_addstr(b, in[e->col]);
        break;
    case HG_X_CONST:
        put_cell(b, e->lit, 0);
        break;
    case HG_X_CALL:
        put_call(x, e, in, inner);
        break;
    case HG_X_CAST:
        hg_buf_adds(b, e->safe ? "SAFE_CAST(" : "CAST(");
        put_expr(x, e->args[0], in, false);
        hg_buf_adds(b, " AS ");
        hg_type_text(b, e->type);
        hg_buf_addc(b, ')');
        break;
    case HG_X_AND:
    case HG_X_OR:
        if (inner) hg_buf_addc(b, '(');
        put_list(x, e, 0, e->kind == HG_X_AND ? " AND " : " OR ", in, true);
        if (inner) hg_buf_addc(b, ')');
        break;
    case HG_X_NOT:
        hg_buf_adds(b, "NOT ");
        put_expr(x, e->args[0], in, true);
        break;
    case HG_X_CASE:
        put_case(x, e, in);
        break;
    case HG_X_COALESCE:
        hg_buf_adds(b, "coalesce(");
        put_list(x, e, 0, ", ", in, false);
        hg_buf_addc(b, ')');
        break;
    case HG_X_IS_NULL:
    case HG_X_IS_TRUE:
    case HG_X_IN:
        put_test(x, e, in);
        break;
    case HG_X_ARRAY:
        hg_buf_adds(b, "ARRAY[");
        put_list(x, e, 0, ", ", in, false);
        hg_buf_addc(b, ']');
        break;
    }
}

static void put_agg(explain_t *x, const hg_agg_call_t *a, names_t in)
{
    static const char *const fns[] = { "count", "count", "sum", "min", "max", "avg" };
    hg_buf_addf(&x->b, "%s(%s", fns[a->fn], a->distinct ? "DISTINCT " : "");
    if (a->arg)
        put_expr(x, a->arg, in, false);
    else
        hg_buf_addc(&x->b, '*');
    hg_buf_addc(&x->b, ')');
    if (!a->filter) return;
    hg_buf_adds(&x->b, " FILTER (WHERE ");
    put_expr(x, a->filter, in, false);
    hg_buf_addc(&x->b, ')');
}

/* --- names of an operator's columns ------------------------------------------------------------------------------ */

/* What stands in x->b from `at` on, taken out of it; its number where that is too long. */
static hg_str_t name_from(explain_t *x, size_t at, uint32_t number)
{
    if (x->b.len - at > NAME_MAX_LEN) {
        x->b.len = at;
        hg_buf_addf(&x->b, "$%u", number);
    }
    hg_str_t s = hg_arena_str(x->c->a, (hg_str_t){ x->b.p + at, x->b.len - at });
    x->b.len = at;
    return s;
}

/* Column i of UNNEST: a part of the element, its number, or a column of the row. */
static void put_unnested(explain_t *x, const hg_node_t *n, uint32_t i, names_t in)
{
    uint32_t n_own = n->n_cols - n->n_carry;
    const hg_type_t *list = n->exprs[0]->type;
    if (i >= n_own) {
        hg_buf_addstr(&x->b, in[n->carry[i - n_own]]);
        return;
    }
    hg_buf_adds(&x->b, "unnest(");
    put_expr(x, n->exprs[0], in, false);
    hg_buf_addc(&x->b, ')');
    if (n->ordinality && i + 1 == n_own)
        hg_buf_adds(&x->b, ".ordinality");
    else if (list->kind == HG_T_MAP)
        hg_buf_adds(&x->b, i ? ".value" : ".key");
    else if (list->elem->kind == HG_T_ROW)
        hg_buf_addf(&x->b, "." HG_SF, HG_SA(list->elem->fields[i].name));
}

static names_t names_of(explain_t *x, const hg_node_t *n)
{
    if (n->n_in && n->kind != HG_N_MAP && n->kind != HG_N_AGG && n->kind != HG_N_UNNEST) return names_of(x, n->in[0]);
    hg_str_t *v = HG_ANEWN(x->c->a, hg_str_t, n->n_cols + 1);
    names_t in = n->n_in ? names_of(x, n->in[0]) : NULL;
    for (uint32_t i = 0; i < n->n_cols; i++) {
        size_t at = x->b.len;
        if (n->kind == HG_N_SCAN) {
            const hg_schema_t *s = &x->c->prog->rels[n->relation]->rel.schema;
            hg_buf_addf(&x->b, HG_SF "." HG_SF, HG_SA(s->name),
                        HG_SA(s->cols[n->scan_cols ? n->scan_cols[i] : i].name));
        } else if (n->kind == HG_N_VALUES) {
            hg_buf_addf(&x->b, "column%u", i + 1);
        } else if (n->kind == HG_N_UNNEST) {
            put_unnested(x, n, i, in);
        } else if (i < n->n_exprs) {
            put_expr(x, n->exprs[i], in, false);
        } else {
            put_agg(x, &n->aggs[i - n->n_exprs], in);
        }
        v[i] = name_from(x, at, i);
    }
    return v;
}

/* --- operators --------------------------------------------------------------------------------------------------- */

static void end_line(explain_t *x)
{
    if (!x->failed) x->failed = hg_colb_var(&x->type, "logical_plan", 12) < 0;
    if (!x->failed) x->failed = hg_colb_var(&x->line, x->b.p, x->b.len) < 0;
    hg_buf_clear(&x->b);
    x->n++;
}

static void begin_line(explain_t *x, uint32_t depth, const char *what)
{
    for (uint32_t i = 0; i < depth; i++) hg_buf_adds(&x->b, "  ");
    hg_buf_adds(&x->b, what);
}

static void put_scan(explain_t *x, const hg_node_t *n)
{
    const hg_schema_t *s = &x->c->prog->rels[n->relation]->rel.schema;
    hg_buf_addf(&x->b, HG_SF " projection=[", HG_SA(s->name));
    for (uint32_t i = 0; i < n->n_cols; i++)
        hg_buf_addf(&x->b, "%s" HG_SF, i ? ", " : "", HG_SA(s->cols[n->scan_cols ? n->scan_cols[i] : i].name));
    hg_buf_addc(&x->b, ']');
}

/* names: what the statement calls the columns, for its last projection; or NULL. */
static void put_map(explain_t *x, const hg_node_t *n, names_t in, const hg_schema_t *names)
{
    for (uint32_t i = 0; i < n->n_exprs; i++) {
        const hg_expr_t *e = n->exprs[i];
        hg_buf_adds(&x->b, i ? ", " : "");
        put_expr(x, e, in, false);
        if (!names || names->cols[i].name.n == 0) continue;
        hg_str_t as = names->cols[i].name;
        bool own = e->kind == HG_X_COL && in[e->col].n > as.n && in[e->col].p[in[e->col].n - as.n - 1] == '.' &&
                   memcmp(in[e->col].p + in[e->col].n - as.n, as.p, as.n) == 0;
        if (!own) hg_buf_addf(&x->b, " AS " HG_SF, HG_SA(as));
    }
}

static void put_values(explain_t *x, const hg_node_t *n)
{
    uint32_t rows = n->values ? n->values->n_rows : 0;
    for (uint32_t r = 0; r < rows && r < ROWS_SHOWN; r++) {
        hg_buf_adds(&x->b, r ? ", (" : "(");
        for (uint32_t i = 0; i < n->n_cols; i++) {
            hg_buf_adds(&x->b, i ? ", " : "");
            put_cell(&x->b, n->values->cols[i], r);
        }
        hg_buf_addc(&x->b, ')');
    }
    if (rows > ROWS_SHOWN) hg_buf_addf(&x->b, ", … %u more", rows - ROWS_SHOWN);
}

static void put_unnest(explain_t *x, const hg_node_t *n, names_t in)
{
    put_expr(x, n->exprs[0], in, false);
    if (n->ordinality) hg_buf_adds(&x->b, " WITH ORDINALITY");
    hg_buf_adds(&x->b, ", projection=[");
    for (uint32_t i = 0; i < n->n_carry; i++) hg_buf_addf(&x->b, "%s" HG_SF, i ? ", " : "", HG_SA(in[n->carry[i]]));
    hg_buf_addc(&x->b, ']');
}

static void put_groups(explain_t *x, const hg_node_t *n, names_t in)
{
    hg_buf_adds(&x->b, "groupBy=[[");
    for (uint32_t i = 0; i < n->n_exprs; i++) {
        hg_buf_adds(&x->b, i ? ", " : "");
        put_expr(x, n->exprs[i], in, false);
    }
    hg_buf_adds(&x->b, "]], aggr=[[");
    for (uint32_t i = 0; i < n->n_aggs; i++) {
        hg_buf_adds(&x->b, i ? ", " : "");
        put_agg(x, &n->aggs[i], in);
    }
    hg_buf_adds(&x->b, "]]");
}

static void put_keys(explain_t *x, const hg_node_t *n, names_t in)
{
    for (uint32_t i = 0; i < n->n_keys; i++)
        hg_buf_addf(&x->b, "%s" HG_SF " %s NULLS %s", i ? ", " : "", HG_SA(in[n->keys[i].col]),
                    n->keys[i].desc ? "DESC" : "ASC", n->keys[i].nulls_last ? "LAST" : "FIRST");
}

static void put_node(explain_t *x, const hg_node_t *n, uint32_t depth, const hg_schema_t *names)
{
    names_t in = n->n_in ? names_of(x, n->in[0]) : NULL;
    bool limit = n->kind == HG_N_SORT && (n->limit != UINT64_MAX || n->offset > 0), line = true;
    if (limit) {
        begin_line(x, depth++, "Limit: ");
        hg_buf_addf(&x->b, "skip=%" PRIu64 ", fetch=", n->offset);
        n->limit == UINT64_MAX ? hg_buf_adds(&x->b, "None") : hg_buf_addf(&x->b, "%" PRIu64, n->limit);
        end_line(x);
    }
    switch (n->kind) {
    case HG_N_SCAN:
        begin_line(x, depth, "TableScan: ");
        put_scan(x, n);
        break;
    case HG_N_FILTER:
        begin_line(x, depth, "Filter: ");
        put_expr(x, n->pred, in, false);
        break;
    case HG_N_MAP:
        begin_line(x, depth, "Projection: ");
        put_map(x, n, in, names);
        break;
    case HG_N_UNION:
        begin_line(x, depth, "Union");
        break;
    case HG_N_VALUES:
        begin_line(x, depth, "Values: ");
        put_values(x, n);
        break;
    case HG_N_AGG:
        begin_line(x, depth, "Aggregate: ");
        put_groups(x, n, in);
        break;
    case HG_N_SORT:
        line = n->n_keys > 0;
        if (!line) break;
        begin_line(x, depth, "Sort: ");
        put_keys(x, n, in);
        break;
    case HG_N_DISTINCT:
        begin_line(x, depth, "Distinct:");
        break;
    case HG_N_UNNEST:
        begin_line(x, depth, "Unnest: ");
        put_unnest(x, n, in);
        break;
    }
    if (line) end_line(x);
    bool same = n->kind == HG_N_SORT || n->kind == HG_N_DISTINCT;
    for (uint32_t i = 0; i < n->n_in; i++) put_node(x, n->in[i], depth + line, same ? names : NULL);
}

static void drop_batch(void *b)
{
    hg_batch_drop(b);
}

bool hg_explain(hg_cc_t *c, hg_query_t *q)
{
    explain_t x = { .c = c };
    const hg_type_t *text = hg_type_make(c->a, HG_T_VARCHAR, false, -1, 0);
    hg_field_t *f = HG_ANEWN(c->a, hg_field_t, 2);
    hg_node_t *v = hg_node_new(c, HG_N_VALUES, q->root->pos, NULL);
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, 2);
    hg_buf_init(&x.b, HG_BUF_NOMAX);
    hg_colb_init(&x.type, text);
    hg_colb_init(&x.line, text);
    bool insert = q->kind == HG_QUERY_INSERT;
    if (insert) {
        hg_buf_addf(&x.b, "Dml: op=[Insert Into] table=[" HG_SF "]", HG_SA(q->schema.name));
        end_line(&x);
    }
    put_node(&x, q->root, insert, insert ? NULL : &q->schema);
    hg_buf_release(&x.b);
    if (x.failed) {
        hg_colb_release(&x.type);
        hg_colb_release(&x.line);
        hg_cc_error(c, q->root->pos, "Execution error", "out of memory for the plan");
        return false;
    }
    types[0] = types[1] = text;
    f[0] = (hg_field_t){ .name = HG_S("plan_type"), .type = text };
    f[1] = (hg_field_t){ .name = HG_S("plan"), .type = text };
    v->types = types;
    v->n_cols = 2;
    v->values = hg_batch_new(x.n, 2);
    v->values->cols[0] = hg_colb_seal(&x.type);
    v->values->cols[1] = hg_colb_seal(&x.line);
    hg_colb_release(&x.type);
    hg_colb_release(&x.line);
    hg_arena_cleanup(c->a, drop_batch, v->values);
    *q = (hg_query_t){ .kind = HG_QUERY_SELECT, .root = v };
    q->schema = (hg_schema_t){ .name = HG_S("query"), .cols = f, .n_cols = 2 };
    c->n_scans = 0; /* it reads nothing */
    return true;
}
