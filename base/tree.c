/* tree.c: a folder goes with all that is in it (durable.h). Symbolic links are removed, never followed. */
#include "base/hg.h"
#include "base/durable.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int remove_below(int dirfd, const char *keep, hg_err_t *err)
{
    DIR *d = fdopendir(dirfd); /* takes dirfd over */
    if (!d) {
        close(dirfd);
        return hg_err_errno(err, errno, "cannot read a directory");
    }
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || (keep && !strcmp(e->d_name, keep))) continue;
        if (unlinkat(dirfd, e->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM) {
            rc = hg_err_errno(err, errno, "cannot remove '%s'", e->d_name);
            break;
        }
        int sub = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0)
            rc = hg_err_errno(err, errno, "cannot remove '%s'", e->d_name);
        else
            rc = remove_below(sub, NULL, err);
        if (rc == 0 && unlinkat(dirfd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            rc = hg_err_errno(err, errno, "cannot remove '%s'", e->d_name);
    }
    closedir(d);
    return rc;
}

int hg_tree_remove(const char *path, const char *keep, hg_err_t *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : hg_err_errno(err, errno, "cannot remove '%s'", path);
    int rc = remove_below(fd, keep, err);
    if (rc == 0 && !keep && rmdir(path) < 0 && errno != ENOENT)
        rc = hg_err_errno(err, errno, "cannot remove '%s'", path);
    return rc;
}
