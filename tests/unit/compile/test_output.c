/* What comes out of a compilation: schema JSON byte by byte, messages with their snippets, text for people, graphs. */
#include "base/hg.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"

/* The one system view, first of all outputs. */
#define ERROR_VIEW                                                                                                     \
    "{\"name\":\"error_view\",\"case_sensitive\":false,\"fields\":[{\"name\":\"table_or_view_name\",\"case_"           \
    "sensitive\":"                                                                                                     \
    "false,\"columntype\":{\"nullable\":false,\"precision\":-1,\"type\":\"VARCHAR\"},\"unused\":false},{\"name\":"     \
    "\"messa"                                                                                                          \
    "ge\",\"case_sensitive\":false,\"columntype\":{\"nullable\":false,\"precision\":-1,\"type\":\"VARCHAR\"},"         \
    "\"unused\":"                                                                                                      \
    "false},{\"name\":\"metadata\",\"case_sensitive\":false,\"columntype\":{\"nullable\":false,\"precision\":-1,"      \
    "\"type"                                                                                                           \
    "\":\"VARCHAR\"},\"unused\":false}],\"materialized\":false}"

static const kit_case_t schemas[] = {
    { "CREATE TABLE Sensor (\n"
      "    id      BIGINT NOT NULL PRIMARY KEY,\n"
      "    \"Label\" VARCHAR(20),\n"
      "    reading DECIMAL(8, 3) DEFAULT 0,\n"
      "    tags    VARCHAR ARRAY\n"
      ") WITH ('materialized' = 'true');\n"
      "CREATE MATERIALIZED VIEW hot AS SELECT id, reading FROM sensor WHERE reading > 50;\n",
      "{\"inputs\":[{\"name\":\"sensor\",\"case_sensitive\":false,\"fields\":[{\"name\":\"id\",\"case_sensitive\":"
      "false,\"columntype\":{\"nullable\":false,\"type\":\"BIGINT\"},\"unused\":false},{\"name\":\"Label\",\"case_"
      "sensitive\":true,\"columntype\":{\"nullable\":true,\"precision\":20,\"type\":\"VARCHAR\"},\"unused\":true},{"
      "\"name\":\"reading\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"precision\":8,\"scale\":3,"
      "\"type\":\"DECIMAL\"},\"default\":\"0\",\"unused\":false},{\"name\":\"tags\",\"case_sensitive\":false,"
      "\"columntype\":{\"component\":{\"nullable\":true,\"precision\":-1,\"type\":\"VARCHAR\"},\"nullable\":true,"
      "\"type\":\"ARRAY\"},\"unused\":true}],\"primary_key\":[\"id\"],\"properties\":{\"materialized\":{\"value\":"
      "\"true\",\"key_position\":{\"start_line_number\":6,\"start_column\":9,\"end_line_number\":6,\"end_column\":22},"
      "\"value_position\":{\"start_line_number\":6,\"start_column\":26,\"end_line_number\":6,\"end_column\":31}}},"
      "\"materialized\":true,\"foreign_keys\":[]}],\"outputs\":[" ERROR_VIEW
      ",{\"name\":\"hot\",\"case_sensitive\":false,\"fields\":[{\"name\":\"id\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":false,\"type\":\"BIGINT\"},\"unused\":false},{\"name\":\"reading\",\"case_"
      "sensitive\":false,\"columntype\":{\"nullable\":true,\"precision\":8,\"scale\":3,\"type\":\"DECIMAL\"},"
      "\"unused\":false}],\"materialized\":true}]}" },
    { "CREATE TABLE t(m MAP<VARCHAR, INT>, p ROW(x INT, y DOUBLE NULL) NOT NULL, v VARIANT, at TIMESTAMP NOT NULL, u "
      "INT UNSIGNED, b BYTEA, c CHAR(3), d BINARY, e NUMERIC(5), f TINYINT UNSIGNED, g TIME, h TIMESTAMP WITH TIME "
      "ZONE, i REAL, j UUID, k DATE, l BIGINT ARRAY ARRAY);",
      "{\"inputs\":[{\"name\":\"t\",\"case_sensitive\":false,\"fields\":[{\"name\":\"m\",\"case_sensitive\":false,"
      "\"columntype\":{\"key\":{\"nullable\":false,\"precision\":-1,\"type\":\"VARCHAR\"},\"nullable\":true,\"type\":"
      "\"MAP\",\"value\":{\"nullable\":true,\"type\":\"INTEGER\"}},\"unused\":true},{\"name\":\"p\",\"case_sensitive\":"
      "false,\"columntype\":{\"fields\":[{\"name\":\"x\",\"nullable\":false,\"type\":\"INTEGER\"},{\"name\":\"y\","
      "\"nullable\":true,\"type\":\"DOUBLE\"}],\"nullable\":false},\"unused\":true},{\"name\":\"v\",\"case_sensitive\":"
      "false,\"columntype\":{\"nullable\":true,\"type\":\"VARIANT\"},\"unused\":true},{\"name\":\"at\",\"case_"
      "sensitive\":false,\"columntype\":{\"nullable\":false,\"precision\":6,\"type\":\"TIMESTAMP\"},\"unused\":true},{"
      "\"name\":\"u\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"type\":\"UINTEGER\"},\"unused\":"
      "true},{\"name\":\"b\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"precision\":-1,\"type\":"
      "\"VARBINARY\"},\"unused\":true},{\"name\":\"c\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,"
      "\"precision\":3,\"type\":\"CHAR\"},\"unused\":true},{\"name\":\"d\",\"case_sensitive\":false,\"columntype\":{"
      "\"nullable\":true,\"precision\":1,\"type\":\"BINARY\"},\"unused\":true},{\"name\":\"e\",\"case_sensitive\":"
      "false,\"columntype\":{\"nullable\":true,\"precision\":5,\"scale\":0,\"type\":\"DECIMAL\"},\"unused\":true},{"
      "\"name\":\"f\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"type\":\"UTINYINT\"},\"unused\":"
      "true},{\"name\":\"g\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"precision\":9,\"type\":"
      "\"TIME\"},\"unused\":true},{\"name\":\"h\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,"
      "\"precision\":6,\"type\":\"TIMESTAMP_TZ\"},\"unused\":true},{\"name\":\"i\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":true,\"type\":\"REAL\"},\"unused\":true},{\"name\":\"j\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":true,\"type\":\"UUID\"},\"unused\":true},{\"name\":\"k\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":true,\"type\":\"DATE\"},\"unused\":true},{\"name\":\"l\",\"case_sensitive\":false,"
      "\"columntype\":{\"component\":{\"component\":{\"nullable\":true,\"type\":\"BIGINT\"},\"nullable\":true,\"type\":"
      "\"ARRAY\"},\"nullable\":true,\"type\":\"ARRAY\"},\"unused\":true}],\"materialized\":false,\"foreign_keys\":[]}],"
      "\"outputs\":[" ERROR_VIEW "]}" },
    { "CREATE TYPE money AS DECIMAL(10, 2);\n"
      "CREATE TABLE \"Big\"(A INT NOT NULL, b money, \"c\" VARCHAR INTERNED, at TIMESTAMP LATENESS INTERVAL 90 "
      "MINUTES, w BIGINT WATERMARK 5, PRIMARY KEY (a)) WITH ('append_only' = 'true', 'connectors' = '[]');\n"
      "CREATE TABLE small(r INT FOREIGN KEY REFERENCES \"Big\"(a), s INT, FOREIGN KEY (s) REFERENCES \"Big\"(a));\n"
      "CREATE LOCAL VIEW l AS SELECT a, b, r FROM (SELECT a, b, 1 AS r FROM \"Big\");\n"
      "CREATE VIEW v(\"X\", y) WITH ('connectors' = '[]') AS SELECT a, b FROM l;\n"
      "CREATE VIEW w AS SELECT r AS \"Mixed\", r + 1, 'k' AS \"low\" FROM small;\n",
      "{\"inputs\":[{\"name\":\"Big\",\"case_sensitive\":true,\"fields\":[{\"name\":\"a\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":false,\"type\":\"INTEGER\"},\"unused\":false},{\"name\":\"b\",\"case_sensitive\":"
      "false,\"columntype\":{\"nullable\":true,\"precision\":10,\"scale\":2,\"type\":\"DECIMAL\"},\"unused\":false},{"
      "\"name\":\"c\",\"case_sensitive\":true,\"columntype\":{\"nullable\":true,\"precision\":-1,\"type\":\"VARCHAR\"},"
      "\"interned\":true,\"unused\":true},{\"name\":\"at\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,"
      "\"precision\":6,\"type\":\"TIMESTAMP\"},\"lateness\":\"INTERVAL '90' "
      "MINUTE\",\"unused\":true},{\"name\":\"w\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,\"type\":"
      "\"BIGINT\"},\"watermark\":\"5\",\"unused\":true}],\"primary_key\":[\"a\"],\"properties\":{\"append_only\":{"
      "\"value\":\"true\",\"key_position\":{\"start_line_number\":2,\"start_column\":155,\"end_line_number\":2,\"end_"
      "column\":167},\"value_position\":{\"start_line_number\":2,\"start_column\":171,\"end_line_number\":2,\"end_"
      "column\":176}},\"connectors\":{\"value\":\"[]\",\"key_position\":{\"start_line_number\":2,\"start_column\":179,"
      "\"end_line_number\":2,\"end_column\":190},\"value_position\":{\"start_line_number\":2,\"start_column\":194,"
      "\"end_line_number\":2,\"end_column\":197}}},\"materialized\":false,\"foreign_keys\":[]},{\"name\":\"small\","
      "\"case_sensitive\":false,\"fields\":[{\"name\":\"r\",\"case_sensitive\":false,\"columntype\":{\"nullable\":true,"
      "\"type\":\"INTEGER\"},\"unused\":false},{\"name\":\"s\",\"case_sensitive\":false,\"columntype\":{\"nullable\":"
      "true,\"type\":\"INTEGER\"},\"unused\":true}],\"materialized\":false,\"foreign_keys\":[{\"source\":\"small\","
      "\"columns\":[\"r\"],\"refers\":\"Big\",\"tocolumns\":[\"a\"]},{\"source\":\"small\",\"columns\":[\"s\"],"
      "\"refers\":\"Big\",\"tocolumns\":[\"a\"]}]}],\"outputs\":[" ERROR_VIEW
      ",{\"name\":\"v\",\"case_sensitive\":false,\"fields\":[{\"name\":\"X\",\"case_sensitive\":true,\"columntype\":{"
      "\"nullable\":false,\"type\":\"INTEGER\"},\"unused\":false},{\"name\":\"y\",\"case_sensitive\":false,"
      "\"columntype\":{\"nullable\":true,\"precision\":10,\"scale\":2,\"type\":\"DECIMAL\"},\"unused\":false}],"
      "\"properties\":{\"connectors\":{\"value\":\"[]\",\"key_position\":{\"start_line_number\":5,\"start_column\":29,"
      "\"end_line_number\":5,\"end_column\":40},\"value_position\":{\"start_line_number\":5,\"start_column\":44,\"end_"
      "line_number\":5,\"end_column\":47}}},\"materialized\":false},{\"name\":\"w\",\"case_sensitive\":false,"
      "\"fields\":[{\"name\":\"Mixed\",\"case_sensitive\":true,\"columntype\":{\"nullable\":true,\"type\":\"INTEGER\"},"
      "\"unused\":false},{\"name\":\"EXPR$1\",\"case_sensitive\":true,\"columntype\":{\"nullable\":true,\"type\":"
      "\"INTEGER\"},\"unused\":false},{\"name\":\"low\",\"case_sensitive\":false,\"columntype\":{\"nullable\":false,"
      "\"precision\":-1,\"type\":\"VARCHAR\"},\"unused\":false}],\"materialized\":false}]}" },
};
static const kit_case_t snippets[] = {
    { "CREATE TABLE t(x INT PRIMARY KEY);",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":1,\"start_column\":18,\"end_line_number\":1,\"end_"
      "column\":20,\"warning\":false,\"error_type\":\"PRIMARY KEY cannot be nullable\",\"message\":\"PRIMARY KEY "
      "column 'x' has type INTEGER, which is nullable\",\"snippet\":\"    1|CREATE TABLE t(x INT PRIMARY KEY);\\n      "
      "                 ^^^\\n\"}]}" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS\n"
      "  SELECT y\n"
      "  FROM t;\n",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":3,\"start_column\":10,\"end_line_number\":3,\"end_"
      "column\":10,\"warning\":false,\"error_type\":\"Compilation error\",\"message\":\"At line 3, column 10: Column "
      "'y' not found in any table\",\"snippet\":\"    3|  SELECT y\\n               ^\\n    4|  FROM t;\\n\"}]}" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT x\n"
      " FROM t\n"
      " GROUP\n"
      " BY\n"
      " x, (x\n"
      " + 1);\n",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":6,\"start_column\":2,\"end_line_number\":6,\"end_column\":"
      "2,\"warning\":false,\"error_type\":\"Not yet implemented\",\"message\":\"GROUP BY in a view is not yet "
      "implemented; please file an issue if you need it\",\"snippet\":\"    6| x, (x\\n       ^\\n    7| + "
      "1);\\n\"}]}" },
    { "SELECT\n"
      "1,\n"
      "2,\n"
      "3;\n",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":1,\"start_column\":1,\"end_line_number\":4,\"end_column\":"
      "1,\"warning\":false,\"error_type\":\"Not supported\",\"message\":\"Raw 'SELECT' statements are not supported; "
      "did you forget to CREATE VIEW?\",\"snippet\":\"    1|SELECT\\n    2|1,\\n    3|2,\\n    4|3;\\n\"}]}" },
    { "SELECT\n"
      "1,\n"
      "2,\n"
      "3,\n"
      "4,\n"
      "5,\n"
      "6,\n"
      "7;\n",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":1,\"start_column\":1,\"end_line_number\":8,\"end_column\":"
      "1,\"warning\":false,\"error_type\":\"Not supported\",\"message\":\"Raw 'SELECT' statements are not supported; "
      "did you forget to CREATE VIEW?\",\"snippet\":\"    1|SELECT\\n    2|1,\\n      ...\\n    8|7;\\n\"}]}" },
    { "CREATE TABLE \"é😀\"(	x INT, 	y FLOAT);",
      "{\"exit_code\":1,\"messages\":[{\"start_line_number\":1,\"start_column\":31,\"end_line_number\":1,\"end_"
      "column\":35,\"warning\":false,\"error_type\":\"Illegal type\",\"message\":\"Do not use the FLOAT type, please "
      "use REAL or DOUBLE\",\"snippet\":\"    1|CREATE TABLE \\\"é😀\\\"(\\tx INT, \\ty FLOAT);\\n                      "
      "              ^^^^^\\n\"}]}" },
};
static const kit_case_t texts[] = {
    { "CREATE TABLE t(x INT PRIMARY KEY);",
      "t.sql:1:18: error: PRIMARY KEY column 'x' has type INTEGER, which is nullable\n"
      "    1 | CREATE TABLE t(x INT PRIMARY KEY);\n"
      "      |                  ^^^\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS\n"
      "  SELECT y\n"
      "  FROM t;\n",
      "t.sql:3:10: error: Column 'y' not found in any table\n"
      "    3 |   SELECT y\n"
      "      |          ^\n" },
    { "CREATE TABLE t(x INT);\n"
      "CREATE VIEW v AS SELECT x\n"
      " FROM t\n"
      " GROUP\n"
      " BY\n"
      " x, (x\n"
      " + 1);\n",
      "t.sql:6:2: error: GROUP BY in a view is not yet implemented; please file an issue if you need it\n"
      "    6 |  x, (x\n"
      "      |  ^\n" },
    { "SELECT\n"
      "1,\n"
      "2,\n"
      "3;\n",
      "t.sql:1:1: error: Raw 'SELECT' statements are not supported; did you forget to CREATE VIEW?\n"
      "    1 | SELECT\n" },
    { "CREATE TABLE \"é😀\"(	x INT, 	y FLOAT);",
      "t.sql:1:31: error: Do not use the FLOAT type, please use REAL or DOUBLE\n"
      "    1 | CREATE TABLE \"é😀\"(	x INT, 	y FLOAT);\n"
      "      |                   	       	  ^^^^^\n" },
};
static const kit_case_t trees[] = {
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"hist\",\"labels\":[\"b\",\"done\",\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"more\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_"
      "input\",\"config\":{\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"live\",\"start_after\":[\"b\"],\"handoff\":\"gapless\",\"labels\":[\"z\"],\"transport\":{\"name\":"
      "\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{"
      "\"name\":\"audit\",\"start_after\":[\"done\",\"z\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{"
      "\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"alone\",\"paused\":"
      "true,\"transport\":{\"name\":\"datagen\",\"config\":{\"limit\":1}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;\n"
      "CREATE VIEW w WITH ('connectors' = '[{\"name\":\"o\",\"transport\":{\"name\":\"null_output\"}}]') AS SELECT * "
      "FROM t;",
      "t.hist         url\n"
      "├─ b\n"
      "│  └─ t.live   kafka   hand-over from its mark, gapless\n"
      "│     └─ z\n"
      "│        └─ t.audit  kafka\n"
      "└─ done\n"
      "   └─ t.audit  kafka   (see above)\n"
      "t.more         url\n"
      "└─ b\n"
      "   └─ t.live   kafka   hand-over from its mark, gapless   (see above)\n"
      "t.alone        datagen   created paused\n"
      "w.o            null   output\n" },
    { "CREATE TABLE t(x INT);", "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":[\"h1\"],\"start_after\":\"h2\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"b\",\"labels\":[\"h2\"],\"start_after\":\"h1\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "t.a        url\n"
      "└─ h1\n"
      "   └─ t.b  url\n"
      "      └─ h2\n"
      "         └─ t.a  url   (see above)\n" },
};
static const kit_case_t dots[] = {
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"hist\",\"labels\":[\"b\",\"done\",\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"more\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_"
      "input\",\"config\":{\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"live\",\"start_after\":[\"b\"],\"handoff\":\"gapless\",\"labels\":[\"z\"],\"transport\":{\"name\":"
      "\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{"
      "\"name\":\"audit\",\"start_after\":[\"done\",\"z\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{"
      "\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"alone\",\"paused\":"
      "true,\"transport\":{\"name\":\"datagen\",\"config\":{\"limit\":1}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;\n"
      "CREATE VIEW w WITH ('connectors' = '[{\"name\":\"o\",\"transport\":{\"name\":\"null_output\"}}]') AS SELECT * "
      "FROM t;",
      "digraph connectors {\n"
      "  rankdir=LR;\n"
      "  c0 [shape=box, label=\"t.hist (url)\"];\n"
      "  c1 [shape=box, label=\"t.more (url)\"];\n"
      "  c2 [shape=box, label=\"t.live (kafka)\"];\n"
      "  c3 [shape=box, label=\"t.audit (kafka)\"];\n"
      "  c4 [shape=box, label=\"t.alone (datagen)\"];\n"
      "  c5 [shape=box, label=\"w.o (null)\"];\n"
      "  r1 [shape=ellipse, label=\"t\"];\n"
      "  r3 [shape=ellipse, label=\"w\"];\n"
      "  c0 -> r1 [style=dashed];\n"
      "  c1 -> r1 [style=dashed];\n"
      "  c2 -> r1 [style=dashed];\n"
      "  c3 -> r1 [style=dashed];\n"
      "  c4 -> r1 [style=dashed];\n"
      "  r3 -> c5 [style=dashed];\n"
      "  c0 -> c2 [label=\"b\"];\n"
      "  c1 -> c2 [label=\"b\"];\n"
      "  c0 -> c3 [label=\"done\"];\n"
      "  c2 -> c3 [label=\"z\"];\n"
      "}\n" },
};
static const kit_case_t mermaids[] = {
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"hist\",\"labels\":[\"b\",\"done\",\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"more\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_"
      "input\",\"config\":{\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"live\",\"start_after\":[\"b\"],\"handoff\":\"gapless\",\"labels\":[\"z\"],\"transport\":{\"name\":"
      "\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{"
      "\"name\":\"audit\",\"start_after\":[\"done\",\"z\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{"
      "\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"alone\",\"paused\":"
      "true,\"transport\":{\"name\":\"datagen\",\"config\":{\"limit\":1}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;\n"
      "CREATE VIEW w WITH ('connectors' = '[{\"name\":\"o\",\"transport\":{\"name\":\"null_output\"}}]') AS SELECT * "
      "FROM t;",
      "graph LR\n"
      "  c0[\"t.hist (url)\"]\n"
      "  c1[\"t.more (url)\"]\n"
      "  c2[\"t.live (kafka)\"]\n"
      "  c3[\"t.audit (kafka)\"]\n"
      "  c4[\"t.alone (datagen)\"]\n"
      "  c5[\"w.o (null)\"]\n"
      "  r1([\"t\"])\n"
      "  r3([\"w\"])\n"
      "  c0 -.-> r1\n"
      "  c1 -.-> r1\n"
      "  c2 -.-> r1\n"
      "  c3 -.-> r1\n"
      "  c4 -.-> r1\n"
      "  r3 -.-> c5\n"
      "  c0 -- \"b\" --> c2\n"
      "  c1 -- \"b\" --> c2\n"
      "  c0 -- \"done\" --> c3\n"
      "  c2 -- \"z\" --> c3\n" },
};

typedef void (*writer_t)(const hg_program_t *p, hg_jw_t *w);

static void check_json(const kit_case_t *cases, size_t n, writer_t write)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        hg_program_t *p = hg_compile(hg_strz(cases[i].sql), NULL);
        hg_buf_t b;
        hg_jw_t w;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        write(p, &w);
        bad += !kit_same("json", cases[i].sql, cases[i].want, &b);
        hg_buf_release(&b);
        hg_program_free(p);
    }
    assert_int_equal(bad, 0);
}

static void check_graph(const kit_case_t *cases, size_t n, const char *how)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        hg_program_t *p = hg_compile(hg_strz(cases[i].sql), NULL);
        hg_buf_t b;
        hg_err_t err = HG_ERR_INIT;
        hg_buf_init(&b, HG_BUF_NOMAX);
        assert_int_equal(hg_program_graph(p, how, &b, &err), 0);
        bad += !kit_same(how, cases[i].sql, cases[i].want, &b);
        hg_buf_release(&b);
        hg_program_free(p);
    }
    assert_int_equal(bad, 0);
}

static void schema_has_felderas_shape_and_order(void **state)
{
    (void)state;
    check_json(schemas, HG_COUNT(schemas), hg_program_schema_json);
}

static void messages_carry_felderas_snippets(void **state)
{
    (void)state;
    check_json(snippets, HG_COUNT(snippets), hg_program_messages_json);
}

static void people_see_excerpt_and_carets(void **state)
{
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < HG_COUNT(texts); i++) {
        hg_program_t *p = hg_compile(hg_strz(texts[i].sql), NULL);
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_program_messages_text(p, "t.sql", false, &b);
        bad += !kit_same("text", texts[i].sql, texts[i].want, &b);
        hg_buf_release(&b);
        hg_program_free(p);
    }
    assert_int_equal(bad, 0);
}

static void graphs_show_labels_and_dependents(void **state)
{
    (void)state;
    check_graph(trees, HG_COUNT(trees), "text");
    check_graph(dots, HG_COUNT(dots), "dot");
    check_graph(mermaids, HG_COUNT(mermaids), "mermaid");
    hg_program_t *p = hg_compile(HG_S(""), NULL);
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(hg_program_graph(p, "svg", &b, &err), HG_EINVAL);
    assert_non_null(strstr(err.msg, "text, dot or mermaid"));
    hg_buf_release(&b);
    hg_program_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_has_felderas_shape_and_order),
        cmocka_unit_test(messages_carry_felderas_snippets),
        cmocka_unit_test(people_see_excerpt_and_carets),
        cmocka_unit_test(graphs_show_labels_and_dependents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
