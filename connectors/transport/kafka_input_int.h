/* kafka_input_int.h: the Kafka input's configuration and state, shared by kafka_input.c (reading), kafka_config.c
 * (options) and kafka_ask.c (questions to the broker), kafka_take.c (messages out of
 * queues). */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_INPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_INPUT_INT_H

#include "connectors/connector.h"
#include "connectors/transport/kafka_client.h"
#include "connectors/transport/kafka_filter.h"

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
    int64_t low, high;   /* answers: oldest offset, and the one behind the newest */
    int64_t base;        /* merged: behind the last message that left the log */
    bool eof;
    hg_lane_t *lane;
    uint64_t lane_id; /* also after the lane is gone */
} part_t;

/* Messages of one queue. */
typedef struct {
    rd_kafka_queue_t *queue;
    rd_kafka_message_t **batch;
    uint32_t n, i; /* taken from the client, and of those delivered */
} src_t;

/* One message in the merged order: its partition (index) and the offset behind it. */
typedef struct {
    int64_t next;
    uint32_t part;
} merged_t;

/* The merged order of synchronize_partitions is one lane whose positions count messages. What the circuit has not taken
 * yet is remembered here, so that a count becomes offsets again. A ring. */
typedef struct {
    hg_lane_t *lane;
    uint64_t lane_id;
    uint64_t first, next; /* counts: [first, next) are in the ring */
    merged_t *ring;
    uint64_t cap; /* a power of two, or 0 */
} merge_t;

typedef enum { ASK_MARK, ASK_START, ASK_LOST, ASK_LAG } ask_t;

typedef struct {
    const char *topic;
    hg_kfilter_t *filter; /* NULL: everything passes */
    hg_buf_t meta;        /* of the message that is being given, where a DEFAULT reads it */
    bool wants_meta;
    hg_kafka_use_t *use;
    rd_kafka_topic_t *rkt;
    hg_kafka_wake_t wake;
    bool wake_open;
    part_t *parts;
    uint32_t n_parts;
    src_t *src; /* one, or with synchronize_partitions one per partition, in their order */
    uint32_t n_src, batch;
    size_t given_bytes; /* since the fetches were last known to go on */
    bool running, busy, assigned, closing, ended, posted, unhealthy, lost;
    int32_t lost_id;     /* lost: the broker has refused the next offset of this partition */
    atomic_bool leaving; /* `closing` for the client's thread: a question under way is given up */
    merge_t merge;
    uv_timer_t *timer;
    unsigned attempts;
    /* the question under way: written before it is posted to the client's thread, read after */
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
const char *hg_kin_no_replay(const void *cfg);
from_t hg_kin_from(const kafka_cfg_t *c);       /* FROM_BAD: complained about by the check */
const char *hg_kin_topic(const kafka_cfg_t *c); /* NULL: complained about by the check */
void hg_kin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d);

/* kafka_ask.c. hg_kin_ask runs on the client's thread, arg is the hg_input_t: answers k->ask into k->answer, k->err. */
void hg_kin_ask(void *arg);
/* Trying again may help: also where a broker does not know a partition, or not yet again, that another answer has
 * named. */
bool hg_kin_may_pass(rd_kafka_resp_err_t e);
int hg_kin_refused(hg_err_t *err, const char *what, rd_kafka_resp_err_t e); /* retryable or fatal by the code */
int hg_kin_broken(hg_err_t *err, const char *fmt, ...) HG_PRINTF(2, 3);     /* fatal */

/* kafka_take.c: loop. The next message to deliver, whose end is rd_kafka_message_destroy; errors first, then in order
 * of timestamps where that is wanted. NULL: none for now. */
void hg_kin_take_open(kafka_t *k, bool synchronize);
rd_kafka_message_t *hg_kin_take(kafka_t *k, bool refill);
void hg_kin_take_drop(kafka_t *k);                   /* what was taken and not delivered */
bool hg_kin_take_idle(const kafka_t *k);             /* nothing taken is left */
void hg_kin_merge_add(kafka_t *k, uint32_t part);    /* the message at k->merge.next was delivered */
void hg_kin_merge_prune(kafka_t *k, uint64_t taken); /* the circuit has taken everything before this count */
/* Where partition `part` stands once the circuit has taken everything before this count. */
void hg_kin_merge_offsets(const kafka_t *k, uint64_t taken, int64_t *ret_offsets);
part_t *hg_kin_part(kafka_t *k, int32_t id);

/* kafka_meta.c: fills buf with the metadata of a message. HG_ENOMEM. */
int hg_kmeta(const kafka_cfg_t *c, const char *topic, const rd_kafka_message_t *m, hg_buf_t *buf);

#endif
