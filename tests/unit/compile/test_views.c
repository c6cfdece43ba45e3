/* Expressions and queries of views: what they become, and what is said of those that are wrong. */
#include "base/hg.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"
#include "tests/unit/compile/plan_text.h"

/* Every case is the query of one view over this. */
static const char *const tables = "CREATE TABLE t(i INT, j INT NOT NULL, b BIGINT, s VARCHAR, d DECIMAL(8,2), f "
                                  "DOUBLE, p BOOLEAN, dt DATE, ts TIMESTAMP, tm TIME, a INT ARRAY, u UUID);\n"
                                  "SET FELDERA_IGNORE_WARNING_UNUSED_COLUMN = 1;\n";

static const kit_case_t views[] = {
    { "SELECT i + j AS x, i / 2 AS y, d * 2 AS z, f + 1 AS w, -i AS n, i % 3 AS m FROM t",
      "view v(x INTEGER?, y INTEGER?, z DECIMAL(18, 2)?, w DOUBLE?, n INTEGER?, m INTEGER?)\n"
      "  map +($0, $1), /($0, 2), *($4, 2), +($5, 1.0), neg($0), %($0, 3) : INTEGER?, INTEGER?, DECIMAL(18, 2)?, "
      "DOUBLE?, INTEGER?, INTEGER?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT s || 'x' AS x, upper(s) AS y, substring(s FROM 2 FOR 3) AS z, position('b' IN s) AS q, trim(s) AS w FROM "
      "t",
      "view v(x VARCHAR?, y VARCHAR?, z VARCHAR?, q INTEGER?, w VARCHAR?)\n"
      "  map ||($3, 'x'), upper($3), substring($3, 2, 3), position('b', $3), trim($3) : VARCHAR?, VARCHAR?, VARCHAR?, "
      "INTEGER?, VARCHAR?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT i + s FROM t", "E 3:25-29 Compilation error: From line 3, column 25 to line 3, column 29: Cannot apply "
                             "'+' to arguments of type '<INTEGER> + <VARCHAR>'\n"
                             "  note nothing is converted silently here; write CAST(... AS INTEGER)\n" },
    { "SELECT nosuch FROM t", "E 3:25-30 Compilation error: From line 3, column 25 to line 3, column 30: Column "
                              "'nosuch' not found in any table\n" },
    { "SELECT t.nosuch FROM t", "E 3:25-32 Compilation error: From line 3, column 25 to line 3, column 32: Column "
                                "'nosuch' not found in table 't'\n" },
    { "SELECT u.i FROM t", "E 3:25-25 Compilation error: At line 3, column 25: Table 'u' not found\n" },
    { "SELECT T.I, t.J FROM t AS T", "view v(i INTEGER?, j INTEGER)\n"
                                     "  map $0, $1 : INTEGER?, INTEGER\n"
                                     "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, "
                                     "BOOLEAN?, DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT iI FROM t", "E 3:25-26 Compilation error: From line 3, column 25 to line 3, column 26: Column 'ii' not "
                          "found in any table\n" },
    { "SELECT CASE WHEN i > 0 THEN 'a' WHEN i < 0 THEN 'b' END AS x, CASE i WHEN 1 THEN 10 ELSE j END AS y FROM t",
      "view v(x VARCHAR?, y INTEGER)\n"
      "  map case(>($0, 0), 'a', <($0, 0), 'b'), case(=($0, 1), 10, $1) : VARCHAR?, INTEGER\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT CASE WHEN i > 0 THEN 1 ELSE 'a' END AS x FROM t",
      "E 3:53-55 Compilation error: From line 3, column 53 to line 3, column 55: Cannot convert 'a' to INTEGER\n" },
    { "SELECT CASE WHEN i THEN 1 ELSE 2 END AS x FROM t",
      "E 3:35-35 Compilation error: At line 3, column 35: Expected a boolean type\n" },
    { "SELECT COALESCE(i, j) AS x, COALESCE(i, 0) AS y, NULLIF(i, 0) AS z, IF(p, i, j) AS w, ifnull(s, 'none') AS n "
      "FROM t",
      "view v(x INTEGER, y INTEGER, z INTEGER?, w INTEGER?, n VARCHAR)\n"
      "  map coalesce($0, $1), coalesce($0, 0), nullif($0, 0), case($6, $0, $1), coalesce($3, 'none') : INTEGER, "
      "INTEGER, INTEGER?, INTEGER?, VARCHAR\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT i IN (1, 2, 3) AS x, s NOT IN ('a', NULL) AS y, dt IN ('2020-01-01', DATE '2021-01-01') AS z FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?, z BOOLEAN?)\n"
      "  map in($0, 1, 2, 3), !in($3, 'a', NULL), in($7, 2020-01-01, 2021-01-01) : BOOLEAN?, BOOLEAN?, BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT i IN (1, DATE '2020-01-01') AS x FROM t",
      "E 3:25-51 Compilation error: From line 3, column 25 to line 3, column 51: Values passed to IN operator must "
      "have compatible types\n" },
    { "SELECT i BETWEEN 1 AND 10 AS x, i NOT BETWEEN SYMMETRIC 10 AND 1 AS y FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?)\n"
      "  map and(>=($0, 1), <=($0, 10)), not(or(and(>=($0, 10), <=($0, 1)), and(>=($0, 1), <=($0, 10)))) : BOOLEAN?, "
      "BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT s LIKE 'a%' AS x, s NOT LIKE 'b' AS y, s LIKE 'a!%' ESCAPE '!' AS z, s ILIKE 'q' AS w, s RLIKE 'x+' AS r "
      "FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?, z BOOLEAN?, w BOOLEAN?, r BOOLEAN?)\n"
      "  map like($3, 'a%'), not like($3, 'b'), like($3, 'a!%', '!'), ilike($3, 'q'), rlike($3, 'x+') : BOOLEAN?, "
      "BOOLEAN?, BOOLEAN?, BOOLEAN?, BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT p AND i > 1 AS x, NOT p AS y, p OR NULL AS z, p IS TRUE AS a, p IS NOT FALSE AS b, p IS UNKNOWN AS c, i "
      "IS NULL AS d1, i IS NOT NULL AS e FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?, z BOOLEAN?, a BOOLEAN, b BOOLEAN, c BOOLEAN, d1 BOOLEAN, e BOOLEAN)\n"
      "  map and($6, >($0, 1)), not($6), or($6, NULL), istrue:true($6), !istrue:false($6), isnull($6), isnull($0), "
      "!isnull($0) : BOOLEAN?, BOOLEAN?, BOOLEAN?, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT p AND i AS x FROM t",
      "E 3:25-31 Compilation error: From line 3, column 25 to line 3, column 31: Cannot apply 'AND' to arguments of "
      "type '<BOOLEAN> AND <INTEGER>'. Supported form(s): '<BOOLEAN> AND <BOOLEAN>'\n" },
    { "SELECT NOT i AS x FROM t",
      "E 3:25-29 Compilation error: From line 3, column 25 to line 3, column 29: Cannot apply 'NOT' to arguments of "
      "type 'NOT<INTEGER>'. Supported form(s): 'NOT<BOOLEAN>'\n" },
    { "SELECT i IS TRUE AS x FROM t", "E 3:25-33 Compilation error: From line 3, column 25 to line 3, column 33: "
                                      "Cannot apply 'IS TRUE' to arguments of type '<INTEGER>'\n" },
    { "SELECT CAST(i AS VARCHAR) AS x, i::BIGINT AS y, SAFE_CAST(s AS INT) AS z, CAST(NULL AS DATE) AS n, CAST(j AS "
      "INT) AS same FROM t",
      "view v(x VARCHAR?, y BIGINT?, z INTEGER?, n DATE?, same INTEGER)\n"
      "  map cast:VARCHAR($0), cast:BIGINT($0), cast?:INTEGER($3), NULL, $1 : VARCHAR?, BIGINT?, INTEGER?, DATE?, "
      "INTEGER\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT CAST(dt AS INT ARRAY) AS x FROM t",
      "E 3:25-45 Compilation error: From line 3, column 25 to line 3, column 45: Cast function cannot convert value of "
      "type DATE to type INTEGER ARRAY\n" },
    { "SELECT CAST(s AS DECIMAL(2,3)) AS x FROM t",
      "E 3:35-46 Illegal type: DECIMAL type must have scale <= precision\n" },
    { "SELECT dt = '2020-01-01' AS x, ts > '2020-01-01 10:00:00' AS y, i = '12' AS z FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?, z BOOLEAN?)\n"
      "  map =($7, 2020-01-01), >($8, 2020-01-01 10:00:00), =($0, 12) : BOOLEAN?, BOOLEAN?, BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT dt = 'today' AS x FROM t",
      "E 3:30-36 Compilation error: From line 3, column 30 to line 3, column 36: Cannot convert 'today' to DATE\n" },
    { "SELECT d > '10.257' AS x, d IN ('1.5', '0.1234', 7) AS y, d = '12e-4' AS z, i = '1.5' AS w FROM t",
      "E 3:98-102 Compilation error: From line 3, column 98 to line 3, column 102: Cannot convert '1.5' to INTEGER\n" },
    { "SELECT d > '10.257' AS x, d IN ('1.5', '0.1234', 7) AS y, d = '12e-4' AS z FROM t",
      "view v(x BOOLEAN?, y BOOLEAN?, z BOOLEAN?)\n"
      "  map >($4, 10.257), in(cast:DECIMAL(14, 4)($4), 1.5000, 0.1234, 7.0000), =($4, 0.0012) : BOOLEAN?, BOOLEAN?, "
      "BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT dt + INTERVAL 1 DAY AS x, ts - INTERVAL '1 02:03' DAY TO MINUTE AS y, (ts - ts) HOURS > INTERVAL 1 HOUR "
      "AS z FROM t",
      "view v(x DATE?, y TIMESTAMP?, z BOOLEAN?)\n"
      "  map +($7, 86400000000), -($8, 93780000000), >(-($8, $8), 3600000000) : DATE?, TIMESTAMP?, BOOLEAN?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT EXTRACT(YEAR FROM ts) AS y, year(dt) AS y2, TIMESTAMP_TRUNC(ts, DAY) AS z, DATE_TRUNC('month', dt) AS w, "
      "FLOOR(ts TO HOUR) AS fl, TIMESTAMPDIFF(HOUR, ts, ts) AS df, TIMESTAMPADD(DAY, 3, ts) AS ad, CEIL(ts TO MINUTE) "
      "AS ce FROM t",
      "view v(y BIGINT?, y2 BIGINT?, z TIMESTAMP?, w DATE?, fl TIMESTAMP?, df INTEGER?, ad TIMESTAMP?, ce TIMESTAMP?)\n"
      "  map extract($8), year($7), timestamp_trunc($8), date_trunc($7), floor($8), timestampdiff($8, $8), "
      "timestampadd(3, $8), ceil($8) : BIGINT?, BIGINT?, TIMESTAMP?, DATE?, TIMESTAMP?, INTEGER?, TIMESTAMP?, "
      "TIMESTAMP?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT TIMESTAMP_TRUNC(ts, FORTNIGHT) AS z FROM t",
      "E 3:45-53 Compilation error: From line 3, column 45 to line 3, column 53: 'fortnight' is not a valid time "
      "frame\n" },
    { "SELECT TIMESTAMP_TRUNC(ts) AS z FROM t",
      "E 3:25-43 Compilation error: From line 3, column 25 to line 3, column 43: Invalid number of arguments to "
      "function 'timestamp_trunc'. Was expecting 2 arguments\n" },
    { "SELECT EXTRACT(BLA FROM ts) AS z FROM t",
      "E 3:25-44 Compilation error: From line 3, column 25 to line 3, column 44: 'BLA' is not a valid time frame\n" },
    { "SELECT ARRAY[1, i, NULL] AS x, a[1] AS y, cardinality(a) AS z FROM t",
      "view v(x INTEGER ARRAY, y INTEGER?, z INTEGER?)\n"
      "  map array(1, $0, NULL), []($10, 1), cardinality($10) : INTEGER ARRAY, INTEGER?, INTEGER?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT i[1] AS x FROM t", "E 3:25-28 Compilation error: From line 3, column 25 to line 3, column 28: Cannot "
                                 "apply indexing to arguments of type i[1]\n" },
    { "SELECT DATE '2020-13-01' AS x FROM t", "E 3:25-41 Compilation error: From line 3, column 25 to line 3, column "
                                              "41: Illegal DATE literal '2020-13-01': not in format 'yyyy-MM-dd'\n" },
    { "SELECT TIMESTAMP 'x' AS x FROM t", "E 3:25-37 Compilation error: From line 3, column 25 to line 3, column 37: "
                                          "Illegal TIMESTAMP literal 'x': not in format 'yyyy-MM-dd HH:mm:ss[.f]'\n" },
    { "SELECT DATE ' 2024-02-05' AS x, TIME '1:2:3' AS y FROM t",
      "E 3:25-42 Compilation error: From line 3, column 25 to line 3, column 42: Illegal DATE literal ' 2024-02-05': "
      "not "
      "in format 'yyyy-MM-dd'\n"
      "E 3:50-61 Compilation error: From line 3, column 50 to line 3, column 61: Illegal TIME literal '1:2:3': not in "
      "format 'HH:mm:ss[.f]'\n" },
    { "SELECT i FROM t WHERE TIMESTAMP WITH TIME ZONE '2024-02-05 10:20:30 +02:00' = TIMESTAMP WITH TIME ZONE "
      "'2024-02-05 08:20:30.0Z'",
      "view v(i INTEGER?)\n"
      "  map $0 : INTEGER?\n"
      "    filter true : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n"
      "      scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT TIMESTAMP WITH TIME ZONE '2024-02-05 10:20:30 Europe/Paris' AS x FROM t",
      "view v(x TIMESTAMP WITH TIME ZONE)\n"
      "  map 1707124830000000 : TIMESTAMP WITH TIME ZONE\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT TIMESTAMP WITH TIME ZONE '2024-02-05 10:20:30' AS x FROM t",
      "E 3:25-70 Compilation error: From line 3, column 25 to line 3, column 70: Illegal TIMESTAMP WITH TIME ZONE "
      "literal '2024-02-05 10:20:30': not in format 'yyyy-MM-dd HH:mm:ss[.f] {zone|{+|-}HH:mm}'\n" },
    { "SELECT UUID '12' AS x FROM t",
      "E 3:25-33 Compilation error: From line 3, column 25 to line 3, column 33: Illegal UUID literal '12': not in "
      "format 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'\n" },
    { "SELECT INTERVAL 'x' DAY AS x FROM t", "E 3:25-40 Compilation error: From line 3, column 25 to line 3, column "
                                             "40: Illegal interval literal format 'x' for INTERVAL DAY\n" },
    { "SELECT 123456789012345678901234567890123456789 AS x FROM t",
      "E 3:25-63 Compilation error: From line 3, column 25 to line 3, column 63: Numeric literal "
      "'123456789012345678901234567890123456789' has more than 38 digits\n" },
    { "SELECT 2147483647 AS a1, 2147483648 AS a2, 9223372036854775808 AS a3, -9223372036854775808 AS a4, 1.50 AS a5, "
      "1e3 AS a6, 'x' AS a7, x'0a' AS a8, TRUE AS a9 FROM t",
      "view v(a1 INTEGER, a2 BIGINT, a3 DECIMAL(19, 0), a4 BIGINT, a5 DECIMAL(3, 2), a6 DOUBLE, a7 VARCHAR, a8 "
      "VARBINARY, a9 BOOLEAN)\n"
      "  map 2147483647, 2147483648, 9223372036854775808, -9223372036854775808, 1.50, 1000.0, 'x', '\n"
      "', true : INTEGER, BIGINT, DECIMAL(19, 0), BIGINT, DECIMAL(3, 2), DOUBLE, VARCHAR, VARBINARY, BOOLEAN\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT foo(i, s) AS x FROM t", "E 3:25-33 Compilation error: From line 3, column 25 to line 3, column 33: No "
                                      "match found for function signature foo(<NUMERIC>, <CHARACTER>)\n"
                                      "  note there is no function of this name\n" },
    { "SELECT uper(s) AS x FROM t", "E 3:25-31 Compilation error: From line 3, column 25 to line 3, column 31: No "
                                    "match found for function signature uper(<CHARACTER>)\n"
                                    "  note did you mean 'upper'?\n" },
    { "SELECT abs(s) AS x FROM t", "E 3:25-30 Compilation error: From line 3, column 25 to line 3, column 30: Cannot "
                                   "apply 'ABS' to arguments of type 'ABS(<VARCHAR>)'\n" },
    { "SELECT count(*) AS c FROM t",
      "E 3:25-32 Not yet implemented: COUNT in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t WHERE sum(i) > 1", "E 3:40-45 Compilation error: From line 3, column 40 to line 3, column 45: "
                                          "Aggregate expression is illegal in WHERE clause\n" },
    { "SELECT stddev(i) FROM t", "E 3:25-33 Not yet implemented: The aggregate function STDDEV is not yet implemented; "
                                 "please file an issue if you need it\n" },
    { "SELECT i FROM t GROUP BY i", "E 3:43-43 Not yet implemented: GROUP BY in a view is not yet implemented; please "
                                    "file an issue if you need it\n" },
    { "SELECT DISTINCT i FROM t", "E 3:18-41 Not yet implemented: SELECT DISTINCT in a view is not yet implemented; "
                                  "please file an issue if you need it\n" },
    { "SELECT i FROM t ORDER BY i LIMIT 3", "E 3:51-51 Not yet implemented: ORDER BY with LIMIT in a view is not yet "
                                            "implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t LIMIT 3",
      "E 3:40-40 Not yet implemented: LIMIT in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t HAVING i > 1",
      "E 3:41-45 Not yet implemented: HAVING in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT NOW() AS n FROM t",
      "E 3:25-29 Not yet implemented: NOW in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT (SELECT 1) AS x FROM t", "E 3:25-34 Not yet implemented: A subquery inside an expression is not yet "
                                       "implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t WHERE EXISTS (SELECT 1 FROM t)",
      "E 3:40-63 Not yet implemented: EXISTS is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t WHERE i IN (SELECT j FROM t)",
      "E 3:40-61 Not yet implemented: IN (SELECT …) is not yet implemented; please file an issue if you need it\n" },
    { "SELECT rank() OVER (ORDER BY i) FROM t", "E 3:25-35 Not yet implemented: Window function 'rank' (OVER) is not "
                                                "yet implemented; please file an issue if you need it\n" },
    { "SELECT t.i FROM t JOIN t AS u ON t.i = u.i",
      "E 3:34-59 Not yet implemented: INNER JOIN is not yet implemented; please file an issue if you need it\n" },
    { "SELECT t.i FROM t LEFT JOIN t AS u ON t.i = u.i",
      "E 3:34-64 Not yet implemented: LEFT JOIN is not yet implemented; please file an issue if you need it\n" },
    { "SELECT t.i FROM t, t AS u", "E 3:37-42 Not yet implemented: A join of several tables in FROM is not yet "
                                   "implemented; please file an issue if you need it\n" },
    { "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL 1 HOUR))",
      "E 3:32-43 Not yet implemented: Table function 'tumble' is not yet implemented; please file an issue if you need "
      "it\n" },
    { "SELECT 1 AS x", "E 3:18-30 Not yet implemented: SELECT without FROM in a view is not yet implemented; please "
                       "file an issue if you need it\n" },
    { "VALUES (1)",
      "E 3:18-27 Not yet implemented: VALUES in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t UNION SELECT j FROM t",
      "E 3:18-54 Not yet implemented: UNION in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t EXCEPT SELECT j FROM t",
      "E 3:18-55 Not yet implemented: EXCEPT in a view is not yet implemented; please file an issue if you need it\n" },
    { "SELECT i FROM t UNION ALL SELECT j FROM t UNION ALL SELECT b FROM t",
      "view v(i BIGINT?)\n"
      "  union : BIGINT?\n"
      "    map cast:BIGINT($0) : BIGINT?\n"
      "      map $0 : INTEGER?\n"
      "        scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n"
      "    map cast:BIGINT($0) : BIGINT\n"
      "      map $1 : INTEGER\n"
      "        scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n"
      "    map $2 : BIGINT?\n"
      "      scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT i FROM t UNION ALL SELECT s FROM t", "E 3:18-58 Compilation error: From line 3, column 18 to line 3, "
                                                   "column 58: Type mismatch in column 1 of UNION ALL\n" },
    { "SELECT i FROM t UNION ALL SELECT i, j FROM t", "E 3:44-61 Compilation error: From line 3, column 44 to line 3, "
                                                      "column 61: Column count mismatch in UNION ALL\n" },
    { "SELECT i, j FROM t UNION ALL SELECT j, i FROM t",
      "view v(i INTEGER?, j INTEGER?)\n"
      "  union : INTEGER?, INTEGER?\n"
      "    map $0, $1 : INTEGER?, INTEGER\n"
      "      scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n"
      "    map $1, $0 : INTEGER, INTEGER?\n"
      "      scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n" },
    { "WITH c AS (SELECT i AS k FROM t), c2(z) AS (SELECT k + 1 FROM c) SELECT c2.z FROM c2 WHERE z > 0",
      "view v(z INTEGER?)\n"
      "  filter >($0, 0) : INTEGER?\n"
      "    map +($0, 1) : INTEGER?\n"
      "      map $0 : INTEGER?\n"
      "        scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n" },
    { "WITH RECURSIVE c AS (SELECT 1) SELECT * FROM c",
      "E 3:18-31 Not supported: WITH RECURSIVE is not supported; use DECLARE RECURSIVE VIEW instead\n" },
    { "SELECT q.x, * FROM (SELECT i AS x FROM t) AS q",
      "E 3:30-30 Duplicate column: The view yields two columns named 'x'\n" },
    { "SELECT x FROM (SELECT i AS x FROM t)", "view v(x INTEGER?)\n"
                                              "  map $0 : INTEGER?\n"
                                              "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, "
                                              "DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT y FROM (SELECT i FROM t) AS q(y)",
      "view v(y INTEGER?)\n"
      "  map $0 : INTEGER?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT y FROM (SELECT i FROM t) AS q(y, z)",
      "E 3:32-59 Compilation error: From line 3, column 32 to line 3, column 59: List of column aliases must have same "
      "degree as table; table has 1 columns, whereas alias list has 2 columns\n" },
    { "SELECT i + 1 AS k, k * 2 AS l FROM t", "view v(k INTEGER?, l INTEGER?)\n"
                                              "  map +($0, 1), *(+($0, 1), 2) : INTEGER?, INTEGER?\n"
                                              "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, "
                                              "DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT i AS 'my x' FROM t", "view v(my x INTEGER?)\n"
                                   "  map $0 : INTEGER?\n"
                                   "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, "
                                   "BOOLEAN?, DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT i AS \"X\", j + 1 FROM t", "view v(X INTEGER?, EXPR$1 INTEGER)\n"
                                         "  map $0, +($1, 1) : INTEGER?, INTEGER\n"
                                         "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, "
                                         "BOOLEAN?, DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT q.* FROM t",
      "E 3:25-27 Compilation error: From line 3, column 25 to line 3, column 27: Table 'q' not found\n" },
    { "SELECT i FROM t WHERE i",
      "E 3:40-40 Compilation error: At line 3, column 40: WHERE clause must be a condition\n" },
    { "SELECT i FROM t WHERE i + 1 > 1 / 0",
      "view v(i INTEGER?)\n"
      "  map $0 : INTEGER?\n"
      "    filter >(+($0, 1), /(1, 0)) : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, "
      "DATE?, TIMESTAMP?, TIME?, INTEGER ARRAY?, UUID?\n"
      "      scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, "
      "TIME?, INTEGER ARRAY?, UUID?\n" },
    { "SELECT i <=> j AS x, i IS DISTINCT FROM j AS y FROM t",
      "view v(x BOOLEAN, y BOOLEAN)\n"
      "  map <=>($0, $1), is distinct from($0, $1) : BOOLEAN, BOOLEAN\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT f = 1 AS x, greatest(i, b) AS g, round(d, 1) AS r FROM t",
      "view v(x BOOLEAN?, g BIGINT?, r DECIMAL(8, 2)?)\n"
      "  map =($5, 1.0), greatest(cast:BIGINT($0), $2), round($4, 1) : BOOLEAN?, BIGINT?, DECIMAL(8, 2)?\n"
      "    scan t : INTEGER?, INTEGER, BIGINT?, VARCHAR?, DECIMAL(8, 2)?, DOUBLE?, BOOLEAN?, DATE?, TIMESTAMP?, TIME?, "
      "INTEGER ARRAY?, UUID?\n" },
    { "SELECT * FROM error_view", "view v(table_or_view_name VARCHAR, message VARCHAR, metadata VARCHAR)\n"
                                  "  scan error_view : VARCHAR, VARCHAR, VARCHAR\n" },
    { "SELECT ? FROM t", "E 3:25-25 Not supported: Parameters ('?', '$1') are not supported\n" },
};
static const kit_case_t programs[] = {
    { "CREATE FUNCTION twice(x INT) RETURNS INT AS x * 2; CREATE FUNCTION four(y INT) RETURNS BIGINT AS "
      "twice(twice(y)); CREATE TABLE t(x INT); CREATE VIEW v AS SELECT four(x + 1) AS y FROM t;",
      "table t(x INTEGER?)\n"
      "view v(y BIGINT?)\n"
      "  map cast:BIGINT(*(*(+($0, 1), 2), 2)) : BIGINT?\n"
      "    scan t : INTEGER?\n" },
    { "CREATE TABLE t(x INT, y INT); CREATE LOCAL VIEW a AS SELECT x, y FROM t; CREATE MATERIALIZED VIEW b(p) AS "
      "SELECT x FROM a WHERE y > 0; CREATE VIEW c AS SELECT * FROM b;",
      "table t(x INTEGER?, y INTEGER?)\n"
      "view a local(x INTEGER?, y INTEGER?)\n"
      "  scan t : INTEGER?, INTEGER?\n"
      "view b stored queryable(p INTEGER?)\n"
      "  map $0 : INTEGER?\n"
      "    filter >($1, 0) : INTEGER?, INTEGER?\n"
      "      scan a : INTEGER?, INTEGER?\n"
      "view c(p INTEGER?)\n"
      "  scan b : INTEGER?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY, y DECIMAL(5,2) NOT NULL DEFAULT 1, z DATE DEFAULT '2020-02-29', w "
      "BIGINT DEFAULT -5 + 2, s VARCHAR DEFAULT NULL) WITH ('append_only' = 'true'); CREATE TABLE late(k TIMESTAMP NOT "
      "NULL PRIMARY KEY LATENESS INTERVAL 1 DAY); CREATE TABLE mat(k INT) WITH ('materialized' = 'TRUE'); DROP TABLE "
      "mat; CREATE VIEW v AS SELECT * FROM t; CREATE VIEW u AS SELECT * FROM late;",
      "table t stored queryable append_only(x INTEGER, y DECIMAL(5, 2) = 1.00, z DATE? = 2020-02-29, w BIGINT? = -3, s "
      "VARCHAR? = NULL)\n"
      "table late stored(k TIMESTAMP)\n"
      "view v(x INTEGER, y DECIMAL(5, 2), z DATE?, w BIGINT?, s VARCHAR?)\n"
      "  scan t : INTEGER, DECIMAL(5, 2), DATE?, BIGINT?, VARCHAR?\n"
      "view u(k TIMESTAMP)\n"
      "  scan late : TIMESTAMP\n" },
    { "CREATE TABLE a(x INT); CREATE TABLE gone(y INT); CREATE TABLE b(z INT); DROP TABLE gone; CREATE VIEW v AS "
      "SELECT z FROM b UNION ALL SELECT x FROM a;",
      "table a(x INTEGER?)\n"
      "table b(z INTEGER?)\n"
      "view v(z INTEGER?)\n"
      "  union : INTEGER?\n"
      "    scan b : INTEGER?\n"
      "    scan a : INTEGER?\n" },
};
static const kit_case_t constants[] = {
    { "CREATE TABLE t(x INT DEFAULT 1 / 0); CREATE VIEW v AS SELECT x FROM t;",
      "E 1:30-34 Illegal value: DEFAULT must be a constant: INTEGER / INTEGER fails with division by zero: 1 / 0\n" },
    { "CREATE TABLE t(x TINYINT DEFAULT 1000); CREATE VIEW v AS SELECT x FROM t;",
      "E 1:34-37 Illegal value: The default value of column 'x' does not fit TINYINT: cannot cast 1000 to TINYINT: out "
      "of range\n" },
    { "CREATE TABLE t(x DATE DEFAULT 'soon'); CREATE VIEW v AS SELECT x FROM t;",
      "E 1:31-36 Illegal value: The default value of column 'x' does not fit DATE: cannot cast 'soon' to DATE: not a "
      "date\n" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x / 0 AS a, 1 / 0 AS b, CAST('y' AS INT) AS c, SAFE_CAST('y' AS "
      "INT) AS d FROM t;",
      "W 1:60-64 Division by zero: This constant expression fails: INTEGER / INTEGER fails with division by zero: 1 / "
      "0\n"
      "W 1:72-87 Not a number: This constant expression fails: cannot cast 'y' to INTEGER: not a whole number\n" },
};

static size_t check_plan(const char *sql, const char *show, const char *want)
{
    hg_program_t *p = hg_compile(hg_strz(sql), NULL);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    if (p->ok)
        plan_program(p, &b);
    else
        kit_messages(p, &b);
    /* the cases leave out the common table's line */
    const char *from = b.p;
    if (strncmp(from, "table t(i ", 10) == 0) from = strchr(from, '\n') + 1;
    hg_buf_eat(&b, (size_t)(from - b.p));
    size_t bad = !kit_same("plan", show, want, &b);
    hg_buf_release(&b);
    hg_program_free(p);
    return bad;
}

static void views_become_plans_or_say_why_not(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < HG_COUNT(views); i++) {
        char *sql = hg_xprintf("%sCREATE VIEW v AS %s;", tables, views[i].sql);
        bad += check_plan(sql, views[i].sql, views[i].want);
        hg_free(sql);
    }
    assert_int_equal(bad, 0);
}

static void programs_become_relations(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < HG_COUNT(programs); i++)
        bad += check_plan(programs[i].sql, programs[i].sql, programs[i].want);
    assert_int_equal(bad, 0);
}

static void constants_that_fail_are_told_with_their_place(void **state)
{
    (void)state;
    kit_check_messages(constants, HG_COUNT(constants), NULL);
}

/* Aliases and functions multiply when they are written out; CTEs that unite themselves do, too. */
static void growth_is_bounded(void **state)
{
    (void)state;
    hg_buf_t b;
    for (int form = 0; form < 3; form++) {
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_buf_adds(&b, "CREATE TABLE t(x BIGINT);");
        if (form == 1)
            for (int i = 1; i < 40; i++) {
                if (i == 1)
                    hg_buf_adds(&b, "CREATE FUNCTION f1(x BIGINT) RETURNS BIGINT AS x + x;");
                else
                    hg_buf_addf(&b, "CREATE FUNCTION f%d(x BIGINT) RETURNS BIGINT AS f%d(f%d(x));", i, i - 1, i - 1);
            }
        hg_buf_adds(&b, "CREATE VIEW v AS ");
        if (form == 0) {
            hg_buf_adds(&b, "SELECT x + x AS a0");
            for (int i = 1; i < 60; i++) hg_buf_addf(&b, ", a%d + a%d AS a%d", i - 1, i - 1, i);
            hg_buf_adds(&b, " FROM t;");
        } else if (form == 1) {
            hg_buf_adds(&b, "SELECT f39(x) AS y FROM t;");
        } else {
            hg_buf_adds(&b, "WITH c0 AS (SELECT x FROM t)");
            for (int i = 1; i < 60; i++)
                hg_buf_addf(&b, ", c%d AS (SELECT * FROM c%d UNION ALL SELECT * FROM c%d)", i, i - 1, i - 1);
            hg_buf_adds(&b, "SELECT * FROM c59;");
        }
        hg_program_t *p = hg_compile(hg_buf_str(&b), NULL);
        assert_false(p->ok);
        assert_int_equal(p->n_errors, 1);
        assert_string_equal(p->msgs[0].error_type, "Not supported");
        assert_non_null(strstr(p->msgs[0].message, "written out"));
        hg_program_free(p);
        hg_buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_become_plans_or_say_why_not),
        cmocka_unit_test(programs_become_relations),
        cmocka_unit_test(constants_that_fail_are_told_with_their_place),
        cmocka_unit_test(growth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
