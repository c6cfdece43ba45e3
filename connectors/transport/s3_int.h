/* s3_int.h: what the files of s3_input share.
 *
 *   s3_input.c     options, and what happens when: objects are begun in the order of the listing, at most
 *                  max_concurrent_fetches at a time
 *   s3_list.c      the listing, page by page
 *   s3_object.c    one object: its lane, its request, its retries
 *   s3_position.c  positions: what of which object has been taken; s3_saved.c reads them
 *
 * Everything runs on the loop of the input, but for looking up credentials (a thread of libuv: services are asked).
 *
 * Objects live on s3_t.objects in the order of their keys, from the page that named them until the circuit has taken
 * all of them and of those before: then they fold into `after`, the last key up to which nothing is left to do.
 */
#ifndef HG_CONNECTORS_TRANSPORT_S3_INT_H
#define HG_CONNECTORS_TRANSPORT_S3_INT_H

#include "base/list.h"
#include "base/mem.h"
#include "connectors/transport/http_body.h"
#include "connectors/transport/http_tail.h"
#include "s3/s3.h"

#define HG_S3_UNKNOWN UINT64_MAX         /* a size that is not known yet */
#define HG_S3_REFUSAL ((size_t)64 << 10) /* bytes of an error's text that are read */
#define HG_S3_CONNECT 10000u             /* ms */
#define HG_S3_SILENCE 60000u             /* ms without a byte until a connection is given up */

typedef struct s3_cfg {
    const char *bucket, *region, *key, *prefix, *endpoint;
    const char *id, *secret, *token, *ca_file;
    uint32_t max_fetches, max_retries;
    int compression; /* hg_compression_t */
    bool no_sign, has_key, has_prefix;
} s3_cfg_t;

/* Attempts of one request that brought nothing. */
typedef struct s3_try {
    uint32_t failed;
    uint64_t retry_at; /* loop time, ms; 0 = none is due */
    bool told;         /* the health says so */
} s3_try_t;

typedef enum { S3_QUEUED, S3_ACTIVE, S3_ENDED } s3_state_t;

typedef struct s3_obj {
    hg_list_t link;   /* s3->objects */
    hg_list_t active; /* s3->active */
    hg_input_t *in;
    s3_state_t state;
    char *key, *etag;  /* etag without quotes; "" = none */
    uint64_t size;     /* HG_S3_UNKNOWN before the first answer of a `key` */
    uint64_t start;    /* where this instance begins: uncompressed bytes, as all of the lane */
    hg_member_t from;  /* compressed ones: where it has to read from for that */
    uint64_t lane_key; /* hash of the key */
    uint64_t lane_id;  /* 0 = none was opened */
    hg_http_body_t body;
    hg_http_tail_t tail; /* its requests are body.t too */
    s3_try_t again;
    uint64_t tried_at, flushed; /* bytes at the last failure, at the last flush */
    int status;                 /* of the answer under way */
    hg_buf_t refusal;           /* body of an answer that is none */
    bool at_end;
} s3_obj_t;

/* What a position said about an object that the listing has not named yet. */
typedef struct s3_saved {
    char *key, *etag;
    uint64_t offset, size;
    hg_member_t from;
    bool done, seen;
} s3_saved_t;

typedef struct s3 {
    hg_client_t *client;
    hg_s3_bucket_t bucket;
    const char *ca_file; /* NULL: the system's */
    bool running, ended, closing, close_due;
    bool crowded; /* the window is full: see s3_input.c */

    hg_s3_creds_t creds;
    bool creds_ready;   /* there are some, and S3 has not said that they expired */
    bool creds_wanted;  /* nothing goes on without new ones */
    int64_t renew_s;    /* when to look for new ones, seconds since 1970; 0 = never */
    s3_try_t creds_try; /* of services that give them */
    bool busy;          /* a look-up is under way: what follows is its thread's */
    uv_work_t lookup;
    hg_s3_creds_t fresh;
    hg_err_t creds_err;
    atomic_bool give_up; /* it shall end early */

    hg_list_t objects, active;
    uint32_t n_queued, n_active, n_making; /* making: of an index, on the pool */
    char *after;                           /* NULL = nothing is done so far */
    s3_saved_t *saved;
    uint32_t n_saved;
    uint64_t done_bytes, listed_bytes;

    struct {
        bool done, begun;
        hg_transfer_t *t;
        hg_s3_xml_t *xml;
        int status;
        char *token, *last_key;
        hg_buf_t refusal;
        hg_err_t bad; /* of the document */
        s3_try_t again;
    } list;

    uint32_t n_retrying;
    uv_timer_t *timer;
    uint64_t quiet_at, drop_at; /* loop time, ms; 0 = not due */
} s3_t;

/* s3_input.c */
void hg_s3_go(hg_input_t *in); /* whatever can be done now */
void hg_s3_fatal(hg_input_t *in, hg_err_t *err);
/* Another attempt later, or the end of the input: what says what was tried. credentials: they have expired. */
void hg_s3_retry(hg_input_t *in, s3_try_t *t, const hg_err_t *why);
void hg_s3_works(hg_input_t *in, s3_try_t *t);
void hg_s3_made(hg_input_t *in);          /* one index less under way: may end a close */
uint64_t hg_s3_now(const hg_input_t *in); /* loop time, ms */
/* An answer that is no success, as S3 says it: err->retry when trying again may help. */
void hg_s3_refused(hg_input_t *in, const char *what, const char *key, int status, hg_str_t body, hg_err_t *err);
void hg_s3_arm(hg_input_t *in);                    /* the timer, for what is due next */
bool hg_s3_due(hg_input_t *in, const s3_try_t *t); /* no attempt waits for its time */

/* s3_list.c */
void hg_s3_list_start(hg_input_t *in);
void hg_s3_list_drop(s3_t *s); /* ends the request under way */
/* The only one of `key`. */
void hg_s3_single(hg_input_t *in);

/* s3_object.c */
s3_obj_t *hg_s3_obj_new(hg_input_t *in, const char *key, const char *etag, uint64_t size);
void hg_s3_obj_free(s3_obj_t *o);
void hg_s3_obj_begin(s3_obj_t *o);
void hg_s3_obj_go(s3_obj_t *o); /* delivers what is left over, connects, ends: whatever is next */
char *hg_s3_etag(hg_str_t v);   /* without quotes */

/* s3_position.c */
void hg_s3_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w);
int hg_s3_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err);

/* s3_saved.c */
hg_compression_t hg_s3_compression(const s3_cfg_t *c, const char *key);
/* Into s->saved and s->after. HG_EPARSE. */
int hg_s3_read_position(const s3_cfg_t *c, const hg_json_t *v, s3_t *s, hg_err_t *err);
int hg_s3_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err);
void hg_s3_saved_free(s3_t *s);

#endif
