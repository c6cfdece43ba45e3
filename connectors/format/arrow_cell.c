/* arrow_cell.c: see arrow_cell_int.h.
 *
 * A conversion knows what the array holds (`from`, with a width or a unit) and what the column is (`type`). Columns of
 * numbers with equal layouts, and text, are copied as a whole as far as there are no NULLs to look at; everything else
 * goes cell by cell. Numbers meet as 128-bit integers, times as 64-bit ones with an exact factor, so that nothing
 * passes through double but REAL and DOUBLE.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/format/arrow_cell_int.h"
#include "connectors/format/value_int.h"
#include "data/text.h"
#include "data/variant.h"
#include <math.h>

typedef enum {
    FROM_NULL,
    FROM_BOOL,
    FROM_INT,     /* width, is_unsigned */
    FROM_FLOAT,   /* width 4 or 8 */
    FROM_DECIMAL, /* width, scale */
    FROM_VAR,     /* width of offsets: 4 or 8 */
    FROM_VIEW,
    FROM_FIXED,  /* width bytes */
    FROM_MONTHS, /* int32 */
    FROM_DAYS,   /* int32 days, int32 milliseconds */
    FROM_LIST,   /* width of offsets, 0: `scale` elements each */
    FROM_STRUCT,
    FROM_MAP,
    FROM_DICT, /* width, is_unsigned of the index; child[0] converts the dictionary's value */
} from_t;

struct hg_acell {
    from_t from;
    const hg_type_t *type;
    uint32_t width;
    bool is_unsigned, text, same; /* same: equal layouts, no value can be out of range */
    int32_t scale;
    int64_t mul, div; /* times: value * mul / div, exactly */
    const hg_acell_t **child;
    int64_t *child_at; /* STRUCT: number of the array's child, -1: it has none */
    uint32_t n_child;
};

void hg_acell_ctx_init(hg_acell_ctx_t *x)
{
    x->variant = NULL;
    hg_buf_init(&x->aux, HG_BUF_NOMAX);
}

void hg_acell_ctx_release(hg_acell_ctx_t *x)
{
    hg_variant_free(x->variant);
    hg_buf_release(&x->aux);
}

/* --- compiling --- */

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Integer types by their letter: cC sS iI lL. */
static bool parse_int_format(const char *f, hg_acell_t *c)
{
    static const char letters[] = "cCsSiIlL";
    const char *at = f[0] && !f[1] ? strchr(letters, f[0]) : NULL;
    if (!at) return false;
    c->from = FROM_INT;
    c->width = 1u << ((at - letters) / 2);
    c->is_unsigned = (at - letters) % 2 != 0;
    return true;
}

static int64_t unit_of(char letter) /* per second */
{
    return letter == 's' ? 1 : letter == 'm' ? 1000 : letter == 'u' ? 1000000 : 1000000000;
}

/* Times: value in units of `per_second` to the column's unit. */
static void set_factor(hg_acell_t *c, int64_t per_second, int64_t want)
{
    c->mul = want >= per_second ? want / per_second : 1;
    c->div = want >= per_second ? 1 : per_second / want;
}

static bool parse_time_format(const char *f, hg_acell_t *c)
{
    hg_kind_t k = c->type->kind;
    c->from = FROM_INT;
    c->width = 8;
    c->mul = c->div = 1;
    if (strcmp(f, "tdD") == 0 && k == HG_T_DATE)
        c->width = 4;
    else if (strcmp(f, "tdm") == 0 && k == HG_T_DATE)
        c->div = INT64_C(86400000);
    else if (starts(f, "tt") && k == HG_T_TIME) {
        c->width = f[2] == 's' || f[2] == 'm' ? 4 : 8;
        set_factor(c, unit_of(f[2]), 1000000000);
    } else if (starts(f, "ts") && (k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ))
        set_factor(c, unit_of(f[2]), 1000000);
    else if (starts(f, "tD") && k == HG_T_INTERVAL)
        set_factor(c, unit_of(f[2]), 1000000);
    else if (strcmp(f, "tiM") == 0 && k == HG_T_INTERVAL_YM)
        c->from = FROM_MONTHS;
    else if (strcmp(f, "tiD") == 0 && k == HG_T_INTERVAL)
        c->from = FROM_DAYS;
    else
        return false;
    c->same = c->from == FROM_INT && c->mul == 1 && c->div == 1 && k != HG_T_TIME && k != HG_T_DATE;
    return true;
}

static bool parse_decimal_format(const char *f, hg_acell_t *c)
{
    int precision = 0, scale = 0, bits = 128;
    if (sscanf(f, "d:%d,%d,%d", &precision, &scale, &bits) < 2) return false;
    c->from = FROM_DECIMAL;
    c->width = (uint32_t)bits / 8;
    c->scale = scale;
    c->same = bits == 128 && scale == c->type->scale && precision <= c->type->precision;
    return true;
}

static bool parse_bytes_format(const char *f, hg_acell_t *c)
{
    c->text = f[0] == 'u' || f[0] == 'U' || strcmp(f, "vu") == 0;
    if (strcmp(f, "u") == 0 || strcmp(f, "z") == 0 || strcmp(f, "U") == 0 || strcmp(f, "Z") == 0) {
        c->from = FROM_VAR;
        c->width = f[0] == 'u' || f[0] == 'z' ? 4 : 8;
    } else if (strcmp(f, "vu") == 0 || strcmp(f, "vz") == 0) {
        c->from = FROM_VIEW;
    } else if (starts(f, "w:")) {
        c->from = FROM_FIXED;
        c->width = (uint32_t)strtoul(f + 2, NULL, 10);
    } else {
        return false;
    }
    return true;
}

static bool is_float_format(const char *f, hg_acell_t *c)
{
    if (strcmp(f, "f") != 0 && strcmp(f, "g") != 0) return false;
    c->from = FROM_FLOAT;
    c->width = f[0] == 'f' ? 4 : 8;
    return true;
}

static const char *arrow_name(const char *f)
{
    static const char *const names[][2] = {
        { "n", "null" },         { "b", "bool" },         { "c", "int8" },         { "C", "uint8" },
        { "s", "int16" },        { "S", "uint16" },       { "i", "int32" },        { "I", "uint32" },
        { "l", "int64" },        { "L", "uint64" },       { "e", "half float" },   { "f", "float" },
        { "g", "double" },       { "u", "string" },       { "U", "large string" }, { "z", "binary" },
        { "Z", "large binary" }, { "vu", "string view" }, { "vz", "binary view" }, { "+s", "struct" },
        { "+m", "map" },         { "+l", "list" },        { "+L", "large list" },
    };
    static const char *const groups[][2] = { { "d:", "decimal" },  { "w:", "fixed size binary" }, { "td", "date" },
                                             { "tt", "time" },     { "ts", "timestamp" },         { "tD", "duration" },
                                             { "ti", "interval" }, { "+w", "fixed size list" } };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (strcmp(f, names[i][0]) == 0) return names[i][1];
    for (size_t i = 0; i < HG_COUNT(groups); i++)
        if (starts(f, groups[i][0])) return groups[i][1];
    return f;
}

static int no_way(const struct ArrowSchema *s, const hg_type_t *t, hg_err_t *err)
{
    hg_buf_t name;
    hg_buf_init(&name, 256);
    hg_type_text(&name, t);
    hg_err_set(err, HG_EUNSUPPORTED, "Arrow type '%s' does not become %s", arrow_name(s->format),
               name.len ? name.p : hg_kind_name(t->kind));
    hg_buf_release(&name);
    return HG_EUNSUPPORTED;
}

static int new_children(hg_acell_t *c, struct ArrowSchema *const *s, const hg_type_t *const *t, uint32_t n,
                        hg_arena_t *a, hg_err_t *err)
{
    c->n_child = n;
    c->child = HG_ANEWN(a, const hg_acell_t *, n);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) rc = hg_acell_new(s[i], t[i], a, &c->child[i], err);
    return rc;
}

static int new_struct(hg_acell_t *c, const struct ArrowSchema *s, hg_arena_t *a, hg_err_t *err)
{
    const hg_type_t *t = c->type;
    c->from = FROM_STRUCT;
    c->n_child = t->n_fields;
    c->child = HG_ANEWN(a, const hg_acell_t *, HG_MAX(t->n_fields, 1u));
    c->child_at = HG_ANEWN(a, int64_t, HG_MAX(t->n_fields, 1u));
    int rc = 0;
    for (uint32_t i = 0; i < t->n_fields && rc == 0; i++) {
        const hg_field_t *f = &t->fields[i];
        c->child_at[i] = -1;
        for (int64_t k = 0; k < s->n_children; k++) {
            hg_str_t name = hg_strz(s->children[k]->name);
            if (f->case_sensitive ? hg_str_eq(name, f->name) : hg_str_ieq(name, f->name)) c->child_at[i] = k;
        }
        if (c->child_at[i] >= 0)
            rc = hg_acell_new(s->children[c->child_at[i]], f->type, a, &c->child[i], err);
        else if (!f->type->nullable)
            rc = hg_err_set(err, HG_EUNSUPPORTED, "missing field `" HG_SF "`", HG_SA(f->name));
    }
    return rc;
}

static int new_nested(hg_acell_t *c, const struct ArrowSchema *s, hg_arena_t *a, hg_err_t *err)
{
    const char *f = s->format;
    const hg_type_t *t = c->type;
    if (t->kind == HG_T_ROW && strcmp(f, "+s") == 0) return new_struct(c, s, a, err);
    if (t->kind == HG_T_MAP && strcmp(f, "+m") == 0 && s->n_children == 1 && s->children[0]->n_children == 2) {
        c->from = FROM_MAP;
        c->width = 4;
        return new_children(c, s->children[0]->children, (const hg_type_t *const[]){ t->key, t->elem }, 2, a, err);
    }
    bool list = strcmp(f, "+l") == 0 || strcmp(f, "+L") == 0 || starts(f, "+w:");
    if (t->kind != HG_T_ARRAY || !list || s->n_children != 1) return no_way(s, t, err);
    c->from = FROM_LIST;
    c->width = f[1] == 'l' ? 4 : f[1] == 'L' ? 8 : 0;
    c->scale = c->width ? 0 : (int32_t)strtol(f + 3, NULL, 10);
    return new_children(c, s->children, &t->elem, 1, a, err);
}

static bool new_scalar(hg_acell_t *c, const char *f)
{
    hg_kind_t k = c->type->kind;
    if (k == HG_T_BOOLEAN) {
        c->from = FROM_BOOL;
        return strcmp(f, "b") == 0;
    }
    if (hg_kind_is_integer(k)) {
        bool ok = parse_int_format(f, c);
        c->same = ok && c->width == hg_phys_width(hg_type_phys(c->type)) && c->is_unsigned == hg_kind_is_unsigned(k);
        return ok;
    }
    if (k == HG_T_REAL || k == HG_T_DOUBLE) {
        bool ok = is_float_format(f, c) || parse_int_format(f, c);
        c->same = ok && c->from == FROM_FLOAT && (c->width == 4) == (k == HG_T_REAL);
        return ok;
    }
    if (k == HG_T_DECIMAL) return parse_decimal_format(f, c) || parse_int_format(f, c);
    if (hg_kind_is_string(k) || k == HG_T_VARIANT) return parse_bytes_format(f, c) && c->text;
    if (hg_kind_is_bytes(k)) return parse_bytes_format(f, c);
    if (k == HG_T_UUID) return parse_bytes_format(f, c) && (c->text || (c->from == FROM_FIXED && c->width == 16));
    return f[0] == 't' && parse_time_format(f, c);
}

int hg_acell_new(const struct ArrowSchema *s, const hg_type_t *t, hg_arena_t *a, const hg_acell_t **ret, hg_err_t *err)
{
    hg_acell_t *c = HG_ANEW(a, hg_acell_t);
    *ret = c;
    c->type = t;
    if (strcmp(s->format, "n") == 0) {
        c->from = FROM_NULL;
        return t->nullable ? 0 : no_way(s, t, err);
    }
    if (s->dictionary) {
        if (!parse_int_format(s->format, c)) return no_way(s, t, err);
        c->from = FROM_DICT;
        return new_children(c, &(struct ArrowSchema *){ s->dictionary }, &t, 1, a, err);
    }
    if (t->kind == HG_T_ARRAY || t->kind == HG_T_MAP || t->kind == HG_T_ROW) return new_nested(c, s, a, err);
    return new_scalar(c, s->format) ? 0 : no_way(s, t, err);
}

/* --- values of arrays: i counts from the buffers' beginning, that is, with the array's offset --- */

static bool is_null(const struct ArrowArray *a, int64_t i)
{
    return a->null_count != 0 && a->n_buffers > 0 && a->buffers[0] && !hg_bit_get(a->buffers[0], (size_t)i);
}

static hg_i128 int_at(const hg_acell_t *c, const struct ArrowArray *a, int64_t i)
{
    const void *p = a->buffers[1];
    switch (c->width * 2 + c->is_unsigned) {
    case 2:
        return ((const int8_t *)p)[i];
    case 3:
        return ((const uint8_t *)p)[i];
    case 4:
        return ((const int16_t *)p)[i];
    case 5:
        return ((const uint16_t *)p)[i];
    case 8:
        return ((const int32_t *)p)[i];
    case 9:
        return ((const uint32_t *)p)[i];
    case 16:
        return ((const int64_t *)p)[i];
    default:
        return ((const uint64_t *)p)[i];
    }
}

/* Little-endian two's complement of 4 to 32 bytes. False: more than 128 bits. */
static bool decimal_at(const hg_acell_t *c, const struct ArrowArray *a, int64_t i, hg_i128 *ret)
{
    const uint8_t *p = (const uint8_t *)a->buffers[1] + (size_t)i * c->width;
    uint8_t sign = p[c->width - 1] & 0x80 ? 0xff : 0, v[16];
    memset(v, sign, sizeof v);
    memcpy(v, p, HG_MIN((size_t)c->width, sizeof v));
    for (uint32_t k = sizeof v; k < c->width; k++)
        if (p[k] != sign) return false;
    memcpy(ret, v, sizeof v);
    return c->width <= sizeof v || (v[15] & 0x80) == (sign & 0x80);
}

static int64_t offset_at(const hg_acell_t *c, const struct ArrowArray *a, int64_t i)
{
    if (!c->width) return i * c->scale;
    return c->width == 4 ? ((const int32_t *)a->buffers[1])[i] : ((const int64_t *)a->buffers[1])[i];
}

/* A string view: 4 bytes of length, then 12 bytes of text or, of longer ones, a prefix, a buffer and an offset. */
static hg_str_t view_at(const struct ArrowArray *a, int64_t i)
{
    const char *p = (const char *)a->buffers[1] + 16 * (size_t)i;
    int32_t w[4];
    memcpy(w, p, sizeof w);
    if (w[0] <= 12) return (hg_str_t){ p + 4, (size_t)w[0] };
    return (hg_str_t){ (const char *)a->buffers[2 + w[2]] + w[3], (size_t)w[0] };
}

static hg_str_t bytes_at(const hg_acell_t *c, const struct ArrowArray *a, int64_t i)
{
    if (c->from == FROM_VIEW) return view_at(a, i);
    if (c->from == FROM_FIXED) return (hg_str_t){ (const char *)a->buffers[1] + (size_t)i * c->width, c->width };
    int64_t at = offset_at(c, a, i);
    return (hg_str_t){ (const char *)a->buffers[2] + at, (size_t)(offset_at(c, a, i + 1) - at) };
}

/* --- one cell --- */

static int bad(const hg_acell_t *c, int rc, hg_err_t *err, const char *fmt, ...) HG_PRINTF(4, 5);
static int bad(const hg_acell_t *c, int rc, hg_err_t *err, const char *fmt, ...)
{
    char value[128];
    hg_buf_t name;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    hg_buf_init(&name, 256);
    hg_type_text(&name, c->type);
    hg_err_set(err, rc, "%s is %s %s", value, rc == HG_ERANGE ? "out of range for type" : "not a value of type",
               name.len ? name.p : hg_kind_name(c->type->kind));
    hg_buf_release(&name);
    return rc;
}

static int put_int(const hg_acell_t *c, hg_i128 v, hg_colb_t *b, hg_err_t *err)
{
    char t[HG_DEC_TEXT];
    int rc = 0;
    if (hg_value_put_int(b, v < 0, (uint64_t)(v < 0 ? -v : v), &rc)) return rc;
    size_t n = hg_dec_print(t, v, 0, false);
    return bad(c, HG_ERANGE, err, "%.*s", (int)n, t);
}

static int put_decimal(const hg_acell_t *c, hg_i128 v, int32_t scale, hg_colb_t *b, hg_err_t *err)
{
    char t[HG_DEC_TEXT];
    hg_i128 r = v;
    int32_t up = c->type->scale - scale;
    bool fits = up <= 38 && up >= -38, exact = true;
    if (fits && up >= 0) fits = !__builtin_mul_overflow(v, hg_pow10(up), &r);
    if (fits && up < 0) {
        exact = v % hg_pow10(-up) == 0;
        r = v / hg_pow10(-up);
    }
    hg_i128 limit = hg_pow10(c->type->precision);
    if (fits && exact && r < limit && r > -limit) return hg_colb_i128(b, r);
    size_t n = scale >= 0 && scale <= 38 ? hg_dec_print(t, v, scale, false) : 0;
    return bad(c, exact ? HG_ERANGE : HG_EPARSE, err, "%.*s", (int)n, t);
}

static int put_float(const hg_acell_t *c, const struct ArrowArray *a, int64_t i, hg_colb_t *b, hg_err_t *err)
{
    bool real = c->type->kind == HG_T_REAL;
    if (c->from == FROM_INT) {
        hg_i128 v = int_at(c, a, i), most = (hg_i128)1 << (real ? 24 : 53);
        if (v > most || v < -most) return bad(c, HG_EPARSE, err, "an integer of more than %d bits", real ? 24 : 53);
        return real ? hg_colb_f32(b, (float)v) : hg_colb_f64(b, (double)v);
    }
    if (c->width == 4) {
        float v = ((const float *)a->buffers[1])[i];
        return real ? hg_colb_f32(b, v) : hg_colb_f64(b, (double)v);
    }
    double v = ((const double *)a->buffers[1])[i];
    if (!real) return hg_colb_f64(b, v);
    if (isfinite(v) && isinf((float)v)) return bad(c, HG_ERANGE, err, "%g", v);
    return hg_colb_f32(b, (float)v);
}

static int put_time(const hg_acell_t *c, const struct ArrowArray *a, int64_t i, hg_colb_t *b, hg_err_t *err)
{
    int64_t v = (int64_t)int_at(c, a, i), r;
    if (v % c->div) return bad(c, HG_EPARSE, err, "%" PRId64 " (too fine a unit)", v);
    bool fits = !__builtin_mul_overflow(v / c->div, c->mul, &r);
    if (c->type->kind == HG_T_TIME) fits = fits && r >= 0 && r < INT64_C(86400000000000);
    if (c->type->kind == HG_T_DATE) fits = fits && r >= INT32_MIN && r <= INT32_MAX;
    if (!fits) return bad(c, HG_ERANGE, err, "%" PRId64, v);
    return c->type->kind == HG_T_DATE ? hg_colb_i32(b, (int32_t)r) : hg_colb_i64(b, r);
}

static int put_days(const struct ArrowArray *a, int64_t i, hg_colb_t *b)
{
    const int32_t *v = (const int32_t *)a->buffers[1] + 2 * i;
    return hg_colb_i64(b, ((int64_t)v[0] * 86400000 + v[1]) * 1000);
}

static int put_bytes(const hg_acell_t *c, hg_acell_ctx_t *x, hg_str_t v, hg_colb_t *b, hg_err_t *err)
{
    uint8_t id[16];
    hg_kind_t k = c->type->kind;
    int cut = (int)HG_MIN(v.n, (size_t)60);
    if (k == HG_T_UUID && !c->text) return hg_colb_fixed(b, v.p);
    if (k == HG_T_UUID)
        return hg_uuid_parse(v, id) < 0 ? bad(c, HG_EPARSE, err, "'%.*s'", cut, v.p) : hg_colb_fixed(b, id);
    if (c->text && !hg_kind_is_bytes(k) && !hg_utf8_valid(v.p, v.n))
        return hg_err_set(err, HG_EPARSE, "the text is not valid UTF-8");
    if (k != HG_T_VARIANT) return hg_colb_var(b, v.p, v.n);
    if (!x->variant) x->variant = hg_variant_new();
    hg_buf_clear(&x->aux);
    int rc = hg_variant_parse(x->variant, v, &x->aux);
    if (rc == HG_ENOMEM || rc == HG_ETOOBIG) return rc;
    return rc < 0 ? bad(c, HG_EPARSE, err, "'%.*s'", cut, v.p) : hg_colb_var(b, x->aux.p, x->aux.len);
}

static int put_list(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t i, hg_colb_t *b,
                    hg_err_t *err)
{
    bool map = c->from == FROM_MAP;
    int64_t at = offset_at(c, a, i), n = offset_at(c, a, i + 1) - at, done;
    const struct ArrowArray *in = a->children[0];
    if (map) at += in->offset; /* of the entries; their children have offsets of their own */
    int rc = 0;
    for (uint32_t k = 0; k < c->n_child && rc == 0; k++)
        rc = hg_acell_read(c->child[k], x, map ? in->children[k] : in, at, n, &b->child[k], &done, err);
    return rc < 0 ? rc : map ? hg_colb_close_map(b) : hg_colb_close_list(b);
}

static int put_struct(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t i, hg_colb_t *b,
                      hg_err_t *err)
{
    int64_t done;
    int rc = 0;
    for (uint32_t k = 0; k < c->n_child && rc == 0; k++)
        rc = c->child_at[k] < 0
                 ? hg_colb_null(&b->child[k])
                 : hg_acell_read(c->child[k], x, a->children[c->child_at[k]], i, 1, &b->child[k], &done, err);
    return rc < 0 ? rc : hg_colb_close_struct(b);
}

static int put_null(const hg_acell_t *c, hg_colb_t *b, hg_err_t *err)
{
    if (c->type->nullable) return hg_colb_null(b);
    hg_buf_t name;
    hg_buf_init(&name, 256);
    hg_type_text(&name, c->type);
    hg_err_set(err, HG_EINVAL, "invalid type: null, expected %s", name.len ? name.p : hg_kind_name(c->type->kind));
    hg_buf_release(&name);
    return HG_EINVAL;
}

static int put_from_dict(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t i, hg_colb_t *b,
                         hg_err_t *err)
{
    int64_t at = (int64_t)int_at(c, a, i), done;
    if (at < 0 || at >= a->dictionary->length)
        return hg_err_set(err, HG_EPARSE, "an index is outside of the dictionary");
    return hg_acell_read(c->child[0], x, a->dictionary, at, 1, b, &done, err);
}

static int put_cell(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t i, hg_colb_t *b,
                    hg_err_t *err)
{
    hg_i128 v;
    if (c->from == FROM_NULL || is_null(a, i)) return put_null(c, b, err);
    switch (c->from) {
    case FROM_BOOL:
        return hg_colb_bool(b, hg_bit_get(a->buffers[1], (size_t)i));
    case FROM_INT:
    case FROM_FLOAT:
        if (hg_kind_is_integer(c->type->kind)) return put_int(c, int_at(c, a, i), b, err);
        if (c->type->kind == HG_T_DECIMAL) return put_decimal(c, int_at(c, a, i), 0, b, err);
        if (c->mul) return put_time(c, a, i, b, err);
        return put_float(c, a, i, b, err);
    case FROM_DECIMAL:
        if (!decimal_at(c, a, i, &v)) return bad(c, HG_ERANGE, err, "a number of more than 38 digits");
        return put_decimal(c, v, c->scale, b, err);
    case FROM_VAR:
    case FROM_VIEW:
    case FROM_FIXED:
        return put_bytes(c, x, bytes_at(c, a, i), b, err);
    case FROM_MONTHS:
        return hg_colb_i32(b, ((const int32_t *)a->buffers[1])[i]);
    case FROM_DAYS:
        return put_days(a, i, b);
    case FROM_LIST:
    case FROM_MAP:
        return put_list(c, x, a, i, b, err);
    case FROM_STRUCT:
        return put_struct(c, x, a, i, b, err);
    case FROM_DICT:
        return put_from_dict(c, x, a, i, b, err);
    case FROM_NULL:
    default:
        return HG_EBUG;
    }
}

/* --- many cells --- */

/* Cells [i, i + n) without NULLs, of equal layouts. */
static int put_block(const hg_acell_t *c, const struct ArrowArray *a, int64_t i, int64_t n, hg_colb_t *b)
{
    size_t width = hg_phys_width(b->phys);
    int rc = hg_colb_reserve(b, (uint32_t)n, 0);
    if (rc < 0) return rc;
    memcpy((char *)b->data + b->len * width, (const char *)a->buffers[1] + (size_t)i * width, (size_t)n * width);
    for (uint32_t k = b->len; b->validity && k < b->len + (uint32_t)n; k++) hg_bit_set(b->validity, k);
    b->len += (uint32_t)n;
    (void)c;
    return 0;
}

static int64_t run_without_nulls(const struct ArrowArray *a, int64_t i, int64_t n)
{
    int64_t k = 0;
    if (a->null_count == 0 || !a->buffers[0]) return n;
    while (k < n && !is_null(a, i + k)) k++;
    return k;
}

int hg_acell_read(const hg_acell_t *c, hg_acell_ctx_t *x, const struct ArrowArray *a, int64_t from, int64_t n,
                  hg_colb_t *b, int64_t *done, hg_err_t *err)
{
    int rc = 0;
    *done = 0;
    for (int64_t i = from + a->offset; *done < n && rc == 0;) {
        int64_t run = c->same ? run_without_nulls(a, i, n - *done) : 0;
        uint32_t len = b->len;
        rc = run ? put_block(c, a, i, run, b) : put_cell(c, x, a, i, b, err);
        if (rc < 0) hg_colb_truncate(b, len);
        if (rc < 0) break;
        i += run ? run : 1;
        *done += run ? run : 1;
    }
    if ((rc == HG_ENOMEM || rc == HG_ETOOBIG) && !err->code)
        hg_err_set(err, (hg_code_t)rc,
                   rc == HG_ETOOBIG ? "a column of one chunk would hold more than 2 GiB" : "out of memory for columns");
    return rc;
}
