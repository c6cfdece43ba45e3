/* mongodb.c: messages as documents of a collection, by unordered insertMany.
 *
 * A document's _id is made of stream, topic, partition and the message's id: a batch that comes again meets its own
 * documents, and the refusals that are only about them (11000) are none. Documents that the server refuses for what is
 * in them are left out and told; the rest of the errors is the batch's.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/mongodb_sink/mongo_lib.h"
#include "plugins/sdk/sink.h"

typedef enum { BINARY, JSON_PAYLOAD, STRING } format_t;

typedef struct cfg {
    const char *uri, *database, *collection, *format;
    uint32_t max_pool_size, batch_size, max_retries;
    uint64_t retry_delay;
    bool create, metadata, checksum, origin, verbose;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("connection_uri", STR, uri, .flags = HG_OPT_REQUIRED | HG_OPT_SECRET,
        .doc = "`mongodb://user:password@host:port`."),
    OPT("database", STR, database, .flags = HG_OPT_REQUIRED, .doc = "The database."),
    OPT("collection", STR, collection, .flags = HG_OPT_REQUIRED, .doc = "The collection."),
    OPT("max_pool_size", U32, max_pool_size, .def = "16", .min = 1, .max = 1000, .doc = "Connections at once."),
    OPT("auto_create_collection", BOOL, create, .def = "false", .doc = "The collection is made where it is missing."),
    OPT("batch_size", U32, batch_size, .def = "100", .min = 1, .max = 100000, .doc = "Documents of one insertMany."),
    OPT("include_metadata", BOOL, metadata, .def = "true",
        .doc = "`iggy_offset`, `iggy_timestamp`, `iggy_stream`, `iggy_topic`, `iggy_partition_id`."),
    OPT("include_checksum", BOOL, checksum, .def = "true", .doc = "`iggy_checksum`."),
    OPT("include_origin_timestamp", BOOL, origin, .def = "true", .doc = "`iggy_origin_timestamp`."),
    OPT("payload_format", STR, format, .def = "binary", .doc = "What `payload` is: `binary`, `json`, `string`."),
    OPT("max_retries", U32, max_retries, .def = "3", .min = 1, .max = 1000, .doc = "Attempts in all."),
    OPT("retry_delay", DURATION, retry_delay, .def = "1s", .doc = "Pause before the second of them."),
    OPT("verbose_logging", BOOL, verbose, .def = "false", .doc = "A line in the log for each batch."),
    { .key = NULL },
};

typedef struct state {
    format_t format;
} state_t;

typedef struct worker {
    mongoc_client_t *client;
    mongoc_collection_t *collection;
    bson_t *docs; /* their memory is kept from batch to batch */
    const bson_t **refs;
    uint32_t *whose; /* message of each document */
    uint32_t n, cap;
    hg_buf_t text;
} worker_t;

#define M hgp_mongo

/* --- open -----------------------------------------------------------------------------------------------------------
 */

/* What may pass: the network, elections, a server that stops. */
static bool transient(const bson_error_t *e)
{
    static const uint32_t codes[] = { 6,   7,    24,    64,    89,    91,    112,   189, 251,
                                      262, 9001, 10107, 11600, 11602, 13435, 13436, 50 };
    if (e->domain == MONGOC_ERROR_STREAM || e->domain == MONGOC_ERROR_SERVER_SELECTION) return true;
    for (size_t k = 0; k < HG_COUNT(codes); k++)
        if (e->code == codes[k]) return true;
    return e->domain == MONGOC_ERROR_WRITE_CONCERN;
}

static int told(const bson_error_t *e, const char *what, hg_err_t *err)
{
    hg_err_set(err, HG_ENET, "%s: %s (%u)", what, e->message, e->code);
    err->retry = transient(e);
    return err->code;
}

static int connect_now(hgp_instance_t *i, worker_t *w, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    bson_error_t e;
    if (w->client) return 0;
    mongoc_uri_t *uri = M.mongoc_uri_new_with_error_(c->uri, &e);
    if (!uri) return hg_err_set(err, HG_EINVAL, "option 'connection_uri': %s", e.message);
    w->client = M.mongoc_client_new_from_uri_with_error_(uri, &e);
    M.mongoc_uri_destroy_(uri);
    if (!w->client) return hg_err_set(err, HG_EINVAL, "option 'connection_uri': %s", e.message);
    M.mongoc_client_set_error_api_(w->client, 2);
    M.mongoc_client_set_appname_(w->client, "headgate");
    w->collection = M.mongoc_client_get_collection_(w->client, c->database, c->collection);
    return 0;
}

static int command(hgp_instance_t *i, worker_t *w, const char *name, const char *text, int32_t number, uint32_t fine,
                   hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    bson_t q, reply;
    bson_error_t e;
    int rc = connect_now(i, w, err);
    if (rc < 0) return rc;
    M.bson_init_(&q);
    if (text)
        M.bson_append_utf8_(&q, name, -1, text, -1);
    else
        M.bson_append_int32_(&q, name, -1, number);
    bool ok = M.mongoc_client_command_simple_(w->client, c->database, &q, NULL, &reply, &e);
    M.bson_destroy_(&q);
    M.bson_destroy_(&reply);
    return ok || (fine && e.code == fine) ? 0 : told(&e, name, err);
}

static void *worker_new(hgp_instance_t *i)
{
    worker_t *w = HG_NEW(worker_t);
    (void)i;
    hg_buf_init(&w->text, HG_BUF_NOMAX);
    return w;
}

static void worker_free(hgp_instance_t *i, void *arg)
{
    worker_t *w = arg;
    (void)i;
    for (uint32_t k = 0; k < w->cap; k++) M.bson_destroy_(&w->docs[k]);
    if (w->collection) M.mongoc_collection_destroy_(w->collection);
    if (w->client) M.mongoc_client_destroy_(w->client);
    hg_free(w->docs);
    hg_free(w->refs);
    hg_free(w->whose);
    hg_buf_release(&w->text);
    hg_free(w);
}

static format_t format_of(const char *name)
{
    static const char *const names[] = { "binary", "json", "string", "text" };
    unsigned k = hgp_choice("payload_format", name, names, HG_COUNT(names));
    return k == 3 ? STRING : (format_t)k;
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    hgp_patience_t p = hgp_doubling(c->max_retries, c->retry_delay);
    i->state = s;
    s->format = format_of(c->format);
    int rc = hgp_mongo_load(err);
    if (rc < 0) return rc;
    worker_t *w = worker_new(i);
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        rc = command(i, w, "ping", NULL, 1, 0, err);
        if (rc == 0 && c->create) rc = command(i, w, "create", c->collection, 0, 48, err); /* 48: it is there */
        if (rc == 0 || !hgp_try_again(i, &p, attempt, 0, err)) break;
    }
    worker_free(i, w);
    return rc;
}

/* --- documents ------------------------------------------------------------------------------------------------------
 */

/* As int64 where it fits, else as text by another name. */
static bool add_u64(bson_t *d, const char *key, const char *other, uint64_t v)
{
    char t[24];
    if (v <= INT64_MAX) return M.bson_append_int64_(d, key, -1, (int64_t)v);
    int n = snprintf(t, sizeof t, "%" PRIu64, v);
    return M.bson_append_utf8_(d, other, -1, t, n);
}

/* NULL, or why the payload cannot be one. */
static const char *add_payload(worker_t *w, bson_t *d, format_t f, hg_str_t p)
{
    bson_t value;
    bson_error_t e;
    if (f == BINARY)
        return M.bson_append_binary_(d, "payload", -1, BSON_SUBTYPE_BINARY, (const uint8_t *)p.p, (uint32_t)p.n)
                   ? NULL
                   : "it is too large for a document";
    if (f == STRING) {
        if (!hg_utf8_valid(p.p, p.n)) return "it is not UTF-8";
        return M.bson_append_utf8_(d, "payload", -1, p.n ? p.p : "", (int)p.n) ? NULL
                                                                               : "it is too large for a document";
    }
    hg_buf_clear(&w->text);
    if (hg_buf_adds(&w->text, "{\"payload\":") < 0 || hgp_json_line(&w->text, p) < 0 || hg_buf_addc(&w->text, '}') < 0)
        return "it is not JSON";
    if (!M.bson_init_from_json_(&value, w->text.p, (ssize_t)w->text.len, &e)) return "it is JSON that BSON cannot hold";
    bool ok = M.bson_concat_(d, &value);
    M.bson_destroy_(&value);
    return ok ? NULL : "it is too large for a document";
}

static const char *add_document(const cfg_t *c, const state_t *s, worker_t *w, const hgp_batch_t *b, uint32_t k)
{
    const hg_pc_raw_t *m = &b->v[k].m;
    bson_t *d = &w->docs[w->n];
    bool ok = true;
    hg_buf_clear(&w->text);
    if (hg_buf_addf(&w->text, HG_SF ":" HG_SF ":%" PRIu32 ":", HG_SA(b->stream), HG_SA(b->topic), b->partition) < 0 ||
        hgp_id_decimal(&w->text, m->id) < 0)
        return "there is no memory for its id";
    M.bson_reinit_(d);
    ok = M.bson_append_utf8_(d, "_id", -1, w->text.p, (int)w->text.len);
    if (c->metadata)
        ok = ok && add_u64(d, "iggy_offset", "iggy_offset_str", m->offset) &&
             M.bson_append_date_time_(d, "iggy_timestamp", -1, (int64_t)(m->timestamp / 1000)) &&
             M.bson_append_utf8_(d, "iggy_stream", -1, b->stream.p, (int)b->stream.n) &&
             M.bson_append_utf8_(d, "iggy_topic", -1, b->topic.p, (int)b->topic.n) &&
             (b->partition <= INT32_MAX ? M.bson_append_int32_(d, "iggy_partition_id", -1, (int32_t)b->partition)
                                        : M.bson_append_int64_(d, "iggy_partition_id", -1, b->partition));
    if (c->checksum) ok = ok && add_u64(d, "iggy_checksum", "iggy_checksum", m->checksum);
    if (c->origin)
        ok = ok && M.bson_append_date_time_(d, "iggy_origin_timestamp", -1, (int64_t)(m->origin_timestamp / 1000));
    return ok ? add_payload(w, d, s->format, m->payload) : "it is too large for a document";
}

static int reserve(worker_t *w, uint32_t n)
{
    if (n <= w->cap) return 0;
    /* A bson_t may point into itself: it is not moved. */
    for (uint32_t k = 0; k < w->cap; k++) M.bson_destroy_(&w->docs[k]);
    w->cap = 0;
    hg_free(w->docs);
    hg_free(w->refs);
    hg_free(w->whose);
    w->docs = hg_tryalign(n * sizeof *w->docs);
    w->refs = hg_trynew(n * sizeof *w->refs);
    w->whose = hg_trynew(n * sizeof *w->whose);
    if (!w->docs || !w->refs || !w->whose) return HG_ENOMEM;
    for (uint32_t k = 0; k < n; k++) M.bson_init_(&w->docs[k]);
    w->cap = n;
    return 0;
}

/* --- inserts --------------------------------------------------------------------------------------------------------
 */

/* One of an answer's writeErrors. True: it concerns the batch, and err says so. */
static bool judge_one(bson_iter_t *entry, worker_t *w, uint32_t first, uint32_t n, const hgp_batch_t *b,
                      uint32_t *rejected, hg_err_t *err)
{
    bson_iter_t f, at = *entry;
    bson_error_t e = { .domain = MONGOC_ERROR_SERVER };
    int64_t index = -1;
    const char *message = "no reason was given";
    while (M.bson_iter_next_(&at)) {
        f = at;
        const char *key = M.bson_iter_key_(&f);
        if (strcmp(key, "index") == 0) index = M.bson_iter_as_int64_(&f);
        if (strcmp(key, "code") == 0) e.code = (uint32_t)M.bson_iter_as_int64_(&f);
        if (strcmp(key, "errmsg") == 0 && M.bson_iter_type_(&f) == BSON_TYPE_UTF8)
            message = M.bson_iter_utf8_(&f, NULL);
    }
    if (e.code == 11000) return false; /* it is there: a batch that came again */
    if (index < 0 || index >= n || transient(&e)) {
        snprintf(e.message, sizeof e.message, "%s", message);
        told(&e, "insert", err);
        return true;
    }
    hgp_reject(b, w->whose[first + (uint32_t)index], rejected, "code %u: %s", e.code, message);
    return false;
}

static int insert(worker_t *w, uint32_t first, uint32_t n, const hgp_batch_t *b, uint32_t *rejected, hg_err_t *err)
{
    bson_t opts, reply;
    bson_error_t e;
    bson_iter_t it, entries, entry;
    int rc = 0;
    for (uint32_t k = 0; k < n; k++) w->refs[k] = &w->docs[first + k];
    M.bson_init_(&opts);
    M.bson_append_bool_(&opts, "ordered", -1, false);
    bool ok = M.mongoc_collection_insert_many_(w->collection, w->refs, n, &opts, &reply, &e);
    M.bson_destroy_(&opts);
    if (!ok) {
        uint32_t found = 0;
        bool items = M.bson_iter_init_find_(&it, &reply, "writeErrors") && M.bson_iter_recurse_(&it, &entries);
        while (items && rc == 0 && M.bson_iter_next_(&entries)) {
            if (!M.bson_iter_recurse_(&entries, &entry)) continue;
            found++;
            if (judge_one(&entry, w, first, n, b, rejected, err)) rc = err->code;
        }
        bool concern = M.bson_iter_init_find_(&it, &reply, "writeConcernErrors") &&
                       M.bson_iter_recurse_(&it, &entries) && M.bson_iter_next_(&entries);
        if (rc == 0 && (!found || concern)) {
            rc = told(&e, "insert", err);
            if (concern) err->retry = 1;
        }
    }
    M.bson_destroy_(&reply);
    return rc;
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    const state_t *s = i->state;
    hgp_patience_t p = hgp_doubling(c->max_retries, c->retry_delay);
    worker_t *w = worker;
    uint32_t rejected = 0;
    if (reserve(w, b->n) < 0) return hg_err_retry(err, HG_ENOMEM, "no memory for a batch");
    w->n = 0;
    for (uint32_t k = 0; k < b->n; k++) {
        const char *why = add_document(c, s, w, b, k);
        if (why)
            hgp_reject(b, k, &rejected, "%s", why);
        else
            w->whose[w->n++] = k;
    }
    for (uint32_t first = 0; first < w->n; first += c->batch_size) {
        for (uint32_t attempt = 1;; attempt++) {
            *err = HG_ERR_INIT;
            int rc = connect_now(i, w, err);
            if (rc == 0) rc = insert(w, first, HG_MIN(c->batch_size, w->n - first), b, &rejected, err);
            if (rc == 0) break;
            if (!hgp_try_again(i, &p, attempt, 0, err)) return rc;
        }
    }
    if (c->verbose) hgp_log(IGGY_LOG_INFO, "%u documents from offset %" PRIu64, w->n, b->v[0].m.offset);
    return 0;
}

static uint32_t workers(hgp_instance_t *i)
{
    const cfg_t *c = i->cfg;
    return c->max_pool_size;
}

static const hgp_sink_t sink = {
    .name = "mongodb_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .write = write_batch,
    .workers = workers,
};
HGP_SINK(sink)
