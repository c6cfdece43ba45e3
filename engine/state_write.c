/* state_write.c: the files of a checkpoint: what of a cut is not on disk yet.
 *
 * - A segment keeps the pieces it has; rows behind the last one become a piece; where rows of a kept piece have died
 *   since, a bitmap is written.
 * - A piece is the rows alive at the cut, gathered in chunks, as blocks; from LARGE on it has a file of its own,
 *   else it goes into the pack.
 * - The description is a list of files and, per relation and segment, of pieces.
 *
 * A tail that grows by a little with each checkpoint would end in a thousand little pieces: new rows take the pieces
 * before them along while those are small, so a segment has a number of pieces that is logarithmic in its rows. In the
 * same way what is left in a pack that is mostly garbage, and in the emptiest of too many packs, is written again.
 *
 * One thread, not the circuit's. Of the store it reads what a snapshot may read (store_int.h), and hg_seg_t.saved,
 * which only hg_cut_done changes. Nothing here changes what an earlier checkpoint refers to.
 */
#include "base/hg.h"
#include "base/durable.h"
#include "base/mem.h"
#include "data/block.h"
#include "data/value.h"
#include "engine/state_int.h"
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LARGE      ((size_t)1 << 20)
#define CHUNK      ((size_t)1 << 20)
#define CHUNK_ROWS 32768u
#define PACKS      32u /* that a checkpoint refers to */

typedef struct {
    hg_sfile_t *file;
    hg_dfile_t *out; /* NULL: finished */
} made_t;

typedef struct {
    hg_cut_t *k;
    const char *dir;
    uint64_t number;
    const atomic_bool *cancel;
    hg_err_t *err;
    made_t *made; /* files of this cut; the pack among them */
    uint32_t n_made, cap_made, n_segs;
    uint32_t pack; /* its place in made, or HG_NONE */
    hg_buf_t buf;  /* a piece until it is large, then chunks of it */
    uint32_t *rows;
    uint64_t *dims;
} writer_t;

static int no_mem(writer_t *w)
{
    return hg_err_set(w->err, HG_ENOMEM, "out of memory while writing a checkpoint");
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static char *path_of(const writer_t *w, const hg_sfile_t *f)
{
    return hg_xprintf("%s/%s", w->dir, f->name);
}

static int file_open(writer_t *w, bool pack, uint32_t *ret)
{
    if (w->n_made == w->cap_made) {
        uint32_t cap = HG_MAX(w->cap_made * 2, 16u);
        made_t *m = hg_trygrow(w->made, sizeof *m * cap);
        if (!m) return no_mem(w);
        w->made = m;
        w->cap_made = cap;
    }
    char name[48];
    int n = pack ? snprintf(name, sizeof name, "pack-%" PRIu64 ".hgp", w->number)
                 : snprintf(name, sizeof name, "seg-%" PRIu64 "-%u.hgs", w->number, ++w->n_segs);
    hg_sfile_t *f = hg_sfile_new((hg_str_t){ name, (size_t)n }, pack, 0);
    char *path = path_of(w, f);
    hg_dfile_t *out = NULL;
    int rc = hg_dfile_new(path, &out, w->err);
    hg_free(path);
    if (rc < 0) {
        hg_sfile_drop(f);
        return rc;
    }
    w->made[w->n_made] = (made_t){ f, out };
    *ret = w->n_made++;
    hg_file_head_t h = { .version = HG_STATE_VERSION };
    memcpy(h.magic, pack ? HG_PACK_MAGIC : HG_SEG_MAGIC, sizeof h.magic);
    return hg_dfile_write(out, &h, sizeof h, w->err);
}

static int file_finish(writer_t *w, uint32_t i)
{
    made_t *m = &w->made[i];
    hg_dfile_t *out = m->out;
    m->file->size = hg_dfile_size(out);
    w->k->stats.bytes_written += m->file->size;
    w->k->stats.files_written++;
    m->out = NULL;
    return hg_dfile_finish(out, m->file->pack ? "state.pack" : "state.seg", w->err);
}

static int pack_open(writer_t *w)
{
    return w->pack != HG_NONE ? 0 : file_open(w, true, &w->pack);
}

/* Appends n bytes (a multiple of 8) to the pack. */
static int pack_put(writer_t *w, const void *p, size_t n, hg_region_t *ret)
{
    int rc = pack_open(w);
    if (rc < 0) return rc;
    made_t *m = &w->made[w->pack];
    *ret = (hg_region_t){ .offset = hg_dfile_size(m->out), .length = n, .sum = XXH3_64bits(p, n) };
    rc = hg_dfile_write(m->out, p, n, w->err);
    if (rc == 0) ret->file = hg_sfile_retain(m->file);
    return rc;
}

static void files_forget(writer_t *w, bool remove)
{
    for (uint32_t i = 0; i < w->n_made; i++) {
        made_t *m = &w->made[i];
        hg_dfile_abort(m->out);
        if (remove && !m->out) {
            char *path = path_of(w, m->file);
            unlink(path);
            hg_free(path);
        }
        hg_sfile_drop(m->file);
    }
    hg_free(w->made);
}

/* --- rows of a segment -------------------------------------------------------------------------------------------- */

static uint32_t rows_at_cut(const hg_cut_store_t *cs, const hg_seg_t *s)
{
    return s == cs->tail ? cs->tail_rows : s->rows;
}

static uint32_t origin_of(const hg_cut_store_t *cs, const hg_seg_t *s, uint32_t row)
{
    if (s != cs->tail) return hg_seg_origin(s, row);
    return cs->tail_origin ? cs->tail_origin[row] : cs->tail_origin0;
}

static inline bool dead_at_cut(const hg_cut_store_t *cs, const hg_seg_t *s, uint32_t row)
{
    uint32_t d = hg_seg_dead_at(s, row);
    return d != 0 && d <= cs->epoch;
}

/* Rows alive among [a, b): w->rows[0..n). */
static uint32_t living(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, uint32_t a, uint32_t b)
{
    uint32_t n = 0;
    for (uint32_t r = a; r < b; r++)
        if (!dead_at_cut(cs, s, r)) w->rows[n++] = r;
    return n;
}

/* --- a piece ------------------------------------------------------------------------------------------------------ */

/* Place of each row's origin in a list of those there are, behind the head: nothing for a single one. */
static int put_origins(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, hg_piece_t *p)
{
    uint32_t cap = 0, last = 0;
    size_t at = w->buf.len;
    if (hg_buf_reserve(&w->buf, (sizeof(uint32_t) * p->n + 7) & ~(size_t)7) < 0) return no_mem(w);
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t o = origin_of(cs, s, w->rows[i]);
        if (p->n_origins == 0 || p->origins[last] != o)
            for (last = 0; last < p->n_origins && p->origins[last] != o; last++) continue;
        if (last == p->n_origins) {
            if (p->n_origins == cap) {
                uint32_t *more = hg_trygrow(p->origins, sizeof *more * (cap = HG_MAX(cap * 2, 4u)));
                if (!more) return no_mem(w);
                p->origins = more;
            }
            p->origins[p->n_origins++] = o;
        }
        hg_buf_add(&w->buf, &last, sizeof last);
    }
    if (p->n_origins == 1)
        w->buf.len = at;
    else if (w->buf.len & 7)
        hg_buf_add(&w->buf, &(uint32_t){ 0 }, sizeof(uint32_t));
    return 0;
}

static int put_chunk(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, const uint32_t *rows, uint32_t n)
{
    hg_batch_t *b = hg_batch_new(n, cs->n_cols);
    int64_t *weights = NULL;
    int rc = 0;
    for (uint32_t c = 0; c < cs->n_cols && rc == 0; c++) {
        const hg_col_t *src = s->cols[c];
        rc = hg_gather(cs->types[c], &src, 1, NULL, rows, n, &b->cols[c], w->err);
    }
    if (cs->bag && rc == 0) {
        weights = hg_trynew(sizeof *weights * n);
        for (uint32_t i = 0; weights && i < n; i++) weights[i] = s->weight[rows[i]];
        if (!weights) rc = no_mem(w);
    }
    if (rc == 0) rc = hg_block_write(&w->buf, b, cs->types, NULL, n, weights, w->err);
    hg_free(weights);
    hg_batch_drop(b);
    return rc;
}

/* Rows that make about CHUNK bytes, after what rows [a, b) take on average. */
static uint32_t chunk_rows(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, uint32_t a, uint32_t b)
{
    uint64_t bytes = 0;
    for (uint32_t c = 0; c < cs->n_cols; c++) {
        uint32_t d = hg_type_dims(cs->types[c]);
        memset(w->dims, 0, sizeof *w->dims * d);
        hg_col_measure(s->cols[c], a, b, w->dims);
        for (uint32_t i = 0; i < d; i++) bytes += w->dims[i];
        bytes += (uint64_t)(b - a) * (hg_phys_width(hg_type_phys(cs->types[c])) + 4);
    }
    uint64_t rows = CHUNK * (uint64_t)(b - a) / (bytes + 1);
    return (uint32_t)HG_MAX(HG_MIN(rows, CHUNK_ROWS), 1u);
}

static int flush_to(writer_t *w, uint32_t file, XXH3_state_t *sum)
{
    XXH3_64bits_update(sum, w->buf.p, w->buf.len);
    int rc = hg_dfile_write(w->made[file].out, w->buf.p, w->buf.len, w->err);
    hg_buf_clear(&w->buf);
    return rc;
}

static int put_blocks(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, hg_piece_t *p, XXH3_state_t *sum)
{
    uint32_t chunk = chunk_rows(w, cs, s, p->a, p->b), file = HG_NONE;
    int rc = 0;
    XXH3_64bits_reset(sum);
    for (uint32_t i = 0; i < p->n && rc == 0; i += chunk) {
        if (w->cancel && atomic_load_explicit(w->cancel, memory_order_relaxed))
            return hg_err_set(w->err, HG_ECANCELED, "the checkpoint was canceled");
        rc = put_chunk(w, cs, s, w->rows + i, HG_MIN(p->n - i, chunk));
        if (rc < 0 || w->buf.len < LARGE) continue;
        if (file == HG_NONE) rc = file_open(w, false, &file);
        if (rc == 0) rc = flush_to(w, file, sum);
    }
    if (rc < 0) return rc;
    if (file == HG_NONE) {
        rc = pack_put(w, w->buf.p, w->buf.len, &p->at);
    } else {
        rc = flush_to(w, file, sum);
        if (rc == 0) rc = file_finish(w, file);
        hg_sfile_t *f = w->made[file].file;
        p->at = (hg_region_t){ .file = hg_sfile_retain(f), .offset = HG_STATE_HEAD, .sum = XXH3_64bits_digest(sum) };
        p->at.length = f->size - HG_STATE_HEAD;
    }
    return rc;
}

static int put_piece(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, hg_piece_t *p)
{
    if (p->n < p->b - p->a) {
        p->present = hg_tryzero((p->b - p->a + 7) / 8);
        if (!p->present) return no_mem(w);
        for (uint32_t i = 0; i < p->n; i++) hg_bit_set(p->present, w->rows[i] - p->a);
    }
    hg_buf_clear(&w->buf);
    hg_piece_head_t h = { .magic = HG_PIECE_MAGIC, .rows = p->n };
    if (hg_buf_add(&w->buf, &h, sizeof h) < 0) return no_mem(w);
    int rc = put_origins(w, cs, s, p);
    h.n_origins = p->n_origins;
    memcpy(w->buf.p, &h, sizeof h);
    if (rc < 0) return rc;
    XXH3_state_t *sum = XXH3_createState(); /* wants 64-byte alignment, which a stack frame may not give */
    rc = sum ? put_blocks(w, cs, s, p, sum) : no_mem(w);
    XXH3_freeState(sum);
    return rc;
}

/* Rows [a, b) that live; *ret NULL: there are none. */
static int write_piece(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, uint32_t a, uint32_t b,
                       hg_piece_t **ret)
{
    *ret = NULL;
    uint32_t n = living(w, cs, s, a, b);
    if (n == 0) return 0;
    hg_piece_t *p = HG_NEW(hg_piece_t);
    atomic_init(&p->refs, 1);
    p->a = a;
    p->b = b;
    p->n = n;
    int rc = put_piece(w, cs, s, p);
    if (rc < 0)
        hg_piece_drop(p);
    else
        *ret = p;
    return rc;
}

/* --- dead rows of a piece ----------------------------------------------------------------------------------------- */

/* bits: or NULL, to count only. */
static uint32_t dead_rows(const hg_cut_store_t *cs, const hg_seg_t *s, const hg_piece_t *p, uint8_t *bits)
{
    uint32_t n = 0, i = 0;
    if (!atomic_load_explicit(&s->dead_at, memory_order_acquire)) return 0;
    for (uint32_t r = p->a; r < p->b; r++) {
        if (p->present && !hg_bit_get(p->present, r - p->a)) continue;
        if (dead_at_cut(cs, s, r)) {
            n++;
            if (bits) hg_bit_set(bits, i);
        }
        i++;
    }
    return n;
}

static int write_dead(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, const hg_piece_t *p, hg_region_t *ret)
{
    size_t n = ((size_t)p->n + 63) / 64 * 8;
    uint8_t *bits = hg_tryzero(n);
    if (!bits) return no_mem(w);
    dead_rows(cs, s, p, bits);
    int rc = pack_put(w, bits, n, ret);
    hg_free(bits);
    return rc;
}

/* The piece as it stands at the cut; a bitmap that has not changed stays where it is. */
static int keep_piece(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, const hg_saved_piece_t *old,
                      hg_saved_piece_t *ret, bool *changed)
{
    uint32_t dead = dead_rows(cs, s, old->piece, NULL);
    bool stays = dead == old->dead && !(old->dead_at.file && old->dead_at.file->evict);
    *ret = (hg_saved_piece_t){ .piece = old->piece, .dead = dead };
    atomic_fetch_add_explicit(&old->piece->refs, 1, memory_order_relaxed);
    if (stays) {
        ret->dead_at = old->dead_at;
        hg_sfile_retain(ret->dead_at.file);
        return 0;
    }
    *changed = true;
    return dead > 0 && dead < old->piece->n ? write_dead(w, cs, s, old->piece, &ret->dead_at) : 0;
}

/* --- a segment ---------------------------------------------------------------------------------------------------- */

/* Which pieces stay: keep[i]; the others' rows are written again. Returns how many of them stay. */
static uint32_t choose(const hg_saved_t *old, uint32_t fresh, bool *keep)
{
    uint32_t n = old ? old->n : 0, kept = 0;
    for (uint32_t i = 0; i < n; i++) keep[i] = !old->v[i].piece->at.file->evict || old->v[i].dead == old->v[i].piece->n;
    for (uint32_t i = n; fresh > 0 && i > 0; i--) {
        const hg_piece_t *p = old->v[i - 1].piece;
        if (keep[i - 1] && (!p->at.file->pack || p->n / 2 > fresh)) break;
        keep[i - 1] = false;
        fresh += p->n;
    }
    for (uint32_t i = 0; i < n; i++) kept += keep[i];
    return kept;
}

/* ret has room: each old piece gives at most one, and the rows behind them one. */
static int fill_saved(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, const bool *keep, hg_saved_t *ret,
                      bool *changed)
{
    const hg_saved_t *old = s->saved;
    uint32_t n = old ? old->n : 0, end = 0, rows = rows_at_cut(cs, s), from = HG_NONE;
    int rc = 0;
    for (uint32_t i = 0; i <= n && rc == 0; i++) {
        if (i < n && !keep[i]) {
            if (from == HG_NONE) from = old->v[i].piece->a;
            end = old->v[i].piece->b;
            continue;
        }
        if (i == n && end < rows) {
            if (from == HG_NONE) from = end;
            end = rows;
        }
        if (from != HG_NONE) {
            hg_piece_t *p;
            rc = write_piece(w, cs, s, from, end, &p);
            if (rc < 0) break;
            *changed = *changed || p;
            if (p) ret->v[ret->n++].piece = p;
            from = HG_NONE;
        }
        if (i == n) break;
        rc = keep_piece(w, cs, s, &old->v[i], &ret->v[ret->n++], changed);
        end = old->v[i].piece->b;
    }
    return rc;
}

static int save_seg(writer_t *w, const hg_cut_store_t *cs, const hg_seg_t *s, hg_saved_t **ret)
{
    const hg_saved_t *old = s->saved;
    uint32_t n = old ? old->n : 0, rows = rows_at_cut(cs, s), end = n ? old->v[n - 1].piece->b : 0;
    bool changed = false, *keep = hg_tryzero(n + 1);
    hg_saved_t *now = hg_tryzero(sizeof *now + sizeof *now->v * ((size_t)n + 1));
    int rc = keep && now ? 0 : no_mem(w);
    if (rc == 0) {
        uint32_t kept = choose(old, end < rows ? living(w, cs, s, end, rows) : 0, keep);
        changed = kept < n;
        rc = fill_saved(w, cs, s, keep, now, &changed);
    }
    hg_free(keep);
    if (rc < 0 || !changed) {
        hg_saved_free(now);
        *ret = s->saved;
        return rc;
    }
    *ret = now;
    return 0;
}

static int save_store(writer_t *w, hg_cut_store_t *cs)
{
    uint32_t n_dims = 0;
    for (uint32_t c = 0; c < cs->n_cols; c++) n_dims = HG_MAX(n_dims, hg_type_dims(cs->types[c]));
    uint64_t *dims = hg_trygrow(w->dims, sizeof *dims * ((size_t)n_dims + 1));
    if (!dims) return no_mem(w);
    w->dims = dims;
    for (uint32_t i = 0; i < cs->manifest->n; i++) {
        int rc = save_seg(w, cs, cs->manifest->segs[i], &cs->now[i]);
        if (rc < 0) return rc;
    }
    w->k->stats.rows += cs->live;
    return 0;
}

/* --- packs that are mostly garbage -------------------------------------------------------------------------------- */

typedef struct {
    hg_sfile_t **v;
    uint32_t n, cap;
} files_t;

static int files_add(writer_t *w, files_t *l, hg_sfile_t *f, uint64_t live)
{
    if (!f) return 0;
    if (f->index == 0) {
        if (l->n == l->cap) {
            uint32_t cap = HG_MAX(l->cap * 2, 16u);
            hg_sfile_t **v = hg_trygrow(l->v, sizeof(hg_sfile_t *) * cap);
            if (!v) return no_mem(w);
            l->v = v;
            l->cap = cap;
        }
        l->v[l->n++] = f;
        f->index = l->n;
        f->live = 0;
    }
    f->live += live;
    return 0;
}

static void files_release(files_t *l)
{
    for (uint32_t i = 0; i < l->n; i++) l->v[i]->index = 0;
    hg_free(l->v);
}

static int files_of(writer_t *w, const hg_saved_t *s, files_t *l)
{
    int rc = 0;
    for (uint32_t i = 0; s && i < s->n && rc == 0; i++) {
        const hg_saved_piece_t *v = &s->v[i];
        if (v->dead == v->piece->n) continue;
        rc = files_add(w, l, v->piece->at.file, v->piece->at.length);
        if (rc == 0) rc = files_add(w, l, v->dead_at.file, v->dead_at.length);
    }
    return rc;
}

static int emptiest_first(const void *a, const void *b)
{
    const hg_sfile_t *x = *(hg_sfile_t *const *)a, *y = *(hg_sfile_t *const *)b;
    return (x->live > y->live) - (x->live < y->live);
}

static int choose_packs(writer_t *w)
{
    files_t l = { 0 };
    uint32_t packs = 0;
    int rc = 0;
    for (uint32_t i = 0; i < w->k->n; i++) {
        const hg_manifest_t *m = w->k->stores[i].manifest;
        for (uint32_t s = 0; s < m->n && rc == 0; s++) rc = files_of(w, m->segs[s]->saved, &l);
    }
    if (l.n) qsort(l.v, l.n, sizeof(hg_sfile_t *), emptiest_first);
    for (uint32_t i = 0; i < l.n; i++) packs += l.v[i]->pack;
    uint32_t spare = packs > PACKS ? packs - PACKS / 2 : 0;
    for (uint32_t i = 0; i < l.n; i++) {
        hg_sfile_t *f = l.v[i];
        f->evict = f->pack && (f->live < f->size / 4 || spare > 0);
        if (f->pack && spare > 0) spare--;
    }
    files_release(&l);
    return rc;
}

/* --- description -------------------------------------------------------------------------------------------------- */

static void put_region(hg_jw_t *w, const hg_region_t *r)
{
    hg_jw_ku64(w, "file", r->file->index - 1);
    hg_jw_ku64(w, "offset", r->offset);
    hg_jw_ku64(w, "length", r->length);
    hg_jw_ku64(w, "xxh3", r->sum);
}

static void put_numbers(hg_jw_t *w, const char *key, const uint32_t *v, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_u64(w, v[i]);
    hg_jw_end_arr(w);
}

static void put_saved(hg_jw_t *w, const hg_saved_t *s)
{
    hg_jw_arr(w);
    for (uint32_t i = 0; s && i < s->n; i++) {
        const hg_saved_piece_t *v = &s->v[i];
        if (v->dead == v->piece->n) continue;
        hg_jw_obj(w);
        hg_jw_ku64(w, "rows", v->piece->n);
        put_region(w, &v->piece->at);
        put_numbers(w, "origins", v->piece->origins, v->piece->n_origins);
        if (v->dead) {
            hg_jw_key(w, "dead");
            hg_jw_obj(w);
            hg_jw_ku64(w, "rows", v->dead);
            put_region(w, &v->dead_at);
            hg_jw_end_obj(w);
        }
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static void put_lines(const hg_cut_t *k, hg_jw_t *jw)
{
    if (k->n_lines == 0) return;
    hg_jw_key(jw, "waterlines");
    hg_jw_arr(jw);
    for (uint32_t i = 0; i < k->n_lines; i++) {
        const hg_cut_line_t *l = &k->lines[i];
        hg_buf_t text;
        hg_buf_init(&text, HG_BUF_NOMAX);
        int rc = hg_value_print(&text, l->value, 0);
        hg_jw_obj(jw);
        hg_jw_key(jw, "relation");
        hg_jw_str(jw, l->rel->schema.name);
        hg_jw_key(jw, "column");
        hg_jw_str(jw, l->rel->schema.cols[l->col].name);
        if (l->watermark) hg_jw_kbool(jw, "watermark", true);
        hg_jw_key(jw, "value");
        hg_jw_str(jw, hg_buf_str(&text));
        hg_jw_end_obj(jw);
        if (rc < 0) jw->rc = rc;
        hg_buf_release(&text);
    }
    hg_jw_end_arr(jw);
}

static int describe(writer_t *w, hg_jw_t *jw)
{
    files_t l = { 0 };
    int rc = 0;
    for (uint32_t i = 0; i < w->k->n; i++) {
        const hg_cut_store_t *cs = &w->k->stores[i];
        for (uint32_t s = 0; s < cs->manifest->n && rc == 0; s++) rc = files_of(w, cs->now[s], &l);
    }
    if (rc < 0) goto done;
    hg_jw_obj(jw);
    hg_jw_ku64(jw, "format", HG_STATE_FORMAT);
    hg_jw_key(jw, "files");
    hg_jw_arr(jw);
    for (uint32_t i = 0; i < l.n; i++) {
        hg_jw_obj(jw);
        hg_jw_kstr(jw, "name", l.v[i]->name);
        hg_jw_ku64(jw, "size", l.v[i]->size);
        hg_jw_end_obj(jw);
        w->k->stats.bytes_total += l.v[i]->size;
    }
    hg_jw_end_arr(jw);
    hg_jw_key(jw, "relations");
    hg_jw_arr(jw);
    for (uint32_t i = 0; i < w->k->n; i++) {
        const hg_cut_store_t *cs = &w->k->stores[i];
        hg_jw_obj(jw);
        hg_jw_key(jw, "name");
        hg_jw_str(jw, cs->rel->schema.name);
        if (cs->waiting) hg_jw_kbool(jw, "waiting", true);
        hg_jw_ku64(jw, "fingerprint", hg_relation_fingerprint(cs->rel));
        hg_jw_ku64(jw, "rows", cs->live);
        put_numbers(jw, "origins", cs->origins, cs->n_origins);
        hg_jw_key(jw, "segments");
        hg_jw_arr(jw);
        for (uint32_t s = 0; s < cs->manifest->n; s++) put_saved(jw, cs->now[s]);
        hg_jw_end_arr(jw);
        hg_jw_end_obj(jw);
    }
    hg_jw_end_arr(jw);
    put_lines(w->k, jw);
    hg_jw_end_obj(jw);
    if (jw->rc < 0) rc = hg_err_set(w->err, jw->rc, "no room for the description of a checkpoint");
done:
    files_release(&l);
    return rc;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static int save_all(writer_t *w, hg_jw_t *jw)
{
    w->rows = hg_trynew(sizeof *w->rows * HG_SEG_ROWS);
    if (!w->rows) return no_mem(w);
    int rc = choose_packs(w);
    for (uint32_t i = 0; i < w->k->n && rc == 0; i++) {
        hg_cut_store_t *cs = &w->k->stores[i];
        cs->now = hg_tryzero(sizeof(hg_saved_t *) * ((size_t)cs->manifest->n + 1));
        if (!cs->now) return no_mem(w);
        for (uint32_t s = 0; s < cs->manifest->n; s++) cs->now[s] = cs->manifest->segs[s]->saved;
        rc = save_store(w, cs);
    }
    if (rc == 0 && w->pack != HG_NONE) rc = file_finish(w, w->pack);
    if (rc == 0 && w->n_made) rc = hg_dir_sync(w->dir, w->err);
    return rc < 0 ? rc : describe(w, jw);
}

int hg_cut_write(hg_cut_t *k, const char *dir, uint64_t number, const atomic_bool *cancel, hg_jw_t *jw, hg_err_t *err)
{
    writer_t w = { .k = k, .dir = dir, .number = number, .cancel = cancel, .err = err, .pack = HG_NONE };
    hg_buf_init(&w.buf, HG_BUF_NOMAX);
    k->stats = (hg_cut_stats_t){ 0 };
    int rc = save_all(&w, jw);
    for (uint32_t i = 0; i < k->n && rc < 0; i++) hg_cut_settle(&k->stores[i], false);
    files_forget(&w, rc < 0);
    hg_buf_release(&w.buf);
    hg_free(w.rows);
    hg_free(w.dims);
    return rc;
}
