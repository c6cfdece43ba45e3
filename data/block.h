/* block.h: a batch of columns as bytes: what checkpoints, owed output batches and the journal store.
 *
 * Self-contained: types by physical layout and nesting, row count, optional weights, validity bitmaps, buffers; little
 * endian; lengths checked before anything is believed. The format is described in docs/storage-format.md. Values are
 * copied bit by bit: nothing passes through text or double. Any thread.
 */
#ifndef HG_DATA_BLOCK_H
#define HG_DATA_BLOCK_H

#include "base/buf.h"
#include "data/col.h"

/* Appends rows sel[0..n) (NULL: all n rows) of b. weights NULL: all 1. HG_ENOMEM, HG_ETOOBIG (out's limit). */
int hg_block_write(hg_buf_t *out, const hg_batch_t *b, const hg_type_t *const *types, const uint32_t *sel, uint32_t n,
                   const int64_t *weights, hg_err_t *err);
/* Reads one block off the front of *in and moves *in behind it. types: what the caller expects (n_cols of them); a
 * block of other types or with anything that does not fit is HG_EDAMAGED, the message says which column and what. *ret
 * is a new part with one reference; its buffers are its own. */
int hg_block_read(hg_str_t *in, const hg_type_t *const *types, uint32_t n_cols, hg_part_t **ret, hg_err_t *err);

#endif
