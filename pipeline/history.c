/* history.c: see history.h.
 *
 * One list of deltas in the order of steps, over all relations, so that what is oldest goes first whatever it belongs
 * to. `oldest` of a relation is the place behind the newest delta that is gone: every number from there on can be
 * served.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/history.h"
#include <xxhash.h>

#define LOOK_US 1000000

typedef struct kept {
    hg_list_t link; /* on h->list, in the order of steps */
    uint32_t relation;
    uint64_t step, mem;
    hg_delta_t delta;
} kept_t;

typedef struct {
    bool kept;
    uint32_t readers;
    uint64_t oldest; /* place */
    uint64_t newest; /* place behind its last change, or oldest */
    int64_t left_us; /* when the last reader left: hg_mono_us; 0 = readers are there */
} relation_t;

struct hg_history {
    hg_pipeline_t *p;
    relation_t *rels;
    uint32_t n_rels, idle; /* kept ones without a reader */
    hg_list_t list;
    uint64_t mem, max;
    int64_t keep_us, from_us, look_us; /* none is idle from before from_us; they are looked at again at look_us */
};

hg_history_t *hg_history_new(hg_pipeline_t *p)
{
    hg_history_t *h = HG_NEW(hg_history_t);
    h->p = p;
    h->n_rels = p->prog->plan.n_relations;
    h->rels = HG_NEWN(relation_t, h->n_rels + 1);
    h->max = p->cfg.change_stream_mib << 20;
    h->keep_us = (int64_t)p->cfg.change_stream_secs * 1000000;
    hg_list_init(&h->list);
    return h;
}

static void drop(hg_history_t *h, kept_t *k)
{
    relation_t *r = &h->rels[k->relation];
    r->oldest = hg_seq_behind(k->step);
    h->mem -= k->mem;
    hg_list_del(&k->link);
    hg_delta_release(&k->delta);
    hg_free(k);
}

void hg_history_free(hg_history_t *h)
{
    if (!h) return;
    while (!hg_list_empty(&h->list)) drop(h, HG_ENTRY(h->list.next, kept_t, link));
    hg_free(h->rels);
    hg_free(h);
}

bool hg_history_keeps(const hg_history_t *h, uint32_t relation)
{
    return h->rels[relation].kept;
}

/* From this place on, by a reader or for one that may come. */
static void keep(hg_history_t *h, uint32_t relation, uint64_t oldest)
{
    relation_t *r = &h->rels[relation];
    if (r->kept) return;
    r->kept = true;
    r->oldest = r->newest = oldest;
    r->left_us = hg_mono_us();
    h->idle++;
}

void hg_history_enter(hg_history_t *h, uint32_t relation)
{
    relation_t *r = &h->rels[relation];
    keep(h, relation, hg_seq_behind(atomic_load(&h->p->steps)));
    if (r->readers++ == 0) h->idle--;
}

void hg_history_leave(hg_history_t *h, uint32_t relation)
{
    relation_t *r = &h->rels[relation];
    if (--r->readers) return;
    r->left_us = hg_mono_us();
    h->idle++;
}

static void forget(hg_history_t *h, uint32_t relation)
{
    for (hg_list_t *it = h->list.next, *next; it != &h->list; it = next) {
        kept_t *k = HG_ENTRY(it, kept_t, link);
        next = it->next;
        if (k->relation == relation) drop(h, k);
    }
}

void hg_history_lose(hg_history_t *h, uint32_t relation, uint64_t step)
{
    forget(h, relation);
    h->rels[relation].oldest = h->rels[relation].newest = hg_seq_behind(step);
}

void hg_history_add(hg_history_t *h, uint32_t relation, uint64_t step, const hg_delta_t *d)
{
    relation_t *r = &h->rels[relation];
    if (!r->kept || hg_delta_rows(d) == 0) return;
    r->newest = hg_seq_behind(step);
    kept_t *k = HG_NEW(kept_t);
    *k = (kept_t){ .relation = relation, .step = step, .mem = hg_delta_mem(d) + sizeof *k };
    for (uint32_t i = 0; i < d->n; i++) {
        if (hg_delta_add(&k->delta, hg_part_retain(d->parts[i])) == 0) continue;
        hg_delta_release(&k->delta); /* no memory: as if it had not fitted */
        hg_free(k);
        hg_history_lose(h, relation, step);
        return;
    }
    hg_list_init(&k->link);
    hg_list_add_tail(&h->list, &k->link);
    h->mem += k->mem;
    while (h->mem > h->max && !hg_list_empty(&h->list)) drop(h, HG_ENTRY(h->list.next, kept_t, link));
}

bool hg_history_expire(hg_history_t *h)
{
    bool any = false;
    if (!h->idle) return false;
    int64_t now = hg_mono_us();
    if (atomic_load(&h->p->replaying)) h->from_us = now; /* whom the replay is for cannot be back yet */
    if (now < h->look_us) return false;
    h->look_us = now + LOOK_US;
    for (uint32_t i = 0; i < h->n_rels; i++) {
        relation_t *r = &h->rels[i];
        if (!r->kept || r->readers || now - HG_MAX(r->left_us, h->from_us) < h->keep_us) continue;
        forget(h, i);
        r->kept = false;
        h->idle--;
        any = true;
    }
    return any;
}

/* --- resuming a stream --- */

static int gone(const hg_history_t *h, uint32_t relation, uint64_t after, uint64_t oldest, uint64_t *ret, hg_err_t *err)
{
    *ret = oldest;
    return hg_err_set(err, HG_ESEQGONE,
                      "changes of '" HG_SF "' after sequence number %" PRIu64 " are not kept any more, the oldest "
                      "number to go on from is %" PRIu64 ": begin again with send_snapshot=true",
                      HG_SA(h->p->prog->plan.relations[relation].schema.name), after, oldest);
}

static int push(hg_history_t *h, const kept_t *k, uint64_t skip, bool copies, hg_output_t *out, hg_err_t *err)
{
    hg_delta_t d;
    if (hg_delta_skip(&k->delta, skip, copies, &d) < 0)
        return hg_err_set(err, HG_ENOMEM, "out of memory going on with a change stream");
    hg_output_push(out, k->step, &d, atomic_load(&h->p->processed_records));
    return 0;
}

int hg_history_push(hg_history_t *h, uint32_t relation, uint64_t after, bool copies, hg_output_t *out,
                    uint64_t *ret_oldest, hg_err_t *err)
{
    const relation_t *r = &h->rels[relation];
    uint64_t now = hg_seq_behind(atomic_load(&h->p->steps)), count = after & HG_SEQ_COUNT;
    int rc = 0;
    if (after > now)
        return hg_err_set(err, HG_EINVAL,
                          "query parameter 'after': the stream has not come to sequence number %" PRIu64
                          " yet, it is at %" PRIu64,
                          after, now);
    if (!r->kept || after < r->oldest) return gone(h, relation, after, r->kept ? r->oldest : now, ret_oldest, err);
    HG_LIST_EACH(it, &h->list)
    {
        const kept_t *k = HG_ENTRY(it, kept_t, link);
        if (k->relation != relation || hg_seq_behind(k->step) <= after) continue;
        bool inside = k->step == after >> HG_SEQ_BITS;
        if (inside && count == HG_SEQ_COUNT) /* which one of many that is cannot be told */
            return gone(h, relation, after, hg_seq_behind(k->step), ret_oldest, err);
        rc = push(h, k, inside ? count : 0, copies, out, err);
        if (rc < 0) break;
    }
    return rc;
}

void hg_history_stream_id(const hg_pipeline_t *p, uint32_t relation, bool copies, char ret[17])
{
    struct {
        char incarnation[40];
        uint64_t k0, k1, definition, relation, copies;
    } of = { .copies = copies };
    hg_str_t name = p->prog->plan.relations[relation].schema.name;
    of.relation = XXH3_64bits(name.p, name.n);
    if (p->durable && p->cfg.ft == HG_FT_EXACTLY_ONCE) {
        of.k0 = p->hashkey.k0; /* another one after a clear, the same for all who go on from the same state */
        of.k1 = p->hashkey.k1;
        of.definition = p->durable->definitions[relation];
    } else {
        memcpy(of.incarnation, p->incarnation, sizeof p->incarnation);
    }
    snprintf(ret, 17, "%016" PRIx64, (uint64_t)XXH3_64bits(&of, sizeof of));
}

/* --- over a restart --- */

void hg_history_save(const hg_history_t *h, hg_jw_t *w)
{
    hg_jw_arr(w);
    for (uint32_t i = 0; i < h->n_rels; i++) {
        if (!h->rels[i].kept) continue;
        hg_jw_obj(w);
        hg_jw_key(w, "name");
        hg_jw_str(w, h->p->prog->plan.relations[i].schema.name);
        hg_jw_ku64(w, "sequence_number", h->rels[i].newest);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

void hg_history_resume(hg_pipeline_t *p)
{
    hg_history_t *h = p->history;
    const hg_durable_t *d = p->durable;
    const hg_json_t *m = hg_storage_manifest(d->storage), *list = hg_json_get(m, "change_streams");
    uint64_t now = hg_seq_behind(d->step);
    if (p->cfg.ft != HG_FT_EXACTLY_ONCE) return;
    for (uint32_t i = 0; i < h->n_rels; i++) {
        const hg_relation_t *rel = &p->prog->plan.relations[i];
        uint64_t newest;
        const hg_json_t *saved = hg_json_named(list, rel->schema.name);
        if (d->diff.unchanged && !d->diff.unchanged[i]) continue;
        if (saved && hg_json_u64(hg_json_get(saved, "sequence_number"), &newest) == 0)
            keep(h, i, HG_MIN(newest, now));
        else if (atomic_load(&p->replaying) && !rel->local)
            keep(h, i, now);
    }
    hg_circuit_wants(p);
}
