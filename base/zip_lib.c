/* zip_lib.c: see zip_lib.h. */
#include "base/hg.h"

#include <zip.h>

#include "base/library.h"
#include "base/mem.h"
#include "base/zip_lib.h"

#define FUNCTIONS(F)                                                                                                   \
    F(zip_close)                                                                                                       \
    F(zip_discard)                                                                                                     \
    F(zip_error_fini)                                                                                                  \
    F(zip_error_init)                                                                                                  \
    F(zip_error_init_with_code)                                                                                        \
    F(zip_error_strerror)                                                                                              \
    F(zip_fclose)                                                                                                      \
    F(zip_file_add)                                                                                                    \
    F(zip_file_strerror)                                                                                               \
    F(zip_fopen_index)                                                                                                 \
    F(zip_fread)                                                                                                       \
    F(zip_get_name)                                                                                                    \
    F(zip_get_num_entries)                                                                                             \
    F(zip_open)                                                                                                        \
    F(zip_open_from_source)                                                                                            \
    F(zip_source_buffer)                                                                                               \
    F(zip_source_buffer_create)                                                                                        \
    F(zip_source_close)                                                                                                \
    F(zip_source_free)                                                                                                 \
    F(zip_source_keep)                                                                                                 \
    F(zip_source_open)                                                                                                 \
    F(zip_source_read)                                                                                                 \
    F(zip_strerror)

static struct {
    FUNCTIONS(HG_LIB_POINTER)
} lib;
static const hg_lib_fn_t g_functions[] = { FUNCTIONS(HG_LIB_ROW) };
static bool g_loaded;

struct hg_zip {
    zip_t *archive;
    zip_source_t *bytes; /* of the archive, once it is closed */
};

static int load(hg_err_t *err)
{
    int rc = g_loaded ? 0 : hg_lib_load("libzip", "libzip.so.4", g_functions, HG_COUNT(g_functions), err);
    g_loaded |= rc == 0;
    return rc;
}

int hg_zip_new(hg_zip_t **ret, hg_err_t *err)
{
    zip_error_t why;
    if (load(err) < 0) return err->code;
    lib.zip_error_init_(&why);
    hg_zip_t *z = HG_NEW(hg_zip_t);
    z->bytes = lib.zip_source_buffer_create_(NULL, 0, 0, &why);
    if (z->bytes) {
        lib.zip_source_keep_(z->bytes); /* zip_close gives back one of the two */
        z->archive = lib.zip_open_from_source_(z->bytes, ZIP_TRUNCATE, &why);
        if (!z->archive) lib.zip_source_free_(z->bytes);
    }
    int rc = 0;
    if (!z->archive) {
        rc = hg_err_set(err, HG_EIO, "no archive can be made: %s", lib.zip_error_strerror_(&why));
        if (z->bytes) lib.zip_source_free_(z->bytes);
        hg_free(z);
    } else {
        *ret = z;
    }
    lib.zip_error_fini_(&why);
    return rc;
}

int hg_zip_add(hg_zip_t *z, const char *name, hg_str_t bytes, hg_err_t *err)
{
    void *copy = malloc(bytes.n ? bytes.n : 1); /* libzip frees it */
    if (!copy) return hg_err_set(err, HG_ENOMEM, "no memory for %s", name);
    if (bytes.n) memcpy(copy, bytes.p, bytes.n);
    zip_source_t *s = lib.zip_source_buffer_(z->archive, copy, bytes.n, 1);
    if (!s) {
        free(copy);
    } else if (lib.zip_file_add_(z->archive, name, s, ZIP_FL_ENC_UTF_8) < 0) {
        lib.zip_source_free_(s);
        s = NULL;
    }
    return s ? 0 : hg_err_set(err, HG_EIO, "%s cannot be added: %s", name, lib.zip_strerror_(z->archive));
}

static int copy_out(zip_source_t *s, hg_buf_t *out)
{
    char chunk[65536];
    zip_int64_t n = -1;
    if (lib.zip_source_open_(s) < 0) return -1;
    while ((n = lib.zip_source_read_(s, chunk, sizeof chunk)) > 0)
        if (hg_buf_add(out, chunk, (size_t)n) < 0) break;
    lib.zip_source_close_(s);
    return n == 0 ? 0 : -1;
}

int hg_zip_end(hg_zip_t *z, hg_buf_t *out, hg_err_t *err)
{
    int rc = 0;
    if (!out) {
        lib.zip_discard_(z->archive);
    } else if (lib.zip_close_(z->archive) < 0) {
        rc = hg_err_set(err, HG_EIO, "the archive cannot be written: %s", lib.zip_strerror_(z->archive));
        lib.zip_discard_(z->archive);
    } else if (copy_out(z->bytes, out) < 0) {
        rc = hg_err_set(err, HG_EIO, "the archive cannot be read back");
    }
    lib.zip_source_free_(z->bytes);
    hg_free(z);
    return rc;
}

/* --- reading --- */

static int read_one(zip_t *z, zip_uint64_t i, const char *name, hg_buf_t *out, hg_err_t *err)
{
    char chunk[65536];
    zip_int64_t n = -1;
    int rc = 0;
    zip_file_t *f = lib.zip_fopen_index_(z, i, 0);
    if (!f) return hg_err_set(err, HG_EIO, "%s cannot be read: %s", name, lib.zip_strerror_(z));
    while (rc == 0 && (n = lib.zip_fread_(f, chunk, sizeof chunk)) > 0) rc = hg_buf_add(out, chunk, (size_t)n);
    if (rc < 0)
        hg_err_set(err, (hg_code_t)rc, "%s has more than %zu bytes", name, out->max);
    else if (n < 0)
        rc = hg_err_set(err, HG_EIO, "%s cannot be read: %s", name, lib.zip_file_strerror_(f));
    lib.zip_fclose_(f);
    return rc;
}

int hg_zip_each(const char *path, const char *ending, size_t max,
                int (*file)(void *arg, const char *name, hg_str_t bytes, hg_err_t *err), void *arg, hg_err_t *err)
{
    int code = 0, rc = load(err);
    if (rc < 0) return rc;
    zip_t *z = lib.zip_open_(path, ZIP_RDONLY, &code);
    if (!z) {
        zip_error_t why;
        lib.zip_error_init_with_code_(&why, code);
        rc = hg_err_set(err, HG_EIO, "%s", lib.zip_error_strerror_(&why));
        lib.zip_error_fini_(&why);
        return rc;
    }
    zip_int64_t n = lib.zip_get_num_entries_(z, 0);
    for (zip_uint64_t i = 0; rc == 0 && n > 0 && i < (zip_uint64_t)n; i++) {
        const char *name = lib.zip_get_name_(z, i, 0);
        size_t len = name ? strlen(name) : 0, tail = strlen(ending);
        if (len < tail || strcmp(name + len - tail, ending) != 0) continue;
        hg_buf_t bytes;
        hg_buf_init(&bytes, max);
        rc = read_one(z, i, name, &bytes, err);
        if (rc == 0) rc = file(arg, name, hg_buf_str(&bytes), err);
        hg_buf_release(&bytes);
    }
    lib.zip_discard_(z);
    return rc;
}
