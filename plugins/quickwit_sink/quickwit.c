/* quickwit.c: JSON messages to Quickwit's ingest endpoint, as lines. A batch is one request, repeated as a whole: what
 * was taken before an answer got lost is in the index twice, because Quickwit knows no keys. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/http.h"
#include "plugins/sdk/sink.h"

typedef struct cfg {
    const char *url, *index;
    hgp_http_cfg_t http;
    uint64_t max_body;
} cfg_t;

static const hg_opt_t options[] = {
    { .key = "url",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, url),
      .flags = HG_OPT_REQUIRED,
      .doc = "Quickwit's address: http://host:7280." },
    { .key = "index",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, index),
      .flags = HG_OPT_REQUIRED,
      .doc = "The index's definition in YAML, with a line `index_id: …`. An index that is not there is made of it." },
    { .key = "max_body_bytes",
      .type = HG_OPT_U64,
      .at = offsetof(cfg_t, max_body),
      .def = "8388608",
      .min = 1,
      .max = 1073741824,
      .unit = "bytes",
      .doc = "A body that has reached this many is sent; Quickwit's own limit is `content_length_limit`, 10 MiB." },
    HGP_HTTP_OPTS(cfg_t),
    { .key = NULL },
};

typedef struct state {
    const char *base, *id, *ingest;
} state_t;

static const char *const ndjson[] = { "Content-Type: application/x-ndjson", NULL };
static const char *const yaml[] = { "Content-Type: application/yaml", NULL };

/* The value of the line `index_id: value`, without quotes and comment. */
static int index_id(hgp_instance_t *i, const char *text, const char **ret, hg_err_t *err)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, "index_id:", 9) != 0) continue;
        const char *v = line + 9 + strspn(line + 9, " \t\"'");
        size_t n = strspn(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");
        if (!n || !strchr("\"' \t\r\n#", v[n])) break; /* the end of the text is one of them */
        *ret = hg_arena_strndup(i->arena, v, n);
        return 0;
    }
    return hg_err_set(err, HG_EINVAL,
                      "option 'index': expected an index definition in YAML with a line 'index_id: NAME', NAME of "
                      "letters, digits, '_', '-' and '.'");
}

static int make_index(hgp_instance_t *i, hgp_http_t *h, hg_err_t *err)
{
    static const int missing[] = { 404 };
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_http_patience(&c->http);
    const char *at = hg_arena_printf(i->arena, "%s/api/v1/indexes/%s", s->base, s->id);
    hg_fetch_t get = { .url = at, .timeout_ms = c->http.timeout };
    int rc = hgp_http_try(i, h, &get, &p, missing, 1, err);
    if (rc < 0 || h->status != 404) return rc;
    hg_fetch_t post = { .method = "POST",
                        .url = hg_arena_printf(i->arena, "%s/api/v1/indexes", s->base),
                        .headers = yaml,
                        .body = hg_strz(c->index),
                        .timeout_ms = c->http.timeout };
    rc = hgp_http_try(i, h, &post, &p, NULL, 0, err);
    if (rc == 0) hgp_log(IGGY_LOG_INFO, "made index %s", s->id);
    return rc;
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    hgp_http_t h;
    i->state = s;
    int rc = hgp_http_base(i, c->url, &s->base, err);
    if (rc == 0) rc = index_id(i, c->index, &s->id, err);
    if (rc < 0) return rc;
    s->ingest = hg_arena_printf(i->arena, "%s/api/v1/%s/ingest?commit=auto", s->base, s->id);
    hgp_http_init(&h);
    rc = make_index(i, &h, err);
    hgp_http_release(&h);
    return rc;
}

static int flush(hgp_instance_t *i, hgp_http_worker_t *w, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_http_patience(&c->http);
    if (!w->body.len) return 0;
    hg_fetch_t f = { .method = "POST",
                     .url = s->ingest,
                     .headers = ndjson,
                     .body = hg_buf_str(&w->body),
                     .timeout_ms = c->http.timeout };
    int rc = hgp_http_try(i, &w->http, &f, &p, NULL, 0, err);
    hg_buf_clear(&w->body);
    return rc;
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    hgp_http_worker_t *w = worker;
    uint32_t rejected = 0;
    int rc = 0;
    w->http.batch = b;
    hg_buf_clear(&w->body);
    for (uint32_t k = 0; rc == 0 && k < b->n; k++) {
        rc = b->schema == HG_PC_JSON ? hgp_json_line(&w->body, b->v[k].m.payload) : HG_EPARSE;
        if (rc == 0) rc = hg_buf_addc(&w->body, '\n');
        if (rc == HG_EPARSE) {
            hgp_reject(b, k, &rejected, "it is not JSON");
            rc = 0;
        } else if (rc < 0) {
            rc = hg_err_retry(err, HG_ENOMEM, "no memory for a request");
        } else if (w->body.len >= c->max_body) {
            rc = flush(i, w, err);
        }
    }
    return rc < 0 ? rc : flush(i, w, err);
}

static const hgp_sink_t sink = {
    .name = "quickwit_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = hgp_http_worker_new,
    .worker_free = hgp_http_worker_free,
    .write = write_batch,
    .gates = true,
};
HGP_SINK(sink)
