/* main.c: the sub-commands of headgate. */
#include "base/hg.h"
#include "fda/fda.h"
#include "headgate/cmd.h"
#include "iggy/plugin/plugin.h"

/* Not for people, and the client, which reads its own command line. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} g_raw[] = {
    { "compile", hg_cmd_compile },
    { "pipeline", hg_cmd_pipeline },
    { "position", hg_cmd_position },
    { "bundle", hg_cmd_bundle },
    { "git", hg_cmd_git },
    { "fda", hg_fda_main },
    { "iggy-plugin", hg_plugin_host_main },
};

int main(int argc, char **argv)
{
    const fda_args_t *a = NULL;
    int rc = 0;
    for (size_t i = 0; argc > 1 && i < HG_COUNT(g_raw); i++)
        if (strcmp(argv[1], g_raw[i].name) == 0) return g_raw[i].run(argc - 1, argv + 1);
    char version[] = "--version";
    if (argc == 2 && strcmp(argv[1], "version") == 0) argv[1] = version;
    hg_arena_t *arena = hg_arena_new();
    if (fda_args_parse(arena, &hg_headgate, argc, argv, &a, &rc) == 0) rc = fda_args_cmd(a)->tool(a);
    hg_arena_free(arena);
    return rc;
}
