/* VARIANT from bytes: what is taken has one canonical form, which every type reads without leaving it; damaged text
 * that comes from a file is walked without leaving it either.
 *
 * byte 0 picks the type of the cast. */
#include "base/hg.h"
#include "base/mem.h"
#include "data/variant.h"

enum { N_TYPES = 12 };

static const hg_type_t *const *types(void)
{
    static const hg_type_t *t[N_TYPES];
    static hg_arena_t *a;
    if (a) return t;
    a = hg_arena_new();
    hg_field_t *f = HG_ANEWN(a, hg_field_t, 3);
    hg_type_t *row = HG_ANEW(a, hg_type_t), *map = HG_ANEW(a, hg_type_t), *days = HG_ANEW(a, hg_type_t);
    t[0] = hg_type_make(a, HG_T_BIGINT, true, -1, 0);
    t[1] = hg_type_make(a, HG_T_CHAR, true, 3, 0);
    t[2] = hg_type_make(a, HG_T_BOOLEAN, true, -1, 0);
    t[3] = hg_type_make(a, HG_T_DECIMAL, true, 38, 10);
    t[4] = hg_type_array(a, t[3], true);
    t[5] = hg_type_make(a, HG_T_BINARY, true, 2, 0);
    t[6] = hg_type_make(a, HG_T_DOUBLE, true, -1, 0);
    f[0] = (hg_field_t){ .name = HG_S("a"), .type = t[4] };
    f[1] = (hg_field_t){ .name = HG_S("b"), .type = hg_type_make(a, HG_T_UTINYINT, false, -1, 0) };
    f[2] = (hg_field_t){ .name = HG_S("c"), .type = hg_type_make(a, HG_T_TIMESTAMP, true, 6, 0) };
    *row = (hg_type_t){ .kind = HG_T_ROW, .nullable = true, .precision = -1, .fields = f, .n_fields = 3 };
    t[7] = row;
    *map = (hg_type_t){ .kind = HG_T_MAP,
                        .nullable = true,
                        .precision = -1,
                        .key = hg_type_make(a, HG_T_VARIANT, false, -1, 0),
                        .elem = row };
    t[8] = map;
    *days = (hg_type_t){ .kind = HG_T_MAP,
                         .nullable = true,
                         .precision = -1,
                         .key = hg_type_make(a, HG_T_DATE, false, -1, 0),
                         .elem = t[1] };
    t[9] = days;
    t[10] = hg_type_array(a, days, true);
    t[11] = hg_type_make(a, HG_T_VARIANT, true, -1, 0);
    return t;
}

/* Everything that reads a VARIANT, on this one. */
static void use(hg_variant_t *v, hg_str_t x, const hg_type_t *t, bool sound)
{
    hg_buf_t out, again;
    hg_colb_t b;
    hg_str_t part;
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&again, HG_BUF_NOMAX);
    hg_colb_init(&b, t);
    (void)hg_variant_type(x);
    if (hg_variant_member(x, HG_S("\"a\""), &part)) HG_ASSERT(part.p >= x.p && part.p + part.n <= x.p + x.n);
    if (hg_variant_element(x, 2, &part)) HG_ASSERT(part.p >= x.p && part.p + part.n <= x.p + x.n);
    int rc = hg_variant_read(v, x, &b);
    HG_ASSERT(rc == 0 ? b.len == 1 : !sound);
    if (rc == 0 && sound) {
        hg_col_t *c = hg_colb_seal(&b);
        HG_ASSERT(hg_variant_print(v, c, 0, &out) == 0 && hg_buf_reserve(&out, 64) == 0);
        HG_ASSERT(hg_variant_parse(v, hg_buf_str(&out), &again) == 0 &&
                  hg_str_eq(hg_buf_str(&out), hg_buf_str(&again)));
        hg_col_drop(c);
    }
    hg_colb_release(&b);
    hg_buf_release(&out);
    hg_buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    const hg_type_t *t = types()[p[0] % N_TYPES];
    hg_variant_t *v = hg_variant_new();
    hg_buf_t in, out, again;
    hg_buf_init(&in, HG_BUF_NOMAX);
    hg_buf_init(&out, HG_BUF_NOMAX);
    hg_buf_init(&again, HG_BUF_NOMAX);
    HG_ASSERT(hg_buf_add(&in, p + 1, n - 1) == 0 && hg_buf_reserve(&in, 64) == 0);
    memset(in.p + in.len, 0, 64);
    use(v, hg_buf_str(&in), t, false);
    int rc = hg_variant_parse(v, hg_buf_str(&in), &out);
    HG_ASSERT(rc == 0 || rc == HG_EPARSE);
    if (rc == 0) {
        HG_ASSERT(hg_buf_reserve(&out, 64) == 0 && hg_variant_parse(v, hg_buf_str(&out), &again) == 0);
        HG_ASSERT(hg_str_eq(hg_buf_str(&out), hg_buf_str(&again)));
        use(v, hg_buf_str(&out), t, true);
    }
    hg_buf_release(&in);
    hg_buf_release(&out);
    hg_buf_release(&again);
    hg_variant_free(v);
    return 0;
}
