/* gzip.c: see gzip.h. */
#include "base/hg.h"

#include <zlib.h>

#include "profile/gzip.h"

int hg_gzip(hg_str_t text, hg_buf_t *out, hg_err_t *err)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)text.p };
    int rc = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) return hg_err_set(err, HG_ENOMEM, "no memory for compressing a profile");
    size_t left = text.n;
    do {
        if (hg_buf_reserve(out, 1 << 16) < 0) break;
        if (!z.avail_in) {
            z.avail_in = (uInt)HG_MIN(left, (size_t)1 << 30);
            left -= z.avail_in;
        }
        z.next_out = (Bytef *)out->p + out->len;
        z.avail_out = 1 << 16;
        rc = deflate(&z, left ? Z_NO_FLUSH : Z_FINISH);
        out->len = (size_t)((char *)z.next_out - out->p);
        out->p[out->len] = 0;
    } while (rc == Z_OK || rc == Z_BUF_ERROR);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : hg_err_set(err, HG_ENOMEM, "no memory for a compressed profile");
}
