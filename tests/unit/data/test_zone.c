/* Time zones: what the system's tz database says, and files that it does not have. The end-to-end tests compare many
 * more with Python's. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/text.h"
#include "data/zone_int.h"
#include "tests/lib/test.h"

static int64_t us(const char *text)
{
    int64_t v = 0;
    assert_int_equal(hg_ts_parse(hg_strz(text), false, &v, NULL), 0);
    return v;
}

static void check(const char *zone, const char *local, int found, const char *first, const char *second)
{
    int64_t moments[2];
    const hg_zone_t *z = hg_zone_named(hg_strz(zone));
    if (!z) fail_msg("no %s", zone);
    assert_int_equal(hg_zone_moments(z, us(local), moments), found);
    assert_int_equal(moments[0], us(first));
    if (second) assert_int_equal(moments[1], us(second));
}

static void local_times(void **state)
{
    (void)state;
    check("Europe/Paris", "2024-02-05 10:20:30.5", 1, "2024-02-05 09:20:30.5", NULL);
    check("Europe/Paris", "2024-03-31 02:30:00", 0, "2024-03-31 01:30:00", NULL);
    check("Europe/Paris", "2024-03-31 03:00:00", 1, "2024-03-31 01:00:00", NULL);
    check("Europe/Paris", "2024-10-27 02:30:00", 2, "2024-10-27 00:30:00", "2024-10-27 01:30:00");
    check("Europe/Paris", "2199-07-01 00:00:00", 1, "2199-06-30 22:00:00", NULL); /* by the rule */
    check("Europe/Paris", "1850-01-01 00:00:00", 1, "1849-12-31 23:50:39", NULL);
    check("America/New_York", "2024-03-10 02:30:00", 0, "2024-03-10 07:30:00", NULL);
    check("America/New_York", "2090-11-05 01:30:00", 2, "2090-11-05 05:30:00", "2090-11-05 06:30:00");
    check("Pacific/Apia", "2011-12-30 12:00:00", 0, "2011-12-30 22:00:00", NULL); /* a day that never was */
    check("Asia/Kathmandu", "2024-01-01 00:00:00", 1, "2023-12-31 18:15:00", NULL);
    check("Australia/Lord_Howe", "2060-04-04 01:45:00", 2, "2060-04-03 14:45:00", "2060-04-03 15:15:00");
    check("Etc/GMT+12", "9999-12-31 11:59:59", 1, "9999-12-31 23:59:59", NULL);
    check("UTC", "0001-01-01 00:00:00", 1, "0001-01-01 00:00:00", NULL);
}

static void names(void **state)
{
    (void)state;
    static const char *const none[] = { "",           "europe/paris",  "/etc/passwd", "../zoneinfo/UTC", "Europe",
                                        "zone.tab",   "Europe/Paris ", "Europe//..",  "Europe/Pari\n",   "/",
                                        "posixrules/" };
    for (size_t i = 0; i < HG_COUNT(none); i++) assert_null(hg_zone_named(hg_strz(none[i])));
    assert_ptr_equal(hg_zone_named(HG_S("Europe/Paris")), hg_zone_named(HG_S("Europe/Paris")));
    for (int i = 0; i < 1000; i++) { /* misses are remembered up to a limit */
        char name[32];
        snprintf(name, sizeof name, "No/Such_%d", i);
        assert_null(hg_zone_named(hg_strz(name)));
    }
    assert_non_null(hg_zone_named(HG_S("Asia/Tokyo")));
}

/* The offset that a rule gives at a moment. */
static void rule(const char *text, const char *moment, int32_t want)
{
    hg_zone_rule_t r;
    assert_true(hg_zone_rule_parse(hg_strz(text), &r));
    assert_int_equal(hg_zone_rule_offset(&r, us(moment) / 1000000), want);
}

static void rules(void **state)
{
    (void)state;
    rule("UTC0", "2024-01-01 00:00:00", 0);
    rule("<-03>3", "2024-01-01 00:00:00", -3 * 3600);
    rule("IST-1GMT0,M10.5.0,M3.5.0/1", "2024-01-15 00:00:00", 0); /* summer time is the standard one */
    rule("IST-1GMT0,M10.5.0,M3.5.0/1", "2024-07-15 00:00:00", 3600);
    rule("NZST-12NZDT,M9.5.0,M4.1.0/3", "2024-01-01 00:00:00", 13 * 3600);
    rule("NZST-12NZDT,M9.5.0,M4.1.0/3", "2024-06-01 00:00:00", 12 * 3600);
    rule("XXX3EDT4,0/0,J365/23", "2024-01-01 03:00:00", -4 * 3600); /* summer time all year */
    rule("XXX3EDT4,0/0,J365/23", "2024-12-31 23:59:59", -4 * 3600);
    rule("A0B-1,J60,J300", "2024-02-29 23:00:00", 0); /* 29 February is not counted: 1 March */
    rule("A0B-1,J60,J300", "2024-03-01 02:00:00", 3600);
    rule("A0B-1,59,300", "2024-02-29 02:00:00", 3600);            /* counted: 29 February */
    rule("A0B-1,M2.5.4/50,M10.4.4/50", "2024-03-02 01:59:59", 0); /* the last Thursday of February, and two days on */
    rule("A0B-1,M2.5.4/50,M10.4.4/50", "2024-03-02 02:00:00", 3600);
    rule("A0B-1,M1.1.0/-167,M10.1.0", "2023-12-31 23:59:59", 3600); /* begins in the year before */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(local_times), cmocka_unit_test(names),
                                        cmocka_unit_test(rules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
