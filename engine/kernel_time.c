/* kernel_time.c: arithmetic on points in time and intervals, and rounding to units.
 *
 * DATE counts days, TIMESTAMP microseconds, TIME nanoseconds; short intervals microseconds, long ones months. The two
 * interval families never mix. Adding months clamps to the last day of the month. Results stay within the years 1 to
 * 9999. */
#include "base/hg.h"
#include <math.h>
#include "engine/kernel_time_int.h"

static const char LEAVES[] = "leaves the years 1 to 9999";

/* --- months ------------------------------------------------------------------------------------------------------- */

int hg_month_days(int32_t y, int32_t m)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return days[m - 1] + (m == 2 && leap);
}

bool hg_add_months(int64_t days, int64_t months, int64_t *ret)
{
    int32_t y, m, d;
    if (months > 200000 || months < -200000) return false;
    hg_civil_from_days((int32_t)days, &y, &m, &d);
    int64_t total = (int64_t)y * 12 + (m - 1) + months;
    y = (int32_t)hg_floor_div(total, 12);
    m = (int32_t)(total - (int64_t)y * 12) + 1;
    if (y < 1 || y > 9999) return false;
    *ret = hg_days_from_civil(y, m, HG_MIN(d, hg_month_days(y, m)));
    return true;
}

static bool add_months_us(int64_t us, int64_t months, int64_t *ret)
{
    int64_t days = hg_floor_div(us, HG_US_DAY), moved;
    if (!hg_add_months(days, months, &moved)) return false;
    *ret = moved * HG_US_DAY + (us - days * HG_US_DAY);
    return true;
}

/* Whole months from a to b (microseconds): the greatest m with a + m months <= b, negative the other way round. */
static int64_t months_between(int64_t a, int64_t b)
{
    if (b < a) return -months_between(b, a);
    int32_t y1, m1, d1, y2, m2, d2;
    hg_civil_from_days((int32_t)hg_floor_div(a, HG_US_DAY), &y1, &m1, &d1);
    hg_civil_from_days((int32_t)hg_floor_div(b, HG_US_DAY), &y2, &m2, &d2);
    int64_t m = ((int64_t)y2 - y1) * 12 + (m2 - m1), at = 0;
    if (m > 0 && (!add_months_us(a, m, &at) || at > b)) m--;
    return m;
}

/* --- point ± interval --------------------------------------------------------------------------------------------- */

/* How a unit moves a point: months, or microseconds. False: neither (DOY, EPOCH …). */
bool hg_unit_size(hg_unit_t u, int64_t *months, int64_t *us)
{
    static const struct {
        int32_t months;
        int64_t us;
    } sizes[HG_UNIT_N] = {
        [HG_UNIT_MILLENNIUM] = { 12000, 0 },    [HG_UNIT_CENTURY] = { 1200, 0 },
        [HG_UNIT_DECADE] = { 120, 0 },          [HG_UNIT_YEAR] = { 12, 0 },
        [HG_UNIT_QUARTER] = { 3, 0 },           [HG_UNIT_MONTH] = { 1, 0 },
        [HG_UNIT_WEEK] = { 0, 7 * HG_US_DAY },  [HG_UNIT_DAY] = { 0, HG_US_DAY },
        [HG_UNIT_HOUR] = { 0, HG_US_HOUR },     [HG_UNIT_MINUTE] = { 0, HG_US_MINUTE },
        [HG_UNIT_SECOND] = { 0, HG_US_SECOND }, [HG_UNIT_MILLISECOND] = { 0, 1000 },
        [HG_UNIT_MICROSECOND] = { 0, 1 },
    };
    *months = sizes[u].months;
    *us = sizes[u].us;
    return *months || *us;
}

static bool move(hg_kind_t kind, int64_t at, int64_t months, int64_t us, int64_t *ret)
{
    if (kind == HG_T_TIME) {
        int64_t t = at + us % HG_US_DAY * 1000;
        *ret = t - hg_floor_div(t, HG_NS_DAY) * HG_NS_DAY;
        return true;
    }
    if (kind == HG_T_DATE) {
        if (months) return hg_add_months(at, months, ret);
        *ret = at + us / HG_US_DAY;
        return *ret >= HG_DATE_MIN && *ret <= HG_DATE_MAX;
    }
    if (months) return add_months_us(at, months, ret);
    return !__builtin_add_overflow(at, us, ret) && *ret >= HG_TS_MIN && *ret <= HG_TS_MAX;
}

static int64_t load(const hg_vec_t *v, uint32_t r)
{
    uint32_t i = v->konst ? 0 : r;
    return hg_phys_width(hg_type_phys(v->col->type)) == 4 ? HG_COL(v->col, int32_t)[i] : HG_COL(v->col, int64_t)[i];
}

static void store(hg_colb_t *out, uint32_t i, int64_t v)
{
    if (hg_phys_width(out->phys) == 4)
        HG_COL(out, int32_t)[i] = (int32_t)v;
    else
        HG_COL(out, int64_t)[i] = v;
}

/* aux: 0 point - interval, 1 point + interval, 2 interval + point. */
int hg_k_time_arith(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    uint32_t point = c->fn->aux == 2 ? 1 : 0;
    bool subtract = c->fn->aux == 0, months = c->types[1 - point]->kind == HG_T_INTERVAL_YM;
    hg_kind_t kind = c->types[point]->kind;
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t at = load(&args[point], i), by = load(&args[1 - point], i), r = 0;
        store(out, i, 0);
        if (!hg_call_valid(c, i)) continue;
        bool ok = by != INT64_MIN || !subtract;
        if (ok && subtract) by = -by;
        if (!ok || !move(kind, at, months ? by : 0, months ? 0 : by, &r)) return hg_call_fail_row(c, args, i, LEAVES);
        store(out, i, r);
    }
    return 0;
}

/* TIMESTAMPADD(unit, n, x). */
int hg_k_time_add(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int64_t months, us;
    hg_kind_t kind = c->types[1]->kind;
    bool nanos = c->fn->unit == HG_UNIT_NANOSECOND;
    hg_unit_size((hg_unit_t)c->fn->unit, &months, &us);
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t n = hg_vec_i64(&args[0], i), by = 0, r = 0;
        store(out, i, 0);
        if (!hg_call_valid(c, i)) continue;
        bool ok = nanos ? (by = n / 1000, true) : !__builtin_mul_overflow(n, months ? months : us, &by);
        if (!ok || !move(kind, load(&args[1], i), months ? by : 0, months ? 0 : by, &r))
            return hg_call_fail_row(c, args, i, LEAVES);
        store(out, i, r);
    }
    return 0;
}

/* --- differences -------------------------------------------------------------------------------------------------- */

/* aux 0: TIMESTAMPDIFF(unit, from, to) in whole units; 1: (x - y) unit as an interval. */
int hg_k_time_diff(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int64_t months, us;
    bool interval = c->fn->aux, time = c->types[0]->kind == HG_T_TIME, nanos = c->fn->unit == HG_UNIT_NANOSECOND;
    if (!hg_unit_size((hg_unit_t)c->fn->unit, &months, &us) && !nanos)
        return hg_call_fail(c, "a difference in %ss does not exist", hg_unit_name((hg_unit_t)c->fn->unit));
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t from = load(&args[interval ? 1 : 0], i), to = load(&args[interval ? 0 : 1], i), v;
        store(out, i, 0);
        if (!hg_call_valid(c, i)) continue;
        if (months)
            v = months_between(from, to) / (interval ? 1 : months);
        else if (interval)
            v = time ? (to - from) / 1000 : to - from;
        else if (nanos)
            v = to - from > INT32_MAX || to - from < INT32_MIN ? INT64_MAX : (to - from) * 1000;
        else
            v = (to - from) / us;
        if (!interval && v != (int32_t)v) return hg_call_fail_row(c, args, i, "overflows INTEGER");
        store(out, i, v);
    }
    return 0;
}

/* --- intervals among themselves and with numbers ------------------------------------------------------------------ */

static bool scale_exact(hg_arith_t op, int64_t iv, hg_i128 num, int scale, hg_i128 *ret)
{
    hg_i256_t v = op == HG_ARITH_MUL ? hg_i256_div(hg_i256_mul(iv, num), hg_pow10(scale), NULL)
                                     : hg_i256_div(hg_i256_mul(iv, hg_pow10(scale)), num, NULL);
    return hg_i256_fits(v, ret);
}

static bool scale_float(hg_arith_t op, int64_t iv, double num, hg_i128 *ret)
{
    double v = op == HG_ARITH_MUL ? (double)iv * num : (double)iv / num;
    if (!(fabs(v) < 1e19)) return false;
    *ret = (hg_i128)v;
    return true;
}

int hg_k_interval_arith(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_arith_t op = (hg_arith_t)c->fn->aux;
    bool months = c->type->kind == HG_T_INTERVAL_YM;
    bool sum = op == HG_ARITH_ADD || op == HG_ARITH_SUB;
    uint32_t iv = sum || c->types[0]->kind == c->type->kind ? 0 : 1;
    bool exact = c->types[1 - iv]->kind == HG_T_DECIMAL;
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t x = load(&args[iv], i);
        hg_i128 v = 0;
        bool ok = true;
        store(out, i, 0);
        if (!hg_call_valid(c, i)) continue;
        size_t at = args[1 - iv].konst ? 0 : i;
        if (sum) {
            int64_t y = load(&args[1], i);
            v = op == HG_ARITH_ADD ? (hg_i128)x + y : (hg_i128)x - y;
        } else if (exact) {
            hg_i128 num = HG_COL(args[1 - iv].col, hg_i128)[at];
            if (op == HG_ARITH_DIV && num == 0) return hg_call_fail_row(c, args, i, "fails with division by zero");
            ok = scale_exact(op, x, num, c->types[1 - iv]->scale, &v);
        } else {
            double num = HG_COL(args[1 - iv].col, double)[at];
            if (op == HG_ARITH_DIV && num == 0) return hg_call_fail_row(c, args, i, "fails with division by zero");
            ok = scale_float(op, x, num, &v);
        }
        if (!ok || (months ? v != (int32_t)v : v != (int64_t)v)) return hg_call_fail_row(c, args, i, "overflows");
        store(out, i, (int64_t)v);
    }
    return 0;
}

/* --- rounding to a unit ------------------------------------------------------------------------------------------- */

/* The start of the calendar unit that holds the day. */
static int64_t floor_days(hg_unit_t u, int64_t days)
{
    int32_t y, m, d;
    if (u >= HG_UNIT_DAY) return days;
    if (u == HG_UNIT_WEEK)
        return days - (days + 4 - hg_floor_div(days + 4, 7) * 7); /* weeks begin on Sunday; 1970-01-01 was a Thursday */
    hg_civil_from_days((int32_t)days, &y, &m, &d);
    switch ((int)u) {
    case HG_UNIT_MILLENNIUM:
        return hg_days_from_civil((y - 1) / 1000 * 1000 + 1, 1, 1);
    case HG_UNIT_CENTURY:
        return hg_days_from_civil((y - 1) / 100 * 100 + 1, 1, 1);
    case HG_UNIT_DECADE:
        return hg_days_from_civil(HG_MAX(y / 10 * 10, 1), 1, 1);
    case HG_UNIT_YEAR:
        return hg_days_from_civil(y, 1, 1);
    case HG_UNIT_QUARTER:
        return hg_days_from_civil(y, (m - 1) / 3 * 3 + 1, 1);
    default:
        return hg_days_from_civil(y, m, 1);
    }
}

/* at: days for DATE, microseconds otherwise (TIME: of the day). */
static int64_t floor_unit(hg_kind_t kind, hg_unit_t u, int64_t us, int64_t at)
{
    if (kind == HG_T_DATE) return floor_days(u, at);
    if (u < HG_UNIT_DAY) return floor_days(u, hg_floor_div(at, HG_US_DAY)) * HG_US_DAY;
    return us ? hg_floor_div(at, us) * us : at;
}

int hg_k_time_trunc(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    hg_unit_t u = (hg_unit_t)c->fn->unit;
    hg_kind_t kind = c->type->kind;
    int64_t months, us;
    bool ceil = c->fn->aux, nanos = u == HG_UNIT_NANOSECOND;
    hg_unit_size(u, &months, &us);
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t at = load(&args[0], i), v, r;
        store(out, i, 0);
        if (!hg_call_valid(c, i)) continue;
        if (kind == HG_T_TIME) { /* nanoseconds, within the day */
            int64_t ns = nanos ? 1 : us * 1000;
            v = at / ns * ns;
            if (ceil && v != at) v = (v + ns) % HG_NS_DAY;
            store(out, i, v);
            continue;
        }
        v = floor_unit(kind, u, us, at);
        if (ceil && v != at) {
            if (!move(kind, v, months, us, &r)) return hg_call_fail_row(c, args, i, LEAVES);
            v = floor_unit(kind, u, us, r);
        }
        if (kind == HG_T_DATE ? v < HG_DATE_MIN : v < HG_TS_MIN) return hg_call_fail_row(c, args, i, LEAVES);
        store(out, i, v);
    }
    return 0;
}

int hg_k_now(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    (void)args;
    for (uint32_t i = 0; i < c->n; i++) HG_COL(out, int64_t)[i] = c->now_us;
    return 0;
}
