/* fuzz_eval.c: any function of the list, or any cast, over arguments of any type.
 *
 * Input: a byte (bit 7: a cast, bit 6: a safe one; else modulo 5 the number of arguments, divided by 5 the row among
 * those of the same name), the function's name and a line feed (a name that is not in the list picks one by its sum:
 * new functions do not shift the corpus), then the bytes from which types and values are picked.
 *
 * Properties: a refusal at compile time has a message; an evaluation error has the position; what a batch gives is what
 * its rows give one by one, and a batch fails exactly if one of its rows does. */
#include "base/hg.h"
#include <math.h>
#include "data/variant.h"
#include "engine/circuit.h"
#include "engine/func_int.h"

#define ROWS 4

typedef struct {
    const uint8_t *p;
    size_t n;
} in_t;

static uint8_t next(in_t *in)
{
    if (in->n == 0) return 0;
    in->n--;
    return *in->p++;
}

static const hg_func_t *pick_func(in_t *in, uint32_t row)
{
    const uint8_t *p = in->p, *nl = in->n ? memchr(p, '\n', in->n) : NULL;
    hg_str_t name = { (const char *)p, nl ? (size_t)(nl - p) : in->n };
    uint32_t sum = 0, rows = 0;
    in->n -= name.n + (nl ? 1 : 0);
    in->p += name.n + (nl ? 1 : 0);
    for (uint32_t i = 0; i < hg_n_funcs; i++) rows += hg_str_eqz(name, hg_funcs[i].name);
    for (uint32_t i = 0, k = 0; i < hg_n_funcs && rows; i++)
        if (hg_str_eqz(name, hg_funcs[i].name) && k++ == row % rows) return &hg_funcs[i];
    for (size_t i = 0; i < name.n; i++) sum = sum * 31 + (uint8_t)name.p[i];
    return &hg_funcs[sum % hg_n_funcs];
}

static hg_kind_t pick_scalar(in_t *in)
{
    return (hg_kind_t)(1 + next(in) % HG_T_UUID);
}

/* With digits, length or unit. */
static const hg_type_t *pick_type(hg_arena_t *a, in_t *in, hg_kind_t k)
{
    uint8_t c = next(in);
    hg_type_t *t = HG_ANEW(a, hg_type_t);
    *t = (hg_type_t){ .kind = k, .nullable = true, .precision = -1 };
    if (k == HG_T_DECIMAL) {
        t->precision = 1 + c % 38;
        t->scale = next(in) % (t->precision + 1);
    } else if (k == HG_T_CHAR || k == HG_T_BINARY) {
        t->precision = 1 + c % 5;
    } else if (k == HG_T_VARCHAR || k == HG_T_VARBINARY) {
        t->precision = c % 4 ? -1 : c % 6;
    } else if (k == HG_T_INTERVAL) {
        t->unit = (hg_interval_unit_t)(c % HG_IV_YEAR);
    } else if (k == HG_T_INTERVAL_YM) {
        t->unit = (hg_interval_unit_t)(HG_IV_YEAR + c % 3);
    } else if (k == HG_T_ARRAY) {
        t->elem = pick_type(a, in, pick_scalar(in));
    } else if (k == HG_T_MAP) {
        t->key = hg_type_with_null(a, pick_type(a, in, pick_scalar(in)), false);
        t->elem = pick_type(a, in, c & 1 ? HG_T_VARIANT : pick_scalar(in));
    } else if (k == HG_T_ROW) {
        hg_field_t *f = HG_ANEWN(a, hg_field_t, 2);
        f[0] = (hg_field_t){ .name = HG_S("f"), .type = pick_type(a, in, pick_scalar(in)) };
        f[1] = (hg_field_t){ .name = HG_S("g"), .type = pick_type(a, in, c & 1 ? HG_T_MAP : pick_scalar(in)) };
        t->fields = f;
        t->n_fields = 2;
    }
    return t;
}

/* A kind that fits the letter of a pattern three times out of four, any kind otherwise. */
static hg_kind_t pick_kind(in_t *in, char letter)
{
    static const hg_kind_t points[] = { HG_T_DATE, HG_T_TIMESTAMP, HG_T_TIMESTAMP_TZ,
                                        HG_T_TIME, HG_T_INTERVAL,  HG_T_INTERVAL_YM };
    uint8_t b = next(in), c = next(in);
    if (b % 4 == 0) return (hg_kind_t)(c % (HG_T_ARRAY + 1));
    switch (letter) {
    case 'i':
    case 'l':
        return (hg_kind_t)(HG_T_TINYINT + c % 8);
    case 'e':
        return (hg_kind_t)(HG_T_TINYINT + c % 9);
    case 'f':
        return c & 1 ? HG_T_REAL : HG_T_DOUBLE;
    case 'n':
    case 'F':
        return (hg_kind_t)(HG_T_TINYINT + c % 11);
    case 's':
        return c & 3 ? HG_T_VARCHAR : HG_T_CHAR;
    case 'b':
        return c & 3 ? HG_T_VARBINARY : HG_T_BINARY;
    case 'D':
        return HG_T_DATE;
    case 'T':
        return HG_T_TIME;
    case 'S':
        return HG_T_TIMESTAMP;
    case 'Z':
        return HG_T_TIMESTAMP_TZ;
    case 'p':
        return points[c % 3];
    case 'q':
        return points[c % 6];
    case 'I':
        return HG_T_INTERVAL;
    case 'Y':
        return HG_T_INTERVAL_YM;
    case 'A':
        return HG_T_ARRAY;
    case 'M':
        return HG_T_MAP;
    case 'O':
        return HG_T_ROW;
    case 'v':
        return HG_T_VARIANT;
    default:
        return (hg_kind_t)(c % (HG_T_ARRAY + 1));
    }
}

/* Numbers near the edges as often as small ones. */
static int64_t pick_i64(in_t *in)
{
    uint8_t b = next(in);
    int64_t v = (int8_t)next(in);
    switch (b % 6) {
    case 0:
        return INT64_MIN + (v & 3);
    case 1:
        return INT64_MAX - (v & 3);
    case 2:
        return (int64_t)((uint64_t)v << (b / 6));
    default:
        return v;
    }
}

static hg_i128 pick_dec(in_t *in, int32_t precision)
{
    hg_i128 limit = hg_pow10(precision), v = pick_i64(in);
    uint8_t b = next(in);
    if (b % 4 == 0) return limit - 1 - (v & 3);
    if (b % 4 == 1) return -(limit - 1 - (v & 3));
    return v * hg_pow10(b % 19) % limit;
}

static double pick_f64(in_t *in)
{
    static const double odd[] = { 0.0,         -0.0, 1e300, -1e300, 5e-324, (double)INFINITY, -(double)INFINITY,
                                  (double)NAN, 0.1,  1e19 };
    uint8_t b = next(in);
    return b < HG_COUNT(odd) ? odd[b] : (double)pick_i64(in) / 8;
}

/* Valid UTF-8 that often looks like a number, a date or a pattern. */
static size_t pick_text(in_t *in, char *out)
{
    static const char *const whole[] = { "2024-02-29",
                                         "10:20:30.5",
                                         "2024-02-29 10:20:30",
                                         "1e10",
                                         "-12.5",
                                         "true",
                                         "%a_%",
                                         "00112233-4455-6677-8899-aabbccddeeff",
                                         "1 02:03:04" };
    static const char *const parts[] = { "a",
                                         "B",
                                         "0",
                                         "9",
                                         "-",
                                         ".",
                                         ":",
                                         " ",
                                         "%",
                                         "_",
                                         "\\",
                                         "(",
                                         "[",
                                         "*",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9D\x84\x9E",
                                         "," };
    uint8_t b = next(in);
    size_t n = 0;
    if (b % 4 == 0) return (size_t)snprintf(out, 64, "%s", whole[b / 4 % HG_COUNT(whole)]);
    for (int i = b % 9; i > 0; i--) n += (size_t)snprintf(out + n, 64 - n, "%s", parts[next(in) % HG_COUNT(parts)]);
    return n;
}

/* What is no JSON becomes a string. */
static int put_variant(hg_colb_t *b, hg_str_t text)
{
    hg_buf_t in, out;
    hg_variant_t *v = hg_variant_new();
    hg_buf_init(&in, HG_BUF_NOMAX);
    hg_buf_init(&out, HG_BUF_NOMAX);
    HG_ASSERT(hg_buf_addstr(&in, text) == 0 && hg_buf_reserve(&in, 64) == 0);
    int rc = hg_variant_parse(v, hg_buf_str(&in), &out);
    if (rc == HG_EPARSE) {
        hg_buf_clear(&out);
        rc = hg_json_quote(&out, text);
    }
    if (rc == 0) rc = hg_colb_var(b, out.p, out.len);
    hg_buf_release(&in);
    hg_buf_release(&out);
    hg_variant_free(v);
    return rc;
}

static void put_cell(hg_colb_t *b, in_t *in)
{
    const hg_type_t *t = b->type;
    uint8_t nulls = next(in), id[16];
    char text[80];
    size_t n;
    int rc = 0;
    if (t->kind == HG_T_NULL || nulls % 5 == 0) {
        HG_ASSERT(hg_colb_null(b) == 0);
        return;
    }
    switch ((int)t->kind) {
    case HG_T_BOOLEAN:
        rc = hg_colb_bool(b, next(in) & 1);
        break;
    case HG_T_TINYINT:
    case HG_T_UTINYINT:
        rc = hg_colb_u8(b, (uint8_t)pick_i64(in));
        break;
    case HG_T_SMALLINT:
    case HG_T_USMALLINT:
        rc = hg_colb_u16(b, (uint16_t)pick_i64(in));
        break;
    case HG_T_INTEGER:
    case HG_T_UINTEGER:
        rc = hg_colb_u32(b, (uint32_t)pick_i64(in));
        break;
    case HG_T_INTERVAL_YM:
        rc = hg_colb_i32(b, (int32_t)pick_i64(in));
        break;
    case HG_T_BIGINT:
    case HG_T_UBIGINT:
    case HG_T_INTERVAL:
        rc = hg_colb_i64(b, pick_i64(in));
        break;
    case HG_T_DECIMAL:
        rc = hg_colb_i128(b, pick_dec(in, t->precision));
        break;
    case HG_T_REAL:
        rc = hg_colb_f32(b, (float)pick_f64(in));
        break;
    case HG_T_DOUBLE:
        rc = hg_colb_f64(b, pick_f64(in));
        break;
    case HG_T_DATE:
        rc = hg_colb_i32(b,
                         (int32_t)(HG_DATE_MIN + (int64_t)((uint64_t)pick_i64(in) % (HG_DATE_MAX - HG_DATE_MIN + 1))));
        break;
    case HG_T_TIME:
        rc = hg_colb_i64(b, (int64_t)((uint64_t)pick_i64(in) % (uint64_t)HG_NS_DAY));
        break;
    case HG_T_TIMESTAMP:
    case HG_T_TIMESTAMP_TZ:
        rc = hg_colb_i64(b, HG_TS_MIN + (int64_t)((uint64_t)pick_i64(in) % (uint64_t)(HG_TS_MAX - HG_TS_MIN + 1)));
        break;
    case HG_T_UUID:
        for (int i = 0; i < 16; i++) id[i] = (uint8_t)(next(in) & 3);
        rc = hg_colb_fixed(b, id);
        break;
    case HG_T_CHAR:
        n = pick_text(in, text);
        n = hg_utf8_skip((hg_str_t){ text, n }, t->precision);
        for (int32_t c = (int32_t)hg_utf8_chars(text, n); c < t->precision; c++) text[n++] = ' ';
        rc = hg_colb_var(b, text, n);
        break;
    case HG_T_ARRAY:
        for (int i = next(in) % 4; i > 0; i--) put_cell(&b->child[0], in);
        rc = hg_colb_close_list(b);
        break;
    case HG_T_MAP:
        for (int i = next(in) % 4; i > 0; i--) {
            uint32_t before = b->child[0].nulls, len = b->child[0].len;
            put_cell(&b->child[0], in);
            if (b->child[0].nulls > before) hg_colb_truncate(&b->child[0], len);
            if (b->child[0].len == len) rc = hg_colb_zero(&b->child[0]);
            put_cell(&b->child[1], in);
        }
        if (rc == 0) rc = hg_colb_close_map(b);
        break;
    case HG_T_ROW:
        for (uint32_t i = 0; i < b->n_child; i++) put_cell(&b->child[i], in);
        rc = hg_colb_close_struct(b);
        break;
    case HG_T_VARIANT:
        n = pick_text(in, text);
        rc = put_variant(b, (hg_str_t){ text, n });
        break;
    default:
        n = pick_text(in, text);
        if (t->precision >= 0) n = hg_utf8_skip((hg_str_t){ text, n }, t->precision);
        rc = hg_colb_var(b, text, n);
        break;
    }
    HG_ASSERT(rc == 0);
}

static hg_expr_t *node(hg_arena_t *a, hg_expr_kind_t kind, const hg_type_t *type, uint32_t n)
{
    hg_expr_t *e = HG_ANEW(a, hg_expr_t);
    e->kind = kind;
    e->type = type;
    e->pos = (hg_pos_t){ .line = 1, .col = 1 };
    e->n_args = n;
    e->args = HG_ANEWN(a, const hg_expr_t *, n + 1);
    return e;
}

static const hg_expr_t *cast_to(hg_arena_t *a, const hg_expr_t *x, const hg_type_t *to, bool safe)
{
    hg_expr_t *e = node(a, HG_X_CAST, to, 1);
    e->args[0] = x;
    e->safe = safe;
    return e;
}

static bool same_cell(const hg_col_t *a, uint32_t i, const hg_col_t *b, uint32_t j)
{
    bool na = hg_col_null(a, i), nb = hg_col_null(b, j);
    return na || nb ? na && nb : hg_cell_cmp(a, i, b, j) == 0;
}

/* The whole batch against its rows one at a time. */
static void check(const hg_expr_t *e, hg_batch_t *batch)
{
    hg_err_t err = HG_ERR_INIT, one_err = HG_ERR_INIT;
    hg_col_t *all = NULL, *one = NULL;
    int rc = hg_eval(e, batch, NULL, ROWS, 12345, &all, &err);
    bool row_failed = false;
    if (rc < 0) {
        HG_ASSERT(rc == HG_EEVAL || rc == HG_ETOOBIG);
        HG_ASSERT(err.msg[0] && err.pos.line == 1);
    }
    for (uint32_t r = 0; r < ROWS; r++) {
        int one_rc = hg_eval(e, batch, &r, 1, 12345, &one, &one_err);
        row_failed = row_failed || one_rc < 0;
        if (one_rc < 0) continue;
        if (rc == 0) HG_ASSERT(one->len == 1 && same_cell(all, r, one, 0));
        hg_col_drop(one);
    }
    HG_ASSERT(row_failed == (rc < 0));
    if (rc == 0) HG_ASSERT(all->len == ROWS);
    hg_col_drop(all);
}

static const hg_expr_t *pick_call(hg_arena_t *a, in_t *in, const hg_func_t *f, const hg_expr_t **args, uint32_t n)
{
    const hg_type_t *types[5];
    hg_func_match_t m = { 0 };
    hg_err_t err = HG_ERR_INIT;
    char name[64];
    if (strcmp(f->name, "repeat") == 0) return NULL; /* may rightly ask for gigabytes */
    uint8_t unit = next(in);
    snprintf(name, sizeof name, f->flags & HG_F_UNIT ? "%s:%s" : "%s", f->name,
             unit == 255 ? "fortnight" : hg_unit_name((hg_unit_t)(unit % HG_UNIT_N)));
    for (uint32_t i = 0; i < n; i++) types[i] = args[i]->type;
    if (hg_func_resolve(a, hg_strz(name), types, NULL, n, &m, &err) < 0) {
        HG_ASSERT(err.msg[0]);
        return NULL;
    }
    hg_expr_t *e = node(a, HG_X_CALL, m.result, n);
    e->fn = m.fn;
    for (uint32_t i = 0; i < n; i++) {
        const hg_type_t *to = hg_type_with_null(a, m.arg_types[i], true);
        e->args[i] = hg_type_same(types[i], to) ? args[i] : cast_to(a, args[i], to, false);
    }
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size)
{
    in_t in = { p, size };
    hg_arena_t *a = hg_arena_new();
    uint8_t what = next(&in);
    bool casts = what & 0x80;
    const hg_func_t *f = pick_func(&in, (what & 127) / 5);
    uint32_t n = casts ? 1 : what % 5;
    hg_batch_t *batch = hg_batch_new(ROWS, n);
    const hg_expr_t *args[5], *e = NULL;
    const char *letter = f->args;
    for (uint32_t i = 0; i < n; i++) {
        hg_colb_t b;
        while (*letter == '?' || *letter == '+') letter++;
        char l = *letter && *letter != '>' ? *letter++ : '*';
        hg_colb_init(&b, pick_type(a, &in, pick_kind(&in, casts ? '*' : l)));
        for (int r = 0; r < ROWS; r++) put_cell(&b, &in);
        batch->cols[i] = hg_colb_seal(&b);
        hg_colb_release(&b);
        hg_expr_t *c = node(a, HG_X_COL, batch->cols[i]->type, 0);
        c->col = i;
        args[i] = c;
    }
    if (casts) {
        const hg_type_t *to = pick_type(a, &in, (hg_kind_t)(next(&in) % (HG_T_ARRAY + 1)));
        if (to->kind != HG_T_NULL && hg_cast_explicit(args[0]->type, to)) e = cast_to(a, args[0], to, what & 0x40);
    } else {
        e = pick_call(a, &in, f, args, n);
    }
    if (e) check(e, batch);
    hg_batch_drop(batch);
    hg_arena_free(a);
    return 0;
}
