/* UNNEST as an operator: weights and selections are those of the rows, parts stay small however wide the rows are, no
 * more is made than is wanted, and every allocation may fail. */
#include "base/hg.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"
#include "tests/unit/engine/circuit_fixture.h"

enum { COL_ID, COL_WIDE, COL_INTS, COL_ROWS, COLS };

typedef struct {
    hg_arena_t *a;
    const hg_type_t *types[COLS], *out[4];
    hg_node_t scan, unnest;
    hg_expr_t list;
    const hg_expr_t *exprs[1];
    const hg_node_t *in[1];
    uint32_t carry[2];
    hg_graph_t g;
    zset_t got;
    uint32_t parts, most;
    uint32_t stop_after; /* parts; 0: never */
} test_t;

static int sink(void *arg, hg_part_t *part, hg_err_t *err)
{
    test_t *t = arg;
    (void)err;
    if (part->n < 100) zset_add_part(&t->got, part);
    assert_true(part->n <= HG_PART_ROWS);
    t->most = HG_MAX(t->most, part->n);
    t->parts++;
    hg_part_drop(part);
    return t->parts == t->stop_after ? HG_ENOUGH : 0;
}

/* UNNEST of column `list` into `own` columns of these types, and behind them the id or the wide column. */
static void open_over(test_t *t, uint32_t list, const hg_type_t *const *own, uint32_t n_own, bool ordinality,
                      uint32_t carry)
{
    static const hg_step_t step = { .number = 1, .mode = HG_MODE_INCREMENTAL };
    hg_err_t err = HG_ERR_INIT;
    uint32_t n = 0;
    for (; n < n_own; n++) t->out[n] = own[n];
    if (ordinality) t->out[n++] = hg_type_make(t->a, HG_T_INTEGER, false, -1, 0);
    t->out[n++] = t->types[carry];
    t->carry[0] = carry;
    t->scan = (hg_node_t){ .kind = HG_N_SCAN, .types = t->types, .n_cols = COLS };
    t->list = (hg_expr_t){ .kind = HG_X_COL, .type = t->types[list], .col = list };
    t->exprs[0] = &t->list;
    t->in[0] = &t->scan;
    t->unnest = (hg_node_t){ .kind = HG_N_UNNEST,
                             .types = t->out,
                             .n_cols = n,
                             .in = t->in,
                             .n_in = 1,
                             .exprs = t->exprs,
                             .n_exprs = 1,
                             .carry = t->carry,
                             .n_carry = 1,
                             .ordinality = ordinality };
    assert_int_equal(hg_graph_open(&t->g, &t->unnest, sink, t, 0, &err), 0);
    t->g.step = &step;
}

static void begin(test_t *t)
{
    *t = (test_t){ .a = hg_arena_new() };
    const hg_type_t *num = hg_type_make(t->a, HG_T_INTEGER, true, -1, 0);
    hg_type_t *row = HG_ANEW(t->a, hg_type_t);
    hg_field_t *f = HG_ANEWN(t->a, hg_field_t, 2);
    f[0] = (hg_field_t){ .name = HG_S("x"), .type = num };
    f[1] = (hg_field_t){ .name = HG_S("s"), .type = hg_type_make(t->a, HG_T_VARCHAR, true, -1, 0) };
    *row = *hg_type_make(t->a, HG_T_ROW, true, -1, 0);
    row->fields = f;
    row->n_fields = 2;
    t->types[COL_ID] = hg_type_make(t->a, HG_T_BIGINT, false, -1, 0);
    t->types[COL_WIDE] = f[1].type;
    t->types[COL_INTS] = hg_type_array(t->a, num, true);
    t->types[COL_ROWS] = hg_type_array(t->a, row, true);
}

static void end(test_t *t)
{
    hg_graph_close(&t->g);
    zset_release(&t->got);
    hg_arena_free(t->a);
}

/* Row i: id i, n[i] elements 10 * i, 10 * i + 1, … of which every third is NULL (n[i] < 0: no array), wide bytes. */
static hg_batch_t *rows(test_t *t, const int32_t *n, uint32_t n_rows, uint32_t wide)
{
    hg_colb_t b[COLS];
    hg_batch_t *batch = hg_batch_new(n_rows, COLS);
    char *text = hg_xzero(wide + 1);
    memset(text, 'w', wide);
    for (uint32_t c = 0; c < COLS; c++) hg_colb_init(&b[c], t->types[c]);
    for (uint32_t i = 0; i < n_rows; i++) {
        hg_colb_i64(&b[COL_ID], i);
        hg_colb_var(&b[COL_WIDE], text, wide);
        for (int32_t k = 0; k < n[i]; k++) {
            hg_colb_t *ints = &b[COL_INTS].child[0], *row = &b[COL_ROWS].child[0];
            int32_t v = (int32_t)i * 10 + k;
            char s[16];
            int len = snprintf(s, sizeof s, "s%" PRId32, v);
            k % 3 == 2 ? hg_colb_null(ints) : hg_colb_i32(ints, v);
            if (k % 3 == 2) { /* a NULL row has cells, too */
                hg_colb_null(row);
                continue;
            }
            hg_colb_i32(&row->child[0], v);
            k % 3 == 1 ? hg_colb_null(&row->child[1]) : hg_colb_var(&row->child[1], s, (size_t)len);
            hg_colb_close_struct(row);
        }
        n[i] < 0 ? hg_colb_null(&b[COL_INTS]) : hg_colb_close_list(&b[COL_INTS]);
        n[i] < 0 ? hg_colb_null(&b[COL_ROWS]) : hg_colb_close_list(&b[COL_ROWS]);
    }
    for (uint32_t c = 0; c < COLS; c++) {
        batch->cols[c] = hg_colb_seal(&b[c]);
        hg_colb_release(&b[c]);
    }
    hg_free(text);
    return batch;
}

/* Rows sel[0..n) with these weights; *ret_rc of the operator. */
static int feed(test_t *t, hg_batch_t *b, const uint32_t *sel, uint32_t n, const int64_t *weights, hg_err_t *err)
{
    uint32_t *s = NULL;
    int64_t *w = NULL;
    if (sel) s = memcpy(hg_xnew(sizeof *s * n), sel, sizeof *s * n);
    if (weights) w = memcpy(hg_xnew(sizeof *w * n), weights, sizeof *w * n);
    return hg_graph_feed(&t->g, 0, hg_part_new(b, s, n, w), err);
}

static void expect(test_t *t, const char *const *want, const int64_t *w, uint32_t n)
{
    zset_t z = { 0 };
    for (uint32_t i = 0; i < n; i++) zset_add(&z, want[i], w[i]);
    zset_check(&z, &t->got);
    zset_release(&z);
}

static const int32_t few[] = { 2, -1, 0, 4, 1 };

static void an_element_has_the_weight_of_its_row(void **state)
{
    (void)state;
    static const char *const want[] = { "0|1|0", "1|2|0", "30|1|3", "31|2|3", "NULL|3|3", "33|4|3" };
    static const int64_t w[] = { -2, -2, 5, 5, 5, 5 };
    hg_err_t err = HG_ERR_INIT;
    test_t t;
    begin(&t);
    open_over(&t, COL_INTS, &t.types[COL_INTS]->elem, 1, true, COL_ID);
    assert_int_equal(feed(&t, rows(&t, few, 5, 1), (uint32_t[]){ 0, 1, 2, 3 }, 4, (int64_t[]){ -2, 1, 1, 5 }, &err), 0);
    expect(&t, want, w, 6);
    end(&t);
}

static void fields_of_rows_are_columns(void **state)
{
    (void)state;
    static const char *const want[] = { "0|'s0'|0",    "1|NULL|0",   "30|'s30'|3", "31|NULL|3",
                                        "NULL|NULL|3", "33|'s33'|3", "40|'s40'|4" };
    static const int64_t w[] = { 1, 1, 1, 1, 1, 1, 1 };
    hg_err_t err = HG_ERR_INIT;
    test_t t;
    begin(&t);
    const hg_field_t *f = t.types[COL_ROWS]->elem->fields;
    open_over(&t, COL_ROWS, (const hg_type_t *const[]){ f[0].type, f[1].type }, 2, false, COL_ID);
    assert_int_equal(feed(&t, rows(&t, few, 5, 1), NULL, 5, NULL, &err), 0);
    expect(&t, want, w, 7);
    end(&t);
}

/* 200,000 elements beside an id; 3,000 beside a text of 10,000 bytes, of which about 200 fit into a part. */
static void parts_are_small(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    test_t t;
    begin(&t);
    open_over(&t, COL_INTS, &t.types[COL_INTS]->elem, 1, true, COL_ID);
    assert_int_equal(feed(&t, rows(&t, (int32_t[]){ 100000, 0, 100000 }, 3, 1), NULL, 3, NULL, &err), 0);
    assert_int_equal(t.parts, 200000 / HG_PART_ROWS + 1);
    end(&t);
    begin(&t);
    open_over(&t, COL_INTS, &t.types[COL_INTS]->elem, 1, true, COL_WIDE);
    assert_int_equal(feed(&t, rows(&t, (int32_t[]){ 3000 }, 1, 10000), NULL, 1, NULL, &err), 0);
    assert_true(t.most <= HG_PART_BYTES / 10000 && t.parts >= 3000 / t.most);
    end(&t);
}

static void enough_is_enough(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    test_t t;
    begin(&t);
    t.stop_after = 2;
    open_over(&t, COL_INTS, &t.types[COL_INTS]->elem, 1, true, COL_ID);
    assert_int_equal(feed(&t, rows(&t, (int32_t[]){ 100000, 100000 }, 2, 1), NULL, 2, NULL, &err), HG_ENOUGH);
    assert_int_equal(t.parts, 2);
    end(&t);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool done = false;
    uint32_t failed = 0;
    for (uint32_t i = 1; !done; i++) {
        hg_err_t err = HG_ERR_INIT;
        test_t t;
        begin(&t);
        const hg_field_t *f = t.types[COL_ROWS]->elem->fields;
        open_over(&t, COL_ROWS, (const hg_type_t *const[]){ f[0].type, f[1].type }, 2, true, COL_ID);
        hg_batch_t *b = rows(&t, few, 5, 1);
        hg_part_t *p = hg_part_new(b, NULL, 5, NULL);
        p->weights = hg_xzero(sizeof *p->weights * 5);
        for (uint32_t k = 0; k < 5; k++) p->weights[k] = -1;
        hg_fault_arm(HG_FAULT_ALLOC, i);
        int rc = hg_graph_feed(&t.g, 0, p, &err);
        done = !hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        failed += !done;
        assert_int_equal(rc, done ? 0 : HG_ENOMEM);
        assert_true(done == (t.got.n > 0));
        end(&t);
    }
    assert_true(failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_has_the_weight_of_its_row),
        cmocka_unit_test(fields_of_rows_are_columns),
        cmocka_unit_test(parts_are_small),
        cmocka_unit_test(enough_is_enough),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
