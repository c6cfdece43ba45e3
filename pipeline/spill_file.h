/* spill_file.h: a file of blocks that nobody but this process reads and no restart finds.
 *
 * It has no name (it is removed as soon as it is open), so nothing has to be cleaned up after a crash. A frame: u32
 * bytes of payload, u32 rows, u64 XXH3 of rows and payload, payload (data/block.h); host byte order. What is read is
 * believed only if the checksum is right. Blocking: never on a loop. Errors name the file's folder and the byte.
 */
#ifndef HG_PIPELINE_SPILL_FILE_H
#define HG_PIPELINE_SPILL_FILE_H

#include "base/buf.h"
#include "data/col.h"

typedef struct hg_spillfile hg_spillfile_t;

/* dir "": the folder for temporary files. HG_EIO (HG_ENOSPC-like texts come from the system). */
int hg_spillfile_new(const char *dir, hg_spillfile_t **ret, hg_err_t *err);
/* Takes an open descriptor instead; for tests. */
hg_spillfile_t *hg_spillfile_of(int fd, const char *label, uint64_t size);
void hg_spillfile_free(hg_spillfile_t *f); /* NULL is fine; the space returns */
uint64_t hg_spillfile_size(const hg_spillfile_t *f);

/* Appends a frame; one thread at a time. On failure the file is as before. scratch is used and left empty or not. */
int hg_spillfile_add(hg_spillfile_t *f, const hg_batch_t *b, const hg_type_t *const *types, const uint32_t *sel,
                     uint32_t n, const int64_t *weights, hg_buf_t *scratch, hg_err_t *err);
/* The frame at *at; *at moves behind it. *ret NULL: the end. Any thread, several at once. HG_EDAMAGED, HG_EIO,
 * HG_ENOMEM. */
int hg_spillfile_read(const hg_spillfile_t *f, uint64_t *at, const hg_type_t *const *types, uint32_t n_cols,
                      hg_part_t **ret, hg_err_t *err);

#endif
