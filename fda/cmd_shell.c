/* cmd_shell.c: `shell`: SQL and a few commands, line by line, for one pipeline. Words and order are Feldera's.
 *
 * Each line of SQL is asked for by a child: ^C ends it and nothing else, the connection closes with it, and the server
 * stops the query. Lines that are commands are read by the client's own command line.
 */
#include "base/hg.h"
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fda/edit.h"
#include "fda/fda_int.h"

static const char help_text[] = "A line is a query (SELECT, INSERT INTO), or one of\n"
                                "\n"
                                "  start, pause, resume, stop     what `fda start …` and so on do, with their options\n"
                                "  restart [-r]                   stop, then start; -r compiles the program anew\n"
                                "  program                        print the program\n"
                                "  help, \\h                       this text\n"
                                "  \\?                             what can be asked\n"
                                "\n"
                                "Tab completes, ^R searches the history, ^C ends a query, ^D the shell.\n";

static const char sql_help_text[] =
    "Ask tables and views that are MATERIALIZED: SELECT reads their rows as they are now, INSERT INTO adds rows to a\n"
    "table. Tables and views are made by the program of the pipeline, not here.\n";

/* Words that a query may use. */
static const char *const sql_words[] = {
    "ALL",   "AND",      "AS",   "ASC",   "AVG",   "BETWEEN", "BY",     "CASE",   "CAST",   "COUNT",
    "DESC",  "DISTINCT", "ELSE", "END",   "FALSE", "FROM",    "GROUP",  "HAVING", "IN",     "INSERT",
    "INTO",  "IS",       "LIKE", "LIMIT", "MAX",   "MIN",     "NOT",    "NULL",   "OFFSET", "OR",
    "ORDER", "SELECT",   "SUM",  "THEN",  "TRUE",  "UNION",   "VALUES", "WHEN",   "WHERE",  "WITH",
};
static const char *const commands[] = { "start", "pause",   "resume", "restart", "shutdown",
                                        "stop",  "program", "help",   "exit" };

typedef struct {
    fda_t *f;
    const char *name;
    const hg_json_t *schema; /* program_info.schema; NULL: not asked yet, or nothing to tell */
    bool asked;
} shell_t;

/* --- completion --- */

static void offer_relations(const hg_json_t *list, void (*offer)(void *to, const char *word), void *to)
{
    for (const hg_json_t *r = list ? list->child : NULL; r; r = r->next) {
        offer(to, fda_text(r, "name", ""));
        const hg_json_t *cols = fda_member(r, "fields");
        for (const hg_json_t *c = cols ? cols->child : NULL; c; c = c->next) offer(to, fda_text(c, "name", ""));
    }
}

static void candidates(void *arg, hg_str_t before, void (*offer)(void *to, const char *word), void *to)
{
    shell_t *s = arg;
    if (!s->asked) {
        const hg_json_t *p;
        fda_answer_t ans;
        s->asked = true;
        if (fda_call(s->f, "", "GET", fda_path(s->f, "/v0/pipelines/%s", s->name), (hg_str_t){ 0 },
                     FDA_QUIET | FDA_NO_RETRY, &ans) == 0 &&
            (p = ans.json) != NULL)
            s->schema = fda_member(p, "program_info.schema");
    }
    if (hg_str_trim(before).n == 0)
        for (size_t i = 0; i < HG_COUNT(commands); i++) offer(to, commands[i]);
    for (size_t i = 0; i < HG_COUNT(sql_words); i++) offer(to, sql_words[i]);
    offer_relations(fda_member(s->schema, "inputs"), offer, to);
    offer_relations(fda_member(s->schema, "outputs"), offer, to);
}

/* --- lines --- */

/* The line is SQL: a child asks, so that ^C ends the question alone. */
static void ask(shell_t *s, hg_str_t sql)
{
    int status = 0;
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        putchar('\n');
        const char *path = fda_path(s->f, "/v0/pipelines/%s/query?format=%s&sql=%s", s->name,
                                    fda_format_name(s->f->format), hg_arena_strndup(s->f->arena, sql.p, sql.n));
        int rc = fda_stream(s->f, "ERROR", path, 0, 0);
        if (rc == 0) putchar('\n');
        putchar('\n');
        fflush(stdout);
        _exit(rc);
    }
    if (pid < 0) fda_error("ERROR: cannot start a process: %s", strerror(errno));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid > 0 && WIFSIGNALED(status))
        printf("\n%s\n\n", WTERMSIG(status) == SIGINT ? "ERROR: canceling statement due to user request."
                                                      : "ERROR: the query ended by a signal");
}

static bool is_command(hg_str_t line)
{
    static const char *const names[] = { "start", "pause", "resume", "stop", "restart", "shutdown" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_starts(line, hg_strz(names[i]))) return true;
    return hg_str_eqz(line, "program");
}

/* `fda <line> <pipeline>`, in this process. */
static void command(shell_t *s, hg_str_t line)
{
    char *argv[32], *text = hg_arena_strndup(s->f->arena, line.p, line.n), *rest = NULL, self[] = "fda", get[] = "get";
    const fda_args_t *a = NULL;
    int argc = 0, rc;
    argv[argc++] = self;
    for (char *w = strtok_r(text, " ", &rest); w && argc < (int)HG_COUNT(argv) - 3; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    if (hg_str_eqz(line, "program")) argv[argc++] = get;
    argv[argc++] = hg_arena_strndup(s->f->arena, s->name, strlen(s->name));
    argv[argc] = NULL;
    if (fda_args_parse(s->f->arena, &fda_root, argc, argv, &a, &rc) == 0) fda_args_cmd(a)->run(s->f, a);
    s->asked = false; /* the program may be another one now */
}

static void take(shell_t *s, hg_str_t line)
{
    if (hg_str_eqz(line, "\\h") || hg_str_eqz(line, "help"))
        puts(help_text);
    else if (hg_str_eqz(line, "\\?"))
        puts(sql_help_text);
    else if (hg_str_eqz(line, "exit"))
        puts("Use Ctrl-D (i.e. EOF) to exit");
    else if (is_command(line))
        command(s, line);
    else if (line.n)
        ask(s, line);
}

/* $XDG_CONFIG_HOME/fda/shell_history, in ~/.config without it; the folder is made. NULL: nowhere. */
static const char *history_path(fda_t *f)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (!(config && *config) && !(home && *home)) return NULL;
    if (!(config && *config)) config = hg_arena_printf(f->arena, "%s/.config", home);
    const char *dir = hg_arena_printf(f->arena, "%s/fda", config);
    (void)mkdir(config, 0700); /* where they cannot be made the history is not kept */
    (void)mkdir(dir, 0700);
    return hg_arena_printf(f->arena, "%s/shell_history", dir);
}

static int find_pipeline(fda_t *f, const char *name)
{
    const hg_json_t *list;
    int rc = fda_get(f, hg_arena_printf(f->arena, "Failed to connect to %s", f->host), "/v0/pipelines?selector=status",
                     0, &list);
    for (const hg_json_t *p = rc ? NULL : list->child; p; p = p->next)
        if (strcmp(fda_text(p, "name", ""), name) == 0) return 0;
    return rc ? rc : fda_error("ERROR: Pipeline does not exist, use `fda create %s` to create it", name);
}

int fda_cmd_shell(fda_t *f, const fda_args_t *a)
{
    shell_t s = { .f = f, .name = fda_arg(a, "NAME") };
    hg_str_t line;
    fda_edit_rc_t rc;
    if (f->format == FDA_PROMETHEUS) return fda_unsupported(f);
    int code = fda_flag(a, "start") ? fda_cmd_start(f, a) : 0;
    if (code == 0) code = find_pipeline(f, s.name);
    if (code) return code;
    puts("fda shell (" HG_FELDERA_VERSION "). Type \"help\" for help. Use Ctrl-D (i.e. EOF) to exit.\n");
    const char *host = strstr(f->host, "://");
    signal(SIGINT, SIG_IGN); /* it is for the questions' processes */
    fda_edit_t *e = fda_edit_open(hg_arena_printf(f->arena, "%s/%s> ", host ? host + 3 : f->host, s.name),
                                  history_path(f), candidates, &s);
    while ((rc = fda_edit_line(e, &line)) != FDA_EDIT_END)
        if (rc == FDA_EDIT_LINE) take(&s, line);
    fda_edit_close(e);
    return 0;
}
