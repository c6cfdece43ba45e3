/* Expressions back to SQL, in one canonical spelling: upper-case keywords, singular quoted intervals. Used for the
 * schema's "default" and "lateness" and where a message names an expression. */
#include "base/hg.h"
#include "compile/compile_int.h"

hg_str_t hg_ident_text(hg_arena_t *a, hg_str_t name, bool case_sensitive)
{
    if (!case_sensitive) return name;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addc(&b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"') hg_buf_addc(&b, '"');
        hg_buf_addc(&b, name.p[i]);
    }
    hg_buf_addc(&b, '"');
    hg_str_t s = hg_arena_str(a, hg_buf_str(&b));
    hg_buf_release(&b);
    return s;
}

static void quote(hg_buf_t *b, hg_str_t s)
{
    hg_buf_addc(b, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'') hg_buf_addc(b, '\'');
        hg_buf_addc(b, s.p[i]);
    }
    hg_buf_addc(b, '\'');
}

static void upper(hg_buf_t *b, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) hg_buf_addc(b, (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 32 : s.p[i]));
}

static const char *const unit_names[] = {
    [HG_IV_DAY] = "DAY",
    [HG_IV_DAY_HOUR] = "DAY TO HOUR",
    [HG_IV_DAY_MINUTE] = "DAY TO MINUTE",
    [HG_IV_DAY_SECOND] = "DAY TO SECOND",
    [HG_IV_HOUR] = "HOUR",
    [HG_IV_HOUR_MINUTE] = "HOUR TO MINUTE",
    [HG_IV_HOUR_SECOND] = "HOUR TO SECOND",
    [HG_IV_MINUTE] = "MINUTE",
    [HG_IV_MINUTE_SECOND] = "MINUTE TO SECOND",
    [HG_IV_SECOND] = "SECOND",
    [HG_IV_YEAR] = "YEAR",
    [HG_IV_YEAR_MONTH] = "YEAR TO MONTH",
    [HG_IV_MONTH] = "MONTH",
};

static void type_text(hg_buf_t *b, const hg_ast_type_t *t)
{
    if (t->kind == HG_T_N) {
        hg_buf_addstr(b, t->user.name);
    } else if (t->kind == HG_T_ARRAY) {
        type_text(b, t->elem);
        hg_buf_adds(b, " ARRAY");
    } else {
        hg_buf_adds(b, hg_kind_name(t->kind));
        if (t->precision >= 0 && t->scale >= 0)
            hg_buf_addf(b, "(%d, %d)", t->precision, t->scale);
        else if (t->precision >= 0)
            hg_buf_addf(b, "(%d)", t->precision);
    }
}

static void text(hg_buf_t *b, const hg_ast_expr_t *e, bool nested);

static void list(hg_buf_t *b, const hg_ast_expr_t *e, uint32_t from, const char *sep)
{
    for (uint32_t i = from; i < e->n_args; i++) {
        if (i > from) hg_buf_adds(b, sep);
        text(b, e->args[i], true);
    }
}

static void op_text(hg_buf_t *b, const hg_ast_expr_t *e)
{
    if (e->n_args == 1) {
        hg_buf_adds(b, hg_str_eqz(e->text, "neg") ? "-" : "");
        if (!hg_str_eqz(e->text, "neg")) upper(b, e->text);
        text(b, e->args[0], true);
        return;
    }
    text(b, e->args[0], true);
    hg_buf_addc(b, ' ');
    upper(b, e->text);
    hg_buf_addc(b, ' ');
    text(b, e->args[1], true);
    if (e->n_args > 2) {
        hg_buf_adds(b, " ESCAPE ");
        text(b, e->args[2], true);
    }
}

static void case_text(hg_buf_t *b, const hg_ast_expr_t *e)
{
    uint32_t i = 0, n = e->n_args - (e->has_else ? 1 : 0);
    hg_buf_adds(b, "CASE");
    if (e->has_operand) {
        hg_buf_addc(b, ' ');
        text(b, e->args[i++], true);
    }
    for (; i + 1 < n; i += 2) {
        hg_buf_adds(b, " WHEN ");
        text(b, e->args[i], true);
        hg_buf_adds(b, " THEN ");
        text(b, e->args[i + 1], true);
    }
    if (e->has_else) {
        hg_buf_adds(b, " ELSE ");
        text(b, e->args[e->n_args - 1], true);
    }
    hg_buf_adds(b, " END");
}

static bool needs_parens(hg_ast_ekind_t k)
{
    return k == HG_E_OP || k == HG_E_AND || k == HG_E_OR || k == HG_E_NOT || k == HG_E_IS_NULL || k == HG_E_IS_BOOL ||
           k == HG_E_IN || k == HG_E_BETWEEN;
}

static void text(hg_buf_t *b, const hg_ast_expr_t *e, bool nested)
{
    bool parens = nested && needs_parens(e->kind) && !(e->kind == HG_E_OP && e->n_args == 1);
    if (parens) hg_buf_addc(b, '(');
    switch (e->kind) {
    case HG_E_COLUMN:
    case HG_E_STAR:
        for (uint32_t i = 0; i < e->n_names; i++) {
            if (i) hg_buf_addc(b, '.');
            hg_buf_addstr(b, e->names[i].name);
        }
        if (e->kind == HG_E_STAR) hg_buf_adds(b, e->n_names ? ".*" : "*");
        break;
    case HG_E_NULL:
        hg_buf_adds(b, "NULL");
        break;
    case HG_E_BOOL:
        hg_buf_adds(b, e->bool_value ? "TRUE" : "FALSE");
        break;
    case HG_E_INT:
    case HG_E_DECIMAL:
    case HG_E_FLOAT:
        hg_buf_addstr(b, e->text);
        break;
    case HG_E_STRING:
        quote(b, e->text);
        break;
    case HG_E_BYTES:
        hg_buf_addc(b, 'X');
        quote(b, e->text);
        break;
    case HG_E_TYPED:
        if (e->type->kind == HG_T_INTERVAL || e->type->kind == HG_T_INTERVAL_YM) {
            hg_buf_adds(b, "INTERVAL ");
            quote(b, e->text);
            hg_buf_addf(b, " %s", unit_names[e->type->unit]);
        } else {
            type_text(b, e->type);
            hg_buf_addc(b, ' ');
            quote(b, e->text);
        }
        break;
    case HG_E_OP:
        op_text(b, e);
        break;
    case HG_E_AND:
        list(b, e, 0, " AND ");
        break;
    case HG_E_OR:
        list(b, e, 0, " OR ");
        break;
    case HG_E_NOT:
        hg_buf_adds(b, "NOT ");
        text(b, e->args[0], true);
        break;
    case HG_E_IS_NULL:
        text(b, e->args[0], true);
        hg_buf_adds(b, e->negated ? " IS NOT NULL" : " IS NULL");
        break;
    case HG_E_IS_BOOL:
        text(b, e->args[0], true);
        hg_buf_adds(b, e->negated ? " IS NOT " : " IS ");
        upper(b, e->text);
        break;
    case HG_E_IN:
        text(b, e->args[0], true);
        hg_buf_adds(b, e->negated ? " NOT IN (" : " IN (");
        list(b, e, 1, ", ");
        hg_buf_addc(b, ')');
        break;
    case HG_E_BETWEEN:
        text(b, e->args[0], true);
        hg_buf_adds(b, e->negated ? " NOT BETWEEN " : " BETWEEN ");
        list(b, e, 1, " AND ");
        break;
    case HG_E_CASE:
        case_text(b, e);
        break;
    case HG_E_CAST:
        hg_buf_adds(b, e->safe ? "SAFE_CAST(" : "CAST(");
        text(b, e->args[0], false);
        hg_buf_adds(b, " AS ");
        type_text(b, e->type);
        hg_buf_addc(b, ')');
        break;
    case HG_E_CALL:
        upper(b, e->text);
        hg_buf_addc(b, '(');
        if (e->distinct) hg_buf_adds(b, "DISTINCT ");
        if (e->star) hg_buf_addc(b, '*');
        list(b, e, 0, ", ");
        hg_buf_addc(b, ')');
        break;
    case HG_E_EXTRACT:
        hg_buf_adds(b, "EXTRACT(");
        upper(b, e->text);
        hg_buf_adds(b, " FROM ");
        text(b, e->args[0], false);
        hg_buf_addc(b, ')');
        break;
    case HG_E_FLOOR_TO:
        upper(b, e->names[0].name);
        hg_buf_addc(b, '(');
        text(b, e->args[0], false);
        hg_buf_adds(b, " TO ");
        upper(b, e->text);
        hg_buf_addc(b, ')');
        break;
    case HG_E_DIFF:
        hg_buf_addc(b, '(');
        list(b, e, 0, " - ");
        hg_buf_adds(b, ") ");
        upper(b, e->text);
        break;
    case HG_E_ARRAY:
        hg_buf_adds(b, "ARRAY[");
        list(b, e, 0, ", ");
        hg_buf_addc(b, ']');
        break;
    case HG_E_SUBSCRIPT:
        text(b, e->args[0], true);
        hg_buf_addc(b, '[');
        text(b, e->args[1], false);
        hg_buf_addc(b, ']');
        break;
    case HG_E_FIELD:
        hg_buf_addc(b, '(');
        text(b, e->args[0], false);
        hg_buf_adds(b, ").");
        hg_buf_addstr(b, e->names[0].name);
        break;
    case HG_E_SUBQUERY:
        hg_buf_adds(b, "(SELECT …)");
        break;
    case HG_E_PARAM:
        hg_buf_adds(b, "?");
        break;
    }
    if (parens) hg_buf_addc(b, ')');
}

hg_str_t hg_expr_text(hg_cc_t *c, const hg_ast_expr_t *e)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    text(&b, e, false);
    hg_str_t s = hg_arena_str(c->a, hg_buf_str(&b));
    hg_buf_release(&b);
    return s;
}
