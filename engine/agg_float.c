/* agg_float.c: exact sums of doubles (agg_state_int.h says how). One thread at a time. */
#include "base/hg.h"
#include <math.h>
#include "base/mem.h"
#include "engine/agg_state_int.h"

static int grow(hg_fsum_t *s)
{
    if (s->n < s->cap) return 0;
    uint32_t cap = s->cap ? s->cap * 2 : 4;
    double *p = hg_trygrow(s->part, cap * sizeof *p);
    if (!p) return HG_ENOMEM;
    s->part = p;
    s->cap = cap;
    return 0;
}

static int add_finite(hg_fsum_t *s, double x)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        double y = s->part[i];
        if (fabs(x) < fabs(y)) {
            double t = x;
            x = y;
            y = t;
        }
        double hi = x + y, lo = y - (hi - x);
        if (lo != 0) s->part[kept++] = lo;
        x = hi;
    }
    s->n = kept;
    if (!isfinite(x)) { /* the sum itself left the range of doubles */
        *(x > 0 ? &s->pos_inf : &s->neg_inf) += 1;
        return 0;
    }
    if (x == 0) return 0;
    int rc = grow(s);
    if (rc == 0) s->part[s->n++] = x;
    return rc;
}

int hg_fsum_add(hg_fsum_t *s, double v, int64_t weight)
{
    if (isnan(v))
        s->nan += weight;
    else if (isinf(v))
        *(v > 0 ? &s->pos_inf : &s->neg_inf) += weight;
    else if (weight == 1 || weight == -1)
        return add_finite(s, weight > 0 ? v : -v);
    else {
        /* v * weight as two doubles that are exact together; the weight itself in two halves, each exact as a double */
        int64_t high = weight / (INT64_C(1) << 31) * (INT64_C(1) << 31);
        double w[2] = { (double)high, (double)(weight - high) };
        for (int i = 0; i < 2; i++) {
            double p = v * w[i], e = fma(v, w[i], -p);
            int rc = add_finite(s, p);
            if (rc == 0 && isfinite(p)) rc = add_finite(s, e);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

double hg_fsum_get(const hg_fsum_t *s)
{
    if (s->nan || (s->pos_inf && s->neg_inf)) return (double)NAN;
    if (s->pos_inf || s->neg_inf) return s->pos_inf ? (double)INFINITY : -(double)INFINITY;
    if (s->n == 0) return 0;
    uint32_t i = s->n - 1;
    double hi = s->part[i], lo = 0;
    while (i > 0) {
        double x = hi, y = s->part[--i];
        hi = x + y;
        lo = y - (hi - x);
        if (lo != 0) break;
    }
    /* half way between two doubles: what is left below decides */
    if (i > 0 && ((lo < 0 && s->part[i - 1] < 0) || (lo > 0 && s->part[i - 1] > 0))) {
        double y = lo * 2, x = hi + y;
        if (y == x - hi) hi = x;
    }
    return hi;
}

void hg_fsum_release(hg_fsum_t *s)
{
    hg_free(s->part);
}
