/* agg_state_int.h: the two larger parts of an aggregate's state: exact float sums and the set behind DISTINCT. */
#ifndef HG_ENGINE_AGG_STATE_INT_H
#define HG_ENGINE_AGG_STATE_INT_H

#include "data/hash.h"

/* --- agg_float.c: an exact sum of doubles ---
 * The sum as doubles of growing size that do not overlap (J. R. Shewchuk, "Adaptive Precision Floating-Point
 * Arithmetic", 1997), so order does not matter and what was added can be taken away again. Infinities and NaN are only
 * counted. */
typedef struct hg_fsum {
    double *part;
    uint32_t n, cap;
    int64_t nan, pos_inf, neg_inf;
} hg_fsum_t;

int hg_fsum_add(hg_fsum_t *s, double v, int64_t weight); /* 0 or HG_ENOMEM */
double hg_fsum_get(const hg_fsum_t *s);                  /* correctly rounded */
void hg_fsum_release(hg_fsum_t *s);

/* --- agg_distinct.c: the (group, value) pairs seen so far --- */
typedef struct hg_distinct hg_distinct_t;

hg_distinct_t *hg_distinct_new(const hg_type_t *type); /* scalars only */
void hg_distinct_free(hg_distinct_t *d);
/* Hash the rows of the next update; call once before hg_distinct_add for them. HG_ENOMEM. */
int hg_distinct_begin(hg_distinct_t *d, hg_col_t *col);
/* 1: the pair is new, 0: it was there, HG_ENOMEM. */
int hg_distinct_add(hg_distinct_t *d, uint32_t group, const hg_col_t *col, uint32_t row);
size_t hg_distinct_mem(const hg_distinct_t *d);

#endif
