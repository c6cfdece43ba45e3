/* store_int.h: rows of one relation in segments, found through a hash index; engine-internal.
 *
 * A store belongs to the circuit thread. Other threads only ever see a snapshot, and through it segments, of which they
 * read rows that were complete when the snapshot was taken, and `dead_at` with relaxed atomics.
 *
 *   store ── manifest (immutable list, counted) ── segments (counted)
 *     ├──── index: hash of the identity → ref            snapshot ── the manifest of its moment, rows of the tail,
 * epoch └──── stage: what this step wants to write
 *
 * Identity: the key columns of a keyed table; all columns and the origin of a bag, whose rows carry a weight.
 * Invariants
 *  1. A segment's buffers never move; rows below the count a snapshot knows are never written again, but for dead_at.
 *  2. A row is visible in a snapshot iff dead_at is 0 or > the snapshot's epoch. Kills after a snapshot carry a later
 * epoch.
 *  3. Between steps the index holds exactly one ref per live row.
 *  4. reserve may fail and then nothing has changed that anybody can see; apply cannot fail.
 */
#ifndef HG_ENGINE_STORE_INT_H
#define HG_ENGINE_STORE_INT_H

#include "base/mem.h"
#include "data/hash.h"
#include "engine/circuit.h"

#define HG_SEG_ROW_BITS 18
#define HG_SEG_ROWS     (1u << HG_SEG_ROW_BITS)
#define HG_SEG_BYTES    (64u << 20)
#define HG_SEG_ROWS_MIN 256u
#define HG_PART_ROWS    65536u
#define HG_PART_BYTES   (2u << 20)
#define HG_NONE         UINT32_MAX

/* 22 bits of segment, 18 bits of row. Segment ids start at 1, so that 0 is no row. */
typedef uint64_t hg_ref_t;
#define HG_REF_BITS 40
static inline hg_ref_t hg_ref(uint32_t seg, uint32_t row)
{
    return ((hg_ref_t)seg << HG_SEG_ROW_BITS) | row;
}
static inline uint32_t hg_ref_seg(hg_ref_t r)
{
    return (uint32_t)(r >> HG_SEG_ROW_BITS);
}
static inline uint32_t hg_ref_row(hg_ref_t r)
{
    return (uint32_t)(r & (HG_SEG_ROWS - 1));
}

/* --- blocks (store_block.c) ----------------------------------------------------------------------------------------
 * Zeroed memory for columns and slots, on huge pages where it is large. Any thread. NULL when memory is out. */
void *hg_block_new(size_t n);
void hg_block_touch(void *p, size_t n); /* its pages are there from now on; others may write to it meanwhile */
void hg_block_free(void *p, size_t n);

/* What outlives a store as long as a snapshot or a segment does: bytes held, column types (which themselves are the
 * plan's). */
typedef struct hg_acct {
    atomic_uint refs;
    _Atomic uint64_t bytes;
    const hg_type_t **types;
} hg_acct_t;
void hg_acct_drop(hg_acct_t *a);

/* --- segments (store_seg.c) ----------------------------------------------------------------------------------------
 */
typedef _Atomic uint32_t hg_dead_t;

typedef struct hg_saved hg_saved_t; /* state_int.h */
void hg_saved_free(hg_saved_t *s);

typedef struct hg_seg hg_seg_t;
struct hg_seg {
    atomic_uint refs; /* manifests, and the store's table of ids */
    hg_acct_t *acct;
    uint32_t id, cap;
    uint32_t rows, dead;          /* circuit thread; rows of a segment that is not the tail does not change */
    _Atomic(hg_dead_t *) dead_at; /* cap entries, allocated before the first kill */
    uint64_t *hash;
    int64_t *weight;  /* bags */
    uint32_t origin0; /* origin of all rows … */
    bool has_origin;  /* origin0 is set */
    uint32_t *origin; /* … unless there is one per row. Circuit thread only */
    hg_seg_t *fwd_to; /* being merged: live row r now also is row fwd[r] of fwd_to (HG_NONE: not copied) */
    uint32_t *fwd;
    hg_saved_t *saved; /* where the rows are on disk; NULL = nowhere yet (state_int.h) */
    uint64_t *room;    /* per dimension (hg_type_dims): bytes or elements the buffers have room for */
    size_t bytes;      /* all of the above */
    void *block;       /* the buffers of the columns, hash and weight; dead_at too, unless it came late */
    size_t block_size;
    bool late_dead;
    uint32_t n_cols;
    hg_col_t *cols[]; /* len and refs mean nothing here; nulls: 0 = no NULL so far (hg_col_may_null) */
};

/* Dimensions of a column: one for the bytes of a text, the elements of an array, of each nested column in turn. */
uint32_t hg_type_dims(const hg_type_t *t);
/* Adds what rows [a, b) of c take of each dimension to need[0..dims); returns the number of dimensions. */
uint32_t hg_col_measure(const hg_col_t *c, uint32_t a, uint32_t b, uint64_t *need);

/* dead: with dead_at, for rows that are expected to change. */
int hg_seg_new(hg_acct_t *acct, const hg_type_t *const *types, uint32_t n_cols, bool weighted, bool dead, uint32_t cap,
               const uint64_t *room, hg_seg_t **ret);
void hg_seg_drop(hg_seg_t *s); /* any thread */
/* What is used of each dimension so far. */
void hg_seg_used(const hg_seg_t *s, uint64_t *used);
/* Circuit thread. Rows row[0..n) of cols, behind the rows there are; there is room. */
void hg_seg_append(hg_seg_t *s, hg_col_t *const *cols, const uint32_t *row, uint32_t n);
void hg_seg_touch(hg_seg_t *s);                       /* any thread: all its pages are there from now on */
int hg_seg_need_dead(hg_seg_t *s);                    /* make sure that dead_at is there */
int hg_seg_need_origin(hg_seg_t *s, uint32_t origin); /* make sure that a row of this origin can be added */
static inline uint32_t hg_seg_origin(const hg_seg_t *s, uint32_t row)
{
    return s->origin ? s->origin[row] : s->origin0;
}
static inline uint32_t hg_seg_dead_at(const hg_seg_t *s, uint32_t row)
{
    hg_dead_t *d = atomic_load_explicit(&s->dead_at, memory_order_acquire);
    return d ? atomic_load_explicit(&d[row], memory_order_relaxed) : 0;
}

/* Any thread. May rows that are complete hold a NULL? A column of a segment gets its first one under the eyes of
 * readers of earlier rows. */
static inline bool hg_col_may_null(const hg_col_t *c)
{
    return c->validity && __atomic_load_n(&c->nulls, __ATOMIC_RELAXED);
}

/* --- gathering (store_gather.c) -------------------------------------------------------------------------------------
 * Any thread. A new column: value i is row row[i] of srcs[src[i]] (src NULL: of srcs[0]). Works on columns that the
 * circuit is appending to, as long as the rows were complete before. HG_ENOMEM, HG_ETOOBIG. */
int hg_gather(const hg_type_t *type, const hg_col_t *const *srcs, uint32_t n_srcs, const uint32_t *src,
              const uint32_t *row, uint32_t n, hg_col_t **ret, hg_err_t *err);
/* Are the cells equal (NULLs equal, −0 = 0, NaNs equal)? Columns of one type. */
bool hg_cell_eq(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j);

/* --- index (index.c, index_flood.c) ---------------------------------------------------------------------------------
 */
typedef struct hg_store hg_store_t;
typedef struct hg_flood hg_flood_t;

#define HG_SUB_SLOTS 16384u
#define HG_PROBE_MAX 128u

typedef struct hg_sub {
    uint64_t *slots; /* tag (24 bits of the hash) << 40 | ref; 0 = empty; linear probing from the tag's low bits */
    uint32_t mask, used, limit;
    uint32_t pend, pend_head; /* inserts reserved in this step, chained through the step's next[] */
    uint8_t depth;            /* bits of the hash that all its keys share */
    bool long_probe;          /* turns into a flood sub-table at the next reserve */
    hg_flood_t *flood;        /* ordered by identity instead: slots is NULL */
} hg_sub_t;

/* Memory of sub-tables' slots: several of HG_SUB_SLOTS side by side. */
typedef struct hg_slab {
    struct hg_slab *next;
    uint64_t *slots;
    uint32_t n, used; /* sub-tables it has room for; given out */
} hg_slab_t;
typedef struct hg_make hg_make_t;

typedef struct hg_index {
    const hg_store_t *store; /* to ask for the hash and the identity of a ref */
    hg_sub_t **dir;          /* by the top `bits` bits of the hash */
    uint32_t bits, n_subs;
    size_t bytes;
    hg_slab_t *slabs; /* the first one is in use */
    uint64_t *idle;   /* slots of sub-tables that were split: a list through their first word */
    hg_make_t *ahead; /* the next slab, or NULL */
    uint32_t n_ahead; /* sub-tables it will have room for */
} hg_index_t;

typedef struct hg_ident { /* an identity to look for */
    const hg_batch_t *batch;
    uint32_t row, origin;
} hg_ident_t;

int hg_index_init(hg_index_t *x, const hg_store_t *st);
void hg_index_release(hg_index_t *x);
/* refs[i] = ref of the identity (batch, rows[i], origin) with hash[i], or 0. */
void hg_index_probe(const hg_index_t *x, const hg_batch_t *batch, const uint32_t *rows, uint32_t origin,
                    const uint64_t *hash, uint32_t n, hg_ref_t *refs);
/* Room for inserts of these hashes; next[n] is the caller's scratch until unreserve. On failure nothing is reserved. */
int hg_index_reserve(hg_index_t *x, const uint64_t *hash, uint32_t n, uint32_t *next);
void hg_index_unreserve(hg_index_t *x, const uint64_t *hash, uint32_t n);
void hg_index_insert(hg_index_t *x, uint64_t hash, hg_ref_t ref);                /* reserved */
bool hg_index_replace(hg_index_t *x, uint64_t hash, hg_ref_t old, hg_ref_t ref); /* false: `old` is not there */
void hg_index_remove(hg_index_t *x, uint64_t hash, hg_ref_t ref);
/* The ref under which the index knows the live row `ref`: another one while a merge repoints. */
hg_ref_t hg_index_canon(const hg_index_t *x, uint64_t hash, hg_ref_t ref);
static inline hg_sub_t *hg_index_sub(const hg_index_t *x, uint64_t hash)
{
    return x->dir[x->bits ? hash >> (64 - x->bits) : 0];
}
static inline void hg_index_prefetch(const hg_index_t *x, uint64_t hash)
{
    const hg_sub_t *s = hg_index_sub(x, hash);
    if (s->slots) __builtin_prefetch(&s->slots[hash & s->mask]);
}

/* For a restore: an empty index gets the sub-tables that n rows need. Then, on any number of threads that share no hash
 * range (hg_index_range), rows are added while their sub-table takes them; false: insert it later, on one thread. */
int hg_index_size_for(hg_index_t *x, uint64_t n);
bool hg_index_add(hg_index_t *x, uint64_t hash, hg_ref_t ref);
/* Which of `of` ranges (at most 2^32) a hash belongs to; each sub-table is in one. */
static inline uint32_t hg_index_range(const hg_index_t *x, uint64_t hash, uint32_t of)
{
    return x->bits ? (uint32_t)((hash >> (64 - x->bits)) * of >> x->bits) : 0;
}

/* Ordered set of refs by identity: the way out for a sub-table whose hashes collide. */
hg_flood_t *hg_flood_new(const hg_store_t *st, const uint64_t *slots, uint32_t n_slots, uint32_t used);
void hg_flood_free(hg_flood_t *f);
size_t hg_flood_bytes(const hg_flood_t *f);
int hg_flood_reserve(hg_flood_t *f, uint32_t inserts);
hg_ref_t hg_flood_find(const hg_flood_t *f, const hg_ident_t *id);
void hg_flood_insert(hg_flood_t *f, hg_ref_t ref);         /* reserved */
hg_ref_t hg_flood_twin(const hg_flood_t *f, hg_ref_t ref); /* the entry with the identity of ref */
bool hg_flood_replace(hg_flood_t *f, hg_ref_t old, hg_ref_t ref);
void hg_flood_remove(hg_flood_t *f, hg_ref_t ref);

/* --- store (store.c, store_stage.c) ---------------------------------------------------------------------------------
 */
typedef struct hg_manifest {
    atomic_uint refs;
    uint32_t n;
    hg_seg_t *segs[];
} hg_manifest_t;
void hg_manifest_drop(hg_manifest_t *m); /* any thread */

typedef struct hg_put { /* rows to write: rows row[i] of batch, taking the place of old[i] if that is not 0 */
    hg_batch_t *batch;
    uint32_t n;
    uint32_t *row;
    uint64_t *hash;
    hg_ref_t *old;
    int64_t *weight; /* bags; NULL = all 1 */
    uint32_t origin;
} hg_put_t;

typedef struct hg_run { /* a stretch of a put that goes into one segment */
    uint32_t put, from, n;
    hg_seg_t *seg;
} hg_run_t;

typedef struct hg_kill {
    hg_ref_t ref;
    uint64_t hash;
} hg_kill_t;

typedef struct hg_stage {
    hg_put_t *puts;
    uint32_t n_puts, cap_puts;
    hg_kill_t *kills;
    uint32_t n_kills, cap_kills;
    hg_run_t *runs;
    uint32_t n_runs, cap_runs;
    hg_seg_t **segs; /* new segments, last one is the new tail */
    uint32_t n_segs, cap_segs;
    hg_manifest_t *manifest; /* with the new segments; NULL if there are none */
    uint64_t *new_hash;      /* of puts without an old ref */
    uint32_t *next;
    uint32_t n_new;
    bool reserved;
} hg_stage_t;

typedef struct hg_merge hg_merge_t;

struct hg_store {
    const hg_type_t *const *types;
    uint32_t n_cols, n_dims;
    uint32_t *ident; /* columns that make the identity */
    uint32_t n_ident;
    size_t ident_width; /* of a single fixed-width identity that compares by bytes, else 0 */
    bool bag;
    hg_hashkey_t hashkey;
    hg_index_t index;
    hg_manifest_t *manifest;
    hg_seg_t **segs; /* by id; segs[0] is NULL. Also holds segments that a merge has not let go yet */
    uint32_t n_segs, cap_segs;
    uint32_t *free_ids;
    uint32_t n_free_ids;
    hg_seg_t *tail;       /* or NULL */
    uint64_t live, total; /* rows; total counts dead ones too */
    uint32_t epoch;
    bool snapped;      /* a snapshot knows this epoch */
    uint32_t *origins; /* all that ever wrote, for a bag's deletes across origins */
    uint32_t n_origins;
    hg_acct_t *acct;
    hg_stage_t stage;
    hg_pool_t *pool;      /* makes large segments ahead (store_make.c); NULL: they are made on the spot */
    void (*wake)(void *); /* any thread: what the pool was asked for is there */
    void *wake_arg;
    hg_make_t *spare;       /* the next tail, being made or made; or NULL */
    hg_merge_t *merge;      /* going on, or NULL */
    const hg_seg_t *moving; /* listed already, but the index may still know its rows by their old refs (merge.c) */
    _Atomic uint64_t stat_rows, stat_dead, stat_segs, stat_index;
};

/* What the origin of a row of a bag adds to its hash. */
static inline uint64_t hg_origin_hash(uint32_t origin)
{
    return origin * UINT64_C(0x9E3779B97F4A7C15);
}

/* ident NULL: a bag. */
int hg_store_new(const hg_type_t *const *types, uint32_t n_cols, const uint32_t *ident, uint32_t n_ident,
                 hg_hashkey_t hashkey, hg_store_t **ret, hg_err_t *err);
void hg_store_free(hg_store_t *st);
/* hash[i] of the identity of rows sel[i] (NULL = all) of batch. */
void hg_store_hash(const hg_store_t *st, const hg_batch_t *batch, const uint32_t *sel, uint32_t n, uint32_t origin,
                   uint64_t *hash);
static inline hg_seg_t *hg_store_seg(const hg_store_t *st, hg_ref_t r)
{
    return st->segs[hg_ref_seg(r)];
}
static inline uint64_t hg_store_ref_hash(const hg_store_t *st, hg_ref_t r)
{
    return hg_store_seg(st, r)->hash[hg_ref_row(r)];
}
bool hg_store_same(const hg_store_t *st, hg_ref_t r, const hg_ident_t *id);
int hg_store_order(const hg_store_t *st, hg_ref_t r, const hg_ident_t *id); /* ref before, at, after the identity */
int hg_store_order_refs(const hg_store_t *st, hg_ref_t a, hg_ref_t b);
/* All columns of the rows behind refs. */
int hg_store_gather(const hg_store_t *st, const hg_ref_t *refs, uint32_t n, hg_batch_t **ret, hg_err_t *err);
/* Every live row of this origin. A negative return of fn ends the walk. */
int hg_store_each(const hg_store_t *st, uint32_t origin, int (*fn)(void *arg, hg_ref_t ref, hg_err_t *err), void *arg,
                  hg_err_t *err);

/* Staging: eval phase. put shares the batch and takes the arrays, also on failure. */
int hg_store_put(hg_store_t *st, hg_put_t put, hg_err_t *err);
int hg_store_kill(hg_store_t *st, hg_ref_t ref, uint64_t hash, hg_err_t *err);
int hg_store_reserve(hg_store_t *st, hg_err_t *err);
void hg_store_apply(hg_store_t *st);
void hg_store_discard(hg_store_t *st);
int hg_store_add_seg(hg_store_t *st, hg_seg_t *s);     /* gives it an id; takes no reference of its own on failure */
void hg_store_unlist_seg(hg_store_t *st, hg_seg_t *s); /* its id is free; the reference is the caller's now */
void hg_store_del_seg(hg_store_t *st, hg_seg_t *s);    /* and drops it */
void hg_store_publish(hg_store_t *st);                 /* counters for other threads */
hg_manifest_t *hg_manifest_new(uint32_t n);
void hg_seg_kill(hg_store_t *st, hg_seg_t *s, uint32_t row);

/* Rows of a segment for `rows` rows: a power of two. */
uint32_t hg_seg_rows_for(uint64_t rows);
/* In: a capacity wanted, and what `rows` rows take of each dimension. Out: the capacity that HG_SEG_BYTES allows, and
 * the room for as many such rows. */
void hg_seg_plan_room(const hg_store_t *st, uint64_t *need, uint32_t rows, uint32_t *cap);

/* store_make.c: segments made ahead. What a request gives; seg NULL: memory was out. */
typedef struct hg_made {
    hg_seg_t *seg;
    void *block; /* or a block alone */
    size_t block_bytes;
    uint32_t **fwd, *fwd_caps, n_fwd; /* one table per segment that is forwarded, all HG_NONE; blocks */
} hg_made_t;
void hg_made_release(hg_made_t *m);
/* NULL when memory is out. Each request is taken or dropped; both wait for the pool. */
hg_make_t *hg_make_start(hg_store_t *st, uint32_t cap, const uint64_t *room, hg_seg_t *const *forwarded, uint32_t n);
hg_make_t *hg_make_block(const hg_store_t *st, size_t bytes);
bool hg_make_ready(const hg_make_t *k);
hg_made_t hg_make_take(hg_make_t *k);
void hg_make_drop(hg_make_t *k);
/* Circuit thread. A segment whose rows have all moved: unlisted; its memory goes on a pool thread, if there is one. */
void hg_store_retire_seg(hg_store_t *st, hg_seg_t *s);
void hg_store_look_ahead(hg_store_t *st); /* asks for the next tail when it is time */
/* The next tail, or NULL: not there yet, or too narrow for a row that takes first[]. */
hg_seg_t *hg_store_take_spare(hg_store_t *st, const uint64_t *first);

/* merge.c: up to about budget_us of work; true if more can be done now. */
bool hg_store_merge(hg_store_t *st, uint64_t budget_us);
void hg_merge_free(hg_merge_t *m);
/* snap.c */
hg_snap_t *hg_store_snap(hg_store_t *st);
bool hg_snap_is_bag(const hg_snap_t *s);
/* circuit.c; the store is NULL if the relation keeps no rows */
const hg_plan_t *hg_circuit_plan(const hg_circuit_t *c);
hg_store_t *hg_circuit_store(hg_circuit_t *c, uint32_t relation);
struct hg_late *hg_circuit_late(hg_circuit_t *c, uint32_t relation); /* NULL: no LATENESS */
struct hg_hold *hg_circuit_hold(hg_circuit_t *c, uint32_t relation); /* NULL: no row waits */

#endif
