/* Expressions: names to columns, types inferred, casts inserted, constants folded.
 *
 * Three-valued forms (AND, OR, CASE, COALESCE, IN …) are expression kinds of the plan; everything else goes through the
 * engine's function list. A string literal beside a value of another type takes that type (sql §5.8); nothing else is
 * converted silently but numbers to wider ones.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

/* --- building ---------------------------------------------------------------------------------------------------- */
hg_expr_t *hg_x_new(hg_cc_t *c, hg_expr_kind_t kind, const hg_type_t *type, hg_pos_t pos, uint32_t n_args)
{
    hg_expr_t *x = HG_ANEW(c->a, hg_expr_t);
    x->kind = kind;
    x->type = type;
    x->pos = pos;
    x->n_args = n_args;
    if (n_args) x->args = HG_ANEWN(c->a, const hg_expr_t *, n_args);
    return x;
}

const hg_expr_t *hg_x_col(hg_cc_t *c, uint32_t col, const hg_type_t *type, hg_pos_t pos)
{
    hg_expr_t *x = hg_x_new(c, HG_X_COL, type, pos, 0);
    x->col = col;
    return x;
}

static const hg_type_t *boolean(hg_cc_t *c, bool nullable)
{
    return hg_type_make(c->a, HG_T_BOOLEAN, nullable, -1, 0);
}

bool hg_any_nullable(const hg_expr_t *const *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (x[i]->type->nullable) return true;
    return false;
}

bool hg_expr_is_const(const hg_expr_t *e)
{
    return e->kind == HG_X_CONST;
}
bool hg_expr_is_null(const hg_expr_t *e)
{
    return e->kind == HG_X_CONST && (e->type->kind == HG_T_NULL || hg_col_null(e->lit, 0));
}

bool hg_expr_equal(const hg_expr_t *a, const hg_expr_t *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->n_args != b->n_args || a->fn != b->fn || a->negated != b->negated ||
        a->safe != b->safe || a->truth != b->truth || !hg_type_same(a->type, b->type))
        return false;
    if (a->kind == HG_X_COL && a->col != b->col) return false;
    if (a->kind == HG_X_CONST) {
        bool an = hg_expr_is_null(a), bn = hg_expr_is_null(b);
        if (an || bn) return an && bn;
        return hg_cell_cmp(a->lit, 0, b->lit, 0) == 0;
    }
    for (uint32_t i = 0; i < a->n_args; i++)
        if (!hg_expr_equal(a->args[i], b->args[i])) return false;
    return true;
}

/* The warning's type for a constant that cannot be evaluated (sql §4.5). */
static const char *failure_type(const hg_expr_t *x, const hg_err_t *err)
{
    if (strstr(err->msg, "by zero")) return "Division by zero";
    if (x->kind != HG_X_CAST) return "Out of bounds";
    switch ((int)x->type->kind) {
    case HG_T_DECIMAL:
        return "Invalid DECIMAL";
    case HG_T_TIMESTAMP:
        return "Not a TIMESTAMP";
    case HG_T_TIME:
        return "Not a TIME";
    case HG_T_UUID:
        return "Not a UUID";
    default:
        return hg_kind_is_numeric(x->type->kind) ? "Not a number" : "Suspicious argument";
    }
}

const hg_expr_t *hg_x_fold(hg_cc_t *c, hg_expr_t *x)
{
    for (uint32_t i = 0; i < x->n_args; i++)
        if (!hg_expr_is_const(x->args[i])) return x;
    hg_col_t *col = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_expr_const(x, &col, &err) == 0) return hg_x_const(c, x->pos, x->type, col);
    if (!c->adhoc && err.code == HG_EEVAL)
        hg_cc_warn(c, x->pos, failure_type(x, &err), "This constant expression fails: %s", err.msg);
    return x;
}

const hg_expr_t *hg_x_bool(hg_cc_t *c, hg_expr_kind_t kind, hg_pos_t pos, const hg_expr_t *l, const hg_expr_t *r)
{
    hg_expr_t *x = hg_x_new(c, kind, boolean(c, l->type->nullable || (r && r->type->nullable)), pos, r ? 2 : 1);
    x->args[0] = l;
    if (r) x->args[1] = r;
    return hg_x_fold(c, x);
}

/* Number of nodes when shared parts are written out, counted no further than cap. */
static uint64_t size_of(const hg_expr_t *x, uint64_t cap)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < x->n_args && n < cap; i++) n += size_of(x->args[i], cap - n);
    return n;
}

bool hg_cc_spend(hg_cc_t *c, hg_pos_t pos, uint64_t n)
{
    c->spent += n;
    if (c->spent <= HG_CC_MAX_EXPRS) return true;
    if (!c->overspent)
        hg_cc_error(c, pos, "Not supported",
                    "The program's expressions are too large once aliases and functions are written out");
    c->overspent = true;
    return false;
}

/* An expression that stands for a name: counted in full at each use, because it is evaluated at each use. */
static const hg_expr_t *share(hg_cc_t *c, const hg_expr_t *x, hg_pos_t pos)
{
    return hg_cc_spend(c, pos, size_of(x, HG_CC_MAX_EXPRS)) ? x : NULL;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */
static const char *family(const hg_type_t *t)
{
    if (hg_kind_is_numeric(t->kind)) return "NUMERIC";
    if (hg_kind_is_string(t->kind)) return "CHARACTER";
    if (hg_kind_is_bytes(t->kind)) return "BINARY";
    return hg_kind_name(t->kind);
}

const char *hg_families(hg_cc_t *c, const hg_expr_t **args, uint32_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(&b, "%s<%s>", i ? ", " : "", family(args[i]->type));
    const char *s = hg_arena_strndup(c->a, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

/* Names that a call could mean: words, neither operators nor the engine's own spellings. */
typedef struct names {
    hg_cc_t *c;
    hg_str_t *v;
    uint32_t n;
} names_t;

static void add_function_name(void *arg, const char *name, const char *signature, const char *doc)
{
    names_t *l = arg;
    (void)signature;
    (void)doc;
    if (hg_is_builtin(l->c, hg_strz(name))) HG_APUSH(l->c->a, l->v, l->n, hg_strz(name));
}

static void no_such_function(hg_cc_t *c, hg_pos_t pos, hg_str_t shown, const hg_expr_t **args, uint32_t n)
{
    names_t l = { .c = c };
    for (uint32_t i = 0; i < c->n_stmts; i++)
        if (c->stmts[i].kind == HG_ST_FUNCTION && hg_str_eq(c->stmts[i].name.name, shown)) {
            /* refused, and its declaration has said why; or a body that calls what stands further down */
            if (!c->n_errors)
                hg_cc_sem(c, pos, "Function '" HG_SF "' is declared after the function that calls it", HG_SA(shown));
            return;
        }
    hg_cc_sem(c, pos, "No match found for function signature " HG_SF "(%s)", HG_SA(shown), hg_families(c, args, n));
    for (uint32_t i = 0; i < c->prog->n_funcs; i++) HG_APUSH(c->a, l.v, l.n, c->prog->funcs[i].st->name.name);
    hg_func_list(add_function_name, &l);
    const char *near = hg_nearest_of(c, shown, l.v, l.n);
    if (near)
        hg_cc_note(c, "did you mean '%s'?", near);
    else
        hg_cc_note(c, "there is no function of this name");
}

const hg_expr_t *hg_x_call(hg_cc_t *c, hg_pos_t pos, hg_str_t name, hg_str_t shown, const hg_expr_t **args, uint32_t n)
{
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, n + 1);
    hg_col_t **lits = HG_ANEWN(c->a, hg_col_t *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = args[i]->type;
        lits[i] = hg_expr_is_const(args[i]) ? args[i]->lit : NULL;
    }
    hg_func_match_t m = { 0 };
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_func_resolve(c->a, name, types, lits, n, &m, &err);
    if (rc == HG_ENOTFOUND) {
        no_such_function(c, pos, shown, args, n);
        return NULL;
    }
    if (rc < 0) {
        hg_cc_sem(c, pos, "%s", err.msg);
        return NULL;
    }
    hg_expr_t *x = hg_x_new(c, HG_X_CALL, m.result, pos, n);
    x->fn = m.fn;
    for (uint32_t i = 0; i < n; i++) x->args[i] = hg_coerce(c, args[i], m.arg_types[i]);
    /* NOW() differs from step to step: a call without arguments is never folded */
    return n ? hg_x_fold(c, x) : x;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

/* The column's place in the output of a level of FROM, which passes it on from now. */
static uint32_t slot_at(hg_scope_t *s, uint32_t level, uint32_t col)
{
    hg_slevel_t *l = &s->levels[level];
    if (l->slot[col] != HG_SLOT_NONE) return l->slot[col];
    uint32_t below = level ? slot_at(s, level - 1, col) : col;
    l->slot[col] = l->n_own + l->n;
    l->types[l->slot[col]] = s->cols[col].type;
    l->from[l->n++] = below;
    return l->slot[col];
}

const hg_expr_t *hg_bind_scope_col(hg_cc_t *c, hg_scope_t *s, uint32_t i, hg_pos_t pos)
{
    hg_scol_t *col = &s->cols[i];
    if (col->expr) return share(c, col->expr, pos);
    return hg_x_col(c, s->n_levels ? slot_at(s, s->n_levels - 1, i) : col->slot, col->type, pos);
}

uint32_t hg_scope_source(const hg_scope_t *s, hg_str_t name)
{
    uint32_t i = 0;
    while (i < s->n_sources && !(s->sources[i].n && hg_str_eq(s->sources[i], name))) i++;
    return i < s->n_sources ? i : UINT32_MAX;
}

/* source UINT32_MAX: of any. */
static bool is_column(const hg_scope_t *s, uint32_t i, uint32_t source, hg_str_t name)
{
    return (source == UINT32_MAX || s->cols[i].source == source) && hg_str_eq(s->cols[i].name, name);
}

static const char *nearest_column(hg_cc_t *c, const hg_scope_t *s, uint32_t source, hg_str_t name)
{
    hg_str_t *names = HG_ANEWN(c->a, hg_str_t, s->n_cols + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_cols; i++)
        if (source == UINT32_MAX || s->cols[i].source == source) names[n++] = s->cols[i].name;
    return hg_nearest_of(c, name, names, n);
}

/* `a.b.c` where a is a column with parts, and `t.a.b`: the number of names that name the column, else 0. */
static uint32_t column_names(const hg_scope_t *s, const hg_ast_expr_t *e)
{
    uint32_t source = hg_scope_source(s, e->names[0].name);
    for (uint32_t at = source != UINT32_MAX ? 1 : 0; at + 1 < e->n_names; at--) {
        for (uint32_t i = 0; i < s->n_cols; i++) {
            hg_kind_t k = s->cols[i].type->kind;
            if (is_column(s, i, at ? source : UINT32_MAX, e->names[at].name) &&
                (at || k == HG_T_ROW || k == HG_T_VARIANT))
                return at + 1;
        }
        if (at == 0) break;
    }
    return 0;
}

static const hg_expr_t *column(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e);

static const hg_expr_t *part_of_column(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, uint32_t n)
{
    hg_ast_expr_t own = *e;
    own.n_names = n;
    const hg_expr_t *x = column(c, s, &own);
    for (uint32_t i = n; x && i < e->n_names; i++) x = hg_bind_part(c, e->pos, x, &e->names[i]);
    return x;
}

static const hg_expr_t *column(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    hg_str_t name = e->names[e->n_names - 1].name;
    uint32_t source = e->n_names > 1 ? hg_scope_source(s, e->names[0].name) : UINT32_MAX;
    bool other = e->n_names > 1 && source == UINT32_MAX;
    uint32_t own = e->n_names > 1 && (other || e->n_names > 2) ? column_names(s, e) : 0;
    if (own) return part_of_column(c, s, e, own);
    if (e->n_names > 2) {
        hg_cc_nyi(c, e->pos, "A name of %u parts", e->n_names);
        return NULL;
    }
    if (other) {
        hg_cc_sem(c, e->names[0].pos, "Table '" HG_SF "' not found", HG_SA(e->names[0].name));
        const char *near = hg_nearest_of(c, e->names[0].name, s->sources, s->n_sources);
        if (near) hg_cc_note(c, "did you mean '%s'?", near);
        return NULL;
    }
    uint32_t found = UINT32_MAX, hits = 0;
    for (uint32_t i = 0; i < s->n_cols; i++)
        if (is_column(s, i, source, name)) {
            found = i;
            hits++;
        }
    if (hits > 1) {
        hg_cc_sem(c, e->pos, "Column '" HG_SF "' is ambiguous", HG_SA(name));
        return NULL;
    }
    if (hits == 1) return hg_bind_scope_col(c, s, found, e->pos);
    if (e->n_names == 1)
        for (uint32_t i = 0; i < s->n_aliases; i++)
            if (hg_str_eq(s->aliases[i].name, name)) return share(c, s->aliases[i].expr, e->pos);
    if (e->n_names == 2)
        hg_cc_sem(c, e->pos, "Column '" HG_SF "' not found in table '" HG_SF "'", HG_SA(name), HG_SA(e->names[0].name));
    else
        hg_cc_sem(c, e->pos, "Column '" HG_SF "' not found in any table", HG_SA(name));
    const char *near = nearest_column(c, s, source, name);
    if (near)
        hg_cc_note(c, "did you mean '%s'?", near);
    else if (e->n_names == 1 && e->names[0].quoted)
        hg_cc_note(c, "\"...\" is a name; a string is written '" HG_SF "'", HG_SA(name));
    return NULL;
}

static bool is_point(hg_kind_t k)
{
    return k == HG_T_DATE || k == HG_T_TIME || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ;
}

/* What would be right where an operator does not take its operands. */
static void note_operands(hg_cc_t *c, hg_str_t op, const hg_expr_t *const *x)
{
    hg_kind_t l = x[0]->type->kind, r = x[1]->type->kind;
    bool sum = hg_str_eqz(op, "+") || hg_str_eqz(op, "-");
    if (sum && is_point(l) && is_point(r))
        hg_cc_note(c, "the difference of two points in time needs a unit: (x - y) DAYS");
    else if (sum && is_point(l) && hg_kind_is_numeric(r))
        hg_cc_note(c, "a number of days is an interval: INTERVAL 1 DAY, or INTERVAL 1 DAY * n");
    else if (hg_kind_is_string(l) != hg_kind_is_string(r)) {
        bool to_text = hg_str_eqz(op, "||") || hg_str_starts(op, HG_S("like"));
        hg_cc_note(c, "nothing is converted silently here; write CAST(... AS %s)",
                   to_text ? "VARCHAR" : hg_type_str(c, x[hg_kind_is_string(l) ? 1 : 0]->type));
    }
}

/* --- the forms --------------------------------------------------------------------------------------------------- */
const hg_expr_t **hg_bind_args(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = HG_ANEWN(c->a, const hg_expr_t *, e->n_args + 1);
    bool ok = true;
    for (uint32_t i = 0; i < e->n_args; i++) {
        x[i] = hg_bind_expr(c, s, e->args[i]);
        ok = ok && x[i];
    }
    return ok ? x : NULL;
}

/* Operands of AND, OR, NOT, WHEN: BOOLEAN, or NULL taken as BOOLEAN. */
static bool truth_values(hg_cc_t *c, const hg_expr_t **x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (x[i]->type->kind == HG_T_NULL) x[i] = hg_x_null(c, boolean(c, true), x[i]->pos);
        if (x[i]->type->kind != HG_T_BOOLEAN) return false;
    }
    return true;
}

static const hg_expr_t *logic(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    const char *op = e->kind == HG_E_AND ? "AND" : e->kind == HG_E_OR ? "OR" : "NOT";
    if (!truth_values(c, x, e->n_args)) {
        if (e->n_args == 1)
            hg_cc_sem(c, e->pos, "Cannot apply 'NOT' to arguments of type 'NOT<%s>'. Supported form(s): 'NOT<BOOLEAN>'",
                      hg_type_str(c, x[0]->type));
        else
            hg_cc_sem(
                c, e->pos,
                "Cannot apply '%s' to arguments of type '<%s> %s <%s>'. Supported form(s): '<BOOLEAN> %s <BOOLEAN>'",
                op, hg_type_str(c, x[0]->type), op, hg_type_str(c, x[1]->type), op);
        return NULL;
    }
    hg_expr_t *r = hg_x_new(c,
                            e->kind == HG_E_AND  ? HG_X_AND
                            : e->kind == HG_E_OR ? HG_X_OR
                                                 : HG_X_NOT,
                            boolean(c, hg_any_nullable(x, e->n_args)), e->pos, e->n_args);
    memcpy(r->args, x, e->n_args * sizeof *x);
    return hg_x_fold(c, r);
}

static bool is_comparison(hg_str_t op)
{
    static const char *const ops[] = {
        "=", "<>", "!=", "<", "<=", ">", ">=", "<=>", "is distinct from", "is not distinct from"
    };
    for (size_t i = 0; i < HG_COUNT(ops); i++)
        if (hg_str_eqz(op, ops[i])) return true;
    return false;
}

static const hg_expr_t *compare(hg_cc_t *c, hg_pos_t pos, const char *op, const hg_expr_t *l, const hg_expr_t *r)
{
    const hg_expr_t *x[2] = { l, r };
    if (!hg_adopt_literals(c, x, 2)) return NULL;
    return hg_x_call(c, pos, hg_strz(op), hg_strz(op), x, 2);
}

static const hg_expr_t *operator(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    if (e->n_args == 1 && hg_str_eqz(e->text, "neg")) {
        hg_ast_ekind_t k = e->args[0]->kind;
        if (k == HG_E_INT || k == HG_E_DECIMAL || k == HG_E_FLOAT) return hg_bind_literal(c, e->args[0], true);
    }
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    if (e->n_args == 1 && hg_str_eqz(e->text, "+")) {
        if (hg_kind_is_numeric(x[0]->type->kind) || hg_type_is_interval(x[0]->type)) return x[0];
        hg_cc_sem(c, e->pos, "Cannot apply '+' to arguments of type '+<%s>'", hg_type_str(c, x[0]->type));
        return NULL;
    }
    if (is_comparison(e->text) && !hg_adopt_literals(c, x, e->n_args)) return NULL;
    const hg_expr_t *call = hg_x_call(c, e->pos, e->text, e->text, x, e->n_args);
    if (!call && e->n_args == 2) note_operands(c, e->text, x);
    return call;
}

static const hg_expr_t *is_null(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t *x = hg_bind_expr(c, s, e->args[0]);
    if (!x) return NULL;
    hg_expr_t *r = hg_x_new(c, HG_X_IS_NULL, boolean(c, false), e->pos, 1);
    r->args[0] = x;
    r->negated = e->negated;
    return hg_x_fold(c, r);
}

static const hg_expr_t *is_bool(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t *x[1] = { hg_bind_expr(c, s, e->args[0]) };
    if (!x[0]) return NULL;
    if (!truth_values(c, x, 1)) {
        hg_cc_sem(c, e->pos, "Cannot apply 'IS %s' to arguments of type '<%s>'",
                  hg_str_ieq(e->text, HG_S("true"))    ? "TRUE"
                  : hg_str_ieq(e->text, HG_S("false")) ? "FALSE"
                                                       : "UNKNOWN",
                  hg_type_str(c, x[0]->type));
        return NULL;
    }
    bool unknown = hg_str_ieq(e->text, HG_S("unknown"));
    hg_expr_t *r = hg_x_new(c, unknown ? HG_X_IS_NULL : HG_X_IS_TRUE, boolean(c, false), e->pos, 1);
    r->args[0] = x[0];
    r->negated = e->negated;
    r->truth = hg_str_ieq(e->text, HG_S("true"));
    return hg_x_fold(c, r);
}

static const hg_expr_t *in_list(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x || !hg_adopt_literals(c, x, e->n_args)) return NULL;
    const hg_type_t *t = hg_common_type(c, x, e->n_args);
    if (!t || t->kind == HG_T_ROW) {
        hg_cc_sem(c, e->pos, "Values passed to IN operator must have compatible types");
        return NULL;
    }
    if (!hg_coerce_all(c, x, e->n_args, t)) return NULL;
    hg_expr_t *r = hg_x_new(c, HG_X_IN, boolean(c, hg_any_nullable(x, e->n_args)), e->pos, e->n_args);
    memcpy(r->args, x, e->n_args * sizeof *x);
    r->negated = e->negated;
    return hg_x_fold(c, r);
}

static const hg_expr_t *range(hg_cc_t *c, hg_pos_t pos, const hg_expr_t *v, const hg_expr_t *lo, const hg_expr_t *hi)
{
    const hg_expr_t *ge = compare(c, pos, ">=", v, lo), *le = ge ? compare(c, pos, "<=", v, hi) : NULL;
    return le ? hg_x_bool(c, HG_X_AND, pos, ge, le) : NULL;
}

static const hg_expr_t *between(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    const hg_expr_t *r = range(c, e->pos, x[0], x[1], x[2]);
    if (r && hg_str_ieq(e->text, HG_S("symmetric"))) {
        const hg_expr_t *back = range(c, e->pos, x[0], x[2], x[1]);
        r = back ? hg_x_bool(c, HG_X_OR, e->pos, r, back) : NULL;
    }
    return r && e->negated ? hg_x_bool(c, HG_X_NOT, e->pos, r, NULL) : r;
}

/* CASE and COALESCE: the values' common type. */
static const hg_type_t *mix(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **values, uint32_t n)
{
    if (!hg_adopt_literals(c, values, n)) return NULL;
    const hg_type_t *t = hg_common_type(c, values, n);
    if (!t) {
        hg_cc_sem(c, pos, "Illegal mixing of types in CASE or COALESCE statement");
        return NULL;
    }
    return hg_coerce_all(c, values, n, t) ? t : NULL;
}

/* args: when, then, …[, else]; the conditions are truth values already. */
const hg_expr_t *hg_x_case(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **x, uint32_t n)
{
    bool has_else = n % 2;
    uint32_t n_values = n / 2 + (has_else ? 1 : 0);
    const hg_expr_t **values = HG_ANEWN(c->a, const hg_expr_t *, n_values + 1);
    for (uint32_t i = 0; i < n / 2; i++) values[i] = x[2 * i + 1];
    if (has_else) values[n / 2] = x[n - 1];
    const hg_type_t *t = mix(c, pos, values, n_values);
    if (!t) return NULL;
    hg_expr_t *r = hg_x_new(c, HG_X_CASE, hg_type_with_null(c->a, t, t->nullable || !has_else), pos, n);
    for (uint32_t i = 0; i < n / 2; i++) {
        r->args[2 * i] = x[2 * i];
        r->args[2 * i + 1] = values[i];
    }
    if (has_else) r->args[n - 1] = values[n / 2];
    return hg_x_fold(c, r);
}

static const hg_expr_t *case_when(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    uint32_t first = e->has_operand ? 1 : 0, n = e->n_args - first;
    for (uint32_t i = first; i + 1 < e->n_args; i += 2) {
        if (e->has_operand) x[i] = compare(c, x[i]->pos, "=", x[0], x[i]);
        if (!x[i]) return NULL;
        if (!truth_values(c, &x[i], 1)) {
            hg_cc_sem(c, x[i]->pos, "Expected a boolean type");
            return NULL;
        }
    }
    return hg_x_case(c, e->pos, x + first, n);
}

const hg_expr_t *hg_x_coalesce(hg_cc_t *c, hg_pos_t pos, const hg_expr_t **x, uint32_t n)
{
    const hg_type_t *t = mix(c, pos, x, n);
    if (!t) return NULL;
    bool nullable = true;
    for (uint32_t i = 0; i < n; i++) nullable = nullable && x[i]->type->nullable;
    hg_expr_t *r = hg_x_new(c, HG_X_COALESCE, hg_type_with_null(c->a, t, nullable), pos, n);
    memcpy(r->args, x, n * sizeof *x);
    return hg_x_fold(c, r);
}

static const hg_expr_t *cast(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t *x = hg_bind_expr(c, s, e->args[0]);
    const hg_type_t *t = hg_bind_type(c, e->type, true);
    if (!x || !t) return NULL;
    t = hg_type_with_null(c->a, t, x->type->nullable || e->safe || x->type->kind == HG_T_VARIANT);
    if (hg_expr_is_null(x)) return hg_x_null(c, t, e->pos);
    if (hg_type_same(x->type, t)) return x;
    if (!hg_cast_explicit(x->type, t)) {
        hg_cc_sem(c, e->pos, "Cast function cannot convert value of type %s to type %s", hg_type_str(c, x->type),
                  hg_type_str(c, t));
        return NULL;
    }
    hg_expr_t *r = hg_x_new(c, HG_X_CAST, t, e->pos, 1);
    r->args[0] = x;
    r->safe = e->safe;
    return hg_x_fold(c, r);
}

static const hg_expr_t *dispatch(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    switch (e->kind) {
    case HG_E_COLUMN:
        return column(c, s, e);
    case HG_E_STAR:
        hg_cc_sem(c, e->pos, "Unknown identifier '*'");
        return NULL;
    case HG_E_NULL:
    case HG_E_BOOL:
    case HG_E_INT:
    case HG_E_DECIMAL:
    case HG_E_FLOAT:
    case HG_E_STRING:
    case HG_E_BYTES:
    case HG_E_TYPED:
        return hg_bind_literal(c, e, false);
    case HG_E_OP:
        return operator(c, s, e);
    case HG_E_AND:
    case HG_E_OR:
    case HG_E_NOT:
        return logic(c, s, e);
    case HG_E_IS_NULL:
        return is_null(c, s, e);
    case HG_E_IS_BOOL:
        return is_bool(c, s, e);
    case HG_E_IN:
        return in_list(c, s, e);
    case HG_E_BETWEEN:
        return between(c, s, e);
    case HG_E_CASE:
        return case_when(c, s, e);
    case HG_E_CAST:
        return cast(c, s, e);
    case HG_E_CALL:
        return hg_bind_call(c, s, e);
    case HG_E_EXTRACT:
    case HG_E_FLOOR_TO:
    case HG_E_DIFF:
        return hg_bind_unit_call(c, s, e);
    case HG_E_ARRAY:
    case HG_E_SUBSCRIPT:
    case HG_E_FIELD:
        return hg_bind_nested(c, s, e);
    case HG_E_SUBQUERY:
        if (hg_str_ieq(e->text, HG_S("exists")))
            hg_cc_nyi(c, e->pos, "EXISTS");
        else if (hg_str_ieq(e->text, HG_S("in")))
            hg_cc_nyi(c, e->pos, "IN (SELECT …)");
        else
            hg_cc_nyi(c, e->pos, "A subquery inside an expression");
        return NULL;
    case HG_E_PARAM:
        hg_cc_error(c, e->pos, "Not supported", "Parameters ('?', '$1') are not supported");
        return NULL;
    }
    return NULL;
}

const hg_expr_t *hg_bind_expr(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    if (!hg_cc_spend(c, e->pos, 1)) return NULL;
    if (c->depth >= HG_CC_MAX_DEPTH) {
        hg_cc_error(c, e->pos, "Not supported", "The expression is nested more than %d deep", HG_CC_MAX_DEPTH);
        return NULL;
    }
    c->depth++;
    const hg_expr_t *x = dispatch(c, s, e);
    c->depth--;
    return x;
}

const hg_expr_t *hg_bind_cond(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, const char *what)
{
    const hg_expr_t *x = hg_bind_expr(c, s, e);
    if (!x || truth_values(c, &x, 1)) return x;
    hg_cc_sem(c, e->pos, "%s clause must be a condition", what);
    return NULL;
}
