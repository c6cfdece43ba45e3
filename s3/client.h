/* client.h: a bucket, for who may block: objects put, read, listed and removed, one request after the other on one kept
 * connection.
 *
 * Requests are signed with the credentials that were given, or with those of the surroundings (s3.h), which are looked
 * up when the first request needs them and again before they expire. Where another attempt may help it is made, five
 * times at most, with growing pauses. What programs may reach (base/access.h) holds for every connection.
 *
 * One thread at a time; never a loop. Errors name bucket and key: HG_ENOTFOUND: there is no such object; HG_ECANCELED;
 * HG_EPERM: it may not be reached, or there are no credentials; else HG_ENET. err->retry where it may work later.
 */
#ifndef HG_S3_CLIENT_H
#define HG_S3_CLIENT_H

#include "s3/s3.h"

typedef struct hg_s3_client hg_s3_client_t;

typedef struct hg_s3_client_opts {
    const char *bucket, *region;
    const char *endpoint;         /* NULL: Amazon's */
    const char *id, *secret;      /* NULL: those of the surroundings */
    bool (*cancelled)(void *arg); /* asked about once a second; NULL: never */
    void *cancel_arg;
} hg_s3_client_opts_t;

/* Makes no connection. What opts points to is copied, but cancel_arg. HG_EINVALTRANSPORT: an endpoint that is none. */
int hg_s3_client_new(const hg_s3_client_opts_t *opts, hg_s3_client_t **ret, hg_err_t *err);
void hg_s3_client_free(hg_s3_client_t *c); /* NULL: nothing */

/* Afterwards the object has these bytes, or is as it was. */
int hg_s3_client_put(hg_s3_client_t *c, const char *key, hg_str_t body, hg_err_t *err);
/* The same of a file of `size` bytes, in parts where it is large: what is in memory is one part of it. HG_EIO: it
 * cannot be read, or is shorter. */
int hg_s3_client_upload(hg_s3_client_t *c, const char *key, const char *path, uint64_t size, hg_err_t *err);
/* The object's bytes, in pieces. begin (not NULL) comes before the first of each attempt: what came before it counts no
 * more. take: negative ends it with that code and what it put into err. */
typedef struct hg_s3_taker {
    int (*begin)(void *arg, hg_err_t *err);
    int (*take)(void *arg, const char *p, size_t n, hg_err_t *err);
    void *arg;
    uint64_t size; /* that is expected: how long an attempt may take follows from it */
} hg_s3_taker_t;
int hg_s3_client_get(hg_s3_client_t *c, const char *key, const hg_s3_taker_t *t, hg_err_t *err);
/* A small object; HG_ETOOBIG past out's limit. out is emptied before. */
int hg_s3_client_read(hg_s3_client_t *c, const char *key, hg_buf_t *out, hg_err_t *err);
/* All objects whose keys begin with prefix, in the order of their bytes; a negative answer of fn ends it. */
int hg_s3_client_list(hg_s3_client_t *c, const char *prefix,
                      int (*fn)(void *arg, const hg_s3_entry_t *e, hg_err_t *err), void *arg, hg_err_t *err);
/* One that is not there is no error. */
int hg_s3_client_delete(hg_s3_client_t *c, const char *key, hg_err_t *err);

#endif
