/* json.c: reading control-plane JSON into a positioned tree (RFC 8259, strictly). Writing is in json_write.c. */
#include "base/hg.h"
#include "base/json.h"

typedef struct {
    hg_arena_t *a;
    const char *p;
    size_t n, i;
    hg_err_t *err;
    hg_buf_t tmp; /* decoded text of the string being read */
    unsigned depth;
} reader_t;

void hg_text_pos(hg_str_t text, size_t off, uint32_t *ret_line, uint32_t *ret_col)
{
    uint32_t line = 1, col = 1;
    if (off > text.n) off = text.n;
    for (size_t i = 0; i < off; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n')
            line++, col = 1;
        else if ((c & 0xC0) != 0x80)
            col += c >= 0xF0 ? 2 : 1; /* UTF-16 units */
    }
    *ret_line = line;
    *ret_col = col;
}

static int fail(reader_t *r, size_t at, const char *what)
{
    hg_pos_t pos = { .off = at };
    hg_text_pos((hg_str_t){ r->p, r->n }, at, &pos.line, &pos.col);
    return hg_err_at(r->err, HG_EPARSE, pos, "%s at line %u column %u", what, pos.line, pos.col);
}

static void skip_space(reader_t *r)
{
    while (r->i < r->n && (r->p[r->i] == ' ' || r->p[r->i] == '\n' || r->p[r->i] == '\t' || r->p[r->i] == '\r')) r->i++;
}

static int hex4(reader_t *r, unsigned *ret)
{
    unsigned v = 0;
    if (r->n - r->i < 4) return fail(r, r->i, "expected 4 hex digits after \\u");
    for (int k = 0; k < 4; k++) {
        char c = r->p[r->i + (size_t)k];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 99;
        if (d == 99) return fail(r, r->i + (size_t)k, "expected a hex digit");
        v = v * 16 + d;
    }
    r->i += 4;
    *ret = v;
    return 0;
}

static int add_utf8(hg_buf_t *b, unsigned c)
{
    char t[4];
    int n = 0;
    if (c < 0x80) {
        t[n++] = (char)c;
    } else if (c < 0x800) {
        t[n++] = (char)(0xC0 | c >> 6);
        t[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        t[n++] = (char)(0xE0 | c >> 12);
        t[n++] = (char)(0x80 | (c >> 6 & 63));
        t[n++] = (char)(0x80 | (c & 63));
    } else {
        t[n++] = (char)(0xF0 | c >> 18);
        t[n++] = (char)(0x80 | (c >> 12 & 63));
        t[n++] = (char)(0x80 | (c >> 6 & 63));
        t[n++] = (char)(0x80 | (c & 63));
    }
    return hg_buf_add(b, t, (size_t)n);
}

static int read_escape(reader_t *r)
{
    size_t at = r->i - 1;
    if (r->i >= r->n) return fail(r, at, "the string ends inside an escape");
    char c = r->p[r->i++];
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return hg_buf_addc(&r->tmp, c);
    case 'b':
        return hg_buf_addc(&r->tmp, '\b');
    case 'f':
        return hg_buf_addc(&r->tmp, '\f');
    case 'n':
        return hg_buf_addc(&r->tmp, '\n');
    case 'r':
        return hg_buf_addc(&r->tmp, '\r');
    case 't':
        return hg_buf_addc(&r->tmp, '\t');
    case 'u':
        break;
    default:
        return fail(r, at, "unknown escape in a string");
    }
    unsigned u, lo;
    int rc = hex4(r, &u);
    if (rc < 0) return rc;
    if (u >= 0xDC00 && u <= 0xDFFF) return fail(r, at, "lone low surrogate in a string");
    if (u >= 0xD800 && u <= 0xDBFF) {
        if (r->n - r->i < 6 || r->p[r->i] != '\\' || r->p[r->i + 1] != 'u')
            return fail(r, at, "lone high surrogate in a string");
        r->i += 2;
        rc = hex4(r, &lo);
        if (rc < 0) return rc;
        if (lo < 0xDC00 || lo > 0xDFFF) return fail(r, at, "lone high surrogate in a string");
        u = 0x10000 + ((u - 0xD800) << 10) + (lo - 0xDC00);
    }
    return add_utf8(&r->tmp, u);
}

/* At the opening quote. */
static int read_string(reader_t *r, hg_str_t *ret)
{
    size_t start = r->i++;
    hg_buf_clear(&r->tmp);
    for (;;) {
        size_t run = r->i;
        while (r->i < r->n && r->p[r->i] != '"' && r->p[r->i] != '\\' && (unsigned char)r->p[r->i] >= 0x20) r->i++;
        if (!hg_utf8_valid(r->p + run, r->i - run)) return fail(r, run, "the string is not valid UTF-8");
        int rc = hg_buf_add(&r->tmp, r->p + run, r->i - run);
        if (rc < 0) return hg_err_set(r->err, rc, "out of memory reading JSON");
        if (r->i >= r->n) return fail(r, start, "the string is not closed");
        char c = r->p[r->i++];
        if (c == '"') break;
        if (c != '\\') return fail(r, r->i - 1, "control character in a string");
        rc = read_escape(r);
        if (rc < 0) return rc;
    }
    *ret = hg_arena_str(r->a, hg_buf_str(&r->tmp));
    return 0;
}

static bool digit(const reader_t *r)
{
    return r->i < r->n && r->p[r->i] >= '0' && r->p[r->i] <= '9';
}

static int read_number(reader_t *r, hg_json_t *v)
{
    size_t start = r->i;
    if (r->p[r->i] == '-') r->i++;
    if (!digit(r)) return fail(r, r->i, "expected a digit");
    if (r->p[r->i] == '0')
        r->i++;
    else
        while (digit(r)) r->i++;
    if (digit(r)) return fail(r, r->i, "a number must not begin with 0");
    if (r->i < r->n && r->p[r->i] == '.') {
        r->i++;
        if (!digit(r)) return fail(r, r->i, "expected a digit after '.'");
        while (digit(r)) r->i++;
    }
    if (r->i < r->n && (r->p[r->i] == 'e' || r->p[r->i] == 'E')) {
        r->i++;
        if (r->i < r->n && (r->p[r->i] == '+' || r->p[r->i] == '-')) r->i++;
        if (!digit(r)) return fail(r, r->i, "expected a digit in the exponent");
        while (digit(r)) r->i++;
    }
    v->kind = HG_J_NUMBER;
    v->str = hg_arena_str(r->a, (hg_str_t){ r->p + start, r->i - start });
    return 0;
}

static int read_word(reader_t *r, hg_json_t *v)
{
    static const struct {
        const char *word;
        hg_jkind_t kind;
    } words[] = { { "null", HG_J_NULL }, { "true", HG_J_TRUE }, { "false", HG_J_FALSE } };
    for (size_t k = 0; k < HG_COUNT(words); k++) {
        size_t n = strlen(words[k].word);
        if (r->n - r->i >= n && memcmp(r->p + r->i, words[k].word, n) == 0) {
            r->i += n;
            v->kind = words[k].kind;
            return 0;
        }
    }
    return fail(r, r->i, "expected a JSON value");
}

static int read_value(reader_t *r, hg_json_t *v);

/* At the opening bracket: members of an object, elements of an array. */
static int read_container(reader_t *r, hg_json_t *v)
{
    bool object = r->p[r->i] == '{';
    char close = object ? '}' : ']';
    hg_json_t **tail = &v->child;
    v->kind = object ? HG_J_OBJECT : HG_J_ARRAY;
    if (++r->depth > HG_JSON_MAX_DEPTH) return fail(r, r->i, "JSON is nested too deeply");
    r->i++;
    skip_space(r);
    if (r->i < r->n && r->p[r->i] == close) {
        r->i++;
        r->depth--;
        return 0;
    }
    for (;;) {
        hg_json_t *c = HG_ANEW(r->a, hg_json_t);
        int rc;
        c->parent = v;
        skip_space(r);
        if (object) {
            if (r->i >= r->n || r->p[r->i] != '"') return fail(r, r->i, "expected a member name in quotes");
            c->key_off = (uint32_t)r->i;
            rc = read_string(r, &c->key);
            if (rc < 0) return rc;
            c->key_len = (uint32_t)r->i - c->key_off;
            skip_space(r);
            if (r->i >= r->n || r->p[r->i] != ':') return fail(r, r->i, "expected ':' after the member name");
            r->i++;
            skip_space(r);
        }
        rc = read_value(r, c);
        if (rc < 0) return rc;
        *tail = c;
        tail = &c->next;
        v->n++;
        skip_space(r);
        char got = r->i < r->n ? r->p[r->i] : 0;
        if (got != ',' && got != close) return fail(r, r->i, object ? "expected ',' or '}'" : "expected ',' or ']'");
        r->i++;
        if (got == close) {
            r->depth--;
            return 0;
        }
    }
}

static int read_value(reader_t *r, hg_json_t *v)
{
    size_t start = r->i;
    char c = r->i < r->n ? r->p[r->i] : 0;
    int rc;
    if (r->i >= r->n) return fail(r, r->i, "expected a JSON value, found the end");
    if (c == '{' || c == '[') {
        rc = read_container(r, v);
    } else if (c == '"') {
        v->kind = HG_J_STRING;
        rc = read_string(r, &v->str);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        rc = read_number(r, v);
    } else {
        rc = read_word(r, v);
    }
    v->off = (uint32_t)start;
    v->len = (uint32_t)(r->i - start);
    return rc;
}

int hg_json_parse(hg_arena_t *a, hg_str_t text, hg_json_t **ret, hg_err_t *err)
{
    reader_t r = { .a = a, .p = text.p, .n = text.n, .err = err };
    if (text.n > UINT32_MAX / 2) return hg_err_set(err, HG_ETOOBIG, "JSON text of %zu bytes is too large", text.n);
    hg_buf_init(&r.tmp, HG_BUF_NOMAX);
    hg_json_t *v = HG_ANEW(a, hg_json_t);
    skip_space(&r);
    int rc = read_value(&r, v);
    if (rc == 0) {
        skip_space(&r);
        if (r.i < r.n) rc = fail(&r, r.i, "unexpected text after the JSON value");
    }
    hg_buf_release(&r.tmp);
    if (rc == 0) *ret = v;
    return rc;
}

const hg_json_t *hg_json_get(const hg_json_t *obj, const char *key)
{
    const hg_json_t *found = NULL;
    if (!obj || obj->kind != HG_J_OBJECT) return NULL;
    for (const hg_json_t *c = obj->child; c; c = c->next)
        if (hg_str_eqz(c->key, key)) found = c;
    return found;
}

const hg_json_t *hg_json_at(const hg_json_t *arr, uint32_t i)
{
    if (!arr || arr->kind != HG_J_ARRAY) return NULL;
    const hg_json_t *c = arr->child;
    while (c && i--) c = c->next;
    return c;
}

/* Digits of an integral number (with a fraction of zeros or an exponent refused: Feldera's integers are plain digits).
 */
int hg_json_u64(const hg_json_t *v, uint64_t *ret)
{
    if (!v || v->kind != HG_J_NUMBER) return HG_ETYPE;
    return hg_str_u64(v->str, ret) < 0 ? HG_ERANGE : 0;
}

int hg_json_i64(const hg_json_t *v, int64_t *ret)
{
    if (!v || v->kind != HG_J_NUMBER) return HG_ETYPE;
    return hg_str_i64(v->str, ret) < 0 ? HG_ERANGE : 0;
}

int hg_json_f64(const hg_json_t *v, double *ret)
{
    if (!v || v->kind != HG_J_NUMBER) return HG_ETYPE;
    *ret = strtod(v->str.p, NULL);
    return 0;
}

bool hg_json_bool(const hg_json_t *v, bool dflt)
{
    if (v && v->kind == HG_J_TRUE) return true;
    if (v && v->kind == HG_J_FALSE) return false;
    return dflt;
}

const char *hg_json_str(const hg_json_t *v, const char *dflt)
{
    return v && v->kind == HG_J_STRING ? v->str.p : dflt;
}

const char *hg_json_kind_name(hg_jkind_t k)
{
    switch (k) {
    case HG_J_NULL:
        return "null";
    case HG_J_FALSE:
    case HG_J_TRUE:
        return "a boolean";
    case HG_J_NUMBER:
        return "a number";
    case HG_J_STRING:
        return "a string";
    case HG_J_ARRAY:
        return "an array";
    case HG_J_OBJECT:
        return "an object";
    default:
        return "nothing";
    }
}

void hg_json_path(const hg_json_t *v, const hg_json_t *root, char *out, size_t cap)
{
    const hg_json_t *chain[HG_JSON_MAX_DEPTH + 1];
    unsigned n = 0;
    size_t len = 0;
    for (; v && v != root && v->parent && n < HG_COUNT(chain); v = v->parent) chain[n++] = v;
    if (cap) out[0] = 0;
    while (n-- && len < cap) {
        const hg_json_t *c = chain[n];
        int w;
        if (c->parent->kind == HG_J_ARRAY) {
            unsigned i = 0;
            for (const hg_json_t *s = c->parent->child; s && s != c; s = s->next) i++;
            w = snprintf(out + len, cap - len, "[%u]", i);
        } else {
            w = snprintf(out + len, cap - len, "%s" HG_SF, len ? "." : "", HG_SA(c->key));
        }
        len += w > 0 ? (size_t)w : 0;
    }
}

bool hg_json_equal(const hg_json_t *a, const hg_json_t *b)
{
    if (a->kind != b->kind || a->n != b->n) return false;
    switch (a->kind) {
    case HG_J_NUMBER:
    case HG_J_STRING:
        return hg_str_eq(a->str, b->str);
    case HG_J_ARRAY:
        for (const hg_json_t *x = a->child, *y = b->child; x; x = x->next, y = y->next)
            if (!hg_json_equal(x, y)) return false;
        return true;
    case HG_J_OBJECT:
        for (const hg_json_t *x = a->child; x; x = x->next) {
            const hg_json_t *y = hg_json_get(b, x->key.p);
            if (!y || !hg_json_equal(x, y)) return false;
        }
        return true;
    case HG_J_NULL:
    case HG_J_FALSE:
    case HG_J_TRUE:
        return true;
    default:
        return false;
    }
}
