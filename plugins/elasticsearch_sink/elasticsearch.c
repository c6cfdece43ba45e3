/* elasticsearch.c: messages to an index, a bulk request for each batch.
 *
 * A document is named by its message's id, so a batch that comes again replaces what it wrote. Items of a bulk are
 * judged one by one: what the cluster could not take now (429, 5xx) is sent again, alone; what it will never take (a
 * mapping that does not fit) is left out and told.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugins/sdk/http.h"
#include "plugins/sdk/sink.h"

typedef struct cfg {
    const char *url, *index, *username, *password;
    const hg_json_t *mapping;
    uint32_t batch_size, timeout_seconds;
    bool create;
    hgp_http_cfg_t http;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("url", STR, url, .flags = HG_OPT_REQUIRED, .doc = "Elasticsearch's address: http://host:9200."),
    OPT("index", STR, index, .flags = HG_OPT_REQUIRED, .doc = "Where documents go."),
    OPT("username", STR, username, .doc = "For basic authentication."),
    OPT("password", STR, password, .flags = HG_OPT_SECRET, .doc = "Its password."),
    OPT("create_index_if_not_exists", BOOL, create, .def = "true", .doc = "An index that is not there is made."),
    OPT("index_mapping", JSON, mapping, .doc = "The body of the request that makes it, an object."),
    OPT("batch_size", U32, batch_size, .max = 1000000, .doc = "Documents of one bulk. Without one: the whole batch."),
    OPT("timeout_seconds", U32, timeout_seconds, .max = 86400, .unit = "seconds",
        .doc = "`timeout`, by its older name."),
    HGP_HTTP_OPTS(cfg_t),
    { .key = NULL },
};

typedef struct state {
    const char *base, *index_url, *bulk_url;
    const char *headers[3], *json_headers[3];
    uint64_t timeout_ms;
} state_t;

static int make_index(hgp_instance_t *i, hgp_http_t *h, hg_err_t *err)
{
    static const int missing[] = { 404 }, there[] = { 400 };
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_http_patience(&c->http);
    hg_fetch_t head = {
        .method = "HEAD", .url = s->index_url, .headers = s->json_headers, .timeout_ms = s->timeout_ms
    };
    hg_buf_t body;
    hg_jw_t w;
    int rc = hgp_http_try(i, h, &head, &p, missing, 1, err);
    if (rc < 0 || h->status != 404) return rc;
    if (!c->create)
        return hg_err_set(err, HG_ENOTFOUND, "there is no index '%s', and create_index_if_not_exists is false",
                          c->index);
    hg_buf_init(&body, HG_BUF_NOMAX);
    hg_jw_init(&w, &body);
    if (c->mapping) hg_jw_node(&w, c->mapping);
    hg_fetch_t put = { .method = "PUT",
                       .url = s->index_url,
                       .headers = s->json_headers,
                       .body = hg_buf_str(&body),
                       .timeout_ms = s->timeout_ms };
    rc = hgp_http_try(i, h, &put, &p, there, 1, err);
    if (rc == 0 && h->status == 400 && !strstr(h->answer.p, "resource_already_exists"))
        rc = hgp_http_refused(h, &put, err);
    hg_buf_release(&body);
    return rc;
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    hg_buf_t t;
    hgp_http_t h;
    i->state = s;
    int rc = hgp_http_base(i, c->url, &s->base, err);
    if (rc < 0) return rc;
    if (c->mapping && c->mapping->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EINVAL, "option 'index_mapping': expected an object");
    hg_buf_init(&t, HG_BUF_NOMAX);
    hg_pct_encode(&t, hg_strz(c->index));
    s->index_url = hg_arena_printf(i->arena, "%s/%s", s->base, t.p);
    s->bulk_url = hg_arena_printf(i->arena, "%s/_bulk", s->index_url);
    s->timeout_ms = c->timeout_seconds ? (uint64_t)c->timeout_seconds * 1000 : c->http.timeout;
    s->headers[0] = "Content-Type: application/x-ndjson";
    s->json_headers[0] = "Content-Type: application/json";
    hg_buf_clear(&t);
    if (c->username && c->password && hgp_http_basic(&t, c->username, c->password) == 0)
        s->headers[1] = s->json_headers[1] = hg_arena_strndup(i->arena, t.p, t.len);
    hg_buf_release(&t);
    hgp_http_init(&h);
    rc = make_index(i, &h, err);
    hgp_http_release(&h);
    return rc;
}

/* --- a bulk --------------------------------------------------------------------------------------------------------
 */

/* Members that a message brings itself would stand twice in its document: they go. */
static int without_ours(hg_buf_t *o, size_t at)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *root;
    hg_err_t err;
    hg_jw_t w;
    int rc = hg_json_parse(a, (hg_str_t){ o->p + at, o->len - at }, &root, &err);
    if (rc == 0) {
        o->len = at;
        hg_jw_init(&w, o);
        hg_jw_obj(&w);
        for (const hg_json_t *m = root->child; m; m = m->next) {
            if (hg_str_starts(m->key, HG_S("_iggy_"))) continue;
            hg_jw_key(&w, m->key.p);
            hg_jw_node(&w, m);
        }
        hg_jw_end_obj(&w);
        rc = w.rc;
    }
    hg_arena_free(a);
    return rc;
}

static int add_other(hg_buf_t *o, hg_pc_schema_t schema, hg_str_t p)
{
    int rc = hg_buf_adds(o, schema == HG_PC_TEXT ? "{\"text\":" : "{\"data\":\"");
    if (rc < 0) return rc;
    if (schema == HG_PC_TEXT) {
        rc = hg_json_quote(o, p);
        return rc < 0 ? rc : hg_buf_adds(o, ",\"data_type\":\"text\",");
    }
    rc = hg_base64(o, p);
    return rc < 0 ? rc : hg_buf_adds(o, "\",\"data_type\":\"raw\",");
}

/* The document with a comma instead of its closing brace, ready for more members. HG_EPARSE: it cannot be one. */
static int begin_document(hg_buf_t *o, hg_pc_schema_t schema, hg_str_t p)
{
    size_t at = o->len;
    if (schema == HG_PC_TEXT) return add_other(o, schema, p);
    if (schema != HG_PC_JSON && schema != HG_PC_RAW) return HG_EPARSE;
    int rc = hgp_json_line(o, p);
    if (rc == HG_EPARSE && schema == HG_PC_RAW) return add_other(o, schema, p);
    if (rc < 0) return rc;
    while (strchr(" \t", o->p[o->len - 1])) o->len--;
    if (o->p[at + strspn(o->p + at, " \t")] != '{') {
        o->len = at;
        return schema == HG_PC_RAW ? add_other(o, schema, p) : HG_EPARSE;
    }
    if (memmem(o->p + at, o->len - at, "\"_iggy_", 7)) rc = without_ours(o, at);
    if (rc < 0) return rc;
    o->len--; /* the closing brace */
    while (strchr(" \t", o->p[o->len - 1])) o->len--;
    return o->p[o->len - 1] == '{' ? 0 : hg_buf_addc(o, ',');
}

static int add_document(hgp_http_worker_t *w, const hgp_batch_t *b, uint32_t k, int64_t now_ms)
{
    const hg_pc_raw_view_t *m = &b->v[k];
    hg_buf_t *o = &w->body;
    size_t before = o->len;
    int rc = hg_buf_adds(o, m->m.id ? "{\"index\":{\"_id\":\"" : "{\"index\":{}}\n");
    if (rc == 0 && m->m.id) rc = hgp_id_hex(o, m->m.id);
    if (rc == 0 && m->m.id) rc = hg_buf_adds(o, "\"}}\n");
    if (rc == 0) rc = begin_document(o, b->schema, m->m.payload);
    if (rc == 0) rc = hg_buf_adds(o, "\"_iggy_offset\":");
    if (rc == 0) rc = hg_buf_addu64(o, m->m.offset);
    if (rc == 0) rc = hg_buf_adds(o, ",\"_iggy_stream\":");
    if (rc == 0) rc = hg_json_quote(o, b->stream);
    if (rc == 0) rc = hg_buf_adds(o, ",\"_iggy_topic\":");
    if (rc == 0) rc = hg_json_quote(o, b->topic);
    if (rc == 0) rc = hg_buf_adds(o, ",\"_iggy_partition\":");
    if (rc == 0) rc = hg_buf_addu64(o, b->partition);
    if (rc == 0) rc = hg_buf_adds(o, ",\"_iggy_timestamp\":");
    if (rc == 0) rc = hg_buf_addi64(o, now_ms);
    if (rc == 0 && m->m.n_headers) {
        rc = hg_buf_adds(o, ",\"_iggy_headers\":");
        if (rc == 0) rc = hgp_headers_json(o, m, &w->scratch);
    }
    if (rc == 0) rc = hg_buf_adds(o, "}\n");
    if (rc < 0) o->len = before;
    return rc;
}

/* Keeps of the body what is to be sent again: the items whose place in `again` is set. */
static void keep(hgp_http_worker_t *w, const bool *again)
{
    uint32_t from = 0, n = 0;
    size_t to = 0;
    for (uint32_t k = 0; k < w->n; k++) {
        uint32_t end = w->ends[k];
        if (again[k]) {
            memmove(w->body.p + to, w->body.p + from, end - from);
            to += end - from;
            w->ends[n] = (uint32_t)to;
            w->whose[n++] = w->whose[k];
        }
        from = end;
    }
    w->n = n;
    w->body.len = to;
}

/* Reads the answer to a bulk. 0: everything has been dealt with; else err, and what has to be sent again is left. */
static int judge(hgp_http_worker_t *w, const hgp_batch_t *b, uint32_t *rejected, hg_err_t *err)
{
    hg_str_t answer = hg_buf_str(&w->http.answer);
    if (memmem(answer.p, HG_MIN(answer.n, (size_t)256), "\"errors\":false", 14)) return 0;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *root;
    hg_err_t bad;
    const hg_json_t *item = NULL;
    if (hg_json_parse(a, answer, &root, &bad) == 0) {
        const hg_json_t *items = hg_json_get(root, "items");
        item = items && items->kind == HG_J_ARRAY && items->n == w->n ? items->child : NULL;
    }
    if (!item) {
        hg_arena_free(a);
        return hg_err_retry(err, HG_EPROTO, "the answer to a bulk is not one with an item for each document");
    }
    bool *again = HG_ANEWN(a, bool, w->n);
    uint32_t left = 0;
    for (uint32_t k = 0; k < w->n; k++, item = item->next) {
        uint64_t status = 0;
        const hg_json_t *one = item->child, *why = hg_json_get(one, "error");
        (void)hg_json_u64(hg_json_get(one, "status"), &status);
        if (!why && status >= 200 && status < 300) continue;
        const char *reason = hg_json_str(hg_json_get(why, "reason"), "no reason was given");
        again[k] = status == 0 || hgp_http_transient((int)HG_MIN(status, (uint64_t)999));
        if (!again[k]) {
            hgp_reject(b, w->whose[k], rejected, "status %" PRIu64 ", %s: %s", status,
                       hg_json_str(hg_json_get(why, "type"), "error"), reason);
        } else if (!left++) {
            hg_err_retry(err, HG_EAGAIN, "status %" PRIu64 ": %s", status, reason);
        }
    }
    if (left) keep(w, again);
    hg_arena_free(a);
    return left ? err->code : 0;
}

static int flush(hgp_instance_t *i, hgp_http_worker_t *w, const hgp_batch_t *b, uint32_t *rejected, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_http_patience(&c->http);
    int rc = 0;
    for (uint32_t attempt = 1; w->n; attempt++) {
        hg_fetch_t f = { .method = "POST",
                         .url = s->bulk_url,
                         .headers = s->headers,
                         .body = hg_buf_str(&w->body),
                         .timeout_ms = s->timeout_ms };
        *err = HG_ERR_INIT;
        rc = hgp_http_call(i, &w->http, &f, err);
        if (rc == 0 && (w->http.status < 200 || w->http.status > 299)) rc = hgp_http_refused(&w->http, &f, err);
        if (rc == 0) rc = judge(w, b, rejected, err);
        if (rc == 0 || !hgp_try_again(i, &p, attempt, w->http.asked_ms, err)) break;
    }
    w->n = 0;
    hg_buf_clear(&w->body);
    return rc;
}

static int reserve(hgp_http_worker_t *w, uint32_t n)
{
    if (n <= w->cap) return 0;
    uint32_t *ends = hg_trygrow(w->ends, n * sizeof *ends);
    if (ends) w->ends = ends;
    uint32_t *whose = ends ? hg_trygrow(w->whose, n * sizeof *whose) : NULL;
    if (!whose) return HG_ENOMEM;
    w->whose = whose;
    w->cap = n;
    return 0;
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    hgp_http_worker_t *w = worker;
    int64_t now_ms = hg_now_us() / 1000;
    uint32_t rejected = 0;
    int rc = reserve(w, b->n);
    w->n = 0;
    w->http.batch = b;
    hg_buf_clear(&w->body);
    for (uint32_t k = 0; rc == 0 && k < b->n; k++) {
        rc = add_document(w, b, k, now_ms);
        if (rc == HG_EPARSE) {
            hgp_reject(b, k, &rejected, "it is no JSON object, and schema %s cannot be made one",
                       hgp_schema_name(b->schema));
            rc = 0;
        } else if (rc == 0) {
            w->whose[w->n] = k;
            w->ends[w->n++] = (uint32_t)w->body.len;
            if (c->batch_size && w->n == c->batch_size) rc = flush(i, w, b, &rejected, err);
        }
    }
    if (rc < 0 && !err->code) rc = hg_err_retry(err, HG_ENOMEM, "no memory for a request");
    return rc < 0 ? rc : flush(i, w, b, &rejected, err);
}

static const hgp_sink_t sink = {
    .name = "elasticsearch_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = hgp_http_worker_new,
    .worker_free = hgp_http_worker_free,
    .write = write_batch,
    .gates = true,
};
HGP_SINK(sink)
