/* client.c: see client.h. A request is signed anew for each attempt, because a signature grows old. */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/client_int.h"
#include <openssl/crypto.h>

#define ATTEMPTS      5u
#define PAUSE_MS      200u /* before the second; then twice as long each time */
#define PAUSE_MAX_MS  10000u
#define ANSWER_MAX    ((size_t)64 << 20) /* a page of the list, an error */
#define REFUSAL_MAX   ((size_t)64 << 10)
#define TIMEOUT_MS    60000u
#define BYTES_PER_SEC 65536u /* slower than this is not worth waiting for */

static char *copied(const char *s)
{
    return s ? hg_xstrdup(s) : NULL;
}

int hg_s3_client_new(const hg_s3_client_opts_t *o, hg_s3_client_t **ret, hg_err_t *err)
{
    hg_s3_client_t *c = HG_NEW(hg_s3_client_t);
    c->cancelled = o->cancelled;
    c->cancel_arg = o->cancel_arg;
    c->bucket_name = hg_xstrdup(o->bucket);
    c->id = copied(o->id);
    c->secret = copied(o->secret);
    hg_buf_init(&c->answer, ANSWER_MAX);
    hg_buf_init(&c->header, HG_S3_KEY_MAX);
    int rc = hg_s3_bucket_init(&c->bucket, o->bucket, o->region, o->endpoint, err);
    if (rc == 0) rc = hg_session_new(&c->session, err);
    if (rc < 0) {
        hg_s3_client_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void hg_s3_client_free(hg_s3_client_t *c)
{
    if (!c) return;
    hg_session_free(c->session);
    hg_s3_bucket_release(&c->bucket);
    hg_s3_creds_release(&c->creds);
    if (c->secret) OPENSSL_cleanse(c->secret, strlen(c->secret));
    hg_free(c->bucket_name);
    hg_free(c->id);
    hg_free(c->secret);
    hg_buf_release(&c->answer);
    hg_buf_release(&c->header);
    hg_free(c);
}

bool hg_s3_client_cancelled(const hg_s3_client_t *c)
{
    return c->cancelled && c->cancelled(c->cancel_arg);
}

static bool is_cancelled(void *arg)
{
    return hg_s3_client_cancelled(arg);
}

/* --- credentials --- */

static int have_creds(hg_s3_client_t *c, hg_err_t *err)
{
    int64_t now = (int64_t)time(NULL);
    if (c->creds.id && (!c->renew_s || now < c->renew_s)) return 0;
    hg_s3_creds_t fresh = { .from = "the configuration" };
    if (c->id) {
        fresh.id = hg_xstrdup(c->id);
        fresh.secret = hg_xstrdup(c->secret);
    } else {
        const hg_s3_ask_t ask = {
            .region = c->bucket.region, .ca_file = hg_s3_ca_file(), .cancelled = is_cancelled, .cancel_arg = c
        };
        int rc = hg_s3_creds_find(&ask, &fresh, err);
        if (rc < 0 && c->creds.id && (!c->creds.expires_s || now < c->creds.expires_s)) {
            *err = HG_ERR_INIT; /* those at hand are good for a while */
            return 0;
        }
        if (rc < 0) return hg_err_wrap(err, "bucket '%s'", c->bucket_name);
    }
    hg_s3_creds_release(&c->creds);
    c->creds = fresh;
    c->renew_s = hg_s3_creds_renew_at(&c->creds, now);
    return 0;
}

/* --- a request --- */

typedef struct {
    hg_s3_client_t *c;
    const hg_s3_call_t *call;
    bool began;
    hg_err_t err; /* of who takes the bytes */
    hg_buf_t refusal;
    uint64_t n;
} stream_t;

/* Until the status is known, which the session tells at the end, nobody knows what these bytes are: an error's text is
 * short and XML, an object's begin is kept back until more than that has come. */
static int hand_over(stream_t *x, const char *p, size_t n)
{
    const hg_s3_taker_t *t = x->call->taker;
    int rc = 0;
    if (!x->began && t->begin) rc = t->begin(t->arg, &x->err);
    if (rc == 0 && !x->began && x->refusal.len) rc = t->take(t->arg, x->refusal.p, x->refusal.len, &x->err);
    x->began = true;
    if (rc == 0 && n) rc = t->take(t->arg, p, n, &x->err);
    return rc;
}

static bool on_bytes(void *arg, const char *p, size_t n)
{
    stream_t *x = arg;
    x->n += n;
    if (!x->began && x->refusal.len + n <= REFUSAL_MAX) return hg_buf_add(&x->refusal, p, n) == 0;
    return hand_over(x, p, n) == 0;
}

/* One attempt. Who takes an answer's bytes gets them only when the status says that they are the object's. */
static int attempt(hg_s3_client_t *c, const hg_s3_call_t *call, int *ret_status, hg_err_t *err)
{
    hg_s3_get_t g;
    char sha[65];
    const char *headers[HG_COUNT(g.headers) + 1];
    unsigned n = 0;
    int rc = have_creds(c, err);
    if (rc < 0) return rc;
    hg_s3_sha256(call->body, sha);
    hg_s3_request_init(&g, &c->bucket, &c->creds, call->method, hg_strz(call->key), call->params, call->n_params, sha,
                       (int64_t)time(NULL));
    for (; g.headers[n]; n++) headers[n] = g.headers[n];
    if (call->body.p) headers[n++] = "Content-Type: application/octet-stream";
    headers[n] = NULL;
    stream_t x = { .c = c, .call = call, .err = HG_ERR_INIT };
    hg_buf_init(&x.refusal, REFUSAL_MAX);
    uint64_t bytes = HG_MAX(call->body.n, call->taker ? call->taker->size : 0);
    hg_fetch_t f = { .method = call->method,
                     .url = g.url.p,
                     .headers = headers,
                     .body = call->body,
                     .timeout_ms = TIMEOUT_MS + bytes / BYTES_PER_SEC * 1000,
                     .ca_file = hg_s3_ca_file(),
                     .sink = call->taker ? on_bytes : NULL,
                     .arg = &x,
                     .want_header = call->etag_of,
                     .ret_header = &c->header,
                     .raw_path = true,
                     .judged = true,
                     .cancelled = is_cancelled,
                     .cancel_arg = c };
    hg_buf_clear(&c->answer);
    *ret_status = 0;
    rc = hg_session_fetch(c->session, &f, ret_status, NULL, call->taker ? NULL : &c->answer, err);
    bool good = rc == 0 && *ret_status >= 200 && *ret_status <= 299;
    if (good && call->taker && !x.err.code && !x.began) (void)hand_over(&x, NULL, 0);
    if (x.err.code) { /* it stopped the answer, whose status says nothing then */
        *err = x.err;
        rc = err->code;
    } else if (rc == 0 && !good && call->taker) {
        (void)hg_buf_addstr(&c->answer, hg_buf_str(&x.refusal));
    }
    hg_buf_release(&x.refusal);
    hg_s3_get_release(&g);
    return rc;
}

/* False: it is given up meanwhile. */
static bool pause_for(hg_s3_client_t *c, unsigned attempt_no)
{
    uint64_t ms = HG_MIN((uint64_t)PAUSE_MS << HG_MIN(attempt_no - 1, 10u), (uint64_t)PAUSE_MAX_MS);
    for (; ms; ms -= HG_MIN(ms, 100u)) {
        if (hg_s3_client_cancelled(c)) return false;
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
    return !hg_s3_client_cancelled(c);
}

int hg_s3_client_call(hg_s3_client_t *c, const hg_s3_call_t *call, hg_err_t *err)
{
    for (unsigned i = 1;; i++) {
        int status = 0;
        *err = HG_ERR_INIT;
        int rc = attempt(c, call, &status, err);
        if (rc == 0 && status >= 200 && status <= 299) return 0;
        if (rc == 0 &&
            hg_s3_refusal(call->what, c->bucket_name, call->key, c->bucket.region, status, hg_buf_str(&c->answer),
                          err) &&
            !c->id) {
            err->retry = 1;
            hg_s3_creds_release(&c->creds); /* looked for again */
        }
        if (!err->retry || i == ATTEMPTS || err->code == HG_ECANCELED) return err->code;
        if (!pause_for(c, i))
            return hg_err_set(err, HG_ECANCELED, "%s of s3://%s: given up", call->what, c->bucket_name);
    }
}

/* --- objects --- */

int hg_s3_client_put(hg_s3_client_t *c, const char *key, hg_str_t body, hg_err_t *err)
{
    const hg_s3_call_t call = { .method = "PUT", .what = "PutObject", .key = key, .body = body };
    return hg_s3_client_call(c, &call, err);
}

int hg_s3_client_get(hg_s3_client_t *c, const char *key, const hg_s3_taker_t *t, hg_err_t *err)
{
    const hg_s3_call_t call = { .method = "GET", .what = "GetObject", .key = key, .taker = t };
    return hg_s3_client_call(c, &call, err);
}

static int begin_buf(void *arg, hg_err_t *err)
{
    (void)err;
    hg_buf_clear(arg);
    return 0;
}

static int take_buf(void *arg, const char *p, size_t n, hg_err_t *err)
{
    hg_buf_t *b = arg;
    int rc = hg_buf_add(b, p, n);
    return rc < 0 ? hg_err_set(err, rc, "the object is larger than %zu bytes", b->max) : 0;
}

int hg_s3_client_read(hg_s3_client_t *c, const char *key, hg_buf_t *out, hg_err_t *err)
{
    const hg_s3_taker_t t = { .begin = begin_buf, .take = take_buf, .arg = out };
    hg_buf_clear(out);
    int rc = hg_s3_client_get(c, key, &t, err);
    return rc == HG_ETOOBIG ? hg_err_wrap(err, "s3://%s/%.150s", c->bucket_name, key) : rc;
}

int hg_s3_client_delete(hg_s3_client_t *c, const char *key, hg_err_t *err)
{
    const hg_s3_call_t call = { .method = "DELETE", .what = "DeleteObject", .key = key };
    int rc = hg_s3_client_call(c, &call, err);
    if (rc != HG_ENOTFOUND) return rc;
    *err = HG_ERR_INIT;
    return 0;
}

/* --- the list --- */

static int read_page(hg_s3_client_t *c, hg_s3_answer_t *a, hg_err_t *err)
{
    hg_s3_xml_t *x = hg_s3_xml_new();
    int rc = hg_s3_xml_feed(x, c->answer.p, c->answer.len, err);
    if (rc == 0) rc = hg_s3_xml_end(x, a, err);
    hg_s3_xml_free(x);
    if (rc == 0 && a->is_error)
        rc = hg_err_retry(err, HG_ENET, "%s: %.300s", a->code ? a->code : "an error without a code",
                          a->message ? a->message : "");
    return rc < 0 ? hg_err_wrap(err, "ListObjectsV2 of s3://%s", c->bucket_name) : 0;
}

int hg_s3_client_list(hg_s3_client_t *c, const char *prefix, int (*fn)(void *, const hg_s3_entry_t *, hg_err_t *),
                      void *arg, hg_err_t *err)
{
    char *token = NULL;
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        const char *params[4][2] = { { "list-type", "2" }, { "encoding-type", "url" }, { "prefix", prefix } };
        unsigned n = 3;
        if (token) params[n][0] = "continuation-token", params[n++][1] = token;
        const hg_s3_call_t call = {
            .method = "GET", .what = "ListObjectsV2", .params = (const char *const(*)[2])params, .n_params = n
        };
        hg_s3_answer_t a = { 0 };
        rc = hg_s3_client_call(c, &call, err);
        if (rc == 0) rc = read_page(c, &a, err);
        for (uint32_t i = 0; rc == 0 && i < a.n; i++) rc = fn(arg, &a.entries[i], err);
        more = rc == 0 && a.truncated;
        if (more && token && strcmp(token, a.next_token) == 0)
            rc =
                hg_err_set(err, HG_EPROTO, "ListObjectsV2 of s3://%s: the server answers the same page again and again",
                           c->bucket_name);
        hg_free(token);
        token = a.next_token;
        a.next_token = NULL;
        hg_s3_answer_release(&a);
    }
    hg_free(token);
    return rc;
}
