/* s3.h: what S3's protocol needs below its users: signatures, addresses, XML answers, credentials. No I/O but for
 * the credentials' files and services; no thread of its own: every function may be called from any thread, on its own
 * data.
 */
#ifndef HG_S3_S3_H
#define HG_S3_S3_H

#include "base/buf.h"
#include "base/err.h"

/* --- sign.c: AWS signature version 4 ---------------------------------------------------------------------------*/

typedef struct hg_s3_creds {
    char *id, *secret, *token; /* token NULL = none; all of hg_free() */
    const char *from;          /* for people: where they were found; static */
    int64_t expires_s;         /* seconds since 1970; 0 = not told */
} hg_s3_creds_t;
void hg_s3_creds_release(hg_s3_creds_t *c);
hg_s3_creds_t hg_s3_creds_copy(const hg_s3_creds_t *c);

/* SHA-256 of the empty body, in hex: what a GET signs. */
extern const char hg_s3_empty_sha256[65];

/* SHA-256 in hex. */
void hg_s3_sha256(hg_str_t body, char out[65]);
/* The same of what comes in pieces; end frees s. */
typedef struct hg_s3_sha hg_s3_sha_t;
hg_s3_sha_t *hg_s3_sha_new(void);
void hg_s3_sha_add(hg_s3_sha_t *s, const void *p, size_t n);
void hg_s3_sha_end(hg_s3_sha_t *s, char out[65]);

typedef struct hg_s3_header {
    const char *name; /* lower case */
    const char *value;
} hg_s3_header_t;

/* Appends the value of the Authorization header. service: "s3", "sts". path and query are as they stand in the request,
 * in canonical form; headers are sorted by name, x-amz-date ("20130524T000000Z") and x-amz-content-sha256 are among
 * them. */
void hg_s3_sign(const hg_s3_creds_t *c, const char *region, const char *service, const char *method, hg_str_t path,
                hg_str_t query, const hg_s3_header_t *headers, unsigned n_headers, hg_buf_t *out);

/* --- request.c: addresses --------------------------------------------------------------------------------------*/

typedef struct hg_s3_bucket {
    char *scheme_host; /* "https://bucket.s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000" */
    char *host;        /* as curl sends it: without the scheme's own port */
    char *base;        /* "", "/bucket", "/behind/a/proxy/bucket": already encoded */
    char *region;
    const char *service; /* "s3"; static */
} hg_s3_bucket_t;

/* endpoint_url NULL: Amazon's. With one, the bucket stands in the path. HG_EINVALTRANSPORT names the option. */
int hg_s3_bucket_init(hg_s3_bucket_t *b, const char *bucket, const char *region, const char *endpoint_url,
                      hg_err_t *err);
void hg_s3_bucket_release(hg_s3_bucket_t *b);
/* Another service of AWS, at its URL; option names it in a complaint. */
int hg_s3_service_init(hg_s3_bucket_t *b, const char *service, const char *region, const char *url, const char *option,
                       hg_err_t *err);
/* NULL, or what is wrong with a bucket's name. */
const char *hg_s3_bucket_name_bad(const char *bucket);

/* A request: its URL and headers. creds NULL: not signed. key.p NULL: the bucket itself. Query parameters are (name,
 * value) pairs, neither encoded nor sorted; n_params counts pairs. now_s: the signature's time, seconds since 1970. */
typedef struct hg_s3_get {
    hg_buf_t url;
    hg_buf_t text;          /* holds the headers */
    const char *headers[8]; /* NULL-ended, into text */
} hg_s3_get_t;
/* body_sha256: hg_s3_sha256 of what will be sent, or hg_s3_empty_sha256. */
void hg_s3_request_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, const char *method,
                        hg_str_t key, const char *const (*params)[2], unsigned n_params, const char *body_sha256,
                        int64_t now_s);
void hg_s3_get_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, hg_str_t key,
                    const char *const (*params)[2], unsigned n_params, const char *if_match, int64_t now_s);
/* A form for the service itself, whose type is signed too. */
void hg_s3_form_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, hg_str_t form, int64_t now_s);
void hg_s3_get_release(hg_s3_get_t *g);

/* --- xml.c: answers --------------------------------------------------------------------------------------------*/

#define HG_S3_KEY_MAX 1024 /* bytes of a key, by S3's rules */

typedef struct hg_s3_entry {
    char *key; /* decoded; no NUL in it */
    char *etag;
    uint64_t size;
} hg_s3_entry_t;

/* One page of ListObjectsV2, or an error. */
typedef struct hg_s3_answer {
    hg_s3_entry_t *entries;
    uint32_t n, cap;
    bool truncated;
    char *next_token;
    char *code, *message, *region; /* of <Error>; NULL = not there */
    bool is_error;
    char *id, *secret, *token, *expires; /* of STS; NULL = not there */
    char *upload_id;                     /* of an upload that begins; NULL = not there */
} hg_s3_answer_t;

typedef struct hg_s3_xml hg_s3_xml_t;
hg_s3_xml_t *hg_s3_xml_new(void);
hg_s3_xml_t *hg_s3_xml_new_sts(void);    /* of AssumeRole and AssumeRoleWithWebIdentity instead */
hg_s3_xml_t *hg_s3_xml_new_upload(void); /* of CreateMultipartUpload and CompleteMultipartUpload instead */
/* Any pieces of the document in order. HG_EPROTO: no such document; nothing may follow. */
int hg_s3_xml_feed(hg_s3_xml_t *x, const char *p, size_t n, hg_err_t *err);
/* The document has ended: the answer is the caller's, to be released. HG_EPROTO as above. */
int hg_s3_xml_end(hg_s3_xml_t *x, hg_s3_answer_t *ret, hg_err_t *err);
void hg_s3_xml_free(hg_s3_xml_t *x);
void hg_s3_answer_release(hg_s3_answer_t *a);

/* refusal.c: err from an answer that is no success: "<what> of s3://bucket/key: status 403 AccessDenied: …". key NULL:
 * the bucket itself. HG_ENOTFOUND: there is no such object; else HG_ENET. err->retry where another attempt may help.
 * True: the credentials have expired. */
bool hg_s3_refusal(const char *what, const char *bucket, const char *key, const char *region, int status, hg_str_t body,
                   hg_err_t *err);

/* --- creds.c and what it asks: credentials of the surroundings -------------------------------------------------*/

typedef struct hg_s3_ask {
    const char *region;           /* of the bucket: whose STS is asked where the environment names no region */
    const char *ca_file;          /* who may have signed STS's certificate; NULL: the system's */
    bool (*cancelled)(void *arg); /* asked about once a second; NULL: never */
    void *cancel_arg;
} hg_s3_ask_t;

/* The first of: environment, web identity (IRSA), the profile AWS_PROFILE (or "default") of the shared files, the
 * service of a container (ECS, EKS), that of the machine (EC2). A source that is set up and fails ends the search.
 * Services are asked only where programs may reach them (base/access.h). Reads small files and waits some seconds at
 * most for each answer: not on a loop. HG_EPERM: there are none, with what was tried and why each gave none; else what
 * is wrong, err->retry where another attempt may help. */
int hg_s3_creds_find(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_err_t *err);
/* AWS_CA_BUNDLE; NULL: not set. */
const char *hg_s3_ca_file(void);
/* When to look for new ones, seconds since 1970, before these expire; 0 = never. */
int64_t hg_s3_creds_renew_at(const hg_s3_creds_t *c, int64_t now_s);
/* What a container's or a machine's service answers. HG_EPROTO: it is none, or says that it has none; no message has a
 * part of a secret. */
int hg_s3_role_parse(hg_str_t json, hg_s3_creds_t *ret, hg_err_t *err);
/* May a container's service be asked there? Over http only on this machine, or at the fixed addresses of ECS and EKS.
 * NULL, or what is wrong. */
const char *hg_s3_container_bad(const char *url);

#endif
