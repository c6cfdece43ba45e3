/* secret_value.c: see secret_value.h. */
#include "base/hg.h"
#include "base/secret_value.h"

#define WHOLE 12 /* a shorter value of word bytes counts as a word */

bool hg_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool hg_secret_tells(hg_str_t value)
{
    return value.n >= HG_SECRET_SHORTEST && !hg_str_eqz(value, "true") && !hg_str_eqz(value, "false") &&
           !hg_str_eqz(value, "null");
}

hg_secret_value_t hg_secret_value(hg_str_t value)
{
    hg_secret_value_t v = { .text = value, .word = value.n < WHOLE };
    for (size_t i = 0; i < value.n; i++) v.word &= hg_word_byte(value.p[i]);
    return v;
}

bool hg_secret_at(const hg_secret_value_t *v, hg_str_t text, size_t i)
{
    size_t n = v->text.n, end = i + n;
    if (n > text.n - i || memcmp(text.p + i, v->text.p, n) != 0) return false;
    return !v->word || ((i == 0 || !hg_word_byte(text.p[i - 1])) && (end == text.n || !hg_word_byte(text.p[end])));
}
