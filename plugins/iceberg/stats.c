/* stats.c: counts and bounds of the columns of a data file, by which readers leave files out. Bounds are told for what
 * has a plain order: whole numbers, dates, times and text. Of a text no more than 16 characters are told: as a lower
 * bound its beginning is one, an upper bound is left out where the text is longer. */
#include "base/hg.h"
#include "plugins/iceberg/manifest.h"

#define TEXT_CHARS 16

/* Bytes of a bound; 0: no plain number. */
static size_t integer_width(hg_kind_t k)
{
    if (k == HG_T_INTEGER || k == HG_T_DATE) return 4;
    return k == HG_T_BIGINT || k == HG_T_TIME || k == HG_T_TIMESTAMP || k == HG_T_TIMESTAMP_TZ ? 8 : 0;
}

static int64_t integer(const hg_col_t *c, uint32_t i, size_t width)
{
    if (width == 4) return HG_COL(c, int32_t)[i];
    int64_t v = HG_COL(c, int64_t)[i];
    return c->type->kind == HG_T_TIME ? v / 1000 : v; /* Iceberg's is in microseconds */
}

/* Little-endian, 4 or 8 bytes. */
static hg_str_t integer_bytes(hg_arena_t *a, int64_t v, size_t width)
{
    char t[8];
    for (size_t i = 0; i < width; i++) t[i] = (char)((uint64_t)v >> (8 * i));
    return (hg_str_t){ hg_arena_strndup(a, t, width), width };
}

static void integer_bounds(hg_arena_t *a, const hg_col_t *c, size_t width, hgi_column_stats_t *s)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    if (s->nulls == s->values) return;
    for (uint32_t i = 0; i < c->len; i++) {
        if (hg_col_null(c, i)) continue;
        int64_t v = integer(c, i, width);
        low = HG_MIN(low, v);
        high = HG_MAX(high, v);
    }
    s->lower = integer_bytes(a, low, width);
    s->upper = integer_bytes(a, high, width);
}

/* Bytes of the first characters. */
static size_t beginning(hg_str_t s)
{
    size_t at = 0;
    for (unsigned chars = 0; at < s.n; at++)
        if (((unsigned char)s.p[at] & 0xC0) != 0x80 && chars++ == TEXT_CHARS) break;
    return at;
}

static void text_bounds(hg_arena_t *a, const hg_col_t *c, hgi_column_stats_t *s)
{
    hg_str_t low = { NULL, 0 }, high = { NULL, 0 };
    for (uint32_t i = 0; i < c->len; i++) {
        if (hg_col_null(c, i)) continue;
        hg_str_t v = hg_col_var(c, i);
        if (!low.p || hg_str_cmp(v, low) < 0) low = v;
        if (!high.p || hg_str_cmp(v, high) > 0) high = v;
    }
    if (!low.p) return;
    low.n = beginning(low);
    s->lower = hg_arena_str(a, low);
    if (beginning(high) == high.n) s->upper = hg_arena_str(a, high);
}

hgi_column_stats_t *hgi_stats(hg_arena_t *a, const hgi_table_t *t, const hg_batch_t *rows)
{
    hgi_column_stats_t *all = HG_ANEWN(a, hgi_column_stats_t, rows->n_cols);
    for (uint32_t k = 0; k < rows->n_cols; k++) {
        const hg_col_t *c = rows->cols[k];
        hgi_column_stats_t *s = &all[k];
        *s = (hgi_column_stats_t){ .id = t->col_ids[k], .values = c->len, .nulls = c->validity ? c->nulls : 0 };
        size_t width = integer_width(c->type->kind);
        if (width) integer_bounds(a, c, width, s);
        if (c->type->kind == HG_T_VARCHAR) text_bounds(a, c, s);
    }
    return all;
}
