/* Refusals: code, sentence and place, for bad input of each kind. Then the limits: what is too deep is an error, never
 * a crash. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "sqlddl/ast.h"

#define LATER " is not yet implemented; please file an issue if you need it"

static const struct {
    const char *sql;
    hg_code_t code;
    const char *msg;
    uint32_t line, col, end_line, end_col;
} cases[] = {
    { "\nSELECT", HG_EPARSE, "Encountered \"<EOF>\" at line 2, column 6. Was expecting an expression.", 2, 6, 2, 6 },
    { "SELECT FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 8. Was expecting an expression.", 1, 8, 1,
      11 },
    { "SELECT a FROM", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 13. Was expecting a table, a view or a subquery.", 1, 13, 1, 13 },
    { "SELECT a FROM t WHERE", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 21. Was expecting an expression.", 1,
      21, 1, 21 },
    { "SELECT a b c FROM t", HG_EPARSE, "Encountered \"c\" at line 1, column 12.", 1, 12, 1, 12 },
    { "SELECT a, FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 11. Was expecting an expression.", 1, 11,
      1, 14 },
    { "SELECT (a FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 11.", 1, 11, 1, 14 },
    { "SELECT a) FROM t", HG_EPARSE, "Encountered \")\" at line 1, column 9.", 1, 9, 1, 9 },
    { "SELECT a AS FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 13. Was expecting a name.", 1, 13, 1,
      16 },
    { "WITH a AS SELECT 1 SELECT 2", HG_EPARSE, "Encountered \"SELECT\" at line 1, column 11. Was expecting \"(\".", 1,
      11, 1, 16 },
    { "SELECT a all FROM t", HG_EPARSE, "Encountered \"all\" at line 1, column 10.", 1, 10, 1, 12 },
    { "SELECT a end FROM t", HG_EPARSE, "Encountered \"end\" at line 1, column 10.", 1, 10, 1, 12 },
    { "SELECT 1 +", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 10. Was expecting an expression.", 1, 10, 1,
      10 },
    { "SELECT CASE WHEN a THEN b FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 27.", 1, 27, 1, 30 },
    { "SELECT a FROM t GROUP a", HG_EPARSE, "Encountered \"a\" at line 1, column 23. Was expecting BY.", 1, 23, 1, 23 },
    { "SELECT a FROM t ORDER BY", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 24. Was expecting an expression.",
      1, 24, 1, 24 },
    { "SELECT a FROM t LIMIT", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 21.", 1, 21, 1, 21 },
    { "SELECT a FROM t JOIN u", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 22.", 1, 22, 1, 22 },
    { "SELECT a FROM t;;SELECT", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 23. Was expecting an expression.",
      1, 23, 1, 23 },
    { "SELECT a[ FROM t", HG_EPARSE, "Encountered \"FROM\" at line 1, column 11.", 1, 11, 1, 14 },
    { "SELECT INTERVAL DAY", HG_EPARSE,
      "Encountered \"DAY\" at line 1, column 17. Was expecting a quoted number such as '10'.", 1, 17, 1, 19 },
    { "SELECT INTERVAL '1'", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 19. Was expecting an interval unit such as DAY or HOUR.", 1, 19, 1, 19 },
    { "SELECT INTERVAL '1' FOO", HG_EPARSE,
      "Encountered \"FOO\" at line 1, column 21. Was expecting an interval unit such as DAY or HOUR.", 1, 21, 1, 23 },
    { "SELECT INTERVAL '1' DAY TO YEAR", HG_EPARSE,
      "Encountered \"YEAR\" at line 1, column 28. Was expecting a smaller unit of the same family.", 1, 28, 1, 31 },
    { "SELECT INTERVAL 'x' WEEK", HG_EPARSE, "WEEK and QUARTER take a whole number, at line 1, column 17.", 1, 17, 1,
      19 },
    { "SELECT CAST(a AS)", HG_EPARSE, "Encountered \")\" at line 1, column 17. Was expecting a type.", 1, 17, 1, 17 },
    { "SELECT CAST(a)", HG_EPARSE, "Encountered \")\" at line 1, column 14.", 1, 14, 1, 14 },
    { "SELECT CAST(a AS INT", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 20.", 1, 20, 1, 20 },
    { "SELECT EXTRACT(FROM x)", HG_EPARSE,
      "Encountered \"FROM\" at line 1, column 16. Was expecting a unit such as DAY or HOUR.", 1, 16, 1, 19 },
    { "SELECT EXTRACT(DAY x)", HG_EPARSE, "Encountered \"x\" at line 1, column 20. Was expecting FROM.", 1, 20, 1, 20 },
    { "SELECT FLOOR(x TO)", HG_EPARSE,
      "Encountered \")\" at line 1, column 18. Was expecting a unit such as DAY or HOUR.", 1, 18, 1, 18 },
    { "SELECT FLOOR(x, y TO DAY)", HG_EPARSE, "Encountered \"DAY\" at line 1, column 22.", 1, 22, 1, 24 },
    { "SELECT a FETCH FIRST ROWS", HG_EPARSE,
      "Encountered \"ROWS\" at line 1, column 22. Was expecting a whole number.", 1, 22, 1, 25 },
    { "VALUES (1), (1,2)", HG_EPARSE, "A row of VALUES has 2 values, the first one has 1, at line 1, column 14.", 1, 14,
      1, 16 },
    { "SELECT #", HG_EPARSE, "Encountered \"#\" at line 1, column 8.", 1, 8, 1, 8 },
    { "SELECT 'abc", HG_EPARSE, "Encountered a string that is not closed at line 1, column 8.", 1, 8, 1, 8 },
    { "SELECT \"abc", HG_EPARSE, "Encountered a quoted identifier that is not closed at line 1, column 8.", 1, 8, 1,
      8 },
    { "SELECT /* abc", HG_EPARSE, "Encountered a comment that is not closed at line 1, column 8.", 1, 8, 1, 9 },
    { "SELECT $$a$$", HG_EPARSE, "Encountered \"$$\" at line 1, column 8. Strings are written '...'.", 1, 8, 1, 9 },
    { "SELECT `a`", HG_EPARSE, "Encountered \"`\" at line 1, column 8. Identifiers are quoted with \"...\".", 1, 8, 1,
      8 },
    { "SELECT x'4'", HG_EPARSE, "Encountered a binary literal with an odd number of digits at line 1, column 8.", 1, 8,
      1, 11 },
    { "SELECT x'4g'", HG_EPARSE,
      "Encountered a binary literal with a character that is no hexadecimal digit at line 1, column 8.", 1, 8, 1, 8 },
    { "SELECT U&'\\zz'", HG_EPARSE, "Encountered an invalid Unicode escape at line 1, column 11.", 1, 11, 1, 11 },
    { "SELECT U&'a' UESCAPE 'ab'", HG_EPARSE, "Encountered an invalid UESCAPE character at line 1, column 8.", 1, 8, 1,
      8 },
    { "SELECT \"\"", HG_EPARSE, "Encountered an empty identifier at line 1, column 8.", 1, 8, 1, 9 },
    { "SELECT E'\\xff'", HG_EPARSE, "Encountered an invalid escape at line 1, column 10.", 1, 10, 1, 10 },
    { "SELECT sum(a) OVER (ORDER BY b)", HG_EUNSUPPORTED, "Window function 'sum' (OVER)" LATER, 1, 8, 1, 18 },
    { "SELECT a FROM t WINDOW w AS (ORDER BY b)", HG_EUNSUPPORTED, "The WINDOW clause" LATER, 1, 17, 1, 22 },
    { "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", HG_EINVAL,
      "WITH RECURSIVE is not supported; use DECLARE RECURSIVE VIEW instead", 1, 1, 1, 14 },
    { "SELECT a FROM t GROUP BY GROUPING SETS ((a))", HG_EUNSUPPORTED, "GROUPING SETS" LATER, 1, 26, 1, 38 },
    { "SELECT a FROM t GROUP BY ROLLUP(a)", HG_EUNSUPPORTED, "ROLLUP" LATER, 1, 26, 1, 31 },
    { "SELECT a FROM t GROUP BY CUBE(a)", HG_EUNSUPPORTED, "CUBE" LATER, 1, 26, 1, 29 },
    { "SELECT a FROM t GROUP BY ALL", HG_EUNSUPPORTED, "GROUP BY ALL" LATER, 1, 17, 1, 28 },
    { "SELECT a FROM t GROUP BY ()", HG_EUNSUPPORTED, "GROUP BY ()" LATER, 1, 15, 1, 24 },
    { "SELECT a FROM t, LATERAL (SELECT 1)", HG_EUNSUPPORTED, "LATERAL" LATER, 1, 18, 1, 24 },
    { "SELECT * FROM a LEFT ASOF JOIN b MATCH_CONDITION (x > y) ON z = w", HG_EUNSUPPORTED, "ASOF JOIN" LATER, 1, 17, 1,
      25 },
    { "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' DAY))", HG_EUNSUPPORTED,
      "Table function 'tumble'" LATER, 1, 15, 1, 26 },
    { "SELECT * FROM TUMBLE(TABLE t)", HG_EUNSUPPORTED, "Table function 'tumble'" LATER, 1, 15, 1, 26 },
    { "SELECT DISTINCT ON (a) b FROM t", HG_EUNSUPPORTED, "DISTINCT ON" LATER, 1, 8, 1, 18 },
    { "SELECT * EXCLUDE (a) FROM t", HG_EUNSUPPORTED, "* EXCLUDE" LATER, 1, 8, 1, 16 },
    { "SELECT f(a => 1)", HG_EUNSUPPORTED, "A named argument (=>)" LATER, 1, 12, 1, 13 },
    { "SELECT f(x -> 1)", HG_EUNSUPPORTED, "A lambda expression (->)" LATER, 1, 12, 1, 13 },
    { "SELECT a FROM t QUALIFY b", HG_EUNSUPPORTED, "QUALIFY" LATER, 1, 17, 1, 23 },
    { "SELECT a FROM t CROSS APPLY u", HG_EUNSUPPORTED, "CROSS APPLY" LATER, 1, 17, 1, 27 },
    { "SELECT a FROM t NATURAL JOIN u", HG_EUNSUPPORTED, "NATURAL JOIN" LATER, 1, 17, 1, 23 },
    { "SELECT a COLLATE \"C\"", HG_EUNSUPPORTED, "COLLATE" LATER, 1, 10, 1, 16 },
    { "SELECT ts AT TIME ZONE 'x'", HG_EUNSUPPORTED, "AT TIME ZONE" LATER, 1, 11, 1, 17 },
    { "SELECT a SIMILAR TO b", HG_EUNSUPPORTED, "SIMILAR TO" LATER, 1, 10, 1, 19 },
    { "SELECT array_agg(a ORDER BY b)", HG_EUNSUPPORTED, "ORDER BY inside an aggregate" LATER, 1, 8, 1, 30 },
    { "SELECT percentile(a) WITHIN GROUP (ORDER BY b)", HG_EUNSUPPORTED, "WITHIN GROUP" LATER, 1, 22, 1, 33 },
    { "SELECT a FROM s.t", HG_EUNSUPPORTED, "A name with a dot" LATER, 1, 15, 1, 17 },
    { "SELECT s.f(a)", HG_EUNSUPPORTED, "A function name with a dot" LATER, 1, 8, 1, 13 },
    { "SELECT a[1:2]", HG_EUNSUPPORTED, "A slice of an array" LATER, 1, 8, 1, 13 },
    { "SELECT a = ANY(b)", HG_EUNSUPPORTED, "ANY over an array" LATER, 1, 10, 1, 17 },
    { "SELECT ARRAY(SELECT 1)", HG_EUNSUPPORTED, "ARRAY of a subquery" LATER, 1, 8, 1, 12 },
    { "SELECT * FROM t PIVOT (sum(a) FOR b IN (1))", HG_EUNSUPPORTED, "PIVOT" LATER, 1, 17, 1, 21 },
    { "SELECT a FROM t FOR UPDATE", HG_EUNSUPPORTED, "FOR" LATER, 1, 17, 1, 19 },
    { "INSERT INTO t VALUES (DEFAULT)", HG_EUNSUPPORTED, "DEFAULT as a value" LATER, 1, 23, 1, 29 },
    { "SELECT a FROM (t JOIN u ON TRUE) x", HG_EUNSUPPORTED, "An alias for a join" LATER, 1, 16, 1, 34 },
    { "SELECT a = b = c", HG_EPARSE, "Encountered \"=\" at line 1, column 14.", 1, 14, 1, 14 },
    { "SELECT (a b) minute", HG_EPARSE, "Encountered \"b\" at line 1, column 11.", 1, 11, 1, 11 },
    { "SELECT TABLE", HG_EPARSE, "Encountered \"TABLE\" at line 1, column 8.", 1, 8, 1, 12 },
    { "SELECT 1 2", HG_EPARSE, "Encountered \"2\" at line 1, column 10.", 1, 10, 1, 10 },
    { "SELECT t.* FROM t LIMIT 5 OFFSET", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 32.", 1, 32, 1, 32 },
    { "SELECT INTO x", HG_EPARSE, "Encountered \"INTO\" at line 1, column 8. Was expecting an expression.", 1, 8, 1,
      11 },
    { "SELECT a FROM t TABLESAMPLE (5)", HG_EUNSUPPORTED, "TABLESAMPLE" LATER, 1, 17, 1, 27 },
    { "FOO", HG_EPARSE,
      "Encountered \"FOO\" at line 1, column 1. Was expecting CREATE, DECLARE, SET, LATENESS, DROP, INSERT, REMOVE or "
      "SELECT.",
      1, 1, 1, 3 },
    { "CREATE", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 6. Was expecting TABLE, VIEW, TYPE, FUNCTION, AGGREGATE or INDEX.", 1, 6,
      1, 6 },
    { "CREATE FOO", HG_EPARSE,
      "Encountered \"FOO\" at line 1, column 8. Was expecting TABLE, VIEW, TYPE, FUNCTION, AGGREGATE or INDEX.", 1, 8,
      1, 10 },
    { "SELECT a\n FROM t\n WHER b", HG_EPARSE, "Encountered \"b\" at line 3, column 7.", 3, 7, 3, 7 },
    { "SELECT a FROM (SELECT 1", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 23.", 1, 23, 1, 23 },
    { "SELECT f(a FROM t)", HG_EPARSE, "Encountered \"FROM\" at line 1, column 12.", 1, 12, 1, 15 },
    { "SELECT SUBSTRING(a FROM 1 FROM 2)", HG_EPARSE, "Encountered \"FROM\" at line 1, column 27.", 1, 27, 1, 30 },
    { "SELECT TRIM(a FROM b FROM c)", HG_EPARSE, "Encountered \"FROM\" at line 1, column 22.", 1, 22, 1, 25 },
    { "SELECT ((((1", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 12.", 1, 12, 1, 12 },
    { "SELECT 1 IN ()", HG_EPARSE, "Encountered \")\" at line 1, column 14.", 1, 14, 1, 14 },
    { "SELECT 1; garbage", HG_EPARSE,
      "Encountered \"garbage\" at line 1, column 11. Was expecting CREATE, DECLARE, SET, LATENESS, DROP, INSERT, "
      "REMOVE or SELECT.",
      1, 11, 1, 17 },
    { "CREATE TABLE", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 12. Was expecting a table name.", 1, 12, 1,
      12 },
    { "CREATE TABLE t", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 14. Was expecting \"(\".", 1, 14, 1, 14 },
    { "CREATE TABLE t (", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 16. Was expecting a column name, PRIMARY KEY or FOREIGN KEY.", 1, 16, 1,
      16 },
    { "CREATE TABLE t ()", HG_EPARSE,
      "Encountered \")\" at line 1, column 17. Was expecting a column name, PRIMARY KEY or FOREIGN KEY.", 1, 17, 1,
      17 },
    { "CREATE TABLE t (a INT", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 21. Was expecting a column attribute, \",\" or \")\".", 1, 21, 1, 21 },
    { "CREATE TABLE t (a INT,)", HG_EPARSE,
      "Encountered \")\" at line 1, column 23. Was expecting a column name, PRIMARY KEY or FOREIGN KEY.", 1, 23, 1,
      23 },
    { "CREATE TABLE t (a)", HG_EUNSUPPORTED, "A column without a type ('a')" LATER, 1, 17, 1, 17 },
    { "CREATE TABLE t (a 5)", HG_EPARSE, "Encountered \"5\" at line 1, column 19. Was expecting a type.", 1, 19, 1,
      19 },
    { "CREATE TABLE t (a INT b)", HG_EPARSE,
      "Encountered \"b\" at line 1, column 23. Was expecting a column attribute, \",\" or \")\".", 1, 23, 1, 23 },
    { "CREATE TABLE t (a INT NOT b)", HG_EPARSE, "Encountered \"b\" at line 1, column 27. Was expecting NULL.", 1, 27,
      1, 27 },
    { "CREATE TABLE t (a INT PRIMARY)", HG_EPARSE, "Encountered \")\" at line 1, column 30. Was expecting KEY.", 1, 30,
      1, 30 },
    { "CREATE TABLE t (a INT PRIMARY KEY PRIMARY KEY)", HG_EPARSE,
      "PRIMARY KEY is given twice for one column, at line 1, column 35.", 1, 35, 1, 41 },
    { "CREATE TABLE t (a INT DEFAULT)", HG_EPARSE,
      "Encountered \")\" at line 1, column 30. Was expecting an expression.", 1, 30, 1, 30 },
    { "CREATE TABLE t (a INT DEFAULT 1 DEFAULT 2)", HG_EPARSE,
      "DEFAULT is given twice for one column, at line 1, column 33.", 1, 33, 1, 39 },
    { "CREATE TABLE t (a INT DEFAULT 1 +)", HG_EPARSE,
      "Encountered \")\" at line 1, column 34. Was expecting an expression.", 1, 34, 1, 34 },
    { "CREATE TABLE t (a INT DEFAULT SELECT 1)", HG_EPARSE,
      "Encountered \"SELECT\" at line 1, column 31. Was expecting an expression.", 1, 31, 1, 36 },
    { "CREATE TABLE t (a INT LATENESS)", HG_EPARSE,
      "Encountered \")\" at line 1, column 31. Was expecting an expression.", 1, 31, 1, 31 },
    { "CREATE TABLE t (a INT FOREIGN KEY t(b))", HG_EPARSE,
      "Encountered \"t\" at line 1, column 35. Was expecting REFERENCES.", 1, 35, 1, 35 },
    { "CREATE TABLE t (a INT FOREIGN KEY REFERENCES t(b, c))", HG_EPARSE,
      "Encountered \",\" at line 1, column 49. Was expecting \")\".", 1, 49, 1, 49 },
    { "CREATE TABLE t (a INT, PRIMARY KEY a)", HG_EPARSE,
      "Encountered \"a\" at line 1, column 36. Was expecting \"(\".", 1, 36, 1, 36 },
    { "CREATE TABLE t (a INT, PRIMARY KEY ())", HG_EPARSE,
      "Encountered \")\" at line 1, column 37. Was expecting a column name.", 1, 37, 1, 37 },
    { "CREATE TABLE t (a INT, FOREIGN KEY (a) t)", HG_EPARSE,
      "Encountered \"t\" at line 1, column 40. Was expecting REFERENCES.", 1, 40, 1, 40 },
    { "CREATE TABLE t (a DECIMAL(10,))", HG_EPARSE,
      "Encountered \")\" at line 1, column 30. Was expecting a whole number.", 1, 30, 1, 30 },
    { "CREATE TABLE t (a DECIMAL(99999999999))", HG_EPARSE,
      "Precision of a type is out of range, at line 1, column 27.", 1, 27, 1, 37 },
    { "CREATE TABLE t (a DECIMAL(1,2,3))", HG_EPARSE, "Encountered \",\" at line 1, column 30. Was expecting \")\".", 1,
      30, 1, 30 },
    { "CREATE TABLE t (a VARCHAR(x))", HG_EPARSE,
      "Encountered \"x\" at line 1, column 27. Was expecting a whole number.", 1, 27, 1, 27 },
    { "CREATE TABLE t (a MAP<INT>)", HG_EPARSE, "Encountered \">\" at line 1, column 26. Was expecting \",\".", 1, 26,
      1, 26 },
    { "CREATE TABLE t (a MAP<INT, INT)", HG_EPARSE, "Encountered \")\" at line 1, column 31. Was expecting \">\".", 1,
      31, 1, 31 },
    { "CREATE TABLE t (a ROW(b))", HG_EPARSE, "Encountered \")\" at line 1, column 24. Was expecting a type.", 1, 24, 1,
      24 },
    { "CREATE TABLE t (a ROW(b INT)", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 28. Was expecting a column attribute, \",\" or \")\".", 1, 28, 1, 28 },
    { "CREATE TABLE t (a ROW(5 INT))", HG_EPARSE, "Encountered \"5\" at line 1, column 23. Was expecting a field name.",
      1, 23, 1, 23 },
    { "CREATE TABLE t (a TIMESTAMP WITH TIME)", HG_EPARSE,
      "Encountered \")\" at line 1, column 38. Was expecting ZONE.", 1, 38, 1, 38 },
    { "CREATE TABLE t (a INTERVAL)", HG_EPARSE,
      "Encountered \")\" at line 1, column 27. Was expecting an interval unit such as DAY or HOUR.", 1, 27, 1, 27 },
    { "CREATE TABLE t (a INTERVAL WEEK)", HG_EPARSE,
      "Encountered \"WEEK\" at line 1, column 28. Was expecting an interval unit such as DAY or MONTH.", 1, 28, 1, 31 },
    { "CREATE TABLE t (a s.u)", HG_EUNSUPPORTED, "A type name with a dot" LATER, 1, 19, 1, 21 },
    { "CREATE TABLE t (a order)", HG_EPARSE, "Encountered \"order\" at line 1, column 19. Was expecting a type.", 1, 19,
      1, 23 },
    { "CREATE TABLE s.t (a INT)", HG_EUNSUPPORTED, "A name with a dot" LATER, 1, 14, 1, 16 },
    { "CREATE TABLE select (a INT)", HG_EPARSE,
      "Encountered \"select\" at line 1, column 14. Was expecting a table name; \"select\" in double quotes would be "
      "one.",
      1, 14, 1, 19 },
    { "CREATE TABLE t (a INT) WITH", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 27. Was expecting \"(\".", 1,
      27, 1, 27 },
    { "CREATE TABLE t (a INT) WITH (connectors = 'x')", HG_EPARSE,
      "Encountered \"connectors\" at line 1, column 30. Was expecting a string such as 'connectors'.", 1, 30, 1, 39 },
    { "CREATE TABLE t (a INT) WITH ('a' 'b')", HG_EPARSE,
      "Encountered \"'b'\" at line 1, column 34. Was expecting \"=\".", 1, 34, 1, 36 },
    { "CREATE TABLE t (a INT) WITH ('a' = b)", HG_EPARSE,
      "Encountered \"b\" at line 1, column 36. Was expecting a string such as 'connectors'.", 1, 36, 1, 36 },
    { "CREATE TABLE t (a INT) WITH ('a' = 'b'", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 38. Was expecting \",\" or \")\".", 1, 38, 1, 38 },
    { "CREATE TABLE t (a INT) x", HG_EPARSE, "Encountered \"x\" at line 1, column 24. Was expecting \";\".", 1, 24, 1,
      24 },
    { "CREATE TABLE IF NOT t (a INT)", HG_EPARSE, "Encountered \"t\" at line 1, column 21. Was expecting EXISTS.", 1,
      21, 1, 21 },
    { "CREATE MATERIALIZED TABLE t", HG_EPARSE, "Encountered \"TABLE\" at line 1, column 21. Was expecting VIEW.", 1,
      21, 1, 25 },
    { "CREATE LINEAR FUNCTION f", HG_EPARSE, "Encountered \"FUNCTION\" at line 1, column 15. Was expecting AGGREGATE.",
      1, 15, 1, 22 },
    { "CREATE VIEW", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 11. Was expecting a view name.", 1, 11, 1,
      11 },
    { "CREATE VIEW v", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 13. Was expecting \"(\", WITH or AS.", 1, 13,
      1, 13 },
    { "CREATE VIEW v AS", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 16. Was expecting a query.", 1, 16, 1,
      16 },
    { "CREATE VIEW v (a b) AS SELECT 1", HG_EPARSE,
      "Encountered \"b\" at line 1, column 18. Was expecting \",\" or \")\".", 1, 18, 1, 18 },
    { "CREATE VIEW v WITH ('a' = 'b') SELECT 1", HG_EPARSE,
      "Encountered \"SELECT\" at line 1, column 32. Was expecting AS.", 1, 32, 1, 37 },
    { "CREATE VIEW v AS 5", HG_EPARSE, "Encountered \"5\" at line 1, column 18. Was expecting a query.", 1, 18, 1, 18 },
    { "CREATE VIEW v AS SELECT 1 CREATE VIEW w AS SELECT 2", HG_EPARSE, "Encountered \"CREATE\" at line 1, column 27.",
      1, 27, 1, 32 },
    { "CREATE TYPE t", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 13. Was expecting AS.", 1, 13, 1, 13 },
    { "CREATE TYPE t AS", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 16. Was expecting a type.", 1, 16, 1,
      16 },
    { "CREATE TYPE t AS (a INT PRIMARY KEY)", HG_EPARSE,
      "Encountered \"PRIMARY\" at line 1, column 25. Was expecting \",\" or \")\".", 1, 25, 1, 31 },
    { "CREATE FUNCTION f", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 17. Was expecting \"(\".", 1, 17, 1,
      17 },
    { "CREATE FUNCTION f(a INT", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 23. Was expecting \",\" or \")\".",
      1, 23, 1, 23 },
    { "CREATE FUNCTION f(a INT)", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 24. Was expecting RETURNS.", 1,
      24, 1, 24 },
    { "CREATE FUNCTION f() RETURNS", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 27. Was expecting a type.", 1,
      27, 1, 27 },
    { "CREATE FUNCTION f() RETURNS INT AS", HG_EPARSE,
      "Encountered \"<EOF>\" at line 1, column 34. Was expecting an expression.", 1, 34, 1, 34 },
    { "CREATE FUNCTION f() RETURNS INT AS 1, 2", HG_EPARSE, "Encountered \",\" at line 1, column 37.", 1, 37, 1, 37 },
    { "CREATE FUNCTION f() RETURNS INT AS SELECT 1", HG_EPARSE,
      "Encountered \"SELECT\" at line 1, column 36. Was expecting an expression.", 1, 36, 1, 41 },
    { "CREATE AGGREGATE f() RETURNS INT AS 1", HG_EPARSE,
      "Encountered \"AS\" at line 1, column 34. Was expecting \";\".", 1, 34, 1, 35 },
    { "CREATE INDEX i", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 14. Was expecting ON.", 1, 14, 1, 14 },
    { "CREATE INDEX i ON v", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 19. Was expecting \"(\".", 1, 19, 1,
      19 },
    { "CREATE INDEX i ON v ()", HG_EPARSE, "Encountered \")\" at line 1, column 22. Was expecting a column name.", 1,
      22, 1, 22 },
    { "DECLARE VIEW v(a INT)", HG_EPARSE, "Encountered \"VIEW\" at line 1, column 9. Was expecting RECURSIVE.", 1, 9, 1,
      12 },
    { "DECLARE RECURSIVE TABLE", HG_EPARSE, "Encountered \"TABLE\" at line 1, column 19. Was expecting VIEW.", 1, 19, 1,
      23 },
    { "DECLARE RECURSIVE VIEW v", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 24. Was expecting \"(\".", 1, 24,
      1, 24 },
    { "DECLARE RECURSIVE VIEW v(a INT LATENESS 1)", HG_EPARSE,
      "Encountered \"LATENESS\" at line 1, column 32. Was expecting \",\" or \")\".", 1, 32, 1, 39 },
    { "LATENESS v 1", HG_EPARSE, "Encountered \"1\" at line 1, column 12. Was expecting \".\".", 1, 12, 1, 12 },
    { "LATENESS v.a", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 12. Was expecting an expression.", 1, 12, 1,
      12 },
    { "LATENESS .a 1", HG_EPARSE, "Encountered \".\" at line 1, column 10. Was expecting a view name.", 1, 10, 1, 10 },
    { "SET", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 3. Was expecting the name of a setting.", 1, 3, 1, 3 },
    { "SET x", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 5. Was expecting \"=\".", 1, 5, 1, 5 },
    { "SET x =", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 7. Was expecting ON, OFF or a literal.", 1, 7, 1,
      7 },
    { "SET x = y", HG_EPARSE, "Encountered \"y\" at line 1, column 9. Was expecting ON, OFF or a literal.", 1, 9, 1,
      9 },
    { "SET x = - 'a'", HG_EPARSE, "Encountered \"'a'\" at line 1, column 11. Was expecting ON, OFF or a literal.", 1,
      11, 1, 13 },
    { "SET x = 1 2", HG_EPARSE, "Encountered \"2\" at line 1, column 11. Was expecting \";\".", 1, 11, 1, 11 },
    { "DROP", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 4. Was expecting TABLE or VIEW.", 1, 4, 1, 4 },
    { "DROP TABLE", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 10. Was expecting a table name.", 1, 10, 1,
      10 },
    { "DROP INDEX i", HG_EPARSE, "Encountered \"INDEX\" at line 1, column 6. Was expecting TABLE or VIEW.", 1, 6, 1,
      10 },
    { "INSERT t VALUES (1)", HG_EPARSE, "Encountered \"t\" at line 1, column 8. Was expecting INTO.", 1, 8, 1, 8 },
    { "INSERT INTO t", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 13. Was expecting a query.", 1, 13, 1, 13 },
    { "INSERT INTO t (a, 5) VALUES (1)", HG_EPARSE,
      "Encountered \"5\" at line 1, column 19. Was expecting a column name.", 1, 19, 1, 19 },
    { "REMOVE t", HG_EPARSE, "Encountered \"t\" at line 1, column 8. Was expecting FROM.", 1, 8, 1, 8 },
    { "REMOVE FROM t", HG_EPARSE, "Encountered \"<EOF>\" at line 1, column 13. Was expecting a query.", 1, 13, 1, 13 },
    { "CREATE OR REPLACE x", HG_EPARSE,
      "Encountered \"x\" at line 1, column 19. Was expecting TABLE, VIEW, TYPE, FUNCTION, AGGREGATE or INDEX.", 1, 19,
      1, 19 },
    { "CREATE TABLE t (a INT ARRAY ARRAY NULL NULL)", HG_EPARSE,
      "Encountered \"NULL\" at line 1, column 40. Was expecting a column attribute, \",\" or \")\".", 1, 40, 1, 43 },
    { "CREATE TABLE t (\n  a INT,\n  b DECIMAL(3 4)\n)", HG_EPARSE,
      "Encountered \"4\" at line 3, column 15. Was expecting \",\" or \")\".", 3, 15, 3, 15 },
    { "CREATE TABLE t (a INT LATENESS 1 LATENESS 2)", HG_EPARSE,
      "LATENESS is given twice for one column, at line 1, column 34.", 1, 34, 1, 41 },
    { "CREATE TABLE t (a INT WATERMARK 1 WATERMARK 2)", HG_EPARSE,
      "WATERMARK is given twice for one column, at line 1, column 35.", 1, 35, 1, 43 },
    { "CREATE TABLE t (a INT FOREIGN KEY REFERENCES b(c) FOREIGN KEY REFERENCES d(e))", HG_EPARSE,
      "FOREIGN KEY is given twice for one column, at line 1, column 51.", 1, 51, 1, 57 },
};

static int parse(hg_str_t text, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    const hg_ast_stmt_t *s;
    uint32_t n;
    *err = HG_ERR_INIT;
    int rc = hg_sql_parse(a, text, &s, &n, err);
    hg_arena_free(a);
    return rc;
}

static void refusal_has_sentence_and_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_err_t err;
        if (parse(hg_strz(cases[i].sql), &err) != (int)cases[i].code)
            fail_msg("%s: %d %s", cases[i].sql, err.code, err.msg);
        assert_string_equal(err.msg, cases[i].msg);
        if (err.pos.line != cases[i].line || err.pos.col != cases[i].col || err.pos.end_line != cases[i].end_line ||
            err.pos.end_col != cases[i].end_col)
            fail_msg("%s: %u:%u-%u:%u", cases[i].sql, err.pos.line, err.pos.col, err.pos.end_line, err.pos.end_col);
    }
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    hg_err_t err;
    assert_int_equal(parse(HG_S("SELECT 1,\n '\xff'"), &err), HG_EPARSE);
    assert_string_equal(err.msg, "Encountered a byte that is not UTF-8 (0xff) at line 2, column 3.");
    assert_int_equal(parse(HG_S("SELECT \0 1"), &err), HG_EPARSE);
    assert_string_equal(err.msg, "Encountered a zero byte at line 1, column 8.");
    assert_int_equal(parse(HG_S("SELECT '\0'"), &err), HG_EPARSE);
    assert_string_equal(err.msg, "Encountered a zero byte at line 1, column 9.");
    assert_int_equal(parse(HG_S("SELECT \x01"), &err), HG_EPARSE);
    assert_string_equal(err.msg, "Encountered a control character at line 1, column 8.");
    assert_int_equal(parse(HG_S("SELECT \xe2\x80\x9cx"), &err), HG_EPARSE); /* a typographic quote */
    assert_int_equal(err.pos.col, 8);
    assert_int_equal(parse(HG_S("SELECT '\xf0\x9f\x98\x80' \xc3"), &err), HG_EPARSE);
    assert_int_equal(err.pos.col, 13);
}

/* head, n times mid, tail */
static int repeated(const char *head, const char *mid, unsigned times, const char *tail, hg_err_t *err)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, head);
    for (unsigned i = 0; i < times; i++) hg_buf_adds(&b, mid);
    hg_buf_adds(&b, tail);
    int rc = parse(hg_buf_str(&b), err);
    hg_buf_release(&b);
    return rc;
}

static void too_deep_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *head, *mid, *tail;
    } shapes[] = {
        { "SELECT ", "(", "1" },
        { "SELECT 1", "+1", "" },
        { "SELECT ", "- ", "1" },
        { "SELECT ", "NOT ", "a" },
        { "SELECT ", "f(", "1" },
        { "SELECT ", "CASE WHEN a THEN ", "1" },
        { "SELECT 1", " UNION SELECT 1", "" },
        { "SELECT * FROM a", " JOIN a ON TRUE", "" },
        { "SELECT ", "ARRAY[", "1" },
        { "SELECT a", "[1]", "" },
        { "SELECT a", "::INT", "" },
        { "SELECT ", "(SELECT ", "1" },
        { "SELECT * FROM ", "(", "t" },
        { "SELECT * FROM ", "(SELECT * FROM ", "t" },
        { "SELECT a", " IS NULL", "" },
        { "SELECT a", " LIKE b", "" },
        { "SELECT a", " || b", "" },
        { "CREATE TABLE t (a INT", " ARRAY", ")" },
        { "CREATE TABLE t (a ", "MAP<INT,", "INT" },
        { "CREATE TABLE t (a ", "ROW(a ", "INT" },
        { "CREATE TABLE t (a INT DEFAULT ", "(", "1" },
    };
    hg_err_t err;
    for (size_t i = 0; i < HG_COUNT(shapes); i++) {
        if (repeated(shapes[i].head, shapes[i].mid, 100000, shapes[i].tail, &err) == 0)
            fail_msg("%s was taken", shapes[i].mid);
        assert_true(err.pos.line == 1 && err.msg[0]);
        if (!strstr(err.msg, "too deeply")) fail_msg("%s: %s", shapes[i].mid, err.msg);
    }
}

static void long_lists_are_fine(void **state)
{
    (void)state;
    hg_err_t err;
    assert_int_equal(repeated("SELECT 1", ", 1", 20000, "", &err), 0);
    assert_int_equal(repeated("SELECT a = 1", " OR a = 1", 20000, "", &err), 0);
    assert_int_equal(repeated("SELECT a IN (1", ", 1", 20000, ")", &err), 0);
    assert_int_equal(repeated("SELECT CASE a", " WHEN 1 + 1 THEN 2 + 2", 20000, " END", &err), 0);
    assert_int_equal(repeated("VALUES (1, 'x')", ", (1 + 1, 'x')", 20000, "", &err), 0);
    assert_int_equal(repeated("SELECT 1", "+1", 300, "", &err), 0);
    assert_int_equal(repeated("SELECT 1", " UNION ALL SELECT 1", 300, "", &err), 0);
    assert_int_equal(repeated("", "CREATE VIEW v AS SELECT a + b FROM t;", 2000, "", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_has_sentence_and_place),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(too_deep_is_an_error),
        cmocka_unit_test(long_lists_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
