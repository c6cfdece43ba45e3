/* func_bind.c: binding rules: from the types of a call to the exact types a kernel runs on and the type of the result.
 * Those of values with parts: func_bind_nested.c.
 *
 * Compile time only. The number rules are Calcite's as sql §5.6 states them, capped at 38 digits. */
#include "base/hg.h"
#include "engine/func_int.h"

#define MAX_DIGITS 38

const hg_type_t *hg_plain_type(hg_arena_t *a, hg_kind_t k)
{
    return hg_type_make(a, k, false, -1, 0);
}

const hg_type_t *hg_decimal_type(hg_arena_t *a, int32_t precision, int32_t scale)
{
    return hg_type_make(a, HG_T_DECIMAL, false, precision, scale);
}

const hg_type_t *hg_interval_type(hg_arena_t *a, hg_interval_unit_t unit)
{
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    t->kind = unit >= HG_IV_YEAR ? HG_T_INTERVAL_YM : HG_T_INTERVAL;
    t->precision = -1;
    t->unit = unit;
    return t;
}

static bool is_float(const hg_type_t *t)
{
    return t->kind == HG_T_REAL || t->kind == HG_T_DOUBLE;
}

/* Bytes of an integer type: order of HG_KINDS is TINYINT … BIGINT, UTINYINT … UBIGINT. */
static int int_width(hg_kind_t k)
{
    return 1 << (hg_kind_is_unsigned(k) ? k - HG_T_UTINYINT : k - HG_T_TINYINT);
}

hg_kind_t hg_int_wider(hg_kind_t x, hg_kind_t y)
{
    int wx = int_width(x), wy = int_width(y);
    if (wx != wy) return wx > wy ? x : y;
    return hg_kind_is_unsigned(x) ? x : y;
}

const hg_type_t *hg_numeric_common(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y)
{
    if (is_float(x) || is_float(y)) {
        bool one_real = x->kind == HG_T_REAL || y->kind == HG_T_REAL;
        bool plain =
            x->kind != HG_T_DOUBLE && y->kind != HG_T_DOUBLE && x->kind != HG_T_DECIMAL && y->kind != HG_T_DECIMAL;
        return hg_plain_type(a, one_real && plain ? HG_T_REAL : HG_T_DOUBLE);
    }
    if (x->kind != HG_T_DECIMAL && y->kind != HG_T_DECIMAL)
        return x->kind == y->kind ? x : hg_plain_type(a, hg_int_wider(x->kind, y->kind));
    int32_t px, sx, py, sy;
    hg_exact_digits(x, &px, &sx);
    hg_exact_digits(y, &py, &sy);
    int32_t s = HG_MAX(sx, sy);
    return hg_decimal_type(a, HG_MIN(HG_MAX(px - sx, py - sy) + s, MAX_DIGITS), s);
}

/* --- arithmetic --- */

/* Fill in the type of a NULL literal: the other side's, INTEGER if both are NULL. */
static void both(const hg_bind_t *b, const hg_type_t **x, const hg_type_t **y)
{
    *x = b->in[0];
    *y = b->in[1];
    if (hg_type_is_null(*x)) *x = hg_type_is_null(*y) ? hg_plain_type(b->a, HG_T_INTEGER) : *y;
    if (hg_type_is_null(*y)) *y = *x;
}

bool hg_bind_arith_int(hg_bind_t *b)
{
    const hg_type_t *x, *y;
    both(b, &x, &y);
    b->ret = b->arg[0] = b->arg[1] = x->kind == y->kind ? x : hg_plain_type(b->a, hg_int_wider(x->kind, y->kind));
    return true;
}

bool hg_bind_arith_float(hg_bind_t *b)
{
    const hg_type_t *x, *y;
    both(b, &x, &y);
    b->ret = b->arg[0] = b->arg[1] = hg_numeric_common(b->a, x, y);
    return is_float(b->ret);
}

static const hg_type_t *as_decimal(const hg_bind_t *b, const hg_type_t *t)
{
    return t->kind == HG_T_DECIMAL ? t : hg_decimal_type(b->a, hg_int_digits(t->kind), 0);
}

bool hg_bind_arith_dec(hg_bind_t *b)
{
    const hg_type_t *x, *y;
    both(b, &x, &y);
    if (x->kind != HG_T_DECIMAL && y->kind != HG_T_DECIMAL) return false;
    b->arg[0] = x = as_decimal(b, x);
    b->arg[1] = y = as_decimal(b, y);
    int32_t p1 = x->precision, s1 = x->scale, p2 = y->precision, s2 = y->scale, p = 0, s = 0;
    switch ((hg_arith_t)b->fn->aux) {
    case HG_ARITH_ADD:
    case HG_ARITH_SUB:
        s = HG_MAX(s1, s2);
        p = HG_MAX(p1 - s1, p2 - s2) + s + 1;
        break;
    case HG_ARITH_MUL:
        s = HG_MIN(s1 + s2, MAX_DIGITS);
        p = p1 + p2;
        break;
    case HG_ARITH_DIV: {
        int32_t whole = HG_MIN(p1 - s1 + s2, MAX_DIGITS);
        s = HG_MIN(HG_MAX(6, s1 + p2 + 1), MAX_DIGITS - whole);
        p = whole + s;
        break;
    }
    case HG_ARITH_MOD:
        s = HG_MAX(s1, s2);
        p = HG_MIN(p1 - s1, p2 - s2) + s;
        break;
    }
    p = HG_MAX(HG_MIN(p, MAX_DIGITS), HG_MAX(s, 1));
    b->ret = hg_decimal_type(b->a, p, s);
    return true;
}

bool hg_bind_neg(hg_bind_t *b)
{
    if (hg_kind_is_unsigned(b->in[0]->kind)) return false;
    if (hg_type_is_null(b->in[0])) b->arg[0] = hg_plain_type(b->a, HG_T_INTEGER);
    b->ret = b->arg[0];
    return true;
}

/* --- comparison --- */

/* The type in which an integer pair compares without loss. */
static const hg_type_t *int_compare(hg_arena_t *a, const hg_type_t *x, const hg_type_t *y)
{
    if (x->kind == y->kind) return x;
    bool ux = hg_kind_is_unsigned(x->kind), uy = hg_kind_is_unsigned(y->kind);
    if (ux == uy) return hg_plain_type(a, hg_int_wider(x->kind, y->kind));
    hg_kind_t u = ux ? x->kind : y->kind, s = ux ? y->kind : x->kind;
    if (u == HG_T_UBIGINT) return hg_decimal_type(a, 20, 0);
    hg_kind_t above = (hg_kind_t)(u - HG_T_UTINYINT + HG_T_SMALLINT); /* the next wider signed type */
    return hg_plain_type(a, int_width(above) > int_width(s) ? above : s);
}

/* A string literal takes the type of what it is compared with; as a DECIMAL it keeps all its digits. */
static const hg_type_t *literal_as(hg_bind_t *b, uint32_t i, const hg_type_t *other)
{
    if (other->kind != HG_T_DECIMAL) return other;
    hg_str_t s = hg_col_var(b->lits[i], 0);
    const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;
    int32_t digits = dot ? (int32_t)(s.n - (size_t)(dot - s.p) - 1) : 0;
    return hg_decimal_type(b->a, MAX_DIGITS, HG_MIN(HG_MAX(digits, other->scale), MAX_DIGITS));
}

static bool is_literal(const hg_bind_t *b, uint32_t i)
{
    return hg_kind_is_string(b->in[i]->kind) && b->lits && b->lits[i] && !hg_col_null(b->lits[i], 0);
}

static bool compare_types(hg_bind_t *b)
{
    const hg_type_t *x, *y;
    both(b, &x, &y);
    if (hg_type_is_null(b->in[0]) || hg_type_is_null(b->in[1])) {
        b->arg[0] = x;
        b->arg[1] = y;
        return true;
    }
    if (hg_kind_is_numeric(x->kind) && hg_kind_is_numeric(y->kind)) {
        if (is_float(x) || is_float(y)) {
            b->arg[0] = b->arg[1] = x->kind == y->kind ? x : hg_plain_type(b->a, HG_T_DOUBLE);
        } else if (x->kind == HG_T_DECIMAL || y->kind == HG_T_DECIMAL) {
            b->arg[0] = as_decimal(b, x); /* the kernel compares different scales */
            b->arg[1] = as_decimal(b, y);
        } else {
            b->arg[0] = b->arg[1] = int_compare(b->a, x, y);
        }
        return true;
    }
    if (hg_kind_is_string(x->kind) && hg_kind_is_string(y->kind)) {
        bool same = x->kind == y->kind && (x->kind == HG_T_VARCHAR || x->precision == y->precision);
        b->arg[0] = same || x->kind == HG_T_VARCHAR ? x : hg_plain_type(b->a, HG_T_VARCHAR);
        b->arg[1] = same || y->kind == HG_T_VARCHAR ? y : hg_plain_type(b->a, HG_T_VARCHAR);
        return true;
    }
    if (hg_kind_is_bytes(x->kind) && hg_kind_is_bytes(y->kind)) return true;
    if (is_literal(b, 0) && x->kind != y->kind && hg_cast_implicit(x, y)) {
        b->arg[0] = literal_as(b, 0, y);
        return true;
    }
    if (is_literal(b, 1) && x->kind != y->kind && hg_cast_implicit(y, x)) {
        b->arg[1] = literal_as(b, 1, x);
        return true;
    }
    if (x->kind == HG_T_ROW && (b->fn->aux == HG_CMP_EQ || b->fn->aux == HG_CMP_NE)) return false;
    if (x->kind == HG_T_INTERVAL || x->kind == HG_T_INTERVAL_YM) return x->kind == y->kind; /* of any unit */
    const hg_type_t *t = hg_type_common(b->a, x, y);
    if (!t) return false;
    b->arg[0] = x->kind == t->kind && hg_type_same(x, t) ? x : t;
    b->arg[1] = y->kind == t->kind && hg_type_same(y, t) ? y : t;
    return true;
}

bool hg_bind_cmp(hg_bind_t *b)
{
    b->ret = hg_plain_type(b->a, HG_T_BOOLEAN);
    return compare_types(b);
}

bool hg_bind_distinct(hg_bind_t *b)
{
    return hg_bind_cmp(b);
}

/* The result is the first argument as it was: what the kernel can compare uncast stays as it is. */
bool hg_bind_nullif(hg_bind_t *b)
{
    const hg_type_t *x = b->in[0], *y = b->in[1];
    bool uncast = (hg_kind_is_numeric(x->kind) && hg_kind_is_numeric(y->kind)) ||
                  (hg_kind_is_string(x->kind) && hg_kind_is_string(y->kind));
    b->ret = hg_type_with_null(b->a, x, true);
    return uncast || (compare_types(b) && hg_type_same(b->arg[0], x)); /* the result keeps the type of x */
}

bool hg_bind_common(hg_bind_t *b)
{
    const hg_type_t *t = b->in[0];
    bool all = true;
    for (uint32_t i = 0; i < b->n; i++) {
        t = i ? hg_type_common(b->a, t, b->in[i]) : t;
        if (!t) return false;
        all = all && b->in[i]->nullable;
    }
    for (uint32_t i = 0; i < b->n; i++) b->arg[i] = t;
    b->ret = b->fn->flags & HG_F_LENIENT ? hg_type_with_null(b->a, t, all) : t;
    return true;
}

/* --- numbers --- */

bool hg_bind_round(hg_bind_t *b)
{
    if (hg_type_is_null(b->in[0])) b->arg[0] = hg_plain_type(b->a, HG_T_INTEGER);
    if (b->n > 1) b->arg[1] = hg_plain_type(b->a, HG_T_BIGINT);
    b->ret = b->arg[0];
    return true;
}

bool hg_bind_floor(hg_bind_t *b)
{
    const hg_type_t *t = b->in[0];
    if (hg_type_is_null(t)) b->arg[0] = t = hg_plain_type(b->a, HG_T_INTEGER);
    b->ret = t->kind == HG_T_DECIMAL && t->scale ? hg_decimal_type(b->a, t->precision, 0) : t;
    return true;
}

/* --- strings --- */

bool hg_bind_concat(hg_bind_t *b)
{
    bool text = b->fn->args[0] == 's', fixed = true;
    hg_kind_t varying = text ? HG_T_VARCHAR : HG_T_VARBINARY, blank = text ? HG_T_CHAR : HG_T_BINARY;
    int64_t sum = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const hg_type_t *t = b->in[i];
        if (hg_type_is_null(t)) b->arg[i] = t = hg_plain_type(b->a, varying);
        fixed = fixed && t->kind == blank;
        sum = sum < 0 || t->precision < 0 ? -1 : sum + t->precision;
    }
    if (sum > INT32_MAX) sum = -1;
    b->ret = hg_type_make(b->a, fixed && sum >= 0 ? blank : varying, false, (int32_t)sum, 0);
    return true;
}

/* The first argument's type without the padding: VARCHAR(n) or VARBINARY(n). Positions and counts are BIGINT. */
bool hg_bind_varying(hg_bind_t *b)
{
    bool text = b->fn->args[0] == 's';
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->fn->args[i] == 'l')
            b->arg[i] = hg_plain_type(b->a, HG_T_BIGINT);
        else if (hg_type_is_null(b->in[i]))
            b->arg[i] = hg_plain_type(b->a, text ? HG_T_VARCHAR : HG_T_VARBINARY);
    }
    b->ret = hg_type_make(b->a, text ? HG_T_VARCHAR : HG_T_VARBINARY, false, b->arg[0]->precision, 0);
    return true;
}

/* --- dates and intervals --- */

bool hg_bind_interval_scale(hg_bind_t *b)
{
    uint32_t iv = b->fn->args[0] == 'n' ? 1 : 0;
    const hg_type_t *t = b->in[1 - iv];
    if (hg_type_is_null(b->in[iv])) return false;
    if (hg_type_is_null(t))
        b->arg[1 - iv] = hg_plain_type(b->a, HG_T_BIGINT);
    else if (is_float(t))
        b->arg[1 - iv] = hg_plain_type(b->a, HG_T_DOUBLE);
    else
        b->arg[1 - iv] = as_decimal(b, t);
    if (hg_type_is_null(t)) b->arg[1 - iv] = hg_decimal_type(b->a, 10, 0);
    b->ret = b->in[iv];
    return true;
}

bool hg_bind_interval_sum(hg_bind_t *b)
{
    const hg_type_t *x = b->in[0], *y = b->in[1];
    if (hg_type_is_null(x) && hg_type_is_null(y)) return false;
    if (hg_type_is_null(x)) b->arg[0] = x = y;
    if (hg_type_is_null(y)) b->arg[1] = y = x;
    b->ret =
        x->unit == y->unit ? x : hg_interval_type(b->a, x->kind == HG_T_INTERVAL ? HG_IV_DAY_SECOND : HG_IV_YEAR_MONTH);
    return true;
}

/* DATE counts as its midnight where points in time meet. */
static bool as_points(hg_bind_t *b, uint32_t from)
{
    const hg_type_t *ts = NULL;
    for (uint32_t i = from; i < b->n; i++)
        if (b->in[i]->kind != HG_T_DATE && !hg_type_is_null(b->in[i])) ts = b->in[i];
    if (!ts) ts = hg_plain_type(b->a, HG_T_TIMESTAMP);
    for (uint32_t i = from; i < b->n; i++) {
        if (b->in[i]->kind == HG_T_DATE || hg_type_is_null(b->in[i]))
            b->arg[i] = ts;
        else if (b->in[i]->kind != ts->kind)
            return false;
    }
    return true;
}

bool hg_bind_diff(hg_bind_t *b)
{
    b->ret = hg_plain_type(b->a, HG_T_INTEGER);
    return as_points(b, 0);
}

bool hg_bind_time_diff_interval(hg_bind_t *b)
{
    static const int8_t units[HG_UNIT_N] = {
        [HG_UNIT_YEAR] = HG_IV_YEAR + 1,     [HG_UNIT_QUARTER] = HG_IV_MONTH + 1, [HG_UNIT_MONTH] = HG_IV_MONTH + 1,
        [HG_UNIT_WEEK] = HG_IV_DAY + 1,      [HG_UNIT_DAY] = HG_IV_DAY + 1,       [HG_UNIT_HOUR] = HG_IV_HOUR + 1,
        [HG_UNIT_MINUTE] = HG_IV_MINUTE + 1, [HG_UNIT_SECOND] = HG_IV_SECOND + 1,
    };
    int u = units[b->fn->unit];
    if (!u) return false;
    b->ret = hg_interval_type(b->a, (hg_interval_unit_t)(u - 1));
    if (b->fn->args[0] == 'T') {
        if (b->ret->kind == HG_T_INTERVAL_YM) return false;
        for (uint32_t i = 0; i < 2; i++)
            if (hg_type_is_null(b->in[i])) b->arg[i] = hg_plain_type(b->a, HG_T_TIME);
        return true;
    }
    return as_points(b, 0);
}

bool hg_bind_trunc_unit(hg_bind_t *b)
{
    hg_unit_t u = (hg_unit_t)b->fn->unit;
    if (hg_type_is_null(b->in[0])) return false;
    if (u == HG_UNIT_DOY || u == HG_UNIT_DOW || u == HG_UNIT_ISODOW || u == HG_UNIT_EPOCH || u == HG_UNIT_ISOYEAR)
        return false;
    if (b->in[0]->kind == HG_T_TIME && u < HG_UNIT_HOUR) return false;
    b->ret = b->in[0];
    return true;
}

bool hg_bind_extract(hg_bind_t *b)
{
    const hg_type_t *t = b->in[0];
    hg_unit_t u = (hg_unit_t)b->fn->unit;
    bool clock = u >= HG_UNIT_HOUR && u <= HG_UNIT_EPOCH;
    if (hg_type_is_null(t)) b->arg[0] = t = hg_plain_type(b->a, HG_T_TIMESTAMP);
    b->ret = hg_plain_type(b->a, HG_T_BIGINT);
    if (t->kind == HG_T_TIME) return clock && u != HG_UNIT_EPOCH;
    if (t->kind == HG_T_INTERVAL) return clock || u == HG_UNIT_DAY;
    if (t->kind == HG_T_INTERVAL_YM)
        return u == HG_UNIT_YEAR || u == HG_UNIT_MONTH || u == HG_UNIT_QUARTER || u == HG_UNIT_DECADE ||
               u == HG_UNIT_CENTURY || u == HG_UNIT_MILLENNIUM;
    return true;
}

bool hg_bind_add_unit(hg_bind_t *b)
{
    hg_unit_t u = (hg_unit_t)b->fn->unit;
    const hg_type_t *t = b->in[1];
    if (u == HG_UNIT_DOY || u == HG_UNIT_DOW || u == HG_UNIT_ISODOW || u == HG_UNIT_EPOCH || u == HG_UNIT_ISOYEAR)
        return false;
    b->arg[0] = hg_plain_type(b->a, HG_T_BIGINT);
    if (hg_type_is_null(t) || (t->kind == HG_T_DATE && u >= HG_UNIT_HOUR))
        b->arg[1] = hg_plain_type(b->a, HG_T_TIMESTAMP);
    b->ret = b->arg[1];
    return true;
}
