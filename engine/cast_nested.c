/* cast_nested.c: casts of ARRAY, MAP and ROW part by part, and of anything to VARIANT and back.
 *
 * The parts of all rows are cast at once, as a column: what lies under a NULL is taken for NULL and never looked at. */
#include "base/hg.h"
#include "data/variant.h"
#include "engine/cast_int.h"

static bool appended(const hg_colb_t *out)
{
    return hg_phys_width(out->phys) == 0 && out->phys != HG_PHYS_BIT;
}

/* The cells of part as another type. under: the column whose NULL rows have no part (a ROW), or NULL. */
static int cast_part(const hg_cast_t *k, hg_col_t *part, const hg_col_t *under, const hg_type_t *from,
                     const hg_type_t *to, hg_col_t **ret)
{
    hg_call_t c = *k->c;
    hg_vec_t in = { .col = part };
    hg_colb_t out;
    if (hg_type_same(from, to)) {
        *ret = hg_col_retain(part);
        return 0;
    }
    c.n = part->len;
    c.type = to;
    c.types = &from;
    int rc = hg_out_begin(&out, to, c.n, c.err);
    if (rc < 0) return rc;
    c.valid = hg_trynew((((size_t)c.n + 63) / 64 + 1) * 8);
    if (!c.valid) rc = HG_ENOMEM;
    for (uint32_t i = 0; i < c.n && rc == 0; i++) {
        if (hg_vec_null(&in, i) || (under && hg_col_null(under, i)))
            hg_bit_clear(c.valid, i);
        else
            hg_bit_set(c.valid, i);
    }
    if (rc == 0 && from->kind == HG_T_NULL) {
        for (uint32_t i = 0; i < c.n && rc == 0 && appended(&out); i++) rc = hg_colb_null(&out);
    } else if (rc == 0) {
        rc = hg_cast_vec(&c, &in, k->safe, &out);
    }
    if (rc == 0)
        rc = hg_out_end(&out, c.n, c.valid, ret, c.err);
    else
        hg_colb_release(&out);
    hg_free(c.valid);
    return rc;
}

/* The input's rows as a column of its own, so that exactly the parts of these rows are cast. */
static int rows_of(const hg_cast_t *k, hg_col_t **ret)
{
    uint32_t *at = hg_trynew(sizeof *at * ((size_t)k->c->n + 1));
    if (!at) return HG_ENOMEM;
    for (uint32_t i = 0; i < k->c->n; i++) at[i] = hg_vec_at(k->in, i);
    int rc = hg_col_gather(k->in->col, at, k->c->n, ret, k->c->err);
    hg_free(at);
    return rc;
}

static bool null_key(const hg_col_t *list, const hg_col_t *keys, uint32_t row)
{
    for (int32_t j = list->offs[row]; j < list->offs[row + 1]; j++)
        if (hg_col_null(keys, (uint32_t)j)) return true;
    return false;
}

int hg_cast_list(const hg_cast_t *k, hg_colb_t *out)
{
    hg_col_t *list = NULL, *part[2] = { NULL, NULL };
    bool map = k->to->kind == HG_T_MAP;
    int rc = rows_of(k, &list);
    if (rc == 0 && map) rc = cast_part(k, list->child[0], NULL, k->from->key, k->to->key, &part[0]);
    if (rc == 0) rc = cast_part(k, list->child[map], NULL, k->from->elem, k->to->elem, &part[map]);
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        if (map && null_key(list, part[0], i)) { /* SAFE_CAST of a key: there is no such map */
            hg_bit_clear(k->c->valid, i);
            rc = hg_colb_null(out);
            continue;
        }
        for (int32_t j = list->offs[i]; j < list->offs[i + 1] && rc == 0; j++)
            for (int p = 0; p <= map && rc == 0; p++) rc = hg_colb_copy(&out->child[p], part[p], (uint32_t)j);
        if (rc == 0) rc = map ? hg_colb_close_map(out) : hg_colb_close_list(out);
    }
    hg_col_drop(list);
    hg_col_drop(part[0]);
    hg_col_drop(part[1]);
    return rc;
}

int hg_cast_row(const hg_cast_t *k, hg_colb_t *out)
{
    hg_col_t *rows = NULL, *part = NULL;
    int rc = rows_of(k, &rows);
    for (uint32_t f = 0; f < k->to->n_fields && rc == 0; f++) {
        rc = cast_part(k, rows->child[f], rows, k->from->fields[f].type, k->to->fields[f].type, &part);
        for (uint32_t i = 0; i < k->c->n && rc == 0 && k->safe; i++)
            if (!k->to->fields[f].type->nullable && hg_col_null(part, i)) hg_bit_clear(k->c->valid, i);
        for (uint32_t i = 0; i < k->c->n && rc == 0; i++)
            rc = hg_call_valid(k->c, i) ? hg_colb_copy(&out->child[f], part, i) : hg_colb_null(&out->child[f]);
        hg_col_drop(part);
        part = NULL;
    }
    hg_col_drop(rows);
    /* the fields of all rows stand: the rows are closed over them */
    return rc == 0 ? hg_colb_close_structs(out, k->c->n, k->c->valid) : rc;
}

int hg_cast_to_variant(const hg_cast_t *k, hg_colb_t *out)
{
    hg_variant_t *v = hg_variant_new();
    hg_buf_t text;
    int rc = 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < k->c->n && rc == 0; i++) {
        if (!hg_call_valid(k->c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        hg_buf_clear(&text);
        rc = hg_variant_print(v, k->in->col, hg_vec_at(k->in, i), &text);
        if (rc == 0) rc = hg_colb_var(out, text.p, text.len);
    }
    hg_buf_release(&text);
    hg_variant_free(v);
    return rc;
}

/* Into a builder of its own: a variant appends, while fixed results are written in place. */
int hg_cast_from_variant(const hg_cast_t *k, hg_colb_t *out)
{
    hg_variant_t *v = hg_variant_new();
    hg_colb_t own, *to = appended(out) ? out : &own;
    uint32_t n = k->c->n;
    int rc = 0;
    hg_colb_init(&own, k->to);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = hg_call_valid(k->c, i) ? hg_variant_read(v, hg_vec_str(k->in, i), to) : hg_colb_null(to);
        if (rc == 0 && to->validity && !hg_bit_get(to->validity, i)) hg_bit_clear(k->c->valid, i);
    }
    if (rc == 0 && to == &own && n)
        memcpy(out->data, own.data, own.phys == HG_PHYS_BIT ? (n + 7) / 8 : hg_phys_width(own.phys) * n);
    hg_colb_release(&own);
    hg_variant_free(v);
    return rc;
}
