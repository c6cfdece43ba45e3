/* file_path.h: what a `path` option of the file connectors means. */
#ifndef HG_CONNECTORS_TRANSPORT_FILE_PATH_H
#define HG_CONNECTORS_TRANSPORT_FILE_PATH_H

#include "base/access.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opts.h"

/* A plain path (relative ones against the working directory) or an absolute file:// URL. Appends to out. */
static inline int hg_file_path(const char *path, hg_buf_t *out, hg_err_t *err)
{
    hg_str_t s = hg_strz(path);
    if (!s.n) return hg_err_set(err, HG_EINVALTRANSPORT, "'path' is empty");
    if (!hg_str_starts(s, HG_S("file://"))) return hg_buf_addstr(out, s);
    s = (hg_str_t){ s.p + 7, s.n - 7 };
    if (hg_str_starts(s, HG_S("localhost/"))) s = (hg_str_t){ s.p + 9, s.n - 9 };
    if (!s.n || s.p[0] != '/')
        return hg_err_set(err, HG_EINVALTRANSPORT, "'path' '%s' is not an absolute file:// URL", path);
    if (hg_pct_decode(out, s, false) < 0)
        return hg_err_set(err, HG_EINVALTRANSPORT, "'path' '%s' has a bad %%-escape", path);
    return 0;
}

/* Compile time: would it be one, and may it be opened? A reference (${env:…}) is judged when it is resolved. */
static inline void hg_file_path_check(const char *path, const hg_json_t *obj, hg_diag_t *d)
{
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&out, 1 << 16);
    if (!hg_str_starts(hg_strz(path), HG_S("${")) &&
        (hg_file_path(path, &out, &err) < 0 || hg_access_path(out.p, &err) < 0))
        hg_diag(d, false, hg_json_get(obj, "path"), false, "%s", err.msg);
    hg_buf_release(&out);
}

#endif
