/* Ad-hoc statements: what runs, and the words for what does not. */
#include "base/hg.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"
#include "tests/unit/compile/plan_text.h"

static const char *const program =
    "CREATE TABLE t(i INT, j INT NOT NULL DEFAULT 7, s VARCHAR, d DECIMAL(8,2), dt DATE) WITH ('materialized'='true'); "
    "CREATE TABLE plain(x INT); CREATE VIEW nm AS SELECT i FROM t; CREATE LOCAL VIEW loc AS SELECT i FROM t; CREATE "
    "MATERIALIZED VIEW mv AS SELECT i, s FROM t;";

static const kit_case_t queries[] = {
    { "SELECT * FROM t", "select i, j, s, d, dt reads t\n"
                         "  scan t #0,1,2,3,4 : INTEGER?, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n" },
    { "SELECT 1", "select EXPR$0 reads\n"
                  "  map 1 : INTEGER\n"
                  "    values (true) : BOOLEAN\n" },
    { "SELECT count(*) FROM t", "select EXPR$0 reads t\n"
                                "  agg | count* : BIGINT\n"
                                "    scan t #0 : INTEGER?\n" },
    { "SELECT i, count(*) AS n, sum(d) FROM t WHERE j > 1 GROUP BY i HAVING n > 2 ORDER BY n DESC, 1 LIMIT 10 OFFSET 2",
      "select i, n, EXPR$2 reads t\n"
      "  sort $1 desc nulls last $0 nulls first limit 10 offset 2 : INTEGER?, BIGINT, DECIMAL(38, 2)?\n"
      "    filter >($1, 2) : INTEGER?, BIGINT, DECIMAL(38, 2)?\n"
      "      agg $1 | count* | sum $2 : INTEGER?, BIGINT, DECIMAL(38, 2)?\n"
      "        filter >($0, 1) : INTEGER, INTEGER?, DECIMAL(8, 2)?\n"
      "          scan t #1,0,3 : INTEGER, INTEGER?, DECIMAL(8, 2)?\n" },
    { "SELECT i % 2 AS k, min(s) FROM t GROUP BY k", "select k, EXPR$1 reads t\n"
                                                     "  agg %($0, 2) | min $1 : INTEGER?, VARCHAR?\n"
                                                     "    scan t #0,2 : INTEGER?, VARCHAR?\n" },
    { "SELECT i + 1, max(d) FROM t GROUP BY 1 ORDER BY max(j)",
      "select EXPR$0, EXPR$1 reads t\n"
      "  map $0, $1 : INTEGER?, DECIMAL(8, 2)?\n"
      "    sort $2 nulls first : INTEGER?, DECIMAL(8, 2)?, INTEGER\n"
      "      agg +($0, 1) | max $1 | max $2 : INTEGER?, DECIMAL(8, 2)?, INTEGER\n"
      "        scan t #0,3,1 : INTEGER?, DECIMAL(8, 2)?, INTEGER\n" },
    { "SELECT i + 1 FROM t GROUP BY i", "select EXPR$0 reads t\n"
                                        "  map +($0, 1) : INTEGER?\n"
                                        "    agg $0 : INTEGER?\n"
                                        "      scan t #0 : INTEGER?\n" },
    { "SELECT s FROM t GROUP BY i", "error SQL error: Expression 's' is not being grouped at Line: 1, Column: 8\n" },
    { "SELECT * FROM t GROUP BY i", "error SQL error: Expression 'j' is not being grouped at Line: 1, Column: 8\n" },
    { "SELECT sum(sum(i)) FROM t", "error SQL error: Aggregate expressions cannot be nested at Line: 1, Column: 12\n" },
    { "SELECT count(DISTINCT i), sum(i) FILTER (WHERE j > 2) FROM t",
      "select EXPR$0, EXPR$1 reads t\n"
      "  agg | distinct count $0 | sum $0 where >($1, 2) : BIGINT, INTEGER?\n"
      "    scan t #0,1 : INTEGER?, INTEGER\n" },
    { "SELECT DISTINCT s FROM mv ORDER BY s", "select s reads mv\n"
                                              "  sort $0 nulls first : VARCHAR?\n"
                                              "    distinct : VARCHAR?\n"
                                              "      scan mv #1 : VARCHAR?\n" },
    { "SELECT DISTINCT s FROM mv ORDER BY i",
      "error SQL error: Expression 'i' is not in the select clause at Line: 1, Column: 36\n" },
    { "SELECT s FROM t ORDER BY i NULLS LAST, j DESC NULLS FIRST",
      "select s reads t\n"
      "  map $0 : VARCHAR?\n"
      "    sort $1 nulls last $2 desc nulls first : VARCHAR?, INTEGER?, INTEGER\n"
      "      scan t #2,0,1 : VARCHAR?, INTEGER?, INTEGER\n" },
    { "SELECT s FROM t ORDER BY 3", "error SQL error: Ordinal out of range at Line: 1, Column: 26\n" },
    { "SELECT s FROM t LIMIT 1+1", "error SQL error: LIMIT must be a constant whole number at Line: 1, Column: 23\n" },
    { "SELECT s FROM t LIMIT 5", "select s reads t\n"
                                 "  sort limit 5 : VARCHAR?\n"
                                 "    scan t #2 : VARCHAR?\n" },
    { "VALUES (1, 'a'), (2, NULL) ORDER BY 1 DESC", "select EXPR$0, EXPR$1 reads\n"
                                                    "  sort $0 desc nulls last : INTEGER, VARCHAR?\n"
                                                    "    values (1, 'a') (2, NULL) : INTEGER, VARCHAR?\n" },
    { "VALUES (1), ('x')", "error SQL error: Cannot convert 'x' to INTEGER at Line: 1, Column: 14\n" },
    { "SELECT i FROM t UNION SELECT i FROM mv ORDER BY i LIMIT 3", "select i reads t mv\n"
                                                                   "  sort $0 nulls first limit 3 : INTEGER?\n"
                                                                   "    distinct : INTEGER?\n"
                                                                   "      union : INTEGER?\n"
                                                                   "        scan t #0 : INTEGER?\n"
                                                                   "        scan mv #0 : INTEGER?\n" },
    { "SELECT x FROM plain", "error Execution error: Tried to SELECT from a non-materialized source. Make sure `plain` "
                             "is configured as materialized: use `with ('materialized' = 'true')` for tables, or "
                             "`create materialized view` for views at Line: 1, Column: 15\n" },
    { "SELECT i FROM nm", "error Execution error: Tried to SELECT from a non-materialized source. Make sure `nm` is "
                          "configured as materialized: use `with ('materialized' = 'true')` for tables, or `create "
                          "materialized view` for views at Line: 1, Column: 15\n" },
    { "SELECT i FROM loc", "error SQL error: table 'loc' not found at Line: 1, Column: 15\n" },
    { "SELECT i FROM tx", "error SQL error: table 'tx' not found at Line: 1, Column: 15\n" },
    { "SELECT nosuch FROM t", "error SQL error: Column 'nosuch' not found in any table at Line: 1, Column: 8\n" },
    { "WITH c AS (SELECT i, count(*) AS n FROM t GROUP BY i) SELECT max(n) FROM c",
      "select EXPR$0 reads t\n"
      "  agg | max $1 : BIGINT?\n"
      "    agg $0 | count* : INTEGER?, BIGINT\n"
      "      scan t #0 : INTEGER?\n" },
    { "SELECT a.i FROM t a JOIN mv b ON a.i = b.i",
      "error This feature is not implemented: INNER JOIN is not yet implemented; please file an issue if you need it "
      "at Line: 1, Column: 17\n" },
    { "SELECT now()", "select EXPR$0 reads\n"
                      "  map now() : TIMESTAMP\n"
                      "    values (true) : BOOLEAN\n" },
    { "SELECT date_trunc('month', dt) FROM t", "select EXPR$0 reads t\n"
                                               "  map date_trunc($0) : DATE?\n"
                                               "    scan t #4 : DATE?\n" },
    { "SELECT 1/0", "select EXPR$0 reads\n"
                    "  map /(1, 0) : INTEGER\n"
                    "    values (true) : BOOLEAN\n" },
    { "SELEC 1", "error SQL error: Encountered \"SELEC\" at line 1, column 1. Was expecting INSERT or SELECT. at Line: "
                 "1, Column: 1\n" },
    { "", "error SQL error: no SQL statements were provided\n" },
    { "SELECT 1; SELECT 2", "error SQL error: only the final statement in a multi-statement ad-hoc query may return a "
                            "result set; statement 1 is a SELECT at Line: 1, Column: 1\n" },
    { "INSERT INTO plain VALUES (5); SELECT 1 AS one;", "insert into plain x reads\n"
                                                        "  map $0 : INTEGER\n"
                                                        "    values (5) : INTEGER\n"
                                                        "select one reads\n"
                                                        "  map 1 : INTEGER\n"
                                                        "    values (true) : BOOLEAN\n" },
    { "INSERT INTO plain VALUES (5); SELECT nope FROM t",
      "error SQL error: Column 'nope' not found in any table at Line: 1, Column: 38\n" },
    { "INSERT INTO plain VALUES (5); DROP TABLE t",
      "error SQL error: only SELECT and INSERT are allowed in an ad-hoc query at Line: 1, Column: 31\n" },
    { " explain SELECT i, d AS x FROM t WHERE i > 1 AND (s = 'a''b' OR dt < DATE '2024-01-02') ORDER BY 1",
      "select plan_type, plan reads\n"
      "  values ('logical_plan', 'Sort: t.i ASC NULLS FIRST') ('logical_plan', '  Projection: t.i, t.d AS x') "
      "('logical_plan', '    Filter: (t.i > 1) AND ((t.s = 'a''b') OR (t.dt < DATE '2024-01-02'))') ('logical_plan', '"
      "      TableScan: t projection=[i, s, dt, d]') : VARCHAR, VARCHAR\n" },
    { "EXPLAIN INSERT INTO plain VALUES (5)",
      "select plan_type, plan reads\n"
      "  values ('logical_plan', 'Dml: op=[Insert Into] table=[plain]') ('logical_plan', '  Projection: column1') "
      "('logical_plan', '    Values: (5)') : VARCHAR, VARCHAR\n" },
    { "PREPARE p AS SELECT i FROM t WHERE i = $1; EXPLAIN EXECUTE p(4)",
      "select plan_type, plan reads\n"
      "  values ('logical_plan', 'Filter: t.i = 4') ('logical_plan', '  TableScan: t projection=[i]') : VARCHAR, "
      "VARCHAR\n" },
    { "EXPLAIN SELECT x FROM plain", "error Execution error: Tried to SELECT from a non-materialized source. Make sure "
                                     "`plain` is configured as materialized: use `with ('materialized' = 'true')` for "
                                     "tables, or `create materialized view` for views at Line: 1, Column: 23\n" },
    { "EXPLAIN ANALYZE SELECT 1", "error SQL error: Encountered \"ANALYZE\" at line 1, column 9. Was expecting INSERT "
                                  "or SELECT. at Line: 1, Column: 9\n" },
    { "EXPLAIN SELECT 1; SELECT 2", "error SQL error: only the final statement in a multi-statement ad-hoc query may "
                                    "return a result set; statement 1 is an EXPLAIN at Line: 1, Column: 1\n" },
    { "PREPARE p AS SELECT $1 AS a; EXECUTE p(42)", "select a reads\n"
                                                    "  map 42 : INTEGER\n"
                                                    "    values (true) : BOOLEAN\n" },
    { "prepare P(int, text) as\nselect i from t where i > $1 and s <> $2 and s <> '$1;' -- $1;\n; execute p( 1 + 1 , "
      "'a,)' ) ;",
      "select i reads t\n"
      "  map $0 : INTEGER?\n"
      "    filter and(>($0, 2), <>($1, 'a,)'), <>($1, '$1;')) : INTEGER?, VARCHAR?\n"
      "      scan t #0,2 : INTEGER?, VARCHAR?\n" },
    { "EXECUTE q", "error SQL error: there is no prepared statement 'q' in this request at Line: 1, Column: 9\n" },
    { "PREPARE p AS SELECT $2;\nEXECUTE p(1)",
      "error SQL error: EXECUTE p has too few arguments at Line: 2, Column: 9\n" },
    { "PREPARE p AS SELECT 1; EXECUTE p(1",
      "error SQL error: EXECUTE p: the arguments are not closed at Line: 1, Column: 32\n" },
    { "PREPARE p AS SELECT 1; EXECUTE p(1) x",
      "error SQL error: unexpected text behind EXECUTE p at Line: 1, Column: 37\n" },
    { "PREPARE p SELECT 1", "error SQL error: PREPARE p needs AS and a statement at Line: 1, Column: 11\n" },
    { "PREPARE ;", "error SQL error: PREPARE needs a name at Line: 1, Column: 9\n" },
    { "PREPARE p AS SELECT 1;", "error SQL error: no SQL statements were provided\n" },
    { "PREPARE p AS SELECT 1; SELECT nope FROM t",
      "error SQL error: Column 'nope' not found in any table at Line: 1, Column: 31\n" },
    { "INSERT INTO t VALUES (1, 2, 'x', 1.5, DATE '2020-01-01')",
      "insert into t i, j, s, d, dt reads\n"
      "  map $0, $1, $2, $3, $4 : INTEGER, INTEGER, VARCHAR, DECIMAL(8, 2), DATE\n"
      "    values (1, 2, 'x', 1.50, 2020-01-01) : INTEGER, INTEGER, VARCHAR, DECIMAL(8, 2), DATE\n" },
    { "INSERT INTO t(j, i) VALUES (2, 1)",
      "insert into t i, j, s, d, dt reads\n"
      "  map $1, $0, NULL, NULL, NULL : INTEGER, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n"
      "    values (2, 1) : INTEGER, INTEGER\n" },
    { "INSERT INTO t(j, d, dt) VALUES (2, 5, '2024-01-01'), (3, '7.25', NULL), (4, 1e1, DATE '2024-02-02')",
      "insert into t i, j, s, d, dt reads\n"
      "  map NULL, $0, NULL, $1, $2 : INTEGER?, INTEGER, VARCHAR?, DECIMAL(8, 2), DATE?\n"
      "    values (2, 5.00, 2024-01-01) (3, 7.25, NULL) (4, 10.00, 2024-02-02) : INTEGER, DECIMAL(8, 2), DATE?\n" },
    { "INSERT INTO t(j, d) VALUES (1, 'x')",
      "error SQL error: Column 'd': cannot cast 'x' to DECIMAL(8, 2): not a number at Line: 1, Column: 32\n" },
    { "INSERT INTO t(j, d) VALUES (1, 123456789)",
      "error SQL error: Column 'd': cannot cast 123456789 to DECIMAL(8, 2): out of range at Line: 1, Column: 32\n" },
    { "INSERT INTO t(j, i) VALUES (1, 1/0)",
      "insert into t i, j, s, d, dt reads\n"
      "  map $1, $0, NULL, NULL, NULL : INTEGER, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n"
      "    union : INTEGER, INTEGER\n"
      "      map 1, /(1, 0) : INTEGER, INTEGER\n"
      "        values (true) : BOOLEAN\n" },
    { "INSERT INTO plain WITH c AS (VALUES (1)) VALUES (2)", "insert into plain x reads\n"
                                                             "  map $0 : INTEGER\n"
                                                             "    values (2) : INTEGER\n" },
    { "INSERT INTO t(j) SELECT 'x'", "error SQL error: Cannot insert a value of type VARCHAR into column 'j' of type "
                                     "INTEGER at Line: 1, Column: 25\n" },
    { "INSERT INTO t(i) SELECT i FROM mv",
      "insert into t i, j, s, d, dt reads mv\n"
      "  map $0, 7, NULL, NULL, NULL : INTEGER?, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n"
      "    scan mv #0 : INTEGER?\n" },
    { "INSERT INTO t(j) SELECT i FROM mv", "error SQL error: Column 'j' is NOT NULL, but the inserted value may be "
                                           "NULL; please use COALESCE at Line: 1, Column: 25\n" },
    { "INSERT INTO t(j) VALUES (NULL)",
      "error SQL error: Cannot insert NULL into column 'j', which is NOT NULL at Line: 1, Column: 26\n" },
    { "INSERT INTO t(zz) VALUES (1)", "error SQL error: Unknown target column 'zz' at Line: 1, Column: 15\n" },
    { "INSERT INTO t(i, i) VALUES (1, 2)",
      "error SQL error: Target column 'i' is assigned more than once at Line: 1, Column: 18\n" },
    { "INSERT INTO t VALUES (1)", "error SQL error: Number of INSERT target columns (5) does not equal number of "
                                  "source items (1) at Line: 1, Column: 1\n" },
    { "INSERT INTO nm VALUES (1)",
      "error SQL error: INSERT INTO 'nm' is not possible: it is a view at Line: 1, Column: 13\n" },
    { "INSERT INTO nope VALUES (1)", "error SQL error: table 'nope' not found at Line: 1, Column: 13\n" },
    { "INSERT INTO plain VALUES (DATE '2020-01-01')",
      "error SQL error: Cannot insert a value of type DATE into column 'x' of type INTEGER at Line: 1, Column: 27\n" },
    { "INSERT INTO plain SELECT 5", "insert into plain x reads\n"
                                    "  map $0 : INTEGER\n"
                                    "    map 5 : INTEGER\n"
                                    "      values (true) : BOOLEAN\n" },
    { "DROP TABLE t",
      "error SQL error: only SELECT and INSERT are allowed in an ad-hoc query at Line: 1, Column: 1\n" },
    { "CREATE TABLE x(y INT)",
      "error SQL error: only SELECT and INSERT are allowed in an ad-hoc query at Line: 1, Column: 1\n" },
    { "SELECT count(*) FROM t WHERE count(*) > 1",
      "error SQL error: Aggregate expression is illegal in WHERE clause at Line: 1, Column: 30\n" },
    { "SELECT count(*) AS c, i FROM t",
      "error SQL error: Expression 'i' is not being grouped at Line: 1, Column: 23\n" },
    { "SELECT sum(i) OVER () FROM t", "error This feature is not implemented: Window function 'sum' (OVER) is not "
                                      "yet implemented; please file an issue if you need it at Line: 1, Column: 8\n" },
    { "SELECT i FROM t EXCEPT SELECT i FROM mv",
      "error This feature is not implemented: EXCEPT is not yet implemented; please file an issue if you need it at "
      "Line: 1, Column: 1\n" },
    { "SELECT avg(d) AS a FROM t ORDER BY a", "select a reads t\n"
                                              "  sort $0 nulls first : DECIMAL(8, 2)?\n"
                                              "    agg | avg $0 : DECIMAL(8, 2)?\n"
                                              "      scan t #3 : DECIMAL(8, 2)?\n" },
    { "SELECT i AS s FROM t GROUP BY s", "select s reads t\n"
                                         "  agg $0 : INTEGER?\n"
                                         "    scan t #0 : INTEGER?\n" },
    { "SELECT x.i FROM (SELECT * FROM t) x WHERE x.j > 1",
      "select i reads t\n"
      "  map $0 : INTEGER?\n"
      "    filter >($1, 1) : INTEGER?, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n"
      "      scan t #0,1,2,3,4 : INTEGER?, INTEGER, VARCHAR?, DECIMAL(8, 2)?, DATE?\n" },
    { "SELECT count(*) FROM (SELECT DISTINCT i FROM t)", "select EXPR$0 reads t\n"
                                                         "  agg | count* : BIGINT\n"
                                                         "    distinct : INTEGER?\n"
                                                         "      scan t #0 : INTEGER?\n" },
};

static void queries_become_plans_or_say_why_not(void **state)
{
    (void)state;
    hg_program_t *p = hg_compile(hg_strz(program), NULL);
    size_t bad = 0;
    assert_true(p->ok);
    for (size_t i = 0; i < HG_COUNT(queries); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_query_t *query = NULL;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        int rc = hg_compile_query(p, a, hg_strz(queries[i].sql), &query, &err);
        if (rc == 0) {
            for (const hg_query_t *q = query; q; q = q->next) plan_query(p, q, &b);
        } else {
            bad += rc != HG_EADHOC;
            hg_buf_addf(&b, "error %s\n", err.msg);
        }
        bad += !kit_same("query", queries[i].sql, queries[i].want, &b);
        hg_buf_release(&b);
        hg_arena_free(a);
    }
    hg_program_free(p);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_become_plans_or_say_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
