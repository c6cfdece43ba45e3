/* state_restore.c: a circuit's stores from the files of a checkpoint.
 *
 *   plan      the description is read and checked: which relation, which files, which connector wrote under which
 * number segments  in parallel, one task each: its pieces are read, checked, appended to one new segment, hashed stores
 * the segments are listed; live rows counted indexes   in parallel, one task per store and range of hashes; what no
 * sub-table takes goes in afterwards
 *
 * A restored segment is a sealed one like any other, and remembers its pieces: they are not written again. Dead rows
 * come back dead, so that the piece's bitmap keeps its meaning; a merge removes them as ever. Nothing is allocated for
 * a length that has not been compared with the size of the file on disk.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "data/block.h"
#include "engine/state_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NOBODY_MIN UINT32_C(0xC0000000) /* numbers from here on are no connector's */

typedef struct {
    uint32_t old, now;
} origin_t;

typedef struct {
    const hg_relation_t *rel;
    hg_store_t *st;
    const hg_json_t *segments;
    uint64_t rows;
    origin_t *origins;
    uint32_t n_origins;
    uint32_t first, n; /* its tasks */
} table_t;

typedef struct {
    table_t *table;
    const hg_json_t *pieces;
    hg_seg_t *seg; /* result; NULL: no rows */
} task_t;

typedef struct {
    table_t *table;
    uint32_t range, of;
    uint64_t *hash; /* rows that found no place in the index; parallel arrays */
    hg_ref_t *ref;
    uint32_t n, cap;
} range_t;

typedef struct {
    const char *dir;
    unsigned threads;
    hg_sfile_t **files;
    uint32_t n_files;
    table_t *tables;
    uint32_t n_tables;
    task_t *tasks;
    uint32_t n_tasks;
    range_t *ranges;
    uint32_t n_ranges;
} load_t;

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while restoring a checkpoint");
}

/* --- the description ------------------------------------------------------------------------------------------------
 */

static int bad(const hg_json_t *at, hg_err_t *err, const char *what)
{
    char path[96];
    hg_json_path(at, NULL, path, sizeof path);
    return hg_err_set(err, HG_EDAMAGED, "the checkpoint's description is damaged at %s: %s", path, what);
}

static int get_u64(const hg_json_t *obj, const char *key, uint64_t max, uint64_t *ret, hg_err_t *err)
{
    const hg_json_t *v = hg_json_get(obj, key);
    if (!v || hg_json_u64(v, ret) < 0 || *ret > max) return bad(v ? v : obj, err, "a number is missing or too large");
    return 0;
}

static int get_list(const hg_json_t *obj, const char *key, const hg_json_t **ret, hg_err_t *err)
{
    *ret = hg_json_get(obj, key);
    return *ret && (*ret)->kind == HG_J_ARRAY ? 0 : bad(*ret ? *ret : obj, err, "a list is missing");
}

static int plan_files(load_t *l, const hg_json_t *stores, hg_err_t *err)
{
    const hg_json_t *files;
    int rc = get_list(stores, "files", &files, err);
    if (rc < 0) return rc;
    l->files = hg_tryzero(sizeof(hg_sfile_t *) * ((size_t)files->n + 1));
    if (!l->files) return no_mem(err);
    for (const hg_json_t *f = files->child; f; f = f->next) {
        const hg_json_t *name = hg_json_get(f, "name");
        uint64_t size;
        if (!name || name->kind != HG_J_STRING || name->str.n >= sizeof l->files[0]->name ||
            memchr(name->str.p, '/', name->str.n))
            return bad(f, err, "it has no name of a file");
        bool pack = hg_str_starts(name->str, HG_S("pack-"));
        if (!pack && !hg_str_starts(name->str, HG_S("seg-"))) return bad(f, err, "it is no file of state");
        rc = get_u64(f, "size", INT64_MAX, &size, err);
        if (rc < 0) return rc;
        l->files[l->n_files++] = hg_sfile_new(name->str, pack, size);
    }
    return 0;
}

static uint32_t origin_now(const table_t *t, uint32_t old)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].old == old) return t->origins[i].now;
    return old;
}

static int add_origin(table_t *t, uint32_t old, hg_err_t *err)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].old == old) return 0;
    origin_t *o = hg_trygrow(t->origins, sizeof *o * ((size_t)t->n_origins + 1));
    if (!o) return no_mem(err);
    t->origins = o;
    o[t->n_origins++] = (origin_t){ old, old };
    return 0;
}

static bool is_taken(const table_t *t, uint32_t now)
{
    for (uint32_t i = 0; i < t->n_origins; i++)
        if (t->origins[i].now == now || t->origins[i].old == now) return true;
    return false;
}

/* Rows of a connector that is gone keep a number apart from all others: two such connectors may have written equal
 * rows, which must not become one identity. */
static int map_origins(table_t *t, const hg_restore_opts_t *opts, hg_err_t *err)
{
    uint32_t nobody = UINT32_MAX - 1;
    if (t->rel->kind != HG_REL_TABLE || !opts->origin) return 0;
    for (uint32_t i = 0; i < t->n_origins; i++) {
        uint32_t old = t->origins[i].old, now = old < NOBODY_MIN ? opts->origin(opts->arg, old) : old;
        for (uint32_t k = 0; now != UINT32_MAX && k < i; k++)
            if (t->origins[k].now == now)
                return hg_err_set(err, HG_EINVAL,
                                  "connectors %u and %u of the checkpoint have both become connector %u",
                                  t->origins[k].old, old, now);
        if (now == UINT32_MAX && old != UINT32_MAX) {
            while (is_taken(t, nobody)) nobody--;
            now = nobody;
        }
        t->origins[i].now = now;
    }
    return 0;
}

static int add_origins(table_t *t, const hg_json_t *list, hg_err_t *err)
{
    for (const hg_json_t *o = list ? list->child : NULL; o; o = o->next) {
        uint64_t old;
        if (hg_json_u64(o, &old) < 0 || old > UINT32_MAX) return bad(o, err, "it is no connector's number");
        int rc = add_origin(t, (uint32_t)old, err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int plan_origins(table_t *t, const hg_json_t *j, const hg_restore_opts_t *opts, hg_err_t *err)
{
    int rc = add_origins(t, hg_json_get(j, "origins"), err);
    for (const hg_json_t *s = t->segments->child; s; s = s->next)
        for (const hg_json_t *p = s->child; p && rc == 0; p = p->next)
            rc = add_origins(t, hg_json_get(p, "origins"), err);
    if (rc < 0) return rc;
    return map_origins(t, opts, err);
}

static int plan_relation(load_t *l, hg_circuit_t *c, const hg_json_t *j, const hg_restore_opts_t *opts, hg_err_t *err)
{
    const hg_plan_t *plan = hg_circuit_plan(c);
    const hg_json_t *name = hg_json_get(j, "name");
    uint64_t fingerprint, rows;
    uint32_t i = 0;
    if (!name || name->kind != HG_J_STRING) return bad(j, err, "a relation has no name");
    while (i < plan->n_relations && !hg_str_eq(plan->relations[i].schema.name, name->str)) i++;
    if (i == plan->n_relations || (opts->use && !opts->use(opts->arg, i))) return 0;
    int rc = get_u64(j, "fingerprint", UINT64_MAX, &fingerprint, err);
    if (rc == 0) rc = get_u64(j, "rows", UINT64_MAX, &rows, err);
    if (rc < 0) return rc;
    hg_store_t *st = hg_circuit_store(c, i);
    if (fingerprint != hg_relation_fingerprint(&plan->relations[i]) || !st)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has other columns for '" HG_SF "' than the program",
                          HG_SA(name->str));
    for (uint32_t k = 0; k < l->n_tables; k++)
        if (l->tables[k].st == st) return bad(j, err, "the relation is there twice");
    table_t *t = &l->tables[l->n_tables++];
    *t = (table_t){ .rel = &plan->relations[i], .st = st, .rows = rows, .first = l->n_tasks };
    rc = get_list(j, "segments", &t->segments, err);
    if (rc < 0) return rc;
    task_t *tasks = hg_trygrow(l->tasks, sizeof *tasks * ((size_t)l->n_tasks + t->segments->n + 1));
    if (!tasks) return no_mem(err);
    l->tasks = tasks;
    for (const hg_json_t *s = t->segments->child; s; s = s->next) {
        if (s->kind != HG_J_ARRAY) return bad(s, err, "a segment is no list of pieces");
        if (s->n) l->tasks[l->n_tasks++] = (task_t){ .table = t, .pieces = s };
    }
    t->n = l->n_tasks - t->first;
    return plan_origins(t, j, opts, err);
}

static int plan_all(load_t *l, hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err)
{
    const hg_json_t *relations;
    uint64_t format;
    if (!stores || stores->kind != HG_J_OBJECT)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has no description of its tables");
    int rc = get_u64(stores, "format", UINT64_MAX, &format, err);
    if (rc < 0) return rc;
    if (format != HG_STATE_FORMAT)
        return hg_err_set(err, HG_EDAMAGED, "the checkpoint has format %" PRIu64 "; this program reads %u", format,
                          HG_STATE_FORMAT);
    rc = plan_files(l, stores, err);
    if (rc == 0) rc = get_list(stores, "relations", &relations, err);
    if (rc < 0) return rc;
    l->tables = hg_tryzero(sizeof *l->tables * ((size_t)relations->n + 1));
    if (!l->tables) return no_mem(err);
    for (const hg_json_t *j = relations->child; j && rc == 0; j = j->next) rc = plan_relation(l, c, j, opts, err);
    return rc;
}

/* --- regions --------------------------------------------------------------------------------------------------------
 */

static int damaged(const load_t *l, const hg_sfile_t *f, uint64_t offset, hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EDAMAGED, "%s/%s is damaged at offset %" PRIu64 ": %s", l->dir, f->name, offset, what);
}

static int read_at(const load_t *l, const hg_sfile_t *f, int fd, void *p, size_t n, uint64_t offset, hg_err_t *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(fd, (char *)p + at, n - at, (off_t)(offset + at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return hg_err_errno(err, errno, "cannot read %s/%s", l->dir, f->name);
        if (got == 0) return damaged(l, f, offset + at, err, "it ends here");
        at += (size_t)got;
    }
    return 0;
}

static int check_file(const load_t *l, const hg_sfile_t *f, int fd, hg_err_t *err)
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

static int read_open_file(const load_t *l, const hg_region_t *r, int fd, char **ret, hg_err_t *err)
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

static int read_region(const load_t *l, const hg_region_t *r, char **ret, hg_err_t *err)
{
    char *path = hg_xprintf("%s/%s", l->dir, r->file->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int e = errno;
    hg_free(path);
    if (fd < 0 && e == ENOENT) return hg_err_set(err, HG_EDAMAGED, "%s/%s is missing", l->dir, r->file->name);
    if (fd < 0) return hg_err_errno(err, e, "cannot open %s/%s", l->dir, r->file->name);
    int rc = read_open_file(l, r, fd, ret, err);
    close(fd);
    return rc;
}

static int get_region(const load_t *l, const hg_json_t *j, hg_region_t *ret, hg_err_t *err)
{
    uint64_t file;
    int rc = get_u64(j, "file", UINT32_MAX, &file, err);
    if (rc == 0) rc = get_u64(j, "offset", INT64_MAX, &ret->offset, err);
    if (rc == 0) rc = get_u64(j, "length", INT64_MAX, &ret->length, err);
    if (rc == 0) rc = get_u64(j, "xxh3", UINT64_MAX, &ret->sum, err);
    if (rc < 0) return rc;
    if (file >= l->n_files) return bad(j, err, "it names a file that is not in the list");
    hg_sfile_t *f = l->files[file];
    if (ret->offset < HG_STATE_HEAD || ret->offset > f->size || ret->length > f->size - ret->offset)
        return bad(j, err, "it lies outside its file");
    ret->file = hg_sfile_retain(f);
    return 0;
}

/* --- a segment ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    hg_part_t **v;
    uint32_t n, cap;
    uint32_t *origin; /* per row of the piece: place among its origins; NULL: one origin */
} parts_t;

typedef struct {
    const load_t *l;
    table_t *t;
    hg_err_t *err;
    hg_saved_t *saved;
    parts_t *parts; /* per piece */
    hg_seg_t *seg;
} seg_t;

static int get_piece(seg_t *x, const hg_json_t *j, uint32_t *rows, hg_saved_piece_t *ret)
{
    uint64_t n, dead = 0;
    hg_piece_t *p = HG_NEW(hg_piece_t);
    atomic_init(&p->refs, 1);
    ret->piece = p;
    int rc = get_u64(j, "rows", HG_SEG_ROWS, &n, x->err);
    if (rc == 0) rc = get_region(x->l, j, &p->at, x->err);
    if (rc < 0) return rc;
    if (n == 0 || n > HG_SEG_ROWS - *rows) return bad(j, x->err, "it has no rows, or its segment has too many");
    p->n = (uint32_t)n;
    p->a = *rows;
    p->b = *rows += p->n;
    const hg_json_t *origins = hg_json_get(j, "origins"), *d = hg_json_get(j, "dead");
    if (!origins || origins->n == 0) return bad(j, x->err, "nobody has written it");
    p->origins = hg_trynew(sizeof *p->origins * origins->n);
    if (!p->origins) return no_mem(x->err);
    for (const hg_json_t *o = origins->child; o; o = o->next) {
        uint64_t old = 0;
        if (hg_json_u64(o, &old) < 0) return bad(o, x->err, "it is no connector's number");
        p->origins[p->n_origins++] = origin_now(x->t, (uint32_t)old);
    }
    if (!d) return 0;
    rc = get_u64(d, "rows", n - 1, &dead, x->err);
    if (rc == 0) rc = get_region(x->l, d, &ret->dead_at, x->err);
    ret->dead = (uint32_t)dead;
    if (rc == 0 && (dead == 0 || ret->dead_at.length != (n + 63) / 64 * 8))
        rc = bad(d, x->err, "it does not fit its piece");
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
    if (rc == 0 && hg_seg_new(st->acct, st->types, st->n_cols, st->bag, rows, room, &x->seg) < 0) rc = no_mem(x->err);
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

static int seg_task(void *arg, uint32_t i, hg_err_t *err)
{
    load_t *l = arg;
    task_t *task = &l->tasks[i];
    seg_t x = { .l = l, .t = task->table, .err = err };
    x.saved = hg_tryzero(sizeof *x.saved + sizeof *x.saved->v * (size_t)task->pieces->n);
    x.parts = hg_tryzero(sizeof *x.parts * (size_t)task->pieces->n);
    int rc = x.saved && x.parts ? load_seg(&x, task->pieces) : no_mem(err);
    for (uint32_t p = 0; x.parts && p < task->pieces->n; p++) {
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
    task->seg = x.seg;
    return 0;
}

/* --- stores and indexes ---------------------------------------------------------------------------------------------
 */

static int fill_store(load_t *l, table_t *t, hg_err_t *err)
{
    hg_store_t *st = t->st;
    hg_manifest_t *m = hg_manifest_new(t->n);
    if (!m) return no_mem(err);
    int rc = 0;
    for (uint32_t i = t->first; i < t->first + t->n && rc == 0; i++) {
        hg_seg_t *s = l->tasks[i].seg;
        if (hg_store_add_seg(st, s) < 0) {
            rc = no_mem(err);
            break;
        }
        l->tasks[i].seg = NULL; /* the store's now */
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        m->segs[m->n++] = s;
        st->total += s->rows;
        st->live += s->rows - s->dead;
    }
    hg_manifest_drop(st->manifest);
    st->manifest = m;
    if (rc == 0 && st->live != t->rows)
        rc = hg_err_set(err, HG_EDAMAGED,
                        "the checkpoint says that '" HG_SF "' has %" PRIu64 " rows; there are %" PRIu64,
                        HG_SA(t->rel->schema.name), t->rows, st->live);
    if (rc == 0 && t->n_origins) {
        st->origins = hg_trygrow(st->origins, sizeof *st->origins * t->n_origins);
        if (!st->origins) return no_mem(err);
        for (uint32_t i = 0; i < t->n_origins; i++) st->origins[st->n_origins++] = t->origins[i].now;
    }
    if (rc == 0 && hg_index_size_for(&st->index, st->live) < 0) rc = no_mem(err);
    return rc;
}

static int put_aside(range_t *g, uint64_t hash, hg_ref_t ref, hg_err_t *err)
{
    if (g->n == g->cap) {
        uint32_t cap = HG_MAX(g->cap * 2, 256u);
        uint64_t *h = hg_trygrow(g->hash, sizeof *h * cap);
        if (h) g->hash = h;
        hg_ref_t *r = hg_trygrow(g->ref, sizeof *r * cap);
        if (r) g->ref = r;
        if (!h || !r) return no_mem(err);
        g->cap = cap;
    }
    g->hash[g->n] = hash;
    g->ref[g->n++] = ref;
    return 0;
}

#define AHEAD 32u

static int range_task(void *arg, uint32_t i, hg_err_t *err)
{
    range_t *g = &((load_t *)arg)->ranges[i];
    hg_store_t *st = g->table->st;
    uint64_t hash[AHEAD];
    hg_ref_t ref[AHEAD];
    uint32_t n = 0;
    int rc = 0;
    for (uint32_t k = 0; k < st->manifest->n; k++) {
        const hg_seg_t *s = st->manifest->segs[k];
        for (uint32_t r = 0; r < s->rows; r++) {
            if (hg_index_range(&st->index, s->hash[r], g->of) != g->range || hg_seg_dead_at(s, r)) continue;
            hg_index_prefetch(&st->index, s->hash[r]);
            hash[n] = s->hash[r];
            ref[n++] = hg_ref(s->id, r);
            if (n < AHEAD) continue;
            for (n = 0; n < AHEAD && rc == 0; n++)
                if (!hg_index_add(&st->index, hash[n], ref[n])) rc = put_aside(g, hash[n], ref[n], err);
            if (rc < 0) return rc;
            n = 0;
        }
    }
    for (uint32_t k = 0; k < n && rc == 0; k++)
        if (!hg_index_add(&st->index, hash[k], ref[k])) rc = put_aside(g, hash[k], ref[k], err);
    return rc;
}

static int plan_ranges(load_t *l, hg_err_t *err)
{
    l->ranges = hg_tryzero(sizeof *l->ranges * ((size_t)l->n_tables * l->threads + 1));
    if (!l->ranges) return no_mem(err);
    for (uint32_t t = 0; t < l->n_tables; t++) {
        const hg_store_t *st = l->tables[t].st;
        uint32_t of = st->index.bits > 4 ? l->threads : 1;
        for (uint32_t r = 0; r < of && st->live > 0; r++)
            l->ranges[l->n_ranges++] = (range_t){ .table = &l->tables[t], .range = r, .of = of };
    }
    return 0;
}

static int insert_rest(range_t *g, hg_err_t *err)
{
    hg_index_t *x = &g->table->st->index;
    if (g->n == 0) return 0;
    uint32_t *next = hg_trynew(sizeof *next * g->n);
    if (!next || hg_index_reserve(x, g->hash, g->n, next) < 0) {
        hg_free(next);
        return no_mem(err);
    }
    for (uint32_t i = 0; i < g->n; i++) hg_index_insert(x, g->hash[i], g->ref[i]);
    hg_index_unreserve(x, g->hash, g->n);
    hg_free(next);
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------------------------------
 */

static void load_release(load_t *l)
{
    for (uint32_t i = 0; i < l->n_tasks; i++) hg_seg_drop(l->tasks[i].seg);
    for (uint32_t i = 0; i < l->n_tables; i++) hg_free(l->tables[i].origins);
    for (uint32_t i = 0; i < l->n_ranges; i++) {
        hg_free(l->ranges[i].hash);
        hg_free(l->ranges[i].ref);
    }
    for (uint32_t i = 0; i < l->n_files; i++) hg_sfile_drop(l->files[i]);
    hg_free(l->files);
    hg_free(l->tables);
    hg_free(l->tasks);
    hg_free(l->ranges);
}

int hg_circuit_restore(hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err)
{
    load_t l = { .dir = opts->dir, .threads = HG_MAX(opts->threads, 1u) };
    int rc = plan_all(&l, c, stores, opts, err);
    if (rc == 0) rc = hg_par_run(l.threads, l.n_tasks, seg_task, &l, err);
    for (uint32_t i = 0; i < l.n_tables && rc == 0; i++) rc = fill_store(&l, &l.tables[i], err);
    if (rc == 0) rc = plan_ranges(&l, err);
    if (rc == 0) rc = hg_par_run(l.threads, l.n_ranges, range_task, &l, err);
    for (uint32_t i = 0; i < l.n_ranges && rc == 0; i++) rc = insert_rest(&l.ranges[i], err);
    for (uint32_t i = 0; i < l.n_tables && rc == 0; i++) hg_store_publish(l.tables[i].st);
    load_release(&l);
    return rc;
}
