/* types.c: types as written, and the unit words of intervals and of EXTRACT. Works on the token stream; used for column
 * types and for what stands behind CAST … AS and `::`. */
#include "base/hg.h"
#include "sqlddl/sqlddl_int.h"

/* What may follow a type's word. */
enum { PREC = 1, SCALE = 2, UNSIGNED_ = 4, VARYING_ = 8, ZONE_ = 16 };

static const struct {
    const char *word;
    hg_kind_t kind;
    unsigned flags;
} sql_types[] = {
    { "boolean", HG_T_BOOLEAN, 0 },
    { "bool", HG_T_BOOLEAN, 0 },
    { "tinyint", HG_T_TINYINT, UNSIGNED_ },
    { "smallint", HG_T_SMALLINT, UNSIGNED_ },
    { "int2", HG_T_SMALLINT, 0 },
    { "integer", HG_T_INTEGER, UNSIGNED_ },
    { "int", HG_T_INTEGER, UNSIGNED_ },
    { "int4", HG_T_INTEGER, 0 },
    { "signed", HG_T_INTEGER, 0 },
    { "unsigned", HG_T_UINTEGER, 0 },
    { "bigint", HG_T_BIGINT, UNSIGNED_ },
    { "int8", HG_T_BIGINT, 0 },
    { "int64", HG_T_BIGINT, 0 },
    { "decimal", HG_T_DECIMAL, PREC | SCALE },
    { "dec", HG_T_DECIMAL, PREC | SCALE },
    { "numeric", HG_T_DECIMAL, PREC | SCALE },
    { "number", HG_T_DECIMAL, PREC | SCALE },
    { "real", HG_T_REAL, 0 },
    { "float4", HG_T_REAL, 0 },
    { "float32", HG_T_REAL, 0 },
    { "float", HG_T_DOUBLE, PREC },
    { "double", HG_T_DOUBLE, 0 },
    { "float8", HG_T_DOUBLE, 0 },
    { "float64", HG_T_DOUBLE, 0 },
    { "char", HG_T_CHAR, PREC | VARYING_ },
    { "character", HG_T_CHAR, PREC | VARYING_ },
    { "varchar", HG_T_VARCHAR, PREC },
    { "string", HG_T_VARCHAR, 0 },
    { "text", HG_T_VARCHAR, 0 },
    { "binary", HG_T_BINARY, PREC | VARYING_ },
    { "varbinary", HG_T_VARBINARY, PREC },
    { "bytea", HG_T_VARBINARY, 0 },
    { "date", HG_T_DATE, 0 },
    { "time", HG_T_TIME, PREC },
    { "datetime", HG_T_TIMESTAMP, 0 },
    { "timestamp", HG_T_TIMESTAMP, PREC | ZONE_ },
    { "uuid", HG_T_UUID, 0 },
    { "variant", HG_T_VARIANT, 0 },
    { "geometry", HG_T_GEOMETRY, 0 },
};

static bool eat_op(hg_sql_t *p, uint32_t *i, const char *op)
{
    if (!hg_is_op(p, *i, op)) return false;
    (*i)++;
    return true;
}

static bool eat_kw(hg_sql_t *p, uint32_t *i, hg_kw_t k)
{
    if (hg_kw_at(p, *i) != k) return false;
    (*i)++;
    return true;
}

/* "(" number [ "," number ] ")" when it is there */
static int precision(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t, bool scale)
{
    if (!eat_op(p, i, "(")) return 0;
    for (unsigned k = 0; k < (scale ? 2u : 1u); k++) {
        if (k == 1 && !eat_op(p, i, ",")) break;
        uint64_t v;
        if (p->tok[*i].kind != HG_TOK_INT) return hg_sql_encountered(p, *i, "a whole number");
        if (hg_str_u64(p->tok[*i].text, &v) < 0 || v > INT32_MAX)
            return hg_sql_bad(p, *i, *i, "%s of a type is out of range", k ? "Scale" : "Precision");
        *(k ? &t->scale : &t->precision) = (int32_t)v;
        (*i)++;
    }
    return eat_op(p, i, ")") ? 0 : hg_sql_encountered(p, *i, scale && t->scale < 0 ? "\",\" or \")\"" : "\")\"");
}

static hg_kind_t to_unsigned(hg_kind_t k)
{
    return k == HG_T_TINYINT    ? HG_T_UTINYINT
           : k == HG_T_SMALLINT ? HG_T_USMALLINT
           : k == HG_T_INTEGER  ? HG_T_UINTEGER
                                : HG_T_UBIGINT;
}

/* [WITH | WITHOUT] TIME ZONE. A WITH that is not followed by TIME belongs to somebody else. */
static int time_zone(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t)
{
    hg_kw_t k = hg_kw_at(p, *i);
    if ((k != HG_KW_WITH && k != HG_KW_WITHOUT) || hg_kw_at(p, *i + 1) != HG_KW_TIME) return 0;
    *i += 2;
    if (!eat_kw(p, i, HG_KW_ZONE)) return hg_sql_encountered(p, *i, "ZONE");
    if (k == HG_KW_WITH) t->kind = HG_T_TIMESTAMP_TZ;
    return 0;
}

static int builtin(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t, size_t row)
{
    unsigned flags = sql_types[row].flags;
    t->kind = sql_types[row].kind;
    t->bare_float = strcmp(sql_types[row].word, "float") == 0;
    bool is_double = strcmp(sql_types[row].word, "double") == 0;
    (*i)++;
    if (is_double) eat_kw(p, i, HG_KW_PRECISION);
    if ((flags & VARYING_) && eat_kw(p, i, HG_KW_VARYING))
        t->kind = t->kind == HG_T_CHAR ? HG_T_VARCHAR : HG_T_VARBINARY;
    int rc = (flags & PREC) ? precision(p, i, t, (flags & SCALE) != 0) : 0;
    if (rc == 0 && (flags & ZONE_)) rc = time_zone(p, i, t);
    if ((flags & UNSIGNED_) && eat_kw(p, i, HG_KW_UNSIGNED)) t->kind = to_unsigned(t->kind);
    return rc;
}

static int map_type(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t)
{
    hg_ast_type_t *key, *elem;
    t->kind = HG_T_MAP;
    *i += 2; /* MAP < */
    int rc = hg_sql_type(p, i, &key);
    if (rc < 0) return rc;
    if (!eat_op(p, i, ",")) return hg_sql_encountered(p, *i, "\",\"");
    rc = hg_sql_type(p, i, &elem);
    if (rc < 0) return rc;
    t->key = key;
    t->elem = elem;
    return eat_op(p, i, ">") ? 0 : hg_sql_encountered(p, *i, "\">\"");
}

static int row_type(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t)
{
    hg_ast_field_t *fields = NULL;
    uint32_t n = 0;
    t->kind = HG_T_ROW;
    *i += 2; /* ROW ( */
    do {
        hg_ast_field_t f = { 0 };
        hg_ast_type_t *ft;
        if (p->tok[*i].kind != HG_TOK_QIDENT && (p->tok[*i].kind != HG_TOK_IDENT || hg_kw_reserved(hg_kw_at(p, *i))))
            return hg_sql_encountered(p, *i, "a field name");
        f.name = hg_sql_name(p, (*i)++);
        int rc = hg_sql_type_use(p, i, &ft);
        if (rc < 0) return rc;
        f.type = ft;
        HG_APUSH(p->a, fields, n, f);
    } while (eat_op(p, i, ","));
    t->fields = fields;
    t->n_fields = n;
    return eat_op(p, i, ")") ? 0 : hg_sql_encountered(p, *i, "\",\" or \")\"");
}

static int base_type(hg_sql_t *p, uint32_t *i, hg_ast_type_t *t)
{
    const hg_tok_t *tok = &p->tok[*i];
    hg_kw_t k = hg_kw_at(p, *i);
    if (tok->kind == HG_TOK_IDENT) {
        if (k == HG_KW_MAP && hg_is_op(p, *i + 1, "<")) return map_type(p, i, t);
        if (k == HG_KW_ROW && hg_is_op(p, *i + 1, "(")) return row_type(p, i, t);
        if (k == HG_KW_INTERVAL) {
            uint32_t scale;
            (*i)++;
            if (!hg_sql_is_unit(p, *i)) return hg_sql_encountered(p, *i, "an interval unit such as DAY or HOUR");
            uint32_t unit_tok = *i;
            int rc = hg_sql_interval_unit(p, i, &t->unit, &scale);
            if (rc < 0) return rc;
            if (scale != 1) return hg_sql_encountered(p, unit_tok, "an interval unit such as DAY or MONTH");
            t->kind = hg_sql_unit_kind(t->unit);
            return 0;
        }
        for (size_t row = 0; row < HG_COUNT(sql_types); row++)
            if (hg_str_eqz(tok->text, sql_types[row].word)) return builtin(p, i, t, row);
        if (hg_kw_reserved(k)) return hg_sql_encountered(p, *i, "a type");
    } else if (tok->kind != HG_TOK_QIDENT) {
        return hg_sql_encountered(p, *i, "a type");
    }
    if (hg_is_op(p, *i + 1, "(")) return hg_sql_encountered(p, *i, "a type that takes digits, such as VARCHAR(10)");
    t->kind = HG_T_N;
    t->user = hg_sql_name(p, (*i)++);
    if (hg_is_op(p, *i, "."))
        return hg_sql_unsupported(p, *i - 1, *i + 1 < p->n - 1 ? *i + 1 : *i, "A type name with a dot");
    return 0;
}

int hg_sql_type(hg_sql_t *p, uint32_t *i, hg_ast_type_t **ret)
{
    uint32_t first = *i;
    if (p->depth >= 64) return hg_sql_bad(p, first, first, "Types are nested too deeply (the limit is 64)");
    p->depth++;
    hg_ast_type_t *t = HG_ANEW(p->a, hg_ast_type_t);
    t->precision = t->scale = -1;
    int rc = base_type(p, i, t);
    p->depth--;
    if (rc < 0) return rc;
    t->pos = hg_sql_span(p, first, *i - 1);
    uint32_t arrays = 0;
    while (eat_kw(p, i, HG_KW_ARRAY)) {
        if (++arrays > 64) return hg_sql_bad(p, first, *i - 1, "Types are nested too deeply (the limit is 64)");
        hg_ast_type_t *array = HG_ANEW(p->a, hg_ast_type_t);
        array->kind = HG_T_ARRAY;
        array->precision = array->scale = -1;
        array->elem = t;
        array->pos = hg_sql_span(p, first, *i - 1);
        t = array;
    }
    *ret = t;
    return 0;
}

int hg_sql_type_use(hg_sql_t *p, uint32_t *i, hg_ast_type_t **ret)
{
    int rc = hg_sql_type(p, i, ret);
    if (rc < 0) return rc;
    if (hg_kw_at(p, *i) == HG_KW_NOT) {
        if (hg_kw_at(p, *i + 1) != HG_KW_NULL) return hg_sql_encountered(p, *i + 1, "NULL");
        *i += 2;
        (*ret)->not_null = true;
    } else if (eat_kw(p, i, HG_KW_NULL)) {
        (*ret)->null_given = true;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ units */

static const struct {
    const char *word;
    hg_interval_unit_t unit;
    uint32_t scale;
} units[] = {
    { "year", HG_IV_YEAR, 1 },     { "quarter", HG_IV_MONTH, 3 }, { "month", HG_IV_MONTH, 1 },
    { "week", HG_IV_DAY, 7 },      { "day", HG_IV_DAY, 1 },       { "hour", HG_IV_HOUR, 1 },
    { "minute", HG_IV_MINUTE, 1 }, { "second", HG_IV_SECOND, 1 },
};

/* Row of the table, plural or not; -1 if the token is no unit. */
static int unit_row(const hg_sql_t *p, uint32_t i)
{
    if (i >= p->n || p->tok[i].kind != HG_TOK_IDENT) return -1;
    hg_str_t s = p->tok[i].text;
    for (int row = 0; row < (int)HG_COUNT(units); row++) {
        size_t n = strlen(units[row].word);
        if (s.n >= n && memcmp(s.p, units[row].word, n) == 0 && (s.n == n || (s.n == n + 1 && s.p[n] == 's')))
            return row;
    }
    return -1;
}

bool hg_sql_is_unit(const hg_sql_t *p, uint32_t i)
{
    return unit_row(p, i) >= 0;
}

/* (precision) or (precision, fraction) behind a unit: read and dropped, as it only limits what may be written. */
static int unit_precision(hg_sql_t *p, uint32_t *i)
{
    hg_ast_type_t unused = { 0 };
    return p->tok[*i + 1].kind == HG_TOK_INT ? precision(p, i, &unused, true) : 0;
}

int hg_sql_interval_unit(hg_sql_t *p, uint32_t *i, hg_interval_unit_t *ret, uint32_t *ret_scale)
{
    static const struct {
        hg_interval_unit_t from, to, both;
    } spans[] = {
        { HG_IV_DAY, HG_IV_HOUR, HG_IV_DAY_HOUR },       { HG_IV_DAY, HG_IV_MINUTE, HG_IV_DAY_MINUTE },
        { HG_IV_DAY, HG_IV_SECOND, HG_IV_DAY_SECOND },   { HG_IV_HOUR, HG_IV_MINUTE, HG_IV_HOUR_MINUTE },
        { HG_IV_HOUR, HG_IV_SECOND, HG_IV_HOUR_SECOND }, { HG_IV_MINUTE, HG_IV_SECOND, HG_IV_MINUTE_SECOND },
        { HG_IV_YEAR, HG_IV_MONTH, HG_IV_YEAR_MONTH },
    };
    int row = unit_row(p, *i);
    if (row < 0) return hg_sql_encountered(p, *i, "an interval unit such as DAY or HOUR");
    (*i)++;
    int rc = hg_is_op(p, *i, "(") ? unit_precision(p, i) : 0;
    if (rc < 0) return rc;
    *ret = units[row].unit;
    *ret_scale = units[row].scale;
    if (hg_kw_at(p, *i) != HG_KW_TO) return 0;
    int to = unit_row(p, *i + 1);
    for (size_t k = 0; to >= 0 && units[row].scale == 1 && units[to].scale == 1 && k < HG_COUNT(spans); k++) {
        if (spans[k].from != units[row].unit || spans[k].to != units[to].unit) continue;
        *ret = spans[k].both;
        *i += 2;
        return hg_is_op(p, *i, "(") ? unit_precision(p, i) : 0;
    }
    return hg_sql_encountered(p, *i + 1, "a smaller unit of the same family");
}

const char *hg_sql_unit_text(hg_interval_unit_t u)
{
    static const char *const text[] = { "DAY",
                                        "DAY TO HOUR",
                                        "DAY TO MINUTE",
                                        "DAY TO SECOND",
                                        "HOUR",
                                        "HOUR TO MINUTE",
                                        "HOUR TO SECOND",
                                        "MINUTE",
                                        "MINUTE TO SECOND",
                                        "SECOND",
                                        "YEAR",
                                        "YEAR TO MONTH",
                                        "MONTH" };
    _Static_assert(HG_COUNT(text) == HG_IV_N, "one text per unit");
    return text[u];
}

hg_kind_t hg_sql_unit_kind(hg_interval_unit_t u)
{
    return u >= HG_IV_YEAR ? HG_T_INTERVAL_YM : HG_T_INTERVAL;
}

hg_str_t hg_sql_time_unit(const hg_sql_t *p, uint32_t i)
{
    hg_str_t s = p->tok[i].text;
    if (hg_str_starts(s, HG_S("sql_tsi_"))) s = (hg_str_t){ s.p + 8, s.n - 8 };
    int row = unit_row(p, i);
    if (row >= 0) s = hg_strz(units[row].word);
    char *out = hg_arena_strndup(p->a, s.p, s.n);
    for (size_t k = 0; k < s.n; k++)
        if (out[k] >= 'a' && out[k] <= 'z') out[k] = (char)(out[k] - 32);
    return (hg_str_t){ out, s.n };
}
