/* cmd.h: one function per sub-command; argv[0] is the command's name. Each returns the exit code: 0 fine, 1 failed, 2
 * wrong usage. */
#ifndef HG_HEADGATE_CMD_H
#define HG_HEADGATE_CMD_H

#include "base/buf.h"

int hg_cmd_run(int argc, char **argv);
int hg_cmd_check(int argc, char **argv);
int hg_cmd_serve(int argc, char **argv);
int hg_cmd_connectors(int argc, char **argv);
int hg_cmd_compile(int argc, char **argv);
int hg_cmd_pipeline(int argc, char **argv);
int hg_cmd_position(int argc, char **argv);

/* All of standard input; false: it cannot be read, or is larger than the buffer may become. */
bool hg_cmd_read_stdin(hg_buf_t *in);

#endif
