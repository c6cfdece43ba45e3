/* text.c: PostgreSQL's texts as JSON, by the types' numbers in the catalog. */
#include "base/hg.h"
#include "plugins/postgres/text.h"
#include "plugins/sdk/batch.h"

typedef enum { AS_TEXT, AS_BOOL, AS_NUMBER, AS_JSON, AS_BYTES, AS_TIME } as_t;

/* Built-in types by number; `array` is the type of arrays of them. Others are texts. */
static const struct {
    Oid type, array;
    as_t as;
} types[] = {
    { 16, 1000, AS_BOOL },   { 20, 1016, AS_NUMBER },  { 21, 1005, AS_NUMBER },  { 23, 1007, AS_NUMBER },
    { 26, 1028, AS_NUMBER }, { 700, 1021, AS_NUMBER }, { 701, 1022, AS_NUMBER }, { 1700, 1231, AS_NUMBER },
    { 114, 199, AS_JSON },   { 3802, 3807, AS_JSON },  { 17, 1001, AS_BYTES },   { 1184, 1185, AS_TIME },
    { 25, 1009, AS_TEXT },   { 1043, 1015, AS_TEXT },  { 1042, 1014, AS_TEXT },  { 19, 1003, AS_TEXT },
    { 2950, 2951, AS_TEXT }, { 1082, 1182, AS_TEXT },  { 1083, 1183, AS_TEXT },  { 1266, 1270, AS_TEXT },
    { 1114, 1115, AS_TEXT }, { 1186, 1187, AS_TEXT },  { 869, 1041, AS_TEXT },   { 650, 651, AS_TEXT },
};

static as_t find(Oid type, bool *is_array)
{
    *is_array = false;
    for (size_t k = 0; k < HG_COUNT(types); k++) {
        *is_array = types[k].array == type;
        if (types[k].type == type || *is_array) return types[k].as;
    }
    return AS_TEXT;
}

int hgp_pg_bytea(hg_buf_t *out, hg_str_t t)
{
    static const char hex[] = "0123456789abcdef";
    if (t.n < 2 || t.p[0] != '\\' || t.p[1] != 'x' || t.n % 2) return HG_EPARSE;
    int rc = hg_buf_reserve(out, t.n / 2);
    for (size_t k = 2; rc == 0 && k < t.n; k += 2) {
        const char *a = strchr(hex, t.p[k]), *b = strchr(hex, t.p[k + 1]);
        if (!a || !b || !*a || !*b) return HG_EPARSE;
        rc = hg_buf_addc(out, (char)((a - hex) << 4 | (b - hex)));
    }
    return rc;
}

/* "2026-01-01 10:00:00.5+00" → "2026-01-01T10:00:00.5+00:00"; infinity stays. */
static int timestamp(hg_buf_t *out, hg_str_t t)
{
    int rc = hg_buf_addc(out, '"');
    for (size_t k = 0; rc == 0 && k < t.n; k++) rc = hg_buf_addc(out, t.p[k] == ' ' ? 'T' : t.p[k]);
    if (rc == 0 && t.n > 3 && (t.p[t.n - 3] == '+' || t.p[t.n - 3] == '-')) rc = hg_buf_adds(out, ":00");
    return rc < 0 ? rc : hg_buf_addc(out, '"');
}

static int scalar(hg_buf_t *out, as_t as, hg_str_t t)
{
    hg_buf_t bytes;
    int rc;
    switch (as) {
    case AS_BOOL:
        return hg_buf_adds(out, t.n && t.p[0] == 't' ? "true" : "false");
    case AS_NUMBER: /* NaN and the infinities are none in JSON */
        return t.n && (t.p[t.n - 1] < '0' || t.p[t.n - 1] > '9') ? hg_json_quote(out, t) : hg_buf_addstr(out, t);
    case AS_JSON:
        return hgp_json_line(out, t);
    case AS_TIME:
        return timestamp(out, t);
    case AS_BYTES:
        hg_buf_init(&bytes, HG_BUF_NOMAX);
        rc = hgp_pg_bytea(&bytes, t);
        if (rc == 0) rc = hg_buf_addc(out, '"');
        if (rc == 0) rc = hg_base64(out, hg_buf_str(&bytes));
        if (rc == 0) rc = hg_buf_addc(out, '"');
        hg_buf_release(&bytes);
        return rc;
    case AS_TEXT:
        break;
    }
    return hg_json_quote(out, t);
}

/* An element at *at of '{a,"b \"c",NULL,{…}}'; *at ends behind it. */
static int element(hg_buf_t *out, as_t as, hg_str_t t, size_t *at, hg_buf_t *text)
{
    bool quoted = t.p[*at] == '"';
    size_t k = *at + quoted;
    int rc = 0;
    hg_buf_clear(text);
    while (rc == 0 && k < t.n && (quoted ? t.p[k] != '"' : !strchr(",{}", t.p[k]))) {
        if (t.p[k] == '\\') k++;
        if (k < t.n) rc = hg_buf_addc(text, t.p[k++]);
    }
    *at = k + quoted;
    if (rc < 0) return rc;
    return !quoted && hg_str_ieq(hg_buf_str(text), HG_S("null")) ? hg_buf_adds(out, "null")
                                                                 : scalar(out, as, hg_buf_str(text));
}

/* Bounds before it ("[0:1]={…}") are left out. */
static int array(hg_buf_t *out, as_t as, hg_str_t t)
{
    hg_buf_t text;
    int rc = 0;
    const char *begin = memchr(t.p, '{', t.n);
    if (!begin) return hg_json_quote(out, t);
    t.n -= (size_t)(begin - t.p);
    t.p = begin;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (size_t at = 0; rc == 0 && at < t.n;) {
        char c = t.p[at];
        if (c == '{' || c == '}' || c == ',') {
            rc = hg_buf_addc(out, c == '{' ? '[' : c == '}' ? ']' : ',');
            at++;
        } else {
            rc = element(out, as, t, &at, &text);
        }
    }
    hg_buf_release(&text);
    return rc;
}

int hgp_pg_json(hg_buf_t *out, Oid type, hg_str_t text)
{
    bool is_array;
    as_t as = find(type, &is_array);
    return is_array ? array(out, as, text) : scalar(out, as, text);
}
