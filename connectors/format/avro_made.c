/* avro_made.c: the schema of a relation: a record with a field per column, as Feldera generates it; and for a ROW,
 * which Feldera does not write, a record that is named after its column, in a namespace that is the full name of the
 * record around it. So equal names in two places are two types, and no name can meet another. Cold path. */
#include "base/hg.h"
#include "connectors/format/avro_int.h"

typedef struct {
    hg_jw_t w;
    hg_buf_t around; /* full name of the record whose fields are being written */
} made_t;

static void logical(hg_jw_t *w, const char *type, const char *name)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", type);
    hg_jw_kstr(w, "logicalType", name);
    hg_jw_end_obj(w);
}

static int put_type(made_t *d, hg_str_t name, const hg_type_t *t, bool nullable, hg_err_t *err);

static int put_nested(made_t *d, hg_str_t name, const hg_type_t *t, hg_err_t *err)
{
    bool map = t->kind == HG_T_MAP;
    if (map && !hg_kind_is_string(t->key->kind))
        return hg_err_set(err, HG_EINVALENCODER, "a MAP needs keys of type VARCHAR to be written as Avro");
    hg_jw_obj(&d->w);
    hg_jw_kstr(&d->w, "type", map ? "map" : "array");
    hg_jw_key(&d->w, map ? "values" : "items");
    int rc = put_type(d, name, t->elem, t->elem->nullable, err);
    hg_jw_end_obj(&d->w);
    return rc;
}

/* A column, or a field of a ROW. */
static int put_field(made_t *d, const char *what, const hg_field_t *f, bool nullable, hg_err_t *err)
{
    hg_jw_t *w = &d->w;
    if (!hg_avro_is_name(f->name))
        return hg_err_set(err, HG_EINVALENCODER,
                          "%s name '" HG_SF "' is no name in Avro: letters, digits and _, no digit first", what,
                          HG_SA(f->name));
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, f->name);
    hg_jw_key(w, "type");
    int rc = put_type(d, f->name, f->type, nullable, err);
    if (rc < 0) return hg_err_wrap(err, "%s '" HG_SF "'", what, HG_SA(f->name));
    if (nullable) hg_jw_knull(w, "default");
    hg_jw_end_obj(w);
    return 0;
}

static int put_row(made_t *d, hg_str_t name, const hg_type_t *t, hg_err_t *err)
{
    hg_jw_t *w = &d->w;
    size_t outside = d->around.len;
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", "record");
    hg_jw_key(w, "name");
    hg_jw_str(w, name);
    hg_jw_key(w, "namespace");
    hg_jw_str(w, hg_buf_str(&d->around));
    hg_jw_key(w, "fields");
    hg_jw_arr(w);
    int rc = hg_buf_addf(&d->around, "." HG_SF, HG_SA(name));
    if (rc < 0) return hg_err_set(err, HG_ENOMEM, "no memory for a schema");
    for (uint32_t i = 0; i < t->n_fields && rc == 0; i++)
        rc = put_field(d, "field", &t->fields[i], t->fields[i].type->nullable, err);
    d->around.len = outside;
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
    return rc;
}

static int put_value(made_t *d, hg_str_t name, const hg_type_t *t, hg_err_t *err)
{
    hg_jw_t *w = &d->w;
    switch (t->kind) {
    case HG_T_BOOLEAN:
        hg_jw_strz(w, "boolean");
        return 0;
    case HG_T_TINYINT:
    case HG_T_SMALLINT:
    case HG_T_INTEGER:
    case HG_T_UTINYINT:
    case HG_T_USMALLINT:
        hg_jw_strz(w, "int");
        return 0;
    case HG_T_BIGINT:
    case HG_T_UINTEGER:
        hg_jw_strz(w, "long");
        return 0;
    case HG_T_REAL:
        hg_jw_strz(w, "float");
        return 0;
    case HG_T_DOUBLE:
        hg_jw_strz(w, "double");
        return 0;
    case HG_T_UBIGINT:
    case HG_T_CHAR:
    case HG_T_VARCHAR:
    case HG_T_VARIANT:
    case HG_T_UUID:
        hg_jw_strz(w, "string");
        return 0;
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        hg_jw_strz(w, "bytes");
        return 0;
    case HG_T_DECIMAL:
        hg_jw_obj(w);
        hg_jw_kstr(w, "type", "bytes");
        hg_jw_kstr(w, "logicalType", "decimal");
        hg_jw_ki64(w, "precision", t->precision < 0 ? 38 : t->precision);
        hg_jw_ki64(w, "scale", HG_MAX(t->scale, 0));
        hg_jw_end_obj(w);
        return 0;
    case HG_T_DATE:
        logical(w, "int", "date");
        return 0;
    case HG_T_TIME:
        logical(w, "long", "time-micros");
        return 0;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        logical(w, "long", "timestamp-micros");
        return 0;
    case HG_T_ARRAY:
    case HG_T_MAP:
        return put_nested(d, name, t, err);
    case HG_T_ROW:
        return put_row(d, name, t, err);
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
    case HG_T_NULL:
    case HG_T_GEOMETRY:
    case HG_T_N:
        break;
    }
    return hg_err_set(err, HG_EINVALENCODER, "type %s has no Avro type", hg_kind_name(t->kind));
}

/* name: of the column or field, for records. */
static int put_type(made_t *d, hg_str_t name, const hg_type_t *t, bool nullable, hg_err_t *err)
{
    if (!nullable) return put_value(d, name, t, err);
    hg_jw_arr(&d->w);
    hg_jw_strz(&d->w, "null");
    int rc = put_value(d, name, t, err);
    hg_jw_end_arr(&d->w);
    return rc;
}

static bool keeps(const hg_avro_made_t *m, uint32_t col)
{
    for (uint32_t i = 0; i < m->n_keep; i++)
        if (m->keep[i] == col) return true;
    return m->keep == NULL;
}

static int put_name(made_t *d, const hg_avro_made_t *m, hg_err_t *err)
{
    const char *dot = memrchr(m->name.p, '.', m->name.n);
    hg_str_t name = m->name, space = hg_strz(m->space);
    if (dot) {
        size_t n = (size_t)(dot - m->name.p);
        name = (hg_str_t){ dot + 1, m->name.n - n - 1 };
        if (!space.n) space = (hg_str_t){ m->name.p, n };
    }
    if (!hg_avro_is_name(name))
        return hg_err_set(err, HG_EINVALENCODER,
                          "'" HG_SF "' is no name in Avro: letters, digits and _, no digit first", HG_SA(name));
    hg_jw_key(&d->w, "name");
    hg_jw_str(&d->w, name);
    int rc = 0;
    if (space.n) {
        hg_jw_key(&d->w, "namespace");
        hg_jw_str(&d->w, space);
        rc = hg_buf_addf(&d->around, HG_SF ".", HG_SA(space));
    }
    if (rc == 0) rc = hg_buf_addstr(&d->around, name);
    return rc < 0 ? hg_err_set(err, HG_ENOMEM, "no memory for a schema") : 0;
}

int hg_avro_make(const hg_avro_made_t *m, hg_buf_t *out, hg_err_t *err)
{
    made_t d;
    hg_jw_t *w = &d.w;
    hg_jw_init(w, out);
    hg_buf_init(&d.around, HG_AVRO_MAX_SCHEMA);
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", "record");
    int rc = put_name(&d, m, err);
    hg_jw_key(w, "fields");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < m->n && rc == 0; i++) {
        const hg_field_t *f = &m->cols[m->pick[i]];
        rc = put_field(&d, "column", f, f->type->nullable || !keeps(m, m->pick[i]), err);
    }
    if (m->cdc_field) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "name", m->cdc_field);
        hg_jw_kstr(w, "type", "string");
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
    hg_buf_release(&d.around);
    return rc < 0 ? rc : w->rc < 0 ? hg_err_set(err, (hg_code_t)w->rc, "no memory for a schema") : 0;
}
