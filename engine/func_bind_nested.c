/* func_bind_nested.c: binding rules of ARRAY, MAP, ROW and VARIANT; as func_bind.c. Elements of arrays and values of
 * maps are always nullable. */
#include "base/hg.h"
#include "engine/func_int.h"

/* --- arrays --- */

bool hg_bind_subscript(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    b->arg[1] = hg_plain_type(b->a, HG_T_BIGINT);
    b->ret = hg_type_with_null(b->a, b->in[0]->elem, true);
    return true;
}

/* An array and an element, as one type: is it there (aux 0), where (1), the array with it behind (2) or before (3), or
 * without it (4). */
bool hg_bind_array_elem(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    const hg_type_t *e = hg_type_common(b->a, b->in[0]->elem, b->in[1]);
    if (!e) return false;
    e = hg_type_with_null(b->a, e, true);
    b->arg[0] = hg_type_array(b->a, e, b->in[0]->nullable);
    b->arg[1] = hg_type_with_null(b->a, e, b->in[1]->nullable || hg_type_is_null(b->in[1]));
    b->ret = b->fn->aux == 0   ? hg_plain_type(b->a, HG_T_BOOLEAN)
             : b->fn->aux == 1 ? hg_plain_type(b->a, HG_T_BIGINT)
                               : b->arg[0];
    return true;
}

/* An array, a position, an element: the array with it. */
bool hg_bind_array_insert(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    const hg_type_t *e = hg_type_common(b->a, b->in[0]->elem, b->in[2]);
    if (!e) return false;
    e = hg_type_with_null(b->a, e, true);
    bool pos = b->in[1]->nullable || hg_type_is_null(b->in[1]);
    b->arg[0] = hg_type_array(b->a, e, b->in[0]->nullable);
    b->arg[1] = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_BIGINT), pos);
    b->arg[2] = e;
    b->ret = hg_type_array(b->a, e, b->in[0]->nullable || pos);
    return true;
}

/* Arrays of one type; the result is such an array, or TRUE, FALSE or NULL. */
bool hg_bind_arrays(hg_bind_t *b)
{
    const hg_type_t *e = NULL;
    for (uint32_t i = 0; i < b->n; i++) {
        if (hg_type_is_null(b->in[i])) continue;
        e = e ? hg_type_common(b->a, e, b->in[i]->elem) : b->in[i]->elem;
        if (!e) return false;
    }
    if (!e) return false;
    e = hg_type_with_null(b->a, e, true);
    for (uint32_t i = 0; i < b->n; i++)
        b->arg[i] = hg_type_array(b->a, e, b->in[i]->nullable || hg_type_is_null(b->in[i]));
    b->ret = b->fn->flags & HG_F_NULLS ? hg_plain_type(b->a, HG_T_BOOLEAN) : hg_type_array(b->a, e, false);
    return true;
}

bool hg_bind_array_repeat(hg_bind_t *b)
{
    bool count = b->in[1]->nullable || hg_type_is_null(b->in[1]);
    b->arg[1] = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_BIGINT), count);
    b->ret = hg_type_array(b->a, hg_type_with_null(b->a, b->in[0], true), count);
    return true;
}

/* INTEGERs, unless one of the ends is wider. */
bool hg_bind_sequence(hg_bind_t *b)
{
    hg_kind_t k = HG_T_INTEGER;
    for (uint32_t i = 0; i < 2; i++) {
        hg_kind_t in = b->in[i]->kind;
        if (in == HG_T_BIGINT || in == HG_T_UINTEGER || in == HG_T_UBIGINT) k = HG_T_BIGINT;
        b->arg[i] = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_BIGINT), b->in[i]->nullable);
    }
    b->ret = hg_type_array(b->a, hg_type_with_null(b->a, hg_plain_type(b->a, k), true), false);
    return true;
}

bool hg_bind_array_sort(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    if (b->n > 1 && hg_type_is_null(b->in[1]))
        b->arg[1] = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_BOOLEAN), true);
    b->ret = hg_type_with_null(b->a, b->in[0], false);
    return true;
}

/* The elements as texts. */
bool hg_bind_array_to_string(hg_bind_t *b)
{
    const hg_type_t *text = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_VARCHAR), true);
    if (hg_type_is_null(b->in[0]) || !hg_cast_explicit(b->in[0]->elem, text)) return false;
    bool nullable = b->in[0]->nullable || b->in[1]->nullable || hg_type_is_null(b->in[1]);
    b->arg[0] = hg_type_array(b->a, text, b->in[0]->nullable);
    for (uint32_t i = 1; i < b->n; i++)
        if (hg_type_is_null(b->in[i])) b->arg[i] = text;
    b->ret = hg_type_with_null(b->a, text, nullable);
    return true;
}

bool hg_bind_array_same(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    b->ret = hg_type_with_null(b->a, b->in[0], false);
    return true;
}

bool hg_bind_array_best(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0]) || hg_type_is_null(b->in[0]->elem)) return false;
    b->ret = hg_type_with_null(b->a, b->in[0]->elem, true);
    return true;
}

/* --- maps, rows, VARIANT --- */

const hg_type_t *hg_map_type(hg_arena_t *a, const hg_type_t *key, const hg_type_t *elem)
{
    if (!key || !elem || key->kind == HG_T_MAP) return NULL;
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    *t = *hg_plain_type(a, HG_T_MAP);
    t->key = hg_type_with_null(a, key, false);
    t->elem = hg_type_with_null(a, elem, true);
    return t;
}

bool hg_bind_map(hg_bind_t *b)
{
    const hg_type_t *part[2] = { b->in[0], b->n > 1 ? b->in[1] : NULL };
    if (b->n % 2) return false;
    for (uint32_t i = 2; i < b->n && part[i % 2]; i++) part[i % 2] = hg_type_common(b->a, part[i % 2], b->in[i]);
    b->ret = hg_map_type(b->a, part[0], part[1]);
    for (uint32_t i = 0; i < b->n; i++) b->arg[i] = part[i % 2];
    return b->ret && part[0]->kind != HG_T_NULL;
}

/* The key as the map has it. */
bool hg_bind_lookup(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    const hg_type_t *key = b->in[0]->key;
    if (!hg_cast_implicit(b->in[1], key)) return false;
    b->arg[1] = hg_type_with_null(b->a, key, b->in[1]->nullable);
    b->ret = b->fn->aux ? hg_plain_type(b->a, HG_T_BOOLEAN) : hg_type_with_null(b->a, b->in[0]->elem, true);
    return true;
}

/* Maps of one type. */
bool hg_bind_map_concat(hg_bind_t *b)
{
    const hg_type_t *key = NULL, *elem = NULL;
    for (uint32_t i = 0; i < b->n; i++) {
        if (hg_type_is_null(b->in[i])) continue;
        key = key ? hg_type_common(b->a, key, b->in[i]->key) : b->in[i]->key;
        elem = elem ? hg_type_common(b->a, elem, b->in[i]->elem) : b->in[i]->elem;
        if (!key || !elem) return false;
    }
    b->ret = hg_map_type(b->a, key, elem);
    if (!b->ret) return false;
    for (uint32_t i = 0; i < b->n; i++)
        b->arg[i] = hg_type_with_null(b->a, b->ret, b->in[i]->nullable || hg_type_is_null(b->in[i]));
    return true;
}

bool hg_bind_map_part(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    const hg_type_t *part = b->fn->aux ? b->in[0]->elem : b->in[0]->key;
    b->ret = hg_type_array(b->a, hg_type_with_null(b->a, part, true), false);
    return true;
}

bool hg_bind_row(hg_bind_t *b)
{
    hg_type_t *t = HG_ANEW(b->a, hg_type_t);
    hg_field_t *f = HG_ANEWN(b->a, hg_field_t, b->n + 1);
    *t = *hg_plain_type(b->a, HG_T_ROW);
    for (uint32_t i = 0; i < b->n; i++)
        f[i] = (hg_field_t){ .name = hg_strz(hg_arena_printf(b->a, "EXPR$%u", i)),
                             .case_sensitive = true,
                             .type = b->in[i] };
    t->fields = f;
    t->n_fields = b->n;
    b->ret = t;
    return true;
}

bool hg_bind_field(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0]) || !b->lits || !b->lits[1] || b->in[1]->kind != HG_T_INTEGER) return false;
    int32_t i = HG_COL(b->lits[1], int32_t)[0];
    if (hg_col_null(b->lits[1], 0) || i < 0 || (uint32_t)i >= b->in[0]->n_fields) return false;
    const hg_type_t *t = b->in[0]->fields[i].type;
    b->ret = hg_type_with_null(b->a, t, t->nullable || b->in[0]->nullable);
    return true;
}

bool hg_bind_variant_part(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) return false;
    if (hg_kind_is_integer(b->in[1]->kind)) b->arg[1] = hg_plain_type(b->a, HG_T_BIGINT);
    if (hg_type_is_null(b->in[1])) b->arg[1] = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_VARCHAR), true);
    b->ret = hg_type_with_null(b->a, hg_plain_type(b->a, HG_T_VARIANT), true);
    return true;
}
