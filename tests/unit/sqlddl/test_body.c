/* Queries and expressions: each rewrite, each kind of literal, precedence, clauses; as trees in one line (dump.h). */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "tests/unit/sqlddl/dump.h"

static const struct {
    const char *sql, *tree;
} cases[] = {
    { "SELECT * FROM (t) x, ((u) JOIN (v) ON (a))", "{SELECT (star) FROM [t AS x] [inner [u] [v] ON a]}" },
    { "SELECT (a - b > 0) day, (a - b + c) hour, (a + b - c) hour, (a - -b) day, (-a) month, f(a - b) year FROM t",
      "{SELECT (op '>' (op '-' a b) 0) AS day (op '+' (op '-' a b) c) AS hour (diff 'HOUR' :INTERVAL HOUR (op '+' a b) "
      "c) (diff 'DAY' "
      ":INTERVAL DAY a (op 'neg' b)) (op 'neg' a) AS month (call 'f' (op '-' a b)) AS year FROM [t]}" },
    { "SELECT -1, - -1, +5, -9223372036854775808, 1 - -2",
      "{SELECT (op 'neg' 1) (op 'neg' (op 'neg' 1)) 5 (op 'neg' 9223372036854775808) (op '-' 1 (op 'neg' 2))}" },
    { "SELECT a + b * c - d, a || b * c, a < b AND c OR NOT d = e, a + b BETWEEN c AND d + 1, a = b OR c <=> d",
      "{SELECT (op '-' (op '+' a (op '*' b c)) d) (op '*' (op '||' a b) c) (or (and (op '<' a b) c) (not (op '=' d "
      "e))) (between (op '+' a b) "
      "c (op '+' d 1)) (or (op '=' a b) (op '<=>' c d))}" },
    { "SELECT TIMESTAMPDIFF(HOUR, a, b), TIMESTAMP_TRUNC(ts, MINUTE), DATE('x'), time FROM map",
      "{SELECT (call 'timestampdiff' hour a b) (call 'timestamp_trunc' ts minute) (call 'date' (str 'x')) time FROM "
      "[map]}" },
    { "SELECT r.a.b, (r).a, (f(x)).\"B\"[1].c",
      "{SELECT r.a.b (field a r) (field c (sub (field \"B\" (call 'f' x)) 1))}" },
    { "SELECT x FROM t WHERE (SELECT 1) - (SELECT 2) > 0",
      "{SELECT x FROM [t] WHERE (op '>' (op '-' (query 'scalar' {SELECT 1}) (query 'scalar' {SELECT 2})) 0)}" },
    { "SELECT -a, a || b || 'x' + 1, a <=> b, a != b, a::INT ARRAY, SAFE_CAST(a AS DECIMAL(10,2)), CAST(x AS ROW(a "
      "INT, b VARCHAR NULL)), CAST(m AS MAP<VARCHAR, INT>) FROM t",
      "{SELECT (op 'neg' a) (op '+' (op '||' (op '||' a b) (str 'x')) 1) (op '<=>' a b) (op '<>' a b) (cast "
      ":ARRAY<INTEGER> a) (cast SAFE :DECIMAL(10,2) a) (cast :ROW{a INTEGER, b VARCHAR NULL} x) (cast "
      ":MAP<VARCHAR,INTEGER> m) FROM [t]}" },
    { "\nSELECT MAP['k', 1, 'l', 2], ARRAY[1,2][1], ARRAY(), ROW(1,'x'), (1,'x'), a[1][2], m['k']",
      "{SELECT (call 'map' (str 'k') 1 (str 'l') 2) (sub (array 1 2) 1) (array) (call 'row' 1 (str 'x')) (call 'row' 1 "
      "(str 'x')) (sub (sub a 1) 2) (sub m (str 'k'))}" },
    { "\nSELECT FLOOR(x TO DAY), CEIL(y), CEIL(x TO HOURS), (a - b) DAYS, (a - b * c) DAY TO SECOND, EXTRACT(ISODOW "
      "FROM x), TIMESTAMPDIFF(HOUR, a, b)",
      "{SELECT (floor_to 'DAY' x) (call 'ceil' y) (floor_to 'HOUR' x) (diff 'DAY' :INTERVAL DAY a b) (diff 'DAY TO "
      "SECOND' :INTERVAL DAY_SECOND a (op '*' b c)) (extract 'ISODOW' x) (call 'timestampdiff' hour a b)}" },
    { "\nSELECT SUBSTRING(a FROM 1 FOR 2), SUBSTRING(a, 1), TRIM(a), TRIM(BOTH 'x' FROM a), TRIM(LEADING FROM a), "
      "TRIM('x' FROM a), TRIM(TRAILING 'z' FROM a), POSITION('a' IN b), OVERLAY(a PLACING b FROM 1 FOR 2)",
      "{SELECT (call 'substring' a 1 2) (call 'substring' a 1) (call 'trim' a) (call 'trim' a (str 'x')) (call 'ltrim' "
      "a) (call 'trim' a (str 'x')) (call 'rtrim' a (str 'z')) (call 'position' (str 'a') b) (call 'overlay' a b 1 "
      "2)}" },
    { "\nSELECT INTERVAL '10' DAY, INTERVAL 10 DAYS, INTERVAL '1 02:03' DAY TO MINUTE, INTERVAL -'3' HOUR, INTERVAL 2 "
      "WEEKS, INTERVAL 1 QUARTER, INTERVAL '5' SECOND(2,3), DATE '2024-01-01', TIME '10:00:00', TIMESTAMP '2024-01-01 "
      "00:00:00', TIMESTAMP WITH TIME ZONE '2024-01-01 00:00:00 Z', UUID 'abc'",
      "{SELECT (typed '10' :INTERVAL DAY) (typed '10' :INTERVAL DAY) (typed '1 02:03' :INTERVAL DAY_MINUTE) (typed "
      "'-3' :INTERVAL HOUR) (typed '14' :INTERVAL DAY) (typed '3' :INTERVAL_YM MONTH) (typed '5' :INTERVAL SECOND) "
      "(typed '2024-01-01' :DATE) (typed '10:00:00' :TIME) (typed '2024-01-01 00:00:00' :TIMESTAMP) (typed '2024-01-01 "
      "00:00:00 Z' :TIMESTAMP_TZ) (typed 'abc' :UUID)}" },
    { "\nSELECT 1, 1.5, .5, 1e3, 1.5e-3, TRUE, FALSE, UNKNOWN, NULL, x'45F0' '00', U&'\\0041!' , U&'a!0042' UESCAPE "
      "'!', E'a\\nb'",
      "{SELECT 1 (dec '1.5') (dec '.5') (float '1e3') (float '1.5e-3') (bool true) (bool false) (null) (null) (bytes "
      "'45F000') (str 'A!') (str 'aB') (str 'a\nb')}" },
    { "\nSELECT COUNT(*), COUNT(DISTINCT a), SUM(a) FILTER (WHERE b > 1), COALESCE(a, b), NULLIF(a,b), GREATEST(a,b), "
      "LEFT(a, 2), RIGHT(a,1), NOW(), CURRENT_DATE",
      "{SELECT (call * 'count') (call DISTINCT 'count' a) (call 'sum' a FILTER (op '>' b 1)) (call 'coalesce' a b) "
      "(call 'nullif' a b) (call 'greatest' a b) (call 'left' a 2) (call 'right' a 1) (call 'now') (call "
      "'current_date')}" },
    { "\nSELECT a IS NULL, a IS NOT NULL, a IS TRUE, a IS NOT FALSE, a IS UNKNOWN, a IS DISTINCT FROM b, a IS NOT "
      "DISTINCT FROM b, a = b IS NULL, NOT a AND b OR c",
      "{SELECT (isnull a) (isnull NOT a) (is 'true' a) (is NOT 'false' a) (is 'unknown' a) (op 'is distinct from' a b) "
      "(op 'is not distinct from' a b) (isnull (op '=' a b)) (or (and (not a) b) c)}" },
    { "\nSELECT a IN (1,2), a NOT IN (1), a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC 1 AND 2 AND b, a LIKE b ESCAPE "
      "'x', a NOT LIKE b, a ILIKE b, a NOT ILIKE b, a RLIKE b, a NOT RLIKE b",
      "{SELECT (in a 1 2) (in NOT a 1) (between a 1 2) (and (between NOT 'symmetric' a 1 2) b) (op 'like' a b (str "
      "'x')) (op 'not like' a b) (op 'ilike' a b) (op 'not ilike' a b) (op 'rlike' a b) (op 'not rlike' a b)}" },
    { "\nSELECT rlike(a, b), a RLIKE (b), (a) RLIKE (b), a NOT RLIKE (b) AND RLIKE(a, b)",
      "{SELECT (call 'rlike' a b) (op 'rlike' a b) (op 'rlike' a b) (and (op 'not rlike' a b) (call 'rlike' a b))}" },
    { "\nSELECT CASE WHEN a THEN b END, CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END, EXISTS (SELECT 1), a IN (SELECT "
      "b FROM c), (SELECT MAX(x) FROM y), a NOT IN (SELECT 1), a > ANY (SELECT 1)",
      "{SELECT (case a b) (case OPERAND ELSE a 1 2 3 4 5) (query 'exists' {SELECT 1}) (query 'in' a {SELECT b FROM "
      "[c]}) (query 'scalar' {SELECT (call 'max' x) FROM [y]}) (not (query 'in' a {SELECT 1})) (query 'any' a {SELECT "
      "1})}" },
    { "\nSELECT * FROM a, b AS x, c y(p, q) JOIN d ON p = q LEFT JOIN e USING (k, l) CROSS JOIN f FULL OUTER JOIN g ON "
      "(1=1)",
      "{SELECT (star) FROM [a] [b AS x] [full [cross [left [inner [c AS y(p q)] [d] ON (op '=' p q)] [e] USING k l] "
      "[f]] [g] ON (op '=' 1 1)]}" },
    { "\nSELECT t.*, * FROM (SELECT 1), ((SELECT 2)), ((SELECT 3) UNION (SELECT 4)) x, (a JOIN b ON TRUE), ((SELECT 5) "
      "JOIN (SELECT 6) ON 1=1)",
      "{SELECT (star t) (star) FROM [{SELECT 1}] [{SELECT 2}] [{{SELECT 3} union {SELECT 4}} AS x] [inner [a] [b] ON "
      "(bool true)] [inner [{SELECT 5}] [{SELECT 6}] ON (op '=' 1 1)]}" },
    { "\nWITH a AS (SELECT 1), b(x, y) AS (SELECT 2, 3) SELECT * FROM a, b",
      "{WITH a() {SELECT 1} WITH b(x y) {SELECT 2 3} SELECT (star) FROM [a] [b]}" },
    { "\nSELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4 MINUS SELECT 5 ORDER BY 1 NULLS FIRST, 2 DESC "
      "NULLS LAST LIMIT 5, 10",
      "{{{{SELECT 1} union all {SELECT 2}} except {{SELECT 3} intersect {SELECT 4}}} except {SELECT 5} ORDER 1 NULLS "
      "FIRST 2 DESC NULLS LAST LIMIT 10 OFFSET 5}" },
    { "\nSELECT a AS 'day', b \"X\", c day, d value FROM t GROUP BY (a, b), c HAVING COUNT(*) > 1 LIMIT ALL OFFSET 5 "
      "ROWS",
      "{SELECT a AS \"day\" b AS \"X\" c AS day d AS value FROM [t] GROUP a b c HAVING (op '>' (call * 'count') 1) "
      "OFFSET 5}" },
    { "\nSELECT x FROM UNNEST(arr) WITH ORDINALITY AS u(x, n)",
      "{SELECT x FROM [function ORDINALITY (call 'unnest' arr) AS u(x n)]}" },
    { "SELECT 1 FETCH FIRST 3 ROWS ONLY", "{SELECT 1 LIMIT 3}" },
    { "VALUES (1, 'a'), (2, 'b')", "{VALUES [1 (str 'a')] [2 (str 'b')]}" },
    { "\nINSERT INTO t (a, b) VALUES (1, 2); INSERT INTO t SELECT * FROM u;REMOVE FROM t VALUES (1)",
      "{VALUES [1 2]} ; {SELECT (star) FROM [u]} ; {VALUES [1]}" },
    { "\nSELECT 1abc, \"a\"\"b\", été, ÉTÉ, ΑΒΓ, ДЖ, t.desc FROM 1t ORDER BY t.desc",
      "{SELECT 1abc \"a\"b\" été été αβγ дж t.desc FROM [1t] ORDER t.desc}" },
    { "SELECT a-b day, x minute FROM t", "{SELECT (op '-' a b) AS day x AS minute FROM [t]}" },
    { "SELECT MAP['k', 1, 'l', 2]['k'], ARRAY[1,2][1], ARRAY(), ROW(1,'x'), (1,'x'), a[1][2], m['k'], f(x)[1][2], "
      "CAST(f(g(x)[1])['a'] AS VARCHAR)['b'], left(a,1)[2], (a)[1]",
      "{SELECT (sub (call 'map' (str 'k') 1 (str 'l') 2) (str 'k')) (sub (array 1 2) 1) (array) (call 'row' 1 (str "
      "'x')) (call 'row' 1 (str 'x')) (sub (sub a 1) 2) (sub m (str 'k')) (sub (sub (call 'f' x) 1) 2) (sub (cast "
      ":VARCHAR (sub (call 'f' (sub (call 'g' x) 1)) (str 'a'))) (str 'b')) (sub (call 'left' a 1) 2) (sub a 1)}" },
    { "SELECT (a * (b-c)) minute", "{SELECT (op '*' a (op '-' b c)) AS minute}" },
    { "SELECT \"a\".\"b\".c.d.e", "{SELECT \"a\".\"b\".c.d.e}" },
    { "SELECT f(*)", "{SELECT (call * 'f')}" },
    { "SELECT GROUPING(a)", "{SELECT (call 'grouping' a)}" },
    { "SELECT a.b.* FROM t", "{SELECT (star a.b) FROM [t]}" },
    { "SELECT * FROM unnest(a), unnest(b) x",
      "{SELECT (star) FROM [function (call 'unnest' a)] [function (call 'unnest' b) AS x]}" },
    { "SELECT (SELECT 1, 2)", "{SELECT (query 'scalar' {SELECT 1 2})}" },
    { "SELECT (1, 2) IN ((1,2))", "{SELECT (in (call 'row' 1 2) (call 'row' 1 2))}" },
    { "SELECT COUNT(ALL a)", "{SELECT (call 'count' a)}" },
};

static const struct {
    const char *sql, *tree;
} placed[] = {
    { "SELECT a,\t\"😀\" + b,\n  (c + d) * e AS f\nFROM t x, (SELECT 1) y",
      "{SELECT (col a)@1:8-1:8 (op '+' (col \"😀\")@1:11-1:14 (col b)@1:18-1:18)@1:11-1:18 (op '*' (op '+' (col "
      "c)@2:4-2:4 (col d)@2:8-2:8)@2:4-2:8 (col e)@2:13-2:13)@2:3-2:13 AS f FROM [t AS x]@3:6-3:8 [{SELECT (int "
      "'1')@3:19-3:19}@3:12-3:19 AS y]@3:11-3:22}@1:1-3:22" },
    { "SELECT f(a, (b)), CAST(a AS INT), x::INT, CASE a WHEN 1 THEN 2 END, a IS NOT NULL, a NOT IN (1, 2), sum(a) "
      "FILTER (WHERE b), (a - b) DAY, INTERVAL '1' DAY, a[1], EXISTS (SELECT 1), (SELECT 2), ARRAY[1,2], EXTRACT(DAY "
      "FROM x), a LIKE b ESCAPE 'c', -(a), f((a))[1], NOT (a), (a) IS TRUE, a BETWEEN 1 AND (2), x IN (SELECT 1)",
      "{SELECT (call 'f' (col a)@1:10-1:10 (col b)@1:14-1:14)@1:8-1:16 (cast :INTEGER (col a)@1:24-1:24)@1:19-1:32 "
      "(cast :INTEGER (col x)@1:35-1:35)@1:35-1:40 (case OPERAND (col a)@1:48-1:48 (int '1')@1:55-1:55 (int "
      "'2')@1:62-1:62)@1:43-1:66 (isnull NOT (col a)@1:69-1:69)@1:69-1:81 (in NOT (col a)@1:84-1:84 (int "
      "'1')@1:94-1:94 (int '2')@1:97-1:97)@1:84-1:98 (call 'sum' (col a)@1:105-1:105 FILTER (col "
      "b)@1:122-1:122)@1:101-1:123 (diff 'DAY' :INTERVAL DAY (col a)@1:127-1:127 (col b)@1:131-1:131)@1:126-1:136 "
      "(typed '1' :INTERVAL DAY)@1:139-1:154 (sub (col a)@1:157-1:157 (int '1')@1:159-1:159)@1:157-1:160 (query "
      "'exists' {SELECT (int '1')@1:178-1:178}@1:171-1:178)@1:163-1:179 (query 'scalar' {SELECT (int "
      "'2')@1:190-1:190}@1:183-1:190)@1:182-1:191 (array (int '1')@1:200-1:200 (int '2')@1:202-1:202)@1:194-1:203 "
      "(extract 'DAY' (col x)@1:223-1:223)@1:206-1:224 (op 'like' (col a)@1:227-1:227 (col b)@1:234-1:234 (str "
      "'c')@1:243-1:245)@1:227-1:245 (op 'neg' (col a)@1:250-1:250)@1:248-1:251 (sub (call 'f' (col "
      "a)@1:257-1:257)@1:254-1:259 (int '1')@1:261-1:261)@1:254-1:262 (not (col a)@1:270-1:270)@1:265-1:271 (is 'true' "
      "(col a)@1:275-1:275)@1:274-1:284 (between (col a)@1:287-1:287 (int '1')@1:297-1:297 (int "
      "'2')@1:304-1:304)@1:287-1:305 (query 'in' (col x)@1:308-1:308 {SELECT (int "
      "'1')@1:321-1:321}@1:314-1:321)@1:308-1:322}@1:1-1:322" },
    { "SELECT 1 UNION ALL (SELECT 2) ORDER BY 1 DESC NULLS LAST",
      "{{SELECT (int '1')@1:8-1:8}@1:1-1:8 union all {SELECT (int '2')@1:28-1:28}@1:21-1:28 ORDER (int '1')@1:40-1:40 "
      "DESC NULLS LAST}@1:1-1:56" },
    { "SELECT '😀é', a", "{SELECT (str '😀é')@1:8-1:12 (col a)@1:15-1:15}@1:1-1:15" },
    { "SELECT '😀' || 'x\ny' || z",
      "{SELECT (op '||' (op '||' (str '😀')@1:8-1:11 (str 'x\ny')@1:16-2:2)@1:8-2:2 (col z)@2:7-2:7)@1:8-2:7}@1:1-2:7" },
    { "VALUES (1, (2)), (3, 4)",
      "{VALUES [(int '1')@1:9-1:9 (int '2')@1:13-1:13] [(int '3')@1:19-1:19 (int '4')@1:22-1:22]}@1:1-1:23" },
    { "SELECT DISTINCT ((a)) FROM t GROUP BY (a, b)",
      "{SELECT DISTINCT (col a)@1:19-1:19 FROM [t]@1:28-1:28 GROUP (col a)@1:40-1:40 (col b)@1:43-1:43}@1:1-1:44" },
};

static void check(const char *sql, const char *tree)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    const hg_ast_stmt_t *s;
    uint32_t n;
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    if (hg_sql_parse(a, hg_strz(sql), &s, &n, &err) < 0) fail_msg("%s: %s", sql, err.msg);
    for (uint32_t i = 0; i < n; i++) {
        if (i) hg_buf_adds(&out, " ; ");
        if (s[i].query) dump_query(&out, s[i].query);
        if (s[i].expr) dump_expr(&out, s[i].expr);
    }
    assert_string_equal(out.p, tree);
    assert_true(hg_ast_visit(s, n) > n);
    hg_buf_release(&out);
    hg_arena_free(a);
}

static void body_becomes_our_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) check(cases[i].sql, cases[i].tree);
}

static void every_node_has_its_place(void **state)
{
    (void)state;
    dump_positions = true;
    for (size_t i = 0; i < HG_COUNT(placed); i++) check(placed[i].sql, placed[i].tree);
    dump_positions = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(body_becomes_our_tree),
                                        cmocka_unit_test(every_node_has_its_place) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
