/* avro_config.c: what both directions are told about the schema registry, and what all questions to it have in common:
 * Confluent's REST API, its media type, its authentication, and what its refusals mean. */
#include "base/hg.h"
#include "base/access.h"
#include "connectors/format/avro_int.h"

#define MEDIA_TYPE "application/vnd.schemaregistry.v1+json"

/* Without a user's name in it: URLs are shown in errors. */
static bool is_http(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : "";
    const char *at = strchr(host, '@');
    return *host && (!at || strcspn(host, "/?#") < (size_t)(at - host));
}

/* Programs may be kept from some hosts. What is connected to is asked again by the client; here it has a place. */
static int may_reach(const char *option, const char *url, hg_code_t code, hg_err_t *err)
{
    hg_err_t why = HG_ERR_INIT;
    const char *host = strstr(url, "://");
    hg_str_t server = hg_strz(host ? host + 3 : url);
    server.n = strcspn(server.p, "/?#");
    return hg_access_server(server, &why) < 0 ? hg_err_option(err, code, option, "%s", why.msg) : 0;
}

static int check_headers(const hg_json_t *h, hg_code_t code, hg_err_t *err)
{
    if (!h || h->kind == HG_J_NULL) return 0;
    if (h->kind != HG_J_OBJECT)
        return hg_err_option(err, code, "registry_headers", "'registry_headers' must be an object of strings");
    for (const hg_json_t *m = h->child; m; m = m->next)
        if (m->kind != HG_J_STRING || !m->key.n || strpbrk(m->key.p, ":\r\n") || strpbrk(m->str.p, "\r\n"))
            return hg_err_option(err, code, "registry_headers",
                                 "'registry_headers': header '" HG_SF "' must be a name and a string, both on one line",
                                 HG_SA(m->key));
    return 0;
}

int hg_avro_registry_check(const hg_avro_registry_t *r, hg_code_t code, hg_err_t *err)
{
    const struct {
        const char *name;
        bool given;
    } needs[] = { { "registry_username", r->username != NULL },
                  { "registry_authorization_token", r->token != NULL },
                  { "registry_proxy", r->proxy != NULL },
                  { "registry_headers", r->headers && r->headers->n } };
    for (size_t i = 0; i < HG_COUNT(needs) && !r->urls.n; i++)
        if (needs[i].given)
            return hg_err_option(err, code, needs[i].name, "'%s' requires 'registry_urls' to be set", needs[i].name);
    if (r->username && r->token)
        return hg_err_option(err, code, "registry_authorization_token",
                             "'registry_authorization_token' cannot be combined with 'registry_username'");
    if (r->password && !r->username)
        return hg_err_option(err, code, "registry_password",
                             "'registry_password' requires 'registry_username' to be set");
    for (uint32_t i = 0; i < r->urls.n; i++)
        if (!is_http(r->urls.v[i]))
            return hg_err_option(
                err, code, "registry_urls",
                "entry %u of 'registry_urls' is no URL that begins with http:// or https:// and has no user in "
                "it (that is 'registry_username')",
                i + 1);
    int rc = r->proxy ? may_reach("registry_proxy", r->proxy, code, err) : 0;
    for (uint32_t i = 0; i < r->urls.n && rc == 0; i++) rc = may_reach("registry_urls", r->urls.v[i], code, err);
    return rc < 0 ? rc : check_headers(r->headers, code, err);
}

/* --- questions --- */

static const char *basic(hg_arena_t *a, const char *user, const char *password)
{
    hg_str_t text = hg_strz(hg_arena_printf(a, "%s:%s", user, password ? password : ""));
    char *out = hg_arena_alloc(a, HG_BASE64_LEN(text.n) + 1); /* zeroed */
    hg_base64_put(out, text);
    return out;
}

void hg_avro_link_init(hg_avro_link_t *l, const hg_avro_registry_t *cfg, hg_arena_t *a)
{
    uint32_t n = 0, given = cfg->headers && cfg->headers->kind == HG_J_OBJECT ? cfg->headers->n : 0;
    l->cfg = cfg;
    l->arena = a;
    l->headers = HG_ANEWN(a, const char *, given + 4);
    l->headers[n++] = "Accept: " MEDIA_TYPE ", application/json";
    l->headers[n++] = "Content-Type: " MEDIA_TYPE;
    if (cfg->username)
        l->headers[n++] = hg_arena_printf(a, "Authorization: Basic %s", basic(a, cfg->username, cfg->password));
    if (cfg->token) l->headers[n++] = hg_arena_printf(a, "Authorization: Bearer %s", cfg->token);
    for (const hg_json_t *m = given ? cfg->headers->child : NULL; m; m = m->next)
        l->headers[n++] = hg_arena_printf(a, HG_SF ": " HG_SF, HG_SA(m->key), HG_SA(m->str));
}

void hg_avro_link_ask(const hg_avro_link_t *l, hg_ask_t *ret)
{
    *ret = (hg_ask_t){ .what = "schema registry",
                       .urls = l->cfg->urls.v,
                       .n_urls = l->cfg->urls.n,
                       .headers = l->headers,
                       .proxy = l->cfg->proxy,
                       .timeout_ms = (uint64_t)l->cfg->timeout_secs * 1000 };
}

int hg_avro_refusal(int status, hg_str_t body, const char *what, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t ignored = HG_ERR_INIT;
    const char *words = "";
    if (body.n && hg_json_parse(a, body, &v, &ignored) == 0) words = hg_json_str(hg_json_get(v, "message"), "");
    hg_code_t code = HG_ENOTFOUND;
    if (status == 401 || status == 403) code = HG_EPERM;
    if (status == 408 || status == 429 || status >= 500) code = HG_EAGAIN;
    hg_err_set(err, code, "%s: the schema registry answers %d%s%.240s", what, status, *words ? ": " : "", words);
    err->retry = code == HG_EAGAIN;
    hg_arena_free(a);
    return code;
}

int hg_avro_answer(hg_arena_t *a, hg_str_t body, const char *what, const hg_json_t **ret, hg_err_t *err)
{
    hg_json_t *v = NULL;
    hg_err_t why = HG_ERR_INIT;
    if (hg_json_parse(a, body, &v, &why) == 0 && v->kind == HG_J_OBJECT) {
        *ret = v;
        return 0;
    }
    return hg_err_retry(err, HG_EAGAIN, "%s: the answer of the schema registry is no JSON object: '%.*s'", what,
                        (int)HG_MIN(body.n, (size_t)120), body.p);
}
