/* posix_regex.c: see posix_regex.h. */
#include "base/hg.h"
#include "base/err.h"
#include "base/posix_regex.h"

#define MUCH (UINT64_C(1) << 32) /* where counting stops: products of two stay below 2^64 */

typedef struct {
    uint64_t places, forks;
} size_of_t;

static void add(size_of_t *s, size_of_t by)
{
    s->places = HG_MIN(s->places + by.places, MUCH);
    s->forks = HG_MIN(s->forks + by.forks, MUCH);
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
static uint64_t copies(const char **p, uint64_t *optional)
{
    char c = *(*p)++;
    *optional = 1;
    if (c == '*' || c == '?') return 1;
    if (c == '+') return 2;
    uint64_t least = number(p), most = least;
    if (**p == ',') {
        ++*p;
        most = **p == '}' ? least + 1 : number(p);
    }
    if (**p == '}') ++*p; /* else it is no repetition, which regcomp() will say */
    *optional = most > least ? most - least : 0;
    return HG_MAX(most, UINT64_C(1));
}

static const char *too_much(const char *p)
{
    size_of_t all[HG_REGEX_DEPTH + 1] = { 0 }, last = { 0 }; /* of each open group; of what a repetition would repeat */
    uint32_t depth = 0;
    while (*p) {
        if (*p == '(') {
            if (depth == HG_REGEX_DEPTH) return "its groups are nested too deeply";
            all[++depth] = last = (size_of_t){ 0 };
            p++;
        } else if (*p == ')' && depth) {
            last = all[depth--];
            last.places++;
            add(&all[depth], last);
            p++;
        } else if (*p == '*' || *p == '+' || *p == '?' || *p == '{') {
            uint64_t optional, n = copies(&p, &optional);
            size_of_t more = { last.places * (n - 1), last.forks * (n - 1) + optional };
            add(&all[depth], more);
            add(&last, more);
        } else {
            last = (size_of_t){ 1, *p == '|' };
            add(&all[depth], last);
            p = *p == '[' ? bracket_end(p) : *p == '\\' && p[1] ? p + 2 : p + 1;
        }
        if (all[depth].places > HG_REGEX_PLACES) return "with its repetitions written out it is too long";
        if (all[depth].forks > HG_REGEX_FORKS) return "it has too many alternatives and repetitions";
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
