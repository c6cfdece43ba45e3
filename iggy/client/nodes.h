/* nodes.h: where a connection may be tried: the address it was given, and the nodes of its cluster as the last answer
 * named them. A node that is gone takes with it what it knew, so those that it named are remembered beyond it. Threads:
 * the connection's loop. */
#ifndef HG_IGGY_CLIENT_NODES_H
#define HG_IGGY_CLIENT_NODES_H

#include "iggy/client/types.h"

#define IGGY_NODES 64 /* of a cluster, at most, that are remembered */

typedef struct iggy_place {
    char *host; /* owned */
    uint16_t port;
} iggy_place_t;

typedef struct iggy_nodes {
    iggy_place_t at[IGGY_NODES + 1]; /* no two alike */
    unsigned n;                      /* of at; 0: as if nobody was asked yet */
} iggy_nodes_t;

/* Whether both are one address: localhost is 127.0.0.1, and case does not count. */
bool iggy_same_place(const char *host, uint16_t port, hg_str_t other, uint16_t other_port);

void iggy_nodes_clear(iggy_nodes_t *nodes);

/* Behind those that are there; nothing if it is there already, or if there are too many. */
void iggy_nodes_add(iggy_nodes_t *nodes, hg_str_t host, uint16_t port);

/* Where the attempt after `failures` (1 or more) in a row goes: each place in its turn. There must be one. */
const iggy_place_t *iggy_nodes_turn(const iggy_nodes_t *nodes, uint64_t failures);

#endif
