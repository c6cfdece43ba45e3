/* adhoc_prepare.c: PREPARE and EXECUTE of an ad-hoc request (sql §6). They live as long as the request, so they are a
 * matter of its text: each EXECUTE becomes the prepared statement with its arguments in place of $1, $2, …, in
 * parentheses; each PREPARE becomes blanks. What stands before the first EXECUTE keeps its line and column; an error in
 * an executed statement has those of the text that it became.
 */
#include "base/hg.h"
#include "compile/compile_int.h"

#define MAX_ARGS 64

typedef struct prepared {
    hg_str_t name, body;
} prepared_t;

typedef struct {
    hg_arena_t *a;
    hg_str_t sql;
    prepared_t *v;
    uint32_t n;
    hg_err_t *err;
} prep_t;

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

/* Behind the literal, quoted name, comment, word or single character at p. */
static const char *behind(const char *p, const char *end)
{
    if (*p == '\'' || *p == '"') {
        char quote = *p++;
        while (p < end && *p != quote) p++;
        return p < end ? p + 1 : end; /* a doubled quote is two literals in a row: the same extent */
    }
    bool dash = end - p > 1 && ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '/'));
    if (dash) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        return nl ? nl + 1 : end;
    }
    if (end - p > 1 && p[0] == '/' && p[1] == '*') {
        const char *close = memmem(p + 2, (size_t)(end - p) - 2, "*/", 2);
        return close ? close + 2 : end;
    }
    if (!word_char(*p)) return p + 1;
    while (p < end && (word_char(*p) || *p == '$')) p++;
    return p;
}

static bool blank(const char *p, const char *end)
{
    return *p <= ' ' || (end - p > 1 && (!strncmp(p, "--", 2) || !strncmp(p, "//", 2) || !strncmp(p, "/*", 2)));
}

static hg_str_t skip_blank(hg_str_t s)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end && blank(p, end)) p = behind(p, end);
    return (hg_str_t){ p, (size_t)(end - p) };
}

/* The next thing of s, which moves behind it. Empty at its end. */
static hg_str_t next(hg_str_t *s)
{
    hg_str_t rest = skip_blank(*s);
    const char *p = rest.n ? behind(rest.p, rest.p + rest.n) : rest.p;
    *s = (hg_str_t){ p, (size_t)(rest.p + rest.n - p) };
    return (hg_str_t){ rest.p, (size_t)(p - rest.p) };
}

/* The text up to one of `stops` outside of brackets; s moves to that. */
static hg_str_t until(hg_str_t *s, const char *stops)
{
    const char *p = s->p, *end = s->p + s->n;
    for (int depth = 0; p < end; p = behind(p, end)) {
        if (depth == 0 && strchr(stops, *p)) break;
        depth += *p == '(' || *p == '[' ? 1 : *p == ')' || *p == ']' ? -1 : 0;
    }
    hg_str_t r = { s->p, (size_t)(p - s->p) };
    *s = (hg_str_t){ p, (size_t)(end - p) };
    return r;
}

HG_PRINTF(3, 4)
static int refuse(prep_t *x, hg_str_t at, const char *fmt, ...)
{
    hg_pos_t pos = { .off = (uint64_t)(at.p - x->sql.p) };
    char msg[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    hg_text_pos(x->sql, (size_t)pos.off, &pos.line, &pos.col);
    return hg_err_at(x->err, HG_EADHOC, pos, "SQL error: %s at Line: %u, Column: %u", msg, pos.line, pos.col);
}

static const char *z(prep_t *x, hg_str_t s)
{
    return hg_arena_strndup(x->a, s.p, HG_MIN(s.n, (size_t)64));
}

/* PREPARE name [(types)] AS statement */
static int prepare(prep_t *x, hg_str_t s)
{
    prepared_t p = { .name = next(&s) };
    if (!p.name.n || !word_char(p.name.p[0])) return refuse(x, p.name, "PREPARE needs a name");
    hg_str_t rest = skip_blank(s);
    if (rest.n && rest.p[0] == '(') {
        rest = (hg_str_t){ rest.p + 1, rest.n - 1 };
        (void)until(&rest, ")");
        s = (hg_str_t){ rest.p + (rest.n > 0), rest.n - (rest.n > 0) };
    }
    hg_str_t as = next(&s);
    if (!hg_str_ieq(as, HG_S("AS")))
        return refuse(x, as.n ? as : p.name, "PREPARE %s needs AS and a statement", z(x, p.name));
    p.body = s;
    HG_APUSH(x->a, x->v, x->n, p);
    return 0;
}

static const prepared_t *find(const prep_t *x, hg_str_t name)
{
    for (uint32_t i = x->n; i-- > 0;)
        if (hg_str_ieq(x->v[i].name, name)) return &x->v[i];
    return NULL;
}

/* The body with arguments in place. */
static int fill_in(prep_t *x, hg_str_t name, hg_str_t body, const hg_str_t *args, uint32_t n, hg_buf_t *out)
{
    const char *p = body.p, *end = body.p + body.n;
    while (p < end) {
        const char *q = behind(p, end);
        uint64_t k = 0;
        if (*p == '$' && q < end && *q >= '0' && *q <= '9') {
            const char *digits = q;
            q = behind(q, end);
            if (hg_str_u64((hg_str_t){ digits, (size_t)(q - digits) }, &k) < 0 || k == 0 || k > n)
                return refuse(x, name, "EXECUTE %s has too few arguments", z(x, name));
            hg_buf_addf(out, "(" HG_SF ")", HG_SA(args[k - 1]));
        } else {
            hg_buf_add(out, p, (size_t)(q - p));
        }
        p = q;
    }
    return 0;
}

/* EXECUTE name [(arguments)] */
static int execute(prep_t *x, hg_str_t s, hg_buf_t *out)
{
    hg_str_t args[MAX_ARGS], name = next(&s), rest;
    uint32_t n = 0;
    const prepared_t *p = find(x, name);
    if (!p) return refuse(x, name, "there is no prepared statement '%s' in this request", z(x, name));
    rest = skip_blank(s);
    if (rest.n && rest.p[0] == '(') {
        do {
            rest = (hg_str_t){ rest.p + 1, rest.n - 1 };
            if (n == MAX_ARGS) return refuse(x, name, "EXECUTE %s has too many arguments", z(x, name));
            args[n++] = hg_str_trim(until(&rest, ",)"));
        } while (rest.n && rest.p[0] == ',');
        if (!rest.n) return refuse(x, name, "EXECUTE %s: the arguments are not closed", z(x, name));
        rest = (hg_str_t){ rest.p + 1, rest.n - 1 };
        rest = skip_blank(rest);
    }
    if (rest.n) return refuse(x, rest, "unexpected text behind EXECUTE %s", z(x, name));
    return fill_in(x, name, p->body, args, n, out);
}

int hg_adhoc_prepared(hg_arena_t *a, hg_str_t sql, hg_str_t *ret, hg_err_t *err)
{
    prep_t x = { .a = a, .sql = sql, .err = err };
    hg_str_t rest = sql;
    hg_buf_t out;
    int rc = 0;
    hg_buf_init(&out, HG_BUF_NOMAX);
    while (rest.n && rc == 0) {
        hg_str_t st = until(&rest, ";"), words = st, first = next(&words);
        if (hg_str_ieq(first, HG_S("EXPLAIN"))) {
            hg_str_t more = words, second = next(&more);
            if (hg_str_ieq(second, HG_S("EXECUTE"))) {
                hg_buf_adds(&out, "EXPLAIN ");
                first = second;
                words = more;
            }
        }
        bool ends = rest.n > 0, prepares = hg_str_ieq(first, HG_S("PREPARE"));
        rest = (hg_str_t){ rest.p + ends, rest.n - ends };
        if (prepares) {
            rc = prepare(&x, words);
            for (size_t i = 0; i < st.n + ends; i++) hg_buf_addc(&out, st.p[i] == '\n' ? '\n' : ' ');
        } else if (hg_str_ieq(first, HG_S("EXECUTE"))) {
            rc = execute(&x, words, &out);
        } else {
            hg_buf_addstr(&out, st);
        }
        if (ends && !prepares) hg_buf_addc(&out, ';');
    }
    *ret = hg_arena_str(a, hg_buf_str(&out));
    hg_buf_release(&out);
    return rc;
}
