/* buf.h: a growing byte buffer with a ceiling, and text helpers on slices.
 *
 * Invariants: p[len] == 0 always; p is never NULL; len <= max. A buffer that has never held anything owns no memory.
 */
#ifndef HG_BASE_BUF_H
#define HG_BASE_BUF_H

#include "base/hg.h"

typedef struct hg_buf {
    char *p;
    size_t len, cap, max;
} hg_buf_t;

#define HG_BUF_NOMAX ((size_t)1 << 46)

void hg_buf_init(hg_buf_t *b, size_t max);
void hg_buf_release(hg_buf_t *b);
void hg_buf_clear(hg_buf_t *b); /* empty, memory kept */

/* 0, HG_ENOMEM or HG_ETOOBIG; on failure b is as before. */
int hg_buf_add(hg_buf_t *b, const void *p, size_t n);
int hg_buf_addc(hg_buf_t *b, char c);
int hg_buf_adds(hg_buf_t *b, const char *s);
int hg_buf_addstr(hg_buf_t *b, hg_str_t s);
int hg_buf_addf(hg_buf_t *b, const char *fmt, ...) HG_PRINTF(2, 3);
int hg_buf_addfv(hg_buf_t *b, const char *fmt, va_list ap) HG_PRINTF(2, 0);
int hg_buf_addu64(hg_buf_t *b, uint64_t v);
int hg_buf_addi64(hg_buf_t *b, int64_t v);

/* Make room for n more bytes behind len (and the final 0). After it, up to n bytes may be written at p + len. */
int hg_buf_reserve(hg_buf_t *b, size_t n);

/* Give the memory away: caller hg_free()s; b is empty and usable. Never NULL. */
char *hg_buf_take(hg_buf_t *b, size_t *ret_len);

/* Drop n bytes from the front (n <= len); moves the rest. */
void hg_buf_eat(hg_buf_t *b, size_t n);

static inline hg_str_t hg_buf_str(const hg_buf_t *b)
{
    return (hg_str_t){ b->p, b->len };
}

/* --- slices --- */
static inline hg_str_t hg_strz(const char *s)
{
    return (hg_str_t){ s, s ? strlen(s) : 0 };
}
static inline bool hg_str_eq(hg_str_t a, hg_str_t b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool hg_str_eqz(hg_str_t a, const char *z)
{
    return hg_str_eq(a, hg_strz(z));
}
bool hg_str_ieq(hg_str_t a, hg_str_t b); /* ASCII letters without case */
bool hg_str_starts(hg_str_t s, hg_str_t prefix);
hg_str_t hg_str_trim(hg_str_t s);       /* ASCII white space on both ends */
int hg_str_cmp(hg_str_t a, hg_str_t b); /* bytes, then length */

/* Whole slice as a number, no sign for u64, optional - for i64, nothing around it. 0 or HG_ERANGE / HG_EPARSE. */
int hg_str_u64(hg_str_t s, uint64_t *ret);
int hg_str_i64(hg_str_t s, int64_t *ret);
/* A length of time, "500ms", "30s", "1m 30s", "2 hours", without regard to case. 0 or HG_ERANGE / HG_EPARSE. */
int hg_duration_us(hg_str_t text, uint64_t *ret_us);

/* Decode %XX (and + as blank if plus). Appends to out. HG_EPARSE on a bad escape, out as before. */
int hg_pct_decode(hg_buf_t *out, hg_str_t s, bool plus);
int hg_pct_encode(hg_buf_t *out, hg_str_t s); /* everything but unreserved characters */

/* base64, standard alphabet, padded. put: into room for as many characters as HG_BASE64_LEN says; returns their end. */
#define HG_BASE64_LEN(n) (((n) + 2) / 3 * 4)
char *hg_base64_put(char *to, hg_str_t bytes);
int hg_base64(hg_buf_t *out, hg_str_t bytes); /* appends */

/* The candidate nearest to name (Damerau-Levenshtein distance <= 1 + n/4), or NULL. names ends with NULL. */
const char *hg_nearest(hg_str_t name, const char *const *names);

/* True if s is well-formed UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). */
bool hg_utf8_valid(const char *p, size_t n);
size_t hg_utf8_chars(const char *p, size_t n); /* code points of well-formed text */
/* A '?' for each byte of s that belongs to no whole character: what "%.40s" or a full buffer leaves of one. */
void hg_utf8_mend(char *s);

#endif
