/* lex.c: program text → tokens.
 *
 * One pass over text that was checked to be UTF-8 first, so nothing below meets a broken sequence. Positions are
 * counted along the way: `at` is the place up to which lines and columns are known, and it only moves forward.
 *
 * A literal is decoded by one small machine (hg_part_t), used twice: to make the token's text, and later by
 * hg_tok_string_pos() to find where a decoded byte came from.
 */
#include "base/hg.h"
#include "sqlddl/sqlddl_int.h"

/* ------------------------------------------------------------------------------------------------ characters */

/* Length of the UTF-8 sequence at p and its code point; 0 if it is broken. */
static unsigned utf8_at(const char *s, const char *end, uint32_t *cp)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t n = (size_t)(end - s);
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    unsigned len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len) return 0;
    uint32_t c = p[0] & (0xffu >> (len + 1));
    for (unsigned i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    *cp = c;
    return len;
}

static unsigned utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (unsigned i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xff) | c);
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

/* Letters of any script. Beyond ASCII everything counts but white space, controls, and the signs and quotation marks
 * that people paste by accident: for those a plain error helps more than a strange name. */
static bool is_ident_char(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
    if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
    if (c == 0xd7 || c == 0xf7 || is_space(c)) return false;
    return !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x3001 && c <= 0x3004) && !(c >= 0x3008 && c <= 0x3020) &&
           !(c >= 0xff01 && c <= 0xff0f) && !(c >= 0xe000 && c <= 0xf8ff);
}

/* Lower case of the scripts that have one; done here because the C library's answer depends on the locale. */
static uint32_t fold_char(uint32_t c)
{
    static const struct {
        uint32_t from, to, add;
    } shifted[] = { { 'A', 'Z', 32 },     { 0xc0, 0xd6, 32 },       { 0xd8, 0xde, 32 },     { 0x388, 0x38a, 37 },
                    { 0x391, 0x3a1, 32 }, { 0x3a3, 0x3ab, 32 },     { 0x400, 0x40f, 80 },   { 0x410, 0x42f, 32 },
                    { 0x531, 0x556, 48 }, { 0x10a0, 0x10c5, 7264 }, { 0xff21, 0xff3a, 32 }, { 0x10400, 0x10427, 40 } };
    for (size_t i = 0; i < HG_COUNT(shifted); i++)
        if (c >= shifted[i].from && c <= shifted[i].to) return c + shifted[i].add;
    /* pairs: upper, lower, upper, lower … */
    if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177) ||
        (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff) || (c >= 0x460 && c <= 0x481) ||
        (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x4c1 && c <= 0x4ce)) return c + (c & 1);
    if (c == 0x130) return 'i';
    if (c == 0x178) return 0xff;
    if (c == 0x386) return 0x3ac;
    if (c == 0x38c) return 0x3cc;
    return c;
}

hg_str_t hg_sql_fold(hg_arena_t *a, hg_str_t s)
{
    /* no character above grows in UTF-8 but U+0130, which shrinks */
    char *out = hg_arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        uint32_t c;
        unsigned len = utf8_at(p, end, &c);
        if (len == 0) { /* callers hold checked text */
            out[n++] = *p++;
            continue;
        }
        n += utf8_put(out + n, fold_char(c));
        p += len;
    }
    return (hg_str_t){ out, n };
}

/* ------------------------------------------------------------------------------------------------ keywords */

static const struct {
    const char *text;
    bool reserved;
} keywords[HG_KW_N] = {
#define R                        true
#define C                        false
#define X(name, spelling, class) [HG_KW_##name] = { .text = spelling, .reserved = class },
    HG_KEYWORDS(X)
#undef X
#undef C
#undef R
};

hg_kw_t hg_sql_kw(hg_str_t folded)
{
    int lo = 1, hi = HG_KW_N - 1;
    while (lo <= hi) {
        int mid = (lo + hi) / 2, d = hg_str_cmp(folded, hg_strz(keywords[mid].text));
        if (d == 0) return (hg_kw_t)mid;
        if (d < 0)
            hi = mid - 1;
        else
            lo = mid + 1;
    }
    return HG_KW_NONE;
}

bool hg_kw_reserved(hg_kw_t k)
{
    return keywords[k].reserved;
}

/* ------------------------------------------------------------------------------------------------ quoted parts */

/* The inside of one '…' or "…". */
typedef struct {
    const char *p, *end; /* end of the program */
    char quote;
    enum { PART_PLAIN, PART_UNICODE, PART_BACKSLASH } mode;
    char esc;        /* PART_UNICODE */
    const char *bad; /* what went wrong, when step returns < 0 */
} hg_part_t;

static int hex_run(const char *p, const char *end, unsigned n, uint32_t *ret)
{
    if ((size_t)(end - p) < n) return -1;
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        int d = hex_digit(p[i]);
        if (d < 0) return -1;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return 0;
}

/* \0041, \+01F600; two \XXXX may form a surrogate pair. p stands behind the escape character. */
static int unicode_escape(hg_part_t *c, uint32_t *cp)
{
    const char *p = c->p;
    unsigned n = p < c->end && *p == '+' ? 6 : 4;
    uint32_t v, low;
    if (hex_run(p + (n == 6), c->end, n, &v) < 0) return -1;
    p += n + (n == 6);
    if (v >= 0xd800 && v <= 0xdbff && c->end - p >= 5 && *p == c->esc && hex_run(p + 1, c->end, 4, &low) == 0 &&
        low >= 0xdc00 && low <= 0xdfff) {
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        p += 5;
    }
    if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return -1;
    c->p = p;
    *cp = v;
    return 0;
}

/* E'…' as PostgreSQL reads it. p stands behind the backslash. */
static int backslash_escape(hg_part_t *c, uint32_t *cp)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (c->p >= c->end) return -1;
    char ch = *c->p++;
    unsigned n = 0;
    for (const char *f = from; *f; f++)
        if (ch == *f) {
            *cp = (uint32_t)to[f - from];
            return 0;
        }
    if (ch == 'u' || ch == 'U') {
        n = ch == 'u' ? 4 : 8;
        if (hex_run(c->p, c->end, n, cp) < 0) return -1;
        c->p += n;
        return *cp == 0 || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff) ? -1 : 0;
    }
    if (ch == 'x' || (ch >= '0' && ch <= '7')) { /* one byte: ASCII only, so that text stays UTF-8 */
        bool hex = ch == 'x';
        uint32_t v = hex ? 0 : (uint32_t)(ch - '0');
        for (n = hex ? 0 : 1; n < (hex ? 2u : 3u) && c->p < c->end; n++, c->p++) {
            int d = hex_digit(*c->p);
            if (d < 0 || (!hex && d > 7)) break;
            v = v * (hex ? 16 : 8) + (uint32_t)d;
        }
        *cp = v;
        return n == 0 || v == 0 || v > 0x7f ? -1 : 0;
    }
    c->p--;
    unsigned len = utf8_at(c->p, c->end, cp);
    if (len == 0) return -1;
    c->p += len;
    return 0;
}

/* One decoded character into out. > 0: its bytes. 0: the closing quote was passed. < 0: an error, c->bad says which. */
static int part_step(hg_part_t *c, char out[4])
{
    if (c->p >= c->end) {
        c->bad = c->quote == '"' ? "a quoted identifier that is not closed" : "a string that is not closed";
        return -1;
    }
    uint32_t cp;
    if (*c->p == c->quote) {
        c->p++;
        if (c->p < c->end && *c->p == c->quote) {
            out[0] = *c->p++;
            return 1;
        }
        return 0;
    }
    if (c->mode == PART_UNICODE && *c->p == c->esc) {
        c->p++;
        if (c->p < c->end && *c->p == c->esc) {
            out[0] = *c->p++;
            return 1;
        }
        c->bad = "an invalid Unicode escape";
        if (unicode_escape(c, &cp) < 0) return -1;
        return (int)utf8_put(out, cp);
    }
    if (c->mode == PART_BACKSLASH && *c->p == '\\') {
        c->p++;
        c->bad = "an invalid escape";
        if (backslash_escape(c, &cp) < 0) return -1;
        return (int)utf8_put(out, cp);
    }
    unsigned len = utf8_at(c->p, c->end, &cp);
    if (len == 0) { /* cannot be: the text was checked */
        c->bad = "text that is not UTF-8";
        return -1;
    }
    memcpy(out, c->p, len);
    c->p += len;
    return (int)len;
}

/* White space and comments from p on: where they end. *newline: there was a line break. A comment that is not closed:
 * NULL, *open is its start. */
static const char *skip_blank(const char *p, const char *end, bool *newline, const char **open)
{
    *newline = false;
    while (p < end) {
        uint32_t c;
        unsigned len = utf8_at(p, end, &c);
        if (len == 0) return p;
        if (is_space(c)) {
            if (c == '\n') *newline = true;
            p += len;
        } else if (end - p >= 2 && (memcmp(p, "--", 2) == 0 || memcmp(p, "//", 2) == 0)) {
            const char *nl = memchr(p, '\n', (size_t)(end - p));
            p = nl ? nl : end;
        } else if (end - p >= 2 && memcmp(p, "/*", 2) == 0) {
            const char *q = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
            if (!q) {
                *open = p;
                return NULL;
            }
            if (memchr(p, '\n', (size_t)(q - p))) *newline = true;
            p = q + 2;
        } else
            break;
    }
    return p;
}

/* Where the next part of a joined literal opens (at its quote), or NULL. */
static const char *next_part(const char *p, const char *end, bool need_newline)
{
    bool newline;
    const char *open, *q = skip_blank(p, end, &newline, &open);
    return q && q < end && *q == '\'' && (newline || !need_newline) ? q : NULL;
}

/* Behind a U& literal: [UESCAPE 'c']. *esc is set, *p moves behind it. < 0: the character cannot be one. */
static int uescape(const char **p, const char *end, char *esc)
{
    bool newline;
    const char *open, *q = skip_blank(*p, end, &newline, &open);
    *esc = '\\';
    if (!q || end - q < 7 || strncasecmp(q, "uescape", 7) != 0) return 0;
    q = skip_blank(q + 7, end, &newline, &open);
    if (!q || end - q < 3 || q[0] != '\'' || q[2] != '\'' || (unsigned char)q[1] >= 0x80 || hex_digit(q[1]) >= 0 ||
        strchr("+'\" \t\r\n", q[1]))
        return -1;
    *esc = q[1];
    *p = q + 3;
    return 0;
}

/* The raw end of a quoted part, doubled quotes (and backslashes) stepped over; NULL if it is open. */
static const char *raw_end(const char *p, const char *end, char quote, bool backslash)
{
    for (; p < end; p++) {
        if (backslash && *p == '\\') {
            p++;
        } else if (*p == quote) {
            if (p + 1 < end && p[1] == quote)
                p++;
            else
                return p + 1;
        }
    }
    return NULL;
}

/* Open the literal that starts at p (at U&, E or the quote): the machine stands inside its first part. The escape
 * character stands behind the last part, so the end is found first. *ret_end: behind the whole literal. */
static int literal_open(hg_part_t *c, const char *p, const char *end, const char **ret_end)
{
    *c = (hg_part_t){ .p = p, .end = end };
    if (*p == 'U' || *p == 'u') {
        c->mode = PART_UNICODE;
        c->p += 2;
    } else if (*p == 'E' || *p == 'e') {
        c->mode = PART_BACKSLASH;
        c->p++;
    }
    c->quote = *c->p++;
    const char *q = c->p;
    for (const char *part = q; part;) {
        q = raw_end(part, end, c->quote, c->mode == PART_BACKSLASH);
        if (!q) {
            *ret_end = end;
            c->bad = c->quote == '"' ? "a quoted identifier that is not closed" : "a string that is not closed";
            return -1;
        }
        part = c->quote == '\'' ? next_part(q, end, true) : NULL;
        if (part) part++;
    }
    if (c->mode == PART_UNICODE && uescape(&q, end, &c->esc) < 0) {
        c->bad = "an invalid UESCAPE character";
        return -1;
    }
    *ret_end = q;
    return 0;
}

/* Like part_step, over all parts of a literal. */
static int literal_step(hg_part_t *c, char out[4])
{
    for (;;) {
        int n = part_step(c, out);
        if (n != 0 || c->quote == '"') return n;
        const char *next = next_part(c->p, c->end, true);
        if (!next) return 0;
        c->p = next + 1;
    }
}

/* ------------------------------------------------------------------------------------------------ the lexer */

typedef struct {
    hg_arena_t *a;
    hg_str_t text;
    const char *at, *end; /* lines and columns are known up to `at` */
    uint32_t line, col;
    hg_tok_t *tok;
    uint32_t n, cap;
    hg_err_t *err;
} lexer_t;

/* Count on to q. A byte order mark at the start has no width. */
static void count_to(lexer_t *l, const char *q)
{
    for (; l->at < q; l->at++) {
        unsigned char c = (unsigned char)*l->at;
        if (c == '\n') {
            l->line++;
            l->col = 1;
        } else if ((c & 0xc0) != 0x80) {
            l->col += c >= 0xf0 ? 2 : 1;
        }
    }
}

/* Position of [p, q), q > p; p is not before what was counted. */
static hg_pos_t range_pos(lexer_t *l, const char *p, const char *q)
{
    hg_pos_t pos = { .off = (uint64_t)(p - l->text.p) };
    count_to(l, p);
    pos.line = l->line;
    pos.col = l->col;
    lexer_t ends = *l;
    count_to(&ends, q);
    pos.end_line = ends.line;
    pos.end_col = ends.col - 1;
    if (q > p && q[-1] == '\n') { /* only in errors: the last character is a line break */
        pos.end_line = pos.line;
        pos.end_col = pos.col;
    } else {
        *l = ends;
    }
    return pos;
}

static int lex_error(lexer_t *l, const char *p, const char *q, const char *what, const char *hint)
{
    hg_pos_t pos = range_pos(l, p, q);
    return hg_err_at(l->err, HG_EPARSE, pos, "Encountered %s at line %u, column %u.%s%s", what, pos.line, pos.col,
                     hint ? " " : "", hint ? hint : "");
}

static void add_token(lexer_t *l, hg_tok_kind_t kind, const char *p, const char *q, hg_str_t text)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 64;
        hg_tok_t *t = HG_ANEWN(l->a, hg_tok_t, cap);
        if (l->n) memcpy(t, l->tok, l->n * sizeof *t);
        l->tok = t;
        l->cap = cap;
    }
    l->tok[l->n++] = (hg_tok_t){ .kind = kind,
                                 .text = text,
                                 .off = (uint32_t)(p - l->text.p),
                                 .len = (uint32_t)(q - p),
                                 .pos = range_pos(l, p, q) };
}

static int lex_literal(lexer_t *l, const char *p, const char **ret)
{
    hg_part_t c;
    const char *q;
    const char *shown = p + 1; /* errors point at the opening */
    if (literal_open(&c, p, l->end, &q) < 0) return lex_error(l, p, shown, c.bad, NULL);
    char *out = hg_arena_alloc(l->a, (size_t)(q - p) + 1); /* decoding never makes text longer */
    size_t n = 0;
    char ch[4];
    for (;;) {
        const char *before = c.p;
        int k = literal_step(&c, ch);
        if (k < 0) return lex_error(l, before, before + 1, c.bad, NULL);
        if (k == 0) break;
        memcpy(out + n, ch, (size_t)k);
        n += (size_t)k;
    }
    if (c.quote == '"' && n == 0) return lex_error(l, p, q, "an empty identifier", NULL);
    add_token(l, c.quote == '"' ? HG_TOK_QIDENT : HG_TOK_STRING, p, q, (hg_str_t){ out, n });
    *ret = q;
    return 0;
}

/* x'45F0' ['…']: any white space may stand between the parts. */
static int lex_bytes(lexer_t *l, const char *p, const char **ret)
{
    const char *q = p + 1;
    hg_str_t text;
    size_t n = 0;
    char *out = NULL;
    for (unsigned pass = 0; pass < 2; pass++) { /* count, then write */
        n = 0;
        for (const char *part = p + 1; part; part = next_part(q, l->end, false)) {
            for (q = part + 1; q < l->end && *q != '\''; q++) {
                if (hex_digit(*q) < 0)
                    return lex_error(l, p, p + 1, "a binary literal with a character that is no hexadecimal digit",
                                     NULL);
                if (out) out[n] = *q;
                n++;
            }
            if (q >= l->end) return lex_error(l, p, p + 1, "a binary literal that is not closed", NULL);
            q++;
        }
        if (!out) out = hg_arena_alloc(l->a, n + 1);
    }
    if (n % 2) return lex_error(l, p, q, "a binary literal with an odd number of digits", NULL);
    text = (hg_str_t){ out, n };
    add_token(l, HG_TOK_BYTES, p, q, text);
    *ret = q;
    return 0;
}

/* A number, or a name that begins with a digit. */
static const char *lex_number(lexer_t *l, const char *p)
{
    const char *q = p;
    hg_tok_kind_t kind = HG_TOK_INT;
    while (q < l->end && is_digit(*q)) q++;
    if (q < l->end && *q == '.') {
        kind = HG_TOK_DECIMAL;
        for (q++; q < l->end && is_digit(*q);) q++;
    }
    if (q < l->end && (*q == 'e' || *q == 'E')) {
        const char *e = q + 1;
        if (e < l->end && (*e == '+' || *e == '-')) e++;
        if (e < l->end && is_digit(*e)) {
            while (e < l->end && is_digit(*e)) e++;
            q = e;
            kind = HG_TOK_FLOAT;
        }
    }
    uint32_t c;
    bool plain = true; /* no point and no sign so far: it may still be a name */
    for (const char *s = p; s < q; s++)
        if (*s == '.' || *s == '+' || *s == '-') plain = false;
    if (plain && q < l->end && utf8_at(q, l->end, &c) && is_ident_char(c)) return NULL;
    add_token(l, kind, p, q, hg_arena_str(l->a, (hg_str_t){ p, (size_t)(q - p) }));
    return q;
}

static const char *lex_word(lexer_t *l, const char *p)
{
    const char *q = p;
    uint32_t c;
    unsigned len;
    while (q < l->end && (len = utf8_at(q, l->end, &c)) > 0 && is_ident_char(c)) q += len;
    add_token(l, HG_TOK_IDENT, p, q, hg_sql_fold(l->a, (hg_str_t){ p, (size_t)(q - p) }));
    return q;
}

static int lex_operator(lexer_t *l, const char *p, unsigned char_len, const char **ret)
{
    static const char *const ops[] = { "<=>", "<=", "<>", ">=", "!=", "||", "::", "=>", "->" };
    for (size_t i = 0; i < HG_COUNT(ops); i++) {
        size_t n = strlen(ops[i]);
        if ((size_t)(l->end - p) >= n && memcmp(p, ops[i], n) == 0) {
            add_token(l, HG_TOK_OP, p, p + n, hg_strz(ops[i]));
            *ret = p + n;
            return 0;
        }
    }
    static const char single[] = "()[],;.+-*/%=<>?:";
    const char *found = char_len == 1 ? memchr(single, *p, sizeof single - 1) : NULL;
    if (found) {
        add_token(l, HG_TOK_OP, p, p + 1, hg_arena_str(l->a, (hg_str_t){ found, 1 }));
        *ret = p + 1;
        return 0;
    }
    if (*p == '$' && p + 1 < l->end && p[1] == '$')
        return lex_error(l, p, p + 2, "\"$$\"", "Strings are written '...'.");
    if (*p == '`') return lex_error(l, p, p + 1, "\"`\"", "Identifiers are quoted with \"...\".");
    if ((unsigned char)*p < 0x20 || *p == 0x7f) return lex_error(l, p, p + 1, "a control character", NULL);
    char what[16];
    snprintf(what, sizeof what, "\"%.*s\"", (int)char_len, p);
    return lex_error(l, p, p + char_len, what, NULL);
}

/* All of it is UTF-8, and no byte is 0: texts of tokens end with one. */
static int check_text(lexer_t *l)
{
    const char *zero = memchr(l->text.p, 0, l->text.n), *p = l->text.p;
    uint32_t c;
    if (!zero && hg_utf8_valid(l->text.p, l->text.n)) return 0;
    for (unsigned n; p < l->end && p != zero && (n = utf8_at(p, l->end, &c)) > 0;) p += n;
    char what[48] = "a zero byte";
    if (p != zero) snprintf(what, sizeof what, "a byte that is not UTF-8 (0x%02x)", (unsigned)(unsigned char)*p);
    count_to(l, p);
    hg_pos_t pos = {
        .line = l->line, .col = l->col, .end_line = l->line, .end_col = l->col, .off = (uint64_t)(p - l->text.p)
    };
    return hg_err_at(l->err, HG_EPARSE, pos, "Encountered %s at line %u, column %u.", what, pos.line, pos.col);
}

static int lex_one(lexer_t *l, const char *p, const char **ret)
{
    uint32_t c = 0;
    unsigned len = utf8_at(p, l->end, &c);
    size_t n = (size_t)(l->end - p);
    char low = (char)(*p | 0x20);
    if (*p == '\'' || *p == '"') return lex_literal(l, p, ret);
    if (low == 'u' && n >= 3 && p[1] == '&' && (p[2] == '\'' || p[2] == '"')) return lex_literal(l, p, ret);
    if (low == 'e' && n >= 2 && p[1] == '\'') return lex_literal(l, p, ret);
    if (low == 'x' && n >= 2 && p[1] == '\'') return lex_bytes(l, p, ret);
    if (is_digit(*p) || (*p == '.' && n >= 2 && is_digit(p[1]))) {
        *ret = lex_number(l, p);
        if (!*ret) *ret = lex_word(l, p);
        return 0;
    }
    if (is_ident_char(c) && c != '$') {
        *ret = lex_word(l, p);
        return 0;
    }
    return lex_operator(l, p, len, ret);
}

int hg_lex(hg_arena_t *a, hg_str_t text, hg_tok_t **ret, uint32_t *ret_n, hg_err_t *err)
{
    if (text.n == 0) text = HG_S("");
    lexer_t l = { .a = a, .text = text, .at = text.p, .end = text.p + text.n, .line = 1, .col = 1, .err = err };
    if (text.n > UINT32_MAX / 2)
        return hg_err_at(err, HG_ETOOBIG, (hg_pos_t){ .line = 1, .col = 1 }, "The program is longer than 2 GiB.");
    int rc = check_text(&l);
    if (rc < 0) return rc;
    const char *p = text.p;
    if (text.n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) l.at = p += 3;
    for (;;) {
        bool newline;
        const char *open, *q = skip_blank(p, l.end, &newline, &open);
        if (!q) return lex_error(&l, open, open + 2, "a comment that is not closed", NULL);
        if (q == l.end) break;
        rc = lex_one(&l, q, &p);
        if (rc < 0) return rc;
    }
    /* END has the place of the last character of the last token, so that a caret has something to point at. */
    hg_pos_t pos = { .line = 1, .col = 1, .end_line = 1, .end_col = 1, .off = text.n };
    if (l.n) {
        const hg_pos_t *last = &l.tok[l.n - 1].pos;
        pos = (hg_pos_t){ .line = last->end_line,
                          .col = last->end_col,
                          .end_line = last->end_line,
                          .end_col = last->end_col,
                          .off = text.n };
    }
    add_token(&l, HG_TOK_END, l.end, l.end, HG_S(""));
    l.tok[l.n - 1].pos = pos;
    *ret = l.tok;
    *ret_n = l.n;
    return 0;
}

hg_pos_t hg_tok_string_pos(hg_str_t program, const hg_tok_t *tok, uint32_t i, uint32_t len)
{
    if (tok->kind != HG_TOK_STRING && tok->kind != HG_TOK_QIDENT) return tok->pos;
    const char *start = program.p + tok->off, *end = program.p + program.n;
    hg_part_t c;
    const char *stop, *first = NULL, *last = NULL;
    if (literal_open(&c, start, end, &stop) < 0) return tok->pos;
    uint32_t at = 0, want_end = len ? i + len : i + 1;
    char ch[4];
    for (;;) {
        const char *before = c.p;
        int n = literal_step(&c, ch);
        if (n <= 0) { /* behind the last byte: the closing quote */
            const char *quote = c.p - 1;
            if (!first) first = quote;
            if (!last) last = quote + 1;
            break;
        }
        /* the step may have crossed into the next part; then the character starts behind that part's quote */
        while (*before == c.quote && !(before + 1 < end && before[1] == c.quote)) {
            const char *part = next_part(before + 1, end, true);
            if (!part) break;
            before = part + 1;
        }
        at += (uint32_t)n;
        if (!first && at > i) first = before;
        if (at >= want_end && first) {
            last = c.p;
            break;
        }
    }
    lexer_t l = { .text = program, .at = start, .end = end, .line = tok->pos.line, .col = tok->pos.col };
    return range_pos(&l, first, last);
}
