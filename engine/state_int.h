/* state_int.h: what writing and restoring state share; engine-internal.
 *
 * A segment remembers the pieces that hold its rows on disk (hg_seg_t.saved). One cut exists at a time: its writer
 * reads that list, hg_cut_done (circuit thread) replaces it. Pieces and files are immutable and counted, because the
 * list before and the list after a cut share most of them.
 */
#ifndef HG_ENGINE_STATE_INT_H
#define HG_ENGINE_STATE_INT_H

#include "engine/hold_int.h"
#include "engine/state.h"
#include "engine/store_int.h"

#define HG_STATE_FORMAT  1u
#define HG_STATE_VERSION 1u
#define HG_STATE_HEAD    16u /* bytes before the first region of a file */
#define HG_SEG_MAGIC     "HGSEG\r\n"
#define HG_PACK_MAGIC    "HGPACK\n"
#define HG_PIECE_MAGIC   UINT32_C(0x31435048) /* "HPC1" */

typedef struct hg_file_head {
    char magic[8];
    uint32_t version, reserved;
} hg_file_head_t;

typedef struct hg_piece_head { /* then, with more than one origin, u32 per row; then blocks */
    uint32_t magic, rows, n_origins, reserved;
} hg_piece_head_t;

typedef struct hg_sfile {
    atomic_uint refs;
    bool pack;
    uint64_t size;
    uint64_t live;  /* scratch of one cut: bytes that it still refers to */
    uint32_t index; /* scratch of one cut: place in the list of files + 1 */
    bool evict;     /* scratch of one cut: what is in it is written again */
    char name[48];
} hg_sfile_t;

typedef struct hg_region {
    hg_sfile_t *file;
    uint64_t offset, length, sum;
} hg_region_t;

/* Rows [a, b) of a segment. */
typedef struct hg_piece {
    atomic_uint refs;
    uint32_t a, b;
    uint32_t n;       /* rows written, in order */
    uint8_t *present; /* which of [a, b) they are; NULL = all. Bitmaps of dead rows count the rows written */
    hg_region_t at;
    uint32_t *origins; /* number of the connector by the origin's place in the piece */
    uint32_t n_origins;
} hg_piece_t;

typedef struct hg_saved_piece {
    hg_piece_t *piece;
    uint32_t dead;       /* of the rows written */
    hg_region_t dead_at; /* the bitmap; file NULL when dead is 0 or all */
} hg_saved_piece_t;

struct hg_saved {
    uint32_t n;
    hg_saved_piece_t v[];
};

hg_sfile_t *hg_sfile_new(hg_str_t name, bool pack, uint64_t size);
hg_sfile_t *hg_sfile_retain(hg_sfile_t *f);
void hg_sfile_drop(hg_sfile_t *f);
void hg_piece_drop(hg_piece_t *p);
void hg_saved_piece_release(hg_saved_piece_t *p);

/* A store at the cut. */
typedef struct hg_cut_store {
    const hg_relation_t *rel;
    bool waiting; /* its rows that wait (hold_int.h) */
    hg_manifest_t *manifest;
    hg_acct_t *acct; /* holds types */
    const hg_type_t *const *types;
    uint32_t n_cols;
    bool bag;
    const hg_seg_t *tail;
    uint32_t tail_rows, epoch;
    const uint32_t
        *tail_origin; /* the tail gets origins of its own while the cut is written; earlier rows keep theirs */
    uint32_t tail_origin0;
    uint64_t live;
    uint32_t *origins; /* a copy: all that ever wrote, in order, because a delete borrows in this order */
    uint32_t n_origins;
    hg_saved_t **now; /* per segment, once written: seg->saved or what takes its place; NULL = nothing */
} hg_cut_store_t;

/* What was written becomes what the segments remember, or is forgotten. */
void hg_cut_settle(hg_cut_store_t *cs, bool durable);

/* A waterline at the cut. */
typedef struct hg_cut_line {
    const hg_relation_t *rel;
    bool watermark; /* of WATERMARK */
    uint32_t col;
    hg_col_t *value;
} hg_cut_line_t;

struct hg_cut {
    hg_cut_store_t *stores;
    uint32_t n;
    hg_cut_line_t *lines;
    uint32_t n_lines;
    hg_cut_stats_t stats;
};

/* --- restoring --- */
typedef struct hg_load_origin {
    uint32_t old, now; /* numbers of a connector */
} hg_load_origin_t;

typedef struct hg_load_table {
    const hg_relation_t *rel;
    bool waiting;
    hg_store_t *st;
    const hg_json_t *segments;
    uint64_t rows;
    hg_load_origin_t *origins;
    uint32_t n_origins;
    uint32_t first, n; /* its tasks */
} hg_load_table_t;

typedef struct hg_load {
    const char *dir;
    hg_sfile_t **files;
    uint32_t n_files;
} hg_load_t;

/* state_load.c, any thread. One segment with its rows, hashes, dead rows and pieces; not in the store yet. */
int hg_load_seg(const hg_load_t *l, const hg_load_table_t *t, const hg_json_t *pieces, hg_seg_t **ret, hg_err_t *err);

/* state_restore.c: HG_EDAMAGED with the place in the description. */
int hg_desc_bad(const hg_json_t *at, hg_err_t *err, const char *what);
int hg_desc_u64(const hg_json_t *obj, const char *key, uint64_t max, uint64_t *ret, hg_err_t *err);

/* --- parallel work (state_par.c): fn(arg, task) for tasks 0..n on up to `threads` threads, the caller among them. A
 * negative return ends it: the error of the lowest such task is the result. */
typedef int (*hg_par_fn)(void *arg, uint32_t task, hg_err_t *err);
int hg_par_run(unsigned threads, uint32_t n, hg_par_fn fn, void *arg, hg_err_t *err);

#endif
