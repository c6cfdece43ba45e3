/* Where a node of the connectors JSON stands in the program. hg_tok_string_pos() counts from the literal's first byte,
 * which would make a literal with thousands of connectors quadratic; here a cursor moves from connector to connector,
 * and places are counted from it. Literals of several parts or with U& escapes are rare: they take the slow way. */
#include "base/hg.h"
#include "compile/conn_int.h"

/* Go on to decoded byte i. A doubled quote is one decoded byte and two columns; 4-byte characters are two UTF-16 units.
 */
static void advance(const hg_conn_ctx_t *x, hg_conn_cursor_t *at, uint32_t i)
{
    const char *p = x->c->text.p;
    while (at->i < i) {
        unsigned char ch = (unsigned char)p[at->off];
        if (ch == '\n') {
            at->line++;
            at->col = 1;
        } else if ((ch & 0xc0) != 0x80) {
            at->col += ch >= 0xf0 ? 2 : ch == '\'' ? 2 : 1;
        }
        at->off += ch == '\'' ? 2 : 1;
        at->i++;
    }
}

void hg_conn_pos_init(hg_conn_ctx_t *x)
{
    const char *p = x->c->text.p + x->tok->off;
    uint32_t doubled = 0;
    for (size_t i = 0; i < x->tok->text.n; i++) doubled += x->tok->text.p[i] == '\'';
    x->simple = p[0] == '\'' && x->tok->len == x->tok->text.n + doubled + 2;
    for (size_t i = 1; x->simple && i + 1 < x->tok->len; i++) /* every quote inside is one of two */
        if (p[i] == '\'' && p[++i] != '\'') x->simple = false;
    x->base = (hg_conn_cursor_t){ .off = x->tok->off + 1, .line = x->tok->pos.line, .col = x->tok->pos.col + 1 };
}

void hg_conn_pos_base(hg_conn_ctx_t *x, uint32_t off)
{
    if (x->simple) advance(x, &x->base, off);
}

hg_pos_t hg_conn_pos(const hg_conn_ctx_t *x, const hg_json_t *node, bool at_key)
{
    uint32_t off = node->off, len = node->len;
    if (at_key && node->key_len) {
        off = node->key_off;
        len = node->key_len;
    } else if (node->kind == HG_J_OBJECT || node->kind == HG_J_ARRAY) {
        len = 1; /* where it opens: the whole would be half the program */
    }
    if (!x->simple || off < x->base.i) return hg_tok_string_pos(x->c->text, x->tok, off, len);
    hg_conn_cursor_t from = x->base;
    advance(x, &from, off);
    hg_conn_cursor_t to = from;
    advance(x, &to, off + (len ? len - 1 : 0));
    return (hg_pos_t){ .line = from.line, .col = from.col, .end_line = to.line, .end_col = to.col };
}
