/* index.c: hash-unique index: from the hash of an identity to the one live row that has it.
 *
 * A directory on the top bits of the hash leads to sub-tables of up to 16 Ki slots, which grow by doubling and then
 * split alone: no insert ever pays for rehashing the whole index (extendible hashing; Fagin, Nievergelt, Pippenger,
 * Strong 1979). A slot is 24 low bits of the hash and a 40-bit ref; its home is the lowest bits of the hash, so that a
 * removal can close its gap (backward shift) without reading a row. The full hash, which a split needs, stands beside
 * the row in its segment.
 *
 * Sub-tables fill evenly, so they would all split within the same few steps; their limits are therefore spread from
 * 0.62 to 0.87, and a step splits only so many as keep pace with its rows: the others go on to 0.92, their turn comes
 * with the next steps. A sub-table that cannot split (its keys share too many top bits) grows on; one with a probe
 * beyond HG_PROBE_MAX becomes an ordered set at the next reserve (index_flood.c). Circuit thread only.
 */
#include "base/hg.h"
#include "engine/store_int.h"

#define SUB_MIN   64u
#define SUB_MAX   (1u << 24)
#define TAG_SHIFT HG_REF_BITS
#define TAG_MASK  ((UINT64_C(1) << (64 - TAG_SHIFT)) - 1)
#define REF_MASK  ((UINT64_C(1) << HG_REF_BITS) - 1)
#define AHEAD     64u                       /* lookups in flight */
#define FULL      (HG_SUB_SLOTS / 100 * 92) /* a sub-table that is to split has no room beyond */
#define SPLIT_PER 4096u /* rows of a step for each split: while they split, one is due for so many */

static inline uint64_t slot_of(uint64_t hash, hg_ref_t ref)
{
    return (hash & TAG_MASK) << TAG_SHIFT | ref;
}

static uint32_t limit_of(uint32_t cap, uint64_t prefix)
{
    if (cap != HG_SUB_SLOTS) return cap / 4 * 3;
    uint64_t spread = prefix * UINT64_C(0x9E3779B97F4A7C15) >> 54; /* 0..1023 */
    return (uint32_t)(cap * (uint64_t)(640 + spread / 4) / 1024);
}

/* --- memory of slots --------------------------------------------------------------------------------------------
 * Sub-tables of the size at which they split come from slabs, which a pool thread makes ahead (store_make.c), and go
 * back to a list: a split gives one and takes two. All others are blocks of their own. */

#define SLAB_SUBS 16u /* 2 MiB: a huge page */
#define SUB_BYTES (sizeof(uint64_t) * HG_SUB_SLOTS)

static bool slab_add(hg_index_t *x, uint64_t *slots, uint32_t n)
{
    hg_slab_t *b = hg_trynew(sizeof *b);
    if (!b) {
        hg_block_free(slots, SUB_BYTES * n);
        return false;
    }
    *b = (hg_slab_t){ x->slabs, slots, n, 0 };
    x->slabs = b;
    x->bytes += sizeof *b + SUB_BYTES * n;
    return true;
}

static bool slab_new(hg_index_t *x)
{
    if (x->ahead && hg_make_ready(x->ahead)) {
        uint64_t *slots = hg_make_take(x->ahead).block;
        x->ahead = NULL;
        return slots && slab_add(x, slots, x->n_ahead);
    }
    uint64_t *slots = hg_block_new(SUB_BYTES); /* the pool is late: no more than what is needed now */
    return slots && slab_add(x, slots, 1);
}

static void look_ahead(hg_index_t *x)
{
    uint32_t n = HG_MIN(x->n_subs, SLAB_SUBS);
    if (!x->store->pool || x->ahead || n < 2 || x->slabs->n - x->slabs->used > n / 2) return;
    x->n_ahead = n;
    x->ahead = hg_make_block(x->store, SUB_BYTES * n);
}

/* Zeroed. */
static uint64_t *slots_new(hg_index_t *x, uint32_t cap)
{
    if (cap != HG_SUB_SLOTS) {
        uint64_t *slots = hg_block_new(sizeof *slots * cap);
        if (slots) x->bytes += sizeof *slots * cap;
        return slots;
    }
    if (x->idle) {
        uint64_t *slots = x->idle;
        x->idle = (uint64_t *)(uintptr_t)slots[0];
        memset(slots, 0, SUB_BYTES);
        return slots;
    }
    if ((!x->slabs || x->slabs->used == x->slabs->n) && !slab_new(x)) return NULL;
    uint64_t *slots = x->slabs->slots + (size_t)HG_SUB_SLOTS * x->slabs->used++;
    look_ahead(x);
    return slots;
}

static void slots_old(hg_index_t *x, uint64_t *slots, uint32_t cap)
{
    if (cap == HG_SUB_SLOTS) {
        slots[0] = (uint64_t)(uintptr_t)x->idle;
        x->idle = slots;
        return;
    }
    x->bytes -= sizeof *slots * cap;
    hg_block_free(slots, sizeof *slots * cap);
}

static hg_sub_t *sub_new(hg_index_t *x, uint32_t cap, uint8_t depth, uint64_t prefix)
{
    hg_sub_t *s = hg_tryzero(sizeof *s);
    if (!s) return NULL;
    s->slots = slots_new(x, cap);
    if (!s->slots) {
        hg_free(s);
        return NULL;
    }
    s->mask = cap - 1;
    s->limit = limit_of(cap, prefix);
    s->depth = depth;
    s->pend_head = HG_NONE;
    x->bytes += sizeof *s;
    return s;
}

static void slots_free(hg_index_t *x, hg_sub_t *s)
{
    if (!s->slots) return;
    slots_old(x, s->slots, s->mask + 1);
    s->slots = NULL;
}

static void sub_free(hg_index_t *x, hg_sub_t *s)
{
    slots_free(x, s);
    if (s->flood) {
        x->bytes -= hg_flood_bytes(s->flood);
        hg_flood_free(s->flood);
    }
    x->bytes -= sizeof *s;
    hg_free(s);
}

int hg_index_init(hg_index_t *x, const hg_store_t *st)
{
    *x = (hg_index_t){ .store = st, .n_subs = 1 };
    x->dir = hg_tryzero(sizeof *x->dir);
    if (!x->dir) return HG_ENOMEM;
    x->bytes = sizeof *x->dir;
    x->dir[0] = sub_new(x, SUB_MIN, 0, 0);
    if (x->dir[0]) return 0;
    hg_free(x->dir);
    x->dir = NULL;
    return HG_ENOMEM;
}

static uint64_t dir_size(const hg_index_t *x)
{
    return UINT64_C(1) << x->bits;
}

static void slabs_free(hg_index_t *x)
{
    hg_make_drop(x->ahead);
    for (hg_slab_t *b = x->slabs, *next; b; b = next) {
        next = b->next;
        hg_block_free(b->slots, SUB_BYTES * b->n);
        hg_free(b);
    }
}

void hg_index_release(hg_index_t *x)
{
    if (!x->dir) return;
    for (uint64_t i = 0; i < dir_size(x);) {
        hg_sub_t *s = x->dir[i];
        i += UINT64_C(1) << (x->bits - s->depth);
        sub_free(x, s);
    }
    hg_free(x->dir);
    x->dir = NULL;
    slabs_free(x);
}

/* --- slots ------------------------------------------------------------------------------------------------------- */

static inline uint32_t distance(const hg_sub_t *s, uint32_t i)
{
    return (i - (uint32_t)(s->slots[i] >> TAG_SHIFT)) & s->mask;
}

/* The poorer slot stays (Robin Hood; Celis 1986): distances are nearly even, so a long one means colliding hashes, not
 * bad luck. */
static void slots_put(hg_sub_t *s, uint64_t slot)
{
    uint32_t i = (uint32_t)(slot >> TAG_SHIFT) & s->mask, d = 0;
    for (; s->slots[i]; i = (i + 1) & s->mask, d++) {
        uint32_t other = distance(s, i);
        if (other >= d) continue;
        uint64_t t = s->slots[i];
        s->slots[i] = slot;
        slot = t;
        if (d > HG_PROBE_MAX) s->long_probe = true;
        d = other;
    }
    s->slots[i] = slot;
    s->used++;
    if (d > HG_PROBE_MAX) s->long_probe = true;
}

static uint32_t slots_find(const hg_sub_t *s, uint64_t slot)
{
    for (uint32_t i = (uint32_t)(slot >> TAG_SHIFT) & s->mask; s->slots[i]; i = (i + 1) & s->mask)
        if (s->slots[i] == slot) return i;
    return HG_NONE;
}

static void slots_take(hg_sub_t *s, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & s->mask; s->slots[i] && distance(s, i) > 0; i = (i + 1) & s->mask) {
        s->slots[gap] = s->slots[i];
        gap = i;
    }
    s->slots[gap] = 0;
    s->used--;
}

void hg_index_insert(hg_index_t *x, uint64_t hash, hg_ref_t ref)
{
    hg_sub_t *s = hg_index_sub(x, hash);
    if (s->flood)
        hg_flood_insert(s->flood, ref);
    else
        slots_put(s, slot_of(hash, ref));
}

bool hg_index_replace(hg_index_t *x, uint64_t hash, hg_ref_t old, hg_ref_t ref)
{
    hg_sub_t *s = hg_index_sub(x, hash);
    if (s->flood) return hg_flood_replace(s->flood, old, ref);
    uint32_t i = slots_find(s, slot_of(hash, old));
    if (i == HG_NONE) return false;
    s->slots[i] = slot_of(hash, ref);
    return true;
}

void hg_index_remove(hg_index_t *x, uint64_t hash, hg_ref_t ref)
{
    hg_sub_t *s = hg_index_sub(x, hash);
    if (s->flood) {
        size_t before = hg_flood_bytes(s->flood);
        hg_flood_remove(s->flood, ref);
        x->bytes -= before - hg_flood_bytes(s->flood);
        return;
    }
    uint32_t i = slots_find(s, slot_of(hash, ref));
    HG_ASSERT(i != HG_NONE);
    slots_take(s, i);
}

/* --- lookup ------------------------------------------------------------------------------------------------------ */

/* Next slot with the hash's tag at or after *at; the ref, or 0 at the end of the probe: an empty slot, or one nearer to
 * its home than the one we look for would be. */
static inline hg_ref_t next_match(const hg_sub_t *s, uint64_t hash, uint32_t *at)
{
    uint64_t tag = hash & TAG_MASK;
    uint32_t d = (*at - (uint32_t)hash) & s->mask;
    for (uint32_t i = *at; s->slots[i]; i = (i + 1) & s->mask, d++) {
        if (s->slots[i] >> TAG_SHIFT != tag) {
            if (distance(s, i) < d) return 0;
            continue;
        }
        *at = (i + 1) & s->mask;
        return s->slots[i] & REF_MASK;
    }
    return 0;
}

void hg_index_probe(const hg_index_t *x, const hg_batch_t *batch, const uint32_t *rows, uint32_t origin,
                    const uint64_t *hash, uint32_t n, hg_ref_t *refs)
{
    const hg_store_t *st = x->store;
    size_t width = st->ident_width;
    uint32_t at[AHEAD];
    for (uint32_t from = 0; from < n; from += AHEAD) {
        uint32_t m = HG_MIN(n - from, AHEAD);
        for (uint32_t k = 0; k < m; k++) hg_index_prefetch(x, hash[from + k]);
        for (uint32_t k = 0; k < m; k++) {
            uint64_t h = hash[from + k];
            const hg_sub_t *s = hg_index_sub(x, h);
            at[k] = (uint32_t)h & s->mask;
            hg_ref_t r = s->flood ? 0 : next_match(s, h, &at[k]);
            refs[from + k] = r;
            if (r && width)
                __builtin_prefetch((char *)hg_store_seg(st, r)->cols[st->ident[0]]->data + width * hg_ref_row(r));
            else if (r)
                __builtin_prefetch(&hg_store_seg(st, r)->hash[hg_ref_row(r)]);
        }
        for (uint32_t k = 0; k < m; k++) {
            uint64_t h = hash[from + k];
            const hg_sub_t *s = hg_index_sub(x, h);
            hg_ident_t id = { batch, rows[from + k], origin };
            hg_ref_t r = refs[from + k];
            if (s->flood)
                r = hg_flood_find(s->flood, &id);
            else
                while (r && !((width || hg_store_ref_hash(st, r) == h) && hg_store_same(st, r, &id)))
                    r = next_match(s, h, &at[k]);
            refs[from + k] = r;
        }
    }
}

hg_ref_t hg_index_canon(const hg_index_t *x, uint64_t hash, hg_ref_t ref)
{
    const hg_sub_t *s = hg_index_sub(x, hash);
    if (s->flood) return hg_flood_twin(s->flood, ref);
    uint32_t at = (uint32_t)hash & s->mask;
    hg_ref_t r;
    while ((r = next_match(s, hash, &at)) != 0) {
        const hg_seg_t *g = hg_store_seg(x->store, r);
        if (r == ref || (g->fwd_to && g->fwd[hg_ref_row(r)] == hg_ref_row(ref) && g->fwd_to->id == hg_ref_seg(ref)))
            return r;
    }
    HG_ASSERT(r != 0);
    return 0;
}

/* --- growing ----------------------------------------------------------------------------------------------------- */

static bool grow(hg_index_t *x, hg_sub_t *s, uint64_t prefix)
{
    uint32_t cap = (s->mask + 1) * 2;
    if (cap > SUB_MAX) return false;
    uint64_t *slots = slots_new(x, cap), *old = s->slots;
    if (!slots) return false;
    uint32_t n_old = s->mask + 1;
    s->slots = slots;
    s->mask = cap - 1;
    s->limit = limit_of(cap, prefix);
    s->used = 0;
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i]) slots_put(s, old[i]);
    slots_old(x, old, n_old);
    return true;
}

static bool double_dir(hg_index_t *x)
{
    uint64_t n = dir_size(x);
    hg_sub_t **dir = hg_trynew(sizeof *dir * n * 2);
    if (!dir) return false;
    for (uint64_t i = 0; i < n; i++) dir[2 * i] = dir[2 * i + 1] = x->dir[i];
    x->bytes += sizeof *dir * n;
    hg_free(x->dir);
    x->dir = dir;
    x->bits++;
    return true;
}

/* Two sub-tables for one; hash and next: the reservations of this step, which move along. */
static bool split(hg_index_t *x, hg_sub_t *s, uint64_t prefix, const uint64_t *hash, uint32_t *next)
{
    if (s->depth == x->bits && !double_dir(x)) return false;
    unsigned shift = 63u - s->depth; /* the bit that tells the two apart */
    uint8_t depth = (uint8_t)(s->depth + 1);
    hg_sub_t *two[2] = { sub_new(x, HG_SUB_SLOTS, depth, prefix),
                         sub_new(x, HG_SUB_SLOTS, depth, prefix | UINT64_C(1) << shift) };
    if (!two[0] || !two[1]) {
        for (int i = 0; i < 2; i++)
            if (two[i]) sub_free(x, two[i]);
        return false;
    }
    const uint32_t ahead = 16;
    for (uint32_t i = 0; i <= s->mask; i++) {
        uint64_t far = s->slots[(i + ahead) & s->mask] & REF_MASK;
        if (far) __builtin_prefetch(&hg_store_seg(x->store, far)->hash[hg_ref_row(far)]);
        uint64_t slot = s->slots[i];
        if (slot) slots_put(two[hg_store_ref_hash(x->store, slot & REF_MASK) >> shift & 1], slot);
    }
    for (uint32_t i = s->pend_head, after; i != HG_NONE; i = after) {
        hg_sub_t *t = two[hash[i] >> shift & 1];
        after = next[i];
        next[i] = t->pend_head;
        t->pend_head = i;
        t->pend++;
    }
    uint64_t span = UINT64_C(1) << (x->bits - depth), at = x->bits ? prefix >> (64 - x->bits) : 0;
    for (uint64_t i = 0; i < 2 * span; i++) x->dir[at + i] = two[i >= span];
    x->n_subs++;
    sub_free(x, s);
    return true;
}

#define LOAD 9000u /* rows of a sub-table that is made for a known number of rows: below every limit */

int hg_index_size_for(hg_index_t *x, uint64_t n)
{
    uint32_t bits = 0, cap = SUB_MIN;
    while (bits < 30 && n >> bits > LOAD) bits++;
    while (cap < HG_SUB_SLOTS && limit_of(cap, 0) < n) cap *= 2;
    uint64_t size = UINT64_C(1) << bits;
    hg_index_t y = { .store = x->store, .bits = bits, .bytes = sizeof *y.dir * size };
    y.dir = hg_tryzero(sizeof *y.dir * size);
    bool ok = y.dir != NULL;
    for (uint64_t i = 0; i < size && ok; i++) {
        if (cap == HG_SUB_SLOTS && i % SLAB_SUBS == 0) {
            uint32_t subs = (uint32_t)HG_MIN(size - i, SLAB_SUBS);
            uint64_t *slots = hg_block_new(SUB_BYTES * subs);
            ok = slots && slab_add(&y, slots, subs);
            if (!ok) break;
        }
        y.dir[i] = sub_new(&y, cap, (uint8_t)bits, bits ? i << (64 - bits) : 0);
        ok = y.dir[i] != NULL;
        y.n_subs += ok;
    }
    if (ok) {
        hg_index_release(x);
        *x = y;
        return 0;
    }
    for (uint32_t i = 0; i < y.n_subs; i++) sub_free(&y, y.dir[i]);
    hg_free(y.dir);
    slabs_free(&y);
    return HG_ENOMEM;
}

bool hg_index_add(hg_index_t *x, uint64_t hash, hg_ref_t ref)
{
    hg_sub_t *s = hg_index_sub(x, hash);
    if (s->used >= s->limit || s->long_probe) return false;
    slots_put(s, slot_of(hash, ref));
    return true;
}

static bool turn_to_flood(hg_index_t *x, hg_sub_t *s)
{
    s->flood = hg_flood_new(x->store, s->slots, s->mask + 1, s->used);
    if (!s->flood) return false;
    x->bytes += hg_flood_bytes(s->flood);
    slots_free(x, s);
    return true;
}

static bool make_room(hg_index_t *x, hg_sub_t *s, uint64_t h, const uint64_t *hash, uint32_t *next)
{
    uint64_t prefix = s->depth ? h >> (64 - s->depth) << (64 - s->depth) : 0;
    if (s->mask + 1 < HG_SUB_SLOTS) return grow(x, s, prefix);
    bool may_split = s->depth < x->bits || dir_size(x) < 16 * (uint64_t)x->n_subs + 64;
    return may_split ? split(x, s, prefix, hash, next) : grow(x, s, prefix);
}

static int reserve_flood(hg_index_t *x, hg_sub_t *s)
{
    size_t before = hg_flood_bytes(s->flood);
    int rc = hg_flood_reserve(s->flood, s->pend);
    x->bytes += hg_flood_bytes(s->flood) - before;
    return rc;
}

/* Must s be made larger before it takes one more row? A split reads a hash of every row, at random places: a step that
 * has made its share of them leaves the next ones to the steps after it. */
static bool is_full(const hg_sub_t *s, uint32_t may_split)
{
    uint32_t n = s->used + s->pend + 1;
    return n > s->limit && (may_split > 0 || s->mask + 1 != HG_SUB_SLOTS || n > FULL);
}

int hg_index_reserve(hg_index_t *x, const uint64_t *hash, uint32_t n, uint32_t *next)
{
    uint32_t i = 0, may_split = 1 + n / SPLIT_PER;
    for (; i < n; i++) {
        hg_sub_t *s = hg_index_sub(x, hash[i]);
        if (HG_UNLIKELY(s->long_probe) && !s->flood && !turn_to_flood(x, s)) goto fail;
        while (!s->flood && is_full(s, may_split)) {
            if (s->mask + 1 == HG_SUB_SLOTS && may_split > 0) may_split--;
            if (!make_room(x, s, hash[i], hash, next)) goto fail;
            s = hg_index_sub(x, hash[i]);
        }
        next[i] = s->pend_head;
        s->pend_head = i;
        s->pend++;
        if (s->flood && reserve_flood(x, s) < 0) {
            i++;
            goto fail;
        }
    }
    return 0;
fail:
    hg_index_unreserve(x, hash, i);
    return HG_ENOMEM;
}

void hg_index_unreserve(hg_index_t *x, const uint64_t *hash, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        hg_sub_t *s = hg_index_sub(x, hash[i]);
        s->pend = 0;
        s->pend_head = HG_NONE;
    }
}
