/* Literals → constants. A number keeps exactly the digits that were written; only an exponent makes it a DOUBLE (sql
 * §1.4). */
#include "base/hg.h"
#include "data/text.h"
#include "compile/compile_int.h"
#include "data/zone.h"

static void drop_col(void *col)
{
    hg_col_drop(col);
}

const hg_expr_t *hg_x_const(hg_cc_t *c, hg_pos_t pos, const hg_type_t *type, hg_col_t *col)
{
    hg_arena_cleanup(c->a, drop_col, col);
    hg_expr_t *x = hg_x_new(c, HG_X_CONST, type, pos, 0);
    x->lit = col;
    return x;
}

/* The builder holds one row. Literals are as long as the program that holds them: memory is not a question of its own
 * here. */
static const hg_expr_t *seal(hg_cc_t *c, hg_pos_t pos, hg_colb_t *b, int rc)
{
    HG_ASSERT(rc == 0);
    hg_col_t *col = hg_colb_seal(b);
    hg_colb_release(b);
    return hg_x_const(c, pos, col->type, col);
}

const hg_expr_t *hg_x_null(hg_cc_t *c, const hg_type_t *type, hg_pos_t pos)
{
    hg_colb_t b;
    hg_colb_init(&b, hg_type_with_null(c->a, type, true));
    return seal(c, pos, &b, hg_colb_null(&b));
}

static const hg_expr_t *decimal(hg_cc_t *c, const hg_ast_expr_t *e, bool negative)
{
    hg_str_t t = e->text;
    uint32_t whole = 0, frac = 0;
    bool point = false, lead = true;
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '.') {
            point = true;
        } else if (point) {
            frac++;
        } else if (t.p[i] != '0' || !lead) {
            lead = false;
            whole++;
        }
    }
    uint32_t prec = whole + frac ? whole + frac : 1;
    if (prec > 38) {
        hg_cc_sem(c, e->pos, "Numeric literal '" HG_SF "' has more than 38 digits", HG_SA(t));
        return NULL;
    }
    hg_i128 v = 0;
    int rc = hg_dec_parse(t, (int32_t)prec, (int32_t)frac, false, &v);
    if (rc < 0) {
        hg_cc_sem(c, e->pos, "Numeric literal '" HG_SF "' out of range", HG_SA(t));
        return NULL;
    }
    hg_colb_t b;
    hg_colb_init(&b, hg_type_make(c->a, HG_T_DECIMAL, false, (int32_t)prec, (int32_t)frac));
    return seal(c, e->pos, &b, hg_colb_i128(&b, negative ? -v : v));
}

static const hg_expr_t *integer(hg_cc_t *c, const hg_ast_expr_t *e, bool negative)
{
    uint64_t u = 0;
    hg_colb_t b;
    if (hg_str_u64(e->text, &u) < 0 || u > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return decimal(c, e, negative);
    if (u <= INT32_MAX) {
        hg_colb_init(&b, hg_type_make(c->a, HG_T_INTEGER, false, -1, 0));
        return seal(c, e->pos, &b, hg_colb_i32(&b, negative ? -(int32_t)u : (int32_t)u));
    }
    hg_colb_init(&b, hg_type_make(c->a, HG_T_BIGINT, false, -1, 0));
    return seal(c, e->pos, &b, hg_colb_i64(&b, negative ? (int64_t)(0 - u) : (int64_t)u));
}

static int hex(char ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

static const hg_expr_t *bytes(hg_cc_t *c, const hg_ast_expr_t *e)
{
    size_t n = e->text.n / 2;
    char *p = hg_arena_alloc(c->a, n + 1);
    for (size_t i = 0; i < n; i++) {
        int hi = hex(e->text.p[2 * i]), lo = hex(e->text.p[2 * i + 1]);
        HG_ASSERT(hi >= 0 && lo >= 0); /* sqlddl has read them */
        p[i] = (char)(hi * 16 + lo);
    }
    hg_colb_t b;
    hg_colb_init(&b, hg_type_make(c->a, HG_T_VARBINARY, false, -1, 0));
    return seal(c, e->pos, &b, hg_colb_var(&b, p, n));
}

static const hg_expr_t *illegal(hg_cc_t *c, const hg_ast_expr_t *e, const char *what, const char *form)
{
    hg_cc_sem(c, e->pos, "Illegal %s literal '" HG_SF "': not in format '%s'", what, HG_SA(e->text), form);
    return NULL;
}

/* A zone by name: where clocks were put back the earlier moment, where they were put forward what it would have been
 * without, as Java has it. */
static const hg_expr_t *zone_by_name(hg_cc_t *c, const hg_ast_expr_t *e, hg_colb_t *b, int64_t local, hg_str_t name)
{
    int64_t moments[2];
    const hg_zone_t *z = hg_zone_named(name);
    if (!z) {
        hg_cc_sem(c, e->pos, "There is no time zone '" HG_SF "' in %s", HG_SA(name), hg_zone_dir());
        hg_cc_note(c, "names are those of the tz database (Debian: package tzdata), with their capitals: Europe/Paris");
        return NULL;
    }
    hg_zone_moments(z, local, moments);
    return seal(c, e->pos, b, hg_colb_i64(b, moments[0]));
}

/* 'date time zone': the blank before an offset is taken out, so that the offset is read as everywhere. */
static const hg_expr_t *zoned(hg_cc_t *c, const hg_ast_expr_t *e, hg_colb_t *b)
{
    char *text = hg_arena_strndup(c->a, e->text.p, e->text.n);
    hg_str_t s = { text, e->text.n }, name = { NULL, 0 };
    for (size_t i = 11; i + 1 < s.n; i++) /* behind the blank between date and time */
        if (s.p[i] == ' ') {
            name = (hg_str_t){ s.p + i + 1, s.n - i - 1 };
            break;
        }
    bool offset = name.n && (name.p[0] == '+' || name.p[0] == '-');
    if (offset) {
        memmove(text + (name.p - text) - 1, name.p, name.n);
        s.n--;
    }
    int64_t v = 0;
    bool zone = false;
    if (hg_time_is_sql(HG_T_TIMESTAMP_TZ, s) && hg_ts_parse(s, false, &v, &zone) == 0 && zone)
        return seal(c, e->pos, b, hg_colb_i64(b, v));
    s.n -= name.n + (name.n > 0);
    if (name.n && !offset && hg_ts_parse(s, false, &v, &zone) == 0 && !zone) return zone_by_name(c, e, b, v, name);
    return illegal(c, e, "TIMESTAMP WITH TIME ZONE", "yyyy-MM-dd HH:mm:ss[.f] {zone|{+|-}HH:mm}");
}

/* DATE '…' and its like. */
static const hg_expr_t *typed(hg_cc_t *c, const hg_ast_expr_t *e)
{
    const hg_type_t *t = hg_bind_type(c, e->type, false);
    if (!t) return NULL;
    t = hg_type_with_null(c->a, t, false);
    hg_colb_t b;
    int64_t v = 0;
    int32_t d = 0;
    uint8_t id[16];
    bool zone = false, form = hg_time_is_sql(t->kind, e->text);
    hg_colb_init(&b, t);
    switch ((int)t->kind) {
    case HG_T_DATE:
        if (!form || hg_date_parse(e->text, &d) < 0) return illegal(c, e, "DATE", "yyyy-MM-dd");
        return seal(c, e->pos, &b, hg_colb_i32(&b, d));
    case HG_T_TIME:
        if (!form || hg_time_parse(e->text, &v) < 0) return illegal(c, e, "TIME", "HH:mm:ss[.f]");
        return seal(c, e->pos, &b, hg_colb_i64(&b, v));
    case HG_T_TIMESTAMP:
        if (!form || hg_ts_parse(e->text, true, &v, &zone) < 0 || zone)
            return illegal(c, e, "TIMESTAMP", "yyyy-MM-dd HH:mm:ss[.f]");
        return seal(c, e->pos, &b, hg_colb_i64(&b, v));
    case HG_T_TIMESTAMP_TZ:
        return zoned(c, e, &b);
    case HG_T_UUID:
        if (hg_uuid_parse(e->text, id) < 0) return illegal(c, e, "UUID", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        return seal(c, e->pos, &b, hg_colb_fixed(&b, id));
    case HG_T_INTERVAL:
    case HG_T_INTERVAL_YM:
        if (hg_interval_parse(e->text, t->unit, &v) < 0) {
            hg_cc_sem(c, e->pos, "Illegal interval literal format '" HG_SF "' for %s", HG_SA(e->text),
                      hg_type_str(c, t));
            return NULL;
        }
        return seal(c, e->pos, &b, t->kind == HG_T_INTERVAL ? hg_colb_i64(&b, v) : hg_colb_i32(&b, (int32_t)v));
    default:
        hg_cc_nyi(c, e->pos, "A literal of type %s", hg_type_str(c, t));
        return NULL;
    }
}

const hg_expr_t *hg_bind_literal(hg_cc_t *c, const hg_ast_expr_t *e, bool negative)
{
    hg_colb_t b;
    double d = 0;
    switch ((int)e->kind) {
    case HG_E_NULL:
        return hg_x_null(c, hg_type_make(c->a, HG_T_NULL, true, -1, 0), e->pos);
    case HG_E_BOOL:
        hg_colb_init(&b, hg_type_make(c->a, HG_T_BOOLEAN, false, -1, 0));
        return seal(c, e->pos, &b, hg_colb_bool(&b, e->bool_value));
    case HG_E_INT:
        return integer(c, e, negative);
    case HG_E_DECIMAL:
        return decimal(c, e, negative);
    case HG_E_FLOAT:
        if (hg_f64_parse(e->text, &d) < 0) {
            hg_cc_sem(c, e->pos, "Numeric literal '" HG_SF "' out of range", HG_SA(e->text));
            return NULL;
        }
        hg_colb_init(&b, hg_type_make(c->a, HG_T_DOUBLE, false, -1, 0));
        return seal(c, e->pos, &b, hg_colb_f64(&b, negative ? -d : d));
    case HG_E_STRING:
        hg_colb_init(&b, hg_type_make(c->a, HG_T_VARCHAR, false, -1, 0));
        return seal(c, e->pos, &b, hg_colb_var(&b, e->text.p, e->text.n));
    case HG_E_BYTES:
        return bytes(c, e);
    default:
        return typed(c, e);
    }
}
