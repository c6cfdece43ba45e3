/* secrets.c: see secrets.h. Values are read anew at each start, and live in the memory of the program only. */
#include "base/hg.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hide.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "pipeline/secrets.h"

#define SECRETS_DIR "/etc/feldera-secrets"
#define SECRET_MAX  ((size_t)1 << 20)

static int read_fd(int fd, hg_buf_t *out)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (hg_buf_add(out, chunk, (size_t)n) < 0) {
            explicit_bzero(chunk, sizeof chunk);
            return EFBIG;
        }
    }
    explicit_bzero(chunk, sizeof chunk);
    return 0;
}

static int read_secret(hg_str_t reference, const char *path, hg_arena_t *a, hg_str_t *ret, hg_err_t *err)
{
#define FAILED "secret reference '" HG_SF "' resolution failed: file '%s' "
    struct stat st;
    hg_buf_t text;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is refused below, not waited for */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return hg_err_set(err, HG_EREFERENCE, FAILED "does not exist", HG_SA(reference), path);
    if (fd < 0)
        return hg_err_set(err, HG_EREFERENCE, FAILED "does exist but unable to read it due to: %s", HG_SA(reference),
                          path, strerror(errno));
    int why = fstat(fd, &st) < 0 ? errno : 0;
    if (!why && !S_ISREG(st.st_mode)) {
        close(fd);
        return hg_err_set(err, HG_EREFERENCE, FAILED "is not a regular file", HG_SA(reference), path);
    }
    hg_buf_init(&text, SECRET_MAX);
    if (!why) why = read_fd(fd, &text);
    close(fd);
    int rc = 0;
    if (why)
        rc = hg_err_set(err, HG_EREFERENCE, FAILED "does exist but unable to read it due to: %s", HG_SA(reference),
                        path, strerror(why));
    else if ((text.len && memchr(text.p, 0, text.len)) || !hg_utf8_valid(text.p, text.len))
        rc = hg_err_set(err, HG_EREFERENCE, FAILED "is not UTF-8 text", HG_SA(reference), path);
    else
        *ret = hg_arena_str(a, hg_buf_str(&text));
    if (text.len) explicit_bzero(text.p, text.len);
    hg_buf_release(&text);
    return rc;
#undef FAILED
}

static int resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err)
{
    hg_str_t name, key;
    if (hg_reference(reference, &name, &key) == HG_REF_ENV) {
        char *variable = hg_xstrndup(name.p, name.n);
        const char *value = hg_json_str(hg_json_get(*(const hg_json_t **)arg, variable), getenv(variable));
        int rc = value ? 0
                       : hg_err_set(err, HG_EREFERENCE,
                                    "environment variable reference '" HG_SF
                                    "' resolution failed: environment variable '%s' is not set",
                                    HG_SA(reference), variable);
        hg_free(variable);
        if (value && !hg_utf8_valid(value, strlen(value)))
            rc = hg_err_set(err, HG_EREFERENCE,
                            "environment variable reference '" HG_SF "' resolution failed: its value is not UTF-8",
                            HG_SA(reference));
        if (rc == 0) *ret = hg_arena_str(a, hg_strz(value));
        return rc;
    }
    const char *dir = getenv("HEADGATE_SECRETS_DIR");
    char *path = hg_xprintf("%s/kubernetes/" HG_SF "/" HG_SF, dir && *dir ? dir : SECRETS_DIR, HG_SA(name), HG_SA(key));
    int rc = read_secret(reference, path, a, ret, err);
    hg_free(path);
    return rc;
}

int hg_secret_resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err)
{
    int rc = resolve(arg, reference, a, ret, err);
    if (rc == 0) hg_hide_learn(*ret, reference);
    return rc;
}
