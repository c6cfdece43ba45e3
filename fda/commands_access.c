/* commands_access.c: the commands of cmd_access.c with their arguments and options. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

/* --- API keys --- */

static const fda_pos_t KEY[] = { { .name = "NAME", .doc = "The name of the API key" }, END };
static const fda_opt_t KEY_ROLE[] = {
    { .name = "role", .value = "ROLE", .values = "read|write", .doc = "What the key may do; read if not given" },
    END,
};
const fda_cmd_t fda_apikey_cmds[] = {
    { .name = "list", .doc = "List the API keys", .run = fda_cmd_apikey_list },
    { .name = "create",
      .doc = "Create an API key, and show it this once",
      .pos = KEY,
      .opts = KEY_ROLE,
      .run = fda_cmd_apikey_create },
    { .name = "delete", .aliases = "del", .doc = "Delete an API key", .pos = KEY, .run = fda_cmd_apikey_delete },
    END,
};

/* --- tenants --- */

static const fda_pos_t TENANT[] = { { .name = "TENANT", .doc = "The name or the UUID of the tenant" }, END };
static const fda_pos_t TENANT_NAME[] = { { .name = "NAME", .doc = "The name of the tenant" }, END };
static const fda_pos_t TENANT_ID[] = { { .name = "TENANT_ID", .doc = "The UUID of the tenant" }, END };
static const fda_pos_t TENANT_RENAME[] = {
    { .name = "TENANT_ID", .doc = "The UUID of the tenant" },
    { .name = "NAME", .doc = "The new name" },
    END,
};
static const fda_opt_t DISPLACE[] = {
    { .name = "displace-existing", .doc = "Take the name from the tenant that has it now" },
    END,
};
const fda_cmd_t fda_tenant_cmds[] = {
    { .name = "list", .doc = "List the tenants", .run = fda_cmd_tenant_list },
    { .name = "get", .doc = "Retrieve one tenant", .pos = TENANT, .run = fda_cmd_tenant_get },
    { .name = "create",
      .doc = "Create a tenant, or return the one with this name",
      .pos = TENANT_NAME,
      .run = fda_cmd_tenant_create },
    { .name = "rename",
      .doc = "Rename a tenant",
      .pos = TENANT_RENAME,
      .opts = DISPLACE,
      .run = fda_cmd_tenant_rename },
    { .name = "delete",
      .aliases = "del",
      .doc = "Delete an empty tenant",
      .pos = TENANT_ID,
      .run = fda_cmd_tenant_delete },
    END,
};

/* --- members --- */

static const fda_pos_t SUBJECT[] = { { .name = "SUBJECT", .doc = "The user's `sub` at the identity provider" }, END };
static const fda_pos_t USER[] = { { .name = "USER_ID", .doc = "The UUID of the user" }, END };
static const fda_pos_t SET_ROLE[] = {
    { .name = "USER_ID", .doc = "The UUID of the user" },
    { .name = "ROLE", .values = "read|write|admin", .doc = "The new role" },
    END,
};
static const fda_opt_t MEMBER[] = {
    { .name = "role", .value = "ROLE", .values = "read|write|admin", .required = true, .doc = "The role to grant" },
    { .name = "email", .value = "EMAIL", .doc = "Shown in the list of members" },
    END,
};
const fda_cmd_t fda_member_cmds[] = {
    { .name = "list", .doc = "List the members of the tenant and their roles", .run = fda_cmd_member_list },
    { .name = "add", .doc = "Let a user into the tenant", .pos = SUBJECT, .opts = MEMBER, .run = fda_cmd_member_add },
    { .name = "set-role", .doc = "Change a member's role", .pos = SET_ROLE, .run = fda_cmd_member_set_role },
    { .name = "remove",
      .aliases = "rm",
      .doc = "Remove a member from the tenant",
      .pos = USER,
      .run = fda_cmd_member_remove },
    END,
};

/* --- trusts --- */

static const fda_pos_t TRUST[] = { { .name = "NAME", .doc = "The name of the trust relationship" }, END };
static const fda_opt_t TRUST_OPTS[] = {
    { .name = "issuer", .value = "ISSUER", .required = true, .doc = "URL of the OIDC issuer: the claim `iss`" },
    { .name = "subject", .value = "SUBJECT", .required = true, .doc = "Pattern of the claim `sub`; * is any text" },
    { .name = "audience", .value = "AUDIENCE", .doc = "Pattern of the claim `aud`" },
    { .name = "description", .value = "DESCRIPTION", .doc = "What it is for" },
    { .name = "role", .value = "ROLE", .values = "read|write|admin", .doc = "What it grants; read if not given" },
    END,
};
const fda_cmd_t fda_trust_cmds[] = {
    { .name = "list", .doc = "List the OIDC trust relationships", .run = fda_cmd_trust_list },
    { .name = "create", .doc = "Create one", .pos = TRUST, .opts = TRUST_OPTS, .run = fda_cmd_trust_create },
    { .name = "delete", .aliases = "del", .doc = "Delete one", .pos = TRUST, .run = fda_cmd_trust_delete },
    END,
};
