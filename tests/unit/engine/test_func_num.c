/* Numbers: arithmetic of every width, DECIMAL to its last digit, comparison, rounding. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"

#define I8MIN  "TINYINT|-128"
#define I64MIN "BIGINT|-9223372036854775808"
#define I64MAX "BIGINT|9223372036854775807"
#define U64MAX "BIGINT UNSIGNED|18446744073709551615"
#define D38    "DECIMAL(38, 0)|99999999999999999999999999999999999999"

static void integers_of_every_width(void **state)
{
    static const call_case_t cases[] = {
        { "+", { "TINYINT|100", "TINYINT|27" }, "127", "TINYINT", NULL },
        { "+", { "TINYINT|100", "TINYINT|28" }, "!TINYINT + TINYINT overflows: 100 + 28", NULL, NULL },
        { "+", { "SMALLINT|32767", "TINYINT|1" }, "!SMALLINT + SMALLINT overflows", "SMALLINT", NULL },
        { "+", { "INTEGER|2147483647", "INTEGER|1" }, "!INTEGER + INTEGER overflows: 2147483647 + 1", NULL, NULL },
        { "+", { "INTEGER|2147483647", "BIGINT|1" }, "2147483648", "BIGINT", NULL },
        { "+", { I64MAX, "BIGINT|1" }, "!BIGINT + BIGINT overflows: 9223372036854775807 + 1", NULL, NULL },
        { "-", { I64MIN, "BIGINT|1" }, "!BIGINT - BIGINT overflows", NULL, NULL },
        { "-", { "TINYINT UNSIGNED|1", "TINYINT UNSIGNED|2" }, "!overflows", "TINYINT UNSIGNED", NULL },
        { "-", { U64MAX, "BIGINT UNSIGNED|18446744073709551615" }, "0", "BIGINT UNSIGNED", NULL },
        { "+", { U64MAX, "BIGINT UNSIGNED|1" }, "!overflows", NULL, NULL },
        { "+", { "INTEGER|5", "INTEGER UNSIGNED|4000000000" }, "4000000005", "INTEGER UNSIGNED", NULL },
        { "+", { "INTEGER|-5", "INTEGER UNSIGNED|4000000000" }, "!cannot cast -5 to INTEGER UNSIGNED", NULL, NULL },
        { "+", { "BIGINT|-5", "INTEGER UNSIGNED|4000000000" }, "3999999995", "BIGINT", NULL },
        { "*", { "INTEGER|-46341", "INTEGER|46341" }, "!INTEGER * INTEGER overflows", NULL, NULL },
        { "*", { "BIGINT|-3037000499", "BIGINT|3037000499" }, "-9223372030926249001", NULL, NULL },
        { "/", { "INTEGER|-7", "INTEGER|2" }, "-3", "INTEGER", NULL },
        { "/", { I64MIN, "BIGINT|-1" }, "!BIGINT / BIGINT overflows", NULL, NULL },
        { "/", { I8MIN, "TINYINT|-1" }, "!TINYINT / TINYINT overflows", NULL, NULL },
        { "/", { "INTEGER|1", "INTEGER|0" }, "!INTEGER / INTEGER fails with division by zero: 1 / 0", NULL, NULL },
        { "%", { "INTEGER|8", "INTEGER|-3" }, "2", NULL, NULL },
        { "%", { "INTEGER|-8", "INTEGER|3" }, "-2", NULL, NULL },
        { "%", { I64MIN, "BIGINT|-1" }, "0", NULL, NULL },
        { "mod",
          { "INTEGER|8", "INTEGER|0" },
          "!MOD(INTEGER, INTEGER) fails with division by zero: MOD(8, 0)",
          NULL,
          NULL },
        { "div_null", { "INTEGER|8", "INTEGER|0" }, "NULL", "INTEGER", NULL },
        { "div_null", { "INTEGER|9", "INTEGER|2" }, "4", NULL, NULL },
        { "neg", { I64MIN }, "!- BIGINT overflows: - -9223372036854775808", NULL, NULL },
        { "neg", { "SMALLINT|-32767" }, "32767", NULL, NULL },
        { "+", { "INTEGER|NULL", "INTEGER|1" }, "NULL", NULL, NULL },
        { "+", { "NULL|", "INTEGER|1" }, "NULL", "INTEGER", NULL },
        { "abs", { "INTEGER|-2147483648" }, "!ABS(INTEGER) overflows: ABS(-2147483648)", NULL, NULL },
        { "abs", { "TINYINT|-5" }, "5", "TINYINT", NULL },
        { "sign", { "BIGINT|-5" }, "-1", "BIGINT", NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void decimals_to_the_last_digit(void **state)
{
    static const call_case_t cases[] = {
        { "+", { "DECIMAL(5, 2)|999.99", "DECIMAL(4, 1)|0.1" }, "1000.09", "DECIMAL(6, 2)", NULL },
        { "+", { D38, "DECIMAL(38, 0)|1" }, "!overflows DECIMAL(38, 0)", "DECIMAL(38, 0)", NULL },
        { "-", { D38, D38 }, "0", NULL, NULL },
        { "+",
          { "DECIMAL(38, 0)|12345678901234567890123456789012345678", "DECIMAL(38, 0)|1" },
          "12345678901234567890123456789012345679",
          NULL,
          NULL },
        { "+",
          { "DECIMAL(38, 10)|1234567890123456789012345678.0000000001", "INTEGER|1" },
          "1234567890123456789012345679.0000000001",
          "DECIMAL(38, 10)",
          NULL },
        { "+", { D38, "DECIMAL(38, 38)|0.1" }, "!overflows", "DECIMAL(38, 38)", NULL },
        { "*", { "DECIMAL(5, 2)|-123.45", "DECIMAL(4, 3)|1.001" }, "-123.57345", "DECIMAL(9, 5)", NULL },
        { "*",
          { "DECIMAL(38, 0)|9999999999999999999", "DECIMAL(38, 0)|9999999999999999999" },
          "99999999999999999980000000000000000001",
          "DECIMAL(38, 0)",
          NULL },
        { "*",
          { "DECIMAL(38, 0)|99999999999999999999", "DECIMAL(38, 0)|9999999999999999999" },
          "!overflows",
          NULL,
          NULL },
        { "*",
          { "DECIMAL(38, 38)|0.99999999999999999999999999999999999999",
            "DECIMAL(38, 38)|0.99999999999999999999999999999999999999" },
          "0.99999999999999999999999999999999999998",
          "DECIMAL(38, 38)",
          NULL },
        { "*", { "DECIMAL(10, 2)|1.50", "BIGINT|3" }, "4.50", "DECIMAL(29, 2)", NULL },
        { "/", { "DECIMAL(5, 2)|1.00", "DECIMAL(5, 2)|3.00" }, "0.33333333", "DECIMAL(13, 8)", NULL },
        { "/", { "DECIMAL(5, 2)|-2.00", "DECIMAL(5, 2)|3.00" }, "-0.66666666", NULL, NULL },
        { "/", { "DECIMAL(10, 2)|1.00", "INTEGER|4" }, "0.2500000000000", "DECIMAL(21, 13)", NULL },
        { "/", { D38, "DECIMAL(38, 0)|7" }, "14285714285714285714285714285714285714", "DECIMAL(38, 0)", NULL },
        { "/", { D38, "DECIMAL(38, 38)|0.00000000000000000000000000000000000001" }, "!overflows", NULL, NULL },
        { "/", { "DECIMAL(38, 38)|0.5", "DECIMAL(38, 38)|0.25" }, "2", "DECIMAL(38, 0)", NULL },
        { "/",
          { "DECIMAL(38, 20)|123456789012345678.12345678901234567890",
            "DECIMAL(38, 20)|98765432.10987654321098765432" },
          "1249999988",
          "DECIMAL(38, 0)",
          NULL },
        { "/", { "DECIMAL(3, 1)|1.0", "DECIMAL(3, 1)|0.0" }, "!fails with division by zero: 1.0 / 0.0", NULL, NULL },
        { "div_null", { "DECIMAL(3, 1)|1.0", "DECIMAL(3, 1)|0.0" }, "NULL", NULL, NULL },
        { "%", { "DECIMAL(5, 2)|-7.50", "DECIMAL(4, 1)|2.0" }, "-1.50", "DECIMAL(5, 2)", NULL },
        { "%", { "DECIMAL(38, 0)|7", "DECIMAL(38, 38)|0.3" }, "0.10000000000000000000000000000000000000", NULL, NULL },
        { "%",
          { "DECIMAL(38, 38)|0.3", "DECIMAL(38, 0)|99999999999999999999999999999999999999" },
          "0.30000000000000000000000000000000000000",
          NULL,
          NULL },
        { "neg", { "DECIMAL(5, 2)|1.25" }, "-1.25", "DECIMAL(5, 2)", NULL },
        { "abs", { "DECIMAL(5, 2)|-1.25" }, "1.25", NULL, NULL },
        { "sign", { "DECIMAL(5, 2)|-1.25" }, "-1.00", "DECIMAL(5, 2)", NULL },
        { "round", { "DECIMAL(5, 2)|1.25", "INTEGER|1" }, "1.30", "DECIMAL(5, 2)", NULL },
        { "round", { "DECIMAL(5, 2)|-1.25", "INTEGER|1" }, "-1.30", NULL, NULL },
        { "bround", { "DECIMAL(5, 2)|1.25", "INTEGER|1" }, "1.20", NULL, NULL },
        { "bround", { "DECIMAL(5, 2)|1.35", "INTEGER|1" }, "1.40", NULL, NULL },
        { "round", { "DECIMAL(5, 2)|155.25", "INTEGER|-1" }, "160.00", NULL, NULL },
        { "round", { "DECIMAL(5, 2)|999.99" }, "!overflows DECIMAL(5, 2)", NULL, NULL },
        { "round", { "DECIMAL(5, 2)|1.25", "INTEGER|2000000000" }, "1.25", NULL, NULL },
        { "round", { "DECIMAL(5, 2)|1.25", "INTEGER|-2000000000" }, "0.00", NULL, NULL },
        { "trunc", { "DECIMAL(5, 2)|-1.29", "INTEGER|1" }, "-1.20", NULL, NULL },
        { "floor", { "DECIMAL(5, 2)|-1.25" }, "-2", "DECIMAL(5, 0)", NULL },
        { "ceil", { "DECIMAL(5, 2)|1.25" }, "2", NULL, NULL },
        { "round", { "INTEGER|5", "BIGINT|-9223372036854775808" }, "0", NULL, NULL },
        { "floor", { "DECIMAL(38, 38)|-0.5" }, "-1", NULL, NULL },
        { "round", { "INTEGER|155", "INTEGER|-1" }, "160", "INTEGER", NULL },
        { "round", { "TINYINT|127", "INTEGER|-1" }, "!overflows", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void floats_are_ieee(void **state)
{
    static const call_case_t cases[] = {
        { "+", { "DOUBLE|0.1", "DOUBLE|0.2" }, "0.30000000000000004", "DOUBLE", NULL },
        { "+", { "REAL|0.1", "REAL|0.2" }, "0.3", "REAL", NULL },
        { "+", { "REAL|1", "DECIMAL(3, 1)|0.5" }, "1.5", "DOUBLE", NULL },
        { "/", { "DOUBLE|1", "DOUBLE|0" }, "Infinity", NULL, NULL },
        { "/", { "DOUBLE|0", "INTEGER|0" }, "NaN", "DOUBLE", NULL },
        { "div_null", { "DOUBLE|1", "DOUBLE|0" }, "NULL", NULL, NULL },
        { "%", { "DOUBLE|7.5", "DOUBLE|2" }, "1.5", NULL, NULL },
        { "round", { "DOUBLE|2.5" }, "3.0", NULL, NULL },
        { "round", { "DOUBLE|1.005", "INTEGER|1" }, "1.0", NULL, NULL },
        { "truncate", { "DOUBLE|-2.7" }, "-2.0", NULL, NULL },
        { "floor", { "REAL|-2.5" }, "-3.0", "REAL", NULL },
        { "power", { "INTEGER|2", "INTEGER|10" }, "1024.0", "DOUBLE", NULL },
        { "sqrt", { "INTEGER|16" }, "4.0", NULL, NULL },
        { "sqrt", { "DOUBLE|-1" }, "NaN", NULL, NULL },
        { "exp", { "INTEGER|0" }, "1.0", NULL, NULL },
        { "ln", { "DOUBLE|1" }, "0.0", NULL, NULL },
        { "log10", { "INTEGER|1000" }, "3.0", NULL, NULL },
        { "is_nan", { "DOUBLE|NaN" }, "TRUE", "BOOLEAN", NULL },
        { "is_inf", { "REAL|Infinity" }, "TRUE", NULL, NULL },
        { "pi", { NULL }, "3.141592653589793", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void comparisons_lose_nothing(void **state)
{
    static const call_case_t cases[] = {
        { "=", { "INTEGER|1", "BIGINT|1" }, "TRUE", "BOOLEAN", NULL },
        { "<", { "BIGINT|-1", U64MAX }, "TRUE", NULL, NULL },
        { "=", { "INTEGER|-1", "INTEGER UNSIGNED|4294967295" }, "FALSE", NULL, NULL },
        { ">", { "TINYINT UNSIGNED|200", "TINYINT|-56" }, "TRUE", NULL, NULL },
        { "=",
          { "DECIMAL(38, 0)|1", "DECIMAL(38, 38)|0.99999999999999999999999999999999999999" },
          "FALSE",
          NULL,
          NULL },
        { ">", { "DECIMAL(38, 0)|99999999999999999999999999999999999999", "DECIMAL(38, 38)|0.1" }, "TRUE", NULL, NULL },
        { "=", { "DECIMAL(4, 1)|1.5", "DECIMAL(6, 3)|1.500" }, "TRUE", NULL, NULL },
        { "=", { "DECIMAL(4, 1)|2.0", "INTEGER|2" }, "TRUE", NULL, NULL },
        { "<=", { "DECIMAL(4, 1)|2.0", "INTEGER|2" }, "TRUE", NULL, NULL },
        { "=", { "DOUBLE|NaN", "DOUBLE|NaN" }, "TRUE", NULL, NULL },
        { ">", { "DOUBLE|NaN", "DOUBLE|Infinity" }, "TRUE", NULL, NULL },
        { "<", { "DOUBLE|NaN", "DOUBLE|1" }, "FALSE", NULL, NULL },
        { ">=", { "DOUBLE|NaN", "DOUBLE|1" }, "TRUE", NULL, NULL },
        { "=", { "DOUBLE|-0", "DOUBLE|0" }, "TRUE", NULL, NULL },
        { "<>", { "REAL|0.1", "DOUBLE|0.1" }, "TRUE", NULL, NULL },
        { "<>", { "INTEGER|1", "INTEGER|1" }, "FALSE", NULL, NULL },
        { "!=", { "INTEGER|1", "INTEGER|2" }, "TRUE", NULL, NULL },
        { ">", { "INTEGER|2", "INTEGER|1" }, "TRUE", NULL, NULL },
        { ">=", { "INTEGER|1", "INTEGER|2" }, "FALSE", NULL, NULL },
        { "<=", { "INTEGER|1", "INTEGER|2" }, "TRUE", NULL, NULL },
        { "=", { "BOOLEAN|true", "BOOLEAN|false" }, "FALSE", NULL, NULL },
        { ">", { "BOOLEAN|true", "BOOLEAN|false" }, "TRUE", NULL, NULL },
        { "=", { "VARCHAR|abc", "VARCHAR|abc" }, "TRUE", NULL, NULL },
        { "<", { "VARCHAR|ab", "VARCHAR|abc" }, "TRUE", NULL, NULL },
        { "<", { "VARCHAR|Z", "VARCHAR|a" }, "TRUE", NULL, NULL },
        { "<", { "VARCHAR|\xC3\xA9", "VARCHAR|\xE2\x82\xAC" }, "TRUE", NULL, NULL },
        { "=", { "CHAR(5)|ab", "VARCHAR|ab" }, "TRUE", NULL, NULL },
        { "=", { "CHAR(5)|ab", "CHAR(3)|ab" }, "TRUE", NULL, NULL },
        { "=", { "CHAR(3)|ab", "CHAR(3)|ab" }, "TRUE", NULL, NULL },
        { "<", { "VARBINARY|00ff", "VARBINARY|01" }, "TRUE", NULL, NULL },
        { "=",
          { "UUID|00112233-4455-6677-8899-aabbccddeeff", "UUID|{00112233445566778899aabbccddeeff}" },
          "TRUE",
          NULL,
          NULL },
        { "<", { "DATE|2024-02-29", "DATE|2024-03-01" }, "TRUE", NULL, NULL },
        { "=", { "DATE|2024-02-29", "TIMESTAMP|2024-02-29 00:00:00" }, "TRUE", NULL, NULL },
        { "=", { "DATE|2024-02-29", "VARCHAR|2024-02-29" }, "TRUE", NULL, NULL },
        { "=", { "INTERVAL HOUR|24", "INTERVAL DAY|1" }, "TRUE", NULL, NULL },
        { "<", { "INTERVAL MONTH|11", "INTERVAL YEAR|1" }, "TRUE", NULL, NULL },
        { "=", { "INTEGER ARRAY|1,NULL,3", "INTEGER ARRAY|1,NULL,3" }, "TRUE", NULL, NULL },
        { "<", { "INTEGER ARRAY|1", "INTEGER ARRAY|1,2" }, "TRUE", NULL, NULL },
        { "=", { "NULL|", "INTEGER|1" }, "NULL", "BOOLEAN", NULL },
        { "is distinct from", { "INTEGER|1", "INTEGER|2" }, "TRUE", "BOOLEAN", "FALSE" },
        { "is not distinct from", { "INTEGER|1", "INTEGER|NULL" }, "FALSE", NULL, "TRUE" },
        { "<=>", { "VARCHAR|a", "VARCHAR|a" }, "TRUE", NULL, "TRUE" },
        { "<=>", { "DECIMAL(4, 1)|1.5", "DECIMAL(6, 3)|1.500" }, "TRUE", NULL, "TRUE" },
        { "greatest", { "INTEGER|1", "BIGINT|3", "INTEGER|2" }, "3", "BIGINT", NULL },
        { "greatest", { "INTEGER|1", "INTEGER|NULL" }, "NULL", NULL, NULL },
        { "greatest_ignore_nulls", { "INTEGER|1", "INTEGER|NULL" }, "1", NULL, NULL },
        { "least", { "VARCHAR|b", "VARCHAR|a" }, "a", "VARCHAR", NULL },
        { "least", { "BOOLEAN|true", "BOOLEAN|false" }, "FALSE", NULL, NULL },
        { "nullif", { "INTEGER|1", "INTEGER|1" }, "NULL", "INTEGER", NULL },
        { "nullif", { "VARCHAR|a", "VARCHAR|b" }, "a", NULL, NULL },
        { "nullif", { "SMALLINT|0", "INTEGER|0" }, "NULL", "SMALLINT", NULL },
        { "nullif", { "BIGINT|-1", "BIGINT UNSIGNED|18446744073709551615" }, "-1", "BIGINT", NULL },
        { "nullif", { "INTEGER|2", "DECIMAL(4, 2)|2.00" }, "NULL", "INTEGER", NULL },
        { "nullif", { "DOUBLE|0", "INTEGER|0" }, "NULL", "DOUBLE", NULL },
        { "nullif", { "CHAR(3)|a", "VARCHAR|a" }, "NULL", "CHAR(3)", NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

/* Quotients and remainders of many sizes, checked by q * b + r = a. */
static void wide_division_multiplies_back(void **state)
{
    uint64_t seed = 42;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        hg_i128 x[3];
        for (int k = 0; k < 3; k++) {
            hg_u128 v = 0;
            for (int j = 0; j < 2; j++) {
                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
                v = v << 64 | (seed ^ seed >> 29);
            }
            x[k] = (hg_i128)(v >> (1 + seed % 126)) * (seed & 1 ? 1 : -1);
        }
        if (x[2] == 0) continue;
        hg_i128 rem = 0;
        hg_i256_t a = hg_i256_mul(x[0], x[1]), q = hg_i256_div(a, x[2], &rem);
        hg_i128 narrow;
        if (!hg_i256_fits(q, &narrow)) {
            /* 256-bit quotient: q = q1 * 2^64 + q0 */
            hg_i256_t part = hg_i256_mul((hg_i128)(uint64_t)q.lo, x[2]);
            hg_i256_t q1 = { .lo = q.lo >> 64 | (hg_u128)q.hi << 64, .hi = q.hi >> 64 };
            if (!hg_i256_fits(q1, &narrow)) continue;
            hg_i256_t high = hg_i256_mul(narrow, x[2]);
            high = (hg_i256_t){ .lo = high.lo << 64, .hi = (hg_i128)((hg_u128)high.hi << 64 | high.lo >> 64) };
            assert_int_equal(hg_i256_cmp(hg_i256_add(hg_i256_add(high, part), hg_i256_of(rem)), a), 0);
        } else {
            assert_int_equal(hg_i256_cmp(hg_i256_add(hg_i256_mul(narrow, x[2]), hg_i256_of(rem)), a), 0);
        }
        hg_u128 r = rem < 0 ? (hg_u128)-rem : (hg_u128)rem, b = x[2] < 0 ? (hg_u128)-x[2] : (hg_u128)x[2];
        assert_true(r < b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_of_every_width, setup, teardown),
        cmocka_unit_test_setup_teardown(decimals_to_the_last_digit, setup, teardown),
        cmocka_unit_test_setup_teardown(floats_are_ieee, setup, teardown),
        cmocka_unit_test_setup_teardown(comparisons_lose_nothing, setup, teardown),
        cmocka_unit_test(wide_division_multiplies_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
