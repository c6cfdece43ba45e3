/* chain.c: see transform.h. Reads the list of transforms, makes them, and sends messages through. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/transform/list.h"
#include "iggy/transform/transform_int.h"

#define X(symbol) extern const hg_transform_type_t symbol;
HG_TRANSFORM_LIST(X)
#undef X
#define X(symbol) &symbol,
static const hg_transform_type_t *const types[] = { HG_TRANSFORM_LIST(X) };
#undef X

typedef struct {
    const hg_transform_type_t *type;
    const void *made;
} link_t;

struct hg_chain {
    hg_arena_t *arena;
    link_t *v;
    uint32_t n;
};

bool hg_transform_doc(uint32_t i, const char **name, const char **summary, const hg_opt_t **opts)
{
    if (i >= HG_COUNT(types)) return false;
    *name = types[i]->name;
    *summary = types[i]->summary;
    *opts = types[i]->opts;
    return true;
}

/* --- what transforms say while they are made --- */

int hg_tr_wrong(hg_tr_make_t *m, const hg_json_t *node, const char *fmt, ...)
{
    char msg[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    hg_diag(m->d, false, node ? node : m->node, false, "%s", msg);
    return HG_EINVAL;
}

int hg_tr_wrong_err(hg_tr_make_t *m, const hg_err_t *err)
{
    return hg_tr_wrong(m, err->path[0] ? hg_json_get(m->node, err->path) : NULL, "%s", err->msg);
}

void hg_tr_known(hg_tr_make_t *m, const hg_json_t *obj, const char *names)
{
    for (const hg_json_t *c = obj->kind == HG_J_OBJECT ? obj->child : NULL; c; c = c->next) {
        bool known = false;
        for (const char *p = names; !known;) {
            size_t n = strcspn(p, "|");
            known = hg_str_eq(c->key, (hg_str_t){ p, n });
            if (!p[n]) break;
            p += n + 1;
        }
        if (!known) hg_diag(m->d, true, c, true, "unknown field \"%s\"", c->key.p);
    }
}

hg_str_t hg_tr_quote(hg_arena_t *a, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_json_quote(&b, s);
    s = hg_arena_str(a, hg_buf_str(&b));
    hg_buf_release(&b);
    return s;
}

hg_str_t hg_tr_json(hg_arena_t *a, const hg_json_t *v)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, v);
    char *p = hg_arena_alloc(a, b.len + HG_PAYLOAD_PAD); /* scanners may read on behind it */
    memcpy(p, b.p, b.len);
    hg_str_t s = { p, b.len };
    hg_buf_release(&b);
    return s;
}

/* --- making a chain --- */

static const hg_transform_type_t *find(hg_str_t name)
{
    for (size_t i = 0; i < HG_COUNT(types); i++)
        if (hg_str_eqz(name, types[i]->name)) return types[i];
    return NULL;
}

static void no_such(const hg_json_t *at, bool at_key, hg_str_t name, hg_diag_t *d)
{
    const char *names[HG_COUNT(types) + 1] = { 0 };
    for (size_t i = 0; i < HG_COUNT(types); i++) names[i] = types[i]->name;
    const char *near = hg_nearest(name, names);
    if (near) {
        hg_diag(d, false, at, at_key, "unknown transform '" HG_SF "'; did you mean '%s'?", HG_SA(name), near);
        return;
    }
    hg_buf_t all;
    hg_buf_init(&all, 1024);
    for (size_t i = 0; i < HG_COUNT(types); i++) hg_buf_addf(&all, "%s%s", i ? ", " : "", types[i]->name);
    hg_diag(d, false, at, at_key, "unknown transform '" HG_SF "'; there are %s", HG_SA(name), all.p);
    hg_buf_release(&all);
}

/* The settings without the members that belong to the chain. */
static const hg_json_t *settings(hg_arena_t *a, const hg_json_t *node, bool in_array)
{
    hg_json_t *obj = HG_ANEW(a, hg_json_t), **tail = &obj->child;
    *obj = *node;
    obj->child = NULL;
    obj->n = 0;
    for (const hg_json_t *m = node->child; m; m = m->next) {
        if (hg_str_eqz(m->key, "enabled") || (in_array && hg_str_eqz(m->key, "type"))) continue;
        hg_json_t *copy = HG_ANEW(a, hg_json_t);
        *copy = *m;
        copy->next = NULL;
        *tail = copy;
        tail = &copy->next;
        obj->n++;
    }
    return obj;
}

/* Whether it is wanted: 1, 0, or -1 with a complaint. */
static int enabled(const hg_json_t *node, bool must_say, hg_diag_t *d)
{
    const hg_json_t *v = hg_json_get(node, "enabled");
    if (!v && !must_say) return 1;
    if (!v) {
        hg_diag(d, false, node, true, "missing field `enabled`: true or false");
        return -1;
    }
    if (v->kind != HG_J_TRUE && v->kind != HG_J_FALSE) {
        hg_diag(d, false, v, false, "option 'enabled': expected true or false, found %s", hg_json_kind_name(v->kind));
        return -1;
    }
    return v->kind == HG_J_TRUE;
}

/* Complaints about the copy are about the node. */
typedef struct {
    hg_diag_t *d;
    const hg_json_t *copy, *node;
} relay_t;

static void relay(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    const relay_t *r = arg;
    hg_diag(r->d, warning, node == r->copy ? r->node : node, at_key, "%s", msg);
}

static int read_settings(hg_arena_t *a, const hg_transform_type_t *t, const hg_json_t *node, bool in_array, void *cfg,
                         hg_diag_t *d)
{
    relay_t r = { d, settings(a, node, in_array), node };
    hg_diag_t inner = { .fn = relay, .arg = &r };
    return hg_opts_parse(t->opts, r.copy, node, HG_EXTRA_WARN, NULL, a, cfg, &inner);
}

static void add(hg_chain_t *c, const hg_json_t *node, const hg_json_t *named, hg_str_t name, bool in_array,
                hg_diag_t *d)
{
    if (!in_array && node->kind == HG_J_NULL) return;
    const hg_transform_type_t *t = find(name);
    if (!t) {
        no_such(named, !in_array, name, d);
        return;
    }
    if (node->kind != HG_J_OBJECT) {
        hg_diag(d, false, node, false, "expected an object with the settings of %s, found %s", t->name,
                hg_json_kind_name(node->kind));
        return;
    }
    if (enabled(node, !in_array, d) != 1) return;
    link_t l = { .type = t };
    hg_tr_make_t m = { .arena = c->arena, .node = node, .d = d };
    void *cfg = hg_arena_alloc(c->arena, HG_MAX(t->cfg_size, (size_t)1));
    if (read_settings(c->arena, t, node, in_array, cfg, d) < 0) return;
    if (t->make(&m, cfg, &l.made) < 0) return;
    HG_APUSH(c->arena, c->v, c->n, l);
}

static void add_all(hg_chain_t *c, const hg_json_t *list, hg_diag_t *d)
{
    for (const hg_json_t *e = list->child; e; e = e->next) {
        if (list->kind == HG_J_OBJECT) {
            if (hg_json_get(list, e->key.p) != e)
                hg_diag(d, true, e, true, "transform \"%s\" is given again below; this one is ignored", e->key.p);
            else
                add(c, e, e, e->key, false, d);
            continue;
        }
        const hg_json_t *type = hg_json_get(e, "type");
        if (type && type->kind == HG_J_STRING)
            add(c, e, type, type->str, true, d);
        else
            hg_diag(d, false, e, false, "a transform is an object with a `type`: {\"type\": \"add_fields\", …}");
    }
}

int hg_chain_check(const hg_json_t *transforms, hg_chain_t **ret, hg_diag_t *d)
{
    unsigned before = d->errors;
    hg_chain_t *c = HG_NEW(hg_chain_t);
    c->arena = hg_arena_new();
    if (transforms && (transforms->kind == HG_J_OBJECT || transforms->kind == HG_J_ARRAY))
        add_all(c, transforms, d);
    else if (transforms && transforms->kind != HG_J_NULL)
        hg_diag(d, false, transforms, false, "expected transforms as an object or an array, found %s",
                hg_json_kind_name(transforms->kind));
    if (d->errors > before) {
        hg_chain_free(c);
        return HG_EINVAL;
    }
    *ret = c;
    return 0;
}

typedef struct {
    hg_err_t *err;
    const hg_json_t *root;
} complaint_t;

static void first_error(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    complaint_t *c = arg;
    char path[sizeof c->err->path] = "";
    (void)at_key;
    if (warning || c->err->code) return;
    hg_err_set(c->err, HG_EINVAL, "%s", msg);
    if (node) hg_json_path(node, c->root, path, sizeof path);
    snprintf(c->err->path, sizeof c->err->path, "transforms%s%.*s", path[0] && path[0] != '[' ? "." : "",
             (int)(sizeof path - 12), path);
}

int hg_chain_new(const hg_json_t *transforms, hg_chain_t **ret, hg_err_t *err)
{
    complaint_t first = { err, transforms };
    hg_diag_t d = { .fn = first_error, .arg = &first };
    *err = HG_ERR_INIT;
    return hg_chain_check(transforms, ret, &d);
}

void hg_chain_free(hg_chain_t *c)
{
    if (!c) return;
    hg_arena_free(c->arena);
    hg_free(c);
}

/* --- what a chain is --- */

uint32_t hg_chain_len(const hg_chain_t *c)
{
    return c ? c->n : 0;
}

const char *hg_chain_name(const hg_chain_t *c, uint32_t i)
{
    return c->v[i].type->name;
}

const char *hg_chain_varies(const hg_chain_t *c)
{
    for (uint32_t i = 0; i < hg_chain_len(c); i++)
        if (c->v[i].type->varies && c->v[i].type->varies(c->v[i].made)) return c->v[i].type->name;
    return NULL;
}

hg_plkind_t hg_chain_kind(const hg_chain_t *c, hg_plkind_t in)
{
    for (uint32_t i = 0; i < hg_chain_len(c); i++)
        if (c->v[i].type->kind) in = c->v[i].type->kind(c->v[i].made, in);
    return in;
}

hg_plkind_t hg_chain_reads(const hg_chain_t *c)
{
    for (uint32_t i = 0; i < hg_chain_len(c); i++) {
        if (!c->v[i].type->reads) continue;
        hg_plkind_t k = c->v[i].type->reads(c->v[i].made);
        return k == HG_PL_PROTO ? HG_PL_RAW : k;
    }
    return HG_PL_JSON;
}

/* --- messages --- */

int hg_chain_apply(const hg_chain_t *c, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err)
{
    for (uint32_t i = 0; i < c->n; i++) {
        int rc = c->v[i].type->apply(c->v[i].made, s, p, err);
        if (HG_LIKELY(rc == HG_TR_PASS)) continue;
        if (rc < 0) hg_err_wrap(err, "%s", c->v[i].type->name);
        return rc;
    }
    return HG_TR_PASS;
}

int hg_convert_sink(const hg_codec_t *c, const hg_chain_t *chain, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret_p,
                    hg_str_t *ret, hg_err_t *err)
{
    hg_scratch_next(s);
    int rc = hg_codec_decode(c, s, bytes, ret_p, err);
    if (rc == 0 && chain) rc = hg_chain_apply(chain, s, ret_p, err);
    return rc ? rc : hg_payload_bytes(ret_p, s, ret, err);
}

int hg_convert_source(hg_plkind_t tag, const hg_chain_t *chain, const hg_codec_t *c, hg_scratch_t *s, hg_str_t bytes,
                      hg_str_t *ret, hg_err_t *err)
{
    hg_payload_t p;
    hg_scratch_next(s);
    int rc = hg_payload_from(tag, bytes, s, &p, err);
    if (rc == 0 && chain) rc = hg_chain_apply(chain, s, &p, err);
    return rc ? rc : hg_codec_encode(c, s, &p, ret, err);
}

#define X(word, name) name,
static const char *const failures[] = { HG_ON_FAILURE(X) NULL };
#undef X

const char *hg_on_failure_name(hg_on_failure_t f)
{
    return failures[f];
}

int hg_on_failure_find(hg_str_t name, hg_on_failure_t *ret, hg_err_t *err)
{
    for (uint32_t i = 0; i < HG_FAIL_N; i++) {
        if (!hg_str_eqz(name, failures[i])) continue;
        *ret = (hg_on_failure_t)i;
        return 0;
    }
    return hg_err_set(err, HG_EINVAL,
                      "'" HG_SF "' is no policy for messages that fail: it is fail, skip or dead_letter", HG_SA(name));
}
