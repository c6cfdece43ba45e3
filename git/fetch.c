/* fetch.c: brings a branch into a bare mirror. Only that one ref is asked for; a history that was rewritten replaces
 * the old one. Host keys of ssh are checked by libgit2 against ~/.ssh/known_hosts, certificates of https against the
 * system's authorities. */
#include "base/hg.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/mem.h"
#include "git/git_int.h"

#define TOKEN_MAX  4096
#define MIRROR_REF "refs/headgate/head"

typedef struct asked {
    const hg_git_source_t *src;
    const hg_git_auth_t *auth;
    char *token;  /* NULL: none */
    bool offered; /* credentials: they were wrong if the server asks again */
    hg_err_t err; /* of a call-back; code 0: none */
} asked_t;

static int give_up(asked_t *x)
{
    hg_git2.git_error_set_str_(GIT_ERROR_CALLBACK, x->err.msg);
    return GIT_EUSER;
}

static int credentials(git_credential **out, const char *url, const char *user, unsigned allowed, void *arg)
{
    asked_t *x = arg;
    const char *name = user && *user ? user : "git";
    if ((allowed & GIT_CREDENTIAL_USERNAME) &&
        !(allowed & (GIT_CREDENTIAL_SSH_KEY | GIT_CREDENTIAL_USERPASS_PLAINTEXT)))
        return hg_git2.git_credential_username_new_(out, name);
    if (x->offered) {
        hg_err_set(&x->err, HG_EPERM, "'%s' refuses the %s", x->src->url,
                   allowed & GIT_CREDENTIAL_SSH_KEY ? "key" : "token");
        return give_up(x);
    }
    x->offered = true;
    if ((allowed & GIT_CREDENTIAL_SSH_KEY) && x->auth->ssh_key)
        return hg_git2.git_credential_ssh_key_new_(out, name, NULL, x->auth->ssh_key, "");
    if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && x->token && hg_git_token_may_go(url))
        return hg_git2.git_credential_userpass_plaintext_new_(out, name, x->token);
    if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && x->token)
        hg_err_set(&x->err, HG_EPERM, "a token is not sent over http: use https for '%s'", x->src->url);
    else
        hg_err_set(&x->err, HG_EPERM, "'%s' asks for %s: give it with --git-%s FILE", x->src->url,
                   allowed & GIT_CREDENTIAL_SSH_KEY ? "a key" : "a token",
                   allowed & GIT_CREDENTIAL_SSH_KEY ? "ssh-key" : "token");
    return give_up(x);
}

static int read_token(asked_t *x, hg_err_t *err)
{
    hg_buf_t b;
    if (!x->auth->token_file) return 0;
    hg_buf_init(&b, TOKEN_MAX);
    int rc = hg_file_read(x->auth->token_file, &b, err);
    hg_str_t text = rc == 0 ? hg_str_trim(hg_buf_str(&b)) : (hg_str_t){ NULL, 0 };
    if (rc < 0)
        hg_err_wrap(err, "the token's file");
    else if (!text.n || memchr(text.p, 0, text.n))
        rc = hg_err_set(err, HG_EINVAL, "the token's file '%s' holds no token", x->auth->token_file);
    else
        x->token = hg_xstrndup(text.p, text.n);
    if (b.len) explicit_bzero(b.p, b.len);
    hg_buf_release(&b);
    return rc;
}

static int check_key(const asked_t *x, hg_err_t *err)
{
    struct stat st;
    if (!x->auth->ssh_key) return 0;
    if (stat(x->auth->ssh_key, &st) < 0)
        return hg_err_errno(err, errno, "the key '%s' cannot be read", x->auth->ssh_key);
    if (!S_ISREG(st.st_mode)) return hg_err_set(err, HG_EINVAL, "the key '%s' is not a file", x->auth->ssh_key);
    return 0;
}

/* why: libgit2's code. */
static int failed(const asked_t *x, int why, hg_err_t *err)
{
    bool web = !strncmp(x->src->url, "https://", 8);
    if (x->err.code) {
        *err = x->err;
        return err->code;
    }
    if (why == GIT_ECERTIFICATE && !web)
        return hg_err_set(err, HG_ENET, "'%s' shows a key that ~/.ssh/known_hosts does not have for it", x->src->url);
    return hg_git2_err(err, HG_ENET, "cannot read '%s'", x->src->url);
}

/* Does the remote have this ref? */
static bool listed(git_remote *remote, const char *name)
{
    const git_remote_head **heads = NULL;
    size_t n = 0;
    if (hg_git2.git_remote_ls_(&heads, &n, remote) < 0) return false;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(heads[i]->name, name)) return true;
    return false;
}

/* libgit2 would answer a server that it was sent to with the token for the one that it was meant for. */
static git_remote_redirect_t redirects(const asked_t *x)
{
    return x->token ? GIT_REMOTE_REDIRECT_NONE : (git_remote_redirect_t)0; /* 0: as the system's git is set up */
}

static git_fetch_options fetch_options(asked_t *x)
{
    git_fetch_options o;
    hg_git2.git_fetch_options_init_(&o, GIT_FETCH_OPTIONS_VERSION);
    o.callbacks.credentials = credentials;
    o.callbacks.payload = x;
    o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    o.follow_redirects = redirects(x);
    return o;
}

static int connect_to(git_remote *remote, asked_t *x, hg_err_t *err)
{
    git_remote_connect_options o;
    hg_git2.git_remote_connect_options_init_(&o, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
    o.callbacks.credentials = credentials;
    o.callbacks.payload = x;
    o.follow_redirects = redirects(x);
    int rc = hg_git2.git_remote_connect_ext_(remote, GIT_DIRECTION_FETCH, &o);
    return rc < 0 ? failed(x, rc, err) : 0;
}

/* The ref to ask for, in the arena; NULL and err if there is none. "" = all of them: it may be a commit. */
static const char *wanted_ref(hg_git_t *g, git_remote *remote, const hg_git_source_t *src, bool any, hg_err_t *err)
{
    if (!src->ref) {
        git_buf name = { 0 };
        const char *ret = NULL;
        if (hg_git2.git_remote_default_branch_(&name, remote) == 0) ret = hg_arena_strndup(g->a, name.ptr, name.size);
        hg_git2.git_buf_dispose_(&name);
        if (!ret) hg_err_set(err, HG_ENOTFOUND, "'%s' is empty: it has no branch", src->url);
        return ret;
    }
    const char *branch = hg_arena_printf(g->a, "refs/heads/%s", src->ref);
    if (listed(remote, branch)) return branch;
    const char *tag = hg_arena_printf(g->a, "refs/tags/%s", src->ref);
    if (any && listed(remote, tag)) return tag;
    if (any && strlen(src->ref) >= 7 && strspn(src->ref, "0123456789abcdef") == strlen(src->ref)) return "";
    hg_err_set(err, HG_ENOTFOUND, "%s '%s' is not in '%s'", any ? "a branch, tag or commit" : "branch", src->ref,
               src->url);
    return NULL;
}

static int download(git_remote *remote, const char *ref, asked_t *x, hg_err_t *err)
{
    char one[1024], all[] = "+refs/heads/*:refs/headgate/all/*";
    char *spec = one;
    if (*ref)
        snprintf(one, sizeof one, "+%s:" MIRROR_REF, ref);
    else
        spec = all;
    const git_strarray specs = { &spec, 1 };
    git_fetch_options o = fetch_options(x);
    x->offered = false;
    int rc = hg_git2.git_remote_fetch_(remote, &specs, &o, NULL);
    return rc < 0 ? failed(x, rc, err) : 0;
}

static int stand_on(hg_git_t *g, const hg_git_source_t *src, const char *ref, hg_err_t *err)
{
    git_object *o = NULL, *c = NULL;
    if (hg_git2.git_revparse_single_(&o, g->repo, *ref ? MIRROR_REF : src->ref) < 0)
        return hg_git2_err(err, HG_ENOTFOUND, "'%s' of '%s'", *ref ? ref : src->ref, src->url);
    int rc = hg_git2.git_object_peel_(&c, o, GIT_OBJECT_COMMIT);
    hg_git2.git_object_free_(o);
    if (rc < 0) return hg_git2_err(err, HG_ETYPE, "'%s' of '%s'", *ref ? ref : src->ref, src->url);
    git_commit *commit = (git_commit *)(void *)c;
    const git_signature *by = hg_git2.git_commit_author_(commit);
    const char *subject = hg_git2.git_commit_summary_(commit);
    hg_git2.git_oid_tostr_(g->head.id, sizeof g->head.id, hg_git2.git_commit_id_(commit));
    g->head.author = hg_arena_printf(g->a, "%s", by && by->name ? by->name : "");
    g->head.subject = hg_arena_printf(g->a, "%s", subject ? subject : "");
    g->head.time = hg_git2.git_commit_time_(commit);
    if (!strncmp(ref, "refs/heads/", 11)) g->head.branch = ref + 11;
    if (hg_git2.git_commit_tree_(&g->top, commit) < 0)
        rc = hg_git2_err(err, HG_EIO, "commit %s of '%s'", g->head.id, src->url);
    hg_git2.git_commit_free_(commit);
    return rc;
}

/* Nobody else uses the mirror: locks in it are of one that was killed. */
static void remove_locks(const char *dir)
{
    static const char *const locks[] = { MIRROR_REF ".lock", "FETCH_HEAD.lock", "packed-refs.lock", "config.lock" };
    for (size_t i = 0; i < HG_COUNT(locks); i++) {
        char *path = hg_xprintf("%s/%s", dir, locks[i]);
        unlink(path);
        hg_free(path);
    }
}

int hg_git_fetch(const char *dir, const hg_git_source_t *src, bool any, const hg_git_auth_t *auth, hg_git_t **ret,
                 hg_err_t *err)
{
    asked_t x = { .src = src, .auth = auth, .err = HG_ERR_INIT };
    git_remote *remote = NULL;
    const char *ref = NULL;
    int rc = hg_git2_load(err);
    if (rc < 0) return rc;
    hg_git_t *g = HG_NEW(hg_git_t);
    g->a = hg_arena_new();
    remove_locks(dir);
    rc = check_key(&x, err);
    if (rc == 0) rc = read_token(&x, err);
    if (rc == 0 && hg_git2.git_repository_init_(&g->repo, dir, 1) < 0) rc = hg_git2_err(err, HG_EIO, "'%s'", dir);
    if (rc == 0 && hg_git2.git_remote_create_anonymous_(&remote, g->repo, src->url) < 0) rc = failed(&x, 0, err);
    if (rc == 0) rc = connect_to(remote, &x, err);
    if (rc == 0) {
        ref = wanted_ref(g, remote, src, any, err);
        rc = ref ? download(remote, ref, &x, err) : err->code;
    }
    if (rc == 0) rc = stand_on(g, src, ref, err);
    if (remote) hg_git2.git_remote_free_(remote);
    if (x.token) {
        explicit_bzero(x.token, strlen(x.token));
        hg_free(x.token);
    }
    if (rc < 0)
        hg_git_free(g);
    else
        *ret = g;
    return rc;
}

void hg_git_free(hg_git_t *g)
{
    if (g->top) hg_git2.git_tree_free_(g->top);
    if (g->repo) hg_git2.git_repository_free_(g->repo);
    hg_git2.git_libgit2_shutdown_();
    hg_arena_free(g->a);
    hg_free(g);
}

const hg_git_commit_t *hg_git_head(const hg_git_t *g)
{
    return &g->head;
}
