/* cli.h: a command line as tables: commands, arguments, options. The parser, the help, the completion of shells and the
 * manual pages read them, so nothing about a command is said twice. `fda` and `headgate` each have one.
 *
 * One process runs one command: memory comes from one arena and goes with the process.
 */
#ifndef HG_FDA_CLI_H
#define HG_FDA_CLI_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct fda fda_t; /* what fda's own commands share: fda_int.h */
typedef struct fda_cmd fda_cmd_t;
typedef struct fda_args fda_args_t;

typedef struct fda_opt {
    char letter;        /* 0 = none */
    const char *name;   /* "no-wait" */
    const char *value;  /* name of its value in the help; NULL = a flag */
    const char *values; /* "a|b|c": the only values; or NULL */
    const char *env;    /* variable that stands for it; or NULL */
    bool required;
    const char *doc;
} fda_opt_t; /* a table ends with .name == NULL */

typedef struct fda_pos {
    const char *name;
    bool optional;
    const char *values;
    const char *doc;
} fda_pos_t; /* a table ends with .name == NULL */

struct fda_cmd {
    const char *name;
    const char *aliases; /* "a|b", not shown; or NULL */
    const char *doc;     /* the first line is a title, a text may follow after an empty line */
    const fda_pos_t *pos;
    const fda_opt_t *opts;                     /* of the root: also understood by every command */
    const fda_cmd_t *subs;                     /* ends with .name == NULL; they follow the arguments */
    const char *version;                       /* of the root: what --version prints */
    bool hidden;                               /* not for people */
    int (*run)(fda_t *f, const fda_args_t *a); /* NULL: a sub-command is required */
    int (*tool)(const fda_args_t *a);          /* instead of run: needs no daemon */
};

extern const fda_cmd_t fda_root; /* commands.c */

/* --- args.c --- */

/* 0: *ret is filled. Else *ret_code is the exit code (help was printed, or a complaint). */
int fda_args_parse(hg_arena_t *arena, const fda_cmd_t *root, int argc, char **argv, const fda_args_t **ret,
                   int *ret_code);
const fda_cmd_t *fda_args_cmd(const fda_args_t *a);
const char *fda_arg(const fda_args_t *a, const char *pos); /* NULL = not given */
const char *fda_option(const fda_args_t *a,
                       const char *name); /* the last one, or the environment's; NULL = not given */
bool fda_flag(const fda_args_t *a, const char *name);
uint32_t fda_options(const fda_args_t *a, const char *name, const char **ret, uint32_t room); /* all of them */

/* A complaint about the command line; returns 2. */
int fda_usage(const fda_args_t *a, const char *fmt, ...) HG_PRINTF(2, 3);

/* --- completion.c, manual.c: texts from a table. */
void fda_completion_bash(const fda_cmd_t *root, hg_buf_t *out);
void fda_completion_zsh(const fda_cmd_t *root, hg_buf_t *out);
/* One page in man(7). title: "headgate-fda"; cmd NULL: the root with all its commands, else that command alone. */
void fda_manual(const fda_cmd_t *root, const fda_cmd_t *cmd, const char *title, hg_buf_t *out);

#endif
