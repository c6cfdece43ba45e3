/* s3_sink.c: messages as objects of a bucket.
 *
 * Every batch is in the bucket before consume answers: an object for each batch, or several where it is larger than one
 * may be. A sink that gathered batches itself would have to say "done" about what only its memory has; so it asks the
 * runtime for batches as large as an object (`wants`), which stores offsets behind the answer. A runtime that does not
 * gather gives what it polls. An object is named by its offsets, so a batch that comes again replaces what it wrote.
 * Signatures and addresses are those of s3_input (s3/s3.h).
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/s3.h"
#include "plugins/sdk/http.h"
#include "plugins/sdk/sink.h"
#include <pthread.h>

typedef enum { JSON_LINES, JSON_ARRAY, RAW_BYTES, N_FORMATS } format_t; /* further names are JSON_LINES, too */

typedef struct cfg {
    const char *bucket, *region, *prefix, *endpoint, *id, *secret, *ca_file, *template, *max_size;
    int rotation, format;
    bool path_style, path_style_set, metadata, headers;
    uint64_t retry_delay, max_age;
    uint32_t max_messages, max_attempts, max_retries;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("bucket", STR, bucket, .flags = HG_OPT_REQUIRED, .doc = "The bucket, which must be there."),
    OPT("region", STR, region, .flags = HG_OPT_REQUIRED, .doc = "Its region."),
    OPT("prefix", STR, prefix, .doc = "Before every object's name."),
    OPT("endpoint", STR, endpoint,
        .doc = "Another service's address: http(s)://host:port. Buckets are then in the path."),
    OPT("path_style", BOOL, path_style, .set_at = offsetof(cfg_t, path_style_set),
        .doc = "The bucket in the path, with Amazon too. With `endpoint` it always is."),
    OPT("access_key_id", STR, id,
        .doc = "Who asks. Without: environment, web identity (`AWS_ROLE_ARN`), shared files, container, EC2 machine."),
    OPT("secret_access_key", STR, secret, .flags = HG_OPT_SECRET, .doc = "Its secret."),
    OPT("ssl_ca_location", STR, ca_file,
        .doc = "File with certificates (PEM) that may have signed the server's. Without: `AWS_CA_BUNDLE`, else the "
               "system's."),
    OPT("path_template", STR, template, .def = "{stream}/{topic}/{date}/{hour}",
        .doc = "Folders: `{stream}`, `{topic}`, `{partition}`, `{date}`, `{hour}`, `{timestamp}` (ms), by the first "
               "message."),
    OPT("file_rotation", ENUM, rotation, .names = "size|messages", .def = "size", .doc = "What ends an object early."),
    OPT("max_file_size", STR, max_size, .def = "8MiB",
        .doc = "With `size`: a number of bytes, or `512KiB`, `8MiB`, `1GB` …"),
    OPT("max_messages_per_file", U32, max_messages, .doc = "With `messages`: how many."),
    OPT("max_file_age", DURATION, max_age, .def = "1m",
        .doc = "When an object is written that is not full, counted from its first message (headgate's runtime; `0s`: "
               "only full ones)."),
    OPT("output_format", ENUM, format, .names = "json_lines|json_array|raw|jsonl|jsonlines", .def = "json_lines",
        .doc = "Lines (by three names), one array, or the payloads one behind the other."),
    OPT("include_metadata", BOOL, metadata, .def = "true",
        .doc = "`offset`, `timestamp`, `stream`, `topic` and `partition_id` beside each `payload`."),
    OPT("include_headers", BOOL, headers, .def = "false", .doc = "The message's `headers` beside it."),
    OPT("max_attempts", U32, max_attempts, .max = 1000, .doc = "Of one upload, in all. Without one: 3."),
    OPT("max_retries", U32, max_retries, .max = 1000, .doc = "The same, by another name."),
    OPT("retry_delay", DURATION, retry_delay, .def = "1s",
        .doc = "Pause before the second; it doubles up to a minute."),
    { .key = NULL },
};

typedef struct state {
    hg_s3_bucket_t bucket;
    const char *ca_file; /* NULL: the system's */
    format_t format;
    uint64_t max_bytes;
    pthread_mutex_t mutex; /* of what follows: workers share it */
    hg_s3_creds_t creds;
    int64_t renew_s; /* when to look for new ones, seconds since 1970; 0 = never */
} state_t;

#define RENEW_AGAIN_S 30 /* after a look-up that failed */

/* --- open -----------------------------------------------------------------------------------------------------------
 */

/* "8MiB", "512 KB", "1000". */
static int bytes_of(const char *text, uint64_t *ret, hg_err_t *err)
{
    static const struct {
        const char *unit;
        uint64_t of;
    } units[] = { { "", 1 },         { "b", 1 },         { "kb", 1000 },       { "kib", 1 << 10 },
                  { "mb", 1000000 }, { "mib", 1 << 20 }, { "gb", 1000000000 }, { "gib", 1 << 30 } };
    size_t digits = strspn(text, "0123456789");
    hg_str_t unit = hg_str_trim(hg_strz(text + digits));
    uint64_t n;
    for (size_t k = 0; digits && k < HG_COUNT(units); k++) {
        if (!hg_str_ieq(unit, hg_strz(units[k].unit))) continue;
        if (hg_str_u64((hg_str_t){ text, digits }, &n) < 0 || n == 0 || n > 5 * ((uint64_t)1 << 30) / units[k].of)
            break;
        *ret = n * units[k].of;
        return 0;
    }
    return hg_err_set(err, HG_EINVAL, "option 'max_file_size': '%s' is no size up to 5GiB; write 8388608 or 8MiB",
                      text);
}

static int find_creds(const cfg_t *c, const state_t *s, hg_s3_creds_t *ret, hg_err_t *err)
{
    const hg_s3_ask_t ask = { .region = c->region, .ca_file = s->ca_file };
    if (!c->id != !c->secret)
        return hg_err_set(err, HG_EINVAL,
                          "options 'access_key_id' and 'secret_access_key': one is given, the other not");
    if (!c->id) return hg_s3_creds_find(&ask, ret, err);
    *ret = (hg_s3_creds_t){ .id = hg_xstrdup(c->id), .secret = hg_xstrdup(c->secret), .from = "the options" };
    return 0;
}

/* A copy of those that are valid now; new ones before these expire. */
static int creds_now(const cfg_t *c, state_t *s, hg_s3_creds_t *ret, hg_err_t *err)
{
    int64_t now = (int64_t)time(NULL);
    hg_s3_creds_t fresh;
    int rc = 0;
    pthread_mutex_lock(&s->mutex);
    if (!s->creds.id || (s->renew_s && now >= s->renew_s)) {
        rc = find_creds(c, s, &fresh, err);
        if (rc == 0) {
            hg_s3_creds_release(&s->creds);
            s->creds = fresh;
            s->renew_s = hg_s3_creds_renew_at(&s->creds, now);
        } else if (s->creds.id && now < s->creds.expires_s) { /* not yet needed */
            s->renew_s = now + RENEW_AGAIN_S;
            rc = 0;
        } else if (s->creds.id) {
            err->retry = 1; /* there were some, so there may be again */
        }
    }
    if (rc == 0) *ret = hg_s3_creds_copy(&s->creds);
    pthread_mutex_unlock(&s->mutex);
    return rc;
}

static uint32_t attempts(const cfg_t *c)
{
    return c->max_attempts ? c->max_attempts : c->max_retries ? c->max_retries : 3;
}

/* Signed anew for each attempt, because a signature grows old. */
static int request(hgp_instance_t *i, hgp_http_t *h, const char *method, hg_str_t key, hg_str_t body, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = i->state;
    hgp_patience_t p = { attempts(c), c->retry_delay, 60000, 2 };
    char sha[65];
    hg_s3_sha256(body, sha);
    for (uint32_t attempt = 1;; attempt++) {
        hg_s3_creds_t creds;
        *err = HG_ERR_INIT;
        int rc = creds_now(c, s, &creds, err);
        if (rc == 0) {
            hg_s3_get_t r;
            hg_s3_request_init(&r, &s->bucket, &creds, method, key, NULL, 0, sha, (int64_t)time(NULL));
            hg_fetch_t f = { .method = method,
                             .url = r.url.p,
                             .headers = r.headers,
                             .body = body,
                             .timeout_ms = 300000,
                             .ca_file = s->ca_file,
                             .raw_path = true };
            rc = hgp_http_call(i, h, &f, err);
            if (rc == 0 && (h->status < 200 || h->status > 299)) rc = hgp_http_refused(h, &f, err);
            hg_s3_get_release(&r);
            hg_s3_creds_release(&creds);
        }
        if (rc == 0 || !hgp_try_again(i, &p, attempt, h->asked_ms, err)) return rc;
    }
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    const char *endpoint = c->endpoint, *wrong = hg_s3_bucket_name_bad(c->bucket);
    hgp_http_t h;
    i->state = s;
    pthread_mutex_init(&s->mutex, NULL);
    s->format = c->format < N_FORMATS ? (format_t)c->format : JSON_LINES;
    s->ca_file = c->ca_file ? c->ca_file : hg_s3_ca_file();
    if (wrong) return hg_err_set(err, HG_EINVAL, "option 'bucket': %s", wrong);
    if (c->rotation == 1 && !c->max_messages)
        return hg_err_set(err, HG_EINVAL, "option 'max_messages_per_file' is needed with file_rotation = \"messages\"");
    if (endpoint && c->path_style_set && !c->path_style)
        hgp_log(IGGY_LOG_WARN, "option 'path_style': with an endpoint buckets are in the path");
    if (!endpoint && c->path_style) endpoint = hg_arena_printf(i->arena, "https://s3.%s.amazonaws.com", c->region);
    int rc = bytes_of(c->max_size, &s->max_bytes, err);
    if (rc == 0) rc = hg_s3_bucket_init(&s->bucket, c->bucket, c->region, endpoint, err);
    if (rc < 0) return rc;
    hgp_http_init(&h);
    rc = request(i, &h, "HEAD", (hg_str_t){ NULL, 0 }, (hg_str_t){ NULL, 0 }, err);
    hgp_http_release(&h);
    return rc;
}

static void wants(hgp_instance_t *i, iggy_sink_wants_t *w)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    if (c->rotation == 1)
        w->messages = c->max_messages;
    else
        w->bytes = s->max_bytes;
    w->wait_ms = c->max_age;
}

static void close_sink(hgp_instance_t *i)
{
    state_t *s = i->state;
    hg_s3_bucket_release(&s->bucket);
    hg_s3_creds_release(&s->creds);
    pthread_mutex_destroy(&s->mutex);
}

/* --- objects --------------------------------------------------------------------------------------------------------
 */

static int add_name(hg_buf_t *o, hg_str_t name) /* of letters, digits, '.', '_' and '-' */
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < name.n; k++) {
        char c = name.p[k];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("._-", c);
        rc = hg_buf_addc(o, fine && c ? c : '_');
    }
    return rc;
}

static int add_part(hg_buf_t *o, const hgp_batch_t *b, uint64_t us, const char *word, size_t n)
{
    hg_str_t w = { word, n };
    char t[24];
    struct tm tm;
    time_t s = (time_t)(us / 1000000);
    gmtime_r(&s, &tm);
    if (hg_str_eqz(w, "{stream}")) return add_name(o, b->stream);
    if (hg_str_eqz(w, "{topic}")) return add_name(o, b->topic);
    if (hg_str_eqz(w, "{partition}")) return hg_buf_addu64(o, b->partition);
    if (hg_str_eqz(w, "{timestamp}")) return hg_buf_addu64(o, us / 1000);
    if (hg_str_eqz(w, "{date}")) return hg_buf_add(o, t, strftime(t, sizeof t, "%Y-%m-%d", &tm));
    if (hg_str_eqz(w, "{hour}")) return hg_buf_add(o, t, strftime(t, sizeof t, "%H", &tm));
    return hg_buf_add(o, word, n); /* as it stands */
}

static int object_name(const cfg_t *c, format_t format, hg_buf_t *o, const hgp_batch_t *b, uint32_t from, uint32_t last)
{
    static const char *const endings[] = { "jsonl", "json", "bin" };
    uint64_t us = b->v[from].m.timestamp;
    int rc = 0;
    hg_buf_clear(o);
    if (c->prefix) {
        rc = hg_buf_adds(o, c->prefix + strspn(c->prefix, "/"));
        while (rc == 0 && o->len && o->p[o->len - 1] == '/') o->len--;
        if (rc == 0 && o->len) rc = hg_buf_addc(o, '/');
    }
    for (const char *p = c->template; rc == 0 && *p;) {
        size_t n = *p == '{' ? strcspn(p, "}") : strcspn(p, "{");
        if (*p == '{' && p[n]) n++;
        rc = add_part(o, b, us, p, n);
        p += n;
    }
    if (rc == 0 && o->len && o->p[o->len - 1] != '/') rc = hg_buf_addc(o, '/');
    return rc < 0 ? rc
                  : hg_buf_addf(o, "%05" PRIu32 "-%020" PRIu64 "-%020" PRIu64 ".%s", b->partition, b->v[from].m.offset,
                                b->v[last].m.offset, endings[format]);
}

static int add_payload(hg_buf_t *o, hg_pc_schema_t schema, hg_str_t p)
{
    int rc = schema == HG_PC_JSON || schema == HG_PC_RAW ? hgp_json_line(o, p) : HG_EPARSE;
    if (rc != HG_EPARSE || schema == HG_PC_JSON) return rc;
    if (schema == HG_PC_TEXT) return hg_json_quote(o, p);
    rc = hg_buf_addc(o, '"');
    if (rc == 0) rc = hg_base64(o, p);
    return rc < 0 ? rc : hg_buf_addc(o, '"');
}

static int add_metadata(hg_buf_t *o, const hgp_batch_t *b, const hg_pc_raw_t *m)
{
    int rc = hg_buf_adds(o, "\"offset\":");
    if (rc == 0) rc = hg_buf_addu64(o, m->offset);
    if (rc == 0) rc = hg_buf_adds(o, ",\"timestamp\":\"");
    if (rc == 0) rc = hgp_time(o, m->timestamp);
    if (rc == 0) rc = hg_buf_adds(o, "\",\"stream\":");
    if (rc == 0) rc = hg_json_quote(o, b->stream);
    if (rc == 0) rc = hg_buf_adds(o, ",\"topic\":");
    if (rc == 0) rc = hg_json_quote(o, b->topic);
    return rc < 0 ? rc : hg_buf_addf(o, ",\"partition_id\":%" PRIu32 ",", b->partition);
}

static int add_message(const cfg_t *c, format_t format, hgp_http_worker_t *w, const hgp_batch_t *b, uint32_t k)
{
    const hg_pc_raw_view_t *m = &b->v[k];
    hg_buf_t *o = &w->body;
    if (format == RAW_BYTES) return hg_buf_addstr(o, m->m.payload);
    int rc = hg_buf_addc(o, '{');
    if (rc == 0 && c->metadata) rc = add_metadata(o, b, &m->m);
    if (rc == 0 && c->headers && m->m.n_headers) {
        rc = hg_buf_adds(o, "\"headers\":");
        if (rc == 0) rc = hgp_headers_typed(o, m, &w->scratch);
        if (rc == 0) rc = hg_buf_addc(o, ',');
    }
    if (rc == 0) rc = hg_buf_adds(o, "\"payload\":");
    if (rc == 0) rc = add_payload(o, b->schema, m->m.payload);
    return rc < 0 ? rc : hg_buf_addc(o, '}');
}

/* The messages [from, last] are in the body. */
static int upload(hgp_instance_t *i, hgp_http_worker_t *w, const hgp_batch_t *b, uint32_t from, uint32_t last,
                  hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    if (!w->body.len) return 0;
    int rc = s->format == JSON_ARRAY ? hg_buf_addc(&w->body, ']') : 0;
    if (rc == 0) rc = object_name(c, s->format, &w->scratch, b, from, last);
    if (rc < 0) return hg_err_retry(err, rc, "no memory for an object");
    rc = request(i, &w->http, "PUT", hg_buf_str(&w->scratch), hg_buf_str(&w->body), err);
    hg_buf_clear(&w->body);
    return rc;
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_http_worker_t *w = worker;
    uint32_t rejected = 0, from = 0, n = 0;
    hg_buf_clear(&w->body);
    for (uint32_t k = 0; k < b->n; k++) {
        size_t before = w->body.len;
        int rc = s->format == JSON_ARRAY ? hg_buf_addc(&w->body, before ? ',' : '[') : 0;
        if (rc == 0) rc = add_message(c, s->format, w, b, k);
        if (rc == 0 && s->format == JSON_LINES) rc = hg_buf_addc(&w->body, '\n');
        if (rc < 0) {
            w->body.len = before;
            if (rc != HG_EPARSE) return hg_err_retry(err, rc, "no memory for an object");
            hgp_reject(b, k, &rejected, "it is not JSON");
            continue;
        }
        n++;
        if (c->rotation == 1 ? n < c->max_messages : w->body.len < s->max_bytes) continue;
        rc = upload(i, w, b, from, k, err);
        if (rc < 0) return rc;
        from = k + 1;
        n = 0;
    }
    return upload(i, w, b, from, b->n - 1, err);
}

static const hgp_sink_t sink = {
    .name = "s3_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = hgp_http_worker_new,
    .worker_free = hgp_http_worker_free,
    .write = write_batch,
    .wants = wants,
    .close = close_sink,
};
HGP_SINK(sink)
