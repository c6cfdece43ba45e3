/* main.c: the sub-commands of headgate. */
#include "base/hg.h"
#include "headgate/cmd.h"

typedef struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not for people */
} command_t;

static const command_t g_commands[] = {
    { "run", hg_cmd_run, "run a SQL program in the foreground" },
    { "check", hg_cmd_check, "compile a program: errors, warnings, schema, connector graph" },
    { "serve", hg_cmd_serve, "the daemon: Feldera's REST API over pipelines" },
    { "connectors", hg_cmd_connectors, "list the connectors, or the options of one" },
    { "compile", hg_cmd_compile, NULL },
    { "pipeline", hg_cmd_pipeline, NULL },
    { "position", hg_cmd_position, NULL },
};

static void usage(FILE *f)
{
    fprintf(f, "usage: headgate COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < HG_COUNT(g_commands); i++)
        if (g_commands[i].help) fprintf(f, "  %-12s %s\n", g_commands[i].name, g_commands[i].help);
    fprintf(f, "  %-12s %s\n\n`headgate COMMAND --help` tells more.\n", "version", "print the version");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("headgate %s (Feldera API %s)\n", HG_VERSION, HG_FELDERA_VERSION);
        return 0;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        usage(stdout);
        return 0;
    }
    for (size_t i = 0; i < HG_COUNT(g_commands); i++)
        if (strcmp(name, g_commands[i].name) == 0) return g_commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "headgate: unknown command '%s'; `headgate help` lists them\n", name);
    return 2;
}
