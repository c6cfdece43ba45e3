/* Tokens: kinds, decoded text, folding, comments, and positions in lines and UTF-16 columns. */
#include "base/hg.h"
#include <setjmp.h>
#include <cmocka.h>
#include "sqlddl/sqlddl_int.h"

typedef struct {
    hg_arena_t *a;
    hg_tok_t *t;
    uint32_t n;
    hg_str_t text;
} lexed_t;

static lexed_t lex(const char *text)
{
    lexed_t l = { .a = hg_arena_new(), .text = hg_strz(text) };
    hg_err_t err = HG_ERR_INIT;
    if (hg_lex(l.a, l.text, &l.t, &l.n, &err) < 0) fail_msg("%s: %s", text, err.msg);
    assert_true(l.n > 0 && l.t[l.n - 1].kind == HG_TOK_END);
    return l;
}

static void one_token(const char *text, hg_tok_kind_t kind, const char *want)
{
    lexed_t l = lex(text);
    if (l.n != 2 || l.t[0].kind != kind) fail_msg("%s: %u tokens, kind %d", text, l.n, (int)l.t[0].kind);
    assert_int_equal(l.t[0].text.n, strlen(want));
    assert_memory_equal(l.t[0].text.p, want, strlen(want) + 1); /* NUL-ended */
    hg_arena_free(l.a);
}

static void kinds_and_text(void **state)
{
    (void)state;
    one_token("Abc_1$", HG_TOK_IDENT, "abc_1$");
    one_token("1st", HG_TOK_IDENT, "1st");
    one_token("1e5x", HG_TOK_IDENT, "1e5x");
    one_token("1e", HG_TOK_IDENT, "1e");
    one_token("ÀÉß", HG_TOK_IDENT, "àéß");
    one_token("ΣΊΔ", HG_TOK_IDENT, "σίδ");
    one_token("ЁЖ", HG_TOK_IDENT, "ёж");
    one_token("Łź", HG_TOK_IDENT, "łź");
    one_token("日本", HG_TOK_IDENT, "日本");
    one_token("\"Ab\"\"c\"", HG_TOK_QIDENT, "Ab\"c");
    one_token("U&\"d\\0061t\\+000061\"", HG_TOK_QIDENT, "data");
    one_token("u&\"d!0061ta\" uescape '!'", HG_TOK_QIDENT, "data");
    one_token("'it''s'", HG_TOK_STRING, "it's");
    one_token("''", HG_TOK_STRING, "");
    one_token("'a\\n'", HG_TOK_STRING, "a\\n"); /* no backslash escapes */
    one_token("'a'\n 'b' -- c\n'c'", HG_TOK_STRING, "abc");
    one_token("'a' /* \n */ 'b'", HG_TOK_STRING, "ab");
    one_token("U&'\\0041\\\\'", HG_TOK_STRING, "A\\");
    one_token("U&'\\d83d\\de00'", HG_TOK_STRING, "\xf0\x9f\x98\x80");
    one_token("E'\\t\\x41\\101\\u00e9\\''", HG_TOK_STRING, "\tAAé'");
    one_token("x'45F0'", HG_TOK_BYTES, "45F0");
    one_token("X'45' 'f0'", HG_TOK_BYTES, "45f0");
    one_token("x''", HG_TOK_BYTES, "");
    one_token("007", HG_TOK_INT, "007");
    one_token("340282366920938463463374607431768211456", HG_TOK_INT, "340282366920938463463374607431768211456");
    one_token("1.50", HG_TOK_DECIMAL, "1.50");
    one_token(".5", HG_TOK_DECIMAL, ".5");
    one_token("1.", HG_TOK_DECIMAL, "1.");
    one_token("1e5", HG_TOK_FLOAT, "1e5");
    one_token("1.5E-3", HG_TOK_FLOAT, "1.5E-3");
    one_token("<=>", HG_TOK_OP, "<=>");
    one_token("::", HG_TOK_OP, "::");
    one_token("!=", HG_TOK_OP, "!=");
}

static void comments_and_white_space_vanish(void **state)
{
    (void)state;
    lexed_t l = lex("a -- x ' \" /*\n// b /* \n/* c ' -- */ d /*+ broadcast(t) */ \xc2\xa0 e /* /* */ f --");
    assert_int_equal(l.n, 5);
    const char *want[] = { "a", "d", "e", "f" };
    for (unsigned i = 0; i < 4; i++) assert_string_equal(l.t[i].text.p, want[i]);
    hg_arena_free(l.a);
    l = lex("");
    assert_int_equal(l.n, 1);
    assert_int_equal(l.t[0].pos.line, 1);
    assert_int_equal(l.t[0].pos.col, 1);
    hg_arena_free(l.a);
    l = lex("'a' 'b'"); /* no line break between them: two literals */
    assert_int_equal(l.n, 3);
    hg_arena_free(l.a);
    l = lex("\xef\xbb\xbf"
            "a");
    assert_int_equal(l.t[0].pos.col, 1);
    hg_arena_free(l.a);
}

static void at(const lexed_t *l, uint32_t i, uint32_t line, uint32_t col, uint32_t end_line, uint32_t end_col)
{
    const hg_pos_t *p = &l->t[i].pos;
    if (p->line != line || p->col != col || p->end_line != end_line || p->end_col != end_col)
        fail_msg("token %u: %u:%u-%u:%u", i, p->line, p->col, p->end_line, p->end_col);
    assert_int_equal(p->off, l->t[i].off);
}

static void lines_and_utf16_columns(void **state)
{
    (void)state;
    lexed_t l = lex("ab\tc '\xf0\x9f\x98\x80\xc3\xa9' d\r\n  'x\ny' <= \"\xf0\x9f\x98\x80\" z");
    at(&l, 0, 1, 1, 1, 2);
    at(&l, 1, 1, 4, 1, 4);  /* a tab is one column */
    at(&l, 2, 1, 6, 1, 10); /* two units and one */
    at(&l, 3, 1, 12, 1, 12);
    at(&l, 4, 2, 3, 3, 2);
    at(&l, 5, 3, 4, 3, 5);
    at(&l, 6, 3, 7, 3, 10);
    at(&l, 7, 3, 12, 3, 12);
    assert_int_equal(l.t[8].kind, HG_TOK_END); /* where the last token ends */
    assert_int_equal(l.t[8].pos.line, 3);
    assert_int_equal(l.t[8].pos.col, 12);
    hg_arena_free(l.a);
}

static void inside(const lexed_t *l, uint32_t tok, uint32_t i, uint32_t len, uint32_t line, uint32_t col,
                   uint32_t end_line, uint32_t end_col)
{
    hg_pos_t p = hg_tok_string_pos(l->text, &l->t[tok], i, len);
    if (p.line != line || p.col != col || p.end_line != end_line || p.end_col != end_col)
        fail_msg("byte %u+%u: %u:%u-%u:%u", i, len, p.line, p.col, p.end_line, p.end_col);
}

static void bytes_of_a_literal_have_places(void **state)
{
    (void)state;
    lexed_t l = lex("a = '[\n {\"k''s\": \xf0\x9f\x98\x80 x}]'\n'y\nz' 'q'");
    /* decoded: [\n {"k's": 😀 x}]y\nz */
    assert_string_equal(l.t[2].text.p, "[\n {\"k's\": \xf0\x9f\x98\x80 x}]y\nz");
    inside(&l, 2, 0, 1, 1, 6, 1, 6);
    inside(&l, 2, 3, 1, 2, 2, 2, 2);    /* { */
    inside(&l, 2, 4, 5, 2, 3, 2, 8);    /* "k's", the quote is two characters */
    inside(&l, 2, 6, 1, 2, 5, 2, 6);    /* '' alone */
    inside(&l, 2, 11, 4, 2, 11, 2, 12); /* the smiley */
    inside(&l, 2, 16, 1, 2, 14, 2, 14); /* x */
    inside(&l, 2, 19, 1, 3, 2, 3, 2);   /* y, in the second part */
    inside(&l, 2, 21, 1, 4, 1, 4, 1);   /* z */
    inside(&l, 2, 22, 1, 4, 2, 4, 2);   /* behind the end: the closing quote */
    inside(&l, 3, 0, 0, 4, 5, 4, 5);
    hg_arena_free(l.a);
    l = lex("U&'a!0042c' UESCAPE '!' E'x\\ty' \"p\"\"q\" 7");
    inside(&l, 0, 1, 1, 1, 5, 1, 9);
    inside(&l, 0, 2, 1, 1, 10, 1, 10);
    inside(&l, 1, 2, 1, 1, 30, 1, 30);
    inside(&l, 2, 1, 1, 1, 35, 1, 36);
    inside(&l, 3, 0, 1, 1, 40, 1, 40); /* no literal: the token itself */
    hg_arena_free(l.a);
}

static void keyword_table_is_sorted(void **state)
{
    (void)state;
    static const char *const words[] = {
#define X(name, text, class) text,
        HG_KEYWORDS(X)
#undef X
    };
    for (size_t i = 0; i < HG_COUNT(words); i++) {
        assert_int_equal(hg_sql_kw(hg_strz(words[i])), i + 1);
        if (i) assert_true(strcmp(words[i - 1], words[i]) < 0);
    }
    assert_int_equal(hg_sql_kw(HG_S("value")), HG_KW_NONE);
    assert_true(hg_kw_reserved(HG_KW_SELECT));
    assert_false(hg_kw_reserved(HG_KW_DATE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_and_text),          cmocka_unit_test(comments_and_white_space_vanish),
        cmocka_unit_test(lines_and_utf16_columns), cmocka_unit_test(bytes_of_a_literal_have_places),
        cmocka_unit_test(keyword_table_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
