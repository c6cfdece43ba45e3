/* usage.h: how much is in storage, and for how long: bytes integrated over time. Pure; the caller locks and has the
 * clock. All zero: nothing yet.
 */
#ifndef HG_PIPELINE_USAGE_H
#define HG_PIPELINE_USAGE_H

#include <stdint.h>

typedef struct hg_usage {
    uint64_t bytes;
    int64_t since_us; /* monotonic: since when; 0 = never set */
    uint64_t kb_secs; /* before that: 10^3 byte seconds, so that a TB for centuries fits */
} hg_usage_t;

void hg_usage_set(hg_usage_t *u, uint64_t bytes, int64_t mono_us);
/* Megabyte seconds (10^6) until now. */
uint64_t hg_usage_mb_secs(const hg_usage_t *u, int64_t mono_us);

#endif
