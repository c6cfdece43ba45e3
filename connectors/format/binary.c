/* binary.c: binary values in letters: hexadecimal and base58 (the Bitcoin alphabet). */
#include "base/hg.h"
#include "connectors/format/value_int.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int hg_hex_read(hg_buf_t *out, hg_str_t text)
{
    if (text.n % 2) return HG_EPARSE;
    int rc = hg_buf_reserve(out, text.n / 2);
    for (size_t i = 0; i < text.n && rc == 0; i += 2) {
        int hi = hex_digit(text.p[i]), lo = hex_digit(text.p[i + 1]);
        if (hi < 0 || lo < 0) return HG_EPARSE;
        rc = hg_buf_addc(out, (char)(hi << 4 | lo));
    }
    return rc;
}

int hg_hex_print(hg_buf_t *out, hg_str_t bytes)
{
    static const char letters[] = "0123456789abcdef";
    int rc = hg_buf_reserve(out, bytes.n * 2);
    if (rc < 0) return rc;
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char b = (unsigned char)bytes.p[i];
        out->p[out->len++] = letters[b >> 4];
        out->p[out->len++] = letters[b & 15];
    }
    out->p[out->len] = 0;
    return 0;
}

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* number = number × mul + add, over n digits of the given base, least significant first; grows by at most one. */
static size_t times_plus(unsigned char *d, size_t n, unsigned base, unsigned mul, unsigned add)
{
    unsigned carry = add;
    for (size_t i = 0; i < n; i++) {
        carry += d[i] * mul;
        d[i] = (unsigned char)(carry % base);
        carry /= base;
    }
    for (; carry; carry /= base) d[n++] = (unsigned char)(carry % base);
    return n;
}

int hg_base58_read(hg_buf_t *out, hg_str_t text)
{
    unsigned char d[HG_BASE58_MAX + 8];
    size_t n = 0, zeros = 0;
    if (text.n > HG_BASE58_MAX) return HG_ERANGE;
    while (zeros < text.n && text.p[zeros] == '1') zeros++;
    for (size_t i = zeros; i < text.n; i++) {
        const char *a = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
        if (!a) return HG_EPARSE;
        n = times_plus(d, n, 256, 58, (unsigned)(a - alphabet));
    }
    int rc = 0;
    for (size_t i = 0; i < zeros && rc == 0; i++) rc = hg_buf_addc(out, 0);
    while (n > 0 && rc == 0) rc = hg_buf_addc(out, (char)d[--n]);
    return rc;
}

int hg_base58_print(hg_buf_t *out, hg_str_t bytes)
{
    unsigned char d[HG_BASE58_MAX * 2];
    size_t n = 0, zeros = 0;
    if (bytes.n > HG_BASE58_MAX) return HG_ERANGE;
    while (zeros < bytes.n && bytes.p[zeros] == 0) zeros++;
    for (size_t i = zeros; i < bytes.n; i++) n = times_plus(d, n, 58, 256, (unsigned char)bytes.p[i]);
    int rc = 0;
    for (size_t i = 0; i < zeros && rc == 0; i++) rc = hg_buf_addc(out, alphabet[0]);
    while (n > 0 && rc == 0) rc = hg_buf_addc(out, alphabet[d[--n]]);
    return rc;
}
