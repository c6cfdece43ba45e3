/* access_int.h: limits as access.c (making, hosts) and access_path.c (files) share them. */
#ifndef HG_BASE_ACCESS_INT_H
#define HG_BASE_ACCESS_INT_H

#include "base/access.h"
#include "base/arena.h"

typedef enum { HG_AP_ANY, HG_AP_NAME, HG_AP_BELOW, HG_AP_NET } hg_access_kind_t;

typedef struct hg_access_host_pattern {
    hg_access_kind_t kind;
    const char *text;
    hg_str_t name;   /* NAME; BELOW: ".domain" */
    uint8_t net[16]; /* NET: IPv6, IPv4 as ::ffff:a.b.c.d */
    unsigned bits;   /* of net */
    unsigned port;   /* 0 = any */
} hg_access_pattern_t;

struct hg_access {
    hg_arena_t *arena;
    const char **paths, **denied; /* canonical */
    size_t n_paths, n_denied;
    hg_access_pattern_t *hosts;
    size_t n_hosts;
    bool deny_private;
};

extern hg_access_t *hg_access_in_force; /* NULL: no limits; written before there are threads */

#endif
