/* catalog.c: see catalog.h. Paths and answers: the Iceberg REST catalog specification. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/iceberg_sink/catalog.h"

/* Where the paths of the API begin: with a slash of their own. */
static int set_base(hgp_instance_t *i, catalog_t *c, const char *uri, const char *prefix, hg_err_t *err)
{
    const char *base;
    hg_err_t bad = HG_ERR_INIT;
    if (hgp_http_base(i, uri, &base, &bad) < 0)
        return hg_err_set(err, HG_EINVAL, "option 'uri': expected a URL that begins with http:// or https://");
    c->base = prefix ? hg_arena_printf(i->arena, "%s/v1/%s", base, prefix) : hg_arena_printf(i->arena, "%s/v1", base);
    return 0;
}

static const char *member(const hg_json_t *obj, const char *key)
{
    const char *s = hg_json_str(hg_json_get(obj, key), NULL);
    return s && *s ? s : NULL;
}

const char *catalog_says(const catalog_t *c, const char *key, bool before)
{
    return member(before ? c->overrides : c->defaults, key);
}

/* One request, with the token of now. A token that is refused is replaced once: it may have been taken back before its
 * time. *ret_sent: false, nothing was asked but for a token. */
static int call(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, hg_fetch_t *f, bool *ret_sent, hg_err_t *err)
{
    for (unsigned left = 2;;) {
        char *bearer = NULL;
        uint64_t number = 0;
        *ret_sent = false;
        int rc = oauth_header(i, c->oauth, h, &bearer, &number, err);
        if (rc < 0) return rc;
        const char *const headers[] = { "Content-Type: application/json", "Accept: application/json", bearer, NULL };
        f->headers = headers;
        rc = hgp_http_call(i, h, f, err);
        f->headers = NULL;
        hg_free(bearer);
        *ret_sent = true;
        bool refused = rc == 0 && (h->status == 401 || h->status == 419);
        if (!refused || !--left || !oauth_refused(c->oauth, number)) return rc;
    }
}

/* The same, again and again, as hgp_http_try does. 0: the status is 2xx, or 404 where that is an answer, too. */
static int ask(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const char *url, bool may_miss, hg_err_t *err)
{
    for (uint32_t attempt = 1;; attempt++) {
        hg_fetch_t f = { .method = "GET", .url = url, .timeout_ms = c->timeout_ms };
        bool sent;
        *err = HG_ERR_INIT;
        int rc = call(i, h, c, &f, &sent, err);
        if (rc == 0 && ((h->status >= 200 && h->status <= 299) || (may_miss && h->status == 404))) return 0;
        if (rc == 0) rc = hgp_http_refused(h, &f, err);
        if (!hgp_try_again(i, &c->patience, attempt, h->asked_ms, err)) return rc;
    }
}

int catalog_open(hgp_instance_t *i, hgp_http_t *h, catalog_t *c, const char *uri, const char *warehouse,
                 const oauth_cfg_t *who, hg_err_t *err)
{
    hg_json_t *root;
    hg_err_t bad = HG_ERR_INIT;
    hg_buf_t url;
    c->oauth = HG_ANEW(i->arena, oauth_t);
    c->oauth->timeout_ms = c->timeout_ms;
    int rc = oauth_init(i, c->oauth, who, uri, err);
    if (rc == 0) rc = set_base(i, c, uri, NULL, err);
    if (rc < 0) return rc;
    hg_buf_init(&url, HG_BUF_NOMAX);
    rc = hg_buf_addf(&url, "%s/config%s", c->base, warehouse ? "?warehouse=" : "");
    if (rc == 0 && warehouse) rc = hg_pct_encode(&url, hg_strz(warehouse));
    rc = rc < 0 ? hg_err_retry(err, rc, "no memory for a request") : ask(i, h, c, url.p, false, err);
    hg_buf_release(&url);
    if (rc < 0) return rc;
    if (hg_json_parse(i->arena, hg_buf_str(&h->answer), &root, &bad) < 0 || root->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EPROTO, "the answer of %s/config is no JSON object: is this a REST catalog?",
                          c->base);
    c->defaults = hg_json_get(root, "defaults");
    c->overrides = hg_json_get(root, "overrides");
    const char *elsewhere = catalog_says(c, "uri", true), *prefix = catalog_says(c, "prefix", true);
    return set_base(i, c, elsewhere ? elsewhere : uri, prefix ? prefix : catalog_says(c, "prefix", false), err);
}

void catalog_close(catalog_t *c)
{
    if (c->oauth) oauth_release(c->oauth);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

int catalog_name(const catalog_t *c, hg_arena_t *a, const char *text, table_name_t *ret, hg_err_t *err)
{
    const char **parts = NULL;
    uint32_t n = 0;
    hg_buf_t url;
    for (const char *at = text, *dot = text; dot; at = dot + 1) {
        dot = strchr(at, '.');
        size_t len = dot ? (size_t)(dot - at) : strlen(at);
        if (!len) return hg_err_set(err, HG_EINVAL, "'%s' is no table's name: a part of it is empty", text);
        HG_APUSH(a, parts, n, hg_arena_strndup(a, at, len));
        if (!dot) break;
    }
    if (n < 2) return hg_err_set(err, HG_EINVAL, "'%s' is no table's name: expected namespace.table", text);
    hg_buf_init(&url, HG_BUF_NOMAX);
    hg_buf_addf(&url, "%s/namespaces/", c->base);
    for (uint32_t k = 0; k + 1 < n; k++) {
        if (k) hg_buf_adds(&url, "%1F"); /* the unit separator */
        hg_pct_encode(&url, hg_strz(parts[k]));
    }
    hg_buf_adds(&url, "/tables/");
    hg_pct_encode(&url, hg_strz(parts[n - 1]));
    *ret = (table_name_t){ .text = hg_arena_strndup(a, text, strlen(text)),
                           .url = hg_arena_strndup(a, url.p, url.len),
                           .namespaces = parts,
                           .n = n - 1,
                           .name = parts[n - 1] };
    hg_buf_release(&url);
    return 0;
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

int catalog_load(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const table_name_t *name, hgi_table_t **ret,
                 hg_err_t *err)
{
    int rc = ask(i, h, c, name->url, true, err);
    if (rc < 0) return rc;
    if (h->status == 404) return hg_err_set(err, HG_ENOTFOUND, "the catalog has no table '%s'", name->text);
    rc = hgi_table_read(hg_buf_str(&h->answer), ret, err);
    return rc < 0 ? hg_err_wrap(err, "table '%s'", name->text) : 0;
}

commit_t catalog_commit(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const table_name_t *name, hg_str_t body,
                        hgi_table_t **ret, hg_err_t *err)
{
    hg_fetch_t f = { .method = "POST", .url = name->url, .body = body, .timeout_ms = c->timeout_ms };
    hg_err_t unread = HG_ERR_INIT;
    bool sent;
    *ret = NULL;
    *err = HG_ERR_INIT;
    if (call(i, h, c, &f, &sent, err) < 0) {
        if (!sent) return COMMIT_CONFLICT;
        err->retry = true;
        return COMMIT_UNKNOWN;
    }
    if (h->status >= 200 && h->status < 300) {
        (void)hgi_table_read(hg_buf_str(&h->answer), ret, &unread); /* without it, it is loaded */
        return COMMIT_DONE;
    }
    hgp_http_refused(h, &f, err);
    if (h->status == 409 || h->status == 429) {
        err->retry = true;
        return COMMIT_CONFLICT;
    }
    if (h->status < 500 && h->status != 408) return COMMIT_REFUSED;
    err->retry = true;
    return COMMIT_UNKNOWN;
}
