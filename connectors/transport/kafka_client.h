/* kafka_client.h: one librdkafka consumer for all connectors with equal options; and a thread for what blocks. */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_CLIENT_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_CLIENT_H

#include "connectors/transport/kafka_int.h"

typedef struct hg_kafka_use hg_kafka_use_t; /* one connector's share in a client */

typedef struct hg_kafka_want {
    const hg_kvlist_t *extra;
    const hg_kafka_default_t *defaults;
    size_t n_defaults;
    const char *topic;                              /* borrowed until the use is closed, */
    const hg_json_t *partitions;                    /* so is this: a list of numbers, or NULL = all of them */
    hg_loop_t *loop;                                /* the connector's: call-backs come here */
    void (*failed)(void *arg, const hg_err_t *err); /* the client has trouble (retryable) or is lost (fatal) */
    void *arg;
} hg_kafka_want_t;

/* Loop thread of the connector. HG_EINVALTRANSPORT with librdkafka's words. */
int hg_kafka_use_open(const hg_kafka_want_t *want, hg_kafka_use_t **ret, hg_err_t *err);

/* Any thread, while the use is open. */
rd_kafka_t *hg_kafka_use_rk(const hg_kafka_use_t *u);

/* Loop thread. work(arg) runs on the client's thread, after what was asked before, then done(arg) on the loop. One at a
 * time per use. */
void hg_kafka_use_ask(hg_kafka_use_t *u, void (*work)(void *arg), void (*done)(void *arg));

/* Client's thread, inside a work: the client to ask with; not for keeping. */
rd_kafka_t *hg_kafka_use_asker(hg_kafka_use_t *u);

/* Client's thread, inside a work that waits for a broker: lets leaving connectors go and errors be told meanwhile. */
void hg_kafka_use_breathe(hg_kafka_use_t *u);

/* Loop thread, with no question under way: stop(arg), which may be NULL, runs on the client's thread: stop reading,
 * drop queues. Then the client goes with its last user, then done(arg) on the loop. u is gone at once; failed() is not
 * called any more. */
void hg_kafka_use_close(hg_kafka_use_t *u, void (*stop)(void *arg), void (*done)(void *arg));

/* Any thread. Clients of the process, for tests. */
unsigned hg_kafka_clients(void);

#endif
