/* func.c: name resolution over the list of functions, common types, and which casts exist.
 *
 * Compile time, any thread: nothing here keeps state; types and matches are made in the caller's arena. */
#include "base/hg.h"
#include "engine/func_int.h"

static const char *const unit_names[HG_UNIT_N] = {
#define X(u, n) n,
    HG_UNITS(X)
#undef X
};

const char *hg_unit_name(hg_unit_t u)
{
    return unit_names[u];
}

/* "year", "years", "sql_tsi_year", and the long names of day fields. */
static bool find_unit(hg_str_t s, hg_unit_t *ret)
{
    static const struct {
        const char *name;
        hg_unit_t unit;
    } also[] = { { "dayofyear", HG_UNIT_DOY },
                 { "dayofweek", HG_UNIT_DOW },
                 { "centuries", HG_UNIT_CENTURY },
                 { "millennia", HG_UNIT_MILLENNIUM },
                 { "frac_second", HG_UNIT_MICROSECOND } };
    hg_str_t tsi = HG_S("sql_tsi_");
    if (hg_str_starts(s, tsi)) {
        s.p += tsi.n;
        s.n -= tsi.n;
    }
    for (size_t i = 0; i < HG_COUNT(also); i++) {
        if (!hg_str_eqz(s, also[i].name)) continue;
        *ret = also[i].unit;
        return true;
    }
    for (int plural = 0; plural < 2; plural++) {
        if (plural && (s.n == 0 || s.p[--s.n] != 's')) break;
        for (int u = 0; u < HG_UNIT_N; u++) {
            if (!hg_str_eqz(s, unit_names[u])) continue;
            *ret = (hg_unit_t)u;
            return true;
        }
    }
    return false;
}

/* --- patterns --- */

enum { MISFIT = -1, FITS = 0, FITS_NULL = 1 };

/* How well an argument fits a letter of a pattern. */
static int fit(char letter, const hg_type_t *t)
{
    hg_kind_t k = t->kind;
    bool ok = false;
    if (letter == '*') return FITS;
    if (k == HG_T_NULL) return FITS_NULL;
    switch (letter) {
    case 'i':
    case 'l':
        ok = hg_kind_is_integer(k);
        break;
    case 'e':
        ok = hg_kind_is_integer(k) || k == HG_T_DECIMAL;
        break;
    case 'f':
        ok = k == HG_T_REAL || k == HG_T_DOUBLE;
        break;
    case 'n':
    case 'F':
        ok = hg_kind_is_numeric(k);
        break;
    case 's':
        ok = hg_kind_is_string(k);
        break;
    case 'b':
        ok = hg_kind_is_bytes(k);
        break;
    case 'B':
        ok = k == HG_T_BOOLEAN;
        break;
    case 'D':
        ok = k == HG_T_DATE;
        break;
    case 'T':
        ok = k == HG_T_TIME;
        break;
    case 'S':
        ok = k == HG_T_TIMESTAMP;
        break;
    case 'Z':
        ok = k == HG_T_TIMESTAMP_TZ;
        break;
    case 'p':
        ok = k == HG_T_DATE || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ;
        break;
    case 'q':
        ok = k == HG_T_DATE || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ || k == HG_T_TIME || k == HG_T_INTERVAL ||
             k == HG_T_INTERVAL_YM;
        break;
    case 'I':
        ok = k == HG_T_INTERVAL;
        break;
    case 'Y':
        ok = k == HG_T_INTERVAL_YM;
        break;
    case 'U':
        ok = k == HG_T_UUID;
        break;
    case 'A':
        ok = k == HG_T_ARRAY;
        break;
    case 'M':
        ok = k == HG_T_MAP;
        break;
    case 'O':
        ok = k == HG_T_ROW;
        break;
    case 'v':
        ok = k == HG_T_VARIANT;
        break;
    default:
        break;
    }
    return ok ? FITS : MISFIT;
}

/* The letter for argument i of n, 0 if the pattern takes no such argument; *ret_end when the pattern may end there. */
static char letter_at(const char *pattern, uint32_t i)
{
    char last = 0;
    for (const char *p = pattern; *p && *p != '>'; p++) {
        if (*p == '?') continue;
        if (*p == '+') return last;
        if (i-- == 0) return *p;
        last = *p;
    }
    return 0;
}

static void arity(const char *pattern, uint32_t *ret_min, uint32_t *ret_max)
{
    uint32_t min = 0, max = 0;
    for (const char *p = pattern; *p && *p != '>'; p++) {
        if (*p == '+')
            max = UINT32_MAX;
        else if (*p == '?')
            min--;
        else
            min++, max++;
    }
    *ret_min = min;
    *ret_max = max;
}

/* Sum over the arguments: how many are NULL literals; MISFIT if the row does not take them. */
static int rank(const hg_func_t *f, const hg_type_t *const *types, uint32_t n)
{
    uint32_t min, max;
    int sum = 0;
    arity(f->args, &min, &max);
    if (n < min || n > max) return MISFIT;
    for (uint32_t i = 0; i < n; i++) {
        int r = fit(letter_at(f->args, i), types[i]);
        if (r < 0) return MISFIT;
        sum += r;
    }
    return sum;
}

static const hg_type_t *letter_type(hg_arena_t *a, char letter)
{
    static const struct {
        char letter;
        hg_kind_t kind;
    } kinds[] = { { 'N', HG_T_INTEGER }, { 'i', HG_T_INTEGER },   { 'e', HG_T_INTEGER },   { 'n', HG_T_INTEGER },
                  { 'L', HG_T_BIGINT },  { 'l', HG_T_BIGINT },    { 'F', HG_T_DOUBLE },    { 'f', HG_T_DOUBLE },
                  { 'B', HG_T_BOOLEAN }, { 'V', HG_T_VARCHAR },   { 's', HG_T_VARCHAR },   { 'b', HG_T_VARBINARY },
                  { 'D', HG_T_DATE },    { 'T', HG_T_TIME },      { 'S', HG_T_TIMESTAMP }, { 'Z', HG_T_TIMESTAMP_TZ },
                  { 'U', HG_T_UUID },    { 'p', HG_T_TIMESTAMP }, { 'q', HG_T_TIMESTAMP }, { 'v', HG_T_VARIANT } };
    if (letter == 'I') return hg_interval_type(a, HG_IV_DAY_SECOND);
    if (letter == 'Y') return hg_interval_type(a, HG_IV_YEAR_MONTH);
    for (size_t i = 0; i < HG_COUNT(kinds); i++)
        if (kinds[i].letter == letter) return hg_plain_type(a, kinds[i].kind);
    return NULL;
}

/* What a pattern without a rule of its own says. */
static bool bind_pattern(hg_bind_t *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        char l = letter_at(b->fn->args, i);
        bool casts = (l == 'l' && b->in[i]->kind != HG_T_BIGINT) || (l == 'F' && b->in[i]->kind != HG_T_DOUBLE);
        if (casts || b->in[i]->kind == HG_T_NULL) b->arg[i] = letter_type(b->a, l);
        if (!b->arg[i]) return false; /* NULL where any array would do */
    }
    char result = strchr(b->fn->args, '>')[1];
    b->ret = result == '1' ? b->arg[0] : letter_type(b->a, result);
    return true;
}

/* --- resolve --- */

static void upper(hg_buf_t *out, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        hg_buf_addc(out, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
    }
}

static void bracket_type(hg_buf_t *out, const hg_type_t *t)
{
    hg_buf_addc(out, '<');
    hg_type_text(out, t);
    hg_buf_addc(out, '>');
}

static int no_match(hg_str_t name, const hg_type_t *const *types, uint32_t n, const hg_func_t *near, hg_err_t *err)
{
    hg_buf_t call, shown;
    hg_buf_init(&call, HG_BUF_NOMAX);
    hg_buf_init(&shown, HG_BUF_NOMAX);
    bool neg = hg_str_eqz(name, "neg");
    upper(&shown, neg ? HG_S("-") : name);
    if (near && near->flags & HG_F_INFIX && n == 2) {
        bracket_type(&call, types[0]);
        hg_buf_addf(&call, " %s ", shown.p);
        bracket_type(&call, types[1]);
    } else if (neg && n == 1) {
        hg_buf_adds(&call, "-");
        bracket_type(&call, types[0]);
    } else {
        hg_buf_addf(&call, "%s(", shown.p);
        for (uint32_t i = 0; i < n; i++) {
            if (i) hg_buf_adds(&call, ", ");
            bracket_type(&call, types[i]);
        }
        hg_buf_addc(&call, ')');
    }
    int rc;
    if (!near) {
        rc = hg_err_set(err, HG_ENOTFOUND, "No match found for function signature %s", call.p);
    } else {
        uint32_t min, max;
        arity(near->args, &min, &max);
        if (n < min || n > max) {
            char most[24] = "";
            if (max == UINT32_MAX)
                snprintf(most, sizeof most, " or more");
            else if (max > min)
                snprintf(most, sizeof most, " to %u", max);
            rc = hg_err_set(err, HG_ETYPE, "Invalid number of arguments to function '%s'. Was expecting %u%s arguments",
                            shown.p, min, most);
        } else {
            rc = hg_err_set(err, HG_ETYPE, "Cannot apply '%s' to arguments of type '%s'", shown.p, call.p);
        }
    }
    hg_buf_release(&call);
    hg_buf_release(&shown);
    return rc;
}

/* "extract:year" → "extract", unit. False: the unit does not exist. */
static bool split_unit(hg_str_t name, hg_str_t *base, bool *has_unit, hg_unit_t *unit)
{
    const char *colon = name.n ? memchr(name.p, ':', name.n) : NULL;
    *base = name;
    *has_unit = colon != NULL;
    *unit = HG_UNIT_N;
    if (!colon) return true;
    base->n = (size_t)(colon - name.p);
    return find_unit((hg_str_t){ colon + 1, name.n - base->n - 1 }, unit);
}

int hg_func_resolve(hg_arena_t *a, hg_str_t name, const hg_type_t *const *types, hg_col_t *const *lits, uint32_t n,
                    hg_func_match_t *ret, hg_err_t *err)
{
    hg_str_t base;
    bool has_unit;
    hg_unit_t unit;
    const hg_func_t *near = NULL;
    int best = INT_MAX;
    bool known_unit = split_unit(name, &base, &has_unit, &unit);
    for (uint32_t i = 0; i < hg_n_funcs; i++) {
        const hg_func_t *f = &hg_funcs[i];
        if (has_unit != !!(f->flags & HG_F_UNIT) || !hg_str_eqz(base, f->name)) continue;
        uint32_t min, max;
        arity(f->args, &min, &max);
        if (!near || (n >= min && n <= max)) near = f;
        int r = known_unit ? rank(f, types, n) : MISFIT;
        if (r < 0 || r >= best) continue;
        if (has_unit) {
            hg_func_t *with = HG_ANEW(a, hg_func_t);
            *with = *f;
            with->unit = (uint8_t)unit;
            f = with;
        }
        hg_bind_t b = {
            .a = a, .fn = f, .in = types, .lits = lits, .n = n, .arg = HG_ANEWN(a, const hg_type_t *, n + 1)
        };
        bool nullable = f->flags & HG_F_NULLS;
        for (uint32_t k = 0; k < n; k++) {
            b.arg[k] = types[k];
            nullable = nullable || types[k]->nullable || types[k]->kind == HG_T_NULL;
        }
        if (!(f->bind ? f->bind(&b) : bind_pattern(&b))) continue;
        best = r;
        if (!(f->flags & HG_F_LENIENT) || f->flags & HG_F_NULLS) b.ret = hg_type_with_null(a, b.ret, nullable);
        *ret = (hg_func_match_t){ .fn = f, .arg_types = b.arg, .result = b.ret };
    }
    if (best != INT_MAX) return 0;
    if (near && !known_unit) {
        size_t at = base.n + 1;
        return hg_err_set(err, HG_ETYPE, "'" HG_SF "' is not a valid time unit", (int)(name.n - at), name.p + at);
    }
    return no_match(base, types, n, near, err);
}

bool hg_func_exists(hg_str_t name)
{
    hg_str_t base;
    bool has_unit;
    hg_unit_t unit;
    split_unit(name, &base, &has_unit, &unit);
    for (uint32_t i = 0; i < hg_n_funcs; i++)
        if (hg_str_eqz(base, hg_funcs[i].name)) return true;
    return false;
}

const char *hg_func_name(const hg_func_t *f)
{
    return f->name;
}

const char *hg_func_unit(const hg_func_t *f)
{
    return f->flags & HG_F_UNIT ? hg_unit_name((hg_unit_t)f->unit) : NULL;
}

void hg_func_list(void (*fn)(void *arg, const char *name, const char *signature, const char *doc), void *arg)
{
    for (uint32_t i = 0; i < hg_n_funcs; i++) fn(arg, hg_funcs[i].name, hg_funcs[i].sig, hg_funcs[i].doc);
}

/* --- types --- */

static const hg_type_t *common_text(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y, hg_kind_t varying)
{
    if (x->kind == y->kind && x->precision == y->precision) return x;
    int32_t p = x->precision < 0 || y->precision < 0 ? -1 : HG_MAX(x->precision, y->precision);
    return hg_type_make(a, varying, false, p,
                        0); /* lengths that differ become varying, as in Calcite's ragged unions */
}

/* Fields by place; their names are those of x. */
static const hg_type_t *common_row(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y)
{
    if (x->n_fields != y->n_fields) return NULL;
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    hg_field_t *f = HG_ANEWN(a, hg_field_t, x->n_fields + 1);
    *t = *x;
    t->fields = f;
    for (uint32_t i = 0; i < x->n_fields; i++) {
        f[i] = x->fields[i];
        f[i].type = hg_type_common(a, x->fields[i].type, y->fields[i].type);
        if (!f[i].type) return NULL;
    }
    return t;
}

static const hg_type_t *common_kind(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y)
{
    if (x->kind == HG_T_NULL) return y;
    if (y->kind == HG_T_NULL) return x;
    if (hg_kind_is_numeric(x->kind) && hg_kind_is_numeric(y->kind)) return hg_numeric_common(a, x, y);
    if (hg_kind_is_string(x->kind) && hg_kind_is_string(y->kind)) return common_text(a, x, y, HG_T_VARCHAR);
    if (hg_kind_is_bytes(x->kind) && hg_kind_is_bytes(y->kind)) return common_text(a, x, y, HG_T_VARBINARY);
    if (x->kind == HG_T_DATE && y->kind == HG_T_TIMESTAMP) return y;
    if (x->kind == HG_T_TIMESTAMP && y->kind == HG_T_DATE) return x;
    if (x->kind != y->kind) return NULL;
    switch ((int)x->kind) {
    case HG_T_INTERVAL:
        return x->unit == y->unit ? x : hg_interval_type(a, HG_IV_DAY_SECOND);
    case HG_T_INTERVAL_YM:
        return x->unit == y->unit ? x : hg_interval_type(a, HG_IV_YEAR_MONTH);
    case HG_T_ARRAY: {
        const hg_type_t *elem = hg_type_common(a, x->elem, y->elem);
        return elem ? hg_type_array(a, elem, false) : NULL;
    }
    case HG_T_MAP:
        return hg_map_type(a, hg_type_common(a, x->key, y->key), hg_type_common(a, x->elem, y->elem));
    case HG_T_ROW:
        return common_row(a, x, y);
    default:
        return x;
    }
}

const hg_type_t *hg_type_common(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y)
{
    const hg_type_t *t = common_kind(a, x, y);
    bool nullable = x->nullable || y->nullable || x->kind == HG_T_NULL || y->kind == HG_T_NULL;
    return t ? hg_type_with_null(a, t, nullable) : NULL;
}

/* Families of kinds between which casts exist. */
enum {
    F_NONE,
    F_BOOL,
    F_EXACT,
    F_FLOAT,
    F_TEXT,
    F_BYTES,
    F_DATE,
    F_TIME,
    F_TS,
    F_TSZ,
    F_IV,
    F_IVM,
    F_UUID,
    F_ARRAY,
    F_MAP,
    F_ROW,
    F_VARIANT
};

static int family(hg_kind_t k)
{
    if (hg_kind_is_integer(k) || k == HG_T_DECIMAL) return F_EXACT;
    if (hg_kind_is_numeric(k)) return F_FLOAT;
    if (hg_kind_is_string(k)) return F_TEXT;
    if (hg_kind_is_bytes(k)) return F_BYTES;
    switch ((int)k) {
    case HG_T_BOOLEAN:
        return F_BOOL;
    case HG_T_DATE:
        return F_DATE;
    case HG_T_TIME:
        return F_TIME;
    case HG_T_TIMESTAMP:
        return F_TS;
    case HG_T_TIMESTAMP_TZ:
        return F_TSZ;
    case HG_T_INTERVAL:
        return F_IV;
    case HG_T_INTERVAL_YM:
        return F_IVM;
    case HG_T_UUID:
        return F_UUID;
    case HG_T_ARRAY:
        return F_ARRAY;
    case HG_T_MAP:
        return F_MAP;
    case HG_T_ROW:
        return F_ROW;
    case HG_T_VARIANT:
        return F_VARIANT;
    default:
        return F_NONE;
    }
}

#define TO(f) HG_BIT(f)
static const uint32_t casts[] = {
    [F_NONE] = 0,
    [F_BOOL] = TO(F_BOOL) | TO(F_TEXT) | TO(F_EXACT) | TO(F_FLOAT),
    [F_EXACT] =
        TO(F_EXACT) | TO(F_FLOAT) | TO(F_TEXT) | TO(F_BOOL) | TO(F_TS) | TO(F_TSZ) | TO(F_IV) | TO(F_IVM) | TO(F_BYTES),
    [F_FLOAT] = TO(F_EXACT) | TO(F_FLOAT) | TO(F_TEXT) | TO(F_BOOL) | TO(F_TS) | TO(F_TSZ),
    [F_TEXT] = TO(F_BOOL) | TO(F_EXACT) | TO(F_FLOAT) | TO(F_TEXT) | TO(F_BYTES) | TO(F_DATE) | TO(F_TIME) | TO(F_TS) |
               TO(F_TSZ) | TO(F_IV) | TO(F_IVM) | TO(F_UUID),
    [F_BYTES] = TO(F_BYTES) | TO(F_TEXT) | TO(F_UUID),
    [F_DATE] = TO(F_DATE) | TO(F_TS) | TO(F_TSZ) | TO(F_TEXT),
    [F_TIME] = TO(F_TIME) | TO(F_TEXT),
    [F_TS] = TO(F_TS) | TO(F_TSZ) | TO(F_DATE) | TO(F_TIME) | TO(F_TEXT) | TO(F_EXACT) | TO(F_FLOAT),
    [F_TSZ] = TO(F_TS) | TO(F_TSZ) | TO(F_DATE) | TO(F_TIME) | TO(F_TEXT) | TO(F_EXACT) | TO(F_FLOAT),
    [F_IV] = TO(F_IV) | TO(F_TEXT) | TO(F_EXACT),
    [F_IVM] = TO(F_IVM) | TO(F_TEXT) | TO(F_EXACT),
    [F_UUID] = TO(F_UUID) | TO(F_TEXT) | TO(F_BYTES),
    [F_ARRAY] = TO(F_ARRAY),
    [F_MAP] = TO(F_MAP),
    [F_ROW] = TO(F_ROW), /* VARIANT: see hg_cast_explicit */
    [F_VARIANT] = 0,
};

/* "INTERVAL HOUR", not "INTERVAL DAY TO SECOND": only those count in one unit. */
static bool one_unit(const hg_type_t *t)
{
    switch ((int)t->unit) {
    case HG_IV_DAY:
    case HG_IV_HOUR:
    case HG_IV_MINUTE:
    case HG_IV_SECOND:
    case HG_IV_YEAR:
    case HG_IV_MONTH:
        return true;
    default:
        return false;
    }
}

/* Does a cast to the type, or one inside it, answer NULL where it finds no value? */
static bool makes_nulls(const hg_type_t *from, const hg_type_t *to)
{
    return from->kind == HG_T_VARIANT && to->kind != HG_T_VARIANT;
}

/* Field by field; none that may be NULL becomes NOT NULL. */
static bool row_cast(const hg_type_t *from, const hg_type_t *to)
{
    if (from->n_fields != to->n_fields) return false;
    for (uint32_t i = 0; i < to->n_fields; i++) {
        const hg_type_t *f = from->fields[i].type, *t = to->fields[i].type;
        if (!hg_cast_explicit(f, t)) return false;
        if (!t->nullable && (f->nullable || f->kind == HG_T_NULL || makes_nulls(f, t))) return false;
    }
    return true;
}

bool hg_cast_explicit(const hg_type_t *from, const hg_type_t *to)
{
    if (from->kind == HG_T_NULL) return to->kind != HG_T_GEOMETRY;
    int ff = family(from->kind), ft = family(to->kind);
    if (ft == F_VARIANT) return ff != F_NONE;
    if (ff == F_VARIANT) return ft != F_NONE && ft != F_IV && ft != F_IVM;
    if (!(casts[ff] & TO(ft))) return false;
    if (ff == F_ARRAY) return hg_cast_explicit(from->elem, to->elem);
    if (ff == F_MAP)
        return hg_cast_explicit(from->key, to->key) && !makes_nulls(from->key, to->key) &&
               hg_cast_explicit(from->elem, to->elem);
    if (ff == F_ROW) return row_cast(from, to);
    if (ff == F_EXACT && ft == F_BYTES) return from->kind != HG_T_DECIMAL;
    if ((ff == F_IV || ff == F_IVM) && ft == F_EXACT) return one_unit(from);
    if ((ft == F_IV || ft == F_IVM) && ff == F_EXACT) return one_unit(to);
    return true;
}

bool hg_cast_implicit(const hg_type_t *from, const hg_type_t *to)
{
    if (!hg_cast_explicit(from, to)) return false;
    int ff = family(from->kind), ft = family(to->kind);
    if (from->kind == HG_T_NULL || ff == F_TEXT) return ft != F_BYTES || from->kind == HG_T_NULL;
    if (ff == F_VARIANT || ft == F_VARIANT) return ff == ft;
    if (ff == F_ARRAY) return hg_cast_implicit(from->elem, to->elem);
    if (ff == F_MAP) return hg_cast_implicit(from->key, to->key) && hg_cast_implicit(from->elem, to->elem);
    if (ff == F_ROW) {
        for (uint32_t i = 0; i < to->n_fields; i++)
            if (!hg_cast_implicit(from->fields[i].type, to->fields[i].type)) return false;
        return true;
    }
    if (ff == F_EXACT && ft == F_EXACT) return !(from->kind == HG_T_DECIMAL && to->kind != HG_T_DECIMAL);
    if (ff == F_DATE && ft == F_TS) return true;
    return ff == ft || (ff == F_EXACT && ft == F_FLOAT);
}
