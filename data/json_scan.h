/* json_scan.h: the JSON scanner below the schema: white space, strings, numbers, skipping.
 *
 * Every function takes a position and returns the one behind what it read, or NULL after it has noted the first error
 * in the state. Positions may be read up to 64 bytes past `end`, so single bytes are looked at without asking; what
 * loops (strings, digits, blanks) stops at `end`, and containers check `end` once per member. */
#ifndef HG_DATA_JSON_SCAN_H
#define HG_DATA_JSON_SCAN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define HG_JSON_DEPTH 128u

typedef enum {
    HG_JE_NONE,
    HG_JE_SYNTAX, /* not JSON */
    HG_JE_DATA,   /* JSON that does not fit the column */
    HG_JE_FATAL,  /* memory: rc */
} hg_jerr_t;

typedef struct hg_jscan {
    const char *end;
    bool nl;                    /* a newline ends the record: it is no white space */
    hg_buf_t tmp;               /* decoded strings; one at a time */
    hg_buf_t key;               /* decoded member name; until the next one */
    hg_buf_t aux;               /* bytes of binary columns */
    struct hg_variant *variant; /* scratch for VARIANTs (data/variant.h), made at the first one */
    hg_jerr_t e;
    int rc;
    const char *e_at;
    hg_str_t e_field; /* as found in the input */
    char e_msg[320];
} hg_jscan_t;

void hg_jscan_init(hg_jscan_t *s);
void hg_jscan_release(hg_jscan_t *s);

const char *hg_js_fail(hg_jscan_t *s, hg_jerr_t kind, const char *at, const char *fmt, ...) HG_PRINTF(4, 5);
const char *hg_js_memory(hg_jscan_t *s, int rc);
const char *hg_js_trunc(hg_jscan_t *s, const char *at);        /* "unexpected end of …" */
#if defined(__clang_analyzer__) && !defined(HG_JSCAN_INTERNAL) /* as in base/err.h: all three return NULL */
#define hg_js_fail(...)   ((void)hg_js_fail(__VA_ARGS__), (const char *)NULL)
#define hg_js_memory(...) ((void)hg_js_memory(__VA_ARGS__), (const char *)NULL)
#define hg_js_trunc(...)  ((void)hg_js_trunc(__VA_ARGS__), (const char *)NULL)
#endif

/* What stands at p, for messages: "string", "integer `12`", "map" … into a caller's room of 64. */
const char *hg_js_what(const hg_jscan_t *s, const char *p, char out[64]);

static inline const char *hg_js_ws(const hg_jscan_t *s, const char *p)
{
    while (HG_UNLIKELY((unsigned char)*p <= ' ') && p < s->end) {
        if (*p != ' ' && *p != '\t' && *p != '\r' && (*p != '\n' || s->nl)) break;
        p++;
    }
    return p;
}

/* p behind the opening quote. *ret is a slice of the input, or of tmp (the given buffer) if there were escapes. */
const char *hg_js_string(hg_jscan_t *s, const char *p, hg_buf_t *tmp, hg_str_t *ret);

/* Makes the bytes behind a decoded string readable, so that it can be scanned as JSON itself. */
int hg_js_pad(hg_buf_t *b);

/* Checks the grammar of a number at p. */
const char *hg_js_number(hg_jscan_t *s, const char *p, bool *integer);

/* Skips one value of any kind and checks it. */
const char *hg_js_skip(hg_jscan_t *s, const char *p);

/* Appends one value without white space to out, strings in their shortest spelling. */
const char *hg_js_compact(hg_jscan_t *s, const char *p, hg_buf_t *out);

/* --- where a top-level value ends, by nesting alone: the splitter, and how a parser finds its way after an error ---
 */
typedef struct hg_jnest {
    uint32_t depth;
    uint8_t mode; /* HG_JN_* */
} hg_jnest_t;

/* Reads on from p; returns the position behind the end of the value, or NULL if it goes on past end. A scalar's end
 * is only seen at the byte behind it. */
const char *hg_js_nest(hg_jnest_t *st, const char *p, const char *end);

#endif
