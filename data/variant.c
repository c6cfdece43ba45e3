/* variant.c: see variant.h.
 *
 * Canonical text is made in one walk over compact text: a container is copied while its members are noted, and only an
 * object whose names do not rise is put in order, once, when it closes. Members of the objects that are open lie on one
 * stack. Recursion is as deep as the text, which the scanner limits (HG_JSON_DEPTH), or the type. */
#include "base/hg.h"
#include <math.h>
#include "base/mem.h"
#include "data/text.h"
#include "data/value.h"
#include "data/variant.h"

typedef struct {
    size_t at, name, end; /* in the output: the quoted name begins, ends, the value ends */
} member_t;

struct hg_variant {
    hg_jscan_t scan; /* reads and decodes; none of its own variants */
    hg_buf_t flat;   /* compact, not yet canonical */
    hg_buf_t part;   /* members being put in order */
    hg_buf_t name;   /* a quoted name */
    member_t *member;
    uint32_t n, cap;
};

hg_variant_t *hg_variant_new(void)
{
    hg_variant_t *v = HG_NEW(hg_variant_t);
    hg_jscan_init(&v->scan);
    hg_buf_init(&v->flat, HG_BUF_NOMAX);
    hg_buf_init(&v->part, HG_BUF_NOMAX);
    hg_buf_init(&v->name, HG_BUF_NOMAX);
    return v;
}

void hg_variant_free(hg_variant_t *v)
{
    if (!v) return;
    hg_jscan_release(&v->scan);
    hg_buf_release(&v->flat);
    hg_buf_release(&v->part);
    hg_buf_release(&v->name);
    hg_free(v->member);
    hg_free(v);
}

/* --- walking compact text: it is JSON, and if a file was damaged, nothing outside of it is touched
 * -------------------------------------------------------------- */

/* p at the opening quote. */
static const char *string_end(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
    return p < end ? p + 1 : end;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ':';
}

/* Behind the value at p. */
static const char *value_end(const char *p, const char *end)
{
    size_t depth = 0;
    do {
        if (*p == '"') {
            p = string_end(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (*p == ',' || *p == ':') {
            p++;
        } else {
            while (p < end && !ends_scalar(*p)) p++;
        }
    } while (depth && p < end);
    return p;
}

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

typedef struct {
    const char *whole, *part; /* digits before and behind the point */
    size_t n_whole, n_part;
    int64_t exponent;
} number_t;

static char digit(const number_t *x, size_t i)
{
    return i < x->n_whole ? x->whole[i] : x->part[i - x->n_whole];
}

static size_t digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && *q >= '0' && *q <= '9') q++;
    return (size_t)(q - p);
}

/* False: an exponent that no text should be asked to have. */
static bool take_apart(const char *p, const char *end, number_t *x)
{
    *x = (number_t){ .whole = p, .n_whole = digits(p, end) };
    p += x->n_whole;
    if (p < end && *p == '.') {
        x->part = ++p;
        x->n_part = digits(p, end);
        p += x->n_part;
    }
    if (p == end) return true;
    p++; /* e */
    bool neg = *p == '-';
    if (*p == '-' || *p == '+') p++;
    while (p < end && *p == '0') p++;
    if (end - p > 9) return false;
    for (; p < end; p++) x->exponent = x->exponent * 10 + (*p - '0');
    if (neg) x->exponent = -x->exponent;
    return true;
}

static int put_digits(hg_buf_t *out, const number_t *x, size_t from, size_t to)
{
    int rc = 0;
    for (size_t i = from; i < to && rc == 0; i++) rc = hg_buf_addc(out, digit(x, i));
    return rc;
}

static int put_zeros(hg_buf_t *out, int64_t n)
{
    int rc = 0;
    for (; n > 0 && rc == 0; n--) rc = hg_buf_addc(out, '0');
    return rc;
}

/* The digits first..last stand for 0.ddd × 10^e. */
static int put_plain(hg_buf_t *out, const number_t *x, size_t first, size_t last, int64_t e)
{
    size_t n = last - first;
    int rc;
    if (e <= 0) {
        rc = hg_buf_add(out, "0.", 2);
        if (rc == 0) rc = put_zeros(out, -e);
        return rc == 0 ? put_digits(out, x, first, last) : rc;
    }
    if ((int64_t)n <= e) {
        rc = put_digits(out, x, first, last);
        return rc == 0 ? put_zeros(out, e - (int64_t)n) : rc;
    }
    rc = put_digits(out, x, first, first + (size_t)e);
    if (rc == 0) rc = hg_buf_addc(out, '.');
    return rc == 0 ? put_digits(out, x, first + (size_t)e, last) : rc;
}

static int put_number(hg_buf_t *out, const char *p, const char *end)
{
    bool neg = *p == '-';
    number_t x;
    size_t whole = digits(p + neg, end);
    if (whole <= 38 && p + neg + whole == end && p[neg] != '0') return hg_buf_add(out, p, (size_t)(end - p));
    if (!take_apart(p + neg, end, &x)) return hg_buf_add(out, p, (size_t)(end - p));
    size_t first = 0, last = x.n_whole + x.n_part;
    while (first < last && digit(&x, first) == '0') first++;
    while (last > first && digit(&x, last - 1) == '0') last--;
    if (first == last) return hg_buf_addc(out, '0');
    int64_t e = (int64_t)x.n_whole - (int64_t)first + x.exponent;
    int rc = neg ? hg_buf_addc(out, '-') : 0;
    if (rc < 0) return rc;
    if (e > -6 && e <= 38) return put_plain(out, &x, first, last, e);
    rc = put_digits(out, &x, first, first + 1);
    if (rc == 0 && last > first + 1) rc = hg_buf_addc(out, '.');
    if (rc == 0) rc = put_digits(out, &x, first + 1, last);
    if (rc == 0) rc = hg_buf_addc(out, 'e');
    return rc == 0 ? hg_buf_addi64(out, e - 1) : rc;
}

/* --- the canonical form --------------------------------------------------------------------------------------------
 */

static int name_order(const char *text, const member_t *x, const member_t *y)
{
    return hg_str_cmp((hg_str_t){ text + x->at, x->name - x->at }, (hg_str_t){ text + y->at, y->name - y->at });
}

static int by_name(const void *a, const void *b, void *text)
{
    const member_t *x = a, *y = b;
    int c = name_order(text, x, y);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* The members m[0..n) that stand in out from `from` on: sorted, of equal names only the last. */
static int put_in_order(hg_variant_t *v, member_t *m, uint32_t n, size_t from, hg_buf_t *out)
{
    qsort_r(m, n, sizeof *m, by_name, out->p);
    hg_buf_clear(&v->part);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (i + 1 < n && name_order(out->p, &m[i], &m[i + 1]) == 0) continue;
        if (v->part.len) rc = hg_buf_addc(&v->part, ',');
        if (rc == 0) rc = hg_buf_add(&v->part, out->p + m[i].at, m[i].end - m[i].at);
    }
    if (rc < 0) return rc;
    memcpy(out->p + from, v->part.p, v->part.len); /* it only became shorter */
    out->len = from + v->part.len;
    return 0;
}

static int note(hg_variant_t *v, member_t m)
{
    if (v->n == v->cap) {
        uint32_t cap = v->cap ? v->cap * 2 : 16;
        member_t *more = hg_trynew(sizeof *more * cap);
        if (!more) return HG_ENOMEM;
        if (v->n) memcpy(more, v->member, sizeof *more * v->n);
        hg_free(v->member);
        v->member = more;
        v->cap = cap;
    }
    v->member[v->n++] = m;
    return 0;
}

static int canon(hg_variant_t *v, const char **p, const char *end, hg_buf_t *out);

static int canon_object(hg_variant_t *v, const char **p, const char *end, hg_buf_t *out)
{
    uint32_t base = v->n;
    bool rising = true;
    int rc = hg_buf_addc(out, '{');
    size_t from = out->len;
    (*p)++;
    while (rc == 0 && **p != '}') {
        if (**p == ',') {
            (*p)++;
            rc = hg_buf_addc(out, ',');
        }
        const char *q = string_end(*p, end);
        member_t m = { .at = out->len, .name = out->len + (size_t)(q - *p) };
        if (rc == 0) rc = hg_buf_add(out, *p, (size_t)(q - *p) + 1); /* and the colon */
        *p = q + 1;
        if (rc == 0) rc = canon(v, p, end, out);
        m.end = out->len;
        if (rc == 0 && v->n > base) rising = rising && name_order(out->p, &v->member[v->n - 1], &m) < 0;
        if (rc == 0) rc = note(v, m);
    }
    (*p)++;
    if (rc == 0 && !rising) rc = put_in_order(v, v->member + base, v->n - base, from, out);
    v->n = base;
    return rc == 0 ? hg_buf_addc(out, '}') : rc;
}

static int canon_array(hg_variant_t *v, const char **p, const char *end, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '[');
    (*p)++;
    while (rc == 0 && **p != ']') {
        if (**p == ',') {
            (*p)++;
            rc = hg_buf_addc(out, ',');
        }
        if (rc == 0) rc = canon(v, p, end, out);
    }
    (*p)++;
    return rc == 0 ? hg_buf_addc(out, ']') : rc;
}

static int canon(hg_variant_t *v, const char **p, const char *end, hg_buf_t *out)
{
    const char *from = *p;
    if (*from == '{') return canon_object(v, p, end, out);
    if (*from == '[') return canon_array(v, p, end, out);
    *p = value_end(from, end);
    if (*from == '-' || (*from >= '0' && *from <= '9')) return put_number(out, from, *p);
    return hg_buf_add(out, from, (size_t)(*p - from));
}

/* Compact text in v->flat. */
static int canon_flat(hg_variant_t *v, hg_buf_t *out)
{
    const char *p = v->flat.p;
    v->n = 0;
    return canon(v, &p, v->flat.p + v->flat.len, out);
}

const char *hg_js_variant(hg_jscan_t *s, const char *p, hg_buf_t *out)
{
    if (!s->variant) s->variant = hg_variant_new();
    hg_buf_clear(&s->variant->flat);
    p = hg_js_compact(s, p, &s->variant->flat);
    if (!p) return NULL;
    int rc = canon_flat(s->variant, out);
    return rc < 0 ? hg_js_memory(s, rc) : p;
}

int hg_variant_parse(hg_variant_t *v, hg_str_t json, hg_buf_t *out)
{
    hg_jscan_t *s = &v->scan;
    s->end = json.p + json.n;
    s->e = HG_JE_NONE;
    hg_buf_clear(&v->flat);
    if (json.n == 0) return HG_EPARSE;
    const char *p = hg_js_compact(s, hg_js_ws(s, json.p), &v->flat);
    if (p) p = hg_js_ws(s, p);
    if (p != s->end) return s->e == HG_JE_FATAL ? s->rc : HG_EPARSE;
    return canon_flat(v, out);
}

/* --- from cells ----------------------------------------------------------------------------------------------------
 */

static int print(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out);

static int print_quoted(const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '"'); /* digits, dates and the like: nothing to escape */
    if (rc == 0) rc = hg_value_print(out, c, i);
    return rc == 0 ? hg_buf_addc(out, '"') : rc;
}

static int print_float(const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    char text[HG_F64_TEXT];
    bool real = c->type->kind == HG_T_REAL;
    double x = real ? (double)HG_COL(c, float)[i] : HG_COL(c, double)[i];
    if (!isfinite(x)) return hg_buf_add(out, "null", 4);
    size_t n = real ? hg_f32_print(text, (float)x) : hg_f64_print(text, x);
    return put_number(out, text, text + n);
}

/* 0.0000000900 and 9e-8 are one number, and one text. */
static int print_decimal(const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    char text[64]; /* 38 digits, a sign, a point and a zero before it */
    size_t from = out->len;
    int rc = hg_value_print(out, c, i);
    if (rc < 0) return rc;
    size_t n = out->len - from;
    HG_ASSERT(n <= sizeof text);
    memcpy(text, out->p + from, n);
    out->len = from;
    return put_number(out, text, text + n);
}

static int print_bytes(hg_str_t s, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '[');
    for (size_t i = 0; i < s.n && rc == 0; i++) {
        if (i) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_buf_addu64(out, (unsigned char)s.p[i]);
    }
    return rc == 0 ? hg_buf_addc(out, ']') : rc;
}

/* A key that is no text is spelled as one: members have names. */
static int print_key(hg_variant_t *v, const hg_col_t *keys, uint32_t i, hg_buf_t *out)
{
    if (hg_kind_is_string(keys->type->kind)) return hg_json_quote(out, hg_col_var(keys, i));
    if (keys->type->kind == HG_T_VARIANT && *hg_col_var(keys, i).p == '"')
        return hg_buf_addstr(out, hg_col_var(keys, i));
    size_t from = out->len;
    int rc = print(v, keys, i, out);
    if (rc < 0 || out->p[from] == '"') return rc;
    hg_buf_clear(&v->name);
    rc = hg_buf_add(&v->name, out->p + from, out->len - from);
    out->len = from;
    return rc == 0 ? hg_json_quote(out, hg_buf_str(&v->name)) : rc;
}

static int print_list(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    bool map = c->n_child == 2;
    int rc = hg_buf_addc(out, map ? '{' : '[');
    for (int32_t k = c->offs[i]; k < c->offs[i + 1] && rc == 0; k++) {
        if (k > c->offs[i]) rc = hg_buf_addc(out, ',');
        if (rc == 0 && map) rc = print_key(v, c->child[0], (uint32_t)k, out);
        if (rc == 0 && map) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = print(v, c->child[map], (uint32_t)k, out);
    }
    return rc == 0 ? hg_buf_addc(out, map ? '}' : ']') : rc;
}

static int print_row(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    int rc = hg_buf_addc(out, '{');
    for (uint32_t k = 0; k < c->n_child && rc == 0; k++) {
        if (k) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_json_quote(out, c->type->fields[k].name);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = print(v, c->child[k], i, out);
    }
    return rc == 0 ? hg_buf_addc(out, '}') : rc;
}

/* Compact, but members in the order of the type. */
static int print(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    if (hg_col_null(c, i)) return hg_buf_add(out, "null", 4);
    switch ((int)c->type->kind) {
    case HG_T_NULL:
        return hg_buf_add(out, "null", 4);
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return hg_json_quote(out, hg_col_var(c, i));
    case HG_T_REAL:
    case HG_T_DOUBLE:
        return print_float(c, i, out);
    case HG_T_DECIMAL:
        return print_decimal(c, i, out);
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return print_bytes(hg_col_var(c, i), out);
    case HG_T_DATE:
    case HG_T_TIME:
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
    case HG_T_UUID:
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        return print_quoted(c, i, out);
    case HG_T_VARIANT:
        return hg_buf_addstr(out, hg_col_var(c, i));
    case HG_T_ARRAY:
    case HG_T_MAP:
        return print_list(v, c, i, out);
    case HG_T_ROW:
        return print_row(v, c, i, out);
    default:
        return hg_value_print(out, c, i);
    }
}

int hg_variant_print(hg_variant_t *v, const hg_col_t *c, uint32_t i, hg_buf_t *out)
{
    if (!c->n_child) return print(v, c, i, out);
    hg_buf_clear(&v->flat);
    int rc = print(v, c, i, &v->flat);
    return rc == 0 ? canon_flat(v, out) : rc;
}

/* --- into cells ----------------------------------------------------------------------------------------------------
 */

static int read_number(hg_str_t text, hg_colb_t *b)
{
    hg_i128 x;
    hg_err_t err;
    int rc;
    hg_kind_t k = b->type->kind;
    if (hg_kind_is_integer(k)) {
        if (hg_dec_parse(text, 38, 0, false, &x) < 0) return hg_colb_null(b);
        bool neg = x < 0;
        hg_u128 m = neg ? -(hg_u128)x : (hg_u128)x;
        if (m > UINT64_MAX || !hg_value_put_int(b, neg, (uint64_t)m, &rc)) return hg_colb_null(b);
        return rc;
    }
    if (!hg_kind_is_numeric(k)) return hg_colb_null(b);
    rc = hg_value_read(b, text, &err);
    return rc == HG_EPARSE || rc == HG_ERANGE ? hg_colb_null(b) : rc;
}

static int put_text(hg_str_t s, hg_colb_t *b)
{
    size_t n = 0;
    int32_t room = b->type->precision;
    if (room < 0) return hg_colb_var(b, s.p, s.n);
    for (; n < s.n; n++)
        if (((unsigned char)s.p[n] & 0xc0) != 0x80 && room-- == 0) break;
    if (b->type->kind != HG_T_CHAR || room <= 0) return hg_colb_var(b, s.p, n);
    int rc = hg_colb_reserve(b, 1, (uint32_t)n + (uint32_t)room);
    if (rc < 0) return rc;
    if (n) memcpy(b->bytes + b->n_bytes, s.p, n);
    memset(b->bytes + b->n_bytes + n, ' ', (size_t)room);
    return hg_colb_var_written(b, (uint32_t)n + (uint32_t)room);
}

/* decoded: what the string says. key: a member's name, which spells numbers too. */
static int read_text(hg_str_t decoded, bool key, hg_colb_t *b)
{
    hg_err_t err;
    hg_kind_t k = b->type->kind;
    if (hg_kind_is_string(k)) return put_text(decoded, b);
    bool plain = k == HG_T_DATE || k == HG_T_TIME || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ || k == HG_T_UUID;
    if (!plain && !key) return hg_colb_null(b);
    int rc = hg_value_read(b, decoded, &err);
    return rc == HG_ENOMEM || rc == HG_ETOOBIG ? rc : rc < 0 ? hg_colb_null(b) : 0;
}

static int read_string(hg_variant_t *v, hg_str_t quoted, bool key, hg_colb_t *b)
{
    hg_str_t s;
    v->scan.end = quoted.p + quoted.n;
    v->scan.e = HG_JE_NONE;
    if (!hg_js_string(&v->scan, quoted.p + 1, &v->scan.tmp, &s)) return v->scan.rc < 0 ? v->scan.rc : HG_EPARSE;
    return read_text(s, key, b);
}

static int read_bytes(hg_str_t x, hg_colb_t *b)
{
    hg_str_t e;
    uint64_t byte;
    uint32_t n = 0;
    const char *p = x.p + 1, *end = x.p + HG_MAX(x.n, (size_t)2) - 1;
    while (p < end) { /* counted and checked first: the builder is not touched for what is no array of bytes */
        e = (hg_str_t){ p, (size_t)(value_end(p, end) - p) };
        if (hg_str_u64(e, &byte) < 0 || byte > 255) return hg_colb_null(b);
        n++;
        p = e.p + e.n + 1;
    }
    if (b->type->precision >= 0) n = HG_MIN(n, (uint32_t)b->type->precision);
    uint32_t pad = b->type->kind == HG_T_BINARY ? (uint32_t)b->type->precision - n : 0;
    int rc = hg_colb_reserve(b, 1, n + pad + 1);
    if (rc < 0) return rc;
    char *o = b->bytes + b->n_bytes;
    p = x.p + 1;
    for (uint32_t i = 0; i < n; i++) {
        e = (hg_str_t){ p, (size_t)(value_end(p, end) - p) };
        (void)hg_str_u64(e, &byte);
        o[i] = (char)byte;
        p = e.p + e.n + 1;
    }
    memset(o + n, 0, pad);
    return hg_colb_var_written(b, n + pad);
}

static int read_array(hg_variant_t *v, hg_str_t x, hg_colb_t *b)
{
    const char *p = x.p + 1, *end = x.p + HG_MAX(x.n, (size_t)2) - 1;
    int rc = 0;
    while (p < end && rc == 0) {
        const char *q = value_end(p, end);
        rc = hg_variant_read(v, (hg_str_t){ p, (size_t)(q - p) }, &b->child[0]);
        p = q + 1;
    }
    return rc == 0 ? hg_colb_close_list(b) : rc;
}

/* A name that is no key of the type makes the whole no such map. */
static int read_map(hg_variant_t *v, hg_str_t x, hg_colb_t *b)
{
    const char *p = x.p + 1, *end = x.p + HG_MAX(x.n, (size_t)2) - 1;
    int rc = 0;
    while (p < end && rc == 0) {
        const char *q = string_end(p, end);
        uint32_t nulls = b->child[0].nulls;
        if (b->child[0].type->kind == HG_T_VARIANT)
            rc = hg_colb_var(&b->child[0], p, (size_t)(q - p));
        else
            rc = read_string(v, (hg_str_t){ p, (size_t)(q - p) }, true, &b->child[0]);
        if (rc == 0 && b->child[0].nulls > nulls) return hg_colb_null(b);
        p = HG_MIN(q + 1, end);
        q = value_end(p, end);
        if (rc == 0) rc = hg_variant_read(v, (hg_str_t){ p, (size_t)(q - p) }, &b->child[1]);
        p = q + 1;
    }
    return rc == 0 ? hg_colb_close_map(b) : rc;
}

static int read_row(hg_variant_t *v, hg_str_t x, hg_colb_t *b)
{
    for (uint32_t k = 0; k < b->n_child; k++) {
        hg_colb_t *child = &b->child[k];
        hg_str_t m;
        hg_buf_clear(&v->name);
        int rc = hg_json_quote(&v->name, b->type->fields[k].name);
        uint32_t nulls = child->nulls;
        if (rc == 0)
            rc = hg_variant_member(x, hg_buf_str(&v->name), &m) ? hg_variant_read(v, m, child) : hg_colb_null(child);
        if (rc < 0) return rc;
        if (child->nulls > nulls && !child->type->nullable) return hg_colb_null(b);
    }
    return hg_colb_close_struct(b);
}

static int read_value(hg_variant_t *v, hg_str_t x, hg_colb_t *b)
{
    hg_kind_t k = b->type->kind;
    if (k == HG_T_VARIANT) return hg_colb_var(b, x.p, x.n);
    switch (*x.p) {
    case '"':
        return read_string(v, x, false, b);
    case '[':
        if (hg_kind_is_bytes(k)) return read_bytes(x, b);
        return k == HG_T_ARRAY ? read_array(v, x, b) : hg_colb_null(b);
    case '{':
        return k == HG_T_MAP ? read_map(v, x, b) : k == HG_T_ROW ? read_row(v, x, b) : hg_colb_null(b);
    case 't':
    case 'f':
        return k == HG_T_BOOLEAN ? hg_colb_bool(b, *x.p == 't') : hg_colb_null(b);
    case 'n':
        return hg_colb_null(b);
    default:
        return read_number(x, b);
    }
}

int hg_variant_read(hg_variant_t *v, hg_str_t variant, hg_colb_t *b)
{
    uint32_t len = b->len;
    int rc = read_value(v, variant, b);
    if (rc < 0) hg_colb_truncate(b, len);
    return rc;
}

/* --- parts of a value ----------------------------------------------------------------------------------------------
 */

bool hg_variant_member(hg_str_t variant, hg_str_t name, hg_str_t *ret)
{
    if (*variant.p != '{') return false;
    const char *p = variant.p + 1, *end = variant.p + HG_MAX(variant.n, (size_t)2) - 1;
    while (p < end) {
        const char *q = string_end(p, end), *e = value_end(q + 1, end);
        int c = hg_str_cmp((hg_str_t){ p, (size_t)(q - p) }, name);
        if (e <= q) return false;
        *ret = (hg_str_t){ q + 1, (size_t)(e - q) - 1 };
        if (c >= 0) return c == 0;
        p = e + 1;
    }
    return false;
}

bool hg_variant_element(hg_str_t variant, int64_t at, hg_str_t *ret)
{
    if (*variant.p != '[' || at < 1) return false;
    const char *p = variant.p + 1, *end = variant.p + HG_MAX(variant.n, (size_t)2) - 1;
    while (p < end) {
        const char *e = value_end(p, end);
        *ret = (hg_str_t){ p, (size_t)(e - p) };
        if (--at == 0) return true;
        p = e + 1;
    }
    return false;
}

const char *hg_variant_type(hg_str_t x)
{
    hg_i128 n;
    switch (*x.p) {
    case '{':
        return "MAP";
    case '[':
        return "ARRAY";
    case '"':
        return "VARCHAR";
    case 't':
    case 'f':
        return "BOOLEAN";
    case 'n':
        return "VARIANT";
    default:
        break;
    }
    if (memchr(x.p, 'e', x.n)) return "DOUBLE";
    if (memchr(x.p, '.', x.n) || hg_dec_parse(x, 38, 0, false, &n) < 0) return "DECIMAL";
    if (n < 0) return n >= INT64_MIN ? "BIGINT" : "DECIMAL";
    return n <= UINT64_MAX ? "BIGINT UNSIGNED" : "DECIMAL";
}
