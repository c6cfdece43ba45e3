/* kernel_time_int.h: between the kernels of dates and times; engine-internal. */
#ifndef HG_ENGINE_KERNEL_TIME_INT_H
#define HG_ENGINE_KERNEL_TIME_INT_H

#include "engine/eval_int.h"

int hg_month_days(int32_t y, int32_t m); /* m: 1..12 */
bool hg_add_months(int64_t days, int64_t months,
                   int64_t *ret); /* clamped to the month's end; false: outside the years 1..9999 */
bool hg_unit_size(hg_unit_t u, int64_t *months, int64_t *us); /* false: not a unit to move by */

#endif
