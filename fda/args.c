/* args.c: a command line, read by its tables (cli.h).
 *
 * The syntax is that of the real fda: options may stand anywhere, "--name value" and "--name=value" are the same,
 * single-letter flags may be joined, "--" ends the options, sub-commands follow a command's arguments. Complaints and
 * help have its shape and its exit code 2, so that scripts which look at them keep working.
 */
#include "base/hg.h"
#include "fda/cli.h"

#define MAX_WORDS 16

typedef struct given {
    const fda_opt_t *opt;
    const char *value; /* NULL for a flag */
} given_t;

struct fda_args {
    hg_arena_t *arena;
    const fda_cmd_t *path[4]; /* root, command, sub-command */
    unsigned depth;
    const char *words[4][MAX_WORDS]; /* arguments of each */
    unsigned n_words[4];
    given_t *given;
    uint32_t n_given;
};

static const fda_opt_t HELP_OPT = { .letter = 'h', .name = "help", .doc = "Print help" };
static const fda_opt_t VERSION_OPT = { .letter = 'V', .name = "version", .doc = "Print version" };

static const fda_cmd_t *last(const fda_args_t *a)
{
    return a->path[a->depth - 1];
}

static unsigned count_pos(const fda_cmd_t *c)
{
    unsigned n = 0;
    while (c->pos && c->pos[n].name) n++;
    return n;
}

/* --- help --- */

static void put_pos(hg_buf_t *b, const fda_cmd_t *c)
{
    for (const fda_pos_t *p = c->pos; p && p->name; p++) hg_buf_addf(b, p->optional ? " [%s]" : " <%s>", p->name);
}

static void put_usage(hg_buf_t *b, const fda_args_t *a)
{
    hg_buf_addf(b, "Usage: %s", a->path[0]->name);
    for (unsigned i = 1; i + 1 < a->depth; i++) {
        hg_buf_addf(b, " %s", a->path[i]->name);
        put_pos(b, a->path[i]);
    }
    if (a->depth > 1) hg_buf_addf(b, " %s", last(a)->name);
    hg_buf_adds(b, " [OPTIONS]");
    put_pos(b, last(a));
    if (last(a)->subs) hg_buf_adds(b, " <COMMAND>");
    hg_buf_addc(b, '\n');
}

static void put_choice(hg_buf_t *b, const char *values)
{
    if (!values) return;
    hg_buf_adds(b, " [possible values: ");
    for (const char *p = values; *p; p++) {
        if (*p == '|')
            hg_buf_adds(b, ", ");
        else
            hg_buf_addc(b, *p);
    }
    hg_buf_addc(b, ']');
}

static void put_opt(hg_buf_t *b, const fda_opt_t *o)
{
    char left[64];
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->value) snprintf(left + n, sizeof left - (size_t)n, " <%s>", o->value);
    hg_buf_addf(b, strlen(left) < 30 ? "%-30s" : "%s\n                              ", left);
    hg_buf_adds(b, o->doc);
    if (o->env) hg_buf_addf(b, " [env: %s]", o->env);
    put_choice(b, o->values);
    hg_buf_addc(b, '\n');
}

static void print_help(const fda_args_t *a, FILE *to)
{
    const fda_cmd_t *c = last(a);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addf(&b, "%s\n\n", c->doc);
    put_usage(&b, a);
    if (c->subs) {
        hg_buf_adds(&b, "\nCommands:\n");
        for (const fda_cmd_t *s = c->subs; s->name; s++)
            if (!s->hidden) hg_buf_addf(&b, "  %-18s %.*s\n", s->name, (int)strcspn(s->doc, "\n"), s->doc);
        hg_buf_addf(&b, "  %-18s %s\n", "help", "Print this message or the help of the given command");
    }
    if (c->pos) hg_buf_adds(&b, "\nArguments:\n");
    for (const fda_pos_t *p = c->pos; p && p->name; p++) {
        char left[40];
        snprintf(left, sizeof left, p->optional ? "[%s]" : "<%s>", p->name);
        hg_buf_addf(&b, "  %-18s %s", left, p->doc);
        put_choice(&b, p->values);
        hg_buf_addc(&b, '\n');
    }
    hg_buf_adds(&b, "\nOptions:\n");
    for (const fda_opt_t *o = a->depth > 1 ? c->opts : NULL; o && o->name; o++) put_opt(&b, o);
    put_opt(&b, &HELP_OPT);
    if (a->depth == 1) put_opt(&b, &VERSION_OPT);
    if (a->path[0]->opts) hg_buf_adds(&b, "\nGlobal Options:\n");
    for (const fda_opt_t *o = a->path[0]->opts; o && o->name; o++) put_opt(&b, o);
    fwrite(b.p, 1, b.len, to);
    hg_buf_release(&b);
}

/* --- complaints --- */

static int complain(const fda_args_t *a, const char *text)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addf(&b, "error: %s\n\n", text);
    put_usage(&b, a);
    hg_buf_adds(&b, "\nFor more information, try '--help'.\n");
    fwrite(b.p, 1, b.len, stderr);
    hg_buf_release(&b);
    return 2;
}

int fda_usage(const fda_args_t *a, const char *fmt, ...)
{
    hg_buf_t b;
    va_list ap;
    hg_buf_init(&b, HG_BUF_NOMAX);
    va_start(ap, fmt);
    hg_buf_addfv(&b, fmt, ap);
    va_end(ap);
    int rc = complain(a, b.p);
    hg_buf_release(&b);
    return rc;
}

static bool listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p && *p;) {
        size_t k = strcspn(p, "|");
        if (k == n && memcmp(p, word, n) == 0) return true;
        p += k + (p[k] == '|');
    }
    return false;
}

static int unknown_command(const fda_args_t *a, const char *word)
{
    const char *names[64];
    unsigned n = 0;
    for (const fda_cmd_t *s = last(a)->subs; s->name && n < HG_COUNT(names) - 1; s++) names[n++] = s->name;
    names[n] = NULL;
    const char *near = hg_nearest(hg_strz(word), names);
    if (near)
        return fda_usage(a, "unrecognized subcommand '%s'\n\n  tip: a similar subcommand exists: '%s'", word, near);
    return fda_usage(a, "unrecognized subcommand '%s'", word);
}

static int unknown_option(const fda_args_t *a, const char *word)
{
    const char *names[64];
    unsigned n = 0;
    for (const fda_opt_t *o = last(a)->opts; o && o->name; o++) names[n++] = o->name;
    for (const fda_opt_t *o = a->depth > 1 ? a->path[0]->opts : NULL; o && o->name; o++) names[n++] = o->name;
    names[n] = NULL;
    const char *near = strncmp(word, "--", 2) == 0 ? hg_nearest(hg_strz(word + 2), names) : NULL;
    if (near)
        return fda_usage(a, "unexpected argument '%s' found\n\n  tip: a similar argument exists: '--%s'", word, near);
    return fda_usage(a, "unexpected argument '%s' found", word);
}

/* "<NAME>" for a place, "--name <VALUE>" for an option */
static int bad_value(const char *value, const char *values, const char *where)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    put_choice(&b, values);
    fprintf(stderr, "error: invalid value '%s' for '%s'\n %s\n\nFor more information, try '--help'.\n", value, where,
            b.p);
    hg_buf_release(&b);
    return 2;
}

/* --- parsing --- */

static const fda_opt_t *find_in(const fda_opt_t *table, char letter, hg_str_t name)
{
    for (const fda_opt_t *o = table; o && o->name; o++)
        if (letter ? o->letter == letter : hg_str_eqz(name, o->name)) return o;
    return NULL;
}

static const fda_opt_t *find_opt(const fda_args_t *a, char letter, hg_str_t name)
{
    if (letter ? letter == 'h' : hg_str_eqz(name, "help")) return &HELP_OPT;
    if (a->depth == 1 && (letter ? letter == 'V' : hg_str_eqz(name, "version"))) return &VERSION_OPT;
    for (unsigned i = a->depth; i-- > 0;) {
        const fda_opt_t *o = find_in(a->path[i]->opts, letter, name);
        if (o) return o;
    }
    return NULL;
}

static int give(fda_args_t *a, const fda_opt_t *o, const char *value)
{
    char where[64];
    snprintf(where, sizeof where, "--%s <%s>", o->name, o->value ? o->value : "");
    if (o->values && !listed(o->values, value)) return bad_value(value, o->values, where);
    given_t g = { o, value };
    HG_APUSH(a->arena, a->given, a->n_given, g);
    return 0;
}

static const fda_cmd_t *find_cmd(const fda_cmd_t *subs, const char *word)
{
    for (const fda_cmd_t *s = subs; s && s->name; s++)
        if (strcmp(s->name, word) == 0 || listed(s->aliases, word)) return s;
    return NULL;
}

/* A word that is no option. 0, or the exit code + 1. */
static int take_word(fda_args_t *a, const char *word, bool *help)
{
    const fda_cmd_t *c = last(a);
    unsigned at = a->depth - 1;
    if (a->n_words[at] < count_pos(c)) {
        const fda_pos_t *p = &c->pos[a->n_words[at]];
        char where[40];
        snprintf(where, sizeof where, p->optional ? "[%s]" : "<%s>", p->name);
        if (p->values && !listed(p->values, word)) return bad_value(word, p->values, where);
        a->words[at][a->n_words[at]++] = word;
        return 0;
    }
    if (!c->subs) return fda_usage(a, "unexpected argument '%s' found", word);
    const fda_cmd_t *s = find_cmd(c->subs, word);
    if (s) {
        HG_ASSERT(a->depth < HG_COUNT(a->path));
        a->path[a->depth++] = s;
        return 0;
    }
    if (strcmp(word, "help") == 0) {
        *help = true;
        return 0;
    }
    return unknown_command(a, word);
}

/* --name, --name=value, -x, -xyz, -xvalue. *i moves on when the next word is the value. */
static int take_option(fda_args_t *a, int argc, char **argv, int *i, bool *help, bool *version)
{
    const char *word = argv[*i];
    bool is_long = word[1] == '-';
    const char *p = is_long ? word + 2 : word + 1;
    do {
        size_t n = is_long ? strcspn(p, "=") : 1;
        const fda_opt_t *o = find_opt(a, is_long ? 0 : *p, (hg_str_t){ p, n });
        if (!o) {
            char one[3] = { '-', *p, 0 };
            return unknown_option(a, is_long ? word : one);
        }
        p += n;
        if (o == &HELP_OPT) *help = true;
        if (o == &VERSION_OPT) *version = true;
        if (!o->value) {
            if (is_long && *p) return fda_usage(a, "unexpected value '%s' for '--%s' found", p + 1, o->name);
            int rc = give(a, o, NULL);
            if (rc) return rc;
            continue;
        }
        const char *value = *p == '=' ? p + 1 : *p ? p : NULL;
        if (!value && *i + 1 < argc) value = argv[++*i];
        if (!value) {
            fprintf(stderr,
                    "error: a value is required for '--%s <%s>' but none was supplied\n\n"
                    "For more information, try '--help'.\n",
                    o->name, o->value);
            return 2;
        }
        return give(a, o, value);
    } while (!is_long && *p);
    return 0;
}

static int check_missing(const fda_args_t *a)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (unsigned d = 0; d < a->depth; d++)
        for (unsigned i = a->n_words[d]; i < count_pos(a->path[d]); i++)
            if (!a->path[d]->pos[i].optional) hg_buf_addf(&b, "\n  <%s>", a->path[d]->pos[i].name);
    for (const fda_opt_t *o = last(a)->opts; o && o->name; o++)
        if (o->required && !fda_option(a, o->name)) hg_buf_addf(&b, "\n  --%s <%s>", o->name, o->value);
    int rc = b.len ? fda_usage(a, "the following required arguments were not provided:%s", b.p) : 0;
    hg_buf_release(&b);
    return rc;
}

static int check_sub(const fda_args_t *a)
{
    const fda_cmd_t *c = last(a);
    if (c->run || c->tool) return 0;
    if (a->depth == 1 || !c->pos) {
        print_help(a, stderr);
        return 2;
    }
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (const fda_cmd_t *s = c->subs; s->name; s++) hg_buf_addf(&b, "%s, ", s->name);
    int rc =
        fda_usage(a, "'fda %s' requires a subcommand but one was not provided\n  [subcommands: %shelp]", c->name, b.p);
    hg_buf_release(&b);
    return rc;
}

int fda_args_parse(hg_arena_t *arena, const fda_cmd_t *root, int argc, char **argv, const fda_args_t **ret,
                   int *ret_code)
{
    fda_args_t *a = HG_ANEW(arena, fda_args_t);
    bool help = false, version = false, plain = false;
    int rc = 0;
    a->arena = arena;
    a->path[a->depth++] = root;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (!plain && strcmp(argv[i], "--") == 0)
            plain = true;
        else if (!plain && argv[i][0] == '-' && argv[i][1])
            rc = take_option(a, argc, argv, &i, &help, &version);
        else
            rc = take_word(a, argv[i], &help);
    }
    if (rc == 0 && (help || version)) {
        if (help)
            print_help(a, stdout);
        else
            puts(root->version);
        *ret_code = 0;
        return -1;
    }
    if (rc == 0) rc = check_missing(a);
    if (rc == 0) rc = check_sub(a);
    *ret_code = rc;
    *ret = a;
    return rc == 0 ? 0 : -1;
}

/* --- what was given --- */

const fda_cmd_t *fda_args_cmd(const fda_args_t *a)
{
    return last(a);
}

const char *fda_arg(const fda_args_t *a, const char *pos)
{
    for (unsigned d = 0; d < a->depth; d++)
        for (unsigned i = 0; i < a->n_words[d]; i++)
            if (strcmp(a->path[d]->pos[i].name, pos) == 0) return a->words[d][i];
    return NULL;
}

const char *fda_option(const fda_args_t *a, const char *name)
{
    for (uint32_t i = a->n_given; i-- > 0;)
        if (strcmp(a->given[i].opt->name, name) == 0) return a->given[i].value;
    const fda_opt_t *o = find_opt(a, 0, hg_strz(name));
    const char *env = o && o->env ? getenv(o->env) : NULL;
    return env && *env ? env : NULL;
}

bool fda_flag(const fda_args_t *a, const char *name)
{
    for (uint32_t i = 0; i < a->n_given; i++)
        if (strcmp(a->given[i].opt->name, name) == 0) return true;
    const char *env = fda_option(a, name);
    return env && strcmp(env, "0") != 0 && strcmp(env, "false") != 0;
}

uint32_t fda_options(const fda_args_t *a, const char *name, const char **ret, uint32_t room)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_given && n < room; i++)
        if (strcmp(a->given[i].opt->name, name) == 0) ret[n++] = a->given[i].value;
    return n;
}
