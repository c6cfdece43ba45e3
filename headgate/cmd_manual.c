/* cmd_manual.c: `headgate completion`, `headgate manual`: texts that are made from the tables of both programs. */
#include "base/hg.h"
#include "base/durable.h"
#include "base/mem.h"
#include "headgate/cmd.h"

int hg_cmd_completion(const fda_args_t *a)
{
    static const fda_cmd_t *const roots[] = { &hg_headgate, &fda_root };
    bool bash = strcmp(fda_arg(a, "SHELL"), "bash") == 0;
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < HG_COUNT(roots); i++) (bash ? fda_completion_bash : fda_completion_zsh)(roots[i], &b);
    bool ok = fwrite(b.p, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    hg_buf_release(&b);
    return ok ? 0 : 1;
}

static int put_page(const char *dir, const char *name, const hg_buf_t *text)
{
    hg_err_t err = HG_ERR_INIT;
    char *path = hg_xprintf("%s/%s.1", dir, name);
    int rc = hg_file_replace(path, hg_buf_str(text), "manual", &err);
    if (rc < 0) fprintf(stderr, "headgate manual: %s\n", err.msg);
    hg_free(path);
    return rc;
}

/* headgate.1, one page for each of its commands, and one for fda, which has two names. */
int hg_cmd_manual(const fda_args_t *a)
{
    const char *dir = fda_arg(a, "DIR");
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    fda_manual(&hg_headgate, NULL, "headgate", &b);
    int rc = put_page(dir, "headgate", &b);
    for (const fda_cmd_t *c = hg_headgate.subs; c->name && rc == 0; c++) {
        char title[64];
        if (c->hidden) continue;
        snprintf(title, sizeof title, "headgate-%s", c->name);
        hg_buf_clear(&b);
        fda_manual(&hg_headgate, c, title, &b);
        rc = put_page(dir, title, &b);
    }
    static const char *const clients[] = { "headgate-fda", "fda" };
    for (size_t i = 0; i < HG_COUNT(clients) && rc == 0; i++) {
        hg_buf_clear(&b);
        fda_manual(&fda_root, NULL, clients[i], &b);
        rc = put_page(dir, clients[i], &b);
    }
    hg_buf_release(&b);
    return rc < 0 ? 1 : 0;
}
