/* json_write.c: the streaming JSON writer. */
#include "base/hg.h"
#include "base/json.h"
#include <math.h>

void hg_jw_init(hg_jw_t *w, hg_buf_t *b)
{
    *w = (hg_jw_t){ .b = b };
}

static void put(hg_jw_t *w, const char *p, size_t n)
{
    if (w->rc == 0) w->rc = hg_buf_add(w->b, p, n);
}

/* Before a value: the comma, if one is due; after it one is. */
static void begin_value(hg_jw_t *w)
{
    if (w->comma) put(w, ",", 1);
    w->comma = true;
}

static void open_with(hg_jw_t *w, char c)
{
    begin_value(w);
    put(w, &c, 1);
    w->comma = false;
}

static void close_with(hg_jw_t *w, char c)
{
    put(w, &c, 1);
    w->comma = true;
}

void hg_jw_obj(hg_jw_t *w)
{
    open_with(w, '{');
}
void hg_jw_end_obj(hg_jw_t *w)
{
    close_with(w, '}');
}
void hg_jw_arr(hg_jw_t *w)
{
    open_with(w, '[');
}
void hg_jw_end_arr(hg_jw_t *w)
{
    close_with(w, ']');
}

/* How many bytes from the beginning stand for themselves in a string. */
static size_t plain(hg_str_t s)
{
    size_t i = 0;
    while (i < s.n && (unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x80 && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
}

/* A plain text in quotes, with what stands before and after it (0: nothing), in one go: most of stats is this. */
static int add_plain(hg_buf_t *b, char before, hg_str_t s, char after)
{
    if (s.n > b->max) return HG_ETOOBIG;
    int rc = hg_buf_reserve(b, s.n + 2 + (before != 0) + (after != 0));
    if (rc < 0) return rc;
    char *o = b->p + b->len;
    if (before) *o++ = before;
    *o++ = '"';
    if (s.n) memcpy(o, s.p, s.n);
    o += s.n;
    *o++ = '"';
    if (after) *o++ = after;
    *o = 0;
    b->len = (size_t)(o - b->p);
    return 0;
}

void hg_jw_key(hg_jw_t *w, const char *key)
{
    hg_str_t k = hg_strz(key);
    if (w->rc == 0 && plain(k) == k.n) {
        w->rc = add_plain(w->b, w->comma ? ',' : 0, k, ':');
    } else {
        begin_value(w);
        if (w->rc == 0) w->rc = hg_json_quote(w->b, k);
        put(w, ":", 1);
    }
    w->comma = false;
}

void hg_jw_str(hg_jw_t *w, hg_str_t s)
{
    begin_value(w);
    if (w->rc == 0) w->rc = hg_json_quote(w->b, s);
}

void hg_jw_strz(hg_jw_t *w, const char *s)
{
    if (s)
        hg_jw_str(w, hg_strz(s));
    else
        hg_jw_null(w);
}

void hg_jw_u64(hg_jw_t *w, uint64_t v)
{
    begin_value(w);
    if (w->rc == 0) w->rc = hg_buf_addu64(w->b, v);
}

void hg_jw_i64(hg_jw_t *w, int64_t v)
{
    begin_value(w);
    if (w->rc == 0) w->rc = hg_buf_addi64(w->b, v);
}

void hg_jw_f64(hg_jw_t *w, double v)
{
    char t[40];
    if (!isfinite(v)) {
        hg_jw_null(w);
        return;
    }
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(t, sizeof t, "%.*g", digits, v);
        if (strtod(t, NULL) == v) break;
    }
    begin_value(w);
    put(w, t, (size_t)n);
}

void hg_jw_bool(hg_jw_t *w, bool v)
{
    hg_jw_raw(w, v ? HG_S("true") : HG_S("false"));
}
void hg_jw_null(hg_jw_t *w)
{
    hg_jw_raw(w, HG_S("null"));
}

void hg_jw_raw(hg_jw_t *w, hg_str_t json)
{
    begin_value(w);
    put(w, json.p, json.n);
}

void hg_jw_node(hg_jw_t *w, const hg_json_t *v)
{
    switch (v->kind) {
    case HG_J_NULL:
        hg_jw_null(w);
        break;
    case HG_J_FALSE:
        hg_jw_bool(w, false);
        break;
    case HG_J_TRUE:
        hg_jw_bool(w, true);
        break;
    case HG_J_NUMBER:
        hg_jw_raw(w, v->str);
        break;
    case HG_J_STRING:
        hg_jw_str(w, v->str);
        break;
    case HG_J_ARRAY:
        hg_jw_arr(w);
        for (const hg_json_t *c = v->child; c; c = c->next) hg_jw_node(w, c);
        hg_jw_end_arr(w);
        break;
    case HG_J_OBJECT:
        hg_jw_obj(w);
        for (const hg_json_t *c = v->child; c; c = c->next) {
            hg_jw_key(w, c->key.p);
            hg_jw_node(w, c);
        }
        hg_jw_end_obj(w);
        break;
    default:
        hg_panic(__FILE__, __LINE__, "JSON kind");
    }
}

void hg_jw_kstr(hg_jw_t *w, const char *key, const char *s)
{
    hg_jw_key(w, key);
    hg_jw_strz(w, s);
}
void hg_jw_ku64(hg_jw_t *w, const char *key, uint64_t v)
{
    hg_jw_key(w, key);
    hg_jw_u64(w, v);
}
void hg_jw_ki64(hg_jw_t *w, const char *key, int64_t v)
{
    hg_jw_key(w, key);
    hg_jw_i64(w, v);
}
void hg_jw_kbool(hg_jw_t *w, const char *key, bool v)
{
    hg_jw_key(w, key);
    hg_jw_bool(w, v);
}
void hg_jw_knull(hg_jw_t *w, const char *key)
{
    hg_jw_key(w, key);
    hg_jw_null(w);
}

/* Length of the well-formed UTF-8 character at p, 0 if it is malformed. */
static size_t utf8_len(const char *p, size_t n)
{
    unsigned char c = (unsigned char)*p;
    size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return len <= n && hg_utf8_valid(p, len) ? len : 0;
}

int hg_json_quote(hg_buf_t *b, hg_str_t s)
{
    static const char digits[] = "0123456789abcdef";
    size_t start = b->len, i = 0;
    if (plain(s) == s.n) return add_plain(b, 0, s, 0);
    int rc = hg_buf_addc(b, '"');
    while (rc == 0 && i < s.n) {
        size_t run = plain((hg_str_t){ s.p + i, s.n - i });
        if (run) rc = hg_buf_add(b, s.p + i, run);
        i += run;
        if (i >= s.n || rc < 0) break;
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80) {
            size_t len = utf8_len(s.p + i, s.n - i);
            rc = len ? hg_buf_add(b, s.p + i, len) : hg_buf_add(b, "\xEF\xBF\xBD", 3);
            i += len ? len : 1;
            continue;
        }
        char t[6] = { '\\', 0, 0, 0, 0, 0 };
        size_t n = 2;
        switch (c) {
        case '"':
            t[1] = '"';
            break;
        case '\\':
            t[1] = '\\';
            break;
        case '\n':
            t[1] = 'n';
            break;
        case '\r':
            t[1] = 'r';
            break;
        case '\t':
            t[1] = 't';
            break;
        case '\b':
            t[1] = 'b';
            break;
        case '\f':
            t[1] = 'f';
            break;
        default:
            t[1] = 'u', t[2] = '0', t[3] = '0', t[4] = digits[c >> 4], t[5] = digits[c & 15];
            n = 6;
        }
        rc = hg_buf_add(b, t, n);
        i++;
    }
    if (rc == 0) rc = hg_buf_addc(b, '"');
    if (rc < 0) b->len = start;
    return rc;
}
