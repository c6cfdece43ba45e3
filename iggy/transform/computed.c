/* computed.c: values that are made when they are put in: times and identifiers. Clock and dice are the scratch's, so
 * that a test can stop the one and load the others. */
#include "base/hg.h"
#include "data/text.h"
#include "iggy/transform/fields_int.h"

#define NS_PER_S INT64_C(1000000000)

static char *digits(char *w, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10) w[i] = (char)('0' + v % 10);
    return w + n;
}

/* RFC 3339 with 0, 3, 6 or 9 digits of a fraction, as needed. */
static size_t date_time(char *out, int64_t now)
{
    int64_t secs = now / NS_PER_S, frac = now % NS_PER_S;
    if (frac < 0) secs--, frac += NS_PER_S;
    int64_t days = secs / 86400, of_day = secs % 86400;
    if (of_day < 0) days--, of_day += 86400;
    int32_t y, m, d;
    hg_civil_from_days((int32_t)days, &y, &m, &d);
    char *w = out;
    *w++ = '"';
    w = digits(w, (uint64_t)y, 4);
    *w++ = '-';
    w = digits(w, (uint64_t)m, 2);
    *w++ = '-';
    w = digits(w, (uint64_t)d, 2);
    *w++ = 'T';
    w = digits(w, (uint64_t)of_day / 3600, 2);
    *w++ = ':';
    w = digits(w, (uint64_t)of_day / 60 % 60, 2);
    *w++ = ':';
    w = digits(w, (uint64_t)of_day % 60, 2);
    if (frac) {
        *w++ = '.';
        w = frac % 1000      ? digits(w, (uint64_t)frac, 9)
            : frac % 1000000 ? digits(w, (uint64_t)frac / 1000, 6)
                             : digits(w, (uint64_t)frac / 1000000, 3);
    }
    memcpy(w, "+00:00\"", 7);
    return (size_t)(w + 7 - out);
}

static size_t number(char *out, int64_t v)
{
    char tmp[20], *w = tmp + sizeof tmp;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do {
        *--w = (char)('0' + u % 10);
    } while (u /= 10);
    size_t n = (size_t)(tmp + sizeof tmp - w), sign = v < 0;
    if (sign) *out = '-';
    memcpy(out + sign, w, n);
    return n + sign;
}

static size_t uuid(char *out, uint8_t id[16], unsigned version)
{
    id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    out[0] = '"';
    hg_uuid_print(out + 1, id);
    out[37] = '"';
    return 38;
}

/* Time in front; within a millisecond a counter makes them rise (RFC 9562, method 1: 12 bits; it borrows from the time
 * when they are used up). */
static size_t uuid_v7(char *out, hg_scratch_t *s)
{
    uint8_t id[16];
    uint32_t tick;
    hg_scratch_random(s, id + 8, 8);
    uint64_t ms = hg_scratch_rising(s, &tick);
    for (int i = 0; i < 6; i++) id[i] = (uint8_t)(ms >> (40 - 8 * i));
    id[6] = (uint8_t)(tick >> 8);
    id[7] = (uint8_t)tick;
    return uuid(out, id, 7);
}

hg_str_t hg_computed_text(hg_computed_t kind, hg_scratch_t *s)
{
    char *out = hg_scratch_value(s, 64);
    uint8_t id[16];
    size_t n;
    if (!out) return (hg_str_t){ NULL, 0 };
    switch (kind) {
    case HG_CV_UUID_V4:
        hg_scratch_random(s, id, sizeof id);
        n = uuid(out, id, 4);
        break;
    case HG_CV_UUID_V7:
        n = uuid_v7(out, s);
        break;
    case HG_CV_DATE_TIME:
        n = date_time(out, hg_scratch_now(s));
        break;
    case HG_CV_TS_MICROS:
        n = number(out, hg_scratch_now(s) / 1000);
        break;
    case HG_CV_TS_MILLIS:
        n = number(out, hg_scratch_now(s) / 1000000);
        break;
    case HG_CV_TS_SECONDS:
        n = number(out, hg_scratch_now(s) / NS_PER_S);
        break;
    case HG_CV_TS_NANOS:
    case HG_CV_STATIC:
    case HG_CV_N:
    default:
        n = number(out, hg_scratch_now(s));
    }
    return (hg_str_t){ out, n };
}
