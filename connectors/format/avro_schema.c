/* avro_schema.c: the text of an Avro schema → a tree; see avro_schema.h. Cold path: runs once per schema. */
#include "base/hg.h"
#include "connectors/format/avro_schema.h"

/* --- words --- */

#define X(kind, name, min) { name, min },
static const struct {
    const char *name;
    uint32_t min;
} kinds[] = { HG_AVRO_KINDS(X) };
#undef X

const char *hg_avro_kind_name(hg_avkind_t k)
{
    return kinds[k].name;
}

static const struct {
    const char *name;
    hg_avkind_t on;
    hg_avmean_t mean;
} logical[] = {
    { "decimal", HG_AV_BYTES, HG_AM_DECIMAL },
    { "decimal", HG_AV_FIXED, HG_AM_DECIMAL },
    { "uuid", HG_AV_STRING, HG_AM_UUID },
    { "uuid", HG_AV_FIXED, HG_AM_UUID },
    { "date", HG_AV_INT, HG_AM_DATE },
    { "time-millis", HG_AV_INT, HG_AM_TIME_MS },
    { "time-micros", HG_AV_LONG, HG_AM_TIME_US },
    { "timestamp-millis", HG_AV_LONG, HG_AM_TS_MS },
    { "timestamp-micros", HG_AV_LONG, HG_AM_TS_US },
    { "timestamp-nanos", HG_AV_LONG, HG_AM_TS_NS },
    { "local-timestamp-millis", HG_AV_LONG, HG_AM_TS_MS },
    { "local-timestamp-micros", HG_AV_LONG, HG_AM_TS_US },
    { "local-timestamp-nanos", HG_AV_LONG, HG_AM_TS_NS },
    { "duration", HG_AV_FIXED, HG_AM_DURATION },
};

static const struct {
    const char *name;
    hg_avkind_t on;
    hg_avmean_t mean;
} connect[] = {
    { "io.debezium.time.Date", HG_AV_INT, HG_AM_DATE },
    { "io.debezium.time.Time", HG_AV_INT, HG_AM_TIME_MS },
    { "io.debezium.time.MicroTime", HG_AV_LONG, HG_AM_TIME_US },
    { "io.debezium.time.NanoTime", HG_AV_LONG, HG_AM_TIME_NS },
    { "io.debezium.time.ZonedTime", HG_AV_STRING, HG_AM_TIME_TEXT },
    { "io.debezium.time.Timestamp", HG_AV_LONG, HG_AM_TS_MS },
    { "io.debezium.time.MicroTimestamp", HG_AV_LONG, HG_AM_TS_US },
    { "io.debezium.time.NanoTimestamp", HG_AV_LONG, HG_AM_TS_NS },
    { "io.debezium.time.ZonedTimestamp", HG_AV_STRING, HG_AM_TS_TEXT },
    { "io.debezium.data.VariableScaleDecimal", HG_AV_RECORD, HG_AM_VAR_DECIMAL },
    { "org.apache.kafka.connect.data.Date", HG_AV_INT, HG_AM_DATE },
    { "org.apache.kafka.connect.data.Time", HG_AV_INT, HG_AM_TIME_MS },
    { "org.apache.kafka.connect.data.Timestamp", HG_AV_LONG, HG_AM_TS_MS },
};

bool hg_avro_is_name(hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.n > 0;
}

void hg_avro_text(hg_buf_t *out, const hg_avro_t *t)
{
    if (t->kind == HG_AV_UNION) {
        for (uint32_t i = 0; i < t->n; i++) {
            (void)hg_buf_adds(out, i ? ", " : "[");
            hg_avro_text(out, t->of[i]); /* no union stands in a union */
        }
        (void)hg_buf_adds(out, t->n ? "]" : "[]");
        return;
    }
    (void)hg_buf_adds(out, kinds[t->kind].name);
    if (t->name.n) (void)hg_buf_addf(out, " " HG_SF, HG_SA(t->name));
    if (t->mean == HG_AM_DECIMAL)
        (void)hg_buf_addf(out, " (decimal(%d, %d))", t->precision, t->scale);
    else if (t->mean_name)
        (void)hg_buf_addf(out, " (%s)", t->mean_name);
}

/* --- reading --- */

typedef struct reader {
    hg_avro_names_t *names;
    const hg_json_t *top;
    hg_err_t *err;
} reader_t;

static int wrong(const reader_t *r, const hg_json_t *at, const char *fmt, ...) HG_PRINTF(3, 4);
static int wrong(const reader_t *r, const hg_json_t *at, const char *fmt, ...)
{
    char what[320], path[160] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    hg_json_path(at, r->top, path, sizeof path);
    return hg_err_set(r->err, HG_EPARSE, "%s%s%s%s", what, path[0] ? " (at " : "", path, path[0] ? ")" : "");
}

static const hg_avro_t *find(const hg_avro_names_t *names, hg_str_t name)
{
    for (uint32_t i = 0; i < names->n; i++)
        if (hg_str_eq(names->v[i]->name, name)) return names->v[i];
    return NULL;
}

static int read_type(reader_t *r, const hg_json_t *v, hg_str_t space, const hg_avro_t **ret);

static int primitive(hg_str_t name)
{
    for (int k = HG_AV_NULL; k <= HG_AV_STRING; k++)
        if (hg_str_eqz(name, kinds[k].name)) return k;
    return -1;
}

static hg_avro_t *make(reader_t *r, hg_avkind_t k)
{
    hg_avro_t *t = HG_ANEW(r->names->arena, hg_avro_t);
    t->kind = k;
    t->min = kinds[k].min;
    return t;
}

static hg_str_t joined(reader_t *r, hg_str_t space, hg_str_t name)
{
    if (!space.n || memchr(name.p, '.', name.n)) return hg_arena_str(r->names->arena, name);
    return hg_strz(hg_arena_printf(r->names->arena, HG_SF "." HG_SF, HG_SA(space), HG_SA(name)));
}

/* A type by its name: a primitive, or one that was defined before. */
static int read_name(reader_t *r, const hg_json_t *v, hg_str_t space, const hg_avro_t **ret)
{
    int k = primitive(v->str);
    if (k >= 0) {
        *ret = make(r, (hg_avkind_t)k);
        return 0;
    }
    const hg_avro_t *t = v->str.n ? find(r->names, joined(r, space, v->str)) : NULL;
    if (!t && v->str.n) t = find(r->names, v->str);
    if (!t)
        return wrong(r, v,
                     "type '%.*s' is not defined: expected a primitive type or the name of a type that is defined "
                     "before, here or in a reference",
                     (int)HG_MIN(v->str.n, (size_t)120), v->str.p);
    *ret = t;
    return 0;
}

static int read_union(reader_t *r, const hg_json_t *v, hg_str_t space, const hg_avro_t **ret)
{
    hg_avro_t *t = make(r, HG_AV_UNION);
    const hg_avro_t **of = HG_ANEWN(r->names->arena, const hg_avro_t *, v->n + 1);
    t->of = of;
    for (const hg_json_t *m = v->child; m; m = m->next) {
        int rc = read_type(r, m, space, &of[t->n]);
        if (rc < 0) return rc;
        if (of[t->n]->kind == HG_AV_UNION) return wrong(r, m, "a union cannot stand directly in a union");
        t->n++;
    }
    if (!t->n) return wrong(r, v, "a union needs at least one type");
    *ret = t;
    return 0;
}

/* name and namespace of a record, an enum or a fixed; *space becomes the one that holds inside. */
static int define(reader_t *r, const hg_json_t *v, hg_avro_t *t, hg_str_t *space)
{
    const hg_json_t *name = hg_json_get(v, "name"), *ns = hg_json_get(v, "namespace");
    if (!name || name->kind != HG_J_STRING)
        return wrong(r, name ? name : v, "a type '%s' needs a name, a string", kinds[t->kind].name);
    if (ns && ns->kind == HG_J_STRING) *space = ns->str;
    t->name = joined(r, *space, name->str);
    const char *dot = memrchr(t->name.p, '.', t->name.n);
    *space = (hg_str_t){ t->name.p, dot ? (size_t)(dot - t->name.p) : 0 };
    for (hg_str_t rest = t->name; rest.p;) {
        const char *end = memchr(rest.p, '.', rest.n);
        hg_str_t part = { rest.p, end ? (size_t)(end - rest.p) : rest.n };
        if (!hg_avro_is_name(part))
            return wrong(r, name, "'%.*s' is no name: letters, digits and _, no digit first",
                         (int)HG_MIN(t->name.n, (size_t)120), t->name.p);
        rest = (hg_str_t){ end ? end + 1 : NULL, end ? rest.n - part.n - 1 : 0 };
    }
    if (primitive(t->name) >= 0 || find(r->names, t->name))
        return wrong(r, name, "type '%.*s' is defined twice", (int)HG_MIN(t->name.n, (size_t)120), t->name.p);
    HG_APUSH(r->names->arena, r->names->v, r->names->n, t);
    return 0;
}

static int read_record(reader_t *r, const hg_json_t *v, hg_avro_t *t, hg_str_t space)
{
    const hg_json_t *fields = hg_json_get(v, "fields");
    if (!fields || fields->kind != HG_J_ARRAY)
        return wrong(r, fields ? fields : v, "a record needs \"fields\", a list");
    hg_avro_field_t *f = HG_ANEWN(r->names->arena, hg_avro_field_t, fields->n + 1);
    uint64_t min = 0;
    t->fields = f;
    for (const hg_json_t *m = fields->child; m; m = m->next, f++) {
        const hg_json_t *name = hg_json_get(m, "name"), *type = hg_json_get(m, "type");
        if (!name || name->kind != HG_J_STRING || !name->str.n || !type)
            return wrong(r, m, "a field needs \"name\", a string, and \"type\"");
        f->name = hg_arena_str(r->names->arena, name->str);
        int rc = read_type(r, type, space, &f->type);
        if (rc < 0) return rc;
        min += f->type->min;
        t->n++;
    }
    t->min = (uint32_t)HG_MIN(min, (uint64_t)UINT32_MAX);
    return 0;
}

static int read_enum(reader_t *r, const hg_json_t *v, hg_avro_t *t)
{
    const hg_json_t *symbols = hg_json_get(v, "symbols");
    if (!symbols || symbols->kind != HG_J_ARRAY || !symbols->n)
        return wrong(r, symbols ? symbols : v, "an enum needs \"symbols\", a list of strings");
    hg_str_t *s = HG_ANEWN(r->names->arena, hg_str_t, symbols->n);
    t->symbols = s;
    for (const hg_json_t *m = symbols->child; m; m = m->next) {
        if (m->kind != HG_J_STRING) return wrong(r, m, "a symbol of an enum must be a string");
        s[t->n++] = hg_arena_str(r->names->arena, m->str);
    }
    return 0;
}

static int read_fixed(reader_t *r, const hg_json_t *v, hg_avro_t *t)
{
    const hg_json_t *size = hg_json_get(v, "size");
    uint64_t n = 0;
    if (!size || hg_json_u64(size, &n) < 0 || n > INT32_MAX)
        return wrong(r, size ? size : v, "a fixed needs \"size\", a number of bytes");
    t->size = t->min = (uint32_t)n;
    return 0;
}

/* 10^precision has to fit the bytes of a fixed; 38 digits are what a column can have. */
static bool set_decimal(hg_avro_t *t, const hg_json_t *v)
{
    static const uint8_t digits[] = { 0, 2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38 };
    uint64_t p = 0, s = 0;
    const hg_json_t *scale = hg_json_get(v, "scale"), *precision = hg_json_get(v, "precision");
    if (!precision || hg_json_u64(precision, &p) < 0 || p < 1 || p > INT32_MAX) return false;
    if (scale && (hg_json_u64(scale, &s) < 0 || s > p)) return false;
    if (t->kind == HG_AV_FIXED && t->size < HG_COUNT(digits) && p > digits[t->size]) return false;
    t->precision = (int32_t)p;
    t->scale = (int32_t)s;
    return true;
}

static bool suits(hg_avro_t *t, hg_avmean_t m, const hg_json_t *v)
{
    if (m == HG_AM_DECIMAL) return set_decimal(t, v);
    if (m == HG_AM_UUID) return t->kind != HG_AV_FIXED || t->size == 16;
    if (m == HG_AM_DURATION) return t->size == 12;
    if (m == HG_AM_VAR_DECIMAL)
        return t->n == 2 && hg_str_eqz(t->fields[0].name, "scale") && t->fields[0].type->kind == HG_AV_INT &&
               hg_str_eqz(t->fields[1].name, "value") && t->fields[1].type->kind == HG_AV_BYTES;
    return true;
}

static void annotate(hg_avro_t *t, const hg_json_t *v)
{
    const char *l = hg_json_str(hg_json_get(v, "logicalType"), ""),
               *c = hg_json_str(hg_json_get(v, "connect.name"), "");
    for (size_t i = 0; i < HG_COUNT(logical); i++)
        if (t->kind == logical[i].on && strcmp(l, logical[i].name) == 0 && suits(t, logical[i].mean, v)) {
            t->mean = logical[i].mean;
            t->mean_name = logical[i].name;
            return;
        }
    for (size_t i = 0; i < HG_COUNT(connect); i++)
        if (t->kind == connect[i].on && strcmp(c, connect[i].name) == 0 && suits(t, connect[i].mean, v)) {
            t->mean = connect[i].mean;
            t->mean_name = connect[i].name;
            return;
        }
}

static int read_part(reader_t *r, const hg_json_t *v, const char *member, hg_avro_t *t, hg_str_t space)
{
    const hg_json_t *of = hg_json_get(v, member);
    const hg_avro_t **at = HG_ANEW(r->names->arena, const hg_avro_t *);
    if (!of) return wrong(r, v, "a type '%s' needs \"%s\", a type", kinds[t->kind].name, member);
    t->of = at;
    return read_type(r, of, space, at);
}

static int read_object(reader_t *r, const hg_json_t *v, hg_str_t space, const hg_avro_t **ret)
{
    const hg_json_t *type = hg_json_get(v, "type");
    if (!type) return wrong(r, v, "a schema that is an object needs \"type\"");
    if (type->kind != HG_J_STRING) return read_type(r, type, space, ret); /* {"type": {"type": …}} */
    int k = primitive(type->str), rc = 0;
    for (int i = HG_AV_FIXED; i <= HG_AV_RECORD && k < 0; i++)
        if (hg_str_eqz(type->str, kinds[i].name)) k = i;
    if (k < 0) return read_name(r, type, space, ret);
    hg_avro_t *t = make(r, (hg_avkind_t)k);
    if (k == HG_AV_FIXED || k == HG_AV_ENUM || k == HG_AV_RECORD) rc = define(r, v, t, &space);
    if (rc == 0 && k == HG_AV_FIXED) rc = read_fixed(r, v, t);
    if (rc == 0 && k == HG_AV_ENUM) rc = read_enum(r, v, t);
    if (rc == 0 && k == HG_AV_RECORD) rc = read_record(r, v, t, space);
    if (rc == 0 && k == HG_AV_ARRAY) rc = read_part(r, v, "items", t, space);
    if (rc == 0 && k == HG_AV_MAP) rc = read_part(r, v, "values", t, space);
    if (rc < 0) return rc;
    annotate(t, v);
    *ret = t;
    return 0;
}

static int read_type(reader_t *r, const hg_json_t *v, hg_str_t space, const hg_avro_t **ret)
{
    switch (v->kind) {
    case HG_J_STRING:
        return read_name(r, v, space, ret);
    case HG_J_ARRAY:
        return read_union(r, v, space, ret);
    case HG_J_OBJECT:
        return read_object(r, v, space, ret);
    case HG_J_NULL:
    case HG_J_FALSE:
    case HG_J_TRUE:
    case HG_J_NUMBER:
        break;
    }
    return wrong(r, v, "a schema cannot be %s: expected a string, a list or an object", hg_json_kind_name(v->kind));
}

int hg_avro_parse(hg_avro_names_t *names, hg_str_t text, const hg_avro_t **ret, hg_err_t *err)
{
    hg_json_t *top = NULL;
    if (text.n > HG_AVRO_MAX_SCHEMA)
        return hg_err_set(err, HG_EPARSE, "a schema of %zu bytes is longer than the %zu that are accepted", text.n,
                          HG_AVRO_MAX_SCHEMA);
    int rc = hg_json_parse(names->arena, text, &top, err);
    if (rc < 0) {
        err->pos = (hg_pos_t){ 0 }; /* the message has it; it is no place in the program */
        return rc;
    }
    reader_t r = { .names = names, .top = top, .err = err };
    return read_type(&r, top, (hg_str_t){ "", 0 }, ret);
}
