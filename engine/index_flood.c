/* index_flood.c: an ordered set of refs, for the sub-table whose hashes collide.
 *
 * Two levels: an array of leaves, each a sorted array of refs; order is that of the identity's cells, then the origin.
 * A lookup is two binary searches whatever the hashes are, an insert moves part of one leaf. Leaves that inserts may
 * need are made in reserve, so that apply cannot fail. Circuit thread only.
 */
#include "base/hg.h"
#include "engine/store_int.h"

#define LEAF 256u

typedef struct {
    uint32_t n;
    hg_ref_t refs[LEAF];
} leaf_t;

struct hg_flood {
    const hg_store_t *st;
    leaf_t **leaves; /* none is empty, but for the only one */
    uint32_t n, cap;
    leaf_t **spare;
    uint32_t n_spare, cap_spare;
};

void hg_flood_free(hg_flood_t *f)
{
    if (!f) return;
    for (uint32_t i = 0; i < f->n; i++) hg_free(f->leaves[i]);
    for (uint32_t i = 0; i < f->n_spare; i++) hg_free(f->spare[i]);
    hg_free(f->leaves);
    hg_free(f->spare);
    hg_free(f);
}

size_t hg_flood_bytes(const hg_flood_t *f)
{
    return sizeof *f + (f->n + (size_t)f->n_spare) * sizeof(leaf_t) +
           (f->cap + (size_t)f->cap_spare) * sizeof(leaf_t *);
}

static bool room_for(leaf_t ***arr, uint32_t *cap, uint32_t n)
{
    if (n <= *cap) return true;
    uint32_t want = HG_MAX(n, *cap * 2);
    leaf_t **p = hg_trygrow(*arr, sizeof *p * want);
    if (!p) return false;
    *arr = p;
    *cap = want;
    return true;
}

int hg_flood_reserve(hg_flood_t *f, uint32_t inserts)
{
    /* a full leaf splits into halves: each insert may meet a full one once, afterwards it takes LEAF/2 inserts to fill
     * it */
    uint32_t want = HG_MIN(inserts, f->n) + inserts / (LEAF / 2) + 1;
    if (!room_for(&f->leaves, &f->cap, f->n + want) || !room_for(&f->spare, &f->cap_spare, f->n + want))
        return HG_ENOMEM;
    while (f->n_spare < want) {
        leaf_t *l = hg_tryzero(sizeof *l);
        if (!l) return HG_ENOMEM;
        f->spare[f->n_spare++] = l;
    }
    return 0;
}

/* First position in leaf li whose ref is not before the probe; order(ref) < 0 means before. */
typedef struct {
    const hg_store_t *st;
    const hg_ident_t *id; /* or */
    hg_ref_t ref;
} probe_t;

static int order(const probe_t *p, hg_ref_t r)
{
    return p->id ? hg_store_order(p->st, r, p->id) : hg_store_order_refs(p->st, r, p->ref);
}

static void seek(const hg_flood_t *f, const probe_t *p, uint32_t *ret_leaf, uint32_t *ret_at)
{
    uint32_t lo = 0, hi = f->n; /* the last leaf whose first ref is not after the probe */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (order(p, f->leaves[mid]->refs[0]) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    const leaf_t *l = f->leaves[lo];
    uint32_t a = 0, b = l->n;
    while (a < b) {
        uint32_t mid = a + (b - a) / 2;
        if (order(p, l->refs[mid]) < 0)
            a = mid + 1;
        else
            b = mid;
    }
    *ret_leaf = lo;
    *ret_at = a;
}

hg_ref_t hg_flood_find(const hg_flood_t *f, const hg_ident_t *id)
{
    probe_t p = { .st = f->st, .id = id };
    uint32_t li, at;
    seek(f, &p, &li, &at);
    const leaf_t *l = f->leaves[li];
    return at < l->n && order(&p, l->refs[at]) == 0 ? l->refs[at] : 0;
}

void hg_flood_insert(hg_flood_t *f, hg_ref_t ref)
{
    probe_t p = { .st = f->st, .ref = ref };
    uint32_t li, at;
    seek(f, &p, &li, &at);
    leaf_t *l = f->leaves[li];
    if (l->n == LEAF) {
        HG_ASSERT(f->n_spare > 0 && f->n < f->cap);
        leaf_t *r = f->spare[--f->n_spare];
        r->n = LEAF / 2;
        memcpy(r->refs, l->refs + LEAF / 2, sizeof *r->refs * r->n);
        l->n = LEAF / 2;
        memmove(f->leaves + li + 2, f->leaves + li + 1, sizeof *f->leaves * (f->n - li - 1));
        f->leaves[li + 1] = r;
        f->n++;
        if (at > LEAF / 2) {
            at -= LEAF / 2;
            l = r;
        }
    }
    memmove(l->refs + at + 1, l->refs + at, sizeof *l->refs * (l->n - at));
    l->refs[at] = ref;
    l->n++;
}

static bool find_ref(const hg_flood_t *f, hg_ref_t ref, uint32_t *ret_leaf, uint32_t *ret_at)
{
    probe_t p = { .st = f->st, .ref = ref };
    seek(f, &p, ret_leaf, ret_at);
    const leaf_t *l = f->leaves[*ret_leaf];
    return *ret_at < l->n && l->refs[*ret_at] == ref;
}

hg_ref_t hg_flood_twin(const hg_flood_t *f, hg_ref_t ref)
{
    probe_t p = { .st = f->st, .ref = ref };
    uint32_t li, at;
    seek(f, &p, &li, &at);
    HG_ASSERT(at < f->leaves[li]->n);
    return f->leaves[li]->refs[at];
}

bool hg_flood_replace(hg_flood_t *f, hg_ref_t old, hg_ref_t ref)
{
    uint32_t li, at;
    if (!find_ref(f, old, &li, &at)) return false;
    f->leaves[li]->refs[at] = ref;
    return true;
}

void hg_flood_remove(hg_flood_t *f, hg_ref_t ref)
{
    uint32_t li, at;
    bool found = find_ref(f, ref, &li, &at);
    HG_ASSERT(found);
    leaf_t *l = f->leaves[li];
    memmove(l->refs + at, l->refs + at + 1, sizeof *l->refs * (l->n - at - 1));
    l->n--;
    if (l->n > 0 || f->n == 1) return;
    memmove(f->leaves + li, f->leaves + li + 1, sizeof *f->leaves * (f->n - li - 1));
    f->n--;
    hg_free(l);
}

/* --- from the slots of a sub-table -------------------------------------------------------------------------------- */

static int by_identity(const void *a, const void *b, void *st)
{
    return hg_store_order_refs(st, *(const hg_ref_t *)a, *(const hg_ref_t *)b);
}

hg_flood_t *hg_flood_new(const hg_store_t *st, const uint64_t *slots, uint32_t n_slots, uint32_t used)
{
    hg_flood_t *f = HG_NEW(hg_flood_t);
    f->st = st;
    uint32_t n = 0, n_leaves = used / (LEAF / 2) + 1;
    hg_ref_t *refs = hg_trynew(sizeof *refs * used);
    if (!refs || !room_for(&f->leaves, &f->cap, n_leaves)) goto fail;
    for (uint32_t i = 0; i < n_slots; i++)
        if (slots[i]) refs[n++] = slots[i] & ((UINT64_C(1) << HG_REF_BITS) - 1);
    qsort_r(refs, n, sizeof *refs, by_identity, (void *)(uintptr_t)st);
    for (uint32_t at = 0; at < n || f->n == 0;) {
        leaf_t *l = hg_tryzero(sizeof *l);
        if (!l) goto fail;
        l->n = HG_MIN(n - at, LEAF / 2);
        if (l->n) memcpy(l->refs, refs + at, sizeof *refs * l->n);
        f->leaves[f->n++] = l;
        at += l->n;
    }
    hg_free(refs);
    return f;
fail:
    hg_free(refs);
    hg_flood_free(f);
    return NULL;
}
