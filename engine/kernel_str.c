/* kernel_str.c: functions of text and bytes. Positions and lengths count characters of valid UTF-8, for BINARY bytes.
 *
 * Results are written straight into the builder; a row costs no allocation of its own. */
#include "base/hg.h"
#include <locale.h>
#include <pthread.h>
#include <wctype.h>
#include "engine/eval_int.h"

/* One row of a kernel whose result is NULL where an argument is: appends the row to out. */
typedef int row_fn_t(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out);

/* Inlined into each kernel, so that the row's code stands in its loop. */
static inline __attribute__((always_inline)) int each_row(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out,
                                                          row_fn_t *row)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) rc = hg_call_valid(c, i) ? row(c, args, i, out) : hg_colb_null(out);
    return rc;
}

/* --- case --------------------------------------------------------------------------------------------------------- */

static locale_t utf8_locale;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void open_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* C.UTF-8: Unicode letters, no country's rules. (locale_t)0 where the system lacks it: then only ASCII letters have
 * case. */
locale_t hg_utf8_locale(void)
{
    pthread_once(&utf8_once, open_locale);
    return utf8_locale;
}

uint32_t hg_utf8_decode(const char *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;
    switch (n) {
    case 1:
        return b[0];
    case 2:
        return (uint32_t)(b[0] & 0x1f) << 6 | (b[1] & 0x3f);
    case 3:
        return (uint32_t)(b[0] & 0x0f) << 12 | (uint32_t)(b[1] & 0x3f) << 6 | (b[2] & 0x3f);
    default:
        return (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3f) << 12 | (uint32_t)(b[2] & 0x3f) << 6 |
               (b[3] & 0x3f);
    }
}

static size_t encode(uint32_t ch, char *p)
{
    if (ch < 0x80) {
        p[0] = (char)ch;
        return 1;
    }
    size_t n = ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, ch >>= 6) p[i] = (char)(0x80 | (ch & 0x3f));
    p[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | ch);
    return n;
}

uint32_t hg_char_lower(uint32_t ch, locale_t loc)
{
    if (ch < 0x80) return ch >= 'A' && ch <= 'Z' ? ch + 32 : ch;
    return loc ? (uint32_t)towlower_l((wint_t)ch, loc) : ch;
}

static uint32_t char_upper(uint32_t ch, locale_t loc)
{
    if (ch < 0x80) return ch >= 'a' && ch <= 'z' ? ch - 32 : ch;
    return loc ? (uint32_t)towupper_l((wint_t)ch, loc) : ch;
}

static bool is_word(uint32_t ch, locale_t loc)
{
    if (ch < 0x80) return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
    return loc && iswalnum_l((wint_t)ch, loc);
}

static size_t change_case(hg_case_t how, hg_str_t s, char *out, locale_t loc)
{
    size_t k = 0;
    bool inside = false;
    for (size_t i = 0; i < s.n;) {
        size_t n = hg_utf8_len(s.p[i]);
        uint32_t ch = hg_utf8_decode(s.p + i, n);
        bool up = how == HG_CASE_UPPER || (how == HG_CASE_INITCAP && !inside);
        inside = is_word(ch, loc);
        k += encode(up ? char_upper(ch, loc) : hg_char_lower(ch, loc), out + k);
        i += n;
    }
    return k;
}

static int case_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    locale_t loc = hg_utf8_locale();
    hg_case_t how = (hg_case_t)c->fn->aux;
    hg_str_t s = hg_vec_str(&args[0], i);
    int rc;
    char *p = hg_out_room(out, 2 * s.n, &rc); /* no letter's other case is more than half as long again */
    if (p) hg_out_close(out, change_case(how, s, p, loc));
    return rc;
}
int hg_k_case(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, case_row);
}

/* --- joining ------------------------------------------------------------------------------------------------------ */

static int concat_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    size_t total = 0, at = 0;
    for (uint32_t k = 0; k < c->n_args; k++) total += hg_vec_str(&args[k], i).n;
    int rc;
    char *p = hg_out_room(out, total, &rc);
    for (uint32_t k = 0; k < c->n_args && p; k++) {
        hg_str_t s = hg_vec_str(&args[k], i);
        if (s.n) memcpy(p + at, s.p, s.n);
        at += s.n;
    }
    if (p) hg_out_close(out, total);
    return rc;
}
int hg_k_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, concat_row);
}

int hg_k_concat_ws(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        if (hg_vec_null(&args[0], i)) {
            rc = hg_colb_null(out);
            continue;
        }
        hg_str_t sep = hg_vec_str(&args[0], i);
        size_t total = 0, at = 0;
        for (uint32_t k = 1; k < c->n_args; k++)
            if (!hg_vec_null(&args[k], i)) total += sep.n + hg_vec_str(&args[k], i).n;
        char *p = hg_out_room(out, total, &rc);
        bool first = true;
        for (uint32_t k = 1; k < c->n_args && p; k++) {
            if (hg_vec_null(&args[k], i)) continue;
            hg_str_t s = hg_vec_str(&args[k], i);
            if (!first && sep.n) memcpy(p + at, sep.p, sep.n);
            if (!first) at += sep.n;
            if (s.n) memcpy(p + at, s.p, s.n);
            at += s.n;
            first = false;
        }
        if (p) hg_out_close(out, at);
    }
    return rc;
}

static int repeat_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    (void)c;
    hg_str_t s = hg_vec_str(&args[0], i);
    int64_t n = HG_MAX(hg_vec_i64(&args[1], i), 0);
    if (s.n == 0) n = 0;
    if (n > INT32_MAX) return HG_ETOOBIG;
    int rc;
    char *p = hg_out_room(out, s.n * (size_t)n, &rc);
    for (int64_t k = 0; k < n && p; k++) memcpy(p + (size_t)k * s.n, s.p, s.n);
    if (p) hg_out_close(out, s.n * (size_t)n);
    return rc;
}
int hg_k_repeat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, repeat_row);
}

/* --- lengths, places, pieces -------------------------------------------------------------------------------------- */

static size_t count(bool bytes, hg_str_t s)
{
    return bytes ? s.n : hg_utf8_chars(s.p, s.n);
}
static size_t skip(bool bytes, hg_str_t s, int64_t n)
{
    if (!bytes) return hg_utf8_skip(s, n);
    return n <= 0 ? 0 : (uint64_t)n < s.n ? (size_t)n : s.n;
}
static hg_str_t behind(hg_str_t s, size_t at)
{
    return (hg_str_t){ s.p + at, s.n - at };
}

int hg_k_length(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) HG_COL(out, int32_t)[i] = (int32_t)count(c->fn->aux, hg_vec_str(&args[0], i));
    return 0;
}

/* Far outside any text: keeps sums of positions and lengths from overflowing. */
static int64_t clamp(int64_t v)
{
    return HG_MIN(HG_MAX(v, -(INT64_C(1) << 40)), INT64_C(1) << 40);
}

static hg_str_t piece(bool bytes, hg_sub_t how, hg_str_t s, int64_t start, int64_t length)
{
    if (how == HG_SUB_LEFT) {
        length = start;
        start = 1;
    } else if (how == HG_SUB_RIGHT) {
        int64_t n = (int64_t)count(bytes, s);
        if (start <= 0) return behind(s, s.n);
        length = start;
        start = HG_MAX(n - start, 0) + 1;
    } else if (how == HG_SUB_END && start < 0) {
        start += (int64_t)count(bytes, s) + 1;
    }
    int64_t end = start + length; /* the first position behind the piece */
    start = HG_MAX(start, 1);
    if (end <= start) return behind(s, s.n);
    hg_str_t rest = behind(s, skip(bytes, s, start - 1));
    return (hg_str_t){ rest.p, skip(bytes, rest, end - start) };
}

static int substring_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    bool bytes = hg_kind_is_bytes(c->types[0]->kind);
    int64_t length = c->n_args > 2 ? hg_vec_i64(&args[2], i) : INT64_MAX;
    hg_str_t s =
        piece(bytes, (hg_sub_t)c->fn->aux, hg_vec_str(&args[0], i), clamp(hg_vec_i64(&args[1], i)), clamp(length));
    return hg_colb_var(out, s.p, s.n);
}
int hg_k_substring(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, substring_row);
}

/* Is the character at s.p (n bytes) one of set's? */
static bool in_set(const char *p, size_t n, hg_str_t set)
{
    for (size_t i = 0; i < set.n; i += hg_utf8_len(set.p[i]))
        if (hg_utf8_len(set.p[i]) == n && memcmp(set.p + i, p, n) == 0) return true;
    return false;
}

static int trim_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    hg_str_t s = hg_vec_str(&args[0], i), set = c->n_args > 1 ? hg_vec_str(&args[1], i) : HG_S(" ");
    while (c->fn->aux & HG_TRIM_LEFT && s.n && in_set(s.p, hg_utf8_len(s.p[0]), set))
        s = behind(s, hg_utf8_len(s.p[0]));
    while (c->fn->aux & HG_TRIM_RIGHT && s.n) {
        size_t last = s.n - 1;
        while (last > 0 && ((unsigned char)s.p[last] & 0xc0) == 0x80) last--;
        if (!in_set(s.p + last, s.n - last, set)) break;
        s.n = last;
    }
    return hg_colb_var(out, s.p, s.n);
}
int hg_k_trim(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, trim_row);
}

static const char *find(hg_str_t hay, hg_str_t needle)
{
    return needle.n ? memmem(hay.p, hay.n, needle.p, needle.n) : hay.p;
}

int hg_k_position(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    bool bytes = c->fn->aux;
    for (uint32_t i = 0; i < c->n; i++) {
        hg_str_t s = hg_vec_str(&args[1], i);
        const char *at = find(s, hg_vec_str(&args[0], i));
        HG_COL(out, int32_t)[i] = at ? (int32_t)count(bytes, (hg_str_t){ s.p, (size_t)(at - s.p) }) + 1 : 0;
    }
    return 0;
}

/* --- rewriting ---------------------------------------------------------------------------------------------------- */

static size_t occurrences(hg_str_t s, hg_str_t from)
{
    size_t n = 0;
    const char *at;
    for (; from.n && (at = find(s, from)) != NULL; n++) s = behind(s, (size_t)(at - s.p) + from.n);
    return n;
}

static int replace_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    (void)c;
    hg_str_t s = hg_vec_str(&args[0], i), from = hg_vec_str(&args[1], i), to = hg_vec_str(&args[2], i);
    size_t n = occurrences(s, from), total = s.n - n * from.n + n * to.n;
    int rc;
    char *p = hg_out_room(out, total, &rc);
    if (!p) return rc;
    for (; n > 0; n--) {
        size_t before = (size_t)(find(s, from) - s.p);
        if (before) memcpy(p, s.p, before);
        if (to.n) memcpy(p + before, to.p, to.n);
        p += before + to.n;
        s = behind(s, before + from.n);
    }
    if (s.n) memcpy(p, s.p, s.n);
    hg_out_close(out, total);
    return 0;
}
int hg_k_replace(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, replace_row);
}

static int reverse_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    (void)c;
    hg_str_t s = hg_vec_str(&args[0], i);
    int rc;
    char *p = hg_out_room(out, s.n, &rc);
    if (!p) return rc;
    for (size_t at = 0, end = s.n; at < s.n;) {
        size_t n = hg_utf8_len(s.p[at]);
        end -= n;
        memcpy(p + end, s.p + at, n);
        at += n;
    }
    hg_out_close(out, s.n);
    return 0;
}
int hg_k_reverse(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, reverse_row);
}

static int overlay_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    hg_str_t s = hg_vec_str(&args[0], i), t = hg_vec_str(&args[1], i);
    int64_t start = clamp(hg_vec_i64(&args[2], i)), length = (int64_t)hg_utf8_chars(t.p, t.n);
    if (c->n_args > 3) length = clamp(hg_vec_i64(&args[3], i));
    size_t head = hg_utf8_skip(s, start - 1), tail = hg_utf8_skip(s, start - 1 + length);
    int rc;
    char *p = hg_out_room(out, head + t.n + (s.n - tail), &rc);
    if (!p) return rc;
    if (head) memcpy(p, s.p, head);
    if (t.n) memcpy(p + head, t.p, t.n);
    if (s.n > tail) memcpy(p + head + t.n, s.p + tail, s.n - tail);
    hg_out_close(out, head + t.n + (s.n - tail));
    return 0;
}
int hg_k_overlay(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, overlay_row);
}

static hg_str_t part(hg_str_t s, hg_str_t sep, int64_t n)
{
    int64_t parts = (int64_t)occurrences(s, sep) + 1;
    if (n < 0) n += parts + 1;
    if (n < 1 || n > parts) return behind(s, s.n);
    for (; n > 1; n--) s = behind(s, (size_t)(find(s, sep) - s.p) + sep.n);
    const char *end = sep.n ? find(s, sep) : NULL;
    return (hg_str_t){ s.p, end ? (size_t)(end - s.p) : s.n };
}

static int split_part_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    (void)c;
    hg_str_t s = part(hg_vec_str(&args[0], i), hg_vec_str(&args[1], i), clamp(hg_vec_i64(&args[2], i)));
    return hg_colb_var(out, s.p, s.n);
}
int hg_k_split_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, split_part_row);
}

int hg_k_ascii(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        hg_str_t s = hg_vec_str(&args[0], i);
        HG_COL(out, int32_t)[i] = s.n ? (int32_t)hg_utf8_decode(s.p, hg_utf8_len(s.p[0])) : 0;
    }
    return 0;
}

/* No such character (negative, surrogate, beyond U+10FFFF): ''. */
static int chr_row(hg_call_t *c, const hg_vec_t *args, uint32_t i, hg_colb_t *out)
{
    (void)c;
    char ch[4];
    int64_t v = hg_vec_i64(&args[0], i);
    bool there = v >= 0 && v <= 0x10ffff && !(v >= 0xd800 && v < 0xe000);
    return hg_colb_var(out, ch, there ? encode((uint32_t)v, ch) : 0);
}
int hg_k_chr(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out)
{
    return each_row(c, args, out, chr_row);
}
