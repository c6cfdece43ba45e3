/* cmd_access.c: `apikey`, `tenant`, `member`, `oidc-trust`: who may use the daemon. */
#include "base/hg.h"
#include <ctype.h>
#include "fda/fda_int.h"

/* --- shapes that they share --- */

typedef struct {
    const char *key, *value; /* value NULL: left out */
    bool yes;                /* instead of a text */
} member_t;                  /* ends with .key == NULL */

/* Sends an object of these members. 0: *ret is the answer; else a complaint has been made. */
static int send_object(fda_t *f, const char *what, const char *method, const char *path, const member_t *members,
                       fda_answer_t *ret)
{
    hg_buf_t text;
    hg_jw_t w;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_obj(&w);
    for (const member_t *m = members; m->key; m++) {
        if (m->value) hg_jw_kstr(&w, m->key, m->value);
        if (m->yes) hg_jw_kbool(&w, m->key, true);
    }
    hg_jw_end_obj(&w);
    int rc = fda_call(f, what, method, path, hg_buf_str(&text), FDA_ONCE, ret);
    hg_buf_release(&text);
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

/* 0, or a complaint has been made: what is no UUID would name something else in the path. */
static int uuid_arg(const fda_args_t *a, const char *name, const char **ret)
{
    const char *p = *ret = fda_arg(a, name);
    size_t n = 0;
    while (n < 36 && (n == 8 || n == 13 || n == 18 || n == 23 ? p[n] == '-' : isxdigit((unsigned char)p[n]))) n++;
    return n == 36 && !p[n] ? 0 : fda_usage(a, "invalid value '%s' for '<%s>': expected a UUID", p, name);
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
    const member_t members[] = { { "name", name, 0 }, { "role", role ? role : "read", 0 }, { 0 } };
    fda_answer_t ans;
    int rc = send_object(f, "Failed to create API key", "POST", "/v0/api_keys", members, &ans);
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
    const member_t members[] = { { "name", fda_arg(a, "NAME"), 0 }, { 0 } };
    fda_answer_t ans;
    int rc = send_object(f, "Failed to create tenant", "POST", "/v0/tenants", members, &ans);
    if (rc) return rc;
    return told(f, ans.json,
                hg_arena_printf(f->arena,
                                ans.status == 201 ? "Created tenant '%s' (%s)." : "Tenant '%s' already exists (%s).",
                                fda_text(ans.json, "name", ""), fda_text(ans.json, "id", "")));
}

int fda_cmd_tenant_rename(fda_t *f, const fda_args_t *a)
{
    const char *id, *name = fda_arg(a, "NAME");
    const member_t members[] = { { "name", name, 0 },
                                 { "displace_existing", NULL, fda_flag(a, "displace-existing") },
                                 { 0 } };
    fda_answer_t ans;
    int rc = uuid_arg(a, "TENANT_ID", &id);
    if (!rc) rc = send_object(f, "Failed to rename tenant", "PATCH", fda_path(f, "/v0/tenants/%s", id), members, &ans);
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
    const char *id;
    int rc = uuid_arg(a, "TENANT_ID", &id);
    return rc ? rc
              : removed(f, "Failed to delete tenant", fda_path(f, "/v0/tenants/%s", id),
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
    const member_t members[] = {
        { "subject", subject, 0 }, { "role", role, 0 }, { "email", fda_option(a, "email"), 0 }, { 0 }
    };
    fda_answer_t ans;
    int rc = send_object(f, "Failed to add tenant member", "POST", "/v0/tenant/users", members, &ans);
    if (!rc) printf("Added '%s' as %s (user id %s).\n", subject, role, fda_text(ans.json, "user_id", ""));
    return rc;
}

int fda_cmd_member_set_role(fda_t *f, const fda_args_t *a)
{
    const char *id, *role = fda_arg(a, "ROLE");
    const member_t members[] = { { "role", role, 0 }, { 0 } };
    int rc = uuid_arg(a, "USER_ID", &id);
    if (!rc)
        rc = send_object(f, "Failed to set member role", "PUT", fda_path(f, "/v0/tenant/users/%s", id), members, NULL);
    if (!rc) printf("User %s is now %s.\n", id, role);
    return rc;
}

int fda_cmd_member_remove(fda_t *f, const fda_args_t *a)
{
    const char *id;
    int rc = uuid_arg(a, "USER_ID", &id);
    return rc ? rc
              : removed(f, "Failed to remove tenant member", fda_path(f, "/v0/tenant/users/%s", id),
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
    static const char *const given[] = { "issuer", "subject", "audience", "description", "role" };
    member_t members[HG_COUNT(given) + 2] = { { "name", fda_arg(a, "NAME"), 0 } };
    fda_answer_t ans;
    for (size_t i = 0; i < HG_COUNT(given); i++) members[i + 1] = (member_t){ given[i], fda_option(a, given[i]), 0 };
    int rc = send_object(f, "Failed to create OIDC trust relationship", "POST", "/v0/oidc_trust", members, &ans);
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
