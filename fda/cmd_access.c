/* cmd_access.c: `apikey`, `tenant`, `member`, `oidc-trust`: who may use the daemon. */
#include "base/hg.h"
#include "fda/fda_int.h"

/* --- requests that carry a few members --- */

typedef struct {
    hg_buf_t text;
    hg_jw_t w;
} body_t;

static void body_begin(body_t *b)
{
    hg_buf_init(&b->text, HG_BUF_NOMAX);
    hg_jw_init(&b->w, &b->text);
    hg_jw_obj(&b->w);
}

static void body_put(body_t *b, const char *key, const char *value)
{
    if (value) hg_jw_kstr(&b->w, key, value);
}

/* Sends it. 0: *ret is the answer; else a complaint has been made. */
static int body_send(fda_t *f, body_t *b, const char *what, const char *method, const char *path, fda_answer_t *ret)
{
    hg_jw_end_obj(&b->w);
    int rc = fda_call(f, what, method, path, hg_buf_str(&b->text), FDA_ONCE, ret);
    hg_buf_release(&b->text);
    return rc;
}

static int list(fda_t *f, const char *what, const char *path, const fda_col_t *cols)
{
    const hg_json_t *v;
    int rc = fda_get(f, what, path, 0, &v);
    return rc ? rc : fda_print_list(f, v, cols);
}

/* A sentence, or the answer as JSON. */
static int told(fda_t *f, const hg_json_t *answer, const char *sentence)
{
    if (f->format != FDA_TEXT) return fda_print_value(f, answer, FDA_ALIGNED, false);
    puts(sentence);
    return 0;
}

static int removed(fda_t *f, const char *what, const char *path, const char *sentence)
{
    int rc = fda_call(f, what, "DELETE", path, (hg_str_t){ 0 }, FDA_ONCE, NULL);
    if (!rc) puts(sentence);
    return rc;
}

/* --- API keys --- */

int fda_cmd_apikey_list(fda_t *f, const fda_args_t *a)
{
    static const fda_col_t cols[] = { { "name", "name", 0 }, { "role", "role", 0 }, { "id", "id", 0 }, { 0 } };
    (void)a;
    return list(f, "Failed to list API keys", "/v0/api_keys", cols);
}

int fda_cmd_apikey_create(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME"), *role = fda_option(a, "role");
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "name", name);
    body_put(&b, "role", role ? role : "read");
    int rc = body_send(f, &b, "Failed to create API key", "POST", "/v0/api_keys", &ans);
    if (rc) return rc;
    return told(f, ans.json,
                hg_arena_printf(f->arena, "API key '%s' created: %s", name, fda_text(ans.json, "api_key", "")));
}

int fda_cmd_apikey_delete(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME");
    return removed(f, "Failed to delete API key", fda_path(f, "/v0/api_keys/%s", name),
                   hg_arena_printf(f->arena, "API key '%s' deleted", name));
}

/* --- tenants --- */

static const fda_col_t tenant_cols[] = {
    { "name", "name", 0 }, { "id", "id", 0 }, { "initial provider", "initial_provider", 0 }, { 0 }
};

int fda_cmd_tenant_list(fda_t *f, const fda_args_t *a)
{
    (void)a;
    return list(f, "Failed to list tenants", "/v0/tenants", tenant_cols);
}

int fda_cmd_tenant_get(fda_t *f, const fda_args_t *a)
{
    const hg_json_t *v;
    int rc = fda_get(f, "Failed to retrieve tenant", fda_path(f, "/v0/tenants/%s", fda_arg(a, "TENANT")), 0, &v);
    if (rc) return rc;
    if (f->format != FDA_TEXT) return fda_print_value(f, v, FDA_ALIGNED, false);
    fda_print_rows(f, &v, 1, tenant_cols);
    return 0;
}

int fda_cmd_tenant_create(fda_t *f, const fda_args_t *a)
{
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "name", fda_arg(a, "NAME"));
    int rc = body_send(f, &b, "Failed to create tenant", "POST", "/v0/tenants", &ans);
    if (rc) return rc;
    return told(f, ans.json,
                hg_arena_printf(f->arena,
                                ans.status == 201 ? "Created tenant '%s' (%s)." : "Tenant '%s' already exists (%s).",
                                fda_text(ans.json, "name", ""), fda_text(ans.json, "id", "")));
}

int fda_cmd_tenant_rename(fda_t *f, const fda_args_t *a)
{
    const char *id = fda_arg(a, "TENANT_ID"), *name = fda_arg(a, "NAME");
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "name", name);
    hg_jw_kbool(&b.w, "displace_existing", fda_flag(a, "displace-existing"));
    int rc = body_send(f, &b, "Failed to rename tenant", "PATCH", fda_path(f, "/v0/tenants/%s", id), &ans);
    if (rc) return rc;
    const hg_json_t *other = fda_member(ans.json, "displaced");
    printf("Renamed tenant %s to '%s'.", id, name);
    if (other)
        printf(" The tenant that held the name is now '%s' (%s).", fda_text(other, "name", ""),
               fda_text(other, "id", ""));
    putchar('\n');
    return 0;
}

int fda_cmd_tenant_delete(fda_t *f, const fda_args_t *a)
{
    const char *id = fda_arg(a, "TENANT_ID");
    return removed(f, "Failed to delete tenant", fda_path(f, "/v0/tenants/%s", id),
                   hg_arena_printf(f->arena, "Tenant %s deleted.", id));
}

/* --- members of the tenant --- */

int fda_cmd_member_list(fda_t *f, const fda_args_t *a)
{
    static const fda_col_t cols[] = { { "user id", "user_id", 0 },
                                      { "name", "display_name", 0 },
                                      { "subject", "subject", 0 },
                                      { "email", "email", 0 },
                                      { "verified", "email_verified", FDA_COL_YES_NO },
                                      { "role", "role", 0 },
                                      { "origin", "origin", 0 },
                                      { 0 } };
    (void)a;
    return list(f, "Failed to list tenant members", "/v0/tenant/users", cols);
}

int fda_cmd_member_add(fda_t *f, const fda_args_t *a)
{
    const char *subject = fda_arg(a, "SUBJECT"), *role = fda_option(a, "role");
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "subject", subject);
    body_put(&b, "role", role);
    body_put(&b, "email", fda_option(a, "email"));
    int rc = body_send(f, &b, "Failed to add tenant member", "POST", "/v0/tenant/users", &ans);
    if (!rc) printf("Added '%s' as %s (user id %s).\n", subject, role, fda_text(ans.json, "user_id", ""));
    return rc;
}

int fda_cmd_member_set_role(fda_t *f, const fda_args_t *a)
{
    const char *id = fda_arg(a, "USER_ID"), *role = fda_arg(a, "ROLE");
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "role", role);
    int rc = body_send(f, &b, "Failed to set member role", "PUT", fda_path(f, "/v0/tenant/users/%s", id), &ans);
    if (!rc) printf("User %s is now %s.\n", id, role);
    return rc;
}

int fda_cmd_member_remove(fda_t *f, const fda_args_t *a)
{
    const char *id = fda_arg(a, "USER_ID");
    return removed(f, "Failed to remove tenant member", fda_path(f, "/v0/tenant/users/%s", id),
                   hg_arena_printf(f->arena, "Removed user %s from the tenant.", id));
}

/* --- trusts --- */

int fda_cmd_trust_list(fda_t *f, const fda_args_t *a)
{
    static const fda_col_t cols[] = { { "name", "name", 0 },
                                      { "role", "role", 0 },
                                      { "issuer", "issuer", 0 },
                                      { "subject", "subject", 0 },
                                      { "audience", "audience", 0 },
                                      { "description", "description", 0 },
                                      { 0 } };
    (void)a;
    return list(f, "Failed to list OIDC trust relationships", "/v0/oidc_trust", cols);
}

int fda_cmd_trust_create(fda_t *f, const fda_args_t *a)
{
    static const char *const members[] = { "issuer", "subject", "audience", "description", "role" };
    fda_answer_t ans;
    body_t b;
    body_begin(&b);
    body_put(&b, "name", fda_arg(a, "NAME"));
    for (size_t i = 0; i < HG_COUNT(members); i++) body_put(&b, members[i], fda_option(a, members[i]));
    int rc = body_send(f, &b, "Failed to create OIDC trust relationship", "POST", "/v0/oidc_trust", &ans);
    if (rc) return rc;
    return told(f, ans.json,
                hg_arena_printf(f->arena, "OIDC trust '%s' created (id: %s)", fda_text(ans.json, "name", ""),
                                fda_text(ans.json, "id", "")));
}

int fda_cmd_trust_delete(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME");
    return removed(f, "Failed to delete OIDC trust relationship", fda_path(f, "/v0/oidc_trust/%s", name),
                   hg_arena_printf(f->arena, "OIDC trust '%s' deleted", name));
}
