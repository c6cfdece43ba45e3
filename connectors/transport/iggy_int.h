/* iggy_int.h: what the files of iggy_input and iggy_output share. */
#ifndef HG_CONNECTORS_TRANSPORT_IGGY_INT_H
#define HG_CONNECTORS_TRANSPORT_IGGY_INT_H

#include "base/opts.h"
#include "connectors/connector.h"
#include "iggy/client/client.h"

/* --- iggy_config.c: the way to the server, and what is there. Any thread --- */

/* As configured; first member of both connectors' configurations. */
typedef struct hg_iggy_conn {
    const char *address, *connection_string, *username, *password, *token, *ca_file, *domain, *stream, *topic;
    int protocol; /* hg_iggy_proto_t */
    bool tls, insecure;
    uint64_t reconnect_ms, connect_ms, request_ms;
} hg_iggy_conn_t;

#define HG_IGGY_AT(f) .at = offsetof(hg_iggy_conn_t, f)
/* Options of the way to the server, for the table of a configuration that begins with hg_iggy_conn_t. */
#define HG_IGGY_CONN_OPTS                                                                                              \
    { .key = "stream",                                                                                                 \
      .type = HG_OPT_STR,                                                                                              \
      HG_IGGY_AT(stream),                                                                                              \
      .flags = HG_OPT_REQUIRED,                                                                                        \
      .doc = "Stream that the topic is in, by its name." },                                                            \
        { .key = "topic",                                                                                              \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(topic),                                                                                           \
          .flags = HG_OPT_REQUIRED,                                                                                    \
          .doc = "Topic, by its name." },                                                                              \
        { .key = "address",                                                                                            \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(address),                                                                                         \
          .doc = "host[:port] of the server. Default: 127.0.0.1:8090." },                                              \
        { .key = "connection_string",                                                                                  \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(connection_string),                                                                               \
          .flags = HG_OPT_SECRET,                                                                                      \
          .doc = "In place of address, username, password and token: iggy://user:password@host:port or "               \
                 "iggy://token@host:port, with the query keys of Iggy's own clients." },                               \
        { .key = "username", .type = HG_OPT_STR, HG_IGGY_AT(username), .doc = "User to log in as." },                  \
        { .key = "password",                                                                                           \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(password),                                                                                        \
          .flags = HG_OPT_SECRET,                                                                                      \
          .doc = "The user's password." },                                                                             \
        { .key = "token",                                                                                              \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(token),                                                                                           \
          .flags = HG_OPT_SECRET,                                                                                      \
          .doc = "A personal access token, in place of username and password." },                                      \
        { .key = "protocol",                                                                                           \
          .type = HG_OPT_ENUM,                                                                                         \
          HG_IGGY_AT(protocol),                                                                                        \
          .names = "auto|vsr|classic",                                                                                 \
          .def = "auto",                                                                                               \
          .doc = "vsr: servers 0.9; classic: 0.7 and 0.8." },                                                          \
        { .key = "tls", .type = HG_OPT_BOOL, HG_IGGY_AT(tls), .def = "false", .doc = "Connect with TLS." },            \
        { .key = "tls_ca_file",                                                                                        \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(ca_file),                                                                                         \
          .doc = "PEM file with the certificates that the server's is checked against. Default: the system's." },      \
        { .key = "tls_domain",                                                                                         \
          .type = HG_OPT_STR,                                                                                          \
          HG_IGGY_AT(domain),                                                                                          \
          .doc = "Name that the server's certificate must be for. Default: the host of the address." },                \
        { .key = "tls_insecure",                                                                                       \
          .type = HG_OPT_BOOL,                                                                                         \
          HG_IGGY_AT(insecure),                                                                                        \
          .def = "false",                                                                                              \
          .doc = "Take any certificate: for tests." },                                                                 \
        { .key = "reconnect_interval",                                                                                 \
          .type = HG_OPT_DURATION,                                                                                     \
          HG_IGGY_AT(reconnect_ms),                                                                                    \
          .def = "1000",                                                                                               \
          .min = 10,                                                                                                   \
          .unit = "ms",                                                                                                \
          .doc = "Pause before another attempt to connect." },                                                         \
        { .key = "connect_timeout",                                                                                    \
          .type = HG_OPT_DURATION,                                                                                     \
          HG_IGGY_AT(connect_ms),                                                                                      \
          .def = "10000",                                                                                              \
          .min = 10,                                                                                                   \
          .unit = "ms",                                                                                                \
          .doc = "How long an attempt may take." },                                                                    \
    {                                                                                                                  \
        .key = "request_timeout", .type = HG_OPT_DURATION, HG_IGGY_AT(request_ms), .def = "30000", .min = 10,          \
        .unit = "ms", .doc = "How long an answer may take before the connection is made anew."                         \
    }

/* Complaints go to d. What is a reference (${…}) is looked at when it has been replaced. */
void hg_iggy_conn_check(const hg_iggy_conn_t *c, const hg_json_t *obj, hg_diag_t *d);
/* ret: hg_iggy_opts_release() it if 0 is returned. */
int hg_iggy_conn_opts(const hg_iggy_conn_t *c, hg_iggy_opts_t *ret, hg_err_t *err);

static inline hg_iggy_id_t hg_iggy_conn_stream(const hg_iggy_conn_t *c)
{
    return hg_iggy_named(hg_strz(c->stream));
}
static inline hg_iggy_id_t hg_iggy_conn_topic(const hg_iggy_conn_t *c)
{
    return hg_iggy_named(hg_strz(c->topic));
}

/* --- iggy_meta.c: CONNECTOR_METADATA(). Loop --- */

typedef struct hg_iggy_meta {
    bool headers, offset, partition, stream, timestamp, topic;
} hg_iggy_meta_t;

/* buf: cleared, then the JSON object. HG_ENOMEM. */
int hg_iggy_meta(const hg_iggy_meta_t *want, const hg_iggy_conn_t *c, uint32_t partition, const hg_iggy_message_t *m,
                 hg_buf_t *buf);

/* --- iggy_ask.c: where the partitions of a topic begin and end --- */

#define HG_IGGY_NONE UINT64_MAX

typedef struct hg_iggy_extent {
    uint32_t id;
    uint64_t low;  /* offset of its oldest message; that of the next one when it has none */
    uint64_t end;  /* one behind its newest */
    uint64_t from; /* first message that is not older than the time asked for; `end` when there is none */
} hg_iggy_extent_t;

typedef struct hg_iggy_ask hg_iggy_ask_t;

/* err NULL: it worked. A topic that is not there is retryable. */
typedef void (*hg_iggy_asked_fn)(void *arg, const hg_err_t *err, uint64_t created_at, const hg_iggy_extent_t *parts,
                                 uint32_t n);

/* Loop of the client, which is ready. only: these partitions, in this order (NULL: all). ends: nothing but `end` is
 * wanted. time: microseconds, HG_IGGY_NONE: not asked. done comes once, later; not after hg_iggy_ask_drop. NULL: the
 * client is not ready. */
hg_iggy_ask_t *hg_iggy_ask(hg_iggy_t *client, const hg_iggy_conn_t *c, const hg_json_t *only, bool ends, uint64_t time,
                           hg_iggy_asked_fn done, void *arg);
void hg_iggy_ask_drop(hg_iggy_ask_t *a); /* NULL: nothing */

#endif
