/* cmd_git.c: `git`: the repository that the daemon follows; and a program out of a repository, once (`program set
 * --git`), which is read here and never by the daemon. */
#include "base/hg.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "fda/fda_int.h"
#include "git/git.h"

#define PROGRAM_MAX ((size_t)64 << 20)

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

int fda_read_git(fda_t *f, const fda_args_t *a, hg_buf_t *text)
{
    hg_err_t err = HG_ERR_INIT;
    hg_git_source_t src;
    hg_git_t *g = NULL;
    const hg_git_auth_t auth = { fda_option(a, "git-ssh-key"), fda_option(a, "git-token") };
    if (hg_git_file_parse(f->arena, fda_option(a, "git"), &src, &err) < 0)
        return fda_usage(a, "invalid value for '--git <SOURCE>': %s", err.msg);
    const char *temp = getenv("TMPDIR");
    char *dir = hg_arena_printf(f->arena, "%s/fda-git-XXXXXX", temp && *temp ? temp : "/tmp");
    if (!mkdtemp(dir)) return fda_error("Cannot create a folder for the repository: %s", strerror(errno));
    int rc = hg_git_fetch(dir, &src, true, &auth, &g, &err);
    if (rc == 0) {
        rc = hg_git_read(g, src.path, PROGRAM_MAX, text, &err);
        if (rc == 0 && f->format == FDA_TEXT)
            printf("%s at %.12s, %s: %s\n", src.path, hg_git_head(g)->id, hg_git_head(g)->author,
                   hg_git_head(g)->subject);
        hg_git_free(g);
    }
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return rc < 0 ? fda_error("Failed to read the program from git: %s", err.msg) : 0;
}

/* --- git ---------------------------------------------------------------------------------------------------------- */

static const char *commit(fda_t *f, const hg_json_t *c)
{
    if (!c || c->kind == HG_J_NULL) return "none yet";
    return hg_arena_printf(f->arena, "%.12s, %s: %s", fda_text(c, "id", ""), fda_text(c, "author", ""),
                           fda_text(c, "subject", ""));
}

static void print_head(fda_t *f, const hg_json_t *v)
{
    const hg_json_t *refused = fda_member(v, "refused");
    const char *error = fda_text(v, "error", NULL);
    printf("source   %s\nstate    %s\ncommit   %s\n", fda_text(v, "source", ""), fda_text(v, "state", ""),
           commit(f, fda_member(v, "commit")));
    if (*fda_text(v, "looked_at", ""))
        printf("looked   %s, again %s\n", fda_clock(f, fda_text(v, "looked_at", "")),
               fda_clock(f, fda_text(v, "next_look_at", "")));
    if (refused && refused->kind == HG_J_OBJECT)
        printf("refused  %s\n         %s: %s\n", commit(f, fda_member(refused, "commit")), fda_text(refused, "at", ""),
               fda_text(refused, "message", ""));
    if (error) printf("error    %s (%s in a row)\n", error, fda_digits(v, "failures", "0"));
}

int fda_cmd_git(fda_t *f, const fda_args_t *a)
{
    static const char *const heads[] = { "pipeline", "state", "commit", "message" };
    const hg_json_t *v, *list;
    (void)a;
    int rc = fda_get(f, "Failed to ask about git", "/v0/git", 0, &v);
    if (rc) return rc;
    if (f->format == FDA_JSON) {
        fda_print_json(v, true);
        return 0;
    }
    if (f->format != FDA_TEXT) return fda_unsupported(f);
    print_head(f, v);
    list = fda_member(v, "pipelines");
    if (!list || !list->n) return 0;
    const char **text = hg_arena_alloc(f->arena, (list->n + 1) * HG_COUNT(heads) * sizeof *text), **cell = text;
    for (size_t i = 0; i < HG_COUNT(heads); i++) *cell++ = heads[i];
    for (const hg_json_t *p = list->child; p; p = p->next) {
        const hg_json_t *c = fda_member(p, "commit");
        *cell++ = fda_text(p, "name", "");
        *cell++ = fda_text(p, "state", "");
        *cell++ = c && c->kind == HG_J_OBJECT ? hg_arena_printf(f->arena, "%.12s", fda_text(c, "id", "")) : "";
        *cell++ = fda_text(p, "message", "");
    }
    fda_print_box(text, list->n + 1, HG_COUNT(heads));
    return 0;
}
