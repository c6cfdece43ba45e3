/* iceberg_sink.c: messages into tables of an Iceberg lake, by way of its REST catalog: a data file and a snapshot for
 * each batch and table.
 *
 * How a table is appended to, and why nothing comes twice: append.h. The format's files are made in plugins/iceberg.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "data/json_scan.h"
#include "plugins/iceberg_sink/append.h"
#include "plugins/sdk/sink.h"

#define NO_ROUTE UINT32_MAX

typedef enum { STORE_S3, STORE_FS } store_class_t; /* of the names below, the others are refused */

typedef struct cfg {
    hg_strlist_t tables;
    const char *uri, *warehouse, *writer, *route_field;
    oauth_cfg_t who;
    const char *store_url, *store_region, *id, *secret;
    int catalog, store_class;
    bool dynamic;
    hgp_http_cfg_t http;
} cfg_t;

#define OPT(key_, type_, member, ...)                                                                                  \
    {                                                                                                                  \
        .key = key_, .type = HG_OPT_##type_, .at = offsetof(cfg_t, member), __VA_ARGS__                                \
    }
static const hg_opt_t options[] = {
    OPT("tables", STRLIST, tables,
        .doc = "Tables that every message goes to: `namespace.table`. They must be there. With `dynamic_routing` not "
               "looked at."),
    OPT("catalog_type", ENUM, catalog, .names = "rest", .def = "rest", .doc = "The kind of catalog."),
    OPT("uri", STR, uri, .flags = HG_OPT_REQUIRED, .doc = "The catalog's address, before `/v1`: http(s)://host:port."),
    OPT("warehouse", STR, warehouse, .doc = "The warehouse that the catalog is asked for."),
    OPT("token", STR, who.token, .flags = HG_OPT_SECRET, .doc = "A bearer token for the catalog."),
    OPT("credential", STR, who.credential, .flags = HG_OPT_SECRET,
        .doc = "Instead of a token: `client_id:client_secret`, for which tokens are asked for (OAuth2, "
               "`client_credentials`), and others before they expire."),
    OPT("scope", STR, who.scope, .def = "catalog", .doc = "The scope of these tokens."),
    OPT("oauth2_server_uri", STR, who.server_uri,
        .doc = "Where they are asked for. Without: `/v1/oauth/tokens` of the catalog."),
    OPT("dynamic_routing", BOOL, dynamic, .def = "false", .doc = "Each message says by itself which table it goes to."),
    OPT("dynamic_route_field", STR, route_field, .doc = "The member that says it: a text, `namespace.table`."),
    OPT("store_class", ENUM, store_class, .names = "s3|fs|gcs|azdls|oss", .def = "s3",
        .doc = "Where the tables' files are. `fs`: on this machine (file:///…); only `s3` and `fs` can be had."),
    OPT("store_url", STR, store_url,
        .doc = "The object store's address: http(s)://host:port. Without: as the catalog says, else Amazon's."),
    OPT("store_region", STR, store_region, .doc = "Its region. Without: as the catalog says, else `us-east-1`."),
    OPT("store_access_key_id", STR, id,
        .doc = "Who asks. Without: as the catalog says, else environment, web identity, shared files, container, EC2 "
               "machine."),
    OPT("store_secret_access_key", STR, secret, .flags = HG_OPT_SECRET, .doc = "Its secret."),
    OPT("writer", STR, writer, .def = "headgate",
        .doc = "The name under which snapshots say how far a topic is in the table. Two sinks that write the same "
               "topic into the same table need different ones."),
    HGP_HTTP_OPTS(cfg_t),
    { .key = NULL },
};

typedef struct state {
    lake_t lake;
    pthread_mutex_t mutex; /* of what follows */
    target_t *targets;     /* newest first; never taken out */
} state_t;

/* --- what a thread has -------------------------------------------------------------------------------------------- */

static void *hand_new(hgp_instance_t *i)
{
    hand_t *h = HG_NEW(hand_t);
    (void)i;
    hgp_http_init(&h->http);
    hg_buf_init(&h->lines, UINT32_MAX); /* counted in 32 bits */
    hg_buf_init(&h->chunk, UINT32_MAX);
    hg_buf_init(&h->file, HG_BUF_NOMAX);
    hg_buf_init(&h->text, HG_BUF_NOMAX);
    return h;
}

static void hand_free(hgp_instance_t *i, void *worker)
{
    hand_t *h = worker;
    (void)i;
    hgp_http_release(&h->http);
    hg_buf_release(&h->lines);
    hg_buf_release(&h->chunk);
    hg_buf_release(&h->file);
    hg_buf_release(&h->text);
    hg_free(h->ends);
    hg_free(h);
}

/* The five arrays are one block. */
static int reserve(hand_t *h, uint32_t n)
{
    if (n <= h->cap) return 0;
    uint32_t *p = hg_trygrow(h->ends, (size_t)n * 5 * sizeof *p);
    if (!p) return HG_ENOMEM;
    h->ends = p;
    h->whose = p + n;
    h->route = p + 2 * (size_t)n;
    h->chunk_ends = p + 3 * (size_t)n;
    h->chunk_whose = p + 4 * (size_t)n;
    h->cap = n;
    return 0;
}

/* --- open --------------------------------------------------------------------------------------------------------- */

static target_t *find(state_t *s, const char *name)
{
    pthread_mutex_lock(&s->mutex);
    target_t *t = s->targets;
    while (t && strcmp(t->name.text, name) != 0) t = t->next;
    pthread_mutex_unlock(&s->mutex);
    return t;
}

/* The table, loaded. Of two threads that make the same one, the later one's goes. */
static int want(hgp_instance_t *i, hand_t *h, const char *text, target_t **ret, hg_err_t *err)
{
    state_t *s = i->state;
    table_name_t name;
    *ret = find(s, text);
    if (*ret) return target_load(i, h, &s->lake, *ret, err);
    hg_arena_t *a = hg_arena_new();
    int rc = catalog_name(&s->lake.catalog, a, text, &name, err);
    if (rc < 0) {
        hg_arena_free(a);
        return rc;
    }
    target_t *t = target_new(a, &name);
    rc = target_load(i, h, &s->lake, t, err);
    if (rc < 0) {
        target_free(t);
        return rc;
    }
    target_t *other = find(s, text);
    if (other) {
        target_free(t);
        *ret = other;
        return 0;
    }
    pthread_mutex_lock(&s->mutex);
    t->next = s->targets;
    s->targets = t;
    pthread_mutex_unlock(&s->mutex);
    *ret = t;
    return 0;
}

static int open_tables(hgp_instance_t *i, hand_t *h, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    uint32_t found = 0;
    for (uint32_t k = 0; k < c->tables.n; k++) {
        target_t *t;
        int rc = want(i, h, c->tables.v[k], &t, err);
        found += rc == 0;
        if (rc == HG_ENOTFOUND)
            hgp_log(IGGY_LOG_WARN, "%s: nothing is written there", err->msg);
        else if (rc < 0)
            return rc;
    }
    if (found) return 0;
    return hg_err_set(err, HG_EINVAL, "option 'tables': %s",
                      c->tables.n ? "the catalog has none of them" : "expected at least one 'namespace.table'");
}

static int check(const cfg_t *c, hg_err_t *err)
{
    static const char *const stores[] = { "s3", "fs", "gcs", "azdls", "oss" };
    if (c->store_class > STORE_FS)
        return hg_err_set(err, HG_EUNSUPPORTED, "option 'store_class': '%s' cannot be had: expected s3 or fs",
                          stores[c->store_class]);
    if (!c->id != !c->secret)
        return hg_err_set(err, HG_EINVAL,
                          "options 'store_access_key_id' and 'store_secret_access_key': one is given, the other not");
    if (c->dynamic && (!c->route_field || !*c->route_field))
        return hg_err_set(err, HG_EINVAL, "option 'dynamic_route_field' is needed with dynamic_routing = true");
    return 0;
}

static int open_sink(hgp_instance_t *i, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = hg_arena_alloc(i->arena, sizeof *s);
    lake_t *l = &s->lake;
    pthread_mutex_init(&s->mutex, NULL);
    i->state = s;
    int rc = check(c, err);
    if (rc < 0) return rc;
    l->writer = c->writer;
    l->endpoint = c->store_url && *c->store_url ? c->store_url : NULL;
    l->region = c->store_region && *c->store_region ? c->store_region : NULL;
    l->catalog.patience = l->store.patience = hgp_http_patience(&c->http);
    l->catalog.timeout_ms = l->store.timeout_ms = c->http.timeout;
    l->store.files = c->store_class == STORE_FS;
    l->store.ca_file = hg_s3_ca_file();
    if (c->id) {
        l->store.creds.id = hg_xstrdup(c->id);
        l->store.creds.secret = hg_xstrdup(c->secret);
    }
    hand_t *h = hand_new(i);
    rc = catalog_open(i, &h->http, &l->catalog, c->uri, c->warehouse, &c->who, err);
    if (rc == 0 && !c->dynamic) rc = open_tables(i, h, err);
    hand_free(i, h);
    return rc;
}

static void close_sink(hgp_instance_t *i)
{
    state_t *s = i->state;
    if (!s) return;
    for (target_t *t = s->targets, *next; t; t = next) {
        next = t->next;
        target_free(t);
    }
    hg_s3_creds_release(&s->lake.store.creds);
    catalog_close(&s->lake.catalog);
    pthread_mutex_destroy(&s->mutex);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* The text of a member of an object that is known to be JSON; decoded in tmp if need be. False: it has none, or it is
 * no text. Of several the last counts. */
static bool text_member(hg_jscan_t *s, const char *p, const char *end, const char *key, hg_str_t *ret)
{
    bool found = false;
    s->end = end;
    p = hg_js_ws(s, p + 1);
    while (p && *p == '"') {
        hg_str_t name;
        p = hg_js_string(s, p + 1, &s->key, &name);
        if (!p) return false;
        p = hg_js_ws(s, hg_js_ws(s, p) + 1);
        if (hg_str_eqz(name, key)) {
            found = *p == '"' && hg_js_string(s, p + 1, &s->tmp, ret);
            if (!found) ret->n = 0;
        }
        p = hg_js_skip(s, p);
        if (!p) return false;
        p = hg_js_ws(s, p);
        if (*p == ',') p = hg_js_ws(s, p + 1);
    }
    return found;
}

typedef struct routes {
    hg_arena_t *a;
    const char **v;
    uint32_t n;
} routes_t;

static uint32_t route_of(routes_t *r, hg_str_t name)
{
    for (uint32_t k = 0; k < r->n; k++)
        if (hg_str_eqz(name, r->v[k])) return k;
    HG_APUSH(r->a, r->v, r->n, hg_arena_strndup(r->a, name.p, name.n));
    return r->n - 1;
}

/* The line of a message, and where it goes. */
static int add_line(const cfg_t *c, hand_t *h, hg_jscan_t *scan, const hgp_batch_t *b, uint32_t k, routes_t *r)
{
    size_t before = h->lines.len;
    bool may_be = b->schema == HG_PC_JSON || b->schema == HG_PC_RAW || b->schema == HG_PC_TEXT;
    int rc = may_be ? hgp_json_line(&h->lines, b->v[k].m.payload) : HG_EPARSE;
    if (rc < 0 && rc != HG_EPARSE) return rc;
    const char *p = h->lines.p + before;
    if (rc == 0) p += strspn(p, " \t");
    if (rc < 0 || *p != '{') {
        hgp_reject(b, k, &h->rejected, "it is no JSON object (schema %s)", hgp_schema_name(b->schema));
        h->lines.len = before;
        return 0;
    }
    if (c->dynamic) {
        hg_str_t name = { NULL, 0 };
        if (!text_member(scan, p, h->lines.p + h->lines.len, c->route_field, &name)) {
            hgp_reject(b, k, &h->rejected, "it has no text '%s' that names its table", c->route_field);
            h->lines.len = before;
            return 0;
        }
        h->route[h->n] = route_of(r, name);
    }
    h->whose[h->n] = k;
    h->ends[h->n++] = (uint32_t)h->lines.len;
    return 0;
}

static int add_lines(const cfg_t *c, hand_t *h, const hgp_batch_t *b, routes_t *r, hg_err_t *err)
{
    hg_jscan_t scan;
    int rc = reserve(h, b->n);
    h->n = h->rejected = 0;
    hg_buf_clear(&h->lines);
    hg_jscan_init(&scan);
    for (uint32_t k = 0; rc == 0 && k < b->n; k++) rc = add_line(c, h, &scan, b, k, r);
    hg_jscan_release(&scan);
    return rc < 0 ? hg_err_retry(err, (hg_code_t)rc, "no memory for a batch") : 0;
}

/* Messages for a table that cannot be had. */
static void reject_route(hand_t *h, const hgp_batch_t *b, uint32_t route, const char *why)
{
    for (uint32_t k = 0; k < h->n; k++)
        if (h->route[k] == route) hgp_reject(b, h->whose[k], &h->rejected, "%s", why);
}

static int write_routes(hgp_instance_t *i, hand_t *h, const hgp_batch_t *b, const routes_t *r, hg_err_t *err)
{
    state_t *s = i->state;
    int rc = 0;
    for (uint32_t k = 0; rc == 0 && k < r->n; k++) {
        target_t *t;
        rc = want(i, h, r->v[k], &t, err);
        if (rc == HG_ENOTFOUND || rc == HG_EINVAL) {
            reject_route(h, b, k, err->msg);
            rc = 0;
        } else if (rc == 0) {
            rc = target_append(i, h, &s->lake, t, b, k, err);
        }
    }
    return rc;
}

static int write_batch(hgp_instance_t *i, void *worker, const hgp_batch_t *b, hg_err_t *err)
{
    const cfg_t *c = i->cfg;
    state_t *s = i->state;
    hand_t *h = worker;
    routes_t routes = { .a = hg_arena_new() };
    int rc = add_lines(c, h, b, &routes, err);
    if (rc == 0 && c->dynamic) rc = write_routes(i, h, b, &routes, err);
    for (target_t *t = c->dynamic ? NULL : s->targets; rc == 0 && t; t = t->next)
        rc = target_append(i, h, &s->lake, t, b, NO_ROUTE, err);
    if (h->rejected)
        hgp_log(IGGY_LOG_WARN, "%" PRIu32 " of %" PRIu32 " messages from offset %" PRIu64 " were left out", h->rejected,
                b->n, b->v[0].m.offset);
    hg_arena_free(routes.a);
    return rc;
}

static const hgp_sink_t sink = {
    .name = "iceberg_sink",
    .options = options,
    .cfg_size = sizeof(cfg_t),
    .open = open_sink,
    .worker_new = hand_new,
    .worker_free = hand_free,
    .write = write_batch,
    .close = close_sink,
};
HGP_SINK(sink)
