/* Ad-hoc queries: order, limits, groups and weights over a snapshot, and how they end early. */
#include "base/hg.h"
#include "tests/unit/engine/circuit_fixture.h"

typedef struct {
    prog_t p;
    hg_circuit_t *c;
    hg_snap_t *snap;
    /* what the sink got */
    char **rows;
    size_t n, cap;
    uint32_t batches;
    size_t stop_after;
    int stop_with;
    hg_err_t err;
} query_t;

static void add_rows(query_t *q, const row_t *rows, uint32_t n)
{
    hg_changeb_t b;
    hg_changeb_init(&b, &q->p.rels[0].schema);
    for (uint32_t i = 0; i < n; i++) {
        put_row(&b, &rows[i]);
        hg_changeb_row(&b, HG_OP_INSERT, NULL);
    }
    hg_step_input_t in = { .change = hg_changeb_seal(&b) };
    hg_delta_t deltas[2];
    hg_step_output_t out = { .deltas = deltas };
    hg_changeb_release(&b);
    assert_int_equal(step_now(q->c, &q->p, &in, 1, &out, &q->err), 0);
    hg_delta_release(&deltas[0]);
    hg_change_drop(in.change);
    if (q->snap) hg_snap_drop(q->snap);
    q->snap = hg_circuit_snap(q->c, 0);
}
static void query_open(query_t *q, const char *key, const row_t *rows, uint32_t n)
{
    *q = (query_t){ .stop_after = SIZE_MAX };
    prog_init(&q->p, 1);
    prog_table(&q->p, 0, "t", key, true);
    q->c = prog_circuit(&q->p);
    add_rows(q, rows, n);
}
static void forget(query_t *q)
{
    for (size_t i = 0; i < q->n; i++) hg_free(q->rows[i]);
    q->n = q->batches = 0;
}
static void query_close(query_t *q)
{
    forget(q);
    hg_free(q->rows);
    hg_snap_drop(q->snap);
    hg_circuit_free(q->c);
    prog_release(&q->p);
}
static hg_snap_t *give_snap(void *arg, uint32_t relation)
{
    query_t *q = arg;
    return relation == 0 ? q->snap : NULL;
}
static int sink(void *arg, hg_batch_t *b, hg_err_t *err)
{
    query_t *q = arg;
    char text[512];
    assert_true(b->n_rows > 0 && b->n_rows <= 65536);
    q->batches++;
    for (uint32_t r = 0; r < b->n_rows; r++) {
        if (q->n >= q->stop_after) return hg_err_set(err, q->stop_with, "enough");
        if (q->n == q->cap) {
            q->cap = q->cap ? q->cap * 2 : 64;
            q->rows = hg_xgrow(q->rows, sizeof(char *) * q->cap);
        }
        row_text(b, r, text, sizeof text);
        q->rows[q->n++] = hg_xstrdup(text);
    }
    return 0;
}
static int run(query_t *q, const hg_node_t *root, size_t mem, const atomic_bool *cancel)
{
    forget(q);
    return hg_query_run(root, give_snap, q, sink, q, cancel, mem, 1, &q->err);
}
static void check_rows(const query_t *q, const char *const *want)
{
    size_t n = 0;
    for (; want[n] && n < q->n; n++) assert_string_equal(q->rows[n], want[n]);
    assert_null(want[n]);
    assert_int_equal(q->n, n);
}

/* --- plans --- */
static hg_node_t *cols_of(query_t *q, const uint32_t *cols, uint32_t n)
{
    hg_node_t *s = prog_scan(&q->p, 0);
    const hg_type_t **t = HG_ANEWN(q->p.a, const hg_type_t *, n + 1);
    uint32_t *c = HG_ANEWN(q->p.a, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        c[i] = cols[i];
        t[i] = q->p.fields[cols[i]].type;
    }
    s->scan_cols = c;
    s->types = t;
    s->n_cols = n;
    return s;
}
static hg_node_t *over(query_t *q, hg_node_kind_t kind, const hg_node_t *in)
{
    hg_node_t *n = HG_ANEW(q->p.a, hg_node_t);
    *n = (hg_node_t){ .kind = kind, .types = in->types, .n_cols = in->n_cols, .n_in = 1, .limit = UINT64_MAX };
    n->in = HG_ANEWN(q->p.a, const hg_node_t *, 1);
    n->in[0] = in;
    return n;
}
static hg_node_t *sort(query_t *q, const hg_node_t *in, const hg_sort_key_t *keys, uint32_t n, uint64_t limit,
                       uint64_t offset)
{
    hg_node_t *s = over(q, HG_N_SORT, in);
    s->keys = keys;
    s->n_keys = n;
    s->limit = limit;
    s->offset = offset;
    return s;
}
static const hg_expr_t *col(query_t *q, uint32_t c, const hg_type_t *t)
{
    hg_expr_t *e = HG_ANEW(q->p.a, hg_expr_t);
    *e = (hg_expr_t){ .kind = HG_X_COL, .type = t, .col = c };
    return e;
}

static const uint32_t KS[] = { COL_K, COL_S };

static void order_by_places_nulls_as_asked(void **state)
{
    (void)state;
    query_t q;
    const row_t rows[] = {
        { .k = 1, .s = 5 }, { .k = 2, .s = -1 }, { .k = 3, .s = 10 }, { .k = 4, .s = -1 }, { .k = 5, .s = 0 }
    };
    query_open(&q, "0", rows, 5);
    const hg_node_t *s = cols_of(&q, KS, 2);
    /* VARCHAR: '0' < '10' < '5' */
    assert_int_equal(run(&q, sort(&q, s, &(hg_sort_key_t){ .col = 1 }, 1, UINT64_MAX, 0), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "2|NULL", "4|NULL", "5|'0'", "3|'10'", "1|'5'", NULL });
    assert_int_equal(run(&q, sort(&q, s, &(hg_sort_key_t){ .col = 1, .nulls_last = true }, 1, UINT64_MAX, 0), 0, NULL),
                     0);
    check_rows(&q, (const char *[]){ "5|'0'", "3|'10'", "1|'5'", "2|NULL", "4|NULL", NULL });
    assert_int_equal(
        run(&q, sort(&q, s, &(hg_sort_key_t){ .col = 1, .desc = true, .nulls_last = true }, 1, UINT64_MAX, 0), 0, NULL),
        0);
    check_rows(&q, (const char *[]){ "1|'5'", "3|'10'", "5|'0'", "2|NULL", "4|NULL", NULL });
    const hg_sort_key_t two[] = { { .col = 1, .desc = true }, { .col = 0, .desc = true } };
    assert_int_equal(run(&q, sort(&q, s, two, 2, 3, 1), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "2|NULL", "1|'5'", "3|'10'", NULL });
    assert_int_equal(run(&q, sort(&q, s, two, 2, 0, 1), 0, NULL), 0);
    assert_int_equal(q.n, 0);
    assert_int_equal(run(&q, sort(&q, s, two, 2, UINT64_MAX, 9), 0, NULL), 0);
    assert_int_equal(q.n, 0);
    query_close(&q);
}

/* Every type's order-preserving prefix agrees with the full comparison. */
static void order_of_many_rows_is_total(void **state)
{
    enum { N = 3000 };
    (void)state;
    query_t q;
    rnd_t r = { 3 };
    row_t *rows = HG_NEWN(row_t, N);
    for (int i = 0; i < N; i++) {
        rows[i] = rnd_row(&r, 1000, 40);
        rows[i].k = i % 2 ? (int64_t)rnd(&r) : rows[i].k - 500;
    }
    query_open(&q, "", rows, N);
    for (uint32_t c = 0; c < N_COLS; c++) {
        for (int desc = 0; desc < 2; desc++) {
            const hg_sort_key_t keys[] = { { .col = c, .desc = desc, .nulls_last = desc } };
            assert_int_equal(run(&q, sort(&q, prog_scan(&q.p, 0), keys, 1, UINT64_MAX, 0), 0, NULL), 0);
            assert_int_equal(q.n, N);
            char **full = q.rows;
            size_t n_full = q.n;
            q.rows = NULL;
            q.n = q.cap = 0;
            /* the first rows of a limit are the first rows of everything */
            assert_int_equal(run(&q, sort(&q, prog_scan(&q.p, 0), keys, 1, 100, 50), 0, NULL), 0);
            assert_int_equal(q.n, 100);
            for (size_t i = 0; i < q.n; i++) assert_string_equal(q.rows[i], full[50 + i]);
            if (c == COL_K)
                for (size_t i = 1; i < n_full; i++) {
                    int64_t x = strtoll(full[i - 1], NULL, 10), y = strtoll(full[i], NULL, 10);
                    assert_true(desc ? x >= y : x <= y);
                }
            for (size_t i = 0; i < n_full; i++) hg_free(full[i]);
            hg_free(full);
        }
    }
    hg_free(rows);
    query_close(&q);
}

static void top_k_drops_rows_on_the_way(void **state)
{
    enum { N = 400000, CHUNK = 50000 };
    (void)state;
    query_t q;
    row_t none = { .k = 0 };
    query_open(&q, "0", &none, 1);
    row_t *rows = HG_NEWN(row_t, CHUNK);
    for (int64_t k = 0; k < N; k += CHUNK) {
        for (int64_t i = 0; i < CHUNK; i++)
            rows[i] = (row_t){ .k = (k + i) * 7919 % N, .s = -1, .d = -1, .n = -1, .l = -1 };
        add_rows(&q, rows, CHUNK);
    }
    hg_sort_key_t key = { .col = 0, .desc = true };
    /* everything would not fit the limit; the first three do */
    assert_int_equal(run(&q, sort(&q, cols_of(&q, KS, 1), &key, 1, 3, 2), 8 << 20, NULL), 0);
    check_rows(&q, (const char *[]){ "399997", "399996", "399995", NULL });
    assert_int_equal(run(&q, sort(&q, cols_of(&q, KS, 1), &key, 1, UINT64_MAX, 0), 8 << 20, NULL), HG_ENOMEM);
    assert_non_null(strstr(q.err.msg, "ORDER BY"));
    hg_free(rows);
    query_close(&q);
}

static void limit_without_order_stops_reading(void **state)
{
    (void)state;
    query_t q;
    row_t rows[100];
    for (int i = 0; i < 100; i++) rows[i] = (row_t){ .k = i };
    query_open(&q, "0", rows, 100);
    assert_int_equal(run(&q, sort(&q, cols_of(&q, KS, 1), NULL, 0, 2, 3), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "3", "4", NULL });
    assert_int_equal(run(&q, sort(&q, cols_of(&q, KS, 1), NULL, 0, UINT64_MAX, 98), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "98", "99", NULL });
    /* the limit of one branch does not cut the other */
    hg_node_t *u =
        prog_union(&q.p, sort(&q, prog_scan(&q.p, 0), NULL, 0, 1, 0), sort(&q, prog_scan(&q.p, 0), NULL, 0, 2, 0));
    assert_int_equal(run(&q, u, 0, NULL), 0);
    assert_int_equal(q.n, 3);
    query_close(&q);
}

static void weights_are_rows(void **state)
{
    (void)state;
    query_t q;
    const row_t rows[] = { { .k = 1, .s = 5 }, { .k = 1, .s = 5 }, { .k = 2, .s = 0 }, { .k = 1, .s = 5 } };
    query_open(&q, "", rows, 4);
    const hg_node_t *s = cols_of(&q, KS, 2);
    assert_int_equal(run(&q, s, 0, NULL), 0);
    assert_int_equal(q.n, 4);
    hg_sort_key_t key = { .col = 0 };
    assert_int_equal(run(&q, sort(&q, s, &key, 1, 2, 2), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "1|'5'", "2|'0'", NULL });
    assert_int_equal(run(&q, sort(&q, s, NULL, 0, 2, 1), 0, NULL), 0);
    assert_int_equal(q.n, 2);
    assert_int_equal(run(&q, over(&q, HG_N_DISTINCT, sort(&q, s, &key, 1, UINT64_MAX, 0)), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "1|'5'", "2|'0'", NULL });
    query_close(&q);
}

static void distinct_takes_nulls_as_equal(void **state)
{
    (void)state;
    query_t q;
    row_t rows[300];
    for (int i = 0; i < 300; i++) rows[i] = (row_t){ .k = i, .s = i % 3 - 1 };
    query_open(&q, "0", rows, 300);
    const uint32_t s[] = { COL_S };
    assert_int_equal(run(&q, over(&q, HG_N_DISTINCT, cols_of(&q, s, 1)), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "NULL", "'0'", "'abcd1'", NULL });
    assert_int_equal(run(&q, over(&q, HG_N_DISTINCT, cols_of(&q, KS, 2)), 4096, NULL), HG_ENOMEM);
    assert_non_null(strstr(q.err.msg, "DISTINCT"));
    query_close(&q);
}

static void aggregates_with_and_without_groups(void **state)
{
    (void)state;
    query_t q;
    const row_t rows[] = { { .k = 1, .s = 5 }, { .k = 2, .s = -1 }, { .k = 3, .s = 5 }, { .k = 3, .s = 5 } };
    query_open(&q, "", rows, 4);
    const hg_type_t *bigint = hg_type_make(q.p.a, HG_T_BIGINT, true, -1, 0), *varchar = q.p.fields[COL_S].type;
    hg_agg_call_t calls[] = { { .fn = HG_AGG_COUNT_STAR, .type = hg_type_make(q.p.a, HG_T_BIGINT, false, -1, 0) },
                              { .fn = HG_AGG_SUM, .type = bigint, .arg = col(&q, 0, q.p.fields[COL_K].type) } };
    hg_node_t *g = over(&q, HG_N_AGG, cols_of(&q, KS, 2));
    const hg_expr_t *by[] = { col(&q, 1, varchar) };
    const hg_type_t *types[] = { varchar, calls[0].type, bigint };
    g->exprs = by;
    g->n_exprs = 1;
    g->aggs = calls;
    g->n_aggs = 2;
    g->types = types;
    g->n_cols = 3;
    assert_int_equal(run(&q, g, 0, NULL), 0);
    assert_int_equal(q.n, 2);
    hg_sort_key_t key = { .col = 0 };
    assert_int_equal(run(&q, sort(&q, g, &key, 1, UINT64_MAX, 0), 0, NULL), 0);
    check_rows(&q, (const char *[]){ "NULL|1|2", "'5'|3|7", NULL });
    g->n_exprs = 0;
    g->types = types + 1;
    g->n_cols = 2;
    assert_int_equal(run(&q, g, 0, NULL), 0);
    check_rows(&q, (const char *[]){ "4|9", NULL });
    /* of nothing: one row without groups, none with */
    hg_node_t *nothing = sort(&q, cols_of(&q, KS, 2), NULL, 0, 0, 0);
    g->in[0] = nothing;
    assert_int_equal(run(&q, g, 0, NULL), 0);
    check_rows(&q, (const char *[]){ "0|NULL", NULL });
    g->n_exprs = 1;
    g->types = types;
    g->n_cols = 3;
    assert_int_equal(run(&q, g, 0, NULL), 0);
    assert_int_equal(q.n, 0);
    query_close(&q);
}

static void ends_by_cancel_sink_or_memory(void **state)
{
    (void)state;
    query_t q;
    row_t rows[50];
    for (int i = 0; i < 50; i++) rows[i] = (row_t){ .k = i };
    query_open(&q, "0", rows, 50);
    atomic_bool cancel = true;
    assert_int_equal(run(&q, prog_scan(&q.p, 0), 0, &cancel), HG_ECANCELED);
    cancel = false;
    assert_int_equal(run(&q, prog_scan(&q.p, 0), 0, &cancel), 0);
    assert_int_equal(q.n, 50);
    q.stop_after = 10;
    q.stop_with = HG_ECLOSED;
    assert_int_equal(run(&q, prog_scan(&q.p, 0), 0, NULL), HG_ECLOSED);
    q.stop_after = SIZE_MAX;
    hg_node_t *absent = prog_scan(&q.p, 0);
    absent->relation = 1;
    assert_int_equal(run(&q, absent, 0, NULL), HG_EINVAL);

    hg_sort_key_t key = { .col = 1 };
    hg_node_t *plan = sort(&q, over(&q, HG_N_DISTINCT, prog_scan(&q.p, 0)), &key, 1, 7, 2);
    uint64_t failures = 0;
    for (uint64_t n = 1;; n++) {
        hg_fault_arm(HG_FAULT_ALLOC, n);
        int rc = run(&q, plan, 0, NULL);
        bool fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        if (rc == 0) {
            assert_int_equal(q.n, 7);
            assert_false(fired);
            break;
        }
        assert_int_equal(rc, HG_ENOMEM);
        failures++;
    }
    assert_true(failures > 20);
    query_close(&q);
}

static void values_are_rows(void **state)
{
    (void)state;
    query_t q;
    row_t one = { .k = 1 };
    query_open(&q, "0", &one, 1);
    hg_changeb_t b;
    hg_changeb_init(&b, &q.p.rels[0].schema);
    for (int i = 0; i < 3; i++) {
        put_row(&b, &(row_t){ .k = i, .s = -1, .d = -1, .n = -1, .l = -1 });
        hg_changeb_row(&b, HG_OP_INSERT, NULL);
    }
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    hg_node_t v = { .kind = HG_N_VALUES, .types = prog_types(&q.p), .n_cols = N_COLS, .values = c->rows };
    assert_int_equal(run(&q, &v, 0, NULL), 0);
    check_rows(&q, (const char *[]){ "0|NULL|NULL|NULL|NULL", "1|NULL|NULL|NULL|NULL", "2|NULL|NULL|NULL|NULL", NULL });
    hg_change_drop(c);
    query_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_by_places_nulls_as_asked),
        cmocka_unit_test(order_of_many_rows_is_total),
        cmocka_unit_test(top_k_drops_rows_on_the_way),
        cmocka_unit_test(limit_without_order_stops_reading),
        cmocka_unit_test(weights_are_rows),
        cmocka_unit_test(distinct_takes_nulls_as_equal),
        cmocka_unit_test(ends_by_cancel_sink_or_memory),
        cmocka_unit_test(values_are_rows),
        cmocka_unit_test(aggregates_with_and_without_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
