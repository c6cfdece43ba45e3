/* rows.c: lists and single objects as tables: which members, under which heading. */
#include "base/hg.h"
#include <time.h>
#include "base/log.h"
#include "fda/fda_int.h"

/* "2026-11-21 10:59:12.757391 UTC (3s ago)" */
static const char *moment(fda_t *f, const char *rfc3339)
{
    struct tm utc = { 0 };
    const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc);
    if (!rest) return rfc3339;
    double frac = *rest == '.' ? strtod(rest, NULL) : 0;
    double ago = (double)hg_now_us() / 1e6 - (double)timegm(&utc) - frac;
    size_t day = 10,
           digits = (size_t)(rest - rfc3339) + 1 + strspn(rest + (*rest == '.'), "0123456789") - (*rest != '.');
    return hg_arena_printf(f->arena, "%.*s %.*s UTC (%.0fs ago)", (int)day, rfc3339, (int)(digits - day - 1),
                           rfc3339 + day + 1, ago);
}

static const char *compact(fda_t *f, const hg_json_t *v)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_node(&w, v);
    const char *text = hg_arena_strndup(f->arena, b.p, b.len);
    hg_buf_release(&b);
    return text;
}

static const char *cell(fda_t *f, const hg_json_t *row, const fda_col_t *c)
{
    const hg_json_t *v = fda_member(row, c->path);
    if (!v) return c->kind == FDA_COL_OPTIONAL ? "(none)" : c->kind == FDA_COL_YES_NO ? "no" : "";
    if (c->kind == FDA_COL_YES_NO) return v->kind == HG_J_TRUE ? "yes" : "no";
    if (c->kind == FDA_COL_TIME) return moment(f, hg_json_str(v, ""));
    return v->kind == HG_J_STRING ? v->str.p : compact(f, v);
}

void fda_print_rows(fda_t *f, const hg_json_t *const *rows, size_t n, const fda_col_t *cols)
{
    size_t width = 0, k = 0;
    while (cols[width].head) width++;
    const char **text = HG_ANEWN(f->arena, const char *, (n + 1) * width);
    for (size_t c = 0; c < width; c++) text[k++] = cols[c].head;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < width; c++) text[k++] = cell(f, rows[r], &cols[c]);
    fda_print_box(text, n + 1, width);
}

int fda_print_list(fda_t *f, const hg_json_t *list, const fda_col_t *cols)
{
    if (f->format != FDA_TEXT) return fda_print_value(f, list, FDA_ALIGNED, false);
    const hg_json_t **rows = HG_ANEWN(f->arena, const hg_json_t *, list->n + 1);
    size_t n = 0;
    for (const hg_json_t *v = list->child; v; v = v->next) rows[n++] = v;
    fda_print_rows(f, rows, n, cols);
    return 0;
}

int fda_print_fields(fda_t *f, const hg_json_t *v, const fda_col_t *cols)
{
    if (f->format != FDA_TEXT) return fda_print_value(f, v, FDA_ALIGNED, false);
    size_t n = 0, k = 0;
    while (cols[n].head) n++;
    const char **text = HG_ANEWN(f->arena, const char *, 2 * (n + 1));
    text[k++] = "Field";
    text[k++] = "Value";
    for (size_t c = 0; c < n; c++) {
        text[k++] = cols[c].head;
        text[k++] = cell(f, v, &cols[c]);
    }
    fda_print_box(text, n + 1, 2);
    return 0;
}
