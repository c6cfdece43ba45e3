/* zip_lib.h: archives, made in memory and read from files, through libzip, which is loaded at the first. One thread. */
#ifndef HG_BASE_ZIP_LIB_H
#define HG_BASE_ZIP_LIB_H

#include "base/buf.h"
#include "base/err.h"

typedef struct hg_zip hg_zip_t;

int hg_zip_new(hg_zip_t **ret, hg_err_t *err);
/* name: its path in the archive. The bytes are copied. */
int hg_zip_add(hg_zip_t *z, const char *name, hg_str_t bytes, hg_err_t *err);
/* Appends the archive to out; z is freed, also after a failure. out NULL: only freed. */
int hg_zip_end(hg_zip_t *z, hg_buf_t *out, hg_err_t *err);

/* Gives each file of the archive at path whose name ends so, in the archive's order; name and bytes are lent. A result
 * of file but 0 ends it and is returned. HG_ETOOBIG: one is larger than max; HG_EIO. */
int hg_zip_each(const char *path, const char *ending, size_t max,
                int (*file)(void *arg, const char *name, hg_str_t bytes, hg_err_t *err), void *arg, hg_err_t *err);

#endif
