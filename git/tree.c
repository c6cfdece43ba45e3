/* tree.c: folders and files of the commit that a repository stands on. */
#include "base/hg.h"

#include "git/git_int.h"

static hg_git_kind_t kind_of(const git_tree_entry *e)
{
    switch (hg_git2.git_tree_entry_filemode_(e)) {
    case GIT_FILEMODE_TREE:
        return HG_GIT_FOLDER;
    case GIT_FILEMODE_LINK:
        return HG_GIT_LINK;
    case GIT_FILEMODE_COMMIT:
        return HG_GIT_MODULE;
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
    case GIT_FILEMODE_UNREADABLE:
        break;
    }
    return HG_GIT_FILE;
}

static int open_folder(hg_git_t *g, const char *folder, git_tree **ret, hg_err_t *err)
{
    git_tree_entry *e = NULL;
    int rc = hg_git2.git_tree_entry_bypath_(&e, g->top, folder);
    if (rc < 0) return hg_err_set(err, HG_ENOTFOUND, "there is no folder '%s'", folder);
    if (kind_of(e) != HG_GIT_FOLDER)
        rc = hg_err_set(err, HG_ETYPE, "'%s' is not a folder", folder);
    else if (hg_git2.git_tree_lookup_(ret, g->repo, hg_git2.git_tree_entry_id_(e)) < 0)
        rc = hg_git2_err(err, HG_EIO, "'%s'", folder);
    hg_git2.git_tree_entry_free_(e);
    return rc;
}

int hg_git_list(hg_git_t *g, const char *folder, int (*fn)(void *arg, const char *name, hg_git_kind_t kind), void *arg,
                hg_err_t *err)
{
    git_tree *t = g->top;
    int rc = *folder ? open_folder(g, folder, &t, err) : 0;
    if (rc < 0) return rc;
    size_t n = hg_git2.git_tree_entrycount_(t);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        const git_tree_entry *e = hg_git2.git_tree_entry_byindex_(t, i);
        rc = fn(arg, hg_git2.git_tree_entry_name_(e), kind_of(e));
    }
    if (*folder) hg_git2.git_tree_free_(t);
    return rc < 0 ? rc : 0;
}

static int read_blob(hg_git_t *g, const git_oid *id, const char *path, size_t max, hg_buf_t *out, hg_err_t *err)
{
    git_odb *db = NULL;
    git_blob *blob = NULL;
    git_object_t type;
    size_t size = 0;
    int rc = 0;
    if (hg_git2.git_repository_odb_(&db, g->repo) < 0) return hg_git2_err(err, HG_EIO, "'%s'", path);
    if (hg_git2.git_odb_read_header_(&size, &type, db, id) < 0)
        rc = hg_git2_err(err, HG_EIO, "'%s'", path);
    else if (size > max)
        rc = hg_err_set(err, HG_ETOOBIG, "'%s' has %zu bytes: more than %zu", path, size, max);
    else if (hg_git2.git_blob_lookup_(&blob, g->repo, id) < 0)
        rc = hg_git2_err(err, HG_EIO, "'%s'", path);
    hg_git2.git_odb_free_(db);
    if (rc < 0) return rc;
    const char *p = hg_git2.git_blob_rawcontent_(blob);
    size = (size_t)hg_git2.git_blob_rawsize_(blob);
    if (size && (!hg_utf8_valid(p, size) || memchr(p, 0, size)))
        rc = hg_err_set(err, HG_EPARSE, "'%s' is not UTF-8 text", path);
    else
        rc = hg_buf_add(out, p, size);
    hg_git2.git_blob_free_(blob);
    return rc;
}

int hg_git_read(hg_git_t *g, const char *path, size_t max, hg_buf_t *out, hg_err_t *err)
{
    git_tree_entry *e = NULL;
    if (hg_git2.git_tree_entry_bypath_(&e, g->top, path) < 0)
        return hg_err_set(err, HG_ENOTFOUND, "there is no file '%s'", path);
    static const char *const words[] = { [HG_GIT_FOLDER] = "a folder",
                                         [HG_GIT_LINK] = "a symbolic link, and not followed",
                                         [HG_GIT_MODULE] = "a submodule" };
    hg_git_kind_t kind = kind_of(e);
    int rc = kind == HG_GIT_FILE ? read_blob(g, hg_git2.git_tree_entry_id_(e), path, max, out, err)
                                 : hg_err_set(err, HG_ETYPE, "'%s' is %s", path, words[kind]);
    hg_git2.git_tree_entry_free_(e);
    return rc;
}
