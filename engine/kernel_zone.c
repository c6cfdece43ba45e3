/* kernel_zone.c: CONVERT_TIMEZONE. Zones are names of the tz database or offsets. */
#include "base/hg.h"
#include "data/zone.h"
#include "engine/eval_int.h"

typedef struct {
    const hg_zone_t *named; /* NULL: it is an offset */
    int64_t ahead_us;
    bool known;
} where_t;

static bool two_digits(hg_str_t *s, int64_t most, int64_t *ret)
{
    if (s->n < 2 || s->p[0] < '0' || s->p[0] > '9' || s->p[1] < '0' || s->p[1] > '9') return false;
    *ret = (s->p[0] - '0') * 10 + (s->p[1] - '0');
    s->p += 2;
    s->n -= 2;
    return *ret <= most;
}

/* {+|-}HH[:MM[:SS]] */
static bool offset(hg_str_t s, int64_t *ret_us)
{
    static const int64_t most[] = { 23, 59, 59 };
    int64_t part[3] = { 0 };
    if (s.n == 0 || (s.p[0] != '+' && s.p[0] != '-')) return false;
    bool west = s.p[0] == '-';
    for (uint32_t k = 0; k < 3 && (k == 0 || s.n > 0); k++) {
        if (k && s.p[0] != ':') return false;
        s = (hg_str_t){ s.p + 1, s.n - 1 };
        if (!two_digits(&s, most[k], &part[k])) return false;
    }
    *ret_us = ((part[0] * 60 + part[1]) * 60 + part[2]) * HG_US_SECOND * (west ? -1 : 1);
    return s.n == 0;
}

static void find(hg_str_t name, where_t *ret)
{
    *ret = (where_t){ .named = hg_zone_named(name) };
    ret->known = ret->named || offset(name, &ret->ahead_us);
}

/* false: clocks never show this there, or twice. */
static bool to_utc(const where_t *w, int64_t local, int64_t *ret)
{
    int64_t moments[2];
    *ret = local - w->ahead_us;
    if (!w->named) return true;
    bool one = hg_zone_moments(w->named, local, moments) == 1;
    *ret = moments[0];
    return one;
}

static int64_t to_local(const where_t *w, int64_t utc)
{
    if (!w->named) return utc + w->ahead_us;
    return utc + hg_zone_offset(w->named, hg_floor_div(utc, HG_US_SECOND)) * HG_US_SECOND;
}

int hg_k_convert_timezone(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    where_t where[2] = { { 0 }, { 0 } };
    hg_str_t last[2] = { { NULL, 0 }, { NULL, 0 } };
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t utc, v = 0;
        bool ok = hg_call_valid(c, i);
        for (uint32_t k = 0; k < 2 && ok; k++) {
            hg_str_t name = hg_vec_str(&args[k], i);
            if (!last[k].p || !hg_str_eq(name, last[k])) find(name, &where[k]);
            last[k] = name;
        }
        ok = ok && where[0].known && where[1].known && to_utc(&where[0], hg_vec_i64(&args[2], i), &utc);
        if (ok) v = to_local(&where[1], utc);
        if (!ok || v < HG_TS_MIN || v > HG_TS_MAX) {
            hg_bit_clear(c->valid, i);
            v = 0;
        }
        HG_COL(out, int64_t)[i] = v;
    }
    return 0;
}
