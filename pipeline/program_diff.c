/* program_diff.c: see program_diff.h. */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/mem.h"
#include "pipeline/program_diff.h"
#include <xxhash.h>

static const char *const g_kinds[HG_DIFF_KINDS] = { "tables", "views", "input_connectors", "output_connectors" };
static const char *const g_words[HG_DIFF_KINDS] = { "tables", "views", "input connectors", "output connectors" };
static const char *const g_hows[HG_DIFF_HOWS] = { "added", "removed", "modified" };

/* --- connectors --- */

static const char *const g_flow[] = { "paused", "max_batch_size", "max_worker_batch_size", "max_queued_records",
                                      "max_queued_bytes" };

static int by_key(const void *a, const void *b)
{
    const hg_json_t *x = *(const hg_json_t *const *)a, *y = *(const hg_json_t *const *)b;
    int c = memcmp(x->key.p, y->key.p, HG_MIN(x->key.n, y->key.n));
    if (c == 0) c = (x->key.n > y->key.n) - (x->key.n < y->key.n);
    return c ? c : (x->off > y->off) - (x->off < y->off);
}

/* The value with the members of objects in the order of their names; top: without those of flow control. */
static void canonical(hg_jw_t *w, const hg_json_t *v, bool top)
{
    if (v->kind != HG_J_OBJECT && v->kind != HG_J_ARRAY) {
        hg_jw_node(w, v);
        return;
    }
    bool object = v->kind == HG_J_OBJECT;
    const hg_json_t **m = HG_NEWN(const hg_json_t *, v->n + 1);
    uint32_t n = 0;
    for (const hg_json_t *c = v->child; c; c = c->next) {
        bool flow = false;
        for (size_t i = 0; top && i < HG_COUNT(g_flow); i++) flow |= hg_str_eqz(c->key, g_flow[i]);
        if (!flow) m[n++] = c;
    }
    if (object) qsort(m, n, sizeof *m, by_key);
    object ? hg_jw_obj(w) : hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        if (object) hg_jw_key(w, m[i]->key.p);
        canonical(w, m[i], false);
    }
    object ? hg_jw_end_obj(w) : hg_jw_end_arr(w);
    hg_free(m);
}

uint64_t hg_connector_hash(const hg_conn_spec_t *spec)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    if (spec->json) canonical(&w, spec->json, true);
    HG_ASSERT(w.rc == 0); /* the hash of half of it would make the connector another one, that starts anew */
    uint64_t h = XXH3_64bits(b.p, b.len);
    hg_buf_release(&b);
    return h;
}

/* --- as JSON --- */

void hg_jw_khex(hg_jw_t *w, const char *key, uint64_t v)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, v);
    hg_jw_kstr(w, key, text);
}

bool hg_json_get_hex(const hg_json_t *obj, const char *key, uint64_t *ret)
{
    const char *s = hg_json_str(hg_json_get(obj, key), NULL);
    char *end;
    if (!s || strlen(s) != 16) return false;
    *ret = strtoull(s, &end, 16);
    return *end == 0;
}

const hg_json_t *hg_json_named(const hg_json_t *list, hg_str_t name)
{
    for (const hg_json_t *m = list ? list->child : NULL; m; m = m->next) {
        const hg_json_t *n = hg_json_get(m, "name");
        if (n && n->kind == HG_J_STRING && hg_str_eq(n->str, name)) return m;
    }
    return NULL;
}

/* Nobody outside the program can see it. */
static bool hidden(const hg_relation_t *r)
{
    return r->local || r->system;
}

void hg_program_relations_json(const hg_program_t *p, const uint64_t *definitions, hg_jw_t *w)
{
    hg_jw_key(w, "relations");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < p->plan.n_relations; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        hg_jw_obj(w);
        hg_jw_key(w, "name");
        hg_jw_str(w, r->schema.name);
        hg_jw_kstr(w, "kind", r->kind == HG_REL_TABLE ? "table" : "view");
        hg_jw_kbool(w, "stored", r->stored);
        hg_jw_kbool(w, "hidden", hidden(r));
        hg_jw_kbool(w, "lateness", r->lateness);
        hg_jw_khex(w, "definition", definitions[i]);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static void put_connectors(hg_jw_t *w, const char *key, const hg_conn_spec_t *specs, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        hg_jw_obj(w);
        hg_jw_key(w, "name");
        hg_jw_str(w, specs[i].endpoint);
        hg_jw_khex(w, "config", hg_connector_hash(&specs[i]));
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

void hg_program_shape_json(const hg_program_t *p, const uint64_t *definitions, hg_jw_t *w)
{
    hg_program_relations_json(p, definitions, w);
    put_connectors(w, "inputs", p->conns, p->n_inputs);
    put_connectors(w, "outputs", p->conns + p->n_inputs, p->n_conns - p->n_inputs);
}

uint64_t hg_program_hash(const hg_program_t *p, const uint64_t *definitions)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_program_shape_json(p, definitions, &w);
    hg_jw_end_obj(&w);
    uint64_t h = XXH3_64bits(b.p, b.len);
    hg_buf_release(&b);
    return h;
}

/* Members in the order of their names, as Feldera has them. */
static void put_lists(const hg_program_diff_t *d, hg_jw_t *w, hg_diff_how_t how, hg_diff_kind_t first)
{
    for (unsigned kind = first; kind < first + 2; kind++) {
        char key[48];
        const hg_diff_names_t *l = &d->names[kind][how];
        snprintf(key, sizeof key, "%s_%s", g_hows[how], g_kinds[kind]);
        hg_jw_key(w, key);
        hg_jw_arr(w);
        for (size_t i = 0; i < l->n; i++) hg_jw_str(w, l->v[i]);
        hg_jw_end_arr(w);
    }
}

void hg_program_diff_json(const hg_program_diff_t *d, hg_jw_t *w)
{
    hg_jw_obj(w);
    put_lists(d, w, HG_DIFF_ADDED, HG_DIFF_INPUTS);
    put_lists(d, w, HG_DIFF_MODIFIED, HG_DIFF_INPUTS);
    hg_jw_key(w, "program_diff");
    hg_jw_obj(w);
    put_lists(d, w, HG_DIFF_ADDED, HG_DIFF_TABLES);
    put_lists(d, w, HG_DIFF_MODIFIED, HG_DIFF_TABLES);
    put_lists(d, w, HG_DIFF_REMOVED, HG_DIFF_TABLES);
    hg_jw_end_obj(w);
    hg_jw_kstr(w, "program_diff_error", d->refusal);
    put_lists(d, w, HG_DIFF_REMOVED, HG_DIFF_INPUTS);
    hg_jw_end_obj(w);
}

void hg_program_diff_text(const hg_program_diff_t *d, hg_buf_t *out)
{
    const char *sep = "";
    for (unsigned kind = 0; kind < HG_DIFF_KINDS; kind++)
        for (unsigned how = 0; how < HG_DIFF_HOWS; how++) {
            const hg_diff_names_t *l = &d->names[kind][how];
            for (size_t i = 0; i < l->n; i++) {
                if (i == 0)
                    hg_buf_addf(out, "%s%s %s: ", sep, g_hows[how], g_words[kind]);
                else
                    hg_buf_adds(out, ", ");
                hg_buf_addstr(out, l->v[i]);
            }
            if (l->n) sep = "; ";
        }
}

/* --- comparing --- */

typedef struct {
    const hg_program_t *p;
    const uint64_t *definitions;
    const hg_json_t *relations; /* saved */
    hg_arena_t *a;
    hg_program_diff_t *d;
    uint32_t view;       /* for which rows are being looked for */
    bool *told;          /* per relation: it stands in `missing` */
    const char *missing; /* "view 'v' is computed from table 't', …" */
} differ_t;

static void add_name(differ_t *x, hg_diff_kind_t kind, hg_diff_how_t how, hg_str_t name)
{
    hg_diff_names_t *l = &x->d->names[kind][how];
    HG_APUSH(x->a, l->v, l->n, name);
    x->d->any = true;
}

static const char *kind_name(const hg_relation_t *r)
{
    return r->kind == HG_REL_TABLE ? "table" : "view";
}

static bool same_kind(const hg_relation_t *r, const hg_json_t *saved)
{
    return hg_str_eqz(hg_strz(hg_json_str(hg_json_get(saved, "kind"), "")), kind_name(r));
}

static void compare_relations(differ_t *x)
{
    for (uint32_t i = 0; i < x->p->plan.n_relations; i++) {
        const hg_relation_t *r = &x->p->plan.relations[i];
        const hg_json_t *was = hg_json_named(x->relations, r->schema.name);
        hg_diff_kind_t kind = r->kind == HG_REL_TABLE ? HG_DIFF_TABLES : HG_DIFF_VIEWS;
        uint64_t definition;
        bool known = was && same_kind(r, was);
        x->d->unchanged[i] = known && hg_json_get_hex(was, "definition", &definition) &&
                             definition == x->definitions[i] &&
                             hg_json_bool(hg_json_get(was, "stored"), false) == r->stored;
        if (hidden(r) || x->d->unchanged[i]) continue;
        known = known && !hg_json_bool(hg_json_get(was, "hidden"), false);
        add_name(x, kind, known ? HG_DIFF_MODIFIED : HG_DIFF_ADDED, r->schema.name);
    }
    for (const hg_json_t *m = x->relations ? x->relations->child : NULL; m; m = m->next) {
        const hg_json_t *name = hg_json_get(m, "name");
        bool table = strcmp(hg_json_str(hg_json_get(m, "kind"), ""), "table") == 0, there = false;
        if (!name || name->kind != HG_J_STRING || hg_json_bool(hg_json_get(m, "hidden"), false)) continue;
        for (uint32_t i = 0; i < x->p->plan.n_relations && !there; i++) {
            const hg_relation_t *r = &x->p->plan.relations[i];
            there = !hidden(r) && hg_str_eq(r->schema.name, name->str) && same_kind(r, m);
        }
        if (!there) add_name(x, table ? HG_DIFF_TABLES : HG_DIFF_VIEWS, HG_DIFF_REMOVED, name->str);
    }
}

static void compare_connectors(differ_t *x, hg_diff_kind_t kind, const hg_json_t *saved)
{
    bool input = kind == HG_DIFF_INPUTS;
    const hg_conn_spec_t *specs = x->p->conns + (input ? 0 : x->p->n_inputs);
    uint32_t n = input ? x->p->n_inputs : x->p->n_conns - x->p->n_inputs;
    for (uint32_t i = 0; i < n; i++) {
        const hg_json_t *was = hg_json_named(saved, specs[i].endpoint);
        uint64_t config;
        if (!was)
            add_name(x, kind, HG_DIFF_ADDED, specs[i].endpoint);
        else if (!hg_json_get_hex(was, "config", &config) || config != hg_connector_hash(&specs[i]))
            add_name(x, kind, HG_DIFF_MODIFIED, specs[i].endpoint);
    }
    for (const hg_json_t *m = saved ? saved->child : NULL; m; m = m->next) {
        const hg_json_t *name = hg_json_get(m, "name");
        bool there = false;
        if (!name || name->kind != HG_J_STRING) continue;
        for (uint32_t i = 0; i < n && !there; i++) there = hg_str_eq(specs[i].endpoint, name->str);
        if (!there) add_name(x, kind, HG_DIFF_REMOVED, name->str);
    }
}

/* --- what has to be computed, and from what --- */

static void need_view(differ_t *x, uint32_t i);

static void need(differ_t *x, uint32_t i)
{
    const hg_relation_t *r = &x->p->plan.relations[i];
    if (x->d->unchanged[i] && r->stored) {
        x->d->source[i] = x->d->follow[i] = true;
    } else if (r->kind == HG_REL_VIEW) {
        need_view(x, i);
    } else if (!x->d->unchanged[i]) {
        x->d->follow[i] = true; /* emptied, or new: nothing to read yet */
    } else if (!x->told[i]) {
        x->told[i] = true;
        const hg_relation_t *v = &x->p->plan.relations[x->view];
        x->missing = hg_arena_printf(x->a, "%s%sview '" HG_SF "' is computed from table '" HG_SF "'",
                                     x->missing ? x->missing : "", x->missing ? ", " : "", HG_SA(v->schema.name),
                                     HG_SA(r->schema.name));
    }
}

static void need_node(differ_t *x, const hg_node_t *n)
{
    if (n->kind == HG_N_SCAN) need(x, n->relation);
    for (uint32_t i = 0; i < n->n_in; i++) need_node(x, n->in[i]);
}

static void need_view(differ_t *x, uint32_t i)
{
    if (x->d->compute[i]) return;
    x->d->compute[i] = true;
    if (x->p->plan.relations[i].node) need_node(x, x->p->plan.relations[i].node);
}

static bool relations_differ(const hg_program_diff_t *d)
{
    for (unsigned how = 0; how < HG_DIFF_HOWS; how++)
        if (d->names[HG_DIFF_TABLES][how].n || d->names[HG_DIFF_VIEWS][how].n) return true;
    return false;
}

static const char *late_relations(const differ_t *x)
{
    const char *list = NULL;
    for (uint32_t i = 0; i < x->p->plan.n_relations; i++) {
        const hg_relation_t *r = &x->p->plan.relations[i];
        if (r->lateness)
            list = hg_arena_printf(x->a, "%s%s'" HG_SF "'", list ? list : "", list ? ", " : "", HG_SA(r->schema.name));
    }
    for (const hg_json_t *m = x->relations ? x->relations->child : NULL; m && !list; m = m->next)
        if (hg_json_bool(hg_json_get(m, "lateness"), false))
            list = hg_arena_printf(x->a, "'%s'", hg_json_str(hg_json_get(m, "name"), ""));
    return list;
}

static void judge(differ_t *x)
{
    const char *why = NULL;
    if (x->missing)
        why = hg_arena_printf(x->a, "%s, whose rows are not kept (not materialized, no PRIMARY KEY)", x->missing);
    else if (relations_differ(x->d) && late_relations(x))
        why = hg_arena_printf(x->a, "it has relations with lateness (%s)", late_relations(x));
    if (!why) return;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_program_diff_text(x->d, &b);
    x->d->refusal = hg_arena_printf(
        x->a,
        "the changed program cannot go on with the stored state: %s; clear the state (/clear) to begin anew, or "
        "go back to the old program. Differences: %.*s",
        why, (int)b.len, b.p);
    hg_buf_release(&b);
}

void hg_program_diff(const hg_program_t *p, const uint64_t *definitions, const hg_json_t *saved, hg_arena_t *a,
                     hg_program_diff_t *ret)
{
    uint32_t n = p->plan.n_relations;
    *ret = (hg_program_diff_t){ .unchanged = HG_ANEWN(a, bool, n + 1),
                                .compute = HG_ANEWN(a, bool, n + 1),
                                .source = HG_ANEWN(a, bool, n + 1),
                                .follow = HG_ANEWN(a, bool, n + 1) };
    differ_t x = { .p = p,
                   .definitions = definitions,
                   .relations = hg_json_get(saved, "relations"),
                   .a = a,
                   .d = ret,
                   .told = HG_ANEWN(a, bool, n + 1) };
    compare_relations(&x);
    compare_connectors(&x, HG_DIFF_INPUTS, hg_json_get(saved, "inputs"));
    compare_connectors(&x, HG_DIFF_OUTPUTS, hg_json_get(saved, "outputs"));
    for (uint32_t i = 0; i < n; i++) {
        const hg_relation_t *r = &p->plan.relations[i];
        if (r->kind != HG_REL_VIEW || ret->unchanged[i] || hidden(r)) continue;
        x.view = i;
        need_view(&x, i);
    }
    judge(&x);
}
