/* search.c: documents of an index, by time: each poll asks for the next ones, sorted by a timestamp.
 *
 * The cursor is the last document's timestamp. Documents that share it are asked for again (`gte`) without those that
 * were taken (by _id), so that none is lost where more of them share a time than a batch has room for. Both are part of
 * the state: [last_poll_timestamp, total_documents_fetched, poll_count, last_document_id, last_scroll_id, last_offset,
 * error_count, last_error, [stats]] as the Rust plugin has it, where last_scroll_id, unused there, lists the ids taken
 * at the cursor's time, a line each.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/sdk/http.h"
#include "plugins/sdk/source.h"

typedef struct cfg {
    const char *url, *index, *username, *password, *field, *unused;
    const hg_json_t *query, *state;
    uint64_t interval;
    uint32_t batch_size;
    hgp_http_cfg_t http;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("url", STR, url, .flags = HG_OPT_REQUIRED, .doc = "Elasticsearch's address: http://host:9200."),
    OPT("index", STR, index, .flags = HG_OPT_REQUIRED, .doc = "An index that exists, or a pattern."),
    OPT("username", STR, username, .doc = "For basic authentication."),
    OPT("password", STR, password, .flags = HG_OPT_SECRET, .doc = "Its password."),
    OPT("query", JSON, query, .doc = "Which documents. Without one: all."),
    OPT("polling_interval", DURATION, interval, .def = "10s", .doc = "Pause when there was nothing more."),
    OPT("batch_size", U32, batch_size, .def = "100", .min = 1, .max = 10000, .doc = "Documents of a batch at most."),
    OPT("timestamp_field", STR, field, .def = "@timestamp",
        .doc = "What documents are sorted by, and the cursor. Documents without it are not read."),
    OPT("scroll_timeout", STR, unused, .flags = HG_OPT_IGNORED, .doc = "Nothing is scrolled."),
    OPT("state", JSON, state, .flags = HG_OPT_IGNORED, .doc = "The runtime keeps the state."),
    HGP_HTTP_OPTS(cfg_t),
    { .key = NULL },
};

/* Where the source stands: behind what it has produced, or behind the poll under way. */
typedef struct place {
    hg_buf_t cursor; /* empty: at the begin */
    hg_buf_t seen;   /* ids at the cursor's time, "\n" behind each */
    hg_buf_t last;   /* id */
    uint64_t total, polls;
} place_t;

typedef struct search {
    const char *url;
    const char *headers[3];
    hgp_http_t http;
    hg_buf_t body, payload;
    place_t at, staged;
} search_t;

static void place_init(place_t *p)
{
    hg_buf_init(&p->cursor, HG_BUF_NOMAX);
    hg_buf_init(&p->seen, HG_BUF_NOMAX);
    hg_buf_init(&p->last, HG_BUF_NOMAX);
}

static void place_release(place_t *p)
{
    hg_buf_release(&p->cursor);
    hg_buf_release(&p->seen);
    hg_buf_release(&p->last);
}

static void place_clear(place_t *p)
{
    hg_buf_clear(&p->cursor);
    hg_buf_clear(&p->seen);
    hg_buf_clear(&p->last);
    p->total = p->polls = 0;
}

static int set(hg_buf_t *b, hg_str_t s)
{
    hg_buf_clear(b);
    return hg_buf_addstr(b, s);
}

static int place_copy(place_t *to, const place_t *from)
{
    int rc = set(&to->cursor, hg_buf_str(&from->cursor));
    if (rc == 0) rc = set(&to->seen, hg_buf_str(&from->seen));
    if (rc == 0) rc = set(&to->last, hg_buf_str(&from->last));
    to->total = from->total;
    to->polls = from->polls;
    return rc;
}

static int read_state(place_t *p, hg_str_t in)
{
    hgp_mp_value_t v, total, polls, last, seen;
    if (hgp_mp_take(&in, HGP_MP_ARRAY, &v) < 0 || v.u < 5 || hgp_mp_take(&in, HGP_MP_STR, &v) < 0 ||
        hgp_mp_take(&in, HGP_MP_UINT, &total) < 0 || hgp_mp_take(&in, HGP_MP_UINT, &polls) < 0 ||
        hgp_mp_take(&in, HGP_MP_STR, &last) < 0 || hgp_mp_take(&in, HGP_MP_STR, &seen) < 0)
        return HG_EPARSE;
    p->total = total.u;
    p->polls = polls.u;
    int rc = set(&p->cursor, v.s);
    if (rc == 0) rc = set(&p->last, last.s);
    if (rc == 0) rc = set(&p->seen, seen.s);
    if (rc == 0 && !seen.s.n && last.s.n) { /* the Rust plugin's: it knows one */
        rc = hg_buf_addstr(&p->seen, last.s);
        if (rc == 0) rc = hg_buf_addc(&p->seen, '\n');
    }
    return rc;
}

static int write_state(const place_t *p, hg_buf_t *out)
{
    int rc = hgp_mp_array(out, 9);
    if (rc == 0) rc = hgp_mp_str(out, hg_buf_str(&p->cursor));
    if (rc == 0) rc = hgp_mp_u64(out, p->total);
    if (rc == 0) rc = hgp_mp_u64(out, p->polls);
    if (rc == 0) rc = hgp_mp_str(out, hg_buf_str(&p->last));
    if (rc == 0) rc = hgp_mp_str(out, hg_buf_str(&p->seen));
    if (rc == 0) rc = hgp_mp_nil(out);    /* last_offset */
    if (rc == 0) rc = hgp_mp_u64(out, 0); /* error_count */
    if (rc == 0) rc = hgp_mp_nil(out);    /* last_error */
    if (rc == 0) rc = hgp_mp_array(out, 5);
    if (rc == 0) rc = hgp_mp_u64(out, 0);
    if (rc == 0) rc = hg_buf_add(out, "\xcb\0\0\0\0\0\0\0\0", 9); /* avg_batch_processing_time_ms, a float */
    if (rc == 0) rc = hgp_mp_nil(out);
    if (rc == 0) rc = hgp_mp_u64(out, 0);
    return rc < 0 ? rc : hgp_mp_u64(out, p->polls);
}

static void rewind_to(hgp_instance_t *i, hg_str_t state)
{
    search_t *s = i->state;
    if (state.n && read_state(&s->at, state) == 0) return;
    if (state.n) hgp_log(IGGY_LOG_WARN, "the state cannot be read: from the begin");
    place_clear(&s->at);
}

static int open_source(hgp_instance_t *i, hg_str_t state, hg_err_t *err)
{
    static const int fine[] = { 200 };
    const cfg_t *c = i->cfg;
    search_t *s = HG_ANEW(i->arena, search_t);
    hgp_patience_t p = hgp_http_patience(&c->http);
    const char *base;
    i->state = s;
    hgp_http_init(&s->http);
    hg_buf_init(&s->body, HG_BUF_NOMAX);
    hg_buf_init(&s->payload, HG_BUF_NOMAX);
    place_init(&s->at);
    place_init(&s->staged);
    int rc = hgp_http_base(i, c->url, &base, err);
    if (rc < 0) return rc;
    if (c->query && c->query->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EINVAL, "option 'query': expected an object");
    s->url = hg_arena_printf(i->arena, "%s/%s/_search", base, c->index);
    s->headers[0] = "Content-Type: application/json";
    if (c->username && c->password && hgp_http_basic(&s->body, c->username, c->password) == 0)
        s->headers[1] = hg_arena_strndup(i->arena, s->body.p, s->body.len);
    rewind_to(i, state);
    hg_fetch_t head = { .method = "HEAD",
                        .url = hg_arena_printf(i->arena, "%s/%s", base, c->index),
                        .headers = s->headers,
                        .timeout_ms = c->http.timeout };
    return hgp_http_try(i, &s->http, &head, &p, fine, 1, err);
}

static void close_source(hgp_instance_t *i)
{
    search_t *s = i->state;
    hgp_http_release(&s->http);
    hg_buf_release(&s->body);
    hg_buf_release(&s->payload);
    place_release(&s->at);
    place_release(&s->staged);
}

static void question(const cfg_t *c, search_t *s, hg_jw_t *w)
{
    hg_str_t seen = hg_buf_str(&s->at.seen);
    hg_jw_obj(w);
    hg_jw_ku64(w, "size", c->batch_size);
    hg_jw_key(w, "sort");
    hg_jw_arr(w);
    hg_jw_obj(w);
    hg_jw_kstr(w, c->field, "asc");
    hg_jw_end_obj(w);
    hg_jw_end_arr(w);
    hg_jw_key(w, "query");
    hg_jw_raw(w, HG_S("{\"bool\":{\"filter\":["));
    w->comma = false;
    if (c->query)
        hg_jw_node(w, c->query);
    else
        hg_jw_raw(w, HG_S("{\"match_all\":{}}"));
    hg_jw_obj(w);
    hg_jw_key(w, s->at.cursor.len ? "range" : "exists");
    hg_jw_obj(w);
    if (s->at.cursor.len) {
        hg_jw_key(w, c->field);
        hg_jw_obj(w);
        hg_jw_key(w, "gte");
        hg_jw_str(w, hg_buf_str(&s->at.cursor));
        hg_jw_end_obj(w);
    } else {
        hg_jw_kstr(w, "field", c->field);
    }
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
    hg_buf_adds(w->b, "],\"must_not\":[{\"ids\":{\"values\":[");
    w->comma = false;
    while (seen.n) {
        const char *nl = memchr(seen.p, '\n', seen.n);
        size_t n = nl ? (size_t)(nl - seen.p) : seen.n;
        hg_jw_str(w, (hg_str_t){ seen.p, n });
        n += nl != NULL;
        seen.p += n;
        seen.n -= n;
    }
    hg_buf_adds(w->b, "]}}]}}");
    hg_jw_end_obj(w);
}

/* The member "a.b" of a document: by that name, or b of a. */
static const hg_json_t *member(const hg_json_t *doc, const char *path)
{
    const hg_json_t *v = hg_json_get(doc, path);
    const char *dot = strchr(path, '.');
    char name[256];
    if (v || !dot || (size_t)(dot - path) >= sizeof name) return v;
    memcpy(name, path, (size_t)(dot - path));
    name[dot - path] = 0;
    v = hg_json_get(doc, name);
    return v ? member(v, dot + 1) : NULL;
}

static int take(const cfg_t *c, search_t *s, const hg_json_t *hit, hgp_out_t *out, hg_err_t *err)
{
    const hg_json_t *doc = hg_json_get(hit, "_source");
    const hg_json_t *time = doc ? member(doc, c->field) : NULL;
    hg_str_t id = hg_strz(hg_json_str(hg_json_get(hit, "_id"), NULL));
    if (!time || (time->kind != HG_J_STRING && time->kind != HG_J_NUMBER) || !id.n)
        return hg_err_retry(err, HG_EPROTO, "document '%s' has no '%s' in its _source: it cannot be a cursor", id.p,
                            c->field);
    hg_buf_clear(&s->payload);
    int rc = hgp_json_line(&s->payload, (hg_str_t){ s->http.answer.p + doc->off, doc->len });
    if (rc == 0) rc = hgp_out_message(out, 0, NULL, 0, hg_buf_str(&s->payload));
    if (rc == 0 && !hg_str_eq(hg_buf_str(&s->staged.cursor), time->str)) {
        hg_buf_clear(&s->staged.seen);
        rc = set(&s->staged.cursor, time->str);
    }
    if (rc == 0) rc = hg_buf_addstr(&s->staged.seen, id);
    if (rc == 0) rc = hg_buf_addc(&s->staged.seen, '\n');
    if (rc == 0) rc = set(&s->staged.last, id);
    s->staged.total++;
    return rc < 0 ? hg_err_retry(err, rc, "no memory for a batch") : 0;
}

/* The answer to a search into out, and what is behind it into s->staged. */
static int read_answer(const cfg_t *c, search_t *s, hgp_out_t *out, uint32_t *ret_n, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *root;
    int rc = hg_json_parse(a, hg_buf_str(&s->http.answer), &root, err);
    const hg_json_t *hits = rc == 0 ? hg_json_get(hg_json_get(root, "hits"), "hits") : NULL;
    if (!hits || hits->kind != HG_J_ARRAY) rc = hg_err_retry(err, HG_EPROTO, "the answer to a search has no 'hits'");
    if (rc == 0) rc = place_copy(&s->staged, &s->at);
    s->staged.polls++;
    for (const hg_json_t *h = rc == 0 ? hits->child : NULL; rc == 0 && h; h = h->next) rc = take(c, s, h, out, err);
    *ret_n = hits ? hits->n : 0;
    hg_arena_free(a);
    return rc;
}

static int poll(hgp_instance_t *i, hgp_out_t *out, hg_buf_t *state, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    search_t *s = i->state;
    hgp_patience_t p = hgp_http_patience(&c->http);
    uint32_t n = 0;
    hg_jw_t w;
    hg_buf_clear(&s->body);
    hg_jw_init(&w, &s->body);
    question(c, s, &w);
    hg_fetch_t f = { .method = "POST",
                     .url = s->url,
                     .headers = s->headers,
                     .body = hg_buf_str(&s->body),
                     .timeout_ms = c->http.timeout };
    int rc = hgp_http_try(i, &s->http, &f, &p, NULL, 0, err);
    if (rc == 0) rc = read_answer(c, s, out, &n, err);
    if (rc == 0 && n) rc = write_state(&s->staged, state);
    if (rc == 0 && n) rc = place_copy(&s->at, &s->staged);
    if (rc < 0) return rc;
    return n == c->batch_size ? HGP_POLL_AGAIN : HGP_POLL_LATER;
}

static uint64_t pause_ms(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->interval;
}

static const hgp_source_t source = {
    .name = "elasticsearch_source",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_source,
    .poll = poll,
    .rewind = rewind_to,
    .close = close_source,
    .pause_ms = pause_ms,
};
HGP_SOURCE(source)
