/* git_int.h: what the files of git/ share. */
#ifndef HG_GIT_GIT_INT_H
#define HG_GIT_GIT_INT_H

#include <git2.h>

#include "base/library.h"
#include "git/git.h"

#define HG_GIT2_FUNCTIONS(F)                                                                                           \
    F(git_blob_free)                                                                                                   \
    F(git_blob_lookup)                                                                                                 \
    F(git_blob_rawcontent)                                                                                             \
    F(git_blob_rawsize)                                                                                                \
    F(git_buf_dispose)                                                                                                 \
    F(git_commit_author)                                                                                               \
    F(git_commit_free)                                                                                                 \
    F(git_commit_id)                                                                                                   \
    F(git_commit_summary)                                                                                              \
    F(git_commit_time)                                                                                                 \
    F(git_commit_tree)                                                                                                 \
    F(git_credential_ssh_key_new)                                                                                      \
    F(git_credential_username_new)                                                                                     \
    F(git_credential_userpass_plaintext_new)                                                                           \
    F(git_error_last)                                                                                                  \
    F(git_fetch_options_init)                                                                                          \
    F(git_error_set_str)                                                                                               \
    F(git_libgit2_shutdown)                                                                                            \
    F(git_libgit2_init)                                                                                                \
    F(git_object_free)                                                                                                 \
    F(git_object_peel)                                                                                                 \
    F(git_odb_free)                                                                                                    \
    F(git_odb_read_header)                                                                                             \
    F(git_oid_tostr)                                                                                                   \
    F(git_remote_connect_ext)                                                                                          \
    F(git_remote_connect_options_init)                                                                                 \
    F(git_remote_create_anonymous)                                                                                     \
    F(git_remote_default_branch)                                                                                       \
    F(git_remote_fetch)                                                                                                \
    F(git_remote_free)                                                                                                 \
    F(git_remote_ls)                                                                                                   \
    F(git_repository_free)                                                                                             \
    F(git_repository_init)                                                                                             \
    F(git_repository_odb)                                                                                              \
    F(git_revparse_single)                                                                                             \
    F(git_tree_entry_byindex)                                                                                          \
    F(git_tree_entry_bypath)                                                                                           \
    F(git_tree_entry_filemode)                                                                                         \
    F(git_tree_entry_free)                                                                                             \
    F(git_tree_entry_id)                                                                                               \
    F(git_tree_entry_name)                                                                                             \
    F(git_tree_entrycount)                                                                                             \
    F(git_tree_free)                                                                                                   \
    F(git_tree_lookup)

struct hg_git2 {
    HG_GIT2_FUNCTIONS(HG_LIB_POINTER)
};
extern struct hg_git2 hg_git2; /* after hg_git2_load */

int hg_git2_load(hg_err_t *err); /* and start it: once more, once more to shut down */
/* "<what>: <libgit2's words>" */
int hg_git2_err(hg_err_t *err, hg_code_t code, const char *fmt, ...) HG_PRINTF(3, 4);

struct hg_git {
    hg_arena_t *a;
    git_repository *repo;
    git_tree *top;
    hg_git_commit_t head;
};

#endif
