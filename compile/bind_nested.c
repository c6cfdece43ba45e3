/* Values with parts: ARRAY[…], MAP[…], ROW(…) and the constructors of types; subscripts and fields.
 *
 * All but ARRAY are calls of the engine's list, so that views and queries know the same ones. */
#include "base/hg.h"
#include "compile/compile_int.h"

static const hg_expr_t *array(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    const hg_type_t *t = hg_type_make(c->a, HG_T_NULL, true, -1, 0);
    if (e->n_args) {
        if (!hg_adopt_literals(c, x, e->n_args)) return NULL;
        t = hg_common_type(c, x, e->n_args);
        if (!t) {
            hg_cc_sem(c, e->pos, "Parameters must be of the same type");
            return NULL;
        }
        if (!hg_coerce_all(c, x, e->n_args, t)) return NULL;
    }
    hg_expr_t *r =
        hg_x_new(c, HG_X_ARRAY, hg_type_array(c->a, hg_type_with_null(c->a, t, true), false), e->pos, e->n_args);
    memcpy(r->args, x, e->n_args * sizeof *x);
    return hg_x_fold(c, r);
}

/* array[SAFE_OFFSET(i)], which counts from 0: the i, or NULL. */
static const hg_ast_expr_t *offset_of(const hg_ast_expr_t *e)
{
    bool is = e->kind == HG_E_CALL && hg_str_eqz(e->text, "safe_offset") && e->n_args == 1;
    return is ? e->args[0] : NULL;
}

static const hg_expr_t *subscript(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_ast_expr_t *offset = offset_of(e->args[1]), *args[2] = { e->args[0], offset ? offset : e->args[1] };
    const hg_ast_expr_t plain = { .pos = e->pos, .args = args, .n_args = 2 };
    const hg_expr_t **x = hg_bind_args(c, s, &plain);
    if (!x) return NULL;
    hg_kind_t k = x[0]->type->kind;
    if (offset && k == HG_T_ARRAY) return hg_x_call(c, e->pos, HG_S("[safe_offset]"), HG_S("[safe_offset]"), x, 2);
    if (offset) {
        hg_cc_sem(c, e->args[1]->pos, "SAFE_OFFSET stands in the subscript of an ARRAY only");
        return NULL;
    }
    if (k != HG_T_ARRAY && k != HG_T_MAP && k != HG_T_VARIANT) {
        hg_str_t a = hg_expr_text(c, e->args[0]), b = hg_expr_text(c, e->args[1]);
        hg_cc_sem(c, e->pos, "Cannot apply indexing to arguments of type " HG_SF "[" HG_SF "]", HG_SA(a), HG_SA(b));
        if (k == HG_T_ROW) hg_cc_note(c, "a field of a ROW is named: (" HG_SF ").field", HG_SA(a));
        return NULL;
    }
    const hg_expr_t *r = hg_x_call(c, e->pos, HG_S("[]"), HG_S("[]"), x, 2);
    if (!r && k == HG_T_MAP) hg_cc_note(c, "the keys are of type %s", hg_type_str(c, x[0]->type->key));
    return r;
}

static const hg_expr_t *number(hg_cc_t *c, hg_pos_t pos, int32_t v)
{
    hg_colb_t b;
    hg_colb_init(&b, hg_type_make(c->a, HG_T_INTEGER, false, -1, 0));
    HG_ASSERT(hg_colb_i32(&b, v) == 0);
    hg_col_t *col = hg_colb_seal(&b);
    hg_colb_release(&b);
    return hg_x_const(c, pos, col->type, col);
}

static const hg_expr_t *name_text(hg_cc_t *c, const hg_name_t *name)
{
    hg_colb_t b;
    hg_colb_init(&b, hg_type_make(c->a, HG_T_VARCHAR, false, -1, 0));
    HG_ASSERT(hg_colb_var(&b, name->name.p, name->name.n) == 0);
    hg_col_t *col = hg_colb_seal(&b);
    hg_colb_release(&b);
    return hg_x_const(c, name->pos, col->type, col);
}

const hg_expr_t *hg_bind_part(hg_cc_t *c, hg_pos_t pos, const hg_expr_t *x, const hg_name_t *name)
{
    const hg_type_t *t = x->type;
    const hg_expr_t *args[2] = { x, NULL };
    if (t->kind == HG_T_VARIANT) {
        args[1] = name_text(c, name);
        return hg_x_call(c, pos, HG_S("[]"), HG_S("[]"), args, 2);
    }
    if (t->kind != HG_T_ROW) {
        hg_cc_sem(c, name->pos, "A value of type %s has no fields: '" HG_SF "'", hg_type_str(c, t), HG_SA(name->name));
        return NULL;
    }
    hg_str_t *names = HG_ANEWN(c->a, hg_str_t, t->n_fields + 1);
    for (uint32_t i = 0; i < t->n_fields; i++) {
        names[i] = t->fields[i].name;
        if (!hg_str_eq(names[i], name->name)) continue;
        args[1] = number(c, name->pos, (int32_t)i);
        return hg_x_call(c, pos, HG_S("."), HG_S("."), args, 2);
    }
    hg_cc_sem(c, name->pos, "Unknown field '" HG_SF "'", HG_SA(name->name));
    const char *near = hg_nearest_of(c, name->name, names, t->n_fields);
    if (near) hg_cc_note(c, "did you mean '%s'?", near);
    return NULL;
}

const hg_expr_t *hg_bind_nested(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    if (e->kind == HG_E_ARRAY) return array(c, s, e);
    if (e->kind == HG_E_SUBSCRIPT) return subscript(c, s, e);
    const hg_expr_t *x = hg_bind_expr(c, s, e->args[0]);
    return x ? hg_bind_part(c, e->pos, x, &e->names[0]) : NULL;
}

const hg_expr_t *hg_bind_map_of(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    if (e->n_args % 2 || !e->n_args) {
        hg_cc_sem(c, e->pos, "MAP[...] takes keys and values in turn: an even number of them, at least two");
        return NULL;
    }
    const hg_expr_t **part[2];
    uint32_t n = e->n_args / 2;
    for (uint32_t k = 0; k < 2; k++) {
        part[k] = HG_ANEWN(c->a, const hg_expr_t *, n);
        for (uint32_t i = 0; i < n; i++) part[k][i] = x[2 * i + k];
        if (!hg_adopt_literals(c, part[k], n)) return NULL;
        const hg_type_t *t = hg_common_type(c, part[k], n);
        if (!t || (k == 0 && (t->kind == HG_T_NULL || t->kind == HG_T_MAP))) {
            hg_cc_sem(c, e->pos,
                      k ? "The values of a MAP must be of the same type"
                        : "The keys of a MAP must be of the same type, which is not MAP or NULL");
            return NULL;
        }
        if (!hg_coerce_all(c, part[k], n, t)) return NULL;
        for (uint32_t i = 0; i < n; i++) x[2 * i + k] = part[k][i];
    }
    return hg_x_call(c, e->pos, HG_S("map"), HG_S("map"), x, e->n_args);
}

/* A value of the type from its fields: what ROW makes, with their names. */
const hg_expr_t *hg_bind_constructor(hg_cc_t *c, hg_scope_t *s, const hg_ast_expr_t *e, const hg_type_t *t)
{
    const hg_expr_t **x = hg_bind_args(c, s, e);
    if (!x) return NULL;
    if (t->kind != HG_T_ROW) {
        hg_cc_sem(c, e->pos, "The type '" HG_SF "' is %s and has no constructor; write CAST(... AS " HG_SF ")",
                  HG_SA(e->text), hg_type_str(c, t), HG_SA(e->text));
        return NULL;
    }
    if (e->n_args != t->n_fields) {
        hg_cc_sem(c, e->pos, "The type '" HG_SF "' has %u fields, not %u", HG_SA(e->text), t->n_fields, e->n_args);
        return NULL;
    }
    const hg_type_t **types = HG_ANEWN(c->a, const hg_type_t *, e->n_args + 1);
    for (uint32_t i = 0; i < e->n_args; i++) {
        const hg_type_t *ft = t->fields[i].type;
        types[i] = ft;
        if (!hg_assignable(x[i], ft)) {
            hg_cc_sem(c, e->args[i]->pos, "The field '" HG_SF "' of type '" HG_SF "' is %s, which %s is not",
                      HG_SA(t->fields[i].name), HG_SA(e->text), hg_type_str(c, ft), hg_type_str(c, x[i]->type));
            return NULL;
        }
        if (!ft->nullable && (x[i]->type->nullable || hg_expr_is_null(x[i]))) {
            hg_cc_sem(c, e->args[i]->pos,
                      "The field '" HG_SF "' of type '" HG_SF "' is NOT NULL, but the value may be NULL",
                      HG_SA(t->fields[i].name), HG_SA(e->text));
            return NULL;
        }
        x[i] = hg_coerce(c, x[i], ft);
    }
    hg_func_match_t m;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_func_resolve(c->a, HG_S("row"), types, NULL, e->n_args, &m, &err);
    HG_ASSERT(rc == 0); /* ROW takes anything */
    hg_expr_t *r = hg_x_new(c, HG_X_CALL, hg_type_with_null(c->a, t, false), e->pos, e->n_args);
    r->fn = m.fn;
    memcpy(r->args, x, e->n_args * sizeof *x);
    return hg_x_fold(c, r);
}
