/* func_list.c: the one list of scalar functions and operators. What is not here does not exist.
 *
 * A row: name, argument pattern, binding rule (NULL: the pattern says it all), kernel. Several rows may share a name;
 * resolve takes the row that fits the argument types best, the first of equals. The pattern is one letter per argument,
 * then optionally '>' and the letter of the result:
 *   i integer    l integer, cast to BIGINT    e integer or DECIMAL    f REAL or DOUBLE    n number
 *   F number, cast to DOUBLE    s CHAR or VARCHAR    b BINARY or VARBINARY    B BOOLEAN    U UUID    A array
 *   D DATE    T TIME    S TIMESTAMP    Z TIMESTAMP WITH TIME ZONE    p one of D S Z    q one of D S Z T I Y
 *   I day-time interval    Y year-month interval    * anything
 *   '?' after a letter: may be missing;  '+' after the last letter: once or more
 *   results also: V VARCHAR, N INTEGER, L BIGINT, 1 the first argument's type */
#include "base/hg.h"
#include "engine/func_int.h"

#define INFIX(nm, pat, b, k, x, sg, d)                                                                                 \
    {                                                                                                                  \
        .name = nm, .args = pat, .bind = b, .kernel = k, .flags = HG_F_INFIX, .aux = x, .sig = sg, .doc = d            \
    }
#define FUNC(nm, pat, b, k, x, sg, d)                                                                                  \
    {                                                                                                                  \
        .name = nm, .args = pat, .bind = b, .kernel = k, .aux = x, .sig = sg, .doc = d                                 \
    }
#define FLAGGED(nm, pat, b, k, x, fl, sg, d)                                                                           \
    {                                                                                                                  \
        .name = nm, .args = pat, .bind = b, .kernel = k, .aux = x, .flags = fl, .sig = sg, .doc = d                    \
    }
#define UNIT(nm, pat, b, k, x, sg, d)                                                                                  \
    {                                                                                                                  \
        .name = nm, .args = pat, .bind = b, .kernel = k, .aux = x, .flags = HG_F_UNIT, .sig = sg, .doc = d             \
    }
#define FIELD(nm, u, d)                                                                                                \
    {                                                                                                                  \
        .name = nm, .args = "q", .bind = hg_bind_extract, .kernel = hg_k_extract, .unit = u, .sig = "(x)", .doc = d    \
    }

/* The arithmetic operators on numbers: integers stay integers, DECIMAL is exact, anything with a float is a float. */
#define ARITH(op, aux_, sg, d)                                                                                         \
    INFIX(op, "ii", hg_bind_arith_int, hg_k_arith_int, aux_, sg, d),                                                   \
        INFIX(op, "ee", hg_bind_arith_dec, hg_k_arith_dec, aux_, sg, d),                                               \
        INFIX(op, "nn", hg_bind_arith_float, hg_k_arith_float, aux_, sg, d)

#define MATH1(nm, x, d) FUNC(nm, "F>F", NULL, hg_k_math, x, "(x)", d)

const hg_func_t hg_funcs[] = {
    /* --- arithmetic --- */
    ARITH("+", HG_ARITH_ADD, "x + y", "Sum. Overflow is an error."),
    ARITH("-", HG_ARITH_SUB, "x - y", "Difference. Overflow is an error."),
    ARITH("*", HG_ARITH_MUL, "x * y", "Product. Overflow is an error."),
    ARITH("/", HG_ARITH_DIV, "x / y",
          "Quotient, cut toward zero for integers. Division by zero is an error except for floats."),
    ARITH("%", HG_ARITH_MOD, "x % y", "Remainder with the sign of x. Zero as y is an error except for floats."),
    FUNC("mod", "ii", hg_bind_arith_int, hg_k_arith_int, HG_ARITH_MOD, "(x, y)", "As x % y."),
    FUNC("mod", "ee", hg_bind_arith_dec, hg_k_arith_dec, HG_ARITH_MOD, "(x, y)", "As x % y."),
    FUNC("mod", "nn", hg_bind_arith_float, hg_k_arith_float, HG_ARITH_MOD, "(x, y)", "As x % y."),
    FLAGGED("div_null", "ii", hg_bind_arith_int, hg_k_arith_int, HG_ARITH_DIV, HG_F_NULLS, "(x, y)",
            "x / y, NULL where y is zero."),
    FLAGGED("div_null", "ee", hg_bind_arith_dec, hg_k_arith_dec, HG_ARITH_DIV, HG_F_NULLS, "(x, y)",
            "x / y, NULL where y is zero."),
    FLAGGED("div_null", "nn", hg_bind_arith_float, hg_k_arith_float, HG_ARITH_DIV, HG_F_NULLS, "(x, y)",
            "x / y, NULL where y is zero."),
    FUNC("neg", "n", hg_bind_neg, hg_k_neg, 0, "- x", "Minus x. Refused for unsigned types."),
    FUNC("neg", "I>1", NULL, hg_k_neg, 0, "- interval", "The opposite interval."),
    FUNC("neg", "Y>1", NULL, hg_k_neg, 0, "- interval", "The opposite interval."),

    /* --- dates and intervals, infix --- */
    INFIX("+", "DI>1", NULL, hg_k_time_arith, 1, "date + interval", "Stays a DATE: the interval is cut to whole days."),
    INFIX("+", "DY>1", NULL, hg_k_time_arith, 1, "date + interval", "Clamped to the last day of the month."),
    INFIX("+", "SI>1", NULL, hg_k_time_arith, 1, "timestamp + interval", ""),
    INFIX("+", "SY>1", NULL, hg_k_time_arith, 1, "timestamp + interval", "Clamped to the last day of the month."),
    INFIX("+", "ZI>1", NULL, hg_k_time_arith, 1, "timestamp + interval", ""),
    INFIX("+", "ZY>1", NULL, hg_k_time_arith, 1, "timestamp + interval", "Clamped to the last day of the month."),
    INFIX("+", "TI>1", NULL, hg_k_time_arith, 1, "time + interval", "Wraps within 24 hours."),
    INFIX("+", "IT>T", NULL, hg_k_time_arith, 2, "interval + time", "Wraps within 24 hours."),
    INFIX("+", "ID>D", NULL, hg_k_time_arith, 2, "interval + date", "Stays a DATE."),
    INFIX("+", "YD>D", NULL, hg_k_time_arith, 2, "interval + date", "Clamped to the last day of the month."),
    INFIX("+", "IS>S", NULL, hg_k_time_arith, 2, "interval + timestamp", ""),
    INFIX("+", "YS>S", NULL, hg_k_time_arith, 2, "interval + timestamp", "Clamped to the last day of the month."),
    INFIX("+", "IZ>Z", NULL, hg_k_time_arith, 2, "interval + timestamp", ""),
    INFIX("+", "YZ>Z", NULL, hg_k_time_arith, 2, "interval + timestamp", "Clamped to the last day of the month."),
    INFIX("-", "DI>1", NULL, hg_k_time_arith, 0, "date - interval", "Stays a DATE: the interval is cut to whole days."),
    INFIX("-", "DY>1", NULL, hg_k_time_arith, 0, "date - interval", "Clamped to the last day of the month."),
    INFIX("-", "SI>1", NULL, hg_k_time_arith, 0, "timestamp - interval", ""),
    INFIX("-", "SY>1", NULL, hg_k_time_arith, 0, "timestamp - interval", "Clamped to the last day of the month."),
    INFIX("-", "ZI>1", NULL, hg_k_time_arith, 0, "timestamp - interval", ""),
    INFIX("-", "ZY>1", NULL, hg_k_time_arith, 0, "timestamp - interval", "Clamped to the last day of the month."),
    INFIX("-", "TI>1", NULL, hg_k_time_arith, 0, "time - interval", "Wraps within 24 hours."),
    INFIX("+", "II", hg_bind_interval_sum, hg_k_interval_arith, HG_ARITH_ADD, "interval + interval", "Of one family."),
    INFIX("+", "YY", hg_bind_interval_sum, hg_k_interval_arith, HG_ARITH_ADD, "interval + interval", "Of one family."),
    INFIX("-", "II", hg_bind_interval_sum, hg_k_interval_arith, HG_ARITH_SUB, "interval - interval", "Of one family."),
    INFIX("-", "YY", hg_bind_interval_sum, hg_k_interval_arith, HG_ARITH_SUB, "interval - interval", "Of one family."),
    INFIX("*", "In", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_MUL, "interval * x", "Cut toward zero."),
    INFIX("*", "Yn", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_MUL, "interval * x", "Cut toward zero."),
    INFIX("*", "nI", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_MUL, "x * interval", "Cut toward zero."),
    INFIX("*", "nY", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_MUL, "x * interval", "Cut toward zero."),
    INFIX("/", "In", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_DIV, "interval / x", "Cut toward zero."),
    INFIX("/", "Yn", hg_bind_interval_scale, hg_k_interval_arith, HG_ARITH_DIV, "interval / x", "Cut toward zero."),
    UNIT("-", "pp", hg_bind_time_diff_interval, hg_k_time_diff, 1, "(x - y) UNIT",
         "Difference of two points in time as an interval."),
    UNIT("-", "TT", hg_bind_time_diff_interval, hg_k_time_diff, 1, "(x - y) UNIT",
         "Difference of two times as an interval."),

    /* --- comparison --- */
    INFIX("=", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_EQ, "x = y", "Equal. NaN equals NaN."),
    INFIX("<>", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_NE, "x <> y", "Not equal."),
    INFIX("!=", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_NE, "x != y", "Not equal."),
    INFIX("<", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_LT, "x < y", "Text by code point; NaN is greatest."),
    INFIX("<=", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_LE, "x <= y", ""),
    INFIX(">", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_GT, "x > y", ""),
    INFIX(">=", "**", hg_bind_cmp, hg_k_cmp, HG_CMP_GE, "x >= y", ""),
    FLAGGED("is distinct from", "**", hg_bind_distinct, hg_k_distinct, HG_CMP_DIFFER, HG_F_LENIENT | HG_F_INFIX,
            "x IS DISTINCT FROM y", "Different, where NULL equals NULL. Never NULL."),
    FLAGGED("is not distinct from", "**", hg_bind_distinct, hg_k_distinct, HG_CMP_SAME, HG_F_LENIENT | HG_F_INFIX,
            "x IS NOT DISTINCT FROM y", "Equal, where NULL equals NULL. Never NULL."),
    FLAGGED("<=>", "**", hg_bind_distinct, hg_k_distinct, HG_CMP_SAME, HG_F_LENIENT | HG_F_INFIX, "x <=> y",
            "As IS NOT DISTINCT FROM."),
    FUNC("greatest", "*+", hg_bind_common, hg_k_greatest, 1, "(x, ...)", "The greatest; NULL if any is NULL."),
    FUNC("least", "*+", hg_bind_common, hg_k_greatest, 0, "(x, ...)", "The least; NULL if any is NULL."),
    FLAGGED("greatest_ignore_nulls", "*+", hg_bind_common, hg_k_greatest, 1, HG_F_LENIENT, "(x, ...)",
            "The greatest non-NULL."),
    FLAGGED("least_ignore_nulls", "*+", hg_bind_common, hg_k_greatest, 0, HG_F_LENIENT, "(x, ...)",
            "The least non-NULL."),
    FLAGGED("nullif", "**", hg_bind_nullif, hg_k_nullif, 0, HG_F_LENIENT, "(x, y)", "NULL where x = y, else x."),

    /* --- numbers --- */
    FUNC("abs", "n>1", NULL, hg_k_abs, 0, "(x)", "Absolute value."),
    FUNC("abs", "I>1", NULL, hg_k_abs, 0, "(interval)", "Absolute value."),
    FUNC("abs", "Y>1", NULL, hg_k_abs, 0, "(interval)", "Absolute value."),
    FUNC("sign", "n>1", NULL, hg_k_sign, 0, "(x)", "-1, 0 or 1 in the type of x."),
    FUNC("round", "nl?", hg_bind_round, hg_k_round, HG_ROUND_HALF_UP, "(x [, digits])", "Half away from zero."),
    FUNC("bround", "nl?", hg_bind_round, hg_k_round, HG_ROUND_HALF_EVEN, "(x [, digits])", "Half to even."),
    FUNC("trunc", "nl?", hg_bind_round, hg_k_round, HG_ROUND_CUT, "(x [, digits])", "Cut toward zero."),
    FUNC("truncate", "nl?", hg_bind_round, hg_k_round, HG_ROUND_CUT, "(x [, digits])", "Cut toward zero."),
    FUNC("floor", "n", hg_bind_floor, hg_k_round, HG_ROUND_FLOOR, "(x)", "Greatest whole number not above x."),
    FUNC("ceil", "n", hg_bind_floor, hg_k_round, HG_ROUND_CEIL, "(x)", "Least whole number not below x."),
    FUNC("ceiling", "n", hg_bind_floor, hg_k_round, HG_ROUND_CEIL, "(x)", "Least whole number not below x."),
    FUNC("power", "FF>F", NULL, hg_k_math, HG_MATH_POWER, "(x, y)", "x to the power of y."),
    FUNC("pow", "FF>F", NULL, hg_k_math, HG_MATH_POWER, "(x, y)", "x to the power of y."),
    FUNC("atan2", "FF>F", NULL, hg_k_math, HG_MATH_ATAN2, "(y, x)", "Angle of the point (x, y)."),
    FUNC("log", "FF>F", NULL, hg_k_math, HG_MATH_LOGB, "(x, base)", "Logarithm of x to a base."),
    MATH1("log", HG_MATH_LN, "Natural logarithm."),
    MATH1("ln", HG_MATH_LN, "Natural logarithm."),
    MATH1("log10", HG_MATH_LOG10, "Decimal logarithm."),
    MATH1("exp", HG_MATH_EXP, "e to the power of x."),
    MATH1("sqrt", HG_MATH_SQRT, "Square root."),
    MATH1("cbrt", HG_MATH_CBRT, "Cube root."),
    MATH1("sin", HG_MATH_SIN, "Sine."),
    MATH1("cos", HG_MATH_COS, "Cosine."),
    MATH1("tan", HG_MATH_TAN, "Tangent."),
    MATH1("asin", HG_MATH_ASIN, "Arc sine."),
    MATH1("acos", HG_MATH_ACOS, "Arc cosine."),
    MATH1("atan", HG_MATH_ATAN, "Arc tangent."),
    MATH1("sinh", HG_MATH_SINH, "Hyperbolic sine."),
    MATH1("cosh", HG_MATH_COSH, "Hyperbolic cosine."),
    MATH1("tanh", HG_MATH_TANH, "Hyperbolic tangent."),
    MATH1("degrees", HG_MATH_DEGREES, "Radians to degrees."),
    MATH1("radians", HG_MATH_RADIANS, "Degrees to radians."),
    FUNC("is_nan", "f>B", NULL, hg_k_math, HG_MATH_ISNAN, "(x)", "Is x not a number?"),
    FUNC("is_inf", "f>B", NULL, hg_k_math, HG_MATH_ISINF, "(x)", "Is x infinite?"),
    FUNC("pi", ">F", NULL, hg_k_math, HG_MATH_PI, "()", "3.141592653589793."),

    /* --- strings --- */
    INFIX("||", "ss", hg_bind_concat, hg_k_concat, 0, "s || t", "Concatenation; blanks of CHAR stay."),
    INFIX("||", "bb", hg_bind_concat, hg_k_concat, 0, "b || c", "Concatenation of bytes."),
    FUNC("concat", "s+", hg_bind_concat, hg_k_concat, 0, "(s, ...)", "Concatenation; NULL if any is NULL."),
    FUNC("concat", "b+", hg_bind_concat, hg_k_concat, 0, "(b, ...)", "Concatenation of bytes."),
    FLAGGED("concat_ws", "ss+>V", NULL, hg_k_concat_ws, 0, HG_F_LENIENT | HG_F_NULLS, "(separator, s, ...)",
            "Joined by the separator, skipping NULLs; NULL if the separator is NULL."),
    FUNC("upper", "s>1", NULL, hg_k_case, HG_CASE_UPPER, "(s)", "In upper case."),
    FUNC("lower", "s>1", NULL, hg_k_case, HG_CASE_LOWER, "(s)", "In lower case."),
    FUNC("initcap", "s>1", NULL, hg_k_case, HG_CASE_INITCAP, "(s)", "Each word with a capital letter."),
    FUNC("length", "s>N", NULL, hg_k_length, 0, "(s)", "Number of characters."),
    FUNC("len", "s>N", NULL, hg_k_length, 0, "(s)", "Number of characters."),
    FUNC("char_length", "s>N", NULL, hg_k_length, 0, "(s)", "Number of characters."),
    FUNC("character_length", "s>N", NULL, hg_k_length, 0, "(s)", "Number of characters."),
    FUNC("octet_length", "s>N", NULL, hg_k_length, 1, "(s)", "Number of bytes."),
    FUNC("octet_length", "b>N", NULL, hg_k_length, 1, "(b)", "Number of bytes."),
    FUNC("length", "b>N", NULL, hg_k_length, 1, "(b)", "Number of bytes."),
    FUNC("substring", "sll?", hg_bind_varying, hg_k_substring, HG_SUB_SQL, "(s FROM start [FOR length])",
         "From 1; a negative start shortens the piece, a negative length gives ''."),
    FUNC("substring", "bll?", hg_bind_varying, hg_k_substring, HG_SUB_SQL, "(b FROM start [FOR length])", "Of bytes."),
    FUNC("substr", "sll?", hg_bind_varying, hg_k_substring, HG_SUB_END, "(s, start [, length])",
         "As SUBSTRING, but a negative start counts from the end."),
    FUNC("left", "sl", hg_bind_varying, hg_k_substring, HG_SUB_LEFT, "(s, n)", "The first n characters."),
    FUNC("left", "bl", hg_bind_varying, hg_k_substring, HG_SUB_LEFT, "(b, n)", "The first n bytes."),
    FUNC("right", "sl", hg_bind_varying, hg_k_substring, HG_SUB_RIGHT, "(s, n)", "The last n characters."),
    FUNC("right", "bl", hg_bind_varying, hg_k_substring, HG_SUB_RIGHT, "(b, n)", "The last n bytes."),
    FUNC("trim", "ss?", hg_bind_varying, hg_k_trim, HG_TRIM_BOTH, "([BOTH] [chars FROM] s)",
         "Without these characters at both ends (blanks)."),
    FUNC("btrim", "ss?", hg_bind_varying, hg_k_trim, HG_TRIM_BOTH, "(s [, chars])", "As TRIM(BOTH chars FROM s)."),
    FUNC("ltrim", "ss?", hg_bind_varying, hg_k_trim, HG_TRIM_LEFT, "(s [, chars])", "As TRIM(LEADING chars FROM s)."),
    FUNC("rtrim", "ss?", hg_bind_varying, hg_k_trim, HG_TRIM_RIGHT, "(s [, chars])", "As TRIM(TRAILING chars FROM s)."),
    FUNC("position", "ss>N", NULL, hg_k_position, 0, "(piece IN s)",
         "1-based place of the first piece, 0 if absent. Arguments: piece, s."),
    FUNC("position", "bb>N", NULL, hg_k_position, 1, "(piece IN b)", "1-based place of the first piece, 0 if absent."),
    FUNC("replace", "sss>V", NULL, hg_k_replace, 0, "(s, from, to)", "Every occurrence of from replaced."),
    FUNC("reverse", "s>1", NULL, hg_k_reverse, 0, "(s)", "Characters in reverse order."),
    FUNC("repeat", "sl>V", NULL, hg_k_repeat, 0, "(s, n)", "s n times."),
    FUNC("overlay", "ssll?>V", NULL, hg_k_overlay, 0, "(s PLACING t FROM start [FOR length])",
         "t in the place of a piece of s."),
    FUNC("split_part", "ssl>V", NULL, hg_k_split_part, 0, "(s, separator, n)",
         "The nth part; negative n counts from the end."),
    FUNC("ascii", "s>N", NULL, hg_k_ascii, 0, "(s)", "Code point of the first character, 0 for ''."),
    FUNC("chr", "l>V", NULL, hg_k_chr, 0, "(n)", "The character with this code point."),
    INFIX("like", "sss?>B", NULL, hg_k_like, HG_LIKE, "s LIKE pattern [ESCAPE c]",
          "% and _; no escape character unless given."),
    INFIX("not like", "sss?>B", NULL, hg_k_like, HG_LIKE | HG_LIKE_NOT, "s NOT LIKE pattern [ESCAPE c]", ""),
    INFIX("ilike", "sss?>B", NULL, hg_k_like, HG_LIKE_FOLD, "s ILIKE pattern [ESCAPE c]", "LIKE without case."),
    INFIX("not ilike", "sss?>B", NULL, hg_k_like, HG_LIKE_FOLD | HG_LIKE_NOT, "s NOT ILIKE pattern [ESCAPE c]", ""),
    INFIX("rlike", "ss>B", NULL, hg_k_rlike, 0, "s RLIKE regex",
          "A POSIX extended regular expression that may match anywhere."),
    INFIX("not rlike", "ss>B", NULL, hg_k_rlike, HG_LIKE_NOT, "s NOT RLIKE regex", ""),

    /* --- dates and times --- */
    UNIT("extract", "q", hg_bind_extract, hg_k_extract, 0, "(UNIT FROM x)",
         "A field of a date, time or interval, BIGINT."),
    FIELD("year", HG_UNIT_YEAR, "EXTRACT(YEAR FROM x)."),
    FIELD("quarter", HG_UNIT_QUARTER, "EXTRACT(QUARTER FROM x)."),
    FIELD("month", HG_UNIT_MONTH, "EXTRACT(MONTH FROM x)."),
    FIELD("week", HG_UNIT_WEEK, "EXTRACT(WEEK FROM x)."),
    FIELD("dayofyear", HG_UNIT_DOY, "EXTRACT(DOY FROM x)."),
    FIELD("dayofmonth", HG_UNIT_DAY, "EXTRACT(DAY FROM x)."),
    FIELD("day", HG_UNIT_DAY, "EXTRACT(DAY FROM x)."),
    FIELD("dayofweek", HG_UNIT_DOW, "EXTRACT(DOW FROM x): 1 = Sunday."),
    FIELD("hour", HG_UNIT_HOUR, "EXTRACT(HOUR FROM x)."),
    FIELD("minute", HG_UNIT_MINUTE, "EXTRACT(MINUTE FROM x)."),
    FIELD("second", HG_UNIT_SECOND, "EXTRACT(SECOND FROM x)."),
    UNIT("timestamp_trunc", "p", hg_bind_trunc_unit, hg_k_time_trunc, 0, "(x, UNIT)", "x rounded down to a unit."),
    UNIT("date_trunc", "p", hg_bind_trunc_unit, hg_k_time_trunc, 0, "(x, UNIT)", "x rounded down to a unit."),
    UNIT("time_trunc", "T", hg_bind_trunc_unit, hg_k_time_trunc, 0, "(x, UNIT)", "x rounded down to a unit."),
    UNIT("floor", "p", hg_bind_trunc_unit, hg_k_time_trunc, 0, "(x TO UNIT)", "x rounded down to a unit."),
    UNIT("floor", "T", hg_bind_trunc_unit, hg_k_time_trunc, 0, "(x TO UNIT)", "x rounded down to a unit."),
    UNIT("ceil", "p", hg_bind_trunc_unit, hg_k_time_trunc, 1, "(x TO UNIT)", "x rounded up to a unit."),
    UNIT("ceil", "T", hg_bind_trunc_unit, hg_k_time_trunc, 1, "(x TO UNIT)",
         "x rounded up to a unit; wraps within 24 hours."),
    UNIT("timestampdiff", "pp", hg_bind_diff, hg_k_time_diff, 0, "(UNIT, from, to)", "to - from in whole units."),
    UNIT("datediff", "pp", hg_bind_diff, hg_k_time_diff, 0, "(UNIT, from, to)", "to - from in whole units."),
    UNIT("timestampadd", "lp", hg_bind_add_unit, hg_k_time_add, 0, "(UNIT, n, x)", "x plus n units."),
    FUNC("date_add", "DI>1", NULL, hg_k_time_arith, 1, "(date, interval)", "date + interval."),
    FUNC("date_add", "DY>1", NULL, hg_k_time_arith, 1, "(date, interval)", "date + interval."),
    FUNC("date_add", "SI>1", NULL, hg_k_time_arith, 1, "(timestamp, interval)", "timestamp + interval."),
    FUNC("date_add", "SY>1", NULL, hg_k_time_arith, 1, "(timestamp, interval)", "timestamp + interval."),
    FUNC("date_sub", "DI>1", NULL, hg_k_time_arith, 0, "(date, interval)", "date - interval."),
    FUNC("date_sub", "DY>1", NULL, hg_k_time_arith, 0, "(date, interval)", "date - interval."),
    FUNC("date_sub", "SI>1", NULL, hg_k_time_arith, 0, "(timestamp, interval)", "timestamp - interval."),
    FUNC("date_sub", "SY>1", NULL, hg_k_time_arith, 0, "(timestamp, interval)", "timestamp - interval."),
    FLAGGED("make_date", "lll>D", NULL, hg_k_make_time, 0, HG_F_NULLS, "(year, month, day)", "NULL for invalid parts."),
    FLAGGED("make_time", "llF>T", NULL, hg_k_make_time, 1, HG_F_NULLS, "(hour, minute, seconds)",
            "NULL for invalid parts."),
    FLAGGED("make_timestamp", "lllllF>S", NULL, hg_k_make_time, 2, HG_F_NULLS,
            "(year, month, day, hour, minute, seconds)", "NULL for invalid parts."),
    FLAGGED("now", ">S", NULL, hg_k_now, 0, HG_F_VARIES, "()", "Time of the step, UTC."),
    FLAGGED("current_timestamp", ">S", NULL, hg_k_now, 0, HG_F_VARIES, "()", "As NOW()."),

    /* --- arrays --- */
    FUNC("cardinality", "A>N", NULL, hg_k_cardinality, 0, "(array)", "Number of elements."),
    FUNC("array_length", "A>N", NULL, hg_k_cardinality, 0, "(array)", "Number of elements."),
    FUNC("array_size", "A>N", NULL, hg_k_cardinality, 0, "(array)", "Number of elements."),
    FLAGGED("[]", "Al", hg_bind_subscript, hg_k_subscript, 0, HG_F_NULLS, "array[i]",
            "Element i from 1; NULL outside."),
};
const uint32_t hg_n_funcs = HG_COUNT(hg_funcs);
