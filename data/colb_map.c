/* colb_map.c: closing a row of a MAP builder with its entries in order.
 *
 * Most maps arrive in order, or nearly so: then a look at the keys is all. Otherwise the row's entries are copied to
 * two builders of the scratch, in order, and back. Sealed-column views of builders make comparing and copying those of
 * any type; they are made once per builder and only pointed anew. */
#include "base/hg.h"
#include "data/col_int.h"

struct hg_mapsort {
    hg_colb_t part[2];
    hg_col_t *own[2], *moved[2]; /* views of the children, of part */
    uint32_t *order, cap;
};

/* A column that only points: its buffers belong to a builder. */
static hg_col_t *view_new(const hg_colb_t *b)
{
    hg_col_t *c = hg_col_bare(b->type, 0);
    for (uint32_t i = 0; i < b->n_child; i++) c->child[i] = view_new(&b->child[i]);
    return c;
}

static void view_free(hg_col_t *c)
{
    for (uint32_t i = 0; i < c->n_child; i++) view_free(c->child[i]);
    hg_free(c->child);
    hg_free(c);
}

static void view(hg_col_t *c, const hg_colb_t *b)
{
    c->len = b->len;
    c->nulls = b->nulls;
    c->validity = b->validity;
    c->data = b->data ? b->data : hg_col_zeros;
    c->offs = b->offs ? b->offs : (int32_t *)(void *)hg_col_zeros;
    c->bytes = b->bytes ? b->bytes : (char *)hg_col_zeros;
    for (uint32_t i = 0; i < b->n_child; i++) view(c->child[i], &b->child[i]);
}

static struct hg_mapsort *sort_new(const hg_colb_t *b)
{
    struct hg_mapsort *s = HG_NEW(struct hg_mapsort);
    for (int k = 0; k < 2; k++) {
        hg_colb_init(&s->part[k], b->child[k].type);
        s->own[k] = view_new(&b->child[k]);
        s->moved[k] = view_new(&s->part[k]);
    }
    return s;
}

void hg_mapsort_free(hg_colb_t *b)
{
    struct hg_mapsort *s = b->sort;
    if (!s) return;
    for (int k = 0; k < 2; k++) {
        view_free(s->own[k]);
        view_free(s->moved[k]);
        hg_colb_release(&s->part[k]);
    }
    hg_free(s->order);
    hg_free(s);
    b->sort = NULL;
}

static int by_key(const void *a, const void *b, void *keys)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int c = hg_cell_cmp(keys, x, keys, y);
    return c ? c : (x > y) - (x < y);
}

static bool rising(const hg_col_t *keys, uint32_t from)
{
    for (uint32_t i = from; i + 1 < keys->len; i++)
        if (hg_cell_cmp(keys, i, keys, i + 1) >= 0) return false;
    return true;
}

/* The entries in order, of equal keys the last, into s->part. */
static int sort_out(struct hg_mapsort *s, uint32_t from, uint32_t n)
{
    if (n > s->cap) {
        hg_free(s->order);
        s->cap = 0;
        s->order = hg_trynew(sizeof *s->order * n * 2);
        if (!s->order) return HG_ENOMEM;
        s->cap = n * 2;
    }
    for (uint32_t i = 0; i < n; i++) s->order[i] = from + i;
    qsort_r(s->order, n, sizeof *s->order, by_key, s->own[0]);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (i + 1 < n && hg_cell_cmp(s->own[0], s->order[i], s->own[0], s->order[i + 1]) == 0) continue;
        for (int k = 0; k < 2 && rc == 0; k++) rc = hg_colb_copy(&s->part[k], s->own[k], s->order[i]);
    }
    return rc;
}

int hg_colb_close_map(hg_colb_t *b)
{
    HG_DASSERT(b->phys == HG_PHYS_MAP && b->child[0].len == b->child[1].len);
    uint32_t from = b->offs ? (uint32_t)b->offs[b->len] : 0, n = b->child[0].len - from;
    if (n < 2) return hg_colb_close_list(b);
    if (!b->sort) b->sort = sort_new(b);
    struct hg_mapsort *s = b->sort;
    view(s->own[0], &b->child[0]);
    if (rising(s->own[0], from)) return hg_colb_close_list(b);
    view(s->own[1], &b->child[1]);
    int rc = sort_out(s, from, n);
    for (int k = 0; k < 2 && rc == 0; k++) {
        view(s->moved[k], &s->part[k]);
        hg_colb_truncate(&b->child[k], from);
        for (uint32_t i = 0; i < s->part[k].len && rc == 0; i++) rc = hg_colb_copy(&b->child[k], s->moved[k], i);
    }
    for (int k = 0; k < 2; k++) hg_colb_truncate(&s->part[k], 0);
    if (rc == 0) return hg_colb_close_list(b);
    for (int k = 0; k < 2; k++) hg_colb_truncate(&b->child[k], from);
    return rc;
}
