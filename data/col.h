/* col.h: columns, batches, change batches and deltas.
 *
 * A column has the Arrow layout: an optional validity bitmap (LSB first, 1 = valid, NULL = all valid) and buffers by
 * physical layout:
 *   fixed width   data = values            (values under a 0 bit are unspecified, but initialised)
 *   BIT           data = bitmap
 *   VAR           offs = int32[len + 1], bytes
 *   LIST          offs = int32[len + 1], child[0]
 *   MAP           offs = int32[len + 1], child[0] keys, child[1] values; the keys of a row rise and differ. (Arrow has
 *                 a STRUCT "entries" of the two between them, with neither nulls nor offsets of its own: an exporter
 *                 wraps the children in it, and keysSorted is true.)
 *   STRUCT        child[i] per field, each of len rows; a NULL row has cells too, which mean nothing
 *   VARIANT       VAR: canonical JSON text (data/variant.h); Arrow and Parquet take it as a string
 * Buffers have 64 readable bytes after their end. offs[0] may be > 0 (a slice of another column's buffers).
 *
 * Life: built by one owner through hg_colb_t, then sealed: from there immutable, refcounted, shared between threads.
 * A batch is a set of equally long sealed columns; projection shares columns, it does not copy.
 */
#ifndef HG_DATA_COL_H
#define HG_DATA_COL_H

#include "data/type.h"

typedef struct hg_col hg_col_t;
struct hg_col {
    atomic_uint refs;
    const hg_type_t *type;
    uint32_t len;
    uint32_t nulls; /* exact count of 0 bits among len */
    uint8_t *validity;
    void *data;
    int32_t *offs;
    char *bytes;
    hg_col_t **child;
    uint32_t n_child;
    hg_col_t *base; /* non-NULL: buffers belong to base, which this column retains (slices) */
    size_t mem;     /* bytes of buffers owned */
};

static inline bool hg_bit_get(const uint8_t *bits, size_t i)
{
    return (bits[i >> 3] >> (i & 7)) & 1;
}
static inline void hg_bit_set(uint8_t *bits, size_t i)
{
    bits[i >> 3] = (uint8_t)(bits[i >> 3] | (1u << (i & 7)));
}
static inline void hg_bit_clear(uint8_t *bits, size_t i)
{
    bits[i >> 3] = (uint8_t)(bits[i >> 3] & ~(1u << (i & 7)));
}

static inline bool hg_col_null(const hg_col_t *c, uint32_t i)
{
    return c->validity && !hg_bit_get(c->validity, i);
}
static inline hg_str_t hg_col_var(const hg_col_t *c, uint32_t i)
{
    return (hg_str_t){ c->bytes + c->offs[i], (size_t)(c->offs[i + 1] - c->offs[i]) };
}
#define HG_COL(c, T) ((T *)(c)->data)

/* Any thread. */
hg_col_t *hg_col_retain(hg_col_t *c);
void hg_col_drop(hg_col_t *c); /* NULL is fine */

/* New column with the rows sel[0..n) of c, in that order (repeats allowed). HG_ENOMEM. */
int hg_col_gather(hg_col_t *c, const uint32_t *sel, uint32_t n, hg_col_t **ret, hg_err_t *err);

/* Same buffers under another type of the same physical layout (e.g. another nullability). Never fails but by abort. */
hg_col_t *hg_col_retype(hg_col_t *c, const hg_type_t *type);

/* --- builder ----------------------------------------------------------------------------------------------------
 * One thread. Appends are amortised O(1) and allocate only when a buffer doubles. After HG_ENOMEM or HG_ETOOBIG (more
 * than 2^31-1 bytes of one column) the builder is as before the append. hg_colb_* fast paths are inline. */
typedef struct hg_colb hg_colb_t;
struct hg_colb {
    const hg_type_t *type;
    hg_phys_t phys;
    uint32_t len, cap; /* rows */
    uint32_t nulls;
    uint8_t *validity; /* NULL until the first null */
    void *data;
    int32_t *offs;
    char *bytes;
    uint32_t n_bytes, cap_bytes;
    hg_colb_t *child; /* array of n_child builders */
    uint32_t n_child;
    struct hg_mapsort *sort;       /* MAP: scratch of hg_colb_close_map, NULL until it is needed */
    const struct hg_coldflt *dflt; /* NULL: a constant DEFAULT stands as it is (hg_colb_default) */
};

/* A DEFAULT that depends on the record: in its rows, row `row` of to[k] takes the place of the constant of[k]. */
typedef struct hg_coldflt {
    const hg_col_t *of[2], *to[2];
    uint32_t row;
} hg_coldflt_t;

void hg_colb_init(hg_colb_t *b, const hg_type_t *type);
void hg_colb_release(hg_colb_t *b);
int hg_colb_reserve(hg_colb_t *b, uint32_t rows, uint32_t bytes); /* room for that many more */
int hg_colb_grow(hg_colb_t *b);                                   /* at least one more row */
int hg_colb_null(hg_colb_t *b);
int hg_colb_zero(hg_colb_t *b); /* a valid zero value / empty text: the place-holder in key-only deletes */
int hg_colb_bool(hg_colb_t *b, bool v);
int hg_colb_var(hg_colb_t *b, const char *p, size_t n);
int hg_colb_var_written(hg_colb_t *b,
                        uint32_t n);            /* the caller has written n bytes at bytes + n_bytes, reserved before */
int hg_colb_fixed(hg_colb_t *b, const void *v); /* width bytes of the layout */
int hg_colb_copy(hg_colb_t *b, const hg_col_t *c, uint32_t row); /* same physical layout */
int hg_colb_default(hg_colb_t *b, const hg_col_t *constant);     /* the one row of it, or what b->dflt has for it */
/* LIST: append the elements to child[0] first, then close the row here. A MAP whose keys are known to rise, too. */
int hg_colb_close_list(hg_colb_t *b);
/* MAP: as a list, but the entries are put in the order of their keys and of equal keys the last one stays: equal maps
 * are equal cells. Allocates nothing once the builder has met such a map. */
int hg_colb_close_map(hg_colb_t *b);
/* STRUCT: append one cell to every child first, then close the row here. */
int hg_colb_close_struct(hg_colb_t *b);
/* n rows at once, whose cells stand in every child; rows under a 0 bit of valid (NULL = all valid) are NULL. */
int hg_colb_close_structs(hg_colb_t *b, uint32_t n, const uint8_t *valid);
/* Drop rows from the end so that len rows remain (a bad record takes its cells back); children follow. */
void hg_colb_truncate(hg_colb_t *b, uint32_t len);
size_t hg_colb_bytes(const hg_colb_t *b); /* memory held */
/* Seal: the column takes the buffers; b is empty and usable. refs = 1. */
hg_col_t *hg_colb_seal(hg_colb_t *b);

#define HG_COLB_PUT(name, T)                                                                                           \
    static inline int hg_colb_##name(hg_colb_t *b, T v)                                                                \
    {                                                                                                                  \
        if (HG_UNLIKELY(b->len == b->cap)) {                                                                           \
            int rc = hg_colb_grow(b);                                                                                  \
            if (rc < 0) return rc;                                                                                     \
        }                                                                                                              \
        ((T *)b->data)[b->len] = v;                                                                                    \
        if (b->validity) hg_bit_set(b->validity, b->len);                                                              \
        b->len++;                                                                                                      \
        return 0;                                                                                                      \
    }
HG_COLB_PUT(i8, int8_t)
HG_COLB_PUT(i16, int16_t)
HG_COLB_PUT(i32, int32_t)
HG_COLB_PUT(i64, int64_t)
HG_COLB_PUT(u8, uint8_t)
HG_COLB_PUT(u16, uint16_t)
HG_COLB_PUT(u32, uint32_t)
HG_COLB_PUT(u64, uint64_t)
HG_COLB_PUT(i128, hg_i128)
HG_COLB_PUT(f32, float)
HG_COLB_PUT(f64, double)

/* --- batch: equally long sealed columns --- */
typedef struct hg_batch hg_batch_t;
struct hg_batch {
    atomic_uint refs;
    uint32_t n_rows, n_cols;
    hg_col_t *cols[];
};
hg_batch_t *hg_batch_new(uint32_t n_rows,
                         uint32_t n_cols); /* cols are NULL: the caller fills them, one reference each */
hg_batch_t *hg_batch_retain(hg_batch_t *b);
void hg_batch_drop(hg_batch_t *b);
size_t hg_batch_mem(const hg_batch_t *b); /* bytes of all buffers (shared ones count in each) */
int hg_batch_gather(hg_batch_t *b, const uint32_t *sel, uint32_t n, hg_batch_t **ret, hg_err_t *err);

/* --- change batch: parser → table -------------------------------------------------------------------------------
 * Order is meaning. A DELETE on a keyed table may carry only its key (other cells are place-holders). UPDATE merges the
 * present cells into the row with that key. TRUNCATE removes the rows this connector wrote; its cells are
 * place-holders. */
typedef enum { HG_OP_INSERT, HG_OP_DELETE, HG_OP_UPSERT, HG_OP_UPDATE, HG_OP_TRUNCATE } hg_op_t;

typedef struct hg_change hg_change_t;
struct hg_change {
    atomic_uint refs;
    hg_batch_t *rows;
    uint8_t *ops;      /* hg_op_t per row; NULL = all HG_OP_INSERT */
    uint8_t **present; /* per column a bitmap (1 = the record had it); NULL = all present. Only UPDATE reads it */
    uint64_t *hash;    /* key hash per row (data/hash.h), NULL unless the table is keyed */
};
hg_change_t *hg_change_new(hg_batch_t *rows); /* takes the reference */
hg_change_t *hg_change_retain(hg_change_t *c);
void hg_change_drop(hg_change_t *c);

/* Builder for parsers and generators: row builders per column plus the op. One thread. */
typedef struct hg_changeb {
    const hg_schema_t *schema;
    hg_colb_t *cols; /* schema->n_cols */
    uint8_t *ops;
    uint32_t len, cap;
    bool plain; /* all INSERT so far */
    uint8_t **present;
} hg_changeb_t;
void hg_changeb_init(hg_changeb_t *b, const hg_schema_t *schema);
void hg_changeb_release(hg_changeb_t *b);
/* All cells of the row have been appended to cols: finish it. present: bitmap over columns or NULL = all. */
int hg_changeb_row(hg_changeb_t *b, hg_op_t op, const uint64_t *present);
/* The same for n rows at once, all columns have n more cells: INSERTs with all cells present. */
int hg_changeb_inserts(hg_changeb_t *b, uint32_t n);
/* Take back the cells of an unfinished row: every column is cut to b->len rows. */
void hg_changeb_undo(hg_changeb_t *b);
/* Take back finished rows too, so that len remain (an array of updates whose last element is bad). */
void hg_changeb_truncate(hg_changeb_t *b, uint32_t len);
size_t hg_changeb_bytes(const hg_changeb_t *b);
/* b is empty and usable afterwards. NULL if it had no row. */
hg_change_t *hg_changeb_seal(hg_changeb_t *b);

/* --- delta: after the table --------------------------------------------------------------------------------------
 * A Z-set: a list of parts, each a sealed batch, an optional selection and optional weights. Parts are immutable and
 * refcounted; a filter makes a new part on the same batch. */
typedef struct hg_part hg_part_t;
struct hg_part {
    atomic_uint refs;
    hg_batch_t *batch;
    uint32_t n;       /* rows of the part */
    uint32_t *sel;    /* n row numbers of batch, ascending; NULL = all rows, n == batch->n_rows */
    int64_t *weights; /* n weights (never 0); NULL = all +1 */
};
/* Takes the batch reference and the two arrays (hg_try* memory). */
hg_part_t *hg_part_new(hg_batch_t *batch, uint32_t *sel, uint32_t n, int64_t *weights);
hg_part_t *hg_part_retain(hg_part_t *p);
void hg_part_drop(hg_part_t *p);
/* The part as a batch of its own rows (p's batch retained when there is no selection). */
int hg_part_flatten(hg_part_t *p, hg_batch_t **ret, hg_err_t *err);

typedef struct hg_delta {
    hg_part_t **parts;
    uint32_t n, cap;
} hg_delta_t;
int hg_delta_add(hg_delta_t *d, hg_part_t *p);            /* takes the reference; HG_ENOMEM: p is dropped */
int hg_delta_share(const hg_delta_t *d, hg_delta_t *ret); /* for one more consumer: the parts are shared; HG_ENOMEM */
void hg_delta_release(hg_delta_t *d);
uint64_t hg_delta_rows(const hg_delta_t *d);
uint64_t hg_delta_mem(const hg_delta_t *d); /* bytes; a batch that a part selects from counts as a whole */
/* What is left of d behind its first n records, in the order in which encoders write them: rows with a negative weight,
 * then the others. copies: a row counts |weight| times, and may be left in part; else once. HG_ENOMEM: *ret is empty.
 */
int hg_delta_skip(const hg_delta_t *d, uint64_t n, bool copies, hg_delta_t *ret);

/* Net weight per distinct row, zero rows gone; result parts have weights. NULLs equal, −0 = 0, all NaN equal.
 * The schema's order of columns defines the sort order: rows come out sorted (deletes and inserts mixed). */
int hg_delta_consolidate(const hg_delta_t *in, const hg_type_t *const *types, uint32_t n_cols, hg_delta_t *ret,
                         hg_err_t *err);

/* Order of two cells (NULL smallest, NaN greatest, text by code point); columns of one type. -1, 0, 1. */
int hg_cell_cmp(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j);

#endif
