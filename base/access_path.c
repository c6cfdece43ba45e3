/* access_path.c: files that programs may open. Rules and threads: access.h.
 *
 * A path is made canonical first: the longest part of it that exists goes through realpath, the rest is appended as it
 * is. The open then walks from the allowed folder down by directory descriptors and follows no link on the way, so that
 * whoever exchanges a folder for a link between the two gets an error instead of a file outside. It needs no system
 * call newer than openat.
 */
#include "base/hg.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/access_int.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define PATH_BYTES ((size_t)1 << 16)

bool hg_access_paths_limited(void)
{
    return hg_access_in_force && hg_access_in_force->n_paths;
}

/* Canonical, as far as it exists; caller frees. NULL: errno. */
static char *canonical(const char *path)
{
    char *whole, *cwd = NULL, *end, *real = NULL, *ret = NULL;
    if (strlen(path) >= PATH_BYTES) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (path[0] == '/') {
        whole = hg_xstrdup(path);
    } else {
        cwd = getcwd(NULL, 0);
        if (!cwd) return NULL;
        whole = hg_xprintf("%s/%s", cwd, path);
        free(cwd); /* getcwd's */
    }
    end = whole + strlen(whole);
    while (end > whole + 1 && end[-1] == '/') *--end = 0;
    char *rest = end; /* what is behind it does not exist */
    for (;;) {
        char kept = *rest;
        *rest = 0;
        real = realpath(rest == whole ? "/" : whole, NULL);
        *rest = kept;
        if (real || errno != ENOENT || rest == whole) break;
        while (rest > whole && *--rest != '/') {
        }
    }
    if (real) {
        int sys = 0;
        for (const char *p = rest; *p && !sys; p += strcspn(p, "/")) { /* ".." of what is not there has no meaning */
            p += strspn(p, "/");
            if (strcspn(p, "/") == 2 && p[0] == '.' && p[1] == '.') sys = ENOENT;
        }
        if (!sys) ret = hg_xprintf("%s%s", strcmp(real, "/") == 0 && *rest ? "" : real, rest);
        free(real); /* realpath's */
        errno = sys;
    }
    int sys = errno;
    hg_free(whole);
    errno = sys;
    return ret;
}

static bool is_in(const char *path, const char *root)
{
    size_t n = strlen(root);
    if (strcmp(root, "/") == 0) return true;
    return strncmp(path, root, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static int add(hg_access_t *a, const char ***list, size_t *n, const char *path, hg_err_t *err)
{
    char *real = realpath(path, NULL);
    if (!real) return hg_err_errno(err, errno, "'%s'", path);
    HG_APUSH(a->arena, *list, *n, hg_arena_strndup(a->arena, real, strlen(real)));
    free(real); /* realpath's */
    return 0;
}

int hg_access_add_path(hg_access_t *a, const char *path, hg_err_t *err)
{
    return add(a, &a->paths, &a->n_paths, path, err);
}

int hg_access_deny_path(hg_access_t *a, const char *path, hg_err_t *err)
{
    return add(a, &a->denied, &a->n_denied, path, err);
}

/* The allowed path that holds a canonical one, or NULL. */
static const char *root_of(const hg_access_t *a, const char *path)
{
    for (size_t i = 0; i < a->n_denied; i++)
        if (is_in(path, a->denied[i])) return NULL;
    if (!a->n_paths) return "/";
    for (size_t i = 0; i < a->n_paths; i++)
        if (is_in(path, a->paths[i])) return a->paths[i];
    return NULL;
}

int hg_access_path(const char *path, hg_err_t *err)
{
    const hg_access_t *a = hg_access_in_force;
    char list[240] = "";
    size_t n = 0;
    if (!a) return 0;
    char *real = canonical(path);
    if (!real) return hg_err_errno(err, errno, "cannot look up '%s'", path);
    bool inside = root_of(a, real) != NULL, link = strcmp(real, path) != 0 && path[0] == '/';
    int rc = 0;
    if (!inside && a->n_paths) {
        for (size_t i = 0; i < a->n_paths && n < sizeof list; i++)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", a->paths[i]);
        rc = hg_err_set(err, HG_EPERM,
                        "'%.100s'%s%.100s is outside of what this server lets programs open (--allow-path: %s%s)", path,
                        link ? ", which is " : "", link ? real : "", list, n >= sizeof list ? "…" : "");
    } else if (!inside) {
        rc = hg_err_set(err, HG_EPERM, "'%.200s' is in the server's own folder, which programs may not open", path);
    }
    hg_free(real);
    return rc;
}

/* Opens root + rest, following no link. */
static int walk(const char *root, const char *rest, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    rest += strspn(rest, "/");
    if (!*rest) return open(root, flags | O_NOFOLLOW, mode);
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0) {
        size_t n = strcspn(rest, "/"), skip = strspn(rest + n, "/");
        bool last = !rest[n + skip];
        if (n > NAME_MAX) {
            close(fd);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, rest, n);
        name[n] = 0;
        rest += n + skip;
        int next = openat(fd, name, (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW, mode);
        int sys = errno;
        close(fd);
        errno = sys;
        if (last) return next;
        fd = next;
    }
    return -1;
}

int hg_access_open(const char *path, int flags, mode_t mode)
{
    const hg_access_t *a = hg_access_in_force;
    flags |= O_CLOEXEC;
    if (!a) return open(path, flags, mode);
    char *real = canonical(path);
    if (!real) return -1;
    const char *root = root_of(a, real);
    int fd = -1;
    if (root)
        fd = walk(root, real + (strcmp(root, "/") == 0 ? 0 : strlen(root)), flags, mode);
    else
        errno = EACCES;
    int sys = errno;
    if (fd < 0 && (!root || sys == ELOOP || sys == ENOTDIR)) {
        hg_log(HG_LOG_WARN, "access", NULL, "refused",
               "path=\"%s\" message=\"outside of --allow-path, or a symbolic link that was not there before\"", real);
        sys = EACCES;
    }
    hg_free(real);
    errno = sys;
    return fd;
}
