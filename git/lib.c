/* lib.c: libgit2, loaded when it is first needed: it brings mbedTLS, Kerberos and ssh. */
#include "base/hg.h"

#include <stdarg.h>

#include "git/git_int.h"

#define SO_NAME(v) "libgit2.so." v /* the ABI changes with every minor version: the one of the header */
#define WORD_(x)   #x
#define WORD(x)    WORD_(x)

struct hg_git2 hg_git2;
#define lib hg_git2
static const hg_lib_fn_t functions[] = { HG_GIT2_FUNCTIONS(HG_LIB_ROW) };
#undef lib

int hg_git2_load(hg_err_t *err)
{
    static bool loaded;
    if (!loaded) {
        int rc = hg_lib_load("libgit2", SO_NAME(WORD(LIBGIT2_VER_MAJOR) "." WORD(LIBGIT2_VER_MINOR)), functions,
                             HG_COUNT(functions), err);
        if (rc < 0) return rc;
    }
    loaded = true;
    hg_git2.git_libgit2_init_();
    return 0;
}

int hg_git2_err(hg_err_t *err, hg_code_t code, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const git_error *e = hg_git2.git_error_last_();
    return hg_err_set(err, code, "%s: %s", what, e && e->message ? e->message : "libgit2 says nothing about it");
}
