/* datagen's generator without a transport: strategies × types, ranges, values, errors. */
#include "tests/lib/test.h"
#include "base/mem.h"
#include "connectors/transport/datagen_int.h"
#include "data/text.h"

typedef struct {
    hg_arena_t *a;
    hg_schema_t schema;
    dg_plan_t *plans;
    uint32_t n_plans;
    hg_change_t *c;
    uint64_t bytes;
    hg_err_t err;
    int rc;
} gen_t;

/* One column "x" of the type, n rows of the plan whose field is `field`. */
static gen_t *gen_type(hg_arena_t *a, const hg_type_t *t, const char *field, uint64_t seed, uint32_t n)
{
    gen_t *g = HG_ANEW(a, gen_t);
    hg_field_t *col = HG_ANEW(a, hg_field_t);
    hg_json_t *plan;
    g->a = a;
    *col = (hg_field_t){ .name = HG_S("x"), .type = t };
    g->schema = (hg_schema_t){ .name = HG_S("t"), .cols = col, .n_cols = 1 };
    const char *text = hg_arena_printf(a, "[{\"fields\":{\"X\":%s}}]", field);
    if (hg_json_parse(a, hg_strz(text), &plan, &g->err) < 0) fail_msg("%s in %s", g->err.msg, text);
    g->rc = dg_plans_make(a, plan, &g->schema, &g->plans, &g->n_plans, &g->err);
    if (g->rc < 0) return g;
    hg_changeb_t b;
    hg_changeb_init(&b, &g->schema);
    assert_int_equal(dg_rows(&g->plans[0], seed, 0, n, &b, &g->bytes, &g->err), 0);
    g->c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return g;
}

static hg_arena_t *arena;
static int up(void **st)
{
    (void)st;
    arena = hg_arena_new();
    return 0;
}
static int down(void **st)
{
    (void)st;
    hg_arena_free(arena);
    return 0;
}

static gen_t *gen(hg_kind_t k, const char *field, uint32_t n)
{
    int32_t precision = k == HG_T_DECIMAL ? 10 : -1, scale = k == HG_T_DECIMAL ? 2 : -1;
    gen_t *g = gen_type(arena, hg_type_make(arena, k, true, precision, scale), field, 1, n);
    if (g->rc < 0) fail_msg("%s", g->err.msg);
    return g;
}

static const hg_col_t *col(const gen_t *g)
{
    return g->c->rows->cols[0];
}
static int64_t i64(const gen_t *g, uint32_t i)
{
    return HG_COL(col(g), int64_t)[i];
}
static hg_str_t str(const gen_t *g, uint32_t i)
{
    return hg_col_var(col(g), i);
}
static void done(gen_t *g)
{
    hg_change_drop(g->c);
}

static void increment_counts(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_BIGINT, "{}", 300);
    for (uint32_t i = 0; i < 300; i++) assert_int_equal(i64(g, i), i);
    assert_int_equal(g->bytes, 10 * 7 + 90 * 8 + 200 * 9);
    done(g);
    g = gen(HG_T_BIGINT, "{\"range\":[5,8],\"scale\":2}", 4);
    assert_int_equal(i64(g, 0), 5);
    assert_int_equal(i64(g, 1), 7);
    assert_int_equal(i64(g, 2), 6);
    assert_int_equal(i64(g, 3), 5);
    done(g);
    g = gen(HG_T_TINYINT, "{}", 130); /* wraps at the type's maximum */
    assert_int_equal(HG_COL(col(g), int8_t)[126], 126);
    assert_int_equal(HG_COL(col(g), int8_t)[127], 0);
    done(g);
    g = gen(HG_T_UBIGINT, "{\"range\":[18446744073709551613,18446744073709551615]}", 3);
    assert_true(HG_COL(col(g), uint64_t)[0] == UINT64_MAX - 2 && HG_COL(col(g), uint64_t)[1] == UINT64_MAX - 1);
    assert_true(HG_COL(col(g), uint64_t)[2] == UINT64_MAX - 2);
    done(g);
    g = gen(HG_T_BIGINT, "{\"scale\":-1,\"range\":[0,10]}", 3);
    assert_int_equal(i64(g, 1), 9);
    assert_int_equal(i64(g, 2), 8);
    done(g);
}

static void uniform_stays_in_its_range_and_reaches_all_of_it(void **st)
{
    (void)st;
    bool seen[10] = { false };
    gen_t *g = gen(HG_T_BIGINT, "{\"strategy\":\"uniform\",\"range\":[-5,5]}", 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_in_range(i64(g, i) + 5, 0, 9);
        seen[i64(g, i) + 5] = true;
    }
    for (int i = 0; i < 10; i++) assert_true(seen[i]);
    done(g);
    g = gen(HG_T_BIGINT, "{\"strategy\":\"uniform\"}", 1000); /* the whole type */
    bool neg = false, large = false;
    for (uint32_t i = 0; i < 1000; i++) {
        neg |= i64(g, i) < 0;
        large |= i64(g, i) > INT64_MAX / 2;
    }
    assert_true(neg && large);
    done(g);
}

static void zipf_prefers_small_numbers(void **st)
{
    (void)st;
    unsigned n[10] = { 0 };
    gen_t *g = gen(HG_T_BIGINT, "{\"strategy\":\"zipf\",\"range\":[0,10]}", 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_in_range(i64(g, i), 0, 9);
        n[i64(g, i)]++;
    }
    done(g);
    /* P(1) = 1/H(10) = 0.341…, P(k) = P(1)/k */
    assert_in_range(n[0], 6500, 7200);
    assert_in_range(n[1], 3150, 3700);
    assert_in_range(n[9], 550, 820);
    dg_rng_t r = { 5 };
    for (int i = 0; i < 10000; i++) assert_true(dg_zipf(&r, UINT64_MAX, 1) >= 1);
    for (int i = 0; i < 100; i++) assert_int_equal(dg_zipf(&r, 1, 3), 1);
}

static void rows_do_not_depend_on_where_a_batch_begins(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_VARCHAR, "{\"strategy\":\"name\",\"null_percentage\":30}", 50);
    hg_changeb_t b;
    uint64_t bytes = 0;
    hg_changeb_init(&b, &g->schema);
    for (uint64_t first = 0; first < 50; first += 7)
        assert_int_equal(dg_rows(&g->plans[0], 1, first, (uint32_t)HG_MIN(7, 50 - first), &b, &bytes, &g->err), 0);
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    unsigned nulls = 0;
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(hg_cell_cmp(c->rows->cols[0], i, g->c->rows->cols[0], i), 0);
        nulls += hg_col_null(c->rows->cols[0], i);
    }
    assert_in_range(nulls, 3, 30);
    assert_int_equal(bytes, g->bytes);
    hg_change_drop(c);
    done(g);
}

static void values_are_picked_by_strategy(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_VARCHAR, "{\"values\":[\"A\",\"B\",\"C\"]}", 4);
    assert_true(hg_str_eqz(str(g, 0), "A") && hg_str_eqz(str(g, 1), "B") && hg_str_eqz(str(g, 2), "C") &&
                hg_str_eqz(str(g, 3), "A"));
    done(g);
    g = gen(HG_T_VARCHAR, "{\"strategy\":\"zipf\",\"e\":2,\"values\":[\"A\",\"B\",\"C\"]}", 1000);
    unsigned a = 0;
    for (uint32_t i = 0; i < 1000; i++) a += hg_str_eqz(str(g, i), "A");
    assert_in_range(a, 680, 790); /* 1 / (1 + 1/4 + 1/9) = 0.735 */
    done(g);
    g = gen(HG_T_BIGINT, "{\"values\":[1,null,9223372036854775807]}", 3);
    assert_int_equal(i64(g, 0), 1);
    assert_true(hg_col_null(col(g), 1));
    assert_true(i64(g, 2) == INT64_MAX);
    done(g);
    g = gen(HG_T_BIGINT, "{\"values\":[]}", 2);
    assert_true(hg_col_null(col(g), 0));
    done(g);
    g = gen(HG_T_BOOLEAN, "{\"values\":[true,true,false]}", 3);
    assert_true(hg_bit_get(col(g)->data, 1) && !hg_bit_get(col(g)->data, 2));
    done(g);
}

static void floats_and_decimals(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_DOUBLE, "{\"strategy\":\"uniform\",\"range\":[1.5,2.5]}", 200);
    for (uint32_t i = 0; i < 200; i++) assert_true(HG_COL(col(g), double)[i] >= 1.5 && HG_COL(col(g), double)[i] < 2.5);
    done(g);
    g = gen(HG_T_REAL, "{\"strategy\":\"uniform\"}", 200);
    for (uint32_t i = 0; i < 200; i++)
        assert_true(HG_COL(col(g), float)[i] - HG_COL(col(g), float)[i] == 0); /* finite */
    done(g);
    g = gen(HG_T_DOUBLE, "{\"range\":[10,12],\"scale\":3}", 3);
    assert_true(HG_COL(col(g), double)[0] == 10 && HG_COL(col(g), double)[1] == 11 && HG_COL(col(g), double)[2] == 10);
    done(g);
    g = gen(HG_T_DECIMAL, "{}", 12);
    assert_true(HG_COL(col(g), hg_i128)[11] == 1100); /* 11.00 */
    done(g);
    g = gen(HG_T_DECIMAL, "{\"range\":[\"1.25\",1.50],\"strategy\":\"uniform\"}", 200);
    for (uint32_t i = 0; i < 200; i++)
        assert_true(HG_COL(col(g), hg_i128)[i] >= 125 && HG_COL(col(g), hg_i128)[i] < 150);
    done(g);
    /* 38 digits */
    g = gen_type(arena, hg_type_make(arena, HG_T_DECIMAL, false, 38, 37), "{\"strategy\":\"uniform\"}", 3, 100);
    bool huge = false;
    for (uint32_t i = 0; i < 100; i++) huge |= HG_COL(col(g), hg_i128)[i] > hg_pow10(37) * 5;
    assert_true(huge);
    done(g);
    g = gen_type(arena, hg_type_make(arena, HG_T_DECIMAL, false, 38, 37), "{}", 3, 15);
    assert_true(HG_COL(col(g), hg_i128)[3] == 3 * hg_pow10(37));
    assert_true(HG_COL(col(g), hg_i128)[10] == 1); /* 100…0 mod 99…9 */
    done(g);
}

static void temporals(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_DATE, "{\"range\":[\"2025-01-31\",\"2025-02-02\"]}", 3);
    assert_int_equal(HG_COL(col(g), int32_t)[0], hg_days_from_civil(2025, 1, 31));
    assert_int_equal(HG_COL(col(g), int32_t)[1], hg_days_from_civil(2025, 2, 1));
    assert_int_equal(HG_COL(col(g), int32_t)[2], hg_days_from_civil(2025, 1, 31));
    done(g);
    g = gen(HG_T_TIME, "{\"range\":[\"00:00:01\",\"00:00:03\"],\"scale\":1500}", 2);
    assert_true(i64(g, 0) == 1000000000 && i64(g, 1) == 2500000000);
    done(g);
    g = gen(HG_T_TIMESTAMP, "{\"range\":[\"2025-01-01T00:00:00Z\",\"2025-02-01T00:00:00Z\"],\"scale\":1000}", 2);
    assert_true(i64(g, 1) - i64(g, 0) == 1000000);
    assert_int_equal(g->bytes, 2 * (6 + 22));
    done(g);
    g = gen(HG_T_TIMESTAMP, "{\"strategy\":\"uniform\"}", 500);
    for (uint32_t i = 0; i < 500; i++) assert_true(i64(g, i) >= 0 && i64(g, i) < 4102444800000000);
    done(g);
}

static void uuids_booleans_and_texts(void **st)
{
    (void)st;
    char text[40];
    gen_t *g = gen(HG_T_UUID, "{}", 258);
    hg_uuid_print(text, (uint8_t *)col(g)->data + (size_t)16 * 257);
    assert_memory_equal(text, "00000000-0000-0000-0000-000000000101", 36);
    done(g);
    g = gen(HG_T_BOOLEAN, "{}", 3);
    assert_true(!hg_bit_get(col(g)->data, 0) && hg_bit_get(col(g)->data, 1) && !hg_bit_get(col(g)->data, 2));
    done(g);
    g = gen(HG_T_VARCHAR, "{\"scale\":7}", 3);
    assert_true(hg_str_eqz(str(g, 2), "14"));
    done(g);
    g = gen(HG_T_VARCHAR, "{\"strategy\":\"uniform\",\"range\":[3,6]}", 300);
    for (uint32_t i = 0; i < 300; i++) assert_in_range(str(g, i).n, 3, 5);
    done(g);
    g = gen_type(arena, hg_type_make(arena, HG_T_CHAR, true, 4, -1), "{\"values\":[\"ab\",\"abcdef\"]}", 1, 2);
    assert_true(hg_str_eqz(str(g, 0), "ab  ") && hg_str_eqz(str(g, 1), "abcd"));
    done(g);
}

static void arrays_and_binaries(void **st)
{
    (void)st;
    const hg_type_t *t = hg_type_array(arena, hg_type_make(arena, HG_T_INTEGER, false, -1, -1), true);
    gen_t *g = gen_type(arena, t, "{}", 1, 6);
    const hg_col_t *c = col(g);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(c->offs[i + 1] - c->offs[i], i % 5);
        for (int32_t k = 0; k < c->offs[i + 1] - c->offs[i]; k++)
            assert_int_equal(HG_COL(c->child[0], int32_t)[c->offs[i] + k], k);
    }
    /* {"x":[]} is 8, each element and comma 2 minus the first comma */
    assert_int_equal(g->bytes, 8 + (8 + 1) + (8 + 3) + (8 + 5) + (8 + 7) + 8);
    done(g);
    g = gen_type(arena, t,
                 "{\"range\":[2,4],\"strategy\":\"uniform\",\"value\":{\"strategy\":\"uniform\",\"range\":[7,9]}}", 1,
                 50);
    c = col(g);
    for (uint32_t i = 0; i < 50; i++) assert_in_range(c->offs[i + 1] - c->offs[i], 2, 3);
    for (int32_t k = 0; k < c->offs[50]; k++) assert_in_range(HG_COL(c->child[0], int32_t)[k], 7, 8);
    done(g);
    g = gen_type(arena, t, "{\"values\":[[1,2],[],[3]]}", 1, 3);
    c = col(g);
    assert_int_equal(c->offs[1], 2);
    assert_int_equal(c->offs[2], 2);
    assert_int_equal(c->offs[3], 3);
    done(g);
    g = gen(HG_T_VARBINARY, "{}", 4);
    assert_int_equal(str(g, 3).n, 3);
    assert_memory_equal(str(g, 3).p, "\0\1\2", 3);
    done(g);
}

static void structs_and_maps(void **st)
{
    (void)st;
    hg_field_t *m = HG_ANEWN(arena, hg_field_t, 2);
    m[0] = (hg_field_t){ .name = HG_S("a"), .type = hg_type_make(arena, HG_T_BIGINT, false, -1, -1) };
    m[1] = (hg_field_t){ .name = HG_S("b"), .type = hg_type_make(arena, HG_T_VARCHAR, false, -1, -1) };
    hg_type_t *row = HG_ANEW(arena, hg_type_t);
    *row = *hg_type_make(arena, HG_T_ROW, true, -1, -1);
    row->fields = m;
    row->n_fields = 2;
    gen_t *g = gen_type(arena, row, "{\"fields\":{\"B\":{\"strategy\":\"country_code\"}}}", 1, 3);
    assert_int_equal(HG_COL(col(g)->child[0], int64_t)[2], 2);
    assert_int_equal(hg_col_var(col(g)->child[1], 2).n, 2);
    done(g);
    hg_type_t *map = HG_ANEW(arena, hg_type_t);
    *map = *hg_type_make(arena, HG_T_MAP, true, -1, -1);
    map->key = m[1].type;
    map->elem = m[0].type;
    g = gen_type(arena, map, "{}", 1, 7);
    assert_int_equal(col(g)->offs[7], 0 + 1 + 2 + 3 + 4 + 0 + 1);
    done(g);
    g = gen(HG_T_VARIANT, "{\"strategy\":\"uniform\"}", 2);
    assert_true(hg_col_null(col(g), 0) && hg_col_null(col(g), 1));
    done(g);
}

#define X(e, s) s,
static const char *const names[] = { DG_STRATEGIES(X) };
#undef X

static void every_text_strategy_gives_text_that_varies(void **st)
{
    (void)st;
    for (int s = DG_WORD; s < DG_STRATEGY_N; s++) {
        gen_t *g = gen(HG_T_VARCHAR, hg_arena_printf(arena, "{\"strategy\":\"%s\",\"range\":[2,5]}", names[s]), 40);
        bool varies = false;
        for (uint32_t i = 0; i < 40; i++) {
            if (str(g, i).n == 0 || !hg_utf8_valid(str(g, i).p, str(g, i).n))
                fail_msg("%s gave '" HG_SF "'", names[s], HG_SA(str(g, i)));
            varies |= !hg_str_eq(str(g, i), str(g, 0));
        }
        if (!varies) fail_msg("%s always gave '" HG_SF "'", names[s], HG_SA(str(g, 0)));
        done(g);
    }
}

static void fake_numbers_have_right_check_digits(void **st)
{
    (void)st;
    gen_t *g = gen(HG_T_VARCHAR, "{\"strategy\":\"credit_card_number\"}", 100);
    for (uint32_t i = 0; i < 100; i++) {
        int sum = 0;
        assert_int_equal(str(g, i).n, 16);
        for (int k = 0; k < 16; k++) {
            int d = str(g, i).p[k] - '0';
            if (k % 2 == 0 && (d *= 2) > 9) d -= 9;
            sum += d;
        }
        assert_int_equal(sum % 10, 0);
    }
    done(g);
    g = gen(HG_T_VARCHAR, "{\"strategy\":\"isbn10\"}", 100);
    for (uint32_t i = 0; i < 100; i++) {
        int sum = 0;
        for (int k = 0; k < 10; k++) sum += (10 - k) * (str(g, i).p[k] == 'X' ? 10 : str(g, i).p[k] - '0');
        assert_int_equal(sum % 11, 0);
    }
    done(g);
}

static void bad_fields_are_refused_by_name(void **st)
{
    (void)st;
    static const struct {
        hg_kind_t k;
        const char *field, *want;
    } cases[] = {
        { HG_T_BIGINT, "{\"strategy\":\"name\"}", "Invalid strategy `name` for field `x`" },
        { HG_T_BIGINT, "{\"range\":[\"a\",3]}", "Range values must be integers for field `x`" },
        { HG_T_BIGINT, "{\"range\":[5,3]}", "Invalid range, min > max for field `x`" },
        { HG_T_BIGINT, "{\"range\":[3,3]}", "Empty range, min >= max for field `x`" },
        { HG_T_TINYINT, "{\"range\":[0,300]}", "does not fit into TINYINT" },
        { HG_T_TINYINT, "{\"strategy\":\"uniform\",\"range\":[0,100],\"scale\":2}", "does not fit into TINYINT" },
        { HG_T_BIGINT, "{\"strategy\":\"uniform\",\"scale\":2}", "has a scale but no range" },
        { HG_T_DOUBLE, "{\"range\":[true,3]}", "Range values must be floating point numbers for field `x`" },
        { HG_T_DECIMAL, "{\"range\":[true,3]}", "Range values must be decimal numbers for field `x`" },
        { HG_T_DECIMAL, "{\"range\":[0,1000000000]}", "does not fit into DECIMAL(10, 2)" },
        { HG_T_TIME, "{\"range\":[-5,3]}", "Range for field `x` must be positive." },
        { HG_T_TIME, "{\"range\":[0,86400001]}", "goes beyond a day" },
        { HG_T_DATE, "{\"range\":[\"2025-13-01\",3]}", "Invalid DATE '2025-13-01' in the range of field `x`" },
        { HG_T_DATE, "{\"range\":[3,2]}", "Empty range, min >= max for field `x`" },
        { HG_T_DATE, "{\"range\":[0,2932898]}", "the range of field `x` (times its scale) does not fit into DATE" },
        { HG_T_DATE, "{\"strategy\":\"uniform\",\"scale\":-100}",
          "has a scale but no range: its values would not fit into DATE" },
        { HG_T_TIMESTAMP, "{\"strategy\":\"uniform\",\"scale\":1000}", "would not fit into TIMESTAMP" },
        { HG_T_TIMESTAMP, "{\"range\":[-62135596800001,0]}", "does not fit into TIMESTAMP" },
        { HG_T_REAL, "{\"range\":[0,1e39]}", "does not fit into REAL" },
        { HG_T_DOUBLE, "{\"range\":[0,\"inf\"]}", "does not fit into DOUBLE" },
        { HG_T_DOUBLE, "{\"strategy\":\"uniform\",\"range\":[0,1e308],\"scale\":2}",
          "(times its scale) does not fit into DOUBLE" },
        { HG_T_UUID, "{\"range\":[1,2]}", "Range values must be UUID strings for field `x`" },
        { HG_T_UUID, "{\"strategy\":\"zipf\"}", "Invalid strategy `zipf` for field `x`" },
        { HG_T_VARCHAR, "{\"range\":[0,99999999]}", "gives lengths above" },
        { HG_T_VARCHAR, "{\"values\":[1]}", "Invalid value for field `x`, which has type VARCHAR" },
        { HG_T_BIGINT, "{\"values\":[\"1\"]}", "Invalid value for field `x`, which has type BIGINT" },
        { HG_T_TINYINT, "{\"values\":[128]}", "Invalid value for field `x`, which has type TINYINT" },
        { HG_T_MAP, "{\"values\":[1]}", "'values' cannot be used for field `x`" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        hg_type_t *t = HG_ANEW(arena, hg_type_t);
        *t = *hg_type_make(arena, cases[i].k, true, cases[i].k == HG_T_DECIMAL ? 10 : -1, 2);
        t->key = t->elem = hg_type_make(arena, HG_T_VARCHAR, false, -1, -1);
        gen_t *g = gen_type(arena, t, cases[i].field, 1, 1);
        if (g->rc >= 0) fail_msg("%s was accepted", cases[i].field);
        if (!strstr(g->err.msg, cases[i].want)) fail_msg("'%s' does not say '%s'", g->err.msg, cases[i].want);
    }
    gen_t *g = gen_type(arena, hg_type_make(arena, HG_T_BIGINT, false, -1, -1), "{\"null_percentage\":5}", 1, 1);
    assert_non_null(strstr(g->err.msg, "is NOT NULL, but has a null_percentage"));
    g = gen_type(arena, hg_type_make(arena, HG_T_BIGINT, false, -1, -1), "{\"values\":[]}", 1, 1);
    assert_non_null(strstr(g->err.msg, "is NOT NULL, but its 'values' are empty"));
    g = gen_type(arena, hg_type_make(arena, HG_T_VARIANT, false, -1, -1), "{}", 1, 1);
    assert_non_null(strstr(g->err.msg, "makes only NULL for type VARIANT"));
}

static void an_unknown_column_is_refused(void **st)
{
    (void)st;
    hg_field_t c = { .name = HG_S("x"), .type = hg_type_make(arena, HG_T_BIGINT, true, -1, -1) };
    hg_schema_t s = { .name = HG_S("t"), .cols = &c, .n_cols = 1 };
    hg_json_t *plan;
    dg_plan_t *p;
    uint32_t n;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(arena, HG_S("[{\"fields\":{\"y\":{}}}]"), &plan, &err), 0);
    assert_true(dg_plans_make(arena, plan, &s, &p, &n, &err) < 0);
    assert_string_equal(err.msg, "Field `y` specified in datagen does not exist in the table schema.");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        T(increment_counts),
        T(uniform_stays_in_its_range_and_reaches_all_of_it),
        T(zipf_prefers_small_numbers),
        T(rows_do_not_depend_on_where_a_batch_begins),
        T(values_are_picked_by_strategy),
        T(floats_and_decimals),
        T(temporals),
        T(uuids_booleans_and_texts),
        T(arrays_and_binaries),
        T(structs_and_maps),
        T(every_text_strategy_gives_text_that_varies),
        T(fake_numbers_have_right_check_digits),
        T(bad_fields_are_refused_by_name),
        T(an_unknown_column_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
