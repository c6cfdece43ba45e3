/* kafka_filter.c: which messages pass, by their headers.
 *
 *   {"header": {"name": n, "pattern": re}} | {"and": [f, …]} | {"or": [f, …]} | {"not": f}
 *
 * A header matches if one of that name has a value that the whole pattern matches, byte by byte; a null value is the
 * empty one, a header that is not there matches nothing. Patterns are POSIX extended regular expressions, with \w \s \b
 * and their capitals beside it; a dot is any byte but NUL. An escape that other dialects know and this one would read
 * as a letter is refused.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "base/posix_regex.h"
#include "connectors/transport/kafka_filter.h"

#define MAX_DEPTH 64

typedef enum { IS_HEADER, IS_AND, IS_OR, IS_NOT, IS_BAD } kind_t;

struct hg_kfilter {
    kind_t kind;
    char *name;
    regex_t re;
    hg_kfilter_t **of; /* and, or: n of them; not: one */
    uint32_t n;
};

static kind_t kind_of(const hg_json_t *f, const hg_json_t **ret_body)
{
    static const char *const words[] = { "header", "and", "or", "not" };
    if (!f || f->kind != HG_J_OBJECT || f->n != 1) return IS_BAD;
    for (int i = 0; i < IS_BAD; i++) {
        *ret_body = hg_json_get(f, words[i]);
        if (*ret_body) return (kind_t)i;
    }
    return IS_BAD;
}

/* The first escape that POSIX does not have, or 0. */
static char foreign_escape(const char *p)
{
    for (; *p; p++) {
        if (*p != '\\') continue;
        if (!*++p) return 0;
        bool word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (word && !strchr("wWsSbB", *p)) return *p;
    }
    return 0;
}

static int compile(const char *pattern, regex_t *re, char why[HG_REGEX_WHY])
{
    char *whole = hg_xprintf("^(%s)$", pattern);
    int rc = hg_regex_compile(whole, 0, re, why);
    hg_free(whole);
    return rc;
}

static void check_header(const hg_json_t *h, hg_diag_t *d)
{
    char why[HG_REGEX_WHY];
    regex_t re;
    const hg_json_t *name = hg_json_get(h, "name"), *pattern = hg_json_get(h, "pattern");
    if (h->kind != HG_J_OBJECT || h->n != 2 || !name || name->kind != HG_J_STRING || !pattern ||
        pattern->kind != HG_J_STRING) {
        hg_diag(d, false, h, false, "a header of header_filter is {\"name\": text, \"pattern\": regular expression}");
        return;
    }
    if (memchr(pattern->str.p, 0, pattern->str.n) || memchr(name->str.p, 0, name->str.n)) {
        hg_diag(d, false, h, false, "header_filter takes no NUL characters");
        return;
    }
    char esc = foreign_escape(pattern->str.p);
    if (esc) {
        hg_diag(d, false, pattern, false,
                "header_filter takes POSIX extended regular expressions, which have no '\\%c'; write a bracket "
                "expression such as [0-9]",
                esc);
        return;
    }
    /* alone first: "^(…)$" around it would give a parenthesis too many its partner */
    int rc = hg_regex_compile(pattern->str.p, 0, &re, why);
    if (rc == 0) {
        regfree(&re);
        rc = compile(pattern->str.p, &re, why);
    }
    if (rc == 0) {
        regfree(&re);
        return;
    }
    hg_diag(d, false, pattern, false, "header_filter: bad regular expression: %s", why);
}

static void check_at(const hg_json_t *f, unsigned depth, hg_diag_t *d)
{
    const hg_json_t *body = NULL;
    if (depth > MAX_DEPTH) {
        hg_diag(d, false, f, false, "header_filter is nested deeper than %d", MAX_DEPTH);
        return;
    }
    switch (kind_of(f, &body)) {
    case IS_HEADER:
        check_header(body, d);
        return;
    case IS_NOT:
        check_at(body, depth + 1, d);
        return;
    case IS_AND:
    case IS_OR:
        if (body->kind != HG_J_ARRAY || body->n == 0)
            hg_diag(d, false, body, false, "'and' and 'or' of header_filter take a list of at least one filter");
        for (const hg_json_t *o = body->kind == HG_J_ARRAY ? body->child : NULL; o; o = o->next)
            check_at(o, depth + 1, d);
        return;
    case IS_BAD:
        hg_diag(d, false, f, false,
                "option 'header_filter': expected one of {\"header\": {\"name\": …, \"pattern\": …}}, {\"and\": "
                "[filters]}, "
                "{\"or\": [filters]}, {\"not\": filter}");
        return;
    }
}

void hg_kfilter_check(const hg_json_t *filter, hg_diag_t *d)
{
    check_at(filter, 1, d);
}

hg_kfilter_t *hg_kfilter_new(const hg_json_t *filter)
{
    const hg_json_t *body = NULL;
    hg_kfilter_t *f = HG_NEW(hg_kfilter_t);
    f->kind = kind_of(filter, &body);
    if (f->kind == IS_HEADER) {
        char why[HG_REGEX_WHY];
        f->name = hg_xstrndup(hg_json_get(body, "name")->str.p, hg_json_get(body, "name")->str.n);
        HG_ASSERT(compile(hg_json_get(body, "pattern")->str.p, &f->re, why) == 0);
        return f;
    }
    f->n = f->kind == IS_NOT ? 1 : body->n;
    f->of = HG_NEWN(hg_kfilter_t *, f->n);
    const hg_json_t *o = f->kind == IS_NOT ? body : body->child;
    for (uint32_t i = 0; i < f->n; i++, o = o->next) f->of[i] = hg_kfilter_new(o);
    return f;
}

void hg_kfilter_free(hg_kfilter_t *f)
{
    if (!f) return;
    if (f->kind == IS_HEADER) regfree(&f->re);
    for (uint32_t i = 0; i < f->n; i++) hg_kfilter_free(f->of[i]);
    hg_free(f->of);
    hg_free(f->name);
    hg_free(f);
}

static bool header_matches(const hg_kfilter_t *f, const rd_kafka_headers_t *headers)
{
    const void *value;
    size_t n;
    if (!headers) return false;
    for (size_t i = 0; rd_kafka_header_get(headers, i, f->name, &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        regmatch_t whole = { 0, value ? (regoff_t)n : 0 };
        if (regexec(&f->re, value ? value : "", 0, &whole, REG_STARTEND) == 0) return true;
    }
    return false;
}

bool hg_kfilter_match(const hg_kfilter_t *f, const rd_kafka_headers_t *headers)
{
    if (f->kind == IS_HEADER) return header_matches(f, headers);
    if (f->kind == IS_NOT) return !hg_kfilter_match(f->of[0], headers);
    bool any = f->kind == IS_OR;
    for (uint32_t i = 0; i < f->n; i++)
        if (hg_kfilter_match(f->of[i], headers) == any) return any;
    return !any;
}
