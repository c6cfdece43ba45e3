/* hex.h: bytes written as the protocol's description writes them: hex digits, blanks, and "00*N" for N zeroes. */
#ifndef HG_TEST_IGGY_HEX_H
#define HG_TEST_IGGY_HEX_H

#include "base/buf.h"

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline void hex_add(hg_buf_t *out, const char *s)
{
    while (*s) {
        if (hex_digit(*s) < 0) {
            s++;
            continue;
        }
        HG_ASSERT(hex_digit(s[1]) >= 0);
        char byte = (char)(hex_digit(s[0]) * 16 + hex_digit(s[1]));
        unsigned long n = 1;
        s += 2;
        if (*s == '*') {
            char *end;
            n = strtoul(s + 1, &end, 10);
            s = end;
        }
        while (n--) hg_buf_addc(out, byte);
    }
}

#endif
