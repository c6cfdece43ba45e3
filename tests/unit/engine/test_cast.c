/* CAST and SAFE_CAST: exact, cutting where SQL cuts, refusing where it refuses. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"

static void numbers(void **state)
{
    static const cast_case_t cases[] = {
        { "INTEGER|127", "TINYINT", "127" },
        { "INTEGER|128", "TINYINT", "!cannot cast 128 to TINYINT: out of range" },
        { "BIGINT|-1", "BIGINT UNSIGNED", "!cannot cast -1 to BIGINT UNSIGNED: out of range" },
        { "BIGINT UNSIGNED|18446744073709551615", "BIGINT", "!out of range" },
        { "BIGINT UNSIGNED|18446744073709551615", "DECIMAL(20, 0)", "18446744073709551615" },
        { "DECIMAL(5, 2)|-1.99", "INTEGER", "-1" },
        { "DECIMAL(38, 0)|9223372036854775807", "BIGINT", "9223372036854775807" },
        { "DECIMAL(38, 0)|9223372036854775808", "BIGINT", "!out of range" },
        { "DECIMAL(5, 3)|-1.999", "DECIMAL(4, 2)", "-1.99" },
        { "DECIMAL(5, 2)|123.45", "DECIMAL(4, 2)", "!out of range" },
        { "DECIMAL(5, 2)|123.45", "DECIMAL(38, 35)", "123.45000000000000000000000000000000000" },
        { "DECIMAL(5, 2)|123.45", "DECIMAL(38, 36)", "!out of range" },
        { "INTEGER|7", "DECIMAL(3, 2)", "7.00" },
        { "INTEGER|10", "DECIMAL(3, 2)", "!out of range" },
        { "DOUBLE|2.9", "INTEGER", "2" },
        { "DOUBLE|-2.9", "BIGINT", "-2" },
        { "DOUBLE|9.3e18", "BIGINT", "!out of range" },
        { "DOUBLE|NaN", "INTEGER", "!not a number" },
        { "DOUBLE|Infinity", "DECIMAL(10, 2)", "!out of range" },
        { "DOUBLE|1.005", "DECIMAL(10, 3)", "1.005" },
        { "DOUBLE|1.009", "DECIMAL(10, 2)", "1.00" },
        { "REAL|0.1", "DECIMAL(10, 3)", "0.100" },
        { "DECIMAL(38, 10)|1234567890123456789012345678.1234567891", "DOUBLE", "1.2345678901234569e27" },
        { "DECIMAL(3, 1)|0.1", "REAL", "0.1" },
        { "DOUBLE|1e300", "REAL", "Infinity" },
        /* just below the middle between two REALs: by way of DOUBLE it would go up */
        { "DECIMAL(27, 26)|1.00000017881393432617187499", "REAL", "1.0000001" },
        { "BIGINT|9007199254740993", "DOUBLE", "9007199254740992.0" },
        { "INTEGER|0", "BOOLEAN", "FALSE" },
        { "DOUBLE|0.5", "BOOLEAN", "TRUE" },
        { "BOOLEAN|true", "INTEGER", "1" },
    };
    (void)state;
    check_casts(cases, HG_COUNT(cases));
}

static void text_to_values(void **state)
{
    static const cast_case_t cases[] = {
        { "VARCHAR|-128", "TINYINT", "-128" },
        { "VARCHAR|+5", "INTEGER", "5" },
        { "VARCHAR| 5", "INTEGER", "!cannot cast ' 5' to INTEGER: not a whole number" },
        { "VARCHAR|1.5", "INTEGER", "!not a whole number" },
        { "VARCHAR|", "INTEGER", "!not a whole number" },
        { "VARCHAR|-", "INTEGER", "!not a whole number" },
        { "VARCHAR|18446744073709551615", "BIGINT UNSIGNED", "18446744073709551615" },
        { "VARCHAR|18446744073709551616", "BIGINT UNSIGNED", "!out of range" },
        { "VARCHAR|99999999999999999999999999999999999999999999", "BIGINT", "!out of range" },
        { "CHAR(5)|12", "INTEGER", "12" },
        { "VARCHAR|1.125", "DECIMAL(5, 2)", "1.12" },
        { "VARCHAR|1.135", "DECIMAL(5, 2)", "1.14" },
        { "VARCHAR|1e2", "DECIMAL(5, 2)", "100.00" },
        { "VARCHAR|1000", "DECIMAL(5, 2)", "!out of range" },
        { "VARCHAR|abc", "DECIMAL(5, 2)", "!cannot cast 'abc' to DECIMAL(5, 2): not a number" },
        { "VARCHAR|1e-3", "DOUBLE", "0.001" },
        { "VARCHAR|1.00000017881393432617187499", "REAL", "1.0000001" },
        { "VARCHAR|1e300", "REAL", "!out of range" },
        { "VARCHAR|24-02-05", "DATE", "!not a date" },
        { "VARCHAR|2024-02-05 ", "DATE", "!not a date" },
        { "CHAR(12)|2024-02-05", "DATE", "2024-02-05" },
        { "VARCHAR|1:02:03", "TIME", "!not a time" },
        { "VARCHAR| 2024-02-05 01:02:03", "TIMESTAMP", "!not a timestamp" },
        { "VARCHAR|x", "DOUBLE", "!not a number" },
        { "VARCHAR|True", "BOOLEAN", "TRUE" },
        { "VARCHAR|yes", "BOOLEAN", "!not 'true' or 'false'" },
        { "VARCHAR|2024-02-29", "DATE", "2024-02-29" },
        { "VARCHAR|2023-02-29", "DATE", "!cannot cast '2023-02-29' to DATE: not a date" },
        { "VARCHAR|10:20:30.123456789", "TIME", "10:20:30.123456789" },
        { "VARCHAR|25:00:00", "TIME", "!not a time" },
        { "VARCHAR|2024-02-29 10:20:30.5", "TIMESTAMP", "2024-02-29 10:20:30.500" },
        { "VARCHAR|2024-02-29", "TIMESTAMP", "2024-02-29 00:00:00" },
        { "VARCHAR|2024-02-29 10:20:30+02:00", "TIMESTAMP", "!has no offset" },
        { "VARCHAR|2024-02-29 10:20:30+02:00", "TIMESTAMP WITH TIME ZONE", "2024-02-29 08:20:30+00:00" },
        { "VARCHAR|now", "TIMESTAMP", "!not a timestamp" },
        { "VARCHAR|{00112233-4455-6677-8899-AABBCCDDEEFF}", "UUID", "00112233-4455-6677-8899-aabbccddeeff" },
        { "VARCHAR|0011", "UUID", "!not a UUID" },
        { "VARCHAR|1 02", "INTERVAL DAY TO HOUR", "+1 02" },
        { "VARCHAR|x", "INTERVAL DAY", "!not such an interval" },
        { "VARCHAR|AB\xC3\xA9", "VARBINARY", "4142c3a9" },
        { "VARCHAR|ABC", "BINARY(2)", "4142" },
        { "VARCHAR|A", "BINARY(3)", "410000" },
        { "VARCHAR|ABC", "VARBINARY(2)", "4142" },
    };
    (void)state;
    check_casts(cases, HG_COUNT(cases));
}

static void values_to_text(void **state)
{
    static const cast_case_t cases[] = {
        { "BIGINT|-9223372036854775808", "VARCHAR", "-9223372036854775808" },
        { "BIGINT UNSIGNED|18446744073709551615", "VARCHAR", "18446744073709551615" },
        { "INTEGER|12345", "VARCHAR(3)", "123" },
        { "TINYINT|7", "CHAR(4)", "7   " },
        { "DECIMAL(5, 2)|-1.50", "VARCHAR", "-1.50" },
        { "DOUBLE|0.1", "VARCHAR", "0.1" },
        { "BOOLEAN|true", "VARCHAR", "true" },
        { "BOOLEAN|false", "CHAR(3)", "fal" },
        { "DATE|2024-02-29", "VARCHAR", "2024-02-29" },
        { "TIME|10:20:30.5", "VARCHAR", "10:20:30.500" },
        { "TIMESTAMP|2024-02-29 10:20:30", "VARCHAR", "2024-02-29 10:20:30" },
        { "UUID|00112233445566778899AABBCCDDEEFF", "VARCHAR", "00112233-4455-6677-8899-aabbccddeeff" },
        { "VARBINARY|4142c3a9", "VARCHAR", "AB\xC3\xA9" },
        { "VARBINARY|ff", "VARCHAR", "!not UTF-8" },
        { "CHAR(5)|ab", "VARCHAR", "ab" },
        { "CHAR(5)|ab", "CHAR(3)", "ab " },
        { "VARCHAR|\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", "VARCHAR(2)", "\xE2\x82\xAC\xE2\x82\xAC" },
        { "VARCHAR|\xE2\x82\xAC", "CHAR(3)", "\xE2\x82\xAC  " },
        { "INTERVAL HOUR|5", "VARCHAR", "+5" },
        { "NULL|", "VARCHAR", "NULL" },
        { "NULL|", "DECIMAL(5, 2)", "NULL" },
    };
    (void)state;
    check_casts(cases, HG_COUNT(cases));
}

static void times_and_bytes(void **state)
{
    static const cast_case_t cases[] = {
        { "DATE|1969-12-31", "TIMESTAMP", "1969-12-31 00:00:00" },
        { "TIMESTAMP|1969-12-31 23:59:59.999999", "DATE", "1969-12-31" },
        { "TIMESTAMP|1969-12-31 23:59:59.999999", "TIME", "23:59:59.999999" },
        { "TIMESTAMP|1970-01-01 00:00:01.234567", "BIGINT", "1234" },
        { "TIMESTAMP|1970-01-01 00:00:01.234567", "DECIMAL(10, 3)", "1234.567" },
        { "TIMESTAMP|1970-01-01 00:00:01.5", "DOUBLE", "1500.0" },
        { "BIGINT|1234", "TIMESTAMP", "1970-01-01 00:00:01.234" },
        { "DECIMAL(10, 4)|1234.5678", "TIMESTAMP", "1970-01-01 00:00:01.234567" },
        { "DOUBLE|-1.5", "TIMESTAMP", "1969-12-31 23:59:59.998500" },
        { "BIGINT|9223372036854775807", "TIMESTAMP", "!out of range" },
        { "INTERVAL SECOND|90", "INTERVAL MINUTE", "+1" },
        { "INTERVAL DAY TO HOUR|1 02", "INTERVAL HOUR", "+26" },
        { "INTERVAL SECOND|90.5", "INTEGER", "90" },
        { "INTERVAL SECOND|90.5", "DECIMAL(5, 2)", "90.50" },
        { "INTERVAL YEAR|2", "INTEGER", "2" },
        { "INTEGER|36", "INTERVAL HOUR", "+36" },
        { "INTEGER|3", "INTERVAL YEAR", "+3" },
        { "BIGINT|9223372036854775807", "INTERVAL DAY", "!out of range" },
        { "UUID|00112233445566778899AABBCCDDEEFF", "VARBINARY", "00112233445566778899aabbccddeeff" },
        { "VARBINARY|00112233445566778899aabbccddeeff", "UUID", "00112233-4455-6677-8899-aabbccddeeff" },
        { "VARBINARY|0011", "UUID", "!a UUID has 16 bytes" },
        { "INTEGER|258", "VARBINARY", "00000102" },
        { "INTEGER|258", "BINARY(2)", "0102" },
        { "SMALLINT|258", "BINARY(4)", "00000102" },
        { "SMALLINT|-1", "VARBINARY(1)", "ff" },
        { "VARBINARY|010203", "BINARY(2)", "0102" },
        { "VARBINARY|01", "BINARY(2)", "0100" },
        { "INTEGER ARRAY|1,NULL,3", "VARCHAR ARRAY", "[1,NULL,3]" },
        { "VARCHAR ARRAY|1,2", "BIGINT ARRAY", "[1,2]" },
    };
    (void)state;
    check_casts(cases, HG_COUNT(cases));
}

static void what_may_be_cast(void **state)
{
    static const struct {
        const char *from, *to;
        bool explicit_ok, implicit_ok;
    } cases[] = {
        { "INTEGER", "BIGINT", true, true },
        { "BIGINT", "DECIMAL(10, 2)", true, true },
        { "DECIMAL(10, 2)", "INTEGER", true, false },
        { "DOUBLE", "INTEGER", true, false },
        { "INTEGER", "DOUBLE", true, true },
        { "VARCHAR", "DATE", true, true },
        { "VARCHAR", "INTEGER", true, true },
        { "INTEGER", "VARCHAR", true, false },
        { "DATE", "TIMESTAMP", true, true },
        { "TIMESTAMP", "DATE", true, false },
        { "DATE", "INTEGER", false, false },
        { "VARBINARY", "INTEGER", false, false },
        { "TIME", "TIMESTAMP", false, false },
        { "UUID", "INTEGER", false, false },
        { "INTERVAL DAY", "INTERVAL MONTH", false, false },
        { "INTERVAL DAY TO SECOND", "BIGINT", false, false },
        { "NULL", "UUID", true, true },
        { "DECIMAL(5, 2)", "VARBINARY", false, false },
        { "INTEGER ARRAY", "VARCHAR ARRAY", true, false },
        { "INTEGER ARRAY", "INTEGER", false, false },
    };
    (void)state;
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        const hg_type_t *from = type_of(cases[i].from), *to = type_of(cases[i].to);
        if (hg_cast_explicit(from, to) != cases[i].explicit_ok || hg_cast_implicit(from, to) != cases[i].implicit_ok)
            fail_msg("%s to %s", cases[i].from, cases[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(text_to_values, setup, teardown),
        cmocka_unit_test_setup_teardown(values_to_text, setup, teardown),
        cmocka_unit_test_setup_teardown(times_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_may_be_cast, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
