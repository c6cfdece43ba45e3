/* Expressions: three-valued logic, laziness by row, selections, constant folding, failed allocations, allocations per
 * million rows. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"
#include "base/fault.h"

static const hg_type_t *boolean(void)
{
    return type_of("BOOLEAN");
}

static const hg_expr_t *node(hg_expr_kind_t kind, const hg_type_t *type, const hg_expr_t *const *args, uint32_t n)
{
    hg_expr_t *e = expr(kind, type, n);
    memcpy(e->args, args, sizeof *args * n);
    return e;
}
#define NODE(kind, type, ...)                                                                                          \
    node(kind, type, (const hg_expr_t *const[]){ __VA_ARGS__ },                                                        \
         sizeof((const hg_expr_t *const[]){ __VA_ARGS__ }) / sizeof(hg_expr_t *))

static const hg_expr_t *lit(const char *spec)
{
    return constant(value(spec));
}

static const hg_expr_t *call(const char *fn, const hg_expr_t *a, const hg_expr_t *b)
{
    hg_col_t *none[MAX_ARGS] = { NULL };
    const call_case_t c = { .fn = fn };
    const call_arg_t arg = { &c, none };
    const hg_expr_t *args[MAX_ARGS] = { a, b };
    call_arg_t copy = arg;
    return make_call(&copy, args, b ? 2 : 1);
}

/* A column from a list of values "a,b,NULL". */
static hg_col_t *col_of(const char *type, const char *list)
{
    hg_colb_t b;
    char spec[128];
    hg_colb_init(&b, type_of(type));
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        snprintf(spec, sizeof spec, "%s|%.*s", type, (int)n, p);
        assert_int_equal(hg_colb_copy(&b, value(spec), 0), 0);
        p += n + (p[n] != 0);
    }
    hg_col_t *c = hg_colb_seal(&b);
    hg_colb_release(&b);
    return c;
}

static hg_batch_t *batch_of(uint32_t n, hg_col_t **cols)
{
    hg_batch_t *b = hg_batch_new(cols[0]->len, n);
    for (uint32_t i = 0; i < n; i++) b->cols[i] = cols[i];
    return b;
}
#define BATCH(...) batch_of(sizeof((hg_col_t *[]){ __VA_ARGS__ }) / sizeof(hg_col_t *), (hg_col_t *[]){ __VA_ARGS__ })

/* The values of e over the rows, as "a,b,NULL"; an error as "!message". */
static void expect(const hg_expr_t *e, const hg_batch_t *b, const uint32_t *sel, uint32_t n, const char *want)
{
    char text[1024] = "", cell[256];
    size_t at = 0;
    hg_err_t err = HG_ERR_INIT;
    hg_col_t *col = NULL;
    if (hg_eval(e, b, sel, n, 0, &col, &err) < 0) {
        snprintf(text, sizeof text, "!%s", err.msg);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            show(col, i, cell, sizeof cell);
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "," : "", cell);
        }
        assert_int_equal(col->len, n);
        hg_col_drop(col);
    }
    assert_string_equal(text, want);
}

static void logic_is_three_valued(void **state)
{
    hg_batch_t *b = BATCH(col_of("BOOLEAN", "true,true,true,false,false,false,NULL,NULL,NULL"),
                          col_of("BOOLEAN", "true,false,NULL,true,false,NULL,true,false,NULL"));
    const hg_expr_t *x = column(0, boolean()), *y = column(1, boolean());
    const hg_expr_t *conj = NODE(HG_X_AND, boolean(), x, y), *disj = NODE(HG_X_OR, boolean(), x, y);
    hg_expr_t *is = expr(HG_X_IS_TRUE, boolean(), 1);
    uint32_t sel[9], n = 0;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    expect(conj, b, NULL, 9, "TRUE,FALSE,NULL,FALSE,FALSE,FALSE,NULL,FALSE,NULL");
    expect(disj, b, NULL, 9, "TRUE,TRUE,TRUE,TRUE,FALSE,NULL,TRUE,NULL,NULL");
    expect(NODE(HG_X_NOT, boolean(), x), b, NULL, 9, "FALSE,FALSE,FALSE,TRUE,TRUE,TRUE,NULL,NULL,NULL");
    expect(NODE(HG_X_IS_NULL, boolean(), y), b, NULL, 9, "FALSE,FALSE,TRUE,FALSE,FALSE,TRUE,FALSE,FALSE,TRUE");
    is->args[0] = y;
    is->truth = true;
    expect(is, b, NULL, 9, "TRUE,FALSE,FALSE,TRUE,FALSE,FALSE,TRUE,FALSE,FALSE");
    is->negated = true;
    expect(is, b, NULL, 9, "FALSE,TRUE,TRUE,FALSE,TRUE,TRUE,FALSE,TRUE,TRUE");
    is->truth = false;
    expect(is, b, NULL, 9, "TRUE,FALSE,TRUE,TRUE,FALSE,TRUE,TRUE,FALSE,TRUE");
    assert_int_equal(hg_eval_filter(conj, b, NULL, 9, 0, sel, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(sel[0], 0);
    assert_int_equal(hg_eval_filter(disj, b, NULL, 9, 0, sel, &n, &err), 0);
    assert_int_equal(n, 5);
    const uint32_t rows[] = { 8, 7, 1, 0 };
    assert_int_equal(hg_eval_filter(disj, b, rows, 4, 0, sel, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(sel[0], 1);
    assert_int_equal(sel[1], 0);
    hg_batch_drop(b);
}

static void only_rows_that_need_it_are_evaluated(void **state)
{
    const hg_type_t *t = type_of("INTEGER");
    hg_batch_t *b = BATCH(col_of("INTEGER", "2,0,NULL,5"), col_of("VARCHAR", "a,b,NULL,c"));
    const hg_expr_t *x = column(0, t), *zero = lit("INTEGER|0"), *ten = lit("INTEGER|10");
    const hg_expr_t *quotient = call("/", ten, x), *nonzero = call("<>", x, zero);
    const hg_expr_t *big = call(">", quotient, lit("INTEGER|3"));
    const uint32_t sel[] = { 3, 1, 0 };
    (void)state;
    expect(quotient, b, NULL, 4, "!INTEGER / INTEGER fails with division by zero: 10 / 0");
    expect(NODE(HG_X_CASE, t, nonzero, quotient), b, NULL, 4, "5,NULL,NULL,2");
    expect(NODE(HG_X_CASE, t, nonzero, quotient, lit("INTEGER|-1")), b, NULL, 4, "5,-1,-1,2");
    expect(NODE(HG_X_CASE, t, nonzero, quotient, lit("INTEGER|-1")), b, sel, 3, "2,-1,5");
    expect(NODE(HG_X_AND, boolean(), nonzero, big), b, NULL, 4, "TRUE,FALSE,NULL,FALSE");
    expect(NODE(HG_X_OR, boolean(), call("=", x, zero), big), b, NULL, 4, "TRUE,TRUE,NULL,FALSE");
    expect(NODE(HG_X_COALESCE, t, NODE(HG_X_CASE, t, call("=", x, zero), zero), quotient), b, NULL, 4, "5,0,NULL,2");
    expect(NODE(HG_X_IN, boolean(), x, zero, quotient), b, NULL, 4, "FALSE,TRUE,NULL,FALSE");
    expect(NODE(HG_X_CASE, type_of("VARCHAR"), nonzero, column(1, type_of("VARCHAR")), lit("VARCHAR|else")), b, NULL, 4,
           "a,else,else,c");
    uint32_t out[4], n;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_eval_filter(NODE(HG_X_AND, boolean(), nonzero, big), b, NULL, 4, 0, out, &n, &err), 0);
    assert_int_equal(n, 1);
    hg_batch_drop(b);
}

static void null_rows_cannot_fail(void **state)
{
    /* the value under a NULL is whatever was there: a column with garbage behind its 0 bits */
    hg_colb_t b;
    hg_colb_init(&b, type_of("BIGINT"));
    assert_int_equal(hg_colb_i64(&b, 1), 0);
    assert_int_equal(hg_colb_null(&b), 0);
    ((int64_t *)b.data)[1] = INT64_MAX;
    hg_batch_t *batch = BATCH(hg_colb_seal(&b));
    const hg_expr_t *x = column(0, type_of("BIGINT"));
    (void)state;
    hg_colb_release(&b);
    expect(call("+", x, x), batch, NULL, 2, "2,NULL");
    expect(cast(x, type_of("TINYINT"), false), batch, NULL, 2, "1,NULL");
    expect(call("abs", x, NULL), batch, NULL, 2, "1,NULL");
    hg_batch_drop(batch);
}

static void in_lists(void **state)
{
    hg_batch_t *b = BATCH(col_of("VARCHAR", "a,b,NULL,c"), col_of("VARCHAR", "x,b,a,NULL"));
    const hg_expr_t *x = column(0, type_of("VARCHAR")), *y = column(1, type_of("VARCHAR"));
    hg_expr_t *not_in = expr(HG_X_IN, boolean(), 3);
    const uint32_t sel[] = { 3, 0 };
    (void)state;
    expect(NODE(HG_X_IN, boolean(), x, lit("VARCHAR|c"), lit("VARCHAR|a")), b, NULL, 4, "TRUE,FALSE,NULL,TRUE");
    expect(NODE(HG_X_IN, boolean(), x, lit("VARCHAR|c"), lit("VARCHAR|NULL")), b, NULL, 4, "NULL,NULL,NULL,TRUE");
    expect(NODE(HG_X_IN, boolean(), x, lit("VARCHAR|c"), y), b, NULL, 4, "FALSE,TRUE,NULL,TRUE");
    expect(NODE(HG_X_IN, boolean(), x, y), b, sel, 2, "NULL,FALSE");
    not_in->negated = true;
    not_in->args[0] = x;
    not_in->args[1] = lit("VARCHAR|c");
    not_in->args[2] = lit("VARCHAR|zz");
    expect(not_in, b, NULL, 4, "TRUE,TRUE,NULL,FALSE");
    hg_batch_drop(b);
}

static void values_of_every_layout_mix(void **state)
{
    static const char *const types[][2] = {
        { "BOOLEAN", "true,false,NULL,true" },
        { "TINYINT", "1,-2,NULL,3" },
        { "SMALLINT", "1,-2,NULL,3" },
        { "INTEGER", "1,-2,NULL,3" },
        { "BIGINT", "1,-2,NULL,3" },
        { "DECIMAL(5, 2)", "1.00,-2.00,NULL,3.00" },
        { "UUID", "00112233-4455-6677-8899-aabbccddeeff,NULL,NULL,10112233-4455-6677-8899-aabbccddeeff" },
        { "VARCHAR", "a,bb,NULL,ccc" },
        { "DATE", "2024-01-01,2024-01-02,NULL,2024-01-03" },
    };
    (void)state;
    for (size_t k = 0; k < HG_COUNT(types); k++) {
        const hg_type_t *t = type_of(types[k][0]);
        hg_batch_t *b = BATCH(col_of(types[k][0], types[k][1]), col_of("BOOLEAN", "true,false,true,NULL"));
        const hg_expr_t *x = column(0, t), *yes = column(1, boolean());
        char want[200], all[200];
        hg_col_t *c = NULL;
        hg_err_t err = HG_ERR_INIT;
        /* rows the condition does not take come back through the ELSE, so the column is whole again */
        const hg_expr_t *e = NODE(HG_X_CASE, t, yes, x, x);
        assert_int_equal(hg_eval(x, b, NULL, 4, 0, &c, &err), 0);
        size_t at = 0;
        for (uint32_t i = 0; i < 4; i++) {
            show(c, i, want, sizeof want);
            at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? "," : "", want);
        }
        hg_col_drop(c);
        expect(e, b, NULL, 4, all);
        expect(NODE(HG_X_COALESCE, t, x, x), b, NULL, 4, all);
        hg_batch_drop(b);
    }
    hg_batch_t *b = BATCH(col_of("INTEGER", "1,NULL"));
    expect(NODE(HG_X_ARRAY, type_of("INTEGER ARRAY"), column(0, type_of("INTEGER")), lit("INTEGER|7")), b, NULL, 2,
           "[1,7],[NULL,7]");
    expect(NODE(HG_X_CASE, type_of("INTEGER ARRAY"), NODE(HG_X_IS_NULL, boolean(), column(0, type_of("INTEGER"))),
                NODE(HG_X_ARRAY, type_of("INTEGER ARRAY"), lit("INTEGER|7"))),
           b, NULL, 2, "NULL,[7]");
    hg_batch_drop(b);
}

static void constants_fold(void **state)
{
    hg_col_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_expr_const(call("+", lit("INTEGER|1"), lit("INTEGER|2")), &c, &err), 0);
    assert_int_equal(c->len, 1);
    assert_int_equal(HG_COL(c, int32_t)[0], 3);
    hg_col_drop(c);
    assert_int_equal(hg_expr_const(call("/", lit("INTEGER|1"), lit("INTEGER|0")), &c, &err), HG_EEVAL);
    assert_int_equal(err.pos.line, 7);
    assert_int_equal(hg_expr_const(column(0, type_of("INTEGER")), &c, &err), HG_EINVAL);
}

static void no_rows_are_no_work(void **state)
{
    hg_batch_t *b = BATCH(col_of("INTEGER", "0"));
    hg_col_t *c = NULL;
    hg_err_t err = HG_ERR_INIT;
    uint32_t n = 7;
    (void)state;
    const hg_expr_t *bad = call("/", lit("INTEGER|1"), column(0, type_of("INTEGER")));
    assert_int_equal(hg_eval(bad, b, NULL, 0, 0, &c, &err), 0);
    assert_int_equal(c->len, 0);
    hg_col_drop(c);
    assert_int_equal(hg_eval_filter(call("=", bad, bad), b, NULL, 0, 0, NULL, &n, &err), 0);
    assert_int_equal(n, 0);
    hg_batch_drop(b);
}

/* An expression that goes through most of the evaluator: x INTEGER, s VARCHAR. */
static const hg_expr_t *mixture(void)
{
    const hg_type_t *i = type_of("INTEGER"), *v = type_of("VARCHAR");
    const hg_expr_t *x = column(0, i), *s = column(1, v);
    const hg_expr_t *quotient =
        NODE(HG_X_CASE, i, call("<>", x, lit("INTEGER|0")), call("/", lit("INTEGER|1000"), x), lit("INTEGER|0"));
    const hg_expr_t *text = call("||", call("upper", s, NULL), cast(quotient, v, false));
    const hg_expr_t *wanted = NODE(HG_X_OR, boolean(), NODE(HG_X_IN, boolean(), x, lit("INTEGER|1"), lit("INTEGER|5")),
                                   call("like", s, lit("VARCHAR|%b%")));
    return NODE(HG_X_COALESCE, v, NODE(HG_X_CASE, v, wanted, text), s);
}

static void fill(hg_batch_t *b, uint32_t n)
{
    hg_colb_t x, s;
    char text[16];
    hg_colb_init(&x, type_of("INTEGER"));
    hg_colb_init(&s, type_of("VARCHAR"));
    for (uint32_t i = 0; i < n; i++) {
        size_t k = (size_t)snprintf(text, sizeof text, "abc%u", i);
        assert_int_equal(i % 17 == 3 ? hg_colb_null(&x) : hg_colb_i32(&x, (int32_t)(i % 100)), 0);
        assert_int_equal(hg_colb_var(&s, text, k), 0);
    }
    b->cols[0] = hg_colb_seal(&x);
    b->cols[1] = hg_colb_seal(&s);
    hg_colb_release(&x);
    hg_colb_release(&s);
}

static void a_million_rows_cost_few_allocations(void **state)
{
    const uint32_t rows = 65536, batches = 16;
    hg_batch_t *b = hg_batch_new(rows, 2);
    const hg_expr_t *e = mixture();
    hg_err_t err = HG_ERR_INIT;
    uint32_t *sel = hg_xnew(sizeof *sel * rows), n;
    (void)state;
    fill(b, rows);
    uint64_t before = hg_mem_allocs();
    for (uint32_t i = 0; i < batches; i++) {
        hg_col_t *c = NULL;
        assert_int_equal(hg_eval(e, b, NULL, rows, 0, &c, &err), 0);
        hg_col_drop(c);
        assert_int_equal(hg_eval_filter(call("=", e, lit("VARCHAR|ABC5200")), b, NULL, rows, 0, sel, &n, &err), 0);
        assert_int_equal(n, 1);
        assert_int_equal(sel[0], 5);
    }
    uint64_t each = (hg_mem_allocs() - before) / batches;
    print_message("%" PRIu64 " allocations per batch of %u rows\n", each, rows);
    assert_true(each < 400);
    hg_free(sel);
    hg_batch_drop(b);
}

/* Every allocation fails once: an error or the right answer, never a leak or a crash (the leak checker runs with asan).
 */
static void every_failed_allocation_is_survived(void **state)
{
    hg_batch_t *b = hg_batch_new(200, 2);
    const hg_expr_t *e = mixture();
    bool fired = true;
    uint32_t failed = 0;
    (void)state;
    fill(b, 200);
    for (uint64_t k = 1; fired; k++) {
        hg_col_t *c = NULL;
        hg_err_t err = HG_ERR_INIT;
        hg_fault_arm(HG_FAULT_ALLOC, k);
        int rc = hg_eval(e, b, NULL, 200, 0, &c, &err);
        fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        if (rc < 0) assert_int_equal(rc, HG_ENOMEM);
        failed += rc < 0;
        hg_col_drop(c);
    }
    assert_true(failed > 10);
    hg_batch_drop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logic_is_three_valued, setup, teardown),
        cmocka_unit_test_setup_teardown(only_rows_that_need_it_are_evaluated, setup, teardown),
        cmocka_unit_test_setup_teardown(null_rows_cannot_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(in_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(values_of_every_layout_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(constants_fold, setup, teardown),
        cmocka_unit_test_setup_teardown(no_rows_are_no_work, setup, teardown),
        cmocka_unit_test_setup_teardown(a_million_rows_cost_few_allocations, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_survived, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
