/* datagen_plan.c: the `plan` option of datagen, read against a table's schema. Any thread, once per open. */
#include "base/hg.h"
#include "connectors/transport/datagen_int.h"
#include "data/text.h"
#include <float.h>
#include <math.h>

#define MAX_BATCH 10000

#define X(e, s) s,
static const char *const strategy_names[] = { DG_STRATEGIES(X) NULL };
#undef X

static const char *const plan_members[] = { "rate", "limit", "worker_chunk_size", "fields", NULL };
static const char *const field_members[] = { "strategy", "range",  "scale", "values", "null_percentage",
                                             "e",        "fields", "key",   "value",  NULL };

/* --- without a schema --- */

static void check_members(const hg_json_t *obj, const char *const *names, const char *what, hg_diag_t *d)
{
    for (const hg_json_t *m = obj->child; m; m = m->next) {
        bool known = false;
        for (const char *const *n = names; *n; n++) known |= hg_str_eqz(m->key, *n);
        if (known) continue;
        const char *near = hg_nearest(m->key, names);
        hg_diag(d, false, m, true,
                near ? "unknown member '" HG_SF "' in a datagen %s; did you mean '%s'?"
                     : "unknown member '" HG_SF "' in a datagen %s",
                HG_SA(m->key), what, near);
    }
}

static bool want_kind(const hg_json_t *v, hg_jkind_t kind, const char *what, hg_diag_t *d)
{
    if (v->kind == kind) return true;
    hg_diag(d, false, v, false, "%s must be %s, not %s", what, hg_json_kind_name(kind), hg_json_kind_name(v->kind));
    return false;
}

static void want_count(const hg_json_t *obj, const char *key, uint64_t max, hg_diag_t *d)
{
    const hg_json_t *v = hg_json_get(obj, key);
    uint64_t n;
    if (!v || v->kind == HG_J_NULL) return;
    if (hg_json_u64(v, &n) < 0)
        hg_diag(d, false, v, false, "'%s' must be a whole number that is not negative", key);
    else if (n > max)
        hg_diag(d, false, v, false, "'%s' must be at most %" PRIu64, key, max);
}

static void check_field(const hg_json_t *f, hg_diag_t *d)
{
    if (!want_kind(f, HG_J_OBJECT, "a datagen field", d)) return;
    check_members(f, field_members, "field", d);
    const hg_json_t *v = hg_json_get(f, "strategy");
    if (v && want_kind(v, HG_J_STRING, "'strategy'", d)) {
        bool known = false;
        for (const char *const *n = strategy_names; *n; n++) known |= hg_str_eqz(v->str, *n);
        const char *near = hg_nearest(v->str, strategy_names);
        if (!known)
            hg_diag(d, false, v, false,
                    near ? "unknown strategy '" HG_SF "'; did you mean '%s'?" : "unknown strategy '" HG_SF "'",
                    HG_SA(v->str), near);
    }
    v = hg_json_get(f, "range");
    if (v && v->kind != HG_J_NULL && want_kind(v, HG_J_ARRAY, "'range'", d) && v->n != 2)
        hg_diag(d, false, v, false, "'range' must have two bounds, [from, to)");
    v = hg_json_get(f, "values");
    if (v && v->kind != HG_J_NULL) (void)want_kind(v, HG_J_ARRAY, "'values'", d);
    int64_t n;
    v = hg_json_get(f, "scale");
    if (v && hg_json_i64(v, &n) < 0) hg_diag(d, false, v, false, "'scale' must be a whole number");
    want_count(f, "null_percentage", 100, d);
    want_count(f, "e", 1000, d);
    for (const char *const *key = (const char *const[]){ "key", "value", NULL }; *key; key++)
        if ((v = hg_json_get(f, *key)) && v->kind != HG_J_NULL) check_field(v, d);
    v = hg_json_get(f, "fields");
    if (v && v->kind != HG_J_NULL && want_kind(v, HG_J_OBJECT, "'fields'", d))
        for (const hg_json_t *m = v->child; m; m = m->next) check_field(m, d);
}

void dg_plans_check(const hg_json_t *plan, hg_diag_t *d)
{
    if (!plan || plan->kind == HG_J_NULL || !want_kind(plan, HG_J_ARRAY, "'plan'", d)) return;
    for (const hg_json_t *p = plan->child; p; p = p->next) {
        if (!want_kind(p, HG_J_OBJECT, "a datagen plan", d)) continue;
        check_members(p, plan_members, "plan", d);
        want_count(p, "rate", UINT32_MAX, d);
        want_count(p, "limit", UINT64_MAX, d);
        want_count(p, "worker_chunk_size", UINT64_MAX, d);
        const hg_json_t *f = hg_json_get(p, "fields");
        if (f && f->kind != HG_J_NULL && want_kind(f, HG_J_OBJECT, "'fields'", d))
            for (const hg_json_t *m = f->child; m; m = m->next) check_field(m, d);
    }
}

/* --- against the schema --- */

static const hg_json_t *member(const hg_json_t *obj, const char *key)
{
    const hg_json_t *v = obj ? hg_json_get(obj, key) : NULL;
    return v && v->kind != HG_J_NULL ? v : NULL;
}

static hg_i128 int_min(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_TINYINT:
        return INT8_MIN;
    case HG_T_SMALLINT:
        return INT16_MIN;
    case HG_T_INTEGER:
        return INT32_MIN;
    case HG_T_BIGINT:
        return INT64_MIN;
    default:
        return 0;
    }
}

static hg_i128 int_max(hg_kind_t k)
{
    switch ((int)k) {
    case HG_T_TINYINT:
        return INT8_MAX;
    case HG_T_SMALLINT:
        return INT16_MAX;
    case HG_T_INTEGER:
        return INT32_MAX;
    case HG_T_BIGINT:
        return INT64_MAX;
    case HG_T_UTINYINT:
        return UINT8_MAX;
    case HG_T_USMALLINT:
        return UINT16_MAX;
    case HG_T_UINTEGER:
        return UINT32_MAX;
    default:
        return UINT64_MAX;
    }
}

static bool is_temporal(hg_kind_t k)
{
    return k == HG_T_DATE || k == HG_T_TIME || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ;
}
static bool has_length(hg_kind_t k)
{
    return hg_kind_is_string(k) || hg_kind_is_bytes(k) || k == HG_T_ARRAY || k == HG_T_MAP;
}

/* Bounds and temporal values count in days (DATE) or milliseconds; cells in the column's unit. */
static int64_t unit(hg_kind_t k)
{
    return k == HG_T_DATE ? 1 : k == HG_T_TIME ? 1000000 : 1000;
}

static hg_i128 uuid_number(const uint8_t b[16])
{
    hg_u128 v = 0;
    for (int i = 0; i < 16; i++) v = v << 8 | b[i];
    return (hg_i128)v;
}

static int parse_temporal(hg_kind_t k, hg_str_t s, hg_i128 *ret)
{
    int32_t days;
    int64_t n;
    int rc;
    if (k == HG_T_DATE) {
        rc = hg_date_parse(s, &days);
        *ret = days;
        return rc;
    }
    rc = k == HG_T_TIME ? hg_time_parse(s, &n) : hg_ts_parse(s, true, &n, NULL);
    *ret = n;
    return rc;
}

static int bad_value(const dg_field_t *f, hg_err_t *err)
{
    hg_buf_t t;
    hg_buf_init(&t, 256);
    hg_type_text(&t, f->type);
    hg_err_set(err, HG_EINVALTRANSPORT, "Invalid value for field `%s`, which has type " HG_SF, f->name,
               HG_SA(hg_buf_str(&t)));
    hg_buf_release(&t);
    return err->code;
}

static int fixed_value(hg_arena_t *a, const dg_field_t *f, const hg_json_t *v, dg_value_t *ret, hg_err_t *err)
{
    hg_kind_t k = f->type->kind;
    uint8_t uuid[16];
    uint64_t u;
    int64_t n;
    *ret = (dg_value_t){ 0 };
    if (k == HG_T_MAP || k == HG_T_ROW)
        return hg_err_set(err, HG_EINVALTRANSPORT, "'values' cannot be used for field `%s`, which has type %s", f->name,
                          hg_kind_name(k));
    if (v->kind == HG_J_NULL) {
        ret->null = true;
        return f->type->nullable ? 0 : bad_value(f, err);
    }
    if (hg_kind_is_integer(k)) {
        if (hg_json_i64(v, &n) == 0)
            ret->i = n;
        else if (hg_json_u64(v, &u) == 0)
            ret->i = u;
        else
            return bad_value(f, err);
        return ret->i < int_min(k) || ret->i > int_max(k) ? bad_value(f, err) : 0;
    }
    if (k == HG_T_REAL || k == HG_T_DOUBLE) {
        if (v->kind != HG_J_NUMBER && v->kind != HG_J_STRING) return bad_value(f, err);
        return hg_f64_parse(v->str, &ret->d) < 0 ? bad_value(f, err) : 0;
    }
    if (k == HG_T_DECIMAL) {
        if (v->kind != HG_J_NUMBER && v->kind != HG_J_STRING) return bad_value(f, err);
        return hg_dec_parse(v->str, f->type->precision, f->type->scale, false, &ret->i) < 0 ? bad_value(f, err) : 0;
    }
    if (k == HG_T_BOOLEAN) {
        ret->i = v->kind == HG_J_TRUE;
        return v->kind == HG_J_TRUE || v->kind == HG_J_FALSE ? 0 : bad_value(f, err);
    }
    if (k == HG_T_ARRAY || hg_kind_is_bytes(k)) {
        if (v->kind != HG_J_ARRAY) return bad_value(f, err);
        ret->n = v->n;
        ret->list = HG_ANEWN(a, dg_value_t, v->n + 1);
        uint32_t i = 0;
        for (const hg_json_t *m = v->child; m; m = m->next) {
            int rc = fixed_value(a, &f->sub[0], m, &ret->list[i++], err);
            if (rc < 0) return rc;
        }
        return 0;
    }
    if (v->kind != HG_J_STRING) return bad_value(f, err);
    if (hg_kind_is_string(k)) {
        ret->s = hg_arena_str(a, v->str);
        return 0;
    }
    if (is_temporal(k)) return parse_temporal(k, v->str, &ret->i) < 0 ? bad_value(f, err) : 0;
    if (k == HG_T_UUID) {
        if (hg_uuid_parse(v->str, uuid) < 0) return bad_value(f, err);
        ret->i = uuid_number(uuid);
        return 0;
    }
    return bad_value(f, err);
}

static int bound(const dg_field_t *f, const hg_json_t *v, hg_i128 *ret, double *dret, hg_err_t *err)
{
    hg_kind_t k = f->type->kind;
    uint8_t uuid[16];
    uint64_t u;
    int64_t n;
    if (k == HG_T_REAL || k == HG_T_DOUBLE) {
        if ((v->kind == HG_J_NUMBER || v->kind == HG_J_STRING) && hg_f64_parse(v->str, dret) == 0) return 0;
        return hg_err_set(err, HG_EINVALTRANSPORT, "Range values must be floating point numbers for field `%s`",
                          f->name);
    }
    if (k == HG_T_DECIMAL) {
        if ((v->kind == HG_J_NUMBER || v->kind == HG_J_STRING) &&
            hg_dec_parse(v->str, 38, f->type->scale, false, ret) == 0)
            return 0;
        return hg_err_set(err, HG_EINVALTRANSPORT, "Range values must be decimal numbers for field `%s`", f->name);
    }
    if (k == HG_T_UUID) {
        if (v->kind != HG_J_STRING || hg_uuid_parse(v->str, uuid) < 0)
            return hg_err_set(err, HG_EINVALTRANSPORT, "Range values must be UUID strings for field `%s`", f->name);
        *ret = uuid_number(uuid);
        return 0;
    }
    if (is_temporal(k) && v->kind == HG_J_STRING) {
        if (parse_temporal(k, v->str, ret) == 0) {
            *ret /= unit(k);
            return 0;
        }
        return hg_err_set(err, HG_EINVALTRANSPORT, "Invalid %s '" HG_SF "' in the range of field `%s`", hg_kind_name(k),
                          HG_SA(v->str), f->name);
    }
    if (hg_json_i64(v, &n) == 0)
        *ret = n;
    else if (hg_json_u64(v, &u) == 0)
        *ret = u;
    else
        return hg_err_set(err, HG_EINVALTRANSPORT, "Range values must be integers for field `%s`", f->name);
    if (*ret < 0 && (k == HG_T_TIME || has_length(k)))
        return hg_err_set(err, HG_EINVALTRANSPORT, "Range for field `%s` must be positive.", f->name);
    return 0;
}

static void default_range(dg_field_t *f)
{
    hg_kind_t k = f->type->kind;
    if (hg_kind_is_integer(k)) {
        f->lo = int_min(k);
        f->hi = int_max(k);
    } else if (k == HG_T_DECIMAL) {
        f->hi = hg_pow10(f->type->precision) - 1;
        f->lo = -f->hi;
    } else if (k == HG_T_REAL || k == HG_T_DOUBLE) {
        f->dhi = k == HG_T_REAL ? (double)FLT_MAX : DBL_MAX;
        f->dlo = -f->dhi;
    } else if (k == HG_T_DATE) {
        f->hi = 54787;
    } else if (k == HG_T_TIME) {
        f->hi = 86400000;
    } else if (is_temporal(k)) {
        f->hi = 4102444800000;
    } else if (hg_kind_is_string(k)) {
        f->hi = 25;
    } else if (has_length(k)) {
        f->hi = 5;
    }
}

/* The least and the largest value that a field of whole numbers makes; in days or milliseconds, where it is a time. */
static void made(const dg_field_t *f, hg_i128 *ret_lo, hg_i128 *ret_hi)
{
    hg_i128 scale = f->type->kind == HG_T_DATE && f->scale < 0 ? -(hg_i128)f->scale : f->scale;
    *ret_lo = f->lo;
    *ret_hi = f->hi - 1;
    if (f->strategy != DG_UNIFORM) return;
    *ret_lo = (scale < 0 ? f->hi - 1 : f->lo) * scale;
    *ret_hi = (scale < 0 ? f->lo : f->hi - 1) * scale;
}

static int check_fits(const dg_field_t *f, hg_err_t *err)
{
    const hg_i128 day = f->type->kind == HG_T_DATE ? 1 : 86400000;
    hg_kind_t k = f->type->kind;
    hg_i128 lo, hi, min, max;
    bool fits = true;
    if (k == HG_T_REAL || k == HG_T_DOUBLE) {
        double most = k == HG_T_REAL ? (double)FLT_MAX : DBL_MAX;
        double scale = f->strategy == DG_UNIFORM ? fabs((double)f->scale) : 1;
        fits = fabs(f->dlo) <= most / HG_MAX(scale, 1) && fabs(f->dhi) <= most / HG_MAX(scale, 1);
    } else if (hg_kind_is_integer(k) || k == HG_T_DATE || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ) {
        bool integer = hg_kind_is_integer(k);
        min = integer ? int_min(k) : hg_days_from_civil(1, 1, 1) * day;
        max = integer ? int_max(k) : (hg_days_from_civil(9999, 12, 31) + 1) * day - 1;
        made(f, &lo, &hi);
        fits = lo >= min && hi <= max;
    }
    if (fits) return 0;
    if (!f->has_range)
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "field `%s` has a scale but no range: its values would not fit into %s", f->name,
                          hg_kind_name(k));
    return hg_err_set(err, HG_EINVALTRANSPORT, "the range of field `%s` (times its scale) does not fit into %s",
                      f->name, hg_kind_name(k));
}

static int check_range(dg_field_t *f, hg_err_t *err)
{
    hg_kind_t k = f->type->kind;
    bool flt = k == HG_T_REAL || k == HG_T_DOUBLE, numeric = hg_kind_is_numeric(k);
    bool above = flt ? f->dlo > f->dhi : k == HG_T_UUID ? (hg_u128)f->lo > (hg_u128)f->hi : f->lo > f->hi;
    bool equal = flt ? !(f->dlo < f->dhi) && !above : f->lo == f->hi;
    if (f->has_range && above && numeric)
        return hg_err_set(err, HG_EINVALTRANSPORT, "Invalid range, min > max for field `%s`", f->name);
    if (f->has_range && (above || equal) && !f->has_values)
        return hg_err_set(err, HG_EINVALTRANSPORT, "Empty range, min >= max for field `%s`", f->name);
    f->span = (hg_u128)f->hi - (hg_u128)f->lo;
    int rc = f->has_values ? 0 : check_fits(f, err);
    if (rc < 0) return rc;
    if (k == HG_T_DECIMAL && f->has_range && !f->has_values) {
        hg_i128 max = hg_pow10(f->type->precision) - 1;
        if (f->lo < -max || f->hi - 1 > max)
            return hg_err_set(err, HG_EINVALTRANSPORT, "the range of field `%s` does not fit into DECIMAL(%d, %d)",
                              f->name, f->type->precision, f->type->scale);
    }
    if (k == HG_T_TIME && f->hi > 86400000)
        return hg_err_set(err, HG_EINVALTRANSPORT, "the range of field `%s` goes beyond a day", f->name);
    if (has_length(k) && f->hi > 1 << 24)
        return hg_err_set(err, HG_EINVALTRANSPORT, "the range of field `%s` gives lengths above %d", f->name, 1 << 24);
    return 0;
}

static int make_field(hg_arena_t *a, const hg_type_t *type, const char *name, const hg_json_t *j, dg_field_t *f,
                      hg_err_t *err);

static int make_subs(hg_arena_t *a, dg_field_t *f, const hg_json_t *j, hg_err_t *err)
{
    hg_kind_t k = f->type->kind;
    int rc = 0;
    if (k == HG_T_ROW) {
        const hg_json_t *fields = member(j, "fields");
        f->n_sub = f->type->n_fields;
        f->sub = HG_ANEWN(a, dg_field_t, f->n_sub + 1);
        for (uint32_t i = 0; rc == 0 && i < f->n_sub; i++) {
            const hg_field_t *m = &f->type->fields[i];
            const hg_json_t *mj = NULL;
            for (const hg_json_t *c = fields ? fields->child : NULL; c; c = c->next)
                if (m->case_sensitive ? hg_str_eq(c->key, m->name) : hg_str_ieq(c->key, m->name)) mj = c;
            rc = make_field(a, m->type, hg_arena_printf(a, "%s." HG_SF, f->name, HG_SA(m->name)), mj, &f->sub[i], err);
        }
        return rc;
    }
    if (k != HG_T_ARRAY && k != HG_T_MAP && !hg_kind_is_bytes(k)) return 0;
    f->n_sub = k == HG_T_MAP ? 2 : 1;
    f->sub = HG_ANEWN(a, dg_field_t, 2);
    const hg_type_t *elem = hg_kind_is_bytes(k) ? hg_type_make(a, HG_T_UTINYINT, false, -1, -1) : f->type->elem;
    if (k == HG_T_MAP)
        rc = make_field(a, f->type->key, hg_arena_printf(a, "%s.key", f->name), member(j, "key"), &f->sub[0], err);
    if (rc == 0)
        rc = make_field(a, elem, hg_arena_printf(a, "%s.value", f->name), member(j, "value"), &f->sub[f->n_sub - 1],
                        err);
    return rc;
}

static int read_strategy(dg_field_t *f, const hg_json_t *j, hg_err_t *err)
{
    const hg_json_t *v = member(j, "strategy");
    if (!v) return 0;
    for (int s = 0; s < DG_STRATEGY_N; s++) {
        if (!hg_str_eqz(v->str, strategy_names[s])) continue;
        f->strategy = (dg_strategy_t)s;
        if (s > DG_ZIPF && !hg_kind_is_string(f->type->kind)) break;
        return 0;
    }
    return hg_err_set(err, HG_EINVALTRANSPORT, "Invalid strategy `" HG_SF "` for field `%s`, which has type %s",
                      HG_SA(v->str), f->name, hg_kind_name(f->type->kind));
}

static int make_field(hg_arena_t *a, const hg_type_t *type, const char *name, const hg_json_t *j, dg_field_t *f,
                      hg_err_t *err)
{
    hg_kind_t k = type->kind;
    uint64_t n = 0;
    f->type = type;
    f->name = name;
    f->scale = f->e = 1;
    f->always_null =
        k == HG_T_VARIANT || k == HG_T_INTERVAL || k == HG_T_INTERVAL_YM || k == HG_T_NULL || k == HG_T_GEOMETRY;
    int rc = read_strategy(f, j, err);
    if (rc < 0) return rc;
    if (f->always_null)
        return type->nullable ? 0
                              : hg_err_set(err, HG_EINVALTRANSPORT,
                                           "datagen makes only NULL for type %s, but field `%s` is NOT NULL",
                                           hg_kind_name(k), name);
    rc = make_subs(a, f, j, err);
    if (rc < 0) return rc;
    default_range(f);
    const hg_json_t *range = member(j, "range"), *values = member(j, "values");
    if (range) {
        f->has_range = true;
        rc = bound(f, hg_json_at(range, 0), &f->lo, &f->dlo, err);
        if (rc == 0) rc = bound(f, hg_json_at(range, 1), &f->hi, &f->dhi, err);
        if (rc < 0) return rc;
    }
    if (member(j, "scale")) (void)hg_json_i64(member(j, "scale"), &f->scale);
    if (member(j, "e")) (void)hg_json_i64(member(j, "e"), &f->e);
    if (member(j, "null_percentage")) (void)hg_json_u64(member(j, "null_percentage"), &n);
    f->null_percentage = (uint32_t)n;
    if (n && !type->nullable)
        return hg_err_set(err, HG_EINVALTRANSPORT, "field `%s` is NOT NULL, but has a null_percentage", name);
    if (values) {
        f->has_values = true;
        f->n_values = values->n;
        f->values = HG_ANEWN(a, dg_value_t, values->n + 1);
        uint32_t i = 0;
        for (const hg_json_t *v = values->child; v; v = v->next)
            if ((rc = fixed_value(a, f, v, &f->values[i++], err)) < 0) return rc;
        if (!values->n && !type->nullable)
            return hg_err_set(err, HG_EINVALTRANSPORT, "field `%s` is NOT NULL, but its 'values' are empty", name);
    } else if (k == HG_T_UUID && f->strategy == DG_ZIPF) {
        return hg_err_set(err, HG_EINVALTRANSPORT,
                          "Invalid strategy `zipf` for field `%s`: a UUID needs 'values' for it", name);
    }
    return check_range(f, err);
}

/* A name as SQL writes it: in double quotes it is meant to the letter. */
static int column_of(const hg_schema_t *schema, hg_str_t name)
{
    bool quoted = name.n >= 2 && name.p[0] == '"' && name.p[name.n - 1] == '"';
    return hg_schema_find(schema, quoted ? (hg_str_t){ name.p + 1, name.n - 2 } : name, quoted);
}

static int make_plan(hg_arena_t *a, const hg_json_t *j, const hg_schema_t *schema, dg_plan_t *p,
                     const hg_json_t **ret_at, hg_err_t *err)
{
    uint64_t n;
    const hg_json_t *fields = member(j, "fields");
    p->limit = UINT64_MAX;
    p->chunk = MAX_BATCH;
    if (member(j, "limit")) (void)hg_json_u64(member(j, "limit"), &p->limit);
    if (member(j, "rate")) (void)hg_json_u64(member(j, "rate"), &p->rate);
    if (member(j, "worker_chunk_size") && hg_json_u64(member(j, "worker_chunk_size"), &n) == 0 && n)
        p->chunk = HG_MIN(n, p->chunk);
    if (p->rate) p->chunk = HG_MIN(p->rate, p->chunk);
    p->fields = HG_ANEWN(a, dg_field_t, schema->n_cols + 1);
    p->overhead = schema->n_cols ? 1 : 2; /* braces; each column brings its comma */
    for (const hg_json_t *m = fields ? fields->child : NULL; m; m = m->next) {
        *ret_at = m;
        if (column_of(schema, m->key) < 0)
            return hg_err_set(err, HG_EINVALTRANSPORT,
                              "Field `" HG_SF "` specified in datagen does not exist in the table schema.",
                              HG_SA(m->key));
    }
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const hg_json_t *mine = NULL;
        for (const hg_json_t *m = fields ? fields->child : NULL; m; m = m->next)
            if (column_of(schema, m->key) == (int)c) mine = m;
        *ret_at = mine ? mine : j;
        hg_str_t name = schema->cols[c].name;
        int rc = make_field(a, schema->cols[c].type, hg_arena_strndup(a, name.p, name.n), mine, &p->fields[c], err);
        if (rc < 0) return rc;
        hg_buf_t quoted;
        hg_buf_init(&quoted, HG_BUF_NOMAX);
        (void)hg_json_quote(&quoted, name);
        p->overhead += quoted.len + 2;
        hg_buf_release(&quoted);
    }
    return 0;
}

static int make_plans(hg_arena_t *a, const hg_json_t *plan, const hg_schema_t *schema, dg_plan_t **ret, uint32_t *ret_n,
                      const hg_json_t **ret_at, hg_err_t *err)
{
    bool given = plan && plan->kind == HG_J_ARRAY;
    uint32_t n = given ? plan->n : 1;
    dg_plan_t *plans = HG_ANEWN(a, dg_plan_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        int rc = make_plan(a, given ? hg_json_at(plan, i) : NULL, schema, &plans[i], ret_at, err);
        if (rc < 0) return rc;
    }
    *ret = plans;
    *ret_n = n;
    return 0;
}

int dg_plans_make(hg_arena_t *a, const hg_json_t *plan, const hg_schema_t *schema, dg_plan_t **ret, uint32_t *ret_n,
                  hg_err_t *err)
{
    const hg_json_t *at = NULL;
    return make_plans(a, plan, schema, ret, ret_n, &at, err);
}

void dg_plans_check_table(const hg_json_t *plan, const hg_schema_t *schema, hg_diag_t *d)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    dg_plan_t *plans;
    uint32_t n;
    const hg_json_t *at = NULL;
    if (make_plans(a, plan, schema, &plans, &n, &at, &err) < 0)
        hg_diag(d, false, at ? at : plan, at && at->key_len, "%s", err.msg);
    hg_arena_free(a);
}
