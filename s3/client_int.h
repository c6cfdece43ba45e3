/* client_int.h: what client.c and upload.c share. */
#ifndef HG_S3_CLIENT_INT_H
#define HG_S3_CLIENT_INT_H

#include "net/client.h"
#include "s3/client.h"

typedef struct hg_s3_call {
    const char *method, *key; /* key NULL: the bucket itself */
    const char *what;         /* as S3 calls it, for messages */
    const char *const (*params)[2];
    unsigned n_params;
    hg_str_t body;
    const char *etag_of;        /* name of a header of the answer that goes to c->header; or NULL */
    const hg_s3_taker_t *taker; /* NULL: the answer goes to c->answer */
} hg_s3_call_t;

struct hg_s3_client {
    char *bucket_name, *id, *secret;
    hg_s3_bucket_t bucket;
    hg_s3_creds_t creds;
    int64_t renew_s; /* 0 = never */
    hg_session_t *session;
    hg_buf_t answer, header;
    bool (*cancelled)(void *arg);
    void *cancel_arg;
};

/* With attempts. 0: the answer is a success (2xx). */
int hg_s3_client_call(hg_s3_client_t *c, const hg_s3_call_t *call, hg_err_t *err);
bool hg_s3_client_cancelled(const hg_s3_client_t *c);

#endif
