/* consumer_int.h: how long a consumer waits that has found nothing. */
#ifndef HG_IGGY_CLIENT_CONSUMER_INT_H
#define HG_IGGY_CLIENT_CONSUMER_INT_H

#include "base/hg.h"

#define IGGY_IDLE_LEAST 200  /* ms between polls that it may come to, however few partitions there are */
#define IGGY_IDLE_MOST  1000 /* and however many */
#define IGGY_IDLE_EACH  50   /* ms per partition: so many questions cost an idle consumer next to nothing */

/* The wait after a round of polls that brought nothing, in milliseconds: an eighth of the time for which nothing has
 * come, so what comes after a pause is late by an eighth of the pause at most, within poll_ms and the bounds above. */
static inline uint64_t iggy_idle_ms(uint64_t poll_ms, uint64_t quiet_ms, uint32_t partitions)
{
    uint64_t most =
        HG_MIN(HG_MAX((uint64_t)IGGY_IDLE_EACH * partitions, (uint64_t)IGGY_IDLE_LEAST), (uint64_t)IGGY_IDLE_MOST);
    return HG_MAX(poll_ms, HG_MIN(quiet_ms / 8, most));
}

#endif
