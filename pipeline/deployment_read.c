/* deployment_read.c: see deployment_read.h. */
#include "base/hg.h"
#include "pipeline/deployment_read.h"

static int text_member(const hg_json_t *v, const char *key, const char **ret, hg_err_t *err)
{
    *ret = hg_json_str(hg_json_get(v, key), NULL);
    return *ret ? 0 : hg_err_set(err, HG_EPARSE, "member \"%s\" is missing", key);
}

static int read_initial(const hg_json_t *v, hg_deployment_t *ret, hg_err_t *err)
{
    const char *initial = hg_json_str(hg_json_get(v, "initial"), "running");
    ret->running = strcmp(initial, "running") == 0;
    ret->standby = strcmp(initial, "standby") == 0;
    return ret->running || ret->standby || strcmp(initial, "paused") == 0
               ? 0
               : hg_err_set(err, HG_EPARSE, "initial '%.40s' is unknown", initial);
}

static int read_bootstrap(const hg_json_t *v, hg_bootstrap_opts_t *ret, hg_err_t *err)
{
    static const char *const names[] = { "await_approval", "allow", "reject" }; /* in the order of the type */
    const char *policy = hg_json_str(hg_json_get(v, "bootstrap_policy"), names[0]);
    size_t i = 0;
    while (i < HG_COUNT(names) && strcmp(policy, names[i]) != 0) i++;
    if (i == HG_COUNT(names)) return hg_err_set(err, HG_EPARSE, "bootstrap_policy '%.40s' is unknown", policy);
    *ret = (hg_bootstrap_opts_t){ .policy = (hg_bootstrap_policy_t)i,
                                  .silent = hg_json_bool(hg_json_get(v, "silent_bootstrap"), false),
                                  .concurrent = hg_json_bool(hg_json_get(v, "concurrent_bootstrap"), false) };
    return 0;
}

int hg_deployment_read(hg_arena_t *a, hg_str_t text, hg_deployment_t *ret, hg_err_t *err)
{
    hg_json_t *v = NULL;
    const char *program;
    *ret = (hg_deployment_t){ 0 };
    int rc = hg_json_parse(a, text, &v, err);
    if (rc == 0) rc = text_member(v, "name", &ret->name, err);
    if (rc == 0) rc = text_member(v, "id", &ret->id, err);
    if (rc == 0) rc = text_member(v, "deployment_id", &ret->deployment_id, err);
    if (rc == 0) rc = text_member(v, "socket", &ret->socket, err);
    if (rc == 0) rc = text_member(v, "program", &program, err);
    if (rc < 0) return rc;
    const hg_json_t *config = hg_json_get(v, "runtime_config");
    ret->program = hg_json_get(v, "program")->str;
    ret->env = hg_json_get(config, "env");
    ret->access = hg_json_get(v, "access");
    rc = read_initial(v, ret, err);
    if (rc == 0) rc = hg_runtime_config_parse(config, a, &ret->config, err);
    if (rc == 0 && ret->standby && !ret->config.sync)
        rc = hg_err_set(err, HG_EINVAL, "a start into standby needs runtime_config.storage.backend.config.sync");
    return rc == 0 ? read_bootstrap(v, &ret->bootstrap, err) : rc;
}
