/* oauth.c: see oauth.h. Names and answers: RFC 6749, 4.4, with Iceberg's defaults. */
#include "base/hg.h"
#include "base/mem.h"
#include "plugins/iceberg_sink/oauth.h"

#define MARGIN_S      60 /* before the end, or a tenth of a shorter life */
#define RENEW_AGAIN_S 30 /* after a request that failed, where the token still holds */

static int put_pair(hg_buf_t *out, const char *key, hg_str_t value)
{
    int rc = hg_buf_addf(out, "%s%s=", out->len ? "&" : "", key);
    return rc < 0 ? rc : hg_pct_encode(out, value);
}

/* "id:secret", or a secret alone. */
static int put_form(hg_buf_t *out, const oauth_cfg_t *c)
{
    const char *colon = strchr(c->credential, ':');
    int rc = put_pair(out, "grant_type", HG_S("client_credentials"));
    if (rc == 0 && colon) rc = put_pair(out, "client_id", (hg_str_t){ c->credential, (size_t)(colon - c->credential) });
    if (rc == 0) rc = put_pair(out, "client_secret", hg_strz(colon ? colon + 1 : c->credential));
    return rc < 0 ? rc : put_pair(out, "scope", hg_strz(c->scope));
}

int oauth_init(hgp_instance_t *i, oauth_t *o, const oauth_cfg_t *c, const char *uri, hg_err_t *err)
{
    const char *base;
    hg_err_t bad = HG_ERR_INIT;
    hg_buf_t form;
    pthread_mutex_init(&o->mutex, NULL);
    if (c->token && c->credential)
        return hg_err_set(err, HG_EINVAL, "options 'token' and 'credential': a token is given or asked for, not both");
    if (c->token && strpbrk(c->token, "\r\n"))
        return hg_err_set(err, HG_EINVAL, "option 'token': it has a line end, which no header can have");
    if (c->server_uri && !c->credential)
        return hg_err_set(err, HG_EINVAL, "option 'credential' is needed with oauth2_server_uri");
    if (c->token) o->header = hg_xprintf("Authorization: Bearer %s", c->token);
    if (!c->credential) return 0;
    if (hgp_http_base(i, c->server_uri ? c->server_uri : uri, &base, &bad) < 0)
        return hg_err_set(err, HG_EINVAL, "option '%s': expected a URL that begins with http:// or https://",
                          c->server_uri ? "oauth2_server_uri" : "uri");
    o->url = c->server_uri ? base : hg_arena_printf(i->arena, "%s/v1/oauth/tokens", base);
    hg_buf_init(&form, HG_BUF_NOMAX);
    int rc = put_form(&form, c);
    if (rc == 0) o->form = hg_arena_strndup(i->arena, form.p, form.len);
    hg_buf_release(&form);
    return rc < 0 ? hg_err_retry(err, (hg_code_t)rc, "no memory for a request") : 0;
}

void oauth_release(oauth_t *o)
{
    hg_free(o->header);
    pthread_mutex_destroy(&o->mutex);
}

static int ask(hgp_instance_t *i, oauth_t *o, hgp_http_t *h, hg_err_t *err)
{
    static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
                                           "Accept: application/json", NULL };
    hg_fetch_t f = {
        .method = "POST", .url = o->url, .headers = headers, .body = hg_strz(o->form), .timeout_ms = o->timeout_ms
    };
    hg_json_t *root = NULL;
    hg_err_t bad = HG_ERR_INIT;
    uint64_t life = 0;
    int rc = hgp_http_call(i, h, &f, err);
    if (rc == 0 && (h->status < 200 || h->status > 299)) rc = hgp_http_refused(h, &f, err);
    if (rc < 0) return hg_err_wrap(err, "no token for the catalog");
    hg_arena_t *a = hg_arena_new();
    const char *token = hg_json_parse(a, hg_buf_str(&h->answer), &root, &bad) < 0 || root->kind != HG_J_OBJECT
                            ? NULL
                            : hg_json_str(hg_json_get(root, "access_token"), NULL);
    if (token && *token && !strpbrk(token, "\r\n")) {
        hg_free(o->header);
        o->header = hg_xprintf("Authorization: Bearer %s", token);
        o->number++;
        (void)hg_json_u64(hg_json_get(root, "expires_in"), &life);
        life = HG_MIN(life, (uint64_t)INT32_MAX);
        o->expires_s = life ? (int64_t)time(NULL) + (int64_t)life : 0;
        o->renew_s = life ? o->expires_s - (int64_t)HG_MIN(life / 10, (uint64_t)MARGIN_S) : 0;
    } else {
        rc = hg_err_set(err, HG_EPROTO, "the answer of %s has no access_token: is this a token service?", o->url);
    }
    hg_arena_free(a);
    return rc;
}

int oauth_header(hgp_instance_t *i, oauth_t *o, hgp_http_t *h, char **ret, uint64_t *number, hg_err_t *err)
{
    int64_t now = (int64_t)time(NULL);
    int rc = 0;
    pthread_mutex_lock(&o->mutex);
    if (o->url && (!o->header || (o->renew_s && now >= o->renew_s))) rc = ask(i, o, h, err);
    if (rc < 0 && o->header && now < o->expires_s) { /* not yet needed */
        o->renew_s = HG_MIN(now + RENEW_AGAIN_S, o->expires_s);
        rc = 0;
    }
    *ret = rc == 0 && o->header ? hg_xstrdup(o->header) : NULL;
    *number = o->number;
    pthread_mutex_unlock(&o->mutex);
    return rc;
}

bool oauth_refused(oauth_t *o, uint64_t number)
{
    if (!o->url) return false;
    pthread_mutex_lock(&o->mutex);
    if (o->number == number) { /* nobody else has had another one since */
        hg_free(o->header);
        o->header = NULL;
    }
    pthread_mutex_unlock(&o->mutex);
    return true;
}
