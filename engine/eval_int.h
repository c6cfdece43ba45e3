/* eval_int.h: the inside of expression evaluation: vectors, calls, kernels and the function list's row;
 * engine-internal.
 *
 * eval.c walks a typed expression over the selected rows of a batch and hands *vectors* to kernels. A kernel sees exact
 * types (the binder cast the arguments), fills one column builder and allocates nothing per row: fixed-width results
 * are written in place, text goes straight into the builder.
 */
#ifndef HG_ENGINE_EVAL_INT_H
#define HG_ENGINE_EVAL_INT_H

#include <locale.h>
#include "base/mem.h"
#include "data/text.h"
#include "engine/plan.h"

/* --- vectors ----------------------------------------------------------------------------------------------------
 * The n values of an expression over the rows being evaluated. Constants are one row, never copied n times. Fixed-width
 * and BOOLEAN vectors are dense or constant; only variable and nested layouts may be seen through idx (a selection of a
 * stored column that nobody copied). */
typedef struct hg_vec {
    hg_col_t *col; /* one reference, owned by the vector */
    const uint32_t
        *idx;   /* value r is row idx[r] of col; borrowed from the evaluation that made the vector. NULL: row r */
    bool konst; /* every value is row 0 of col */
} hg_vec_t;

static inline uint32_t hg_vec_at(const hg_vec_t *v, uint32_t r)
{
    return v->konst ? 0 : v->idx ? v->idx[r] : r;
}
static inline bool hg_vec_null(const hg_vec_t *v, uint32_t r)
{
    return v->col->type->kind == HG_T_NULL || hg_col_null(v->col, hg_vec_at(v, r));
}
static inline hg_str_t hg_vec_str(const hg_vec_t *v, uint32_t r)
{
    return hg_col_var(v->col, hg_vec_at(v, r));
}
static inline size_t hg_vec_step(const hg_vec_t *v)
{
    return v->konst ? 0 : 1;
} /* fixed-width: stride */
static inline int64_t hg_vec_i64(const hg_vec_t *v, uint32_t r)
{
    return HG_COL(v->col, int64_t)[v->konst ? 0 : r];
}
static inline void hg_vec_drop(hg_vec_t *v)
{
    hg_col_drop(v->col);
    v->col = NULL;
}

/* --- calls ------------------------------------------------------------------------------------------------------ */
typedef struct hg_call {
    const hg_func_t *fn;
    const hg_type_t *type;         /* of the result */
    const hg_type_t *const *types; /* of the arguments */
    uint32_t n_args;
    uint32_t n; /* rows */
    hg_pos_t pos;
    int64_t now_us;
    uint8_t *valid; /* rows with a value (strict functions: no NULL argument). NULL = all. A kernel with
                     * HG_F_NULLS clears bits here to answer NULL; it always gets a bitmap */
    hg_err_t *err;
} hg_call_t;

/* Fixed-width results: out has room for n rows, the kernel writes data[0..n) (cells under a 0 bit: anything) and does
 * not touch len. BOOLEAN: data is a bitmap of whole 64-bit words. Variable and nested results: the kernel appends
 * exactly n rows; rows under a 0 bit of c->valid by hg_colb_null. Returns 0, HG_ENOMEM, HG_ETOOBIG or HG_EEVAL
 * (hg_call_fail). */
typedef int (*hg_kernel_fn)(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);

static inline bool hg_call_valid(const hg_call_t *c, uint32_t r)
{
    return !c->valid || hg_bit_get(c->valid, r);
}

/* HG_EEVAL at the call's position. */
int hg_call_fail(const hg_call_t *c, const char *fmt, ...) HG_PRINTF(2, 3);
/* "BIGINT + BIGINT overflows: 9223372036854775807 + 1"; "what" follows the operation's types. */
int hg_call_fail_row(const hg_call_t *c, const hg_vec_t *args, uint32_t row, const char *what);
/* HG_ENOMEM or HG_ETOOBIG of a builder, with its sentence. */
int hg_call_mem(const hg_call_t *c, int rc);

/* The value of a cell as people read it, cut to room, NUL-ended; strings in quotes. */
void hg_cell_show(const hg_col_t *col, uint32_t row, char *out, size_t room);

/* --- writing text into a builder ------------------------------------------------------------------------------------
 * Room for one row of up to n bytes; the row is closed with the bytes really written. NULL: HG_ENOMEM or too big
 * (*ret_rc). */
static inline char *hg_out_room(hg_colb_t *out, size_t n, int *ret_rc)
{
    bool there = out->len < out->cap && out->bytes && n <= out->cap_bytes - out->n_bytes;
    *ret_rc = n > INT32_MAX ? HG_ETOOBIG : there ? 0 : hg_colb_reserve(out, 1, (uint32_t)n + (n == 0));
    return *ret_rc < 0 ? NULL : out->bytes + out->n_bytes;
}
static inline void hg_out_close(hg_colb_t *out, size_t n)
{
    out->n_bytes += (uint32_t)n;
    out->offs[out->len + 1] = (int32_t)out->n_bytes;
    if (out->validity) hg_bit_set(out->validity, out->len);
    out->len++;
}

/* Bytes of the character that begins with this byte (text is valid UTF-8). */
static inline size_t hg_utf8_len(char lead)
{
    unsigned char b = (unsigned char)lead;
    return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}
/* Byte offset behind the first n characters of s (s.n if there are fewer). */
static inline size_t hg_utf8_skip(hg_str_t s, int64_t n)
{
    size_t at = 0;
    while (at < s.n && n-- > 0) at += hg_utf8_len(s.p[at]);
    return HG_MIN(at, s.n);
}

/* kernel_str.c: the locale that knows Unicode letters ((locale_t)0: the system has none), a character's code, its lower
 * case. */
locale_t hg_utf8_locale(void);
uint32_t hg_utf8_decode(const char *p, size_t n);
uint32_t hg_char_lower(uint32_t ch, locale_t loc);

/* --- the function list ------------------------------------------------------------------------------------------ */
enum {
    HG_F_LENIENT = 1, /* sees NULL arguments itself; others answer NULL for any NULL argument */
    HG_F_NULLS = 2,   /* may answer NULL for non-NULL arguments: the result is always nullable */
    HG_F_VARIES = 4,  /* not a function of its arguments alone: never folded (NOW) */
    HG_F_UNIT = 8,    /* takes a unit in its name: "extract:year" */
    HG_F_INFIX = 16,
};

typedef struct hg_bind {
    hg_arena_t *a;
    const hg_func_t *fn;
    const hg_type_t *const *in; /* of the arguments; NULL literals have kind HG_T_NULL */
    hg_col_t *const *lits;
    uint32_t n;
    const hg_type_t **arg; /* out: starts as in */
    const hg_type_t *ret;  /* out: top nullability is set by resolve, unless the function is lenient */
} hg_bind_t;
typedef bool (*hg_bind_fn)(hg_bind_t *b); /* false: not for these types */

struct hg_func {
    const char *name;
    const char *args; /* argument pattern, see func.c */
    hg_bind_fn bind;  /* argument and result types */
    hg_kernel_fn kernel;
    uint16_t flags;
    uint8_t aux;  /* which of the operations that share the kernel */
    uint8_t unit; /* hg_unit_t, of unit functions */
    const char *sig, *doc;
};

typedef enum { HG_CMP_EQ, HG_CMP_NE, HG_CMP_LT, HG_CMP_LE, HG_CMP_GT, HG_CMP_GE, HG_CMP_SAME, HG_CMP_DIFFER } hg_cmp_t;
typedef enum { HG_ARITH_ADD, HG_ARITH_SUB, HG_ARITH_MUL, HG_ARITH_DIV, HG_ARITH_MOD } hg_arith_t;

typedef enum { HG_ROUND_HALF_UP, HG_ROUND_HALF_EVEN, HG_ROUND_CUT, HG_ROUND_FLOOR, HG_ROUND_CEIL } hg_round_t;
typedef enum {
    HG_MATH_POWER,
    HG_MATH_ATAN2,
    HG_MATH_LOGB,
    HG_MATH_LN,
    HG_MATH_LOG10,
    HG_MATH_EXP,
    HG_MATH_SQRT,
    HG_MATH_CBRT,
    HG_MATH_SIN,
    HG_MATH_COS,
    HG_MATH_TAN,
    HG_MATH_ASIN,
    HG_MATH_ACOS,
    HG_MATH_ATAN,
    HG_MATH_SINH,
    HG_MATH_COSH,
    HG_MATH_TANH,
    HG_MATH_DEGREES,
    HG_MATH_RADIANS,
    HG_MATH_ISNAN,
    HG_MATH_ISINF,
    HG_MATH_PI
} hg_math_t;
typedef enum { HG_CASE_UPPER, HG_CASE_LOWER, HG_CASE_INITCAP } hg_case_t;
typedef enum { HG_SUB_SQL, HG_SUB_END, HG_SUB_LEFT, HG_SUB_RIGHT } hg_sub_t;
enum { HG_TRIM_LEFT = 1, HG_TRIM_RIGHT = 2, HG_TRIM_BOTH = 3 };
enum { HG_LIKE = 0, HG_LIKE_NOT = 1, HG_LIKE_FOLD = 2 };

/* X(enum, name): units of date and time functions (sql §5.9). */
/* clang-format off */
#define HG_UNITS(X)                                                                                                    \
    X(MILLENNIUM, "millennium")                                                                                        \
    X(CENTURY, "century")                                                                                              \
    X(DECADE, "decade")                                                                                                \
    X(YEAR, "year") X(QUARTER, "quarter") X(MONTH, "month") X(WEEK, "week") X(DOY, "doy") X(DOW, "dow")                \
        X(ISODOW, "isodow") X(DAY, "day") X(HOUR, "hour") X(MINUTE, "minute") X(SECOND, "second")                      \
            X(MILLISECOND, "millisecond") X(MICROSECOND, "microsecond") X(NANOSECOND, "nanosecond") X(EPOCH, "epoch")  \
                X(ISOYEAR, "isoyear")
/* clang-format on */
#define X(u, n) HG_UNIT_##u,
typedef enum { HG_UNITS(X) HG_UNIT_N } hg_unit_t;
#undef X
const char *hg_unit_name(hg_unit_t u);

#define HG_US_SECOND INT64_C(1000000)
#define HG_US_MINUTE (60 * HG_US_SECOND)
#define HG_US_HOUR   (60 * HG_US_MINUTE)
#define HG_US_DAY    (24 * HG_US_HOUR)
#define HG_NS_DAY    (1000 * HG_US_DAY)

/* Years 1..9999 as days and microseconds: what DATE and TIMESTAMP may hold. */
#define HG_DATE_MIN (-719162)
#define HG_DATE_MAX 2932896
#define HG_TS_MIN   (HG_DATE_MIN * HG_US_DAY)
#define HG_TS_MAX   (HG_DATE_MAX * HG_US_DAY + HG_US_DAY - 1)

static inline int64_t hg_floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a / b - (a % b < 0);
}

/* --- 256-bit integers for DECIMAL intermediates (kernel_dec.c) --------------------------------------------------- */
typedef struct hg_i256 {
    hg_u128 lo;
    hg_i128 hi; /* two's complement */
} hg_i256_t;

hg_i256_t hg_i256_of(hg_i128 v);
hg_i256_t hg_i256_mul(hg_i128 a, hg_i128 b);
hg_i256_t hg_i256_add(hg_i256_t a, hg_i256_t b);
hg_i256_t hg_i256_neg(hg_i256_t a);
int hg_i256_cmp(hg_i256_t a, hg_i256_t b);
hg_i256_t hg_i256_div(hg_i256_t a, hg_i128 b, hg_i128 *rem); /* truncated; b != 0 */
bool hg_i256_fits(hg_i256_t a, hg_i128 *ret);                /* false: needs more than 128 bits */
/* v (scale from) to scale `to`, cut toward zero; false when |result| >= 10^precision. */
bool hg_dec_rescale(hg_i128 v, int from, int to, int precision, hg_i128 *ret);
/* Exact order of a*10^-sa and b*10^-sb. */
int hg_dec_cmp(hg_i128 a, int sa, hg_i128 b, int sb);
/* Digits an integer type needs as a DECIMAL (3, 5, 10, 19, 20). */
int32_t hg_int_digits(hg_kind_t k);
/* DECIMAL(p, s) of a number type that is not a float. */
void hg_exact_digits(const hg_type_t *t, int32_t *p, int32_t *s);
double hg_dec_to_f64(hg_i128 v, int scale);
float hg_dec_to_f32(hg_i128 v, int scale); /* rounded once, not by way of double */

/* --- entry points between the files ------------------------------------------------------------------------------ */

/* Cast n values; c->type is the target, c->types[0] the source, c->valid the rows that have a value. safe: a value that
 * cannot be converted becomes NULL (its bit in c->valid, then never NULL, is cleared). Same output rules as a kernel.
 */
int hg_cast_vec(hg_call_t *c, const hg_vec_t *in, bool safe, hg_colb_t *out);

/* Three-way order of two cells of the same type as comparisons see it (CHAR by value, −0 = 0, NaN greatest). */
int hg_vec_cmp(const hg_vec_t *a, uint32_t i, const hg_vec_t *b, uint32_t j);

/* Start a builder that a kernel of the given result type can fill; room for n rows. */
int hg_out_begin(hg_colb_t *out, const hg_type_t *type, uint32_t n, hg_err_t *err);
/* Seal it as n rows with these valid bits (copied; NULL = all valid). Layouts that kernels append to are sealed as they
 * are. */
int hg_out_end(hg_colb_t *out, uint32_t n, const uint8_t *valid, hg_col_t **ret, hg_err_t *err);

/* Kernels of the list, by file. */
int hg_k_arith_int(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_arith.c */
int hg_k_arith_float(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_neg(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_arith_dec(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_dec.c */
int hg_k_cmp(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);       /* kernel_cmp.c */
int hg_k_distinct(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_greatest(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_nullif(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_round(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_math.c */
int hg_k_abs(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_sign(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_math(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_case(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_str.c */
int hg_k_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_concat_ws(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_length(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_substring(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_trim(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_position(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_replace(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_reverse(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_repeat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_overlay(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_split_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_ascii(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_chr(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_like(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_like.c */
int hg_k_rlike(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_time_arith(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_time.c */
int hg_k_interval_arith(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_extract(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_time_trunc(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_time_diff(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_time_add(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_make_time(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_now(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_cardinality(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out); /* kernel_nested.c */
int hg_k_subscript(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_lookup(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_find(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_add(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_pick(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_best(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_element(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_remove(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_insert(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_repeat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_sequence(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_to_string(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_order(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_array_set(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_arrays_overlap(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_convert_timezone(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_map_concat(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_contains_key(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_map_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_field(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_row(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_map(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_variant_part(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_parse_json(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_variant_text(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);
int hg_k_variant_null(hg_call_t *c, const hg_vec_t *args, hg_colb_t *out);

#endif
