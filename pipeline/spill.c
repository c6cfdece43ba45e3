/* spill.c: see spill.h. Runs are made here; merging them is spill_merge.c. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/spill_int.h"

#define FRAME_BYTES ((size_t)64 << 10)
#define FRAME_ROWS  4096u
#define SORT_BYTES  48 /* what sorting takes per row, beside the rows */

hg_spill_t *hg_spill_new(const char *dir, const hg_schema_t *schema, const uint32_t *key, uint32_t n_key)
{
    hg_spill_t *s = HG_NEW(hg_spill_t);
    s->dir = hg_xstrdup(dir);
    s->n_cols = schema->n_cols;
    s->n_key = n_key;
    s->types = HG_NEWN(const hg_type_t *, s->n_cols + 1);
    s->schema_types = HG_NEWN(const hg_type_t *, s->n_cols + 1);
    s->order = HG_NEWN(uint32_t, s->n_cols + 1);
    bool *used = HG_NEWN(bool, s->n_cols + 1);
    uint32_t n = 0;
    for (uint32_t k = 0; k < n_key; k++) {
        if (!used[key[k]]) s->order[n++] = key[k];
        used[key[k]] = true;
    }
    s->n_key = n;
    for (uint32_t i = 0; i < s->n_cols; i++)
        if (!used[i]) s->order[n++] = i;
    for (uint32_t i = 0; i < s->n_cols; i++) {
        s->types[i] = schema->cols[s->order[i]].type;
        s->schema_types[i] = schema->cols[i].type;
    }
    hg_free(used);
    return s;
}

void hg_spill_free(hg_spill_t *s)
{
    if (!s) return;
    hg_delta_release(&s->mem);
    hg_delta_release(&s->aside);
    for (uint32_t i = 0; i < s->n_runs; i++) hg_spillfile_free(s->runs[i].file);
    hg_free(s->runs);
    hg_free(s->order);
    hg_free(s->types);
    hg_free(s->schema_types);
    hg_free(s->dir);
    hg_free(s);
}

static size_t part_mem(const hg_part_t *p)
{
    return hg_batch_mem(p->batch) + (size_t)p->n * SORT_BYTES;
}

int hg_spill_add(hg_spill_t *s, const hg_delta_t *d, hg_err_t *err)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (hg_delta_add(&s->mem, hg_part_retain(d->parts[i])) < 0)
            return hg_err_set(err, HG_ENOMEM, "out of memory keeping the changes of a transaction");
        s->mem_bytes += part_mem(d->parts[i]);
    }
    return 0;
}

size_t hg_spill_mem(const hg_spill_t *s)
{
    return s->mem_bytes;
}

uint32_t hg_spill_runs(const hg_spill_t *s)
{
    return s->n_runs;
}

void hg_spill_take(hg_spill_t *s)
{
    HG_ASSERT(s->aside.n == 0);
    s->aside = s->mem;
    s->mem = (hg_delta_t){ 0 };
    s->mem_bytes = 0;
}

/* The same rows with the columns in the order of the sort. */
static int reorder(const hg_spill_t *s, hg_part_t *p, hg_part_t **ret)
{
    uint32_t *sel = p->sel ? hg_trynew(sizeof *sel * (p->n + 1)) : NULL;
    int64_t *weights = p->weights ? hg_trynew(sizeof *weights * (p->n + 1)) : NULL;
    if ((p->sel && !sel) || (p->weights && !weights)) {
        hg_free(sel);
        hg_free(weights);
        return HG_ENOMEM;
    }
    if (sel) memcpy(sel, p->sel, sizeof *sel * p->n);
    if (weights) memcpy(weights, p->weights, sizeof *weights * p->n);
    hg_batch_t *b = hg_batch_new(p->batch->n_rows, s->n_cols);
    for (uint32_t i = 0; i < s->n_cols; i++) b->cols[i] = hg_col_retain(p->batch->cols[s->order[i]]);
    *ret = hg_part_new(b, sel, p->n, weights);
    return 0;
}

int hg_spill_net(const hg_spill_t *s, const hg_delta_t *d, bool ordered, hg_delta_t *ret, hg_err_t *err)
{
    hg_delta_t in = { 0 };
    int rc = 0;
    if (!ordered || s->n_key == 0)
        return hg_delta_consolidate(d, ordered ? s->types : s->schema_types, s->n_cols, ret, err);
    for (uint32_t i = 0; i < d->n && rc == 0; i++) {
        hg_part_t *p;
        rc = reorder(s, d->parts[i], &p);
        if (rc == 0) rc = hg_delta_add(&in, p);
    }
    if (rc < 0)
        hg_err_set(err, HG_ENOMEM, "no memory to sort the changes of a transaction");
    else
        rc = hg_delta_consolidate(&in, s->types, s->n_cols, ret, err);
    hg_delta_release(&in);
    return rc;
}

static int write_part(const hg_spill_t *s, hg_spillfile_t *f, const hg_part_t *p, hg_buf_t *scratch, hg_err_t *err)
{
    uint32_t sel[FRAME_ROWS];
    size_t row = hg_batch_mem(p->batch) / p->n + 1;
    uint32_t step = (uint32_t)HG_MIN(HG_MAX(FRAME_BYTES / row, (size_t)1), (size_t)FRAME_ROWS);
    int rc = 0;
    for (uint32_t at = 0; at < p->n && rc == 0; at += step) {
        uint32_t n = HG_MIN(step, p->n - at);
        for (uint32_t i = 0; i < n; i++) sel[i] = at + i;
        rc = hg_spillfile_add(f, p->batch, s->types, sel, n, p->weights + at, scratch, err);
    }
    return rc;
}

int hg_spill_write(hg_spill_t *s, hg_err_t *err)
{
    hg_delta_t net = { 0 };
    hg_spillfile_t *f = NULL;
    hg_buf_t scratch;
    hg_buf_init(&scratch, HG_BUF_NOMAX);
    int rc = hg_spill_net(s, &s->aside, true, &net, err);
    if (rc == 0 && net.n) rc = hg_spillfile_new(s->dir, &f, err);
    for (uint32_t i = 0; i < net.n && rc == 0; i++) rc = write_part(s, f, net.parts[i], &scratch, err);
    if (rc < 0)
        hg_spillfile_free(f);
    else if (net.n)
        hg_spill_add_run(s, f, hg_delta_rows(&net));
    if (rc == 0) hg_delta_release(&s->aside);
    hg_delta_release(&net);
    hg_buf_release(&scratch);
    return rc;
}

void hg_spill_add_run(hg_spill_t *s, hg_spillfile_t *f, uint64_t rows)
{
    s->runs = hg_xgrow(s->runs, (s->n_runs + 1) * sizeof *s->runs);
    s->runs[s->n_runs++] = (hg_run_t){ f, rows };
}

int hg_spill_finish(hg_spill_t *s, hg_spill_watch_t *watch, hg_delta_t *ret, hg_group_t **ret_group, hg_err_t *err)
{
    int rc = 0;
    *ret = (hg_delta_t){ 0 };
    *ret_group = NULL;
    if (s->n_runs == 0) {
        rc = hg_spill_net(s, &s->mem, false, ret, err);
        return rc;
    }
    if (s->aside.n == 0) hg_spill_take(s);
    rc = hg_spill_write(s, err);
    return rc < 0 ? rc : hg_spill_merge(s, watch, ret_group, err);
}
