/* redact.c: see redact.h. Patterns are grouped by their first byte, longest first, so that a secret that begins another
 * one does not leave the other's rest behind. */
#include "base/hg.h"

#include "base/mem.h"
#include "base/opts.h"
#include "base/secret_value.h"
#include "base/strmap.h"
#include "base/url_secret.h"
#include "compile/redact.h"
#include "connectors/connector.h"
#include "connectors/format.h"

#define STARS      HG_HIDDEN
#define STRING_MAX ((size_t)64 << 10) /* a longer string is no key, and no reference; a key file of PEM is shorter */

typedef struct pattern {
    hg_secret_value_t find;
    hg_str_t put; /* in the arena, as what is found */
} pattern_t;

struct hg_redact {
    hg_arena_t *a;
    hg_strmap_t known; /* what patterns look for */
    pattern_t *v;
    uint32_t n;
    bool sorted;
    uint32_t begin[257]; /* of the patterns with this first byte */
};

hg_redact_t *hg_redact_new(void)
{
    hg_redact_t *r = HG_NEW(hg_redact_t);
    r->a = hg_arena_new();
    hg_strmap_init(&r->known);
    return r;
}

void hg_redact_free(hg_redact_t *r)
{
    hg_strmap_release(&r->known);
    hg_arena_free(r->a);
    hg_free(r);
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

static void add_pattern(hg_redact_t *r, hg_str_t find, hg_str_t put)
{
    if (!find.n || hg_strmap_get(&r->known, find) != HG_STRMAP_NONE) return;
    find = hg_arena_str(r->a, find);
    hg_strmap_put(&r->known, find, r->n);
    pattern_t p = { hg_secret_value(find), put };
    HG_APUSH(r->a, r->v, r->n, p);
    r->sorted = false;
}

typedef hg_str_t (*form_t)(hg_arena_t *a, hg_str_t s);

static hg_str_t taken(hg_arena_t *a, hg_buf_t *b)
{
    hg_str_t s = hg_arena_str(a, hg_buf_str(b));
    hg_buf_release(b);
    return s;
}

static hg_str_t as_json(hg_arena_t *a, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_json_quote(&b, s);
    hg_str_t inner = taken(a, &b);
    return (hg_str_t){ inner.p + 1, inner.n - 2 };
}

static hg_str_t as_sql(hg_arena_t *a, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < s.n; i++) {
        hg_buf_addc(&b, s.p[i]);
        if (s.p[i] == '\'') hg_buf_addc(&b, '\'');
    }
    return taken(a, &b);
}

static hg_str_t as_url(hg_arena_t *a, hg_str_t s)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_pct_encode(&b, s);
    return taken(a, &b);
}

/* Every text that find may have become, with what takes its place in the same form. */
static void add_forms(hg_redact_t *r, hg_str_t find, hg_str_t put, unsigned depth)
{
    static const form_t forms[] = { as_json, as_sql };
    add_pattern(r, find, put);
    for (size_t i = 0; depth && i < HG_COUNT(forms); i++) {
        hg_str_t f = forms[i](r->a, find);
        if (!hg_str_eq(f, find)) add_forms(r, f, forms[i](r->a, put), depth - 1);
    }
}

#define FORMS_DEEP 3 /* a program in JSON in a log line in JSON */

void hg_redact_learn_value(hg_redact_t *r, hg_str_t value)
{
    if (!hg_secret_tells(value)) return; /* found by its name alone */
    value = hg_arena_str(r->a, value);
    add_forms(r, value, HG_S(STARS), FORMS_DEEP);
    add_pattern(r, as_url(r->a, value), HG_S(STARS));
}

/* "name": "value" as it may be written. */
static void learn_member(hg_redact_t *r, hg_str_t name, hg_str_t value)
{
    static const char *const gaps[] = { "", " " };
    if (value.n == 0) return;
    hg_redact_learn_value(r, value);
    for (size_t i = 0; i < HG_COUNT(gaps); i++) {
        hg_arena_t *a = r->a;
        hg_str_t n = as_json(a, name), v = as_json(a, value);
        add_forms(r, hg_strz(hg_arena_printf(a, "\"" HG_SF "\":%s\"" HG_SF "\"", HG_SA(n), gaps[i], HG_SA(v))),
                  hg_strz(hg_arena_printf(a, "\"" HG_SF "\":%s\"" STARS "\"", HG_SA(n), gaps[i])), FORMS_DEEP);
    }
}

void hg_redact_learn_members(hg_redact_t *r, const hg_json_t *obj)
{
    if (!obj || obj->kind != HG_J_OBJECT) return;
    for (const hg_json_t *m = obj->child; m; m = m->next) learn_member(r, m->key, m->str);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static bool in_table(const hg_opt_t *o, hg_str_t name)
{
    for (; o && o->key; o++)
        if ((o->flags & HG_OPT_SECRET) && hg_str_eqz(name, o->key)) return true;
    return false;
}

/* An option of any connector or format that is declared secret: which one the text means may not be known. */
static bool declared_secret(hg_str_t name)
{
    uint32_t n;
    const hg_input_type_t *const *in = hg_input_types(&n);
    for (uint32_t i = 0; i < n; i++)
        if (in_table(in[i]->opts, name)) return true;
    const hg_output_type_t *const *out = hg_output_types(&n);
    for (uint32_t i = 0; i < n; i++)
        if (in_table(out[i]->opts, name)) return true;
    const hg_format_type_t *const *f = hg_formats(&n);
    for (uint32_t i = 0; i < n; i++)
        if (in_table(f[i]->in_opts, name) || in_table(f[i]->out_opts, name)) return true;
    return false;
}

/* --- members in a text that need not be JSON as a whole ---------------------------------------------------------- */

/* Behind the string that begins at s[i] == '"'; 0 if it does not end. */
static size_t string_end(hg_str_t s, size_t i)
{
    size_t stop = HG_MIN(s.n, i + STRING_MAX), k = i + 1;
    while (k < stop && s.p[k] != '"') k += s.p[k] == '\\' ? 2 : 1;
    return k < stop ? k + 1 : 0;
}

static hg_str_t decoded(hg_arena_t *a, hg_str_t s)
{
    hg_json_t *v = NULL;
    hg_err_t err = HG_ERR_INIT;
    if (hg_json_parse(a, s, &v, &err) == 0) return v->str;
    return (hg_str_t){ s.p + 1, s.n - 2 }; /* not JSON: as it is written */
}

static size_t blanks(hg_str_t s, size_t i)
{
    while (i < s.n && strchr(" \t\r\n", s.p[i]) && s.p[i]) i++;
    return i;
}

static bool is_reference(hg_str_t s)
{
    hg_str_t name, key;
    return hg_reference(s, &name, &key) != HG_REF_NONE;
}

/* The value of a secret member that begins at s[i]: a string, a number, or everything up to the end of its braces. */
static void learn_secret(hg_redact_t *r, hg_str_t name, hg_str_t s, size_t i)
{
    size_t end = i, depth = 0;
    do {
        if (end >= s.n) return;
        char c = s.p[end];
        if (c == '"') {
            size_t from = end;
            end = string_end(s, from);
            if (!end) return;
            hg_str_t v = decoded(r->a, (hg_str_t){ s.p + from, end - from });
            if (is_reference(v)) continue;
            learn_member(r, name, v);
            hg_redact_learn_value(r, (hg_str_t){ s.p + from + 1, end - from - 2 }); /* with the escapes of its writer */
        } else if (c == '{' || c == '[') {
            depth++, end++;
        } else if (c == '}' || c == ']') {
            if (depth) depth--;
            end++;
        } else if (depth) {
            end++;
        } else {
            size_t from = end;
            while (end < s.n && (hg_word_byte(s.p[end]) || strchr("+-.", s.p[end]))) end++;
            hg_redact_learn_value(r, (hg_str_t){ s.p + from, end - from });
        }
    } while (depth);
}

static void learn_reference(hg_redact_t *r, hg_str_t text, hg_resolve_fn resolve, void *arg)
{
    hg_err_t err = HG_ERR_INIT;
    hg_str_t name, key, value;
    hg_ref_kind_t kind = hg_reference(text, &name, &key);
    if ((kind == HG_REF_ENV || kind == HG_REF_SECRET) && resolve(arg, text, r->a, &value, &err) == 0) {
        hg_redact_learn_value(r, value);
        hg_redact_learn_value(r, hg_str_trim(value)); /* a file may end with a line feed */
    }
}

static void learn_urls(hg_redact_t *r, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        hg_str_t secret = s.p[i] == ':' ? hg_url_secret(s, i) : HG_S("");
        hg_buf_t b;
        hg_redact_learn_value(r, secret);
        hg_buf_init(&b, HG_BUF_NOMAX);
        if (secret.n && hg_pct_decode(&b, secret, false) == 0) hg_redact_learn_value(r, hg_buf_str(&b));
        hg_buf_release(&b);
    }
}

/* A member that begins at s[i] and whose value is a string; returns where it ends, 0 if it is something else. */
static size_t text_member(hg_str_t s, size_t i, hg_str_t *name, size_t *value)
{
    size_t end = i < s.n && s.p[i] == '"' ? string_end(s, i) : 0;
    if (!end) return 0;
    *name = (hg_str_t){ s.p + i + 1, end - i - 2 };
    *value = blanks(s, end);
    if (*value >= s.n || s.p[*value] != ':') return 0;
    *value = blanks(s, *value + 1);
    return *value < s.n && s.p[*value] == '"' ? string_end(s, *value) : 0;
}

static bool names_key(hg_str_t name)
{
    return hg_str_eqz(name, "key") || hg_str_eqz(name, "name");
}

/* {"key": "authorization", "value": "…"}, in this order or the other: a header in a list has its name in a value. */
static void learn_pair(hg_redact_t *r, hg_str_t s, size_t i)
{
    hg_str_t a, b;
    size_t value_a, value_b, end = text_member(s, i, &a, &value_a);
    if (!end || !(names_key(a) || hg_str_eqz(a, "value"))) return;
    hg_str_t first = { s.p + value_a + 1, end - value_a - 2 };
    end = blanks(s, end);
    if (end >= s.n || s.p[end] != ',') return;
    end = text_member(s, blanks(s, end + 1), &b, &value_b);
    if (!end) return;
    hg_str_t second = { s.p + value_b + 1, end - value_b - 2 };
    if (names_key(a) && hg_str_eqz(b, "value") && hg_secret_name(first)) learn_secret(r, b, s, value_b);
    if (names_key(b) && hg_str_eqz(a, "value") && hg_secret_name(second)) learn_secret(r, a, s, value_a);
}

void hg_redact_learn(hg_redact_t *r, hg_str_t text, hg_resolve_fn resolve, void *arg)
{
    /* In an SQL literal a quote is doubled; elsewhere two of them say nothing. */
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < text.n; i++) {
        hg_buf_addc(&b, text.p[i]);
        if (text.p[i] == '\'' && i + 1 < text.n && text.p[i + 1] == '\'') i++;
    }
    hg_str_t s = taken(r->a, &b);
    learn_urls(r, s);
    for (size_t i = 0; i < s.n; i++) {
        size_t end = s.p[i] == '"' ? string_end(s, i) : 0;
        if (!end) continue;
        hg_str_t inner = { s.p + i + 1, end - i - 2 };
        if (resolve && hg_str_starts(inner, HG_S("${"))) learn_reference(r, inner, resolve, arg);
        size_t colon = blanks(s, end);
        if (colon < s.n && s.p[colon] == ':' && (hg_secret_name(inner) || declared_secret(inner)))
            learn_secret(r, inner, s, blanks(s, colon + 1));
        learn_pair(r, s, i);
        /* Not on to `end`: a quote somewhere in the SQL would turn strings and what is between them around. */
    }
}

/* --- copying ----------------------------------------------------------------------------------------------------- */

static int by_first_byte(const void *x, const void *y)
{
    const pattern_t *a = x, *b = y;
    int first = (int)(unsigned char)a->find.text.p[0] - (int)(unsigned char)b->find.text.p[0];
    return first ? first : (a->find.text.n < b->find.text.n) - (a->find.text.n > b->find.text.n);
}

static const pattern_t *pattern_at(const hg_redact_t *r, hg_str_t s, size_t i);

/* What is put for a member has its name, and a name may have a secret in it. */
static hg_str_t clean(const hg_redact_t *r, hg_str_t put)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t i = 0; i < put.n;) {
        const pattern_t *p = pattern_at(r, put, i);
        if (p && hg_str_eqz(p->put, STARS)) {
            hg_buf_adds(&b, STARS);
            i += p->find.text.n;
        } else {
            hg_buf_addc(&b, put.p[i++]);
        }
    }
    return taken(r->a, &b);
}

static void sort_patterns(hg_redact_t *r)
{
    if (r->n) qsort(r->v, r->n, sizeof *r->v, by_first_byte);
    uint32_t at = 0;
    for (unsigned c = 0; c < 257; c++) {
        while (at < r->n && (unsigned char)r->v[at].find.text.p[0] < c) at++;
        r->begin[c] = at;
    }
    for (uint32_t i = 0; i < r->n; i++)
        if (!hg_str_eqz(r->v[i].put, STARS)) r->v[i].put = clean(r, r->v[i].put);
    r->sorted = true;
}

static const pattern_t *pattern_at(const hg_redact_t *r, hg_str_t s, size_t i)
{
    unsigned char c = (unsigned char)s.p[i];
    for (uint32_t k = r->begin[c]; k < r->begin[c + 1u]; k++)
        if (hg_secret_at(&r->v[k].find, s, i)) return &r->v[k];
    return NULL;
}

size_t hg_redact_copy(hg_redact_t *r, hg_str_t s, hg_buf_t *out)
{
    size_t replaced = 0, copied = 0;
    if (!r->sorted) sort_patterns(r);
    for (size_t i = 0; i < s.n;) {
        const pattern_t *p = pattern_at(r, s, i);
        hg_str_t cut = p ? (hg_str_t){ s.p + i, p->find.text.n } : hg_url_secret(s, i), put = p ? p->put : HG_S(STARS);
        if (!cut.n) {
            i++;
            continue;
        }
        size_t from = (size_t)(cut.p - s.p);
        hg_buf_add(out, s.p + copied, from - copied);
        hg_buf_addstr(out, put);
        i = copied = from + cut.n;
        replaced++;
    }
    hg_buf_add(out, s.p + copied, s.n - copied);
    return replaced;
}
