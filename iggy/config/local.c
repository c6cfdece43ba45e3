/* local.c: the folder of connector files, one per version, and .active_versions.toml.
 *
 * Files are read once, at the start; what the API creates and deletes is written through. All calls hold one lock.
 * Names are read in alphabetical order, so that which of two files with the same version wins does not change.
 */
#include "base/hg.h"
#include <dirent.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "base/durable.h"
#include "base/mem.h"
#include "iggy/config/config_int.h"

#define ACTIVE ".active_versions.toml"

typedef struct record { /* of .active_versions.toml */
    hg_iggy_kind_t kind;
    char *key;
    uint64_t version;
} record_t;

typedef struct local {
    const hg_iggy_runtime_config_t *cfg;
    hg_iggy_notes_t notes;
    uv_mutex_t lock;
    hg_arena_t *a; /* of env */
    igc_env_t env;
    hg_iggy_configs_t all; /* every version; .file is its path */
    record_t *records;
    uint32_t n_records;
} local_t;

static void path_in(const local_t *l, hg_buf_t *out, const char *name)
{
    hg_buf_init(out, 1 << 16);
    hg_buf_addf(out, "%s/%s", l->cfg->connectors.config_dir, name);
}

/* --- active versions -----------------------------------------------------------------------------------------------
 */
static record_t *find_record(local_t *l, hg_iggy_kind_t k, const char *key)
{
    for (uint32_t i = 0; i < l->n_records; i++)
        if (l->records[i].kind == k && strcmp(l->records[i].key, key) == 0) return &l->records[i];
    return NULL;
}

static void set_record(local_t *l, hg_iggy_kind_t k, const char *key, uint64_t version)
{
    record_t *r = find_record(l, k, key);
    if (!r) {
        l->records = hg_xgrow(l->records, sizeof *r * (l->n_records + 1));
        r = &l->records[l->n_records++];
        *r = (record_t){ .kind = k, .key = hg_xstrdup(key) };
    }
    r->version = version;
}

static void drop_record(local_t *l, record_t *r)
{
    hg_free(r->key);
    *r = l->records[--l->n_records];
}

static void read_section(local_t *l, const igc_tree_t *t, hg_iggy_kind_t kind, const char *name)
{
    const hg_json_t *section = hg_json_get(t->root, name);
    uint64_t version;
    for (const hg_json_t *m = section ? section->child : NULL; m; m = m->next) {
        if (hg_json_u64(m, &version) == 0)
            set_record(l, kind, m->key.p, version);
        else
            igc_note(l->notes, true, igc_where(t, m, false), "expected a version's number; the line is ignored");
    }
}

static void read_records(local_t *l)
{
    hg_buf_t path, text;
    hg_err_t err = HG_ERR_INIT;
    path_in(l, &path, ACTIVE);
    hg_buf_init(&text, IGC_MAX_FILE);
    int rc = hg_file_read(path.p, &text, &err);
    if (rc != HG_ENOTFOUND) {
        igc_tree_t *t = igc_tree_new(path.p, hg_buf_str(&text));
        if (rc == 0) rc = igc_toml(t, &err);
        if (!err.pos.file) err.pos.file = path.p;
        if (rc < 0) {
            igc_note(l->notes, true, err.pos, "%s; the highest versions are active", err.msg);
        } else {
            read_section(l, t, HG_IGGY_SINK, "sinks");
            read_section(l, t, HG_IGGY_SOURCE, "sources");
        }
        hg_arena_free(t->a);
    }
    hg_buf_release(&text);
    hg_buf_release(&path);
}

static int write_records(local_t *l, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *root = igc_node(a, HG_J_OBJECT);
    hg_buf_t path, text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    path_in(l, &path, ACTIVE);
    for (uint32_t i = 0; i < l->n_records; i++) {
        hg_json_t *n = igc_node(a, HG_J_NUMBER);
        n->str = hg_strz(hg_arena_printf(a, "%" PRIu64, l->records[i].version));
        igc_set(a, igc_object(a, root, l->records[i].kind == HG_IGGY_SINK ? "sinks" : "sources"), l->records[i].key, n);
    }
    int rc = igc_toml_write(root, &text, err);
    if (rc == 0) rc = hg_file_replace(path.p, hg_buf_str(&text), "active_versions", err);
    hg_buf_release(&path);
    hg_buf_release(&text);
    hg_arena_free(a);
    return rc;
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */
static uint32_t find_version(const local_t *l, hg_iggy_kind_t k, const char *key, uint64_t version)
{
    for (uint32_t i = 0; i < l->all.n; i++) {
        const hg_iggy_connector_config_t *c = l->all.v[i];
        if (c->kind == k && c->version == version && strcmp(c->key, key) == 0) return i;
    }
    return UINT32_MAX;
}

static void add(local_t *l, hg_iggy_connector_config_t *c)
{
    uint32_t i = find_version(l, c->kind, c->key, c->version);
    if (i != UINT32_MAX) {
        igc_note(l->notes, true, (hg_pos_t){ .file = c->file },
                 "%s '%s' version %" PRIu64 " is in %s too; this file is used", hg_iggy_kind_name(c->kind), c->key,
                 c->version, l->all.v[i]->file);
        hg_iggy_connector_unref(l->all.v[i]);
        l->all.v[i] = c;
        return;
    }
    igc_configs_add(&l->all, c);
    hg_iggy_connector_unref(c);
}

/* type and key, which have to be in the file. */
static bool identify(local_t *l, const igc_tree_t *t, hg_iggy_kind_t *kind, const char **key)
{
    const hg_json_t *type = hg_json_get(t->root, "type"), *k = hg_json_get(t->root, "key");
    bool sink = type && hg_str_eqz(type->str, "sink");
    hg_pos_t pos = type ? igc_where(t, type, false) : (hg_pos_t){ .file = t->file };
    *kind = sink ? HG_IGGY_SINK : HG_IGGY_SOURCE;
    *key = hg_json_str(k, NULL);
    if (!sink && !(type && hg_str_eqz(type->str, "source")))
        igc_note(l->notes, false, pos, "type = \"sink\" or \"source\" is missing; the file is not used");
    else if (!*key)
        igc_note(l->notes, false, (hg_pos_t){ .file = t->file }, "key is missing; the file is not used");
    else
        return true;
    return false;
}

/* NULL: not usable, complained about. Takes text's copy. */
static hg_iggy_connector_config_t *parse(local_t *l, const char *path, hg_str_t text)
{
    hg_err_t err = HG_ERR_INIT;
    igc_tree_t *t = igc_tree_new(path, text);
    hg_iggy_kind_t kind;
    const char *key;
    int rc = igc_toml(t, &err);
    if (!err.pos.file) err.pos.file = path;
    if (rc < 0) igc_note(l->notes, false, err.pos, "%s; the file is not used", err.msg);
    if (rc == 0 && identify(l, t, &kind, &key)) return igc_connector_new(t, kind, key, &l->cfg->own, &l->env, l->notes);
    hg_arena_free(t->a);
    return NULL;
}

static void read_file(local_t *l, const char *name)
{
    hg_buf_t path, text;
    hg_err_t err = HG_ERR_INIT;
    path_in(l, &path, name);
    hg_buf_init(&text, IGC_MAX_FILE);
    if (hg_file_read(path.p, &text, &err) < 0) {
        igc_note(l->notes, false, (hg_pos_t){ .file = path.p }, "%s; the file is not used", err.msg);
    } else {
        hg_iggy_connector_config_t *c = parse(l, path.p, hg_buf_str(&text));
        if (c) add(l, c);
    }
    hg_buf_release(&text);
    hg_buf_release(&path);
}

static int is_connector_file(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".toml") == 0 &&
           strcasecmp(d->d_name, "cargo.toml") != 0;
}

static int read_folder(local_t *l, hg_err_t *err)
{
    const char *dir = l->cfg->connectors.config_dir;
    struct dirent **names;
    int n = scandir(dir, &names, is_connector_file, alphasort);
    if (n < 0 && errno == ENOENT) { /* made with the first configuration that comes over the API */
        igc_note(l->notes, true, (hg_pos_t){ .file = l->cfg->file },
                 "config_dir '%s' is not there (seen from the working directory): there are no connectors", dir);
        return 0;
    }
    if (n < 0) return hg_err_errno(err, errno, "config_dir '%s'", dir);
    for (int i = 0; i < n; i++) {
        read_file(l, names[i]->d_name);
        free(names[i]); /* scandir's */
    }
    free(names);
    read_records(l);
    return 0;
}

static int make_folder(const char *dir, hg_err_t *err)
{
    char *path = hg_xstrdup(dir);
    int rc = 0;
    for (char *p = path + 1; rc == 0; p++) {
        bool end = !*p;
        if (!end && *p != '/') continue;
        *p = 0;
        if (mkdir(path, 0777) < 0 && errno != EEXIST) rc = hg_err_errno(err, errno, "config_dir '%s'", path);
        if (end) break;
        *p = '/';
    }
    hg_free(path);
    return rc;
}

/* Variables of connectors that nothing took: a wrong name, or a connector that is not there. */
static void warn_variables(const local_t *l)
{
    const char **names = NULL;
    uint32_t n = 0;
    hg_arena_t *a = hg_arena_new();
    static const char *const fields[] = { "ENABLED",
                                          "VERSION",
                                          "NAME",
                                          "PATH",
                                          "VERBOSE",
                                          "BENCHMARK",
                                          "STREAMS_0_STREAM",
                                          "STREAMS_0_TOPICS",
                                          "STREAMS_0_TOPIC",
                                          "STREAMS_0_SCHEMA",
                                          "STREAMS_0_BATCH_LENGTH",
                                          "PLUGIN_CONFIG_FORMAT" };
    for (uint32_t i = 0; i < l->all.n + l->cfg->n_older; i++)
        for (size_t f = 0; f < HG_COUNT(fields); f++) {
            const hg_iggy_connector_config_t *c = i < l->all.n ? l->all.v[i] : l->cfg->older[i - l->all.n];
            char *s = hg_arena_printf(a, IGC_RUNTIME "%s_%s_%s", c->kind == HG_IGGY_SINK ? "SINK" : "SOURCE", c->key,
                                      fields[f]);
            for (char *p = s; *p; p++) *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
            HG_APUSH(a, names, n, s);
        }
    HG_APUSH(a, names, n, NULL);
    for (uint32_t i = 0; i < l->env.n; i++) {
        hg_str_t var = { l->env.env[i], strcspn(l->env.env[i], "=") };
        bool ours = hg_str_starts(var, HG_S(IGC_RUNTIME "SINK_")) || hg_str_starts(var, HG_S(IGC_RUNTIME "SOURCE_"));
        if (ours && !l->env.used[i] && !l->cfg->env_used[i]) igc_env_unknown(l->notes, var, names);
    }
    hg_arena_free(a);
}

static void local_free(void *self)
{
    local_t *l = self;
    hg_iggy_configs_release(&l->all);
    while (l->n_records) drop_record(l, &l->records[0]);
    hg_free(l->records);
    hg_arena_free(l->a);
    uv_mutex_destroy(&l->lock);
    hg_free(l);
}

static int local_open(const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes, void **ret, hg_err_t *err)
{
    local_t *l = hg_xzero(sizeof *l);
    int rc = 0;
    l->cfg = cfg;
    l->notes = notes;
    l->a = hg_arena_new();
    HG_ASSERT(uv_mutex_init(&l->lock) == 0);
    igc_env_init(&l->env, l->a, cfg->env);
    if (cfg->connectors.config_dir[0]) rc = read_folder(l, err); /* empty: all connectors are in the older layout */
    if (rc < 0) {
        local_free(l);
        return rc;
    }
    warn_variables(l);
    *ret = l;
    return 0;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */
/* The recorded version if it is there, else the highest; NULL: the key is unknown. */
static hg_iggy_connector_config_t *active(local_t *l, hg_iggy_kind_t k, const char *key)
{
    const record_t *r = find_record(l, k, key);
    uint32_t i = r ? find_version(l, k, key, r->version) : UINT32_MAX;
    if (i != UINT32_MAX) return l->all.v[i];
    hg_iggy_connector_config_t *best = NULL;
    for (i = 0; i < l->all.n; i++) {
        hg_iggy_connector_config_t *c = l->all.v[i];
        if (c->kind == k && strcmp(c->key, key) == 0 && (!best || c->version > best->version)) best = c;
    }
    if (r && best)
        igc_note(l->notes, true, (hg_pos_t){ .file = ACTIVE },
                 "%s '%s' has no version %" PRIu64 "; version %" PRIu64 " is used", hg_iggy_kind_name(k), key,
                 r->version, best->version);
    return best;
}

static int local_active(void *self, hg_iggy_configs_t *ret, hg_err_t *err)
{
    local_t *l = self;
    (void)err;
    uv_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->all.n; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < ret->n && !seen; k++)
            seen = ret->v[k]->kind == l->all.v[i]->kind && strcmp(ret->v[k]->key, l->all.v[i]->key) == 0;
        if (!seen) igc_configs_add(ret, active(l, l->all.v[i]->kind, l->all.v[i]->key));
    }
    uv_mutex_unlock(&l->lock);
    return 0;
}

static int local_active_one(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_connector_config_t **ret,
                            hg_err_t *err)
{
    local_t *l = self;
    uv_mutex_lock(&l->lock);
    hg_iggy_connector_config_t *c = active(l, k, key);
    if (c) *ret = hg_iggy_connector_ref(c);
    uv_mutex_unlock(&l->lock);
    return c ? 0 : igc_no_version(err, k, key, NULL);
}

static int local_versions(void *self, hg_iggy_kind_t k, const char *key, hg_iggy_configs_t *ret, hg_err_t *err)
{
    local_t *l = self;
    (void)err;
    uv_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->all.n; i++)
        if (l->all.v[i]->kind == k && strcmp(l->all.v[i]->key, key) == 0) igc_configs_add(ret, l->all.v[i]);
    uv_mutex_unlock(&l->lock);
    return 0;
}

static int local_get(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_iggy_connector_config_t **ret,
                     hg_err_t *err)
{
    local_t *l = self;
    uv_mutex_lock(&l->lock);
    uint32_t i = find_version(l, k, key, version);
    if (i != UINT32_MAX) *ret = hg_iggy_connector_ref(l->all.v[i]);
    uv_mutex_unlock(&l->lock);
    return i == UINT32_MAX ? igc_no_version(err, k, key, &version) : 0;
}

/* --- changing ------------------------------------------------------------------------------------------------------
 */
static int local_activate(void *self, hg_iggy_kind_t k, const char *key, uint64_t version, hg_err_t *err)
{
    local_t *l = self;
    int rc = 0;
    uv_mutex_lock(&l->lock);
    if (find_version(l, k, key, version) == UINT32_MAX) {
        rc = igc_no_version(err, k, key, &version);
    } else {
        set_record(l, k, key, version);
        rc = write_records(l, err);
    }
    uv_mutex_unlock(&l->lock);
    return rc;
}

/* JSON says some things that TOML cannot (a member twice, 1e999): a file that nobody can read is not written. */
static int check_toml(hg_str_t text, hg_err_t *err)
{
    igc_tree_t *t = igc_tree_new("body", text);
    hg_err_t why = HG_ERR_INIT;
    int rc = igc_toml(t, &why);
    hg_arena_free(t->a);
    return rc < 0 ? hg_err_set(err, HG_ETYPE, "it cannot be written as TOML: %s", why.msg) : 0;
}

/* The body with type, key and version, checked; the text of its file. */
static int body_to_toml(local_t *l, hg_iggy_kind_t k, const char *key, uint64_t version, hg_str_t body, hg_buf_t *out,
                        hg_err_t *err)
{
    igc_tree_t *t;
    hg_iggy_connector_config_t *c;
    int rc = igc_connector_body(k, key, version, body, &l->cfg->own, &t, &c, err);
    if (rc < 0) return rc;
    rc = igc_connector_toml(t->root, out, err);
    hg_iggy_connector_unref(c);
    return rc < 0 ? rc : check_toml(hg_buf_str(out), err);
}

static int create(local_t *l, hg_iggy_kind_t k, const char *key, hg_str_t body, hg_iggy_connector_config_t **ret,
                  hg_err_t *err)
{
    char name[300];
    hg_buf_t path, text;
    uint64_t version = 0;
    if (!l->cfg->connectors.config_dir[0]) return hg_err_set(err, HG_EINVAL, "connectors.config_dir is not set");
    for (uint32_t i = 0; i < l->all.n; i++)
        if (l->all.v[i]->kind == k && strcmp(l->all.v[i]->key, key) == 0 && l->all.v[i]->version >= version)
            version = l->all.v[i]->version + 1;
    hg_buf_init(&text, IGC_MAX_FILE);
    snprintf(name, sizeof name, "%s_%s_%" PRIu64 ".toml", hg_iggy_kind_name(k), key, version);
    path_in(l, &path, name);
    int rc = body_to_toml(l, k, key, version, body, &text, err);
    if (rc == 0) rc = make_folder(l->cfg->connectors.config_dir, err);
    if (rc == 0) rc = hg_file_replace(path.p, hg_buf_str(&text), "connector_file", err);
    if (rc == 0) { /* as the next start will read it, with the environment */
        hg_iggy_connector_config_t *c = parse(l, path.p, hg_buf_str(&text));
        HG_ASSERT(c);
        *ret = hg_iggy_connector_ref(c);
        add(l, c);
    }
    hg_buf_release(&path);
    hg_buf_release(&text);
    return rc;
}

static int local_create(void *self, hg_iggy_kind_t k, const char *key, hg_str_t body, hg_iggy_connector_config_t **ret,
                        hg_err_t *err)
{
    local_t *l = self;
    uv_mutex_lock(&l->lock);
    int rc = create(l, k, key, body, ret, err);
    uv_mutex_unlock(&l->lock);
    return rc;
}

/* The record follows first: a crash between the two leaves a file too many, not a record without one. */
static int remove_version(local_t *l, hg_iggy_kind_t k, const char *key, uint64_t version, hg_err_t *err)
{
    uint32_t i = find_version(l, k, key, version);
    if (i == UINT32_MAX) return igc_no_version(err, k, key, &version);
    hg_iggy_connector_config_t *c = l->all.v[i];
    l->all.v[i] = l->all.v[--l->all.n];
    record_t *r = find_record(l, k, key);
    int rc = 0;
    if (r && r->version == version) {
        drop_record(l, r);
        const hg_iggy_connector_config_t *next = active(l, k, key);
        if (next) set_record(l, k, key, next->version);
        rc = write_records(l, err);
    }
    if (rc == 0 && unlink(c->file) < 0 && errno != ENOENT) rc = hg_err_errno(err, errno, "%s", c->file);
    if (rc == 0) rc = hg_dir_sync(l->cfg->connectors.config_dir, err);
    if (rc < 0) igc_configs_add(&l->all, c);
    hg_iggy_connector_unref(c);
    return rc;
}

static int local_remove(void *self, hg_iggy_kind_t k, const char *key, const uint64_t *version, hg_err_t *err)
{
    local_t *l = self;
    int rc;
    uv_mutex_lock(&l->lock);
    const record_t *r = find_record(l, k, key);
    if (version)
        rc = remove_version(l, k, key, *version, err);
    else if (r)
        rc = remove_version(l, k, key, r->version, err);
    else
        rc = igc_no_version(err, k, key, NULL);
    uv_mutex_unlock(&l->lock);
    return rc;
}

const igc_provider_ops_t igc_local_ops = {
    .open = local_open,
    .active = local_active,
    .active_one = local_active_one,
    .versions = local_versions,
    .get = local_get,
    .activate = local_activate,
    .create = local_create,
    .remove = local_remove,
    .free = local_free,
};
