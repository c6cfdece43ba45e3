/* owed.c: batches that an output has not delivered when a checkpoint is taken, as a file; and back. See durable_int.h.
 *
 * owed-<checkpoint>-<output>.hgo: per step u64 number, u32 number of parts, u32 0, then the parts as blocks
 * (data/block.h). A step that comes several times in a row is one batch in several pieces: a transaction that is too
 * large to be held in memory, neither when it is written nor when it is read. Length and XXH3 of the whole stand in the
 * manifest. After a restart the batches go into the output's queue before anything new does.
 */
#include "base/hg.h"
#define XXH_INLINE_ALL
#include "base/fault.h"
#include "base/mem.h"
#include "data/block.h"
#include "pipeline/durable_int.h"
#include "pipeline/spill.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

typedef struct {
    const char *path;
    hg_dfile_t *file; /* NULL: nothing is owed so far */
    hg_buf_t piece;
    XXH3_state_t *sum;
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

/* Of a group (connectors/host/host.h) each piece comes by itself, with the same step. */
static int put_step(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    writer_t *x = arg;
    uint32_t head[2] = { d->n, 0 };
    hg_buf_clear(&x->piece);
    int rc = hg_buf_add(&x->piece, &step, sizeof step);
    if (rc == 0) rc = hg_buf_add(&x->piece, head, sizeof head);
    if (rc < 0) return hg_err_set(err, rc, "out of memory storing the batches that an output owes");
    for (uint32_t i = 0; i < d->n && rc == 0; i++) {
        const hg_part_t *p = d->parts[i];
        rc = hg_block_write(&x->piece, p->batch, x->types, p->sel, p->n, p->weights, err);
    }
    if (rc == 0 && !x->file) rc = hg_dfile_new(x->path, &x->file, err);
    if (rc == 0) rc = hg_dfile_write(x->file, x->piece.p, x->piece.len, err);
    XXH3_64bits_update(x->sum, x->piece.p, x->piece.len);
    return rc;
}

/* Takes the file. */
static int finish(writer_t *x, const char *name, hg_jw_t *w, hg_err_t *err)
{
    char sum[17];
    uint64_t bytes = hg_dfile_size(x->file);
    int rc = hg_dfile_finish(x->file, "owed", err);
    x->file = NULL;
    if (rc < 0) return rc;
    snprintf(sum, sizeof sum, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(x->sum));
    hg_jw_obj(w);
    hg_jw_kstr(w, "file", name);
    hg_jw_ku64(w, "bytes", bytes);
    hg_jw_kstr(w, "xxh3", sum);
    hg_jw_end_obj(w);
    return 0;
}

int hg_owed_write(endpoint_t *ep, const char *dir, uint64_t number, uint64_t step, hg_jw_t *state, hg_jw_t *w,
                  hg_err_t *err)
{
    uint32_t n;
    char name[64];
    snprintf(name, sizeof name, "owed-%010" PRIu64 "-%u.hgo", number, ep->id);
    char *path = hg_xprintf("%s/%s", dir, name);
    writer_t x = { .path = path, .sum = XXH3_createState(), .types = hg_relation_types(ep->p, ep->relation, &n) };
    hg_buf_init(&x.piece, HG_BUF_NOMAX);
    XXH3_64bits_reset(x.sum);
    int rc = hg_output_owed(ep->out, step, put_step, &x, state, err);
    if (rc == 0 && x.file) rc = finish(&x, name, w, err);
    hg_dfile_abort(x.file);
    hg_buf_release(&x.piece);
    XXH3_freeState(x.sum);
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
    hg_delta_t delta; /* or */
    hg_spill_copy_t *copy;
};

/* One more piece of a step: what are many go to a file of their own, as they were. */
static int more_of(const hg_pipeline_t *p, struct hg_owed_step *s, hg_delta_t *d, hg_err_t *err)
{
    const char *dir = hg_storage_dir(p->durable->storage);
    int rc = s->copy ? 0 : hg_spill_copy_new(dir, &p->prog->plan.relations[s->ep->relation].schema, &s->copy, err);
    if (rc == 0 && s->delta.n) rc = hg_spill_copy_add(s->copy, &s->delta, err);
    hg_delta_release(&s->delta);
    if (rc == 0) rc = hg_spill_copy_add(s->copy, d, err);
    hg_delta_release(d);
    return rc;
}

static void keep(hg_owed_t *list, endpoint_t *ep, uint64_t step, const hg_delta_t *d)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->v = hg_xgrow(list->v, list->cap * sizeof *list->v);
    }
    list->v[list->n++] = (struct hg_owed_step){ .ep = ep, .step = step, .delta = *d };
}

static void lost(void *arg, const hg_err_t *err)
{
    hg_pipeline_fail(arg, err);
}

void hg_owed_push(hg_owed_t *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct hg_owed_step *s = &list->v[i];
        uint64_t processed = atomic_load(&s->ep->p->processed_records);
        if (s->copy) {
            hg_group_t *g = hg_spill_copy_group(s->copy, lost, s->ep->p);
            hg_spill_copy_free(s->copy); /* its file is the group's now */
            hg_output_push_group(s->ep->out, s->step, g, processed);
            hg_group_drop(g);
        } else {
            hg_output_push(s->ep->out, s->step, &s->delta, processed);
        }
    }
    list->n = 0;
}

void hg_owed_release(hg_owed_t *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        hg_delta_release(&list->v[i].delta);
        hg_spill_copy_free(list->v[i].copy);
    }
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
    struct hg_owed_step *last = list->n ? &list->v[list->n - 1] : NULL;
    if (last && last->ep == ep && last->step == step) return more_of(ep->p, last, &d, err);
    keep(list, ep, step, &d);
    return 0;
}

/* The whole file where it is: the pages go back by themselves. */
static int map_file(const char *path, hg_str_t *ret, hg_err_t *err)
{
    struct stat st = { 0 };
    *ret = (hg_str_t){ "", 0 };
    errno = EIO;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    if (fd < 0 || hg_fault(HG_FAULT_READ) || fstat(fd, &st) < 0) {
        rc = hg_err_errno(err, errno, "cannot read %s", path);
    } else if (st.st_size) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = hg_err_errno(err, errno, "cannot read %s", path);
        else
            *ret = (hg_str_t){ p, (size_t)st.st_size };
    }
    if (fd >= 0) close(fd);
    return rc;
}

int hg_owed_read(endpoint_t *ep, const char *dir, const hg_json_t *owed, hg_owed_t *list, hg_err_t *err)
{
    uint32_t n_cols;
    uint64_t len = 0;
    hg_str_t bytes = { "", 0 };
    char sum[17];
    const char *name = hg_json_str(hg_json_get(owed, "file"), "");
    char *path = hg_xprintf("%s/%s", dir, name);
    const hg_type_t **types = hg_relation_types(ep->p, ep->relation, &n_cols);
    int rc = strchr(name, '/') ? damaged(err, path, "its name has a slash", 0) : map_file(path, &bytes, err);
    snprintf(sum, sizeof sum, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes.p, bytes.n));
    if (rc == 0 && (hg_json_u64(hg_json_get(owed, "bytes"), &len) < 0 || len != bytes.n ||
                    strcmp(sum, hg_json_str(hg_json_get(owed, "xxh3"), "")) != 0))
        rc = damaged(err, path, "length or checksum differ from the manifest", 0);
    hg_str_t in = bytes;
    while (rc == 0 && in.n) {
        size_t at = bytes.n - in.n;
        rc = take_step(list, ep, &in, types, n_cols, err);
        if (rc < 0) hg_err_wrap(err, "%s, step at byte %zu", path, at);
    }
    if (bytes.n) munmap((void *)(uintptr_t)bytes.p, bytes.n);
    hg_free(types);
    hg_free(path);
    return rc;
}
