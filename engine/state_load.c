/* state_load.c: one segment of a checkpoint, from its pieces on disk.
 *
 * A task of a restore (state_restore.c), on any of its threads; it touches nothing but its own segment. Nothing is
 * allocated for a length that has not been compared with the size of the file on disk, and no byte is believed before
 * its checksum.
 */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "data/block.h"
#include "engine/state_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while restoring a checkpoint");
}

/* --- regions ------------------------------------------------------------------------------------------------------ */

static int damaged(const hg_load_t *l, const hg_sfile_t *f, uint64_t offset, hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EDAMAGED, "%s/%s is damaged at offset %" PRIu64 ": %s", l->dir, f->name, offset, what);
}

static int read_at(const hg_load_t *l, const hg_sfile_t *f, int fd, void *p, size_t n, uint64_t offset, hg_err_t *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t got =
            hg_fault(HG_FAULT_READ) ? (errno = EIO, -1) : pread(fd, (char *)p + at, n - at, (off_t)(offset + at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return hg_err_errno(err, errno, "cannot read %s/%s", l->dir, f->name);
        if (got == 0) return damaged(l, f, offset + at, err, "it ends here");
        at += (size_t)got;
    }
    return 0;
}

static int check_file(const hg_load_t *l, const hg_sfile_t *f, int fd, hg_err_t *err)
{
    struct stat st;
    hg_file_head_t h, want = { .version = HG_STATE_VERSION };
    if (fstat(fd, &st) < 0) return hg_err_errno(err, errno, "cannot read %s/%s", l->dir, f->name);
    if ((uint64_t)st.st_size != f->size)
        return hg_err_set(err, HG_EDAMAGED, "%s/%s is damaged: it has %" PRIu64 " bytes instead of %" PRIu64, l->dir,
                          f->name, (uint64_t)st.st_size, f->size);
    int rc = read_at(l, f, fd, &h, sizeof h, 0, err);
    if (rc < 0) return rc;
    memcpy(want.magic, f->pack ? HG_PACK_MAGIC : HG_SEG_MAGIC, sizeof want.magic);
    return memcmp(&h, &want, sizeof h) == 0 ? 0 : damaged(l, f, 0, err, "it does not begin as such a file does");
}

static int read_open_file(const hg_load_t *l, const hg_region_t *r, int fd, char **ret, hg_err_t *err)
{
    int rc = check_file(l, r->file, fd, err);
    if (rc < 0) return rc;
    char *p = hg_trynew((size_t)r->length);
    if (!p) return no_mem(err);
    rc = read_at(l, r->file, fd, p, (size_t)r->length, r->offset, err);
    if (rc == 0 && XXH3_64bits(p, (size_t)r->length) != r->sum)
        rc = damaged(l, r->file, r->offset, err, "its checksum is wrong");
    if (rc < 0)
        hg_free(p);
    else
        *ret = p;
    return rc;
}

static int read_region(const hg_load_t *l, const hg_region_t *r, char **ret, hg_err_t *err)
{
    char *path = hg_xprintf("%s/%s", l->dir, r->file->name);
    int fd = hg_fault(HG_FAULT_OPEN) ? (errno = EMFILE, -1) : open(path, O_RDONLY | O_CLOEXEC);
    int e = errno;
    hg_free(path);
    if (fd < 0 && e == ENOENT) return hg_err_set(err, HG_EDAMAGED, "%s/%s is missing", l->dir, r->file->name);
    if (fd < 0) return hg_err_errno(err, e, "cannot open %s/%s", l->dir, r->file->name);
    int rc = read_open_file(l, r, fd, ret, err);
    close(fd);
    return rc;
}

static int get_region(const hg_load_t *l, const hg_json_t *j, hg_region_t *ret, hg_err_t *err)
{
    uint64_t file;
    int rc = hg_desc_u64(j, "file", UINT32_MAX, &file, err);
    if (rc == 0) rc = hg_desc_u64(j, "offset", INT64_MAX, &ret->offset, err);
    if (rc == 0) rc = hg_desc_u64(j, "length", INT64_MAX, &ret->length, err);
    if (rc == 0) rc = hg_desc_u64(j, "xxh3", UINT64_MAX, &ret->sum, err);
    if (rc < 0) return rc;
    if (file >= l->n_files) return hg_desc_bad(j, err, "it names a file that is not in the list");
    hg_sfile_t *f = l->files[file];
    if (ret->offset < HG_STATE_HEAD || ret->offset > f->size || ret->length > f->size - ret->offset)
        return hg_desc_bad(j, err, "it lies outside its file");
    ret->file = hg_sfile_retain(f);
    return 0;
}

/* --- a segment ---------------------------------------------------------------------------------------------------- */

typedef struct {
    hg_part_t **v;
    uint32_t n, cap;
    uint32_t *origin; /* per row of the piece: place among its origins; NULL: one origin */
} parts_t;

typedef struct {
    const hg_load_t *l;
    const hg_load_table_t *t;
    hg_err_t *err;
    hg_saved_t *saved;
    parts_t *parts; /* per piece */
    hg_seg_t *seg;
} seg_t;

static uint32_t origin_now(const hg_load_table_t *t, uint32_t old)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].old == old) return t->origins[i].now;
    return old;
}

static int get_piece(seg_t *x, const hg_json_t *j, uint32_t *rows, hg_saved_piece_t *ret)
{
    uint64_t n, dead = 0;
    hg_piece_t *p = HG_NEW(hg_piece_t);
    atomic_init(&p->refs, 1);
    ret->piece = p;
    int rc = hg_desc_u64(j, "rows", HG_SEG_ROWS, &n, x->err);
    if (rc == 0) rc = get_region(x->l, j, &p->at, x->err);
    if (rc < 0) return rc;
    if (n == 0 || n > HG_SEG_ROWS - *rows) return hg_desc_bad(j, x->err, "it has no rows, or its segment has too many");
    p->n = (uint32_t)n;
    p->a = *rows;
    p->b = *rows += p->n;
    const hg_json_t *origins = hg_json_get(j, "origins"), *d = hg_json_get(j, "dead");
    if (!origins || origins->n == 0) return hg_desc_bad(j, x->err, "nobody has written it");
    p->origins = hg_trynew(sizeof *p->origins * origins->n);
    if (!p->origins) return no_mem(x->err);
    for (const hg_json_t *o = origins->child; o; o = o->next) {
        uint64_t old = 0;
        hg_json_u64(o, &old); /* the plan has looked at each */
        p->origins[p->n_origins++] = origin_now(x->t, (uint32_t)old);
    }
    if (!d) return 0;
    rc = hg_desc_u64(d, "rows", n - 1, &dead, x->err);
    if (rc == 0) rc = get_region(x->l, d, &ret->dead_at, x->err);
    ret->dead = (uint32_t)dead;
    if (rc == 0 && (dead == 0 || ret->dead_at.length != (n + 63) / 64 * 8))
        rc = hg_desc_bad(d, x->err, "it does not fit its piece");
    return rc;
}

static int add_part(seg_t *x, parts_t *ps, hg_part_t *part)
{
    if (ps->n == ps->cap) {
        uint32_t cap = HG_MAX(ps->cap * 2, 8u);
        hg_part_t **v = hg_trygrow(ps->v, sizeof(hg_part_t *) * cap);
        if (!v) {
            hg_part_drop(part);
            return no_mem(x->err);
        }
        ps->v = v;
        ps->cap = cap;
    }
    ps->v[ps->n++] = part;
    return 0;
}

static int take_origins(seg_t *x, const hg_piece_t *p, hg_str_t *in, parts_t *ps)
{
    size_t n = sizeof(uint32_t) * p->n, all = (n + 7) & ~(size_t)7;
    if (p->n_origins < 2) return 0;
    if (in->n < all) return damaged(x->l, p->at.file, p->at.offset, x->err, "a piece ends inside its origins");
    ps->origin = hg_trynew(n);
    if (!ps->origin) return no_mem(x->err);
    memcpy(ps->origin, in->p, n);
    in->p += all;
    in->n -= all;
    for (uint32_t i = 0; i < p->n; i++)
        if (ps->origin[i] >= p->n_origins)
            return damaged(x->l, p->at.file, p->at.offset, x->err, "a row has an origin that its piece has not");
    return 0;
}

static int take_blocks(seg_t *x, const hg_piece_t *p, hg_str_t in, size_t start, parts_t *ps)
{
    uint32_t rows = 0;
    while (in.n > 0) {
        hg_part_t *part;
        uint64_t at = p->at.offset + start;
        size_t left = in.n;
        int rc = hg_block_read(&in, x->t->st->types, x->t->st->n_cols, &part, x->err);
        if (rc < 0) return hg_err_wrap(x->err, "%s/%s is damaged at offset %" PRIu64, x->l->dir, p->at.file->name, at);
        start += left - in.n;
        if (part->n == 0 || part->n > p->n - rows || (part->weights != NULL) != x->t->st->bag) {
            hg_part_drop(part);
            return damaged(x->l, p->at.file, at, x->err, "a block does not fit its piece");
        }
        rows += part->n;
        rc = add_part(x, ps, part);
        if (rc < 0) return rc;
    }
    return rows == p->n ? 0 : damaged(x->l, p->at.file, p->at.offset, x->err, "a piece has too few rows");
}

static int read_piece(seg_t *x, const hg_piece_t *p, parts_t *ps)
{
    char *bytes;
    hg_piece_head_t h, want = { .magic = HG_PIECE_MAGIC, .rows = p->n, .n_origins = p->n_origins };
    int rc = read_region(x->l, &p->at, &bytes, x->err);
    if (rc < 0) return rc;
    hg_str_t in = { bytes, (size_t)p->at.length };
    if (in.n < sizeof h || memcmp(memcpy(&h, in.p, sizeof h), &want, sizeof h) != 0) {
        rc = damaged(x->l, p->at.file, p->at.offset, x->err, "no such piece begins here");
    } else {
        in.p += sizeof h;
        in.n -= sizeof h;
        rc = take_origins(x, p, &in, ps);
        if (rc == 0) rc = take_blocks(x, p, in, (size_t)(in.p - bytes), ps);
    }
    hg_free(bytes);
    return rc;
}

static int make_seg(seg_t *x)
{
    const hg_store_t *st = x->t->st;
    uint64_t *room = hg_tryzero(sizeof *room * ((size_t)st->n_dims + 1));
    int rc = room ? 0 : no_mem(x->err);
    for (uint32_t i = 0; i < x->saved->n && rc == 0; i++) {
        for (uint32_t k = 0; k < x->parts[i].n; k++) {
            const hg_part_t *part = x->parts[i].v[k];
            uint32_t d = 0;
            for (uint32_t c = 0; c < st->n_cols; c++) d += hg_col_measure(part->batch->cols[c], 0, part->n, room + d);
        }
    }
    for (uint32_t d = 0; d < st->n_dims && rc == 0; d++)
        if (room[d] > INT32_MAX)
            rc = hg_err_set(x->err, HG_EDAMAGED, "a segment of the checkpoint is larger than 2 GiB");
    uint32_t rows = x->saved->v[x->saved->n - 1].piece->b;
    if (rc == 0 && hg_seg_new(st->acct, st->types, st->n_cols, st->bag, !st->bag, rows, room, &x->seg) < 0)
        rc = no_mem(x->err);
    hg_free(room);
    return rc;
}

/* All origins are made known first: a segment with several keeps one per row. */
static int need_origins(seg_t *x)
{
    for (uint32_t i = 0; i < x->saved->n; i++) {
        const hg_piece_t *p = x->saved->v[i].piece;
        for (uint32_t o = 0; o < p->n_origins; o++)
            if (hg_seg_need_origin(x->seg, p->origins[o]) < 0) return no_mem(x->err);
    }
    return 0;
}

static void append_part(seg_t *x, const hg_piece_t *p, const parts_t *ps, const hg_part_t *part)
{
    hg_seg_t *s = x->seg;
    uint32_t at = s->rows;
    hg_seg_append(s, part->batch->cols, NULL, part->n);
    hg_store_hash(x->t->st, part->batch, NULL, part->n, 0, s->hash + at);
    bool bag = x->t->st->bag;
    if (bag) memcpy(s->weight + at, part->weights, sizeof *s->weight * part->n);
    if (!s->origin && !bag) return;
    for (uint32_t i = 0; i < part->n; i++) {
        uint32_t o = p->origins[ps->origin ? ps->origin[at + i - p->a] : 0];
        if (bag) s->hash[at + i] += hg_origin_hash(o);
        if (s->origin) s->origin[at + i] = o;
    }
}

static int read_dead(seg_t *x, const hg_saved_piece_t *v)
{
    const hg_piece_t *p = v->piece;
    char *bytes;
    if (v->dead == 0) return 0;
    int rc = read_region(x->l, &v->dead_at, &bytes, x->err);
    if (rc < 0) return rc;
    if (hg_seg_need_dead(x->seg) < 0) rc = no_mem(x->err);
    hg_dead_t *d = atomic_load_explicit(&x->seg->dead_at, memory_order_relaxed);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n && rc == 0; i++) {
        if (!hg_bit_get((const uint8_t *)bytes, i)) continue;
        atomic_store_explicit(&d[p->a + i], x->t->st->epoch, memory_order_relaxed);
        n++;
    }
    hg_free(bytes);
    if (rc == 0 && n != v->dead)
        rc = damaged(x->l, v->dead_at.file, v->dead_at.offset, x->err,
                     "its dead rows are not as many as they should be");
    x->seg->dead += n;
    return rc;
}

static int load_seg(seg_t *x, const hg_json_t *pieces)
{
    uint32_t rows = 0;
    int rc = 0;
    for (const hg_json_t *j = pieces->child; j; j = j->next) {
        uint32_t i = x->saved->n++;
        rc = get_piece(x, j, &rows, &x->saved->v[i]);
        if (rc == 0) rc = read_piece(x, x->saved->v[i].piece, &x->parts[i]);
        if (rc < 0) return rc;
    }
    rc = make_seg(x);
    if (rc == 0) rc = need_origins(x);
    for (uint32_t i = 0; i < x->saved->n && rc == 0; i++) {
        parts_t *ps = &x->parts[i];
        for (uint32_t k = 0; k < ps->n; k++) {
            append_part(x, x->saved->v[i].piece, ps, ps->v[k]);
            hg_part_drop(ps->v[k]);
            ps->v[k] = NULL;
        }
        rc = read_dead(x, &x->saved->v[i]);
    }
    return rc;
}

int hg_load_seg(const hg_load_t *l, const hg_load_table_t *t, const hg_json_t *pieces, hg_seg_t **ret, hg_err_t *err)
{
    seg_t x = { .l = l, .t = t, .err = err };
    x.saved = hg_tryzero(sizeof *x.saved + sizeof *x.saved->v * (size_t)pieces->n);
    x.parts = hg_tryzero(sizeof *x.parts * (size_t)pieces->n);
    int rc = x.saved && x.parts ? load_seg(&x, pieces) : no_mem(err);
    for (uint32_t p = 0; x.parts && p < pieces->n; p++) {
        for (uint32_t k = 0; k < x.parts[p].n; k++) hg_part_drop(x.parts[p].v[k]);
        hg_free(x.parts[p].v);
        hg_free(x.parts[p].origin);
    }
    hg_free(x.parts);
    if (rc < 0) {
        hg_saved_free(x.saved);
        hg_seg_drop(x.seg);
        return rc;
    }
    x.seg->saved = x.saved;
    *ret = x.seg;
    return 0;
}
