/* opts.c: see opts.h. Parsing and checking; redaction and documentation are in opts_print.c. */
#include "base/hg.h"
#include "base/mem.h"
#include "base/opts.h"

void hg_diag(hg_diag_t *d, bool warning, const hg_json_t *node, bool at_key, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    if (warning)
        d->warnings++;
    else
        d->errors++;
    if (d->fn) d->fn(d->arg, warning, node, at_key, msg);
}

static size_t type_size(hg_opt_type_t t)
{
    switch (t) {
    case HG_OPT_STR:
        return sizeof(const char *);
    case HG_OPT_BOOL:
        return sizeof(bool);
    case HG_OPT_U32:
        return sizeof(uint32_t);
    case HG_OPT_ENUM:
        return sizeof(int);
    case HG_OPT_STRLIST:
        return sizeof(hg_strlist_t);
    case HG_OPT_JSON:
        return sizeof(const hg_json_t *);
    case HG_OPT_U64:
    case HG_OPT_I64:
    case HG_OPT_F64:
    case HG_OPT_DURATION:
        return 8;
    default:
        hg_panic(__FILE__, __LINE__, "option type");
        return 0;
    }
}

static void store(const hg_opt_t *o, void *cfg, const void *v)
{
    memcpy((char *)cfg + o->at, v, type_size(o->type));
}

static int enum_index(const char *names, hg_str_t word)
{
    int i = 0;
    for (const char *p = names;; i++) {
        const char *bar = strchr(p, '|');
        size_t n = bar ? (size_t)(bar - p) : strlen(p);
        if (hg_str_eq((hg_str_t){ p, n }, word)) return i;
        if (!bar) return -1;
        p = bar + 1;
    }
}

/* Plain milliseconds, or with units; what is less than a millisecond is cut off. */
static int duration(hg_str_t s, uint64_t *ret)
{
    int rc = hg_str_u64(s, ret);
    if (rc != HG_EPARSE) return rc;
    rc = hg_duration_us(s, ret);
    if (rc == 0) *ret /= 1000;
    return rc;
}

static bool mistyped(hg_diag_t *d, const hg_opt_t *o, const hg_json_t *v, const char *want)
{
    hg_diag(d, false, v, false, "option '%s': expected %s, found %s", o->key, want, hg_json_kind_name(v->kind));
    return false;
}

static bool parse_uint(const hg_opt_t *o, const hg_json_t *v, void *cfg, hg_diag_t *d)
{
    uint64_t u, max = o->max ? o->max : (o->type == HG_OPT_U32 ? UINT32_MAX : UINT64_MAX);
    if (v->kind != HG_J_NUMBER) return mistyped(d, o, v, "a whole number");
    if (hg_json_u64(v, &u) < 0 || u < o->min || u > max) {
        hg_diag(d, false, v, false, "option '%s': %s is not a whole number from %" PRIu64 " to %" PRIu64, o->key,
                v->str.p, o->min, max);
        return false;
    }
    uint32_t u32 = (uint32_t)u;
    store(o, cfg, o->type == HG_OPT_U32 ? (const void *)&u32 : (const void *)&u);
    return true;
}

static bool parse_list(const hg_opt_t *o, const hg_json_t *v, hg_arena_t *a, void *cfg, hg_diag_t *d)
{
    hg_strlist_t l = { 0 };
    if (v->kind == HG_J_STRING && (o->flags & HG_OPT_ONE_OR_MANY)) {
        HG_APUSH(a, l.v, l.n, hg_arena_strndup(a, v->str.p, v->str.n));
    } else if (v->kind == HG_J_ARRAY) {
        for (const hg_json_t *c = v->child; c; c = c->next) {
            if (c->kind != HG_J_STRING) return mistyped(d, o, c, "an array of strings");
            HG_APUSH(a, l.v, l.n, hg_arena_strndup(a, c->str.p, c->str.n));
        }
    } else {
        return mistyped(d, o, v,
                        o->flags & HG_OPT_ONE_OR_MANY ? "a string or an array of strings" : "an array of strings");
    }
    store(o, cfg, &l);
    return true;
}

static bool parse_value(const hg_opt_t *o, const hg_json_t *v, hg_arena_t *a, void *cfg, hg_diag_t *d)
{
    switch (o->type) {
    case HG_OPT_STR: {
        if (v->kind != HG_J_STRING) return mistyped(d, o, v, "a string");
        const char *s = hg_arena_strndup(a, v->str.p, v->str.n);
        store(o, cfg, &s);
        return true;
    }
    case HG_OPT_BOOL: {
        if (v->kind != HG_J_TRUE && v->kind != HG_J_FALSE) return mistyped(d, o, v, "true or false");
        bool b = v->kind == HG_J_TRUE;
        store(o, cfg, &b);
        return true;
    }
    case HG_OPT_U32:
    case HG_OPT_U64:
        return parse_uint(o, v, cfg, d);
    case HG_OPT_I64: {
        int64_t i;
        if (v->kind != HG_J_NUMBER) return mistyped(d, o, v, "a whole number");
        if (hg_json_i64(v, &i) < 0) {
            hg_diag(d, false, v, false, "option '%s': %s is not a 64-bit whole number", o->key, v->str.p);
            return false;
        }
        store(o, cfg, &i);
        return true;
    }
    case HG_OPT_F64: {
        double f;
        if (hg_json_f64(v, &f) < 0) return mistyped(d, o, v, "a number");
        store(o, cfg, &f);
        return true;
    }
    case HG_OPT_ENUM: {
        int i = v->kind == HG_J_STRING ? enum_index(o->names, v->str) : -1;
        if (v->kind != HG_J_STRING) return mistyped(d, o, v, "a string");
        if (i < 0) {
            hg_diag(d, false, v, false, "option '%s': invalid value '%s'; valid values are: %s", o->key, v->str.p,
                    o->names);
            return false;
        }
        store(o, cfg, &i);
        return true;
    }
    case HG_OPT_STRLIST:
        return parse_list(o, v, a, cfg, d);
    case HG_OPT_JSON:
        store(o, cfg, &v);
        return true;
    case HG_OPT_DURATION: {
        uint64_t ms;
        if (v->kind != HG_J_NUMBER && v->kind != HG_J_STRING)
            return mistyped(d, o, v, "milliseconds or a text like \"30s\"");
        if (duration(v->str, &ms) < 0 || ms < o->min || (o->max && ms > o->max)) {
            hg_diag(d, false, v, false,
                    "option '%s': '%s' is not a duration; write milliseconds or a text like \"500ms\", \"30s\", \"5m\"",
                    o->key, v->str.p);
            return false;
        }
        store(o, cfg, &ms);
        return true;
    }
    default:
        hg_panic(__FILE__, __LINE__, "option type");
        return false;
    }
}

/* Defaults go through the same parser as values: the text becomes a node first. */
static void set_default(const hg_opt_t *o, hg_arena_t *a, void *cfg)
{
    hg_diag_t none = { 0 };
    hg_json_t *v = HG_ANEW(a, hg_json_t);
    v->str = hg_strz(o->def);
    switch (o->type) {
    case HG_OPT_BOOL:
        v->kind = strcmp(o->def, "true") == 0 ? HG_J_TRUE : HG_J_FALSE;
        break;
    case HG_OPT_U32:
    case HG_OPT_U64:
    case HG_OPT_I64:
    case HG_OPT_F64:
        v->kind = HG_J_NUMBER;
        break;
    case HG_OPT_STR:
    case HG_OPT_ENUM:
    case HG_OPT_STRLIST:
    case HG_OPT_JSON:
    case HG_OPT_DURATION:
        v->kind = HG_J_STRING;
        break;
    default:
        hg_panic(__FILE__, __LINE__, "option type");
    }
    if (o->type == HG_OPT_JSON) {
        hg_err_t err;
        HG_ASSERT(hg_json_parse(a, hg_strz(o->def), &v, &err) == 0);
    }
    HG_ASSERT(parse_value(o, v, a, cfg, &none));
}

static const hg_opt_t *find(const hg_opt_t *table, hg_str_t key)
{
    for (const hg_opt_t *o = table; o && o->key; o++)
        if (hg_str_eqz(key, o->key)) return o;
    return NULL;
}

static const char *nearest(const hg_opt_t *table, hg_str_t key)
{
    const char *names[129];
    size_t n = 0;
    for (const hg_opt_t *o = table; o && o->key && n + 1 < HG_COUNT(names); o++) names[n++] = o->key;
    names[n] = NULL;
    return hg_nearest(key, names);
}

static void unknown(const hg_opt_t *table, const hg_json_t *m, hg_extra_t mode, hg_kvlist_t *extra, hg_arena_t *a,
                    hg_diag_t *d)
{
    if (mode == HG_EXTRA_TAKE) {
        hg_kv_t kv = { .key = m->key.p, .node = m };
        if (m->kind == HG_J_STRING || m->kind == HG_J_NUMBER)
            kv.value = m->str.p;
        else if (m->kind == HG_J_TRUE || m->kind == HG_J_FALSE)
            kv.value = m->kind == HG_J_TRUE ? "true" : "false";
        else {
            hg_diag(d, false, m, false, "option '%s': expected a string, found %s", m->key.p,
                    hg_json_kind_name(m->kind));
            return;
        }
        HG_APUSH(a, extra->v, extra->n, kv);
        return;
    }
    const char *near = nearest(table, m->key);
    bool warn = mode == HG_EXTRA_WARN;
    if (near)
        hg_diag(d, warn, m, true, "unknown field \"%s\"; did you mean \"%s\"?", m->key.p, near);
    else
        hg_diag(d, warn, m, true, "unknown field \"%s\"", m->key.p);
}

/* A value that would have changed something: not null, the default, or an empty list. */
static bool is_wanted(const hg_opt_t *o, const hg_json_t *v)
{
    switch (v->kind) {
    case HG_J_NULL:
        return false;
    case HG_J_ARRAY:
    case HG_J_OBJECT:
        return v->child != NULL;
    case HG_J_TRUE:
    case HG_J_FALSE:
        return !o->def || strcmp(o->def, v->kind == HG_J_TRUE ? "true" : "false") != 0;
    case HG_J_NUMBER:
    case HG_J_STRING:
        break;
    }
    return !o->def || !hg_str_eqz(v->str, o->def);
}

int hg_opts_parse(const hg_opt_t *table, const hg_json_t *obj, const hg_json_t *where, hg_extra_t extra_mode,
                  hg_kvlist_t *extra, hg_arena_t *a, void *cfg, hg_diag_t *d)
{
    unsigned before = d->errors;
    if (obj && obj->kind == HG_J_NULL) obj = NULL;
    if (obj && obj->kind != HG_J_OBJECT) {
        hg_diag(d, false, obj, false, "expected an object with options, found %s", hg_json_kind_name(obj->kind));
        return HG_EINVAL;
    }
    for (const hg_opt_t *o = table; o && o->key; o++)
        if (o->def) set_default(o, a, cfg);
    for (const hg_json_t *m = obj ? obj->child : NULL; m; m = m->next) {
        const hg_opt_t *o = find(table, m->key);
        if (hg_json_get(obj, m->key.p) != m) {
            hg_diag(d, true, m, true, "field \"%s\" is given again below; this one is ignored", m->key.p);
            continue;
        }
        if (!o) {
            unknown(table, m, extra_mode, extra, a, d);
            continue;
        }
        if (o->flags & HG_OPT_DEPRECATED) hg_diag(d, true, m, true, "option '%s' is deprecated: %s", o->key, o->doc);
        if ((o->flags & HG_OPT_IGNORED) && is_wanted(o, m))
            hg_diag(d, true, m, true, "option '%s' is without effect: %s", o->key, o->doc);
        if (m->kind == HG_J_NULL && o->type != HG_OPT_JSON) continue; /* null = unset, as in Feldera */
        if (parse_value(o, m, a, cfg, d) && o->set_at) *((bool *)((char *)cfg + o->set_at)) = true;
    }
    for (const hg_opt_t *o = table; o && o->key; o++) {
        if (!(o->flags & HG_OPT_REQUIRED)) continue;
        const hg_json_t *m = hg_json_get(obj, o->key);
        if (!m || m->kind == HG_J_NULL)
            hg_diag(d, false, obj ? obj : where, false, "missing field `%s`: %s", o->key, o->doc);
    }
    return d->errors > before ? HG_EINVAL : 0;
}
