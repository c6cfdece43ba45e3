/* spill_group.c: groups that are read from files: what a merge has written, or pieces as they came. See spill.h. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/spill_int.h"

typedef struct {
    hg_group_t base;
    hg_spillfile_t *files[2];
    const hg_type_t **types;
    uint32_t n_cols;
    void (*on_lost)(void *arg, const hg_err_t *err);
    void *lost_arg;
} group_t;

/* The cursor is a place in both files, one behind the other. */
static int group_next(hg_group_t *base, uint64_t *cursor, hg_delta_t *ret, hg_err_t *err)
{
    const group_t *g = (const group_t *)base;
    uint64_t first = hg_spillfile_size(g->files[0]);
    bool second = *cursor >= first && g->files[1];
    uint64_t at = second ? *cursor - first : *cursor;
    hg_part_t *p;
    int rc = hg_spillfile_read(g->files[second], &at, g->types, g->n_cols, &p, err);
    if (rc < 0) return rc;
    *ret = (hg_delta_t){ 0 };
    *cursor = second ? first + at : at;
    if (!p) return 0;
    return hg_delta_add(ret, p) < 0 ? hg_err_set(err, HG_ENOMEM, "no memory to send a transaction") : 0;
}

static void group_lost(hg_group_t *base, const hg_err_t *err)
{
    const group_t *g = (const group_t *)base;
    if (g->on_lost) g->on_lost(g->lost_arg, err);
}

static void group_free(hg_group_t *base)
{
    group_t *g = (group_t *)base;
    for (size_t i = 0; i < HG_COUNT(g->files); i++) hg_spillfile_free(g->files[i]);
    hg_free(g->types);
    hg_free(g);
}

hg_group_t *hg_spill_group(hg_spillfile_t *const files[2], const hg_type_t *const *types, uint32_t n_cols,
                           uint64_t rows, void (*lost)(void *arg, const hg_err_t *err), void *lost_arg)
{
    group_t *g = HG_NEW(group_t);
    atomic_init(&g->base.refs, 1);
    g->base.rows = rows;
    g->base.next = group_next;
    g->base.lost = group_lost;
    g->base.free = group_free;
    g->types = HG_NEWN(const hg_type_t *, n_cols + 1);
    memcpy(g->types, types, n_cols * sizeof *g->types);
    g->n_cols = n_cols;
    memcpy(g->files, files, sizeof g->files);
    g->on_lost = lost;
    g->lost_arg = lost_arg;
    return &g->base;
}

/* --- pieces as they came --- */

struct hg_spill_copy {
    hg_spillfile_t *file;
    const hg_type_t **types;
    uint32_t n_cols;
    uint64_t rows;
    hg_buf_t scratch;
};

int hg_spill_copy_new(const char *dir, const hg_schema_t *schema, hg_spill_copy_t **ret, hg_err_t *err)
{
    hg_spillfile_t *f;
    int rc = hg_spillfile_new(dir, &f, err);
    if (rc < 0) return rc;
    hg_spill_copy_t *c = HG_NEW(hg_spill_copy_t);
    c->file = f;
    c->n_cols = schema->n_cols;
    c->types = HG_NEWN(const hg_type_t *, c->n_cols + 1);
    for (uint32_t i = 0; i < c->n_cols; i++) c->types[i] = schema->cols[i].type;
    hg_buf_init(&c->scratch, HG_BUF_NOMAX);
    *ret = c;
    return 0;
}

void hg_spill_copy_free(hg_spill_copy_t *c)
{
    if (!c) return;
    hg_spillfile_free(c->file);
    hg_buf_release(&c->scratch);
    hg_free(c->types);
    hg_free(c);
}

int hg_spill_copy_add(hg_spill_copy_t *c, const hg_delta_t *piece, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < piece->n && rc == 0; i++) {
        const hg_part_t *p = piece->parts[i];
        rc = hg_spillfile_add(c->file, p->batch, c->types, p->sel, p->n, p->weights, &c->scratch, err);
        c->rows += p->n;
    }
    return rc;
}

hg_group_t *hg_spill_copy_group(hg_spill_copy_t *c, void (*lost)(void *arg, const hg_err_t *err), void *arg)
{
    hg_spillfile_t *files[2] = { c->file, NULL };
    c->file = NULL;
    return hg_spill_group(files, c->types, c->n_cols, c->rows, lost, arg);
}
