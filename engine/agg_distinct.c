/* agg_distinct.c: the set of (group, value) pairs behind COUNT(DISTINCT x) and its like.
 *
 * Values live in one column builder, entries in an open-addressing table of indexes into it, at most half full. The
 * hash key is drawn per process, so input cannot aim at a bucket; no result depends on it. One thread at a time. */
#include "base/hg.h"
#include <pthread.h>
#include <sys/random.h>
#include "base/mem.h"
#include "engine/agg_state_int.h"

#define FREE UINT32_MAX

struct hg_distinct {
    const hg_type_t *type;
    hg_colb_t values;
    uint32_t *groups; /* per value */
    uint64_t *hashes; /* per value */
    uint32_t cap;     /* of groups and hashes */
    uint32_t *slots;
    uint32_t mask;      /* slots - 1; 0: none yet */
    uint64_t *row_hash; /* of the current update */
    uint32_t row_cap;
};

static hg_hashkey_t process_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    if (getrandom(&process_key, sizeof process_key, 0) != (ssize_t)sizeof process_key)
        process_key = (hg_hashkey_t){ .k0 = (uint64_t)(uintptr_t)&process_key, .k1 = UINT64_C(0x9e3779b97f4a7c15) };
}

hg_distinct_t *hg_distinct_new(const hg_type_t *type)
{
    pthread_once(&key_once, draw_key);
    hg_distinct_t *d = HG_NEW(hg_distinct_t);
    d->type = type;
    hg_colb_init(&d->values, type);
    return d;
}

void hg_distinct_free(hg_distinct_t *d)
{
    if (!d) return;
    hg_colb_release(&d->values);
    hg_free(d->groups);
    hg_free(d->hashes);
    hg_free(d->slots);
    hg_free(d->row_hash);
    hg_free(d);
}

int hg_distinct_begin(hg_distinct_t *d, hg_col_t *col)
{
    if (d->row_cap < col->len) {
        uint64_t *h = hg_trygrow(d->row_hash, sizeof *h * col->len);
        if (!h) return HG_ENOMEM;
        d->row_hash = h;
        d->row_cap = col->len;
    }
    hg_hash_rows(process_key, &col, 1, NULL, col->len, d->row_hash);
    return 0;
}

static int grow_slots(hg_distinct_t *d)
{
    uint32_t n = d->mask ? (d->mask + 1) * 2 : 64;
    uint32_t *slots = hg_trynew(sizeof *slots * n);
    if (!slots || n == 0) {
        hg_free(slots);
        return HG_ENOMEM;
    }
    memset(slots, 0xff, sizeof *slots * n);
    for (uint32_t i = 0; i < d->values.len; i++) {
        uint32_t at = (uint32_t)d->hashes[i] & (n - 1);
        while (slots[at] != FREE) at = (at + 1) & (n - 1);
        slots[at] = i;
    }
    hg_free(d->slots);
    d->slots = slots;
    d->mask = n - 1;
    return 0;
}

static int grow_entries(hg_distinct_t *d)
{
    if (d->values.len < d->cap) return 0;
    uint32_t cap = d->cap ? d->cap * 2 : 64;
    uint32_t *g = hg_trygrow(d->groups, sizeof *g * cap);
    if (!g) return HG_ENOMEM;
    d->groups = g;
    uint64_t *h = hg_trygrow(d->hashes, sizeof *h * cap);
    if (!h) return HG_ENOMEM;
    d->hashes = h;
    d->cap = cap;
    return 0;
}

int hg_distinct_add(hg_distinct_t *d, uint32_t group, const hg_col_t *col, uint32_t row)
{
    if (!d->mask || d->values.len >= d->mask / 2) {
        int rc = grow_slots(d);
        if (rc < 0) return rc;
    }
    uint64_t h = (d->row_hash[row] ^ group) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 32;
    /* the builder seen as a column, to compare cells of the same kind */
    hg_col_t seen = {
        .type = d->type, .len = d->values.len, .data = d->values.data, .offs = d->values.offs, .bytes = d->values.bytes
    };
    uint32_t at = (uint32_t)h & d->mask;
    for (; d->slots[at] != FREE; at = (at + 1) & d->mask) {
        uint32_t i = d->slots[at];
        if (d->hashes[i] == h && d->groups[i] == group && hg_cell_cmp(&seen, i, col, row) == 0) return 0;
    }
    int rc = grow_entries(d);
    if (rc == 0) rc = hg_colb_copy(&d->values, col, row);
    if (rc < 0) return HG_ENOMEM;
    uint32_t i = d->values.len - 1;
    d->groups[i] = group;
    d->hashes[i] = h;
    d->slots[at] = i;
    return 1;
}

size_t hg_distinct_mem(const hg_distinct_t *d)
{
    return hg_colb_bytes(&d->values) + d->cap * (sizeof *d->groups + sizeof *d->hashes) +
           (d->mask ? ((size_t)d->mask + 1) * sizeof *d->slots : 0) + d->row_cap * sizeof *d->row_hash;
}
