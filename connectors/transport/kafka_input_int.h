/* kafka_input_int.h: the Kafka input's configuration and state, shared by kafka_input.c (reading), kafka_config.c
 * (options) and kafka_ask.c (questions to the broker, on the pool). */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_INPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_INPUT_INT_H

#include "connectors/connector.h"
#include "connectors/transport/kafka_int.h"

#define BATCH 1000 /* messages taken from the client at a time */

typedef struct {
    hg_kvlist_t extra; /* librdkafka's options: first member */
    const char *topic;
    hg_strlist_t topics;
    const hg_json_t *start_from, *partitions, *header_filter;
    int log_level;
    uint32_t group_join_timeout, pollers;
    bool resume_earliest, synchronize, headers, include_topic, partition, offset, timestamp;
    const char *region;
} kafka_cfg_t;

typedef struct {
    int32_t id;
    int64_t start;       /* where reading begins; -1 = not resolved */
    int64_t next;        /* offset behind the last message delivered */
    int64_t mark, saved; /* -1 = none */
    bool eof;
    hg_lane_t *lane;
    uint64_t lane_id; /* also after the lane is gone */
} part_t;

typedef enum { ASK_MARK, ASK_START } ask_t;

typedef struct {
    const char *topic;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    hg_kafka_wake_t wake;
    bool wake_open;
    part_t *parts;
    uint32_t n_parts;
    bool running, busy, assigned, closing, ended, marking, posted, unhealthy;
    atomic_bool leaving; /* `closing` for the pool: a question under way is given up */
    rd_kafka_message_t *batch[BATCH];
    uint32_t batch_n, batch_i;
    uv_timer_t *timer;
    unsigned attempts;
    bool client_failed; /* an error event came while the queue was served; told afterwards */
    hg_err_t client_err;
    /* the question under way: written before it is posted to the pool, read after */
    ask_t ask;
    part_t *answer;
    uint32_t n_answer;
    hg_err_t err;
} kafka_t;

typedef enum { FROM_EARLIEST, FROM_LATEST, FROM_OFFSETS, FROM_TIMESTAMP, FROM_BAD } from_t;

/* kafka_config.c */
extern const hg_opt_t hg_kin_opts[];
bool hg_kin_wants_eof(const kafka_cfg_t *c);
bool hg_kin_is_finite(const void *cfg);
bool hg_kin_wants_mark(const void *cfg);
from_t hg_kin_from(const kafka_cfg_t *c);       /* FROM_BAD: complained about by the check */
const char *hg_kin_topic(const kafka_cfg_t *c); /* NULL: complained about by the check */
void hg_kin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d);

/* kafka_ask.c. hg_kin_ask runs on the pool, arg is the hg_input_t: answers k->ask into k->answer and k->err. */
void hg_kin_ask(void *arg, unsigned worker);
int hg_kin_refused(hg_err_t *err, const char *what, rd_kafka_resp_err_t e); /* retryable or fatal by the code */
int hg_kin_broken(hg_err_t *err, const char *fmt, ...) HG_PRINTF(2, 3);     /* fatal */

#endif
