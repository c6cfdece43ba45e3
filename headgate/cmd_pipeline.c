/* cmd_pipeline.c: `headgate pipeline DIR` (spawned by the daemon) and `headgate run`. */
#include "base/hg.h"
#include "headgate/cmd.h"
#include "pipeline/process.h"

int hg_cmd_pipeline(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: headgate pipeline DIR\n");
        return 2;
    }
    return hg_pipeline_process(argv[1]);
}

int hg_cmd_run(const fda_args_t *a)
{
    hg_run_opts_t o = { .program = fda_arg(a, "PROGRAM_PATH"),
                        .until_complete = fda_flag(a, "until-complete"),
                        .paused = fda_flag(a, "paused"),
                        .plain = fda_flag(a, "plain"),
                        .config = fda_option(a, "config"),
                        .name = fda_option(a, "name"),
                        .listen = fda_option(a, "socket") };
    return hg_run(&o);
}
