/* kernel_like.c: LIKE, ILIKE and RLIKE.
 *
 * A pattern that is constant, as nearly all are, is looked at once: plain prefixes, suffixes, pieces and whole texts
 * become byte compares, the rest goes to the matcher, which remembers only the last % and so needs no stack. */
#include "base/hg.h"
#include "base/posix_regex.h"
#include "engine/eval_int.h"

typedef enum { SHAPE_ANY, SHAPE_WHOLE, SHAPE_PREFIX, SHAPE_SUFFIX, SHAPE_INSIDE } shape_t;

typedef struct {
    hg_str_t pattern;
    hg_str_t escape; /* one character, or empty */
    bool fold;
    locale_t loc;
    shape_t shape;
    hg_str_t plain; /* the text of a simple shape */
} like_t;

/* One pattern element at p: a wildcard ('%' or '_'), or a literal character. Returns its length in the pattern. */
static size_t element(const like_t *k, size_t p, char *ret_wild, hg_str_t *ret_char)
{
    hg_str_t rest = { k->pattern.p + p, k->pattern.n - p };
    size_t n = hg_utf8_len(rest.p[0]), skipped = 0;
    *ret_wild = 0;
    if (k->escape.n && hg_str_starts(rest, k->escape)) {
        skipped = n;
        rest.p += n;
        n = hg_utf8_len(rest.p[0]);
    } else if (rest.p[0] == '%' || rest.p[0] == '_') {
        *ret_wild = rest.p[0];
    }
    *ret_char = (hg_str_t){ rest.p, n };
    return skipped + n;
}

static bool same_char(const like_t *k, hg_str_t a, const char *s, size_t n)
{
    if (a.n == n && memcmp(a.p, s, n) == 0) return true;
    return k->fold && hg_char_lower(hg_utf8_decode(a.p, a.n), k->loc) == hg_char_lower(hg_utf8_decode(s, n), k->loc);
}

static bool match(const like_t *k, hg_str_t s)
{
    size_t i = 0, p = 0, back_s = 0, back_p = SIZE_MAX;
    while (i < s.n) {
        char wild = 0;
        hg_str_t ch = { NULL, 0 };
        size_t n = hg_utf8_len(s.p[i]);
        size_t len = p < k->pattern.n ? element(k, p, &wild, &ch) : 0;
        if (len && wild == '%') {
            p += len;
            back_p = p;
            back_s = i;
        } else if (len && (wild == '_' || same_char(k, ch, s.p + i, n))) {
            p += len;
            i += n;
        } else if (back_p != SIZE_MAX) { /* let the last % take one character more */
            back_s += hg_utf8_len(s.p[back_s]);
            i = back_s;
            p = back_p;
        } else {
            return false;
        }
    }
    while (p < k->pattern.n) {
        char wild;
        hg_str_t ch;
        p += element(k, p, &wild, &ch);
        if (wild != '%') return false;
    }
    return true;
}

/* An escape must be followed by a wildcard or itself. */
static bool well_formed(const like_t *k)
{
    for (size_t i = 0; k->escape.n && i < k->pattern.n; i += hg_utf8_len(k->pattern.p[i])) {
        hg_str_t rest = { k->pattern.p + i, k->pattern.n - i };
        if (!hg_str_starts(rest, k->escape)) continue;
        i += k->escape.n;
        rest = (hg_str_t){ k->pattern.p + i, k->pattern.n - i };
        if (rest.n == 0 || (rest.p[0] != '%' && rest.p[0] != '_' && !hg_str_starts(rest, k->escape))) return false;
    }
    return true;
}

static void find_shape(like_t *k)
{
    hg_str_t s = k->pattern;
    bool open_left = s.n && s.p[0] == '%';
    k->shape = SHAPE_ANY;
    if (k->fold || k->escape.n) return;
    if (open_left) s = (hg_str_t){ s.p + 1, s.n - 1 };
    bool open_right = s.n && s.p[s.n - 1] == '%';
    if (open_right) s.n--;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' || s.p[i] == '_') return;
    k->plain = s;
    k->shape = open_left ? (open_right ? SHAPE_INSIDE : SHAPE_SUFFIX) : open_right ? SHAPE_PREFIX : SHAPE_WHOLE;
}

static bool test(const like_t *k, hg_str_t s)
{
    hg_str_t t = k->plain;
    switch (k->shape) {
    case SHAPE_WHOLE:
        return hg_str_eq(s, t);
    case SHAPE_PREFIX:
        return hg_str_starts(s, t);
    case SHAPE_SUFFIX:
        return s.n >= t.n && memcmp(s.p + s.n - t.n, t.p, t.n) == 0;
    case SHAPE_INSIDE:
        return t.n == 0 || memmem(s.p, s.n, t.p, t.n) != NULL;
    case SHAPE_ANY:
        break;
    }
    return match(k, s);
}

static int prepare(hg_call_t *c, const hg_vec_t *args, uint32_t row, like_t *k)
{
    k->pattern = hg_vec_str(&args[1], row);
    k->escape = c->n_args > 2 ? hg_vec_str(&args[2], row) : (hg_str_t){ NULL, 0 };
    if (c->n_args > 2 && (k->escape.n == 0 || hg_utf8_len(k->escape.p[0]) != k->escape.n))
        return hg_call_fail_row(c, args, row, "needs one character as ESCAPE");
    if (!well_formed(k)) return hg_call_fail_row(c, args, row, "has an escape before neither %, _ nor itself");
    find_shape(k);
    return 0;
}

int hg_k_like(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    like_t k = { .fold = c->fn->aux & HG_LIKE_FOLD, .loc = hg_utf8_locale() };
    bool negated = c->fn->aux & HG_LIKE_NOT;
    bool once = args[1].konst && (c->n_args < 3 || args[2].konst);
    int rc = once ? prepare(c, args, 0, &k) : 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) continue;
        if (!once) rc = prepare(c, args, i, &k);
        if (rc == 0 && test(&k, hg_vec_str(&args[0], i)) != negated) hg_bit_set(out->data, i);
    }
    return rc;
}

/* --- regular expressions ------------------------------------------------------------------------------------------ */

static int compile(hg_call_t *c, hg_str_t pattern, regex_t *re)
{
    char why[HG_REGEX_WHY];
    if (pattern.n && memchr(pattern.p, 0, pattern.n))
        return hg_call_fail(c, "a regular expression may not contain a zero byte");
    char *text = hg_trynew(pattern.n + 1);
    if (!text) return HG_ENOMEM;
    if (pattern.n) memcpy(text, pattern.p, pattern.n);
    text[pattern.n] = 0;
    int rc = hg_regex_compile(text, REG_NOSUB, re, why);
    if (rc < 0) rc = hg_call_fail(c, "invalid regular expression '%.200s': %s", text, why);
    hg_free(text);
    return rc;
}

int hg_k_rlike(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    bool negated = c->fn->aux & HG_LIKE_NOT, compiled = false;
    regex_t re;
    hg_str_t last = { NULL, 0 };
    locale_t loc = hg_utf8_locale(),
             before = loc ? uselocale(loc) : (locale_t)0; /* so that . is a character, not a byte */
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (!hg_call_valid(c, i)) continue;
        hg_str_t pattern = hg_vec_str(&args[1], i), s = hg_vec_str(&args[0], i);
        if (!compiled || !hg_str_eq(pattern, last)) {
            if (compiled) regfree(&re);
            rc = compile(c, pattern, &re);
            compiled = rc == 0;
            last = pattern;
            if (rc < 0) break;
        }
        regmatch_t whole = { .rm_so = 0, .rm_eo = (regoff_t)s.n };
        if ((regexec(&re, s.p, 0, &whole, REG_STARTEND) == 0) != negated) hg_bit_set(out->data, i);
    }
    if (compiled) regfree(&re);
    if (loc) uselocale(before);
    return rc;
}
