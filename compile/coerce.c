/* Several values of one type: what they have in common, the casts that bring them there, and the type that a string
 * literal takes beside them (sql §5.8). */
#include "base/hg.h"
#include "compile/compile_int.h"

const hg_expr_t *hg_coerce(hg_cc_t *c, const hg_expr_t *x, const hg_type_t *t)
{
    if (hg_type_same(x->type, t)) return x;
    if (hg_expr_is_null(x)) return hg_x_null(c, t, x->pos);
    hg_expr_t *cast = hg_x_new(c, HG_X_CAST, hg_type_with_null(c->a, t, x->type->nullable), x->pos, 1);
    cast->args[0] = x;
    return hg_x_fold(c, cast);
}

bool hg_assignable(const hg_expr_t *x, const hg_type_t *t)
{
    const hg_type_t *from = x->type;
    if (hg_type_same(from, t) || hg_expr_is_null(x)) return true;
    if (!hg_cast_explicit(from, t)) return false;
    if (hg_kind_is_string(from->kind) && !hg_kind_is_string(t->kind)) return hg_expr_is_const(x); /* literals only */
    if (hg_cast_implicit(from, t)) return true;
    if (hg_kind_is_numeric(from->kind) && hg_kind_is_numeric(t->kind)) return true;
    if (hg_kind_is_string(from->kind) && hg_kind_is_string(t->kind)) return true;
    if (hg_kind_is_bytes(from->kind) && hg_kind_is_bytes(t->kind)) return true;
    if (from->kind == HG_T_DATE && t->kind == HG_T_TIMESTAMP) return true;
    return t->kind == HG_T_VARIANT ||
           (from->kind == t->kind && (t->kind == HG_T_ARRAY || t->kind == HG_T_MAP || t->kind == HG_T_ROW));
}

const hg_type_t *hg_common_type(hg_cc_t *c, const hg_expr_t **x, uint32_t n)
{
    const hg_type_t *t = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (x[i]->type->kind == HG_T_NULL) continue;
        t = !t || hg_type_same(t, x[i]->type) ? x[i]->type : hg_type_common(c->a, t, x[i]->type);
        if (!t) return NULL;
    }
    if (!t) t = x[0]->type;
    return hg_type_with_null(c->a, t, hg_any_nullable(x, n));
}

bool hg_coerce_all(hg_cc_t *c, const hg_expr_t **x, uint32_t n, const hg_type_t *t)
{
    for (uint32_t i = 0; i < n; i++) {
        x[i] = hg_coerce(c, x[i], t);
        if (!x[i]) return false;
    }
    return true;
}

static bool is_string_literal(const hg_expr_t *x)
{
    return x->kind == HG_X_CONST && x->type->kind == HG_T_VARCHAR && !hg_expr_is_null(x);
}

/* The type that a string literal takes beside values of type t: t itself, or a DECIMAL with more fraction digits where
 * the text has them, so that '10.257' is not rounded before it is compared with a DECIMAL(8, 2). */
static const hg_type_t *adopted_type(hg_cc_t *c, const hg_type_t *t, hg_str_t s)
{
    if (t->kind != HG_T_DECIMAL) return hg_type_with_null(c->a, t, false);
    int64_t scale = 0, exponent = 0;
    bool point = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 'e' || s.p[i] == 'E') {
            hg_str_t digits = { s.p + i + 1, s.n - i - 1 };
            if (digits.n && digits.p[0] == '+') digits = (hg_str_t){ digits.p + 1, digits.n - 1 };
            if (hg_str_i64(digits, &exponent) < 0 || exponent < -100 || exponent > 100) exponent = 0;
            break;
        }
        if (point) scale++;
        if (s.p[i] == '.') point = true;
    }
    scale -= exponent;
    if (scale <= t->scale) return hg_type_with_null(c->a, t, false);
    scale = HG_MIN(scale, 38);
    int64_t precision = HG_MIN(38, t->precision - t->scale + scale);
    return hg_type_make(c->a, HG_T_DECIMAL, false, (int32_t)precision, (int32_t)scale);
}

bool hg_adopt_literals(hg_cc_t *c, const hg_expr_t **x, uint32_t n)
{
    const hg_type_t *t = NULL; /* common type of what is no string */
    for (uint32_t i = 0; i < n; i++) {
        const hg_type_t *own = x[i]->type;
        if (hg_kind_is_string(own->kind) || own->kind == HG_T_NULL) continue;
        t = !t || hg_type_same(t, own) ? own : hg_type_common(c->a, t, own);
        if (!t) return true; /* the caller will say that they do not go together */
    }
    if (!t) return true;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_string_literal(x[i]) || !hg_cast_explicit(x[i]->type, t)) continue;
        hg_str_t s = hg_col_var(x[i]->lit, 0);
        hg_expr_t *cast = hg_x_new(c, HG_X_CAST, adopted_type(c, t, s), x[i]->pos, 1);
        cast->args[0] = x[i];
        hg_col_t *col = NULL;
        hg_err_t err = HG_ERR_INIT;
        if (hg_expr_const(cast, &col, &err) < 0) {
            hg_cc_sem(c, x[i]->pos, "Cannot convert '" HG_SF "' to %s", HG_SA(s), hg_type_str(c, t));
            return false;
        }
        x[i] = hg_x_const(c, x[i]->pos, cast->type, col);
    }
    return true;
}
