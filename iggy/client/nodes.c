/* nodes.c: the addresses of a cluster. */
#include "iggy/client/nodes.h"
#include "base/hg.h"
#include "base/mem.h"

static hg_str_t plain(hg_str_t host)
{
    return hg_str_ieq(host, HG_S("localhost")) ? HG_S("127.0.0.1") : host;
}

bool iggy_same_place(const char *host, uint16_t port, hg_str_t other, uint16_t other_port)
{
    return port == other_port && hg_str_ieq(plain(hg_strz(host)), plain(other));
}

void iggy_nodes_clear(iggy_nodes_t *nodes)
{
    while (nodes->n) hg_free(nodes->at[--nodes->n].host);
}

void iggy_nodes_add(iggy_nodes_t *nodes, hg_str_t host, uint16_t port)
{
    for (unsigned i = 0; i < nodes->n; i++)
        if (iggy_same_place(nodes->at[i].host, nodes->at[i].port, host, port)) return;
    if (nodes->n < HG_COUNT(nodes->at)) nodes->at[nodes->n++] = (iggy_place_t){ hg_xstrndup(host.p, host.n), port };
}

const iggy_place_t *iggy_nodes_turn(const iggy_nodes_t *nodes, uint64_t failures)
{
    return &nodes->at[(failures - 1) % nodes->n];
}
