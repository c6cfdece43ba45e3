/* spawn.c: making the process of a deployment: its environment, its log, a session of its own. */
#include "base/hg.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/deployment.h"
#include "base/mem.h"
#include "manager/runner_int.h"

extern char **environ;

/* The environment of the process: ours, then runtime_config.env over it. One block: pointers, then texts in the arena.
 * Where programs are limited it is ours alone: a variable can load code or send a library elsewhere. `${env:…}` then
 * finds runtime_config.env in deployment.json. */
static char **make_env(const hg_pl_t *pl, bool limited, hg_arena_t *a)
{
    char **env = NULL;
    size_t n = 0;
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_json_parse(a, hg_strz(pl->def.runtime_config), &v, &err);
    const hg_json_t *extra = rc == 0 && !limited ? hg_json_get(v, "env") : NULL;
    for (char **e = environ; *e; e++) {
        bool replaced = false;
        size_t len = strcspn(*e, "=");
        for (const hg_json_t *x = extra ? extra->child : NULL; x && !replaced; x = x->next)
            replaced = x->key.n == len && !memcmp(x->key.p, *e, len);
        if (!replaced) HG_APUSH(a, env, n, *e);
    }
    for (const hg_json_t *x = extra ? extra->child : NULL; x; x = x->next)
        HG_APUSH(a, env, n, hg_arena_printf(a, HG_SF "=" HG_SF, HG_SA(x->key), HG_SA(x->str)));
    HG_APUSH(a, env, n, NULL);
    return env;
}

int hg_run_spawn(hg_run_t *run, uv_exit_cb on_exit, hg_err_t *err)
{
    hg_mg_t *mg = run->mg;
    char *dir = hg_deploy_dir(mg, run->pl);
    char *log = hg_deploy_file(mg, run->pl, HG_FILE_LOG);
    int rc = 0;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = hg_err_errno(err, errno, "cannot open '%s'", log);
        goto out;
    }
    char arg0[] = "headgate", arg1[] = "pipeline";
    char *args[] = { arg0, arg1, dir, NULL };
    hg_arena_t *a = hg_arena_new();
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
                                      { .flags = UV_INHERIT_FD, .data = { .fd = fd } },
                                      { .flags = UV_INHERIT_FD, .data = { .fd = fd } } };
    uv_process_options_t po = { .exit_cb = on_exit,
                                .file = mg->exe,
                                .args = args,
                                .env = make_env(run->pl, hg_access_limits(mg->access), a),
                                .flags =
                                    UV_PROCESS_DETACHED, /* a session of its own: our terminal's signals are not its */
                                .stdio = stdio,
                                .stdio_count = 3 };
    run->proc = HG_NEW(uv_process_t);
    run->proc->data = run;
    int uvrc = uv_spawn(mg->uv, run->proc, &po);
    if (uvrc < 0)
        rc = hg_err_set(err, HG_EIO, "cannot start '%s': %s", mg->exe, uv_strerror(uvrc));
    else
        run->pid = run->proc->pid;
    hg_arena_free(a);
    close(fd);
out:
    hg_free(log);
    hg_free(dir);
    return rc;
}
