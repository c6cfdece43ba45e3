/* config.c: runtime_config and program_config: one table of members each, which checks a user's object and writes it
 * back complete and in Feldera's order. Unknown members are dropped, as there. */
#include "base/hg.h"

#include "base/mem.h"
#include "manager/config_int.h"
#include "manager/liveness_int.h"
#include "manager/restart_int.h"

typedef enum {
    K_BOOL,
    K_U16,
    K_U64,
    K_F64,
    K_STR,
    K_ANY,
    K_OWN, /* .write does it, also for an absent member */
} kind_t;

typedef struct member member_t;
struct member {
    const char *key;
    kind_t kind;
    const char *def; /* JSON; NULL: the member is left out when absent or null */
    bool nullable;
    int (*write)(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err); /* v NULL = absent */
    const char *one_of;                                                            /* K_STR: "|a|b|"; NULL = any text */
};

static int wrong(hg_err_t *err, const char *path, const char *want, const hg_json_t *v)
{
    return hg_err_set(err, HG_EINVAL, "%s: expected %s, found %s", path, want, hg_json_kind_name(v->kind));
}

static bool is_null(const hg_json_t *v)
{
    return !v || v->kind == HG_J_NULL;
}

static int check_scalar(const member_t *m, const hg_json_t *v, const char *path, hg_err_t *err)
{
    uint64_t u;
    double d;
    switch (m->kind) {
    case K_BOOL:
        return v->kind == HG_J_TRUE || v->kind == HG_J_FALSE ? 0 : wrong(err, path, "a boolean", v);
    case K_U16:
    case K_U64: {
        if (v->kind != HG_J_NUMBER) return wrong(err, path, "a whole number", v);
        uint64_t max = m->kind == K_U16 ? UINT16_MAX : UINT64_MAX;
        if (hg_json_u64(v, &u) < 0 || u > max)
            return hg_err_set(err, HG_EINVAL, "%s: expected a whole number from 0 to %" PRIu64 ", found %s", path, max,
                              v->str.p);
        return 0;
    }
    case K_F64:
        if (v->kind != HG_J_NUMBER || hg_json_f64(v, &d) < 0) return wrong(err, path, "a number", v);
        return 0;
    case K_STR:
        if (v->kind != HG_J_STRING) return wrong(err, path, "a string", v);
        if (m->one_of) {
            char key[64];
            bool word = v->str.n < 60 && !memchr(v->str.p, '|', v->str.n) && !memchr(v->str.p, 0, v->str.n);
            snprintf(key, sizeof key, "|%s|", word ? v->str.p : "");
            if (!strstr(m->one_of, key))
                return hg_err_set(err, HG_EINVAL, "%s: unknown variant '%.40s', expected one of %.*s", path, v->str.p,
                                  (int)strlen(m->one_of) - 2, m->one_of + 1);
        }
        return 0;
    case K_ANY:
    case K_OWN:
        return 0;
    }
    return 0;
}

static int write_members(const member_t *table, const hg_json_t *obj, const char *path, hg_jw_t *w, hg_err_t *err)
{
    for (const member_t *m = table; m->key; m++) {
        const hg_json_t *v = obj ? hg_json_get(obj, m->key) : NULL;
        char at[128];
        snprintf(at, sizeof at, "%s%s%s", path, *path ? "." : "", m->key);
        int rc = 0;
        if (m->kind == K_OWN) {
            hg_jw_key(w, m->key);
            rc = m->write(v, at, w, err);
        } else if (is_null(v)) {
            if (v && !m->nullable) rc = wrong(err, at, "a value", v);
            if (rc == 0 && m->def) {
                hg_jw_key(w, m->key);
                hg_jw_raw(w, v && m->nullable ? HG_S("null") : hg_strz(m->def));
            }
        } else {
            rc = check_scalar(m, v, at, err);
            if (rc == 0) {
                hg_jw_key(w, m->key);
                hg_jw_node(w, v);
            }
        }
        if (rc < 0) return rc;
    }
    return 0;
}

static int write_object(const member_t *table, const hg_json_t *obj, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (obj && obj->kind != HG_J_OBJECT) return wrong(err, path, "an object", obj);
    hg_jw_obj(w);
    int rc = write_members(table, obj, path, w, err);
    hg_jw_end_obj(w);
    return rc;
}

/* --- storage ----------------------------------------------------------------------------------------------------- */

/* What they mean is the pipeline's (pipeline/remote_config.c). */
static const member_t sync_members[] = {
    { .key = "bucket", .kind = K_STR },
    { .key = "endpoint", .kind = K_STR, .nullable = true },
    { .key = "region", .kind = K_STR, .nullable = true },
    { .key = "provider", .kind = K_STR, .nullable = true },
    { .key = "access_key", .kind = K_STR, .nullable = true },
    { .key = "secret_key", .kind = K_STR, .nullable = true },
    { .key = "start_from_checkpoint", .kind = K_STR, .nullable = true },
    { .key = "fail_if_no_checkpoint", .kind = K_BOOL },
    { .key = "transfers", .kind = K_U64, .nullable = true },
    { .key = "checkers", .kind = K_U64, .nullable = true },
    { .key = "ignore_checksum", .kind = K_BOOL, .nullable = true },
    { .key = "multi_thread_streams", .kind = K_U64, .nullable = true },
    { .key = "multi_thread_cutoff", .kind = K_STR, .nullable = true },
    { .key = "optimize_download_resources", .kind = K_BOOL },
    { .key = "upload_concurrency", .kind = K_U64, .nullable = true },
    { .key = "standby", .kind = K_BOOL },
    { .key = "pull_interval", .kind = K_U64 },
    { .key = "push_interval", .kind = K_U64, .nullable = true },
    { .key = "flags", .kind = K_ANY, .nullable = true },
    { .key = "retention_min_count", .kind = K_U64 },
    { .key = "retention_min_age", .kind = K_U64 },
    { .key = "read_bucket", .kind = K_STR, .nullable = true },
    { .key = NULL },
};

static int write_sync(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (is_null(v)) {
        hg_jw_null(w);
        return 0;
    }
    if (v->kind == HG_J_OBJECT && !hg_json_str(hg_json_get(v, "bucket"), NULL))
        return hg_err_set(err, HG_EINVAL, "%s: missing field 'bucket'", path);
    if (hg_json_bool(hg_json_get(v, "standby"), false))
        return hg_err_set(err, HG_EINVAL,
                          "%s.standby: true is not supported: start the pipeline with initial=standby instead", path);
    return write_object(sync_members, v, path, w, err);
}

static const member_t file_members[] = {
    { .key = "async_threads", .kind = K_BOOL, .def = "null", .nullable = true },
    { .key = "ioop_delay", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "sync", .kind = K_OWN, .write = write_sync },
    { .key = NULL },
};

static int write_object_store(const hg_json_t *config, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (!hg_json_str(hg_json_get(config, "url"), NULL))
        return hg_err_set(err, HG_EINVAL, "%s.config: missing field 'url'", path);
    for (const hg_json_t *o = config->child; o; o = o->next)
        if (o->kind != HG_J_STRING)
            return hg_err_set(err, HG_EINVAL, "%s.config." HG_SF ": expected a string, found %s", path, HG_SA(o->key),
                              hg_json_kind_name(o->kind));
    hg_jw_node(w, config);
    return 0;
}

static int write_backend(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (!v) {
        hg_jw_raw(w, HG_S("{\"name\":\"default\"}"));
        return 0;
    }
    if (v->kind != HG_J_OBJECT) return wrong(err, path, "an object", v);
    const char *name = hg_json_str(hg_json_get(v, "name"), NULL);
    const hg_json_t *config = hg_json_get(v, "config");
    if (!name) return hg_err_set(err, HG_EINVAL, "%s: missing field 'name'", path);
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", name);
    int rc = 0;
    if (strcmp(name, "default") != 0) {
        char at[160];
        snprintf(at, sizeof at, "%s.config", path);
        if (!config || config->kind != HG_J_OBJECT)
            return hg_err_set(err, HG_EINVAL, "%s: missing field 'config'", path);
        hg_jw_key(w, "config");
        if (!strcmp(name, "file"))
            rc = write_object(file_members, config, at, w, err);
        else if (!strcmp(name, "object"))
            rc = write_object_store(config, path, w, err);
        else
            rc = hg_err_set(err, HG_EINVAL, "%s.name: unknown variant '%.40s', expected one of default, file, object",
                            path, name);
    }
    hg_jw_end_obj(w);
    return rc;
}

static const member_t storage_members[] = {
    { .key = "backend", .kind = K_OWN, .write = write_backend },
    { .key = "min_storage_bytes", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "min_step_storage_bytes", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "compression", .kind = K_STR, .def = "\"default\"", .one_of = "|default|none|snappy|" },
    { .key = "cache_mib", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "bloom_false_positive_rate", .kind = K_F64, .nullable = true },
    { .key = NULL },
};

static int write_storage(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (!v || v->kind == HG_J_TRUE) return write_object(storage_members, NULL, path, w, err);
    if (v->kind == HG_J_FALSE || v->kind == HG_J_NULL) {
        hg_jw_null(w);
        return 0;
    }
    return write_object(storage_members, v, path, w, err);
}

/* --- fault tolerance --------------------------------------------------------------------------------------------- */

static int write_ft(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (is_null(v)) {
        hg_jw_raw(w, HG_S("{\"model\":\"none\",\"checkpoint_interval_secs\":60}"));
        return 0;
    }
    if (v->kind == HG_J_STRING) {
        if (!hg_str_eq(v->str, HG_S("initial_state")) && !hg_str_eq(v->str, HG_S("latest_checkpoint")))
            return hg_err_set(
                err, HG_EINVAL,
                "%s: unknown variant '%.40s', expected one of initial_state, latest_checkpoint, or an object", path,
                v->str.p);
        hg_jw_raw(w, HG_S("{\"model\":\"exactly_once\",\"checkpoint_interval_secs\":60}"));
        return 0;
    }
    static const member_t members[] = {
        { .key = "model", .kind = K_STR, .def = "\"exactly_once\"", .one_of = "|none|at_least_once|exactly_once|" },
        { .key = "checkpoint_interval_secs", .kind = K_U64, .def = "60", .nullable = true },
        { .key = NULL },
    };
    return write_object(members, v, path, w, err);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static const member_t resource_members[] = {
    { .key = "cpu_cores_min", .kind = K_F64, .def = "null", .nullable = true },
    { .key = "cpu_cores_max", .kind = K_F64, .def = "null", .nullable = true },
    { .key = "memory_mb_min", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "memory_mb_max", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "storage_mb_max", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "storage_class", .kind = K_STR, .def = "null", .nullable = true },
    { .key = "service_account_name", .kind = K_STR, .def = "null", .nullable = true },
    { .key = "namespace", .kind = K_STR, .def = "null", .nullable = true },
    { .key = NULL },
};

static int write_resources(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    return write_object(resource_members, v, path, w, err);
}

static int write_offset(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (is_null(v)) {
        hg_jw_null(w);
        return 0;
    }
    if (v->kind != HG_J_STRING) return wrong(err, path, "a string", v);
    static const char shape[] = "+00:00"; /* a digit where it has one */
    bool ok = v->str.n == sizeof shape - 1 && (v->str.p[0] == '+' || v->str.p[0] == '-');
    for (size_t i = 1; ok && i < v->str.n; i++)
        ok = shape[i] == ':' ? v->str.p[i] == ':' : v->str.p[i] >= '0' && v->str.p[i] <= '9';
    if (!ok) return hg_err_set(err, HG_EINVAL, "%s: expected an offset like '+05:30', found '%.40s'", path, v->str.p);
    hg_jw_node(w, v);
    return 0;
}

static int write_cpus(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (!v) {
        hg_jw_raw(w, HG_S("[]"));
        return 0;
    }
    if (v->kind != HG_J_ARRAY) return wrong(err, path, "an array", v);
    uint64_t cpu;
    for (const hg_json_t *c = v->child; c; c = c->next)
        if (hg_json_u64(c, &cpu) < 0) return wrong(err, path, "whole numbers", c);
    hg_jw_node(w, v);
    return 0;
}

static bool reserved_env(hg_str_t name)
{
    return hg_str_eq(name, HG_S("HOSTNAME")) || hg_str_eq(name, HG_S("RUST_LOG")) ||
           hg_str_starts(name, HG_S("FELDERA_")) || hg_str_starts(name, HG_S("KUBERNETES_")) ||
           hg_str_starts(name, HG_S("TOKIO_"));
}

static int write_env(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (!v) {
        hg_jw_raw(w, HG_S("{}"));
        return 0;
    }
    if (v->kind != HG_J_OBJECT) return wrong(err, path, "an object", v);
    for (const hg_json_t *e = v->child; e; e = e->next) {
        if (e->kind != HG_J_STRING) return wrong(err, path, "values that are strings", e);
        if (e->key.n == 0 || memchr(e->key.p, '=', e->key.n) || memchr(e->key.p, 0, e->key.n) ||
            memchr(e->str.p, 0, e->str.n))
            return hg_err_set(err, HG_EINVAL, "%s: '%.40s' cannot be the name of an environment variable", path,
                              e->key.p);
        if (reserved_env(e->key))
            return hg_err_set(err, HG_EINVAL, "%s: the environment variable '%.60s' is reserved", path, e->key.p);
    }
    hg_jw_node(w, v);
    return 0;
}

static int write_tweaks(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    hg_restart_policy_t restart;
    hg_liveness_policy_t liveness;
    if (!v) {
        hg_jw_raw(w, HG_S("{}"));
        return 0;
    }
    if (v->kind != HG_J_OBJECT) return wrong(err, path, "an object", v);
    int rc = hg_restart_policy(v->parent, &restart, err); /* the others are the pipeline's to judge */
    if (rc == 0) rc = hg_liveness_policy(v->parent, &liveness, err);
    if (rc == 0) hg_jw_node(w, v);
    return rc;
}

static int write_configmap(const hg_json_t *v, const char *path, hg_jw_t *w, hg_err_t *err)
{
    if (is_null(v)) {
        hg_jw_null(w);
        return 0;
    }
    static const member_t members[] = {
        { .key = "name", .kind = K_STR, .def = "\"\"" },
        { .key = "key", .kind = K_STR, .def = "\"pipelineTemplate\"" },
        { .key = NULL },
    };
    if (v->kind == HG_J_OBJECT && !hg_json_get(v, "name"))
        return hg_err_set(err, HG_EINVAL, "%s: missing field 'name'", path);
    return write_object(members, v, path, w, err);
}

static const member_t runtime_members[] = {
    { .key = "workers", .kind = K_U16, .def = "8" },
    { .key = "max_rss_mb", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "datafusion_memory_mb", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "hosts", .kind = K_U64, .def = "1" },
    { .key = "storage", .kind = K_OWN, .write = write_storage },
    { .key = "fault_tolerance", .kind = K_OWN, .write = write_ft },
    { .key = "cpu_profiler", .kind = K_BOOL, .def = "true" },
    { .key = "tracing", .kind = K_BOOL, .def = "false" },
    { .key = "tracing_endpoint_jaeger", .kind = K_STR, .def = "\"127.0.0.1:6831\"" },
    { .key = "min_batch_size_records", .kind = K_U64, .def = "0" },
    { .key = "max_buffering_delay_usecs", .kind = K_U64, .def = "0" },
    { .key = "resources", .kind = K_OWN, .write = write_resources },
    { .key = "clock_resolution_usecs", .kind = K_U64, .def = "1000000", .nullable = true },
    { .key = "clock_timezone_offset", .kind = K_OWN, .write = write_offset },
    { .key = "pin_cpus", .kind = K_OWN, .write = write_cpus },
    { .key = "provisioning_timeout_secs", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "max_parallel_connector_init", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "init_containers", .kind = K_ANY, .def = "null", .nullable = true },
    { .key = "checkpoint_during_suspend", .kind = K_BOOL, .def = "true" },
    { .key = "http_workers", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "io_workers", .kind = K_U64, .def = "null", .nullable = true },
    { .key = "env", .kind = K_OWN, .write = write_env },
    { .key = "dev_tweaks", .kind = K_OWN, .write = write_tweaks },
    { .key = "logging", .kind = K_STR, .def = "null", .nullable = true },
    { .key = "pipeline_template_configmap", .kind = K_OWN, .write = write_configmap },
    { .key = NULL },
};

static const member_t program_members[] = {
    { .key = "profile",
      .kind = K_STR,
      .def = "null",
      .nullable = true,
      .one_of = "|dev|unoptimized|optimized|optimized_symbols|" },
    { .key = "cache", .kind = K_BOOL, .def = "true" },
    { .key = "runtime_version", .kind = K_STR, .def = "null", .nullable = true },
    { .key = "use_platform_compiler", .kind = K_BOOL, .def = "false" },
    { .key = NULL },
};

static int normalise(const member_t *table, const hg_json_t *v, const char *what, char **ret_json, hg_err_t *err)
{
    hg_buf_t b;
    hg_jw_t w;
    if (!is_null(v) && v->kind != HG_J_OBJECT) return wrong(err, what, "an object", v);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    int rc = write_object(table, is_null(v) ? NULL : v, "", &w, err);
    if (rc == 0 && w.rc < 0) rc = hg_err_set(err, w.rc, "out of memory");
    if (rc == 0) *ret_json = hg_buf_take(&b, NULL);
    hg_buf_release(&b);
    return rc;
}

int hg_runtime_config(const hg_json_t *v, char **ret_json, hg_err_t *err)
{
    return normalise(runtime_members, v, "runtime_config", ret_json, err);
}

int hg_program_config(const hg_json_t *v, char **ret_json, hg_err_t *err)
{
    return normalise(program_members, v, "program_config", ret_json, err);
}

/* --- questions about a stored configuration ---------------------------------------------------------------------- */

/* The node at "a.b" under obj, or NULL. */
static const hg_json_t *at_path(const hg_json_t *obj, const char *path)
{
    const char *dot = strchr(path, '.');
    if (!dot) return hg_json_get(obj, path);
    char head[64];
    snprintf(head, sizeof head, "%.*s", (int)(dot - path), path);
    const hg_json_t *v = hg_json_get(obj, head);
    return v ? at_path(v, dot + 1) : NULL;
}

unsigned hg_runtime_config_restricted(const char *before, const char *after, hg_jw_t *w)
{
    static const char *const paths[] = { "workers",
                                         "hosts",
                                         "fault_tolerance",
                                         "resources.storage_mb_max",
                                         "resources.namespace",
                                         "resources.storage_class",
                                         "clock_timezone_offset" };
    hg_arena_t *a = hg_arena_new();
    hg_json_t *old = NULL, *new = NULL;
    hg_err_t err = HG_ERR_INIT;
    unsigned n = 0;
    if (hg_json_parse(a, hg_strz(before), &old, &err) == 0 && hg_json_parse(a, hg_strz(after), &new, &err) == 0) {
        for (size_t i = 0; i < HG_COUNT(paths); i++) {
            const hg_json_t *x = at_path(old, paths[i]), *y = at_path(new, paths[i]);
            if (x && y && hg_json_equal(x, y)) continue;
            char text[96];
            snprintf(text, sizeof text, "`runtime_config.%s`", paths[i]);
            hg_jw_strz(w, text);
            n++;
        }
    }
    hg_arena_free(a);
    return n;
}

bool hg_runtime_config_standby(const char *json)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    bool yes = false;
    if (hg_json_parse(a, hg_strz(json), &v, &err) == 0) {
        const hg_json_t *sync = at_path(v, "storage.backend.config.sync");
        yes = sync && sync->kind == HG_J_OBJECT;
    }
    hg_arena_free(a);
    return yes;
}

int hg_config_number(const char *path, const hg_json_t *v, uint64_t min, uint64_t max, uint64_t *ret, hg_err_t *err)
{
    uint64_t n = 0;
    if (v->kind != HG_J_NUMBER || hg_json_u64(v, &n) < 0 || n < min || n > max)
        return hg_err_set(err, HG_EINVAL,
                          "%s." HG_SF ": expected a whole number from %" PRIu64 " to %" PRIu64 ", found %.40s", path,
                          HG_SA(v->key), min, max, v->kind == HG_J_NUMBER ? v->str.p : hg_json_kind_name(v->kind));
    *ret = n;
    return 0;
}
