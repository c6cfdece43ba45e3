/* json_connect.c: Kafka Connect schemas of columns, as Debezium messages carry them in front of the payload.
 * Values follow the flavor kafka_connect_json_converter: what JSON cannot carry exactly (DECIMAL, 64-bit unsigned) is a
 * string. */
#include "base/hg.h"
#include "connectors/format/json_int.h"

static const char *connect_type(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_BOOLEAN:
        return "boolean";
    case HG_T_TINYINT:
        return "int8";
    case HG_T_SMALLINT:
    case HG_T_UTINYINT:
        return "int16";
    case HG_T_INTEGER:
    case HG_T_USMALLINT:
    case HG_T_DATE:
        return "int32";
    case HG_T_BIGINT:
    case HG_T_UINTEGER:
    case HG_T_TIME:
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return "int64";
    case HG_T_REAL:
        return "float";
    case HG_T_DOUBLE:
        return "double";
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return "bytes";
    case HG_T_ARRAY:
        return "array";
    case HG_T_MAP:
        return "map";
    case HG_T_ROW:
        return "struct";
    default:
        return "string";
    }
}

static const char *logical_name(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_TIME:
        return "org.apache.kafka.connect.data.Time";
    case HG_T_DATE:
        return "org.apache.kafka.connect.data.Date";
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        return "org.apache.kafka.connect.data.Timestamp";
    default:
        return NULL;
    }
}

static void schema_of(hg_jw_t *w, const hg_type_t *t, const hg_str_t *field)
{
    const char *name = logical_name(t->kind);
    hg_jw_obj(w);
    if (field) {
        hg_jw_key(w, "field");
        hg_jw_str(w, *field);
    }
    hg_jw_kstr(w, "type", connect_type(t->kind));
    if (t->kind == HG_T_ARRAY) {
        hg_jw_key(w, "items");
        schema_of(w, t->elem, NULL);
    }
    if (t->kind == HG_T_MAP) {
        hg_jw_key(w, "keys");
        schema_of(w, t->key, NULL);
        hg_jw_key(w, "values");
        schema_of(w, t->elem, NULL);
    }
    if (t->kind == HG_T_ROW) {
        hg_jw_key(w, "fields");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < t->n_fields; i++) schema_of(w, t->fields[i].type, &t->fields[i].name);
        hg_jw_end_arr(w);
    }
    if (name) hg_jw_kstr(w, "name", name);
    hg_jw_kbool(w, "optional", t->nullable);
    hg_jw_end_obj(w);
}

int hg_connect_struct(hg_jw_t *w, const hg_field_t *fields, const uint32_t *cols, uint32_t n, const char *field,
                      bool optional)
{
    hg_jw_obj(w);
    if (field) hg_jw_kstr(w, "field", field);
    hg_jw_kstr(w, "type", "struct");
    hg_jw_key(w, "fields");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) {
        const hg_field_t *f = &fields[cols ? cols[i] : i];
        schema_of(w, f->type, &f->name);
    }
    hg_jw_end_arr(w);
    hg_jw_kbool(w, "optional", optional);
    hg_jw_end_obj(w);
    return w->rc;
}

int hg_connect_envelope(hg_jw_t *w, const hg_field_t *fields, uint32_t n)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", "struct");
    hg_jw_key(w, "fields");
    hg_jw_arr(w);
    hg_connect_struct(w, fields, NULL, n, "after", true);
    hg_jw_obj(w);
    hg_jw_kstr(w, "field", "op");
    hg_jw_kstr(w, "type", "string");
    hg_jw_kbool(w, "optional", false);
    hg_jw_end_obj(w);
    hg_jw_end_arr(w);
    hg_jw_kstr(w, "name", "Envelope");
    hg_jw_end_obj(w);
    return w->rc;
}
