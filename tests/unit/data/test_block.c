/* Blocks: every type there and back, selections, weights; what does not fit is refused, and what is read is exactly
 * what was written, byte by byte. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "base/fault.h"
#include "base/mem.h"
#include "data/block.h"

typedef struct {
    uint64_t s;
} rnd_t;
static uint32_t below(rnd_t *r, uint32_t n)
{
    r->s = r->s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(r->s >> 33) % n;
}

/* --- all types --- */

typedef struct {
    hg_arena_t *a;
    const hg_type_t *v[80];
    uint32_t n;
} types_t;

static const hg_type_t *scalar(hg_arena_t *a, hg_kind_t k, bool nullable)
{
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    *t = (hg_type_t){ .kind = k, .nullable = nullable, .precision = k == HG_T_DECIMAL ? 38 : -1, .scale = 2 };
    return t;
}

static void all_types(types_t *t)
{
    t->a = hg_arena_new();
    t->n = 0;
    for (hg_kind_t k = HG_T_NULL; k < HG_T_N; k++) {
        if (k == HG_T_ARRAY || k == HG_T_MAP || k == HG_T_ROW || k == HG_T_GEOMETRY) continue;
        if (k != HG_T_NULL) t->v[t->n++] = scalar(t->a, k, false);
        t->v[t->n++] = scalar(t->a, k, true);
    }
    const hg_type_t *list = hg_type_array(t->a, scalar(t->a, HG_T_VARCHAR, true), true);
    hg_type_t *map = HG_ANEW(t->a, hg_type_t), *row = HG_ANEW(t->a, hg_type_t);
    *map = (hg_type_t){
        .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = scalar(t->a, HG_T_INTEGER, false), .elem = list
    };
    hg_field_t *f = HG_ANEWN(t->a, hg_field_t, 3);
    f[0] = (hg_field_t){ .name = HG_S("x"), .type = scalar(t->a, HG_T_BOOLEAN, true) };
    f[1] = (hg_field_t){ .name = HG_S("y"), .type = map };
    f[2] = (hg_field_t){ .name = HG_S("z"), .type = scalar(t->a, HG_T_UUID, true) };
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 3 };
    t->v[t->n++] = list;
    t->v[t->n++] = map;
    t->v[t->n++] = row;
    t->v[t->n++] = hg_type_array(t->a, row, false);
    t->v[t->n++] = hg_type_array(t->a, list, true);
}

static void put_cell(hg_colb_t *b, rnd_t *r)
{
    const hg_type_t *t = b->type;
    char text[40];
    if (b->phys == HG_PHYS_NULL || (t->nullable && below(r, 4) == 0)) {
        assert_int_equal(hg_colb_null(b), 0);
        return;
    }
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)below(r, 256);
    switch (hg_phys_shape(b->phys)) {
    case HG_SHAPE_NULL:
        return;
    case HG_SHAPE_BIT:
        assert_int_equal(hg_colb_bool(b, below(r, 2)), 0);
        return;
    case HG_SHAPE_FIXED:
        assert_int_equal(hg_colb_fixed(b, text), 0);
        return;
    case HG_SHAPE_VAR:
        assert_int_equal(hg_colb_var(b, text, below(r, 30)), 0);
        return;
    case HG_SHAPE_LIST:
        for (uint32_t i = below(r, 4); i > 0; i--)
            for (uint32_t c = 0; c < b->n_child; c++) put_cell(&b->child[c], r);
        assert_int_equal(hg_colb_close_list(b), 0);
        return;
    case HG_SHAPE_STRUCT:
        for (uint32_t c = 0; c < b->n_child; c++) put_cell(&b->child[c], r);
        assert_int_equal(hg_colb_close_struct(b), 0);
        return;
    }
}

static hg_batch_t *rnd_batch(const types_t *t, uint32_t rows, rnd_t *r)
{
    hg_batch_t *b = hg_batch_new(rows, t->n);
    for (uint32_t c = 0; c < t->n; c++) {
        hg_colb_t cb;
        hg_colb_init(&cb, t->v[c]);
        for (uint32_t i = 0; i < rows; i++) put_cell(&cb, r);
        b->cols[c] = hg_colb_seal(&cb);
        hg_colb_release(&cb);
    }
    return b;
}

static void same_cells(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j)
{
    size_t w = hg_phys_width(hg_type_phys(a->type));
    assert_int_equal(hg_col_null(a, i), hg_col_null(b, j));
    if (hg_col_null(a, i)) return;
    if (w) /* bit by bit: −0 and each NaN keep their bits */
        assert_memory_equal((const char *)a->data + w * i, (const char *)b->data + w * j, w);
    else
        assert_int_equal(hg_cell_cmp(a, i, b, j), 0);
}

static hg_part_t *there_and_back(const types_t *t, const hg_batch_t *b, const uint32_t *sel, uint32_t n,
                                 const int64_t *weights)
{
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t out, again;
    hg_part_t *p = NULL;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&again, HG_BUF_NOMAX);
    hg_buf_adds(&out, "before"); /* blocks need no alignment */
    assert_int_equal(hg_block_write(&out, b, t->v, sel, n, weights, &err), 0);
    size_t len = out.len;
    hg_buf_adds(&out, "after");
    hg_str_t in = { out.p + 6, out.len - 6 };
    if (hg_block_read(&in, t->v, t->n, &p, &err) < 0) fail_msg("%s", err.msg);
    assert_int_equal(in.n, 5);
    assert_int_equal(p->n, n);
    assert_int_equal(hg_block_write(&again, p->batch, t->v, NULL, n, p->weights, &err), 0);
    assert_int_equal(again.len, len - 6);
    assert_memory_equal(again.p, out.p + 6, again.len);
    hg_buf_release(&out);
    hg_buf_release(&again);
    return p;
}

static void all_of_them(void **state)
{
    static const uint32_t sizes[] = { 0, 1, 7, 8, 9, 300 };
    types_t t;
    (void)state;
    all_types(&t);
    for (size_t s = 0; s < HG_COUNT(sizes); s++) {
        rnd_t r = { s };
        hg_batch_t *b = rnd_batch(&t, sizes[s], &r);
        hg_part_t *p = there_and_back(&t, b, NULL, sizes[s], NULL);
        assert_null(p->weights);
        for (uint32_t c = 0; c < t.n; c++)
            for (uint32_t i = 0; i < sizes[s]; i++) same_cells(b->cols[c], i, p->batch->cols[c], i);
        hg_part_drop(p);
        hg_batch_drop(b);
    }
    hg_arena_free(t.a);
}

static void selections(void **state)
{
    types_t t;
    rnd_t r = { 9 };
    uint32_t sel[120];
    int64_t w[120];
    (void)state;
    all_types(&t);
    hg_batch_t *b = rnd_batch(&t, 200, &r);
    for (uint32_t i = 0; i < 120; i++) {
        sel[i] = below(&r, 200);
        w[i] = below(&r, 2) ? INT64_MIN + i : (int64_t)i + 1;
    }
    hg_part_t *p = there_and_back(&t, b, sel, 120, w);
    assert_memory_equal(p->weights, w, sizeof w);
    for (uint32_t c = 0; c < t.n; c++)
        for (uint32_t i = 0; i < 120; i++) same_cells(b->cols[c], sel[i], p->batch->cols[c], i);
    hg_part_drop(p);
    hg_batch_drop(b);
    hg_arena_free(t.a);
}

/* A sealed column may be a slice: its offsets begin anywhere. */
static void offsets_that_do_not_begin_at_0(void **state)
{
    types_t t = { .a = hg_arena_new(), .n = 1 };
    rnd_t r = { 3 };
    (void)state;
    t.v[0] = hg_type_array(t.a, scalar(t.a, HG_T_VARCHAR, true), false);
    hg_batch_t *b = rnd_batch(&t, 40, &r);
    hg_col_t *whole = b->cols[0], *slice = hg_col_retype(whole, hg_type_array(t.a, t.v[0]->elem, false));
    slice->offs += 10;
    slice->len = 20;
    hg_batch_t *part = hg_batch_new(20, 1);
    part->cols[0] = slice;
    hg_part_t *p = there_and_back(&t, part, NULL, 20, NULL);
    for (uint32_t i = 0; i < 20; i++) same_cells(whole, i + 10, p->batch->cols[0], i);
    hg_part_drop(p);
    hg_batch_drop(part);
    hg_batch_drop(b);
    hg_arena_free(t.a);
}

/* --- what does not fit --- */

static hg_buf_t small_block(const types_t *t)
{
    rnd_t r = { 5 };
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    int64_t w[] = { 1, -1, 2 };
    hg_batch_t *b = rnd_batch(t, 3, &r);
    hg_buf_init(&out, HG_BUF_NOMAX);
    assert_int_equal(hg_block_write(&out, b, t->v, NULL, 3, w, &err), 0);
    hg_batch_drop(b);
    return out;
}

/* Exactly as long as it says, so that a reader that goes too far is seen. */
static int read_copy(const types_t *t, const char *p, size_t n, hg_part_t **ret, hg_err_t *err)
{
    char *copy = hg_xnew(n + 1);
    memcpy(copy, p, n);
    hg_str_t in = { copy, n };
    *err = HG_ERR_INIT;
    int rc = hg_block_read(&in, t->v, t->n, ret, err);
    assert_true(rc == 0 || in.n == n);
    hg_free(copy);
    return rc;
}

static void damaged_bytes(void **state)
{
    types_t t;
    hg_part_t *p;
    hg_err_t err;
    uint32_t refused = 0;
    (void)state;
    all_types(&t);
    hg_buf_t b = small_block(&t);
    for (size_t i = 0; i < b.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
            int rc = read_copy(&t, b.p, b.len, &p, &err);
            if (rc < 0) {
                assert_int_equal(rc, HG_EDAMAGED);
                assert_true(err.msg[0]);
                refused++;
            } else { /* other values: they are what the bytes say */
                hg_buf_t again;
                hg_buf_init(&again, HG_BUF_NOMAX);
                assert_int_equal(hg_block_write(&again, p->batch, t.v, NULL, p->n, p->weights, &err), 0);
                assert_int_equal(again.len, b.len);
                assert_memory_equal(again.p, b.p, b.len);
                hg_buf_release(&again);
                hg_part_drop(p);
            }
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
        }
    }
    assert_true(refused > 1000);
    for (size_t n = 0; n < b.len; n++) assert_int_equal(read_copy(&t, b.p, n, &p, &err), HG_EDAMAGED);
    hg_buf_release(&b);
    hg_arena_free(t.a);
}

static void other_types(void **state)
{
    types_t t, u;
    hg_part_t *p;
    hg_err_t err;
    (void)state;
    all_types(&t);
    all_types(&u);
    hg_buf_t b = small_block(&t);
    u.n--;
    assert_int_equal(read_copy(&u, b.p, b.len, &p, &err), HG_EDAMAGED);
    assert_non_null(strstr(err.msg, "columns instead of"));
    u.n++;
    u.v[3] = scalar(u.a, HG_T_DOUBLE, false);
    assert_int_equal(read_copy(&u, b.p, b.len, &p, &err), HG_EDAMAGED);
    assert_non_null(strstr(err.msg, "column 3 of a block"));
    hg_buf_release(&b);
    hg_arena_free(t.a);
    hg_arena_free(u.a);
}

static void memory_and_limits(void **state)
{
    types_t t;
    hg_err_t err = HG_ERR_INIT;
    rnd_t r = { 5 };
    uint32_t sel[] = { 2, 0, 1 };
    (void)state;
    all_types(&t);
    hg_batch_t *b = rnd_batch(&t, 3, &r);
    hg_buf_t whole = small_block(&t);
    for (uint64_t n = 1;; n++) {
        hg_buf_t out;
        hg_part_t *p = NULL;
        hg_buf_init(&out, HG_BUF_NOMAX);
        hg_str_t in = hg_buf_str(&whole);
        hg_fault_arm(HG_FAULT_ALLOC, n);
        int rc = hg_block_write(&out, b, t.v, sel, 3, NULL, &err);
        int rc2 = hg_block_read(&in, t.v, t.n, &p, &err);
        bool fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        if (rc < 0) {
            assert_int_equal(rc, HG_ENOMEM);
            assert_int_equal(out.len, 0);
        }
        if (rc2 < 0)
            assert_int_equal(rc2, HG_ENOMEM);
        else
            hg_part_drop(p);
        assert_int_equal(rc < 0 || rc2 < 0, fired);
        hg_buf_release(&out);
        if (!fired) break;
    }
    hg_buf_t tight;
    hg_buf_init(&tight, 500);
    assert_int_equal(hg_buf_adds(&tight, "x"), 0);
    assert_int_equal(hg_block_write(&tight, b, t.v, NULL, 3, NULL, &err), HG_ETOOBIG);
    assert_int_equal(tight.len, 1);
    hg_buf_release(&tight);
    hg_buf_release(&whole);
    hg_batch_drop(b);
    hg_arena_free(t.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them),
        cmocka_unit_test(selections),
        cmocka_unit_test(offsets_that_do_not_begin_at_0),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(other_types),
        cmocka_unit_test(memory_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
