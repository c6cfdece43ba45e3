/* cmd.h: one function per sub-command. Each returns the exit code: 0 fine, 1 failed, 2 wrong usage. */
#ifndef HG_HEADGATE_CMD_H
#define HG_HEADGATE_CMD_H

#include "base/buf.h"
#include "fda/cli.h"

extern const fda_cmd_t hg_headgate; /* commands.c: those for people */

int hg_cmd_run(const fda_args_t *a);
int hg_cmd_check(const fda_args_t *a);
int hg_cmd_serve(const fda_args_t *a);
int hg_cmd_connectors(const fda_args_t *a);
int hg_cmd_connectors_runtime(const char *config, bool check); /* `connectors --config` */
int hg_cmd_completion(const fda_args_t *a);
int hg_cmd_pages(const fda_args_t *a);
int hg_cmd_manual(const fda_args_t *a);

/* headgate connectors --config FILE, without --check. FILE may be NULL. */

/* Those that processes of ours start; argv[0] is the command's name. */
int hg_cmd_compile(int argc, char **argv);
int hg_cmd_pipeline(int argc, char **argv);
int hg_cmd_position(int argc, char **argv);
int hg_cmd_bundle(int argc, char **argv);
int hg_cmd_git(int argc, char **argv);

/* All of standard input; false: it cannot be read, or is larger than the buffer may become. */
bool hg_cmd_read_stdin(hg_buf_t *in);

#endif
