/* number_int.h: JSON numbers compared by their digits, whatever their size. */
#ifndef HG_IGGY_TRANSFORM_NUMBER_INT_H
#define HG_IGGY_TRANSFORM_NUMBER_INT_H

#include "base/buf.h"

/* <0, 0, >0 as a is less than, equal to, greater than b; both are valid JSON numbers. Exact: 2^63 and 0.1 are what they
 * say. Exponents beyond a billion count as a billion. */
int hg_number_cmp(hg_str_t a, hg_str_t b);
bool hg_is_number(hg_str_t json);

#endif
