/* keyed.c: see keyed_int.h. Pool thread; one encoder's steps come in order, so what it needs is kept from step to step.
 */
#include "base/hg.h"
#include "data/hash.h"
#include "connectors/format/encode_int.h"
#include "connectors/format/json_int.h"
#include "connectors/format/keyed_int.h"

void hg_keyed_init(hg_keyed_t *e, const hg_encode_env_t *env)
{
    uint32_t n = 0, cols = env->schema->n_cols;
    *e = (hg_keyed_t){ .schema = env->schema, .n_key = env->n_key };
    e->order = HG_NEWN(uint32_t, HG_MAX(cols, 1u));
    for (uint32_t i = 0; i < env->n_key; i++) e->order[n++] = env->key[i];
    for (uint32_t i = 0; i < cols; i++) {
        uint32_t k = 0;
        while (k < env->n_key && env->key[k] != i) k++;
        if (k == env->n_key) e->order[n++] = i;
    }
}

void hg_keyed_release(hg_keyed_t *e)
{
    hg_free(e->order);
    hg_free(e->refs);
    hg_free(e->hashes);
    hg_free(e->place);
}

static int cmp_cells(const hg_keyed_t *e, const hg_keyref_t *a, const hg_keyref_t *b, uint32_t from, uint32_t to)
{
    int d = 0;
    for (uint32_t i = from; i < to && d == 0; i++)
        d = hg_cell_cmp(a->batch->cols[e->order[i]], a->row, b->batch->cols[e->order[i]], b->row);
    return d;
}

static int cmp_refs(const void *pa, const void *pb, void *arg)
{
    const hg_keyref_t *a = pa, *b = pb;
    const hg_keyed_t *e = arg;
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    return cmp_cells(e, a, b, 0, e->schema->n_cols);
}

static int add_part(hg_keyed_t *e, const hg_part_t *p)
{
    if (e->n + p->n > UINT32_MAX) return HG_ENOMEM;
    if (e->n + p->n > e->cap) {
        size_t cap = HG_MAX(e->cap * 2, e->n + p->n);
        hg_keyref_t *refs = hg_trygrow(e->refs, sizeof(hg_keyref_t) * cap);
        if (!refs) return HG_ENOMEM;
        e->refs = refs;
        e->cap = cap;
    }
    if (p->n > e->cap_hashes) {
        uint64_t *hashes = hg_trygrow(e->hashes, sizeof(uint64_t) * p->n);
        if (!hashes) return HG_ENOMEM;
        e->hashes = hashes;
        e->cap_hashes = p->n;
    }
    hg_col_t *few[16], **cols = e->n_key > HG_COUNT(few) ? HG_NEWN(hg_col_t *, e->n_key) : few;
    for (uint32_t i = 0; i < e->n_key; i++) cols[i] = p->batch->cols[e->order[i]];
    hg_hash_rows((hg_hashkey_t){ 0 }, cols, e->n_key, p->sel, p->n, e->hashes);
    if (cols != few) hg_free(cols);
    for (uint32_t i = 0; i < p->n; i++, e->n++)
        e->refs[e->n] = (hg_keyref_t){ .hash = e->hashes[i],
                                       .batch = p->batch,
                                       .row = p->sel ? p->sel[i] : i,
                                       .came = (uint32_t)e->n,
                                       .weight = p->weights ? p->weights[i] : 1 };
    return 0;
}

/* Equal rows become one with the sum of their weights; what is left of them is moved to the front. */
static void net(hg_keyed_t *e)
{
    size_t to = 0;
    for (size_t i = 0; i < e->n;) {
        hg_keyref_t r = e->refs[i++];
        while (i < e->n && e->refs[i].hash == r.hash && cmp_cells(e, &r, &e->refs[i], 0, e->schema->n_cols) == 0)
            r.weight += e->refs[i++].weight;
        if (r.weight) e->refs[to++] = r;
    }
    e->n = to;
}

static int not_unique(const hg_keyed_t *e, const hg_keyref_t *group, size_t n, hg_err_t *err)
{
    hg_buf_t text;
    hg_buf_init(&text, 300);
    for (size_t i = 0; i < HG_MIN(n, (size_t)10); i++) {
        (void)hg_buf_addf(&text, "%s%+" PRId64 " (", i ? ", " : "", group[i].weight);
        for (uint32_t c = 0; c < e->schema->n_cols; c++) {
            if (c) (void)hg_buf_addc(&text, ',');
            (void)hg_json_cell_print(&text, group[i].batch->cols[c], group[i].row, &hg_json_flavors[HG_JF_POSTGRES]);
        }
        (void)hg_buf_addc(&text, ')');
    }
    hg_err_set(err, HG_EEXIST, "the index is no unique key of '" HG_SF "': one key has the updates " HG_SF,
               HG_SA(e->schema->name), HG_SA(hg_buf_str(&text)));
    hg_buf_release(&text);
    return err->code;
}

/* The operation of each key: its row that comes (or, for a delete, that went) stays, its op in weight. A key that is
 * none is left out. */
static int decide(hg_keyed_t *e, hg_encode_sink_t *s, hg_err_t *err)
{
    size_t to = 0;
    for (size_t i = 0, next; i < e->n; i = next) {
        const hg_keyref_t *come = NULL, *go = NULL;
        bool unique = true;
        for (next = i; next < e->n && e->refs[next].hash == e->refs[i].hash &&
                       cmp_cells(e, &e->refs[i], &e->refs[next], 0, e->n_key) == 0;
             next++) {
            const hg_keyref_t *r = &e->refs[next];
            if (r->weight == 1 && !come)
                come = r;
            else if (r->weight == -1 && !go)
                go = r;
            else
                unique = false;
        }
        if (!unique) {
            int rc = hg_encode_leave_out(s, not_unique(e, &e->refs[i], next - i, err), err);
            if (rc < 0) return rc;
            continue;
        }
        hg_keyref_t r = come ? *come : *go;
        r.weight = come ? (go ? HG_KEYED_UPDATE : HG_KEYED_INSERT) : HG_KEYED_DELETE;
        e->refs[to++] = r;
    }
    e->n = to;
    return 0;
}

/* place[came]: 1 + where that row's reference is now; 0: it is not there any more. n: rows that came. */
static int find_places(hg_keyed_t *e, size_t n)
{
    if (n > e->cap_place) {
        uint32_t *place = hg_trygrow(e->place, sizeof(uint32_t) * n);
        if (!place) return HG_ENOMEM;
        e->place = place;
        e->cap_place = n;
    }
    if (n) memset(e->place, 0, sizeof(uint32_t) * n);
    for (size_t i = 0; i < e->n; i++) e->place[e->refs[i].came] = (uint32_t)i + 1;
    return 0;
}

int hg_keyed_each(hg_keyed_t *e, const hg_delta_t *delta, hg_keyed_fn fn, void *arg, hg_encode_sink_t *sink,
                  hg_err_t *err)
{
    static const char ops[] = { HG_KEYED_DELETE, HG_KEYED_UPDATE, HG_KEYED_INSERT };
    int rc = 0;
    e->n = 0;
    for (uint32_t i = 0; i < delta->n && rc == 0; i++) rc = add_part(e, delta->parts[i]);
    size_t n = e->n;
    if (rc < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for the keys of a step");
    qsort_r(e->refs, e->n, sizeof(hg_keyref_t), cmp_refs, e);
    net(e);
    rc = decide(e, sink, err);
    if (rc < 0) return rc;
    if (find_places(e, n) < 0) return hg_err_set(err, HG_ENOMEM, "out of memory for the keys of a step");
    for (size_t k = 0; k < HG_COUNT(ops) && rc == 0; k++)
        for (size_t i = 0; i < n && rc == 0; i++) {
            const hg_keyref_t *r = e->place[i] ? &e->refs[e->place[i] - 1] : NULL;
            if (!r || r->weight != ops[k]) continue;
            rc = fn(arg, sink, r->batch, r->row, ops[k], err);
            if (rc < 0) rc = hg_encode_leave_out(sink, rc, err);
        }
    return rc;
}
