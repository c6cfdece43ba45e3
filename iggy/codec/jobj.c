/* jobj.c: see jobj.h. One pass over the text checks it and notes the fields; JSON that was written compactly and flat,
 * as most is, is never copied. */
#include "base/hg.h"
#include "iggy/codec/jobj.h"
#include "iggy/codec/scratch_int.h"

#define MAP_FROM 24 /* fields from which on keys are found by hash */

static uint64_t shape(hg_str_t key)
{
    if (key.n == 0) return 1;
    unsigned h = (unsigned)key.n * 7u + (unsigned char)key.p[0] * 31u + (unsigned char)key.p[key.n - 1] * 131u;
    return UINT64_C(1) << (h & 63);
}

static uint32_t key_hash(hg_str_t key)
{
    uint64_t h = 0xcbf29ce484222325 ^ key.n;
    for (size_t i = 0; i < key.n; i++) h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3;
    return (uint32_t)(h ^ h >> 32);
}

static void map_add(hg_jobj_t *o, uint32_t i)
{
    uint32_t at = key_hash(o->v[i].key) & o->mask;
    while (o->map[at]) at = (at + 1) & o->mask;
    o->map[at] = i + 1;
}

/* All places anew, with room for twice as many fields. */
static int map_make(hg_jobj_t *o, hg_scratch_t *s)
{
    uint32_t size = 64;
    while (size < o->cap * 2) size *= 2;
    o->map = hg_scratch_work(s, sizeof *o->map * size);
    if (!o->map) return HG_ENOMEM;
    memset(o->map, 0, sizeof *o->map * size);
    o->mask = size - 1;
    for (uint32_t i = 0; i < o->n; i++) map_add(o, i);
    return 0;
}

hg_jfield_t *hg_jobj_find(const hg_jobj_t *o, hg_str_t key)
{
    if (!(o->seen & shape(key))) return NULL;
    if (!o->map) {
        for (uint32_t i = 0; i < o->n; i++)
            if (hg_str_eq(o->v[i].key, key)) return &o->v[i];
        return NULL;
    }
    for (uint32_t at = key_hash(key) & o->mask; o->map[at]; at = (at + 1) & o->mask)
        if (hg_str_eq(o->v[o->map[at] - 1].key, key)) return &o->v[o->map[at] - 1];
    return NULL;
}

static int grow(hg_jobj_t *o, hg_scratch_t *s)
{
    if (o->cap > UINT32_MAX / 4) return HG_ENOMEM;
    uint32_t cap = o->cap ? o->cap * 2 : 16;
    hg_jfield_t *v = hg_scratch_work(s, sizeof *v * cap);
    if (!v) return HG_ENOMEM;
    if (o->n) memcpy(v, o->v, sizeof *v * o->n);
    o->v = v;
    o->cap = cap;
    return cap >= MAP_FROM ? map_make(o, s) : 0;
}

int hg_jobj_set(hg_jobj_t *o, hg_scratch_t *s, hg_str_t key, hg_str_t name, hg_str_t value)
{
    hg_jfield_t *f = hg_jobj_find(o, key);
    o->edited = true;
    if (f) {
        f->value = value;
        return 0;
    }
    if (o->n == o->cap) {
        int rc = grow(o, s);
        if (rc < 0) return rc;
    }
    o->v[o->n++] = (hg_jfield_t){ key, name, value };
    o->seen |= shape(key);
    if (o->map) map_add(o, o->n - 1);
    return 0;
}

/* Places have changed. */
static void remap(hg_jobj_t *o)
{
    o->seen = 0;
    for (uint32_t i = 0; i < o->n; i++) o->seen |= shape(o->v[i].key);
    if (!o->map) return;
    memset(o->map, 0, sizeof *o->map * (o->mask + 1));
    for (uint32_t i = 0; i < o->n; i++) map_add(o, i);
}

int hg_jobj_filter(hg_jobj_t *o, int (*keep)(void *arg, const hg_jfield_t *f), void *arg)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++) {
        int rc = keep(arg, &o->v[i]);
        if (rc < 0) return rc;
        if (!rc) continue;
        if (n != i) o->v[n] = o->v[i];
        n++;
    }
    if (n == o->n) return 0;
    o->n = n;
    o->edited = true;
    remap(o);
    return 0;
}

static int is_not(void *arg, const hg_jfield_t *f)
{
    return f != arg;
}

int hg_jobj_rename(hg_jobj_t *o, hg_str_t from, hg_str_t key, hg_str_t name)
{
    hg_jfield_t *f = hg_jobj_find(o, from), *other;
    if (!f || hg_str_eq(from, key)) return 0;
    other = hg_jobj_find(o, key);
    f->key = key;
    f->name = name;
    o->edited = true;
    if (other) return hg_jobj_filter(o, is_not, other);
    remap(o);
    return 0;
}

/* --- reading --- */

static int refused(hg_scratch_t *s, hg_str_t json, hg_err_t *err)
{
    hg_jscan_t *j = &s->scan;
    if (j->e == HG_JE_FATAL) return hg_err_set(err, HG_ENOMEM, "out of memory while reading JSON");
    hg_err_set(err, HG_EPARSE, "not JSON: %s (byte %zu)", j->e_msg, (size_t)(j->e_at - json.p));
    err->pos.off = (uint64_t)(j->e_at - json.p);
    return HG_EPARSE;
}

/* Could there be white space between tokens? A blank inside a string answers yes as well. */
static bool may_have_blanks(hg_str_t t)
{
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] <= ' ') return true;
    return false;
}

/* A value that is no scalar, without white space, if it is not so already. */
static const char *tighten(hg_scratch_t *s, hg_str_t *value)
{
    if (!may_have_blanks(*value)) return value->p;
    hg_buf_clear(&s->tmp);
    if (!hg_js_compact(&s->scan, value->p, &s->tmp)) return NULL;
    if (s->tmp.len == value->n) return value->p; /* the blanks were inside strings */
    char *p = hg_scratch_work(s, s->tmp.len);
    if (!p) return hg_js_memory(&s->scan, HG_ENOMEM);
    memcpy(p, s->tmp.p, s->tmp.len);
    *value = (hg_str_t){ p, s->tmp.len };
    return p;
}

/* p behind the opening quote. */
static const char *read_key(hg_scratch_t *s, const char *p, hg_jfield_t *f)
{
    const char *q = hg_js_string(&s->scan, p, &s->scan.tmp, &f->key);
    if (HG_UNLIKELY(!q)) return NULL;
    f->name = (hg_str_t){ p - 1, (size_t)(q - p) + 1 };
    if (HG_UNLIKELY(f->key.p != p)) {
        char *k = hg_scratch_work(s, f->key.n);
        if (!k) return hg_js_memory(&s->scan, HG_ENOMEM);
        memcpy(k, f->key.p, f->key.n);
        f->key.p = k;
    }
    return q;
}

static const char *expect(hg_jscan_t *j, const char *p, char c, const char *what)
{
    if (HG_LIKELY(p < j->end && *p == c)) return p + 1;
    if (p >= j->end) return hg_js_trunc(j, p);
    return hg_js_fail(j, HG_JE_SYNTAX, p, "expected %s", what);
}

/* A scalar or a container at p. */
static const char *read_value(hg_scratch_t *s, const char *p, hg_jfield_t *f, bool *moved)
{
    bool container = p < s->scan.end && (*p == '{' || *p == '[');
    const char *q = hg_js_skip(&s->scan, p);
    if (HG_UNLIKELY(!q)) return NULL;
    f->value = (hg_str_t){ p, (size_t)(q - p) };
    if (container) {
        const char *same = f->value.p, *now = tighten(s, &f->value);
        if (!now) return NULL;
        *moved |= now != same;
    }
    return q;
}

/* One member; p at its quote. */
static const char *read_member(hg_scratch_t *s, const char *p, hg_jobj_t *o, bool *blank)
{
    hg_jscan_t *j = &s->scan;
    hg_jfield_t f;
    const char *q = expect(j, p, '"', "a member name");
    if (!q || !(q = read_key(s, q, &f))) return NULL;
    const char *colon = hg_js_ws(j, q);
    *blank |= colon != q;
    if (!(q = expect(j, colon, ':', "':'"))) return NULL;
    const char *v = hg_js_ws(j, q);
    *blank |= v != q;
    q = read_value(s, v, &f, blank);
    if (!q) return NULL;
    if (HG_UNLIKELY((o->seen & shape(f.key)) != 0) && hg_jobj_find(o, f.key)) *blank = true;
    if (hg_jobj_set(o, s, f.key, f.name, f.value) < 0) return hg_js_memory(j, HG_ENOMEM);
    return q;
}

static const char *read_object(hg_scratch_t *s, const char *p, hg_jobj_t *o)
{
    hg_jscan_t *j = &s->scan;
    bool blank = false;
    const char *q = hg_js_ws(j, p + 1);
    blank |= q != p + 1;
    if (q < j->end && *q == '}') {
        o->edited = blank;
        return q + 1;
    }
    for (;;) {
        q = read_member(s, q, o, &blank);
        if (!q) return NULL;
        p = hg_js_ws(j, q);
        blank |= p != q;
        if (p < j->end && *p == '}') break;
        if (!(p = expect(j, p, ',', "',' or '}'"))) return NULL;
        q = hg_js_ws(j, p);
        blank |= p != q;
    }
    o->edited = blank;
    return p + 1;
}

int hg_jobj_read(hg_scratch_t *s, hg_str_t json, hg_str_t *text, hg_jobj_t **ret, hg_err_t *err)
{
    hg_jscan_t *j = hg_scratch_scan(s, json);
    const char *p = hg_js_ws(j, json.p), *q;
    hg_jobj_t *o = NULL;
    if (p < j->end && *p == '{') {
        o = hg_scratch_work(s, sizeof *o);
        if (!o) return hg_err_set(err, HG_ENOMEM, "out of memory while reading JSON");
        *o = (hg_jobj_t){ 0 };
        q = read_object(s, p, o);
    } else {
        q = hg_js_skip(j, p);
    }
    if (!q) return refused(s, json, err);
    const char *end = hg_js_ws(j, q);
    if (end < j->end) {
        hg_js_fail(j, HG_JE_SYNTAX, end, "something follows the value");
        return refused(s, json, err);
    }
    *text = (hg_str_t){ p, (size_t)(q - p) };
    if (o) o->text = *text;
    *ret = o;
    return 0;
}

int hg_json_compact(hg_scratch_t *s, hg_str_t json, hg_str_t *ret, hg_err_t *err)
{
    if (!may_have_blanks(json)) {
        *ret = json;
        return 0;
    }
    hg_buf_t *out = hg_scratch_out(s);
    hg_jscan_t *j = hg_scratch_scan(s, json);
    if (!hg_js_compact(j, hg_js_ws(j, json.p), out)) return refused(s, json, err);
    return hg_scratch_keep(s, ret) < 0 ? hg_err_set(err, HG_ENOMEM, "out of memory while reading JSON") : 0;
}

/* --- values --- */

bool hg_json_string(hg_scratch_t *s, hg_str_t value, hg_str_t *ret)
{
    if (value.n == 0 || value.p[0] != '"') return false;
    hg_jscan_t *j = hg_scratch_scan(s, value);
    return hg_js_string(j, value.p + 1, &j->tmp, ret) != NULL;
}

int hg_json_canonical(hg_scratch_t *s, hg_str_t value, hg_str_t *ret)
{
    if (!s->variant) s->variant = hg_variant_new();
    hg_buf_clear(&s->canon);
    int rc = hg_variant_parse(s->variant, value, &s->canon);
    if (rc == 0) *ret = hg_buf_str(&s->canon);
    return rc;
}

int hg_json_same(hg_scratch_t *s, hg_str_t value, hg_str_t canonical)
{
    hg_str_t c;
    if (hg_str_eq(value, canonical)) return 1;
    if (value.n == 0 || canonical.n == 0) return 0;
    bool number = value.p[0] == '-' || (value.p[0] >= '0' && value.p[0] <= '9');
    if (!number && value.p[0] != canonical.p[0]) return 0; /* of another kind */
    int rc = hg_json_canonical(s, value, &c);
    return rc < 0 ? rc : hg_str_eq(c, canonical);
}

/* --- writing --- */

/* Does b begin right behind a in one text, with a comma between? */
static bool adjoins(const hg_jfield_t *a, const hg_jfield_t *b, hg_str_t text)
{
    const char *end = a->value.p + a->value.n;
    return end > text.p && end < text.p + text.n && b->name.p == end + 1;
}

/* Is the value right behind its name in the text? */
static bool whole(const hg_jfield_t *f, hg_str_t text)
{
    const char *end = f->name.p + f->name.n;
    return f->name.p > text.p && end < text.p + text.n && f->value.p == end + 1;
}

static char *put(char *w, const char *p, size_t n)
{
    memcpy(w, p, n);
    return w + n;
}

int hg_jobj_text(hg_jobj_t *o, hg_scratch_t *s, hg_str_t *ret)
{
    if (!o->edited) {
        *ret = o->text;
        return 0;
    }
    size_t size = 2;
    for (uint32_t i = 0; i < o->n; i++) size += o->v[i].name.n + o->v[i].value.n + 2;
    char *at = hg_scratch_alloc(s, size), *w = at;
    if (!at) return HG_ENOMEM;
    *w++ = '{';
    for (uint32_t i = 0; i < o->n;) {
        if (i) *w++ = ',';
        const hg_jfield_t *f = &o->v[i++];
        if (!whole(f, o->text)) {
            w = put(w, f->name.p, f->name.n);
            *w++ = ':';
            w = put(w, f->value.p, f->value.n);
            continue;
        }
        const char *from = f->name.p;
        while (i < o->n && adjoins(f, &o->v[i], o->text) && whole(&o->v[i], o->text)) f = &o->v[i++];
        w = put(w, from, (size_t)(f->value.p + f->value.n - from));
    }
    *w++ = '}';
    *ret = (hg_str_t){ at, (size_t)(w - at) };
    return 0;
}
