/* kernel_field.c: fields of dates, times and intervals (EXTRACT and its short forms), and values made from fields. */
#include "base/hg.h"
#include <math.h>
#include "engine/kernel_time_int.h"

/* --- EXTRACT ------------------------------------------------------------------------------------------------------ */

/* 0 = Sunday. */
static int64_t weekday(int64_t days)
{
    return days + 4 - hg_floor_div(days + 4, 7) * 7;
}

/* ISO 8601: the week belongs to the year of its Thursday. */
static void iso_week(int64_t days, int64_t *year, int64_t *week)
{
    int64_t thursday = days - (weekday(days) + 6) % 7 + 3;
    int32_t y, m, d;
    hg_civil_from_days((int32_t)thursday, &y, &m, &d);
    *year = y;
    *week = (thursday - hg_days_from_civil(y, 1, 1)) / 7 + 1;
}

static int64_t year_field(hg_unit_t u, int64_t y)
{
    switch ((int)u) {
    case HG_UNIT_MILLENNIUM:
        return (y + 999) / 1000;
    case HG_UNIT_CENTURY:
        return (y + 99) / 100;
    case HG_UNIT_DECADE:
        return y / 10;
    default:
        return y;
    }
}

static int64_t date_field(hg_unit_t u, int64_t days)
{
    int32_t y, m, d;
    int64_t iso_year, week;
    hg_civil_from_days((int32_t)days, &y, &m, &d);
    switch ((int)u) {
    case HG_UNIT_QUARTER:
        return (m - 1) / 3 + 1;
    case HG_UNIT_MONTH:
        return m;
    case HG_UNIT_WEEK:
        iso_week(days, &iso_year, &week);
        return week;
    case HG_UNIT_ISOYEAR:
        iso_week(days, &iso_year, &week);
        return iso_year;
    case HG_UNIT_DOY:
        return days - hg_days_from_civil(y, 1, 1) + 1;
    case HG_UNIT_DOW:
        return weekday(days) + 1;
    case HG_UNIT_ISODOW:
        return (weekday(days) + 6) % 7 + 1;
    case HG_UNIT_DAY:
        return d;
    default:
        return year_field(u, y);
    }
}

/* ns: of the day, or of an interval (then negative ones count down). Sub-second fields include the seconds of the
 * minute. */
static int64_t clock_field(hg_unit_t u, int64_t ns)
{
    const int64_t s = INT64_C(1000000000), m = 60 * s;
    switch ((int)u) {
    case HG_UNIT_HOUR:
        return ns / (60 * m) % 24;
    case HG_UNIT_MINUTE:
        return ns / m % 60;
    case HG_UNIT_SECOND:
        return ns / s % 60;
    case HG_UNIT_MILLISECOND:
        return ns % m / 1000000;
    case HG_UNIT_MICROSECOND:
        return ns % m / 1000;
    default:
        return ns % m;
    }
}

static int64_t month_interval_field(hg_unit_t u, int64_t months)
{
    int64_t y = months / 12;
    switch ((int)u) {
    case HG_UNIT_MONTH:
        return months % 12;
    case HG_UNIT_QUARTER:
        return months % 12 / 3 + 1;
    case HG_UNIT_DECADE:
        return y / 10;
    case HG_UNIT_CENTURY:
        return y / 100;
    case HG_UNIT_MILLENNIUM:
        return y / 1000;
    default:
        return y;
    }
}

static int64_t field(hg_kind_t kind, hg_unit_t u, int64_t v)
{
    bool clock = u >= HG_UNIT_HOUR && u < HG_UNIT_EPOCH;
    switch ((int)kind) {
    case HG_T_DATE:
        return clock ? 0 : u == HG_UNIT_EPOCH ? v * 86400 : date_field(u, v);
    case HG_T_TIME:
        return clock_field(u, v);
    case HG_T_INTERVAL_YM:
        return month_interval_field(u, v);
    case HG_T_INTERVAL:
        if (u == HG_UNIT_DAY) return v / HG_US_DAY;
        return u == HG_UNIT_EPOCH ? v / HG_US_SECOND : clock_field(u, v % HG_US_DAY * 1000);
    default:
        break;
    }
    if (u == HG_UNIT_EPOCH) return hg_floor_div(v, HG_US_SECOND);
    int64_t days = hg_floor_div(v, HG_US_DAY);
    return clock ? clock_field(u, (v - days * HG_US_DAY) * 1000) : date_field(u, days);
}

int hg_k_extract(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_kind_t kind = c->types[0]->kind;
    bool narrow = hg_phys_width(hg_type_phys(c->types[0])) == 4;
    size_t step = hg_vec_step(&args[0]);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!hg_call_valid(c, i)) continue;
        int64_t v = narrow ? HG_COL(args[0].col, int32_t)[i * step] : HG_COL(args[0].col, int64_t)[i * step];
        HG_COL(out, int64_t)[i] = field(kind, (hg_unit_t)c->fn->unit, v);
    }
    return 0;
}

/* --- MAKE_DATE and its like --------------------------------------------------------------------------------------- */

static bool civil(const hg_vec_t *a, uint32_t i, int64_t *ret_days)
{
    int64_t y = hg_vec_i64(&a[0], i), m = hg_vec_i64(&a[1], i), d = hg_vec_i64(&a[2], i);
    if (y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > hg_month_days((int32_t)y, (int32_t)m)) return false;
    *ret_days = hg_days_from_civil((int32_t)y, (int32_t)m, (int32_t)d);
    return true;
}

static bool clock_ns(const hg_vec_t *a, uint32_t i, int64_t *ret_ns)
{
    int64_t h = hg_vec_i64(&a[0], i), m = hg_vec_i64(&a[1], i);
    double s = HG_COL(a[2].col, double)[a[2].konst ? 0 : i];
    if (h < 0 || h > 23 || m < 0 || m > 59 || !(s >= 0 && s < 60)) return false;
    int64_t ns = (int64_t)llround(s * 1e9);
    if (ns >= INT64_C(60000000000)) return false;
    *ret_ns = (h * 60 + m) * INT64_C(60000000000) + ns;
    return true;
}

/* aux: 0 MAKE_DATE, 1 MAKE_TIME, 2 MAKE_TIMESTAMP. */
int hg_k_make_time(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t days = 0, ns = 0;
        bool ok = c->fn->aux == 1 || civil(args, i, &days);
        if (c->fn->aux) ok = ok && clock_ns(c->fn->aux == 1 ? args : args + 3, i, &ns);
        if (!ok) hg_bit_clear(c->valid, i);
        if (c->fn->aux == 0)
            HG_COL(out, int32_t)[i] = (int32_t)days;
        else
            HG_COL(out, int64_t)[i] = c->fn->aux == 1 ? ns : days * HG_US_DAY + ns / 1000;
    }
    return 0;
}
