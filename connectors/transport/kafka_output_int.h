/* kafka_output_int.h: the Kafka output's configuration and state, shared by kafka_output.c (sending) and kafka_txn.c
 * (exactly once), kafka_output_config.c (options). */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_OUTPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_OUTPUT_INT_H

#include "base/list.h"
#include "connectors/connector.h"
#include "connectors/transport/kafka_int.h"

typedef struct {
    hg_kvlist_t extra; /* librdkafka's options: first member */
    const char *topic;
    const hg_json_t *headers, *fault_tolerance;
    int log_level;
    uint32_t init_timeout;
    const char *kafka_service, *region;
} kout_cfg_t;

typedef struct {
    hg_list_t link; /* on kout_t.batches, oldest first */
    uint64_t step;
    uint64_t open; /* messages not acknowledged */
    bool ended;
} batch_t;

typedef struct stuck {
    hg_list_t link; /* on kout_t.stuck or back */
    batch_t *batch;
    size_t key_len, len;
    bool has_key, has_payload;
    char op[16]; /* header `op`; "": none */
    char data[]; /* key, then payload */
} stuck_t;

/* Exactly once: kafka_txn.c. */
typedef enum {
    TXN_OFF,        /* not wanted */
    TXN_STARTING,   /* thread: fence earlier producers, read the stored step */
    TXN_IDLE,       /* no transaction */
    TXN_OPEN,       /* messages are in it */
    TXN_SEALED,     /* whole steps, and nothing more comes in; waits for acknowledgements */
    TXN_COMMITTING, /* thread */
} txn_state_t;

typedef struct {
    txn_state_t state;
    bool busy;                    /* a thread is at work */
    bool failed;                  /* it cannot be committed any more */
    bool taken;                   /* thread: the transactional id is ours */
    atomic_bool leaving;          /* for that thread: give up */
    const char *id;               /* transactional.id */
    char *group;                  /* consumer group of the stored step: the id and the life of the output */
    int64_t begun_us, timeout_us; /* by the clock that goes on while the machine sleeps; transaction.timeout.ms */
    uint64_t step;                /* stored last, or to be stored */
    uv_timer_t *timer;            /* group commit; retries of the start */
    unsigned attempts;
    hg_err_t err;
} ktxn_t;

typedef struct {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic; /* held: a message by topic name costs a search under locks */
    rd_kafka_queue_t *queue;
    hg_kafka_wake_t wake;
    bool wake_open, told_full, stopping, stopped, closing, unhealthy;
    bool refused; /* the broker will go on refusing for a while: only the timer sends again */
    rd_kafka_headers_t *headers;
    hg_list_t batches, stuck;
    hg_list_t back;    /* came back, and what was sent behind that: sent once more when nothing is under way */
    uint64_t underway; /* messages that librdkafka has */
    uv_timer_t *timer; /* retries `stuck` */
    unsigned attempts;
    ktxn_t txn;
} kout_t;

/* kafka_output_config.c: any thread */
extern const hg_opt_t hg_kout_opts[];
void hg_kout_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d);
size_t hg_kout_max_message(const void *cfg, bool exactly_once);
/* librdkafka's options as they apply; in a. */
hg_kvlist_t hg_kout_options(const kout_cfg_t *c, bool exactly_once, hg_arena_t *a);

/* kafka_output_config.c: any thread. Why a message that is refused for good was refused, and what to do: fatal, but for
 * a record of its own that is invalid and may be left out. key.p NULL: it has none. */
void hg_kout_refusal(rd_kafka_resp_err_t e, const char *topic, hg_str_t key, size_t bytes, bool may_skip,
                     hg_err_t *err);

/* kafka_output.c */
void hg_kout_delivered(hg_output_t *out); /* tells of every batch at the front that is complete */
void hg_kout_retry(hg_output_t *out);     /* sends what waits */
void hg_kout_finish_close(hg_output_t *out);

/* kafka_txn.c: loop. What has just made the open transaction fail, in err, fatal: is a producer of its own to try
 * again? */
void hg_ktxn_judge(const kout_t *k, bool may_pass, hg_err_t *err);
/* kafka_txn.c: loop. librdkafka takes no more messages into the open transaction: why. */
void hg_ktxn_why(kout_t *k, hg_err_t *err);
void hg_ktxn_start(hg_output_t *out);               /* → hg_out_resume(), hg_out_ready() */
bool hg_ktxn_open(hg_output_t *out, hg_err_t *err); /* before a message: false = not now (err->code 0), or failed */
bool hg_ktxn_check(hg_output_t *out); /* is a commit due? False: nothing is to be delivered by the caller */
void hg_ktxn_close(hg_output_t *out);

#endif
