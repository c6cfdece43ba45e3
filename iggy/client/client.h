/* client.h: one connection to an Iggy server, kept up.
 *
 *   hg_iggy_open ─► connect ─► which protocol? ─► log in ─► who leads? ─► ready ─► down ─► (wait, again) …
 *                      └────── nothing that time cures (password, certificate, version) ──► fatal
 *
 * Everything on the loop's thread. One request is in flight, the others wait in order behind it (servers do not number
 * all of their answers): a producer and a consumer have a connection each (producer.h, consumer.h; a group's member may
 * have one more), another does for the rest. Call-backs may call anything here, close too. Bad input is refused before
 * a byte goes out, because a server does not answer a malformed batch at all. */
#ifndef HG_IGGY_CLIENT_CLIENT_H
#define HG_IGGY_CLIENT_CLIENT_H

#include "base/loop.h"
#include "iggy/client/types.h"

/* All text is owned: hg_xstrdup() what you set. */
typedef struct hg_iggy_opts {
    char *host; /* name or address, without the port */
    uint16_t port;
    hg_iggy_proto_t protocol; /* AUTO: found out with the first connection and remembered */
    char *user, *password;
    char *token;            /* a personal access token; goes before user and password */
    bool tls, tls_insecure; /* insecure: the certificate is not looked at */
    char *tls_domain;       /* the name in the certificate, NULL: host */
    char *tls_ca_file;      /* the only ones trusted, NULL: the system's */
    bool no_delay;
    uint64_t connect_ms;     /* until the connection is ready */
    uint64_t detect_ms;      /* until a server says which protocol it speaks; attempts in a row wait longer */
    uint64_t token_ms;       /* how long a refused token is tried again: a new one is not known everywhere at once */
    uint64_t request_ms;     /* until an answer, repeats included */
    uint64_t retry_ms;       /* between attempts */
    uint64_t reestablish_ms; /* at least so long from the last good connection to the next attempt */
    uint64_t heartbeat_ms;   /* a ping when nothing else was sent for so long; 0: none */
    uint64_t retries;        /* attempts in a row that may fail before fatal; UINT64_MAX: no limit */
    size_t max_frame;        /* of an answer */
    uint8_t id[16];          /* VSR: see hg_iggy_opts_identify; all 0: somebody new */
} hg_iggy_opts_t;

void hg_iggy_opts_init(hg_iggy_opts_t *o); /* 127.0.0.1:8090, no credentials, Iggy's own defaults */
void hg_iggy_opts_release(hg_iggy_opts_t *o);
void hg_iggy_opts_copy(hg_iggy_opts_t *ret, const hg_iggy_opts_t *from); /* ret: not initialised */

/* "host", "host:port", "[v6]:port", or a connection string:
 * iggy[+tcp]://user:password@host:port?tls=true&… or iggy://token@host:port. Sets what it names in an initialised o.
 * Unknown keys and bad values are HG_EINVAL or HG_EUNKNOWNOPT with the key in the message; o is as before then. */
int hg_iggy_opts_parse(hg_iggy_opts_t *o, hg_str_t address, hg_err_t *err);
/* The connection is that of `who` (any bytes, the same after a restart; nobody else's): a server that was killed keeps
 * the places that its clients had in groups for good, and gives one back only to whoever logs in under the same id.
 * One at a time has an id: a newer login ends the session of the one before, which goes on as somebody new. */
void hg_iggy_opts_identify(hg_iggy_opts_t *o, hg_str_t who);
/* What open would refuse: lengths, a missing password. */
int hg_iggy_opts_check(const hg_iggy_opts_t *o, hg_err_t *err);

typedef struct hg_iggy hg_iggy_t;

typedef struct hg_iggy_server {
    hg_iggy_proto_t proto;
    const char *version; /* "0.9.0-edge.5"; "" when the server does not say */
    const char *host;    /* the one we are connected to: the leader's, after a redirection */
    uint16_t port;
    uint32_t nodes; /* of the cluster, 1: alone */
} hg_iggy_server_t;

typedef struct hg_iggy_ops {
    /* Logged in: calls are taken. Again after each down. */
    void (*ready)(void *arg, const hg_iggy_server_t *server);
    /* All calls that were open have been answered with err. A new attempt is under way. Also without a ready before it,
     * once per attempt that failed. */
    void (*down)(void *arg, const hg_err_t *err);
    /* Nothing more will be tried: only close. All open calls have been answered. */
    void (*fatal)(void *arg, const hg_err_t *err);
} hg_iggy_ops_t;

/* opts are copied, and must have passed hg_iggy_opts_check. Never calls back before it has returned. */
hg_iggy_t *hg_iggy_open(hg_loop_t *loop, const hg_iggy_opts_t *opts, const hg_iggy_ops_t *ops, void *arg);

/* Open calls are answered with HG_ECLOSED, from within. closed: the last call-back, always later. */
void hg_iggy_close(hg_iggy_t *c, void (*closed)(void *arg), void *arg);

bool hg_iggy_is_ready(const hg_iggy_t *c);
const hg_iggy_server_t *hg_iggy_server(const hg_iggy_t *c); /* of the last ready */
/* Drop the connection and make a new one, now: when its owner knows that the session is no good. */
void hg_iggy_reconnect(hg_iggy_t *c, const char *why);

typedef struct hg_iggy_reply {
    const hg_err_t *err; /* NULL: it worked */
    uint32_t code;       /* the server's, when it has answered with an error; else 0 */
    bool doubt;          /* err, but the server may have done it: the answer is what was lost */
    hg_iggy_in_t in;     /* the payload; borrowed for the call-back */
    hg_iggy_t *client;
} hg_iggy_reply_t;

typedef void (*hg_iggy_done_fn)(void *arg, const hg_iggy_reply_t *reply);

/* Queues a command, encoded at once; done is called exactly once if 0 is returned, and never from within.
 * HG_EAGAIN: not ready. HG_EINVAL, HG_ETOOBIG: what no server would take. HG_EUNSUPPORTED: not in this protocol.
 *
 *   hg_iggy_call(c, &(hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = s, .topic = t }, got_topic, me, &err);
 *
 * Answers 57 and 58 (not committed, not accepted yet) are repeated with the same request until request_ms is over.
 * After a lost connection nothing is repeated here: a new connection is a new session, so its owner decides. */
int hg_iggy_call(hg_iggy_t *c, const hg_iggy_cmd_t *cmd, hg_iggy_done_fn done, void *arg, hg_err_t *err);
/* Calls that were not answered yet, the one in flight included. */
size_t hg_iggy_pending(const hg_iggy_t *c);

/* Nothing has come for a while: the memory for large answers goes back. */
void hg_iggy_rest(hg_iggy_t *c);

/* Within done only: the memory that in.p points into becomes the caller's (hg_free) and stays where it is. For replies
 * whose messages have to outlive the call-back. */
char *hg_iggy_take(const hg_iggy_reply_t *reply);

#endif
