/* kernel_nested.c: ARRAY, MAP, ROW and VARIANT values: what they hold, and how they are made. Functions of arrays:
 * kernel_array.c.
 *
 * Keys of a MAP rise, so one is found by bisection. A VARIANT is text (data/variant.h): its parts are slices of it. */
#include "base/hg.h"
#include "data/variant.h"
#include "engine/kernel_nested_int.h"

int hg_k_cardinality(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const int32_t *offs = &args[0].col->offs[hg_vec_at(&args[0], i)];
        HG_COL(out, int32_t)[i] = offs[1] - offs[0];
    }
    return 0;
}

/* Row i of the result is cell `at` of col, or NULL. */
int hg_nested_put(hg_call_t *c, uint32_t i, const hg_col_t *col, uint32_t at, bool there, hg_colb_t *out)
{
    size_t w = hg_phys_width(out->phys);
    there = there && col->type->kind != HG_T_NULL && !hg_col_null(col, at);
    if (!there) hg_bit_clear(c->valid, i);
    if (out->phys == HG_PHYS_BIT) {
        if (there && hg_bit_get(col->data, at)) hg_bit_set(out->data, i);
    } else if (w) {
        if (there) memcpy((char *)out->data + w * i, (const char *)col->data + w * at, w);
    } else {
        return there ? hg_colb_copy(out, col, at) : hg_colb_null(out);
    }
    return 0;
}

/* array[i], from 1 (aux 1: from 0); outside and NULL elements: NULL. */
int hg_k_subscript(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col;
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        uint32_t row = hg_vec_at(&args[0], i);
        int64_t n = list->offs[row + 1] - list->offs[row], k = hg_vec_i64(&args[1], i), first = c->fn->aux ? 0 : 1;
        bool there = hg_call_valid(c, i) && k >= first && k - first < n;
        rc = hg_nested_put(c, i, list->child[0], there ? (uint32_t)(list->offs[row] + k - first) : 0, there, out);
    }
    return rc;
}

/* The entry of map row `row` with the key in row `at` of keys. */
static bool find_key(const hg_col_t *map, uint32_t row, const hg_col_t *key, uint32_t at, uint32_t *ret)
{
    uint32_t lo = (uint32_t)map->offs[row], hi = (uint32_t)map->offs[row + 1];
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = hg_cell_cmp(key, at, map->child[0], mid);
        *ret = mid;
        if (order == 0) return true;
        if (order > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

int hg_k_lookup(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        bool there = hg_call_valid(c, i) &&
                     find_key(args[0].col, hg_vec_at(&args[0], i), args[1].col, hg_vec_at(&args[1], i), &at);
        rc = hg_nested_put(c, i, args[0].col->child[1], there ? at : 0, there, out);
    }
    return rc;
}

int hg_k_contains_key(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    uint32_t at;
    for (uint32_t i = 0; i < c->n; i++)
        if (hg_call_valid(c, i) &&
            find_key(args[0].col, hg_vec_at(&args[0], i), args[1].col, hg_vec_at(&args[1], i), &at))
            hg_bit_set(out->data, i);
    return 0;
}

static int part(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    const hg_col_t *map = args[0].col;
    uint32_t row = hg_vec_at(&args[0], i);
    int rc = 0;
    for (int32_t k = map->offs[row]; k < map->offs[row + 1] && rc == 0; k++)
        rc = hg_colb_copy(&out->child[0], map->child[c->fn->aux], (uint32_t)k);
    return rc;
}

/* Keys (aux 0) or values (1) of a map, as an array. */
int hg_k_map_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, HG_STRICT, part, out);
}

/* A field of a ROW: args[1] is its number, a constant. */
int hg_k_field(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *field = args[0].col->child[HG_COL(args[1].col, int32_t)[0]];
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++)
        rc = hg_nested_put(c, i, field, hg_vec_at(&args[0], i), !hg_vec_null(&args[0], i), out);
    return rc;
}

/* ROW(a, b, …) and the constructors of types. */
int hg_k_row(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        for (uint32_t k = 0; k < c->n_args && rc == 0; k++) rc = hg_nested_append(&args[k], i, &out->child[k]);
        if (rc == 0) rc = hg_colb_close_struct(out);
    }
    return rc;
}

/* MAP[k, v, …]: of equal keys the last value stays. */
int hg_k_map(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        for (uint32_t k = 0; k < c->n_args && rc == 0; k++) {
            if (k % 2 == 0 && hg_vec_null(&args[k], i)) return hg_call_fail(c, "the key of a MAP is NULL");
            rc = hg_nested_append(&args[k], i, &out->child[k % 2]);
        }
        if (rc == 0) rc = hg_colb_close_map(out);
    }
    return rc;
}

/* MAP_CONCAT(a, b, …): of equal keys the last one stays. */
int hg_k_map_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        for (uint32_t k = 0; k < c->n_args && rc == 0; k++) {
            const hg_col_t *map = args[k].col;
            uint32_t row = hg_vec_at(&args[k], i);
            for (int32_t e = map->offs[row]; e < map->offs[row + 1] && rc == 0; e++) {
                rc = hg_colb_copy(&out->child[0], map->child[0], (uint32_t)e);
                if (rc == 0) rc = hg_colb_copy(&out->child[1], map->child[1], (uint32_t)e);
            }
        }
        if (rc == 0) rc = hg_colb_close_map(out);
    }
    return rc;
}

/* --- VARIANT -------------------------------------------------------------------------------------------------------
 */

/* The key as members are named: in quotes; a whole number by its digits. */
static int quoted_key(const hg_call_t *c, const hg_vec_t *key, uint32_t i, hg_buf_t *out)
{
    hg_buf_clear(out);
    if (c->types[1]->kind != HG_T_BIGINT) return hg_json_quote(out, hg_vec_str(key, i));
    int rc = hg_buf_addc(out, '"');
    if (rc == 0) rc = hg_buf_addi64(out, hg_vec_i64(key, i));
    return rc == 0 ? hg_buf_addc(out, '"') : rc;
}

/* variant[i] and variant['name']; NULL where there is no such part. */
int hg_k_variant_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_buf_t key;
    int rc = 0;
    hg_buf_init(&key, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        hg_str_t part;
        bool there = hg_call_valid(c, i);
        if (there) {
            hg_str_t v = hg_vec_str(&args[0], i);
            if (i == 0 || !args[1].konst || !key.len) rc = quoted_key(c, &args[1], i, &key);
            if (rc < 0) break;
            there = hg_variant_member(v, hg_buf_str(&key), &part) ||
                    (c->types[1]->kind == HG_T_BIGINT && hg_variant_element(v, hg_vec_i64(&args[1], i), &part));
        }
        if (!there) hg_bit_clear(c->valid, i);
        rc = there ? hg_colb_var(out, part.p, part.n) : hg_colb_null(out);
    }
    hg_buf_release(&key);
    return rc;
}

/* What is not JSON is NULL. */
int hg_k_parse_json(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_variant_t *v = hg_variant_new();
    hg_buf_t text;
    int rc = 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        hg_buf_clear(&text);
        rc = hg_call_valid(c, i) ? hg_variant_parse(v, hg_vec_str(&args[0], i), &text) : HG_EPARSE;
        bool there = rc == 0;
        if (rc == HG_EPARSE) rc = 0;
        if (rc < 0) break;
        if (!there) hg_bit_clear(c->valid, i);
        rc = there ? hg_colb_var(out, text.p, text.len) : hg_colb_null(out);
    }
    hg_buf_release(&text);
    hg_variant_free(v);
    return rc;
}

/* Text of a VARIANT (aux 0), name of the type of what it holds (1). */
int hg_k_variant_text(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        hg_str_t s = hg_vec_str(&args[0], i);
        if (c->fn->aux) s = hg_strz(hg_variant_type(s));
        rc = hg_colb_var(out, s.p, s.n);
    }
    return rc;
}

int hg_k_variant_null(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    (void)args;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) rc = hg_colb_var(out, "null", 4);
    return rc;
}
