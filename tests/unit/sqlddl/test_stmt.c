/* Statements: each kind, each attribute and property, each type, and whole programs. test-labels: threads */
#include "base/hg.h"
#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>
#include "tests/unit/sqlddl/dump.h"

typedef struct {
    hg_arena_t *a;
    const hg_ast_stmt_t *s;
    uint32_t n;
} program_t;

static program_t parse(const char *text)
{
    program_t p = { .a = hg_arena_new() };
    hg_err_t err = HG_ERR_INIT;
    if (hg_sql_parse(p.a, hg_strz(text), &p.s, &p.n, &err) < 0) fail_msg("%s: %s", text, err.msg);
    return p;
}

#define assert_str(s, want) assert_true(hg_str_eqz((s), (want)))

static void assert_pos(hg_pos_t p, uint32_t line, uint32_t col, uint32_t end_line, uint32_t end_col)
{
    if (p.line != line || p.col != col || p.end_line != end_line || p.end_col != end_col)
        fail_msg("%u:%u-%u:%u", p.line, p.col, p.end_line, p.end_col);
}

static void types_as_written(void **state)
{
    (void)state;
    static const char *const types[][2] = {
        { "BOOLEAN", "BOOLEAN" },
        { "bool", "BOOLEAN" },
        { "TINYINT", "TINYINT" },
        { "TINYINT UNSIGNED", "UTINYINT" },
        { "SMALLINT", "SMALLINT" },
        { "INT2", "SMALLINT" },
        { "SMALLINT UNSIGNED", "USMALLINT" },
        { "INT", "INTEGER" },
        { "INTEGER", "INTEGER" },
        { "INT4", "INTEGER" },
        { "SIGNED", "INTEGER" },
        { "INT UNSIGNED", "UINTEGER" },
        { "INTEGER UNSIGNED", "UINTEGER" },
        { "UNSIGNED", "UINTEGER" },
        { "BIGINT", "BIGINT" },
        { "INT8", "BIGINT" },
        { "INT64", "BIGINT" },
        { "BIGINT UNSIGNED", "UBIGINT" },
        { "DECIMAL", "DECIMAL" },
        { "DECIMAL(10)", "DECIMAL(10)" },
        { "DECIMAL(10, 2)", "DECIMAL(10,2)" },
        { "DEC(1,0)", "DECIMAL(1,0)" },
        { "NUMERIC(99)", "DECIMAL(99)" },
        { "NUMBER(5)", "DECIMAL(5)" },
        { "REAL", "REAL" },
        { "FLOAT4", "REAL" },
        { "FLOAT32", "REAL" },
        { "FLOAT", "DOUBLE FLOAT" },
        { "FLOAT(3)", "DOUBLE FLOAT(3)" },
        { "DOUBLE", "DOUBLE" },
        { "DOUBLE PRECISION", "DOUBLE" },
        { "FLOAT8", "DOUBLE" },
        { "FLOAT64", "DOUBLE" },
        { "CHAR", "CHAR" },
        { "CHAR(3)", "CHAR(3)" },
        { "CHARACTER(3)", "CHAR(3)" },
        { "CHARACTER VARYING(3)", "VARCHAR(3)" },
        { "CHAR VARYING", "VARCHAR" },
        { "VARCHAR", "VARCHAR" },
        { "VARCHAR(20)", "VARCHAR(20)" },
        { "STRING", "VARCHAR" },
        { "TEXT", "VARCHAR" },
        { "BINARY", "BINARY" },
        { "BINARY(4)", "BINARY(4)" },
        { "BINARY VARYING(4)", "VARBINARY(4)" },
        { "VARBINARY", "VARBINARY" },
        { "VARBINARY(9)", "VARBINARY(9)" },
        { "BYTEA", "VARBINARY" },
        { "DATE", "DATE" },
        { "TIME", "TIME" },
        { "TIME(3)", "TIME(3)" },
        { "DATETIME", "TIMESTAMP" },
        { "TIMESTAMP", "TIMESTAMP" },
        { "TIMESTAMP(3)", "TIMESTAMP(3)" },
        { "TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP" },
        { "TIMESTAMP(3) WITH TIME ZONE", "TIMESTAMP_TZ(3)" },
        { "UUID", "UUID" },
        { "VARIANT", "VARIANT" },
        { "GEOMETRY", "GEOMETRY" },
        { "INTERVAL DAY", "INTERVAL DAY" },
        { "INTERVAL DAYS TO SECONDS", "INTERVAL DAY_SECOND" },
        { "INTERVAL YEAR TO MONTH", "INTERVAL_YM YEAR_MONTH" },
        { "INTERVAL HOUR(2) TO MINUTE", "INTERVAL HOUR_MINUTE" },
        { "INTERVAL SECOND(3, 6)", "INTERVAL SECOND" },
        { "INT ARRAY", "ARRAY<INTEGER>" },
        { "VARCHAR(3) ARRAY ARRAY", "ARRAY<ARRAY<VARCHAR(3)>>" },
        { "MAP<VARCHAR, INT>", "MAP<VARCHAR,INTEGER>" },
        { "MAP<INT, MAP<INT, INT>> ARRAY", "ARRAY<MAP<INTEGER,MAP<INTEGER,INTEGER>>>" },
        { "ROW(x INT, \"Y\" DOUBLE NULL)", "ROW{x INTEGER, \"Y\" DOUBLE NULL}" },
        { "ROW(a ROW(b INT NOT NULL) ARRAY)", "ROW{a ARRAY<ROW{b INTEGER NOT NULL}>}" },
        { "My_Type", "USER my_type" },
        { "\"MyType\"", "USER \"MyType\"" },
        { "INT NOT NULL", "INTEGER NOT NULL" },
        { "INT NULL", "INTEGER NULL" },
        { "\"int\"", "USER \"int\"" },
    };
    for (size_t i = 0; i < HG_COUNT(types); i++) {
        char text[200];
        snprintf(text, sizeof text, "CREATE TABLE t (a %s, b INT)", types[i][0]);
        program_t p = parse(text);
        hg_buf_t out;
        hg_buf_init(&out, HG_BUF_NOMAX);
        assert_int_equal(p.s[0].n_cols, 2);
        dump_type(&out, p.s[0].cols[0].type);
        assert_string_equal(out.p, types[i][1]);
        assert_int_equal(p.s[0].cols[0].type->pos.col, 19);
        hg_buf_release(&out);
        hg_arena_free(p.a);
    }
}

static void table_with_everything(void **state)
{
    (void)state;
    program_t p = parse("CREATE TABLE T (\n"
                        "  id BIGINT NOT NULL PRIMARY KEY,\n"
                        "  \"Ts\" TIMESTAMP NOT NULL LATENESS INTERVAL '1' HOUR WATERMARK INTERVAL 2 MINUTES DEFAULT "
                        "DATE '2020-01-01',\n"
                        "  name VARCHAR(20) INTERNED DEFAULT UPPER('a, b)') FOREIGN KEY REFERENCES U (n),\n"
                        "  lateness INT LATENESS lateness + 1,\n"
                        "  meta VARCHAR DEFAULT CAST(CONNECTOR_METADATA()['kafka_topic'] AS VARCHAR),\n"
                        "  PRIMARY KEY (id, \"Ts\"),\n"
                        "  FOREIGN KEY (id, name) REFERENCES other (x, \"Y\")\n"
                        ") WITH ('materialized' = 'true',\n"
                        "  'connectors' = '[]')");
    const hg_ast_stmt_t *s = &p.s[0];
    assert_int_equal(p.n, 1);
    assert_int_equal(s->kind, HG_ST_TABLE);
    assert_str(s->name.name, "t");
    assert_false(s->name.quoted);
    assert_pos(s->pos, 1, 1, 10, 22);
    assert_int_equal(s->n_cols, 5);
    const hg_ast_column_t *c = s->cols;
    assert_true(c[0].primary_key && c[0].type->not_null);
    assert_pos(c[0].pk_pos, 2, 22, 2, 32);
    assert_pos(c[0].pos, 2, 3, 2, 32);
    assert_pos(c[0].name.pos, 2, 3, 2, 4);
    assert_true(c[1].name.quoted);
    assert_str(c[1].name.name, "Ts");
    assert_str(c[1].lateness_text, "INTERVAL '1' HOUR");
    assert_int_equal(c[1].lateness->kind, HG_E_TYPED);
    assert_int_equal(c[1].watermark->kind, HG_E_TYPED);
    assert_str(c[1].watermark->text, "2");
    assert_str(c[1].dflt_text, "DATE '2020-01-01'");
    assert_true(c[2].interned && c[2].has_fk);
    assert_str(c[2].dflt_text, "UPPER('a, b)')");
    assert_str(c[2].fk_table.name, "u");
    assert_str(c[2].fk_column.name, "n");
    assert_str(c[3].name.name, "lateness");
    assert_str(c[3].lateness_text, "lateness + 1");
    assert_int_equal(c[4].dflt->kind, HG_E_CAST);
    assert_int_equal(c[4].dflt->args[0]->kind, HG_E_SUBSCRIPT);
    assert_int_equal(s->n_pk, 2);
    assert_int_equal(s->n_pk_clauses, 1);
    assert_pos(s->pk_pos, 7, 3, 7, 24);
    assert_int_equal(s->n_fks, 1);
    assert_int_equal(s->fks[0].n_cols, 2);
    assert_str(s->fks[0].table.name, "other");
    assert_true(s->fks[0].ref_cols[1].quoted);
    assert_int_equal(s->n_props, 2);
    assert_str(s->props[1].key->text, "connectors");
    assert_pos(s->props[0].key->pos, 9, 9, 9, 22);
    assert_pos(s->props[0].value->pos, 9, 26, 9, 31);
    assert_true(hg_ast_visit(p.s, p.n) > 30);
    hg_arena_free(p.a);
}

static void each_statement(void **state)
{
    (void)state;
    program_t p =
        parse("CREATE LOCAL VIEW v AS SELECT 1;"
              "CREATE MATERIALIZED VIEW V2 (a, \"B\") WITH ('connectors' = '[]', 'emit_final' = 'a') AS SELECT 1, 2;"
              "DECLARE RECURSIVE VIEW r(a INT NOT NULL, b VARCHAR INTERNED);"
              "CREATE TYPE alias AS INT ARRAY;"
              "CREATE TYPE struct AS (a INT NOT NULL, b VARCHAR DEFAULT 'x');"
              "CREATE FUNCTION f(a INT, b VARCHAR NOT NULL) RETURNS INT NOT NULL AS a + CHAR_LENGTH(b);"
              "CREATE FUNCTION g() RETURNS INT;"
              "CREATE LINEAR AGGREGATE la(x INT) RETURNS INT;"
              "CREATE AGGREGATE ag(x INT) RETURNS INT;;"
              "CREATE INDEX i ON V2(a, \"B\");"
              "LATENESS v.a INTERVAL '1' DAY;"
              "SET Feldera_Ignore = ON; SET x = 'off'; SET y = -5; SET z = 1.5; SET w = false; SET n = NULL;"
              "DROP TABLE IF EXISTS t; DROP VIEW v;"
              "INSERT INTO t (a, b) VALUES (1, 2); INSERT INTO t SELECT * FROM u; REMOVE FROM t VALUES (1);"
              "CREATE OR REPLACE VIEW IF NOT EXISTS v AS VALUES (1);"
              "CREATE TABLE IF NOT EXISTS t (a INT);"
              "WITH x AS (SELECT 1) SELECT * FROM x; (SELECT 1) UNION SELECT 2; VALUES (1)");
    static const hg_ast_skind_t kinds[] = { HG_ST_VIEW,      HG_ST_VIEW,     HG_ST_DECLARE_VIEW, HG_ST_TYPE,
                                            HG_ST_TYPE,      HG_ST_FUNCTION, HG_ST_FUNCTION,     HG_ST_AGGREGATE,
                                            HG_ST_AGGREGATE, HG_ST_INDEX,    HG_ST_LATENESS,     HG_ST_SET,
                                            HG_ST_SET,       HG_ST_SET,      HG_ST_SET,          HG_ST_SET,
                                            HG_ST_SET,       HG_ST_DROP,     HG_ST_DROP,         HG_ST_INSERT,
                                            HG_ST_INSERT,    HG_ST_REMOVE,   HG_ST_VIEW,         HG_ST_TABLE,
                                            HG_ST_SELECT,    HG_ST_SELECT,   HG_ST_SELECT };
    assert_int_equal(p.n, HG_COUNT(kinds));
    for (uint32_t i = 0; i < p.n; i++) assert_int_equal(p.s[i].kind, kinds[i]);
    assert_true(p.s[0].local && !p.s[0].materialized && p.s[0].query);
    assert_true(p.s[1].materialized && p.s[1].n_view_cols == 2 && p.s[1].view_cols[1].quoted && p.s[1].n_props == 2);
    assert_true(p.s[2].n_cols == 2 && p.s[2].cols[0].type->not_null && p.s[2].cols[1].interned);
    assert_true(p.s[3].type->kind == HG_T_ARRAY && p.s[3].n_cols == 0);
    assert_true(p.s[4].type == NULL && p.s[4].n_cols == 2 && p.s[4].cols[1].dflt);
    assert_true(p.s[5].n_cols == 2 && p.s[5].type->not_null && p.s[5].expr->kind == HG_E_OP);
    assert_true(p.s[6].n_cols == 0 && p.s[6].expr == NULL);
    assert_true(p.s[7].linear && !p.s[8].linear);
    assert_str(p.s[9].object.name, "v2");
    assert_int_equal(p.s[9].n_view_cols, 2);
    assert_str(p.s[10].object.name, "v");
    assert_str(p.s[10].column.name, "a");
    assert_int_equal(p.s[10].expr->kind, HG_E_TYPED);
    assert_str(p.s[11].name.name, "feldera_ignore");
    static const char *const values[] = { "on", "off", "-5", "1.5", "false", "null" };
    for (unsigned i = 0; i < HG_COUNT(values); i++) assert_str(p.s[11 + i].set_value, values[i]);
    assert_true(p.s[17].if_exists && !p.s[17].drop_view && p.s[18].drop_view);
    assert_int_equal(p.s[19].n_view_cols, 2);
    assert_true(p.s[22].or_replace && p.s[22].if_not_exists && p.s[23].if_not_exists);
    hg_arena_free(p.a);
}

static void words_that_are_free(void **state)
{
    (void)state;
    program_t p = parse("CREATE TABLE transaction (long INT, value INT, type INT, ts INT, state INT, name INT, date "
                        "INT, time INT, day INT, first INT,"
                        " key INT, filter INT, over INT, rows INT, view INT, index INT, \"order\" INT);"
                        "CREATE VIEW groups AS SELECT value, type, date, time, day, first, key, filter, over, rows, "
                        "view, index, \"order\", t.desc AS"
                        " minute FROM transaction t;"
                        "CREATE VIEW users AS SELECT long state, name AS left_name, LEFT(name, 2) AS l FROM groups "
                        "ORDER BY day DESC, first ASC");
    assert_int_equal(p.n, 3);
    assert_int_equal(p.s[0].n_cols, 17);
    assert_int_equal(p.s[1].query->n_items, 14);
    hg_arena_free(p.a);
}

static const char price[] =
    "CREATE TABLE price (part BIGINT NOT NULL, vendor BIGINT NOT NULL, price INTEGER) WITH ('connectors' = '[\n"
    " {\"name\":\"hist\",\"labels\":[\"price.backfill\"],\n"
    "  \"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"https://example.org/price.json\"}},\n"
    "  \"format\":{\"name\":\"json\"}},\n"
    " {\"name\":\"live\",\"start_after\":[\"price.backfill\"],\n"
    "  \"transport\":{\"name\":\"kafka_input\",\"config\":{\"topics\":[\"price\"],\n"
    "     \"bootstrap.servers\":\"redpanda:9092\",\"auto.offset.reset\":\"earliest\"}},\n"
    "  \"format\":{\"name\":\"json\"}}]');\n";

static void programs_of_the_documentation(void **state)
{
    (void)state;
    program_t p = parse(price);
    assert_int_equal(p.s[0].n_cols, 3);
    const hg_tok_t *v = p.s[0].props[0].value;
    assert_pos(v->pos, 1, 103, 8, 29);
    const char *at = strstr(v->text.p, "\"start_after\"");
    hg_pos_t in = hg_tok_string_pos(hg_strz(price), v, (uint32_t)(at - v->text.p), 13);
    assert_pos(in, 5, 17, 5, 29);
    hg_arena_free(p.a);

    static const char sensor[] = "CREATE TABLE Sensor (\n"
                                 "    id      BIGINT NOT NULL PRIMARY KEY,\n"
                                 "    \"Label\" VARCHAR(20),\n"
                                 "    reading DECIMAL(8, 3) DEFAULT 0,\n"
                                 "    tags    VARCHAR ARRAY\n"
                                 ") WITH ('materialized' = 'true');\n"
                                 "CREATE MATERIALIZED VIEW hot AS SELECT id, reading FROM sensor WHERE reading > 50;\n";
    p = parse(sensor);
    assert_int_equal(p.n, 2);
    assert_pos(p.s[0].props[0].key->pos, 6, 9, 6, 22);
    assert_pos(p.s[0].props[0].value->pos, 6, 26, 6, 31);
    assert_pos(p.s[1].query->pos, 7, 33, 7, 81);
    hg_arena_free(p.a);

    p = parse("CREATE TABLE t(x INT PRIMARY KEY);");
    assert_pos(p.s[0].cols[0].type->pos, 1, 18, 1, 20);
    hg_arena_free(p.a);

    p = parse("-- only a comment\n;;");
    assert_int_equal(p.n, 0);
    assert_int_equal(hg_ast_visit(p.s, p.n), 0);
    hg_arena_free(p.a);
}

/* Names that PostgreSQL would cut at 63 bytes, or fold. */
static void long_and_strange_names(void **state)
{
    (void)state;
    char text[600];
    char a[101], b[101];
    memset(a, 'a', 100);
    memset(b, 'a', 100);
    a[100] = b[100] = 0;
    b[99] = 'b';
    snprintf(text, sizeof text, "SELECT %s AS x, %s, \"t$17\".\"d\"\"3\", \"17\", \"$5\" FROM \"select\" AS \"%s\"", a,
             b, b);
    program_t p = parse(text);
    assert_str(p.s[0].query->items[0].expr->names[0].name, a);
    assert_str(p.s[0].query->items[1].expr->names[0].name, b);
    assert_str(p.s[0].query->items[2].expr->names[0].name, "t$17");
    assert_str(p.s[0].query->items[2].expr->names[1].name, "d\"3");
    assert_str(p.s[0].query->items[3].expr->names[0].name, "17");
    assert_str(p.s[0].query->from[0]->table.name, "select");
    assert_str(p.s[0].query->from[0]->alias.name, b);
    hg_arena_free(p.a);
}

static void *parse_often(void *arg)
{
    for (int i = 0; i < 100; i++) {
        program_t p = parse(arg);
        hg_arena_free(p.a);
    }
    return NULL;
}

static void threads_do_not_meet(void **state)
{
    (void)state;
    static char good[] = "CREATE TABLE t (a INT DEFAULT 1 + 2); CREATE VIEW v AS SELECT a, COUNT(*) FROM t GROUP BY a";
    pthread_t t[4];
    for (unsigned i = 0; i < HG_COUNT(t); i++) assert_int_equal(pthread_create(&t[i], NULL, parse_often, good), 0);
    for (unsigned i = 0; i < HG_COUNT(t); i++) pthread_join(t[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_as_written),
        cmocka_unit_test(table_with_everything),
        cmocka_unit_test(each_statement),
        cmocka_unit_test(words_that_are_free),
        cmocka_unit_test(programs_of_the_documentation),
        cmocka_unit_test(long_and_strange_names),
        cmocka_unit_test(threads_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
