/* Dates, times, intervals: leap years, month ends, weeks, wrap-around, and the edges of the calendar. */
#include "base/hg.h"
#include "tests/unit/engine/eval_fixture.h"

#define TS(x) "TIMESTAMP|" x

static void points_and_intervals(void **state)
{
    static const call_case_t cases[] = {
        { "+", { "DATE|2024-02-28", "INTERVAL DAY|1" }, "2024-02-29", "DATE", NULL },
        { "+", { "DATE|2023-02-28", "INTERVAL DAY|1" }, "2023-03-01", NULL, NULL },
        { "+", { "DATE|2024-02-28", "INTERVAL HOUR|47" }, "2024-02-29", "DATE", NULL },
        { "+", { "DATE|2024-01-31", "INTERVAL MONTH|1" }, "2024-02-29", NULL, NULL },
        { "-", { "DATE|2024-03-31", "INTERVAL MONTH|13" }, "2023-02-28", NULL, NULL },
        { "+", { "INTERVAL YEAR|1", "DATE|2024-02-29" }, "2025-02-28", "DATE", NULL },
        { "+", { "DATE|9999-12-31", "INTERVAL DAY|1" }, "!leaves the years 1 to 9999", NULL, NULL },
        { "-", { "DATE|0001-01-01", "INTERVAL MONTH|1" }, "!leaves the years 1 to 9999", NULL, NULL },
        { "+", { TS("2024-12-31 23:59:59.5"), "INTERVAL SECOND|0.5" }, "2025-01-01 00:00:00", "TIMESTAMP", NULL },
        { "+", { TS("2024-01-31 10:00:00.000001"), "INTERVAL MONTH|1" }, "2024-02-29 10:00:00.000001", NULL, NULL },
        { "-", { TS("1970-01-01 00:00:00"), "INTERVAL SECOND|1" }, "1969-12-31 23:59:59", NULL, NULL },
        { "+", { TS("9999-12-31 23:59:59"), "INTERVAL DAY|1" }, "!leaves the years", NULL, NULL },
        { "+", { "TIME|23:59:59.999999999", "INTERVAL SECOND|1" }, "00:00:00.999999999", "TIME", NULL },
        { "-", { "TIME|00:00:00", "INTERVAL HOUR|25" }, "23:00:00", NULL, NULL },
        { "+", { "INTERVAL DAY|1", "INTERVAL HOUR|2" }, "+1 02:00:00.000000", "INTERVAL DAY TO SECOND", NULL },
        { "-", { "INTERVAL YEAR|1", "INTERVAL MONTH|2" }, "+0-10", NULL, NULL },
        { "*", { "INTERVAL HOUR|2", "INTEGER|3" }, "+6", "INTERVAL HOUR", NULL },
        { "*", { "DECIMAL(3, 2)|1.50", "INTERVAL SECOND|1" }, "+1.500000", "INTERVAL SECOND", NULL },
        { "*", { "INTERVAL SECOND|3", "DOUBLE|0.5" }, "+1.500000", NULL, NULL },
        { "/", { "INTERVAL MONTH|7", "INTEGER|2" }, "+3", "INTERVAL MONTH", NULL },
        { "/", { "INTERVAL SECOND|1", "DECIMAL(2, 1)|0.5" }, "+2.000000", NULL, NULL },
        { "/", { "INTERVAL SECOND|1", "INTEGER|0" }, "!fails with division by zero", NULL, NULL },
        { "*", { "INTERVAL DAY|10", "BIGINT|9223372036854775807" }, "!overflows", NULL, NULL },
        { "neg", { "INTERVAL DAY|1" }, "-1", "INTERVAL DAY", NULL },
        { "abs", { "INTERVAL MONTH|-5" }, "+5", NULL, NULL },
        { "-:hour", { TS("2024-01-02 00:30:00"), "DATE|2024-01-01" }, "+24", "INTERVAL HOUR", NULL },
        { "-:month", { "DATE|2024-03-31", "DATE|2024-02-29" }, "+1", "INTERVAL MONTH", NULL },
        { "-:minute", { "TIME|10:00:00", "TIME|09:30:00" }, "+30", "INTERVAL MINUTE", NULL },
        { "timestampdiff:day", { TS("2024-01-01 12:00:00"), TS("2024-01-03 11:59:59") }, "1", "INTEGER", NULL },
        { "timestampdiff:day", { TS("2024-01-03 11:59:59"), TS("2024-01-01 12:00:00") }, "-1", NULL, NULL },
        { "timestampdiff:month", { "DATE|2024-01-31", "DATE|2024-02-29" }, "1", NULL, NULL },
        { "timestampdiff:month", { "DATE|2024-01-15", "DATE|2024-02-14" }, "0", NULL, NULL },
        { "timestampdiff:year", { "DATE|2000-02-29", "DATE|2024-02-28" }, "23", NULL, NULL },
        { "timestampdiff:week", { "DATE|2024-01-01", "DATE|2024-01-15" }, "2", NULL, NULL },
        { "datediff:quarter", { "DATE|2023-01-01", "DATE|2024-01-01" }, "4", NULL, NULL },
        { "timestampdiff:microsecond", { "DATE|2000-01-01", "DATE|2024-01-01" }, "!overflows INTEGER", NULL, NULL },
        { "timestampdiff:nanosecond",
          { TS("2000-01-01 00:00:00"), TS("2000-01-01 00:00:01") },
          "1000000000",
          NULL,
          NULL },
        { "timestampadd:month", { "INTEGER|1", "DATE|2024-01-31" }, "2024-02-29", "DATE", NULL },
        { "timestampadd:hour", { "INTEGER|25", "DATE|2024-01-31" }, "2024-02-01 01:00:00", "TIMESTAMP", NULL },
        { "timestampadd:second",
          { "BIGINT|9223372036854775807", TS("2024-01-31 00:00:00") },
          "!leaves the years",
          NULL,
          NULL },
        { "date_add", { "DATE|2024-02-28", "INTERVAL DAY|2" }, "2024-03-01", NULL, NULL },
        { "date_sub", { TS("2024-03-31 00:00:00"), "INTERVAL MONTH|1" }, "2024-02-29 00:00:00", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void fields(void **state)
{
    static const call_case_t cases[] = {
        { "extract:year", { "DATE|2024-02-29" }, "2024", "BIGINT", NULL },
        { "extract:millennium", { "DATE|2001-01-01" }, "3", NULL, NULL },
        { "extract:century", { "DATE|2000-12-31" }, "20", NULL, NULL },
        { "extract:decade", { "DATE|2029-12-31" }, "202", NULL, NULL },
        { "extract:quarter", { "DATE|2024-06-30" }, "2", NULL, NULL },
        { "extract:month", { TS("2024-06-30 01:02:03.456789") }, "6", NULL, NULL },
        { "extract:week", { "DATE|2021-01-03" }, "53", NULL, NULL },
        { "extract:week", { "DATE|2018-12-31" }, "1", NULL, NULL },
        { "extract:isoyear", { "DATE|2018-12-31" }, "2019", NULL, NULL },
        { "extract:doy", { "DATE|2024-12-31" }, "366", NULL, NULL },
        { "extract:dow", { "DATE|2024-03-03" }, "1", NULL, NULL },
        { "extract:dow", { "DATE|2024-03-02" }, "7", NULL, NULL },
        { "extract:isodow", { "DATE|2024-03-03" }, "7", NULL, NULL },
        { "extract:isodow", { "DATE|1969-12-29" }, "1", NULL, NULL },
        { "extract:day", { "DATE|2024-02-29" }, "29", NULL, NULL },
        { "extract:hour", { "DATE|2024-02-29" }, "0", NULL, NULL },
        { "extract:hour", { TS("1969-12-31 23:59:58") }, "23", NULL, NULL },
        { "extract:minute", { "TIME|10:20:30.123456789" }, "20", NULL, NULL },
        { "extract:second", { "TIME|10:20:30.123456789" }, "30", NULL, NULL },
        { "extract:millisecond", { "TIME|10:20:30.123456789" }, "30123", NULL, NULL },
        { "extract:microsecond", { TS("2024-06-30 01:02:03.456789") }, "3456789", NULL, NULL },
        { "extract:nanosecond", { "TIME|10:20:30.123456789" }, "30123456789", NULL, NULL },
        { "extract:epoch", { TS("1970-01-02 00:00:00.9") }, "86400", NULL, NULL },
        { "extract:epoch", { "DATE|1969-12-31" }, "-86400", NULL, NULL },
        { "extract:hour", { "INTERVAL DAY TO SECOND|2 03:04:05" }, "3", NULL, NULL },
        { "extract:day", { "INTERVAL DAY TO SECOND|2 03:04:05" }, "2", NULL, NULL },
        { "extract:month", { "INTERVAL YEAR TO MONTH|1-5" }, "5", NULL, NULL },
        { "year", { "DATE|2024-02-29" }, "2024", NULL, NULL },
        { "dayofweek", { "DATE|2024-03-03" }, "1", NULL, NULL },
        { "second", { TS("2024-06-30 01:02:03.456789") }, "3", NULL, NULL },
        { "make_date", { "INTEGER|2024", "INTEGER|2", "INTEGER|29" }, "2024-02-29", "DATE", NULL },
        { "make_date", { "INTEGER|2023", "INTEGER|2", "INTEGER|29" }, "NULL", NULL, NULL },
        { "make_time", { "INTEGER|10", "INTEGER|20", "DECIMAL(4, 2)|30.25" }, "10:20:30.250", "TIME", NULL },
        { "make_time", { "INTEGER|24", "INTEGER|0", "INTEGER|0" }, "NULL", NULL, NULL },
        { "make_timestamp",
          { "INTEGER|2024", "INTEGER|2", "INTEGER|29", "INTEGER|1", "INTEGER|2", "INTEGER|3" },
          "2024-02-29 01:02:03",
          "TIMESTAMP",
          NULL },
        { "now", { NULL }, "1970-01-01 00:00:01", "TIMESTAMP", NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

static void rounding_to_units(void **state)
{
    static const call_case_t cases[] = {
        { "timestamp_trunc:day", { TS("2024-02-29 10:20:30.5") }, "2024-02-29 00:00:00", "TIMESTAMP", NULL },
        { "timestamp_trunc:hour", { TS("1969-12-31 23:30:00") }, "1969-12-31 23:00:00", NULL, NULL },
        { "timestamp_trunc:week", { TS("2024-02-29 10:20:30") }, "2024-02-25 00:00:00", NULL, NULL },
        { "timestamp_trunc:millisecond", { TS("2024-02-29 10:20:30.123456") }, "2024-02-29 10:20:30.123", NULL, NULL },
        { "date_trunc:month", { "DATE|2024-02-29" }, "2024-02-01", "DATE", NULL },
        { "date_trunc:quarter", { "DATE|2024-06-30" }, "2024-04-01", NULL, NULL },
        { "date_trunc:decade", { "DATE|2024-06-30" }, "2020-01-01", NULL, NULL },
        { "date_trunc:century", { "DATE|2000-06-30" }, "1901-01-01", NULL, NULL },
        { "date_trunc:millennium", { "DATE|2001-06-30" }, "2001-01-01", NULL, NULL },
        { "date_trunc:hour", { "DATE|2024-06-30" }, "2024-06-30", NULL, NULL },
        { "time_trunc:minute", { "TIME|10:20:30" }, "10:20:00", "TIME", NULL },
        { "floor:year", { "DATE|2024-06-30" }, "2024-01-01", NULL, NULL },
        { "ceil:month", { "DATE|2024-01-31" }, "2024-02-01", NULL, NULL },
        { "ceil:month", { "DATE|2024-02-01" }, "2024-02-01", NULL, NULL },
        { "ceil:day", { TS("2024-02-29 00:00:00.000001") }, "2024-03-01 00:00:00", NULL, NULL },
        { "ceil:hour", { "TIME|23:00:01" }, "00:00:00", NULL, NULL },
        { "ceil:year", { "DATE|9999-02-01" }, "!leaves the years", NULL, NULL },
    };
    (void)state;
    check_calls(cases, HG_COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(points_and_intervals, setup, teardown),
        cmocka_unit_test_setup_teardown(fields, setup, teardown),
        cmocka_unit_test_setup_teardown(rounding_to_units, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
