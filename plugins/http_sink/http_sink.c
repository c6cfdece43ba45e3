/* http_sink.c: messages to an HTTP service, one by one or many in a body.
 *
 * A body is built in the worker's buffer, which is kept: no allocation per message. A body that is refused for good
 * (4xx but 408 and 429) is fatal where it holds many messages, because nobody knows which of them are meant; a single
 * message is left out and told. Attempts repeat a whole body: the service may see messages twice, and can tell them by
 * iggy_id or by partition and offset.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/http.h"
#include "plugins/sdk/sink.h"

typedef enum { INDIVIDUAL, NDJSON, JSON_ARRAY, RAW_BODY } batch_mode_t;

typedef struct cfg {
    const char *url;
    int method, mode, health_method;
    hgp_http_cfg_t http;
    uint64_t max_payload;
    uint32_t max_connections;
    bool metadata, checksum, origin, health_check, insecure, verbose;
    const hg_json_t *codes, *headers;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("url", STR, url, .flags = HG_OPT_REQUIRED, .doc = "Where messages go: http:// or https://."),
    OPT("method", ENUM, method, .names = "GET|HEAD|POST|PUT|PATCH|DELETE", .def = "POST",
        .doc = "Method of requests. HEAD is refused: it has no body."),
    HGP_HTTP_OPTS(cfg_t),
    OPT("max_payload_size_bytes", U64, max_payload, .def = "10485760", .unit = "bytes",
        .doc =
            "Messages that are larger as they are sent are left out; bodies of many end before they are larger. 0: no "
            "limit."),
    OPT("batch_mode", ENUM, mode, .names = "individual|ndjson|json_array|raw", .def = "individual",
        .doc = "A request for each message, JSON lines, one array, or the bytes of each message as they are."),
    OPT("include_metadata", BOOL, metadata, .def = "true", .doc = "An envelope with `metadata` around each message."),
    OPT("include_checksum", BOOL, checksum, .def = "false", .doc = "The message's checksum in it."),
    OPT("include_origin_timestamp", BOOL, origin, .def = "false", .doc = "The time that its producer gave, in it."),
    OPT("health_check_enabled", BOOL, health_check, .def = "false",
        .doc = "One request at the start, which must work."),
    OPT("health_check_method", ENUM, health_method, .names = "GET|HEAD|POST|PUT|PATCH|DELETE", .def = "HEAD",
        .doc = "Its method."),
    OPT("success_status_codes", JSON, codes, .doc = "What counts as delivered. Without it: 200, 201, 202, 204."),
    OPT("max_connections", U32, max_connections, .def = "10", .min = 1, .max = 1000, .doc = "Requests at once."),
    OPT("headers", JSON, headers, .flags = HG_OPT_SECRET, .doc = "Further headers, an object of texts."),
    OPT("tls_danger_accept_invalid_certs", BOOL, insecure, .def = "false",
        .doc = "The server's certificate is not checked."),
    OPT("verbose_logging", BOOL, verbose, .def = "false", .doc = "A line in the log for each batch."),
    { .key = NULL },
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

typedef struct state {
    const char **headers; /* with the content type, NULL-ended */
    int *codes;
    unsigned n_codes;
} state_t;

typedef hgp_http_worker_t worker_t;

static int read_codes(hgp_instance_t *i, state_t *s, const hg_json_t *v, hg_err_t *err)
{
    static const int usual[] = { 200, 201, 202, 204 };
    s->n_codes = v ? v->n : HG_COUNT(usual);
    s->codes = HG_ANEWN(i->arena, int, s->n_codes + 1);
    if (!v) {
        memcpy(s->codes, usual, sizeof usual);
        return 0;
    }
    if (v->kind != HG_J_ARRAY || v->n == 0)
        return hg_err_set(err, HG_EINVAL, "option 'success_status_codes': expected a list of numbers");
    for (uint32_t k = 0; k < v->n; k++) {
        uint64_t code;
        if (hg_json_u64(hg_json_at(v, k), &code) < 0 || code < 100 || code > 599)
            return hg_err_set(err, HG_EINVAL, "option 'success_status_codes': expected numbers from 100 to 599");
        s->codes[k] = (int)code;
    }
    return 0;
}

static int read_headers(hgp_instance_t *i, state_t *s, const cfg_t *c, hg_err_t *err)
{
    static const char *const types[] = { "application/json", "application/x-ndjson", "application/json",
                                         "application/octet-stream" };
    const hg_json_t *v = c->headers;
    uint32_t n = 0;
    if (v && v->kind != HG_J_OBJECT) return hg_err_set(err, HG_EINVAL, "option 'headers': expected an object of texts");
    s->headers = HG_ANEWN(i->arena, const char *, (v ? v->n : 0) + 2);
    s->headers[n++] = hg_arena_printf(i->arena, "Content-Type: %s", types[c->mode]);
    for (const hg_json_t *m = v ? v->child : NULL; m; m = m->next) {
        if (m->kind != HG_J_STRING || strpbrk(m->str.p, "\r\n") || memchr(m->key.p, ':', m->key.n))
            return hg_err_set(err, HG_EINVAL, "option 'headers': '" HG_SF "' is not a header with one line of text",
                              HG_SA(m->key));
        const char *line = hg_arena_printf(i->arena, HG_SF ": %s", HG_SA(m->key), m->str.p);
        if (hg_str_ieq(m->key, HG_S("content-type")))
            s->headers[0] = line;
        else
            s->headers[n++] = line;
    }
    return 0;
}

static hg_fetch_t request(const cfg_t *c, const state_t *s, int method, hg_str_t body)
{
    return (hg_fetch_t){ .method = methods[method],
                         .url = c->url,
                         .headers = s->headers,
                         .body = body,
                         .timeout_ms = c->http.timeout,
                         .tls_insecure = c->insecure };
}

static int send_body(hgp_instance_t *i, worker_t *w, int method, hg_str_t body, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hg_fetch_t f = request(c, s, method, body);
    hgp_patience_t p = hgp_http_patience(&c->http);
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        int rc = hgp_http_call(i, &w->http, &f, err);
        for (unsigned k = 0; rc == 0 && k < s->n_codes; k++)
            if (s->codes[k] == w->http.status) return 0;
        if (rc == 0) rc = hgp_http_refused(&w->http, &f, err);
        if (!hgp_try_again(i, &p, attempt, w->http.asked_ms, err)) return rc;
    }
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    const char *base;
    i->state = s;
    int rc = hgp_http_base(i, c->url, &base, err);
    if (rc == 0 && strcmp(methods[c->method], "HEAD") == 0)
        rc = hg_err_set(err, HG_EINVAL, "option 'method': a HEAD has no body, so that no message would be sent");
    if (rc == 0) rc = read_codes(i, s, c->codes, err);
    if (rc == 0) rc = read_headers(i, s, c, err);
    if (rc < 0 || !c->health_check) return rc;
    worker_t *w = hgp_http_worker_new(i);
    rc = send_body(i, w, c->health_method, (hg_str_t){ NULL, 0 }, err);
    hgp_http_worker_free(i, w);
    return rc;
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static int add_number(hg_buf_t *b, const char *key, uint64_t v)
{
    int rc = hg_buf_adds(b, key);
    return rc < 0 ? rc : hg_buf_addu64(b, v);
}

static int add_metadata(const cfg_t *c, worker_t *w, const hgp_batch_t *b, const hg_pc_raw_view_t *m)
{
    hg_buf_t *o = &w->body;
    int rc = hg_buf_adds(o, "{\"metadata\":{\"iggy_id\":\"");
    if (rc == 0) rc = hgp_id_hex(o, m->m.id);
    if (rc == 0) rc = add_number(o, "\",\"iggy_offset\":", m->m.offset);
    if (rc == 0) rc = add_number(o, ",\"iggy_timestamp\":", m->m.timestamp);
    if (rc == 0) rc = hg_buf_adds(o, ",\"iggy_stream\":");
    if (rc == 0) rc = hg_json_quote(o, b->stream);
    if (rc == 0) rc = hg_buf_adds(o, ",\"iggy_topic\":");
    if (rc == 0) rc = hg_json_quote(o, b->topic);
    if (rc == 0) rc = add_number(o, ",\"iggy_partition_id\":", b->partition);
    if (rc == 0 && c->checksum) rc = add_number(o, ",\"iggy_checksum\":", m->m.checksum);
    if (rc == 0 && c->origin) rc = add_number(o, ",\"iggy_origin_timestamp\":", m->m.origin_timestamp);
    if (rc == 0 && m->m.n_headers) {
        rc = hg_buf_adds(o, ",\"iggy_headers\":");
        if (rc == 0) rc = hgp_headers_json(o, m, &w->scratch);
    }
    return rc < 0 ? rc : hg_buf_adds(o, "},\"payload\":");
}

static int add_payload(hg_buf_t *o, hg_pc_schema_t schema, hg_str_t p)
{
    if (schema == HG_PC_JSON) return hgp_json_line(o, p);
    if (schema == HG_PC_TEXT) return hg_json_quote(o, p);
    int rc = hg_buf_adds(o, "{\"data\":\"");
    if (rc == 0) rc = hg_base64(o, p);
    return rc < 0 ? rc : hg_buf_adds(o, "\",\"iggy_payload_encoding\":\"base64\"}");
}

/* Appends message k as one JSON value. HG_EPARSE, HG_ETOOBIG: the message itself is bad; the body is as before. *size:
 * how large it is as it is sent. */
static int add_message(const cfg_t *c, worker_t *w, const hgp_batch_t *b, uint32_t k, size_t *size)
{
    const hg_pc_raw_view_t *m = &b->v[k];
    size_t before = w->body.len;
    *size = m->m.payload.n;
    if (c->max_payload && *size > c->max_payload) return HG_ETOOBIG;
    int rc = c->metadata ? add_metadata(c, w, b, m) : 0;
    if (rc == 0) rc = add_payload(&w->body, b->schema, m->m.payload);
    if (rc == 0 && c->metadata) rc = hg_buf_addc(&w->body, '}');
    *size = w->body.len - before;
    if (rc == 0 && c->max_payload && *size > c->max_payload) rc = HG_ETOOBIG;
    if (rc < 0) w->body.len = before;
    return rc;
}

static void reject(const cfg_t *c, const hgp_batch_t *b, uint32_t k, int rc, size_t size, uint32_t *rejected)
{
    if (rc == HG_ETOOBIG)
        hgp_reject(b, k, rejected, "it has %zu bytes, and max_payload_size_bytes is %" PRIu64, size, c->max_payload);
    else
        hgp_reject(b, k, rejected, "it is not JSON");
}

static int no_memory(hg_err_t *err)
{
    return hg_err_retry(err, HG_ENOMEM, "no memory for a request");
}

/* A request for each message: one that is refused for good is left out, and the others go on. */
static int write_single(hgp_instance_t *i, worker_t *w, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    uint32_t rejected = 0;
    for (uint32_t k = 0; k < b->n; k++) {
        hg_str_t body = b->v[k].m.payload;
        size_t size = body.n;
        int rc = 0;
        hg_buf_clear(&w->body);
        if (c->mode == INDIVIDUAL) {
            rc = add_message(c, w, b, k, &size);
            body = hg_buf_str(&w->body);
        } else if (c->max_payload && body.n > c->max_payload) {
            rc = HG_ETOOBIG;
        }
        if (rc == HG_ENOMEM) return no_memory(err);
        if (rc < 0) {
            reject(c, b, k, rc, size, &rejected);
            continue;
        }
        rc = send_body(i, w, c->method, body, err);
        if (rc == 0) continue;
        /* What all messages meet, or what may pass, is the batch's; the rest is this message's own. */
        bool own = w->http.status == 400 || w->http.status == 413 || w->http.status == 415 || w->http.status == 422;
        if (err->retry || !own) return rc;
        hgp_reject(b, k, &rejected, "%s", err->msg);
    }
    return 0;
}

static int flush(hgp_instance_t *i, worker_t *w, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    if (!w->body.len) return 0;
    if (c->mode == JSON_ARRAY && hg_buf_addc(&w->body, ']') < 0) return no_memory(err);
    int rc = send_body(i, w, c->method, hg_buf_str(&w->body), err);
    hg_buf_clear(&w->body);
    return rc;
}

/* What stands before the message that begins at `at` goes alone; the message begins the next body. */
static int send_front(hgp_instance_t *i, worker_t *w, size_t at, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    hg_buf_t *b = &w->body;
    bool array = c->mode == JSON_ARRAY;
    if (array) b->p[at] = ']'; /* where the comma is */
    int rc = send_body(i, w, c->method, (hg_str_t){ b->p, at + array }, err);
    if (array) b->p[at] = '[';
    b->len -= at;
    memmove(b->p, b->p + at, b->len);
    return rc;
}

static int write_many(hgp_instance_t *i, worker_t *w, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    uint32_t rejected = 0;
    hg_buf_clear(&w->body);
    for (uint32_t k = 0; k < b->n; k++) {
        size_t before = w->body.len, size = 0;
        int rc = c->mode == JSON_ARRAY ? hg_buf_addc(&w->body, before ? ',' : '[') : 0;
        if (rc == 0) rc = add_message(c, w, b, k, &size);
        if (rc == 0 && c->mode == NDJSON) rc = hg_buf_addc(&w->body, '\n');
        if (rc == HG_ENOMEM) return no_memory(err);
        if (rc < 0) {
            w->body.len = before;
            reject(c, b, k, rc, size, &rejected);
        } else if (c->max_payload && before && w->body.len + (c->mode == JSON_ARRAY) > c->max_payload) {
            rc = send_front(i, w, before, err);
            if (rc < 0) return rc;
        }
    }
    return flush(i, w, err);
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    bool single = c->mode == INDIVIDUAL || c->mode == RAW_BODY;
    worker_t *w = worker;
    w->http.batch = b;
    int rc = single ? write_single(i, w, b, err) : write_many(i, w, b, err);
    if (rc == 0 && c->verbose)
        hgp_log(IGGY_LOG_INFO, "%u messages from offset %" PRIu64 " are delivered", b->n, b->v[0].m.offset);
    return rc;
}

static uint32_t workers(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->max_connections;
}

static const hgp_sink_t sink = {
    .name = "http_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = hgp_http_worker_new,
    .worker_free = hgp_http_worker_free,
    .write = write_batch,
    .workers = workers,
    .gates = true,
};
HGP_SINK(sink)
