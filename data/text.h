/* text.h: values to and from text, exactly. Nothing here goes through double unless the type is REAL or DOUBLE.
 *
 * Parsers take the whole slice (nothing around it unless said), return 0 or HG_EPARSE / HG_ERANGE, and write *ret only
 * on success. Printers append to a caller's buffer of the stated size, return the length, write no NUL.
 */
#ifndef HG_DATA_TEXT_H
#define HG_DATA_TEXT_H

#include "data/type.h"

/* DECIMAL: [-+]digits[.digits][e[-+]digits]. Excess fraction digits are cut toward zero (round_half_even = false) or
 * rounded half to even; integer part too wide for precision: HG_ERANGE. */
int hg_dec_parse(hg_str_t s, int32_t precision, int32_t scale, bool round_half_even, hg_i128 *ret);
#define HG_DEC_TEXT 44
/* trim: trailing fraction zeros dropped ("1.50" → "1.5", "2.00" → "2"). */
size_t hg_dec_print(char *out, hg_i128 v, int32_t scale, bool trim);
hg_i128 hg_pow10(int n); /* 0 <= n <= 38 */

/* REAL / DOUBLE: shortest text that reads back the same; "Infinity", "-Infinity", "NaN". */
#define HG_F64_TEXT 40
int hg_f64_parse(hg_str_t s, double *ret); /* also inf, infinity, nan in any case; too large: HG_ERANGE */
int hg_f32_parse(hg_str_t s, float *ret);  /* rounded once, from the decimal text */
size_t hg_f64_print(char *out, double v);
size_t hg_f32_print(char *out, float v);

/* Days since 1970 ↔ civil date, proleptic Gregorian, years 1..9999. */
int32_t hg_days_from_civil(int32_t y, int32_t m, int32_t d);
void hg_civil_from_days(int32_t days, int32_t *y, int32_t *m, int32_t *d);

#define HG_TIME_TEXT 48
int hg_date_parse(hg_str_t s, int32_t *ret); /* Y-m-d, blanks around and missing leading zeros are fine */
size_t hg_date_print(char *out, int32_t days);
int hg_time_parse(hg_str_t s, int64_t *ret_ns); /* H:M:S[.f…] */
size_t hg_time_print(char *out, int64_t ns);    /* 0, 3, 6 or 9 fraction digits as needed */
/* YYYY-MM-DD{T|t| }HH:MM:SS[.f…][Z|±HH:MM]; the offset is applied. Date-only is midnight if date_only. have_zone may be
 * NULL. */
int hg_ts_parse(hg_str_t s, bool date_only, int64_t *ret_us, bool *have_zone);
size_t hg_ts_print(char *out, int64_t us, char sep, const char *suffix); /* 0, 3 or 6 fraction digits */

/* Is s as SQL writes it in a literal and in a CAST: nothing around it, a DATE's year of four digits, a TIME's parts of
 * two? The parsers above take more, because files hold more. kind: DATE, TIME, TIMESTAMP or TIMESTAMP_TZ. */
bool hg_time_is_sql(hg_kind_t kind, hg_str_t s);

int hg_uuid_parse(hg_str_t s,
                  uint8_t out[16]); /* 32 hex digits, hyphens after any complete group of four, optional braces */
size_t hg_uuid_print(char *out, const uint8_t v[16]); /* 36 */

/* "INTERVAL" values: '1 02:03:04.5' with the unit; and printing as SQL shows it: sign, leading field, the others with
 * two digits, seconds with six fraction digits: "+1 02:03:04.500000", "-2-03" (years to months). HG_TIME_TEXT bytes. */
int hg_interval_parse(hg_str_t s, hg_interval_unit_t unit, int64_t *ret); /* µs or months */
size_t hg_interval_print(char *out, int64_t v, hg_interval_unit_t unit);

#endif
