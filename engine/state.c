/* state.c: taking a cut of a circuit, and what becomes of it once it is durable. Writing is state_write.c, the way back
 * state_restore.c.
 *
 * A cut holds, per store, the manifest of its moment, as a snapshot does (snap.c): rows that die later carry a later
 * epoch, segments stay as long as it holds them. Taken and done with on the circuit thread.
 */
#include "base/hg.h"
#include "engine/state_int.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* --- files, pieces, lists of them --------------------------------------------------------------------------------- */

hg_sfile_t *hg_sfile_new(hg_str_t name, bool pack, uint64_t size)
{
    hg_sfile_t *f = HG_NEW(hg_sfile_t);
    HG_ASSERT(name.n < sizeof f->name);
    atomic_init(&f->refs, 1);
    memcpy(f->name, name.p, name.n);
    f->pack = pack;
    f->size = size;
    return f;
}

hg_sfile_t *hg_sfile_retain(hg_sfile_t *f)
{
    if (f) atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void hg_sfile_drop(hg_sfile_t *f)
{
    if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) hg_free(f);
}

void hg_piece_drop(hg_piece_t *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
    hg_sfile_drop(p->at.file);
    hg_free(p->present);
    hg_free(p->origins);
    hg_free(p);
}

void hg_saved_piece_release(hg_saved_piece_t *p)
{
    hg_piece_drop(p->piece);
    hg_sfile_drop(p->dead_at.file);
    *p = (hg_saved_piece_t){ 0 };
}

void hg_saved_free(hg_saved_t *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->n; i++) hg_saved_piece_release(&s->v[i]);
    hg_free(s);
}

/* --- cuts --------------------------------------------------------------------------------------------------------- */

static void cut_store(hg_cut_store_t *cs, const hg_relation_t *rel, bool waiting, hg_store_t *st)
{
    *cs = (hg_cut_store_t){ .rel = rel,
                            .waiting = waiting,
                            .manifest = st->manifest,
                            .acct = st->acct,
                            .types = st->types,
                            .n_cols = st->n_cols,
                            .bag = st->bag,
                            .tail = st->tail,
                            .tail_rows = st->tail ? st->tail->rows : 0,
                            .epoch = st->epoch,
                            .tail_origin = st->tail ? st->tail->origin : NULL,
                            .tail_origin0 = st->tail ? st->tail->origin0 : 0,
                            .live = st->live };
    atomic_fetch_add_explicit(&cs->manifest->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cs->acct->refs, 1, memory_order_relaxed);
    st->snapped = true;
    cs->n_origins = st->n_origins;
    cs->origins = HG_NEWN(uint32_t, st->n_origins + 1);
    if (st->n_origins) memcpy(cs->origins, st->origins, sizeof *cs->origins * st->n_origins);
}

static void cut_lines(hg_cut_t *k, const hg_late_t *l, bool watermark)
{
    for (uint32_t i = 0; l && i < l->n; i++) {
        if (!l->cols[i].line) continue;
        if (k->n_lines % 16 == 0) k->lines = hg_xgrow(k->lines, sizeof *k->lines * ((size_t)k->n_lines + 16));
        k->lines[k->n_lines++] = (hg_cut_line_t){ l->rel, watermark, l->cols[i].col, hg_col_retain(l->cols[i].line) };
    }
}

hg_cut_t *hg_circuit_cut(hg_circuit_t *c)
{
    const hg_plan_t *plan = hg_circuit_plan(c);
    hg_cut_t *k = HG_NEW(hg_cut_t);
    k->stores = HG_NEWN(hg_cut_store_t, 2 * (size_t)plan->n_relations + 1);
    for (uint32_t i = 0; i < plan->n_relations; i++) {
        hg_store_t *st = hg_circuit_store(c, i);
        if (st) cut_store(&k->stores[k->n++], &plan->relations[i], false, st);
        cut_lines(k, hg_circuit_late(c, i), false);
        const hg_hold_t *h = hg_circuit_hold(c, i);
        if (!h) continue;
        cut_store(&k->stores[k->n++], &plan->relations[i], true, h->store);
        cut_lines(k, h->mark, true);
    }
    return k;
}

void hg_cut_settle(hg_cut_store_t *cs, bool durable)
{
    for (uint32_t s = 0; cs->now && s < cs->manifest->n; s++) {
        hg_seg_t *seg = cs->manifest->segs[s];
        if (cs->now[s] == seg->saved) continue;
        hg_saved_free(durable ? seg->saved : cs->now[s]);
        if (durable) seg->saved = cs->now[s];
    }
    hg_free(cs->now);
    cs->now = NULL;
}

void hg_cut_done(hg_circuit_t *c, hg_cut_t *k, bool durable)
{
    (void)c; /* named for the thread: the lists belong to its segments */
    for (uint32_t i = 0; i < k->n; i++) {
        hg_cut_store_t *cs = &k->stores[i];
        hg_cut_settle(cs, durable);
        hg_free(cs->origins);
        hg_manifest_drop(cs->manifest);
        hg_acct_drop(cs->acct);
    }
    for (uint32_t i = 0; i < k->n_lines; i++) hg_col_drop(k->lines[i].value);
    hg_free(k->lines);
    hg_free(k->stores);
    hg_free(k);
}

void hg_cut_get_stats(const hg_cut_t *k, hg_cut_stats_t *ret)
{
    *ret = k->stats;
}

/* --- descriptions ------------------------------------------------------------------------------------------------- */

int hg_state_files(const hg_json_t *stores, void (*fn)(void *arg, hg_str_t name), void *arg, hg_err_t *err)
{
    const hg_json_t *files = hg_json_get(stores, "files");
    if (!files || files->kind != HG_J_ARRAY)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint's list of files is missing");
    for (const hg_json_t *f = files->child; f; f = f->next) {
        const hg_json_t *name = hg_json_get(f, "name");
        if (!name || name->kind != HG_J_STRING)
            return hg_err_set(err, HG_EDAMAGED, "a file of the checkpoint has no name");
        fn(arg, name->str);
    }
    return 0;
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    return XXH3_64bits_withSeed(p, n, h + n);
}

static uint64_t mix_str(uint64_t h, hg_str_t s)
{
    return mix(h, s.p, s.n);
}

static uint64_t mix_type(uint64_t h, const hg_type_t *t)
{
    int32_t numbers[] = { t->nullable, t->precision, t->scale, 0, (int32_t)t->n_fields };
    if (t->kind == HG_T_INTERVAL || t->kind == HG_T_INTERVAL_YM) numbers[3] = (int32_t)t->unit;
    h = mix(mix_str(h, hg_strz(hg_kind_name(t->kind))), numbers, sizeof numbers);
    if (t->key) h = mix_type(h, t->key);
    if (t->elem) h = mix_type(h, t->elem);
    for (uint32_t i = 0; i < t->n_fields; i++) h = mix_type(mix_str(h, t->fields[i].name), t->fields[i].type);
    return h;
}

uint64_t hg_relation_fingerprint(const hg_relation_t *r)
{
    uint32_t stored = r->stored || (r->kind == HG_REL_TABLE && r->schema.n_key > 0);
    uint64_t h = mix(0, &stored, sizeof stored);
    for (uint32_t i = 0; i < r->schema.n_cols; i++)
        h = mix_type(mix_str(h, r->schema.cols[i].name), r->schema.cols[i].type);
    for (uint32_t i = 0; i < r->schema.n_key; i++) h = mix(h, &r->schema.key[i], sizeof r->schema.key[i]);
    return h;
}
