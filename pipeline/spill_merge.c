/* spill_merge.c: sorted runs into one, and into the group that outputs read.
 *
 * At most FAN runs are read at once, a frame of each in memory; more of them are merged in rounds. The last round
 * writes the rows in the schema's order of columns: those with negative weight to one file and the others to a second
 * one, so that a reader has the deletes first; with an index everything goes to one file whose frames end where a key
 * ends, and of one key the deletes come first. Runs are given up only when what they became is complete, so a full disk
 * costs nothing but the work.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/spill_int.h"

#define FAN         64u
#define FRAME_BYTES ((size_t)256 << 10)
#define FRAME_ROWS  4096u
#define LOOK_EVERY  16u /* rows between two looks at the size of a frame */

/* --- a file being written, row by row --- */

typedef struct {
    hg_spillfile_t *file;
    const hg_type_t *const *types;
    const uint32_t *from; /* its column → column of the rows that come; NULL: the same */
    uint32_t n_cols, n;
    hg_colb_t *cols;
    int64_t weights[FRAME_ROWS];
    uint64_t rows;
    hg_buf_t scratch;
    bool full; /* the frame is to be ended as soon as it may be */
} sink_t;

static int sink_open(sink_t *x, const char *dir, const hg_type_t *const *types, const uint32_t *from, uint32_t n_cols,
                     hg_err_t *err)
{
    x->types = types;
    x->from = from;
    x->n_cols = n_cols;
    x->cols = HG_NEWN(hg_colb_t, n_cols + 1);
    for (uint32_t i = 0; i < n_cols; i++) hg_colb_init(&x->cols[i], types[i]);
    hg_buf_init(&x->scratch, HG_BUF_NOMAX);
    return hg_spillfile_new(dir, &x->file, err);
}

static void sink_close(sink_t *x)
{
    for (uint32_t i = 0; i < x->n_cols; i++) hg_colb_release(&x->cols[i]);
    hg_free(x->cols);
    hg_buf_release(&x->scratch);
    hg_spillfile_free(x->file);
}

static int sink_flush(sink_t *x, hg_err_t *err)
{
    if (x->n == 0) return 0;
    hg_batch_t *b = hg_batch_new(x->n, x->n_cols);
    for (uint32_t i = 0; i < x->n_cols; i++) b->cols[i] = hg_colb_seal(&x->cols[i]);
    int rc = hg_spillfile_add(x->file, b, x->types, NULL, x->n, x->weights, &x->scratch, err);
    hg_batch_drop(b);
    x->rows += x->n;
    x->n = 0;
    x->full = false;
    return rc;
}

static int sink_row(sink_t *x, const hg_batch_t *b, uint32_t row, int64_t weight, hg_err_t *err)
{
    int rc = x->n == FRAME_ROWS ? sink_flush(x, err) : 0;
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < x->n_cols && rc == 0; i++)
        rc = hg_colb_copy(&x->cols[i], b->cols[x->from ? x->from[i] : i], row);
    if (rc < 0) return hg_err_set(err, (hg_code_t)rc, "no memory to merge the changes of a transaction");
    x->weights[x->n++] = weight;
    if (x->n == FRAME_ROWS) x->full = true;
    if (x->n % LOOK_EVERY) return 0;
    size_t bytes = 0;
    for (uint32_t i = 0; i < x->n_cols; i++) bytes += hg_colb_bytes(&x->cols[i]);
    x->full |= bytes >= FRAME_BYTES;
    return 0;
}

/* --- several runs, read in order --- */

typedef struct {
    const hg_run_t *run;
    uint64_t at;
    hg_part_t *part; /* NULL: the end */
    uint32_t row;
} cursor_t;

typedef struct {
    const hg_spill_t *s;
    hg_spill_watch_t *watch;
    cursor_t cursors[FAN];
    uint32_t heap[FAN], n; /* smallest first */
    uint64_t popped;
} merge_t;

static int cmp_cells(const hg_batch_t *a, uint32_t i, const hg_batch_t *b, uint32_t j, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        int c = hg_cell_cmp(a->cols[k], i, b->cols[k], j);
        if (c) return c;
    }
    return 0;
}

static bool before(const merge_t *m, uint32_t a, uint32_t b)
{
    const cursor_t *x = &m->cursors[a], *y = &m->cursors[b];
    int c = cmp_cells(x->part->batch, x->row, y->part->batch, y->row, m->s->n_cols);
    return c ? c < 0 : a < b;
}

static void sift_down(merge_t *m, uint32_t at)
{
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < m->n; child++)
            if (before(m, m->heap[child], m->heap[least])) least = child;
        if (least == at) return;
        uint32_t t = m->heap[at];
        m->heap[at] = m->heap[least];
        m->heap[least] = t;
        at = least;
    }
}

static int load(const merge_t *m, cursor_t *c, hg_err_t *err)
{
    hg_part_drop(c->part);
    c->row = 0;
    return hg_spillfile_read(c->run->file, &c->at, m->s->types, m->s->n_cols, &c->part, err);
}

static void merge_close(merge_t *m)
{
    for (uint32_t i = 0; i < FAN; i++) hg_part_drop(m->cursors[i].part);
}

static int merge_open(merge_t *m, const hg_spill_t *s, hg_spill_watch_t *watch, uint32_t first, uint32_t n,
                      hg_err_t *err)
{
    int rc = 0;
    m->s = s;
    m->watch = watch;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        m->cursors[i].run = &s->runs[first + i];
        rc = load(m, &m->cursors[i], err);
        if (rc == 0 && m->cursors[i].part) m->heap[m->n++] = i;
    }
    for (uint32_t i = m->n / 2; rc == 0 && i-- > 0;) sift_down(m, i);
    return rc;
}

/* Behind the smallest row. */
static int pop(merge_t *m, hg_err_t *err)
{
    cursor_t *c = &m->cursors[m->heap[0]];
    int rc = 0;
    if (++c->row == c->part->n) rc = load(m, c, err);
    if (rc < 0) return rc;
    if (!c->part) m->heap[0] = m->heap[--m->n];
    sift_down(m, 0);
    if (!m->watch) return 0;
    if (++m->popped % 1024 == 0) {
        atomic_fetch_add(&m->watch->done, 1024);
        if (m->watch->cancel && atomic_load(m->watch->cancel))
            return hg_err_set(err, HG_ECANCELED, "the pipeline is stopping");
    }
    return 0;
}

/* The next row whose weights do not come to zero; *ret NULL: the end. The part is the caller's reference. */
static int next_row(merge_t *m, hg_part_t **ret, uint32_t *ret_row, int64_t *ret_weight, hg_err_t *err)
{
    *ret = NULL;
    while (m->n) {
        const cursor_t *c = &m->cursors[m->heap[0]];
        hg_part_t *p = hg_part_retain(c->part);
        uint32_t row = c->row;
        int64_t w = p->weights ? p->weights[row] : 1;
        int rc = pop(m, err);
        while (rc == 0 && m->n) {
            c = &m->cursors[m->heap[0]];
            if (cmp_cells(p->batch, row, c->part->batch, c->row, m->s->n_cols) != 0) break;
            if (__builtin_add_overflow(w, c->part->weights ? c->part->weights[c->row] : 1, &w))
                rc = hg_err_set(err, HG_ERANGE, "the weight of a row does not fit into 64 bits");
            if (rc == 0) rc = pop(m, err);
        }
        if (rc == 0 && w) {
            *ret = p;
            *ret_row = row;
            *ret_weight = w;
            return 0;
        }
        hg_part_drop(p);
        if (rc < 0) return rc;
    }
    return 0;
}

/* --- rounds --- */

/* Runs [0, n) become one run, at the end of the list. */
static int merge_some(hg_spill_t *s, hg_spill_watch_t *watch, uint32_t n, hg_err_t *err)
{
    merge_t *m = HG_NEW(merge_t);
    sink_t *x = HG_NEW(sink_t);
    hg_part_t *p = NULL;
    uint32_t row;
    int64_t w;
    int rc = merge_open(m, s, watch, 0, n, err);
    if (rc == 0) rc = sink_open(x, s->dir, s->types, NULL, s->n_cols, err);
    while (rc == 0 && (rc = next_row(m, &p, &row, &w, err)) == 0 && p) {
        rc = sink_row(x, p->batch, row, w, err);
        if (rc == 0 && x->full) rc = sink_flush(x, err);
        hg_part_drop(p);
    }
    if (rc == 0) rc = sink_flush(x, err);
    merge_close(m);
    if (rc == 0) {
        for (uint32_t i = 0; i < n; i++) hg_spillfile_free(s->runs[i].file);
        s->n_runs -= n;
        memmove(s->runs, s->runs + n, s->n_runs * sizeof *s->runs);
        hg_spill_add_run(s, x->file, x->rows);
        x->file = NULL;
        if (watch) atomic_fetch_add(&watch->total, x->rows);
    }
    sink_close(x);
    hg_free(x);
    hg_free(m);
    return rc;
}

/* --- the last round --- */

/* All rows of one key, deletes first. Kept until the key changes: a key has few rows, or its output refuses it. */
typedef struct {
    hg_part_t **parts;
    uint32_t *rows, n, cap;
    int64_t *weights;
} rows_t;

static int end_key(rows_t *k, sink_t *x, hg_err_t *err)
{
    int rc = x->n + k->n > FRAME_ROWS ? sink_flush(x, err) : 0;
    for (int positive = 0; positive < 2; positive++)
        for (uint32_t i = 0; i < k->n && rc == 0; i++)
            if ((k->weights[i] > 0) == positive) rc = sink_row(x, k->parts[i]->batch, k->rows[i], k->weights[i], err);
    for (uint32_t i = 0; i < k->n; i++) hg_part_drop(k->parts[i]);
    k->n = 0;
    return rc < 0 || !x->full ? rc : sink_flush(x, err);
}

static void key_add(rows_t *k, hg_part_t *p, uint32_t row, int64_t w)
{
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 4;
        k->parts = hg_xgrow(k->parts, k->cap * sizeof *k->parts);
        k->rows = hg_xgrow(k->rows, k->cap * sizeof *k->rows);
        k->weights = hg_xgrow(k->weights, k->cap * sizeof *k->weights);
    }
    k->parts[k->n] = p;
    k->rows[k->n] = row;
    k->weights[k->n++] = w;
}

static int last_by_key(merge_t *m, sink_t *x, hg_err_t *err)
{
    rows_t k = { 0 };
    hg_part_t *p = NULL;
    uint32_t row;
    int64_t w;
    int rc = 0;
    while (rc == 0 && (rc = next_row(m, &p, &row, &w, err)) == 0 && p) {
        if (k.n && cmp_cells(k.parts[0]->batch, k.rows[0], p->batch, row, m->s->n_key) != 0) rc = end_key(&k, x, err);
        key_add(&k, p, row, w);
    }
    if (rc == 0) rc = end_key(&k, x, err);
    for (uint32_t i = 0; i < k.n; i++) hg_part_drop(k.parts[i]);
    hg_free(k.parts);
    hg_free(k.rows);
    hg_free(k.weights);
    return rc < 0 ? rc : sink_flush(x, err);
}

static int last_by_sign(merge_t *m, sink_t *negative, sink_t *positive, hg_err_t *err)
{
    hg_part_t *p = NULL;
    uint32_t row;
    int64_t w;
    int rc = 0;
    while (rc == 0 && (rc = next_row(m, &p, &row, &w, err)) == 0 && p) {
        sink_t *x = w < 0 ? negative : positive;
        rc = sink_row(x, p->batch, row, w, err);
        if (rc == 0 && x->full) rc = sink_flush(x, err);
        hg_part_drop(p);
    }
    if (rc == 0) rc = sink_flush(negative, err);
    return rc < 0 ? rc : sink_flush(positive, err);
}

/* Column of the schema → column of a run. */
static uint32_t *places(const hg_spill_t *s)
{
    uint32_t *from = HG_NEWN(uint32_t, s->n_cols + 1);
    for (uint32_t i = 0; i < s->n_cols; i++) from[s->order[i]] = i;
    return from;
}

static int merge_last(hg_spill_t *s, hg_spill_watch_t *watch, hg_group_t **ret, hg_err_t *err)
{
    merge_t *m = HG_NEW(merge_t);
    sink_t *x = HG_NEWN(sink_t, 2);
    uint32_t *from = places(s);
    bool split = s->n_key == 0;
    int rc = merge_open(m, s, watch, 0, s->n_runs, err);
    if (rc == 0) rc = sink_open(&x[0], s->dir, s->schema_types, from, s->n_cols, err);
    if (rc == 0 && split) rc = sink_open(&x[1], s->dir, s->schema_types, from, s->n_cols, err);
    if (rc == 0) rc = split ? last_by_sign(m, &x[0], &x[1], err) : last_by_key(m, &x[0], err);
    if (rc == 0 && x[0].rows + x[1].rows) {
        hg_spillfile_t *files[2] = { x[0].file, x[1].file };
        *ret = hg_spill_group(files, s->schema_types, s->n_cols, x[0].rows + x[1].rows, watch ? watch->lost : NULL,
                              watch ? watch->arg : NULL);
        x[0].file = x[1].file = NULL;
    }
    merge_close(m);
    for (uint32_t i = 0; i < s->n_runs && rc == 0; i++) hg_spillfile_free(s->runs[i].file);
    if (rc == 0) s->n_runs = 0;
    for (int i = 0; i < 2; i++) sink_close(&x[i]);
    hg_free(from);
    hg_free(x);
    hg_free(m);
    return rc;
}

int hg_spill_merge(hg_spill_t *s, hg_spill_watch_t *watch, hg_group_t **ret, hg_err_t *err)
{
    int rc = 0;
    *ret = NULL;
    if (watch) {
        uint64_t total = 0;
        for (uint32_t i = 0; i < s->n_runs; i++) total += s->runs[i].rows;
        atomic_fetch_add(&watch->total, total);
    }
    while (rc == 0 && s->n_runs > FAN) rc = merge_some(s, watch, FAN, err);
    return rc < 0 ? rc : merge_last(s, watch, ret, err);
}
