/* cmd_pipeline.c: `headgate pipeline DIR` (spawned by the daemon) and `headgate run`. */
#include "base/hg.h"
#include "headgate/cmd.h"
#include "pipeline/process.h"
#include <getopt.h>

int hg_cmd_pipeline(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: headgate pipeline DIR\n");
        return 2;
    }
    return hg_pipeline_process(argv[1]);
}

static void run_usage(FILE *f)
{
    fprintf(f, "usage: headgate run PROGRAM.sql [--until-complete] [--paused] [--plain] [--config JSON] [--name NAME] "
               "[--socket PATH]\n\n"
               "  --until-complete  end with exit code 0 once all input has ended and all output is delivered\n"
               "  --paused          start paused (drive it over --socket)\n"
               "  --plain           lines instead of the live table\n"
               "  --config JSON     runtime_config, as in the REST API\n"
               "  --name NAME       pipeline name; the default is the file's name\n"
               "  --socket PATH     serve the pipeline's HTTP endpoints on a unix socket\n\n"
               "Ctrl-C drains and stops; a second Ctrl-C stops at once.\n");
}

int hg_cmd_run(int argc, char **argv)
{
    static const struct option longs[] = {
        { "until-complete", no_argument, NULL, 'u' }, { "paused", no_argument, NULL, 'p' },
        { "plain", no_argument, NULL, 'l' },          { "config", required_argument, NULL, 'c' },
        { "name", required_argument, NULL, 'n' },     { "socket", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 }
    };
    hg_run_opts_t o = { 0 };
    int c;
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'u':
            o.until_complete = true;
            break;
        case 'p':
            o.paused = true;
            break;
        case 'l':
            o.plain = true;
            break;
        case 'c':
            o.config = optarg;
            break;
        case 'n':
            o.name = optarg;
            break;
        case 's':
            o.listen = optarg;
            break;
        case 'h':
            run_usage(stdout);
            return 0;
        default:
            run_usage(stderr);
            return 2;
        }
    }
    if (optind != argc - 1) {
        run_usage(stderr);
        return 2;
    }
    o.program = argv[optind];
    return hg_run(&o);
}
