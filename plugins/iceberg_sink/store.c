/* store.c: see store.h. Signatures and addresses are those of s3_input (s3/s3.h); files are written
 * as the pipelines' own are (base/durable.h). */
#include "base/hg.h"
#include "base/durable.h"
#include "base/mem.h"
#include "plugins/iceberg_sink/store.h"
#include <errno.h>
#include <sys/stat.h>

/* "s3://bucket/key" in its parts. False: not of this kind. */
static bool object_of(hg_arena_t *a, const char *path, const char **bucket, hg_str_t *key)
{
    static const char *const schemes[] = { "s3://", "s3a://", "s3n://" };
    for (size_t k = 0; k < HG_COUNT(schemes); k++) {
        size_t n = strlen(schemes[k]);
        if (strncmp(path, schemes[k], n) != 0) continue;
        const char *slash = strchr(path + n, '/');
        if (!slash || slash == path + n || !slash[1]) return false;
        if (a) *bucket = hg_arena_strndup(a, path + n, (size_t)(slash - path) - n);
        *key = hg_strz(slash + 1);
        return true;
    }
    return false;
}

/* "file:///x", "file:/x", "/x" → "/x"; NULL: not of this kind. */
static const char *file_of(const char *path)
{
    if (strncmp(path, "file://", 7) == 0) return path[7] == '/' ? path + 7 : NULL;
    if (strncmp(path, "file:/", 6) == 0) return path + 5;
    return path[0] == '/' ? path : NULL;
}

int store_fits(const store_t *s, const char *path, hg_err_t *err)
{
    hg_str_t key;
    if (s->files ? file_of(path) != NULL : object_of(NULL, path, NULL, &key)) return 0;
    return hg_err_set(err, HG_EINVAL, "the table's files are at '%s', and the option 'store_class' says %s", path,
                      s->files ? "fs (file:///…)" : "s3 (s3://bucket/…)");
}

/* --- objects: signed anew for each attempt, because a signature grows old ------------------------------------------
 */

static int request(hgp_instance_t *i, hgp_http_t *h, const store_t *s, const char *method, const char *path,
                   hg_str_t body, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_s3_bucket_t bucket = { .host = NULL };
    const char *name = NULL;
    hg_str_t key;
    char sha[65];
    bool ours = object_of(a, path, &name, &key);
    int rc = ours ? hg_s3_bucket_init(&bucket, name, s->region, s->endpoint, err)
                  : hg_err_set(err, HG_EINVAL, "'%s' is no object of a bucket (s3://bucket/…)", path);
    hg_s3_sha256(body, sha);
    for (uint32_t attempt = 1; rc == 0; attempt++) {
        hg_s3_get_t r;
        *err = HG_ERR_INIT;
        hg_s3_request_init(&r, &bucket, &s->creds, method, key, NULL, 0, sha, (int64_t)time(NULL));
        hg_fetch_t f = { .method = method,
                         .url = r.url.p,
                         .headers = r.headers,
                         .body = body,
                         .timeout_ms = s->timeout_ms,
                         .ca_file = s->ca_file,
                         .raw_path = true };
        rc = hgp_http_call(i, h, &f, err);
        if (rc == 0 && (h->status < 200 || h->status > 299)) rc = hgp_http_refused(h, &f, err);
        hg_s3_get_release(&r);
        if (rc == 0) break;
        if (hgp_try_again(i, &s->patience, attempt, h->asked_ms, err)) rc = 0;
    }
    hg_s3_bucket_release(&bucket);
    hg_arena_free(a);
    return rc;
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static int make_folder(const char *file, hg_err_t *err)
{
    char *path = hg_xstrdup(file);
    int rc = 0;
    for (char *slash = path + 1; rc == 0 && (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(path, 0777) < 0 && errno != EEXIST) rc = hg_err_errno(err, errno, "cannot make the folder %s", path);
        *slash = '/';
    }
    hg_free(path);
    return rc;
}

static int put_file(const char *path, hg_str_t bytes, hg_err_t *err)
{
    hg_dfile_t *f = NULL;
    int rc = make_folder(path, err);
    if (rc == 0) rc = hg_dfile_new(path, &f, err);
    if (rc < 0) return rc;
    rc = hg_dfile_write(f, bytes.p, bytes.n, err);
    if (rc == 0) return hg_dfile_finish(f, "iceberg.file", err);
    hg_dfile_abort(f);
    return rc;
}

int store_put(hgp_instance_t *i, hgp_http_t *h, const store_t *s, const char *path, hg_str_t bytes, hg_err_t *err)
{
    const char *file = file_of(path);
    if (!s->files) return request(i, h, s, "PUT", path, bytes, err);
    int rc = file ? put_file(file, bytes, err) : store_fits(s, path, err);
    if (rc < 0 && file) err->retry = true; /* a full disk is not for ever */
    return rc;
}

int store_get(hgp_instance_t *i, hgp_http_t *h, const store_t *s, const char *path, hg_buf_t *out, hg_err_t *err)
{
    const char *file = file_of(path);
    if (s->files) return file ? hg_file_read(file, out, err) : store_fits(s, path, err);
    int rc = request(i, h, s, "GET", path, (hg_str_t){ NULL, 0 }, err);
    if (rc == 0 && hg_buf_addstr(out, hg_buf_str(&h->answer)) < 0)
        rc = hg_err_retry(err, HG_ENOMEM, "no memory for %s", path);
    return rc;
}
