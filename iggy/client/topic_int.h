/* topic_int.h: is the topic there, how many partitions has it, and if not, make it. For producer and consumer. */
#ifndef HG_IGGY_CLIENT_TOPIC_INT_H
#define HG_IGGY_CLIENT_TOPIC_INT_H

#include "iggy/client/client.h"

/* A stream or topic, its name owned. */
hg_iggy_id_t iggy_id_copy(hg_iggy_id_t id);
void iggy_id_release(hg_iggy_id_t *id);

typedef struct iggy_find {
    hg_iggy_id_t stream, topic; /* borrowed while it lasts */
    bool create, durable;
    uint32_t partitions; /* of a topic that is made */
    hg_iggy_topic_opts_t opts;
    /* err NULL: n partitions. HG_ENOTFOUND: it is not there, and not to be made. Not called when the connection is
     * lost: its own call-back tells that. */
    void (*found)(void *arg, uint32_t n, const hg_err_t *err);
    void *arg;
    hg_iggy_t *conn;
    bool made; /* look once more, then it has to be there */
} iggy_find_t;

void iggy_find(iggy_find_t *f);

#endif
