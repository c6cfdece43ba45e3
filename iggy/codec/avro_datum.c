/* avro_datum.c: JSON text → a datum, as Iggy does it: fields by name, one that is missing is null, of a union the first
 * branch that takes the value. Numbers are read from their digits.
 *
 * A branch is tried by writing it; what it wrote before it failed is cut off. Schemas that nest unions could make that
 * explode, so a message has a budget of values that are looked at.
 */
#include "base/hg.h"
#include "connectors/format/avro_scan.h"
#include "data/text.h"
#include "iggy/codec/avro.h"
#include "iggy/codec/jobj.h"
#include "iggy/codec/scratch_int.h"

typedef struct {
    hg_scratch_t *s;
    hg_buf_t *out;
    uint64_t budget;
    uint32_t depth;
    hg_str_t field;
    hg_err_t *err;
} put_t;

static int value(put_t *p, const hg_avro_t *t, hg_str_t v);

static int misfit(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_buf_t want;
    char what[64];
    hg_buf_init(&want, 160);
    hg_avro_text(&want, t);
    hg_js_what(hg_scratch_scan(p->s, v), v.p, what);
    hg_err_set(p->err, HG_EINVAL, "%s%.*s%sthe Avro schema wants %s, found %s", p->field.n ? "field '" : "",
               (int)p->field.n, p->field.p, p->field.n ? "': " : "", want.p, what);
    hg_buf_release(&want);
    return HG_EINVAL;
}

static int nomem(put_t *p)
{
    return hg_err_set(p->err, HG_ENOMEM, "out of memory while writing Avro");
}

static int done(put_t *p, int rc)
{
    return rc < 0 ? nomem(p) : 0;
}

static int put_long(put_t *p, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
    char b[10];
    size_t n = 0;
    for (; z > 127; z >>= 7) b[n++] = (char)((z & 127) | 128);
    b[n++] = (char)z;
    return done(p, hg_buf_add(p->out, b, n));
}

static int put_bytes(put_t *p, hg_str_t v)
{
    int rc = put_long(p, (int64_t)v.n);
    return rc < 0 ? rc : done(p, hg_buf_addstr(p->out, v));
}

/* The text of a JSON string, until the next one is decoded. */
static int string(put_t *p, const hg_avro_t *t, hg_str_t v, hg_str_t *ret)
{
    if (v.n == 0 || v.p[0] != '"') return misfit(p, t, v);
    hg_jscan_t *j = hg_scratch_scan(p->s, v);
    return hg_js_string(j, v.p + 1, &j->tmp, ret) ? 0 : nomem(p); /* it was checked when it came */
}

static int whole(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    int64_t i;
    if (hg_str_i64(v, &i) < 0 || (t->kind == HG_AV_INT && (i < INT32_MIN || i > INT32_MAX))) return misfit(p, t, v);
    return put_long(p, i);
}

static int real(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    float f;
    double d;
    if (v.n == 0 || (v.p[0] != '-' && (v.p[0] < '0' || v.p[0] > '9'))) return misfit(p, t, v);
    if (t->kind == HG_AV_FLOAT) {
        if (hg_f32_parse(v, &f) < 0) return misfit(p, t, v);
        return done(p, hg_buf_add(p->out, &f, 4));
    }
    if (hg_f64_parse(v, &d) < 0) return misfit(p, t, v);
    return done(p, hg_buf_add(p->out, &d, 8));
}

static int null_or_bool(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    if (t->kind == HG_AV_NULL) return hg_str_eqz(v, "null") ? 0 : misfit(p, t, v);
    bool yes = hg_str_eqz(v, "true");
    if (!yes && !hg_str_eqz(v, "false")) return misfit(p, t, v);
    return done(p, hg_buf_addc(p->out, yes));
}

/* --- arrays: the elements of a text --- */

typedef struct {
    const char *p;
    hg_jscan_t *j;
} walk_t;

/* The next element; false: there is none. v is a checked array's text. */
static bool next(walk_t *w, hg_scratch_t *s, hg_str_t v, hg_str_t *ret)
{
    w->j = hg_scratch_scan(s, v);
    if (!w->p) w->p = v.p + 1;
    w->p = hg_js_ws(w->j, w->p);
    if (w->p >= w->j->end || *w->p == ']') return false;
    if (*w->p == ',') w->p = hg_js_ws(w->j, w->p + 1);
    const char *q = hg_js_skip(w->j, w->p);
    if (!q) return false;
    *ret = (hg_str_t){ w->p, (size_t)(q - w->p) };
    w->p = q;
    return true;
}

/* Of an array of 0…255: how many; or a negative code. to: where they go, NULL: counted. */
static int64_t octets(put_t *p, const hg_avro_t *t, hg_str_t v, hg_buf_t *to)
{
    walk_t w = { 0 };
    hg_str_t e;
    uint64_t u;
    int64_t n = 0;
    for (; next(&w, p->s, v, &e); n++) {
        if (hg_str_u64(e, &u) < 0 || u > 255) return misfit(p, t, e);
        if (to && hg_buf_addc(to, (char)u) < 0) return nomem(p);
    }
    return n;
}

static int bytes(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_str_t text;
    int rc;
    bool fixed = t->kind == HG_AV_FIXED;
    if (v.n && v.p[0] == '[') {
        int64_t n = octets(p, t, v, NULL);
        if (n < 0) return (int)n;
        if (fixed && n != t->size) return misfit(p, t, v);
        rc = fixed ? 0 : put_long(p, n);
        if (rc < 0) return rc;
        n = octets(p, t, v, p->out);
        return n < 0 ? (int)n : 0;
    }
    rc = string(p, t, v, &text);
    if (rc < 0) return rc;
    if (!fixed) return put_bytes(p, text);
    uint8_t id[16];
    if (t->mean == HG_AM_UUID && hg_uuid_parse(text, id) == 0) return done(p, hg_buf_add(p->out, id, sizeof id));
    return text.n == t->size ? done(p, hg_buf_addstr(p->out, text)) : misfit(p, t, v);
}

static int array(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    walk_t w = { 0 };
    hg_str_t e;
    int64_t n = 0;
    if (v.n == 0 || v.p[0] != '[') return misfit(p, t, v);
    while (next(&w, p->s, v, &e)) n++;
    int rc = n ? put_long(p, n) : 0;
    for (w.p = NULL; rc == 0 && next(&w, p->s, v, &e);) rc = value(p, t->of[0], e);
    return rc < 0 ? rc : done(p, hg_buf_addc(p->out, 0));
}

/* --- objects --- */

static int object(put_t *p, const hg_avro_t *t, hg_str_t v, hg_jobj_t **ret)
{
    hg_str_t text;
    if (v.n == 0 || v.p[0] != '{') return misfit(p, t, v);
    return hg_jobj_read(p->s, v, &text, ret, p->err);
}

static int map(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_jobj_t *o;
    int rc = object(p, t, v, &o);
    if (rc < 0) return rc;
    if (o->n) rc = put_long(p, o->n);
    for (uint32_t i = 0; i < o->n && rc == 0; i++) {
        rc = put_bytes(p, o->v[i].key);
        if (rc == 0) rc = value(p, t->of[0], o->v[i].value);
    }
    return rc < 0 ? rc : done(p, hg_buf_addc(p->out, 0));
}

static int record(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_jobj_t *o;
    int rc = object(p, t, v, &o);
    for (uint32_t i = 0; i < t->n && rc == 0; i++) {
        const hg_jfield_t *f = hg_jobj_find(o, t->fields[i].name);
        p->field = t->fields[i].name;
        rc = value(p, t->fields[i].type, f ? f->value : HG_S("null"));
    }
    return rc;
}

static int symbol(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_str_t word;
    int rc = string(p, t, v, &word);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < t->n; i++)
        if (hg_str_eq(word, t->symbols[i])) return put_long(p, i);
    return misfit(p, t, v);
}

/* The first branch that takes it. */
static int either(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    size_t begin = p->out->len;
    hg_str_t field = p->field;
    for (uint32_t i = 0; i < t->n; i++) {
        int rc = put_long(p, i);
        if (rc == 0) rc = value(p, t->of[i], v);
        if (rc == 0 || rc == HG_ENOMEM || rc == HG_ETOOBIG) return rc;
        p->out->len = begin;
        p->out->p[begin] = 0;
        p->field = field;
    }
    return misfit(p, t, v);
}

static int of_kind(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    hg_str_t text;
    int rc;
    switch (t->kind) {
    case HG_AV_RECORD:
        return record(p, t, v);
    case HG_AV_MAP:
        return map(p, t, v);
    case HG_AV_ARRAY:
        return array(p, t, v);
    case HG_AV_UNION:
        return either(p, t, v);
    case HG_AV_ENUM:
        return symbol(p, t, v);
    case HG_AV_INT:
    case HG_AV_LONG:
        return whole(p, t, v);
    case HG_AV_FLOAT:
    case HG_AV_DOUBLE:
        return real(p, t, v);
    case HG_AV_BYTES:
    case HG_AV_FIXED:
        return bytes(p, t, v);
    case HG_AV_STRING:
        rc = string(p, t, v, &text);
        return rc < 0 ? rc : put_bytes(p, text);
    case HG_AV_NULL:
    case HG_AV_BOOLEAN:
    case HG_AV_N:
    default:
        return null_or_bool(p, t, v);
    }
}

static int value(put_t *p, const hg_avro_t *t, hg_str_t v)
{
    if (p->depth == HG_AVRO_DEPTH || p->budget == 0)
        return hg_err_set(p->err, HG_ETOOBIG, "the Avro schema nests too deeply for this message");
    p->budget--;
    p->depth++;
    int rc = of_kind(p, t, v);
    p->depth--;
    return rc;
}

int hg_avro_from_json(const hg_avro_t *t, hg_scratch_t *s, hg_str_t json, hg_buf_t *out, hg_err_t *err)
{
    put_t p = { .s = s, .out = out, .budget = 100000 + (uint64_t)json.n * 16, .err = err };
    return value(&p, t, json);
}
