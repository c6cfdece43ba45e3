/* url_secret.c: see url_secret.h. The text need not be a URL: it may be a program, a log, or a sentence around one. */
#include "base/hg.h"
#include "base/opts.h"
#include "base/url_secret.h"

static bool one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool secret_parameter(hg_str_t name)
{
    static const char *const names[] = { "sig", "signature", "x-amz-signature", "key", "auth" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_ieq(name, hg_strz(names[i]))) return true;
    return hg_secret_name(name);
}

/* Is the user's part over at s[i]? A blank ends it, unless it stands in quotes: such a URL is malformed, and its
 * password is one all the same. quote: what stands before the URL; an apostrophe within a password is no end. */
static bool ends_at(hg_str_t s, size_t i, char quote)
{
    char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : 0;
    if (c == '\'' && one_of(quote, "'\"")) return quote == '\'' && next != '@' && !letter_or_digit(next);
    if (c == ' ') return !one_of(quote, "'\"");
    return !c || one_of(c, "/?#\t\r\n\"'\\<>");
}

/* colon: that of "://". */
static hg_str_t user_at(hg_str_t s, size_t colon)
{
    hg_str_t none = { NULL, 0 };
    size_t begin = colon, from = colon + 3, end = from, password = 0, at = 0;
    while (begin && (letter_or_digit(s.p[begin - 1]) || one_of(s.p[begin - 1], "+-."))) begin--;
    hg_str_t scheme = { s.p + begin, colon - begin };
    bool web = hg_str_ieq(scheme, HG_S("http")) || hg_str_ieq(scheme, HG_S("https"));
    for (; end < s.n && !ends_at(s, end, begin ? s.p[begin - 1] : 0); end++) {
        if (s.p[end] == ':' && !password) password = end + 1;
        if (s.p[end] == '@') at = end;
    }
    if (password && password < at) from = password;
    if (at <= from || (from != password && !web)) return none;
    return (hg_str_t){ s.p + from, at - from };
}

static hg_str_t parameter_at(hg_str_t s, size_t i)
{
    hg_str_t none = { NULL, 0 };
    size_t eq = i + 1;
    while (eq < s.n && (letter_or_digit(s.p[eq]) || one_of(s.p[eq], "_-.%"))) eq++;
    if (eq >= s.n || s.p[eq] != '=' || !secret_parameter((hg_str_t){ s.p + i + 1, eq - i - 1 })) return none;
    size_t end = eq + 1;
    while (end < s.n && s.p[end] && !one_of(s.p[end], "&# \t\r\n\"'\\<>")) end++;
    return (hg_str_t){ s.p + eq + 1, end - eq - 1 };
}

hg_str_t hg_url_secret(hg_str_t text, size_t i)
{
    if (text.n - i > 3 && !memcmp(text.p + i, "://", 3)) return user_at(text, i);
    if (i < text.n && (text.p[i] == '?' || text.p[i] == '&')) return parameter_at(text, i);
    return (hg_str_t){ NULL, 0 };
}

void hg_url_hide(hg_str_t text, hg_buf_t *out)
{
    size_t copied = 0;
    for (size_t i = 0; i < text.n; i++) {
        hg_str_t secret = hg_url_secret(text, i);
        if (!secret.n) continue;
        size_t from = (size_t)(secret.p - text.p);
        hg_buf_add(out, text.p + copied, from - copied);
        hg_buf_adds(out, HG_HIDDEN);
        copied = from + secret.n;
        i = copied - 1;
    }
    hg_buf_add(out, text.p + copied, text.n - copied);
}

hg_err_t hg_url_hide_err(const hg_err_t *err)
{
    hg_err_t told = *err;
    hg_buf_t b;
    if (!strstr(err->msg, "://")) return told;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_url_hide(hg_strz(err->msg), &b);
    snprintf(told.msg, sizeof told.msg, "%.*s", (int)b.len, b.len ? b.p : "");
    hg_buf_release(&b);
    hg_utf8_mend(told.msg);
    return told;
}
