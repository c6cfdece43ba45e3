/* Every check of the statements (sql §2): the message, its type, its place. */
#include "base/hg.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"

#define FINAL_NOTE                                                                                                     \
    "  note a column with LATENESS may pass filters, UNION ALL, casts, + and - of a constant, and rounding to a "      \
    "unit, as "                                                                                                        \
    "in TIMESTAMP_TRUNC\n"

static const kit_case_t ddl[] = {
    { "CREATE TABLE t(x INT PRIMARY KEY);",
      "E 1:18-20 PRIMARY KEY cannot be nullable: PRIMARY KEY column 'x' has type INTEGER, which is nullable\n" },
    { "CREATE TABLE t(x INT); CREATE TABLE T(y INT); CREATE VIEW v AS SELECT * FROM t;",
      "E 1:37-37 Duplicate declaration: 't' already defined\n"
      "E 1:14-14 Duplicate declaration: 't' was first defined here\n" },
    { "CREATE TABLE t(x INT, X INT); CREATE VIEW v AS SELECT * FROM t;",
      "E 1:23-23 Duplicate name: Column with name 'x' already defined\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY, PRIMARY KEY(x));",
      "E 1:44-57 Duplicate key: PRIMARY KEY of table 't' is declared twice\n" },
    { "CREATE TABLE t(x INT NOT NULL, y INT NOT NULL, PRIMARY KEY(x, x));",
      "E 1:63-63 Duplicate key column: Column 'x' is listed twice in the PRIMARY KEY\n" },
    { "CREATE TABLE t(x INT NOT NULL, PRIMARY KEY(z));",
      "E 1:44-44 No such column: PRIMARY KEY names column 'z', which table 't' does not have\n" },
    { "CREATE TABLE t(x INT ARRAY NOT NULL PRIMARY KEY);",
      "E 1:18-26 Illegal PRIMARY KEY type: PRIMARY KEY column 'x' has type INTEGER ARRAY, which cannot be a key\n" },
    { "CREATE TABLE t(x VARIANT NOT NULL PRIMARY KEY);",
      "E 1:18-24 Illegal PRIMARY KEY type: PRIMARY KEY column 'x' has type VARIANT, which cannot be a key\n" },
    { "CREATE TABLE t(x FLOAT);", "E 1:18-22 Illegal type: Do not use the FLOAT type, please use REAL or DOUBLE\n" },
    { "CREATE TABLE t(x DECIMAL(5, 6));", "E 1:18-30 Illegal type: DECIMAL type must have scale <= precision\n" },
    { "CREATE TABLE t(x DECIMAL(39, 6));", "E 1:18-31 Illegal type: Maximum precision supported for DECIMAL is 38\n" },
    { "CREATE TABLE t(x DECIMAL, y TIME(3), z TIMESTAMP(3)); CREATE VIEW v AS SELECT * FROM t;",
      "W 1:18-24 DECIMAL precision and scale unspecified: DECIMAL without precision and scale is DECIMAL(38, 0), which "
      "holds whole numbers only\n"
      "W 1:29-35 TIME precision ignored: The precision of TIME is ignored; it is always 9\n"
      "W 1:40-51 TIMESTAMP precision ignored: The precision of TIMESTAMP is ignored; it is always 6\n" },
    { "CREATE TABLE t(x INTERVAL DAY);",
      "E 1:18-29 Unsupported column type: Column 'x' has type INTERVAL DAY, which is not allowed in a table\n" },
    { "CREATE TABLE t(x GEOMETRY);", "E 1:18-25 Not yet implemented: The type GEOMETRY is not yet implemented; please "
                                     "file an issue if you need it\n" },
    { "CREATE TABLE t(x MAP<INT, GEOMETRY ARRAY>);", "E 1:27-34 Not yet implemented: The type GEOMETRY is not yet "
                                                     "implemented; please file an issue if you need it\n" },
    { "CREATE TYPE g AS GEOMETRY;", "E 1:18-25 Not yet implemented: The type GEOMETRY is not yet implemented; please "
                                    "file an issue if you need it\n" },
    { "CREATE TYPE g AS (x INT, p GEOMETRY); CREATE TABLE t(a g);",
      "E 1:28-35 Not yet implemented: The type GEOMETRY is not yet implemented; please file an issue if you need "
      "it\n" },
    { "CREATE FUNCTION f(x GEOMETRY) RETURNS INT AS 1;", "E 1:21-28 Not yet implemented: The type GEOMETRY is not yet "
                                                         "implemented; please file an issue if you need it\n" },
    { "CREATE TABLE t(a INT); CREATE VIEW v AS SELECT CAST(a AS GEOMETRY) AS g FROM t;",
      "E 1:58-65 Not yet implemented: The type GEOMETRY is not yet implemented; please file an issue if you need "
      "it\n" },
    { "CREATE TABLE t(x VARCHAR(0));", "E 1:18-27 Illegal type: VARCHAR length must be at least 1\n" },
    { "CREATE TABLE t(x nosuch);",
      "E 1:18-23 Compilation error: From line 1, column 18 to line 1, column 23: Unknown identifier 'nosuch'\n" },
    { "CREATE TABLE user(x INT);", "E 1:14-17 Reserved name: The name 'user' is reserved for the system; please choose "
                                   "another name for the table\n" },
    { "CREATE TABLE feldera_x(x INT);", "E 1:14-22 Reserved name: The name 'feldera_x' is reserved for the system; "
                                        "please choose another name for the table\n" },
    { "CREATE TABLE error_view(x INT);", "E 1:14-23 Reserved name: The name 'error_view' is reserved for the system; "
                                         "please choose another name for the table\n" },
    { "CREATE TABLE upper(x INT);", "E 1:14-18 Reserved name: 'upper' is the name of a built-in function; please "
                                    "choose another name for the table\n" },
    { "CREATE OR REPLACE TABLE t(x INT);",
      "E 1:1-32 Not supported: OR REPLACE is not supported in CREATE statements\n" },
    { "CREATE TABLE IF NOT EXISTS t(x INT);",
      "E 1:1-35 Not supported: IF NOT EXISTS is not supported in CREATE statements\n" },
    { "CREATE TABLE t(x INT) WITH ('materialised' = 'true');",
      "E 1:29-42 Compilation error: Unknown table property 'materialised'\n"
      "  note did you mean 'materialized'?\n" },
    { "CREATE TABLE t(x INT) WITH ('materialized' = 'yes');",
      "E 1:29-42 Compilation error: Expected a boolean value for property 'materialized'\n" },
    { "CREATE TABLE t(x INT) WITH ('expected_size' = 'big');",
      "E 1:29-43 Compilation error: Expected a numeric value for property 'expected_size'\n" },
    { "CREATE TABLE t(x INT) WITH ('append_only' = 'true', 'append_only' = 'false');",
      "E 1:53-65 Duplicate key: property 'append_only' already declared\n"
      "E 1:29-41 Duplicate key: property 'append_only' was first declared here\n" },
    { "CREATE TABLE t(x INT, y INT DEFAULT x);",
      "E 1:37-37 Compilation error: At line 1, column 37: Column 'x' not found in any table\n" },
    { "CREATE TABLE t(x TIMESTAMP DEFAULT NOW());",
      "E 1:36-40 Non-deterministic initializer: DEFAULT must be a constant; NOW() changes from step to step\n" },
    { "CREATE TABLE t(x INT NOT NULL DEFAULT NULL);",
      "E 1:39-42 Illegal value: The default value of the NOT NULL column 'x' is NULL\n" },
    { "CREATE TABLE t(x INT DEFAULT DATE '2020-01-01');", "E 1:30-46 Illegal value: The default value of column 'x' "
                                                          "has type DATE, which cannot be converted to INTEGER\n" },
    { "LATENESS v.x INTERVAL 1 HOUR; CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t;",
      "E 1:14-28 Compilation error: Cannot subtract LATENESS value INTERVAL HOUR from column 'x' of type INTEGER\n" },
    { "SET FELDERA_IGNORE_WARNING_UNUSED = 1; SET FELDERA_IGNORE_WARNING_OVERWRITING_VALUE = 1; CREATE TABLE t(x INT);",
      "" },
    { "SET FELDERA_IGNORE_WARNING_OVERWRITING_VALUE = 1; SET FELDERA_IGNORE_WARNING_UNUSED = 1;\n"
      "SET FELDERA_IGNORE_WARNING_UNUSED = OFF; CREATE TABLE t(x INT);",
      "W 2:55-55 Unused: Table 't' is not used\n" },
    { "CREATE TABLE t(x INT LATENESS INTERVAL 1 HOUR);",
      "E 1:31-45 Compilation error: Cannot subtract LATENESS value INTERVAL HOUR from column 'x' of type INTEGER\n" },
    { "CREATE TABLE t(x TIMESTAMP LATENESS INTERVAL 90 MINUTES); CREATE VIEW v AS SELECT * FROM t;", "" },
    { "CREATE TABLE t(x TIMESTAMP WATERMARK INTERVAL 90 MINUTES); CREATE VIEW v AS SELECT * FROM t;", "" },
    { "CREATE FUNCTION jsonstring_as_x(x VARCHAR) RETURNS INT;",
      "E 1:17-31 Compilation error: Function 'jsonstring_as_x' reads JSON as 'x': there is no such type\n" },
    { "CREATE TYPE a AS (b INT); CREATE FUNCTION jsonstring_as_a(x INT) RETURNS a;",
      "E 1:43-57 Compilation error: Function 'jsonstring_as_a' reads JSON as 'a': it takes one argument, a VARCHAR\n" },
    { "CREATE TYPE a AS (b INT); CREATE FUNCTION jsonstring_as_a(x VARCHAR) RETURNS INT;",
      "E 1:43-57 Compilation error: Function 'jsonstring_as_a' reads JSON as 'a': its result is that type\n" },
    { "CREATE TYPE a AS (b INT); CREATE FUNCTION jsonstring_as_a(x VARCHAR) RETURNS a NOT NULL;",
      "E 1:43-57 Compilation error: Function 'jsonstring_as_a' reads JSON as 'a': what is no JSON is NULL, so its "
      "result may not be NOT NULL\n" },
    { "CREATE TYPE a AS (b INT); CREATE FUNCTION jsonstring_as_a(x VARCHAR) RETURNS a; CREATE TABLE t(x VARCHAR); "
      "CREATE VIEW v AS SELECT jsonstring_as_a(x) AS y FROM t;",
      "" },
    { "EXPLAIN SELECT 1;", "E 1:1-16 Not supported: EXPLAIN is for ad-hoc queries, not for programs\n" },
    { "CREATE TABLE t(x INT WATERMARK INTERVAL 1 HOUR);",
      "E 1:32-46 Compilation error: Cannot subtract WATERMARK value INTERVAL HOUR from column 'x' of type INTEGER\n" },
    { "CREATE TABLE t(x INT WATERMARK 1, y INT WATERMARK 2);",
      "E 1:51-51 Not supported: A table can have at most one WATERMARK\n" },
    { "CREATE TABLE t(x INT INTERNED); CREATE VIEW v AS SELECT * FROM t;",
      "W 1:16-29 Illegal type interned: INTERNED has no effect on column 'x' of type INTEGER\n" },
    { "CREATE TABLE t(x INT FOREIGN KEY REFERENCES u(y)); CREATE VIEW v AS SELECT * FROM t;",
      "W 1:45-45 Table not found: Table 'u', referred to in FOREIGN KEY constraint of table 't', does not exist\n" },
    { "CREATE TABLE t(x INT FOREIGN KEY REFERENCES u(y)); CREATE TABLE u(y INT); CREATE VIEW v AS SELECT * FROM t;",
      "E 1:47-47 FOREIGN KEY points to non-key column: Column 'y' of table 'u' is not part of its PRIMARY KEY\n" },
    { "CREATE TABLE t(x INT, FOREIGN KEY (x, x) REFERENCES u(y)); CREATE TABLE u(y INT NOT NULL PRIMARY KEY);",
      "E 1:23-56 Size mismatch: FOREIGN KEY section of table 't' contains 2 columns, which does not match the size of "
      "the REFERENCES, which is 1\n" },
    { "CREATE TABLE t(x BIGINT FOREIGN KEY REFERENCES u(y)); CREATE TABLE u(y INT NOT NULL PRIMARY KEY);",
      "E 1:16-16 Mismatched FOREIGN KEY column types: Column 'x' has type BIGINT, but the column 'u.y' that it refers "
      "to has type INTEGER\n" },
    { "CREATE TABLE t(x INT FOREIGN KEY REFERENCES u(z)); CREATE TABLE u(y INT NOT NULL PRIMARY KEY);",
      "E 1:47-47 Column not found: Table 'u' does not have a column named 'z'\n" },
    { "CREATE TABLE t(x INT FOREIGN KEY REFERENCES u(y)); CREATE TABLE u(y INT NOT NULL, z INT NOT NULL, PRIMARY "
      "KEY(y, z));",
      "E 1:45-45 PRIMARY KEY does not match: The PRIMARY KEY of table 'u' has 2 columns, the FOREIGN KEY refers to "
      "1\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v(a, b) AS SELECT x FROM t;",
      "E 2:15-15 Column count mismatch: View 'v' specifies 2 columns but its query produces 1\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v(a, a) AS SELECT x, x + 1 FROM t;",
      "E 2:18-18 Duplicate name: Column 'a' is listed twice\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT x, x FROM t;",
      "E 2:28-28 Duplicate column: The view yields two columns named 'x'\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v WITH ('materialized' = 'true') AS SELECT x FROM t;",
      "W 2:21-34 Materialized property not used: The property 'materialized' has no effect on views; use CREATE "
      "MATERIALIZED VIEW instead\n"
      "E 2:21-34 Compilation error: Unknown view property 'materialized'\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v WITH ('connector' = '[]') AS SELECT x FROM t;",
      "E 2:21-31 Compilation error: Unknown view property 'connector'\n"
      "  note did you mean 'connectors'?\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v WITH ('emit_final' = '3') AS SELECT x FROM t;",
      "E 2:36-38 Illegal column number: View 'v' has 1 columns, there is no column number 3\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v WITH ('emit_final' = 'y') AS SELECT x FROM t;",
      "E 2:36-38 Illegal column name: View 'v' has no column 'y'\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v WITH ('emit_final' = 'x') AS SELECT x FROM t;",
      "E 2:36-38 Compilation error: 'emit_final' needs a waterline for column 'x' of view 'v', and none follows from "
      "LATENESS\n" FINAL_NOTE },
    { "CREATE TABLE t(x INT LATENESS 1, y INT);\n"
      "CREATE VIEW v WITH ('emit_final' = 'b') AS SELECT x AS b FROM t UNION ALL SELECT y FROM t;",
      "E 2:36-38 Compilation error: 'emit_final' needs a waterline for column 'b' of view 'v', and none follows from "
      "LATENESS\n" FINAL_NOTE },
    { "CREATE TABLE t(x INT LATENESS 1);\n"
      "CREATE VIEW v WITH ('emit_final' = '0') AS SELECT 10 - x FROM t;",
      "E 2:36-38 Compilation error: 'emit_final' needs a waterline for column 'EXPR$0' of view 'v', and none follows "
      "from LATENESS\n" FINAL_NOTE },
    { "CREATE TABLE t(x TIME LATENESS INTERVAL 1 HOUR);\n"
      "CREATE VIEW v WITH ('emit_final' = '0') AS SELECT x + INTERVAL 1 HOUR FROM t;",
      "E 2:36-38 Compilation error: 'emit_final' needs a waterline for column 'EXPR$0' of view 'v', and none follows "
      "from LATENESS\n" FINAL_NOTE },
    { "CREATE TABLE t(x INT LATENESS 1);\n"
      "CREATE LOCAL VIEW v WITH ('emit_final' = 'x') AS SELECT x FROM t;",
      "E 2:27-38 Not supported: View 'v' is LOCAL and has no output, so 'emit_final' cannot hold rows back\n" },
    { "CREATE TABLE t(x TIMESTAMP LATENESS INTERVAL 1 HOUR);\n"
      "CREATE LOCAL VIEW l AS SELECT x - INTERVAL 1 MONTH AS y FROM t WHERE x > DATE '2020-01-01';\n"
      "CREATE VIEW v WITH ('emit_final' = 'z') AS SELECT CAST(FLOOR(INTERVAL 1 DAY + y TO HOUR) AS DATE) AS z FROM l "
      "UNION ALL SELECT DATE_TRUNC(x, YEAR) FROM t;",
      "" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT NULL AS n FROM t;",
      "E 2:33-33 Unsupported column type: Column 'n' has type NULL, which is not allowed in a view; please use a "
      "CAST\n" },
    { "CREATE TABLE t(x DATE);\n"
      "CREATE VIEW v AS SELECT INTERVAL 1 DAY AS n FROM t;",
      "E 2:43-43 Unsupported column type: Column 'n' has type INTERVAL DAY, which is not allowed in a view; please use "
      "a CAST\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT x FROM t ORDER BY x;",
      "W 2:43-43 ORDER BY is ignored: ORDER BY without LIMIT has no effect in a view\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT x FROM v;",
      "E 2:32-32 Compilation error: At line 2, column 32: Object 'v' not found\n"
      "  note it is declared at line 2, column 13; a view reads what is declared before it (DECLARE RECURSIVE VIEW "
      "apart)\n" },
    { "CREATE VIEW v AS SELECT x FROM tt; CREATE TABLE t(x INT);",
      "E 1:32-33 Compilation error: From line 1, column 32 to line 1, column 33: Object 'tt' not found\n" },
    { "SELECT 1;",
      "E 1:1-8 Not supported: Raw 'SELECT' statements are not supported; did you forget to CREATE VIEW?\n" },
    { "INSERT INTO t VALUES (1);",
      "W 1:1-24 Statement ignored: INSERT has no effect in a program; use an ad-hoc query\n" },
    { "SET FELDERA_IGNORE_WARNING_UNUSED = 1; CREATE TABLE t(x INT);", "" },
    { "SET FELDERA_IGNORE_WARNING_UNUSED = OFF; CREATE TABLE t(x INT);", "W 1:55-55 Unused: Table 't' is not used\n" },
    { "SET FELDERA_WARNINGS_ARE_ERRORS = ON; CREATE TABLE t(x INT);", "E 1:52-52 Unused: Table 't' is not used\n" },
    { "SET HEADGATE_UNKNOWN_LABLE = 'warn'; SET a = 1; SET a = 2;",
      "W 1:5-26 Unknown setting: Unknown setting 'headgate_unknown_lable' is ignored\n"
      "  note did you mean 'headgate_unknown_label'?\n"
      "W 1:42-42 Unknown setting: Unknown setting 'a' is ignored\n"
      "W 1:49-57 Overwriting value: 'a' was set before; this value replaces it\n"
      "W 1:53-53 Unknown setting: Unknown setting 'a' is ignored\n" },
    { "SET HEADGATE_UNKNOWN_LABEL = 'maybe';",
      "E 1:30-36 Compilation error: HEADGATE_UNKNOWN_LABEL must be 'error' or 'warn'\n" },
    { "CREATE TABLE t(x INT); DROP TABLE t; CREATE TABLE t(y INT); CREATE VIEW v AS SELECT y FROM t;", "" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t; DROP TABLE t;",
      "E 1:69-69 Compilation error: Cannot drop table 't': a view reads it\n" },
    { "DROP TABLE IF EXISTS t; DROP VIEW v;",
      "E 1:35-35 Compilation error: At line 1, column 35: Object 'v' not found\n" },
    { "CREATE TABLE t(x INT); DROP VIEW t;", "E 1:34-34 Compilation error: 't' is not a view\n" },
    { "CREATE TYPE money AS DECIMAL(10, 2); CREATE TABLE t(x money, y money NOT NULL); CREATE VIEW v AS SELECT * FROM "
      "t;",
      "" },
    { "CREATE TABLE t(x pair); CREATE TYPE pair AS (a INT, a INT);",
      "E 1:53-53 Duplicate name: Field 'a' is declared twice\n" },
    { "CREATE FUNCTION twice(x INT) RETURNS INT AS x * 2; CREATE TABLE t(x INT); CREATE VIEW v AS SELECT twice(x) AS y "
      "FROM t;",
      "" },
    { "CREATE FUNCTION f(x INT) RETURNS INT;", "E 1:17-17 Not supported: Function 'f' has no SQL body: Rust "
                                               "user-defined functions are not available in headgate\n" },
    { "CREATE FUNCTION abs(x INT) RETURNS INT AS x;",
      "E 1:17-19 Compilation error: A function named 'abs' is already predefined\n" },
    { "CREATE FUNCTION f(x INT) RETURNS DATE AS x;",
      "E 1:42-42 Compilation error: At line 1, column 42: The body of function 'f' has type INTEGER, which cannot be "
      "converted to its result type DATE\n" },
    { "CREATE FUNCTION f(x INT NOT NULL) RETURNS INT AS x; CREATE TABLE t(x INT); CREATE VIEW v AS SELECT f(x) AS y "
      "FROM t;",
      "E 1:102-102 Compilation error: At line 1, column 102: Parameter 'x' of function 'f' is NOT NULL, but the "
      "argument may be NULL\n" },
    { "CREATE FUNCTION f(x INT) RETURNS INT AS x; CREATE TABLE t(x INT); CREATE VIEW v AS SELECT f(x, 1) AS y FROM t;",
      "E 1:91-97 Compilation error: From line 1, column 91 to line 1, column 97: Invalid number of arguments to "
      "function 'f'. Was expecting 1 arguments\n" },
    { "CREATE AGGREGATE a(x INT) RETURNS INT;",
      "E 1:18-18 Not supported: Aggregate 'a': Rust user-defined aggregates are not available in headgate\n" },
    { "DECLARE RECURSIVE VIEW v(x INT); CREATE TABLE t(x INT); CREATE VIEW v AS SELECT * FROM t UNION ALL SELECT * "
      "FROM v;",
      "E 1:1-31 Not yet implemented: DECLARE RECURSIVE VIEW is not yet implemented; please file an issue if you need "
      "it\n" },
    { "CREATE INDEX i ON v(x);",
      "E 1:19-19 Indexed object not found: Object 'v' used in CREATE INDEX does not exist\n" },
    { "CREATE TABLE t(x INT); CREATE INDEX i ON t(x);",
      "W 1:42-42 Indexed table: INDEX 'i' on a table has no effect; indexes name keys of views\n"
      "W 1:14-14 Unused: Table 't' is not used\n" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t; CREATE INDEX i ON v(y);",
      "E 1:78-78 Column not found: Column 'y' not found in 'v'\n" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t; CREATE INDEX i ON v(x, x);",
      "E 1:81-81 Duplicated name: Column 'x' is listed twice in the index\n" },
    { "CREATE TABLE t(x INT ARRAY); CREATE VIEW v AS SELECT x FROM t; CREATE INDEX i ON v(x);",
      "E 1:84-84 Illegal type in INDEX: Column 'x' has type INTEGER ARRAY, which cannot be indexed\n" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t; CREATE INDEX t ON v(x);",
      "E 1:71-71 Duplicate declaration: 't' already defined\n"
      "E 1:14-14 Duplicate declaration: 't' was first defined here\n" },
    { "LATENESS v.x 1; CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM t; LATENESS v.x 2; LATENESS w.x 1;",
      "E 1:74-87 Duplicate: LATENESS of 'v.x' is declared twice\n"
      "W 1:99-99 No such view: LATENESS names a view 'w' that is never declared\n" },
    { "CREATE TABLE t(x INT", "E 1:20-20 Error parsing SQL: Encountered \"<EOF>\" at line 1, column 20. Was expecting "
                              "a column attribute, \",\" or \")\".\n" },
    { "CREATE TABLE t(x INT); CREATE VIEW v AS SELECT x FROM;",
      "E 1:54-54 Error parsing SQL: Encountered \";\" at line 1, column 54. Was expecting a table, a view or a "
      "subquery.\n" },
};

static void ddl_checks_say_what_and_where(void **state)
{
    (void)state;
    kit_check_messages(ddl, HG_COUNT(ddl), NULL);
}

static void rust_code_is_refused_unless_blank(void **state)
{
    (void)state;
    static const kit_case_t rust[] = { { "", "E 0:0-0 Not supported: The pipeline has Rust code (udf_rust): Rust "
                                             "user-defined functions are not available in headgate\n" } };
    static const kit_case_t toml[] = { { "", "E 0:0-0 Not supported: The pipeline has Rust dependencies (udf_toml): "
                                             "Rust user-defined functions are not available in headgate\n" } };
    static const kit_case_t blank[] = { { "-- nothing\n", "" } };
    kit_check_messages(rust, 1, &(hg_compile_opts_t){ .udf_rust = "fn f() {}" });
    kit_check_messages(toml, 1, &(hg_compile_opts_t){ .udf_toml = "x = 1" });
    kit_check_messages(blank, 1, &(hg_compile_opts_t){ .udf_rust = " \n", .udf_toml = "" });
}

static void identical_messages_are_told_once(void **state)
{
    (void)state;
    static const kit_case_t twice[] = {
        { "CREATE VIEW v AS SELECT x FROM nope UNION ALL SELECT x FROM nope;",
          "E 1:32-35 Compilation error: From line 1, column 32 to line 1, column 35: Object 'nope' not found\n"
          "E 1:61-64 Compilation error: From line 1, column 61 to line 1, column 64: Object 'nope' not found\n" },
        { "CREATE TABLE t(x INT); CREATE VIEW v AS WITH c AS (SELECT y FROM t) SELECT * FROM c UNION ALL SELECT * FROM "
          "c;",
          "E 1:59-59 Compilation error: At line 1, column 59: Column 'y' not found in any table\n" },
    };
    kit_check_messages(twice, HG_COUNT(twice), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddl_checks_say_what_and_where),
        cmocka_unit_test(rust_code_is_refused_unless_blank),
        cmocka_unit_test(identical_messages_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
