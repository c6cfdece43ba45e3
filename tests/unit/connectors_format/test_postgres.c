/* Rows of PostgreSQL's binary COPY: fields of every type in, and what changes of a view go out as. */
#include "tests/unit/connectors_format/kit.h"
#include "connectors/postgres.h"

static const hg_type_t t_int = { .kind = HG_T_INTEGER, .nullable = true, .precision = -1 };
static const hg_type_t t_ints = { .kind = HG_T_ARRAY, .nullable = true, .precision = -1, .elem = &t_int };

static void add_u32(hg_buf_t *b, uint32_t v)
{
    uint32_t be = htobe32(v);
    hg_buf_add(b, &be, 4);
}

/* "0012ff": bytes; NULL: a NULL field. */
static void add_field(hg_buf_t *b, const char *hex)
{
    hg_buf_t bytes;
    if (!hex) {
        add_u32(b, UINT32_MAX);
        return;
    }
    hg_buf_init(&bytes, HG_BUF_NOMAX);
    assert_int_equal(hg_hex_read(&bytes, hg_strz(hex)), 0);
    add_u32(b, (uint32_t)bytes.len);
    hg_buf_addstr(b, hg_buf_str(&bytes));
    hg_buf_release(&bytes);
}

typedef struct {
    hg_kind_t kind;
    int32_t p, s;
    const hg_type_t *type;
    const char *hex, *text; /* text: the cell as JSON, or the end of the error */
} in_t;

static const in_t values[] = {
    { HG_T_BOOLEAN, 0, 0, NULL, "01", "true" },
    { HG_T_BIGINT, 0, 0, NULL, "8000000000000000", "-9223372036854775808" },
    { HG_T_BIGINT, 0, 0, NULL, "fffe", "-2" },
    { HG_T_BIGINT, 0, 0, NULL, "ffffff", "a field of 3 bytes is no BIGINT" },
    { HG_T_UINTEGER, 0, 0, NULL, "00000000ffffffff", "4294967295" },
    { HG_T_TINYINT, 0, 0, NULL, "0080", "128 is out of range for type TINYINT" },
    { HG_T_UBIGINT, 0, 0, NULL, "00050004000000000734 1a58 02e1 03bb 064f", "18446744073709551615" },
    { HG_T_DECIMAL, 10, 2, NULL, "0002000000000002 0001 1388", "1.5" },
    { HG_T_DECIMAL, 10, 2, NULL, "0002000040000003 0001 1b56", "-1.69" },
    { HG_T_DECIMAL, 38, 38, NULL, "0001fffd00000000 0001", "1e-12" },
    { HG_T_DECIMAL, 10, 2, NULL, "00000000c0000000", "NaN is no DECIMAL(10, 2)" },
    { HG_T_DECIMAL, 10, 2, NULL, "00000000d0000000", "an infinite number is no DECIMAL(10, 2)" },
    { HG_T_DECIMAL, 4, 2, NULL, "0001000000000000 0064",
      "decimal number 100 is outside the value range of DECIMAL(4, 2)" },
    { HG_T_DECIMAL, 38, 0, NULL, "0001000a00000000 0001",
      "more than 38 digits is outside the value range of DECIMAL(38, 0)" },
    { HG_T_REAL, 0, 0, NULL, "3f800000", "1.0" },
    { HG_T_DOUBLE, 0, 0, NULL, "3fb999999999999a", "0.1" },
    { HG_T_DOUBLE, 0, 0, NULL, "3fc00000", "1.5" },
    { HG_T_VARCHAR, 0, 0, NULL, "c3a4", "\"ä\"" },
    { HG_T_VARCHAR, 0, 0, NULL, "c3", "a text that is not UTF-8" },
    { HG_T_VARBINARY, 0, 0, NULL, "00ff", "[0,255]" },
    { HG_T_DATE, 0, 0, NULL, "00000000", "\"2000-01-01\"" },
    { HG_T_DATE, 0, 0, NULL, "7fffffff", "infinity is no DATE" },
    { HG_T_TIME, 0, 0, NULL, "00000000000f4241", "\"00:00:01.000001\"" },
    { HG_T_TIMESTAMP, 0, 0, NULL, "ffffffffffffffff", "\"1999-12-31 23:59:59.999999\"" },
    { HG_T_TIMESTAMP_TZ, 0, 0, NULL, "0000000000000000", "\"2000-01-01 00:00:00+00:00\"" },
    { HG_T_UUID, 0, 0, NULL, "00112233445566778899aabbccddeeff", "\"00112233-4455-6677-8899-aabbccddeeff\"" },
    { HG_T_VARIANT, 0, 0, NULL, "7b2261223a205b312c20322e35305d7d", "{\"a\":[1,2.5]}" },
    { HG_T_ARRAY, 0, 0, &t_ints, "0000000100000001000000170000000200000001 00000004fffffffe ffffffff", "[-2,null]" },
    { HG_T_ARRAY, 0, 0, &t_ints, "000000000000000000000017", "[]" },
    { HG_T_ARRAY, 0, 0, &t_ints, "5b312c325d", "[1,2]" },
    { HG_T_ARRAY, 0, 0, &t_ints, "000000020000000000000017", "an array with 2 dimensions in a column with 1" },
};

static void strip(const char *from, char *to)
{
    for (; *from; from++)
        if (*from != ' ') *to++ = *from;
    *to = 0;
}

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < HG_COUNT(values); i++) {
        const in_t *v = &values[i];
        const col_spec_t col = { "v", v->kind, true, v->p, v->s, v->type };
        char hex[256];
        hg_buf_t row, got;
        kit_t k;
        strip(v->hex, hex);
        kit_init(&k, &hg_format_postgres, &col, 1, NULL, 0);
        assert_int_equal(
            hg_format_postgres.parser_new(NULL, &(hg_parse_env_t){ .schema = &k.schema }, &k.parser, &k.err), 0);
        k.scratch = hg_format_postgres.scratch_new(k.parser);
        hg_buf_init(&row, HG_BUF_NOMAX);
        hg_buf_init(&got, HG_BUF_NOMAX);
        add_field(&row, NULL);
        add_field(&row, hex);
        kit_parse_n(&k, row.p, row.len, true);
        kit_rows(&k, &got);
        if (k.n_errors) {
            assert_non_null(strstr(k.errors.p, v->text));
        } else {
            char want[200];
            snprintf(want, sizeof want, "+[%s]\n", v->kind == HG_T_DECIMAL && v->s == 38 ? "0.000000000001" : v->text);
            assert_string_equal(got.p, want);
        }
        hg_buf_release(&row);
        hg_buf_release(&got);
        kit_free(&k);
    }
}

/* --- out --- */

typedef struct {
    int32_t id, x;
    int64_t weight;
} change_t;

/* "i1=2": an insert of key 1 with x = 2 … */
static hg_buf_t g_ops;

static int on_row(hg_encode_sink_t *s, uint32_t n, hg_err_t *err)
{
    (void)err;
    assert_int_equal(n, 1);
    const char *p = s->buf->p + HG_PG_OP_AT;
    uint32_t id, x;
    memcpy(&id, p + 5, 4);
    memcpy(&x, p + 13, 4);
    hg_buf_addf(&g_ops, "%c%u=%u ", *p, be32toh(id), be32toh(x));
    hg_buf_clear(s->buf);
    return 0;
}

/* left_out: what the first key that several rows have is told with; NULL: there is none. */
static void expect_ops_but(const change_t *changes, uint32_t n, const char *want, const char *left_out)
{
    static const uint32_t key[] = { 0 };
    const col_spec_t cols[] = { { "id", HG_T_INTEGER, false, 0, 0, NULL }, { "x", HG_T_INTEGER, false, 0, 0, NULL } };
    kit_t k;
    int64_t weights[16];
    hg_encoder_t *e = NULL;
    kit_init(&k, &hg_format_postgres, cols, 2, NULL, 0);
    const hg_encode_env_t env = { .schema = &k.schema, .key = key, .n_key = 1, .want_messages = true };
    assert_int_equal(hg_format_postgres.encoder_new(NULL, &env, &e, &k.err), 0);
    k.encoder = e;
    k.sink = (hg_encode_sink_t){ .buf = &k.bytes, .key = &k.key, .message = on_row };
    for (uint32_t i = 0; i < n; i++) {
        hg_colb_i32(&k.out.changes.cols[0], changes[i].id);
        hg_colb_i32(&k.out.changes.cols[1], changes[i].x);
        assert_int_equal(hg_changeb_row(&k.out.changes, HG_OP_INSERT, NULL), 0);
        weights[i] = changes[i].weight;
    }
    hg_buf_init(&g_ops, HG_BUF_NOMAX);
    hg_buf_adds(&g_ops, "");
    assert_int_equal(kit_encode(&k, weights), 0);
    assert_string_equal(g_ops.p, want);
    assert_int_equal(k.sink.left_out, left_out ? 1 : 0);
    if (left_out) assert_non_null(strstr(k.sink.why.msg, left_out));
    hg_buf_release(&g_ops);
    kit_free(&k);
}

static void expect_ops(const change_t *changes, uint32_t n, const char *want)
{
    expect_ops_but(changes, n, want, NULL);
}

static void test_operations(void **state)
{
    (void)state;
    expect_ops((change_t[]){ { 1, 2, 1 } }, 1, "i1=2 ");
    expect_ops((change_t[]){ { 1, 2, -1 } }, 1, "d1=2 ");
    expect_ops((change_t[]){ { 1, 2, -1 }, { 1, 3, 1 } }, 2, "u1=3 ");
    expect_ops((change_t[]){ { 1, 3, 1 }, { 2, 9, 1 }, { 1, 2, -1 }, { 3, 1, -1 } }, 4, "d3=1 u1=3 i2=9 ");
    expect_ops((change_t[]){ { 1, 2, 1 }, { 1, 2, -1 } }, 2, "");                                 /* nothing is left */
    expect_ops((change_t[]){ { 1, 2, 1 }, { 1, 2, -1 }, { 1, 4, 1 }, { 1, 3, -1 } }, 4, "u1=4 "); /* of four, two */
    expect_ops_but((change_t[]){ { 1, 2, 1 }, { 5, 5, 1 }, { 1, 3, 1 } }, 3, "i5=5 ",
                   "the index is no unique key of 't': one key has the updates +1 (1,2), +1 (1,3)");
    expect_ops_but((change_t[]){ { 1, 2, 2 } }, 1, "", "the index is no unique key");
    /* each operation's rows in the order in which they came */
    expect_ops(
        (change_t[]){ { 5, 1, 1 }, { 9, 1, 1 }, { 1, 1, -1 }, { 7, 1, 1 }, { 4, 1, -1 }, { 9, 1, -1 }, { 2, 1, 1 } }, 7,
        "d1=1 d4=1 i5=1 i7=1 i2=1 ");
}

/* Every DECIMAL that is written reads as the same. */
static void test_decimals_go_both_ways(void **state)
{
    (void)state;
    static const uint32_t key[] = { 0 };
    uint64_t seed = 1;
    for (int scale = 0; scale <= 38; scale++) {
        const col_spec_t col = { "v", HG_T_DECIMAL, false, 38, scale, NULL };
        kit_t k;
        hg_encoder_t *e = NULL;
        kit_init(&k, &hg_format_postgres, &col, 1, NULL, 0);
        const hg_encode_env_t env = { .schema = &k.schema, .key = key, .n_key = 1, .want_messages = true };
        assert_int_equal(hg_format_postgres.encoder_new(NULL, &env, &e, &k.err), 0);
        k.encoder = e;
        k.sink = (hg_encode_sink_t){ .buf = &k.bytes, .key = &k.key, .message = kit_message, .arg = &k };
        assert_int_equal(
            hg_format_postgres.parser_new(NULL, &(hg_parse_env_t){ .schema = &k.schema }, &k.parser, &k.err), 0);
        k.scratch = hg_format_postgres.scratch_new(k.parser);
        for (int digits = 0; digits <= 38; digits++) {
            hg_i128 v = 0;
            for (int d = 0; d < digits; d++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                v = v * 10 + (hg_i128)((seed >> 33) % 10);
            }
            if (seed & ((uint64_t)1 << 40)) v = -v;
            hg_colb_i128(&k.out.changes.cols[0], v);
            assert_int_equal(hg_changeb_row(&k.out.changes, HG_OP_INSERT, NULL), 0);
            hg_buf_clear(&k.messages);
            assert_int_equal(kit_encode(&k, NULL), 0);
            hg_buf_t row;
            hg_buf_init(&row, HG_BUF_NOMAX);
            add_field(&row, NULL); /* "1<|" before the row, ">" behind it */
            hg_buf_add(&row, k.messages.p + 3 + HG_PG_OP_AT + 1, k.messages.len - 4 - HG_PG_OP_AT - 1);
            kit_parse_n(&k, row.p, row.len, true);
            assert_int_equal(k.n_errors, 0);
            hg_change_t *c = hg_changeb_seal(&k.out.changes);
            assert_true(HG_COL(c->rows->cols[0], hg_i128)[0] == v);
            hg_change_drop(c);
            hg_buf_release(&row);
        }
        kit_free(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_decimals_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
