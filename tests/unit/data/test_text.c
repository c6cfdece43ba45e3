/* Values to and from text: every digit survives. */
#include "base/hg.h"
#include <math.h>
#include <setjmp.h>
#include <cmocka.h>
#include "data/text.h"

static void dec(const char *in, int32_t p, int32_t s, bool even, int rc, const char *out)
{
    hg_i128 v = 77;
    char text[HG_DEC_TEXT + 1];
    assert_int_equal(hg_dec_parse(hg_strz(in), p, s, even, &v), rc);
    if (rc < 0) {
        assert_true(v == 77);
        return;
    }
    text[hg_dec_print(text, v, s, false)] = 0;
    assert_string_equal(text, out);
}

static void decimals(void **state)
{
    (void)state;
    dec("99999999999999999999999999999999999999", 38, 0, false, 0, "99999999999999999999999999999999999999");
    dec("-0.99999999999999999999999999999999999999", 38, 38, false, 0, "-0.99999999999999999999999999999999999999");
    dec("100000000000000000000000000000000000000", 38, 0, false, HG_ERANGE, NULL);
    dec("18446744073709551616", 38, 0, false, 0, "18446744073709551616");
    dec("1e37", 38, 0, false, 0, "10000000000000000000000000000000000000");
    dec("1e38", 38, 0, false, HG_ERANGE, NULL);
    dec("0e999999999999", 5, 2, false, 0, "0.00");
    dec("1e-999999999999", 5, 2, true, 0, "0.00");
    dec("+12.345", 5, 2, false, 0, "12.34");
    dec("12.345", 5, 2, true, 0, "12.34");
    dec("12.3450000001", 5, 2, true, 0, "12.35");
    dec("12.355", 5, 2, true, 0, "12.36");
    dec("-12.349", 5, 2, false, 0, "-12.34");
    dec("0.005", 5, 2, true, 0, "0.00");
    dec("0.0051", 5, 2, true, 0, "0.01");
    dec("0.0009", 5, 2, true, 0, "0.00");
    dec("999.995", 5, 2, true, HG_ERANGE, NULL);
    dec("999.994", 5, 2, true, 0, "999.99");
    dec("000000000000000000000000000000000000000000000001.5", 2, 1, false, 0, "1.5");
    dec("10000000000000000000000000000000000000000000000e-46", 2, 1, false, 0, "1.0");
    static const char *const bad[] = { "", "-", ".", "e5", "1e", "1e+", "1.2.3", " 1", "1 ", "0x1", "1_0" };
    for (size_t i = 0; i < HG_COUNT(bad); i++) dec(bad[i], 38, 0, false, HG_EPARSE, NULL);
    char text[HG_DEC_TEXT];
    assert_int_equal(hg_dec_print(text, 150, 2, true), 3);
    assert_memory_equal(text, "1.5", 3);
    assert_int_equal(hg_dec_print(text, -200, 2, true), 2);
    assert_memory_equal(text, "-2", 2);
    assert_true(hg_pow10(38) / hg_pow10(37) == 10);
}

static void floats_print_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = { { 0, "0.0" },
                  { -0.0, "-0.0" },
                  { 1, "1.0" },
                  { 0.1, "0.1" },
                  { 0.1 + 0.2, "0.30000000000000004" },
                  { 1e15, "1000000000000000.0" },
                  { 1e16, "1e16" },
                  { 1.5e300, "1.5e300" },
                  { 1e-5, "0.00001" },
                  { 1e-6, "1e-6" },
                  { 5e-324, "5e-324" },
                  { 1.7976931348623157e308, "1.7976931348623157e308" },
                  { 2.2250738585072014e-308, "2.2250738585072014e-308" },
                  { 123456.789, "123456.789" },
                  { -12.5, "-12.5" },
                  { 9007199254740993.0, "9007199254740992.0" } };
    char text[HG_F64_TEXT + 1];
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        text[hg_f64_print(text, cases[i].v)] = 0;
        assert_string_equal(text, cases[i].text);
    }
    text[hg_f32_print(text, 0.1f)] = 0;
    assert_string_equal(text, "0.1");
    text[hg_f32_print(text, 16777216.0f)] = 0;
    assert_string_equal(text, "16777216.0");
    text[hg_f64_print(text, (double)INFINITY)] = 0;
    assert_string_equal(text, "Infinity");
    text[hg_f64_print(text, -(double)INFINITY)] = 0;
    assert_string_equal(text, "-Infinity");
    text[hg_f64_print(text, (double)NAN)] = 0;
    assert_string_equal(text, "NaN");
}

/* Random bit patterns and random short decimals: print, read back, compare bits; never longer than 17 digits need. */
static void floats_round_trip(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double d, back;
        float f, fback;
        char text[HG_F64_TEXT];
        memcpy(&d, &x, 8);
        if (i & 1) d = (double)(int64_t)(x >> 30) / 1000;
        if (!isfinite(d)) continue;
        size_t n = hg_f64_print(text, d);
        assert_true(n <= HG_F64_TEXT);
        assert_int_equal(hg_f64_parse((hg_str_t){ text, n }, &back), 0);
        assert_memory_equal(&back, &d, 8);
        memcpy(&f, &x, 4);
        if (!isfinite(f)) continue;
        n = hg_f32_print(text, f);
        assert_int_equal(hg_f32_parse((hg_str_t){ text, n }, &fback), 0);
        assert_memory_equal(&fback, &f, 4);
    }
}

/* As few digits as printf needs, and the same ones: random magnitudes, products of short decimals, powers of two and
 * their neighbours. */
static void floats_are_shortest(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 300000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double d = (double)(x >> 11) / (double)(UINT64_C(1) << (i % 70 < 63 ? i % 70 : 62)), back;
        if (i % 3 == 0) d = (double)(x % 100000) / 100 * 1.19;
        if (i % 3 == 1) d = ldexp(1, (int)(x % 100) - 30) * (1 + (double)(x % 3 - 1) / 4503599627370496.0);
        char text[HG_F64_TEXT + 1], want[40], got[40];
        int prec = 1;
        do snprintf(want, sizeof want, "%.*e", prec - 1, d);
        while (strtod(want, NULL) != d && prec++ < 17);
        size_t n = hg_f64_print(text, d);
        text[n] = 0;
        assert_int_equal(hg_f64_parse((hg_str_t){ text, n }, &back), 0);
        assert_true(back == d);
        snprintf(got, sizeof got, "%.*e", prec - 1,
                 back); /* the printed digits, cut to that many, are the printed value */
        assert_string_equal(got, want);
        unsigned digits = 0, zeros = 0;
        for (const char *p = text; *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9' && (digits || *p != '0')) digits++, zeros = *p == '0' ? zeros + 1 : 0;
        assert_in_range(digits - zeros, d == 0 ? 0 : 1, (unsigned)prec);
    }
}

static void floats_parse(void **state)
{
    (void)state;
    double d;
    float f;
    char big[1200];
    assert_int_equal(hg_f64_parse(HG_S("1e400"), &d), HG_ERANGE);
    assert_int_equal(hg_f32_parse(HG_S("1e39"), &f), HG_ERANGE);
    assert_int_equal(hg_f64_parse(HG_S("-inf"), &d), 0);
    assert_true(isinf(d) && d < 0);
    assert_int_equal(hg_f64_parse(HG_S("NaN"), &d), 0);
    assert_true(isnan(d));
    /* rounded once: through double this would come out one unit lower */
    assert_int_equal(hg_f32_parse(HG_S("1.00000017881393432617187500001"), &f), 0);
    assert_true(f == 0x1.000004p0f);
    /* half way between two doubles, decided by the very last of 1,000 digits */
    memset(big, '0', sizeof big);
    memcpy(big, "9007199254740993.", 17);
    assert_int_equal(hg_f64_parse((hg_str_t){ big, 1000 }, &d), 0);
    assert_true(d == 9007199254740992.0);
    big[999] = '1';
    assert_int_equal(hg_f64_parse((hg_str_t){ big, 1000 }, &d), 0);
    assert_true(d == 9007199254740994.0);
    static const char *const bad[] = { "", "-", "1e", "1x", "in", "0x10", "1,5", " 1" };
    for (size_t i = 0; i < HG_COUNT(bad); i++) assert_int_equal(hg_f64_parse(hg_strz(bad[i]), &d), HG_EPARSE);
}

static void dates_and_times(void **state)
{
    (void)state;
    int32_t d, y, m, dd;
    int64_t t;
    bool zone;
    char text[HG_TIME_TEXT + 1];
    int32_t expect = hg_days_from_civil(1, 1, 1);
    assert_int_equal(expect, -719162);
    for (y = 1; y <= 9999; y += 7)
        for (m = 1; m <= 12; m++) {
            int32_t yy, mm, days = hg_days_from_civil(y, m, 28);
            hg_civil_from_days(days, &yy, &mm, &dd);
            assert_true(yy == y && mm == m && dd == 28);
            int32_t n = hg_date_parse((hg_str_t){ text, hg_date_print(text, days) }, &d);
            assert_int_equal(n, 0);
            assert_int_equal(d, days);
        }
    assert_int_equal(hg_date_parse(HG_S("2000-02-29"), &d), 0);
    assert_int_equal(hg_date_parse(HG_S("1900-02-29"), &d), HG_ERANGE);
    assert_int_equal(hg_date_parse(HG_S("0-1-1"), &d), HG_ERANGE);
    assert_int_equal(hg_date_parse(HG_S("10000-1-1"), &d), HG_EPARSE);
    assert_int_equal(hg_date_parse(HG_S("2024-01"), &d), HG_EPARSE);
    assert_int_equal(hg_time_parse(HG_S("23:59:59.9999999999"), &t), 0);
    assert_int_equal(t, INT64_C(86399999999999));
    text[hg_time_print(text, t)] = 0;
    assert_string_equal(text, "23:59:59.999999999");
    text[hg_time_print(text, 1000)] = 0;
    assert_string_equal(text, "00:00:00.000001");
    assert_int_equal(hg_time_parse(HG_S("1:60:00"), &t), HG_ERANGE);
    assert_int_equal(hg_time_parse(HG_S("1:00:00."), &t), HG_EPARSE);
    assert_int_equal(hg_ts_parse(HG_S("1969-12-31T23:59:59.999999-00:01"), false, &t, &zone), 0);
    assert_int_equal(t, 59999999);
    assert_true(zone);
    assert_int_equal(hg_ts_parse(HG_S("2024-01-02"), true, &t, &zone), 0);
    assert_false(zone);
    assert_int_equal(hg_ts_parse(HG_S("2024-01-02"), false, &t, NULL), HG_EPARSE);
    assert_int_equal(hg_ts_parse(HG_S("0001-01-01 00:00:00+00:01"), false, &t, NULL), HG_ERANGE);
    assert_int_equal(hg_ts_parse(HG_S("2024-01-02 00:00:00+24:00"), false, &t, NULL), HG_ERANGE);
    text[hg_ts_print(text, -1, 'T', "Z")] = 0;
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static void uuids(void **state)
{
    (void)state;
    uint8_t v[16];
    char text[36];
    assert_int_equal(hg_uuid_parse(HG_S("{A0EE-BC99-9C0B-4EF8-BB6D-6BB9-BD38-0A11}"), v), 0);
    assert_int_equal(hg_uuid_print(text, v), 36);
    assert_memory_equal(text, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 36);
    static const char *const bad[] = { "",
                                       "{}",
                                       "a0eebc999c0b4ef8bb6d6bb9bd380a1",
                                       "a0eebc999c0b4ef8bb6d6bb9bd380a111",
                                       "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
                                       "-a0eebc999c0b4ef8bb6d6bb9bd380a11",
                                       "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
                                       "a0ee--bc999c0b4ef8bb6d6bb9bd380a11",
                                       "g0eebc999c0b4ef8bb6d6bb9bd380a11" };
    for (size_t i = 0; i < HG_COUNT(bad); i++) assert_int_equal(hg_uuid_parse(hg_strz(bad[i]), v), HG_EPARSE);
}

static void intervals(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        hg_interval_unit_t unit;
        int64_t v;
        const char *out;
    } cases[] = {
        { "1 02:03:04.5", HG_IV_DAY_SECOND, INT64_C(93784500000), "+1 02:03:04.500000" },
        { "-2-03", HG_IV_YEAR_MONTH, -27, "-2-03" },
        { "10", HG_IV_DAY, INT64_C(864000000000), "+10" },
        { "26:03", HG_IV_HOUR_MINUTE, INT64_C(93780000000), "+26:03" },
        { "90.25", HG_IV_SECOND, 90250000, "+90.250000" },
        { "14", HG_IV_MONTH, 14, "+14" },
        { "3", HG_IV_YEAR, 36, "+3" },
        { "1 5", HG_IV_DAY_HOUR, INT64_C(104400000000), "+1 05" },
    };
    int64_t v;
    char text[HG_TIME_TEXT + 1];
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        assert_int_equal(hg_interval_parse(hg_strz(cases[i].in), cases[i].unit, &v), 0);
        assert_int_equal(v, cases[i].v);
        text[hg_interval_print(text, v, cases[i].unit)] = 0;
        assert_string_equal(text, cases[i].out);
    }
    assert_int_equal(hg_interval_parse(HG_S("1 24:00:00"), HG_IV_DAY_SECOND, &v), HG_ERANGE);
    assert_int_equal(hg_interval_parse(HG_S("1 2"), HG_IV_DAY, &v), HG_EPARSE);
    assert_int_equal(hg_interval_parse(HG_S("999999999999999999"), HG_IV_DAY, &v), HG_ERANGE);
    assert_int_equal(hg_interval_parse(HG_S("999999999999"), HG_IV_MONTH, &v), HG_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals),
        cmocka_unit_test(floats_print_the_shortest_form),
        cmocka_unit_test(floats_round_trip),
        cmocka_unit_test(floats_are_shortest),
        cmocka_unit_test(floats_parse),
        cmocka_unit_test(dates_and_times),
        cmocka_unit_test(uuids),
        cmocka_unit_test(intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
