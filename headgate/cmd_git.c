/* cmd_git.c: `headgate git`, the manager's eye on a repository. One JSON document in on standard input, one out:
 *   in   {"dir": mirror, "url", "ref": branch or null, "path", "known": commit or null, "ssh_key", "token_file": file
 * or null} out  {"error": "…"}, or {"commit": {"id", "author", "time", "subject"}, "branch"} and, unless known is that
 * commit, "pipelines": [{"name", "program": text, "config": text or null}]  folders with a program.sql "problems":
 * [{"path", "message"}]                                what makes the commit unfit "notes":     [{"path", "message"}]
 * what was passed over Exit code 0 = an answer was printed. */
#include "base/hg.h"

#include "base/json.h"
#include "git/git.h"
#include "headgate/cmd.h"

#define PROGRAM_MAX   ((size_t)16 << 20)
#define CONFIG_MAX    ((size_t)1 << 20)
#define PIPELINES_MAX 10000
#define TOTAL_MAX     ((size_t)256 << 20)

typedef struct note {
    const char *path, *message;
} note_t;

typedef struct look {
    hg_git_t *git;
    hg_arena_t *a;
    const char *folder; /* "" = the top */
    hg_buf_t found;     /* of JSON: the pipelines */
    hg_jw_t w;
    uint32_t n_found;
    note_t *problems, *notes;
    uint32_t n_problems, n_notes;
} look_t;

static const char *path_of(look_t *l, const char *name, const char *file)
{
    const char *slash = *l->folder ? "/" : "";
    return *file ? hg_arena_printf(l->a, "%s%s%s/%s", l->folder, slash, name, file)
                 : hg_arena_printf(l->a, "%s%s%s", l->folder, slash, name);
}

static void problem(look_t *l, const char *path, const char *message)
{
    note_t n = { path, hg_arena_printf(l->a, "%s", message) };
    HG_APUSH(l->a, l->problems, l->n_problems, n);
}

/* 1: read, 0: not there, -1: a problem that is noted. */
static int take(look_t *l, const char *path, size_t max, hg_buf_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_git_read(l->git, path, max, out, &err);
    if (rc == 0) return 1;
    if (rc != HG_ENOTFOUND) problem(l, path, err.msg);
    return rc == HG_ENOTFOUND ? 0 : -1;
}

static int entry(void *arg, const char *name, hg_git_kind_t kind)
{
    look_t *l = arg;
    if (kind == HG_GIT_LINK || kind == HG_GIT_MODULE) {
        note_t n = { path_of(l, name, ""),
                     kind == HG_GIT_LINK ? "a symbolic link is not followed" : "a submodule is not looked into" };
        HG_APUSH(l->a, l->notes, l->n_notes, n);
    }
    if (kind != HG_GIT_FOLDER) return 0;
    hg_buf_t program, config;
    hg_buf_init(&program, HG_BUF_NOMAX);
    hg_buf_init(&config, HG_BUF_NOMAX);
    int has = take(l, path_of(l, name, "program.sql"), PROGRAM_MAX, &program);
    int configured = has > 0 ? take(l, path_of(l, name, "config.json"), CONFIG_MAX, &config) : 0;
    int rc = 0;
    if (has > 0 && configured >= 0) {
        hg_jw_obj(&l->w);
        hg_jw_kstr(&l->w, "name", name);
        hg_jw_key(&l->w, "program");
        hg_jw_str(&l->w, hg_buf_str(&program));
        hg_jw_key(&l->w, "config");
        if (configured)
            hg_jw_str(&l->w, hg_buf_str(&config));
        else
            hg_jw_null(&l->w);
        hg_jw_end_obj(&l->w);
        l->n_found++;
    }
    if (l->n_found > PIPELINES_MAX || l->found.len > TOTAL_MAX) {
        problem(l, path_of(l, name, ""), "more than 10,000 pipelines, or 256 MiB of programs");
        rc = HG_ETOOBIG;
    }
    hg_buf_release(&program);
    hg_buf_release(&config);
    return rc;
}

static void put_notes(hg_jw_t *w, const char *key, const note_t *v, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "path", v[i].path);
        hg_jw_kstr(w, "message", v[i].message);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static int look(look_t *l, const hg_json_t *ask, hg_jw_t *w, hg_err_t *err)
{
    const hg_git_commit_t *c = hg_git_head(l->git);
    bool known = !strcmp(hg_json_str(hg_json_get(ask, "known"), ""), c->id);
    if (!known) {
        int rc = hg_git_list(l->git, l->folder, entry, l, err);
        if (rc < 0 && err->code) return rc;
    }
    hg_jw_obj(w);
    hg_jw_key(w, "commit");
    hg_jw_obj(w);
    hg_jw_kstr(w, "id", c->id);
    hg_jw_kstr(w, "author", c->author);
    hg_jw_ki64(w, "time", c->time);
    hg_jw_kstr(w, "subject", c->subject);
    hg_jw_end_obj(w);
    hg_jw_kstr(w, "branch", c->branch);
    if (!known) {
        hg_jw_key(w, "pipelines");
        hg_jw_end_arr(&l->w);
        hg_jw_raw(w, hg_buf_str(&l->found));
        put_notes(w, "problems", l->problems, l->n_problems);
        put_notes(w, "notes", l->notes, l->n_notes);
    }
    hg_jw_end_obj(w);
    return 0;
}

static void answer(const hg_json_t *ask, hg_arena_t *a, hg_buf_t *out)
{
    const hg_git_source_t src = { .url = hg_json_str(hg_json_get(ask, "url"), ""),
                                  .ref = hg_json_str(hg_json_get(ask, "ref"), NULL),
                                  .path = hg_json_str(hg_json_get(ask, "path"), "") };
    const hg_git_auth_t auth = { .ssh_key = hg_json_str(hg_json_get(ask, "ssh_key"), NULL),
                                 .token_file = hg_json_str(hg_json_get(ask, "token_file"), NULL) };
    look_t l = { .a = a, .folder = src.path };
    hg_err_t err = HG_ERR_INIT;
    hg_jw_t w;
    hg_jw_init(&w, out);
    hg_buf_init(&l.found, HG_BUF_NOMAX);
    hg_jw_init(&l.w, &l.found);
    hg_jw_arr(&l.w);
    int rc = hg_git_fetch(hg_json_str(hg_json_get(ask, "dir"), ""), &src, false, &auth, &l.git, &err);
    if (rc == 0) {
        rc = look(&l, ask, &w, &err);
        hg_git_free(l.git);
    }
    if (rc < 0) {
        hg_jw_obj(&w);
        hg_jw_kstr(&w, "error", err.msg);
        hg_jw_end_obj(&w);
    }
    hg_buf_release(&l.found);
}

int hg_cmd_git(int argc, char **argv)
{
    hg_buf_t in, out;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    (void)argv;
    if (argc != 1) {
        fprintf(stderr, "usage: headgate git < question.json\n");
        return 2;
    }
    hg_arena_t *a = hg_arena_new();
    hg_buf_init(&in, (size_t)1 << 20);
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = 1;
    if (!hg_cmd_read_stdin(&in) || hg_json_parse(a, hg_buf_str(&in), &v, &err) < 0) {
        fprintf(stderr, "headgate git: standard input: %s\n", err.code ? err.msg : "cannot be read");
    } else {
        answer(v, a, &out);
        rc = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
    }
    hg_buf_release(&in);
    hg_buf_release(&out);
    hg_arena_free(a);
    return rc;
}
