/* provider.c: who keeps configurations: the folder or the service, and beside them, read-only, what the runtime's own
 * file holds in the older layout. A key belongs to one of them. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/config/config_int.h"

struct hg_iggy_provider {
    const igc_provider_ops_t *ops;
    void *self;
    hg_iggy_configs_t older;
};

/* --- lists ---------------------------------------------------------------------------------------------------------
 */
void igc_configs_add(hg_iggy_configs_t *l, hg_iggy_connector_config_t *c)
{
    if ((l->n & (l->n - 1)) == 0) l->v = hg_xgrow(l->v, sizeof *l->v * (l->n ? (size_t)l->n * 2 : 1));
    l->v[l->n++] = hg_iggy_connector_ref(c);
}

static int order(const void *x, const void *y)
{
    const hg_iggy_connector_config_t *a = *(hg_iggy_connector_config_t *const *)x,
                                     *b = *(hg_iggy_connector_config_t *const *)y;
    if (a->kind != b->kind) return a->kind == HG_IGGY_SOURCE ? -1 : 1;
    int by_key = strcmp(a->key, b->key);
    return by_key ? by_key : (a->version > b->version) - (a->version < b->version);
}

void igc_configs_sort(hg_iggy_configs_t *l)
{
    if (l->n) qsort(l->v, l->n, sizeof *l->v, order);
}

void hg_iggy_configs_release(hg_iggy_configs_t *l)
{
    for (uint32_t i = 0; i < l->n; i++) hg_iggy_connector_unref(l->v[i]);
    hg_free(l->v);
    *l = (hg_iggy_configs_t){ 0 };
}

int igc_no_version(hg_err_t *err, hg_iggy_kind_t k, const char *key, const uint64_t *version)
{
    const char *kind = k == HG_IGGY_SINK ? "Sink" : "Source";
    if (!version) return hg_err_set(err, HG_ENOTFOUND, "%s config not found with key: %s", kind, key);
    return hg_err_set(err, HG_ENOTFOUND, "%s config not found with key: %s, version: %" PRIu64, kind, key, *version);
}

/* --- which of the two ----------------------------------------------------------------------------------------------
 */
static hg_iggy_connector_config_t *older(const hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key)
{
    for (uint32_t i = 0; i < p->older.n; i++)
        if (p->older.v[i]->kind == k && strcmp(p->older.v[i]->key, key) == 0) return p->older.v[i];
    return NULL;
}

static int read_only(const hg_iggy_connector_config_t *c, hg_err_t *err)
{
    return hg_err_set(err, HG_EINVAL,
                      "%s '%s' stands in %s, in the older layout; move it to a file of its own to change it here",
                      hg_iggy_kind_name(c->kind), c->key, c->file);
}

/* Only a local provider can be asked without a request: a service's keys are compared when they are given. */
static void take_older(hg_iggy_provider_t *p, const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes)
{
    for (uint32_t i = 0; i < cfg->n_older; i++) {
        hg_iggy_connector_config_t *c = cfg->older[i];
        hg_iggy_configs_t same = { 0 };
        hg_err_t err = HG_ERR_INIT;
        if (!cfg->connectors.http && p->ops->versions(p->self, c->kind, c->key, &same, &err) == 0 && same.n)
            igc_note(notes, false, (hg_pos_t){ .file = c->file },
                     "%s '%s' is configured by %s too; that file is used and this section is not",
                     hg_iggy_kind_name(c->kind), c->key, same.v[0]->file);
        else
            igc_configs_add(&p->older, c);
        hg_iggy_configs_release(&same);
    }
}

int hg_iggy_provider_new(const hg_iggy_runtime_config_t *cfg, hg_iggy_notes_t notes, hg_iggy_provider_t **ret,
                         hg_err_t *err)
{
    hg_iggy_provider_t *p = hg_xzero(sizeof *p);
    p->ops = cfg->connectors.http ? &igc_http_ops : &igc_local_ops;
    int rc = p->ops->open(cfg, notes, &p->self, err);
    if (rc < 0) {
        hg_free(p);
        return rc;
    }
    take_older(p, cfg, notes);
    *ret = p;
    return 0;
}

void hg_iggy_provider_free(hg_iggy_provider_t *p)
{
    if (!p) return;
    p->ops->free(p->self);
    hg_iggy_configs_release(&p->older);
    hg_free(p);
}

void hg_iggy_provider_cancel(hg_iggy_provider_t *p)
{
    if (p->ops->cancel) p->ops->cancel(p->self);
}

/* --- what the API is given -------------------------------------------------------------------------------------------
 */
int igc_connector_body(hg_iggy_kind_t kind, const char *key, uint64_t version, hg_str_t body,
                       const hg_iggy_own_config_t *own, igc_tree_t **ret_tree, hg_iggy_connector_config_t **ret,
                       hg_err_t *err)
{
    igc_tree_t *t = igc_tree_new("body", body);
    int rc = hg_json_parse(t->a, t->text, &t->root, err);
    if (rc == 0 && t->root->kind != HG_J_OBJECT)
        rc = hg_err_set(err, HG_ETYPE, "expected an object, found %s", hg_json_kind_name(t->root->kind));
    if (rc < 0) {
        hg_arena_free(t->a);
        return rc;
    }
    hg_json_t *n = igc_node(t->a, HG_J_NUMBER);
    n->str = hg_strz(hg_arena_printf(t->a, "%" PRIu64, version));
    igc_set(t->a, t->root, "type", igc_string(t->a, hg_strz(hg_iggy_kind_name(kind))));
    igc_set(t->a, t->root, "key", igc_string(t->a, hg_strz(key)));
    igc_set(t->a, t->root, "version", n);
    hg_iggy_connector_config_t *c = igc_connector_new(t, kind, key, own, NULL, (hg_iggy_notes_t){ 0 });
    if (c->error) {
        rc = hg_err_set(err, HG_ETYPE, "%s", c->error);
        hg_iggy_connector_unref(c);
        return rc;
    }
    *ret_tree = t;
    *ret = c;
    return 0;
}

static void nulls(igc_tree_t *t, hg_json_t *obj, const char *const *names)
{
    for (; *names; names++)
        if (!igc_member(obj, *names)) igc_set(t->a, obj, *names, igc_node(t->a, HG_J_NULL));
}

void igc_connector_nulls(igc_tree_t *t, hg_iggy_kind_t kind)
{
    static const char *const top[] = { "transforms", "plugin_config_format", "plugin_config", "verbose", "benchmark",
                                       NULL },
                             *const sink[] = { "avro_schema_json", "avro_schema_path", "batch_length",
                                               "poll_interval",    "consumer_group",   NULL },
                             *const source[] = { "avro_schema_json", "avro_schema_path", "batch_length", "linger_time",
                                                 NULL };
    const hg_json_t *streams = igc_member(t->root, "streams");
    nulls(t, t->root, top);
    for (hg_json_t *s = streams ? streams->child : NULL; s; s = s->next)
        nulls(t, s, kind == HG_IGGY_SINK ? sink : source);
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */
int hg_iggy_provider_active(hg_iggy_provider_t *p, hg_iggy_configs_t *ret, hg_err_t *err)
{
    hg_iggy_configs_t all = { 0 };
    int rc = p->ops->active(p->self, &all, err);
    for (uint32_t i = 0; rc == 0 && i < p->older.n; i++) {
        bool taken = false;
        for (uint32_t k = 0; k < all.n && !taken; k++)
            taken = all.v[k]->kind == p->older.v[i]->kind && strcmp(all.v[k]->key, p->older.v[i]->key) == 0;
        if (taken)
            rc = hg_err_set(err, HG_EINVAL, "%s '%s' is configured twice: in %s and by the service",
                            hg_iggy_kind_name(p->older.v[i]->kind), p->older.v[i]->key, p->older.v[i]->file);
        else
            igc_configs_add(&all, p->older.v[i]);
    }
    igc_configs_sort(&all);
    if (rc == 0)
        *ret = all;
    else
        hg_iggy_configs_release(&all);
    return rc;
}

int hg_iggy_provider_active_one(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key,
                                hg_iggy_connector_config_t **ret, hg_err_t *err)
{
    hg_iggy_connector_config_t *c = older(p, k, key);
    if (!c) return p->ops->active_one(p->self, k, key, ret, err);
    *ret = hg_iggy_connector_ref(c);
    return 0;
}

int hg_iggy_provider_versions(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, hg_iggy_configs_t *ret,
                              hg_err_t *err)
{
    hg_iggy_connector_config_t *c = older(p, k, key);
    hg_iggy_configs_t all = { 0 };
    int rc = 0;
    if (c)
        igc_configs_add(&all, c);
    else
        rc = p->ops->versions(p->self, k, key, &all, err);
    if (rc == 0) {
        igc_configs_sort(&all);
        *ret = all;
    }
    return rc;
}

int hg_iggy_provider_get(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, uint64_t version,
                         hg_iggy_connector_config_t **ret, hg_err_t *err)
{
    hg_iggy_connector_config_t *c = older(p, k, key);
    if (!c) return p->ops->get(p->self, k, key, version, ret, err);
    if (c->version != version) return igc_no_version(err, k, key, &version);
    *ret = hg_iggy_connector_ref(c);
    return 0;
}

int hg_iggy_provider_activate(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, uint64_t version, hg_err_t *err)
{
    const hg_iggy_connector_config_t *c = older(p, k, key);
    return c ? read_only(c, err) : p->ops->activate(p->self, k, key, version, err);
}

int hg_iggy_provider_create(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, hg_str_t body,
                            hg_iggy_connector_config_t **ret, hg_err_t *err)
{
    const hg_iggy_connector_config_t *c = older(p, k, key);
    if (c) return read_only(c, err);
    if (!igc_key_valid(hg_strz(key)))
        return hg_err_set(err, HG_EINVAL,
                          "a key has up to 200 characters, no / and no control characters, and does not begin with .");
    return p->ops->create(p->self, k, key, body, ret, err);
}

int hg_iggy_provider_delete(hg_iggy_provider_t *p, hg_iggy_kind_t k, const char *key, const uint64_t *version,
                            hg_err_t *err)
{
    const hg_iggy_connector_config_t *c = older(p, k, key);
    return c ? read_only(c, err) : p->ops->remove(p->self, k, key, version, err);
}
