/* owed.c: batches that an output has not delivered when a checkpoint is taken, as a file; and back. See durable_int.h.
 *
 * owed-<checkpoint>-<output>.hgo: per step u64 number, u32 number of parts, u32 0, then the parts as blocks
 * (data/block.h). Length and XXH3 of the whole stand in the manifest. After a restart the batches go into the output's
 * queue before anything new does.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/mem.h"
#include "data/block.h"
#include "pipeline/durable_int.h"
#include <xxhash.h>

#define OWED_MAX ((size_t)4 << 30)

typedef struct {
    hg_buf_t *out;
    const hg_type_t **types;
} writer_t;

const hg_type_t **hg_relation_types(const hg_pipeline_t *p, uint32_t relation, uint32_t *ret_n)
{
    const hg_schema_t *s = &p->prog->plan.relations[relation].schema;
    const hg_type_t **types = HG_NEWN(const hg_type_t *, s->n_cols + 1);
    for (uint32_t i = 0; i < s->n_cols; i++) types[i] = s->cols[i].type;
    *ret_n = s->n_cols;
    return types;
}

static int put_step(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    writer_t *x = arg;
    uint32_t head[2] = { d->n, 0 };
    int rc = hg_buf_add(x->out, &step, sizeof step);
    if (rc == 0) rc = hg_buf_add(x->out, head, sizeof head);
    if (rc < 0) return hg_err_set(err, rc, "out of memory storing the batches that an output owes");
    for (uint32_t i = 0; i < d->n && rc == 0; i++) {
        const hg_part_t *p = d->parts[i];
        rc = hg_block_write(x->out, p->batch, x->types, p->sel, p->n, p->weights, err);
    }
    return rc;
}

static int write_file(const char *path, hg_str_t bytes, hg_err_t *err)
{
    hg_dfile_t *f;
    int rc = hg_dfile_new(path, &f, err);
    if (rc < 0) return rc;
    rc = hg_dfile_write(f, bytes.p, bytes.n, err);
    if (rc == 0) return hg_dfile_finish(f, "owed", err);
    hg_dfile_abort(f);
    return rc;
}

int hg_owed_write(endpoint_t *ep, const char *dir, uint64_t number, uint64_t step, hg_jw_t *state, hg_jw_t *w,
                  hg_err_t *err)
{
    uint32_t n;
    hg_buf_t bytes;
    writer_t x = { &bytes, hg_relation_types(ep->p, ep->relation, &n) };
    char name[64];
    snprintf(name, sizeof name, "owed-%010" PRIu64 "-%u.hgo", number, ep->id);
    char *path = hg_xprintf("%s/%s", dir, name);
    hg_buf_init(&bytes, OWED_MAX);
    int rc = hg_output_owed(ep->out, step, put_step, &x, state, err);
    if (rc == 0 && bytes.len) rc = write_file(path, hg_buf_str(&bytes), err);
    if (rc == 0 && bytes.len) {
        char sum[17];
        snprintf(sum, sizeof sum, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes.p, bytes.len));
        hg_jw_obj(w);
        hg_jw_kstr(w, "file", name);
        hg_jw_ku64(w, "bytes", bytes.len);
        hg_jw_kstr(w, "xxh3", sum);
        hg_jw_end_obj(w);
    }
    hg_buf_release(&bytes);
    hg_free(x.types);
    hg_free(path);
    return rc;
}

/* --- reading --- */

static int damaged(hg_err_t *err, const char *path, const char *why, size_t off)
{
    return hg_err_set(err, HG_EDAMAGED, "%s is damaged: %s at byte %zu", path, why, off);
}

struct hg_owed_step {
    endpoint_t *ep;
    uint64_t step;
    hg_delta_t delta;
};

static void keep(hg_owed_t *list, endpoint_t *ep, uint64_t step, const hg_delta_t *d)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->v = hg_xgrow(list->v, list->cap * sizeof *list->v);
    }
    list->v[list->n++] = (struct hg_owed_step){ ep, step, *d };
}

void hg_owed_push(hg_owed_t *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct hg_owed_step *s = &list->v[i];
        hg_output_push(s->ep->out, s->step, &s->delta, atomic_load(&s->ep->p->processed_records));
    }
    list->n = 0;
}

void hg_owed_release(hg_owed_t *list)
{
    for (uint32_t i = 0; i < list->n; i++) hg_delta_release(&list->v[i].delta);
    hg_free(list->v);
    *list = (hg_owed_t){ 0 };
}

static int take_step(hg_owed_t *list, endpoint_t *ep, hg_str_t *in, const hg_type_t **types, uint32_t n_cols,
                     hg_err_t *err)
{
    uint64_t step;
    uint32_t n;
    hg_delta_t d = { 0 };
    if (in->n < 16) return hg_err_set(err, HG_EDAMAGED, "a step is cut off");
    memcpy(&step, in->p, 8);
    memcpy(&n, in->p + 8, 4);
    *in = (hg_str_t){ in->p + 16, in->n - 16 };
    for (uint32_t i = 0; i < n; i++) {
        hg_part_t *part;
        int rc = hg_block_read(in, types, n_cols, &part, err);
        if (rc == 0 && hg_delta_add(&d, part) < 0) rc = hg_err_set(err, HG_ENOMEM, "out of memory");
        if (rc < 0) {
            hg_delta_release(&d);
            return rc;
        }
    }
    keep(list, ep, step, &d);
    return 0;
}

int hg_owed_read(endpoint_t *ep, const char *dir, const hg_json_t *owed, hg_owed_t *list, hg_err_t *err)
{
    uint32_t n_cols;
    uint64_t len = 0;
    hg_buf_t bytes;
    char sum[17];
    const char *name = hg_json_str(hg_json_get(owed, "file"), "");
    char *path = hg_xprintf("%s/%s", dir, name);
    const hg_type_t **types = hg_relation_types(ep->p, ep->relation, &n_cols);
    hg_buf_init(&bytes, OWED_MAX);
    int rc = strchr(name, '/') ? damaged(err, path, "its name has a slash", 0) : hg_file_read(path, &bytes, err);
    snprintf(sum, sizeof sum, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes.p, bytes.len));
    if (rc == 0 && (hg_json_u64(hg_json_get(owed, "bytes"), &len) < 0 || len != bytes.len ||
                    strcmp(sum, hg_json_str(hg_json_get(owed, "xxh3"), "")) != 0))
        rc = damaged(err, path, "length or checksum differ from the manifest", 0);
    hg_str_t in = hg_buf_str(&bytes);
    while (rc == 0 && in.n) {
        size_t at = bytes.len - in.n;
        rc = take_step(list, ep, &in, types, n_cols, err);
        if (rc < 0) hg_err_wrap(err, "%s, step at byte %zu", path, at);
    }
    hg_buf_release(&bytes);
    hg_free(types);
    hg_free(path);
    return rc;
}
