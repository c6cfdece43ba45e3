/* posix_regex.c: see posix_regex.h. */
#include "base/hg.h"
#include "base/err.h"
#include "base/posix_regex.h"

#define MUCH (UINT64_C(1) << 32) /* where counting stops: products of two stay below 2^64 */

typedef struct {
    uint64_t places, forks;
    bool empty; /* may match nothing: what stands before it goes on behind it, too, as with a fork */
} size_of_t;

typedef struct {         /* a group that is open */
    size_of_t all, last; /* last: what a repetition would repeat */
    bool before, other;  /* what stands before `last` may match nothing; so may an alternative before this one */
} group_t;

static void add(size_of_t *s, const size_of_t *by)
{
    s->places = HG_MIN(s->places + by->places, MUCH);
    s->forks = HG_MIN(s->forks + by->forks, MUCH);
}

static void append(group_t *g, const size_of_t *what)
{
    g->last = *what;
    g->before = g->all.empty;
    g->all.empty = g->before && what->empty;
    add(&g->all, what);
}

/* Behind the bracket expression that begins at p. */
static const char *bracket_end(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    if (*p == ']') p++;
    for (; *p && *p != ']'; p++) {
        char kind = *p == '[' ? p[1] : 0;
        if (kind != '.' && kind != ':' && kind != '=') continue;
        const char *close = p + 2;
        while (*close && !(close[0] == kind && close[1] == ']')) close++;
        if (!*close) return close;
        p = close + 1;
    }
    return *p ? p + 1 : p;
}

static uint64_t number(const char **p)
{
    uint64_t n = 0;
    for (; **p >= '0' && **p <= '9'; ++*p) n = HG_MIN(n * 10 + (uint64_t)(**p - '0'), MUCH);
    return n;
}

/* How often a repetition writes down what it repeats, and how many of these may be left out. *p: behind it. */
static uint64_t copies(const char **p, uint64_t *optional, bool *none)
{
    char c = *(*p)++;
    *optional = 1;
    *none = c != '+';
    if (c == '*' || c == '?') return 1;
    if (c == '+') return 2;
    uint64_t least = number(p), most = least;
    if (**p == ',') {
        ++*p;
        most = **p == '}' ? least + 1 : number(p);
    }
    if (**p == '}') ++*p; /* else it is no repetition, which regcomp() will say */
    *optional = most > least ? most - least : 0;
    *none = least == 0;
    return HG_MAX(most, UINT64_C(1));
}

static const char *repeat(group_t *g, const char *p)
{
    uint64_t optional;
    bool none;
    uint64_t n = copies(&p, &optional, &none);
    size_of_t more = { .places = g->last.places * (n - 1), .forks = g->last.forks * (n - 1) + optional };
    add(&g->all, &more);
    add(&g->last, &more);
    g->last.empty |= none;
    g->all.empty = g->before && g->last.empty;
    return p;
}

/* A place in a text instead of a character of it. */
static bool is_anchor(const char *p)
{
    return *p == '^' || *p == '$' || (*p == '\\' && p[1] && strchr("bB<>`'", p[1]));
}

static const char *atom(group_t *g, const char *p)
{
    size_of_t one = { .places = 1 };
    if (*p == '|') {
        g->other |= g->all.empty;
        one.forks = 1;
        append(g, &one);
        g->all.empty = true; /* the next alternative begins */
        return p + 1;
    }
    one.empty = is_anchor(p);
    one.forks = one.empty;
    append(g, &one);
    return *p == '[' ? bracket_end(p) : *p == '\\' && p[1] ? p + 2 : p + 1;
}

static void close_group(group_t *outer, const group_t *g)
{
    size_of_t whole = g->all;
    whole.places++;
    whole.empty |= g->other;
    whole.forks += whole.empty;
    append(outer, &whole);
}

static const char *too_much(const char *p)
{
    group_t open[HG_REGEX_DEPTH + 1];
    uint32_t depth = 0;
    open[0] = (group_t){ .all.empty = true };
    while (*p) {
        group_t *g = &open[depth];
        if (*p == '(') {
            if (depth == HG_REGEX_DEPTH) return "its groups are nested too deeply";
            open[++depth] = (group_t){ .all.empty = true };
            p++;
        } else if (*p == ')' && depth) {
            close_group(&open[--depth], g);
            p++;
        } else if (*p == '*' || *p == '+' || *p == '?' || *p == '{') {
            p = repeat(g, p);
        } else {
            p = atom(g, p);
        }
        if (open[depth].all.places > HG_REGEX_PLACES) return "with its repetitions written out it is too long";
        if (open[depth].all.forks > HG_REGEX_FORKS) return "it has too many alternatives and repetitions";
    }
    return NULL;
}

int hg_regex_compile(const char *pattern, int flags, regex_t *ret, char why[HG_REGEX_WHY])
{
    const char *much = too_much(pattern);
    if (much) {
        snprintf(why, HG_REGEX_WHY, "%s", much);
        return HG_EINVAL;
    }
    int rc = regcomp(ret, pattern, REG_EXTENDED | flags);
    if (rc == 0) return 0;
    regerror(rc, ret, why, HG_REGEX_WHY);
    return HG_EINVAL;
}
