/* type.c: the table of SQL types, and types as JSON and as SQL text.
 *
 * Everything about a kind that can stand in a row comes from HG_KINDS. Types are immutable and shared, so nothing here
 * keeps state. */
#include "base/hg.h"
#include "data/type.h"

static const struct {
    const char *name;
    hg_phys_t phys;
} kinds[HG_T_N] = {
#define X(kind, json, layout) { json, layout },
    HG_KINDS(X)
#undef X
};

static const char *const unit_names[HG_IV_N] = {
#define X(u) #u,
    HG_INTERVAL_UNITS(X)
#undef X
};

hg_phys_t hg_type_phys(const hg_type_t *t)
{
    return kinds[t->kind].phys;
}

const char *hg_kind_name(hg_kind_t k)
{
    return kinds[k].name;
}

size_t hg_phys_width(hg_phys_t p)
{
    switch (p) {
    case HG_PHYS_I8:
    case HG_PHYS_U8:
        return 1;
    case HG_PHYS_I16:
    case HG_PHYS_U16:
        return 2;
    case HG_PHYS_I32:
    case HG_PHYS_U32:
    case HG_PHYS_F32:
        return 4;
    case HG_PHYS_I64:
    case HG_PHYS_U64:
    case HG_PHYS_F64:
        return 8;
    case HG_PHYS_I128:
    case HG_PHYS_FIX16:
        return 16;
    case HG_PHYS_NULL:
    case HG_PHYS_BIT:
    case HG_PHYS_VAR:
    case HG_PHYS_LIST:
    case HG_PHYS_MAP:
    case HG_PHYS_STRUCT:
        return 0;
    }
    return 0;
}

hg_shape_t hg_phys_shape(hg_phys_t p)
{
    static const uint8_t shapes[] = {
        [HG_PHYS_NULL] = HG_SHAPE_NULL, [HG_PHYS_BIT] = HG_SHAPE_BIT,    [HG_PHYS_I8] = HG_SHAPE_FIXED,
        [HG_PHYS_I16] = HG_SHAPE_FIXED, [HG_PHYS_I32] = HG_SHAPE_FIXED,  [HG_PHYS_I64] = HG_SHAPE_FIXED,
        [HG_PHYS_U8] = HG_SHAPE_FIXED,  [HG_PHYS_U16] = HG_SHAPE_FIXED,  [HG_PHYS_U32] = HG_SHAPE_FIXED,
        [HG_PHYS_U64] = HG_SHAPE_FIXED, [HG_PHYS_I128] = HG_SHAPE_FIXED, [HG_PHYS_F32] = HG_SHAPE_FIXED,
        [HG_PHYS_F64] = HG_SHAPE_FIXED, [HG_PHYS_VAR] = HG_SHAPE_VAR,    [HG_PHYS_FIX16] = HG_SHAPE_FIXED,
        [HG_PHYS_LIST] = HG_SHAPE_LIST, [HG_PHYS_MAP] = HG_SHAPE_LIST,   [HG_PHYS_STRUCT] = HG_SHAPE_STRUCT,
    };
    return (hg_shape_t)shapes[p];
}

bool hg_kind_is_integer(hg_kind_t k)
{
    return k >= HG_T_TINYINT && k <= HG_T_UBIGINT;
}
bool hg_kind_is_unsigned(hg_kind_t k)
{
    return k >= HG_T_UTINYINT && k <= HG_T_UBIGINT;
}
bool hg_kind_is_numeric(hg_kind_t k)
{
    return k >= HG_T_TINYINT && k <= HG_T_DOUBLE;
}
bool hg_kind_is_string(hg_kind_t k)
{
    return k == HG_T_CHAR || k == HG_T_VARCHAR;
}
bool hg_kind_is_bytes(hg_kind_t k)
{
    return k == HG_T_BINARY || k == HG_T_VARBINARY;
}

static bool same_nested(const hg_type_t *a, const hg_type_t *b)
{
    if (!a || !b) return a == b;
    return a->nullable == b->nullable && hg_type_same(a, b);
}

bool hg_type_same(const hg_type_t *a, const hg_type_t *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale) return false;
    if ((a->kind == HG_T_INTERVAL || a->kind == HG_T_INTERVAL_YM) && a->unit != b->unit) return false;
    if (!same_nested(a->elem, b->elem) || !same_nested(a->key, b->key) || a->n_fields != b->n_fields) return false;
    for (uint32_t i = 0; i < a->n_fields; i++) {
        if (!hg_str_eq(a->fields[i].name, b->fields[i].name)) return false;
        if (!same_nested(a->fields[i].type, b->fields[i].type)) return false;
    }
    return true;
}

/* --- as SQL text --- */

static void interval_text(hg_buf_t *out, hg_interval_unit_t u)
{
    hg_buf_adds(out, "INTERVAL ");
    for (const char *c = unit_names[u]; *c; c++) {
        if (*c == '_')
            hg_buf_adds(out, " TO ");
        else
            hg_buf_addc(out, *c);
    }
}

static const char *sql_name(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_UTINYINT:
        return "TINYINT UNSIGNED";
    case HG_T_USMALLINT:
        return "SMALLINT UNSIGNED";
    case HG_T_UINTEGER:
        return "INTEGER UNSIGNED";
    case HG_T_UBIGINT:
        return "BIGINT UNSIGNED";
    case HG_T_TIMESTAMP_TZ:
        return "TIMESTAMP WITH TIME ZONE";
    default:
        return hg_kind_name(k);
    }
}

void hg_type_text(hg_buf_t *out, const hg_type_t *t)
{
    switch ((int)t->kind) {
    case HG_T_DECIMAL:
        hg_buf_addf(out, "DECIMAL(%d, %d)", t->precision, t->scale);
        return;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        hg_buf_adds(out, sql_name(t->kind));
        if (t->precision >= 0) hg_buf_addf(out, "(%d)", t->precision);
        return;
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        interval_text(out, t->unit);
        return;
    case HG_T_ARRAY:
        hg_type_text(out, t->elem);
        hg_buf_adds(out, " ARRAY");
        return;
    case HG_T_MAP:
        hg_buf_adds(out, "MAP<");
        hg_type_text(out, t->key);
        hg_buf_adds(out, ", ");
        hg_type_text(out, t->elem);
        hg_buf_addc(out, '>');
        return;
    case HG_T_ROW:
        hg_buf_adds(out, "ROW(");
        for (uint32_t i = 0; i < t->n_fields; i++) {
            if (i) hg_buf_adds(out, ", ");
            hg_buf_addstr(out, t->fields[i].name);
            hg_buf_addc(out, ' ');
            hg_type_text(out, t->fields[i].type);
            if (t->fields[i].type->nullable) hg_buf_adds(out, " NULL");
        }
        hg_buf_addc(out, ')');
        return;
    default:
        hg_buf_adds(out, sql_name(t->kind));
    }
}

const char *hg_type_brief(const hg_type_t *t, char out[64])
{
    hg_buf_t b;
    hg_buf_init(&b, 48);
    hg_type_text(&b, t);
    snprintf(out, 64, "%s", b.len ? b.p : hg_kind_name(t->kind));
    hg_buf_release(&b);
    return out;
}

/* --- as JSON --- */

/* Precision and scale as the schema shows them; -2 = the key is absent. */
static void json_digits(const hg_type_t *t, int32_t *p, int32_t *s)
{
    *p = *s = -2;
    switch ((int)t->kind) {
    case HG_T_DECIMAL:
        *p = t->precision;
        *s = t->scale;
        break;
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        *p = t->precision;
        break;
    case HG_T_TIME:
        *p = 9;
        break;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        *p = 6;
        break;
    case HG_T_INTERVAL:
        *p = 2;
        *s = 6;
        break;
    default:
        break;
    }
}

/* The members of a columntype in alphabetical order; `name` is given for the fields of a struct, which are flat. */
static void json_members(hg_jw_t *w, const hg_type_t *t, const hg_str_t *name)
{
    int32_t p, s;
    json_digits(t, &p, &s);
    if (t->kind == HG_T_ARRAY) {
        hg_jw_key(w, "component");
        hg_type_json(w, t->elem);
    }
    if (t->kind == HG_T_ROW) {
        hg_jw_key(w, "fields");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < t->n_fields; i++) {
            hg_jw_obj(w);
            json_members(w, t->fields[i].type, &t->fields[i].name);
            hg_jw_end_obj(w);
        }
        hg_jw_end_arr(w);
    }
    if (t->kind == HG_T_MAP) {
        hg_jw_key(w, "key");
        hg_type_json(w, t->key);
    }
    if (name) {
        hg_jw_key(w, "name");
        hg_jw_str(w, *name);
    }
    hg_jw_kbool(w, "nullable", t->nullable);
    if (p != -2) hg_jw_ki64(w, "precision", p);
    if (s != -2) hg_jw_ki64(w, "scale", s);
    if (t->kind == HG_T_INTERVAL || t->kind == HG_T_INTERVAL_YM) {
        char text[40];
        int n = snprintf(text, sizeof text, "INTERVAL_%s", unit_names[t->unit]);
        hg_jw_key(w, "type");
        hg_jw_str(w, (hg_str_t){ text, (size_t)n });
    } else if (t->kind != HG_T_ROW) {
        hg_jw_kstr(w, "type", hg_kind_name(t->kind));
    }
    if (t->kind == HG_T_MAP) {
        hg_jw_key(w, "value");
        hg_type_json(w, t->elem);
    }
}

void hg_type_json(hg_jw_t *w, const hg_type_t *t)
{
    hg_jw_obj(w);
    json_members(w, t, NULL);
    hg_jw_end_obj(w);
}

/* --- making --- */

const hg_type_t *hg_type_make(hg_arena_t *a, hg_kind_t k, bool nullable, int32_t precision, int32_t scale)
{
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    t->kind = k;
    t->nullable = nullable;
    t->precision = precision;
    t->scale = scale;
    return t;
}

const hg_type_t *hg_type_array(hg_arena_t *a, const hg_type_t *elem, bool nullable)
{
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    t->kind = HG_T_ARRAY;
    t->nullable = nullable;
    t->precision = -1;
    t->elem = elem;
    return t;
}

const hg_type_t *hg_type_with_null(hg_arena_t *a, const hg_type_t *t, bool nullable)
{
    if (t->nullable == nullable) return t;
    hg_type_t *c = HG_ANEW(a, hg_type_t);
    *c = *t;
    c->nullable = nullable;
    return c;
}

int hg_schema_find(const hg_schema_t *s, hg_str_t name, bool case_sensitive)
{
    for (uint32_t i = 0; i < s->n_cols; i++) {
        const hg_field_t *f = &s->cols[i];
        bool exact = case_sensitive || f->case_sensitive;
        if (exact ? hg_str_eq(f->name, name) : hg_str_ieq(f->name, name)) return (int)i;
    }
    return -1;
}
