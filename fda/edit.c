/* edit.c: see edit.h. libedit, loaded when somebody types: the other commands of the client do not map it.
 *
 * ^C has to give a new prompt and not end the program, also in the middle of a line: while a line is edited the
 * terminal sends no signals, and the key is a function of the editor that ends the line and remembers why.
 */
#include "base/hg.h"
#include <histedit.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/library.h"
#include "base/mem.h"
#include "fda/edit.h"
#include "fda/fda_int.h"

#define SONAME         "libedit.so.2"
#define HISTORY_MAX    1000
#define LINE_MAX_BYTES ((size_t)1 << 20)

#define FUNCTIONS(F)                                                                                                   \
    F(el_init)                                                                                                         \
    F(el_end)                                                                                                          \
    F(el_set) F(el_wset) F(el_get) F(el_gets) F(el_line) F(el_insertstr) F(history_init) F(history_end) F(history)
static struct {
    FUNCTIONS(HG_LIB_POINTER)
} lib;
static const hg_lib_fn_t g_functions[] = { FUNCTIONS(HG_LIB_ROW) };

struct fda_edit {
    char *prompt, *history_path;
    fda_candidates_fn candidates;
    void *arg;
    EditLine *el; /* NULL: lines are read plainly */
    History *history;
    bool interrupted;
    hg_buf_t line;
};

/* --- completion --- */

typedef struct {
    hg_arena_t *arena;
    hg_str_t word;
    const char **found;
    size_t n;
} offer_t;

/* Only capital letters. */
static bool is_keyword(const char *s)
{
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == 0;
}

static void offer(void *to, const char *candidate)
{
    offer_t *o = to;
    char lower[64];
    if (o->word.n && o->word.p[0] >= 'a' && is_keyword(candidate)) { /* as it was begun */
        size_t n = HG_MIN(strlen(candidate), sizeof lower - 1);
        for (size_t i = 0; i < n; i++) lower[i] = (char)(candidate[i] + ('a' - 'A'));
        lower[n] = 0;
        candidate = lower;
    }
    if (strncmp(candidate, o->word.p, o->word.n) != 0) return;
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->found[i], candidate) == 0) return;
    HG_APUSH(o->arena, o->found, o->n, hg_arena_strndup(o->arena, candidate, strlen(candidate)));
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           (c & 0x80);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list(const offer_t *o)
{
    putchar('\n');
    for (size_t i = 0; i < o->n; i++) printf("%s%s", o->found[i], i + 1 < o->n ? "  " : "\n");
    fflush(stdout);
}

/* Tab: what all candidates have in common is put in, and when that is nothing they are shown. */
static unsigned char on_tab(EditLine *el, int key)
{
    fda_edit_t *e = NULL;
    const LineInfo *li = lib.el_line_(el);
    const char *from = li->cursor;
    (void)key;
    lib.el_get_(el, EL_CLIENTDATA, &e);
    while (from > li->buffer && in_word(from[-1])) from--;
    offer_t o = { .arena = hg_arena_new(), .word = { from, (size_t)(li->cursor - from) } };
    e->candidates(e->arg, (hg_str_t){ li->buffer, (size_t)(from - li->buffer) }, offer, &o);
    unsigned char rc = CC_ERROR;
    if (o.n) {
        qsort(o.found, o.n, sizeof *o.found, by_text);
        size_t common = strlen(o.found[0]);
        for (size_t i = 1; i < o.n; i++) {
            size_t k = o.word.n;
            while (k < common && o.found[i][k] == o.found[0][k]) k++;
            common = k;
        }
        const char *rest =
            hg_arena_printf(o.arena, "%.*s%s", (int)(common - o.word.n), o.found[0] + o.word.n, o.n == 1 ? " " : "");
        if (*rest) {
            rc = lib.el_insertstr_(el, rest) == 0 ? CC_REFRESH : CC_ERROR;
        } else {
            list(&o);
            rc = CC_REDISPLAY;
        }
    }
    hg_arena_free(o.arena);
    return rc;
}

static unsigned char on_interrupt(EditLine *el, int key)
{
    fda_edit_t *e = NULL;
    (void)key;
    lib.el_get_(el, EL_CLIENTDATA, &e);
    e->interrupted = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

static char *prompt_of(EditLine *el)
{
    fda_edit_t *e = NULL;
    lib.el_get_(el, EL_CLIENTDATA, &e);
    return e->prompt;
}

/* --- */

static void begin_editing(fda_edit_t *e)
{
    HistEvent ev;
    e->el = lib.el_init_("fda", stdin, stdout, stderr);
    if (!e->el) return;
    e->history = lib.history_init_();
    lib.history_(e->history, &ev, H_SETSIZE, HISTORY_MAX);
    lib.history_(e->history, &ev, H_SETUNIQUE, 1);
    if (e->history_path) lib.history_(e->history, &ev, H_LOAD, e->history_path);
    lib.el_set_(e->el, EL_CLIENTDATA, e);
    lib.el_set_(e->el, EL_PROMPT, prompt_of);
    lib.el_set_(e->el, EL_EDITOR, "emacs");
    lib.el_set_(e->el, EL_HIST, lib.history_, e->history);
    lib.el_wset_(e->el, EL_ADDFN, L"fda-complete", L"complete a word", on_tab); /* el_set would never free its copies */
    lib.el_set_(e->el, EL_BIND, "^I", "fda-complete", NULL);
    lib.el_wset_(e->el, EL_ADDFN, L"fda-interrupt", L"give up the line", on_interrupt);
    lib.el_set_(e->el, EL_BIND, "^C", "fda-interrupt", NULL);
    lib.el_set_(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    lib.el_set_(e->el, EL_SETTY, "-d", "-isig", NULL);
}

fda_edit_t *fda_edit_open(const char *prompt, const char *history, fda_candidates_fn candidates, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    fda_edit_t *e = HG_NEW(fda_edit_t);
    e->prompt = hg_xstrdup(prompt);
    if (history) e->history_path = hg_xstrdup(history);
    e->candidates = candidates;
    e->arg = arg;
    hg_buf_init(&e->line, LINE_MAX_BYTES);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return e;
    setlocale(LC_CTYPE, "");
    if (hg_lib_load("libedit", SONAME, g_functions, HG_COUNT(g_functions), &err) < 0)
        fda_error("Lines cannot be edited: %s", err.msg);
    else
        begin_editing(e);
    return e;
}

void fda_edit_close(fda_edit_t *e)
{
    HistEvent ev;
    if (e->el) {
        mode_t old = umask(077); /* queries are nobody else's business */
        if (e->history_path) lib.history_(e->history, &ev, H_SAVE, e->history_path);
        umask(old);
        lib.history_end_(e->history);
        lib.el_end_(e->el);
    }
    hg_buf_release(&e->line);
    hg_free(e->prompt);
    hg_free(e->history_path);
    hg_free(e);
}

static fda_edit_rc_t plain_line(fda_edit_t *e)
{
    char chunk[4096];
    if (isatty(STDIN_FILENO)) {
        fputs(e->prompt, stdout);
        fflush(stdout);
    }
    while (fgets(chunk, sizeof chunk, stdin)) {
        size_t n = strlen(chunk);
        bool whole = n && chunk[n - 1] == '\n';
        if (hg_buf_add(&e->line, chunk, n) < 0) return FDA_EDIT_END;
        if (whole) return FDA_EDIT_LINE;
    }
    return e->line.len ? FDA_EDIT_LINE : FDA_EDIT_END;
}

fda_edit_rc_t fda_edit_line(fda_edit_t *e, hg_str_t *ret)
{
    HistEvent ev;
    fda_edit_rc_t rc = FDA_EDIT_LINE;
    hg_buf_clear(&e->line);
    if (e->el) {
        int n = 0;
        e->interrupted = false;
        lib.el_set_(e->el, EL_PREP_TERM, 1); /* before the prompt is shown: what is typed then is not the terminal's */
        const char *line = lib.el_gets_(e->el, &n);
        if (line && n > 0) hg_buf_add(&e->line, line, (size_t)n);
        rc = e->interrupted ? FDA_EDIT_INTERRUPTED : line && n > 0 ? FDA_EDIT_LINE : FDA_EDIT_END;
    } else {
        rc = plain_line(e);
    }
    *ret = hg_str_trim(hg_buf_str(&e->line));
    if (e->el && rc == FDA_EDIT_LINE && ret->n) {
        char *kept = hg_xstrndup(ret->p, ret->n);
        lib.history_(e->history, &ev, H_ENTER, kept);
        hg_free(kept);
    }
    return rc;
}
