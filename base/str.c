/* str.c: slices: comparison, numbers, percent codes, UTF-8, the nearest name. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/err.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool hg_str_ieq(hg_str_t a, hg_str_t b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    return true;
}

bool hg_str_starts(hg_str_t s, hg_str_t prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

hg_str_t hg_str_trim(hg_str_t s)
{
    while (s.n && is_space(s.p[0])) s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1])) s.n--;
    return s;
}

int hg_str_cmp(hg_str_t a, hg_str_t b)
{
    size_t n = HG_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c) return c < 0 ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

int hg_str_u64(hg_str_t s, uint64_t *ret)
{
    if (s.n == 0) return HG_EPARSE;
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned char)s.p[i] - (unsigned)'0';
        if (d > 9) return HG_EPARSE;
        if (v > (UINT64_MAX - d) / 10) over = true;
        v = v * 10 + d;
    }
    if (over) return HG_ERANGE;
    *ret = v;
    return 0;
}

int hg_str_i64(hg_str_t s, int64_t *ret)
{
    bool neg = s.n && s.p[0] == '-';
    uint64_t u;
    int rc = hg_str_u64(neg ? (hg_str_t){ s.p + 1, s.n - 1 } : s, &u);
    if (rc < 0) return rc;
    if (u > (uint64_t)INT64_MAX + neg) return HG_ERANGE;
    *ret = neg ? (int64_t)(0 - u) : (int64_t)u;
    return 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    unsigned char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

int hg_pct_decode(hg_buf_t *out, hg_str_t s, bool plus)
{
    size_t start = out->len;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int rc = HG_EPARSE;
        if (c == '%') {
            int h = i + 2 < s.n ? hex(s.p[i + 1]) : -1, l = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
            if (h >= 0 && l >= 0) rc = hg_buf_addc(out, (char)(h * 16 + l));
            i += 2;
        } else {
            rc = hg_buf_addc(out, plus && c == '+' ? ' ' : c);
        }
        if (rc < 0) {
            out->len = start;
            if (out->cap) out->p[start] = 0;
            return rc;
        }
    }
    return 0;
}

int hg_pct_encode(hg_buf_t *out, hg_str_t s)
{
    static const char digits[] = "0123456789ABCDEF";
    int rc = 0;
    for (size_t i = 0; i < s.n && rc == 0; i++) {
        unsigned char c = (unsigned char)s.p[i], l = lower(s.p[i]);
        if ((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~') {
            rc = hg_buf_addc(out, (char)c);
        } else {
            char t[3] = { '%', digits[c >> 4], digits[c & 15] };
            rc = hg_buf_add(out, t, 3);
        }
    }
    return rc;
}

char *hg_base64_put(char *to, hg_str_t bytes)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t n = bytes.n;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (int shift = 18; shift >= 0; shift -= 6) *to++ = digit[v >> shift & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *to++ = digit[v >> 18];
        *to++ = digit[v >> 12 & 63];
        *to++ = n == 2 ? digit[v >> 6 & 63] : '=';
        *to++ = '=';
    }
    return to;
}

int hg_base64(hg_buf_t *out, hg_str_t bytes)
{
    int rc = hg_buf_reserve(out, HG_BASE64_LEN(bytes.n) + 1);
    if (rc < 0) return rc;
    char *end = hg_base64_put(out->p + out->len, bytes);
    *end = 0;
    out->len = (size_t)(end - out->p);
    return 0;
}

#define NEAR_MAX 64

/* Distance with adjacent transpositions (optimal string alignment), without case; names longer than NEAR_MAX never
 * match. */
static unsigned distance(hg_str_t a, hg_str_t b)
{
    unsigned d[3][NEAR_MAX + 1];
    if (a.n > NEAR_MAX || b.n > NEAR_MAX) return UINT_MAX;
    for (unsigned j = 0; j <= b.n; j++) d[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *cur = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        cur[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned cost = lower(a.p[i - 1]) != lower(b.p[j - 1]);
            unsigned m = HG_MIN(up[j] + 1, cur[j - 1] + 1);
            m = HG_MIN(m, up[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) && lower(a.p[i - 2]) == lower(b.p[j - 1]))
                m = HG_MIN(m, up2[j - 2] + 1);
            cur[j] = m;
        }
    }
    return d[a.n % 3][b.n];
}

const char *hg_nearest(hg_str_t name, const char *const *names)
{
    const char *best = NULL;
    unsigned best_d = (unsigned)(1 + name.n / 4) + 1;
    for (; *names; names++) {
        unsigned d = distance(name, hg_strz(*names));
        if (d < best_d) {
            best_d = d;
            best = *names;
        }
    }
    return best;
}

bool hg_utf8_valid(const char *p, size_t n)
{
    if (n == 0) return true; /* p may be NULL */
    const unsigned char *s = (const unsigned char *)p, *end = s + n;
    while (s < end) {
        for (uint64_t eight; end - s >= 8; s += 8) { /* nearly all text is ASCII */
            memcpy(&eight, s, 8);
            if (eight & UINT64_C(0x8080808080808080)) break;
        }
        if (s == end) break;
        if (*s < 0x80) {
            s++;
            continue;
        }
        unsigned need = *s >= 0xF0 ? 3 : *s >= 0xE0 ? 2 : 1;
        if (*s < 0xC2 || *s > 0xF4 || (size_t)(end - s) <= need) return false;
        unsigned char lo = *s == 0xE0   ? 0xA0
                           : *s == 0xF0 ? 0x90
                                        : 0x80,
                      hi = *s == 0xED   ? 0x9F
                           : *s == 0xF4 ? 0x8F
                                        : 0xBF;
        if (s[1] < lo || s[1] > hi) return false;
        for (unsigned i = 2; i <= need; i++)
            if ((s[i] & 0xC0) != 0x80) return false;
        s += need + 1;
    }
    return true;
}

size_t hg_utf8_chars(const char *p, size_t n)
{
    size_t c = 0;
    for (size_t i = 0; i < n; i++) c += ((unsigned char)p[i] & 0xC0) != 0x80;
    return c;
}

void hg_utf8_mend(char *s)
{
    for (size_t n = strlen(s); !hg_utf8_valid(s, n); s++, n--) {
        size_t len = 1; /* of the character here, if it is one */
        while (len < 4 && len < n && !hg_utf8_valid(s, len)) len++;
        if (!hg_utf8_valid(s, len)) {
            *s = '?';
            continue;
        }
        s += len - 1;
        n -= len - 1;
    }
}
