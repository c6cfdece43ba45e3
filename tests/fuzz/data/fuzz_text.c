/* Value text: what a parser accepts prints and reads back as the same value; what is refused leaves the result alone.
 */
#include "base/hg.h"
#include "data/text.h"

static void check_dec(hg_str_t s, int32_t p, int32_t scale, bool even)
{
    hg_i128 v = 0, w = 0, limit = hg_pow10(p);
    char text[HG_DEC_TEXT];
    if (hg_dec_parse(s, p, scale, even, &v) < 0) return;
    HG_ASSERT(v < limit && v > -limit);
    for (int trim = 0; trim < 2; trim++) {
        size_t n = hg_dec_print(text, v, scale, trim);
        HG_ASSERT(n <= sizeof text && hg_dec_parse((hg_str_t){ text, n }, p, scale, even, &w) == 0 && v == w);
    }
}

static void check_float(hg_str_t s)
{
    double d, d2;
    float f, f2;
    char text[HG_F64_TEXT];
    if (hg_f64_parse(s, &d) == 0) {
        size_t n = hg_f64_print(text, d);
        HG_ASSERT(n <= sizeof text && hg_f64_parse((hg_str_t){ text, n }, &d2) == 0);
        HG_ASSERT(d != d ? d2 != d2 : memcmp(&d, &d2, 8) == 0);
    }
    if (hg_f32_parse(s, &f) == 0) {
        size_t n = hg_f32_print(text, f);
        HG_ASSERT(n <= sizeof text && hg_f32_parse((hg_str_t){ text, n }, &f2) == 0);
        HG_ASSERT(f != f ? f2 != f2 : memcmp(&f, &f2, 4) == 0);
    }
}

static void check_times(hg_str_t s)
{
    int32_t d, d2;
    int64_t t, t2;
    bool zone;
    char text[HG_TIME_TEXT];
    if (hg_date_parse(s, &d) == 0)
        HG_ASSERT(hg_date_parse((hg_str_t){ text, hg_date_print(text, d) }, &d2) == 0 && d == d2);
    if (hg_time_parse(s, &t) == 0)
        HG_ASSERT(hg_time_parse((hg_str_t){ text, hg_time_print(text, t) }, &t2) == 0 && t == t2);
    for (int date_only = 0; date_only < 2; date_only++)
        if (hg_ts_parse(s, date_only, &t, &zone) == 0) {
            HG_ASSERT(hg_ts_parse((hg_str_t){ text, hg_ts_print(text, t, ' ', "") }, false, &t2, &zone) == 0 &&
                      t == t2 && !zone);
            HG_ASSERT(hg_ts_parse((hg_str_t){ text, hg_ts_print(text, t, 'T', "+00:00") }, false, &t2, &zone) == 0 &&
                      t == t2 && zone);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    hg_str_t s = { (const char *)p + 1, n - 1 };
    int32_t precision = 1 + p[0] % 38, scale = p[0] % (precision + 1);
    check_dec(s, precision, scale, false);
    check_dec(s, precision, scale, true);
    check_float(s);
    check_times(s);
    uint8_t u[16], u2[16];
    char text[64];
    if (hg_uuid_parse(s, u) == 0)
        HG_ASSERT(hg_uuid_parse((hg_str_t){ text, hg_uuid_print(text, u) }, u2) == 0 && memcmp(u, u2, 16) == 0);
    for (int unit = 0; unit < HG_IV_N; unit++) {
        int64_t v, w;
        if (hg_interval_parse(s, (hg_interval_unit_t)unit, &v) == 0) {
            size_t len = hg_interval_print(text, v, (hg_interval_unit_t)unit);
            HG_ASSERT(len <= HG_TIME_TEXT &&
                      hg_interval_parse((hg_str_t){ text, len }, (hg_interval_unit_t)unit, &w) == 0 && v == w);
        }
    }
    return 0;
}
