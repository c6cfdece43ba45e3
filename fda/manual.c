/* manual.c: manual pages in man(7), written from the tables of a command line (cli.h). */
#include "base/hg.h"
#include "fda/cli.h"

#define LINE 78 /* bytes of a line of text at most, where it has a blank */

/* Text that roff does not read as anything else. Words in `backquotes` are bold. */
static void put_text(hg_buf_t *b, const char *s, size_t n)
{
    bool bold = false, line_start = true;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '`') {
            hg_buf_adds(b, bold ? "\\fR" : "\\fB");
            bold = !bold;
        } else if (c == '\\') {
            hg_buf_adds(b, "\\e");
        } else if (c == '-') {
            hg_buf_adds(b, "\\-");
        } else if (line_start && (c == '.' || c == '\'')) {
            hg_buf_addf(b, "\\&%c", c);
        } else {
            hg_buf_addc(b, c);
        }
        line_start = c == '\n';
    }
}

/* The paragraphs of a doc; the first begins where the output stands. */
static void put_doc(hg_buf_t *b, const char *doc)
{
    for (const char *p = doc; *p;) {
        const char *end = strstr(p, "\n\n");
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (p != doc) hg_buf_adds(b, ".PP\n");
        put_text(b, p, n);
        if (n && p[n - 1] != '.' && !end && p == doc) hg_buf_addc(b, '.');
        hg_buf_addc(b, '\n');
        p += n + (end ? 2 : 0);
    }
}

static void put_choice(hg_buf_t *b, const char *values)
{
    if (!values) return;
    hg_buf_adds(b, "One of");
    for (const char *p = values; *p;) {
        size_t n = strcspn(p, "|");
        hg_buf_adds(b, p == values ? " \\fB" : ", \\fB");
        put_text(b, p, n);
        hg_buf_adds(b, "\\fR");
        p += n + (p[n] == '|');
    }
    hg_buf_adds(b, ".\n");
}

static void put_sentence(hg_buf_t *b, const char *doc)
{
    size_t n = strlen(doc);
    put_text(b, doc, n);
    hg_buf_adds(b, n && doc[n - 1] == '.' ? "\n" : ".\n");
}

static void put_option(hg_buf_t *b, const fda_opt_t *o)
{
    hg_buf_adds(b, ".TP\n");
    if (o->letter) hg_buf_addf(b, "\\fB\\-%c\\fR, ", o->letter);
    hg_buf_adds(b, "\\fB\\-\\-");
    put_text(b, o->name, strlen(o->name));
    hg_buf_adds(b, "\\fR");
    if (o->value) hg_buf_addf(b, " \\fI%s\\fR", o->value);
    hg_buf_addc(b, '\n');
    put_sentence(b, o->doc);
    put_choice(b, o->values);
    if (o->env) hg_buf_addf(b, "Without it the environment variable \\fB%s\\fR.\n", o->env);
}

static void put_argument(hg_buf_t *b, const fda_pos_t *p)
{
    hg_buf_addf(b, ".TP\n\\fI%s\\fR\n", p->name);
    put_sentence(b, p->doc);
    put_choice(b, p->values);
}

static void put_arguments(hg_buf_t *b, const fda_cmd_t *c)
{
    for (const fda_pos_t *p = c->pos; p && p->name; p++)
        hg_buf_addf(b, p->optional ? " [\\fI%s\\fR]" : " \\fI%s\\fR", p->name);
}

/* prefix: what stands before the command's own name, marked up: "\fBfda connector\fR \fINAME\fR …". */
static void put_synopsis(hg_buf_t *b, const char *prefix, const fda_cmd_t *c)
{
    hg_buf_addf(b, "%s%s\\fB", prefix, *prefix ? " " : "");
    put_text(b, c->name, strlen(c->name));
    hg_buf_adds(b, "\\fR");
    if (c->opts && *prefix) hg_buf_adds(b, " [\\fIOPTIONS\\fR]");
    put_arguments(b, c);
}

/* A command of a page with many. */
static void put_command(hg_buf_t *b, const char *prefix, const fda_cmd_t *c)
{
    if (c->hidden) return;
    if (c->subs) {
        hg_buf_t deeper;
        hg_buf_init(&deeper, HG_BUF_NOMAX);
        hg_buf_addf(&deeper, "%s%s\\fB", prefix, *prefix ? " " : "");
        put_text(&deeper, c->name, strlen(c->name));
        hg_buf_adds(&deeper, "\\fR");
        put_arguments(&deeper, c);
        for (const fda_cmd_t *s = c->subs; s->name; s++) put_command(b, deeper.p, s);
        hg_buf_release(&deeper);
        return;
    }
    hg_buf_adds(b, ".SS ");
    put_synopsis(b, prefix, c);
    hg_buf_addc(b, '\n');
    put_doc(b, c->doc);
    if (c->aliases) {
        hg_buf_adds(b, "Also called");
        for (const char *p = c->aliases; *p;) {
            size_t n = strcspn(p, "|");
            hg_buf_adds(b, p == c->aliases ? " \\fB" : ", \\fB");
            put_text(b, p, n);
            hg_buf_adds(b, "\\fR");
            p += n + (p[n] == '|');
        }
        hg_buf_adds(b, ".\n");
    }
    for (const fda_pos_t *p = c->pos; p && p->name; p++) put_argument(b, p);
    for (const fda_opt_t *o = c->opts; o && o->name; o++) put_option(b, o);
}

static void put_head(hg_buf_t *b, const char *title, const char *doc)
{
    char upper[64];
    size_t n = strlen(title);
    for (size_t i = 0; i <= n && i < sizeof upper; i++)
        upper[i] = title[i] >= 'a' && title[i] <= 'z' ? (char)(title[i] - 'a' + 'A') : title[i];
    upper[sizeof upper - 1] = 0;
    hg_buf_addf(b, ".TH %s 1 \"%s\" \"headgate %s\" \"headgate manual\"\n.SH NAME\n", upper, HG_VERSION_DATE,
                HG_VERSION);
    put_text(b, title, n);
    hg_buf_adds(b, " \\- ");
    n = strcspn(doc, "\n");
    put_text(b, doc, n && doc[n - 1] == '.' ? n - 1 : n);
    hg_buf_adds(b, "\n.SH SYNOPSIS\n");
}

static void put_exit(hg_buf_t *b)
{
    hg_buf_adds(
        b,
        ".SH EXIT STATUS\n0: done. 1: refused or failed; one sentence on standard error says why. 2: wrong usage.\n");
}

/* Long lines of text are broken at a blank; a request (it begins with a dot) stays whole. */
static void put_wrapped(hg_buf_t *out, hg_str_t text)
{
    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl ? (size_t)(nl - text.p) : text.n, cut = n;
        if (n > LINE && text.p[0] != '.') {
            const char *blank = memrchr(text.p, ' ', LINE);
            if (!blank) blank = memchr(text.p, ' ', n);
            if (blank && blank[1] != '.' && blank[1] != '\'') cut = (size_t)(blank - text.p);
        }
        hg_buf_add(out, text.p, cut);
        hg_buf_addc(out, '\n');
        cut += cut < text.n;
        text = (hg_str_t){ text.p + cut, text.n - cut };
    }
}

void fda_manual(const fda_cmd_t *root, const fda_cmd_t *cmd, const char *title, hg_buf_t *ret)
{
    const fda_cmd_t *c = cmd ? cmd : root;
    char prefix[64] = "";
    hg_buf_t page, *out = &page;
    hg_buf_init(&page, HG_BUF_NOMAX);
    put_head(out, title, c->doc);
    if (cmd) snprintf(prefix, sizeof prefix, "\\fB%s\\fR", root->name);
    put_synopsis(out, prefix, c);
    hg_buf_adds(out, cmd ? "\n" : " [\\fIOPTIONS\\fR] \\fICOMMAND\\fR \\fR...\\fR\n");
    hg_buf_adds(out, ".SH DESCRIPTION\n");
    put_doc(out, c->doc);
    if (cmd) {
        if (c->pos) hg_buf_adds(out, ".SH ARGUMENTS\n");
        for (const fda_pos_t *p = c->pos; p && p->name; p++) put_argument(out, p);
        if (c->opts) hg_buf_adds(out, ".SH OPTIONS\n");
        for (const fda_opt_t *o = c->opts; o && o->name; o++) put_option(out, o);
    } else {
        hg_buf_adds(out, ".SH COMMANDS\n");
        for (const fda_cmd_t *s = c->subs; s->name; s++) put_command(out, "", s);
    }
    if (!cmd && root->opts) hg_buf_adds(out, ".SH OPTIONS\nEvery command takes these.\n");
    for (const fda_opt_t *o = !cmd ? root->opts : NULL; o && o->name; o++) put_option(out, o);
    put_exit(out);
    put_wrapped(ret, hg_buf_str(out));
    hg_buf_release(&page);
}
