/* store.h: where a table's files are: objects of a bucket (s3://…) or files (file:/…). Paths are whole, as they stand
 * in the table's metadata.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_SINK_STORE_H
#define HEADGATE_PLUGINS_ICEBERG_SINK_STORE_H

#include "s3/s3.h"
#include "plugins/sdk/http.h"

typedef struct store {
    const char *endpoint, *region; /* endpoint NULL: Amazon's */
    const char *ca_file;           /* NULL: the system's */
    hg_s3_creds_t creds;
    bool files; /* files of this machine instead */
    hgp_patience_t patience;
    uint64_t timeout_ms;
} store_t;

/* Is the path one that this store has? HG_EINVAL. */
int store_fits(const store_t *s, const char *path, hg_err_t *err);
/* A new file, whole or not there. err->retry where another attempt may help; some were made. */
int store_put(hgp_instance_t *i, hgp_http_t *h, const store_t *s, const char *path, hg_str_t bytes, hg_err_t *err);
/* Appends the file to out. */
int store_get(hgp_instance_t *i, hgp_http_t *h, const store_t *s, const char *path, hg_buf_t *out, hg_err_t *err);

#endif
