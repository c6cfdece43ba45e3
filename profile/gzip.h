/* gzip.h: a gzip file in memory (RFC 1952). */
#ifndef HG_PROFILE_GZIP_H
#define HG_PROFILE_GZIP_H

#include "base/buf.h"
#include "base/err.h"

/* Appends text, compressed. HG_ENOMEM. */
int hg_gzip(hg_str_t text, hg_buf_t *out, hg_err_t *err);

#endif
