/* json_split.c: where JSON values end by nesting alone. The splitter of `lines: multiple` and the parser's way back
 * after a bad record are the same automaton, so the result does not depend on where a stream was cut.
 *
 * At the top level: white space separates; '{' or '[' opens a value that ends with its last closer (whatever closers
 * they are: the parser complains, not this); a string is a value; a run of other bytes is a value; a stray closer,
 * comma or colon is a value of one byte. */
#include "base/hg.h"
#include "connectors/format/json_int.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { START, SCALAR, NESTED, STRING, ESCAPE };

typedef enum { C_PLAIN, C_SPACE, C_OPEN, C_CLOSE, C_QUOTE, C_POINT } class_t;

static class_t class_of(char c)
{
    switch (c) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
    case '\f':
        return C_SPACE;
    case '{':
    case '[':
        return C_OPEN;
    case '}':
    case ']':
        return C_CLOSE;
    case '"':
        return C_QUOTE;
    case ',':
    case ':':
        return C_POINT;
    default:
        return C_PLAIN;
    }
}

static bool opens(hg_jnest_t *st, class_t k)
{
    if (k == C_OPEN) {
        st->depth = 1;
        st->mode = NESTED;
    } else if (k == C_QUOTE) {
        st->mode = STRING;
    } else if (k == C_PLAIN) {
        st->mode = SCALAR;
    } else if (k != C_SPACE) {
        return false; /* a value of one byte */
    }
    return true;
}

/* One byte inside a container. True if it closed the outermost one. */
static inline bool inside(hg_jnest_t *st, char c)
{
    if (st->mode == NESTED) {
        if (c == '"')
            st->mode = STRING;
        else if (c == '{' || c == '[')
            st->depth++;
        else if (c == '}' || c == ']')
            return --st->depth == 0;
    } else if (st->mode == STRING) {
        if (c == '"')
            st->mode = NESTED;
        else if (c == '\\')
            st->mode = ESCAPE;
    } else {
        st->mode = STRING;
    }
    return false;
}

#ifdef __SSE2__
/* The same, 16 bytes at a time, looking only at bytes that can matter. Stops at the value's end or near `end`. */
static const char *inside_blocks(hg_jnest_t *st, const char *p, const char *end, bool *done)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), fold = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        if (st->mode == ESCAPE) {
            st->mode = STRING;
            p -= 15; /* one byte on: the loop adds 16 */
            continue;
        }
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i f = _mm_or_si128(v, fold); /* '[' becomes '{', ']' becomes '}' */
        __m128i brace = _mm_or_si128(_mm_cmpeq_epi8(f, open), _mm_cmpeq_epi8(f, close));
        __m128i text = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        unsigned m = (unsigned)_mm_movemask_epi8(_mm_or_si128(brace, text));
        for (unsigned at; m; m &= m - 1) {
            at = (unsigned)__builtin_ctz(m);
            if (inside(st, p[at])) {
                *done = true;
                return p + at + 1;
            }
            if (st->mode == ESCAPE) {
                if (at == 15) break; /* the escaped byte begins the next block */
                m &= ~(1u << (at + 1));
                st->mode = STRING;
            }
        }
    }
    return p;
}
#endif

static const char *in_container(hg_jnest_t *st, const char *p, const char *end, bool *done)
{
#ifdef __SSE2__
    p = inside_blocks(st, p, end, done);
    if (*done) return p;
#endif
    while (p < end)
        if (inside(st, *p++)) {
            *done = true;
            return p;
        }
    return p;
}

const char *hg_js_nest(hg_jnest_t *st, const char *p, const char *end)
{
    while (p < end) {
        if (st->depth) {
            bool done = false;
            p = in_container(st, p, end, &done);
            if (!done) return NULL;
            st->mode = START;
            return p;
        }
        switch (st->mode) {
        case START:
            if (!opens(st, class_of(*p))) return p + 1;
            break;
        case SCALAR:
            if (class_of(*p) != C_PLAIN) {
                st->mode = START;
                return p;
            }
            break;
        case STRING:
            if (*p == '\\') st->mode = ESCAPE;
            if (*p != '"') break;
            st->mode = START;
            return p + 1;
        default:
            st->mode = STRING; /* an escaped byte */
        }
        p++;
    }
    return NULL;
}

size_t hg_json_split(const hg_parser_t *pp, hg_split_state_t *st, const char *buf, size_t from, size_t n, bool eof)
{
    const hg_json_parser_t *p = (const hg_json_parser_t *)(const void *)pp;
    if (eof) return n;
    if (p->single) {
        const char *nl = n > from ? memrchr(buf + from, '\n', n - from) : NULL;
        return nl ? (size_t)(nl - buf) + 1 : 0;
    }
    hg_jnest_t nest = { .depth = (uint32_t)st->w[0], .mode = (uint8_t)st->w[1] };
    size_t last = 0;
    const char *q = buf + from;
    while ((q = hg_js_nest(&nest, q, buf + n)) != NULL) last = (size_t)(q - buf);
    st->w[0] = nest.depth;
    st->w[1] = nest.mode;
    return last;
}
