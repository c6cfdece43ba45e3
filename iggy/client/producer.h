/* producer.h: messages into one topic, batched, in order, at least once.
 *
 *   add ─► open batch (one, or one per partition) ─► size, count or linger ─► queue ─► one request at a time ─►
 * delivered
 *
 * Everything on the loop's thread. What was added is kept until the server has confirmed it: a batch whose answer was
 * lost is sent again over the next connection, before anything behind it, so messages of a partition never change
 * places (some may be there twice: delivery says so). A batch that the server refuses for good goes to `refused`. */
#ifndef HG_IGGY_CLIENT_PRODUCER_H
#define HG_IGGY_CLIENT_PRODUCER_H

#include "iggy/client/client.h"

typedef enum {
    HG_IGGY_BALANCED, /* batch after batch, the partitions in turn */
    HG_IGGY_BY_KEY,   /* a key always into the same partition, while their number stays; without a key: balanced */
    HG_IGGY_FIXED,    /* opts.partition */
} hg_iggy_partitioning_t;

typedef struct hg_iggy_producer_opts {
    hg_iggy_id_t stream, topic; /* copied */
    hg_iggy_partitioning_t partitioning;
    uint32_t partition;
    uint32_t batch_count; /* messages; 0: 1000 */
    size_t batch_bytes;   /* 0: 1 MiB */
    uint64_t linger_ms;   /* how long a batch may wait for more; 0: until the loop's turn ends */
    size_t buffer_bytes;  /* of all that is not confirmed; 0: 32 MiB */
    bool create;          /* a stream and topic that are missing (and have names) */
    uint32_t partitions;  /* of a topic that is created; 0: 1 */
    hg_iggy_topic_opts_t topic_opts;
    bool durable; /* of a topic that is created: what is confirmed survives a crash of the server. Slower */
} hg_iggy_producer_opts_t;

typedef struct hg_iggy_delivery {
    uint32_t partition;
    uint32_t count;
    bool has_offset; /* some answers do not tell it */
    uint64_t base_offset;
    bool twice;    /* sent again after an answer was lost: the partition may have these messages twice */
    uint64_t done; /* every message with a tag below this one is confirmed or refused; UINT64_MAX: nothing is open */
} hg_iggy_delivery_t;

typedef struct hg_iggy_producer hg_iggy_producer_t;

typedef struct hg_iggy_producer_ops {
    /* Connected, topic there: add takes messages. Again after each down. */
    void (*ready)(void *arg, const hg_iggy_server_t *server);
    /* Lost, is being made again. add goes on to take messages until the buffer is full. */
    void (*down)(void *arg, const hg_err_t *err);
    void (*fatal)(void *arg, const hg_err_t *err); /* nothing will be sent any more: only close */
    void (*delivered)(void *arg, const hg_iggy_delivery_t *d);
    /* The server does not take this batch, whatever the connection. true: leave it out and go on; false: fatal. */
    bool (*refused)(void *arg, const hg_iggy_delivery_t *d, const hg_err_t *err);
    /* After an add that was told HG_EAGAIN: half of the buffer is free again. */
    void (*room)(void *arg);
} hg_iggy_producer_ops_t;

hg_iggy_producer_t *hg_iggy_producer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_producer_opts_t *opts, const hg_iggy_producer_ops_t *ops,
                                          void *arg);

/* Copies m. key: only with BY_KEY, 1..255 bytes, or empty. tag: the caller's, never smaller than the one before; see
 * delivery.done. HG_EAGAIN: before the first ready, or the buffer is full (`room` will come). HG_ETOOBIG, HG_EINVAL:
 * this message never will do; the next one may. */
int hg_iggy_producer_add(hg_iggy_producer_t *p, const hg_iggy_message_t *m, hg_str_t key, uint64_t tag, hg_err_t *err);
/* Do not wait for more: what is there goes out now. */
void hg_iggy_producer_flush(hg_iggy_producer_t *p);
/* Added and neither delivered nor refused. */
uint64_t hg_iggy_producer_open_messages(const hg_iggy_producer_t *p);
size_t hg_iggy_producer_open_bytes(const hg_iggy_producer_t *p);
uint32_t hg_iggy_producer_partitions(const hg_iggy_producer_t *p); /* of the topic; 0: not known yet */

/* What is open is dropped, without a call-back: flush and wait for `delivered` first. closed: last, always later. */
void hg_iggy_producer_close(hg_iggy_producer_t *p, void (*closed)(void *arg), void *arg);

#endif
