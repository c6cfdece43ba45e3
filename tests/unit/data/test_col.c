/* Columns, builders, change batches, deltas, hash, type JSON. */
#include "base/hg.h"
#include <math.h>
#include <setjmp.h>
#include <cmocka.h>
#include "base/fault.h"
#include "base/mem.h"
#include "data/hash.h"

static hg_arena_t *arena;
static const hg_type_t *t_i64, *t_text, *t_bool, *t_list, *t_f64, *t_char, *t_row;

static int setup(void **state)
{
    (void)state;
    arena = hg_arena_new();
    t_i64 = hg_type_make(arena, HG_T_BIGINT, true, -1, 0);
    t_text = hg_type_make(arena, HG_T_VARCHAR, true, -1, 0);
    t_bool = hg_type_make(arena, HG_T_BOOLEAN, true, -1, 0);
    t_f64 = hg_type_make(arena, HG_T_DOUBLE, true, -1, 0);
    t_char = hg_type_make(arena, HG_T_CHAR, true, 4, 0);
    t_list = hg_type_array(arena, t_text, true);
    hg_field_t *f = HG_ANEWN(arena, hg_field_t, 2);
    f[0] = (hg_field_t){ .name = HG_S("x"), .type = t_i64 };
    f[1] = (hg_field_t){ .name = HG_S("y"), .type = t_list };
    hg_type_t *row = HG_ANEW(arena, hg_type_t);
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 2 };
    t_row = row;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hg_arena_free(arena);
    return 0;
}

static void builder_nulls_and_truncate(void **state)
{
    (void)state;
    hg_colb_t b;
    hg_colb_init(&b, t_i64);
    for (int i = 0; i < 1000; i++) assert_int_equal(i % 3 ? hg_colb_i64(&b, i) : hg_colb_null(&b), 0);
    assert_int_equal(b.nulls, 334);
    hg_colb_truncate(&b, 100);
    assert_int_equal(b.nulls, 34);
    assert_int_equal(hg_colb_i64(&b, 7), 0); /* over a bit that was a null's */
    hg_col_t *c = hg_colb_seal(&b);
    assert_int_equal(c->len, 101);
    assert_int_equal(c->nulls, 34);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(hg_col_null(c, i), i % 3 == 0);
    assert_int_equal(HG_COL(c, int64_t)[100], 7);
    assert_false(hg_col_null(c, 100));
    hg_col_drop(c);
    c = hg_colb_seal(&b); /* empty and usable */
    assert_int_equal(c->len, 0);
    hg_col_drop(c);
    hg_colb_release(&b);
}

static void builder_takes_back_nested_rows(void **state)
{
    (void)state;
    hg_colb_t b;
    hg_colb_init(&b, t_list);
    hg_colb_var(&b.child[0], "one", 3);
    hg_colb_close_list(&b);
    hg_colb_var(&b.child[0], "left", 4);
    hg_colb_var(&b.child[0], "over", 4);
    hg_colb_truncate(&b, b.len); /* the open row goes */
    hg_colb_null(&b);
    hg_colb_zero(&b);
    hg_colb_var(&b.child[0], "two", 3);
    hg_colb_null(&b.child[0]);
    hg_colb_close_list(&b);
    hg_col_t *c = hg_colb_seal(&b);
    assert_int_equal(c->len, 4);
    assert_int_equal(c->child[0]->len, 3);
    assert_int_equal(c->offs[4] - c->offs[3], 2);
    assert_true(hg_str_eqz(hg_col_var(c->child[0], 1), "two"));
    hg_col_t *g;
    hg_err_t err;
    const uint32_t sel[] = { 3, 0, 3, 1 };
    assert_int_equal(hg_col_gather(c, sel, 4, &g, &err), 0);
    assert_int_equal(g->child[0]->len, 5);
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(hg_cell_cmp(g, i, c, sel[i]), 0);
    assert_int_equal(g->nulls, 1);
    hg_col_drop(g);
    hg_col_drop(c);
    hg_colb_release(&b);
}

static void structs_and_copies(void **state)
{
    (void)state;
    hg_colb_t b, d;
    hg_colb_init(&b, t_row);
    hg_colb_init(&d, t_row);
    hg_colb_i64(&b.child[0], 1);
    hg_colb_var(&b.child[1].child[0], "a", 1);
    hg_colb_close_list(&b.child[1]);
    assert_int_equal(hg_colb_close_struct(&b), 0);
    assert_int_equal(hg_colb_null(&b), 0);
    assert_int_equal(hg_colb_zero(&b), 0);
    hg_colb_i64(&b.child[0], 9);
    hg_colb_truncate(&b, b.len);
    hg_col_t *c = hg_colb_seal(&b);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(hg_colb_copy(&d, c, 2 - i), 0);
    hg_col_t *e = hg_colb_seal(&d);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(hg_cell_cmp(e, i, c, 2 - i), 0);
    assert_true(hg_cell_cmp(e, 0, e, 1) > 0 && hg_cell_cmp(e, 0, e, 2) < 0);
    hg_col_t *r = hg_col_retype(e, hg_type_with_null(arena, t_row, false));
    hg_col_drop(e);
    assert_int_equal(hg_cell_cmp(r, 2, c, 0), 0);
    hg_col_drop(r);
    hg_col_drop(c);
    hg_colb_release(&b);
    hg_colb_release(&d);
}

static void builder_survives_lack_of_memory(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (uint64_t n = 1; n < 40; n++) {
        hg_colb_t b;
        uint32_t rows = 0;
        hg_colb_init(&b, t_text);
        hg_fault_arm(HG_FAULT_ALLOC, n);
        for (int i = 0; i < 500; i++) {
            int rc = i % 50 == 49 ? hg_colb_null(&b) : hg_colb_var(&b, "0123456789abcdef", 16);
            failures += rc == HG_ENOMEM;
            if (rc == 0) rows++;
        }
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        hg_col_t *c = hg_colb_seal(&b);
        assert_int_equal(c->len, rows);
        for (uint32_t i = 0; i < rows; i++) assert_true(hg_col_null(c, i) || hg_col_var(c, i).n == 16);
        hg_col_drop(c);
        hg_colb_release(&b);
    }
    assert_true(failures > 3);
}

static void change_batch_ops_and_presence(void **state)
{
    (void)state;
    const hg_field_t f[] = { { .name = HG_S("a"), .type = t_i64 }, { .name = HG_S("b"), .type = t_bool } };
    const hg_schema_t s = { .name = HG_S("t"), .cols = f, .n_cols = 2 };
    hg_changeb_t b;
    hg_changeb_init(&b, &s);
    assert_null(hg_changeb_seal(&b));
    for (int i = 0; i < 600; i++) {
        const uint64_t present = 1;
        hg_colb_i64(&b.cols[0], i);
        hg_colb_bool(&b.cols[1], i & 1);
        assert_int_equal(hg_changeb_row(&b, i < 300 ? HG_OP_INSERT : HG_OP_UPDATE, i < 300 ? NULL : &present), 0);
    }
    hg_colb_i64(&b.cols[0], -1);
    hg_changeb_undo(&b);
    hg_changeb_truncate(&b, 599);
    hg_change_t *c = hg_changeb_seal(&b);
    assert_int_equal(c->rows->n_rows, 599);
    assert_int_equal(c->ops[299], HG_OP_INSERT);
    assert_int_equal(c->ops[300], HG_OP_UPDATE);
    assert_true(hg_bit_get(c->present[1], 299) && !hg_bit_get(c->present[1], 300) && hg_bit_get(c->present[0], 598));
    hg_change_drop(c);
    hg_colb_i64(&b.cols[0], 1);
    hg_colb_bool(&b.cols[1], true);
    hg_changeb_row(&b, HG_OP_INSERT, NULL);
    c = hg_changeb_seal(&b);
    assert_null(c->ops);
    assert_null(c->present);
    hg_change_drop(c);
    hg_changeb_release(&b);
}

static hg_batch_t *pairs(uint32_t n, uint32_t seed)
{
    hg_colb_t a, b;
    hg_batch_t *r = hg_batch_new(n, 2);
    hg_colb_init(&a, t_f64);
    hg_colb_init(&b, t_text);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = (i * 2654435761u + seed) >> 16;
        if (v % 11 == 0)
            hg_colb_null(&a);
        else
            hg_colb_f64(&a, v % 11 == 1 ? (double)NAN : v % 11 == 2 ? -0.0 : v % 11 == 3 ? 0.0 : (double)(v % 11) - 6);
        hg_colb_var(&b, "abcabc", v % 4);
    }
    r->cols[0] = hg_colb_seal(&a);
    r->cols[1] = hg_colb_seal(&b);
    hg_colb_release(&a);
    hg_colb_release(&b);
    return r;
}

static void consolidate_nets_sorts_and_drops_zeros(void **state)
{
    (void)state;
    const hg_type_t *types[] = { t_f64, t_text };
    hg_delta_t d = { 0 }, net;
    hg_err_t err;
    hg_batch_t *b = pairs(5000, 1), *b2 = pairs(5000, 1), *b3 = pairs(300, 99);
    int64_t *minus = hg_xnew(sizeof *minus * 5000);
    for (int i = 0; i < 5000; i++) minus[i] = -1;
    uint32_t *sel = hg_xnew(sizeof *sel * 2);
    sel[0] = 3, sel[1] = 200;
    hg_delta_add(&d, hg_part_new(b, NULL, 5000, NULL));
    hg_delta_add(&d, hg_part_new(b2, NULL, 5000, minus));
    assert_int_equal(hg_delta_consolidate(&d, types, 2, &net, &err), 0);
    assert_int_equal(net.n, 0);
    hg_delta_add(&d, hg_part_new(b3, sel, 2, NULL));
    hg_delta_add(&d, hg_part_new(hg_batch_retain(b3), NULL, 300, NULL));
    uint64_t allocs = hg_mem_allocs();
    assert_int_equal(hg_delta_consolidate(&d, types, 2, &net, &err), 0);
    assert_true(hg_mem_allocs() - allocs < 60);
    assert_int_equal(net.n, 1);
    const hg_batch_t *o = net.parts[0]->batch;
    int64_t sum = 0;
    for (uint32_t i = 0; i < o->n_rows; i++) {
        assert_true(net.parts[0]->weights[i] > 0);
        sum += net.parts[0]->weights[i];
        if (i == 0) continue;
        int c = hg_cell_cmp(o->cols[0], i - 1, o->cols[0], i);
        assert_true(c < 0 || (c == 0 && hg_cell_cmp(o->cols[1], i - 1, o->cols[1], i) < 0));
    }
    assert_int_equal(sum, 302);
    assert_true(o->n_rows <= 10 * 4); /* -0 and 0 are one value */
    hg_delta_release(&net);
    hg_delta_release(&d);
}

/* The rows of a delta as encoders write them: "i*n" for n copies of row i of its batch, deletes first. */
static void spell(const hg_delta_t *d, bool copies, hg_buf_t *out)
{
    hg_buf_init(out, HG_BUF_NOMAX);
    for (int negative = 1; negative >= 0; negative--)
        for (uint32_t i = 0; i < d->n; i++)
            for (uint32_t k = 0; k < d->parts[i]->n; k++) {
                int64_t w = d->parts[i]->weights ? d->parts[i]->weights[k] : 1;
                if ((w < 0) != negative) continue;
                uint32_t row = d->parts[i]->sel ? d->parts[i]->sel[k] : k;
                for (int64_t n = copies ? llabs((long long)w) : 1; n > 0; n--)
                    hg_buf_addf(out, "%c%02u%+02d ", 'a' + (int)(d->parts[i]->batch->n_rows % 26), row,
                                (int)(!copies ? w
                                      : w < 0 ? -1
                                              : 1));
            }
}

/* However many records are skipped, what is left is the end of the whole. */
static void skipping_leaves_the_rest(void **state)
{
    (void)state;
    hg_delta_t d = { 0 }, left;
    int64_t *w1 = hg_xnew(sizeof *w1 * 6), *w2 = hg_xnew(sizeof *w2 * 2);
    uint32_t *sel = hg_xnew(sizeof *sel * 2);
    memcpy(w1, (int64_t[]){ 1, -2, 3, -1, -4, 2 }, sizeof *w1 * 6);
    memcpy(w2, (int64_t[]){ -1, 5 }, sizeof *w2 * 2);
    memcpy(sel, (uint32_t[]){ 2, 7 }, sizeof *sel * 2);
    hg_delta_add(&d, hg_part_new(pairs(6, 1), NULL, 6, w1));
    hg_delta_add(&d, hg_part_new(pairs(4, 2), NULL, 4, NULL));
    hg_delta_add(&d, hg_part_new(pairs(9, 3), sel, 2, w2));
    for (int copies = 0; copies <= 1; copies++) {
        hg_buf_t whole, rest;
        spell(&d, copies, &whole);
        size_t one = 6, n = whole.len / one;
        assert_int_equal(n, copies ? 23 : 12);
        for (size_t skip = 0; skip <= n + 2; skip++) {
            assert_int_equal(hg_delta_skip(&d, skip, copies, &left), 0);
            spell(&left, copies, &rest);
            assert_string_equal(rest.p, whole.p + HG_MIN(skip, n) * one);
            hg_buf_release(&rest);
            hg_delta_release(&left);
        }
        hg_buf_release(&whole);
    }
    hg_delta_release(&d);
}

static void hash_is_keyed_and_canonical(void **state)
{
    (void)state;
    const hg_hashkey_t k1 = { 1, 2 }, k2 = { 1, 3 };
    hg_batch_t *b = pairs(1000, 5);
    uint64_t h[1000], g[1000];
    hg_hash_rows(k1, b->cols, 2, NULL, 1000, h);
    hg_hash_rows(k2, b->cols, 2, NULL, 1000, g);
    unsigned same = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        same += h[i] == g[i];
        for (uint32_t j = i + 1; j < HG_MIN(i + 50, 1000u); j++) {
            bool eq = hg_cell_cmp(b->cols[0], i, b->cols[0], j) == 0 && hg_cell_cmp(b->cols[1], i, b->cols[1], j) == 0;
            assert_int_equal(eq, h[i] == h[j]);
        }
    }
    assert_int_equal(same, 0);
    const uint32_t sel[] = { 7, 3 };
    hg_hash_rows(k1, b->cols, 2, sel, 2, g);
    assert_true(g[0] == h[7] && g[1] == h[3]);
    hg_batch_drop(b);
    /* CHAR without padding, DECIMAL by value */
    hg_colb_t c, d1, d2;
    hg_colb_init(&c, t_char);
    hg_colb_var(&c, "ab", 2);
    hg_colb_var(&c, "ab  ", 4);
    hg_colb_init(&d1, hg_type_make(arena, HG_T_DECIMAL, true, 38, 2));
    hg_colb_init(&d2, hg_type_make(arena, HG_T_DECIMAL, true, 38, 1));
    hg_colb_i128(&d1, 150);
    hg_colb_i128(&d2, 15);
    hg_col_t *cc = hg_colb_seal(&c), *c1 = hg_colb_seal(&d1), *c2 = hg_colb_seal(&d2);
    hg_hash_rows(k1, &cc, 1, NULL, 2, h);
    assert_true(h[0] == h[1]);
    assert_int_equal(hg_cell_cmp(cc, 0, cc, 1), 0);
    hg_hash_rows(k1, &c1, 1, NULL, 1, h);
    hg_hash_rows(k1, &c2, 1, NULL, 1, g);
    assert_true(h[0] == g[0]);
    hg_col_drop(cc);
    hg_col_drop(c1);
    hg_col_drop(c2);
    hg_colb_release(&c);
    hg_colb_release(&d1);
    hg_colb_release(&d2);
}

static void types_as_json_and_sql(void **state)
{
    (void)state;
    hg_type_t *map = HG_ANEW(arena, hg_type_t), *iv = HG_ANEW(arena, hg_type_t);
    *map = (hg_type_t){ .kind = HG_T_MAP,
                        .nullable = true,
                        .precision = -1,
                        .key = hg_type_make(arena, HG_T_VARCHAR, false, -1, 0),
                        .elem = hg_type_make(arena, HG_T_INTEGER, true, -1, 0) };
    *iv = (hg_type_t){ .kind = HG_T_INTERVAL, .precision = -1, .unit = HG_IV_DAY_SECOND };
    const struct {
        const hg_type_t *t;
        const char *json, *sql;
    } cases[] = {
        { map,
          "{\"key\":{\"nullable\":false,\"precision\":-1,\"type\":\"VARCHAR\"},\"nullable\":true,\"type\":\"MAP\","
          "\"value\":{\"nullable\":true,\"type\":\"INTEGER\"}}",
          "MAP<VARCHAR, INTEGER>" },
        { t_row,
          "{\"fields\":[{\"name\":\"x\",\"nullable\":true,\"type\":\"BIGINT\"},{\"component\":{\"nullable\":true,"
          "\"precision\":-1,\"type\":\"VARCHAR\"},\"name\":\"y\",\"nullable\":true,"
          "\"type\":\"ARRAY\"}],\"nullable\":true}",
          "ROW(x BIGINT NULL, y VARCHAR ARRAY NULL)" },
        { iv, "{\"nullable\":false,\"precision\":2,\"scale\":6,\"type\":\"INTERVAL_DAY_SECOND\"}",
          "INTERVAL DAY TO SECOND" },
        { hg_type_make(arena, HG_T_DECIMAL, true, 8, 3),
          "{\"nullable\":true,\"precision\":8,\"scale\":3,\"type\":\"DECIMAL\"}", "DECIMAL(8, 3)" },
        { hg_type_make(arena, HG_T_TIMESTAMP, false, -1, 0),
          "{\"nullable\":false,\"precision\":6,\"type\":\"TIMESTAMP\"}", "TIMESTAMP" },
        { hg_type_make(arena, HG_T_TIME, false, -1, 0), "{\"nullable\":false,\"precision\":9,\"type\":\"TIME\"}",
          "TIME" },
        { hg_type_make(arena, HG_T_UBIGINT, true, -1, 0), "{\"nullable\":true,\"type\":\"UBIGINT\"}",
          "BIGINT UNSIGNED" },
        { hg_type_make(arena, HG_T_VARCHAR, true, 20, 0), "{\"nullable\":true,\"precision\":20,\"type\":\"VARCHAR\"}",
          "VARCHAR(20)" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_buf_t b;
        hg_jw_t w;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        hg_type_json(&w, cases[i].t);
        assert_string_equal(b.p, cases[i].json);
        hg_buf_clear(&b);
        hg_type_text(&b, cases[i].t);
        assert_string_equal(b.p, cases[i].sql);
        hg_buf_release(&b);
    }
    assert_true(hg_type_same(t_i64, hg_type_with_null(arena, t_i64, false)));
    assert_false(hg_type_same(t_list, hg_type_array(arena, hg_type_with_null(arena, t_text, false), true)));
    const hg_field_t f[] = { { .name = HG_S("id"), .type = t_i64 },
                             { .name = HG_S("Id2"), .case_sensitive = true, .type = t_i64 } };
    const hg_schema_t s = { .name = HG_S("t"), .cols = f, .n_cols = 2 };
    assert_int_equal(hg_schema_find(&s, HG_S("ID"), false), 0);
    assert_int_equal(hg_schema_find(&s, HG_S("ID"), true), -1);
    assert_int_equal(hg_schema_find(&s, HG_S("id2"), false), -1);
    assert_int_equal(hg_schema_find(&s, HG_S("Id2"), false), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builder_nulls_and_truncate),
        cmocka_unit_test(builder_takes_back_nested_rows),
        cmocka_unit_test(structs_and_copies),
        cmocka_unit_test(builder_survives_lack_of_memory),
        cmocka_unit_test(change_batch_ops_and_presence),
        cmocka_unit_test(consolidate_nets_sorts_and_drops_zeros),
        cmocka_unit_test(skipping_leaves_the_rest),
        cmocka_unit_test(hash_is_keyed_and_canonical),
        cmocka_unit_test(types_as_json_and_sql),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
