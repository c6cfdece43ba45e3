/* store.c: a store's life, identities and reading by ref. Writing is store_stage.c, other threads' reading snap.c,
 * garbage merge.c.
 *
 * Circuit thread only, but for dropping manifests.
 */
#include "base/hg.h"
#include "engine/store_int.h"

hg_manifest_t *hg_manifest_new(uint32_t n)
{
    hg_manifest_t *m = hg_tryzero(sizeof *m + sizeof(hg_seg_t *) * n);
    if (m) atomic_init(&m->refs, 1);
    return m;
}

void hg_manifest_drop(hg_manifest_t *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < m->n; i++) hg_seg_drop(m->segs[i]);
    hg_free(m);
}

/* Width of an identity that may be compared as bytes. */
static size_t ident_width(const hg_type_t *t)
{
    if (t->nullable) return 0;
    switch ((int)hg_type_phys(t)) {
    case HG_PHYS_F32:
    case HG_PHYS_F64:
        return 0;
    default:
        return hg_phys_width(hg_type_phys(t));
    }
}

int hg_store_new(const hg_type_t *const *types, uint32_t n_cols, const uint32_t *ident, uint32_t n_ident,
                 hg_hashkey_t hashkey, hg_store_t **ret, hg_err_t *err)
{
    hg_store_t *st = HG_NEW(hg_store_t);
    st->acct = HG_NEW(hg_acct_t);
    atomic_init(&st->acct->refs, 1);
    st->acct->types = HG_NEWN(const hg_type_t *, n_cols + 1);
    for (uint32_t i = 0; i < n_cols; i++) st->acct->types[i] = types[i];
    st->types = st->acct->types;
    st->n_cols = n_cols;
    for (uint32_t i = 0; i < n_cols; i++) st->n_dims += hg_type_dims(types[i]);
    st->bag = ident == NULL;
    st->n_ident = st->bag ? n_cols : n_ident;
    st->ident = HG_NEWN(uint32_t, st->n_ident + 1);
    for (uint32_t i = 0; i < st->n_ident; i++) st->ident[i] = st->bag ? i : ident[i];
    if (!st->bag && n_ident == 1) st->ident_width = ident_width(types[ident[0]]);
    st->hashkey = hashkey;
    st->epoch = 1;
    st->n_segs = 1; /* id 0 stays free */
    st->manifest = hg_manifest_new(0);
    if (!st->manifest || hg_index_init(&st->index, st) < 0) {
        hg_store_free(st);
        return hg_err_set(err, HG_ENOMEM, "out of memory for a table's store");
    }
    hg_store_publish(st);
    *ret = st;
    return 0;
}

void hg_store_free(hg_store_t *st)
{
    if (!st) return;
    hg_store_discard(st);
    hg_make_drop(st->spare);
    hg_merge_free(st->merge);
    hg_index_release(&st->index);
    for (uint32_t i = 1; i < st->n_segs; i++)
        if (st->segs[i]) hg_seg_drop(st->segs[i]);
    hg_manifest_drop(st->manifest);
    hg_acct_drop(st->acct);
    hg_free(st->stage.puts);
    hg_free(st->stage.kills);
    hg_free(st->stage.runs);
    hg_free(st->stage.segs);
    hg_free(st->segs);
    hg_free(st->free_ids);
    hg_free(st->origins);
    hg_free(st->ident);
    hg_free(st);
}

int hg_store_add_seg(hg_store_t *st, hg_seg_t *s)
{
    if (st->n_free_ids > 0) {
        s->id = st->free_ids[--st->n_free_ids];
        st->segs[s->id] = s;
        return 0;
    }
    if (st->n_segs >= 1u << (HG_REF_BITS - HG_SEG_ROW_BITS)) return HG_ENOMEM;
    if (st->n_segs >= st->cap_segs) {
        uint32_t cap = HG_MAX(st->cap_segs * 2, 16u);
        hg_seg_t **segs = hg_trygrow(st->segs, sizeof(hg_seg_t *) * cap);
        if (!segs) return HG_ENOMEM;
        st->segs = segs;
        segs[0] = NULL;
        uint32_t *ids = hg_trygrow(st->free_ids, sizeof *ids * cap); /* so that giving an id back cannot fail */
        if (!ids) return HG_ENOMEM;
        st->free_ids = ids;
        st->cap_segs = cap;
    }
    s->id = st->n_segs;
    st->segs[st->n_segs++] = s;
    return 0;
}

void hg_store_unlist_seg(hg_store_t *st, hg_seg_t *s)
{
    HG_ASSERT(st->segs[s->id] == s);
    st->segs[s->id] = NULL;
    st->free_ids[st->n_free_ids++] = s->id;
}

void hg_store_del_seg(hg_store_t *st, hg_seg_t *s)
{
    hg_store_unlist_seg(st, s);
    hg_seg_drop(s);
}

void hg_store_publish(hg_store_t *st)
{
    atomic_store_explicit(&st->stat_rows, st->live, memory_order_relaxed);
    atomic_store_explicit(&st->stat_dead, st->total - st->live, memory_order_relaxed);
    atomic_store_explicit(&st->stat_segs, st->manifest->n, memory_order_relaxed);
    atomic_store_explicit(&st->stat_index, st->index.bytes, memory_order_relaxed);
}

/* --- identities -------------------------------------------------------------------------------------------------- */

void hg_store_hash(const hg_store_t *st, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, uint32_t origin,
                   uint64_t *hash)
{
    hg_col_t *few[8], **cols = st->n_ident <= HG_COUNT(few) ? few : HG_NEWN(hg_col_t *, st->n_ident);
    for (uint32_t i = 0; i < st->n_ident; i++) cols[i] = batch->cols[st->ident[i]];
    hg_hash_rows(st->hashkey, cols, st->n_ident, sel, n, hash);
    if (st->bag && origin)
        for (uint32_t i = 0; i < n; i++) hash[i] += hg_origin_hash(origin);
    if (cols != few) hg_free(cols);
}

bool hg_store_same(const hg_store_t *st, hg_ref_t r, const hg_ident_t *id)
{
    const hg_seg_t *s = hg_store_seg(st, r);
    uint32_t row = hg_ref_row(r);
    if (st->ident_width) {
        uint32_t c = st->ident[0];
        size_t w = st->ident_width;
        const char *a = (const char *)s->cols[c]->data + w * row,
                   *b = (const char *)id->batch->cols[c]->data + w * id->row;
        if (w == 8) return memcmp(a, b, 8) == 0;
        return w == 4 ? memcmp(a, b, 4) == 0 : memcmp(a, b, w) == 0;
    }
    for (uint32_t i = 0; i < st->n_ident; i++)
        if (!hg_cell_eq(s->cols[st->ident[i]], row, id->batch->cols[st->ident[i]], id->row)) return false;
    return !st->bag || hg_seg_origin(s, row) == id->origin;
}

int hg_store_order(const hg_store_t *st, hg_ref_t r, const hg_ident_t *id)
{
    const hg_seg_t *s = hg_store_seg(st, r);
    for (uint32_t i = 0; i < st->n_ident; i++) {
        int c = hg_cell_cmp(s->cols[st->ident[i]], hg_ref_row(r), id->batch->cols[st->ident[i]], id->row);
        if (c) return c;
    }
    if (!st->bag) return 0;
    uint32_t a = hg_seg_origin(s, hg_ref_row(r));
    return (a > id->origin) - (a < id->origin);
}

int hg_store_order_refs(const hg_store_t *st, hg_ref_t a, hg_ref_t b)
{
    const hg_seg_t *s = hg_store_seg(st, a), *t = hg_store_seg(st, b);
    for (uint32_t i = 0; i < st->n_ident; i++) {
        int c = hg_cell_cmp(s->cols[st->ident[i]], hg_ref_row(a), t->cols[st->ident[i]], hg_ref_row(b));
        if (c) return c;
    }
    if (!st->bag) return 0;
    uint32_t x = hg_seg_origin(s, hg_ref_row(a)), y = hg_seg_origin(t, hg_ref_row(b));
    return (x > y) - (x < y);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

int hg_store_gather(const hg_store_t *st, const hg_ref_t *refs, uint32_t n, hg_batch_t **ret, hg_err_t *err)
{
    const hg_col_t **srcs = hg_trynew(sizeof *srcs * st->n_segs);
    uint32_t *src = hg_trynew(sizeof *src * n), *row = hg_trynew(sizeof *row * n);
    hg_batch_t *b = NULL;
    int rc = HG_ENOMEM;
    if (!srcs || !src || !row) {
        hg_err_set(err, rc, "out of memory while reading %u rows", n);
        goto done;
    }
    for (uint32_t i = 0; i < n; i++) {
        src[i] = hg_ref_seg(refs[i]);
        row[i] = hg_ref_row(refs[i]);
    }
    b = hg_batch_new(n, st->n_cols);
    for (uint32_t c = 0; c < st->n_cols; c++) {
        for (uint32_t k = 0; k < st->n_segs; k++) srcs[k] = st->segs[k] ? st->segs[k]->cols[c] : NULL;
        rc = hg_gather(st->types[c], srcs, st->n_segs, src, row, n, &b->cols[c], err);
        if (rc < 0) goto done;
    }
    *ret = b;
    b = NULL;
    rc = 0;
done:
    hg_batch_drop(b);
    hg_free(srcs);
    hg_free(src);
    hg_free(row);
    return rc;
}

int hg_store_each(const hg_store_t *st, uint32_t origin, int (*fn)(void *arg, hg_ref_t ref, hg_err_t *err), void *arg,
                  hg_err_t *err)
{
    for (uint32_t i = 0; i < st->manifest->n; i++) {
        const hg_seg_t *s = st->manifest->segs[i];
        if (!s->origin && s->origin0 != origin) continue;
        for (uint32_t r = 0; r < s->rows; r++) {
            if (hg_seg_origin(s, r) != origin || hg_seg_dead_at(s, r)) continue;
            hg_ref_t ref = hg_ref(s->id, r);
            if (s == st->moving) ref = hg_index_canon(&st->index, s->hash[r], ref);
            int rc = fn(arg, ref, err);
            if (rc < 0) return rc;
        }
    }
    return 0;
}
