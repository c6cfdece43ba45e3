/* access_api.c: API keys, and the tenants, members and trusts of an installation with one tenant. Keys can be made and
 * listed also where nobody is asked for one (auth.c), as clients expect. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "manager/access_int.h"

static const char *const key_roles[] = { "read", "write" };

/* --- API keys ------------------------------------------------------------------------------------------------------
 */

static void write_key(void *arg, const hg_apikey_t *key)
{
    hg_jw_t *w = arg;
    hg_jw_obj(w);
    hg_jw_kstr(w, "id", key->id);
    hg_jw_kstr(w, "name", key->name);
    hg_jw_kstr(w, "role", key->role);
    hg_jw_end_obj(w);
}

static void unknown_key(hg_call_t *c, hg_str_t name)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "{\"name\":");
    hg_json_quote(&b, name);
    hg_buf_addc(&b, '}');
    hg_reply_error(c->r, 404, "UnknownApiKey", b.p, "Unknown API key '" HG_SF "'", HG_SA(name));
    hg_buf_release(&b);
}

static void list_keys(hg_call_t *c)
{
    const char *name = c->cap[0].p; /* GET /api_keys/{name} answers a list as well */
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    int n = hg_store_apikeys(c->mg->store, name, write_key, &w, &err);
    hg_jw_end_arr(&w);
    if (n < 0)
        hg_reply_error(c->r, 500, "StorageError", NULL, "%s", err.msg);
    else if (name && n == 0)
        unknown_key(c, c->cap[0]);
    else
        hg_reply_json(c->r, 200, &b);
    hg_buf_release(&b);
}

static void create_key(hg_call_t *c)
{
    const hg_json_t *name = hg_json_get(c->body, "name");
    const char *role = hg_json_str(hg_json_get(c->body, "role"), "read");
    hg_err_t err = HG_ERR_INIT;
    if (!name || name->kind != HG_J_STRING) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "The request body misses the member 'name'");
        return;
    }
    hg_verdict_t v = hg_check_key_name(name->str);
    if (v.answer == HG_REFUSE) {
        hg_reply_verdict(c->r, &v);
        return;
    }
    if (!strcmp(role, "owner") || !strcmp(role, "admin")) {
        hg_reply_error(c->r, 403, "OwnerAdminNotMintableAsApiKey", NULL,
                       "An API key can have the role 'read' or 'write', not '%s'", role);
        return;
    }
    if (hg_name_index(key_roles, HG_COUNT(key_roles), role) < 0) {
        hg_reply_error(c->r, 400, "InvalidRequest", NULL, "Unknown role '%s': an API key can have 'read' or 'write'",
                       role);
        return;
    }
    char id[HG_UUID_CAP], secret[HG_KEY_CAP];
    uint8_t hash[HG_KEY_HASH];
    hg_uuid_v7(id);
    hg_key_make(secret);
    hg_key_hash(hg_strz(secret), hash);
    hg_apikey_t key = { .id = id, .name = name->str.p, .role = role };
    int rc = hg_store_apikey_add(c->mg->store, &key, hash, sizeof hash, &err);
    if (rc == HG_EEXIST) {
        hg_reply_error(c->r, 409, "DuplicateName", NULL, "An API key named '%s' already exists", key.name);
    } else if (rc < 0) {
        hg_reply_error(c->r, 500, "StorageError", NULL, "%s", err.msg);
    } else {
        hg_buf_t b;
        hg_jw_t w;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_jw_init(&w, &b);
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "id", id);
        hg_jw_kstr(&w, "name", key.name);
        hg_jw_kstr(&w, "api_key", secret);
        hg_jw_end_obj(&w);
        hg_reply_json(c->r, 201, &b);
        explicit_bzero(b.p, b.len);
        hg_buf_release(&b);
    }
    explicit_bzero(secret, sizeof secret);
}

static void delete_key(hg_call_t *c)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_store_apikey_delete(c->mg->store, c->cap[0].p, &err);
    if (rc == HG_ENOTFOUND)
        unknown_key(c, c->cap[0]);
    else if (rc < 0)
        hg_reply_error(c->r, 500, "StorageError", NULL, "%s", err.msg);
    else
        hg_reply_empty(c->r, 200);
}

/* --- tenants --------------------------------------------------------------------------------------------------------
 */

#define TENANT_JSON "{\"id\":\"" HG_TENANT_ID "\",\"name\":\"" HG_TENANT_NAME "\",\"initial_provider\":\"headgate\"}"

static void fixed(hg_call_t *c)
{
    hg_reply_raw(c->r, 200, "application/json", hg_strz(c->arg));
}

static void get_tenant(hg_call_t *c)
{
    hg_str_t t = c->cap[0];
    if (hg_str_eqz(t, HG_TENANT_ID) || hg_str_eqz(t, HG_TENANT_NAME)) {
        hg_reply_raw(c->r, 200, "application/json", HG_S(TENANT_JSON));
        return;
    }
    hg_reply_error(c->r, 404, "UnknownTenantName", NULL,
                   "Unknown tenant '" HG_SF "': there is only '" HG_TENANT_NAME "'", HG_SA(t));
}

static void post_tenant(hg_call_t *c)
{
    const char *name = hg_json_str(hg_json_get(c->body, "name"), "");
    if (!strcmp(name, HG_TENANT_NAME))
        hg_reply_raw(c->r, 200, "application/json", HG_S(TENANT_JSON));
    else
        hg_reply_error(c->r, 403, "InsufficientPermissions", "{\"required\":\"owner\",\"actual\":\"admin\"}", "%s",
                       c->arg);
}

static void forbidden(hg_call_t *c)
{
    hg_reply_error(c->r, 403, "InsufficientPermissions", "{\"required\":\"owner\",\"actual\":\"admin\"}", "%s", c->arg);
}

static void unknown_trust(hg_call_t *c)
{
    hg_reply_error(c->r, 404, "UnknownOidcTrust", NULL, "Unknown OIDC trust '" HG_SF "'", HG_SA(c->cap[0]));
}

static void unknown_user(hg_call_t *c)
{
    hg_reply_error(c->r, 404, "UnknownUser", NULL, "Unknown user '" HG_SF "'", HG_SA(c->cap[0]));
}

#define ONE_TENANT "This installation has exactly one tenant, '" HG_TENANT_NAME "'; it cannot be changed"
#define NO_USERS   "There are no users to manage: who may do what is said by API keys"
#define NO_TRUSTS  "OIDC is not offered: who may do what is said by API keys"

const hg_route_t hg_access_routes[] = {
    { "GET", "v0/api_keys", 0, list_keys, NULL, "The API keys: name, role, id" },
    { "POST", "v0/api_keys", HG_R_BODY, create_key, NULL,
      "Makes one: `name`, `role=read|write`. The only answer that shows the key. 201" },
    { "GET", "v0/api_keys/{k}", 0, list_keys, NULL, "One of them, as a list" },
    { "DELETE", "v0/api_keys/{k}", 0, delete_key, NULL, "Ends a key" },
    { "GET", "v0/tenants", 0, fixed, "[" TENANT_JSON "]", "The one tenant" },
    { "POST", "v0/tenants", HG_R_BODY | HG_R_ADMIN, post_tenant, ONE_TENANT,
      "200 for its name; else 403: there is one" },
    { "GET", "v0/tenants/{t}", 0, get_tenant, NULL, "The tenant, by its name or id" },
    { "PATCH", "v0/tenants/{t}", HG_R_BODY | HG_R_ADMIN, forbidden, ONE_TENANT, "403" },
    { "DELETE", "v0/tenants/{t}", HG_R_ADMIN, forbidden, ONE_TENANT, "403" },
    { "GET", "v0/tenant/users", 0, fixed, "[]", "`[]`: users are not kept here" },
    { "POST", "v0/tenant/users", HG_R_BODY | HG_R_ADMIN, forbidden, NO_USERS, "403" },
    { "PUT", "v0/tenant/users/{u}", HG_R_BODY | HG_R_ADMIN, unknown_user, NULL, "404" },
    { "DELETE", "v0/tenant/users/{u}", HG_R_ADMIN, unknown_user, NULL, "404" },
    { "GET", "v0/oidc_trust", 0, fixed, "[]", "`[]`" },
    { "POST", "v0/oidc_trust", HG_R_BODY | HG_R_ADMIN, forbidden, NO_TRUSTS, "403: there is no identity provider" },
    { "GET", "v0/oidc_trust/{t}", 0, unknown_trust, NULL, "404" },
    { "DELETE", "v0/oidc_trust/{t}", HG_R_ADMIN, unknown_trust, NULL, "404" },
    { .method = NULL },
};
