/* zone_int.h: what follows after the last change that a zone's file lists: the rule of POSIX TZ in its last line. */
#ifndef HG_DATA_ZONE_INT_H
#define HG_DATA_ZONE_INT_H

#include "data/zone.h"

typedef struct hg_zone_day { /* of a year, and a time of that day */
    char kind;               /* 'J': day n of 1..365, never 29 February; 'n': n of 0..365; 'M': weekday */
    int32_t n;
    int32_t month, week, weekday; /* the week-th (5: the last) weekday (0 = Sunday) of the month */
    int32_t secs;                 /* from its midnight; may be days off */
} hg_zone_day_t;

typedef struct hg_zone_rule {
    int32_t standard, summer; /* seconds ahead of UTC */
    bool changes;             /* summer time from `begin`, standard time from `end`, every year */
    hg_zone_day_t begin, end;
} hg_zone_rule_t;

/* "CET-1CEST,M3.5.0,M10.5.0/3". false: it is no such rule. */
bool hg_zone_rule_parse(hg_str_t s, hg_zone_rule_t *ret);
int32_t hg_zone_rule_offset(const hg_zone_rule_t *r, int64_t utc);

#endif
