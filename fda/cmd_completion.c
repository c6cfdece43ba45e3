/* cmd_completion.c: `completion`: the scripts, and the names that they ask for. */
#include "base/hg.h"
#include "fda/fda_int.h"

static int print_pipelines(fda_t *f)
{
    const hg_json_t *list;
    int rc = fda_get(f, "Failed to list pipelines", "/v0/pipelines?selector=status", 0, &list);
    for (const hg_json_t *p = rc ? NULL : list->child; p; p = p->next) puts(fda_text(p, "name", ""));
    return rc;
}

int fda_cmd_completion(fda_t *f, const fda_args_t *a)
{
    const char *what = fda_arg(a, "WHAT");
    hg_buf_t b;
    if (strcmp(what, "pipelines") == 0) return print_pipelines(f);
    hg_buf_init(&b, HG_BUF_NOMAX);
    (strcmp(what, "bash") == 0 ? fda_completion_bash : fda_completion_zsh)(&fda_root, &b);
    fwrite(b.p, 1, b.len, stdout);
    hg_buf_release(&b);
    return 0;
}
