/* print.c: JSON, boxes and nested tables on stdout, laid out as the real fda lays them out.
 *
 * A nested table is a tree of cells: a text, a column (children below each other) or a row (side by side). It is
 * measured, then drawn onto a grid that knows for every place whether a horizontal or a vertical line runs through it;
 * where both do there is a '+'.
 */
#include "base/hg.h"
#include <unistd.h>
#include "base/mem.h"
#include "fda/fda_int.h"

/* --- JSON --- */

static int by_key(const void *a, const void *b)
{
    const hg_json_t *const *x = a, *const *y = b;
    return hg_str_cmp((*x)->key, (*y)->key);
}

/* Members of descriptors that the real one does not know, and shows nowhere. */
static bool hidden(const hg_json_t *m)
{
    static const char *const names[] = { "bootstrap_policy", "silent_bootstrap", "concurrent_bootstrap" };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_str_eqz(m->key, names[i])) return true;
    return m->kind == HG_J_NULL || (hg_str_eqz(m->key, "tags") && m->n == 0);
}

/* Members in the order in which they are shown; *ret_n of them. */
static const hg_json_t **members(const hg_json_t *obj, bool sort, bool drop, uint32_t *ret_n)
{
    static const hg_json_t *none[1];
    const hg_json_t **v = obj->n ? HG_NEWN(const hg_json_t *, obj->n) : NULL;
    uint32_t n = 0;
    for (const hg_json_t *m = obj->child; m; m = m->next)
        if (!drop || !hidden(m)) v[n++] = m;
    if (sort && n) qsort(v, n, sizeof *v, by_key);
    *ret_n = n;
    return v ? v : none;
}

static void release(const hg_json_t **v, const hg_json_t *obj)
{
    if (obj->n) hg_free(v);
}

static void pretty(hg_buf_t *b, const hg_json_t *v, unsigned depth, bool verbatim)
{
    if (v->kind == HG_J_STRING) {
        hg_json_quote(b, v->str);
        return;
    }
    if (v->kind != HG_J_ARRAY && v->kind != HG_J_OBJECT) {
        hg_buf_addstr(b, v->kind == HG_J_NUMBER  ? v->str
                         : v->kind == HG_J_TRUE  ? HG_S("true")
                         : v->kind == HG_J_FALSE ? HG_S("false")
                                                 : HG_S("null"));
        return;
    }
    bool array = v->kind == HG_J_ARRAY;
    uint32_t n;
    const hg_json_t **list = members(v, !array && !verbatim, !array && !verbatim, &n);
    hg_buf_addc(b, array ? '[' : '{');
    for (uint32_t i = 0; i < n; i++) {
        hg_buf_addf(b, "%s\n%*s", i ? "," : "", (int)(2 * depth + 2), "");
        if (!array) {
            hg_json_quote(b, list[i]->key);
            hg_buf_adds(b, ": ");
        }
        pretty(b, list[i], depth + 1, verbatim || (!array && hg_str_eqz(list[i]->key, "runtime_config")));
    }
    if (n) hg_buf_addf(b, "\n%*s", (int)(2 * depth), "");
    hg_buf_addc(b, array ? ']' : '}');
    release(list, v);
}

static void put(hg_buf_t *b)
{
    fwrite(b->p, 1, b->len, stdout);
    hg_buf_release(b);
}

void fda_print_json(const hg_json_t *v, bool verbatim)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    pretty(&b, v, 0, verbatim);
    hg_buf_addc(&b, '\n');
    put(&b);
}

/* --- a box with a header --- */

static void put_rule(hg_buf_t *b, const size_t *width, size_t cols, const char *left, const char *mid,
                     const char *right)
{
    hg_buf_adds(b, left);
    for (size_t c = 0; c < cols; c++) {
        if (c) hg_buf_adds(b, mid);
        for (size_t i = 0; i < width[c] + 2; i++) hg_buf_adds(b, "─");
    }
    hg_buf_addf(b, "%s\n", right);
}

static size_t width_of(hg_str_t s)
{
    return hg_utf8_valid(s.p, s.n) ? hg_utf8_chars(s.p, s.n) : s.n;
}

void fda_print_box(const char *const *text, size_t rows, size_t cols)
{
    hg_buf_t b;
    size_t *width = HG_NEWN(size_t, cols);
    for (size_t i = 0; i < rows * cols; i++) width[i % cols] = HG_MAX(width[i % cols], width_of(hg_strz(text[i])));
    hg_buf_init(&b, HG_BUF_NOMAX);
    put_rule(&b, width, cols, "╭", "┬", "╮");
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            const char *s = text[r * cols + c];
            hg_buf_addf(&b, "│ %s%*s ", s, (int)(width[c] - width_of(hg_strz(s))), "");
        }
        hg_buf_adds(&b, "│\n");
        if (r == 0) put_rule(&b, width, cols, "├", "┼", "┤");
    }
    if (rows > 1) put_rule(&b, width, cols, "╰", "┴", "╯"); /* the real one leaves an empty list open */
    hg_free(width);
    put(&b);
}

/* --- nested tables: cells --- */

typedef enum { CELL_TEXT, CELL_COLUMN, CELL_ROW } cell_kind_t;

typedef struct cell cell_t;
struct cell {
    cell_kind_t kind;
    hg_str_t text;
    cell_t *child, *next;
    uint32_t n;
    size_t key_width; /* of a column of rows that share their first column; 0 = they do not */
    size_t width, height;
};

static cell_t *text_cell(hg_arena_t *a, hg_str_t s)
{
    cell_t *c = HG_ANEW(a, cell_t);
    c->text = s;
    return c;
}

static cell_t *build(hg_arena_t *a, const hg_json_t *v, fda_table_t kind);

static cell_t *build_member(hg_arena_t *a, const hg_json_t *m, fda_table_t kind)
{
    cell_t *row = HG_ANEW(a, cell_t);
    row->kind = CELL_ROW;
    row->n = 2;
    row->child = text_cell(a, m->key);
    row->child->next = build(a, m, kind);
    return row;
}

static cell_t *build_list(hg_arena_t *a, const hg_json_t *v, fda_table_t kind)
{
    bool object = v->kind == HG_J_OBJECT;
    uint32_t n;
    const hg_json_t **list = members(v, object, object && kind == FDA_SPREAD, &n);
    cell_t *col = HG_ANEW(a, cell_t), **tail = &col->child;
    col->kind = n ? CELL_COLUMN : CELL_TEXT;
    col->text = HG_S("");
    col->n = n;
    for (uint32_t i = 0; i < n; i++) {
        *tail = object ? build_member(a, list[i], kind) : build(a, list[i], kind);
        tail = &(*tail)->next;
        if (object && kind == FDA_ALIGNED) col->key_width = HG_MAX(col->key_width, width_of(list[i]->key) + 2);
    }
    release(list, v);
    return col;
}

static cell_t *build(hg_arena_t *a, const hg_json_t *v, fda_table_t kind)
{
    hg_buf_t b;
    switch (v->kind) {
    case HG_J_ARRAY:
    case HG_J_OBJECT:
        return build_list(a, v, kind);
    case HG_J_STRING:
        if (kind == FDA_ALIGNED) return text_cell(a, v->str);
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_json_quote(&b, v->str);
        cell_t *c = text_cell(a, hg_arena_str(a, hg_buf_str(&b)));
        hg_buf_release(&b);
        return c;
    case HG_J_NUMBER:
        return text_cell(a, v->str);
    case HG_J_TRUE:
        return text_cell(a, HG_S("true"));
    case HG_J_FALSE:
        return text_cell(a, HG_S("false"));
    case HG_J_NULL:
    default:
        return text_cell(a, HG_S(""));
    }
}

/* --- measuring --- */

static hg_str_t next_line(hg_str_t *rest)
{
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    hg_str_t line = { rest->p, nl ? (size_t)(nl - rest->p) : rest->n };
    size_t eaten = line.n + (nl != NULL);
    *rest = (hg_str_t){ rest->p + eaten, rest->n - eaten };
    return line;
}

static void measure(cell_t *c)
{
    size_t sum_w = 0, sum_h = 0, max_w = 0, max_h = 0;
    for (cell_t *k = c->child; k; k = k->next) {
        measure(k);
        if (c->key_width) k->width = c->key_width + 1 + k->child->next->width;
        sum_w += k->width + 1;
        sum_h += k->height + 1;
        max_w = HG_MAX(max_w, k->width);
        max_h = HG_MAX(max_h, k->height);
    }
    if (c->kind == CELL_TEXT) {
        hg_str_t rest = c->text;
        do {
            size_t w = width_of(next_line(&rest));
            max_w = HG_MAX(max_w, w);
            max_h++;
        } while (rest.n);
        max_w += 2;
    }
    c->width = c->kind == CELL_ROW ? sum_w - 1 : max_w;
    c->height = c->kind == CELL_COLUMN ? sum_h - 1 : max_h;
}

/* --- drawing --- */

#define LARGEST_GRID ((size_t)1 << 24) /* places, of 17 bytes each */

typedef struct grid {
    size_t w, h;
    uint8_t *lines;   /* bit 0: a horizontal line runs through, bit 1: a vertical one */
    hg_str_t *glyphs; /* one character each; n 0 = blank */
} grid_t;

static void line_h(grid_t *g, size_t x0, size_t x1, size_t y)
{
    for (size_t x = x0; x <= x1; x++) g->lines[y * g->w + x] |= 1;
}

static void line_v(grid_t *g, size_t x, size_t y0, size_t y1)
{
    for (size_t y = y0; y <= y1; y++) g->lines[y * g->w + x] |= 2;
}

static void draw_text(grid_t *g, hg_str_t text, size_t x, size_t y)
{
    for (hg_str_t rest = text; rest.n; y++) {
        hg_str_t line = next_line(&rest);
        bool utf8 = hg_utf8_valid(line.p, line.n);
        for (size_t i = 0, col = x + 1; i < line.n; col++) {
            size_t n = 1;
            while (utf8 && i + n < line.n && ((unsigned char)line.p[i + n] & 0xc0) == 0x80) n++;
            g->glyphs[y * g->w + col] = (hg_str_t){ line.p + i, n };
            i += n;
        }
    }
}

/* Cell c inside the rectangle; the lines around it are there already or belong to it. */
static void draw(grid_t *g, const cell_t *c, size_t x, size_t y, size_t w, size_t h, size_t key_width)
{
    if (c->kind == CELL_TEXT) {
        draw_text(g, c->text, x, y);
        return;
    }
    size_t spare = w - c->width, i = 0;
    for (const cell_t *k = c->child; k; k = k->next, i++) {
        if (c->kind == CELL_COLUMN) {
            size_t kh = k->next ? k->height : h;
            draw(g, k, x, y, w, kh, c->key_width);
            if (k->next) line_h(g, x - 1, x + w, y + kh);
            y += kh + 1;
            h -= HG_MIN(h, kh + 1);
            continue;
        }
        size_t kw = k->width + spare / c->n + (i < spare % c->n);
        if (key_width) kw = k->next ? key_width : w - key_width - 1;
        draw(g, k, x, y, kw, h, 0);
        if (k->next) line_v(g, x + kw, y - 1, y + h);
        x += kw + 1;
    }
}

static void print_grid(const grid_t *g)
{
    static const char corner[] = " -|+";
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    for (size_t y = 0; y < g->h; y++) {
        for (size_t x = 0; x < g->w; x++) {
            size_t at = y * g->w + x;
            if (g->glyphs[at].n)
                hg_buf_addstr(&b, g->glyphs[at]);
            else
                hg_buf_addc(&b, corner[g->lines[at]]);
        }
        hg_buf_addc(&b, '\n');
    }
    put(&b);
}

void fda_print_nested(const hg_json_t *v, fda_table_t kind)
{
    hg_arena_t *a = hg_arena_new();
    cell_t *root = build(a, v, kind);
    measure(root);
    grid_t g = { .w = root->width + 2, .h = root->height + 2 };
    if (g.w > LARGEST_GRID / g.h) { /* no screen shows that as a table */
        fda_print_json(v, false);
        hg_arena_free(a);
        return;
    }
    g.lines = HG_NEWN(uint8_t, g.w * g.h);
    g.glyphs = HG_NEWN(hg_str_t, g.w * g.h);
    line_h(&g, 0, g.w - 1, 0);
    line_h(&g, 0, g.w - 1, g.h - 1);
    line_v(&g, 0, 0, g.h - 1);
    line_v(&g, g.w - 1, 0, g.h - 1);
    draw(&g, root, 1, 1, root->width, root->height, 0);
    print_grid(&g);
    hg_free(g.lines);
    hg_free(g.glyphs);
    hg_arena_free(a);
}

/* --- by format --- */

const char *fda_format_name(fda_format_t f)
{
    static const char *const names[] = { "text", "json", "arrow_ipc", "parquet", "prometheus", "hash" };
    return names[f];
}

int fda_unsupported(fda_t *f)
{
    return fda_error("Unsupported output format: %s", fda_format_name(f->format));
}

int fda_print_value(fda_t *f, const hg_json_t *v, fda_table_t kind, bool verbatim)
{
    if (f->format == FDA_TEXT)
        fda_print_nested(v, kind);
    else if (f->format == FDA_JSON)
        fda_print_json(v, verbatim);
    else
        return fda_unsupported(f);
    return 0;
}

size_t fda_width(const char *s)
{
    return width_of(hg_strz(s));
}

const char *fda_paint(fda_t *f, fda_paint_t paint, const char *s, size_t width)
{
    static const char *const codes[] = { "", "\033[32m", "\033[33m", "\033[31m", "\033[2m" };
    const char *no = getenv("NO_COLOR");
    bool on = paint != FDA_PLAIN && isatty(STDOUT_FILENO) && !(no && *no);
    size_t w = fda_width(s);
    return hg_arena_printf(f->arena, "%s%s%s%*s", on ? codes[paint] : "", s, on ? "\033[0m" : "",
                           (int)(width > w ? width - w : 0), "");
}

const char *fda_thousands(fda_t *f, const char *digits)
{
    size_t n = strlen(digits), out = 0;
    char *s = hg_arena_alloc(f->arena, n + n / 3 + 2);
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) s[out++] = ',';
        s[out++] = digits[i];
    }
    return s;
}

const char *fda_duration(fda_t *f, uint64_t msecs)
{
    uint64_t s = (msecs + 500) / 1000;
    if (s < 90) return hg_arena_printf(f->arena, "%" PRIu64 " s", s);
    if (s < 5400) return hg_arena_printf(f->arena, "%" PRIu64 " min", (s + 30) / 60);
    if (s < 2 * 86400) return hg_arena_printf(f->arena, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
    return hg_arena_printf(f->arena, "%" PRIu64 " days", s / 86400);
}
