/* VARIANT and MAP: canonical forms against a model, hash and order of nested values, exact numbers both ways. */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "data/hash.h"
#include "data/text.h"
#include "data/variant.h"

static hg_arena_t *arena;
static hg_variant_t *v;

static int up(void **st)
{
    (void)st;
    arena = hg_arena_new();
    v = hg_variant_new();
    return 0;
}
static int down(void **st)
{
    (void)st;
    hg_variant_free(v);
    hg_arena_free(arena);
    return 0;
}

static uint64_t seed = 20261121;
static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((seed >> 33) % n);
}

/* 64 readable bytes behind it, as everywhere. */
static hg_str_t text(const char *s)
{
    size_t n = strlen(s);
    char *p = hg_arena_alloc(arena, n + 64);
    memset(p, 0, n + 64);
    memcpy(p, s, n);
    return (hg_str_t){ p, n };
}

static const char *canon(const char *s)
{
    hg_buf_t out;
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = hg_variant_parse(v, text(s), &out);
    const char *r = rc < 0 ? "(not JSON)" : hg_arena_strndup(arena, out.p, out.len);
    hg_buf_release(&out);
    return r;
}

static void one_spelling_per_value(void **st)
{
    (void)st;
    static const struct {
        const char *in, *want;
    } cases[] = {
        { "1", "1" },
        { " 1.0 ", "1" },
        { "1e0", "1" },
        { "10e-1", "1" },
        { "-0", "0" },
        { "-0.000e55", "0" },
        { "1.50", "1.5" },
        { "-1.50", "-1.5" },
        { "0.001", "0.001" },
        { "1e-6", "0.000001" },
        { "1e-7", "1e-7" },
        { "0.00000012", "1.2e-7" },
        { "12e36", "12000000000000000000000000000000000000" },
        { "12e37", "1.2e38" },
        { "99999999999999999999999999999999999999", "99999999999999999999999999999999999999" },
        { "100000000000000000000000000000000000000", "1e38" },
        { "9223372036854775808", "9223372036854775808" },
        { "18446744073709551615", "18446744073709551615" },
        { "-1234567890123456789012345678.0123456789", "-1234567890123456789012345678.0123456789" },
        { "1E+400", "1e400" },
        { "1e1234567890", "1e1234567890" },
        { "\"\\u0061\\/\\n\"", "\"a/\\n\"" },
        { "{}", "{}" },
        { "[ ]", "[]" },
        { "[1, {\"b\":[],\"a\":null} ,true]", "[1,{\"a\":null,\"b\":[]},true]" },
        { "{\"b\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":3}" },
        { "{\"a\":{\"z\":1,\"y\":{\"q\":1,\"p\":2}},\"\":0}", "{\"\":0,\"a\":{\"y\":{\"p\":2,\"q\":1},\"z\":1}}" },
        { "{\"a\":1,\"\\u0061\":2}", "{\"a\":2}" },
        { "", "(not JSON)" },
        { "{", "(not JSON)" },
        { "1 2", "(not JSON)" },
        { "{\"a\" 1}", "(not JSON)" },
        { "nul", "(not JSON)" },
        { "01", "(not JSON)" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++)
        if (strcmp(canon(cases[i].in), cases[i].want) != 0)
            fail_msg("%s gave %s, not %s", cases[i].in, canon(cases[i].in), cases[i].want);
}

/* --- a model: a random value, spelled canonically and in some other way --- */

static void both(hg_buf_t *right, hg_buf_t *other, unsigned depth);

static void blank(hg_buf_t *other)
{
    for (unsigned n = below(3); n > 0; n--) hg_buf_addc(other, " \t\n\r"[below(4)]);
}

static void number(hg_buf_t *right, hg_buf_t *other)
{
    unsigned x = below(1000);
    hg_buf_addu64(right, x);
    if (x % 10 == 0 && x && below(2))
        hg_buf_addf(other, "%ue1", x / 10);
    else
        hg_buf_addf(other, below(2) ? "%u.00" : "%u", x);
}

static void member(hg_buf_t *right, hg_buf_t *other, char name, unsigned depth)
{
    hg_buf_addf(right, "\"%c\":", name);
    hg_buf_addf(other, below(2) ? "\"%c\"" : "\"\\u%04x\"", name);
    blank(other);
    hg_buf_addc(other, ':');
    both(right, other, depth);
}

static void object(hg_buf_t *right, hg_buf_t *other, unsigned depth)
{
    unsigned n = below(5);
    hg_buf_t part[4][2];
    hg_buf_addc(right, '{');
    hg_buf_addc(other, '{');
    n = HG_MIN(n, 4u);
    for (unsigned i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) hg_buf_init(&part[i][k], HG_BUF_NOMAX);
        member(&part[i][0], &part[i][1], (char)('a' + i), depth);
        hg_buf_addf(right, "%s%s", i ? "," : "", part[i][0].p);
    }
    unsigned first = n ? below(n) : 0;
    if (n && below(3) == 0) hg_buf_addf(other, "\"%c\":[0],", 'a' + first); /* a name that comes again */
    for (unsigned i = 0; i < n; i++) hg_buf_addf(other, "%s%s", i ? "," : "", part[(first + n - i) % n][1].p);
    for (unsigned i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) hg_buf_release(&part[i][k]);
    hg_buf_addc(right, '}');
    hg_buf_addc(other, '}');
}

static void both(hg_buf_t *right, hg_buf_t *other, unsigned depth)
{
    unsigned what = below(depth ? 6 : 4);
    blank(other);
    if (what == 0) {
        number(right, other);
    } else if (what == 5) {
        object(right, other, depth - 1);
    } else if (what == 4) {
        hg_buf_addc(right, '[');
        hg_buf_addc(other, '[');
        for (unsigned i = 0, n = below(4); i < n; i++) {
            if (i) hg_buf_addc(right, ',');
            if (i) hg_buf_addc(other, ',');
            both(right, other, depth - 1);
        }
        hg_buf_addc(right, ']');
        hg_buf_addc(other, ']');
    } else {
        const char *s = what == 1 ? "null" : what == 2 ? "false" : "\"x\"";
        hg_buf_adds(right, s);
        hg_buf_adds(other, s);
    }
    blank(other);
}

static void other_spellings_come_to_the_same(void **st)
{
    (void)st;
    hg_buf_t right, other, out;
    hg_buf_init(&right, HG_BUF_NOMAX);
    hg_buf_init(&other, HG_BUF_NOMAX);
    hg_buf_init(&out, HG_BUF_NOMAX);
    for (int i = 0; i < 20000; i++) {
        hg_buf_clear(&right);
        hg_buf_clear(&other);
        hg_buf_clear(&out);
        both(&right, &other, 4);
        hg_buf_reserve(&other, 64);
        if (hg_variant_parse(v, hg_buf_str(&other), &out) < 0 || strcmp(out.p, right.p) != 0)
            fail_msg("%s\ngave %s\nnot  %s", other.p, out.p, right.p);
        hg_buf_reserve(&right, 64);
        hg_buf_clear(&out);
        assert_int_equal(hg_variant_parse(v, hg_buf_str(&right), &out), 0);
        assert_string_equal(out.p, right.p);
    }
    hg_buf_release(&right);
    hg_buf_release(&other);
    hg_buf_release(&out);
}

/* --- maps --- */

static const hg_type_t *map_type(const hg_type_t *key, const hg_type_t *elem)
{
    hg_type_t *t = HG_ANEW(arena, hg_type_t);
    *t = (hg_type_t){ .kind = HG_T_MAP, .nullable = true, .precision = -1, .key = key, .elem = elem };
    return t;
}

/* Entries of a small universe in any order, some keys twice; the model of a map is what each key has in the end. */
static void equal_maps_are_equal_cells(void **st)
{
    (void)st;
    enum { N = 400, KEYS = 3 };
    const hg_type_t *list = hg_type_array(arena, hg_type_make(arena, HG_T_DECIMAL, true, 38, 3), true);
    const hg_type_t *t = map_type(hg_type_make(arena, HG_T_VARCHAR, false, -1, 0), list);
    static int model[N][KEYS]; /* length of the value's list + 1, 0: no such key */
    hg_colb_t b;
    hg_colb_init(&b, t);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < KEYS; k++) model[i][k] = 0;
        for (unsigned n = below(6); n > 0; n--) {
            unsigned k = below(KEYS), len = below(3);
            char key = (char)('a' + k);
            assert_int_equal(hg_colb_var(&b.child[0], &key, 1), 0);
            for (unsigned e = 0; e < len; e++)
                assert_int_equal(hg_colb_i128(&b.child[1].child[0], hg_pow10(37) * 9 + (int)e), 0);
            assert_int_equal(hg_colb_close_list(&b.child[1]), 0);
            model[i][k] = (int)len + 1;
        }
        assert_int_equal(hg_colb_close_map(&b), 0);
    }
    hg_col_t *c = hg_colb_seal(&b);
    hg_colb_release(&b);
    uint64_t hash[N];
    hg_hash_rows((hg_hashkey_t){ 1, 2 }, &c, 1, NULL, N, hash);
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < N; j++) {
            bool same = memcmp(model[i], model[j], sizeof model[i]) == 0;
            int order = hg_cell_cmp(c, i, c, j);
            assert_int_equal(same, order == 0);
            assert_int_equal(same, hash[i] == hash[j]);
            assert_int_equal(order, -hg_cell_cmp(c, j, c, i));
        }
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < N; j++)
            for (uint32_t k = j % 7; k < N; k += 7)
                if (hg_cell_cmp(c, i, c, j) <= 0 && hg_cell_cmp(c, j, c, k) <= 0)
                    assert_true(hg_cell_cmp(c, i, c, k) <= 0);
    hg_col_drop(c);
}

/* --- typed values --- */

static const hg_type_t *of(hg_kind_t k)
{
    int32_t precision = k == HG_T_DECIMAL ? 38 : -1, scale = k == HG_T_DECIMAL ? 10 : 0;
    return hg_type_make(arena, k, true, precision, scale);
}

static const char *cast(const hg_type_t *t, const char *variant)
{
    hg_buf_t out;
    hg_colb_t b;
    hg_colb_init(&b, t);
    assert_int_equal(hg_variant_read(v, text(variant), &b), 0);
    assert_int_equal(b.len, 1);
    hg_col_t *c = hg_colb_seal(&b);
    hg_colb_release(&b);
    hg_buf_init(&out, HG_BUF_NOMAX);
    bool null = hg_col_null(c, 0);
    assert_int_equal(hg_variant_print(v, c, 0, &out), 0);
    const char *r = null ? "NULL" : hg_arena_strndup(arena, out.p, out.len);
    assert_true(null || strcmp(canon(r), r) == 0);
    hg_buf_release(&out);
    hg_col_drop(c);
    return r;
}

static void casts_keep_every_digit(void **st)
{
    (void)st;
    const hg_type_t *list = hg_type_array(arena, of(HG_T_BIGINT), true);
    hg_field_t *f = HG_ANEWN(arena, hg_field_t, 3);
    f[0] = (hg_field_t){ .name = HG_S("t"), .type = of(HG_T_TIME) };
    f[1] = (hg_field_t){ .name = HG_S("d"), .type = of(HG_T_DECIMAL) };
    f[2] = (hg_field_t){ .name = HG_S("n"), .type = hg_type_make(arena, HG_T_INTEGER, false, -1, 0) };
    hg_type_t *row = HG_ANEW(arena, hg_type_t);
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 3 };
    hg_type_t *chars = HG_ANEW(arena, hg_type_t);
    *chars = *hg_type_make(arena, HG_T_CHAR, true, 4, 0);
    const struct {
        const hg_type_t *t;
        const char *in, *want;
    } cases[] = {
        { of(HG_T_BIGINT), "9223372036854775807", "9223372036854775807" },
        { of(HG_T_BIGINT), "9223372036854775808", "NULL" },
        { of(HG_T_BIGINT), "-9223372036854775808", "-9223372036854775808" },
        { of(HG_T_UBIGINT), "18446744073709551615", "18446744073709551615" },
        { of(HG_T_UBIGINT), "-1", "NULL" },
        { of(HG_T_TINYINT), "-1.9", "-1" },
        { of(HG_T_TINYINT), "200", "NULL" },
        { of(HG_T_INTEGER), "1e400", "NULL" },
        { of(HG_T_INTEGER), "\"1\"", "NULL" },
        { of(HG_T_DECIMAL), "9999999999999999999999999999.0123456789", "9999999999999999999999999999.0123456789" },
        { of(HG_T_DECIMAL), "10000000000000000000000000000", "NULL" },
        { of(HG_T_DOUBLE), "0.1", "0.1" },
        { of(HG_T_DOUBLE), "1e300", "1e300" },
        { of(HG_T_DOUBLE), "1e400", "NULL" },
        { of(HG_T_REAL), "0.1", "0.1" },
        { of(HG_T_BOOLEAN), "true", "true" },
        { of(HG_T_BOOLEAN), "1", "NULL" },
        { of(HG_T_VARCHAR), "\"a\\\"\"", "\"a\\\"\"" },
        { of(HG_T_VARCHAR), "1", "NULL" },
        { of(HG_T_VARCHAR), "null", "NULL" },
        { of(HG_T_VARIANT), "null", "null" },
        { chars, "\"ab\"", "\"ab  \"" },
        { chars, "\"abcdef\"", "\"abcd\"" },
        { chars, "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"", "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"" },
        { of(HG_T_DATE), "\"2024-02-29\"", "\"2024-02-29\"" },
        { of(HG_T_DATE), "\"2023-02-29\"", "NULL" },
        { of(HG_T_TIME), "\"23:59:59.123456789\"", "\"23:59:59.123456789\"" },
        { of(HG_T_TIMESTAMP), "\"2024-02-29 01:02:03.123456\"", "\"2024-02-29 01:02:03.123456\"" },
        { of(HG_T_UUID), "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567-e89b-12d3-a456-426614174000\"" },
        { of(HG_T_VARBINARY), "[0,255,1]", "[0,255,1]" },
        { of(HG_T_VARBINARY), "[0,256]", "NULL" },
        { of(HG_T_VARBINARY), "[0,[1]]", "NULL" },
        { of(HG_T_VARBINARY), "[]", "[]" },
        { list, "[1,\"x\",null,9223372036854775807]", "[1,null,null,9223372036854775807]" },
        { list, "{}", "NULL" },
        { map_type(of(HG_T_VARCHAR), list), "{\"a\":[1],\"b\":2}", "{\"a\":[1],\"b\":null}" },
        { map_type(of(HG_T_BIGINT), list), "{\"10\":[1],\"9\":[]}", "{\"10\":[1],\"9\":[]}" },
        { map_type(of(HG_T_BIGINT), list), "{\"10\":[1],\"x\":[]}", "NULL" },
        { map_type(of(HG_T_VARIANT), list), "{\"10\":[1]}", "{\"10\":[1]}" },
        { row, "{\"d\":1.5,\"n\":7,\"t\":\"00:00:00.000000001\",\"u\":1}",
          "{\"d\":1.5,\"n\":7,\"t\":\"00:00:00.000000001\"}" },
        { row, "{\"n\":7}", "{\"d\":null,\"n\":7,\"t\":null}" },
        { row, "{\"d\":1}", "NULL" },
        { row, "{\"N\":7}", "NULL" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++)
        if (strcmp(cast(cases[i].t, cases[i].in), cases[i].want) != 0)
            fail_msg("%s as %s: %s, not %s", cases[i].in, hg_kind_name(cases[i].t->kind), cast(cases[i].t, cases[i].in),
                     cases[i].want);
}

static void parts_are_found(void **st)
{
    (void)st;
    hg_str_t x, doc = text("{\"a\":[1,{\"b\":\"]}\"},\"x,\"],\"b\":null}");
    assert_true(hg_variant_member(doc, HG_S("\"a\""), &x));
    assert_true(hg_variant_element(x, 3, &x) && hg_str_eqz(x, "\"x,\""));
    assert_true(hg_variant_member(doc, HG_S("\"b\""), &x) && hg_str_eqz(x, "null"));
    assert_false(hg_variant_member(doc, HG_S("\"c\""), &x));
    assert_false(hg_variant_member(doc, HG_S("\"A\""), &x));
    assert_false(hg_variant_element(doc, 1, &x));
    assert_true(hg_variant_member(doc, HG_S("\"a\""), &x));
    hg_str_t list = x;
    assert_true(hg_variant_element(list, 2, &x) && hg_str_eqz(x, "{\"b\":\"]}\"}"));
    assert_false(hg_variant_element(list, 0, &x) || hg_variant_element(list, 4, &x) ||
                 hg_variant_element(list, -1, &x));
    assert_false(hg_variant_member(list, HG_S("\"a\""), &x));
    assert_string_equal(hg_variant_type(text("18446744073709551615")), "BIGINT UNSIGNED");
    assert_string_equal(hg_variant_type(text("-9223372036854775808")), "BIGINT");
    assert_string_equal(hg_variant_type(text("18446744073709551616")), "DECIMAL");
    assert_string_equal(hg_variant_type(text("1.5")), "DECIMAL");
    assert_string_equal(hg_variant_type(text("null")), "VARIANT");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        T(one_spelling_per_value),
        T(other_spellings_come_to_the_same),
        T(equal_maps_are_equal_cells),
        T(casts_keep_every_digit),
        T(parts_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
