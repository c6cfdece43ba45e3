/* http.h: a plugin's connection to an HTTP service: one kept session per worker, attempts by patience, and the answer
 * judged: what may be tried again and what not. */
#ifndef HEADGATE_PLUGINS_SDK_HTTP_H
#define HEADGATE_PLUGINS_SDK_HTTP_H

#include "net/client.h"
#include "plugins/sdk/sink.h"

typedef struct hgp_http {
    hg_session_t *session;
    hg_buf_t answer;
    int status;
    uint64_t asked_ms;        /* Retry-After of the last answer; 0 = none */
    const hgp_batch_t *batch; /* whose gate calls stop at; NULL: they do not */
} hgp_http_t;

void hgp_http_init(hgp_http_t *h);
void hgp_http_release(hgp_http_t *h);

/* One request. 0: there is an answer, whatever its status. HG_ECANCELED also at a gate that is refused. */
int hgp_http_call(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, hg_err_t *err);
/* The same, again and again as long as the answer is one that another attempt may change (408, 429, 500, 502, 503, 504,
 * no answer at all). 0: the answer's status is 2xx, or one of `fine` (n of them). Else err, with the begin of the
 * answer's text; err->retry as above. */
int hgp_http_try(hgp_instance_t *i, hgp_http_t *h, hg_fetch_t *f, const hgp_patience_t *p, const int *fine, unsigned n,
                 hg_err_t *err);
/* err from an answer: its status and the begin of its text; err->retry where another attempt may help. */
int hgp_http_refused(const hgp_http_t *h, const hg_fetch_t *f, hg_err_t *err);
bool hgp_http_transient(int status);

/* Options that every plugin over HTTP has; cfg has a member `hgp_http_cfg_t http`. */
typedef struct hgp_http_cfg {
    uint64_t timeout, retry_delay, max_retry_delay;
    uint32_t max_retries;
    double multiplier;
} hgp_http_cfg_t;
#define HGP_HTTP_OPT(cfg, key_, type_, member, ...)                                                                    \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg, http.member), __VA_ARGS__                             \
    }
#define HGP_HTTP_OPTS(cfg)                                                                                             \
    HGP_HTTP_OPT(cfg, "timeout", DURATION, timeout, .def = "30s", .doc = "For one request."),                          \
        HGP_HTTP_OPT(cfg, "max_retries", U32, max_retries, .def = "3", .max = 1000,                                    \
                     .doc = "Further attempts of one request."),                                                       \
        HGP_HTTP_OPT(cfg, "retry_delay", DURATION, retry_delay, .def = "1s",                                           \
                     .doc = "Pause before the first of them."),                                                        \
        HGP_HTTP_OPT(cfg, "max_retry_delay", DURATION, max_retry_delay, .def = "30s",                                  \
                     .doc = "The longest pause, also where the server asks for one with `Retry-After`."),              \
        HGP_HTTP_OPT(cfg, "retry_backoff_multiplier", F64, multiplier, .def = "2",                                     \
                     .doc = "By which pauses grow, at least 1.")
hgp_patience_t hgp_http_patience(const hgp_http_cfg_t *c);

/* Where paths are added: without the slash at its end. HG_EINVAL: no such URL. */
int hgp_http_base(hgp_instance_t *i, const char *url, const char **ret, hg_err_t *err);

/* A worker that has no more than this. */
typedef struct hgp_http_worker {
    hgp_http_t http;
    hg_buf_t body, scratch;
    uint32_t *ends; /* of the pieces in body, and whose they are; room for `cap` */
    uint32_t *whose;
    uint32_t n, cap;
} hgp_http_worker_t;
void *hgp_http_worker_new(hgp_instance_t *i);
void hgp_http_worker_free(hgp_instance_t *i, void *worker);

/* "Authorization: Basic …" into out; user NULL: nothing. */
int hgp_http_basic(hg_buf_t *out, const char *user, const char *password);

#endif
