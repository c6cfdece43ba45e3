/* git.h: reading texts out of a git repository, local or remote.
 *
 * Everything but the parsers blocks, for minutes where a network is slow: call it in a process that has nothing else to
 * do. One thread.
 */
#ifndef HG_GIT_GIT_H
#define HG_GIT_GIT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define HG_GIT_ID 41 /* 40 hexadecimal digits and the final 0 */

/* --- source.c: any thread, nothing is looked at ------------------------------------------------------------------ */

typedef struct hg_git_source {
    const char *url;  /* https://, http://, ssh://, file://, user@host:path, or a path */
    const char *ref;  /* branch (of a file: or tag, or commit); NULL: what the repository names as its default */
    const char *path; /* of a file or folder in it, without leading or trailing '/'; "" = the top */
} hg_git_source_t;

/* "URL[#branch]". path: NULL = "". Texts in the arena. HG_EINVAL: the message says what is wrong. */
int hg_git_source_parse(hg_arena_t *a, const char *text, const char *path, hg_git_source_t *ret, hg_err_t *err);
/* "URL[@ref]:path". */
int hg_git_file_parse(hg_arena_t *a, const char *text, hg_git_source_t *ret, hg_err_t *err);
bool hg_git_is_local(const char *url); /* a path or file:// */
/* A token goes over TLS, or to this machine, and nowhere else. */
bool hg_git_token_may_go(const char *url);

/* "30s", "500ms", "5m", or a number of seconds; from 100 ms to a day. */
int hg_git_interval_parse(const char *text, uint64_t *ret_ms, hg_err_t *err);

/* --- fetch.c, tree.c ---------------------------------------------------------------------------------------------- */

typedef struct hg_git_auth {
    const char *ssh_key;    /* file: private key of ssh, without a passphrase */
    const char *token_file; /* file: token or password of https */
} hg_git_auth_t;

typedef struct hg_git_follow { /* what a daemon keeps its pipelines equal to */
    hg_git_source_t src;
    hg_git_auth_t auth;
    uint64_t interval_ms;
} hg_git_follow_t;

typedef struct hg_git_commit {
    char id[HG_GIT_ID];
    const char *author, *subject; /* UTF-8 */
    int64_t time;                 /* seconds since 1970 */
    const char *branch;           /* NULL: it was asked for by tag or id */
} hg_git_commit_t;

typedef struct hg_git hg_git_t;

/* Brings src->ref into the bare repository at dir, which is made if it is not there and which nobody else may use at
 * the same time, and stays on its newest commit.
 * any: a tag or commit will do as well. HG_ENET: may work later; HG_ENOTFOUND: no such ref; HG_EPERM: refused. */
int hg_git_fetch(const char *dir, const hg_git_source_t *src, bool any, const hg_git_auth_t *auth, hg_git_t **ret,
                 hg_err_t *err);
void hg_git_free(hg_git_t *g);
const hg_git_commit_t *hg_git_head(const hg_git_t *g);

typedef enum { HG_GIT_FILE, HG_GIT_FOLDER, HG_GIT_LINK, HG_GIT_MODULE } hg_git_kind_t;

/* The entries of a folder in the order of the repository; fn's negative return ends it. HG_ENOTFOUND. */
int hg_git_list(hg_git_t *g, const char *folder, int (*fn)(void *arg, const char *name, hg_git_kind_t kind), void *arg,
                hg_err_t *err);
/* Appends a file. HG_ENOTFOUND; HG_ETYPE: it is no file (a symbolic link is not followed); HG_ETOOBIG: more than max
 * bytes, which are not read; HG_EPARSE: it is not UTF-8 text without NUL. */
int hg_git_read(hg_git_t *g, const char *path, size_t max, hg_buf_t *out, hg_err_t *err);

#endif
