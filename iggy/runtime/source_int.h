/* source_int.h: the batches that a source's plugin has sent and that were not taken up yet (source_inbox.c). All under
 * the run's bell.lock. */
#ifndef HG_IGGY_RUNTIME_SOURCE_INT_H
#define HG_IGGY_RUNTIME_SOURCE_INT_H

#include "iggy/runtime/runtime_int.h"

typedef struct hg_batch {
    uint64_t id;
    hg_buf_t bytes;  /* and HG_PAYLOAD_PAD more can be read */
    hg_pc_batch_t b; /* points into bytes, wherever this struct is copied to */
} hg_batch_t;

typedef struct hg_inbox {
    bool ahead;                       /* the plugin works ahead of results: hg_plugin_ahead */
    hg_batch_t slot[HG_PLUGIN_AHEAD]; /* a ring */
    uint32_t first, n;
    size_t bytes; /* of the n */
    uint64_t last_id;
    uint64_t turn; /* how often the plugin has begun again behind the last batch that was acknowledged */
    bool refusing; /* until it does */
} hg_inbox_t;

void hg_inbox_init(hg_inbox_t *in, bool ahead);
void hg_inbox_release(hg_inbox_t *in); /* its memory; usable as ever after */
/* HG_EPROTO: no batch. HG_ECANCELED: behind one that was refused. HG_ETOOBIG: more than the plugin may send ahead. */
int hg_inbox_put(hg_inbox_t *in, uint64_t id, hg_str_t bytes, hg_err_t *err);
/* Moves the oldest ones to `to`, whose buffers come in for theirs: up to `most` and, behind the first, `bytes`. How
 * many.
 */
uint32_t hg_inbox_take(hg_inbox_t *in, hg_batch_t *to, uint32_t most, size_t bytes);
/* A batch taken in this turn has failed: what has come behind it, and comes until the plugin begins again, goes. false:
 * it has begun again already. */
bool hg_inbox_refuse(hg_inbox_t *in, uint64_t turn);

#endif
