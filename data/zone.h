/* zone.h: time zones by name, from the system's tz database (TZif files, RFC 8536), without touching the process's TZ.
 *
 * A zone is read once per process, when it is first asked for, and stays; so a name means the same as long as the
 * process lives. Any thread.
 */
#ifndef HG_DATA_ZONE_H
#define HG_DATA_ZONE_H

#include "data/type.h"

typedef struct hg_zone hg_zone_t;

/* "Europe/Paris", with its capitals; of the folder TZDIR, or /usr/share/zoneinfo. NULL: there is none. */
const hg_zone_t *hg_zone_named(hg_str_t name);
/* Where names are looked for. */
const char *hg_zone_dir(void);

/* Seconds that local time is ahead at a moment, in seconds since 1970 UTC. */
int32_t hg_zone_offset(const hg_zone_t *z, int64_t utc);
/* The moments, in microseconds, at which clocks in the zone show local_us: ret[0] before ret[1]. How many there are: 1;
 * 2 where clocks were put back; 0 where they were put forward, then ret[0] is what it would have been without. */
int hg_zone_moments(const hg_zone_t *z, int64_t local_us, int64_t ret[2]);

/* The contents of a TZif file of version 2 or later. HG_EPARSE, HG_ENOMEM. The caller frees it. */
int hg_zone_parse(const void *data, size_t n, hg_zone_t **ret, hg_err_t *err);
void hg_zone_free(hg_zone_t *z);

#endif
