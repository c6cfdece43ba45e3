/* types.h: what Iggy's wire carries: commands, messages, and what replies hold. No I/O, any thread.
 *
 * Facts: Apache Iggy, protocol 0.11 (256-byte headers: "VSR") and the classic framing of servers 0.7 and 0.8. A command
 * is the same struct for both; how it is written down is the codec's business (wire.h).
 *
 * Times are microseconds since 1970. Nothing here owns what its slices point at, except hg_iggy_batch_t. */
#ifndef HG_IGGY_CLIENT_TYPES_H
#define HG_IGGY_CLIENT_TYPES_H

#include "base/buf.h"
#include "base/err.h"

typedef enum { HG_IGGY_AUTO, HG_IGGY_VSR, HG_IGGY_CLASSIC } hg_iggy_proto_t;

#define HG_IGGY_PORT        8090
#define HG_IGGY_MAX_NAME    255
#define HG_IGGY_MAX_PAYLOAD 64000000 /* of one message */
#define HG_IGGY_MAX_HEADERS 100000   /* all user headers of one message */
#define HG_IGGY_MAX_FRAME   ((size_t)64 << 20)
#define HG_IGGY_NEVER       UINT64_MAX /* an expiry; a size that is not limited */

/* --- names ------------------------------------------------------------------------------------------------------ */

/* A stream, topic, group or consumer: by name when name.n > 0, otherwise by number (from 0). */
typedef struct hg_iggy_id {
    hg_str_t name;
    uint32_t num;
} hg_iggy_id_t;

static inline hg_iggy_id_t hg_iggy_named(hg_str_t name)
{
    return (hg_iggy_id_t){ .name = name };
}
static inline hg_iggy_id_t hg_iggy_num(uint32_t num)
{
    return (hg_iggy_id_t){ .num = num };
}
/* As Iggy's tools read an argument: digits are a number, all else is a name. */
hg_iggy_id_t hg_iggy_id_of(hg_str_t text);

typedef struct hg_iggy_consumer_id {
    bool group;
    hg_iggy_id_t id;
} hg_iggy_consumer_id_t;

/* Where a poll starts. value: of OFFSET the offset, of TIMESTAMP microseconds, otherwise 0. */
typedef enum {
    HG_IGGY_OFFSET = 1,
    HG_IGGY_TIMESTAMP = 2,
    HG_IGGY_FIRST = 3,
    HG_IGGY_LAST = 4, /* the newest `count` messages */
    HG_IGGY_NEXT = 5, /* after the offset that is stored for the consumer; all when none is */
} hg_iggy_from_t;

typedef struct hg_iggy_strategy {
    hg_iggy_from_t from;
    uint64_t value;
} hg_iggy_strategy_t;

/* The partition of a key: what every official client computes. partitions > 0. */
uint32_t hg_iggy_key_partition(hg_str_t key, uint32_t partitions);

/* --- messages --------------------------------------------------------------------------------------------------- */

typedef struct hg_iggy_message {
    hg_u128 id; /* 0 on sending: a random one is made */
    uint64_t offset;
    uint64_t timestamp;        /* when the server has stored it; ignored on sending */
    uint64_t origin_timestamp; /* when its producer has made it; 0 on sending: now */
    hg_str_t payload;
    hg_str_t headers; /* user headers as on the wire; see hg_iggy_header_next */
} hg_iggy_message_t;

/* Kinds of header keys and values. Numbers are little-endian. Kinds above are passed through. */
typedef enum {
    HG_IGGY_H_RAW = 1,
    HG_IGGY_H_STRING,
    HG_IGGY_H_BOOL,
    HG_IGGY_H_INT8,
    HG_IGGY_H_INT16,
    HG_IGGY_H_INT32,
    HG_IGGY_H_INT64,
    HG_IGGY_H_INT128,
    HG_IGGY_H_UINT8,
    HG_IGGY_H_UINT16,
    HG_IGGY_H_UINT32,
    HG_IGGY_H_UINT64,
    HG_IGGY_H_UINT128,
    HG_IGGY_H_FLOAT32,
    HG_IGGY_H_FLOAT64,
} hg_iggy_header_kind_t;

typedef struct hg_iggy_header {
    uint8_t key_kind, kind; /* hg_iggy_header_kind_t, or a newer one */
    hg_str_t key, value;    /* 1..255 bytes each */
} hg_iggy_header_t;

/* Takes the first header off *rest: 1, 0 at the end, HG_EPROTO (`rest` as before). */
int hg_iggy_header_next(hg_str_t *rest, hg_iggy_header_t *ret, hg_err_t *err);
/* Appends one: HG_EINVAL for an empty or a too long key or value. */
int hg_iggy_header_add(hg_buf_t *out, const hg_iggy_header_t *h, hg_err_t *err);

/* Messages that are sent together to one partition, in order, copied. Nothing is allocated per message: the buffer
 * grows and is kept by clear. */
typedef struct hg_iggy_batch {
    hg_buf_t frames; /* as VSR has them; the classic codec rewrites them */
    hg_buf_t head;   /* of the whole; made by seal */
    uint32_t count;
    uint64_t origin, newest; /* the earliest and the latest origin timestamp */
    uint64_t seed[2];        /* of message ids */
    bool sealed;             /* nothing is added any more */
} hg_iggy_batch_t;

void hg_iggy_batch_init(hg_iggy_batch_t *b);
void hg_iggy_batch_release(hg_iggy_batch_t *b);
void hg_iggy_batch_clear(hg_iggy_batch_t *b);
/* 0; HG_ETOOBIG: the message alone is more than a server takes; HG_EAGAIN: not into *this* batch any more, seal it
 * and start the next one; HG_EINVAL: headers that are none; HG_ENOMEM. The batch is as before then. */
int hg_iggy_batch_add(hg_iggy_batch_t *b, const hg_iggy_message_t *m, hg_err_t *err);
/* What it will take on the wire, about. */
static inline size_t hg_iggy_batch_bytes(const hg_iggy_batch_t *b)
{
    return b->frames.len;
}

/* The messages of a reply, in order. They were checked when the reply was read, so next cannot fail. */
typedef struct hg_iggy_messages {
    const uint8_t *p, *end;
    uint32_t left; /* messages to come, in all */
    hg_iggy_proto_t proto;
    uint32_t batch_left; /* VSR: in the stored batch we are in */
    uint64_t base_offset, base_timestamp, base_origin;
} hg_iggy_messages_t;

bool hg_iggy_messages_next(hg_iggy_messages_t *it, hg_iggy_message_t *ret);

/* --- commands --------------------------------------------------------------------------------------------------- */

/* X(name, words for messages, code, operation of VSR, bits). Operation 2 carries the code, all others stand for it.
 * Bits: R a result section precedes the payload in VSR; W it changes something, so that an answer that is lost leaves a
 * doubt; V only VSR has it; C only classic has it; L the connection sends it itself; N it gives a name. */
#define HG_IGGY_R 1u
#define HG_IGGY_W 2u
#define HG_IGGY_V 4u
#define HG_IGGY_C 8u
#define HG_IGGY_L 16u
#define HG_IGGY_N 32u
#define HG_IGGY_COMMANDS(X)                                                                                            \
    X(PING, "ping", 1, 2, 0)                                                                                           \
    X(GET_STATS, "get stats", 10, 2, 0)                                                                                \
    X(GET_CLUSTER, "get cluster", 12, 2, 0)                                                                            \
    X(GET_OPTIONS, "get options", 13, 2, HG_IGGY_V)                                                                    \
    X(GET_ME, "get me", 20, 2, 0)                                                                                      \
    X(GET_CLIENT, "get client", 21, 2, 0)                                                                              \
    X(GET_CLIENTS, "get clients", 22, 2, 0)                                                                            \
    X(LOGIN, "login", 38, 1, HG_IGGY_L)                                                                                \
    X(LOGIN_TOKEN, "login token", 44, 1, HG_IGGY_L)                                                                    \
    X(LOGOUT, "logout", 39, 3, HG_IGGY_L)                                                                              \
    X(GET_TOKENS, "get tokens", 41, 2, 0)                                                                              \
    X(CREATE_TOKEN, "create token", 42, 146, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                        \
    X(DELETE_TOKEN, "delete token", 43, 147, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                        \
    X(POLL, "poll", 100, 2, 0)                                                                                         \
    X(SEND, "send", 101, 160, HG_IGGY_W)                                                                               \
    X(FLUSH, "flush", 102, 2, HG_IGGY_C)                                                                               \
    X(GET_OFFSET, "get offset", 120, 2, 0)                                                                             \
    X(STORE_OFFSET, "store offset", 121, 161, HG_IGGY_R | HG_IGGY_W)                                                   \
    X(DELETE_OFFSET, "delete offset", 122, 162, HG_IGGY_R | HG_IGGY_W)                                                 \
    X(GET_STREAM, "get stream", 200, 2, 0)                                                                             \
    X(GET_STREAMS, "get streams", 201, 2, 0)                                                                           \
    X(CREATE_STREAM, "create stream", 202, 128, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                     \
    X(DELETE_STREAM, "delete stream", 203, 130, HG_IGGY_R | HG_IGGY_W)                                                 \
    X(UPDATE_STREAM, "update stream", 204, 129, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                     \
    X(PURGE_STREAM, "purge stream", 205, 131, HG_IGGY_R | HG_IGGY_W)                                                   \
    X(GET_TOPIC, "get topic", 300, 2, 0)                                                                               \
    X(GET_TOPICS, "get topics", 301, 2, 0)                                                                             \
    X(CREATE_TOPIC, "create topic", 302, 132, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                       \
    X(DELETE_TOPIC, "delete topic", 303, 134, HG_IGGY_R | HG_IGGY_W)                                                   \
    X(UPDATE_TOPIC, "update topic", 304, 133, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                       \
    X(PURGE_TOPIC, "purge topic", 305, 135, HG_IGGY_R | HG_IGGY_W)                                                     \
    X(CREATE_PARTITIONS, "create partitions", 402, 136, HG_IGGY_R | HG_IGGY_W)                                         \
    X(DELETE_PARTITIONS, "delete partitions", 403, 137, HG_IGGY_R | HG_IGGY_W)                                         \
    X(DELETE_SEGMENTS, "delete segments", 503, 138, HG_IGGY_W)                                                         \
    X(GET_GROUP, "get group", 600, 2, 0)                                                                               \
    X(GET_GROUPS, "get groups", 601, 2, 0)                                                                             \
    X(CREATE_GROUP, "create group", 602, 139, HG_IGGY_R | HG_IGGY_W | HG_IGGY_N)                                       \
    X(DELETE_GROUP, "delete group", 603, 140, HG_IGGY_R | HG_IGGY_W)                                                   \
    X(JOIN_GROUP, "join group", 604, 148, HG_IGGY_R | HG_IGGY_W)                                                       \
    X(LEAVE_GROUP, "leave group", 605, 149, HG_IGGY_R | HG_IGGY_W)                                                     \
    X(SYNC_GROUP, "sync group", 606, 2, HG_IGGY_V)

typedef enum {
#define X(name, words, code, op, bits) HG_IGGY_##name,
    HG_IGGY_COMMANDS(X)
#undef X
        HG_IGGY_N_COMMANDS
} hg_iggy_op_t;

typedef enum { HG_IGGY_PLAIN = 1, HG_IGGY_GZIP = 2 } hg_iggy_compression_t; /* an attribute of a topic, no more */

/* When a message that was confirmed is safe from a crash of its server. Only VSR tells, and which way depends on the
 * server (GET_OPTIONS): the producer's `durable` finds out. */
typedef enum {
    HG_IGGY_SAVED_LATER,     /* the default: when 1024 messages or 1 MiB are there */
    HG_IGGY_SAVED_BY_FSYNC,  /* at once; servers before 0.9.0 */
    HG_IGGY_SAVED_PERSISTED, /* at once; servers from 0.9.0 on */
} hg_iggy_saved_t;

/* What a topic is made with. Zeroes: the server's defaults. */
typedef struct hg_iggy_topic_opts {
    hg_iggy_compression_t compression;
    uint64_t expiry;   /* of messages, in us */
    uint64_t max_size; /* bytes */
    hg_iggy_saved_t saved;
} hg_iggy_topic_opts_t;

/* One command. Only what its comment names is looked at; everything is borrowed for the call, `batch` until the answer.
 */
typedef struct hg_iggy_cmd {
    hg_iggy_op_t op;
    hg_iggy_id_t stream; /* of everything below a stream */
    hg_iggy_id_t topic;  /* of everything below a topic */
    hg_iggy_id_t group;  /* of groups */
    hg_str_t name;       /* create and update: of what is made; of a token; LOGIN: the user */
    hg_str_t secret;     /* LOGIN: the password; LOGIN_TOKEN: the token */
    /* POLL, offsets */
    hg_iggy_consumer_id_t consumer;
    bool any_partition; /* the server picks: only classic's polls of groups */
    uint32_t partition; /* of POLL, SEND, FLUSH, offsets, DELETE_SEGMENTS */
    hg_iggy_strategy_t strategy;
    uint32_t count;   /* of POLL messages; of CREATE_TOPIC and *_PARTITIONS partitions; of segments; GET_CLIENT: its id;
                         GET_OPTIONS: 1 topic, 2 stream, 3 user */
    bool auto_commit; /* POLL: the server stores the offset before anybody has seen the messages */
    uint64_t offset;  /* STORE_OFFSET: the last one that is done with */
    hg_iggy_batch_t *batch; /* SEND: sealed by the call */
    hg_iggy_topic_opts_t topic_opts;
    uint64_t expiry; /* CREATE_TOKEN: us, 0: the server's default */
} hg_iggy_cmd_t;

/* --- replies ---------------------------------------------------------------------------------------------------- */

/* The payload of an answer, read from the front by hg_iggy_read_*. Each returns 1: one was read into *ret (slices
 * point into the payload); 0: at the end; HG_EPROTO: no such thing stands here. One function serves "get" (once) and
 * "list" (until 0): what does not exist is an empty payload. */
typedef struct hg_iggy_in {
    const uint8_t *p, *end;
    hg_iggy_proto_t proto;
} hg_iggy_in_t;

typedef struct hg_iggy_stream {
    uint32_t id, topics;
    uint64_t created_at, bytes, messages;
    hg_str_t name;
} hg_iggy_stream_t;

typedef struct hg_iggy_topic {
    uint32_t id, partitions;
    uint64_t created_at, bytes, messages;
    hg_iggy_topic_opts_t opts; /* HG_IGGY_NEVER: never, without limit */
    hg_str_t name;
} hg_iggy_topic_t;

typedef struct hg_iggy_partition {
    uint32_t id, segments;
    uint64_t created_at, newest, bytes, messages; /* newest offset: 0 also when there is none */
} hg_iggy_partition_t;

typedef struct hg_iggy_group {
    uint32_t id, partitions, members;
    hg_str_t name;
} hg_iggy_group_t;

typedef struct hg_iggy_member {
    uint32_t id, n;
    hg_str_t partitions; /* n of them: hg_iggy_nth_u32 */
} hg_iggy_member_t;

typedef struct hg_iggy_assignment {
    uint64_t generation;
    uint32_t n;
    hg_str_t partitions;
} hg_iggy_assignment_t;

typedef struct hg_iggy_offset {
    uint32_t partition;
    uint64_t newest, stored;
} hg_iggy_offset_t;

#define HG_IGGY_NOT_YOURS UINT32_MAX /* partition of a poll that was refused: the group has to be synced */
typedef struct hg_iggy_polled {
    uint32_t partition; /* HG_IGGY_NOT_YOURS */
    uint64_t newest;    /* offset of the partition's newest message; 0 also when there is none */
    uint32_t count;
    hg_iggy_messages_t messages;
} hg_iggy_polled_t;

typedef struct hg_iggy_sent {
    uint32_t stream, topic, partition;
    uint64_t base_offset;
} hg_iggy_sent_t;

typedef struct hg_iggy_client_info {
    uint32_t id, user_id, groups;
    uint8_t transport; /* 1 TCP, 2 QUIC, 3 HTTP, 4 WebSocket */
    hg_str_t address;
} hg_iggy_client_info_t;

typedef struct hg_iggy_node {
    hg_str_t name, host;
    uint16_t tcp, quic, http, websocket; /* 0: not served */
    bool leader, healthy;
    uint8_t status; /* 0 healthy, 1 starting, 2 stopping, 3 unreachable, 4 maintenance */
} hg_iggy_node_t;

typedef struct hg_iggy_stats {
    uint32_t process_id;
    uint64_t memory, run_time, start_time, read_bytes, written_bytes, messages_bytes, messages;
    uint32_t streams, topics, partitions, segments, clients, groups;
    hg_str_t hostname, os_name, os_version, kernel_version, server_version;
} hg_iggy_stats_t;

typedef struct hg_iggy_token_info {
    hg_str_t name;
    uint64_t expires_at; /* 0: never */
} hg_iggy_token_info_t;

typedef struct hg_iggy_option_info {
    hg_str_t key, value, description; /* value: its default, in the kind's bytes */
    uint8_t kind;
} hg_iggy_option_info_t;

int hg_iggy_read_stream(hg_iggy_in_t *in, hg_iggy_stream_t *ret, hg_err_t *err);
int hg_iggy_read_topic(hg_iggy_in_t *in, hg_iggy_topic_t *ret, hg_err_t *err);
int hg_iggy_read_partition(hg_iggy_in_t *in, hg_iggy_partition_t *ret, hg_err_t *err); /* behind a topic of GET_TOPIC */
int hg_iggy_read_group(hg_iggy_in_t *in, hg_iggy_group_t *ret, hg_err_t *err);
int hg_iggy_read_member(hg_iggy_in_t *in, hg_iggy_member_t *ret, hg_err_t *err); /* behind a group of GET_GROUP */
int hg_iggy_read_assignment(hg_iggy_in_t *in, hg_iggy_assignment_t *ret, hg_err_t *err); /* 0: not a member */
int hg_iggy_read_offset(hg_iggy_in_t *in, hg_iggy_offset_t *ret, hg_err_t *err);         /* 0: none is stored */
int hg_iggy_read_polled(hg_iggy_in_t *in, hg_iggy_polled_t *ret, hg_err_t *err);
int hg_iggy_read_sent(hg_iggy_in_t *in, hg_iggy_sent_t *ret, hg_err_t *err); /* 0: done, the offset is not told */
int hg_iggy_read_client(hg_iggy_in_t *in, hg_iggy_client_info_t *ret, hg_err_t *err);
int hg_iggy_read_node(hg_iggy_in_t *in, hg_iggy_node_t *ret, hg_err_t *err);
int hg_iggy_read_stats(hg_iggy_in_t *in, hg_iggy_stats_t *ret, hg_err_t *err);
int hg_iggy_read_token(hg_iggy_in_t *in, hg_str_t *ret, hg_err_t *err); /* CREATE_TOKEN: shown this once */
int hg_iggy_read_token_info(hg_iggy_in_t *in, hg_iggy_token_info_t *ret, hg_err_t *err);
int hg_iggy_read_option(hg_iggy_in_t *in, hg_iggy_option_info_t *ret, hg_err_t *err);

/* The i-th number of a slice of u32. */
uint32_t hg_iggy_nth_u32(hg_str_t numbers, uint32_t i);

/* --- the server's error codes ----------------------------------------------------------------------------------- */

/* Those that somebody decides by. */
enum {
    HG_IGGY_E_UNAUTHENTICATED = 40,
    HG_IGGY_E_INVALID_TOKEN = 53,
    HG_IGGY_E_NOT_COMMITTED = 57,
    HG_IGGY_E_NOT_ACCEPTED = 58,
    HG_IGGY_E_ALREADY_APPLIED = 59,
    HG_IGGY_E_RESOURCE_NOT_FOUND = 20,
    HG_IGGY_E_STREAM_NOT_FOUND = 1009,
    HG_IGGY_E_STREAM_EXISTS = 1012,
    HG_IGGY_E_TOPIC_NOT_FOUND = 2010,
    HG_IGGY_E_TOPIC_EXISTS = 2013,
    HG_IGGY_E_PARTITION_NOT_FOUND = 3007,
    HG_IGGY_E_OFFSET_NOT_FOUND = 3021,
    HG_IGGY_E_INVALID_OFFSET = 4100,
    HG_IGGY_E_GROUP_NOT_FOUND = 5000,
    HG_IGGY_E_GROUP_EXISTS = 5004,
    HG_IGGY_E_NOT_A_MEMBER = 5006,
    HG_IGGY_E_PARTITION_NOT_OWNED = 5009,
};

/* "TopicIdNotFound"; NULL: not in the list. Static. */
const char *hg_iggy_code_name(uint32_t code);
/* Fills err for a code: its name, its number and, where known, what to do. retry is set for those that a new
 * connection, or time, may cure. Returns err->code. */
int hg_iggy_code_err(uint32_t code, const char *what, hg_err_t *err);

#endif
