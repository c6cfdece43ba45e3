/* Avro records in: every pair of types, what is refused, envelopes, schemas by id and what they refer to. */
#include "tests/unit/connectors_format/kit.h"
#include "connectors/format/avro_int.h"

static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t t_ints = { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_int };
static const hg_type_t t_text = { .kind = HG_T_VARCHAR, .precision = -1 };
static const hg_type_t t_map = { .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = &t_text, .elem = &t_int };
static const hg_field_t row_fields[] = { { .name = { "a", 1 }, .type = &t_int },
                                         { .name = { "b", 1 }, .type = &t_text } };
static const hg_type_t t_row = {
    .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = row_fields, .n_fields = 2
};

static void add_hex(hg_buf_t *b, const char *hex)
{
    assert_int_equal(hg_hex_read(b, hg_strz(hex)), 0);
}

/* The error's description of the last parse, without what stands before it. */
static const char *said(kit_t *k)
{
    char *end = strstr(k->errors.p, " | ");
    if (end) *end = 0;
    return k->errors.p;
}

static void parse_hex(kit_t *k, const char *hex, hg_buf_t *rows)
{
    hg_buf_t bytes;
    hg_buf_init(&bytes, HG_BUF_NOMAX);
    hg_buf_adds(&bytes, "");
    add_hex(&bytes, hex);
    hg_buf_clear(&k->errors);
    hg_buf_clear(rows);
    kit_parse_n(k, bytes.p, bytes.len, true);
    kit_rows(k, rows);
    hg_buf_adds(rows, "");
    hg_buf_adds(&k->errors, "");
    hg_buf_release(&bytes);
}

/* --- values --- */

typedef struct {
    hg_kind_t kind;
    int32_t p, s;
    const hg_type_t *type;
    const char *avro, *hex,
        *text; /* text: the cell as JSON, or the end of the error; hex NULL: the schema is refused */
} in_t;

#define DECIMAL(p, s) "{'type':'bytes','logicalType':'decimal','precision':" #p ",'scale':" #s "}"
#define LOGICAL(t, l) "{'type':'" t "','logicalType':'" l "'}"
#define CONNECT(t, l) "{'type':'" t "','connect.name':'" l "'}"
#define FIXED(n, l)   "{'type':'fixed','name':'f','size':" #n ",'logicalType':'" l "'}"
#define VAR_DECIMAL                                                                                                    \
    "{'type':'record','name':'d','connect.name':'io.debezium.data.VariableScaleDecimal','fields':["                    \
    "{'name':'scale','type':'int'},{'name':'value','type':'bytes'}]}"

static const in_t values[] = {
    { HG_T_BOOLEAN, 0, 0, NULL, "'boolean'", "01", "true" },
    { HG_T_BOOLEAN, 0, 0, NULL, "'boolean'", "02", "a boolean of value 2" },
    { HG_T_BOOLEAN, 0, 0, NULL, "'int'", NULL, "Avro type 'int' cannot be read into BOOLEAN: expected boolean" },
    { HG_T_TINYINT, 0, 0, NULL, "'int'", "ff01", "-128" },
    { HG_T_TINYINT, 0, 0, NULL, "'int'", "8002", "128 is outside the value range of TINYINT" },
    { HG_T_SMALLINT, 0, 0, NULL, "'int'", "feff03", "32767" },
    { HG_T_INTEGER, 0, 0, NULL, "'int'", "ffffffff0f", "-2147483648" },
    { HG_T_INTEGER, 0, 0, NULL, "'int'", "8080808010", "2147483648 is no int of 32 bits" },
    { HG_T_INTEGER, 0, 0, NULL, "'long'", NULL, "Avro type 'long' cannot be read into INTEGER: expected int" },
    { HG_T_BIGINT, 0, 0, NULL, "'long'", "ffffffffffffffffff01", "-9223372036854775808" },
    { HG_T_BIGINT, 0, 0, NULL, "'long'", "feffffffffffffffff01", "9223372036854775807" },
    { HG_T_BIGINT, 0, 0, NULL, "'long'", "feffffffffffffffff02", "a number of more than 64 bits" },
    { HG_T_BIGINT, 0, 0, NULL, "'long'", "ffffffffffffffffffff01", "a number of more than 64 bits" },
    { HG_T_BIGINT, 0, 0, NULL, "'long'", "80", "the record ends in the middle of a value" },
    { HG_T_BIGINT, 0, 0, NULL, "'int'", "03", "-2" },
    { HG_T_UTINYINT, 0, 0, NULL, "'int'", "fe03", "255" },
    { HG_T_UTINYINT, 0, 0, NULL, "'int'", "01", "-1 is outside the value range of TINYINT UNSIGNED" },
    { HG_T_USMALLINT, 0, 0, NULL, "'int'", "feff07", "65535" },
    { HG_T_UINTEGER, 0, 0, NULL, "'long'", "feffffff1f", "4294967295" },
    { HG_T_UBIGINT, 0, 0, NULL, "'string'", "283138343436373434303733373039353531363135", "18446744073709551615" },
    { HG_T_UBIGINT, 0, 0, NULL, "'string'", "022d", "'-' is no BIGINT UNSIGNED" },
    { HG_T_UBIGINT, 0, 0, NULL, "'long'", "feffffffffffffffff01", "9223372036854775807" },
    { HG_T_UBIGINT, 0, 0, NULL, "'long'", "01", "-1 is outside the value range of BIGINT UNSIGNED" },
    { HG_T_REAL, 0, 0, NULL, "'float'", "0000c03f", "1.5" },
    { HG_T_REAL, 0, 0, NULL, "'double'", NULL,
      "Avro type 'double' cannot be read into REAL: expected float, int or long" },
    { HG_T_DOUBLE, 0, 0, NULL, "'double'", "9a9999999999b93f", "0.1" },
    { HG_T_DOUBLE, 0, 0, NULL, "'float'", "0000c03f", "1.5" },
    { HG_T_DOUBLE, 0, 0, NULL, "'long'", "04", "2.0" },
    { HG_T_DECIMAL, 10, 2, NULL, DECIMAL(10, 2), "040096", "1.5" },
    { HG_T_DECIMAL, 10, 2, NULL, DECIMAL(10, 2), "02ff", "-0.01" },
    { HG_T_DECIMAL, 10, 2, NULL, DECIMAL(10, 2), "00", "0" },
    { HG_T_DECIMAL, 10, 2, NULL, DECIMAL(10, 3), NULL,
      "Avro type 'bytes (decimal(10, 3))' cannot be read into DECIMAL(10, 2): expected bytes or fixed with the logical "
      "type decimal, of the column's precision and scale" },
    { HG_T_DECIMAL, 38, 0, NULL, DECIMAL(38, 0), "204b3b4ca85a86c47a098a223fffffffff",
      "99999999999999999999999999999999999999" },
    { HG_T_DECIMAL, 38, 0, NULL, DECIMAL(38, 0), "20b4c4b357a5793b85f675ddc000000001",
      "-99999999999999999999999999999999999999" },
    { HG_T_DECIMAL, 38, 0, NULL, DECIMAL(38, 0), "204b3b4ca85a86c47a098a224000000000",
      "a decimal of 16 bytes is outside the value range of DECIMAL(38, 0)" },
    { HG_T_DECIMAL, 38, 0, NULL, DECIMAL(38, 0), "22ff00000000000000000000000000000001",
      "a decimal of 17 bytes is outside the value range of DECIMAL(38, 0)" },
    { HG_T_DECIMAL, 38, 0, NULL, DECIMAL(38, 0), "2200000000000000000000000000000000ff", "255" },
    { HG_T_DECIMAL, 4, 1, NULL, "{'type':'fixed','name':'f','size':3,'logicalType':'decimal','precision':4,'scale':1}",
      "ffffff", "-0.1" },
    { HG_T_DECIMAL, 10, 2, NULL, VAR_DECIMAL, "0202ff", "-0.1" },
    { HG_T_DECIMAL, 10, 2, NULL, VAR_DECIMAL, "060404d3", "1.23" },
    { HG_T_DECIMAL, 10, 2, NULL, VAR_DECIMAL, "038001010000", "a length of 64 where 3 bytes are left" },
    { HG_T_DECIMAL, 10, 2, NULL, VAR_DECIMAL, "130201",
      "a decimal of 1 bytes is outside the value range of DECIMAL(10, 2)" },
    { HG_T_VARCHAR, 0, 0, NULL, "'string'", "04c3a4", "\"ä\"" },
    { HG_T_VARCHAR, 0, 0, NULL, "'string'", "02c3", "a string that is not UTF-8" },
    { HG_T_VARCHAR, 0, 0, NULL, "'string'", "06c3", "a length of 3 where 1 bytes are left" },
    { HG_T_VARCHAR, 0, 0, NULL, "'string'", "01", "a length of -1" },
    { HG_T_VARCHAR, 0, 0, NULL, "{'type':'enum','name':'e','symbols':['x','yy']}", "02", "\"yy\"" },
    { HG_T_VARCHAR, 0, 0, NULL, "{'type':'enum','name':'e','symbols':['x','yy']}", "04", "symbol 2 of an enum of 2" },
    { HG_T_VARCHAR, 0, 0, NULL, "'bytes'", "0261", "\"a\"" },
    { HG_T_VARBINARY, 0, 0, NULL, "'bytes'", "0400ff", "[0,255]" },
    { HG_T_BINARY, 2, 0, NULL, "{'type':'fixed','name':'f','size':2}", "0102", "[1,2]" },
    { HG_T_DATE, 0, 0, NULL, LOGICAL("int", "date"), "8002", "\"1970-05-09\"" },
    { HG_T_DATE, 0, 0, NULL, "'int'", "01", "\"1969-12-31\"" },
    { HG_T_DATE, 0, 0, NULL, LOGICAL("int", "date"), "ffffffff0f", "-2147483648 is outside the value range of DATE" },
    { HG_T_DATE, 0, 0, NULL, LOGICAL("int", "time-millis"), NULL,
      "Avro type 'int (time-millis)' cannot be read into DATE: expected int or date" },
    { HG_T_TIME, 0, 0, NULL, LOGICAL("int", "time-millis"), "02", "\"00:00:00.001\"" },
    { HG_T_TIME, 0, 0, NULL, LOGICAL("long", "time-micros"), "feffbadd8305", "\"23:59:59.999999\"" },
    { HG_T_TIME, 0, 0, NULL, LOGICAL("long", "time-micros"), "8080bbdd8305",
      "86400000000 is outside the value range of TIME" },
    { HG_T_TIME, 0, 0, NULL, CONNECT("long", "io.debezium.time.NanoTime"), "02", "\"00:00:00.000000001\"" },
    { HG_T_TIME, 0, 0, NULL, CONNECT("string", "io.debezium.time.ZonedTime"), "1c30313a30303a30302b30323a3030",
      "\"23:00:00\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "timestamp-millis"), "01", "\"1969-12-31 23:59:59.999\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "timestamp-micros"), "01", "\"1969-12-31 23:59:59.999999\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "local-timestamp-micros"), "02", "\"1970-01-01 00:00:00.000001\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "local-timestamp-millis"), "02", "\"1970-01-01 00:00:00.001\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "timestamp-nanos"), "01", "\"1969-12-31 23:59:59.999999\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, "'long'", "02", "\"1970-01-01 00:00:00.000001\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, LOGICAL("long", "timestamp-millis"), "feffffffffffffffff01",
      "9223372036854775807 is outside the value range of TIMESTAMP" },
    { HG_T_TIMESTAMP, 0, 0, NULL, CONNECT("long", "io.debezium.time.NanoTimestamp"), "d00f",
      "\"1970-01-01 00:00:00.000001\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, CONNECT("string", "io.debezium.time.ZonedTimestamp"),
      "28323032342d30312d30325430333a30343a30355a", "\"2024-01-02 03:04:05\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, CONNECT("string", "io.debezium.time.ZonedTimestamp"), "0278", "'x' is no TIMESTAMP" },
    { HG_T_UUID, 0, 0, NULL, LOGICAL("string", "uuid"),
      "4830303131323233332d343435352d363637372d383839392d616162626363646465656666",
      "\"00112233-4455-6677-8899-aabbccddeeff\"" },
    { HG_T_UUID, 0, 0, NULL, FIXED(16, "uuid"), "00112233445566778899aabbccddeeff",
      "\"00112233-4455-6677-8899-aabbccddeeff\"" },
    { HG_T_UUID, 0, 0, NULL, "'string'", "0278", "'x' is no UUID" },
    { HG_T_VARIANT, 0, 0, NULL, "'string'", "127b2261223a5b315d7d", "{\"a\":[1]}" },
    { HG_T_VARIANT, 0, 0, NULL, "'string'", "027b", "'{' is no JSON" },
    { HG_T_INTERVAL, 0, 0, NULL, FIXED(12, "duration"), "000000000100000001000000", "\"+1\"" },
    { HG_T_INTERVAL, 0, 0, NULL, FIXED(12, "duration"), "010000000100000001000000", "with months is no INTERVAL DAY" },
    { HG_T_INTERVAL, 0, 0, NULL, FIXED(12, "duration"), "00000000ffffffff00000000",
      "a duration too long for INTERVAL DAY" },
    { HG_T_INTERVAL, 0, 0, NULL, "'string'", NULL,
      "Avro type 'string' cannot be read into INTERVAL DAY: expected fixed(12) with the logical type duration" },
    { HG_T_INTEGER, 0, 0, NULL, "['null','int']", "00", "null" },
    { HG_T_INTEGER, 0, 0, NULL, "['int','null']", "0004", "2" },
    { HG_T_INTEGER, 0, 0, NULL, "['int','null']", "04", "branch 2 of a union of 2" },
    { HG_T_BIGINT, 0, 0, NULL, "['int','null','long']", "0404", "2" },
    { HG_T_BIGINT, 0, 0, NULL, "['int','string']", NULL,
      "Avro type 'string' cannot be read into BIGINT: expected long or int" },
    { 0, 0, 0, &t_ints, "{'type':'array','items':['null','int']}", "0402020000", "[1,null]" },
    { 0, 0, 0, &t_ints, "{'type':'array','items':'int'}", "03040204020600", "[1,2,3]" },
    { 0, 0, 0, &t_ints, "{'type':'array','items':'int'}", "feffffff0f02",
      "a block of 2147483647 elements where 1 bytes are left" },
    { 0, 0, 0, &t_ints, "{'type':'array','items':'int'}", "01ffffffff0f",
      "a block of -2147483648 bytes where 0 are left" },
    { 0, 0, 0, &t_ints, "{'type':'array','items':'null'}", NULL,
      "an array of elements without any bytes cannot be read" },
    { 0, 0, 0, &t_ints, "'int'", NULL, "Avro type 'int' cannot be read into INTEGER ARRAY: expected array" },
    { 0, 0, 0, &t_map, "{'type':'map','values':'int'}", "0402620402610200", "{\"a\":1,\"b\":2}" },
    { 0, 0, 0, &t_row,
      "{'type':'record','name':'r','fields':[{'name':'b','type':'string'},{'name':'x','type':'int'},"
      "{'name':'a','type':'int'}]}",
      "02780406", "{\"a\":3,\"b\":\"x\"}" },
    { 0, 0, 0, &t_row, "{'type':'record','name':'r','fields':[{'name':'b','type':['null','string']}]}", "00",
      "field 'b': null in a column of type VARCHAR NOT NULL" },
    { 0, 0, 0, &t_row, "{'type':'record','name':'r','fields':[]}", NULL,
      "error validating schema for column 'b': the schema has no such field, and the column is NOT NULL" },
};

static const char *json_of(hg_arena_t *a, const char *text)
{
    char *p = hg_arena_strndup(a, text, strlen(text));
    for (char *c = p; *c; c++)
        if (*c == '\'') *c = '"';
    return p;
}

/* {"skip_schema_id": true, "schema": "…"} of a record with one field. */
static const char *one_field(hg_arena_t *a, const char *avro)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "{\"skip_schema_id\":true,\"schema\":");
    hg_json_quote(
        &b, hg_strz(hg_arena_printf(a, "{\"type\":\"record\",\"name\":\"t\",\"fields\":[{\"name\":\"c\",\"type\":%s}]}",
                                    json_of(a, avro))));
    hg_buf_adds(&b, "}");
    const char *ret = hg_arena_strndup(a, b.p, b.len);
    hg_buf_release(&b);
    return ret;
}

static void ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    if (n < m || strcmp(text + n - m, end) != 0) fail_msg("'%s' does not end with '%s'", text, end);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(values); i++) {
        const in_t *v = &values[i];
        const col_spec_t cols[] = { { "c", v->kind, true, v->p, v->s, v->type } };
        kit_t k;
        hg_buf_t rows;
        hg_buf_init(&rows, HG_BUF_NOMAX);
        kit_init(&k, &hg_format_avro, cols, 1, NULL, 0);
        int rc = kit_parser(&k, one_field(k.a, v->avro));
        if (!v->hex) {
            assert_int_equal(rc, HG_EINVALPARSER);
            assert_string_equal(k.err.path, "schema");
            ends_with(k.err.msg, v->text);
        } else {
            if (rc < 0) fail_msg("%s: %s", v->avro, k.err.msg);
            parse_hex(&k, v->hex, &rows);
            char want[160];
            snprintf(want, sizeof want, "+[%s]\n", v->text);
            if (k.errors.len)
                ends_with(said(&k), v->text);
            else if (strcmp(rows.p, want) != 0)
                fail_msg("%s of %s: got %s", v->hex, v->avro, rows.p);
        }
        hg_buf_release(&rows);
        kit_free(&k);
    }
}

/* --- records --- */

static const col_spec_t two[] = { { "id", HG_T_BIGINT, false, 0, 0, NULL }, { "s", HG_T_VARCHAR, true, 0, 0, NULL } };
static const uint32_t first_column[] = { 0 };

static void start(kit_t *k, const char *cfg, bool keyed)
{
    kit_init(k, &hg_format_avro, two, 2, keyed ? first_column : NULL, keyed);
    int rc = kit_parser(k, json_of(k->a, cfg));
    if (rc < 0) fail_msg("%s", k->err.msg);
}

static void expect(kit_t *k, const char *hex, const char *rows, const char *error)
{
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    parse_hex(k, hex, &out);
    assert_string_equal(out.p, rows);
    if (error)
        ends_with(said(k), error);
    else
        assert_string_equal(k->errors.p, "");
    hg_buf_release(&out);
}

#define S(fields) "'schema':\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"t\\\",\\\"fields\\\":[" fields "]}\""
#define F(n, t)   "{\\\"name\\\":\\\"" n "\\\",\\\"type\\\":" t "}"
#define Q(t)      "\\\"" t "\\\""

static void test_header(void **state)
{
    kit_t k;
    (void)state;
    start(&k, "{" S(F("id", Q("long"))) "}", false);
    expect(&k,
           "0000000001"
           "0e",
           "+[7,null]\n", NULL); /* the id of the message says nothing */
    expect(&k, "00000000", "", "a message of 4 bytes is too short: expected 0, a schema id of 4 bytes and the record");
    expect(&k, "", "", "a message of 0 bytes is too short: expected 0, a schema id of 4 bytes and the record");
    expect(&k,
           "0100000001"
           "0e",
           "", "the message begins with byte 1, not with 0 and a schema id; consider 'skip_schema_id'");
    expect(&k,
           "0000000001"
           "0e00",
           "", "1 bytes behind the record; was it written with another schema?");
    assert_int_equal(k.out.events, 5);
    kit_free(&k);
}

static void test_columns(void **state)
{
    kit_t k;
    (void)state;
    /* any order, other case, fields that nobody wants */
    start(&k,
          "{'skip_schema_id':true," S(
              F("x", "[\\\"null\\\",{\\\"type\\\":\\\"map\\\",\\\"values\\\":\\\"double\\\"}]") "," F(
                  "S", Q("string")) "," F("ID", Q("int"))) "}",
          false);
    expect(&k,
           "02"
           "04"
           "0261"
           "0000000000000000"
           "0262"
           "0000000000000000"
           "00"
           "0278"
           "0e",
           "+[7,\"x\"]\n", NULL);
    expect(&k,
           "02"
           "0114"
           "0261"
           "0000000000000000"
           "00"
           "0278"
           "0e",
           "+[7,\"x\"]\n", NULL); /* a block with its size */
    expect(&k,
           "00"
           "0278"
           "80",
           "", "error parsing field 'ID': the record ends in the middle of a value");
    expect(&k, "08", "", "error parsing field 'x': branch 4 of a union of 2");
    kit_free(&k);

    kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, json_of(k.a, "{" S(F("s", Q("string"))) "}")), HG_EINVALPARSER);
    assert_string_equal(k.err.msg, "error validating Avro schema: error validating schema for column 'id': the schema "
                                   "has no such field, and the column is NOT NULL");
    kit_free(&k);

    const col_spec_t quoted[] = { { "=Id", HG_T_BIGINT, true, 0, 0, NULL } };
    kit_init(&k, &hg_format_avro, quoted, 1, NULL, 0);
    assert_int_equal(kit_parser(&k, json_of(k.a, "{" S(F("ID", Q("long"))) "}")), HG_EINVALPARSER);
    assert_string_equal(k.err.msg,
                        "error validating Avro schema: incorrect case-sensitive field name: expected: Id, found: ID");
    kit_free(&k);

    kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
    assert_int_equal(kit_parser(&k, json_of(k.a, "{" S(F("id", Q("long")) "," F("ID", Q("long"))) "}")),
                     HG_EINVALPARSER);
    assert_string_equal(k.err.msg,
                        "error validating Avro schema: column 'id': two fields of the schema have this name");
    kit_free(&k);
}

#define ROW(name)                                                                                                      \
    "{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"" name                                                              \
    "\\\",\\\"fields\\\":[" F("id", Q("long")) "," F("s", Q("string")) "]}"

static void test_debezium(void **state)
{
    kit_t k;
    (void)state;
    start(&k,
          "{'update_format':'debezium','skip_schema_id':true," S(F("before", "[\\\"null\\\"," ROW("v") "]") "," F(
              "after", "[\\\"null\\\",\\\"v\\\"]") "," F("op", Q("string"))) "}",
          false);
    expect(&k,
           "00"
           "020e0278"
           "0263",
           "+[7,\"x\"]\n", NULL);
    expect(&k,
           "020e0278"
           "020e0279"
           "0275",
           "-[7,\"x\"]\n+[7,\"y\"]\n", NULL);
    expect(&k,
           "020e0278"
           "00"
           "0264",
           "-[7,\"x\"]\n", NULL);
    expect(&k,
           "00"
           "00"
           "0274",
           "", NULL);
    expect(&k,
           "020e0278"
           "020e02ff"
           "0275",
           "", "error parsing field 's': a string that is not UTF-8"); /* all or nothing */
    kit_free(&k);

    /* with a key a delete needs no more than it, and `after` may stand first */
    start(&k,
          "{'update_format':'debezium','skip_schema_id':true," S(F("after", "[\\\"null\\\"," ROW("v") "]") "," F(
              "before", "[\\\"null\\\",{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"k\\\",\\\"fields\\\":[" F(
                            "id", Q("long")) "]}]")) "}",
          true);
    expect(&k,
           "020e0279"
           "020e",
           "-[7,\"\"]\n+[7,\"y\"]\n", NULL);
    kit_free(&k);

    static const char *const bad[][2] = {
        { "{'update_format':'debezium'," S(F("after", ROW("v"))) "}", "a Debezium record needs a field 'before'" },
        { "{'update_format':'debezium'," S(F("before", Q("long")) "," F("after", ROW("v"))) "}",
          "field 'before' of a Debezium record must be a record, or null" },
        { "{'update_format':'debezium'," S(F("before", "[\\\"null\\\"]") "," F("after", ROW("v"))) "}",
          "field 'before' of a Debezium record is never a record" },
        { "{'update_format':'debezium'," S(F("before", "[" ROW("v") "]") "," F(
              "after", "[\\\"null\\\",{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"w\\\",\\\"fields\\\":[]}]")) "}",
          "field 'after': error validating schema for column 'id': the schema has no such field, and the column is NOT "
          "NULL" },
    };
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
        assert_int_equal(kit_parser(&k, json_of(k.a, bad[i][0])), HG_EINVALPARSER);
        ends_with(k.err.msg, bad[i][1]);
        kit_free(&k);
    }
}

static void test_skipped_values_end(void **state)
{
    kit_t k;
    (void)state;
    /* a list of itself: followed as deep as a stack allows */
    start(&k,
          "{'skip_schema_id':true," S(
              F("x", "{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"n\\\",\\\"fields\\\":[{\\\"name\\\":\\\"of\\\","
                     "\\\"type\\\":[\\\"null\\\",\\\"n\\\"]}]}") "," F("id", Q("long"))) "}",
          false);
    char deep[2 * 200 + 1] = "";
    for (int i = 0; i < 200; i++) memcpy(deep + 2 * i, "02", 3);
    expect(&k,
           "020200"
           "0e",
           "+[7,null]\n", NULL);
    expect(&k, deep, "", "values nested deeper than 128");
    kit_free(&k);
    /* nulls have no bytes: a number alone must not cost time */
    start(&k,
          "{'skip_schema_id':true," S(
              F("x", "{\\\"type\\\":\\\"array\\\",\\\"items\\\":\\\"null\\\"}") "," F("id", Q("long"))) "}",
          false);
    expect(&k,
           "0400"
           "0e",
           "+[7,null]\n", NULL);
    expect(&k,
           "feffffffffffffffff01"
           "00"
           "0e",
           "", "a block of 9223372036854775807 elements where 2 bytes are left");
    kit_free(&k);
}

/* --- schemas by id --- */

static void answer(kit_t *k, const char *path, int status, const char *body)
{
    hg_ask_t q;
    assert_true(k->f->parser_ask(k->parser, &q));
    assert_string_equal(q.path, path);
    assert_string_equal(q.method, "GET");
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(k->f->parser_answer(k->parser, status, hg_strz(json_of(k->a, body)), &err), 0);
}

static int parse_rc(kit_t *k, const char *hex)
{
    hg_buf_t bytes;
    hg_buf_init(&bytes, HG_BUF_NOMAX);
    add_hex(&bytes, hex);
    int rc = k->f->parse(k->parser, k->scratch, bytes.p, bytes.len, true, &k->out, &k->err);
    hg_buf_release(&bytes);
    return rc;
}

static void test_registry(void **state)
{
    kit_t k;
    hg_ask_t q;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    start(&k,
          "{'registry_urls':['http://r:1/"
          "'],'registry_username':'u','registry_password':'pässe','registry_headers':{'X-A':'b'}}",
          false);
    assert_false(k.f->parser_ask(k.parser, &q));
    assert_int_equal(parse_rc(&k, "0000000007"
                                  "0e"),
                     HG_EAGAIN);
    assert_true(k.f->parser_ask(k.parser, &q));
    assert_string_equal(q.headers[2], "Authorization: Basic dTpww6Rzc2U=");
    assert_string_equal(q.headers[3], "X-A: b");
    assert_null(q.headers[4]);
    assert_int_equal(q.timeout_ms, 30000);
    /* what may pass is asked again, what is for good is not */
    assert_int_equal(k.f->parser_answer(k.parser, 503, HG_S(""), &err), HG_EAGAIN);
    assert_string_equal(err.msg, "schema 7: the schema registry answers 503");
    assert_int_equal(k.f->parser_answer(k.parser, 200, HG_S("<html>"), &err), HG_EAGAIN);
    assert_string_equal(err.msg, "schema 7: the answer of the schema registry is no JSON object: '<html>'");
    assert_int_equal(k.f->parser_answer(k.parser, 401, HG_S("{\"message\":\"who?\"}"), &err), HG_EPERM);
    assert_string_equal(err.msg, "schema 7: the schema registry answers 401: who?");
    answer(
        &k, "/schemas/ids/7", 200,
        "{'schema':\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"t\\\",\\\"fields\\\":[" F("id", Q("long")) "]}\"}");
    expect(&k,
           "0000000007"
           "0e",
           "+[7,null]\n", NULL);
    /* another version of it, with a type from elsewhere */
    assert_int_equal(parse_rc(&k, "0000000008"
                                  "02780e"),
                     HG_EAGAIN);
    answer(&k, "/schemas/ids/8", 200,
           "{'schema':\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"t\\\",\\\"fields\\\":[" F("s", Q("a.E")) "," F(
               "id", Q("long")) "]}\",'references':[{'name':'a.E','subject':'e/1','version':2}]}");
    assert_int_equal(parse_rc(&k, "0000000008"
                                  "00"
                                  "0e"),
                     HG_EAGAIN);
    answer(
        &k, "/subjects/e%2F1/versions/2", 200,
        "{'schema':\"{\\\"type\\\":\\\"enum\\\",\\\"name\\\":\\\"a.E\\\",\\\"symbols\\\":[\\\"x\\\"]}\",'version':2}");
    expect(&k,
           "0000000008"
           "00"
           "0e",
           "+[7,\"x\"]\n", NULL);
    expect(&k,
           "0000000007"
           "0e",
           "+[7,null]\n", NULL);
    /* refused records, with the reason */
    static const struct {
        int status;
        const char *body, *why;
    } bad[] = {
        { 404, "{'error_code':40403,'message':'Schema 99 not found'}",
          "schema 99: the schema registry answers 404: Schema 99 not found" },
        { 200, "{'schema':'{}','schemaType':'PROTOBUF'}", "schema 99: it is of type PROTOBUF, not AVRO" },
        { 200, "{'x':1}", "schema 99: the registry's answer has no \"schema\", a string" },
        { 200, "{'schema':'','references':[{}]}",
          "schema 99: a reference of a schema needs \"subject\" and \"version\"" },
        { 200, "{'schema':\"\\\"int\\\"\"}", "error validating Avro schema: the schema is 'int': expected a record" },
        { 200, "{'schema':\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"t\\\",\\\"fields\\\":[]}\"}",
          "error validating Avro schema: error validating schema for column 'id': the schema has no such field, and "
          "the column is NOT NULL" },
    };
    for (uint32_t i = 0; i < HG_COUNT(bad); i++) {
        char hex[32], why[200];
        snprintf(hex, sizeof hex, "00000000%02x0e", 99 + i);
        assert_int_equal(parse_rc(&k, hex), HG_EAGAIN);
        char path[40];
        snprintf(path, sizeof path, "/schemas/ids/%u", 99 + i);
        answer(&k, path, bad[i].status, bad[i].body);
        snprintf(why, sizeof why, "%s", bad[i].why);
        if (strncmp(why, "schema 99", 9) == 0) snprintf(why, sizeof why, "schema %u%s", 99 + i, bad[i].why + 9);
        expect(&k, hex, "", why);
        expect(&k, hex, "", why);
        assert_false(k.f->parser_ask(k.parser, &q));
    }
    kit_free(&k);
}

static void test_schemas_in_a_circle(void **state)
{
    kit_t k;
    (void)state;
    start(&k, "{'registry_urls':['http://r']}", false);
    assert_int_equal(parse_rc(&k, "00000000070e"), HG_EAGAIN);
    answer(&k, "/schemas/ids/7", 200, "{'schema':'\\\"a\\\"','references':[{'name':'a','subject':'a','version':1}]}");
    assert_int_equal(parse_rc(&k, "00000000070e"), HG_EAGAIN);
    answer(&k, "/subjects/a/versions/1", 200,
           "{'schema':'\\\"b\\\"','references':[{'name':'b','subject':'b','version':1}]}");
    assert_int_equal(parse_rc(&k, "00000000070e"), HG_EAGAIN);
    answer(&k, "/subjects/b/versions/1", 200,
           "{'schema':'\\\"a\\\"','references':[{'name':'a','subject':'a','version':1}]}");
    expect(&k, "00000000070e", "",
           "schema 'b' version 1: type 'a' is not defined: expected a primitive type or the name of a type that is "
           "defined before, here or in a reference");
    kit_free(&k);
}

/* --- configuration --- */

static void test_config(void **state)
{
    static const char *const bad[][3] = {
        { "{}", "", "the Avro format needs a schema: set 'registry_urls', or 'schema' if all records have the same" },
        { "{'schema':'x','registry_urls':['http://r']}", "registry_urls",
          "'schema' and 'registry_urls' cannot both be given: all records have the schema, or each names its own" },
        { "{'skip_schema_id':true,'registry_urls':['http://r']}", "skip_schema_id",
          "'skip_schema_id' requires 'schema' to be set" },
        { "{'update_format':'confluent_jdbc'}", "update_format",
          "update format 'confluent_jdbc' is not yet supported by the Avro parser" },
        { "{'schema':'x','registry_username':'u'}", "registry_username",
          "'registry_username' requires 'registry_urls' to be set" },
        { "{'schema':'x','registry_authorization_token':'u'}", "registry_authorization_token",
          "'registry_authorization_token' requires 'registry_urls' to be set" },
        { "{'schema':'x','registry_proxy':'u'}", "registry_proxy",
          "'registry_proxy' requires 'registry_urls' to be set" },
        { "{'schema':'x','registry_headers':{'a':'b'}}", "registry_headers",
          "'registry_headers' requires 'registry_urls' to be set" },
        { "{'registry_urls':['http://r'],'registry_username':'u','registry_authorization_token':'t'}",
          "registry_authorization_token",
          "'registry_authorization_token' cannot be combined with 'registry_username'" },
        { "{'registry_urls':['http://r'],'registry_password':'p'}", "registry_password",
          "'registry_password' requires 'registry_username' to be set" },
        { "{'registry_urls':['http://r','ftp://r']}", "registry_urls",
          "entry 2 of 'registry_urls' is no URL that begins with http:// or https:// and has no user in it (that is "
          "'registry_username')" },
        { "{'registry_urls':['http://u:p@r']}", "registry_urls",
          "entry 1 of 'registry_urls' is no URL that begins with http:// or https:// and has no user in it (that is "
          "'registry_username')" },
        { "{'registry_urls':['http://r'],'registry_headers':[]}", "registry_headers",
          "'registry_headers' must be an object of strings" },
        { "{'registry_urls':['http://r'],'registry_headers':{'a':1}}", "registry_headers",
          "'registry_headers': header 'a' must be a name and a string, both on one line" },
        { "{'schema':'{'}", "schema",
          "error parsing Avro schema: expected a member name in quotes at line 1 column 2" },
        { "{'schema':'\\\"int\\\"'}", "schema",
          "error validating Avro schema: the schema is 'int': expected a record" },
        { "{'schema':'[]'}", "schema", "error parsing Avro schema: a union needs at least one type" },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(bad); i++) {
        kit_t k;
        kit_init(&k, &hg_format_avro, two, 2, NULL, 0);
        assert_int_equal(kit_parser(&k, json_of(k.a, bad[i][0])), HG_EINVALPARSER);
        assert_string_equal(k.err.path, bad[i][1]);
        if (strcmp(k.err.msg, bad[i][2]) != 0) fail_msg("got: %s\nnot: %s", k.err.msg, bad[i][2]);
        kit_free(&k);
    }
}

static void test_schemas(void **state)
{
    static const char *const bad[][2] = {
        { "'nothing'", "type 'nothing' is not defined: expected a primitive type or the name of a type that is defined "
                       "before, here or in a reference" },
        { "7", "a schema cannot be a number: expected a string, a list or an object" },
        { "[['int']]", "a union cannot stand directly in a union (at [0])" },
        { "{'name':'x'}", "a schema that is an object needs \"type\"" },
        { "{'type':'record','fields':[]}", "a type 'record' needs a name, a string" },
        { "{'type':'record','name':'1'}", "'1' is no name: letters, digits and _, no digit first (at name)" },
        { "{'type':'record','name':'a..b'}", "'a..b' is no name: letters, digits and _, no digit first (at name)" },
        { "{'type':'record','name':'r'}", "a record needs \"fields\", a list" },
        { "{'type':'record','name':'r','fields':[{'name':'a'}]}",
          "a field needs \"name\", a string, and \"type\" (at fields[0])" },
        { "{'type':'record','name':'r','fields':[{'name':'a','type':{'type':'enum','name':'r','symbols':['x']}}]}",
          "type 'r' is defined twice (at fields[0].type.name)" },
        { "{'type':'enum','name':'e','symbols':[]}", "an enum needs \"symbols\", a list of strings (at symbols)" },
        { "{'type':'enum','name':'e','symbols':[1]}", "a symbol of an enum must be a string (at symbols[0])" },
        { "{'type':'fixed','name':'f','size':-1}", "a fixed needs \"size\", a number of bytes (at size)" },
        { "{'type':'array'}", "a type 'array' needs \"items\", a type" },
        { "{'type':'map'}", "a type 'map' needs \"values\", a type" },
    };
    /* how it reads as text; an annotation that does not suit its type means nothing */
    static const char *const good[][2] = {
        { "{'type':{'type':'long'}}", "long" },
        { "{'type':'fixed','name':'f','size':16,'logicalType':'decimal','precision':39}", "fixed f" },
        { "{'type':'fixed','name':'f','size':4,'logicalType':'decimal','precision':9}", "fixed f (decimal(9, 0))" },
        { "{'type':'fixed','name':'f','size':4,'logicalType':'decimal','precision':10}", "fixed f" },
        { "{'type':'bytes','logicalType':'decimal','precision':2,'scale':3}", "bytes" },
        { "{'type':'int','logicalType':'timestamp-millis'}", "int" },
        { "{'type':'fixed','name':'f','namespace':'x.y','size':8,'logicalType':'uuid'}", "fixed x.y.f" },
        { "['null',{'type':'long','logicalType':'timestamp-micros'},'string']",
          "[null, long (timestamp-micros), string]" },
        { "{'type':'record','name':'a.r','fields':[{'name':'x','type':['null','r']}]}", "record a.r" },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(bad) + HG_COUNT(good); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_avro_names_t names = { .arena = a };
        const hg_avro_t *t = NULL;
        hg_err_t err = HG_ERR_INIT;
        const char *const *c = i < HG_COUNT(bad) ? bad[i] : good[i - HG_COUNT(bad)];
        int rc = hg_avro_parse(&names, hg_strz(json_of(a, c[0])), &t, &err);
        assert_int_equal(rc, i < HG_COUNT(bad) ? HG_EPARSE : 0);
        hg_buf_t text;
        hg_buf_init(&text, 4096);
        if (rc == 0) hg_avro_text(&text, t);
        assert_string_equal(rc < 0 ? err.msg : text.p, c[1]);
        hg_buf_release(&text);
        hg_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_debezium),
        cmocka_unit_test(test_skipped_values_end),
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_schemas_in_a_circle),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
