/* Files of time zones from bytes: what is taken answers for every moment, and what it says of local times agrees with
 * what it says of moments. Damaged files are refused with a message.
 *
 * The first byte picks the moments that are asked for, some six hundred over ten thousand years: a rule costs as much
 * at each as the file does to read. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/zone.h"

#define US INT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ask(const hg_zone_t *z, int64_t utc)
{
    int64_t moments[2], local = (utc + hg_zone_offset(z, utc)) * US + 7;
    int found = hg_zone_moments(z, local, moments);
    for (int i = 0; i < found; i++) {
        int64_t s = (moments[i] - 7) / US;
        HG_ASSERT((s + hg_zone_offset(z, s)) * US + 7 == local);
    }
    HG_ASSERT(found < 2 || moments[0] < moments[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    hg_zone_t *z = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (n == 0) return 0;
    int rc = hg_zone_parse(data + 1, n - 1, &z, &err);
    HG_ASSERT(rc == 0 ? z != NULL : err.msg[0] != 0);
    int64_t step = (97 * 64 + data[0]) * INT64_C(86400) + data[0] * 3607;
    for (int64_t at = INT64_C(-62135596800) + data[0]; rc == 0 && at < INT64_C(253402300800); at += step) ask(z, at);
    hg_zone_free(z);
    return 0;
}
