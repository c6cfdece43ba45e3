/* kafka_int.h: what input and output share: client configuration from options, and queue events on a loop. */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_INT_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_INT_H

#include "base/opts.h"
#include "base/loop.h"
#include <librdkafka/rdkafka.h>

typedef struct hg_kafka_default {
    const char *key, *value;
} hg_kafka_default_t;

/* Rows of both option tables; `where` is the field, as .at = offsetof(…). */
#define HG_KAFKA_OPT_LOG_LEVEL(where)                                                                                  \
    {                                                                                                                  \
        .key = "log_level", .type = HG_OPT_ENUM, where,                                                                \
        .names = "emerg|alert|critical|error|warning|notice|info|debug", .def = "error", .flags = HG_OPT_IGNORED,      \
        .doc = "The log level of headgate applies.",                                                                   \
    }
#define HG_KAFKA_OPT_REGION(where)                                                                                     \
    {                                                                                                                  \
        .key = "region", .type = HG_OPT_STR, where, .flags = HG_OPT_IGNORED,                                           \
        .doc = "Tokens of AWS MSK IAM are not offered.",                                                               \
    }

/* Compile time: every librdkafka option must exist and take its value; complaints go to its node. Values that are
 * references
 * (${env:…}) are not judged. */
void hg_kafka_check(const hg_kvlist_t *extra, const char *kind, hg_diag_t *d);

/* A client with defaults first, then the user's options. opaque comes back in call-backs. HG_EINVALTRANSPORT with
 * librdkafka's words. */
int hg_kafka_client(rd_kafka_type_t type, const hg_kvlist_t *extra, const hg_kafka_default_t *defaults,
                    size_t n_defaults, void (*conf)(rd_kafka_conf_t *, void *opaque), void *opaque, rd_kafka_t **ret,
                    hg_err_t *err);
/* kafka_access.c: what programs may reach (base/access.h). Any thread, compile time, before librdkafka sees the option
 * (it loads plugins as soon as they are named): false after a complaint about a server, a file, or an option that gets
 * round limits. */
bool hg_kafka_access(const hg_kv_t *kv, hg_diag_t *d);
/* Brokers that a client hears of later are judged when it looks them up and connects. */
void hg_kafka_access_guard(rd_kafka_conf_t *conf);
const char *hg_kafka_option(const hg_kvlist_t *extra, const char *key); /* the user's value, or NULL */

/* Any thread. work(arg) on a thread of its own, then done(arg) on the loop: what waits for a broker must not hold up
 * the pool that parses. */
void hg_kafka_block(hg_loop_t *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Turns "something is in this queue" into a call on the loop. */
typedef struct hg_kafka_wake {
    uv_poll_t poll;
    int fd;
    void (*fn)(void *arg);
    void (*closed)(void *arg);
    void *arg;
} hg_kafka_wake_t;
/* Loop thread. The object is the caller's and stays until closed() was called. Queues that are on go off before. */
int hg_kafka_wake_open(hg_kafka_wake_t *w, hg_loop_t *loop, void (*fn)(void *), void *arg, hg_err_t *err);
void hg_kafka_wake_on(hg_kafka_wake_t *w, rd_kafka_queue_t *q);
void hg_kafka_wake_off(rd_kafka_queue_t *q);
void hg_kafka_wake_close(hg_kafka_wake_t *w, void (*closed)(void *arg));

/* The value that applies of one of librdkafka's options in ms. Any thread. */
uint64_t hg_kafka_option_ms(rd_kafka_t *rk, const char *key);
/* After so many ms at most the client tries to connect again: reconnect.backoff.max.ms. Any thread. */
uint64_t hg_kafka_reconnect_ms(rd_kafka_t *rk);

/* Is this error one that librdkafka goes on retrying by itself? */
bool hg_kafka_transient(rd_kafka_resp_err_t e);

#endif
