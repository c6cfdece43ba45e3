/* zone_rule.c: rules of POSIX TZ. See zone_int.h. */
#include "base/hg.h"
#include "data/text.h"
#include "data/zone_int.h"

#define DAY INT64_C(86400)

/* --- reading ----------------------------------------------------------------------------------------------------- */

static bool take(hg_str_t *s, char c)
{
    if (s->n == 0 || s->p[0] != c) return false;
    s->p++;
    s->n--;
    return true;
}

static bool number(hg_str_t *s, int32_t min, int32_t max, int32_t *ret)
{
    int32_t v = 0;
    size_t n = 0;
    for (; n < s->n && n < 3 && s->p[n] >= '0' && s->p[n] <= '9'; n++) v = v * 10 + (s->p[n] - '0');
    s->p += n;
    s->n -= n;
    *ret = v;
    return n > 0 && v >= min && v <= max;
}

/* [+-]h[:m[:s]] */
static bool clock_time(hg_str_t *s, int32_t most_hours, int32_t *ret)
{
    int32_t h, m = 0, sec = 0;
    bool negative = take(s, '-');
    if (!negative) take(s, '+');
    if (!number(s, 0, most_hours, &h)) return false;
    if (take(s, ':') && (!number(s, 0, 59, &m) || (take(s, ':') && !number(s, 0, 59, &sec)))) return false;
    *ret = (h * 60 + m) * 60 + sec;
    if (negative) *ret = -*ret;
    return true;
}

/* A name of the time: letters, or anything in <…>. */
static bool name(hg_str_t *s)
{
    size_t n = 0;
    bool quoted = take(s, '<');
    while (n < s->n &&
           (quoted ? s->p[n] != '>' : (s->p[n] >= 'a' && s->p[n] <= 'z') || (s->p[n] >= 'A' && s->p[n] <= 'Z')))
        n++;
    s->p += n;
    s->n -= n;
    return n > 0 && (!quoted || take(s, '>'));
}

static bool day(hg_str_t *s, hg_zone_day_t *d)
{
    bool ok;
    *d = (hg_zone_day_t){ .kind = 'n', .secs = 2 * 3600 };
    if (take(s, 'M')) {
        d->kind = 'M';
        ok = number(s, 1, 12, &d->month) && take(s, '.') && number(s, 1, 5, &d->week) && take(s, '.') &&
             number(s, 0, 6, &d->weekday);
    } else if (take(s, 'J')) {
        d->kind = 'J';
        ok = number(s, 1, 365, &d->n);
    } else {
        ok = number(s, 0, 365, &d->n);
    }
    return ok && (!take(s, '/') || clock_time(s, 167, &d->secs));
}

bool hg_zone_rule_parse(hg_str_t s, hg_zone_rule_t *r)
{
    int32_t west;
    *r = (hg_zone_rule_t){ 0 };
    if (!name(&s) || !clock_time(&s, 24, &west)) return false;
    r->standard = -west; /* POSIX counts westward */
    r->summer = r->standard + 3600;
    if (s.n == 0) return true;
    if (!name(&s)) return false;
    if (s.n > 0 && s.p[0] != ',') {
        if (!clock_time(&s, 24, &west)) return false;
        r->summer = -west;
    }
    r->changes = true;
    return take(&s, ',') && day(&s, &r->begin) && take(&s, ',') && day(&s, &r->end) && s.n == 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

static int32_t days_of(const hg_zone_day_t *d, int32_t year)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (d->kind == 'n') return hg_days_from_civil(year, 1, 1) + d->n;
    if (d->kind == 'J') return hg_days_from_civil(year, 1, 1) + d->n - 1 + (leap && d->n >= 60);
    int32_t first = hg_days_from_civil(year, d->month, 1);
    int32_t next = d->month == 12 ? hg_days_from_civil(year + 1, 1, 1) : hg_days_from_civil(year, d->month + 1, 1);
    int32_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970 began on a Thursday */
    int32_t at = first + (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;
    return at < next ? at : at - 7;
}

int32_t hg_zone_rule_offset(const hg_zone_rule_t *r, int64_t utc)
{
    int32_t year, m, d, offset = r->standard;
    int64_t latest = INT64_MIN, days = utc / DAY - (utc % DAY < 0);
    if (!r->changes) return r->standard;
    hg_civil_from_days((int32_t)days, &year, &m, &d);
    /* the latest change that has been: times of a day reach into the years beside */
    for (int32_t y = year - 1; y <= year + 1; y++) {
        int64_t end = days_of(&r->end, y) * DAY + r->end.secs - r->summer;
        int64_t begin = days_of(&r->begin, y) * DAY + r->begin.secs - r->standard;
        if (end <= utc && end >= latest) {
            latest = end;
            offset = r->standard;
        }
        if (begin <= utc && begin >= latest) { /* where both fall together, summer time goes on */
            latest = begin;
            offset = r->summer;
        }
    }
    return offset;
}
