/* request.c: where a bucket is, and what a request for it looks like.
 *
 * A URL is built in the form in which it is signed, so that what the server hashes is what we hashed: in the path every
 * byte but unreserved characters and '/' is encoded (also '=', '+', '%'), query parameters are sorted, names and values
 * encoded, and a parameter without a value has its '='. Amazon's buckets are addressed by host name; names that are not
 * a host's (capitals, '_', or dots, which no wildcard certificate covers) and other endpoints by path.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/s3.h"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

const char *hg_s3_bucket_name_bad(const char *bucket)
{
    size_t n = strlen(bucket);
    if (strncmp(bucket, "arn:", 4) == 0)
        return "access points (arn:…) are not supported, the name of a bucket is needed";
    if (n < 3 || n > 255) return "the name of a bucket has 3 to 63 characters (old ones up to 255)";
    for (size_t i = 0; i < n; i++) {
        char c = bucket[i];
        if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '-' && c != '_')
            return "the name of a bucket has letters, digits, '.', '-' and '_' only (no s3:// and no path)";
    }
    return NULL;
}

static bool is_host_label(const char *bucket)
{
    size_t n = strlen(bucket);
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(bucket[i]) && bucket[i] != '-') return false;
    return n <= 63 && bucket[0] != '-' && bucket[n - 1] != '-';
}

/* scheme://host[:port][/path], nothing else. */
static int split_endpoint(const char *url, const char *option, hg_str_t *scheme, hg_str_t *host, hg_str_t *path,
                          hg_err_t *err)
{
    const char *colon = strstr(url, "://");
    size_t n = colon ? (size_t)(colon - url) : 0;
    *scheme = (hg_str_t){ url, n };
    if (!hg_str_eqz(*scheme, "http") && !hg_str_eqz(*scheme, "https"))
        return hg_err_option(err, HG_EINVALTRANSPORT, option,
                             "option '%s': expected a URL that begins with http:// or https://", option);
    const char *at = colon + 3;
    *host = (hg_str_t){ at, strcspn(at, "/?#") };
    *path = hg_strz(at + host->n);
    while (path->n && path->p[path->n - 1] == '/') path->n--;
    if (!host->n || memchr(host->p, '@', host->n) || strpbrk(at, "?# "))
        return hg_err_option(err, HG_EINVALTRANSPORT, option,
                             "option '%s': expected http(s)://host[:port][/path], without user, '?' and '#'", option);
    const char *own = hg_str_eqz(*scheme, "http") ? ":80" : ":443";
    size_t k = strlen(own);
    if (host->n > k && memcmp(host->p + host->n - k, own, k) == 0) host->n -= k; /* curl leaves it out as well */
    return 0;
}

static void whose(hg_s3_bucket_t *b, const char *service, const char *region)
{
    b->host = hg_xstrdup(strstr(b->scheme_host, "://") + 3);
    for (char *c = b->host; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
    b->region = hg_xstrdup(region);
    b->service = service;
}

int hg_s3_bucket_init(hg_s3_bucket_t *b, const char *bucket, const char *region, const char *endpoint_url,
                      hg_err_t *err)
{
    hg_str_t scheme = { 0 }, host = { 0 }, path = { 0 };
    memset(b, 0, sizeof *b);
    if (endpoint_url) {
        int rc = split_endpoint(endpoint_url, "endpoint_url", &scheme, &host, &path, err);
        if (rc < 0) return rc;
        b->scheme_host = hg_xprintf(HG_SF "://" HG_SF, HG_SA(scheme), HG_SA(host));
        b->base = hg_xprintf(HG_SF "/%s", HG_SA(path), bucket);
    } else {
        const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
        bool by_host = is_host_label(bucket);
        b->scheme_host = hg_xprintf("https://%s%ss3.%s.%s", by_host ? bucket : "", by_host ? "." : "", region, domain);
        b->base = by_host ? hg_xstrdup("") : hg_xprintf("/%s", bucket);
    }
    whose(b, "s3", region);
    return 0;
}

int hg_s3_service_init(hg_s3_bucket_t *b, const char *service, const char *region, const char *url, const char *option,
                       hg_err_t *err)
{
    hg_str_t scheme = { 0 }, host = { 0 }, path = { 0 };
    memset(b, 0, sizeof *b);
    int rc = split_endpoint(url, option, &scheme, &host, &path, err);
    if (rc < 0) return rc;
    b->scheme_host = hg_xprintf(HG_SF "://" HG_SF, HG_SA(scheme), HG_SA(host));
    b->base = hg_xstrndup(path.p, path.n);
    whose(b, service, region);
    return 0;
}

void hg_s3_bucket_release(hg_s3_bucket_t *b)
{
    hg_free(b->scheme_host);
    hg_free(b->host);
    hg_free(b->base);
    hg_free(b->region);
    memset(b, 0, sizeof *b);
}

static void add_path(hg_buf_t *out, hg_str_t key)
{
    while (key.n) {
        const char *slash = memchr(key.p, '/', key.n);
        hg_str_t part = { key.p, slash ? (size_t)(slash - key.p) : key.n };
        hg_pct_encode(out, part);
        if (slash) hg_buf_addc(out, '/');
        size_t step = part.n + (slash ? 1 : 0);
        key.p += step;
        key.n -= step;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_query(hg_buf_t *out, const char *const (*params)[2], unsigned n)
{
    const char *sorted[8][2];
    HG_ASSERT(n <= HG_COUNT(sorted));
    for (unsigned i = 0; i < n; i++) sorted[i][0] = params[i][0], sorted[i][1] = params[i][1];
    qsort(sorted, n, sizeof sorted[0], by_name);
    for (unsigned i = 0; i < n; i++) {
        if (i) hg_buf_addc(out, '&');
        hg_pct_encode(out, hg_strz(sorted[i][0]));
        hg_buf_addc(out, '=');
        hg_pct_encode(out, hg_strz(sorted[i][1]));
    }
}

static void add_header(hg_s3_get_t *g, size_t *at, unsigned *n, const char *name, const char *value)
{
    at[(*n)++] = g->text.len;
    hg_buf_addf(&g->text, "%s: %s", name, value);
    hg_buf_addc(&g->text, 0);
}

/* type: the body's Content-Type, or NULL. */
static void sign(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, const char *method,
                 const char *sha256, const char *type, hg_str_t path, hg_str_t query, size_t *at, unsigned *n_at,
                 int64_t now_s)
{
    char date[24];
    struct tm tm;
    time_t t = (time_t)now_s;
    hg_s3_header_t h[5];
    unsigned n = 0;
    hg_buf_t auth;
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
    if (type) h[n++] = (hg_s3_header_t){ "content-type", type };
    unsigned host = n;
    h[n++] = (hg_s3_header_t){ "host", b->host };
    h[n++] = (hg_s3_header_t){ "x-amz-content-sha256", sha256 };
    h[n++] = (hg_s3_header_t){ "x-amz-date", date };
    if (creds->token) h[n++] = (hg_s3_header_t){ "x-amz-security-token", creds->token };
    hg_buf_init(&auth, HG_BUF_NOMAX);
    hg_s3_sign(creds, b->region, b->service, method, path, query, h, n, &auth);
    for (unsigned i = 0; i < n; i++)
        if (i != host) add_header(g, at, n_at, h[i].name, h[i].value); /* curl sends that one */
    add_header(g, at, n_at, "Authorization", auth.p);
    hg_buf_release(&auth);
}

static void make(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, const char *method, hg_str_t key,
                 const char *const (*params)[2], unsigned n_params, const char *sha256, const char *type,
                 const char *if_match, int64_t now_s)
{
    size_t at[HG_COUNT(g->headers)];
    unsigned n = 0;
    hg_buf_t query;
    memset(g, 0, sizeof *g);
    hg_buf_init(&g->url, HG_BUF_NOMAX);
    hg_buf_init(&g->text, HG_BUF_NOMAX);
    hg_buf_init(&query, HG_BUF_NOMAX);
    hg_buf_adds(&g->url, b->scheme_host);
    size_t path_at = g->url.len;
    hg_buf_adds(&g->url, b->base);
    if (key.p || !b->base[0]) hg_buf_addc(&g->url, '/');
    if (key.p) add_path(&g->url, key);
    hg_str_t path = { g->url.p + path_at, g->url.len - path_at };
    add_query(&query, params, n_params);
    if (creds) sign(g, b, creds, method, sha256, type, path, hg_buf_str(&query), at, &n, now_s);
    if (if_match) add_header(g, at, &n, "If-Match", if_match);
    if (query.len) hg_buf_addf(&g->url, "?%s", query.p);
    for (unsigned i = 0; i < n; i++) g->headers[i] = g->text.p + at[i];
    hg_buf_release(&query);
}

void hg_s3_request_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, const char *method,
                        hg_str_t key, const char *const (*params)[2], unsigned n_params, const char *body_sha256,
                        int64_t now_s)
{
    make(g, b, creds, method, key, params, n_params, body_sha256, NULL, NULL, now_s);
}

void hg_s3_get_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, hg_str_t key,
                    const char *const (*params)[2], unsigned n_params, const char *if_match, int64_t now_s)
{
    make(g, b, creds, "GET", key, params, n_params, hg_s3_empty_sha256, NULL, if_match, now_s);
}

void hg_s3_form_init(hg_s3_get_t *g, const hg_s3_bucket_t *b, const hg_s3_creds_t *creds, hg_str_t form, int64_t now_s)
{
    char sha256[65];
    hg_s3_sha256(form, sha256);
    make(g, b, creds, "POST", (hg_str_t){ NULL, 0 }, NULL, 0, sha256, "application/x-www-form-urlencoded", NULL, now_s);
}

void hg_s3_get_release(hg_s3_get_t *g)
{
    hg_buf_release(&g->url);
    hg_buf_release(&g->text);
}
