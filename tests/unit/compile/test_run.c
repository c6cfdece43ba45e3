/* Plans do run: programs and ad-hoc statements go through the engine, so that what the compiler hands over is what the
 * engine takes. */
#include "base/hg.h"
#include "engine/circuit.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"
#include "tests/unit/compile/plan_text.h"

static const char *const program =
    "CREATE TABLE t(i INT, s VARCHAR DEFAULT 'none', d DECIMAL(8, 2)) WITH ('materialized' = 'true');\n"
    "CREATE TABLE k(id BIGINT NOT NULL PRIMARY KEY, n INT);\n"
    "CREATE LOCAL VIEW big AS SELECT i, upper(s) AS u, d FROM t WHERE i > 1;\n"
    "CREATE MATERIALIZED VIEW v AS SELECT u, CASE WHEN d > 10 THEN 'dear' ELSE 'cheap' END AS c FROM big\n"
    "  UNION ALL SELECT 'k', CAST(n AS VARCHAR) FROM k;\n"
    "CREATE VIEW late AS SELECT message FROM error_view;\n";

static const hg_hashkey_t hashkey = { 1, 2 };

typedef struct run {
    hg_program_t *p;
    hg_circuit_t *c;
    uint64_t step;
    hg_buf_t out;
    hg_snap_t *snaps[16];
    uint32_t n_snaps;
} run_t;

/* The query borrows the snapshot; query() drops it afterwards. */
static hg_snap_t *snap(void *arg, uint32_t relation)
{
    run_t *r = arg;
    assert_true(r->n_snaps < HG_COUNT(r->snaps));
    return r->snaps[r->n_snaps++] = hg_circuit_snap(r->c, relation);
}

static int show(void *arg, hg_batch_t *b, hg_err_t *err)
{
    run_t *r = arg;
    (void)err;
    for (uint32_t i = 0; i < b->n_rows; i++) {
        for (uint32_t k = 0; k < b->n_cols; k++) {
            if (k) hg_buf_addc(&r->out, '|');
            plan_const(&r->out, b->cols[k], i);
        }
        hg_buf_addc(&r->out, '\n');
    }
    return 0;
}

static int insert(void *arg, hg_batch_t *b, hg_err_t *err)
{
    run_t *r = arg;
    hg_delta_t *deltas = HG_NEWN(hg_delta_t, r->p->plan.n_relations);
    hg_step_output_t out = { .deltas = deltas };
    hg_change_t *change = hg_change_new(hg_batch_retain(b));
    const hg_schema_t *schema = &r->p->plan.relations[r->out.len].schema;
    if (schema->n_key) {
        hg_col_t *keys[4];
        for (uint32_t i = 0; i < schema->n_key; i++) keys[i] = b->cols[schema->key[i]];
        change->hash = hg_trynew(b->n_rows * sizeof *change->hash);
        hg_hash_rows(hashkey, keys, schema->n_key, NULL, b->n_rows, change->hash);
    }
    hg_step_input_t in = { .relation = (uint32_t)r->out.len, .change = change };
    hg_step_t step = { .number = ++r->step, .now_us = 1000000 };
    int rc = hg_circuit_step(r->c, &step, &in, 1, NULL, &out, err);
    for (uint32_t i = 0; i < r->p->plan.n_relations; i++) hg_delta_release(&deltas[i]);
    hg_change_drop(change);
    hg_free(deltas);
    return rc;
}

/* The statement's result as text; of an INSERT nothing. */
static const char *query(run_t *r, const char *sql)
{
    hg_arena_t *a = hg_arena_new();
    hg_query_t *q = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_clear(&r->out);
    if (hg_compile_query(r->p, a, hg_strz(sql), &q, &err) < 0) {
        hg_buf_addf(&r->out, "%s\n", err.msg);
    } else if (q->kind == HG_QUERY_INSERT) {
        for (uint32_t i = 0; i < q->table; i++) hg_buf_addc(&r->out, '.'); /* insert() finds its table in the length */
        if (hg_query_run(q->root, snap, r, insert, r, NULL, 1 << 20, 0, &err) < 0)
            hg_buf_addf(&r->out, "%s\n", err.msg);
        else
            hg_buf_clear(&r->out);
    } else if (hg_query_run(q->root, snap, r, show, r, NULL, 1 << 20, 0, &err) < 0) {
        hg_buf_addf(&r->out, "%s\n", err.msg);
    }
    while (r->n_snaps) hg_snap_drop(r->snaps[--r->n_snaps]);
    hg_arena_free(a);
    return r->out.p;
}

static int start(void **state)
{
    run_t *r = HG_NEW(run_t);
    hg_circuit_opts_t o = { .hashkey = hashkey };
    hg_err_t err = HG_ERR_INIT;
    r->p = hg_compile(hg_strz(program), NULL);
    hg_buf_init(&r->out, HG_BUF_NOMAX);
    if (!r->p->ok || hg_circuit_new(&r->p->plan, &o, &r->c, &err) < 0) return -1;
    *state = r;
    return 0;
}

static int stop(void **state)
{
    run_t *r = *state;
    hg_circuit_free(r->c);
    hg_program_free(r->p);
    hg_buf_release(&r->out);
    hg_free(r);
    return 0;
}

static void inserted_rows_reach_tables_and_views(void **state)
{
    run_t *r = *state;
    assert_string_equal(query(r, "INSERT INTO t VALUES (1, 'a', 5), (2, 'b', 10.5), (3, NULL, '7.25')"), "");
    assert_string_equal(query(r, "INSERT INTO t(i) VALUES (4)"), "");
    assert_non_null(strstr(query(r, "INSERT INTO k SELECT i, 7 FROM t"), "NOT NULL"));
    assert_string_equal(query(r, "INSERT INTO k VALUES (1, 7), (1, 8)"), "");
    assert_string_equal(query(r, "SELECT * FROM t ORDER BY i"),
                        "1|'a'|5.00\n2|'b'|10.50\n3|NULL|7.25\n4|'none'|NULL\n");
    assert_string_equal(query(r, "SELECT u, c FROM v ORDER BY u, c"),
                        "NULL|'cheap'\n'B'|'dear'\n'NONE'|'cheap'\n'k'|'8'\n");
}

static void aggregates_and_order_run(void **state)
{
    run_t *r = *state;
    assert_string_equal(query(r, "SELECT count(*), count(s), sum(d), min(i), max(s), avg(i) FROM t"),
                        "4|3|22.75|1|'none'|2\n");
    assert_string_equal(query(r, "SELECT i % 2 AS odd, count(*) AS n, sum(i) FILTER (WHERE i > 1) FROM t GROUP BY odd "
                                 "HAVING n > 1 ORDER BY odd DESC"),
                        "1|2|3\n0|2|6\n");
    assert_string_equal(query(r, "SELECT i FROM t ORDER BY s DESC LIMIT 2 OFFSET 1"), "2\n1\n");
    assert_string_equal(query(r, "SELECT DISTINCT c FROM v WHERE u <> 'k' ORDER BY 1"), "'cheap'\n'dear'\n");
    assert_string_equal(
        query(r, "WITH w AS (SELECT i, i * 2 AS j FROM t) SELECT sum(j) FROM w WHERE i BETWEEN 2 AND 3"), "10\n");
    assert_string_equal(query(r, "SELECT count(*) FROM t WHERE i > 100"), "0\n");
}

static void constants_run_without_tables(void **state)
{
    run_t *r = *state;
    assert_string_equal(query(r, "SELECT 1 + 1, 'a' || 'b', DATE '2024-02-28' + INTERVAL 2 DAYS"),
                        "2|'ab'|2024-03-01\n");
    assert_string_equal(query(r, "VALUES (2, 'b'), (1, NULL) ORDER BY 1"), "1|NULL\n2|'b'\n");
    assert_string_equal(query(r, "SELECT 1 UNION SELECT 1 UNION SELECT 2 ORDER BY 1"), "1\n2\n");
    assert_non_null(strstr(query(r, "SELECT 1/0"), "by zero"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserted_rows_reach_tables_and_views),
        cmocka_unit_test(aggregates_and_order_run),
        cmocka_unit_test(constants_run_without_tables),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
