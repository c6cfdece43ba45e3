/* agg.c: COUNT, SUM, MIN, MAX and AVG: their types, their accumulators per group, their results.
 *
 * One state per call: arrays indexed by group that double as groups appear, so a row costs no allocation. Integers sum
 * in 128 bits, DECIMAL in 256, floats exactly (agg_float.c); a sum is held against its result type only when it is
 * asked for. One thread at a time. */
#include "base/hg.h"
#include "engine/agg_int.h"
#include "engine/agg_state_int.h"
#include "engine/eval_int.h"

/* --- types -------------------------------------------------------------------------------------------------------- */

static const char *const names[] = {
    [HG_AGG_COUNT] = "count", [HG_AGG_SUM] = "sum", [HG_AGG_MIN] = "min", [HG_AGG_MAX] = "max", [HG_AGG_AVG] = "avg",
};

static bool is_scalar(hg_kind_t k)
{
    return k != HG_T_NULL && k != HG_T_ARRAY && k != HG_T_MAP && k != HG_T_ROW && k != HG_T_VARIANT &&
           k != HG_T_GEOMETRY;
}

static int wrong_type(const char *name, const hg_type_t *arg, hg_err_t *err)
{
    char shown[16];
    size_t n = 0;
    hg_buf_t text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (; name[n]; n++) shown[n] = (char)(name[n] - 32);
    shown[n] = 0;
    if (arg) hg_type_text(&text, arg);
    int rc = arg ? hg_err_set(err, HG_ETYPE, "Cannot apply '%s' to arguments of type '%s(<%s>)'", shown, shown, text.p)
                 : hg_err_set(err, HG_ETYPE, "Cannot apply '%s' to arguments of type '%s(*)'", shown, shown);
    hg_buf_release(&text);
    return rc;
}

int hg_agg_resolve(hg_arena_t *a, hg_str_t name, const hg_type_t *arg, bool grouped, hg_agg_t *ret,
                   const hg_type_t **ret_type, hg_err_t *err)
{
    hg_agg_t fn = HG_AGG_COUNT_STAR;
    for (int i = HG_AGG_COUNT; i <= HG_AGG_AVG; i++)
        if (hg_str_eqz(name, names[i])) fn = (hg_agg_t)i;
    if (fn == HG_AGG_COUNT_STAR) return hg_err_set(err, HG_ENOTFOUND, "no aggregate '" HG_SF "'", HG_SA(name));
    if (fn == HG_AGG_COUNT) {
        *ret = arg ? HG_AGG_COUNT : HG_AGG_COUNT_STAR;
        *ret_type = hg_type_make(a, HG_T_BIGINT, false, -1, 0);
        return 0;
    }
    bool sums = fn == HG_AGG_SUM || fn == HG_AGG_AVG;
    if (!arg || (sums ? !hg_kind_is_numeric(arg->kind) : !is_scalar(arg->kind))) return wrong_type(names[fn], arg, err);
    const hg_type_t *t = fn == HG_AGG_SUM && arg->kind == HG_T_DECIMAL
                             ? hg_type_make(a, HG_T_DECIMAL, arg->nullable, 38, arg->scale)
                             : arg;
    *ret = fn;
    *ret_type = hg_type_with_null(a, t, arg->nullable || !grouped);
    return 0;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

/* The best text of a group so far. */
typedef struct {
    char *p;
    uint32_t n, cap;
} text_t;

typedef struct {
    const hg_agg_call_t *call;
    const hg_type_t *arg; /* NULL: COUNT(*) */
    hg_phys_t phys;
    uint32_t cap;     /* groups that have room */
    int64_t *count;   /* weight of the rows that counted */
    hg_i128 *sum;     /* integers */
    hg_i256_t *wide;  /* DECIMAL */
    hg_fsum_t *exact; /* REAL, DOUBLE */
    char *best;       /* MIN, MAX of fixed width; BOOLEAN as a byte */
    text_t *text;     /* MIN, MAX of variable width */
    size_t text_bytes;
    hg_distinct_t *distinct;
} state_t;

struct hg_aggs {
    state_t *s;
    uint32_t n;
};

static bool is_sum(hg_agg_t f)
{
    return f == HG_AGG_SUM || f == HG_AGG_AVG;
}
static bool is_best(hg_agg_t f)
{
    return f == HG_AGG_MIN || f == HG_AGG_MAX;
}
static bool is_float(hg_phys_t p)
{
    return p == HG_PHYS_F32 || p == HG_PHYS_F64;
}

int hg_aggs_new(const hg_agg_call_t *calls, uint32_t n, hg_aggs_t **ret, hg_err_t *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (calls[i].arg && !is_scalar(calls[i].arg->type->kind) && (calls[i].distinct || is_best(calls[i].fn)))
            return hg_err_at(err, HG_EUNSUPPORTED, calls[i].arg->pos,
                             "Not yet implemented: this aggregate over values of type %s",
                             hg_kind_name(calls[i].arg->type->kind));
    hg_aggs_t *a = HG_NEW(hg_aggs_t);
    a->s = HG_NEWN(state_t, n + 1);
    a->n = n;
    for (uint32_t i = 0; i < n; i++) {
        state_t *s = &a->s[i];
        s->call = &calls[i];
        s->arg = calls[i].arg ? calls[i].arg->type : NULL;
        s->phys = s->arg ? hg_type_phys(s->arg) : HG_PHYS_NULL;
        if (calls[i].distinct && s->arg) s->distinct = hg_distinct_new(s->arg);
    }
    *ret = a;
    return 0;
}

void hg_aggs_free(hg_aggs_t *a)
{
    if (!a) return;
    for (uint32_t i = 0; i < a->n; i++) {
        state_t *s = &a->s[i];
        for (uint32_t g = 0; g < s->cap; g++) {
            if (s->exact) hg_fsum_release(&s->exact[g]);
            if (s->text) hg_free(s->text[g].p);
        }
        hg_free(s->count);
        hg_free(s->sum);
        hg_free(s->wide);
        hg_free(s->exact);
        hg_free(s->best);
        hg_free(s->text);
        hg_distinct_free(s->distinct);
    }
    hg_free(a->s);
    hg_free(a);
}

static size_t best_width(const state_t *s)
{
    return s->phys == HG_PHYS_BIT ? 1 : hg_phys_width(s->phys);
}

static size_t exact_bytes(const state_t *s)
{
    size_t n = 0;
    for (uint32_t g = 0; s->exact && g < s->cap; g++) n += s->exact[g].cap * sizeof(double);
    return n;
}

size_t hg_aggs_mem(const hg_aggs_t *a)
{
    size_t n = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        const state_t *s = &a->s[i];
        size_t per = sizeof *s->count + (s->sum ? sizeof *s->sum : 0) + (s->wide ? sizeof *s->wide : 0) +
                     (s->exact ? sizeof *s->exact : 0) + (s->text ? sizeof *s->text : 0) +
                     (s->best ? best_width(s) : 0);
        n += per * s->cap + s->text_bytes + exact_bytes(s);
        if (s->distinct) n += hg_distinct_mem(s->distinct);
    }
    return n;
}

/* *arr gets room for cap items, the new ones zero. */
static int widen(void *arr_ptr, size_t size, uint32_t from, uint32_t cap)
{
    void *old, *p;
    memcpy(&old, arr_ptr, sizeof old);
    p = hg_trygrow(old, size * cap);
    if (!p) return HG_ENOMEM;
    memset((char *)p + size * from, 0, size * (cap - from));
    memcpy(arr_ptr, &p, sizeof p);
    return 0;
}

static int reserve(state_t *s, uint32_t n_groups)
{
    if (n_groups <= s->cap) return 0;
    uint32_t cap = HG_MAX(n_groups, s->cap < UINT32_MAX / 2 ? s->cap * 2 : UINT32_MAX), from = s->cap;
    int rc = widen(&s->count, sizeof *s->count, from, cap);
    if (rc == 0 && is_sum(s->call->fn)) {
        if (is_float(s->phys))
            rc = widen(&s->exact, sizeof *s->exact, from, cap);
        else if (s->phys == HG_PHYS_I128)
            rc = widen(&s->wide, sizeof *s->wide, from, cap);
        else
            rc = widen(&s->sum, sizeof *s->sum, from, cap);
    }
    if (rc == 0 && is_best(s->call->fn)) {
        if (s->phys == HG_PHYS_VAR)
            rc = widen(&s->text, sizeof *s->text, from, cap);
        else
            rc = widen(&s->best, best_width(s), from, cap);
    }
    if (rc == 0) s->cap = cap;
    return rc;
}

/* --- update ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint32_t *groups;
    uint32_t n_rows;
    const hg_col_t *arg, *filter;
    const int64_t *weights;
} rows_t;

static uint32_t group_of(const rows_t *r, uint32_t i)
{
    return r->groups ? r->groups[i] : 0;
}

/* Does row i count, and how often? HG_ENOMEM from DISTINCT. */
static inline int row_weight(state_t *s, const rows_t *r, uint32_t i, int64_t *ret_w)
{
    *ret_w = r->weights ? r->weights[i] : 1;
    if (r->filter && (hg_col_null(r->filter, i) || !hg_bit_get(r->filter->data, i))) *ret_w = 0;
    if (r->arg && hg_col_null(r->arg, i)) *ret_w = 0;
    if (!s->distinct || *ret_w == 0) return 0;
    if (*ret_w < 0) {
        *ret_w = 0;
        return 0;
    }
    int rc = hg_distinct_add(s->distinct, group_of(r, i), r->arg, i);
    *ret_w = rc > 0;
    return rc < 0 ? rc : 0;
}

#define SUM_LOOP(T)                                                                                                    \
    do {                                                                                                               \
        const T *v = r->arg->data;                                                                                     \
        for (uint32_t i = 0; i < r->n_rows && rc == 0; i++) {                                                          \
            rc = row_weight(s, r, i, &w);                                                                              \
            if (w == 0) continue;                                                                                      \
            s->count[group_of(r, i)] += w;                                                                             \
            s->sum[group_of(r, i)] += (hg_i128)v[i] * w;                                                               \
        }                                                                                                              \
        return rc;                                                                                                     \
    } while (0)
#define FLOAT_LOOP(T)                                                                                                  \
    do {                                                                                                               \
        const T *v = r->arg->data;                                                                                     \
        for (uint32_t i = 0; i < r->n_rows && rc == 0; i++) {                                                          \
            rc = row_weight(s, r, i, &w);                                                                              \
            if (w == 0) continue;                                                                                      \
            s->count[group_of(r, i)] += w;                                                                             \
            rc = hg_fsum_add(&s->exact[group_of(r, i)], (double)v[i], w);                                              \
        }                                                                                                              \
        return rc;                                                                                                     \
    } while (0)

static int update_sum(state_t *s, const rows_t *r)
{
    int rc = 0;
    int64_t w = 0;
    switch ((int)s->phys) {
    case HG_PHYS_I8:
        SUM_LOOP(int8_t);
    case HG_PHYS_I16:
        SUM_LOOP(int16_t);
    case HG_PHYS_I32:
        SUM_LOOP(int32_t);
    case HG_PHYS_I64:
        SUM_LOOP(int64_t);
    case HG_PHYS_U8:
        SUM_LOOP(uint8_t);
    case HG_PHYS_U16:
        SUM_LOOP(uint16_t);
    case HG_PHYS_U32:
        SUM_LOOP(uint32_t);
    case HG_PHYS_U64:
        SUM_LOOP(uint64_t);
    case HG_PHYS_F32:
        FLOAT_LOOP(float);
    case HG_PHYS_F64:
        FLOAT_LOOP(double);
    default:
        break;
    }
    for (uint32_t i = 0; i < r->n_rows && rc == 0; i++) {
        rc = row_weight(s, r, i, &w);
        if (w == 0) continue;
        uint32_t g = group_of(r, i);
        hg_i128 v = HG_COL(r->arg, hg_i128)[i];
        s->count[g] += w;
        s->wide[g] = hg_i256_add(s->wide[g], w == 1 ? hg_i256_of(v) : hg_i256_mul(v, w));
    }
    return rc;
}

static int keep_text(state_t *s, uint32_t g, const hg_col_t *col, uint32_t row)
{
    text_t *t = &s->text[g];
    hg_str_t v = hg_col_var(col, row);
    if (s->count[g] > 0) {
        /* the kept text seen as a column of one row */
        int32_t offs[2] = { 0, (int32_t)t->n };
        hg_col_t kept = { .type = s->arg, .len = 1, .offs = offs, .bytes = t->p };
        int c = hg_cell_cmp(col, row, &kept, 0);
        if (s->call->fn == HG_AGG_MIN ? c >= 0 : c <= 0) return 0;
    }
    if (v.n > t->cap || !t->p) {
        uint32_t cap = (uint32_t)HG_MAX(v.n, 16);
        char *p = hg_trygrow(t->p, cap);
        if (!p) return HG_ENOMEM;
        s->text_bytes += cap - t->cap;
        t->p = p;
        t->cap = cap;
    }
    if (v.n) memcpy(t->p, v.p, v.n);
    t->n = (uint32_t)v.n;
    return 0;
}

static void keep_fixed(state_t *s, uint32_t g, const hg_col_t *col, uint32_t row)
{
    size_t width = best_width(s);
    char *best = s->best + width * g;
    if (s->phys == HG_PHYS_BIT) {
        bool v = hg_bit_get(col->data, row);
        if (s->count[g] == 0 || (s->call->fn == HG_AGG_MIN ? v < *best : v > *best)) *best = v;
        return;
    }
    if (s->count[g] > 0) {
        hg_col_t kept = { .type = s->arg, .len = g + 1, .data = s->best };
        int c = hg_cell_cmp(col, row, &kept, g);
        if (s->call->fn == HG_AGG_MIN ? c >= 0 : c <= 0) return;
    }
    memcpy(best, (const char *)col->data + width * row, width);
}

static int update_best(state_t *s, const rows_t *r)
{
    int rc = 0;
    int64_t w = 0;
    for (uint32_t i = 0; i < r->n_rows && rc == 0; i++) {
        rc = row_weight(s, r, i, &w);
        if (w <= 0) continue;
        uint32_t g = group_of(r, i);
        if (s->phys == HG_PHYS_VAR)
            rc = keep_text(s, g, r->arg, i);
        else
            keep_fixed(s, g, r->arg, i);
        s->count[g] = 1;
    }
    return rc;
}

static int update_count(state_t *s, const rows_t *r)
{
    int rc = 0;
    int64_t w = 0;
    if (!r->filter && !r->weights && !s->distinct && (!r->arg || r->arg->nulls == 0) && !r->groups) {
        s->count[0] += r->n_rows;
        return 0;
    }
    for (uint32_t i = 0; i < r->n_rows && rc == 0; i++) {
        rc = row_weight(s, r, i, &w);
        s->count[group_of(r, i)] += w;
    }
    return rc;
}

int hg_aggs_update(hg_aggs_t *a, const uint32_t *groups, uint32_t n_groups, uint32_t n_rows, hg_col_t *const *args,
                   hg_col_t *const *filters, const int64_t *weights, hg_err_t *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < a->n && rc == 0; i++) {
        state_t *s = &a->s[i];
        rows_t r = { .groups = groups,
                     .n_rows = n_rows,
                     .arg = s->arg ? args[i] : NULL,
                     .filter = filters ? filters[i] : NULL,
                     .weights = weights };
        rc = reserve(s, n_groups);
        if (rc < 0) break;
        if (s->arg && s->arg->kind == HG_T_NULL) continue; /* COUNT(NULL) */
        if (s->distinct) rc = hg_distinct_begin(s->distinct, args[i]);
        if (rc < 0) break;
        if (is_sum(s->call->fn))
            rc = update_sum(s, &r);
        else if (is_best(s->call->fn))
            rc = update_best(s, &r);
        else
            rc = update_count(s, &r);
    }
    return rc < 0 ? hg_err_set(err, HG_ENOMEM, "out of memory for aggregates") : 0;
}

/* --- finish ------------------------------------------------------------------------------------------------------- */

static int too_wide(const state_t *s, hg_err_t *err)
{
    hg_buf_t from, to;
    hg_buf_init(&from, HG_BUF_NOMAX);
    hg_buf_init(&to, HG_BUF_NOMAX);
    hg_type_text(&from, s->arg);
    hg_type_text(&to, s->call->type);
    int rc = hg_err_at(err, HG_EEVAL, s->call->arg->pos, "%s(%s) overflows %s",
                       s->call->fn == HG_AGG_AVG ? "AVG" : "SUM", from.p, to.p);
    hg_buf_release(&from);
    hg_buf_release(&to);
    return rc;
}

#define PUT_INT(T)                                                                                                     \
    HG_COL(out, T)[g] = (T)v;                                                                                          \
    return HG_COL(out, T)[g] == v

static bool put_int(hg_colb_t *out, uint32_t g, hg_i128 v)
{
    switch ((int)out->phys) {
    case HG_PHYS_I8:
        PUT_INT(int8_t);
    case HG_PHYS_I16:
        PUT_INT(int16_t);
    case HG_PHYS_I32:
        PUT_INT(int32_t);
    case HG_PHYS_I64:
        PUT_INT(int64_t);
    case HG_PHYS_U8:
        PUT_INT(uint8_t);
    case HG_PHYS_U16:
        PUT_INT(uint16_t);
    case HG_PHYS_U32:
        PUT_INT(uint32_t);
    default:
        PUT_INT(uint64_t);
    }
}

static bool put_dec(hg_colb_t *out, uint32_t g, hg_i256_t v)
{
    hg_i128 limit = hg_pow10(out->type->precision), x = 0;
    if (!hg_i256_fits(v, &x) || x >= limit || x <= -limit) return false;
    HG_COL(out, hg_i128)[g] = x;
    return true;
}

/* The sum or average of a group that has rows. */
static bool put_sum(const state_t *s, uint32_t g, hg_colb_t *out)
{
    bool avg = s->call->fn == HG_AGG_AVG;
    if (s->exact) {
        double v = hg_fsum_get(&s->exact[g]) / (avg ? (double)s->count[g] : 1);
        if (out->phys == HG_PHYS_F32)
            HG_COL(out, float)[g] = (float)v;
        else
            HG_COL(out, double)[g] = v;
        return true;
    }
    if (s->wide) return put_dec(out, g, avg ? hg_i256_div(s->wide[g], s->count[g], NULL) : s->wide[g]);
    return put_int(out, g, avg ? s->sum[g] / s->count[g] : s->sum[g]);
}

static void put_best(const state_t *s, uint32_t g, hg_colb_t *out)
{
    size_t w = best_width(s);
    if (out->phys != HG_PHYS_BIT)
        memcpy((char *)out->data + w * g, s->best + w * g, w);
    else if (s->best[g])
        hg_bit_set(out->data, g);
}

int hg_aggs_finish(hg_aggs_t *a, uint32_t i, uint32_t n_groups, hg_col_t **ret, hg_err_t *err)
{
    state_t *s = &a->s[i];
    hg_agg_t fn = s->call->fn;
    hg_colb_t out;
    int rc = reserve(s, n_groups) < 0 ? hg_err_set(err, HG_ENOMEM, "out of memory for aggregates") : 0;
    uint8_t *valid = hg_tryzero((((size_t)n_groups + 63) / 64 + 1) * 8);
    if (rc == 0 && !valid) rc = hg_err_set(err, HG_ENOMEM, "out of memory for aggregates");
    if (rc == 0) rc = hg_out_begin(&out, s->call->type, n_groups, err);
    if (rc < 0) {
        hg_free(valid);
        return rc;
    }
    for (uint32_t g = 0; g < n_groups && rc == 0; g++) {
        bool counts = fn == HG_AGG_COUNT || fn == HG_AGG_COUNT_STAR, there = counts || s->count[g] != 0;
        if (there) hg_bit_set(valid, g);
        if (counts)
            HG_COL(&out, int64_t)[g] = s->count[g];
        else if (s->text)
            rc = there ? hg_colb_var(&out, s->text[g].p, s->text[g].n) : hg_colb_null(&out);
        else if (there && is_best(fn))
            put_best(s, g, &out);
        else if (there && !put_sum(s, g, &out))
            rc = too_wide(s, err);
    }
    if (rc == HG_ENOMEM || rc == HG_ETOOBIG) hg_err_set(err, (hg_code_t)rc, "out of memory for aggregates");
    if (rc == 0)
        rc = hg_out_end(&out, n_groups, valid, ret, err);
    else
        hg_colb_release(&out);
    hg_free(valid);
    return rc;
}
