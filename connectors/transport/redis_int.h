/* redis_int.h: what the files of redis_output share. */
#ifndef HG_CONNECTORS_TRANSPORT_REDIS_INT_H
#define HG_CONNECTORS_TRANSPORT_REDIS_INT_H

#include "base/buf.h"
#include "base/err.h"

/* --- redis_url.c: redis[s]://[user][:password]@host[:port][/database][?protocol=resp2|resp3][#insecure]
 * and [redis+]unix:///path[?db=n][&user=name][&pass=word][&protocol=resp2|resp3] --- */
typedef struct hg_redis_url {
    hg_buf_t user, password, host; /* len 0: none; host: of a unix socket its path */
    uint16_t port;
    uint32_t db;
    bool tls, insecure, resp3, is_unix;
} hg_redis_url_t;

/* Messages never quote the text: it may hold a password. */
int hg_redis_url_parse(hg_str_t text, hg_redis_url_t *ret, hg_err_t *err);
void hg_redis_url_release(hg_redis_url_t *u);

/* --- redis_resp.c: the protocol --- */
typedef struct hg_resp_reply {
    char type; /* '+' '-' ':' '$' '_' or of an aggregate '*' '%' '~' */
    bool null;
    hg_str_t text;     /* of a scalar: its first 4 KiB; of '-' the whole message */
    const char *error; /* of an aggregate: the first error in it, or NULL */
} hg_resp_reply_t;

#define HG_RESP_DEPTH 8
typedef struct hg_resp {
    bool (*reply)(void *arg, const hg_resp_reply_t *r); /* false: no more; the parser may be gone */
    void *arg;
    hg_buf_t line;                /* of the element being read */
    hg_buf_t bulk;                /* its first bytes */
    uint64_t bulk_left;           /* with the line's end behind it */
    char bulk_type;               /* 0: not within a bulk */
    uint64_t left[HG_RESP_DEPTH]; /* elements to come, per level */
    unsigned depth;
    char outer; /* type of the outermost aggregate */
    char error[256];
} hg_resp_t;

void hg_resp_init(hg_resp_t *r, bool (*reply)(void *arg, const hg_resp_reply_t *r), void *arg);
void hg_resp_reset(hg_resp_t *r); /* a new connection */
void hg_resp_release(hg_resp_t *r);
/* Whole replies are told one by one. HG_EPROTO: this is not RESP. */
int hg_resp_feed(hg_resp_t *r, const char *p, size_t n, hg_err_t *err);

/* Append a command of n arguments. */
int hg_resp_command(hg_buf_t *out, const hg_str_t *args, unsigned n);

/* What an error reply means: HG_ENET, retryable or not. */
int hg_redis_error(const char *message, const char *what, hg_err_t *err);

#endif
