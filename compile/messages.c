/* Messages: recorded while compiling, then shown in two shapes: Feldera's JSON (with its snippet) and text for people.
 *
 * A message keeps the text that goes into the JSON. Calcite's "At line 2, column 8: " belongs to that text and only
 * there: for people the place stands in front already, so the renderer takes it off again.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "compile/compile_int.h"

void hg_pos_prefix(hg_pos_t pos, char *out, size_t cap)
{
    out[0] = 0;
    if (pos.line == 0) return;
    if (pos.end_line == 0 || (pos.end_line == pos.line && pos.end_col == pos.col))
        snprintf(out, cap, "At line %u, column %u: ", pos.line, pos.col);
    else
        snprintf(out, cap, "From line %u, column %u to line %u, column %u: ", pos.line, pos.col, pos.end_line,
                 pos.end_col);
}

static void record(hg_cc_t *c, bool warning, hg_pos_t pos, const char *type, const char *text)
{
    hg_msg_t m = { .warning = warning, .pos = pos, .error_type = type, .message = text };
    if (m.pos.line != 0 && m.pos.end_line == 0) {
        m.pos.end_line = m.pos.line;
        m.pos.end_col = m.pos.col;
    }
    HG_APUSH(c->a, c->msgs, c->n_msgs, m);
    if (!warning) c->n_errors++;
}

static char *format(hg_arena_t *a, const char *fmt, va_list ap) HG_PRINTF(2, 0);
static char *format(hg_arena_t *a, const char *fmt, va_list ap)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_addfv(&b, fmt, ap);
    char *s = hg_arena_strndup(a, b.p, b.len);
    hg_buf_release(&b);
    return s;
}

void hg_cc_error(hg_cc_t *c, hg_pos_t pos, const char *type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    record(c, false, pos, type, format(c->a, fmt, ap));
    va_end(ap);
}

void hg_cc_warn(hg_cc_t *c, hg_pos_t pos, const char *type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    record(c, true, pos, type, format(c->a, fmt, ap));
    va_end(ap);
}

void hg_cc_sem(hg_cc_t *c, hg_pos_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *cause = format(c->a, fmt, ap);
    va_end(ap);
    char prefix[96];
    hg_pos_prefix(pos, prefix, sizeof prefix);
    record(c, false, pos, prefix[0] ? "Compilation error" : "Error in SQL statement",
           hg_arena_printf(c->a, "%s%s", prefix, cause));
}

void hg_cc_nyi(hg_cc_t *c, hg_pos_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = format(c->a, fmt, ap);
    va_end(ap);
    record(c, false, pos, "Not yet implemented",
           hg_arena_printf(c->a, "%s is not yet implemented; please file an issue if you need it", what));
}

void hg_cc_parse_error(hg_cc_t *c, int rc, const hg_err_t *err, const char *type)
{
    if (rc == HG_EUNSUPPORTED) type = "Not yet implemented";
    if (rc == HG_EINVAL) type = "Not supported";
    hg_cc_error(c, err->pos, type, "%s", err->msg);
}

void hg_cc_note(hg_cc_t *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = format(c->a, fmt, ap);
    va_end(ap);
    hg_msg_t *m = &c->msgs[c->n_msgs - 1];
    m->note = m->note ? hg_arena_printf(c->a, "%s\n%s", m->note, text) : text;
}

const char *hg_upper(hg_cc_t *c, hg_str_t word)
{
    char *s = hg_arena_strndup(c->a, word.p, word.n);
    for (size_t i = 0; i < word.n; i++)
        if (s[i] >= 'a' && s[i] <= 'z') s[i] = (char)(s[i] - 32);
    return s;
}

const char *hg_cc_place(hg_cc_t *c, hg_pos_t pos)
{
    return c->file ? hg_arena_printf(c->a, "%s:%u:%u", c->file, pos.line, pos.col)
                   : hg_arena_printf(c->a, "line %u, column %u", pos.line, pos.col);
}

/* --- settings and repetitions --- */
static bool silenced(const hg_cc_t *c, const char *type)
{
    for (uint32_t i = 0; i < c->n_ignored; i++) {
        hg_str_t w = c->ignored[i];
        size_t k = 0;
        for (; k < w.n && type[k]; k++) {
            char t = type[k] == ' ' ? '_' : type[k];
            if (t >= 'A' && t <= 'Z') t = (char)(t - 'A' + 'a');
            if (t != w.p[k]) break;
        }
        if (k == w.n && type[k] == 0) return true;
    }
    return false;
}

void hg_cc_messages_finish(hg_cc_t *c)
{
    hg_strmap_t seen;
    hg_strmap_init(&seen);
    hg_msg_t *out = HG_ANEWN(c->a, hg_msg_t, c->n_msgs);
    hg_program_t *p = &c->prog->pub;
    p->n_msgs = p->n_errors = p->n_warnings = 0;
    for (uint32_t i = 0; i < c->n_msgs; i++) {
        hg_msg_t m = c->msgs[i];
        if (m.warning && silenced(c, m.error_type)) continue;
        if (c->warnings_are_errors) m.warning = false;
        hg_str_t id = hg_strz(hg_arena_printf(c->a, "%u:%u:%u:%u:%d:%s:%s", m.pos.line, m.pos.col, m.pos.end_line,
                                              m.pos.end_col, m.warning, m.error_type, m.message));
        if (hg_strmap_put(&seen, id, i) != i) continue;
        out[p->n_msgs++] = m;
        if (m.warning)
            p->n_warnings++;
        else
            p->n_errors++;
    }
    hg_strmap_release(&seen);
    p->msgs = out;
    p->ok = p->n_errors == 0;
}

/* --- source lines --- */
typedef struct lines {
    hg_str_t text;
    uint32_t *start; /* byte offset of each line; one more at the end */
    uint32_t n;
} lines_t;

static void lines_init(lines_t *l, hg_str_t text)
{
    uint32_t n = 1;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    *l = (lines_t){ .text = text, .start = HG_NEWN(uint32_t, n + 1) };
    l->start[l->n++] = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n') l->start[l->n++] = (uint32_t)(i + 1);
    /* what follows the last newline is a line only if there is something */
    if (l->n > 1 && l->start[l->n - 1] == text.n) l->n--;
    l->start[l->n] = (uint32_t)text.n;
}

static hg_str_t line_at(const lines_t *l, uint32_t i) /* from 1 */
{
    hg_str_t s = { l->text.p + l->start[i - 1], l->start[i] - l->start[i - 1] };
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r')) s.n--;
    return s;
}

static void quote_line(hg_buf_t *b, const lines_t *l, uint32_t i)
{
    hg_str_t s = line_at(l, i);
    hg_buf_addf(b, "%5u|" HG_SF "\n", i, HG_SA(s));
}

static void repeat(hg_buf_t *b, char ch, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) hg_buf_addc(b, ch);
}

/* Feldera's snippet: sql §4.2. */
static void snippet(hg_buf_t *b, const lines_t *l, hg_pos_t p)
{
    if (p.line == 0 || p.line > l->n) return;
    uint32_t last = p.end_line > l->n ? l->n : p.end_line;
    if (last <= p.line) {
        uint32_t width = p.end_col >= p.col ? p.end_col - p.col + 1 : 1;
        if (p.line == l->n && p.line > 1) quote_line(b, l, p.line - 1);
        quote_line(b, l, p.line);
        repeat(b, ' ', p.col - 1 + 6);
        repeat(b, '^', width);
        hg_buf_addc(b, '\n');
        if (p.line < l->n) quote_line(b, l, p.line + 1);
        return;
    }
    if (last - p.line < 5) {
        for (uint32_t i = p.line; i <= last; i++) quote_line(b, l, i);
        return;
    }
    quote_line(b, l, p.line);
    quote_line(b, l, p.line + 1);
    hg_buf_adds(b, "      ...\n");
    quote_line(b, l, last);
}

void hg_program_messages_json(const hg_program_t *p, hg_jw_t *w)
{
    lines_t l;
    lines_init(&l, p->text);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_obj(w);
    hg_jw_ku64(w, "exit_code", p->n_errors ? 1 : 0);
    hg_jw_key(w, "messages");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < p->n_msgs; i++) {
        const hg_msg_t *m = &p->msgs[i];
        hg_jw_obj(w);
        hg_jw_ku64(w, "start_line_number", m->pos.line);
        hg_jw_ku64(w, "start_column", m->pos.col);
        hg_jw_ku64(w, "end_line_number", m->pos.end_line);
        hg_jw_ku64(w, "end_column", m->pos.end_col);
        hg_jw_kbool(w, "warning", m->warning);
        hg_jw_kstr(w, "error_type", m->error_type);
        hg_jw_kstr(w, "message", m->message);
        hg_buf_clear(&b);
        snippet(&b, &l, m->pos);
        hg_jw_key(w, "snippet");
        hg_jw_str(w, hg_buf_str(&b));
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
    hg_buf_release(&b);
    hg_free(l.start);
}

/* --- for people --- */

/* Terminal columns up to UTF-16 column `col` (from 1) of the line: the blanks before a caret. Tabs are copied as tabs,
 * so that the caret stands right whatever the tab width. */
static void caret_indent(hg_buf_t *b, hg_str_t line, uint32_t col)
{
    uint32_t u = 1;
    for (size_t i = 0; i < line.n && u < col;) {
        unsigned char ch = (unsigned char)line.p[i];
        size_t len = ch < 0x80 ? 1 : ch < 0xe0 ? 2 : ch < 0xf0 ? 3 : 4;
        hg_buf_addc(b, ch == '\t' ? '\t' : ' ');
        u += len == 4 ? 2 : 1;
        i += len;
    }
}

static void excerpt(hg_buf_t *b, const lines_t *l, hg_pos_t p, bool color)
{
    if (p.line == 0 || p.line > l->n) return;
    hg_str_t line = line_at(l, p.line);
    hg_buf_addf(b, "%5u | " HG_SF "\n", p.line, HG_SA(line));
    if (p.end_line > p.line) return; /* the first line of a long construct says enough */
    hg_buf_adds(b, "      | ");
    caret_indent(b, line, p.col);
    if (color) hg_buf_adds(b, "\033[1;32m");
    repeat(b, '^', p.end_col >= p.col ? p.end_col - p.col + 1 : 1);
    if (color) hg_buf_adds(b, "\033[0m");
    hg_buf_addc(b, '\n');
}

void hg_program_messages_text(const hg_program_t *p, const char *file, bool color, hg_buf_t *out)
{
    lines_t l;
    lines_init(&l, p->text);
    for (uint32_t i = 0; i < p->n_msgs; i++) {
        const hg_msg_t *m = &p->msgs[i];
        const char *text = m->message;
        char prefix[96];
        hg_pos_prefix(m->pos, prefix, sizeof prefix);
        if (prefix[0] && strncmp(text, prefix, strlen(prefix)) == 0) text += strlen(prefix);
        if (color) hg_buf_adds(out, "\033[1m");
        hg_buf_adds(out, file ? file : "program");
        if (m->pos.line) hg_buf_addf(out, ":%u:%u", m->pos.line, m->pos.col);
        hg_buf_adds(out, ": ");
        if (color) hg_buf_adds(out, m->warning ? "\033[1;35m" : "\033[1;31m");
        hg_buf_adds(out, m->warning ? "warning: " : "error: ");
        if (color) hg_buf_adds(out, "\033[0m");
        hg_buf_addf(out, "%s\n", text);
        excerpt(out, &l, m->pos, color);
        for (const char *n = m->note; n && *n;) {
            const char *end = strchr(n, '\n');
            size_t k = end ? (size_t)(end - n) : strlen(n);
            hg_buf_addf(out, "   note: %.*s\n", (int)k, n);
            n = end ? end + 1 : NULL;
        }
    }
    hg_free(l.start);
}
