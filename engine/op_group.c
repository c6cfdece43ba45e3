/* op_group.c: numbers groups of equal rows. Keys of new groups are copied once per part, rows are never allocated one
 * by one. NULLs are equal to each other, −0 to 0, NaNs to each other (sql §5.5). One thread at a time. */
#include "base/hg.h"
#include "base/log.h"
#include "engine/plan_int.h"
#include "engine/store_int.h"

typedef struct {
    uint64_t hash;
    uint32_t src, row; /* batch of keys, row in it; src == n_batches: still a row of the part being added */
} group_t;

struct hg_groups {
    const hg_type_t *const *types;
    uint32_t n_cols;
    hg_hashkey_t key; /* drawn per query */
    group_t *groups;
    uint32_t n, cap;
    uint32_t *slots, mask;
    hg_batch_t **batches;
    uint32_t n_batches, cap_batches;
    size_t mem;
};

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while grouping rows");
}

int hg_groups_new(const hg_type_t *const *types, uint32_t n_cols, hg_groups_t **ret, hg_err_t *err)
{
    hg_groups_t *g = HG_NEW(hg_groups_t);
    g->types = types;
    g->n_cols = n_cols;
    hg_random(&g->key, sizeof g->key);
    g->mask = 1023;
    g->slots = hg_tryzero(sizeof *g->slots * 1024);
    if (!g->slots) {
        hg_free(g);
        return no_mem(err);
    }
    *ret = g;
    return 0;
}

void hg_groups_free(hg_groups_t *g)
{
    if (!g) return;
    for (uint32_t i = 0; i < g->n_batches; i++) hg_batch_drop(g->batches[i]);
    hg_free(g->batches);
    hg_free(g->groups);
    hg_free(g->slots);
    hg_free(g);
}

uint32_t hg_groups_count(const hg_groups_t *g)
{
    return g->n;
}
size_t hg_groups_mem(const hg_groups_t *g)
{
    return g->mem + sizeof *g->groups * g->cap + sizeof *g->slots * ((size_t)g->mask + 1);
}

static int room(hg_groups_t *g, uint32_t more)
{
    uint64_t want = (uint64_t)g->n + more;
    if (want > UINT32_MAX / 4) return HG_ENOMEM;
    if (want > g->cap) {
        uint32_t cap = (uint32_t)HG_MAX(want, (uint64_t)g->cap * 2);
        group_t *p = hg_trygrow(g->groups, sizeof *p * cap);
        if (!p) return HG_ENOMEM;
        g->groups = p;
        g->cap = cap;
    }
    if (want * 2 <= (uint64_t)g->mask + 1) return 0;
    uint32_t n = g->mask + 1;
    while (n < want * 2) n *= 2;
    uint32_t *s = hg_tryzero(sizeof *s * n);
    if (!s) return HG_ENOMEM;
    hg_free(g->slots);
    g->slots = s;
    g->mask = n - 1;
    for (uint32_t k = 0; k < g->n; k++) {
        uint32_t i = (uint32_t)g->groups[k].hash & g->mask;
        while (s[i]) i = (i + 1) & g->mask;
        s[i] = k + 1;
    }
    return 0;
}

static bool same(const hg_groups_t *g, const group_t *p, const hg_batch_t *keys, uint32_t row)
{
    const hg_batch_t *b = p->src == g->n_batches ? keys : g->batches[p->src];
    for (uint32_t c = 0; c < g->n_cols; c++)
        if (!hg_cell_eq(b->cols[c], p->row, keys->cols[c], row)) return false;
    return true;
}

static int keep_new(hg_groups_t *g, hg_batch_t *keys, uint32_t from, hg_err_t *err)
{
    uint32_t n = g->n - from;
    if (n == 0) return 0;
    uint32_t *rows = hg_trynew(sizeof *rows * n);
    if (!rows) return no_mem(err);
    if (g->n_batches == g->cap_batches) {
        uint32_t cap = g->cap_batches ? g->cap_batches * 2 : 16;
        hg_batch_t **p = hg_trygrow(g->batches, sizeof(hg_batch_t *) * cap);
        if (!p) {
            hg_free(rows);
            return no_mem(err);
        }
        g->batches = p;
        g->cap_batches = cap;
    }
    for (uint32_t i = 0; i < n; i++) rows[i] = g->groups[from + i].row;
    hg_batch_t *b;
    int rc = hg_batch_gather(keys, rows, n, &b, err);
    hg_free(rows);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < n; i++) g->groups[from + i].row = i;
    g->mem += hg_batch_mem(b);
    g->batches[g->n_batches++] = b;
    return 0;
}

int hg_groups_add(hg_groups_t *g, hg_batch_t *keys, uint32_t *ids, hg_err_t *err)
{
    uint32_t n = keys->n_rows, from = g->n;
    uint64_t *hash = hg_trynew(sizeof *hash * n);
    if (!hash || room(g, n) < 0) {
        hg_free(hash);
        return no_mem(err);
    }
    hg_hash_rows(g->key, keys->cols, g->n_cols, NULL, n, hash);
    for (uint32_t r = 0; r < n; r++) {
        uint32_t i = (uint32_t)hash[r] & g->mask;
        for (; g->slots[i]; i = (i + 1) & g->mask) {
            const group_t *p = &g->groups[g->slots[i] - 1];
            if (p->hash == hash[r] && same(g, p, keys, r)) break;
        }
        if (!g->slots[i]) {
            g->groups[g->n] = (group_t){ .hash = hash[r], .src = g->n_batches, .row = r };
            g->slots[i] = ++g->n;
        }
        ids[r] = g->slots[i] - 1;
    }
    hg_free(hash);
    return keep_new(g, keys, from, err);
}

int hg_groups_col(const hg_groups_t *g, uint32_t c, hg_col_t **ret, hg_err_t *err)
{
    const hg_col_t **srcs = hg_trynew(sizeof *srcs * ((size_t)g->n_batches + 1));
    uint32_t *src = hg_trynew(sizeof *src * g->n), *row = hg_trynew(sizeof *row * g->n);
    int rc = srcs && src && row ? 0 : no_mem(err);
    if (rc == 0) {
        for (uint32_t i = 0; i < g->n_batches; i++) srcs[i] = g->batches[i]->cols[c];
        for (uint32_t i = 0; i < g->n; i++) {
            src[i] = g->groups[i].src;
            row[i] = g->groups[i].row;
        }
        rc = hg_gather(g->types[c], srcs, g->n_batches, src, row, g->n, ret, err);
    }
    hg_free(srcs);
    hg_free(src);
    hg_free(row);
    return rc;
}
