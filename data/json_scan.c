/* json_scan.c: see json_scan.h. Nothing here knows a schema.
 *
 * Strings are searched 16 bytes at a time for a quote, a backslash or a control byte; the high bits seen on the way say
 * whether UTF-8 must be checked at all. Skipping is iterative: a bit per level tells objects from arrays. */
#include "base/hg.h"
#define HG_JSCAN_INTERNAL /* defined here */
#include "data/json_scan.h"
#include "data/variant.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

void hg_jscan_init(hg_jscan_t *s)
{
    *s = (hg_jscan_t){ 0 };
    hg_buf_init(&s->tmp, HG_BUF_NOMAX);
    hg_buf_init(&s->key, HG_BUF_NOMAX);
    hg_buf_init(&s->aux, HG_BUF_NOMAX);
}

void hg_jscan_release(hg_jscan_t *s)
{
    hg_buf_release(&s->tmp);
    hg_buf_release(&s->key);
    hg_buf_release(&s->aux);
    hg_variant_free(s->variant);
    s->variant = NULL;
}

const char *hg_js_fail(hg_jscan_t *s, hg_jerr_t kind, const char *at, const char *fmt, ...)
{
    if (s->e != HG_JE_NONE) return NULL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->e_msg, sizeof s->e_msg, fmt, ap);
    va_end(ap);
    s->e = kind;
    s->e_at = at;
    return NULL;
}

const char *hg_js_memory(hg_jscan_t *s, int rc)
{
    s->e = HG_JE_FATAL;
    s->rc = rc;
    return NULL;
}

const char *hg_js_trunc(hg_jscan_t *s, const char *at)
{
    return hg_js_fail(s, HG_JE_SYNTAX, HG_MIN(at, s->end), "unexpected end of input");
}

static const char *odd_byte(hg_jscan_t *s, const char *p, const char *wanted)
{
    if (p >= s->end) return hg_js_trunc(s, p);
    unsigned char c = (unsigned char)*p;
    if (c > ' ' && c < 0x7f) return hg_js_fail(s, HG_JE_SYNTAX, p, "expected %s, found '%c'", wanted, c);
    return hg_js_fail(s, HG_JE_SYNTAX, p, "expected %s, found byte 0x%02x", wanted, c);
}

const char *hg_js_what(const hg_jscan_t *s, const char *p, char out[64])
{
    const char *what = "value";
    if (p < s->end) switch (*p) {
        case '{':
            what = "map";
            break;
        case '[':
            what = "sequence";
            break;
        case '"': {
            const char *q = memchr(p + 1, '"', (size_t)(s->end - p - 1));
            if (q && q - p < 40) {
                snprintf(out, 64, "string %.*s", (int)(q - p + 1), p);
                return out;
            }
            what = "string";
            break;
        }
        case 't':
            what = "boolean `true`";
            break;
        case 'f':
            what = "boolean `false`";
            break;
        case 'n':
            what = "null";
            break;
        default: {
            const char *q = p;
            bool whole = true;
            for (; q < s->end && q - p < 40 && memchr("+-.eE0123456789", *q, 15); q++)
                if (*q == '.' || *q == 'e' || *q == 'E') whole = false;
            snprintf(out, 64, "%s `%.*s`", whole ? "integer" : "floating point", (int)(q - p), p);
            return out;
        }
        }
    snprintf(out, 64, "%s", what);
    return out;
}

/* --- strings --- */

int hg_js_pad(hg_buf_t *b)
{
    int rc = hg_buf_reserve(b, 64);
    if (rc == 0) memset(b->p + b->len, 0, 64);
    return rc;
}

/* First quote, backslash or control byte at or behind p; *high gets a bit if a byte >= 0x80 lies before it. */
static inline const char *string_stop(const char *p, const char *end, bool *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), ctrl = _mm_set1_epi8(0x1f);
    for (; p < end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i m = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        unsigned stop = (unsigned)_mm_movemask_epi8(_mm_or_si128(m, _mm_cmpeq_epi8(_mm_max_epu8(v, ctrl), ctrl)));
        unsigned hi = (unsigned)_mm_movemask_epi8(v);
        if (stop) {
            *high |= (hi & ((stop & -stop) - 1)) != 0;
            return p + __builtin_ctz(stop);
        }
        *high |= hi != 0;
    }
#else
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20) return p;
        *high |= c >= 0x80;
    }
#endif
    return end;
}

static bool hex4(const char *p, const char *end, unsigned *ret)
{
    unsigned v = 0;
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        unsigned d;
        if (c >= '0' && c <= '9')
            d = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            d = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            d = (unsigned)(c - 'A') + 10;
        else
            return false;
        v = v << 4 | d;
    }
    *ret = v;
    return true;
}

static int add_utf8(hg_buf_t *b, unsigned c)
{
    char u[4];
    size_t n = 0;
    if (c < 0x80) {
        u[n++] = (char)c;
    } else if (c < 0x800) {
        u[n++] = (char)(0xc0 | c >> 6);
        u[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        u[n++] = (char)(0xe0 | c >> 12);
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        u[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        u[n++] = (char)(0xf0 | c >> 18);
        u[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        u[n++] = (char)(0x80 | (c & 0x3f));
    }
    return hg_buf_add(b, u, n);
}

/* p at the 'u' of \uXXXX: decodes it, and the low half of a pair. */
static const char *unicode_escape(hg_jscan_t *s, const char *p, hg_buf_t *tmp)
{
    unsigned c, low;
    if (!hex4(p + 1, s->end, &c))
        return hg_js_fail(s, HG_JE_SYNTAX, p, "invalid \\u escape: four hexadecimal digits expected");
    const char *q = p + 5;
    if (c >= 0xdc00 && c <= 0xdfff) return hg_js_fail(s, HG_JE_SYNTAX, p, "lone trailing surrogate in \\u escape");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (s->end - q < 6 || q[0] != '\\' || q[1] != 'u' || !hex4(q + 2, s->end, &low) || low < 0xdc00 || low > 0xdfff)
            return hg_js_fail(s, HG_JE_SYNTAX, p, "lone leading surrogate in \\u escape");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        q += 6;
    }
    int rc = add_utf8(tmp, c);
    return rc < 0 ? hg_js_memory(s, rc) : q;
}

/* p behind a backslash. */
static const char *escape(hg_jscan_t *s, const char *p, hg_buf_t *tmp)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p >= s->end) return hg_js_trunc(s, p);
    if (*p == 'u') return unicode_escape(s, p, tmp);
    const char *f = *p ? strchr(from, *p) : NULL;
    if (!f) return hg_js_fail(s, HG_JE_SYNTAX, p, "invalid escape in a string");
    int rc = hg_buf_addc(tmp, to[f - from]);
    return rc < 0 ? hg_js_memory(s, rc) : p + 1;
}

static const char *string_end_error(hg_jscan_t *s, const char *p)
{
    if (p >= s->end) return hg_js_fail(s, HG_JE_SYNTAX, s->end, "unexpected end of input inside a string");
    return hg_js_fail(s, HG_JE_SYNTAX, p, "control character (\\u%04x) found inside a string", (unsigned char)*p);
}

static const char *string_slow(hg_jscan_t *s, const char *p, const char *stop, bool high, hg_buf_t *tmp, hg_str_t *ret)
{
    hg_buf_clear(tmp);
    const char *start = p;
    for (;;) {
        int rc = hg_buf_add(tmp, p, (size_t)(stop - p));
        if (rc < 0) return hg_js_memory(s, rc);
        if (stop < s->end && *stop == '"') break;
        if (stop >= s->end || *stop != '\\') return string_end_error(s, stop);
        p = escape(s, stop + 1, tmp);
        if (!p) return NULL;
        stop = string_stop(p, s->end, &high);
    }
    if (hg_js_pad(tmp) < 0) return hg_js_memory(s, HG_ENOMEM);
    *ret = hg_buf_str(tmp);
    if (high && !hg_utf8_valid(ret->p, ret->n)) return hg_js_fail(s, HG_JE_SYNTAX, start, "invalid UTF-8 in a string");
    return stop + 1;
}

const char *hg_js_string(hg_jscan_t *s, const char *p, hg_buf_t *tmp, hg_str_t *ret)
{
    bool high = false;
    const char *stop = string_stop(p, s->end, &high);
    if (HG_UNLIKELY(stop >= s->end || *stop != '"')) return string_slow(s, p, stop, high, tmp, ret);
    *ret = (hg_str_t){ p, (size_t)(stop - p) };
    if (HG_UNLIKELY(high) && !hg_utf8_valid(ret->p, ret->n))
        return hg_js_fail(s, HG_JE_SYNTAX, p, "invalid UTF-8 in a string");
    return stop + 1;
}

/* --- numbers and skipping --- */

static const char *digits(const hg_jscan_t *s, const char *p)
{
    while (p < s->end && (unsigned)(*p - '0') < 10) p++;
    return p;
}

const char *hg_js_number(hg_jscan_t *s, const char *p, bool *integer)
{
    *integer = true;
    if (*p == '-') p++;
    const char *q = digits(s, p);
    if (q == p) return odd_byte(s, p, "a digit");
    if (*p == '0' && q - p > 1) return hg_js_fail(s, HG_JE_SYNTAX, p, "a number must not begin with 0");
    p = q;
    if (p < s->end && *p == '.') {
        *integer = false;
        q = digits(s, ++p);
        if (q == p) return odd_byte(s, p, "a digit after the decimal point");
        p = q;
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        *integer = false;
        p++;
        if (p < s->end && (*p == '+' || *p == '-')) p++;
        q = digits(s, p);
        if (q == p) return odd_byte(s, p, "a digit in the exponent");
        p = q;
    }
    return p;
}

static const char *literal(hg_jscan_t *s, const char *p, const char *word, size_t n)
{
    if ((size_t)(s->end - p) < n || memcmp(p, word, n) != 0) return odd_byte(s, p, "a value");
    return p + n;
}

static int put(hg_buf_t *out, const char *p, size_t n)
{
    return out ? hg_buf_add(out, p, n) : 0;
}

static const char *put_string(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    hg_str_t v = { 0 };
    p = hg_js_string(s, p, &s->tmp, &v);
    if (!p || !out) return p;
    int rc = hg_json_quote(out, v);
    return rc < 0 ? hg_js_memory(s, rc) : p;
}

/* A value that is no container. */
static const char *scalar(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    const char *q;
    bool whole;
    if (p >= s->end) return hg_js_trunc(s, p);
    switch (*p) {
    case '"':
        return put_string(s, p + 1, out);
    case 't':
        q = literal(s, p, "true", 4);
        break;
    case 'f':
        q = literal(s, p, "false", 5);
        break;
    case 'n':
        q = literal(s, p, "null", 4);
        break;
    default:
        if (*p != '-' && (unsigned)(*p - '0') > 9) return odd_byte(s, p, "a value");
        q = hg_js_number(s, p, &whole);
    }
    if (q && put(out, p, (size_t)(q - p)) < 0) return hg_js_memory(s, HG_ENOMEM);
    return q;
}

static const char *member_name(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    if (p >= s->end || *p != '"') return odd_byte(s, p, "a member name");
    p = put_string(s, p + 1, out);
    if (!p) return NULL;
    p = hg_js_ws(s, p);
    if (p >= s->end || *p != ':') return odd_byte(s, p, "':'");
    if (put(out, ":", 1) < 0) return hg_js_memory(s, HG_ENOMEM);
    return hg_js_ws(s, p + 1);
}

/* One value, checked; copied to out in compact form if out is not NULL. */
static const char *walk(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    uint64_t is_obj[HG_JSON_DEPTH / 64] = { 0 };
    unsigned depth = 0;
    for (;;) {
        /* a value begins at p */
        if (p < s->end && (*p == '{' || *p == '[')) {
            bool obj = *p == '{';
            if (depth == HG_JSON_DEPTH)
                return hg_js_fail(s, HG_JE_SYNTAX, p, "nested deeper than %u levels", HG_JSON_DEPTH);
            if (obj)
                is_obj[depth / 64] |= UINT64_C(1) << depth % 64;
            else
                is_obj[depth / 64] &= ~(UINT64_C(1) << depth % 64);
            depth++;
            if (put(out, p, 1) < 0) return hg_js_memory(s, HG_ENOMEM);
            p = hg_js_ws(s, p + 1);
            if (p >= s->end || *p != (obj ? '}' : ']')) {
                if (obj && !(p = member_name(s, p, out))) return NULL;
                continue;
            }
        } else {
            p = scalar(s, p, out);
            if (!p) return NULL;
        }
        /* behind a value, or at the closer of an empty container */
        for (;;) {
            if (depth == 0) return p;
            bool obj = is_obj[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
            p = hg_js_ws(s, p);
            if (p >= s->end) return hg_js_trunc(s, p);
            if (put(out, p, 1) < 0) return hg_js_memory(s, HG_ENOMEM);
            if (*p == ',') {
                p = hg_js_ws(s, p + 1);
                if (obj && !(p = member_name(s, p, out))) return NULL;
                break;
            }
            if (*p != (obj ? '}' : ']')) return odd_byte(s, p, obj ? "',' or '}'" : "',' or ']'");
            p++;
            depth--;
        }
    }
}

const char *hg_js_skip(hg_jscan_t *s, const char *p)
{
    return walk(s, p, NULL);
}
const char *hg_js_compact(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    return walk(s, p, out);
}
