/* text_time.c: dates, times, timestamps, UUIDs and intervals to and from text.
 *
 * All arithmetic is on integers: days since 1970, nanoseconds of a day, microseconds since 1970. Parsers read through a
 * small cursor that never goes past the slice. */
#include "base/hg.h"
#include "data/text.h"

#define US_PER_SEC INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SEC)
#define NS_PER_DAY (INT64_C(86400) * 1000 * US_PER_SEC)

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Rest of the text. Every reader returns false and leaves the rest undefined when the text does not fit. */
typedef struct cur {
    const char *p, *end;
} cur_t;

static cur_t cur_of(hg_str_t s)
{
    s = hg_str_trim(s);
    return (cur_t){ s.p, s.p + s.n };
}

static bool take(cur_t *c, char ch)
{
    if (c->p == c->end || *c->p != ch) return false;
    c->p++;
    return true;
}

/* An unsigned number of min..max digits. max <= 18. */
static bool number(cur_t *c, int min, int max, int64_t *ret)
{
    int n = 0;
    int64_t v = 0;
    for (; n < max && c->p < c->end && is_digit(*c->p); n++) v = v * 10 + (*c->p++ - '0');
    *ret = v;
    return n >= min;
}

/* [.digits] to `digits` places, the excess cut; 0 without a point. A point needs a digit. */
static bool fraction(cur_t *c, int digits, int64_t *ret)
{
    int64_t v = 0;
    *ret = 0;
    if (!take(c, '.')) return true;
    if (c->p == c->end || !is_digit(*c->p)) return false;
    int n = 0;
    for (; c->p < c->end && is_digit(*c->p); c->p++)
        if (n < digits) {
            v = v * 10 + (*c->p - '0');
            n++;
        }
    for (; n < digits; n++) v *= 10;
    *ret = v;
    return true;
}

/* --- printing --- */

static char *put_n(char *o, int64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        o[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return o + width;
}

/* A fraction of 10^-digits units with as many groups of three as it needs. */
static char *put_fraction(char *o, int64_t v, int digits)
{
    if (v == 0) return o;
    while (v % 1000 == 0) {
        v /= 1000;
        digits -= 3;
    }
    *o++ = '.';
    return put_n(o, v, digits);
}

static char *put_plain(char *o, int64_t v)
{
    char digits[24];
    int n = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n > 0) *o++ = digits[--n];
    return o;
}

/* --- dates --- */

/* The year is taken to begin in March, so that the leap day is its last: then the days before a month follow the
 * pattern 31,30,31,30,31 with 153 days per five months, and 400 years have 146097 days. */
int32_t hg_days_from_civil(int32_t y, int32_t m, int32_t d)
{
    int32_t yy = m <= 2 ? y - 1 : y, mm = m <= 2 ? m + 9 : m - 3;
    int32_t cycle = (yy >= 0 ? yy : yy - 399) / 400, in_cycle = yy - cycle * 400;
    int32_t day = (153 * mm + 2) / 5 + d - 1 + in_cycle * 365 + in_cycle / 4 - in_cycle / 100;
    return cycle * 146097 + day - 719468;
}

void hg_civil_from_days(int32_t days, int32_t *y, int32_t *m, int32_t *d)
{
    int32_t z = days + 719468;
    int32_t cycle = (z >= 0 ? z : z - 146096) / 146097, day = z - cycle * 146097;
    int32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int32_t of_year = day - (365 * year + year / 4 - year / 100);
    int32_t month = (5 * of_year + 2) / 153;
    *d = of_year - (153 * month + 2) / 5 + 1;
    *m = month < 10 ? month + 3 : month - 9;
    *y = year + cycle * 400 + (*m <= 2);
}

static bool valid_date(int64_t y, int64_t m, int64_t d)
{
    static const int8_t len[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > len[m - 1]) return false;
    return m != 2 || d < 29 || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

int hg_date_parse(hg_str_t s, int32_t *ret)
{
    cur_t c = cur_of(s);
    int64_t y, m, d;
    if (!number(&c, 1, 4, &y) || !take(&c, '-') || !number(&c, 1, 2, &m) || !take(&c, '-') || !number(&c, 1, 2, &d))
        return HG_EPARSE;
    if (c.p != c.end) return HG_EPARSE;
    if (!valid_date(y, m, d)) return HG_ERANGE;
    *ret = hg_days_from_civil((int32_t)y, (int32_t)m, (int32_t)d);
    return 0;
}

static char *put_date(char *o, int32_t days)
{
    int32_t y, m, d;
    hg_civil_from_days(days, &y, &m, &d);
    if (y < 0) {
        *o++ = '-';
        y = -y;
    }
    o = y > 9999 ? put_plain(o, y) : put_n(o, y, 4);
    *o++ = '-';
    o = put_n(o, m, 2);
    *o++ = '-';
    return put_n(o, d, 2);
}

size_t hg_date_print(char *out, int32_t days)
{
    return (size_t)(put_date(out, days) - out);
}

/* --- times --- */

int hg_time_parse(hg_str_t s, int64_t *ret_ns)
{
    cur_t c = cur_of(s);
    int64_t h, m, sec, f;
    if (!number(&c, 1, 2, &h) || !take(&c, ':') || !number(&c, 1, 2, &m) || !take(&c, ':') || !number(&c, 1, 2, &sec))
        return HG_EPARSE;
    if (!fraction(&c, 9, &f) || c.p != c.end) return HG_EPARSE;
    if (h > 23 || m > 59 || sec > 59) return HG_ERANGE;
    *ret_ns = ((h * 60 + m) * 60 + sec) * INT64_C(1000000000) + f;
    return 0;
}

static char *put_clock(char *o, int64_t sec)
{
    o = put_n(o, sec / 3600, 2);
    *o++ = ':';
    o = put_n(o, sec / 60 % 60, 2);
    *o++ = ':';
    return put_n(o, sec % 60, 2);
}

size_t hg_time_print(char *out, int64_t ns)
{
    HG_DASSERT(ns >= 0 && ns < NS_PER_DAY);
    char *o = put_clock(out, ns / INT64_C(1000000000));
    return (size_t)(put_fraction(o, ns % INT64_C(1000000000), 9) - out);
}

/* --- timestamps --- */

static int zone(cur_t *c, int64_t *ret_us, bool *have)
{
    int64_t h, m;
    *ret_us = 0;
    *have = false;
    if (c->p == c->end) return 0;
    *have = true;
    if (*c->p == 'Z' || *c->p == 'z') {
        c->p++;
        return 0;
    }
    bool neg = *c->p == '-';
    if (*c->p != '+' && !neg) return HG_EPARSE;
    c->p++;
    if (!number(c, 2, 2, &h) || !take(c, ':') || !number(c, 2, 2, &m)) return HG_EPARSE;
    if (h > 23 || m > 59) return HG_ERANGE;
    *ret_us = (h * 60 + m) * 60 * US_PER_SEC;
    if (neg) *ret_us = -*ret_us;
    return 0;
}

#define FIRST_DAY INT64_C(-719162) /* 0001-01-01 */
#define LAST_DAY  INT64_C(2932896) /* 9999-12-31 */

int hg_ts_parse(hg_str_t s, bool date_only, int64_t *ret_us, bool *have_zone)
{
    cur_t c = cur_of(s);
    int64_t y, mo, d, h = 0, m = 0, sec = 0, f = 0, off = 0;
    bool have = false;
    if (!number(&c, 4, 4, &y) || !take(&c, '-') || !number(&c, 2, 2, &mo) || !take(&c, '-') || !number(&c, 2, 2, &d))
        return HG_EPARSE;
    if (c.p != c.end || !date_only) {
        if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' ')) return HG_EPARSE;
        if (!number(&c, 2, 2, &h) || !take(&c, ':') || !number(&c, 2, 2, &m) || !take(&c, ':') ||
            !number(&c, 2, 2, &sec))
            return HG_EPARSE;
        if (!fraction(&c, 6, &f)) return HG_EPARSE;
        int rc = zone(&c, &off, &have);
        if (rc < 0) return rc;
        if (c.p != c.end) return HG_EPARSE;
    }
    if (!valid_date(y, mo, d) || h > 23 || m > 59 || sec > 59) return HG_ERANGE;
    int64_t days = hg_days_from_civil((int32_t)y, (int32_t)mo, (int32_t)d);
    int64_t us = days * US_PER_DAY + ((h * 60 + m) * 60 + sec) * US_PER_SEC + f - off;
    if (us < FIRST_DAY * US_PER_DAY || us >= (LAST_DAY + 1) * US_PER_DAY) return HG_ERANGE; /* by its zone */
    *ret_us = us;
    if (have_zone) *have_zone = have;
    return 0;
}

size_t hg_ts_print(char *out, int64_t us, char sep, const char *suffix)
{
    int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
    if (rest < 0) {
        rest += US_PER_DAY;
        days--;
    }
    char *o = put_date(out, (int32_t)days);
    *o++ = sep;
    o = put_clock(o, rest / US_PER_SEC);
    o = put_fraction(o, rest % US_PER_SEC, 6);
    size_t n = strlen(suffix);
    memcpy(o, suffix, n);
    return (size_t)(o + n - out);
}

bool hg_time_is_sql(hg_kind_t kind, hg_str_t s)
{
    size_t first = kind == HG_T_TIME ? 2 : 4; /* digits before the first separator */
    if (s.n <= first || s.p[s.n - 1] == ' ') return false;
    for (size_t i = 0; i < first; i++)
        if (!is_digit(s.p[i])) return false;
    return kind != HG_T_TIME || (s.n >= 8 && s.p[2] == ':' && s.p[5] == ':');
}

/* --- UUID --- */

static int hex(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int hg_uuid_parse(hg_str_t s, uint8_t out[16])
{
    uint8_t v[16];
    int n = 0;
    if (s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}') s = (hg_str_t){ s.p + 1, s.n - 2 };
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-' && n > 0 && n < 32 && n % 4 == 0 && s.p[i - 1] != '-') continue;
        int h = hex(s.p[i]);
        if (h < 0 || n == 32) return HG_EPARSE;
        v[n / 2] = (uint8_t)(n % 2 ? v[n / 2] | h : h << 4);
        n++;
    }
    if (n != 32) return HG_EPARSE;
    memcpy(out, v, 16);
    return 0;
}

size_t hg_uuid_print(char *out, const uint8_t v[16])
{
    static const char digits[] = "0123456789abcdef";
    char *o = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *o++ = '-';
        *o++ = digits[v[i] >> 4];
        *o++ = digits[v[i] & 15];
    }
    return 36;
}

/* --- intervals --- */

enum { F_YEAR, F_MONTH, F_DAY, F_HOUR, F_MINUTE, F_SECOND };

/* The fields of each unit, first and last. */
static const struct {
    uint8_t first, last;
} spans[HG_IV_N] = {
    [HG_IV_DAY] = { F_DAY, F_DAY },
    [HG_IV_DAY_HOUR] = { F_DAY, F_HOUR },
    [HG_IV_DAY_MINUTE] = { F_DAY, F_MINUTE },
    [HG_IV_DAY_SECOND] = { F_DAY, F_SECOND },
    [HG_IV_HOUR] = { F_HOUR, F_HOUR },
    [HG_IV_HOUR_MINUTE] = { F_HOUR, F_MINUTE },
    [HG_IV_HOUR_SECOND] = { F_HOUR, F_SECOND },
    [HG_IV_MINUTE] = { F_MINUTE, F_MINUTE },
    [HG_IV_MINUTE_SECOND] = { F_MINUTE, F_SECOND },
    [HG_IV_SECOND] = { F_SECOND, F_SECOND },
    [HG_IV_YEAR] = { F_YEAR, F_YEAR },
    [HG_IV_YEAR_MONTH] = { F_YEAR, F_MONTH },
    [HG_IV_MONTH] = { F_MONTH, F_MONTH },
};

/* Per field: its size (µs, or months), the character before it when it is not the first, its limit there. */
static const struct {
    int64_t unit;
    char before;
    int64_t limit;
} fields[] = {
    [F_YEAR] = { 12, 0, 0 },
    [F_MONTH] = { 1, '-', 11 },
    [F_DAY] = { US_PER_DAY, 0, 0 },
    [F_HOUR] = { 3600 * US_PER_SEC, ' ', 23 },
    [F_MINUTE] = { 60 * US_PER_SEC, ':', 59 },
    [F_SECOND] = { US_PER_SEC, ':', 59 },
};

static bool next_field(cur_t *c, char before)
{
    if (!take(c, before)) return false;
    while (before == ' ' && take(c, ' ')) continue;
    return true;
}

int hg_interval_parse(hg_str_t s, hg_interval_unit_t unit, int64_t *ret)
{
    cur_t c = cur_of(s);
    int first = spans[unit].first, last = spans[unit].last;
    int64_t total = 0, v;
    bool neg = take(&c, '-');
    if (!neg) take(&c, '+');
    for (int f = first; f <= last; f++) {
        if (f > first && !next_field(&c, fields[f].before)) return HG_EPARSE;
        if (!number(&c, 1, f == first ? 18 : 2, &v)) return HG_EPARSE;
        if (f > first && v > fields[f].limit) return HG_ERANGE;
        if (__builtin_mul_overflow(v, fields[f].unit, &v) || __builtin_add_overflow(total, v, &total)) return HG_ERANGE;
    }
    if (last == F_SECOND) {
        if (!fraction(&c, 6, &v)) return HG_EPARSE;
        if (__builtin_add_overflow(total, v, &total)) return HG_ERANGE;
    }
    if (c.p != c.end) return HG_EPARSE;
    if (last <= F_MONTH && total > INT32_MAX) return HG_ERANGE;
    *ret = neg ? -total : total;
    return 0;
}

size_t hg_interval_print(char *out, int64_t v, hg_interval_unit_t unit)
{
    int first = spans[unit].first, last = spans[unit].last;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    char *o = out;
    *o++ = v < 0 ? '-' : '+';
    for (int f = first; f <= last; f++) {
        uint64_t n = u / (uint64_t)fields[f].unit;
        u %= (uint64_t)fields[f].unit;
        if (f == first) {
            o = put_plain(o, (int64_t)n);
        } else {
            *o++ = fields[f].before;
            o = put_n(o, (int64_t)n, 2);
        }
    }
    if (last == F_SECOND) {
        *o++ = '.';
        o = put_n(o, (int64_t)u, 6);
    }
    return (size_t)(o - out);
}
