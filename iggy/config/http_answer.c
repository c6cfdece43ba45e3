/* http_answer.c: configurations in the JSON of an HTTP service (http.c asks for it). The value is at data_path, an
 * error at error_path; each configuration becomes a tree of its own, which remembers where in the answer it stood. */
#include "base/hg.h"
#include "iggy/config/config_int.h"

#define BAD "HTTP request failed: "

/* The member at "a.b.0"; NULL: not there. */
static const hg_json_t *at_path(const hg_json_t *v, const char *path)
{
    while (v && *path) {
        char part[128];
        uint64_t i;
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        if (v->kind != HG_J_ARRAY)
            v = hg_json_get(v, part);
        else
            v = hg_str_u64(hg_strz(part), &i) == 0 && i < v->n ? hg_json_at(v, (uint32_t)i) : NULL;
        path += n + (path[n] == '.');
    }
    return v;
}

static int service_error(const hg_json_t *v, hg_err_t *err)
{
    hg_buf_t b;
    hg_jw_t w;
    if (v->kind == HG_J_STRING) return hg_err_set(err, HG_EPROTO, BAD "%s", v->str.p);
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, v);
    int rc = hg_err_set(err, HG_EPROTO, BAD "%s", b.p);
    hg_buf_release(&b);
    return rc;
}

static int find_value(const igc_asked_t *q, const igc_tree_t *t, const hg_json_t **ret, hg_err_t *err)
{
    const hg_iggy_provider_config_t *p = &q->cfg->connectors;
    const hg_json_t *bad = p->error_path ? at_path(t->root, p->error_path) : NULL;
    if (bad && bad->kind != HG_J_NULL) return service_error(bad, err);
    *ret = p->data_path ? at_path(t->root, p->data_path) : t->root;
    if (*ret) return 0;
    return hg_err_set(err, HG_EPROTO, BAD "%s: the answer has nothing at data_path '%s'", q->url, p->data_path);
}

static int take(const igc_asked_t *q, const igc_tree_t *from, const hg_json_t *v, hg_iggy_kind_t kind, const char *key,
                hg_iggy_configs_t *ret, hg_err_t *err)
{
    if (v->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EPROTO, BAD "%s: expected a configuration, found %s", q->url,
                          hg_json_kind_name(v->kind));
    igc_tree_t *t = igc_tree_new(q->url, (hg_str_t){ from->text.p + v->off, v->len });
    hg_text_pos(from->text, v->off, &t->line, &t->col);
    HG_ASSERT(hg_json_parse(t->a, t->text, &t->root, err) == 0); /* a part of what was parsed */
    const char *own = hg_json_str(hg_json_get(t->root, "key"), key);
    if (!own) {
        hg_arena_free(t->a);
        return hg_err_set(err, HG_EPROTO, BAD "%s: a configuration has no key", q->url);
    }
    hg_iggy_connector_config_t *c = igc_connector_new(t, kind, own, &q->cfg->own, NULL, q->notes);
    igc_configs_add(ret, c);
    hg_iggy_connector_unref(c);
    return 0;
}

/* The values of an object or array. Names of members are keys where `named`. */
static int take_all(const igc_asked_t *q, const igc_tree_t *t, const hg_json_t *all, hg_iggy_kind_t kind, bool named,
                    hg_iggy_configs_t *ret, hg_err_t *err)
{
    int rc = 0;
    for (const hg_json_t *m = all ? all->child : NULL; m && rc == 0; m = m->next)
        rc = take(q, t, m, kind, named ? m->key.p : q->key, ret, err);
    return rc;
}

static bool is_map(const hg_json_t *v)
{
    return !v || v->kind == HG_J_OBJECT || v->kind == HG_J_NULL;
}

static int take_active(const igc_asked_t *q, const igc_tree_t *t, const hg_json_t *v, hg_iggy_configs_t *ret,
                       hg_err_t *err)
{
    const hg_json_t *sinks = hg_json_get(v, "sinks"), *sources = hg_json_get(v, "sources");
    if (v->kind != HG_J_OBJECT || !is_map(sinks) || !is_map(sources))
        return hg_err_set(err, HG_EPROTO, BAD "%s: expected {\"sinks\": {KEY: …}, \"sources\": {KEY: …}}", q->url);
    int rc = take_all(q, t, sinks, HG_IGGY_SINK, true, ret, err);
    return rc < 0 ? rc : take_all(q, t, sources, HG_IGGY_SOURCE, true, ret, err);
}

int igc_http_answer(const igc_asked_t *q, igc_answer_t shape, hg_str_t text, hg_iggy_configs_t *ret, hg_err_t *err)
{
    igc_tree_t *t = igc_tree_new(q->url, text);
    hg_iggy_configs_t found = { 0 };
    const hg_json_t *v = NULL;
    int rc = hg_json_parse(t->a, t->text, &t->root, err);
    if (rc < 0)
        rc = hg_err_set(err, HG_EPROTO, BAD "%s: the answer is no JSON: %.300s", q->url, err->msg);
    else
        rc = find_value(q, t, &v, err);
    if (rc == 0 && shape == IGC_ACTIVE)
        rc = take_active(q, t, v, &found, err);
    else if (rc == 0 && shape == IGC_LIST)
        rc = v->kind == HG_J_ARRAY ? take_all(q, t, v, q->kind, false, &found, err)
                                   : hg_err_set(err, HG_EPROTO, BAD "%s: expected an array of configurations", q->url);
    else if (rc == 0 && v->kind != HG_J_NULL)
        rc = take(q, t, v, q->kind, q->key, &found, err);
    hg_arena_free(t->a);
    if (rc == 0)
        *ret = found;
    else
        hg_iggy_configs_release(&found);
    return rc;
}
