/* state_restore.c: a circuit's stores from the files of a checkpoint.
 *
 * - plan: the description is read and checked: which relation, which files, which number a connector has now;
 * - segments, in parallel, one task each: pieces are read, checked, appended to one new segment, hashed (state_load.c);
 * - stores: the segments are listed, live rows counted;
 * - indexes, in parallel, one task per store and range of hashes; what no sub-table takes goes in afterwards.
 *
 * A restored segment is a sealed one like any other, and remembers its pieces: they are not written again. Dead rows
 * come back dead, so that the piece's bitmap keeps its meaning; a merge removes them as ever.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "data/value.h"
#include "engine/state_int.h"

#define NOBODY_MIN UINT32_C(0xC0000000) /* numbers from here on are no connector's */

typedef struct {
    hg_load_table_t *table;
    const hg_json_t *pieces;
    hg_seg_t *seg; /* result; NULL: no rows */
} task_t;

typedef struct {
    hg_load_table_t *table;
    uint32_t range, of;
    uint64_t *hash; /* rows that found no place in the index; parallel arrays */
    hg_ref_t *ref;
    uint32_t n, cap;
} range_t;

typedef struct {
    hg_load_t base;
    unsigned threads;
    hg_load_table_t *tables;
    uint32_t n_tables;
    task_t *tasks;
    uint32_t n_tasks;
    range_t *ranges;
    uint32_t n_ranges;
} load_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while restoring a checkpoint");
}

/* --- the description ---------------------------------------------------------------------------------------------- */

int hg_desc_bad(const hg_json_t *at, hg_err_t *err, const char *what)
{
    char path[96];
    hg_json_path(at, NULL, path, sizeof path);
    return hg_err_set(err, HG_EDAMAGED, "the checkpoint's description is damaged at %s: %s", path, what);
}

int hg_desc_u64(const hg_json_t *obj, const char *key, uint64_t max, uint64_t *ret, hg_err_t *err)
{
    char what[64];
    const hg_json_t *v = hg_json_get(obj, key);
    if (v && hg_json_u64(v, ret) == 0 && *ret <= max) return 0;
    snprintf(what, sizeof what, "the number '%s' is missing or too large", key);
    return hg_desc_bad(obj, err, what);
}

static int get_list(const hg_json_t *obj, const char *key, const hg_json_t **ret, hg_err_t *err)
{
    char what[64];
    *ret = hg_json_get(obj, key);
    if (*ret && (*ret)->kind == HG_J_ARRAY) return 0;
    snprintf(what, sizeof what, "the list '%s' is missing", key);
    return hg_desc_bad(obj, err, what);
}

static int plan_files(load_t *l, const hg_json_t *stores, hg_err_t *err)
{
    const hg_json_t *files;
    int rc = get_list(stores, "files", &files, err);
    if (rc < 0) return rc;
    l->base.files = hg_tryzero(sizeof(hg_sfile_t *) * ((size_t)files->n + 1));
    if (!l->base.files) return no_mem(err);
    for (const hg_json_t *f = files->child; f; f = f->next) {
        const hg_json_t *name = hg_json_get(f, "name");
        uint64_t size;
        if (!name || name->kind != HG_J_STRING || name->str.n >= sizeof l->base.files[0]->name ||
            memchr(name->str.p, '/', name->str.n))
            return hg_desc_bad(f, err, "it has no name of a file");
        bool pack = hg_str_starts(name->str, HG_S("pack-"));
        if (!pack && !hg_str_starts(name->str, HG_S("seg-"))) return hg_desc_bad(f, err, "it is no file of state");
        rc = hg_desc_u64(f, "size", INT64_MAX, &size, err);
        if (rc < 0) return rc;
        l->base.files[l->base.n_files++] = hg_sfile_new(name->str, pack, size);
    }
    return 0;
}

static int add_origin(hg_load_table_t *t, uint32_t old, hg_err_t *err)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].old == old) return 0;
    hg_load_origin_t *o = hg_trygrow(t->origins, sizeof *o * ((size_t)t->n_origins + 1));
    if (!o) return no_mem(err);
    t->origins = o;
    o[t->n_origins++] = (hg_load_origin_t){ old, old };
    return 0;
}

static bool is_taken(const hg_load_table_t *t, uint32_t now)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].now == now || t->origins[i].old == now) return true;
    return false;
}

/* Rows of a connector that is gone keep a number apart from all others: two such connectors may have written equal
 * rows, which must not become one identity. */
static int map_origins(hg_load_table_t *t, const hg_restore_opts_t *opts, hg_err_t *err)
{
    uint32_t nobody = UINT32_MAX - 1;
    if (t->rel->kind != HG_REL_TABLE || t->waiting || !opts->origin) return 0;
    for (uint32_t i = 0; i < t->n_origins; i++) {
        uint32_t old = t->origins[i].old, now = old < NOBODY_MIN ? opts->origin(opts->arg, old) : old;
        for (uint32_t k = 0; now != UINT32_MAX && k < i; k++)
            if (t->origins[k].now == now)
                return hg_err_set(err, HG_EINVAL,
                                  "connectors %u and %u of the checkpoint have both become connector %u",
                                  t->origins[k].old, old, now);
        if (now == UINT32_MAX && old != UINT32_MAX) {
            while (is_taken(t, nobody)) nobody--;
            now = nobody;
        }
        t->origins[i].now = now;
    }
    return 0;
}

static int add_origins(hg_load_table_t *t, const hg_json_t *list, hg_err_t *err)
{
    for (const hg_json_t *o = list ? list->child : NULL; o; o = o->next) {
        uint64_t old;
        if (hg_json_u64(o, &old) < 0 || old > UINT32_MAX) return hg_desc_bad(o, err, "it is no connector's number");
        int rc = add_origin(t, (uint32_t)old, err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int plan_origins(hg_load_table_t *t, const hg_json_t *j, const hg_restore_opts_t *opts, hg_err_t *err)
{
    int rc = add_origins(t, hg_json_get(j, "origins"), err);
    for (const hg_json_t *s = t->segments->child; s; s = s->next)
        for (const hg_json_t *p = s->child; p && rc == 0; p = p->next)
            rc = add_origins(t, hg_json_get(p, "origins"), err);
    if (rc < 0) return rc;
    return map_origins(t, opts, err);
}

static int plan_relation(load_t *l, hg_circuit_t *c, const hg_json_t *j, const hg_restore_opts_t *opts, hg_err_t *err)
{
    const hg_plan_t *plan = hg_circuit_plan(c);
    const hg_json_t *name = hg_json_get(j, "name");
    uint64_t fingerprint, rows;
    uint32_t i = 0;
    if (!name || name->kind != HG_J_STRING) return hg_desc_bad(j, err, "a relation has no name");
    while (i < plan->n_relations && !hg_str_eq(plan->relations[i].schema.name, name->str)) i++;
    if (i == plan->n_relations || (opts->use && !opts->use(opts->arg, i))) return 0;
    int rc = hg_desc_u64(j, "fingerprint", UINT64_MAX, &fingerprint, err);
    if (rc == 0) rc = hg_desc_u64(j, "rows", UINT64_MAX, &rows, err);
    if (rc < 0) return rc;
    bool waiting = hg_json_bool(hg_json_get(j, "waiting"), false);
    hg_hold_t *hold = hg_circuit_hold(c, i);
    hg_store_t *st = !waiting ? hg_circuit_store(c, i) : hold ? hold->store : NULL;
    if (fingerprint != hg_relation_fingerprint(&plan->relations[i]) || !st)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has other columns for '" HG_SF "' than the program",
                          HG_SA(name->str));
    for (uint32_t k = 0; k < l->n_tables; k++)
        if (l->tables[k].st == st) return hg_desc_bad(j, err, "the relation is there twice");
    HG_ASSERT(st->manifest->n == 0);
    hg_load_table_t *t = &l->tables[l->n_tables++];
    *t = (hg_load_table_t){
        .rel = &plan->relations[i], .waiting = waiting, .st = st, .rows = rows, .first = l->n_tasks
    };
    rc = get_list(j, "segments", &t->segments, err);
    if (rc < 0) return rc;
    task_t *tasks = hg_trygrow(l->tasks, sizeof *tasks * ((size_t)l->n_tasks + t->segments->n + 1));
    if (!tasks) return no_mem(err);
    l->tasks = tasks;
    for (const hg_json_t *s = t->segments->child; s; s = s->next) {
        if (s->kind != HG_J_ARRAY) return hg_desc_bad(s, err, "a segment is no list of pieces");
        if (s->n) l->tasks[l->n_tasks++] = (task_t){ .table = t, .pieces = s };
    }
    t->n = l->n_tasks - t->first;
    return plan_origins(t, j, opts, err);
}

static int plan_all(load_t *l, hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err)
{
    const hg_json_t *relations;
    uint64_t format;
    if (!stores || stores->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has no description of its tables");
    int rc = hg_desc_u64(stores, "format", UINT64_MAX, &format, err);
    if (rc < 0) return rc;
    if (format != HG_STATE_FORMAT)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has format %" PRIu64 "; this program reads %u", format,
                          HG_STATE_FORMAT);
    rc = plan_files(l, stores, err);
    if (rc == 0) rc = get_list(stores, "relations", &relations, err);
    if (rc < 0) return rc;
    l->tables = hg_tryzero(sizeof *l->tables * ((size_t)relations->n + 1));
    if (!l->tables) return no_mem(err);
    for (const hg_json_t *j = relations->child; j && rc == 0; j = j->next) rc = plan_relation(l, c, j, opts, err);
    return rc;
}

/* --- stores and indexes ------------------------------------------------------------------------------------------- */

static int seg_task(void *arg, uint32_t i, hg_err_t *err)
{
    load_t *l = arg;
    task_t *t = &l->tasks[i];
    return hg_load_seg(&l->base, t->table, t->pieces, &t->seg, err);
}

static int fill_store(load_t *l, hg_load_table_t *t, hg_err_t *err)
{
    hg_store_t *st = t->st;
    hg_manifest_t *m = hg_manifest_new(t->n);
    if (!m) return no_mem(err);
    int rc = 0;
    for (uint32_t i = t->first; i < t->first + t->n && rc == 0; i++) {
        hg_seg_t *s = l->tasks[i].seg;
        if (hg_store_add_seg(st, s) < 0) {
            rc = no_mem(err);
            break;
        }
        l->tasks[i].seg = NULL; /* the store's now */
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        m->segs[m->n++] = s;
        st->total += s->rows;
        st->live += s->rows - s->dead;
    }
    hg_manifest_drop(st->manifest);
    st->manifest = m;
    if (rc == 0 && st->live != t->rows)
        rc = hg_err_set(err, HG_EDAMAGED,
                        "the checkpoint says that '" HG_SF "' has %" PRIu64 " rows; there are %" PRIu64,
                        HG_SA(t->rel->schema.name), t->rows, st->live);
    if (rc == 0 && t->n_origins) {
        st->origins = hg_trygrow(st->origins, sizeof *st->origins * t->n_origins);
        if (!st->origins) return no_mem(err);
        for (uint32_t i = 0; i < t->n_origins; i++) st->origins[st->n_origins++] = t->origins[i].now;
    }
    if (rc == 0 && hg_index_size_for(&st->index, st->live) < 0) rc = no_mem(err);
    return rc;
}

static int put_aside(range_t *g, uint64_t hash, hg_ref_t ref, hg_err_t *err)
{
    if (g->n == g->cap) {
        uint32_t cap = HG_MAX(g->cap * 2, 256u);
        uint64_t *h = hg_trygrow(g->hash, sizeof *h * cap);
        if (h) g->hash = h;
        hg_ref_t *r = hg_trygrow(g->ref, sizeof *r * cap);
        if (r) g->ref = r;
        if (!h || !r) return no_mem(err);
        g->cap = cap;
    }
    g->hash[g->n] = hash;
    g->ref[g->n++] = ref;
    return 0;
}

#define AHEAD 32u

static int range_task(void *arg, uint32_t i, hg_err_t *err)
{
    range_t *g = &((load_t *)arg)->ranges[i];
    hg_store_t *st = g->table->st;
    uint64_t hash[AHEAD];
    hg_ref_t ref[AHEAD];
    uint32_t n = 0;
    int rc = 0;
    for (uint32_t k = 0; k < st->manifest->n; k++) {
        const hg_seg_t *s = st->manifest->segs[k];
        for (uint32_t r = 0; r < s->rows; r++) {
            if (hg_index_range(&st->index, s->hash[r], g->of) != g->range || hg_seg_dead_at(s, r)) continue;
            hg_index_prefetch(&st->index, s->hash[r]);
            hash[n] = s->hash[r];
            ref[n++] = hg_ref(s->id, r);
            if (n < AHEAD) continue;
            for (n = 0; n < AHEAD && rc == 0; n++)
                if (!hg_index_add(&st->index, hash[n], ref[n])) rc = put_aside(g, hash[n], ref[n], err);
            if (rc < 0) return rc;
            n = 0;
        }
    }
    for (uint32_t k = 0; k < n && rc == 0; k++)
        if (!hg_index_add(&st->index, hash[k], ref[k])) rc = put_aside(g, hash[k], ref[k], err);
    return rc;
}

static int plan_ranges(load_t *l, hg_err_t *err)
{
    l->ranges = hg_tryzero(sizeof *l->ranges * ((size_t)l->n_tables * l->threads + 1));
    if (!l->ranges) return no_mem(err);
    for (uint32_t t = 0; t < l->n_tables; t++) {
        const hg_store_t *st = l->tables[t].st;
        uint32_t of = st->index.bits > 4 ? l->threads : 1;
        for (uint32_t r = 0; r < of && st->live > 0; r++)
            l->ranges[l->n_ranges++] = (range_t){ .table = &l->tables[t], .range = r, .of = of };
    }
    return 0;
}

static int insert_rest(range_t *g, hg_err_t *err)
{
    hg_index_t *x = &g->table->st->index;
    if (g->n == 0) return 0;
    uint32_t *next = hg_trynew(sizeof *next * g->n);
    if (!next || hg_index_reserve(x, g->hash, g->n, next) < 0) {
        hg_free(next);
        return no_mem(err);
    }
    for (uint32_t i = 0; i < g->n; i++) hg_index_insert(x, g->hash[i], g->ref[i]);
    hg_index_unreserve(x, g->hash, g->n);
    hg_free(next);
    return 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void load_release(load_t *l)
{
    for (uint32_t i = 0; i < l->n_tasks; i++) hg_seg_drop(l->tasks[i].seg);
    for (uint32_t i = 0; i < l->n_tables; i++) hg_free(l->tables[i].origins);
    for (uint32_t i = 0; i < l->n_ranges; i++) {
        hg_free(l->ranges[i].hash);
        hg_free(l->ranges[i].ref);
    }
    for (uint32_t i = 0; i < l->base.n_files; i++) hg_sfile_drop(l->base.files[i]);
    hg_free(l->base.files);
    hg_free(l->tables);
    hg_free(l->tasks);
    hg_free(l->ranges);
}

static hg_late_col_t *line_of(hg_circuit_t *c, hg_str_t relation, hg_str_t column, bool watermark,
                              const hg_restore_opts_t *opts)
{
    const hg_plan_t *plan = hg_circuit_plan(c);
    for (uint32_t i = 0; i < plan->n_relations; i++) {
        const hg_hold_t *hold = hg_circuit_hold(c, i);
        hg_late_t *l = !watermark ? hg_circuit_late(c, i) : hold ? hold->mark : NULL;
        if (!l || !hg_str_eq(l->rel->schema.name, relation) || (opts->use && !opts->use(opts->arg, i))) continue;
        for (uint32_t k = 0; k < l->n; k++)
            if (hg_str_eq(l->rel->schema.cols[l->cols[k].col].name, column)) {
                l->has_line = true;
                return &l->cols[k];
            }
    }
    return NULL;
}

/* Waterlines of relations that are used; checkpoints of programs without LATENESS have none. */
static int restore_lines(hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err)
{
    const hg_json_t *lines = hg_json_get(stores, "waterlines");
    if (lines && lines->kind != HG_J_ARRAY) return hg_desc_bad(lines, err, "the waterlines are no list");
    for (const hg_json_t *m = lines ? lines->child : NULL; m; m = m->next) {
        const hg_json_t *rel = hg_json_get(m, "relation"), *col = hg_json_get(m, "column"),
                        *v = hg_json_get(m, "value");
        if (!rel || rel->kind != HG_J_STRING || !col || col->kind != HG_J_STRING || !v || v->kind != HG_J_STRING)
            return hg_desc_bad(m, err, "a waterline without relation, column or value");
        hg_late_col_t *lc = line_of(c, rel->str, col->str, hg_json_bool(hg_json_get(m, "watermark"), false), opts);
        if (!lc) continue;
        hg_colb_t b;
        hg_err_t why;
        hg_colb_init(&b, lc->less->type);
        int rc = hg_value_read(&b, v->str, &why);
        hg_col_drop(lc->line);
        lc->line = rc == 0 ? hg_colb_seal(&b) : NULL;
        hg_colb_release(&b);
        if (rc < 0) return hg_desc_bad(v, err, "a waterline that is no value of its column");
    }
    return 0;
}

int hg_circuit_restore(hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err)
{
    load_t l = { .base.dir = opts->dir, .threads = HG_MAX(opts->threads, 1u) };
    int rc = plan_all(&l, c, stores, opts, err);
    if (rc == 0) rc = restore_lines(c, stores, opts, err);
    if (rc == 0) rc = hg_par_run(l.threads, l.n_tasks, seg_task, &l, err);
    for (uint32_t i = 0; i < l.n_tables && rc == 0; i++) rc = fill_store(&l, &l.tables[i], err);
    if (rc == 0) rc = plan_ranges(&l, err);
    if (rc == 0) rc = hg_par_run(l.threads, l.n_ranges, range_task, &l, err);
    for (uint32_t i = 0; i < l.n_ranges && rc == 0; i++) rc = insert_rest(&l.ranges[i], err);
    for (uint32_t i = 0; i < l.n_tables && rc == 0; i++) hg_store_publish(l.tables[i].st);
    load_release(&l);
    return rc;
}
