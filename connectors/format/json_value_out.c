/* json_value_out.c: one cell as JSON in a flavor. Appends to the caller's buffer and allocates nothing else. */
#include "base/hg.h"
#include <math.h>
#include "data/text.h"
#include "connectors/format/json_int.h"

static int quoted(hg_buf_t *out, const char *p, size_t n)
{
    int rc = hg_buf_reserve(out, n + 2);
    if (rc < 0) return rc;
    char *o = out->p + out->len;
    *o++ = '"';
    memcpy(o, p, n);
    o += n;
    *o++ = '"';
    *o = 0;
    out->len += n + 2;
    return 0;
}

static int64_t floor_div(int64_t v, int64_t by)
{
    return v / by - (v % by < 0);
}

static int print_ts(hg_buf_t *out, int64_t us, bool tz, hg_jts_t how)
{
    char text[HG_TIME_TEXT];
    size_t n = 0;
    switch (how) {
    case HG_JTS_SQL:
        n = hg_ts_print(text, us, ' ', tz ? "+00:00" : "");
        break;
    case HG_JTS_Z:
        n = hg_ts_print(text, us, 'T', "Z");
        break;
    case HG_JTS_OFFSET:
        n = hg_ts_print(text, us, 'T', "+00:00");
        break;
    case HG_JTS_MS:
        return hg_buf_addi64(out, floor_div(us, 1000));
    }
    return quoted(out, text, n);
}

static int print_time(hg_buf_t *out, int64_t ns, hg_jtime_t how)
{
    char text[HG_TIME_TEXT];
    if (how == HG_JT_TEXT) return quoted(out, text, hg_time_print(text, ns));
    return hg_buf_addi64(out, ns / (how == HG_JT_US ? 1000 : 1000000));
}

static int print_bytes(hg_buf_t *out, hg_str_t v, hg_jbin_t how)
{
    int rc;
    if (how != HG_JB_ARRAY) {
        rc = hg_buf_adds(out, how == HG_JB_0X ? "\"0x" : how == HG_JB_BACKSLASH_X ? "\"\\\\x" : "\"");
        if (rc == 0) rc = how == HG_JB_BASE58 ? hg_base58_print(out, v) : hg_hex_print(out, v);
        return rc == 0 ? hg_buf_addc(out, '"') : rc;
    }
    rc = hg_buf_addc(out, '[');
    for (size_t i = 0; i < v.n && rc == 0; i++) {
        if (i) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_buf_addu64(out, (unsigned char)v.p[i]);
    }
    return rc == 0 ? hg_buf_addc(out, ']') : rc;
}

static int print_list(hg_buf_t *out, const hg_col_t *c, uint32_t i, const hg_json_flavor_t *f)
{
    int rc = hg_buf_addc(out, '[');
    for (int32_t j = c->offs[i]; j < c->offs[i + 1] && rc == 0; j++) {
        if (j > c->offs[i]) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_json_cell_print(out, c->child[0], (uint32_t)j, f);
    }
    return rc == 0 ? hg_buf_addc(out, ']') : rc;
}

/* Numbers, dates and the like need no escapes, so the key is printed between quotes; text is quoted properly. */
static int print_map_key(hg_buf_t *out, const hg_col_t *keys, uint32_t i)
{
    if (keys->type->kind == HG_T_VARIANT && *hg_col_var(keys, i).p == '"')
        return hg_buf_addstr(out, hg_col_var(keys, i));
    if (hg_type_phys(keys->type) == HG_PHYS_VAR) return hg_json_quote(out, hg_col_var(keys, i));
    int rc = hg_buf_addc(out, '"');
    if (rc == 0) rc = hg_value_print(out, keys, i);
    return rc == 0 ? hg_buf_addc(out, '"') : rc;
}

static int print_map(hg_buf_t *out, const hg_col_t *c, uint32_t i, const hg_json_flavor_t *f)
{
    int rc = hg_buf_addc(out, '{');
    for (int32_t j = c->offs[i]; j < c->offs[i + 1] && rc == 0; j++) {
        if (j > c->offs[i]) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = print_map_key(out, c->child[0], (uint32_t)j);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = hg_json_cell_print(out, c->child[1], (uint32_t)j, f);
    }
    return rc == 0 ? hg_buf_addc(out, '}') : rc;
}

static int print_struct(hg_buf_t *out, const hg_col_t *c, uint32_t i, const hg_json_flavor_t *f)
{
    int rc = hg_buf_addc(out, '{');
    for (uint32_t k = 0; k < c->n_child && rc == 0; k++) {
        if (k) rc = hg_buf_addc(out, ',');
        if (rc == 0) rc = hg_json_quote(out, c->type->fields[k].name);
        if (rc == 0) rc = hg_buf_addc(out, ':');
        if (rc == 0) rc = hg_json_cell_print(out, c->child[k], i, f);
    }
    return rc == 0 ? hg_buf_addc(out, '}') : rc;
}

int hg_json_cell_print(hg_buf_t *out, const hg_col_t *c, uint32_t i, const hg_json_flavor_t *f)
{
    char text[64];
    if (hg_col_null(c, i)) return hg_buf_add(out, "null", 4);
    switch ((int)c->type->kind) {
    case HG_T_NULL:
        return hg_buf_add(out, "null", 4);
    case HG_T_CHAR:
    case HG_T_VARCHAR:
        return hg_json_quote(out, hg_col_var(c, i));
    case HG_T_REAL:
        return isfinite(HG_COL(c, float)[i]) ? hg_value_print(out, c, i) : hg_buf_add(out, "null", 4);
    case HG_T_DOUBLE:
        return isfinite(HG_COL(c, double)[i]) ? hg_value_print(out, c, i) : hg_buf_add(out, "null", 4);
    case HG_T_UBIGINT: /* Connect has no such type, so its schema says string */
        if (!f->connect_schema) return hg_value_print(out, c, i);
        return quoted(out, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, HG_COL(c, uint64_t)[i]));
    case HG_T_DECIMAL:
        if (!f->decimal_text) return hg_value_print(out, c, i);
        return quoted(out, text, hg_dec_print(text, HG_COL(c, hg_i128)[i], c->type->scale, true));
    case HG_T_BINARY:
    case HG_T_VARBINARY:
        return print_bytes(out, hg_col_var(c, i), f->bin);
    case HG_T_DATE:
        if (f->date_days) return hg_buf_addi64(out, HG_COL(c, int32_t)[i]);
        return quoted(out, text, hg_date_print(text, HG_COL(c, int32_t)[i]));
    case HG_T_TIME:
        return print_time(out, HG_COL(c, int64_t)[i], f->time);
    case HG_T_TIMESTAMP:
        return print_ts(out, HG_COL(c, int64_t)[i], false, f->ts);
    case HG_T_TIMESTAMP_TZ:
        return print_ts(out, HG_COL(c, int64_t)[i], true, f->ts);
    case HG_T_UUID:
        return quoted(out, text, hg_uuid_print(text, (const uint8_t *)c->data + (size_t)16 * i));
    case HG_T_INTERVAL:
        return quoted(out, text, hg_interval_print(text, HG_COL(c, int64_t)[i], c->type->unit));
    case HG_T_INTERVAL_YM:
        return quoted(out, text, hg_interval_print(text, HG_COL(c, int32_t)[i], c->type->unit));
    case HG_T_VARIANT:
        return f->variant_text ? hg_json_quote(out, hg_col_var(c, i)) : hg_buf_addstr(out, hg_col_var(c, i));
    case HG_T_ARRAY:
        return print_list(out, c, i, f);
    case HG_T_MAP:
        return print_map(out, c, i, f);
    case HG_T_ROW:
        return print_struct(out, c, i, f);
    default:
        return hg_value_print(out, c, i);
    }
}

/* --- what can be written --- */

bool hg_json_names(const hg_type_t *key)
{
    return !hg_kind_is_bytes(key->kind) && !key->elem && !key->n_fields;
}

/* The first MAP in the type whose keys cannot be names; NULL: none. */
static const hg_type_t *nameless(const hg_type_t *t)
{
    if (t->kind == HG_T_MAP && !hg_json_names(t->key)) return t;
    const hg_type_t *found = t->elem ? nameless(t->elem) : NULL;
    for (uint32_t i = 0; i < t->n_fields && !found; i++) found = nameless(t->fields[i].type);
    return found;
}

int hg_json_writable(const hg_schema_t *schema, const char *format, hg_err_t *err)
{
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        char key[64];
        const hg_type_t *map = nameless(schema->cols[i].type);
        if (map)
            return hg_err_set(err, HG_EINVALENCODER,
                              "column '" HG_SF "': a MAP with keys of type %s cannot be written as %s: an object's "
                              "members have texts for names",
                              HG_SA(schema->cols[i].name), hg_type_brief(map->key, key), format);
    }
    return 0;
}
