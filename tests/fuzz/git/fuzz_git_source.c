/* Sources of git as users write them: the first byte says which form. What is taken has no way out of the repository,
 * no password, and no second meaning. */
#include "base/hg.h"
#include "base/mem.h"
#include "git/git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_path(const char *path)
{
    HG_ASSERT(path[0] != '/' && !strstr(path, "//") && !strchr(path, '\\'));
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        HG_ASSERT(len && !(len <= 2 && !strncmp(p, "..", len)));
        p += len;
        if (*p == '/') p++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_git_source_t s = { NULL, NULL, NULL };
    hg_err_t err = HG_ERR_INIT;
    char form = n ? (char)data[0] : 'u';
    const char *text = hg_arena_strndup(a, n ? (const char *)data + 1 : "", n ? n - 1 : 0);
    uint64_t ms;
    int rc;
    if (form == 'f') {
        rc = hg_git_file_parse(a, text, &s, &err);
        HG_ASSERT(rc < 0 || s.path[0]);
    } else if (form == 'p') {
        rc = hg_git_source_parse(a, "https://h/x", text, &s, &err);
    } else if (form == 'i') {
        rc = hg_git_interval_parse(text, &ms, &err);
        HG_ASSERT(rc < 0 || (ms >= 100 && ms <= 86400000));
    } else {
        rc = hg_git_source_parse(a, text, NULL, &s, &err);
    }
    HG_ASSERT((rc < 0) == (err.code != 0) && (rc == 0 || err.msg[0]));
    if (rc == 0 && form != 'i') {
        check_path(s.path);
        HG_ASSERT(s.url[0] && s.url[0] != '-' && (!s.ref || (s.ref[0] && s.ref[0] != '-' && !strstr(s.ref, ".."))));
    }
    hg_arena_free(a);
    return 0;
}
