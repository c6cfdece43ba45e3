/* kernel_array.c: functions of arrays. Elements are compared as everywhere (hg_cell_cmp); NULL is smaller than any
 * other and, among elements, equal to NULL. Scratch is grown once per call, not per row. */
#include "base/hg.h"
#include "engine/kernel_nested_int.h"

int hg_nested_append(const hg_vec_t *v, uint32_t i, hg_colb_t *out)
{
    return hg_vec_null(v, i) ? hg_colb_null(out) : hg_colb_copy(out, v->col, hg_vec_at(v, i));
}

/* Of an array that a call makes out of little: a slip of the pen is an error, not all of the memory. */
#define MADE_MAX (INT64_C(1) << 20)

static int too_many(const hg_call_t *c, const char *what)
{
    return hg_call_fail(c, "%s makes an array of more than %" PRId64 " elements", what, MADE_MAX);
}

/* Elements [from, to) of a list's child, to the end of the array that is being made. */
static int copy_elements(const hg_col_t *elems, int32_t from, int32_t to, hg_colb_t *out)
{
    int rc = 0;
    for (int32_t k = from; k < to && rc == 0; k++) rc = hg_colb_copy(&out->child[0], elems, (uint32_t)k);
    return rc;
}

/* --- elements of one array --------------------------------------------------------------------------------------- */

/* Is args[1] an element of args[0] (aux 0), and where (1), from 1; 0: nowhere. */
int hg_k_array_find(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    for (uint32_t i = 0; i < c->n; i++) {
        if (!hg_call_valid(c, i)) continue;
        uint32_t row = hg_vec_at(&args[0], i), x = hg_vec_at(&args[1], i);
        int32_t k = list->offs[row], end = list->offs[row + 1];
        while (k < end && (hg_col_null(elems, (uint32_t)k) || hg_cell_cmp(elems, (uint32_t)k, args[1].col, x) != 0))
            k++;
        if (c->fn->aux)
            HG_COL(out, int64_t)[i] = k < end ? k - list->offs[row] + 1 : 0;
        else if (k < end)
            hg_bit_set(out->data, i);
    }
    return 0;
}

static int added(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col;
    uint32_t row = hg_vec_at(&args[0], i);
    int rc = c->fn->aux == 3 ? hg_nested_append(&args[1], i, &out->child[0]) : 0;
    if (rc == 0) rc = copy_elements(list->child[0], list->offs[row], list->offs[row + 1], out);
    return rc == 0 && c->fn->aux == 2 ? hg_nested_append(&args[1], i, &out->child[0]) : rc;
}

/* The array with args[1] behind it (aux 2) or before it (3). */
int hg_k_array_add(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, 1, added, out);
}

static int picked(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    uint32_t row = hg_vec_at(&args[0], i);
    int32_t from = list->offs[row], end = list->offs[row + 1];
    int rc = 0;
    for (int32_t k = from; k < end && rc == 0; k++) {
        uint32_t at = (uint32_t)(c->fn->aux ? k : end - 1 - (k - from));
        if (c->fn->aux == 0 || !hg_col_null(elems, at)) rc = hg_colb_copy(&out->child[0], elems, at);
    }
    return rc;
}

/* The elements from last to first (aux 0), or those that are not NULL (1). */
int hg_k_array_pick(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, HG_STRICT, picked, out);
}

/* The greatest element (aux 1) or the least (0); NULL if there is none. */
int hg_k_array_best(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        uint32_t row = hg_vec_at(&args[0], i), best = 0;
        bool there = false;
        for (int32_t k = list->offs[row]; hg_call_valid(c, i) && k < list->offs[row + 1]; k++) {
            if (hg_col_null(elems, (uint32_t)k)) continue;
            int order = there ? hg_cell_cmp(elems, (uint32_t)k, elems, best) : 0;
            if (there && (c->fn->aux ? order <= 0 : order >= 0)) continue;
            best = (uint32_t)k;
            there = true;
        }
        rc = hg_nested_put(c, i, elems, best, there, out);
    }
    return rc;
}

/* The one element; NULL if there is none. */
int hg_k_element(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col;
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        uint32_t row = hg_vec_at(&args[0], i);
        int32_t n = hg_call_valid(c, i) ? list->offs[row + 1] - list->offs[row] : 0;
        if (n > 1) return hg_call_fail(c, "ELEMENT of an array of %d elements: it may have one at most", n);
        rc = hg_nested_put(c, i, list->child[0], n ? (uint32_t)list->offs[row] : 0, n > 0, out);
    }
    return rc;
}

static int kept(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    uint32_t row = hg_vec_at(&args[0], i), x = hg_vec_at(&args[1], i);
    int rc = 0;
    (void)c;
    for (int32_t k = list->offs[row]; k < list->offs[row + 1] && rc == 0; k++)
        if (hg_col_null(elems, (uint32_t)k) || hg_cell_cmp(elems, (uint32_t)k, args[1].col, x) != 0)
            rc = hg_colb_copy(&out->child[0], elems, (uint32_t)k);
    return rc;
}

/* Without the elements that equal args[1]. */
int hg_k_array_remove(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, HG_STRICT, kept, out);
}

/* n NULL elements. */
static int pad(hg_colb_t *out, int64_t n)
{
    int rc = 0;
    while (n-- > 0 && rc == 0) rc = hg_colb_null(&out->child[0]);
    return rc;
}

static int inserted(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col;
    int64_t pos = hg_vec_i64(&args[1], i);
    if (pos == 0) return hg_call_fail(c, "ARRAY_INSERT at position 0: positions count from 1, or from -1 at the end");
    if (pos > MADE_MAX || pos < -MADE_MAX) return too_many(c, "ARRAY_INSERT");
    uint32_t row = hg_vec_at(&args[0], i);
    int32_t from = list->offs[row], to = list->offs[row + 1];
    int64_t n = to - from, at = pos > 0 ? pos - 1 : n + pos + 1; /* elements before the new one */
    int32_t cut = from + (int32_t)HG_MIN(HG_MAX(at, 0), n);
    int rc = copy_elements(list->child[0], from, cut, out);
    if (rc == 0) rc = pad(out, at - n);
    if (rc == 0) rc = hg_nested_append(&args[2], i, &out->child[0]);
    if (rc == 0) rc = pad(out, -at);
    return rc == 0 ? copy_elements(list->child[0], cut, to, out) : rc;
}

/* args[2] put in at position args[1], from 1, or from the end when negative (-1: behind the last one); NULLs fill the
 * room between it and the array. */
int hg_k_array_insert(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, 1 | 2, inserted, out);
}

/* --- arrays that are made ---------------------------------------------------------------------------------------- */

static int joined(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t k = 0; k < c->n_args && rc == 0; k++) {
        const hg_col_t *list = args[k].col;
        uint32_t row = hg_vec_at(&args[k], i);
        rc = copy_elements(list->child[0], list->offs[row], list->offs[row + 1], out);
    }
    return rc;
}

int hg_k_array_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, HG_STRICT, joined, out);
}

static int repeated(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    int64_t n = hg_vec_i64(&args[1], i);
    int rc = 0;
    if (n > MADE_MAX) return too_many(c, "ARRAY_REPEAT");
    for (; n > 0 && rc == 0; n--) rc = hg_nested_append(&args[0], i, &out->child[0]);
    return rc;
}

/* args[0], which may be NULL, args[1] times. */
int hg_k_array_repeat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, 2, repeated, out);
}

static int sequence(const hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    bool wide = c->type->elem->kind == HG_T_BIGINT;
    int64_t first = hg_vec_i64(&args[0], i), last = hg_vec_i64(&args[1], i);
    uint64_t n = first > last ? 0 : (uint64_t)last - (uint64_t)first + 1;
    int rc = 0;
    if (first <= last && n - 1 >= (uint64_t)MADE_MAX) return too_many(c, "SEQUENCE");
    for (uint64_t k = 0; k < n && rc == 0; k++) {
        int64_t v = first + (int64_t)k;
        rc = wide ? hg_colb_i64(&out->child[0], v) : hg_colb_i32(&out->child[0], (int32_t)v);
    }
    return rc;
}

/* From args[0] to args[1], both of them in it. */
int hg_k_sequence(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return hg_nested_arrays(c, args, HG_STRICT, sequence, out);
}

/* Texts with args[1] between them; a NULL is args[2] if that is given and not NULL, else it is left out. */
int hg_k_array_to_string(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *list = args[0].col, *elems = list->child[0];
    hg_buf_t text;
    int rc = 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (hg_vec_null(&args[0], i) || hg_vec_null(&args[1], i)) {
            rc = hg_colb_null(out);
            continue;
        }
        uint32_t row = hg_vec_at(&args[0], i);
        bool any = false, shown = c->n_args > 2 && !hg_vec_null(&args[2], i);
        hg_buf_clear(&text);
        for (int32_t k = list->offs[row]; k < list->offs[row + 1] && rc == 0; k++) {
            bool null = hg_col_null(elems, (uint32_t)k);
            if (null && !shown) continue;
            if (any) rc = hg_buf_addstr(&text, hg_vec_str(&args[1], i));
            if (rc == 0) rc = hg_buf_addstr(&text, null ? hg_vec_str(&args[2], i) : hg_col_var(elems, (uint32_t)k));
            any = true;
        }
        if (rc == 0) rc = hg_colb_var(out, text.len ? text.p : "", text.len);
    }
    hg_buf_release(&text);
    return rc;
}

/* --- order, and arrays as sets ----------------------------------------------------------------------------------- */

typedef struct { /* numbers of elements, of one array or of the two sides */
    uint32_t *v[2], n[2], cap[2];
} order_t;

static int by_value(const void *a, const void *b, void *elems)
{
    const uint32_t *x = a, *y = b;
    int order = hg_cell_cmp(elems, *x, elems, *y);
    return order ? order : *x < *y ? -1 : *x > *y;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The elements of a row, rising; of equal ones the first comes first. */
static int rising(order_t *o, uint32_t side, const hg_vec_t *list, uint32_t i)
{
    const hg_col_t *l = list->col;
    uint32_t row = hg_vec_at(list, i), from = (uint32_t)l->offs[row], n = (uint32_t)l->offs[row + 1] - from;
    if (n > o->cap[side]) {
        uint32_t *v = hg_trygrow(o->v[side], sizeof *v * n);
        if (!v) return HG_ENOMEM;
        o->v[side] = v;
        o->cap[side] = n;
    }
    o->n[side] = n;
    for (uint32_t k = 0; k < n; k++) o->v[side][k] = from + k;
    if (n > 1) qsort_r(o->v[side], n, sizeof *o->v[side], by_value, l->child[0]);
    return 0;
}

/* Of equal elements only the first. */
static void unique(order_t *o, uint32_t side, const hg_col_t *elems)
{
    uint32_t kept = 0, *v = o->v[side];
    for (uint32_t k = 0; k < o->n[side]; k++)
        if (k == 0 || hg_cell_cmp(elems, v[kept - 1], elems, v[k]) != 0) v[kept++] = v[k];
    o->n[side] = kept;
}

static void end(order_t *o)
{
    hg_free(o->v[0]);
    hg_free(o->v[1]);
}

static int copy_numbered(const hg_col_t *elems, const uint32_t *v, uint32_t n, bool backward, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t k = 0; k < n && rc == 0; k++) rc = hg_colb_copy(&out->child[0], elems, v[backward ? n - 1 - k : k]);
    return rc;
}

/* SORT_ARRAY (aux 0) and ARRAY_DISTINCT, which keeps the order (1). */
int hg_k_array_order(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *elems = args[0].col->child[0];
    order_t o = { 0 };
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        bool falling = c->n_args > 1 && !hg_bit_get(args[1].col->data, hg_vec_at(&args[1], i));
        rc = rising(&o, 0, &args[0], i);
        if (rc == 0 && c->fn->aux) {
            unique(&o, 0, elems);
            if (o.n[0] > 1) qsort(o.v[0], o.n[0], sizeof *o.v[0], by_number);
        }
        if (rc == 0) rc = copy_numbered(elems, o.v[0], o.n[0], falling, out);
        if (rc == 0) rc = hg_colb_close_list(out);
    }
    end(&o);
    return rc;
}

/* What is in the left side alone, in the right one alone, and in both: which of these the result has. */
enum { LEFT = 1, RIGHT = 2, BOTH = 4 };

/* Both sides rise and repeat nothing. */
static int merge(const order_t *o, const hg_col_t *l, const hg_col_t *r, int wanted, hg_colb_t *out)
{
    uint32_t a = 0, b = 0;
    int rc = 0;
    while ((a < o->n[0] || b < o->n[1]) && rc == 0) {
        int order = a == o->n[0] ? 1 : b == o->n[1] ? -1 : hg_cell_cmp(l, o->v[0][a], r, o->v[1][b]);
        int where = order < 0 ? LEFT : order > 0 ? RIGHT : BOTH;
        if (wanted & where) rc = hg_colb_copy(&out->child[0], order > 0 ? r : l, order > 0 ? o->v[1][b] : o->v[0][a]);
        a += order <= 0;
        b += order >= 0;
    }
    return rc;
}

/* aux: ARRAY_EXCEPT 0, ARRAY_INTERSECT 1, ARRAY_UNION 2. The result rises. */
int hg_k_array_set(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    static const int wanted[] = { LEFT, BOTH, LEFT | RIGHT | BOTH };
    const hg_col_t *elems[2] = { args[0].col->child[0], args[1].col->child[0] };
    order_t o = { 0 };
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) {
            rc = hg_colb_null(out);
            continue;
        }
        for (uint32_t k = 0; k < 2 && rc == 0; k++) {
            rc = rising(&o, k, &args[k], i);
            if (rc == 0) unique(&o, k, elems[k]);
        }
        if (rc == 0) rc = merge(&o, elems[0], elems[1], wanted[c->fn->aux], out);
        if (rc == 0) rc = hg_colb_close_list(out);
    }
    end(&o);
    return rc;
}

/* Is some element that is not NULL in both? Unknown if none is and one of them, neither empty, has a NULL. */
int hg_k_arrays_overlap(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    const hg_col_t *l = args[0].col->child[0], *r = args[1].col->child[0];
    order_t o = { 0 };
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) continue;
        rc = rising(&o, 0, &args[0], i);
        if (rc == 0) rc = rising(&o, 1, &args[1], i);
        if (rc < 0 || o.n[0] == 0 || o.n[1] == 0) continue;
        bool null = hg_col_null(l, o.v[0][0]) || hg_col_null(r, o.v[1][0]), common = false; /* NULLs come first */
        for (uint32_t a = 0, b = 0; a < o.n[0] && b < o.n[1] && !common;) {
            int order = hg_cell_cmp(l, o.v[0][a], r, o.v[1][b]);
            common = order == 0 && !hg_col_null(l, o.v[0][a]);
            a += order <= 0;
            b += order >= 0;
        }
        if (common)
            hg_bit_set(out->data, i);
        else if (null)
            hg_bit_clear(c->valid, i);
    }
    end(&o);
    return rc;
}
