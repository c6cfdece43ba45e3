/* nats_int.h: what the files of nats_input share. */
#ifndef HG_CONNECTORS_TRANSPORT_NATS_INT_H
#define HG_CONNECTORS_TRANSPORT_NATS_INT_H

#include "base/buf.h"
#include "base/json.h"
#include "connectors/connector.h"

/* --- nats_proto.c: what a server sends --- */
typedef enum { HG_NATS_INFO, HG_NATS_PING, HG_NATS_PONG, HG_NATS_OK, HG_NATS_ERR, HG_NATS_MSG } hg_nats_op_t;

typedef struct hg_nats_frame {
    hg_nats_op_t op;
    hg_str_t text;           /* INFO: JSON; ERR: the message */
    hg_str_t subject, reply; /* MSG */
    uint64_t sid;
    hg_str_t headers, payload;
} hg_nats_frame_t;

typedef struct hg_nats_proto {
    bool (*frame)(void *arg, const hg_nats_frame_t *f); /* false: no more; the parser may be gone */
    void *arg;
    hg_buf_t buf; /* the frame that is not whole yet */
    size_t max;
} hg_nats_proto_t;

void hg_nats_proto_init(hg_nats_proto_t *p, bool (*frame)(void *arg, const hg_nats_frame_t *f), void *arg, size_t max);
void hg_nats_proto_reset(hg_nats_proto_t *p);
void hg_nats_proto_release(hg_nats_proto_t *p);
int hg_nats_feed(hg_nats_proto_t *p, const char *in, size_t n, hg_err_t *err); /* HG_EPROTO */

/* Status of a message without content ("NATS/1.0 404 No Messages"): its number, 0 = none; *text is what follows. */
unsigned hg_nats_status(hg_str_t headers, hg_str_t *text);
/* Of the reply subject of a message of a JetStream consumer. false: it is none. */
bool hg_nats_sequences(hg_str_t reply, uint64_t *ret_stream, uint64_t *ret_consumer, int64_t *ret_ns);

/* --- nats_answer.c: what it says in words. Any thread; texts live in the arena or as long as the answer. --- */
#define HG_NATS_CREATED 64 /* bytes of the time at which a stream was made, with the 0 behind it */

typedef struct hg_nats_info {
    const char *nonce; /* to be signed; "": nothing */
    uint64_t max_payload;
    unsigned major, minor; /* version; 0.0: not known */
    bool tls_required;
} hg_nats_info_t;

typedef struct hg_nats_state {
    const char *created;  /* "": not known */
    uint64_t first, last; /* sequence numbers; an empty stream: last < first. last + 1 is a number, too */
} hg_nats_state_t;

/* INFO's text. HG_EPARSE. */
int hg_nats_info(hg_arena_t *a, hg_str_t text, hg_nats_info_t *ret, hg_err_t *err);
/* An answer of JetStream's API about `what` that is no error: HG_EPARSE; HG_ENET, err->retry where asking again helps.
 */
int hg_nats_answer(hg_arena_t *a, hg_str_t text, const char *what, const hg_json_t **ret, hg_err_t *err);
int hg_nats_stream_state(const hg_json_t *answer, const char *stream, hg_nats_state_t *ret, hg_err_t *err);
/* A word that may stand in a subject. HG_EPROTO. */
int hg_nats_consumer_name(const hg_json_t *answer, const char **ret, hg_err_t *err);
/* What -ERR says, as an error in any case. */
int hg_nats_complaint(hg_str_t text, hg_err_t *err);

/* --- nats_config.c --- */
typedef struct hg_nats_cfg {
    const hg_json_t *connection, *consumer;
    const char *stream;
    uint64_t inactivity, retry; /* seconds */
} hg_nats_cfg_t;
extern const hg_opt_t hg_nats_opts[];

/* --- nats_auth.c --- */
#define HG_NATS_SEED           32
#define HG_NATS_PUBLIC_TEXT    57 /* with the 0 behind it */
#define HG_NATS_SIGNATURE_TEXT 87

typedef struct hg_nats_identity {
    hg_buf_t jwt; /* len 0: none */
    unsigned char seed[HG_NATS_SEED];
    bool signs; /* there is a seed */
} hg_nats_identity_t;

typedef struct hg_nats_server {
    hg_buf_t host, user, password, token; /* len 0: none */
    const char *creds_file;               /* identity is to be read from there for each session, or NULL */
    hg_nats_identity_t identity;
    uint16_t port;
    bool tls;
} hg_nats_server_t;

/* A user's NKey seed ("SU…"). HG_EINVALTRANSPORT. */
int hg_nats_seed(hg_str_t text, unsigned char ret[HG_NATS_SEED], hg_err_t *err);
/* These fill what they read and leave the rest. */
int hg_nats_jwt(hg_str_t text, hg_nats_identity_t *id, hg_err_t *err);
int hg_nats_creds(hg_str_t text, hg_nats_identity_t *id, hg_err_t *err); /* the text of a credentials file */
int hg_nats_creds_file(const char *path, hg_nats_identity_t *id, hg_err_t *err);
/* HG_EUNSUPPORTED: the cryptography library has no Ed25519. */
int hg_nats_public(const unsigned char seed[HG_NATS_SEED], char ret[HG_NATS_PUBLIC_TEXT], hg_err_t *err);
int hg_nats_sign(const unsigned char seed[HG_NATS_SEED], hg_str_t text, char ret[HG_NATS_SIGNATURE_TEXT],
                 hg_err_t *err);
/* Writes the members of CONNECT that say who we are. nonce: of the server's INFO, or empty. */
int hg_nats_login(const hg_nats_server_t *s, hg_str_t nonce, hg_jw_t *w, hg_err_t *err);
void hg_nats_identity_release(hg_nats_identity_t *id); /* wipes the seed */

typedef struct hg_nats_options {
    /* connection_config */
    const char *url;
    const hg_json_t *auth;
    uint64_t connect_s, request_s;
    const char *ca_file;
    /* consumer_config */
    const hg_json_t *deliver, *metadata, *max_expires;
    const char *name, *description;
    hg_strlist_t subjects;
    int replay;
    uint64_t rate_limit, max_waiting, max_batch, max_bytes;
    /* out of these */
    hg_nats_server_t server;
    const char *policy; /* as the server calls it */
    uint64_t start_sequence;
    const char *start_time;
    uint64_t expires_ns;
} hg_nats_options_t;

/* Reads both objects; complaints go to d. The texts live in the arena, or as long as cfg. */
int hg_nats_options(const hg_nats_cfg_t *cfg, const hg_json_t *obj, hg_arena_t *a, hg_nats_options_t *ret,
                    hg_diag_t *d);
void hg_nats_options_release(hg_nats_options_t *o);
/* What CONSUMER.CREATE asks for. name: of the consumer, or NULL; next: the sequence to begin at, 0 = as configured. */
void hg_nats_consumer(const hg_nats_options_t *o, const char *stream, const char *name, uint64_t next, hg_jw_t *w);

#endif
